//! Partial reductions of blocks, and their combination.

use std::sync::Arc;

use dolmen_graph::TaskResult;
use dolmen_kernels::{Block, Function, Partial, Program};
use smallvec::SmallVec;

use crate::formula::operands_of;
use crate::node::OperandAxes;
use crate::reduce::Spec;
use crate::task::{KernelOperand, Task, failed, joined_one};
use crate::value::PartialValue;
use crate::{Array, Chunks};

/// What a value keeps besides elements: its own fields, and those of its blocks.
const OVERHEAD_BYTES: u64 = 512;

/// The bytes of a partial result of which `array` has the shape.
pub(super) fn partial_bytes(spec: &Spec, array: &Array) -> Option<u64> {
    let wide = (array.dtype().size_bytes() as u64).max(8);
    let of_element = match spec.reduction.function {
        Function::Var | Function::Std => 3 * wide,
        Function::Sum | Function::Prod | Function::Any | Function::All | Function::CountNonzero => wide,
        Function::Min | Function::Max | Function::ArgMin | Function::ArgMax | Function::Mean => 2 * wide,
    };
    (array.chunks().block_elements_max()? as u64).checked_mul(of_element)?.checked_add(OVERHEAD_BYTES)
}

/// Reduces what `program` makes of the blocks of an array with `chunks`.
pub(super) fn partial(
    task: &Task<'_>,
    program: &Program,
    spec: &Spec,
    chunks: &Chunks,
    operands: &[KernelOperand],
    is_last: bool,
) -> TaskResult {
    let (own, lens) = operands.split_at(program.inputs().len());
    let axes: SmallVec<[OperandAxes; 4]> = own.iter().map(|operand| operand.axes.clone()).collect();
    let (views, mut region) = operands_of(task, chunks, &axes)?;
    let index = chunks.block_index(task.partition);
    for (at, (operand, axis)) in lens.iter().zip(unknown_axes(spec, chunks)).enumerate() {
        let lens = joined_one(task, own.len() + at, operand)?.to_vec::<i64>().map_err(failed)?;
        let lens = lens.into_iter().map(|len| usize::try_from(len).unwrap_or(0));
        region.start[axis] = lens.clone().take(index[axis] as usize).sum();
        region.whole[axis] = lens.sum();
    }
    let partial = program.reduce(&views, &region, spec.reduction, &spec.axes, task.pool).map_err(failed)?;
    ended(task, partial, spec, is_last)
}

/// The axes on which a position is known only from the lengths of the blocks before it.
pub(crate) fn unknown_axes(spec: &Spec, chunks: &Chunks) -> SmallVec<[usize; 4]> {
    match spec.reduction.function {
        Function::ArgMin | Function::ArgMax => {
            let axes = chunks.axes().iter().enumerate();
            axes.filter(|(axis, own)| spec.axes.contains(axis) && !own.is_known()).map(|(axis, _)| axis).collect()
        }
        _ => SmallVec::new(),
    }
}

/// The length of the block along `axis`.
pub(super) fn len(task: &Task<'_>, axis: usize) -> TaskResult {
    let len = i64::try_from(task.block(0, 0)?.shape()[axis]).unwrap_or(i64::MAX);
    task.value(Block::from_vec(&[1], vec![len]).map_err(failed)?)
}

/// Joins partial results, in the order in which their blocks stand.
pub(super) fn combine(task: &Task<'_>, spec: &Spec, is_last: bool) -> TaskResult {
    let parts = (0..task.inputs.input(0).len()).map(|at| Ok(task.inputs.get::<PartialValue>(0, at)?.0.clone()));
    let parts: Vec<Partial> = parts.collect::<Result<_, dolmen_graph::TaskError>>()?;
    let joined = Partial::combine(&parts, task.pool).map_err(failed)?;
    ended(task, joined, spec, is_last)
}

fn ended(task: &Task<'_>, partial: Partial, spec: &Spec, is_last: bool) -> TaskResult {
    if is_last {
        task.value(partial.finish(spec.ddof, task.pool).map_err(failed)?)
    } else {
        Ok(Arc::new(PartialValue(partial)))
    }
}
