//! Running graphs on the threads of this process.

pub(crate) mod timekeeper;
mod worker;

use std::sync::Arc;

use dolmen_graph::{EventReader, Executor, GraphRun, OpRegistry, RunContext, SubmitError, SubmitOptions, TaskGraph};
use tokio::runtime::Handle;

use crate::engine::{Engine, Extend};
use crate::shared::{Shared, engine_methods, setters};

/// How a [`LocalExecutor`] is set up.
pub struct LocalConfig {
    shared: Shared,
    extend: Extend,
}

impl LocalConfig {
    /// `n_workers` workers, and `runtime` for bodies that wait, which should have as many threads; without a memory limit,
    /// and with the system's folder for temporary files.
    #[must_use]
    pub fn new(runtime: Handle, n_workers: u32) -> Self {
        let shared = Shared::new(runtime, n_workers, Arc::new(OpRegistry::new()));
        Self { shared, extend: Box::new(|context| context) }
    }

    setters!();

    /// Where the decoders of values are found.
    #[must_use]
    pub fn registry(mut self, registry: Arc<OpRegistry>) -> Self {
        self.shared.registry = registry;
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
/// which the executor does not own; their worker counts as taken, so that workers bound all that runs, but for
/// [light gangs](dolmen_graph::TaskOptions::is_light).
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
        let LocalConfig { shared, extend } = config;
        let engine = shared.start("threads", true, extend).expect("the system has a thread to spare");
        for worker in 0..shared.n_workers {
            let (engine, runtime) = (Arc::clone(&engine), shared.runtime.clone());
            let thread = std::thread::Builder::new().name(format!("dolmen-{worker}"));
            let started = thread.spawn(move || worker::run(engine, worker, &runtime));
            drop(started.expect("the system has a thread to spare"));
        }
        Self { engine }
    }

    fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// Whether this thread runs a task of this executor now.
    #[must_use]
    pub fn is_in_task(&self) -> bool {
        self.engine.current().is_some()
    }

    engine_methods!();
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
