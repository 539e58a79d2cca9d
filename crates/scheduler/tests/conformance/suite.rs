//! The checks. Each gets an executor that was made for it, and says what it expects of every executor.

use std::any::Any;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use dolmen_graph::{
    ByteEstimate, EventKind, Executor, GraphRun, InlineExecutor, Parent, RunError, RunStatus, Stage, StageId,
    SubmitError, SubmitOptions, TaskError, TaskGraph, TaskId, TaskOptions, TaskStatus, Wiring, compute, delayed,
    delayed_with_context,
};
use dolmen_storage::MemoryBudget;

use crate::programs::{Lambda, Number, everything, graph, mix, single};

/// What an executor can do; a check that needs more is satisfied.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Abilities {
    /// Time passes: timeouts, waits before another attempt, cancelling from outside.
    pub(crate) has_time: bool,
    /// It keeps to a memory limit.
    pub(crate) has_limit: bool,
    /// Submitting returns before the graph has run.
    pub(crate) is_lazy: bool,
    /// It tells what happens.
    pub(crate) has_events: bool,
}

/// An executor, and what keeps it alive.
pub(crate) struct Subject {
    pub(crate) executor: Arc<dyn Executor>,
    pub(crate) abilities: Abilities,
    pub(crate) budget: Option<Arc<MemoryBudget>>,
    _keep: Box<dyn Any>,
}

impl Subject {
    pub(crate) fn new(
        executor: Arc<dyn Executor>,
        abilities: Abilities,
        budget: Option<Arc<MemoryBudget>>,
        keep: Box<dyn Any>,
    ) -> Self {
        Self { executor, abilities, budget, _keep: keep }
    }

    fn submit(&self, graph: &Arc<TaskGraph>) -> Arc<dyn GraphRun> {
        self.executor.submit(Arc::clone(graph), SubmitOptions::default()).unwrap()
    }
}

const FIRST: TaskId = TaskId { stage: StageId(0), partition: 0 };
/// Nothing that is right takes so long.
const LONG: Option<Duration> = Some(Duration::from_secs(60));
const NO_LIMIT: usize = usize::MAX;

fn values(run: &Arc<dyn GraphRun>) -> Vec<u64> {
    let outputs = run.graph().outputs().iter();
    let tasks = outputs.flat_map(|output| output.partitions.iter().map(|p| TaskId::new(output.stage, p)));
    tasks.map(|task| Number::of(&run.wait_value(task, LONG).expect("in time").unwrap())).collect()
}

fn expected(graph: &Arc<TaskGraph>) -> Vec<u64> {
    values(&InlineExecutor::new().submit(Arc::clone(graph), SubmitOptions::default()).unwrap())
}

/// Waits until something holds.
fn until(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(30), "{what} does not come");
        std::thread::sleep(Duration::from_millis(1));
    }
}

pub(crate) fn every_wiring_gives_the_same_values(make: impl Fn(usize) -> Subject) {
    let subject = make(NO_LIMIT);
    let graph = everything(0);
    let expected = expected(&graph);
    for _ in 0..20 {
        let run = subject.submit(&graph);
        assert_eq!(values(&run), expected);
        run.wait_finished(LONG).unwrap().unwrap();
        assert_eq!(run.status(), RunStatus::Finished);
    }
}

pub(crate) fn many_graphs_at_once(make: impl Fn(usize) -> Subject) {
    let subject = make(NO_LIMIT);
    let graph = everything(0);
    let expected = expected(&graph);
    let runs: Vec<_> = (0..50).map(|_| subject.submit(&graph)).collect();
    for run in runs.iter().rev() {
        assert_eq!(values(run), expected);
    }
}

pub(crate) fn values_go_to_disk_and_come_back(make: impl Fn(usize) -> Subject) {
    // All values together are about 30 times as much as there is room for.
    let subject = make(3 << 20);
    let graph = wide(200_000);
    let run = subject.submit(&graph);
    assert_eq!(values(&run), expected(&graph));
    run.wait_finished(LONG).unwrap().unwrap();
    if !subject.abilities.has_limit {
        return;
    }
    let budget = subject.budget.as_ref().unwrap();
    assert!(budget.peak_bytes() < 6 << 20, "{} bytes were in use", budget.peak_bytes());
    drop(run);
    until("the end of the last write", || budget.used_bytes() == 0);
}

