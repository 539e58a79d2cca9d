//! Elements by their positions.

use dolmen_graph::TaskResult;
use dolmen_kernels::{AxisSlice as BlockSlice, Block};
use smallvec::SmallVec;

use super::{Task, failed, unknown};
use crate::Chunks;
use crate::chunks::AxisChunks;

/// The positions along `axis` that the output's block shows, of the blocks that have some of them, in ascending order.
pub(super) fn take(task: &Task<'_>, from: &AxisChunks, axis: usize, positions: &[usize]) -> TaskResult {
    let bounds = task.plan.out.axes()[axis].bounds(task.index()[axis]).ok_or_else(unknown)?;
    let positions = &positions[bounds];
    let mut order: Vec<usize> = (0..positions.len()).collect();
    order.sort_by_key(|idx| from.block_of(positions[*idx]));
    let mut parts: Vec<(SmallVec<[usize; 4]>, Block)> = Vec::new();
    let (mut done, mut input) = (0, 0);
    while done < order.len() {
        let idx = from.block_of(positions[order[done]]);
        let start = from.bounds(idx).ok_or_else(unknown)?.start;
        let of_block = order[done..].iter().take_while(|at| from.block_of(positions[**at]) == idx);
        let local: Vec<usize> = of_block.map(|at| positions[*at] - start).collect();
        let block = task.block(0, input)?;
        let mut target: SmallVec<[usize; 4]> = SmallVec::from_elem(0, block.ndim());
        target[axis] = done;
        parts.push((target, dolmen_kernels::take(block, axis, &local, task.pool).map_err(failed)?));
        (done, input) = (done + local.len(), input + 1);
    }
    let Some((_, first)) = parts.first() else {
        // No position at all: one block is there for the lengths of the other axes.
        return task.value(dolmen_kernels::take(task.block(0, 0)?, axis, &[], task.pool).map_err(failed)?);
    };
    let mut shape: SmallVec<[usize; 4]> = first.shape().into();
    shape[axis] = positions.len();
    let joined = match &parts[..] {
        [(_, part)] => part.clone(),
        _ => {
            let parts: Vec<(&[usize], Block)> = parts.iter().map(|(target, part)| (&**target, part.clone())).collect();
            dolmen_kernels::assemble(task.plan.dtype, &shape, &parts, task.pool).map_err(failed)?
        }
    };
    if order.is_sorted() {
        return task.value(joined);
    }
    let mut place_of = vec![0; order.len()];
    for (place, idx) in order.iter().enumerate() {
        place_of[*idx] = place;
    }
    task.value(dolmen_kernels::take(&joined, axis, &place_of, task.pool).map_err(failed)?)
}

/// The points that the output's block shows, along its first axis: all of one block of the picked axes. The others follow in
/// the output.
pub(super) fn gather(task: &Task<'_>, from: &Chunks, axes: &[usize], points: &[Box<[usize]>]) -> TaskResult {
    let bounds = task.plan.out.axes()[0].bounds(task.index()[0]).ok_or_else(unknown)?;
    let n_points = bounds.len();
    let block = task.block(0, 0)?;
    let mut starts: SmallVec<[usize; 4]> = SmallVec::new();
    if !bounds.is_empty() {
        for (list, axis) in points.iter().zip(axes) {
            let chunks = &from.axes()[*axis];
            starts.push(chunks.bounds(chunks.block_of(list[bounds.start])).ok_or_else(unknown)?.start);
        }
    }
    let mut parts: Vec<(SmallVec<[usize; 4]>, Block)> = Vec::with_capacity(n_points);
    let mut shape: SmallVec<[usize; 4]> = SmallVec::new();
    for (at, point) in bounds.enumerate() {
        let mut slices: SmallVec<[BlockSlice; 4]> =
            block.shape().iter().map(|&len| BlockSlice::range(0, len)).collect();
        for ((axis, list), start) in axes.iter().zip(points).zip(&starts) {
            slices[*axis] = BlockSlice { start: list[point] - start, len: 1, step: 1 };
        }
        let mut part = block.slice(&slices).map_err(failed)?;
        for axis in axes.iter().rev() {
            part = part.squeeze(*axis).map_err(failed)?;
        }
        let part = part.expand_dims(0).map_err(failed)?;
        let mut target: SmallVec<[usize; 4]> = SmallVec::from_elem(0, part.ndim());
        target[0] = at;
        shape = part.shape().into();
        parts.push((target, part));
    }
    if parts.is_empty() {
        shape = task.dims().into_iter().map(Option::unwrap_or_default).collect();
    } else {
        shape[0] = n_points;
    }
    let parts: Vec<(&[usize], Block)> = parts.iter().map(|(target, part)| (&**target, part.clone())).collect();
    task.value(dolmen_kernels::assemble(task.plan.dtype, &shape, &parts, task.pool).map_err(failed)?)
}
