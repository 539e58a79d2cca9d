//! The value of elements that are not stored, as JSON and as bytes.

use half::f16;
use serde_json::{Value, json};

use crate::array_files::element_type::{ElementKind, ElementType};

/// The bytes of one element, in the byte order of this machine; `None` for a value that such an element cannot have.
pub(crate) fn from_json(value: &Value, element: ElementType) -> Option<Vec<u8>> {
    let size_bytes = element.size_bytes();
    match element.kind() {
        ElementKind::Bool => match value {
            Value::Bool(value) => Some(vec![u8::from(*value)]),
            // Zarr 2 was written so too.
            value => Some(vec![u8::from(integer(value)? != 0)]),
        },
        ElementKind::Int => signed(integer(value)?, size_bytes),
        ElementKind::UInt => unsigned(integer(value)?, size_bytes),
        ElementKind::Float => float(value, size_bytes),
        ElementKind::Complex => {
            let [real, imaginary] = value.as_array()?.as_slice() else { return None };
            Some([float(real, size_bytes / 2)?, float(imaginary, size_bytes / 2)?].concat())
        }
        ElementKind::DateTime(_) | ElementKind::TimeDelta(_) => match value.as_str() {
            Some("NaT") => Some(i64::MIN.to_ne_bytes().to_vec()),
            Some(_) => None,
            None => signed(integer(value)?, size_bytes),
        },
    }
}

fn integer(value: &Value) -> Option<i128> {
    if let Some(value) = value.as_i64() {
        return Some(value.into());
    }
    if let Some(value) = value.as_u64() {
        return Some(value.into());
    }
    // `0.0` is written for integers as well.
    let value = value.as_f64()?;
    (value.fract() == 0.0 && value.abs() < 1e18).then_some(value as i128)
}

fn signed(value: i128, size_bytes: usize) -> Option<Vec<u8>> {
    Some(match size_bytes {
        1 => i8::try_from(value).ok()?.to_ne_bytes().to_vec(),
        2 => i16::try_from(value).ok()?.to_ne_bytes().to_vec(),
        4 => i32::try_from(value).ok()?.to_ne_bytes().to_vec(),
        _ => i64::try_from(value).ok()?.to_ne_bytes().to_vec(),
    })
}

fn unsigned(value: i128, size_bytes: usize) -> Option<Vec<u8>> {
    Some(match size_bytes {
        1 => u8::try_from(value).ok()?.to_ne_bytes().to_vec(),
        2 => u16::try_from(value).ok()?.to_ne_bytes().to_vec(),
        4 => u32::try_from(value).ok()?.to_ne_bytes().to_vec(),
        _ => u64::try_from(value).ok()?.to_ne_bytes().to_vec(),
    })
}

fn float(value: &Value, size_bytes: usize) -> Option<Vec<u8>> {
    let value = match value {
        Value::String(text) => match text.as_str() {
            "NaN" => f64::NAN,
            "Infinity" => f64::INFINITY,
            "-Infinity" => f64::NEG_INFINITY,
            // The bits of the number, for a NaN that is not the usual one.
            bits => {
                let digits = bits.strip_prefix("0x").filter(|digits| digits.len() == 2 * size_bytes)?;
                let bits = u64::from_str_radix(digits, 16).ok()?;
                return unsigned(bits.into(), size_bytes);
            }
        },
        value => value.as_f64()?,
    };
    Some(match size_bytes {
        2 => f16::from_f64(value).to_ne_bytes().to_vec(),
        4 => (value as f32).to_ne_bytes().to_vec(),
        _ => value.to_ne_bytes().to_vec(),
    })
}

/// The JSON of one element in the byte order of this machine. `bytes` has as many bytes as an element.
pub(crate) fn to_json(bytes: &[u8], element: ElementType) -> Value {
    match element.kind() {
        ElementKind::Bool => json!(bytes != [0]),
        ElementKind::Int | ElementKind::DateTime(_) | ElementKind::TimeDelta(_) => match *bytes {
            [a] => json!(i8::from_ne_bytes([a])),
            [a, b] => json!(i16::from_ne_bytes([a, b])),
            [a, b, c, d] => json!(i32::from_ne_bytes([a, b, c, d])),
            _ => json!(bytes.first_chunk().map(|bytes| i64::from_ne_bytes(*bytes))),
        },
        ElementKind::UInt => json!(bits(bytes)),
        ElementKind::Float => float_to_json(bytes),
        ElementKind::Complex => {
            let (real, imaginary) = bytes.split_at(bytes.len() / 2);
            json!([float_to_json(real), float_to_json(imaginary)])
        }
    }
}

fn bits(bytes: &[u8]) -> Option<u64> {
    Some(match *bytes {
        [a] => a.into(),
        [a, b] => u16::from_ne_bytes([a, b]).into(),
        [a, b, c, d] => u32::from_ne_bytes([a, b, c, d]).into(),
        _ => u64::from_ne_bytes(*bytes.first_chunk()?),
    })
}

fn float_to_json(bytes: &[u8]) -> Value {
    let value = match *bytes {
        [a, b] => f16::from_ne_bytes([a, b]).to_f64(),
        [a, b, c, d] => f32::from_ne_bytes([a, b, c, d]).into(),
        _ => bytes.first_chunk().map_or(f64::NAN, |bytes| f64::from_ne_bytes(*bytes)),
    };
    if value.is_nan() {
        let usual = float(&json!("NaN"), bytes.len());
        let digits = 2 * bytes.len();
        return if usual.as_deref() == Some(bytes) {
            json!("NaN")
        } else {
            json!(format!("0x{:0digits$x}", bits(bytes).unwrap_or_default()))
        };
    }
    match value {
        f64::INFINITY => json!("Infinity"),
        f64::NEG_INFINITY => json!("-Infinity"),
        value => json!(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn element(name: &str) -> ElementType {
        ElementType::from_name(name).unwrap()
    }

    #[test]
    fn values_come_back() {
        let values = [
            ("bool", json!(true)),
            ("int8", json!(-128)),
            ("int64", json!(i64::MIN)),
            ("uint64", json!(u64::MAX)),
            ("float16", json!(-0.5)),
            ("float32", json!("NaN")),
            ("float32", json!("0x7fc00001")),
            ("float64", json!("-Infinity")),
            ("float64", json!(0.1)),
            ("complex64", json!([1.5, "Infinity"])),
            ("complex128", json!([0.1, -2.0])),
            ("datetime64[ns]", json!(i64::MIN)),
        ];
        for (name, value) in values {
            let bytes = from_json(&value, element(name)).unwrap();
            assert_eq!(bytes.len(), element(name).size_bytes());
            assert_eq!(to_json(&bytes, element(name)), value, "{name}");
        }
        assert_eq!(from_json(&json!("NaT"), element("timedelta64[s]")), Some(i64::MIN.to_ne_bytes().to_vec()));
        assert_eq!(from_json(&json!(0.0), element("int32")), Some(vec![0; 4]));
    }

    #[test]
    fn values_of_other_types_are_refused() {
        let values = [
            ("int8", json!(128)),
            ("uint8", json!(-1)),
            ("int32", json!(0.5)),
            ("float32", json!("0x7fc0")),
            ("float64", json!("zero")),
            ("complex64", json!(1.0)),
            ("bool", json!("true")),
            ("datetime64[ns]", json!("2020")),
        ];
        for (name, value) in values {
            assert_eq!(from_json(&value, element(name)), None, "{name} {value}");
        }
    }
}
