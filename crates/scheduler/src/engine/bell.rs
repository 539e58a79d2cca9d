//! Waking a thread or a task that waits.

use std::sync::{Condvar, Mutex, PoisonError};
use std::task::Wake;
use std::time::Instant;

use tokio::sync::Notify;

/// Rings for whoever waits: a blocked thread or an asynchronous task. A ring that nobody hears is kept for the next.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    is_rung: Mutex<bool>,
    rung: Condvar,
    notify: Notify,
}

impl Bell {
    pub(crate) fn ring(&self) {
        *self.is_rung.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.rung.notify_all();
        self.notify.notify_one();
    }

    /// Blocks the thread until the next ring, or until `end`.
    pub(crate) fn wait(&self, end: Option<Instant>) {
        let mut is_rung = self.is_rung.lock().unwrap_or_else(PoisonError::into_inner);
        while !*is_rung {
            let Some(end) = end else {
                is_rung = self.rung.wait(is_rung).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            is_rung = self.rung.wait_timeout(is_rung, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        *is_rung = false;
    }

    /// Waits for the next ring.
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
