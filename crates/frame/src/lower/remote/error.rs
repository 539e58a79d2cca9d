//! Errors of a statement on their way between processes: what they are, beside what they say.

use std::error::Error as StdError;

use datafusion::arrow::error::ArrowError;
use datafusion::error::DataFusionError;
use dolmen_graph::{RunError, TaskError};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::guard::OverflowError;
use crate::lower::rows;

/// What an error is, as far as anybody asks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Kind {
    Memory,
    Internal,
    Overflow { operation: String, type_name: String },
    SumOverflow { sum: i128, type_name: String },
    WideSum,
    DivideByZero,
    Cast,
    Compute,
    Parse,
    Other,
}

/// An error of a stage. Only texts survive the way between processes; the source has what it takes to make the error again.
#[derive(Debug, Error)]
#[error("{message}")]
pub(super) struct StageError {
    message: String,
    source: Packed,
}

#[derive(Debug, Error)]
#[error("{MARK}{0}")]
struct Packed(String);

/// Begins the text of a packed error.
const MARK: &str = "sql:";

#[derive(Serialize, Deserialize)]
struct Wire {
    kind: Kind,
    message: String,
}

impl StageError {
    pub(super) fn of(error: &DataFusionError) -> Self {
        let (kind, message) = described(error);
        // A kind and a text can always be written.
        let packed = serde_json::to_string(&Wire { kind, message: message.clone() }).unwrap_or_default();
        Self { message, source: Packed(packed) }
    }
}

fn described(error: &DataFusionError) -> (Kind, String) {
    match error.find_root() {
        DataFusionError::ResourcesExhausted(message) => (Kind::Memory, message.clone()),
        DataFusionError::Internal(message) => (Kind::Internal, message.clone()),
        DataFusionError::Execution(message) => (Kind::Other, message.clone()),
        DataFusionError::ArrowError(error, _) => match error.as_ref() {
            ArrowError::DivideByZero => (Kind::DivideByZero, error.to_string()),
            ArrowError::CastError(message) => (Kind::Cast, message.clone()),
            ArrowError::ComputeError(message) => (Kind::Compute, message.clone()),
            ArrowError::ParseError(message) => (Kind::Parse, message.clone()),
            error => (Kind::Other, error.to_string()),
        },
        DataFusionError::External(external) => match external.downcast_ref::<OverflowError>() {
            Some(OverflowError::Arithmetic { operation, type_name }) => {
                let (operation, type_name) = (operation.clone(), (*type_name).to_owned());
                (Kind::Overflow { operation, type_name }, external.to_string())
            }
            Some(OverflowError::Sum { sum, type_name }) => {
                (Kind::SumOverflow { sum: *sum, type_name: (*type_name).to_owned() }, external.to_string())
            }
            Some(OverflowError::WideSum) => (Kind::WideSum, external.to_string()),
            Some(OverflowError::DecimalSum { .. }) | None => (Kind::Other, external.to_string()),
        },
        other => (Kind::Other, other.strip_backtrace()),
    }
}

impl Wire {
    fn into_error(self) -> DataFusionError {
        let Self { kind, message } = self;
        let arrow = |error| DataFusionError::ArrowError(Box::new(error), None);
        match kind {
            Kind::Memory => DataFusionError::ResourcesExhausted(message),
            Kind::Internal => DataFusionError::Internal(message),
            Kind::DivideByZero => arrow(ArrowError::DivideByZero),
            Kind::Cast => arrow(ArrowError::CastError(message)),
            Kind::Compute => arrow(ArrowError::ComputeError(message)),
            Kind::Parse => arrow(ArrowError::ParseError(message)),
            Kind::WideSum => OverflowError::WideSum.into(),
            Kind::Overflow { operation, type_name } => match known_type(&type_name) {
                Some(type_name) => OverflowError::Arithmetic { operation, type_name }.into(),
                None => DataFusionError::Execution(message),
            },
            Kind::SumOverflow { sum, type_name } => match known_type(&type_name) {
                Some(type_name) => OverflowError::Sum { sum, type_name }.into(),
                None => DataFusionError::Execution(message),
            },
            Kind::Other => DataFusionError::Execution(message),
        }
    }
}

fn known_type(name: &str) -> Option<&'static str> {
    const NAMES: [&str; 8] = [
        "TINYINT",
        "SMALLINT",
        "INTEGER",
        "BIGINT",
        "TINYINT UNSIGNED",
        "SMALLINT UNSIGNED",
        "INTEGER UNSIGNED",
        "BIGINT UNSIGNED",
    ];
    NAMES.into_iter().find(|known| *known == name)
}

/// The error of a run of stages, as the stage had it.
pub(super) fn of_run(error: RunError) -> DataFusionError {
    if let RunError::Task { error: TaskError::Failed { source }, .. } = &error {
        let mut next: Option<&dyn StdError> = Some(source.as_ref());
        while let Some(cause) = next {
            let packed = cause.to_string().strip_prefix(MARK).map(serde_json::from_str::<Wire>);
            if let Some(Ok(wire)) = packed {
                return wire.into_error();
            }
            next = cause.source();
        }
    }
    rows::of_run(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn through_text(error: &DataFusionError) -> DataFusionError {
        let source = StageError::of(error);
        of_run(RunError::Task { key: "scan[0]".to_owned(), error: TaskError::failed(source) })
    }

    #[test]
    fn an_error_is_what_it_was() {
        let overflow = OverflowError::Arithmetic { operation: "1 + 2".to_owned(), type_name: "BIGINT" };
        let DataFusionError::External(same) = through_text(&overflow.clone().into()) else {
            panic!("no error of ours")
        };
        assert_eq!(same.downcast_ref(), Some(&overflow));
        let memory = through_text(&DataFusionError::ResourcesExhausted("too much".to_owned()));
        assert!(matches!(memory, DataFusionError::ResourcesExhausted(message) if message == "too much"));
        let zero = through_text(&DataFusionError::ArrowError(Box::new(ArrowError::DivideByZero), None));
        assert!(matches!(zero, DataFusionError::ArrowError(error, _) if matches!(*error, ArrowError::DivideByZero)));
        let other = through_text(&DataFusionError::Execution("no such file".to_owned()));
        assert_eq!(other.strip_backtrace(), "Execution error: no such file");
    }
}
