use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, Date32Array, Date64Array, Decimal128Array, Decimal256Array, DictionaryArray,
    FixedSizeListArray, Float16Array, Float32Array, Float64Array, Int8Array, Int64Array, LargeListArray,
    LargeStringArray, ListArray, NullArray, RecordBatch, StringArray, StringViewArray, StructArray,
    Time64MicrosecondArray, TimestampMillisecondArray, TimestampNanosecondArray, UInt64Array,
};
use arrow::datatypes::{DataType, Field, Float64Type, Int32Type, Int64Type, TimeUnit, i256};
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{RowSchema, RowsError, from_batches, to_batch, to_batches};

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true))).unwrap()
}

/// Reads a batch of one column.
fn read<T: DeserializeOwned>(array: impl arrow::array::Array + 'static) -> Result<Vec<T>, RowsError> {
    from_batches(&[batch(vec![("c", Arc::new(array))])])
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Colour {
    Red,
    Green,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Point {
    x: i32,
    y: Option<f32>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Everything {
    flag: bool,
    small: i8,
    count: u64,
    ratio: f64,
    text: String,
    letter: char,
    maybe: Option<i64>,
    date: NaiveDate,
    moment: NaiveDateTime,
    instant: Option<DateTime<Utc>>,
    list: Vec<Option<String>>,
    point: Point,
    pair: (i16, bool),
    points: Vec<Point>,
    colour: Colour,
    bytes: Vec<u8>,
}

fn everything(seed: i64) -> Everything {
    let date = NaiveDate::from_ymd_opt(2024, 2, 29).unwrap();
    let moment = date.and_hms_micro_opt(1, 2, 3, seed as u32).unwrap();
    let point = Point { x: seed as i32, y: (seed > 0).then_some(0.5) };
    Everything {
        flag: seed == 0,
        small: -7,
        count: u64::MAX,
        ratio: f64::INFINITY,
        text: format!("t{seed}"),
        letter: 'ß',
        maybe: (seed > 0).then_some(seed),
        date,
        moment,
        instant: (seed > 0).then(|| moment.and_utc()),
        list: vec![Some("a".into()), None],
        point: point.clone(),
        pair: (3, true),
        points: vec![point; seed as usize],
        colour: if seed == 0 { Colour::Red } else { Colour::Green },
        bytes: vec![0, 255],
    }
}

#[test]
fn structs_come_back_as_they_went() {
    let rows = vec![everything(0), everything(1), everything(2)];
    let batch = to_batch(&rows).unwrap();
    let schema = batch.schema();
    let type_of = |name: &str| schema.field_with_name(name).unwrap().data_type().clone();
    assert_eq!(type_of("date"), DataType::Date32);
    assert_eq!(type_of("moment"), DataType::Timestamp(TimeUnit::Microsecond, None));
    assert_eq!(type_of("instant"), DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())));
    assert_eq!(type_of("colour"), DataType::Utf8View);
    assert!(schema.field_with_name("maybe").unwrap().is_nullable());
    assert!(!schema.field_with_name("count").unwrap().is_nullable());
    let halves = [batch.slice(0, 2), batch.slice(2, 1)];
    assert_eq!(from_batches::<Everything>(&halves).unwrap(), rows);
    // The type alone tells the same columns.
    assert_eq!(to_batch::<Everything>(&[]).unwrap().schema(), schema);
}

#[test]
fn tuples_and_single_values_are_rows() {
    let rows = vec![("a".to_owned(), 1_i64), ("b".to_owned(), 2)];
    let batch = to_batch(&rows).unwrap();
    assert_eq!(batch.schema().field(1).name(), "column2");
    assert_eq!(from_batches::<(String, i64)>(&[batch]).unwrap(), rows);
    let batch = to_batch(&[Some(1.5), None]).unwrap();
    assert_eq!(batch.schema().field(0).name(), "value");
    assert_eq!(from_batches::<Option<f64>>(&[batch]).unwrap(), [Some(1.5), None]);
}

#[test]
fn rows_that_only_serialise_are_sampled() {
    #[derive(Serialize)]
    struct Borrowed<'a> {
        name: &'a str,
        n: Option<u8>,
    }
    let rows = [Borrowed { name: "a", n: None }, Borrowed { name: "b", n: Some(2) }];
    let (schema, batch) = to_batches(&rows).unwrap();
    assert_eq!(schema.field(1).data_type(), &DataType::UInt8);
    let back = from_batches::<(String, Option<u8>)>(&[batch]).unwrap();
    assert_eq!(back, [("a".to_owned(), None), ("b".to_owned(), Some(2))]);
    assert!(matches!(to_batches::<Borrowed>(&[]), Err(RowsError::Schema { .. })));
}

