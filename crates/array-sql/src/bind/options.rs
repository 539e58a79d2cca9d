//! Options of statements.

use dolmen_array::ChunkSpec;
use dolmen_kernels::WeakScalar;

use super::call::{CHUNKS_EXPECTED, chunk_spec};
use super::value::Value;
use crate::{ArraySqlError, OptionValue, Result, StatementOption};

/// The chunks that an option `chunks => ...` of a statement asks for.
///
/// # Errors
/// [`ArraySqlError::Value`] for a value that is none.
pub fn chunks_option(option: &StatementOption) -> Result<ChunkSpec> {
    let wrong = || ArraySqlError::value(format!("the option {} needs {CHUNKS_EXPECTED}", option.name), option.span);
    chunk_spec(&value_of(&option.value)).ok_or_else(wrong)
}

fn value_of(option: &OptionValue) -> Value {
    match option {
        OptionValue::Null => Value::Null,
        OptionValue::Bool(value) => Value::Weak(WeakScalar::Bool(*value)),
        OptionValue::Int(value) => Value::Weak(WeakScalar::Int(*value)),
        OptionValue::Float(value) => Value::float(*value),
        OptionValue::Text(text) => Value::Text(text.clone()),
        OptionValue::List(items) => Value::List(items.iter().map(value_of).collect()),
    }
}
