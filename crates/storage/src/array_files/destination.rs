//! A new file that is written at any place in any order, and appears when it is complete.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt};
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};

use crate::array_files::error::{ArrayFileError, ArrayFileResult};
use crate::array_files::positioned::read_at;
use crate::atomic_output::AtomicOutput;
use crate::error::StorageError;
use crate::location::{Location, StoreKind};
use crate::stores::Stores;
use crate::temp_folder::TempFolder;
use crate::waiting::unblock;

/// Where a new file will be. Dropped without [`commit`](Self::commit) it leaves nothing behind.
#[derive(Debug)]
pub(crate) struct Destination {
    location: Location,
    file: Arc<File>,
    place: Place,
}

#[derive(Debug)]
enum Place {
    /// The file is written beside its place, and moved there.
    Local(AtomicOutput),
    /// Objects are written from the first byte to the last, so they are put together in a temporary file.
    Remote(Arc<Stores>),
}

impl Destination {
    /// Begins a file at `location`; `temp` holds what goes to a remote store.
    ///
    /// # Errors
    /// [`ArrayFileError::Storage`]: the policy, or what stands there.
    pub(crate) fn begin(stores: &Arc<Stores>, location: &Location, temp: &TempFolder) -> ArrayFileResult<Self> {
        location.require_path()?;
        let (file, place) = if location.store().kind() == StoreKind::Local {
            let output = stores.atomic_file(location)?;
            let path = output.path();
            let file = OpenOptions::new().read(true).write(true).open(&path);
            let file = file.map_err(|source| StorageError::Io { operation: "create", path, source })?;
            (file, Place::Local(output))
        } else {
            stores.check(location, crate::access::Operation::Write)?;
            (temporary_file(temp)?, Place::Remote(Arc::clone(stores)))
        };
        Ok(Self { location: location.clone(), file: Arc::new(file), place })
    }

    /// The file, to be written by place.
    pub(crate) fn file(&self) -> &Arc<File> {
        &self.file
    }

    /// What to call it in an error.
    pub(crate) fn shown(&self) -> String {
        self.location.to_string()
    }

    /// Shows the file.
    ///
    /// # Errors
    /// [`ArrayFileError::Storage`]. Nothing is left of the file then.
    pub(crate) async fn commit(self) -> ArrayFileResult<()> {
        match self.place {
            Place::Local(output) => {
                drop(self.file);
                Ok(unblock(move || output.commit()).await?)
            }
            Place::Remote(stores) => upload(&stores, &self.location, self.file).await,
        }
    }
}

/// A file of this session that has no name, and is gone when nobody holds it.
pub(crate) fn temporary_file(temp: &TempFolder) -> ArrayFileResult<File> {
    let folder = temp.path()?;
    tempfile::tempfile_in(&folder).map_err(|source| io_error("create a file in", folder, source))
}

fn io_error(operation: &'static str, path: PathBuf, source: io::Error) -> ArrayFileError {
    StorageError::Io { operation, path, source }.into()
}

/// Bytes per part of an upload.
const PART_BYTES: u64 = 8 << 20;

/// Stores take ten thousand parts at most.
const N_PARTS_MAX: u64 = 9_000;

/// How many parts are under way at once.
const N_PARTS_AT_ONCE: usize = 4;

async fn upload(stores: &Arc<Stores>, location: &Location, file: Arc<File>) -> ArrayFileResult<()> {
    let failed = |error| ArrayFileError::from(StorageError::from_object_store(location, error));
    let read_failed = |source| io_error("read", PathBuf::from(location.to_string()), source);
    let held = stores.held_output(location)?;
    let store: Arc<dyn ObjectStore> = stores.get(held.url())?;
    let size = file.metadata().map_err(read_failed)?.len();
    let part_bytes = PART_BYTES.max(size.div_ceil(N_PARTS_MAX));
    let mut upload = store.put_multipart(location.require_path()?).await.map_err(failed)?;
    let reads = (0..size.div_ceil(part_bytes).max(1)).map(|part| {
        let (file, start) = (Arc::clone(&file), part * part_bytes);
        let n = (size - start).min(part_bytes) as usize;
        unblock(move || {
            let mut bytes = vec![0; n];
            read_at(&file, &mut bytes, start).map(|()| bytes)
        })
    });
    // Parts are read one after the other, and begun in that order, as uploads want it.
    let parts = futures::stream::iter(reads).then(|read| read).map(|bytes| match bytes {
        Ok(bytes) => Ok(upload.put_part(PutPayload::from(bytes))),
        Err(error) => Err(read_failed(error)),
    });
    parts.try_for_each_concurrent(N_PARTS_AT_ONCE, |part| async { part.await.map_err(failed) }).await?;
    upload.complete().await.map_err(failed)?;
    held.commit().await.map_err(failed)
}
