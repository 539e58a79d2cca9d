//! Window functions: DataFusion's encoding forgets which ignore NULLs, run backwards, or take some rows only.

use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::error::Result;
use datafusion::logical_expr::ReversedUDWF;
use datafusion::physical_expr::expressions::PhysicalSortExpr;
use datafusion::physical_expr::window::{PlainAggregateWindowExpr, SlidingAggregateWindowExpr, WindowExpr};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::windows::{
    BoundedWindowAggExec, StandardWindowExpr, WindowAggExec, WindowUDFExpr, create_udwf_window_expr,
};
use serde::{Deserialize, Serialize};

use super::{NotPortable, wire};

/// What DataFusion's encoding of window functions leaves out, function by function.
#[derive(Serialize, Deserialize)]
pub(super) struct Beside(Vec<Flags>);

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Flags {
    ignores_nulls: bool,
    is_reversed: bool,
}

/// The functions of a node, if it has window functions.
pub(super) fn of_node(plan: &dyn ExecutionPlan) -> Option<&[Arc<dyn WindowExpr>]> {
    match plan.downcast_ref::<WindowAggExec>() {
        Some(node) => Some(node.window_expr()),
        None => plan.downcast_ref::<BoundedWindowAggExec>().map(|node| node.window_expr()),
    }
}

fn function(expr: &Arc<dyn WindowExpr>) -> Option<&WindowUDFExpr> {
    expr.as_any().downcast_ref::<StandardWindowExpr>()?.get_standard_func_expr().as_any().downcast_ref()
}

impl Flags {
    /// They are private, but shown.
    fn of(function: &WindowUDFExpr) -> Self {
        let text = format!("{function:?}");
        Self {
            ignores_nulls: text.ends_with("ignore_nulls: true }"),
            is_reversed: text.contains("is_reversed: true, ignore_nulls: "),
        }
    }
}

impl Beside {
    pub(super) fn of(plan: &Arc<dyn ExecutionPlan>) -> Result<Self> {
        let exprs = of_node(plan.as_ref()).unwrap_or_default();
        for expr in exprs {
            let any = expr.as_any();
            let is_aggregate = any.is::<PlainAggregateWindowExpr>() || any.is::<SlidingAggregateWindowExpr>();
            // Which rows it takes is private, and not shown in a form that could be read.
            if is_aggregate && !format!("{expr:?}").ends_with("filter: None }") {
                return Err(NotPortable::NoEncoding { what: "FILTER of a window function".to_owned() }.into());
            }
        }
        let none = Flags { ignores_nulls: false, is_reversed: false };
        Ok(Self(exprs.iter().map(|expr| function(expr).map_or(none, Flags::of)).collect()))
    }

    /// The node that was encoded, of what DataFusion's encoding made of it.
    pub(super) fn put_to(&self, plan: &Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
        let exprs = of_node(plan.as_ref()).ok_or_else(|| wire::missing("window functions"))?;
        if exprs.iter().zip(&self.0).all(|(expr, flags)| function(expr).is_none_or(|found| Flags::of(found) == *flags))
        {
            return Ok(Arc::clone(plan));
        }
        let input = plan.children().first().map(|input| Arc::clone(input)).ok_or_else(|| wire::missing("an input"))?;
        let schema = input.schema();
        let exprs =
            exprs.iter().zip(&self.0).map(|(expr, flags)| flags.put_to(expr, &schema)).collect::<Result<_>>()?;
        Ok(match plan.downcast_ref::<BoundedWindowAggExec>() {
            Some(node) => {
                let divides = !node.partition_keys().is_empty();
                Arc::new(BoundedWindowAggExec::try_new(exprs, input, node.input_order_mode.clone(), divides)?)
            }
            None => {
                let divides =
                    plan.downcast_ref::<WindowAggExec>().is_some_and(|node| !node.partition_keys().is_empty());
                Arc::new(WindowAggExec::try_new(exprs, input, divides)?)
            }
        })
    }
}

impl Flags {
    fn put_to(self, expr: &Arc<dyn WindowExpr>, schema: &SchemaRef) -> Result<Arc<dyn WindowExpr>> {
        let Some(found) = function(expr) else { return Ok(Arc::clone(expr)) };
        let (mut called, name) = (Arc::clone(found.fun()), expr.name().to_owned());
        // The one that runs backwards is made of the one that does not.
        if self.is_reversed
            && let ReversedUDWF::Reversed(forwards) = called.reverse_expr()
        {
            called = forwards;
        }
        let mut made = create_udwf_window_expr(&called, found.args(), schema, name, self.ignores_nulls)?;
        if self.is_reversed {
            made = made.reverse_expr().ok_or_else(|| wire::missing("a function that runs backwards"))?;
        }
        let order: &[PhysicalSortExpr] = expr.order_by();
        let frame = Arc::clone(expr.get_window_frame());
        Ok(Arc::new(StandardWindowExpr::new(made, expr.partition_by(), order, frame)))
    }
}

/// Whether the functions of two nodes do the same.
pub(super) fn are_same(before: &[Arc<dyn WindowExpr>], after: &[Arc<dyn WindowExpr>]) -> bool {
    let text = |expr: &Arc<dyn WindowExpr>| {
        let any = expr.as_any();
        let plain = any.downcast_ref::<PlainAggregateWindowExpr>().map(|expr| expr.get_aggregate_expr());
        let sliding = any.downcast_ref::<SlidingAggregateWindowExpr>().map(|expr| expr.get_aggregate_expr());
        match (function(expr), plain.or(sliding)) {
            (Some(function), _) => {
                let Flags { ignores_nulls, is_reversed } = Flags::of(function);
                format!("{} {ignores_nulls} {is_reversed} {:?}", function.fun().name(), function.args())
            }
            (None, Some(called)) => format!(
                "{} {} {} {} {:?}",
                called.fun().name(),
                called.is_distinct(),
                called.ignore_nulls(),
                called.is_reversed(),
                called.expressions()
            ),
            (None, None) => String::new(),
        }
    };
    before.len() == after.len() && before.iter().zip(after).all(|(before, after)| text(before) == text(after))
}
