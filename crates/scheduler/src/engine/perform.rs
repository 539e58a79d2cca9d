//! Carrying out instructions, as far as that is bookkeeping.

use std::sync::Arc;

use dolmen_graph::{EventKind, RunId, RunStatus, TaskId};

use super::effects::{Effects, IoJob};
use super::{Assignment, Driver, Engine, Running, State, Stop};
use crate::core::{CoreEvent, Instruction, Ledger, Outcome};
use crate::profile::Profile;

/// How far the budget may be off from what values hold.
const SLACK_BYTES: u64 = 1 << 18;

impl Engine {
    /// Carries out all instructions, and keeps the budget and the timekeeper informed.
    pub(super) fn perform(&self, state: &mut State, fx: &mut Effects) {
        loop {
            while !state.out.is_empty() {
                let mut out = std::mem::take(&mut state.out);
                for instruction in out.drain(..) {
                    self.do_one(state, instruction, fx);
                }
                // The buffer is used again, unless carrying out made more to do.
                if state.out.is_empty() {
                    state.out = out;
                    break;
                }
            }
            if !self.balance(state) {
                break;
            }
        }
        let is_short = state.core.is_short();
        let was_short = std::mem::replace(&mut state.is_short, is_short);
        fx.is_time_new |= is_short && !was_short;
        let deadline_ns = state.core.next_deadline();
        if deadline_ns != state.deadline_ns {
            let is_nearer = deadline_ns.is_some_and(|at| state.deadline_ns.is_none_or(|before| at < before));
            state.deadline_ns = deadline_ns;
            fx.is_time_new |= is_nearer;
        }
    }

    /// Makes the budget hold what values in memory take, and tells the core what others take. Returns whether there are
    /// new instructions.
    fn balance(&self, state: &mut State) -> bool {
        let memory = state.core.memory();
        let held = state.held.size() as u64;
        let to_hold = memory.values_bytes.saturating_sub(state.lent_bytes);
        if to_hold.abs_diff(held) > SLACK_BYTES || (to_hold == 0 && held > 0) {
            state.held.resize(usize::try_from(to_hold).unwrap_or(usize::MAX));
            self.held_bytes.store(to_hold, std::sync::atomic::Ordering::Relaxed);
            if self.hub.is_on() {
                let Ledger { limit_bytes, disk_bytes, .. } = memory;
                let used_bytes = memory.used_bytes();
                let kind = EventKind::Memory { used_bytes, limit_bytes, spilled_bytes: disk_bytes };
                self.hub.push(self.now_ns(), None, kind);
            }
        }
        if memory.limit_bytes == u64::MAX {
            return false;
        }
        let ours = (state.held.size() as u64).saturating_add(state.lent_bytes);
        let mut external = (self.budget.used_bytes() as u64).saturating_sub(ours);
        if external > SLACK_BYTES {
            // What others can drop at once is as good as free.
            external = external.saturating_sub(self.budget.clean_bytes() as u64);
        }
        if external.abs_diff(state.told_external) <= SLACK_BYTES && (external > 0 || state.told_external == 0) {
            return false;
        }
        state.told_external = external;
        state.core.handle(CoreEvent::External { size_bytes: external }, self.now_ns(), &mut state.out);
        !state.out.is_empty()
    }

    fn event(&self, run: RunId, kind: impl FnOnce() -> EventKind) {
        if self.hub.is_on() {
            self.hub.push(self.now_ns(), Some(run), kind());
        }
    }

