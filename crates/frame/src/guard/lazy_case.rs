//! CASE evaluates only the arm it takes.

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{BinaryExpr, Case, Expr, LogicalPlan, Operator, lit};
use datafusion::optimizer::AnalyzerRule;

/// Keeps a CASE whose arms may fail from being taken apart.
///
/// The optimizer turns a CASE of booleans into AND and OR, which evaluate both sides: `CASE WHEN v = 0 THEN false ELSE
/// 100 / v > 5 END` then divides by zero. Written as `CASE true WHEN v = 0 THEN ...`, which means the same, it stays a CASE.
#[derive(Debug, Default, Clone, Copy)]
pub struct LazyCase;

impl AnalyzerRule for LazyCase {
    fn name(&self) -> &str {
        "lazy_case"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        let keep_lazy = |plan: LogicalPlan| {
            let names = NamePreserver::new(&plan);
            plan.map_expressions(|expr| {
                let name = names.save(&expr);
                Ok(expr.transform_up(keep_lazy_expr)?.update_data(|expr| name.restore(expr)))
            })
        };
        Ok(plan.transform_up_with_subqueries(keep_lazy)?.data)
    }
}

fn keep_lazy_expr(expr: Expr) -> Result<Transformed<Expr>> {
    match expr {
        Expr::Case(case) if case.expr.is_none() && has_fallible_arm(&case)? => {
            let expr = Some(Box::new(lit(true)));
            Ok(Transformed::yes(Expr::Case(Case { expr, ..case })))
        }
        other => Ok(Transformed::no(other)),
    }
}

fn has_fallible_arm(case: &Case) -> Result<bool> {
    let arms = case.when_then_expr.iter().map(|(_, then)| then).chain(&case.else_expr);
    for arm in arms {
        if may_fail(arm)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether evaluating the expression for a row can end in an error.
fn may_fail(expr: &Expr) -> Result<bool> {
    let mut fallible = false;
    expr.apply(|part| {
        fallible |= matches!(
            part,
            Expr::BinaryExpr(BinaryExpr { op: Operator::Divide | Operator::Modulo, .. })
                | Expr::Cast(_)
                | Expr::ScalarFunction(_)
        );
        Ok(if fallible { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(fallible)
}
