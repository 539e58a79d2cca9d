//! Values that are kept in memory while there is room, and on disk while there is none.
//!
//! ```text
//!           put --> memory --write--> memory and disk --release--> disk
//!                                     (clean)        <---load----
//! ```
//!
//! # Why it is built this way
//! - **One file per block.** The length of an encoded value is not known before it is written, and values are written as
//!   they are encoded, by many threads at once. Files of their own need neither a free list nor compaction, and space is
//!   free again as soon as a file is removed, whatever lies around it. Making and removing a file costs some tens of
//!   microseconds (`examples/spill_speed.rs` measures it), little beside blocks of 64 KiB and more; who has millions of
//!   smaller values groups them first.
//! - **No header, no recovery.** A store's files are of use to nobody else: length and XXH3 checksum stay in memory, and
//!   so find a file that was swapped with another as well as a damaged one. Nothing waits for the disk (`fsync`).
//!   The folder lies in the session's [`TempFolder`]; what a killed process leaves there, the next one removes.
//! - **The lock is held for bookkeeping only**, never while a file is read or written, a value encoded, decoded or
//!   dropped. So [`MemoryBudget`] may drop clean blocks in the middle of a request without waiting for a disk.
//! - **A reference counts.** Whoever uses a value holds a [`BlockRef`]; while there is one, the block is not dropped from
//!   memory, and its bytes stay counted, even when the block has been removed.
//! - **The store decides nothing.** It has no threads: who calls [`write`](BlockStore::write),
//!   [`spill`](BlockStore::spill) and [`load`](BlockStore::load) waits for the disk. Which block goes when is up to the
//!   caller, but for clean blocks, of which the one that is needed last goes first.
//!
//! The memory of a value is counted exactly. Beyond the budget's limit go only [`put`](BlockStore::put), for a value that
//! is larger than its reservation, and [`load`](BlockStore::load), for the encoded bytes while it decodes them.

mod codec;
mod error;
mod slots;
mod spill_folder;

#[cfg(test)]
mod tests;

use std::fmt;
use std::io::Write;
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

pub use codec::{BlockCodec, CodecError};
pub use error::{BlockError, Damage};

use crate::budget::{MemoryBudget, Reservation};
use crate::reclaim::Reclaim;
use crate::temp_folder::{TempFolder, private_file};
use slots::{Leftover, OnDisk, Resident, Slots};
use spill_folder::{CreateFile, SpillFolder};

/// Names a block of one store. Ids are dense: indexes of removed blocks are used again, but an id never is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BlockId {
    slot: u32,
    generation: u32,
}

impl BlockId {
    /// Below the largest number of blocks that the store has held at one time, and of no other block now in the store.
    pub fn index(self) -> usize {
        self.slot as usize
    }
}

impl fmt::Display for BlockId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "block {}-{}", self.slot, self.generation)
    }
}

impl fmt::Debug for BlockId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlockId({}-{})", self.slot, self.generation)
    }
}

/// What a store holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BlockStats {
    /// Blocks, in memory or on disk.
    pub n_blocks: usize,
    /// The bytes of the values in memory. Removed blocks that are still referred to are not among them.
    pub memory_bytes: usize,
    /// Those of them that are on disk as well.
    pub clean_bytes: usize,
    /// The bytes of the files.
    pub disk_bytes: u64,
}

/// Keeps values of one kind within a [`MemoryBudget`], in memory or in checksummed files. See the module's text.
///
/// All functions may be called from many threads at once. Dropping the store removes its files.
///
/// ```
/// use std::io::Write;
/// use std::sync::Arc;
/// use dolmen_storage::{BlockCodec, BlockStore, CodecError, MemoryBudget, TempFolder};
///
/// struct Text;
///
/// impl BlockCodec<String> for Text {
///     fn size_bytes(&self, value: &String) -> usize {
///         value.len()
///     }
///     fn encode(&self, value: &String, out: &mut dyn Write) -> Result<(), CodecError> {
///         Ok(out.write_all(value.as_bytes())?)
///     }
///     fn decode(&self, bytes: bytes::Bytes) -> Result<String, CodecError> {
///         Ok(String::from_utf8(bytes.into())?)
///     }
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let budget = MemoryBudget::new(1 << 20);
/// let store = BlockStore::new(Arc::clone(&budget), Arc::new(TempFolder::new(None)), Text, |_| ());
/// let mut reservation = budget.consumer("stage 1").reserve();
/// reservation.try_grow(6)?;
/// let id = store.put("dolmen".to_owned(), reservation, 0);
/// assert_eq!(store.spill(id)?, 6);
/// assert_eq!(budget.used_bytes(), 0);
/// assert_eq!(*store.load(id)?, "dolmen");
/// # Ok(())
/// # }
/// ```
pub struct BlockStore<V> {
    budget: Arc<MemoryBudget>,
    codec: Box<dyn BlockCodec<V>>,
    on_dropped: Box<dyn Fn(BlockId) + Send + Sync>,
    folder: SpillFolder,
    slots: Mutex<Slots<V>>,
    /// Rung when a busy block has been settled.
    settled: Condvar,
}

