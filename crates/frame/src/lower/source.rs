//! Rows that are made by other stages than those of SQL.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::Session;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Statistics, internal_datafusion_err};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::coop::cooperative;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, SchedulingType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties, StatisticsArgs,
};
use dolmen_graph::{GraphBuilder, GraphRun, StageId, TaskId, TaskInputs, ValueRef, Wiring};
use futures::{StreamExt, TryStreamExt, stream};
use tokio::sync::watch;

use super::encode::NotPortable;
use super::external;
use super::options::LoweringOptions;
use super::rows::of_run;

/// Adds stages of its own to the graph of a query, whose values become rows of a table.
///
/// The rows come in units, such as the blocks of an array. Each is made of the values of a few tasks, and known by its number.
pub trait StageSource: fmt::Debug + Send + Sync {
    /// What plans show of it, in one line.
    fn description(&self) -> String;

    /// The columns of the rows.
    fn schema(&self) -> &SchemaRef;

    /// The number of units.
    fn n_units(&self) -> u32;

    /// The number of rows and their bytes in memory, if they are known.
    fn size(&self) -> Option<(usize, usize)>;

    /// Adds the stages whose values the rows are made of. Called once, before the functions below.
    ///
    /// # Errors
    /// If there are no such stages.
    fn add_stages(&self, builder: &mut GraphBuilder) -> Result<Vec<StageId>>;

    /// The values that the rows of a unit are made of: a place among the stages that were added, and a task.
    fn values_of(&self, unit: u32) -> Vec<(usize, u32)>;

    /// The rows of a unit, of its values: made a batch at a time, as they are asked for.
    ///
    /// # Errors
    /// If the values are none of which rows can be made.
    fn rows(&self, unit: u32, values: &[ValueRef]) -> Result<UnitRows>;
}

/// The rows of a unit.
pub type UnitRows = Box<dyn Iterator<Item = Result<RecordBatch>> + Send>;

/// Reads the rows of a [`StageSource`]: the leaf of a plan.
#[derive(Debug, Clone)]
pub struct SourceExec {
    link: Arc<Link>,
    properties: Arc<PlanProperties>,
}

/// What a leaf has to do with the graph of its plan.
#[derive(Debug)]
pub(super) struct Link {
    source: Arc<dyn StageSource>,
    /// Units that are read one after the other.
    fan_in: u32,
    /// The run in which the values are made, for who reads them while they are, and their stages.
    run: watch::Sender<Option<Run>>,
    /// The values that the tasks got as inputs.
    held: Mutex<Held>,
}

#[derive(Debug, Clone)]
struct Run {
    /// Kept by whoever reads the result. The plan is part of the run.
    run: Weak<dyn GraphRun>,
    stages: Arc<[StageId]>,
}

type Values = HashMap<(usize, u32), ValueRef>;

#[derive(Debug, Default)]
struct Held {
    of_partition: HashMap<usize, Arc<Values>>,
    of_all: Option<Arc<Values>>,
}

/// The most partitions that a source has in stages: each leaves a piece for every partition that reads it.
const PARTITIONS_MAX: u32 = 1024;

impl SourceExec {
    /// In a plan of this session. In stages each partition reads as few units as can be, so that few are in memory at once.
    pub fn new(source: Arc<dyn StageSource>, session: &dyn Session) -> Self {
        let options = session.config_options();
        let is_staged = options.extensions.get::<LoweringOptions>().is_some_and(|options| options.is_for_stages);
        let most = if is_staged {
            PARTITIONS_MAX
        } else {
            u32::try_from(options.execution.target_partitions).unwrap_or(u32::MAX)
        };
        let n_units = source.n_units();
        let fan_in = n_units.div_ceil(most.max(1)).max(1);
        let link = Link { source, fan_in, run: watch::Sender::default(), held: Mutex::default() };
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(link.source.schema())),
            Partitioning::UnknownPartitioning(link.n_partitions()),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Self {
            link: Arc::new(link),
            properties: Arc::new(properties.with_scheduling_type(SchedulingType::Cooperative)),
        }
    }

    pub(super) fn link(&self) -> &Arc<Link> {
        &self.link
    }
}

/// The leaves of a plan that have stages of their own.
pub(super) fn sources_of(plan: &Arc<dyn ExecutionPlan>) -> Vec<Arc<Link>> {
    match plan.downcast_ref::<SourceExec>() {
        Some(source) => vec![Arc::clone(&source.link)],
        None => plan.children().into_iter().flat_map(sources_of).collect(),
    }
}

