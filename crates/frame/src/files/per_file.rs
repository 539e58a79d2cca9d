//! A table whose files have columns of their own: partitions in their paths, or the path itself.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::{ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions};
use datafusion::arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{DFSchema, Result};
use datafusion::datasource::TableType;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{Column, Literal};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::union::UnionExec;
use datafusion::scalar::ScalarValue;

/// Columns that are the same in every row of a file.
#[derive(Debug, Clone)]
pub(crate) struct FileColumns {
    pub(crate) fields: Vec<Field>,
    pub(crate) values: Vec<ScalarValue>,
}

impl FileColumns {
    /// The values as arrays of `n_rows` rows.
    pub(crate) fn arrays(&self, n_rows: usize) -> Result<Vec<ArrayRef>> {
        self.values.iter().map(|value| value.to_array_of_size(n_rows)).collect()
    }

    /// Whether `filter`, over these columns alone, holds for the file.
    fn satisfy(&self, filter: &Expr, state: &dyn Session) -> Result<bool> {
        let schema = Arc::new(Schema::new(self.fields.clone()));
        let options = RecordBatchOptions::new().with_row_count(Some(1));
        let row = RecordBatch::try_new_with_options(Arc::clone(&schema), self.arrays(1)?, &options)?;
        let filter = state.create_physical_expr(filter.clone(), &DFSchema::try_from(schema.as_ref().clone())?)?;
        let holds = filter.evaluate(&row)?.into_array(1)?;
        // NULL is not true: a row of an unknown partition does not pass a filter on it.
        Ok(holds.as_any().downcast_ref::<BooleanArray>().is_none_or(|holds| holds.iter().any(|h| h == Some(true))))
    }
}

/// Files of one schema, each with [`FileColumns`] behind its own columns. Files whose columns do not pass a filter are not
/// opened.
#[derive(Debug)]
pub(crate) struct PerFileTable {
    files: Vec<(Arc<dyn TableProvider>, FileColumns)>,
    schema: SchemaRef,
    /// Number of columns that are in the files.
    n_inner: usize,
}

impl PerFileTable {
    /// A table over at least one file.
    pub(crate) fn try_new(files: Vec<(Arc<dyn TableProvider>, FileColumns)>) -> Result<Self> {
        let (inner, fields) = match files.first() {
            Some((table, columns)) => (table.schema(), columns.fields.clone()),
            None => return datafusion::common::plan_err!("a table over files needs at least one file"),
        };
        let mut all: Vec<Field> = inner.fields().iter().map(|field| field.as_ref().clone()).collect();
        if let Some(taken) = fields.iter().find(|field| inner.field_with_name(field.name()).is_ok()) {
            return datafusion::common::plan_err!(
                "the files already have a column \"{}\"; name the file's column with filename => 'name'",
                taken.name()
            );
        }
        all.extend(fields);
        let schema = Arc::new(Schema::new_with_metadata(all, inner.metadata().clone()));
        Ok(Self { files, schema, n_inner: inner.fields().len() })
    }

    fn is_own(&self, filter: &Expr) -> bool {
        let own = &self.schema.fields()[self.n_inner..];
        let columns = filter.column_refs();
        !filter.is_volatile()
            && !columns.is_empty()
            && columns.iter().all(|column| own.iter().any(|field| *field.name() == column.name))
    }
}

#[async_trait]
impl TableProvider for PerFileTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        let inner = &self.schema.fields()[..self.n_inner];
        filters
            .iter()
            .map(|filter| {
                if self.is_own(filter) {
                    return Ok(TableProviderFilterPushDown::Exact);
                }
                let columns = filter.column_refs();
                match columns.iter().all(|column| inner.iter().any(|field| *field.name() == column.name)) {
                    true => Ok(self.files[0].0.supports_filters_pushdown(&[filter])?.swap_remove(0)),
                    false => Ok(TableProviderFilterPushDown::Unsupported),
                }
            })
            .collect()
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let (own, inner): (Vec<Expr>, Vec<Expr>) = filters.iter().cloned().partition(|filter| self.is_own(filter));
        let wanted: Vec<usize> = projection.cloned().unwrap_or_else(|| (0..self.schema.fields().len()).collect());
        let inner_columns: Vec<usize> = wanted.iter().copied().filter(|column| *column < self.n_inner).collect();
        let mut plans = Vec::new();
        for (table, columns) in &self.files {
            if !own
                .iter()
                .map(|filter| columns.satisfy(filter, state))
                .collect::<Result<Vec<_>>>()?
                .iter()
                .all(|ok| *ok)
            {
                continue;
            }
            let plan = table.scan(state, Some(&inner_columns), &inner, limit).await?;
            let mut next = 0;
            let exprs = wanted.iter().map(|column| -> (Arc<dyn PhysicalExpr>, String) {
                let name = self.schema.field(*column).name().clone();
                match column.checked_sub(self.n_inner) {
                    Some(own) => (Arc::new(Literal::new(columns.values[own].clone())), name),
                    None => {
                        next += 1;
                        (Arc::new(Column::new(&name, next - 1)), name)
                    }
                }
            });
            let exprs: Vec<_> = exprs.collect();
            plans.push(Arc::new(ProjectionExec::try_new(exprs, plan)?) as Arc<dyn ExecutionPlan>);
        }
        match plans.is_empty() {
            true => Ok(Arc::new(EmptyExec::new(Arc::new(self.schema.project(&wanted)?)))),
            false => UnionExec::try_new(plans),
        }
    }
}
