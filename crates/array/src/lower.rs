//! From expressions to stages.

mod stages;

use std::sync::Arc;

use dolmen_graph::{GraphBuilder, StageId, ValueRef};
use dolmen_kernels::{Block, DType, Pool};

use crate::optimise::optimise;
use crate::persisted::Borrowed;
use crate::value::BlockValue;
use crate::{Array, ArrayError, Chunks};
pub(crate) use stages::{add_stages, read_bytes};

/// What memory of blocks the tasks of one graph keep for each other, where the executor offers no [`Pool`].
const POOL_BYTES: usize = 256 << 20;

/// Where the blocks of an array are to be found when its graph has run: partition `p` of one stage is block `p`.
#[derive(Debug, Clone)]
pub struct ArrayOutput {
    stage: StageId,
    dtype: DType,
    chunks: Chunks,
    /// The persisted arrays that its graph reads.
    pub(crate) borrowed: Arc<[Borrowed]>,
}

/// Adds what computes `arrays` to a graph, and asks for all their blocks. What they share is computed once.
///
/// The expressions are optimised first; see [`explain`](crate::explain). Takes time and memory in proportion to the
/// expressions, not to the number of blocks, unless chunks are irregular.
///
/// # Errors
/// The error of [`Array::check`] of any array in the expressions; [`ArrayError::TooManyBlocks`].
pub fn lower(arrays: &[Array], builder: &mut GraphBuilder) -> Result<Vec<ArrayOutput>, ArrayError> {
    let outputs = lower_stages(arrays, builder)?;
    for output in &outputs {
        builder.add_output_all(output.stage)?;
    }
    Ok(outputs)
}

/// As [`lower`], without asking for the blocks: for a graph in which other stages read them.
///
/// # Errors
/// As [`lower`].
pub fn lower_stages(arrays: &[Array], builder: &mut GraphBuilder) -> Result<Vec<ArrayOutput>, ArrayError> {
    for array in arrays {
        array.check()?;
    }
    let optimised = optimise(arrays)?;
    add_stages(&optimised, builder, &Pool::new(POOL_BYTES))
}

impl ArrayOutput {
    pub(crate) fn new(stage: StageId, array: &Array, borrowed: Arc<[Borrowed]>) -> Self {
        Self { stage, dtype: array.dtype(), chunks: array.chunks().clone(), borrowed }
    }

    /// The stage whose values are the blocks.
    ///
    /// [`cull`](dolmen_graph::cull) and [`fuse`](dolmen_graph::fuse) number stages anew and keep the order of outputs: in
    /// their results it is the stage of the output at the same place.
    #[must_use]
    pub fn stage(&self) -> StageId {
        self.stage
    }

    /// The dtype of the array.
    #[must_use]
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// The chunks of the array; partition `p` is its `p`-th block in row-major order.
    #[must_use]
    pub fn chunks(&self) -> &Chunks {
        &self.chunks
    }

    /// One block of memory of all blocks, in the order of partitions. Sizes that were unknown are those that the blocks
    /// have.
    ///
    /// # Errors
    /// [`ArrayError::ChunkMismatch`] if the values are not the blocks of this array; [`ArrayError::Kernel`] if there is not
    /// enough memory.
    pub fn assemble(&self, values: &[ValueRef], pool: &Pool) -> Result<Block, ArrayError> {
        if usize::try_from(self.chunks.n_blocks()?) != Ok(values.len()) {
            return Err(self.mismatch(&format!("{} values are given", values.len())));
        }
        let blocks: Vec<&Block> = values.iter().map(|value| self.block_of(value)).collect::<Result<_, _>>()?;
        if let [one] = &blocks[..] {
            return Ok((*one).clone());
        }
        // Where the blocks of each index start along each axis.
        let mut starts: Vec<Vec<usize>> = self.chunks.numblocks().map(|n| vec![0; n as usize + 1]).collect();
        for (partition, block) in (0..).zip(&blocks) {
            for (axis, idx) in self.chunks.block_index(partition).into_iter().enumerate() {
                let size = &mut starts[axis][idx as usize + 1];
                if *size != 0 && *size != block.shape()[axis] {
                    return Err(self.mismatch(&format!("block {partition} has shape {:?}", block.shape())));
                }
                *size = block.shape()[axis];
            }
        }
        for of_axis in &mut starts {
            let mut sum = 0;
            for start in of_axis.iter_mut() {
                sum += *start;
                *start = sum;
            }
        }
        let shape: Vec<usize> = starts.iter().map(|of_axis| of_axis[of_axis.len() - 1]).collect();
        let targets: Vec<Vec<usize>> = (0..blocks.len())
            .map(|partition| {
                let index = self.chunks.block_index(u32::try_from(partition).unwrap_or(u32::MAX));
                index.iter().enumerate().map(|(axis, idx)| starts[axis][*idx as usize]).collect()
            })
            .collect();
        let parts: Vec<(&[usize], Block)> =
            targets.iter().zip(blocks).map(|(target, block)| (&**target, block.clone())).collect();
        Ok(dolmen_kernels::assemble(self.dtype, &shape, &parts, pool)?)
    }

    /// The block that is the value of one partition.
    ///
    /// # Errors
    /// [`ArrayError::ChunkMismatch`] if it is no block.
    pub fn block_of<'a>(&self, value: &'a ValueRef) -> Result<&'a Block, ArrayError> {
        let block = value.downcast_ref::<BlockValue>().map(BlockValue::block);
        block.ok_or_else(|| self.mismatch(&format!("a value is a {}, no block", value.type_name())))
    }

    fn mismatch(&self, what: &str) -> ArrayError {
        ArrayError::ChunkMismatch { op: "assemble", problem: format!("{what} for chunks {}", self.chunks) }
    }
}
