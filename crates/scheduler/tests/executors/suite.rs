//! The checks. Each gets an executor that was made for it, and says what it expects of every executor.

use std::any::Any;
use std::collections::HashSet;
use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dolmen_graph::testing::{Mix, Number};
use dolmen_graph::{
    ByteEstimate, EventKind, Executor, GraphRun, InlineExecutor, Parent, RunError, RunStatus, Stage, StageId,
    SubmitError, SubmitOptions, TaskGraph, TaskId, TaskOptions, TaskStatus, Wiring, compute,
};
use dolmen_storage::MemoryBudget;

use crate::programs::{Act, LAST, everything, graph, notes, registry, single, tasks, wide, with_odd_stage};

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
    /// Its workers are processes, which end when a task ends them.
    pub(crate) has_processes: bool,
    pub(crate) n_workers: u32,
}

/// An executor, and what keeps it alive.
pub(crate) struct Subject {
    pub(crate) executor: Arc<dyn Executor>,
    pub(crate) abilities: Abilities,
    pub(crate) budget: Option<Arc<MemoryBudget>>,
    /// What the executor holds of the budget without any graph.
    idle_bytes: usize,
    /// Ends all workers.
    pub(crate) kill: Option<Box<dyn Fn()>>,
    _keep: Box<dyn Any>,
}

impl Subject {
    pub(crate) fn new(
        executor: Arc<dyn Executor>,
        abilities: Abilities,
        budget: Option<Arc<MemoryBudget>>,
        keep: Box<dyn Any>,
    ) -> Self {
        let idle_bytes = budget.as_ref().map_or(0, |budget| budget.used_bytes());
        Self { executor, abilities, budget, idle_bytes, kill: None, _keep: keep }
    }

    pub(crate) fn submit(&self, graph: &Arc<TaskGraph>) -> Arc<dyn GraphRun> {
        self.executor.submit(Arc::clone(graph), SubmitOptions::default()).unwrap()
    }
}

const FIRST: TaskId = TaskId { stage: StageId(0), partition: 0 };
/// Nothing that is right takes so long.
pub(crate) const LONG: Option<Duration> = Some(Duration::from_secs(60));
const NO_LIMIT: usize = usize::MAX;

pub(crate) fn values(run: &Arc<dyn GraphRun>) -> Vec<u64> {
    let outputs = run.graph().outputs().iter();
    let tasks = outputs.flat_map(|output| output.partitions.iter().map(|p| TaskId::new(output.stage, p)));
    tasks.map(|task| Number::of(&run.wait_value(task, LONG).expect("in time").unwrap())).collect()
}

pub(crate) fn expected(graph: &Arc<TaskGraph>) -> Vec<u64> {
    values(&InlineExecutor::new().submit(Arc::clone(graph), SubmitOptions::default()).unwrap())
}

/// Waits until something holds.
pub(crate) fn until(what: &str, holds: impl Fn() -> bool) {
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
    let graph = wide(500, 200_000);
    let run = subject.submit(&graph);
    assert_eq!(values(&run), expected(&graph));
    run.wait_finished(LONG).unwrap().unwrap();
    if !subject.abilities.has_limit {
        return;
    }
    let budget = subject.budget.as_ref().unwrap();
    assert!(budget.peak_bytes() < 6 << 20, "{} bytes were in use", budget.peak_bytes());
    drop(run);
    until("the end of the last write", || budget.used_bytes() == subject.idle_bytes);
}

pub(crate) fn what_cannot_fit_is_an_error_with_a_name(make: impl Fn(usize) -> Subject) {
    let subject = make(1 << 20);
    if !subject.abilities.has_limit {
        return;
    }
    let graph = graph(|b| {
        let op = Arc::new(Mix { room: 2 << 20, ..Mix::default() });
        let big = Stage::new("big", 1, op).bytes(ByteEstimate::Exact(2 << 20));
        let id = b.add_stage(big).unwrap();
        b.add_output_all(id).unwrap();
    });
    let error = subject.submit(&graph).wait_finished(LONG).unwrap().unwrap_err();
    let RunError::MemoryLimit { key, needed_bytes, limit_bytes, .. } = error else { panic!("{error}") };
    assert_eq!((key.as_str(), needed_bytes, limit_bytes), ("big[0]", 2 << 20, 1 << 20));
    // The executor goes on.
    assert_eq!(values(&subject.submit(&single(Act::Give(5).op()))), [5]);
}

