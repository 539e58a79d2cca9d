//! Runs the records of a script in one session.

use std::any::Any;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arrow::array::AsArray;
use arrow::datatypes::{DataType, UInt64Type};
use async_trait::async_trait;
use futures::FutureExt;
use futures::future::{Either, select};
use sqllogictest::{
    AsyncDB, Condition, DBOutput, ExpectedError, MakeConnection, QueryExpect, Record, RecordOutput, Runner,
    StatementExpect, TestErrorKind,
};
use tokio::runtime::Handle;

use crate::engine::{Answer, Engine, EngineError};
use crate::matching;
use crate::outcome::{Cause, Outcome};
use crate::render::{column_kinds, row_lines, sqlite_values};
use crate::script::{Script, skip_reason};
use crate::style::{ColumnKind, Style, is_hash};

/// What holds for every record of a run.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// The time one record may take.
    pub record_limit: Duration,
    /// The runtime that measures it; not the one the engine runs on, whose threads may all be busy.
    pub clock: Handle,
    /// Whether `system` records run their shell command; otherwise they are skipped.
    pub allow_system: bool,
    /// Text to replace in every value, such as the working folder by the name that files have for it.
    pub replace: Vec<(String, String)>,
}

/// What [`run_script`] tells while it goes.
#[derive(Debug)]
pub enum RecordEvent<'a> {
    /// A record begins.
    Started {
        /// `path:line`
        at: String,
        /// Its statement.
        sql: &'a str,
    },
    /// The record that began last ended.
    Ended(Outcome),
}

