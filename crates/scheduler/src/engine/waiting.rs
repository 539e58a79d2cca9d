//! Waiting for values and for the end of runs, from threads, tasks and futures.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use dolmen_graph::{RunError, RunId, RunStatus, TaskId, TaskStatus, ValueRef};
use tokio::runtime::{Handle, RuntimeFlavor};

use super::assignment::{Assignment, Ran};
use super::effects::Effects;
use super::{Bell, CloseIfLost, Current, Driver, Engine, State};
use crate::core::{CoreEvent, Outcome, Ticket};

/// Tasks that run inside each other on one thread, at most; what is deeper gets a thread of its own, because stacks end.
const DEPTH_MAX: u32 = 24;

/// What somebody waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Awaited {
    Value(TaskId),
    End,
}

impl Engine {
    /// What has become of something that is awaited; `None` while it is open. A value on disk is asked for.
    fn look(
        &self,
        state: &mut State,
        run: RunId,
        awaited: Awaited,
        fx: &mut Effects,
    ) -> Option<Result<Option<ValueRef>, RunError>> {
        let status = state.core.run_status(run);
        if let Some(Outcome::Failed(error)) = state.core.outcome(run) {
            return Some(Err(error.clone()));
        }
        let cancelled = if state.is_closed() { RunError::Closed } else { RunError::Cancelled };
        let Awaited::Value(task) = awaited else {
            return match status {
                RunStatus::Finished => Some(Ok(None)),
                RunStatus::Running => None,
                _ => Some(Err(cancelled)),
            };
        };
        let is_there = matches!(state.core.task_status(run, task), TaskStatus::Finished);
        let task_status = state.core.task_status(run, task);
        let Some(entry) = state.entry(run) else { return Some(Err(cancelled)) };
        let graph = &entry.graph;
        let is_known = task.stage.0 < graph.n_stages() && task.partition < graph.stage(task.stage).n_tasks;
        if !is_known || !graph.kept(task.stage).contains(task.partition) {
            let key = if is_known { graph.task_key(task) } else { task.to_string() };
            return Some(Err(RunError::NotKept { key }));
        }
        if is_there {
            if let Some(value) = entry.values.get(task) {
                return Some(Ok(Some(Arc::clone(value))));
            }
            self.tell_locked(state, CoreEvent::Fetch { run, task }, fx);
            return None;
        }
        match task_status {
            TaskStatus::Cancelled => Some(Err(cancelled)),
            TaskStatus::Released | TaskStatus::Unwanted => Some(Err(RunError::NotKept { key: graph.task_key(task) })),
            _ if status == RunStatus::Cancelled => Some(Err(cancelled)),
            _ => None,
        }
    }

    fn register(&self, state: &mut State, run: RunId, awaited: Awaited, waker: &Waker) {
        let Some(entry) = state.entry(run) else { return };
        let wakers = match awaited {
            Awaited::Value(task) => entry.waiting.entry(task).or_default(),
            Awaited::End => &mut entry.waiting_for_end,
        };
        if !wakers.iter().any(|known| known.will_wake(waker)) {
            wakers.push(waker.clone());
        }
    }

    /// Looks, and has `waker` woken if there is nothing to be seen yet.
    fn look_or_register(
        &self,
        run: RunId,
        awaited: Awaited,
        waker: &Waker,
    ) -> Option<Result<Option<ValueRef>, RunError>> {
        let mut fx = Effects::default();
        let mut state = self.lock();
        let found = self.look(&mut state, run, awaited, &mut fx);
        if found.is_none() {
            self.register(&mut state, run, awaited, waker);
        }
        drop(state);
        fx.settle(self);
        found
    }

    /// Waits on this thread. If it runs a task of this engine, the worker goes on with what is awaited meanwhile.
    pub(crate) fn wait(
        &self,
        run: RunId,
        awaited: Awaited,
        timeout: Option<Duration>,
    ) -> Option<Result<Option<ValueRef>, RunError>> {
        let end = timeout.map(|timeout| Instant::now() + timeout);
        let bell = Arc::new(Bell::default());
        let waker = Waker::from(Arc::clone(&bell));
        if let Some(found) = self.look_or_register(run, awaited, &waker) {
            return Some(found);
        }
        if timeout.is_some_and(|timeout| timeout.is_zero()) {
            return None;
        }
        if let Driver::Inline { .. } = &self.driver {
            self.run_inline(run);
            return self.look_or_register(run, awaited, &waker);
        }
        let current = self.current();
        let wait = || match current {
            Some(current) => self.wait_nested(run, awaited, end, current),
            None => self.wait_outside(run, awaited, end, &bell, &waker),
        };
        // The thread may be one of the runtime's: its other tasks go on elsewhere meanwhile.
        match Handle::try_current().map(|handle| handle.runtime_flavor()) {
            Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(wait),
            _ => wait(),
        }
    }

