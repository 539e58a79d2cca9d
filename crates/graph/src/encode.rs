//! Graphs as bytes.

use std::sync::Arc;

use thiserror::Error;

use crate::EncodeError;

/// Why a graph could not be written as bytes.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum EncodeGraphError {
    /// The operation of a stage cannot leave this process.
    #[error("`{key}` cannot be sent to another process: {source}")]
    Op {
        /// The key of the stage.
        key: Arc<str>,
        /// Why.
        source: EncodeError,
    },
    /// The encoding itself failed.
    #[error("the graph could not be encoded")]
    Failed {
        /// What the encoding said.
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
}
