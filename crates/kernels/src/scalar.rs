//! One value of a dtype.

use std::fmt;

use half::f16;
use num_complex::Complex;
use serde::{Deserialize, Serialize};

use crate::element::{B8, Carrier, Lane, cast};
use crate::time::{self, NAT};
use crate::{DType, KernelError, Result, TimeUnit};

/// One value of a dtype. Prints as NumPy's scalars do: `3.0`, `(1-2j)`, `2014-01-01T00:00:00`, `5 seconds`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Scalar {
    /// `bool`.
    Bool(bool),
    /// `int8`.
    I8(i8),
    /// `int16`.
    I16(i16),
    /// `int32`.
    I32(i32),
    /// `int64`.
    I64(i64),
    /// `uint8`.
    U8(u8),
    /// `uint16`.
    U16(u16),
    /// `uint32`.
    U32(u32),
    /// `uint64`.
    U64(u64),
    /// `float16`.
    F16(f16),
    /// `float32`.
    F32(f32),
    /// `float64`.
    F64(f64),
    /// `complex64`.
    C64(Complex<f32>),
    /// `complex128`.
    C128(Complex<f64>),
    /// `datetime64[unit]`.
    DateTime(i64, TimeUnit),
    /// `timedelta64[unit]`.
    TimeDelta(i64, TimeUnit),
}

/// Runs the body with `$value` the scalar's value as a lane.
macro_rules! with_value {
    ($scalar:expr, $value:ident => $body:expr) => {
        match $scalar {
            Scalar::Bool(value) => {
                let $value = B8::from(value);
                $body
            }
            Scalar::I8($value) => $body,
            Scalar::I16($value) => $body,
            Scalar::I32($value) => $body,
            Scalar::I64($value) | Scalar::DateTime($value, _) | Scalar::TimeDelta($value, _) => $body,
            Scalar::U8($value) => $body,
            Scalar::U16($value) => $body,
            Scalar::U32($value) => $body,
            Scalar::U64($value) => $body,
            Scalar::F16($value) => $body,
            Scalar::F32($value) => $body,
            Scalar::F64($value) => $body,
            Scalar::C64($value) => $body,
            Scalar::C128($value) => $body,
        }
    };
}

impl Scalar {
    /// The dtype of the value.
    #[must_use]
    pub fn dtype(self) -> DType {
        match self {
            Self::DateTime(_, unit) => DType::DateTime(unit),
            Self::TimeDelta(_, unit) => DType::TimeDelta(unit),
            other => with_value!(other, value => dtype_of(value)),
        }
    }

    /// Zero, `false`, or the epoch.
    #[must_use]
    pub fn zero(dtype: DType) -> Self {
        Self::from_carrier(Carrier::Unsigned(0), dtype)
    }

    /// One or `true`.
    #[must_use]
    pub fn one(dtype: DType) -> Self {
        Self::from_carrier(Carrier::Unsigned(1), dtype)
    }

    /// The integer as a value of `dtype`.
    ///
    /// # Errors
    /// [`KernelError::ScalarOutOfRange`] if `dtype` is an integer dtype, or one of time, that does not hold it.
    pub fn from_int(value: i128, dtype: DType) -> Result<Self> {
        let out_of_range = KernelError::ScalarOutOfRange { value, dtype };
        if dtype.is_inexact() {
            // Python's integers have any size; what a float64 makes of them is rounded once more by the narrower floats.
            return Ok(Self::from_carrier(Carrier::Float(value as f64), dtype));
        }
        if dtype == DType::Bool {
            return Ok(Self::Bool(value != 0));
        }
        let scalar = match u64::try_from(value) {
            Ok(value) => Self::from_carrier(Carrier::Unsigned(value), dtype),
            Err(_) => {
                let value = i64::try_from(value).map_err(|_| out_of_range.clone())?;
                Self::from_carrier(Carrier::Signed(value), dtype)
            }
        };
        let kept = with_value!(scalar, value => match value.carrier() {
            Carrier::Signed(value) => i128::from(value),
            Carrier::Unsigned(value) => i128::from(value),
            Carrier::Float(_) | Carrier::Complex(_) => unreachable!("the dtype is exact"),
        });
        if kept == value { Ok(scalar) } else { Err(out_of_range) }
    }

