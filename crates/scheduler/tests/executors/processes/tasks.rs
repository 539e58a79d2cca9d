//! Tasks in other processes: where they run, what reaches them, and what stops them.

use std::sync::Arc;
use std::time::Duration;

use dolmen_graph::{Executor, Stage, SubmitError, SubmitOptions, TaskOptions, compute, delayed};

use super::Processes;
use crate::programs::{Act, graph, registry, single, tasks};
use crate::suite::{LONG, expected, values};

#[test]
fn tasks_run_in_the_workers() {
    let processes = Processes::new(2);
    let pids = processes.executor().worker_pids();
    let seen = values(&processes.submit(&tasks(20, Act::Pid.op())));
    assert!(seen.iter().all(|pid| pids.contains(&u32::try_from(*pid).unwrap())), "{seen:?} are not {pids:?}");
}

#[test]
fn a_task_that_does_not_stop_is_ended_with_its_worker() {
    let processes = Processes::with(1, |config| config.stop_grace(Duration::from_millis(50)));
    let graph = graph(|b| {
        let options = TaskOptions { timeout: Some(Duration::from_millis(30)), ..TaskOptions::default() };
        let id = b.add_stage(Stage::new("single", 1, Act::Deaf.op()).options(options)).unwrap();
        b.add_output_all(id).unwrap();
    });
    let error = processes.submit(&graph).wait_finished(LONG).unwrap().unwrap_err();
    assert_eq!(error.to_string(), "`single[0]` took longer than 30 ms");
    assert_eq!(values(&processes.submit(&single(Act::Give(1).op()))), [1]);
}

#[test]
fn a_body_that_waits_finds_a_runtime() {
    let processes = Processes::new(1);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let _entered = runtime.enter();
    let graph = tasks(3, Act::Later.op());
    assert_eq!(values(&processes.submit(&graph)), expected(&graph));
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
    assert_eq!(values(&processes.submit(&tasks(5, Act::Chatter.op()))), [0; 5]);
}

#[test]
fn long_values_travel() {
    let processes = Processes::new(2);
    let (_, functions) = registry();
    let numbers = functions.long.call(1_000_000);
    let totals: Vec<_> = (0..4).map(|_| functions.total.call(&numbers)).collect();
    assert_eq!(compute(&**processes.executor(), totals).unwrap(), [499_999_500_000; 4]);
}
