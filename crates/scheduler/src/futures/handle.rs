//! The handle of a future.

use std::fmt;
use std::future::IntoFuture;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dolmen_graph::{
    BoxFuture, ByDelayed, ByShared, DeferredArg, Delayed, GraphRun, IntoArg, Needs, RunError, Shared, ValueRef,
};

use super::FutureError;
use super::job::{Blocked, Job};
use super::link::Link;
use crate::Progress;

/// The result of a call that was submitted: it is computed without being asked for again.
///
/// Clones share one result. When the last one is dropped, and no future that uses the result is left to be computed, the
/// call is cancelled or its result freed.
///
/// A future can be passed wherever a [delayed](dolmen_graph::delayed) or submitted function takes its value, and awaited:
/// `future.await` gives the shared result.
pub struct TaskFuture<T> {
    job: Arc<Job>,
    result_idx: usize,
    value: PhantomData<fn() -> T>,
}

/// How far a future is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FutureStatus {
    /// It waits for its arguments or for a worker, or runs.
    Pending,
    /// Its result is there.
    Finished,
    /// It failed, or a future that it needs did.
    Failed,
    /// It was cancelled, or a future that it needs was.
    Cancelled,
}

impl fmt::Display for FutureStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pending => "pending",
            Self::Finished => "finished",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        })
    }
}

impl<T> TaskFuture<T> {
    pub(super) fn new(job: Arc<Job>, result_idx: usize) -> Self {
        Self { job, result_idx, value: PhantomData }
    }

    pub(super) fn job(&self) -> &Arc<Job> {
        &self.job
    }

    /// The key of its task, as errors name it.
    #[must_use]
    pub fn key(&self) -> &str {
        self.job.key(self.result_idx)
    }

    /// How far it is.
    #[must_use]
    pub fn status(&self) -> FutureStatus {
        match self.job.outcome() {
            None => FutureStatus::Pending,
            Some(Ok(_)) => FutureStatus::Finished,
            Some(Err(FutureError::Cancelled { .. })) => FutureStatus::Cancelled,
            Some(Err(_)) => FutureStatus::Failed,
        }
    }

    /// How far the graph is that computes it; `None` before it is submitted and after it has failed.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use dolmen_graph::delayed;
    /// use dolmen_scheduler::{Client, SyncExecutor};
    ///
    /// let client = Client::new(Arc::new(SyncExecutor::new())).named("squares");
    /// let square = delayed(|x: u64| x * x);
    /// let sum = delayed(|squares: Vec<u64>| squares.iter().sum::<u64>());
    /// let future = client.compute(&sum.call((0..9).map(|x| square.call(x)).collect::<Vec<_>>()));
    /// future.result()?;
    /// let progress = future.progress().map(|progress| progress.to_string());
    /// assert_eq!(progress.as_deref(), Some("squares [##############################] 10 of 10"));
    /// # Ok::<(), dolmen_scheduler::FutureError>(())
    /// ```
    #[must_use]
    pub fn progress(&self) -> Option<Progress> {
        self.job.progress()
    }

    /// Whether it has its result, failed or was cancelled.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.job.is_done()
    }

    /// Why there is no result, once that is known.
    #[must_use]
    pub fn error(&self) -> Option<FutureError> {
        self.job.outcome()?.err()
    }

    /// Stops it, and everything that uses its result. Nothing happens if it is done.
    pub fn cancel(&self) {
        self.job.cancel();
    }
}