/// A stage of which all values are needed at once.
fn wide(room: usize) -> Arc<TaskGraph> {
    graph(|b| {
        let bytes = ByteEstimate::Exact(32 + room as u64);
        let source = b.add_stage(Stage::new("source", 500, Lambda::op(mix(room))).bytes(bytes)).unwrap();
        let back = Stage::new("back", 500, Lambda::op(mix(0)));
        let gate = b.add_stage(Stage::new("gate", 1, Lambda::op(|_, _| Ok(Number::value(1))))).unwrap();
        let tree = b.add_stage(Stage::new("tree", 1, Lambda::op(mix(0))).input(gate, Wiring::Same)).unwrap();
        let back = back.input(source, Wiring::Same).input(tree, Wiring::Broadcast { partition: 0 });
        let back = b.add_stage(back.bytes(ByteEstimate::Exact(32))).unwrap();
        let sum = b.add_stage(Stage::new("sum", 1, Lambda::op(mix(0))).input(back, Wiring::All)).unwrap();
        b.add_output_all(sum).unwrap();
        b.add_output(source, dolmen_graph::PartitionSet::range(0..40)).unwrap();
    })
}

pub(crate) fn what_cannot_fit_is_an_error_with_a_name(make: impl Fn(usize) -> Subject) {
    let subject = make(1 << 20);
    if !subject.abilities.has_limit {
        return;
    }
    let graph = graph(|b| {
        let big = Stage::new("big", 1, Lambda::op(mix(2 << 20))).bytes(ByteEstimate::Exact(2 << 20));
        let id = b.add_stage(big).unwrap();
        b.add_output_all(id).unwrap();
    });
    let error = subject.submit(&graph).wait_finished(LONG).unwrap().unwrap_err();
    let RunError::MemoryLimit { key, needed_bytes, limit_bytes, .. } = error else { panic!("{error}") };
    assert_eq!((key.as_str(), needed_bytes, limit_bytes), ("big[0]", 2 << 20, 1 << 20));
    // The executor goes on.
    assert_eq!(values(&subject.submit(&single(Lambda::op(|_, _| Ok(Number::value(5)))))), [5]);
}

pub(crate) fn a_failure_names_the_task_and_harms_nobody_else(make: impl Fn(usize) -> Subject) {
    let subject = make(NO_LIMIT);
    let bad = graph(|b| {
        let op = Lambda::op(|inputs, context| match context.partition() {
            7 => Err(TaskError::failed("no such file")),
            _ => mix(0)(inputs, context),
        });
        let load = b.add_stage(Stage::new("load", 20, op)).unwrap();
        let sum = b.add_stage(Stage::new("sum", 1, Lambda::op(mix(0))).input(load, Wiring::All)).unwrap();
        b.add_output_all(sum).unwrap();
    });
    let good = everything(0);
    let (bad, good_run) = (subject.submit(&bad), subject.submit(&good));
    let error = bad.wait_value(TaskId::new(StageId(1), 0), LONG).unwrap().unwrap_err();
    assert_eq!(error.to_string(), "`load[7]` failed: no such file");
    assert_eq!(bad.status(), RunStatus::Failed);
    assert_eq!(bad.wait_finished(LONG).unwrap().unwrap_err().to_string(), "`load[7]` failed: no such file");
    assert_eq!(values(&good_run), expected(&good));
}

pub(crate) fn a_panic_is_an_error_and_the_workers_live(make: impl Fn(usize) -> Subject) {
    let subject = make(NO_LIMIT);
    for _ in 0..10 {
        let run = subject.submit(&single(Lambda::op(|_, _| panic!("out of cheese"))));
        let error = run.wait_finished(LONG).unwrap().unwrap_err();
        assert_eq!(error.to_string(), "`single[0]` failed: panicked: out of cheese");
    }
    let graph = everything(0);
    assert_eq!(values(&subject.submit(&graph)), expected(&graph));
}

