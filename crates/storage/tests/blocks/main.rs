//! Block stores from the outside: on a disk that is really full, and killed in the middle of a spill.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a failed expectation is how a test reports, in its helpers as well")]

mod full_disk;
mod killed;
mod small_disk;

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use dolmen_storage::{BlockCodec, BlockId, BlockStore, CodecError, MemoryBudget, TempFolder};

const BLOCK_BYTES: usize = 200_000;

struct Plain;

impl BlockCodec<Vec<u8>> for Plain {
    fn size_bytes(&self, value: &Vec<u8>) -> usize {
        value.len()
    }

    fn encode(&self, value: &Vec<u8>, out: &mut dyn Write) -> Result<(), CodecError> {
        // In small pieces, so that a file is unfinished for a while.
        for piece in value.chunks(1000) {
            out.write_all(piece)?;
        }
        Ok(())
    }

    fn decode(&self, bytes: bytes::Bytes) -> Result<Vec<u8>, CodecError> {
        Ok(bytes.into())
    }
}

/// A store whose folder is made under `base`.
fn store(base: &Path) -> (Arc<MemoryBudget>, Arc<BlockStore<Vec<u8>>>) {
    let budget = MemoryBudget::new(64 << 20);
    let temp = Arc::new(TempFolder::new(Some(base.to_owned())));
    (Arc::clone(&budget), BlockStore::new(budget, temp, Plain, |_| ()))
}

fn put(budget: &Arc<MemoryBudget>, store: &BlockStore<Vec<u8>>, byte: u8) -> BlockId {
    store.put(vec![byte; BLOCK_BYTES], budget.consumer("stage").reserve(), 0)
}

/// All files below a folder, with those of folders in it.
fn n_files(folder: &Path) -> usize {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    entries.flatten().map(|entry| if entry.path().is_dir() { n_files(&entry.path()) } else { 1 }).sum()
}
