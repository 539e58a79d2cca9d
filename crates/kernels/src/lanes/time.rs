//! Points and spans of time: integers among which one is "not a time".

use super::{compare_with, map, map2, not_here};
use crate::element::B8;
use crate::time::{NAT, convert};
use crate::{DType, Op, TimeUnit};

/// The two operands of an operation on time, and its result.
pub(crate) enum TimeTile<'a> {
    /// Both count units.
    Both(&'a [i64], &'a [i64], &'a mut [i64]),
    /// A span and an integer without unit.
    Int(&'a [i64], &'a [i64], &'a mut [i64]),
    /// A span and a float.
    Float(&'a [i64], &'a [f64], &'a mut [i64]),
    /// Two spans, and the float that is their quotient.
    Quotient(&'a [i64], &'a [i64], &'a mut [f64]),
    /// Two of a kind that are compared.
    Compare(&'a [i64], &'a [i64], &'a mut [B8]),
}

/// `out = op(a, b)`.
pub(crate) fn time_binary(op: Op, result: DType, tile: TimeTile<'_>) {
    match tile {
        TimeTile::Compare(a, b, out) => {
            let real = |a: i64, b: i64| a != NAT && b != NAT;
            compare_with(
                op,
                a,
                b,
                out,
                |a, b| real(a, b) && a == b,
                |a, b| real(a, b) && a < b,
                |a, b| real(a, b) && a <= b,
            );
        }
        TimeTile::Quotient(a, b, out) => {
            map2(a, b, out, |a, b| if a == NAT || b == NAT { f64::NAN } else { a as f64 / b as f64 });
        }
        TimeTile::Both(a, b, out) => match op {
            Op::Add => lift(a, b, out, i64::wrapping_add),
            Op::Subtract => lift(a, b, out, i64::wrapping_sub),
            Op::Maximum => lift(a, b, out, i64::max),
            Op::Minimum => lift(a, b, out, i64::min),
            Op::Fmax => map2(a, b, out, |a, b| {
                if a == NAT {
                    b
                } else if b == NAT {
                    a
                } else {
                    a.max(b)
                }
            }),
            Op::Fmin => map2(a, b, out, |a, b| {
                if a == NAT {
                    b
                } else if b == NAT {
                    a
                } else {
                    a.min(b)
                }
            }),
            // The quotient of two spans is a number, which has no NaT: NumPy gives zero.
            Op::FloorDivide if result == DType::I64 => {
                map2(a, b, out, |a, b| if a == NAT || b == NAT || b == 0 { 0 } else { floor_divide(a, b) });
            }
            Op::Remainder => {
                lift(a, b, out, |a, b| if b == 0 { NAT } else { a.wrapping_sub(floor_divide(a, b).wrapping_mul(b)) });
            }
            _ => not_here(op, "an operation of two times"),
        },
        TimeTile::Int(a, b, out) => match op {
            // The number has no NaT, but its least value would overflow.
            Op::Multiply => map2(a, b, out, |a, b| if a == NAT { NAT } else { a.wrapping_mul(b) }),
            // NumPy cuts both towards zero.
            Op::TrueDivide | Op::FloorDivide => {
                map2(a, b, out, |a, b| if a == NAT || b == 0 { NAT } else { a.wrapping_div(b) });
            }
            _ => not_here(op, "an operation of a span and an integer"),
        },
        TimeTile::Float(a, b, out) => {
            let span = |value: f64| if value.is_finite() { value as i64 } else { NAT };
            match op {
                Op::Multiply => map2(a, b, out, |a, b| if a == NAT { NAT } else { span(a as f64 * b) }),
                Op::TrueDivide | Op::FloorDivide => {
                    map2(a, b, out, |a, b| if a == NAT { NAT } else { span(a as f64 / b) });
                }
                _ => not_here(op, "an operation of a span and a float"),
            }
        }
    }
}

#[inline(always)]
fn lift(a: &[i64], b: &[i64], out: &mut [i64], f: impl Fn(i64, i64) -> i64) {
    map2(a, b, out, |a, b| if a == NAT || b == NAT { NAT } else { f(a, b) });
}

#[inline(always)]
fn floor_divide(a: i64, b: i64) -> i64 {
    let quotient = a.wrapping_div(b);
    if a.wrapping_rem(b) != 0 && (a < 0) != (b < 0) { quotient - 1 } else { quotient }
}

/// `out = op(a)` for spans.
pub(crate) fn time_unary(op: Op, a: &[i64], out: &mut [i64]) {
    match op {
        Op::Negative => map(a, out, |a| a.wrapping_neg()),
        Op::Absolute => map(a, out, |a| a.wrapping_abs()),
        // NumPy takes NaT for the number that it is.
        Op::Sign => map(a, out, |a| a.signum()),
        _ => not_here(op, "an operation of one span of time"),
    }
}

/// `out = op(a)` for the tests of time.
pub(crate) fn time_test(op: Op, a: &[i64], out: &mut [B8]) {
    match op {
        Op::Isnan => map(a, out, |a| (a == NAT).into()),
        Op::Isfinite => map(a, out, |a| (a != NAT).into()),
        Op::Isinf => map(a, out, |_| false.into()),
        _ => not_here(op, "a test of time"),
    }
}

/// `out = a` in another unit.
pub(crate) fn time_convert(a: &[i64], out: &mut [i64], from: TimeUnit, to: TimeUnit) {
    map(a, out, |a| convert(a, from, to));
}
