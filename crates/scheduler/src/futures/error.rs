//! Why a future has no result.

use std::time::Duration;

use dolmen_graph::{LowerError, RunError, SubmitError, TaskError};
use thiserror::Error;

/// Why a future has no result. A future whose arguments failed fails with the error of the argument.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum FutureError {
    /// Its task failed; the error names the task.
    #[error("{source}")]
    Run {
        /// The key of the future.
        key: String,
        /// What went wrong.
        source: RunError,
    },
    /// It was cancelled, or the task that waited for it was.
    #[error("`{key}` was cancelled")]
    Cancelled {
        /// The key of the future.
        key: String,
    },
    /// The executor did not take its graph.
    #[error("`{key}` was not started: {source}")]
    Submit {
        /// The key of the future.
        key: String,
        /// What the executor said.
        source: SubmitError,
    },
    /// Its arguments make no graph.
    #[error("`{key}` was not started: {source}")]
    Lower {
        /// The key of the future.
        key: String,
        /// What is wrong with them.
        source: LowerError,
    },
    /// The time that the caller would wait is over; the future goes on.
    #[error("`{key}` has no result after {} ms", timeout.as_millis())]
    TimedOut {
        /// The key of the future.
        key: String,
        /// How long it was waited for.
        timeout: Duration,
    },
    /// The executor gave a value of another type than the task makes.
    #[error("the result of `{key}` is of another type: {source}")]
    Result {
        /// The key of the future.
        key: String,
        /// Which types.
        source: TaskError,
    },
}

impl FutureError {
    /// What a run that ended without a result means to the future `key`.
    pub(super) fn of_run(key: &str, error: RunError) -> Self {
        match error {
            RunError::Cancelled => Self::Cancelled { key: key.to_owned() },
            source => Self::Run { key: key.to_owned(), source },
        }
    }

    /// The key of the future that failed first.
    #[must_use]
    pub fn key(&self) -> &str {
        match self {
            Self::Run { key, .. }
            | Self::Cancelled { key }
            | Self::Submit { key, .. }
            | Self::Lower { key, .. }
            | Self::TimedOut { key, .. }
            | Self::Result { key, .. } => key,
        }
    }
}
