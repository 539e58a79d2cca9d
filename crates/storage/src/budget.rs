//! The memory budget of a session: who holds how many bytes, and who may have more.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use thiserror::Error;

use crate::byte_size::format_bytes;
use crate::reclaim::{Reclaim, Reclaimers, Shortage};

/// How many consumers an error names.
const N_TOP_CONSUMERS: usize = 5;

/// A request for memory that was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MemoryError {
    /// The budget has less left than was asked for.
    #[error(
        "{consumer} needs {} more memory, but {} of the limit of {} are in use{}. Raise the memory limit of the session, \
         or run fewer queries at the same time",
        format_bytes(*needed_bytes as u64), format_bytes(*used_bytes as u64), format_bytes(*limit_bytes as u64),
        TopConsumers(top_consumers)
    )]
    MemoryLimit {
        /// The consumer that asked.
        consumer: String,
        /// How many bytes it asked for, beyond those it holds.
        needed_bytes: usize,
        /// Bytes in use by all consumers when it asked.
        used_bytes: usize,
        /// The limit of the budget, in bytes.
        limit_bytes: usize,
        /// The names that hold the most bytes, the largest first.
        top_consumers: Vec<(String, usize)>,
    },
}

struct TopConsumers<'a>(&'a [(String, usize)]);

impl fmt::Display for TopConsumers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (idx, (name, bytes)) in self.0.iter().enumerate() {
            f.write_str(if idx == 0 { " (most by " } else { ", " })?;
            write!(f, "{name}: {}", format_bytes(*bytes as u64))?;
        }
        f.write_str(if self.0.is_empty() { "" } else { ")" })
    }
}

/// One limit for all memory that a session's queries, blocks and values hold. Shared by `Arc`.
///
/// The budget counts, it does not allocate. Growing and shrinking touch three atomics; a lock is taken only when a
/// consumer comes or goes, or when the limit is reached.
///
/// A request that does not fit never waits. Registered reclaimers first drop blocks that are on disk already; if that
/// makes room, the request is met. Either way they are woken, so that they write more blocks to disk. Else the request is
/// refused, and who made it spills what it holds, or fails. What is in use passes the limit only by infallible growth
/// ([`Consumer::grow`], [`Reservation::grow`], [`Reservation::resize`]).
pub struct MemoryBudget {
    limit_bytes: usize,
    used_bytes: AtomicUsize,
    peak_bytes: AtomicUsize,
    reclaimers: Reclaimers,
    next_id: AtomicU64,
    consumers: Mutex<HashMap<u64, Weak<ConsumerState>>>,
}

impl MemoryBudget {
    /// A budget of `limit_bytes`; `usize::MAX` means no limit.
    pub fn new(limit_bytes: usize) -> Arc<Self> {
        Arc::new(Self {
            limit_bytes,
            used_bytes: AtomicUsize::new(0),
            peak_bytes: AtomicUsize::new(0),
            reclaimers: Reclaimers::default(),
            next_id: AtomicU64::new(0),
            consumers: Mutex::new(HashMap::new()),
        })
    }

    /// The limit in bytes.
    pub fn limit_bytes(&self) -> usize {
        self.limit_bytes
    }

    /// The bytes that all consumers hold now.
    pub fn used_bytes(&self) -> usize {
        self.used_bytes.load(Ordering::Relaxed)
    }

    /// The bytes that are still to be had; zero while infallible growth has gone past the limit.
    pub fn available_bytes(&self) -> usize {
        self.limit_bytes.saturating_sub(self.used_bytes())
    }

    /// The most bytes held at one time since the budget was made or [`reset_peak`](Self::reset_peak) was called.
    pub fn peak_bytes(&self) -> usize {
        self.peak_bytes.load(Ordering::Relaxed)
    }

    /// Starts the high-water mark again from what is held now.
    pub fn reset_peak(&self) {
        self.peak_bytes.store(self.used_bytes(), Ordering::Relaxed);
    }

    /// Registers a consumer: an operator, a table, a cache. Several may share a name; errors add them up.
    pub fn consumer(self: &Arc<Self>, name: impl Into<String>) -> Consumer {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let state = Arc::new(ConsumerState {
            id,
            name: name.into(),
            held_bytes: AtomicUsize::new(0),
            budget: Arc::clone(self),
        });
        self.lock_consumers().insert(id, Arc::downgrade(&state));
        Consumer { state }
    }

    /// The bytes in use that a request would have dropped if it needed them, save those that are being referred to.
    pub fn clean_bytes(&self) -> usize {
        self.reclaimers.living().clean_bytes()
    }

