//! Elements in order along an axis.

use dolmen_simd::sort_u64;

use crate::order::{Key, Ordered, back, elements, rows, to_keys, with_ordered};
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
        let mut keys = vec![T::Key::default(); len];
        let out = buffer.as_mut_slice::<T>();
        for (row, out) in elements::<T>(&rows).chunks_exact(len).zip(out.chunks_exact_mut(len)) {
            to_keys(row, &mut keys);
            T::Key::sort(&mut keys, out);
        }
    }
    back(&Block::contiguous(block.dtype(), rows.shape(), buffer.freeze()), axis)
}

fn positions<T: Ordered>(block: &Block, axis: usize, pool: &Pool) -> Result<Block> {
    let rows = rows(block, axis, pool)?;
    let len = block.shape()[axis];
    let shape: crate::Shape = rows.shape().into();
    let mut buffer = pool.buffer(rows.len() * size_of::<i64>())?;
    if !rows.is_empty() {
        let rows = elements::<T>(&rows).chunks_exact(len).zip(buffer.as_mut_slice::<u64>().chunks_exact_mut(len));
        if size_of::<T::Key>() <= size_of::<u32>() && u32::try_from(len).is_ok() {
            // A key and its position are one word.
            let mut words = vec![0; len];
            for (row, out) in rows {
                let pairs = words.iter_mut().zip(row).zip(0..);
                pairs.for_each(|((word, value), at)| *word = value.key().high() | at);
                sort_u64(&mut words, out);
                out.iter_mut().for_each(|word| *word &= u64::from(u32::MAX));
            }
        } else {
            let mut pairs: Vec<(T::Key, u64)> = Vec::with_capacity(len);
            for (row, out) in rows {
                pairs.clear();
                pairs.extend(row.iter().map(|value| value.key()).zip(0..));
                pairs.sort_unstable();
                out.iter_mut().zip(&pairs).for_each(|(out, (_, at))| *out = *at);
            }
        }
    }
    back(&Block::contiguous(DType::I64, &shape, buffer.freeze()), axis)
}

#[cfg(test)]
mod tests {
    use num_complex::Complex;

    use super::*;
    use crate::reduce::apply;
    use crate::{KernelError, Op, TimeUnit};

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
        for dtype in [DType::U8, DType::I16, DType::F32, DType::F64, DType::C64] {
            let equal = apply(Op::Cast(dtype), &[&equal], &pool).unwrap();
            assert_eq!(argsort(&equal, 0, &pool).unwrap().to_vec::<i64>().unwrap(), [1, 3, 0, 2, 4]);
        }
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
