//! `->` and `->>`: parts of JSON texts.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringBuilder};
use arrow::datatypes::{DataType, Int64Type};
use datafusion::common::{Result, ScalarValue, internal_err, plan_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

use super::json_text::{Step, check, part, unquoted};
use super::{is_text, plain_type};
use crate::sql_type::sql_type_name;

/// The name of the function for `->`, in whose place `sql/desugar` puts it.
pub(crate) const JSON_GET: &str = "__json_get";
/// The name of the function for `->>`.
pub(crate) const JSON_GET_TEXT: &str = "__json_get_text";

/// `json -> step -> ...`, as a function of the text and all steps: a value inside a JSON text, as it is written there.
///
/// A step is the key of an object, or the position in an array: from 0, negative ones from the end. What is not there is
/// NULL. The function for `->>` gives strings without quotes, and JSON's null as NULL. A text that is not JSON is an error,
/// whatever the steps are.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct JsonGet {
    as_text: bool,
    signature: Signature,
}

impl JsonGet {
    pub(super) fn value() -> Self {
        Self { as_text: false, signature: Signature::user_defined(Volatility::Immutable) }
    }

    pub(super) fn text() -> Self {
        Self { as_text: true, ..Self::value() }
    }
}

impl ScalarUDFImpl for JsonGet {
    fn name(&self) -> &str {
        if self.as_text { JSON_GET_TEXT } else { JSON_GET }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        let [json, steps @ ..] = arg_types else { return plan_err!("-> stands behind a JSON text") };
        if !is_text(&plain_type(json)) && !json.is_null() {
            return plan_err!("-> and ->> look into a JSON text, not into a value of type {}", sql_type_name(json));
        }
        let mut types = vec![DataType::Utf8];
        for step in steps {
            types.push(match plain_type(step) {
                text if is_text(&text) || text.is_null() => DataType::Utf8,
                DataType::UInt64 => {
                    return plan_err!("a position behind -> is a BIGINT, not {}", sql_type_name(step));
                }
                number if number.is_integer() => DataType::Int64,
                other => {
                    let other = sql_type_name(&other);
                    return plan_err!("behind -> stands a key (text) or a position (integer), not {other}");
                }
            });
        }
        Ok(types)
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let is_scalar = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let n_rows = if is_scalar { 1 } else { args.number_rows };
        let [json, steps @ ..] = args.args.as_slice() else {
            return internal_err!("{} takes a text", self.name());
        };
        let json = json.to_array(n_rows)?;
        let json = json.as_string::<i32>();
        let steps = steps.iter().map(Steps::try_new).collect::<Result<Vec<_>>>()?;
        let mut parts = StringBuilder::with_capacity(n_rows, 0);
        for row in 0..n_rows {
            match json.is_valid(row) {
                true => self.append(json.value(row), steps.iter().map(|steps| steps.of(row)), &mut parts)?,
                false => parts.append_null(),
            }
        }
        let parts: ArrayRef = Arc::new(parts.finish());
        Ok(match is_scalar {
            true => ColumnarValue::Scalar(ScalarValue::try_from_array(&parts, 0)?),
            false => ColumnarValue::Array(parts),
        })
    }
}

impl JsonGet {
    fn append<'a>(
        &self,
        json: &str,
        mut steps: impl Iterator<Item = Option<Step<'a>>>,
        parts: &mut StringBuilder,
    ) -> Result<()> {
        check(json)?;
        let found = steps.try_fold(json.trim(), |value, step| part(value, &step?));
        match found {
            Some(found) if self.as_text => parts.append_option(unquoted(found)?),
            found => parts.append_option(found),
        }
        Ok(())
    }
}

/// One step of all rows.
enum Steps {
    Constant(Option<OwnedStep>),
    Column(ArrayRef),
}

enum OwnedStep {
    Key(String),
    Position(i64),
}

impl Steps {
    fn try_new(value: &ColumnarValue) -> Result<Self> {
        match value {
            ColumnarValue::Array(array) => Ok(Self::Column(Arc::clone(array))),
            ColumnarValue::Scalar(ScalarValue::Utf8(key)) => Ok(Self::Constant(key.clone().map(OwnedStep::Key))),
            ColumnarValue::Scalar(ScalarValue::Int64(n)) => Ok(Self::Constant(n.map(OwnedStep::Position))),
            ColumnarValue::Scalar(other) => internal_err!("{} is no step into JSON", other.data_type()),
        }
    }

    fn of(&self, row: usize) -> Option<Step<'_>> {
        match self {
            Self::Constant(step) => step.as_ref().map(|step| match step {
                OwnedStep::Key(key) => Step::Key(key),
                OwnedStep::Position(n) => Step::Position(*n),
            }),
            Self::Column(array) if array.is_null(row) => None,
            Self::Column(array) => Some(match array.as_string_opt::<i32>() {
                Some(keys) => Step::Key(keys.value(row)),
                None => Step::Position(array.as_primitive::<Int64Type>().value(row)),
            }),
        }
    }
}
