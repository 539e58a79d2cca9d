//! A long chain of operators states its type now and then.
//!
//! The analyzer asks every operator of `a + b + c + ...` for its type, and each finds it by asking the operators below
//! it: the square of the chain's length. A cast answers by itself.

use datafusion::common::tree_node::TreeNode;
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{BinaryExpr, Cast, Expr, ExprSchemable, Operator};

/// Operators between two casts. More than people write, so that ordinary plans have none.
const N_OPERATORS: usize = 32;

/// Puts a cast to the type that it already has around every [`N_OPERATORS`]th operator of a chain.
///
/// It has no name, and the physical plan drops it.
#[derive(Debug)]
pub(crate) struct LongChains;

impl ExprPlanner for LongChains {
    fn plan_binary_op(&self, mut expr: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        if is_long(&expr.left)
            // The type that a parameter will have is not known yet.
            && !expr.left.exists(|part| Ok(matches!(part, Expr::Placeholder(_))))?
            && let Ok(data_type) = expr.left.get_type(schema)
        {
            expr.left = Expr::Cast(Cast::new(Box::new(expr.left), data_type));
        }
        Ok(PlannerResult::Original(expr))
    }
}

fn is_long(expr: &Expr) -> bool {
    let mut expr = expr;
    for _ in 0..N_OPERATORS {
        match expr {
            // A condition is taken apart at its ANDs and ORs, and would not be at a cast.
            Expr::BinaryExpr(BinaryExpr { left, op, .. }) if !matches!(op, Operator::And | Operator::Or) => expr = left,
            _ => return false,
        }
    }
    true
}
