//! What the elements of an array in a file are.

use std::fmt;

use thiserror::Error;

/// The type of the elements of an array in a file: what NumPy calls a dtype, as far as it has a fixed size and a number
/// behind it.
///
/// The byte order is that of the file. Readers of this crate hand out bytes in the order of this machine, and writers take
/// such bytes, whatever the file's order.
///
/// ```
/// use dolmen_storage::{ByteOrder, ElementKind, ElementType};
///
/// let element = ElementType::from_numpy(">f8").unwrap();
/// assert_eq!((element.kind(), element.size_bytes(), element.order()), (ElementKind::Float, 8, ByteOrder::Big));
/// assert_eq!((element.name(), element.to_numpy()), ("float64".to_owned(), ">f8".to_owned()));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ElementType {
    kind: ElementKind,
    size_bytes: u8,
    order: ByteOrder,
}

/// What kind of number an element is; its size says the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ElementKind {
    /// One byte, 0 or 1.
    Bool,
    /// A signed integer of 1, 2, 4 or 8 bytes.
    Int,
    /// An unsigned integer of 1, 2, 4 or 8 bytes.
    UInt,
    /// A floating-point number of 2, 4 or 8 bytes.
    Float,
    /// Two floating-point numbers, real and imaginary; 8 or 16 bytes together.
    Complex,
    /// A point in time: a signed integer of 8 bytes that counts units since 1970; the least value is no time (NaT).
    DateTime(TimeUnit),
    /// A span of time: a signed integer of 8 bytes that counts units; the least value is no time (NaT).
    TimeDelta(TimeUnit),
}

/// The step of a count of time: a number of `base` units, as in NumPy's `datetime64[25s]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TimeUnit {
    /// The unit.
    pub base: TimeBase,
    /// How many of it; at least 1.
    pub multiple: u32,
}

/// NumPy's units of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names say it")]
pub enum TimeBase {
    Years,
    Months,
    Weeks,
    Days,
    Hours,
    Minutes,
    Seconds,
    Milliseconds,
    Microseconds,
    Nanoseconds,
    Picoseconds,
    Femtoseconds,
    Attoseconds,
    /// The file does not say: NumPy's unit-less `datetime64`.
    Generic,
}

/// The order of the bytes of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ByteOrder {
    /// The least significant byte first.
    Little,
    /// The most significant byte first.
    Big,
}

impl ByteOrder {
    /// The order of this machine.
    pub const NATIVE: Self = if cfg!(target_endian = "big") { Self::Big } else { Self::Little };
}

/// A type of elements that arrays cannot have, or a text that names no type.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("elements of type `{found}` {problem}")]
pub struct ElementTypeError {
    /// The type as the file writes it.
    pub found: String,
    /// Why not, and what to do.
    pub problem: ElementProblem,
}

/// Why elements of some type cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ElementProblem {
    /// Text or bytes.
    Text,
    /// Python objects.
    Object,
    /// Records of several fields.
    Record,
    /// Numbers of a size that only some machines and libraries know, such as `float128`.
    Size,
    /// No type that is known.
    Unknown,
}

impl fmt::Display for ElementProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "hold text, which arrays do not: keep texts in a table, or store their numeric codes",
            Self::Object => {
                "are Python objects, which only Python can read: store numbers, with `x.astype('float64')` for example"
            }
            Self::Record => "are records of several fields: store each field as an array of its own, or keep them in a table",
            Self::Size => "have a size that arrays do not: convert them to float64, complex128 or int64 first",
            Self::Unknown => {
                "are not known. Known are bool, int8 to int64, uint8 to uint64, float16 to float64, complex64, complex128, datetime64 and timedelta64"
            }
        })
    }
}

impl ElementType {
    /// A type in the byte order of this machine.
    ///
    /// # Errors
    /// [`ElementTypeError`] if there is no such size of this kind.
    pub fn new(kind: ElementKind, size_bytes: usize) -> Result<Self, ElementTypeError> {
        let sizes: &[usize] = match kind {
            ElementKind::Bool => &[1],
            ElementKind::Int | ElementKind::UInt => &[1, 2, 4, 8],
            ElementKind::Float => &[2, 4, 8],
            ElementKind::Complex => &[8, 16],
            ElementKind::DateTime(_) | ElementKind::TimeDelta(_) => &[8],
        };
        match u8::try_from(size_bytes) {
            Ok(small) if sizes.contains(&size_bytes) => Ok(Self { kind, size_bytes: small, order: ByteOrder::NATIVE }),
            _ => Err(ElementTypeError {
                found: format!("{} of {size_bytes} bytes", kind.stem()),
                problem: ElementProblem::Size,
            }),
        }
    }

