//! Running graphs on the calling thread, always in the same order.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

use dolmen_graph::{EventReader, Executor, GraphRun, OpRegistry, RunId, SubmitError, SubmitOptions, TaskGraph};
use dolmen_storage::{MemoryBudget, TempFolder};

use crate::core::{CoreConfig, Grouping};
use crate::engine::{Driver, Engine, EngineConfig};
use crate::profile::Profile;

/// Runs each graph before [`submit`](Executor::submit) returns, on the calling thread, one task after the other, in the same
/// order every time: for debugging. It decides as [`LocalExecutor`](crate::LocalExecutor) with one worker does, within the
/// same kind of memory budget.
///
/// Time stands still while tasks run and jumps where everything waits for it, so that another attempt is made at once and
/// no task takes too long.
#[derive(Debug)]
pub struct SyncExecutor {
    engine: Arc<Engine>,
}

impl SyncExecutor {
    /// An executor without a memory limit.
    #[must_use]
    pub fn new() -> Self {
        let unlimited = MemoryBudget::new(usize::MAX);
        Self::with_memory(unlimited, Arc::new(TempFolder::new(None)), Arc::new(OpRegistry::new()))
    }

    /// An executor that keeps to a budget, spills into `temp`, and finds the decoders of values in `registry`.
    #[must_use]
    pub fn with_memory(budget: Arc<MemoryBudget>, temp: Arc<TempFolder>, registry: Arc<OpRegistry>) -> Self {
        // Groups depend on how long tasks take, and so would the order.
        let core = CoreConfig { grouping: Grouping::Off, ..CoreConfig::default() };
        let driver = Driver::Inline { now_ns: AtomicU64::new(0), turn: Mutex::new(()) };
        let extend = Box::new(|context| context);
        let config = EngineConfig { name: "synchronous", n_workers: 1, core, budget, temp, registry, extend, driver };
        Self { engine: Engine::new(config) }
    }

    /// What a run has cost, stage by stage; `None` if it was dropped long ago.
    #[must_use]
    pub fn profile(&self, run: RunId) -> Option<Profile> {
        Profile::of(&self.engine, run)
    }
}

impl Default for SyncExecutor {
    fn default() -> Self {
        Self::new()
    }
}

impl Executor for SyncExecutor {
    fn name(&self) -> &str {
        "synchronous"
    }

    fn submit(&self, graph: Arc<TaskGraph>, options: SubmitOptions) -> Result<Arc<dyn GraphRun>, SubmitError> {
        let run = self.engine.submit(graph, options)?;
        self.engine.run_inline(GraphRun::id(&*run));
        Ok(run)
    }

    fn events(&self) -> Box<dyn EventReader> {
        self.engine.hub().reader()
    }
}

impl Drop for SyncExecutor {
    fn drop(&mut self) {
        self.engine.close();
    }
}