/// A source whose values are results of the graph, with their stages.
pub(super) struct ReadFromRun {
    link: Arc<Link>,
    stages: Vec<StageId>,
}

impl ReadFromRun {
    /// Adds the stages of a source to a graph, as results of it.
    pub(super) fn of(link: Arc<Link>, builder: &mut GraphBuilder) -> Result<Self> {
        let stages = link.source.add_stages(builder)?;
        for (place, stage) in stages.iter().enumerate() {
            let n_partitions = link.n_partitions();
            let read = (0..n_partitions).flat_map(|partition| link.tasks(place, partition));
            builder.add_output(*stage, read.collect()).map_err(external)?;
        }
        Ok(Self { link, stages })
    }

    /// The graph runs.
    pub(super) fn provide(self, run: &Arc<dyn GraphRun>) {
        let run = Run { run: Arc::downgrade(run), stages: self.stages.into() };
        self.link.run.send_replace(Some(run));
    }
}

impl Link {
    fn description(&self) -> String {
        self.source.description()
    }

    /// The operations of its stages may be data, but what makes rows of their values is not.
    pub(super) fn not_portable(&self) -> NotPortable {
        NotPortable::Table { table: self.description() }
    }

    pub(super) fn add_stages(&self, builder: &mut GraphBuilder) -> Result<Vec<StageId>> {
        self.source.add_stages(builder)
    }

    fn n_partitions(&self) -> usize {
        self.source.n_units().div_ceil(self.fan_in).max(1) as usize
    }

    fn units(&self, partition: usize) -> Range<u32> {
        let start = u32::try_from(partition).unwrap_or(u32::MAX).saturating_mul(self.fan_in);
        let n_units = self.source.n_units();
        start.min(n_units)..start.saturating_add(self.fan_in).min(n_units)
    }

    /// The tasks of one of the stages that a partition reads, each once.
    pub(super) fn tasks(&self, stage: usize, partition: usize) -> Vec<u32> {
        let values = self.units(partition).flat_map(|unit| self.source.values_of(unit));
        let mut tasks: Vec<u32> = values.filter(|value| value.0 == stage).map(|value| value.1).collect();
        tasks.sort_unstable();
        tasks.dedup();
        tasks
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The values of a partition while its task runs.
    fn hold(&self, partition: usize, values: Values) {
        self.held().of_partition.insert(partition, Arc::new(values));
    }

    fn let_go(&self, partition: usize) {
        self.held().of_partition.remove(&partition);
    }

    /// All values, for all partitions.
    fn hold_all(&self, values: impl FnOnce() -> Values) {
        self.held().of_all.get_or_insert_with(|| Arc::new(values()));
    }

    fn values(&self, partition: usize) -> Option<Arc<Values>> {
        let held = self.held();
        held.of_partition.get(&partition).or(held.of_all.as_ref()).cloned()
    }

    /// The rows of a unit, as soon as its values are there.
    async fn rows_of_run(&self, unit: u32) -> Result<UnitRows> {
        let mut run = self.run.subscribe();
        let run = run.wait_for(Option::is_some).await.map_err(external)?.clone();
        let Run { run, stages } = run.ok_or_else(|| internal_datafusion_err!("a source without a run"))?;
        let mut values = Vec::new();
        for (stage, task) in self.source.values_of(unit) {
            let stage =
                stages.get(stage).copied().ok_or_else(|| internal_datafusion_err!("a source without stage {stage}"))?;
            let run =
                run.upgrade().ok_or_else(|| DataFusionError::Execution("the statement was cancelled".to_owned()))?;
            values.push(run.value(TaskId::new(stage, task)).await.map_err(of_run)?);
        }
        self.source.rows(unit, &values)
    }

    fn rows_held(&self, unit: u32, values: &Values) -> Result<UnitRows> {
        let value =
            |key| values.get(&key).cloned().ok_or_else(|| internal_datafusion_err!("a source without value {key:?}"));
        let values = self.source.values_of(unit).into_iter().map(value).collect::<Result<Vec<_>>>()?;
        self.source.rows(unit, &values)
    }
}

/// Reads a source in a stage.
pub(super) struct SourceInput {
    link: Arc<Link>,
    /// The place of the stage that is read among those of the source.
    stage: usize,
    /// The task that has the source's first partition; `None` if every task reads all values.
    offset: Option<usize>,
}

impl SourceInput {
    /// Of the partitions of a source, from task `offset` on, of a stage with `n_tasks`; with what they read of a stage with `n_up`.
    pub(super) fn by_partition(
        link: &Arc<Link>,
        stage: usize,
        n_partitions: usize,
        (offset, n_tasks): (usize, usize),
        n_up: u32,
    ) -> Result<(Self, Wiring)> {
        let lists = (0..n_tasks).map(|task| match task.checked_sub(offset) {
            Some(partition) if partition < n_partitions => link.tasks(stage, partition),
            _ => Vec::new(),
        });
        let table = dolmen_graph::Table::new(n_up, lists.collect::<Vec<_>>()).map_err(external)?;
        Ok((Self { link: Arc::clone(link), stage, offset: Some(offset) }, Wiring::Table(Arc::new(table))))
    }

