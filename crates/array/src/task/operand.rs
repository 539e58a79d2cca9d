//! Operands as the output sees them.

use std::ops::Range;

use dolmen_graph::{TaskError, TaskResult};
use dolmen_kernels::{Block, KernelError};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::assemble::next_index;
use super::{Task, failed};
use crate::Chunks;
use crate::chunks::AxisChunks;
use crate::node::{OperandAxes, OperandAxis};
use crate::value::BlockValue;

/// `block` with the axes of an output of `n_dims`: those it does not have are of length 1.
pub(crate) fn view_of(block: &Block, axes: &[OperandAxis], n_dims: usize) -> Result<Block, KernelError> {
    let mut view = block.clone();
    let mut outs: SmallVec<[usize; 4]> = SmallVec::new();
    for (axis, from) in axes.iter().enumerate().rev() {
        match from {
            OperandAxis::Out(out) | OperandAxis::Group { out, .. } => outs.push(*out),
            // An axis that is read as a whole has been joined before, and is of no use to an elementwise output.
            OperandAxis::One | OperandAxis::All => view = view.squeeze(axis)?,
        }
    }
    outs.reverse();
    let mut order: SmallVec<[usize; 4]> = (0..outs.len()).collect();
    order.sort_unstable_by_key(|axis| outs[*axis]);
    if !order.is_sorted() {
        view = view.transpose(&order)?;
    }
    for out in (0..n_dims).filter(|out| !outs.contains(out)) {
        view = view.expand_dims(out)?;
    }
    Ok(view)
}

/// The block looked at by `axes`, and repeated to the size of the output's block.
pub(super) fn view(task: &Task<'_>, axes: &OperandAxes) -> TaskResult {
    let dims = task.dims();
    let view = view_of(task.block(0, 0)?, axes, dims.len()).map_err(failed)?;
    let shape = shape_of(&dims, &[&view])?;
    task.value(view.broadcast_to(&shape).map_err(failed)?)
}

/// The shape that `views` broadcast to, where the output does not say.
pub(crate) fn shape_of(dims: &[Option<usize>], views: &[&Block]) -> Result<SmallVec<[usize; 4]>, TaskError> {
    let lens = dims.iter().enumerate().map(|(axis, dim)| {
        dim.unwrap_or_else(|| {
            let own = views.iter().map(|view| view.shape()[axis]);
            // A length of 1 is repeated; if others differ from each other, the kernel says so.
            own.clone().find(|len| *len != 1).or_else(|| own.clone().next()).unwrap_or(1)
        })
    });
    Ok(lens.collect())
}

/// An operand of a kernel: what its axes are to the output, and how its blocks are cut, for those that are read together.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct KernelOperand {
    pub(crate) axes: OperandAxes,
    pub(crate) from: Chunks,
}

impl KernelOperand {
    /// The number of blocks that the task of the block at `index` of the output reads along each axis.
    pub(crate) fn n_blocks(&self, index: &[u32]) -> SmallVec<[u32; 4]> {
        let of_axis = |(from, chunks): (&OperandAxis, &AxisChunks)| match *from {
            OperandAxis::All => chunks.n_blocks(),
            OperandAxis::Group { out, size } => size.min(chunks.n_blocks().saturating_sub(index[out] * size)),
            OperandAxis::Out(_) | OperandAxis::One => 1,
        };
        self.axes.iter().zip(self.from.axes()).map(of_axis).collect()
    }
}

/// One block for each operand: those that are read together, joined.
pub(crate) fn joined(task: &Task<'_>, operands: &[KernelOperand]) -> Result<Vec<Block>, TaskError> {
    operands.iter().enumerate().map(|(input_idx, operand)| joined_one(task, input_idx, operand)).collect()
}

/// The blocks of one operand, joined.
pub(crate) fn joined_one(task: &Task<'_>, input_idx: usize, operand: &KernelOperand) -> Result<Block, TaskError> {
    let n_values = task.inputs.input(input_idx).len();
    if n_values == 1 {
        return Ok(task.block(input_idx, 0)?.clone());
    }
    let n_blocks = operand.n_blocks(&task.index());
    let ranges: SmallVec<[Range<u32>; 4]> = n_blocks.iter().map(|n| 0..*n).collect();
    let mut index: SmallVec<[u32; 4]> = SmallVec::from_elem(0, ranges.len());
    // Where the blocks of each index start along each axis, from what they really are: sizes need not be known before.
    let mut starts: Vec<Vec<usize>> = n_blocks.iter().map(|n| vec![0; *n as usize + 1]).collect();
    for position in 0..n_values {
        let shape = task.block(input_idx, position)?.shape();
        for (axis, idx) in index.iter().enumerate() {
            starts[axis][*idx as usize + 1] = shape[axis];
        }
        next_index(&mut index, &ranges);
    }
    for of_axis in &mut starts {
        let mut sum = 0;
        for start in of_axis.iter_mut() {
            sum += *start;
            *start = sum;
        }
    }
    let shape: SmallVec<[usize; 4]> = starts.iter().map(|of_axis| of_axis[of_axis.len() - 1]).collect();
    let mut targets: Vec<SmallVec<[usize; 4]>> = Vec::with_capacity(n_values);
    for _ in 0..n_values {
        targets.push(index.iter().enumerate().map(|(axis, idx)| starts[axis][*idx as usize]).collect());
        next_index(&mut index, &ranges);
    }
    let mut parts: Vec<(&[usize], Block)> = Vec::with_capacity(n_values);
    for (position, target) in targets.iter().enumerate() {
        parts.push((target, task.block(input_idx, position)?.clone()));
    }
    let dtype = task.block(input_idx, 0)?.dtype();
    dolmen_kernels::assemble(dtype, &shape, &parts, task.pool).map_err(failed)
}

/// Block `idx` of the value that is read.
pub(super) fn part(task: &Task<'_>, idx: usize) -> TaskResult {
    let value: &BlockValue = task.inputs.get(0, 0)?;
    let block = value.blocks().get(idx).ok_or(TaskError::InputMissing { input_idx: 0, position: idx })?;
    task.value(block.clone())
}
