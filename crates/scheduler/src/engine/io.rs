//! Writing and reading values, outside the lock.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dolmen_graph::{EventKind, RunId, TaskId, ValueRef};

use super::disk::ReadError;
use super::effects::{Effects, IoJob};
use super::values::DiskValue;
use super::{Driver, Engine};
use crate::core::{CoreEvent, IoId};

/// So many threads write at once, and so many read. More are hardly faster, and what each of them got from the allocator it
/// keeps.
const N_THREADS: u32 = 4;

/// How often reading is tried again while others hold the memory, and how long is waited before.
const N_TRIES: u32 = 100;
const PAUSE: Duration = Duration::from_millis(10);

/// Values that wait for a thread to write or to read them.
#[derive(Default)]
pub(super) struct IoQueues {
    writes: Mutex<Queue>,
    /// Apart, as writing makes the room that reading waits for.
    reads: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<IoJob>,
    n_threads: u32,
}

/// Which queue a thread works on.
#[derive(Clone, Copy)]
pub(super) enum Jobs {
    Writes,
    Reads,
}

impl Jobs {
    fn of(job: &IoJob) -> Self {
        match job {
            IoJob::Write { .. } => Self::Writes,
            IoJob::Read { .. } => Self::Reads,
        }
    }
}

impl IoQueues {
    fn queue(&self, jobs: Jobs) -> MutexGuard<'_, Queue> {
        let queue = match jobs {
            Jobs::Writes => &self.writes,
            Jobs::Reads => &self.reads,
        };
        queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a job. If there is to be one more thread, tells which queue it is for.
    pub(super) fn push(&self, job: IoJob) -> Option<Jobs> {
        let jobs = Jobs::of(&job);
        let mut queue = self.queue(jobs);
        queue.jobs.push_back(job);
        let is_new = queue.n_threads < N_THREADS;
        queue.n_threads += u32::from(is_new);
        is_new.then_some(jobs)
    }

    /// The next job of a thread; without one the thread ends.
    pub(super) fn next(&self, jobs: Jobs) -> Option<IoJob> {
        let mut queue = self.queue(jobs);
        let job = queue.jobs.pop_front();
        queue.n_threads -= u32::from(job.is_none());
        job
    }

    /// Puts back what a thread could not do, behind what else there is.
    pub(super) fn put_back(&self, job: IoJob) {
        let jobs = Jobs::of(&job);
        self.queue(jobs).jobs.push_back(job);
    }
}

impl Engine {
    /// Does one job and tells the core, or gives it back to be tried again, after a pause. Blocks on the disk.
    pub(crate) fn do_io(&self, job: IoJob) -> Option<IoJob> {
        match job {
            IoJob::Write { io, run, task, value, size_bytes, held } => {
                let written = self.disk.write(&value, held);
                let mut fx = Effects::default();
                fx.garbage.push(value);
                let mut state = self.lock();
                state.lent_bytes -= size_bytes;
                let event = match written {
                    Ok(on_disk) if state.core.is_awaited(io) => {
                        fx.garbage.extend(state.take_value(run, task));
                        if let Some(entry) = state.entry(run) {
                            entry.values.set_disk(task, on_disk);
                        }
                        self.note(run, EventKind::Spilled { task, size_bytes });
                        CoreEvent::Spilled { io }
                    }
                    Ok(on_disk) => {
                        // The value was freed meanwhile.
                        fx.blocks.push(on_disk.block);
                        CoreEvent::Spilled { io }
                    }
                    Err(cause) => CoreEvent::SpillFailed { io, cause },
                };
                self.tell_locked(&mut state, event, &mut fx);
                drop(state);
                fx.settle(self);
                None
            }
            IoJob::Read { io, run, task, from, n_tries } => {
                let value = self.disk.read(&from);
                let is_refused = value.as_ref().is_err_and(ReadError::is_memory);
                if is_refused && n_tries < N_TRIES && self.may_sleep() {
                    std::thread::sleep(PAUSE);
                    return Some(IoJob::Read { io, run, task, from, n_tries: n_tries + 1 });
                }
                self.has_read(io, run, task, &from, value);
                None
            }
        }
    }

    fn has_read(&self, io: IoId, run: RunId, task: TaskId, from: &DiskValue, value: Result<ValueRef, ReadError>) {
        let mut fx = Effects::default();
        let mut state = self.lock();
        state.lent_bytes -= from.size_bytes;
        let is_awaited = state.core.is_awaited(io);
        let event = match value {
            Ok(value) => {
                let size_bytes = value.size_bytes() as u64;
                if is_awaited && let Some(entry) = state.entry(run) {
                    let graph = std::sync::Arc::clone(&entry.graph);
                    entry.values.insert(&graph, task, value);
                    fx.wakers.extend(entry.take_waiters(task));
                    self.note(run, EventKind::Loaded { task, size_bytes });
                } else {
                    fx.garbage.push(value);
                }
                CoreEvent::Loaded { io }
            }
            Err(error) => CoreEvent::LoadFailed { io, is_memory: error.is_memory() },
        };
        self.tell_locked(&mut state, event, &mut fx);
        drop(state);
        fx.settle(self);
    }

    fn may_sleep(&self) -> bool {
        matches!(self.driver, Driver::Threads { .. })
    }

    fn note(&self, run: RunId, kind: EventKind) {
        self.hub.push(self.now_ns(), Some(run), kind);
    }
}
