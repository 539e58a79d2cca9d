//! Who runs what next, and whether there is memory for it.

use std::sync::Arc;

use dolmen_graph::{ByteEstimate, RunError, RunId, StageId, TaskId};

use super::config::Grouping;
use super::message::{Instruction, Outcome, Ticket};
use super::queues::Pick;
use super::run::Run;
use super::spill::Fetching;
use super::stage::Tag;
use super::timers::Timer;
use super::worker::Frame;
use super::{Core, slot_of};

/// What came of a task that a worker could take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tried {
    /// The worker has it, or something else changed: look again.
    Changed,
    /// There is nothing for the worker.
    Nothing,
    /// It waits for memory or for workers.
    Blocked(RunId, Pick),
}

/// The bytes that a task needs besides what is in memory already.
#[derive(Debug, Clone, Copy, Default)]
struct Need {
    /// For its result and its scratch.
    reserve_bytes: u64,
    /// Of inputs that are on disk.
    load_bytes: u64,
    /// What it needs at the very least, inputs in memory included.
    least_bytes: u64,
    /// Of inputs that are in memory.
    input_bytes: u64,
}

impl Need {
    fn more_bytes(self) -> u64 {
        self.reserve_bytes.saturating_add(self.load_bytes)
    }
}

impl Core {
    /// Gives work to every worker that has none, as far as there is work and memory.
    pub(super) fn dispatch(&mut self, now_ns: u64, out: &mut Vec<Instruction>) {
        if !self.flights.is_empty() {
            self.forget_useless_flights();
        }
        if !self.fetched.is_empty() {
            self.start_fetched(now_ns, out);
        }
        self.start_light(now_ns, out);
        while !self.runnable.is_empty() {
            self.is_short = false;
            let mut blocked = None;
            let mut is_changed = false;
            let mut idx = self.idle.len();
            while idx > 0 {
                idx -= 1;
                let Some(worker) = self.idle.get(idx).copied() else { continue };
                match self.give(worker, now_ns, out) {
                    Tried::Changed => {
                        is_changed = true;
                        // The list may have changed; whoever is still free is asked again.
                        idx = self.idle.len();
                    }
                    Tried::Nothing => {}
                    Tried::Blocked(run, pick) => {
                        self.is_short = true;
                        blocked = Some((worker, run, pick));
                    }
                }
            }
            let Some((worker, run, pick)) = blocked else { return };
            let is_waiting = self.n_active > 0 || !self.flights.is_empty();
            if is_waiting || is_changed || !self.force(worker, run, pick, now_ns, out) {
                return;
            }
        }
    }

    /// Starts tasks and gangs whose inputs have been read back.
    fn start_fetched(&mut self, now_ns: u64, out: &mut Vec<Instruction>) {
        let mut idx = 0;
        while idx < self.fetched.len() {
            let Fetching { run: id, is_gang, .. } = self.fetched[idx];
            let (free, is_light) = self.hosts(id, self.fetched[idx].task.stage);
            let n_wanted = if is_gang { self.run(id).map_or(1, |run| self.fetched[idx].tasks(run).len()) } else { 1 };
            if free.is_empty() || (!is_light && free.len() < n_wanted && self.n_busy() > 0) {
                idx += 1;
                continue;
            }
            let (Some(fetched), Some(run)) = (self.fetched.remove(idx), self.run(id)) else { return };
            let tasks = fetched.tasks(run);
            self.start_each(id, &tasks, &free, fetched.reserved_bytes, now_ns, out);
        }
    }

    /// Starts gangs that take no worker. They are small, and somebody waits for what they do: memory does not hold them up.
    fn start_light(&mut self, now_ns: u64, out: &mut Vec<Instruction>) {
        if self.with_light.is_empty() || self.workers.iter().all(Option::is_none) {
            return;
        }
        for id in std::mem::take(&mut self.with_light) {
            while let Some(run) = self.run_mut(id)
                && let Some(stage) = run.queues.pop_light()
            {
                let graph = Arc::clone(&run.graph);
                run.stage_mut(stage).touch(&graph, stage);
                let n_active = run.stage(stage).n_active;
                if run.live(stage).count(Tag::Ready) < n_active {
                    continue;
                }
                let members = run.members(stage);
                let need = self.need(id, &members);
                self.admit_gang(id, &members, need, now_ns, out);
            }
            self.list(id);
        }
    }

