//! The pipelined form: all partitions of a plan at the same time.

use std::fmt;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::arrow::array::RecordBatch;
use datafusion::error::Result;
use datafusion::execution::TaskContext;
use datafusion::physical_plan::analyze::AnalyzeExec;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};
use dolmen_graph::{
    ByteEstimate, EncodeError, GraphBuilder, Op, OpRegistry, Stage, TaskBody, TaskContext as GraphContext, TaskError,
    TaskInputs, TaskOptions, Value, ValueRef,
};
use futures::StreamExt;
use futures::future::{Either, select};
use tokio::sync::mpsc::{self, Receiver, Sender};

use super::explain::Described;
use super::receive::ReceiveExec;
use super::rows::{Failure, Rows};
use super::source::{ReadFromRun, sources_of};
use super::{Hold, Lowered, external, with_children};

/// Adds `plan` to a graph as one gang. The rows come while its tasks run, in the plan's order.
pub(super) fn lower(
    plan: &Arc<dyn ExecutionPlan>,
    context: &Arc<TaskContext>,
    hold: Option<Hold>,
    builder: &mut GraphBuilder,
) -> Result<Lowered> {
    let from_run = sources_of(plan).into_iter().map(|link| ReadFromRun::of(link, builder)).collect::<Result<_>>()?;
    let failure = Failure::default();
    let n_partitions = plan.output_partitioning().partition_count();
    let (sender, batches) = mpsc::channel(n_partitions.max(2));
    let mut parts = Vec::new();
    match replace_last_merge(plan, &mut parts)? {
        Some(top) => parts.push(Part { plan: top, partition: 0, to: To::Reader(sender), hold: None }),
        None => parts.extend(each_partition(plan, &To::Reader(sender))),
    }
    if let Some(top) = parts.last_mut() {
        top.hold = hold;
    }
    let n_tasks = u32::try_from(parts.len()).map_err(external)?;
    let mut plans: Vec<Arc<dyn ExecutionPlan>> = Vec::new();
    for part in parts.iter().rev() {
        if !plans.last().is_some_and(|last| Arc::ptr_eq(last, &part.plan)) {
            plans.push(Arc::clone(&part.plan));
        }
    }
    let labels = parts.iter().map(|part| part.plan.name().to_owned()).collect();
    let parts = parts.into_iter().map(|part| Mutex::new(Some(part))).collect();
    let op = Pipeline { labels, parts, context: Arc::clone(context), failure: failure.clone() };
    let stage = Stage::new(builder.unique_key("pipeline"), n_tasks, Arc::new(op))
        .bytes(ByteEstimate::Exact(0))
        .options(TaskOptions::light_gang());
    let stage = builder.add_stage(stage).map_err(external)?;
    builder.add_output_all(stage).map_err(external)?;
    let described = Described { stage, plans, whole: Some(Arc::clone(plan)), if_small: None };
    Ok(Lowered { schema: plan.schema(), rows: Rows { batches, failure }, stages: vec![described], from_run })
}

/// One task: a partition of a plan, whose batches go into a channel.
struct Part {
    plan: Arc<dyn ExecutionPlan>,
    partition: usize,
    to: To,
    hold: Option<Hold>,
}

#[derive(Clone)]
enum To {
    Reader(Sender<RecordBatch>),
    /// To the last task, with an error as well: it ends then as it does for an error of its own, and leaves nothing behind.
    Last(Sender<Result<RecordBatch>>),
}

fn each_partition<'a>(plan: &'a Arc<dyn ExecutionPlan>, to: &'a To) -> impl Iterator<Item = Part> + 'a {
    let n_partitions = plan.output_partitioning().partition_count();
    (0..n_partitions).map(|partition| Part { plan: Arc::clone(plan), partition, to: to.clone(), hold: None })
}

