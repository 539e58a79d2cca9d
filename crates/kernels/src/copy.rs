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

/// Appends the elements of `block` in C order to `bytes`.
pub(crate) fn append_bytes(block: &Block, bytes: &mut Vec<u8>) {
    with_word!(block.dtype(), W => {
        for_each_run(block.shape(), [block.strides()], |[offset], len, [stride]| {
            let words = block.words::<W>();
            let start = (block.offset() as isize + offset) as usize;
            if stride == 1 {
                bytes.extend_from_slice(bytemuck::cast_slice(&words[start..start + len]));
            } else {
                for at in 0..len {
                    bytes.extend_from_slice(bytemuck::bytes_of(&words[(start as isize + at as isize * stride) as usize]));
                }
            }
        });
    });
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
    for_each_run(shape, [from_strides, to_strides], |[a, b], len, [a_stride, b_stride]| {
        let (a, b) = ((from_offset as isize + a) as usize, (to_offset as isize + b) as usize);
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
        let joins = merged.len().checked_sub(1).filter(|&last| {
            (0..N).all(|operand| out[operand][last] == strides[operand][axis] * shape[axis] as isize)
        });
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
