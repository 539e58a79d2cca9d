//! Writing npz files.

use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;

use bytes::Bytes;
use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};

use crate::array_files::destination::{Destination, temporary_file};
use crate::array_files::element_file::ElementFile;
use crate::array_files::element_type::ElementType;
use crate::array_files::error::{ArrayFileError, ArrayFileResult, LayoutProblem};
use crate::array_files::npy;
use crate::array_files::npz::zip::{Entry, Method, write_directory};
use crate::array_files::positioned::{read_at, write_at};
use crate::array_files::region::Region;
use crate::error::StorageError;
use crate::location::Location;
use crate::stores::Stores;
use crate::temp_folder::TempFolder;
use crate::waiting::{block_on, unblock};

/// How much of an array is in memory at once when the file is put together.
const COPY_BYTES: u64 = 1 << 20;

/// A new npz file: named arrays whose regions are written in any order. It appears, all at once, when it is finished;
/// dropped before that it leaves nothing behind, and a file that was there stays.
///
/// Without compression arrays are written where they will lie, so that they can be read by regions. With it they wait in
/// a temporary folder until the file is finished, and are compressed then, one after the other.
#[derive(Debug)]
pub struct NpzWriter {
    destination: Destination,
    /// Where arrays that will be compressed wait.
    members: Vec<Member>,
    is_compressed: bool,
    /// Where the next member begins.
    end: u64,
}

#[derive(Debug)]
struct Member {
    entry: Entry,
    /// The npy file: in the archive, or in a file of its own if it will be compressed.
    file: Arc<File>,
    start: u64,
    elements: Arc<ElementFile>,
}

/// One array of an [`NpzWriter`], to be written from any thread.
#[derive(Debug, Clone)]
pub struct NpzMember {
    elements: Arc<ElementFile>,
}

impl NpzMember {
    /// Writes `bytes`, in C order and the byte order of this machine, to `region`. Each region is to be written once, and
    /// before the writer is finished.
    ///
    /// # Errors
    /// [`ArrayFileError::OutsideOfArray`], [`ArrayFileError::WrongLength`], [`ArrayFileError::Storage`].
    pub async fn write_region(&self, region: &Region, bytes: impl Into<Bytes>) -> ArrayFileResult<()> {
        let (elements, region, bytes) = (Arc::clone(&self.elements), region.clone(), bytes.into());
        unblock(move || elements.write(&region, &bytes)).await
    }

    /// The blocking form of [`write_region`](Self::write_region).
    ///
    /// # Errors
    /// As [`write_region`](Self::write_region).
    pub fn write_region_blocking(&self, region: &Region, bytes: &[u8]) -> ArrayFileResult<()> {
        self.elements.write(region, bytes)
    }
}

impl NpzWriter {
    /// Begins a file whose arrays are stored as they are, as by NumPy's `savez`. On its way to a remote store it lies in
    /// `temp`.
    ///
    /// # Errors
    /// [`ArrayFileError::Storage`]: the policy, or what stands there.
    pub fn create(stores: &Arc<Stores>, location: &Location, temp: &TempFolder) -> ArrayFileResult<Self> {
        let destination = Destination::begin(stores, location, temp)?;
        Ok(Self { destination, members: Vec::new(), is_compressed: false, end: 0 })
    }

