//! Tables: SQL, the catalog and the only home of DataFusion planning.
//!
//! ```text
//!   text ─ parse ─> statement ─ reject_unsupported ─ rewrite_relations ─> SqlToRel ─> logical plan ─> rules ─> stream
//!                                       │                  │
//!                     (what DataFusion would ignore)   Scope: one snapshot of every relation, files opened
//! ```
//!
//! # Invariants
//! - **One snapshot a statement**: every place of a statement that names a table sees the same rows.
//! - **Nothing is parsed and then ignored**: a clause that the engine does not honour is an error.
//! - **No overflow wraps**, in constants, in rows and in sums; see [`guard`].
//! - **What is cancelled stops**: an operator looks before each batch, and hands its thread back every few milliseconds.
//! - **No location is opened but through [`dolmen_storage::Stores`]**, which asks the session's policy.

mod builtin;
mod cancel;
mod catalog;
mod columns;
mod context;
mod copy_from;
mod define_macro;
mod define_secret;
mod error;
mod files;
pub mod functions;
pub mod guard;
mod lower;
mod meaning;
mod memory;
mod names;
pub mod plan;
mod progress;
mod runtime;
mod settings;
mod spill;
mod sql;
mod sql_type;
mod state;
mod statement;
mod summarize;
pub mod table;

pub use cancel::Cancellation;
pub use context::{ContextOptions, SqlContext};
pub use error::{EngineError, Error, Position, Result};
pub use files::{CsvConflict, FileRequest, OptionValue, WriteRequest};
pub use lower::register as register_stages;
pub use lower::{ExecutorSource, NotPortable, RemoteExecutor, SourceExec, StageSource, UnitRows};
pub use memory::memory_pool;
pub use names::FunctionInfo;
pub use progress::{Progress, Watch};
pub use runtime::{Runtime, RuntimeOptions, build_runtime};
pub use sql::plan::shift_position;
pub use sql::split::{Completeness, SplitError, StatementText, completeness, split_statements};
pub use sql::translate::panic_message;
pub use sql_type::sql_type_name;
pub use statement::{Caller, Diagnosis, Outcome, Parameters, changed_rows};
pub use table::{StoredTable, TableDefinition, TableError};
