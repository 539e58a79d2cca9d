//! Moving elements without looking at them.

use bytemuck::Pod;
use smallvec::SmallVec;

use crate::block::{Strides, n_elements};
use crate::element::with_word;
use crate::{Block, Pool, Result, Shape};

/// A copy of `block` in C order.
pub(crate) fn compact(block: &Block, pool: &Pool) -> Result<Block> {
    n_elements(block.shape())?;
    let mut buffer = pool.buffer(block.nbytes())?;
    with_word!(block.dtype(), W => {
        let to = &mut buffer.as_mut_slice::<W>()[..block.len()];
        let from = block.words::<W>();
        let strides = crate::block::c_strides(block.shape());
        strided(from, block.offset(), block.strides(), to, 0, &strides, block.shape());
    });
    Ok(Block::contiguous(block.dtype(), block.shape(), buffer.freeze()))
}

/// Copies `shape` elements from strided to strided memory.
pub(crate) fn strided<W: Pod>(
    from: &[W],
    from_offset: usize,
    from_strides: &[isize],
    to: &mut [W],
    to_offset: usize,
    to_strides: &[isize],
    shape: &[usize],
) {
    if shape.contains(&0) {
        return;
    }
    let (shape, [from_strides, to_strides]) = merge_axes(shape, [from_strides, to_strides]);
    let (from_offset, to_offset) = (from_offset as isize, to_offset as isize);
    let near = |strides: &[isize]| {
        let axes = (0..shape.len()).filter(|axis| strides[*axis] != 0);
        axes.min_by_key(|axis| strides[*axis].unsigned_abs())
    };
    if let (Some(p), Some(q)) = (near(&from_strides), near(&to_strides))
        && p != q
        && shape[p] >= TILE / 2
        && shape[q] >= TILE / 2
    {
        // Neighbours on one side are far apart on the other: a tile at a time, both sides stay in the nearest cache.
        let rest = |values: &[isize]| -> Strides {
            (0..shape.len()).filter(|axis| *axis != p && *axis != q).map(|axis| values[axis]).collect()
        };
        let outer: Shape = (0..shape.len()).filter(|axis| *axis != p && *axis != q).map(|axis| shape[axis]).collect();
        let plane = Plane {
            lens: [shape[p], shape[q]],
            from: [from_strides[p], from_strides[q]],
            to: [to_strides[p], to_strides[q]],
        };
        for_each_run(&outer, [&rest(&from_strides), &rest(&to_strides)], |[a, b], len, [a_stride, b_stride]| {
            for at in 0..len as isize {
                plane.copy(from, from_offset + a + at * a_stride, to, to_offset + b + at * b_stride);
            }
        });
        return;
    }
    for_each_run(&shape, [&from_strides, &to_strides], |[a, b], len, [a_stride, b_stride]| {
        let (a, b) = ((from_offset + a) as usize, (to_offset + b) as usize);
        if a_stride == 1 && b_stride == 1 {
            to[b..b + len].copy_from_slice(&from[a..a + len]);
        } else if a_stride == 0 && b_stride == 1 {
            to[b..b + len].fill(from[a]);
        } else {
            for at in 0..len as isize {
                to[(b as isize + at * b_stride) as usize] = from[(a as isize + at * a_stride) as usize];
            }
        }
    });
}

/// The side of a tile: two cache lines of eight-byte elements.
const TILE: usize = 16;

/// Two axes, the first near in the memory that is read, the second near in the memory that is written.
struct Plane {
    lens: [usize; 2],
    from: [isize; 2],
    to: [isize; 2],
}

impl Plane {
    fn copy<W: Pod>(&self, from: &[W], from_start: isize, to: &mut [W], to_start: isize) {
        let [n_first, n_second] = self.lens;
        for second in (0..n_second).step_by(TILE) {
            for first in (0..n_first).step_by(TILE) {
                let lens = [TILE.min(n_first - first), TILE.min(n_second - second)];
                let at = |strides: [isize; 2]| first as isize * strides[0] + second as isize * strides[1];
                let (a, b) = (from_start + at(self.from), to_start + at(self.to));
                if lens == [TILE; 2] && self.from[0] == 1 && self.to[1] == 1 {
                    self.full_tile(from, a as usize, to, b as usize);
                } else {
                    self.any_tile(lens, from, a, to, b);
                }
            }
        }
    }

