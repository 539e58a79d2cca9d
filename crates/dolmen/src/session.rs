//! A session: its limits, its threads, its catalog.

use std::error::Error as _;
use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use dolmen_frame::{
    ContextOptions, ExecutorSource, FileRequest, FunctionInfo, NotPortable, OptionValue, RemoteExecutor,
    RuntimeOptions, SplitError, SqlContext, StoredTable, TableDefinition,
};
use dolmen_graph::{Executor, OpRegistry};
use dolmen_scheduler::LocalExecutor;
use dolmen_scheduler::process::{ProcessConfig, ProcessExecutor};
use dolmen_storage::{ExternalAccess, MemoryBudget, TempFolder, block_on};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::runtime::{Builder, Handle, Runtime};

use crate::arrays::{FindExecutor, ReduceArrays};
use crate::query::Query;
use crate::statement::Statements;
use crate::{Error, Result, Statement};

/// A connection to the engine: a catalog of tables, functions and settings, a memory budget and threads of its own.
///
/// Cloning is cheap and gives the same session. Several sessions with different limits live side by side; nothing is
/// global. When the last clone and the last stream of a session are gone, its threads end and its temporary files are
/// removed.
///
/// ```
/// # fn main() -> dolmen::Result<()> {
/// let session = dolmen::Session::builder().threads(2).memory_limit(256 << 20).build()?;
/// let rows: Vec<(i64, String)> = session.sql("SELECT 40 + 2 AS n, 'stone' AS what").rows_blocking()?;
/// assert_eq!(rows, [(42, "stone".to_owned())]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Session {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    core: Arc<Core>,
    pub(crate) threads: NonZeroUsize,
    pub(crate) temp: Arc<TempFolder>,
    /// Where tasks find types of values and functions by their names.
    pub(crate) registry: Arc<OpRegistry>,
    /// Runs graphs of tasks. Its threads start when the first is submitted.
    pub(crate) executor: OnceLock<Arc<LocalExecutor>>,
    /// Runs the stages of queries, if other processes do.
    processes: Option<Arc<ProcessExecutor>>,
    /// Runs the operators. Declared before the I/O runtime: it is shut down first.
    cpu: Option<Runtime>,
    io: Option<Runtime>,
}

/// What running statements hold; never a runtime, which must not be dropped by one of its own threads.
pub(crate) struct Core {
    pub(crate) context: SqlContext,
    pub(crate) budget: Arc<MemoryBudget>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) statements: Statements,
    pub(crate) find_executor: Arc<FindExecutor>,
    pub(crate) threads: NonZeroUsize,
    pub(crate) temp: Arc<TempFolder>,
}

/// Blocks of arrays in the memory limit: several for each of several threads. How many threads there are does not count, so
/// that it changes no sum.
const BLOCKS_IN_LIMIT: usize = 64;
/// Smaller blocks cost more to handle than to compute.
const BLOCK_BYTES_MIN: usize = 32 << 10;

impl Core {
    /// How many bytes blocks of arrays have where a statement does not say it.
    pub(crate) fn block_bytes(&self) -> usize {
        (self.budget.limit_bytes() / BLOCKS_IN_LIMIT).clamp(BLOCK_BYTES_MIN, dolmen_array::BLOCK_BYTES_DEFAULT)
    }
}

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Core").field("budget", &self.budget).field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // Clients of it may live longer; whoever waits is told.
        if let Some(executor) = self.executor.get() {
            executor.close(Duration::ZERO);
        }
        if let Some(processes) = &self.processes {
            processes.close(Duration::ZERO);
        }
        // Waiting for the threads could block a caller's async runtime; tasks still running are cancelled instead.
        for runtime in [self.cpu.take(), self.io.take()].into_iter().flatten() {
            runtime.shutdown_background();
        }
    }
}

/// Stack of a thread that plans and runs. Virtual memory until it is used; deeply nested statements use it.
const STACK_BYTES: usize = 64 << 20;

