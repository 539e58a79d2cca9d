use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::tree_node::{Transformed, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema};
use datafusion::datasource::{TableType, provider_as_source, source_as_provider};
use datafusion::error::Result;
use datafusion::logical_expr::logical_plan::TableScanBuilder;
use datafusion::logical_expr::{Expr, LogicalPlan, Projection, TableScan, Values};
use datafusion::physical_plan::ExecutionPlan;

use super::scan::SnapshotScan;
use super::version::Version;
use super::{TableDefinition, TableError, TableSnapshot};

/// `plan` with every scan of the table that `latest` belongs to, in subqueries too, reading `latest`.
///
/// The statement was planned before its turn to write came; other writers may have been first.
pub(super) fn read_latest(plan: LogicalPlan, latest: &TableSnapshot) -> Result<LogicalPlan> {
    let rewritten = plan.transform_down_with_subqueries(|node| {
        let LogicalPlan::TableScan(scan) = &node else { return Ok(Transformed::no(node)) };
        match snapshot_of(scan, &latest.version.definition) {
            Some(snapshot) if !Arc::ptr_eq(&snapshot.version, &latest.version) => {
                let source = provider_as_source(Arc::new(latest.without_keys()));
                let scan = TableScan { source, ..scan.clone() };
                Ok(Transformed::new(LogicalPlan::TableScan(scan), true, TreeNodeRecursion::Continue))
            }
            _ => Ok(Transformed::no(node)),
        }
    })?;
    Ok(rewritten.data)
}

fn snapshot_of(scan: &TableScan, definition: &Arc<TableDefinition>) -> Option<TableSnapshot> {
    let provider = source_as_provider(&scan.source).ok()?;
    provider.downcast_ref::<TableSnapshot>().filter(|snapshot| snapshot.is_of(definition)).cloned()
}

/// `plan`, the input of an INSERT, with a list of VALUES that may hold NULL.
///
/// The planner gives VALUES the columns of the table. Where these are NOT NULL, a NULL would fail inside the plan, in words
/// that name neither table nor column; it is found when the row is stored.
pub(super) fn with_nullable_values(plan: LogicalPlan) -> Result<LogicalPlan> {
    let LogicalPlan::Projection(projection) = &plan else { return Ok(plan) };
    let LogicalPlan::Values(values) = projection.input.as_ref() else { return Ok(plan) };
    let nullable = |field: &Arc<Field>| Arc::new(field.as_ref().clone().with_nullable(true));
    let fields = values.schema.iter().map(|(relation, field)| (relation.cloned(), nullable(field)));
    let schema = DFSchema::new_with_metadata(fields.collect(), values.schema.metadata().clone())?;
    let values = LogicalPlan::Values(Values { schema: Arc::new(schema), values: values.values.clone() });
    Ok(LogicalPlan::Projection(Projection::try_new(projection.expr.clone(), Arc::new(values))?))
}

/// The input of an UPDATE or DELETE whose target rows carry their positions.
pub(super) struct PositionedInput {
    /// The rows to change, joined with whatever the statement joins them with.
    pub(super) plan: LogicalPlan,
    /// Reads the position of the target row from the rows of `plan`; NULL in rows without one.
    pub(super) row_id: Column,
}

/// Rewrites `plan`, the input of an UPDATE or DELETE without its projection, to carry the positions of target rows.
///
/// SqlToRel puts the target first, so it is found at the end of the left edge of the tree. Scans of the same table
/// elsewhere, in FROM or in subqueries, are rows to compare with and stay as they are.
pub(super) fn with_row_ids(
    plan: &LogicalPlan,
    version: &Arc<Version>,
    operation: &'static str,
) -> Result<PositionedInput, TableError> {
    let provider = Arc::new(RowIdProvider::new(Arc::clone(version)));
    let name = provider.row_id.name().clone();
    let plan = rewrite_left_edge(plan, &provider, operation)?;
    let relation = plan
        .schema()
        .iter()
        .find(|(_, field)| *field.name() == name)
        .map(|(relation, _)| relation.cloned())
        .ok_or_else(|| unsupported(version, operation, &plan))?;
    Ok(PositionedInput { plan, row_id: Column::new(relation, name) })
}

fn rewrite_left_edge(
    plan: &LogicalPlan,
    provider: &Arc<RowIdProvider>,
    operation: &'static str,
) -> Result<LogicalPlan, TableError> {
    match plan {
        LogicalPlan::TableScan(scan) if snapshot_of(scan, &provider.version.definition).is_some() => {
            let mut scan = scan.clone();
            scan.source = provider_as_source(Arc::clone(provider) as Arc<dyn TableProvider>);
            if let Some(projection) = &mut scan.projection {
                projection.push(provider.version.definition.schema.fields().len());
            }
            Ok(LogicalPlan::TableScan(TableScanBuilder::from(scan).build()?))
        }
        LogicalPlan::Filter(_) | LogicalPlan::SubqueryAlias(_) | LogicalPlan::Join(_) | LogicalPlan::Limit(_) => {
            let mut inputs: Vec<LogicalPlan> = plan.inputs().into_iter().cloned().collect();
            if let Some(first) = inputs.first_mut() {
                *first = rewrite_left_edge(first, provider, operation)?;
            }
            Ok(plan.with_new_exprs(plan.expressions(), inputs)?)
        }
        other => Err(unsupported(&provider.version, operation, other)),
    }
}

fn unsupported(version: &Version, operation: &'static str, plan: &LogicalPlan) -> TableError {
    TableError::Plan { table: version.definition.name.clone(), operation, node: plan.display().to_string() }
}

/// What an UPDATE assigns: the position of a column and the expression for its new value.
pub(super) struct Assignment {
    pub(super) column: usize,
    pub(super) value: Expr,
}

/// The assignments among `exprs`, the projection of an UPDATE, which has an expression for every column of the table.
///
/// A column that is handed through from the target, whose rows are qualified as `row_id` is, keeps its value.
pub(super) fn assignments(exprs: &[Expr], definition: &TableDefinition, row_id: &Column) -> Vec<Assignment> {
    let kept = |column: usize| {
        let name = definition.schema.field(column).name().clone();
        Expr::Column(Column::new(row_id.relation.clone(), name))
    };
    exprs
        .iter()
        .map(|expr| expr.clone().unalias())
        .enumerate()
        .filter(|(column, value)| *value != kept(*column))
        .map(|(column, value)| Assignment { column, value })
        .collect()
}

/// A version of a table with one more column: the position of each row.
#[derive(Debug)]
struct RowIdProvider {
    version: Arc<Version>,
    row_id: Arc<Field>,
    schema: SchemaRef,
}

impl RowIdProvider {
    fn new(version: Arc<Version>) -> Self {
        let columns = &version.definition.schema;
        let mut name = "__row_id".to_owned();
        while columns.index_of(&name).is_ok() {
            name.push('_');
        }
        let row_id = Arc::new(Field::new(name, DataType::UInt64, false));
        let fields: Vec<_> = columns.fields().iter().chain([&row_id]).map(Arc::clone).collect();
        let schema = Arc::new(Schema::new_with_metadata(fields, columns.metadata().clone()));
        Self { row_id, schema, version }
    }
}

#[async_trait]
impl TableProvider for RowIdProvider {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let version = Arc::clone(&self.version);
        let n_partitions_max = state.config().target_partitions();
        Ok(SnapshotScan::new(version, Some(&self.row_id), projection, limit, n_partitions_max).exec())
    }
}
