//! Cancelling at any moment.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use dolmen_graph::RunError;

use crate::world::{LONG, Living, Seeded, Times, World, until, wide};

const N_WORKERS: u32 = 3;

#[test]
fn nothing_starts_after_a_thousand_cancels_and_everything_comes_back() {
    let took = cancels(1000, 7);
    println!("{took}");
    assert!(took.stop.percentile(99) < Duration::from_secs(1), "{took}");
}

/// What it took to cancel.
pub(crate) struct Cancels {
    /// The call.
    pub(crate) call: Times,
    /// Until nothing runs, from the call on.
    pub(crate) stop: Times,
    /// Until memory and files are back, from the call on.
    pub(crate) back: Times,
    /// Until the threads are.
    pub(crate) threads: Times,
}

impl std::fmt::Display for Cancels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { call, stop, back, threads } = self;
        write!(f, "the call: {call}\nuntil nothing runs: {stop}\nmemory and files: {back}\nthreads: {threads}")
    }
}

/// Starts so many graphs, most of which spill, and cancels each at a random moment.
pub(crate) fn cancels(n: u32, seed: u64) -> Cancels {
    let world = World::new(N_WORKERS, 256 << 10);
    let living = Living::default();
    let mut random = Seeded(seed);
    let mut all_begun = Vec::new();
    let mut took =
        Cancels { call: Times::default(), stop: Times::default(), back: Times::default(), threads: Times::default() };
    for round in 0..n {
        let n_begun = Arc::new(AtomicU32::new(0));
        let n_late = Arc::new(AtomicU32::new(0));
        let is_cancelled = Arc::new(AtomicBool::new(false));
        let body = {
            let (n_begun, n_late, is_cancelled) =
                (Arc::clone(&n_begun), Arc::clone(&n_late), Arc::clone(&is_cancelled));
            let pause = Duration::from_micros(random.below(100));
            move || {
                n_late.fetch_add(u32::from(is_cancelled.load(Ordering::SeqCst)), Ordering::SeqCst);
                n_begun.fetch_add(1, Ordering::SeqCst);
                std::thread::sleep(pause);
            }
        };
        let run = world.submit(&wide(100, 8 << 10, &living, body));
        std::thread::sleep(Duration::from_micros(random.below(3000)));
        let begun = Instant::now();
        run.cancel();
        is_cancelled.store(true, Ordering::SeqCst);
        took.call.push(begun.elapsed());
        let ended = run.wait_finished(LONG).unwrap();
        assert!(matches!(ended, Ok(()) | Err(RunError::Cancelled)), "round {round}: {ended:?}");
        until("running tasks to stop", || world.executor.running().is_empty());
        took.stop.push(begun.elapsed());
        drop(run);
        until("memory and files to be back", || world.is_idle() && living.n() == 0);
        took.back.push(begun.elapsed());
        if round % 100 == 99 {
            until("threads to be back", || world.n_extra_threads() == 0);
            took.threads.push(begun.elapsed());
        }
        // A worker may have been on its way into a body while the run was cancelled.
        let n_late = n_late.load(Ordering::SeqCst);
        assert!(n_late <= N_WORKERS, "round {round}: {n_late} tasks began after the call");
        all_begun.push((Arc::clone(&n_begun), n_begun.load(Ordering::SeqCst)));
    }
    for (round, (n_begun, n_then)) in all_begun.iter().enumerate() {
        assert_eq!(n_begun.load(Ordering::SeqCst), *n_then, "tasks of run {round} began long after it was cancelled");
    }
    world.end();
    took
}
