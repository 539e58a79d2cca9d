//! Reading npy files, whole or by regions.

use std::sync::Arc;

use crate::array_files::boxes::transpose;
use crate::array_files::element_type::ElementType;
use crate::array_files::error::{ArrayFileError, ArrayFileResult, FileDamage};
use crate::array_files::memory::{check_length, check_region, zeroed};
use crate::array_files::npy::header::{Header, HeaderError, read_prefix};
use crate::array_files::region::{Region, n_bytes};
use crate::array_files::runs::Runs;
use crate::array_files::source::Source;
use crate::location::Location;
use crate::stores::Stores;
use crate::waiting::block_on;

/// Nearly all headers have 128 bytes, so one request brings one.
const FIRST_BYTES: u64 = 256;

/// An array in an npy file, or in a member of an npz file. Cheap to clone.
///
/// Holds no open file: each read opens it again, and finds out if it was changed meanwhile.
///
/// ```
/// use std::sync::Arc;
/// use dolmen_storage::{
///     ArrayFileError, ElementType, Location, NpyFile, NpyWriter, Region, Stores, StoresConfig, TempFolder,
/// };
///
/// # fn main() -> Result<(), ArrayFileError> {
/// # let dir = tempfile::tempdir().expect("a temporary folder");
/// # let text = dir.path().join("x.npy").display().to_string();
/// let (stores, temp) = (Arc::new(Stores::new(StoresConfig::default())?), TempFolder::new(None));
/// let (location, bytes) = (Location::parse(&text)?, ElementType::from_name("uint8").expect("a type"));
/// let writer = NpyWriter::create(&stores, &location, &temp, bytes, &[2, 3])?;
/// writer.write_region_blocking(&Region::whole(&[2, 3]), &[1, 2, 3, 4, 5, 6])?;
/// writer.finish_blocking()?;
///
/// let mut column = [0; 2];
/// let file = NpyFile::open_blocking(&stores, &location)?;
/// file.read_region_blocking(&Region::new(vec![0, 1], vec![2, 1]), &mut column)?;
/// assert_eq!(column, [2, 5]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct NpyFile {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    source: Source,
    header: Header,
    data_start: u64,
}

impl NpyFile {
    /// Reads the header of the file at `location`.
    ///
    /// # Errors
    /// [`ArrayFileError::Storage`] if there is no such file or no access to it, [`ArrayFileError::Damaged`] if it is no
    /// npy file or shorter than its header says, [`ArrayFileError::ElementType`] for types that arrays cannot have.
    pub async fn open(stores: &Stores, location: &Location) -> ArrayFileResult<Self> {
        let source = Source::open(stores, location).await?;
        let end = source.size_bytes();
        Self::open_part(source, 0, end).await
    }

    /// The blocking form of [`open`](Self::open).
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_blocking(stores: &Stores, location: &Location) -> ArrayFileResult<Self> {
        block_on(Self::open(stores, location))
    }

    /// Reads the header of an npy file that lies in another one, from `start` to `end`.
    pub(crate) async fn open_part(source: Source, start: u64, end: u64) -> ArrayFileResult<Self> {
        let failed = |error| match error {
            HeaderError::Damaged(damage) => source.damaged(damage),
            HeaderError::ElementType(error) => {
                ArrayFileError::ElementType { file: source.shown().to_owned(), source: error }
            }
        };
        let first = source.read(start..end.min(start + FIRST_BYTES)).await?;
        let prefix = read_prefix(&first).map_err(failed)?;
        let data_start = start + prefix.data_start;
        let truncated = |expected_bytes: u64| {
            let (expected_bytes, found_bytes) = (expected_bytes.saturating_sub(start), end - start);
            source.damaged(FileDamage::Truncated { expected_bytes, found_bytes })
        };
        if data_start > end {
            return Err(truncated(data_start));
        }
        let text = match first.get(prefix.text_start as usize..prefix.data_start as usize) {
            Some(_) => first.slice(prefix.text_start as usize..prefix.data_start as usize),
            None => source.read(start + prefix.text_start..data_start).await?,
        };
        let header = Header::parse(&text).map_err(failed)?;
        let data_bytes = n_bytes(&header.shape, header.element.size_bytes()).map_or(u64::MAX, |n| n as u64);
        if data_bytes > end - data_start {
            return Err(truncated(data_start.saturating_add(data_bytes)));
        }
        Ok(Self { inner: Arc::new(Inner { source, header, data_start }) })
    }

