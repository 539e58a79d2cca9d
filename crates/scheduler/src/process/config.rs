//! How a process executor is set up.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use dolmen_graph::OpRegistry;
use tokio::runtime::Handle;

use crate::shared::{Shared, setters};

/// How a [`ProcessExecutor`](super::ProcessExecutor) is set up.
///
/// Graphs that tasks submit run within their worker, where their values have an equal part of the memory limit: with four
/// workers, a quarter of it.
#[derive(Debug, Clone)]
pub struct ProcessConfig {
    pub(super) shared: Shared,
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
            shared: Shared::new(runtime, n_workers, registry),
            stop_grace: Duration::from_millis(500),
            program: None,
            args: Vec::new(),
        }
    }

    setters!();

    /// The memory that graphs of tasks may use in each worker.
    pub(super) fn worker_bytes_max(&self) -> u64 {
        match self.shared.budget.limit_bytes() {
            usize::MAX => u64::MAX,
            limit => limit as u64 / u64::from(self.shared.n_workers),
        }
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
