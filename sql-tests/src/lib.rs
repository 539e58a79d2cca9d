//! Runs sqllogictest files against a SQL engine, and tells what failed and why.
//!
//! ```text
//!  paths --discover--> files --supervise--> one worker process per file
//!                                             |  stage:  a fresh working folder
//!                                             |  script: parsed records and their style
//!                                             |  run:    one session, record after record
//!  report, compare <------ FileReport --------'  render: rows as the file's style prints them
//! ```
//!
//! A file is run by a process of its own, so that a panic, an endless loop, an abort or an exhausted stack costs that
//! file and no other, and so that every file has its own working folder: outside files name their data and their
//! `test_files/scratch` by relative paths.
//!
//! # Formats
//!
//! - SQLite's corpus: one value a line, printed by the declared type (`I` cuts fractions off, `R` has three decimals,
//!   truth values are 1 and 0, an empty string is `(empty)`, a byte that cannot be printed is `@`), or
//!   `N values hashing to MD5`; labels; conditions, with comments behind them, on records and on `halt`.
//! - DataFusion's files: one row a line, printed by the actual type, which must be the declared one; expected errors as
//!   a regular expression or a block; `include`, `control`, `subtest`, `let`, `<slt:ignore>`, plans over many lines.
//! - Anything between: rows with values apart by blanks or tabs, and types of which only `T`, `I` and `R` are known.
//!
//! Which one a file follows is found from its expected results; see [`Style`].
//!
//! # Conditions
//!
//! `onlyif` and `skipif` know Dolmen as `dolmen` and as `datafusion`, and stock DataFusion as `datafusion`, in any case.
//! Neither is `postgresql` or `postgres`, although Dolmen's SQL has PostgreSQL's meaning: files put `skipif postgresql`
//! on records that need no more than a lax parser, and `onlyif postgres` on DDL beside a form for everyone else.
//!
//! # Invariants
//!
//! - Every statement, query, `let` and `system` record of a file is counted once: as passed, failed or skipped.
//! - Nothing is passed that was not run.
//! - The order of a report is the order of the files given, whatever the number of jobs.

pub mod cli;
mod compare;
mod deviations;
mod discover;
mod engine;
mod matching;
mod outcome;
mod render;
mod report;
mod run;
mod script;
mod stage;
mod style;
mod supervise;
mod worker;

pub use compare::{Comparison, compare};
pub use deviations::{Deviation, DeviationError, Deviations};
pub use discover::{DiscoverError, discover};
pub use engine::{Answer, Engine, EngineError, EngineKind, ErrorKind};
pub use outcome::{Cause, FileReport, Outcome, RecordReport, Tally};
pub use report::describe;
pub use run::{RecordEvent, RunOptions, run_script};
pub use script::{Script, ScriptError};
pub use stage::Stage;
pub use style::{ColumnKind, Style};
pub use supervise::{WorkerCommand, supervise};
