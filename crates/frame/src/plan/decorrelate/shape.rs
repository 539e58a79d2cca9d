//! What the shape of a subquery's plan says about its rows.

use datafusion::common::Result;
use datafusion::logical_expr::{Aggregate, Expr, FetchType, JoinType, LogicalPlan};

use super::build::{as_exprs, column_at};
use super::references::contains_subquery;
use super::stable::substitute;

/// A scalar subquery that is an aggregation without groups under projections, aliases and HAVING.
pub(super) struct OverAggregate {
    pub(super) aggregate: Aggregate,
    /// The value of the subquery over the columns of the aggregation.
    pub(super) value: Expr,
    /// The conditions under which there is a row, over the same columns.
    pub(super) having: Vec<Expr>,
}

impl OverAggregate {
    /// The shape of `subquery`, if it is one that can be taken apart: nothing above the aggregation is volatile or has a
    /// subquery of its own.
    pub(super) fn find(subquery: &LogicalPlan) -> Result<Option<Self>> {
        let mut exprs = vec![Expr::Column(column_at(subquery.schema(), 0))];
        let mut plan = subquery;
        loop {
            match plan {
                LogicalPlan::Projection(projection) => {
                    if projection.expr.iter().any(|e| e.is_volatile() || contains_subquery(e)) {
                        return Ok(None);
                    }
                    exprs = substitute(exprs, &projection.schema, &projection.expr)?;
                    plan = &projection.input;
                }
                LogicalPlan::SubqueryAlias(alias) => {
                    let inner = as_exprs(&alias.input.schema().columns());
                    exprs = substitute(exprs, &alias.schema, &inner)?;
                    plan = &alias.input;
                }
                LogicalPlan::Filter(filter) => {
                    if filter.predicate.is_volatile() || contains_subquery(&filter.predicate) {
                        return Ok(None);
                    }
                    exprs.push(filter.predicate.clone());
                    plan = &filter.input;
                }
                LogicalPlan::Aggregate(aggregate) if aggregate.group_expr.is_empty() => {
                    let having = exprs.split_off(1);
                    let value = exprs.remove(0);
                    return Ok(Some(Self { aggregate: aggregate.clone(), value, having }));
                }
                _ => return Ok(None),
            }
        }
    }
}

/// Whether `plan` always has one row, by its shape.
pub(super) fn has_one_row(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Projection(node) => has_one_row(&node.input),
        LogicalPlan::SubqueryAlias(node) => has_one_row(&node.input),
        LogicalPlan::Aggregate(node) => node.group_expr.is_empty(),
        LogicalPlan::EmptyRelation(node) => node.produce_one_row,
        LogicalPlan::Values(node) => node.values.len() == 1,
        _ => false,
    }
}

/// Whether `plan` has at most one row for each outer row, by its shape alone.
pub(super) fn has_at_most_one_row(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Projection(node) => has_at_most_one_row(&node.input),
        LogicalPlan::Filter(node) => has_at_most_one_row(&node.input),
        LogicalPlan::SubqueryAlias(node) => has_at_most_one_row(&node.input),
        LogicalPlan::Sort(node) => node.fetch.is_some_and(|n| n <= 1) || has_at_most_one_row(&node.input),
        LogicalPlan::Window(node) => has_at_most_one_row(&node.input),
        LogicalPlan::Distinct(node) => has_at_most_one_row(node.input()),
        LogicalPlan::Aggregate(node) => node.group_expr.is_empty(),
        LogicalPlan::Limit(node) => {
            matches!(node.get_fetch_type(), Ok(FetchType::Literal(Some(0 | 1)))) || has_at_most_one_row(&node.input)
        }
        LogicalPlan::EmptyRelation(_) => true,
        LogicalPlan::Values(node) => node.values.len() <= 1,
        LogicalPlan::Join(node) => {
            node.join_type == JoinType::Inner && has_at_most_one_row(&node.left) && has_at_most_one_row(&node.right)
        }
        _ => false,
    }
}
