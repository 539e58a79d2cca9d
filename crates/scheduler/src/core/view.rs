//! Looking at the state from outside.

use std::sync::Arc;

use dolmen_graph::{RunId, RunStatus, StageId, TaskGraph, TaskId, TaskStatus};

use super::Core;
use super::memory::Ledger;
use super::message::{IoId, Outcome};
use super::run::Run;
use super::stage::{NOBODY, StageStats, Tag};

/// The state of a task with the data that belongs to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskState {
    /// No output needs it.
    Unwanted,
    /// Inputs are missing.
    Waiting {
        /// Those that are wired task by task.
        n_missing: u32,
        /// Stages of which it needs everything and that are not complete.
        n_open_gates: u32,
    },
    /// In a queue.
    Ready,
    /// It failed, and waits for the time of another attempt.
    Backoff {
        /// Attempts so far.
        n_attempts: u32,
    },
    /// Admitted; inputs are being read back from disk.
    Fetching,
    /// A worker has it.
    Running {
        /// Attempts before this one.
        attempt: u32,
    },
    /// It has its value, and waits for the rest of its gang.
    Held {
        /// The bytes of its value.
        size_bytes: u64,
    },
    /// Its value is in memory.
    Stored {
        /// The bytes of its value.
        size_bytes: u64,
        /// The worker that made it, if that is known.
        worker: Option<u32>,
    },
    /// Its value is on disk, or on the way from or to there.
    OnDisk {
        /// The bytes of its value in memory.
        size_bytes: u64,
    },
    /// Its value was there, and nobody needs it any more.
    Released,
    /// Given up.
    Cancelled,
}

impl Core {
    /// The state of a task; `None` if there is no such run or task, or the run has ended without result.
    #[must_use]
    pub fn task_state(&self, id: RunId, task: TaskId) -> Option<TaskState> {
        let run = self.run(id)?;
        if !run.has(task) {
            return None;
        }
        if matches!(run.outcome, Some(Outcome::Failed(_))) {
            return None;
        }
        let stage = run.stage(task.stage);
        let tables = stage.tables();
        let p = task.partition;
        let size_bytes = tables.map_or(0, |tables| tables.size(p));
        Some(match run.tag(task) {
            Tag::Unwanted => TaskState::Unwanted,
            Tag::Waiting => TaskState::Waiting {
                n_missing: tables.map_or_else(
                    || run.graph.n_inputs(task),
                    |tables| tables.missing.get(p as usize).copied().unwrap_or(0),
                ),
                n_open_gates: stage.open_gates,
            },
            Tag::Ready => TaskState::Ready,
            Tag::Backoff => TaskState::Backoff { n_attempts: tables.map_or(0, |t| t.special(p).n_attempts) },
            Tag::Fetching => TaskState::Fetching,
            Tag::Running => TaskState::Running { attempt: tables.map_or(0, |t| t.special(p).n_attempts) },
            Tag::Held => TaskState::Held { size_bytes },
            Tag::Stored => TaskState::Stored {
                size_bytes,
                worker: tables.map(|t| t.holders[p as usize]).filter(|worker| *worker != NOBODY).map(u32::from),
            },
            Tag::Spilling | Tag::OnDisk | Tag::Loading => TaskState::OnDisk { size_bytes },
            Tag::Released | Tag::Lost => TaskState::Released,
            Tag::Cancelled => TaskState::Cancelled,
        })
    }

    /// How far a task is, in the words of the executor interface.
    #[must_use]
    pub fn task_status(&self, id: RunId, task: TaskId) -> TaskStatus {
        let Some(state) = self.task_state(id, task) else { return TaskStatus::Failed };
        match state {
            _ if self.run(id).is_some_and(|run| matches!(run.outcome, Some(Outcome::Cancelled)) && run.n_left > 0) => {
                TaskStatus::Cancelled
            }
            TaskState::Unwanted => TaskStatus::Unwanted,
            TaskState::Waiting { .. } | TaskState::Backoff { .. } => TaskStatus::Waiting,
            TaskState::Ready | TaskState::Fetching => TaskStatus::Ready,
            TaskState::Running { .. } | TaskState::Held { .. } => TaskStatus::Running,
            TaskState::Stored { .. } | TaskState::OnDisk { .. } => TaskStatus::Finished,
            TaskState::Released => TaskStatus::Released,
            TaskState::Cancelled => TaskStatus::Cancelled,
        }
    }

