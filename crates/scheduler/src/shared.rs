//! What the executors that have workers share: settings, starting the engine, and looking at it.

use std::io;
use std::sync::{Arc, Weak};
use std::time::Duration;

use dolmen_graph::OpRegistry;
use dolmen_storage::{MemoryBudget, TempFolder};
use tokio::runtime::Handle;

use crate::core::CoreConfig;
use crate::engine::{Bell, Driver, Engine, EngineConfig, Extend};
use crate::local::timekeeper;

/// Settings that mean the same for threads and for processes.
#[derive(Debug, Clone)]
pub(crate) struct Shared {
    pub(crate) runtime: Handle,
    pub(crate) n_workers: u32,
    pub(crate) registry: Arc<OpRegistry>,
    pub(crate) budget: Arc<MemoryBudget>,
    pub(crate) temp: Arc<TempFolder>,
    pub(crate) core: CoreConfig,
    pub(crate) stall_after: Duration,
}

impl Shared {
    pub(crate) fn new(runtime: Handle, n_workers: u32, registry: Arc<OpRegistry>) -> Self {
        Self {
            runtime,
            n_workers: n_workers.max(1),
            registry,
            budget: MemoryBudget::new(usize::MAX),
            temp: Arc::new(TempFolder::new(None)),
            core: CoreConfig::default(),
            stall_after: Duration::from_secs(30),
        }
    }

    /// An engine, whose workers are still to be started, and the thread that minds its time. Both end when the engine is
    /// closed. `is_local` says that bodies run in this process.
    pub(crate) fn start(&self, name: &'static str, is_local: bool, extend: Extend) -> io::Result<Arc<Engine>> {
        let engine = Engine::new(EngineConfig {
            name,
            n_workers: self.n_workers,
            core: self.core,
            budget: Arc::clone(&self.budget),
            temp: Arc::clone(&self.temp),
            registry: Arc::clone(&self.registry),
            extend,
            driver: Driver::Threads { runtime: self.runtime.clone(), is_local, timekeeper: Bell::default() },
        });
        let reclaimer: Weak<Engine> = Arc::downgrade(&engine);
        self.budget.register_reclaimer(reclaimer);
        let (of_timekeeper, stall_after) = (Arc::clone(&engine), self.stall_after);
        let thread = std::thread::Builder::new().name("dolmen-time".to_owned());
        thread.spawn(move || timekeeper::run(&of_timekeeper, stall_after))?;
        Ok(engine)
    }
}

/// Setters of what is [`Shared`], for a configuration that has it as `shared`.
macro_rules! setters {
    () => {
        /// The memory that values and tasks share with everyone else in this process, and the folder that values are
        /// spilled to.
        #[must_use]
        pub fn memory(
            mut self,
            budget: std::sync::Arc<dolmen_storage::MemoryBudget>,
            temp: std::sync::Arc<dolmen_storage::TempFolder>,
        ) -> Self {
            (self.shared.budget, self.shared.temp) = (budget, temp);
            self
        }

        /// How the core decides. Its memory limit is that of the budget, whatever is set here.
        #[must_use]
        pub fn core(mut self, core: crate::CoreConfig) -> Self {
            self.shared.core = core;
            self
        }

        /// After how long without progress the state is reported as an event.
        #[must_use]
        pub fn stall_after(mut self, stall_after: std::time::Duration) -> Self {
            self.shared.stall_after = stall_after;
            self
        }
    };
}
pub(crate) use setters;

/// Methods of an executor that has an `engine()`.
macro_rules! engine_methods {
    () => {
        /// Stops everything, and waits for what runs, at most `timeout`. Gives the keys of the tasks that still run then.
        ///
        /// Whoever waits for a result is told [`RunError::Closed`](dolmen_graph::RunError::Closed).
        pub fn close(&self, timeout: std::time::Duration) -> Vec<String> {
            self.engine().close_within(timeout)
        }

        /// Stops every run; new ones are taken as before.
        pub fn cancel_all(&self) {
            self.engine().cancel_all();
        }

        /// How far each run is that has not been dropped.
        #[must_use]
        pub fn progress(&self) -> Vec<crate::Progress> {
            crate::Progress::of(self.engine())
        }

        /// What a run has cost so far, stage by stage; `None` if it was dropped long ago.
        #[must_use]
        pub fn profile(&self, run: dolmen_graph::RunId) -> Option<crate::Profile> {
            crate::Profile::of(self.engine(), run)
        }

        /// What the runs have cost that were dropped last, the latest at the end.
        #[must_use]
        pub fn recent_profiles(&self) -> Vec<crate::Profile> {
            self.engine().lock().profiles.to_vec()
        }

        /// Who holds how many bytes.
        #[must_use]
        pub fn memory(&self) -> crate::Ledger {
            self.engine().lock().core.memory()
        }

        /// What runs, what waits for what, and who holds memory; for people.
        #[must_use]
        pub fn explain(&self) -> String {
            self.engine().lock().core.explain()
        }

        /// The keys of the tasks that run, those included that were cancelled and have not stopped.
        #[must_use]
        pub fn running(&self) -> Vec<String> {
            self.engine().lock().running_keys()
        }

        /// Values on disk.
        #[must_use]
        pub fn n_spilled(&self) -> usize {
            self.engine().n_blocks()
        }
    };
}
pub(crate) use engine_methods;