impl<V: Send + Sync + 'static> BlockStore<V> {
    /// An empty store that draws on `budget` and writes into a folder in `temp`, made when the first block is written.
    ///
    /// `on_dropped` is told of each block that the budget has dropped from memory, and is bound by the rules of
    /// [`Reclaim`]; blocks that the caller spills or removes are not reported.
    pub fn new(
        budget: Arc<MemoryBudget>,
        temp: Arc<TempFolder>,
        codec: impl BlockCodec<V> + 'static,
        on_dropped: impl Fn(BlockId) + Send + Sync + 'static,
    ) -> Arc<Self> {
        let create_file = |path: &std::path::Path| Ok(Box::new(private_file(path)?) as Box<dyn Write>);
        Self::with_files(budget, temp, codec, on_dropped, Box::new(create_file))
    }

    fn with_files(
        budget: Arc<MemoryBudget>,
        temp: Arc<TempFolder>,
        codec: impl BlockCodec<V> + 'static,
        on_dropped: impl Fn(BlockId) + Send + Sync + 'static,
        create_file: Box<CreateFile>,
    ) -> Arc<Self> {
        let store = Arc::new(Self {
            budget,
            codec: Box::new(codec),
            on_dropped: Box::new(on_dropped),
            folder: SpillFolder::new(temp, create_file),
            slots: Mutex::new(Slots::new()),
            settled: Condvar::new(),
        });
        let reclaimer: std::sync::Weak<Self> = Arc::downgrade(&store);
        store.budget.register_reclaimer(reclaimer);
        store
    }
}

impl<V> BlockStore<V> {
    /// Takes over a value and the reservation under which it was made. The reservation is made to fit the value,
    /// beyond the limit if need be: the value is in memory already.
    ///
    /// `needed_at` orders blocks by when they are needed again; the larger, the later.
    ///
    /// # Panics
    /// If the reservation is of another budget.
    pub fn put(&self, value: V, mut reservation: Reservation, needed_at: u64) -> BlockId {
        assert!(Arc::ptr_eq(reservation.consumer().budget(), &self.budget), "the reservation is of another budget");
        reservation.resize(self.codec.size_bytes(&value));
        let resident = Arc::new(Resident { value, reservation });
        self.lock().insert(resident, needed_at)
    }

    /// The value, if it is in memory. Does not wait.
    pub fn get(&self, id: BlockId) -> Option<BlockRef<V>> {
        let resident = Arc::clone(self.lock().get(id)?.memory.as_ref()?);
        Some(BlockRef { id, resident })
    }

    /// The value, read from disk if it is not in memory. The file stays: the block is clean then.
    ///
    /// Of several threads that ask at once, one reads and the others wait for it.
    ///
    /// # Errors
    /// [`BlockError::Memory`] if the budget refuses the value's memory; [`BlockError::Corrupt`], [`BlockError::Io`],
    /// [`BlockError::Decode`]; [`BlockError::Removed`].
    pub fn load(&self, id: BlockId) -> Result<BlockRef<V>, BlockError> {
        let ask = |on_disk: &OnDisk| self.ask(id, on_disk);
        self.load_and(id, ask, |slots, resident| slots.loaded(id, Arc::clone(resident)))
    }