/// Runs the records of `script` one after the other in the session of `engine`, and tells `sink` of each that counts.
///
/// A failure, a panic or a timeout of a record does not keep the next one from running.
pub async fn run_script(
    script: Script,
    engine: Arc<dyn Engine>,
    options: &RunOptions,
    mut sink: impl FnMut(RecordEvent<'_>),
) {
    let Script { records, style } = script;
    let request = Arc::new(Mutex::new(Request::default()));
    let mut runner = Runner::new(|| {
        let database = Database {
            engine: Arc::clone(&engine),
            request: Arc::clone(&request),
            style,
            replace: options.replace.clone(),
        };
        async move { Ok::<_, EngineError>(database) }
    });
    runner.with_validator(matching::validator(style));
    runner.with_column_validator(matching::column_validator(style));

    let mut labelled = Labelled::default();
    let mut is_halted = false;
    for mut record in records {
        if let Record::Halt { .. } = record {
            is_halted = true;
        }
        let Some(head) = Head::take(&mut record) else {
            // The threshold is set for each record by what the record expects.
            let is_setting = !matches!(record, Record::HashThreshold { .. } | Record::Halt { .. });
            if is_setting && !is_halted {
                // Settings, pauses and comments have no outcome.
                let _ = runner.run_async(record).await;
            }
            continue;
        };
        sink(RecordEvent::Started { at: head.at.clone(), sql: &head.sql });
        let skipped = if is_halted {
            Some("after halt".to_owned())
        } else if head.is_system && !options.allow_system {
            Some("system commands are not allowed".to_owned())
        } else {
            skip_reason(&head.conditions, engine.labels())
        };
        let outcome = match skipped {
            Some(reason) => Outcome::Skipped { reason },
            None => {
                *request.lock().unwrap_or_else(PoisonError::into_inner) = head.request.clone();
                runner.with_hash_threshold(usize::from(head.expects_hash));
                let mut outcome = run_record(&mut runner, record, &head, options).await;
                if let (Style::Sqlite, Outcome::Passed, Some(label)) = (style, &outcome.0, &head.label)
                    && let Some(disagreement) = labelled.disagreement(label, &head.at, outcome.1)
                {
                    outcome.0 = failed(Cause::ResultMismatch, disagreement);
                }
                outcome.0
            }
        };
        sink(RecordEvent::Ended(outcome));
    }
}

/// What is needed of a record beside what the runner of `sqllogictest` does with it.
struct Head {
    at: String,
    sql: String,
    conditions: Vec<Condition>,
    label: Option<String>,
    expected_error: Option<ExpectedError>,
    expects_hash: bool,
    is_system: bool,
    request: Request,
}

impl Head {
    /// Reads the head of a record that counts, and takes its conditions out of it: they are decided here.
    fn take(record: &mut Record<ColumnKind>) -> Option<Self> {
        let head = |at: &sqllogictest::Location, sql: &str, conditions: &mut Vec<Condition>| Self {
            at: format!("{}:{}", at.file(), at.line()),
            sql: sql.to_owned(),
            conditions: std::mem::take(conditions),
            label: None,
            expected_error: None,
            expects_hash: false,
            is_system: false,
            request: Request::default(),
        };
        match record {
            Record::Statement { loc, conditions, sql, expected, .. } => {
                let mut head = head(loc, sql, conditions);
                head.request.wants = Wants::Success;
                match expected {
                    StatementExpect::Ok => {}
                    StatementExpect::Count(_) => head.request.wants = Wants::RowCount,
                    StatementExpect::Error(error) => head.expected_error = Some(error.clone()),
                }
                Some(head)
            }
            Record::Query { loc, conditions, sql, expected, .. } => {
                let mut head = head(loc, sql, conditions);
                match expected {
                    QueryExpect::Results { types, label, results, .. } => {
                        head.label.clone_from(label);
                        head.expects_hash = results.len() == 1 && is_hash(&results[0]);
                        head.request.declared.clone_from(types);
                    }
                    QueryExpect::Error(error) => head.expected_error = Some(error.clone()),
                }
                Some(head)
            }
            Record::Let { loc, conditions, sql, .. } => Some(head(loc, sql, conditions)),
            Record::System { loc, conditions, command, .. } => {
                let mut head = head(loc, command, conditions);
                head.is_system = true;
                Some(head)
            }
            _ => None,
        }
    }
}

/// Runs one record; the second value is the hash of the rows, if it answered with rows.
async fn run_record<M: MakeConnection<Conn = Database>>(
    runner: &mut Runner<Database, M>,
    record: Record<ColumnKind>,
    head: &Head,
    options: &RunOptions,
) -> (Outcome, Option<u64>) {
    let limit = options.record_limit;
    let timer = {
        let _clock = options.clock.enter();
        tokio::time::sleep(limit)
    };
    let running = AssertUnwindSafe(runner.run_async(record)).catch_unwind();
    let outcome = match select(pin!(running), pin!(timer)).await {
        Either::Right(_) => failed(Cause::Timeout, format!("no answer within {} s", limit.as_secs())),
        Either::Left((Err(panic), _)) => failed(Cause::Panic, panic_message(panic.as_ref())),
        Either::Left((Ok(Ok(RecordOutput::Query { rows, .. })), _)) => {
            let mut hasher = DefaultHasher::new();
            rows.hash(&mut hasher);
            return (Outcome::Passed, Some(hasher.finish()));
        }
        Either::Left((Ok(Ok(_)), _)) => Outcome::Passed,
        Either::Left((Ok(Err(error)), _)) => classify(&error.kind(), head.expected_error.as_ref()),
    };
    (outcome, None)
}

fn failed(cause: Cause, detail: String) -> Outcome {
    Outcome::Failed { cause, detail }
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message").to_owned()
}

fn classify(kind: &TestErrorKind, expected_error: Option<&ExpectedError>) -> Outcome {
    let cause = match kind {
        TestErrorKind::Ok { .. } => Cause::MissingError,
        TestErrorKind::Fail { err, .. } => match err.downcast_ref::<EngineError>() {
            Some(error) => Cause::UnexpectedError(error.kind),
            None => Cause::UnexpectedError(crate::engine::ErrorKind::Execution),
        },
        TestErrorKind::ErrorMismatch { err, .. } => {
            let causes = err.downcast_ref::<EngineError>().map(|error| error.causes.as_slice()).unwrap_or_default();
            if expected_error.is_some_and(|expected| causes.iter().any(|cause| expected.is_match(cause, None))) {
                return Outcome::Passed;
            }
            Cause::WrongError
        }
        TestErrorKind::QueryResultColumnsMismatch { .. } => Cause::ColumnMismatch,
        TestErrorKind::StatementResultMismatch { .. }
        | TestErrorKind::QueryResultMismatch { .. }
        | TestErrorKind::SystemStdoutMismatch { .. } => Cause::ResultMismatch,
        _ => Cause::UnexpectedError(crate::engine::ErrorKind::Execution),
    };
    failed(cause, kind.to_string())
}

/// Answers by label: SQLite's corpus gives one label to queries that must answer the same.
#[derive(Default)]
struct Labelled {
    seen: HashMap<String, (String, Option<u64>)>,
}

impl Labelled {
    fn disagreement(&mut self, label: &str, at: &str, rows: Option<u64>) -> Option<String> {
        let (first_at, first) = self.seen.entry(label.to_owned()).or_insert_with(|| (at.to_owned(), rows));
        (*first != rows)
            .then(|| format!("the answer differs from that of {first_at}, which has the same label {label}"))
    }
}

/// How the next answer is to be turned into text; the runner hands a database nothing but the statement.
#[derive(Debug, Clone, Default)]
struct Request {
    wants: Wants,
    declared: Vec<ColumnKind>,
}

#[derive(Debug, Clone, Copy, Default)]
enum Wants {
    #[default]
    Rows,
    RowCount,
    Success,
}

/// The engine, as the runner of `sqllogictest` sees it.
struct Database {
    engine: Arc<dyn Engine>,
    request: Arc<Mutex<Request>>,
    style: Style,
    replace: Vec<(String, String)>,
}

#[async_trait]
impl AsyncDB for Database {
    type Error = EngineError;
    type ColumnType = ColumnKind;

    async fn run(&mut self, sql: &str) -> Result<DBOutput<ColumnKind>, EngineError> {
        let answer = self.engine.run(sql).await?;
        let request = self.request.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match request.wants {
            Wants::Success => return Ok(DBOutput::StatementComplete(0)),
            Wants::RowCount => return Ok(DBOutput::StatementComplete(row_count(&answer)?)),
            Wants::Rows => {}
        }
        let mut rows = match self.style {
            Style::Sqlite => sqlite_values(&answer.batches, &request.declared)?,
            Style::TypedRows | Style::Rows => row_lines(&answer.batches)?,
        };
        for value in rows.iter_mut().flatten() {
            for (from, to) in &self.replace {
                if value.contains(from) {
                    *value = value.replace(from, to);
                }
            }
        }
        let types = column_kinds(&answer.schema);
        if types.is_empty() && rows.is_empty() {
            return Ok(DBOutput::StatementComplete(0));
        }
        Ok(DBOutput::Rows { types, rows })
    }

    async fn shutdown(&mut self) {}

    async fn sleep(duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// The rows a statement changed, or those it answered, counted as they are printed.
fn row_count(answer: &Answer) -> Result<u64, EngineError> {
    let n_rows: usize = answer.batches.iter().map(|batch| batch.num_rows()).sum();
    if let ([field], [batch], 1) = (answer.schema.fields().as_ref(), answer.batches.as_slice(), n_rows)
        && field.name() == "count"
        && *field.data_type() == DataType::UInt64
    {
        return Ok(batch.column(0).as_primitive::<UInt64Type>().value(0));
    }
    Ok(row_lines(&answer.batches)?.len() as u64)
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use arrow::datatypes::Schema;

    use super::*;
    use crate::engine::ErrorKind;

    /// An engine whose statements are orders.
    struct Scripted;

    #[async_trait]
    impl Engine for Scripted {
        fn labels(&self) -> &'static [&'static str] {
            &["scripted"]
        }

        async fn run(&self, sql: &str) -> Result<Answer, EngineError> {
            match sql {
                "panic" => panic!("as ordered"),
                "hang" => pending().await,
                "fail" => Err(EngineError {
                    kind: ErrorKind::Planning,
                    message: "no table x, did you mean y?".into(),
                    causes: vec!["DataFusion error: Error during planning: table x not found".into()],
                }),
                _ => Ok(Answer { schema: Arc::new(Schema::empty()), batches: Vec::new() }),
            }
        }
    }

    async fn outcomes(text: &str) -> Vec<Outcome> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.slt");
        std::fs::write(&path, text).unwrap();
        let script = Script::read(&path, Scripted.labels()).unwrap();
        let n_counted = script.n_counted();
        let options = RunOptions {
            record_limit: Duration::from_millis(200),
            clock: Handle::current(),
            allow_system: false,
            replace: Vec::new(),
        };
        let mut outcomes = Vec::new();
        run_script(script, Arc::new(Scripted), &options, |event| {
            if let RecordEvent::Ended(outcome) = event {
                outcomes.push(outcome);
            }
        })
        .await;
        assert_eq!(outcomes.len(), n_counted);
        outcomes
    }

    fn letters(outcomes: &[Outcome]) -> String {
        let letter = |outcome: &Outcome| match outcome {
            Outcome::Passed => 'p',
            Outcome::Skipped { .. } => 's',
            Outcome::Failed { .. } => 'f',
        };
        outcomes.iter().map(letter).collect()
    }

    #[tokio::test]
    async fn a_panic_and_a_hang_cost_one_record_each() {
        let outcomes =
            outcomes("statement ok\npanic\n\nstatement error\npanic\n\nstatement ok\nhang\n\nstatement ok\ngo\n").await;
        let cause = |i: usize| match &outcomes[i] {
            Outcome::Failed { cause, .. } => Some(*cause),
            _ => None,
        };
        let causes: Vec<_> = (0..4).map(cause).collect();
        assert_eq!(causes, [Some(Cause::Panic), Some(Cause::Panic), Some(Cause::Timeout), None]);
    }

    #[tokio::test]
    async fn an_expected_error_may_be_the_message_or_a_cause_of_it() {
        let text = "statement error did you mean\nfail\n\nstatement error planning: table x not found\nfail\n\n\
                    statement error\nfail\n----\nDataFusion error: Error during planning: table x not found\n\n\n\
                    query error planning: table z not found\nfail\n";
        assert_eq!(letters(&outcomes(text).await), "pppf");
    }

    #[tokio::test]
    async fn conditions_system_commands_and_halt_skip() {
        let text = "onlyif mysql\nstatement ok\nfail\n\nskipif Scripted\nstatement ok\nfail\n\n\
                    onlyif scripted\nstatement ok\ngo\n\nskipif mysql\nstatement ok\nfail\n\n\
                    system ok\nexit 1\n\nonlyif mysql\nhalt\n\nstatement ok\ngo\n\nhalt\n\nstatement ok\ngo\n";
        assert_eq!(letters(&outcomes(text).await), "sspfsps");
    }
}