/// Cuts the plan below its last merge: what is below becomes `parts`. Gives what is above, which receives their batches;
/// `None` if there is no such merge, or nothing above that has to be run.
fn replace_last_merge(plan: &Arc<dyn ExecutionPlan>, parts: &mut Vec<Part>) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let children = plan.children();
    let [child] = children.as_slice() else { return Ok(None) };
    // It shows what the operators below it have counted.
    if plan.is::<AnalyzeExec>() {
        return Ok(None);
    }
    let n_partitions = child.output_partitioning().partition_count();
    let any_order = plan.downcast_ref::<CoalescePartitionsExec>();
    let is_merge = any_order.is_some() || plan.is::<SortPreservingMergeExec>();
    let new_child: Arc<dyn ExecutionPlan> = if is_merge && n_partitions > 1 {
        if any_order.is_some_and(|merge| merge.fetch().is_none()) {
            // One channel for all is the merge.
            let (to, from) = mpsc::channel(n_partitions);
            parts.extend(each_partition(child, &To::Last(to)));
            return Ok(Some(Arc::new(ReceiveExec::new(child, vec![from]))));
        }
        let mut channels: Vec<Receiver<Result<RecordBatch>>> = Vec::new();
        for partition in 0..n_partitions {
            let (to, from) = mpsc::channel(1);
            parts.push(Part { plan: Arc::clone(child), partition, to: To::Last(to), hold: None });
            channels.push(from);
        }
        Arc::new(ReceiveExec::new(child, channels))
    } else {
        match replace_last_merge(child, parts)? {
            Some(replaced) => replaced,
            None => return Ok(None),
        }
    };
    with_children(plan, vec![new_child]).map(Some)
}

/// What the tasks of a gang run.
struct Pipeline {
    /// What each task does, for people.
    labels: Vec<String>,
    /// Taken by the tasks, so that channels end when these do.
    parts: Vec<Mutex<Option<Part>>>,
    context: Arc<TaskContext>,
    failure: Failure,
}

impl Op for Pipeline {
    fn name(&self) -> &str {
        "sql.pipeline"
    }

    fn encode(&self, _: &OpRegistry) -> Result<Vec<u8>, EncodeError> {
        Err(EncodeError::Local { name: self.name().to_owned() })
    }

    fn body(&self, partition: u32) -> TaskBody {
        let part = self.parts.get(partition as usize);
        let part = part.and_then(|part| part.lock().unwrap_or_else(PoisonError::into_inner).take());
        let (context, failure) = (Arc::clone(&self.context), self.failure.clone());
        TaskBody::stream(move |_: TaskInputs, _: GraphContext| async move {
            let part = part.ok_or_else(|| TaskError::failed("a task of a plan cannot run again"))?;
            let Part { plan, partition, to, hold: _hold } = part;
            match to {
                To::Reader(to) => {
                    hand_over(&plan, partition, context, &to, |batch| batch)
                        .await
                        .map_err(|error| failure.keep(error))?;
                }
                To::Last(to) => {
                    if let Err(error) = hand_over(&plan, partition, context, &to, Ok).await {
                        let _ = to.send(Err(error)).await;
                    }
                }
            }
            Ok(Arc::new(Done) as ValueRef)
        })
    }

    fn label(&self, partition: u32) -> String {
        self.labels.get(partition as usize).cloned().unwrap_or_default()
    }
}

impl fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipeline").field("labels", &self.labels).finish_non_exhaustive()
    }
}

/// Sends the rows of a partition, until there are no more or nobody wants more.
pub(super) async fn hand_over<T>(
    plan: &Arc<dyn ExecutionPlan>,
    partition: usize,
    context: Arc<TaskContext>,
    to: &Sender<T>,
    message: impl Fn(RecordBatch) -> T,
) -> Result<()> {
    let mut batches = plan.execute(partition, context)?;
    let mut unwanted = pin!(to.closed());
    // A task that makes no batches for long is told as well.
    while let Either::Left((Some(batch), _)) = select(batches.next(), unwanted.as_mut()).await {
        if to.send(message(batch?)).await.is_err() {
            break;
        }
    }
    Ok(())
}

/// The result of a task whose rows have gone elsewhere.
#[derive(Debug)]
pub(super) struct Done;

impl Value for Done {
    fn size_bytes(&self) -> usize {
        0
    }
}
