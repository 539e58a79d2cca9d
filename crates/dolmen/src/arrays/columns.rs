//! The elements of a block as columns of a table.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, DurationMicrosecondArray, DurationMillisecondArray, DurationNanosecondArray,
    DurationSecondArray, Float16Array, Float32Array, Float64Array, Int8Array, Int16Array, Int32Array, Int64Array,
    RecordBatch, RecordBatchOptions, StructArray, TimestampMicrosecondArray, TimestampMillisecondArray,
    TimestampNanosecondArray, TimestampSecondArray, UInt8Array, UInt16Array, UInt32Array, UInt64Array,
};
use arrow::compute::take;
use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit as ArrowUnit};
use dolmen_array::Array;
use dolmen_kernels::{Block, DType, Pool, TimeUnit};
use num_complex::Complex;

use super::axes::Axis;
use super::of_array;
use crate::{Error, Result};

/// Rows of a batch.
const BATCH_ROWS: usize = 8192;

/// What a column of rows of arrays holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    /// The position along an axis, or what it stands for.
    Axis(usize),
    /// The elements of one of the arrays.
    Value(usize),
}

/// A column for each axis, and one of elements, `value`.
pub(super) fn schema_of(array: &Array, axes: &[Axis]) -> Result<SchemaRef> {
    array.check().map_err(of_array)?;
    let (value, is_nullable) = value_type(array.dtype());
    let fields: Vec<Field> = axes.iter().map(Axis::field).chain([Field::new("value", value, is_nullable)]).collect();
    Ok(Arc::new(Schema::new(fields)))
}

/// The type of a column of elements, and whether some may be NULL: what is not a time.
pub(super) fn value_type(dtype: DType) -> (DataType, bool) {
    match dtype {
        DType::Bool => (DataType::Boolean, false),
        DType::I8 => (DataType::Int8, false),
        DType::I16 => (DataType::Int16, false),
        DType::I32 => (DataType::Int32, false),
        DType::I64 => (DataType::Int64, false),
        DType::U8 => (DataType::UInt8, false),
        DType::U16 => (DataType::UInt16, false),
        DType::U32 => (DataType::UInt32, false),
        DType::U64 => (DataType::UInt64, false),
        DType::F16 => (DataType::Float16, false),
        DType::F32 => (DataType::Float32, false),
        DType::F64 => (DataType::Float64, false),
        DType::DateTime(unit) => (DataType::Timestamp(arrow_unit(unit).0, None), true),
        DType::TimeDelta(unit) => (DataType::Duration(arrow_unit(unit).0), true),
        DType::C64 => (DataType::Struct(parts_of_complex(&DataType::Float32)), false),
        DType::C128 => (DataType::Struct(parts_of_complex(&DataType::Float64)), false),
    }
}

/// The fields of a column of complex numbers.
fn parts_of_complex(part: &DataType) -> Fields {
    ["real", "imag"].map(|name| Field::new(name, part.clone(), false)).into_iter().collect()
}

/// The unit of a column of times, and how many of it one of the array's has.
fn arrow_unit(unit: TimeUnit) -> (ArrowUnit, i64) {
    match unit {
        TimeUnit::Day => (ArrowUnit::Second, 86_400),
        TimeUnit::Hour => (ArrowUnit::Second, 3600),
        TimeUnit::Minute => (ArrowUnit::Second, 60),
        TimeUnit::Second => (ArrowUnit::Second, 1),
        TimeUnit::Millisecond => (ArrowUnit::Millisecond, 1),
        TimeUnit::Microsecond => (ArrowUnit::Microsecond, 1),
        TimeUnit::Nanosecond => (ArrowUnit::Nanosecond, 1),
    }
}

/// The first `rows_max` rows of blocks of one shape, whose first element stands at `offset`, in batches that are made when
/// they are asked for.
pub(super) fn batches(
    blocks: &[&Block],
    offset: Vec<usize>,
    columns: Vec<Column>,
    labels: Vec<Option<ArrayRef>>,
    schema: SchemaRef,
    rows_max: usize,
) -> Result<impl Iterator<Item = Result<RecordBatch>> + Send + use<>> {
    let failed = |error: dolmen_kernels::KernelError| Error::internal(error.to_string());
    let row = |block: &&Block| block.reshape(&[block.len()], &Pool::new(0)).map_err(failed);
    let in_a_row = blocks.iter().map(row).collect::<Result<Vec<_>>>()?;
    let (shape, n_rows) = blocks.first().map_or((Vec::new(), 0), |block| (block.shape().to_vec(), block.len()));
    let n_rows = n_rows.min(rows_max);
    let starts = (0..n_rows).step_by(BATCH_ROWS);
    Ok(starts.map(move |start| {
        let rows = start..n_rows.min(start + BATCH_ROWS);
        let columns = columns.iter().map(|column| {
            Ok(match *column {
                Column::Axis(axis) => {
                    let positions = positions(&shape, axis, offset[axis], rows.clone());
                    match &labels[axis] {
                        Some(labels) => {
                            take(labels, &positions, None).map_err(|error| Error::internal(error.to_string()))?
                        }
                        None => Arc::new(positions) as ArrayRef,
                    }
                }
                Column::Value(array) => {
                    let own = in_a_row[array].region(&[rows.start], &[rows.len()]).map_err(failed)?;
                    values(&own)?
                }
            })
        });
        let columns = columns.collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&schema), columns, &options);
        batch.map_err(|error| Error::internal(error.to_string()))
    }))
}

