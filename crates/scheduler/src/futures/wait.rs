//! Waiting for several futures.

use std::time::{Duration, Instant};

use dolmen_graph::Shared;

use super::job::Blocked;
use super::{FutureError, TaskFuture, as_completed};

/// What [`wait`] waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum WaitFor {
    /// All futures are done.
    #[default]
    All,
    /// One of them is done.
    First,
}

/// The futures that [`wait`] was given, by whether they are done; both in the order given.
#[derive(Debug)]
pub struct Waited<T> {
    /// Those that finished, failed or were cancelled.
    pub done: Vec<TaskFuture<T>>,
    /// The others.
    pub pending: Vec<TaskFuture<T>>,
}

/// Waits until all futures are done, or the first one is, but no longer than `timeout`.
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
///
/// use dolmen_scheduler::{Client, SyncExecutor, WaitFor, wait};
///
/// let client = Client::new(Arc::new(SyncExecutor::new()));
/// let futures = client.map(|x: u32| x + 1, 0..3);
/// let waited = wait(&futures, WaitFor::All, Some(Duration::from_secs(12)));
/// assert_eq!((waited.done.len(), waited.pending.len()), (3, 0));
/// ```
pub fn wait<T>(futures: &[TaskFuture<T>], wait_for: WaitFor, timeout: Option<Duration>) -> Waited<T> {
    let end = timeout.map(|timeout| Instant::now() + timeout);
    match wait_for {
        WaitFor::First => drop(as_completed(futures.iter().cloned()).wait_next(end)),
        WaitFor::All => {
            let _ = futures.iter().find(|future| future.job().block(end) != Blocked::Done);
        }
    }
    let (done, pending) = futures.iter().cloned().partition(TaskFuture::is_done);
    Waited { done, pending }
}

/// Waits for all results, which come in the order given.
///
/// # Errors
/// That of the first future, in the order given, that has no result.
pub fn gather<'a, T: Send + Sync + 'static>(
    futures: impl IntoIterator<Item = &'a TaskFuture<T>>,
) -> Result<Vec<Shared<T>>, FutureError> {
    futures.into_iter().map(TaskFuture::result).collect()
}

/// As [`gather`], without blocking the thread.
///
/// # Errors
/// As [`gather`].
pub async fn gather_async<T: Send + Sync + 'static>(
    futures: impl IntoIterator<Item = TaskFuture<T>>,
) -> Result<Vec<Shared<T>>, FutureError> {
    let mut results = Vec::new();
    for future in futures {
        results.push(future.await?);
    }
    Ok(results)
}
