//! Random histories with faults.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use dolmen_graph::{Parent, RunError, RunId, TaskError, TaskId};

use super::super::{CoreConfig, CoreEvent, Failure, Grouping, Outcome, SpillFailure, ValuePlaces};
use super::graphs::{random_graph, size_of};
use super::rng::Rng;
use super::world::{Job, Place, World};

/// How often things go wrong, in percent of the chances they have.
#[derive(Debug, Clone, Copy, Default)]
struct Faults {
    transient: u32,
    permanent: u32,
    panic: u32,
    hang: u32,
    refuse: u32,
    lose_worker: u32,
    cancel: u32,
    spill: u32,
    load: u32,
    nest: u32,
    external: u32,
}

/// What happened in a history, for the tally.
#[derive(Debug, Default)]
struct Tally {
    by_name: BTreeMap<&'static str, u64>,
}

impl Tally {
    fn count(&mut self, name: &'static str) {
        *self.by_name.entry(name).or_default() += 1;
    }
}

struct History {
    rng: Rng,
    faults: Faults,
    world: World,
    tally: Tally,
    roots: BTreeSet<RunId>,
    n_nested: u32,
    n_losses: u32,
}

const N_WORKERS_MAX: u32 = 8;

impl History {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let is_calm = rng.chance(25);
        let mut some = |percent: u32, most: u32| {
            if !is_calm && rng.chance(percent) { 1 + rng.below(most) } else { 0 }
        };
        let faults = Faults {
            transient: some(50, 20),
            permanent: some(15, 2),
            panic: some(15, 2),
            hang: some(30, 10),
            refuse: some(20, 5),
            lose_worker: some(40, 3),
            cancel: some(40, 3),
            spill: some(30, 30),
            load: some(20, 20),
            nest: some(40, 8),
            external: some(20, 5),
        };
        let config = CoreConfig {
            memory_limit_bytes: if rng.chance(40) { u64::MAX } else { 250 + u64::from(rng.below(2500)) },
            places: if rng.chance(50) { ValuePlaces::Shared } else { ValuePlaces::AtWorkers },
            grouping: if rng.chance(50) { Grouping::Off } else { Grouping::Upto { run_ns: 1000, n_tasks: 7 } },
            backoff_ns: 1000,
            backoff_max_ns: 20_000,
            unknown_bytes: 60,
            losses_max: 3,
            spill_pause_ns: 5_000,
            patience_ns: 5,
        };
        let is_strict = faults.external + faults.load + faults.nest + faults.refuse == 0 && rng.chance(50);
        let world = World::new(config, is_strict);
        Self { rng, faults, world, tally: Tally::default(), roots: BTreeSet::new(), n_nested: 0, n_losses: 0 }
    }

    fn run(&mut self) {
        for worker in 0..1 + self.rng.below(N_WORKERS_MAX) {
            self.join(worker);
        }
        let n_graphs = if self.rng.chance(30) { 2 } else { 1 };
        for _ in 0..n_graphs {
            let graph = random_graph(&mut self.rng, 50, self.world.is_strict);
            let priority = i32::try_from(self.rng.below(3)).unwrap();
            let id = self.world.submit(graph, priority, None);
            self.roots.insert(id);
        }
        let mut n_steps = 0;
        while self.step() {
            n_steps += 1;
            assert!(n_steps < 20_000, "no end:\n{}", self.world.core.explain());
        }
        self.finish();
    }

    fn join(&mut self, worker: u32) {
        self.world.workers.insert(worker);
        self.world.tell(CoreEvent::WorkerJoined { worker });
    }

    /// Something happens; `false` if nothing is left to do.
    fn step(&mut self) -> bool {
        self.world.now_ns += 1 + u64::from(self.rng.below(200));
        self.disturb();
        if self.world.runs.values().all(|run| run.outcome.is_some()) && self.world.jobs.is_empty() {
            return false;
        }
        let due = self.world.core.next_deadline().filter(|at_ns| *at_ns <= self.world.now_ns);
        if due.is_some() {
            self.world.tell(CoreEvent::Tick);
            return true;
        }
        let n_jobs = self.world.jobs.len();
        let n_moves = self.world.moves.len();
        if n_jobs + n_moves > 0 {
            let pick = self.rng.idx(n_jobs + n_moves);
            if pick < n_jobs {
                if self.advance_job(pick) {
                    return true;
                }
            } else {
                self.land(pick - n_jobs);
                return true;
            }
        }
        // Nothing can go on by itself: time passes.
        let can_go_on =
            self.world.moves.len() + self.world.jobs.iter().filter(|job| !is_stuck(job, &self.world)).count();
        if can_go_on == 0 {
            match self.world.core.next_deadline() {
                Some(at_ns) => {
                    self.world.now_ns = self.world.now_ns.max(at_ns);
                    self.world.tell(CoreEvent::Tick);
                }
                None if self.world.workers.is_empty() => self.join(0),
                None => panic!(
                    "nothing happens any more:\n{}{:?}\n{:?}",
                    self.world.core.explain(),
                    self.world.jobs,
                    self.world.runs.iter().map(|(id, run)| (id, &run.outcome)).collect::<Vec<_>>()
                ),
            }
        }
        true
    }

    /// Things that the core has no part in.
    fn disturb(&mut self) {
        let Faults { cancel, lose_worker, external, .. } = self.faults;
        if self.rng.chance(lose_worker) && self.n_losses < 12 {
            self.lose_worker();
        }
        if self.world.workers.len() < N_WORKERS_MAX as usize && self.rng.chance(2) {
            let free = (0..N_WORKERS_MAX).find(|worker| !self.world.workers.contains(worker));
            free.into_iter().for_each(|worker| self.join(worker));
            self.tally.count("worker joined");
        }
        if self.rng.chance(external) {
            let size_bytes = if self.rng.chance(50) { 0 } else { self.rng.below(300).into() };
            self.world.tell(CoreEvent::External { size_bytes });
            self.world.tell(CoreEvent::Shortage { missing_bytes: self.rng.below(300).into() });
            self.tally.count("external");
        }
        if external > 0 && self.rng.chance(10) {
            self.grow_something();
        }
        if self.rng.chance(cancel) {
            self.cancel_something();
        }
        if self.rng.chance(2) {
            self.ask_or_release();
        }
    }

    /// A value that took no memory, since it was counted elsewhere, takes some from now on.
    fn grow_something(&mut self) {
        let world = &mut self.world;
        let is_empty = |(run, task): &(RunId, TaskId)| size_of(&world.runs[run].graph, *task) == 0;
        let in_memory = world.values.iter().filter(|(_, value)| value.place == Place::Memory && value.grown_bytes == 0);
        let keys: Vec<(RunId, TaskId)> = in_memory.map(|(key, _)| *key).filter(is_empty).collect();
        if keys.is_empty() {
            return;
        }
        let (run, task) = keys[self.rng.idx(keys.len())];
        let grown_bytes = 1 + u64::from(self.rng.below(100));
        world.core.grew(run, task, grown_bytes);
        world.values.get_mut(&(run, task)).unwrap().grown_bytes = grown_bytes;
        world.core.check_invariants().unwrap();
        self.tally.count("grown");
    }

    fn any_run(&mut self) -> RunId {
        let ids: Vec<RunId> = self.world.runs.keys().copied().collect();
        ids[self.rng.idx(ids.len())]
    }

    fn cancel_something(&mut self) {
        let run = self.any_run();
        let sim = &self.world.runs[&run];
        if self.rng.chance(25) {
            self.tally.count("run cancelled");
            return self.world.tell(CoreEvent::Cancel { run });
        }
        let graph = Arc::clone(&sim.graph);
        let tasks: Vec<TaskId> = (0..1 + self.rng.below(3))
            .map(|_| {
                let stage = dolmen_graph::StageId(self.rng.below(graph.n_stages()));
                TaskId::new(stage, self.rng.below(graph.stage(stage).n_tasks.max(1)))
            })
            .collect();
        self.tally.count("tasks cancelled");
        self.world.tell(CoreEvent::CancelTasks { run, tasks });
    }

    fn ask_or_release(&mut self) {
        let run = self.any_run();
        let outputs: Vec<TaskId> = {
            let graph = &self.world.runs[&run].graph;
            let tasks = |o: &dolmen_graph::Output| {
                let stage = o.stage;
                o.partitions.iter().map(move |p| TaskId::new(stage, p)).collect::<Vec<_>>()
            };
            graph.outputs().iter().flat_map(tasks).collect()
        };
        if outputs.is_empty() {
            return;
        }
        let task = outputs[self.rng.idx(outputs.len())];
        if self.rng.chance(30) {
            self.tally.count("released");
            self.world.runs.get_mut(&run).unwrap().released.insert(task);
            self.world.tell(CoreEvent::Release { run, task });
        } else if !self.world.is_strict {
            self.tally.count("asked");
            self.world.tell(CoreEvent::Fetch { run, task });
        }
    }

    fn lose_worker(&mut self) {
        let workers: Vec<u32> = self.world.workers.iter().copied().collect();
        if workers.is_empty() {
            return;
        }
        let worker = workers[self.rng.idx(workers.len())];
        // The runs of tasks that waited on it go with it.
        self.n_losses += 1;
        self.tally.count("worker lost");
        self.world.workers.remove(&worker);
        self.world.jobs.retain(|job| job.worker != worker);
        if self.world.config.places == ValuePlaces::AtWorkers {
            self.world.values.retain(|_, value| value.place == Place::Disk || value.worker != Some(worker));
        }
        self.world.tell(CoreEvent::WorkerLost { worker });
        if self.world.workers.is_empty() {
            self.join(worker);
        }
    }

    /// A job makes a step; `false` if it cannot.
    fn advance_job(&mut self, idx: usize) -> bool {
        let job = self.world.jobs[idx].clone();
        if is_stuck(&job, &self.world) {
            return false;
        }
        let (worker, ticket, partition) = (job.worker, job.ticket, job.partitions.start);
        if job.waits_for.is_some() {
            self.world.jobs[idx].waits_for = None;
            self.world.tell(CoreEvent::GoesOn { worker, ticket });
            return true;
        }
        if job.is_stopped && self.rng.chance(50) {
            self.report(idx, CoreEvent::Returned { worker, ticket, partition });
            return true;
        }
        let graph = Arc::clone(&self.world.runs[&job.run].graph);
        let is_gang = graph.stage(job.stage).options.is_gang;
        let has_timeout = graph.stage(job.stage).options_of(partition).timeout.is_some();
        let Faults { transient, permanent, panic, hang, refuse, nest, .. } = self.faults;
        let fail = |failure| CoreEvent::Failed { worker, ticket, partition, failure };
        if has_timeout && !job.is_stopped && self.rng.chance(hang) {
            self.tally.count("hang");
            self.world.jobs[idx].hangs = true;
            return true;
        }
        if self.rng.chance(nest) && self.n_nested < 6 && !job.is_stopped {
            return self.nest(idx, &job);
        }
        let event = if self.rng.chance(transient) {
            self.tally.count("transient failure");
            fail(Failure::Error(TaskError::transient("simulated")))
        } else if self.rng.chance(permanent) {
            self.tally.count("permanent failure");
            fail(Failure::Error(TaskError::failed("simulated")))
        } else if self.rng.chance(panic) {
            self.tally.count("panic");
            fail(Failure::Error(TaskError::Panicked { message: "simulated".into() }))
        } else if self.rng.chance(refuse) {
            self.tally.count("refused memory");
            fail(Failure::OutOfMemory { needed_bytes: 1 << 30 })
        } else if self.rng.chance(3) && !is_gang {
            self.tally.count("returned");
            CoreEvent::Returned { worker, ticket, partition }
        } else {
            CoreEvent::Finished { worker, ticket, partition, size_bytes: size_of(&graph, job.task()), elapsed_ns: 100 }
        };
        self.report(idx, event);
        true
    }

    /// A task computes a graph of its own and waits for it.
    fn nest(&mut self, idx: usize, job: &Job) -> bool {
        self.n_nested += 1;
        self.tally.count("nested");
        let graph = random_graph(&mut self.rng, 5, false);
        let parent = Parent { run: job.run, task: job.task() };
        let on = self.world.submit(graph, 0, Some(parent));
        let found = self.world.jobs.get_mut(idx).filter(|found| found.ticket == job.ticket);
        let found = found.expect("submitting ends no job");
        found.waits_for = Some(on);
        self.world.tell(CoreEvent::Waits { worker: job.worker, ticket: job.ticket, on });
        true
    }

    /// Tells what came of the first task of a job.
    fn report(&mut self, idx: usize, event: CoreEvent) {
        let job = &mut self.world.jobs[idx];
        let (worker, ticket, run, task) = (job.worker, job.ticket, job.run, job.task());
        let hash = job.hashes.remove(0);
        let attempt = job.attempt;
        job.partitions.start += 1;
        let is_over = job.partitions.is_empty();
        let is_wanted = self.world.core.is_wanted(worker, ticket, task.partition);
        if let CoreEvent::Finished { .. } = event {
            if is_wanted {
                let value = super::world::Held { hash, place: Place::Memory, worker: Some(worker), grown_bytes: 0 };
                self.world.values.insert((run, task), value);
            } else {
                self.tally.count("late result");
            }
        }
        if attempt > 0 && is_wanted {
            self.tally.count("later attempt");
        }
        if is_over {
            self.world.jobs.remove(idx);
        } else if self.rng.chance(50) {
            // The rest of a group is reported together.
            let job = self.world.jobs[idx].clone();
            let mut events = vec![event];
            for (p, hash) in job.partitions.clone().zip(&job.hashes) {
                let task = TaskId::new(job.stage, p);
                if self.world.core.is_wanted(worker, ticket, p) {
                    let value =
                        super::world::Held { hash: *hash, place: Place::Memory, worker: Some(worker), grown_bytes: 0 };
                    self.world.values.insert((run, task), value);
                }
                let size_bytes = size_of(&self.world.runs[&run].graph, task);
                events.push(CoreEvent::Finished { worker, ticket, partition: p, size_bytes, elapsed_ns: 100 });
            }
            self.world.jobs.remove(idx);
            self.tally.count("group at once");
            return self.world.tell_all(events);
        }
        self.world.tell(event);
    }

    /// A value arrives on disk or in memory, or does not.
    fn land(&mut self, idx: usize) {
        let landed = self.world.moves.swap_remove(idx);
        let (io, key) = (landed.io, (landed.run, landed.task));
        if landed.is_spill {
            if self.rng.chance(self.faults.spill) {
                self.tally.count("spill failed");
                let disk = SpillFailure::Disk(Arc::new(std::io::Error::other("no space is left in /tmp/x")));
                let cause = if self.rng.chance(30) { SpillFailure::NotEncodable } else { disk };
                return self.world.tell(CoreEvent::SpillFailed { io, cause });
            }
            self.tally.count("spilled");
            let value = self.world.values.get_mut(&key).expect("what is spilled is there");
            value.place = Place::Disk;
            return self.world.tell(CoreEvent::Spilled { io });
        }
        if self.rng.chance(self.faults.load) {
            self.tally.count("load failed");
            return self.world.tell(CoreEvent::LoadFailed { io });
        }
        self.tally.count("loaded");
        let value = self.world.values.get_mut(&key).expect("what is loaded is there");
        value.place = Place::Memory;
        value.worker = None;
        self.world.tell(CoreEvent::Loaded { io });
    }

    /// Every run has ended as it may; everything is given back.
    fn finish(&mut self) {
        let ids: Vec<RunId> = self.world.runs.keys().copied().collect();
        for id in &ids {
            let outcome = self.world.runs[id].outcome.clone().unwrap();
            self.check_outcome(*id, &outcome);
        }
        for id in ids {
            self.world.tell(CoreEvent::Drop { run: id });
        }
        let memory = self.world.core.memory();
        let held = (memory.values_bytes, memory.reserved_bytes, memory.spilling_bytes, memory.disk_bytes);
        assert_eq!(held, (0, 0, 0, 0), "bytes are left");
        assert!(self.world.values.is_empty(), "values are left: {:?}", self.world.values);
        assert!(self.world.moves.is_empty(), "moves are left: {:?}", self.world.moves);
        assert_eq!((self.world.core.n_running(), self.world.core.run_ids().count()), (0, 0));
    }

    fn check_outcome(&mut self, id: RunId, outcome: &Outcome) {
        let faults = self.faults;
        match outcome {
            Outcome::Finished => self.tally.count("finished"),
            Outcome::Cancelled => {
                self.tally.count("cancelled");
                let by_parent = self.world.runs[&id].parent.is_some();
                assert!(faults.cancel > 0 || by_parent, "cancelled by nobody");
            }
            Outcome::Failed(error) => {
                let (is_explained, name) = match error {
                    RunError::Task { .. } => (faults.permanent + faults.panic + faults.transient > 0, "failed"),
                    RunError::TimedOut { .. } => (true, "timed out"),
                    RunError::WorkerLost { n_losses, .. } => {
                        (*n_losses > 3 && faults.lose_worker + faults.load > 0, "lost too often")
                    }
                    RunError::Spill { .. } => (faults.spill > 0, "spill error"),
                    RunError::MemoryLimit { needed_bytes, limit_bytes, .. } => {
                        let others =
                            faults.refuse + faults.external + faults.spill + faults.nest + faults.hang + faults.cancel;
                        // Gangs that take no worker start whatever they need.
                        let runs = self.world.runs.values();
                        let is_light = runs.flat_map(|run| run.graph.stages()).any(|(_, s)| s.options.is_light_gang());
                        (needed_bytes > limit_bytes || others > 0 || is_light, "memory limit")
                    }
                    _ => (false, "other"),
                };
                self.tally.count(name);
                assert!(is_explained, "no reason for {error:?}");
            }
        }
    }
}

