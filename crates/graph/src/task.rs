//! What a running task is given, and how it fails.

use std::error::Error;
use std::sync::Arc;

use smallvec::SmallVec;
use thiserror::Error;

use crate::{Value, ValueRef};

/// The values that a task reads, grouped by the inputs of its stage.
///
/// Within one input they stand in the order of [`Wiring::for_each_input`](crate::Wiring::for_each_input). Behind an
/// exchange each of them is the piece that is meant for this task.
#[derive(Debug, Clone, Default)]
pub struct TaskInputs {
    values: SmallVec<[ValueRef; 2]>,
    ends: SmallVec<[u32; 4]>,
}

impl TaskInputs {
    /// No input yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Room for `n_values` values, with no input yet.
    #[must_use]
    pub fn with_capacity(n_values: usize) -> Self {
        Self { values: SmallVec::with_capacity(n_values), ends: SmallVec::new() }
    }

    /// Adds a value to the input that is being filled.
    pub fn push(&mut self, value: ValueRef) {
        self.values.push(value);
    }

    /// Ends the input that is being filled; the next value belongs to the next input.
    ///
    /// # Panics
    /// If there are more than `u32::MAX` values.
    pub fn end_input(&mut self) {
        self.ends.push(u32::try_from(self.values.len()).expect("at most u32::MAX values in all inputs of a task"));
    }

    /// The number of inputs, the same as the number of inputs of the stage.
    #[must_use]
    pub fn n_inputs(&self) -> usize {
        self.ends.len()
    }

    /// The number of values in all inputs.
    #[must_use]
    pub fn n_values(&self) -> usize {
        self.values.len()
    }

    /// The values of input `input_idx`, none if there is no such input.
    #[must_use]
    pub fn input(&self, input_idx: usize) -> &[ValueRef] {
        let Some(end) = self.ends.get(input_idx) else { return &[] };
        let start = if input_idx == 0 { 0 } else { self.ends[input_idx - 1] as usize };
        &self.values[start..*end as usize]
    }

    /// The value at `position` of input `input_idx` as a `T`.
    ///
    /// # Errors
    /// [`TaskError::InputMissing`] if there is no such value, [`TaskError::InputType`] if it is not a `T`.
    pub fn get<T: Value>(&self, input_idx: usize, position: usize) -> Result<&T, TaskError> {
        let value = self.input(input_idx).get(position).ok_or(TaskError::InputMissing { input_idx, position })?;
        value.downcast_ref().ok_or_else(|| TaskError::InputType {
            input_idx,
            position,
            expected: std::any::type_name::<T>(),
            found: value.type_name(),
        })
    }

    /// All values in order, without their grouping.
    #[must_use]
    pub fn into_values(self) -> Vec<ValueRef> {
        self.values.into_vec()
    }
}

/// Why a task failed.
///
/// Cloning is cheap: a failure is told to everyone who waits for the task.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum TaskError {
    /// The operation failed, and would fail again.
    #[error(transparent)]
    Failed {
        /// What the operation said.
        source: Arc<dyn Error + Send + Sync>,
    },
    /// The operation failed for a reason that may pass, such as a connection that broke; another attempt may succeed.
    #[error(transparent)]
    Transient {
        /// What the operation said.
        source: Arc<dyn Error + Send + Sync>,
    },
    /// One step of a fused operation failed.
    #[error("in `{step}`: {error}")]
    Step {
        /// The operation of the step.
        step: String,
        /// How it failed.
        error: Arc<TaskError>,
    },
    /// An input is of another type than the operation reads.
    #[error("value {position} of input {input_idx} is a {found}, the operation reads a {expected}")]
    InputType {
        /// The input of the stage.
        input_idx: usize,
        /// The value in it.
        position: usize,
        /// The Rust type that the operation reads.
        expected: &'static str,
        /// The Rust type that it got.
        found: &'static str,
    },
    /// An input has fewer values than the operation reads.
    #[error("value {position} of input {input_idx} is missing")]
    InputMissing {
        /// The input of the stage.
        input_idx: usize,
        /// The value in it.
        position: usize,
    },
    /// An input or the result could not be written as bytes or read back.
    #[error(transparent)]
    Value(#[from] crate::ValueError),
    /// The task noticed that it was cancelled, and stopped.
    #[error("cancelled")]
    Cancelled,
    /// The operation panicked.
    #[error("panicked: {message}")]
    Panicked {
        /// The message of the panic.
        message: String,
    },
}

impl TaskError {
    /// The failure of an operation for good.
    pub fn failed(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Failed { source: Arc::from(error.into()) }
    }

    /// The failure of an operation that another attempt may mend.
    pub fn transient(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Transient { source: Arc::from(error.into()) }
    }

    /// The failure of an operation that panicked with `payload`, as `catch_unwind` gives it.
    #[must_use]
    pub fn panicked(payload: &(dyn std::any::Any + Send)) -> Self {
        let text = payload.downcast_ref::<&str>().copied();
        let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        Self::Panicked { message: text.unwrap_or("a value that is no text").to_owned() }
    }

    /// Whether another attempt may succeed.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Transient { .. } => true,
            Self::Step { error, .. } => error.is_transient(),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Pieces;

    fn value() -> ValueRef {
        Arc::new(Pieces::new(Vec::new()))
    }

    #[test]
    fn inputs_keep_their_groups() {
        let mut inputs = TaskInputs::new();
        inputs.push(value());
        inputs.end_input();
        inputs.end_input();
        inputs.push(value());
        inputs.push(value());
        inputs.end_input();
        assert_eq!((0..4).map(|i| inputs.input(i).len()).collect::<Vec<_>>(), [1, 0, 2, 0]);
        assert_eq!((inputs.n_inputs(), inputs.n_values()), (3, 3));
        assert!(matches!(inputs.get::<Pieces>(1, 0), Err(TaskError::InputMissing { input_idx: 1, position: 0 })));
    }

    #[test]
    fn a_step_is_as_transient_as_its_cause() {
        let step = |error| TaskError::Step { step: "load".into(), error: Arc::new(error) };
        assert!(step(TaskError::transient("reset")).is_transient());
        assert!(!step(TaskError::failed("no such file")).is_transient());
        assert_eq!(step(TaskError::failed("no such file")).to_string(), "in `load`: no such file");
    }
}
