//! The result of a job as a value that another graph uses.

use std::any::Any;
use std::cell::RefCell;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dolmen_graph::{Awaited, BoxFuture, RunId, TaskError, TaskId, TaskResult};

use super::job::Job;

/// One result of a job.
///
/// One for single use belongs to the job whose graph uses it, and lets go of the result when that graph has run: the values
/// of a long chain of futures would otherwise all be held by the last one.
pub(super) struct Link {
    job: Mutex<Option<Arc<Job>>>,
    result_idx: usize,
    is_single_use: bool,
}

impl Link {
    pub(super) fn new(job: Arc<Job>, result_idx: usize, is_single_use: bool) -> Self {
        Self { job: Mutex::new(Some(job)), result_idx, is_single_use }
    }

    /// What is awaited as a link, if it is one.
    pub(super) fn of(awaited: &Arc<dyn Awaited>) -> Option<Arc<Self>> {
        let any: Arc<dyn Any + Send + Sync> = Arc::clone(awaited) as _;
        any.downcast().ok()
    }

    /// The job, unless it was let go.
    pub(super) fn job(&self) -> Option<Arc<Job>> {
        self.job.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Lets go of the job if the link is for single use.
    pub(super) fn release(&self) -> Option<Arc<Job>> {
        if !self.is_single_use {
            return None;
        }
        self.job.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// The result was given up before a task read it.
#[derive(Debug, thiserror::Error)]
#[error("the future that the task uses was given up")]
struct GivenUp;

impl Awaited for Link {
    fn now(&self) -> Option<TaskResult> {
        let Some(job) = self.job() else { return Some(Err(TaskError::failed(GivenUp))) };
        match job.outcome()? {
            Ok(run) => {
                let value = run.wait_value(job.task(self.result_idx), Some(Duration::ZERO))?;
                Some(value.map_err(TaskError::failed))
            }
            Err(error) => Some(Err(TaskError::failed(error))),
        }
    }

    fn lender(&self) -> Option<(RunId, TaskId)> {
        let job = self.job()?;
        let run = job.outcome()?.ok()?;
        Some((run.id(), job.task(self.result_idx)))
    }

    fn value(&self) -> BoxFuture<TaskResult> {
        let Some(job) = self.job() else { return Box::pin(std::future::ready(Err(TaskError::failed(GivenUp)))) };
        let result_idx = self.result_idx;
        Box::pin(async move {
            Arc::clone(&job).settled().await;
            let Some(outcome) = job.outcome() else { return Err(TaskError::failed(GivenUp)) };
            let run = outcome.map_err(TaskError::failed)?;
            run.value(job.task(result_idx)).await.map_err(TaskError::failed)
        })
    }
}

thread_local! {
    /// Jobs that the thread has still to let go of, while it lets go of one.
    static TO_DROP: RefCell<Option<Vec<Arc<Job>>>> = const { RefCell::new(None) };
}

impl Drop for Link {
    /// Lets go of jobs one by one: what a job uses may hold the next link of a long chain, by way of its run and the graph of
    /// that, and the chain would otherwise use up the stack.
    fn drop(&mut self) {
        let Some(job) = self.job.get_mut().unwrap_or_else(PoisonError::into_inner).take() else { return };
        let is_first = TO_DROP.with_borrow_mut(|queue| {
            let is_first = queue.is_none();
            queue.get_or_insert_default().push(job);
            is_first
        });
        if is_first {
            let _end = DropAll;
            while let Some(job) = TO_DROP.with_borrow_mut(|queue| queue.as_mut().and_then(Vec::pop)) {
                drop(job);
            }
        }
    }
}

/// Leaves nothing in the queue, even if a value panics when it is dropped.
struct DropAll;

impl Drop for DropAll {
    fn drop(&mut self) {
        drop(TO_DROP.take());
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("result_idx", &self.result_idx).finish_non_exhaustive()
    }
}
