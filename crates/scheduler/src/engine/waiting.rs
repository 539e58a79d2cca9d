//! Waiting for values and for the end of runs, from threads, tasks and futures.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use dolmen_graph::{RunError, RunId, RunStatus, TaskId, TaskStatus, ValueRef};
use tokio::runtime::{Handle, RuntimeFlavor};

use super::assignment::{Assignment, Ran};
use super::effects::Effects;
use super::{Bell, CloseIfLost, Current, Driver, Engine, Entry, State};
use crate::core::{CoreEvent, Outcome, Ticket};

/// Tasks that run inside each other on one thread, at most; what is deeper gets a thread of its own, because stacks end.
const DEPTH_MAX: u32 = 24;

/// What somebody waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Awaited {
    Value(TaskId),
    End,
}

/// Those who wait for one thing, by numbers that the engine gives out. A waker that is not needed any more is given back, to
/// be dropped without the lock: it may be the last to hold a future, which locks when it is dropped.
#[derive(Debug, Default)]
pub(super) struct Waiters(Vec<(u64, Waker)>);

impl Waiters {
    /// Whoever has the number is woken by `waker`, and by no other.
    fn set(&mut self, waiter: u64, waker: &Waker) -> Option<Waker> {
        let before = self.remove(waiter);
        self.0.push((waiter, waker.clone()));
        before
    }

    fn remove(&mut self, waiter: u64) -> Option<Waker> {
        let idx = self.0.iter().position(|(known, _)| *known == waiter)?;
        Some(self.0.swap_remove(idx).1)
    }

    pub(super) fn take(&mut self) -> impl Iterator<Item = Waker> + use<> {
        std::mem::take(&mut self.0).into_iter().map(|(_, waker)| waker)
    }
}

impl Entry {
    pub(super) fn take_waiters(&mut self, task: TaskId) -> impl Iterator<Item = Waker> + use<> {
        self.waiting.remove(&task).unwrap_or_default().take()
    }

    /// Gives those who wait for a task its value, which may have left memory again before they look.
    pub(super) fn hand(&mut self, task: TaskId, value: &ValueRef) -> impl Iterator<Item = Waker> + use<> {
        let mut waiters = self.waiting.remove(&task).unwrap_or_default();
        self.handed.extend(waiters.0.iter().map(|(waiter, _)| (*waiter, Arc::clone(value))));
        waiters.take()
    }
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

    fn next_waiter(&self) -> u64 {
        self.next_waiter.fetch_add(1, Ordering::Relaxed)
    }

    /// Looks, and has `waker` woken if there is nothing to be seen yet. Who stops to wait says so to
    /// [`forget`](Self::forget).
    fn look_or_register(
        &self,
        run: RunId,
        awaited: Awaited,
        waiter: Option<(u64, &Waker)>,
    ) -> Option<Result<Option<ValueRef>, RunError>> {
        let mut fx = Effects::default();
        let mut state = self.lock();
        let handed = waiter.and_then(|(waiter, _)| state.entry(run)?.handed.remove(&waiter));
        let found = match handed {
            Some(value) => Some(Ok(Some(value))),
            None => self.look(&mut state, run, awaited, &mut fx),
        };
        let waiting = state.entry(run).zip(waiter).filter(|_| found.is_none());
        let before = waiting.and_then(|(entry, (waiter, waker))| match awaited {
            Awaited::Value(task) => entry.waiting.entry(task).or_default().set(waiter, waker),
            Awaited::End => entry.waiting_for_end.set(waiter, waker),
        });
        drop(state);
        drop(before);
        fx.settle(self);
        found
    }

    /// Nobody of this number waits any more.
    fn forget(&self, run: RunId, awaited: Awaited, waiter: u64) {
        let mut state = self.lock();
        let handed = state.entry(run).and_then(|entry| entry.handed.remove(&waiter));
        let waker = state.entry(run).and_then(|entry| match awaited {
            Awaited::End => entry.waiting_for_end.remove(waiter),
            Awaited::Value(task) => entry.waiting.get_mut(&task)?.remove(waiter),
        });
        drop(state);
        drop((waker, handed));
    }

