//! Comparing text with a number is refused when the statement is planned.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, Result, plan_err};
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Between, BinaryExpr, Expr, ExprSchemable, LogicalPlan, Operator};

/// Refuses `varchar_column = 1` in a plan whose types are not coerced yet, as PostgreSQL does.
///
/// The engine would cast every text to a number, and fail in the middle of the query at the first that is none. A text in
/// quotes has no type of its own: `number_column = '1'` stays allowed.
///
/// # Errors
/// A planning error that says what to write.
pub fn refuse_text_compared_with_number(plan: &LogicalPlan) -> Result<()> {
    plan.apply_with_subqueries(|node| {
        let schema = merge_schema(&node.inputs());
        node.apply_expressions(|expr| expr.apply(|part| check(part, &schema).map(|()| TreeNodeRecursion::Continue)))
    })?;
    Ok(())
}

fn check(expr: &Expr, schema: &DFSchema) -> Result<()> {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if is_comparison(*op) => check_pair(left, right, schema),
        Expr::Between(Between { expr, low, high, .. }) => {
            check_pair(expr, low, schema)?;
            check_pair(expr, high, schema)
        }
        Expr::InList(InList { expr, list, .. }) => list.iter().try_for_each(|item| check_pair(expr, item, schema)),
        _ => Ok(()),
    }
}

fn is_comparison(op: Operator) -> bool {
    matches!(
        op,
        Operator::Eq
            | Operator::NotEq
            | Operator::Lt
            | Operator::LtEq
            | Operator::Gt
            | Operator::GtEq
            | Operator::IsDistinctFrom
            | Operator::IsNotDistinctFrom
    )
}

fn check_pair(left: &Expr, right: &Expr, schema: &DFSchema) -> Result<()> {
    // An expression of an outer query, or of a node without one input, has no type here; the planner checks it.
    let (Ok(left_type), Ok(right_type)) = (left.get_type(schema), right.get_type(schema)) else { return Ok(()) };
    let (text, number, number_type) = match (is_text(&left_type), is_text(&right_type)) {
        (true, false) if right_type.is_numeric() => (left, right, right_type),
        (false, true) if left_type.is_numeric() => (right, left, left_type),
        _ => return Ok(()),
    };
    if matches!(text, Expr::Literal(..) | Expr::Placeholder(_)) || matches!(number, Expr::Placeholder(_)) {
        return Ok(());
    }
    let number_name = crate::sql_type::sql_type_name(&number_type);
    let (text_name, shown) = (text.human_display(), number.human_display());
    let quoted =
        matches!(number, Expr::Literal(..)).then(|| format!("{text_name} = '{shown}' or ")).unwrap_or_default();
    plan_err!(
        "{text_name} is varchar and {shown} is {number_name}: they cannot be compared; \
         write {quoted}CAST({text_name} AS {}) = {shown}",
        number_name.to_uppercase()
    )
}

fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, values) => is_text(values),
        _ => false,
    }
}
