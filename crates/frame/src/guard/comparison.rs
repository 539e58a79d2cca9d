//! Operands whose types do not fit are refused when the statement is planned.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, Result, plan_err};
use datafusion::logical_expr::expr::{InList, ScalarFunction, WindowFunction};
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{
    Between, BinaryExpr, Expr, ExprSchemable, LogicalPlan, Operator, WindowFrameBound, WindowFrameUnits,
};

/// Refuses operands in a plan whose types are not coerced yet, as PostgreSQL does, that the engine would convert:
///
/// - `varchar_column = 1`: it casts every text to a number, and fails in the middle of the query at the first that is none. A
///   text in quotes has no type of its own: `number_column = '1'` stays allowed;
/// - `date_column = 5`: it takes the number for days or nanoseconds since 1970;
/// - `1.5 & 1`: it cuts off the fraction;
/// - `length(list)`: it counts the characters that the list would be shown with;
/// - `RANGE BETWEEN 1 PRECEDING ...` over an order of texts: it takes the distance for none.
///
/// # Errors
/// A planning error that says what to write.
pub fn refuse_unfit_operands(plan: &LogicalPlan) -> Result<()> {
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
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if is_bitwise(*op) => {
            check_whole(left, *op, schema)?;
            check_whole(right, *op, schema)
        }
        Expr::ScalarFunction(ScalarFunction { func, args }) if LENGTHS.contains(&func.name()) => {
            match args.first().map(|arg| arg.get_type(schema)) {
                Some(Ok(list)) if list.is_list() => {
                    plan_err!("{} counts the characters of a text; write cardinality(...) for a list", func.name())
                }
                _ => Ok(()),
            }
        }
        Expr::WindowFunction(window) => check_frame(window, schema),
        Expr::InList(InList { expr, list, .. }) => list.iter().try_for_each(|item| check_pair(expr, item, schema)),
        _ => Ok(()),
    }
}

pub(crate) fn is_comparison(op: Operator) -> bool {
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

/// The functions that count the characters of a text.
const LENGTHS: [&str; 4] = ["length", "char_length", "character_length", "octet_length"];

fn is_bitwise(op: Operator) -> bool {
    matches!(
        op,
        Operator::BitwiseAnd
            | Operator::BitwiseOr
            | Operator::BitwiseXor
            | Operator::BitwiseShiftLeft
            | Operator::BitwiseShiftRight
    )
}

fn check_whole(operand: &Expr, op: Operator, schema: &DFSchema) -> Result<()> {
    match operand.get_type(schema) {
        Ok(data_type) if data_type.is_numeric() && !data_type.is_integer() => plan_err!(
            "{} is {}: the operator {op} takes integers; write CAST({0} AS BIGINT)",
            operand.human_display(),
            crate::sql_type::sql_type_name(&data_type)
        ),
        _ => Ok(()),
    }
}

/// A distance in a RANGE frame is added to the value that rows are ordered by.
fn check_frame(window: &WindowFunction, schema: &DFSchema) -> Result<()> {
    let frame = &window.params.window_frame;
    let is_distance = |bound: &WindowFrameBound| match bound {
        WindowFrameBound::Preceding(distance) | WindowFrameBound::Following(distance) => !distance.is_null(),
        WindowFrameBound::CurrentRow => false,
    };
    if frame.units != WindowFrameUnits::Range || !(is_distance(&frame.start_bound) || is_distance(&frame.end_bound)) {
        return Ok(());
    }
    let [order] = window.params.order_by.as_slice() else { return Ok(()) };
    match order.expr.get_type(schema) {
        Ok(data_type) if !data_type.is_numeric() && !data_type.is_temporal() && !data_type.is_null() => plan_err!(
            "RANGE with a distance needs an ORDER BY of numbers or times, and {} is {}; use ROWS or GROUPS",
            order.expr.human_display(),
            crate::sql_type::sql_type_name(&data_type)
        ),
        _ => Ok(()),
    }
}

fn check_pair(left: &Expr, right: &Expr, schema: &DFSchema) -> Result<()> {
    // An expression of an outer query, or of a node without one input, has no type here; the planner checks it.
    let (Ok(left_type), Ok(right_type)) = (left.get_type(schema), right.get_type(schema)) else { return Ok(()) };
    check_time_with_number((left, &left_type), (right, &right_type))?;
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

fn check_time_with_number(left: (&Expr, &DataType), right: (&Expr, &DataType)) -> Result<()> {
    let is_point = |data_type: &DataType| {
        matches!(
            data_type,
            DataType::Date32 | DataType::Date64 | DataType::Timestamp(..) | DataType::Time32(_) | DataType::Time64(_)
        )
    };
    let (time, number) = match (is_point(left.1), is_point(right.1)) {
        (true, false) if right.1.is_numeric() => (left, right),
        (false, true) if left.1.is_numeric() => (right, left),
        _ => return Ok(()),
    };
    if matches!(time.0, Expr::Placeholder(_)) || matches!(number.0, Expr::Placeholder(_)) {
        return Ok(());
    }
    plan_err!(
        "{} is {} and {} is {}: they cannot be compared; write the time as DATE '2024-01-31', or extract(YEAR FROM {0})",
        time.0.human_display(),
        crate::sql_type::sql_type_name(time.1),
        number.0.human_display(),
        crate::sql_type::sql_type_name(number.1)
    )
}

fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, values) => is_text(values),
        _ => false,
    }
}
