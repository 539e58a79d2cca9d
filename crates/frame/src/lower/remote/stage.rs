//! A stage as data: what its tasks do in whatever process they run.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::physical_plan::execution_plan::reset_plan_states;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::{ExecutionPlan, Partitioning};
use dolmen_graph::{
    EncodeError, Op, OpRegistry, Pieces, TaskBody, TaskContext as GraphContext, TaskError, TaskInputs, ValueRef,
};
use futures::{FutureExt, StreamExt};
use serde::{Deserialize, Serialize};

use super::error::StageError;
use super::rows::{RowsValue, Values};
use super::shared;
use super::worker::Worker;
use crate::cancel::{self, Cancellation};
use crate::lower::choose::table_bytes_max;
use crate::lower::encode::{self, Outside, Places, wire};
use crate::lower::exchange::{ExchangeStore, Writer};
use crate::lower::read::ReadExec;
use crate::lower::staged::Place;
use crate::lower::{adaptive_join, external, held};

/// A part of a plan that is to be a stage.
pub(in crate::lower) struct Part<'a> {
    pub(in crate::lower) plan: &'a Arc<dyn ExecutionPlan>,
    pub(in crate::lower) outside: Outside,
    /// How its rows are divided, and for which tasks; in one piece if they are not.
    pub(in crate::lower) divided: Option<(&'a Partitioning, Place)>,
    /// The place of the values that it finds, if it is run for them.
    pub(in crate::lower) finds: Option<Places>,
}

/// What is known of a stage without reading its plan.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Header {
    label: String,
    settings: Vec<(String, String)>,
    /// If its rows are divided: the task that reads the first piece, and how many tasks there are.
    pieces: Option<(usize, usize)>,
    n_partitions: usize,
    /// The number of values that it is run for; the place of them is the last one from outside.
    n_found: Option<usize>,
}

/// The operation of a stage: its plan as bytes, which each process reads once.
pub(super) struct StageOp {
    header: Header,
    bytes: Arc<[u8]>,
    worker: Arc<Worker>,
    /// Set by the first task, if others can use it too.
    loaded: Arc<OnceLock<Arc<Loaded>>>,
}

/// A stage in the process that runs it.
struct Loaded {
    plan: Arc<dyn ExecutionPlan>,
    outside: Outside,
    partitioning: Option<Partitioning>,
    context: Arc<TaskContext>,
    exchange: Arc<ExchangeStore>,
    /// Whether each task gets a plan like this one; else the first gets this one itself.
    serves_all: bool,
}

const STAGE: &str = "sql.remote_stage";
const SCALAR: &str = "sql.remote_scalar";

impl StageOp {
    pub(super) const NAMES: [&'static str; 2] = [STAGE, SCALAR];

    /// # Errors
    /// [`NotPortable`](encode::NotPortable) within if the plan cannot be sent to another process.
    pub(super) fn of(
        part: &Part<'_>,
        settings: &[(String, String)],
        context: &Arc<TaskContext>,
        worker: &Arc<Worker>,
    ) -> Result<Self> {
        shared::check(part.plan)?;
        let plan: Arc<dyn ExecutionPlan> = match part.divided {
            Some((partitioning, _)) => Arc::new(RepartitionExec::try_new(Arc::clone(part.plan), partitioning.clone())?),
            None => Arc::clone(part.plan),
        };
        let mut outside = part.outside.clone();
        outside.values.extend(part.finds.clone());
        let header = Header {
            label: part.plan.name().to_owned(),
            settings: settings.to_vec(),
            pieces: part.divided.map(|(_, place)| (place.offset, place.n_tasks)),
            n_partitions: part.plan.properties().output_partitioning().partition_count(),
            n_found: part.finds.as_ref().map(|(_, n)| *n),
        };
        let plan = encode::encode(&plan, &outside, context)?;
        let bytes = wire::framed(&header, &plan)?;
        Ok(Self::new(header, &bytes, worker))
    }

    pub(super) fn decode(bytes: &[u8], worker: &Arc<Worker>) -> Result<Self> {
        let (header, _) = wire::unframed(bytes)?;
        Ok(Self::new(header, bytes, worker))
    }

    fn new(header: Header, bytes: &[u8], worker: &Arc<Worker>) -> Self {
        Self { header, bytes: Arc::from(bytes), worker: Arc::clone(worker), loaded: Arc::default() }
    }
}

impl Loaded {
    fn read(header: &Header, bytes: &[u8], worker: &Worker, task: &GraphContext) -> Result<Self> {
        let (_, plan) = wire::unframed::<Header>(bytes)?;
        let (context, exchange) = worker.context(&header.settings, task)?;
        let (plan, outside) = encode::decode_bare(plan, &context)?;
        let divided = header.pieces.map(|_| plan.downcast_ref::<RepartitionExec>());
        let (plan, partitioning) = match divided {
            Some(Some(divided)) => (Arc::clone(divided.input()), Some(divided.partitioning().clone())),
            Some(None) => return Err(wire::missing("how rows are divided")),
            None => (plan, None),
        };
        let serves_all = header.n_partitions > 1 && header.n_found.is_none() && !shared::runs_once(&plan);
        // A process runs one task at a time.
        let table_bytes_max = table_bytes_max(context.memory_pool().as_ref(), 1);
        let plan = held::count_held(adaptive_join::adapted(plan, table_bytes_max)?)?;
        Ok(Self { plan, outside, partitioning, context, exchange, serves_all })
    }

