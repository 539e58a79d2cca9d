//! Executors whose workers are processes: this test program, told to run the test `worker` alone, which serves.

mod futures;
mod losses;
mod memory;
mod tasks;

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use dolmen_graph::{Executor, GraphRun, SubmitOptions, TaskGraph};
use dolmen_scheduler::CoreConfig;
use dolmen_scheduler::process::{ProcessConfig, ProcessExecutor, serve_if_worker};
use dolmen_storage::{MemoryBudget, TempFolder};
use tokio::runtime::Runtime;

use crate::programs::registry;
use crate::suite::{Abilities, Subject, until};

/// The program of a worker; does nothing when it runs among the tests.
#[test]
fn worker() {
    serve_if_worker(&Arc::new(registry().0));
}

/// An executor and its runtime, which ends after it.
struct Processes {
    executor: Option<Arc<ProcessExecutor>>,
    runtime: Option<Runtime>,
}

impl Processes {
    fn new(n_workers: u32) -> Self {
        Self::with(n_workers, |config| config)
    }

    fn with(n_workers: u32, set: impl FnOnce(ProcessConfig) -> ProcessConfig) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let args = ["processes::worker", "--exact", "--nocapture"].map(Into::into).to_vec();
        let core = CoreConfig { backoff_ns: 1_000_000, unknown_bytes: 1024, ..CoreConfig::default() };
        let config = ProcessConfig::new(runtime.handle().clone(), n_workers, Arc::new(registry().0)).core(core);
        let config = set(config.program(std::env::current_exe().unwrap(), args));
        let executor = runtime.block_on(ProcessExecutor::start(config)).unwrap();
        Self { executor: Some(Arc::new(executor)), runtime: Some(runtime) }
    }

    fn executor(&self) -> &Arc<ProcessExecutor> {
        self.executor.as_ref().unwrap()
    }

    fn submit(&self, graph: &Arc<TaskGraph>) -> Arc<dyn GraphRun> {
        self.executor().submit(Arc::clone(graph), SubmitOptions::default()).unwrap()
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        drop(self.executor.take());
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(5));
        }
    }
}

/// Ends a process, unless it is gone already.
fn kill(pid: u32) {
    Command::new("kill").args(["-KILL", &pid.to_string()]).output().unwrap();
}

pub(crate) fn subject(n_workers: u32, limit_bytes: usize) -> Subject {
    let temp = tempfile::tempdir().unwrap();
    let budget = MemoryBudget::new(limit_bytes);
    let folder = Arc::new(TempFolder::new(Some(temp.path().to_owned())));
    let processes = Processes::with(n_workers, |config| config.memory(Arc::clone(&budget), folder));
    let executor = Arc::clone(processes.executor());
    let as_executor: Arc<dyn Executor> = Arc::clone(&executor) as _;
    let kill_all = move || {
        until("all workers", || executor.worker_pids().len() == n_workers as usize);
        executor.worker_pids().into_iter().for_each(kill);
    };
    let abilities =
        Abilities { has_time: true, has_limit: true, is_lazy: true, has_events: true, has_processes: true, n_workers };
    let mut subject = Subject::new(as_executor, abilities, Some(budget), Box::new((processes, temp)));
    subject.kill = Some(Box::new(kill_all));
    subject
}