    /// The bytes in use that may be on disk soon after a request was refused.
    pub fn spillable_bytes(&self) -> usize {
        self.reclaimers.living().spillable_bytes()
    }

    /// Has `reclaimer` asked and woken from now on whenever the limit is reached, until it is dropped.
    pub fn register_reclaimer(&self, reclaimer: Weak<dyn Reclaim>) {
        self.reclaimers.register(reclaimer);
    }

    /// The `n` names that hold the most bytes, the largest first; names that hold nothing are left out.
    pub fn top_consumers(&self, n: usize) -> Vec<(String, usize)> {
        // The states are taken out of the lock before they are dropped: dropping the last one takes the lock again.
        let states: Vec<_> = self.lock_consumers().values().filter_map(Weak::upgrade).collect();
        let mut by_name: BTreeMap<&str, usize> = BTreeMap::new();
        for state in &states {
            let held = by_name.entry(&state.name).or_default();
            *held = held.saturating_add(state.held_bytes.load(Ordering::Relaxed));
        }
        let mut top: Vec<_> = by_name.into_iter().filter(|(_, bytes)| *bytes > 0).collect();
        top.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
        top.truncate(n);
        top.into_iter().map(|(name, bytes)| (name.to_owned(), bytes)).collect()
    }

    /// Takes `bytes` if they fit. On refusal gives the bytes that were in use.
    fn try_take(&self, bytes: usize) -> Result<(), usize> {
        let fits = |used: usize| used.checked_add(bytes).filter(|total| *total <= self.limit_bytes);
        let before = self.used_bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits)?;
        self.peak_bytes.fetch_max(before + bytes, Ordering::Relaxed);
        Ok(())
    }

    /// Takes `bytes` if they fit when blocks that are on disk have been dropped.
    #[cold]
    fn try_take_by_reclaim(&self, bytes: usize) -> Result<(), usize> {
        let reclaimers = self.reclaimers.living();
        let mut dropped_bytes = 0;
        let taken = loop {
            let Err(used_bytes) = self.try_take(bytes) else { break Ok(()) };
            let missing_bytes = self.missing(bytes, used_bytes);
            let freed = reclaimers.drop_clean(missing_bytes, missing_bytes);
            if freed == 0 {
                break Err(used_bytes);
            }
            // Another thread may take what was freed. Trying again ends: every turn drops blocks from memory.
            dropped_bytes += freed;
        };
        let missing_bytes = taken.map_or_else(|used_bytes| self.missing(bytes, used_bytes), |()| 0);
        reclaimers.wake(&Shortage { needed_bytes: bytes, dropped_bytes, missing_bytes, is_refused: taken.is_err() });
        taken
    }

    /// Takes `bytes` even when they do not fit.
    fn take(&self, bytes: usize) {
        if let Err(used_bytes) = self.try_take(bytes) {
            self.take_past_limit(bytes, used_bytes);
        }
    }

    #[cold]
    fn take_past_limit(&self, bytes: usize, used_bytes: usize) {
        let reclaimers = self.reclaimers.living();
        // Whatever can be dropped helps here: these bytes are in memory in any case.
        let dropped_bytes = reclaimers.drop_clean(1, self.missing(bytes, used_bytes));
        let before = self.used_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.peak_bytes.fetch_max(before.saturating_add(bytes), Ordering::Relaxed);
        let missing_bytes = self.missing(bytes, before);
        reclaimers.wake(&Shortage { needed_bytes: bytes, dropped_bytes, missing_bytes, is_refused: false });
    }

    /// How far `bytes` more than `used_bytes` go past the limit.
    fn missing(&self, bytes: usize, used_bytes: usize) -> usize {
        used_bytes.saturating_add(bytes).saturating_sub(self.limit_bytes)
    }

    fn give_back(&self, bytes: usize) {
        let before = self.used_bytes.fetch_sub(bytes, Ordering::Relaxed);
        debug_assert!(before >= bytes, "gave {bytes} bytes back to a budget of which {before} were taken");
    }

    fn lock_consumers(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Weak<ConsumerState>>> {
        // The map is valid after every statement, so a panic elsewhere leaves nothing half done in it.
        self.consumers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for MemoryBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryBudget")
            .field("limit_bytes", &self.limit_bytes)
            .field("used_bytes", &self.used_bytes())
            .field("peak_bytes", &self.peak_bytes())
            .finish_non_exhaustive()
    }
}

/// A named user of a [`MemoryBudget`]. Clones are the same consumer. When the last clone and the last
/// [`Reservation`] of it are gone, what it still held is free again.
#[derive(Clone)]
pub struct Consumer {
    state: Arc<ConsumerState>,
}

