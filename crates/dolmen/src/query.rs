//! A statement of a session, and the ways to run it.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use dolmen_frame::{Outcome, Parameters};
use futures::{Stream, StreamExt, TryStreamExt};
use serde::de::DeserializeOwned;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::block_on::block_on;
use crate::output::{Format, OutputOptions, ResultWriter, terminal_width};
use crate::session::{Core, Session};
use crate::{Error, Result, ScalarValue};

/// Batches that wait between the session's threads and a slow reader.
const BATCHES_AHEAD: usize = 2;

/// One statement, not yet run.
///
/// Every way to run it has a twin that waits on the calling thread, with the suffix `_blocking`. Dropping the future or the
/// stream cancels the statement.
#[derive(Debug, Clone)]
#[must_use = "a query does nothing until it is run"]
pub struct Query {
    session: Session,
    work: Work,
    timeout: Option<Duration>,
}

/// What there is to run.
#[derive(Debug, Clone)]
struct Work {
    text: String,
    parameters: Parameters,
    /// Line and column, from 1, of the statement in its script.
    origin: (u64, u64),
}

impl Query {
    pub(crate) fn new(session: Session, text: String) -> Self {
        let timeout = session.core().timeout;
        Self { session, work: Work { text, parameters: Parameters::None, origin: (1, 1) }, timeout }
    }

    pub(crate) fn at(mut self, line: u64, column: u64) -> Self {
        self.work.origin = (line, column);
        self
    }

    /// The text of the statement.
    pub fn text(&self) -> &str {
        &self.work.text
    }

    /// Gives the next positional parameter (`$1`, then `$2`, ...) its value.
    ///
    /// Named parameters given before are forgotten: a statement has one kind or the other.
    pub fn bind(mut self, value: impl Into<ScalarValue>) -> Self {
        match &mut self.work.parameters {
            Parameters::Positional(values) => values.push(value.into()),
            other => *other = Parameters::Positional(vec![value.into()]),
        }
        self
    }

    /// Gives the parameter `$name` its value. Positional parameters given before are forgotten.
    pub fn bind_named(mut self, name: impl Into<String>, value: impl Into<ScalarValue>) -> Self {
        let entry = (name.into(), value.into());
        match &mut self.work.parameters {
            Parameters::Named(values) => values.push(entry),
            other => *other = Parameters::Named(vec![entry]),
        }
        self
    }

    /// Stops the statement with [`Error::Timeout`] when it has not given its last row after `timeout`.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Runs the statement; its rows come as the stream is polled, and wait when it is not.
    ///
    /// # Errors
    /// Every variant of [`Error`]. Errors after the first row come from the stream.
    pub async fn stream(self) -> Result<BatchStream> {
        let (head, head_receiver) = oneshot::channel();
        let (batches, batch_receiver) = mpsc::channel(BATCHES_AHEAD);
        let Self { session, work, timeout } = self;
        let deadline = timeout.map(|timeout| (Instant::now() + timeout, timeout));
        let core = Arc::clone(session.core());
        let mut task = CancelOnDrop(session.cpu()?.spawn(work.run(core, deadline, head, batches)));
        match head_receiver.await {
            Ok(Ok((tag, schema))) => {
                Ok(BatchStream { tag, schema, batches: Some(batch_receiver), task, _session: session })
            }
            Ok(Err(error)) => Err(error),
            // The driver ended without a word: it panicked, or the session's threads are gone.
            Err(_) => Err(ended(&mut task.0).await),
        }
    }

    /// [`stream`](Self::stream) as an iterator that waits on this thread.
    ///
    /// # Errors
    /// As there.
    pub fn stream_blocking(self) -> Result<BlockingBatches> {
        block_on(self.stream()).map(|stream| BlockingBatches { stream })
    }

    /// Runs the statement and collects its rows. A result of no rows may be no batch at all.
    ///
    /// # Errors
    /// Every variant of [`Error`].
    pub async fn collect(self) -> Result<Vec<RecordBatch>> {
        self.stream().await?.try_collect().await
    }

    /// [`collect`](Self::collect), waiting on this thread.
    ///
    /// # Errors
    /// As there.
    pub fn collect_blocking(self) -> Result<Vec<RecordBatch>> {
        block_on(self.collect())
    }

    /// Runs the statement and reads its rows as values of `T`: a struct with a field per column, a tuple, or a single value.
    ///
    /// # Errors
    /// Every variant of [`Error`]; a column that does not fit its field, or a NULL where the field is no `Option`.
    pub async fn rows<T: DeserializeOwned>(self) -> Result<Vec<T>> {
        Ok(dolmen_frame::functions::from_batches(&self.collect().await?)?)
    }

