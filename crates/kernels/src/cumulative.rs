//! Running sums and products along an axis.

use half::f16;
use num_complex::Complex;

use crate::block::n_elements;
use crate::element::Lane;
use crate::time::NAT;
use crate::{Block, DType, KernelError, Kind, Pool, Result};

/// The sum (or product) of everything up to each element along `axis`, and of `carry` before it, which has the shape of the
/// block with length 1 along the axis. The block is of a dtype that sums have: 64-bit integers, floats, complex numbers,
/// spans of time (sums only).
///
/// # Errors
/// [`KernelError::UnsupportedDType`], [`KernelError::Axis`]; [`KernelError::Broadcast`] and [`KernelError::WrongDType`] for a
/// `carry` that does not fit; [`KernelError::OutOfMemory`].
pub fn cumulative(block: &Block, axis: usize, is_product: bool, carry: Option<&Block>, pool: &Pool) -> Result<Block> {
    let op = if is_product { "cumprod" } else { "cumsum" };
    if axis >= block.ndim() {
        return Err(KernelError::Axis { op, axis, n_axes: block.ndim() });
    }
    let dtype = block.dtype();
    let unsupported = || KernelError::UnsupportedDType { op, dtypes: vec![dtype], remedy: "; cast it with astype" };
    if dtype.kind() == Kind::TimeDelta && is_product {
        return Err(unsupported());
    }
    let block = block.to_contiguous(pool)?;
    let carry = match carry {
        None => None,
        Some(carry) if carry.dtype() != dtype => {
            return Err(KernelError::WrongDType { expected: dtype, actual: carry.dtype() });
        }
        Some(carry) => {
            let mut shape = block.shape().to_vec();
            shape[axis] = 1;
            Some(carry.broadcast_to(&shape)?.to_contiguous(pool)?)
        }
    };
    macro_rules! run {
        ($of:ty) => {
            if is_product {
                fill::<$of>(&block, axis, carry.as_ref(), <$of>::times, pool)
            } else {
                fill::<$of>(&block, axis, carry.as_ref(), <$of>::plus, pool)
            }
        };
    }
    match dtype.storage() {
        DType::I64 if dtype.is_time() => fill::<i64>(&block, axis, carry.as_ref(), plus_time, pool),
        DType::I64 => run!(i64),
        DType::U64 => run!(u64),
        DType::F16 => run!(f16),
        DType::F32 => run!(f32),
        DType::F64 => run!(f64),
        DType::C64 => run!(Complex<f32>),
        DType::C128 => run!(Complex<f64>),
        _ => Err(unsupported()),
    }
}

/// The sum of spans of time, which is none if one of them is.
fn plus_time(a: i64, b: i64) -> i64 {
    if a == NAT || b == NAT { NAT } else { a.wrapping_add(b) }
}

fn fill<T: Lane>(block: &Block, axis: usize, carry: Option<&Block>, op: fn(T, T) -> T, pool: &Pool) -> Result<Block> {
    let shape = block.shape();
    let (n, inner) = (shape[axis], shape[axis + 1..].iter().product::<usize>());
    let mut buffer = pool.buffer(n_elements(shape)? * size_of::<T>())?;
    let to = &mut buffer.as_mut_slice::<T>()[..block.len()];
    if !block.is_empty() {
        let from = &block.storage::<T>()[block.offset()..][..block.len()];
        let carry = carry.map(|carry| &carry.storage::<T>()[carry.offset()..][..carry.len()]);
        for (outer, (from, to)) in from.chunks_exact(n * inner).zip(to.chunks_exact_mut(n * inner)).enumerate() {
            let (first, _) = to.split_at_mut(inner);
            match carry {
                Some(carry) => {
                    let before = &carry[outer * inner..][..inner];
                    first.iter_mut().zip(from).zip(before).for_each(|((to, from), before)| *to = op(*before, *from));
                }
                None => first.copy_from_slice(&from[..inner]),
            }
            for row in 1..n {
                let (done, rest) = to.split_at_mut(row * inner);
                let before = &done[(row - 1) * inner..];
                let own = &from[row * inner..][..inner];
                rest.iter_mut().zip(own).zip(before).for_each(|((to, from), before)| *to = op(*before, *from));
            }
        }
    }
    Ok(Block::contiguous(block.dtype(), shape, buffer.freeze()))
}

/// Sums and products that wrap, as NumPy's do.
trait Accumulate: Lane {
    fn plus(self, other: Self) -> Self;
    fn times(self, other: Self) -> Self;
}

macro_rules! accumulate {
    ($($of:ty: $plus:expr, $times:expr;)*) => {
        $(
            impl Accumulate for $of {
                fn plus(self, other: Self) -> Self {
                    $plus(self, other)
                }

                fn times(self, other: Self) -> Self {
                    $times(self, other)
                }
            }
        )*
    };
}

accumulate! {
    i64: i64::wrapping_add, i64::wrapping_mul;
    u64: u64::wrapping_add, u64::wrapping_mul;
    f16: |a: f16, b: f16| a + b, |a: f16, b: f16| a * b;
    f32: |a, b| a + b, |a, b| a * b;
    f64: |a, b| a + b, |a, b| a * b;
    Complex<f32>: |a, b| a + b, |a, b| a * b;
    Complex<f64>: |a, b| a + b, |a, b| a * b;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_run_along_each_axis_and_go_on_from_a_carry() {
        let pool = Pool::new(0);
        let block = Block::from_vec(&[2, 3], vec![1_i64, 2, 3, 4, 5, i64::MAX]).unwrap();
        let of = |axis, is_product, carry: Option<&Block>| {
            cumulative(&block, axis, is_product, carry, &pool).unwrap().to_vec::<i64>().unwrap()
        };
        assert_eq!(of(1, false, None), [1, 3, 6, 4, 9, i64::MIN + 8]);
        assert_eq!(of(0, true, None), [1, 2, 3, 4, 10, i64::MAX.wrapping_mul(3)]);
        let carry = Block::from_vec(&[2, 1], vec![10_i64, 20]).unwrap();
        assert_eq!(of(1, false, Some(&carry))[..4], [11, 13, 16, 24]);
        let turned = block.transpose(&[1, 0]).unwrap();
        assert_eq!(cumulative(&turned, 0, false, None, &pool).unwrap().to_vec::<i64>().unwrap()[..4], [1, 4, 3, 9]);
        assert_eq!(
            cumulative(&block.region(&[0, 0], &[2, 0]).unwrap(), 1, false, None, &pool).unwrap().shape(),
            [2, 0]
        );
        assert!(matches!(cumulative(&block, 2, false, None, &pool), Err(KernelError::Axis { .. })));
    }
}
