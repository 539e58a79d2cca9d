//! Elements by masks and positions that are computed.

use dolmen_graph::{TaskError, TaskResult};
use dolmen_kernels::{Block, DType, KernelError};
use smallvec::SmallVec;

use crate::task::{Task, failed};

/// The elements of the first block along `axis` where the second one is true.
pub(super) fn compress(task: &Task<'_>, axis: usize) -> TaskResult {
    let (block, mask) = (task.block(0, 0)?, task.block(1, 0)?);
    if mask.len() != block.shape()[axis] {
        return Err(TaskError::failed(KernelError::Broadcast { from: mask.shape().into(), to: block.shape().into() }));
    }
    let positions: Vec<usize> =
        mask.view::<bool>().map_err(failed)?.iter().enumerate().filter(|(_, hit)| **hit).map(|(at, _)| at).collect();
    task.value(dolmen_kernels::take(block, axis, &positions, task.pool).map_err(failed)?)
}

/// The elements of the first operand along `axis` at the positions of the second one.
pub(super) fn take_lazy(task: &Task<'_>, axis: usize, operands: &[Block]) -> TaskResult {
    let [block, positions] = operands else { return Err(TaskError::InputMissing { input_idx: 1, position: 0 }) };
    let len = block.shape()[axis];
    let wanted = positions_of(positions).map_err(failed)?;
    let wanted = wanted.into_iter().map(|at| {
        let from_front = if at < 0 { at + len as i128 } else { at };
        let outside =
            || KernelError::IndexOutOfBounds { index: i64::try_from(at).unwrap_or(i64::MAX), axis, size: len };
        usize::try_from(from_front).ok().filter(|at| *at < len).ok_or_else(outside)
    });
    let wanted: Vec<usize> = wanted.collect::<Result<_, _>>().map_err(failed)?;
    let taken = dolmen_kernels::take(block, axis, &wanted, task.pool).map_err(failed)?;
    let shape = block.shape()[..axis].iter().chain(positions.shape()).chain(&block.shape()[axis + 1..]);
    let shape: SmallVec<[usize; 4]> = shape.copied().collect();
    task.value(taken.reshape(&shape, task.pool).map_err(failed)?)
}

/// The integers of a block in C order.
fn positions_of(block: &Block) -> Result<Vec<i128>, KernelError> {
    macro_rules! widened {
        ($($dtype:ident $of:ty)*) => {
            match block.dtype() {
                $(DType::$dtype => block.to_vec::<$of>()?.into_iter().map(i128::from).collect(),)*
                actual => return Err(KernelError::WrongDType { expected: DType::I64, actual }),
            }
        };
    }
    Ok(widened! { I8 i8 I16 i16 I32 i32 I64 i64 U8 u8 U16 u16 U32 u32 U64 u64 })
}

/// The best elements along `axis` of the joined blocks: the largest from the largest on, or the least from the least on.
pub(super) fn topk(task: &Task<'_>, k: isize, axis: usize, operands: &[Block]) -> TaskResult {
    task.value(dolmen_kernels::topk(&operands[0], k as i64, axis, task.pool).map_err(failed)?)
}

/// The elements of the blocks behind the first one that it names.
pub(super) fn choose(task: &Task<'_>) -> TaskResult {
    let choices = (1..task.inputs.n_inputs()).map(|input_idx| task.block(input_idx, 0).cloned());
    let choices = choices.collect::<Result<Vec<_>, _>>()?;
    task.value(dolmen_kernels::choose(task.block(0, 0)?, &choices, task.pool).map_err(failed)?)
}
