//! Rewriting one node at a time, inputs first.

use std::cell::Cell;
use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::{
    Aggregate, Distinct, DistinctOn, Expr, Filter, LogicalPlan, Projection, Sort, SortExpr, Union, Window,
};

use super::build::{all_columns, column_at, filter, named_like, project};
use super::expr::Rewritten;
use super::ids::Ids;
use super::references::{contains_subquery, free_refs, subquery_of};
use super::stock::Place;

/// One rewrite of one plan.
#[derive(Debug, Default)]
pub(super) struct Rewrite {
    pub(super) ids: Ids,
    changed: Cell<bool>,
    /// How many subqueries the node that is being rewritten stands in.
    depth: Cell<usize>,
}

impl Rewrite {
    /// Rewrites the subqueries of every node of `plan`.
    pub(super) fn plan(&self, plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
        plan.transform_up(|node| {
            // An input that was rewritten may be nullable where it was not; the schema of its parent follows.
            let node = if self.changed.get() { with_current_schema(node)? } else { node };
            let node = self.node(node)?;
            if node.transformed {
                self.changed.set(true);
            }
            Ok(node)
        })
    }

    /// Rewrites the plan of a subquery expression.
    pub(super) fn subquery_plan(&self, plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
        self.depth.set(self.depth.get() + 1);
        let rewritten = self.plan(plan);
        self.depth.set(self.depth.get() - 1);
        rewritten
    }

    /// Whether the node that is being rewritten stands in no subquery expression.
    pub(super) fn is_outermost(&self) -> bool {
        self.depth.get() == 0
    }

    fn node(&self, plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
        if let LogicalPlan::Join(join) = &plan
            && let Some(rewritten) = self.lateral_join(join)?
        {
            return Ok(Transformed::yes(rewritten));
        }
        let mut found = false;
        plan.apply_expressions(|e| {
            found |= contains_subquery(e);
            Ok(datafusion::common::tree_node::TreeNodeRecursion::Continue)
        })?;
        if !found {
            return Ok(Transformed::no(plan));
        }
        let rewritten = match &plan {
            LogicalPlan::Projection(node) => self.projection(node)?,
            LogicalPlan::Filter(node) => self.filter(node)?,
            LogicalPlan::Aggregate(node) => self.aggregate(node)?,
            LogicalPlan::Window(node) => self.window(node)?,
            LogicalPlan::Sort(node) => self.sort(node)?,
            LogicalPlan::Distinct(Distinct::On(node)) => self.distinct_on(node)?,
            LogicalPlan::Join(node) => self.join_condition(node)?,
            _ => None,
        };
        Ok(match rewritten {
            Some(rewritten) => Transformed::yes(rewritten),
            None => Transformed::no(plan),
        })
    }

    fn projection(&self, node: &Projection) -> Result<Option<LogicalPlan>> {
        let Some(Rewritten { exprs, plan }) = self.exprs(&node.expr, &node.input, Place::Projection)? else {
            return Ok(None);
        };
        let exprs = exprs.into_iter().enumerate().map(|(idx, e)| named_like(e, &node.schema, idx)).collect();
        project(exprs, plan).map(Some)
    }

    pub(super) fn filter(&self, node: &Filter) -> Result<Option<LogicalPlan>> {
        let predicate = std::slice::from_ref(&node.predicate);
        let Some(Rewritten { exprs, plan }) = self.exprs(predicate, &node.input, Place::Conjunct)? else {
            return Ok(None);
        };
        let mut plan = plan;
        for predicate in exprs {
            plan = filter(predicate, plan)?;
        }
        keep_first_columns(plan, node.input.schema()).map(Some)
    }

    fn aggregate(&self, node: &Aggregate) -> Result<Option<LogicalPlan>> {
        let all = [node.group_expr.as_slice(), node.aggr_expr.as_slice()].concat();
        let Some(Rewritten { mut exprs, plan }) = self.exprs(&all, &node.input, Place::Elsewhere)? else {
            return Ok(None);
        };
        let aggregates = exprs.split_off(node.group_expr.len());
        let plan = LogicalPlan::Aggregate(Aggregate::try_new(Arc::new(plan), exprs, aggregates)?);
        // The expressions have other names now, the positions are the same.
        let exprs = (0..node.schema.fields().len())
            .map(|idx| named_like(Expr::Column(column_at(plan.schema(), idx)), &node.schema, idx))
            .collect();
        project(exprs, plan).map(Some)
    }

