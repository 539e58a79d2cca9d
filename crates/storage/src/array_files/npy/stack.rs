//! Several npy files that are one array: those of a pattern, or a folder as Dask's `to_npy_stack` writes it.

use std::sync::Arc;

use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;

use crate::array_files::boxes::copy_box;
use crate::array_files::element_type::ElementType;
use crate::array_files::error::{ArrayFileError, ArrayFileResult, FileDamage, LayoutProblem, Shape};
use crate::array_files::memory::{check_region, zeroed};
use crate::array_files::npy::NpyFile;
use crate::array_files::npy::info::{self, Info};
use crate::array_files::region::Region;
use crate::array_files::source::Source;
use crate::error::StorageError;
use crate::listing::{Listing, ListingKind};
use crate::location::Location;
use crate::stores::Stores;

/// How many files are opened, or read, at once.
const N_FILES_AT_ONCE: usize = 8;

/// npy files that are one array together, one behind the other along an axis. Cheap to clone.
///
/// The headers of all files are read when it is opened, elements of those files alone that a region touches.
#[derive(Debug, Clone)]
pub struct NpyStack {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    shown: String,
    files: Vec<NpyFile>,
    /// Where each file begins along the axis.
    starts: Vec<u64>,
    axis: usize,
    shape: Vec<u64>,
    element: ElementType,
}

impl NpyStack {
    /// Opens the files that `location` stands for, one behind the other along `axis`.
    ///
    /// Those of a pattern (`parts/*.npy`) come in the order of their names, along axis 0 if none is given. A folder holds
    /// `0.npy`, `1.npy` and so on, which come in the order of their numbers, and `info`, which says the axis if none is given;
    /// without `info` it is axis 0.
    ///
    /// # Errors
    /// [`ArrayFileError::Misfit`] for a file whose elements or other axes are not those of the first,
    /// [`ArrayFileError::NoSuchAxis`], [`ArrayFileError::Unsupported`] for an `info` or other npy files that Dask does not
    /// write; as [`NpyFile::open`] and [`Stores::list`].
    pub async fn open(stores: &Stores, location: &Location, axis: Option<usize>) -> ArrayFileResult<Self> {
        let listing = stores.list(location).await?;
        let (paths, said) = match listing.kind {
            ListingKind::Folder => in_folder(stores, location, &listing, axis).await?,
            _ => (listing.files.iter().map(|file| file.location.clone()).collect(), None),
        };
        let opened = paths.into_iter().map(|path| async move { NpyFile::open(stores, &location.listed(&path)).await });
        // Collected: a future that holds the closure above cannot be seen to be `Send`.
        let opened: Vec<_> = opened.collect();
        let files: Vec<NpyFile> = futures::stream::iter(opened).buffered(N_FILES_AT_ONCE).try_collect().await?;
        Self::of(location.to_string(), files, axis.or(said).unwrap_or(0))
    }

    fn of(shown: String, files: Vec<NpyFile>, axis: usize) -> ArrayFileResult<Self> {
        // A listing has at least one file.
        let first = files.first().ok_or_else(|| StorageError::NoMatch { location: shown.clone() })?;
        let (mut shape, element) = (first.shape().to_vec(), first.element().native());
        if axis >= shape.len() {
            return Err(ArrayFileError::NoSuchAxis { file: first.shown().to_owned(), axis, n_axes: shape.len() });
        }
        let (mut starts, mut len) = (Vec::with_capacity(files.len()), 0_u64);
        for file in &files {
            let own = file.shape().get(axis).copied().unwrap_or_default();
            let mut as_first = file.shape().to_vec();
            if let Some(len) = as_first.get_mut(axis) {
                *len = shape[axis];
            }
            if as_first != shape || file.element().native() != element {
                let form = |shape: &[u64], element: ElementType| format!("{element} of shape {}", Shape(shape));
                return Err(ArrayFileError::Misfit {
                    file: file.shown().to_owned(),
                    found: form(file.shape(), file.element().native()),
                    first: first.shown().to_owned(),
                    expected: form(&shape, element),
                });
            }
            starts.push(len);
            let huge = || ArrayFileError::InvalidLayout { array: shown.clone(), problem: LayoutProblem::HugeArray };
            len = len.checked_add(own).ok_or_else(huge)?;
        }
        shape[axis] = len;
        Ok(Self { inner: Arc::new(Inner { shown, files, starts, axis, shape, element }) })
    }

    /// The extent of each axis of the whole.
    pub fn shape(&self) -> &[u64] {
        &self.inner.shape
    }

    /// The type of the elements, in the byte order of this machine.
    pub fn element(&self) -> ElementType {
        self.inner.element
    }

    /// The axis along which the files stand one behind the other.
    pub fn axis(&self) -> usize {
        self.inner.axis
    }

