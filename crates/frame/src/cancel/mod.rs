//! Stopping a statement.
//!
//! ```text
//!   Cancellation (a flag, one a statement) ── set when the statement's future or stream is dropped
//!        │
//!        ├─ StoppableExec around every operator: looks before each batch, and hands its thread back every few ms
//!        └─ Checkpoint in the filter of a join, which makes no batch as long as nothing matches
//! ```
//!
//! Aborting a task works only where the task gives its thread back. DataFusion's operators do so when the source below
//! them has given 128 batches; what makes many rows of few (a cross join, a many-to-many join) may not for minutes.

mod checkpoint;
mod plan;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use datafusion::error::{DataFusionError, Result};

pub(crate) use checkpoint::without_checkpoint;
pub(crate) use plan::{in_place_of, install, meter_of, stoppable, stoppable_in, watch, with_own_meter};

/// Tells every part of one statement to stop. Clones are the same sign.
#[derive(Debug, Clone, Default)]
pub struct Cancellation {
    is_cancelled: Arc<AtomicBool>,
}

impl Cancellation {
    /// A sign that is not given yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives the sign. Batches that are being made are finished; no further one is begun.
    pub fn cancel(&self) {
        self.is_cancelled.store(true, Ordering::Relaxed);
    }

    /// Whether the sign has been given.
    pub fn is_cancelled(&self) -> bool {
        self.is_cancelled.load(Ordering::Relaxed)
    }

    /// An error once the sign has been given.
    pub(crate) fn check(&self) -> Result<()> {
        match self.is_cancelled() {
            true => Err(DataFusionError::Execution("the statement was cancelled".to_owned())),
            false => Ok(()),
        }
    }
}

impl PartialEq for Cancellation {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.is_cancelled, &other.is_cancelled)
    }
}

impl Eq for Cancellation {}

impl std::hash::Hash for Cancellation {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.is_cancelled).hash(state);
    }
}