impl<T: Send + Sync + 'static> TaskFuture<T> {
    /// Waits for the result, which is shared, not copied.
    ///
    /// Within a task the worker goes on with what is awaited. Within asynchronous code, await the future instead.
    ///
    /// # Errors
    /// [`FutureError`] if there is no result.
    pub fn result(&self) -> Result<Shared<T>, FutureError> {
        self.wait_result(None)
    }

    /// As [`result`](Self::result), but waits no longer than `timeout`.
    ///
    /// # Errors
    /// As [`result`](Self::result), and [`FutureError::TimedOut`].
    pub fn result_within(&self, timeout: Duration) -> Result<Shared<T>, FutureError> {
        self.wait_result(Some(timeout))
    }

    fn wait_result(&self, timeout: Option<Duration>) -> Result<Shared<T>, FutureError> {
        let end = timeout.map(|timeout| Instant::now() + timeout);
        let timed_out = || {
            let timeout = timeout.unwrap_or_default();
            FutureError::TimedOut { key: self.key().to_owned(), timeout }
        };
        match self.job.block(end) {
            Blocked::Done => {}
            Blocked::TimedOut => return Err(timed_out()),
            Blocked::Stopped => return Err(self.cancelled()),
        }
        let run = self.run()?;
        let left = end.map(|end| end.saturating_duration_since(Instant::now()));
        let value = run.wait_value(self.job.task(self.result_idx), left).ok_or_else(timed_out)?;
        self.shared(value)
    }

    async fn settled_result(self) -> Result<Shared<T>, FutureError> {
        Arc::clone(&self.job).settled().await;
        let value = self.run()?.value(self.job.task(self.result_idx)).await;
        self.shared(value)
    }

    fn run(&self) -> Result<Arc<dyn GraphRun>, FutureError> {
        self.job.outcome().unwrap_or_else(|| Err(self.cancelled()))
    }

    fn shared(&self, value: Result<ValueRef, RunError>) -> Result<Shared<T>, FutureError> {
        let value = value.map_err(|error| FutureError::of_run(self.key(), error))?;
        Shared::from_value(value).map_err(|source| FutureError::Result { key: self.key().to_owned(), source })
    }

    fn cancelled(&self) -> FutureError {
        FutureError::Cancelled { key: self.key().to_owned() }
    }

    /// A delayed value that has the result, for any number of later graphs. It keeps the result as a handle does.
    #[must_use]
    pub fn delayed(&self) -> Delayed<T> {
        self.linked(false)
    }

    fn linked(&self, is_single_use: bool) -> Delayed<T> {
        let link = Link::new(Arc::clone(&self.job), self.result_idx, is_single_use);
        let label = self.key().rsplit_once('-').map_or(self.key(), |(label, _)| label);
        Delayed::awaited(label, Arc::new(link))
    }
}

impl<T> Clone for TaskFuture<T> {
    fn clone(&self) -> Self {
        Self::new(Arc::clone(&self.job), self.result_idx)
    }
}

impl<T> fmt::Debug for TaskFuture<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TaskFuture({}, {})", self.key(), self.status())
    }
}

impl<T: Send + Sync + 'static> IntoFuture for TaskFuture<T> {
    type Output = Result<Shared<T>, FutureError>;
    type IntoFuture = BoxFuture<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.settled_result())
    }
}

impl<T: Send + Sync + 'static> IntoFuture for &TaskFuture<T> {
    type Output = Result<Shared<T>, FutureError>;
    type IntoFuture = BoxFuture<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        self.clone().into_future()
    }
}

/// Marks [`IntoArg`] of futures.
#[derive(Debug)]
pub struct ByFuture;
/// Marks [`IntoArg`] of futures that are passed shared.
#[derive(Debug)]
pub struct SharedByFuture;

macro_rules! arguments {
    ($($future:ty),*) => {
        $(
            impl<T: Send + Sync + 'static> IntoArg<T, ByFuture> for $future {
                type Arg = <Delayed<T> as IntoArg<T, ByDelayed>>::Arg;

                fn into_arg(self, needs: &mut Needs) -> Self::Arg {
                    IntoArg::<T, ByDelayed>::into_arg(self.linked(needs.is_single_use()), needs)
                }
            }

            impl<T: Send + Sync + 'static> DeferredArg<T, ByFuture> for $future {}

            impl<T: Send + Sync + 'static> IntoArg<Shared<T>, SharedByFuture> for $future {
                type Arg = <Delayed<T> as IntoArg<Shared<T>, ByShared>>::Arg;

                fn into_arg(self, needs: &mut Needs) -> Self::Arg {
                    IntoArg::<Shared<T>, ByShared>::into_arg(self.linked(needs.is_single_use()), needs)
                }
            }

            impl<T: Send + Sync + 'static> DeferredArg<Shared<T>, SharedByFuture> for $future {}
        )*
    };
}

arguments!(TaskFuture<T>, &TaskFuture<T>);