    /// Workers on which tasks of a stage can start now, and whether the stage is light: then all that are there, as it takes
    /// none of them.
    fn hosts(&self, id: RunId, stage: StageId) -> (Vec<u32>, bool) {
        if !self.run(id).is_some_and(|run| run.stage(stage).is_light) {
            return (self.free_for(id), false);
        }
        let living = (0..).zip(&self.workers).filter(|(_, worker)| worker.is_some());
        (living.map(|(number, _)| number).collect(), true)
    }

    /// Workers that can take a task of a run now, those that became free last first.
    fn free_for(&self, id: RunId) -> Vec<u32> {
        self.idle.iter().rev().copied().filter(|worker| self.may_take(*worker, id)).collect()
    }

    /// Workers that run something, and so will be free some day.
    fn n_busy(&self) -> usize {
        self.workers.iter().flatten().filter(|worker| worker.n_active > 0).count()
    }

    /// Starts tasks of one stage on workers in turn. The bytes are reserved already, for all of them together.
    fn start_each(
        &mut self,
        id: RunId,
        tasks: &[TaskId],
        free: &[u32],
        reserved_bytes: u64,
        now_ns: u64,
        out: &mut Vec<Instruction>,
    ) {
        let each_bytes = reserved_bytes / tasks.len() as u64;
        self.ledger.reserved_bytes -= reserved_bytes - each_bytes * tasks.len() as u64;
        for (task, worker) in tasks.iter().zip(free.iter().cycle()) {
            self.start(*worker, id, task.stage, task.partition..task.partition + 1, each_bytes, now_ns, out);
        }
    }

    fn may_take(&self, worker: u32, run: RunId) -> bool {
        let Some(Some(worker)) = self.workers.get(worker as usize) else { return false };
        worker.lent_to().is_none_or(|awaited| self.descends(run, awaited))
    }

    /// Gives a worker the first thing that it may take.
    fn give(&mut self, worker: u32, now_ns: u64, out: &mut Vec<Instruction>) -> Tried {
        let lent_to = self.workers[worker as usize].as_ref().and_then(super::worker::Worker::lent_to);
        let found = match lent_to {
            None => self.runnable.first().copied(),
            Some(awaited) => self.runnable.iter().copied().find(|(.., id)| self.descends(RunId(*id), awaited)),
        };
        let Some((.., id)) = found else { return Tried::Nothing };
        self.give_of(worker, RunId(id), now_ns, out)
    }

    fn give_of(&mut self, worker: u32, id: RunId, now_ns: u64, out: &mut Vec<Instruction>) -> Tried {
        let takes_sources = !self.is_short;
        loop {
            let Some(run) = self.runs[slot_of(id)].as_deref_mut() else { return Tried::Nothing };
            let Some(pick) = run.queues.pop(worker, takes_sources) else {
                self.list(id);
                // Sources that must wait for memory do not hide a run behind them that only finishes what it has.
                return Tried::Nothing;
            };
            let pick = match pick {
                Pick::Source(_) => match next_source(run) {
                    Some((stage, p)) => Pick::Task(stage, p),
                    None => continue,
                },
                pick => pick,
            };
            let tried = match pick {
                Pick::Task(stage, p) => {
                    let graph = Arc::clone(&run.graph);
                    run.stage_mut(stage).touch(&graph, stage);
                    if run.live(stage).tag(p) != Tag::Ready {
                        continue;
                    }
                    self.try_task(worker, id, TaskId::new(stage, p), now_ns, out)
                }
                Pick::Gang(stage) => {
                    let graph = Arc::clone(&run.graph);
                    run.stage_mut(stage).touch(&graph, stage);
                    let n_active = run.stage(stage).n_active;
                    if run.live(stage).count(Tag::Ready) < n_active {
                        continue;
                    }
                    self.try_gang(id, stage, now_ns, out)
                }
                Pick::Source(_) => unreachable!("replaced by its next task"),
            };
            self.list(id);
            return tried;
        }
    }

