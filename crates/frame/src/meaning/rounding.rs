//! A cast to an integer rounds.

use std::sync::{Arc, LazyLock};

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, PrimitiveArray};
use arrow::datatypes::{
    ArrowNativeType, ArrowNativeTypeOp, DataType, Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type,
    Float16Type, Float32Type, Float64Type,
};
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

static ROUNDED: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| Arc::new(ScalarUDF::new_from_impl(Rounded::new())));

pub(super) fn rounded() -> Arc<ScalarUDF> {
    Arc::clone(&ROUNDED)
}

/// Whether an expression is rounded already.
pub(super) fn is_rounded(expr: &Expr) -> bool {
    matches!(expr, Expr::ScalarFunction(call) if call.func.inner().is::<Rounded>())
}

/// Whether a value of this type may have a fraction.
pub(super) fn has_fraction(data_type: &DataType) -> bool {
    match data_type {
        DataType::Float16 | DataType::Float32 | DataType::Float64 => true,
        DataType::Decimal32(_, scale)
        | DataType::Decimal64(_, scale)
        | DataType::Decimal128(_, scale)
        | DataType::Decimal256(_, scale) => *scale > 0,
        _ => false,
    }
}

/// `__rounded(x)`: the integer that is closest to `x`, in the type of `x`. Halves of decimals go away from zero, halves of
/// floats to the even integer, as in PostgreSQL.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Rounded {
    signature: Signature,
}

impl Rounded {
    fn new() -> Self {
        Self { signature: Signature::any(1, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for Rounded {
    fn name(&self) -> &str {
        "__rounded"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        Ok(arg_types[0].clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match args.args.as_slice() {
            [ColumnarValue::Array(array)] => Ok(ColumnarValue::Array(rounded_array(array)?)),
            [ColumnarValue::Scalar(value)] => {
                let array = rounded_array(&value.to_array()?)?;
                Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?))
            }
            other => internal_err!("__rounded takes one argument, not {}", other.len()),
        }
    }
}

fn rounded_array(array: &ArrayRef) -> Result<ArrayRef> {
    Ok(match array.data_type() {
        DataType::Float16 => {
            let halves = array.as_primitive::<Float16Type>();
            Arc::new(halves.unary::<_, Float16Type>(|x| {
                <Float16Type as ArrowPrimitiveType>::Native::from_f32(x.to_f32().round_ties_even())
            }))
        }
        DataType::Float32 => {
            Arc::new(array.as_primitive::<Float32Type>().unary::<_, Float32Type>(f32::round_ties_even))
        }
        DataType::Float64 => {
            Arc::new(array.as_primitive::<Float64Type>().unary::<_, Float64Type>(f64::round_ties_even))
        }
        DataType::Decimal32(_, scale) => Arc::new(rounded_decimals::<Decimal32Type>(array, *scale)),
        DataType::Decimal64(_, scale) => Arc::new(rounded_decimals::<Decimal64Type>(array, *scale)),
        DataType::Decimal128(_, scale) => Arc::new(rounded_decimals::<Decimal128Type>(array, *scale)),
        DataType::Decimal256(_, scale) => Arc::new(rounded_decimals::<Decimal256Type>(array, *scale)),
        other => return internal_err!("__rounded takes floats and decimals, not {other}"),
    })
}

/// Every decimal type has room for one and a half times its largest value, so that nothing overflows.
fn rounded_decimals<T: ArrowPrimitiveType>(array: &ArrayRef, scale: i8) -> PrimitiveArray<T> {
    let array = array.as_primitive::<T>();
    let ten = T::Native::usize_as(10);
    let unit = ten.pow_wrapping(u32::from(scale.unsigned_abs()));
    let half = unit.div_wrapping(T::Native::usize_as(2));
    let rounded = array.unary::<_, T>(|x| {
        let away = if x.is_lt(T::Native::ZERO) { x.sub_wrapping(half) } else { x.add_wrapping(half) };
        away.sub_wrapping(away.mod_wrapping(unit))
    });
    rounded.with_data_type(array.data_type().clone())
}

#[cfg(test)]
mod tests {
    use arrow::array::{Decimal128Array, Float64Array};

    use super::*;

    #[test]
    fn halves_of_decimals_go_away_from_zero() {
        let array = Decimal128Array::from(vec![Some(249), Some(250), Some(-250), Some(-249), None]);
        let array: ArrayRef = Arc::new(array.with_precision_and_scale(5, 2).unwrap());
        let rounded = rounded_array(&array).unwrap();
        let values: Vec<_> = rounded.as_primitive::<Decimal128Type>().iter().collect();
        assert_eq!(values, [Some(200), Some(300), Some(-300), Some(-200), None]);
        assert_eq!(rounded.data_type(), array.data_type());
    }

    #[test]
    fn halves_of_floats_go_to_the_even_integer() {
        let array: ArrayRef = Arc::new(Float64Array::from(vec![0.5, 1.5, 2.5, -0.6, f64::INFINITY]));
        let rounded = rounded_array(&array).unwrap();
        assert_eq!(rounded.as_primitive::<Float64Type>().values().as_ref(), [0.0, 2.0, 2.0, -1.0, f64::INFINITY]);
    }
}