impl Consumer {
    /// The name under which errors list it.
    pub fn name(&self) -> &str {
        &self.state.name
    }

    /// The bytes held: those of all reservations and those grown directly.
    pub fn size(&self) -> usize {
        self.state.held_bytes.load(Ordering::Relaxed)
    }

    /// The budget this consumer draws on.
    pub fn budget(&self) -> &Arc<MemoryBudget> {
        &self.state.budget
    }

    /// An empty reservation: the usual way to hold memory.
    pub fn reserve(&self) -> Reservation {
        Reservation { consumer: self.clone(), size: 0 }
    }

    /// Takes `bytes` more without a reservation, for callers that keep the count themselves and give it back by
    /// [`shrink`](Self::shrink). Never waits.
    ///
    /// # Errors
    /// [`MemoryError::MemoryLimit`] if they do not fit; nothing is taken then.
    pub fn try_grow(&self, bytes: usize) -> Result<(), MemoryError> {
        // Nothing is granted even beyond the limit.
        if bytes == 0 {
            return Ok(());
        }
        let budget = &self.state.budget;
        match budget.try_take(bytes).or_else(|_| budget.try_take_by_reclaim(bytes)) {
            Ok(()) => {
                self.state.held_bytes.fetch_add(bytes, Ordering::Relaxed);
                Ok(())
            }
            Err(used_bytes) => Err(self.refusal(bytes, used_bytes)),
        }
    }

    /// Takes `bytes` more, beyond the limit if need be: for memory that is already there and cannot be refused.
    pub fn grow(&self, bytes: usize) {
        self.state.budget.take(bytes);
        self.state.held_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Gives back `bytes`, or all that is held if that is less. Returns how many bytes became free.
    pub fn shrink(&self, bytes: usize) -> usize {
        let less = |held: usize| Some(held.saturating_sub(bytes));
        let held = self.state.held_bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).unwrap_or(0);
        let freed = held.min(bytes);
        self.state.budget.give_back(freed);
        freed
    }

    #[cold]
    fn refusal(&self, needed_bytes: usize, used_bytes: usize) -> MemoryError {
        MemoryError::MemoryLimit {
            consumer: self.state.name.clone(),
            needed_bytes,
            used_bytes,
            limit_bytes: self.state.budget.limit_bytes,
            top_consumers: self.state.budget.top_consumers(N_TOP_CONSUMERS),
        }
    }
}

impl fmt::Debug for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer").field("name", &self.name()).field("size", &self.size()).finish()
    }
}

struct ConsumerState {
    id: u64,
    name: String,
    held_bytes: AtomicUsize,
    budget: Arc<MemoryBudget>,
}

impl Drop for ConsumerState {
    fn drop(&mut self) {
        self.budget.give_back(*self.held_bytes.get_mut());
        self.budget.lock_consumers().remove(&self.id);
    }
}

/// Bytes held by a [`Consumer`]; dropping it gives them back.
#[derive(Debug)]
pub struct Reservation {
    consumer: Consumer,
    size: usize,
}

impl Reservation {
    /// The bytes held.
    pub fn size(&self) -> usize {
        self.size
    }

    /// The consumer that holds them.
    pub fn consumer(&self) -> &Consumer {
        &self.consumer
    }

    /// Takes `bytes` more.
    ///
    /// # Errors
    /// [`MemoryError::MemoryLimit`] if they do not fit; the reservation stays as it was.
    pub fn try_grow(&mut self, bytes: usize) -> Result<(), MemoryError> {
        self.consumer.try_grow(bytes)?;
        self.size += bytes;
        Ok(())
    }

    /// Takes `bytes` more, beyond the limit if need be: for memory that is already there and cannot be refused.
    pub fn grow(&mut self, bytes: usize) {
        self.consumer.grow(bytes);
        self.size += bytes;
    }

    /// Gives back `bytes`, or all if that is less. Returns how many bytes became free.
    pub fn shrink(&mut self, bytes: usize) -> usize {
        let freed = self.consumer.shrink(bytes.min(self.size));
        self.size -= freed;
        freed
    }

    /// Grows or shrinks to `bytes`.
    ///
    /// # Errors
    /// [`MemoryError::MemoryLimit`] if it would have to grow and the growth does not fit.
    pub fn try_resize(&mut self, bytes: usize) -> Result<(), MemoryError> {
        match bytes.checked_sub(self.size) {
            Some(more) => self.try_grow(more),
            None => {
                self.shrink(self.size - bytes);
                Ok(())
            }
        }
    }

