//! Running scripts, statements and commands, and writing their results.

use std::io::{self, BufWriter, IsTerminal, Write};
use std::time::{Duration, Instant};

use anyhow::Context;
use dolmen::output::{OutputOptions, ResultWriter};
use dolmen::{Error, Query, Session};
use futures::StreamExt;
use tokio::runtime::{Builder, Runtime};

use crate::args::Args;
use crate::colour;
use crate::command;
use crate::display::{Display, Screen};
use crate::pager::{self, Paged};
use crate::progress::{Line, can_be_shown};
use crate::script::{Part, parts};

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
    /// `.quit` ends the program.
    Quit,
}

/// Lines of a screen that a result leaves for its time and the prompt.
const LINES_BELOW: usize = 2;

/// Scripts that read scripts, before one is taken to read itself.
const DEPTH_MAX: usize = 32;

/// Runs statements of one session, one after another.
pub(crate) struct Runner {
    session: Session,
    pub(crate) display: Display,
    quiet: bool,
    shows_progress: bool,
    /// Whether a script goes on after an error.
    keeps_going: bool,
    /// Whether commands may not reach files: what fences statements in must not have a gate beside it.
    is_fenced: bool,
    /// Whether a person types, and is told what was done.
    is_interactive: bool,
    /// Whether errors have colours.
    has_colours: bool,
    pager: Option<String>,
    /// Scripts that are being read, one in another.
    depth: usize,
    /// Waits for results and for Ctrl-C; the work is done by the session's own threads.
    waiting: Runtime,
}

impl Runner {
    pub(crate) fn new(session: Session, args: &Args) -> anyhow::Result<Self> {
        let waiting = Builder::new_current_thread().enable_all().build().context("the terminal's thread")?;
        let variable = |name: &str| std::env::var_os(name);
        let is_terminal = io::stderr().is_terminal();
        Ok(Self {
            session,
            display: Display::new(args.format()),
            quiet: args.quiet(),
            shows_progress: args.progress() && can_be_shown(is_terminal, variable("TERM").as_deref()),
            keeps_going: args.keeps_going(),
            is_fenced: args.is_fenced(),
            is_interactive: false,
            has_colours: colour::is_wanted(is_terminal, variable),
            pager: None,
            depth: 0,
            waiting,
        })
    }

    /// From now on a person types: results are paged, and errors of scripts end no more than the script.
    pub(crate) fn interact(&mut self) {
        self.is_interactive = true;
        self.pager = pager::command(|name| std::env::var_os(name));
        self.display.is_paged = self.pager.is_some();
    }

    pub(crate) fn session(&self) -> &Session {
        &self.session
    }

    pub(crate) fn is_quiet(&self) -> bool {
        self.quiet
    }

    pub(crate) fn is_fenced(&self) -> bool {
        self.is_fenced
    }

    pub(crate) fn has_pager(&self) -> bool {
        self.pager.is_some()
    }

    /// Runs the statements and commands of `script`, up to the first that fails unless it is to go on.
    pub(crate) fn script(&mut self, name: &str, script: &[u8]) -> anyhow::Result<Ending> {
        let script = std::str::from_utf8(script).map_err(|error| {
            let line = 1 + script[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count();
            anyhow::anyhow!("{name}: line {line} is not UTF-8 text")
        })?;
        if self.depth == DEPTH_MAX {
            self.complain(&format!("{name} is read within {DEPTH_MAX} other scripts; does one of them read itself?"));
            return Ok(Ending::Failed);
        }
        self.depth += 1;
        // Editors on some systems put a mark at the start of a file.
        let ending = self.parts(script.strip_prefix('\u{feff}').unwrap_or(script));
        self.depth -= 1;
        ending
    }

    /// Runs what a person typed.
    pub(crate) fn typed(&mut self, text: &str) -> anyhow::Result<Ending> {
        self.parts(text)
    }

    fn parts(&mut self, script: &str) -> anyhow::Result<Ending> {
        let mut has_failed = false;
        for part in parts(script) {
            let ending = match part {
                Part::Command { text, .. } => self.command(text)?,
                Part::Sql { text, line } => self.statements(text, line)?,
            };
            match ending {
                Ending::Good => {}
                Ending::Failed if self.keeps_going => has_failed = true,
                ending => return Ok(ending),
            }
        }
        Ok(if has_failed { Ending::Failed } else { Ending::Good })
    }

    fn command(&mut self, text: &str) -> anyhow::Result<Ending> {
        match command::parse(text) {
            Ok(command) => command::perform(command, self),
            Err(message) => {
                self.complain(&message);
                Ok(Ending::Failed)
            }
        }
    }

    /// Runs statements that begin at `line` of their script.
    fn statements(&mut self, text: &str, line: usize) -> anyhow::Result<Ending> {
        // Empty lines before it, so that the places in errors are those of the script.
        let placed = "\n".repeat(line - 1) + text;
        let queries = match self.session.script(&placed) {
            Ok(queries) => queries,
            Err(error) => {
                self.complain(&error.report());
                return Ok(Ending::Failed);
            }
        };
        let mut has_failed = false;
        for query in queries {
            match self.statement(query)? {
                Ending::Good => {}
                Ending::Failed if self.keeps_going => has_failed = true,
                ending => return Ok(ending),
            }
        }
        Ok(if has_failed { Ending::Failed } else { Ending::Good })
    }

    /// Runs a statement that a command stands for.
    pub(crate) fn sql(&mut self, sql: String) -> anyhow::Result<Ending> {
        let query = self.session.sql(sql);
        self.statement(query)
    }

    fn statement(&mut self, query: Query) -> anyhow::Result<Ending> {
        let started = Instant::now();
        let line = Line::new(self.shows_progress.then(|| query.statement()));
        let result = match &self.display.file {
            Some(file) => {
                let options = self.display.options(None);
                self.waiting.block_on(until_stopped(write_result(query, options, file), &line, std::future::pending()))
            }
            None => self.on_standard_output(query, &line),
        };
        line.end();
        match result {
            Ok(done) => {
                if self.is_interactive && !self.quiet {
                    let elapsed = (self.display.shows_time && !done.is_paged).then(|| started.elapsed());
                    // Nobody is left to be told.
                    let _ = writeln!(io::stderr(), "{}", summary(&done, elapsed));
                }
                Ok(Ending::Good)
            }
            Err(Failure::Statement(error)) => {
                self.complain(&error.report());
                Ok(Ending::Failed)
            }
            Err(Failure::Interrupted) => {
                self.complain("the statement was cancelled");
                Ok(Ending::Interrupted)
            }
            Err(Failure::Left) => Ok(if self.is_interactive { Ending::Good } else { Ending::ReaderGone }),
            Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
                Ok(if self.is_interactive { Ending::Good } else { Ending::ReaderGone })
            }
            Err(Failure::Output(error)) => Err(anyhow::Error::new(error).context("the result cannot be written")),
        }
    }

