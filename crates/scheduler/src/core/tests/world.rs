//! What is outside the core, simulated: workers that run tasks, values in memory and on disk, a clock.
//!
//! It does what the core says, and panics where that is impossible or wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use dolmen_graph::{Parent, RunId, StageId, TaskGraph, TaskId};

use super::super::{Core, CoreConfig, CoreEvent, Instruction, IoId, Outcome, Submission, Ticket, ValuePlaces};
use super::graphs::size_of;
use super::rng::mix;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Memory,
    Disk,
}

#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) hash: u64,
    pub(super) place: Place,
    /// The worker that made it and has it, if it is not on disk.
    pub(super) worker: Option<u32>,
    /// By how much it grew after it was reported.
    pub(super) grown_bytes: u64,
}

/// A task that a worker runs.
#[derive(Debug, Clone)]
pub(super) struct Job {
    pub(super) worker: u32,
    pub(super) ticket: Ticket,
    pub(super) run: RunId,
    pub(super) stage: StageId,
    /// Tasks not reported yet.
    pub(super) partitions: std::ops::Range<u32>,
    pub(super) attempt: u32,
    /// What the first of them will give.
    pub(super) hashes: Vec<u64>,
    pub(super) is_light: bool,
    pub(super) waits_for: Option<RunId>,
    pub(super) is_stopped: bool,
    /// Nothing but a stop ends it.
    pub(super) hangs: bool,
}

