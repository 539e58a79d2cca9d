//! Rows of arrays while their blocks are being computed.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::SchemaRef;
use datafusion::error::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use dolmen_array::{Array, ArrayOutput};
use dolmen_graph::{ComputeError, Executor, TaskId, ValueRef};
use dolmen_kernels::Block;
use futures::stream::{self, StreamExt, TryStreamExt};

use super::columns::{Column, batches};
use super::compute::ArrayRun;
use super::of_array;
use crate::{Error, Result};

/// A running graph whose blocks are read as rows.
pub(super) struct Blocks {
    run: ArrayRun,
    /// The position of the first element.
    starts: Vec<usize>,
    /// What is read of each element, and its type.
    columns: Vec<Column>,
    /// What the positions along each axis stand for.
    labels: Vec<Option<ArrayRef>>,
    schema: SchemaRef,
}

impl Blocks {
    /// Starts to compute `arrays`, which have one shape and the same chunks, and of which at least one is there.
    pub(super) fn start(
        executor: &dyn Executor,
        arrays: &[Array],
        starts: Vec<usize>,
        columns: Vec<Column>,
        labels: Vec<Option<ArrayRef>>,
        schema: SchemaRef,
    ) -> Result<Self> {
        Ok(Self { run: ArrayRun::start(executor, arrays)?, starts, columns, labels, schema })
    }

    /// The first array, for what all have in common.
    fn first(&self) -> &ArrayOutput {
        &self.run.outputs[0]
    }

    pub(super) fn n_blocks(&self) -> Result<u32> {
        self.first().chunks().n_blocks().map_err(of_array)
    }

    /// The rows of one block of each array.
    async fn rows(&self, partition: u32) -> Result<Vec<RecordBatch>> {
        // Blocks of unknown sizes stand where those before them end.
        let offset = match self.first().chunks().offset(partition) {
            Some(offset) => offset.into_vec(),
            None => self.counted_offset(partition).await?,
        };
        let offset: Vec<usize> = offset.iter().zip(&self.starts).map(|(own, start)| own + start).collect();
        let mut values = Vec::with_capacity(self.run.outputs.len());
        for output in &self.run.outputs {
            values.push(self.value(output, partition).await?);
        }
        let blocks = self.run.outputs.iter().zip(&values).map(|(output, value)| output.block_of(value));
        let blocks: Vec<&Block> = blocks.collect::<std::result::Result<_, _>>().map_err(of_array)?;
        batches(&blocks, &offset, &self.columns, &self.labels, &self.schema)?.collect()
    }

    async fn value(&self, output: &ArrayOutput, partition: u32) -> Result<ValueRef> {
        Ok(self.run.run.value(TaskId::new(output.stage(), partition)).await.map_err(ComputeError::from)?)
    }

    /// Where a block begins, by the sizes of the blocks before it along each axis.
    async fn counted_offset(&self, partition: u32) -> Result<Vec<usize>> {
        let output = self.first();
        let index = output.chunks().block_index(partition);
        let mut offset = vec![0; index.len()];
        for axis in 0..index.len() {
            for before in 0..index[axis] {
                let mut other = index.clone();
                other[axis] = before;
                let value = self.value(output, output.chunks().partition_of(&other)).await?;
                offset[axis] += output.block_of(&value).map_err(of_array)?.shape()[axis];
            }
        }
        Ok(offset)
    }
}

impl fmt::Debug for Blocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blocks").field("starts", &self.starts).finish_non_exhaustive()
    }
}

/// The rows of some of the blocks, one block after the other.
#[derive(Debug)]
pub(super) struct ArrayRows {
    pub(super) blocks: Arc<Blocks>,
    pub(super) partitions: Range<u32>,
}

impl ArrayRows {
    pub(super) fn stream(&self) -> SendableRecordBatchStream {
        let blocks = Arc::clone(&self.blocks);
        let rows =
            stream::iter(self.partitions.clone()).then(move |partition| {
                let blocks = Arc::clone(&blocks);
                async move {
                    blocks.rows(partition).await.map(|rows| stream::iter(rows.into_iter().map(Ok))).map_err(external)
                }
            });
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.blocks.schema), rows.try_flatten()))
    }
}

impl PartitionStream for ArrayRows {
    fn schema(&self) -> &SchemaRef {
        &self.blocks.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        self.stream()
    }
}

pub(super) fn external(error: Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}
