//! Running an assignment in another process.

use std::sync::Arc;

use dolmen_graph::{EventKind, Given, RunContext, TaskId, TaskInputs, TaskResult};

use super::{Assignment, Rest};
use crate::core::CoreEvent;
use crate::engine::{Effects, Engine, Stop};

/// An assignment whose tasks run elsewhere, one after the other.
pub(crate) struct RemoteJob(Rest);

/// One task to be run elsewhere.
pub(crate) struct RemoteTask {
    pub(crate) task: TaskId,
    pub(crate) attempt: u32,
    pub(crate) inputs: TaskInputs,
}

impl RemoteJob {
    pub(crate) fn new(assignment: Assignment) -> Self {
        Self(Rest::of(assignment))
    }

    pub(crate) fn context(&self) -> &Arc<RunContext> {
        &self.0.context
    }

    pub(crate) fn stop(&self) -> &Stop {
        &self.0.stop
    }

    /// The next task, if the assignment is to go on. Its result is to be [pushed](Self::push). Values that are here already
    /// stay here.
    pub(crate) fn next(&mut self) -> Option<RemoteTask> {
        let rest = &mut self.0;
        let op = Arc::clone(&rest.context.graph().stage(rest.stage).op);
        while let Some(p) = rest.next() {
            if let Some(value) = op.given(p).and_then(Given::now) {
                rest.note_lender(&*op, p);
                rest.results.push(value);
                continue;
            }
            match rest.inputs.next().unwrap_or_else(|| Ok(TaskInputs::new())) {
                Ok(inputs) => {
                    return Some(RemoteTask { task: TaskId::new(rest.stage, p), attempt: rest.attempt, inputs });
                }
                Err(error) => rest.results.push(Err(error)),
            }
        }
        None
    }

    pub(crate) fn push(&mut self, result: TaskResult) {
        self.0.results.push(result);
    }
}

impl Engine {
    /// Tells the core what came of an assignment.
    pub(crate) fn report_remote(&self, job: RemoteJob) {
        // Before the lock: the job may be the last to hold its graph, and what that holds.
        self.take_report(job.0.into_report());
    }

    /// Tells the core that a worker is gone, with what it ran and what it was to run.
    pub(crate) fn lose_worker(&self, worker: u32, job: Option<RemoteJob>) {
        let mut fx = Effects::default();
        let mut state = self.lock();
        let mail = std::mem::take(&mut state.mail[worker as usize]);
        let tickets = mail.iter().map(|assignment| assignment.ticket).chain(job.iter().map(|job| job.0.ticket));
        for ticket in tickets {
            fx.ended.extend(state.running.remove(&ticket));
        }
        self.hub().push(self.now_ns(), None, EventKind::WorkerLost { worker });
        self.tell_locked(&mut state, CoreEvent::WorkerLost { worker }, &mut fx);
        drop(state);
        drop((mail, job));
        fx.settle(self);
    }

    /// Tells the core that a worker is there again.
    pub(crate) fn join_worker(&self, worker: u32) {
        self.hub().push(self.now_ns(), None, EventKind::WorkerJoined { worker });
        self.tell(CoreEvent::WorkerJoined { worker });
    }
}
