//! Running graphs on the thread that asks for them.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use dolmen_graph::{RunId, RunStatus};
use dolmen_storage::block_on;

use super::assignment::StreamJob;
use super::{CloseIfLost, Driver, Engine};
use crate::core::CoreEvent;

impl Engine {
    /// Runs whatever is next until a run has ended. Within a task, only what that run needs; otherwise when no other
    /// thread does the same.
    pub(crate) fn run_inline(&self, run: RunId) {
        let Driver::Inline { turn, .. } = &self.driver else { return };
        match self.current() {
            Some(current) => {
                let (worker, ticket) = (current.worker, current.ticket);
                self.tell(CoreEvent::Waits { worker, ticket, on: run });
                self.run_until_ended(run);
                self.tell(CoreEvent::GoesOn { worker, ticket });
            }
            None => {
                let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
                self.run_until_ended(run);
            }
        }
    }

    fn run_until_ended(&self, run: RunId) {
        loop {
            let mut state = self.lock();
            if state.core.run_status(run) != RunStatus::Running {
                return;
            }
            let assignment = self.take_mail(&mut state, 0);
            let deadline_ns = state.core.next_deadline();
            drop(state);
            match (assignment, deadline_ns) {
                (Some(assignment), _) => self.run_to_report(assignment),
                // Nothing is left but to wait: the time comes at once.
                (None, Some(at_ns)) => {
                    let Driver::Inline { now_ns, .. } = &self.driver else { return };
                    now_ns.fetch_max(at_ns, Ordering::Relaxed);
                    self.tell(CoreEvent::Tick);
                }
                (None, None) => return,
            }
        }
    }

    /// Leaves a task that waits to the runtime or, without one, waits for it.
    pub(crate) fn leave_running(&self, worker: u32, job: StreamJob) {
        let Some(engine) = self.strong() else { return };
        let finish = move |report| {
            engine.take_report(report);
            engine.bell(worker).ring();
        };
        match &self.driver {
            Driver::Inline { .. } => finish(block_on(self.run_stream(job))),
            Driver::Threads { runtime, .. } => {
                let Some(engine) = self.strong() else { return };
                let guard = CloseIfLost::of_task(engine, job.ticket());
                // Owned by the engine: it is stopped through its ticket, and reports in any case.
                runtime.spawn(async move {
                    finish(guard.engine().run_stream(job).await);
                    guard.done();
                });
            }
        }
    }
}
