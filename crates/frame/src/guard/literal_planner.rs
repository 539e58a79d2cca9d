//! Arithmetic on literals that overflows, guarded while SQL is planned.
//!
//! The arguments of a table function are folded by the planner itself, before any analyzer rule sees them, so
//! `generate_series(9223372036854775807 + 1, 0)` would wrap. The planner asks this extension first.

use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{BinaryExpr, ColumnarValue, Expr};
use datafusion::sql::sqlparser::ast::BinaryOperator;

use super::checked_arithmetic::ArithmeticOperator;
use super::kernel;

/// Plans the first `+`, `-` or `*` between integer constants of one type that overflows as a guarded function.
///
/// Whatever fits stays as it is until the analyzer: it finds the types of a chain of functions in more than the square
/// of its length, and of operators in less.
#[derive(Debug)]
pub(super) struct LiteralArithmeticPlanner;

impl ExprPlanner for LiteralArithmeticPlanner {
    fn plan_binary_op(&self, expr: RawBinaryExpr, _schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        let operator = match expr.op {
            BinaryOperator::Plus => ArithmeticOperator::Add,
            BinaryOperator::Minus => ArithmeticOperator::Subtract,
            BinaryOperator::Multiply => ArithmeticOperator::Multiply,
            _ => return Ok(PlannerResult::Original(expr)),
        };
        // The right side first: in a long chain it is short, and seldom a constant if the left side is none.
        let Some(right) = constant(&expr.right) else { return Ok(PlannerResult::Original(expr)) };
        let Some(left) = constant(&expr.left) else { return Ok(PlannerResult::Original(expr)) };
        if left.data_type() != right.data_type() || computed(operator, left, right).is_some() {
            return Ok(PlannerResult::Original(expr));
        }
        let call = ScalarFunction::new_udf(operator.function(), vec![expr.left, expr.right]);
        Ok(PlannerResult::Planned(Expr::ScalarFunction(call)))
    }
}

/// The value of an integer literal, or of arithmetic on such.
fn constant(expr: &Expr) -> Option<ScalarValue> {
    // A long chain leans to the left: it is gone down in a loop, and up again.
    let mut pending = Vec::new();
    let mut expr = expr;
    while let Expr::BinaryExpr(BinaryExpr { left, op, right }) = expr {
        pending.push((ArithmeticOperator::from_stock(*op)?, constant(right)?));
        expr = left;
    }
    let Expr::Literal(first, _) = expr else { return None };
    let first = kernel::is_checked_type(&first.data_type()).then(|| first.clone())?;
    pending.into_iter().rev().try_fold(first, |value, (operator, right)| computed(operator, value, right))
}

/// The result, if the operands are of one type and it fits that.
fn computed(operator: ArithmeticOperator, left: ScalarValue, right: ScalarValue) -> Option<ScalarValue> {
    let (left, right) = (ColumnarValue::Scalar(left), ColumnarValue::Scalar(right));
    match kernel::evaluate(operator.operation(), &left, &right) {
        Ok(ColumnarValue::Scalar(value)) => Some(value),
        _ => None,
    }
}