impl Job {
    pub(super) fn task(&self) -> TaskId {
        TaskId::new(self.stage, self.partitions.start)
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Move {
    pub(super) io: IoId,
    pub(super) run: RunId,
    pub(super) task: TaskId,
    pub(super) is_spill: bool,
}

#[derive(Debug)]
pub(super) struct SimRun {
    pub(super) graph: Arc<TaskGraph>,
    pub(super) parent: Option<Parent>,
    pub(super) outcome: Option<Outcome>,
    pub(super) released: BTreeSet<TaskId>,
    pub(super) cancelled_outputs: BTreeSet<TaskId>,
    pub(super) expected: BTreeMap<TaskId, u64>,
}

pub(super) struct World {
    pub(super) core: Core,
    pub(super) config: CoreConfig,
    pub(super) now_ns: u64,
    pub(super) runs: BTreeMap<RunId, SimRun>,
    pub(super) values: BTreeMap<(RunId, TaskId), Held>,
    pub(super) jobs: Vec<Job>,
    pub(super) moves: Vec<Move>,
    pub(super) workers: BTreeSet<u32>,
    /// Of everything that was done, so that histories can be told apart.
    pub(super) digest: u64,
    /// Sizes are known before, and nobody else uses memory: the limit must hold.
    pub(super) is_strict: bool,
    pub(super) n_events: u64,
}

impl World {
    pub(super) fn new(config: CoreConfig, is_strict: bool) -> Self {
        Self {
            core: Core::new(config),
            config,
            now_ns: 0,
            runs: BTreeMap::new(),
            values: BTreeMap::new(),
            jobs: Vec::new(),
            moves: Vec::new(),
            workers: BTreeSet::new(),
            digest: 0,
            is_strict,
            n_events: 0,
        }
    }

    pub(super) fn submit(&mut self, graph: Arc<TaskGraph>, priority: i32, parent: Option<Parent>) -> RunId {
        let mut out = Vec::new();
        let submission = Submission { graph: Arc::clone(&graph), priority, parent };
        let id = self.core.submit(submission, self.now_ns, &mut out);
        let expected = expected(&graph);
        let run = SimRun {
            graph,
            parent,
            outcome: None,
            released: BTreeSet::new(),
            cancelled_outputs: BTreeSet::new(),
            expected,
        };
        assert!(self.runs.insert(id, run).is_none(), "the id {id:?} is used twice");
        let described =
            self.runs[&id].graph.stages().map(|(_, s)| format!("{}{:?}{:?}", s.n_tasks, s.active, s.inputs));
        let described: String = described.collect();
        self.obey(out, &format!("submit {described}"));
        id
    }

    /// Tells the core and does what it says.
    pub(super) fn tell(&mut self, event: CoreEvent) {
        let text = format!("{event:?}");
        let mut out = Vec::new();
        self.core.handle(event, self.now_ns, &mut out);
        self.obey(out, &text);
    }

    pub(super) fn tell_all(&mut self, events: Vec<CoreEvent>) {
        let text = format!("{events:?}");
        let mut out = Vec::new();
        self.core.handle_all(events, self.now_ns, &mut out);
        self.obey(out, &text);
    }

    fn obey(&mut self, out: Vec<Instruction>, event: &str) {
        self.n_events += 1;
        for byte in event.bytes() {
            self.digest = self.digest.rotate_left(5) ^ mix(u64::from(byte) ^ self.digest);
        }
        let is_run = |i: &Instruction| matches!(i, Instruction::Run { .. });
        let started: Vec<Instruction> = out.iter().filter(|i| is_run(i)).cloned().collect();
        for instruction in out {
            self.do_one(instruction, event);
        }
        self.check_gangs(&started);
        if !started.is_empty() && self.is_strict {
            let memory = self.core.memory();
            let jobs: BTreeSet<_> =
                self.jobs.iter().filter(|job| job.waits_for.is_none()).map(|job| (job.run, job.stage)).collect();
            let n_jobs = self.jobs.iter().filter(|job| job.waits_for.is_none()).count();
            // Alone, or one gang.
            let is_alone = n_jobs <= 1 || jobs.len() == 1;
            assert!(
                is_alone || memory.used_bytes() <= memory.limit_bytes,
                "after {event} {n_jobs} run beyond the limit: {memory:?}\n{}",
                self.core.explain()
            );
        }
        if let Err(message) = self.core.check_invariants() {
            panic!("after {event}: {message}");
        }
    }

    fn do_one(&mut self, instruction: Instruction, event: &str) {
        match instruction {
            Instruction::Run { worker, ticket, run, stage, partitions, attempt } => {
                self.start(worker, ticket, run, stage, partitions, attempt);
            }
            Instruction::Stop { worker, ticket } => {
                let job = self.jobs.iter_mut().find(|job| job.worker == worker && job.ticket == ticket);
                match job {
                    Some(job) => job.is_stopped = true,
                    // All of a group is reported in one go, and the first that failed ends the run.
                    None => assert!(event.starts_with('['), "something is stopped that does not run"),
                }
            }
            Instruction::Spill { io, run, task } => {
                let value = self.values.get(&(run, task)).expect("a value that is there is spilled");
                assert_eq!(value.place, Place::Memory, "{task} is spilled from disk");
                self.check_unread(run, task, "spilled");
                self.moves.push(Move { io, run, task, is_spill: true });
            }
            Instruction::Load { io, run, task } => {
                let value = self.values.get(&(run, task)).expect("a value that is there is loaded");
                assert_eq!(value.place, Place::Disk, "{task} is loaded from memory");
                self.moves.push(Move { io, run, task, is_spill: false });
            }
            Instruction::Free { run, task, size_bytes } => {
                let value = self.values.remove(&(run, task));
                let grown_bytes = value.as_ref().map_or(0, |value| value.grown_bytes);
                let had_bytes = size_of(&self.runs[&run].graph, task) + grown_bytes;
                let is_there = value.is_some();
                assert!(!is_there || size_bytes == had_bytes, "{task} is freed with other bytes than it had");
                let may_be_lost = self.config.places == ValuePlaces::AtWorkers;
                assert!(is_there || may_be_lost, "{task} is freed and was not there, after {event}");
                if is_there && !event.contains("Lost") && !event.contains("LoadFailed") {
                    self.check_unread(run, task, "freed");
                }
                self.moves.retain(|m| (m.run, m.task) != (run, task));
            }
            Instruction::FreeRun { run } => {
                self.values.retain(|(of, _), _| *of != run);
                self.moves.retain(|m| m.run != run);
            }
            Instruction::Output { run, task } => {
                let value = self.values.get(&(run, task)).expect("an output that is there");
                assert_eq!(value.hash, self.runs[&run].expected[&task], "output {task} is wrong");
                assert!(self.runs[&run].graph.kept(task.stage).contains(task.partition), "{task} was not asked for");
            }
            Instruction::OutputCancelled { run, task } => {
                self.runs.get_mut(&run).unwrap().cancelled_outputs.insert(task);
            }
            Instruction::RunReopened { run } => {
                let outcome = self.runs.get_mut(&run).unwrap().outcome.take();
                let is_right = matches!(outcome, Some(Outcome::Finished | Outcome::Cancelled));
                assert!(is_right, "{run:?} is reopened after {outcome:?}");
            }
            Instruction::RunEnded { run, outcome } => self.ended(run, outcome),
            Instruction::Retry { at_ns, .. } => assert!(at_ns > self.now_ns, "no wait before the next attempt"),
            Instruction::StageStarted { .. } | Instruction::StageFinished { .. } => {}
        }
    }

    fn start(
        &mut self,
        worker: u32,
        ticket: Ticket,
        run: RunId,
        stage: StageId,
        partitions: std::ops::Range<u32>,
        attempt: u32,
    ) {
        assert!(self.workers.contains(&worker), "worker {worker} is not there");
        let sim = &self.runs[&run];
        assert!(sim.outcome.is_none(), "a run that has ended starts a task");
        let of_stage = sim.graph.stage(stage);
        assert!(attempt <= of_stage.options_of(partitions.start).retries, "more attempts than the task has");
        let mut hashes = Vec::new();
        for p in partitions.clone() {
            let task = TaskId::new(stage, p);
            assert!(of_stage.active.contains(p), "{task} is not wanted");
            let is_twice = self
                .jobs
                .iter()
                .any(|job| !job.is_stopped && job.run == run && job.stage == stage && job.partitions.contains(&p));
            assert!(!is_twice, "{task} runs twice");
            let mut inputs = Vec::new();
            sim.graph.for_each_input(task, |_, up| {
                let value = self.values.get(&(run, up)).unwrap_or_else(|| panic!("{task} starts without {up}"));
                assert_eq!(value.place, Place::Memory, "{task} starts while {up} is on disk");
                inputs.push(value.hash);
            });
            hashes.push(hash_of(task, &inputs));
        }
        let is_light = of_stage.options.is_light_gang();
        let others = || self.jobs.iter().filter(|job| job.worker == worker && !job.is_light);
        let busy = others().filter(|job| job.waits_for.is_none());
        let is_gang = |job: &Job| job.run == run && job.stage == stage && of_stage.options.is_gang;
        assert!(is_light || busy.clone().all(is_gang), "worker {worker} runs something already");
        let awaited = others().filter_map(|job| job.waits_for).next_back();
        if let Some(awaited) = awaited {
            assert!(is_light || self.descends(run, awaited), "worker {worker} is lent to another run");
        }
        let job = Job {
            worker,
            ticket,
            run,
            stage,
            partitions,
            attempt,
            hashes,
            is_light,
            waits_for: None,
            is_stopped: false,
            hangs: false,
        };
        self.jobs.push(job);
    }

    fn descends(&self, run: RunId, ancestor: RunId) -> bool {
        run == ancestor
            || self.runs.get(&run).and_then(|run| run.parent).is_some_and(|p| self.descends(p.run, ancestor))
    }

    /// Members of a gang start in one go.
    fn check_gangs(&self, started: &[Instruction]) {
        let mut gangs: BTreeMap<(RunId, StageId), u32> = BTreeMap::new();
        for instruction in started {
            if let Instruction::Run { run, stage, .. } = instruction
                && self.runs[run].graph.stage(*stage).options.is_gang
            {
                *gangs.entry((*run, *stage)).or_default() += 1;
            }
        }
        for ((run, stage), n) in gangs {
            assert_eq!(n, self.runs[&run].graph.stage(stage).n_active(), "part of the gang {stage} starts");
        }
    }

    fn check_unread(&self, run: RunId, task: TaskId, what: &str) {
        for job in self.jobs.iter().filter(|job| job.run == run && !job.is_stopped) {
            for p in job.partitions.clone() {
                let reader = TaskId::new(job.stage, p);
                self.runs[&run].graph.for_each_input(reader, |_, up| {
                    let is_running = matches!(
                        self.core.task_state(run, reader),
                        Some(super::super::TaskState::Running { .. } | super::super::TaskState::Held { .. })
                    );
                    assert!(up != task || !is_running, "{task} is {what} while {reader} reads it");
                });
            }
        }
    }

    fn ended(&mut self, id: RunId, outcome: Outcome) {
        let run = self.runs.get_mut(&id).unwrap();
        if matches!(outcome, Outcome::Finished) {
            for output in run.graph.outputs() {
                for p in output.partitions.iter() {
                    let task = TaskId::new(output.stage, p);
                    let value = self.values.get(&(id, task));
                    let is_right = value.is_some_and(|value| value.hash == run.expected[&task]);
                    assert!(is_right || run.released.contains(&task), "finished without the right {task}");
                }
            }
        }
        run.outcome = Some(outcome);
    }
}

/// The values that a graph must give.
fn expected(graph: &TaskGraph) -> BTreeMap<TaskId, u64> {
    let mut expected = BTreeMap::new();
    for (id, stage) in graph.stages() {
        for p in stage.active.iter() {
            let task = TaskId::new(id, p);
            let mut inputs = Vec::new();
            graph.for_each_input(task, |_, up| inputs.push(expected[&up]));
            expected.insert(task, hash_of(task, &inputs));
        }
    }
    expected
}

fn hash_of(task: TaskId, inputs: &[u64]) -> u64 {
    let start = mix(u64::from(task.stage.0) << 32 | u64::from(task.partition));
    inputs.iter().fold(start, |hash, input| mix(hash.rotate_left(7) ^ input))
}
