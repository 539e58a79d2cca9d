//! Running what a worker was given.

#[cfg(unix)]
pub(super) mod remote;

use std::future::poll_fn;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use dolmen_graph::{
    BoxFuture, EventKind, Given, Op, RunContext, RunId, StageId, TaskBody, TaskContext, TaskError, TaskId, TaskInputs,
    TaskResult,
};

use super::effects::Effects;
use super::failure::failure_of;
use super::{Engine, State, Stop};
use crate::core::{CoreEvent, Ticket};

/// A group that takes longer than this gives back what it has not begun, so that other workers can have it.
const GROUP_MAX: Duration = Duration::from_millis(1);

/// Tasks of one stage for one worker, with what they read.
pub(crate) struct Assignment {
    pub(crate) worker: u32,
    pub(crate) ticket: Ticket,
    pub(super) context: Arc<RunContext>,
    pub(super) stage: StageId,
    pub(super) partitions: Range<u32>,
    pub(super) attempt: u32,
    /// For each task; empty if the stage has no inputs.
    pub(super) inputs: Vec<Result<TaskInputs, TaskError>>,
    pub(super) stop: Stop,
}

/// What came of the tasks of an assignment, in order.
pub(crate) struct Report {
    worker: u32,
    ticket: Ticket,
    run: RunId,
    stage: StageId,
    partitions: Range<u32>,
    /// Of the tasks that were begun.
    results: Vec<TaskResult>,
    lenders: Lenders,
    elapsed: Duration,
}

/// For partitions whose value is that of another task: which one. Nearly always empty.
type Lenders = Vec<(u32, (RunId, TaskId))>;

/// What running an assignment led to.
pub(crate) enum Ran {
    /// It is over.
    Report(Report),
    /// It waits for others while it runs.
    Stream(StreamJob),
}

/// An assignment of which a task waits for others while it runs.
pub(crate) struct StreamJob {
    rest: Rest,
    future: BoxFuture<TaskResult>,
}

impl StreamJob {
    pub(crate) fn ticket(&self) -> Ticket {
        self.rest.ticket
    }
}

/// What of an assignment is left to be run.
struct Rest {
    worker: u32,
    ticket: Ticket,
    context: Arc<RunContext>,
    stage: StageId,
    partitions: Range<u32>,
    attempt: u32,
    inputs: std::vec::IntoIter<Result<TaskInputs, TaskError>>,
    stop: Stop,
    begun: Instant,
    results: Vec<TaskResult>,
    lenders: Lenders,
}

impl Engine {
    /// Runs tasks on this thread until they are done, or one of them turns out to wait.
    pub(crate) fn run(&self, assignment: Assignment) -> Ran {
        self.run_rest(Rest::of(assignment))
    }

    fn run_rest(&self, mut rest: Rest) -> Ran {
        let _entered = self.enter(rest.worker, rest.ticket);
        let op = Arc::clone(&rest.context.graph().stage(rest.stage).op);
        while let Some(p) = rest.next() {
            let inputs = match rest.inputs.next().unwrap_or_else(|| Ok(TaskInputs::new())) {
                Ok(inputs) => inputs,
                Err(error) => {
                    rest.results.push(Err(error));
                    continue;
                }
            };
            let task = TaskId::new(rest.stage, p);
            rest.note_lender(&*op, p);
            let context = TaskContext::new(Arc::clone(&rest.context), task, rest.attempt);
            let context = context.with_cancel(rest.stop.token.clone());
            let result = catch_unwind(AssertUnwindSafe(|| match op.body(p) {
                TaskBody::Sync(body) => Ok(body(inputs, &context)),
                TaskBody::Stream(body) => Err(body(inputs, context)),
            }));
            match result {
                Ok(Ok(result)) => rest.results.push(result),
                Ok(Err(future)) => return Ran::Stream(StreamJob { rest, future }),
                Err(panic) => rest.results.push(Err(TaskError::panicked(&*panic))),
            }
        }
        Ran::Report(rest.into_report())
    }

