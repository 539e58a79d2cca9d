//! Work on a session's threads that somebody waits for.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use dolmen_frame::Cancellation;
use futures::FutureExt;
use futures::future::{Either, select};
use tokio::task::JoinHandle;

use crate::{Error, Result, Session};

/// A task of a session. It is cancelled when this is dropped, or when its time is up.
pub(crate) struct Running<T> {
    task: JoinHandle<T>,
    cancellation: Cancellation,
    deadline: Option<Deadline>,
}

/// Runs on the threads for I/O: those that compute may be too busy to look at the clock.
struct Deadline {
    timer: JoinHandle<()>,
    is_past: Arc<AtomicBool>,
    after: Duration,
}

impl<T: Send + 'static> Running<T> {
    /// Starts `work`, which `cancellation` can stop, on the threads of `session` that compute.
    pub(crate) fn start(
        session: &Session,
        timeout: Option<Duration>,
        cancellation: Cancellation,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<Self> {
        let io = session.io()?;
        let task = session.cpu()?.spawn(work);
        let deadline = timeout.map(|after| {
            let is_past = Arc::new(AtomicBool::new(false));
            let (sign, stop, task) = (Arc::clone(&is_past), cancellation.clone(), task.abort_handle());
            let timer = io.spawn(async move {
                tokio::time::sleep(after).await;
                sign.store(true, Ordering::Release);
                stop.cancel();
                task.abort();
            });
            Deadline { timer, is_past, after }
        });
        Ok(Self { task, cancellation, deadline })
    }

    /// Waits for `event`, but no longer than there is time.
    pub(crate) async fn until<E>(&mut self, event: impl Future<Output = E> + Unpin) -> Result<E> {
        let time_is_up = std::future::poll_fn(|context| self.poll_deadline(context));
        match select(time_is_up, event).await {
            Either::Left((timeout, _)) => Err(timeout),
            Either::Right((event, _)) => Ok(event),
        }
    }

    /// Ready when time is up.
    pub(crate) fn poll_deadline(&mut self, context: &mut Context<'_>) -> Poll<Error> {
        match &mut self.deadline {
            Some(deadline) => deadline.timer.poll_unpin(context).map(|_| Error::Timeout { after: deadline.after }),
            None => Poll::Pending,
        }
    }

    /// What the task gave, or why it gave nothing.
    pub(crate) fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<Result<T>> {
        Pin::new(&mut self.task).poll(context).map_err(|error| match error.try_into_panic() {
            Ok(payload) => Error::internal(dolmen_frame::panic_message(payload.as_ref())),
            Err(_) => Error::Cancelled,
        })
    }

    /// `error`, or that time was up if that was its reason.
    pub(crate) fn explain(&self, error: Error) -> Error {
        match &self.deadline {
            Some(deadline) if deadline.is_past.load(Ordering::Acquire) => Error::Timeout { after: deadline.after },
            _ => error,
        }
    }

    /// Waits for the end of the task.
    pub(crate) async fn end(mut self) -> Result<T> {
        let result = std::future::poll_fn(|context| match self.poll_deadline(context) {
            Poll::Ready(timeout) => Poll::Ready(Err(timeout)),
            Poll::Pending => self.poll_end(context),
        });
        let result = result.await;
        result.map_err(|error| self.explain(error))
    }
}

impl<T> Drop for Running<T> {
    fn drop(&mut self) {
        // The sign reaches all tasks of the work; aborting reaches this one where it waits.
        self.cancellation.cancel();
        self.task.abort();
        if let Some(deadline) = &self.deadline {
            deadline.timer.abort();
        }
    }
}

impl<T> std::fmt::Debug for Running<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Running").field(&self.task.id()).finish()
    }
}
