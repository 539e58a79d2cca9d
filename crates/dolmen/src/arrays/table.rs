//! An array as a table: a row for each element, with its positions and its value.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::catalog::{Session as PlanSession, TableProvider};
use datafusion::common::{Column, ScalarValue};
use datafusion::error::{DataFusionError, Result as EngineResult};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{BinaryExpr, Expr, Operator, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use dolmen_array::{Array, Index};
use dolmen_graph::{ComputeError, TaskId};
use dolmen_storage::Reservation;
use futures::stream::{self, StreamExt, TryStreamExt};

use super::columns::{batches, schema_of};
use super::compute::ArrayRun;
use super::{FindExecutor, of_array};
use crate::{Error, Result};

/// An array as a table. Comparisons of positions with numbers cut the array before anything of it is computed.
pub(super) struct ArrayTable {
    array: Array,
    schema: SchemaRef,
    executor: Arc<FindExecutor>,
    /// Counts the bytes of an array that was computed when it was created.
    _held: Option<Reservation>,
}

impl ArrayTable {
    pub(super) fn new(array: Array, executor: Arc<FindExecutor>, held: Option<Reservation>) -> Result<Self> {
        let schema = schema_of(&array)?;
        Ok(Self { array, schema, executor, _held: held })
    }

    pub(super) fn array(&self) -> &Array {
        &self.array
    }

    /// All rows, computed from now on.
    pub(super) fn rows(&self) -> Result<(SchemaRef, SendableRecordBatchStream)> {
        let executor = (self.executor)().ok_or(Error::Cancelled)?;
        let run = ArrayRun::start(executor.as_ref(), std::slice::from_ref(&self.array))?;
        let n_blocks = run.outputs[0].chunks().n_blocks().map_err(of_array)?;
        let (starts, schema) = (vec![0; self.array.n_dims()], Arc::clone(&self.schema));
        let part = ArrayRows { blocks: Arc::new(Blocks { run, starts, schema }), partitions: 0..n_blocks };
        Ok((Arc::clone(&self.schema), part.rows()))
    }

    /// What the filters leave of each axis; `None` if the array has unknown lengths, and so no positions to compare with.
    fn bounds(&self, filters: &[Expr]) -> Option<Vec<Range<usize>>> {
        let mut bounds: Vec<Range<usize>> =
            self.array.dims().iter().map(|len| Some(0..(*len)?)).collect::<Option<_>>()?;
        for filter in filters {
            if let Some((axis, kept)) = limits(filter).and_then(|(name, kept)| Some((self.axis(name)?, kept))) {
                let bound = &mut bounds[axis];
                let end = bound.end.min(clamped(kept.end));
                *bound = bound.start.max(clamped(kept.start)).min(end)..end;
            }
        }
        Some(bounds)
    }

    fn axis(&self, name: &str) -> Option<usize> {
        self.schema.index_of(name).ok().filter(|axis| *axis < self.array.n_dims())
    }
}

fn clamped(position: i128) -> usize {
    usize::try_from(position.max(0)).unwrap_or(usize::MAX)
}

/// The column and the positions that a comparison leaves: `dim_0 >= 10`, `5 > dim_1`.
fn limits(filter: &Expr) -> Option<(&str, Range<i128>)> {
    let Expr::BinaryExpr(BinaryExpr { left, op, right }) = filter else { return None };
    let (column, op, value) = match (left.as_ref(), right.as_ref()) {
        (Expr::Column(column), Expr::Literal(value, _)) => (column, *op, value),
        (Expr::Literal(value, _), Expr::Column(column)) => (column, op.swap()?, value),
        _ => return None,
    };
    let Column { name, .. } = column;
    let ScalarValue::Int64(Some(value)) = value else { return None };
    let value = i128::from(*value);
    let kept = match op {
        Operator::Eq => value..value + 1,
        Operator::Lt => 0..value,
        Operator::LtEq => 0..value + 1,
        Operator::Gt => value + 1..i128::MAX,
        Operator::GtEq => value..i128::MAX,
        _ => return None,
    };
    Some((name, kept))
}

#[async_trait::async_trait]
impl TableProvider for ArrayTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> EngineResult<Vec<TableProviderFilterPushDown>> {
        let of_axis = |filter: &&Expr| limits(filter).is_some_and(|(name, _)| self.axis(name).is_some());
        let pushed = filters.iter().map(|filter| match of_axis(filter) {
            // They are looked at again: that costs little, and unknown lengths cut nothing.
            true => TableProviderFilterPushDown::Inexact,
            false => TableProviderFilterPushDown::Unsupported,
        });
        Ok(pushed.collect())
    }

    /// The graph starts with the plan, so that its tasks come before those of the query that waits for them; it is
    /// cancelled if the plan is dropped before.
    async fn scan(
        &self,
        state: &dyn PlanSession,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> EngineResult<Arc<dyn ExecutionPlan>> {
        let (array, starts) = match self.bounds(filters) {
            Some(bounds) => {
                let index: Vec<Index> =
                    bounds.iter().map(|range| Index::from(range.start as isize..range.end as isize)).collect();
                let starts = bounds.iter().map(|range| range.start).collect();
                (self.array.index(&index).map_err(|error| external(of_array(error)))?, starts)
            }
            None => (self.array.clone(), vec![0; self.array.n_dims()]),
        };
        let executor = (self.executor)().ok_or_else(|| external(Error::Cancelled))?;
        let run = ArrayRun::start(executor.as_ref(), &[array]).map_err(external)?;
        let n_blocks = run.outputs[0].chunks().n_blocks().map_err(|error| external(of_array(error)))?;
        let blocks = Arc::new(Blocks { run, starts, schema: Arc::clone(&self.schema) });
        let n_partitions =
            u32::try_from(state.config().target_partitions()).unwrap_or(u32::MAX).clamp(1, n_blocks.max(1));
        // Neighbouring blocks together.
        let bound = |p: u32| (u64::from(p) * u64::from(n_blocks) / u64::from(n_partitions)) as u32;
        let partitions = (0..n_partitions).map(|p| {
            let part = ArrayRows { blocks: Arc::clone(&blocks), partitions: bound(p)..bound(p + 1) };
            Arc::new(part) as Arc<dyn PartitionStream>
        });
        let table = StreamingTable::try_new(Arc::clone(&self.schema), partitions.collect())?;
        table.scan(state, projection, &[], limit).await
    }
}

impl fmt::Debug for ArrayTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ArrayTable").field(&self.array).finish()
    }
}