    fn try_task(&mut self, worker: u32, id: RunId, task: TaskId, now_ns: u64, out: &mut Vec<Instruction>) -> Tried {
        let is_limited = self.ledger.limit_bytes < u64::MAX;
        let need = self.need(id, &[task]);
        let missing_bytes = if is_limited { self.ledger.missing(need.more_bytes()) } else { 0 };
        let Some(run) = self.run(id) else { return Tried::Changed };
        let is_alone = run.stage(task.stage).tables().is_some_and(|tables| tables.special(task.partition).is_alone);
        let is_busy = self.fetching.len() + self.fetched.len() >= 2 * self.workers.len() && self.is_on_disk(id, task);
        if missing_bytes > 0 || is_busy || (is_alone && self.n_active > 0) {
            self.put_back(worker, id, task);
            if missing_bytes > 0 {
                self.make_room(missing_bytes, Some((id, task)), now_ns, out);
            }
            return Tried::Blocked(id, Pick::Task(task.stage, task.partition));
        }
        self.admit(worker, id, task, need, now_ns, out);
        Tried::Changed
    }

    fn put_back(&mut self, worker: u32, id: RunId, task: TaskId) {
        let Some(run) = self.run_mut(id) else { return };
        let priority = run.priority_of(task.stage, task.partition);
        run.queues.push_back(priority, worker, task.stage, task.partition);
        self.list(id);
    }

    /// Takes a ready task from the queues to a worker, by way of the disk if inputs are there.
    fn admit(&mut self, worker: u32, id: RunId, task: TaskId, need: Need, now_ns: u64, out: &mut Vec<Instruction>) {
        self.ledger.reserve(need.reserve_bytes);
        if self.is_on_disk(id, task) {
            return self.fetch_inputs(id, &[task], need.reserve_bytes, out);
        }
        let end = self.group_end(worker, id, task, need.reserve_bytes);
        self.ledger.reserve(need.reserve_bytes * u64::from(end - task.partition - 1));
        self.start(worker, id, task.stage, task.partition..end, need.reserve_bytes, now_ns, out);
    }

