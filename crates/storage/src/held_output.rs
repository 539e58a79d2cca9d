//! Remote results that appear when they are complete, or not at all.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result, UploadPart,
};
use tokio::runtime::Handle;
use url::Url;

use crate::stores::Stores;

/// Objects that are uploaded in parts, and put together when all are there. Dropped without [`commit`](Self::commit) it
/// takes the parts back.
///
/// A store shows no object before its parts are put together, so that neither readers that come too early nor failed and
/// cancelled statements matter, and an object that is replaced stays until then.
#[derive(Debug)]
pub struct HeldOutput {
    stores: Arc<Stores>,
    url: Url,
    held: Arc<Held>,
}

impl HeldOutput {
    pub(crate) fn new(stores: Arc<Stores>, url: Url, store: Arc<dyn ObjectStore>, io: Option<Handle>) -> Self {
        let held = Arc::new(Held { store, io, uploads: Mutex::default(), refusal: Mutex::default() });
        stores.add_output(&url, Arc::new(HeldStore(Arc::clone(&held))));
        Self { stores, url, held }
    }

    /// A URL, without a path, that stands for the store as long as this lives; write there.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Why the store refused a part, if it did. The writer may have forgotten the reason.
    pub fn refusal(&self) -> Option<object_store::Error> {
        self.held.refusal.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Shows all objects. If one of them cannot be put together, those before it are removed.
    ///
    /// # Errors
    /// What the store says.
    pub async fn commit(self) -> Result<()> {
        let mut shown = Vec::new();
        while let Some((path, mut upload)) = self.held.take() {
            if let Err(error) = upload.complete().await {
                let _ = upload.abort().await;
                for path in &shown {
                    let _ = self.held.store.delete(path).await;
                }
                return Err(error);
            }
            shown.push(path);
        }
        Ok(())
    }
}

impl Drop for HeldOutput {
    fn drop(&mut self) {
        self.stores.remove_output(&self.url);
        while let Some((_, upload)) = self.held.take() {
            self.held.abort(upload);
        }
    }
}

type Upload = Box<dyn MultipartUpload>;

#[derive(Debug)]
struct Held {
    store: Arc<dyn ObjectStore>,
    io: Option<Handle>,
    /// Uploads of which all parts are there.
    uploads: Mutex<Vec<(Path, Upload)>>,
    refusal: Mutex<Option<object_store::Error>>,
}

impl Held {
    fn take(&self) -> Option<(Path, Upload)> {
        self.uploads.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn keep(&self, path: Path, upload: Upload) {
        self.uploads.lock().unwrap_or_else(PoisonError::into_inner).push((path, upload));
    }

    /// Begins an upload. If nobody waits for it any more when it has begun, it is dropped, and so taken back.
    async fn begin(self: &Arc<Self>, path: &Path, options: PutMultipartOptions) -> Result<HeldUpload> {
        let (held, path) = (Arc::clone(self), path.clone());
        let begin = async move {
            let upload = held.store.put_multipart_opts(&path, options).await?;
            Ok(HeldUpload { held, path, upload: Some(upload) })
        };
        let Some(runtime) = self.runtime() else { return begin.await };
        let (sender, begun) = futures::channel::oneshot::channel();
        runtime.spawn(async move { drop(sender.send(begin.await)) });
        begun.await.unwrap_or_else(|_| Err(over()))
    }

    fn runtime(&self) -> Option<Handle> {
        self.io.clone().or_else(|| Handle::try_current().ok())
    }

    /// Remembers the first error; what the writer gets says the same.
    fn note(&self, error: object_store::Error) -> object_store::Error {
        let told = object_store::Error::Generic { store: "upload", source: error.to_string().into() };
        self.refusal.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        told
    }

    /// Takes the parts back, without waiting for it.
    fn abort(&self, mut upload: Upload) {
        // Without a runtime the parts stay, unseen, until the store clears them away.
        if let Some(runtime) = self.runtime() {
            runtime.spawn(async move { upload.abort().await });
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // What a writer finished after the output was given up.
        while let Some((_, upload)) = self.take() {
            self.abort(upload);
        }
    }
}

/// The store as a writer sees it.
#[derive(Debug)]
struct HeldStore(Arc<Held>);

impl fmt::Display for HeldStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.store.fmt(f)
    }
}

fn nothing_yet() -> PutResult {
    PutResult { e_tag: None, version: None }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl ObjectStore for HeldStore {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let options =
            PutMultipartOptions { tags: options.tags, attributes: options.attributes, extensions: options.extensions };
        let mut upload = self.put_multipart_opts(path, options).await?;
        upload.put_part(payload).await?;
        upload.complete().await
    }

    async fn put_multipart_opts(&self, path: &Path, options: PutMultipartOptions) -> Result<Upload> {
        Ok(Box::new(self.0.begin(path, options).await.map_err(|error| self.0.note(error))?))
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        self.0.store.get_opts(path, options).await
    }

    async fn get_ranges(&self, path: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.0.store.get_ranges(path, ranges).await
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.0.store.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.0.store.list(prefix)
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        self.0.store.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.0.store.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.0.store.copy_opts(from, to, options).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.0.store.rename_opts(from, to, options).await
    }
}

#[derive(Debug)]
struct HeldUpload {
    held: Arc<Held>,
    path: Path,
    /// `None` when it is complete or given up.
    upload: Option<Upload>,
}

fn over() -> object_store::Error {
    object_store::Error::Generic { store: "upload", source: "the upload is over".into() }
}

#[async_trait]
impl MultipartUpload for HeldUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        match &mut self.upload {
            Some(upload) => {
                let (part, held) = (upload.put_part(data), Arc::clone(&self.held));
                Box::pin(async move { part.await.map_err(|error| held.note(error)) })
            }
            None => Box::pin(async { Err(over()) }),
        }
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let upload = self.upload.take().ok_or_else(over)?;
        self.held.keep(self.path.clone(), upload);
        Ok(nothing_yet())
    }

    async fn abort(&mut self) -> Result<()> {
        match self.upload.take() {
            Some(mut upload) => upload.abort().await,
            None => Ok(()),
        }
    }
}