#[test]
fn types_without_columns_say_so() {
    #[derive(Debug, Deserialize)]
    struct Endless {
        #[expect(dead_code, reason = "the tracer fails before it is read")]
        inner: Vec<Endless>,
    }
    let error = RowSchema::of_type::<Endless>().unwrap_err().to_string();
    assert!(error.contains("Endless") && error.contains("contains itself"), "{error}");
    let error = RowSchema::of_type::<serde_json::Value>().unwrap_err().to_string();
    assert!(error.contains("no fixed columns"), "{error}");
}

#[test]
fn numbers_fill_every_type_in_which_they_fit() {
    assert_eq!(read::<f64>(Int64Array::from(vec![1, -2])).unwrap(), [1.0, -2.0]);
    assert_eq!(read::<u8>(Int64Array::from(vec![255])).unwrap(), [255]);
    assert_eq!(read::<i64>(Int8Array::from(vec![-1])).unwrap(), [-1]);
    assert_eq!(read::<u64>(UInt64Array::from(vec![u64::MAX])).unwrap(), [u64::MAX]);
    assert_eq!(read::<f64>(Float32Array::from(vec![0.5])).unwrap(), [0.5]);
    assert_eq!(read::<f32>(Float64Array::from(vec![0.5])).unwrap(), [0.5]);
    let half = Float16Array::from(vec![half_of(1.5)]);
    assert_eq!(read::<f32>(half).unwrap(), [1.5]);
}

/// A 16-bit float, made by Arrow's own type because the crate `half` is no dependency.
fn half_of(value: f32) -> <arrow::datatypes::Float16Type as arrow::datatypes::ArrowPrimitiveType>::Native {
    <arrow::datatypes::Float16Type as arrow::datatypes::ArrowPrimitiveType>::Native::from_f32(value)
}

#[test]
fn decimals_become_floats_text_or_whole_numbers() {
    let decimals = || Decimal128Array::from(vec![12345, -5]).with_precision_and_scale(9, 2).unwrap();
    assert_eq!(read::<f64>(decimals()).unwrap(), [123.45, -0.05]);
    assert_eq!(read::<String>(decimals()).unwrap(), ["123.45", "-0.05"]);
    let whole = Decimal256Array::from(vec![i256::from_i128(77)]).with_precision_and_scale(40, 0).unwrap();
    assert_eq!(read::<i64>(whole).unwrap(), [77]);
    let error = read::<i64>(decimals()).unwrap_err().to_string();
    assert_eq!(error, "column c (Decimal128(9, 2)), row 0: the decimal 123.45 is no 64-bit integer");
}

#[test]
fn text_of_every_layout_is_text() {
    let words = ["a", "bc"];
    assert_eq!(read::<String>(StringArray::from_iter_values(words)).unwrap(), words);
    assert_eq!(read::<String>(LargeStringArray::from_iter_values(words)).unwrap(), words);
    assert_eq!(read::<String>(StringViewArray::from_iter_values(words)).unwrap(), words);
    let dictionary: DictionaryArray<Int32Type> = [Some("x"), None, Some("x")].into_iter().collect();
    assert_eq!(read::<Option<String>>(dictionary).unwrap(), [Some("x".to_owned()), None, Some("x".to_owned())]);
    assert_eq!(read::<Colour>(StringArray::from_iter_values(["Green"])).unwrap(), [Colour::Green]);
    let error = read::<Colour>(StringArray::from_iter_values(["Blue"])).unwrap_err().to_string();
    assert!(error.contains("row 0: unknown variant `Blue`, expected `Red` or `Green`"), "{error}");
    assert_eq!(read::<Vec<u8>>(BinaryArray::from_vec(vec![b"ab"])).unwrap(), [b"ab".to_vec()]);
}

#[test]
fn moments_become_chrono_text_or_counts() {
    let day = NaiveDate::from_ymd_opt(1969, 12, 31).unwrap();
    assert_eq!(read::<NaiveDate>(Date32Array::from(vec![-1])).unwrap(), [day]);
    assert_eq!(read::<NaiveDate>(Date64Array::from(vec![-86_400_000])).unwrap(), [day]);
    assert_eq!(read::<String>(Date32Array::from(vec![-1])).unwrap(), ["1969-12-31"]);
    assert_eq!(read::<i32>(Date32Array::from(vec![-1])).unwrap(), [-1]);

    let nanos = || TimestampNanosecondArray::from(vec![1_500_000_001]);
    let moment = DateTime::from_timestamp(1, 500_000_001).unwrap();
    assert_eq!(read::<NaiveDateTime>(nanos()).unwrap(), [moment.naive_utc()]);
    assert_eq!(read::<String>(nanos()).unwrap(), ["1970-01-01T00:00:01.500000001"]);
    assert_eq!(read::<i64>(nanos()).unwrap(), [1_500_000_001]);
    let zoned = TimestampMillisecondArray::from(vec![1500]).with_timezone("+02:00");
    assert_eq!(read::<DateTime<Utc>>(zoned).unwrap(), [DateTime::from_timestamp_millis(1500).unwrap()]);
    let time = Time64MicrosecondArray::from(vec![3_600_000_000]);
    assert_eq!(read::<NaiveTime>(time).unwrap(), [NaiveTime::from_hms_opt(1, 0, 0).unwrap()]);
}

