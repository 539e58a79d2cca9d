//! The decision core: what runs where and when, and which values stay in memory.
//!
//! It is synchronous and has no clock, no threads and no randomness: [`Core::handle`] is told what happened and when, and
//! says what is to be done. The same events give the same instructions.
//!
//! # States of a task
//! ```text
//!             inputs there        admitted, all in memory              value
//!   Waiting ---------------> Ready ------------------------> Running --------> Stored <-----.
//!      ^                     ^ | ^                           |  |  |             |  ^       | read
//!      |     time is up      | | |        lost, returned     |  |  '-> Held -----'  |       |
//!      |    .----------------' | '---------------------------'  |   (gang goes on)  |       |
//!      |    |                  |                                |                   |       |
//!      |  Backoff <------------|------- transient error --------'          written  v       |
//!      |                       '-> Fetching -> Running                 Spilling --> OnDisk --> Loading
//!      |                        (inputs on disk)                         |
//!      |  lost and needed                                                | refused: Stored
//!      '---------------------- Stored, Spilling, Loading, Released
//!
//!   Stored, OnDisk ... -- last reader done, not asked for --> Released        any -- given up --> Cancelled
//! ```
//! A task that fails for good ends its run: nothing of the run starts any more, its values go, and what still runs is
//! stopped and forgotten; the worker stays taken until it reports.
//!
//! # States of a stage
//! *Dormant* (nothing stored for its tasks), *live* (a few bytes for each task), *done* (nothing stored again). A stage that
//! needs all of another waits at a *gate*: one counter, however many edges. It holds the other's values by a *link*.
//!
//! # Invariants
//! [`Core::check_invariants`] verifies all of these from the graph, after every event of the simulator:
//! - Every task is in one state, counted under it. Only active tasks leave *Unwanted*.
//! - `missing` of a task is the number of its inputs that are not available, `reads` of a value that of its readers that
//!   are not done; gates and links are open as long as their stages are not complete.
//! - A task is *Ready* exactly if all its inputs are available and it is in a queue; *Running* exactly if it is in a frame
//!   that is not abandoned; *Fetching*, *Spilling*, *Loading* and *Backoff* exactly if something will end them.
//! - The inputs of a running task are in memory.
//! - No value stays that nobody reads and nobody asked for.
//! - The bytes of the ledger are those of values, frames and fetching tasks; all are given back when the runs are dropped.
//! - While a run is not finished, something can happen: a task runs, a value moves, a time is awaited.

mod cancel;
mod check;
mod config;
mod dispatch;
mod explain;
mod failure;
mod finish;
mod memory;
mod message;
mod queues;
mod repair;
mod run;
mod spill;
mod stage;
mod timers;
mod view;
mod worker;

use std::collections::{BTreeSet, VecDeque};

use dolmen_graph::{RunId, TaskId};

pub use config::{CoreConfig, Grouping, ValuePlaces};
pub use memory::Ledger;
pub use message::{CoreEvent, Failure, Instruction, IoId, Outcome, SpillFailure, Submission, Ticket};
pub use stage::StageStats;
pub use view::TaskState;

use run::{Run, RunKey};
use spill::{Fetching, Flight, Victim};
use timers::Timers;
use worker::Worker;

/// The state of all runs, workers and values. See the module's text.
#[derive(Debug)]
pub struct Core {
    config: CoreConfig,
    /// By the lower half of their ids.
    runs: Vec<Option<Box<Run>>>,
    free_slots: Vec<u32>,
    n_submitted: u32,
    /// Runs with ready tasks, the first one first.
    runnable: BTreeSet<RunKey>,
    /// Runs with gangs that are ready and take no worker.
    with_light: Vec<RunId>,
    /// By number; `None` for those that are not there.
    workers: Vec<Option<Worker>>,
    /// Workers without an active frame, those that became free last at the end.
    idle: Vec<u32>,
    /// Frames that take their workers.
    n_active: u32,
    ledger: Ledger,
    flights: Vec<Flight>,
    fetching: Vec<Fetching>,
    /// Those of which every input is there.
    fetched: VecDeque<Fetching>,
    /// Values that may be spilled, the one that is needed last at the end; empty until memory runs short.
    victims: Vec<Victim>,
    /// Something happened since no victim was found.
    is_victim_new: bool,
    /// A task waits for memory, so that no source is started.
    is_short: bool,
    spill_error: Option<spill::SpillError>,
    /// When others have had their time to give memory back; `None` if nobody waits for that alone.
    patient_until_ns: Option<u64>,
    timers: Timers,
    next_ticket: u64,
    next_io: u64,
    n_steps: u64,
}

impl Core {
    /// A core without workers and runs.
    #[must_use]
    pub fn new(config: CoreConfig) -> Self {
        Self {
            config,
            runs: Vec::new(),
            free_slots: Vec::new(),
            n_submitted: 0,
            runnable: BTreeSet::new(),
            with_light: Vec::new(),
            workers: Vec::new(),
            idle: Vec::new(),
            n_active: 0,
            ledger: Ledger { limit_bytes: config.memory_limit_bytes, ..Ledger::default() },
            flights: Vec::new(),
            fetching: Vec::new(),
            fetched: VecDeque::new(),
            victims: Vec::new(),
            is_victim_new: true,
            is_short: false,
            spill_error: None,
            patient_until_ns: None,
            timers: Timers::default(),
            next_ticket: 0,
            next_io: 0,
            n_steps: 0,
        }
    }