/// Limits and settings of a session to be.
///
/// Every limit has a sensible default: 60 % of the memory that the machine or its cgroup has, a thread per processor, the
/// system's folder for temporary files, access to every file and URL.
#[derive(Debug, Default)]
pub struct SessionBuilder {
    memory_limit_bytes: Option<u64>,
    temp_dir: Option<PathBuf>,
    threads: Option<usize>,
    batch_size: Option<usize>,
    settings: Vec<(String, String)>,
    storage_options: Vec<(String, String)>,
    external_access: ExternalAccess,
    read_only: bool,
    timeout: Option<Duration>,
    registry: Option<Arc<OpRegistry>>,
    processes: Option<usize>,
    process_program: Option<(PathBuf, Vec<OsString>)>,
}

impl SessionBuilder {
    /// The most memory that operators and tables of the session may hold together, in bytes.
    #[must_use]
    pub fn memory_limit(mut self, bytes: u64) -> Self {
        self.memory_limit_bytes = Some(bytes);
        self
    }

    /// The folder for temporary files. The session makes a folder of its own in it and removes that at its end.
    #[must_use]
    pub fn temp_dir(mut self, folder: impl Into<PathBuf>) -> Self {
        self.temp_dir = Some(folder.into());
        self
    }

    /// The number of threads that compute, and of partitions of a plan; at least 1.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = Some(threads);
        self
    }

    /// Rows of a record batch; at least 1.
    #[must_use]
    pub fn batch_size(mut self, rows: usize) -> Self {
        self.batch_size = Some(rows);
        self
    }

    /// A setting by its full or short name, as `SET name = value` takes it; `SHOW SETTINGS` lists them.
    #[must_use]
    pub fn setting(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.push((name.into(), value.into()));
        self
    }

    /// An option of remote storage, such as `aws_region` or `azure_storage_account_key`; it comes before the environment's.
    ///
    /// Values of keys that name secrets never appear in errors, `SHOW` or logs.
    #[must_use]
    pub fn storage_option(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.storage_options.push((key.into(), value.into()));
        self
    }

    /// The files and URLs that statements may read and write. No statement can change it.
    #[must_use]
    pub fn external_access(mut self, access: ExternalAccess) -> Self {
        self.external_access = access;
        self
    }

    /// Refuses every statement that changes a table, the catalog or a file. No statement can change it.
    ///
    /// As in PostgreSQL, `SET`, `RESET`, `PREPARE` and `DEALLOCATE` stay allowed: they change nothing but the session.
    /// `EXECUTE` of a statement that writes is refused.
    #[must_use]
    pub fn read_only(mut self, read_only: bool) -> Self {
        self.read_only = read_only;
        self
    }

    /// The timeout of queries that set none of their own.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// The types of values and the functions that tasks know by name, in place of the usual ones: numbers, texts, and
    /// vectors of them.
    ///
    /// Values that tasks pass on go to disk when memory is short if their type is registered, or if the function that made
    /// them is registered or [spillable](dolmen_graph::DelayedFn::spillable); others stay in memory.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use dolmen::graph::OpRegistry;
    ///
    /// #[derive(serde::Serialize, serde::Deserialize)]
    /// struct Station {
    ///     name: String,
    ///     height: f64,
    /// }
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let mut registry = OpRegistry::new();
    /// registry.register_type::<Station>("station")?;
    /// let square = registry.register_function("square", |x: u64| x * x)?;
    /// let session = dolmen::Session::builder().threads(2).registry(Arc::new(registry)).build()?;
    /// assert_eq!(*session.client()?.submit_registered(&square, 12).result()?, 144);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn registry(mut self, registry: Arc<OpRegistry>) -> Self {
        self.registry = Some(registry);
        self
    }

    /// Runs the stages of queries in so many other processes of this program, which calls
    /// [`serve_if_worker`](crate::serve_if_worker) first thing in `main`; at least 1.
    ///
    /// Each gets an equal part of the memory limit. A process that is lost is replaced, and what it ran runs again. Plans that
    /// cannot be sent to other processes run in this one; [`Session::kept_plans`] says why.
    #[must_use]
    pub fn processes(mut self, n: usize) -> Self {
        self.processes = Some(n);
        self
    }

    /// The program of the other processes with its arguments, in place of this one without arguments.
    #[must_use]
    pub fn process_program(mut self, program: impl Into<PathBuf>, args: Vec<OsString>) -> Self {
        self.process_program = Some((program.into(), args));
        self
    }

    /// Opens the session and starts its threads, and its processes if it has some.
    ///
    /// # Errors
    /// An unknown setting or storage option, a value that does not fit, a temporary folder that cannot be used, or threads
    /// or processes that cannot be started.
    pub fn build(self) -> Result<Session> {
        let threads = match self.threads {
            Some(threads) => positive("threads", threads)?,
            None => std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
        };
        let batch_size = self.batch_size.map(|rows| positive("batch_size", rows)).transpose()?;
        let limit_bytes = self.memory_limit_bytes.unwrap_or_else(dolmen_storage::default_memory_limit);
        let budget = MemoryBudget::new(usize::try_from(limit_bytes).unwrap_or(usize::MAX));
        let io = runtime("dolmen-io", 1)?;
        let temp = Arc::new(TempFolder::new(self.temp_dir));
        let environment = dolmen_frame::build_runtime(RuntimeOptions {
            budget: Arc::clone(&budget),
            temp: Arc::clone(&temp),
            storage_options: self.storage_options,
            external_access: self.external_access,
            read_only: self.read_only,
            threads,
            io: io.handle().clone(),
        })?;
        let cpu = runtime("dolmen-cpu", threads.get())?;
        let processes = self.processes.map(|n| positive("processes", n)).transpose()?;
        let processes = processes.map(|n| start_processes(n, self.process_program, cpu.handle(), &budget, &temp));
        let processes = processes.transpose()?;
        let remote = processes.as_ref().map(|executor| {
            let n_workers = executor.worker_pids().len();
            let executor = Arc::downgrade(executor);
            let source = ExecutorSource::new(move || executor.upgrade().map(|executor| executor as Arc<dyn Executor>));
            RemoteExecutor { source, n_workers }
        });
        // Known when the session is there.
        let home: Arc<OnceLock<Weak<Inner>>> = Arc::default();
        let of_home = Arc::clone(&home);
        let find_executor: Arc<FindExecutor> = Arc::new(move || {
            let inner = of_home.get()?.upgrade()?;
            let executor: Arc<dyn Executor> = Session { inner }.executor().ok()?;
            Some(executor)
        });
        let find = Arc::clone(&find_executor);
        let context = SqlContext::try_new(ContextOptions {
            executor: Some(ExecutorSource::new(move || find())),
            remote,
            runtime: environment,
            threads,
            batch_size,
            settings: self.settings,
            read_only: self.read_only,
            optimizer_rules: vec![Arc::new(ReduceArrays)],
        })?;
        let core = Core {
            context,
            budget,
            timeout: self.timeout,
            statements: Statements::default(),
            find_executor,
            threads,
            temp: Arc::clone(&temp),
        };
        let core = Arc::new(core);
        let (registry, executor) = (self.registry.unwrap_or_default(), OnceLock::new());
        let inner = Inner { core, threads, temp, registry, executor, processes, cpu: Some(cpu), io: Some(io) };
        let inner = Arc::new(inner);
        home.get_or_init(|| Arc::downgrade(&inner));
        Ok(Session { inner })
    }
}

