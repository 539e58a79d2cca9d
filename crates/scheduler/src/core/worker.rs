//! Workers and what they run.

use dolmen_graph::{RunId, StageId};

use super::message::Ticket;

/// A worker: a slot that runs one task at a time. More than one only if a gang does not fit otherwise.
#[derive(Debug, Default)]
pub(super) struct Worker {
    pub(super) frames: Vec<Frame>,
    /// Frames that take the worker: that are not light and do not wait for a run.
    pub(super) n_active: u32,
}

/// Something that a worker runs.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) ticket: Ticket,
    pub(super) run: RunId,
    pub(super) stage: StageId,
    /// The tasks that have not been reported: they are in order.
    pub(super) start: u32,
    pub(super) end: u32,
    pub(super) attempt: u32,
    /// Held for each task that has not been reported.
    pub(super) reserved_bytes: u64,
    /// It takes no worker; this one only began it.
    pub(super) is_light: bool,
    /// The run that it waits for.
    pub(super) waits_for: Option<RunId>,
    /// Its results are not wanted any more. It keeps the worker and its memory until it is reported.
    pub(super) is_abandoned: bool,
}

impl Frame {
    /// Whether the worker is taken by it.
    pub(super) fn is_active(&self) -> bool {
        !self.is_light && self.waits_for.is_none()
    }
}

impl Worker {
    pub(super) fn frame_idx(&self, ticket: Ticket) -> Option<usize> {
        self.frames.iter().rposition(|frame| frame.ticket == ticket)
    }

    /// The run whose descendants the worker may run while its own task waits; `None` if it may run anything.
    pub(super) fn lent_to(&self) -> Option<RunId> {
        self.frames.iter().rev().filter(|frame| !frame.is_light).find_map(|frame| frame.waits_for)
    }
}
