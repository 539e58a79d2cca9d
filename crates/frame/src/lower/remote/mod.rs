//! The staged form in other processes.
//!
//! ```text
//!   stages ──> tasks in other processes ── rows as bytes ──> the top of the plan, here ──> whoever reads the rows
//! ```
//!
//! A stage travels as bytes, and so do the rows between stages: as values of the executor, which keeps them, spills them and
//! hands each task its pieces. What stands above the last stage runs here, and reads the values of the run. A process
//! makes the plan of a stage once for all tasks that it gets of it; it has a memory limit and a temporary folder of its own.
//!
//! # Invariants
//! - **Tasks of a stage share nothing** but the plan as it was planned: an operator that tells one partition what another has
//!   found, as some joins do, is not sent away.
//! - **A plan of which a part cannot travel runs here as a whole**, and the session notes why.

mod error;
mod rows;
mod shared;
mod stage;
mod worker;

use std::sync::Arc;

use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SessionState, TaskContext};
use datafusion::logical_expr::LogicalPlan;
use datafusion::logical_expr::physical_planning_context::ScalarSubqueryResults;
use datafusion::physical_plan::ExecutionPlan;
use dolmen_graph::{GraphBuilder, GraphRun, Op, StageId, SubmitOptions, TaskId};
use futures::FutureExt;

pub(super) use shared::tells_others;
pub(super) use stage::Part;
pub use worker::register;

use self::error::of_run;
use self::rows::{RowsValue, Values};
use self::stage::StageOp;
use self::worker::{Worker, process_context, settings_of};
use super::choose::Needs;
use super::encode::NotPortable;
use super::read::{ReadExec, Reads};
use super::{ExecutorSource, built, external, join_in_partitions, staged, staged_state};

/// What runs the stages of plans, if it is not what runs everything else.
#[derive(Debug, Clone)]
pub struct RemoteExecutor {
    /// Finds it.
    pub source: ExecutorSource,
    /// Its workers.
    pub n_workers: usize,
}

/// The top of a plan whose stages run elsewhere, to be run here.
pub(super) struct Top {
    pub(super) plan: Arc<dyn ExecutionPlan>,
    pub(super) context: Arc<TaskContext>,
    /// Keeps the stages running.
    pub(super) run: Arc<dyn GraphRun>,
}

/// Makes operations of the parts of one plan.
pub(super) struct Parts {
    context: Arc<TaskContext>,
    settings: Vec<(String, String)>,
}

impl Parts {
    fn of(state: &SessionState) -> Result<Self> {
        let settings = settings_of(state.config_options());
        let context = process_context(&settings, Arc::clone(state.runtime_env()))?;
        Ok(Self { context, settings })
    }

    pub(super) fn stage(&self, part: &Part<'_>) -> Result<Arc<dyn Op>> {
        Ok(Arc::new(StageOp::of(part, &self.settings, &self.context, &Arc::new(Worker::default()))?))
    }
}

/// Starts the stages of `plan` in other processes; `None` if it has none, or some cannot be sent there.
pub(super) async fn start(state: &SessionState, plan: &LogicalPlan, remote: &RemoteExecutor) -> Result<Option<Top>> {
    let pool = &state.runtime_env().memory_pool;
    let physical = state.create_physical_plan(plan).await?;
    let n_partitions = Needs::of(&physical, pool.as_ref()).n_partitions(pool.as_ref(), remote.n_workers);
    let mut state = staged_state(state, n_partitions)?;
    // A table that is built once for all partitions would be built for each of them.
    join_in_partitions(&mut state);
    let physical = super::physical_plan(&state, plan).await?;
    let mut builder = GraphBuilder::new();
    let cut = match staged::cut(&physical, &Parts::of(&state)?, &mut builder) {
        Ok(cut) => cut,
        Err(error) => match not_portable(&error) {
            Some(reason) => {
                super::keep(&state, reason);
                return Ok(None);
            }
            None => return Err(error),
        },
    };
    // What is divided is for tasks, of which the top is none.
    let is_whole = cut.inputs.iter().all(|(_, read)| read.reads() != Reads::Piece);
    if !is_whole || (cut.inputs.is_empty() && cut.values.is_empty()) {
        return Ok(None);
    }
    let stages: Vec<StageId> =
        cut.inputs.iter().map(|(stage, _)| *stage).chain(cut.values.iter().map(|v| v.0)).collect();
    for stage in stages {
        builder.add_output_all(stage).map_err(external)?;
    }
    let executor = (remote.source.0)().ok_or_else(|| DataFusionError::Execution("the session is closed".to_owned()))?;
    let graph = Arc::new(built(builder)?);
    let options = SubmitOptions { name: Some("sql".to_owned()), ..SubmitOptions::default() };
    let run = executor.submit(graph, options).map_err(external)?;
    for (read_stage, read) in &cut.inputs {
        read_from(read, &run, *read_stage);
    }
    for (stage, (places, _)) in &cut.values {
        take_values(&run, *stage, places).await?;
    }
    Ok(Some(Top { plan: cut.top, context: Arc::new(TaskContext::from(&state)), run }))
}

fn not_portable(error: &DataFusionError) -> Option<NotPortable> {
    match error.find_root() {
        DataFusionError::External(external) => external.downcast_ref().cloned(),
        _ => None,
    }
}

/// Lets `read` have the rows of a stage, task by task, as they are asked for.
fn read_from(read: &ReadExec, run: &Arc<dyn GraphRun>, stage: StageId) {
    let n_tasks = run.graph().stage(stage).n_tasks as usize;
    let run = Arc::clone(run);
    let fetch = move |i: usize| {
        let run = Arc::clone(&run);
        async move {
            let task = TaskId::new(stage, u32::try_from(i).map_err(external)?);
            let value = run.value(task).await.map_err(of_run)?;
            run.release(task);
            let rows = value.downcast::<RowsValue>().map_err(|_| not_rows())?;
            Ok(rows.bytes())
        }
        .boxed()
    };
    read.provide_fetched(n_tasks, Arc::new(fetch), None);
}

/// Puts the values that a stage has found where the plan looks for them.
async fn take_values(run: &Arc<dyn GraphRun>, stage: StageId, places: &ScalarSubqueryResults) -> Result<()> {
    let value = run.value(TaskId::new(stage, 0)).await.map_err(of_run)?;
    let values = value.downcast::<Values>().map_err(|_| not_rows())?;
    values.put_to(places)
}

fn not_rows() -> DataFusionError {
    DataFusionError::Internal("a stage gave something else than rows".to_owned())
}
