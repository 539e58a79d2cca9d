//! The staged form: a plan cut where rows change their partition or are merged.
//!
//! ```text
//!   scan ─ partial ─> [pieces] ─ final ─ sort ─> [sorted runs] ─ merge ─> rows
//!   `-- stage 0 --'              `-- stage 1 -'                  `- rows -'
//! ```
//!
//! The tasks of a stage run one by one, as many at a time as there are workers and memory; what they make waits in memory
//! or on disk. So a plan with more partitions than threads needs memory for some of them only. The last stage hands its
//! rows to whoever reads them, and takes no worker while it waits for him.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::arrow::array::RecordBatch;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::physical_expr::LexOrdering;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::recursive_query::RecursiveQueryExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::scalar_subquery::ScalarSubqueryExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::union::UnionExec;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties, Partitioning};
use dolmen_graph::{
    ByteEstimate, EncodeError, ExchangeKind, GraphBuilder, Op, OpRegistry, Stage, StageId, TaskBody,
    TaskContext as GraphContext, TaskError, TaskInputs, TaskOptions, ValueRef, Wiring,
};
use futures::StreamExt;
use tokio::sync::mpsc::{self, Sender};

use super::adaptive_join::AdaptiveJoinExec;
use super::encode::{Outside, Places};
use super::exchange::{ExchangeStore, OutputValue, Writer};
use super::explain::{Described, stage_name};
use super::pipeline::{Done, hand_over};
use super::read::{ReadExec, Reads};
use super::remote::{Part, Parts};
use super::rows::{Failure, Rows};
use super::{Hold, Lowered, external, with_children};

/// Adds `plan` to a graph as stages. The rows come when the last of them runs, in the plan's order. Joins make tables of at
/// most `table_bytes_max` bytes of rows, and sort what is more.
pub(super) fn lower(
    plan: &Arc<dyn ExecutionPlan>,
    context: &Arc<TaskContext>,
    store: &Arc<ExchangeStore>,
    table_bytes_max: usize,
    hold: Option<Hold>,
    builder: &mut GraphBuilder,
) -> Result<Lowered> {
    let failure = Failure::default();
    let (sender, batches) = mpsc::channel(2);
    let here = Here { context, store, table_bytes_max, failure: failure.clone() };
    let mut cutter = Cutter { builder, runs: Runs::Here(here), before: Vec::new(), stages: Vec::new() };
    let mut inputs = Vec::new();
    let top = cutter.top(plan, &mut inputs)?;
    let whole = Some(Arc::clone(plan));
    let last = cutter.add("rows", top, whole, inputs, Goes::Out(Mutex::new(Some((sender, hold)))))?;
    let stages = cutter.stages;
    builder.add_output_all(last).map_err(external)?;
    Ok(Lowered { schema: plan.schema(), rows: Rows { batches, failure }, stages })
}

/// A plan whose stages are in a graph, but for its top.
pub(super) struct Cut {
    pub(super) top: Arc<dyn ExecutionPlan>,
    /// The stages that the top reads, with the nodes that do.
    pub(super) inputs: Vec<(StageId, Arc<ReadExec>)>,
    /// The stages that find values of scalar subqueries, with the places of these.
    pub(super) values: Vec<(StageId, Places)>,
}

/// Adds `plan` to a graph as stages that run elsewhere; what stands above the last of them is given back.
pub(super) fn cut(plan: &Arc<dyn ExecutionPlan>, parts: &Parts, builder: &mut GraphBuilder) -> Result<Cut> {
    let mut cutter = Cutter { builder, runs: Runs::Elsewhere(parts), before: Vec::new(), stages: Vec::new() };
    let mut inputs = Vec::new();
    let top = cutter.top(plan, &mut inputs)?;
    let inputs = inputs.into_iter().map(|input| (input.stage, input.read)).collect();
    Ok(Cut { top, inputs, values: cutter.before })
}

struct Cutter<'a> {
    builder: &'a mut GraphBuilder,
    runs: Runs<'a>,
    /// Stages that must have run before any that is added: they find the values of scalar subqueries.
    before: Vec<(StageId, Places)>,
    stages: Vec<Described>,
}

/// Where stages run.
enum Runs<'a> {
    Here(Here<'a>),
    Elsewhere(&'a Parts),
}

/// What stages of this process share.
struct Here<'a> {
    context: &'a Arc<TaskContext>,
    store: &'a Arc<ExchangeStore>,
    /// Rows of one partition of a join of which a table is made.
    table_bytes_max: usize,
    failure: Failure,
}

/// Where the partitions of a node are among those of its stage.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// The task that has the node's first partition.
    pub(super) offset: usize,
    pub(super) n_tasks: usize,
}