fn start_processes(
    n: NonZeroUsize,
    program: Option<(PathBuf, Vec<OsString>)>,
    runtime: &Handle,
    budget: &Arc<MemoryBudget>,
    temp: &Arc<TempFolder>,
) -> Result<Arc<ProcessExecutor>> {
    let n_workers = u32::try_from(n.get()).map_err(|_| Error::invalid("processes is too large"))?;
    let config = ProcessConfig::new(runtime.clone(), n_workers, stage_registry()?);
    let mut config = config.memory(Arc::clone(budget), Arc::clone(temp));
    if let Some((program, args)) = program {
        config = config.program(program, args);
    }
    let started = block_on(runtime.spawn(ProcessExecutor::start(config))).map_err(|_| Error::Cancelled)?;
    let executor = started.map_err(|error| {
        let why = error.source().map(|source| format!(": {source}")).unwrap_or_default();
        Error::invalid(format!("{error}{why}"))
    })?;
    Ok(Arc::new(executor))
}

/// What the processes of a session know by name.
fn stage_registry() -> Result<Arc<OpRegistry>> {
    let mut registry = OpRegistry::new();
    dolmen_frame::register_stages(&mut registry).map_err(|error| Error::internal(error.to_string()))?;
    Ok(Arc::new(registry))
}

