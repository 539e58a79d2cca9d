//! Moving values between memory and disk.

use std::sync::Arc;

use dolmen_graph::{RunId, TaskId};

use super::Core;
use super::message::{Instruction, IoId, SpillFailure};
use super::run::Run;
use super::stage::{Phase, StageRun, Tag};
use super::timers::Timer;

/// A value on its way between memory and disk.
#[derive(Debug)]
pub(super) struct Flight {
    pub(super) io: IoId,
    pub(super) run: RunId,
    pub(super) task: TaskId,
    pub(super) is_spill: bool,
}

/// A task, or a gang, that was admitted and whose inputs are being read back.
#[derive(Debug)]
pub(super) struct Fetching {
    pub(super) run: RunId,
    /// Of a gang the first.
    pub(super) task: TaskId,
    pub(super) is_gang: bool,
    /// Held for all of it.
    pub(super) reserved_bytes: u64,
    /// Inputs that are not in memory yet.
    pub(super) pending: Vec<TaskId>,
}

/// A value that may be spilled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Victim {
    /// How late its run is in turn, then how late it is needed in it.
    needed_at: (super::RunKey, u64),
    run: RunId,
    task: TaskId,
}

/// The disk refused a value.
#[derive(Debug, Clone)]
pub(super) struct SpillError {
    pub(super) key: String,
    pub(super) source: Arc<dyn std::error::Error + Send + Sync>,
}

impl Fetching {
    /// The tasks that wait.
    pub(super) fn tasks(&self, run: &Run) -> Vec<TaskId> {
        if self.is_gang { run.members(self.task.stage) } else { vec![self.task] }
    }
}

impl Core {
    /// Spills values, those that are needed last first, until `missing_bytes` more are free or on their way. Inputs of
    /// `task`, which waits for the room, stay.
    pub(super) fn make_room(
        &mut self,
        missing_bytes: u64,
        task: Option<(RunId, TaskId)>,
        _now_ns: u64,
        out: &mut Vec<Instruction>,
    ) {
        self.forget_useless_flights();
        if self.spill_error.is_some() {
            return;
        }
        let mut was_listed = false;
        while self.ledger.spilling_bytes < missing_bytes {
            let Some(victim) = self.victims.pop() else {
                if was_listed || !self.is_victim_new {
                    return;
                }
                was_listed = true;
                self.list_victims();
                continue;
            };
            let is_spillable = self.run(victim.run).is_some_and(|run| {
                let waiting = task.filter(|(id, _)| *id == victim.run).map(|(_, task)| task);
                is_spillable(run, victim.task, waiting)
            });
            if is_spillable {
                self.start_move(victim.run, victim.task, true, out);
            }
        }
    }

    /// Collects what may be spilled. Of many values only the later half: the others may change by the time they are met.
    fn list_victims(&mut self) {
        let mut victims = Vec::new();
        for run in self.runs.iter().flatten() {
            list_victims_of(run, &mut victims);
        }
        self.is_victim_new = !victims.is_empty();
        victims.sort_unstable();
        if victims.len() > 64 {
            victims.drain(..victims.len() / 2);
        }
        self.victims = victims;
    }

    fn start_move(&mut self, id: RunId, task: TaskId, is_spill: bool, out: &mut Vec<Instruction>) {
        let io = IoId(self.next_io);
        self.next_io += 1;
        let slot = super::slot_of(id);
        let Some(run) = self.runs[slot].as_deref_mut() else { return };
        let stage = run.stage_mut(task.stage);
        let bytes = stage.live().size(task.partition);
        if is_spill {
            stage.live().set(task.partition, Tag::Spilling);
            self.ledger.spilling_bytes += bytes;
            out.push(Instruction::Spill { io, run: id, task });
        } else {
            stage.live().set(task.partition, Tag::Loading);
            stage.memory_grew(bytes);
            self.ledger.disk_bytes -= bytes;
            self.ledger.add_value(bytes);
            out.push(Instruction::Load { io, run: id, task });
        }
        self.flights.push(Flight { io, run: id, task, is_spill });
    }

