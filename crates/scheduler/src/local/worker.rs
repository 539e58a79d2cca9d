//! A worker: a thread that runs what it is given.

use std::sync::Arc;

use crate::engine::{Assignment, CloseIfLost, Effects, Engine, Ran};

/// Runs what the worker is given until the engine is closed.
///
/// Bodies find the runtime as the current one, so that they can block on futures of it.
pub(super) fn run(engine: Arc<Engine>, worker: u32, runtime: &tokio::runtime::Handle) {
    let _entered = runtime.enter();
    let guard = CloseIfLost::new(engine);
    let engine = guard.engine();
    let mut fx = Effects::default();
    let mut n_heard = 0;
    let mut next: Option<Assignment> = None;
    loop {
        let assignment = match next.take() {
            Some(assignment) => assignment,
            None => match look(engine, worker) {
                Mail::Some(assignment) => assignment,
                Mail::Closed => break,
                Mail::None => {
                    engine.bell(worker).wait(&mut n_heard, None);
                    continue;
                }
            },
        };
        match engine.run(assignment) {
            Ran::Report(report) => {
                let mut state = engine.lock();
                engine.report(&mut state, report, &mut fx);
                next = engine.take_mail(&mut state, worker);
                drop(state);
                fx.spare(worker);
                fx.settle(engine);
            }
            Ran::Stream(job) => engine.leave_running(worker, job),
        }
    }
    guard.done();
}

enum Mail {
    Some(Assignment),
    None,
    Closed,
}

fn look(engine: &Engine, worker: u32) -> Mail {
    let mut state = engine.lock();
    match engine.take_mail(&mut state, worker) {
        Some(assignment) => Mail::Some(assignment),
        None if state.is_closed() => Mail::Closed,
        None => Mail::None,
    }
}
