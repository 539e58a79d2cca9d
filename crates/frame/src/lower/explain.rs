//! `EXPLAIN TASKS`: the stages that a plan becomes, without running them.

use std::fmt::Write;
use std::sync::Arc;

use datafusion::arrow::datatypes::Schema;
use datafusion::error::Result;
use datafusion::execution::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::statistics::{StatisticsArgs, StatisticsContext};
use datafusion::physical_plan::{ExecutionPlan, displayable};
use dolmen_graph::{GraphBuilder, StageId, TaskGraph, Wiring};
use dolmen_storage::format_bytes;

use super::{ExecutorSource, built, lower};

/// A stage as a reader sees it.
pub(super) struct Described {
    pub(super) stage: StageId,
    /// Everything that its tasks run; several plans if they do different things.
    pub(super) plans: Vec<Arc<dyn ExecutionPlan>>,
    /// The plan whose rows all its tasks make, with everything below; `None` if they make none.
    pub(super) whole: Option<Arc<dyn ExecutionPlan>>,
    /// What its tasks run instead if the rows of another stage are few, and which that is.
    pub(super) if_small: Option<(Arc<str>, Arc<dyn ExecutionPlan>)>,
}

impl Described {
    /// Everything that its tasks may run.
    pub(super) fn all_plans(&self) -> impl Iterator<Item = &Arc<dyn ExecutionPlan>> {
        self.plans.iter().chain(self.if_small.iter().map(|(_, plan)| plan))
    }
}

/// The stages of `plan` as text.
pub(crate) async fn explain_tasks(state: &SessionState, plan: &LogicalPlan) -> Result<String> {
    let source = state.config().get_extension::<ExecutorSource>();
    if source.is_none() {
        return Ok("one task: whoever reads the rows".to_owned());
    }
    let mut builder = GraphBuilder::new();
    let (_, lowered) = lower(state, plan, None, &mut builder).await?;
    let graph = built(builder)?;
    let mut text = String::new();
    // The stages that a source has added have no plan.
    for (stage, _) in graph.stages().filter(|(_, stage)| stage.n_active() > 0) {
        match lowered.stages.iter().find(|described| described.stage == stage) {
            Some(described) => describe(&mut text, &graph, described),
            None => text.extend([head(&graph, stage).as_str(), "\n"]),
        }
    }
    Ok(text.trim_end().to_owned())
}

fn describe(text: &mut String, graph: &TaskGraph, described: &Described) {
    text.push_str(&head(graph, described.stage));
    let whole = described.whole.as_ref();
    if let Some(bytes) = whole.and_then(|whole| estimated_bytes(whole.as_ref(), &StatisticsContext::new())) {
        let _ = write!(text, ", makes about {}", format_bytes(bytes as u64));
    }
    text.push('\n');
    let show = |text: &mut String, plan: &Arc<dyn ExecutionPlan>| {
        for line in displayable(plan.as_ref()).indent(false).to_string().lines() {
            let _ = writeln!(text, "  {line}");
        }
    };
    described.plans.iter().for_each(|plan| show(text, plan));
    if let Some((small, plan)) = &described.if_small {
        let _ = writeln!(text, "  if {small} turns out to be small, instead:");
        show(text, plan);
    }
}

/// A stage in one line: its key, its tasks, and the stages that it reads.
pub(super) fn head(graph: &TaskGraph, stage: StageId) -> String {
    let stage = graph.stage(stage);
    let n = stage.n_tasks;
    let noun = if n == 1 { "task" } else { "tasks" };
    let together = if n > 1 && stage.options.is_gang { " together" } else { "" };
    let inputs = stage.inputs.iter().map(|input| {
        let wiring = match &input.wiring {
            Wiring::Exchange(kind) => format!("{kind:?} exchange").to_lowercase(),
            Wiring::All => "all".to_owned(),
            wiring => format!("{wiring:?}").to_lowercase(),
        };
        format!("{} ({wiring})", graph.stage(input.stage).key)
    });
    let inputs: Vec<String> = inputs.collect();
    let reads = if inputs.is_empty() { String::new() } else { format!(", reads {}", inputs.join(", ")) };
    format!("{}: {n} {noun}{together}{reads}", stage.key)
}

/// The bytes of a plan's rows in memory by its statistics. Sizes in files say little: what repeats takes little room there.
pub(super) fn estimated_bytes(plan: &dyn ExecutionPlan, context: &StatisticsContext) -> Option<usize> {
    let statistics = context.compute(plan, &StatisticsArgs::new()).ok()?;
    let by_rows = statistics.num_rows.get_value().map(|rows| rows.saturating_mul(row_bytes(&plan.schema())));
    let by_bytes = statistics.total_byte_size.get_value().copied();
    by_rows.max(by_bytes)
}

/// Bytes of a text or another value of any length, where nothing is known of it.
const VALUE_BYTES: usize = 48;

fn row_bytes(schema: &Schema) -> usize {
    schema.fields().iter().map(|field| field.data_type().primitive_width().unwrap_or(VALUE_BYTES)).sum()
}

/// What a stage does, in one word: the operator that its rows come from.
pub(super) fn stage_name(plan: &dyn ExecutionPlan) -> String {
    let mut node = plan;
    // What only changes columns, or the size of batches, says little.
    while ["ProjectionExec", "CooperativeExec", "FilterExec"].contains(&node.name()) {
        let Some(child) = node.children().first().copied() else { break };
        node = child.as_ref();
    }
    let name = node.name().trim_end_matches("Exec");
    let word = match name {
        "DataSource" => "scan",
        name if name.ends_with("Join") => "join",
        name if name.contains("Window") => "window",
        name => name,
    };
    word.to_lowercase()
}
