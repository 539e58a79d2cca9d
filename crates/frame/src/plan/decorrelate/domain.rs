//! The domain of a dependent join: the distinct values of the outer columns that a subquery reads.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Column, Result, not_impl_err, plan_err};
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Distinct, Expr, LogicalPlan};

use super::build::{alias, as_exprs, column_at, named, project, same_value};
use super::ids::Ids;
use super::references::OuterRef;
use super::stable::reproducible;

/// The distinct values of some columns of an outer query, as a plan that can be instantiated any number of times.
#[derive(Debug)]
pub(super) struct Domain {
    /// The outer columns, as the subquery names them.
    pub(super) outer: Vec<Column>,
    /// The type of each, and whether it can be NULL.
    types: Vec<(DataType, bool)>,
    plan: Option<LogicalPlan>,
}

impl Domain {
    /// The domain of `refs` over the rows of `source`, which must have all those columns.
    ///
    /// Without references the domain has no column and stands for "any row".
    ///
    /// # Errors
    /// Not implemented, if two evaluations of `source` can disagree about these columns: the result would not be joined
    /// back to the rows it was computed for.
    pub(super) fn new(source: &LogicalPlan, refs: &[OuterRef], ids: &Ids) -> Result<Self> {
        let outer: Vec<Column> = refs.iter().map(|r| r.column.clone()).collect();
        if outer.is_empty() {
            return Ok(Self { outer, types: vec![], plan: None });
        }
        let schema = source.schema();
        let mut values = Vec::with_capacity(outer.len());
        let mut types = Vec::with_capacity(outer.len());
        for column in &outer {
            let Some(idx) = schema.maybe_index_of_column(column) else {
                return plan_err!("a correlated subquery refers to {column}, which its outer query does not have");
            };
            let field = schema.field(idx);
            types.push((field.data_type().clone(), field.is_nullable()));
            values.push(Expr::Column(column_at(schema, idx)));
        }
        let Some((source, values)) = reproducible(source, values)? else {
            let columns = outer.iter().map(Column::flat_name).collect::<Vec<_>>().join(", ");
            return not_impl_err!(
                "a correlated subquery over {columns}: the outer query can give other values when it is evaluated \
                 a second time (it uses a volatile function, a LIMIT, a floating-point sum or the like)"
            );
        };
        let values = values.into_iter().map(|value| named(value, None, &ids.fresh("outer"))).collect();
        let plan = LogicalPlan::Distinct(Distinct::All(Arc::new(project(values, source)?)));
        Ok(Self { outer, types, plan: Some(plan) })
    }

    /// A copy of the domain under a name of its own, and its columns in the order of `outer`.
    ///
    /// `None` for a domain without columns.
    pub(super) fn instance(&self, ids: &Ids) -> Result<Option<(LogicalPlan, Vec<Column>)>> {
        let Some(plan) = &self.plan else {
            return Ok(None);
        };
        let plan = alias(plan.clone(), &ids.fresh("domain"))?;
        let columns = plan.schema().columns();
        Ok(Some((plan, columns)))
    }

    /// The outer columns as expressions over `source`.
    pub(super) fn outer_values(&self, source: &LogicalPlan) -> Result<Vec<Expr>> {
        let schema = source.schema();
        let columns = self
            .outer
            .iter()
            .map(|column| Ok(column_at(schema, schema.index_of_column(column)?)))
            .collect::<Result<Vec<_>>>()?;
        Ok(as_exprs(&columns))
    }

    /// The condition that two lists of values, in the order of `outer`, are the same; `None` without columns.
    pub(super) fn same(&self, left: &[Expr], right: &[Expr]) -> Option<Expr> {
        let pairs = left.iter().zip(right).zip(&self.types);
        conjunction(pairs.map(|((l, r), (data_type, nullable))| same_value(l, r, data_type, *nullable)))
    }
}
