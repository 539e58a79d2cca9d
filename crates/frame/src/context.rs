//! The SQL side of a session: its catalog, functions and settings, and the way of a statement from text to result.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use datafusion::catalog::{TableFunction, TableProvider};
use datafusion::common::TableReference;
use datafusion::execution::memory_pool::MemoryPool;
use datafusion::execution::{FunctionRegistry, SessionState};
use datafusion::logical_expr::{AggregateUDF, ScalarUDF, WindowUDF};
use datafusion::optimizer::OptimizerRule;
use dolmen_storage::{Secrets, Stores};

use crate::catalog::{Catalog, IfTaken, Name, Relation};
use crate::error::{Error, Result};
use crate::files::{self, FileRequest};
use crate::lower::{ExecutorSource, Kept, NotPortable, RemoteExecutor};
use crate::runtime::Runtime;
use crate::sql::macros::Macros;
use crate::sql::scope::Scope;
use crate::state::build_state;
use crate::statement::Caller;
use crate::table::StoredTable;
use crate::{settings, sql};

/// What a [`SqlContext`] is built from.
#[derive(Debug)]
pub struct ContextOptions {
    /// Memory, temporary files and object stores.
    pub runtime: Runtime,
    /// Partitions of a plan, and so the tasks that run at the same time.
    pub threads: NonZeroUsize,
    /// Rows of a record batch; DataFusion's default if `None`.
    pub batch_size: Option<NonZeroUsize>,
    /// Settings by full or short name, with values.
    pub settings: Vec<(String, String)>,
    /// Whether statements that change anything but settings are refused.
    pub read_only: bool,
    /// Rules that come after DataFusion's.
    pub optimizer_rules: Vec<Arc<dyn OptimizerRule + Send + Sync>>,
    /// What runs the tasks that plans become; without it they run in the task of whoever reads their rows.
    pub executor: Option<ExecutorSource>,
    /// What runs the stages of queries, if that is to be other processes.
    pub remote: Option<RemoteExecutor>,
}

/// Catalog, functions, settings and prepared statements of one session.
///
/// All methods take `&self` and may run at the same time. None starts a runtime: the asynchronous ones run on the caller's.
#[derive(Debug)]
pub struct SqlContext {
    state: RwLock<Arc<SessionState>>,
    pub(crate) stores: Arc<Stores>,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) prepared: RwLock<HashMap<String, PreparedText>>,
    pub(crate) macros: RwLock<Arc<Macros>>,
    pub(crate) read_only: bool,
    kept: Arc<Kept>,
}

/// A statement kept by `PREPARE`: it is planned anew by every `EXECUTE`, so that it sees the tables of then.
#[derive(Debug, Clone)]
pub(crate) struct PreparedText {
    pub(crate) text: String,
    /// The declared types, as SQL; empty if none were.
    pub(crate) types: Vec<String>,
}

impl SqlContext {
    /// A context with an empty catalog.
    ///
    /// # Errors
    /// A setting that is not known or whose value does not fit.
    pub fn try_new(options: ContextOptions) -> Result<Self> {
        let Runtime { environment, stores, exchange } = options.runtime;
        let mut state = build_state(
            environment,
            options.threads.get(),
            options.batch_size,
            &options.settings,
            options.optimizer_rules,
        )?;
        let kept: Arc<Kept> = Arc::default();
        state.config_mut().set_extension(Arc::clone(&kept));
        if let Some(executor) = options.executor {
            let config = state.config_mut();
            config.set_extension(Arc::new(executor));
            config.set_extension(exchange);
            if let Some(remote) = options.remote {
                config.set_extension(Arc::new(remote));
            }
        }
        Ok(Self {
            state: RwLock::new(Arc::new(state)),
            stores,
            catalog: Arc::default(),
            prepared: RwLock::default(),
            macros: RwLock::default(),
            read_only: options.read_only,
            kept,
        })
    }

    /// The state that statements start from.
    pub(crate) fn state(&self) -> Arc<SessionState> {
        Arc::clone(&self.read_state())
    }

    fn read_state(&self) -> RwLockReadGuard<'_, Arc<SessionState>> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_state(&self) -> RwLockWriteGuard<'_, Arc<SessionState>> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// A scope for one statement, run by `caller`.
    pub(crate) fn scope(&self, caller: Caller) -> Scope {
        Scope::new(Arc::clone(&self.catalog), self.state(), Arc::clone(&self.stores), self.macros(), caller)
    }

    /// Changes the state that later statements start from; statements under way keep theirs.
    pub(crate) fn change_state<T>(&self, change: impl FnOnce(&mut SessionState) -> Result<T>) -> Result<T> {
        let mut guard = self.write_state();
        // A change that fails half way leaves the state as it was.
        let mut changed = guard.as_ref().clone();
        let result = change(&mut changed)?;
        *guard = Arc::new(changed);
        Ok(result)
    }

    /// What opens files and URLs.
    pub fn stores(&self) -> &Arc<Stores> {
        &self.stores
    }

    /// Whether statements may change neither tables, the catalog nor files.
    pub fn is_read_only(&self) -> bool {
        self.read_only
    }

    /// The secrets of the session's options, environment and URLs.
    pub fn secrets(&self) -> &Secrets {
        self.stores.secrets()
    }

    /// The pool that tables of this session count against.
    pub fn memory_pool(&self) -> Arc<dyn MemoryPool> {
        Arc::clone(&self.state().runtime_env().memory_pool)
    }

