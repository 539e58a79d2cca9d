//! Array expressions in SQL.
mod error;
mod parse;
mod statement;
pub use error::{ArraySqlError, Result, Span};
pub use statement::{
    ArrayName, ArrayStatement, Definition, Expression, OnConflict, OptionValue, StatementOption, parse_expression, parse_statement,
};