    /// The extent of each file along the axis.
    pub fn extents(&self) -> impl Iterator<Item = u64> + '_ {
        self.inner.files.iter().filter_map(|file| file.shape().get(self.inner.axis).copied())
    }

    /// The bytes of `region` in C order, each element in the byte order of this machine.
    ///
    /// Holds the region twice if it lies in several files, besides what [`NpyFile::read_region`] holds for up to 8 of them.
    ///
    /// # Errors
    /// As [`NpyFile::read_region`].
    pub async fn read_region(&self, region: &Region) -> ArrayFileResult<Vec<u8>> {
        let Inner { shown, axis, shape, element, .. } = &*self.inner;
        check_region(shown, shape, region)?;
        let touched: Vec<(&NpyFile, Region, u64)> = self.touched(region).collect();
        if let [(file, part, _)] = touched.as_slice() {
            return file.read_region(part).await;
        }
        let mut to = zeroed(shown, region, element.size_bytes())?;
        let parts = touched.into_iter().map(|(file, part, at)| async move {
            let bytes = file.read_region(&part).await?;
            Ok::<_, ArrayFileError>((bytes, part, at))
        });
        let parts: Vec<_> = parts.collect();
        let mut arriving = futures::stream::iter(parts).buffered(N_FILES_AT_ONCE);
        while let Some((bytes, part, at)) = arriving.try_next().await? {
            let mut start = vec![0; shape.len()];
            start[*axis] = at;
            let whole = Region::whole(part.shape());
            copy_box((&bytes, part.shape()), &whole, (&mut to, region.shape()), &start, element.size_bytes());
        }
        Ok(to)
    }

    /// The files that hold elements of `region`: which part of each, and where along the axis that is in the region.
    fn touched<'a>(&'a self, region: &'a Region) -> impl Iterator<Item = (&'a NpyFile, Region, u64)> {
        let Inner { files, starts, axis, .. } = &*self.inner;
        let (start, end) = (region.start()[*axis], region.start()[*axis] + region.shape()[*axis]);
        // The last file that begins before the region does, or at its start.
        let first = starts.partition_point(|other| *other <= start).saturating_sub(1);
        files.iter().zip(starts).skip(first).take_while(move |(_, at)| **at < end).filter_map(move |(file, at)| {
            let (from, to) = (start.max(*at), end.min(at + file.shape()[*axis]));
            (from < to && !region.is_empty()).then(|| (file, region.along(*axis, from - at, to - from), from - start))
        })
    }
}

/// The files of a folder in their order, and the axis that its `info` says.
async fn in_folder(
    stores: &Stores,
    location: &Location,
    listing: &Listing,
    axis: Option<usize>,
) -> ArrayFileResult<(Vec<Path>, Option<usize>)> {
    let unsupported = |what, remedy| ArrayFileError::Unsupported { file: location.to_string(), what, remedy };
    let mut numbered = Vec::new();
    let mut described = None;
    // Folders in it are none of its files.
    let n_parts = listing.base.parts_count() + 1;
    for file in listing.files.iter().filter(|file| file.location.parts_count() == n_parts) {
        let Some(name) = file.location.filename() else { continue };
        match name.strip_suffix(".npy") {
            Some(stem) => match stem.parse::<u64>() {
                Ok(number) => numbered.push((number, file.location.clone())),
                Err(_) => {
                    let remedy = "Name the files of one array by a pattern, such as 'folder/*.npy'";
                    return Err(unsupported(format!("`{name}` in a folder of numbered npy files"), remedy));
                }
            },
            None if name == info::NAME => described = Some(file.clone()),
            None => {}
        }
    }
    if numbered.is_empty() {
        let remedy = "Name a folder that holds 0.npy, 1.npy and so on";
        return Err(unsupported("a folder without npy files".to_owned(), remedy));
    }
    numbered.sort_unstable();
    // A file that was left out on the way would be an array with rows missing.
    if let Some((number, _)) = (0_u64..).zip(&numbered).find(|(number, (own, _))| number != own) {
        let remedy = "Name a folder that holds every file from 0.npy on once";
        return Err(unsupported(format!("a folder of npy files without `{number}.npy`"), remedy));
    }
    let mut said = None;
    if let Some(file) = described {
        let source = Source::open(stores, &location.listed(&file.location)).await?;
        let (bytes, bytes_max) = (source.size_bytes(), info::BYTES_MAX);
        if bytes > bytes_max {
            return Err(source.damaged(FileDamage::LongDescription { part: "info", bytes, bytes_max }));
        }
        let remedy = "Say along which axis the files stand, WITH (axis => 0)";
        match info::read(&source.read(0..bytes).await?) {
            Some(Info { n_files: Some(n_files), .. }) if n_files != numbered.len() => {
                let remedy = "Bring the files back, or remove info for an array of those that are there";
                let what = format!("a folder of {} npy files whose info is of {n_files}", numbered.len());
                return Err(unsupported(what, remedy));
            }
            Some(Info { axis, .. }) => said = Some(axis),
            None if axis.is_none() => return Err(unsupported("an info that Dask did not write".to_owned(), remedy)),
            None => {}
        }
    }
    Ok((numbered.into_iter().map(|(_, path)| path).collect(), said))
}
