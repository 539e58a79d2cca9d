//! Array expressions in SQL.
mod error;
mod parse;
mod print;
mod statement;
pub use error::{ArraySqlError, Result, Span};
pub use print::{append_csv, append_json, numpy_text, shown_positions};
pub use statement::{
    ArrayName, ArrayStatement, Definition, Expression, OnConflict, OptionValue, StatementOption, parse_expression, parse_statement,
};
