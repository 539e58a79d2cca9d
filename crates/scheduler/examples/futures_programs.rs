//! Programs over futures, as they are known from Dask: submit and wait, the ends that a future may come to, two hundred
//! sleeps in order of completion, and a clean end with work in flight. Seconds are milliseconds here.
//!
//! Run it with `cargo run -p dolmen-scheduler --example futures_programs`.

#![allow(clippy::print_stdout, reason = "a program that prints")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use dolmen_graph::{TaskContext, TaskError, delayed_with_context};
use dolmen_scheduler::{
    Client, FutureError, FutureStatus, LocalConfig, LocalExecutor, TaskFuture, WaitFor, as_completed, wait,
};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Takes some time, and gives it back.
fn complex_algorithm(ms: u64) -> u64 {
    std::thread::sleep(Duration::from_millis(ms));
    ms
}

/// Submits a call and waits for it; gives the status before and after.
fn submit_and_wait(client: &Client) -> (FutureStatus, FutureStatus) {
    let future = client.submit(complex_algorithm, 50);
    let before = future.status();
    let waited = wait(&[future], WaitFor::All, Some(Duration::from_secs(12)));
    (before, waited.done[0].status())
}

/// Runs until it is told to stop.
fn listen(context: &TaskContext) -> std::result::Result<u64, TaskError> {
    while !context.is_cancelled() {
        std::thread::sleep(Duration::from_millis(1));
    }
    Err(TaskError::Cancelled)
}

/// The ends that a future may come to, by what leads there.
struct Ends {
    failed: TaskFuture<u64>,
    cancelled: TaskFuture<u64>,
    /// Its time limit is over.
    too_slow: TaskFuture<u64>,
    /// Its caller has waited long enough; the future goes on.
    waited_for: FutureError,
    status_meanwhile: FutureStatus,
}

fn all_ends(client: &Client) -> Ends {
    let for_ever = || delayed_with_context(listen).named("listen");
    let failed = client.try_submit(|text: &'static str| text.parse::<u64>(), "no number");
    let too_slow = client.compute(&for_ever().timeout(Duration::from_millis(20)).try_call(()));
    let cancelled = client.compute(&for_ever().try_call(()));
    let waited_for = cancelled.result_within(Duration::from_millis(20)).err();
    let waited_for = waited_for.expect("it runs until it is told to stop");
    let status_meanwhile = cancelled.status();
    cancelled.cancel();
    wait(&[failed.clone(), too_slow.clone(), cancelled.clone()], WaitFor::All, Some(Duration::from_secs(12)));
    Ends { failed, cancelled, too_slow, waited_for, status_meanwhile }
}

/// Numbers from 5 to 30, the same in each run of the program.
fn sleeps(n: usize) -> Vec<u64> {
    let mut state = 1_u64;
    let next = |()| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        5 + (state >> 33) % 26
    };
    std::iter::repeat_n((), n).map(next).collect()
}

/// All sleeps at once, in the order in which they end.
fn in_order_of_completion(client: &Client, sleeps: &[u64]) -> std::result::Result<Vec<u64>, FutureError> {
    let futures = client.map(complex_algorithm, sleeps.iter().copied());
    as_completed(futures).into_iter().map(|future| Ok(*future.result()?)).collect()
}

/// Closes with work in flight; gives how long that took.
fn close_while_working(executor: &Arc<LocalExecutor>) -> (Duration, Vec<String>) {
    let client = Client::new(Arc::clone(executor) as _);
    let work = delayed_with_context(listen);
    let futures: Vec<_> = (0..20).map(|_| client.compute(&work.try_call(()))).collect();
    std::thread::sleep(Duration::from_millis(10));
    let begun = Instant::now();
    let still_running = executor.close(Duration::from_secs(1));
    drop(futures);
    (begun.elapsed(), still_running)
}

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let executor = Arc::new(LocalExecutor::new(LocalConfig::new(runtime.handle().clone(), 8)));
    let client = Client::new(Arc::clone(&executor) as _);
    let (before, after) = submit_and_wait(&client);
    println!("{before}, then {after}");
    let ends = all_ends(&client);
    println!("{}, {}: {}", ends.status_meanwhile, ends.cancelled.status(), ends.waited_for);
    for future in [&ends.failed, &ends.too_slow] {
        println!("{}: {}", future.status(), future.error().map(|error| error.to_string()).unwrap_or_default());
    }
    println!("{:?}", in_order_of_completion(&client, &sleeps(200))?);
    // Nothing is printed when the program ends with work in flight.
    close_while_working(&executor);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_future_is_pending_and_then_finished() {
        with_threads(1, |_, client| {
            assert_eq!(submit_and_wait(client), (FutureStatus::Pending, FutureStatus::Finished));
        });
    }

    #[test]
    fn a_future_ends_in_one_of_four_ways() {
        with_threads(4, |_, client| {
            let ends = all_ends(client);
            let error = |future: &TaskFuture<u64>| future.error().unwrap().to_string();
            assert_eq!(ends.failed.status(), FutureStatus::Failed);
            assert!(error(&ends.failed).ends_with("failed: invalid digit found in string"), "{}", error(&ends.failed));
            assert_eq!(ends.too_slow.status(), FutureStatus::Failed);
            assert!(error(&ends.too_slow).ends_with("took longer than 20 ms"), "{}", error(&ends.too_slow));
            assert!(matches!(ends.waited_for, FutureError::TimedOut { .. }), "{}", ends.waited_for);
            assert_eq!(ends.status_meanwhile, FutureStatus::Pending);
            assert_eq!(ends.cancelled.status(), FutureStatus::Cancelled);
        });
    }

    #[test]
    fn shorter_sleeps_end_first() {
        // All at once: whoever sleeps longer ends later.
        with_threads(200, |_, client| {
            let sleeps = sleeps(200);
            let mut done = in_order_of_completion(client, &sleeps).unwrap();
            assert_eq!(done.len(), 200);
            let (first, last) = (done[..50].iter().sum::<u64>(), done[150..].iter().sum::<u64>());
            assert!(first < last, "the first 50 slept {first} ms, the last 50 {last} ms: {done:?}");
            let mut expected = sleeps;
            expected.sort_unstable();
            done.sort_unstable();
            assert_eq!(done, expected);
        });
    }

    #[test]
    fn closing_with_work_in_flight_is_quick_and_clean() {
        with_threads(4, |executor, _| {
            let (elapsed, still_running) = close_while_working(executor);
            assert!(elapsed < Duration::from_secs(1), "{elapsed:?}");
            assert!(still_running.is_empty(), "{still_running:?}");
        });
    }

    fn with_threads(n_workers: u32, check: impl FnOnce(&Arc<LocalExecutor>, &Client)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let executor = Arc::new(LocalExecutor::new(LocalConfig::new(runtime.handle().clone(), n_workers)));
        check(&executor, &Client::new(Arc::clone(&executor) as _));
    }
}
