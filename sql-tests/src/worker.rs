//! The process that runs one file, and the lines it sends to the one that started it.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::engine::{Engine, EngineKind};
use crate::outcome::{Cause, Outcome};
use crate::run::{RecordEvent, RunOptions, run_script};
use crate::script::Script;

/// Begins every line of the protocol; whatever else the process prints is not for the supervisor.
const MARK: &str = "\u{1e}slt ";

/// Stack of the engine's threads. Plans are walked recursively, and builds without optimisation need more for it.
const STACK_BYTES: usize = 16 << 20;

/// Threads of the engine; files are run in parallel besides.
const N_THREADS: usize = 2;

/// One line from the worker to the supervisor.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Message {
    /// The file was read and has this many records that count.
    Planned {
        /// Records that will be reported.
        n_records: usize,
    },
    /// A record begins.
    Started {
        /// `path:line`
        at: String,
        /// Its statement.
        sql: String,
    },
    /// The record that began last ended.
    Ended(Outcome),
    /// The file could not be run at all.
    Failed {
        /// Why.
        cause: Cause,
        /// What the reader or the engine says.
        detail: String,
    },
    /// Plans ran otherwise than the engine is meant to run them.
    Kept {
        /// Why.
        reason: String,
        /// How many.
        n: u64,
    },
    /// All records were run.
    Finished,
}

impl Message {
    /// The message of a line, if the line is one.
    pub(crate) fn of_line(line: &str) -> Option<Self> {
        serde_json::from_str(line.strip_prefix(MARK)?).ok()
    }

    fn send(&self) -> io::Result<()> {
        let mut out = io::stdout().lock();
        writeln!(out, "{MARK}{}", serde_json::to_string(self)?)?;
        out.flush()
    }
}

/// Runs `file` in this process and sends what happens to standard output.
pub(crate) fn run(file: &Path, kind: EngineKind, options: &RunOptions) -> ExitCode {
    let sent = std::thread::Builder::new()
        .stack_size(STACK_BYTES)
        .spawn({
            let (file, options) = (file.to_owned(), options.clone());
            move || run_here(&file, kind, &options)
        })
        .and_then(|thread| thread.join().unwrap_or_else(|_| Err(io::Error::other("the worker panicked"))));
    if sent.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run_here(file: &Path, kind: EngineKind, options: &RunOptions) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(N_THREADS)
        .thread_stack_size(STACK_BYTES)
        .enable_all()
        .build()?;
    let engine: Arc<dyn Engine> = match kind.open() {
        Ok(engine) => engine,
        Err(error) => {
            let cause = Cause::UnexpectedError(error.kind);
            return Message::Failed { cause, detail: error.to_string() }.send();
        }
    };
    let script = match Script::read(file, engine.labels()) {
        Ok(script) => script,
        Err(error) => return Message::Failed { cause: Cause::Parse, detail: error.to_string() }.send(),
    };
    Message::Planned { n_records: script.n_counted() }.send()?;

    let mut sent = Ok(());
    let send = |event: RecordEvent<'_>| {
        let message = match event {
            RecordEvent::Started { at, sql } => Message::Started { at, sql: sql.to_owned() },
            RecordEvent::Ended(outcome) => Message::Ended(outcome),
        };
        if sent.is_ok() {
            sent = message.send();
        }
    };
    runtime.block_on(run_script(script, Arc::clone(&engine), options, send));
    sent?;
    for (reason, n) in engine.kept_plans() {
        Message::Kept { reason, n }.send()?;
    }
    runtime.shutdown_background();
    Message::Finished.send()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_message_only_with_its_mark() {
        let message = Message::Started { at: "a.slt:1".into(), sql: "SELECT\n'\u{1e}'".into() };
        let json = serde_json::to_string(&message).unwrap();
        assert!(!json.contains('\n'));
        assert_eq!(Message::of_line(&format!("{MARK}{json}")), Some(message));
        assert_eq!(Message::of_line(&json), None);
        assert_eq!(Message::of_line("plain output"), None);
    }
}
