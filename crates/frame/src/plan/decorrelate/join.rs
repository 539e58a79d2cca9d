//! Subqueries in the condition of a join, and lateral joins.

use std::sync::Arc;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, NullEquality, Result, not_impl_err};
use datafusion::logical_expr::utils::{conjunction, split_conjunction};
use datafusion::logical_expr::{
    BinaryExpr, Expr, Filter, Join, JoinConstraint, JoinType, LogicalPlan, Operator, SubqueryAlias,
};

use super::build::{all_columns, as_exprs, column_at, kept_positions, named, named_like, project};
use super::domain::Domain;
use super::expr::Rewritten;
use super::node::Rewrite;
use super::push::Push;
use super::references::{OuterRef, contains_subquery, lateral_subquery, refs_bound_by, subquery_of};
use super::stock::{Place, handles_lateral};

/// The inputs and the condition of a join while subqueries are taken out of the condition.
struct Parts {
    left: LogicalPlan,
    right: LogicalPlan,
    on: Vec<(Expr, Expr)>,
    conditions: Vec<Expr>,
}

impl Parts {
    /// The join of the parts, with the columns that `original` has.
    fn finish(self, original: &Join) -> Result<LogicalPlan> {
        let (n_left, n_right) = (original.left.schema().fields().len(), original.right.schema().fields().len());
        let left_width = self.left.schema().fields().len();
        let right_width = self.right.schema().fields().len();
        let mut condition = conjunction(self.conditions);
        if condition.is_none() && self.on.is_empty() && original.join_type != JoinType::Inner {
            condition = Some(datafusion::logical_expr::lit(true));
        }
        let plan = LogicalPlan::Join(Join::try_new(
            Arc::new(self.left),
            Arc::new(self.right),
            self.on,
            condition,
            original.join_type,
            JoinConstraint::On,
            original.null_equality,
            original.null_aware,
        )?);
        let positions = kept_positions(original.join_type, n_left..left_width, n_right..right_width);
        let exprs = positions
            .into_iter()
            .enumerate()
            .map(|(idx, position)| named_like(Expr::Column(column_at(plan.schema(), position)), &original.schema, idx))
            .collect();
        project(exprs, plan)
    }
}

impl Rewrite {
    /// Rewrites the subqueries in the condition of `join`; `None` if there are none.
    pub(super) fn join_condition(&self, join: &Join) -> Result<Option<LogicalPlan>> {
        let (with_subquery, parts) = split_condition(join);
        if with_subquery.is_empty() {
            return Ok(None);
        }
        if join.join_type == JoinType::Inner {
            return self.inner_join_condition(join, parts, with_subquery).map(Some);
        }
        let mut parts = parts;
        for condition in with_subquery {
            let left_columns = columns_of(&condition, &join.left)?;
            let right_columns = columns_of(&condition, &join.right)?;
            if right_columns.is_empty() {
                let (plan, value) = self.value_beside(&condition, parts.left)?;
                parts.left = plan;
                parts.conditions.push(value);
            } else if left_columns.is_empty() {
                let (plan, value) = self.value_beside(&condition, parts.right)?;
                parts.right = plan;
                parts.conditions.push(value);
            } else {
                parts = self.condition_over_both(join, parts, &condition, &left_columns, &right_columns)?;
            }
        }
        parts.finish(join).map(Some)
    }

    /// An inner join filters its pairs, so its subqueries may as well stand in a filter above it.
    fn inner_join_condition(&self, join: &Join, parts: Parts, with_subquery: Vec<Expr>) -> Result<LogicalPlan> {
        let plan = parts.finish(join)?;
        let Some(predicate) = conjunction(with_subquery) else {
            return Ok(plan);
        };
        let node = Filter::try_new(predicate, Arc::new(plan))?;
        Ok(match self.filter(&node)? {
            Some(rewritten) => rewritten,
            None => LogicalPlan::Filter(node),
        })
    }

    /// Adds the value of `condition` as a column behind those of `plan`.
    fn value_beside(&self, condition: &Expr, plan: LogicalPlan) -> Result<(LogicalPlan, Expr)> {
        let mut columns = all_columns(plan.schema());
        let rewritten = self.exprs(std::slice::from_ref(condition), &plan, Place::Elsewhere)?;
        let (condition, plan) = match rewritten {
            Some(Rewritten { mut exprs, plan }) => (exprs.remove(0), plan),
            None => (condition.clone(), plan),
        };
        let relation = self.ids.fresh("condition");
        let name = Column::new(Some(relation.as_str()), "holds");
        columns.push(condition.alias_qualified(Some(relation), "holds"));
        Ok((project(columns, plan)?, Expr::Column(name)))
    }

