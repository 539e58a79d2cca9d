//! What stored numbers mean by the CF conventions: numbers that are packed and masked, and times.
//!
//! Source: <https://cfconventions.org/Data/cf-conventions/cf-conventions-1.12/cf-conventions.html>, sections 2.5.1, 4.4 and 8.1.

use netcdf_reader::cf::{CfCalendar, decode_time, parse_time_units};

use crate::array_files::element_type::{ElementKind, ElementType, TimeBase, TimeUnit};
use crate::array_files::error::ArrayFileResult;
use crate::array_files::memory::zeroed;
use crate::array_files::region::Region;

/// The steps in which times are counted: fine enough for what is measured, far enough for what is dug up.
const MICROSECOND: TimeUnit = TimeUnit { base: TimeBase::Microseconds, multiple: 1 };
/// No time.
const NAT: i64 = i64::MIN;

/// What a file says of a variable.
pub(crate) trait Attributes {
    /// The attribute of this name, if it is a text.
    fn text(&self, name: &str) -> Option<String>;
    /// The attribute of this name, if it is a number or several.
    fn numbers(&self, name: &str) -> Option<Vec<f64>>;
}

/// How the stored numbers of a variable become what they stand for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CfDecoding {
    stored: ElementType,
    element: ElementType,
    meaning: Meaning,
}

/// What the stored numbers stand for.
#[derive(Debug, Clone, PartialEq)]
enum Meaning {
    /// Themselves.
    Plain,
    /// Numbers that are masked and scaled, as `float64`, or as `float32` if they are stored as that.
    Packed { mask: Mask, scale: f64, offset: f64 },
    /// Times, from `epoch` microseconds after 1970 on, in steps of `step` microseconds.
    Time { mask: Mask, epoch: i64, step: Step },
}

/// A number of microseconds: `of / per`.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Step {
    of: i64,
    per: i64,
}

/// Which numbers are there, and which stand for none.
#[derive(Debug, Clone, PartialEq)]
struct Mask {
    /// What integers wrap around at that are stored as the other kind, signed or unsigned.
    wrap: Option<Wrap>,
    missing: Vec<f64>,
    valid_min: f64,
    valid_max: f64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Wrap {
    modulus: f64,
    is_unsigned: bool,
}

impl CfDecoding {
    /// What the attributes of a variable of `stored` numbers say that they mean.
    pub(crate) fn of(attributes: &impl Attributes, stored: ElementType) -> Self {
        let stored = stored.native();
        let (element, meaning) = meaning_of(attributes, stored);
        Self { stored, element, meaning }
    }

    /// The type of the elements as they are meant.
    pub(crate) fn element(&self) -> ElementType {
        self.element
    }

    /// The type of the elements as they are stored, in the byte order of this machine.
    pub(crate) fn stored(&self) -> ElementType {
        self.stored
    }

    /// The elements of `region` of `array`, from their stored bytes.
    ///
    /// # Errors
    /// [`ArrayFileError::TooLarge`](super::ArrayFileError::TooLarge).
    pub(crate) fn decode(&self, array: &str, region: &Region, bytes: Vec<u8>) -> ArrayFileResult<Vec<u8>> {
        let mut to = match self.meaning {
            Meaning::Plain => return Ok(bytes),
            _ => zeroed(array, region, self.element.size_bytes())?,
        };
        match &self.meaning {
            Meaning::Plain => {}
            Meaning::Packed { mask, scale, offset } => {
                let unpacked = |stored| mask.apply(stored) * scale + offset;
                match self.element.size_bytes() {
                    4 => self.map_floats(&bytes, &mut to, |stored| (unpacked(stored) as f32).to_ne_bytes()),
                    _ => self.map_floats(&bytes, &mut to, |stored| unpacked(stored).to_ne_bytes()),
                }
            }
            Meaning::Time { mask, epoch, step } if self.stored.kind() == ElementKind::Float => {
                let time = |stored| {
                    let since = (mask.apply(stored) * step.of as f64 / step.per as f64).round();
                    // What is missing, and what no count holds, is no time.
                    let fits = since.abs() < i64::MAX as f64;
                    if fits { epoch.checked_add(since as i64).unwrap_or(NAT) } else { NAT }
                };
                self.map_floats(&bytes, &mut to, |stored| time(stored).to_ne_bytes());
            }
            Meaning::Time { mask, epoch, step } => {
                let time = |stored: i128| {
                    let value = mask.apply(stored as f64);
                    if value.is_nan() {
                        return NAT;
                    }
                    // A float does not hold every integer.
                    let stored = if mask.wrap.is_some() { value as i128 } else { stored };
                    let since = (stored * i128::from(step.of)).div_euclid(i128::from(step.per));
                    i64::try_from(since + i128::from(*epoch)).unwrap_or(NAT)
                };
                self.map_integers(&bytes, &mut to, |stored| time(stored).to_ne_bytes());
            }
        }
        Ok(to)
    }

