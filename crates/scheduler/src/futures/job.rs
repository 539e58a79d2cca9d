//! A graph on its way through an executor, and everyone who is interested in it.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use dolmen_graph::{Executor, GraphRun, LowerError, Lowered, RunStatus, SubmitOptions, TaskGraph, TaskId};

use super::FutureError;
use super::link::Link;
use super::watch;
use crate::Progress;
use crate::engine::Bell;

/// What became of a job: the run that has its values.
pub(super) type Outcome = Result<Arc<dyn GraphRun>, FutureError>;

/// One graph that is submitted when what it uses is there. Dropping it cancels its run or frees its values.
pub(super) struct Job {
    executor: Arc<dyn Executor>,
    options: SubmitOptions,
    keys: Vec<String>,
    results: Vec<TaskId>,
    /// The results of other jobs that the graph uses.
    links: Vec<Arc<Link>>,
    state: Mutex<State>,
}

struct State {
    phase: Phase,
    /// Woken when the phase changes.
    observers: Vec<Waker>,
    /// Jobs that use results of this one.
    dependents: Vec<Weak<Job>>,
}

enum Phase {
    Waiting(Arc<TaskGraph>),
    Starting,
    Running(Arc<dyn GraphRun>),
    Done(Outcome),
}

/// What has to happen next for a job to come to its end.
pub(super) enum Next {
    Nothing,
    /// A run, of this job or of one that it needs, has to end.
    Run(Arc<dyn GraphRun>, Arc<Job>),
    /// Another thread is about to submit the graph.
    Start(Arc<Job>),
}

/// How waiting on a thread ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Blocked {
    Done,
    TimedOut,
    /// The task that waited was cancelled.
    Stopped,
}

