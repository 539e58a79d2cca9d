//! What reductions need of each lane type: sums, products and extremes of tiles.
//!
//! Sums go into 32 accumulators side by side, which the compiler turns into vectors and whose number fixes the order of
//! addition on every instruction set; sums of tiles are added with their rounding errors kept.

use half::f16;
use multiversion::multiversion;
use num_complex::Complex;

use crate::element::{B8, Carrier, Lane, cast};
use crate::time::NAT;

const LANES: usize = 32;

/// A lane type that can be reduced.
pub(crate) trait FoldLane: Lane {
    /// What sums and products are kept in: as NumPy's result, but wide where that is a float.
    type Sum: SumLane;
    /// Nothing is less.
    const LEAST: Self;
    /// Nothing is greater.
    const GREATEST: Self;
    /// The sum of a tile.
    fn sum(tile: &[Self]) -> Self::Sum;
    /// Adds each element of a tile to the sum at its place.
    fn add_each(sums: &mut [Self::Sum], tile: &[Self]) {
        add_each(sums, tile);
    }
    /// NaN, or not a time.
    fn is_nan(self) -> bool;
    /// NumPy's order, of values that are not NaN.
    fn less(self, other: Self) -> bool;
    /// The least value of a tile, NaN if there is one.
    fn min(tile: &[Self]) -> Self;
    /// The greatest value of a tile, NaN if there is one.
    fn max(tile: &[Self]) -> Self;

    #[inline(always)]
    fn widen(self) -> Self::Sum {
        cast(self)
    }
}

/// What sums are kept in.
pub(crate) trait SumLane: Lane {
    /// A sum with what rounding took from it.
    type Exact: Copy + Default;
    const ZERO: Self;
    const ONE: Self;
    fn add(self, other: Self) -> Self;
    fn multiply(self, other: Self) -> Self;
    fn push(exact: &mut Self::Exact, value: Self);
    fn total(exact: Self::Exact) -> Self;
}

macro_rules! exact_sum {
    ($($type:ty),*) => {$(
        impl SumLane for $type {
            type Exact = Self;
            const ZERO: Self = 0;
    const ONE: Self = 1;

            #[inline(always)]
            fn add(self, other: Self) -> Self {
                self.wrapping_add(other)
            }

            #[inline(always)]
            fn multiply(self, other: Self) -> Self {
                self.wrapping_mul(other)
            }

            #[inline(always)]
            fn push(exact: &mut Self, value: Self) {
                *exact = exact.wrapping_add(value);
            }

            fn total(exact: Self) -> Self {
                exact
            }
        }
    )*};
}

exact_sum!(i64, u64);

impl SumLane for f64 {
    type Exact = (f64, f64);
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        self + other
    }

    #[inline(always)]
    fn multiply(self, other: Self) -> Self {
        self * other
    }

    #[inline(always)]
    fn push((sum, lost): &mut (f64, f64), value: Self) {
        // The two-sum of Knuth: `new + error` is exactly `sum + value`.
        let new = *sum + value;
        let part = new - *sum;
        *lost += (*sum - (new - part)) + (value - part);
        *sum = new;
    }

    fn total((sum, lost): (f64, f64)) -> Self {
        // The error of an infinite sum is NaN.
        if sum.is_finite() { sum + lost } else { sum }
    }
}

impl SumLane for Complex<f64> {
    type Exact = ((f64, f64), (f64, f64));
    const ZERO: Self = Complex::new(0.0, 0.0);
    const ONE: Self = Complex::new(1.0, 0.0);

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        self + other
    }

    #[inline(always)]
    fn multiply(self, other: Self) -> Self {
        self * other
    }

    #[inline(always)]
    fn push((re, im): &mut Self::Exact, value: Self) {
        f64::push(re, value.re);
        f64::push(im, value.im);
    }

    fn total((re, im): Self::Exact) -> Self {
        Complex::new(f64::total(re), f64::total(im))
    }
}

#[inline(always)]
fn add_each<T: FoldLane>(sums: &mut [T::Sum], tile: &[T]) {
    for (sum, value) in sums.iter_mut().zip(tile) {
        *sum = sum.add(value.widen());
    }
}

/// Folds a tile in 32 accumulators, and those pairwise.
#[inline(always)]
fn fold_lanes<T: Copy, A: Copy>(tile: &[T], start: A, step: impl Fn(A, T) -> A, join: impl Fn(A, A) -> A) -> A {
    let (chunks, rest) = tile.as_chunks::<LANES>();
    let mut lanes = [start; LANES];
    for chunk in chunks {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane = step(*lane, *value);
        }
    }
    for (lane, value) in lanes.iter_mut().zip(rest) {
        *lane = step(*lane, *value);
    }
    let mut width = LANES / 2;
    while width > 0 {
        for at in 0..width {
            lanes[at] = join(lanes[at], lanes[at + width]);
        }
        width /= 2;
    }
    lanes[0]
}