    pub(crate) fn shown(&self) -> &str {
        self.inner.source.shown()
    }

    /// The extent of each axis.
    pub fn shape(&self) -> &[u64] {
        &self.inner.header.shape
    }

    /// The type of the elements, in the byte order of the file.
    pub fn element(&self) -> ElementType {
        self.inner.header.element
    }

    /// Whether the first axis is the one whose neighbours lie beside each other in the file (Fortran order), instead of
    /// the last (C order). Cuts along the other axes read the fewest bytes then.
    pub fn is_fortran(&self) -> bool {
        self.inner.header.is_fortran
    }

    /// The bytes of `region` in C order, each element in the byte order of this machine.
    ///
    /// Reads the bytes between the region's first and last where that is cheaper than leaving out those that do not
    /// belong to it. Holds the region once, or twice if the file is in Fortran order, and at most 64 MiB besides.
    ///
    /// # Errors
    /// [`ArrayFileError::OutsideOfArray`], [`ArrayFileError::TooLarge`], [`ArrayFileError::Changed`] if the file was
    /// replaced since it was opened, [`ArrayFileError::Storage`].
    pub async fn read_region(&self, region: &Region) -> ArrayFileResult<Vec<u8>> {
        let stored = self.stored(region)?;
        let to = zeroed(self.inner.source.shown(), region, self.element().size_bytes())?;
        let mut read = self.inner.source.read_runs(self.inner.data_start, stored, to).await?;
        self.element().swap_to_native(&mut read);
        if !self.must_turn(region) {
            return Ok(read);
        }
        let mut to = zeroed(self.inner.source.shown(), region, self.element().size_bytes())?;
        self.turn(region, &read, &mut to);
        Ok(to)
    }

    /// The blocking form of [`read_region`](Self::read_region): fills `to`, which has the bytes of the region.
    ///
    /// # Errors
    /// As [`read_region`](Self::read_region), and [`ArrayFileError::WrongLength`].
    pub fn read_region_blocking(&self, region: &Region, to: &mut [u8]) -> ArrayFileResult<()> {
        let Inner { source, data_start, .. } = &*self.inner;
        let (stored, size_bytes) = (self.stored(region)?, self.element().size_bytes());
        check_length(source.shown(), region, size_bytes, to.len())?;
        if !self.must_turn(region) {
            source.read_runs_blocking(*data_start, stored, to)?;
            self.element().swap_to_native(to);
            return Ok(());
        }
        let mut read = zeroed(source.shown(), region, size_bytes)?;
        source.read_runs_blocking(*data_start, stored, &mut read)?;
        self.element().swap_to_native(&mut read);
        self.turn(region, &read, to);
        Ok(())
    }

    /// Where the bytes of `region` lie behind the header.
    fn stored(&self, region: &Region) -> ArrayFileResult<Runs> {
        let Header { shape, element, is_fortran } = &self.inner.header;
        check_region(self.inner.source.shown(), shape, region)?;
        if !is_fortran {
            return Ok(Runs::new(shape, region, element.size_bytes()));
        }
        // An array in Fortran order is one in C order whose axes are reversed.
        let shape: Vec<u64> = shape.iter().rev().copied().collect();
        Ok(Runs::new(&shape, &region.reversed(), element.size_bytes()))
    }

    /// Whether what is read is not in C order. With one axis of any extent both orders are the same.
    fn must_turn(&self, region: &Region) -> bool {
        self.is_fortran() && region.shape().iter().filter(|&&extent| extent != 1).count() > 1
    }

    fn turn(&self, region: &Region, read: &[u8], to: &mut [u8]) {
        let axes: Vec<usize> = (0..region.shape().len()).rev().collect();
        transpose(read, region.reversed().shape(), &axes, to, self.element().size_bytes());
    }
}