    /// [`rows`](Self::rows), waiting on this thread.
    ///
    /// # Errors
    /// As there.
    pub fn rows_blocking<T: DeserializeOwned>(self) -> Result<Vec<T>> {
        block_on(self.rows())
    }

    /// Runs a statement for its effect; the number of rows it changed, or of rows it gave.
    ///
    /// # Errors
    /// Every variant of [`Error`].
    pub async fn execute(self) -> Result<u64> {
        let mut stream = self.stream().await?;
        let is_change = matches!(stream.tag(), "INSERT" | "UPDATE" | "DELETE" | "TRUNCATE TABLE" | "COPY");
        let mut n_rows = 0;
        while let Some(batch) = stream.try_next().await? {
            n_rows += match is_change {
                true => dolmen_frame::changed_rows(&batch),
                false => batch.num_rows() as u64,
            };
        }
        Ok(n_rows)
    }

    /// [`execute`](Self::execute), waiting on this thread.
    ///
    /// # Errors
    /// As there.
    pub fn execute_blocking(self) -> Result<u64> {
        block_on(self.execute())
    }

    /// The columns of the result, without running the statement.
    ///
    /// # Errors
    /// As planning the statement.
    pub async fn schema(self) -> Result<SchemaRef> {
        let Self { session, work, .. } = self;
        let core = Arc::clone(session.core());
        let mut task = CancelOnDrop(session.cpu()?.spawn(async move {
            let result = core.context.schema_of(&work.text, &work.parameters).await;
            result.map_err(|error| work.located(&core, error))
        }));
        match (&mut task.0).await {
            Ok(result) => result,
            Err(error) => Err(join_error(error)),
        }
    }

    /// [`schema`](Self::schema), waiting on this thread.
    ///
    /// # Errors
    /// As there.
    pub fn schema_blocking(self) -> Result<SchemaRef> {
        block_on(self.schema())
    }

    /// The plan of the statement as a tree, without running it.
    ///
    /// # Errors
    /// As planning the statement.
    pub async fn explain(self) -> Result<String> {
        self.explained("EXPLAIN ").await
    }

    /// [`explain`](Self::explain), waiting on this thread.
    ///
    /// # Errors
    /// As there.
    pub fn explain_blocking(self) -> Result<String> {
        block_on(self.explain())
    }

    /// Runs the statement and gives its plan with what each operator did: rows, time, bytes spilled.
    ///
    /// # Errors
    /// Every variant of [`Error`].
    pub async fn explain_analyze(self) -> Result<String> {
        self.explained("EXPLAIN ANALYZE ").await
    }

    /// [`explain_analyze`](Self::explain_analyze), waiting on this thread.
    ///
    /// # Errors
    /// As there.
    pub fn explain_analyze_blocking(self) -> Result<String> {
        block_on(self.explain_analyze())
    }

    async fn explained(mut self, keyword: &str) -> Result<String> {
        self.work.text.insert_str(0, keyword);
        let rows: Vec<(String, String)> = self.rows().await?;
        Ok(rows.into_iter().map(|(_, plan)| plan).collect::<Vec<_>>().join("\n"))
    }

    /// Runs the statement and prints its result on standard output, as the command line does.
    ///
    /// # Errors
    /// Every variant of [`Error`].
    pub async fn show(self) -> Result<()> {
        let table = self.table().await?;
        // Not `print!`, which panics when the reader of a pipe has gone.
        let _ = std::io::Write::write_all(&mut std::io::stdout().lock(), table.as_bytes());
        Ok(())
    }

    /// [`show`](Self::show), waiting on this thread.
    ///
    /// # Errors
    /// As there.
    pub fn show_blocking(self) -> Result<()> {
        block_on(self.show())
    }

    /// Runs the statement and draws its result as a table; rows in the middle of a long result are left out.
    ///
    /// # Errors
    /// Every variant of [`Error`].
    pub async fn table(self) -> Result<String> {
        let mut stream = self.stream().await?;
        let options = OutputOptions::for_terminal(Format::Table, terminal_width());
        let drawn = |error: std::io::Error| Error::invalid(format!("the result cannot be drawn: {error}"));
        let mut table = Vec::new();
        let mut writer = ResultWriter::new(&mut table, &stream.schema(), options);
        while let Some(batch) = stream.try_next().await? {
            writer.write(&batch).map_err(drawn)?;
        }
        writer.finish().map_err(drawn)?;
        Ok(String::from_utf8_lossy(&table).into_owned())
    }