    /// Reads NumPy's short form, the `descr` of npy files and the `dtype` of Zarr 2: `<f8`, `|b1`, `>M8[ns]`.
    ///
    /// # Errors
    /// [`ElementTypeError`], with a remedy for text, objects, records and odd sizes.
    pub fn from_numpy(text: &str) -> Result<Self, ElementTypeError> {
        let refuse = |problem| ElementTypeError { found: text.to_owned(), problem };
        let (order, rest) = match text.as_bytes().first() {
            Some(b'<') => (ByteOrder::Little, &text[1..]),
            Some(b'>') => (ByteOrder::Big, &text[1..]),
            Some(b'|' | b'=') => (ByteOrder::NATIVE, &text[1..]),
            _ => (ByteOrder::NATIVE, text),
        };
        let (code, rest) = rest.split_at_checked(1).ok_or_else(|| refuse(ElementProblem::Unknown))?;
        let (digits, unit) = rest.find('[').map_or((rest, ""), |at| rest.split_at(at));
        let time = || TimeUnit::parse(unit).ok_or_else(|| refuse(ElementProblem::Unknown));
        let kind = match code {
            "b" => ElementKind::Bool,
            "i" => ElementKind::Int,
            "u" => ElementKind::UInt,
            "f" => ElementKind::Float,
            "c" => ElementKind::Complex,
            "M" => ElementKind::DateTime(time()?),
            "m" => ElementKind::TimeDelta(time()?),
            "S" | "U" | "a" | "T" => return Err(refuse(ElementProblem::Text)),
            "O" => return Err(refuse(ElementProblem::Object)),
            "V" => return Err(refuse(ElementProblem::Record)),
            _ => return Err(refuse(ElementProblem::Unknown)),
        };
        if !unit.is_empty() && !matches!(code, "M" | "m") {
            return Err(refuse(ElementProblem::Unknown));
        }
        let size_bytes = digits.parse().map_err(|_| refuse(ElementProblem::Unknown))?;
        let element = Self::new(kind, size_bytes).map_err(|error| refuse(error.problem))?;
        Ok(element.with_order(order))
    }

    /// NumPy's short form: `<f8`, `|b1`, `>M8[ns]`.
    pub fn to_numpy(self) -> String {
        let order = match self.order {
            _ if self.size_bytes == 1 => '|',
            ByteOrder::Little => '<',
            ByteOrder::Big => '>',
        };
        let size = self.size_bytes;
        match self.kind {
            ElementKind::Bool => format!("{order}b{size}"),
            ElementKind::Int => format!("{order}i{size}"),
            ElementKind::UInt => format!("{order}u{size}"),
            ElementKind::Float => format!("{order}f{size}"),
            ElementKind::Complex => format!("{order}c{size}"),
            ElementKind::DateTime(unit) => format!("{order}M{size}{unit}"),
            ElementKind::TimeDelta(unit) => format!("{order}m{size}{unit}"),
        }
    }

    /// Reads NumPy's long form, which is also that of Zarr 3 but for times: `float64`, `datetime64[ns]`. The byte order is
    /// that of this machine.
    ///
    /// # Errors
    /// [`ElementTypeError`].
    pub fn from_name(text: &str) -> Result<Self, ElementTypeError> {
        let refuse = |problem| ElementTypeError { found: text.to_owned(), problem };
        if let Some((stem, unit)) = text.split_once("64").filter(|(stem, _)| matches!(*stem, "datetime" | "timedelta"))
        {
            let unit = TimeUnit::parse(unit).ok_or_else(|| refuse(ElementProblem::Unknown))?;
            let kind = if stem == "datetime" { ElementKind::DateTime(unit) } else { ElementKind::TimeDelta(unit) };
            return Self::new(kind, 8);
        }
        let at = text.find(|c: char| c.is_ascii_digit()).unwrap_or(text.len());
        let (stem, digits) = text.split_at(at);
        let kind = match stem {
            "bool" if digits.is_empty() => return Self::new(ElementKind::Bool, 1),
            "int" => ElementKind::Int,
            "uint" => ElementKind::UInt,
            "float" => ElementKind::Float,
            "complex" => ElementKind::Complex,
            "str" | "string" | "bytes" | "fixed_length_utf" | "null_terminated_bytes" => {
                return Err(refuse(ElementProblem::Text));
            }
            "variable_length_bytes" | "variable_length_utf" => return Err(refuse(ElementProblem::Text)),
            "object" => return Err(refuse(ElementProblem::Object)),
            "struct" | "structured" | "r" | "raw_bytes" | "void" => return Err(refuse(ElementProblem::Record)),
            _ => return Err(refuse(ElementProblem::Unknown)),
        };
        let bits: usize = digits.parse().map_err(|_| refuse(ElementProblem::Unknown))?;
        if !bits.is_multiple_of(8) {
            return Err(refuse(ElementProblem::Size));
        }
        Self::new(kind, bits / 8).map_err(|error| refuse(error.problem))
    }

