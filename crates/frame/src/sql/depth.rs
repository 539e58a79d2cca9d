//! Expressions that would take the planner minutes are refused at once.

use std::ops::ControlFlow;

use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr, UnaryOperator, VisitorMut};

use crate::error::{Error, Result};
use crate::sql::walk::walk;

/// Operators in a chain such as `1 + 1 + 1 + ...`. The planner makes the name of every part of it, and so takes the
/// square of its length. Brackets are counted by the parser, which has a limit of its own.
const CHAIN_MAX: usize = 1_000;

/// Calls inside the arguments of calls, signs before signs. The planner takes more than the cube of their number.
const CALLS_MAX: usize = 250;

/// Refuses a statement with a chain of more than [`CHAIN_MAX`] arithmetic operators, or calls nested deeper than
/// [`CALLS_MAX`].
///
/// # Errors
/// [`Error::Invalid`] that says what to write.
pub(crate) fn check_depth(statement: &mut Statement) -> Result<()> {
    match walk(statement, &mut Depth::default()) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(message) => Err(Error::invalid(message)),
    }
}

#[derive(Default)]
struct Depth {
    /// Calls around the expression that is visited, itself included.
    n_calls: usize,
}

impl VisitorMut for Depth {
    type Break = String;

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<String> {
        if is_call(expr) {
            self.n_calls += 1;
            if self.n_calls > CALLS_MAX {
                return ControlFlow::Break(format!(
                    "calls of functions are nested more than {CALLS_MAX} deep; name the inner ones in a subquery"
                ));
            }
        }
        let mut length = 0;
        let mut rest = &*expr;
        while let Expr::BinaryOp { left, op, .. } = rest
            && is_arithmetic(op)
        {
            length += 1;
            rest = left;
        }
        if length > CHAIN_MAX {
            return ControlFlow::Break(format!(
                "an expression chains more than {CHAIN_MAX} arithmetic operators; \
                 sum rows of VALUES or elements of an array instead"
            ));
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<String> {
        self.n_calls -= usize::from(is_call(expr));
        ControlFlow::Continue(())
    }
}

fn is_call(expr: &Expr) -> bool {
    matches!(expr, Expr::Function(_) | Expr::UnaryOp { op: UnaryOperator::Minus | UnaryOperator::Plus, .. })
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
