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
use super::broadcast::{Broadcast, Joined, exchanges, over};
use super::encode::{Outside, Places};
use super::exchange::{ExchangeStore, Output, OutputValue, Writer};
use super::explain::{Described, stage_name};
use super::pipeline::{Done, hand_over};
use super::read::{ReadExec, Reads};
use super::remote::{Part, Parts};
use super::rows::{Failure, Rows};
use super::shares::{Shares, row_by_row};
use super::source::{self, Link, SourceExec, SourceInput, sources_of};
use super::{Hold, Lowered, external, with_children};

/// What the stages of a plan have to go by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Tasks that run at the same time.
    pub(super) threads: usize,
    /// Bytes of rows of one partition of which a join makes a table; it sorts what is more.
    pub(super) table_bytes_max: usize,
}

/// Adds `plan` to a graph as stages. The rows come when the last of them runs, in the plan's order.
pub(super) fn lower(
    plan: &Arc<dyn ExecutionPlan>,
    context: &Arc<TaskContext>,
    store: &Arc<ExchangeStore>,
    bounds: Bounds,
    hold: Option<Hold>,
    builder: &mut GraphBuilder,
) -> Result<Lowered> {
    let failure = Failure::default();
    let (sender, batches) = mpsc::channel(2);
    let here = Here { context, store, bounds, failure: failure.clone(), joinable: Vec::new() };
    let mut cutter = Cutter { builder, runs: Runs::Here(here), before: Vec::new(), stages: Vec::new() };
    let mut inputs = Vec::new();
    let top = cutter.top(plan, &mut inputs)?;
    let whole = Some(Arc::clone(plan));
    let last = cutter.add("rows", top, whole, inputs, Goes::Out(Mutex::new(Some((sender, hold)))), None)?;
    let stages = cutter.stages;
    builder.add_output_all(last).map_err(external)?;
    Ok(Lowered { schema: plan.schema(), rows: Rows { batches, failure }, stages, from_run: Vec::new() })
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
    let inputs = inputs.iter().filter_map(|input| Some((input.stage, Arc::clone(input.read()?))));
    let inputs = inputs.collect();
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
    bounds: Bounds,
    failure: Failure,
    /// Stages that may join their rows before they are divided.
    joinable: Vec<Joinable>,
}

/// A stage whose rows are the large side of a join.
struct Joinable {
    /// Reads them for the join.
    read: Arc<ReadExec>,
    /// The other side, as the stage itself reads it.
    small: Arc<ReadExec>,
    plan: Arc<dyn ExecutionPlan>,
    n_tasks: usize,
    /// Among the stages that are described.
    described: usize,
    broadcast: Arc<Broadcast>,
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

/// The stage of one side of a join, and what reads its pieces.
type Other = (StageId, Arc<ReadExec>);

/// Tasks for each thread with which a stage can do the work of a join as well.
const TASKS_MIN: usize = 2;

/// A stage that a fragment reads.
struct Input {
    stage: StageId,
    wiring: Wiring,
    by: Reader,
}

/// What reads an input.
enum Reader {
    /// The rows that another stage has left.
    Rows(Arc<ReadExec>),
    /// Values of which a source makes rows.
    Values(SourceInput),
}

impl Input {
    fn read(&self) -> Option<&Arc<ReadExec>> {
        self.by.read()
    }
}

impl Reader {
    fn read(&self) -> Option<&Arc<ReadExec>> {
        match self {
            Self::Rows(read) => Some(read),
            Self::Values(_) => None,
        }
    }

