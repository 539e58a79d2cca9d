//! Elements in order along an axis.

use crate::order::{Ordered, back, elements, rows, with_ordered};
use crate::{Block, DType, Pool, Result};

/// The elements along `axis` from the least to the greatest, NaN (NaT) last; complex numbers by their real parts first.
///
/// # Errors
/// [`Axis`](crate::KernelError::Axis), [`OutOfMemory`](crate::KernelError::OutOfMemory).
pub fn sort(block: &Block, axis: usize, pool: &Pool) -> Result<Block> {
    block.check_axis("sort", axis)?;
    with_ordered!(block.dtype(), T => sorted::<T>(block, axis, pool))
}

/// The positions along `axis` of the elements from the least to the greatest, as `int64`; equal elements stay in their order.
///
/// # Errors
/// As [`sort`].
pub fn argsort(block: &Block, axis: usize, pool: &Pool) -> Result<Block> {
    block.check_axis("argsort", axis)?;
    with_ordered!(block.dtype(), T => positions::<T>(block, axis, pool))
}

fn sorted<T: Ordered>(block: &Block, axis: usize, pool: &Pool) -> Result<Block> {
    let rows = rows(block, axis, pool)?;
    let len = block.shape()[axis];
    let mut buffer = pool.buffer(rows.nbytes())?;
    if !rows.is_empty() {
        let mut keys: Vec<T::Key> = Vec::with_capacity(len);
        let out = buffer.as_mut_slice::<T>();
        for (row, out) in elements::<T>(&rows).chunks_exact(len).zip(out.chunks_exact_mut(len)) {
            keys.clear();
            keys.extend(row.iter().map(|value| value.key()));
            keys.sort_unstable();
            out.iter_mut().zip(&keys).for_each(|(out, key)| *out = T::from_key(*key));
        }
    }
    back(&Block::contiguous(block.dtype(), rows.shape(), buffer.freeze()), axis)
}

fn positions<T: Ordered>(block: &Block, axis: usize, pool: &Pool) -> Result<Block> {
    let rows = rows(block, axis, pool)?;
    let len = block.shape()[axis];
    let mut buffer = pool.buffer(rows.len() * size_of::<i64>())?;
    if !rows.is_empty() {
        let mut pairs: Vec<(T::Key, usize)> = Vec::with_capacity(len);
        let out = buffer.as_mut_slice::<i64>();
        for (row, out) in elements::<T>(&rows).chunks_exact(len).zip(out.chunks_exact_mut(len)) {
            pairs.clear();
            pairs.extend(row.iter().map(|value| value.key()).zip(0..));
            pairs.sort_unstable();
            out.iter_mut().zip(&pairs).for_each(|(out, (_, at))| *out = *at as i64);
        }
    }
    back(&Block::contiguous(DType::I64, rows.shape(), buffer.freeze()), axis)
}

#[cfg(test)]
mod tests {
    use num_complex::Complex;

    use super::*;
    use crate::{KernelError, TimeUnit};

    #[test]
    fn rows_are_in_order_along_each_axis() {
        let pool = Pool::new(0);
        let block = Block::from_vec(&[2, 3], vec![3.0, f64::NAN, -1.0, 0.5, 2.0, f64::NEG_INFINITY]).unwrap();
        let of = |axis| sort(&block, axis, &pool).unwrap().to_vec::<f64>().unwrap();
        assert_eq!(of(1)[..2], [-1.0, 3.0]);
        assert!(of(1)[2].is_nan());
        assert_eq!(of(0)[..2], [0.5, 2.0]);
        assert_eq!(argsort(&block, 1, &pool).unwrap().to_vec::<i64>().unwrap(), [2, 0, 1, 2, 0, 1]);
        let equal = Block::from_vec(&[5], vec![2_u8, 1, 2, 1, 2]).unwrap();
        assert_eq!(argsort(&equal, 0, &pool).unwrap().to_vec::<i64>().unwrap(), [1, 3, 0, 2, 4]);
        let times = Block::from_vec(&[3], vec![i64::MIN, 5, -5]).unwrap();
        let times = times.view_as(DType::DateTime(TimeUnit::Second)).unwrap();
        assert_eq!(sort(&times, 0, &pool).unwrap().to_vec::<i64>().unwrap(), [-5, 5, i64::MIN]);
        let complex = vec![Complex::new(1.0_f32, 2.0), Complex::new(1.0, -2.0), Complex::new(-3.0, 9.0)];
        let complex = Block::from_vec(&[3], complex).unwrap();
        assert_eq!(argsort(&complex, 0, &pool).unwrap().to_vec::<i64>().unwrap(), [2, 1, 0]);
        let empty = block.region(&[0, 0], &[2, 0]).unwrap();
        assert_eq!(sort(&empty, 1, &pool).unwrap().shape(), [2, 0]);
        assert_eq!(sort(&empty, 0, &pool).unwrap().shape(), [2, 0]);
        assert!(matches!(sort(&block, 2, &pool), Err(KernelError::Axis { .. })));
    }
}
