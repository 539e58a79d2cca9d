//! The Rust types of elements, and how one becomes another.

use std::fmt::Debug;

use bytemuck::{NoUninit, Pod, Zeroable};
use half::f16;
use num_complex::Complex;

use crate::DType;

/// A Rust type that is the element of some dtype; datetime and timedelta are `i64`.
///
/// Sealed: `bool`, the integers of 8 to 64 bits, [`half::f16`], `f32`, `f64` and [`num_complex::Complex`] of the last two.
pub trait Element: sealed::Sealed + NoUninit + PartialEq + Debug + Default + Send + Sync {
    /// The dtype whose elements have this type.
    const DTYPE: DType;
}

/// One byte that is 0 or 1: a `bool` that may be read from, and written to, plain memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Pod, Zeroable)]
#[repr(transparent)]
pub struct B8(pub(crate) u8);

impl From<bool> for B8 {
    #[inline(always)]
    fn from(value: bool) -> Self {
        Self(u8::from(value))
    }
}

impl B8 {
    #[inline(always)]
    pub(crate) fn get(self) -> bool {
        self.0 != 0
    }
}

/// A number on its way from one dtype to another: wide enough for every value of the dtypes it stands for.
#[derive(Clone, Copy)]
pub(crate) enum Carrier {
    Signed(i64),
    Unsigned(u64),
    Float(f64),
    Complex(Complex<f64>),
}

/// What kernels compute with: a type of which any bytes are a value.
pub(crate) trait Lane: Pod + PartialEq + Debug + Default + Send + Sync {
    const DTYPE: DType;
    fn carrier(self) -> Carrier;
    fn from_carrier(carrier: Carrier) -> Self;
}

/// `value` as a `T`, as NumPy's `astype` says: integers wrap, floats are cut towards zero.
#[inline(always)]
pub(crate) fn cast<S: Lane, T: Lane>(value: S) -> T {
    T::from_carrier(value.carrier())
}

pub(crate) mod sealed {
    use super::Lane;

    pub trait Sealed: Sized {
        #[allow(private_bounds)]
        type Lane: Lane;
        fn as_lanes(elements: &[Self]) -> &[Self::Lane];
        fn from_lanes(lanes: &[Self::Lane]) -> &[Self];
        fn into_lane(self) -> Self::Lane;
    }
}

impl sealed::Sealed for bool {
    type Lane = B8;

    fn as_lanes(elements: &[Self]) -> &[B8] {
        bytemuck::cast_slice(elements)
    }

    #[allow(unsafe_code)]
    fn from_lanes(lanes: &[B8]) -> &[Self] {
        // SAFETY: both types are one byte, and every byte of a `Bool` block is 0 or 1: kernels make a `B8` from a `bool`
        // only, and blocks made of foreign bytes are checked, see `Block::from_buffer`.
        unsafe { std::slice::from_raw_parts(lanes.as_ptr().cast::<bool>(), lanes.len()) }
    }

    fn into_lane(self) -> B8 {
        self.into()
    }
}

impl Element for bool {
    const DTYPE: DType = DType::Bool;
}

impl Lane for B8 {
    const DTYPE: DType = DType::Bool;

    #[inline(always)]
    fn carrier(self) -> Carrier {
        Carrier::Unsigned(u64::from(self.0))
    }

    #[inline(always)]
    fn from_carrier(carrier: Carrier) -> Self {
        Self::from(match carrier {
            Carrier::Signed(value) => value != 0,
            Carrier::Unsigned(value) => value != 0,
            Carrier::Float(value) => value != 0.0,
            Carrier::Complex(value) => value.re != 0.0 || value.im != 0.0,
        })
    }
}

macro_rules! element {
    ($($type:ty, $dtype:ident, $carrier:ident, |$value:ident| $to:expr, |$signed:ident, $unsigned:ident, $float:ident| $from:expr;)*) => {$(
        impl sealed::Sealed for $type {
            type Lane = Self;
            fn as_lanes(elements: &[Self]) -> &[Self] {
                elements
            }
            fn from_lanes(lanes: &[Self]) -> &[Self] {
                lanes
            }
            fn into_lane(self) -> Self {
                self
            }
        }
        impl Element for $type {
            const DTYPE: DType = DType::$dtype;
        }
        impl Lane for $type {
            const DTYPE: DType = DType::$dtype;
            #[inline(always)]
            fn carrier(self) -> Carrier {
                let $value = self;
                Carrier::$carrier($to)
            }
            #[inline(always)]
            fn from_carrier(carrier: Carrier) -> Self {
                let from = $from;
                match carrier {
                    Carrier::Signed($signed) => from.0($signed),
                    Carrier::Unsigned($unsigned) => from.1($unsigned),
                    Carrier::Float($float) => from.2($float),
                    Carrier::Complex(value) => from.3(value),
                }
            }
        }
    )*};
}

macro_rules! int {
    ($type:ty, $via:expr) => {
        (|s: i64| s as $type, |u: u64| u as $type, |f: f64| $via(f) as $type, |c: Complex<f64>| $via(c.re) as $type)
    };
}

macro_rules! complex {
    ($real:ty) => {
        (
            |s: i64| Complex::new(s as $real, 0.0),
            |u: u64| Complex::new(u as $real, 0.0),
            |f: f64| Complex::new(f as $real, 0.0),
            |c: Complex<f64>| Complex::new(c.re as $real, c.im as $real),
        )
    };
}