    fn on_standard_output(&self, query: Query, line: &Line) -> Result<Done, Failure> {
        let screen = Screen::now();
        let options = self.display.options(screen);
        let Some(screen) = screen else {
            let out = io::stdout().lock();
            return self.waiting.block_on(until_stopped(
                write_result(query, options, out),
                line,
                std::future::pending(),
            ));
        };
        // Standard output may be the terminal that the line of progress is drawn on: it goes before rows come.
        let before = || line.end();
        let command = self.pager.clone().filter(|_| self.display.is_paged);
        let paged = Paged::new(command, screen.height.saturating_sub(LINES_BELOW), &before);
        let written = self.waiting.block_on(until_stopped(write_result(query, options, &paged), line, paged.left()));
        let mut done = written?;
        done.is_paged = paged.finish()?;
        Ok(done)
    }

    /// Prints an error, with colours where they are wanted.
    pub(crate) fn complain(&self, message: &str) {
        let text = format!("error: {message}");
        let text = if self.has_colours { colour::report(&text) } else { text };
        // An error while reporting an error cannot be reported.
        let _ = writeln!(io::stderr(), "{text}");
    }

    /// Tells a person what a command has changed.
    pub(crate) fn tell(&self, message: &str) {
        if self.is_interactive && !self.quiet {
            let _ = writeln!(io::stderr(), "{message}");
        }
    }
}

/// What a statement did.
struct Done {
    tag: String,
    /// Rows that it gave or changed, if it does such a thing.
    n_rows: Option<u64>,
    is_result: bool,
    /// Whether the statement went on as fast as a person reads, so that its time says nothing.
    is_paged: bool,
}

/// `3 rows in 0.012 s`, `INSERT 2 in 0.003 s`, `CREATE TABLE in 0.001 s`.
fn summary(done: &Done, elapsed: Option<Duration>) -> String {
    let what = match done.n_rows {
        Some(1) if done.is_result => "1 row".to_owned(),
        Some(n_rows) if done.is_result => format!("{n_rows} rows"),
        Some(n_rows) => format!("{} {n_rows}", done.tag),
        None => done.tag.clone(),
    };
    match elapsed {
        Some(elapsed) => format!("{what} in {:.3} s", elapsed.as_secs_f64()),
        None => what,
    }
}

enum Failure {
    Statement(Error),
    Output(io::Error),
    Interrupted,
    /// The pager has been left.
    Left,
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

/// Waits for `written`, unless Ctrl-C or whoever reads stops it; draws the line of progress meanwhile.
async fn until_stopped(
    written: impl Future<Output = Result<Done, Failure>>,
    line: &Line,
    left: impl Future<Output = ()>,
) -> Result<Done, Failure> {
    tokio::select! {
        written = written => written,
        _ = tokio::signal::ctrl_c() => Err(Failure::Interrupted),
        () = left => Err(Failure::Left),
        never = line.keep_drawn() => match never {},
    }
}

async fn write_result<W: Write>(query: Query, options: OutputOptions, mut out: W) -> Result<Done, Failure> {
    if let Some(text) = query.printed_array(options.format).await? {
        out.write_all(&text)?;
        out.flush()?;
        return Ok(Done { tag: "ARRAY".to_owned(), n_rows: None, is_result: true, is_paged: false });
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
        return Ok(Done { tag: tag.to_owned(), n_rows: Some(n_rows), is_result: false, is_paged: false });
    }
    if schema.fields().is_empty() && tag != "SELECT" {
        while let Some(batch) = stream.next().await {
            batch?;
        }
        return Ok(Done { tag: tag.to_owned(), n_rows: None, is_result: false, is_paged: false });
    }
    let mut writer = ResultWriter::new(BufWriter::new(out), &schema, options);
    while let Some(batch) = stream.next().await {
        writer.write(&batch?)?;
    }
    let count = writer.finish()?;
    Ok(Done { tag: tag.to_owned(), n_rows: Some(count.rows), is_result: true, is_paged: false })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_says_what_was_done() {
        let done = |tag: &str, n_rows, is_result| Done { tag: tag.to_owned(), n_rows, is_result, is_paged: false };
        let elapsed = Some(Duration::from_millis(1234));
        assert_eq!(summary(&done("SELECT", Some(1), true), elapsed), "1 row in 1.234 s");
        assert_eq!(summary(&done("SELECT", Some(0), true), None), "0 rows");
        assert_eq!(summary(&done("INSERT", Some(2), false), elapsed), "INSERT 2 in 1.234 s");
        assert_eq!(summary(&done("CREATE TABLE", None, false), None), "CREATE TABLE");
    }
}
