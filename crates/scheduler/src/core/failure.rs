//! Attempts that failed, and what comes after.

use dolmen_graph::{RunError, RunId, StageId, TaskId};

use super::finish::forget_bytes;
use super::message::{Failure, Instruction, Outcome, Ticket};
use super::run::Run;
use super::stage::Tag;
use super::timers::Timer;
use super::{Core, slot_of};

impl Core {
    pub(super) fn failed(
        &mut self,
        worker: u32,
        ticket: Ticket,
        partition: u32,
        failure: Failure,
        now_ns: u64,
        out: &mut Vec<Instruction>,
    ) {
        let Some((id, stage)) = self.close_task(worker, ticket, partition) else { return };
        let task = TaskId::new(stage, partition);
        match failure {
            Failure::Error(error) if error.is_transient() && self.may_retry(id, task) => {
                self.retry(id, task, now_ns, out);
            }
            Failure::Error(error) => {
                let error = RunError::Task { key: self.key_of(id, task), error };
                self.end(id, Outcome::Failed(error), out);
            }
            Failure::OutOfMemory { needed_bytes } => self.refused(id, task, needed_bytes, worker, out),
        }
    }

    /// A task that could not get memory is run again by itself; if it was, it cannot be run.
    fn refused(&mut self, id: RunId, task: TaskId, needed_bytes: u64, worker: u32, out: &mut Vec<Instruction>) {
        let is_gang = self.run(id).is_some_and(|run| run.stage(task.stage).is_gang);
        let Some(run) = self.run_mut(id) else { return };
        let special = run.live(task.stage).special.entry(task.partition).or_default();
        if std::mem::replace(&mut special.is_alone, true) || is_gang {
            let error = self.memory_error(id, task, needed_bytes);
            return self.end(id, Outcome::Failed(error), out);
        }
        let run = self.run_mut(id).expect("it was there");
        run.live(task.stage).set(task.partition, Tag::Waiting);
        resume(run, task, worker);
        self.list(id);
    }

    /// A task that was handed out and not begun is ready as before.
    pub(super) fn returned(&mut self, worker: u32, ticket: Ticket, partition: u32, out: &mut Vec<Instruction>) {
        let Some((id, stage)) = self.close_task(worker, ticket, partition) else { return };
        let Some(run) = self.run_mut(id) else { return };
        run.live(stage).set(partition, Tag::Waiting);
        if run.stage(stage).is_gang {
            self.stop_gang(id, stage, Tag::Waiting, out);
            let Some(run) = self.run_mut(id) else { return };
            for task in run.graph.stage(stage).active.clone().iter().map(|p| TaskId::new(stage, p)) {
                if run.tag(task) == Tag::Waiting {
                    resume(run, task, worker);
                }
            }
        } else {
            resume(run, TaskId::new(stage, partition), worker);
        }
        self.list(id);
    }

    pub(super) fn timed_out(&mut self, worker: u32, ticket: Ticket, now_ns: u64, out: &mut Vec<Instruction>) {
        let Some(Some(found)) = self.workers.get_mut(worker as usize) else { return };
        let Some(idx) = found.frame_idx(ticket) else { return };
        let frame = &mut found.frames[idx];
        if frame.is_abandoned {
            return;
        }
        frame.is_abandoned = true;
        out.push(Instruction::Stop { worker, ticket });
        let (id, task) = (frame.run, TaskId::new(frame.stage, frame.start));
        if self.may_retry(id, task) {
            return self.retry(id, task, now_ns, out);
        }
        let Some(run) = self.run(id) else { return };
        let timeout = run.graph.stage(task.stage).options_of(task.partition).timeout.unwrap_or_default();
        let error = RunError::TimedOut { key: run.graph.task_key(task), timeout };
        self.end(id, Outcome::Failed(error), out);
    }

