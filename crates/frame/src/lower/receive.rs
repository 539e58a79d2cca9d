use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::arrow::array::RecordBatch;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, SchedulingType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, Partitioning, PlanProperties,
};
use futures::stream;
use tokio::sync::mpsc::Receiver;

/// Stands in a plan for operators that run in other tasks: their batches come through channels, one for each partition.
#[derive(Debug)]
pub(super) struct ReceiveExec {
    /// The operators, for who reads the plan.
    name: String,
    properties: Arc<PlanProperties>,
    /// Taken when the partition is executed.
    channels: Mutex<Vec<Option<Receiver<Result<RecordBatch>>>>>,
}

impl ReceiveExec {
    /// The rows of `plan`, partition by partition or, from one channel, all of them in no order.
    pub(super) fn new(plan: &Arc<dyn ExecutionPlan>, channels: Vec<Receiver<Result<RecordBatch>>>) -> Self {
        let n_partitions = channels.len();
        let properties = if n_partitions == plan.output_partitioning().partition_count() {
            plan.properties().as_ref().clone()
        } else {
            PlanProperties::new(
                EquivalenceProperties::new(plan.schema()),
                Partitioning::UnknownPartitioning(n_partitions),
                EmissionType::Incremental,
                Boundedness::Bounded,
            )
        };
        Self {
            name: plan.name().to_owned(),
            // Reading a channel counts against the budget of the task that reads it.
            properties: Arc::new(properties.with_scheduling_type(SchedulingType::Cooperative)),
            channels: Mutex::new(channels.into_iter().map(Some).collect()),
        }
    }
}

impl DisplayAs for ReceiveExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReceiveExec: from={}", self.name)
    }
}

impl ExecutionPlan for ReceiveExec {
    fn name(&self) -> &str {
        "ReceiveExec"
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
        let mut channels = self.channels.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = channels.get_mut(partition).and_then(Option::take);
        let channel = taken.ok_or_else(|| {
            DataFusionError::Internal(format!("partition {partition} of {} is not there to be read", self.name))
        })?;
        let batches = stream::unfold(channel, |mut channel| async { Some((channel.recv().await?, channel)) });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), batches)))
    }
}
