//! One row a line, each value printed by its own type: the way of DataFusion's own files.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Float16Type, Float32Type, Float64Type};
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use arrow::util::display::{ArrayFormatter, DurationFormat, FormatOptions, array_value_to_string};

use super::decimal::round_plain;
use super::{EMPTY, NULL};

/// Digits after the point of a floating-point number; engines differ in what lies beyond.
const FLOAT_DIGITS: usize = 12;

/// The rows of `batches`, cell by cell.
///
/// A row whose last cell has several lines, as a plan has, becomes a row without that cell and a numbered row for
/// each line of it.
///
/// # Errors
///
/// What Arrow says of a value it cannot print.
pub(crate) fn row_lines(batches: &[RecordBatch]) -> Result<Vec<Vec<String>>, ArrowError> {
    let mut rows = Vec::new();
    for batch in batches {
        let columns = batch.columns().iter().map(cells).collect::<Result<Vec<_>, _>>()?;
        let mut columns: Vec<_> = columns.into_iter().map(Vec::into_iter).collect();
        for _ in 0..batch.num_rows() {
            let row: Vec<String> = columns.iter_mut().filter_map(Iterator::next).collect();
            push_row(&mut rows, row);
        }
    }
    Ok(rows)
}

fn push_row(rows: &mut Vec<Vec<String>>, mut row: Vec<String>) {
    match row.pop_if(|cell| cell.contains('\n')) {
        None => rows.push(row),
        Some(lines) => {
            rows.push(row);
            // The depth of a plan's node is its indentation, and leading blanks would not be compared.
            rows.extend(lines.split('\n').zip(1..).map(|(line, number)| {
                let content = line.trim_start();
                let dashes = "-".repeat(line.len() - content.len());
                vec![format!("{number:02}){dashes}{content}")]
            }));
        }
    }
}

/// The values of a column as text.
fn cells(column: &ArrayRef) -> Result<Vec<String>, ArrowError> {
    let print: Box<dyn Fn(usize) -> Result<String, ArrowError> + '_> = match column.data_type() {
        DataType::Boolean => Box::new(|i| Ok(column.as_boolean().value(i).to_string())),
        DataType::Float16 => Box::new(|i| Ok(float16_text(column.as_primitive::<Float16Type>().value(i).into()))),
        DataType::Float32 => Box::new(|i| {
            let value = column.as_primitive::<Float32Type>().value(i);
            Ok(float_text(f64::from(value), &value.to_string()))
        }),
        DataType::Float64 => Box::new(|i| {
            let value = column.as_primitive::<Float64Type>().value(i);
            Ok(float_text(value, &value.to_string()))
        }),
        other if other.is_decimal() => Box::new(|i| Ok(round_plain(&array_value_to_string(column, i)?, usize::MAX))),
        DataType::Utf8 => Box::new(|i| Ok(text(column.as_string::<i32>().value(i)))),
        DataType::LargeUtf8 => Box::new(|i| Ok(text(column.as_string::<i64>().value(i)))),
        DataType::Utf8View => Box::new(|i| Ok(text(column.as_string_view().value(i)))),
        DataType::Dictionary(..) => {
            let dictionary = column.as_any_dictionary();
            let values = cells(dictionary.values())?;
            let keys = if values.is_empty() { Vec::new() } else { dictionary.normalized_keys() };
            Box::new(move |i| Ok(values[keys[i]].clone()))
        }
        _ => {
            let options = FormatOptions::new()
                .with_null(NULL)
                .with_date_format(Some("%Y-%m-%d"))
                .with_datetime_format(Some("%Y-%m-%dT%H:%M:%S%.f"))
                .with_timestamp_format(Some("%Y-%m-%dT%H:%M:%S%.f"))
                .with_time_format(Some("%H:%M:%S%.f"))
                .with_duration_format(DurationFormat::Pretty);
            let formatter = ArrayFormatter::try_new(column.as_ref(), &options)?;
            let printed: Vec<String> = (0..column.len()).map(|i| formatter.value(i).to_string()).collect();
            Box::new(move |i| Ok(printed[i].clone()))
        }
    };
    (0..column.len()).map(|i| if column.is_null(i) { Ok(NULL.to_owned()) } else { print(i) }).collect()
}

fn float16_text(value: f32) -> String {
    float_text(f64::from(value), &value.to_string())
}

/// `shortest` is the shortest text that reads back as the value in its own width.
fn float_text(value: f64, shortest: &str) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned()
    } else {
        round_plain(shortest, FLOAT_DIGITS)
    }
}

fn text(value: &str) -> String {
    if value.is_empty() {
        return EMPTY.to_owned();
    }
    value.trim_end_matches('\n').replace('\0', "\\0")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        BooleanArray, Date32Array, Decimal128Array, DictionaryArray, DurationSecondArray, Float32Array, Float64Array,
        StringArray, TimestampNanosecondArray,
    };
    use arrow::datatypes::Int32Type;

    use super::*;

    fn printed(column: impl Array + 'static) -> Vec<String> {
        cells(&(Arc::new(column) as ArrayRef)).unwrap()
    }

    #[test]
    fn numbers_are_printed_without_exponents_or_idle_zeros() {
        let values = [1.0, -0.0, 1e20, 0.1 + 0.2, 1e-13, f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
        assert_eq!(
            printed(Float64Array::from(values.to_vec())),
            ["1", "0", "100000000000000000000", "0.3", "0", "NaN", "Infinity", "-Infinity"]
        );
        assert_eq!(printed(Float32Array::from(vec![0.1_f32])), ["0.1"]);
        let decimals = Decimal128Array::from(vec![Some(12_300), Some(-5), None]);
        assert_eq!(printed(decimals.with_precision_and_scale(10, 3).unwrap()), ["12.3", "-0.005", "NULL"]);
    }

    #[test]
    fn text_shows_what_a_line_could_not() {
        let values = StringArray::from(vec![Some(""), Some("a b"), Some("x\n"), Some("n\0l"), None]);
        assert_eq!(printed(values), ["(empty)", "a b", "x", "n\\0l", "NULL"]);
        let dictionary: DictionaryArray<Int32Type> = [Some("a"), None, Some("")].into_iter().collect();
        assert_eq!(printed(dictionary), ["a", "NULL", "(empty)"]);
    }

    #[test]
    fn times_and_truth_values() {
        assert_eq!(printed(BooleanArray::from(vec![Some(true), Some(false), None])), ["true", "false", "NULL"]);
        assert_eq!(printed(Date32Array::from(vec![0, 365])), ["1970-01-01", "1971-01-01"]);
        assert_eq!(
            printed(TimestampNanosecondArray::from(vec![0, 1_500_000_000])),
            ["1970-01-01T00:00:00", "1970-01-01T00:00:01.500"]
        );
        assert_eq!(printed(DurationSecondArray::from(vec![5_497_200])), ["63 days 15 hours 0 mins 0 secs"]);
    }

    #[test]
    fn a_plan_is_spread_over_lines() {
        let mut rows = Vec::new();
        push_row(&mut rows, vec!["plan".into(), "Sort\n  Scan".into()]);
        push_row(&mut rows, vec!["a".into(), "b".into()]);
        assert_eq!(rows, [vec!["plan"], vec!["01)Sort"], vec!["02)--Scan"], vec!["a", "b"]]);
    }
}