    /// Whether there would be another attempt after a failure.
    #[must_use]
    pub fn would_retry(&self, id: RunId, task: TaskId, failure: &Failure) -> bool {
        match failure {
            Failure::Error(error) => error.is_transient() && self.may_retry(id, task),
            Failure::OutOfMemory { .. } => self.run(id).is_some_and(|run| {
                let stage = run.stage(task.stage);
                !stage.is_gang && !stage.tables().is_some_and(|tables| tables.special(task.partition).is_alone)
            }),
        }
    }

    fn may_retry(&self, id: RunId, task: TaskId) -> bool {
        self.run(id).is_some_and(|run| {
            let n_attempts = run.stage(task.stage).tables().map_or(0, |t| t.special(task.partition).n_attempts);
            n_attempts < run.graph.stage(task.stage).options_of(task.partition).retries
        })
    }

    fn retry(&mut self, id: RunId, task: TaskId, now_ns: u64, out: &mut Vec<Instruction>) {
        let config = self.config;
        let Some(run) = self.run_mut(id) else { return };
        let stage = run.stage_mut(task.stage);
        stage.stats.n_failed += 1;
        let is_gang = stage.is_gang;
        let tables = stage.live();
        let special = tables.special.entry(task.partition).or_default();
        let n_before = special.n_attempts;
        special.n_attempts += 1;
        tables.set(task.partition, Tag::Backoff);
        let wait_ns = config.backoff_ns.saturating_mul(1 << n_before.min(32)).min(config.backoff_max_ns);
        let at_ns = now_ns.saturating_add(wait_ns);
        out.push(Instruction::Retry { run: id, task, at_ns });
        if is_gang {
            self.stop_gang(id, task.stage, Tag::Backoff, out);
            self.timers.add(at_ns, Timer::GangBackoff { run: id, stage: task.stage });
        } else {
            self.timers.add(at_ns, Timer::Backoff { run: id, task });
        }
    }

    /// Takes back all members of a gang that run or have run: they talk to each other, so they start again together.
    pub(super) fn stop_gang(&mut self, id: RunId, stage: StageId, tag: Tag, out: &mut Vec<Instruction>) {
        self.abandon(|run, of| run == id && of == stage, out);
        let Some(run) = self.runs[slot_of(id)].as_deref_mut() else { return };
        let active = run.graph.stage(stage).active.clone();
        for task in active.iter().map(|p| TaskId::new(stage, p)) {
            match run.tag(task) {
                Tag::Held => {
                    let size_bytes = forget_bytes(run, &mut self.ledger, task);
                    out.push(Instruction::Free { run: id, task, size_bytes });
                    run.live(stage).set(task.partition, tag);
                }
                Tag::Running => run.live(stage).set(task.partition, tag),
                _ => {}
            }
        }
    }

    /// What cannot be run within the limit.
    pub(super) fn memory_error(&self, id: RunId, task: TaskId, needed_bytes: u64) -> RunError {
        let mut top: Vec<(String, u64)> = Vec::new();
        for run in self.runs.iter().flatten() {
            let of_stage = |(id, stage): (StageId, &dolmen_graph::Stage)| {
                (stage.key.to_string(), run.stage(id).stats.memory_bytes)
            };
            top.extend(run.graph.stages().map(of_stage).filter(|(_, bytes)| *bytes > 0));
        }
        if self.ledger.external_bytes > 0 {
            top.push(("others".to_owned(), self.ledger.external_bytes));
        }
        top.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        top.truncate(5);
        RunError::MemoryLimit {
            key: self.key_of(id, task),
            needed_bytes,
            limit_bytes: self.ledger.limit_bytes,
            top_consumers: top,
        }
    }
}

/// The time of another attempt has come.
pub(super) fn try_again(run: &mut Run, task: TaskId) {
    let holder = run.live(task.stage).holders[task.partition as usize];
    run.live(task.stage).set(task.partition, Tag::Waiting);
    resume(run, task, if holder == super::stage::NOBODY { 0 } else { holder.into() });
}

/// Makes a waiting task ready if it has its inputs: some may have been lost while it ran.
pub(super) fn resume(run: &mut Run, task: TaskId, worker: u32) {
    if run.has_inputs(task) {
        run.make_ready(task, worker);
    }
}
