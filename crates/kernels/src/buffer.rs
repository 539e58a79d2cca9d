//! Memory of blocks, and the pool that keeps it for the next block.
//!
//! The first touch of fresh memory costs ten times what writing it does, so large buffers ask for huge pages and go back to
//! the [`Pool`] they came from instead of to the system.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use bytemuck::{Pod, Zeroable};
use memmap2::MmapMut;

use crate::{Element, KernelError, Result};

/// Buffers from this size on are mappings of their own, which the pool keeps.
const MAPPED_BYTES_MIN: usize = 128 << 10;
const HUGE_PAGE_BYTES: usize = 2 << 20;

/// A supply of memory for blocks: what blocks give back is kept, up to a bound, for those that come after.
///
/// Cloning copies a handle to the same pool. Buffers may outlive their pool.
///
/// ```
/// # use dolmen_kernels::Pool;
/// let pool = Pool::new(64 << 20);
/// drop(pool.buffer(1 << 20)?);
/// assert!(pool.retained_bytes() >= 1 << 20);
/// pool.release();
/// assert_eq!(pool.retained_bytes(), 0);
/// # Ok::<(), dolmen_kernels::KernelError>(())
/// ```
#[derive(Clone)]
pub struct Pool {
    shared: Arc<Shared>,
}

struct Shared {
    retained_bytes_max: usize,
    buffer_bytes_max: usize,
    free: Mutex<Free>,
}

#[derive(Default)]
struct Free {
    by_size: BTreeMap<usize, Vec<Mapped>>,
    retained_bytes: usize,
}

impl Pool {
    /// A pool that keeps at most `retained_bytes_max` bytes that no block uses.
    #[must_use]
    pub fn new(retained_bytes_max: usize) -> Self {
        Self::bounded(retained_bytes_max, usize::MAX)
    }

    /// The same, that refuses buffers of more than `buffer_bytes_max`: how much some kernels need is seen when they run.
    #[must_use]
    pub fn bounded(retained_bytes_max: usize, buffer_bytes_max: usize) -> Self {
        Self { shared: Arc::new(Shared { retained_bytes_max, buffer_bytes_max, free: Mutex::default() }) }
    }

    /// Whether a buffer of `bytes` would be given, for memory that is to come from elsewhere.
    ///
    /// # Errors
    /// [`KernelError::OverLimit`].
    pub(crate) fn check(&self, bytes: usize) -> Result<()> {
        match self.shared.buffer_bytes_max {
            limit_bytes if bytes > limit_bytes => Err(KernelError::OverLimit { bytes, limit_bytes }),
            _ => Ok(()),
        }
    }

    /// The bytes that are kept and used by no block.
    #[must_use]
    pub fn retained_bytes(&self) -> usize {
        self.shared.free().retained_bytes
    }

    /// Gives back to the system what no block uses.
    pub fn release(&self) {
        let free = std::mem::take(&mut *self.shared.free());
        // The mappings are undone after the lock is.
        drop(free);
    }

    /// Memory of `len` bytes to write to; what it holds is zeros or what a block left there.
    ///
    /// # Errors
    /// [`KernelError::OutOfMemory`] if the system refuses, [`KernelError::OverLimit`] if the pool does.
    pub fn buffer(&self, len: usize) -> Result<BufferMut> {
        self.check(len)?;
        let storage = if len < MAPPED_BYTES_MIN {
            Storage::Lines(vec![Line::zeroed(); len.div_ceil(size_of::<Line>())].into_boxed_slice())
        } else {
            let capacity = size_class(len);
            let recycled = self.shared.take(capacity);
            let mapped = match recycled {
                Some(mapped) => mapped,
                None => Mapped::new(capacity).ok_or(KernelError::OutOfMemory { bytes: len })?,
            };
            Storage::Mapped(mapped)
        };
        Ok(BufferMut { buffer: Buffer { storage, len, pool: Arc::downgrade(&self.shared) } })
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let max = self.shared.retained_bytes_max;
        f.debug_struct("Pool")
            .field("retained_bytes", &self.retained_bytes())
            .field("retained_bytes_max", &max)
            .finish()
    }
}

