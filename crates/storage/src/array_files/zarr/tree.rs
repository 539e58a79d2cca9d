//! The objects of a Zarr array or group, or the files of another folder, that is being written.

use std::collections::HashSet;
use std::fs;
use std::io::ErrorKind;
use std::sync::{Arc, Mutex, PoisonError};

use futures::{StreamExt, TryStreamExt};
use object_store::ObjectStoreExt;
use serde_json::Value;
use tokio::runtime::Handle;

use crate::access::Operation;
use crate::array_files::error::{ArrayFileError, ArrayFileResult, LayoutProblem};
use crate::array_files::zarr::objects::Objects;
use crate::atomic_output::AtomicOutput;
use crate::error::StorageError;
use crate::location::{Location, StoreKind};
use crate::stores::Stores;
use crate::waiting::{block_on, unblock};

/// Where new objects go. Cheap to clone; if it is not finished, nothing is left of them when the last clone is dropped.
#[derive(Debug, Clone)]
pub(crate) struct Tree {
    place: Arc<Place>,
}

#[derive(Debug)]
enum Place {
    /// A folder that is moved to its place.
    Local(Mutex<Option<AtomicOutput>>),
    Remote(Remote),
}

#[derive(Debug)]
struct Remote {
    objects: Objects,
    /// What was put, as long as it may have to be taken back.
    put: Mutex<Option<HashSet<String>>>,
    io_runtime: Option<Handle>,
}

impl Tree {
    /// Begins a tree at `location`, where there must be nothing, or an empty folder.
    pub(crate) async fn begin(stores: &Arc<Stores>, location: &Location) -> ArrayFileResult<Self> {
        location.require_path()?;
        if location.store().kind() == StoreKind::Local {
            let output = stores.atomic_folder(location)?;
            return Ok(Self { place: Arc::new(Place::Local(Mutex::new(Some(output)))) });
        }
        stores.check(location, Operation::Write)?;
        let objects = Objects::open(stores, location)?;
        // Chunks of an array that was there before would become chunks of the new one.
        let first = objects.store.list(Some(&objects.root)).next().await;
        if let Some(found) = first {
            found.map_err(|error| objects.failed("", error))?;
            let problem = LayoutProblem::Occupied("Zarr array or group, or other objects");
            return Err(ArrayFileError::InvalidLayout { array: location.to_string(), problem });
        }
        let put = Mutex::new(Some(HashSet::new()));
        let remote = Remote { objects, put, io_runtime: stores.io_runtime().cloned() };
        Ok(Self { place: Arc::new(Place::Remote(remote)) })
    }

    /// Writes one object.
    pub(crate) async fn put(&self, key: String, bytes: Vec<u8>) -> ArrayFileResult<()> {
        match &*self.place {
            Place::Local(_) => {
                let this = self.clone();
                unblock(move || this.put_local(&key, &bytes)).await
            }
            Place::Remote(remote) => remote.put(key, bytes).await,
        }
    }

    /// The blocking form of [`put`](Self::put).
    pub(crate) fn put_blocking(&self, key: String, bytes: Vec<u8>) -> ArrayFileResult<()> {
        match &*self.place {
            Place::Local(_) => self.put_local(&key, &bytes),
            Place::Remote(remote) => block_on(remote.put(key, bytes)),
        }
    }

    fn put_local(&self, key: &str, bytes: &[u8]) -> ArrayFileResult<()> {
        let Place::Local(output) = &*self.place else { return Ok(()) };
        let folder = output.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(AtomicOutput::path);
        let path = folder.ok_or_else(over)?.join(key);
        let io_error = |source| StorageError::Io { operation: "write", path: path.clone(), source };
        match fs::write(&path, bytes) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                // The folders of chunk keys are made when the first chunk in them is written.
                if let Some(parent) = path.parent() {
                    fs::create_dir_all(parent).map_err(io_error)?;
                }
                Ok(fs::write(&path, bytes).map_err(io_error)?)
            }
            written => Ok(written.map_err(io_error)?),
        }
    }

    /// Writes the documents, in this order, and shows the tree.
    pub(crate) async fn finish(self, documents: Vec<(String, Value)>) -> ArrayFileResult<()> {
        for (key, document) in documents {
            // Writing a JSON value into memory cannot fail.
            let text = serde_json::to_vec_pretty(&document).unwrap_or_default();
            self.put(key, text).await?;
        }
        match &*self.place {
            Place::Local(output) => {
                let output = output.lock().unwrap_or_else(PoisonError::into_inner).take().ok_or_else(over)?;
                Ok(unblock(move || output.commit()).await?)
            }
            Place::Remote(remote) => {
                // From here on nothing is taken back.
                remote.put.lock().unwrap_or_else(PoisonError::into_inner).take();
                Ok(())
            }
        }
    }
}

/// A chunk was written when the array was finished already.
fn over() -> StorageError {
    let source = std::io::Error::new(ErrorKind::BrokenPipe, "the array is finished already");
    StorageError::Io { operation: "write", path: "a chunk".into(), source }
}

impl Remote {
    async fn put(&self, key: String, bytes: Vec<u8>) -> ArrayFileResult<()> {
        // Noted before it is there: a cancelled upload may still arrive.
        match self.put.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            Some(put) => put.insert(key.clone()),
            None => return Err(over().into()),
        };
        let written = self.objects.store.put(&self.objects.path(&key), bytes.into()).await;
        written.map(drop).map_err(|error| self.objects.failed(&key, error))
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        let put = self.put.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(put) = put.filter(|put| !put.is_empty()) else { return };
        let objects = self.objects.clone();
        let take_back = async move {
            let paths: Vec<_> = put.iter().map(|key| Ok(objects.path(key))).collect();
            let deleted = objects.store.delete_stream(futures::stream::iter(paths).boxed());
            // What cannot be taken back stays, without the metadata that would make it an array.
            let _: Vec<_> = deleted.into_stream().collect().await;
        };
        if let Some(runtime) = self.io_runtime.clone().or_else(|| Handle::try_current().ok()) {
            runtime.spawn(take_back);
        }
    }
}
