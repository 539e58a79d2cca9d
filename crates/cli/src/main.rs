//! The `dolmen` binary: SQL from the command line, a file, standard input or a terminal.

mod args;
mod progress;
mod run;
mod terminal;

use std::io::{IsTerminal, Read};
use std::process::ExitCode;

use crate::args::{Args, Source};
use crate::run::{Ending, Runner};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // The processes of a session are this program too.
    if let Err(error) = dolmen::serve_if_worker() {
        eprintln!("error: {error}");
        return ExitCode::FAILURE;
    }
    let args = Args::parse();
    match start(&args) {
        Ok(Ending::Good | Ending::ReaderGone) => ExitCode::SUCCESS,
        Ok(Ending::Failed) => ExitCode::FAILURE,
        Ok(Ending::Interrupted) => ExitCode::from(130),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn start(args: &Args) -> anyhow::Result<Ending> {
    // Its errors say their sources themselves.
    let session = args.session().map_err(|error| anyhow::anyhow!(error.report()))?;
    let mut runner = Runner::new(session, args)?;
    let sources = args.sources();
    if sources.is_empty() && std::io::stdin().is_terminal() {
        return terminal::run(&mut runner);
    }
    if sources.is_empty() {
        let mut script = Vec::new();
        std::io::stdin().read_to_end(&mut script)?;
        return runner.script("standard input", &script);
    }
    for source in sources {
        let ending = match source {
            Source::Command(sql) => runner.script("-c", sql.as_bytes())?,
            Source::File(path) => {
                let script = std::fs::read(path)
                    .map_err(|error| anyhow::anyhow!("{} cannot be read: {error}", path.display()))?;
                runner.script(&path.display().to_string(), &script)?
            }
        };
        if ending != Ending::Good {
            return Ok(ending);
        }
    }
    Ok(Ending::Good)
}
