//! Compressed bytes, as they come, to plain ones.

use async_compression::tokio::bufread::{BzDecoder, GzipDecoder, XzDecoder, ZstdDecoder};
use bytes::Bytes;
use datafusion::common::parsers::CompressionTypeVariant;
use datafusion::datasource::file_format::file_compression_type::FileCompressionType;
use datafusion::error::{DataFusionError, Result};
use futures::stream::{BoxStream, StreamExt, TryStreamExt};
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
