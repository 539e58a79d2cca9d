//! How far a statement is.
//!
//! ```text
//!   Meter of each operator ── rows of scans, bytes of files, bytes spilled ─┐
//!   GraphRun ──────────────── tasks done ───────────────────────────────────┼─> Watch ──> Progress
//!   rows between stages ───── bytes spilled ────────────────────────────────┘
//! ```
//!
//! The operators count anyway, or by an addition for each batch. What they have counted is added up when somebody asks.

mod bytes;
mod meter;
mod peak;
mod scan;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use datafusion::physical_plan::ExecutionPlan;
use dolmen_graph::{GraphRun, TaskGraph, TaskId, TaskStatus};
use dolmen_storage::{MemoryBudget, format_bytes};

pub(crate) use meter::Meter;

use crate::cancel;
use scan::Part;

/// Among the extensions of a state's configuration: the memory of each operator is to be counted.
#[derive(Debug)]
pub(crate) struct Analyzed;

/// How far a statement is. Displays as one line.
///
/// Within one run no number but `memory_bytes` falls. A query that finds no memory runs a second time, in stages, and then
/// counts from the start.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Progress {
    /// Rows that scans of files and tables have given, after filters that the scans apply themselves.
    pub rows_read: u64,
    /// Bytes that scans have read from files, as they are stored: compressed, and of Parquet only the columns needed.
    pub bytes_read: u64,
    /// The size of these files, or of their parts that are to be read; `None` if no scan reads files of a known size.
    pub bytes_total: Option<u64>,
    /// The share of the work that is done, from 0 to 1: of what the scans are to read, or, when the plan was cut into stages,
    /// of the tasks. `None` if nobody knows how much there is. Sorts and joins may go on when everything has been read.
    pub fraction: Option<f64>,
    /// Time since the statement began when `fraction` last grew.
    pub fraction_at: Duration,
    /// Tasks that are done. A plan that runs in one piece has a few, which end together.
    pub tasks_done: u64,
    /// All tasks.
    pub tasks: u64,
    /// Stages all of whose tasks are done.
    pub stages_done: u64,
    /// All stages.
    pub stages: u64,
    /// Bytes of the memory limit in use, by all that the session does.
    pub memory_bytes: u64,
    /// The memory limit of the session; `None` if it has none.
    pub memory_limit_bytes: Option<u64>,
    /// Bytes that operators have written to disk for want of memory, and those that waited there between stages.
    pub spilled_bytes: u64,
    /// Time since the statement began; the whole time of one that has ended.
    pub elapsed: Duration,
    /// How often its plan has been started: 0 while it is planned, 2 if it runs again in stages.
    pub runs: u32,
    /// Whether it has ended: with its last row, an error, or by being cancelled.
    pub is_finished: bool,
}

impl Progress {
    /// The time that the rest may take, if it goes on as before; `None` where no share is known, or it says nothing of what is
    /// left: at the very beginning, when everything has been read, and when it should have been done by now.
    pub fn remaining(&self) -> Option<Duration> {
        let fraction = self.fraction.filter(|fraction| (0.02..1.0).contains(fraction) && !self.is_finished)?;
        self.fraction_at.div_f64(fraction).checked_sub(self.elapsed)
    }

    /// None of its numbers smaller than `before`.
    fn at_least(mut self, before: &Self) -> Self {
        self.rows_read = self.rows_read.max(before.rows_read);
        self.bytes_read = self.bytes_read.max(before.bytes_read);
        self.bytes_total = self.bytes_total.max(before.bytes_total);
        self.fraction = self.fraction.map(|fraction| fraction.max(before.fraction.unwrap_or(0.0)));
        self.fraction_at = if self.fraction > before.fraction { self.elapsed } else { before.fraction_at };
        self.tasks_done = self.tasks_done.max(before.tasks_done);
        self.stages_done = self.stages_done.max(before.stages_done);
        self.spilled_bytes = self.spilled_bytes.max(before.spilled_bytes);
        self
    }
}

