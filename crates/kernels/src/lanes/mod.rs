//! Elementwise loops over tiles: slices of a few hundred elements that stay in the nearest cache.
//!
//! Every family of loops is compiled for the instruction sets of [`multiversion`] and chosen at run time. Nothing in them
//! is fused or reordered unless it says so itself, as the formulas of random numbers do, so that their bits are the same on all.

mod complex;
mod float;
pub(crate) mod fold;
mod int;
pub(crate) mod math;
mod prefetch;
pub(crate) mod special;
mod time;

use crate::element::{B8, Lane};
use crate::{Op, Result};

pub(crate) use prefetch::prefetch;
pub(crate) use time::{TimeTile, time_binary, time_convert, time_test, time_unary};

/// The loops of one lane type. Which operations reach which type is settled when a program is made.
pub(crate) trait LaneOps: Lane {
    /// `out = op(a, b)`, for operations whose result has the dtype of the operands.
    fn binary(op: Op, a: &[Self], b: &[Self], out: &mut [Self]) -> Result<()>;
    /// `out = a op b` for a comparison.
    fn compare(op: Op, a: &[Self], b: &[Self], out: &mut [B8]);
    /// `out = op(a)`, for operations whose result has the dtype of the operand.
    fn unary(op: Op, a: &[Self], out: &mut [Self]);
    /// `out = op(a)` for the tests `isnan`, `isinf`, `isfinite` and `signbit`.
    fn test(op: Op, a: &[Self], out: &mut [B8]);
}

/// The real or imaginary part, absolute value or angle of complex lanes; `None` from other lanes.
pub(crate) use complex::parts;

#[inline(always)]
fn map<A: Copy, R>(a: &[A], out: &mut [R], f: impl Fn(A) -> R) {
    for (out, a) in out.iter_mut().zip(a) {
        *out = f(*a);
    }
}

#[inline(always)]
fn map2<A: Copy, B: Copy, R>(a: &[A], b: &[B], out: &mut [R], f: impl Fn(A, B) -> R) {
    for ((out, a), b) in out.iter_mut().zip(a).zip(b) {
        *out = f(*a, *b);
    }
}

#[inline(always)]
fn compare_with<A: Copy>(
    op: Op,
    a: &[A],
    b: &[A],
    out: &mut [B8],
    eq: impl Fn(A, A) -> bool,
    lt: impl Fn(A, A) -> bool,
    le: impl Fn(A, A) -> bool,
) {
    match op {
        Op::Equal => map2(a, b, out, |a, b| eq(a, b).into()),
        Op::NotEqual => map2(a, b, out, |a, b| (!eq(a, b)).into()),
        Op::Less => map2(a, b, out, |a, b| lt(a, b).into()),
        Op::LessEqual => map2(a, b, out, |a, b| le(a, b).into()),
        Op::Greater => map2(a, b, out, |a, b| lt(b, a).into()),
        Op::GreaterEqual => map2(a, b, out, |a, b| le(b, a).into()),
        _ => not_here(op, "a comparison"),
    }
}

/// `a op b` where `a` has a sign and `b` has none, which no dtype holds both of.
pub(crate) fn compare_mixed(op: Op, a: &[i64], b: &[u64], out: &mut [B8]) {
    let cmp = |a: i64, b: u64| u64::try_from(a).map_or(std::cmp::Ordering::Less, |a| a.cmp(&b));
    match op {
        Op::Equal => map2(a, b, out, |a, b| cmp(a, b).is_eq().into()),
        Op::NotEqual => map2(a, b, out, |a, b| cmp(a, b).is_ne().into()),
        Op::Less => map2(a, b, out, |a, b| cmp(a, b).is_lt().into()),
        Op::LessEqual => map2(a, b, out, |a, b| cmp(a, b).is_le().into()),
        Op::Greater => map2(a, b, out, |a, b| cmp(a, b).is_gt().into()),
        Op::GreaterEqual => map2(a, b, out, |a, b| cmp(a, b).is_ge().into()),
        _ => not_here(op, "a comparison"),
    }
}

/// `out = condition ? a : b`, whatever the elements are.
pub(crate) fn select<W: Copy>(condition: &[B8], a: &[W], b: &[W], out: &mut [W]) {
    for (((out, condition), a), b) in out.iter_mut().zip(condition).zip(a).zip(b) {
        *out = if condition.get() { *a } else { *b };
    }
}

/// `out = a` as another dtype, see [`crate::element::cast`].
pub(crate) fn convert<S: Lane, T: Lane>(a: &[S], out: &mut [T]) {
    map(a, out, |a| crate::element::cast(a));
}

#[cold]
fn not_here(op: Op, kind: &str) -> ! {
    unreachable!("a program was checked when it was made, but `{}` is not {kind}", op.name())
}
