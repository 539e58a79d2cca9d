//! Chains of arithmetic that would take the planner minutes are refused at once.

use std::ops::ControlFlow;

use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr, VisitorMut};

use crate::error::{Error, Result};
use crate::sql::walk::walk;

/// Operators in a chain such as `1 + 1 + 1 + ...`. The planner's time grows with more than the square of the number;
/// brackets are counted by the parser, which has a limit of its own.
const CHAIN_MAX: usize = 500;

/// Refuses a statement with a chain of more than [`CHAIN_MAX`] arithmetic operators.
///
/// # Errors
/// [`Error::Invalid`] that says what to write.
pub(crate) fn check_depth(statement: &mut Statement) -> Result<()> {
    match walk(statement, &mut Chains) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(Error::invalid(format!(
            "an expression chains more than {CHAIN_MAX} arithmetic operators; sum rows of VALUES or elements of an array instead"
        ))),
    }
}

struct Chains;

impl VisitorMut for Chains {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let mut length = 0;
        let mut rest = &*expr;
        while let Expr::BinaryOp { left, op, .. } = rest
            && is_arithmetic(op)
        {
            length += 1;
            rest = left;
        }
        if length > CHAIN_MAX { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

fn is_arithmetic(op: &BinaryOperator) -> bool {
    matches!(
        op,
        BinaryOperator::Plus
            | BinaryOperator::Minus
            | BinaryOperator::Multiply
            | BinaryOperator::Divide
            | BinaryOperator::Modulo
            | BinaryOperator::StringConcat
    )
}