/// In a process that a session with [`processes`](SessionBuilder::processes) started, runs what it is given until that session
/// is gone, and ends the process. In any other process it returns at once.
///
/// A program whose sessions have processes calls it first thing in `main`:
///
/// ```no_run
/// fn main() -> dolmen::Result<()> {
///     dolmen::serve_if_worker()?;
///     let session = dolmen::Session::builder().processes(2).build()?;
///     println!("{}", session.sql("SELECT count(*) FROM 'flights.parquet'").table_blocking()?);
///     Ok(())
/// }
/// ```
///
/// # Errors
/// None at present.
pub fn serve_if_worker() -> Result<()> {
    dolmen_scheduler::process::serve_if_worker(&stage_registry()?);
    Ok(())
}

fn positive(what: &str, value: usize) -> Result<NonZeroUsize> {
    NonZeroUsize::new(value).ok_or_else(|| Error::invalid(format!("{what} must be at least 1")))
}

fn runtime(name: &str, threads: usize) -> Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(threads)
        .thread_name(name)
        .thread_stack_size(STACK_BYTES)
        .enable_all()
        .build()
        .map_err(|error| Error::invalid(format!("the threads of {name} cannot be started: {error}")))
}

impl Session {
    /// A session with every default.
    ///
    /// # Errors
    /// As [`SessionBuilder::build`].
    pub fn new() -> Result<Self> {
        Self::builder().build()
    }

