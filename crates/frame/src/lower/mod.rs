//! Plans as graphs of tasks, and running them.
//!
//! ```text
//!   physical plan ── lower ──> TaskGraph ── the session's executor ──> tasks ── channel ──> RowStream
//! ```
//!
//! In the *pipelined* form a plan becomes one stage of tasks that start together, a gang: one for each partition below the
//! plan's last merge, and one for the merge and what stands above it. What lies between the scans and that merge stays
//! DataFusion's, its repartitioning included. The tasks hand batches over while they run; they wait for each other and for
//! whoever reads the rows, and so take no worker of the scheduler.
//!
//! In the *staged* form it is cut where rows change their partition, and what one stage makes waits for the next in memory
//! or on disk: slower, and possible where the pipelined form would need more memory than there is.

mod adaptive_join;
mod analyze;
mod broadcast;
mod choose;
mod encode;
mod exchange;
mod explain;
mod held;
mod options;
mod pipeline;
mod read;
mod receive;
mod remote;
mod row_key;
mod rows;
mod shares;
mod source;
mod staged;

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::config::ConfigNonZeroUsize;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, SessionState, TaskContext};
use datafusion::logical_expr::{JoinType, LogicalPlan};
use datafusion::physical_plan::execution_plan::{ChildrenPropertiesMode, ReplaceChildrenOptions};
use datafusion::physical_plan::joins::{CrossJoinExec, NestedLoopJoinExec};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use dolmen_graph::{Executor, GraphBuilder, SubmitOptions, TaskGraph, cull};
use futures::{StreamExt, TryStreamExt, stream};

pub(crate) use encode::Kept;
pub use encode::NotPortable;
pub(crate) use exchange::ExchangeStore;
pub(crate) use explain::explain_tasks;
pub(crate) use options::{Form, LoweringOptions};
pub use remote::{RemoteExecutor, register};
pub use source::{SourceExec, StageSource, UnitRows};

use crate::cancel::in_place_of;
use crate::progress::{Watch, Watched};
use choose::{Needs, table_bytes_max};
use encode::Outside;
use explain::Described;
use rows::{RowStream, Rows};
use source::ReadFromRun;
use staged::Bounds;

use crate::memory::limit_bytes;

/// Finds what runs the tasks of a session, `None` if that is being closed. It is asked for each plan.
#[derive(Clone)]
pub struct ExecutorSource(Arc<dyn Fn() -> Option<Arc<dyn Executor>> + Send + Sync>);

impl ExecutorSource {
    /// The executor that `find` gives.
    pub fn new(find: impl Fn() -> Option<Arc<dyn Executor>> + Send + Sync + 'static) -> Self {
        Self(Arc::new(find))
    }
}

impl fmt::Debug for ExecutorSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ExecutorSource")
    }
}

/// The rows of `plan`, as they come.
///
/// A query that finds no memory before it has given a row runs again in stages.
pub(crate) async fn run(state: &SessionState, plan: &LogicalPlan) -> Result<SendableRecordBatchStream> {
    run_holding(state, plan, None).await
}

/// Something that stays until the tasks of a plan have stopped, which may be after its stream is gone.
pub(crate) type Hold = Arc<dyn Any + Send + Sync>;

/// [`run`], of a plan that works on `hold`.
pub(crate) async fn run_holding(
    state: &SessionState,
    plan: &LogicalPlan,
    hold: Option<Hold>,
) -> Result<SendableRecordBatchStream> {
    let Some(source) = state.config().get_extension::<ExecutorSource>() else {
        let plan = physical_plan(state, plan).await?;
        watch_of(state).add(Watched::of([&plan]));
        return execute_stream(plan, Arc::new(TaskContext::from(state)));
    };
    if let LogicalPlan::Analyze(analyze) = plan {
        return analyze::run(state, analyze, source).await;
    }
    // What writes somewhere does not run twice.
    let is_query = !matches!(plan, LogicalPlan::Dml(_) | LogicalPlan::Copy(_));
    if let Some(remote) = state.config().get_extension::<RemoteExecutor>()
        && form_of(state) != Form::Pipelined
        && is_query
        && !matches!(plan, LogicalPlan::Explain(_))
        && let Some(top) = remote::start(state, plan, &remote).await?
    {
        let mut builder = GraphBuilder::new();
        let hold: Hold = Arc::new((hold, top.run));
        let lowered = pipeline::lower(&top.plan, &top.context, Some(hold), &mut builder)?;
        return start(state, &source, builder, lowered);
    }
    let mut builder = GraphBuilder::new();
    let (form, lowered) = lower(state, plan, hold, &mut builder).await?;
    let rows = start(state, &source, builder, lowered)?;
    if form == Form::Staged || form_of(state) == Form::Pipelined || !is_query {
        return Ok(rows);
    }
    let schema = rows.schema();
    let (state, plan) = (state.clone(), plan.clone());
    let again = move || async move {
        watch_of(&state).restart();
        let mut builder = GraphBuilder::new();
        let lowered = staged_again(&state, &plan, &mut builder).await?;
        start(&state, &source, builder, lowered)
    };
    let rows = stream::once(or_without_memory(rows, again)).try_flatten();
    Ok(Box::pin(RecordBatchStreamAdapter::new(schema, rows)))
}

