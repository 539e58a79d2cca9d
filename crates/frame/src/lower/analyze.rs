//! `EXPLAIN ANALYZE`: running a plan, in the form in which it would run, and showing what its operators did.
//!
//! DataFusion shows a plan that runs in one piece. The operators of stages are gone when the last stage has run: their text
//! is written before, and what they counted is asked of their meters.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use datafusion::arrow::array::{RecordBatch, StringArray};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::format::{ExplainAnalyzeCategories, ExplainFormat};
use datafusion::error::Result;
use datafusion::execution::{SendableRecordBatchStream, SessionState, TaskContext};
use datafusion::logical_expr::{Analyze, LogicalPlan};
use datafusion::physical_plan::metrics::MetricsSet;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{ExecutionPlan, displayable};
use dolmen_graph::GraphBuilder;
use dolmen_storage::format_bytes;
use futures::{StreamExt, TryStreamExt, stream};

use super::explain::{Described, head};
use super::{
    ExecutorSource, Form, Lowered, built, form_of, held, lower, or_without_memory, pipeline, staged_again, start,
    start_graph, watch_of,
};
use crate::cancel;
use crate::progress::{Analyzed, Meter};

/// The rows of `EXPLAIN ANALYZE`.
pub(super) async fn run(
    state: &SessionState,
    analyze: &Analyze,
    source: Arc<ExecutorSource>,
) -> Result<SendableRecordBatchStream> {
    let mut state = state.clone();
    state.config_mut().set_extension(Arc::new(Analyzed));
    let analysis = Analysis { state, analyze: analyze.clone(), source };
    // The other formats are DataFusion's alone.
    let may_be_staged = form_of(&analysis.state) != Form::Pipelined && analyze.format == ExplainFormat::Indent;
    if may_be_staged {
        let mut builder = GraphBuilder::new();
        let (form, lowered) = lower(&analysis.state, &analyze.input, None, &mut builder).await?;
        if form == Form::Staged {
            return Ok(analysis.later(move |analysis| analysis.in_stages(builder, lowered, "")));
        }
    }
    let rows = analysis.in_one_piece().await?;
    // What writes somewhere does not run twice.
    if !may_be_staged || matches!(*analyze.input, LogicalPlan::Copy(_)) {
        return Ok(rows);
    }
    Ok(analysis.later(move |analysis| analysis.or_in_stages(rows)))
}

/// Above the stages of a query that was to run in one piece.
const AGAIN: &str = "It found no memory in one piece, and ran again in stages.";

struct Analysis {
    state: SessionState,
    analyze: Analyze,
    source: Arc<ExecutorSource>,
}