    /// A plan for one task, over its inputs.
    fn plan_for(&self, inputs: &TaskInputs, cancellation: &Cancellation) -> Result<Arc<dyn ExecutionPlan>> {
        let mut plan = Arc::clone(&self.plan);
        if self.serves_all {
            plan = reset_plan_states(plan)?;
        }
        for (input_idx, read) in self.outside.reads.iter().enumerate() {
            let n = inputs.input(input_idx).len();
            let rows = (0..n).map(|i| inputs.get::<RowsValue>(input_idx, i).map(|rows| rows.bytes()));
            let rows = rows.collect::<Result<Vec<Bytes>, _>>().map_err(external)?;
            let sizes = rows.iter().map(Bytes::len).collect();
            let fetch = move |i: usize| {
                let bytes = rows.get(i).cloned().ok_or_else(|| wire::missing("an input"));
                async move { bytes }.boxed()
            };
            let node = reading(&plan, read.from()).ok_or_else(|| wire::missing("a part that is read"))?;
            node.provide_fetched(n, Arc::new(fetch), Some(sizes));
        }
        let n_reads = self.outside.reads.len();
        for (i, (places, _)) in self.outside.values.iter().enumerate() {
            // The last one is that of the values which the stage itself is to find.
            if n_reads + i < inputs.n_inputs() && !inputs.input(n_reads + i).is_empty() {
                inputs.get::<Values>(n_reads + i, 0).map_err(external)?.put_to(places)?;
            }
        }
        cancel::stoppable(&plan, cancellation, false)
    }

    async fn run(
        &self,
        header: &Header,
        partition: usize,
        inputs: &TaskInputs,
        cancellation: &Cancellation,
    ) -> Result<ValueRef> {
        let plan = self.plan_for(inputs, cancellation)?;
        let schema = plan.schema();
        let mut batches = plan.execute(partition, Arc::clone(&self.context))?;
        if let Some(n) = header.n_found {
            while let Some(batch) = batches.next().await {
                batch?;
            }
            let (places, _) = self.outside.values.last().ok_or_else(|| wire::missing("the place of values"))?;
            return Ok(Arc::new(Values::of(places, n)));
        }
        let batch_rows = self.context.session_config().batch_size();
        let place = (partition, header.n_partitions);
        let partitioning = self.partitioning.clone();
        let mut writer = Writer::new(&self.exchange, partitioning, Arc::clone(&schema), batch_rows, place)?;
        while let Some(batch) = batches.next().await {
            writer.write(batch?)?;
        }
        let output = writer.finish()?;
        let piece = |piece| RowsValue::of(&output, piece, &schema).map(|rows| Arc::new(rows) as ValueRef);
        let Some((offset, n_tasks)) = header.pieces else { return piece(0) };
        // Tasks that read nothing of it get a piece without rows, as one beyond the last is.
        let nothing = usize::MAX;
        let pieces = (0..n_tasks).map(|task| piece(task.checked_sub(offset).unwrap_or(nothing)));
        Ok(Arc::new(Pieces::new(pieces.collect::<Result<_>>()?)))
    }
}

/// The node of a plan that reads the stage `from`.
fn reading<'a>(plan: &'a Arc<dyn ExecutionPlan>, from: &str) -> Option<&'a ReadExec> {
    match plan.downcast_ref::<ReadExec>() {
        Some(read) => (read.from().as_ref() == from).then_some(read),
        None => plan.children().into_iter().find_map(|child| reading(child, from)),
    }
}

impl Op for StageOp {
    fn name(&self) -> &str {
        if self.header.n_found.is_some() { SCALAR } else { STAGE }
    }

    fn encode(&self, _: &OpRegistry) -> Result<Vec<u8>, EncodeError> {
        Ok(self.bytes.to_vec())
    }

    fn body(&self, partition: u32) -> TaskBody {
        let (header, bytes) = (self.header.clone(), Arc::clone(&self.bytes));
        let (worker, known) = (Arc::clone(&self.worker), Arc::clone(&self.loaded));
        TaskBody::stream(move |inputs: TaskInputs, task: GraphContext| async move {
            let failed = |error: DataFusionError| TaskError::failed(StageError::of(&error));
            let loaded = match known.get() {
                Some(loaded) => Arc::clone(loaded),
                None => {
                    let loaded = Arc::new(Loaded::read(&header, &bytes, &worker, &task).map_err(failed)?);
                    if loaded.serves_all {
                        let _ = known.set(Arc::clone(&loaded));
                    }
                    loaded
                }
            };
            let cancellation = Cancellation::new();
            let work = loaded.run(&header, partition as usize, &inputs, &cancellation);
            let watch = async {
                while !task.is_cancelled() {
                    tokio::time::sleep(LOOK_EVERY).await;
                }
                cancellation.cancel();
            };
            let (work, watch) = (std::pin::pin!(work), std::pin::pin!(watch));
            match futures::future::select(work, watch).await {
                futures::future::Either::Left((result, _)) => result.map_err(failed),
                futures::future::Either::Right(((), _)) => Err(TaskError::Cancelled),
            }
        })
    }

    fn label(&self, _: u32) -> String {
        self.header.label.clone()
    }
}

/// How often a task looks whether it is still wanted.
const LOOK_EVERY: Duration = Duration::from_millis(20);

impl fmt::Debug for StageOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StageOp").field("label", &self.header.label).finish_non_exhaustive()
    }
}
