//! A task has its value: who can run now, and whose values are used up.

use std::sync::Arc;

use dolmen_graph::{RunId, StageId, TaskId};

use super::Core;
use super::memory::Ledger;
use super::message::{Instruction, Outcome, Ticket};
use super::run::Run;
use super::stage::{Phase, Tag};

impl Core {
    /// Whether the result of a ticket is still wanted. Who keeps values asks before an event about it is handled.
    #[must_use]
    pub fn is_wanted(&self, worker: u32, ticket: Ticket, partition: u32) -> bool {
        let Some(Some(worker)) = self.workers.get(worker as usize) else { return false };
        let Some(frame) = worker.frame_idx(ticket).map(|idx| &worker.frames[idx]) else { return false };
        if frame.is_abandoned || !(frame.start..frame.end).contains(&partition) {
            return false;
        }
        let task = TaskId::new(frame.stage, partition);
        self.run(frame.run).is_some_and(|run| run.tag(task) == Tag::Running)
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of an event")]
    pub(super) fn finished(
        &mut self,
        worker: u32,
        ticket: Ticket,
        partition: u32,
        size_bytes: u64,
        elapsed_ns: u64,
        now_ns: u64,
        out: &mut Vec<Instruction>,
    ) {
        let Some((id, stage)) = self.close_task(worker, ticket, partition) else { return };
        let ledger = &mut self.ledger;
        let slot = super::slot_of(id);
        let Some(run) = self.runs.get_mut(slot).and_then(|run| run.as_deref_mut()) else { return };
        debug_assert!(run.id == id && run.outcome.is_none(), "frames of runs that ended are abandoned");
        let task = TaskId::new(stage, partition);
        ledger.add_value(size_bytes);
        self.is_victim_new = true;
        store(run, task, worker, size_bytes, elapsed_ns, now_ns);
        if run.stage(stage).is_gang {
            let (n_active, tables) = (run.stage(stage).n_active, run.live(stage));
            tables.set(partition, Tag::Held);
            if tables.count(Tag::Held) < n_active {
                return;
            }
            for p in run.graph.stage(stage).active.clone().iter() {
                publish(run, ledger, TaskId::new(stage, p), worker, out);
            }
        } else {
            publish(run, ledger, task, worker, out);
        }
        self.list(id);
        self.end_if_complete(id, out);
    }

    /// Takes a reported task out of its frame, and with it those before it, which are reported in order. `None` if its
    /// result is not wanted.
    pub(super) fn close_task(&mut self, worker: u32, ticket: Ticket, partition: u32) -> Option<(RunId, StageId)> {
        let is_wanted = self.is_wanted(worker, ticket, partition);
        let found = self.workers.get_mut(worker as usize)?.as_mut()?;
        let idx = found.frame_idx(ticket)?;
        let frame = &mut found.frames[idx];
        if partition != frame.start {
            return None;
        }
        frame.start += 1;
        self.ledger.reserved_bytes -= frame.reserved_bytes;
        let of = is_wanted.then_some((frame.run, frame.stage));
        if frame.start == frame.end {
            self.remove_frame(worker, idx);
        }
        of
    }

    pub(super) fn remove_frame(&mut self, worker: u32, idx: usize) {
        let Some(found) = self.workers[worker as usize].as_mut() else { return };
        let frame = found.frames.remove(idx);
        if frame.is_active() {
            found.n_active -= 1;
            self.n_active -= 1;
            if found.n_active == 0 {
                self.idle.push(worker);
            }
        }
        self.is_victim_new = true;
    }

    /// A run whose tasks are all done has come to its end.
    pub(super) fn end_if_complete(&mut self, id: RunId, out: &mut Vec<Instruction>) {
        let Some(run) = self.running_mut(id).filter(|run| run.n_left == 0) else { return };
        let outcome = if run.n_cancelled > 0 { Outcome::Cancelled } else { Outcome::Finished };
        run.outcome = Some(outcome.clone());
        run.queues.clear();
        self.list(id);
        out.push(Instruction::RunEnded { run: id, outcome });
    }

    /// Nobody outside asks for a value any more.
    /// A value that was reported to take no memory, since it was counted elsewhere, is from now on to be counted here.
    pub fn grew(&mut self, id: RunId, task: TaskId, size_bytes: u64) {
        let slot = super::slot_of(id);
        let Some(run) = self.runs.get_mut(slot).and_then(|run| run.as_deref_mut()).filter(|run| run.id == id) else {
            return;
        };
        // What takes no memory is never on its way to disk or back.
        if !run.has(task) || !matches!(run.tag(task), Tag::Stored | Tag::Held) {
            return;
        }
        let stage = run.stage_mut(task.stage);
        let before = stage.live().size(task.partition);
        stage.live().set_size(task.partition, before + size_bytes);
        stage.memory_grew(size_bytes);
        self.ledger.add_value(size_bytes);
        self.is_victim_new = true;
    }

    pub(super) fn release(&mut self, id: RunId, task: TaskId, out: &mut Vec<Instruction>) {
        let slot = super::slot_of(id);
        let Some(run) = self.runs.get_mut(slot).and_then(|run| run.as_deref_mut()).filter(|run| run.id == id) else {
            return;
        };
        if !run.has(task) {
            return;
        }
        run.stage_mut(task.stage).give_up(task.partition);
        drop_if_useless(run, &mut self.ledger, task, out);
        close_if_empty(run, task.stage);
    }
}

fn store(run: &mut Run, task: TaskId, worker: u32, size_bytes: u64, elapsed_ns: u64, now_ns: u64) {
    let stage = run.stage_mut(task.stage);
    stage.stats.n_finished += 1;
    stage.stats.elapsed_ns += elapsed_ns;
    stage.stats.size_bytes += size_bytes;
    stage.stats.size_bytes_max = stage.stats.size_bytes_max.max(size_bytes);
    stage.stats.finished_ns = now_ns;
    stage.memory_grew(size_bytes);
    let tables = stage.live();
    tables.set_size(task.partition, size_bytes);
    tables.holders[task.partition as usize] = u16::try_from(worker).unwrap_or(u16::MAX);
}

/// Tells everyone of a value, and releases what its task has read.
fn publish(run: &mut Run, ledger: &mut Ledger, task: TaskId, worker: u32, out: &mut Vec<Instruction>) {
    let n_readers = if run.stage(task.stage).read_pointwise { run.n_readers_left(task) } else { 0 };
    let stage = run.stage_mut(task.stage);
    let tables = stage.live();
    tables.set(task.partition, Tag::Stored);
    if !tables.reads.is_empty() {
        tables.reads[task.partition as usize] = n_readers;
    }
    stage.n_done += 1;
    let is_complete = stage.is_complete();
    run.n_left -= 1;

    release_inputs(run, ledger, task, out);
    if is_complete {
        complete(run, ledger, task.stage, worker, out);
    }
    if n_readers > 0 {
        offer(run, task, worker);
    }
    if run.is_kept(task) {
        out.push(Instruction::Output { run: run.id, task });
    } else {
        drop_if_useless(run, ledger, task, out);
    }
    close_if_empty(run, task.stage);
}

/// Counts a value off in those that wait for it; whoever has everything becomes ready.
fn offer(run: &mut Run, task: TaskId, worker: u32) {
    let graph = Arc::clone(&run.graph);
    let n_up = graph.stage(task.stage).n_tasks;
    for (reader_id, input_idx) in graph.consumers(task.stage) {
        let reader = graph.stage(*reader_id);
        let wiring = &reader.inputs[*input_idx as usize].wiring;
        if wiring.is_all_to_all() || run.stage(*reader_id).is_complete() {
            continue;
        }
        run.stage_mut(*reader_id).touch(&graph, *reader_id);
        let is_gate_open = run.stage(*reader_id).open_gates == 0;
        wiring.for_each_consumer(n_up, reader.n_tasks, task.partition, |p| {
            let tables = run.live(*reader_id);
            if tables.tag(p).is_done() {
                return;
            }
            let n_missing = &mut tables.missing[p as usize];
            *n_missing -= 1;
            if *n_missing == 0 && is_gate_open && tables.tag(p) == Tag::Waiting {
                let ready = TaskId::new(*reader_id, p);
                let near = nearest(run, ready, worker);
                run.make_ready(ready, near);
            }
        });
    }
}

/// How many inputs are looked at to find the largest.
const N_INPUTS_SEEN: u32 = 8;

/// The worker that holds the largest input of a task; of equal ones the one that has just made the last.
fn nearest(run: &Run, task: TaskId, worker: u32) -> u32 {
    let stage = run.graph.stage(task.stage);
    let mut most = (0, worker);
    let mut n_seen = 0;
    for input in stage.inputs.iter().filter(|input| !input.wiring.is_all_to_all()) {
        let up = run.stage(input.stage);
        let Some(tables) = up.tables() else { continue };
        let n_inputs = input.wiring.n_inputs(up.n_tasks, stage.n_tasks, task.partition);
        n_seen += n_inputs;
        if n_seen > N_INPUTS_SEEN {
            return worker;
        }
        if n_inputs == 1 && stage.inputs.len() == 1 {
            return worker;
        }
        input.wiring.for_each_input(up.n_tasks, stage.n_tasks, task.partition, |q| {
            let holder = u32::from(tables.holders[q as usize]);
            let size = tables.size(q);
            if holder != u32::from(super::stage::NOBODY) && (size > most.0 || (size == most.0 && holder == worker)) {
                most = (size, holder);
            }
        });
    }
    most.1
}

/// A task has read its inputs for the last time.
pub(super) fn release_inputs(run: &mut Run, ledger: &mut Ledger, task: TaskId, out: &mut Vec<Instruction>) {
    let graph = Arc::clone(&run.graph);
    let stage = graph.stage(task.stage);
    for input in stage.inputs.iter().filter(|input| !input.wiring.is_all_to_all()) {
        let n_up = graph.stage(input.stage).n_tasks;
        input.wiring.for_each_input(n_up, stage.n_tasks, task.partition, |q| {
            let up = TaskId::new(input.stage, q);
            let Phase::Live(tables) = &mut run.stage_mut(input.stage).phase else { return };
            if !tables.tag(q).is_available() {
                return;
            }
            let n_reads = &mut tables.reads[q as usize];
            *n_reads -= 1;
            if *n_reads == 0 {
                drop_if_useless(run, ledger, up, out);
            }
        });
        if input.stage != task.stage {
            close_if_empty(run, input.stage);
        }
    }
}

/// The last task of a stage is done: gates behind it open, and what it held by links goes.
pub(super) fn complete(run: &mut Run, ledger: &mut Ledger, id: StageId, worker: u32, out: &mut Vec<Instruction>) {
    let graph = Arc::clone(&run.graph);
    out.push(Instruction::StageFinished { run: run.id, stage: id });
    for (reader_id, input_idx) in graph.consumers(id) {
        let reader = graph.stage(*reader_id);
        let is_gate = reader.inputs[*input_idx as usize].wiring.is_all_to_all() && reader.n_active() > 0;
        if !is_gate {
            continue;
        }
        let stage = run.stage_mut(*reader_id);
        stage.open_gates -= 1;
        if stage.open_gates == 0 {
            open(run, *reader_id, worker);
        }
    }
    for input in graph.stage(id).inputs.iter().filter(|input| input.wiring.is_all_to_all()) {
        let up = run.stage_mut(input.stage);
        up.open_links -= 1;
        if up.open_links > 0 || up.n_active == 0 {
            continue;
        }
        for q in graph.stage(input.stage).active.iter() {
            drop_if_useless(run, ledger, TaskId::new(input.stage, q), out);
        }
        close_if_empty(run, input.stage);
    }
}

/// The last gate of a stage has opened.
fn open(run: &mut Run, id: StageId, worker: u32) {
    if !run.stage(id).reads_pointwise {
        if matches!(run.stage(id).phase, Phase::Dormant) {
            return run.open_source(id);
        }
    } else {
        let graph = Arc::clone(&run.graph);
        run.stage_mut(id).touch(&graph, id);
    }
    // All of it may have run before, if what it read was lost and made again for others.
    if run.stage(id).tables().is_none() {
        return;
    }
    let n_tasks = run.stage(id).n_tasks;
    // Downwards, so that neighbours join and the first is on top.
    for p in (0..n_tasks).rev() {
        let tables = run.live(id);
        if tables.tag(p) == Tag::Waiting && tables.missing.get(p as usize).is_none_or(|n| *n == 0) {
            run.make_ready(TaskId::new(id, p), worker);
        }
    }
}

/// Whether a value that is available is of no use to anyone.
fn is_useless(run: &Run, task: TaskId) -> bool {
    let stage = run.stage(task.stage);
    let Some(tables) = stage.tables() else { return false };
    tables.tag(task.partition).is_available()
        && stage.open_links == 0
        && tables.reads.get(task.partition as usize).is_none_or(|n| *n == 0)
        && !run.is_kept(task)
}

/// Releases a value that nobody needs.
pub(super) fn drop_if_useless(run: &mut Run, ledger: &mut Ledger, task: TaskId, out: &mut Vec<Instruction>) {
    if !is_useless(run, task) {
        return;
    }
    let size_bytes = forget_bytes(run, ledger, task);
    run.live(task.stage).set(task.partition, Tag::Released);
    out.push(Instruction::Free { run: run.id, task, size_bytes });
}

/// Takes the bytes of a value that is there off the books.
pub(super) fn forget_bytes(run: &mut Run, ledger: &mut Ledger, task: TaskId) -> u64 {
    let stage = run.stage_mut(task.stage);
    let tables = stage.live();
    let (tag, size_bytes) = (tables.tag(task.partition), tables.size(task.partition));
    if tag.is_in_memory() {
        ledger.values_bytes -= size_bytes;
        stage.stats.memory_bytes -= size_bytes;
        if tag == Tag::Spilling {
            ledger.spilling_bytes -= size_bytes;
        }
    } else if tag == Tag::OnDisk {
        ledger.disk_bytes -= size_bytes;
    }
    size_bytes
}

/// Frees the arrays of a stage of which nothing is left.
pub(super) fn close_if_empty(run: &mut Run, id: StageId) {
    let stage = run.stage_mut(id);
    let Phase::Live(tables) = &stage.phase else { return };
    if tables.count(Tag::Released) == stage.n_active {
        stage.phase = Phase::Done;
    }
}