pub(crate) fn transient_errors_are_tried_again(make: impl Fn(usize) -> Subject) {
    let subject = make(NO_LIMIT);
    let run = |retries| {
        let op = Lambda::op(|_, context| match context.attempt() {
            0 | 1 => Err(TaskError::transient("reset by peer")),
            n => Ok(Number::value(u64::from(n))),
        });
        let graph = graph(|b| {
            let stage = Stage::new("load", 3, op).options(TaskOptions { retries, ..TaskOptions::default() });
            let id = b.add_stage(stage).unwrap();
            b.add_output_all(id).unwrap();
        });
        subject.submit(&graph)
    };
    assert_eq!(values(&run(2)), [2, 2, 2]);
    let error = run(1).wait_finished(LONG).unwrap().unwrap_err();
    assert!(error.to_string().ends_with("failed: reset by peer"), "{error}");
}

pub(crate) fn an_attempt_that_takes_too_long_is_given_up(make: impl Fn(usize) -> Subject) {
    let subject = make(NO_LIMIT);
    if !subject.abilities.has_time {
        return;
    }
    let op = Lambda::op(|_, context| {
        while !context.is_cancelled() {
            std::thread::sleep(Duration::from_millis(1));
        }
        Err(TaskError::Cancelled)
    });
    let graph = graph(|b| {
        let options = TaskOptions { timeout: Some(Duration::from_millis(30)), ..TaskOptions::default() };
        let id = b.add_stage(Stage::new("slow", 1, op).options(options)).unwrap();
        b.add_output_all(id).unwrap();
    });
    let error = subject.submit(&graph).wait_finished(LONG).unwrap().unwrap_err();
    assert_eq!(error.to_string(), "`slow[0]` took longer than 30 ms");
    assert_eq!(values(&subject.submit(&single(Lambda::op(|_, _| Ok(Number::value(5)))))), [5]);
}

pub(crate) fn cancelling_stops_what_runs_and_what_would(make: impl Fn(usize) -> Subject) {
    let subject = make(NO_LIMIT);
    if !subject.abilities.is_lazy {
        return;
    }
    let (n_begun, is_cancelled) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicBool::new(false)));
    let (begun, cancelled) = (Arc::clone(&n_begun), Arc::clone(&is_cancelled));
    let n_late = Arc::new(AtomicU32::new(0));
    let late = Arc::clone(&n_late);
    let op = Lambda::op(move |_, context| {
        late.fetch_add(u32::from(cancelled.load(Ordering::SeqCst)), Ordering::SeqCst);
        begun.fetch_add(1, Ordering::SeqCst);
        while !context.is_cancelled() {
            std::thread::sleep(Duration::from_millis(1));
        }
        Err(TaskError::Cancelled)
    });
    let graph = graph(|b| {
        let id = b.add_stage(Stage::new("slow", 100, op)).unwrap();
        b.add_output_all(id).unwrap();
    });
    let run = subject.submit(&graph);
    until("the first task", || n_begun.load(Ordering::SeqCst) > 0);
    let begun = Instant::now();
    run.cancel();
    is_cancelled.store(true, Ordering::SeqCst);
    assert!(begun.elapsed() < Duration::from_millis(100), "cancelling took {:?}", begun.elapsed());
    assert!(matches!(run.wait_finished(LONG).unwrap(), Err(RunError::Cancelled)));
    assert!(matches!(run.wait_value(FIRST, LONG).unwrap(), Err(RunError::Cancelled)));
    assert_eq!((run.status(), run.task_status(FIRST)), (RunStatus::Cancelled, TaskStatus::Cancelled));
    assert_eq!(values(&subject.submit(&single(Lambda::op(|_, _| Ok(Number::value(5)))))), [5]);
    assert_eq!(n_late.load(Ordering::SeqCst), 0, "tasks began after the run was cancelled");
}