macro_rules! fold_ints {
    ($($type:ident, $sum:ident, $sum_fn:ident, $min_fn:ident, $max_fn:ident;)*) => {$(
        #[multiversion(targets("x86_64+avx2+fma"))]
        fn $sum_fn(tile: &[$type]) -> $sum {
            fold_lanes(tile, 0, |sum: $sum, value| sum.wrapping_add(value as $sum), |a, b| a.wrapping_add(b))
        }

        #[multiversion(targets("x86_64+avx2+fma"))]
        fn $min_fn(tile: &[$type]) -> $type {
            fold_lanes(tile, $type::MAX, |a, b| a.min(b), |a, b| a.min(b))
        }

        #[multiversion(targets("x86_64+avx2+fma"))]
        fn $max_fn(tile: &[$type]) -> $type {
            fold_lanes(tile, $type::MIN, |a, b| a.max(b), |a, b| a.max(b))
        }

        impl FoldLane for $type {
            type Sum = $sum;
            const LEAST: Self = $type::MIN;
            const GREATEST: Self = $type::MAX;

            fn sum(tile: &[Self]) -> $sum {
                $sum_fn(tile)
            }

            #[inline(always)]
            fn is_nan(self) -> bool {
                false
            }

            #[inline(always)]
            fn less(self, other: Self) -> bool {
                self < other
            }

            fn min(tile: &[Self]) -> Self {
                $min_fn(tile)
            }

            fn max(tile: &[Self]) -> Self {
                $max_fn(tile)
            }
        }
    )*};
}

fold_ints! {
    i8, i64, sum_i8, min_i8, max_i8;
    i16, i64, sum_i16, min_i16, max_i16;
    i32, i64, sum_i32, min_i32, max_i32;
    i64, i64, sum_i64, min_i64, max_i64;
    u8, u64, sum_u8, min_u8, max_u8;
    u16, u64, sum_u16, min_u16, max_u16;
    u32, u64, sum_u32, min_u32, max_u32;
    u64, u64, sum_u64, min_u64, max_u64;
}

macro_rules! fold_floats {
    ($($type:ident, $sum_fn:ident, $each_fn:ident, $min_fn:ident, $max_fn:ident;)*) => {$(
        #[multiversion(targets("x86_64+avx512f+avx512dq+avx512vl+avx512bw+avx2+fma", "x86_64+avx2+fma"))]
        fn $each_fn(sums: &mut [f64], tile: &[$type]) {
            add_each(sums, tile);
        }

        #[multiversion(targets("x86_64+avx512f+avx512dq+avx512vl+avx512bw+avx2+fma", "x86_64+avx2+fma"))]
        fn $sum_fn(tile: &[$type]) -> $type {
            // From -0, which changes nothing it is added to.
            fold_lanes(tile, -0.0, |a, b| a + b, |a, b| a + b)
        }

        // NaN compares as false with anything, so that it stays once it is there, and is taken when it comes.
        #[multiversion(targets("x86_64+avx512f+avx512dq+avx512vl+avx512bw+avx2+fma", "x86_64+avx2+fma"))]
        fn $min_fn(tile: &[$type]) -> $type {
            let min = |a: $type, b: $type| if a <= b || a != a { a } else { b };
            fold_lanes(tile, $type::INFINITY, min, min)
        }

        #[multiversion(targets("x86_64+avx512f+avx512dq+avx512vl+avx512bw+avx2+fma", "x86_64+avx2+fma"))]
        fn $max_fn(tile: &[$type]) -> $type {
            let max = |a: $type, b: $type| if a >= b || a != a { a } else { b };
            fold_lanes(tile, $type::NEG_INFINITY, max, max)
        }

        impl FoldLane for $type {
            type Sum = f64;
            const LEAST: Self = $type::NEG_INFINITY;
            const GREATEST: Self = $type::INFINITY;

            fn sum(tile: &[Self]) -> f64 {
                $sum_fn(tile).into()
            }

            fn add_each(sums: &mut [f64], tile: &[Self]) {
                $each_fn(sums, tile);
            }

            #[inline(always)]
            fn is_nan(self) -> bool {
                self != self
            }

            #[inline(always)]
            fn less(self, other: Self) -> bool {
                self < other
            }

            fn min(tile: &[Self]) -> Self {
                $min_fn(tile)
            }

            fn max(tile: &[Self]) -> Self {
                $max_fn(tile)
            }
        }
    )*};
}

fold_floats! {
    f32, sum_f32, add_each_f32, min_f32, max_f32;
    f64, sum_f64, add_each_f64, min_f64, max_f64;
}

