//! Verifying that all parts of the state agree.

use std::collections::{BTreeMap, BTreeSet};

use dolmen_graph::{RunId, StageId, TaskGraph, TaskId};

use super::Core;
use super::queues::Pick;
use super::run::Run;
use super::spill::is_pinned;
use super::stage::{Phase, Tag};
use super::timers::Timer;

/// Panics with a message unless a condition holds.
macro_rules! holds {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err(format!($($message)+));
        }
    };
}

/// What others say about the tasks of a run.
#[derive(Default)]
struct Claims {
    running: BTreeSet<TaskId>,
    fetching: BTreeSet<TaskId>,
    spilling: BTreeSet<TaskId>,
    loading: BTreeSet<TaskId>,
}

/// The bytes found in the runs.
#[derive(Debug, Default)]
struct Found {
    values_bytes: u64,
    spilling_bytes: u64,
    disk_bytes: u64,
}

impl Core {
    /// Verifies the invariants that the module's text lists, from the graphs up.
    ///
    /// # Errors
    /// The first that does not hold, for people. Takes time in proportion to all tasks and edges.
    pub fn check_invariants(&self) -> Result<(), String> {
        let mut claims: BTreeMap<RunId, Claims> = BTreeMap::new();
        self.check_workers(&mut claims)?;
        for fetching in self.fetching.iter().chain(&self.fetched) {
            let of_run = claims.entry(fetching.run).or_default();
            let run = self.run(fetching.run).ok_or("a task of a dropped run is fetched for")?;
            for task in fetching.tasks(run) {
                holds!(of_run.fetching.insert(task), "{task} is fetched for twice");
            }
            for up in &fetching.pending {
                let tag = run.tag(*up);
                holds!(
                    matches!(tag, Tag::Loading | Tag::Spilling),
                    "{} waits for {up}, which is {tag:?}",
                    fetching.task
                );
            }
        }
        holds!(self.fetched.iter().all(|fetched| fetched.pending.is_empty()), "fetched, but inputs are pending");
        for flight in &self.flights {
            // Flights of values that were freed are forgotten before the next decision.
            let Some(run) = self.run(flight.run) else { continue };
            let (tag, of_run) = (run.tag(flight.task), claims.entry(flight.run).or_default());
            if flight.is_spill && tag == Tag::Spilling {
                holds!(of_run.spilling.insert(flight.task), "{} is spilled twice", flight.task);
            } else if !flight.is_spill && tag == Tag::Loading {
                holds!(of_run.loading.insert(flight.task), "{} is loaded twice", flight.task);
            }
        }

        let mut found = Found::default();
        let nothing = Claims::default();
        for run in self.runs.iter().flatten() {
            let of_run = claims.get(&run.id).unwrap_or(&nothing);
            self.check_run(run, of_run, &mut found).map_err(|message| format!("run {}: {message}", run.id.0))?;
        }
        let ledger = &self.ledger;
        holds!(found.values_bytes == ledger.values_bytes, "values: {found:?}, {ledger:?}");
        holds!(found.spilling_bytes == ledger.spilling_bytes, "being spilled: {found:?}, {ledger:?}");
        holds!(found.disk_bytes == ledger.disk_bytes, "on disk: {found:?}, {ledger:?}");
        self.check_progress()
    }

    fn check_workers(&self, claims: &mut BTreeMap<RunId, Claims>) -> Result<(), String> {
        let mut reserved_bytes = 0;
        let mut n_active = 0;
        for (number, worker) in (0_u32..).zip(&self.workers) {
            let is_idle = self.idle.iter().filter(|idle| **idle == number).count();
            let Some(worker) = worker else {
                holds!(is_idle == 0, "worker {number} is gone and idle");
                continue;
            };
            let n = worker.frames.iter().filter(|frame| frame.is_active()).count();
            holds!(worker.n_active as usize == n, "worker {number} has {n} active frames, not {}", worker.n_active);
            holds!(is_idle == usize::from(n == 0), "worker {number} with {n} active frames is {is_idle} times idle");
            n_active += worker.n_active;
            for frame in &worker.frames {
                holds!(frame.start < frame.end, "worker {number} has an empty frame");
                reserved_bytes += frame.reserved_bytes * u64::from(frame.end - frame.start);
                if frame.is_abandoned {
                    continue;
                }
                let run = self.run(frame.run).ok_or("a frame of a dropped run is not abandoned")?;
                let tasks = (frame.start..frame.end).map(|p| TaskId::new(frame.stage, p));
                // In a group some may have been given up.
                for task in tasks.filter(|task| run.tag(*task) == Tag::Running) {
                    let is_new = claims.entry(frame.run).or_default().running.insert(task);
                    holds!(is_new, "{task} is in two frames");
                }
            }
        }
        let fetching = self.fetching.iter().chain(&self.fetched);
        reserved_bytes += fetching.map(|fetching| fetching.reserved_bytes).sum::<u64>();
        holds!(n_active == self.n_active, "{n_active} frames are active, not {}", self.n_active);
        let ledger = &self.ledger;
        holds!(reserved_bytes == ledger.reserved_bytes, "{reserved_bytes} bytes are reserved: {ledger:?}");
        Ok(())
    }