    /// The limits and settings of a session to be.
    pub fn builder() -> SessionBuilder {
        SessionBuilder::default()
    }

    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.inner.core
    }

    /// The threads that compute.
    pub(crate) fn cpu(&self) -> Result<&Handle> {
        // Taken only by `drop`, when no session is left to ask.
        self.inner.cpu.as_ref().map(Runtime::handle).ok_or(Error::Cancelled)
    }

    /// The threads for I/O, which are never busy for long.
    pub(crate) fn io(&self) -> Result<&Handle> {
        self.inner.io.as_ref().map(Runtime::handle).ok_or(Error::Cancelled)
    }

    /// Runs `future` to its end on this thread.
    ///
    /// Works on any thread, one of an async runtime included: the work itself is done by the session's own threads, and
    /// this one only sleeps. One of the session's own, where functions run, would wait for itself.
    pub(crate) fn wait<T>(&self, future: impl Future<Output = Result<T>>) -> Result<T> {
        // The threads that run tasks of a graph are others; they know the runtime, but are not in a task of it.
        let is_its_task = tokio::task::try_id().is_some();
        if is_its_task
            && Handle::try_current().is_ok_and(|current| Some(current.id()) == self.cpu().ok().map(Handle::id))
        {
            return Err(Error::invalid(
                "a function cannot wait for a query of its own session, whose threads it holds; use another session",
            ));
        }
        block_on(future)
    }

    /// One statement, to be run by the methods of [`Query`]. Nothing happens before; an error of the text comes then too.
    pub fn sql(&self, statement: impl Into<String>) -> Query {
        Query::new(self.clone(), statement.into())
    }

    /// The statements of a script, in order, each to be run by itself.
    ///
    /// Semicolons in comments and quotes do not end a statement. Places in errors are those in the script.
    ///
    /// # Errors
    /// A quote or comment that is not closed.
    pub fn script(&self, script: &str) -> Result<Vec<Query>> {
        let statements = dolmen_frame::split_statements(script).map_err(|error| {
            let SplitError::Unterminated { line, column, .. } = &error;
            let position = dolmen_frame::Position::at(script, *line, *column, 1);
            Error::Syntax { message: error.to_string(), position, source: None }
        })?;
        Ok(statements
            .into_iter()
            .map(|statement| Query::new(self.clone(), statement.text.to_owned()).at(statement.line, statement.column))
            .collect())
    }

    /// Checks the syntax of `statement`, for later use with [`Prepared::query`]. Names are looked up when that runs.
    ///
    /// # Errors
    /// A statement that cannot be parsed.
    pub fn prepare(&self, statement: impl Into<String>) -> Result<Prepared> {
        let statement = statement.into();
        self.core().context.check_syntax(&statement)?;
        Ok(Prepared { session: self.clone(), statement })
    }

    /// Makes `batches` a table, replacing one of that name. Its bytes count against the memory limit.
    ///
    /// # Errors
    /// Batches of different schemas, none at all, or more than the memory limit leaves.
    pub fn register_batches(&self, name: &str, batches: &[RecordBatch]) -> Result<()> {
        let Some(first) = batches.first() else {
            return Err(Error::invalid(format!(
                "table \"{name}\" needs at least one record batch to know its columns"
            )));
        };
        let definition = TableDefinition::new(name, first.schema());
        let table = StoredTable::try_new(definition, &self.core().context.memory_pool(), batches)?;
        self.core().context.register_stored(name, table)
    }

    /// Makes a table of `rows`, with a column per field, replacing one of that name.
    ///
    /// # Errors
    /// Rows whose fields have no column type, or more than the memory limit leaves.
    pub fn register_rows<T: Serialize + DeserializeOwned>(&self, name: &str, rows: &[T]) -> Result<()> {
        let batch = dolmen_frame::functions::to_batch(rows)?;
        self.register_batches(name, &[batch])
    }

    /// Makes files a table, replacing one of that name: a path or URL, a folder, or a pattern such as `data/*.csv.gz`.
    ///
    /// The format follows the name unless an option `format` gives it; the other options are those of `read_csv` and its
    /// like (docs/sql.md). The schema is found now; the files are listed anew by every statement.
    ///
    /// # Errors
    /// A location that cannot be read or may not be, files without a common schema, an unknown option.
    pub async fn register_files(
        &self,
        name: &str,
        location: &str,
        options: impl IntoIterator<Item = (&str, OptionValue)>,
    ) -> Result<()> {
        let options = options.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        let request = FileRequest::with_options(vec![location.to_owned()], options).map_err(Error::invalid)?;
        let core = Arc::clone(self.core());
        let name = name.to_owned();
        let task = self.cpu()?.spawn(async move { core.context.register_files(&name, &request).await });
        task.await.map_err(|_| Error::Cancelled)?
    }

    /// [`register_files`](Self::register_files), waiting on this thread.
    ///
    /// # Errors
    /// As there.
    pub fn register_files_blocking<'a>(
        &self,
        name: &str,
        location: &str,
        options: impl IntoIterator<Item = (&'a str, OptionValue)>,
    ) -> Result<()> {
        self.wait(self.register_files(name, location, options))
    }

    /// Makes whatever `provider` reads a table, replacing one of that name.
    ///
    /// # Errors
    /// A name that a view has, or a schema that does not exist.
    pub fn register_provider(&self, name: &str, provider: Arc<dyn TableProvider>) -> Result<()> {
        self.core().context.register_provider(name, provider)
    }

    /// Removes a table or view; `false` if there is none.
    ///
    /// # Errors
    /// None at present.
    pub fn deregister(&self, name: &str) -> Result<bool> {
        self.core().context.deregister(name)
    }

    /// The names of tables and views, with their schema unless it is `public`, sorted.
    pub fn table_names(&self) -> Vec<String> {
        self.core().context.table_names()
    }

    /// The columns of a table, by `table` or `schema.table` without quotes; no file is read.
    ///
    /// `None` if there is no such table, or if it is a view: [`Query::schema`] plans a query for its columns.
    ///
    /// ```
    /// # fn main() -> dolmen::Result<()> {
    /// let session = dolmen::Session::new()?;
    /// session.sql("CREATE TABLE t (id BIGINT, name VARCHAR)").execute_blocking()?;
    /// let schema = session.table_schema("t").expect("it was just made");
    /// assert_eq!(schema.field(1).name(), "name");
    /// assert!(session.table_schema("u").is_none());
    /// # Ok(())
    /// # }
    /// ```
    pub fn table_schema(&self, name: &str) -> Option<SchemaRef> {
        self.core().context.table_schema(name)
    }

    /// Every function that statements may call, sorted by name.
    ///
    /// ```
    /// # fn main() -> dolmen::Result<()> {
    /// let session = dolmen::Session::new()?;
    /// let functions = session.functions();
    /// let read = functions.iter().find(|function| function.name == "read_csv").expect("it is built in");
    /// assert!(read.gives_rows);
    /// # Ok(())
    /// # }
    /// ```
    pub fn functions(&self) -> Vec<FunctionInfo> {
        self.core().context.functions()
    }

    /// The full names of all settings, sorted.
    pub fn setting_names(&self) -> Vec<String> {
        self.core().context.setting_names()
    }

    /// Changes a setting for later statements, by its full or short name.
    ///
    /// # Errors
    /// [`Error::UnknownSetting`]; a value that does not fit.
    pub fn set(&self, name: &str, value: &str) -> Result<()> {
        self.core().context.set(name, value)
    }

    /// The statements that run now, in the order in which they began.
    ///
    /// A statement whose rows are read as a stream runs until the last has been read, or the stream is dropped.
    pub fn statements(&self) -> Vec<Statement> {
        self.core().statements.list()
    }

    /// Why plans that were to run elsewhere ran in this process, with their numbers.
    pub fn kept_plans(&self) -> Vec<(NotPortable, u64)> {
        self.core().context.kept_plans()
    }

    /// What runs the stages of queries in other processes: their ids, events, progress, profiles. `None` if this one does.
    pub fn processes(&self) -> Option<&Arc<ProcessExecutor>> {
        self.inner.processes.as_ref()
    }

    /// The tasks that the session's threads have to do now: the partitions of running statements, mostly. 0 when idle.
    pub fn running_tasks(&self) -> usize {
        self.cpu().map_or(0, |cpu| cpu.metrics().num_alive_tasks())
    }

    /// The bytes that operators and tables hold now.
    pub fn memory_used_bytes(&self) -> usize {
        self.core().budget.used_bytes()
    }

    /// The most bytes held at one time so far.
    pub fn memory_peak_bytes(&self) -> usize {
        self.core().budget.peak_bytes()
    }

    /// The memory limit in bytes.
    pub fn memory_limit_bytes(&self) -> usize {
        self.core().budget.limit_bytes()
    }

    /// How many bytes blocks of arrays have in statements that do not say it: 128 MiB, or a
    /// sixty-fourth of a memory limit below 8 GiB. For arrays that are made in Rust:
    /// [`ChunkSpec::AutoBytes`](crate::array::ChunkSpec::AutoBytes) and
    /// [`Array::with_block_bytes`](crate::array::Array::with_block_bytes).
    pub fn array_block_bytes(&self) -> usize {
        self.core().block_bytes()
    }
}

