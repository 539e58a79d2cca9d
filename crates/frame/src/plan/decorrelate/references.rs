//! Outer references: which columns of an enclosing query a plan reads, and how to replace them.

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, Result};
use datafusion::logical_expr::expr::{Exists, InSubquery, SetComparison};
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, Join, LogicalPlan, Subquery};

use super::build::column_at;

/// A column of some enclosing query that a subquery reads.
///
/// It carries the name the subquery uses; the type is the one of the column it resolves to.
#[derive(Debug, Clone)]
pub(super) struct OuterRef {
    pub(super) column: Column,
}

/// The subquery inside `expr`, if `expr` itself (not a part of it) is a subquery expression.
pub(super) fn subquery_of(expr: &Expr) -> Option<&Subquery> {
    match expr {
        Expr::ScalarSubquery(subquery)
        | Expr::Exists(Exists { subquery, .. })
        | Expr::InSubquery(InSubquery { subquery, .. })
        | Expr::SetComparison(SetComparison { subquery, .. }) => Some(subquery),
        _ => None,
    }
}

/// Whether a subquery expression occurs anywhere in `expr`.
pub(super) fn contains_subquery(expr: &Expr) -> bool {
    expr.exists(|e| Ok(subquery_of(e).is_some())).unwrap_or(true)
}

/// Whether the right side of `join` may read columns of the left side.
///
/// The SQL planner wraps such a side in a [`LogicalPlan::Subquery`], under an alias where it has one.
pub(super) fn lateral_subquery(join: &Join) -> Option<&Subquery> {
    let mut side = join.right.as_ref();
    loop {
        match side {
            LogicalPlan::SubqueryAlias(alias) => side = alias.input.as_ref(),
            LogicalPlan::Subquery(subquery) => return Some(subquery),
            _ => return None,
        }
    }
}

/// The outer references in `plan` that nothing inside `plan` resolves, each once, in the order of their appearance.
///
/// DataFusion's reference carries a name but no depth: like SQL, it means the nearest enclosing query that has the
/// column. A subquery expression is enclosed by the inputs of its node, a lateral side by the other side of the join.
pub(super) fn free_refs(plan: &LogicalPlan) -> Result<Vec<OuterRef>> {
    let mut found = Vec::new();
    collect(plan, &mut found)?;
    Ok(found)
}

/// The free references of `plan` that `schema` resolves.
pub(super) fn refs_bound_by(plan: &LogicalPlan, schema: &DFSchema) -> Result<Vec<OuterRef>> {
    let mut refs = free_refs(plan)?;
    refs.retain(|r| schema.is_column_from_schema(&r.column));
    Ok(refs)
}

/// The free references of the right side of `join`, without those that its left side resolves for a lateral join.
pub(super) fn free_refs_of_right(join: &Join) -> Result<Vec<OuterRef>> {
    let mut refs = free_refs(&join.right)?;
    if lateral_subquery(join).is_some() {
        refs.retain(|r| !join.left.schema().is_column_from_schema(&r.column));
    }
    Ok(refs)
}

fn collect(plan: &LogicalPlan, found: &mut Vec<OuterRef>) -> Result<()> {
    plan.apply_expressions(|expr| {
        expr.apply(|e| {
            if let Expr::OuterReferenceColumn(_, column) = e {
                push_once(found, OuterRef { column: column.clone() });
            } else if let Some(subquery) = subquery_of(e) {
                let scope = merge_schema(&plan.inputs());
                for inner in free_refs(&subquery.subquery)? {
                    if !scope.is_column_from_schema(&inner.column) {
                        push_once(found, inner);
                    }
                }
            }
            Ok(TreeNodeRecursion::Continue)
        })
    })?;
    if let LogicalPlan::Join(join) = plan {
        collect(&join.left, found)?;
        for inner in free_refs_of_right(join)? {
            push_once(found, inner);
        }
        return Ok(());
    }
    for input in plan.inputs() {
        collect(input, found)?;
    }
    Ok(())
}

fn push_once(found: &mut Vec<OuterRef>, new: OuterRef) {
    if !found.iter().any(|r| r.column == new.column) {
        found.push(new);
    }
}

/// Replaces the references of `expr` to any of `outer` by the expression at the same position of `replacements`.
///
/// Subqueries inside `expr` are left as they are: those that remain when this is called read their own node only.
pub(super) fn replace_refs(expr: Expr, outer: &[Column], replacements: &[Expr]) -> Result<Expr> {
    expr.transform(|e| match &e {
        Expr::OuterReferenceColumn(_, column) => match outer.iter().position(|o| o == column) {
            Some(idx) => Ok(Transformed::yes(replacements[idx].clone())),
            None => Ok(Transformed::no(e)),
        },
        _ => Ok(Transformed::no(e)),
    })
    .data()
}

/// Whether `expr` itself, its subqueries aside, refers to one of `outer`.
pub(super) fn mentions(expr: &Expr, outer: &[Column]) -> bool {
    expr.exists(|e| Ok(matches!(e, Expr::OuterReferenceColumn(_, column) if outer.contains(column)))).unwrap_or(true)
}

/// Replaces the references of `expr` that `schema` resolves by plain columns of it.
pub(super) fn bind_refs(expr: Expr, schema: &DFSchema) -> Result<Expr> {
    expr.transform(|e| match &e {
        Expr::OuterReferenceColumn(_, column) => Ok(match schema.maybe_index_of_column(column) {
            Some(idx) => Transformed::yes(Expr::Column(column_at(schema, idx))),
            None => Transformed::no(e),
        }),
        _ => Ok(Transformed::no(e)),
    })
    .data()
}

/// Makes outer references of the columns of `expr`, for use inside a subquery of a node whose input has `schema`.
pub(super) fn to_outer_refs(expr: Expr, schema: &DFSchema) -> Result<Expr> {
    expr.transform(|e| match &e {
        Expr::Column(column) => {
            let field = schema.field(schema.index_of_column(column)?);
            Ok(Transformed::yes(Expr::OuterReferenceColumn(field.clone(), column.clone())))
        }
        _ => Ok(Transformed::no(e)),
    })
    .data()
}
