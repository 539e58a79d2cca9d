//! The dependent join under a join.

use std::sync::Arc;

use datafusion::common::{Column, NullEquality, Result};
use datafusion::functions::core::expr_fn::coalesce;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{BinaryExpr, Expr, Join, JoinConstraint, JoinType, LogicalPlan, Operator};

use super::build::{as_exprs, column_at, kept_positions, named, named_like, project};
use super::push::{Push, Pushed};
use super::references::{free_refs, free_refs_of_right, mentions};

/// Which sides of a join get the dependent join, and from which the domain is taken afterwards.
#[derive(Debug, Clone, Copy)]
struct Sides {
    left: bool,
    right: bool,
    keep: Keep,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keep {
    Left,
    Right,
    Either,
}

impl Push<'_> {
    /// Pushes into the sides that read the outer query, and into the side whose rows survive without a partner.
    ///
    /// That side needs the domain even if it does not read it: its rows exist once for each value of the domain. If both
    /// sides got the domain, a row only meets partners of its own value.
    pub(super) fn push_join(&self, join: &Join) -> Result<Pushed> {
        let sides = self.sides(join)?;
        let left = self.push_side(&join.left, sides.left)?;
        let right = self.push_side(&join.right, sides.right)?;
        let kept = if sides.keep == Keep::Right { &right.domain } else { &left.domain };

        let mut on = Vec::with_capacity(join.on.len());
        let mut conditions = Vec::new();
        for (l, r) in &join.on {
            if mentions(l, &self.domain.outer) || mentions(r, &self.domain.outer) {
                // A key may only read its own side, and the domain may stand on the other one.
                let op = match join.null_equality {
                    NullEquality::NullEqualsNull => Operator::IsNotDistinctFrom,
                    NullEquality::NullEqualsNothing => Operator::Eq,
                };
                let (l, r) = (self.replace(l, kept)?, self.replace(r, kept)?);
                conditions.push(Expr::BinaryExpr(BinaryExpr::new(Box::new(l), op, Box::new(r))));
            } else {
                on.push((l.clone(), r.clone()));
            }
        }
        if let Some(filter) = &join.filter {
            conditions.push(self.replace(filter, kept)?);
        }
        if sides.left && sides.right {
            conditions.extend(self.same_domain(&left.domain, &right.domain));
        }
        let mut condition = conjunction(conditions);
        if condition.is_none() && on.is_empty() && join.join_type != JoinType::Inner {
            condition = Some(datafusion::logical_expr::lit(true));
        }
        let plan = LogicalPlan::Join(Join::try_new(
            Arc::new(left.plan.clone()),
            Arc::new(right.plan.clone()),
            on,
            condition,
            join.join_type,
            JoinConstraint::On,
            join.null_equality,
            join.null_aware,
        )?);
        self.restore_columns(join, sides, &left, &right, plan)
    }

    fn sides(&self, join: &Join) -> Result<Sides> {
        let left = self.reads_domain(&free_refs(&join.left)?);
        let right = self.reads_domain(&free_refs_of_right(join)?);
        Ok(match join.join_type {
            // A condition that reads the outer query finds the domain on the left if no side has it anyway.
            JoinType::Inner if right && !left => Sides { left, right, keep: Keep::Right },
            JoinType::Inner => Sides { left: true, right, keep: Keep::Left },
            JoinType::Left | JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark => {
                Sides { left: true, right, keep: Keep::Left }
            }
            JoinType::Right | JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => {
                Sides { left, right: true, keep: Keep::Right }
            }
            JoinType::Full => Sides { left: true, right: true, keep: Keep::Either },
        })
    }

    fn push_side(&self, side: &LogicalPlan, with_domain: bool) -> Result<Pushed> {
        if with_domain { self.push(side) } else { Ok(Pushed { plan: side.clone(), domain: vec![] }) }
    }

    /// Puts the columns of the original join first, then the domain.
    fn restore_columns(
        &self,
        join: &Join,
        sides: Sides,
        left: &Pushed,
        right: &Pushed,
        plan: LogicalPlan,
    ) -> Result<Pushed> {
        let (n_left, n_right) = (left.n_original(), right.n_original());
        let left_width = n_left + left.domain.len();
        let right_width = n_right + right.domain.len();
        let positions = kept_positions(join.join_type, n_left..left_width, n_right..right_width);
        let mut exprs: Vec<Expr> = positions
            .into_iter()
            .enumerate()
            .map(|(idx, position)| named_like(Expr::Column(column_at(plan.schema(), position)), &join.schema, idx))
            .collect();
        let n_original = exprs.len();
        exprs.extend(match sides.keep {
            Keep::Left => as_exprs(&left.domain),
            Keep::Right => as_exprs(&right.domain),
            Keep::Either => self.either_domain(&left.domain, &right.domain),
        });
        let plan = project(exprs, plan)?;
        let domain = plan.schema().columns().split_off(n_original);
        Ok(Pushed { plan, domain })
    }

    /// After a full join the domain stands on the side that has a row, and is the same where both have one.
    fn either_domain(&self, left: &[Column], right: &[Column]) -> Vec<Expr> {
        let relation = self.ids.fresh("full");
        left.iter()
            .zip(right)
            .map(|(l, r)| {
                let value = coalesce(vec![Expr::Column(l.clone()), Expr::Column(r.clone())]);
                named(value, Some(&relation.as_str().into()), &l.name)
            })
            .collect()
    }
}