impl Place {
    /// Of the uppermost node of a stage.
    fn of(plan: &Arc<dyn ExecutionPlan>) -> Self {
        Self { offset: 0, n_tasks: plan.output_partitioning().partition_count() }
    }
}

/// A stage that a fragment reads.
struct Input {
    stage: StageId,
    wiring: Wiring,
    read: Arc<ReadExec>,
}

/// Where the rows of a stage go.
enum Goes {
    /// Into pieces, for tasks from a place on; one piece if there is no partitioning.
    Into(Option<(Partitioning, Place)>),
    /// To whoever reads the result. Taken by the only task.
    Out(Mutex<Option<(Sender<RecordBatch>, Option<Hold>)>>),
    /// Nowhere: the stage is run for the values that it finds.
    Nowhere(Places),
}

impl Cutter<'_> {
    /// What gives all rows of `plan`, in its order, in one task.
    fn top(&mut self, plan: &Arc<dyn ExecutionPlan>, inputs: &mut Vec<Input>) -> Result<Arc<dyn ExecutionPlan>> {
        match plan.output_partitioning().partition_count() {
            1 => self.fragment(plan, Place::of(plan), inputs),
            _ => self.read_all(plan, inputs),
        }
    }

    /// The part of `plan` that runs in one stage, which reads `inputs`; what is below becomes stages of its own.
    fn fragment(
        &mut self,
        plan: &Arc<dyn ExecutionPlan>,
        place: Place,
        inputs: &mut Vec<Input>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        // What recurs is run as one.
        if plan.is::<RecursiveQueryExec>() {
            return Ok(Arc::clone(plan));
        }
        if let Some(exchange) = plan.downcast_ref::<RepartitionExec>() {
            return self.read_pieces(exchange, place, inputs);
        }
        let children = plan.children();
        if let [child] = children.as_slice()
            && child.output_partitioning().partition_count() > 1
        {
            if plan.downcast_ref::<CoalescePartitionsExec>().is_some_and(|merge| merge.fetch().is_none()) {
                return self.read_all(child, inputs);
            }
            if plan.is::<CoalescePartitionsExec>() || plan.is::<SortPreservingMergeExec>() {
                let child = self.read(child, None, Reads::Output, inputs)?;
                return with_children(plan, vec![child]);
            }
        }
        if plan.is::<ScalarSubqueryExec>() {
            return self.after_subqueries(plan, place, inputs);
        }
        let mut place = place;
        let mut fragments = Vec::new();
        for child in children {
            fragments.push(self.fragment(child, place, inputs)?);
            // The partitions of a union are those of its inputs, one after the other.
            if plan.is::<UnionExec>() {
                place.offset += child.output_partitioning().partition_count();
            }
        }
        let plan = if fragments.is_empty() { Arc::clone(plan) } else { with_children(plan, fragments)? };
        if let Runs::Here(here) = &self.runs
            && let Some(join) = AdaptiveJoinExec::of(&plan, here.table_bytes_max)?
        {
            return Ok(Arc::new(join));
        }
        Ok(plan)
    }

    /// All rows of `plan`, in no order.
    fn read_all(&mut self, plan: &Arc<dyn ExecutionPlan>, inputs: &mut Vec<Input>) -> Result<Arc<dyn ExecutionPlan>> {
        self.read(plan, None, Reads::All, inputs)
    }

    fn read_pieces(
        &mut self,
        exchange: &RepartitionExec,
        place: Place,
        inputs: &mut Vec<Input>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let read = self.read(exchange.input(), Some((exchange, place)), Reads::Piece, inputs)?;
        match exchange.properties().output_ordering() {
            Some(ordering) if exchange.preserve_order() => {
                let ordering = LexOrdering::new(ordering.iter().cloned());
                let ordering = ordering.ok_or_else(|| DataFusionError::Internal("an order by nothing".to_owned()))?;
                Ok(Arc::new(SortExec::new(ordering, read).with_preserve_partitioning(true)))
            }
            _ => Ok(read),
        }
    }

    /// Makes a stage of `plan`; what reads it in its place, or in the place of the exchange above it.
    fn read(
        &mut self,
        plan: &Arc<dyn ExecutionPlan>,
        exchange: Option<(&RepartitionExec, Place)>,
        reads: Reads,
        inputs: &mut Vec<Input>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let mut of_stage = Vec::new();
        let fragment = self.fragment(plan, Place::of(plan), &mut of_stage)?;
        let divided = exchange.map(|(exchange, place)| (exchange.partitioning().clone(), place));
        let wiring = match divided.as_ref().map(|(partitioning, _)| partitioning) {
            Some(Partitioning::Hash(..)) => Wiring::Exchange(ExchangeKind::Hash),
            Some(Partitioning::RoundRobinBatch(_)) => Wiring::Exchange(ExchangeKind::RoundRobin),
            Some(_) => Wiring::Exchange(ExchangeKind::Range),
            None => Wiring::All,
        };
        let stage =
            self.add(&stage_name(fragment.as_ref()), fragment, Some(Arc::clone(plan)), of_stage, Goes::Into(divided))?;
        let key = self.builder.stage(stage).map_or_else(|| "stage".into(), |stage| Arc::clone(&stage.key));
        let properties = exchange.map_or_else(|| plan.properties(), |(exchange, _)| exchange.properties());
        let read = Arc::new(ReadExec::new(key, reads, properties));
        inputs.push(Input { stage, wiring, read: Arc::clone(&read) });
        Ok(read)
    }

    /// Makes a stage of the subqueries, before every stage of the plan that uses their values.
    fn after_subqueries(
        &mut self,
        plan: &Arc<dyn ExecutionPlan>,
        place: Place,
        inputs: &mut Vec<Input>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let children = plan.children();
        let main = children[0];
        let mut of_stage = Vec::new();
        // Run over no rows, the node finds its values and does nothing else.
        let mut fragments: Vec<Arc<dyn ExecutionPlan>> = vec![Arc::new(EmptyExec::new(main.schema()))];
        for subquery in &children[1..] {
            fragments.push(self.fragment(subquery, Place::of(subquery), &mut of_stage)?);
        }
        let fragment = with_children(plan, fragments)?;
        let missing = || DataFusionError::Internal("subqueries without a place for their values".to_owned());
        let node = plan.downcast_ref::<ScalarSubqueryExec>().ok_or_else(missing)?;
        let n_values = node.subqueries().iter().map(|link| link.index.as_usize() + 1).max().unwrap_or(0);
        let values = (node.results().clone(), n_values);
        let stage = self.add("scalar", fragment, None, of_stage, Goes::Nowhere(values.clone()))?;
        self.before.push((stage, values));
        self.fragment(main, place, inputs)
    }

    fn add(
        &mut self,
        key: &str,
        plan: Arc<dyn ExecutionPlan>,
        whole: Option<Arc<dyn ExecutionPlan>>,
        inputs: Vec<Input>,
        goes: Goes,
    ) -> Result<StageId> {
        let n_partitions = plan.output_partitioning().partition_count();
        let n_tasks = u32::try_from(n_partitions).map_err(external)?;
        let options = match goes {
            Goes::Out(_) => TaskOptions::light_gang(),
            Goes::Into(_) | Goes::Nowhere(_) => TaskOptions::default(),
        };
        let reads = inputs.iter().map(|input| Arc::clone(&input.read)).collect();
        let plans = vec![Arc::clone(&plan)];
        let (op, bytes) = self.operation(plan, reads, goes)?;
        let key = self.builder.unique_key(key);
        let mut stage = Stage::new(key, n_tasks, op).bytes(bytes).options(options);
        for input in inputs {
            stage = stage.input(input.stage, input.wiring);
        }
        for (before, _) in &self.before {
            stage = stage.input(*before, Wiring::All);
        }
        let stage = self.builder.add_stage(stage).map_err(external)?;
        self.stages.push(Described { stage, plans, whole });
        Ok(stage)
    }

    /// What the tasks of a stage do, and the bytes of what each gives.
    fn operation(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        reads: Vec<Arc<ReadExec>>,
        goes: Goes,
    ) -> Result<(Arc<dyn Op>, ByteEstimate)> {
        match &self.runs {
            Runs::Here(here) => {
                let n_partitions = plan.output_partitioning().partition_count();
                let fragment = Fragment {
                    label: plan.name().to_owned(),
                    left: Mutex::new(Left { plan: Some(plan), n_tasks: n_partitions }),
                    n_partitions,
                    reads,
                    goes,
                    context: Arc::clone(here.context),
                    store: Arc::clone(here.store),
                    failure: here.failure.clone(),
                };
                Ok((Arc::new(fragment), ByteEstimate::Exact(0)))
            }
            Runs::Elsewhere(parts) => {
                let values = self.before.iter().map(|(_, values)| values.clone()).collect();
                let (divided, finds) = match &goes {
                    Goes::Into(divided) => (divided.as_ref().map(|(by, place)| (by, *place)), None),
                    Goes::Nowhere(values) => (None, Some(values.clone())),
                    Goes::Out(_) => return Err(DataFusionError::Internal("rows are read in this process".to_owned())),
                };
                let part = Part { plan: &plan, outside: Outside { reads, values }, divided, finds };
                Ok((parts.stage(&part)?, ByteEstimate::Unknown))
            }
        }
    }
}

