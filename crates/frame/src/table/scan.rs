use std::any::type_name;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, UInt64Array};
use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{ColumnStatistics, Statistics};
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::datasource::source::{DataSource, DataSourceExec};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::projection::ProjectionExprs;
use datafusion::physical_expr::{EquivalenceProperties, LexOrdering, PhysicalExpr};
use datafusion::physical_plan::coop::cooperative;
use datafusion::physical_plan::execution_plan::SchedulingType;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayFormatType, ExecutionPlan, Partitioning};
use futures::stream;

use super::version::Version;
use super::{CHUNK_ROWS_MAX, TableSnapshot};
use crate::columns;

/// Reads a snapshot: consecutive rows in each partition, no copies but slices at the borders between partitions.
///
/// It holds the snapshot, and so do its streams: the memory of an old version stays counted while it is read.
#[derive(Debug, Clone)]
pub struct SnapshotScan {
    version: Arc<Version>,
    /// The column positions to read; the number of columns stands for the row's position.
    columns: Vec<usize>,
    schema: SchemaRef,
    partitions: Vec<Range<usize>>,
    fetch: Option<usize>,
}

impl SnapshotScan {
    /// Reads the columns of `projection` (all if there is none) of the first `limit` rows.
    ///
    /// With `row_id`, a column of that field with the position of each row follows the table's own.
    pub(super) fn new(
        version: Arc<Version>,
        row_id: Option<&Arc<Field>>,
        projection: Option<&Vec<usize>>,
        limit: Option<usize>,
        n_partitions_max: usize,
    ) -> Self {
        let all: Vec<_> = version.definition.schema.fields().iter().chain(row_id).map(Arc::clone).collect();
        let columns = projection.cloned().unwrap_or_else(|| (0..all.len()).collect());
        let fields: Vec<_> = columns.iter().map(|&i| Arc::clone(&all[i])).collect();
        let metadata = version.definition.schema.metadata().clone();
        let n_rows = limit.unwrap_or(usize::MAX).min(version.n_rows());
        Self {
            columns,
            schema: Arc::new(Schema::new_with_metadata(fields, metadata)),
            partitions: split(0..n_rows, n_partitions_max),
            fetch: None,
            version,
        }
    }

    /// The version of the table that is read.
    pub fn snapshot(&self) -> TableSnapshot {
        TableSnapshot::new(Arc::clone(&self.version))
    }

    /// The same scan with its rows inside, in a form that DataFusion can encode and send away.
    ///
    /// # Errors
    /// None is expected: the stored columns fit the schema.
    pub fn to_memory_source(&self) -> Result<MemorySourceConfig> {
        let batches = |rows: &Range<usize>| self.pieces(self.fetched(rows)).collect::<Result<Vec<_>>>();
        let partitions: Vec<_> = self.partitions.iter().map(batches).collect::<Result<_>>()?;
        MemorySourceConfig::try_new(&partitions, Arc::clone(&self.schema), None)
    }

    pub(super) fn exec(self) -> Arc<dyn ExecutionPlan> {
        DataSourceExec::from_data_source(self)
    }

    fn fetched(&self, rows: &Range<usize>) -> Range<usize> {
        rows.start..rows.end.min(rows.start.saturating_add(self.fetch.unwrap_or(usize::MAX)))
    }

    /// The positions of the chunks that hold these rows.
    fn chunks_of(&self, rows: &Range<usize>) -> Range<usize> {
        match rows.is_empty() {
            true => 0..0,
            false => self.version.chunk_of(rows.start)..self.version.chunk_of(rows.end - 1) + 1,
        }
    }

    /// The rows at these positions, a batch for each chunk they lie in.
    fn pieces(&self, rows: Range<usize>) -> impl Iterator<Item = Result<RecordBatch>> + Send + 'static {
        let scan = self.clone();
        self.chunks_of(&rows).map(move |i| {
            let start = scan.version.rows(i).start;
            let chunk = &scan.version.chunks[i];
            let from = rows.start.max(start) - start;
            let n_rows = rows.end.min(start + chunk.n_rows) - start - from;
            let column = |&c: &usize| match chunk.columns.get(c) {
                Some(column) if n_rows == chunk.n_rows => Arc::clone(&column.array),
                Some(column) => column.array.slice(from, n_rows),
                None => row_ids(start + from, n_rows),
            };
            let columns = scan.columns.iter().map(column).collect();
            let options = RecordBatchOptions::new().with_row_count(Some(n_rows));
            Ok(RecordBatch::try_new_with_options(Arc::clone(&scan.schema), columns, &options)?)
        })
    }
}