    fn check_run(&self, run: &Run, claims: &Claims, found: &mut Found) -> Result<(), String> {
        let graph = &run.graph;
        holds!(run.listed == run.key(), "listed under {:?}, not {:?}", run.listed, run.key());
        holds!(run.listed.is_none_or(|key| self.runnable.contains(&key)), "not among those with ready tasks");
        holds!(run.queues.is_consistent(), "the queues are miscounted");
        let queued = queued(run);
        if run.outcome.is_some() {
            holds!(run.queues.top().is_none(), "ended, with tasks in queues");
            holds!(claims.running.is_empty() && claims.fetching.is_empty(), "ended, with tasks under way");
        }
        let is_given_up = run.outcome.is_some() && run.n_left > 0;
        if is_given_up {
            holds!(graph.stages().all(|(id, _)| run.stage(id).tables().is_none()), "given up, with values");
            return Ok(());
        }
        let mut n_left = 0;
        for (id, _) in graph.stages() {
            self.check_stage(run, id, claims, &queued, found, &mut n_left)?;
        }
        holds!(n_left == run.n_left, "{n_left} tasks are left, not {}", run.n_left);
        holds!((n_left == 0) == run.outcome.is_some(), "{n_left} tasks are left, the outcome is {:?}", run.outcome);
        Ok(())
    }

    fn check_stage(
        &self,
        run: &Run,
        id: StageId,
        claims: &Claims,
        queued: &BTreeSet<Claim>,
        found: &mut Found,
        n_left: &mut u64,
    ) -> Result<(), String> {
        let (graph, stage) = (&run.graph, run.stage(id));
        let of_graph = graph.stage(id);
        let mut n_done = 0;
        let mut counts = [0_u32; super::stage::N_TAGS];
        let mut memory_bytes = 0;
        for p in 0..stage.n_tasks {
            let task = TaskId::new(id, p);
            let tag = run.tag(task);
            counts[tag as usize] += 1;
            if !of_graph.active.contains(p) {
                holds!(tag == Tag::Unwanted, "{task} is not wanted and {tag:?}");
                continue;
            }
            n_done += u32::from(tag.is_done());
            let size = stage.tables().map_or(0, |tables| tables.size(p));
            memory_bytes += if tag.is_in_memory() { size } else { 0 };
            found.spilling_bytes += if tag == Tag::Spilling { size } else { 0 };
            found.disk_bytes += if tag == Tag::OnDisk { size } else { 0 };
            self.check_task(run, task, claims, queued)?;
        }
        *n_left += u64::from(stage.n_active - n_done);
        found.values_bytes += memory_bytes;
        holds!(n_done == stage.n_done, "{n_done} tasks of {id} are done, not {}", stage.n_done);
        holds!(memory_bytes == stage.stats.memory_bytes, "{memory_bytes} bytes of {id} are in memory");
        if let Phase::Live(tables) = &stage.phase {
            for (p, tag) in tables.tags() {
                holds!(tables.count(tag) == counts[tag as usize], "{tag:?} of {id} is miscounted at {p}");
            }
            holds!(tables.count(Tag::Released) < stage.n_active, "{id} is all released and live");
        }
        let is_open = |other: StageId| !run.stage(other).is_complete();
        let gates = of_graph.inputs.iter().filter(|i| i.wiring.is_all_to_all() && is_open(i.stage)).count();
        let links = graph
            .consumers(id)
            .iter()
            .filter(|(reader, i)| graph.stage(*reader).inputs[*i as usize].wiring.is_all_to_all() && is_open(*reader));
        let links = links.count();
        holds!(stage.open_gates as usize == gates, "{id} has {gates} open gates, not {}", stage.open_gates);
        holds!(stage.open_links as usize == links, "{id} has {links} open links, not {}", stage.open_links);
        Ok(())
    }

