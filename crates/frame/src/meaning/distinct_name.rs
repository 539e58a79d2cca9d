//! A name of its own for an expression that the planner calls as another one.

use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{Result, internal_err};
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

/// The name of [`DistinctName`].
pub(crate) const DISTINCT_NAME: &str = "__distinct_name";

/// `__distinct_name(value, 'text')` is `value`. The planner leaves casts out of names, so that `sum(x::INT)` and
/// `sum(x::BIGINT)` are both `sum(x)`, and a plan cannot hold both; with the text in them they differ.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct DistinctName {
    signature: Signature,
}

impl Default for DistinctName {
    fn default() -> Self {
        Self { signature: Signature::any(2, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for DistinctName {
    fn name(&self) -> &str {
        DISTINCT_NAME
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

    fn simplify(&self, mut args: Vec<Expr>, _: &SimplifyContext) -> Result<ExprSimplifyResult> {
        Ok(ExprSimplifyResult::Simplified(args.swap_remove(0)))
    }

    fn invoke_with_args(&self, mut args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match args.args.len() {
            2 => Ok(args.args.swap_remove(0)),
            n => internal_err!("{DISTINCT_NAME} takes two arguments, not {n}"),
        }
    }
}
