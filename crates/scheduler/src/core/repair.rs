//! Setting a run right after something was lost or given up.
//!
//! Both are rare, so the counters of the whole run are taken anew from the states of its tasks, instead of being followed
//! through every consequence.

use std::sync::Arc;

use dolmen_graph::{RunError, RunId, StageId, TaskGraph, TaskId};

use super::config::ValuePlaces;
use super::finish::{close_if_empty, drop_if_useless, forget_bytes};
use super::memory::Ledger;
use super::message::{Instruction, Outcome};
use super::run::Run;
use super::stage::{NOBODY, Phase, Tag};
use super::{Core, slot_of};

impl Core {
    /// A worker is gone: what it ran runs again elsewhere, and so does what made the values that it held.
    pub(super) fn lose_worker(&mut self, worker: u32, out: &mut Vec<Instruction>) {
        let Some(lost) = self.workers.get_mut(worker as usize).and_then(Option::take) else { return };
        self.idle.retain(|idle| *idle != worker);
        self.n_active -= lost.n_active;
        let mut damaged: Vec<RunId> = Vec::new();
        for frame in lost.frames {
            self.ledger.reserved_bytes -= frame.reserved_bytes * u64::from(frame.end - frame.start);
            if frame.is_abandoned {
                continue;
            }
            damaged.push(frame.run);
            for p in frame.start..frame.end {
                let task = TaskId::new(frame.stage, p);
                let Some(run) = self.running_mut(frame.run).filter(|run| run.tag(task) == Tag::Running) else { break };
                let is_gang = run.stage(frame.stage).is_gang;
                let tables = run.live(frame.stage);
                tables.set(p, Tag::Waiting);
                let special = tables.special.entry(p).or_default();
                special.n_losses += 1;
                let n_losses = special.n_losses;
                if is_gang {
                    self.stop_gang(frame.run, frame.stage, Tag::Waiting, out);
                }
                if n_losses > self.config.losses_max {
                    let error = RunError::WorkerLost { key: self.key_of(frame.run, task), n_losses };
                    self.end(frame.run, Outcome::Failed(error), out);
                }
            }
        }
        if self.config.places == ValuePlaces::AtWorkers {
            self.lose_values_of(worker, &mut damaged, out);
        }
        damaged.sort_unstable();
        damaged.dedup();
        for id in damaged {
            self.repair(id, out);
        }
        self.is_victim_new = true;
    }

    fn lose_values_of(&mut self, worker: u32, damaged: &mut Vec<RunId>, out: &mut Vec<Instruction>) {
        let mut lost: Vec<(RunId, TaskId)> = Vec::new();
        for run in self.runs.iter().flatten() {
            for (id, _) in run.graph.stages() {
                let Some(tables) = run.stage(id).tables() else { continue };
                let is_lost = |(p, tag): &(u32, Tag)| {
                    matches!(tag, Tag::Held | Tag::Stored | Tag::Spilling)
                        && u32::from(tables.holders[*p as usize]) == worker
                };
                lost.extend(tables.tags().filter(is_lost).map(|(p, _)| (run.id, TaskId::new(id, p))));
            }
        }
        for (id, task) in lost {
            damaged.push(id);
            self.lose_value(id, task, out);
        }
    }

    /// A value is gone. Members of a gang that is under way start again with it.
    pub(super) fn lose_value(&mut self, id: RunId, task: TaskId, out: &mut Vec<Instruction>) {
        let Some(run) = self.runs[slot_of(id)].as_deref_mut() else { return };
        let was_held = match run.tag(task) {
            Tag::Held => true,
            tag if tag.is_available() => false,
            _ => return,
        };
        let size_bytes = forget_bytes(run, &mut self.ledger, task);
        out.push(Instruction::Free { run: id, task, size_bytes });
        let tables = run.live(task.stage);
        tables.holders[task.partition as usize] = NOBODY;
        tables.set(task.partition, if was_held { Tag::Waiting } else { Tag::Lost });
        if was_held {
            self.stop_gang(id, task.stage, Tag::Waiting, out);
        }
    }

    /// Makes the states and counters of a run fit each other again. Ends it if nothing is left to do.
    pub(super) fn repair(&mut self, id: RunId, out: &mut Vec<Instruction>) {
        // One that came to its end by itself can come back, if a value that is asked for was lost.
        let is_over = self.run(id).is_none_or(|run| run.outcome.is_some() && run.n_left > 0);
        if is_over {
            return;
        }
        self.take_back_fetching(id);
        let slot = slot_of(id);
        let Some(run) = self.runs[slot].as_deref_mut() else { return };
        let graph = Arc::clone(&run.graph);
        run.is_irregular = true;
        let finished = run.outcome.take();
        (0..graph.n_stages()).map(StageId).for_each(|stage| run.stage_mut(stage).touch(&graph, stage));
        spread_cancelled(run, &graph, &mut self.ledger, out);
        find_needed(run, &graph, &mut self.ledger, out);
        recount(run, &graph);
        requeue(run, &graph);
        drop_useless(run, &graph, &mut self.ledger, out);
        if finished.is_some() && run.n_left > 0 {
            out.push(Instruction::RunReopened { run: id });
        } else {
            run.outcome = finished;
        }

        // What is not wanted of a group runs on; the whole of a ticket is stopped.
        for (number, worker) in (0..).zip(&mut self.workers) {
            for frame in worker.iter_mut().flat_map(|worker| &mut worker.frames) {
                let is_wanted = |p| run.tag(TaskId::new(frame.stage, p)) == Tag::Running;
                if frame.run == id && !frame.is_abandoned && !(frame.start..frame.end).any(is_wanted) {
                    frame.is_abandoned = true;
                    out.push(Instruction::Stop { worker: number, ticket: frame.ticket });
                }
            }
        }
        self.is_victim_new = true;
        self.list(id);
        self.end_if_complete(id, out);
    }

