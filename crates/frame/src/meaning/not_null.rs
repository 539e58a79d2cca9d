//! NOT NULL of an external table, checked as its rows are read.

use std::sync::{Arc, LazyLock};

use arrow::array::Array;
use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{Result, ScalarValue, exec_err, internal_err};
use datafusion::config::ConfigOptions;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::physical_expr::expressions::Literal;
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};

static NOT_NULL: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| Arc::new(ScalarUDF::new_from_impl(NotNull::new())));

pub(super) fn function() -> Arc<ScalarUDF> {
    Arc::clone(&NOT_NULL)
}

/// `value`, or an error that begins with `what` if a row of it is NULL.
pub(crate) fn not_null(
    value: Arc<dyn PhysicalExpr>,
    field: FieldRef,
    what: String,
    config: &Arc<ConfigOptions>,
) -> Arc<dyn PhysicalExpr> {
    let what: Arc<dyn PhysicalExpr> = Arc::new(Literal::new(ScalarValue::from(what)));
    Arc::new(ScalarFunctionExpr::new(NAME, function(), vec![value, what], field, Arc::clone(config)))
}

const NAME: &str = "__not_null";

#[derive(Debug, PartialEq, Eq, Hash)]
struct NotNull {
    signature: Signature,
}

impl NotNull {
    fn new() -> Self {
        Self { signature: Signature::any(2, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for NotNull {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        Ok(arg_types[0].clone())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        Ok(FieldRef::clone(&args.arg_fields[0]))
    }

    fn invoke_with_args(&self, mut args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [value, ColumnarValue::Scalar(what)] = args.args.as_slice() else {
            return internal_err!("{NAME} takes a value and a text");
        };
        let has_null = match value {
            ColumnarValue::Array(array) => array.logical_null_count() > 0,
            ColumnarValue::Scalar(value) => value.is_null() && args.number_rows > 0,
        };
        match has_null {
            true => {
                exec_err!("{} is NOT NULL, but a row has no value there", what.try_as_str().flatten().unwrap_or("it"))
            }
            false => Ok(args.args.swap_remove(0)),
        }
    }
}
