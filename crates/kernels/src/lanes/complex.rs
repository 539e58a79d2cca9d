//! Complex numbers.

use multiversion::multiversion;
use num_complex::Complex;

use super::{LaneOps, map, map2, not_here};
use crate::element::B8;
use crate::{Op, Result};

macro_rules! complex_ops {
    ($($real:ident, $least:expr, $binary:ident, $moduli:ident;)*) => {$(
        #[multiversion(targets("x86_64+avx2+fma"))]
        fn $binary(op: Op, a: &[Complex<$real>], b: &[Complex<$real>], out: &mut [Complex<$real>]) {
            match op {
                Op::Add => map2(a, b, out, |a, b| a + b),
                Op::Subtract => map2(a, b, out, |a, b| a - b),
                Op::Multiply => map2(a, b, out, |a, b| a * b),
                Op::TrueDivide => map2(a, b, out, divide),
                Op::Power => map2(a, b, out, power),
                Op::Maximum => map2(a, b, out, |a, b| if is_nan(a) || !less(a, b) && !is_nan(b) { a } else { b }),
                Op::Minimum => map2(a, b, out, |a, b| if is_nan(a) || !less(b, a) && !is_nan(b) { a } else { b }),
                Op::Fmax => map2(a, b, out, |a, b| if is_nan(b) || !less(a, b) && !is_nan(a) { a } else { b }),
                Op::Fmin => map2(a, b, out, |a, b| if is_nan(b) || !less(b, a) && !is_nan(a) { a } else { b }),
                _ => not_here(op, "an operation of two complex numbers"),
            }
        }

        /// The moduli: the root of a sum of squares, but where squares leave what the numbers can hold well.
        #[multiversion(targets("x86_64+avx512f+avx512dq+avx512vl+avx512bw+avx2+fma", "x86_64+avx2+fma"))]
        fn $moduli(a: &[Complex<$real>], out: &mut [$real]) {
            for (a, out) in a.chunks(MODULI).zip(out.chunks_mut(MODULI)) {
                let mut are_plain = true;
                for (a, out) in a.iter().zip(&mut *out) {
                    let (re, im) = (f64::from(a.re), f64::from(a.im));
                    let square = re * re + im * im;
                    let is_zero = re == 0.0 && im == 0.0;
                    are_plain &= (square >= $least || is_zero) && square < f64::INFINITY;
                    *out = square.sqrt() as $real;
                }
                if !are_plain {
                    map(a, out, |a| a.re.hypot(a.im));
                }
            }
        }

        impl LaneOps for Complex<$real> {
            fn binary(op: Op, a: &[Self], b: &[Self], out: &mut [Self]) -> Result<()> {
                $binary(op, a, b, out);
                Ok(())
            }

            fn compare(op: Op, a: &[Self], b: &[Self], out: &mut [B8]) {
                let le = |a: Self, b: Self| less(a, b) || a == b;
                super::compare_with(op, a, b, out, |a, b| a == b, less, le);
            }

            fn unary(op: Op, a: &[Self], out: &mut [Self]) {
                match op {
                    Op::Negative => map(a, out, |a| -a),
                    Op::Conjugate => map(a, out, |a| a.conj()),
                    Op::Square => map(a, out, |a| a * a),
                    Op::Reciprocal => map(a, out, |a| {
                        // Of zero, NumPy's is not infinite.
                        let one = Complex::new(1.0, 0.0);
                        if a == Complex::default() { Complex::new($real::NAN, $real::NAN) } else { divide(one, a) }
                    }),
                    Op::Sign => map(a, out, sign),
                    Op::Sqrt => map(a, out, |a| a.sqrt()),
                    Op::Exp => map(a, out, |a| {
                        // Zero times infinity is not what is meant there.
                        if a.im == 0.0 { Complex::new(a.re.exp(), a.im) } else { a.exp() }
                    }),
                    Op::Exp2 => map(a, out, |a| (a * std::f64::consts::LN_2 as $real).exp()),
                    Op::Expm1 => map(a, out, |a| {
                        // e^re cos im - 1, without the cancellation near zero.
                        let half = (a.im * 0.5).sin();
                        let re = a.re.exp_m1() * a.im.cos() - 2.0 * half * half;
                        Complex::new(re, a.re.exp() * a.im.sin())
                    }),
                    Op::Log => map(a, out, |a| a.ln()),
                    Op::Log2 => map(a, out, |a| a.ln() * std::f64::consts::LOG2_E as $real),
                    Op::Log10 => map(a, out, |a| a.ln() * std::f64::consts::LOG10_E as $real),
                    Op::Log1p => map(a, out, |a| {
                        let re = 1.0 + a.re;
                        Complex::new(re.hypot(a.im).ln(), a.im.atan2(re))
                    }),
                    Op::Sin => map(a, out, |a| a.sin()),
                    Op::Cos => map(a, out, |a| a.cos()),
                    Op::Tan => map(a, out, |a| a.tan()),
                    Op::Arcsin => map(a, out, |a| a.asin()),
                    Op::Arccos => map(a, out, |a| a.acos()),
                    Op::Arctan => map(a, out, |a| a.atan()),
                    Op::Sinh => map(a, out, |a| a.sinh()),
                    Op::Cosh => map(a, out, |a| a.cosh()),
                    Op::Tanh => map(a, out, |a| a.tanh()),
                    Op::Arcsinh => map(a, out, |a| a.asinh()),
                    Op::Arccosh => map(a, out, |a| a.acosh()),
                    Op::Arctanh => map(a, out, |a| a.atanh()),
                    Op::Rint => map(a, out, |a| Complex::new(a.re.round_ties_even(), a.im.round_ties_even())),
                    _ => not_here(op, "an operation of one complex number"),
                }
            }

            fn test(op: Op, a: &[Self], out: &mut [B8]) {
                match op {
                    Op::Isnan => map(a, out, |a| is_nan(a).into()),
                    Op::Isinf => map(a, out, |a| (a.re.is_infinite() || a.im.is_infinite()).into()),
                    Op::Isfinite => map(a, out, |a| (a.re.is_finite() && a.im.is_finite()).into()),
                    _ => not_here(op, "a test of complex numbers"),
                }
            }
        }

        impl Parts for $real {
            fn parts(op: Op, a: &[Complex<Self>], out: &mut [Self]) {
                match op {
                    Op::Real => map(a, out, |a| a.re),
                    Op::Imag => map(a, out, |a| a.im),
                    Op::Absolute => $moduli(a, out),
                    Op::Angle => map(a, out, |a| a.im.atan2(a.re)),
                    _ => not_here(op, "a part of a complex number"),
                }
            }
        }
    )*};
}