impl Shared {
    fn free(&self) -> MutexGuard<'_, Free> {
        // The state is whole at every point where a panic could happen.
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, capacity: usize) -> Option<Mapped> {
        let mut free = self.free();
        // A little more than is asked for is better than fresh pages.
        let larger = free.by_size.range_mut(capacity..=capacity + capacity / 4);
        let mapped = larger.filter_map(|(_, kept)| kept.pop()).next()?;
        free.retained_bytes -= mapped.capacity;
        Some(mapped)
    }

    fn put(&self, mapped: Mapped) {
        let mut free = self.free();
        if free.retained_bytes + mapped.capacity > self.retained_bytes_max {
            // Sizes change with the work: what is kept of another size makes room first.
            let other = free.by_size.iter_mut().find(|(size, kept)| **size != mapped.capacity && !kept.is_empty());
            let dropped = other.and_then(|(size, kept)| kept.pop().map(|old| (*size, old)));
            let Some((size, old)) = dropped else { return drop(free) };
            free.retained_bytes -= size;
            if free.retained_bytes + mapped.capacity > self.retained_bytes_max {
                drop(free);
                drop(old);
                return;
            }
        }
        free.retained_bytes += mapped.capacity;
        free.by_size.entry(mapped.capacity).or_default().push(mapped);
    }
}

/// The size that a buffer of `len` bytes is rounded up to: eight steps between powers of two, at least whole pages.
fn size_class(len: usize) -> usize {
    let step = (len.next_power_of_two() / 16).max(4096);
    len.div_ceil(step) * step
}

/// One cache line, the unit in which small memory is taken.
#[derive(Clone, Copy, Default, Pod, Zeroable)]
#[repr(C, align(64))]
pub(crate) struct Line([u64; 8]);

/// An anonymous mapping, its data at a multiple of a huge page if it is that large.
struct Mapped {
    map: MmapMut,
    start: usize,
    capacity: usize,
}

impl Mapped {
    fn new(capacity: usize) -> Option<Self> {
        let huge = capacity >= HUGE_PAGE_BYTES;
        let slack = if huge { HUGE_PAGE_BYTES } else { 0 };
        let map = MmapMut::map_anon(capacity.checked_add(slack)?).ok()?;
        #[cfg(target_os = "linux")]
        if huge {
            // A kernel without huge pages refuses, which costs time and nothing else.
            map.advise(memmap2::Advice::HugePage).ok();
        }
        let start = if huge { map.as_ptr().align_offset(HUGE_PAGE_BYTES) } else { 0 };
        Some(Self { map, start, capacity })
    }
}

/// Memory that is about to become a [`Buffer`].
pub struct BufferMut {
    buffer: Buffer,
}

impl BufferMut {
    /// The bytes.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        let len = self.buffer.len;
        match &mut self.buffer.storage {
            Storage::Lines(lines) => &mut bytemuck::cast_slice_mut(lines)[..len],
            Storage::Mapped(mapped) => &mut mapped.map[mapped.start..mapped.start + len],
            Storage::Foreign(_) | Storage::Empty => &mut [],
        }
    }

    /// The memory as elements of `T`; bytes that make no whole element are left out.
    pub fn as_mut_slice<T: Pod>(&mut self) -> &mut [T] {
        let bytes = self.bytes_mut();
        let len = bytes.len() / size_of::<T>() * size_of::<T>();
        bytemuck::cast_slice_mut(&mut bytes[..len])
    }

    /// Ends writing.
    #[must_use]
    pub fn freeze(self) -> Buffer {
        self.buffer
    }
}

/// Memory that blocks share and nobody changes.
pub struct Buffer {
    storage: Storage,
    len: usize,
    pool: Weak<Shared>,
}

enum Storage {
    Lines(Box<[Line]>),
    Mapped(Mapped),
    Foreign(Box<dyn Bytes>),
    /// What is left while a buffer is dropped.
    Empty,
}

trait Bytes: Send + Sync {
    fn bytes(&self) -> &[u8];
}

struct Elements<T>(Vec<T>);

impl<T: Element> Bytes for Elements<T> {
    fn bytes(&self) -> &[u8] {
        bytemuck::cast_slice(&self.0)
    }
}

struct Owner<O>(O);

