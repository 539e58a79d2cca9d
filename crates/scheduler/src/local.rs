//! Running graphs on the threads of this process.

pub(crate) mod timekeeper;
mod worker;

use std::sync::Arc;
use std::time::Duration;

use dolmen_graph::{
    EventReader, Executor, GraphRun, OpRegistry, RunContext, RunId, SubmitError, SubmitOptions, TaskGraph,
};
use dolmen_storage::{MemoryBudget, TempFolder};
use tokio::runtime::Handle;

use crate::core::{CoreConfig, Ledger};
use crate::engine::{Bell, Driver, Engine, EngineConfig, Extend};
use crate::profile::{Profile, Progress};

/// How a [`LocalExecutor`] is set up.
pub struct LocalConfig {
    runtime: Handle,
    n_workers: u32,
    budget: Arc<MemoryBudget>,
    temp: Arc<TempFolder>,
    registry: Arc<OpRegistry>,
    core: CoreConfig,
    stall_after: Duration,
    extend: Extend,
}

impl LocalConfig {
    /// `n_workers` workers, and `runtime` for bodies that wait, which should have as many threads; without a memory limit,
    /// and with the system's folder for temporary files.
    #[must_use]
    pub fn new(runtime: Handle, n_workers: u32) -> Self {
        Self {
            runtime,
            n_workers: n_workers.max(1),
            budget: MemoryBudget::new(usize::MAX),
            temp: Arc::new(TempFolder::new(None)),
            registry: Arc::new(OpRegistry::new()),
            core: CoreConfig::default(),
            stall_after: Duration::from_secs(30),
            extend: Box::new(|context| context),
        }
    }

    /// The memory that values and tasks share with everyone else, and the folder that values are spilled to.
    #[must_use]
    pub fn memory(mut self, budget: Arc<MemoryBudget>, temp: Arc<TempFolder>) -> Self {
        self.budget = budget;
        self.temp = temp;
        self
    }

    /// Where the decoders of values are found.
    #[must_use]
    pub fn registry(mut self, registry: Arc<OpRegistry>) -> Self {
        self.registry = registry;
        self
    }

    /// How the core decides. Its memory limit is that of the budget, whatever is set here.
    #[must_use]
    pub fn core(mut self, core: CoreConfig) -> Self {
        self.core = core;
        self
    }

    /// After how long without progress the state is reported as an event.
    #[must_use]
    pub fn stall_after(mut self, stall_after: Duration) -> Self {
        self.stall_after = stall_after;
        self
    }

    /// Adds to the context of every run, such as a session that tasks find by its type.
    #[must_use]
    pub fn context(mut self, extend: impl Fn(RunContext) -> RunContext + Send + Sync + 'static) -> Self {
        self.extend = Box::new(extend);
        self
    }
}

/// Runs graphs on threads of this process.
///
/// Each worker is a thread that runs the synchronous bodies it is given. Bodies that wait are polled by a tokio runtime,
/// which the executor does not own; their worker counts as taken, so that workers bound all that runs.
///
/// Dropping it [closes](Self::close) it without waiting.
#[derive(Debug)]
pub struct LocalExecutor {
    engine: Arc<Engine>,
}

impl LocalExecutor {
    /// Starts the threads.
    ///
    /// # Panics
    /// If the system refuses a thread.
    #[must_use]
    pub fn new(config: LocalConfig) -> Self {
        let LocalConfig { runtime, n_workers, budget, temp, registry, core, stall_after, extend } = config;
        let engine = Engine::new(EngineConfig {
            name: "threads",
            n_workers,
            core,
            budget: Arc::clone(&budget),
            temp,
            registry,
            extend,
            driver: Driver::Threads { runtime: runtime.clone(), is_local: true, timekeeper: Bell::default() },
        });
        let reclaimer: std::sync::Weak<Engine> = Arc::downgrade(&engine);
        budget.register_reclaimer(reclaimer);
        // They end when the engine is closed, which whoever drops the executor does.
        for worker in 0..n_workers {
            let (engine, runtime) = (Arc::clone(&engine), runtime.clone());
            start(format!("dolmen-{worker}"), move || worker::run(engine, worker, &runtime));
        }
        let of_timekeeper = Arc::clone(&engine);
        start("dolmen-time".to_owned(), move || timekeeper::run(&of_timekeeper, stall_after));
        Self { engine }
    }

    /// Stops everything, and waits for what runs, at most `timeout`. Gives the keys of the tasks that still run then.
    ///
    /// Whoever waits for a result is told [`RunError::Closed`](dolmen_graph::RunError::Closed).
    pub fn close(&self, timeout: Duration) -> Vec<String> {
        self.engine.close_within(timeout)
    }

    /// Stops every run; new ones are taken as before.
    pub fn cancel_all(&self) {
        self.engine.cancel_all();
    }

    /// How far each run is that has not been dropped.
    #[must_use]
    pub fn progress(&self) -> Vec<Progress> {
        Progress::of(&self.engine)
    }

    /// What a run has cost so far, stage by stage; `None` if it was dropped long ago.
    #[must_use]
    pub fn profile(&self, run: RunId) -> Option<Profile> {
        Profile::of(&self.engine, run)
    }

    /// What the runs have cost that were dropped last, the latest at the end.
    #[must_use]
    pub fn recent_profiles(&self) -> Vec<Profile> {
        self.engine.lock().profiles.to_vec()
    }

    /// Who holds how many bytes.
    #[must_use]
    pub fn memory(&self) -> Ledger {
        self.engine.lock().core.memory()
    }

    /// What runs, what waits for what, and who holds memory; for people.
    #[must_use]
    pub fn explain(&self) -> String {
        self.engine.lock().core.explain()
    }

    /// The keys of the tasks that run, those included that were cancelled and have not stopped.
    #[must_use]
    pub fn running(&self) -> Vec<String> {
        self.engine.lock().running_keys()
    }

    /// Values on disk.
    #[must_use]
    pub fn n_spilled(&self) -> usize {
        self.engine.n_blocks()
    }
}

fn start(name: String, run: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().name(name).spawn(run);
    drop(thread.expect("the system has a thread to spare"));
}

impl Executor for LocalExecutor {
    fn name(&self) -> &str {
        "threads"
    }

    fn submit(&self, graph: Arc<TaskGraph>, options: SubmitOptions) -> Result<Arc<dyn GraphRun>, SubmitError> {
        Ok(self.engine.submit(graph, options)?)
    }

    fn events(&self) -> Box<dyn EventReader> {
        self.engine.hub().reader()
    }
}

impl Drop for LocalExecutor {
    fn drop(&mut self) {
        self.engine.close();
    }
}
