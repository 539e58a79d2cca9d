//! Reading pictures, each when it is needed.

use std::sync::Arc;

use futures::{StreamExt, TryStreamExt};

use super::{Form, IMAGE_BYTES_MAX, Problem, decode, form};
use crate::array_files::boxes::copy_box;
use crate::array_files::element_type::ElementType;
use crate::array_files::error::{ArrayFileError, ArrayFileResult};
use crate::array_files::memory::{check_region, zeroed};
use crate::array_files::region::Region;
use crate::array_files::source::Source;
use crate::error::StorageError;
use crate::location::Location;
use crate::stores::Stores;
use crate::waiting::unblock;

/// How many pictures of a region are under way at once.
const N_FILES_AT_ONCE: usize = 4;

/// PNG and TIFF files that hold pictures of one size, as an array: files, height, width, and channels if there are several.
/// Cheap to clone.
///
/// The first file is read when they are opened; it says what all of them hold. Every read decodes whole pictures.
#[derive(Debug, Clone)]
pub struct ImageFiles {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    shown: String,
    files: Vec<Source>,
    /// What every picture is.
    form: Form,
    shape: Vec<u64>,
}

impl ImageFiles {
    /// Opens the files that `location` stands for, in the order of their names.
    ///
    /// # Errors
    /// [`ArrayFileError::Damaged`] if the first is neither PNG nor TIFF, [`ArrayFileError::Undecodable`],
    /// [`ArrayFileError::Unsupported`] for pictures of other forms, or of more than a gigabyte; as [`Stores::list`].
    pub async fn open(stores: &Stores, location: &Location) -> ArrayFileResult<Self> {
        let listing = stores.list(location).await?;
        let listed =
            |file: &object_store::ObjectMeta| Source::listed(stores, &location.listed(&file.location), file.size);
        let files: Vec<Source> = listing.files.iter().map(listed).collect::<ArrayFileResult<_>>()?;
        let shown = location.to_string();
        // A listing has at least one file.
        let first = files.first().ok_or_else(|| StorageError::NoMatch { location: shown.clone() })?;
        let bytes = read(first).await?;
        let found = unblock(move || form(&bytes)).await.map_err(|problem| problem.of(first.shown()))?;
        if found.n_bytes().is_none() {
            return Err(Problem::too_large().of(first.shown()));
        }
        let mut shape = vec![files.len() as u64];
        shape.extend(&found.shape);
        Ok(Self { inner: Arc::new(Inner { shown, files, form: found, shape }) })
    }

    /// The extent of each axis: files, height, width, and channels if there are several.
    pub fn shape(&self) -> &[u64] {
        &self.inner.shape
    }

    /// The type of the samples, in the byte order of this machine.
    pub fn element(&self) -> ElementType {
        self.inner.form.element
    }

    /// The samples of `region` in C order, each in the byte order of this machine.
    ///
    /// Holds, besides the region, up to 4 pictures and their files.
    ///
    /// # Errors
    /// [`ArrayFileError::Misfit`] for a picture that is not as the first one, [`ArrayFileError::OutsideOfArray`],
    /// [`ArrayFileError::TooLarge`]; as [`open`](Self::open).
    pub async fn read_region(&self, region: &Region) -> ArrayFileResult<Vec<u8>> {
        let Inner { shown, files, form, shape } = &*self.inner;
        check_region(shown, shape, region)?;
        let size_bytes = form.element.size_bytes();
        let mut to = zeroed(shown, region, size_bytes)?;
        if region.is_empty() {
            return Ok(to);
        }
        let (first, n_files) = (region.start()[0] as usize, region.shape()[0] as usize);
        let in_each = Region::new(region.start()[1..].to_vec(), region.shape()[1..].to_vec());
        let pictures: Vec<_> = files[first..first + n_files].iter().map(|file| self.picture(file)).collect();
        let mut arriving = futures::stream::iter(pictures).buffered(N_FILES_AT_ONCE);
        let place_bytes = to.len() / n_files;
        let mut places = to.chunks_exact_mut(place_bytes);
        while let (Some(picture), Some(place)) = (arriving.try_next().await?, places.next()) {
            let start = vec![0; form.shape.len()];
            copy_box((&picture, &form.shape), &in_each, (place, in_each.shape()), &start, size_bytes);
        }
        Ok(to)
    }

    /// All samples of one picture.
    async fn picture(&self, file: &Source) -> ArrayFileResult<Vec<u8>> {
        let (bytes, this) = (read(file).await?, self.clone());
        let decoded = unblock(move || decode(&bytes, &this.inner.form)).await;
        let (found, samples) = decoded.map_err(|problem| problem.of(file.shown()))?;
        let Inner { files, form, .. } = &*self.inner;
        if found == *form {
            return Ok(samples);
        }
        let first = files.first().map(|first| first.shown().to_owned()).unwrap_or_default();
        Err(ArrayFileError::Misfit { file: file.shown().to_owned(), found: found.text(), first, expected: form.text() })
    }
}

/// All bytes of a file.
async fn read(file: &Source) -> ArrayFileResult<bytes::Bytes> {
    if file.size_bytes() > IMAGE_BYTES_MAX as u64 {
        return Err(Problem::too_large().of(file.shown()));
    }
    file.read(0..file.size_bytes()).await
}
