//! Floating-point numbers.

use half::f16;
use multiversion::multiversion;

use super::{LaneOps, compare_with, map, map2, math, not_here, special};
use crate::element::B8;
use crate::{Op, Result};

macro_rules! float_ops {
    ($($type:ident, $binary:ident, $compare:ident, $unary:ident, $test:ident, $transcendental:ident, |$x:ident| $exp:expr, $log:expr;)*) => {$(
        #[multiversion(targets("x86_64+avx512f+avx512dq+avx512vl+avx512bw+avx2+fma", "x86_64+avx2+fma"))]
        fn $binary(op: Op, a: &[$type], b: &[$type], out: &mut [$type]) {
            match op {
                Op::Add => map2(a, b, out, |a, b| a + b),
                Op::Subtract => map2(a, b, out, |a, b| a - b),
                Op::Multiply => map2(a, b, out, |a, b| a * b),
                Op::TrueDivide => map2(a, b, out, |a, b| a / b),
                // The first operand if it is NaN, else the second if that is.
                Op::Maximum => map2(a, b, out, |a, b| if a >= b || a.is_nan() { a } else { b }),
                Op::Minimum => map2(a, b, out, |a, b| if a <= b || a.is_nan() { a } else { b }),
                Op::Fmax => map2(a, b, out, |a, b| if a >= b || b.is_nan() { a } else { b }),
                Op::Fmin => map2(a, b, out, |a, b| if a <= b || b.is_nan() { a } else { b }),
                Op::Copysign => map2(a, b, out, |a, b| a.copysign(b)),
                Op::FloorDivide => map2(a, b, out, |a, b| floor_divide(a.into(), b.into()) as $type),
                Op::Remainder => map2(a, b, out, |a, b| {
                    let rest = a % b;
                    if b == 0.0 {
                        <$type>::NAN
                    } else if rest == 0.0 {
                        (0.0 as $type).copysign(b)
                    } else if (rest < 0.0) != (b < 0.0) {
                        rest + b
                    } else {
                        rest
                    }
                }),
                Op::Fmod => map2(a, b, out, |a, b| a % b),
                Op::Power => map2(a, b, out, |a, b| a.powf(b)),
                Op::Arctan2 => map2(a, b, out, |a, b| a.atan2(b)),
                Op::Hypot => map2(a, b, out, |a, b| a.hypot(b)),
                Op::Logaddexp => map2(a, b, out, |a, b| {
                    if a == b {
                        // Infinities of one sign, too.
                        return a + std::f64::consts::LN_2 as $type;
                    }
                    let (high, low) = if a > b { (a, b) } else { (b, a) };
                    let sum = high + (low - high).exp().ln_1p();
                    if a.is_nan() || b.is_nan() { a + b } else { sum }
                }),
                Op::Logaddexp2 => map2(a, b, out, |a, b| {
                    if a == b {
                        return a + 1.0;
                    }
                    let (high, low) = if a > b { (a, b) } else { (b, a) };
                    let sum = high + (low - high).exp2().ln_1p() * std::f64::consts::LOG2_E as $type;
                    if a.is_nan() || b.is_nan() { a + b } else { sum }
                }),
                Op::Nextafter => map2(a, b, out, |a, b| {
                    if a.is_nan() || b.is_nan() {
                        a + b
                    } else if a == b {
                        b
                    } else if b > a {
                        a.next_up()
                    } else {
                        a.next_down()
                    }
                }),
                Op::Ldexp => map2(a, b, out, |a, b| special::ldexp(a.into(), b.into()) as $type),
                Op::StudentTails => map2(a, b, out, |a, b| special::student_tails(a.into(), b.into()) as $type),
                _ => not_here(op, "an operation of two floats"),
            }
        }

        #[multiversion(targets("x86_64+avx2+fma"))]
        fn $compare(op: Op, a: &[$type], b: &[$type], out: &mut [B8]) {
            compare_with(op, a, b, out, |a, b| a == b, |a, b| a < b, |a, b| a <= b);
        }

        #[multiversion(targets("x86_64+avx512f+avx512dq+avx512vl+avx512bw+avx2+fma", "x86_64+avx2+fma"))]
        fn $unary(op: Op, a: &[$type], out: &mut [$type]) {
            match op {
                Op::Negative => map(a, out, |a| -a),
                Op::Absolute => map(a, out, |a| a.abs()),
                Op::Sign => map(a, out, |a| if a > 0.0 { 1.0 } else if a < 0.0 { -1.0 } else if a == 0.0 { 0.0 } else { a }),
                Op::Square => map(a, out, |a| a * a),
                Op::Reciprocal => map(a, out, |a| 1.0 / a),
                Op::Sqrt => map(a, out, |a| a.sqrt()),
                Op::Floor => map(a, out, |a| a.floor()),
                Op::Ceil => map(a, out, |a| a.ceil()),
                Op::Trunc => map(a, out, |a| a.trunc()),
                Op::Rint => map(a, out, |a| a.round_ties_even()),
                Op::Exp => map(a, out, |$x| $exp as $type),
                Op::Log => map(a, out, |$x| $log as $type),
                Op::Sin => map(a, out, |a| math::sin_cos(a.into()).0 as $type),
                Op::Cos => map(a, out, |a| math::sin_cos(a.into()).1 as $type),
                _ => $transcendental(op, a, out),
            }
        }

        /// Functions of the system's library, one element at a time.
        #[inline(never)]
        fn $transcendental(op: Op, a: &[$type], out: &mut [$type]) {
            match op {
                Op::Sin => map(a, out, |a| a.sin()),
                Op::Cos => map(a, out, |a| a.cos()),
                Op::Tan => map(a, out, |a| a.tan()),
                Op::Cbrt => map(a, out, |a| a.cbrt()),
                Op::Exp2 => map(a, out, |a| a.exp2()),
                Op::Expm1 => map(a, out, |a| a.exp_m1()),
                Op::Log2 => map(a, out, |a| a.log2()),
                Op::Log10 => map(a, out, |a| a.log10()),
                Op::Log1p => map(a, out, |a| a.ln_1p()),
                Op::Arcsin => map(a, out, |a| a.asin()),
                Op::Arccos => map(a, out, |a| a.acos()),
                Op::Arctan => map(a, out, |a| a.atan()),
                Op::Sinh => map(a, out, |a| a.sinh()),
                Op::Cosh => map(a, out, |a| a.cosh()),
                Op::Tanh => map(a, out, |a| a.tanh()),
                Op::Arcsinh => map(a, out, |a| libm::asinh(a.into()) as $type),
                Op::Arccosh => map(a, out, |a| if a < 1.0 { <$type>::NAN } else { libm::acosh(a.into()) as $type }),
                Op::Arctanh => map(a, out, |a| libm::atanh(a.into()) as $type),
                // From the number to the next one away from zero.
                Op::Spacing => map(a, out, |a| if a >= 0.0 { a.next_up() - a } else { a.next_down() - a }),
                Op::Mantissa => map(a, out, |a| if a.is_finite() { libm::frexp(a.into()).0 as $type } else { a }),
                Op::Exponent => map(a, out, |a| if a.is_finite() { libm::frexp(a.into()).1 as $type } else { 0.0 }),
                Op::I0 => map(a, out, |a| special::i0(a.into()) as $type),
                _ => not_here(op, "an operation of one float"),
            }
        }

        #[multiversion(targets("x86_64+avx2+fma"))]
        fn $test(op: Op, a: &[$type], out: &mut [B8]) {
            match op {
                Op::Isnan => map(a, out, |a| a.is_nan().into()),
                Op::Isinf => map(a, out, |a| a.is_infinite().into()),
                Op::Isfinite => map(a, out, |a| a.is_finite().into()),
                Op::Signbit => map(a, out, |a| a.is_sign_negative().into()),
                _ => not_here(op, "a test of floats"),
            }
        }

        impl LaneOps for $type {
            fn binary(op: Op, a: &[Self], b: &[Self], out: &mut [Self]) -> Result<()> {
                $binary(op, a, b, out);
                Ok(())
            }

            fn compare(op: Op, a: &[Self], b: &[Self], out: &mut [B8]) {
                $compare(op, a, b, out);
            }

            fn unary(op: Op, a: &[Self], out: &mut [Self]) {
                // The vector form reduces its argument for all but huge numbers; a tile that holds one goes the long way.
                let huge = || a.iter().any(|a| a.is_nan() || a.abs() > math::SIN_COS_MAX as $type);
                if matches!(op, Op::Sin | Op::Cos) && huge() {
                    $transcendental(op, a, out);
                } else {
                    $unary(op, a, out);
                }
            }

            fn test(op: Op, a: &[Self], out: &mut [B8]) {
                $test(op, a, out);
            }
        }
    )*};
}

