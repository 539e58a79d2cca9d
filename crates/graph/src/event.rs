//! What an executor tells about its work.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::{RunId, RunStatus, StageId, TaskError, TaskId};

/// Something that happened. Progress bars, profiles and the dashboard consume nothing else.
#[derive(Debug, Clone)]
pub struct Event {
    /// When, in nanoseconds on the executor's clock.
    pub at_ns: u64,
    /// In which run; `None` for what concerns the executor as a whole.
    pub run: Option<RunId>,
    /// What.
    pub kind: EventKind,
}

/// What happened.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum EventKind {
    /// A graph was accepted.
    RunStarted {
        /// Its name, if it has one.
        name: Option<Arc<str>>,
        /// Its stages.
        n_stages: u32,
        /// Its tasks that run.
        n_tasks: u64,
    },
    /// A graph came to its end.
    RunFinished {
        /// Which end.
        status: RunStatus,
    },
    /// The first task of a stage became ready.
    StageStarted {
        /// The stage.
        stage: StageId,
        /// Its key.
        key: Arc<str>,
        /// Its tasks that run.
        n_tasks: u32,
    },
    /// The last task of a stage finished.
    StageFinished {
        /// The stage.
        stage: StageId,
    },
    /// A worker starts a task.
    TaskStarted {
        /// The task.
        task: TaskId,
        /// The worker's slot.
        worker: u32,
        /// Attempts before this one.
        attempt: u32,
    },
    /// A task has its value.
    TaskFinished {
        /// The task.
        task: TaskId,
        /// The worker's slot.
        worker: u32,
        /// How long it ran.
        elapsed_ns: u64,
        /// The bytes of its value.
        size_bytes: u64,
    },
    /// An attempt failed.
    TaskFailed {
        /// The task.
        task: TaskId,
        /// The worker's slot.
        worker: u32,
        /// How.
        error: TaskError,
        /// Whether there will be another attempt.
        is_retried: bool,
    },
    /// A task was cancelled.
    TaskCancelled {
        /// The task.
        task: TaskId,
    },
    /// A value was written to disk and left memory.
    Spilled {
        /// The task that made it.
        task: TaskId,
        /// The bytes that memory got back.
        size_bytes: u64,
    },
    /// A value was read back from disk.
    Loaded {
        /// The task that made it.
        task: TaskId,
        /// The bytes that it takes in memory.
        size_bytes: u64,
    },
    /// A value was dropped because nobody needs it any more.
    Released {
        /// The task that made it.
        task: TaskId,
        /// The bytes that it took.
        size_bytes: u64,
    },
    /// The level of memory.
    Memory {
        /// Bytes in use.
        used_bytes: u64,
        /// Bytes that may be in use.
        limit_bytes: u64,
        /// Bytes on disk.
        spilled_bytes: u64,
    },
    /// A worker can take tasks.
    WorkerJoined {
        /// Its slot.
        worker: u32,
    },
    /// A worker is gone, and the values that only it held.
    WorkerLost {
        /// Its slot.
        worker: u32,
    },
    /// Nothing has happened for a while although tasks are left.
    Stalled {
        /// For how long.
        idle_ms: u64,
        /// The state that explains it, for people.
        report: Arc<str>,
    },
}

/// Reads events in order. Each reader sees every event from the moment it was made, unless it is too slow.
pub trait EventReader: Send + fmt::Debug {
    /// Adds the events since the last call to `events`, and says how many were lost because the reader was too slow.
    fn read(&mut self, events: &mut Vec<Event>) -> u64;

    /// Waits until there is something to read; `false` after `timeout` or when nothing more can come.
    fn wait(&mut self, timeout: Duration) -> bool;
}

/// The events of an executor that does nothing.
#[derive(Debug)]
pub(crate) struct NoEvents;

impl EventReader for NoEvents {
    fn read(&mut self, _events: &mut Vec<Event>) -> u64 {
        0
    }

    fn wait(&mut self, _timeout: Duration) -> bool {
        false
    }
}
