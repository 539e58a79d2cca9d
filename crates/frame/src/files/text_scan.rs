//! Reading text files: one partition each.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::Statistics;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::file_format::file_compression_type::FileCompressionType;
use datafusion::datasource::source::DataSource;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::projection::ProjectionExprs;
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::coop::cooperative;
use datafusion::physical_plan::execution_plan::SchedulingType;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayFormatType, Partitioning};
use futures::StreamExt;

use crate::columns;
use crate::files::text::TextFile;

/// Some columns of text files, of at most `fetch` lines in each.
#[derive(Debug, Clone)]
pub(crate) struct TextScan {
    pub(crate) files: Vec<Arc<TextFile>>,
    /// The positions of the columns that are read.
    pub(crate) columns: Vec<usize>,
    pub(crate) fetch: Option<usize>,
    schema: SchemaRef,
}

impl TextScan {
    /// Reads `columns` of `files`, all of whose columns are those of `schema`.
    pub(crate) fn try_new(
        files: Vec<Arc<TextFile>>,
        schema: &SchemaRef,
        columns: Vec<usize>,
        fetch: Option<usize>,
    ) -> Result<Self> {
        let schema = Arc::new(schema.project(&columns)?);
        Ok(Self { files, columns, fetch, schema })
    }

    /// How all of the files are compressed.
    pub(crate) fn compression(&self) -> FileCompressionType {
        self.files.first().map_or(FileCompressionType::UNCOMPRESSED, |file| file.compression)
    }
}

impl DataSource for TextScan {
    fn open(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let file = self.files.get(partition);
        let file = file.ok_or_else(|| DataFusionError::Internal(format!("there is no text file {partition}")))?;
        let columns = self.columns.clone();
        let mut rest = self.fetch.unwrap_or(usize::MAX);
        let batches = file.read(&context).map(move |batch| {
            let batch = batch?.project(&columns)?;
            let n_rows = batch.num_rows().min(rest);
            rest -= n_rows;
            Ok((batch.slice(0, n_rows), rest))
        });
        // The batch that has the last line wanted is the last one read.
        let batches = batches.scan(false, |is_over, batch: Result<_>| {
            let next = (!*is_over).then(|| {
                batch.map(|(batch, rest)| {
                    *is_over = rest == 0;
                    batch
                })
            });
            futures::future::ready(next)
        });
        Ok(Box::pin(cooperative(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), batches))))
    }

    fn fmt_as(&self, t: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let paths: Vec<&str> = self.files.iter().map(|file| file.path.as_ref()).collect();
        match t {
            DisplayFormatType::TreeRender => writeln!(f, "files={}\nformat=text", paths.len()),
            DisplayFormatType::Default | DisplayFormatType::Verbose => {
                let columns: Vec<&str> = self.schema.fields().iter().map(|field| field.name().as_str()).collect();
                write!(f, "files=[{}], columns=[{}], file_type=text", paths.join(", "), columns.join(", "))?;
                self.fetch.map_or(Ok(()), |fetch| write!(f, ", fetch={fetch}"))
            }
        }
    }

    fn output_partitioning(&self) -> Partitioning {
        Partitioning::UnknownPartitioning(self.files.len())
    }

    fn eq_properties(&self) -> EquivalenceProperties {
        EquivalenceProperties::new(Arc::clone(&self.schema))
    }

    fn scheduling_type(&self) -> SchedulingType {
        SchedulingType::Cooperative
    }

    fn partition_statistics(&self, _: Option<usize>) -> Result<Arc<Statistics>> {
        Ok(Arc::new(Statistics::new_unknown(&self.schema)))
    }

    fn with_fetch(&self, fetch: Option<usize>) -> Option<Arc<dyn DataSource>> {
        Some(Arc::new(Self { fetch, ..self.clone() }))
    }

    fn fetch(&self) -> Option<usize> {
        self.fetch
    }

    fn try_swapping_with_projection(&self, projection: &ProjectionExprs) -> Result<Option<Arc<dyn DataSource>>> {
        let kept = columns::kept(projection, &self.columns, &self.schema)?;
        Ok(kept.map(|(columns, schema)| Arc::new(Self { columns, schema, ..self.clone() }) as Arc<dyn DataSource>))
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }
}
