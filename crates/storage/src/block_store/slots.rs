//! Which blocks there are and where: state without locks, I/O or values' code. [`super::BlockStore`] acts on it.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::spill_folder::Written;
use super::{BlockId, BlockStats};
use crate::budget::{Consumer, Reservation};

/// A value in memory, counted until the last reference to it is gone.
pub(super) struct Resident<V> {
    pub(super) value: V,
    pub(super) reservation: Reservation,
}

impl<V> Resident<V> {
    pub(super) fn size_bytes(&self) -> usize {
        self.reservation.size()
    }
}

/// What is known about a block's file, and needed to read it back.
#[derive(Clone)]
pub(super) struct OnDisk {
    pub(super) written: Written,
    /// Who holds the value's memory again when it has been read.
    pub(super) consumer: Consumer,
    /// What the value takes in memory.
    pub(super) value_bytes: usize,
}

/// A block is in memory, on disk, or both; then it is clean, and its memory may go at any time.
pub(super) struct Block<V> {
    pub(super) memory: Option<Arc<Resident<V>>>,
    pub(super) disk: Option<OnDisk>,
    needed_at: u64,
    /// A thread writes or reads its file. Only that thread changes where the block is, and then it settles it.
    pub(super) is_busy: bool,
    /// Removed while busy: it is gone for everybody but the thread that settles it.
    is_removed: bool,
}

struct Slot<V> {
    /// How often the slot has been freed: an id of the past finds no block.
    generation: u32,
    block: Option<Block<V>>,
}

pub(super) struct Slots<V> {
    slots: Vec<Slot<V>>,
    free: Vec<u32>,
    /// The clean blocks, by when they are needed and slot.
    clean: BTreeSet<(u64, u32)>,
    stats: BlockStats,
}

/// What has to be done about a removed block outside the lock.
pub(super) struct Leftover<V> {
    /// Dropping it may free the memory, and runs code of the value.
    pub(super) memory: Option<Arc<Resident<V>>>,
    pub(super) has_file: bool,
}

impl<V> Slots<V> {
    pub(super) fn new() -> Self {
        Self { slots: Vec::new(), free: Vec::new(), clean: BTreeSet::new(), stats: BlockStats::default() }
    }

    pub(super) fn stats(&self) -> BlockStats {
        self.stats
    }

    pub(super) fn insert(&mut self, resident: Arc<Resident<V>>, needed_at: u64) -> BlockId {
        self.stats.n_blocks += 1;
        self.stats.memory_bytes += resident.size_bytes();
        let block = Block { memory: Some(resident), disk: None, needed_at, is_busy: false, is_removed: false };
        let slot = self.free.pop().unwrap_or_else(|| {
            let slot = u32::try_from(self.slots.len()).expect("a store holds fewer than 2^32 blocks");
            self.slots.push(Slot { generation: 0, block: None });
            slot
        });
        let place = &mut self.slots[slot as usize];
        place.block = Some(block);
        BlockId { slot, generation: place.generation }
    }

    /// The block, unless it has been removed.
    pub(super) fn get(&self, id: BlockId) -> Option<&Block<V>> {
        let slot = self.slots.get(id.slot as usize).filter(|slot| slot.generation == id.generation)?;
        slot.block.as_ref().filter(|block| !block.is_removed)
    }

    pub(super) fn set_busy(&mut self, id: BlockId) {
        let block = self.block_mut(id);
        assert!(!block.is_busy, "{id} is written or read by two threads");
        block.is_busy = true;
    }

    /// The busy block has been written.
    pub(super) fn written(&mut self, id: BlockId, on_disk: OnDisk) {
        let n_bytes = on_disk.written.n_bytes;
        let block = self.block_mut(id);
        let clean_bytes = block.memory.as_ref().map(|resident| resident.size_bytes());
        let key = (block.needed_at, id.slot);
        block.disk = Some(on_disk);
        self.stats.disk_bytes += n_bytes;
        if let Some(bytes) = clean_bytes {
            self.stats.clean_bytes += bytes;
            self.clean.insert(key);
        }
    }

    /// The busy block has been read. False if it was removed meanwhile.
    pub(super) fn loaded(&mut self, id: BlockId, resident: Arc<Resident<V>>) -> bool {
        let block = self.block_mut(id);
        if block.is_removed {
            return false;
        }
        let bytes = resident.size_bytes();
        let key = (block.needed_at, id.slot);
        if let Some(on_disk) = &mut block.disk {
            on_disk.value_bytes = bytes;
        }
        block.memory = Some(resident);
        self.clean.insert(key);
        self.stats.memory_bytes += bytes;
        self.stats.clean_bytes += bytes;
        true
    }

    /// The busy block is busy no more. If it was removed meanwhile, this frees it.
    pub(super) fn settle(&mut self, id: BlockId) -> Option<Leftover<V>> {
        let block = self.block_mut(id);
        block.is_busy = false;
        block.is_removed.then(|| self.free(id))
    }

    /// Removes a block; `None` if there is none.
    pub(super) fn remove(&mut self, id: BlockId) -> Option<Leftover<V>> {
        self.get(id)?;
        let memory = self.take_memory(id);
        self.stats.n_blocks -= 1;
        let block = self.block_mut(id);
        if block.is_busy {
            block.is_removed = true;
            return Some(Leftover { memory, has_file: false });
        }
        Some(Leftover { memory, ..self.free(id) })
    }

