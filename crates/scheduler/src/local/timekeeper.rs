//! Minding deadlines, shortages of memory, and whether anything happens at all.

use std::sync::Arc;
use std::time::{Duration, Instant};

use dolmen_graph::EventKind;

use crate::core::CoreEvent;
use crate::engine::{Driver, Engine};

/// How often memory is looked at while a task waits for it: others give theirs back without a word.
const MEMORY_PAUSE: Duration = Duration::from_millis(20);

/// What was last seen to happen.
struct Watch {
    n_steps: u64,
    since: Instant,
    is_reported: bool,
}

/// Runs until the engine is closed. On a thread of its own: it must be in time when every other is busy.
pub(crate) fn run(engine: &Arc<Engine>, stall_after: Duration) {
    let Driver::Threads { timekeeper, .. } = &engine.driver else { return };
    let mut watch = Watch { n_steps: 0, since: Instant::now(), is_reported: false };
    let mut n_heard = 0;
    loop {
        let (deadline_ns, is_short, is_closed) = {
            let state = engine.lock();
            (state.core.next_deadline(), state.core.is_short(), state.is_closed())
        };
        if is_closed {
            return;
        }
        let now_ns = engine.now_ns();
        let until_due = deadline_ns.map(|at_ns| Duration::from_nanos(at_ns.saturating_sub(now_ns)));
        let look = if is_short { MEMORY_PAUSE.min(stall_after / 4) } else { stall_after / 4 };
        let wait = until_due.map_or(look, |due| due.min(look));
        timekeeper.wait(&mut n_heard, Some(Instant::now() + wait));
        if deadline_ns.is_some_and(|at_ns| at_ns <= engine.now_ns()) {
            engine.tell(CoreEvent::Tick);
        }
        engine.mind_memory();
        watch.look(engine, stall_after);
    }
}

impl Watch {
    /// Reports once when nothing has happened for `stall_after` although tasks are left.
    fn look(&mut self, engine: &Engine, stall_after: Duration) {
        let state = engine.lock();
        let n_steps = state.core.n_steps();
        if n_steps != self.n_steps || state.core.n_runs() == 0 {
            *self = Self { n_steps, since: Instant::now(), is_reported: false };
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
        tracing::warn!(idle_ms, %report, "no task has finished for a while");
        engine.hub().push(engine.now_ns(), None, EventKind::Stalled { idle_ms, report });
    }
}
