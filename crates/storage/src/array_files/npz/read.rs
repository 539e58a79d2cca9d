//! Reading npz files.

use std::io::{self, Write};

use flate2::Crc;
use flate2::write::DeflateDecoder;

use crate::array_files::destination::temporary_file;
use crate::array_files::error::{ArrayFileError, ArrayFileResult, FileDamage};
use crate::array_files::npy::NpyFile;
use crate::array_files::npz::zip::{self, End, Entry, Method};
use crate::array_files::source::Source;
use crate::error::StorageError;
use crate::location::Location;
use crate::stores::Stores;
use crate::temp_folder::TempFolder;
use crate::waiting::block_on;

/// The most bytes that a directory may have: some hundred thousand arrays.
const DIRECTORY_BYTES_MAX: u64 = 64 << 20;

/// How much of a compressed array is in memory at once.
const INFLATE_BYTES: u64 = 1 << 20;

/// Named arrays in an npz file, as NumPy's `savez` and `savez_compressed` write them.
#[derive(Debug, Clone)]
pub struct NpzFile {
    source: Source,
    /// Without the suffix `.npy` of their names.
    entries: Vec<Entry>,
}

impl NpzFile {
    /// Reads the directory of the file at `location`.
    ///
    /// # Errors
    /// [`ArrayFileError::Storage`] if there is no such file or no access to it, [`ArrayFileError::Damaged`] if it is no npz
    /// file or cut off.
    pub async fn open(stores: &Stores, location: &Location) -> ArrayFileResult<Self> {
        let source = Source::open(stores, location).await?;
        let damaged = |damage| source.damaged(damage);
        let size = source.size_bytes();
        let outside = || damaged(FileDamage::Outside { part: "directory" });
        let tail = source.read(size.saturating_sub(zip::TAIL_BYTES)..size).await?;
        let directory = match End::find(&tail).map_err(damaged)? {
            End::Directory(directory) => directory,
            End::Large(at) => {
                let end = at.checked_add(End::LARGE_BYTES).filter(|&end| end <= size).ok_or_else(outside)?;
                End::read_large(&source.read(at..end).await?).map_err(damaged)?
            }
        };
        let end = directory.start.checked_add(directory.bytes).filter(|&end| end <= size).ok_or_else(outside)?;
        if directory.bytes > DIRECTORY_BYTES_MAX {
            let (bytes, bytes_max) = (directory.bytes, DIRECTORY_BYTES_MAX);
            return Err(damaged(FileDamage::LongDescription { part: "directory", bytes, bytes_max }));
        }
        let entries = zip::read_directory(&source.read(directory.start..end).await?).map_err(damaged)?;
        let arrays = entries.into_iter().filter_map(|entry| {
            let name = entry.name.strip_suffix(".npy")?.to_owned();
            Some(Entry { name, ..entry })
        });
        Ok(Self { entries: arrays.collect(), source })
    }

    /// The blocking form of [`open`](Self::open).
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_blocking(stores: &Stores, location: &Location) -> ArrayFileResult<Self> {
        block_on(Self::open(stores, location))
    }

