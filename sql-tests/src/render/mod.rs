//! Turns an answer into the text that a file has under `----`.

mod decimal;
mod rows;
mod sqlite;

pub(crate) use rows::row_lines;
pub(crate) use sqlite::sqlite_values;

use arrow::datatypes::{DataType, Schema};

use crate::style::ColumnKind;

/// How a file writes NULL.
const NULL: &str = "NULL";

/// How a file writes an empty string.
const EMPTY: &str = "(empty)";

/// The kinds of the columns of `schema`.
pub(crate) fn column_kinds(schema: &Schema) -> Vec<ColumnKind> {
    schema.fields().iter().map(|field| column_kind(field.data_type())).collect()
}

fn column_kind(data_type: &DataType) -> ColumnKind {
    match data_type {
        DataType::Boolean => ColumnKind::Boolean,
        other if other.is_integer() => ColumnKind::Integer,
        other if other.is_floating() || other.is_decimal() => ColumnKind::Real,
        other if other.is_string() => ColumnKind::Text,
        DataType::Date32 | DataType::Date64 | DataType::Time32(_) | DataType::Time64(_) => ColumnKind::Date,
        DataType::Timestamp(..) => ColumnKind::Timestamp,
        DataType::Dictionary(_, value) if value.is_string() => ColumnKind::Text,
        _ => ColumnKind::Other,
    }
}
