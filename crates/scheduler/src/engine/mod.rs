//! What the executors share: the core under a lock, the values, and carrying out what the core says.
//!
//! ```text
//!   worker --- what came of a task ---> Engine --- events ---> Core
//!          <-- the next assignment ----        <- instructions -
//!                                          |
//!                       values, disk, waiting callers, event stream
//! ```
//!
//! One lock protects the core and everything that must agree with it. It is held for bookkeeping only: bodies run, values
//! are encoded, decoded and dropped, and files are written without it.

mod assignment;
mod bell;
mod close_if_lost;
mod disk;
mod effects;
mod failure;
mod handle;
mod inline;
mod io;
mod perform;
mod values;
mod waiting;

use std::cell::Cell;
use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use dolmen_graph::{
    CancelToken, EventKind, Executor, GraphRun, OpRegistry, RunContext, RunId, SubmitError, SubmitOptions, TaskGraph,
    TaskId, ValueRef,
};
use dolmen_storage::{Consumer, MemoryBudget, Reservation, TempFolder};

#[cfg(unix)]
pub(crate) use assignment::remote::{RemoteJob, RemoteTask};
pub(crate) use assignment::{Assignment, Ran};
pub(crate) use bell::Bell;
pub(crate) use close_if_lost::CloseIfLost;
pub(crate) use effects::Effects;
pub(crate) use handle::RunHandle;

use crate::core::{Core, CoreConfig, CoreEvent, Instruction, Submission, Ticket, slot_of};
use crate::events::EventHub;
use crate::profile::Profiles;
use disk::Disk;
use values::Values;
use waiting::Waiters;

/// Adds to the context of every run, such as a session that tasks find by its type.
pub(crate) type Extend = Box<dyn Fn(RunContext) -> RunContext + Send + Sync>;

/// What an engine is made of.
pub(crate) struct EngineConfig {
    pub(crate) name: &'static str,
    pub(crate) n_workers: u32,
    /// Its memory limit is that of the budget, whatever is set here.
    pub(crate) core: CoreConfig,
    pub(crate) budget: Arc<MemoryBudget>,
    pub(crate) temp: Arc<TempFolder>,
    pub(crate) registry: Arc<OpRegistry>,
    pub(crate) extend: Extend,
    pub(crate) driver: Driver,
}

/// Who runs what the core hands out.
pub(crate) enum Driver {
    /// A thread for each worker, and one that minds the time.
    Threads {
        /// Where bodies that wait are polled, and values are written and read.
        runtime: tokio::runtime::Handle,
        /// Whether bodies run in this process, so that light ones can begin without their worker.
        is_local: bool,
        /// Rung when a deadline is nearer than the one that is awaited, or memory has become short.
        timekeeper: Bell,
    },
    /// Whoever waits, on its own thread. Time does not pass but when all wait for it.
    Inline {
        now_ns: AtomicU64,
        /// Held while a graph is run, so that graphs run one after the other.
        turn: Mutex<()>,
    },
}

pub(crate) struct Engine {
    name: &'static str,
    state: Mutex<State>,
    hub: Arc<EventHub>,
    begun: Instant,
    pub(crate) driver: Driver,
    bells: Vec<Arc<Bell>>,
    disk: Disk,
    io: io::IoQueues,
    budget: Arc<MemoryBudget>,
    extend: Extend,
    /// Bytes that others were refused.
    shortage_bytes: AtomicU64,
    /// What the budget holds for values, for those who may not lock.
    held_bytes: AtomicU64,
    next_waiter: AtomicU64,
    me: Weak<Self>,
}

pub(crate) struct State {
    pub(crate) core: Core,
    /// By the slot of their ids.
    runs: Vec<Option<Entry>>,
    /// For each worker what it is to run.
    mail: Vec<Vec<Assignment>>,
    /// What runs.
    running: HashMap<Ticket, Running>,
    out: Vec<Instruction>,
    /// The bytes of the budget that values in memory hold, those aside that are being written or read.
    held: Reservation,
    /// The bytes of values that are being written or read: the disk store counts them meanwhile.
    lent_bytes: u64,
    told_external: u64,
    /// A task waits for memory.
    is_short: bool,
    /// The deadline that the timekeeper knows of.
    deadline_ns: Option<u64>,
    is_closed: bool,
    /// Of runs that were dropped.
    pub(crate) profiles: Profiles,
}

/// What a worker runs: it is here until it has stopped, whatever has become of its run.
struct Running {
    stop: Stop,
    context: Arc<RunContext>,
    first: TaskId,
}

