//! SQL functions from typed Rust closures, and Rust values as rows.
//!
//! ```text
//! closure --.                              .--> ScalarUDF      (scalar)
//!           +--> Function / Step / Fold ---+--> AggregateUDF   (aggregate, fold)
//! its types-'    one loop, compiled for it '--> TableFunction  (table, try_table, ...)
//!
//! rows of Rust values <--- from_batches --- record batches --- to_batch, RowSchema <--- rows of Rust values
//! ```
//!
//! The types of a closure are the types of the SQL function, see [`SqlType`] and [`Outcome`]. The arguments of a
//! closure must be written with their types, because they are what the function is made from.
//!
//! **What a closure does never takes the session down**: an `Err` and a panic become a [`FunctionError`] with the
//! function's name and the arguments of the row. **NULL never reaches an argument that is no `Option`.** **A value
//! that does not fit is an error, never a wrap.**

mod accumulate;
mod aggregate;
mod call;
mod error;
mod rows;
mod scalar;
mod signature;
mod sql_type;
mod table;
mod value;

#[cfg(test)]
mod tests;

/// Keeps the set of SQL types closed: what they mean in Arrow is decided here.
mod sealed {
    pub trait Sealed {}
}

pub use aggregate::{aggregate, fold};
pub use call::{Arguments, Fold, Function, Opened, Parameter, RowError, Step};
pub use error::{FunctionError, ValueError};
pub use rows::{RowSchema, RowsError, from_batches, to_batch, to_batches};
pub use scalar::{scalar, scalar_with_volatility};
pub use sql_type::{Argument, BinaryColumn, Element, ListColumn, SqlType, TextColumn, TimestampColumn};
pub use table::{table, table_of_batches, table_of_results, try_table};
pub use value::{Done, ListBuilder, Nullable, NumberBuilder, Outcome, SqlValue};
