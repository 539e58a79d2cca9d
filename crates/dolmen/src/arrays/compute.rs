//! From described arrays to computed ones.

use std::sync::Arc;

use dolmen_array::{Array, ArrayError, ArrayOutput, ChunkSpec, lower};
use dolmen_graph::{ComputeError, Executor, GraphBuilder, GraphRun, SubmitOptions, TaskId, cull};
use dolmen_kernels::{Block, Pool};

use crate::{Error, Result, Session};

/// A graph that computes arrays, and where their blocks are. Dropping it cancels the graph.
pub(super) struct ArrayRun {
    pub(super) run: Arc<dyn GraphRun>,
    pub(super) outputs: Vec<ArrayOutput>,
}

impl ArrayRun {
    /// Starts to compute all blocks of `arrays`; what they share is computed once.
    pub(super) fn start(executor: &dyn Executor, arrays: &[Array]) -> Result<Self> {
        let mut builder = GraphBuilder::new();
        let outputs = lower(arrays, &mut builder).map_err(of_array)?;
        let graph = builder.build().map_err(|error| of_array(error.into()))?;
        let options = SubmitOptions { name: Some("array".to_owned()), ..SubmitOptions::default() };
        let run = executor.submit(Arc::new(cull(graph)), options).map_err(ComputeError::from)?;
        Ok(Self { run, outputs })
    }

    /// All blocks of one output as one.
    async fn assembled(&self, output: &ArrayOutput) -> Result<Block> {
        let n_blocks = output.chunks().n_blocks().map_err(of_array)?;
        let mut values = Vec::new();
        for partition in 0..n_blocks {
            let value = self.run.value(TaskId::new(output.stage(), partition)).await;
            values.push(value.map_err(ComputeError::from)?);
        }
        output.assemble(&values, &Pool::new(0)).map_err(of_array)
    }
}

/// Computes arrays on an executor; what they share is computed once.
pub(super) async fn compute(executor: &dyn Executor, arrays: &[Array]) -> Result<Vec<Block>> {
    let run = ArrayRun::start(executor, arrays)?;
    let mut blocks = Vec::with_capacity(arrays.len());
    for output in &run.outputs {
        blocks.push(run.assembled(output).await?);
    }
    Ok(blocks)
}

/// Computes one array on an executor.
pub(super) async fn compute_one(executor: &dyn Executor, array: &Array) -> Result<Block> {
    let mut blocks = compute(executor, std::slice::from_ref(array)).await?;
    blocks.pop().ok_or_else(|| Error::internal("an array without blocks"))
}

/// The array with its elements in memory, cut as it was.
pub(super) async fn persisted(executor: &dyn Executor, array: &Array) -> Result<(Array, usize)> {
    let block = compute_one(executor, array).await?;
    let sizes: Option<Vec<Vec<usize>>> = array.chunks().axes().iter().map(|axis| axis.sizes()).collect();
    // Sizes that were unknown are found out; the blocks of such an array are one then.
    let chunks = sizes.map_or(ChunkSpec::Auto, ChunkSpec::from);
    let bytes = block.held_bytes();
    Ok((Array::from_block(block, chunks).map_err(of_array)?, bytes))
}

/// An error of arrays as one of the session's.
pub(crate) fn of_array(error: ArrayError) -> Error {
    let message = error.to_string();
    Error::Invalid { message, position: None, source: Some(Box::new(error)) }
}

impl Session {
    /// Computes arrays under the session's limits, each into one block of memory; what they share is computed once.
    /// Blocks on the way are counted, and spilled if need be; the result is the caller's, and not counted.
    ///
    /// ```
    /// use dolmen::array::{Array, DType, Reduce};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let session = dolmen::Session::builder().threads(2).build()?;
    /// let x = Array::ones(&[1000, 1000], DType::F64, 250)?;
    /// let sum = (&x + 1.0).sum(&Reduce::all())?;
    /// let blocks = session.compute_arrays_blocking(&[sum])?;
    /// assert_eq!(blocks[0].to_vec::<f64>()?, [2_000_000.0]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Invalid`] if an expression is not sound, before anything runs; [`Error::Compute`] with the key of the task
    /// that failed.
    pub async fn compute_arrays(&self, arrays: &[Array]) -> Result<Vec<Block>> {
        compute(self.executor()?.as_ref(), arrays).await
    }

    /// [`compute_arrays`](Self::compute_arrays), waiting on this thread.
    ///
    /// # Errors
    /// As there.
    pub fn compute_arrays_blocking(&self, arrays: &[Array]) -> Result<Vec<Block>> {
        self.wait(self.compute_arrays(arrays))
    }
}
