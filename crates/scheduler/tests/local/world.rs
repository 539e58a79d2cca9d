//! An executor with all that it uses, and what must be left of it: nothing.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use dolmen_graph::testing::{Lambda, Number};
use dolmen_graph::{ByteEstimate, Executor, GraphRun, Stage, SubmitOptions, TaskGraph, Value, ValueRef, Wiring};
use dolmen_scheduler::{CoreConfig, LocalConfig, LocalExecutor};
use dolmen_storage::{MemoryBudget, TempFolder};

use crate::programs::{Act, graph, registry};

/// Long after anything that ends should have ended.
pub(crate) const LONG: Option<Duration> = Some(Duration::from_secs(60));

/// One world at a time in a process, so that its threads can be counted.
static ALONE: Mutex<()> = Mutex::new(());

pub(crate) struct World {
    pub(crate) executor: LocalExecutor,
    pub(crate) budget: Arc<MemoryBudget>,
    temp: tempfile::TempDir,
    runtime: Option<tokio::runtime::Runtime>,
    n_threads_before: usize,
    _alone: MutexGuard<'static, ()>,
}

impl World {
    pub(crate) fn new(n_workers: u32, limit_bytes: usize) -> Self {
        let temp = tempfile::tempdir().unwrap();
        let base = temp.path().to_owned();
        Self::with(temp, &base, n_workers, limit_bytes, |config| config)
    }

    /// With its folder under `base`, and further settings.
    pub(crate) fn with(
        temp: tempfile::TempDir,
        base: &Path,
        n_workers: u32,
        limit_bytes: usize,
        set: impl FnOnce(LocalConfig) -> LocalConfig,
    ) -> Self {
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let n_threads_before = n_threads();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(n_workers as usize)
            .enable_time()
            .build()
            .unwrap();
        let budget = MemoryBudget::new(limit_bytes);
        let folder = Arc::new(TempFolder::new(Some(base.to_owned())));
        let core = CoreConfig { unknown_bytes: 1024, backoff_ns: 1_000_000, ..CoreConfig::default() };
        let config = LocalConfig::new(runtime.handle().clone(), n_workers)
            .memory(Arc::clone(&budget), folder)
            .registry(Arc::new(registry().0))
            .core(core);
        let executor = LocalExecutor::new(set(config));
        Self { executor, budget, temp, runtime: Some(runtime), n_threads_before, _alone: alone }
    }

    pub(crate) fn submit(&self, graph: &Arc<TaskGraph>) -> Arc<dyn GraphRun> {
        self.executor.submit(Arc::clone(graph), SubmitOptions::default()).unwrap()
    }

    /// Waits until nothing runs, and nothing is held in memory or on disk.
    pub(crate) fn until_idle(&self) {
        until("the end of what runs", || self.executor.running().is_empty());
        until("memory to be free", || self.budget.used_bytes() == 0);
        until("blocks to be gone", || self.executor.n_spilled() == 0);
        assert_eq!(self.executor.progress(), []);
    }

    pub(crate) fn end_runtime(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(60));
        }
    }

    /// Ends it, and waits until its files and threads are gone.
    pub(crate) fn end(mut self) {
        assert_eq!(self.executor.close(Duration::from_secs(60)), Vec::<String>::new());
        self.end_runtime();
        let Self { executor, budget, temp, n_threads_before, _alone, .. } = self;
        drop(executor);
        until("threads to end", || n_threads() <= n_threads_before);
        assert_eq!((n_files(temp.path()), budget.used_bytes()), (0, 0));
    }
}

pub(crate) fn until(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(60), "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn n_threads() -> usize {
    fs::read_dir("/proc/self/task").unwrap().count()
}

/// All files below a folder, with those of folders in it.
pub(crate) fn n_files(folder: &Path) -> usize {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    entries.flatten().map(|entry| if entry.path().is_dir() { n_files(&entry.path()) } else { 1 }).sum()
}

/// Numbers that look random and are the same every time.
pub(crate) struct Seeded(pub(crate) u64);

impl Seeded {
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        // Source: SplitMix64 by Sebastiano Vigna (https://prng.di.unimi.it/splitmix64.c).
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (bits ^ (bits >> 31)) % end
    }
}

/// Counts the values of a program that are alive.
#[derive(Debug, Clone, Default)]
pub(crate) struct Living(Arc<AtomicUsize>);

impl Living {
    pub(crate) fn n(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    pub(crate) fn value(&self, number: u64, room: usize) -> ValueRef {
        self.0.fetch_add(1, Ordering::SeqCst);
        Arc::new(Counted { number: Number { number, room: vec![3; room] }, living: self.clone() })
    }
}

struct Counted {
    number: Number,
    living: Living,
}

impl Value for Counted {
    fn size_bytes(&self) -> usize {
        self.number.size_bytes()
    }

    fn encode(&self) -> Result<dolmen_graph::Encoded, dolmen_graph::ValueError> {
        self.number.encode()
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.living.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// `n` values of `room` bytes, all of which are asked for, and as many tasks that read them. `body` is called by each task
/// that makes one.
pub(crate) fn wide(n: u32, room: usize, living: &Living, body: impl Fn() + Send + Sync + 'static) -> Arc<TaskGraph> {
    let living = living.clone();
    graph(|b| {
        let make = Lambda::op(move |_, context| {
            body();
            if context.is_cancelled() {
                return Err(dolmen_graph::TaskError::Cancelled);
            }
            Ok(living.value(context.partition().into(), room))
        });
        let source = Stage::new("source", n, make).bytes(ByteEstimate::Exact(32 + room as u64));
        let source = b.add_stage(source).unwrap();
        let read = b.add_stage(Stage::new("read", n, Act::Give(1).op()).input(source, Wiring::Same)).unwrap();
        b.add_output_all(read).unwrap();
        b.add_output_all(source).unwrap();
    })
}
