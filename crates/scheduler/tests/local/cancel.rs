//! Cancelling at any moment.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use dolmen_graph::RunError;

use crate::world::{LONG, Living, Seeded, World, until, wide};

const N_WORKERS: u32 = 3;

#[test]
fn nothing_starts_after_a_thousand_cancels_and_everything_comes_back() {
    let world = World::new(N_WORKERS, 256 << 10);
    let living = Living::default();
    let mut random = Seeded(7);
    let mut all_begun = Vec::new();
    let (mut call, mut stop) = (Vec::new(), Vec::new());
    for seed in 0..1000 {
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
        call.push(begun.elapsed());
        let ended = run.wait_finished(LONG).unwrap();
        assert!(matches!(ended, Ok(()) | Err(RunError::Cancelled)), "seed {seed}: {ended:?}");
        until("running tasks to stop", || world.executor.running().is_empty());
        stop.push(begun.elapsed());
        // A worker may have been on its way into a body while the run was cancelled.
        let n_late = n_late.load(Ordering::SeqCst);
        assert!(n_late <= N_WORKERS, "seed {seed}: {n_late} tasks began after the call");
        all_begun.push((Arc::clone(&n_begun), n_begun.load(Ordering::SeqCst)));
    }
    for (seed, (n_begun, n_then)) in all_begun.iter().enumerate() {
        assert_eq!(n_begun.load(Ordering::SeqCst), *n_then, "tasks of run {seed} began long after it was cancelled");
    }
    for (what, times) in [("the call", &mut call), ("until nothing runs", &mut stop)] {
        times.sort_unstable();
        println!("{what}: median {:?}, 99th of 100 {:?}, longest {:?}", times[500], times[989], times[999]);
    }
    assert!(stop[989] < Duration::from_secs(1), "{:?}", stop[989]);
    world.until_idle();
    until("values to be dropped", || living.n() == 0);
    world.end();
}
