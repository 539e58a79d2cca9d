//! Plan constructors that keep every name as it is.
//!
//! `LogicalPlanBuilder` resolves and normalises the names it is given. The rewrite only uses columns whose qualifier and
//! name it has read from a schema, so resolving them again could only make them ambiguous.

use std::ops::Range;
use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Column, DFSchema, NullEquality, Result, ScalarValue, TableReference};
use datafusion::functions::core::expr_fn::coalesce;
use datafusion::logical_expr::{
    BinaryExpr, Expr, Filter, Join, JoinConstraint, JoinType, LogicalPlan, Operator, Projection, SubqueryAlias, lit,
};

/// The column at position `idx` of `schema`, with its qualifier.
pub(super) fn column_at(schema: &DFSchema, idx: usize) -> Column {
    Column::from(schema.qualified_field(idx))
}

/// `expr` under exactly this qualifier and name; an alias is added only where the expression has another name.
pub(super) fn named(expr: Expr, qualifier: Option<&TableReference>, name: &str) -> Expr {
    let (own_qualifier, own_name) = expr.qualified_name();
    if own_qualifier.as_ref() == qualifier && own_name == name {
        expr
    } else {
        expr.unalias().alias_qualified(qualifier.cloned(), name)
    }
}

/// `expr` under the qualifier and name of field `idx` of `schema`.
pub(super) fn named_like(expr: Expr, schema: &DFSchema, idx: usize) -> Expr {
    let (qualifier, field) = schema.qualified_field(idx);
    named(expr, qualifier, field.name())
}

/// A projection of `input`.
pub(super) fn project(exprs: Vec<Expr>, input: LogicalPlan) -> Result<LogicalPlan> {
    Projection::try_new(exprs, Arc::new(input)).map(LogicalPlan::Projection)
}

/// The rows of `input` that satisfy `predicate`.
pub(super) fn filter(predicate: Expr, input: LogicalPlan) -> Result<LogicalPlan> {
    Filter::try_new(predicate, Arc::new(input)).map(LogicalPlan::Filter)
}

/// `input` with every column qualified by `name`.
pub(super) fn alias(input: LogicalPlan, name: &str) -> Result<LogicalPlan> {
    SubqueryAlias::try_new(Arc::new(input), TableReference::bare(name)).map(LogicalPlan::SubqueryAlias)
}

/// A join on `condition`; an inner join without one is a cross join.
pub(super) fn join(
    left: LogicalPlan,
    right: LogicalPlan,
    join_type: JoinType,
    condition: Option<Expr>,
) -> Result<LogicalPlan> {
    let condition = match condition {
        None if join_type != JoinType::Inner => Some(lit(true)),
        other => other,
    };
    Join::try_new(
        Arc::new(left),
        Arc::new(right),
        vec![],
        condition,
        join_type,
        JoinConstraint::On,
        NullEquality::NullEqualsNothing,
        false,
    )
    .map(LogicalPlan::Join)
}

/// The condition that two values are the same, NULL being the same as NULL.
///
/// `IS NOT DISTINCT FROM` would say it shorter, but DataFusion makes it a hash key by switching the whole join to "NULL
/// equals NULL", also for a plain equality that another rule moves into that join later (`ExtractEquijoinPredicate` in
/// 55.2). Two equalities that are never NULL make hash keys that no such switch can spoil.
pub(super) fn same_value(left: &Expr, right: &Expr, data_type: &DataType, nullable: bool) -> Expr {
    let (left, right) = (left.clone(), right.clone());
    if !nullable {
        return left.eq(right);
    }
    match ScalarValue::new_default(data_type) {
        Ok(default) if !default.is_null() && default.data_type() == *data_type => {
            let both_null = left.clone().is_null().eq(right.clone().is_null());
            coalesce(vec![left, lit(default.clone())]).eq(coalesce(vec![right, lit(default)])).and(both_null)
        }
        _ => Expr::BinaryExpr(BinaryExpr::new(Box::new(left), Operator::IsNotDistinctFrom, Box::new(right))),
    }
}

/// Columns as expressions.
pub(super) fn as_exprs(columns: &[Column]) -> Vec<Expr> {
    columns.iter().cloned().map(Expr::Column).collect()
}

/// References to every column of `schema`, in order.
pub(super) fn all_columns(schema: &DFSchema) -> Vec<Expr> {
    schema.columns().into_iter().map(Expr::Column).collect()
}

/// Where the columns of a join stand among those of the same join whose inputs have more columns at their ends.
///
/// A range goes from the number of columns that an input had to the number that it has.
pub(super) fn kept_positions(join_type: JoinType, left: Range<usize>, right: Range<usize>) -> Vec<usize> {
    match join_type {
        JoinType::LeftSemi | JoinType::LeftAnti => (0..left.start).collect(),
        JoinType::LeftMark => (0..left.start).chain([left.end]).collect(),
        JoinType::RightSemi | JoinType::RightAnti => (0..right.start).collect(),
        JoinType::RightMark => (0..right.start).chain([right.end]).collect(),
        JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full => {
            (0..left.start).chain(left.end..left.end + right.start).collect()
        }
    }
}
