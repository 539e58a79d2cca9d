//! Running sums and products.

use dolmen_graph::TaskResult;
use dolmen_kernels::{AxisSlice as BlockSlice, Block, cumulative};
use smallvec::SmallVec;

use crate::task::{Task, failed};

/// What the blocks before each block along `axis` come to, of which the first one has nothing before it.
pub(super) fn totals(task: &Task<'_>, axis: usize, is_product: bool, operands: &[Block]) -> TaskResult {
    task.value(cumulative(&operands[0], axis, is_product, None, task.pool).map_err(failed)?)
}

/// The running sums of a block. The second operand, if there is one, has what all blocks up to each come to.
pub(super) fn block(task: &Task<'_>, axis: usize, is_product: bool) -> TaskResult {
    let block = task.block(0, 0)?;
    let before = match task.index()[axis].checked_sub(1) {
        Some(idx) if task.inputs.n_inputs() > 1 => {
            let totals = task.block(1, 0)?;
            let mut slices: SmallVec<[BlockSlice; 4]> =
                totals.shape().iter().map(|&len| BlockSlice::range(0, len)).collect();
            slices[axis] = BlockSlice { start: idx as usize, len: 1, step: 1 };
            Some(totals.slice(&slices).map_err(failed)?)
        }
        _ => None,
    };
    task.value(cumulative(block, axis, is_product, before.as_ref(), task.pool).map_err(failed)?)
}
