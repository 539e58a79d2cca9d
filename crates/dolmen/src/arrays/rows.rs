//! Rows of arrays, of their blocks.

use std::sync::{Arc, OnceLock};

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::SchemaRef;
use datafusion::error::{DataFusionError, Result as EngineResult};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use dolmen_array::{Array, ArrayOutput, lower_stages};
use dolmen_frame::{StageSource, UnitRows};
use dolmen_graph::{ComputeError, Executor, GraphBuilder, StageId, TaskId, ValueRef};
use dolmen_kernels::Block;
use futures::stream::{self, StreamExt, TryStreamExt};

use super::columns::{Column, batches};
use super::compute::ArrayRun;
use super::of_array;
use crate::{Error, Result};

/// Bytes of a column whose values have no width of their own.
const COLUMN_BYTES: usize = 16;

/// Arrays of one shape and the same chunks, of which at least one is there, as rows.
#[derive(Debug)]
pub(super) struct ArrayRows {
    pub(super) arrays: Vec<Array>,
    /// The position of the first element.
    pub(super) starts: Vec<usize>,
    /// What is read of each element, and its type.
    pub(super) columns: Vec<Column>,
    /// What the positions along each axis stand for.
    pub(super) labels: Vec<Option<ArrayRef>>,
    pub(super) schema: SchemaRef,
    pub(super) n_blocks: u32,
    /// So many rows of a block are enough.
    rows_max: usize,
    /// Where the blocks are, when the arrays are in a graph.
    outputs: OnceLock<Vec<ArrayOutput>>,
}

impl ArrayRows {
    pub(super) fn new(
        arrays: Vec<Array>,
        starts: Vec<usize>,
        columns: Vec<Column>,
        labels: Vec<Option<ArrayRef>>,
        schema: SchemaRef,
    ) -> Result<Self> {
        let n_blocks = arrays[0].chunks().n_blocks().map_err(of_array)?;
        let (rows_max, outputs) = (usize::MAX, OnceLock::new());
        Ok(Self { arrays, starts, columns, labels, schema, n_blocks, rows_max, outputs })
    }

    fn outputs(&self) -> Result<&[ArrayOutput]> {
        self.outputs.get().map(Vec::as_slice).ok_or_else(|| Error::internal("arrays that are in no graph"))
    }

    /// The same, of which the first `limit` rows are enough.
    pub(super) fn limited(self, limit: Option<usize>) -> Self {
        let Some(limit) = limit else { return self };
        let chunks = self.arrays[0].chunks();
        let mut n_rows = 0_usize;
        let first_enough = (0..self.n_blocks).find(|block| {
            n_rows = n_rows.saturating_add(chunks.block_len(*block).unwrap_or(0));
            n_rows >= limit
        });
        // Blocks of unknown sizes count as none.
        let n_blocks = first_enough.map_or(self.n_blocks, |block| block + 1);
        Self { n_blocks, rows_max: limit, ..self }
    }

    /// The rows of block `partition` of each array.
    fn batches(
        &self,
        partition: u32,
        values: &[ValueRef],
    ) -> Result<impl Iterator<Item = Result<RecordBatch>> + Send + use<>> {
        let outputs = self.outputs()?;
        let (of_block, before) = values.split_at(outputs.len().min(values.len()));
        let offset = match outputs[0].chunks().offset(partition) {
            Some(offset) => offset.into_vec(),
            None => counted_offset(&outputs[0], partition, before)?,
        };
        let offset: Vec<usize> = offset.iter().zip(&self.starts).map(|(own, start)| own + start).collect();
        let blocks = outputs.iter().zip(of_block).map(|(output, value)| output.block_of(value));
        let blocks: Vec<&Block> = blocks.collect::<std::result::Result<_, _>>().map_err(of_array)?;
        let (columns, labels, schema) = (self.columns.clone(), self.labels.clone(), Arc::clone(&self.schema));
        batches(&blocks, offset, columns, labels, schema, self.rows_max)
    }