pub(crate) fn cancelling_a_task_leaves_the_others(make: impl Fn(usize) -> Subject) {
    let subject = make(NO_LIMIT);
    if !subject.abilities.is_lazy {
        return;
    }
    let is_open = Arc::new(AtomicBool::new(false));
    let open = Arc::clone(&is_open);
    let op = Lambda::op(move |_, context| {
        while !open.load(Ordering::SeqCst) && !context.is_cancelled() {
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(Number::value(u64::from(context.partition())))
    });
    let graph = graph(|b| {
        let first = b.add_stage(Stage::new("first", 8, op)).unwrap();
        let next = b.add_stage(Stage::new("next", 8, Lambda::op(mix(0))).input(first, Wiring::Same)).unwrap();
        b.add_output_all(next).unwrap();
        b.add_output_all(first).unwrap();
    });
    let run = subject.submit(&graph);
    run.cancel_task(TaskId::new(StageId(0), 3));
    is_open.store(true, Ordering::SeqCst);
    for p in 0..8 {
        let first = run.wait_value(TaskId::new(StageId(0), p), LONG).unwrap();
        let next = run.wait_value(TaskId::new(StageId(1), p), LONG).unwrap();
        if p == 3 {
            assert!(matches!((first, next), (Err(RunError::Cancelled), Err(RunError::Cancelled))));
        } else {
            assert_eq!(Number::of(&first.unwrap()), u64::from(p));
            next.unwrap();
        }
    }
    assert!(matches!(run.wait_finished(LONG).unwrap(), Err(RunError::Cancelled)));
    assert_eq!(run.task_status(TaskId::new(StageId(1), 3)), TaskStatus::Cancelled);
}

pub(crate) fn dropping_the_handle_frees_everything(make: impl Fn(usize) -> Subject) {
    let subject = make(64 << 20);
    let graph = everything(10_000);
    for _ in 0..20 {
        drop(subject.submit(&graph));
    }
    let run = subject.submit(&graph);
    values(&run);
    let value = run.wait_value(TaskId::new(StageId(8), 0), LONG).unwrap().unwrap();
    drop(run);
    if let Some(budget) = &subject.budget {
        until("the last byte", || budget.used_bytes() == 0);
    }
    assert!(value.size_bytes() > 10_000, "a value that was handed out stays");
    assert_eq!(Arc::strong_count(&value), 1, "and belongs to nobody else");
}

pub(crate) fn released_results_are_gone(make: impl Fn(usize) -> Subject) {
    let subject = make(NO_LIMIT);
    let run = subject.submit(&everything(0));
    let last = TaskId::new(StageId(8), 0);
    run.wait_finished(LONG).unwrap().unwrap();
    assert_eq!(run.task_status(last), TaskStatus::Finished);
    run.release(last);
    assert_eq!(run.task_status(last), TaskStatus::Released);
    let error = run.wait_value(last, LONG).unwrap().unwrap_err();
    assert_eq!(error.to_string(), "no result is kept for `last[0]`");
    run.wait_value(TaskId::new(StageId(8), 1), LONG).unwrap().unwrap();
    let unasked = run.wait_value(FIRST, LONG).unwrap().unwrap_err();
    assert_eq!(unasked.to_string(), "no result is kept for `source[0]`");
}

pub(crate) fn nested_graphs_never_starve(make: impl Fn(usize) -> Subject) {
    let subject = make(NO_LIMIT);
    let sum = fib(subject.executor.as_ref(), 12);
    assert_eq!(sum, 144);
    // More of them at once than there are workers.
    let graph = graph(|b| {
        let op = Lambda::op(|_, context| Ok(Number::value(fib(context, 7))));
        let id = b.add_stage(Stage::new("fib", 12, op)).unwrap();
        b.add_output_all(id).unwrap();
    });
    assert_eq!(values(&subject.submit(&graph)), [13; 12]);
}

fn fib(executor: &dyn Executor, n: u64) -> u64 {
    let op = delayed_with_context(
        |context: &dolmen_graph::TaskContext, n: u64| {
            if n < 2 { n } else { fib(context, n - 1) + fib(context, n - 2) }
        },
    );
    compute(executor, op.call(n)).unwrap()
}

pub(crate) fn nesting_is_deep(make: impl Fn(usize) -> Subject) {
    fn down(executor: &dyn Executor, n: u32) -> u32 {
        let op = delayed_with_context(
            |context: &dolmen_graph::TaskContext, n: u32| {
                if n == 0 { 0 } else { down(context, n - 1) + 1 }
            },
        );
        compute(executor, op.call(n)).unwrap()
    }
    let subject = make(NO_LIMIT);
    let depth = if subject.abilities.has_time { 200 } else { 10 };
    assert_eq!(down(subject.executor.as_ref(), depth), depth);
}

pub(crate) fn a_body_that_waits_may_await_a_nested_graph(make: impl Fn(usize) -> Subject) {
    #[derive(Debug)]
    struct Awaits;
    impl dolmen_graph::Op for Awaits {
        fn name(&self) -> &str {
            "awaits"
        }
        fn encode(&self) -> Result<Vec<u8>, dolmen_graph::EncodeError> {
            Ok(Vec::new())
        }
        fn body(&self, partition: u32) -> dolmen_graph::TaskBody {
            dolmen_graph::TaskBody::stream(move |_, context| async move {
                let graph = everything(0);
                let run = context.submit(graph, SubmitOptions::default()).map_err(TaskError::failed)?;
                let value = run.value(TaskId::new(StageId(8), partition % 3)).await.map_err(TaskError::failed)?;
                run.finished().await.map_err(TaskError::failed)?;
                Ok(value)
            })
        }
    }
    let subject = make(NO_LIMIT);
    let graph = graph(|b| {
        let id = b.add_stage(Stage::new("awaits", 9, Arc::new(Awaits))).unwrap();
        b.add_output_all(id).unwrap();
    });
    let inner = expected(&everything(0));
    let expected: Vec<u64> = (0..9).map(|p| inner[p % 3]).collect();
    assert_eq!(values(&subject.submit(&graph)), expected);
}

pub(crate) fn higher_priority_starts_first(make: impl Fn(usize) -> Subject) {
    let subject = make(NO_LIMIT);
    let order = Arc::new(Mutex::new(Vec::new()));
    let note = |name: &'static str| {
        let order = Arc::clone(&order);
        Lambda::op(move |_, _| {
            order.lock().unwrap().push(name);
            Ok(Number::value(0))
        })
    };
    let graph = graph(|b| {
        let gate = b.add_stage(Stage::new("gate", 1, Lambda::op(mix(0)))).unwrap();
        let usual = Stage::new("usual", 1, note("usual")).input(gate, Wiring::All);
        let options = TaskOptions { priority: 5, ..TaskOptions::default() };
        let urgent = Stage::new("urgent", 1, note("urgent")).input(gate, Wiring::All).options(options);
        let (usual, urgent) = (b.add_stage(usual).unwrap(), b.add_stage(urgent).unwrap());
        b.add_output_all(usual).unwrap();
        b.add_output_all(urgent).unwrap();
    });
    subject.submit(&graph).wait_finished(LONG).unwrap().unwrap();
    let order = order.lock().unwrap();
    assert_eq!(order.len(), 2);
    // On several threads both may start at once; the oracle has no priorities.
    assert!(subject.executor.name() != "synchronous" || *order == ["urgent", "usual"], "{order:?}");
}

