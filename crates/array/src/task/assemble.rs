//! Parts of blocks, and blocks made of parts.

use std::ops::Range;

use dolmen_graph::{TaskError, TaskResult};
use dolmen_kernels::{AxisSlice as BlockSlice, Block};
use smallvec::SmallVec;

use super::{Task, failed, unknown};
use crate::Chunks;
use crate::node::Slices;
use crate::slice::AxisSlice;
use crate::window::Window;

/// The part of the one block that the output's block shows.
pub(super) fn slice(task: &Task<'_>, from: &Chunks, slices: &Slices) -> TaskResult {
    let block = task.block(0, 0)?;
    let index = task.index();
    let mut parts: SmallVec<[BlockSlice; 4]> = SmallVec::new();
    for (axis, slice) in slices.iter().enumerate() {
        parts.push(match slice {
            None => BlockSlice::range(0, block.shape()[axis]),
            Some(slice) => {
                let bounds = task.plan.out.axes()[axis].bounds(index[axis]).ok_or_else(unknown)?;
                local(&slice.part(&bounds), &from.axes()[axis])
            }
        });
    }
    task.value(block.slice(&parts).map_err(failed)?)
}

/// A slice of an axis that stays within one block, counted from the start of that block.
fn local(part: &AxisSlice, from: &crate::AxisChunks) -> BlockSlice {
    let first = match part.len {
        0 => 0,
        _ => from.bounds(from.block_of(part.start)).map_or(0, |bounds| bounds.start),
    };
    BlockSlice { start: part.start.saturating_sub(first), len: part.len, step: part.step }
}

/// The elements of several blocks that the output's block shows.
pub(super) fn windows(task: &Task<'_>, from: &Chunks, windows: &[Window]) -> TaskResult {
    let index = task.index();
    let bounds: SmallVec<[Range<usize>; 4]> =
        windows.iter().zip(&index).map(|(window, idx)| window.bounds(*idx)).collect();
    let shape: SmallVec<[usize; 4]> = bounds.iter().map(Range::len).collect();
    if shape.contains(&0) {
        return task.value(Block::full(&shape, dolmen_kernels::Scalar::zero(task.plan.dtype)));
    }
    let blocks: SmallVec<[Range<u32>; 4]> =
        bounds.iter().zip(from.axes()).map(|(bounds, axis)| axis.blocks_of(bounds)).collect();
    let n_blocks = task.inputs.input(0).len();
    let mut parts: Vec<(SmallVec<[usize; 4]>, Block)> = Vec::with_capacity(n_blocks);
    let mut at: SmallVec<[u32; 4]> = blocks.iter().map(|range| range.start).collect();
    for position in 0..n_blocks {
        let mut target: SmallVec<[usize; 4]> = SmallVec::new();
        let mut slices: SmallVec<[BlockSlice; 4]> = SmallVec::new();
        for (axis, idx) in at.iter().enumerate() {
            let own = from.axes()[axis].bounds(*idx).ok_or_else(unknown)?;
            let shown = own.start.max(bounds[axis].start)..own.end.min(bounds[axis].end);
            target.push(shown.start - bounds[axis].start);
            slices.push(BlockSlice::range(shown.start - own.start, shown.end - own.start));
        }
        parts.push((target, task.block(0, position)?.slice(&slices).map_err(failed)?));
        next_index(&mut at, &blocks);
    }
    if let [(_, part)] = &parts[..] {
        return task.value(part.clone());
    }
    let parts: Vec<(&[usize], Block)> = parts.iter().map(|(target, part)| (&**target, part.clone())).collect();
    task.value(dolmen_kernels::assemble(task.plan.dtype, &shape, &parts, task.pool).map_err(failed)?)
}

/// The next index within `ranges` in row-major order.
pub(crate) fn next_index(index: &mut [u32], ranges: &[Range<u32>]) {
    for (idx, range) in index.iter_mut().zip(ranges).rev() {
        *idx += 1;
        if *idx < range.end {
            return;
        }
        *idx = range.start;
    }
}

/// The one value that there is among all inputs.
pub(super) fn pass(task: &Task<'_>) -> TaskResult {
    let found = (0..task.inputs.n_inputs()).find_map(|input_idx| task.inputs.input(input_idx).first());
    found.cloned().ok_or(TaskError::InputMissing { input_idx: 0, position: 0 })
}

/// The first block with the second one in place of a part, if that is there.
pub(super) fn place(task: &Task<'_>, slices: &Slices) -> TaskResult {
    if task.inputs.input(1).is_empty() {
        return task.inputs.input(0).first().cloned().ok_or(TaskError::InputMissing { input_idx: 0, position: 0 });
    }
    let (base, value) = (task.block(0, 0)?, task.block(1, 0)?);
    let index = task.index();
    let mut parts: SmallVec<[BlockSlice; 4]> = SmallVec::new();
    for (axis, slice) in slices.iter().enumerate() {
        parts.push(match slice {
            None => BlockSlice::range(0, base.shape()[axis]),
            Some(slice) => {
                let bounds = task.plan.out.axes()[axis].bounds(index[axis]).ok_or_else(unknown)?;
                let part = slice.part(&slice.within(&bounds));
                BlockSlice { start: part.start.saturating_sub(bounds.start), len: part.len, step: part.step }
            }
        });
    }
    task.value(dolmen_kernels::place(base, &parts, value, task.pool).map_err(failed)?)
}
