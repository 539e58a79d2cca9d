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

/// How often reading is tried again while others hold the memory, and how long is waited before. Then a value is read beyond
/// the limit: it is on disk and whole, and only who needs it gives its own memory back.
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
                let is_wanted = self.lock().core.is_awaited(io);
                let written = is_wanted.then(|| self.disk.write(&value, held));
                let mut fx = Effects::default();
                fx.garbage.push(value);
                let mut state = self.lock();
                state.lent_bytes -= size_bytes;
                let event = match written {
                    // The value was freed before it was written.
                    None => CoreEvent::Spilled { io },
                    Some(Ok(on_disk)) if state.core.is_awaited(io) => {
                        fx.garbage.extend(state.take_value(run, task));
                        if let Some(entry) = state.entry(run) {
                            entry.values.set_disk(task, on_disk);
                        }
                        self.note(run, EventKind::Spilled { task, size_bytes });
                        CoreEvent::Spilled { io }
                    }
                    Some(Ok(on_disk)) => {
                        // The value was freed meanwhile.
                        fx.blocks.push(on_disk.block);
                        CoreEvent::Spilled { io }
                    }
                    Some(Err(cause)) => CoreEvent::SpillFailed { io, cause },
                };
                self.tell_locked(&mut state, event, &mut fx);
                drop(state);
                fx.settle(self);
                None
            }
            IoJob::Read { io, run, task, from, n_tries } => {
                // On one thread nobody else gives memory back.
                let is_inline = matches!(self.driver, Driver::Inline { .. });
                let is_last = n_tries == if is_inline { 1 } else { N_TRIES };
                let value = self.disk.read(&from, is_last);
                if !is_last && value.as_ref().is_err_and(ReadError::is_memory) {
                    if is_inline {
                        // What is needed later makes room at once.
                        self.tell(CoreEvent::Shortage { missing_bytes: from.size_bytes });
                    } else {
                        std::thread::sleep(PAUSE);
                    }
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
                    fx.wakers.extend(entry.hand(task, &value));
                    entry.values.insert(&graph, task, value);
                    self.note(run, EventKind::Loaded { task, size_bytes });
                } else {
                    fx.garbage.push(value);
                }
                CoreEvent::Loaded { io }
            }
            Err(_) => CoreEvent::LoadFailed { io },
        };
        self.tell_locked(&mut state, event, &mut fx);
        drop(state);
        fx.settle(self);
    }

    fn note(&self, run: RunId, kind: EventKind) {
        self.hub.push(self.now_ns(), Some(run), kind);
    }
}