    /// Where the group ends that starts with `task`: after the task, or after neighbours that are next in the queue.
    fn group_end(&mut self, worker: u32, id: RunId, task: TaskId, reserve_bytes: u64) -> u32 {
        let first_end = task.partition + 1;
        let Grouping::Upto { run_ns, n_tasks } = self.config.grouping else { return first_end };
        let n_workers = u32::try_from(self.workers.len().max(1)).unwrap_or(u32::MAX);
        let Some(run) = self.run(id) else { return first_end };
        let stage = run.stage(task.stage);
        let is_special = |run: &Run, p| run.stage(task.stage).tables().is_some_and(|t| t.is_special(p));
        let of_graph = run.graph.stage(task.stage);
        if stage.stats.n_finished < 8
            || of_graph.options.timeout.is_some()
            || !of_graph.exceptions.is_empty()
            || is_special(run, task.partition)
        {
            return first_end;
        }
        let mean_ns = (stage.stats.elapsed_ns / stage.stats.n_finished).max(1);
        let n_left = stage.n_active - stage.n_done;
        let n = u32::try_from(run_ns / mean_ns).unwrap_or(u32::MAX).min(n_tasks).min(n_left / (4 * n_workers));
        let n_all = stage.n_tasks;
        let mut end = first_end;
        while end - task.partition < n && end < n_all {
            let n_more = u64::from(end - task.partition);
            let is_room = self.ledger.missing(reserve_bytes.saturating_mul(n_more)) == 0;
            if !is_room || self.is_on_disk(id, TaskId::new(task.stage, end)) {
                break;
            }
            let Some(run) = self.runs[slot_of(id)].as_deref_mut() else { break };
            if is_special(run, end) || !take_next(run, worker, task.stage, end) {
                break;
            }
            end += 1;
        }
        end
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of a frame")]
    fn start(
        &mut self,
        worker: u32,
        id: RunId,
        stage: StageId,
        partitions: std::ops::Range<u32>,
        reserved_bytes: u64,
        now_ns: u64,
        out: &mut Vec<Instruction>,
    ) {
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        let Some(run) = self.runs[slot_of(id)].as_deref_mut() else { return };
        let of_stage = run.stage_mut(stage);
        if !of_stage.is_announced {
            of_stage.is_announced = true;
            of_stage.stats.started_ns = now_ns;
            out.push(Instruction::StageStarted { run: id, stage });
        }
        let is_light = of_stage.is_light;
        let tables = of_stage.live();
        partitions.clone().for_each(|p| tables.set(p, Tag::Running));
        let attempt = tables.special(partitions.start).n_attempts;
        let timeout = run.graph.stage(stage).options_of(partitions.start).timeout;
        if let Some(timeout) = timeout {
            let timeout_ns = u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX);
            self.timers.add(now_ns.saturating_add(timeout_ns), Timer::Timeout { worker, ticket });
        }
        let Some(found) = self.workers[worker as usize].as_mut() else { return };
        found.frames.push(Frame {
            ticket,
            run: id,
            stage,
            start: partitions.start,
            end: partitions.end,
            attempt,
            reserved_bytes,
            is_light,
            waits_for: None,
            is_abandoned: false,
        });
        out.push(Instruction::Run { worker, ticket, run: id, stage, partitions, attempt });
        if is_light {
            return;
        }
        found.n_active += 1;
        self.n_active += 1;
        self.patient_until_ns = None;
        if found.n_active == 1 {
            let idx = self.idle.iter().rposition(|idle| *idle == worker);
            idx.map(|idx| self.idle.remove(idx));
        }
    }

    /// Starts all members of a gang, or none.
    fn try_gang(&mut self, id: RunId, stage: StageId, now_ns: u64, out: &mut Vec<Instruction>) -> Tried {
        let Some(run) = self.run(id) else { return Tried::Changed };
        let members = run.members(stage);
        let free = self.free_for(id);
        let is_missed = free.len() < members.len() && self.n_busy() > 0;
        let need = self.need(id, &members);
        let missing_bytes = self.ledger.missing(need.more_bytes());
        if is_missed || missing_bytes > 0 {
            let priority = run.stage(stage).priority;
            let Some(run) = self.run_mut(id) else { return Tried::Changed };
            run.queues.push_gang(priority, stage, false);
            if missing_bytes > 0 {
                self.make_room(missing_bytes, Some((id, members[0])), now_ns, out);
            }
            return Tried::Blocked(id, Pick::Gang(stage));
        }
        self.admit_gang(id, &members, need, now_ns, out);
        Tried::Changed
    }

    /// Starts all members of a gang, or has what they read from disk read back first.
    fn admit_gang(&mut self, id: RunId, members: &[TaskId], need: Need, now_ns: u64, out: &mut Vec<Instruction>) {
        self.ledger.reserve(need.reserve_bytes);
        if members.iter().any(|task| self.is_on_disk(id, *task)) {
            return self.fetch_inputs(id, members, need.reserve_bytes, out);
        }
        let (free, _) = self.hosts(id, members[0].stage);
        self.start_each(id, members, &free, need.reserve_bytes, now_ns, out);
    }

