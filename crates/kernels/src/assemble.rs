//! Blocks made of parts of others.

use smallvec::SmallVec;

use crate::block::{Strides, c_strides, n_elements};
use crate::element::with_word;
use crate::{AxisSlice, Block, DType, KernelError, Pool, Result, copy};

/// A block of `shape` made of `parts`, each with the position of its first element. Where parts overlap, the last one
/// counts; what none covers has no particular value, so together they should cover everything.
///
/// # Errors
/// [`KernelError::WrongDType`] if a part is not of `dtype`, [`KernelError::IndexOutOfBounds`] if it leaves the shape;
/// [`KernelError::TooLarge`], [`KernelError::OutOfMemory`].
pub fn assemble(dtype: DType, shape: &[usize], parts: &[(&[usize], Block)], pool: &Pool) -> Result<Block> {
    let n_bytes = n_elements(shape)? * dtype.size_bytes();
    let mut buffer = pool.buffer(n_bytes)?;
    with_word!(dtype, W => {
        let to = &mut buffer.as_mut_slice::<W>()[..n_bytes / dtype.size_bytes()];
        for (starts, part) in parts {
            let slices: SmallVec<[AxisSlice; 6]> =
                starts.iter().zip(part.shape()).map(|(&start, &len)| AxisSlice { start, len, step: 1 }).collect();
            write::<W>(to, dtype, shape, &slices, part)?;
        }
    });
    Ok(Block::contiguous(dtype, shape, buffer.freeze()))
}

/// A copy of `base` with `value` in place of the part that `slices` name.
///
/// # Errors
/// As [`assemble`]; [`KernelError::Broadcast`] if `value` does not broadcast to the part.
pub fn place(base: &Block, slices: &[AxisSlice], value: &Block, pool: &Pool) -> Result<Block> {
    let shape: SmallVec<[usize; 6]> = slices.iter().map(|slice| slice.len).collect();
    let value = value.broadcast_to(&shape)?;
    let mut buffer = pool.buffer(base.nbytes())?;
    with_word!(base.dtype(), W => {
        let to = &mut buffer.as_mut_slice::<W>()[..base.len()];
        let whole: SmallVec<[AxisSlice; 6]> = base.shape().iter().map(|&len| AxisSlice::range(0, len)).collect();
        write::<W>(to, base.dtype(), base.shape(), &whole, base)?;
        write::<W>(to, base.dtype(), base.shape(), slices, &value)?;
    });
    Ok(Block::contiguous(base.dtype(), base.shape(), buffer.freeze()))
}

/// Writes `part` to the elements that `slices` name of a C-ordered `to` of `shape`.
fn write<W: bytemuck::Pod>(
    to: &mut [W],
    dtype: DType,
    shape: &[usize],
    slices: &[AxisSlice],
    part: &Block,
) -> Result<()> {
    if part.dtype() != dtype {
        return Err(KernelError::WrongDType { expected: dtype, actual: part.dtype() });
    }
    let strides = c_strides(shape);
    let (mut offset, mut steps) = (0_isize, Strides::new());
    for (axis, slice) in slices.iter().enumerate() {
        let size = shape.get(axis).copied().unwrap_or(0);
        if let Some(n_steps) = slice.len.checked_sub(1) {
            let last = slice.start as i64 + n_steps as i64 * slice.step as i64;
            let outside = [slice.start as i64, last].into_iter().find(|index| !(0..size as i64).contains(index));
            if let Some(index) = outside {
                return Err(KernelError::IndexOutOfBounds { index, axis, size });
            }
            offset += slice.start as isize * strides[axis];
        }
        steps.push(strides.get(axis).copied().unwrap_or(0) * slice.step);
    }
    if !part.is_empty() {
        let from = part.words::<W>();
        copy::strided(from, part.offset(), part.strides(), to, offset as usize, &steps, part.shape());
    }
    Ok(())
}

