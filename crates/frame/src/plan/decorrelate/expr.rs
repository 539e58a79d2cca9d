//! Finding the subqueries in the expressions of a node, and replacing those that DataFusion would refuse.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion, TreeNodeRewriter};
use datafusion::logical_expr::expr::{Exists, InSubquery, SetComparison, SetQuantifier};
use datafusion::logical_expr::{BinaryExpr, Expr, LogicalPlan, Operator, Subquery, not};

use super::attach::{Attach, nullable_scalar, quantified};
use super::node::Rewrite;
use super::references::{free_refs, subquery_of};
use super::stock::{Place, handles_exists, handles_in, handles_scalar};

/// The expressions of one node with their subqueries replaced by columns of `plan`.
#[derive(Debug)]
pub(super) struct Rewritten {
    pub(super) exprs: Vec<Expr>,
    /// The input of the node; its own columns come first.
    pub(super) plan: LogicalPlan,
}

impl Rewrite {
    /// Rewrites the subqueries of `exprs`, expressions over `input`; `None` if none of them had to be.
    pub(super) fn exprs(&self, exprs: &[Expr], input: &LogicalPlan, place: Place) -> Result<Option<Rewritten>> {
        let mut walk =
            Walk { rewrite: self, attach: Attach::new(input.clone(), &self.ids), places: vec![place], changed: false };
        let exprs = exprs.iter().map(|e| e.clone().rewrite(&mut walk).map(|t| t.data)).collect::<Result<Vec<_>>>()?;
        Ok(walk.changed.then_some(Rewritten { exprs, plan: walk.attach.plan }))
    }
}

/// A walk over an expression that knows at every node where it stands.
struct Walk<'a> {
    rewrite: &'a Rewrite,
    attach: Attach<'a>,
    /// The places of the nodes on the way from the root, and of the children of the last one.
    places: Vec<Place>,
    changed: bool,
}

impl TreeNodeRewriter for Walk<'_> {
    type Node = Expr;

    fn f_down(&mut self, expr: Expr) -> Result<Transformed<Expr>> {
        let place = self.places.last().copied().unwrap_or(Place::Elsewhere);
        self.places.push(match &expr {
            Expr::BinaryExpr(BinaryExpr { op: Operator::And, .. })
                if matches!(place, Place::Conjunct | Place::Monotone) =>
            {
                place
            }
            Expr::BinaryExpr(BinaryExpr { op: Operator::Or, .. })
                if matches!(place, Place::Conjunct | Place::Monotone) =>
            {
                Place::Monotone
            }
            _ => place.operand(),
        });
        Ok(match expr {
            // A conjunct NOT (x IN ...) is the same as x NOT IN ..., which has a join of its own.
            Expr::Not(inner) if place == Place::Conjunct => match *inner {
                Expr::InSubquery(e) => Transformed::yes(Expr::InSubquery(InSubquery { negated: !e.negated, ..e })),
                Expr::Exists(e) => Transformed::yes(Expr::Exists(Exists { negated: !e.negated, ..e })),
                other => Transformed::no(Expr::Not(Box::new(other))),
            },
            other => Transformed::no(other),
        })
    }

    fn f_up(&mut self, expr: Expr) -> Result<Transformed<Expr>> {
        self.places.pop();
        if subquery_of(&expr).is_none() {
            return Ok(Transformed::no(expr));
        }
        let place = self.places.last().copied().unwrap_or(Place::Elsewhere);
        let expr = self.replace(expr, place)?;
        Ok(Transformed::new(expr, true, TreeNodeRecursion::Continue))
    }
}

