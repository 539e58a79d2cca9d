//! The columns of a result, opened for reading value by value.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryViewArray, BooleanArray, Date32Array, Float32Array, Float64Array, Int64Array,
    StringViewArray, UInt64Array,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Date32Type, Field, Float32Type, Float64Type, Int64Type, TimeUnit, UInt64Type};
use arrow::error::ArrowError;

use super::error::RowsError;

/// One column, or a part of a nested one.
#[derive(Debug)]
pub(super) struct Column {
    /// The name of the column, or of the part in its struct.
    pub(super) name: String,
    /// The path from the result's column, for errors.
    pub(super) path: String,
    pub(super) data_type: DataType,
    pub(super) nulls: Option<NullBuffer>,
    pub(super) values: Values,
}

/// The values of a column. Layouts that differ only in how they are stored are converted to one of them first.
#[derive(Debug)]
pub(super) enum Values {
    Bool(BooleanArray),
    Int(Int64Array),
    UInt(UInt64Array),
    Float(Float32Array),
    Double(Float64Array),
    Text(StringViewArray),
    Bytes(BinaryViewArray),
    Date(Date32Array),
    Timestamp {
        counts: Int64Array,
        unit: TimeUnit,
        zoned: bool,
    },
    /// Decimals as text, which loses nothing.
    Decimal(StringViewArray),
    List {
        offsets: OffsetBuffer<i32>,
        elements: Box<Column>,
    },
    Struct(Vec<Column>),
    /// Every value is NULL.
    Null,
}

impl Column {
    pub(super) fn open(path: String, name: &str, array: &ArrayRef) -> Result<Self, RowsError> {
        let data_type = array.data_type().clone();
        let nulls = array.logical_nulls().filter(|nulls| nulls.null_count() > 0);
        match open_values(&path, array)? {
            Some(values) => Ok(Self { name: name.to_owned(), path, data_type, nulls, values }),
            None => Err(unreadable(&path, &data_type, "its layout is not the one its type names".to_owned())),
        }
    }

    pub(super) fn is_null(&self, row: usize) -> bool {
        matches!(self.values, Values::Null) || self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row))
    }
}

fn unreadable(path: &str, data_type: &DataType, message: String) -> RowsError {
    RowsError::Column { column: path.to_owned(), data_type: data_type.to_string(), message }
}

fn open_values(path: &str, array: &ArrayRef) -> Result<Option<Values>, RowsError> {
    let convert = |target: DataType| convert(path, array, &target);
    Ok(match array.data_type() {
        DataType::Null => Some(Values::Null),
        DataType::Boolean => array.as_boolean_opt().cloned().map(Values::Bool),
        DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::UInt8
        | DataType::UInt16
        | DataType::UInt32 => convert(DataType::Int64)?.as_primitive_opt::<Int64Type>().cloned().map(Values::Int),
        DataType::UInt64 => array.as_primitive_opt::<UInt64Type>().cloned().map(Values::UInt),
        DataType::Float16 | DataType::Float32 => {
            convert(DataType::Float32)?.as_primitive_opt::<Float32Type>().cloned().map(Values::Float)
        }
        DataType::Float64 => array.as_primitive_opt::<Float64Type>().cloned().map(Values::Double),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
            convert(DataType::Utf8View)?.as_string_view_opt().cloned().map(Values::Text)
        }
        DataType::FixedSizeBinary(_) => {
            let binary = convert(DataType::Binary)?;
            return open_values(path, &binary);
        }
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => {
            convert(DataType::BinaryView)?.as_binary_view_opt().cloned().map(Values::Bytes)
        }
        DataType::Date32 | DataType::Date64 => {
            convert(DataType::Date32)?.as_primitive_opt::<Date32Type>().cloned().map(Values::Date)
        }
        DataType::Timestamp(unit, zone) => {
            let (unit, zoned) = (*unit, zone.is_some());
            let counts = convert(DataType::Int64)?.as_primitive_opt::<Int64Type>().cloned();
            counts.map(|counts| Values::Timestamp { counts, unit, zoned })
        }
        DataType::Decimal32(_, _)
        | DataType::Decimal64(_, _)
        | DataType::Decimal128(_, _)
        | DataType::Decimal256(_, _) => {
            let text = convert(DataType::Utf8)?;
            let text = self::convert(path, &text, &DataType::Utf8View)?;
            text.as_string_view_opt().cloned().map(Values::Decimal)
        }
        DataType::Dictionary(_, values) => {
            let unpacked = convert(values.as_ref().clone())?;
            return open_values(path, &unpacked);
        }
        DataType::List(_) => match array.as_list_opt::<i32>() {
            None => None,
            Some(lists) => {
                let elements = Box::new(Column::open(format!("{path}[]"), "", lists.values())?);
                Some(Values::List { offsets: lists.offsets().clone(), elements })
            }
        },
        DataType::LargeList(field)
        | DataType::FixedSizeList(field, _)
        | DataType::ListView(field)
        | DataType::LargeListView(field) => {
            let element = Field::new_list_field(field.data_type().clone(), true);
            let lists = convert(DataType::List(Arc::new(element)))?;
            return open_values(path, &lists);
        }
        DataType::Struct(fields) => match array.as_struct_opt() {
            None => None,
            Some(record) => {
                let parts = fields.iter().zip(record.columns());
                let parts: Result<Vec<Column>, RowsError> = parts
                    .map(|(field, part)| Column::open(format!("{path}.{}", field.name()), field.name(), part))
                    .collect();
                Some(Values::Struct(parts?))
            }
        },
        // Times, intervals and durations have no type in `chrono` that serde reads other than from text.
        _ => {
            let text = convert(DataType::Utf8)?;
            return open_values(path, &text);
        }
    })
}

fn convert(path: &str, array: &ArrayRef, target: &DataType) -> Result<ArrayRef, RowsError> {
    if array.data_type() == target {
        return Ok(Arc::clone(array));
    }
    // Without `safe`, a value that does not convert is an error rather than a NULL.
    let options = CastOptions { safe: false, ..CastOptions::default() };
    cast_with_options(array, target, &options)
        .map_err(|error: ArrowError| unreadable(path, array.data_type(), error.to_string()))
}
