//! Minding deadlines, shortages of memory, and whether anything happens at all.

use std::sync::Arc;
use std::time::{Duration, Instant};

use dolmen_graph::EventKind;

use crate::core::CoreEvent;
use crate::engine::{Driver, Engine};

/// What was last seen to happen.
struct Watch {
    n_handled: u64,
    since: Instant,
    is_reported: bool,
}

/// Runs until the engine is closed.
pub(crate) async fn run(engine: Arc<Engine>, stall_after: Duration) {
    let Driver::Threads { timekeeper, .. } = &engine.driver else { return };
    let mut watch = Watch { n_handled: 0, since: Instant::now(), is_reported: false };
    loop {
        let (deadline_ns, is_closed, is_busy) = {
            let state = engine.lock();
            (state.core.next_deadline(), state.is_closed(), state.core.n_runs() > 0)
        };
        if is_closed {
            return;
        }
        let now_ns = engine.now_ns();
        let due = deadline_ns.map(|at_ns| Duration::from_nanos(at_ns.saturating_sub(now_ns)));
        let look = is_busy.then_some(stall_after / 4);
        match due.into_iter().chain(look).min() {
            Some(wait) => {
                let _ = tokio::time::timeout(wait, timekeeper.notified()).await;
            }
            None => timekeeper.notified().await,
        }
        if deadline_ns.is_some_and(|at_ns| at_ns <= engine.now_ns()) {
            engine.tell(CoreEvent::Tick);
        }
        engine.meet_shortage();
        watch.look(&engine, stall_after);
    }
}

impl Watch {
    /// Reports once when nothing has happened for `stall_after` although tasks are left.
    fn look(&mut self, engine: &Engine, stall_after: Duration) {
        let state = engine.lock();
        let n_handled = state.core.n_handled();
        if n_handled != self.n_handled || state.core.n_runs() == 0 {
            *self = Self { n_handled, since: Instant::now(), is_reported: false };
            return;
        }
        let idle = self.since.elapsed();
        if idle < stall_after || self.is_reported {
            return;
        }
        self.is_reported = true;
        let report: Arc<str> = state.core.explain().into();
        drop(state);
        let idle_ms = u64::try_from(idle.as_millis()).unwrap_or(u64::MAX);
        engine.hub().push(engine.now_ns(), None, EventKind::Stalled { idle_ms, report });
    }
}