/// What the tasks of a stage run: each a partition of one plan.
struct Fragment {
    label: String,
    left: Mutex<Left>,
    n_partitions: usize,
    reads: Vec<Arc<ReadExec>>,
    goes: Goes,
    context: Arc<TaskContext>,
    store: Arc<ExchangeStore>,
    failure: Failure,
}

/// The plan, until its last task has taken it: it may hold what its tasks share, such as the table of a join.
struct Left {
    plan: Option<Arc<dyn ExecutionPlan>>,
    n_tasks: usize,
}

impl Fragment {
    fn take_plan(&self) -> Option<Arc<dyn ExecutionPlan>> {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        left.n_tasks = left.n_tasks.saturating_sub(1);
        if left.n_tasks == 0 { left.plan.take() } else { left.plan.clone() }
    }
}

/// Makes the inputs of a task known to the plan. All tasks of the stage have the same.
fn provide(reads: &[Arc<ReadExec>], inputs: &TaskInputs) -> Result<(), TaskError> {
    for (input_idx, read) in reads.iter().enumerate() {
        let n = inputs.input(input_idx).len();
        let outputs = (0..n).map(|i| inputs.get::<OutputValue>(input_idx, i).map(|value| Arc::downgrade(&value.0)));
        let outputs = outputs.collect::<Result<Vec<_>, _>>()?;
        read.provide(|| outputs);
    }
    Ok(())
}

