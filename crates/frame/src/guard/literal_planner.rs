//! Arithmetic on literals, guarded while SQL is planned.
//!
//! The arguments of a table function are folded by the planner itself, before any analyzer rule sees them, so
//! `generate_series(9223372036854775807 + 1, 0)` would wrap. The planner asks this extension first.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::sql::sqlparser::ast::BinaryOperator;

use super::checked_arithmetic::{ArithmeticOperator, CheckedArithmetic};
use super::kernel::is_checked_type;

/// Plans `+`, `-` and `*` between integer constants of one type as guarded functions.
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
        match (constant_type(&expr.left), constant_type(&expr.right)) {
            (Some(left), Some(right)) if left == right => {
                let call = ScalarFunction::new_udf(operator.function(), vec![expr.left, expr.right]);
                Ok(PlannerResult::Planned(Expr::ScalarFunction(call)))
            }
            _ => Ok(PlannerResult::Original(expr)),
        }
    }
}

/// The type of an integer literal, or of guarded arithmetic that ends in one.
///
/// Only the last argument is followed: the others have its type, and a long chain of additions stays linear.
fn constant_type(expr: &Expr) -> Option<DataType> {
    let mut expr = expr;
    loop {
        match expr {
            Expr::Literal(value, _) => {
                let data_type = value.data_type();
                return is_checked_type(&data_type).then_some(data_type);
            }
            Expr::ScalarFunction(call) if call.func.inner().is::<CheckedArithmetic>() => expr = call.args.last()?,
            _ => return None,
        }
    }
}
