//! Noticing the end of a run without a thread that waits for it.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Wake, Waker};

use dolmen_graph::{BoxFuture, GraphRun, RunError};

use super::job::{Job, advance};
use crate::engine::outside_of_task;

/// Polls the end of a run whenever it is woken, and advances the job when it has come.
struct Watch {
    job: Weak<Job>,
    end: Mutex<Option<BoxFuture<Result<(), RunError>>>>,
}

/// Watches `run` for `job`, which it does not hold.
pub(super) fn start(job: &Arc<Job>, run: &Arc<dyn GraphRun>) {
    let end = Mutex::new(Some(run.finished()));
    Arc::new(Watch { job: Arc::downgrade(job), end }).wake();
}

impl Wake for Watch {
    fn wake(self: Arc<Self>) {
        let waker = Waker::from(Arc::clone(&self));
        let mut end = self.end.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(future) = end.as_mut() else { return };
        // Whoever wakes may be a task; it does not wait for the run.
        if outside_of_task(|| future.as_mut().poll(&mut Context::from_waker(&waker))).is_pending() {
            return;
        }
        let ended = end.take();
        drop(end);
        drop(ended);
        if let Some(job) = self.job.upgrade() {
            outside_of_task(|| advance(job));
        }
    }
}