    /// NumPy's long form: `float64`, `datetime64[ns]`.
    pub fn name(self) -> String {
        match self.kind {
            ElementKind::Bool => "bool".to_owned(),
            ElementKind::DateTime(unit) | ElementKind::TimeDelta(unit) => format!("{}{unit}", self.kind.stem()),
            kind => format!("{}{}", kind.stem(), u32::from(self.size_bytes) * 8),
        }
    }

    /// What kind of number it is.
    pub fn kind(self) -> ElementKind {
        self.kind
    }

    /// Bytes per element.
    pub fn size_bytes(self) -> usize {
        usize::from(self.size_bytes)
    }

    /// The order of bytes in the file.
    pub fn order(self) -> ByteOrder {
        self.order
    }

    /// The same type in another byte order. Elements of one byte have the order of this machine, whatever is asked for.
    #[must_use]
    pub fn with_order(self, order: ByteOrder) -> Self {
        Self { order: if self.size_bytes == 1 { ByteOrder::NATIVE } else { order }, ..self }
    }

    /// The same type in the byte order of this machine.
    #[must_use]
    pub fn native(self) -> Self {
        self.with_order(ByteOrder::NATIVE)
    }

    /// How many bytes are swapped as one number, if any must be: a complex number is two.
    fn swapped_bytes(self) -> Option<usize> {
        let width = if self.kind == ElementKind::Complex { self.size_bytes() / 2 } else { self.size_bytes() };
        (self.order != ByteOrder::NATIVE && width > 1).then_some(width)
    }

    /// Turns bytes in the order of the file into bytes in the order of this machine, or back.
    pub(crate) fn swap_to_native(self, bytes: &mut [u8]) {
        match self.swapped_bytes() {
            Some(2) => swap::<2>(bytes),
            Some(4) => swap::<4>(bytes),
            Some(8) => swap::<8>(bytes),
            _ => {}
        }
    }
}

fn swap<const N: usize>(bytes: &mut [u8]) {
    for number in bytes.as_chunks_mut::<N>().0 {
        number.reverse();
    }
}

/// NumPy's long form.
impl fmt::Display for ElementType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

impl ElementKind {
    fn stem(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Int => "int",
            Self::UInt => "uint",
            Self::Float => "float",
            Self::Complex => "complex",
            Self::DateTime(_) => "datetime64",
            Self::TimeDelta(_) => "timedelta64",
        }
    }
}

const BASES: [(TimeBase, &str); 13] = [
    (TimeBase::Years, "Y"),
    (TimeBase::Months, "M"),
    (TimeBase::Weeks, "W"),
    (TimeBase::Days, "D"),
    (TimeBase::Hours, "h"),
    (TimeBase::Minutes, "m"),
    (TimeBase::Seconds, "s"),
    (TimeBase::Milliseconds, "ms"),
    (TimeBase::Microseconds, "us"),
    (TimeBase::Nanoseconds, "ns"),
    (TimeBase::Picoseconds, "ps"),
    (TimeBase::Femtoseconds, "fs"),
    (TimeBase::Attoseconds, "as"),
];

impl TimeUnit {
    /// One nanosecond.
    pub const NANOSECOND: Self = Self { base: TimeBase::Nanoseconds, multiple: 1 };

    /// A unit by NumPy's sign for it: `ns`, `D`; `generic` for none.
    pub fn from_sign(sign: &str, multiple: u32) -> Option<Self> {
        let base = match BASES.iter().find(|(_, known)| *known == sign) {
            Some((base, _)) => *base,
            None if sign == "generic" => TimeBase::Generic,
            None => return None,
        };
        (multiple > 0).then_some(Self { base, multiple })
    }