    /// Reads a value back for a task that was admitted.
    pub(super) fn start_load(&mut self, id: RunId, task: TaskId, out: &mut Vec<Instruction>) {
        self.start_move(id, task, false, out);
    }

    /// Flights whose value was freed meanwhile: what they report is about nothing.
    pub(super) fn forget_useless_flights(&mut self) {
        let mut flights = std::mem::take(&mut self.flights);
        flights.retain(|flight| {
            let tag = if flight.is_spill { Tag::Spilling } else { Tag::Loading };
            self.run(flight.run).is_some_and(|run| run.tag(flight.task) == tag)
        });
        self.flights = flights;
    }

    fn land(&mut self, io: IoId) -> Option<Flight> {
        self.forget_useless_flights();
        let idx = self.flights.iter().position(|flight| flight.io == io)?;
        Some(self.flights.swap_remove(idx))
    }

    pub(super) fn spilled(&mut self, io: IoId, out: &mut Vec<Instruction>) {
        let Some(flight) = self.land(io) else { return };
        let Flight { run: id, task, .. } = flight;
        let slot = super::slot_of(id);
        let Some(run) = self.runs[slot].as_deref_mut() else { return };
        let stage = run.stage_mut(task.stage);
        let bytes = stage.live().size(task.partition);
        stage.live().set(task.partition, Tag::OnDisk);
        stage.stats.memory_bytes -= bytes;
        stage.stats.spilled_bytes += bytes;
        self.ledger.values_bytes -= bytes;
        self.ledger.spilling_bytes -= bytes;
        self.ledger.disk_bytes += bytes;
        self.is_victim_new = true;
        // It was admitted while the value was on its way.
        if self.fetching.iter().any(|fetching| fetching.run == id && fetching.pending.contains(&task)) {
            self.start_load(id, task, out);
        }
    }

    pub(super) fn spill_failed(&mut self, io: IoId, cause: SpillFailure, now_ns: u64) {
        let Some(flight) = self.land(io) else { return };
        let Flight { run: id, task, .. } = flight;
        let key = self.key_of(id, task);
        let Some(run) = self.run_mut(id) else { return };
        let stage = run.stage_mut(task.stage);
        stage.live().set(task.partition, Tag::Stored);
        let bytes = stage.live().size(task.partition);
        let is_encodable = !matches!(cause, SpillFailure::NotEncodable);
        stage.is_unspillable |= !is_encodable;
        self.ledger.spilling_bytes -= bytes;
        if let SpillFailure::Disk(source) = cause {
            self.spill_error = Some(SpillError { key, source });
            self.timers.add(now_ns.saturating_add(self.config.spill_pause_ns), Timer::SpillPause);
        }
        self.arrived(id, task);
    }

    pub(super) fn loaded(&mut self, io: IoId) {
        let Some(flight) = self.land(io) else { return };
        let Flight { run: id, task, .. } = flight;
        let Some(run) = self.run_mut(id) else { return };
        run.live(task.stage).set(task.partition, Tag::Stored);
        self.is_victim_new = true;
        self.arrived(id, task);
    }

    /// A value is in memory; tasks that waited for it have one input less to wait for.
    fn arrived(&mut self, id: RunId, task: TaskId) {
        let mut idx = 0;
        while idx < self.fetching.len() {
            let fetching = &mut self.fetching[idx];
            if fetching.run == id {
                fetching.pending.retain(|pending| *pending != task);
            }
            if fetching.pending.is_empty() {
                let fetching = self.fetching.remove(idx);
                self.fetched.push_back(fetching);
            } else {
                idx += 1;
            }
        }
    }

    pub(super) fn load_failed(&mut self, io: IoId, out: &mut Vec<Instruction>) {
        let Some(flight) = self.land(io) else { return };
        let Flight { run: id, task, .. } = flight;
        let Some(run) = self.run_mut(id) else { return };
        let special = run.live(task.stage).special.entry(task.partition).or_default();
        special.n_losses += 1;
        let n_losses = special.n_losses;
        if n_losses > self.config.losses_max {
            let error = dolmen_graph::RunError::WorkerLost { key: self.key_of(id, task), n_losses };
            return self.end(id, super::Outcome::Failed(error), out);
        }
        self.lose_value(id, task, out);
        self.repair(id, out);
    }

