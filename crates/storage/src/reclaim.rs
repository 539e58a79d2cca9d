//! Who can give memory back when a budget runs short.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Something that holds memory which it can do without, such as blocks that are also on disk.
///
/// The functions are called by whoever asks the budget for memory, on its thread and perhaps with its locks held. So
/// they neither wait nor read nor write files, and they neither ask the budget for memory nor drop values that would.
pub trait Reclaim: Send + Sync {
    /// Drops about `wanted_bytes` that can be dropped at once, and nothing if they come to less than `bytes_min`.
    /// Returns how many bytes became free.
    fn drop_clean(&self, bytes_min: usize, wanted_bytes: usize) -> usize {
        let _ = (bytes_min, wanted_bytes);
        0
    }

    /// How many bytes could be dropped if nobody referred to them.
    fn clean_bytes(&self) -> usize {
        0
    }

    /// How many bytes could be written to disk, and so be free soon after it was woken. Some may be in use.
    fn spillable_bytes(&self) -> usize {
        0
    }

    /// Told that the budget ran short: the time to have blocks written to disk, by another thread.
    fn wake(&self, shortage: &Shortage) {
        let _ = shortage;
    }
}

/// A request that found the budget short of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Shortage {
    /// The bytes that were asked for.
    pub needed_bytes: usize,
    /// The bytes that were dropped from memory to make room.
    pub dropped_bytes: usize,
    /// How far the request would go, or went, past the limit after that.
    pub missing_bytes: usize,
    /// Whether the request was refused. If not, the dropped bytes were enough, or the request could not be refused.
    pub is_refused: bool,
}

/// Those who are asked, in the order in which they were registered.
#[derive(Default)]
pub(crate) struct Reclaimers(Mutex<Vec<Weak<dyn Reclaim>>>);

impl Reclaimers {
    pub(crate) fn register(&self, reclaimer: Weak<dyn Reclaim>) {
        let mut reclaimers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        reclaimers.retain(|known| known.strong_count() > 0);
        reclaimers.push(reclaimer);
    }

    /// Those that are still there. They are called without the lock: what they drop may be anything.
    pub(crate) fn living(&self) -> Living {
        let reclaimers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Living(reclaimers.iter().filter_map(Weak::upgrade).collect())
    }
}

pub(crate) struct Living(Vec<Arc<dyn Reclaim>>);

impl Living {
    /// Asks one after the other until `bytes_min` are free. Each has to find that many alone: blocks that are dropped
    /// without the request being met have to be read again for nothing.
    pub(crate) fn drop_clean(&self, bytes_min: usize, wanted_bytes: usize) -> usize {
        let mut freed = self.0.iter().map(|reclaimer| reclaimer.drop_clean(bytes_min, wanted_bytes));
        freed.find(|freed_bytes| *freed_bytes >= bytes_min).unwrap_or(0)
    }

    pub(crate) fn clean_bytes(&self) -> usize {
        self.0.iter().map(|reclaimer| reclaimer.clean_bytes()).sum()
    }

    pub(crate) fn spillable_bytes(&self) -> usize {
        self.0.iter().map(|reclaimer| reclaimer.spillable_bytes()).sum()
    }

    pub(crate) fn wake(&self, shortage: &Shortage) {
        for reclaimer in &self.0 {
            reclaimer.wake(shortage);
        }
    }
}

impl fmt::Debug for Reclaimers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reclaimers").finish_non_exhaustive()
    }
}
