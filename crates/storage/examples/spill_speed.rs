//! How fast blocks go to disk and back: `cargo run --release -p dolmen-storage --example spill_speed [FOLDER]`.
//!
//! Nothing waits for the disk, so with room in the page cache these are the costs of the store and the file system: a
//! file for each block, its checksum, and copying. Beside them is what `std::fs` takes to write, read and remove the same
//! files. The last line is what a value costs that is never spilled.
#![allow(clippy::print_stdout, reason = "the figures are what this program is for")]

use std::error::Error;
use std::hint::black_box;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dolmen_storage::{BlockCodec, BlockId, BlockStore, CodecError, MemoryBudget, TempFolder};

const TOTAL_BYTES: usize = 256 << 20;
const N_ROUNDS: usize = 5;

struct Plain;

impl BlockCodec<Vec<u8>> for Plain {
    fn size_bytes(&self, value: &Vec<u8>) -> usize {
        value.len()
    }

    fn encode(&self, value: &Vec<u8>, out: &mut dyn Write) -> Result<(), CodecError> {
        Ok(out.write_all(value)?)
    }

    fn decode(&self, bytes: bytes::Bytes) -> Result<Vec<u8>, CodecError> {
        Ok(bytes.into())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let base = std::env::args_os().nth(1).map(PathBuf::from);
    for block_bytes in [1 << 20, 64 << 10, 4 << 10] {
        let n_blocks = (TOTAL_BYTES / block_bytes).min(8192);
        // The best of a few rounds: others use the machine as well.
        let (mut store, mut plain) = ([Duration::MAX; 3], [Duration::MAX; 3]);
        for _ in 0..N_ROUNDS {
            keep_best(&mut plain, plain_files(base.clone(), block_bytes, n_blocks)?);
            keep_best(&mut store, blocks(base.clone(), block_bytes, n_blocks)?);
        }
        println!("{n_blocks} blocks of {} KiB", block_bytes >> 10);
        let mb_per_s = |took: Duration| (n_blocks * block_bytes) as f64 / 1e6 / took.as_secs_f64();
        let us_each = |took: Duration| took.as_secs_f64() * 1e6 / n_blocks as f64;
        for ((name, store), plain) in ["spill", "load", "remove"].into_iter().zip(store).zip(plain) {
            println!(
                "  {name:<6} {:6.0} MB/s, {:7.1} us each; std::fs {:6.0} MB/s, {:7.1} us each; ratio of times {:.2}",
                mb_per_s(store),
                us_each(store),
                mb_per_s(plain),
                us_each(plain),
                store.as_secs_f64() / plain.as_secs_f64(),
            );
        }
    }
    println!("in memory: put, get and remove take {:.0} ns for each value", in_memory_ns());
    Ok(())
}

fn keep_best(best: &mut [Duration; 3], took: [Duration; 3]) {
    for (best, took) in best.iter_mut().zip(took) {
        *best = took.min(*best);
    }
}

/// Writes, reads and removes `n_blocks` files: how long each took.
fn plain_files(base: Option<PathBuf>, block_bytes: usize, n_blocks: usize) -> Result<[Duration; 3], Box<dyn Error>> {
    let temp = TempFolder::new(base);
    let folder = temp.path()?;
    let values: Vec<Vec<u8>> = (0..n_blocks).map(|n| vec![n as u8; block_bytes]).collect();
    let start = Instant::now();
    for (n, value) in values.into_iter().enumerate() {
        std::fs::write(folder.join(n.to_string()), value)?;
    }
    let write = start.elapsed();
    let start = Instant::now();
    for n in 0..n_blocks {
        black_box(std::fs::read(folder.join(n.to_string()))?);
    }
    let read = start.elapsed();
    let start = Instant::now();
    for n in 0..n_blocks {
        std::fs::remove_file(folder.join(n.to_string()))?;
    }
    Ok([write, read, start.elapsed()])
}

/// Spills, loads and removes `n_blocks` blocks: how long each took.
fn blocks(base: Option<PathBuf>, block_bytes: usize, n_blocks: usize) -> Result<[Duration; 3], Box<dyn Error>> {
    let budget = MemoryBudget::new(4 << 30);
    let store = BlockStore::new(Arc::clone(&budget), Arc::new(TempFolder::new(base)), Plain, |_| ());
    let consumer = budget.consumer("stage");
    let block = |n: usize| store.put(vec![n as u8; block_bytes], consumer.reserve(), n as u64);
    let ids: Vec<BlockId> = (0..n_blocks).map(block).collect();
    let start = Instant::now();
    for id in &ids {
        store.spill(*id)?;
    }
    let spill = start.elapsed();
    let start = Instant::now();
    for id in &ids {
        black_box(store.load(*id)?);
        // Freed at once, as a task that has used its input does.
        store.spill(*id)?;
    }
    let load = start.elapsed();
    let start = Instant::now();
    for id in &ids {
        store.remove(*id);
    }
    Ok([spill, load, start.elapsed()])
}

fn in_memory_ns() -> f64 {
    const N_VALUES: usize = 1_000_000;
    let budget = MemoryBudget::new(4 << 30);
    let store = BlockStore::new(Arc::clone(&budget), Arc::new(TempFolder::new(None)), Plain, |_| ());
    let consumer = budget.consumer("stage");
    let start = Instant::now();
    for n in 0..N_VALUES {
        let id = store.put(Vec::new(), consumer.reserve(), n as u64);
        black_box(store.get(id));
        store.remove(id);
    }
    start.elapsed().as_secs_f64() * 1e9 / N_VALUES as f64
}