float_ops! {
    f32, binary_f32, compare_f32, unary_f32, test_f32, transcendental_f32, |x| math::exp_short(x.into()), math::log_short(x.into());
    f64, binary_f64, compare_f64, unary_f64, test_f64, transcendental_f64, |x| math::exp(x), math::log(x);
}

/// The greatest integer that is not above `a / b`, found from the remainder so that rounding of the quotient does not count.
#[inline(always)]
fn floor_divide(a: f64, b: f64) -> f64 {
    if b == 0.0 {
        return a / b;
    }
    let rest = a % b;
    let mut quotient = (a - rest) / b;
    if rest != 0.0 && (rest < 0.0) != (b < 0.0) {
        quotient -= 1.0;
    }
    if quotient == 0.0 {
        return (0.0_f64).copysign(a / b);
    }
    let floor = quotient.floor();
    if quotient - floor > 0.5 { floor + 1.0 } else { floor }
}

/// Half floats are computed with as float32: programs cast them before and after every operation.
impl LaneOps for f16 {
    fn binary(op: Op, _: &[Self], _: &[Self], _: &mut [Self]) -> Result<()> {
        not_here(op, "an operation of float16")
    }

    fn compare(op: Op, _: &[Self], _: &[Self], _: &mut [B8]) {
        not_here(op, "an operation of float16")
    }

    fn unary(op: Op, _: &[Self], _: &mut [Self]) {
        not_here(op, "an operation of float16")
    }

    fn test(op: Op, _: &[Self], _: &mut [B8]) {
        not_here(op, "an operation of float16")
    }
}
