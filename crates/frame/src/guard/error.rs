//! The error of an operation whose result does not fit its type.

use datafusion::arrow::datatypes::DataType;
use datafusion::error::DataFusionError;

/// A result that does not fit the type of the operation, with the values that led to it.
///
/// It reaches callers inside [`DataFusionError::External`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OverflowError {
    /// A result of integer arithmetic is outside its type.
    #[error(
        "integer overflow: {operation} is out of range for {type_name}; cast an operand to DECIMAL(38, 0) or DOUBLE"
    )]
    Arithmetic {
        /// The operation with its operands, for example `9223372036854775807 + 1`.
        operation: String,
        /// SQL name of the result type.
        type_name: &'static str,
    },
    /// A sum of integers is outside its type.
    #[error(
        "integer overflow: the sum {sum} is out of range for {type_name}; cast the argument to DECIMAL(38, 0) or DOUBLE"
    )]
    Sum {
        /// The exact sum.
        sum: i128,
        /// SQL name of the result type.
        type_name: &'static str,
    },
    /// A sum of integers needs more than 128 bits.
    #[error("integer overflow: the sum needs more than 128 bits; cast the argument to DOUBLE")]
    WideSum,
    /// A sum of decimals has more digits than its type, or than fit in the type's storage.
    #[error(
        "decimal overflow: the sum is out of range for {data_type}; cast the argument to fewer digits or to DOUBLE"
    )]
    DecimalSum {
        /// Type of the sum.
        data_type: DataType,
    },
}

impl From<OverflowError> for DataFusionError {
    fn from(error: OverflowError) -> Self {
        Self::External(Box::new(error))
    }
}

/// SQL's name of an integer type.
pub(super) fn integer_type_name(data_type: &DataType) -> &'static str {
    match data_type {
        DataType::Int8 => "TINYINT",
        DataType::Int16 => "SMALLINT",
        DataType::Int32 => "INTEGER",
        DataType::Int64 => "BIGINT",
        DataType::UInt8 => "TINYINT UNSIGNED",
        DataType::UInt16 => "SMALLINT UNSIGNED",
        DataType::UInt32 => "INTEGER UNSIGNED",
        DataType::UInt64 => "BIGINT UNSIGNED",
        _ => "its type",
    }
}