    /// Tasks whose inputs were being read back wait again.
    fn take_back_fetching(&mut self, id: RunId) {
        let (mine, others): (Vec<_>, Vec<_>) = self.fetching.drain(..).partition(|fetching| fetching.run == id);
        self.fetching = others;
        let (fetched, others): (Vec<_>, Vec<_>) = self.fetched.drain(..).partition(|fetching| fetching.run == id);
        self.fetched = others.into();
        for fetching in mine.into_iter().chain(fetched) {
            self.ledger.reserved_bytes -= fetching.reserved_bytes;
            let Some(run) = self.run_mut(id) else { continue };
            for task in fetching.tasks(run) {
                if run.tag(task) == Tag::Fetching {
                    run.live(task.stage).set(task.partition, Tag::Waiting);
                }
            }
        }
    }
}

/// Gives up one task, and the gang that it belongs to.
pub(super) fn mark_cancelled(run: &mut Run, task: TaskId, ledger: &mut Ledger, out: &mut Vec<Instruction>) {
    if !run.stage(task.stage).is_gang {
        return mark_one_cancelled(run, task, ledger, out);
    }
    for p in run.graph.stage(task.stage).active.clone().iter() {
        let member = TaskId::new(task.stage, p);
        if !run.tag(member).is_done() {
            mark_one_cancelled(run, member, ledger, out);
        }
    }
}

fn mark_one_cancelled(run: &mut Run, task: TaskId, ledger: &mut Ledger, out: &mut Vec<Instruction>) {
    if run.tag(task) == Tag::Held {
        let size_bytes = forget_bytes(run, ledger, task);
        out.push(Instruction::Free { run: run.id, task, size_bytes });
    }
    run.live(task.stage).set(task.partition, Tag::Cancelled);
    if run.is_kept(task) {
        run.n_cancelled += 1;
        out.push(Instruction::OutputCancelled { run: run.id, task });
    }
}

/// What reads something that was given up is given up too.
fn spread_cancelled(run: &mut Run, graph: &TaskGraph, ledger: &mut Ledger, out: &mut Vec<Instruction>) {
    for (id, stage) in graph.stages() {
        for p in stage.active.iter() {
            let task = TaskId::new(id, p);
            if !run.tag(task).is_to_run() {
                continue;
            }
            let mut reads_cancelled = false;
            for input in &stage.inputs {
                let up = run.stage(input.stage);
                let n_cancelled = up.tables().map_or(0, |tables| tables.count(Tag::Cancelled));
                if n_cancelled > 0 {
                    input.wiring.for_each_input(up.n_tasks, stage.n_tasks, p, |q| {
                        reads_cancelled |= run.tag(TaskId::new(input.stage, q)) == Tag::Cancelled;
                    });
                }
            }
            if reads_cancelled {
                mark_cancelled(run, task, ledger, out);
            }
        }
    }
}

/// From the outputs back: what was lost or released and is needed runs again; what only cancelled tasks would have read
/// need not run. It is not marked as given up: after a loss it may be needed again.
fn find_needed(run: &mut Run, graph: &TaskGraph, ledger: &mut Ledger, out: &mut Vec<Instruction>) {
    for (id, stage) in graph.stages().rev() {
        let has_readers = graph.consumers(id).iter().any(|(reader, _)| n_to_run(run, *reader) > 0);
        if has_readers {
            run.stage_mut(id).reopen(graph, id);
        }
        if run.stage(id).tables().is_none() {
            continue;
        }
        let mut is_gang_lost = false;
        let active: Vec<u32> = stage.active.iter().collect();
        for p in active.iter().rev().copied() {
            let task = TaskId::new(id, p);
            let is_needed = run.is_kept(task) || is_read(run, graph, task);
            let tag = match (run.tag(task), is_needed) {
                (Tag::Lost | Tag::Released, true) => {
                    is_gang_lost |= run.stage(id).is_gang;
                    Tag::Waiting
                }
                (Tag::Lost, false) => Tag::Released,
                (Tag::Waiting | Tag::Ready | Tag::Backoff, false) if !run.stage(id).is_gang => Tag::Released,
                _ => continue,
            };
            run.live(id).set(p, tag);
        }
        if is_gang_lost {
            restart_gang(run, &active, id, ledger, out);
        }
    }
}

