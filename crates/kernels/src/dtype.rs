//! Element types, named as NumPy names them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::KernelError;

/// The type of an array's elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum DType {
    /// `bool`, one byte.
    Bool,
    /// `int8`.
    I8,
    /// `int16`.
    I16,
    /// `int32`.
    I32,
    /// `int64`.
    I64,
    /// `uint8`.
    U8,
    /// `uint16`.
    U16,
    /// `uint32`.
    U32,
    /// `uint64`.
    U64,
    /// `float16`.
    F16,
    /// `float32`.
    F32,
    /// `float64`.
    F64,
    /// `complex64`: two `float32`.
    C64,
    /// `complex128`: two `float64`.
    C128,
    /// `datetime64[unit]`: an `int64` that counts units since 1970-01-01T00:00:00; the least `int64` is NaT.
    DateTime(TimeUnit),
    /// `timedelta64[unit]`: an `int64` that counts units; the least `int64` is NaT.
    TimeDelta(TimeUnit),
}

/// The unit of a datetime or timedelta, coarse to fine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum TimeUnit {
    /// `D`.
    Day,
    /// `h`.
    Hour,
    /// `m`.
    Minute,
    /// `s`.
    Second,
    /// `ms`.
    Millisecond,
    /// `us`.
    Microsecond,
    /// `ns`.
    Nanosecond,
}

impl TimeUnit {
    const ALL: [Self; 7] =
        [Self::Day, Self::Hour, Self::Minute, Self::Second, Self::Millisecond, Self::Microsecond, Self::Nanosecond];

    /// NumPy's abbreviation: `s`, `ms`, ...
    #[must_use]
    pub fn name(self) -> &'static str {
        ["D", "h", "m", "s", "ms", "us", "ns"][self as usize]
    }

    /// The nanoseconds of one unit.
    #[must_use]
    pub fn nanoseconds(self) -> i64 {
        [86_400_000_000_000, 3_600_000_000_000, 60_000_000_000, 1_000_000_000, 1_000_000, 1_000, 1][self as usize]
    }
}

/// What kind of numbers a dtype holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Truth values.
    Bool,
    /// Integers with sign.
    Signed,
    /// Integers without sign.
    Unsigned,
    /// Floating-point numbers.
    Float,
    /// Complex numbers.
    Complex,
    /// Points in time.
    DateTime,
    /// Spans of time.
    TimeDelta,
}

impl DType {
    /// Every dtype without a unit.
    pub const NUMERIC: [Self; 14] = [
        Self::Bool,
        Self::I8,
        Self::I16,
        Self::I32,
        Self::I64,
        Self::U8,
        Self::U16,
        Self::U32,
        Self::U64,
        Self::F16,
        Self::F32,
        Self::F64,
        Self::C64,
        Self::C128,
    ];

    /// The bytes of one element.
    #[must_use]
    pub fn size_bytes(self) -> usize {
        match self {
            Self::Bool | Self::I8 | Self::U8 => 1,
            Self::I16 | Self::U16 | Self::F16 => 2,
            Self::I32 | Self::U32 | Self::F32 => 4,
            Self::I64 | Self::U64 | Self::F64 | Self::C64 | Self::DateTime(_) | Self::TimeDelta(_) => 8,
            Self::C128 => 16,
        }
    }

    /// What kind of numbers this dtype holds.
    #[must_use]
    pub fn kind(self) -> Kind {
        match self {
            Self::Bool => Kind::Bool,
            Self::I8 | Self::I16 | Self::I32 | Self::I64 => Kind::Signed,
            Self::U8 | Self::U16 | Self::U32 | Self::U64 => Kind::Unsigned,
            Self::F16 | Self::F32 | Self::F64 => Kind::Float,
            Self::C64 | Self::C128 => Kind::Complex,
            Self::DateTime(_) => Kind::DateTime,
            Self::TimeDelta(_) => Kind::TimeDelta,
        }
    }

    /// Whether this is an integer dtype; `bool` is none.
    #[must_use]
    pub fn is_integer(self) -> bool {
        matches!(self.kind(), Kind::Signed | Kind::Unsigned)
    }

    /// The least and the greatest value of an integer dtype.
    #[must_use]
    pub fn integer_bounds(self) -> Option<(i128, i128)> {
        let bits = 8 * self.size_bytes() as u32;
        match self.kind() {
            Kind::Signed => Some((-(1 << (bits - 1)), (1 << (bits - 1)) - 1)),
            Kind::Unsigned => Some((0, (1 << bits) - 1)),
            _ => None,
        }
    }

    /// Whether this is a floating-point or complex dtype.
    #[must_use]
    pub fn is_inexact(self) -> bool {
        matches!(self.kind(), Kind::Float | Kind::Complex)
    }

    /// Whether elements are points or spans of time.
    #[must_use]
    pub fn is_time(self) -> bool {
        matches!(self.kind(), Kind::DateTime | Kind::TimeDelta)
    }