    /// The value as one of `dtype`, as NumPy's `astype`: integers wrap, floats are cut towards zero, complex numbers lose
    /// their imaginary part.
    ///
    /// # Errors
    /// None now; more dtypes may come that cannot become each other.
    pub fn cast(self, dtype: DType) -> Result<Self> {
        let from = self.dtype();
        if from == dtype {
            return Ok(self);
        }
        match (self, dtype) {
            (Self::DateTime(value, from), DType::DateTime(to)) => {
                Ok(Self::DateTime(time::convert(value, from, to), to))
            }
            (Self::TimeDelta(value, from), DType::TimeDelta(to)) => {
                Ok(Self::TimeDelta(time::convert(value, from, to), to))
            }
            // Points and spans become each other as the integers that they are, as in NumPy.
            (scalar, dtype) => Ok(with_value!(scalar, value => Self::from_carrier(value.carrier(), dtype))),
        }
    }

    /// The value as a lane; the lane's dtype is that of the value's storage.
    pub(crate) fn lane<T: Lane>(self) -> T {
        with_value!(self, value => cast(value))
    }

    pub(crate) fn from_lane<T: Lane>(value: T, dtype: DType) -> Self {
        Self::from_carrier(value.carrier(), dtype)
    }

    fn from_carrier(carrier: Carrier, dtype: DType) -> Self {
        match dtype {
            DType::Bool => Self::Bool(B8::from_carrier(carrier).get()),
            DType::I8 => Self::I8(Lane::from_carrier(carrier)),
            DType::I16 => Self::I16(Lane::from_carrier(carrier)),
            DType::I32 => Self::I32(Lane::from_carrier(carrier)),
            DType::I64 => Self::I64(Lane::from_carrier(carrier)),
            DType::U8 => Self::U8(Lane::from_carrier(carrier)),
            DType::U16 => Self::U16(Lane::from_carrier(carrier)),
            DType::U32 => Self::U32(Lane::from_carrier(carrier)),
            DType::U64 => Self::U64(Lane::from_carrier(carrier)),
            DType::F16 => Self::F16(Lane::from_carrier(carrier)),
            DType::F32 => Self::F32(Lane::from_carrier(carrier)),
            DType::F64 => Self::F64(Lane::from_carrier(carrier)),
            DType::C64 => Self::C64(Lane::from_carrier(carrier)),
            DType::C128 => Self::C128(Lane::from_carrier(carrier)),
            DType::DateTime(unit) => Self::DateTime(Lane::from_carrier(carrier), unit),
            DType::TimeDelta(unit) => Self::TimeDelta(Lane::from_carrier(carrier), unit),
        }
    }

    /// The real value as a float64; `None` for complex numbers and time.
    #[must_use]
    pub fn as_f64(self) -> Option<f64> {
        if self.dtype().is_time() {
            return None;
        }
        with_value!(self, value => match value.carrier() {
            Carrier::Signed(value) => Some(value as f64),
            Carrier::Unsigned(value) => Some(value as f64),
            Carrier::Float(value) => Some(value),
            Carrier::Complex(_) => None,
        })
    }

    /// The integer, truth value or count of time units as an integer; `None` for floats and complex numbers.
    #[must_use]
    pub fn as_int(self) -> Option<i128> {
        with_value!(self, value => match value.carrier() {
            Carrier::Signed(value) => Some(i128::from(value)),
            Carrier::Unsigned(value) => Some(i128::from(value)),
            Carrier::Float(_) | Carrier::Complex(_) => None,
        })
    }
}

fn dtype_of<T: Lane>(_: T) -> DType {
    T::DTYPE
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match *self {
            Self::Bool(true) => "True".to_owned(),
            Self::Bool(false) => "False".to_owned(),
            Self::I8(value) => value.to_string(),
            Self::I16(value) => value.to_string(),
            Self::I32(value) => value.to_string(),
            Self::I64(value) => value.to_string(),
            Self::U8(value) => value.to_string(),
            Self::U16(value) => value.to_string(),
            Self::U32(value) => value.to_string(),
            Self::U64(value) => value.to_string(),
            Self::F16(value) => float_text(value.to_f64(), shortest_f16(value), 1e3),
            Self::F32(value) => float_text(f64::from(value), format!("{value:e}"), 1e6),
            Self::F64(value) => float_text(value, format!("{value:e}"), 1e16),
            Self::C64(value) => {
                complex_text(value.re.is_sign_negative(), Self::F32(value.re), value.im.into(), Self::F32(value.im))
            }
            Self::C128(value) => {
                complex_text(value.re.is_sign_negative(), Self::F64(value.re), value.im, Self::F64(value.im))
            }
            Self::DateTime(NAT, _) | Self::TimeDelta(NAT, _) => "NaT".to_owned(),
            Self::DateTime(value, unit) => time::iso_text(value, unit),
            Self::TimeDelta(value, unit) => {
                let units = ["days", "hours", "minutes", "seconds", "milliseconds", "microseconds", "nanoseconds"];
                format!("{value} {}", units[unit as usize])
            }
        };
        f.pad(&text)
    }
}