/// The members of [`FoldLane`] that are the same for all types without vector loops of their own.
macro_rules! fold_by_one {
    () => {
        fn min(tile: &[Self]) -> Self {
            tile.iter().fold(Self::GREATEST, |least, value| {
                if least.is_nan() || !value.is_nan() && !value.less(least) { least } else { *value }
            })
        }

        fn max(tile: &[Self]) -> Self {
            tile.iter().fold(Self::LEAST, |greatest, value| {
                if greatest.is_nan() || !value.is_nan() && !greatest.less(*value) { greatest } else { *value }
            })
        }
    };
}

impl FoldLane for B8 {
    type Sum = i64;
    const LEAST: Self = Self(0);
    const GREATEST: Self = Self(1);

    fn sum(tile: &[Self]) -> i64 {
        sum_u8(bytemuck::cast_slice(tile)) as i64
    }

    fn is_nan(self) -> bool {
        false
    }

    fn less(self, other: Self) -> bool {
        self.0 < other.0
    }

    fold_by_one!();
}

impl FoldLane for f16 {
    type Sum = f64;
    const LEAST: Self = Self::NEG_INFINITY;
    const GREATEST: Self = Self::INFINITY;

    fn sum(tile: &[Self]) -> f64 {
        fold_lanes(tile, -0.0, |sum, value| sum + value.to_f64(), |a, b| a + b)
    }

    fn is_nan(self) -> bool {
        self.is_nan()
    }

    fn less(self, other: Self) -> bool {
        self < other
    }

    fold_by_one!();
}

macro_rules! fold_complex {
    ($($real:ident),*) => {$(
        impl FoldLane for Complex<$real> {
            type Sum = Complex<f64>;
            const LEAST: Self = Complex::new($real::NEG_INFINITY, $real::NEG_INFINITY);
            const GREATEST: Self = Complex::new($real::INFINITY, $real::INFINITY);

            fn sum(tile: &[Self]) -> Complex<f64> {
                fold_lanes(tile, Complex::new(-0.0, -0.0), |sum, value| sum + value.widen(), |a, b| a + b)
            }

            #[inline(always)]
            fn is_nan(self) -> bool {
                self.re.is_nan() || self.im.is_nan()
            }

            #[inline(always)]
            fn less(self, other: Self) -> bool {
                self.re < other.re || self.re == other.re && self.im < other.im
            }

            fold_by_one!();
        }
    )*};
}

fold_complex!(f32, f64);

/// A point or span of time, whose NaT is to reductions what NaN is.
#[derive(Debug, Clone, Copy, PartialEq, Default, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(transparent)]
pub(crate) struct Time(pub(crate) i64);

impl Lane for Time {
    const DTYPE: crate::DType = crate::DType::I64;

    fn carrier(self) -> Carrier {
        Carrier::Signed(self.0)
    }

    fn from_carrier(carrier: Carrier) -> Self {
        Self(Lane::from_carrier(carrier))
    }
}

impl SumLane for Time {
    type Exact = Self;
    const ZERO: Self = Self(0);
    const ONE: Self = Self(1);

    fn add(self, other: Self) -> Self {
        if self.0 == NAT || other.0 == NAT { Self(NAT) } else { Self(self.0.wrapping_add(other.0)) }
    }

    fn multiply(self, other: Self) -> Self {
        if self.0 == NAT || other.0 == NAT { Self(NAT) } else { Self(self.0.wrapping_mul(other.0)) }
    }

    fn push(exact: &mut Self, value: Self) {
        *exact = exact.add(value);
    }

    fn total(exact: Self) -> Self {
        exact
    }
}

impl FoldLane for Time {
    type Sum = Self;
    const LEAST: Self = Self(i64::MIN + 1);
    const GREATEST: Self = Self(i64::MAX);

    fn sum(tile: &[Self]) -> Self {
        tile.iter().fold(Self(0), |sum, value| sum.add(*value))
    }

    fn is_nan(self) -> bool {
        self.0 == NAT
    }

    fn less(self, other: Self) -> bool {
        self.0 < other.0
    }

    fold_by_one!();
}

/// The squared distances of a tile from `mean`, summed, for variances; and the sum of distances, which is zero but for the
/// rounding of the mean.
#[multiversion(targets("x86_64+avx512f+avx512dq+avx512vl+avx512bw+avx2+fma", "x86_64+avx2+fma"))]
pub(crate) fn squared_distances(tile: &[f64], mean: f64) -> (f64, f64) {
    let squares = fold_lanes(tile, 0.0, |sum, value| sum + (value - mean) * (value - mean), |a, b| a + b);
    let rest = fold_lanes(tile, 0.0, |sum, value| sum + (value - mean), |a, b| a + b);
    (squares, rest)
}