pub(crate) fn events_tell_the_whole_story(make: impl Fn(usize) -> Subject) {
    let subject = make(NO_LIMIT);
    if !subject.abilities.has_events {
        return;
    }
    let mut reader = subject.executor.events();
    let graph = everything(0);
    let run = subject.submit(&graph);
    run.wait_finished(LONG).unwrap().unwrap();
    let mut events = Vec::new();
    assert_eq!(reader.read(&mut events), 0);
    let count = |of: fn(&EventKind) -> bool| events.iter().filter(|event| of(&event.kind)).count() as u64;
    assert_eq!(count(|kind| matches!(kind, EventKind::RunStarted { .. })), 1);
    assert_eq!(count(|kind| matches!(kind, EventKind::RunFinished { status: RunStatus::Finished })), 1);
    assert_eq!(count(|kind| matches!(kind, EventKind::StageStarted { .. })), u64::from(graph.n_stages()));
    assert_eq!(count(|kind| matches!(kind, EventKind::StageFinished { .. })), u64::from(graph.n_stages()));
    assert_eq!(count(|kind| matches!(kind, EventKind::TaskFinished { .. })), graph.n_tasks());
    assert!(events.iter().all(|event| event.run == Some(run.id())));
    assert!(events.is_sorted_by_key(|event| event.at_ns));
}

pub(crate) fn futures_of_values_resolve(make: impl Fn(usize) -> Subject) {
    let subject = make(NO_LIMIT);
    let graph = everything(0);
    let expected = expected(&graph);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let run = subject.submit(&graph);
    let got = runtime.block_on(async {
        let mut got = Vec::new();
        for p in 0..3 {
            got.push(Number::of(&run.value(TaskId::new(StageId(8), p)).await.unwrap()));
        }
        run.finished().await.unwrap();
        got
    });
    assert_eq!(got, expected[..3]);
}

