//! Plain text: a table of lines.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use datafusion::arrow::array::{ArrayRef, RecordBatch, StringBuilder};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::{Session, TableProvider};
use datafusion::datasource::TableType;
use datafusion::datasource::file_format::file_compression_type::FileCompressionType;
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::stream::{BoxStream, StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use crate::files::decompress::decompressed;
use crate::files::per_file::FileColumns;
use crate::files::text_scan::TextScan;

/// The longest line that is read, in bytes: a file without line ends must not fill the memory.
const LINE_BYTES_MAX: usize = 64 << 20;

/// The text of a batch after which it is given out, in bytes: long lines make smaller batches.
const BATCH_BYTES: usize = 8 << 20;

/// Lines of text files: column `line`, without its end, and the columns of the file's name.
#[derive(Debug)]
pub(crate) struct TextTable {
    schema: SchemaRef,
    files: Vec<Arc<TextFile>>,
}

impl TextTable {
    pub(crate) fn new(
        files: Vec<(ObjectStoreUrl, Arc<dyn ObjectStore>, Path, FileColumns)>,
        compression: FileCompressionType,
    ) -> Self {
        let mut fields = vec![Field::new("line", DataType::Utf8, false)];
        fields.extend(files.first().map(|(_, _, _, columns)| columns.fields.clone()).unwrap_or_default());
        let schema: SchemaRef = Arc::new(Schema::new(fields));
        let files = files
            .into_iter()
            .map(|(store_url, store, path, columns)| {
                let schema = Arc::clone(&schema);
                Arc::new(TextFile { schema, store_url, store, path, columns, compression })
            })
            .collect();
        Self { schema, files }
    }

    /// Reads the columns of `projection`, or all, of at most `limit` lines in each file.
    pub(crate) fn scan_lines(&self, projection: Option<&Vec<usize>>, limit: Option<usize>) -> Result<TextScan> {
        let columns = projection.cloned().unwrap_or_else(|| (0..self.schema.fields().len()).collect());
        TextScan::try_new(self.files.clone(), &self.schema, columns, limit)
    }
}

#[async_trait]
impl TableProvider for TextTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _: &dyn Session,
        projection: Option<&Vec<usize>>,
        _: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(DataSourceExec::from_data_source(self.scan_lines(projection, limit)?))
    }
}

/// One file, which is one partition of a scan.
#[derive(Debug)]
pub(crate) struct TextFile {
    schema: SchemaRef,
    /// Where a session finds the store.
    pub(crate) store_url: ObjectStoreUrl,
    store: Arc<dyn ObjectStore>,
    pub(crate) path: Path,
    pub(crate) columns: FileColumns,
    pub(crate) compression: FileCompressionType,
}

impl TextFile {
    /// The lines, with all columns.
    pub(crate) fn read(&self, context: &TaskContext) -> SendableRecordBatchStream {
        let store = Arc::clone(&self.store);
        let (path, compression) = (self.path.clone(), self.compression);
        let (schema, columns) = (Arc::clone(&self.schema), self.columns.clone());
        let rows_max = context.session_config().batch_size();
        let batches = async move {
            let bytes = store.get(&path).await?.into_stream().map_err(DataFusionError::from).boxed();
            let lines = Lines {
                bytes: decompressed(bytes, compression),
                pending: BytesMut::new(),
                scanned: 0,
                line: 0,
                path,
                is_done: false,
            };
            let batches = futures::stream::try_unfold(lines, move |mut lines| {
                let (schema, columns) = (Arc::clone(&schema), columns.clone());
                async move {
                    let mut builder = StringBuilder::new();
                    let mut n_rows = 0;
                    while n_rows < rows_max
                        && builder.values_slice().len() < BATCH_BYTES
                        && let Some(line) = lines.next().await?
                    {
                        builder.append_value(lines.text(&line)?);
                        n_rows += 1;
                    }
                    if n_rows == 0 {
                        return Ok(None);
                    }
                    let mut arrays: Vec<ArrayRef> = vec![Arc::new(builder.finish())];
                    arrays.extend(columns.arrays(n_rows)?);
                    Ok::<_, DataFusionError>(Some((RecordBatch::try_new(schema, arrays)?, lines)))
                }
            });
            Ok::<_, DataFusionError>(batches)
        };
        let stream = futures::stream::once(batches).try_flatten();
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), stream))
    }
}

/// Splits bytes into lines that end with `\n` or `\r\n`; the last need not end.
struct Lines {
    bytes: BoxStream<'static, Result<Bytes>>,
    pending: BytesMut,
    /// Bytes of `pending` that are known to hold no line end.
    scanned: usize,
    /// Number of the line given last, from 1.
    line: u64,
    path: Path,
    is_done: bool,
}

impl Lines {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        loop {
            if let Some(end) = self.pending[self.scanned..].iter().position(|byte| *byte == b'\n') {
                let mut line = self.pending.split_to(self.scanned + end + 1);
                line.truncate(line.len() - 1);
                if line.last() == Some(&b'\r') {
                    line.truncate(line.len() - 1);
                }
                self.scanned = 0;
                self.line += 1;
                return Ok(Some(line.freeze()));
            }
            self.scanned = self.pending.len();
            if self.is_done {
                if self.pending.is_empty() {
                    return Ok(None);
                }
                self.scanned = 0;
                self.line += 1;
                return Ok(Some(self.pending.split().freeze()));
            }
            if self.pending.len() > LINE_BYTES_MAX {
                return Err(DataFusionError::Execution(format!(
                    "/{}: line {} is longer than {LINE_BYTES_MAX} bytes; is this a text file?",
                    self.path,
                    self.line + 1
                )));
            }
            match self.bytes.try_next().await? {
                Some(chunk) => self.pending.extend_from_slice(&chunk),
                None => self.is_done = true,
            }
        }
    }

    fn text<'a>(&self, line: &'a Bytes) -> Result<&'a str> {
        std::str::from_utf8(line).map_err(|error| {
            DataFusionError::Execution(format!(
                "/{}: line {} is not UTF-8 text (byte {} of the line)",
                self.path,
                self.line,
                error.valid_up_to() + 1
            ))
        })
    }
}
