//! Elements picked by masks and by positions.

use smallvec::SmallVec;

use crate::block::n_elements;
use crate::element::with_word;
use crate::reduce::apply;
use crate::{Block, DType, KernelError, Op, Pool, Result, Scalar, Shape};

/// The elements of `block` where `mask` is true, in C order: `block[mask]`. The mask has the block's shape, or that of its
/// first axes; the other axes stay.
///
/// Shape `[n, .., rest] -> [count, rest]`.
///
/// # Errors
/// [`KernelError::WrongDType`] if the mask is not `bool`, [`KernelError::ShapeMismatch`], [`KernelError::OutOfMemory`].
pub fn compress(block: &Block, mask: &Block, pool: &Pool) -> Result<Block> {
    if mask.dtype() != DType::Bool {
        return Err(KernelError::WrongDType { expected: DType::Bool, actual: mask.dtype() });
    }
    let n_masked = mask.ndim();
    if n_masked > block.ndim() || block.shape()[..n_masked] != *mask.shape() {
        let (left, right) = (block.shape().into(), mask.shape().into());
        let expected = "the mask has the shape of the first axes of the array";
        return Err(KernelError::ShapeMismatch { op: "boolean index", left, right, expected });
    }
    let mask = mask.to_contiguous(pool)?;
    let mask = mask.as_slice::<bool>()?.unwrap_or_default();
    let block = block.to_contiguous(pool)?;
    let rest = &block.shape()[n_masked..];
    let run: usize = rest.iter().product();
    let kept = mask.iter().filter(|keep| **keep).count();
    let shape: Shape = [kept].iter().chain(rest).copied().collect();
    let size = block.dtype().size_bytes();
    let mut buffer = pool.buffer(n_elements(&shape)? * size)?;
    with_word!(block.dtype(), W => {
        let from = &block.words::<W>()[block.offset()..];
        let to = buffer.as_mut_slice::<W>();
        let mut at = 0;
        for (position, _) in mask.iter().enumerate().filter(|(_, keep)| **keep) {
            to[at..at + run].copy_from_slice(&from[position * run..(position + 1) * run]);
            at += run;
        }
    });
    Ok(Block::contiguous(block.dtype(), &shape, buffer.freeze()))
}

/// The elements at positions along the first axes: `block[i, j, ..]` for index arrays `i`, `j` of one shape. Negative
/// positions count from the end.
///
/// Shape `[n, m, rest], [shape] each -> [shape, rest]`.
///
/// # Errors
/// [`KernelError::IndexOutOfBounds`], [`KernelError::WrongDType`] unless positions are `int64`,
/// [`KernelError::WrongRank`] for more index arrays than axes, [`KernelError::ShapeMismatch`], [`KernelError::OutOfMemory`].
pub fn gather(block: &Block, indices: &[Block], pool: &Pool) -> Result<Block> {
    let positions = Positions::new(block.shape(), indices, pool)?;
    let rest = &block.shape()[indices.len()..];
    let run: usize = rest.iter().product();
    let block = block.to_contiguous(pool)?;
    let shape: Shape = positions.shape.iter().chain(rest).copied().collect();
    let mut buffer = pool.buffer(n_elements(&shape)? * block.dtype().size_bytes())?;
    with_word!(block.dtype(), W => {
        let from = &block.words::<W>()[block.offset()..];
        let to = buffer.as_mut_slice::<W>();
        if run > 0 {
            for (at, to) in positions.linear.iter().zip(to.chunks_exact_mut(run)) {
                to.copy_from_slice(&from[at * run..(at + 1) * run]);
            }
        }
    });
    Ok(Block::contiguous(block.dtype(), &shape, buffer.freeze()))
}

/// A copy of `block` with `values` at positions along the first axes, see [`gather`]; where a position comes twice, the
/// last value counts. The values are broadcast to `[shape, rest]`.
///
/// # Errors
/// As [`gather`]; [`KernelError::Broadcast`], [`KernelError::WrongDType`] if the values have another dtype.
pub fn scatter(block: &Block, indices: &[Block], values: &Block, pool: &Pool) -> Result<Block> {
    if values.dtype() != block.dtype() {
        return Err(KernelError::WrongDType { expected: block.dtype(), actual: values.dtype() });
    }
    let positions = Positions::new(block.shape(), indices, pool)?;
    let rest = &block.shape()[indices.len()..];
    let run: usize = rest.iter().product();
    let shape: Shape = positions.shape.iter().chain(rest).copied().collect();
    let values = values.broadcast_to(&shape)?.to_contiguous(pool)?;
    let copy = crate::copy::compact(block, pool)?;
    let Ok(mut buffer) = copy.into_buffer_mut() else { unreachable!("a fresh copy is shared with nobody") };
    with_word!(block.dtype(), W => {
        let from = &values.words::<W>()[values.offset()..];
        let to = buffer.as_mut_slice::<W>();
        if run > 0 {
            for (at, from) in positions.linear.iter().zip(from.chunks_exact(run)) {
                to[at * run..(at + 1) * run].copy_from_slice(from);
            }
        }
    });
    Ok(Block::contiguous(block.dtype(), block.shape(), buffer.freeze()))
}

/// Positions along several axes as one.
struct Positions {
    shape: Shape,
    linear: Vec<usize>,
}

