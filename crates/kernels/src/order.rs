//! Elements in NumPy's order: as unsigned keys, which compare as the elements do, NaN and NaT behind everything.

use dolmen_simd::{sort_u32, sort_u64};
use half::f16;
use multiversion::multiversion;
use num_complex::Complex;

use crate::element::{B8, Lane};
use crate::lanes::fold::Time;
use crate::time::NAT;
use crate::{Block, Pool, Result};

/// A lane type whose elements can be put in order.
pub(crate) trait Ordered: Lane {
    /// What compares as the elements do. NaN is one key, whatever its bits are.
    type Key: Key;
    fn key(self) -> Self::Key;
    fn from_key(key: Self::Key) -> Self;
    /// NaN, or not a time.
    fn is_missing(self) -> bool;
    /// What NaN, or not a time, is; zero of a type that has none.
    fn missing() -> Self {
        Self::default()
    }

    /// A key that is one for elements that are equal, as zeros with and without a sign are.
    #[inline(always)]
    fn value_key(self) -> Self::Key {
        self.key()
    }
}

/// What compares as an element does.
pub(crate) trait Key: Copy + Ord + Default + std::hash::Hash {
    /// The key as the highest bits of a number; of a complex number, its real part.
    fn high(self) -> u64;
    /// The key of which these are the highest bits.
    fn from_high(bits: u64) -> Self;
    /// Puts the elements whose keys these are in order into `out`, which is as long; what `keys` hold afterwards is not said.
    fn sort<T: Ordered<Key = Self>>(keys: &mut [Self], out: &mut [T]) {
        keys.sort_unstable();
        out.iter_mut().zip(keys).for_each(|(out, key)| *out = T::from_key(*key));
    }
}

macro_rules! keys {
    ($($type:ty $(, $sort:ident)?;)*) => {$(
        impl Key for $type {
            #[inline(always)]
            fn high(self) -> u64 {
                u64::from(self) << (64 - Self::BITS)
            }

            fn from_high(bits: u64) -> Self {
                (bits >> (64 - Self::BITS)) as Self
            }

            $(fn sort<T: Ordered<Key = Self>>(keys: &mut [Self], out: &mut [T]) {
                // Elements are as large as their keys.
                let words: &mut [Self] = bytemuck::cast_slice_mut(out);
                $sort(keys, words);
                from_keys::<T>(words);
            })?
        }
    )*};
}

keys! {
    u8;
    u16;
    u32, sort_u32;
    u64, sort_u64;
}

/// The key of a complex number: NumPy puts those whose imaginary part is NaN behind those without, and behind them those
/// whose real part is. Zeros with and without a sign are one value in the order of the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(crate) struct ComplexKey {
    is_nan: [bool; 2],
    parts: [u64; 2],
    are_positive: [bool; 2],
}

impl Key for ComplexKey {
    fn high(self) -> u64 {
        self.parts[0]
    }

    fn from_high(bits: u64) -> Self {
        Self { is_nan: [false; 2], parts: [bits, 0], are_positive: [true; 2] }
    }
}

macro_rules! ordered_ints {
    ($($type:ty as $key:ty, $flip:expr;)*) => {$(
        impl Ordered for $type {
            type Key = $key;

            #[inline(always)]
            fn key(self) -> $key {
                self as $key ^ $flip
            }

            #[inline(always)]
            fn from_key(key: $key) -> Self {
                (key ^ $flip) as Self
            }

            #[inline(always)]
            fn is_missing(self) -> bool {
                false
            }
        }
    )*};
}

ordered_ints! {
    u8 as u8, 0;
    u16 as u16, 0;
    u32 as u32, 0;
    u64 as u64, 0;
    i8 as u8, 1 << 7;
    i16 as u16, 1 << 15;
    i32 as u32, 1 << 31;
    i64 as u64, 1 << 63;
}

impl Ordered for B8 {
    type Key = u8;

    fn key(self) -> u8 {
        self.0
    }

    fn from_key(key: u8) -> Self {
        (key != 0).into()
    }

    fn is_missing(self) -> bool {
        false
    }
}

impl Ordered for Time {
    type Key = u64;

    // NaT is the least integer: one less is the greatest.
    fn key(self) -> u64 {
        self.0.wrapping_sub(1).key()
    }

    fn from_key(key: u64) -> Self {
        Self(i64::from_key(key).wrapping_add(1))
    }

    fn is_missing(self) -> bool {
        self.0 == NAT
    }

    fn missing() -> Self {
        Self(NAT)
    }
}

macro_rules! ordered_floats {
    ($($type:ty as $key:ty;)*) => {$(
        impl Ordered for $type {
            type Key = $key;

            #[inline(always)]
            fn key(self) -> $key {
                const SIGN: $key = 1 << (<$key>::BITS - 1);
                // NaN is one number.
                let bits = if self.is_nan() { <$type>::NAN.to_bits() & !SIGN } else { self.to_bits() };
                if bits & SIGN == 0 { bits | SIGN } else { !bits }
            }

            #[inline(always)]
            fn from_key(key: $key) -> Self {
                const SIGN: $key = 1 << (<$key>::BITS - 1);
                Self::from_bits(if key & SIGN == 0 { !key } else { key ^ SIGN })
            }

            #[inline(always)]
            fn is_missing(self) -> bool {
                self.is_nan()
            }

            fn missing() -> Self {
                Self::NAN
            }

            #[inline(always)]
            fn value_key(self) -> $key {
                (self + <$type>::default()).key()
            }
        }
    )*};
}