    /// The dtype whose Rust type holds the elements: `int64` for datetime and timedelta, else itself.
    #[must_use]
    pub fn storage(self) -> Self {
        if self.is_time() { Self::I64 } else { self }
    }

    /// The dtype of the real and imaginary part, or of the absolute value: `float32` for `complex64`, else itself.
    #[must_use]
    pub fn real(self) -> Self {
        match self {
            Self::C64 => Self::F32,
            Self::C128 => Self::F64,
            _ => self,
        }
    }

    /// The unit of a datetime or timedelta.
    #[must_use]
    pub fn unit(self) -> Option<TimeUnit> {
        match self {
            Self::DateTime(unit) | Self::TimeDelta(unit) => Some(unit),
            _ => None,
        }
    }

    /// NumPy's name: `float64`, `datetime64[ns]`.
    #[must_use]
    pub fn name(self) -> String {
        self.to_string()
    }

    fn numeric_name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::I8 => "int8",
            Self::I16 => "int16",
            Self::I32 => "int32",
            Self::I64 => "int64",
            Self::U8 => "uint8",
            Self::U16 => "uint16",
            Self::U32 => "uint32",
            Self::U64 => "uint64",
            Self::F16 => "float16",
            Self::F32 => "float32",
            Self::F64 => "float64",
            Self::C64 => "complex64",
            Self::C128 => "complex128",
            Self::DateTime(_) => "datetime64",
            Self::TimeDelta(_) => "timedelta64",
        }
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.unit() {
            None => f.pad(self.numeric_name()),
            Some(unit) => f.pad(&format!("{}[{}]", self.numeric_name(), unit.name())),
        }
    }
}

impl FromStr for DType {
    type Err = KernelError;

    /// Reads NumPy's names (`float64`, `datetime64[ns]`), its codes (`f8`, `<i4`, `M8[s]`) and the names of Python's types.
    fn from_str(name: &str) -> Result<Self, KernelError> {
        let all = || {
            let times = TimeUnit::ALL.into_iter().flat_map(|unit| [Self::DateTime(unit), Self::TimeDelta(unit)]);
            Self::NUMERIC.into_iter().chain(times)
        };
        if let Some(dtype) = all().find(|dtype| dtype.to_string() == name) {
            return Ok(dtype);
        }
        let dtype = match name.trim_start_matches(['<', '=', '|']) {
            "?" | "b1" | "bool_" => Self::Bool,
            "i1" | "b" | "byte" => Self::I8,
            "i2" | "h" | "short" => Self::I16,
            "i4" | "i" | "intc" => Self::I32,
            "i8" | "l" | "q" | "int" | "int_" | "intp" | "longlong" => Self::I64,
            "u1" | "B" | "ubyte" => Self::U8,
            "u2" | "H" | "ushort" => Self::U16,
            "u4" | "I" | "uintc" => Self::U32,
            "u8" | "L" | "Q" | "uint" | "uintp" => Self::U64,
            "f2" | "e" | "half" => Self::F16,
            "f4" | "f" | "single" => Self::F32,
            "f8" | "d" | "float" | "double" => Self::F64,
            "c8" | "F" | "csingle" => Self::C64,
            "c16" | "D" | "complex" | "cdouble" => Self::C128,
            code => {
                let unit = |prefix| {
                    let unit = code.strip_prefix(prefix)?.strip_suffix(']')?;
                    TimeUnit::ALL.into_iter().find(|known| known.name() == unit)
                };
                match (unit("M8["), unit("m8[")) {
                    (Some(unit), _) => Self::DateTime(unit),
                    (_, Some(unit)) => Self::TimeDelta(unit),
                    _ => {
                        let distance =
                            |dtype: &Self| strsim::damerau_levenshtein(&dtype.to_string(), &name.to_lowercase());
                        let nearest = all().min_by_key(distance).filter(|dtype| distance(dtype) <= 3);
                        let suggestion = nearest.map(|dtype| dtype.to_string());
                        return Err(KernelError::UnknownDType { name: name.to_owned(), suggestion });
                    }
                }
            }
        };
        Ok(dtype)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for dtype in
            DType::NUMERIC.into_iter().chain([DType::DateTime(TimeUnit::Nanosecond), DType::TimeDelta(TimeUnit::Day)])
        {
            assert_eq!(dtype.name().parse(), Ok(dtype));
        }
        assert_eq!("<M8[ms]".parse(), Ok(DType::DateTime(TimeUnit::Millisecond)));
        assert_eq!("f4".parse(), Ok(DType::F32));
    }

    #[test]
    fn an_unknown_name_is_told_its_neighbour() {
        let error = "flaot64".parse::<DType>().unwrap_err();
        assert_eq!(error.to_string(), "unknown dtype `flaot64`, did you mean `float64`?");
        assert_eq!("string".parse::<DType>().unwrap_err().to_string().matches("did you mean").count(), 0);
    }
}
