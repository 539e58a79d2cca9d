//! `INTERSECT ALL` and `EXCEPT ALL`, which count how often a row occurs.

use std::sync::Arc;

use datafusion::common::tree_node::Transformed;
use datafusion::common::{JoinType, NullEquality, Result};
use datafusion::functions_window::expr_fn::row_number;
use datafusion::logical_expr::{
    Expr, ExprFunctionExt, Join, JoinConstraint, LogicalPlan, LogicalPlanBuilder, SubqueryAlias, col,
};

/// Makes INTERSECT ALL and EXCEPT ALL in a plan as it comes from the planner count repeated rows.
///
/// The planner makes a semi or an anti join of them, which keeps all or none of several equal rows. With equal rows
/// numbered on both sides and the numbers joined too, the join is what was meant: of `m` rows on the left and `n` on the
/// right, `min(m, n)` or `max(m - n, 0)` remain. Without ALL the left side is distinct already.
pub(crate) fn count_repeated_rows(plan: LogicalPlan) -> Result<LogicalPlan> {
    let counted = plan.transform_up_with_subqueries(|node| match node {
        LogicalPlan::Join(join) if is_set_operation(&join) && !is_distinct(&join.left) => {
            Ok(Transformed::yes(with_numbers(join)?))
        }
        other => Ok(Transformed::no(other)),
    })?;
    Ok(counted.data)
}

/// Only set operations compare every column and take NULLs to be equal.
fn is_set_operation(join: &Join) -> bool {
    matches!(join.join_type, JoinType::LeftSemi | JoinType::LeftAnti)
        && join.null_equality == NullEquality::NullEqualsNull
        && join.join_constraint == JoinConstraint::On
        && join.filter.is_none()
        && join.on.len() == join.left.schema().fields().len()
}

fn is_distinct(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::SubqueryAlias(SubqueryAlias { input, .. }) => is_distinct(input),
        LogicalPlan::Distinct(_) => true,
        _ => false,
    }
}

fn with_numbers(join: Join) -> Result<LogicalPlan> {
    let columns: Vec<Expr> = join.left.schema().columns().into_iter().map(Expr::Column).collect();
    let keys = |side: usize| {
        join.on.iter().map(|(left, right)| if side == 0 { left.clone() } else { right.clone() }).collect::<Vec<_>>()
    };
    let left = numbered(Arc::unwrap_or_clone(join.left), keys(0), LEFT_NUMBER)?;
    let right = numbered(Arc::unwrap_or_clone(join.right), keys(1), RIGHT_NUMBER)?;
    let mut on = join.on;
    on.push((col(LEFT_NUMBER), col(RIGHT_NUMBER)));
    let join = Join::try_new(
        Arc::new(left),
        Arc::new(right),
        on,
        None,
        join.join_type,
        join.join_constraint,
        join.null_equality,
        false,
    )?;
    LogicalPlanBuilder::from(LogicalPlan::Join(join)).project(columns)?.build()
}

const LEFT_NUMBER: &str = "__n_left";
const RIGHT_NUMBER: &str = "__n_right";

/// The rows of `plan` with their number among the rows that are equal to them.
fn numbered(plan: LogicalPlan, keys: Vec<Expr>, name: &str) -> Result<LogicalPlan> {
    let number = row_number().partition_by(keys).build()?.alias(name);
    LogicalPlanBuilder::from(plan).window([number])?.build()
}