    #[inline]
    fn full_tile<W: Pod>(&self, from: &[W], a: usize, to: &mut [W], b: usize) {
        let mut tile = [[W::zeroed(); TILE]; TILE];
        for (second, row) in tile.iter_mut().enumerate() {
            let start = (a as isize + second as isize * self.from[1]) as usize;
            row.copy_from_slice(&from[start..start + TILE]);
        }
        #[expect(clippy::needless_range_loop, reason = "the tile is read across its rows")]
        for first in 0..TILE {
            let start = (b as isize + first as isize * self.to[0]) as usize;
            let row: &mut [W] = &mut to[start..start + TILE];
            for (second, to) in row.iter_mut().enumerate() {
                *to = tile[second][first];
            }
        }
    }

    fn any_tile<W: Pod>(&self, lens: [usize; 2], from: &[W], a: isize, to: &mut [W], b: isize) {
        for first in 0..lens[0] as isize {
            for second in 0..lens[1] as isize {
                let target = b + first * self.to[0] + second * self.to[1];
                to[target as usize] = from[(a + first * self.from[0] + second * self.from[1]) as usize];
            }
        }
    }
}

/// Calls `run(offsets, len, strides)` for runs along the last axis, in C order, with axes merged where all strides allow it.
pub(crate) fn for_each_run<const N: usize>(
    shape: &[usize],
    strides: [&[isize]; N],
    mut run: impl FnMut([isize; N], usize, [isize; N]),
) {
    if shape.contains(&0) {
        return;
    }
    let (shape, strides) = merge_axes(shape, strides);
    let Some((&len, outer)) = shape.split_last() else { return run([0; N], 1, [0; N]) };
    let inner: [isize; N] = std::array::from_fn(|operand| strides[operand][outer.len()]);
    let mut index: Shape = SmallVec::from_elem(0, outer.len());
    let mut offsets = [0; N];
    loop {
        run(offsets, len, inner);
        let mut axis = outer.len();
        loop {
            if axis == 0 {
                return;
            }
            axis -= 1;
            index[axis] += 1;
            for operand in 0..N {
                offsets[operand] += strides[operand][axis];
            }
            if index[axis] < outer[axis] {
                break;
            }
            for operand in 0..N {
                offsets[operand] -= strides[operand][axis] * outer[axis] as isize;
            }
            index[axis] = 0;
        }
    }
}

/// The shape and strides with axes of length one dropped and neighbours merged that are one axis in every operand.
pub(crate) fn merge_axes<const N: usize>(shape: &[usize], strides: [&[isize]; N]) -> (Shape, [Strides; N]) {
    let mut merged = Shape::new();
    let mut out: [Strides; N] = std::array::from_fn(|_| Strides::new());
    for axis in (0..shape.len()).filter(|axis| shape[*axis] != 1) {
        let joins = merged
            .len()
            .checked_sub(1)
            .filter(|&last| (0..N).all(|operand| out[operand][last] == strides[operand][axis] * shape[axis] as isize));
        match joins {
            Some(last) => {
                merged[last] *= shape[axis];
                for operand in 0..N {
                    out[operand][last] = strides[operand][axis];
                }
            }
            None => {
                merged.push(shape[axis]);
                for operand in 0..N {
                    out[operand].push(strides[operand][axis]);
                }
            }
        }
    }
    (merged, out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever the strides on both sides, elements arrive as ndarray assigns them.
        #[test]
        fn copies_are_those_of_ndarray(
            lens in proptest::collection::vec(1_usize..40, 1..4), turn in 0_usize..6, flip in any::<bool>(), back in 0_usize..6,
        ) {
            let orders = |n: usize, at: usize| -> Vec<usize> {
                let mut order: Vec<usize> = (0..n).collect();
                order.rotate_left(at % n);
                if at >= 3 {
                    order.reverse();
                }
                order
            };
            let n: usize = lens.iter().product();
            let pool = Pool::new(0);
            let mut block = Block::from_vec(&lens, (0..n as u32).collect()).unwrap();
            block = block.transpose(&orders(lens.len(), turn)).unwrap();
            if flip {
                block = block.flip(&[0]).unwrap();
            }
            prop_assert_eq!(compact(&block, &pool).unwrap().to_vec::<u32>().unwrap(), block.view::<u32>().unwrap().iter().copied().collect::<Vec<_>>());
            // Into memory whose axes lie in another order.
            let order = orders(lens.len(), back);
            let turned = block.transpose(&order).unwrap();
            let mut strides = crate::block::c_strides(turned.shape());
            for (position, axis) in order.iter().enumerate() {
                strides[*axis] = crate::block::c_strides(turned.shape())[position];
            }
            let mut to = vec![0_u32; n];
            strided(block.words::<u32>(), block.offset(), block.strides(), &mut to, 0, &strides, block.shape());
            prop_assert_eq!(to, turned.to_vec::<u32>().unwrap());
        }
    }
}
