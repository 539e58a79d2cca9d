//! Which subqueries DataFusion's own rules answer, and answer right. The rewrite leaves those alone.
//!
//! DataFusion pulls the correlated conditions of a subquery up into a join. That is sound below projections, filters,
//! inner joins and one aggregation keyed by equalities. It also pulls them above windows, limits and grouped
//! aggregations, and confuses columns of the same name from two tables, all of which changes the answer. So a shape is
//! only left to it if it is known to be sound *and* a trial run of the rule succeeds.

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, Result};
use datafusion::logical_expr::expr::InSubquery;
use datafusion::logical_expr::logical_plan::check_subquery_expr;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{Distinct, Expr, ExprSchemable, Filter, Join, JoinType, LogicalPlan, Subquery};
use datafusion::optimizer::decorrelate_lateral_join::DecorrelateLateralJoin;
use datafusion::optimizer::decorrelate_predicate_subquery::DecorrelatePredicateSubquery;
use datafusion::optimizer::scalar_subquery_to_join::ScalarSubqueryToJoin;
use datafusion::optimizer::{OptimizerContext, OptimizerRule};

use super::references::{contains_subquery, free_refs, lateral_subquery, subquery_of};

/// Where in its node a subquery expression stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// It is a conjunct of a filter, or the negation of one.
    Conjunct,
    /// It stands under AND and OR of a filter, where UNKNOWN counts as false.
    Monotone,
    /// It stands elsewhere in a filter.
    Filter,
    /// It stands in a projection.
    Projection,
    /// It stands in any other node.
    Elsewhere,
}

impl Place {
    fn in_filter(self) -> bool {
        matches!(self, Place::Conjunct | Place::Monotone | Place::Filter)
    }

    /// The place of an operand of anything but AND and OR.
    pub(super) fn operand(self) -> Self {
        if self.in_filter() { Place::Filter } else { self }
    }
}

/// Whether DataFusion evaluates the scalar subquery `expr` of a node over `input` by itself.
pub(super) fn handles_scalar(expr: &Expr, subquery: &Subquery, input: &LogicalPlan, place: Place) -> Result<bool> {
    let plan = &subquery.subquery;
    let refs = free_refs(plan)?;
    if refs.is_empty() {
        return Ok(true);
    }
    if !(place.in_filter() || place == Place::Projection)
        || !refs.iter().all(|r| input.schema().is_column_from_schema(&r.column))
        || !is_aggregate_over_sound_plan(plan)?
        || !pulls_distinct_names(plan)?
    {
        return Ok(false);
    }
    let trial = trial_filter(expr.clone().is_null(), input)?;
    if check_subquery_expr(&trial, plan, expr).is_err() {
        return Ok(false);
    }
    succeeds(&ScalarSubqueryToJoin::new(), trial)
}

/// Whether DataFusion evaluates the `EXISTS` `expr` of a node over `input` by itself.
pub(super) fn handles_exists(expr: &Expr, subquery: &Subquery, input: &LogicalPlan, place: Place) -> Result<bool> {
    if !place.in_filter() {
        return Ok(false);
    }
    let plan = &subquery.subquery;
    let refs = free_refs(plan)?;
    if !refs.iter().all(|r| input.schema().is_column_from_schema(&r.column))
        || !is_sound_plan(plan)?
        || !pulls_distinct_names(plan)?
    {
        return Ok(false);
    }
    let trial = trial_filter(expr.clone(), input)?;
    if check_subquery_expr(&trial, plan, expr).is_err() {
        return Ok(false);
    }
    succeeds(&DecorrelatePredicateSubquery::new(), trial)
}

/// Whether DataFusion evaluates the `IN` of a node over `input` by itself.
///
/// Its joins know UNKNOWN only for an uncorrelated NOT IN that is a conjunct of a filter.
pub(super) fn handles_in(expr: &InSubquery, input: &LogicalPlan, place: Place) -> Result<bool> {
    let plan = &expr.subquery.subquery;
    let nullable = expr.expr.nullable(input.schema())? || plan.schema().field(0).is_nullable();
    let sound = match (place, expr.negated) {
        (Place::Conjunct | Place::Monotone, false) => true,
        (Place::Conjunct, true) => !nullable || (free_refs(plan)?.is_empty() && !expr.expr.column_refs().is_empty()),
        (Place::Monotone | Place::Filter, _) => !nullable,
        (Place::Projection | Place::Elsewhere, _) => false,
    };
    Ok(sound && handles_exists(&Expr::InSubquery(expr.clone()), &expr.subquery, input, place)?)
}

/// Whether DataFusion evaluates `join`, a lateral one, by itself.
pub(super) fn handles_lateral(join: &Join) -> Result<bool> {
    if join.join_type != JoinType::Inner {
        return Ok(false);
    }
    let Some(subquery) = lateral_subquery(join) else {
        return Ok(false);
    };
    let refs = free_refs(&subquery.subquery)?;
    if !refs.iter().all(|r| join.left.schema().is_column_from_schema(&r.column)) || !is_sound_plan(&subquery.subquery)?
    {
        return Ok(false);
    }
    let rule = DecorrelateLateralJoin::new();
    match rule.rewrite(LogicalPlan::Join(join.clone()), &OptimizerContext::new()) {
        Ok(result) => Ok(result.transformed),
        Err(_) => Ok(false),
    }
}

fn trial_filter(predicate: Expr, input: &LogicalPlan) -> Result<LogicalPlan> {
    Filter::try_new(predicate, Arc::new(input.clone())).map(LogicalPlan::Filter)
}

