//! The simplest executor, the one that others are compared with.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

use crate::{
    BoxFuture, EventReader, Executor, GraphRun, RunContext, RunError, RunId, RunStatus, StageId, SubmitError,
    SubmitOptions, TaskBody, TaskContext, TaskError, TaskGraph, TaskId, TaskInputs, TaskResult, TaskStatus, ValueRef,
    Wiring,
};

/// Runs a graph on the calling thread, stage by stage, before [`submit`](Executor::submit) returns.
///
/// It has no memory limit, no timeouts and no events, and does not wait before it tries again: it is the oracle that tests
/// compare other executors with, and enough to try a small graph.
#[derive(Debug, Default)]
pub struct InlineExecutor {
    next_run: AtomicU64,
}

impl InlineExecutor {
    /// An executor that has run nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Executor for InlineExecutor {
    fn name(&self) -> &str {
        "inline"
    }

    fn submit(&self, graph: Arc<TaskGraph>, _options: SubmitOptions) -> Result<Arc<dyn GraphRun>, SubmitError> {
        let id = RunId(self.next_run.fetch_add(1, Ordering::Relaxed));
        // A nested graph runs on an executor of its own: nothing is shared, so nothing can be starved.
        let context = RunContext::new(id, Arc::clone(&graph)).with_executor(Arc::new(Self::new()));
        let result = evaluate(&graph, &Arc::new(context));
        let (values, error) = match result {
            Ok(values) => (values, None),
            Err(error) => (HashMap::new(), Some(error)),
        };
        Ok(Arc::new(InlineRun { id, graph, values: Mutex::new(values), error }))
    }

    fn events(&self) -> Box<dyn EventReader> {
        Box::new(crate::event::NoEvents)
    }
}

/// The values of all tasks that outputs ask for.
fn evaluate(graph: &TaskGraph, context: &Arc<RunContext>) -> Result<HashMap<TaskId, ValueRef>, RunError> {
    let mut values: HashMap<TaskId, ValueRef> = HashMap::new();
    let mut n_reads: HashMap<TaskId, u32> = HashMap::new();
    for (stage_id, stage) in graph.stages() {
        for partition in stage.active.iter() {
            let task = TaskId::new(stage_id, partition);
            let fail = |error| RunError::Task { key: graph.task_key(task), error };
            let inputs = inputs_of(graph, task, &values).map_err(fail)?;
            values.insert(task, attempt(graph, task, &inputs, context).map_err(fail)?);
            graph.for_each_input(task, |_, upstream| {
                let n_left = n_reads.entry(upstream).or_insert_with(|| graph.n_consumers(upstream));
                *n_left -= 1;
                if *n_left == 0 && !graph.kept(upstream.stage).contains(upstream.partition) {
                    values.remove(&upstream);
                }
            });
        }
    }
    values.retain(|task, _| graph.kept(task.stage).contains(task.partition));
    Ok(values)
}

fn inputs_of(graph: &TaskGraph, task: TaskId, values: &HashMap<TaskId, ValueRef>) -> Result<TaskInputs, TaskError> {
    let stage = graph.stage(task.stage);
    let mut inputs = TaskInputs::new();
    for (input_idx, input) in stage.inputs.iter().enumerate() {
        let n_up = graph.stage(input.stage).n_tasks;
        let is_exchange = matches!(input.wiring, Wiring::Exchange(_));
        let mut result = Ok(());
        let mut position = 0;
        input.wiring.for_each_input(n_up, stage.n_tasks, task.partition, |q| {
            let value = values.get(&TaskId::new(input.stage, q)).cloned();
            let value = if is_exchange { value.and_then(|value| value.piece(task.partition)) } else { value };
            match value {
                Some(value) => inputs.push(value),
                None => result = Err(TaskError::InputMissing { input_idx, position }),
            }
            position += 1;
        });
        result?;
        inputs.end_input();
    }
    Ok(inputs)
}