impl Walk<'_> {
    fn replace(&mut self, expr: Expr, place: Place) -> Result<Expr> {
        match expr {
            Expr::ScalarSubquery(subquery) => {
                let subquery = self.inner(subquery)?;
                if free_refs(&subquery.subquery)?.is_empty() {
                    return self.uncorrelated_scalar(subquery);
                }
                let expr = Expr::ScalarSubquery(subquery.clone());
                if handles_scalar(&expr, &subquery, &self.attach.plan, place)? {
                    return Ok(expr);
                }
                self.changed = true;
                self.attach.scalar(&subquery.subquery)
            }
            Expr::Exists(Exists { subquery, negated }) => {
                let subquery = self.inner(subquery)?;
                let expr = Expr::Exists(Exists { subquery: subquery.clone(), negated });
                if handles_exists(&expr, &subquery, &self.attach.plan, place)? {
                    return Ok(expr);
                }
                self.changed = true;
                let found = self.attach.exists(&subquery.subquery)?;
                Ok(if negated { not(found) } else { found })
            }
            Expr::InSubquery(InSubquery { expr, subquery, negated }) => {
                let subquery = self.inner(subquery)?;
                self.replace_in(InSubquery { expr, subquery, negated }, place)
            }
            Expr::SetComparison(comparison) => {
                let subquery = self.inner(comparison.subquery)?;
                self.replace_set_comparison(SetComparison { subquery, ..comparison }, place)
            }
            other => Ok(other),
        }
    }

    fn uncorrelated_scalar(&mut self, subquery: Subquery) -> Result<Expr> {
        Ok(Expr::ScalarSubquery(match nullable_scalar(&subquery.subquery)? {
            Some(plan) => {
                self.changed = true;
                Subquery { subquery: Arc::new(plan), ..subquery }
            }
            None => subquery,
        }))
    }

    fn replace_in(&mut self, expr: InSubquery, place: Place) -> Result<Expr> {
        if handles_in(&expr, &self.attach.plan, place)? {
            return Ok(Expr::InSubquery(expr));
        }
        self.changed = true;
        let InSubquery { expr: needle, subquery, negated } = expr;
        self.attach.include(&needle);
        if !negated && matches!(place, Place::Conjunct | Place::Monotone) {
            return self.attach.is_in(&needle, &subquery.subquery);
        }
        let found = self.attach.is_in_or_unknown(&needle, &subquery.subquery)?;
        Ok(if negated { not(found) } else { found })
    }

    fn replace_set_comparison(&mut self, comparison: SetComparison, place: Place) -> Result<Expr> {
        let all = match (&comparison.quantifier, comparison.op) {
            (SetQuantifier::Any, Operator::Eq) => {
                self.changed = true;
                return self.replace_in(InSubquery::new(comparison.expr, comparison.subquery, false), place);
            }
            (SetQuantifier::All, Operator::NotEq) => {
                self.changed = true;
                return self.replace_in(InSubquery::new(comparison.expr, comparison.subquery, true), place);
            }
            (SetQuantifier::Any, _) => false,
            (SetQuantifier::All, _) => true,
        };
        let (needle, plan) = (comparison.expr.as_ref(), comparison.subquery.subquery.as_ref());
        let input = self.attach.plan.clone();
        let mut left_to_stock = true;
        quantified(needle, comparison.op, all, plan, input.schema(), |restricted| {
            let subquery = subquery_of_plan(restricted);
            let exists = Expr::Exists(Exists { subquery: subquery.clone(), negated: false });
            left_to_stock &= handles_exists(&exists, &subquery, &input, place.operand())?;
            Ok(exists)
        })?;
        if left_to_stock {
            return Ok(Expr::SetComparison(comparison));
        }
        self.changed = true;
        self.attach.include(needle);
        let outer = input.schema();
        let attach = &mut self.attach;
        quantified(needle, comparison.op, all, plan, outer, |restricted| attach.exists(restricted))
    }

    /// The subquery with its own subqueries rewritten.
    fn inner(&mut self, subquery: Subquery) -> Result<Subquery> {
        let rewritten = self.rewrite.subquery_plan(subquery.subquery.as_ref().clone())?;
        if !rewritten.transformed {
            return Ok(subquery);
        }
        self.changed = true;
        Ok(Subquery { spans: subquery.spans, ..subquery_of_plan(&rewritten.data) })
    }
}

fn subquery_of_plan(plan: &LogicalPlan) -> Subquery {
    Subquery {
        outer_ref_columns: plan.all_out_ref_exprs(),
        subquery: Arc::new(plan.clone()),
        spans: datafusion::common::Spans::new(),
    }
}
