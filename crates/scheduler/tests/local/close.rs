//! Closing an executor with work in flight.

use std::sync::mpsc;
use std::time::Duration;

use dolmen_graph::{Executor, RunError, SubmitError, SubmitOptions};

use dolmen_graph::testing::{Lambda, Mix, Number};

use crate::programs::{Act, single};
use crate::world::{LONG, World, until};

#[test]
fn who_waits_is_told_and_what_stops_when_asked_has_stopped() {
    let world = World::new(2, usize::MAX);
    let run = world.submit(&single(Act::Listen.op()));
    until("the task to run", || world.executor.running().len() == 1);
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| run.wait_finished(LONG).unwrap());
        assert_eq!(world.executor.close(Duration::from_secs(60)), Vec::<String>::new());
        assert!(matches!(waits.join().unwrap(), Err(RunError::Closed)));
    });
    let late = world.executor.submit(single(Act::Give(1).op()), SubmitOptions::default());
    assert!(matches!(late, Err(SubmitError::Closed)));
    drop(run);
    world.end();
}

#[test]
fn all_runs_are_cancelled_and_new_ones_taken() {
    let world = World::new(2, usize::MAX);
    let runs: Vec<_> = (0..5).map(|_| world.submit(&single(Act::Listen.op()))).collect();
    world.executor.cancel_all();
    assert!(runs.iter().all(|run| matches!(run.wait_finished(LONG), Some(Err(RunError::Cancelled)))));
    let next = world.submit(&single(Act::Give(1).op()));
    next.wait_finished(LONG).unwrap().unwrap();
    drop((runs, next));
    world.until_idle();
    world.end();
}

#[test]
fn a_runtime_that_is_gone_closes_the_executor() {
    let mut world = World::new(1, usize::MAX);
    world.end_runtime();
    let run = world.submit(&single(std::sync::Arc::new(Mix { is_stream: true, ..Mix::default() })));
    assert!(matches!(run.wait_finished(LONG).unwrap(), Err(RunError::Closed)));
    drop(run);
    world.end();
}

#[test]
fn a_closure_that_cannot_be_stopped_is_reported() {
    let world = World::new(1, usize::MAX);
    let (release, released) = mpsc::channel::<()>();
    let released = std::sync::Mutex::new(released);
    let (begin, begun) = mpsc::channel();
    let op = Lambda::op(move |_, _| {
        begin.send(()).unwrap();
        let _ = released.lock().unwrap().recv();
        Ok(Number::value(1))
    });
    let run = world.submit(&single(op));
    begun.recv().unwrap();
    run.cancel();
    assert!(matches!(run.wait_finished(LONG).unwrap(), Err(RunError::Cancelled)));
    assert_eq!(world.executor.close(Duration::from_millis(10)), ["single[0]"]);
    assert!(world.executor.explain().contains("single[0] (given up, still running)"));
    drop((release, run));
    world.end();
}
