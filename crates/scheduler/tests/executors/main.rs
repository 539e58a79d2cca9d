//! What every executor must do, run on each of them, and what is peculiar to those of processes.
#![allow(clippy::unwrap_used, reason = "a failed expectation is how a test reports, in its helpers as well")]

#[cfg(unix)]
mod processes;
mod programs;
mod suite;

use std::sync::Arc;
use std::time::Duration;

use dolmen_graph::{Executor, InlineExecutor};
use dolmen_scheduler::{CoreConfig, Grouping, LocalConfig, LocalExecutor, SyncExecutor};
use dolmen_storage::{MemoryBudget, TempFolder};
use programs::registry;
use suite::{Abilities, Subject};

/// A runtime that lives as long as its executor.
struct Threads {
    executor: Option<Arc<LocalExecutor>>,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Drop for Threads {
    fn drop(&mut self) {
        drop(self.executor.take());
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(2));
        }
    }
}

fn runtime(n_threads: usize) -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(n_threads).enable_time().build().unwrap()
}

fn threads(n_threads: u32, grouping: Grouping, limit_bytes: usize) -> Subject {
    let runtime = runtime(n_threads as usize);
    let core = CoreConfig { backoff_ns: 1_000_000, grouping, unknown_bytes: 1024, ..CoreConfig::default() };
    let temp = tempfile::tempdir().unwrap();
    let budget = MemoryBudget::new(limit_bytes);
    let config = LocalConfig::new(runtime.handle().clone(), n_threads)
        .memory(Arc::clone(&budget), Arc::new(TempFolder::new(Some(temp.path().to_owned()))))
        .registry(Arc::new(registry().0))
        .core(core);
    let executor = Arc::new(LocalExecutor::new(config));
    let as_executor: Arc<dyn Executor> = Arc::clone(&executor) as _;
    let keep = Threads { executor: Some(executor), runtime: Some(runtime) };
    let abilities = Abilities {
        has_time: true,
        has_limit: true,
        is_lazy: true,
        has_events: true,
        has_processes: false,
        n_workers: n_threads,
    };
    Subject::new(as_executor, abilities, Some(budget), Box::new((keep, temp)))
}

fn synchronous(limit_bytes: usize) -> Subject {
    let temp = tempfile::tempdir().unwrap();
    let budget = MemoryBudget::new(limit_bytes);
    let folder = Arc::new(TempFolder::new(Some(temp.path().to_owned())));
    let executor = Arc::new(SyncExecutor::with_memory(Arc::clone(&budget), folder, Arc::new(registry().0)));
    let abilities = Abilities {
        has_time: false,
        has_limit: true,
        is_lazy: false,
        has_events: true,
        has_processes: false,
        n_workers: 1,
    };
    Subject::new(executor, abilities, Some(budget), Box::new(temp))
}

fn inline() -> Subject {
    let abilities = Abilities {
        has_time: false,
        has_limit: false,
        is_lazy: false,
        has_events: false,
        has_processes: false,
        n_workers: 1,
    };
    Subject::new(Arc::new(InlineExecutor::new()), abilities, None, Box::new(()))
}

const GROUPS: Grouping = Grouping::Upto { run_ns: 100_000, n_tasks: 64 };

/// Every check of the suite as a test of one executor.
macro_rules! conforms {
    ($executor:ident, $make:expr) => {
        mod $executor {
            use super::*;
            suite::checks!($make);
        }
    };
}

conforms!(one_thread, |limit| threads(1, GROUPS, limit));
conforms!(two_threads, |limit| threads(2, GROUPS, limit));
conforms!(four_threads_without_groups, |limit| threads(4, Grouping::Off, limit));
conforms!(calling_thread, synchronous);
conforms!(oracle, |_limit| inline());
#[cfg(unix)]
conforms!(one_process, |limit| processes::subject(1, limit));
#[cfg(unix)]
conforms!(three_processes, |limit| processes::subject(3, limit));
