//! Elements between edges.

use dolmen_graph::TaskResult;
use dolmen_kernels::{Bins, Block, KernelError};
use smallvec::SmallVec;

use crate::task::{Task, failed};

/// The number of elements, or the sum of their weights, between neighbours of the edges, as a row behind an axis of length
/// 1 for each of the block's. The first operand is the block, the second the edges, the third, if there is one, the weights.
pub(super) fn counts(task: &Task<'_>, is_uniform: bool) -> TaskResult {
    let block = task.block(0, 0)?;
    let bins = bins_of(task.block(1, 0)?, is_uniform).map_err(failed)?;
    let row = match task.inputs.n_inputs() {
        2 => bins.count(block, task.pool),
        _ => bins.weigh(block, task.block(2, 0)?, task.pool),
    };
    let row = row.map_err(failed)?;
    let mut shape: SmallVec<[usize; 4]> = SmallVec::from_elem(1, block.ndim());
    shape.push(row.len());
    task.value(row.reshape(&shape, task.pool).map_err(failed)?)
}

fn bins_of(edges: &Block, is_uniform: bool) -> Result<Bins, KernelError> {
    let edges = edges.to_vec::<f64>()?;
    match (is_uniform, edges.first(), edges.last()) {
        (true, Some(low), Some(high)) if low < high => Bins::uniform(*low, *high, edges.len() - 1),
        _ => Bins::of_edges(edges),
    }
}