    /// Grows or shrinks to `bytes`, beyond the limit if need be.
    pub fn resize(&mut self, bytes: usize) {
        match bytes.checked_sub(self.size) {
            Some(more) => self.grow(more),
            None => {
                self.shrink(self.size - bytes);
            }
        }
    }

    /// Moves `bytes`, or all if that is less, into a reservation of their own.
    pub fn split(&mut self, bytes: usize) -> Self {
        let moved = bytes.min(self.size);
        self.size -= moved;
        Self { consumer: self.consumer.clone(), size: moved }
    }

    /// Gives back everything.
    pub fn free(&mut self) -> usize {
        self.shrink(self.size)
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.free();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    #[test]
    fn grows_to_the_limit_and_no_further() {
        let budget = MemoryBudget::new(100);
        let mut r = budget.consumer("sort").reserve();
        r.try_grow(60).unwrap();
        r.try_grow(40).unwrap();
        assert_eq!((r.size(), budget.used_bytes(), budget.available_bytes()), (100, 100, 0));
        r.try_grow(1).unwrap_err();
        assert_eq!((r.size(), budget.used_bytes()), (100, 100), "a refusal takes nothing");
        r.try_grow(0).unwrap();
        assert_eq!(r.shrink(30), 30);
        r.try_grow(30).unwrap();
    }

    #[test]
    fn dropping_frees() {
        let budget = MemoryBudget::new(100);
        let consumer = budget.consumer("join");
        let mut a = consumer.reserve();
        a.try_grow(40).unwrap();
        let b = a.split(15);
        assert_eq!((a.size(), b.size(), consumer.size()), (25, 15, 40));
        drop(a);
        assert_eq!(budget.used_bytes(), 15);
        drop(b);
        assert_eq!(budget.used_bytes(), 0);
        consumer.try_grow(7).unwrap();
        drop(consumer);
        assert_eq!(budget.used_bytes(), 0, "a consumer frees what was grown on it directly");
        assert!(budget.lock_consumers().is_empty());
    }

    #[test]
    fn resize_and_grow() {
        let budget = MemoryBudget::new(100);
        let mut r = budget.consumer("x").reserve();
        r.try_resize(80).unwrap();
        r.try_resize(101).unwrap_err();
        assert_eq!(r.size(), 80);
        r.try_resize(10).unwrap();
        r.resize(150);
        assert_eq!((r.size(), budget.used_bytes(), budget.available_bytes()), (150, 150, 0));
        assert_eq!(r.shrink(1000), 150, "never gives back more than it holds");
        assert_eq!(budget.used_bytes(), 0);
    }

    #[test]
    fn the_error_names_the_largest_consumers() {
        let budget = MemoryBudget::new(10 * MIB);
        let (a, a2, b) = (budget.consumer("HashJoin"), budget.consumer("HashJoin"), budget.consumer("Sort"));
        let _idle = budget.consumer("Idle");
        a.try_grow(2 * MIB).unwrap();
        a2.try_grow(3 * MIB).unwrap();
        b.try_grow(4 * MIB).unwrap();
        let error = b.try_grow(3 * MIB / 2).unwrap_err();
        let expected = MemoryError::MemoryLimit {
            consumer: "Sort".into(),
            needed_bytes: 3 * MIB / 2,
            used_bytes: 9 * MIB,
            limit_bytes: 10 * MIB,
            top_consumers: vec![("HashJoin".into(), 5 * MIB), ("Sort".into(), 4 * MIB)],
        };
        assert_eq!(error, expected);
        assert_eq!(
            error.to_string(),
            "Sort needs 1.5 MiB more memory, but 9 MiB of the limit of 10 MiB are in use (most by HashJoin: 5 MiB, \
             Sort: 4 MiB). Raise the memory limit of the session, or run fewer queries at the same time"
        );
    }

    #[test]
    fn the_peak_stays_until_it_is_reset() {
        let budget = MemoryBudget::new(100);
        let mut r = budget.consumer("x").reserve();
        r.grow(90);
        r.shrink(60);
        assert_eq!(budget.peak_bytes(), 90);
        budget.reset_peak();
        assert_eq!(budget.peak_bytes(), 30);
        r.try_grow(5).unwrap();
        assert_eq!(budget.peak_bytes(), 35);
    }

    #[test]
    fn no_limit_does_not_overflow() {
        let budget = MemoryBudget::new(usize::MAX);
        let mut r = budget.consumer("x").reserve();
        r.try_grow(usize::MAX - 1).unwrap();
        r.try_grow(2).unwrap_err();
        r.try_grow(1).unwrap();
    }

    /// Holds memory that it can drop, and notes what it is told.
    struct Cache {
        held: Consumer,
        shortages: Mutex<Vec<Shortage>>,
    }

    impl Cache {
        fn new(budget: &Arc<MemoryBudget>, held_bytes: usize) -> Arc<Self> {
            let held = budget.consumer("cache");
            held.try_grow(held_bytes).unwrap();
            let cache = Arc::new(Self { held, shortages: Mutex::default() });
            let reclaimer: Weak<dyn Reclaim> = Arc::<Self>::downgrade(&cache);
            budget.register_reclaimer(reclaimer);
            cache
        }

        fn shortages(&self) -> Vec<Shortage> {
            std::mem::take(&mut *self.shortages.lock().unwrap())
        }
    }

    impl Reclaim for Cache {
        fn drop_clean(&self, bytes_min: usize, wanted_bytes: usize) -> usize {
            if self.held.size() < bytes_min { 0 } else { self.held.shrink(wanted_bytes) }
        }

        fn clean_bytes(&self) -> usize {
            self.held.size()
        }

        fn wake(&self, shortage: &Shortage) {
            self.shortages.lock().unwrap().push(*shortage);
        }
    }

    #[test]
    fn reclaimers_are_asked_and_woken_when_the_limit_is_reached() {
        let budget = MemoryBudget::new(100);
        let cache = Cache::new(&budget, 40);
        let consumer = budget.consumer("sort");
        consumer.try_grow(60).unwrap();
        assert!(cache.shortages().is_empty(), "what fits wakes nobody");
        assert_eq!(budget.clean_bytes(), 40);

        consumer.try_grow(30).unwrap();
        assert_eq!((cache.held.size(), budget.used_bytes(), budget.peak_bytes()), (10, 100, 100));
        let met = Shortage { needed_bytes: 30, dropped_bytes: 30, missing_bytes: 0, is_refused: false };
        assert_eq!(cache.shortages(), [met]);

        consumer.try_grow(11).unwrap_err();
        assert_eq!(cache.held.size(), 10, "too little to help is not dropped");
        let refused = Shortage { needed_bytes: 11, dropped_bytes: 0, missing_bytes: 11, is_refused: true };
        assert_eq!(cache.shortages(), [refused]);

        consumer.try_grow(101).unwrap_err();
        assert_eq!((cache.held.size(), cache.shortages().len()), (10, 1));

        consumer.grow(25);
        let past = Shortage { needed_bytes: 25, dropped_bytes: 10, missing_bytes: 15, is_refused: false };
        assert_eq!((cache.shortages(), budget.used_bytes(), budget.clean_bytes()), (vec![past], 115, 0));
        consumer.shrink(115);
        assert_eq!(budget.used_bytes(), 0);
    }

    #[test]
    fn the_next_reclaimer_is_asked_when_one_has_too_little() {
        let budget = MemoryBudget::new(100);
        let (small, large) = (Cache::new(&budget, 10), Cache::new(&budget, 90));
        budget.consumer("sort").try_grow(50).unwrap();
        assert_eq!((small.held.size(), large.held.size()), (10, 40));
        assert_eq!((small.shortages().len(), large.shortages().len()), (1, 1));
    }

    #[test]
    fn a_reclaimer_that_is_gone_is_not_asked() {
        let budget = MemoryBudget::new(100);
        drop(Cache::new(&budget, 40));
        budget.consumer("sort").try_grow(101).unwrap_err();
        assert_eq!((budget.used_bytes(), budget.clean_bytes()), (0, 0));
    }

    #[test]
    fn many_threads_never_pass_the_limit_and_end_at_zero() {
        const LIMIT: usize = 1000;
        let budget = MemoryBudget::new(LIMIT);
        let refused = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for thread in 0..8_usize {
                let (budget, refused) = (&budget, &refused);
                scope.spawn(move || {
                    let consumer = budget.consumer(format!("thread {thread}"));
                    for step in 0..5_000_usize {
                        let mut r = consumer.reserve();
                        let bytes = (step * 7 + thread * 131) % 400;
                        if r.try_grow(bytes).is_err() {
                            refused.fetch_add(1, Ordering::Relaxed);
                        } else {
                            r.shrink(bytes / 2);
                            let _ = r.try_grow(bytes / 3);
                        }
                        assert!(budget.used_bytes() <= LIMIT);
                        if step % 64 == 0 {
                            budget.top_consumers(3);
                            std::thread::yield_now();
                        }
                    }
                });
            }
        });
        assert_eq!(budget.used_bytes(), 0);
        assert!(budget.peak_bytes() <= LIMIT && budget.peak_bytes() > 0);
        assert!(budget.lock_consumers().is_empty());
    }
}
