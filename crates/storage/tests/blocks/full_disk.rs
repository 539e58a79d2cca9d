//! A disk that is full, made by mounting a small one.

use std::path::Path;

use dolmen_storage::BlockError;

use super::small_disk::with_small_disk;
use super::{BLOCK_BYTES, n_files, put, store};

// `block_store/tests/damage.rs` has the same on a made-up disk.

#[test]
fn a_full_disk_is_survived() {
    with_small_disk("full_disk::a_full_disk_is_survived", full);
}

fn full(disk: &Path) {
    let (budget, blocks) = store(disk);
    let ids: Vec<_> = (0..8).map(|byte| put(&budget, &blocks, byte)).collect();
    let mut spilled = Vec::new();
    let error = loop {
        match blocks.spill(ids[spilled.len()]) {
            Ok(freed) => assert_eq!(freed, BLOCK_BYTES),
            Err(error) => break error,
        }
        spilled.push(ids[spilled.len()]);
    };
    assert!(!spilled.is_empty());
    let text = error.to_string();
    let BlockError::DiskFull { block, folder, .. } = error else { panic!("{error:?}") };
    assert_eq!((block, folder.as_path()), (ids[spilled.len()], disk));
    assert!(text.contains(&disk.display().to_string()), "{text}");
    assert_eq!(n_files(disk), spilled.len() + 1, "the blocks that fit and the lock");

    // What is in memory and what is on disk can still be read.
    for (byte, id) in ids.iter().enumerate() {
        assert_eq!(*blocks.load(*id).unwrap(), vec![byte as u8; BLOCK_BYTES]);
    }
    // As soon as a block is gone there is room for another.
    assert!(blocks.remove(spilled[0]));
    assert_eq!(blocks.spill(block).unwrap(), BLOCK_BYTES);
    assert_eq!(*blocks.load(block).unwrap(), vec![spilled.len() as u8; BLOCK_BYTES]);
    drop(blocks);
    assert_eq!((n_files(disk), budget.used_bytes()), (0, 0));
}

#[test]
fn a_disk_without_room_for_a_folder_is_survived() {
    with_small_disk("full_disk::a_disk_without_room_for_a_folder_is_survived", without_room_for_a_folder);
}

fn without_room_for_a_folder(disk: &Path) {
    // Empty files use up what a tmpfs keeps for names.
    let filler = disk.join("filler");
    std::fs::create_dir(&filler).unwrap();
    for name in 0.. {
        if std::fs::write(filler.join(name.to_string()), "").is_err() {
            break;
        }
    }
    let (budget, blocks) = store(disk);
    let id = put(&budget, &blocks, 7);
    let error = blocks.spill(id).unwrap_err();
    assert!(matches!(&error, BlockError::DiskFull { folder, .. } if folder == disk), "{error:?}");
    std::fs::remove_dir_all(filler).unwrap();
    assert_eq!(blocks.spill(id).unwrap(), BLOCK_BYTES);
}