#[test]
fn nested_columns_are_read() {
    let lists = ListArray::from_iter_primitive::<Int64Type, _, _>([Some(vec![Some(1), None]), None, Some(vec![])]);
    assert_eq!(
        read::<Option<Vec<Option<i64>>>>(lists.clone()).unwrap(),
        [Some(vec![Some(1), None]), None, Some(vec![])]
    );
    let error = read::<Option<Vec<i64>>>(lists).unwrap_err();
    assert_eq!(error, RowsError::Null { column: "c[]".to_owned(), row: 0 });
    let large = LargeListArray::from_iter_primitive::<Int64Type, _, _>([Some(vec![Some(4)])]);
    assert_eq!(read::<Vec<i64>>(large).unwrap(), [[4]]);
    let fixed = FixedSizeListArray::from_iter_primitive::<Float64Type, _, _>([Some(vec![Some(0.5), Some(1.5)])], 2);
    let error = read::<(f64, f64)>(fixed.clone()).unwrap_err().to_string();
    assert_eq!(error, "the row type takes 2 column(s), and the result has 1: c");
    assert_eq!(read::<((f64, f64),)>(fixed).unwrap(), [((0.5, 1.5),)]);

    let record = StructArray::from(vec![
        (Arc::new(Field::new("x", DataType::Int64, true)), Arc::new(Int64Array::from(vec![Some(1), None])) as ArrayRef),
        (Arc::new(Field::new("y", DataType::Float64, true)), Arc::new(Float64Array::from(vec![None, Some(2.0)])) as _),
    ]);
    #[derive(Debug, Deserialize)]
    struct Outer {
        c: Point,
    }
    let error = read::<Outer>(record.clone()).unwrap_err();
    assert_eq!(error.to_string(), "column c.x is NULL in row 1, and the field is no Option");
    let first = read::<Outer>(record.slice(0, 1)).unwrap();
    assert_eq!(first[0].c, Point { x: 1, y: None });
    assert_eq!(read::<((i64, Option<f64>),)>(record.slice(0, 1)).unwrap(), [((1, None),)]);
    assert_eq!(read::<Option<i64>>(NullArray::new(2)).unwrap(), [None, None]);
}

#[test]
fn errors_name_the_column_and_the_row_over_all_batches() {
    let part = |values: Vec<Option<i64>>| batch(vec![("n", Arc::new(Int64Array::from(values)) as ArrayRef)]);
    let batches = [part(vec![Some(1), Some(2)]), part(vec![Some(3), None, Some(300)])];
    let error = from_batches::<i64>(&batches).unwrap_err();
    assert_eq!(error, RowsError::Null { column: "n".to_owned(), row: 3 });
    let error = from_batches::<Option<u8>>(&batches).unwrap_err().to_string();
    assert_eq!(error, "column n (Int64), row 4: invalid value: integer `300`, expected u8");
    let error = from_batches::<Option<String>>(&batches).unwrap_err().to_string();
    assert_eq!(error, "column n (Int64), row 0: invalid type: integer `1`, expected a string");
    let error = from_batches::<(i64, i64)>(&batches).unwrap_err().to_string();
    assert_eq!(error, "the row type takes 2 column(s), and the result has 1: n");
    let error = from_batches::<Point>(&batches).unwrap_err().to_string();
    assert_eq!(error, "missing field `x`; the columns are n");
}

#[test]
fn any_type_reads_rows_as_objects() {
    let columns = batch(vec![
        ("a", Arc::new(Int64Array::from(vec![Some(1), None])) as ArrayRef),
        ("b", Arc::new(StringArray::from_iter_values(["x", "y"]))),
    ]);
    let rows = from_batches::<serde_json::Value>(&[columns]).unwrap();
    assert_eq!(rows, [serde_json::json!({"a": 1, "b": "x"}), serde_json::json!({"a": null, "b": "y"})]);
}