    /// Nothing runs and nothing moves, and still the first task has no room: it is run by itself, or cannot be run.
    ///
    /// Returns whether anything changed.
    fn force(&mut self, worker: u32, id: RunId, pick: Pick, now_ns: u64, out: &mut Vec<Instruction>) -> bool {
        let Some(run) = self.run(id) else { return false };
        let members: Vec<TaskId> = match pick {
            Pick::Task(stage, p) => vec![TaskId::new(stage, p)],
            Pick::Gang(stage) => run.members(stage),
            Pick::Source(_) => return false,
        };
        let need = self.need(id, &members);
        let least_bytes = need.least_bytes;
        // What cannot leave memory: everything else could not be spilled, or would have been. Tasks that wait have made
        // nothing yet of what was set aside for them.
        let fixed_bytes =
            self.ledger.used_bytes().saturating_sub(need.input_bytes).saturating_sub(self.waiting_bytes());
        if fixed_bytes.saturating_add(least_bytes) > self.ledger.limit_bytes {
            if self.is_patient(now_ns) {
                return false;
            }
            let error = match self.spill_error.clone() {
                Some(error) => RunError::Spill { key: error.key, source: error.source },
                None => self.memory_error(id, members[0], least_bytes),
            };
            self.patient_until_ns = None;
            self.end(id, Outcome::Failed(error), out);
            return true;
        }
        match pick {
            Pick::Task(..) => {
                // It is on top of the worker's queue, where it was put back.
                let Some(run) = self.runs[slot_of(id)].as_deref_mut() else { return false };
                let task = members[0];
                if !take_next(run, worker, task.stage, task.partition) {
                    return false;
                }
                self.admit(worker, id, task, need, now_ns, out);
            }
            Pick::Gang(stage) => {
                let Some(run) = self.runs[slot_of(id)].as_deref_mut() else { return false };
                while run.queues.take_gang(stage) {}
                self.admit_gang(id, &members, need, now_ns, out);
            }
            Pick::Source(_) => {}
        }
        self.list(id);
        true
    }

    /// Whether others may still give memory back. What a task has dropped is sometimes freed a little later, by a thread
    /// that was told to stop.
    fn is_patient(&mut self, now_ns: u64) -> bool {
        if self.ledger.external_bytes == 0 {
            return false;
        }
        let until_ns = *self.patient_until_ns.get_or_insert_with(|| {
            let until_ns = now_ns.saturating_add(self.config.patience_ns);
            self.timers.add(until_ns, Timer::Patience);
            until_ns
        });
        now_ns < until_ns
    }

    /// What is set aside for tasks that wait for runs.
    fn waiting_bytes(&self) -> u64 {
        let frames = self.workers.iter().flatten().flat_map(|worker| &worker.frames);
        let waiting = frames.filter(|frame| frame.waits_for.is_some());
        waiting.map(|frame| frame.reserved_bytes * u64::from(frame.end - frame.start)).sum()
    }

    /// What tasks of one stage need that run at the same time.
    fn need(&self, id: RunId, tasks: &[TaskId]) -> Need {
        let (Some(run), Some(first)) = (self.run(id), tasks.first()) else { return Need::default() };
        let of_graph = run.graph.stage(first.stage);
        let stage = run.stage(first.stage);
        let made = stage.expected_bytes(of_graph.bytes, self.config.unknown_bytes);
        let scratch = of_graph.scratch.bound().unwrap_or(0);
        let n = tasks.len() as u64;
        let mut need = Need { reserve_bytes: made.saturating_add(scratch).saturating_mul(n), ..Need::default() };
        if self.ledger.limit_bytes == u64::MAX {
            return need;
        }
        let exact = |estimate| if let ByteEstimate::Exact(bytes) = estimate { bytes } else { 0 };
        need.least_bytes = exact(of_graph.bytes).saturating_add(exact(of_graph.scratch)).saturating_mul(n);
        let mut add = |up: TaskId| {
            let Some(tables) = run.stage(up.stage).tables() else { return };
            let bytes = tables.size(up.partition);
            match tables.tag(up.partition) {
                // It is written already, and will be read again.
                Tag::OnDisk | Tag::Spilling => need.load_bytes += bytes,
                _ => need.input_bytes += bytes,
            }
            need.least_bytes = need.least_bytes.saturating_add(bytes);
        };
        if let [task] = tasks {
            run.graph.for_each_input(*task, |_, up| add(up));
        } else {
            let mut ups = std::collections::BTreeSet::new();
            for task in tasks {
                run.graph.for_each_input(*task, |_, up| {
                    ups.insert(up);
                });
            }
            ups.into_iter().for_each(add);
        }
        need
    }

