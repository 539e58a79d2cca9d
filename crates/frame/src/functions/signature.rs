//! What the planner is told about a function: its name, its parameters and how arguments are converted.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use datafusion::common::{DataFusionError, Result};
use datafusion::logical_expr::{Signature, Volatility};

use super::call::{Arguments, Parameter, RowError};
use super::error::{FunctionError, describe_arguments};

/// The name and the parameters of a function, shared by its plans and its running instances.
#[derive(Debug)]
pub(super) struct Declaration {
    name: String,
    aliases: Vec<String>,
    parameters: Vec<Parameter>,
    signature: Signature,
}

impl Declaration {
    pub(super) fn new<A: Arguments>(name: impl Into<String>, volatility: Volatility) -> Arc<Self> {
        let name = name.into();
        let parameters = A::parameters();
        // The names end up in the planner's list of candidates, where the types are what a reader needs.
        let names =
            parameters.iter().enumerate().map(|(index, parameter)| format!("arg{}: {}", index + 1, parameter.sql_name));
        let signature = Signature::user_defined(volatility);
        let signature = match signature.clone().with_parameter_names(names.collect::<Vec<_>>()) {
            Ok(named) => named,
            Err(_) => signature,
        };
        // SQL folds names without quotes to lower case, so that a name such as `Scale` would never be found.
        let folded = name.to_lowercase();
        let aliases = if folded == name { vec![] } else { vec![folded] };
        Arc::new(Self { name, aliases, parameters, signature })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn aliases(&self) -> &[String] {
        &self.aliases
    }

    pub(super) fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    pub(super) fn signature(&self) -> &Signature {
        &self.signature
    }

    /// Whether a NULL argument makes the result NULL without a call.
    pub(super) fn is_strict(&self) -> bool {
        !self.parameters.is_empty() && self.parameters.iter().all(|parameter| !parameter.takes_null)
    }

    /// The types to which the planner converts the arguments of a call.
    pub(super) fn coerce(&self, given: &[DataType]) -> Result<Vec<DataType>, FunctionError> {
        self.check_count(given.len())?;
        let types = self.parameters.iter().zip(given).enumerate();
        types.map(|(index, (parameter, given))| self.coerce_one(index, parameter, given)).collect()
    }

    /// [`Declaration::coerce`] with the error that DataFusion's planner expects.
    pub(super) fn coerce_planned(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        self.coerce(given).map_err(|error| DataFusionError::Plan(error.to_string()))
    }

    fn coerce_one(&self, index: usize, parameter: &Parameter, given: &DataType) -> Result<DataType, FunctionError> {
        (parameter.accept)(given).ok_or_else(|| FunctionError::ArgumentType {
            signature: self.to_string(),
            position: index + 1,
            expected: parameter.sql_name.clone(),
            given: given.to_string(),
        })
    }

    pub(super) fn check_count(&self, given: usize) -> Result<(), FunctionError> {
        let expected = self.parameters.len();
        if given == expected {
            return Ok(());
        }
        Err(FunctionError::ArgumentCount { signature: self.to_string(), expected, given })
    }

    /// The error for an array whose type the planner should have converted.
    pub(super) fn unexpected_type(&self, index: usize, arrays: &[ArrayRef]) -> FunctionError {
        FunctionError::UnexpectedType {
            name: self.name.clone(),
            position: index + 1,
            expected: self.parameters.get(index).map_or_else(String::new, |parameter| parameter.sql_name.clone()),
            given: arrays.get(index).map_or_else(|| "nothing".to_owned(), |array| array.data_type().to_string()),
        }
    }

    pub(super) fn bad_value(&self, error: RowError, arrays: &[ArrayRef], row: usize) -> FunctionError {
        let (position, source) = error;
        let arguments = describe_arguments(arrays, row);
        FunctionError::Value { name: self.name.clone(), arguments, position, source }
    }

    pub(super) fn failed(&self, message: String, arrays: &[ArrayRef], row: usize) -> FunctionError {
        FunctionError::Failed { name: self.name.clone(), arguments: describe_arguments(arrays, row), message }
    }

    pub(super) fn panicked(&self, message: String, arrays: &[ArrayRef], row: usize) -> FunctionError {
        FunctionError::Panicked { name: self.name.clone(), arguments: describe_arguments(arrays, row), message }
    }
}

/// As a reader of SQL would write it: `scale(BIGINT, DOUBLE)`.
impl std::fmt::Display for Declaration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = self.parameters.iter().map(|parameter| parameter.sql_name.as_str()).collect();
        write!(f, "{}({})", self.name, names.join(", "))
    }
}
