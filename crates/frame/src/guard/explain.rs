//! EXPLAIN shows operators where the plan has guarded functions.
//!
//! A plan writes a function as `checked_add(a, b)`, whatever the name of the column it makes. The tree of a physical plan
//! is laid out by the width of such text, so while a statement is explained each node stands behind one that changes
//! nothing but its text; plans that come as lines are changed when they are there.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, RecordBatch, StringArray};
use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::stats::Statistics;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::execution::{SendableRecordBatchStream, SessionState, SessionStateBuilder, TaskContext};
use datafusion::physical_expr::{OrderingRequirements, PhysicalExpr};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::analyze::AnalyzeExec;
use datafusion::physical_plan::execution_plan::{CardinalityEffect, replace_children_if_necessary};
use datafusion::physical_plan::metrics::MetricsSet;
use datafusion::physical_plan::statistics::{ChildStats, StatisticsArgs};
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, InputDistributionRequirements, PlanProperties,
};

/// A state that plans EXPLAIN so that it shows operators. What it plans is for showing and running, not for sending.
pub(crate) fn explaining(state: SessionState) -> SessionState {
    SessionStateBuilder::new_from_existing(state).with_physical_optimizer_rule(Arc::new(ShowOperators)).build()
}

/// The rows of an EXPLAIN, with operators.
pub(crate) fn show_operators(batch: &RecordBatch) -> Result<RecordBatch> {
    let columns = batch.columns().iter().map(|column| match column.as_string_opt::<i32>() {
        Some(texts) => Arc::new(texts.iter().map(|text| text.map(with_operators)).collect::<StringArray>()) as ArrayRef,
        None => Arc::clone(column),
    });
    Ok(RecordBatch::try_new(batch.schema(), columns.collect())?)
}

/// Puts a [`Shown`] before every node, as the last rule.
#[derive(Debug)]
struct ShowOperators;

impl PhysicalOptimizerRule for ShowOperators {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        match plan.downcast_ref::<AnalyzeExec>() {
            // It draws its input when that has run.
            Some(analyze) => {
                let input = Shown::wrap(analyze.input());
                replace_children_if_necessary(plan, vec![input])
            }
            None => Ok(Shown::wrap(&plan)),
        }
    }

    fn name(&self) -> &str {
        "show_operators"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// A node whose text has operators. It runs as the node does, over the node's own inputs.
#[derive(Debug)]
struct Shown {
    node: Arc<dyn ExecutionPlan>,
    inputs: Vec<Arc<dyn ExecutionPlan>>,
}

impl Shown {
    fn wrap(node: &Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan> {
        let inputs = node.children().into_iter().map(Self::wrap).collect();
        Arc::new(Self { node: Arc::clone(node), inputs })
    }
}

impl DisplayAs for Shown {
    fn fmt_as(&self, format: DisplayFormatType, f: &mut fmt::Formatter) -> fmt::Result {
        struct Text<'a>(&'a dyn ExecutionPlan, DisplayFormatType);
        impl fmt::Display for Text<'_> {
            fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
                self.0.fmt_as(self.1, f)
            }
        }
        f.write_str(&with_operators(&Text(self.node.as_ref(), format).to_string()))
    }
}

impl ExecutionPlan for Shown {
    fn name(&self) -> &str {
        self.node.name()
    }

    fn downcast_delegate(&self) -> Option<&dyn ExecutionPlan> {
        Some(self.node.as_ref())
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.node.properties()
    }

    fn dynamic_expressions_produced(&self) -> Vec<Arc<dyn PhysicalExpr>> {
        self.node.dynamic_expressions_produced()
    }

    fn input_distribution_requirements(&self) -> InputDistributionRequirements {
        self.node.input_distribution_requirements()
    }

    fn required_input_ordering(&self) -> Vec<Option<OrderingRequirements>> {
        self.node.required_input_ordering()
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        self.node.maintains_input_order()
    }

    fn cardinality_effect(&self) -> CardinalityEffect {
        self.node.cardinality_effect()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        self.inputs.iter().collect()
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        self.node.apply_expressions(f)
    }

    fn with_new_children(self: Arc<Self>, inputs: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        let node = replace_children_if_necessary(Arc::clone(&self.node), inputs.clone())?;
        Ok(Arc::new(Self { node, inputs }))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        self.node.execute(partition, context)
    }

    fn metrics(&self) -> Option<MetricsSet> {
        self.node.metrics()
    }

    fn statistics_from_inputs(
        &self,
        input_stats: &[Arc<Statistics>],
        args: &StatisticsArgs,
    ) -> Result<Arc<Statistics>> {
        self.node.statistics_from_inputs(input_stats, args)
    }

    fn child_stats_requests(&self, partition: Option<usize>) -> Vec<ChildStats> {
        self.node.child_stats_requests(partition)
    }

    fn fetch(&self) -> Option<usize> {
        self.node.fetch()
    }
}

/// `text` with `(a + b)` where it has `checked_add(a, b)`.
pub(crate) fn with_operators(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, call)) = first_call(rest) {
        shown.push_str(before);
        let args: Vec<String> = call.args.iter().map(|arg| with_operators(arg)).collect();
        match args.as_slice() {
            [left, right] => shown.push_str(&format!("({left} {} {right})", call.symbol)),
            args => shown.push_str(&format!("({} {})", call.symbol, args.join(", "))),
        }
        rest = call.rest;
    }
    shown.push_str(rest);
    shown
}

/// A call of a guarded function in a text.
struct Call<'a> {
    symbol: &'static str,
    args: Vec<&'a str>,
    /// What comes behind it.
    rest: &'a str,
}

/// The first complete call in `text`, with the text before it.
fn first_call(text: &str) -> Option<(&str, Call<'_>)> {
    const CALLS: [(&str, &str); 4] =
        [("checked_add(", "+"), ("checked_subtract(", "-"), ("checked_multiply(", "*"), ("checked_negate(", "-")];
    let found = CALLS.iter().filter_map(|(name, symbol)| text.find(name).map(|at| (at, at + name.len(), *symbol)));
    let (start, inside, symbol) = found.min()?;
    let (args, rest) = split_arguments(&text[inside..])?;
    Some((&text[..start], Call { symbol, args, rest }))
}

/// The arguments up to the bracket that closes a call, and what comes behind it; none if no bracket does.
fn split_arguments(text: &str) -> Option<(Vec<&str>, &str)> {
    let (mut args, mut start, mut depth, mut in_text) = (Vec::new(), 0, 0_usize, false);
    for (at, character) in text.char_indices() {
        match character {
            '\'' => in_text = !in_text,
            _ if in_text => {}
            '(' | '[' | '{' => depth += 1,
            ')' if depth == 0 => {
                args.push(text[start..at].trim());
                return Some((args, &text[at + 1..]));
            }
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                args.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_become_operators() {
        for (text, shown) in [
            ("expr=[checked_add(a@0, b@1) as c]", "expr=[(a@0 + b@1) as c]"),
            (
                "checked_multiply(checked_negate(a@0), CASE WHEN x@1 = ', )' THEN checked_subtract(1, f(2, 3)) END), d",
                "((- a@0) * CASE WHEN x@1 = ', )' THEN (1 - f(2, 3)) END), d",
            ),
            ("checked_add(a@0, ...", "checked_add(a@0, ..."),
            ("nothing", "nothing"),
        ] {
            assert_eq!(with_operators(text), shown);
        }
    }
}