    fn wait_outside(
        &self,
        run: RunId,
        awaited: Awaited,
        end: Option<Instant>,
        bell: &Bell,
        waker: &Waker,
    ) -> Option<Result<Option<ValueRef>, RunError>> {
        let mut n_heard = 0;
        loop {
            if let Some(found) = self.look_or_register(run, awaited, waker) {
                return Some(found);
            }
            if end.is_some_and(|end| Instant::now() >= end) {
                return None;
            }
            bell.wait(&mut n_heard, end);
        }
    }

    fn wait_nested(
        &self,
        run: RunId,
        awaited: Awaited,
        end: Option<Instant>,
        current: Current,
    ) -> Option<Result<Option<ValueRef>, RunError>> {
        let Current { worker, ticket, depth, .. } = current;
        let bell = self.bell(worker);
        let waker = Waker::from(Arc::clone(bell));
        let mut n_heard = 0;
        self.tell(CoreEvent::Waits { worker, ticket, on: run });
        let found = loop {
            if let Some(found) = self.look_or_register(run, awaited, &waker) {
                break Some(found);
            }
            if end.is_some_and(|end| Instant::now() >= end) || self.is_stopped(ticket) {
                break None;
            }
            let assignment = self.take_mail(&mut self.lock(), worker);
            match assignment {
                Some(assignment) => self.help(assignment, depth),
                None => bell.wait(&mut n_heard, end),
            }
        };
        self.tell(CoreEvent::GoesOn { worker, ticket });
        // Whoever else waits on this worker looks for mail again.
        bell.ring();
        found.or_else(|| self.is_stopped(ticket).then_some(Err(RunError::Cancelled)))
    }

    fn is_stopped(&self, ticket: Ticket) -> bool {
        self.lock().running.get(&ticket).is_some_and(|running| running.stop.token.is_cancelled())
    }

    /// Runs something for a task that waits on this thread.
    fn help(&self, assignment: Assignment, depth: u32) {
        if depth < DEPTH_MAX {
            return self.run_to_report(assignment);
        }
        let Some(engine) = self.strong() else { return };
        let guard = CloseIfLost::of_task(engine, assignment.ticket);
        let runtime = Handle::try_current();
        // It ends with what it runs, which is stopped through its ticket.
        std::thread::spawn(move || {
            let _entered = runtime.as_ref().map(Handle::enter);
            guard.engine().run_to_report(assignment);
            guard.done();
        });
    }

    /// Runs an assignment and reports it; one that waits is left to the runtime.
    pub(crate) fn run_to_report(&self, assignment: Assignment) {
        let worker = assignment.worker;
        match self.run(assignment) {
            Ran::Report(report) => {
                let mut fx = Effects::default();
                let mut state = self.lock();
                self.report(&mut state, report, &mut fx);
                drop(state);
                fx.settle(self);
            }
            Ran::Stream(job) => self.leave_running(worker, job),
        }
    }

    /// How far something is that a future awaits.
    pub(crate) fn future(
        self: &Arc<Self>,
        run: RunId,
        awaited: Awaited,
    ) -> impl Future<Output = Result<Option<ValueRef>, RunError>> + Send + use<> {
        Waiting { engine: Arc::clone(self), run, awaited, lent: None }
    }
}

/// A future of a value or of the end of a run. While a task polls it in vain, its worker goes on with what is awaited.
struct Waiting {
    engine: Arc<Engine>,
    run: RunId,
    awaited: Awaited,
    lent: Option<(u32, Ticket)>,
}

impl Waiting {
    fn take_back(&mut self) {
        if let Some((worker, ticket)) = self.lent.take() {
            self.engine.tell(CoreEvent::GoesOn { worker, ticket });
        }
    }
}

impl Future for Waiting {
    type Output = Result<Option<ValueRef>, RunError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if let Driver::Inline { .. } = &this.engine.driver {
            this.engine.run_inline(this.run);
        }
        let found = this.engine.look_or_register(this.run, this.awaited, cx.waker());
        match found {
            Some(found) => {
                this.take_back();
                Poll::Ready(found)
            }
            None => {
                if let (None, Some(current)) = (this.lent, this.engine.current()) {
                    let Current { worker, ticket, .. } = current;
                    this.lent = Some((worker, ticket));
                    this.engine.tell(CoreEvent::Waits { worker, ticket, on: this.run });
                }
                Poll::Pending
            }
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.take_back();
    }
}