/// The elements of `block` at `positions` along `axis`, in that order.
///
/// # Errors
/// [`KernelError::Axis`], [`KernelError::IndexOutOfBounds`], [`KernelError::OutOfMemory`].
pub fn take(block: &Block, axis: usize, positions: &[usize], pool: &Pool) -> Result<Block> {
    if axis >= block.ndim() {
        return Err(KernelError::Axis { op: "take", axis, n_axes: block.ndim() });
    }
    let mut shape: SmallVec<[usize; 6]> = block.shape().into();
    shape[axis] = positions.len();
    let mut buffer = pool.buffer(n_elements(&shape)? * block.dtype().size_bytes())?;
    with_word!(block.dtype(), W => {
        let n: usize = shape.iter().product();
        let to = &mut buffer.as_mut_slice::<W>()[..n];
        // Runs of neighbours are copied at once.
        let mut at = 0;
        while at < positions.len() {
            let run = positions[at..].windows(2).take_while(|pair| pair[0] + 1 == pair[1]).count() + 1;
            let mut from: SmallVec<[AxisSlice; 6]> = block.shape().iter().map(|&len| AxisSlice::range(0, len)).collect();
            from[axis] = AxisSlice { start: positions[at], len: run, step: 1 };
            let part = block.slice(&from)?;
            let mut target: SmallVec<[AxisSlice; 6]> = shape.iter().map(|&len| AxisSlice::range(0, len)).collect();
            target[axis] = AxisSlice { start: at, len: run, step: 1 };
            write::<W>(to, block.dtype(), &shape, &target, &part)?;
            at += run;
        }
    });
    Ok(Block::contiguous(block.dtype(), &shape, buffer.freeze()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block() -> Block {
        Block::from_vec(&[2, 3], vec![1_i32, 2, 3, 4, 5, 6]).unwrap()
    }

    #[test]
    fn parts_land_where_they_belong() {
        let pool = Pool::new(0);
        let turned = block().transpose(&[1, 0]).unwrap();
        let made = assemble(
            DType::I32,
            &[3, 3],
            &[
                (&[0, 1], turned),
                (
                    &[0, 0],
                    block()
                        .slice(&[AxisSlice { start: 1, len: 1, step: -1 }, AxisSlice::range(0, 1)])
                        .unwrap()
                        .broadcast_to(&[3, 1])
                        .unwrap(),
                ),
            ],
            &pool,
        )
        .unwrap();
        assert_eq!(made.to_vec::<i32>().unwrap(), [4, 1, 4, 4, 2, 5, 4, 3, 6]);
        assert!(matches!(
            assemble(DType::I32, &[2, 2], &[(&[0, 0], block())], &pool),
            Err(KernelError::IndexOutOfBounds { index: 2, axis: 1, size: 2 })
        ));
        assert!(matches!(
            assemble(DType::I64, &[2, 3], &[(&[0, 0], block())], &pool),
            Err(KernelError::WrongDType { .. })
        ));
        assert_eq!(assemble(DType::I32, &[0, 3], &[], &pool).unwrap().shape(), [0, 3]);
    }

    #[test]
    fn a_value_takes_the_place_of_a_slice() {
        let slices = [AxisSlice::range(0, 2), AxisSlice { start: 2, len: 2, step: -2 }];
        let value = Block::from_vec(&[2], vec![7_i32, 8]).unwrap();
        let placed = place(&block(), &slices, &value, &Pool::new(0)).unwrap();
        assert_eq!(placed.to_vec::<i32>().unwrap(), [8, 2, 7, 8, 5, 7]);
        assert!(place(&block(), &slices, &Block::from_vec(&[3], vec![1_i32; 3]).unwrap(), &Pool::new(0)).is_err());
    }

    #[test]
    fn positions_are_taken_in_their_order() {
        let pool = Pool::new(0);
        let taken = take(&block(), 1, &[2, 0, 1, 1], &pool).unwrap();
        assert_eq!(taken.to_vec::<i32>().unwrap(), [3, 1, 2, 2, 6, 4, 5, 5]);
        assert_eq!(take(&block(), 0, &[], &pool).unwrap().shape(), [0, 3]);
        assert!(matches!(take(&block(), 1, &[3], &pool), Err(KernelError::IndexOutOfBounds { .. })));
    }
}