impl<O: AsRef<[u8]> + Send + Sync> Bytes for Owner<O> {
    fn bytes(&self) -> &[u8] {
        self.0.as_ref()
    }
}

impl Buffer {
    /// Takes the memory of `elements`, without a copy.
    #[must_use]
    pub fn from_vec<T: Element>(elements: Vec<T>) -> Self {
        let len = size_of_val(&*elements);
        Self { storage: Storage::Foreign(Box::new(Elements(elements))), len, pool: Weak::new() }
    }

    /// Shares the memory of anything that holds bytes: a mapped file, Arrow's or object_store's buffers.
    ///
    /// `owner` must give the same bytes at every call.
    #[must_use]
    pub fn from_owner<O: AsRef<[u8]> + Send + Sync + 'static>(owner: O) -> Self {
        let len = owner.as_ref().len();
        Self { storage: Storage::Foreign(Box::new(Owner(owner))), len, pool: Weak::new() }
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        match &self.storage {
            Storage::Lines(lines) => &bytemuck::cast_slice(lines)[..self.len],
            Storage::Mapped(mapped) => &mapped.map[mapped.start..mapped.start + self.len],
            Storage::Foreign(owner) => owner.bytes(),
            Storage::Empty => &[],
        }
    }

    /// The length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no byte.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The bytes this buffer keeps from others: its length, rounded up as its supply does.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        match &self.storage {
            Storage::Mapped(mapped) => mapped.capacity,
            _ => self.len,
        }
    }

    /// The pool that it goes back to; one that keeps nothing if there is none.
    pub(crate) fn pool(&self) -> Pool {
        self.pool.upgrade().map_or_else(|| Pool::new(0), |shared| Pool { shared })
    }

    /// The memory to write to again, if the system or a pool gave it; otherwise the buffer itself.
    pub(crate) fn into_mut(self) -> std::result::Result<BufferMut, Self> {
        match self.storage {
            Storage::Lines(_) | Storage::Mapped(_) => Ok(BufferMut { buffer: self }),
            Storage::Foreign(_) | Storage::Empty => Err(self),
        }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Storage::Mapped(mapped) = std::mem::replace(&mut self.storage, Storage::Empty)
            && let Some(pool) = self.pool.upgrade()
        {
            pool.put(mapped);
        }
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Buffer of {} bytes", self.len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_buffers_are_recycled_within_the_bound() {
        let pool = Pool::new(3 << 20);
        let mut first = pool.buffer(1 << 20).unwrap();
        first.as_mut_slice::<u64>()[7] = 42;
        let address = first.bytes_mut().as_ptr() as usize;
        let first = first.freeze();
        assert_eq!(pool.retained_bytes(), 0);
        drop(first);
        let mut second = pool.buffer((1 << 20) - 5).unwrap();
        assert_eq!((second.bytes_mut().as_ptr() as usize, second.bytes_mut().len()), (address, (1 << 20) - 5));
        let others: Vec<_> = (0..5).map(|_| pool.buffer(1 << 20).unwrap()).collect();
        drop(others);
        drop(second);
        assert_eq!(pool.retained_bytes(), 3 << 20);
        drop(pool.buffer(2 << 20).unwrap());
        assert!(pool.retained_bytes() <= 3 << 20);
        pool.release();
        assert_eq!(pool.retained_bytes(), 0);
    }

    #[test]
    fn buffers_are_aligned_and_outlive_their_pool() {
        let pool = Pool::new(1 << 30);
        for (len, align) in [(1, 64), (1000, 64), (200 << 10, 4096), (5 << 20, 2 << 20)] {
            let mut buffer = pool.buffer(len).unwrap();
            assert_eq!(buffer.bytes_mut().as_ptr() as usize % align, 0, "{len} bytes");
            assert_eq!(buffer.bytes_mut().len(), len);
        }
        let mut kept = pool.buffer(5 << 20).unwrap();
        drop(pool);
        kept.bytes_mut().fill(1);
        assert!(kept.freeze().bytes().iter().all(|byte| *byte == 1));
    }

    #[test]
    fn what_the_system_does_not_have_is_refused() {
        let pool = Pool::new(0);
        assert!(matches!(pool.buffer(1 << 60), Err(KernelError::OutOfMemory { .. })));
    }
}
