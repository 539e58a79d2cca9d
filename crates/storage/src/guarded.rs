//! A store that asks the session's rules before every operation.

use std::collections::HashSet;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{BoxStream, StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetRange, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result, UploadPart,
};

use crate::access::{AccessPolicy, Operation};
use crate::location::{StoreKey, StoreKind};
use crate::secrets::Secrets;

/// How many paths that were found readable are remembered before all are forgotten.
const N_VERIFIED_MAX: usize = 8192;

/// Wraps a store so that nothing goes around the [`AccessPolicy`], and no secret comes out in an error.
///
/// Every path of every operation is checked, those in the streams of `delete_stream` and those that listings find
/// included. With access to everything a check costs nothing. With roots, following the links of a local path costs a
/// system call per segment, so paths that were found readable are remembered; changes are checked anew each time.
///
/// Over HTTP a request for facts only (HEAD) that the server refuses is asked again as a request for the first byte:
/// signed URLs are often signed for GET alone.
pub struct GuardedStore {
    inner: Arc<dyn ObjectStore>,
    guard: Arc<Guard>,
}

impl GuardedStore {
    /// Guards `inner`, which is the store of `key`.
    pub fn new(inner: Arc<dyn ObjectStore>, key: StoreKey, policy: Arc<AccessPolicy>, secrets: Arc<Secrets>) -> Self {
        Self { inner, guard: Arc::new(Guard { key, policy, secrets, readable: RwLock::default() }) }
    }
}

/// What a guarded store knows; shared with the streams and uploads that outlive a call.
struct Guard {
    key: StoreKey,
    policy: Arc<AccessPolicy>,
    secrets: Arc<Secrets>,
    readable: RwLock<HashSet<Path>>,
}

impl Guard {
    fn check(&self, path: &Path, operation: Operation) -> Result<()> {
        Ok(self.policy.check(&self.key, path, operation)?)
    }

    fn check_read(&self, path: &Path) -> Result<()> {
        if self.policy.allows_all_paths() {
            return Ok(());
        }
        if self.readable.read().unwrap_or_else(PoisonError::into_inner).contains(path) {
            return Ok(());
        }
        self.check(path, Operation::Read)?;
        let mut readable = self.readable.write().unwrap_or_else(PoisonError::into_inner);
        if readable.len() >= N_VERIFIED_MAX {
            readable.clear();
        }
        readable.insert(path.clone());
        Ok(())
    }

    /// Whether what a listing finds must be looked at: below an allowed folder only a link can lead out.
    fn must_check_listed(&self) -> bool {
        self.key.kind() == StoreKind::Local && !self.policy.allows_all_paths()
    }

    fn check_listed(&self, meta: ObjectMeta) -> Result<ObjectMeta> {
        self.check(&meta.location, Operation::Read).map(|()| meta)
    }

    /// The same error without secrets.
    fn redact(&self, error: object_store::Error) -> object_store::Error {
        redact_error(error, &self.secrets)
    }

    fn guard_listing(
        self: &Arc<Self>,
        listing: BoxStream<'static, Result<ObjectMeta>>,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        let guard = Arc::clone(self);
        let must_check = guard.must_check_listed();
        let checked = move |found: Result<ObjectMeta>| match found {
            Ok(meta) if must_check => guard.check_listed(meta),
            Ok(meta) => Ok(meta),
            Err(error) => Err(guard.redact(error)),
        };
        listing.map(checked).boxed()
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl ObjectStore for GuardedStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        self.guard.check(location, Operation::Write)?;
        self.inner.put_opts(location, payload, opts).await.map_err(|e| self.guard.redact(e))
    }

