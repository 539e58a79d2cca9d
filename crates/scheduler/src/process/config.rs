//! How a process executor is set up.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use dolmen_graph::OpRegistry;
use dolmen_storage::{MemoryBudget, TempFolder};
use tokio::runtime::Handle;

use crate::core::CoreConfig;

/// How a [`ProcessExecutor`](super::ProcessExecutor) is set up.
#[derive(Debug, Clone)]
pub struct ProcessConfig {
    pub(super) runtime: Handle,
    pub(super) n_workers: u32,
    pub(super) registry: Arc<OpRegistry>,
    pub(super) budget: Arc<MemoryBudget>,
    pub(super) temp: Arc<TempFolder>,
    pub(super) core: CoreConfig,
    pub(super) stall_after: Duration,
    pub(super) stop_grace: Duration,
    pub(super) program: Option<PathBuf>,
    pub(super) args: Vec<OsString>,
}

impl ProcessConfig {
    /// `n_workers` processes of this program, served by `runtime`, whose time and I/O drivers must be on; without a memory
    /// limit. Both sides find operations and values in `registry`.
    #[must_use]
    pub fn new(runtime: Handle, n_workers: u32, registry: Arc<OpRegistry>) -> Self {
        Self {
            runtime,
            n_workers: n_workers.max(1),
            registry,
            budget: MemoryBudget::new(usize::MAX),
            temp: Arc::new(TempFolder::new(None)),
            core: CoreConfig::default(),
            stall_after: Duration::from_secs(30),
            stop_grace: Duration::from_millis(500),
            program: None,
            args: Vec::new(),
        }
    }

    /// The memory that values share with everyone else in this process, and the folder that they are spilled to.
    ///
    /// Graphs that tasks submit run within their worker, where their values have an equal part of the limit: with four
    /// workers, a quarter of it.
    #[must_use]
    pub fn memory(mut self, budget: Arc<MemoryBudget>, temp: Arc<TempFolder>) -> Self {
        self.budget = budget;
        self.temp = temp;
        self
    }

    /// The memory that graphs of tasks may use in each worker.
    pub(super) fn worker_bytes_max(&self) -> u64 {
        match self.budget.limit_bytes() {
            usize::MAX => u64::MAX,
            limit => limit as u64 / u64::from(self.n_workers),
        }
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

    /// How long a task that is no longer wanted may take to stop before its process is ended.
    #[must_use]
    pub fn stop_grace(mut self, stop_grace: Duration) -> Self {
        self.stop_grace = stop_grace;
        self
    }

    /// The program to start with its arguments, in place of this one without arguments.
    #[must_use]
    pub fn program(mut self, program: PathBuf, args: Vec<OsString>) -> Self {
        self.program = Some(program);
        self.args = args;
        self
    }
}
