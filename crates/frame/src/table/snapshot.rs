use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::{Constraints, Statistics};
use datafusion::datasource::TableType;
use datafusion::error::Result;
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::ExecutionPlan;

use super::TableDefinition;
use super::scan::SnapshotScan;
use super::version::Version;

/// One version of a table: immutable rows that any number of statements may read while the table is written.
///
/// Its memory stays counted until the last statement that reads it lets go of it. It refuses to be written through
/// DataFusion's `TableProvider`; see [`StoredTable`](super::StoredTable).
#[derive(Debug, Clone)]
pub struct TableSnapshot {
    pub(super) version: Arc<Version>,
    /// Whether the planner is told of the primary key.
    tells_keys: bool,
}

impl TableSnapshot {
    pub(super) fn new(version: Arc<Version>) -> Self {
        Self { version, tells_keys: true }
    }

    pub(super) fn without_keys(&self) -> Self {
        Self { version: Arc::clone(&self.version), tells_keys: false }
    }

    /// What the table is: name, columns, constraints, defaults.
    pub fn definition(&self) -> &TableDefinition {
        &self.version.definition
    }

    /// The number of rows.
    pub fn n_rows(&self) -> usize {
        self.version.n_rows()
    }

    /// The bytes that the rows occupy in memory.
    pub fn memory_bytes(&self) -> usize {
        self.version.memory_bytes()
    }

    /// The rows in their order, without copying them.
    ///
    /// # Errors
    /// None is expected: the stored columns fit the schema.
    pub fn batches(&self) -> Result<Vec<RecordBatch>> {
        self.version.batches()
    }

    /// Whether both are versions of one table.
    pub(super) fn is_of(&self, definition: &Arc<TableDefinition>) -> bool {
        Arc::ptr_eq(&self.version.definition, definition)
    }
}

#[async_trait]
impl TableProvider for TableSnapshot {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.version.definition.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn constraints(&self) -> Option<&Constraints> {
        self.tells_keys.then_some(&self.version.planner_keys)
    }

    fn get_column_default(&self, column: &str) -> Option<&Expr> {
        self.version.definition.defaults.get(column)
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let n_partitions_max = state.config().target_partitions();
        Ok(SnapshotScan::new(Arc::clone(&self.version), None, projection, limit, n_partitions_max).exec())
    }

    fn statistics(&self) -> Option<Statistics> {
        let n_columns = self.version.definition.schema.fields().len();
        Some(Statistics {
            num_rows: Precision::Exact(self.version.n_rows()),
            total_byte_size: Precision::Inexact(self.version.memory_bytes()),
            column_statistics: (0..n_columns).map(|i| self.version.column_statistics(i).clone()).collect(),
        })
    }
}
