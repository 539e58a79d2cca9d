//! The event stream: a bounded ring that nobody fills while nobody reads.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use dolmen_graph::{Event, EventKind, EventReader, RunId};

/// How many events are kept for readers that are slow.
const N_EVENTS_MAX: usize = 1 << 16;

/// Where events go.
#[derive(Default)]
pub(crate) struct EventHub {
    n_readers: AtomicUsize,
    ring: Mutex<Ring>,
    arrived: Condvar,
}

#[derive(Default)]
struct Ring {
    events: VecDeque<Event>,
    /// The number of the first event in the ring.
    first: u64,
    is_closed: bool,
}

impl EventHub {
    /// Whether anybody reads. All that the stream costs otherwise.
    pub(crate) fn is_on(&self) -> bool {
        self.n_readers.load(Ordering::Relaxed) > 0
    }

    pub(crate) fn push(&self, at_ns: u64, run: Option<RunId>, kind: EventKind) {
        if !self.is_on() {
            return;
        }
        let mut ring = self.lock();
        if ring.events.len() == N_EVENTS_MAX {
            ring.events.pop_front();
            ring.first += 1;
        }
        ring.events.push_back(Event { at_ns, run, kind });
        drop(ring);
        self.arrived.notify_all();
    }

    /// A reader of what comes from now on.
    pub(crate) fn reader(self: &Arc<Self>) -> Box<dyn EventReader> {
        self.n_readers.fetch_add(1, Ordering::Relaxed);
        let ring = self.lock();
        let next = ring.first + ring.events.len() as u64;
        drop(ring);
        Box::new(Reader { hub: Arc::clone(self), next })
    }

    /// Nothing more will come.
    pub(crate) fn close(&self) {
        self.lock().is_closed = true;
        self.arrived.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Reader {
    hub: Arc<EventHub>,
    /// The number of the event to be read next.
    next: u64,
}

impl EventReader for Reader {
    fn read(&mut self, events: &mut Vec<Event>) -> u64 {
        let ring = self.hub.lock();
        let n_lost = ring.first.saturating_sub(self.next);
        let start = usize::try_from(self.next + n_lost - ring.first).unwrap_or(usize::MAX);
        events.extend(ring.events.iter().skip(start).cloned());
        self.next = ring.first + ring.events.len() as u64;
        n_lost
    }

    fn wait(&mut self, timeout: Duration) -> bool {
        let end = Instant::now() + timeout;
        let mut ring = self.hub.lock();
        loop {
            if ring.first + ring.events.len() as u64 > self.next {
                return true;
            }
            let left = end.saturating_duration_since(Instant::now());
            if ring.is_closed || left.is_zero() {
                return false;
            }
            ring = self.hub.arrived.wait_timeout(ring, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if self.hub.n_readers.fetch_sub(1, Ordering::Relaxed) == 1 {
            let mut ring = self.hub.lock();
            ring.first += ring.events.len() as u64;
            ring.events = VecDeque::new();
        }
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("next", &self.next).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(worker: u32) -> EventKind {
        EventKind::WorkerJoined { worker }
    }

    #[test]
    fn nothing_is_kept_for_nobody() {
        let hub = Arc::new(EventHub::default());
        hub.push(0, None, joined(0));
        let mut reader = hub.reader();
        hub.push(1, None, joined(1));
        let mut events = Vec::new();
        assert_eq!(reader.read(&mut events), 0);
        assert!(matches!(events.as_slice(), [Event { at_ns: 1, kind: EventKind::WorkerJoined { worker: 1 }, .. }]));
        drop(reader);
        hub.push(2, None, joined(2));
        assert!(hub.lock().events.is_empty());
    }

    #[test]
    fn a_slow_reader_is_told_what_it_lost() {
        let hub = Arc::new(EventHub::default());
        let mut reader = hub.reader();
        for at_ns in 0..N_EVENTS_MAX as u64 + 5 {
            hub.push(at_ns, None, joined(0));
        }
        let mut events = Vec::new();
        assert_eq!(reader.read(&mut events), 5);
        assert_eq!((events.len(), events[0].at_ns), (N_EVENTS_MAX, 5));
        assert!(!reader.wait(Duration::ZERO));
        hub.push(7, None, joined(0));
        assert!(reader.wait(Duration::ZERO));
        hub.close();
        events.clear();
        assert_eq!((reader.read(&mut events), events.len()), (0, 1));
        assert!(!reader.wait(Duration::from_secs(3600)), "nothing more can come");
    }
}
