//! From record batches to Rust values.
//!
//! A deserialiser of our own, because the Rust type decides how a value is read: a decimal becomes an `f64` for an
//! `f64` and digits for a `String`, an integer column fills floats, and every error names its column and row.

use arrow::array::RecordBatch;
use serde::de::value::{SeqDeserializer, StrDeserializer};
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error, IntoDeserializer, MapAccess, SeqAccess, Visitor,
};

use super::error::RowsError;
use super::value::{Column, Values};
use crate::functions::sql_type::{date_from_days, instant};

/// Reads every row of `batches` into a `T`.
///
/// A struct takes the columns named like its fields and ignores the others; a tuple takes all columns in order; any
/// other type takes the only column. NULL needs an `Option`. Numbers fill every numeric type in which they fit;
/// decimals also fill `String`; dates and timestamps fill the types of `chrono`, `String` (ISO 8601), and `i64` (as
/// stored); enums of unit variants are read from text.
///
/// # Errors
/// [`RowsError`], which names the column and the row where a value does not fit, or what the rows lack as a whole.
///
/// ```
/// use dolmen_frame::functions::{from_batches, to_batch};
///
/// let batch = to_batch(&[("a".to_owned(), Some(1)), ("b".to_owned(), None)]).unwrap();
/// let rows = from_batches::<(String, Option<i64>)>(std::slice::from_ref(&batch)).unwrap();
/// assert_eq!(rows, [("a".to_owned(), Some(1)), ("b".to_owned(), None)]);
///
/// let error = from_batches::<(String, i64)>(&[batch]).unwrap_err();
/// assert_eq!(error.to_string(), "column column2 is NULL in row 1, and the field is no Option");
/// ```
pub fn from_batches<T: DeserializeOwned>(batches: &[RecordBatch]) -> Result<Vec<T>, RowsError> {
    let mut rows = Vec::with_capacity(batches.iter().map(RecordBatch::num_rows).sum());
    for batch in batches {
        let schema = batch.schema();
        let columns = schema.fields().iter().zip(batch.columns());
        let columns: Result<Vec<Column>, RowsError> =
            columns.map(|(field, array)| Column::open(field.name().clone(), field.name(), array)).collect();
        let columns = columns?;
        let first_row = rows.len();
        for row in 0..batch.num_rows() {
            let record = Record { columns: &columns, row, first_row };
            rows.push(T::deserialize(record).map_err(|error| record.placed(error))?);
        }
    }
    Ok(rows)
}

/// A row of the result.
#[derive(Clone, Copy)]
struct Record<'a> {
    columns: &'a [Column],
    row: usize,
    /// How many rows the batches before this one had.
    first_row: usize,
}

impl<'a> Record<'a> {
    fn names(&self) -> String {
        let names: Vec<&str> = self.columns.iter().map(|column| column.path.as_str()).collect();
        names.join(", ")
    }

    fn placed(&self, error: RowsError) -> RowsError {
        match error {
            RowsError::Message(message) => RowsError::Shape { message, names: self.names() },
            error => error,
        }
    }

    fn cells(self) -> Cells<'a> {
        Cells { columns: self.columns, row: self.row, first_row: self.first_row, next: 0 }
    }

    fn check_count(&self, expected: usize) -> Result<(), RowsError> {
        let given = self.columns.len();
        if given == expected {
            return Ok(());
        }
        Err(RowsError::ColumnCount { expected, given, names: self.names() })
    }

    /// The only column, for a row type that is a single value.
    fn only(self) -> Result<Cell<'a>, RowsError> {
        self.check_count(1)?;
        Ok(Cell { column: &self.columns[0], row: self.row, first_row: self.first_row })
    }
}

macro_rules! only_column {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RowsError> {
            self.only()?.$method(visitor)
        })*
    };
}