    /// [`table`](Self::table), waiting on this thread.
    ///
    /// # Errors
    /// As there.
    pub fn table_blocking(self) -> Result<String> {
        block_on(self.table())
    }
}

type Head = Result<(&'static str, SchemaRef)>;

impl Work {
    /// Runs the statement on the session's threads and hands its rows over.
    ///
    /// Holds no session: its threads must not be dropped by one of themselves.
    async fn run(
        self,
        core: Arc<Core>,
        deadline: Option<(Instant, Duration)>,
        head: oneshot::Sender<Head>,
        batches: mpsc::Sender<Result<RecordBatch>>,
    ) {
        let started = within(deadline, core.context.run(&self.text, &self.parameters)).await;
        let outcome = match started.and_then(|result| result) {
            Ok(outcome) => outcome,
            Err(error) => {
                let _ = head.send(Err(self.located(&core, error)));
                return;
            }
        };
        if head.send(Ok((outcome.tag, Arc::clone(&outcome.schema)))).is_err() {
            return;
        }
        let Outcome { mut stream, diagnosis, .. } = outcome;
        loop {
            let next = match within(deadline, stream.next()).await {
                Ok(None) => return,
                Ok(Some(Ok(batch))) => Ok(batch),
                Ok(Some(Err(error))) => Err(diagnosis.explain(error).await),
                Err(timeout) => Err(timeout),
            };
            let failed = next.is_err();
            let sent = batches.send(next.map_err(|error| self.located(&core, error))).await;
            if failed || sent.is_err() {
                return;
            }
        }
    }

    /// Moves the place of an error into the script, and hides secrets.
    fn located(&self, core: &Core, error: Error) -> Error {
        let (line, column) = self.origin;
        dolmen_frame::shift_position(error, line, column).redacted(core.context.secrets())
    }
}

async fn within<T>(deadline: Option<(Instant, Duration)>, work: impl Future<Output = T>) -> Result<T> {
    match deadline {
        None => Ok(work.await),
        Some((at, after)) => tokio::time::timeout_at(at, work).await.map_err(|_| Error::Timeout { after }),
    }
}

struct CancelOnDrop<T>(JoinHandle<T>);

impl<T> Drop for CancelOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn ended(task: &mut JoinHandle<()>) -> Error {
    match task.await {
        Ok(()) => Error::Cancelled,
        Err(error) => join_error(error),
    }
}

fn join_error(error: tokio::task::JoinError) -> Error {
    match error.try_into_panic() {
        Ok(payload) => Error::internal(dolmen_frame::panic_message(payload.as_ref())),
        Err(_) => Error::Cancelled,
    }
}

/// The rows of a running statement, as record batches. Dropping it cancels the statement.
#[derive(Debug)]
pub struct BatchStream {
    tag: &'static str,
    schema: SchemaRef,
    /// `None` when the last batch, or an error, has been given.
    batches: Option<mpsc::Receiver<Result<RecordBatch>>>,
    task: CancelOnDrop<()>,
    _session: Session,
}

impl std::fmt::Debug for CancelOnDrop<()> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("CancelOnDrop").field(&self.0.id()).finish()
    }
}

impl BatchStream {
    /// The columns of the result; names may repeat.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// The kind of statement, as PostgreSQL's command tag spells it: `SELECT`, `INSERT`, `CREATE TABLE`.
    pub fn tag(&self) -> &'static str {
        self.tag
    }
}

impl Stream for BatchStream {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(batches) = &mut self.batches else { return Poll::Ready(None) };
        let next = match batches.poll_recv(context) {
            Poll::Ready(None) => match Pin::new(&mut self.task.0).poll(context) {
                // A panic closes the channel as the end of the rows does, and must not pass for it.
                Poll::Ready(Err(error)) => Some(Err(join_error(error))),
                Poll::Ready(Ok(())) => None,
                Poll::Pending => return Poll::Pending,
            },
            Poll::Ready(Some(batch)) => Some(batch),
            Poll::Pending => return Poll::Pending,
        };
        if !matches!(next, Some(Ok(_))) {
            self.batches = None;
        }
        Poll::Ready(next)
    }
}

/// The rows of a running statement, waited for on the calling thread. Dropping it cancels the statement.
#[derive(Debug)]
pub struct BlockingBatches {
    stream: BatchStream,
}

impl BlockingBatches {
    /// The columns of the result; names may repeat.
    pub fn schema(&self) -> SchemaRef {
        self.stream.schema()
    }

    /// The kind of statement, as [`BatchStream::tag`].
    pub fn tag(&self) -> &'static str {
        self.stream.tag()
    }
}

impl Iterator for BlockingBatches {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        block_on(self.stream.next())
    }
}