    /// The value as [`load`](Self::load) gives it, of a block that is read once: if it is on disk it stays there only, and
    /// its memory goes with the reference.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_once(&self, id: BlockId) -> Result<BlockRef<V>, BlockError> {
        self.load_and(id, |on_disk| self.ask(id, on_disk), |slots, _| slots.get(id).is_some())
    }

    /// The value as [`load_once`](Self::load_once) gives it, beyond the limit if need be: for whoever cannot go on, nor give
    /// anything back, without it.
    ///
    /// # Errors
    /// As [`load`](Self::load), but for the memory.
    pub fn load_once_beyond(&self, id: BlockId) -> Result<BlockRef<V>, BlockError> {
        let take = |on_disk: &OnDisk| {
            let mut reservation = on_disk.consumer.reserve();
            reservation.grow(on_disk.value_bytes);
            Ok(reservation)
        };
        self.load_and(id, take, |slots, _| slots.get(id).is_some())
    }

    /// Memory for a value that is going to be read.
    fn ask(&self, id: BlockId, on_disk: &OnDisk) -> Result<Reservation, BlockError> {
        let mut reservation = on_disk.consumer.reserve();
        reservation.try_grow(on_disk.value_bytes).map_err(|source| BlockError::Memory { block: id, source })?;
        Ok(reservation)
    }

    /// The value; if it has to be read, `reserve` gives the memory, and `keep` says whether the block is still there, and may put the value into it.
    fn load_and(
        &self,
        id: BlockId,
        reserve: impl FnOnce(&OnDisk) -> Result<Reservation, BlockError>,
        keep: impl FnOnce(&mut Slots<V>, &Arc<Resident<V>>) -> bool,
    ) -> Result<BlockRef<V>, BlockError> {
        let removed = BlockError::Removed { block: id };
        let mut slots = self.lock();
        let on_disk = loop {
            let Some(block) = slots.get(id) else { return Err(removed) };
            match (&block.memory, &block.disk) {
                (Some(resident), _) => return Ok(BlockRef { id, resident: Arc::clone(resident) }),
                (None, Some(on_disk)) if !block.is_busy => break on_disk.clone(),
                _ => slots = self.wait(slots),
            }
        };
        slots.set_busy(id);
        drop(slots);
        let busy = Busy { store: self, id };
        let resident = Arc::new(self.read(id, &on_disk, reserve(&on_disk)?)?);
        let is_there = keep(&mut self.lock(), &resident);
        drop(busy);
        if is_there { Ok(BlockRef { id, resident }) } else { Err(removed) }
    }

    /// Writes the block to disk if it is not there, and leaves it in memory: the budget may drop it from now on.
    ///
    /// # Errors
    /// [`BlockError::DiskFull`], [`BlockError::Io`], [`BlockError::Encode`]: the block stays in memory and nothing on
    /// disk; [`BlockError::Removed`].
    pub fn write(&self, id: BlockId) -> Result<(), BlockError> {
        let mut slots = self.lock();
        let resident = loop {
            let Some(block) = slots.get(id) else { return Err(BlockError::Removed { block: id }) };
            match (&block.memory, &block.disk) {
                (_, Some(_)) => return Ok(()),
                (Some(resident), None) if !block.is_busy => break Arc::clone(resident),
                _ => slots = self.wait(slots),
            }
        };
        slots.set_busy(id);
        drop(slots);
        let busy = Busy { store: self, id };
        let written = self.folder.write(id, |out| self.codec.encode(&resident.value, out))?;
        let consumer = resident.reservation.consumer().clone();
        let on_disk = OnDisk { written, consumer, value_bytes: resident.size_bytes() };
        // Before others find the block clean, so that this reference does not keep it in memory.
        drop(resident);
        self.lock().written(id, on_disk);
        drop(busy);
        if self.lock().get(id).is_some() { Ok(()) } else { Err(BlockError::Removed { block: id }) }
    }

    /// Writes the block to disk if it is not there, and drops it from memory. Returns how many bytes became free: none
    /// if it is not in memory, or somebody holds a [`BlockRef`]; then the budget may drop it later.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn spill(&self, id: BlockId) -> Result<usize, BlockError> {
        self.write(id)?;
        let resident = self.lock().release(id);
        Ok(resident.map_or(0, |resident| resident.size_bytes()))
    }

    /// Spills blocks that are in memory only, the last needed first, until `wanted_bytes` are free or none is left. Returns
    /// how many bytes became free.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn spill_until(&self, wanted_bytes: usize) -> Result<usize, BlockError> {
        let candidates = self.lock().unwritten();
        let mut freed_bytes = 0;
        for id in candidates {
            if freed_bytes >= wanted_bytes {
                break;
            }
            freed_bytes += match self.spill(id) {
                Err(BlockError::Removed { .. }) => 0,
                freed => freed?,
            };
        }
        Ok(freed_bytes)
    }

    /// Removes a block, and its file if it has one. False if it has been removed before.
    ///
    /// References to it stay good, and what they hold stays counted. If the block is being written or read, the
    /// thread that does so removes the file.
    pub fn remove(&self, id: BlockId) -> bool {
        let leftover = self.lock().remove(id);
        let is_removed = leftover.is_some();
        if let Some(leftover) = leftover {
            self.clear_up(id, leftover);
        }
        is_removed
    }

    /// Whether the block is in memory.
    pub fn is_in_memory(&self, id: BlockId) -> bool {
        self.lock().get(id).is_some_and(|block| block.memory.is_some())
    }

    /// Whether the block is on disk.
    pub fn is_on_disk(&self, id: BlockId) -> bool {
        self.lock().get(id).is_some_and(|block| block.disk.is_some())
    }

    /// The block's file, if it is on disk.
    pub fn file(&self, id: BlockId) -> Option<PathBuf> {
        self.is_on_disk(id).then(|| self.folder.path(id))
    }

    /// What the store holds now.
    pub fn stats(&self) -> BlockStats {
        self.lock().stats()
    }

    fn read(&self, id: BlockId, on_disk: &OnDisk, mut reservation: Reservation) -> Result<Resident<V>, BlockError> {
        // Refusing these would make a block that fills most of the budget unreadable.
        let mut encoded = on_disk.consumer.reserve();
        encoded.grow(on_disk.written.n_bytes as usize);
        let bytes = self.folder.read(id, on_disk.written)?;
        let made = self.codec.decode(bytes);
        drop(encoded);
        let value = made.map_err(|source| BlockError::Decode { block: id, path: self.folder.path(id), source })?;
        reservation.resize(self.codec.size_bytes(&value));
        Ok(Resident { value, reservation })
    }

    fn clear_up(&self, id: BlockId, leftover: Leftover<V>) {
        drop(leftover.memory);
        if leftover.has_file {
            self.folder.remove(id);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Slots<V>> {
        // Only bookkeeping happens under the lock, and all of it panics, if at all, before it changes anything.
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, slots: MutexGuard<'a, Slots<V>>) -> MutexGuard<'a, Slots<V>> {
        self.settled.wait(slots).unwrap_or_else(PoisonError::into_inner)
    }
}

impl<V: Send + Sync> Reclaim for BlockStore<V> {
    fn drop_clean(&self, bytes_min: usize, wanted_bytes: usize) -> usize {
        let released = self.lock().release_clean(bytes_min, wanted_bytes);
        let mut freed_bytes = 0;
        for (id, resident) in released {
            freed_bytes += resident.size_bytes();
            drop(resident);
            (self.on_dropped)(id);
        }
        freed_bytes
    }

    fn clean_bytes(&self) -> usize {
        self.stats().clean_bytes
    }
}

impl<V> fmt::Debug for BlockStore<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockStore").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

/// A value in memory. While it is held, the block is not dropped from memory.
pub struct BlockRef<V> {
    id: BlockId,
    resident: Arc<Resident<V>>,
}

impl<V> BlockRef<V> {
    /// The block that the value is of, or was.
    pub fn id(&self) -> BlockId {
        self.id
    }

    /// The bytes that are counted for the value.
    pub fn size_bytes(&self) -> usize {
        self.resident.size_bytes()
    }
}

impl<V> Deref for BlockRef<V> {
    type Target = V;

    fn deref(&self) -> &V {
        &self.resident.value
    }
}

impl<V> Clone for BlockRef<V> {
    fn clone(&self) -> Self {
        Self { id: self.id, resident: Arc::clone(&self.resident) }
    }
}

impl<V> fmt::Debug for BlockRef<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockRef").field("id", &self.id).field("size_bytes", &self.size_bytes()).finish_non_exhaustive()
    }
}

/// Settles a busy block on every way out, a panic of the codec included.
struct Busy<'a, V> {
    store: &'a BlockStore<V>,
    id: BlockId,
}

impl<V> Drop for Busy<'_, V> {
    fn drop(&mut self) {
        let leftover = self.store.lock().settle(self.id);
        self.store.settled.notify_all();
        if let Some(leftover) = leftover {
            self.store.clear_up(self.id, leftover);
        }
    }
}