    /// How far a run is; one that was dropped counts as cancelled.
    #[must_use]
    pub fn run_status(&self, id: RunId) -> RunStatus {
        match self.run(id).map(|run| &run.outcome) {
            Some(None) => RunStatus::Running,
            Some(Some(Outcome::Finished)) => RunStatus::Finished,
            Some(Some(Outcome::Failed(_))) => RunStatus::Failed,
            Some(Some(Outcome::Cancelled)) | None => RunStatus::Cancelled,
        }
    }

    /// How a run ended, if it has.
    #[must_use]
    pub fn outcome(&self, id: RunId) -> Option<&Outcome> {
        self.run(id).and_then(|run| run.outcome.as_ref())
    }

    /// The graph of a run, and what is known about each of its stages.
    #[must_use]
    pub fn stats(&self, id: RunId) -> Option<(&Arc<TaskGraph>, Vec<StageStats>)> {
        self.run(id).map(|run| (&run.graph, run.stages.iter().map(|stage| stage.stats).collect()))
    }

    /// The tasks of a run that are done, and all of them.
    #[must_use]
    pub fn progress(&self, id: RunId) -> (u64, u64) {
        self.run(id).map_or((0, 0), |run| (run.graph.n_tasks() - run.n_left, run.graph.n_tasks()))
    }

    /// Whether it still matters what becomes of a move. Who keeps values asks before an event about it is handled.
    #[must_use]
    pub fn is_awaited(&self, io: IoId) -> bool {
        self.flights.iter().any(|flight| {
            let tag = if flight.is_spill { Tag::Spilling } else { Tag::Loading };
            flight.io == io && self.run(flight.run).is_some_and(|run| run.tag(flight.task) == tag)
        })
    }

    /// Who holds how many bytes.
    #[must_use]
    pub fn memory(&self) -> Ledger {
        self.ledger
    }

    /// Things that workers run at the moment, those included whose results are not wanted any more.
    #[must_use]
    pub fn n_running(&self) -> usize {
        self.workers.iter().flatten().map(|worker| worker.frames.len()).sum()
    }

    /// The keys of what workers run at the moment, those included whose results are not wanted any more.
    #[must_use]
    pub fn running_keys(&self) -> Vec<String> {
        let frames = self.workers.iter().flatten().flat_map(|worker| &worker.frames);
        frames.map(|frame| self.key_of(frame.run, TaskId::new(frame.stage, frame.start))).collect()
    }

    /// Runs that have not ended.
    #[must_use]
    pub fn n_runs(&self) -> usize {
        self.runs.iter().flatten().filter(|run| run.outcome.is_none()).count()
    }

    /// Runs that have not been dropped.
    pub fn run_ids(&self) -> impl Iterator<Item = RunId> + '_ {
        self.runs.iter().flatten().map(|run| run.id)
    }

    /// Whether a task waits for memory.
    #[must_use]
    pub fn is_short(&self) -> bool {
        self.is_short && !self.runnable.is_empty()
    }

    /// Events so far that say that something was done: when the number stands still, so does the work.
    #[must_use]
    pub fn n_steps(&self) -> u64 {
        self.n_steps
    }
}

impl Run {
    /// Tasks of a stage in each of some states: waiting, ready, running, in memory, on disk.
    pub(super) fn counts(&self, id: StageId) -> [u32; 5] {
        let stage = self.stage(id);
        let Some(tables) = stage.tables() else {
            let is_ready =
                self.graph.stage(id).active.next_from(0).is_some_and(|p| stage.tag(&self.graph, id, p) == Tag::Ready);
            let n = stage.n_active - stage.n_done;
            return if is_ready { [0, n, 0, 0, 0] } else { [n, 0, 0, 0, 0] };
        };
        let sum = |tags: &[Tag]| tags.iter().map(|tag| tables.count(*tag)).sum();
        [
            sum(&[Tag::Waiting, Tag::Backoff]),
            sum(&[Tag::Ready, Tag::Fetching]),
            sum(&[Tag::Running, Tag::Held]),
            sum(&[Tag::Stored, Tag::Spilling]),
            sum(&[Tag::OnDisk, Tag::Loading]),
        ]
    }
}