    fn check_task(&self, run: &Run, task: TaskId, claims: &Claims, queued: &BTreeSet<Claim>) -> Result<(), String> {
        let (graph, tag) = (&run.graph, run.tag(task));
        let stage = run.stage(task.stage);
        let p = task.partition as usize;
        let mut n_pointwise = 0;
        let mut n_missing = 0;
        let mut n_not_in_memory = 0;
        graph.for_each_input(task, |input_idx, up| {
            let up_tag = run.tag(up);
            let is_missing = !up_tag.is_available();
            let is_pointwise = !graph.stage(task.stage).inputs[input_idx as usize].wiring.is_all_to_all();
            n_pointwise += u32::from(is_missing && is_pointwise);
            n_missing += u32::from(is_missing);
            n_not_in_memory += u32::from(!matches!(up_tag, Tag::Stored));
        });
        let claim = |set: &BTreeSet<TaskId>, of: Tag| {
            if set.contains(&task) == (tag == of) {
                Ok(())
            } else {
                Err(format!("{task} is {tag:?}, not so elsewhere"))
            }
        };
        claim(&claims.running, Tag::Running)?;
        claim(&claims.fetching, Tag::Fetching)?;
        claim(&claims.spilling, Tag::Spilling)?;
        claim(&claims.loading, Tag::Loading)?;
        if tag.is_to_run() && stage.tables().is_some_and(|tables| !tables.missing.is_empty()) {
            let counted = stage.tables().map_or(0, |tables| tables.missing[p]);
            holds!(counted == n_pointwise, "{task} ({tag:?}) misses {n_pointwise} inputs, not {counted}");
        }
        match tag {
            Tag::Waiting => holds!(n_missing > 0 || stage.is_gang, "{task} waits for nothing"),
            Tag::Ready => {
                holds!(n_missing == 0, "{task} is ready without {n_missing} inputs");
                let counts = stage.tables().map_or(stage.n_active, |tables| tables.count(Tag::Ready));
                let is_queued = queued.contains(&Claim::Task(task))
                    || (stage.is_gang && (counts < stage.n_active || queued.contains(&Claim::Gang(task.stage))));
                holds!(is_queued, "{task} is ready and in no queue");
            }
            Tag::Running | Tag::Fetching if !run.is_irregular => {
                holds!(n_missing == 0, "{task} is {tag:?} without {n_missing} inputs");
                holds!(tag == Tag::Fetching || n_not_in_memory == 0, "{task} runs, but inputs are not in memory");
            }
            Tag::Backoff => {
                let one = Timer::Backoff { run: run.id, task };
                let all = Timer::GangBackoff { run: run.id, stage: task.stage };
                holds!(self.timers.contains(one) || self.timers.contains(all), "{task} waits for no time");
            }
            Tag::Lost => return Err(format!("{task} is lost after the repair")),
            tag if tag.is_available() => check_value(run, graph, task)?,
            _ => {}
        }
        Ok(())
    }

    /// While tasks are left and there are workers, something must be under way.
    fn check_progress(&self) -> Result<(), String> {
        let is_free = self.workers.iter().flatten().any(|worker| worker.frames.is_empty());
        let is_over = |id: RunId| self.run(id).is_none_or(|run| run.outcome.is_some());
        let mut waiting = self.workers.iter().flatten().flat_map(|worker| &worker.frames);
        let goes_on = waiting.any(|frame| frame.is_light || frame.is_abandoned || frame.waits_for.is_some_and(is_over));
        let is_under_way = goes_on || self.n_active > 0 || !self.flights.is_empty() || self.next_deadline().is_some();
        let n_left: u64 = self.runs.iter().flatten().filter(|run| run.outcome.is_none()).map(|run| run.n_left).sum();
        holds!(
            !is_free || is_under_way || n_left == 0,
            "{n_left} tasks are left and nothing happens:\n{}",
            self.explain()
        );
        Ok(())
    }
}

fn check_value(run: &Run, graph: &TaskGraph, task: TaskId) -> Result<(), String> {
    let stage = run.stage(task.stage);
    let n_readers = {
        let mut n = 0;
        graph.for_each_consumer(task, |input_idx, reader| {
            let is_link = graph.stage(reader.stage).inputs[input_idx as usize].wiring.is_all_to_all();
            n += u32::from(!is_link && !run.tag(reader).is_done());
        });
        n
    };
    let counted = stage.tables().map_or(0, |tables| tables.reads.get(task.partition as usize).copied().unwrap_or(0));
    holds!(counted == n_readers, "{task} has {n_readers} readers left, not {counted}");
    let is_useful = n_readers > 0 || stage.open_links > 0 || run.is_kept(task);
    holds!(is_useful, "{task} is kept for nobody");
    let tag = run.tag(task);
    let is_moving = matches!(tag, Tag::Spilling | Tag::OnDisk);
    let is_read = graph
        .consumers(task.stage)
        .iter()
        .any(|(reader, _)| run.stage(*reader).tables().is_some_and(|tables| tables.count(Tag::Running) > 0));
    holds!(!(is_moving && is_read && is_running(run, task)), "{task} is {tag:?} while it is read");
    Ok(())
}

/// Whether a task that runs reads the value.
fn is_running(run: &Run, task: TaskId) -> bool {
    let mut is_running = false;
    run.graph.for_each_consumer(task, |_, reader| is_running |= run.tag(reader) == Tag::Running);
    is_running && is_pinned(run, task, None)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Claim {
    Task(TaskId),
    Gang(StageId),
}

/// All that is in the queues of a run.
fn queued(run: &Run) -> BTreeSet<Claim> {
    let mut queued = BTreeSet::new();
    let next_active = |stage: StageId, p| run.graph.stage(stage).active.next_from(p);
    run.queues.for_each(next_active, |pick| match pick {
        Pick::Task(stage, p) => drop(queued.insert(Claim::Task(TaskId::new(stage, p)))),
        Pick::Gang(stage) => drop(queued.insert(Claim::Gang(stage))),
        Pick::Source(_) => {}
    });
    queued
}