    fn map_floats<const M: usize>(&self, from: &[u8], to: &mut [u8], of: impl Fn(f64) -> [u8; M]) {
        match (self.stored.kind(), self.stored.size_bytes()) {
            (ElementKind::Float, 2) => map(from, to, |stored| of(half::f16::from_ne_bytes(stored).to_f64())),
            (ElementKind::Float, 4) => map(from, to, |stored| of(f32::from_ne_bytes(stored).into())),
            (ElementKind::Float, _) => map(from, to, |stored| of(f64::from_ne_bytes(stored))),
            _ => self.map_integers(from, to, |stored| of(stored as f64)),
        }
    }

    fn map_integers<const M: usize>(&self, from: &[u8], to: &mut [u8], of: impl Fn(i128) -> [u8; M]) {
        match (self.stored.kind(), self.stored.size_bytes()) {
            (ElementKind::UInt, 1) => map(from, to, |stored| of(u8::from_ne_bytes(stored).into())),
            (ElementKind::UInt, 2) => map(from, to, |stored| of(u16::from_ne_bytes(stored).into())),
            (ElementKind::UInt, 4) => map(from, to, |stored| of(u32::from_ne_bytes(stored).into())),
            (ElementKind::UInt, _) => map(from, to, |stored| of(u64::from_ne_bytes(stored).into())),
            (_, 1) => map(from, to, |stored| of(i8::from_ne_bytes(stored).into())),
            (_, 2) => map(from, to, |stored| of(i16::from_ne_bytes(stored).into())),
            (_, 4) => map(from, to, |stored| of(i32::from_ne_bytes(stored).into())),
            _ => map(from, to, |stored| of(i64::from_ne_bytes(stored).into())),
        }
    }
}

/// Each element of `from` in its place in `to`.
fn map<const N: usize, const M: usize>(from: &[u8], to: &mut [u8], of: impl Fn([u8; N]) -> [u8; M]) {
    for (from, to) in from.as_chunks::<N>().0.iter().zip(to.as_chunks_mut::<M>().0) {
        *to = of(*from);
    }
}

fn meaning_of(attributes: &impl Attributes, stored: ElementType) -> (ElementType, Meaning) {
    if !matches!(stored.kind(), ElementKind::Int | ElementKind::UInt | ElementKind::Float) {
        return (stored, Meaning::Plain);
    }
    let mask = Mask::of(attributes, stored);
    if let Some((epoch, step)) = time_of(attributes)
        && let Ok(time) = ElementType::new(ElementKind::DateTime(MICROSECOND), 8)
    {
        return (time, Meaning::Time { mask, epoch, step });
    }
    let has = |name: &&str| attributes.numbers(name).is_some() || attributes.text(name).is_some();
    let is_scaled = ["scale_factor", "add_offset", "_Unsigned"].iter().any(has);
    let is_masked = ["_FillValue", "missing_value", "valid_min", "valid_max", "valid_range"].iter().any(has);
    if !is_scaled && !is_masked {
        return (stored, Meaning::Plain);
    }
    let double = ElementType::new(ElementKind::Float, 8).unwrap_or(stored);
    let stays = stored.kind() == ElementKind::Float && stored.size_bytes() > 2 && !is_scaled;
    if stays && mask.is_nan() {
        return (stored, Meaning::Plain);
    }
    let (scale, offset) = (first(attributes, "scale_factor"), first(attributes, "add_offset"));
    let packed = Meaning::Packed { mask, scale: scale.unwrap_or(1.0), offset: offset.unwrap_or(0.0) };
    (if stays { stored } else { double }, packed)
}

fn first(attributes: &impl Attributes, name: &str) -> Option<f64> {
    attributes.numbers(name)?.first().copied()
}

/// The first time that numbers count from, in microseconds, and the step, of a variable that says so; times of calendars that
/// are not ours, months and years stay numbers.
fn time_of(attributes: &impl Attributes) -> Option<(i64, Step)> {
    let units = attributes.text("units")?;
    let at = units.to_ascii_lowercase().find(" since ")?;
    let (unit, epoch) = (&units[..at], &units[at + " since ".len()..]);
    let step = |of, per| Step { of, per };
    let step = match unit.trim().to_lowercase().as_str() {
        "nanosecond" | "nanoseconds" | "ns" => step(1, 1000),
        "microsecond" | "microseconds" | "us" => step(1, 1),
        "millisecond" | "milliseconds" | "msec" | "ms" => step(1000, 1),
        "second" | "seconds" | "sec" | "s" => step(1_000_000, 1),
        "minute" | "minutes" | "min" => step(60_000_000, 1),
        "hour" | "hours" | "hr" | "h" => step(3_600_000_000, 1),
        "day" | "days" | "d" => step(86_400_000_000, 1),
        _ => return None,
    };
    let calendar = attributes.text("calendar").map_or(CfCalendar::Standard, |name| CfCalendar::parse(&name));
    if !matches!(calendar, CfCalendar::Standard | CfCalendar::ProlepticGregorian) {
        return None;
    }
    let reference = parse_time_units(&format!("seconds since {}", epoch.trim()), calendar).ok()?;
    Some((decode_time(0.0, &reference).ok()?.timestamp_micros(), step))
}

impl Mask {
    fn of(attributes: &impl Attributes, stored: ElementType) -> Self {
        let wrap = Wrap::of(attributes, stored);
        // They are compared with stored numbers, and so have to be of their type.
        let as_stored = |value: f64| match (stored.kind(), stored.size_bytes()) {
            (ElementKind::Float, 4) => f64::from(value as f32),
            _ => wrap.map_or(value, |wrap| wrap.apply(value)),
        };
        let numbers = |name| attributes.numbers(name).unwrap_or_default();
        let missing = [numbers("_FillValue"), numbers("missing_value")].concat().into_iter().map(as_stored).collect();
        let (min, max) = match numbers("valid_range").as_slice() {
            [min, max] => (Some(*min), Some(*max)),
            _ => (first(attributes, "valid_min"), first(attributes, "valid_max")),
        };
        let valid_min = min.map_or(f64::NEG_INFINITY, as_stored);
        let valid_max = max.map_or(f64::INFINITY, as_stored);
        Self { wrap, missing, valid_min, valid_max }
    }

