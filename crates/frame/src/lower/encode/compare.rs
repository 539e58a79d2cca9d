//! Whether two plans are one: the original, and what its bytes became.

use std::sync::Arc;

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::Result;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{BinaryExpr, CastExpr, Literal};
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::{DisplayFormatType, ExecutionPlan};

use super::{NotPortable, exprs, windows};
use crate::cancel;

/// Refuses a plan that came out of its bytes as another.
pub(super) fn plans(plan: &Arc<dyn ExecutionPlan>, decoded: &Arc<dyn ExecutionPlan>) -> Result<()> {
    let (plan, decoded) = (bare(plan.as_ref()), bare(decoded.as_ref()));
    if let Some(difference) = node_difference(plan, decoded)? {
        return Err(NotPortable::Changed { operator: plan.name().to_owned(), difference }.into());
    }
    for (child, decoded) in plan.children().into_iter().zip(decoded.children()) {
        plans(child, decoded)?;
    }
    Ok(())
}

/// The operator itself, without what stops or shows it.
fn bare(mut plan: &dyn ExecutionPlan) -> &dyn ExecutionPlan {
    while let Some(inner) = plan.downcast_delegate() {
        plan = inner;
    }
    plan
}

fn node_difference(plan: &dyn ExecutionPlan, decoded: &dyn ExecutionPlan) -> Result<Option<String>> {
    let what = |plan: &dyn ExecutionPlan| {
        let properties = plan.properties();
        [
            ("name", plan.name().to_owned()),
            ("schema", format!("{:?}", plan.schema())),
            ("number of inputs", plan.children().len().to_string()),
            ("partitioning", properties.output_partitioning().to_string()),
            ("order", properties.output_ordering().map(ToString::to_string).unwrap_or_default()),
            ("limit", format!("{:?}", plan.fetch())),
            ("text", shown(plan)),
        ]
    };
    for ((name, before), (_, after)) in what(plan).into_iter().zip(what(decoded)) {
        if before != after {
            let difference = format!("{name}: {} became {}", super::shortened(&before), super::shortened(&after));
            return Ok(Some(difference));
        }
    }
    if let (Some(before), Some(after)) = (windows::of_node(plan), windows::of_node(decoded))
        && !windows::are_same(before, after)
    {
        return Ok(Some("window function".to_owned()));
    }
    if aggregates(plan) != aggregates(decoded) {
        return Ok(Some("aggregate function".to_owned()));
    }
    let (before, after) = (expressions(plan)?, expressions(decoded)?);
    if before.len() != after.len() {
        return Ok(Some("number of expressions".to_owned()));
    }
    let changed = before.iter().zip(&after).find(|(before, after)| !is_same(before, after));
    Ok(changed.map(|(before, _)| format!("meaning of {}", super::shortened(&before.to_string()))))
}

/// What the text of a node leaves out of its aggregates.
fn aggregates(plan: &dyn ExecutionPlan) -> Vec<String> {
    let Some(node) = plan.downcast_ref::<AggregateExec>() else { return Vec::new() };
    let calls = node.aggr_expr().iter().map(|call| {
        let arguments: Vec<String> = call.expressions().iter().map(ToString::to_string).collect();
        let order: Vec<String> = call.order_bys().iter().map(ToString::to_string).collect();
        let flags = (call.is_distinct(), call.ignore_nulls(), call.is_reversed());
        format!("{} {arguments:?} {order:?} {flags:?}", call.fun().name())
    });
    let filters = node.filter_expr().iter().map(|filter| filter.as_ref().map(ToString::to_string).unwrap_or_default());
    calls.chain(filters).collect()
}

/// What the plan shows of a node, without hints to readers that do not change what is read.
fn shown(plan: &dyn ExecutionPlan) -> String {
    struct Text<'a>(&'a dyn ExecutionPlan);
    impl std::fmt::Display for Text<'_> {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            self.0.fmt_as(DisplayFormatType::Default, f)
        }
    }
    let mut text = Text(plan).to_string();
    for hint in [", sort_order_for_reorder=[", ", reverse_row_groups="] {
        if let Some(start) = text.find(hint) {
            let length = text[start + 2..].find(", ").map_or(text.len() - start, |end| end + 2);
            text.replace_range(start..start + length, "");
        }
    }
    // A table in memory tells how many rows it gives at most, the rows themselves do not.
    match text.rfind(", fetch=") {
        Some(start) if text.starts_with("DataSourceExec: partitions=") => text[..start].to_owned(),
        _ => text,
    }
}

fn expressions(plan: &dyn ExecutionPlan) -> Result<Vec<Arc<dyn PhysicalExpr>>> {
    let mut found = Vec::new();
    plan.apply_expressions(&mut |expr| {
        found.push(Arc::clone(expr));
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(found)
}

fn is_same(before: &Arc<dyn PhysicalExpr>, after: &Arc<dyn PhysicalExpr>) -> bool {
    let before = cancel::without_checkpoint(before).unwrap_or(before);
    before.to_string() == after.to_string() && has_same_meaning(before, after)
}

/// Whether what the text of expressions leaves out is the same.
fn has_same_meaning(before: &Arc<dyn PhysicalExpr>, after: &Arc<dyn PhysicalExpr>) -> bool {
    let before = cancel::without_checkpoint(before).unwrap_or(before);
    let (inputs, decoded_inputs) = (before.children(), after.children());
    let is_own = if let Some(binary) = before.downcast_ref::<BinaryExpr>() {
        after.downcast_ref::<BinaryExpr>().is_some_and(|after| {
            after.op() == binary.op() && exprs::fails_on_overflow(binary) == exprs::fails_on_overflow(after)
        })
    } else if let Some(cast) = before.downcast_ref::<CastExpr>() {
        after.downcast_ref::<CastExpr>().is_some_and(|after| {
            (after.cast_type(), after.cast_options()) == (cast.cast_type(), cast.cast_options())
                && (after.target_metadata(), after.target_nullable())
                    == (cast.target_metadata(), cast.target_nullable())
        })
    } else if let Some(literal) = before.downcast_ref::<Literal>() {
        after.downcast_ref::<Literal>().is_some_and(|after| after.value() == literal.value())
    } else {
        true
    };
    is_own
        && inputs.len() == decoded_inputs.len()
        && inputs.into_iter().zip(decoded_inputs).all(|(before, after)| has_same_meaning(before, after))
}
