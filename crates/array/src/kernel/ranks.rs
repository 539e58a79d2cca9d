//! Elements by their rank among all, found by counting digits of keys, or about where a digest has them.

use dolmen_graph::TaskResult;
use dolmen_kernels::{
    Block, DType, Quantiles, digest_quantiles, digests, merge_digests, rank_counts, rank_finish, rank_step,
};
use smallvec::SmallVec;

use crate::task::{Task, failed};

/// The counts of a block, as a row behind an axis of length 1 for each of the block's. The second operand, if there is one, is
/// what the passes before found.
pub(super) fn counts(task: &Task<'_>, pass: u32) -> TaskResult {
    let block = task.block(0, 0)?;
    let row = rank_counts(block, second(task)?, pass, task.pool).map_err(failed)?;
    let mut shape: SmallVec<[usize; 4]> = SmallVec::from_elem(1, block.ndim());
    shape.push(row.len());
    task.value(row.reshape(&shape, task.pool).map_err(failed)?)
}

/// What is known after a pass, from the counts of all blocks and what was known before.
pub(super) fn step(task: &Task<'_>, quantiles: &Quantiles, pass: u32) -> TaskResult {
    task.value(rank_step(task.block(0, 0)?, second(task)?, quantiles, pass).map_err(failed)?)
}

/// The quantiles after the last pass.
pub(super) fn finish(task: &Task<'_>, dtype: DType, quantiles: &Quantiles) -> TaskResult {
    task.value(rank_finish(task.block(0, 0)?, dtype, quantiles).map_err(failed)?)
}

/// The digests of a block over some axes.
pub(super) fn digested(task: &Task<'_>, axes: &[usize]) -> TaskResult {
    task.value(digests(task.block(0, 0)?, axes, task.pool).map_err(failed)?)
}

/// The digests of several blocks made one.
pub(super) fn merged(task: &Task<'_>) -> TaskResult {
    let parts = (0..task.inputs.input(0).len()).map(|position| task.block(0, position).cloned());
    let parts = parts.collect::<Result<Vec<Block>, _>>()?;
    task.value(merge_digests(&parts, task.pool).map_err(failed)?)
}

/// The quantiles that digests have.
pub(super) fn of_digests(task: &Task<'_>, quantiles: &Quantiles) -> TaskResult {
    task.value(digest_quantiles(task.block(0, 0)?, quantiles, task.pool).map_err(failed)?)
}

fn second<'a>(task: &'a Task<'_>) -> Result<Option<&'a Block>, dolmen_graph::TaskError> {
    if task.inputs.n_inputs() > 1 { task.block(1, 0).map(Some) } else { Ok(None) }
}
