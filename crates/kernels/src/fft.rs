//! Discrete Fourier transforms along an axis, by rustfft and realfft, on one thread.

use num_complex::Complex;
use realfft::RealFftPlanner;
use rustfft::{FftDirection, FftNum, FftPlanner};
use serde::{Deserialize, Serialize};

use crate::element::Lane;
use crate::order::{back, elements, rows};
use crate::reduce::apply;
use crate::{Block, DType, KernelError, Op, Pool, Result};

/// A transform of one length along an axis.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Fft {
    /// From what to what.
    pub kind: FftKind,
    /// The length of the transform: rows that are longer are cut, shorter ones go on with zeros.
    pub len: usize,
    /// What the sums are multiplied with.
    pub scale: f64,
}

/// From what to what a Fourier transform goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FftKind {
    /// Complex to complex, with the exponent `-2 pi i`.
    Forward,
    /// Complex to complex, with the exponent `2 pi i`.
    Inverse,
    /// Real numbers to the first half of their transform, of `len / 2 + 1` elements.
    Real,
    /// The first half of a transform back to real numbers.
    RealInverse,
}

impl Fft {
    /// The dtype of the transform of elements of `dtype`: in single precision only of elements that are.
    #[must_use]
    pub fn dtype(self, dtype: DType) -> DType {
        let complex = match dtype {
            DType::F16 | DType::F32 | DType::C64 => DType::C64,
            _ => DType::C128,
        };
        if self.kind == FftKind::RealInverse { complex.real() } else { complex }
    }

    /// The length of the axis afterwards.
    #[must_use]
    pub fn out_len(self) -> usize {
        if self.kind == FftKind::Real { self.len / 2 + 1 } else { self.len }
    }
}

/// The transform of each row along `axis`.
///
/// # Errors
/// [`KernelError::Parameter`] for a transform of length 0, [`KernelError::UnsupportedDType`] for times and for the real
/// transform of complex numbers, [`KernelError::Axis`], [`KernelError::OutOfMemory`].
pub fn fft(block: &Block, axis: usize, fft: Fft, pool: &Pool) -> Result<Block> {
    block.check_axis("fft", axis)?;
    if fft.len == 0 {
        return Err(KernelError::Parameter { op: "fft", parameter: "n", problem: "must be positive" });
    }
    let dtype = block.dtype();
    if dtype.is_time() || fft.kind == FftKind::Real && dtype.real() != dtype {
        let remedy = if dtype.is_time() { "; cast it with astype" } else { "; take the transform fft" };
        return Err(KernelError::UnsupportedDType { op: "fft", dtypes: vec![dtype], remedy });
    }
    match fft.dtype(dtype).real() {
        DType::F32 => transform::<f32>(block, axis, fft, pool),
        _ => transform::<f64>(block, axis, fft, pool),
    }
}

fn transform<T: FftNum + Lane>(block: &Block, axis: usize, fft: Fft, pool: &Pool) -> Result<Block>
where
    Complex<T>: Lane,
{
    // Of real numbers one half of the transform is the conjugate of the other.
    let is_real = block.dtype().real() == block.dtype();
    let from = if is_real && fft.kind != FftKind::RealInverse { T::DTYPE } else { Complex::<T>::DTYPE };
    let cast = if block.dtype() == from { block.clone() } else { apply(Op::Cast(from), &[block], pool)? };
    let rows = rows(&cast, axis, pool)?;
    let own = block.shape()[axis];
    let n_rows: usize = rows.shape()[..rows.ndim() - 1].iter().product();
    let mut shape: crate::Shape = rows.shape().into();
    *shape.last_mut().unwrap_or(&mut 0) = fft.out_len();
    let dtype = fft.dtype(block.dtype());
    let mut buffer = pool.buffer(n_rows * fft.out_len() * dtype.size_bytes())?;
    let scale: T = crate::element::cast(fft.scale);
    match fft.kind {
        FftKind::Forward | FftKind::Inverse if is_real => {
            let plan = RealFftPlanner::new().plan_fft_forward(fft.len);
            let (mut row, mut scratch) = (plan.make_input_vec(), plan.make_scratch_vec());
            let (n_half, is_inverse) = (fft.len / 2 + 1, fft.kind == FftKind::Inverse);
            let out = buffer.as_mut_slice::<Complex<T>>();
            for (idx, out) in out.chunks_exact_mut(fft.len).enumerate() {
                fill(&mut row, &elements(&rows)[idx * own..][..own]);
                let (half, rest) = out.split_at_mut(n_half);
                plan.process_with_scratch(&mut row, half, &mut scratch).map_err(lengths)?;
                for value in half.iter_mut() {
                    *value = *value * scale;
                    if is_inverse {
                        *value = value.conj();
                    }
                }
                rest.iter_mut().rev().zip(&half[1..]).for_each(|(to, from)| *to = from.conj());
            }
        }
        FftKind::Forward | FftKind::Inverse => {
            let out = buffer.as_mut_slice::<Complex<T>>();
            for (idx, out) in out.chunks_exact_mut(fft.len).enumerate() {
                fill(out, &elements(&rows)[idx * own..][..own]);
            }
            let forward = fft.kind == FftKind::Forward;
            let direction = if forward { FftDirection::Forward } else { FftDirection::Inverse };
            let plan = FftPlanner::new().plan_fft(fft.len, direction);
            let mut scratch = vec![Complex::new(T::zero(), T::zero()); plan.get_inplace_scratch_len()];
            for out in out.chunks_exact_mut(fft.len) {
                plan.process_with_scratch(out, &mut scratch);
                if fft.scale != 1.0 {
                    out.iter_mut().for_each(|value| *value = *value * scale);
                }
            }
        }
        FftKind::Real => {
            let plan = RealFftPlanner::new().plan_fft_forward(fft.len);
            let (mut row, mut scratch) = (plan.make_input_vec(), plan.make_scratch_vec());
            let out = buffer.as_mut_slice::<Complex<T>>();
            for (idx, out) in out.chunks_exact_mut(fft.out_len()).enumerate() {
                fill(&mut row, &elements(&rows)[idx * own..][..own]);
                plan.process_with_scratch(&mut row, out, &mut scratch).map_err(lengths)?;
                if fft.scale != 1.0 {
                    out.iter_mut().for_each(|value| *value = *value * scale);
                }
            }
        }
        FftKind::RealInverse => {
            let plan = RealFftPlanner::new().plan_fft_inverse(fft.len);
            let (mut row, mut scratch) = (plan.make_input_vec(), plan.make_scratch_vec());
            let out = buffer.as_mut_slice::<T>();
            for (idx, out) in out.chunks_exact_mut(fft.len).enumerate() {
                fill(&mut row, &elements(&rows)[idx * own..][..own]);
                // Of a real signal the first element, and the middle one of an even length, are real: the rest is left out.
                row[0].im = T::zero();
                if fft.len.is_multiple_of(2) {
                    row[fft.len / 2].im = T::zero();
                }
                plan.process_with_scratch(&mut row, out, &mut scratch).map_err(lengths)?;
                if fft.scale != 1.0 {
                    out.iter_mut().for_each(|value| *value = *value * scale);
                }
            }
        }
    }
    back(&Block::contiguous(dtype, &shape, buffer.freeze()), axis)
}