/// The positions along `axis` of some elements of a block, in C order.
fn positions(shape: &[usize], axis: usize, offset: usize, rows: Range<usize>) -> Int64Array {
    let below: usize = shape[axis + 1..].iter().product();
    let mut index = rows.start / below % shape[axis];
    // How many more elements have this position before the next one comes.
    let mut left = below - rows.start % below;
    let positions = rows.map(|_| {
        let position = (offset + index) as i64;
        left -= 1;
        if left == 0 {
            left = below;
            index = if index + 1 == shape[axis] { 0 } else { index + 1 };
        }
        position
    });
    Int64Array::from_iter_values(positions)
}

/// All elements, in C order. Not a Time becomes NULL.
pub(super) fn values(block: &Block) -> Result<ArrayRef> {
    let failed = |error: dolmen_kernels::KernelError| Error::internal(error.to_string());
    macro_rules! column {
        ($array:ty, $element:ty) => {
            Arc::new(<$array>::from(block.to_vec::<$element>().map_err(failed)?)) as ArrayRef
        };
    }
    let times = |unit: TimeUnit| -> Result<Vec<Option<i64>>> {
        let numbers = block.view_as(DType::I64).and_then(|block| block.to_vec::<i64>()).map_err(failed)?;
        let (_, factor) = arrow_unit(unit);
        let too_far = || Error::invalid("a time of the array is too far from 1970 for a table");
        let time = |number: i64| match number {
            i64::MIN => Ok(None),
            number => number.checked_mul(factor).map(Some).ok_or_else(too_far),
        };
        numbers.into_iter().map(time).collect()
    };
    Ok(match block.dtype() {
        DType::Bool => column!(BooleanArray, bool),
        DType::I8 => column!(Int8Array, i8),
        DType::I16 => column!(Int16Array, i16),
        DType::I32 => column!(Int32Array, i32),
        DType::I64 => column!(Int64Array, i64),
        DType::U8 => column!(UInt8Array, u8),
        DType::U16 => column!(UInt16Array, u16),
        DType::U32 => column!(UInt32Array, u32),
        DType::U64 => column!(UInt64Array, u64),
        DType::F16 => column!(Float16Array, half::f16),
        DType::F32 => column!(Float32Array, f32),
        DType::F64 => column!(Float64Array, f64),
        DType::DateTime(unit) => {
            let times = times(unit)?;
            match arrow_unit(unit).0 {
                ArrowUnit::Second => Arc::new(TimestampSecondArray::from(times)),
                ArrowUnit::Millisecond => Arc::new(TimestampMillisecondArray::from(times)),
                ArrowUnit::Microsecond => Arc::new(TimestampMicrosecondArray::from(times)),
                ArrowUnit::Nanosecond => Arc::new(TimestampNanosecondArray::from(times)),
            }
        }
        DType::TimeDelta(unit) => {
            let times = times(unit)?;
            match arrow_unit(unit).0 {
                ArrowUnit::Second => Arc::new(DurationSecondArray::from(times)),
                ArrowUnit::Millisecond => Arc::new(DurationMillisecondArray::from(times)),
                ArrowUnit::Microsecond => Arc::new(DurationMicrosecondArray::from(times)),
                ArrowUnit::Nanosecond => Arc::new(DurationNanosecondArray::from(times)),
            }
        }
        DType::C64 => {
            let numbers = block.to_vec::<Complex<f32>>().map_err(failed)?;
            let part = |part: fn(&Complex<f32>) -> f32| -> ArrayRef {
                Arc::new(Float32Array::from_iter_values(numbers.iter().map(part)))
            };
            let parts = vec![part(|number| number.re), part(|number| number.im)];
            Arc::new(StructArray::new(parts_of_complex(&DataType::Float32), parts, None))
        }
        DType::C128 => {
            let numbers = block.to_vec::<Complex<f64>>().map_err(failed)?;
            let part = |part: fn(&Complex<f64>) -> f64| -> ArrayRef {
                Arc::new(Float64Array::from_iter_values(numbers.iter().map(part)))
            };
            let parts = vec![part(|number| number.re), part(|number| number.im)];
            Arc::new(StructArray::new(parts_of_complex(&DataType::Float64), parts, None))
        }
    })
}
