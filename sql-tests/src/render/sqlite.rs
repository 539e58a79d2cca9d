//! Values converted to the declared type of their column: the way of SQLite's corpus.
//!
//! Source: "sqllogictest", <https://www.sqlite.org/sqllogictest/doc/trunk/about.wiki>, and SQLite's rules for casts.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use arrow::util::display::array_value_to_string;

use super::{EMPTY, NULL};
use crate::style::ColumnKind;

/// The rows of `batches`, each value printed as the kind `declared` for its column; text where none is declared.
///
/// # Errors
///
/// What Arrow says of a value it cannot print.
pub(crate) fn sqlite_values(batches: &[RecordBatch], declared: &[ColumnKind]) -> Result<Vec<Vec<String>>, ArrowError> {
    let mut rows = Vec::new();
    for batch in batches {
        let start = rows.len();
        rows.resize(start + batch.num_rows(), Vec::with_capacity(batch.num_columns()));
        for (i, column) in batch.columns().iter().enumerate() {
            let kind = declared.get(i).copied().unwrap_or(ColumnKind::Text);
            for (row, value) in rows[start..].iter_mut().zip(values(column)?) {
                row.push(printed(&value, kind));
            }
        }
    }
    Ok(rows)
}

/// A value in one of the types SQLite has.
#[derive(Debug, PartialEq)]
enum Value {
    Null,
    /// Digits rather than a number: the engine's integers may be wider than SQLite's.
    Integer(String),
    Real(f64),
    Text(String),
}

fn values(column: &ArrayRef) -> Result<Vec<Value>, ArrowError> {
    let read: Box<dyn Fn(usize) -> Result<Value, ArrowError> + '_> = match column.data_type() {
        // SQLite has no truth values: it has 1 and 0.
        DataType::Boolean => Box::new(|i| Ok(Value::Integer(u8::from(column.as_boolean().value(i)).to_string()))),
        other if other.is_integer() => Box::new(|i| Ok(Value::Integer(array_value_to_string(column, i)?))),
        other if other.is_floating() || other.is_decimal() => {
            let reals = cast(column, &DataType::Float64)?;
            Box::new(move |i| Ok(Value::Real(reals.as_primitive::<Float64Type>().value(i))))
        }
        _ => Box::new(|i| Ok(Value::Text(array_value_to_string(column, i)?))),
    };
    (0..column.len()).map(|i| if column.is_null(i) { Ok(Value::Null) } else { read(i) }).collect()
}

fn printed(value: &Value, declared: ColumnKind) -> String {
    // SQLite stores NaN as NULL.
    if matches!(value, Value::Null) || matches!(value, Value::Real(real) if real.is_nan()) {
        return NULL.to_owned();
    }
    match declared {
        ColumnKind::Integer => integer(value),
        ColumnKind::Real => format!("{:.3}", real(value)),
        _ => text(value),
    }
}

fn integer(value: &Value) -> String {
    match value {
        Value::Null => NULL.to_owned(),
        Value::Integer(digits) => digits.clone(),
        // A cast cuts the fraction off and stops at the ends of 64 bits, as `as` does.
        Value::Real(real) => (*real as i64).to_string(),
        Value::Text(text) => {
            let text = text.trim_start();
            let prefix = numeric_prefix(text).split(['.', 'e', 'E']).next().unwrap_or_default();
            prefix.parse::<i64>().unwrap_or(0).to_string()
        }
    }
}

fn real(value: &Value) -> f64 {
    match value {
        Value::Null => 0.0,
        Value::Integer(digits) => digits.parse().unwrap_or(0.0),
        Value::Real(real) => *real,
        Value::Text(text) => numeric_prefix(text.trim_start()).parse().unwrap_or(0.0),
    }
}

fn text(value: &Value) -> String {
    let text = match value {
        Value::Null => NULL.to_owned(),
        Value::Integer(digits) => digits.clone(),
        Value::Real(real) => real_text(*real),
        Value::Text(text) => text.clone(),
    };
    if text.is_empty() {
        return EMPTY.to_owned();
    }
    // Byte by byte, so that a character of two bytes is two signs, as in the corpus.
    text.bytes().map(|byte| if (b' '..=b'~').contains(&byte) { char::from(byte) } else { '@' }).collect()
}

