//! Futures in the order in which they are done.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use dolmen_graph::BoxFuture;
use futures_core::Stream;
use tokio::runtime::{Handle, RuntimeFlavor};

use super::TaskFuture;
use super::job::{Blocked, Job};
use crate::engine::{Bell, is_in_task};

/// How long a task that waits for any of several futures lends its worker to one of them at a time.
const SLICE: Duration = Duration::from_millis(5);

/// The futures in the order in which they finish, fail or are cancelled; those that are done already come first, in the
/// order given.
///
/// It is a stream for asynchronous code, and a loop over it blocks:
///
/// ```
/// use std::sync::Arc;
///
/// use dolmen_scheduler::{Client, SyncExecutor, as_completed};
///
/// let client = Client::new(Arc::new(SyncExecutor::new()));
/// let mut total = 0;
/// for future in as_completed(client.map(|x: u32| 2 * x, 0..10)) {
///     total += *future.result()?;
/// }
/// assert_eq!(total, 90);
/// # Ok::<(), dolmen_scheduler::FutureError>(())
/// ```
pub fn as_completed<T>(futures: impl IntoIterator<Item = TaskFuture<T>>) -> AsCompleted<T> {
    let queue = Arc::new(Queue::default());
    let observe = |(idx, future): (usize, TaskFuture<T>)| {
        let job = Arc::downgrade(future.job());
        let mark = Mark { queue: Arc::clone(&queue), idx, job, is_set: AtomicBool::new(false) };
        let waker = Waker::from(Arc::new(mark));
        future.job().observe(waker.clone());
        Some((future, waker))
    };
    let futures: Vec<_> = futures.into_iter().enumerate().map(observe).collect();
    AsCompleted { n_left: futures.len(), futures, queue, awaited: None }
}

/// A stream of futures in order of completion, made by [`as_completed`].
pub struct AsCompleted<T> {
    /// Those that were not given out, each with what puts it into the queue.
    futures: Vec<Option<(TaskFuture<T>, Waker)>>,
    n_left: usize,
    queue: Arc<Queue>,
    /// What the task that polls lends its worker to.
    awaited: Option<BoxFuture<()>>,
}

/// A blocking iterator of futures in order of completion.
#[derive(Debug)]
pub struct Completed<T>(AsCompleted<T>);

/// The numbers of the futures that are done and were not given out.
#[derive(Default)]
struct Queue {
    done: Mutex<Done>,
    bell: Arc<Bell>,
}

#[derive(Default)]
struct Done {
    idxs: VecDeque<usize>,
    waker: Option<Waker>,
}

/// Puts a future into the queue when it is done.
struct Mark {
    queue: Arc<Queue>,
    idx: usize,
    job: Weak<Job>,
    is_set: AtomicBool,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Done> {
        self.done.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Mark {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let is_done = self.job.upgrade().is_none_or(|job| job.is_done());
        if !is_done || self.is_set.swap(true, Ordering::AcqRel) {
            return;
        }
        let mut done = self.queue.lock();
        done.idxs.push_back(self.idx);
        let waker = done.waker.take();
        drop(done);
        self.queue.bell.ring();
        waker.into_iter().for_each(Waker::wake);
    }
}

impl<T> AsCompleted<T> {
    /// The number of futures that are still to come.
    #[must_use]
    pub fn n_left(&self) -> usize {
        self.n_left
    }

    fn take_next(&mut self) -> Option<TaskFuture<T>> {
        let idx = self.queue.lock().idxs.pop_front()?;
        self.n_left -= 1;
        self.futures[idx].take().map(|(future, _)| future)
    }

    fn first_open(&self) -> Option<&Arc<Job>> {
        self.futures.iter().flatten().map(|(future, _)| future.job()).find(|job| !job.is_done())
    }

    /// The next future, `None` if there are no more, or none is done before `end`, or the task that waits was cancelled.
    pub(super) fn wait_next(&mut self, end: Option<Instant>) -> Option<TaskFuture<T>> {
        let mut n_heard = 0;
        while self.n_left > 0 {
            if let Some(future) = self.take_next() {
                return Some(future);
            }
            if end.is_some_and(|end| Instant::now() >= end) {
                return None;
            }
            if !is_in_task() {
                park(&self.queue.bell, &mut n_heard, end);
                continue;
            }
            // A worker is lent to one run at a time, so each waits in turns with looking at all.
            let slice = Instant::now() + SLICE;
            let slice = end.map_or(slice, |end| end.min(slice));
            if let Some(job) = self.first_open()
                && job.block(Some(slice)) == Blocked::Stopped
            {
                return None;
            }
        }
        None
    }
}

/// Blocks the thread; the other tasks of a runtime go on elsewhere meanwhile.
fn park(bell: &Bell, n_heard: &mut u64, end: Option<Instant>) {
    match Handle::try_current().map(|handle| handle.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(|| bell.wait(n_heard, end)),
        _ => bell.wait(n_heard, end),
    }
}

impl<T> Drop for AsCompleted<T> {
    fn drop(&mut self) {
        self.futures.iter().flatten().for_each(|(future, waker)| future.job().unobserve(waker));
    }
}

impl<T> Stream for AsCompleted<T> {
    type Item = TaskFuture<T>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<TaskFuture<T>>> {
        loop {
            if self.n_left == 0 {
                return Poll::Ready(None);
            }
            self.queue.lock().waker = Some(cx.waker().clone());
            if let Some(future) = self.take_next() {
                self.awaited = None;
                return Poll::Ready(Some(future));
            }
            if !is_in_task() {
                return Poll::Pending;
            }
            if self.awaited.is_none() {
                let job = self.first_open().cloned();
                self.awaited = job.map(|job| Box::pin(job.settled()) as BoxFuture<()>);
            }
            let Some(awaited) = self.awaited.as_mut() else { continue };
            if awaited.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            self.awaited = None;
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.n_left, Some(self.n_left))
    }
}

impl<T> IntoIterator for AsCompleted<T> {
    type Item = TaskFuture<T>;
    type IntoIter = Completed<T>;

    fn into_iter(self) -> Completed<T> {
        Completed(self)
    }
}

impl<T> Iterator for Completed<T> {
    type Item = TaskFuture<T>;

    fn next(&mut self) -> Option<TaskFuture<T>> {
        self.0.wait_next(None)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.0.n_left))
    }
}

impl<T> fmt::Debug for AsCompleted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsCompleted").field("n_left", &self.n_left).finish_non_exhaustive()
    }
}