fn row_ids(start: usize, n_rows: usize) -> ArrayRef {
    Arc::new(UInt64Array::from_iter_values((start..start + n_rows).map(|row| row as u64)))
}

/// Cuts `rows` into at most `n_max` equal ranges; a small table is not worth more than one.
fn split(rows: Range<usize>, n_max: usize) -> Vec<Range<usize>> {
    let n = rows.len().div_ceil(CHUNK_ROWS_MAX).clamp(1, n_max.max(1));
    let at = |i: usize| rows.start + (rows.len() as u128 * i as u128 / n as u128) as usize;
    (0..n).map(|i| at(i)..at(i + 1)).collect()
}

impl DataSource for SnapshotScan {
    fn open(&self, partition: usize, _context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let rows = self.partitions.get(partition).ok_or_else(|| {
            DataFusionError::Internal(format!("{} has no partition {partition}", type_name::<Self>()))
        })?;
        let batches = stream::iter(self.pieces(self.fetched(rows)));
        Ok(Box::pin(cooperative(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), batches))))
    }

    fn fmt_as(&self, t: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match t {
            DisplayFormatType::TreeRender => {
                let n_rows: usize = self.partitions.iter().map(|rows| self.fetched(rows).len()).sum();
                writeln!(f, "table={}", self.version.definition.name)?;
                writeln!(f, "rows={n_rows}")
            }
            DisplayFormatType::Default | DisplayFormatType::Verbose => {
                // In the words of DataFusion's own tables in memory, which readers and tests of its plans know.
                let sizes: Vec<_> =
                    self.partitions.iter().map(|rows| self.chunks_of(&self.fetched(rows)).len()).collect();
                write!(f, "partitions={}, partition_sizes={sizes:?}", sizes.len())?;
                self.fetch.map_or(Ok(()), |fetch| write!(f, ", fetch={fetch}"))
            }
        }
    }

    fn repartitioned(
        &self,
        n_partitions: usize,
        _repartition_file_min_size: usize,
        output_ordering: Option<LexOrdering>,
    ) -> Result<Option<Arc<dyn DataSource>>> {
        // `fetch` holds for each partition, so more partitions would give more rows.
        if self.fetch.is_some() || output_ordering.is_some() || self.partitions.len() >= n_partitions {
            return Ok(None);
        }
        let n_rows = self.partitions.last().map_or(0, |rows| rows.end);
        let partitions = split(0..n_rows, n_partitions);
        if partitions.len() <= self.partitions.len() {
            return Ok(None);
        }
        Ok(Some(Arc::new(Self { partitions, ..self.clone() })))
    }

    fn output_partitioning(&self) -> Partitioning {
        Partitioning::UnknownPartitioning(self.partitions.len())
    }

    fn eq_properties(&self) -> EquivalenceProperties {
        EquivalenceProperties::new(Arc::clone(&self.schema))
    }

    fn scheduling_type(&self) -> SchedulingType {
        SchedulingType::Cooperative
    }

    fn partition_statistics(&self, partition: Option<usize>) -> Result<Arc<Statistics>> {
        let n_rows = match partition {
            Some(i) => self.partitions.get(i).map_or(0, |rows| self.fetched(rows).len()),
            None => self.partitions.iter().map(|rows| self.fetched(rows).len()).sum(),
        };
        let is_whole = n_rows == self.version.n_rows();
        let column = |&i: &usize| {
            if !is_whole || i == self.version.definition.schema.fields().len() {
                return ColumnStatistics::new_unknown();
            }
            self.version.column_statistics(i).clone()
        };
        let columns: Vec<_> = self.columns.iter().map(column).collect();
        let n_bytes = columns.iter().try_fold(0, |sum, column| Some(sum + column.byte_size.get_value()?));
        Ok(Arc::new(Statistics {
            num_rows: Precision::Exact(n_rows),
            total_byte_size: n_bytes.map_or(Precision::Absent, Precision::Inexact),
            column_statistics: columns,
        }))
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
        _f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_even_and_cover_all_rows() {
        let cuts = |n_rows, n_max| {
            let ranges = split(0..n_rows, n_max);
            ranges.iter().map(|rows| (rows.start, rows.end)).collect::<Vec<_>>()
        };
        assert_eq!(cuts(0, 4), [(0, 0)]);
        assert_eq!(cuts(8192, 4), [(0, 8192)]);
        assert_eq!(cuts(8193, 4), [(0, 4096), (4096, 8193)]);
        assert_eq!(cuts(100_000, 4), [(0, 25_000), (25_000, 50_000), (50_000, 75_000), (75_000, 100_000)]);
    }
}
