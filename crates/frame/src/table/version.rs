use std::fmt;
use std::sync::{Arc, OnceLock};

use arrow::array::RecordBatch;
use datafusion::common::stats::Precision;
use datafusion::common::{ColumnStatistics, Constraints};
use datafusion::error::Result;

use super::TableDefinition;
use super::chunk::Chunk;
use super::statistics::column_statistics;

/// The immutable rows of a table between two writes.
pub(super) struct Version {
    pub(super) definition: Arc<TableDefinition>,
    pub(super) chunks: Vec<Arc<Chunk>>,
    /// The keys that the planner may build on.
    pub(super) planner_keys: Constraints,
    /// The position of the first row of each chunk, and at the end the number of rows.
    starts: Vec<usize>,
    statistics: Vec<OnceLock<ColumnStatistics>>,
}

impl Version {
    pub(super) fn new(definition: Arc<TableDefinition>, chunks: Vec<Arc<Chunk>>) -> Self {
        let mut starts = Vec::with_capacity(chunks.len() + 1);
        let mut n_rows = 0;
        for chunk in &chunks {
            starts.push(n_rows);
            n_rows += chunk.n_rows;
        }
        starts.push(n_rows);
        let statistics = definition.schema.fields().iter().map(|_| OnceLock::new()).collect();
        Self { planner_keys: definition.planner_keys(), definition, chunks, starts, statistics }
    }

    pub(super) fn n_rows(&self) -> usize {
        self.starts.last().copied().unwrap_or(0)
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.memory_bytes()).sum()
    }

    pub(super) fn batches(&self) -> Result<Vec<RecordBatch>> {
        let schema = &self.definition.schema;
        let batch = |chunk: &Arc<Chunk>| RecordBatch::try_new(Arc::clone(schema), chunk.arrays());
        Ok(self.chunks.iter().map(batch).collect::<Result<_, _>>()?)
    }

    /// The positions of the rows of chunk `i`.
    pub(super) fn rows(&self, i: usize) -> std::ops::Range<usize> {
        self.starts[i]..self.starts[i + 1]
    }

    /// The chunk that holds row `row`, which exists.
    pub(super) fn chunk_of(&self, row: usize) -> usize {
        self.starts.partition_point(|&start| start <= row).saturating_sub(1)
    }

    pub(super) fn column_statistics(&self, column: usize) -> &ColumnStatistics {
        self.statistics[column].get_or_init(|| {
            let pieces = self.chunks.iter().map(|chunk| &chunk.columns[column]);
            let statistics = column_statistics(self.definition.schema.field(column).data_type(), pieces);
            let is_key = self.definition.keys.iter().any(|key| key.columns == [column]);
            if is_key && statistics.null_count == Precision::Exact(0) {
                return statistics.with_distinct_count(Precision::Exact(self.n_rows()));
            }
            statistics
        })
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Version")
            .field("table", &self.definition.name)
            .field("n_rows", &self.n_rows())
            .field("n_chunks", &self.chunks.len())
            .finish_non_exhaustive()
    }
}
