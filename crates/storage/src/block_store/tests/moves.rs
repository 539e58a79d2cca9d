//! One block after the other: between memory and disk, by the caller and by the budget.

use std::fs;

use super::*;
use crate::block_store::BlockError;
use crate::budget::MemoryError;

#[test]
fn a_block_goes_to_disk_and_back() {
    let f = Fixture::new(1000);
    let id = f.put(300, 1);
    assert!(f.store.is_in_memory(id) && !f.store.is_on_disk(id) && f.store.file(id).is_none());
    assert!(!f.temp.is_created(), "no folder is made before a block is written");

    assert_eq!(f.store.spill(id).unwrap(), 300);
    assert!(!f.store.is_in_memory(id) && f.store.is_on_disk(id) && f.store.get(id).is_none());
    assert_eq!(f.budget.used_bytes(), 0);
    assert_eq!(fs::read(f.store.file(id).unwrap()).unwrap().len(), 300 + HEADER.len());
    assert_eq!(f.store.stats().disk_bytes, 304);
    assert_eq!(f.store.spill(id).unwrap(), 0, "it is not in memory any more");

    let value = f.store.load(id).unwrap();
    assert_eq!((&*value, value.size_bytes(), value.id()), (&content(300, 1), 300, id));
    assert_eq!((f.budget.used_bytes(), f.budget.clean_bytes()), (300, 300));
    drop(value);
    assert_eq!(f.store.spill(id).unwrap(), 300, "it is dropped from memory without being written again");
    assert!(f.store.remove(id));
    f.finish([]);
}

#[test]
fn a_block_that_is_read_once_stays_on_disk() {
    let f = Fixture::new(1000);
    let id = f.put(300, 1);
    assert_eq!(*f.store.load_once(id).unwrap(), content(300, 1), "from memory while it is there");
    f.store.spill(id).unwrap();

    let value = f.store.load_once(id).unwrap();
    assert_eq!((&*value, f.budget.used_bytes()), (&content(300, 1), 300));
    assert!(!f.store.is_in_memory(id) && f.budget.clean_bytes() == 0);
    drop(value);
    assert_eq!((f.budget.used_bytes(), f.store.is_on_disk(id)), (0, true));
    f.store.remove(id);
    assert!(matches!(f.store.load_once(id), Err(BlockError::Removed { .. })));
    f.finish([]);
}

#[test]
fn room_is_made_of_the_last_needed() {
    let f = Fixture::new(1000);
    let put = |needed_at| f.store.put(content(100, 1), f.consumer.reserve(), needed_at);
    let (soon, later, last, written) = (put(1), put(5), put(9), put(7));
    f.store.write(written).unwrap();
    let held = f.store.get(last).unwrap();

    assert_eq!(f.store.spill_until(50).unwrap(), 100, "who is in use does not count, nor does who is clean");
    assert!(f.store.is_in_memory(last) && !f.store.is_in_memory(later) && f.store.is_in_memory(soon));
    drop(held);
    assert_eq!(f.store.spill_until(1000).unwrap(), 200, "all that there is");
    assert_eq!((f.store.spill_until(1).unwrap(), f.budget.used_bytes()), (0, 100));
    f.finish([soon, later, last, written]);
}

#[test]
fn who_cannot_go_on_without_a_block_reads_it_beyond_the_limit() {
    let f = Fixture::new(1000);
    let id = f.put(300, 1);
    f.store.spill(id).unwrap();
    let mut other = f.consumer.reserve();
    other.try_grow(800).unwrap();
    assert!(matches!(f.store.load_once(id), Err(BlockError::Memory { .. })));
    let value = f.store.load_once_beyond(id).unwrap();
    assert_eq!((&*value, f.budget.used_bytes()), (&content(300, 1), 1100));
    drop((value, other));
    f.finish([id]);
}

#[test]
fn the_reservation_is_made_to_fit() {
    let f = Fixture::new(1000);
    let mut estimate = f.consumer.reserve();
    estimate.try_grow(900).unwrap();
    let small = f.store.put(content(10, 0), estimate, 0);
    assert_eq!(f.budget.used_bytes(), 10);
    // The value is there: refusing it would only hide its bytes.
    let large = f.store.put(content(1500, 0), f.consumer.reserve(), 0);
    assert_eq!((f.budget.used_bytes(), f.store.stats().memory_bytes), (1510, 1510));
    f.finish([small, large]);
}

#[test]
#[should_panic(expected = "the reservation is of another budget")]
fn reservations_of_other_budgets_are_refused() {
    let (f, other) = (Fixture::new(1000), MemoryBudget::new(1000));
    f.store.put(vec![], other.consumer("x").reserve(), 0);
}