impl Op for Fragment {
    fn name(&self) -> &str {
        match self.goes {
            Goes::Into(_) => "sql.stage",
            Goes::Out(_) => "sql.rows",
            Goes::Nowhere(_) => "sql.scalar",
        }
    }

    fn encode(&self, _: &OpRegistry) -> Result<Vec<u8>, EncodeError> {
        Err(EncodeError::Local { name: self.name().to_owned() })
    }

    fn body(&self, partition: u32) -> TaskBody {
        let plan = self.take_plan();
        let work = Work {
            partition: partition as usize,
            n_partitions: self.n_partitions,
            context: Arc::clone(&self.context),
            to: match &self.goes {
                Goes::Into(divided) => {
                    let partitioning = divided.as_ref().map(|(partitioning, _)| partitioning.clone());
                    To::Pieces(partitioning, Arc::clone(&self.store))
                }
                Goes::Out(sender) => To::Reader(sender.lock().unwrap_or_else(PoisonError::into_inner).take()),
                Goes::Nowhere(_) => To::Nobody,
            },
        };
        let failure = self.failure.clone();
        let reads = self.reads.clone();
        TaskBody::stream(move |inputs: TaskInputs, _: GraphContext| async move {
            let plan = plan.ok_or_else(|| TaskError::failed("a task of a plan cannot run again"))?;
            provide(&reads, &inputs)?;
            let result = work.run(plan).await.map_err(|error| failure.keep(error));
            // The outputs that it reads are there for as long as it runs.
            drop(inputs);
            result
        })
    }

    fn label(&self, _: u32) -> String {
        self.label.clone()
    }
}

impl fmt::Debug for Fragment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fragment").field("label", &self.label).finish_non_exhaustive()
    }
}

/// One task of a stage.
struct Work {
    partition: usize,
    n_partitions: usize,
    context: Arc<TaskContext>,
    to: To,
}

enum To {
    Pieces(Option<Partitioning>, Arc<ExchangeStore>),
    Reader(Option<(Sender<RecordBatch>, Option<Hold>)>),
    Nobody,
}

impl Work {
    async fn run(self, plan: Arc<dyn ExecutionPlan>) -> Result<ValueRef> {
        let Self { partition, n_partitions, context, to } = self;
        match to {
            To::Pieces(partitioning, store) => {
                let batch_rows = context.session_config().batch_size();
                let place = (partition, n_partitions);
                let mut writer = Writer::new(&store, partitioning, plan.schema(), batch_rows, place)?;
                let mut batches = plan.execute(partition, context)?;
                while let Some(batch) = batches.next().await {
                    writer.write(batch?)?;
                }
                Ok(Arc::new(OutputValue(Arc::new(writer.finish()?))))
            }
            To::Reader(sender) => {
                let (sender, _hold) =
                    sender.ok_or_else(|| DataFusionError::Internal("rows are read once".to_owned()))?;
                hand_over(&plan, partition, context, &sender, |batch| batch).await?;
                Ok(Arc::new(Done))
            }
            To::Nobody => {
                let mut batches = plan.execute(partition, context)?;
                while let Some(batch) = batches.next().await {
                    batch?;
                }
                Ok(Arc::new(Done))
            }
        }
    }
}