    fn is_on_disk(&self, id: RunId, task: TaskId) -> bool {
        if self.ledger.disk_bytes == 0 && self.flights.is_empty() {
            return false;
        }
        let Some(run) = self.run(id) else { return false };
        let mut is_on_disk = false;
        run.graph.for_each_input(task, |_, up| {
            is_on_disk |= matches!(run.tag(up), Tag::OnDisk | Tag::Spilling | Tag::Loading);
        });
        is_on_disk
    }

    /// Has the inputs of a task or gang read back; it waits for them without a worker.
    fn fetch_inputs(&mut self, id: RunId, tasks: &[TaskId], reserved_bytes: u64, out: &mut Vec<Instruction>) {
        let (Some(run), Some(first)) = (self.run(id), tasks.first().copied()) else { return };
        let mut pending = Vec::new();
        for task in tasks {
            run.graph.for_each_input(*task, |_, up| {
                if matches!(run.tag(up), Tag::OnDisk | Tag::Spilling | Tag::Loading) {
                    pending.push(up);
                }
            });
        }
        pending.sort_unstable();
        pending.dedup();
        for up in &pending {
            if self.run(id).is_some_and(|run| run.tag(*up) == Tag::OnDisk) {
                self.start_load(id, *up, out);
            }
        }
        let Some(run) = self.run_mut(id) else { return };
        let is_gang = run.stage(first.stage).is_gang;
        let tables = run.live(first.stage);
        tasks.iter().for_each(|task| tables.set(task.partition, Tag::Fetching));
        self.fetching.push(Fetching { run: id, task: first, is_gang, reserved_bytes, pending });
    }

    /// A running task begins to wait for a run, or goes on.
    pub(super) fn set_waiting(&mut self, worker: u32, ticket: Ticket, on: Option<RunId>) {
        let Some(Some(found)) = self.workers.get_mut(worker as usize) else { return };
        let Some(idx) = found.frame_idx(ticket) else { return };
        let was = std::mem::replace(&mut found.frames[idx].waits_for, on);
        if found.frames[idx].is_light {
            return;
        }
        match (was, on) {
            (None, Some(_)) => {
                found.n_active -= 1;
                self.n_active -= 1;
                if found.n_active == 0 {
                    self.idle.push(worker);
                }
            }
            (Some(_), None) => {
                found.n_active += 1;
                self.n_active += 1;
                if found.n_active == 1 {
                    self.idle.retain(|idle| *idle != worker);
                }
            }
            _ => {}
        }
    }
}

/// The next task of the first source of a run.
fn next_source(run: &mut Run) -> Option<(StageId, u32)> {
    let Run { queues, graph, order, .. } = run;
    queues.advance(|stage, p| graph.stage(stage).active.next_from(p), |stage, p| order.of(TaskId::new(stage, p)))
}

/// Takes task `p` of `stage` out of the queues if it is ready and next for `worker` anyway.
fn take_next(run: &mut Run, worker: u32, stage: StageId, p: u32) -> bool {
    if p >= run.stage(stage).n_tasks || run.live(stage).tag(p) != Tag::Ready {
        return false;
    }
    let priority = run.priority_of(stage, p);
    let Run { queues, graph, order, .. } = run;
    queues.take(priority, worker, stage, p, |queues| {
        queues.advance(|stage, p| graph.stage(stage).active.next_from(p), |stage, p| order.of(TaskId::new(stage, p)));
    })
}
