//! Integers, floats and decimals.

use super::{Cells, Syntax};
use arrow::array::{Array, Float16Array, Float32Array, Float64Array, PrimitiveArray};
use arrow::datatypes::{ArrowPrimitiveType, DataType, DecimalType, i256};

/// Integers of any width.
pub(super) struct Integers<T: ArrowPrimitiveType>(PrimitiveArray<T>);

impl<T: ArrowPrimitiveType> Integers<T> {
    pub(super) fn new(array: PrimitiveArray<T>, _: Syntax) -> Self {
        Self(array)
    }
}

impl<T: ArrowPrimitiveType> Cells for Integers<T>
where
    T::Native: itoa::Integer,
{
    fn write(&self, row: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(itoa::Buffer::new().format(self.0.value(row)).as_bytes());
    }
}

macro_rules! floats {
    ($(#[$comment:meta])* $name:ident, $array:ty, $printed:expr) => {
        $(#[$comment])*
        pub(super) struct $name {
            array: $array,
            syntax: Syntax,
        }

        impl $name {
            pub(super) fn new(array: $array, syntax: Syntax) -> Self {
                Self { array, syntax }
            }
        }

        impl Cells for $name {
            fn write(&self, row: usize, out: &mut Vec<u8>) {
                let value = $printed(self.array.value(row));
                if value.is_finite() {
                    out.extend_from_slice(zmij::Buffer::new().format_finite(value).as_bytes());
                } else {
                    self.syntax.quote(out);
                    out.extend_from_slice(if value.is_nan() {
                        b"NaN"
                    } else if value > 0.0 {
                        b"Infinity"
                    } else {
                        b"-Infinity"
                    });
                    self.syntax.quote(out);
                }
            }
        }
    };
}

floats!(
    /// 16-bit floats, in the shortest text of the 32-bit float of the same value.
    HalfFloats,
    Float16Array,
    |value: <arrow::datatypes::Float16Type as ArrowPrimitiveType>::Native| value.to_f32()
);
floats!(
    /// 32-bit floats.
    SingleFloats,
    Float32Array,
    std::convert::identity::<f32>
);
floats!(
    /// 64-bit floats.
    DoubleFloats,
    Float64Array,
    std::convert::identity::<f64>
);

/// Decimals of any width, with every digit of their scale.
pub(super) struct Decimals<T: DecimalType> {
    array: PrimitiveArray<T>,
    scale: i8,
}

impl<T: DecimalType> Decimals<T> {
    pub(super) fn new(array: PrimitiveArray<T>, _: Syntax) -> Self {
        let scale = match array.data_type() {
            DataType::Decimal32(_, scale)
            | DataType::Decimal64(_, scale)
            | DataType::Decimal128(_, scale)
            | DataType::Decimal256(_, scale) => *scale,
            // The type parameter admits no other type.
            _ => 0,
        };
        Self { array, scale }
    }
}

impl<T: DecimalType> Cells for Decimals<T>
where
    T::Native: Digits,
{
    fn write(&self, row: usize, out: &mut Vec<u8>) {
        self.array.value(row).with_digits(|digits| append_decimal(digits, self.scale, out));
    }
}

/// An integer whose digits can be had without loss.
trait Digits {
    /// Calls `f` with the decimal digits, after a `-` if the integer is negative.
    fn with_digits(self, f: impl FnOnce(&str));
}

impl Digits for i32 {
    fn with_digits(self, f: impl FnOnce(&str)) {
        f(itoa::Buffer::new().format(self));
    }
}

impl Digits for i64 {
    fn with_digits(self, f: impl FnOnce(&str)) {
        f(itoa::Buffer::new().format(self));
    }
}

impl Digits for i128 {
    fn with_digits(self, f: impl FnOnce(&str)) {
        // Most decimals are small, and 64-bit division is several times faster.
        match i64::try_from(self) {
            Ok(small) => f(itoa::Buffer::new().format(small)),
            Err(_) => f(itoa::Buffer::new().format(self)),
        }
    }
}

impl Digits for i256 {
    fn with_digits(self, f: impl FnOnce(&str)) {
        match self.to_i128() {
            Some(small) => small.with_digits(f),
            None => f(&self.to_string()),
        }
    }
}

/// Appends `digits * 10^-scale`. A negative scale stands for trailing zeros.
fn append_decimal(digits: &str, scale: i8, out: &mut Vec<u8>) {
    let digits = match digits.strip_prefix('-') {
        Some(digits) => {
            out.push(b'-');
            digits
        }
        None => digits,
    };
    let n_decimals = usize::from(scale.unsigned_abs());
    if scale <= 0 {
        out.extend_from_slice(digits.as_bytes());
        if digits != "0" {
            out.resize(out.len() + n_decimals, b'0');
        }
    } else if let Some(n_whole) = digits.len().checked_sub(n_decimals).filter(|n| *n > 0) {
        out.extend_from_slice(&digits.as_bytes()[..n_whole]);
        out.push(b'.');
        out.extend_from_slice(&digits.as_bytes()[n_whole..]);
    } else {
        out.extend_from_slice(b"0.");
        out.resize(out.len() + n_decimals - digits.len(), b'0');
        out.extend_from_slice(digits.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Column, texts};
    use arrow::array::*;
    use arrow::datatypes::{Decimal128Type, Decimal256Type, i256};
    use proptest::prelude::*;

    fn text(array: &dyn Array) -> Vec<String> {
        texts(&Column::text(array), array.len())
    }

    #[test]
    fn integers_keep_every_digit() {
        assert_eq!(
            text(&Int64Array::from(vec![i64::MIN, -1, 0, i64::MAX])),
            ["-9223372036854775808", "-1", "0", "9223372036854775807"]
        );
        assert_eq!(text(&UInt64Array::from(vec![u64::MAX])), ["18446744073709551615"]);
        assert_eq!(text(&Int8Array::from(vec![-128])), ["-128"]);
    }

    #[test]
    fn floats_show_that_they_are_floats() {
        let values = vec![1.0, -0.0, 0.1, 1e300, 1e15, 1e16, 1.5e-7, f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
        assert_eq!(
            text(&Float64Array::from(values)),
            ["1.0", "-0.0", "0.1", "1e+300", "1000000000000000.0", "1e+16", "1.5e-7", "NaN", "Infinity", "-Infinity",]
        );
        assert_eq!(text(&Float32Array::from(vec![0.1, 16777216.0])), ["0.1", "16777216.0"]);
        let half = Float32Array::from(vec![0.5, 65504.0]);
        let half = arrow::compute::cast(&half, &arrow::datatypes::DataType::Float16).unwrap();
        assert_eq!(text(&half), ["0.5", "65504.0"]);
    }

    #[test]
    fn decimals_of_every_scale() {
        let decimals = |scale| {
            let array = Decimal32Array::from(vec![0, 5, -5, 123, -12345]);
            text(&array.with_precision_and_scale(9, scale).unwrap())
        };
        assert_eq!(decimals(0), ["0", "5", "-5", "123", "-12345"]);
        assert_eq!(decimals(2), ["0.00", "0.05", "-0.05", "1.23", "-123.45"]);
        assert_eq!(decimals(5), ["0.00000", "0.00005", "-0.00005", "0.00123", "-0.12345"]);
        assert_eq!(decimals(-2), ["0", "500", "-500", "12300", "-1234500"]);
    }

    proptest! {
        #[test]
        fn floats_read_back(bits: u64) {
            let value = f64::from_bits(bits);
            let read: f64 = text(&Float64Array::from(vec![value]))[0].parse().unwrap();
            prop_assert!(read.to_bits() == bits || (read.is_nan() && value.is_nan()));
        }

        // Arrow formats decimals on its own; both must agree on every value.
        #[test]
        fn decimals_agree_with_arrow(value: i128, high: i128, scale in 0i8..38) {
            let value = value % 10i128.pow(38);
            let array = Decimal128Array::from(vec![value]).with_precision_and_scale(38, scale).unwrap();
            prop_assert_eq!(&text(&array)[0], &Decimal128Type::format_decimal(value, 38, scale));
            let wide = i256::from_parts(value.unsigned_abs(), high >> 10);
            let array = Decimal256Array::from(vec![wide]).with_precision_and_scale(76, scale).unwrap();
            prop_assert_eq!(&text(&array)[0], &Decimal256Type::format_decimal(wide, 76, scale));
        }
    }

    use arrow::datatypes::DecimalType;
}