    /// Whether nothing but NaN stands for none.
    fn is_nan(&self) -> bool {
        self.missing.iter().all(|missing| missing.is_nan())
            && (self.valid_min, self.valid_max) == (f64::NEG_INFINITY, f64::INFINITY)
    }

    /// The number, or NaN if it stands for none.
    fn apply(&self, stored: f64) -> f64 {
        let value = self.wrap.map_or(stored, |wrap| wrap.apply(stored));
        let is_missing = self.missing.contains(&value) || value < self.valid_min || value > self.valid_max;
        if is_missing { f64::NAN } else { value }
    }
}

impl Wrap {
    /// For integers whose attribute `_Unsigned` says something else than their type.
    fn of(attributes: &impl Attributes, stored: ElementType) -> Option<Self> {
        let is_unsigned = match attributes.text("_Unsigned")?.to_lowercase().as_str() {
            "true" => true,
            "false" => false,
            _ => return None,
        };
        let differs = stored.kind() == if is_unsigned { ElementKind::Int } else { ElementKind::UInt };
        let modulus = 2_f64.powi(8 * stored.size_bytes() as i32);
        differs.then_some(Self { modulus, is_unsigned })
    }

    fn apply(self, stored: f64) -> f64 {
        match self.is_unsigned {
            true if stored < 0.0 => stored + self.modulus,
            false if stored >= self.modulus / 2.0 => stored - self.modulus,
            _ => stored,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    enum Value {
        Text(&'static str),
        Numbers(&'static [f64]),
    }
    use Value::{Numbers, Text};

    struct Given<'a>(&'a [(&'a str, Value)]);

    impl Attributes for Given<'_> {
        fn text(&self, name: &str) -> Option<String> {
            self.0.iter().find_map(|(other, value)| match value {
                Text(text) if *other == name => Some((*text).to_owned()),
                _ => None,
            })
        }

        fn numbers(&self, name: &str) -> Option<Vec<f64>> {
            self.0.iter().find_map(|(other, value)| match value {
                Numbers(numbers) if *other == name => Some(numbers.to_vec()),
                _ => None,
            })
        }
    }

    fn decoded(stored: &str, bytes: &[u8], attributes: &[(&str, Value)]) -> (String, Vec<u8>) {
        let decoding = CfDecoding::of(&Given(attributes), ElementType::from_name(stored).unwrap());
        let region = Region::whole(&[(bytes.len() / decoding.stored().size_bytes()) as u64]);
        (decoding.element().name(), decoding.decode("x", &region, bytes.to_vec()).unwrap())
    }

    fn bytes<T, const N: usize>(values: &[T], of: fn(T) -> [u8; N]) -> Vec<u8>
    where
        T: Copy,
    {
        values.iter().flat_map(|value| of(*value)).collect()
    }

    fn doubles(bytes: &[u8]) -> Vec<f64> {
        bytes.as_chunks().0.iter().map(|bytes| f64::from_ne_bytes(*bytes)).collect()
    }

    fn times(stored: &str, bytes: &[u8], units: &'static str, more: (&'static str, Value)) -> Vec<i64> {
        let (element, times) = decoded(stored, bytes, &[("units", Text(units)), more]);
        assert_eq!(element, "datetime64[us]", "{units}");
        times.as_chunks().0.iter().map(|bytes| i64::from_ne_bytes(*bytes)).collect()
    }

    #[test]
    fn numbers_are_unpacked_and_masked() {
        let stored = bytes(&[-32768_i16, 0, 150], i16::to_ne_bytes);
        let packing =
            [("scale_factor", Numbers(&[0.5])), ("add_offset", Numbers(&[-1.0])), ("_FillValue", Numbers(&[-32768.0]))];
        let (element, values) = decoded("int16", &stored, &packing);
        let values = doubles(&values);
        assert_eq!((element.as_str(), values[0].is_nan(), &values[1..]), ("float64", true, &[-1.0, 74.0][..]));
        // 1e20 is another number as `float32`.
        let stored = bytes(&[1e20_f32, 1.5], f32::to_ne_bytes);
        let (element, values) = decoded("float32", &stored, &[("missing_value", Numbers(&[1e20]))]);
        assert_eq!((element.as_str(), values), ("float32", bytes(&[f32::NAN, 1.5], f32::to_ne_bytes)));
        let (_, values) = decoded("int8", &[1, 2, 3, 4], &[("valid_range", Numbers(&[2.0, 3.0]))]);
        let values = doubles(&values);
        assert!(values[0].is_nan() && values[1..3] == [2.0, 3.0] && values[3].is_nan());
        let unsigned = [("_Unsigned", Text("true")), ("_FillValue", Numbers(&[-1.0]))];
        let (_, values) = decoded("int8", &[0xff, 0xfe, 1], &unsigned);
        let values = doubles(&values);
        assert!(values[0].is_nan() && values[1..] == [254.0, 1.0]);
        let stored = bytes(&[1.0_f64, f64::NAN], f64::to_ne_bytes);
        let nan = [("_FillValue", Numbers(&[f64::NAN]))];
        assert_eq!(decoded("float64", &stored, &nan), ("float64".to_owned(), stored));
        let stored = bytes(&[1_i64, 2], i64::to_ne_bytes);
        assert_eq!(decoded("int64", &stored, &[("units", Text("K"))]), ("int64".to_owned(), stored));
    }

    #[test]
    fn times_are_counted_in_microseconds() {
        let calendar = || ("calendar", Text("proleptic_gregorian"));
        let of = |values: &[i64]| bytes(values, i64::to_ne_bytes);
        assert_eq!(
            times("int64", &of(&[0, 1]), "days since 1970-01-02", calendar()),
            [86_400_000_000, 172_800_000_000]
        );
        // As floats nanoseconds of our days would be off by 256.
        let ns = of(&[1_400_000_000_000_001_999, -1]);
        assert_eq!(times("int64", &ns, "nanoseconds since 1970-01-01", calendar()), [1_400_000_000_000_001, -1]);
        let fractions = bytes(&[0.5, f64::NAN], f64::to_ne_bytes);
        assert_eq!(times("float64", &fractions, "hours since 1970-01-01 00:00:00", calendar()), [1_800_000_000, NAT]);
        let missing = ("_FillValue", Numbers(&[i64::MIN as f64]));
        assert_eq!(times("int64", &of(&[i64::MIN, 3]), "seconds since 1970-01-01", missing), [NAT, 3_000_000]);
        let last = of(&[i64::MAX]);
        assert_eq!(times("int64", &last, "days since 1970-01-01", calendar()), [NAT]);
        for (units, calendar) in [("days since 2000-01-01", "noleap"), ("months since 2000-01-01", "standard")] {
            let attributes = [("units", Text(units)), ("calendar", Text(calendar))];
            assert_eq!(decoded("int64", &of(&[1]), &attributes).0, "int64", "{units}");
        }
    }
}
