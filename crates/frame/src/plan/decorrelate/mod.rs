//! Correlated subqueries that DataFusion refuses.
//!
//! DataFusion plans a correlated scalar subquery only if it is an aggregation whose correlation is an equality, and
//! `EXISTS` and `IN` only in a `WHERE`. [`Decorrelate`] rewrites the others into joins:
//!
//! ```text
//! SELECT a, (SELECT count(*) FROM t AS x WHERE x.b < t.b) FROM t
//!
//!   Projection: t.a, coalesce(__aggregate.count, 0)
//!     Left Join: t.b = __aggregate.b
//!       t
//!       Aggregate: group by domain.b, count(*)
//!         Filter: x.b < domain.b
//!           Cross Join
//!             x
//!             domain: DISTINCT t.b FROM t
//! ```
//!
//! - `node`, `expr`, `join` walk the plan, inputs and inner subqueries first, and decide for each subquery;
//! - `stock` knows which ones DataFusion answers itself, and right: those stay as they are;
//! - `attach` (with `shape`) turns a subquery expression into a column that is joined to the input of its node;
//! - `domain` (with `stable`) makes the set of outer values, `push*` moves the dependent join into the subquery.
//!
//! What holds after the rewrite:
//!
//! - **The names, qualifiers and types of the plan's columns are the same**; a column becomes nullable where DataFusion took
//!   a value for non-NULL that a subquery without rows makes NULL.
//! - **A scalar subquery with several rows is an error where its value is used**, so not in a `CASE` arm that is not taken.
//!   The inside of a subquery is evaluated for all rows of its node's input: an error there (a division by zero, a cast)
//!   is raised even if the arm around the subquery is not taken for that row.
//! - **No row is answered from another evaluation of the outer query.** The outer query is evaluated once for its rows and
//!   once for each domain. Where the two could differ, the rewrite is refused (see `stable`).
//! - **An uncorrelated scalar subquery that may have no row is nullable**, which DataFusion forgets where its column is not.
//! - A volatile function inside a correlated subquery is evaluated once for each distinct combination of outer values.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::logical_expr::LogicalPlan;
use datafusion::optimizer::AnalyzerRule;

use self::node::Rewrite;
use self::references::contains_subquery;
pub use self::single_row::single_row_udf;

mod attach;
mod build;
mod domain;
mod expr;
mod ids;
mod join;
mod node;
mod push;
mod push_aggregate;
mod push_join;
mod push_order;
mod references;
mod shape;
mod single_row;
mod stable;
mod stock;
#[cfg(test)]
mod tests;

/// Adds [`Decorrelate`] behind the analyzer rules of `builder`, and the function its plans call.
pub fn install(mut builder: SessionStateBuilder) -> SessionStateBuilder {
    builder.scalar_functions().get_or_insert_default().push(single_row_udf());
    builder.with_analyzer_rule(Arc::new(Decorrelate))
}

/// The analyzer rule that rewrites the correlated subqueries DataFusion would refuse.
///
/// It must run after type coercion, because it compares values of the outer query with values of the subquery without
/// coercing them, and before the check at the end of the analysis. Appending it to the default rules does both.
///
/// # Errors
/// Not implemented, if the subquery reads the outer query under an operator without a rule (a recursive query, a user's
/// extension, a grand total of grouping sets), or if the outer query cannot be evaluated twice with the same result.
#[derive(Debug, Default, Clone, Copy)]
pub struct Decorrelate;

impl AnalyzerRule for Decorrelate {
    fn name(&self) -> &str {
        "decorrelate"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        if !has_subquery(&plan)? {
            return Ok(plan);
        }
        Ok(Rewrite::default().plan(plan)?.data)
    }
}

fn has_subquery(plan: &LogicalPlan) -> Result<bool> {
    let mut found = false;
    plan.apply_with_subqueries(|node| {
        found |= matches!(node, LogicalPlan::Subquery(_));
        node.apply_expressions(|e| {
            found |= contains_subquery(e);
            Ok(TreeNodeRecursion::Continue)
        })?;
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(found)
}