ordered_floats! {
    f16 as u16;
    f32 as u32;
    f64 as u64;
}

macro_rules! ordered_complex {
    ($($real:ty),*) => {$(
        impl Ordered for Complex<$real> {
            type Key = ComplexKey;

            fn key(self) -> ComplexKey {
                let parts = [self.re, self.im];
                ComplexKey {
                    is_nan: parts.map(<$real>::is_nan),
                    parts: parts.map(|part| part.value_key().into()),
                    are_positive: parts.map(|part| part.key() == part.value_key()),
                }
            }

            fn from_key(key: ComplexKey) -> Self {
                let part = |idx: usize| {
                    let part = <$real>::from_key(key.parts[idx] as _);
                    if key.are_positive[idx] { part } else { -part }
                };
                Self::new(part(0), part(1))
            }

            fn is_missing(self) -> bool {
                self.re.is_nan() || self.im.is_nan()
            }

            fn value_key(self) -> ComplexKey {
                (self + Self::default()).key()
            }
        }
    )*};
}

ordered_complex!(f32, f64);

/// `keys` of the elements, which are as many.
#[multiversion(targets("x86_64+avx512f+avx512dq+avx512vl+avx512bw+avx2+fma", "x86_64+avx2+fma"))]
pub(crate) fn to_keys<T: Ordered>(elements: &[T], keys: &mut [T::Key]) {
    keys.iter_mut().zip(elements).for_each(|(key, element)| *key = element.key());
}

/// In place of keys, which are as large as the elements, the elements.
#[multiversion(targets("x86_64+avx512f+avx512dq+avx512vl+avx512bw+avx2+fma", "x86_64+avx2+fma"))]
fn from_keys<T: Ordered<Key: bytemuck::Pod>>(keys: &mut [T::Key]) {
    keys.iter_mut().for_each(|key| *key = bytemuck::cast(T::from_key(*key)));
}

/// Runs the body with `$lane` standing for the type that puts the elements of `$dtype` in order.
macro_rules! with_ordered {
    ($dtype:expr, $lane:ident => $body:expr) => {
        if $dtype.is_time() {
            type $lane = $crate::lanes::fold::Time;
            $body
        } else {
            $crate::element::with_lane!($dtype, $lane => $body)
        }
    };
}
pub(crate) use with_ordered;

/// The elements in C order with `axis` as the last one, each row behind the other.
pub(crate) fn rows(block: &Block, axis: usize, pool: &Pool) -> Result<Block> {
    let mut order: Vec<usize> = (0..block.ndim()).filter(|other| *other != axis).collect();
    order.push(axis);
    block.transpose(&order)?.to_contiguous(pool)
}

/// A block whose last axis belongs at `axis`, with it there.
pub(crate) fn back(rows: &Block, axis: usize) -> Result<Block> {
    let mut order: Vec<usize> = (0..rows.ndim() - 1).collect();
    order.insert(axis, rows.ndim() - 1);
    rows.transpose(&order)
}

/// The elements of a block in C order, as whatever lane its dtype is stored as.
pub(crate) fn elements<T: Lane>(rows: &Block) -> &[T] {
    let bytes = &rows.words::<u8>()[rows.offset() * size_of::<T>()..];
    bytemuck::cast_slice(&bytes[..rows.len() * size_of::<T>()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_compare_as_the_elements_do() {
        let floats = [f64::NEG_INFINITY, -1.5, -f64::MIN_POSITIVE, 0.0, 5e-324, 2.0, f64::INFINITY, f64::NAN];
        assert!(floats.map(Ordered::key).is_sorted());
        assert_eq!((-f64::NAN).key(), f64::NAN.key());
        assert_eq!((-0.0_f64).value_key(), 0.0.key());
        assert!((-0.0_f64).key() < 0.0.key());
        assert!(floats[..7].iter().all(|value| f64::from_key(value.key()) == *value));
        assert!(f64::from_key(f64::NAN.key()).is_nan());
        assert!([i8::MIN, -1, 0, 1, i8::MAX].map(Ordered::key).is_sorted());
        assert!([i64::MIN + 1, -1, 0, i64::MAX, i64::MIN].map(|time| Time(time).key()).is_sorted());
        assert_eq!(Time::from_key(Time(i64::MIN).key()), Time(i64::MIN));
        let nan = f32::NAN;
        let complex = [(-1.0, 5.0), (1.0, -2.0), (1.0, 2.0), (-9.0, nan), (nan, 0.0), (nan, nan)];
        assert!(complex.map(|(re, im)| Complex::new(re, im).key()).is_sorted());
        assert!([f16::from_f32(-2.0), f16::ZERO, f16::NAN].map(Ordered::key).is_sorted());
    }
}