    /// Takes a clean block that nobody refers to out of memory.
    pub(super) fn release(&mut self, id: BlockId) -> Option<Arc<Resident<V>>> {
        let block = self.get(id)?;
        (block.disk.is_some() && block.is_unused()).then(|| self.take_memory(id)).flatten()
    }

    /// Takes clean blocks that nobody refers to out of memory, the last needed first, until they come to
    /// `wanted_bytes`. Takes none if all of them come to less than `bytes_min`.
    pub(super) fn release_clean(&mut self, bytes_min: usize, wanted_bytes: usize) -> Vec<(BlockId, Arc<Resident<V>>)> {
        if self.stats.clean_bytes < bytes_min {
            return Vec::new();
        }
        let (mut found, mut found_bytes) = (Vec::new(), 0);
        for &(_, slot) in self.clean.iter().rev() {
            if found_bytes >= wanted_bytes {
                break;
            }
            let place = &self.slots[slot as usize];
            let Some(block) = place.block.as_ref().filter(|block| block.is_unused()) else { continue };
            found_bytes += block.memory.as_ref().map_or(0, |resident| resident.size_bytes());
            found.push(BlockId { slot, generation: place.generation });
        }
        if found_bytes < bytes_min {
            return Vec::new();
        }
        found.into_iter().filter_map(|id| Some((id, self.take_memory(id)?))).collect()
    }

    /// The blocks that are in memory only, the last needed first.
    pub(super) fn unwritten(&self) -> Vec<BlockId> {
        let mut found: Vec<(u64, BlockId)> = Vec::new();
        for (idx, place) in self.slots.iter().enumerate() {
            let Some(block) = &place.block else { continue };
            if block.disk.is_none() && block.is_unused() && !block.is_busy && !block.is_removed {
                let slot = u32::try_from(idx).expect("a store holds fewer than 2^32 blocks");
                found.push((block.needed_at, BlockId { slot, generation: place.generation }));
            }
        }
        found.sort_by_key(|(needed_at, _)| std::cmp::Reverse(*needed_at));
        found.into_iter().map(|(_, id)| id).collect()
    }

    fn take_memory(&mut self, id: BlockId) -> Option<Arc<Resident<V>>> {
        let block = self.block_mut(id);
        let key = (block.needed_at, id.slot);
        let resident = block.memory.take()?;
        self.stats.memory_bytes -= resident.size_bytes();
        if self.clean.remove(&key) {
            self.stats.clean_bytes -= resident.size_bytes();
        }
        Some(resident)
    }

    fn free(&mut self, id: BlockId) -> Leftover<V> {
        let slot = &mut self.slots[id.slot as usize];
        let block = slot.block.take().expect("a slot is freed once");
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(id.slot);
        self.stats.disk_bytes -= block.disk.as_ref().map_or(0, |on_disk| on_disk.written.n_bytes);
        Leftover { memory: block.memory, has_file: block.disk.is_some() }
    }

    /// The block of an id that is known to be there, though it may be marked as removed.
    fn block_mut(&mut self, id: BlockId) -> &mut Block<V> {
        let slot = &mut self.slots[id.slot as usize];
        assert!(slot.generation == id.generation, "{id} has been freed while it was in use");
        slot.block.as_mut().expect("a slot in use holds a block")
    }

    /// Checks what must hold after every operation.
    #[cfg(test)]
    pub(super) fn check_invariants(&self) {
        let mut stats = BlockStats::default();
        let mut n_clean = 0;
        let mut n_empty = 0;
        for (idx, slot) in self.slots.iter().enumerate() {
            let Some(block) = &slot.block else {
                n_empty += 1;
                assert!(self.free.contains(&(idx as u32)), "an empty slot can be used again");
                continue;
            };
            stats.n_blocks += usize::from(!block.is_removed);
            stats.disk_bytes += block.disk.as_ref().map_or(0, |on_disk| on_disk.written.n_bytes);
            assert!(
                !block.is_removed || (block.is_busy && block.memory.is_none()),
                "removed blocks wait to be settled"
            );
            assert!(block.is_removed || block.memory.is_some() || block.disk.is_some(), "a block is somewhere");
            if let Some(resident) = &block.memory {
                stats.memory_bytes += resident.size_bytes();
                if block.disk.is_some() {
                    stats.clean_bytes += resident.size_bytes();
                    n_clean += 1;
                    assert!(self.clean.contains(&(block.needed_at, idx as u32)), "a clean block is listed");
                }
            }
        }
        assert_eq!(self.free.len(), n_empty, "no slot is free twice");
        assert_eq!(self.clean.len(), n_clean, "only clean blocks are listed");
        assert_eq!(self.stats, stats);
    }
}

impl<V> Block<V> {
    /// Whether dropping it from memory frees that memory: nobody refers to it. New references are made from the store
    /// under its lock, or from other references, so that this stays true while the lock is held.
    fn is_unused(&self) -> bool {
        self.memory.as_ref().is_some_and(|resident| Arc::strong_count(resident) == 1)
    }
}
