//! Array expressions in SQL.
mod error;
mod parse;
pub use error::{ArraySqlError, Result, Span};