    /// Of all values, for every task.
    pub(super) fn whole(link: &Arc<Link>, stage: usize) -> (Self, Wiring) {
        (Self { link: Arc::clone(link), stage, offset: None }, Wiring::All)
    }
}

/// Gives sources the values that a task got.
pub(super) fn provide<'a>(sources: impl Iterator<Item = (usize, &'a SourceInput)>, task: usize, inputs: &TaskInputs) {
    let mut of_task: Vec<(&SourceInput, Values)> = Vec::new();
    for (input_idx, source) in sources {
        let values = inputs.input(input_idx).iter().cloned();
        let values: Values = match source.offset {
            Some(offset) => {
                let Some(partition) = task.checked_sub(offset) else { continue };
                source
                    .link
                    .tasks(source.stage, partition)
                    .into_iter()
                    .map(|up| (source.stage, up))
                    .zip(values)
                    .collect()
            }
            None => (0..).map(|up| (source.stage, up)).zip(values).collect(),
        };
        match of_task.iter_mut().find(|(known, _)| Arc::ptr_eq(&known.link, &source.link)) {
            Some((_, known)) => known.extend(values),
            None => of_task.push((source, values)),
        }
    }
    for (source, values) in of_task {
        match source.offset {
            Some(offset) => source.link.hold(task - offset, values),
            None => source.link.hold_all(|| values),
        }
    }
}

/// The task has run.
pub(super) fn let_go<'a>(sources: impl Iterator<Item = &'a SourceInput>, task: usize) {
    for source in sources {
        if let Some(partition) = source.offset.and_then(|offset| task.checked_sub(offset)) {
            source.link.let_go(partition);
        }
    }
}

impl DisplayAs for SourceExec {
    fn fmt_as(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match format {
            DisplayFormatType::TreeRender => f.write_str(&self.link.description()),
            _ => write!(f, "SourceExec: {}", self.link.description()),
        }
    }
}

impl ExecutionPlan for SourceExec {
    fn name(&self) -> &str {
        "SourceExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(self: Arc<Self>, _: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(&self, partition: usize, _: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let link = Arc::clone(&self.link);
        let units = stream::iter(link.units(partition));
        let rows = match link.values(partition) {
            Some(values) => units.map(move |unit| link.rows_held(unit, &values)).left_stream(),
            None => {
                let rows = units.then(move |unit| {
                    let link = Arc::clone(&link);
                    async move { link.rows_of_run(unit).await }
                });
                rows.right_stream()
            }
        };
        let rows = rows.map_ok(stream::iter).try_flatten();
        Ok(Box::pin(cooperative(RecordBatchStreamAdapter::new(self.schema(), rows.boxed()))))
    }

    fn statistics_from_inputs(&self, _: &[Arc<Statistics>], arguments: &StatisticsArgs) -> Result<Arc<Statistics>> {
        let mut statistics = Statistics::new_unknown(self.link.source.schema());
        if let Some((rows, bytes)) = self.link.source.size() {
            let part = |whole: usize| match arguments.partition() {
                Some(_) => Precision::Inexact(whole / self.properties.partitioning.partition_count().max(1)),
                None => Precision::Exact(whole),
            };
            statistics.num_rows = part(rows);
            statistics.total_byte_size = part(bytes);
        }
        Ok(Arc::new(statistics))
    }
}
