//! Tables in memory, and INSERT, UPDATE, DELETE and TRUNCATE on them.
//!
//! ```text
//!  StoredTable --snapshot()--> TableSnapshot (a TableProvider) --> SnapshotScan, any number of readers
//!       |
//!       +--- begin_write() --> TableWrite: one at a time; chunks and keys beside the current version, swapped in at the end
//!                                  ^
//!  DmlStatement --insert/update/delete: run the input, which carries row positions, and collect what changes
//! ```
//!
//! Rows are stored in order, in chunks of up to [`CHUNK_ROWS_MAX`], each column of a chunk with its own share of the
//! memory budget. Versions share what did not change.
//!
//! Invariants:
//! - **A version never changes.** A statement reads one version of the table it writes from beginning to end.
//! - **A write is all or nothing**, also when it is cancelled: nothing shared is changed before it ends but the key
//!   indexes, whose edits are undone when the write is dropped.
//! - **What the planner is told is true**: NOT NULL is enforced; counts and bounds are exact.
//! - **The optimizer is not told of keys**, and SqlToRel only of primary ones. DataFusion 55 derives wrong functional
//!   dependencies from them: above a GROUP BY over a join, it drops a DISTINCT that has work to do, and it takes UNIQUE
//!   columns to hold at most one NULL.

mod change;
mod chunk;
mod conform;
mod definition;
mod dml;
mod error;
mod forget_keys;
mod keys;
mod rewrite;
mod scan;
mod snapshot;
mod statistics;
mod stored;
mod update_from;
mod version;

#[cfg(test)]
mod tests;

pub use definition::{CHUNK_ROWS_MAX, KeyConstraint, KeyKind, TableDefinition};
pub use dml::{delete, execute, insert, update};
pub use error::TableError;
pub(crate) use forget_keys::forget_keys;
pub use scan::SnapshotScan;
pub use snapshot::TableSnapshot;
pub use stored::{StoredTable, TableWrite};
pub use update_from::join_update_source;