    fn source(&self) -> Option<&SourceInput> {
        match self {
            Self::Rows(_) => None,
            Self::Values(source) => Some(source),
        }
    }
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
            1 => self.fragment(plan, Place::of(plan), true, inputs),
            _ => self.read_all(plan, inputs),
        }
    }

    /// The part of `plan` that runs in one stage, which reads `inputs`; what is below becomes stages of its own. Its rows are
    /// `free` if the stage does not ask which of its partitions they come to.
    fn fragment(
        &mut self,
        plan: &Arc<dyn ExecutionPlan>,
        place: Place,
        is_free: bool,
        inputs: &mut Vec<Input>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        // What recurs is run as one.
        if plan.is::<RecursiveQueryExec>() {
            for link in sources_of(plan) {
                self.check_source(&link)?;
                for (i, stage) in link.add_stages(self.builder)?.into_iter().enumerate() {
                    let (by, wiring) = SourceInput::whole(&link, i);
                    inputs.push(Input { stage, wiring, by: Reader::Values(by) });
                }
            }
            return Ok(Arc::clone(plan));
        }
        if let Some(source) = plan.downcast_ref::<SourceExec>() {
            return self.read_source(plan, source, place, inputs);
        }
        if let Some(exchange) = plan.downcast_ref::<RepartitionExec>() {
            return self.read_pieces(exchange, place, None, inputs);
        }
        let children = plan.children();
        if let [child] = children.as_slice()
            && child.output_partitioning().partition_count() > 1
        {
            if plan.downcast_ref::<CoalescePartitionsExec>().is_some_and(|merge| merge.fetch().is_none()) {
                return self.read_all(child, inputs);
            }
            if plan.is::<CoalescePartitionsExec>() || plan.is::<SortPreservingMergeExec>() {
                let child = self.read(child, None, Reads::Output, None, inputs)?;
                return with_children(plan, vec![child]);
            }
        }
        if plan.is::<ScalarSubqueryExec>() {
            return self.after_subqueries(plan, place, is_free, inputs);
        }
        let mut fragments = Vec::new();
        if is_free
            && let Runs::Here(_) = self.runs
            && let Some((left, right)) = exchanges(plan)
        {
            fragments.push(self.read_pieces(left, place, None, inputs)?);
            let small = inputs.last().and_then(|input| Some((input.stage, Arc::clone(input.read()?))));
            fragments.push(self.read_pieces(right, place, small, inputs)?);
        } else {
            let is_free = is_free && row_by_row(plan).is_some();
            let mut place = place;
            for child in children {
                fragments.push(self.fragment(child, place, is_free, inputs)?);
                // The partitions of a union are those of its inputs, one after the other.
                if plan.is::<UnionExec>() {
                    place.offset += child.output_partitioning().partition_count();
                }
            }
        }
        let plan = if fragments.is_empty() { Arc::clone(plan) } else { with_children(plan, fragments)? };
        if let Runs::Here(here) = &self.runs
            && let Some(join) = AdaptiveJoinExec::of(&plan, here.bounds.table_bytes_max)?
        {
            return Ok(Arc::new(join));
        }
        Ok(plan)
    }

    /// A source can only be read in this process.
    fn check_source(&self, source: &Link) -> Result<()> {
        match self.runs {
            Runs::Here(_) => Ok(()),
            Runs::Elsewhere(_) => Err(external(source.not_portable())),
        }
    }

    /// The stages of a source, of whose values its partitions make rows.
    fn read_source(
        &mut self,
        plan: &Arc<dyn ExecutionPlan>,
        source: &SourceExec,
        place: Place,
        inputs: &mut Vec<Input>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let link = source.link();
        self.check_source(link)?;
        let n_partitions = plan.output_partitioning().partition_count();
        if place.offset + n_partitions > place.n_tasks || (n_partitions == 1 && place.n_tasks > 1) {
            // Another stage reads it, and leaves its rows for whichever task asks.
            return self.read_all(plan, inputs);
        }
        for (i, stage) in link.add_stages(self.builder)?.into_iter().enumerate() {
            let n_up = self.builder.stage(stage).map_or(0, |stage| stage.n_tasks);
            let (by, wiring) = SourceInput::by_partition(link, i, n_partitions, (place.offset, place.n_tasks), n_up)?;
            inputs.push(Input { stage, wiring, by: Reader::Values(by) });
        }
        Ok(Arc::clone(plan))
    }

    /// All rows of `plan`, in no order.
    fn read_all(&mut self, plan: &Arc<dyn ExecutionPlan>, inputs: &mut Vec<Input>) -> Result<Arc<dyn ExecutionPlan>> {
        self.read(plan, None, Reads::All, None, inputs)
    }

    fn read_pieces(
        &mut self,
        exchange: &RepartitionExec,
        place: Place,
        small: Option<Other>,
        inputs: &mut Vec<Input>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let read = self.read(exchange.input(), Some((exchange, place)), Reads::Piece, small, inputs)?;
        match exchange.properties().output_ordering() {
            Some(ordering) if exchange.preserve_order() => {
                let ordering = LexOrdering::new(ordering.iter().cloned());
                let ordering = ordering.ok_or_else(|| DataFusionError::Internal("an order by nothing".to_owned()))?;
                Ok(Arc::new(SortExec::new(ordering, read).with_preserve_partitioning(true)))
            }
            _ => Ok(read),
        }
    }

    /// Makes a stage of `plan`; what reads it in its place, or in the place of the exchange above it. The stage may join its
    /// rows with those of `small`, if these are few.
    fn read(
        &mut self,
        plan: &Arc<dyn ExecutionPlan>,
        exchange: Option<(&RepartitionExec, Place)>,
        reads: Reads,
        small: Option<Other>,
        inputs: &mut Vec<Input>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let mut of_stage = Vec::new();
        let fragment = self.fragment(plan, Place::of(plan), true, &mut of_stage)?;
        let divided = exchange.map(|(exchange, place)| (exchange.partitioning().clone(), place));
        let wiring = match divided.as_ref().map(|(partitioning, _)| partitioning) {
            Some(Partitioning::Hash(..)) => Wiring::Exchange(ExchangeKind::Hash),
            Some(Partitioning::RoundRobinBatch(_)) => Wiring::Exchange(ExchangeKind::RoundRobin),
            Some(_) => Wiring::Exchange(ExchangeKind::Range),
            None => Wiring::All,
        };
        let joinable = small.and_then(|small| self.joinable(&fragment, small, &mut of_stage));
        let broadcast = joinable.as_ref().map(|(_, broadcast)| Arc::clone(broadcast));
        let name = stage_name(fragment.as_ref());
        let (rows, whole) = (Arc::clone(&fragment), Some(Arc::clone(plan)));
        let stage = self.add(&name, rows, whole, of_stage, Goes::Into(divided), broadcast)?;
        let (key, n_tasks) = match self.builder.stage(stage) {
            Some(stage) => (Arc::clone(&stage.key), stage.n_tasks as usize),
            None => return Err(DataFusionError::Internal("a stage is not there".to_owned())),
        };
        let properties = exchange.map_or_else(|| plan.properties(), |(exchange, _)| exchange.properties());
        let mut read = ReadExec::new(key, reads, properties);
        if reads == Reads::Output {
            read = read.with_outputs(n_tasks);
        }
        let read = Arc::new(read);
        inputs.push(Input { stage, wiring, by: Reader::Rows(Arc::clone(&read)) });
        let described = self.stages.len() - 1;
        if let (Runs::Here(here), Some((small, broadcast))) = (&mut self.runs, joinable) {
            let read = Arc::clone(&read);
            here.joinable.push(Joinable { read, small, plan: fragment, n_tasks, described, broadcast });
        }
        Ok(read)
    }

    /// Has the stage of `large` see the rows of the other side of a join, if it has tasks enough to do the work of the join.
    fn joinable(
        &self,
        large: &Arc<dyn ExecutionPlan>,
        (stage, pieces): Other,
        of_stage: &mut Vec<Input>,
    ) -> Option<(Arc<ReadExec>, Arc<Broadcast>)> {
        let Runs::Here(here) = &self.runs else { return None };
        if large.output_partitioning().partition_count() < TASKS_MIN * here.bounds.threads {
            return None;
        }
        let small = Arc::new(ReadExec::new(Arc::clone(pieces.from()), Reads::All, pieces.properties()));
        of_stage.push(Input { stage, wiring: Wiring::All, by: Reader::Rows(Arc::clone(&small)) });
        Some((Arc::clone(&small), Arc::new(Broadcast::new(small, here.bounds.table_bytes_max))))
    }

    /// Has the stage of the large side of a join do the work of `plan`, which joins it, if the small side turns out to be
    /// small. Gives the place of the large side among the inputs.
    fn join_below(
        &mut self,
        plan: &Arc<dyn ExecutionPlan>,
        n_tasks: usize,
        inputs: &[Input],
        divided: Option<&Partitioning>,
    ) -> Result<Option<Passes>> {
        let Runs::Here(here) = &mut self.runs else { return Ok(None) };
        for (input_idx, input) in inputs.iter().enumerate() {
            let Some(of_input) = input.read() else { continue };
            let of_input = |joinable: &Joinable| Arc::ptr_eq(&joinable.read, of_input);
            let Some(i) = here.joinable.iter().position(of_input) else { continue };
            let Joinable { read, small, plan: large, n_tasks: n_made, described, broadcast } =
                here.joinable.swap_remove(i);
            if n_made > n_tasks {
                continue;
            }
            let Some(joined) = over(plan, &read, &small, &large)? else { continue };
            self.stages[described].if_small = Some((Arc::clone(small.from()), Arc::clone(&joined)));
            broadcast.set(joined, divided.cloned());
            return Ok(Some(Passes { input_idx, broadcast }));
        }
        Ok(None)
    }

    /// Makes a stage of the subqueries, before every stage of the plan that uses their values.
    fn after_subqueries(
        &mut self,
        plan: &Arc<dyn ExecutionPlan>,
        place: Place,
        is_free: bool,
        inputs: &mut Vec<Input>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let children = plan.children();
        let main = children[0];
        let mut of_stage = Vec::new();
        // Run over no rows, the node finds its values and does nothing else.
        let mut fragments: Vec<Arc<dyn ExecutionPlan>> = vec![Arc::new(EmptyExec::new(main.schema()))];
        for subquery in &children[1..] {
            fragments.push(self.fragment(subquery, Place::of(subquery), true, &mut of_stage)?);
        }
        let fragment = with_children(plan, fragments)?;
        let missing = || DataFusionError::Internal("subqueries without a place for their values".to_owned());
        let node = plan.downcast_ref::<ScalarSubqueryExec>().ok_or_else(missing)?;
        let n_values = node.subqueries().iter().map(|link| link.index.as_usize() + 1).max().unwrap_or(0);
        let values = (node.results().clone(), n_values);
        let stage = self.add("scalar", fragment, None, of_stage, Goes::Nowhere(values.clone()), None)?;
        self.before.push((stage, values));
        self.fragment(main, place, is_free, inputs)
    }

    fn add(
        &mut self,
        key: &str,
        plan: Arc<dyn ExecutionPlan>,
        whole: Option<Arc<dyn ExecutionPlan>>,
        inputs: Vec<Input>,
        goes: Goes,
        joins: Option<Arc<Broadcast>>,
    ) -> Result<StageId> {
        let adapts = self.adapts(&plan, &inputs, &goes, joins)?;
        let n_tasks = u32::try_from(adapts.n_tasks).map_err(external)?;
        let options = match goes {
            Goes::Out(_) => TaskOptions::light_gang(),
            Goes::Into(_) | Goes::Nowhere(_) => TaskOptions::default(),
        };
        let plans = vec![Arc::clone(&plan)];
        let (wired, readers): (Vec<_>, Vec<_>) =
            inputs.into_iter().map(|input| ((input.stage, input.wiring), input.by)).unzip();
        let (op, bytes) = self.operation(plan, readers, goes, adapts)?;
        let key = self.builder.unique_key(key);
        let mut stage = Stage::new(key, n_tasks, op).bytes(bytes).options(options);
        for (input, wiring) in wired {
            stage = stage.input(input, wiring);
        }
        for (before, _) in &self.before {
            stage = stage.input(*before, Wiring::All);
        }
        let stage = self.builder.add_stage(stage).map_err(external)?;
        self.stages.push(Described { stage, plans, whole, if_small: None });
        Ok(stage)
    }

    /// What the tasks of a stage find out when the rows below are there.
    fn adapts(
        &mut self,
        plan: &Arc<dyn ExecutionPlan>,
        inputs: &[Input],
        goes: &Goes,
        joins: Option<Arc<Broadcast>>,
    ) -> Result<Adapts> {
        let n_tasks = plan.output_partitioning().partition_count();
        let (Runs::Here(here), Goes::Into(divided)) = (&self.runs, goes) else {
            return Ok(Adapts { n_tasks, shares: None, joins, passes: None });
        };
        let shares = Shares::of(plan, here.bounds.threads, here.bounds.table_bytes_max).map(Arc::new);
        if let Some(shares) = &shares {
            inputs.iter().filter_map(Input::read).for_each(|read| read.share_out(shares));
        }
        let n_tasks = shares.as_ref().map_or(n_tasks, |shares| shares.n_tasks());
        let divided = divided.as_ref().map(|(partitioning, _)| partitioning);
        let passes = self.join_below(plan, n_tasks, inputs, divided)?;
        Ok(Adapts { n_tasks, shares, joins, passes })
    }

    /// What the tasks of a stage do, and the bytes of what each gives.
    fn operation(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        readers: Vec<Reader>,
        goes: Goes,
        adapts: Adapts,
    ) -> Result<(Arc<dyn Op>, ByteEstimate)> {
        match &self.runs {
            Runs::Here(here) => {
                let fragment = Fragment {
                    label: plan.name().to_owned(),
                    left: Mutex::new(Left { plan: Some(plan), n_tasks: adapts.n_tasks }),
                    adapts: Arc::new(adapts),
                    readers: readers.into(),
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
                let reads = readers.iter().filter_map(|by| by.read().cloned()).collect();
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
    adapts: Arc<Adapts>,
    readers: Arc<[Reader]>,
    goes: Goes,
    context: Arc<TaskContext>,
    store: Arc<ExchangeStore>,
    failure: Failure,
}

/// What the tasks of a stage find out when the rows below are there.
struct Adapts {
    n_tasks: usize,
    /// Who reads which pieces.
    shares: Option<Arc<Shares>>,
    /// The join that it may do before its rows are divided.
    joins: Option<Arc<Broadcast>>,
    /// The input that may have done its work.
    passes: Option<Passes>,
}

/// Passes on what the tasks of an input have made, if that has joined its rows.
struct Passes {
    input_idx: usize,
    broadcast: Arc<Broadcast>,
}

/// What one task does.
enum Does {
    /// Runs the plan.
    Plan,
    /// Runs the plan that joins the rows as well.
    Join(Arc<dyn ExecutionPlan>, Option<Partitioning>),
    /// Gives what is there.
    Gives(Option<Arc<Output>>),
}

impl Adapts {
    /// What `task` does, which has taken the plan with the join if there is one.
    fn decide(
        &self,
        task: usize,
        joined: Option<Joined>,
        readers: &[Reader],
        inputs: &TaskInputs,
    ) -> Result<Does, TaskError> {
        if let Some(Passes { input_idx, broadcast }) = &self.passes
            && broadcast.is_chosen()
        {
            if let Some(joins) = &self.joins {
                joins.give_up();
            }
            let is_made = task < inputs.input(*input_idx).len();
            let made = || inputs.get::<OutputValue>(*input_idx, task).map(|value| Arc::clone(&value.0));
            return Ok(Does::Gives(is_made.then(made).transpose()?));
        }
        if let Some(shares) = &self.shares {
            shares.decide(|| readers.iter().filter_map(Reader::read));
            if shares.get(task).is_none() {
                return Ok(Does::Gives(None));
            }
        }
        if !self.joins.as_ref().is_some_and(|joins| joins.decide()) {
            return Ok(Does::Plan);
        }
        let (plan, divided) = joined.ok_or_else(|| TaskError::failed("the plan of a join is gone"))?;
        Ok(Does::Join(plan, divided))
    }
}

/// The plan, until its last task has taken it: it may hold what its tasks share, such as the table of a join.
struct Left {
    plan: Option<Arc<dyn ExecutionPlan>>,
    n_tasks: usize,
}

impl Fragment {
    /// The plan, and the one with the join if there is one. The last task leaves none.
    fn take_plans(&self) -> (Option<Arc<dyn ExecutionPlan>>, Option<Joined>) {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        left.n_tasks = left.n_tasks.saturating_sub(1);
        let is_last = left.n_tasks == 0;
        let joined = self.adapts.joins.as_ref().and_then(|joins| joins.joined(is_last));
        (if is_last { left.plan.take() } else { left.plan.clone() }, joined)
    }
}

/// Makes the inputs of a task known to the plan: rows, which are the same for all tasks of the stage, and its values.
fn provide(readers: &[Reader], task: usize, inputs: &TaskInputs) -> Result<(), TaskError> {
    for (input_idx, reader) in readers.iter().enumerate() {
        let Reader::Rows(read) = reader else { continue };
        let n = inputs.input(input_idx).len();
        let outputs = (0..n).map(|i| inputs.get::<OutputValue>(input_idx, i).map(|value| Arc::downgrade(&value.0)));
        let outputs = outputs.collect::<Result<Vec<_>, _>>()?;
        read.provide(|| outputs);
    }
    source::provide(readers.iter().enumerate().filter_map(|(i, reader)| Some((i, reader.source()?))), task, inputs);
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
        let (plan, joined) = self.take_plans();
        let adapts = Arc::clone(&self.adapts);
        let mut work = Work {
            partition: partition as usize,
            n_partitions: adapts.n_tasks,
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
        let readers = Arc::clone(&self.readers);
        TaskBody::stream(move |inputs: TaskInputs, _: GraphContext| async move {
            let mut plan = plan.ok_or_else(|| TaskError::failed("a task of a plan cannot run again"))?;
            let task = work.partition;
            provide(&readers, task, &inputs)?;
            match adapts.decide(task, joined, &readers, &inputs)? {
                Does::Plan => {}
                Does::Join(joined, divided) => {
                    plan = joined;
                    work.divide_by(divided);
                }
                Does::Gives(output) => return Ok(work.give(output)),
            }
            let result = work.run(plan).await.map_err(|error| failure.keep(error));
            // What it reads is there for as long as it runs.
            source::let_go(readers.iter().filter_map(Reader::source), task);
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
    fn divide_by(&mut self, divided: Option<Partitioning>) {
        if let To::Pieces(partitioning, _) = &mut self.to {
            *partitioning = divided;
        }
    }

    /// The value of a task that makes no rows of its own.
    fn give(self, output: Option<Arc<Output>>) -> ValueRef {
        match self.to {
            To::Pieces(_, store) => Arc::new(OutputValue(output.unwrap_or_else(|| Arc::new(Output::empty(&store))))),
            To::Reader(_) | To::Nobody => Arc::new(Done),
        }
    }

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
