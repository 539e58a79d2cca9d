//! An array as a table: a row for each element, with its positions and its value.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session as PlanSession, TableProvider};
use datafusion::error::Result as EngineResult;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::{Between, BinaryExpr, Cast, Expr, Operator, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use dolmen_array::{Array, Index};
use dolmen_frame::SourceExec;
use dolmen_graph::Executor;

use super::axes::Axis;
use super::columns::{Column, schema_of};
use super::of_array;
use super::rows::{ArrayRows, external};
use crate::{Error, Result};

/// An array as a table, or several of one shape and the same chunks. Comparisons of positions with numbers cut them before
/// anything of them is computed.
pub(super) struct ArrayTable {
    arrays: Vec<Array>,
    /// The position of the first element.
    starts: Vec<usize>,
    axes: Vec<Axis>,
    /// A column for each axis, and one of values for each array.
    schema: SchemaRef,
}

impl ArrayTable {
    pub(super) fn new(array: Array, axes: Vec<Axis>) -> Result<Self> {
        let (schema, starts) = (schema_of(&array, &axes)?, vec![0; array.n_dims()]);
        Ok(Self { arrays: vec![array], starts, axes, schema })
    }

    /// Arrays that are computed from this one and have some of its axes, as a table of their own.
    pub(super) fn derived(&self, arrays: Vec<Array>, starts: Vec<usize>, axes: Vec<Axis>, schema: SchemaRef) -> Self {
        Self { arrays, starts, axes, schema }
    }

    pub(super) fn axes(&self) -> &[Axis] {
        &self.axes
    }

    pub(super) fn array(&self) -> &Array {
        &self.arrays[0]
    }

    /// All rows, computed from now on.
    pub(super) fn rows(&self, executor: &dyn Executor) -> Result<(SchemaRef, SendableRecordBatchStream)> {
        let columns: Vec<usize> = (0..self.schema.fields().len()).collect();
        let rows = self.read(self.arrays.clone(), self.starts.clone(), &columns)?;
        Ok((Arc::clone(&self.schema), rows.start(executor)?))
    }

    /// The rows of `arrays`, which are those of this table or parts of them, as far as `columns` need them.
    fn read(&self, mut arrays: Vec<Array>, starts: Vec<usize>, columns: &[usize]) -> Result<ArrayRows> {
        let n_axes = self.array().n_dims();
        let mut needed: Vec<usize> = columns.iter().filter_map(|column| column.checked_sub(n_axes)).collect();
        // The sizes of an array tell how many rows there are.
        if needed.is_empty() {
            needed.push(0);
        }
        let columns_of = |column: &usize| match column.checked_sub(n_axes) {
            None => Column::Axis(*column),
            Some(array) => Column::Value(needed.iter().position(|other| *other == array).unwrap_or_default()),
        };
        let kinds = columns.iter().map(columns_of).collect();
        let schema = self.schema.project(columns).map_err(|error| Error::internal(error.to_string()))?;
        arrays = needed.iter().map(|array| arrays[*array].clone()).collect();
        let labels = self.axes.iter().map(|axis| axis.labels.clone()).collect();
        ArrayRows::new(arrays, starts, kinds, labels, Arc::new(schema))
    }

    /// The part of the arrays that the filters leave, and the position of its first element. Arrays of unknown lengths have
    /// no positions to compare with, and stay whole.
    pub(super) fn cut(&self, filters: &[Expr]) -> Result<(Vec<Array>, Vec<usize>)> {
        let Some(bounds) = self.bounds(filters) else { return Ok((self.arrays.clone(), self.starts.clone())) };
        let starts = bounds.iter().zip(&self.starts).map(|(range, start)| range.start + start).collect();
        let index: Vec<Index> =
            bounds.iter().map(|range| Index::from(range.start as isize..range.end as isize)).collect();
        let cut = self.arrays.iter().map(|array| array.index(&index).map_err(of_array));
        Ok((cut.collect::<Result<_>>()?, starts))
    }

    /// What the filters leave of each axis, counted from its first element.
    fn bounds(&self, filters: &[Expr]) -> Option<Vec<Range<usize>>> {
        let mut bounds: Vec<Range<usize>> =
            self.array().dims().iter().map(|len| Some(0..(*len)?)).collect::<Option<_>>()?;
        for filter in filters {
            if let Some(Limits { axis, kept, .. }) = self.limits(filter) {
                let own = |position: i128| {
                    let own = position.saturating_sub(self.starts[axis] as i128);
                    usize::try_from(own.max(0)).unwrap_or(usize::MAX)
                };
                let bound = &mut bounds[axis];
                let end = bound.end.min(own(kept.end));
                *bound = bound.start.max(own(kept.start)).min(end)..end;
            }
        }
        Some(bounds)
    }

    /// What a filter leaves of an axis, if it compares its positions, or what these stand for, with something that is known.
    pub(super) fn limits(&self, filter: &Expr) -> Option<Limits> {
        let comparisons = match filter {
            // One of several: whatever lies between them.
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
                let (first, second) = (self.limits(left)?, self.limits(right)?);
                return first.hull(&second);
            }
            Expr::InList(InList { expr, list, negated: false }) => {
                let one = |value: &Expr| {
                    let (expr, value) = (expr.clone(), Box::new(value.clone()));
                    self.limits(&Expr::BinaryExpr(BinaryExpr { left: expr, op: Operator::Eq, right: value }))
                };
                return list.iter().map(one).reduce(|first, second| first?.hull(&second?))?;
            }
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => vec![(&**left, *op, &**right)],
            Expr::Between(Between { expr, negated: false, low, high }) => {
                vec![(&**expr, Operator::GtEq, &**low), (&**expr, Operator::LtEq, &**high)]
            }
            _ => return None,
        };
        let limits = comparisons.into_iter().map(|(left, op, right)| {
            let (compared, op, value) = match (left, right) {
                (compared, Expr::Literal(value, _)) => (compared, op, value),
                (Expr::Literal(value, _), compared) => (compared, op.swap()?, value),
                _ => return None,
            };
            // What the engine compares may be a wider type than what the axis has.
            let (column, to) = match compared {
                Expr::Column(column) => (column, None),
                Expr::Cast(Cast { expr, field }) => match &**expr {
                    Expr::Column(column) => (column, Some(field.data_type())),
                    _ => return None,
                },
                _ => return None,
            };
            let axis = self.axis(&column.name)?;
            let (kept, is_exact) = self.axes[axis].limits(op, value, to)?;
            Some(Limits { axis, kept, is_exact })
        });
        limits.reduce(|first, second| {
            let (first, second) = (first?, second?);
            let kept = first.kept.start.max(second.kept.start)..first.kept.end.min(second.kept.end);
            Some(Limits { kept, is_exact: first.is_exact && second.is_exact, ..first })
        })?
    }

    /// The axis that this column is about.
    pub(super) fn axis(&self, name: &str) -> Option<usize> {
        self.schema.index_of(name).ok().filter(|axis| *axis < self.array().n_dims())
    }
}

