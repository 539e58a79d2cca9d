//! Dolmen: a SQL and dataframe query engine on Apache DataFusion and Arrow.
//!
//! ```text
//!   SQL text ── Session::sql ──> Query ── collect / stream / rows / show ──> Arrow record batches, Rust values
//!                  │
//!                  ├─ catalog: tables in memory, files, views, functions
//!                  └─ limits: memory, threads, temporary files, access to files and URLs
//! ```
//!
//! ```
//! use dolmen::prelude::*;
//!
//! #[derive(Debug, serde::Deserialize, serde::Serialize, PartialEq)]
//! struct City {
//!     name: String,
//!     people: i64,
//! }
//!
//! # fn main() -> dolmen::Result<()> {
//! let session = Session::builder().threads(2).build()?;
//! let cities = [("Brest", 139_000), ("Vannes", 54_000)];
//! let cities = cities.map(|(name, people)| City { name: name.to_owned(), people });
//! session.register_rows("cities", &cities)?;
//! let query = session.sql("SELECT * FROM cities WHERE people > $1").bind(100_000_i64);
//! let large: Vec<City> = query.rows_blocking()?;
//! assert_eq!(large, [City { name: "Brest".into(), people: 139_000 }]);
//! # Ok(())
//! # }
//! ```
//!
//! Functions of Rust become tasks, which run beside the queries under the same limits:
//!
//! ```
//! use dolmen::prelude::*;
//!
//! # fn main() -> dolmen::Result<()> {
//! let session = Session::builder().threads(2).build()?;
//! let square = delayed(|x: u64| x * x);
//! let sum = delayed(|numbers: Vec<u64>| numbers.iter().sum::<u64>());
//! let total = sum.call((1..=10).map(|x| square.call(x)).collect::<Vec<_>>());
//! assert_eq!(session.compute_blocking(total)?, 385);
//! # Ok(())
//! # }
//! ```
//!
//! # Invariants
//! - **No global state**: everything belongs to a [`Session`]; several with different limits live in one process.
//! - **No panic on user input**: whatever a statement says, the answer is a result or an [`Error`], and the session
//!   goes on.
//! - **What is dropped stops**: dropping a future or a stream of a query cancels it.

mod arrays;
mod compute;
pub mod functions;
pub mod output;
mod query;
mod running;
mod session;
mod statement;

pub use datafusion::scalar::ScalarValue;
pub use dolmen_frame::{
    Completeness, CsvConflict, EngineError, Error, FunctionInfo, NotPortable, OptionValue, Position, Progress, Result,
    TableError, changed_rows, completeness,
};
pub use dolmen_graph as graph;
pub use dolmen_scheduler as scheduler;
pub use dolmen_storage::{ExternalAccess, StorageError, format_bytes, is_secret_key, nearest, parse_bytes, redact_url};
pub use query::{BatchStream, BlockingBatches, Query};
pub use session::{Prepared, Session, SessionBuilder, serve_if_worker};
pub use statement::Statement;

/// Chunked n-dimensional arrays with NumPy's meaning, computed by [`Session::compute_arrays`].
pub mod array {
    pub use dolmen_array::*;
    pub use dolmen_kernels::{Block, DType, Element, KernelError, Scalar, TimeUnit};
}

/// What most programs need.
pub mod prelude {
    pub use dolmen_graph::{Delayed, delayed};
    pub use dolmen_scheduler::{Client, TaskFuture, as_completed, gather};

    pub use crate::{BatchStream, Error, ExternalAccess, OptionValue, Query, Result, ScalarValue, Session};
}

/// The program of README.md, compiled as a doc test.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;

/// The programs of docs/embedding.md, run as doc tests.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/embedding.md")]
struct Embedding;

/// The program of docs/arrays.md, run as a doc test.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/arrays.md")]
struct ArraysOfDocs;

/// The programs of docs/delayed.md, run as doc tests.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/delayed.md")]
struct DelayedValues;
