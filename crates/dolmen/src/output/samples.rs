//! Batches for the tests of every format, and the way to write them.

use super::{Format, OutputOptions, ResultWriter};
use arrow::array::*;
use arrow::buffer::{OffsetBuffer, ScalarBuffer};
use arrow::datatypes::*;
use std::sync::Arc;

/// The text of batches of one schema.
pub(super) fn written(schema: &SchemaRef, batches: &[RecordBatch], options: OutputOptions) -> String {
    let mut out = Vec::new();
    let mut writer = ResultWriter::new(&mut out, schema, options);
    for batch in batches {
        writer.write(batch).unwrap();
    }
    let rows = writer.finish().unwrap().rows;
    assert_eq!(rows, batches.iter().map(|batch| batch.num_rows() as u64).sum::<u64>());
    String::from_utf8(out).unwrap()
}

/// The text of one batch in the usual options of a format.
pub(super) fn in_format(batch: &RecordBatch, format: Format) -> String {
    written(&batch.schema(), std::slice::from_ref(batch), OutputOptions::new(format))
}

/// A batch whose column names may repeat.
pub(super) fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    let fields: Vec<Field> =
        columns.iter().map(|(name, array)| Field::new(*name, array.data_type().clone(), true)).collect();
    let n_rows = columns.first().map_or(0, |(_, array)| array.len());
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(n_rows));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options).unwrap()
}

/// Columns of one letter to tell a join's output by: the same name twice, NULL and the empty string, quotes, and a
/// number.
pub(super) fn small() -> RecordBatch {
    batch(vec![
        ("n", Arc::new(Int64Array::from(vec![Some(1), Some(-20), None])) as ArrayRef),
        ("s", Arc::new(StringArray::from(vec![Some("a,\"b\"|<c>"), Some(""), None]))),
        ("s", Arc::new(StringArray::from(vec![Some("two\nlines\tand \\"), Some("日本"), Some("NULL")]))),
    ])
}

/// Every Arrow type: a usual value, an awkward value, NULL.
pub(super) fn all_types() -> RecordBatch {
    let two = |array: ArrayRef| -> ArrayRef {
        assert_eq!(array.len(), 2);
        // The third row takes no value, which makes it NULL in every type.
        arrow::compute::take(&array, &Int32Array::from(vec![Some(0), Some(1), None]), None).unwrap()
    };
    let cast = |array: ArrayRef, to: DataType| arrow::compute::cast(&array, &to).unwrap();
    let strings = || -> ArrayRef { Arc::new(StringArray::from(vec!["plain", "\"q\" 👍🏽\n"])) };
    let ints = || -> ArrayRef { Arc::new(Int32Array::from(vec![1, -7])) };
    // 2013-01-01 06:00:00.5, and a second before 1970.
    let milliseconds = || -> ArrayRef { Arc::new(Int64Array::from(vec![1_357_020_000_500, -1_000])) };
    let timestamp = |unit, zone: Option<&str>| {
        let milliseconds = cast(milliseconds(), DataType::Timestamp(TimeUnit::Millisecond, None));
        let local = cast(milliseconds, DataType::Timestamp(unit, Some("UTC".into())));
        two(cast(local, DataType::Timestamp(unit, zone.map(Into::into))))
    };
    let mut columns: Vec<(&str, ArrayRef)> = vec![
        ("null", Arc::new(NullArray::new(3))),
        ("boolean", two(Arc::new(BooleanArray::from(vec![true, false])))),
        ("int8", two(Arc::new(Int8Array::from(vec![1, i8::MIN])))),
        ("int16", two(Arc::new(Int16Array::from(vec![1, i16::MIN])))),
        ("int32", two(Arc::new(Int32Array::from(vec![1, i32::MIN])))),
        ("int64", two(Arc::new(Int64Array::from(vec![1, i64::MIN])))),
        ("uint8", two(Arc::new(UInt8Array::from(vec![1, u8::MAX])))),
        ("uint16", two(Arc::new(UInt16Array::from(vec![1, u16::MAX])))),
        ("uint32", two(Arc::new(UInt32Array::from(vec![1, u32::MAX])))),
        ("uint64", two(Arc::new(UInt64Array::from(vec![1, u64::MAX])))),
        ("float16", two(cast(Arc::new(Float32Array::from(vec![0.5, f32::NAN])), DataType::Float16))),
        ("float32", two(Arc::new(Float32Array::from(vec![0.1, f32::NEG_INFINITY])))),
        ("float64", two(Arc::new(Float64Array::from(vec![1.0, 1e300])))),
        ("decimal32", two(Arc::new(Decimal32Array::from(vec![150, -5]).with_precision_and_scale(9, 2).unwrap()))),
        ("decimal64", two(Arc::new(Decimal64Array::from(vec![150, -5]).with_precision_and_scale(15, 2).unwrap()))),
        (
            "decimal128",
            two(Arc::new(Decimal128Array::from(vec![150, 10i128.pow(37)]).with_precision_and_scale(38, 2).unwrap())),
        ),
        (
            "decimal256",
            two(Arc::new(
                Decimal256Array::from(vec![i256::from(150), i256::from(-1)]).with_precision_and_scale(76, 2).unwrap(),
            )),
        ),
        ("date32", two(Arc::new(Date32Array::from(vec![15_706, -1])))),
        ("date64", two(Arc::new(Date64Array::from(vec![15_706 * 86_400_000, -86_400_000])))),
        ("time32_s", two(Arc::new(Time32SecondArray::from(vec![21_600, 0])))),
        ("time32_ms", two(Arc::new(Time32MillisecondArray::from(vec![21_600_500, 0])))),
        ("time64_us", two(Arc::new(Time64MicrosecondArray::from(vec![21_600_000_001, 0])))),
        ("time64_ns", two(Arc::new(Time64NanosecondArray::from(vec![21_600_000_000_001, 0])))),
        ("timestamp_s", timestamp(TimeUnit::Second, None)),
        ("timestamp_ms", timestamp(TimeUnit::Millisecond, None)),
        ("timestamp_us", timestamp(TimeUnit::Microsecond, None)),
        ("timestamp_ns", timestamp(TimeUnit::Nanosecond, None)),
        ("timestamp_utc", timestamp(TimeUnit::Millisecond, Some("UTC"))),
        ("timestamp_tz", timestamp(TimeUnit::Millisecond, Some("America/New_York"))),
        ("duration", two(Arc::new(DurationMillisecondArray::from(vec![93_784_500, -1])))),
        ("interval_ym", two(Arc::new(IntervalYearMonthArray::from(vec![14, -1])))),
        (
            "interval_dt",
            two(Arc::new(IntervalDayTimeArray::from(vec![IntervalDayTime::new(1, 500), IntervalDayTime::new(0, 0)]))),
        ),
        (
            "interval_mdn",
            two(Arc::new(IntervalMonthDayNanoArray::from(vec![
                IntervalMonthDayNano::new(14, 3, 7_384_000_000_000),
                IntervalMonthDayNano::new(0, -1, 1_000),
            ]))),
        ),
        ("utf8", two(strings())),
        ("large_utf8", two(cast(strings(), DataType::LargeUtf8))),
        ("utf8_view", two(cast(strings(), DataType::Utf8View))),
        ("binary", two(Arc::new(BinaryArray::from(vec![b"hi".as_slice(), b""])))),
        ("large_binary", two(Arc::new(LargeBinaryArray::from(vec![b"hi".as_slice(), b"\xff"])))),
        ("binary_view", two(Arc::new(BinaryViewArray::from(vec![b"hi".as_slice(), b"\0"])))),
        ("fixed_binary", two(Arc::new(FixedSizeBinaryArray::try_from_iter([b"hi", b"\0\xff"].into_iter()).unwrap()))),
    ];
    columns.extend(nested(&two, &ints(), &strings()));
    batch(columns)
}