impl<'de> Deserializer<'de> for Record<'_> {
    type Error = RowsError;

    only_column! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
        deserialize_f32 deserialize_f64 deserialize_char deserialize_str deserialize_string
        deserialize_bytes deserialize_byte_buf deserialize_option deserialize_unit deserialize_identifier
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RowsError> {
        visitor.visit_map(self.cells())
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RowsError> {
        visitor.visit_map(self.cells())
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, RowsError> {
        visitor.visit_map(self.cells())
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RowsError> {
        // A row of one list is that list; otherwise a sequence takes all columns.
        match self.only() {
            Ok(cell) if matches!(cell.column.values, Values::List { .. } | Values::Bytes(_)) => {
                cell.deserialize_seq(visitor)
            }
            _ => visitor.visit_seq(self.cells()),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, RowsError> {
        self.check_count(len)?;
        visitor.visit_seq(self.cells())
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, RowsError> {
        self.deserialize_tuple(len, visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, RowsError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, RowsError> {
        visitor.visit_unit()
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, RowsError> {
        self.only()?.deserialize_enum(name, variants, visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RowsError> {
        visitor.visit_unit()
    }
}

/// The values of some columns in one row, as a sequence or by name.
struct Cells<'a> {
    columns: &'a [Column],
    row: usize,
    first_row: usize,
    next: usize,
}

impl<'a> Cells<'a> {
    fn cell(&mut self) -> Option<Cell<'a>> {
        let column = self.columns.get(self.next)?;
        self.next += 1;
        Some(Cell { column, row: self.row, first_row: self.first_row })
    }
}

impl<'de> SeqAccess<'de> for Cells<'_> {
    type Error = RowsError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, RowsError> {
        let Some(cell) = self.cell() else { return Ok(None) };
        cell.read(seed).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.columns.len() - self.next)
    }
}

impl<'de> MapAccess<'de> for Cells<'_> {
    type Error = RowsError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, RowsError> {
        let Some(column) = self.columns.get(self.next) else { return Ok(None) };
        seed.deserialize(StrDeserializer::<RowsError>::new(&column.name)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, RowsError> {
        match self.cell() {
            Some(cell) => cell.read(seed),
            None => Err(RowsError::custom("a value was asked for after the last column")),
        }
    }
}

/// One value.
#[derive(Clone, Copy)]
struct Cell<'a> {
    column: &'a Column,
    row: usize,
    first_row: usize,
}

impl<'a> Cell<'a> {
    /// Reads the value and says where it is if it does not fit.
    fn read<'de, S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, RowsError> {
        seed.deserialize(self)
    }

    fn placed(&self, error: RowsError) -> RowsError {
        match error {
            RowsError::Message(message) => RowsError::Value {
                column: self.column.path.clone(),
                data_type: self.column.data_type.to_string(),
                row: self.first_row + self.row,
                message,
            },
            error => error,
        }
    }

    /// Hands the value to `visitor` in the form that its column has.
    fn visit<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RowsError> {
        let Self { column, row, first_row } = self;
        let visited = match &column.values {
            _ if column.is_null(row) => {
                return Err(RowsError::Null { column: column.path.clone(), row: first_row + row });
            }
            Values::Null => visitor.visit_unit(),
            Values::Bool(values) => visitor.visit_bool(values.value(row)),
            Values::Int(values) => visitor.visit_i64(values.value(row)),
            Values::UInt(values) => visitor.visit_u64(values.value(row)),
            Values::Float(values) => visitor.visit_f32(values.value(row)),
            Values::Double(values) => visitor.visit_f64(values.value(row)),
            Values::Text(values) | Values::Decimal(values) => visitor.visit_str(values.value(row)),
            Values::Bytes(values) => visitor.visit_bytes(values.value(row)),
            Values::Date(_) | Values::Timestamp { .. } => self.moment().and_then(|text| visitor.visit_string(text)),
            Values::List { offsets, elements } => {
                // Arrow's offsets are never negative, so the conversion keeps every value.
                let (start, end) = (offsets[row] as usize, offsets[row + 1] as usize);
                visitor.visit_seq(Elements { column: elements, next: start, end, place: self })
            }
            Values::Struct(parts) => visitor.visit_map(Cells { columns: parts, row, first_row, next: 0 }),
        };
        visited.map_err(|error| self.placed(error))
    }

    /// A date or a timestamp in ISO 8601, as the types of `chrono` read it.
    fn moment(&self) -> Result<String, RowsError> {
        let out_of_range = || RowsError::custom("the moment lies beyond the years that can be shown");
        match &self.column.values {
            Values::Date(days) => {
                let date = date_from_days(days.value(self.row)).ok_or_else(out_of_range)?;
                Ok(date.to_string())
            }
            Values::Timestamp { counts, unit, zoned } => {
                let moment = instant(counts.value(self.row), *unit).ok_or_else(out_of_range)?.naive_utc();
                // The debug form of `chrono` is ISO 8601, with as many digits of the second as are needed.
                Ok(if *zoned { format!("{moment:?}Z") } else { format!("{moment:?}") })
            }
            _ => Err(RowsError::custom("the column holds no moments")),
        }
    }

    /// Hands a number to `visitor`; `float` says that it takes decimals as floats.
    fn visit_number<'de, V: Visitor<'de>>(self, visitor: V, float: bool) -> Result<V::Value, RowsError> {
        let Self { column, row, .. } = self;
        if column.is_null(row) {
            return self.visit(visitor);
        }
        let visited = match &column.values {
            Values::Date(days) if !float => visitor.visit_i64(i64::from(days.value(row))),
            Values::Timestamp { counts, .. } if !float => visitor.visit_i64(counts.value(row)),
            Values::Decimal(values) if float => match values.value(row).parse() {
                Ok(value) => visitor.visit_f64(value),
                Err(_) => Err(RowsError::custom("the decimal has no value as a float")),
            },
            Values::Decimal(values) => match values.value(row).parse() {
                Ok(value) => visitor.visit_i64(value),
                Err(_) => {
                    Err(RowsError::custom(format_args!("the decimal {} is no 64-bit integer", values.value(row))))
                }
            },
            _ => return self.visit(visitor),
        };
        visited.map_err(|error| self.placed(error))
    }
}

macro_rules! numbers {
    ($($method:ident $float:literal)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RowsError> {
            self.visit_number(visitor, $float)
        })*
    };
}

macro_rules! visits {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RowsError> {
            self.visit(visitor)
        })*
    };
}

impl<'de> Deserializer<'de> for Cell<'_> {
    type Error = RowsError;

    numbers! {
        deserialize_i8 false deserialize_i16 false deserialize_i32 false deserialize_i64 false
        deserialize_u8 false deserialize_u16 false deserialize_u32 false deserialize_u64 false
        deserialize_f32 true deserialize_f64 true
    }

    visits! {
        deserialize_bool deserialize_char deserialize_str deserialize_string deserialize_bytes deserialize_byte_buf
        deserialize_map deserialize_identifier
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RowsError> {
        if self.column.is_null(self.row) {
            return visitor.visit_unit().map_err(|error| self.placed(error));
        }
        self.visit(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RowsError> {
        if self.column.is_null(self.row) {
            return visitor.visit_none().map_err(|error| self.placed(error));
        }
        visitor.visit_some(self).map_err(|error| self.placed(error))
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RowsError> {
        self.deserialize_any(visitor)
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, RowsError> {
        self.deserialize_any(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, RowsError> {
        visitor.visit_newtype_struct(self).map_err(|error| self.placed(error))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RowsError> {
        match &self.column.values {
            Values::Bytes(values) if !self.column.is_null(self.row) => {
                let bytes = values.value(self.row).iter().copied();
                let elements = SeqDeserializer::<_, RowsError>::new(bytes);
                visitor.visit_seq(elements).map_err(|error| self.placed(error))
            }
            _ => self.visit(visitor),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, RowsError> {
        match &self.column.values {
            Values::Struct(parts) if !self.column.is_null(self.row) => {
                if parts.len() != len {
                    let message = format!("the struct has {} parts and the tuple {len}", parts.len());
                    return Err(self.placed(RowsError::Message(message)));
                }
                let cells = Cells { columns: parts, row: self.row, first_row: self.first_row, next: 0 };
                visitor.visit_seq(cells).map_err(|error| self.placed(error))
            }
            _ => self.deserialize_seq(visitor),
        }
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, RowsError> {
        self.deserialize_tuple(len, visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, RowsError> {
        self.visit(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, RowsError> {
        match &self.column.values {
            Values::Text(values) if !self.column.is_null(self.row) => {
                let variant: StrDeserializer<RowsError> = values.value(self.row).into_deserializer();
                visitor.visit_enum(variant).map_err(|error| self.placed(error))
            }
            _ => self.visit(visitor),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RowsError> {
        visitor.visit_unit()
    }
}

/// The elements of one list.
struct Elements<'a> {
    column: &'a Column,
    next: usize,
    end: usize,
    /// The list, whose row is what an error should name.
    place: Cell<'a>,
}

impl<'de> SeqAccess<'de> for Elements<'_> {
    type Error = RowsError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, RowsError> {
        if self.next == self.end {
            return Ok(None);
        }
        let cell = Cell { column: self.column, row: self.next, first_row: 0 };
        self.next += 1;
        cell.read(seed).map(Some).map_err(|error| self.in_list(error))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.end - self.next)
    }
}

impl Elements<'_> {
    fn in_list(&self, error: RowsError) -> RowsError {
        let row = self.place.first_row + self.place.row;
        match error {
            RowsError::Null { column, .. } => RowsError::Null { column, row },
            RowsError::Value { column, data_type, message, .. } => RowsError::Value { column, data_type, row, message },
            error => error,
        }
    }
}
