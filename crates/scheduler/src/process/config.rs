//! How a process executor is set up.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use dolmen_graph::OpRegistry;
use dolmen_storage::Reservation;
use tokio::runtime::Handle;

use crate::shared::{Shared, setters};

/// How a [`ProcessExecutor`](super::ProcessExecutor) is set up.
///
/// Graphs that tasks submit run within their worker. A part of the memory limit is set aside for them, see
/// [`nested_memory`](Self::nested_memory).
#[derive(Debug, Clone)]
pub struct ProcessConfig {
    pub(super) shared: Shared,
    pub(super) stop_grace: Duration,
    pub(super) program: Option<PathBuf>,
    pub(super) args: Vec<OsString>,
    nested_bytes: Option<usize>,
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
            nested_bytes: None,
        }
    }

    setters!();

    /// The bytes of the memory limit that are set aside for graphs that tasks submit, from the start on and for all workers
    /// together, in equal parts; by default a quarter of the limit. Less leaves more for the values of other graphs.
    #[must_use]
    pub fn nested_memory(mut self, bytes: usize) -> Self {
        self.nested_bytes = Some(bytes);
        self
    }

    /// The bytes that are set aside for graphs of tasks; `None` without a limit.
    fn nested_bytes(&self) -> Option<usize> {
        let limit = self.shared.budget.limit_bytes();
        (limit != usize::MAX).then(|| self.nested_bytes.unwrap_or(limit / 4).min(limit))
    }

    /// Takes the bytes of graphs of tasks from the budget, for as long as the reservation lives.
    pub(super) fn reserve_nested(&self) -> Reservation {
        let mut reservation = self.shared.budget.consumer("graphs of tasks in workers").reserve();
        reservation.grow(self.nested_bytes().unwrap_or(0));
        reservation
    }

    /// The bytes that graphs of tasks may use in each worker.
    pub(super) fn worker_bytes_max(&self) -> u64 {
        self.nested_bytes().map_or(u64::MAX, |bytes| bytes as u64 / u64::from(self.shared.n_workers))
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