/// `40 %, 1200000 rows and 3 MiB of 7.5 MiB read, 1 of 3 tasks, 12 MiB of 1 GiB memory, 4 MiB spilled, 1.2 s`
impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(fraction) = self.fraction {
            write!(f, "{:.0} %, ", (fraction * 100.0).floor())?;
        }
        write!(f, "{} rows", self.rows_read)?;
        if let Some(total) = self.bytes_total {
            write!(f, " and {} of {}", format_bytes(self.bytes_read), format_bytes(total))?;
        }
        write!(f, " read, {} of {} tasks, {}", self.tasks_done, self.tasks, format_bytes(self.memory_bytes))?;
        if let Some(limit) = self.memory_limit_bytes {
            write!(f, " of {}", format_bytes(limit))?;
        }
        write!(f, " memory, {} spilled, {:.1} s", format_bytes(self.spilled_bytes), self.elapsed.as_secs_f64())
    }
}

/// Looks at one statement while it runs. Clones look at the same one.
#[derive(Debug, Clone, Default)]
pub struct Watch {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    budget: Option<Arc<MemoryBudget>>,
    /// Bytes of rows between stages that were written to disk.
    between_stages: Arc<AtomicU64>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    begun: Option<Instant>,
    /// The plans that the statement has started, all of its last run.
    plans: Vec<Watched>,
    /// What was told last.
    told: Progress,
}

impl Watch {
    /// Of a statement of the session that has this budget.
    pub fn new(budget: Arc<MemoryBudget>) -> Self {
        Self { inner: Arc::new(Inner { budget: Some(budget), ..Inner::default() }) }
    }

    /// The statement begins now.
    pub fn begin(&self) {
        self.state().begun.get_or_insert_with(Instant::now);
    }

    /// The statement has ended; its numbers stay.
    pub fn end(&self) {
        let mut state = self.state();
        let mut told = self.look(&state);
        told.is_finished = true;
        state.told = told;
        state.plans.clear();
    }

    /// How far the statement is.
    pub fn progress(&self) -> Progress {
        let mut state = self.state();
        if !state.told.is_finished {
            state.told = self.look(&state);
        }
        state.told.clone()
    }

    /// Adds a plan that runs now.
    pub(crate) fn add(&self, plan: Watched) {
        let mut state = self.state();
        state.told.runs = state.told.runs.max(1);
        if !state.told.is_finished {
            state.plans.push(plan);
        }
    }

    /// The statement begins anew, in another form.
    pub(crate) fn restart(&self) {
        let mut state = self.state();
        state.plans.clear();
        self.inner.between_stages.store(0, Ordering::Relaxed);
        state.told = Progress { runs: state.told.runs + 1, ..Progress::default() };
    }

    /// Where the bytes are counted that go to disk between stages.
    pub(crate) fn between_stages(&self) -> &Arc<AtomicU64> {
        &self.inner.between_stages
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look(&self, state: &State) -> Progress {
        let mut now = Progress {
            runs: state.told.runs,
            spilled_bytes: self.inner.between_stages.load(Ordering::Relaxed),
            elapsed: state.begun.map_or(Duration::ZERO, |begun| begun.elapsed()),
            ..Progress::default()
        };
        if let Some(budget) = &self.inner.budget {
            now.memory_bytes = budget.used_bytes() as u64;
            now.memory_limit_bytes = (budget.limit_bytes() < usize::MAX).then_some(budget.limit_bytes() as u64);
        }
        let mut read = Part::default();
        for plan in &state.plans {
            plan.add_to(&mut now, &mut read);
        }
        let is_staged = state.plans.iter().any(|plan| plan.is_staged);
        now.fraction = if is_staged { Some(now.tasks_done as f64 / now.tasks.max(1) as f64) } else { read.fraction() };
        now.at_least(&state.told)
    }
}

/// A plan that runs.
#[derive(Debug, Default)]
pub(crate) struct Watched {
    meters: Vec<Arc<Meter>>,
    /// Whether it was cut into stages, so that its tasks are a measure of its work.
    is_staged: bool,
    tasks: u64,
    stages: u64,
    /// Gone when the run is over.
    run: Option<Weak<dyn GraphRun>>,
}

impl Watched {
    /// Looks at the operators of `plans`, which are parts of one.
    pub(crate) fn of<'a>(plans: impl IntoIterator<Item = &'a Arc<dyn ExecutionPlan>>) -> Self {
        let mut meters: Vec<Arc<Meter>> = Vec::new();
        for meter in plans.into_iter().flat_map(cancel::watch) {
            // Of two plans one may be part of the other.
            if !meters.iter().any(|known| Arc::ptr_eq(known, &meter)) {
                meters.push(meter);
            }
        }
        Self { meters, ..Self::default() }
    }

