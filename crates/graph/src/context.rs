//! What a running task knows of its surroundings.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::{Executor, Parent, RunId, TaskGraph, TaskId};

/// A flag that says that work is no longer wanted. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct CancelToken {
    flag: Arc<AtomicBool>,
}

impl CancelToken {
    /// A token that is not cancelled.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Says that the work is no longer wanted. There is no way back.
    pub fn cancel(&self) {
        self.flag.store(true, Ordering::Release);
    }

    /// Whether [`cancel`](Self::cancel) was called.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.flag.load(Ordering::Acquire)
    }
}

/// What all tasks of one run of a graph share.
pub struct RunContext {
    run: RunId,
    graph: Arc<TaskGraph>,
    cancel: CancelToken,
    executor: Option<Arc<dyn Executor>>,
    services: HashMap<TypeId, Arc<dyn Any + Send + Sync>>,
}

impl RunContext {
    /// The context of a run of `graph`, without an executor for nested graphs and without services.
    #[must_use]
    pub fn new(run: RunId, graph: Arc<TaskGraph>) -> Self {
        Self { run, graph, cancel: CancelToken::new(), executor: None, services: HashMap::new() }
    }

    /// The context with an executor to which tasks hand graphs of their own.
    #[must_use]
    pub fn with_executor(mut self, executor: Arc<dyn Executor>) -> Self {
        self.executor = Some(executor);
        self
    }

    /// The context with a service that tasks find by its type, such as a session.
    #[must_use]
    pub fn with_service<S: Send + Sync + 'static>(mut self, service: Arc<S>) -> Self {
        self.services.insert(TypeId::of::<S>(), service);
        self
    }

    /// The context with a token that cancels the run.
    #[must_use]
    pub fn with_cancel(mut self, cancel: CancelToken) -> Self {
        self.cancel = cancel;
        self
    }

    /// The run.
    #[must_use]
    pub fn run(&self) -> RunId {
        self.run
    }

    /// The graph that runs.
    #[must_use]
    pub fn graph(&self) -> &Arc<TaskGraph> {
        &self.graph
    }

    /// The token that cancels the run.
    #[must_use]
    pub fn cancel(&self) -> &CancelToken {
        &self.cancel
    }
}

impl fmt::Debug for RunContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunContext").field("run", &self.run).field("cancel", &self.cancel).finish_non_exhaustive()
    }
}

/// What one attempt to run a task knows: which task it is, whether it is still wanted, and where to compute more.
#[derive(Debug, Clone)]
pub struct TaskContext {
    task: TaskId,
    attempt: u32,
    run: Arc<RunContext>,
    own_cancel: Option<CancelToken>,
}

impl TaskContext {
    /// The context of an attempt to run `task`; attempts count from 0.
    #[must_use]
    pub fn new(run: Arc<RunContext>, task: TaskId, attempt: u32) -> Self {
        Self { task, attempt, run, own_cancel: None }
    }

    /// The context with a token that cancels this task alone.
    #[must_use]
    pub fn with_cancel(mut self, cancel: CancelToken) -> Self {
        self.own_cancel = Some(cancel);
        self
    }

    /// The task that runs.
    #[must_use]
    pub fn task(&self) -> TaskId {
        self.task
    }

    /// The partition that the task makes.
    #[must_use]
    pub fn partition(&self) -> u32 {
        self.task.partition
    }

    /// The key of the task, as errors and pictures name it.
    #[must_use]
    pub fn key(&self) -> String {
        self.run.graph.task_key(self.task)
    }

    /// The number of attempts before this one.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// What all tasks of the run share.
    #[must_use]
    pub fn run(&self) -> &Arc<RunContext> {
        &self.run
    }

    /// Whether nobody wants the result any more. A task that takes long asks now and then and gives up with
    /// [`TaskError::Cancelled`](crate::TaskError::Cancelled).
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.run.cancel.is_cancelled() || self.own_cancel.as_ref().is_some_and(CancelToken::is_cancelled)
    }

    /// The service of type `S`, if the executor offers one.
    #[must_use]
    pub fn service<S: Send + Sync + 'static>(&self) -> Option<Arc<S>> {
        let service = self.run.services.get(&TypeId::of::<S>())?;
        Arc::clone(service).downcast().ok()
    }

    /// The executor that runs this task, if it takes graphs from tasks.
    ///
    /// The context is itself an [`Executor`]; graphs that are submitted to it are known as children of this task.
    #[must_use]
    pub fn executor(&self) -> Option<&Arc<dyn Executor>> {
        self.run.executor.as_ref()
    }

    /// The mark of graphs that this task submits.
    #[must_use]
    pub fn as_parent(&self) -> Parent {
        Parent { run: self.run.run, task: self.task }
    }
}