/// The blocks of a running graph.
struct Blocks {
    run: ArrayRun,
    /// The position of the first element in the whole array.
    starts: Vec<usize>,
    schema: SchemaRef,
}

impl Blocks {
    /// The rows of one block.
    async fn rows(&self, partition: u32) -> Result<Vec<RecordBatch>> {
        let output = &self.run.outputs[0];
        // Blocks of unknown sizes stand where those before them end.
        let offset = match output.chunks().offset(partition) {
            Some(offset) => offset.into_vec(),
            None => self.counted_offset(partition).await?,
        };
        let offset: Vec<usize> = offset.iter().zip(&self.starts).map(|(own, start)| own + start).collect();
        let value = self.value(partition).await?;
        let block = output.block_of(&value).map_err(of_array)?;
        batches(block, &offset, &self.schema)?.collect()
    }

    async fn value(&self, partition: u32) -> Result<dolmen_graph::ValueRef> {
        let task = TaskId::new(self.run.outputs[0].stage(), partition);
        Ok(self.run.run.value(task).await.map_err(ComputeError::from)?)
    }

    /// Where a block begins, by the sizes of the blocks before it along each axis.
    async fn counted_offset(&self, partition: u32) -> Result<Vec<usize>> {
        let output = &self.run.outputs[0];
        let index = output.chunks().block_index(partition);
        let mut offset = vec![0; index.len()];
        for axis in 0..index.len() {
            for before in 0..index[axis] {
                let mut other = index.clone();
                other[axis] = before;
                let value = self.value(output.chunks().partition_of(&other)).await?;
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

/// Some of the blocks, one after the other.
#[derive(Debug)]
struct ArrayRows {
    blocks: Arc<Blocks>,
    partitions: Range<u32>,
}

impl ArrayRows {
    fn rows(&self) -> SendableRecordBatchStream {
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
        self.rows()
    }
}

fn external(error: Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}
