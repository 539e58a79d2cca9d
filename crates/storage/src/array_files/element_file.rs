//! The elements of one array in a file that is being written.

use std::borrow::Cow;
use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::array_files::element_type::ElementType;
use crate::array_files::error::{ArrayFileError, ArrayFileResult};
use crate::array_files::memory::{check_length, check_region};
use crate::array_files::positioned::write_at;
use crate::array_files::region::Region;
use crate::array_files::runs::Runs;
use crate::error::StorageError;

/// A part of a file that holds the elements of an array in C order, written region by region, from any thread.
#[derive(Debug)]
pub(crate) struct ElementFile {
    shown: String,
    file: Arc<File>,
    offset: u64,
    element: ElementType,
    shape: Vec<u64>,
    total_bytes: u64,
    written_bytes: AtomicU64,
}

impl ElementFile {
    /// The `total_bytes` of an array of `shape`, from `offset` on. Makes the file that long.
    ///
    /// # Errors
    /// [`ArrayFileError::Storage`].
    pub(crate) fn new(
        shown: String,
        file: Arc<File>,
        offset: u64,
        element: ElementType,
        (shape, total_bytes): (&[u64], u64),
    ) -> ArrayFileResult<Self> {
        let this =
            Self { shown, file, offset, element, shape: shape.to_vec(), total_bytes, written_bytes: AtomicU64::new(0) };
        this.file.set_len(offset + total_bytes).map_err(|error| this.io_error(error))?;
        Ok(this)
    }

    /// Writes `bytes`, in C order and the byte order of this machine, to `region`.
    ///
    /// # Errors
    /// [`ArrayFileError::OutsideOfArray`], [`ArrayFileError::WrongLength`], [`ArrayFileError::Storage`].
    pub(crate) fn write(&self, region: &Region, bytes: &[u8]) -> ArrayFileResult<()> {
        check_region(&self.shown, &self.shape, region)?;
        check_length(&self.shown, region, self.element.size_bytes(), bytes.len())?;
        if bytes.is_empty() {
            return Ok(());
        }
        let mut stored = Cow::Borrowed(bytes);
        if self.element != self.element.native() {
            self.element.swap_to_native(stored.to_mut());
        }
        let runs = Runs::new(&self.shape, region, self.element.size_bytes());
        for (run, bytes) in runs.clone().zip(stored.chunks_exact(runs.run_bytes())) {
            write_at(&self.file, bytes, self.offset + run).map_err(|error| self.io_error(error))?;
        }
        self.written_bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    /// Checks that as many bytes were written as there are.
    ///
    /// # Errors
    /// [`ArrayFileError::Incomplete`].
    pub(crate) fn check_complete(&self) -> ArrayFileResult<()> {
        let (written_bytes, total_bytes) = (self.written_bytes.load(Ordering::Relaxed), self.total_bytes);
        if written_bytes >= total_bytes {
            return Ok(());
        }
        Err(ArrayFileError::Incomplete { array: self.shown.clone(), written_bytes, total_bytes })
    }

    fn io_error(&self, source: io::Error) -> ArrayFileError {
        StorageError::Io { operation: "write", path: self.shown.clone().into(), source }.into()
    }
}