    /// NumPy's sign for the base: `ns`, `D`, `generic`.
    pub fn sign(self) -> &'static str {
        BASES.iter().find(|(base, _)| *base == self.base).map_or("generic", |(_, sign)| sign)
    }

    /// Reads `[ns]`, `[25s]`, or nothing.
    fn parse(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self { base: TimeBase::Generic, multiple: 1 });
        }
        let inside = text.strip_prefix('[')?.strip_suffix(']')?;
        let at = inside.find(|c: char| !c.is_ascii_digit())?;
        let (digits, sign) = inside.split_at(at);
        Self::from_sign(sign, if digits.is_empty() { 1 } else { digits.parse().ok()? })
    }
}

/// As NumPy writes it behind a type: `[ns]`, `[25s]`, nothing for a generic unit.
impl fmt::Display for TimeUnit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.base, self.multiple) {
            (TimeBase::Generic, _) => Ok(()),
            (_, 1) => write!(f, "[{}]", self.sign()),
            (_, multiple) => write!(f, "[{multiple}{}]", self.sign()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numpy_texts_come_back() {
        let texts = [
            "|b1", "|i1", "<i2", ">i4", "<i8", "|u1", ">u2", "<u4", "<u8", "<f2", ">f4", "<f8", "<c8", ">c16",
            "<M8[ns]", ">m8[25s]", "<M8[D]", "<M8[Y]", "<m8",
        ];
        for text in texts {
            assert_eq!(ElementType::from_numpy(text).unwrap().to_numpy(), text);
        }
        assert_eq!(ElementType::from_numpy("=f8").unwrap(), ElementType::from_numpy("<f8").unwrap().native());
    }

    #[test]
    fn names_come_back() {
        let names = [
            "bool",
            "int8",
            "int64",
            "uint16",
            "float16",
            "float32",
            "complex64",
            "complex128",
            "datetime64[ns]",
            "timedelta64[25s]",
            "datetime64[M]",
            "timedelta64",
        ];
        for name in names {
            assert_eq!(ElementType::from_name(name).unwrap().name(), name);
        }
    }

    #[test]
    fn what_arrays_cannot_hold_is_refused_with_a_remedy() {
        let problem = |text: &str| ElementType::from_numpy(text).unwrap_err().problem;
        assert_eq!([problem("<U5"), problem("|S3")], [ElementProblem::Text; 2]);
        assert_eq!([problem("|O"), problem("|V8")], [ElementProblem::Object, ElementProblem::Record]);
        assert_eq!([problem("<f16"), problem("<c32"), problem("<i3")], [ElementProblem::Size; 3]);
        for text in ["", "<", "f", "<f", "<x8", "<M8[xs]", "<M8[0s]", "<M8[ns", "<f8[ns]", "é8"] {
            assert_eq!(problem(text), ElementProblem::Unknown, "{text}");
        }
        let of_name = |text: &str| ElementType::from_name(text).unwrap_err().problem;
        assert_eq!(
            [of_name("string"), of_name("r16"), of_name("float128")],
            [ElementProblem::Text, ElementProblem::Record, ElementProblem::Size]
        );
        assert_eq!(
            [of_name("int7"), of_name("bfloat16"), of_name("float")],
            [ElementProblem::Size, ElementProblem::Unknown, ElementProblem::Unknown]
        );
        let text = ElementType::from_numpy("|O").unwrap_err().to_string();
        assert!(text.contains("`|O`") && text.contains("astype"), "{text}");
    }

    #[test]
    fn bytes_are_swapped_by_number() {
        let swapped = |text: &str| {
            let mut bytes: Vec<u8> = (0..16).collect();
            ElementType::from_numpy(text).unwrap().swap_to_native(&mut bytes);
            bytes
        };
        let other = if ByteOrder::NATIVE == ByteOrder::Little { '>' } else { '<' };
        assert_eq!(swapped(&format!("{other}c8"))[..8], [3, 2, 1, 0, 7, 6, 5, 4]);
        assert_eq!(swapped(&format!("{other}M8[ns]"))[..8], [7, 6, 5, 4, 3, 2, 1, 0]);
        assert_eq!(swapped(&format!("{other}u2"))[..4], [1, 0, 3, 2]);
        assert_eq!(swapped("|i1"), (0..16).collect::<Vec<u8>>());
        assert_eq!(swapped("=f8"), (0..16).collect::<Vec<u8>>());
    }
}