    /// Runs an assignment of which a task waits. Stops, if it is told to, where the task waits.
    pub(crate) async fn run_stream(&self, mut job: StreamJob) -> Report {
        loop {
            let StreamJob { mut rest, mut future } = job;
            let stop = rest.stop.clone();
            let mut stopped = pin!(stop.bell.heard());
            let result = poll_fn(|cx| {
                let is_told = stopped.as_mut().poll(cx).is_ready();
                if is_told || stop.token.is_cancelled() || rest.context.cancel().is_cancelled() {
                    return Poll::Ready(Err(TaskError::Cancelled));
                }
                let _entered = self.enter(rest.worker, rest.ticket);
                match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
                    Ok(poll) => poll,
                    Err(panic) => Poll::Ready(Err(TaskError::panicked(&*panic))),
                }
            })
            .await;
            // What the task holds may be much, and dropping it may panic.
            let dropped = catch_unwind(AssertUnwindSafe(|| drop(future)));
            rest.results.push(dropped.map_or_else(|panic| Err(TaskError::panicked(&*panic)), |()| result));
            job = match self.run_rest(rest) {
                Ran::Report(report) => return report,
                Ran::Stream(job) => job,
            };
        }
    }

    /// [`report`](Self::report), for who does not hold the lock.
    pub(crate) fn take_report(&self, report: Report) {
        let mut fx = Effects::default();
        let mut state = self.lock();
        self.report(&mut state, report, &mut fx);
        drop(state);
        fx.settle(self);
    }

    /// Tells the core what came of an assignment.
    pub(crate) fn report(&self, state: &mut State, report: Report, fx: &mut Effects) {
        let Report { worker, ticket, run, stage, partitions, results, lenders, elapsed } = report;
        fx.ended.extend(state.running.remove(&ticket));
        let n_begun = u64::try_from(results.len().max(1)).unwrap_or(u64::MAX);
        let elapsed_ns = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX) / n_begun;
        let mut results = results.into_iter();
        let is_one = partitions.len() == 1;
        let mut events = Vec::new();
        let now_ns = self.now_ns();
        for partition in partitions {
            let task = TaskId::new(stage, partition);
            let is_wanted = state.core.is_wanted(worker, ticket, partition);
            let event = match results.next() {
                None => CoreEvent::Returned { worker, ticket, partition },
                Some(Ok(value)) => {
                    let size_bytes = value.size_bytes() as u64;
                    let lender = lenders.iter().find(|(p, _)| *p == partition).map(|(_, lender)| *lender);
                    let is_lent = is_wanted && lender.is_some_and(|lender| state.lend(run, task, lender, &value));
                    match state.entry(run).filter(|_| is_wanted) {
                        Some(entry) => {
                            entry.values.insert(&entry.graph, task, value);
                            let kind = EventKind::TaskFinished { task, worker, elapsed_ns, size_bytes };
                            self.hub().push(now_ns, Some(run), kind);
                        }
                        None => fx.garbage.push(value),
                    }
                    // A value that was lent is counted where it comes from.
                    let size_bytes = if is_lent { 0 } else { size_bytes };
                    CoreEvent::Finished { worker, ticket, partition, size_bytes, elapsed_ns }
                }
                Some(Err(error)) => {
                    let failure = failure_of(&error);
                    if is_wanted && self.hub().is_on() {
                        let is_retried = state.core.would_retry(run, task, &failure);
                        self.hub().push(now_ns, Some(run), EventKind::TaskFailed { task, worker, error, is_retried });
                    }
                    CoreEvent::Failed { worker, ticket, partition, failure }
                }
            };
            if is_one {
                state.core.handle(event, now_ns, &mut state.out);
            } else {
                events.push(event);
            }
        }
        if !is_one {
            state.core.handle_all(events, now_ns, &mut state.out);
        }
        self.perform(state, fx);
    }
}

impl Rest {
    fn of(assignment: Assignment) -> Self {
        let Assignment { worker, ticket, context, stage, partitions, attempt, inputs, stop } = assignment;
        let (results, lenders) = (Vec::with_capacity(partitions.len()), Vec::new());
        let (inputs, begun) = (inputs.into_iter(), Instant::now());
        Self { worker, ticket, context, stage, partitions, attempt, inputs, stop, begun, results, lenders }
    }

    fn note_lender(&mut self, op: &dyn Op, p: u32) {
        let lender = op.given(p).and_then(Given::lender);
        self.lenders.extend(lender.map(|lender| (p, lender)));
    }

    /// The next task to be begun, if the assignment is to go on.
    fn next(&self) -> Option<u32> {
        let is_over = self.stop.token.is_cancelled()
            || self.context.cancel().is_cancelled()
            || (!self.results.is_empty() && self.begun.elapsed() > GROUP_MAX);
        let n_begun = u32::try_from(self.results.len()).expect("no more results than partitions");
        let p = self.partitions.start + n_begun;
        (!is_over && p < self.partitions.end).then_some(p)
    }

    fn into_report(self) -> Report {
        Report {
            worker: self.worker,
            ticket: self.ticket,
            run: self.context.run(),
            stage: self.stage,
            partitions: self.partitions,
            results: self.results,
            lenders: self.lenders,
            elapsed: self.begun.elapsed(),
        }
    }
}