/// Has the plans of a statement run without workers of the scheduler: in one piece.
pub(crate) fn take_no_worker(state: &mut SessionState) {
    let options = LoweringOptions { execution_form: Form::Pipelined, ..options_of(state) };
    state.config_mut().options_mut().extensions.insert(options);
}

fn options_of(state: &SessionState) -> LoweringOptions {
    state.config_options().extensions.get::<LoweringOptions>().cloned().unwrap_or_default()
}

fn form_of(state: &SessionState) -> Form {
    options_of(state).execution_form
}

/// The physical plan of a statement.
async fn physical_plan(state: &SessionState, plan: &LogicalPlan) -> Result<Arc<dyn ExecutionPlan>> {
    let physical = state.create_physical_plan(plan).await?;
    if !options_of(state).plans_as_bytes {
        return Ok(physical);
    }
    let context = Arc::new(TaskContext::from(state));
    match encode::encode(&physical, &Outside::default(), &context) {
        Ok(bytes) => Ok(encode::decode(&bytes, &context)?.0),
        Err(reason) => {
            keep(state, reason);
            Ok(physical)
        }
    }
}

/// Notes that a plan runs here because it cannot be sent elsewhere.
fn keep(state: &SessionState, reason: NotPortable) {
    if let Some(kept) = state.config().get_extension::<Kept>() {
        kept.add(reason);
    }
}

/// The rows of a plan, or those of `otherwise` if they come to nothing for want of memory.
async fn or_without_memory<F>(
    mut rows: SendableRecordBatchStream,
    otherwise: impl FnOnce() -> F,
) -> Result<SendableRecordBatchStream>
where
    F: Future<Output = Result<SendableRecordBatchStream>>,
{
    let first = rows.next().await;
    if let Some(Err(error)) = &first
        && matches!(error.find_root(), DataFusionError::ResourcesExhausted(_))
    {
        drop(rows);
        return otherwise().await;
    }
    Ok(Box::pin(RecordBatchStreamAdapter::new(rows.schema(), stream::iter(first).chain(rows))))
}

/// The stages of a plan that found no memory in one piece: the estimate was too low, or there was none.
async fn staged_again(state: &SessionState, plan: &LogicalPlan, builder: &mut GraphBuilder) -> Result<Lowered> {
    let mut state = state.clone();
    let n_partitions = PARTITIONS_AGAIN * state.config().target_partitions();
    // However small a side of a join may seem: the whole of it in one table may be what found no memory.
    join_in_partitions(&mut state);
    staged(&state, plan, n_partitions, None, builder).await
}

/// A cross join has all rows of its left side in memory; a loop over both sides reads them in parts if it must.
fn cross_as_loop(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    plan.transform_up(|node| {
        let Some(cross) = node.downcast_ref::<CrossJoinExec>() else { return Ok(Transformed::no(node)) };
        let (left, right) = (Arc::clone(cross.left()), Arc::clone(cross.right()));
        let loops = NestedLoopJoinExec::try_new(left, right, None, &JoinType::Inner, None)?;
        Ok(Transformed::yes(in_place_of(node.as_ref(), Arc::new(loops))))
    })
    .data()
}

/// Has no join make one table of a whole side because that seems small.
fn join_in_partitions(state: &mut SessionState) {
    let optimizer = &mut state.config_mut().options_mut().optimizer;
    optimizer.hash_join_single_partition_threshold = 0;
    optimizer.hash_join_single_partition_threshold_rows = 0;
}

/// What the memory of one thread must have room for in stages: batches, and the least that sorts set aside.
const BATCHES_IN_SHARE: usize = 32;
const SORTS_IN_SHARE: usize = 16;
const LONG_ROW_BYTES: usize = 1 << 10;
const BATCH_ROWS_MIN: usize = 256;

/// The share of keys from which on a table indexed by key is smaller than a hash table.
const KEY_DENSITY_MIN: f64 = 0.3;

/// Partitions for each thread of a plan that runs again in stages.
const PARTITIONS_AGAIN: usize = 16;

/// A plan whose tasks are in a graph.
struct Lowered {
    schema: SchemaRef,
    rows: Rows,
    /// Those of its stages, in the order in which they were added.
    stages: Vec<Described>,
    /// Sources that read values of the run.
    from_run: Vec<ReadFromRun>,
}

/// Adds `plan` to a graph, in the form that it asks for.
async fn lower(
    state: &SessionState,
    plan: &LogicalPlan,
    hold: Option<Hold>,
    builder: &mut GraphBuilder,
) -> Result<(Form, Lowered)> {
    let physical = held::count_held(physical_plan(state, plan).await?)?;
    // What shows a plan shows it in one piece.
    let is_showing = matches!(plan, LogicalPlan::Explain(_) | LogicalPlan::Analyze(_));
    let form = if is_showing { Form::Pipelined } else { form_of(state) };
    if form != Form::Pipelined {
        let pool = &state.runtime_env().memory_pool;
        let needs = Needs::of(&physical, pool.as_ref());
        if form == Form::Staged || needs.are_large(pool.as_ref()) {
            let n_partitions = needs.n_partitions(pool.as_ref(), state.config().target_partitions());
            drop(physical);
            return Ok((Form::Staged, staged(state, plan, n_partitions, hold, builder).await?));
        }
    }
    Ok((Form::Pipelined, pipeline::lower(&physical, &Arc::new(TaskContext::from(state)), hold, builder)?))
}