/// The positions along an axis that a filter leaves.
pub(super) struct Limits {
    axis: usize,
    kept: Range<i128>,
    /// Whether the filter is true at all of them.
    pub(super) is_exact: bool,
}

impl Limits {
    /// What lies between two parts of one axis.
    fn hull(self, other: &Self) -> Option<Self> {
        let kept = self.kept.start.min(other.kept.start)..self.kept.end.max(other.kept.end);
        (self.axis == other.axis).then_some(Self { kept, is_exact: false, ..self })
    }
}

#[async_trait::async_trait]
impl TableProvider for ArrayTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> EngineResult<Vec<TableProviderFilterPushDown>> {
        let pushed = filters.iter().map(|filter| match self.limits(filter) {
            // They are looked at again: that costs little, and unknown lengths cut nothing.
            Some(_) => TableProviderFilterPushDown::Inexact,
            None => TableProviderFilterPushDown::Unsupported,
        });
        Ok(pushed.collect())
    }

    async fn scan(
        &self,
        state: &dyn PlanSession,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> EngineResult<Arc<dyn ExecutionPlan>> {
        let (arrays, starts) = self.cut(filters).map_err(external)?;
        let columns = projection.cloned().unwrap_or_else(|| (0..self.schema.fields().len()).collect());
        let rows = self.read(arrays, starts, &columns).map_err(external)?;
        // Filters are looked at again, and may leave fewer rows.
        let rows = if filters.is_empty() { rows.limited(limit) } else { rows };
        Ok(Arc::new(SourceExec::new(Arc::new(rows), state)))
    }
}

impl fmt::Debug for ArrayTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ArrayTable").field(&self.arrays).finish()
    }
}