    /// Why plans that were to run elsewhere ran in this process, with their numbers, in the order in which they came.
    pub fn kept_plans(&self) -> Vec<(NotPortable, u64)> {
        self.kept.reasons()
    }

    /// Sets one setting by its full or short name.
    ///
    /// # Errors
    /// [`Error::UnknownSetting`]; a value that does not fit.
    pub fn set(&self, name: &str, value: &str) -> Result<()> {
        self.change_state(|state| {
            settings::set(state.config_mut().options_mut(), name, value)?;
            refresh_functions(state)
        })
    }

    /// The value of a setting by its full or short name; `None` if it has none.
    ///
    /// # Errors
    /// [`Error::UnknownSetting`].
    pub fn setting(&self, name: &str) -> Result<Option<String>> {
        let state = self.state();
        let name = settings::full_name(state.config_options(), name)?;
        Ok(state.config_options().entries().into_iter().find(|entry| entry.key == name).and_then(|entry| entry.value))
    }

    /// Adds a scalar function; one of the same name is replaced.
    ///
    /// # Errors
    /// None at present; the engine may refuse a function in future.
    pub fn register_scalar(&self, function: ScalarUDF) -> Result<()> {
        self.change_state(|state| {
            state.register_udf(Arc::new(function)).map(drop).map_err(sql::translate::of_execution)
        })
    }

    /// Adds an aggregate function; one of the same name is replaced.
    ///
    /// # Errors
    /// As [`SqlContext::register_scalar`].
    pub fn register_aggregate(&self, function: AggregateUDF) -> Result<()> {
        self.change_state(|state| {
            state.register_udaf(Arc::new(function)).map(drop).map_err(sql::translate::of_execution)
        })
    }

    /// Adds a window function; one of the same name is replaced.
    ///
    /// # Errors
    /// As [`SqlContext::register_scalar`].
    pub fn register_window(&self, function: WindowUDF) -> Result<()> {
        self.change_state(|state| {
            state.register_udwf(Arc::new(function)).map(drop).map_err(sql::translate::of_execution)
        })
    }

    /// Adds a table function; one of the same name is replaced.
    ///
    /// # Errors
    /// A name that a reading function of the engine has.
    pub fn register_table_function(&self, function: &TableFunction) -> Result<()> {
        if files::is_reading_function(function.name()) {
            return Err(Error::invalid(format!("table function \"{}\" is built in", function.name())));
        }
        self.change_state(|state| {
            state.register_udtf(function.name(), Arc::clone(function.function()));
            Ok(())
        })
    }

    /// Adds a table of the engine's own kind, replacing a table of that name.
    ///
    /// # Errors
    /// A name that a view has, or a schema that does not exist.
    pub fn register_stored(&self, name: &str, table: StoredTable) -> Result<()> {
        let relation = Relation::Stored(Arc::new(table));
        self.catalog.create(&table_name(name), relation, IfTaken::Replace).map(drop)
    }

    /// Adds a table that `provider` reads, replacing a table of that name.
    ///
    /// # Errors
    /// A name that a view has, or a schema that does not exist.
    pub fn register_provider(&self, name: &str, provider: Arc<dyn TableProvider>) -> Result<()> {
        self.catalog.create(&table_name(name), Relation::Foreign(provider), IfTaken::Replace).map(drop)
    }

    /// The table that was added by this name with [`register_provider`](Self::register_provider).
    pub fn provider(&self, name: &str) -> Option<Arc<dyn TableProvider>> {
        match self.catalog.get(&table_name(name))? {
            Relation::Foreign(provider) => Some(provider),
            Relation::Stored(_) | Relation::View(_) => None,
        }
    }

    /// Adds a table over files; they are listed anew by every statement, their schema is found now.
    ///
    /// # Errors
    /// As reading the files in a statement.
    pub async fn register_files(&self, name: &str, request: &FileRequest) -> Result<()> {
        let provider = files::open(&self.state(), &self.stores, request).await?;
        self.register_provider(name, provider)
    }

    /// Removes a table or view; `false` if there is none.
    ///
    /// # Errors
    /// None at present.
    pub fn deregister(&self, name: &str) -> Result<bool> {
        let name = table_name(name);
        match self.catalog.get(&name) {
            Some(relation) => self.catalog.remove(&name, relation.noun(), true).map(|()| true),
            None => Ok(false),
        }
    }

    /// The names of tables and views, with the schema unless it is `public`, sorted.
    pub fn table_names(&self) -> Vec<String> {
        self.catalog
            .schema_names()
            .into_iter()
            .flat_map(|schema| {
                let relations = self.catalog.relation_names(&schema);
                relations.into_iter().map(move |table| Name { schema: schema.clone(), table }.to_string())
            })
            .collect()
    }
}

/// A name as the embedding program writes it: `table` or `schema.table`, without quotes, in its own case.
pub(crate) fn table_name(name: &str) -> Name {
    match name.split_once('.') {
        Some((schema, table)) => Name { schema: schema.to_owned(), table: table.to_owned() },
        None => Name::from(&TableReference::bare(name)),
    }
}

/// Lets functions that depend on settings (such as `now` on the time zone) see the new ones.
pub(crate) fn refresh_functions(state: &mut SessionState) -> Result<()> {
    let options = Arc::clone(state.config().options());
    let updated: Vec<_> = state
        .scalar_functions()
        .values()
        .filter_map(|function| function.inner().with_updated_config(&options))
        .collect();
    for function in updated {
        state.register_udf(Arc::new(function)).map_err(sql::translate::of_execution)?;
    }
    Ok(())
}
