//! What can go wrong between Rust values and rows.

use thiserror::Error;

/// Rust values and the columns of a table do not fit each other.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RowsError {
    /// A NULL met a type that is no `Option`.
    #[error("column {column} is NULL in row {row}, and the field is no Option")]
    Null {
        /// The column, with the path inside it if it is nested.
        column: String,
        /// The row, counted from 0 over all batches.
        row: usize,
    },
    /// A value does not fit the Rust type.
    #[error("column {column} ({data_type}), row {row}: {message}")]
    Value {
        /// The column, with the path inside it if it is nested.
        column: String,
        /// The Arrow type of the column.
        data_type: String,
        /// The row, counted from 0 over all batches.
        row: usize,
        /// What serde says.
        message: String,
    },
    /// The row type takes another number of columns.
    #[error("the row type takes {expected} column(s), and the result has {given}: {names}")]
    ColumnCount {
        /// How many columns the row type takes.
        expected: usize,
        /// How many the result has.
        given: usize,
        /// Their names.
        names: String,
    },
    /// The row type does not fit the result as a whole; a field may be missing.
    #[error("{message}; the columns are {names}")]
    Shape {
        /// What serde says.
        message: String,
        /// The names of the columns of the result.
        names: String,
    },
    /// Arrow could not convert a column.
    #[error("column {column} ({data_type}) cannot be read: {message}")]
    Column {
        /// The column, with the path inside it if it is nested.
        column: String,
        /// The Arrow type of the column.
        data_type: String,
        /// What Arrow says.
        message: String,
    },
    /// The columns of a Rust type cannot be told from the type or from samples.
    #[error("no columns for the Rust type {type_name}: {message}")]
    Schema {
        /// The Rust type.
        type_name: &'static str,
        /// What stands in the way.
        message: String,
    },
    /// A Rust value could not be written into a column.
    #[error("rows of {type_name} cannot be written: {message}")]
    Write {
        /// The Rust type.
        type_name: &'static str,
        /// What the writer says.
        message: String,
    },
    /// What serde reports before the place is known.
    #[error("{0}")]
    Message(String),
}

impl serde::de::Error for RowsError {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self::Message(message.to_string())
    }
}

impl From<RowsError> for datafusion::common::DataFusionError {
    fn from(error: RowsError) -> Self {
        Self::External(Box::new(error))
    }
}
