//! Graphs that run in other processes: the same values, typed errors, and workers that are lost.
//!
//! A worker is this test program, told to run the test `worker` alone, which serves.
#![allow(clippy::unwrap_used, reason = "a failed expectation is how a test reports, in its helpers as well")]
#![cfg(unix)]

mod checks;
mod futures;
mod losses;
mod memory;
mod programs;

use std::sync::Arc;
use std::time::{Duration, Instant};

use dolmen_graph::{Executor, GraphRun, InlineExecutor, SubmitOptions, TaskGraph, TaskId};
use dolmen_scheduler::CoreConfig;
use dolmen_scheduler::process::{ProcessConfig, ProcessExecutor, serve_if_worker};
use programs::{Functions, Number};
use tokio::runtime::Runtime;

/// Nothing that is right takes so long.
const LONG: Duration = Duration::from_secs(60);

/// The program of a worker; does nothing when it runs among the tests.
#[test]
fn worker() {
    let (registry, _) = programs::registry();
    serve_if_worker(&registry);
}

/// An executor, its runtime and the functions that its workers have.
struct Processes {
    executor: Option<Arc<ProcessExecutor>>,
    functions: Functions,
    runtime: Option<Runtime>,
}

impl Processes {
    fn new(n_workers: u32) -> Self {
        Self::with(n_workers, |config| config)
    }

    fn with(n_workers: u32, set: impl FnOnce(ProcessConfig) -> ProcessConfig) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (registry, functions) = programs::registry();
        let args = ["worker", "--exact", "--nocapture"].map(Into::into).to_vec();
        let core = CoreConfig { backoff_ns: 1_000_000, ..CoreConfig::default() };
        let config = ProcessConfig::new(runtime.handle().clone(), n_workers, Arc::new(registry)).core(core);
        let config = set(config.program(std::env::current_exe().unwrap(), args));
        let executor = runtime.block_on(ProcessExecutor::start(config)).unwrap();
        Self { executor: Some(Arc::new(executor)), functions, runtime: Some(runtime) }
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

fn values(run: &Arc<dyn GraphRun>) -> Vec<u64> {
    let outputs = run.graph().outputs().iter();
    let tasks = outputs.flat_map(|output| output.partitions.iter().map(|p| TaskId::new(output.stage, p)));
    tasks.map(|task| Number::of(&run.wait_value(task, Some(LONG)).expect("in time").unwrap())).collect()
}

fn expected(graph: &Arc<TaskGraph>) -> Vec<u64> {
    // Bodies that wait find a runtime in the workers too.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let _entered = runtime.enter();
    values(&InlineExecutor::new().submit(Arc::clone(graph), SubmitOptions::default()).unwrap())
}

fn until(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < LONG, "{what} does not come");
        std::thread::sleep(Duration::from_millis(2));
    }
}
