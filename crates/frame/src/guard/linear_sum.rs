//! `SUM(x + 1), SUM(x + 2), ...` as `SUM(x) + 1 * COUNT(x), SUM(x) + 2 * COUNT(x), ...`.
//!
//! Stock DataFusion does this in an optimizer rule that looks for its own operators, which the guard has replaced by
//! then. Here it is done only where it cannot change which queries fail: `x` is widened from at most 32 bits and the
//! literals are as small, so no `x + 1` overflows, and `SUM(x)` needs two billion rows to.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, HashMap, Result};
use datafusion::functions_aggregate::count::count_udaf;
use datafusion::logical_expr::expr::{AggregateFunction, AggregateFunctionParams, ScalarFunction};
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Aggregate, AggregateUDF, Cast, Expr, ExprSchemable, LogicalPlan, Projection, cast};
use datafusion::optimizer::AnalyzerRule;

use super::checked_arithmetic::ArithmeticOperator;
use super::checked_sum::CheckedSum;
use super::kernel::integer_value;

/// Computes sums that differ by a constant per row from one sum and one count.
#[derive(Debug, Default, Clone, Copy)]
pub struct LinearSums;

impl AnalyzerRule for LinearSums {
    fn name(&self) -> &str {
        "linear_sums"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        Ok(plan.transform_up_with_subqueries(share_sums)?.data)
    }
}

/// Sums of one argument that pay for the count that comes with them.
const N_SUMS_MIN: usize = 2;

fn share_sums(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    match plan {
        LogicalPlan::Aggregate(aggregate) => match with_shared_sums(&aggregate)? {
            Some(projection) => Ok(Transformed::yes(LogicalPlan::Projection(projection))),
            None => Ok(Transformed::no(LogicalPlan::Aggregate(aggregate))),
        },
        other => Ok(Transformed::no(other)),
    }
}

/// The aggregate as a projection of one with fewer sums, if it has any to share.
fn with_shared_sums(aggregate: &Aggregate) -> Result<Option<Projection>> {
    if aggregate.group_expr.iter().any(|expr| matches!(expr, Expr::GroupingSet(_))) {
        return Ok(None);
    }
    let input_schema = merge_schema(&[&aggregate.input]);
    let sums: Vec<Option<LinearSum>> =
        aggregate.aggr_expr.iter().map(|expr| LinearSum::new(expr, &input_schema)).collect::<Result<_>>()?;
    let mut n_sums: HashMap<&Expr, usize> = HashMap::default();
    for sum in sums.iter().flatten() {
        *n_sums.entry(sum.varying).or_default() += 1;
    }
    if n_sums.values().all(|n_sums| *n_sums < N_SUMS_MIN) {
        return Ok(None);
    }

    // What the inner aggregate computes, and for each output of the outer one the expression over it.
    let mut computed: Vec<Expr> = Vec::new();
    let mut outputs: Vec<Output> = Vec::new();
    for (expr, sum) in aggregate.aggr_expr.iter().zip(&sums) {
        outputs.push(match sum {
            Some(sum) if n_sums[sum.varying] >= N_SUMS_MIN => Output::Shared {
                sum_idx: position(&mut computed, sum.sum_of_varying()),
                count_idx: position(&mut computed, sum.count_of_varying()),
                constant: sum.constant.clone(),
            },
            _ => Output::Same { idx: position(&mut computed, expr.clone()) },
        });
    }
    let n_groups = aggregate.group_expr.len();
    let inner = Aggregate::try_new(Arc::clone(&aggregate.input), aggregate.group_expr.clone(), computed)?;
    let column = |idx: usize| Expr::from(inner.schema.qualified_field(idx));
    let mut projected: Vec<Expr> = (0..n_groups).map(column).collect();
    for (output_idx, output) in outputs.into_iter().enumerate() {
        let expr = match output {
            Output::Same { idx } => column(n_groups + idx),
            Output::Shared { sum_idx, count_idx, constant } => {
                let count = cast(column(n_groups + count_idx), constant.get_type(&input_schema)?);
                let added = call(ArithmeticOperator::Multiply, constant, count);
                call(ArithmeticOperator::Add, column(n_groups + sum_idx), added)
            }
        };
        let (qualifier, field) = aggregate.schema.qualified_field(n_groups + output_idx);
        projected.push(expr.alias_qualified(qualifier.cloned(), field.name()));
    }
    Ok(Some(Projection::try_new(projected, Arc::new(LogicalPlan::Aggregate(inner)))?))
}

