//! Runs each file in a worker process and outlives whatever happens there.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use crate::engine::EngineKind;
use crate::outcome::{Cause, FileReport, Outcome, RecordReport};
use crate::stage::Stage;
use crate::worker::Message;

/// How much of what a worker wrote last is kept for the report of a crash, in bytes.
const STDERR_TAIL_BYTES: usize = 2_000;

/// How to start a worker, and how long to wait for it.
#[derive(Debug, Clone)]
pub struct WorkerCommand {
    /// The program: this one.
    pub program: PathBuf,
    /// The engine to test.
    pub engine: EngineKind,
    /// The time one record may take.
    pub record_limit: Duration,
    /// What a worker gets beyond that before it is killed: time to start, and to notice the limit by itself.
    pub grace: Duration,
    /// Whether `system` records are run.
    pub allow_system: bool,
    /// The folder that relative paths in statements start from, but for files of a suite that has one of its own.
    pub base: PathBuf,
}

impl WorkerCommand {
    /// Workers of `program`, which is this package's binary, for `engine`, with a minute for each record.
    pub fn new(program: PathBuf, engine: EngineKind) -> Self {
        Self {
            program,
            engine,
            record_limit: Duration::from_secs(60),
            grace: Duration::from_secs(10),
            allow_system: false,
            base: PathBuf::from("."),
        }
    }
}

/// Runs `file` in a process of its own and reports every record of it.
///
/// A worker that dies or does not answer costs the record it was at, and the records behind that, which are reported
/// as not reached.
pub fn supervise(command: &WorkerCommand, file: &Path) -> FileReport {
    let fail = |cause, detail| FileReport::failed(file.to_owned(), cause, detail);
    let stage = match Stage::new(file, &command.base) {
        Ok(stage) => stage,
        Err(error) => return fail(Cause::Parse, format!("cannot prepare a working folder: {error}")),
    };
    let mut child = match start(command, file, &stage) {
        Ok(child) => child,
        Err(error) => return fail(Cause::Crash, format!("cannot start a worker: {error}")),
    };
    let (given, absolute) = (file.display().to_string(), absolute(file).display().to_string());
    let mut watched = Watched { given, absolute, ..Watched::default() };
    let end = watched.follow(&mut child, command.record_limit + command.grace);
    // The worker has said all it had to say, or will never say it.
    let _ = child.kill();
    let status = child.wait().map_or_else(|error| error.to_string(), |status| status.to_string());
    watched.report(file, end, &status)
}

fn start(command: &WorkerCommand, file: &Path, stage: &Stage) -> std::io::Result<Child> {
    let mut worker = Command::new(&command.program);
    worker
        .arg("--worker")
        .args(["--engine", command.engine.name()])
        .args(["--timeout-seconds", &command.record_limit.as_secs().to_string()])
        .arg("--workspace-root")
        .arg(stage.root());
    if command.allow_system {
        worker.arg("--allow-system");
    }
    worker
        // The worker starts in another folder.
        .arg(absolute(file))
        .current_dir(stage.working_folder())
        .env("TMPDIR", stage.temp_folder())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
}

fn absolute(file: &Path) -> PathBuf {
    std::path::absolute(file).unwrap_or_else(|_| file.to_owned())
}

/// Why following a worker ended.
enum End {
    Finished,
    Failed { cause: Cause, detail: String },
    Silent,
    Died,
}

#[derive(Default)]
struct Watched {
    /// The file as it was given, and as the worker names it.
    given: String,
    absolute: String,
    n_records: usize,
    records: Vec<RecordReport>,
    kept_plans: BTreeMap<String, u64>,
    /// `path:line` and statement of the record that is running.
    current: Option<(String, String)>,
    stderr: String,
}

impl Watched {
    /// Reads what the worker sends until it is done, dead, or silent for longer than `silence_max`.
    fn follow(&mut self, child: &mut Child, silence_max: Duration) -> End {
        let (sender, receiver) = mpsc::channel();
        let readers = child.stdout.take().zip(child.stderr.take());
        let Some((stdout, stderr)) = readers else { return End::Died };
        let stderr = thread::spawn(move || tail(stderr));
        thread::spawn(move || {
            for line in BufReader::new(stdout).split(b'\n').map_while(Result::ok) {
                let message = Message::of_line(&String::from_utf8_lossy(&line));
                if message.is_some_and(|message| sender.send(message).is_err()) {
                    return;
                }
            }
        });
        loop {
            match receiver.recv_timeout(silence_max) {
                Ok(Message::Planned { n_records }) => self.n_records = n_records,
                Ok(Message::Started { at, sql }) => self.current = Some((at, sql)),
                Ok(Message::Ended(outcome)) => self.end_record(outcome),
                Ok(Message::Kept { reason, n }) => *self.kept_plans.entry(reason).or_default() += n,
                Ok(Message::Failed { cause, detail }) => return End::Failed { cause, detail },
                Ok(Message::Finished) => return End::Finished,
                Err(RecvTimeoutError::Timeout) => return End::Silent,
                Err(RecvTimeoutError::Disconnected) => {
                    self.stderr = stderr.join().unwrap_or_default();
                    return End::Died;
                }
            }
        }
    }

    fn end_record(&mut self, outcome: Outcome) {
        let (mut at, sql) = self.current.take().unwrap_or_default();
        if let Some(line) = at.strip_prefix(&self.absolute) {
            at = format!("{}{line}", self.given);
        }
        self.records.push(RecordReport { ordinal: self.records.len(), at, sql, outcome });
    }

    /// Completes the report for a worker that ended as `end` says, with exit `status`.
    fn report(mut self, file: &Path, end: End, status: &str) -> FileReport {
        let failed = |cause, detail| Outcome::Failed { cause, detail };
        match end {
            End::Finished => {}
            End::Failed { cause, detail } => return FileReport::failed(file.to_owned(), cause, detail),
            End::Silent => self.end_record(failed(Cause::Timeout, "the worker did not answer and was killed".into())),
            End::Died => {
                let stderr = self.stderr.trim();
                self.end_record(failed(Cause::Crash, format!("the worker died ({status})\n{stderr}")));
            }
        }
        while self.records.len() < self.n_records {
            self.current = Some((format!("{}:0", file.display()), String::new()));
            self.end_record(failed(Cause::NotReached, "an earlier record ended the worker".into()));
        }
        FileReport { path: file.to_owned(), records: self.records, kept_plans: self.kept_plans }
    }
}

/// Reads to the end and keeps the last of it.
fn tail(mut from: impl Read) -> String {
    let mut kept = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(n @ 1..) = from.read(&mut buffer) {
        kept.extend_from_slice(&buffer[..n]);
        let n_surplus = kept.len().saturating_sub(STDERR_TAIL_BYTES);
        kept.drain(..n_surplus);
    }
    String::from_utf8_lossy(&kept).into_owned()
}
