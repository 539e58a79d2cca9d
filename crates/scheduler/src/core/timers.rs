//! Times that are awaited.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use dolmen_graph::{RunId, StageId, TaskId};

use super::message::{Instruction, Ticket};
use super::stage::Tag;
use super::{Core, failure};

/// What a time is awaited for. Whoever does not wait any more does not take it back: it is ignored when it comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// An attempt has taken too long.
    Timeout { worker: u32, ticket: Ticket },
    /// A task may be tried again.
    Backoff { run: RunId, task: TaskId },
    /// A gang may be tried again.
    GangBackoff { run: RunId, stage: StageId },
    /// The disk may be tried again.
    SpillPause,
    /// Others have had their time to give memory back.
    Patience,
}

/// Times in order.
#[derive(Debug, Default)]
pub(super) struct Timers(BinaryHeap<Reverse<(u64, Timer)>>);

impl Timers {
    pub(super) fn add(&mut self, at_ns: u64, timer: Timer) {
        self.0.push(Reverse((at_ns, timer)));
    }

    fn pop_due(&mut self, now_ns: u64) -> Option<Timer> {
        let Reverse((at_ns, _)) = self.0.peek()?;
        if *at_ns > now_ns {
            return None;
        }
        self.0.pop().map(|Reverse((_, timer))| timer)
    }

    pub(super) fn contains(&self, timer: Timer) -> bool {
        self.0.iter().any(|Reverse((_, other))| *other == timer)
    }
}

impl Core {
    /// When [`CoreEvent::Tick`](crate::CoreEvent::Tick) is expected at the latest.
    #[must_use]
    pub fn next_deadline(&self) -> Option<u64> {
        self.timers.0.peek().map(|Reverse((at_ns, _))| *at_ns)
    }

    pub(super) fn tick(&mut self, now_ns: u64, out: &mut Vec<Instruction>) {
        while let Some(timer) = self.timers.pop_due(now_ns) {
            match timer {
                Timer::Timeout { worker, ticket } => self.timed_out(worker, ticket, now_ns, out),
                Timer::Backoff { run, task } => {
                    let Some(found) = self.running_mut(run) else { continue };
                    if found.tag(task) == Tag::Backoff {
                        failure::try_again(found, task);
                        self.list(run);
                    }
                }
                Timer::GangBackoff { run, stage } => {
                    let Some(found) = self.running_mut(run) else { continue };
                    let active = found.graph.stage(stage).active.clone();
                    for task in active.iter().map(|p| TaskId::new(stage, p)) {
                        if found.tag(task) == Tag::Backoff {
                            failure::try_again(found, task);
                        }
                    }
                    self.list(run);
                }
                Timer::SpillPause => {
                    self.spill_error = None;
                    self.is_victim_new = true;
                }
                // Whoever waits for memory looks again after every event.
                Timer::Patience => {}
            }
        }
    }
}
