//! The objects below a Zarr array or group.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use object_store::path::{Path, PathPart};
use object_store::{GetOptions, GetRange, ObjectStore, ObjectStoreExt};
use serde_json::Value;

use crate::array_files::error::{ArrayFileError, ArrayFileResult, FileDamage};
use crate::array_files::zarr::json;
use crate::array_files::zarr::metadata::MetadataError;
use crate::error::StorageError;
use crate::location::{Location, StoreKind};
use crate::stores::Stores;

/// The longest metadata that is read: consolidated metadata describe some ten thousand arrays.
const METADATA_BYTES_MAX: u64 = 64 << 20;

/// A folder in a store.
#[derive(Debug, Clone)]
pub(crate) struct Objects {
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) root: Path,
    /// The folder as the user named it.
    pub(crate) shown: String,
    pub(crate) kind: StoreKind,
}

impl Objects {
    /// The folder of `location`.
    ///
    /// # Errors
    /// [`ArrayFileError::Storage`] if there is no access to it.
    pub(crate) fn open(stores: &Stores, location: &Location) -> ArrayFileResult<Self> {
        let root = location.require_path()?.clone();
        let store = stores.resolve(location)?.store;
        Ok(Self { store, root, shown: location.to_string(), kind: location.store().kind() })
    }

    /// The folder `name` in this one, where `name` may have several parts.
    pub(crate) fn below(&self, name: &str) -> Self {
        let parts = name.split('/').filter(|part| !part.is_empty()).map(PathPart::from);
        let root = parts.fold(self.root.clone(), |root, part| root.join(part));
        Self { root, shown: self.name_of(name), ..self.clone() }
    }

    /// An object in this folder, as the user may name it.
    pub(crate) fn name_of(&self, key: &str) -> String {
        format!("{}/{key}", self.shown.trim_end_matches('/'))
    }

    /// The path of an object in this folder.
    pub(crate) fn path(&self, key: &str) -> Path {
        key.split('/').fold(self.root.clone(), |path, part| path.join(PathPart::from(part)))
    }

    /// All bytes of an object, or some of them; and how long all of it is. `None` if it is not there.
    ///
    /// # Errors
    /// [`ArrayFileError::Storage`].
    pub(crate) async fn get(&self, key: &str, range: Option<GetRange>) -> ArrayFileResult<Option<(Bytes, u64)>> {
        let options = GetOptions { range, ..GetOptions::default() };
        match self.store.get_opts(&self.path(key), options).await {
            Ok(got) => {
                let size = got.meta.size;
                let bytes = got.bytes().await.map_err(|error| self.failed(key, error))?;
                Ok(Some((bytes, size)))
            }
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.failed(key, error)),
        }
    }

    /// How long an object is; `None` if it is not there.
    ///
    /// # Errors
    /// [`ArrayFileError::Storage`].
    pub(crate) async fn size(&self, key: &str) -> ArrayFileResult<Option<u64>> {
        match self.store.head(&self.path(key)).await {
            Ok(meta) => Ok(Some(meta.size)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.failed(key, error)),
        }
    }

    /// Several parts of an object that is there.
    ///
    /// # Errors
    /// [`ArrayFileError::Storage`].
    pub(crate) async fn get_ranges(&self, key: &str, ranges: &[Range<u64>]) -> ArrayFileResult<Vec<Bytes>> {
        self.store.get_ranges(&self.path(key), ranges).await.map_err(|error| self.failed(key, error))
    }

    /// A JSON document; `None` if it is not there.
    ///
    /// # Errors
    /// [`ArrayFileError::Damaged`], [`ArrayFileError::Storage`].
    pub(crate) async fn document(&self, key: &str) -> ArrayFileResult<Option<Value>> {
        let range = Some(GetRange::Bounded(0..METADATA_BYTES_MAX));
        // Servers refuse ranges of an empty file.
        let range = range.filter(|_| self.kind != StoreKind::Http);
        let Some((text, bytes)) = self.get(key, range).await? else { return Ok(None) };
        if bytes > METADATA_BYTES_MAX {
            let damage = FileDamage::LongDescription { part: "metadata", bytes, bytes_max: METADATA_BYTES_MAX };
            return Err(ArrayFileError::Damaged { file: self.name_of(key), damage });
        }
        let parsed = json::parse(&text).map_err(|problem| MetadataError::Damaged(problem).of(self.name_of(key)));
        parsed.map(Some)
    }

    pub(crate) fn failed(&self, key: &str, error: object_store::Error) -> ArrayFileError {
        StorageError::from_object_store(self.name_of(key), error).into()
    }
}