    /// Begins a file whose arrays are compressed, as by NumPy's `savez_compressed`.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    pub fn create_compressed(stores: &Arc<Stores>, location: &Location, temp: &TempFolder) -> ArrayFileResult<Self> {
        Ok(Self { is_compressed: true, ..Self::create(stores, location, temp)? })
    }

    /// Adds an array of `shape`, in C order. Arrays that will be compressed wait in `temp`.
    ///
    /// # Errors
    /// [`ArrayFileError::InvalidLayout`] for a name that is empty, too long or there already, and for more bytes than can be
    /// counted; [`ArrayFileError::Storage`].
    pub fn add(
        &mut self,
        name: &str,
        element: ElementType,
        shape: &[u64],
        temp: &TempFolder,
    ) -> ArrayFileResult<NpzMember> {
        let file_name = format!("{name}.npy");
        let shown = format!("{}:{file_name}", self.destination.shown());
        let invalid = |problem| ArrayFileError::InvalidLayout { array: shown.clone(), problem };
        if name.is_empty() || u16::try_from(file_name.len()).is_err() || name.contains(['\\', '\0']) {
            return Err(invalid(LayoutProblem::MemberName(name.to_owned())));
        }
        if self.members.iter().any(|member| member.entry.name == file_name) {
            return Err(invalid(LayoutProblem::DuplicateMember(name.to_owned())));
        }
        let (header, data_bytes) = npy::header(&shown, element, shape)?;
        let plain_bytes = header.len() as u64 + data_bytes;
        let method = if self.is_compressed { Method::Deflated } else { Method::Stored };
        let entry = Entry {
            name: file_name,
            method,
            is_encrypted: false,
            crc: 0,
            stored_bytes: plain_bytes,
            plain_bytes,
            header_start: self.end,
        };
        let (file, start) = if self.is_compressed {
            (Arc::new(temporary_file(temp)?), 0)
        } else {
            let start = self.end + entry.member_header().len() as u64;
            self.end = start + plain_bytes;
            (Arc::clone(self.destination.file()), start)
        };
        write_at(&file, &header, start).map_err(|error| io_error(&shown, error))?;
        let data_start = start + header.len() as u64;
        let elements = ElementFile::new(shown, Arc::clone(&file), data_start, element, (shape, data_bytes))?;
        let elements = Arc::new(elements);
        self.members.push(Member { entry, file, start, elements: Arc::clone(&elements) });
        Ok(NpzMember { elements })
    }

    /// Compresses what is to be compressed, and shows the file.
    ///
    /// # Errors
    /// [`ArrayFileError::Incomplete`] if regions are missing, [`ArrayFileError::Storage`]. Nothing is left of the file then.
    pub async fn finish(self) -> ArrayFileResult<()> {
        for member in &self.members {
            member.elements.check_complete()?;
        }
        let Self { destination, members, end, .. } = self;
        let (file, shown) = (Arc::clone(destination.file()), destination.shown());
        unblock(move || put_together(&file, members, end).map_err(|error| io_error(&shown, error))).await?;
        destination.commit().await
    }

    /// The blocking form of [`finish`](Self::finish).
    ///
    /// # Errors
    /// As [`finish`](Self::finish).
    pub fn finish_blocking(self) -> ArrayFileResult<()> {
        block_on(self.finish())
    }
}

fn put_together(file: &Arc<File>, members: Vec<Member>, mut end: u64) -> io::Result<()> {
    let mut entries = Vec::with_capacity(members.len());
    for Member { mut entry, file: from, start, .. } in members {
        let range = start..start + entry.plain_bytes;
        if entry.method == Method::Deflated {
            entry.header_start = end;
            let data_start = end + entry.member_header().len() as u64;
            let to = DeflateEncoder::new(At { file, at: data_start }, Compression::default());
            let (crc, to) = copy(&from, range, to)?;
            entry.crc = crc;
            end = to.finish()?.at;
            entry.stored_bytes = end - data_start;
        } else {
            entry.crc = copy(&from, range, io::sink())?.0;
        }
        write_at(file, &entry.member_header(), entry.header_start)?;
        entries.push(entry);
    }
    write_at(file, &write_directory(&entries, end), end)
}

/// Copies part of a file, and tells its checksum.
fn copy<W: Write>(from: &File, range: std::ops::Range<u64>, mut to: W) -> io::Result<(u32, W)> {
    let mut crc = Crc::new();
    let mut bytes = vec![0; (range.end - range.start).min(COPY_BYTES) as usize];
    let mut at = range.start;
    while at < range.end {
        let n = (range.end - at).min(COPY_BYTES) as usize;
        read_at(from, &mut bytes[..n], at)?;
        crc.update(&bytes[..n]);
        to.write_all(&bytes[..n])?;
        at += n as u64;
    }
    Ok((crc.sum(), to))
}

/// Writes to a file from some place on.
struct At<'a> {
    file: &'a File,
    at: u64,
}

impl Write for At<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        write_at(self.file, bytes, self.at)?;
        self.at += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn io_error(shown: &str, source: io::Error) -> ArrayFileError {
    StorageError::Io { operation: "write", path: shown.into(), source }.into()
}
