//! A statement of a session, and the ways to run it.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use dolmen_frame::{Caller, Cancellation, OptionValue, Outcome, Parameters, Watch, WriteRequest};
use futures::{FutureExt, Stream, StreamExt, TryStreamExt};
use serde::de::DeserializeOwned;
use tokio::sync::{mpsc, oneshot};

use crate::arrays;
use crate::output::{Format, OutputOptions, ResultWriter, terminal_width};
use crate::running::Running;
use crate::session::{Core, Session};
use crate::statement::Listed;
use crate::{Error, Result, ScalarValue, Statement};

/// Batches that wait between the session's threads and a slow reader.
const BATCHES_AHEAD: usize = 2;

/// One statement, not yet run.
///
/// Every way to run it has a twin that waits on the calling thread, with the suffix `_blocking`. Dropping the future or the
/// stream cancels the statement.
#[derive(Debug)]
#[must_use = "a query does nothing until it is run"]
pub struct Query {
    session: Session,
    work: Work,
    timeout: Option<Duration>,
    watch: Watch,
}

/// The clone is a statement of its own.
impl Clone for Query {
    fn clone(&self) -> Self {
        let (session, work) = (self.session.clone(), self.work.clone());
        let watch = Watch::new(Arc::clone(&session.core().budget));
        Self { session, work, timeout: self.timeout, watch }
    }
}

/// What there is to run.
#[derive(Debug, Clone)]
struct Work {
    text: String,
    parameters: Parameters,
    /// Where the rows are written, if they are not handed over.
    target: Option<WriteRequest>,
    /// Line and column, from 1, of the statement in its script.
    origin: (u64, u64),
}

impl Query {
    pub(crate) fn new(session: Session, text: String) -> Self {
        let timeout = session.core().timeout;
        let watch = Watch::new(Arc::clone(&session.core().budget));
        Self {
            session,
            work: Work { text, parameters: Parameters::None, target: None, origin: (1, 1) },
            timeout,
            watch,
        }
    }

    pub(crate) fn at(mut self, line: u64, column: u64) -> Self {
        self.work.origin = (line, column);
        self
    }

    /// The text of the statement.
    pub fn text(&self) -> &str {
        &self.work.text
    }

    /// The statement, to look at while it runs: [`Statement::progress`] tells how far it is.
    pub fn statement(&self) -> Statement {
        Statement::new(self.work.text.as_str().into(), self.watch.clone())
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
        let (head, mut head_receiver) = oneshot::channel();
        let (batches, batch_receiver) = mpsc::channel(BATCHES_AHEAD);
        let statement = self.statement();
        let Self { session, work, timeout, watch } = self;
        let core = Arc::clone(session.core());
        let cancellation = Cancellation::new();
        let caller = Caller { cancellation: cancellation.clone(), watch, holds_worker: session.is_in_task() };
        let listed = Listed::begin(&core, statement.clone());
        let work = work.run(core, caller, head, batches).map(move |()| drop(listed));
        let mut running = Running::start(&session, timeout, cancellation, work)?;
        match running.until(&mut head_receiver).await? {
            Ok(Ok((tag, schema))) => {
                Ok(BatchStream { tag, schema, batches: Some(batch_receiver), running, statement, session })
            }
            Ok(Err(error)) => Err(running.explain(error)),
            // The driver ended without a word: it panicked, or the session's threads are gone.
            Err(_) => Err(running.end().await.err().unwrap_or(Error::Cancelled)),
        }
    }

    /// [`stream`](Self::stream) as an iterator that waits on this thread.
    ///
    /// # Errors
    /// As there.
    pub fn stream_blocking(self) -> Result<BlockingBatches> {
        self.session.clone().wait(self.stream()).map(|stream| BlockingBatches { stream })
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
        self.session.clone().wait(self.collect())
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
        self.session.clone().wait(self.rows())
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
        self.session.clone().wait(self.execute())
    }

    /// Runs the query and writes its rows: to one file, or to a folder of files; the number of rows.
    ///
    /// `location` is a path or a URL. The format follows its name unless an option `format` gives it; `partition_by` names
    /// columns that become folders `name=value`; the other options are those of `COPY ... OPTIONS`. The result appears
    /// when all rows are written: a write that fails or is cancelled leaves nothing.
    ///
    /// ```
    /// # fn main() -> dolmen::Result<()> {
    /// # let folder = std::env::temp_dir().join(format!("dolmen-doc-{}", std::process::id()));
    /// # let path = folder.join("years").display().to_string();
    /// let session = dolmen::Session::new()?;
    /// let query = session.sql("SELECT * FROM (VALUES (2023, 'a'), (2024, 'b')) AS t(year, name)");
    /// let n_rows = query.write_to_blocking(&path, [("format", "parquet".into()), ("partition_by", "year".into())])?;
    /// assert_eq!(n_rows, 2);
    /// # std::fs::remove_dir_all(&folder).unwrap();
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Every variant of [`Error`]; a statement that is no query; an unknown option.
    pub async fn write_to<'a>(
        mut self,
        location: &str,
        options: impl IntoIterator<Item = (&'a str, OptionValue)>,
    ) -> Result<u64> {
        let options = options.into_iter().map(|(key, value)| (key.to_owned(), value));
        self.work.target = Some(WriteRequest::new(location, options).map_err(Error::invalid)?);
        self.execute().await
    }

