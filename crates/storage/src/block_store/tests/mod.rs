//! A store of byte strings over a temporary folder, with hooks that make its codec fail, panic or wait.

mod damage;
mod model;
mod moves;
mod threads;

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

use super::{BlockCodec, BlockId, BlockStore, CodecError};
use crate::budget::{Consumer, MemoryBudget};
use crate::temp_folder::{TempFolder, private_file};

/// Bytes that the encoded form has beyond the value.
const HEADER: &[u8] = b"blk:";

type Hook = Box<dyn Fn() -> Result<(), CodecError> + Send + Sync>;

struct TestCodec {
    on_encode: Hook,
    on_decode: Hook,
}

impl Default for TestCodec {
    fn default() -> Self {
        Self { on_encode: Box::new(|| Ok(())), on_decode: Box::new(|| Ok(())) }
    }
}

impl BlockCodec<Vec<u8>> for TestCodec {
    fn size_bytes(&self, value: &Vec<u8>) -> usize {
        value.len()
    }

    fn encode(&self, value: &Vec<u8>, out: &mut dyn Write) -> Result<(), CodecError> {
        out.write_all(HEADER)?;
        (self.on_encode)()?;
        Ok(out.write_all(value)?)
    }

    fn decode(&self, bytes: Bytes) -> Result<Vec<u8>, CodecError> {
        (self.on_decode)()?;
        Ok(bytes.strip_prefix(HEADER).ok_or("no header")?.to_vec())
    }
}

struct Fixture {
    base: tempfile::TempDir,
    temp: Arc<TempFolder>,
    budget: Arc<MemoryBudget>,
    consumer: Consumer,
    store: Arc<BlockStore<Vec<u8>>>,
    dropped: Arc<Mutex<Vec<BlockId>>>,
}

impl Fixture {
    fn new(limit_bytes: usize) -> Self {
        Self::with_codec(limit_bytes, TestCodec::default())
    }

    fn with_codec(limit_bytes: usize, codec: TestCodec) -> Self {
        Self::with_files(limit_bytes, codec, |path| Ok(Box::new(private_file(path)?)))
    }

    /// Over a disk that has room for `disk_bytes`.
    fn on_disk_of(limit_bytes: usize, disk_bytes: u64) -> Self {
        Self::with_files(limit_bytes, TestCodec::default(), move |path| SmallDisk::create(path, disk_bytes))
    }

    fn with_files(
        limit_bytes: usize,
        codec: TestCodec,
        create_file: impl Fn(&Path) -> io::Result<Box<dyn Write>> + Send + Sync + 'static,
    ) -> Self {
        let base = tempfile::tempdir().unwrap();
        let temp = Arc::new(TempFolder::new(Some(base.path().to_owned())));
        let budget = MemoryBudget::new(limit_bytes);
        let consumer = budget.consumer("stage");
        let dropped = Arc::new(Mutex::new(Vec::new()));
        let note = Arc::clone(&dropped);
        let on_dropped = move |id| note.lock().unwrap().push(id);
        let (budget_of, temp_of) = (Arc::clone(&budget), Arc::clone(&temp));
        let store = BlockStore::with_files(budget_of, temp_of, codec, on_dropped, Box::new(create_file));
        Self { base, temp, budget, consumer, store, dropped }
    }

    /// Puts a block of `n_bytes` that are made from `needed_at`. They must fit the budget.
    fn put(&self, n_bytes: usize, needed_at: u64) -> BlockId {
        let mut reservation = self.consumer.reserve();
        reservation.try_grow(n_bytes).unwrap();
        self.store.put(content(n_bytes, needed_at), reservation, needed_at)
    }

    fn dropped(&self) -> Vec<BlockId> {
        std::mem::take(&mut *self.dropped.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The names of the store's files.
    fn files(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.temp.path().unwrap().join("blocks-0")) else { return Vec::new() };
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    /// Removes what is left in the store, and checks that nothing is left anywhere.
    fn finish(self, left: impl IntoIterator<Item = BlockId>) {
        for id in left {
            assert!(self.store.remove(id));
        }
        self.check();
        assert_eq!(self.store.stats(), super::BlockStats::default());
        assert_eq!((self.budget.used_bytes(), self.consumer.size()), (0, 0));
        assert!(self.files().is_empty(), "{:?}", self.files());
        drop(self.store);
        assert_eq!(fs::read_dir(self.temp.path().unwrap()).unwrap().count(), 0);
        drop(self.temp);
        assert_eq!(fs::read_dir(self.base.path()).unwrap().count(), 0);
    }

    fn check(&self) {
        self.store.lock().check_invariants();
    }
}

/// Bytes that tell blocks apart.
fn content(n_bytes: usize, seed: u64) -> Vec<u8> {
    (0..n_bytes as u64).map(|idx| (idx.wrapping_add(seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect()
}

/// A file on a disk that holds `disk_bytes` in all, and takes what fits of a write that does not.
struct SmallDisk {
    file: File,
    folder: PathBuf,
    disk_bytes: u64,
}

impl SmallDisk {
    fn create(path: &Path, disk_bytes: u64) -> io::Result<Box<dyn Write>> {
        Ok(Box::new(Self { file: private_file(path)?, folder: path.parent().unwrap().to_owned(), disk_bytes }))
    }
}

impl Write for SmallDisk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let used_bytes: u64 = fs::read_dir(&self.folder)?.map(|entry| entry.unwrap().metadata().unwrap().len()).sum();
        match self.disk_bytes.saturating_sub(used_bytes) {
            0 => Err(io::ErrorKind::StorageFull.into()),
            left => self.file.write(&bytes[..bytes.len().min(left as usize)]),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// A hook that reports that it was reached, and waits to be let through. After `open` is dropped it lets all through.
fn gate() -> (Hook, Receiver<()>, Sender<()>) {
    let (reached, has_reached) = channel();
    let (open, opened) = channel();
    let opened = Mutex::new(opened);
    let hook = move || {
        let _ = reached.send(());
        let _ = opened.lock().unwrap().recv();
        Ok(())
    };
    (Box::new(hook), has_reached, open)
}

/// A hook that counts its calls.
fn counter() -> (Hook, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let hook = move || {
        counted.fetch_add(1, Ordering::Relaxed);
        Ok(())
    };
    (Box::new(hook), count)
}
