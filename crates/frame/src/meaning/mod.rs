//! Functions and rules that give SQL PostgreSQL's meaning where DataFusion has another, or none.
//!
//! ```text
//! sql/desugar: x = ANY(list), SIMILAR TO, AT TIME ZONE  ──>  calls of functions of this module
//! planner:     3 * INTERVAL '1 day'                      ──>  IntervalPlanner
//! analyzer:    CAST(1.6 AS INT), interval = interval     ──>  PostgresMeaning
//! ```
//!
//! The functions have names that no one would write; they are encoded in plans by name, as every function.

mod at_time_zone;
mod boolean_text;
mod distinct_name;
mod interval;
mod list_functions;
mod not_null;
mod rounding;
mod rule;
mod set_comparison;
mod similar_pattern;
mod zone;

use std::sync::Arc;

use datafusion::execution::SessionStateBuilder;
use datafusion::logical_expr::ScalarUDF;

pub(crate) use at_time_zone::AT_TIME_ZONE;
pub(crate) use distinct_name::DISTINCT_NAME;
pub(crate) use not_null::not_null;
pub(crate) use set_comparison::{Quantifier, function_name as set_comparison_name};
pub(crate) use similar_pattern::SIMILAR_PATTERN;

/// Adds the functions and rules to a session.
pub(crate) fn install(mut state: SessionStateBuilder) -> SessionStateBuilder {
    state.scalar_functions().get_or_insert_default().extend(functions());
    let planners = state.expr_planners().get_or_insert_default();
    planners.insert(0, Arc::new(interval::IntervalPlanner));
    planners.insert(0, Arc::new(boolean_text::BooleanTextPlanner));
    state.with_analyzer_rule(Arc::new(rule::PostgresMeaning))
}

/// The functions.
pub(crate) fn functions() -> Vec<Arc<ScalarUDF>> {
    let mut functions = set_comparison::functions();
    functions.extend([
        Arc::new(ScalarUDF::new_from_impl(list_functions::ArrayPosition::default())),
        Arc::new(ScalarUDF::new_from_impl(list_functions::Range::excluding())),
        Arc::new(ScalarUDF::new_from_impl(list_functions::Range::including())),
        Arc::new(ScalarUDF::new_from_impl(at_time_zone::AtTimeZone::default())),
        Arc::new(ScalarUDF::new_from_impl(distinct_name::DistinctName::default())),
        Arc::new(ScalarUDF::new_from_impl(similar_pattern::SimilarPattern::default())),
        interval::product(),
        interval::quotient(),
        interval::order_key(),
        not_null::function(),
        rounding::rounded(),
    ]);
    functions
}
