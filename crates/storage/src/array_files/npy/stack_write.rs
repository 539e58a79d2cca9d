//! Writing a folder of npy files as Dask's `to_npy_stack` does.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

use crate::array_files::element_type::ElementType;
use crate::array_files::error::{ArrayFileError, ArrayFileResult, LayoutProblem};
use crate::array_files::memory::{check_length, with_capacity};
use crate::array_files::npy::{header, info};
use crate::array_files::region::{Region, n_bytes};
use crate::array_files::zarr::Tree;
use crate::location::Location;
use crate::stores::Stores;

/// A new folder of npy files that are one array along axis 0, written in any order. On a local disk it appears all at once
/// when it is finished; in a remote store its files appear as they are written, and `info`, which makes them one array, when
/// it is finished. Dropped before that it leaves nothing behind.
#[derive(Debug)]
pub struct NpyStackWriter {
    tree: Tree,
    shown: String,
    element: ElementType,
    shape: Vec<u64>,
    /// The extent of each file along axis 0.
    extents: Vec<u64>,
    written_bytes: AtomicU64,
}

impl NpyStackWriter {
    /// Begins a folder at `location`, where there must be nothing, or an empty folder, for an array of `shape` in files of
    /// these `extents` along axis 0.
    ///
    /// # Errors
    /// [`ArrayFileError::InvalidLayout`] for an array without axes, files that do not add up to it, or if something is there
    /// already; [`ArrayFileError::Storage`]: the policy, or what stands there.
    pub async fn create(
        stores: &Arc<Stores>,
        location: &Location,
        element: ElementType,
        shape: &[u64],
        extents: &[u64],
    ) -> ArrayFileResult<Self> {
        let shown = location.to_string();
        let invalid = |problem| ArrayFileError::InvalidLayout { array: shown.clone(), problem };
        let sum = extents.iter().try_fold(0_u64, |sum, extent| sum.checked_add(*extent));
        if shape.is_empty() || sum != shape.first().copied() {
            return Err(invalid(LayoutProblem::Extents));
        }
        n_bytes(shape, element.size_bytes()).ok_or_else(|| invalid(LayoutProblem::HugeArray))?;
        let tree = Tree::begin(stores, location).await?;
        let (shape, extents, written_bytes) = (shape.to_vec(), extents.to_vec(), AtomicU64::new(0));
        Ok(Self { tree, shown, element, shape, extents, written_bytes })
    }

    /// Writes the file at `index`, once: its elements in C order and the byte order of this machine.
    ///
    /// # Errors
    /// [`ArrayFileError::InvalidLayout`] if there is no such file, [`ArrayFileError::WrongLength`],
    /// [`ArrayFileError::TooLarge`], [`ArrayFileError::Storage`].
    pub async fn write_file(&self, index: usize, bytes: impl Into<Bytes>) -> ArrayFileResult<()> {
        let mut shape = self.shape.clone();
        let extent = self.extents.get(index).copied();
        let n_files = self.extents.len();
        let no_such = || {
            let problem = LayoutProblem::NoSuchChunk { index: index.to_string(), n_chunks: n_files.to_string() };
            ArrayFileError::InvalidLayout { array: self.shown.clone(), problem }
        };
        shape[0] = extent.ok_or_else(no_such)?;
        let (bytes, name) = (bytes.into(), format!("{index}.npy"));
        let shown = format!("{}/{name}", self.shown.trim_end_matches('/'));
        check_length(&shown, &Region::whole(&shape), self.element.size_bytes(), bytes.len())?;
        let (header, _) = header(&shown, self.element, &shape)?;
        let needed_bytes = header.len().saturating_add(bytes.len());
        let too_large = || ArrayFileError::TooLarge {
            array: shown.clone(),
            what: "a file".to_owned(),
            needed_bytes: Some(needed_bytes),
        };
        let mut file = with_capacity(needed_bytes).ok_or_else(too_large)?;
        file.extend_from_slice(&header);
        let start = file.len();
        file.extend_from_slice(&bytes);
        self.element.swap_to_native(&mut file[start..]);
        self.tree.put(name, file).await?;
        self.written_bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    /// Shows the folder.
    ///
    /// # Errors
    /// [`ArrayFileError::Incomplete`] if files are missing, [`ArrayFileError::Storage`]. Nothing is left of it then.
    pub async fn finish(self) -> ArrayFileResult<()> {
        let total_bytes = n_bytes(&self.shape, self.element.size_bytes()).unwrap_or(usize::MAX) as u64;
        let written_bytes = self.written_bytes.into_inner();
        if written_bytes != total_bytes {
            return Err(ArrayFileError::Incomplete { array: self.shown, written_bytes, total_bytes });
        }
        let others = self.shape[1..].iter().map(|len| vec![*len]);
        let chunks: Vec<Vec<u64>> = std::iter::once(self.extents).chain(others).collect();
        self.tree.put(info::NAME.to_owned(), info::write(&chunks, &self.element.to_numpy())).await?;
        self.tree.finish(Vec::new()).await
    }
}
