//! Running statements and writing their results.

use std::io::{self, BufWriter, IsTerminal, Write};
use std::time::Instant;

use anyhow::Context;
use dolmen::output::{Format, OutputOptions, ResultWriter, terminal_width};
use dolmen::{Error, Query, Session};
use futures::StreamExt;
use tokio::runtime::{Builder, Runtime};

use crate::args::Args;
use crate::progress::{AfterLine, Line, can_be_shown};

/// How a script ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Good,
    /// A statement failed; its error has been printed.
    Failed,
    /// The user pressed Ctrl-C.
    Interrupted,
    /// Whoever read the results has seen enough, as `head` does.
    ReaderGone,
}

/// Rows of a table that is not written to a terminal; other formats have no limit.
const TABLE_ROWS_MAX: usize = 10_000;

/// Runs statements of one session, one after another.
pub(crate) struct Runner {
    session: Session,
    format: Format,
    quiet: bool,
    shows_progress: bool,
    /// Waits for results and for Ctrl-C; the work is done by the session's own threads.
    waiting: Runtime,
}

impl Runner {
    pub(crate) fn new(session: Session, args: &Args) -> anyhow::Result<Self> {
        let waiting = Builder::new_current_thread().enable_all().build().context("the terminal's thread")?;
        let term = std::env::var_os("TERM");
        let shows_progress = args.progress() && can_be_shown(io::stderr().is_terminal(), term.as_deref());
        Ok(Self { session, format: args.format(), quiet: args.quiet(), shows_progress, waiting })
    }

    /// Runs the statements of `script` up to the first that fails.
    pub(crate) fn script(&mut self, name: &str, script: &[u8]) -> anyhow::Result<Ending> {
        let script = std::str::from_utf8(script).map_err(|error| {
            let line = 1 + script[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count();
            anyhow::anyhow!("{name}: line {line} is not UTF-8 text")
        })?;
        // Editors on some systems put a mark at the start of a file.
        let script = script.strip_prefix('\u{feff}').unwrap_or(script);
        let queries = match self.session.script(script) {
            Ok(queries) => queries,
            Err(error) => {
                report(&error);
                return Ok(Ending::Failed);
            }
        };
        for query in queries {
            let ending = self.statement(query, false)?;
            if ending != Ending::Good {
                return Ok(ending);
            }
        }
        Ok(Ending::Good)
    }

    /// Runs the statements that a user typed; says what was done and how long it took.
    pub(crate) fn typed(&mut self, text: &str) -> anyhow::Result<()> {
        match self.session.script(text) {
            Ok(queries) => {
                for query in queries {
                    if self.statement(query, true)? != Ending::Good {
                        break;
                    }
                }
            }
            Err(error) => report(&error),
        }
        Ok(())
    }

    fn statement(&mut self, query: Query, interactive: bool) -> anyhow::Result<Ending> {
        let started = Instant::now();
        let (format, width) = (self.format, terminal_width());
        let line = Line::new(self.shows_progress.then(|| query.statement()));
        let written = self.waiting.block_on(async {
            tokio::select! {
                written = write_result(query, format, width, &line) => written,
                _ = tokio::signal::ctrl_c() => Err(Failure::Interrupted),
                never = line.keep_drawn() => match never {},
            }
        });
        line.end();
        match written {
            Ok(tag) => {
                if interactive && !self.quiet {
                    eprintln!("{tag}, {:.3} s", started.elapsed().as_secs_f64());
                }
                Ok(Ending::Good)
            }
            Err(Failure::Statement(error)) => {
                report(&error);
                Ok(Ending::Failed)
            }
            Err(Failure::Interrupted) => {
                eprintln!("error: the statement was cancelled");
                Ok(Ending::Interrupted)
            }
            Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Ending::ReaderGone),
            Err(Failure::Output(error)) => Err(anyhow::Error::new(error).context("the result cannot be written")),
        }
    }
}

enum Failure {
    Statement(Error),
    Output(io::Error),
    Interrupted,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Statement(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

async fn write_result(query: Query, format: Format, width: Option<usize>, line: &Line) -> Result<String, Failure> {
    if let Some(text) = query.printed_array(format).await? {
        line.end();
        io::stdout().lock().write_all(&text)?;
        return Ok("ARRAY".to_owned());
    }
    let mut stream = query.stream().await?;
    let tag = stream.tag();
    let schema = stream.schema();
    // A change says how many rows it touched; that is a message, not a result.
    if matches!(tag, "INSERT" | "UPDATE" | "DELETE" | "TRUNCATE TABLE" | "COPY") {
        let mut n_rows = 0;
        while let Some(batch) = stream.next().await {
            n_rows += dolmen::changed_rows(&batch?);
        }
        return Ok(format!("{tag} {n_rows}"));
    }
    if schema.fields().is_empty() && tag != "SELECT" {
        while let Some(batch) = stream.next().await {
            batch?;
        }
        return Ok(tag.to_owned());
    }
    let mut options = OutputOptions::for_terminal(format, width);
    if width.is_none() && format == Format::Table {
        options.max_rows = Some(TABLE_ROWS_MAX);
    }
    let stdout = io::stdout().lock();
    let is_same_terminal = stdout.is_terminal();
    let after_line: Box<dyn Write> = match is_same_terminal {
        true => Box::new(AfterLine { out: stdout, line }),
        false => Box::new(stdout),
    };
    let mut writer = ResultWriter::new(BufWriter::new(after_line), &schema, options);
    while let Some(batch) = stream.next().await {
        writer.write(&batch?)?;
    }
    let count = writer.finish()?;
    Ok(format!("{tag} {}", count.rows))
}

fn report(error: &Error) {
    // An error while reporting an error cannot be reported.
    let _ = writeln!(io::stderr(), "error: {}", error.report());
}
