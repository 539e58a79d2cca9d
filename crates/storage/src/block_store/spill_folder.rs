//! The files of a block store: one per block, in a folder of the store's own.

use std::fs::{self, File};
use std::io::{self, BufWriter, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;
use memmap2::MmapMut;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use super::BlockId;
use super::codec::CodecError;
use super::error::{BlockError, Damage};
use crate::error::StorageError;
use crate::temp_folder::{TempFolder, private_folder};

/// Gathers the small writes of codecs. Not counted in the budget: there is one per block that is being written.
const BUFFER_BYTES: usize = 64 << 10;

/// From here on the bytes of a block are read to a mapping of their own, which goes when the last that uses it does:
/// allocators keep as much for a while, uncounted.
const MAPPED_BYTES_MIN: usize = 4 << 20;

/// Makes a new file to write a block into. Tests put a disk that fills up here.
pub(super) type CreateFile = dyn Fn(&Path) -> io::Result<Box<dyn Write>> + Send + Sync;

/// What was written for a block. It is kept in memory, so that a file swapped with another is found out too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) n_bytes: u64,
    checksum: u64,
}

pub(super) struct SpillFolder {
    temp: Arc<TempFolder>,
    /// Made when the first block is written.
    folder: OnceLock<PathBuf>,
    /// Held by the thread that makes the folder.
    making: Mutex<()>,
    create_file: Box<CreateFile>,
}

impl SpillFolder {
    pub(super) fn new(temp: Arc<TempFolder>, create_file: Box<CreateFile>) -> Self {
        Self { temp, folder: OnceLock::new(), making: Mutex::new(()), create_file }
    }

    /// Writes a block's file. If that fails, no file is left.
    pub(super) fn write(
        &self,
        block: BlockId,
        encode: impl FnOnce(&mut dyn Write) -> Result<(), CodecError>,
    ) -> Result<Written, BlockError> {
        let path = path_of(self.folder(block)?, block);
        let file = (self.create_file)(&path).map_err(|source| self.write_error("create", block, &path, source))?;
        // Removes the file on every way out but the last, a panic in `encode` included.
        let unfinished = Unfinished(&path);
        let file = HashingFile { file, hasher: Box::new(Xxh3::new()), n_bytes: 0, error: None };
        let mut out = BufWriter::with_capacity(BUFFER_BYTES, file);
        let encoded = encode(&mut out).and_then(|()| Ok(out.flush()?));
        let (mut file, _) = out.into_parts();
        // An error of the disk may come out of the codec wrapped, or not at all.
        if let Some(source) = file.error.take() {
            return Err(self.write_error("write", block, &path, source));
        }
        encoded.map_err(|source| BlockError::Encode { block, source })?;
        std::mem::forget(unfinished);
        Ok(Written { n_bytes: file.n_bytes, checksum: file.hasher.digest() })
    }

    /// Reads a block's file back and verifies it.
    pub(super) fn read(&self, block: BlockId, written: Written) -> Result<Bytes, BlockError> {
        let path = self.path(block);
        let io_error = |source| BlockError::Io { operation: "read", block, path: path.clone(), source };
        let damaged = |problem| BlockError::Corrupt { block, path: path.clone(), problem };
        let mut file = File::open(&path).map_err(io_error)?;
        // Asked before memory is taken: a damaged file may be of any length.
        let found_bytes = file.metadata().map_err(io_error)?.len();
        if found_bytes != written.n_bytes {
            return Err(damaged(Damage::Length { expected_bytes: written.n_bytes, found_bytes }));
        }
        let bytes = read_all(&mut file, written.n_bytes as usize).map_err(io_error)?;
        let found = xxh3_64(&bytes);
        if found != written.checksum {
            return Err(damaged(Damage::Checksum { expected: written.checksum, found }));
        }
        Ok(bytes)
    }

    /// Removes a block's file. What cannot be removed goes with the folder.
    pub(super) fn remove(&self, block: BlockId) {
        let _ = fs::remove_file(self.path(block));
    }

    /// Where the file of a block is that has been written.
    pub(super) fn path(&self, block: BlockId) -> PathBuf {
        path_of(self.folder.get().map_or_else(|| self.temp.base(), PathBuf::as_path), block)
    }

    /// The store's folder, which exists from now on. `block` is what needs it.
    fn folder(&self, block: BlockId) -> Result<&Path, BlockError> {
        if let Some(folder) = self.folder.get() {
            return Ok(folder);
        }
        let _making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(folder) = self.folder.get() {
            return Ok(folder);
        }
        let temp = self.temp.path().map_err(|error| match error {
            StorageError::Io { operation, path, source } => self.write_error(operation, block, &path, source),
            other => self.write_error("create", block, self.temp.base(), io::Error::other(other)),
        })?;
        let made = make_folder(&temp).map_err(|source| self.write_error("create a folder in", block, &temp, source))?;
        Ok(self.folder.get_or_init(|| made))
    }

    fn write_error(&self, operation: &'static str, block: BlockId, path: &Path, source: io::Error) -> BlockError {
        match source.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                BlockError::DiskFull { block, folder: self.temp.base().to_owned(), source }
            }
            _ => BlockError::Io { operation, block, path: path.to_owned(), source },
        }
    }
}

impl Drop for SpillFolder {
    fn drop(&mut self) {
        if let Some(folder) = self.folder.get() {
            let _ = fs::remove_dir_all(folder);
        }
    }
}

/// Reads `n_bytes`.
fn read_all(file: &mut File, n_bytes: usize) -> io::Result<Bytes> {
    if n_bytes < MAPPED_BYTES_MIN {
        let mut bytes = Vec::with_capacity(n_bytes);
        file.read_to_end(&mut bytes)?;
        return Ok(bytes.into());
    }
    let mut map = MmapMut::map_anon(n_bytes)?;
    #[cfg(target_os = "linux")]
    // A kernel without huge pages refuses, which costs time and nothing else.
    map.advise(memmap2::Advice::HugePage).ok();
    file.read_exact(&mut map)?;
    Ok(Bytes::from_owner(map))
}

/// Makes a folder with a name that no other store of the session has.
fn make_folder(temp: &Path) -> io::Result<PathBuf> {
    let mut number = 0_u32;
    loop {
        let folder = temp.join(format!("blocks-{number}"));
        match private_folder(&folder) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => number += 1,
            made => return made.map(|()| folder),
        }
    }
}

fn path_of(folder: &Path, block: BlockId) -> PathBuf {
    folder.join(format!("{}-{}", block.slot, block.generation))
}

/// A file that goes away unless it is forgotten.
struct Unfinished<'a>(&'a Path);

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        let _ = fs::remove_file(self.0);
    }
}

struct HashingFile {
    file: Box<dyn Write>,
    hasher: Box<Xxh3>,
    n_bytes: u64,
    /// What went wrong first. Nothing is written after it.
    error: Option<io::Error>,
}

impl Write for HashingFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(error) = &self.error {
            return Err(error.kind().into());
        }
        match self.file.write(bytes) {
            Ok(n_bytes) => {
                self.hasher.update(&bytes[..n_bytes]);
                self.n_bytes += n_bytes as u64;
                Ok(n_bytes)
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => Err(error),
            Err(error) => {
                let kind = error.kind();
                self.error = Some(error);
                Err(kind.into())
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        // Files have no buffer of their own in this process, and nobody waits for the disk.
        Ok(())
    }
}
