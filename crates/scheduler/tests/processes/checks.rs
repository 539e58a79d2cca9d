//! What every executor must do.

use std::sync::Arc;
use std::time::{Duration, Instant};

use dolmen_graph::{
    Executor, RunError, RunStatus, Stage, StageId, SubmitError, SubmitOptions, TaskId, TaskOptions, compute, delayed,
};

use crate::programs::{Act, everything, graph, op, tasks};
use crate::{LONG, Processes, expected, values};

const FIRST: TaskId = TaskId { stage: StageId(0), partition: 0 };

#[test]
fn every_wiring_gives_the_same_values() {
    let graph = everything(&Act::Mix);
    let expected = expected(&graph);
    for n_workers in [1, 3] {
        let processes = Processes::new(n_workers);
        let runs: Vec<_> = (0..10).map(|_| processes.submit(&graph)).collect();
        for run in &runs {
            assert_eq!(values(run), expected);
            run.wait_finished(Some(LONG)).unwrap().unwrap();
            assert_eq!(run.status(), RunStatus::Finished);
        }
    }
}

#[test]
fn tasks_run_in_the_workers() {
    let processes = Processes::new(2);
    let pids = processes.executor().worker_pids();
    let seen = values(&processes.submit(&tasks(20, Act::Pid)));
    assert!(seen.iter().all(|pid| pids.contains(&u32::try_from(*pid).unwrap())), "{seen:?} are not {pids:?}");
}

#[test]
fn a_failure_names_the_task_and_harms_nobody_else() {
    let processes = Processes::new(2);
    let good = processes.submit(&everything(&Act::Mix));
    let fails = processes.submit(&tasks(1, Act::Fail)).wait_finished(Some(LONG)).unwrap().unwrap_err();
    assert_eq!(fails.to_string(), "`single[0]` failed: no such file");
    let panics = processes.submit(&tasks(1, Act::Panic)).wait_finished(Some(LONG)).unwrap().unwrap_err();
    assert_eq!(panics.to_string(), "`single[0]` failed: panicked: no 0");
    assert_eq!(values(&good), expected(&everything(&Act::Mix)));
}

fn with_options(act: Act, options: TaskOptions) -> Arc<dolmen_graph::TaskGraph> {
    graph(|b| {
        let id = b.add_stage(Stage::new("single", 1, op(act)).options(options)).unwrap();
        b.add_output_all(id).unwrap();
    })
}

#[test]
fn transient_errors_are_tried_again() {
    let processes = Processes::new(1);
    let run = |retries| {
        let options = TaskOptions { retries, ..TaskOptions::default() };
        processes.submit(&with_options(Act::FailFirst(2), options))
    };
    assert_eq!(values(&run(2)), [2]);
    let error = run(1).wait_finished(Some(LONG)).unwrap().unwrap_err();
    assert!(error.to_string().ends_with("failed: reset by peer"), "{error}");
}

#[test]
fn an_attempt_that_takes_too_long_is_given_up() {
    for act in [Act::Sleep, Act::SleepDeaf] {
        let processes = Processes::with(1, |config| config.stop_grace(Duration::from_millis(50)));
        let options = TaskOptions { timeout: Some(Duration::from_millis(30)), ..TaskOptions::default() };
        let error = processes.submit(&with_options(act, options)).wait_finished(Some(LONG)).unwrap().unwrap_err();
        assert_eq!(error.to_string(), "`single[0]` took longer than 30 ms");
        // The worker is free again, or another has taken its place.
        values(&processes.submit(&tasks(1, Act::Mix)));
    }
}

#[test]
fn cancelling_stops_what_runs_and_what_would() {
    let processes = Processes::new(2);
    let run = processes.submit(&tasks(100, Act::Sleep));
    std::thread::sleep(Duration::from_millis(20));
    let begun = Instant::now();
    run.cancel();
    assert!(begun.elapsed() < Duration::from_secs(1));
    assert!(matches!(run.wait_finished(Some(LONG)).unwrap(), Err(RunError::Cancelled)));
    assert!(matches!(run.wait_value(FIRST, Some(LONG)).unwrap(), Err(RunError::Cancelled)));
    values(&processes.submit(&tasks(4, Act::Mix)));
}

#[test]
fn a_graph_within_a_task_runs_in_its_worker() {
    let processes = Processes::new(1);
    assert_eq!(values(&processes.submit(&tasks(3, Act::Fib(10)))), [55; 3]);
}

#[test]
fn closures_are_refused_with_their_key() {
    let processes = Processes::new(1);
    let value = delayed(|x: u64| x + 1).named("inc").call(1);
    let error = compute(&**processes.executor(), &value).unwrap_err();
    assert!(error.to_string().contains(&value.key()), "{error}");
    let graph = Arc::clone(value.lower().unwrap().graph());
    let error = processes.executor().submit(graph, SubmitOptions::default()).unwrap_err();
    assert!(matches!(error, SubmitError::Encode(_)), "{error}");
}

#[test]
fn what_tasks_print_and_read_is_not_the_protocol() {
    let processes = Processes::new(1);
    assert_eq!(values(&processes.submit(&tasks(5, Act::Chatter))), [0; 5]);
}

#[test]
fn long_values_travel() {
    let processes = Processes::new(2);
    let functions = &processes.functions;
    let numbers = functions.long.call(1_000_000);
    let totals: Vec<_> = (0..4).map(|_| functions.total.call(&numbers)).collect();
    assert_eq!(compute(&**processes.executor(), totals).unwrap(), [499_999_500_000; 4]);
}