impl Job {
    /// Submits the graph as soon as the results of other jobs that it uses are there.
    pub(super) fn start(
        executor: Arc<dyn Executor>,
        options: SubmitOptions,
        keys: Vec<String>,
        lowered: Result<Lowered, LowerError>,
    ) -> Arc<Self> {
        let (phase, results, links) = match lowered {
            Ok(lowered) => {
                let links = lowered.awaited().iter().filter_map(Link::of).collect();
                (Phase::Waiting(Arc::clone(lowered.graph())), lowered.results().to_vec(), links)
            }
            Err(source) => {
                let key = keys.first().cloned().unwrap_or_default();
                (Phase::Done(Err(FutureError::Lower { key, source })), Vec::new(), Vec::new())
            }
        };
        let state = Mutex::new(State { phase, observers: Vec::new(), dependents: Vec::new() });
        let job = Arc::new(Self { executor, options, keys, results, links, state });
        for needed in job.links.iter().filter_map(|link| link.job()) {
            let mut state = needed.lock();
            if !matches!(state.phase, Phase::Done(_)) {
                state.dependents.push(Arc::downgrade(&job));
            }
        }
        advance(Arc::clone(&job));
        job
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn key(&self, result_idx: usize) -> &str {
        self.keys.get(result_idx).map_or("", String::as_str)
    }

    pub(super) fn task(&self, result_idx: usize) -> TaskId {
        self.results[result_idx]
    }

    /// What became of the job; `None` while it is not known.
    pub(super) fn outcome(&self) -> Option<Outcome> {
        match &self.lock().phase {
            Phase::Done(outcome) => Some(outcome.clone()),
            _ => None,
        }
    }

    /// How far its run is, if it has one.
    pub(super) fn progress(&self) -> Option<Progress> {
        let run = match &self.lock().phase {
            Phase::Running(run) | Phase::Done(Ok(run)) => Arc::clone(run),
            _ => return None,
        };
        let (name, n_tasks) = (self.options.name.clone(), run.graph().n_tasks());
        Some(Progress { run: run.id(), name, n_done: run.n_done(), n_tasks })
    }

    pub(super) fn is_done(&self) -> bool {
        matches!(self.lock().phase, Phase::Done(_))
    }

    /// Has `waker` woken whenever something changes; at once if nothing will.
    pub(super) fn observe(&self, waker: Waker) {
        let mut state = self.lock();
        if !matches!(state.phase, Phase::Done(_)) {
            return state.observers.push(waker);
        }
        drop(state);
        waker.wake();
    }

    /// Has `waker` not woken any more.
    pub(super) fn unobserve(&self, waker: &Waker) {
        self.lock().observers.retain(|known| !known.will_wake(waker));
    }

    #[cfg(test)]
    pub(super) fn n_observers(&self) -> usize {
        self.lock().observers.len()
    }

    /// Gives the job up.
    pub(super) fn cancel(&self) {
        let mut state = self.lock();
        if matches!(state.phase, Phase::Done(_)) {
            return;
        }
        let error = FutureError::Cancelled { key: self.key(0).to_owned() };
        let phase = std::mem::replace(&mut state.phase, Phase::Done(Err(error)));
        drop(state);
        if let Phase::Running(run) = phase {
            run.cancel();
        }
        advance_all(self.wake_all());
    }

    /// One change of phase; gives the jobs that may change in turn.
    fn step(self: &Arc<Self>) -> Vec<Arc<Self>> {
        let mut state = self.lock();
        match &state.phase {
            Phase::Done(_) | Phase::Starting => Vec::new(),
            Phase::Waiting(graph) => match self.needed() {
                None => Vec::new(),
                Some(Err(error)) => self.finish(state, Err(error)),
                Some(Ok(())) => {
                    let graph = Arc::clone(graph);
                    // The lock is released before the graph, which may be the last holder of much, is dropped.
                    let waiting = std::mem::replace(&mut state.phase, Phase::Starting);
                    drop(state);
                    drop(waiting);
                    self.submit(graph)
                }
            },
            Phase::Running(run) => {
                let run = Arc::clone(run);
                drop(state);
                self.look_at(run)
            }
        }
    }

    /// Whether everything that the graph uses is there.
    fn needed(&self) -> Option<Result<(), FutureError>> {
        let mut is_open = false;
        for job in self.links.iter().filter_map(|link| link.job()) {
            match job.outcome() {
                Some(Err(error)) => return Some(Err(error)),
                Some(Ok(_)) => {}
                None => is_open = true,
            }
        }
        (!is_open).then_some(Ok(()))
    }

    fn submit(self: &Arc<Self>, graph: Arc<TaskGraph>) -> Vec<Arc<Self>> {
        let submitted = self.executor.submit(graph, self.options.clone());
        let mut state = self.lock();
        if matches!(state.phase, Phase::Done(_)) {
            // It was cancelled meanwhile.
            drop(state);
            if let Ok(run) = submitted {
                run.cancel();
            }
            return Vec::new();
        }
        let run = match submitted {
            Ok(run) => run,
            Err(source) => {
                let key = self.key(0).to_owned();
                return self.finish(state, Err(FutureError::Submit { key, source }));
            }
        };
        state.phase = Phase::Running(Arc::clone(&run));
        let observers = state.observers.clone();
        drop(state);
        // An observer looks at the job.
        observers.into_iter().for_each(Waker::wake);
        if run.status() == RunStatus::Running {
            watch::start(self, &run);
            return Vec::new();
        }
        self.look_at(run)
    }

    /// Takes note of the end of the run, if it has come.
    fn look_at(self: &Arc<Self>, run: Arc<dyn GraphRun>) -> Vec<Arc<Self>> {
        if run.status() == RunStatus::Running {
            return Vec::new();
        }
        // The run has ended, so this does not wait.
        let Some(ended) = run.wait_finished(Some(Duration::ZERO)) else { return Vec::new() };
        let outcome = ended.map(|()| run).map_err(|error| FutureError::of_run(self.key(0), error));
        let state = self.lock();
        if matches!(state.phase, Phase::Done(_)) { Vec::new() } else { self.finish(state, outcome) }
    }

    fn finish(&self, mut state: MutexGuard<'_, State>, outcome: Outcome) -> Vec<Arc<Self>> {
        let before = std::mem::replace(&mut state.phase, Phase::Done(outcome));
        drop(state);
        // A run that failed frees what it held.
        drop(before);
        self.wake_all()
    }

    /// Tells everyone that the job is done, and gives the jobs that waited for it.
    fn wake_all(&self) -> Vec<Arc<Self>> {
        // Only now: what this job used must not go before it ran.
        self.links.iter().for_each(|link| drop(link.release()));
        let mut state = self.lock();
        let observers = std::mem::take(&mut state.observers);
        let dependents = std::mem::take(&mut state.dependents);
        drop(state);
        observers.into_iter().for_each(Waker::wake);
        dependents.iter().filter_map(Weak::upgrade).collect()
    }

    /// What has to happen for the job to come to its end.
    pub(super) fn next(self: &Arc<Self>) -> Next {
        let mut job = Arc::clone(self);
        loop {
            let state = job.lock();
            match &state.phase {
                Phase::Done(_) if Arc::ptr_eq(&job, self) => return Next::Nothing,
                Phase::Running(run) => return Next::Run(Arc::clone(run), Arc::clone(&job)),
                Phase::Starting => return Next::Start(Arc::clone(&job)),
                Phase::Waiting(_) | Phase::Done(_) => {}
            }
            let is_waiting = matches!(state.phase, Phase::Waiting(_));
            drop(state);
            let open = job.links.iter().filter_map(|link| link.job()).find(|needed| !needed.is_done());
            job = match open.filter(|_| is_waiting) {
                Some(needed) => needed,
                None => {
                    advance(job);
                    Arc::clone(self)
                }
            };
        }
    }

    /// Waits on this thread. A worker that runs the task that waits goes on with what is awaited.
    pub(super) fn block(self: &Arc<Self>, end: Option<Instant>) -> Blocked {
        loop {
            let left = end.map(|end| end.saturating_duration_since(Instant::now()));
            match self.next() {
                Next::Nothing => return Blocked::Done,
                Next::Run(run, job) => match run.wait_finished(left) {
                    None => return Blocked::TimedOut,
                    Some(ended) => {
                        advance(Arc::clone(&job));
                        if ended.is_err() && !job.is_done() {
                            return Blocked::Stopped;
                        }
                    }
                },
                Next::Start(_) if left.is_some_and(|left| left.is_zero()) => return Blocked::TimedOut,
                Next::Start(job) => {
                    let bell = Arc::new(Bell::default());
                    job.observe(Waker::from(Arc::clone(&bell) as Arc<Bell>));
                    if job.is_starting() {
                        bell.wait(&mut 0, end);
                    }
                }
            }
        }
    }

    fn is_starting(&self) -> bool {
        matches!(self.lock().phase, Phase::Starting)
    }

    /// Waits without blocking the thread.
    pub(super) async fn settled(self: Arc<Self>) {
        loop {
            match self.next() {
                Next::Nothing => return,
                Next::Run(run, job) => {
                    // How it ended is asked of the run itself.
                    let _ = run.finished().await;
                    advance(job);
                }
                Next::Start(job) => {
                    let mut is_first = true;
                    poll_fn(|cx| {
                        if std::mem::take(&mut is_first) {
                            job.observe(cx.waker().clone());
                        }
                        if job.is_starting() { Poll::Pending } else { Poll::Ready(()) }
                    })
                    .await;
                }
            }
        }
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job").field("keys", &self.keys).finish_non_exhaustive()
    }
}

/// Carries a job on as far as it goes now, and those that waited for it.
pub(super) fn advance(job: Arc<Job>) {
    advance_all(vec![job]);
}

fn advance_all(jobs: Vec<Arc<Job>>) {
    let mut queue = VecDeque::from(jobs);
    while let Some(job) = queue.pop_front() {
        queue.extend(job.step());
    }
}