/// The longest beginning of `text` that is a number, as a cast of SQLite reads it.
fn numeric_prefix(text: &str) -> &str {
    let bytes = text.as_bytes();
    let digits_from = |mut i: usize| {
        while bytes.get(i).is_some_and(u8::is_ascii_digit) {
            i += 1;
        }
        i
    };
    let sign = usize::from(matches!(bytes.first(), Some(b'+' | b'-')));
    let mut end = digits_from(sign);
    if bytes.get(end) == Some(&b'.') {
        end = digits_from(end + 1);
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let exponent = end + 1 + usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        let exponent_end = digits_from(exponent);
        if exponent_end > exponent {
            end = exponent_end;
        }
    }
    &text[..end]
}

/// A real number in 15 significant digits, with a point, as SQLite turns it into text.
fn real_text(real: f64) -> String {
    const SIGNIFICANT_DIGITS: i32 = 15;
    if real.is_infinite() {
        return if real > 0.0 { "Inf" } else { "-Inf" }.to_owned();
    }
    let scientific = format!("{real:.14e}");
    let Some((mantissa, exponent)) = scientific.split_once('e') else { return scientific };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let with_point = |text: &str| {
        let trimmed = text.trim_end_matches('0');
        if trimmed.ends_with('.') { format!("{trimmed}0") } else { trimmed.to_owned() }
    };
    if (-4..SIGNIFICANT_DIGITS).contains(&exponent) {
        let n_decimals = usize::try_from(SIGNIFICANT_DIGITS - 1 - exponent).unwrap_or(0);
        let fixed = format!("{real:.n_decimals$}");
        if fixed.contains('.') { with_point(&fixed) } else { format!("{fixed}.0") }
    } else {
        let sign = if exponent < 0 { '-' } else { '+' };
        format!("{}e{sign}{:02}", with_point(mantissa), exponent.unsigned_abs())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{BooleanArray, Decimal128Array, Float64Array, Int64Array, StringArray};

    use super::*;

    fn column(array: impl Array + 'static, declared: ColumnKind) -> Vec<String> {
        let array: ArrayRef = Arc::new(array);
        let batch = RecordBatch::try_from_iter([("c", array)]).unwrap();
        sqlite_values(&[batch], &[declared]).unwrap().concat()
    }

    // Expected values were printed by SQLite 3: CAST(x AS INTEGER), printf('%.3f', x) and CAST(x AS TEXT).
    #[test]
    fn integers() {
        let kind = ColumnKind::Integer;
        assert_eq!(column(Int64Array::from(vec![Some(-7), None]), kind), ["-7", "NULL"]);
        assert_eq!(column(BooleanArray::from(vec![true, false]), kind), ["1", "0"]);
        assert_eq!(column(Float64Array::from(vec![2.9, -2.9, 1e30]), kind), ["2", "-2", "9223372036854775807"]);
        assert_eq!(column(StringArray::from(vec!["12ab", "-3.9", "abc", ""]), kind), ["12", "-3", "0", "0"]);
    }

    #[test]
    fn reals_have_three_decimals() {
        let kind = ColumnKind::Real;
        assert_eq!(column(Int64Array::from(vec![5]), kind), ["5.000"]);
        assert_eq!(column(Float64Array::from(vec![2.0 / 3.0, f64::NAN]), kind), ["0.667", "NULL"]);
        let decimals = Decimal128Array::from(vec![123_456]).with_precision_and_scale(10, 4).unwrap();
        assert_eq!(column(decimals, kind), ["12.346"]);
        assert_eq!(column(StringArray::from(vec!["1e2x", "x"]), kind), ["100.000", "0.000"]);
    }

    #[test]
    fn text_is_printable() {
        let kind = ColumnKind::Text;
        assert_eq!(column(StringArray::from(vec!["a\tb", "", "\u{e9}"]), kind), ["a@b", "(empty)", "@@"]);
        let reals = vec![1.0, 1234.5, 1e-5, 1e15, 123_456_789_012_345.0, 0.1, -2.5e20];
        assert_eq!(
            column(Float64Array::from(reals), kind),
            ["1.0", "1234.5", "1.0e-05", "1.0e+15", "123456789012345.0", "0.1", "-2.5e+20"]
        );
        assert_eq!(column(BooleanArray::from(vec![true]), kind), ["1"]);
    }
}
