//! Arrays whose blocks a run has computed and keeps.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dolmen_graph::{Awaited, BoxFuture, GraphRun, RunId, StageId, TaskError, TaskId, TaskResult};

use crate::chunks::AxisChunks;
use crate::node::Expr;
use crate::{Array, ArrayError, ArrayOutput, Chunks};

/// The blocks of an array as results of a run, which are freed with the last array that has them.
#[derive(Debug, Clone)]
pub(crate) struct Persisted(Arc<Results>);

#[derive(Debug)]
struct Results {
    name: String,
    run: Arc<dyn GraphRun>,
    stage: StageId,
    /// The partition of the run that has each block.
    partitions: Box<[u32]>,
}

/// Results that a graph reads, until it is told that it has run.
#[derive(Debug, Clone)]
pub(crate) struct Borrowed(Arc<Mutex<Option<Persisted>>>);

/// The result that is one block.
struct Link {
    results: Borrowed,
    block: usize,
}

/// A block was asked for after its graph had let go of it.
#[derive(Debug, thiserror::Error)]
#[error("a block of a persisted array was lost, and what it is made of is gone; persist the array again")]
struct LetGo;

impl Persisted {
    pub(crate) fn name(&self) -> &str {
        &self.0.name
    }

    /// What a graph reads the blocks by.
    pub(crate) fn lend(&self) -> Borrowed {
        Borrowed(Arc::new(Mutex::new(Some(self.clone()))))
    }
}

impl Borrowed {
    /// A link for each block.
    pub(crate) fn links(&self) -> Arc<[Arc<dyn Awaited>]> {
        let n_blocks = self.get().map_or(0, |persisted| persisted.0.partitions.len());
        (0..n_blocks).map(|block| Arc::new(Link { results: self.clone(), block }) as Arc<dyn Awaited>).collect()
    }

    fn get(&self) -> Option<Persisted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn let_go(&self) {
        let persisted = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        // Results are freed after the lock is.
        drop(persisted);
    }
}

impl Link {
    fn task(&self) -> Option<(Arc<dyn GraphRun>, TaskId)> {
        let Persisted(results) = self.results.get()?;
        Some((Arc::clone(&results.run), TaskId::new(results.stage, *results.partitions.get(self.block)?)))
    }
}

impl Awaited for Link {
    fn now(&self) -> Option<TaskResult> {
        let Some((run, task)) = self.task() else { return Some(Err(TaskError::failed(LetGo))) };
        Some(run.wait_value(task, Some(Duration::ZERO))?.map_err(TaskError::failed))
    }

    fn value(&self) -> BoxFuture<TaskResult> {
        let task = self.task();
        Box::pin(async move {
            let (run, task) = task.ok_or_else(|| TaskError::failed(LetGo))?;
            run.value(task).await.map_err(TaskError::failed)
        })
    }

    fn lender(&self) -> Option<(RunId, TaskId)> {
        let (run, task) = self.task()?;
        Some((run.id(), task))
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("block", &self.block).finish_non_exhaustive()
    }
}

impl Drop for Results {
    fn drop(&mut self) {
        for partition in &self.partitions {
            self.run.release(TaskId::new(self.stage, *partition));
        }
    }
}

/// The arrays of `outputs`, whose blocks are those that `run` has computed and keeps, in memory or on disk, for as long as
/// there is the array or one that is made of it. Dask's `persist`. `name` is what reprs and plans call them.
///
/// Waits until all blocks are there. Chunks are those of the outputs; sizes that were unknown are known then. What persisted
/// arrays the graph of the run has read is let go, so that arrays may be persisted again and again, each from the last.
///
/// # Errors
/// [`ArrayError::Run`] if the run fails, or is not that of the graph of `outputs`.
pub async fn persisted(name: &str, run: &Arc<dyn GraphRun>, outputs: &[ArrayOutput]) -> Result<Vec<Array>, ArrayError> {
    run.finished().await?;
    let mut arrays: Vec<Array> = Vec::with_capacity(outputs.len());
    for (idx, output) in outputs.iter().enumerate() {
        // Blocks have one owner.
        let same = outputs[..idx].iter().position(|earlier| earlier.stage() == output.stage());
        arrays.push(match same {
            Some(same) => arrays[same].clone(),
            None => one(name, run, output).await?,
        });
    }
    outputs.iter().flat_map(|output| &*output.borrowed).for_each(Borrowed::let_go);
    Ok(arrays)
}

async fn one(name: &str, run: &Arc<dyn GraphRun>, output: &ArrayOutput) -> Result<Array, ArrayError> {
    let planned = output.chunks();
    let mut axes = Vec::with_capacity(planned.n_dims());
    // For each axis the blocks that have elements: empty ones are no chunks.
    let mut filled: Vec<Vec<u32>> = Vec::with_capacity(planned.n_dims());
    for (axis, own) in planned.axes().iter().enumerate() {
        if own.is_known() {
            axes.push(own.clone());
            filled.push((0..own.n_blocks()).collect());
            continue;
        }
        let mut sizes = Vec::new();
        for idx in 0..own.n_blocks() {
            let mut index = vec![0; planned.n_dims()];
            index[axis] = idx;
            let value = run.value(TaskId::new(output.stage(), planned.partition_of(&index))).await?;
            sizes.push(output.block_of(&value)?.shape().get(axis).copied().unwrap_or(0));
        }
        axes.push(AxisChunks::from_sizes(&sizes));
        let with_elements: Vec<u32> = (0..).zip(&sizes).filter(|(_, size)| **size > 0).map(|(idx, _)| idx).collect();
        filled.push(if with_elements.is_empty() { vec![0] } else { with_elements });
    }
    let chunks = Chunks::new(axes);
    let partition = |block| {
        let index: Vec<u32> =
            chunks.block_index(block).iter().zip(&filled).map(|(idx, blocks)| blocks[*idx as usize]).collect();
        planned.partition_of(&index)
    };
    let partitions = (0..chunks.n_blocks()?).map(partition).collect();
    let results = Results { name: name.to_owned(), run: Arc::clone(run), stage: output.stage(), partitions };
    Ok(Array::from_node(Expr::Persisted(Persisted(Arc::new(results))), output.dtype(), chunks))
}