    pub(crate) fn staged(self, is_staged: bool) -> Self {
        Self { is_staged, ..self }
    }

    /// Its tasks are those of `run`.
    pub(crate) fn with_run(self, run: &Arc<dyn GraphRun>) -> Self {
        let graph = run.graph();
        Self { tasks: graph.n_tasks(), stages: graph.n_stages().into(), run: Some(Arc::downgrade(run)), ..self }
    }

    fn add_to(&self, progress: &mut Progress, read: &mut Part) {
        let (tasks_done, stages_done) = match self.run.as_ref().and_then(Weak::upgrade) {
            Some(run) => (run.n_done(), stages_done(run.as_ref(), run.graph())),
            // What was not done is not needed.
            None => (self.tasks, self.stages),
        };
        progress.tasks += self.tasks;
        progress.tasks_done += tasks_done;
        progress.stages += self.stages;
        progress.stages_done += stages_done;
        for meter in &self.meters {
            meter.add_to(progress, read);
        }
    }
}

fn stages_done(run: &dyn GraphRun, graph: &TaskGraph) -> u64 {
    let is_done =
        |task| matches!(run.task_status(task), TaskStatus::Finished | TaskStatus::Released | TaskStatus::Unwanted);
    let stages = graph.stages();
    stages.filter(|(id, stage)| (0..stage.n_tasks).all(|partition| is_done(TaskId::new(*id, partition)))).count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_do_not_fall_and_stay_when_the_statement_has_ended() {
        let budget = MemoryBudget::new(1000);
        let watch = Watch::new(Arc::clone(&budget));
        assert_eq!(watch.progress(), Progress { memory_limit_bytes: Some(1000), ..Progress::default() });
        watch.begin();
        watch.add(Watched::default());
        watch.between_stages().store(700, Ordering::Relaxed);
        budget.consumer("sort").grow(300);
        let progress = watch.progress();
        assert_eq!((progress.spilled_bytes, progress.memory_bytes, progress.runs), (700, 0, 1));
        watch.between_stages().store(600, Ordering::Relaxed);
        assert_eq!(watch.progress().spilled_bytes, 700);
        watch.restart();
        let progress = watch.progress();
        assert_eq!((progress.spilled_bytes, progress.runs), (0, 2));
        watch.between_stages().store(50, Ordering::Relaxed);
        watch.end();
        let last = watch.progress();
        assert!(last.is_finished);
        watch.between_stages().store(60, Ordering::Relaxed);
        assert_eq!(watch.progress(), last);
    }

    #[test]
    fn what_remains_is_told_only_where_it_is_known() {
        let time = Duration::from_secs(10);
        let at = |fraction| Progress { fraction, fraction_at: time, elapsed: time, ..Progress::default() };
        assert_eq!(at(Some(0.25)).remaining(), Some(Duration::from_secs(30)));
        // A task that takes long does not make the rest longer.
        assert_eq!(Progress { elapsed: 2 * time, ..at(Some(0.25)) }.remaining(), Some(Duration::from_secs(20)));
        assert_eq!(Progress { elapsed: 5 * time, ..at(Some(0.25)) }.remaining(), None);
        for unknown in [None, Some(0.001), Some(1.0)] {
            assert_eq!(at(unknown).remaining(), None, "{unknown:?}");
        }
        assert_eq!(Progress { is_finished: true, ..at(Some(0.5)) }.remaining(), None);
    }

    #[test]
    fn progress_is_a_line() {
        let progress = Progress {
            rows_read: 1_200_000,
            bytes_read: 3 << 20,
            bytes_total: Some(15 << 19),
            fraction: Some(0.407),
            tasks_done: 1,
            tasks: 3,
            memory_bytes: 12 << 20,
            memory_limit_bytes: Some(1 << 30),
            spilled_bytes: 4 << 20,
            elapsed: Duration::from_millis(1234),
            ..Progress::default()
        };
        assert_eq!(
            progress.to_string(),
            "40 %, 1200000 rows and 3 MiB of 7.5 MiB read, 1 of 3 tasks, 12 MiB of 1 GiB memory, 4 MiB spilled, 1.2 s"
        );
        assert_eq!(Progress::default().to_string(), "0 rows read, 0 of 0 tasks, 0 B memory, 0 B spilled, 0.0 s");
    }
}