    /// Takes in a graph and starts what can start. `now_ns` is the time on any clock that does not go back, the same in
    /// all calls.
    ///
    /// # Panics
    /// If 2^32 runs were submitted before, or are there.
    pub fn submit(&mut self, submission: Submission, now_ns: u64, out: &mut Vec<Instruction>) -> RunId {
        let slot = self.free_slots.pop().unwrap_or_else(|| {
            self.runs.push(None);
            u32::try_from(self.runs.len() - 1).expect("at most u32::MAX runs at a time")
        });
        let id = RunId(u64::from(self.n_submitted) << 32 | u64::from(slot));
        self.n_submitted = self.n_submitted.checked_add(1).expect("at most u32::MAX runs");
        let parent = submission.parent.and_then(|parent| self.run_mut(parent.run));
        let depth = parent.map_or(0, |parent| {
            parent.children.push(id);
            parent.depth + 1
        });
        self.runs[slot as usize] = Some(Box::new(Run::new(id, submission, depth)));
        self.list(id);
        self.end_if_complete(id, out);
        self.dispatch(now_ns, out);
        id
    }

    /// Takes in what happened, and adds what is to be done to `out`.
    pub fn handle(&mut self, event: CoreEvent, now_ns: u64, out: &mut Vec<Instruction>) {
        self.apply(event, now_ns, out);
        self.dispatch(now_ns, out);
    }

    /// As [`handle`](Self::handle) of each of `events`, but decides only once, after the last.
    pub fn handle_all(&mut self, events: impl IntoIterator<Item = CoreEvent>, now_ns: u64, out: &mut Vec<Instruction>) {
        for event in events {
            self.apply(event, now_ns, out);
        }
        self.dispatch(now_ns, out);
    }

    fn apply(&mut self, event: CoreEvent, now_ns: u64, out: &mut Vec<Instruction>) {
        let is_step = !matches!(event, CoreEvent::Tick | CoreEvent::External { .. } | CoreEvent::Shortage { .. });
        self.n_steps += u64::from(is_step);
        match event {
            CoreEvent::WorkerJoined { worker } => self.join(worker),
            CoreEvent::WorkerLost { worker } => self.lose_worker(worker, out),
            CoreEvent::Finished { worker, ticket, partition, size_bytes, elapsed_ns } => {
                self.finished(worker, ticket, partition, size_bytes, elapsed_ns, now_ns, out);
            }
            CoreEvent::Failed { worker, ticket, partition, failure } => {
                self.failed(worker, ticket, partition, failure, now_ns, out);
            }
            CoreEvent::Returned { worker, ticket, partition } => self.returned(worker, ticket, partition, out),
            CoreEvent::Waits { worker, ticket, on } => self.set_waiting(worker, ticket, Some(on)),
            CoreEvent::GoesOn { worker, ticket } => self.set_waiting(worker, ticket, None),
            CoreEvent::Spilled { io } => self.spilled(io, out),
            CoreEvent::SpillFailed { io, cause } => self.spill_failed(io, cause, now_ns),
            CoreEvent::Loaded { io } => self.loaded(io),
            CoreEvent::LoadFailed { io } => self.load_failed(io, out),
            CoreEvent::Fetch { run, task } => self.fetch(run, task, out),
            CoreEvent::Release { run, task } => self.release(run, task, out),
            CoreEvent::Cancel { run } => self.end(run, Outcome::Cancelled, out),
            CoreEvent::CancelTasks { run, tasks } => self.cancel_tasks(run, &tasks, out),
            CoreEvent::Drop { run } => self.drop_run(run, out),
            CoreEvent::External { size_bytes } => self.ledger.external_bytes = size_bytes,
            CoreEvent::Shortage { missing_bytes } => self.make_room(missing_bytes, None, now_ns, out),
            CoreEvent::Tick => self.tick(now_ns, out),
        }
    }

    fn join(&mut self, worker: u32) {
        let idx = worker as usize;
        if self.workers.len() <= idx {
            self.workers.resize_with(idx + 1, || None);
        }
        if self.workers[idx].is_none() {
            self.workers[idx] = Some(Worker::default());
            self.idle.insert(0, worker);
        }
    }

    fn run(&self, id: RunId) -> Option<&Run> {
        let run = self.runs.get(slot_of(id))?.as_deref()?;
        (run.id == id).then_some(run)
    }

    fn run_mut(&mut self, id: RunId) -> Option<&mut Run> {
        let run = self.runs.get_mut(slot_of(id))?.as_deref_mut()?;
        (run.id == id).then_some(run)
    }

    /// A run that has not ended.
    fn running_mut(&mut self, id: RunId) -> Option<&mut Run> {
        self.run_mut(id).filter(|run| run.outcome.is_none())
    }

    /// Puts a run where it belongs among those with ready tasks.
    fn list(&mut self, id: RunId) {
        let Some(run) = self.run_mut(id) else { return };
        let is_light = run.queues.has_light();
        let key = run.key();
        let old = std::mem::replace(&mut run.listed, key);
        if old != key {
            old.map(|old| self.runnable.remove(&old));
            key.map(|key| self.runnable.insert(key));
        }
        if is_light && !self.with_light.contains(&id) {
            self.with_light.push(id);
        }
    }

    /// Whether the values of the run, and the runs that it was submitted by, lead to `ancestor`.
    fn descends(&self, id: RunId, ancestor: RunId) -> bool {
        let mut next = Some(id);
        while let Some(id) = next {
            if id == ancestor {
                return true;
            }
            next = self.run(id).and_then(|run| run.parent).map(|parent| parent.run);
        }
        false
    }

    /// The key of a task, for errors.
    fn key_of(&self, id: RunId, task: TaskId) -> String {
        self.run(id).map_or_else(|| task.to_string(), |run| run.graph.task_key(task))
    }
}

/// The lower half of an id: small, and of one run at a time.
pub(crate) fn slot_of(id: RunId) -> usize {
    (id.0 & u64::from(u32::MAX)) as usize
}

#[cfg(test)]
mod tests;