async fn staged(
    state: &SessionState,
    plan: &LogicalPlan,
    n_partitions: usize,
    hold: Option<Hold>,
    builder: &mut GraphBuilder,
) -> Result<Lowered> {
    let store = state.config().get_extension::<ExchangeStore>();
    let store = store.ok_or_else(|| DataFusionError::Internal("a session without a place for rows".to_owned()))?;
    let store = Arc::new(store.counting(watch_of(state).between_stages()));
    let threads = state.config().target_partitions();
    let table_bytes_max = table_bytes_max(state.runtime_env().memory_pool.as_ref(), threads);
    let bounds = Bounds { threads, table_bytes_max };
    let state = staged_state(state, n_partitions)?;
    let plan = cross_as_loop(held::count_held(physical_plan(&state, plan).await?)?)?;
    staged::lower(&plan, &Arc::new(TaskContext::from(&state)), &store, bounds, hold, builder)
}

/// The state that plans a statement for stages: more partitions than threads, each of which runs without the others.
fn staged_state(state: &SessionState, n_partitions: usize) -> Result<SessionState> {
    let share = limit_bytes(state.runtime_env().memory_pool.as_ref()) / state.config().target_partitions().max(1);
    // A few batches of long rows in every operator are to be little beside the limit.
    let batch_rows = (share / (BATCHES_IN_SHARE * LONG_ROW_BYTES)).max(BATCH_ROWS_MIN).min(state.config().batch_size());
    let lowering = LoweringOptions { is_for_stages: true, ..options_of(state) };
    let mut state = state.clone();
    let options = state.config_mut().options_mut();
    options.extensions.insert(lowering);
    options.execution.batch_size = ConfigNonZeroUsize::try_new(batch_rows)?;
    // A merge of sorted sides has two sorts, and there may be one above it.
    let reservation = &mut options.execution.sort_spill_reservation_bytes;
    *reservation = (*reservation).min(share / SORTS_IN_SHARE);
    options.execution.target_partitions = n_partitions;
    // Scans that share files, and filters that one partition finds for another.
    options.execution.enable_file_stream_work_stealing = false;
    options.optimizer.enable_dynamic_filter_pushdown = false;
    options.optimizer.enable_join_dynamic_filter_pushdown = false;
    options.optimizer.enable_topk_dynamic_filter_pushdown = false;
    options.optimizer.enable_aggregate_dynamic_filter_pushdown = false;
    // One partition has few of the keys between the smallest and the largest, and a table indexed by key has room for all.
    let density = &mut options.execution.perfect_hash_join_min_key_density;
    *density = density.max(KEY_DENSITY_MIN);
    // Rows that only go to another task to spread them would be written for that.
    options.optimizer.enable_round_robin_repartition = false;
    Ok(state)
}

fn start(
    state: &SessionState,
    source: &ExecutorSource,
    builder: GraphBuilder,
    lowered: Lowered,
) -> Result<SendableRecordBatchStream> {
    start_graph(state, source, Arc::new(built(builder)?), lowered)
}

/// The graph, without tasks that nobody needs: of arrays as tables only some blocks may be read.
fn built(builder: GraphBuilder) -> Result<TaskGraph> {
    Ok(cull(builder.build().map_err(external)?))
}

fn start_graph(
    state: &SessionState,
    source: &ExecutorSource,
    graph: Arc<TaskGraph>,
    lowered: Lowered,
) -> Result<SendableRecordBatchStream> {
    let Lowered { schema, rows, stages, from_run } = lowered;
    let watched = Watched::of(stages.iter().flat_map(Described::all_plans)).staged(stages.len() > 1);
    // They hold plans, which are to go when their tasks are done.
    drop(stages);
    let executor = (source.0)().ok_or_else(|| DataFusionError::Execution("the session is closed".to_owned()))?;
    let options = SubmitOptions { name: Some("sql".to_owned()), ..SubmitOptions::default() };
    let run = executor.submit(graph, options).map_err(external)?;
    from_run.into_iter().for_each(|source| source.provide(&run));
    watch_of(state).add(watched.with_run(&run));
    Ok(Box::pin(RowStream::new(schema, rows, run)))
}

fn with_children(
    plan: &Arc<dyn ExecutionPlan>,
    children: Vec<Arc<dyn ExecutionPlan>>,
) -> Result<Arc<dyn ExecutionPlan>> {
    Arc::clone(plan).replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Keep))
}

/// Who looks at the statement.
fn watch_of(state: &SessionState) -> Arc<Watch> {
    state.config().get_extension::<Watch>().unwrap_or_default()
}

fn external(error: impl std::error::Error + Send + Sync + 'static) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}
