//! A run as its submitter sees it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use dolmen_graph::{BoxFuture, GraphRun, RunError, RunId, RunStatus, TaskGraph, TaskId, TaskStatus, ValueRef};

use super::Engine;
use super::waiting::Awaited;
use crate::core::CoreEvent;

/// A submitted graph. Dropping it cancels what has not finished and frees the results.
pub(crate) struct RunHandle {
    engine: Arc<Engine>,
    id: RunId,
    graph: Arc<TaskGraph>,
}

impl RunHandle {
    pub(super) fn new(engine: Arc<Engine>, id: RunId, graph: Arc<TaskGraph>) -> Self {
        Self { engine, id, graph }
    }

    pub(super) fn id_of(&self) -> RunId {
        self.id
    }
}

/// The value that was awaited.
fn value_of(found: Result<Option<ValueRef>, RunError>, graph: &TaskGraph, task: TaskId) -> Result<ValueRef, RunError> {
    found?.ok_or_else(|| RunError::NotKept { key: graph.task_key(task) })
}

impl GraphRun for RunHandle {
    fn id(&self) -> RunId {
        self.id
    }

    fn graph(&self) -> &Arc<TaskGraph> {
        &self.graph
    }

    fn status(&self) -> RunStatus {
        self.engine.lock().core.run_status(self.id)
    }

    fn n_done(&self) -> u64 {
        self.engine.lock().core.progress(self.id).0
    }

    fn task_status(&self, task: TaskId) -> TaskStatus {
        self.engine.lock().core.task_status(self.id, task)
    }

    fn value(&self, task: TaskId) -> BoxFuture<Result<ValueRef, RunError>> {
        let found = self.engine.future(self.id, Awaited::Value(task));
        let graph = Arc::clone(&self.graph);
        Box::pin(async move { value_of(found.await, &graph, task) })
    }

    fn wait_value(&self, task: TaskId, timeout: Option<Duration>) -> Option<Result<ValueRef, RunError>> {
        let found = self.engine.wait(self.id, Awaited::Value(task), timeout)?;
        Some(value_of(found, &self.graph, task))
    }

    fn finished(&self) -> BoxFuture<Result<(), RunError>> {
        let found = self.engine.future(self.id, Awaited::End);
        Box::pin(async move { found.await.map(drop) })
    }

    fn wait_finished(&self, timeout: Option<Duration>) -> Option<Result<(), RunError>> {
        self.engine.wait(self.id, Awaited::End, timeout).map(|found| found.map(drop))
    }

    fn release(&self, task: TaskId) {
        self.engine.tell(CoreEvent::Release { run: self.id, task });
    }

    fn cancel(&self) {
        self.engine.tell(CoreEvent::Cancel { run: self.id });
    }

    fn cancel_task(&self, task: TaskId) {
        self.engine.tell(CoreEvent::CancelTasks { run: self.id, tasks: vec![task] });
    }
}

impl Drop for RunHandle {
    fn drop(&mut self) {
        self.engine.drop_run(self.id);
    }
}

impl fmt::Debug for RunHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunHandle").field("id", &self.id).finish_non_exhaustive()
    }
}
