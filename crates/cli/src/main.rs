//! The `dolmen` binary: SQL from the command line, a file, standard input or a terminal.

mod args;
mod colour;
mod command;
mod complete;
mod display;
mod folders;
mod highlight;
mod hint;
mod history;
mod lex;
mod names;
mod pager;
mod progress;
mod quote;
mod run;
mod script;
mod session_names;
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
        Ok(Ending::Good | Ending::ReaderGone | Ending::Quit) => ExitCode::SUCCESS,
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
        runner.interact();
        return terminal::run(&mut runner, args.reads_startup_script());
    }
    if sources.is_empty() {
        let mut script = Vec::new();
        std::io::stdin().read_to_end(&mut script)?;
        return runner.script("standard input", &script);
    }
    let mut has_failed = false;
    for source in sources {
        let ending = match source {
            Source::Command(sql) => runner.script("-c", sql.as_bytes())?,
            Source::File(path) => {
                let script = std::fs::read(path)
                    .map_err(|error| anyhow::anyhow!("{} cannot be read: {error}", path.display()))?;
                runner.script(&path.display().to_string(), &script)?
            }
        };
        match ending {
            Ending::Good => {}
            Ending::Failed if args.keeps_going() => has_failed = true,
            // `.quit` after an error that was passed over does not make it good.
            Ending::Quit if has_failed => return Ok(Ending::Failed),
            ending => return Ok(ending),
        }
    }
    Ok(if has_failed { Ending::Failed } else { Ending::Good })
}