/// The fewest digits that are read back as `value`, in scientific form.
fn shortest_f16(value: f16) -> String {
    (0..6)
        .map(|digits| format!("{:.digits$e}", value.to_f64()))
        .find(|text| text.parse::<f64>().is_ok_and(|parsed| f16::from_f64(parsed) == value))
        .unwrap_or_else(|| format!("{:e}", value.to_f64()))
}

/// NumPy's form of a float, given the fewest digits that tell it from its neighbours. From `large` on it has an exponent:
/// beyond that a number has more digits than its dtype tells apart.
fn float_text(value: f64, scientific: String, large: f64) -> String {
    if value.is_nan() {
        return "nan".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let Some((mantissa, exponent)) = scientific.split_once('e') else { return scientific };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if value != 0.0 && !(1e-4..large).contains(&value.abs()) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{mantissa}e{sign}{:02}", exponent.abs());
    }
    let (sign, digits) = mantissa.strip_prefix('-').map_or(("", mantissa), |digits| ("-", digits));
    let digits = digits.replace('.', "");
    if exponent < 0 {
        return format!("{sign}0.{}{digits}", "0".repeat(exponent.unsigned_abs() as usize - 1));
    }
    let whole = exponent.unsigned_abs() as usize + 1;
    let (whole, fraction) = if digits.len() > whole { digits.split_at(whole) } else { (&*digits, "0") };
    format!("{sign}{whole:0<width$}.{fraction}", width = exponent.unsigned_abs() as usize + 1)
}

fn complex_text(negative_real: bool, real: Scalar, imaginary: f64, imaginary_text: Scalar) -> String {
    let short = |scalar: Scalar| {
        let text = scalar.to_string();
        text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
    };
    let sign = if imaginary.is_sign_negative() && !imaginary.is_nan() { "" } else { "+" };
    let imaginary_text = short(imaginary_text);
    if real.as_f64() == Some(0.0) && !negative_real {
        return format!("{imaginary_text}j");
    }
    format!("({}{sign}{imaginary_text}j)", short(real))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_as_numpy() {
        let cases = [
            (Scalar::F64(1e16), "1e+16"),
            (Scalar::F64(123_456_789_012_345.0), "123456789012345.0"),
            (Scalar::F64(-1.5e-5), "-1.5e-05"),
            (Scalar::F64(0.000_123), "0.000123"),
            (Scalar::F64(-0.0), "-0.0"),
            (Scalar::F64(1e22), "1e+22"),
            (Scalar::F64(1000.0), "1000.0"),
            (Scalar::F64(f64::NEG_INFINITY), "-inf"),
            (Scalar::F32(0.1), "0.1"),
            (Scalar::F32(1e-4), "1e-04"),
            (Scalar::F32(123_456_790.0), "1.2345679e+08"),
            (Scalar::F32(999_999.0), "999999.0"),
            (Scalar::F16(f16::from_f64(1000.0)), "1e+03"),
            (Scalar::F16(f16::from_f64(0.1)), "0.1"),
            (Scalar::C128(Complex::new(1.0, -2.0)), "(1-2j)"),
            (Scalar::C128(Complex::new(0.0, 2.5)), "2.5j"),
            (Scalar::C64(Complex::new(0.1, f32::NAN)), "(0.1+nanj)"),
            (Scalar::Bool(true), "True"),
            (Scalar::TimeDelta(5, TimeUnit::Second), "5 seconds"),
            (Scalar::DateTime(i64::MIN, TimeUnit::Second), "NaT"),
        ];
        for (scalar, text) in cases {
            assert_eq!(scalar.to_string(), text);
        }
    }

    #[test]
    fn integers_must_fit() {
        assert_eq!(Scalar::from_int(-1, DType::I8), Ok(Scalar::I8(-1)));
        assert_eq!(Scalar::from_int(1 << 63, DType::U64), Ok(Scalar::U64(1 << 63)));
        assert!(matches!(Scalar::from_int(256, DType::U8), Err(KernelError::ScalarOutOfRange { .. })));
        assert!(matches!(Scalar::from_int(-1, DType::U64), Err(KernelError::ScalarOutOfRange { .. })));
        assert!(matches!(Scalar::from_int(1 << 63, DType::I64), Err(KernelError::ScalarOutOfRange { .. })));
        assert_eq!(Scalar::from_int(3, DType::F16), Ok(Scalar::F16(f16::from_f32(3.0))));
    }
}
