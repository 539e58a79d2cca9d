//! Work that must not get lost.

use std::sync::Arc;

use super::Engine;
use crate::core::Ticket;

/// Closes the engine unless [`done`](Self::done) is called: a thread or task that others count on has panicked, or the
/// runtime has dropped it, so that nobody would ever be told the rest.
pub(crate) struct CloseIfLost {
    engine: Arc<Engine>,
    /// What was to be run, which does not run any more.
    ticket: Option<Ticket>,
    is_done: bool,
}

impl CloseIfLost {
    pub(crate) fn new(engine: Arc<Engine>) -> Self {
        Self { engine, ticket: None, is_done: false }
    }

    /// Of a worker's task.
    pub(crate) fn of_task(engine: Arc<Engine>, ticket: Ticket) -> Self {
        Self { engine, ticket: Some(ticket), is_done: false }
    }

    pub(crate) fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    pub(crate) fn done(mut self) {
        self.is_done = true;
    }
}

impl Drop for CloseIfLost {
    fn drop(&mut self) {
        if self.is_done {
            return;
        }
        self.engine.close();
        if let Some(ticket) = self.ticket {
            self.engine.lock().running.remove(&ticket);
        }
    }
}