    async fn put_multipart_opts(&self, location: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.guard.check(location, Operation::Write)?;
        let inner = self.inner.put_multipart_opts(location, opts).await.map_err(|e| self.guard.redact(e))?;
        Ok(Box::new(GuardedUpload { inner, location: location.clone(), guard: Arc::clone(&self.guard) }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.guard.check_read(location)?;
        let is_http_head = options.head && self.guard.key.kind() == StoreKind::Http;
        let first_byte =
            is_http_head.then(|| GetOptions { head: false, range: Some(GetRange::Bounded(0..1)), ..options.clone() });
        let error = match (self.inner.get_opts(location, options).await, first_byte) {
            (Ok(result), _) => return Ok(result),
            (Err(error), Some(first_byte)) if !matches!(error, object_store::Error::NotFound { .. }) => {
                // The first error says more than the second if both fail.
                match self.inner.get_opts(location, first_byte).await {
                    Ok(result) => return Ok(result),
                    Err(_) => error,
                }
            }
            (Err(error), _) => error,
        };
        Err(self.guard.redact(error))
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.guard.check_read(location)?;
        self.inner.get_ranges(location, ranges).await.map_err(|e| self.guard.redact(e))
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let guard = Arc::clone(&self.guard);
        let checked = locations.map(move |location| {
            let location = location?;
            guard.check(&location, Operation::Delete)?;
            Ok(location)
        });
        let guard = Arc::clone(&self.guard);
        self.inner.delete_stream(checked.boxed()).map_err(move |e| guard.redact(e)).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.guard.check(prefix.unwrap_or(&Path::ROOT), Operation::List) {
            Ok(()) => self.guard.guard_listing(self.inner.list(prefix)),
            Err(denied) => futures::stream::once(async { Err(denied) }).boxed(),
        }
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.guard.check(prefix.unwrap_or(&Path::ROOT), Operation::List) {
            Ok(()) => self.guard.guard_listing(self.inner.list_with_offset(prefix, offset)),
            Err(denied) => futures::stream::once(async { Err(denied) }).boxed(),
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.guard.check(prefix.unwrap_or(&Path::ROOT), Operation::List)?;
        let found = self.inner.list_with_delimiter(prefix).await.map_err(|e| self.guard.redact(e))?;
        if self.guard.must_check_listed() {
            // Folders that lead out are only names here; opening them is checked when it happens.
            for meta in &found.objects {
                self.guard.check(&meta.location, Operation::Read)?;
            }
        }
        Ok(found)
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.guard.check(from, Operation::Read)?;
        self.guard.check(to, Operation::Write)?;
        self.inner.copy_opts(from, to, options).await.map_err(|e| self.guard.redact(e))
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.guard.check(from, Operation::Delete)?;
        self.guard.check(to, Operation::Write)?;
        self.inner.rename_opts(from, to, options).await.map_err(|e| self.guard.redact(e))
    }
}

/// The name of the store; never its credentials.
impl fmt::Display for GuardedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.guard.key.fmt(f)
    }
}

impl fmt::Debug for GuardedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuardedStore").field("store", &self.guard.key.url().as_str()).finish_non_exhaustive()
    }
}

/// An upload whose place was allowed when it began, and is looked at again before it appears there.
struct GuardedUpload {
    inner: Box<dyn MultipartUpload>,
    location: Path,
    guard: Arc<Guard>,
}

#[async_trait]
impl MultipartUpload for GuardedUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let (part, guard) = (self.inner.put_part(data), Arc::clone(&self.guard));
        Box::pin(async move { part.await.map_err(|e| guard.redact(e)) })
    }

    async fn complete(&mut self) -> Result<PutResult> {
        self.guard.check(&self.location, Operation::Write)?;
        self.inner.complete().await.map_err(|e| self.guard.redact(e))
    }

    async fn abort(&mut self) -> Result<()> {
        self.inner.abort().await.map_err(|e| self.guard.redact(e))
    }
}

impl fmt::Debug for GuardedUpload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuardedUpload").field("location", &self.location).finish_non_exhaustive()
    }
}

/// What an error said, less its secrets. Takes the place of the original source, which would show them to whoever walks
/// the chain.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct RedactedSource(String);

/// `error` with secrets replaced in all its texts. Its variant stays, because callers act on it.
pub(crate) fn redact_error(error: object_store::Error, secrets: &Secrets) -> object_store::Error {
    use object_store::Error as E;
    let texts = format!("{error} {error:?}");
    if matches!(secrets.redact(&texts), std::borrow::Cow::Borrowed(_)) {
        return error;
    }
    let text = |text: String| secrets.redact(&text).into_owned();
    let hide = |source: &dyn fmt::Display| Box::new(RedactedSource(text(source.to_string())));
    match error {
        E::NotFound { path, source } => E::NotFound { path: text(path), source: hide(&source) },
        E::AlreadyExists { path, source } => E::AlreadyExists { path: text(path), source: hide(&source) },
        E::Precondition { path, source } => E::Precondition { path: text(path), source: hide(&source) },
        E::NotModified { path, source } => E::NotModified { path: text(path), source: hide(&source) },
        E::PermissionDenied { path, source } => E::PermissionDenied { path: text(path), source: hide(&source) },
        E::Unauthenticated { path, source } => E::Unauthenticated { path: text(path), source: hide(&source) },
        E::Generic { store, source } => E::Generic { store, source: hide(&source) },
        E::NotSupported { source } => E::NotSupported { source: hide(&source) },
        other => E::Generic { store: "store", source: hide(&other) },
    }
}