#[test]
fn empty_and_large_values() {
    let f = Fixture::new(100_000_000);
    // Larger than any buffer on the way.
    for n_bytes in [0, 1, 65_536 - HEADER.len(), 65_536, 3_000_000] {
        let id = f.put(n_bytes, 7);
        assert_eq!(f.store.spill(id).unwrap(), n_bytes);
        assert_eq!(*f.store.load(id).unwrap(), content(n_bytes, 7));
        assert!(f.store.remove(id));
    }
    f.finish([]);
}

#[test]
fn a_block_in_use_stays_in_memory() {
    let f = Fixture::new(1000);
    let id = f.put(300, 1);
    let value = f.store.get(id).unwrap();
    let other = value.clone();
    assert_eq!(f.store.spill(id).unwrap(), 0);
    assert!(f.store.is_in_memory(id) && f.store.is_on_disk(id));
    drop(value);
    f.consumer.try_grow(800).unwrap_err();
    assert_eq!(*other, content(300, 1));
    drop(other);
    f.consumer.try_grow(800).unwrap();
    assert_eq!((f.dropped(), f.budget.used_bytes()), (vec![id], 800));
    f.consumer.shrink(800);
    f.finish([id]);
}

#[test]
fn a_removed_block_counts_as_long_as_it_is_in_use() {
    let f = Fixture::new(1000);
    let id = f.put(300, 1);
    f.store.write(id).unwrap();
    let value = f.store.get(id).unwrap();
    assert!(f.store.remove(id) && !f.store.remove(id));
    assert!(f.files().is_empty());
    assert_eq!((f.budget.used_bytes(), f.store.stats().memory_bytes), (300, 0));
    assert_eq!(*value, content(300, 1));
    drop(value);
    f.finish([]);
}

#[test]
fn an_id_is_not_used_again() {
    let f = Fixture::new(1000);
    let old = f.put(10, 1);
    f.store.remove(old);
    let new = f.put(10, 2);
    assert_eq!((old.index(), new.index()), (0, 0), "ids are dense");
    assert!(f.store.get(old).is_none() && !f.store.is_in_memory(old) && !f.store.remove(old));
    for error in [f.store.write(old).unwrap_err(), f.store.spill(old).unwrap_err(), f.store.load(old).unwrap_err()] {
        assert!(matches!(error, BlockError::Removed { block } if block == old));
    }
    assert_eq!(*f.store.load(new).unwrap(), content(10, 2));
    f.finish([new]);
}

#[test]
fn a_request_drops_the_clean_block_that_is_needed_last() {
    let f = Fixture::new(1000);
    let [soon, late, later, dirty] = [(100, 1), (100, 5), (100, 9), (400, 99)].map(|(n, at)| f.put(n, at));
    for id in [late, soon, later] {
        f.store.write(id).unwrap();
    }
    f.consumer.try_grow(300).unwrap();
    assert_eq!((f.budget.available_bytes(), f.budget.clean_bytes()), (0, 300));
    f.consumer.try_grow(100).unwrap();
    assert_eq!(f.dropped(), [later]);
    f.consumer.try_grow(150).unwrap();
    assert_eq!(f.dropped(), [late, soon], "as many as are needed");
    assert_eq!((f.budget.used_bytes(), f.budget.peak_bytes(), f.budget.clean_bytes()), (950, 1000, 0));
    assert!(f.store.is_in_memory(dirty), "what is not on disk stays");
    f.consumer.shrink(550);
    assert_eq!(*f.store.load(late).unwrap(), content(100, 5));
    f.finish([soon, late, later, dirty]);
}

#[test]
fn a_request_that_is_refused_drops_nothing() {
    let f = Fixture::new(1000);
    let (clean, dirty) = (f.put(300, 1), f.put(600, 2));
    f.store.write(clean).unwrap();
    let error = f.consumer.try_grow(401).unwrap_err();
    let MemoryError::MemoryLimit { needed_bytes, used_bytes, .. } = error;
    assert_eq!((needed_bytes, used_bytes), (401, 900));
    f.consumer.try_grow(usize::MAX).unwrap_err();
    assert!(f.store.is_in_memory(clean) && f.dropped().is_empty());
    f.consumer.try_grow(400).unwrap();
    assert_eq!(f.dropped(), [clean]);
    f.consumer.shrink(400);
    f.finish([clean, dirty]);
}