/// Numbers whose moduli are taken together.
const MODULI: usize = 64;

trait Parts: Sized {
    fn parts(op: Op, a: &[Complex<Self>], out: &mut [Self]);
}

complex_ops! {
    f32, f64::MIN_POSITIVE, binary_c64, moduli_c64;
    f64, f64::MIN_POSITIVE / f64::EPSILON, binary_c128, moduli_c128;
}

/// The real or imaginary part, absolute value or angle of complex numbers.
#[allow(private_bounds)]
pub(crate) fn parts<T: Parts>(op: Op, a: &[Complex<T>], out: &mut [T]) {
    T::parts(op, a, out);
}

fn is_nan<T: num_traits::Float>(a: Complex<T>) -> bool {
    a.re.is_nan() || a.im.is_nan()
}

/// The order of NumPy: by the real part, then by the imaginary one.
fn less<T: num_traits::Float>(a: Complex<T>, b: Complex<T>) -> bool {
    a.re < b.re && !a.im.is_nan() && !b.im.is_nan() || a.re == b.re && a.im < b.im
}

/// The number of size one in the same direction; zero stays what it is.
fn sign<T: num_traits::Float>(a: Complex<T>) -> Complex<T> {
    let toward = |part: T| if part.is_infinite() { part.signum() } else { T::zero() };
    match (a.re.is_infinite(), a.im.is_infinite()) {
        _ if a.re.is_zero() && a.im.is_zero() => a,
        (true, false) | (false, true) if !a.re.is_nan() && !a.im.is_nan() => Complex::new(toward(a.re), toward(a.im)),
        _ => a / a.re.hypot(a.im),
    }
}