pub(crate) fn a_failure_names_the_task_and_harms_nobody_else(make: impl Fn(usize) -> Subject) {
    let subject = make(NO_LIMIT);
    let bad = graph(|b| {
        let load = b.add_stage(Stage::new("load", 20, Act::FailAt(7).op())).unwrap();
        let sum = b.add_stage(Stage::new("sum", 1, Act::Sum.op()).input(load, Wiring::All)).unwrap();
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
        let run = subject.submit(&single(Act::Panic.op()));
        let error = run.wait_finished(LONG).unwrap().unwrap_err();
        assert_eq!(error.to_string(), "`single[0]` failed: panicked: out of cheese");
    }
    let graph = everything(0);
    assert_eq!(values(&subject.submit(&graph)), expected(&graph));
}

pub(crate) fn transient_errors_are_tried_again(make: impl Fn(usize) -> Subject) {
    let subject = make(NO_LIMIT);
    let run = |retries| {
        let graph = graph(|b| {
            let stage = Stage::new("load", 3, Act::FailFirst(2).op())
                .options(TaskOptions { retries, ..TaskOptions::default() });
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
    let graph = graph(|b| {
        let options = TaskOptions { timeout: Some(Duration::from_millis(30)), ..TaskOptions::default() };
        let id = b.add_stage(Stage::new("slow", 1, Act::Listen.op()).options(options)).unwrap();
        b.add_output_all(id).unwrap();
    });
    let error = subject.submit(&graph).wait_finished(LONG).unwrap().unwrap_err();
    assert_eq!(error.to_string(), "`slow[0]` took longer than 30 ms");
    assert_eq!(values(&subject.submit(&single(Act::Give(5).op()))), [5]);
}

pub(crate) fn cancelling_stops_what_runs_and_what_would(make: impl Fn(usize) -> Subject) {
    let subject = make(NO_LIMIT);
    if !subject.abilities.is_lazy {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (begun_file, late_file) = (folder.path().join("begun"), folder.path().join("late"));
    let run = subject.submit(&tasks(100, Act::ListenIn(folder.path().to_owned()).op()));
    // None of them is on its way into a task then.
    until("all workers to run", || notes(&begun_file).len() == subject.abilities.n_workers as usize);
    let begun = Instant::now();
    run.cancel();
    let elapsed = begun.elapsed();
    fs::write(folder.path().join("cancelled"), "").unwrap();
    assert!(elapsed < Duration::from_millis(100), "cancelling took {elapsed:?}");
    assert!(matches!(run.wait_finished(LONG).unwrap(), Err(RunError::Cancelled)));
    assert!(matches!(run.wait_value(FIRST, LONG).unwrap(), Err(RunError::Cancelled)));
    assert_eq!((run.status(), run.task_status(FIRST)), (RunStatus::Cancelled, TaskStatus::Cancelled));
    assert_eq!(values(&subject.submit(&single(Act::Give(5).op()))), [5]);
    assert_eq!(notes(&late_file), Vec::<String>::new(), "tasks began after the run was cancelled");
}

pub(crate) fn cancelling_a_task_leaves_the_others(make: impl Fn(usize) -> Subject) {
    let subject = make(NO_LIMIT);
    if !subject.abilities.is_lazy {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let gate = folder.path().join("open");
    let op = Act::Gate(gate.clone()).op();
    let graph = graph(|b| {
        let first = b.add_stage(Stage::new("first", 8, op)).unwrap();
        let next = b.add_stage(Stage::new("next", 8, Act::Sum.op()).input(first, Wiring::Same)).unwrap();
        b.add_output_all(next).unwrap();
        b.add_output_all(first).unwrap();
    });
    let run = subject.submit(&graph);
    run.cancel_task(TaskId::new(StageId(0), 3));
    fs::write(&gate, "").unwrap();
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
    let value = run.wait_value(TaskId::new(LAST, 0), LONG).unwrap().unwrap();
    drop(run);
    if let Some(budget) = &subject.budget {
        until("the last byte", || budget.used_bytes() == subject.idle_bytes);
    }
    assert!(value.size_bytes() > 10_000, "a value that was handed out stays");
    assert_eq!(Arc::strong_count(&value), 1, "and belongs to nobody else");
}

pub(crate) fn released_results_are_gone(make: impl Fn(usize) -> Subject) {
    let subject = make(NO_LIMIT);
    let run = subject.submit(&everything(0));
    let last = TaskId::new(LAST, 0);
    run.wait_finished(LONG).unwrap().unwrap();
    assert_eq!(run.task_status(last), TaskStatus::Finished);
    run.release(last);
    assert_eq!(run.task_status(last), TaskStatus::Released);
    let error = run.wait_value(last, LONG).unwrap().unwrap_err();
    assert_eq!(error.to_string(), "no result is kept for `last[0]`");
    run.wait_value(TaskId::new(LAST, 1), LONG).unwrap().unwrap();
    let unasked = run.wait_value(FIRST, LONG).unwrap().unwrap_err();
    assert_eq!(unasked.to_string(), "no result is kept for `source[0]`");
}

pub(crate) fn nested_graphs_never_starve(make: impl Fn(usize) -> Subject) {
    let subject = make(NO_LIMIT);
    assert_eq!(values(&subject.submit(&single(Act::Fib(12).op()))), [144]);
    // More of them at once than there are workers.
    assert_eq!(values(&subject.submit(&tasks(12, Act::Fib(7).op()))), [13; 12]);
}

pub(crate) fn nesting_is_deep(make: impl Fn(usize) -> Subject) {
    let subject = make(NO_LIMIT);
    let depth = if subject.abilities.has_time { 200 } else { 10 };
    assert_eq!(values(&subject.submit(&single(Act::Down(depth).op()))), [depth]);
}

pub(crate) fn a_body_that_waits_may_await_a_nested_graph(make: impl Fn(usize) -> Subject) {
    let subject = make(NO_LIMIT);
    let graph = tasks(9, Act::Await.op());
    let inner = expected(&everything(0));
    let expected: Vec<u64> = (0..9).map(|p| inner[p % 3]).collect();
    assert_eq!(values(&subject.submit(&graph)), expected);
}

pub(crate) fn higher_priority_starts_first(make: impl Fn(usize) -> Subject) {
    let subject = make(NO_LIMIT);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("order");
    let graph = graph(|b| {
        let gate = b.add_stage(Stage::new("gate", 1, Act::Give(0).op())).unwrap();
        let usual = Stage::new("usual", 1, Act::Note(file.clone()).op()).input(gate, Wiring::All);
        let options = TaskOptions { priority: 5, ..TaskOptions::default() };
        let urgent = Stage::new("urgent", 1, Act::Note(file.clone()).op()).input(gate, Wiring::All).options(options);
        let (usual, urgent) = (b.add_stage(usual).unwrap(), b.add_stage(urgent).unwrap());
        b.add_output_all(usual).unwrap();
        b.add_output_all(urgent).unwrap();
    });
    subject.submit(&graph).wait_finished(LONG).unwrap().unwrap();
    let order = notes(&file);
    assert_eq!(order.len(), 2);
    // On several threads both may start at once; the oracle has no priorities.
    assert!(subject.executor.name() != "synchronous" || order == ["urgent[0]", "usual[0]"], "{order:?}");
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
            got.push(Number::of(&run.value(TaskId::new(LAST, p)).await.unwrap()));
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
    let folder = tempfile::tempdir().unwrap();
    let gate = folder.path().join("open");
    let run = subject.submit(&single(Act::Gate(gate.clone()).op()));
    assert!(run.wait_value(FIRST, Some(Duration::ZERO)).is_none());
    let begun = Instant::now();
    assert!(run.wait_finished(Some(Duration::from_millis(20))).is_none());
    assert!(begun.elapsed() >= Duration::from_millis(20));
    fs::write(&gate, "").unwrap();
    assert_eq!(values(&run), [0]);
}

pub(crate) fn each_task_runs_once(make: impl Fn(usize) -> Subject) {
    const N_TASKS: u32 = 10_000;
    let subject = make(NO_LIMIT);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("notes");
    let graph = graph(|b| {
        let count = b.add_stage(Stage::new("count", N_TASKS, Act::Note(file.clone()).op())).unwrap();
        let sum = b.add_stage(Stage::new("sum", 1, Act::Sum.op()).input(count, Wiring::All)).unwrap();
        b.add_output_all(sum).unwrap();
    });
    assert_eq!(values(&subject.submit(&graph)), [u64::from(N_TASKS)]);
    let notes = notes(&file);
    assert_eq!(notes.len(), N_TASKS as usize);
    assert_eq!(notes.into_iter().collect::<HashSet<_>>().len(), N_TASKS as usize);
}

pub(crate) fn delayed_programs_run(make: impl Fn(usize) -> Subject) {
    let subject = make(NO_LIMIT);
    let (_, functions) = registry();
    let mut total = functions.inc.call(0);
    for n in 1..8 {
        total = functions.add.call((&total, functions.inc.call(n)));
    }
    assert_eq!(compute(subject.executor.as_ref(), total).unwrap(), 36);
}

pub(crate) fn a_parent_that_is_gone_is_no_obstacle(make: impl Fn(usize) -> Subject) {
    let subject = make(NO_LIMIT);
    let parent = Parent { run: dolmen_graph::RunId(987_654_321), task: FIRST };
    let options = SubmitOptions { parent: Some(parent), ..SubmitOptions::default() };
    let run = subject.executor.submit(single(Act::Give(3).op()), options);
    let run = run.unwrap_or_else(|error: SubmitError| panic!("{error}"));
    assert_eq!(values(&run), [3]);
}

pub(crate) fn a_lost_worker_costs_no_result(make: impl Fn(usize) -> Subject) {
    let subject = make(NO_LIMIT);
    let Some(kill) = &subject.kill else { return };
    let graph = everything(0);
    let expected = expected(&graph);
    for _ in 0..10 {
        let run = subject.submit(&graph);
        kill();
        assert_eq!(values(&run), expected);
    }
}

pub(crate) fn what_a_lost_worker_ran_runs_again(make: impl Fn(usize) -> Subject) {
    let subject = make(NO_LIMIT);
    if !subject.abilities.has_processes {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("die");
    fs::write(&file, "").unwrap();
    let mut events = subject.executor.events();
    let run = subject.submit(&with_odd_stage(0, Act::DieOnce(file.clone())));
    assert_eq!(values(&run), expected(&everything(0)));
    assert!(!file.exists());
    let mut seen = Vec::new();
    events.read(&mut seen);
    assert_eq!(seen.iter().filter(|event| matches!(event.kind, EventKind::WorkerLost { .. })).count(), 1);
}

pub(crate) fn a_task_that_ends_its_workers_is_given_up(make: impl Fn(usize) -> Subject) {
    let subject = make(NO_LIMIT);
    if !subject.abilities.has_processes {
        return;
    }
    let error = subject.submit(&single(Act::Die.op())).wait_finished(LONG).unwrap().unwrap_err();
    let RunError::WorkerLost { key, n_losses } = error else { panic!("{error}") };
    assert_eq!((key.as_str(), n_losses), ("single[0]", 4));
    assert_eq!(values(&subject.submit(&tasks(4, Act::Give(5).op()))), [5; 4]);
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
            a_lost_worker_costs_no_result what_a_lost_worker_ran_runs_again a_task_that_ends_its_workers_is_given_up
        }
    };
    (@ $make:expr, $($check:ident)*) => {
        $(#[test] fn $check() { suite::$check($make); })*
    };
}
pub(crate) use checks;
