//! Waking a thread or a task that waits.

use std::sync::{Condvar, Mutex, PoisonError};
use std::task::Wake;
use std::time::Instant;

use tokio::sync::Notify;

/// Rings for whoever waits: any number of blocked threads, or one asynchronous task. Nobody misses a ring because another
/// has heard it: each thread counts the rings that it has heard.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    n_rings: Mutex<u64>,
    rung: Condvar,
    notify: Notify,
}

impl Bell {
    pub(crate) fn ring(&self) {
        *self.n_rings.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.rung.notify_all();
        self.notify.notify_one();
    }

    /// Blocks the thread until there is a ring beyond the first `n_heard`, or until `end`. Counts what was heard.
    pub(crate) fn wait(&self, n_heard: &mut u64, end: Option<Instant>) {
        let mut n_rings = self.n_rings.lock().unwrap_or_else(PoisonError::into_inner);
        while *n_rings == *n_heard {
            let Some(end) = end else {
                n_rings = self.rung.wait(n_rings).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            n_rings = self.rung.wait_timeout(n_rings, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        *n_heard = *n_rings;
    }

    /// Waits for the next ring; one that came before counts.
    pub(crate) async fn heard(&self) {
        self.notify.notified().await;
    }
}

impl Wake for Bell {
    fn wake(self: std::sync::Arc<Self>) {
        self.ring();
    }

    fn wake_by_ref(self: &std::sync::Arc<Self>) {
        self.ring();
    }
}
