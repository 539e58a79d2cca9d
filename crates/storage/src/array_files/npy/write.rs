//! Writing npy files, region by region.

use std::io;
use std::sync::Arc;

use bytes::Bytes;

use crate::array_files::destination::Destination;
use crate::array_files::element_file::ElementFile;
use crate::array_files::element_type::ElementType;
use crate::array_files::error::{ArrayFileError, ArrayFileResult, LayoutProblem};
use crate::array_files::npy::Header;
use crate::array_files::positioned::write_at;
use crate::array_files::region::{Region, n_bytes};
use crate::error::StorageError;
use crate::location::Location;
use crate::stores::Stores;
use crate::temp_folder::TempFolder;
use crate::waiting::{block_on, unblock};

/// A new npy file in C order, whose regions are written in any order and by any number of threads. It appears, all at once,
/// when it is finished; dropped before that it leaves nothing behind, and a file that was there stays.
#[derive(Debug)]
pub struct NpyWriter {
    destination: Destination,
    elements: Arc<ElementFile>,
}

impl NpyWriter {
    /// Begins the file at `location`. On its way to a remote store it lies in `temp`.
    ///
    /// # Errors
    /// [`ArrayFileError::Storage`]: the policy, or what stands there; [`ArrayFileError::InvalidLayout`] for an array of
    /// more bytes than can be counted.
    pub fn create(
        stores: &Arc<Stores>,
        location: &Location,
        temp: &TempFolder,
        element: ElementType,
        shape: &[u64],
    ) -> ArrayFileResult<Self> {
        let destination = Destination::begin(stores, location, temp)?;
        let shown = destination.shown();
        let (header, total_bytes) = header(&shown, element, shape)?;
        write_at(destination.file(), &header, 0).map_err(|error| io_error(&shown, error))?;
        let (file, offset) = (Arc::clone(destination.file()), header.len() as u64);
        let elements = ElementFile::new(shown, file, offset, element, (shape, total_bytes))?;
        Ok(Self { destination, elements: Arc::new(elements) })
    }

    /// Writes `bytes`, in C order and the byte order of this machine, to `region`. Each region is to be written once.
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

    /// Shows the file.
    ///
    /// # Errors
    /// [`ArrayFileError::Incomplete`] if regions are missing, [`ArrayFileError::Storage`]. Nothing is left of the file then.
    pub async fn finish(self) -> ArrayFileResult<()> {
        self.elements.check_complete()?;
        drop(self.elements);
        self.destination.commit().await
    }

    /// The blocking form of [`finish`](Self::finish).
    ///
    /// # Errors
    /// As [`finish`](Self::finish).
    pub fn finish_blocking(self) -> ArrayFileResult<()> {
        block_on(self.finish())
    }
}

/// The header of a file in C order, and the bytes of its elements.
pub(crate) fn header(array: &str, element: ElementType, shape: &[u64]) -> ArrayFileResult<(Vec<u8>, u64)> {
    let invalid = |problem| ArrayFileError::InvalidLayout { array: array.to_owned(), problem };
    let total_bytes = n_bytes(shape, element.size_bytes()).ok_or_else(|| invalid(LayoutProblem::HugeArray))?;
    let header = Header { element, is_fortran: false, shape: shape.to_vec() };
    Ok((header.to_bytes(), total_bytes as u64))
}

fn io_error(shown: &str, source: io::Error) -> ArrayFileError {
    StorageError::Io { operation: "write", path: shown.into(), source }.into()
}
