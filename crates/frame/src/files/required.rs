//! NOT NULL of an external table.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{Result, Statistics};
use datafusion::datasource::TableType;
use datafusion::logical_expr::dml::InsertOp;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::projection::ProjectionExec;

use crate::meaning::not_null;

/// A table whose files anyone may write: that a column is NOT NULL is checked in the rows that are read or written. The
/// planner is not told, because it would believe it of rows that no one has looked at.
#[derive(Debug)]
pub(crate) struct RequiredColumns {
    table: Arc<dyn TableProvider>,
    name: String,
    required: Vec<String>,
}

impl RequiredColumns {
    /// `table`, called `name`, whose schema takes every column to be nullable.
    pub(crate) fn new(table: Arc<dyn TableProvider>, name: String, required: Vec<String>) -> Self {
        Self { table, name, required }
    }

    /// `plan` with an error in the place of a NULL. `names` are those of its columns in the table.
    fn checked(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        names: &[String],
        state: &dyn Session,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if !names.iter().any(|name| self.required.contains(name)) {
            return Ok(plan);
        }
        let schema = plan.schema();
        let exprs = schema.fields().iter().zip(names).enumerate().map(|(i, (field, name))| {
            let column: Arc<dyn PhysicalExpr> = Arc::new(Column::new(field.name(), i));
            let expr = match self.required.contains(name) {
                true => {
                    let what = format!("column \"{name}\" of external table \"{}\"", self.name);
                    not_null(column, Arc::clone(field), what, state.config().options())
                }
                false => column,
            };
            (expr, field.name().clone())
        });
        let exprs: Vec<(Arc<dyn PhysicalExpr>, String)> = exprs.collect();
        Ok(Arc::new(ProjectionExec::try_new(exprs, plan)?))
    }
}

#[async_trait]
impl TableProvider for RequiredColumns {
    fn schema(&self) -> SchemaRef {
        self.table.schema()
    }

    fn table_type(&self) -> TableType {
        self.table.table_type()
    }

    fn get_table_definition(&self) -> Option<&str> {
        self.table.get_table_definition()
    }

    fn get_column_default(&self, column: &str) -> Option<&Expr> {
        self.table.get_column_default(column)
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        self.table.supports_filters_pushdown(filters)
    }

    fn statistics(&self) -> Option<Statistics> {
        self.table.statistics()
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let plan = self.table.scan(state, projection, filters, limit).await?;
        let names: Vec<String> = plan.schema().fields().iter().map(|field| field.name().clone()).collect();
        self.checked(plan, &names, state)
    }

    async fn insert_into(
        &self,
        state: &dyn Session,
        input: Arc<dyn ExecutionPlan>,
        op: InsertOp,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let names: Vec<String> = self.schema().fields().iter().map(|field| field.name().clone()).collect();
        self.table.insert_into(state, self.checked(input, &names, state)?, op).await
    }
}
