//! The analyzer rule that puts guarded functions in place of stock operators and of stock SUM.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result};
use datafusion::functions_aggregate::sum::Sum;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{
    AggregateUDF, BinaryExpr, DmlStatement, Expr, ExprSchemable, LogicalPlan, WindowFunctionDefinition, WriteOp,
};
use datafusion::optimizer::AnalyzerRule;

use super::checked_arithmetic::{ArithmeticOperator, CheckedArithmetic, CheckedNegate, checked_negate};
use super::checked_sum::checked_sum;
use super::kernel::is_checked_type;

/// Replaces wrapping operations on integers by functions that fail, in a plan whose types are already coerced.
///
/// SUM is replaced too where a plan names the stock function itself, as the builders of expressions do, instead of
/// looking it up. Running the rule on its own output changes nothing.
#[derive(Debug, Default, Clone, Copy)]
pub struct OverflowGuard;

impl AnalyzerRule for OverflowGuard {
    fn name(&self) -> &str {
        "overflow_guard"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        Ok(plan.transform_up_with_subqueries(guard_node)?.data)
    }
}

/// Guards the expressions of one node, whose inputs are guarded already.
fn guard_node(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let schema = input_schema(&plan)?;
    let name_preserver = NamePreserver::new(&plan);
    let guarded = plan.map_expressions(|expr| {
        let original_name = name_preserver.save(&expr);
        Ok(expr.transform_up(|expr| guard_expr(expr, &schema))?.update_data(|expr| original_name.restore(expr)))
    })?;
    if guarded.transformed { guarded.map_data(LogicalPlan::recompute_schema) } else { Ok(guarded) }
}

/// All columns an expression of this node can name.
pub(crate) fn input_schema(plan: &LogicalPlan) -> Result<DFSchema> {
    let mut schema = merge_schema(&plan.inputs());
    match plan {
        LogicalPlan::TableScan(scan) => {
            let source = scan.source.schema();
            schema.merge(&DFSchema::try_from_qualified_schema(scan.table_name.clone(), &source)?);
        }
        LogicalPlan::Dml(DmlStatement { op: WriteOp::MergeInto(_), table_name, target, .. }) => {
            schema.merge(&DFSchema::try_from_qualified_schema(table_name.clone(), &target.schema())?);
        }
        _ => {}
    }
    Ok(schema)
}

fn guard_expr(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            let guarded = match ArithmeticOperator::from_stock(op) {
                // The right side first: it is a leaf in a long chain, which keeps the chain linear.
                Some(operator) => {
                    let right_type = integer_type(&right, schema)?;
                    let is_guarded = right_type.is_some() && integer_type(&left, schema)? == right_type;
                    is_guarded.then_some(operator)
                }
                None => None,
            };
            Ok(match guarded {
                Some(operator) => Transformed::yes(Expr::ScalarFunction(ScalarFunction::new_udf(
                    operator.function(),
                    vec![*left, *right],
                ))),
                None => Transformed::no(Expr::BinaryExpr(BinaryExpr { left, op, right })),
            })
        }
        Expr::Negative(argument) => Ok(match integer_type(&argument, schema)? {
            Some(data_type) if data_type.is_signed_integer() => {
                Transformed::yes(Expr::ScalarFunction(ScalarFunction::new_udf(checked_negate(), vec![*argument])))
            }
            _ => Transformed::no(Expr::Negative(argument)),
        }),
        Expr::AggregateFunction(mut aggregate) if is_stock_sum(&aggregate.func) => {
            aggregate.func = checked_sum();
            Ok(Transformed::yes(Expr::AggregateFunction(aggregate)))
        }
        Expr::WindowFunction(mut window) => {
            let replaced =
                matches!(&window.fun, WindowFunctionDefinition::AggregateUDF(function) if is_stock_sum(function));
            if replaced {
                window.fun = WindowFunctionDefinition::AggregateUDF(checked_sum());
            }
            Ok(Transformed::new_transformed(Expr::WindowFunction(window), replaced))
        }
        other => Ok(Transformed::no(other)),
    }
}

fn is_stock_sum(function: &AggregateUDF) -> bool {
    function.inner().is::<Sum>()
}

/// The type of an operand, if it is one the guard checks.
///
/// A guarded function has the type of its last argument. Asking that one alone, instead of the schema, makes a chain
/// of ten thousand additions cost ten thousand steps and not their square.
fn integer_type(expr: &Expr, schema: &DFSchema) -> Result<Option<DataType>> {
    let mut expr = expr;
    while let Expr::ScalarFunction(call) = expr {
        let is_guarded = call.func.inner().is::<CheckedArithmetic>() || call.func.inner().is::<CheckedNegate>();
        match call.args.last() {
            Some(last) if is_guarded => expr = last,
            _ => break,
        }
    }
    let data_type = expr.get_type(schema)?;
    Ok(is_checked_type(&data_type).then_some(data_type))
}
