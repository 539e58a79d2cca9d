//! The interface behind which graphs are run: threads, one thread, processes, a cluster.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use crate::{BoxFuture, EventReader, TaskContext, TaskError, TaskGraph, TaskId, ValueRef};

/// Something that runs graphs.
///
/// # Contract
/// - Every task that an output needs runs after its inputs; no other task runs. A task runs again only if its value was
///   lost or its error was transient.
/// - The same graph gives the same values on every executor.
/// - A failed task fails its run with the key of the task; other runs are not touched. A panic is such a failure.
/// - A graph that a task submits through its [`TaskContext`] makes progress while that task waits for it, on any number of
///   workers.
pub trait Executor: Send + Sync + fmt::Debug {
    /// What kind of executor this is, such as `threads`.
    fn name(&self) -> &str;

    /// Starts to run `graph`.
    ///
    /// # Errors
    /// [`SubmitError`] if it cannot be started.
    fn submit(&self, graph: Arc<TaskGraph>, options: SubmitOptions) -> Result<Arc<dyn GraphRun>, SubmitError>;

    /// What happens from now on.
    fn events(&self) -> Box<dyn EventReader>;
}

/// A graph that was submitted.
///
/// Dropping the last handle cancels what has not finished and frees the results.
pub trait GraphRun: Send + Sync + fmt::Debug {
    /// The run.
    fn id(&self) -> RunId;

    /// The graph as it is run.
    fn graph(&self) -> &Arc<TaskGraph>;

    /// How far the run is.
    fn status(&self) -> RunStatus;

    /// How many tasks are done, of those that the graph [has](TaskGraph::n_tasks).
    fn n_done(&self) -> u64;

    /// How far a task is.
    fn task_status(&self, task: TaskId) -> TaskStatus;

    /// The value of a task that an output asks for, as soon as it is there.
    fn value(&self, task: TaskId) -> BoxFuture<Result<ValueRef, RunError>>;

    /// As [`value`](Self::value), for callers that can block. `None` after `timeout`.
    fn wait_value(&self, task: TaskId, timeout: Option<Duration>) -> Option<Result<ValueRef, RunError>>;

    /// The end of the run.
    fn finished(&self) -> BoxFuture<Result<(), RunError>>;

    /// As [`finished`](Self::finished), for callers that can block. `None` after `timeout`.
    fn wait_finished(&self, timeout: Option<Duration>) -> Option<Result<(), RunError>>;

    /// Gives up the results that the executor holds for `task`; values that were handed out stay valid.
    fn release(&self, task: TaskId);

    /// Stops the run. Nothing of it starts afterwards.
    fn cancel(&self);

    /// Stops a task and everything that needs it.
    fn cancel_task(&self, task: TaskId);
}

/// Which run, unique within an executor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(pub u64);

/// How a graph is to be run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SubmitOptions {
    /// Added to the priority of every task.
    pub priority: i32,
    /// The task that submits the graph and will wait for it.
    pub parent: Option<Parent>,
    /// A name for progress, profiles and messages.
    pub name: Option<String>,
}

/// The task that submits a graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Parent {
    /// Its run.
    pub run: RunId,
    /// The task.
    pub task: TaskId,
}

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RunStatus {
    /// Tasks are waiting or running.
    Running,
    /// Every output is there.
    Finished,
    /// A task failed for good.
    Failed,
    /// It was cancelled.
    Cancelled,
}

/// How far a task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TaskStatus {
    /// No output needs it.
    Unwanted,
    /// Inputs are missing.
    Waiting,
    /// All inputs are there.
    Ready,
    /// A worker runs it.
    Running,
    /// Its value is there, in memory or on disk.
    Finished,
    /// Its value was there and nobody needs it any more.
    Released,
    /// It failed for good, or something that it needs did.
    Failed,
    /// It was cancelled, or something that it needs was.
    Cancelled,
}

/// Why a graph was not started.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum SubmitError {
    /// The executor was closed.
    #[error("the executor is closed")]
    Closed,
    /// The task runs where it cannot compute graphs of its own.
    #[error("`{key}` runs on an executor that takes no graphs from tasks")]
    NoExecutor {
        /// The key of the task.
        key: String,
    },
    /// The graph cannot be sent to where it would run.
    #[error(transparent)]
    Encode(#[from] crate::EncodeGraphError),
    /// The executor cannot be reached.
    #[error("the executor `{executor}` cannot be reached")]
    Unreachable {
        /// Its name.
        executor: String,
        /// What went wrong.
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
}

/// Why a run, or a task of it, has no result.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum RunError {
    /// A task failed for good.
    #[error("`{key}` failed: {error}")]
    Task {
        /// The key of the task.
        key: String,
        /// How it failed, after all attempts.
        error: TaskError,
    },
    /// One attempt took longer than the task's timeout.
    #[error("`{key}` took longer than {} ms", timeout.as_millis())]
    TimedOut {
        /// The key of the task.
        key: String,
        /// The timeout.
        timeout: Duration,
    },
    /// A task does not fit into memory, even alone.
    #[error(
        "`{key}` needs {needed_bytes} bytes, the limit is {limit_bytes}; most is used by {}",
        consumers_text(top_consumers)
    )]
    MemoryLimit {
        /// The key of the task.
        key: String,
        /// What it needs.
        needed_bytes: u64,
        /// What there may be in all.
        limit_bytes: u64,
        /// Who uses most, with bytes.
        top_consumers: Vec<(String, u64)>,
    },
    /// Values could not be written to disk or read back.
    #[error("spilling `{key}` failed")]
    Spill {
        /// The key of the task.
        key: String,
        /// What went wrong.
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
    /// Workers were lost more often than the executor is willing to start again.
    #[error("`{key}` was lost with its worker {n_losses} times")]
    WorkerLost {
        /// The key of the task.
        key: String,
        /// How often.
        n_losses: u32,
    },
    /// It was cancelled.
    #[error("cancelled")]
    Cancelled,
    /// No output of the graph asks for the task, or its result was released.
    #[error("no result is kept for `{key}`")]
    NotKept {
        /// The key of the task.
        key: String,
    },
    /// The executor was closed while the graph ran.
    #[error("the executor was closed")]
    Closed,
}

fn consumers_text(top_consumers: &[(String, u64)]) -> String {
    if top_consumers.is_empty() {
        return "nobody".to_owned();
    }
    let texts: Vec<String> = top_consumers.iter().map(|(name, bytes)| format!("{name} ({bytes} bytes)")).collect();
    texts.join(", ")
}

impl Executor for TaskContext {
    fn name(&self) -> &str {
        TaskContext::executor(self).map_or("none", |executor| executor.name())
    }

    /// Starts `graph` as a child of this task.
    fn submit(&self, graph: Arc<TaskGraph>, options: SubmitOptions) -> Result<Arc<dyn GraphRun>, SubmitError> {
        let executor = TaskContext::executor(self).ok_or_else(|| SubmitError::NoExecutor { key: self.key() })?;
        executor.submit(graph, SubmitOptions { parent: Some(self.as_parent()), ..options })
    }

    fn events(&self) -> Box<dyn EventReader> {
        match TaskContext::executor(self) {
            Some(executor) => executor.events(),
            None => Box::new(crate::event::NoEvents),
        }
    }
}