    /// The names of the arrays, in the order of the file.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|entry| entry.name.as_str())
    }

    /// The array of that name. One that is stored as it is, is read by regions from where it lies. A compressed one can only
    /// be read from its first byte to its last, so it is unpacked into a file in `temp`, which is gone with the last
    /// clone of the result.
    ///
    /// # Errors
    /// [`ArrayFileError::NoSuchMember`], [`ArrayFileError::Unsupported`] for other ways of compression,
    /// [`ArrayFileError::Damaged`], [`ArrayFileError::ElementType`], [`ArrayFileError::Storage`].
    pub async fn open_array(&self, name: &str, temp: &TempFolder) -> ArrayFileResult<NpyFile> {
        let no_such = || ArrayFileError::NoSuchMember {
            file: self.source.shown().to_owned(),
            name: name.to_owned(),
            members: self.names().map(str::to_owned).collect(),
        };
        let entry = self.entries.iter().find(|entry| entry.name == name).ok_or_else(no_such)?;
        let start = self.start(entry).await?;
        match entry.method {
            Method::Stored if entry.is_encrypted => Err(self.unsupported("encryption".to_owned())),
            Method::Stored => NpyFile::open_part(self.source.clone(), start, start + entry.stored_bytes).await,
            Method::Deflated => {
                let unpacked = self.inflate(entry, start, temp).await?;
                NpyFile::open_part(unpacked, 0, entry.plain_bytes).await
            }
            Method::Other(code) => Err(self.unsupported(format!("compression method {code} of zip archives"))),
        }
    }

    /// The blocking form of [`open_array`](Self::open_array).
    ///
    /// # Errors
    /// As [`open_array`](Self::open_array).
    pub fn open_array_blocking(&self, name: &str, temp: &TempFolder) -> ArrayFileResult<NpyFile> {
        block_on(self.open_array(name, temp))
    }

    /// Where the bytes of a member begin.
    async fn start(&self, entry: &Entry) -> ArrayFileResult<u64> {
        let outside = || self.source.damaged(FileDamage::Outside { part: "directory" });
        let header_end = entry.header_start.checked_add(zip::MEMBER_HEADER_BYTES).ok_or_else(outside)?;
        let header = self.source.read(entry.header_start..header_end).await?;
        let n = zip::member_header_bytes(&header).map_err(|damage| self.source.damaged(damage))?;
        let start = entry.header_start.checked_add(n).ok_or_else(outside)?;
        let end = start.checked_add(entry.stored_bytes).ok_or_else(outside)?;
        if end > self.source.size_bytes() { Err(outside()) } else { Ok(start) }
    }

    async fn inflate(&self, entry: &Entry, start: u64, temp: &TempFolder) -> ArrayFileResult<Source> {
        if entry.is_encrypted {
            return Err(self.unsupported("encryption".to_owned()));
        }
        let shown = format!("{}:{}.npy", self.source.shown(), entry.name);
        let damaged = |damage| ArrayFileError::Damaged { file: shown.clone(), damage };
        let plain = Plain { file: temporary_file(temp)?, crc: Crc::new(), n_bytes: 0, n_bytes_max: entry.plain_bytes };
        let mut decoder = DeflateDecoder::new(plain);
        let failed = |error: io::Error| match error.downcast::<TooLong>() {
            Ok(_) => damaged(FileDamage::Description {
                part: "directory",
                problem: "the array is longer than it says".to_owned(),
            }),
            Err(error) if error.raw_os_error().is_some() => {
                StorageError::Io { operation: "unpack", path: shown.clone().into(), source: error }.into()
            }
            Err(error) => damaged(FileDamage::Decode { codec: "deflate", problem: error.to_string() }),
        };
        let mut at = start;
        let end = start + entry.stored_bytes;
        while at < end {
            let next = end.min(at + INFLATE_BYTES);
            decoder.write_all(&self.source.read(at..next).await?).map_err(failed)?;
            at = next;
        }
        let plain = decoder.finish().map_err(failed)?;
        if plain.n_bytes != entry.plain_bytes {
            let (expected_bytes, found_bytes) = (entry.plain_bytes, plain.n_bytes);
            return Err(damaged(FileDamage::Truncated { expected_bytes, found_bytes }));
        }
        if plain.crc.sum() != entry.crc {
            return Err(damaged(FileDamage::Checksum { codec: "CRC-32" }));
        }
        Ok(Source::temporary(shown, plain.file, entry.plain_bytes))
    }

    fn unsupported(&self, what: String) -> ArrayFileError {
        let remedy = "Write the file again with NumPy's `savez` or `savez_compressed`";
        ArrayFileError::Unsupported { file: self.source.shown().to_owned(), what, remedy }
    }
}

/// Where an array is unpacked to; takes no more bytes than the directory says.
struct Plain {
    file: std::fs::File,
    crc: Crc,
    n_bytes: u64,
    n_bytes_max: u64,
}

/// More bytes came out than the directory says.
#[derive(Debug, thiserror::Error)]
#[error("longer than the directory says")]
struct TooLong;

impl Write for Plain {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() as u64 > self.n_bytes_max - self.n_bytes {
            return Err(io::Error::other(TooLong));
        }
        let n = self.file.write(bytes)?;
        self.crc.update(&bytes[..n]);
        self.n_bytes += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