    /// Somebody outside asks for a value: it is read back if it is on disk, beyond the limit if need be.
    pub(super) fn fetch(&mut self, id: RunId, task: TaskId, out: &mut Vec<Instruction>) {
        if self.run(id).is_some_and(|run| run.tag(task) == Tag::OnDisk) {
            self.start_load(id, task, out);
        }
    }
}

fn list_victims_of(run: &Run, victims: &mut Vec<Victim>) {
    let run_key = run.key().unwrap_or((std::cmp::Reverse(i32::MIN), std::cmp::Reverse(run.depth), run.id.0));
    for (id, _) in run.graph.stages() {
        let Phase::Live(tables) = &run.stage(id).phase else { continue };
        if tables.count(Tag::Stored) == 0 || run.stage(id).is_unspillable {
            continue;
        }
        for (p, tag) in tables.tags() {
            let task = TaskId::new(id, p);
            if tag == Tag::Stored && is_spillable(run, task, None) {
                victims.push(Victim { needed_at: (run_key, needed_at(run, task)), run: run.id, task });
            }
        }
    }
}

/// When the value of a task is needed next; the larger, the later.
fn needed_at(run: &Run, task: TaskId) -> u64 {
    let graph = &run.graph;
    let mut first = u64::MAX;
    for (reader_id, input_idx) in graph.consumers(task.stage) {
        let (reader, stage) = (graph.stage(*reader_id), run.stage(*reader_id));
        if stage.is_complete() {
            continue;
        }
        let wiring = &reader.inputs[*input_idx as usize].wiring;
        if wiring.is_all_to_all() {
            let next = stage.n_done.min(stage.n_tasks - 1);
            first = first.min(run.order.of(TaskId::new(*reader_id, next)));
            continue;
        }
        wiring.for_each_consumer(graph.stage(task.stage).n_tasks, reader.n_tasks, task.partition, |p| {
            if !stage.tag(graph, *reader_id, p).is_done() {
                first = first.min(run.order.of(TaskId::new(*reader_id, p)));
            }
        });
    }
    first
}

/// Whether a value may leave memory: it is there, has an encoding, and nobody reads it now or is about to.
fn is_spillable(run: &Run, task: TaskId, waiting: Option<TaskId>) -> bool {
    let stage = run.stage(task.stage);
    let is_stored = stage
        .tables()
        .is_some_and(|tables| tables.tag(task.partition) == Tag::Stored && tables.size(task.partition) > 0);
    is_stored && !stage.is_unspillable && !is_pinned(run, task, waiting)
}

/// Whether a task that runs, or was admitted, or is `waiting`, reads the value.
pub(super) fn is_pinned(run: &Run, task: TaskId, waiting: Option<TaskId>) -> bool {
    let graph = &run.graph;
    graph.consumers(task.stage).iter().any(|(reader_id, input_idx)| {
        let reads_now = |stage: &StageRun| {
            stage.tables().is_some_and(|t| t.count(Tag::Running) + t.count(Tag::Fetching) + t.count(Tag::Held) > 0)
        };
        let (reader, stage) = (graph.stage(*reader_id), run.stage(*reader_id));
        let is_waiting = waiting.is_some_and(|waiting| waiting.stage == *reader_id);
        if !is_waiting && !reads_now(stage) {
            return false;
        }
        let wiring = &reader.inputs[*input_idx as usize].wiring;
        if wiring.is_all_to_all() {
            return true;
        }
        let mut is_read = false;
        wiring.for_each_consumer(graph.stage(task.stage).n_tasks, reader.n_tasks, task.partition, |p| {
            let tag = stage.tag(graph, *reader_id, p);
            let is_now = matches!(tag, Tag::Running | Tag::Fetching | Tag::Held);
            is_read |= is_now || (is_waiting && (stage.is_gang || waiting == Some(TaskId::new(*reader_id, p))));
        });
        is_read
    })
}