#[test]
fn growth_that_cannot_be_refused_drops_what_there_is() {
    let f = Fixture::new(1000);
    let (clean, dirty) = (f.put(300, 1), f.put(600, 2));
    f.store.write(clean).unwrap();
    f.consumer.grow(900);
    assert_eq!((f.dropped(), f.budget.used_bytes(), f.budget.peak_bytes()), (vec![clean], 1500, 1500));
    f.consumer.shrink(900);
    f.finish([clean, dirty]);
}

#[test]
fn reading_back_makes_room_by_dropping_others() {
    let f = Fixture::new(1000);
    let first = f.put(600, 1);
    f.store.spill(first).unwrap();
    let second = f.put(600, 2);
    f.store.write(second).unwrap();
    assert_eq!(*f.store.load(first).unwrap(), content(600, 1));
    assert_eq!(f.dropped(), [second]);
    assert_eq!(*f.store.load(second).unwrap(), content(600, 2));
    assert_eq!(f.dropped(), [first]);
    assert_eq!(f.budget.peak_bytes(), 600 + 600 + HEADER.len(), "the value, and its bytes while they are decoded");
    f.finish([first, second]);
}

#[test]
fn without_room_a_block_stays_on_disk() {
    let f = Fixture::new(1000);
    let id = f.put(600, 1);
    f.store.spill(id).unwrap();
    f.consumer.try_grow(500).unwrap();
    let error = f.store.load(id).unwrap_err();
    assert!(matches!(error, BlockError::Memory { source: MemoryError::MemoryLimit { needed_bytes: 600, .. }, .. }));
    assert!(error.to_string().starts_with("cannot read block 0-0 back: stage needs 600 B more memory"), "{error}");
    assert_eq!(f.budget.used_bytes(), 500);
    f.consumer.shrink(200);
    assert_eq!(*f.store.load(id).unwrap(), content(600, 1));
    f.consumer.shrink(300);
    f.finish([id]);
}

#[test]
fn a_block_that_is_larger_than_half_the_limit_can_be_read() {
    let f = Fixture::new(1000);
    let id = f.put(1000, 1);
    f.store.spill(id).unwrap();
    assert_eq!(*f.store.load(id).unwrap(), content(1000, 1));
    assert_eq!(f.budget.used_bytes(), 1000);
    f.finish([id]);
}

#[test]
fn disk_space_is_free_again_when_blocks_are_removed() {
    let f = Fixture::new(10_000);
    for round in 0..50 {
        let ids: Vec<_> = (0..10).map(|n| f.put(100 * (n + 1), round)).collect();
        for id in &ids {
            f.store.spill(*id).unwrap();
        }
        assert_eq!((f.files().len(), f.store.stats().disk_bytes), (10, 5500 + 10 * HEADER.len() as u64));
        for id in ids {
            f.store.remove(id);
        }
        assert!(f.files().is_empty());
    }
    f.finish([]);
}

#[test]
fn dropping_the_store_removes_files_and_frees_memory() {
    let f = Fixture::new(1000);
    let (on_disk, in_memory) = (f.put(300, 1), f.put(200, 2));
    f.store.spill(on_disk).unwrap();
    let value = f.store.get(in_memory).unwrap();
    let second = BlockStore::new(Arc::clone(&f.budget), Arc::clone(&f.temp), TestCodec::default(), |_| ());
    let other = second.put(content(50, 3), f.consumer.reserve(), 0);
    second.spill(other).unwrap();
    drop(f.store);
    let folders: Vec<_> = fs::read_dir(f.temp.path().unwrap()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(folders, ["blocks-1"], "the other store's files stay");
    assert_eq!(*second.load(other).unwrap(), content(50, 3));
    assert_eq!((f.budget.used_bytes(), &*value), (250, &content(200, 2)));
    drop((value, second));
    assert_eq!((f.budget.used_bytes(), f.budget.clean_bytes()), (0, 0));
    f.consumer.try_grow(1000).unwrap();
}

#[test]
fn debug_shows_sizes_and_no_values() {
    let f = Fixture::new(1000);
    let id = f.store.put(b"secret".to_vec(), f.consumer.reserve(), 0);
    let value = f.store.get(id).unwrap();
    let shown = format!("{:?} {value:?} {id:?} {id}", f.store);
    assert_eq!(
        shown,
        "BlockStore { stats: BlockStats { n_blocks: 1, memory_bytes: 6, clean_bytes: 0, disk_bytes: 0 }, .. } \
         BlockRef { id: BlockId(0-0), size_bytes: 6, .. } BlockId(0-0) block 0-0"
    );
}