fn nested(two: &dyn Fn(ArrayRef) -> ArrayRef, ints: &ArrayRef, strings: &ArrayRef) -> Vec<(&'static str, ArrayRef)> {
    let list =
        ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1), None, Some(3)]), Some(vec![]), None]);
    let cast = |to: DataType| arrow::compute::cast(&list, &to).unwrap();
    let item = Arc::new(Field::new_list_field(DataType::Int32, true));
    let fields = Fields::from(vec![
        Field::new("a", ints.data_type().clone(), true),
        Field::new("a", strings.data_type().clone(), true),
    ]);
    let structs = StructArray::new(fields, vec![ints.clone(), strings.clone()], None);
    let strings_in_list = ListArray::new(
        Arc::new(Field::new_list_field(structs.data_type().clone(), true)),
        OffsetBuffer::new(ScalarBuffer::from(vec![0, 2, 2])),
        Arc::new(structs.clone()),
        None,
    );
    let mut map = MapBuilder::new(None, Int32Builder::new(), Float64Builder::new());
    map.keys().append_value(1);
    map.values().append_value(0.5);
    map.keys().append_value(2);
    map.values().append_null();
    map.append(true).unwrap();
    map.append(true).unwrap();
    map.append(false).unwrap();
    let members: UnionFields = [(0, "i"), (5, "s")]
        .into_iter()
        .zip([DataType::Int32, DataType::Utf8])
        .map(|((id, name), data_type)| (id, Arc::new(Field::new(name, data_type, true))))
        .collect();
    let dense = UnionArray::try_new(
        members.clone(),
        vec![0, 5, 0].into(),
        Some(vec![1, 0, 2].into()),
        vec![Arc::new(Int32Array::from(vec![Some(8), Some(9), None])), Arc::new(StringArray::from(vec!["u"]))],
    );
    let sparse = UnionArray::try_new(
        members,
        vec![0, 5, 0].into(),
        None,
        vec![
            Arc::new(Int32Array::from(vec![Some(9), Some(0), None])),
            Arc::new(StringArray::from(vec![None, Some("u"), None])),
        ],
    );
    let runs =
        RunArray::try_new(&Int32Array::from(vec![1, 2, 3]), &StringArray::from(vec![Some("r"), Some("s"), None]));
    let dictionary: DictionaryArray<Int8Type> = [Some("d"), Some("e,"), None].into_iter().collect();
    let null_value = DictionaryArray::new(
        Int32Array::from(vec![1, 0, 2]),
        Arc::new(Int64Array::from(vec![Some(20), Some(10), None])),
    );
    vec![
        ("list", Arc::new(list.clone())),
        ("large_list", cast(DataType::LargeList(item.clone()))),
        ("list_view", cast(DataType::ListView(item.clone()))),
        ("large_list_view", cast(DataType::LargeListView(item))),
        (
            "fixed_list",
            Arc::new(FixedSizeListArray::from_iter_primitive::<Int32Type, _, _>(
                [Some(vec![Some(1), Some(2)]), Some(vec![None, Some(4)]), None],
                2,
            )),
        ),
        ("struct", two(Arc::new(structs))),
        ("list_of_structs", two(Arc::new(strings_in_list))),
        ("map", Arc::new(map.finish())),
        ("dense_union", Arc::new(dense.unwrap())),
        ("sparse_union", Arc::new(sparse.unwrap())),
        ("dictionary", Arc::new(dictionary)),
        ("dictionary_null", Arc::new(null_value)),
        ("runs", Arc::new(runs.unwrap())),
    ]
}