    /// A condition that reads both sides of an outer join is evaluated for each row of the side that may be padded with
    /// NULLs and each combination of the other side's values; the join then picks the combination of its row.
    fn condition_over_both(
        &self,
        join: &Join,
        mut parts: Parts,
        condition: &Expr,
        left_columns: &[OuterRef],
        right_columns: &[OuterRef],
    ) -> Result<Parts> {
        let (kept, extended, columns) = match join.join_type {
            JoinType::Left | JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark => {
                (&parts.left, &parts.right, left_columns)
            }
            JoinType::Right | JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => {
                (&parts.right, &parts.left, right_columns)
            }
            JoinType::Inner | JoinType::Full => {
                return not_impl_err!("a subquery over both sides of a {} join", join.join_type);
            }
        };
        let domain = Domain::new(kept, columns, &self.ids)?;
        let Some((instance, keys)) = domain.instance(&self.ids)? else {
            return not_impl_err!("a join condition over no columns");
        };
        // Under the names of the other side's columns, the condition and its subqueries fit without a change.
        let values = domain.outer_values(kept)?;
        let renamed = values
            .iter()
            .zip(keys)
            .map(|(value, key)| {
                let (qualifier, name) = value.qualified_name();
                named(Expr::Column(key), qualifier.as_ref(), &name)
            })
            .collect();
        let pairs = super::build::join(extended.clone(), project(renamed, instance)?, JoinType::Inner, None)?;
        let n_extended = extended.schema().fields().len();
        let n_keys = values.len();
        let (pairs, holds) = self.value_beside(condition, pairs)?;

        let relation = self.ids.fresh("pair");
        let schema = pairs.schema();
        let mut exprs: Vec<Expr> = (0..n_extended).map(|idx| Expr::Column(column_at(schema, idx))).collect();
        exprs.extend((n_extended..n_extended + n_keys).map(|idx| {
            let name = self.ids.fresh("outer");
            named(Expr::Column(column_at(schema, idx)), Some(&relation.as_str().into()), &name)
        }));
        exprs.push(holds.clone());
        let pairs = project(exprs, pairs)?;
        let keys: Vec<Expr> =
            (n_extended..n_extended + n_keys).map(|idx| Expr::Column(column_at(pairs.schema(), idx))).collect();
        parts.conditions.extend(domain.same(&values, &keys));
        parts.conditions.push(holds);
        match join.join_type {
            JoinType::Right | JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => {
                parts.left = pairs;
            }
            _ => parts.right = pairs,
        }
        Ok(parts)
    }

    /// Rewrites a lateral join that DataFusion would refuse; `None` for any other join.
    pub(super) fn lateral_join(&self, join: &Join) -> Result<Option<LogicalPlan>> {
        if !self.is_lateral(join)? || handles_lateral(join)? {
            return Ok(None);
        }
        if !matches!(join.join_type, JoinType::Inner | JoinType::Left) {
            return not_impl_err!("a {} join with a lateral right side", join.join_type);
        }
        let refs = refs_bound_by(&join.right, join.left.schema())?;
        let domain = Domain::new(&join.left, &refs, &self.ids)?;
        let right = without_wrapper(&join.right)?;
        let pushed = Push { domain: &domain, ids: &self.ids }.push(&right)?;
        let mut conditions: Vec<Expr> = join.filter.iter().cloned().collect();
        let keys = as_exprs(&pushed.domain);
        conditions.extend(domain.same(&domain.outer_values(&join.left)?, &keys));
        let rewritten = Join::try_new(
            Arc::clone(&join.left),
            Arc::new(pushed.plan),
            join.on.clone(),
            conjunction(conditions),
            join.join_type,
            JoinConstraint::On,
            join.null_equality,
            join.null_aware,
        )?;
        let plan = match self.join_condition(&rewritten)? {
            Some(plan) => plan,
            None => LogicalPlan::Join(rewritten),
        };
        super::node::keep_first_columns(plan, &join.schema).map(Some)
    }
}

impl Rewrite {
    /// The SQL planner marks a lateral side only if it reads the other side itself, not in a nested subquery. Outside of
    /// any subquery, a reference to the other side has no other meaning.
    fn is_lateral(&self, join: &Join) -> Result<bool> {
        Ok(lateral_subquery(join).is_some()
            || (self.is_outermost() && !refs_bound_by(&join.right, join.left.schema())?.is_empty()))
    }
}

/// The conditions of `join` that contain a subquery, and everything else of it.
fn split_condition(join: &Join) -> (Vec<Expr>, Parts) {
    let op = match join.null_equality {
        NullEquality::NullEqualsNull => Operator::IsNotDistinctFrom,
        NullEquality::NullEqualsNothing => Operator::Eq,
    };
    let mut with_subquery = Vec::new();
    let mut on = Vec::new();
    for (l, r) in &join.on {
        if contains_subquery(l) || contains_subquery(r) {
            with_subquery.push(Expr::BinaryExpr(BinaryExpr::new(Box::new(l.clone()), op, Box::new(r.clone()))));
        } else {
            on.push((l.clone(), r.clone()));
        }
    }
    let (mut others, mut conditions) = (Vec::new(), Vec::new());
    for condition in join.filter.iter().flat_map(split_conjunction) {
        if contains_subquery(condition) { &mut others } else { &mut conditions }.push(condition.clone());
    }
    with_subquery.append(&mut others);
    let parts = Parts { left: join.left.as_ref().clone(), right: join.right.as_ref().clone(), on, conditions };
    (with_subquery, parts)
}

/// The columns of `side` that `condition` or a subquery in it reads.
fn columns_of(condition: &Expr, side: &LogicalPlan) -> Result<Vec<OuterRef>> {
    let schema = side.schema();
    let mut found: Vec<OuterRef> = Vec::new();
    let mut add = |column: &Column| {
        if schema.is_column_from_schema(column) && !found.iter().any(|r| r.column == *column) {
            found.push(OuterRef { column: column.clone() });
        }
    };
    condition.apply(|e| {
        if let Expr::Column(column) = e {
            add(column);
        } else if let Some(subquery) = subquery_of(e) {
            for r in refs_bound_by(&subquery.subquery, schema)? {
                add(&r.column);
            }
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(found)
}

/// A lateral side without the node that marks it as one.
fn without_wrapper(side: &LogicalPlan) -> Result<LogicalPlan> {
    Ok(match side {
        LogicalPlan::SubqueryAlias(alias) => {
            let input = without_wrapper(&alias.input)?;
            LogicalPlan::SubqueryAlias(SubqueryAlias::try_new(Arc::new(input), alias.alias.clone())?)
        }
        LogicalPlan::Subquery(subquery) => subquery.subquery.as_ref().clone(),
        other => other.clone(),
    })
}
