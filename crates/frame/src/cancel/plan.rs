use std::any::Any;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::Session;
use datafusion::common::Statistics;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::Result;
use datafusion::execution::context::QueryPlanner;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::execution::{RecordBatchStream, SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_expr::{OrderingRequirements, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{
    CardinalityEffect, ChildrenPropertiesMode, InvariantLevel, ReplaceChildrenOptions,
};
use datafusion::physical_plan::joins::utils::JoinFilter;
use datafusion::physical_plan::joins::{HashJoinExec, NestedLoopJoinExec, NestedLoopJoinExecBuilder};
use datafusion::physical_plan::metrics::MetricsSet;
use datafusion::physical_plan::recursive_query::RecursiveQueryExec;
use datafusion::physical_plan::{
    ChildStats, DisplayAs, DisplayFormatType, ExecutionPlan, InputDistributionRequirements, PlanProperties,
    StatisticsArgs,
};
use datafusion::physical_planner::{DefaultPhysicalPlanner, PhysicalPlanner};
use futures::{Stream, StreamExt};

use super::Cancellation;
use super::checkpoint::Checkpoint;
use crate::progress::{Analyzed, Meter};

/// Lets every plan of the session be stopped by the [`Cancellation`] among the extensions of its state's configuration.
pub(crate) fn install(state: SessionStateBuilder) -> SessionStateBuilder {
    state.with_query_planner(Arc::new(StoppablePlanner))
}

#[derive(Debug)]
struct StoppablePlanner;

#[async_trait]
impl QueryPlanner for StoppablePlanner {
    async fn create_physical_plan(&self, plan: &LogicalPlan, session: &dyn Session) -> Result<Arc<dyn ExecutionPlan>> {
        let plan = DefaultPhysicalPlanner::default().create_physical_plan(plan, session).await?;
        let is_analyzed = session.config().get_extension::<Analyzed>().is_some();
        match session.config().get_extension::<Cancellation>() {
            Some(cancellation) => stoppable(&plan, &cancellation, is_analyzed),
            None => Ok(plan),
        }
    }
}

/// `plan`, stopped by the [`Cancellation`] of `context`, if that has one.
pub(crate) fn stoppable_in(plan: Arc<dyn ExecutionPlan>, context: &TaskContext) -> Result<Arc<dyn ExecutionPlan>> {
    match context.session_config().get_extension::<Cancellation>() {
        Some(cancellation) => stoppable(&plan, &cancellation, false),
        None => Ok(plan),
    }
}

/// `plan` with every operator stopped by `cancellation`.
pub(crate) fn stoppable(
    plan: &Arc<dyn ExecutionPlan>,
    cancellation: &Cancellation,
    is_analyzed: bool,
) -> Result<Arc<dyn ExecutionPlan>> {
    let children = plan.children().into_iter().map(|child| stoppable(child, cancellation, is_analyzed));
    let children = children.collect::<Result<Vec<_>>>()?;
    let mut inner = Arc::clone(plan);
    if !children.is_empty() {
        inner = inner.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Keep))?;
    }
    if let Some(join) = with_checkpoint(&inner, cancellation)? {
        inner = join;
    }
    let meter = Arc::new(Meter::new(inner.as_ref(), is_analyzed));
    Ok(Arc::new(StoppableExec::new(inner, cancellation, meter)))
}

/// Has the meters of a plan look at its operators, and gives them. Nobody knows how often what recurs is run.
pub(crate) fn watch(plan: &Arc<dyn ExecutionPlan>) -> Vec<Arc<Meter>> {
    fn add(plan: &Arc<dyn ExecutionPlan>, recurs: bool, meters: &mut Vec<Arc<Meter>>) {
        if let Some(operator) = stoppable_of(plan.as_ref()) {
            operator.meter.watch(&operator.inner, recurs);
            meters.push(Arc::clone(&operator.meter));
        }
        let recurs = recurs || plan.is::<RecursiveQueryExec>();
        for child in plan.children() {
            add(child, recurs, meters);
        }
    }
    let mut meters = Vec::new();
    add(plan, false, &mut meters);
    meters
}

/// The meter of one operator; `None` for what was put into a plan later.
pub(crate) fn meter_of(plan: &dyn ExecutionPlan) -> Option<Arc<Meter>> {
    stoppable_of(plan).map(|operator| Arc::clone(&operator.meter))
}