/// As much of a row as there is room for, and zeros.
fn fill<T: Copy + Default>(to: &mut [T], row: &[T]) {
    let n = row.len().min(to.len());
    to[..n].copy_from_slice(&row[..n]);
    to[n..].fill(T::default());
}

/// Lengths come from the plan.
fn lengths(_: realfft::FftError) -> KernelError {
    KernelError::Parameter { op: "fft", parameter: "n", problem: "does not fit the plan" }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use proptest::prelude::*;

    use super::*;

    fn naive(x: &[Complex<f64>], sign: f64) -> Vec<Complex<f64>> {
        let n = x.len();
        let term = |k: usize, j: usize| Complex::from_polar(1.0, sign * TAU * ((k * j) % n) as f64 / n as f64);
        (0..n).map(|k| x.iter().enumerate().map(|(j, x)| x * term(k, j)).sum()).collect()
    }

    proptest! {
        #[test]
        fn transforms_are_their_sums(
            parts in prop::collection::vec((-2.0_f64..2.0, -2.0_f64..2.0), 1..40),
            len in 1_usize..50,
        ) {
            let pool = Pool::new(0);
            let x: Vec<Complex<f64>> = parts.iter().map(|(re, im)| Complex::new(*re, *im)).collect();
            let mut padded = x.clone();
            padded.resize(len, Complex::default());
            let of = |kind, scale| {
                let block = Block::from_vec(&[x.len(), 1], x.clone()).unwrap();
                fft(&block, 0, Fft { kind, len, scale }, &pool).unwrap().to_vec::<Complex<f64>>().unwrap()
            };
            let close = |a: &[Complex<f64>], b: &[Complex<f64>]| a.iter().zip(b).all(|(a, b)| (a - b).norm() < 1e-10);
            prop_assert!(close(&of(FftKind::Forward, 1.0), &naive(&padded, -1.0)));
            let halved: Vec<Complex<f64>> = naive(&padded, 1.0).iter().map(|x| x * 0.5).collect();
            prop_assert!(close(&of(FftKind::Inverse, 0.5), &halved));
            // Of real numbers there and back.
            let reals: Vec<f64> = padded.iter().map(|x| x.re).collect();
            let block = Block::from_vec(&[1, len], reals.clone()).unwrap();
            let half = fft(&block, 1, Fft { kind: FftKind::Real, len, scale: 1.0 }, &pool).unwrap();
            let whole = naive(&reals.iter().map(|x| Complex::new(*x, 0.0)).collect::<Vec<_>>(), -1.0);
            prop_assert!(close(&half.to_vec::<Complex<f64>>().unwrap(), &whole[..len / 2 + 1]));
            let there = Fft { kind: FftKind::RealInverse, len, scale: 1.0 / len as f64 };
            let again = fft(&half, 1, there, &pool).unwrap().to_vec::<f64>().unwrap();
            prop_assert!(again.iter().zip(&reals).all(|(a, b)| (a - b).abs() < 1e-10));
        }
    }

    #[test]
    fn what_has_no_transform_is_an_error() {
        let pool = Pool::new(0);
        let block = Block::from_vec(&[2], vec![Complex::new(1.0_f32, 0.0); 2]).unwrap();
        let plan = |kind, len| Fft { kind, len, scale: 1.0 };
        assert!(matches!(fft(&block, 0, plan(FftKind::Forward, 0), &pool), Err(KernelError::Parameter { .. })));
        assert!(matches!(fft(&block, 0, plan(FftKind::Real, 2), &pool), Err(KernelError::UnsupportedDType { .. })));
        assert!(matches!(fft(&block, 1, plan(FftKind::Forward, 2), &pool), Err(KernelError::Axis { .. })));
        assert_eq!(fft(&block, 0, plan(FftKind::Forward, 2), &pool).unwrap().dtype(), DType::C64);
    }
}
