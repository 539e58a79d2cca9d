//! Errors of tasks on their way between processes.

use std::error::Error;
use std::sync::Arc;

use dolmen_graph::TaskError;
use serde::{Deserialize, Serialize};

/// An error of a task in another process: its text, and the errors behind it.
#[derive(Debug, Clone, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct RemoteError {
    message: String,
    source: Option<Box<RemoteError>>,
}

impl RemoteError {
    fn of(error: &(dyn Error + 'static)) -> Self {
        Self { message: error.to_string(), source: error.source().map(|source| Box::new(Self::of(source))) }
    }
}

/// An error of a task in bytes.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum WireError {
    Failed(RemoteError),
    Transient(RemoteError),
    Step(String, Box<WireError>),
    Cancelled,
    Panicked(String),
}

impl WireError {
    pub(super) fn new(error: &TaskError) -> Self {
        match error {
            TaskError::Failed { source } => Self::Failed(RemoteError::of(&**source)),
            TaskError::Transient { source } => Self::Transient(RemoteError::of(&**source)),
            TaskError::Step { step, error } => Self::Step(step.clone(), Box::new(Self::new(error))),
            TaskError::Cancelled => Self::Cancelled,
            TaskError::Panicked { message } => Self::Panicked(message.clone()),
            error => Self::Failed(RemoteError::of(error)),
        }
    }

    pub(super) fn into_error(self) -> TaskError {
        match self {
            Self::Failed(source) => TaskError::Failed { source: Arc::new(source) },
            Self::Transient(source) => TaskError::Transient { source: Arc::new(source) },
            Self::Step(step, error) => TaskError::Step { step, error: Arc::new(error.into_error()) },
            Self::Cancelled => TaskError::Cancelled,
            Self::Panicked(message) => TaskError::Panicked { message },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_keeps_its_text_its_source_and_whether_it_may_pass() {
        let parse = "x".parse::<u32>().unwrap_err();
        let step = TaskError::Step { step: "load".into(), error: Arc::new(TaskError::transient(parse)) };
        let bytes = postcard::to_stdvec(&WireError::new(&step)).unwrap();
        let read = postcard::from_bytes::<WireError>(&bytes).unwrap().into_error();
        assert!(read.is_transient());
        assert_eq!(read.to_string(), step.to_string());
        let disk = std::io::Error::other(std::io::Error::other("gone"));
        let TaskError::Failed { source } = WireError::new(&TaskError::failed(disk)).into_error() else { panic!() };
        assert!(source.source().is_none_or(|source| source.to_string() == "gone"));
    }
}