    fn window(&self, node: &Window) -> Result<Option<LogicalPlan>> {
        let Some(Rewritten { exprs, plan }) = self.exprs(&node.window_expr, &node.input, Place::Elsewhere)? else {
            return Ok(None);
        };
        let n_input = node.input.schema().fields().len();
        let width = plan.schema().fields().len();
        let plan = LogicalPlan::Window(Window::try_new(exprs, Arc::new(plan))?);
        let exprs = (0..n_input)
            .chain(width..plan.schema().fields().len())
            .enumerate()
            .map(|(idx, position)| named_like(Expr::Column(column_at(plan.schema(), position)), &node.schema, idx))
            .collect();
        project(exprs, plan).map(Some)
    }

    fn sort(&self, node: &Sort) -> Result<Option<LogicalPlan>> {
        let keys: Vec<Expr> = node.expr.iter().map(|s| s.expr.clone()).collect();
        let input = with_missing_columns(&keys, &node.input)?;
        let Some(Rewritten { exprs, plan }) = self.exprs(&keys, &input, Place::Elsewhere)? else {
            return Ok(None);
        };
        let expr = exprs.into_iter().zip(&node.expr).map(|(e, s)| SortExpr::new(e, s.asc, s.nulls_first)).collect();
        let plan = LogicalPlan::Sort(Sort { expr, input: Arc::new(plan), fetch: node.fetch });
        keep_first_columns(plan, node.input.schema()).map(Some)
    }

    fn distinct_on(&self, node: &DistinctOn) -> Result<Option<LogicalPlan>> {
        let sort = node.sort_expr.as_deref().unwrap_or_default();
        let keys: Vec<Expr> = sort.iter().map(|s| s.expr.clone()).collect();
        let all = [node.on_expr.as_slice(), node.select_expr.as_slice(), keys.as_slice()].concat();
        let Some(Rewritten { exprs: mut on, plan }) = self.exprs(&all, &node.input, Place::Elsewhere)? else {
            return Ok(None);
        };
        let mut select = on.split_off(node.on_expr.len());
        let keys = select.split_off(node.select_expr.len());
        let select = select.into_iter().enumerate().map(|(idx, e)| named_like(e, &node.schema, idx)).collect();
        let sort_expr = node.sort_expr.is_some().then(|| {
            keys.into_iter().zip(sort).map(|(e, s)| SortExpr::new(e, s.asc, s.nulls_first)).collect::<Vec<_>>()
        });
        let distinct = DistinctOn::try_new(on, select, sort_expr, Arc::new(plan))?;
        Ok(Some(LogicalPlan::Distinct(Distinct::On(distinct))))
    }
}

/// `node` with the schema that follows from its inputs.
fn with_current_schema(node: LogicalPlan) -> Result<LogicalPlan> {
    let LogicalPlan::Union(union) = node else {
        return node.recompute_schema();
    };
    // DataFusion keeps the schema of a union as long as the number of columns is the same.
    let current = Union::try_new(union.inputs.clone())?;
    let same = current.schema.logically_equivalent_names_and_types(&union.schema);
    Ok(LogicalPlan::Union(if same { current } else { union }))
}

/// Drops the columns behind those of `schema`.
pub(super) fn keep_first_columns(plan: LogicalPlan, schema: &DFSchema) -> Result<LogicalPlan> {
    let n_columns = schema.fields().len();
    if plan.schema().fields().len() == n_columns {
        return Ok(plan);
    }
    let mut columns = all_columns(plan.schema());
    columns.truncate(n_columns);
    project(columns, plan)
}

/// The input of a sort, with the columns that its subqueries read although the SELECT list does not have them.
///
/// The SQL planner adds such columns for plain expressions, but does not look into subqueries.
fn with_missing_columns(keys: &[Expr], input: &LogicalPlan) -> Result<LogicalPlan> {
    let LogicalPlan::Projection(projection) = input else {
        return Ok(input.clone());
    };
    let mut exprs = projection.expr.clone();
    let mut added = Vec::new();
    for key in keys {
        key.apply(|e| {
            if let Some(subquery) = subquery_of(e) {
                for r in free_refs(&subquery.subquery)? {
                    if !projection.schema.is_column_from_schema(&r.column)
                        && projection.input.schema().is_column_from_schema(&r.column)
                        && !added.contains(&r.column)
                    {
                        added.push(r.column);
                    }
                }
            }
            Ok(datafusion::common::tree_node::TreeNodeRecursion::Continue)
        })?;
    }
    if added.is_empty() {
        return Ok(input.clone());
    }
    exprs.extend(added.into_iter().map(Expr::Column));
    project(exprs, projection.input.as_ref().clone())
}