fn attempt(graph: &TaskGraph, task: TaskId, inputs: &TaskInputs, context: &Arc<RunContext>) -> TaskResult {
    let stage = graph.stage(task.stage);
    let mut n_attempts = 0;
    loop {
        let context = TaskContext::new(Arc::clone(context), task, n_attempts);
        let run = || match stage.op.body(task.partition) {
            TaskBody::Sync(body) => body(inputs.clone(), &context),
            TaskBody::Stream(body) => block_on(body(inputs.clone(), context.clone())),
        };
        let result = catch_unwind(AssertUnwindSafe(run));
        let result = result.unwrap_or_else(|panic| Err(TaskError::panicked(&*panic)));
        match result {
            Err(error) if error.is_transient() && n_attempts < stage.options_of(task.partition).retries => {
                n_attempts += 1;
            }
            result => return result,
        }
    }
}

/// Wakes a thread that waits for a future.
struct Unpark {
    thread: Thread,
    /// Set by a wake that was not seen yet: a task that waits for another graph parks the thread too, and may take the wake.
    is_woken: AtomicBool,
}

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.is_woken.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let unpark = Arc::new(Unpark { thread: std::thread::current(), is_woken: AtomicBool::new(false) });
    let waker = Waker::from(Arc::clone(&unpark));
    let mut context = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
        while !unpark.is_woken.swap(false, Ordering::Acquire) {
            std::thread::park();
        }
    }
}

/// A graph that has been run.
#[derive(Debug)]
struct InlineRun {
    id: RunId,
    graph: Arc<TaskGraph>,
    values: Mutex<HashMap<TaskId, ValueRef>>,
    error: Option<RunError>,
}

impl InlineRun {
    fn result(&self, task: TaskId) -> Result<ValueRef, RunError> {
        if let Some(error) = &self.error {
            return Err(error.clone());
        }
        let values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        let value = values.get(&task).cloned();
        value.ok_or_else(|| RunError::NotKept { key: self.graph.task_key(task) })
    }
}

impl GraphRun for InlineRun {
    fn id(&self) -> RunId {
        self.id
    }

    fn graph(&self) -> &Arc<TaskGraph> {
        &self.graph
    }

    fn status(&self) -> RunStatus {
        if self.error.is_some() { RunStatus::Failed } else { RunStatus::Finished }
    }

    fn n_done(&self) -> u64 {
        if self.error.is_some() { 0 } else { self.graph.n_tasks() }
    }

    fn task_status(&self, task: TaskId) -> TaskStatus {
        let is_active = |stage: StageId| self.graph.stage(stage).active.contains(task.partition);
        match (self.result(task), &self.error) {
            (Ok(_), _) => TaskStatus::Finished,
            (Err(_), _) if !is_active(task.stage) => TaskStatus::Unwanted,
            (Err(_), Some(_)) => TaskStatus::Failed,
            (Err(_), None) => TaskStatus::Released,
        }
    }

    fn value(&self, task: TaskId) -> BoxFuture<Result<ValueRef, RunError>> {
        Box::pin(std::future::ready(self.result(task)))
    }

    fn wait_value(&self, task: TaskId, _timeout: Option<Duration>) -> Option<Result<ValueRef, RunError>> {
        Some(self.result(task))
    }

    fn finished(&self) -> BoxFuture<Result<(), RunError>> {
        Box::pin(std::future::ready(self.error.clone().map_or(Ok(()), Err)))
    }

    fn wait_finished(&self, _timeout: Option<Duration>) -> Option<Result<(), RunError>> {
        Some(self.error.clone().map_or(Ok(()), Err))
    }

    fn release(&self, task: TaskId) {
        self.values.lock().unwrap_or_else(PoisonError::into_inner).remove(&task);
    }

    fn cancel(&self) {}