/// A way to stop what a worker runs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stop {
    pub(crate) token: CancelToken,
    pub(crate) bell: Arc<Bell>,
}

/// One run as the engine sees it.
struct Entry {
    id: RunId,
    graph: Arc<TaskGraph>,
    context: Arc<RunContext>,
    name: Option<String>,
    values: Values,
    /// Of the values, those that are counted in other runs, with their places there.
    lenders: HashMap<TaskId, (RunId, TaskId)>,
    /// Of the values that are counted here, those that other runs have too, with their places there.
    borrowers: HashMap<TaskId, Vec<(RunId, TaskId)>>,
    /// Who waits for a value, or for something to change about it.
    waiting: HashMap<TaskId, Waiters>,
    /// Values that were read back for waiters that have not looked yet.
    handed: HashMap<u64, ValueRef>,
    /// Who waits for the end.
    waiting_for_end: Waiters,
}

/// Whether this thread runs a task of some engine.
pub(crate) fn is_in_task() -> bool {
    CURRENT.get().is_some()
}

/// Does something that is not part of the task that this thread runs, if it runs one.
pub(crate) fn outside_of_task<T>(work: impl FnOnce() -> T) -> T {
    let _entered = Entered { before: CURRENT.replace(None) };
    work()
}

thread_local! {
    /// What this thread runs: the engine, the worker and the ticket.
    static CURRENT: Cell<Option<Current>> = const { Cell::new(None) };
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Current {
    engine: usize,
    pub(crate) worker: u32,
    pub(crate) ticket: Ticket,
    /// Tasks that wait further down on the stack of the thread.
    pub(crate) depth: u32,
}

impl Engine {
    pub(crate) fn new(config: EngineConfig) -> Arc<Self> {
        let EngineConfig { name, n_workers, core, budget, temp, registry, extend, driver } = config;
        let limit = budget.limit_bytes();
        let memory_limit_bytes = if limit == usize::MAX { u64::MAX } else { limit as u64 };
        let core = CoreConfig { memory_limit_bytes, ..core };
        let consumer: Consumer = budget.consumer("values of tasks");
        let mut state = State {
            core: Core::new(core),
            runs: Vec::new(),
            mail: (0..n_workers).map(|_| Vec::new()).collect(),
            running: HashMap::new(),
            out: Vec::new(),
            held: consumer.reserve(),
            lent_bytes: 0,
            told_external: 0,
            is_short: false,
            deadline_ns: None,
            is_closed: false,
            profiles: Profiles::default(),
        };
        for worker in 0..n_workers {
            state.core.handle(CoreEvent::WorkerJoined { worker }, 0, &mut state.out);
        }
        Arc::new_cyclic(|me: &Weak<Self>| Self {
            name,
            state: Mutex::new(state),
            hub: Arc::default(),
            begun: Instant::now(),
            driver,
            bells: (0..n_workers).map(|_| Arc::default()).collect(),
            disk: Disk::new(Arc::clone(&budget), temp, registry),
            io: io::IoQueues::default(),
            budget,
            extend,
            shortage_bytes: AtomicU64::new(0),
            held_bytes: AtomicU64::new(0),
            next_waiter: AtomicU64::new(0),
            me: Weak::clone(me),
        })
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        // Bodies do not run under the lock; a panic of ours leaves a state in which every run is told that it failed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn hub(&self) -> &Arc<EventHub> {
        &self.hub
    }

    pub(crate) fn bell(&self, worker: u32) -> &Arc<Bell> {
        &self.bells[worker as usize]
    }

    /// The blocks that the engine has on disk.
    pub(crate) fn n_blocks(&self) -> usize {
        self.disk.n_blocks()
    }

    pub(crate) fn now_ns(&self) -> u64 {
        match &self.driver {
            Driver::Threads { .. } => u64::try_from(self.begun.elapsed().as_nanos()).unwrap_or(u64::MAX),
            Driver::Inline { now_ns, .. } => now_ns.load(Ordering::Relaxed),
        }
    }

    /// What runs on this thread, if it is something of this engine.
    pub(crate) fn current(&self) -> Option<Current> {
        CURRENT.get().filter(|current| current.engine == std::ptr::from_ref(self).addr())
    }

    /// Marks what runs on this thread; the former mark comes back with the guard's end.
    pub(crate) fn enter(&self, worker: u32, ticket: Ticket) -> Entered {
        let before = CURRENT.get();
        let depth = self.current().map_or(0, |current| current.depth + 1);
        CURRENT.set(Some(Current { engine: std::ptr::from_ref(self).addr(), worker, ticket, depth }));
        Entered { before }
    }

    pub(crate) fn submit(&self, graph: Arc<TaskGraph>, options: SubmitOptions) -> Result<Arc<RunHandle>, SubmitError> {
        let engine = self.me.upgrade().ok_or(SubmitError::Closed)?;
        let SubmitOptions { priority, parent, name } = options;
        let mut fx = Effects::default();
        let mut guard = self.lock();
        let state = &mut *guard;
        if state.is_closed {
            return Err(SubmitError::Closed);
        }
        // What others took since the last event is not to be given away again.
        self.perform(state, &mut fx);
        let now_ns = self.now_ns();
        // The entry must be there before the instructions are carried out.
        let submission = Submission { graph: Arc::clone(&graph), priority, parent };
        let id = state.core.submit(submission, now_ns, &mut state.out);
        let nested: Arc<dyn Executor> = Arc::new(Nested { engine: Weak::clone(&self.me), name: self.name });
        let context = RunContext::new(id, Arc::clone(&graph)).with_executor(nested);
        let slot = slot_of(id);
        if state.runs.len() <= slot {
            state.runs.resize_with(slot + 1, || None);
        }
        state.runs[slot] = Some(Entry {
            id,
            graph: Arc::clone(&graph),
            context: Arc::new((self.extend)(context)),
            name: name.clone(),
            values: Values::new(&graph),
            lenders: HashMap::new(),
            borrowers: HashMap::new(),
            waiting: HashMap::new(),
            handed: HashMap::new(),
            waiting_for_end: Waiters::default(),
        });
        let (n_stages, n_tasks) = (graph.n_stages(), graph.n_tasks());
        self.hub.push(now_ns, Some(id), EventKind::RunStarted { name: name.map(Arc::from), n_stages, n_tasks });
        self.perform(state, &mut fx);
        drop(guard);
        fx.settle(self);
        Ok(Arc::new(RunHandle::new(engine, id, graph)))
    }

    /// Tells the core what happened, and carries out what it says.
    pub(crate) fn tell(&self, event: CoreEvent) {
        let mut fx = Effects::default();
        self.tell_locked(&mut self.lock(), event, &mut fx);
        fx.settle(self);
    }

    pub(crate) fn tell_locked(&self, state: &mut State, event: CoreEvent, fx: &mut Effects) {
        let now_ns = self.now_ns();
        state.core.handle(event, now_ns, &mut state.out);
        self.perform(state, fx);
    }

    /// Cancels every run.
    pub(crate) fn cancel_all(&self) {
        let mut fx = Effects::default();
        self.cancel_all_locked(&mut self.lock(), &mut fx);
        fx.settle(self);
    }

    fn cancel_all_locked(&self, state: &mut State, fx: &mut Effects) {
        let ids: Vec<RunId> = state.core.run_ids().collect();
        for run in ids {
            self.tell_locked(state, CoreEvent::Cancel { run }, fx);
        }
    }

    /// [`close`](Self::close), and waits for what runs, at most `timeout`. Gives the keys of the tasks that still run then.
    pub(crate) fn close_within(&self, timeout: Duration) -> Vec<String> {
        self.close();
        let end = Instant::now() + timeout;
        loop {
            let running = self.lock().running_keys();
            if running.is_empty() || Instant::now() >= end {
                return running;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Ends everything. Whoever waits is told.
    pub(crate) fn close(&self) {
        let mut fx = Effects::default();
        let mut guard = self.lock();
        let state = &mut *guard;
        if !std::mem::replace(&mut state.is_closed, true) {
            self.cancel_all_locked(state, &mut fx);
        }
        for entry in state.runs.iter_mut().flatten() {
            fx.wakers.extend(entry.waiting_for_end.take());
            fx.wakers.extend(entry.waiting.drain().flat_map(|(_, mut waiters)| waiters.take()));
        }
        drop(guard);
        fx.settle(self);
        self.bells.iter().for_each(|bell| bell.ring());
        if let Driver::Threads { timekeeper, .. } = &self.driver {
            timekeeper.ring();
        }
        self.hub.close();
    }
}

impl State {
    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// The keys of what runs, those included that were cancelled and have not stopped.
    pub(crate) fn running_keys(&self) -> Vec<String> {
        let mut keys: Vec<String> =
            self.running.values().map(|running| running.context.graph().task_key(running.first)).collect();
        keys.sort_unstable();
        keys
    }

    fn entry(&mut self, id: RunId) -> Option<&mut Entry> {
        self.runs.get_mut(slot_of(id))?.as_mut().filter(|entry| entry.id == id)
    }

    /// Whether `value`, that of a task, is that of another task in memory, where it is counted: until it leaves there.
    fn lend(&mut self, run: RunId, task: TaskId, lender: (RunId, TaskId), value: &ValueRef) -> bool {
        let Some(entry) = self.entry(lender.0) else { return false };
        let lender = entry.lenders.get(&lender.1).copied().unwrap_or(lender);
        let (from, lent) = lender;
        let Some(entry) = self.entry(from) else { return false };
        if !entry.values.get(lent).is_some_and(|known| Arc::ptr_eq(known, value)) {
            return false;
        }
        entry.borrowers.entry(lent).or_default().push((run, task));
        let before = self.entry(run).and_then(|entry| entry.lenders.insert(task, lender));
        if let Some(before) = before {
            self.give_back((run, task), before);
        }
        true
    }

    /// A task has no value any more that was lent to it.
    fn give_back(&mut self, borrower: (RunId, TaskId), (from, lent): (RunId, TaskId)) {
        let Some(entry) = self.entry(from) else { return };
        let Some(borrowers) = entry.borrowers.get_mut(&lent) else { return };
        borrowers.retain(|other| *other != borrower);
        if borrowers.is_empty() {
            entry.borrowers.remove(&lent);
        }
    }

    /// A value has left memory where it was counted. If it was lent, the first that has it counts it from now on, and lends
    /// it to the others.
    fn take_over(&mut self, borrowers: Vec<(RunId, TaskId)>, size_bytes: u64) {
        let mut borrowers = borrowers.into_iter();
        let Some((run, task)) = borrowers.next() else { return };
        self.core.grew(run, task, size_bytes);
        let rest: Vec<_> = borrowers.collect();
        for (other, of_other) in &rest {
            if let Some(entry) = self.entry(*other) {
                entry.lenders.insert(*of_other, (run, task));
            }
        }
        let Some(entry) = self.entry(run) else { return };
        entry.lenders.remove(&task);
        if !rest.is_empty() {
            entry.borrowers.insert(task, rest);
        }
    }

    /// Takes a value out of memory.
    fn take_value(&mut self, run: RunId, task: TaskId) -> Option<ValueRef> {
        let entry = self.entry(run)?;
        let value = entry.values.take(task)?;
        if !entry.lenders.is_empty()
            && let Some(lender) = entry.lenders.remove(&task)
        {
            self.give_back((run, task), lender);
        } else if !entry.borrowers.is_empty()
            && let Some(borrowers) = entry.borrowers.remove(&task)
        {
            self.take_over(borrowers, value.size_bytes() as u64);
        }
        Some(value)
    }

    pub(crate) fn name_of(&self, id: RunId) -> Option<&str> {
        let entry = self.runs.get(slot_of(id))?.as_ref().filter(|entry| entry.id == id)?;
        entry.name.as_deref()
    }

    /// The names and progress of the runs that have not been dropped.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (RunId, Option<&str>, (u64, u64))> + '_ {
        let entries = self.runs.iter().flatten();
        entries.map(|entry| (entry.id, entry.name.as_deref(), self.core.progress(entry.id)))
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Puts back what ran on the thread before.
pub(crate) struct Entered {
    before: Option<Current>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.set(self.before);
    }
}

/// The executor that tasks find in their context. It does not keep the engine alive.
struct Nested {
    engine: Weak<Engine>,
    name: &'static str,
}

impl Executor for Nested {
    fn name(&self) -> &str {
        self.name
    }

    fn submit(&self, graph: Arc<TaskGraph>, options: SubmitOptions) -> Result<Arc<dyn GraphRun>, SubmitError> {
        let engine = self.engine.upgrade().ok_or(SubmitError::Closed)?;
        let run = engine.submit(graph, options)?;
        if matches!(engine.driver, Driver::Inline { .. }) {
            engine.run_inline(run.id_of());
        }
        Ok(run)
    }

    fn events(&self) -> Box<dyn dolmen_graph::EventReader> {
        match self.engine.upgrade() {
            Some(engine) => engine.hub.reader(),
            None => Arc::<EventHub>::default().reader(),
        }
    }
}

impl fmt::Debug for Nested {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nested").field("name", &self.name).finish_non_exhaustive()
    }
}
