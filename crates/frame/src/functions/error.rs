//! What can go wrong when the engine calls a function written in Rust.

use arrow::array::ArrayRef;
use datafusion::common::{DataFusionError, ScalarValue};
use thiserror::Error;

/// An argument's text in an error message is cut here, so that one long value does not drown the message.
const ARGUMENT_CHARS_MAX: usize = 64;

/// A failure of a scalar, aggregate or table function made from a closure.
///
/// It travels inside [`DataFusionError::External`]; planning errors reach the caller as text, because the planner
/// rewrites what a function's coercion reports.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum FunctionError {
    /// The call has too few or too many arguments.
    #[error("{signature} takes {expected} argument(s), not {given}")]
    ArgumentCount {
        /// The function as it was registered, such as `scale(BIGINT, DOUBLE)`.
        signature: String,
        /// How many arguments the closure takes.
        expected: usize,
        /// How many arguments the call has.
        given: usize,
    },
    /// An argument has a type that does not convert to what the closure takes.
    #[error("argument {position} of {signature} must be {expected}, not {given}; write a CAST if that is meant")]
    ArgumentType {
        /// The function as it was registered.
        signature: String,
        /// Which argument, counted from 1.
        position: usize,
        /// The SQL name of the type that the closure takes.
        expected: String,
        /// The Arrow type of the argument in the call.
        given: String,
    },
    /// A table function was called with something that is not known when the statement is planned.
    #[error("argument {position} of table function {signature} must be a constant, not {given}")]
    NotConstant {
        /// The function as it was registered.
        signature: String,
        /// Which argument, counted from 1.
        position: usize,
        /// The expression in the call.
        given: String,
    },
    /// A stored value has no counterpart in the closure's argument type.
    #[error("{name}({arguments}): argument {position} {source}")]
    Value {
        /// The function's name.
        name: String,
        /// The arguments of the row at fault.
        arguments: String,
        /// Which argument, counted from 1.
        position: usize,
        /// What is wrong with it.
        source: ValueError,
    },
    /// The closure returned an error.
    #[error("{name}({arguments}) failed: {message}")]
    Failed {
        /// The function's name.
        name: String,
        /// The arguments of the row at fault.
        arguments: String,
        /// What the closure's error says.
        message: String,
    },
    /// The closure panicked; the session goes on.
    #[error("{name}({arguments}) panicked: {message}")]
    Panicked {
        /// The function's name.
        name: String,
        /// The arguments of the row at fault.
        arguments: String,
        /// The message of the panic.
        message: String,
    },
    /// The state of an aggregate could not be written or read between two phases of a query.
    #[error("the state of aggregate {name} cannot be {action}: {message}")]
    State {
        /// The function's name.
        name: String,
        /// `encoded` or `decoded`.
        action: &'static str,
        /// What the encoder says.
        message: String,
    },
    /// The engine handed over a type that the function did not ask for.
    #[error("{name} expected {expected} as argument {position} and the engine passed {given}")]
    UnexpectedType {
        /// The function's name.
        name: String,
        /// Which argument, counted from 1.
        position: usize,
        /// The SQL name of the type that the closure takes.
        expected: String,
        /// The Arrow type of the array.
        given: String,
    },
}

/// Why a stored value has no counterpart in a Rust type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ValueError {
    /// A date or a timestamp lies beyond the years that `chrono` knows.
    #[error("lies beyond the range of {target} (stored value {stored})")]
    OutOfRange {
        /// The Rust type.
        target: &'static str,
        /// The stored count of days or of units since 1970.
        stored: i64,
    },
    /// A list holds NULL and the closure takes plain elements.
    #[error("is a list that holds NULL; take Vec<Option<_>> to see it")]
    NullElement,
}

impl From<FunctionError> for DataFusionError {
    fn from(error: FunctionError) -> Self {
        Self::External(Box::new(error))
    }
}

/// The arguments of one row as SQL would write them, for an error message.
///
/// An array of one row stands for a constant, whatever `row` is.
pub(super) fn describe_arguments(arrays: &[ArrayRef], row: usize) -> String {
    let texts: Vec<String> = arrays
        .iter()
        .map(|array| {
            let row = if array.len() == 1 { 0 } else { row };
            match ScalarValue::try_from_array(array, row) {
                Ok(value) => describe_value(&value),
                Err(_) => "?".to_owned(),
            }
        })
        .collect();
    texts.join(", ")
}

fn describe_value(value: &ScalarValue) -> String {
    if value.is_null() {
        return "NULL".to_owned();
    }
    let text = value.to_string();
    let text = match text.char_indices().nth(ARGUMENT_CHARS_MAX) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    };
    match value.try_as_str() {
        Some(_) => format!("'{text}'"),
        None => text,
    }
}

/// The message that a caught panic carries.
pub(super) fn panic_message(payload: &(dyn std::any::Any + Send)) -> String {
    if let Some(text) = payload.downcast_ref::<&'static str>() {
        (*text).to_owned()
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text.clone()
    } else {
        "no message".to_owned()
    }
}