/// `inner` in the place of `plan`, stopped as that is.
pub(crate) fn in_place_of(plan: &dyn ExecutionPlan, inner: Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan> {
    match stoppable_of(plan) {
        Some(operator) => {
            let meter = Arc::new(operator.meter.of_other(inner.as_ref()));
            Arc::new(StoppableExec::new(inner, &operator.cancellation, meter))
        }
        None => inner,
    }
}

/// The operator, counted apart from the one that it was made of.
pub(crate) fn with_own_meter(plan: Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan> {
    match stoppable_of(plan.as_ref()) {
        Some(operator) => in_place_of(plan.as_ref(), Arc::clone(&operator.inner)),
        None => plan,
    }
}

fn stoppable_of(plan: &dyn ExecutionPlan) -> Option<&StoppableExec> {
    (plan as &dyn Any).downcast_ref()
}

/// A join that compares rows for as long as none match, with a checkpoint in its filter.
fn with_checkpoint(
    plan: &Arc<dyn ExecutionPlan>,
    cancellation: &Cancellation,
) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let checked = |filter: &JoinFilter| {
        let expr = Checkpoint { inner: Arc::clone(filter.expression()), cancellation: cancellation.clone() };
        Some(JoinFilter::new(Arc::new(expr), filter.column_indices().to_vec(), Arc::clone(filter.schema())))
    };
    if let Some(join) = plan.downcast_ref::<NestedLoopJoinExec>()
        && let Some(filter) = join.filter()
    {
        let join = NestedLoopJoinExecBuilder::from(join).with_filter(checked(filter)).build()?;
        return Ok(Some(Arc::new(join)));
    }
    if let Some(join) = plan.downcast_ref::<HashJoinExec>()
        && let Some(filter) = join.filter()
    {
        return join.builder().with_filter(checked(filter)).build_exec().map(Some);
    }
    Ok(None)
}

/// An operator whose stream ends when its statement is cancelled, and whose work is counted. In every other way it is the
/// operator itself.
#[derive(Debug)]
struct StoppableExec {
    inner: Arc<dyn ExecutionPlan>,
    cancellation: Cancellation,
    meter: Arc<Meter>,
    /// The context in which its partitions run, if that is another than the plan's.
    metered: OnceLock<Arc<TaskContext>>,
}

impl StoppableExec {
    fn new(inner: Arc<dyn ExecutionPlan>, cancellation: &Cancellation, meter: Arc<Meter>) -> Self {
        Self { inner, cancellation: cancellation.clone(), meter, metered: OnceLock::new() }
    }

    fn of(&self, inner: Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan> {
        Arc::new(Self::new(inner, &self.cancellation, Arc::clone(&self.meter)))
    }
}

impl Drop for StoppableExec {
    fn drop(&mut self) {
        self.meter.settle(&self.inner);
    }
}

impl DisplayAs for StoppableExec {
    fn fmt_as(&self, t: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt_as(t, f)
    }
}

impl ExecutionPlan for StoppableExec {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn downcast_delegate(&self) -> Option<&dyn ExecutionPlan> {
        Some(self.inner.as_ref())
    }

    fn schema(&self) -> SchemaRef {
        self.inner.schema()
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.inner.properties()
    }

    fn check_invariants(&self, check: InvariantLevel) -> Result<()> {
        self.inner.check_invariants(check)
    }

    fn dynamic_expressions_produced(&self) -> Vec<Arc<dyn PhysicalExpr>> {
        self.inner.dynamic_expressions_produced()
    }

    fn input_distribution_requirements(&self) -> InputDistributionRequirements {
        self.inner.input_distribution_requirements()
    }

    fn required_input_ordering(&self) -> Vec<Option<OrderingRequirements>> {
        self.inner.required_input_ordering()
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        self.inner.maintains_input_order()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        self.inner.children()
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self.of(Arc::clone(&self.inner).replace_children(children, options)?))
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        self.inner.apply_expressions(f)
    }

    fn reset_state(self: Arc<Self>) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self.of(Arc::clone(&self.inner).reset_state()?))
    }

    fn with_new_state(&self, state: Arc<dyn Any + Send + Sync>) -> Option<Arc<dyn ExecutionPlan>> {
        self.inner.with_new_state(state).map(|inner| self.of(inner))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        self.cancellation.check()?;
        let context = match self.meter.changes_context() {
            true => Arc::clone(self.metered.get_or_init(|| Arc::new(self.meter.context(&context)))),
            false => context,
        };
        let inner = self.inner.execute(partition, context)?;
        let rows_of = self.meter.is_of_scan().then(|| Arc::clone(&self.meter));
        Ok(Box::pin(StoppableStream { inner, cancellation: self.cancellation.clone(), rows_of, slice_begun: None }))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        self.meter.with_peak(self.inner.metrics())
    }

    fn statistics_from_inputs(
        &self,
        input_statistics: &[Arc<Statistics>],
        arguments: &StatisticsArgs,
    ) -> Result<Arc<Statistics>> {
        self.inner.statistics_from_inputs(input_statistics, arguments)
    }

    fn child_stats_requests(&self, partition: Option<usize>) -> Vec<ChildStats> {
        self.inner.child_stats_requests(partition)
    }

    fn fetch(&self) -> Option<usize> {
        self.inner.fetch()
    }

    fn cardinality_effect(&self) -> CardinalityEffect {
        self.inner.cardinality_effect()
    }
}

/// How long a task may run before it hands its thread back to the other tasks.
const SLICE: Duration = Duration::from_millis(10);

struct StoppableStream {
    inner: SendableRecordBatchStream,
    cancellation: Cancellation,
    /// Counts the rows, if these are read here.
    rows_of: Option<Arc<Meter>>,
    /// When the task was first asked for a batch since it last waited.
    slice_begun: Option<Instant>,
}

impl Stream for StoppableStream {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Err(cancelled) = self.cancellation.check() {
            return Poll::Ready(Some(Err(cancelled)));
        }
        if self.slice_begun.get_or_insert_with(Instant::now).elapsed() > SLICE {
            self.slice_begun = None;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let next = self.inner.poll_next_unpin(context);
        if next.is_pending() {
            self.slice_begun = None;
        }
        if let (Some(meter), Poll::Ready(Some(Ok(batch)))) = (&self.rows_of, &next) {
            meter.add_rows(batch.num_rows());
        }
        next
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.inner.size_hint()
    }
}

impl Drop for StoppableStream {
    fn drop(&mut self) {
        if let Some(meter) = &self.rows_of {
            meter.end_partition();
        }
    }
}

impl RecordBatchStream for StoppableStream {
    fn schema(&self) -> SchemaRef {
        self.inner.schema()
    }
}
