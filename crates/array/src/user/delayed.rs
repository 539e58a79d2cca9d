//! Arrays from delayed values, and back.

use std::fmt;
use std::sync::Arc;

use dolmen_graph::{
    Delayed, Executor, GraphBuilder, Input, Plain, StageId, SubmitOptions, TaskContext, TaskError, TaskId, TaskResult,
    ValueRef, delayed_with_context, lower_delayed,
};
use dolmen_kernels::{Block, Element};
use ndarray::ArrayD;

use crate::node::Expr;
use crate::task::{Foreign, Task, unknown};
use crate::{Array, ArrayError, Chunks, lower, to_ndarray};

type Lower = dyn Fn(&mut GraphBuilder) -> Result<Vec<TaskId>, ArrayError> + Send + Sync;
type Adopt = dyn Fn(&ValueRef) -> Option<Block> + Send + Sync;

/// Values that come about outside of an expression: adds their stages to a graph, and says which task makes which block.
#[derive(Clone)]
pub(crate) struct External {
    lower: Arc<Lower>,
    adopt: Arc<Adopt>,
}

impl External {
    pub(crate) fn name(&self) -> &'static str {
        "from_delayed"
    }

    /// Adds the stages, which make up one stage and its inputs; the tasks are those of the blocks in order.
    pub(crate) fn lower(&self, builder: &mut GraphBuilder) -> Result<Vec<TaskId>, ArrayError> {
        (self.lower)(builder)
    }
}

impl fmt::Debug for External {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("External")
    }
}

impl Array {
    /// The array whose blocks, in row-major order, are the results of `blocks`. A block that turns out to have another shape
    /// than `chunks` say is an error when it is computed.
    ///
    /// # Errors
    /// [`ArrayError::ChunkMismatch`] unless there is a value for each block.
    pub fn from_delayed<T: Element + Clone>(
        blocks: Vec<Delayed<ArrayD<T>>>,
        chunks: Chunks,
    ) -> Result<Self, ArrayError> {
        if usize::try_from(chunks.n_blocks()?) != Ok(blocks.len()) {
            let problem = format!("{} delayed values are given for chunks {chunks}", blocks.len());
            return Err(ArrayError::ChunkMismatch { op: "from_delayed", problem });
        }
        let lower = move |builder: &mut GraphBuilder| {
            let lowered = lower_delayed(blocks.clone()).map_err(|error| ArrayError::Source {
                source_name: "from_delayed".to_owned(),
                error: Arc::new(error),
            })?;
            let first = builder.next_id().0;
            for (_, stage) in lowered.graph().stages() {
                let mut stage = stage.clone();
                stage.key = builder.unique_key(&stage.key);
                for Input { stage, .. } in &mut stage.inputs {
                    *stage = StageId(stage.0 + first);
                }
                builder.add_stage(stage)?;
            }
            let results = lowered.results().iter();
            Ok(results.map(|task| TaskId::new(StageId(task.stage.0 + first), task.partition)).collect())
        };
        let adopt = |value: &ValueRef| {
            let plain = value.downcast_ref::<Plain<ArrayD<T>>>()?;
            Some(Block::from_ndarray(plain.get().clone()))
        };
        let external = External { lower: Arc::new(lower), adopt: Arc::new(adopt) };
        Ok(Self::from_node(Expr::External(external), T::DTYPE, chunks))
    }

    /// A delayed value for each block, in row-major order. Each computes what its block needs, on the executor that runs it.
    ///
    /// # Errors
    /// [`ArrayError::WrongDType`] if the elements are no `T`; the error of [`check`](Self::check).
    pub fn to_delayed<T: Element + Clone>(&self) -> Result<Vec<Delayed<ArrayD<T>>>, ArrayError> {
        self.check()?;
        if self.dtype().storage() != T::DTYPE {
            return Err(ArrayError::WrongDType { expected: T::DTYPE, actual: self.dtype() });
        }
        let array = self.clone();
        let block = delayed_with_context(move |context: &TaskContext, partition: u32| {
            array.compute_block(context, partition).and_then(|block| to_ndarray(&block))
        });
        let block = block.named(&format!("block of {}", self.node.expr.name()));
        Ok((0..self.chunks().n_blocks()?).map(|partition| block.try_call(partition)).collect())
    }

    /// Block `partition`, computed within a task.
    fn compute_block(&self, executor: &impl Executor, partition: u32) -> Result<Block, ArrayError> {
        let mut builder = GraphBuilder::new();
        let outputs = lower::lower_stages(std::slice::from_ref(self), &mut builder)?;
        let task = TaskId::new(outputs[0].stage(), partition);
        builder.add_output(task.stage, dolmen_graph::PartitionSet::one(partition))?;
        let graph = builder.build()?;
        // Culling renumbers stages; the one output stays the one output.
        let graph = Arc::new(dolmen_graph::cull(graph));
        let task = TaskId::new(graph.outputs()[0].stage, partition);
        let run = executor
            .submit(graph, SubmitOptions::default())
            .map_err(|error| ArrayError::Source { source_name: "to_delayed".to_owned(), error: Arc::new(error) })?;
        let value = run.wait_value(task, None).ok_or(dolmen_graph::RunError::Cancelled)??;
        Ok(outputs[0].block_of(&value)?.clone())
    }
}

/// A delayed value as a block, which has to be as it was announced.
pub(crate) fn adopt(task: &Task<'_>) -> TaskResult {
    let Foreign::External(external) = task.foreign else { return Err(unknown()) };
    let value = task.inputs.input(0).first().ok_or(TaskError::InputMissing { input_idx: 0, position: 0 })?;
    let block =
        (external.adopt)(value).ok_or_else(|| TaskError::failed("a delayed value is no array of the dtype said"))?;
    let dims = task.dims();
    let fits = block.ndim() == dims.len()
        && block.shape().iter().zip(&dims).all(|(len, dim)| dim.is_none_or(|dim| dim == *len));
    if !fits {
        return Err(TaskError::failed(format!(
            "a delayed value has shape {:?}, its block was announced as {}",
            block.shape(),
            crate::shape::shape_text(&dims)
        )));
    }
    task.value(block)
}