impl Positions {
    fn new(shape: &[usize], indices: &[Block], pool: &Pool) -> Result<Self> {
        let Some(first) = indices.first().filter(|_| indices.len() <= shape.len()) else {
            let expected = "one index array for each of the first axes";
            return Err(KernelError::WrongRank { op: "index", expected, n_axes: shape.len() });
        };
        let mut linear = vec![0_usize; first.len()];
        for (axis, index) in indices.iter().enumerate() {
            if index.shape() != first.shape() {
                let (left, right) = (first.shape().into(), index.shape().into());
                let expected = "index arrays have one shape";
                return Err(KernelError::ShapeMismatch { op: "index", left, right, expected });
            }
            let size = shape[axis];
            let index = index.to_contiguous(pool)?;
            let index = index.as_slice::<i64>()?.unwrap_or_default();
            for (at, index) in linear.iter_mut().zip(index) {
                let position = if *index < 0 { *index + size as i64 } else { *index };
                match usize::try_from(position) {
                    Ok(position) if position < size => *at = *at * size + position,
                    _ => return Err(KernelError::IndexOutOfBounds { index: *index, axis, size }),
                }
            }
        }
        Ok(Self { shape: SmallVec::from_slice(first.shape()), linear })
    }
}

/// For each position the element of the choice that `index` names; all blocks are of one shape, and the choices of one dtype.
///
/// # Errors
/// [`KernelError::IndexOutOfBounds`] for a choice that there is not; [`KernelError::ShapeMismatch`],
/// [`KernelError::WrongDType`].
pub fn choose(index: &Block, choices: &[Block], pool: &Pool) -> Result<Block> {
    let op = "choose";
    let places = apply(Op::Cast(DType::I64), &[index], pool)?.to_contiguous(pool)?;
    let outside = places.view::<i64>()?.iter().copied().find(|place| *place < 0 || *place >= choices.len() as i64);
    if let Some(index) = outside {
        return Err(KernelError::IndexOutOfBounds { index, axis: 0, size: choices.len() });
    }
    let Some((first, others)) = choices.split_first() else {
        return Err(KernelError::Parameter { op, parameter: "choices", problem: "are none" });
    };
    let mut chosen = first.clone();
    for (place, choice) in (1_i64..).zip(others) {
        if choice.shape() != index.shape() {
            let (left, right) = (index.shape().into(), choice.shape().into());
            return Err(KernelError::ShapeMismatch { op, left, right, expected: "all are of one shape" });
        }
        let is_this = apply(Op::Equal, &[&places, &Block::full(index.shape(), Scalar::I64(place))], pool)?;
        chosen = apply(Op::Where, &[&is_this, choice, &chosen], pool)?;
    }
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block() -> Block {
        Block::from_vec(&[2, 3, 2], (0..12).collect::<Vec<i16>>()).unwrap()
    }

    fn index(shape: &[usize], positions: Vec<i64>) -> Block {
        Block::from_vec(shape, positions).unwrap()
    }

    #[test]
    fn masks_keep_what_they_say() {
        let pool = Pool::new(0);
        let mask =
            Block::from_vec(&[3, 2], vec![true, false, false, true, true, false]).unwrap().transpose(&[1, 0]).unwrap();
        let kept = compress(&block(), &mask, &pool).unwrap();
        assert_eq!((kept.shape(), kept.to_vec::<i16>().unwrap()), (&[3, 2][..], vec![0, 1, 4, 5, 8, 9]));
        let all = Block::full(&[2, 3, 2], crate::Scalar::Bool(true));
        assert_eq!(compress(&block(), &all, &pool).unwrap().shape(), [12]);
        assert!(matches!(compress(&block(), &index(&[2], vec![0, 1]), &pool), Err(KernelError::WrongDType { .. })));
        let long = Block::full(&[3], crate::Scalar::Bool(true));
        assert!(matches!(compress(&block(), &long, &pool), Err(KernelError::ShapeMismatch { .. })));
    }

    #[test]
    fn positions_pick_and_place() {
        let pool = Pool::new(0);
        let (i, j) = (index(&[3], vec![0, -1, 1]), index(&[3], vec![2, 0, -1]));
        let picked = gather(&block(), &[i.clone(), j.clone()], &pool).unwrap();
        assert_eq!((picked.shape(), picked.to_vec::<i16>().unwrap()), (&[3, 2][..], vec![4, 5, 6, 7, 10, 11]));
        let square = gather(&block(), &[index(&[2, 2], vec![1, 0, 0, 1])], &pool).unwrap();
        assert_eq!(square.shape(), [2, 2, 3, 2]);
        let values = Block::from_vec(&[3, 1], vec![-1_i16, -2, -3]).unwrap();
        let placed = scatter(&block(), &[i, j], &values, &pool).unwrap();
        assert_eq!(placed.to_vec::<i16>().unwrap(), [0, 1, 2, 3, -1, -1, -2, -2, 8, 9, -3, -3]);
        let twice =
            scatter(&block(), &[index(&[2], vec![0, 0])], &Block::from_vec(&[2, 1, 1], vec![7_i16, 9]).unwrap(), &pool);
        assert_eq!(twice.unwrap().to_vec::<i16>().unwrap()[..6], [9; 6]);
        let outside = gather(&block(), &[index(&[1], vec![-3])], &pool);
        assert_eq!(outside.unwrap_err(), KernelError::IndexOutOfBounds { index: -3, axis: 0, size: 2 });
        assert!(matches!(gather(&block(), &[], &pool), Err(KernelError::WrongRank { .. })));
    }
}
