//! What a process needs to run stages: operations and values by name, memory, folders, the functions of a session.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::common::config::ConfigOptions;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::execution::runtime_env::RuntimeEnv;
use dolmen_graph::{DecodeError, OpRegistry, RegistryError, TaskContext as GraphContext};
use dolmen_storage::{ExternalAccess, MemoryBudget, TempFolder};
use tokio::runtime::Handle;

use super::rows;
use super::stage::StageOp;
use crate::context::refresh_functions;
use crate::lower::{ExchangeStore, LoweringOptions, external};
use crate::runtime::{Runtime, RuntimeOptions, build_runtime};
use crate::state::build_state;

/// Makes the stages of plans known to `registry`, so that a process with it can run them.
///
/// # Errors
/// [`RegistryError::Duplicate`] if a name is taken.
pub fn register(registry: &mut OpRegistry) -> Result<(), RegistryError> {
    rows::register(registry)?;
    let worker = Arc::new(Worker::default());
    for name in StageOp::NAMES {
        let worker = Arc::clone(&worker);
        registry.register_op(name, move |bytes, _| {
            let malformed =
                |source: DataFusionError| DecodeError::Malformed { name: name.to_owned(), source: Arc::new(source) };
            Ok(Arc::new(StageOp::decode(bytes, &worker).map_err(malformed)?))
        })?;
    }
    Ok(())
}

/// What all stages share in one process.
#[derive(Debug, Default)]
pub(super) struct Worker {
    /// Made when the first task runs, which brings memory and a folder.
    home: Mutex<Option<Home>>,
}

#[derive(Debug, Clone)]
struct Home {
    runtime: Arc<RuntimeEnv>,
    exchange: Arc<ExchangeStore>,
    /// By settings.
    contexts: HashMap<Vec<(String, String)>, Arc<TaskContext>>,
}

impl Worker {
    /// Functions under `settings`, and where rows are kept.
    pub(super) fn context(
        &self,
        settings: &[(String, String)],
        task: &GraphContext,
    ) -> Result<(Arc<TaskContext>, Arc<ExchangeStore>)> {
        let mut home = self.home.lock().unwrap_or_else(PoisonError::into_inner);
        let home = match &mut *home {
            Some(home) => home,
            none => none.insert(Home::open(task)?),
        };
        let exchange = Arc::clone(&home.exchange);
        if let Some(context) = home.contexts.get(settings) {
            return Ok((Arc::clone(context), exchange));
        }
        let context = process_context(settings, Arc::clone(&home.runtime))?;
        // Statements mostly have the settings of the one before.
        home.contexts.clear();
        home.contexts.insert(settings.to_vec(), Arc::clone(&context));
        Ok((context, exchange))
    }
}

impl Home {
    fn open(task: &GraphContext) -> Result<Self> {
        let missing = || DataFusionError::Internal("a task of a plan runs where there is no memory for it".to_owned());
        let budget = task.service::<MemoryBudget>().ok_or_else(missing)?;
        let temp = task.service::<TempFolder>().ok_or_else(missing)?;
        let runtime = build_runtime(RuntimeOptions {
            budget,
            temp,
            storage_options: Vec::new(),
            // What a plan reads, the session that made it was allowed to read.
            external_access: ExternalAccess::All,
            read_only: false,
            threads: NonZeroUsize::MIN,
            io: Handle::current(),
        });
        let Runtime { environment, exchange, .. } = runtime.map_err(external)?;
        Ok(Self { runtime: environment, exchange, contexts: HashMap::new() })
    }
}

/// The settings that are not those of a new session, as text.
pub(super) fn settings_of(options: &ConfigOptions) -> Vec<(String, String)> {
    let usual: HashMap<String, Option<String>> =
        usual_options().entries().into_iter().map(|entry| (entry.key, entry.value)).collect();
    let changed = options.entries().into_iter().filter(|entry| usual.get(&entry.key) != Some(&entry.value));
    changed.filter_map(|entry| Some((entry.key, entry.value?))).collect()
}

fn usual_options() -> ConfigOptions {
    let mut options = ConfigOptions::new();
    options.extensions.insert(LoweringOptions::default());
    options
}

/// The functions that every session has, under `settings`: those that a plan in another process can use.
pub(super) fn process_context(settings: &[(String, String)], environment: Arc<RuntimeEnv>) -> Result<Arc<TaskContext>> {
    let mut state = build_state(environment, 1, None, &[], Vec::new()).map_err(external)?;
    let options = state.config_mut().options_mut();
    *options = usual_options();
    for (name, value) in settings {
        options.set(name, value)?;
    }
    refresh_functions(&mut state).map_err(external)?;
    Ok(Arc::new(TaskContext::from(&state)))
}