/// Whether a job goes on only when something else happens.
fn is_stuck(job: &Job, world: &World) -> bool {
    if job.is_stopped {
        return false;
    }
    let waits = job.waits_for.and_then(|run| world.runs.get(&run)).is_some_and(|run| run.outcome.is_none());
    job.hangs || waits
}

/// Runs the histories of some seeds and says what happened in them.
fn histories(seeds: std::ops::Range<u64>) {
    let mut digests = BTreeSet::new();
    let mut total = Tally::default();
    let mut n_events = 0;
    let n = seeds.end - seeds.start;
    for seed in seeds {
        let mut history = History::new(seed);
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| history.run()));
        if let Err(panic) = result {
            eprintln!("the history of seed {seed} failed");
            std::panic::resume_unwind(panic);
        }
        digests.insert(history.world.digest);
        n_events += history.world.n_events;
        for (name, count) in history.tally.by_name {
            *total.by_name.entry(name).or_default() += count;
        }
    }
    println!("{n} histories, {n_events} events: {:?}", total.by_name);
    assert_eq!(digests.len() as u64, n, "some histories are the same");
    // Every kind of fault is met in every thousand, or the histories have become too tame.
    let kinds = [
        "transient failure",
        "permanent failure",
        "panic",
        "hang",
        "timed out",
        "refused memory",
        "worker lost",
        "run cancelled",
        "tasks cancelled",
        "spilled",
        "loaded",
        "spill failed",
        "load failed",
        "nested",
        "late result",
        "grown",
        "group at once",
        "memory limit",
        "finished",
    ];
    let missing: Vec<_> = kinds.iter().filter(|kind| !total.by_name.contains_key(*kind)).collect();
    assert!(missing.is_empty() || n < 1000, "never happened: {missing:?}");
}

/// Runs one history, or some, again: `SEEDS=17..18 cargo test -p dolmen-scheduler -- --ignored of_seeds`.
#[test]
#[ignore = "asks for SEEDS"]
fn of_seeds() {
    let seeds = std::env::var("SEEDS").expect("SEEDS, such as 17..18");
    let (start, end) = seeds.split_once("..").expect("two numbers");
    histories(start.parse().unwrap()..end.parse().unwrap());
}

/// Ten thousand in all; a test for each thousand, so that they run side by side.
macro_rules! thousands {
    ($($name:ident $start:literal)*) => {
        $(#[test] fn $name() { histories($start * 1000..($start + 1) * 1000); })*
    };
}

thousands! {
    histories_0 0 histories_1 1 histories_2 2 histories_3 3 histories_4 4
    histories_5 5 histories_6 6 histories_7 7 histories_8 8 histories_9 9
}