/// Whether `rule` replaces the one subquery in the predicate of `trial`, a filter.
fn succeeds(rule: &dyn OptimizerRule, trial: LogicalPlan) -> Result<bool> {
    let input = match &trial {
        LogicalPlan::Filter(filter) => Arc::clone(&filter.input),
        _ => return Ok(false),
    };
    match rule.rewrite(trial, &OptimizerContext::new()) {
        Ok(result) if result.transformed => Ok(!has_subquery_above(&result.data, &input)),
        _ => Ok(false),
    }
}

/// Whether a node between the root of `plan` and `input` still has a correlated or predicate subquery.
fn has_subquery_above(plan: &LogicalPlan, input: &LogicalPlan) -> bool {
    if plan == input {
        return false;
    }
    match plan {
        LogicalPlan::Projection(node) => has_subquery_above(&node.input, input),
        LogicalPlan::Filter(node) => contains_subquery(&node.predicate) || has_subquery_above(&node.input, input),
        LogicalPlan::Join(node) => has_subquery_above(&node.left, input),
        _ => false,
    }
}

/// Whether correlated conditions occur in `plan` only where pulling them up keeps the rows of a predicate subquery.
fn is_sound_plan(plan: &LogicalPlan) -> Result<bool> {
    if free_refs(plan)?.is_empty() {
        return Ok(true);
    }
    match plan {
        LogicalPlan::Projection(node) => Ok(!reads_outer(&node.expr)? && is_sound_plan(&node.input)?),
        LogicalPlan::Distinct(Distinct::All(input)) => is_sound_plan(input),
        LogicalPlan::Filter(node) => {
            let mixed =
                split_conjunction(&node.predicate).into_iter().any(|e| e.contains_outer() && contains_subquery(e));
            Ok(!mixed && nested_are_closed(&node.predicate, node.input.schema())? && is_sound_plan(&node.input)?)
        }
        LogicalPlan::Join(node) => {
            let keys = node.on.iter().flat_map(|(l, r)| [l, r]);
            let conditions: Vec<Expr> = keys.chain(&node.filter).cloned().collect();
            Ok(node.join_type == JoinType::Inner
                && lateral_subquery(node).is_none()
                && !reads_outer(&conditions)?
                && is_sound_plan(&node.left)?
                && is_sound_plan(&node.right)?)
        }
        _ => Ok(false),
    }
}

/// Whether `plan` is an aggregation without groups, under projections, over a plan that is sound without duplicates
/// being removed.
fn is_aggregate_over_sound_plan(plan: &LogicalPlan) -> Result<bool> {
    match plan {
        LogicalPlan::Projection(node) => Ok(!reads_outer(&node.expr)? && is_aggregate_over_sound_plan(&node.input)?),
        LogicalPlan::Aggregate(node) => Ok(node.group_expr.is_empty()
            && !reads_outer(&node.aggr_expr)?
            && !removes_duplicates(&node.input)?
            && is_sound_plan(&node.input)?),
        _ => Ok(false),
    }
}

/// Whether the columns that DataFusion pulls up keep apart under the one alias it gives the subquery.
fn pulls_distinct_names(plan: &LogicalPlan) -> Result<bool> {
    let mut pulled = HashSet::new();
    let mut visible = HashSet::new();
    collect_pulled(plan, &mut pulled, &mut visible)?;
    let names: HashSet<&str> = pulled.iter().map(|column| column.name.as_str()).collect();
    Ok(names.len() == pulled.len()
        && visible.iter().all(|column| pulled.contains(column) || !names.contains(column.name.as_str())))
}

/// Collects the inner columns of correlated conditions, and what projections and aggregations above them output.
fn collect_pulled(plan: &LogicalPlan, pulled: &mut HashSet<Column>, visible: &mut HashSet<Column>) -> Result<()> {
    if free_refs(plan)?.is_empty() {
        return Ok(());
    }
    match plan {
        LogicalPlan::Filter(node) => {
            let correlated = split_conjunction(&node.predicate).into_iter().filter(|e| e.contains_outer());
            pulled.extend(correlated.flat_map(Expr::column_refs).cloned());
        }
        LogicalPlan::Projection(_) | LogicalPlan::Aggregate(_) => {
            visible.extend(plan.schema().columns());
        }
        _ => {}
    }
    for input in plan.inputs() {
        collect_pulled(input, pulled, visible)?;
    }
    Ok(())
}

fn removes_duplicates(plan: &LogicalPlan) -> Result<bool> {
    if free_refs(plan)?.is_empty() {
        return Ok(false);
    }
    match plan {
        LogicalPlan::Distinct(_) => Ok(true),
        other => {
            for input in other.inputs() {
                if removes_duplicates(input)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
    }
}

/// Whether an expression reads an outer query, or has a subquery, whose references might.
fn reads_outer(exprs: &[Expr]) -> Result<bool> {
    for expr in exprs {
        if expr.contains_outer() || contains_subquery(expr) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether the subqueries in `expr` read nothing beyond `scope`, the input of its node.
fn nested_are_closed(expr: &Expr, scope: &DFSchema) -> Result<bool> {
    let mut closed = true;
    expr.apply(|e| {
        if let Some(subquery) = subquery_of(e) {
            closed &= free_refs(&subquery.subquery)?.iter().all(|r| scope.is_column_from_schema(&r.column));
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(closed)
}