/// Division by the larger part of the divisor first, which keeps squares of large numbers from overflowing.
fn divide<T: num_traits::Float>(a: Complex<T>, b: Complex<T>) -> Complex<T> {
    let (re, im) = (b.re.abs(), b.im.abs());
    if re >= im {
        if re.is_zero() && im.is_zero() {
            return Complex::new(a.re / re, a.im / re);
        }
        let ratio = b.im / b.re;
        let scale = T::one() / (b.re + b.im * ratio);
        Complex::new((a.re + a.im * ratio) * scale, (a.im - a.re * ratio) * scale)
    } else {
        let ratio = b.re / b.im;
        let scale = T::one() / (b.re * ratio + b.im);
        Complex::new((a.re * ratio + a.im) * scale, (a.im * ratio - a.re) * scale)
    }
}

/// Small whole powers by multiplication, which is exact where the result is; others by logarithms.
fn power<T: num_traits::Float>(a: Complex<T>, b: Complex<T>) -> Complex<T> {
    let one = Complex::new(T::one(), T::zero());
    if b.re.is_zero() && b.im.is_zero() {
        return one;
    }
    if b == one {
        return a;
    }
    if a.re.is_zero() && a.im.is_zero() {
        let zero = Complex::new(T::zero(), T::zero());
        return if b.re > T::zero() { zero } else { Complex::new(T::nan(), T::nan()) };
    }
    match b.re.to_i32() {
        Some(n) if b.im.is_zero() && b.re == b.re.trunc() && (-100..100).contains(&n) => {
            let (mut power, mut square, mut rest) = (one, a, n.unsigned_abs());
            while rest > 0 {
                if rest & 1 == 1 {
                    power = power * square;
                }
                square = square * square;
                rest >>= 1;
            }
            if n < 0 { divide(one, power) } else { power }
        }
        _ => a.powc(b),
    }
}

#[cfg(test)]
mod tests {
    use num_complex::Complex;

    use super::Parts;
    use crate::Op;

    #[test]
    fn moduli_are_those_of_hypot_wherever_squares_are() {
        let parts =
            [0.0, -0.0, 1.0, -3.5, 1e-300, 5e-324, 1e-160, 1e-146, 1e154, 1e200, f64::MAX, f64::INFINITY, f64::NAN];
        let numbers: Vec<Complex<f64>> =
            parts.iter().flat_map(|re| parts.iter().map(|im| Complex::new(*re, *im))).collect();
        // Alone, and among numbers that need no care.
        for padding in [0, 63, 200] {
            for number in &numbers {
                let mut all = vec![Complex::new(3.0, -4.0); padding];
                all.push(*number);
                let mut out = vec![0.0; all.len()];
                f64::parts(Op::Absolute, &all, &mut out);
                assert!(out[..padding].iter().all(|out| *out == 5.0));
                let (found, expected) = (out[padding], number.re.hypot(number.im));
                let is_same = found == expected || found.is_nan() && expected.is_nan();
                assert!(is_same || ((found - expected) / expected).abs() < 4e-16, "{number}: {found}, {expected}");
            }
        }
        let numbers = numbers.iter().map(|number| Complex::new(number.re as f32, number.im as f32));
        let numbers: Vec<Complex<f32>> =
            numbers.chain([Complex::new(1e-45, 3e-45), Complex::new(3e38, 3e38)]).collect();
        let mut out = vec![0.0; numbers.len()];
        f32::parts(Op::Absolute, &numbers, &mut out);
        for (found, number) in out.iter().zip(&numbers) {
            let expected = number.re.hypot(number.im);
            let is_same = *found == expected || found.is_nan() && expected.is_nan();
            assert!(is_same || ((found - expected) / expected).abs() < 2e-7, "{number}: {found}, {expected}");
        }
    }
}
