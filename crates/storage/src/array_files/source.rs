//! The bytes of one file, read by ranges.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{GetOptions, GetRange, GetResultPayload, ObjectMeta, ObjectStore, ObjectStoreExt};

use crate::array_files::error::{ArrayFileError, ArrayFileResult, FileDamage};
use crate::array_files::positioned::read_at;
use crate::array_files::runs::Runs;
use crate::error::StorageError;
use crate::location::{Location, StoreKind};
use crate::stores::Stores;
use crate::waiting::{block_on, unblock};

/// How a region is fetched: the longest request, and how many unwanted bytes between two wanted ones cost less than one
/// request more.
#[derive(Debug, Clone, Copy)]
struct FetchRule {
    fetch_bytes_max: u64,
    gap_bytes_max: u64,
}

/// A call to the operating system costs as much as reading some kilobytes that it has in memory.
const LOCAL: FetchRule = FetchRule { fetch_bytes_max: 1 << 20, gap_bytes_max: 8 << 10 };

/// A request over the network costs as much as a megabyte.
const REMOTE: FetchRule = FetchRule { fetch_bytes_max: 8 << 20, gap_bytes_max: 1 << 20 };

/// How many requests of a region are under way at once.
const N_REQUESTS: usize = 8;

/// One file as it was when it was opened.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    shown: String,
    place: Place,
    size_bytes: u64,
}

#[derive(Debug, Clone)]
enum Place {
    Store {
        store: Arc<dyn ObjectStore>,
        path: Path,
        e_tag: Option<String>,
        is_local: bool,
    },
    /// A file of this session, which nobody else knows.
    Temporary(Arc<File>),
}

impl Source {
    /// Finds the file of `location` and notes how long it is.
    ///
    /// # Errors
    /// [`ArrayFileError::Storage`]: there is no such file, or no access to it.
    pub(crate) async fn open(stores: &Stores, location: &Location) -> ArrayFileResult<Self> {
        let path = location.require_path()?.clone();
        let store = stores.resolve(location)?.store;
        let meta = store.head(&path).await.map_err(|error| StorageError::from_object_store(location, error))?;
        let is_local = location.store().kind() == StoreKind::Local;
        let place = Place::Store { store, path, e_tag: meta.e_tag, is_local };
        Ok(Self { shown: location.to_string(), place, size_bytes: meta.size })
    }

    /// A file of which a listing says how long it is. Asks the policy, but not the store.
    ///
    /// # Errors
    /// [`ArrayFileError::Storage`]: there is no access to it.
    pub(crate) fn listed(stores: &Stores, location: &Location, size_bytes: u64) -> ArrayFileResult<Self> {
        let path = location.require_path()?.clone();
        let store = stores.resolve(location)?.store;
        let is_local = location.store().kind() == StoreKind::Local;
        // What listings call a version is not what reads call it, in some stores.
        let place = Place::Store { store, path, e_tag: None, is_local };
        Ok(Self { shown: location.to_string(), place, size_bytes })
    }

    /// A file that is only known by its handle.
    pub(crate) fn temporary(shown: String, file: File, size_bytes: u64) -> Self {
        Self { shown, place: Place::Temporary(Arc::new(file)), size_bytes }
    }

    /// What to call it in an error.
    pub(crate) fn shown(&self) -> &str {
        &self.shown
    }

    /// How long it was when it was opened.
    pub(crate) fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    pub(crate) fn damaged(&self, damage: FileDamage) -> ArrayFileError {
        ArrayFileError::Damaged { file: self.shown.clone(), damage }
    }

    /// The bytes of `range`, of which the caller knows that they are not too many.
    ///
    /// # Errors
    /// [`FileDamage::Truncated`] if the file is shorter, [`ArrayFileError::Changed`], [`ArrayFileError::Storage`].
    pub(crate) async fn read(&self, range: Range<u64>) -> ArrayFileResult<Bytes> {
        if range.end > self.size_bytes {
            let damage = FileDamage::Truncated { expected_bytes: range.end, found_bytes: self.size_bytes };
            return Err(self.damaged(damage));
        }
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        match &self.place {
            Place::Store { store, path, .. } => {
                let options = GetOptions { range: Some(GetRange::Bounded(range.clone())), ..GetOptions::default() };
                let got = store.get_opts(path, options).await.map_err(|error| self.store_error(error))?;
                self.check_unchanged(&got.meta)?;
                let bytes = got.bytes().await.map_err(|error| self.store_error(error))?;
                if bytes.len() as u64 == range.end - range.start { Ok(bytes) } else { Err(self.changed()) }
            }
            Place::Temporary(file) => {
                let (file, this) = (Arc::clone(file), self.clone());
                let read = move || {
                    let mut bytes = vec![0; (range.end - range.start) as usize];
                    read_at(&file, &mut bytes, range.start).map_err(|error| this.io_error(error))?;
                    Ok(Bytes::from(bytes))
                };
                unblock(read).await
            }
        }
    }

