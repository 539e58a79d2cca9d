//! What is to be done once the lock is released.

use std::sync::Arc;
use std::task::Waker;

use dolmen_graph::{RunId, TaskId, ValueRef};
use dolmen_storage::{BlockId, Reservation};

use super::values::DiskValue;
use super::{Assignment, CloseIfLost, Driver, Engine, Ran, Running};
use crate::core::IoId;

/// Things that take time, or lead into foreign code.
#[derive(Default)]
pub(crate) struct Effects {
    pub(crate) garbage: Vec<ValueRef>,
    /// They may be the last to hold their graphs, and values and runs that these hold.
    pub(super) ended: Vec<Running>,
    pub(crate) blocks: Vec<BlockId>,
    pub(crate) wakers: Vec<Waker>,
    /// What begins without its worker.
    pub(super) light: Vec<Assignment>,
    /// Workers that have mail.
    pub(crate) rung: Vec<u32>,
    pub(crate) io: Vec<IoJob>,
    /// The timekeeper is to look at its watch.
    pub(crate) is_time_new: bool,
}

/// A value to be written or read.
pub(crate) enum IoJob {
    Write { io: IoId, run: RunId, task: TaskId, value: ValueRef, size_bytes: u64, held: Reservation },
    Read { io: IoId, run: RunId, task: TaskId, from: DiskValue, n_tries: u32 },
}

impl Effects {
    /// Does everything.
    pub(crate) fn settle(&mut self, engine: &Engine) {
        for worker in self.rung.drain(..) {
            engine.bell(worker).ring();
        }
        self.wakers.drain(..).for_each(Waker::wake);
        self.garbage.clear();
        self.ended.clear();
        self.blocks.drain(..).for_each(|block| engine.disk.remove(block));
        match &engine.driver {
            Driver::Threads { runtime, timekeeper, .. } => {
                for assignment in self.light.drain(..) {
                    let Some(engine) = engine.strong() else { return };
                    let worker = assignment.worker;
                    let guard = CloseIfLost::of_task(engine, assignment.ticket);
                    runtime.spawn(async move {
                        match guard.engine().run(assignment) {
                            Ran::Stream(job) => guard.engine().leave_running(worker, job),
                            Ran::Report(report) => guard.engine().take_report(report),
                        }
                        guard.done();
                    });
                }
                for job in self.io.drain(..) {
                    let Some(jobs) = engine.io.push(job) else { continue };
                    let Some(engine) = engine.strong() else { return };
                    let guard = CloseIfLost::new(engine);
                    runtime.spawn_blocking(move || {
                        while let Some(job) = guard.engine().io.next(jobs) {
                            if let Some(again) = guard.engine().do_io(job) {
                                guard.engine().io.put_back(again);
                            }
                        }
                        guard.done();
                    });
                }
                if std::mem::take(&mut self.is_time_new) {
                    timekeeper.ring();
                }
            }
            Driver::Inline { .. } => {
                // Writing makes the room that reading needs.
                let mut jobs = std::mem::take(&mut self.io);
                jobs.sort_by_key(|job| matches!(job, IoJob::Read { .. }));
                for job in jobs {
                    if let Some(again) = engine.do_io(job) {
                        engine.do_io(again);
                    }
                }
            }
        }
    }

    /// Does not ring for `worker`: whoever asks is the worker itself.
    pub(crate) fn spare(&mut self, worker: u32) {
        self.rung.retain(|rung| *rung != worker);
    }
}

impl Engine {
    pub(crate) fn strong(&self) -> Option<Arc<Self>> {
        self.me.upgrade()
    }
}
