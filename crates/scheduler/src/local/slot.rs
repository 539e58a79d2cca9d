//! A worker on the threads of a runtime.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::engine::{Assignment, Effects, Engine, Ran};

/// After how long a slot lets other tasks of the runtime have its thread.
const YIELD_AFTER: Duration = Duration::from_millis(1);

/// Closes the engine if the runtime drops the slot: nobody would run anything any more.
struct Guard(Arc<Engine>);

impl Drop for Guard {
    fn drop(&mut self) {
        if !self.0.lock().is_closed() {
            self.0.close();
        }
    }
}

/// Runs what the worker is given until the engine is closed.
pub(super) async fn run(engine: Arc<Engine>, worker: u32) {
    let guard = Guard(engine);
    let engine = &guard.0;
    let mut fx = Effects::default();
    let mut since = Instant::now();
    let mut next: Option<Assignment> = None;
    loop {
        let assignment = match next.take() {
            Some(assignment) => assignment,
            None => match look(engine, worker) {
                Mail::Some(assignment) => assignment,
                Mail::Closed => return,
                Mail::None => {
                    engine.bell(worker).heard().await;
                    since = Instant::now();
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
        if since.elapsed() > YIELD_AFTER {
            tokio::task::yield_now().await;
            since = Instant::now();
        }
    }
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