    /// Waits on this thread. If it runs a task of this engine, the worker goes on with what is awaited meanwhile.
    pub(crate) fn wait(
        &self,
        run: RunId,
        awaited: Awaited,
        timeout: Option<Duration>,
    ) -> Option<Result<Option<ValueRef>, RunError>> {
        let end = timeout.map(|timeout| Instant::now() + timeout);
        if let Some(found) = self.look_or_register(run, awaited, None) {
            return Some(found);
        }
        if timeout.is_some_and(|timeout| timeout.is_zero()) {
            return None;
        }
        if let Driver::Inline { .. } = &self.driver {
            self.run_inline(run);
            return self.look_or_register(run, awaited, None);
        }
        let (current, waiter) = (self.current(), self.next_waiter());
        let wait = || {
            let found = match current {
                Some(current) => self.wait_nested(run, awaited, end, waiter, current),
                None => self.wait_outside(run, awaited, end, waiter),
            };
            self.forget(run, awaited, waiter);
            found
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
        waiter: u64,
    ) -> Option<Result<Option<ValueRef>, RunError>> {
        let bell = Arc::new(Bell::default());
        let waker = Waker::from(Arc::clone(&bell));
        let mut n_heard = 0;
        loop {
            if let Some(found) = self.look_or_register(run, awaited, Some((waiter, &waker))) {
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
        waiter: u64,
        current: Current,
    ) -> Option<Result<Option<ValueRef>, RunError>> {
        let Current { worker, ticket, depth, .. } = current;
        let bell = self.bell(worker);
        let waker = Waker::from(Arc::clone(bell));
        let mut n_heard = 0;
        self.tell(CoreEvent::Waits { worker, ticket, on: run });
        let found = loop {
            if let Some(found) = self.look_or_register(run, awaited, Some((waiter, &waker))) {
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
        Waiting { engine: Arc::clone(self), run, awaited, waiter: self.next_waiter(), is_registered: false, lent: None }
    }
}

/// A future of a value or of the end of a run. While a task polls it in vain, its worker goes on with what is awaited.
struct Waiting {
    engine: Arc<Engine>,
    run: RunId,
    awaited: Awaited,
    waiter: u64,
    is_registered: bool,
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
        let found = this.engine.look_or_register(this.run, this.awaited, Some((this.waiter, cx.waker())));
        this.is_registered = found.is_none();
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
        if self.is_registered {
            self.engine.forget(self.run, self.awaited, self.waiter);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::AtomicU64;

    use dolmen_graph::testing::Mix;
    use dolmen_graph::{GraphBuilder, GraphRun, OpRegistry, Stage, StageId, SubmitOptions};
    use dolmen_storage::{MemoryBudget, TempFolder};

    use super::*;
    use crate::core::CoreConfig;
    use crate::engine::EngineConfig;

    /// An engine whose tasks nobody runs until somebody waits.
    fn engine() -> Arc<Engine> {
        Engine::new(EngineConfig {
            name: "test",
            n_workers: 1,
            core: CoreConfig::default(),
            budget: MemoryBudget::new(usize::MAX),
            temp: Arc::new(TempFolder::new(None)),
            registry: Arc::new(OpRegistry::new()),
            extend: Box::new(|context| context),
            driver: Driver::Inline { now_ns: AtomicU64::new(0), turn: Mutex::new(()) },
        })
    }

    #[test]
    fn who_stops_to_wait_is_forgotten() {
        let engine = engine();
        let mut builder = GraphBuilder::new();
        let stage = builder.add_stage(Stage::new("mix", 1, Arc::new(Mix::default()))).unwrap();
        builder.add_output_all(stage).unwrap();
        let run = engine.submit(Arc::new(builder.build().unwrap()), SubmitOptions::default()).unwrap();
        let value = Awaited::Value(TaskId::new(StageId(0), 0));
        let n_waiting = || {
            let mut state = engine.lock();
            let entry = state.entry(run.id_of()).unwrap();
            entry.waiting_for_end.0.len() + entry.waiting.values().map(|waiters| waiters.0.len()).sum::<usize>()
        };
        for awaited in [value, Awaited::End] {
            for _ in 0..10 {
                assert!(engine.wait(run.id_of(), awaited, Some(Duration::ZERO)).is_none());
                let long_ago = Some(Instant::now());
                assert!(engine.look_or_register(run.id_of(), awaited, None).is_none());
                let waiter = engine.next_waiter();
                assert!(engine.wait_outside(run.id_of(), awaited, long_ago, waiter).is_none());
                engine.forget(run.id_of(), awaited, waiter);
            }
        }
        assert_eq!(n_waiting(), 0);

        // One place for each, whatever wakers it comes with; and none when it is gone.
        let (one, other) = (Waker::from(Arc::new(Bell::default())), Waker::from(Arc::new(Bell::default())));
        for waker in [&one, &other, &one] {
            assert!(engine.look_or_register(run.id_of(), value, Some((1_000_000, waker))).is_none());
        }
        assert_eq!(n_waiting(), 1);
        drop(Waiting {
            engine: Arc::clone(&engine),
            run: run.id_of(),
            awaited: value,
            waiter: 1_000_000,
            is_registered: true,
            lent: None,
        });
        assert_eq!(n_waiting(), 0);
        run.cancel();
    }
}
