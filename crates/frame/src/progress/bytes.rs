//! The bytes that a scan reads from files, for formats that do not count them.
//!
//! Local files are read by whoever opened them, without a way to look in between. A second handle of such a file has the
//! same position, which tells how far the reader is without any work of his.

use std::collections::VecDeque;
use std::fmt;
use std::fs::File;
use std::io::Seek;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use datafusion::error::Result as DataFusionResult;
use datafusion::execution::TaskContext;
use datafusion::execution::object_store::ObjectStoreRegistry;
use datafusion::execution::runtime_env::RuntimeEnv;
use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result,
};
use url::Url;

/// The bytes that one scan has read.
#[derive(Debug, Default)]
pub(super) struct FilesRead {
    /// Of streams, of small files, and of files whose handles are gone.
    counted: AtomicU64,
    open: Mutex<VecDeque<Open>>,
}

#[derive(Debug)]
struct Open {
    file: File,
    range: Range<u64>,
}

/// Files whose position is looked at. Each takes a handle, of which a process has not many.
const OPEN_MAX: usize = 32;

/// A file that is read so fast that its position says nothing.
const SMALL_BYTES: u64 = 1 << 20;

impl FilesRead {
    /// A context in which what is read counts here. It knows no functions: a scan has those that it calls.
    pub(super) fn counting(self: &Arc<Self>, context: &TaskContext) -> TaskContext {
        let runtime = context.runtime_env();
        let registry =
            Arc::new(CountedRegistry { inner: Arc::clone(&runtime.object_store_registry), read: Arc::clone(self) });
        let runtime = RuntimeEnv { object_store_registry: registry, ..runtime.as_ref().clone() };
        TaskContext::new(
            context.task_id(),
            context.session_id(),
            context.session_config().clone(),
            Default::default(),
            Default::default(),
            Default::default(),
            Default::default(),
            Arc::new(runtime),
        )
    }

    pub(super) fn bytes(&self) -> u64 {
        let open: u64 = self.open().iter_mut().map(Open::bytes).sum();
        open + self.counted.load(Ordering::Relaxed)
    }

    /// Gives the handles back.
    pub(super) fn close(&self) {
        let mut open = self.open();
        let bytes = open.iter_mut().map(Open::bytes).sum();
        open.clear();
        self.add(bytes);
    }

    fn add(&self, bytes: u64) {
        self.counted.fetch_add(bytes, Ordering::Relaxed);
    }

    fn follow(&self, file: &File, range: Range<u64>) {
        let bytes = range.end.saturating_sub(range.start);
        let second = (bytes > SMALL_BYTES).then(|| file.try_clone());
        match second {
            Some(Ok(file)) => {
                let mut open = self.open();
                open.push_back(Open { file, range });
                if open.len() > OPEN_MAX
                    && let Some(mut first) = open.pop_front()
                {
                    self.add(first.bytes());
                }
            }
            _ => self.add(bytes),
        }
    }

    fn open(&self) -> MutexGuard<'_, VecDeque<Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    fn bytes(&mut self) -> u64 {
        let position = self.file.stream_position().unwrap_or(0);
        position.clamp(self.range.start, self.range.end) - self.range.start
    }
}

#[derive(Debug)]
struct CountedRegistry {
    inner: Arc<dyn ObjectStoreRegistry>,
    read: Arc<FilesRead>,
}

impl ObjectStoreRegistry for CountedRegistry {
    fn register_store(&self, url: &Url, store: Arc<dyn ObjectStore>) -> Option<Arc<dyn ObjectStore>> {
        self.inner.register_store(url, store)
    }

    fn deregister_store(&self, url: &Url) -> DataFusionResult<Arc<dyn ObjectStore>> {
        self.inner.deregister_store(url)
    }

    fn get_store(&self, url: &Url) -> DataFusionResult<Arc<dyn ObjectStore>> {
        let inner = self.inner.get_store(url)?;
        Ok(Arc::new(CountedStore { inner, read: Arc::clone(&self.read) }))
    }
}

/// A store that counts what is read from it.
#[derive(Debug)]
struct CountedStore {
    inner: Arc<dyn ObjectStore>,
    read: Arc<FilesRead>,
}

impl fmt::Display for CountedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl ObjectStore for CountedStore {
    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let is_head = options.head;
        let mut result = self.inner.get_opts(location, options).await?;
        if is_head {
            return Ok(result);
        }
        result.payload = match result.payload {
            GetResultPayload::Stream(stream) => {
                let read = Arc::clone(&self.read);
                let counted =
                    stream.inspect(move |bytes| read.add(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)));
                GetResultPayload::Stream(counted.boxed())
            }
            GetResultPayload::File(file, path) => {
                self.read.follow(&file, result.range.clone());
                GetResultPayload::File(file, path)
            }
        };
        Ok(result)
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let read = self.inner.get_ranges(location, ranges).await?;
        self.read.add(read.iter().map(|bytes| bytes.len() as u64).sum());
        Ok(read)
    }

    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.inner.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, options).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.inner.rename_opts(from, to, options).await
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    #[test]
    fn a_position_tells_how_far_a_reader_is() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&vec![7; 5 << 20]).unwrap();
        file.rewind().unwrap();
        let read = FilesRead::default();
        read.follow(&file, 1 << 20..4 << 20);
        assert_eq!(read.bytes(), 0);
        let mut two = vec![0; 2 << 20];
        file.read_exact(&mut two).unwrap();
        assert_eq!(read.bytes(), 1 << 20);
        file.read_exact(&mut two).unwrap();
        file.read_exact(&mut two[..1 << 20]).unwrap();
        assert_eq!(read.bytes(), 3 << 20, "what is behind the range belongs to another scan");
        read.close();
        file.rewind().unwrap();
        assert_eq!(read.bytes(), 3 << 20);
    }

    #[test]
    fn few_handles_are_kept_and_none_of_small_files() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&vec![7; 3 << 20]).unwrap();
        let read = FilesRead::default();
        for _ in 0..100 {
            read.follow(&file, 0..3 << 20);
            read.follow(&file, 0..1000);
        }
        assert_eq!(read.open().len(), OPEN_MAX);
        assert_eq!(read.bytes(), 100 * (3 << 20) + 100 * 1000);
    }
}
