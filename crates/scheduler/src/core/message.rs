//! What the core is told, and what it answers.

use std::ops::Range;
use std::sync::Arc;

use dolmen_graph::{RunError, RunId, StageId, TaskError, TaskGraph, TaskId};

/// Names one thing that a worker was told to run: a task, or a group of neighbouring ones. Never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// Names one move of a value between memory and disk. Never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IoId(pub u64);

/// What happened outside. The tasks of a ticket are reported in order of their partitions. Events about things that the core has given up are ignored, so none comes too late.
#[derive(Debug, Clone)]
pub enum CoreEvent {
    /// A worker can take tasks. Workers are numbered densely from 0.
    WorkerJoined {
        /// Its number.
        worker: u32,
    },
    /// A worker is gone with all that it ran.
    WorkerLost {
        /// Its number.
        worker: u32,
    },
    /// A task of a ticket has its value.
    Finished {
        /// The worker.
        worker: u32,
        /// What it was told to run.
        ticket: Ticket,
        /// Which of the ticket's tasks.
        partition: u32,
        /// The bytes of the value.
        size_bytes: u64,
        /// How long the task ran.
        elapsed_ns: u64,
    },
    /// A task of a ticket failed.
    Failed {
        /// The worker.
        worker: u32,
        /// What it was told to run.
        ticket: Ticket,
        /// Which of the ticket's tasks.
        partition: u32,
        /// How.
        failure: Failure,
    },
    /// A task of a ticket was not begun: it was stopped first, or the group took too long.
    Returned {
        /// The worker.
        worker: u32,
        /// What it was told to run.
        ticket: Ticket,
        /// Which of the ticket's tasks.
        partition: u32,
    },
    /// A running task waits for a run. Until it goes on, its worker takes tasks of that run and of runs that these submit.
    Waits {
        /// The worker.
        worker: u32,
        /// What it was told to run.
        ticket: Ticket,
        /// The run that is waited for.
        on: RunId,
    },
    /// A task that waited goes on.
    GoesOn {
        /// The worker.
        worker: u32,
        /// What it was told to run.
        ticket: Ticket,
    },
    /// A value is on disk and no longer in memory.
    Spilled {
        /// The move.
        io: IoId,
    },
    /// A value could not be written; it is still in memory.
    SpillFailed {
        /// The move.
        io: IoId,
        /// Why.
        cause: SpillFailure,
    },
    /// A value is in memory again.
    Loaded {
        /// The move.
        io: IoId,
    },
    /// A value could not be read back: it is lost.
    LoadFailed {
        /// The move.
        io: IoId,
    },
    /// Somebody outside asks for a value that is on disk.
    Fetch {
        /// The run.
        run: RunId,
        /// Whose value.
        task: TaskId,
    },
    /// Nobody outside asks for the value of a task any more.
    Release {
        /// The run.
        run: RunId,
        /// Whose value.
        task: TaskId,
    },
    /// A run is to stop.
    Cancel {
        /// The run.
        run: RunId,
    },
    /// Some tasks of a run are to stop, with everything that needs them.
    CancelTasks {
        /// The run.
        run: RunId,
        /// The tasks.
        tasks: Vec<TaskId>,
    },
    /// Nobody is interested in a run any more: it stops, and its values go.
    Drop {
        /// The run.
        run: RunId,
    },
    /// Others hold so many bytes of the same memory.
    External {
        /// The bytes.
        size_bytes: u64,
    },
    /// Somebody else was refused so many bytes.
    Shortage {
        /// The bytes.
        missing_bytes: u64,
    },
    /// The time that [`Core::next_deadline`](crate::Core::next_deadline) gave has come.
    Tick,
}

/// A graph to be run.
#[derive(Debug, Clone)]
pub struct Submission {
    /// The graph, [culled](dolmen_graph::cull): every active task runs.
    pub graph: Arc<TaskGraph>,
    /// Added to the priority of each task.
    pub priority: i32,
    /// The task that submits it.
    pub parent: Option<dolmen_graph::Parent>,
}

/// How a task failed.
#[derive(Debug, Clone)]
pub enum Failure {
    /// With an error, transient or not. A panic is one.
    Error(TaskError),
    /// It was refused memory.
    OutOfMemory {
        /// What it asked for.
        needed_bytes: u64,
    },
}

/// Why a value was not written to disk.
#[derive(Debug, Clone)]
pub enum SpillFailure {
    /// It has no encoding, and so has no value of its stage.
    NotEncodable,
    /// The disk refused.
    Disk(Arc<dyn std::error::Error + Send + Sync>),
}

/// What is to be done outside, in the order given.
#[derive(Debug, Clone)]
pub enum Instruction {
    /// A worker runs some tasks of a stage, one after the other. All their inputs are in memory.
    Run {
        /// The worker.
        worker: u32,
        /// Names this instruction in events.
        ticket: Ticket,
        /// The run.
        run: RunId,
        /// The stage.
        stage: StageId,
        /// The partitions.
        partitions: Range<u32>,
        /// Attempts before this one.
        attempt: u32,
    },
    /// A worker stops what it runs under a ticket as soon as it can, and reports its tasks as if it had not.
    Stop {
        /// The worker.
        worker: u32,
        /// What it runs.
        ticket: Ticket,
    },
    /// A value is written to disk and leaves memory.
    Spill {
        /// Names the move in events.
        io: IoId,
        /// The run.
        run: RunId,
        /// Whose value.
        task: TaskId,
    },
    /// A value is read back into memory.
    Load {
        /// Names the move in events.
        io: IoId,
        /// The run.
        run: RunId,
        /// Whose value.
        task: TaskId,
    },
    /// A value is dropped, from memory or disk.
    Free {
        /// The run.
        run: RunId,
        /// Whose value.
        task: TaskId,
        /// Its bytes.
        size_bytes: u64,
    },
    /// All values of a run are dropped.
    FreeRun {
        /// The run.
        run: RunId,
    },
    /// A value that somebody outside asked for is in memory.
    Output {
        /// The run.
        run: RunId,
        /// Whose value.
        task: TaskId,
    },
    /// A task that somebody outside asked for was cancelled.
    OutputCancelled {
        /// The run.
        run: RunId,
        /// The task.
        task: TaskId,
    },
    /// An attempt failed and the task will be tried again.
    Retry {
        /// The run.
        run: RunId,
        /// The task.
        task: TaskId,
        /// When, at the earliest.
        at_ns: u64,
    },
    /// The first task of a stage is handed out.
    StageStarted {
        /// The run.
        run: RunId,
        /// The stage.
        stage: StageId,
    },
    /// All tasks of a stage have their values.
    StageFinished {
        /// The run.
        run: RunId,
        /// The stage.
        stage: StageId,
    },
    /// A run that had come to its end runs again: values that somebody asked for were lost.
    RunReopened {
        /// The run.
        run: RunId,
    },
    /// A run has come to its end.
    RunEnded {
        /// The run.
        run: RunId,
        /// Which end.
        outcome: Outcome,
    },
}

/// How a run ended.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// Every output is there.
    Finished,
    /// It, or some output of it, was cancelled.
    Cancelled,
    /// It has no result.
    Failed(RunError),
}
