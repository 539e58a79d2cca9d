//! The engine under test, behind one trait.

mod local;
mod stock;

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use clap::ValueEnum;
use datafusion::error::DataFusionError;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// One session of a SQL engine; it remembers tables and settings from one statement to the next.
#[async_trait]
pub trait Engine: Send + Sync {
    /// The names, in lower case, that `onlyif` and `skipif` know this engine by.
    fn labels(&self) -> &'static [&'static str];

    /// Runs one statement and waits for all of its rows.
    async fn run(&self, sql: &str) -> Result<Answer, EngineError>;

    /// Why plans ran otherwise than this engine is meant to run them, with their numbers.
    fn kept_plans(&self) -> Vec<(String, u64)> {
        Vec::new()
    }
}

/// What a statement answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The columns; none for a statement that answers nothing.
    pub schema: SchemaRef,
    /// The rows, in order.
    pub batches: Vec<RecordBatch>,
}

/// The kind of an error, coarse enough that engines agree on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ErrorKind {
    /// The text is not SQL.
    Syntax,
    /// Names, types or the meaning of the statement are wrong.
    Planning,
    /// The engine says that it does not do this.
    NotImplemented,
    /// The statement failed while it ran.
    Execution,
    /// A limit on memory or disk was reached.
    Resources,
    /// The engine found a fault of its own.
    Internal,
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Syntax => "syntax",
            Self::Planning => "planning",
            Self::NotImplemented => "not implemented",
            Self::Execution => "execution",
            Self::Resources => "resources",
            Self::Internal => "internal",
        })
    }
}

/// A statement failed.
#[derive(Debug, Clone, Error)]
#[error("{message}")]
pub struct EngineError {
    /// What kind of failure it is.
    pub kind: ErrorKind,
    /// The message a user sees; what the file expects is looked for here first.
    pub message: String,
    /// The messages of the causes beneath it. A file written for another engine may expect one of these: an engine
    /// that explains an error better still fails for the reason the file names.
    pub causes: Vec<String>,
}

impl From<DataFusionError> for EngineError {
    fn from(error: DataFusionError) -> Self {
        Self { kind: kind_of(&error), message: datafusion_message(&error), causes: Vec::new() }
    }
}

impl From<ArrowError> for EngineError {
    fn from(error: ArrowError) -> Self {
        Self { kind: ErrorKind::Execution, message: format!("Arrow error: {error}"), causes: Vec::new() }
    }
}

/// The wording DataFusion's own files expect of an error.
fn datafusion_message(error: &DataFusionError) -> String {
    format!("DataFusion error: {}", error.strip_backtrace())
}

fn kind_of(error: &DataFusionError) -> ErrorKind {
    match error.find_root() {
        DataFusionError::SQL(..) => ErrorKind::Syntax,
        DataFusionError::Plan(_) | DataFusionError::SchemaError(..) | DataFusionError::Configuration(_) => {
            ErrorKind::Planning
        }
        DataFusionError::NotImplemented(_) => ErrorKind::NotImplemented,
        DataFusionError::ResourcesExhausted(_) => ErrorKind::Resources,
        DataFusionError::Internal(_) => ErrorKind::Internal,
        _ => ErrorKind::Execution,
    }
}

/// The engines this runner knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum EngineKind {
    /// Dolmen in this process.
    Local,
    /// Dolmen with every plan cut into stages.
    Staged,
    /// Dolmen with 64 MB.
    Small,
    /// Dolmen with every plan written as bytes and read again.
    Encoded,
    /// Dolmen with the stages of queries in two other processes.
    Processes,
    /// DataFusion as it comes, the yardstick.
    Stock,
}

impl EngineKind {
    /// The engine that is tested unless the command line names another.
    pub const DEFAULT: Self = Self::Local;

    /// Opens a fresh session.
    ///
    /// # Errors
    ///
    /// What the engine says when it cannot start.
    pub fn open(self) -> Result<Arc<dyn Engine>, EngineError> {
        match self {
            Self::Local => Ok(Arc::new(local::Local::new(&[], None, None)?)),
            Self::Staged => Ok(Arc::new(local::Local::new(&[("execution_form", "staged")], None, None)?)),
            Self::Small => Ok(Arc::new(local::Local::new(&[], Some(64 << 20), None)?)),
            Self::Encoded => Ok(Arc::new(local::Local::new(&[("plans_as_bytes", "true")], None, None)?)),
            Self::Processes => Ok(Arc::new(local::Local::new(&[], None, Some(2))?)),
            Self::Stock => Ok(Arc::new(stock::Stock::new())),
        }
    }

    /// Whether the deviations of this project apply to it.
    pub fn is_ours(self) -> bool {
        match self {
            Self::Local | Self::Staged | Self::Small | Self::Encoded | Self::Processes => true,
            Self::Stock => false,
        }
    }

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Staged => "staged",
            Self::Small => "small",
            Self::Encoded => "encoded",
            Self::Processes => "processes",
            Self::Stock => "stock",
        }
    }
}