impl Drop for HeldUpload {
    fn drop(&mut self) {
        if let Some(upload) = self.upload.take() {
            self.held.abort(upload);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::location::{Location, PathBase};
    use crate::stores::StoresConfig;
    use futures::TryStreamExt;
    use object_store::memory::InMemory;

    async fn keys(store: &dyn ObjectStore) -> Vec<String> {
        let found: Vec<_> = store.list(None).try_collect().await.unwrap();
        found.into_iter().map(|meta| meta.location.to_string()).collect()
    }

    #[tokio::test]
    async fn objects_appear_on_commit_only() {
        let stores = Arc::new(Stores::new(StoresConfig::default()).unwrap());
        let memory = Arc::new(InMemory::new());
        stores.register(&"s3://bucket/".parse().unwrap(), memory.clone()).unwrap();
        let location = Location::parse_from("s3://bucket/a", &PathBase::default()).unwrap();
        memory.put(&"a".into(), "old".into()).await.unwrap();

        let output = stores.held_output(&location).unwrap();
        let url = output.url().clone();
        assert_ne!(url.as_str(), "s3://bucket/");
        let store = stores.get(&url).unwrap();
        store.put(&"a".into(), "new".into()).await.unwrap();
        store.put(&"b".into(), "new".into()).await.unwrap();
        assert_eq!(keys(memory.as_ref()).await, ["a"]);
        drop(output);
        tokio::task::yield_now().await;
        assert_eq!(memory.get(&"a".into()).await.unwrap().bytes().await.unwrap(), "old");

        let output = stores.held_output(&location).unwrap();
        let store = stores.get(output.url()).unwrap();
        store.put(&"a".into(), "new".into()).await.unwrap();
        let mut upload = store.put_multipart(&"c".into()).await.unwrap();
        upload.put_part("1".into()).await.unwrap();
        upload.put_part("2".into()).await.unwrap();
        upload.complete().await.unwrap();
        output.commit().await.unwrap();
        assert_eq!(memory.get(&"a".into()).await.unwrap().bytes().await.unwrap(), "new");
        assert_eq!(memory.get(&"c".into()).await.unwrap().bytes().await.unwrap(), "12");
    }
}
