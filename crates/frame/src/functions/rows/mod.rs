//! Rust values as rows of a table, and back.
//!
//! A row is a struct with named fields, a tuple, or a single value: any serde type whose parts Arrow can hold.

mod error;
mod read;
mod trace;
mod value;
mod write;

#[cfg(test)]
mod tests;

pub use error::RowsError;
pub use read::from_batches;
pub use write::{RowSchema, to_batch, to_batches};