    /// The bytes of the `runs` behind `offset`, one after the other.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub(crate) async fn read_runs(&self, offset: u64, runs: Runs, mut to: Vec<u8>) -> ArrayFileResult<Vec<u8>> {
        match self.open_local().await? {
            Some(file) => {
                let this = self.clone();
                unblock(move || this.read_local(&file, offset, runs, &mut to).map(|()| to)).await
            }
            None => self.read_remote(offset, runs, &mut to).await.map(|()| to),
        }
    }

    /// The blocking form of [`read_runs`](Self::read_runs).
    pub(crate) fn read_runs_blocking(&self, offset: u64, runs: Runs, to: &mut [u8]) -> ArrayFileResult<()> {
        match block_on(self.open_local())? {
            Some(file) => self.read_local(&file, offset, runs, to),
            None => block_on(self.read_remote(offset, runs, to)),
        }
    }

    /// The open file, if it is one of this machine: it is read without a copy in between.
    async fn open_local(&self) -> ArrayFileResult<Option<Arc<File>>> {
        match &self.place {
            Place::Temporary(file) => Ok(Some(Arc::clone(file))),
            Place::Store { is_local: false, .. } => Ok(None),
            Place::Store { store, path, .. } => {
                let got = store.get_opts(path, GetOptions::default()).await.map_err(|error| self.store_error(error))?;
                self.check_unchanged(&got.meta)?;
                Ok(match got.payload {
                    GetResultPayload::File(file, _) => Some(Arc::new(file)),
                    GetResultPayload::Stream(_) => None,
                })
            }
        }
    }

    fn read_local(&self, file: &File, offset: u64, runs: Runs, to: &mut [u8]) -> ArrayFileResult<()> {
        let mut between = Vec::new();
        for fetch in runs.fetches(LOCAL.fetch_bytes_max, LOCAL.gap_bytes_max) {
            let (to, at) = (&mut to[fetch.to.clone()], offset + fetch.range.start);
            if fetch.is_one_run() {
                read_at(file, to, at).map_err(|error| self.io_error(error))?;
                continue;
            }
            between.resize((fetch.range.end - fetch.range.start) as usize, 0);
            read_at(file, &mut between, at).map_err(|error| self.io_error(error))?;
            fetch.scatter(&between, to);
        }
        Ok(())
    }

    async fn read_remote(&self, offset: u64, runs: Runs, to: &mut [u8]) -> ArrayFileResult<()> {
        let fetches = runs.fetches(REMOTE.fetch_bytes_max, REMOTE.gap_bytes_max);
        let requests = fetches.map(|fetch| async move {
            let bytes = self.read(offset + fetch.range.start..offset + fetch.range.end).await?;
            Ok::<_, ArrayFileError>((fetch, bytes))
        });
        let mut arriving = futures::stream::iter(requests).buffered(N_REQUESTS);
        while let Some((fetch, bytes)) = arriving.try_next().await? {
            fetch.scatter(&bytes, &mut to[fetch.to.clone()]);
        }
        Ok(())
    }

    fn check_unchanged(&self, now: &ObjectMeta) -> ArrayFileResult<()> {
        let Place::Store { e_tag, .. } = &self.place else { return Ok(()) };
        let is_other = e_tag.is_some() && now.e_tag.is_some() && *e_tag != now.e_tag;
        if is_other || now.size != self.size_bytes { Err(self.changed()) } else { Ok(()) }
    }

    fn changed(&self) -> ArrayFileError {
        ArrayFileError::Changed { file: self.shown.clone() }
    }

    fn store_error(&self, error: object_store::Error) -> ArrayFileError {
        StorageError::from_object_store(&self.shown, error).into()
    }

    fn io_error(&self, source: io::Error) -> ArrayFileError {
        // It was long enough when it was opened.
        if source.kind() == io::ErrorKind::UnexpectedEof {
            return self.changed();
        }
        StorageError::Io { operation: "read", path: self.shown.clone().into(), source }.into()
    }
}