fn n_to_run(run: &Run, id: StageId) -> u32 {
    let tags = [Tag::Waiting, Tag::Ready, Tag::Backoff, Tag::Fetching, Tag::Running, Tag::Held];
    run.stage(id).tables().map_or(0, |tables| tags.into_iter().map(|tag| tables.count(tag)).sum())
}

fn is_read(run: &Run, graph: &TaskGraph, task: TaskId) -> bool {
    graph.consumers(task.stage).iter().any(|(reader_id, input_idx)| {
        let reader = graph.stage(*reader_id);
        if n_to_run(run, *reader_id) == 0 {
            return false;
        }
        let wiring = &reader.inputs[*input_idx as usize].wiring;
        if wiring.is_all_to_all() {
            return true;
        }
        let mut is_read = false;
        wiring.for_each_consumer(run.stage(task.stage).n_tasks, reader.n_tasks, task.partition, |p| {
            is_read |= run.tag(TaskId::new(*reader_id, p)).is_to_run();
        });
        is_read
    })
}

/// Members of a gang make their values together, so those that are left are dropped and made again.
fn restart_gang(run: &mut Run, active: &[u32], id: StageId, ledger: &mut Ledger, out: &mut Vec<Instruction>) {
    for p in active {
        let task = TaskId::new(id, *p);
        let tag = run.tag(task);
        if tag.is_available() {
            let size_bytes = forget_bytes(run, ledger, task);
            out.push(Instruction::Free { run: run.id, task, size_bytes });
        }
        if tag.is_available() || matches!(tag, Tag::Released | Tag::Lost) {
            run.live(id).set(*p, Tag::Waiting);
        }
    }
}

fn recount(run: &mut Run, graph: &TaskGraph) {
    run.n_left = 0;
    for (id, _) in graph.stages() {
        let n_to_run = n_to_run(run, id);
        let stage = run.stage_mut(id);
        stage.n_done = stage.n_active - n_to_run;
        run.n_left += u64::from(n_to_run);
    }
    for (id, stage) in graph.stages() {
        let is_open = |run: &Run, other: StageId| !run.stage(other).is_complete();
        let gates = stage.inputs.iter().filter(|input| input.wiring.is_all_to_all() && is_open(run, input.stage));
        let links = graph.consumers(id).iter().filter(|(reader, input_idx)| {
            graph.stage(*reader).inputs[*input_idx as usize].wiring.is_all_to_all() && is_open(run, *reader)
        });
        let count = |n: usize| u32::try_from(n).expect("a graph numbers its inputs with u32");
        let (open_gates, open_links) = (count(gates.count()), count(links.count()));
        run.stage_mut(id).open_gates = open_gates;
        run.stage_mut(id).open_links = open_links;
        if run.stage(id).tables().is_none() {
            continue;
        }
        for p in stage.active.iter() {
            let task = TaskId::new(id, p);
            let tag = run.tag(task);
            if tag.is_available() && !run.live(id).reads.is_empty() {
                let n_readers = run.n_readers_left(task);
                run.live(id).reads[p as usize] = n_readers;
            } else if tag.is_to_run() && !run.live(id).missing.is_empty() {
                let n_missing = n_missing(run, graph, task);
                run.live(id).missing[p as usize] = n_missing;
            }
        }
    }
}

fn n_missing(run: &Run, graph: &TaskGraph, task: TaskId) -> u32 {
    let mut n = 0;
    for input in graph.stage(task.stage).inputs.iter().filter(|input| !input.wiring.is_all_to_all()) {
        let (n_up, n_down) = (run.stage(input.stage).n_tasks, run.stage(task.stage).n_tasks);
        input.wiring.for_each_input(n_up, n_down, task.partition, |q| {
            n += u32::from(!run.tag(TaskId::new(input.stage, q)).is_available());
        });
    }
    n
}

/// Queues every task that has its inputs anew.
fn requeue(run: &mut Run, graph: &TaskGraph) {
    run.queues.clear();
    for (id, stage) in graph.stages() {
        if run.stage(id).tables().is_none() {
            continue;
        }
        let active: Vec<u32> = stage.active.iter().collect();
        for p in &active {
            if run.live(id).tag(*p) == Tag::Ready {
                run.live(id).set(*p, Tag::Waiting);
            }
        }
        // Downwards, so that neighbours join and the first is on top.
        for p in active.iter().rev() {
            let task = TaskId::new(id, *p);
            if run.tag(task) == Tag::Waiting && run.has_inputs(task) {
                let holder = run.live(id).holders[*p as usize];
                run.make_ready(task, if holder == NOBODY { 0 } else { holder.into() });
            }
        }
    }
}

fn drop_useless(run: &mut Run, graph: &TaskGraph, ledger: &mut Ledger, out: &mut Vec<Instruction>) {
    for (id, stage) in graph.stages() {
        if !matches!(run.stage(id).phase, Phase::Live(_)) {
            continue;
        }
        for p in stage.active.iter() {
            drop_if_useless(run, ledger, TaskId::new(id, p), out);
        }
        close_if_empty(run, id);
    }
}