    fn cancel_task(&self, _task: TaskId) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Count, Lambda, Mix, Number};
    use crate::{GraphBuilder, PartitionSet, Pieces, Stage, TaskOptions};

    fn run(stage: Stage) -> Arc<dyn GraphRun> {
        let mut builder = GraphBuilder::new();
        let id = builder.add_stage(stage).unwrap();
        builder.add_output(id, PartitionSet::one(0)).unwrap();
        InlineExecutor::new().submit(Arc::new(builder.build().unwrap()), SubmitOptions::default()).unwrap()
    }

    const FIRST: TaskId = TaskId { stage: StageId(0), partition: 0 };

    #[test]
    fn a_transient_error_is_tried_again_and_a_panic_is_an_error() {
        let op = || {
            Lambda::op(|_, context| match context.attempt() {
                0 | 1 => Err(TaskError::transient("reset by peer")),
                n => Ok(Number::value(u64::from(n))),
            })
        };
        let options = |retries| TaskOptions { retries, ..TaskOptions::default() };
        let patient = run(Stage::new("load", 1, op()).options(options(2)));
        assert_eq!(Number::of(&patient.wait_value(FIRST, None).unwrap().unwrap()), 2);
        let hasty = run(Stage::new("load", 1, op()).options(options(1)));
        assert_eq!(hasty.status(), RunStatus::Failed);
        let error = hasty.wait_finished(None).unwrap().unwrap_err();
        assert_eq!(error.to_string(), "`load[0]` failed: reset by peer");
        let panics = run(Stage::new("boom", 1, Lambda::op(|_, _| panic!("no {}", 7))));
        let error = panics.wait_finished(None).unwrap().unwrap_err();
        assert_eq!(error.to_string(), "`boom[0]` failed: panicked: no 7");
    }

    #[test]
    fn a_value_lives_until_its_last_reader_is_done() {
        let mut builder = GraphBuilder::new();
        let count = Arc::new(Count::default());
        let kept = Arc::clone(&count);
        let make = Lambda::op(move |_, _| Ok(kept.value()));
        let source = builder.add_stage(Stage::new("source", 100, make)).unwrap();
        let seen = Arc::clone(&count);
        let sum = Lambda::op(move |inputs, _| {
            drop(inputs);
            Ok(Number::value(seen.n_alive()))
        });
        let tree = Wiring::Tree { fan_in: 10 };
        let sums = builder.add_stage(Stage::new("sum", 10, sum).input(source, tree)).unwrap();
        builder.add_output_all(sums).unwrap();
        let run = InlineExecutor::new().submit(Arc::new(builder.build().unwrap()), SubmitOptions::default()).unwrap();
        let alive = |p| Number::of(&run.wait_value(TaskId::new(sums, p), None).unwrap().unwrap());
        assert_eq!((0..10).map(alive).collect::<Vec<_>>(), [100, 90, 80, 70, 60, 50, 40, 30, 20, 10]);
        assert_eq!(count.n_alive(), 0);
    }

    #[test]
    fn an_exchange_hands_out_pieces() {
        let mut builder = GraphBuilder::new();
        let cut = Lambda::op(|_, context| {
            let base = u64::from(context.partition()) * 10;
            Ok(Arc::new(Pieces::new((0..3).map(|p| Number::value(base + p)).collect())))
        });
        let cut = builder.add_stage(Stage::new("cut", 2, cut)).unwrap();
        let exchange = Wiring::Exchange(crate::ExchangeKind::Hash);
        let sum = Stage::new("sum", 3, Lambda::sum()).input(cut, exchange);
        let sum = builder.add_stage(sum).unwrap();
        builder.add_output_all(sum).unwrap();
        let run = InlineExecutor::new().submit(Arc::new(builder.build().unwrap()), SubmitOptions::default()).unwrap();
        let value = |p| Number::of(&run.wait_value(TaskId::new(sum, p), None).unwrap().unwrap());
        assert_eq!((0..3).map(value).collect::<Vec<_>>(), [10, 12, 14]);
    }

    #[test]
    fn a_waiting_body_is_waited_for() {
        let mix = Mix { is_stream: true, ..Mix::default() };
        let run = run(Stage::new("waits", 1, Arc::new(mix)));
        let expected = Mix::default().value(0, &TaskInputs::new());
        assert_eq!(Number::of(&run.wait_value(FIRST, None).unwrap().unwrap()), Number::of(&expected));
        assert_eq!(run.task_status(FIRST), TaskStatus::Finished);
        run.release(FIRST);
        assert_eq!(run.task_status(FIRST), TaskStatus::Released);
    }
}