pub(crate) fn a_wait_ends_in_time(make: impl Fn(usize) -> Subject) {
    let subject = make(NO_LIMIT);
    if !subject.abilities.is_lazy {
        return;
    }
    let is_open = Arc::new(AtomicBool::new(false));
    let open = Arc::clone(&is_open);
    let run = subject.submit(&single(Lambda::op(move |_, _| {
        while !open.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(Number::value(1))
    })));
    assert!(run.wait_value(FIRST, Some(Duration::ZERO)).is_none());
    let begun = Instant::now();
    assert!(run.wait_finished(Some(Duration::from_millis(20))).is_none());
    assert!(begun.elapsed() >= Duration::from_millis(20));
    is_open.store(true, Ordering::SeqCst);
    assert_eq!(values(&run), [1]);
}

pub(crate) fn each_task_runs_once(make: impl Fn(usize) -> Subject) {
    let subject = make(NO_LIMIT);
    let n_runs: Arc<Vec<AtomicU32>> = Arc::new((0..20_000).map(|_| AtomicU32::new(0)).collect());
    let counts = Arc::clone(&n_runs);
    let total = Arc::new(AtomicU64::new(0));
    let sum = Arc::clone(&total);
    let op = Lambda::op(move |_, context| {
        counts[context.partition() as usize].fetch_add(1, Ordering::Relaxed);
        sum.fetch_add(u64::from(context.partition()), Ordering::Relaxed);
        Ok(Number::value(1))
    });
    let graph = graph(|b| {
        let id = b.add_stage(Stage::new("count", 20_000, op)).unwrap();
        let add = Lambda::op(|inputs, _| Ok(Number::value(inputs.into_values().iter().map(Number::of).sum())));
        let sum = b.add_stage(Stage::new("sum", 1, add).input(id, Wiring::All)).unwrap();
        b.add_output_all(sum).unwrap();
    });
    assert_eq!(values(&subject.submit(&graph)), [20_000]);
    assert!(n_runs.iter().all(|n| n.load(Ordering::Relaxed) == 1));
    assert_eq!(total.load(Ordering::Relaxed), (0..20_000).sum::<u64>());
}

pub(crate) fn delayed_programs_run(make: impl Fn(usize) -> Subject) {
    let subject = make(NO_LIMIT);
    let (inc, add) = (delayed(|x: u64| x + 1), delayed(|x: u64, y: u64| x + y));
    let mut total = inc.call(0);
    for n in 1..8 {
        total = add.call((&total, inc.call(n)));
    }
    assert_eq!(compute(subject.executor.as_ref(), total).unwrap(), 36);
}

pub(crate) fn a_parent_that_is_gone_is_no_obstacle(make: impl Fn(usize) -> Subject) {
    let subject = make(NO_LIMIT);
    let parent = Parent { run: dolmen_graph::RunId(987_654_321), task: FIRST };
    let options = SubmitOptions { parent: Some(parent), ..SubmitOptions::default() };
    let run = subject.executor.submit(single(Lambda::op(|_, _| Ok(Number::value(3)))), options);
    let run = run.unwrap_or_else(|error: SubmitError| panic!("{error}"));
    assert_eq!(values(&run), [3]);
}

/// All checks as tests of one executor.
macro_rules! checks {
    ($make:expr) => {
        suite::checks! { @ $make,
            every_wiring_gives_the_same_values many_graphs_at_once values_go_to_disk_and_come_back
            what_cannot_fit_is_an_error_with_a_name a_failure_names_the_task_and_harms_nobody_else
            a_panic_is_an_error_and_the_workers_live transient_errors_are_tried_again
            an_attempt_that_takes_too_long_is_given_up cancelling_stops_what_runs_and_what_would
            cancelling_a_task_leaves_the_others dropping_the_handle_frees_everything released_results_are_gone
            nested_graphs_never_starve nesting_is_deep a_body_that_waits_may_await_a_nested_graph
            higher_priority_starts_first events_tell_the_whole_story futures_of_values_resolve a_wait_ends_in_time
            each_task_runs_once delayed_programs_run a_parent_that_is_gone_is_no_obstacle
        }
    };
    (@ $make:expr, $($check:ident)*) => {
        $(#[test] fn $check() { suite::$check($make); })*
    };
}
pub(crate) use checks;
