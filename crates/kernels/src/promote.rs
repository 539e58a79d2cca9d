//! NumPy 2's promotion of dtypes and of Python's weak scalars.

use num_complex::Complex;
use serde::{Deserialize, Serialize};

use crate::{DType, KernelError, Kind, Result, Scalar};

/// A literal of the language, which takes the dtype of what it meets, as Python's numbers do in NumPy 2.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum WeakScalar {
    /// `true` or `false`.
    Bool(bool),
    /// An integer.
    Int(i128),
    /// A decimal number.
    Float(f64),
    /// A complex number.
    Complex(Complex<f64>),
}

impl WeakScalar {
    /// The dtype the literal has alone: `bool`, `int64` (`uint64` above its range), `float64`, `complex128`.
    #[must_use]
    pub fn default_dtype(self) -> DType {
        match self {
            Self::Bool(_) => DType::Bool,
            Self::Int(value) if value > i128::from(i64::MAX) && value <= i128::from(u64::MAX) => DType::U64,
            Self::Int(_) => DType::I64,
            Self::Float(_) => DType::F64,
            Self::Complex(_) => DType::C128,
        }
    }

    /// The literal as an element of `dtype`.
    ///
    /// # Errors
    /// [`KernelError::ScalarOutOfRange`] for an integer that an integer dtype does not hold,
    /// [`KernelError::UnsupportedCast`] for a number that becomes a lesser kind (a float where an integer is asked for).
    pub fn to_scalar(self, dtype: DType) -> Result<Scalar> {
        let lesser = KernelError::UnsupportedCast { from: self.default_dtype(), to: dtype };
        match self {
            Self::Bool(value) => Scalar::Bool(value).cast(dtype),
            Self::Int(value) => Scalar::from_int(value, dtype),
            Self::Float(value) if dtype.is_inexact() => Scalar::F64(value).cast(dtype),
            Self::Complex(value) if dtype.kind() == Kind::Complex => Scalar::C128(value).cast(dtype),
            Self::Float(_) | Self::Complex(_) => Err(lesser),
        }
    }
}

/// The dtype that holds both `a` and `b`, as `numpy.promote_types` says.
///
/// # Errors
/// [`KernelError::NoCommonDType`] for points in time with numbers, and spans of time with anything but integers.
pub fn promote(a: DType, b: DType) -> Result<DType> {
    let none = || KernelError::NoCommonDType { left: a, right: b };
    if a == b {
        return Ok(a);
    }
    match (a, b) {
        (DType::TimeDelta(x), DType::TimeDelta(y)) => return Ok(DType::TimeDelta(x.max(y))),
        (DType::DateTime(x), DType::DateTime(y) | DType::TimeDelta(y)) | (DType::TimeDelta(x), DType::DateTime(y)) => {
            return Ok(DType::DateTime(x.max(y)));
        }
        (DType::DateTime(_), _) | (_, DType::DateTime(_)) => return Err(none()),
        (DType::TimeDelta(unit), other) | (other, DType::TimeDelta(unit)) => {
            // An unsigned 64-bit integer does not fit the count of units.
            let fits = other == DType::Bool || other.is_integer() && other != DType::U64;
            return if fits { Ok(DType::TimeDelta(unit)) } else { Err(none()) };
        }
        _ => {}
    }
    let (low, high) = if rank(a.kind()) <= rank(b.kind()) { (a, b) } else { (b, a) };
    Ok(match (low.kind(), high.kind()) {
        (Kind::Bool, _) => high,
        (x, y) if x == y => {
            if low.size_bytes() > high.size_bytes() {
                low
            } else {
                high
            }
        }
        (Kind::Unsigned, Kind::Signed) => match low.size_bytes().max(high.size_bytes() / 2) {
            1 => DType::I16,
            2 => DType::I32,
            4 => DType::I64,
            _ => DType::F64,
        },
        (_, Kind::Float) => widest_float(float_that_holds(low), high),
        (_, Kind::Complex) => match widest_float(float_that_holds(low), high.real()) {
            DType::F64 => DType::C128,
            _ => DType::C64,
        },
        _ => return Err(none()),
    })
}

/// The dtype of an operation between `dtype` and a literal.
///
/// # Errors
/// [`KernelError::NoCommonDType`] where time meets decimal or complex numbers. Whether an integer fits is told by
/// [`WeakScalar::to_scalar`].
pub fn promote_weak(dtype: DType, weak: WeakScalar) -> Result<DType> {
    let default = weak.default_dtype();
    if let WeakScalar::Bool(_) = weak {
        return promote(dtype, DType::Bool);
    }
    match (dtype.kind(), weak) {
        (Kind::DateTime, _) => Err(KernelError::NoCommonDType { left: dtype, right: default }),
        (Kind::TimeDelta, WeakScalar::Int(_)) => Ok(dtype),
        (Kind::TimeDelta, _) => Err(KernelError::NoCommonDType { left: dtype, right: default }),
        (Kind::Bool, _) => Ok(default),
        (_, WeakScalar::Int(_)) | (Kind::Float | Kind::Complex, WeakScalar::Float(_)) | (Kind::Complex, _) => Ok(dtype),
        (Kind::Float, _) if dtype != DType::F64 => Ok(DType::C64),
        _ => Ok(default),
    }
}

/// Whether every value of `from` is a value of `to`: NumPy's "safe" cast.
#[must_use]
pub fn can_cast_safely(from: DType, to: DType) -> bool {
    promote(from, to) == Ok(to) && !(to.kind() == Kind::DateTime && from.kind() != Kind::DateTime)
}

/// The least floating-point dtype that holds an integer dtype's values as NumPy sees it; floats and complex stay.
#[must_use]
pub fn float_that_holds(dtype: DType) -> DType {
    match dtype {
        DType::Bool | DType::I8 | DType::U8 => DType::F16,
        DType::I16 | DType::U16 => DType::F32,
        DType::I32 | DType::U32 | DType::I64 | DType::U64 => DType::F64,
        _ => dtype,
    }
}

fn widest_float(a: DType, b: DType) -> DType {
    if a.size_bytes() >= b.size_bytes() { a } else { b }
}

fn rank(kind: Kind) -> u8 {
    match kind {
        Kind::Bool => 0,
        Kind::Unsigned => 1,
        Kind::Signed => 2,
        Kind::Float => 3,
        Kind::Complex => 4,
        Kind::TimeDelta => 5,
        Kind::DateTime => 6,
    }
}