/// How an output of the aggregate is had from the aggregate with shared sums.
enum Output {
    Same { idx: usize },
    Shared { sum_idx: usize, count_idx: usize, constant: Expr },
}

/// Where `expr` stands among `computed`, to which it is added if need be.
fn position(computed: &mut Vec<Expr>, expr: Expr) -> usize {
    computed.iter().position(|other| *other == expr).unwrap_or_else(|| {
        computed.push(expr);
        computed.len() - 1
    })
}

fn call(operator: ArithmeticOperator, left: Expr, right: Expr) -> Expr {
    Expr::ScalarFunction(ScalarFunction::new_udf(operator.function(), vec![left, right]))
}

/// `SUM(varying + constant)`
struct LinearSum<'a> {
    aggregate: &'a AggregateFunction,
    varying: &'a Expr,
    constant: &'a Expr,
}

impl<'a> LinearSum<'a> {
    fn new(expr: &'a Expr, schema: &DFSchema) -> Result<Option<Self>> {
        let Expr::AggregateFunction(aggregate) = expr else {
            return Ok(None);
        };
        let AggregateFunctionParams { args, distinct: false, filter: None, order_by, null_treatment: None } =
            &aggregate.params
        else {
            return Ok(None);
        };
        let [Expr::ScalarFunction(sum)] = args.as_slice() else {
            return Ok(None);
        };
        let is_sum = aggregate.func.inner().is::<CheckedSum>() && order_by.is_empty();
        if !is_sum || sum.func != ArithmeticOperator::Add.function() {
            return Ok(None);
        }
        let (varying, constant) = match sum.args.as_slice() {
            [varying, constant @ Expr::Literal(..)] | [constant @ Expr::Literal(..), varying] => (varying, constant),
            _ => return Ok(None),
        };
        if varying.is_volatile() || !is_small(constant) || !is_widened(varying, schema)? {
            return Ok(None);
        }
        Ok(Some(Self { aggregate, varying, constant }))
    }

    fn sum_of_varying(&self) -> Expr {
        self.of_varying(Arc::clone(&self.aggregate.func))
    }

    fn count_of_varying(&self) -> Expr {
        self.of_varying(count_udaf())
    }

    fn of_varying(&self, function: Arc<AggregateUDF>) -> Expr {
        let args = vec![self.varying.clone()];
        Expr::AggregateFunction(AggregateFunction::new_udf(function, args, false, None, Vec::new(), None))
    }
}

/// Whether a literal is an integer that 32 bits hold.
fn is_small(literal: &Expr) -> bool {
    let Expr::Literal(value, _) = literal else {
        return false;
    };
    match integer_value(value) {
        Ok(Some(value)) => i32::try_from(value).is_ok(),
        _ => false,
    }
}

/// Whether an expression is an integer of at most 32 bits made one of 64.
fn is_widened(expr: &Expr, schema: &DFSchema) -> Result<bool> {
    let Expr::Cast(Cast { expr, field }) = expr else {
        return Ok(false);
    };
    let narrow = expr.get_type(schema)?;
    let wide = field.data_type();
    Ok(match wide {
        DataType::Int64 => matches!(
            narrow,
            DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::UInt8 | DataType::UInt16 | DataType::UInt32
        ),
        DataType::UInt64 => matches!(narrow, DataType::UInt8 | DataType::UInt16 | DataType::UInt32),
        _ => false,
    })
}