    /// Starts to compute the arrays; their rows as they come.
    pub(super) fn start(self, executor: &dyn Executor) -> Result<SendableRecordBatchStream> {
        let ArrayRun { run, outputs } = ArrayRun::start(executor, "array", &self.arrays)?;
        let stages: Vec<StageId> = outputs.iter().map(ArrayOutput::stage).collect();
        let _ = self.outputs.set(outputs);
        let schema = Arc::clone(&self.schema);
        let (units, all) = (0..self.n_blocks, Arc::new((self, run, stages)));
        let rows = stream::iter(units).then(move |partition| {
            let all = Arc::clone(&all);
            async move {
                let (rows, run, stages) = &*all;
                let mut values = Vec::new();
                for (array, block) in rows.values_of(partition) {
                    let value = run.value(TaskId::new(stages[array], block)).await;
                    values.push(value.map_err(|error| external(ComputeError::from(error).into()))?);
                }
                rows.rows(partition, &values).map(stream::iter)
            }
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, rows.try_flatten())))
    }
}

/// Where a block begins, by the sizes of the blocks before it along each axis.
fn counted_offset(output: &ArrayOutput, partition: u32, before: &[ValueRef]) -> Result<Vec<usize>> {
    let index = output.chunks().block_index(partition);
    let mut offset = vec![0; index.len()];
    let mut before = before.iter();
    for axis in 0..index.len() {
        for value in before.by_ref().take(index[axis] as usize) {
            offset[axis] += output.block_of(value).map_err(of_array)?.shape()[axis];
        }
    }
    Ok(offset)
}

impl StageSource for ArrayRows {
    fn description(&self) -> String {
        let columns: Vec<&str> = self.schema.fields().iter().map(|field| field.name().as_str()).collect();
        let blocks = if self.n_blocks == 1 { "block" } else { "blocks" };
        format!("array of {} {blocks}, columns=[{}]", self.n_blocks, columns.join(", "))
    }

    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn n_units(&self) -> u32 {
        self.n_blocks
    }

    fn size(&self) -> Option<(usize, usize)> {
        let rows = match self.rows_max {
            usize::MAX => self.arrays[0].dims().iter().copied().product::<Option<usize>>()?,
            // At least as many of the blocks that are read.
            _ => return None,
        };
        let width = |field: &arrow::datatypes::FieldRef| field.data_type().primitive_width().unwrap_or(COLUMN_BYTES);
        Some((rows, rows.saturating_mul(self.schema.fields().iter().map(width).sum())))
    }

    fn add_stages(&self, builder: &mut GraphBuilder) -> EngineResult<Vec<StageId>> {
        let outputs = lower_stages(&self.arrays, builder).map_err(|error| external(of_array(error)))?;
        let stages = outputs.iter().map(ArrayOutput::stage).collect();
        let _ = self.outputs.set(outputs);
        Ok(stages)
    }

    /// The block itself, of each array. Blocks of unknown sizes stand where those before them end, so these follow, axis by
    /// axis.
    fn values_of(&self, partition: u32) -> Vec<(usize, u32)> {
        let mut values: Vec<(usize, u32)> = (0..self.arrays.len()).map(|array| (array, partition)).collect();
        let chunks = self.arrays[0].chunks();
        if chunks.offset(partition).is_none() {
            let index = chunks.block_index(partition);
            for axis in 0..index.len() {
                values.extend((0..index[axis]).map(|before| {
                    let mut other = index.clone();
                    other[axis] = before;
                    (0, chunks.partition_of(&other))
                }));
            }
        }
        values
    }

    fn rows(&self, partition: u32, values: &[ValueRef]) -> EngineResult<UnitRows> {
        let rows = self.batches(partition, values).map_err(external)?;
        Ok(Box::new(rows.map(|batch| batch.map_err(external))))
    }
}

pub(super) fn external(error: Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}
