//! An executor with all that it uses, and what must be left of it: nothing.

use std::fs;
use std::path::{Path, PathBuf};
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
    base: PathBuf,
    runtime: Option<tokio::runtime::Runtime>,
    /// Threads that the executor and its runtime keep.
    n_threads: usize,
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
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(n_workers as usize)
            .thread_name(RUNTIME)
            // Those that write and read values; by default they stay for ten seconds.
            .thread_keep_alive(Duration::from_millis(50))
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
        let (base, n_threads) = (base.to_owned(), 2 * n_workers as usize + 1);
        Self { executor, budget, temp, base, runtime: Some(runtime), n_threads, _alone: alone }
    }

    pub(crate) fn submit(&self, graph: &Arc<TaskGraph>) -> Arc<dyn GraphRun> {
        self.executor.submit(Arc::clone(graph), SubmitOptions::default()).unwrap()
    }

    /// Whether nothing runs, and nothing is held in memory or on disk.
    pub(crate) fn is_idle(&self) -> bool {
        let is_free = self.budget.used_bytes() == 0 && self.executor.n_spilled() == 0;
        // The lock of the folder stays as long as it.
        is_free && n_files(&self.base) <= 1 && self.executor.running().is_empty()
    }

    /// Threads besides those that the executor and its runtime keep.
    pub(crate) fn n_extra_threads(&self) -> usize {
        n_threads().saturating_sub(self.n_threads)
    }

    /// Waits until nothing is left of what ran.
    pub(crate) fn until_idle(&self) {
        until("the end of what runs, memory and files", || self.is_idle());
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
        let Self { executor, budget, temp, _alone, .. } = self;
        drop(executor);
        until("threads to end", || n_threads() == 0);
        assert_eq!((n_files(temp.path()), budget.used_bytes()), (0, 0));
    }
}

pub(crate) fn until(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        // Ten times as long as anything may take, for machines with other things to do.
        assert!(begun.elapsed() < Duration::from_secs(10), "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// How long something took, many times.
#[derive(Debug, Default)]
pub(crate) struct Times(Vec<Duration>);

impl Times {
    pub(crate) fn push(&mut self, time: Duration) {
        let at = self.0.partition_point(|other| *other <= time);
        self.0.insert(at, time);
    }

    /// The time that so many of 100 did not exceed.
    pub(crate) fn percentile(&self, of_hundred: usize) -> Duration {
        let idx = (self.0.len() * of_hundred).div_ceil(100).saturating_sub(1);
        self.0.get(idx).copied().unwrap_or_default()
    }
}

impl std::fmt::Display for Times {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [median, p99, longest] = [50, 99, 100].map(|of_hundred| self.percentile(of_hundred));
        write!(f, "median {median:.1?}, 99th of 100 {p99:.1?}, longest {longest:.1?}, of {}", self.0.len())
    }
}

/// The name of the threads of a world's runtime.
const RUNTIME: &str = "world-runtime";

/// The threads of executors and their runtimes. A thread that is given no name has that of the one which started it.
fn n_threads() -> usize {
    let names =
        fs::read_dir("/proc/self/task").unwrap().flatten().map(|task| fs::read_to_string(task.path().join("comm")));
    names.flatten().filter(|name| name.starts_with("dolmen-") || name.starts_with(RUNTIME)).count()
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
