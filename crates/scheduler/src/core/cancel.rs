//! Giving up tasks and runs.

use dolmen_graph::{RunId, StageId, TaskId};

use super::message::{Instruction, Outcome};
use super::stage::{Phase, Tag};
use super::{Core, repair, slot_of};

impl Core {
    /// Ends a run that has not ended: nothing of it starts any more, and its values go.
    pub(super) fn end(&mut self, id: RunId, outcome: Outcome, out: &mut Vec<Instruction>) {
        let Some(run) = self.running_mut(id) else { return };
        run.outcome = Some(outcome.clone());
        let children = run.children.clone();
        self.free_values(id, out);
        self.abandon(|run, _| run == id, out);
        out.push(Instruction::RunEnded { run: id, outcome });
        for child in children {
            self.end(child, Outcome::Cancelled, out);
        }
    }

    /// Ends a run and forgets it.
    pub(super) fn drop_run(&mut self, id: RunId, out: &mut Vec<Instruction>) {
        self.end(id, Outcome::Cancelled, out);
        self.free_values(id, out);
        let Some(run) = self.run_mut(id) else { return };
        let parent = run.parent.map(|parent| parent.run);
        self.runs[slot_of(id)] = None;
        self.free_slots.push(u32::try_from(slot_of(id)).expect("made from a u32"));
        if let Some(parent) = parent.and_then(|parent| self.run_mut(parent)) {
            parent.children.retain(|child| *child != id);
        }
    }

    fn free_values(&mut self, id: RunId, out: &mut Vec<Instruction>) {
        let Some(run) = self.runs.get_mut(slot_of(id)).and_then(|run| run.as_deref_mut()) else { return };
        if run.id != id {
            return;
        }
        run.queues.clear();
        let ledger = &mut self.ledger;
        for stage in &mut run.stages {
            if let Phase::Live(tables) = &stage.phase {
                for (p, tag) in tables.tags() {
                    if tag.is_in_memory() {
                        ledger.values_bytes -= tables.size(p);
                    }
                    match tag {
                        Tag::Spilling => ledger.spilling_bytes -= tables.size(p),
                        Tag::OnDisk => ledger.disk_bytes -= tables.size(p),
                        _ => {}
                    }
                }
            }
            stage.stats.memory_bytes = 0;
            stage.phase = Phase::Done;
        }
        let reserved = |list: &mut dyn Iterator<Item = &super::spill::Fetching>| -> u64 {
            list.filter(|fetching| fetching.run == id).map(|fetching| fetching.reserved_bytes).sum()
        };
        ledger.reserved_bytes -= reserved(&mut self.fetching.iter().chain(&self.fetched));
        self.fetching.retain(|fetching| fetching.run != id);
        self.fetched.retain(|fetching| fetching.run != id);
        self.is_victim_new = true;
        self.list(id);
        self.forget_useless_flights();
        out.push(Instruction::FreeRun { run: id });
    }

    /// Results of the frames that `is_meant` picks are not wanted any more.
    pub(super) fn abandon(&mut self, is_meant: impl Fn(RunId, StageId) -> bool, out: &mut Vec<Instruction>) {
        for (number, worker) in (0..).zip(&mut self.workers) {
            for frame in worker.iter_mut().flat_map(|worker| &mut worker.frames) {
                if !frame.is_abandoned && is_meant(frame.run, frame.stage) {
                    frame.is_abandoned = true;
                    out.push(Instruction::Stop { worker: number, ticket: frame.ticket });
                }
            }
        }
    }

    /// Gives up tasks, with what needs them and what only they need.
    pub(super) fn cancel_tasks(&mut self, id: RunId, tasks: &[TaskId], out: &mut Vec<Instruction>) {
        if self.running_mut(id).is_none() {
            return;
        }
        let Some(run) = self.runs[slot_of(id)].as_deref_mut() else { return };
        let mut is_changed = false;
        for task in tasks {
            if !run.has(*task) {
                continue;
            }
            if run.tag(*task).is_done() {
                continue;
            }
            let graph = std::sync::Arc::clone(&run.graph);
            run.stage_mut(task.stage).touch(&graph, task.stage);
            let is_isolated = graph.consumers(task.stage).is_empty() && graph.stage(task.stage).inputs.is_empty();
            let is_waiting = matches!(run.tag(*task), Tag::Ready | Tag::Backoff);
            let is_gang = run.stage(task.stage).is_gang;
            repair::mark_cancelled(run, *task, &mut self.ledger, out);
            if is_isolated && is_waiting && !is_gang {
                // Nothing depends on it and it on nothing, as with futures: no need to look at the whole run.
                run.stage_mut(task.stage).n_done += 1;
                run.n_left -= 1;
            } else {
                is_changed = true;
            }
        }
        if is_changed {
            self.repair(id, out);
        }
        self.list(id);
        self.end_if_complete(id, out);
    }
}