/// A statement whose text has been checked, to be run many times with different parameters.
#[derive(Debug, Clone)]
pub struct Prepared {
    session: Session,
    statement: String,
}

impl Prepared {
    /// One run of the statement; bind its parameters and run it.
    pub fn query(&self) -> Query {
        self.session.sql(self.statement.clone())
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::Int64Array;
    use datafusion::datasource::MemTable;

    use super::*;

    /// EXPLAIN ANALYZE runs its statement, and a provider of the embedding program knows nothing of `read_only`.
    #[test]
    fn read_only_refuses_to_analyze_a_change() {
        let batch = RecordBatch::try_from_iter([("a", Arc::new(Int64Array::from(vec![1])) as _)]).unwrap();
        let session = Session::builder().threads(1).read_only(true).build().unwrap();
        let table = MemTable::try_new(batch.schema(), vec![vec![batch]]).unwrap();
        session.register_provider("t", Arc::new(table)).unwrap();
        for sql in ["INSERT INTO t VALUES (2)", "EXPLAIN ANALYZE INSERT INTO t VALUES (2)"] {
            let error = session.sql(sql).collect_blocking().unwrap_err();
            assert!(matches!(error, Error::ReadOnly { .. }), "{sql}: {error}");
        }
        assert_eq!(session.sql("SELECT count(*) FROM t").rows_blocking::<i64>().unwrap(), [1]);
    }
}
