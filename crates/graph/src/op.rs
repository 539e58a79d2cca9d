//! Operations as data, and what a task does when it runs.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use thiserror::Error;

use crate::{Awaited, OpRegistry, RunId, TaskContext, TaskError, TaskId, TaskInputs, ValueRef};

/// A boxed future that owns what it needs.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What a task gives back.
pub type TaskResult = Result<ValueRef, TaskError>;

/// The body of a task that computes and returns.
pub type SyncBody = Box<dyn FnOnce(TaskInputs, &TaskContext) -> TaskResult + Send>;

/// The body of a task that waits for others while it runs.
pub type StreamBody = Box<dyn FnOnce(TaskInputs, TaskContext) -> BoxFuture<TaskResult> + Send>;

/// What one task does. Made when the task runs, once for each attempt.
pub enum TaskBody {
    /// Computes on the thread of a worker, and does not wait.
    Sync(SyncBody),
    /// Waits for input or output and spawns work of its own.
    Stream(StreamBody),
}

impl TaskBody {
    /// A body that computes.
    pub fn sync(body: impl FnOnce(TaskInputs, &TaskContext) -> TaskResult + Send + 'static) -> Self {
        Self::Sync(Box::new(body))
    }

    /// A body that waits.
    pub fn stream<F>(body: impl FnOnce(TaskInputs, TaskContext) -> F + Send + 'static) -> Self
    where
        F: Future<Output = TaskResult> + Send + 'static,
    {
        Self::Stream(Box::new(move |inputs, context| Box::pin(body(inputs, context))))
    }

    /// A body that passes on a value that comes about elsewhere: it waits only if the value is not there yet.
    #[must_use]
    pub fn awaited(value: Arc<dyn Awaited>) -> Self {
        match value.now() {
            Some(value) => Self::sync(move |_, _| value),
            None => Self::stream(move |_, _| async move { value.value().await }),
        }
    }
}

impl fmt::Debug for TaskBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sync(_) => "TaskBody::Sync",
            Self::Stream(_) => "TaskBody::Stream",
        })
    }
}

/// The value of a task that computes nothing.
#[derive(Debug, Clone, Copy)]
pub enum Given<'a> {
    /// It came with the graph.
    Value(&'a ValueRef),
    /// It comes about outside of the graph.
    Awaited(&'a Arc<dyn Awaited>),
}

impl Given<'_> {
    /// The value, or why there is none; `None` if that cannot be told at once.
    #[must_use]
    pub fn now(self) -> Option<TaskResult> {
        match self {
            Self::Value(value) => Some(Ok(Arc::clone(value))),
            Self::Awaited(awaited) => awaited.now(),
        }
    }

    /// The run and the task whose value it is, see [`Awaited::lender`].
    #[must_use]
    pub fn lender(self) -> Option<(RunId, TaskId)> {
        match self {
            Self::Value(_) => None,
            Self::Awaited(awaited) => awaited.lender(),
        }
    }
}

/// An operation: data that says what every task of a stage does.
///
/// An operation that survives encoding is written as its [`name`](Self::name) and [bytes](Self::encode), and
/// [`OpRegistry`](crate::OpRegistry) makes it again on the other side. A local closure is an operation whose `encode` fails.
pub trait Op: Send + Sync + fmt::Debug {
    /// The name under which the decoder is registered, such as `array.add`. Pictures show it.
    fn name(&self) -> &str;

    /// The operation without its name, as bytes. `registry` has the encodings of values that are part of it.
    ///
    /// # Errors
    /// [`EncodeError`] if the operation, or something it holds, exists in this process only.
    fn encode(&self, registry: &OpRegistry) -> Result<Vec<u8>, EncodeError>;

    /// What the task of `partition` does. Called once for each attempt to run the task.
    fn body(&self, partition: u32) -> TaskBody;

    /// What the task of `partition` does no more than pass on, if its value is not computed. Its body gives that value.
    fn given(&self, partition: u32) -> Option<Given<'_>> {
        let _ = partition;
        None
    }

    /// The key of the task of `partition`, where tasks of a stage have keys of their own, as those of raw graphs and
    /// delayed values do. Otherwise the key is the stage's with the partition in brackets.
    fn task_key(&self, partition: u32) -> Option<String> {
        let _ = partition;
        None
    }

    /// What pictures write on the task of `partition`; the name, unless the tasks of the stage do different things.
    fn label(&self, partition: u32) -> String {
        let _ = partition;
        self.name().to_owned()
    }

    /// The operations that this one runs after each other, first one first; none unless it was
    /// [fused](crate::fuse).
    fn steps(&self) -> Vec<Arc<dyn Op>> {
        Vec::new()
    }
}

/// Why an operation could not be written as bytes.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// The operation holds a Rust closure or function, which no other process has.
    #[error("`{name}` is a function of this process and cannot be sent to another: register it by name")]
    Local {
        /// The operation, or the key of the task that runs it.
        name: String,
    },
    /// An operand has no encoding.
    #[error("`{name}` holds a value that cannot be sent to another process: {source}")]
    Value {
        /// The operation, or the key of the task that runs it.
        name: String,
        /// Which value.
        source: crate::ValueError,
    },
    /// The encoding itself failed.
    #[error("`{name}` could not be encoded")]
    Failed {
        /// The operation.
        name: String,
        /// What the encoding said.
        source: Arc<dyn Error + Send + Sync>,
    },
}