element! {
    i8, I8, Signed, |v| i64::from(v), |s, u, f| int!(i8, to_i32);
    i16, I16, Signed, |v| i64::from(v), |s, u, f| int!(i16, to_i32);
    i32, I32, Signed, |v| i64::from(v), |s, u, f| int!(i32, to_i32);
    i64, I64, Signed, |v| v, |s, u, f| int!(i64, to_i64);
    u8, U8, Unsigned, |v| u64::from(v), |s, u, f| int!(u8, to_i32);
    u16, U16, Unsigned, |v| u64::from(v), |s, u, f| int!(u16, to_i32);
    u32, U32, Unsigned, |v| u64::from(v), |s, u, f| int!(u32, to_i64);
    u64, U64, Unsigned, |v| v, |s, u, f| int!(u64, to_u64);
    f16, F16, Float, |v| v.to_f64(), |s, u, f| (
        |s: i64| f16::from_f64(s as f64), |u: u64| f16::from_f64(u as f64), f16::from_f64, |c: Complex<f64>| f16::from_f64(c.re)
    );
    f32, F32, Float, |v| f64::from(v), |s, u, f| (|s: i64| s as f32, |u: u64| u as f32, |f: f64| f as f32, |c: Complex<f64>| c.re as f32);
    f64, F64, Float, |v| v, |s, u, f| (|s: i64| s as f64, |u: u64| u as f64, |f: f64| f, |c: Complex<f64>| c.re);
    Complex<f32>, C64, Complex, |v| Complex::new(f64::from(v.re), f64::from(v.im)), |s, u, f| complex!(f32);
    Complex<f64>, C128, Complex, |v| v, |s, u, f| complex!(f64);
}

// What does not fit becomes the least integer, as the conversion of x86 does that NumPy uses; narrower integers wrap.
#[inline(always)]
fn to_i32(value: f64) -> i32 {
    if value > -2_147_483_649.0 && value < 2_147_483_648.0 { value as i32 } else { i32::MIN }
}

#[inline(always)]
fn to_i64(value: f64) -> i64 {
    if value < 9_223_372_036_854_775_808.0 {
        value as i64 | if value.is_nan() { i64::MIN } else { 0 }
    } else {
        i64::MIN
    }
}

#[inline(always)]
fn to_u64(value: f64) -> u64 {
    if value >= 9_223_372_036_854_775_808.0 { value as u64 } else { to_i64(value) as u64 }
}

/// Runs the body with `$lane` standing for the type that holds the elements of `$dtype`.
macro_rules! with_lane {
    ($dtype:expr, $lane:ident => $body:expr) => {
        match $dtype.storage() {
            $crate::DType::Bool => {
                type $lane = $crate::element::B8;
                $body
            }
            $crate::DType::I8 => {
                type $lane = i8;
                $body
            }
            $crate::DType::I16 => {
                type $lane = i16;
                $body
            }
            $crate::DType::I32 => {
                type $lane = i32;
                $body
            }
            $crate::DType::U8 => {
                type $lane = u8;
                $body
            }
            $crate::DType::U16 => {
                type $lane = u16;
                $body
            }
            $crate::DType::U32 => {
                type $lane = u32;
                $body
            }
            $crate::DType::U64 => {
                type $lane = u64;
                $body
            }
            $crate::DType::F16 => {
                type $lane = half::f16;
                $body
            }
            $crate::DType::F32 => {
                type $lane = f32;
                $body
            }
            $crate::DType::F64 => {
                type $lane = f64;
                $body
            }
            $crate::DType::C64 => {
                type $lane = num_complex::Complex<f32>;
                $body
            }
            $crate::DType::C128 => {
                type $lane = num_complex::Complex<f64>;
                $body
            }
            $crate::DType::I64 | $crate::DType::DateTime(_) | $crate::DType::TimeDelta(_) => {
                type $lane = i64;
                $body
            }
        }
    };
}
pub(crate) use with_lane;

/// Runs the body with `$word` standing for an unsigned type of as many bytes as an element of `$dtype`: for kernels that
/// move elements without looking at them.
macro_rules! with_word {
    ($dtype:expr, $word:ident => $body:expr) => {
        match $dtype.size_bytes() {
            1 => {
                type $word = u8;
                $body
            }
            2 => {
                type $word = u16;
                $body
            }
            4 => {
                type $word = u32;
                $body
            }
            8 => {
                type $word = u64;
                $body
            }
            _ => {
                // Two halves, because a u128 would need a larger alignment than complex numbers have.
                type $word = [u64; 2];
                $body
            }
        }
    };
}
pub(crate) use with_word;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_become_integers_as_numpy_says() {
        assert_eq!(cast::<f64, u8>(300.7), 44);
        assert_eq!(cast::<f64, u8>(-1.0), 255);
        assert_eq!(cast::<f64, i32>(-2.9), -2);
        assert_eq!(cast::<f64, i32>(f64::NAN), i32::MIN);
        assert_eq!(cast::<f64, i64>(1e300), i64::MIN);
        assert_eq!(cast::<f64, u64>(1.5e19), 15_000_000_000_000_000_000);
        assert_eq!(cast::<i64, i8>(-129), 127);
        assert_eq!(cast::<f64, B8>(f64::NAN), B8(1));
        assert_eq!(cast::<Complex<f32>, f64>(Complex::new(1.5, 2.0)), 1.5);
    }
}
