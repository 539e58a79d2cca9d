//! Compressed bytes, as they come, to plain ones.

use std::fmt;
use std::sync::Arc;

use async_compression::tokio::bufread::{BzDecoder, GzipDecoder, XzDecoder, ZstdDecoder};
use async_trait::async_trait;
use bytes::Bytes;
use datafusion::common::parsers::CompressionTypeVariant;
use datafusion::datasource::file_format::file_compression_type::FileCompressionType;
use datafusion::error::{DataFusionError, Result};
use futures::stream::{BoxStream, StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult,
};
use tokio_util::io::{ReaderStream, StreamReader};

/// The plain bytes of `bytes`, of all the streams that stand in it one behind the other. Tools that compress in parallel, or
/// append, write such files; DataFusion's own conversion stops behind the first stream of bzip2, xz and zstd.
pub(crate) fn decompressed(
    bytes: BoxStream<'static, Result<Bytes>>,
    compression: FileCompressionType,
) -> BoxStream<'static, Result<Bytes>> {
    macro_rules! decode {
        ($decoder:ident) => {{
            let mut decoder = $decoder::new(StreamReader::new(bytes.map_err(std::io::Error::other)));
            decoder.multiple_members(true);
            ReaderStream::new(decoder).map_err(DataFusionError::from).boxed()
        }};
    }
    match compression.get_variant() {
        CompressionTypeVariant::GZIP => decode!(GzipDecoder),
        CompressionTypeVariant::BZIP2 => decode!(BzDecoder),
        CompressionTypeVariant::XZ => decode!(XzDecoder),
        CompressionTypeVariant::ZSTD => decode!(ZstdDecoder),
        CompressionTypeVariant::UNCOMPRESSED => bytes,
    }
}

/// A store whose objects are read as what is compressed in them, from beginning to end; ranges and sizes are not theirs.
/// With it the schema is found in all streams of a file.
#[derive(Debug)]
pub(crate) struct DecompressedStore {
    inner: Arc<dyn ObjectStore>,
    compression: FileCompressionType,
}

impl DecompressedStore {
    pub(crate) fn new(inner: Arc<dyn ObjectStore>, compression: FileCompressionType) -> Self {
        Self { inner, compression }
    }
}

impl fmt::Display for DecompressedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

#[async_trait]
impl ObjectStore for DecompressedStore {
    async fn get_opts(&self, location: &Path, options: GetOptions) -> object_store::Result<GetResult> {
        if options.range.is_some() || options.head {
            return Err(unsupported("a part of a compressed file"));
        }
        let file = self.inner.get_opts(location, options).await?;
        let (meta, range, attributes) = (file.meta.clone(), file.range.clone(), file.attributes.clone());
        let bytes = file.into_stream().map_err(DataFusionError::from).boxed();
        let plain = decompressed(bytes, self.compression)
            .map_err(|error| object_store::Error::Generic { store: "a compressed file", source: Box::new(error) });
        Ok(GetResult { payload: GetResultPayload::Stream(plain.boxed()), meta, range, attributes })
    }

    async fn put_opts(&self, _: &Path, _: PutPayload, _: PutOptions) -> object_store::Result<PutResult> {
        Err(unsupported("writing"))
    }

    async fn put_multipart_opts(
        &self,
        _: &Path,
        _: PutMultipartOptions,
    ) -> object_store::Result<Box<dyn MultipartUpload>> {
        Err(unsupported("writing"))
    }

    fn delete_stream(
        &self,
        _: BoxStream<'static, object_store::Result<Path>>,
    ) -> BoxStream<'static, object_store::Result<Path>> {
        futures::stream::once(async { Err(unsupported("deleting")) }).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> object_store::Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> object_store::Result<()> {
        Err(unsupported("copying"))
    }
}

fn unsupported(what: &str) -> object_store::Error {
    object_store::Error::NotSupported { source: format!("{what} through a view of compressed files").into() }
}
