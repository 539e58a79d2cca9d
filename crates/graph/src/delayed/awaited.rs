//! Values that come about outside of the graph that uses them.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use super::Delayed;
use super::node::{Kind, Node, ResultType};
use crate::{BoxFuture, RunId, TaskId, TaskResult};

/// A value that comes about outside of the graph that uses it, such as the result of a graph that was submitted before.
///
/// A graph that uses one holds it; whoever submits the graph finds it in
/// [`Lowered::awaited`](crate::Lowered::awaited), and can hold the graph back until the value is there: otherwise its task
/// waits, which occupies a worker.
pub trait Awaited: Any + Send + Sync + fmt::Debug {
    /// The value, or why there is none; `None` if that is not known or cannot be told at once.
    fn now(&self) -> Option<TaskResult>;

    /// The value as soon as it is there.
    fn value(&self) -> BoxFuture<TaskResult>;

    /// The run and the task whose value it is, if it is there and a run has it: an executor that has both runs counts the
    /// value once.
    fn lender(&self) -> Option<(RunId, TaskId)> {
        None
    }
}

impl<T: Send + Sync + 'static> Delayed<T> {
    /// A delayed value that comes about elsewhere. `label` names it in pictures, and in errors with a number.
    ///
    /// Tasks that use it fail if it is no [`Plain<T>`](crate::Plain).
    #[must_use]
    pub fn awaited(label: &str, value: Arc<dyn Awaited>) -> Self {
        let node = Node::new(label.into(), Kind::Awaited(value), Vec::new(), ResultType::of::<T>());
        Self::from_node(Arc::new(node))
    }
}
