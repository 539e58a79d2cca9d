//! The function that rejects a scalar subquery with more than one row.

use std::sync::{Arc, LazyLock};

use datafusion::arrow::array::{Array, AsArray};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Int64Type};
use datafusion::common::{Result, ScalarValue, exec_err, internal_err};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

const NAME: &str = "__single_row";

static SINGLE_ROW: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| Arc::new(ScalarUDF::new_from_impl(SingleRow::new())));

/// The function `__single_row(value, n_rows)`: `value`, or an error where `n_rows` is more than one.
///
/// A rewritten scalar subquery ends in it. It stands where the subquery stood, so that a `CASE` arm that is not taken
/// for a row does not raise the error for that row. A session that decodes plans of another one has to register it.
pub fn single_row_udf() -> Arc<ScalarUDF> {
    Arc::clone(&SINGLE_ROW)
}

/// `__single_row(value, n_rows)`.
pub(super) fn single_row(value: Expr, n_rows: Expr) -> Expr {
    SINGLE_ROW.call(vec![value, n_rows])
}

/// Whether a function is the one of [`single_row_udf`].
pub(super) fn is_single_row(function: &ScalarUDF) -> bool {
    function.name() == NAME
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct SingleRow {
    signature: Signature,
}

impl SingleRow {
    fn new() -> Self {
        Self { signature: Signature::any(2, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for SingleRow {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        internal_err!("{NAME} computes a field, not a type")
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let value = &args.arg_fields[0];
        Ok(Arc::new(Field::new(NAME, value.data_type().clone(), true).with_metadata(value.metadata().clone())))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [value, n_rows] = args.args.as_slice() else {
            return internal_err!("{NAME} takes two arguments, not {}", args.args.len());
        };
        let too_many = match n_rows {
            ColumnarValue::Scalar(ScalarValue::Int64(n)) => n.is_some_and(|n| n > 1),
            ColumnarValue::Array(counts) if counts.data_type() == &DataType::Int64 => {
                counts.as_primitive::<Int64Type>().iter().flatten().any(|n| n > 1)
            }
            other => {
                return internal_err!("{NAME} needs a BIGINT number of rows, not {}", other.data_type());
            }
        };
        if too_many {
            return exec_err!("a scalar subquery returned more than one row");
        }
        Ok(value.clone())
    }
}