    /// [`write_to`](Self::write_to), waiting on this thread.
    ///
    /// # Errors
    /// As there.
    pub fn write_to_blocking<'a>(
        self,
        location: &str,
        options: impl IntoIterator<Item = (&'a str, OptionValue)>,
    ) -> Result<u64> {
        self.session.clone().wait(self.write_to(location, options))
    }

    /// The columns of the result, without running the statement.
    ///
    /// # Errors
    /// As planning the statement.
    pub async fn schema(self) -> Result<SchemaRef> {
        let Self { session, work, timeout, .. } = self;
        let core = Arc::clone(session.core());
        let planning = async move {
            let result = core.context.schema_of(&work.text, &work.parameters).await;
            result.map_err(|error| work.located(&core, error))
        };
        Running::start(&session, timeout, Cancellation::new(), planning)?.end().await?
    }

    /// [`schema`](Self::schema), waiting on this thread.
    ///
    /// # Errors
    /// As there.
    pub fn schema_blocking(self) -> Result<SchemaRef> {
        self.session.clone().wait(self.schema())
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
        self.session.clone().wait(self.explain())
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
        self.session.clone().wait(self.explain_analyze())
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
        self.session.clone().wait(self.show())
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

    /// What the array of a statement `ARRAY expression` looks like in `format`: as NumPy prints it for [`Format::Table`], of
    /// which only what is shown is computed; as CSV of at most two axes; as nested lists of JSON. `None` for other
    /// statements, and for formats in which an array is shown by its rows.
    ///
    /// # Errors
    /// Every variant of [`Error`].
    pub async fn printed_array(&self, format: Format) -> Result<Option<Vec<u8>>> {
        if !arrays::has_form(format) {
            // Describing an array runs the queries in it, which would be for nothing.
            return Ok(None);
        }
        let core = self.session.core();
        let caller = Caller {
            cancellation: Cancellation::new(),
            watch: self.watch.clone(),
            holds_worker: self.session.is_in_task(),
        };
        let located = |error| self.work.located(core, error);
        match arrays::described(core, &self.work.text, &caller).await.map_err(located)? {
            Some(array) => arrays::printed(self.session.executor()?.as_ref(), &array, format).await.map_err(located),
            None => Ok(None),
        }
    }

    /// [`table`](Self::table), waiting on this thread.
    ///
    /// # Errors
    /// As there.
    pub fn table_blocking(self) -> Result<String> {
        self.session.clone().wait(self.table())
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
        caller: Caller,
        head: oneshot::Sender<Head>,
        batches: mpsc::Sender<Result<RecordBatch>>,
    ) {
        let (text, parameters) = (&self.text, &self.parameters);
        let outcome = match &self.target {
            Some(target) => core.context.write(text, parameters, target, caller).await,
            None => match arrays::run(&core, text, parameters, &caller).boxed().await {
                Ok(Some(outcome)) => Ok(outcome),
                Ok(None) => core.context.run(text, parameters, caller).await,
                Err(error) => Err(error),
            },
        };
        let outcome = match outcome {
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
            let next = match stream.next().await {
                None => return,
                Some(Ok(batch)) => Ok(batch),
                Some(Err(error)) => Err(diagnosis.explain(error).await),
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

/// The rows of a running statement, as record batches. Dropping it cancels the statement.
#[derive(Debug)]
pub struct BatchStream {
    tag: &'static str,
    schema: SchemaRef,
    /// `None` when the last batch, or an error, has been given.
    batches: Option<mpsc::Receiver<Result<RecordBatch>>>,
    running: Running<()>,
    statement: Statement,
    session: Session,
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

    /// The statement, to look at while its rows are read.
    pub fn statement(&self) -> &Statement {
        &self.statement
    }
}

impl Stream for BatchStream {
    type Item = Result<RecordBatch>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        let Some(batches) = &mut this.batches else { return Poll::Ready(None) };
        let next = match this.running.poll_deadline(context) {
            Poll::Ready(timeout) => Some(Err(timeout)),
            Poll::Pending => match std::task::ready!(batches.poll_recv(context)) {
                Some(batch) => Some(batch),
                // A panic closes the channel as the end of the rows does, and must not pass for it.
                None => std::task::ready!(this.running.poll_end(context)).err().map(Err),
            },
        };
        if !matches!(next, Some(Ok(_))) {
            this.batches = None;
        }
        Poll::Ready(next.map(|batch| batch.map_err(|error| this.running.explain(error))))
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

    /// The statement, to look at while its rows are read.
    pub fn statement(&self) -> &Statement {
        self.stream.statement()
    }
}

impl Iterator for BlockingBatches {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let session = self.stream.session.clone();
        session.wait(async { self.stream.next().await.transpose() }).transpose()
    }
}