    fn do_one(&self, state: &mut State, instruction: Instruction, fx: &mut Effects) {
        match instruction {
            Instruction::Run { worker, ticket, run, stage, partitions, attempt } => {
                let Some(entry) = state.entry(run) else { return };
                let inputs = if entry.graph.stage(stage).inputs.is_empty() {
                    Vec::new()
                } else {
                    partitions.clone().map(|p| entry.values.inputs(&entry.graph, stage, p)).collect()
                };
                let is_light = entry.graph.stage(stage).options.is_light_gang();
                let context = Arc::clone(&entry.context);
                for p in partitions.clone() {
                    let task = TaskId::new(stage, p);
                    self.event(run, || EventKind::TaskStarted { task, worker, attempt });
                }
                let stop = Stop::default();
                let first = TaskId::new(stage, partitions.start);
                let running = Running { stop: stop.clone(), context: Arc::clone(&context), first };
                state.running.insert(ticket, running);
                let assignment = Assignment { worker, ticket, context, stage, partitions, attempt, inputs, stop };
                if is_light && matches!(self.driver, Driver::Threads { is_local: true, .. }) {
                    fx.light.push(assignment);
                } else {
                    state.mail[worker as usize].push(assignment);
                    fx.rung.push(worker);
                }
            }
            Instruction::Stop { ticket, .. } => {
                if let Some(Running { stop, .. }) = state.running.get(&ticket) {
                    stop.token.cancel();
                    fx.wakers.push(Arc::clone(&stop.bell).into());
                }
            }
            Instruction::Spill { io, run, task } => {
                let Some(entry) = state.entry(run) else { return };
                if entry.values.disk(task).is_some() {
                    // It has been written before and is still there.
                    fx.garbage.extend(state.take_value(run, task));
                    state.core.handle(CoreEvent::Spilled { io }, self.now_ns(), &mut state.out);
                    return;
                }
                let Some(value) = entry.values.get(task).cloned() else { return };
                let size_bytes = value.size_bytes() as u64;
                state.lent_bytes += size_bytes;
                let held = state.held.split(value.size_bytes());
                fx.io.push(IoJob::Write { io, run, task, value, size_bytes, held });
            }
            Instruction::Load { io, run, task } => {
                let Some(entry) = state.entry(run) else { return };
                let Some(from) = entry.values.disk(task).cloned() else { return };
                state.lent_bytes += from.size_bytes;
                fx.io.push(IoJob::Read { io, run, task, from, n_tries: 0 });
            }
            Instruction::Free { run, task, size_bytes } => {
                fx.garbage.extend(state.take_value(run, task));
                let Some(entry) = state.entry(run) else { return };
                fx.blocks.extend(entry.values.take_disk(task));
                self.event(run, || EventKind::Released { task, size_bytes });
            }
            Instruction::FreeRun { run } => {
                let Some(entry) = state.entry(run) else { return };
                let shared: Vec<TaskId> = entry.lenders.keys().chain(entry.borrowers.keys()).copied().collect();
                fx.garbage.extend(shared.into_iter().filter_map(|task| state.take_value(run, task)));
                let Some(entry) = state.entry(run) else { return };
                let (values, blocks) = entry.values.clear();
                fx.garbage.extend(values);
                fx.blocks.extend(blocks);
            }
            Instruction::Output { run, task } => {
                let Some(entry) = state.entry(run) else { return };
                fx.wakers.extend(entry.take_waiters(task));
            }
            Instruction::OutputCancelled { run, task } => {
                let Some(entry) = state.entry(run) else { return };
                fx.wakers.extend(entry.take_waiters(task));
                self.event(run, || EventKind::TaskCancelled { task });
            }
            Instruction::Retry { .. } | Instruction::RunReopened { .. } => {}
            Instruction::StageStarted { run, stage } => {
                let Some(entry) = state.entry(run) else { return };
                let of_graph = entry.graph.stage(stage);
                let (key, n_tasks) = (Arc::clone(&of_graph.key), of_graph.n_active());
                self.event(run, || EventKind::StageStarted { stage, key, n_tasks });
            }
            Instruction::StageFinished { run, stage } => {
                let Some(entry) = state.entry(run) else { return };
                entry.values.finish(stage);
                self.event(run, || EventKind::StageFinished { stage });
            }
            Instruction::RunEnded { run, outcome } => {
                let Some(entry) = state.entry(run) else { return };
                fx.wakers.extend(entry.waiting_for_end.take());
                let status = match outcome {
                    Outcome::Finished => RunStatus::Finished,
                    Outcome::Cancelled => RunStatus::Cancelled,
                    Outcome::Failed(_) => RunStatus::Failed,
                };
                if status != RunStatus::Finished {
                    entry.context.cancel().cancel();
                    fx.wakers.extend(entry.waiting.drain().flat_map(|(_, mut waiters)| waiters.take()));
                }
                self.event(run, || EventKind::RunFinished { status });
            }
        }
    }

    /// Takes the next thing that a worker is to run.
    pub(crate) fn take_mail(&self, state: &mut State, worker: u32) -> Option<Assignment> {
        let mail = &mut state.mail[worker as usize];
        if mail.is_empty() { None } else { Some(mail.remove(0)) }
    }

    /// Forgets a run.
    pub(super) fn drop_run(&self, run: RunId) {
        let mut fx = Effects::default();
        let mut state = self.lock();
        if let Some(profile) = Profile::of_living(&state, run) {
            state.profiles.add(profile);
        }
        self.tell_locked(&mut state, CoreEvent::Drop { run }, &mut fx);
        let slot = crate::core::slot_of(run);
        let entry = match state.runs.get_mut(slot) {
            Some(found) if found.as_ref().is_some_and(|entry| entry.id == run) => found.take(),
            _ => None,
        };
        if let Some(entry) = &entry {
            entry.context.cancel().cancel();
        }
        drop(state);
        drop(entry);
        fx.settle(self);
    }

    /// Has the core make room if somebody was refused memory since the last call, and looks whether others have given
    /// back what a task waits for.
    pub(crate) fn mind_memory(&self) {
        let missing_bytes = self.shortage_bytes.swap(0, std::sync::atomic::Ordering::Relaxed);
        if missing_bytes > 0 {
            return self.tell(CoreEvent::Shortage { missing_bytes });
        }
        let mut fx = Effects::default();
        self.perform(&mut self.lock(), &mut fx);
        fx.settle(self);
    }
}

impl dolmen_storage::Reclaim for Engine {
    fn spillable_bytes(&self) -> usize {
        usize::try_from(self.held_bytes.load(std::sync::atomic::Ordering::Relaxed)).unwrap_or(usize::MAX)
    }

    fn wake(&self, shortage: &dolmen_storage::Shortage) {
        // Whoever asks may hold any lock, ours included: the timekeeper does the rest.
        if shortage.missing_bytes == 0 {
            return;
        }
        self.shortage_bytes.fetch_max(shortage.missing_bytes as u64, std::sync::atomic::Ordering::Relaxed);
        if let Driver::Threads { timekeeper, .. } = &self.driver {
            timekeeper.ring();
        }
    }
}
