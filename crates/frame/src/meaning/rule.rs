//! The analyzer rule that gives stock operators PostgreSQL's meaning.

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::expr::{Between, Cast, InList, ScalarFunction, TryCast};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, LogicalPlan};
use datafusion::optimizer::AnalyzerRule;

use super::interval::{INTERVAL, order_key};
use super::rounding::{has_fraction, is_rounded, rounded};
use crate::guard::{input_schema, is_comparison};

/// In a plan whose types are coerced:
///
/// - a cast of a float or decimal to an integer rounds, where DataFusion truncates;
/// - intervals are compared and sorted by their length, where DataFusion compares months, then days, then the rest.
///
/// Running the rule on its own output changes nothing.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct PostgresMeaning;

impl AnalyzerRule for PostgresMeaning {
    fn name(&self) -> &str {
        "postgres_meaning"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        Ok(plan.transform_up_with_subqueries(rewrite_node)?.data)
    }
}

fn rewrite_node(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let schema = input_schema(&plan)?;
    let names = NamePreserver::new(&plan);
    // What these nodes hold is compared; a join holds its equalities as pairs.
    let compares = matches!(plan, LogicalPlan::Sort(_) | LogicalPlan::Join(_));
    let rewritten = plan.map_expressions(|expr| {
        let name = names.save(&expr);
        let rewritten = expr.transform_up(|expr| rewrite_expr(expr, &schema))?;
        let keyed = match compares && is_interval(&rewritten.data, &schema) {
            true => Transformed::yes(length_of(rewritten.data)),
            false => rewritten,
        };
        Ok(keyed.update_data(|expr| name.restore(expr)))
    })?;
    if rewritten.transformed { rewritten.map_data(LogicalPlan::recompute_schema) } else { Ok(rewritten) }
}

fn rewrite_expr(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    match expr {
        Expr::Cast(Cast { expr, field }) if field.data_type().is_integer() && loses_fraction(&expr, schema) => {
            Ok(Transformed::yes(Expr::Cast(Cast { expr: Box::new(rounded_value(*expr)), field })))
        }
        Expr::TryCast(TryCast { expr, field }) if field.data_type().is_integer() && loses_fraction(&expr, schema) => {
            Ok(Transformed::yes(Expr::TryCast(TryCast { expr: Box::new(rounded_value(*expr)), field })))
        }
        Expr::BinaryExpr(BinaryExpr { left, op, right })
            if is_comparison(op) && is_interval(&left, schema) && is_interval(&right, schema) =>
        {
            let (left, right) = (Box::new(length_of(*left)), Box::new(length_of(*right)));
            Ok(Transformed::yes(Expr::BinaryExpr(BinaryExpr { left, op, right })))
        }
        Expr::Between(Between { expr, negated, low, high }) if is_interval(&expr, schema) => {
            let [expr, low, high] = [expr, low, high].map(|part| Box::new(length_of(*part)));
            Ok(Transformed::yes(Expr::Between(Between { expr, negated, low, high })))
        }
        Expr::InList(InList { expr, list, negated }) if is_interval(&expr, schema) => {
            let (expr, list) = (Box::new(length_of(*expr)), list.into_iter().map(length_of).collect());
            Ok(Transformed::yes(Expr::InList(InList { expr, list, negated })))
        }
        other => Ok(Transformed::no(other)),
    }
}

fn loses_fraction(expr: &Expr, schema: &DFSchema) -> bool {
    !is_rounded(expr) && expr.get_type(schema).is_ok_and(|data_type| has_fraction(&data_type))
}

fn rounded_value(expr: Expr) -> Expr {
    Expr::ScalarFunction(ScalarFunction::new_udf(rounded(), vec![expr]))
}

fn is_interval(expr: &Expr, schema: &DFSchema) -> bool {
    expr.get_type(schema).is_ok_and(|data_type| data_type == INTERVAL)
}

fn length_of(expr: Expr) -> Expr {
    Expr::ScalarFunction(ScalarFunction::new_udf(order_key(), vec![expr]))
}