impl Analysis {
    /// The rows that `run` gives, when they are asked for.
    fn later<F>(self, run: impl FnOnce(Self) -> F + Send + 'static) -> SendableRecordBatchStream
    where
        F: Future<Output = Result<SendableRecordBatchStream>> + Send + 'static,
    {
        let schema = Arc::clone(self.analyze.schema.inner());
        let rows = stream::once(async move { run(self).await }).try_flatten();
        Box::pin(RecordBatchStreamAdapter::new(schema, rows))
    }

    async fn in_one_piece(&self) -> Result<SendableRecordBatchStream> {
        let plan = self.state.create_physical_plan(&LogicalPlan::Analyze(self.analyze.clone())).await?;
        let plan = held::count_held(plan)?;
        let mut builder = GraphBuilder::new();
        let lowered = pipeline::lower(&plan, &Arc::new(TaskContext::from(&self.state)), None, &mut builder)?;
        start(&self.state, &self.source, builder, lowered)
    }

    /// The rows of the plan in one piece, or of its stages if these come to nothing for want of memory.
    async fn or_in_stages(self, rows: SendableRecordBatchStream) -> Result<SendableRecordBatchStream> {
        let again = || async move {
            watch_of(&self.state).restart();
            let mut builder = GraphBuilder::new();
            let lowered = staged_again(&self.state, &self.analyze.input, &mut builder).await?;
            self.in_stages(builder, lowered, AGAIN).await
        };
        or_without_memory(rows, again).await
    }

    /// Runs the stages to their end; their operators as rows of text, below `note`.
    async fn in_stages(
        self,
        builder: GraphBuilder,
        lowered: Lowered,
        note: &'static str,
    ) -> Result<SendableRecordBatchStream> {
        let begun = Instant::now();
        let graph = Arc::new(built(builder)?);
        let stages = lowered.stages.iter();
        let stages = stages.map(|described| (head(&graph, described.stage), operators(described)));
        let stages: Vec<_> = stages.collect();
        let mut rows = start_graph(&self.state, &self.source, graph, lowered)?;
        let mut n_rows = 0;
        while let Some(batch) = rows.next().await {
            n_rows += batch?.num_rows();
        }
        drop(rows);
        let mut shown = vec![("Plan with Metrics", self.text(note, &stages, true))];
        if self.analyze.verbose {
            shown.push(("Plan with Full Metrics", self.text(note, &stages, false)));
            shown.push(("Output Rows", n_rows.to_string()));
            shown.push(("Duration", format!("{:?}", begun.elapsed())));
        }
        one_batch(self.analyze.schema.inner(), &shown)
    }

    fn text(&self, note: &str, stages: &[(String, Vec<Operator>)], is_aggregated: bool) -> String {
        let mut text = String::new();
        if !note.is_empty() {
            let _ = writeln!(text, "{note}");
        }
        for (head, operators) in stages {
            let _ = writeln!(text, "{head}");
            for Operator { depth, line, meter } in operators {
                let _ = write!(text, "{:indent$}{line}", "", indent = 2 * (depth + 1));
                if let Some(metrics) = meter.as_ref().and_then(|meter| meter.metrics()) {
                    let _ = write!(text, ", metrics=[{}]", self.wanted(metrics, is_aggregated));
                }
                text.push('\n');
            }
        }
        let on_disk = watch_of(&self.state).between_stages().load(Ordering::Relaxed);
        let _ = write!(text, "Rows between stages: {} on disk", format_bytes(on_disk));
        text
    }

    /// The metrics that the statement or the session asks for, as DataFusion shows them.
    fn wanted(&self, metrics: MetricsSet, is_aggregated: bool) -> MetricsSet {
        let explain = &self.state.config_options().explain;
        let level = self.analyze.analyze_level.unwrap_or(explain.analyze_level);
        let mut metrics = metrics.filter_by_metric_types(&level.included_types());
        if is_aggregated {
            metrics = metrics.aggregate_by_name().sorted_for_display().timestamps_removed();
        }
        match self.analyze.analyze_categories.as_ref().unwrap_or(&explain.analyze_categories) {
            ExplainAnalyzeCategories::All => metrics,
            ExplainAnalyzeCategories::Only(categories) => metrics.filter_by_categories(categories),
        }
    }
}

/// An operator as it is shown, without holding it.
struct Operator {
    depth: usize,
    line: String,
    /// `None` for what stands in the place of another stage.
    meter: Option<Arc<Meter>>,
}

/// The operators of a stage; those of a join that it may do as well have counted nothing if it did not do it.
fn operators(described: &Described) -> Vec<Operator> {
    fn add(plan: &Arc<dyn ExecutionPlan>, depth: usize, shown: &mut Vec<*const ()>, all: &mut Vec<Operator>) {
        let line = displayable(plan.as_ref()).one_line().to_string().trim_end().to_owned();
        all.push(Operator { depth, line, meter: cancel::meter_of(plan.as_ref()) });
        // Rows that are joined are those that stand above already.
        let operator = Arc::as_ptr(plan).cast();
        if !shown.contains(&operator) {
            shown.push(operator);
            plan.children().into_iter().for_each(|child| add(child, depth + 1, shown, all));
        }
    }
    let (mut shown, mut all) = (Vec::new(), Vec::new());
    for plan in described.all_plans() {
        add(plan, 0, &mut shown, &mut all);
    }
    all
}

fn one_batch(schema: &SchemaRef, shown: &[(&str, String)]) -> Result<SendableRecordBatchStream> {
    let kinds = StringArray::from_iter_values(shown.iter().map(|(kind, _)| kind));
    let plans = StringArray::from_iter_values(shown.iter().map(|(_, plan)| plan));
    let batch = RecordBatch::try_new(Arc::clone(schema), vec![Arc::new(kinds), Arc::new(plans)])?;
    Ok(Box::pin(RecordBatchStreamAdapter::new(Arc::clone(schema), stream::iter([Ok(batch)]))))
}
