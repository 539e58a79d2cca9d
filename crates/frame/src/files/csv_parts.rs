//! Reading CSV files in parts, where that is right.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::config::CsvOptions;
use datafusion::datasource::TableType;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::dml::InsertOp;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_plan::ExecutionPlan;

use crate::cancel::Cancellation;
use crate::files::csv_records::every_line_ends_a_record;

/// A table over CSV files that several threads read in parts, but only where no value holds a line break: DataFusion cuts
/// files at line breaks, those between quotes included.
#[derive(Debug)]
pub(crate) struct CsvParts {
    /// Reads each file from beginning to end.
    pub(crate) whole: Arc<dyn TableProvider>,
    /// Reads parts of a file at the same time.
    pub(crate) parts: Arc<dyn TableProvider>,
    /// The files on local disks; `None` if some are elsewhere, where looking through them costs as much as reading them.
    pub(crate) files: Option<Vec<PathBuf>>,
    pub(crate) options: CsvOptions,
}

impl CsvParts {
    /// Looks through the files, if there is anything to gain.
    async fn may_be_cut(&self, state: &dyn Session, limit: Option<usize>) -> Result<bool> {
        let optimizer = &state.config_options().optimizer;
        let Some(files) = &self.files else { return Ok(false) };
        if limit.is_some() || !optimizer.repartition_file_scans || state.config().target_partitions() < 2 {
            return Ok(false);
        }
        let n_bytes: u64 = files.iter().filter_map(|file| file.metadata().ok()).map(|meta| meta.len()).sum();
        if n_bytes < optimizer.repartition_file_min_size as u64 {
            return Ok(false);
        }
        let cancellation = state.config().get_extension::<Cancellation>().unwrap_or_default();
        for file in files.clone() {
            let (options, cancellation) = (self.options.clone(), Arc::clone(&cancellation));
            let look = move || match File::open(file) {
                Ok(file) => every_line_ends_a_record(file, &options, &cancellation),
                // Reading it whole will say what is wrong.
                Err(_) => Ok(false),
            };
            let looked = tokio::task::spawn_blocking(look).await;
            if !looked.map_err(|error| DataFusionError::ExecutionJoin(Box::new(error)))?? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

#[async_trait]
impl TableProvider for CsvParts {
    fn schema(&self) -> SchemaRef {
        self.whole.schema()
    }

    fn table_type(&self) -> TableType {
        self.whole.table_type()
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        self.whole.supports_filters_pushdown(filters)
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let table = if self.may_be_cut(state, limit).await? { &self.parts } else { &self.whole };
        table.scan(state, projection, filters, limit).await
    }

    async fn insert_into(
        &self,
        state: &dyn Session,
        input: Arc<dyn ExecutionPlan>,
        op: InsertOp,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.whole.insert_into(state, input, op).await
    }
}
