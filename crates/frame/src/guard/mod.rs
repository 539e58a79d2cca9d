//! Answers are right or an error: integer overflow, arms of CASE, IN lists, operands that do not fit, extremes among NaN.
//!
//! Stock DataFusion wraps in `+`, `-`, `*`, unary minus, SUM and a few functions. A flag of its physical `BinaryExpr`
//! asks for checked kernels, but constant folding builds expressions without the flag and the plan encoding drops it.
//! So the check is part of the *logical* plan here: an analyzer rule, which runs before any optimizer rule, puts
//! functions in place of the operators. A function is encoded by its name, folded by the same kernels that run it, and
//! answers the planner's questions about bounds and order.
//!
//! ```text
//! SQL -> type coercion -> [OverflowGuard] -> optimizer (folding) -> physical plan -> encoding
//!          a + b            checked_add(a, b), checked sum, ...       functions by name all the way
//! ```
//!
//! Invariants:
//! - **A row whose result is not used does not raise**: slots under NULL and rows a CASE did not select are ignored.
//! - **The answer of SUM does not depend on order or partitions**: integers are added up in 128 bits and compared with
//!   the result type once, at the end.
//! - **Names of output columns are those of the stock operators**: `a + b`, `sum(t.a)`.
//! - **Floats, decimals, dates and intervals keep the stock operators.** Decimal kernels already fail on overflow.
//!
//! What an optimizer derives from the name or the shape of an operator, and is not asked of functions, is lost:
//! selectivity of a filter with integer arithmetic in it falls back to the default.

mod checked_arithmetic;
mod checked_sum;
mod comparison;
mod distinct_sum;
mod error;
mod exact_sum;
mod explain;
mod float_extremes;
mod in_lists;
mod join_filter;
mod kernel;
mod lazy_case;
mod linear_sum;
mod literal_planner;
mod rewrite;
mod sum_accumulator;
mod sum_groups;
mod table_arguments;

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::execution::SessionStateBuilder;
use datafusion::logical_expr::{AggregateUDF, ScalarUDF};
use datafusion::optimizer::Optimizer;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;

use in_lists::SimplifyWithoutMerging;
use join_filter::PushProjections;

use crate::plan::outer_build::OuterBuildInParts;

pub use checked_arithmetic::{ArithmeticOperator, CheckedArithmetic, CheckedNegate};
pub use checked_sum::CheckedSum;
pub(crate) use comparison::is_comparison;
pub use comparison::refuse_unfit_operands;
pub use error::OverflowError;
pub(crate) use explain::{explaining, show_operators, with_operators};
pub use lazy_case::LazyCase;
pub use linear_sum::LinearSums;
pub use rewrite::OverflowGuard;
pub(crate) use rewrite::input_schema;

/// Adds the guard to a session: its functions, and the rules that put them in place of the stock ones.
///
/// Call it after `with_default_features`, whose functions it shadows by name, and before other analyzer rules.
pub fn install(mut state: SessionStateBuilder) -> SessionStateBuilder {
    state.scalar_functions().get_or_insert_with(Vec::new).extend(scalar_functions());
    state.aggregate_functions().get_or_insert_with(Vec::new).extend(aggregate_functions());
    state.expr_planners().get_or_insert_with(Vec::new).insert(0, Arc::new(literal_planner::LiteralArithmeticPlanner));
    for function in state.table_functions().iter_mut().flat_map(HashMap::values_mut) {
        *function = table_arguments::guarded(function);
    }
    let mut rules = Optimizer::new().rules;
    for rule in &mut rules {
        if rule.name() == "simplify_expressions" {
            *rule = Arc::new(SimplifyWithoutMerging::default());
        }
    }
    let mut physical_rules = PhysicalOptimizer::new().rules;
    for rule in &mut physical_rules {
        if rule.name() == "ProjectionPushdown" {
            *rule = Arc::new(PushProjections::default());
        }
    }
    let sides = physical_rules.iter().position(|rule| rule.name() == "join_selection").unwrap_or(0);
    physical_rules.insert(sides, Arc::new(OuterBuildInParts));
    state
        .with_optimizer_rules(rules)
        .with_physical_optimizer_rules(physical_rules)
        .with_analyzer_rule(Arc::new(OverflowGuard))
        .with_analyzer_rule(Arc::new(LinearSums))
        .with_analyzer_rule(Arc::new(LazyCase))
}

/// The scalar functions a registry needs to decode guarded plans.
pub fn scalar_functions() -> Vec<Arc<ScalarUDF>> {
    checked_arithmetic::functions()
}

/// The aggregate functions a registry needs to decode guarded plans.
pub fn aggregate_functions() -> Vec<Arc<AggregateUDF>> {
    let [max, min] = float_extremes::functions();
    vec![checked_sum::checked_sum(), max, min]
}

#[cfg(test)]
mod tests;
