//! From described arrays to computed ones.

use std::sync::Arc;

use dolmen_array::{Array, ArrayError, ArrayOutput, lower};
use dolmen_graph::{ComputeError, Executor, GraphBuilder, GraphRun, SubmitOptions, TaskId, cull};
use dolmen_kernels::{Block, Pool};
use dolmen_storage::format_bytes;

use super::statement::executor;
use crate::session::Core;
use crate::{Error, Result, Session};

/// A graph that computes arrays, and where their blocks are. Dropping it cancels the graph.
pub(super) struct ArrayRun {
    pub(super) run: Arc<dyn GraphRun>,
    pub(super) outputs: Vec<ArrayOutput>,
}

impl ArrayRun {
    /// Starts to compute all blocks of `arrays`; what they share is computed once.
    pub(super) fn start(executor: &dyn Executor, name: &str, arrays: &[Array]) -> Result<Self> {
        let mut builder = GraphBuilder::new();
        let outputs = lower(arrays, &mut builder).map_err(of_array)?;
        let graph = builder.build().map_err(|error| of_array(error.into()))?;
        let options = SubmitOptions { name: Some(name.to_owned()), ..SubmitOptions::default() };
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
    let run = ArrayRun::start(executor, "array", arrays)?;
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

/// The arrays with their blocks computed and kept by the executor; `name` is what plans and messages call them.
pub(super) async fn persisted(core: &Core, name: &str, arrays: &[Array]) -> Result<Vec<Array>> {
    let limit_bytes = core.budget.limit_bytes() as u64;
    // What cannot be kept is not computed.
    if let Some(bytes) = arrays.iter().filter_map(Array::block_bytes_max).find(|bytes| *bytes > limit_bytes) {
        let (bytes, limit) = (format_bytes(bytes), format_bytes(limit_bytes));
        let message = format!(
            "a block of the array to be persisted takes {bytes}, more than the memory limit of {limit}; give it smaller chunks"
        );
        return Err(Error::MemoryLimit { message, source: None });
    }
    let ArrayRun { run, outputs } = ArrayRun::start(executor(core)?.as_ref(), name, arrays)?;
    run.finished().await.map_err(ComputeError::from)?;
    let made = dolmen_array::persisted(name, &run, &outputs).await.map_err(of_array)?;
    Ok(made.into_iter().zip(arrays).map(|(made, array)| made.with_block_bytes(array.block_bytes())).collect())
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

    /// Computes arrays once, for all that is computed of them later; what they share is computed once. Dask's `persist`.
    ///
    /// The blocks are kept, under the session's limit, until the arrays and everything made of them are dropped: in memory
    /// where there is room, otherwise in the session's temporary folder. Chunks stay as they are; lengths that were unknown,
    /// such as that of a selection by a mask, are known then.
    ///
    /// ```
    /// use dolmen::array::{Array, ChunkSpec, Index, Reduce};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let session = dolmen::Session::builder().threads(2).build()?;
    /// let x = Array::arange(0, 1_000_000, 1, None, 100_000)?;
    /// let even = x.index(&[Index::from(&x.remainder(2)?.equal(0)?)])?;
    /// assert!(even.shape().is_err());
    /// let kept = session.persist_arrays_blocking(&[even])?;
    /// assert_eq!(kept[0].shape()?, [500_000]);
    /// // Now it can be cut anew.
    /// let total = kept[0].rechunk(250_000)?.sum(&Reduce::all())?;
    /// assert_eq!(session.compute_arrays_blocking(&[total])?[0].to_vec::<i64>()?, [249_999_500_000]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`compute_arrays`](Self::compute_arrays).
    pub async fn persist_arrays(&self, arrays: &[Array]) -> Result<Vec<Array>> {
        persisted(self.core(), "persisted", arrays).await
    }

    /// [`persist_arrays`](Self::persist_arrays), waiting on this thread.
    ///
    /// # Errors
    /// As there.
    pub fn persist_arrays_blocking(&self, arrays: &[Array]) -> Result<Vec<Array>> {
        self.wait(self.persist_arrays(arrays))
    }

    /// [`compute_arrays`](Self::compute_arrays), waiting on this thread.
    ///
    /// # Errors
    /// As there.
    pub fn compute_arrays_blocking(&self, arrays: &[Array]) -> Result<Vec<Block>> {
        self.wait(self.compute_arrays(arrays))
    }
}
