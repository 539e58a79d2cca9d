//! Intervals: multiplied, divided, and compared by their length.

use std::sync::{Arc, LazyLock};

use arrow::array::{Array, ArrayRef, AsArray, Decimal128Array, IntervalMonthDayNanoArray};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Float64Type, Int64Type, IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalUnit,
};
use datafusion::common::{DFSchema, Result, ScalarValue, exec_err, internal_err};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ExprSchemable, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::sql::sqlparser::ast::BinaryOperator;

/// The type of SQL's intervals.
pub(super) const INTERVAL: DataType = DataType::Interval(IntervalUnit::MonthDayNano);

const DAYS_PER_MONTH: f64 = 30.0;
const SECONDS_PER_DAY: f64 = 86_400.0;
const NANOS_PER_DAY: i128 = 86_400_000_000_000;

/// Plans `number * interval`, `interval * number` and `interval / number`, which DataFusion refuses.
#[derive(Debug)]
pub(super) struct IntervalPlanner;

impl ExprPlanner for IntervalPlanner {
    fn plan_binary_op(&self, expr: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        let function = match expr.op {
            BinaryOperator::Multiply => product(),
            BinaryOperator::Divide => quotient(),
            _ => return Ok(PlannerResult::Original(expr)),
        };
        // A long chain of products asks each level for its type; an interval is rare enough to look for it first.
        let is_interval = |side: &Expr| matches!(side.get_type(schema), Ok(data_type) if data_type == INTERVAL);
        let is_number = |side: &Expr| matches!(side.get_type(schema), Ok(data_type) if data_type.is_numeric());
        let arguments = if mentions_interval(&expr.left) && is_interval(&expr.left) && is_number(&expr.right) {
            vec![expr.left, expr.right]
        } else if expr.op == BinaryOperator::Multiply
            && mentions_interval(&expr.right)
            && is_interval(&expr.right)
            && is_number(&expr.left)
        {
            vec![expr.right, expr.left]
        } else {
            return Ok(PlannerResult::Original(expr));
        };
        Ok(PlannerResult::Planned(Expr::ScalarFunction(ScalarFunction::new_udf(function, arguments))))
    }
}

/// Whether the expression may be an interval, by its outermost part alone.
fn mentions_interval(expr: &Expr) -> bool {
    match expr {
        Expr::Literal(value, _) => value.data_type() == INTERVAL,
        Expr::BinaryExpr(_) => false,
        _ => true,
    }
}

static PRODUCT: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| scaled(Scaling::Product));
static QUOTIENT: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| scaled(Scaling::Quotient));
static ORDER_KEY: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| Arc::new(ScalarUDF::new_from_impl(OrderKey::new())));

pub(super) fn product() -> Arc<ScalarUDF> {
    Arc::clone(&PRODUCT)
}

pub(super) fn quotient() -> Arc<ScalarUDF> {
    Arc::clone(&QUOTIENT)
}

/// `__interval_length(i)`: the nanoseconds of an interval, with days of 24 hours and months of 30 days.
pub(super) fn order_key() -> Arc<ScalarUDF> {
    Arc::clone(&ORDER_KEY)
}

fn scaled(scaling: Scaling) -> Arc<ScalarUDF> {
    let signature = Signature::user_defined(Volatility::Immutable);
    Arc::new(ScalarUDF::new_from_impl(Scaled { scaling, signature }))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Scaling {
    Product,
    Quotient,
}

/// An interval times a number, or divided by one. What is left of a month goes into days, what is left of a day into time.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Scaled {
    scaling: Scaling,
    signature: Signature,
}

impl ScalarUDFImpl for Scaled {
    fn name(&self) -> &str {
        match self.scaling {
            Scaling::Product => "__interval_product",
            Scaling::Quotient => "__interval_quotient",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(INTERVAL)
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        let is_whole = self.scaling == Scaling::Product
            && arg_types.get(1).is_some_and(|factor| factor.is_integer() && *factor != DataType::UInt64);
        Ok(vec![INTERVAL, if is_whole { DataType::Int64 } else { DataType::Float64 }])
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let [intervals, factors] = arrays.as_slice() else {
            return internal_err!("{} takes two arguments, not {}", self.name(), arrays.len());
        };
        let intervals = intervals.as_primitive::<IntervalMonthDayNanoType>().iter();
        let answers: Vec<Option<IntervalMonthDayNano>> = if factors.data_type() == &DataType::Int64 {
            let pairs = intervals.zip(factors.as_primitive::<Int64Type>());
            pairs
                .map(|(interval, n)| interval.zip(n).map(|(interval, n)| times(interval, n)).transpose())
                .collect::<Result<_>>()?
        } else {
            let pairs = intervals.zip(factors.as_primitive::<Float64Type>());
            let scale = |(interval, x)| self.scale(interval, x);
            pairs.map(|(interval, x)| interval.zip(x).map(scale).transpose()).collect::<Result<_>>()?
        };
        let array: ArrayRef = Arc::new(IntervalMonthDayNanoArray::from(answers));
        let is_scalar = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        Ok(match is_scalar && array.len() == 1 {
            true => ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?),
            false => ColumnarValue::Array(array),
        })
    }
}

impl Scaled {
    fn scale(&self, interval: IntervalMonthDayNano, factor: f64) -> Result<IntervalMonthDayNano> {
        if self.scaling == Scaling::Quotient && factor == 0.0 {
            return exec_err!("division by zero");
        }
        let scale = |x: f64| if self.scaling == Scaling::Product { x * factor } else { x / factor };
        // Binary fractions are rounded to microseconds, so that a third of a month is ten days.
        let rounded = |x: f64| (x * 1e6).round_ties_even() / 1e6;
        let months = scale(interval.months.into());
        let days = scale(interval.days.into());
        let spare_days = rounded((months - months.trunc()) * DAYS_PER_MONTH);
        let mut seconds = rounded((days - days.trunc() + spare_days - spare_days.trunc()) * SECONDS_PER_DAY);
        let mut whole_days = days.trunc() + spare_days.trunc();
        if seconds.abs() >= SECONDS_PER_DAY {
            whole_days += (seconds / SECONDS_PER_DAY).trunc();
            seconds %= SECONDS_PER_DAY;
        }
        let micros = (scale(interval.nanoseconds as f64 / 1e3) + seconds * 1e6).round_ties_even();
        match (whole::<i32>(months.trunc()), whole::<i32>(whole_days), whole::<i64>(micros * 1e3)) {
            (Some(months), Some(days), Some(nanoseconds)) => Ok(IntervalMonthDayNano::new(months, days, nanoseconds)),
            _ => exec_err!("an interval is out of range"),
        }
    }
}

fn whole<T: TryFrom<i128>>(x: f64) -> Option<T> {
    if x.is_finite() { T::try_from(x as i128).ok() } else { None }
}

fn times(interval: IntervalMonthDayNano, n: i64) -> Result<IntervalMonthDayNano> {
    let small = |x: i32| i64::from(x).checked_mul(n).and_then(|x| i32::try_from(x).ok());
    match (small(interval.months), small(interval.days), interval.nanoseconds.checked_mul(n)) {
        (Some(months), Some(days), Some(nanoseconds)) => Ok(IntervalMonthDayNano::new(months, days, nanoseconds)),
        _ => exec_err!("an interval is out of range"),
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct OrderKey {
    signature: Signature,
}

impl OrderKey {
    fn new() -> Self {
        Self { signature: Signature::exact(vec![INTERVAL], Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for OrderKey {
    fn name(&self) -> &str {
        "__interval_length"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Decimal128(38, 0))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let [intervals] = arrays.as_slice() else {
            return internal_err!("__interval_length takes one argument, not {}", arrays.len());
        };
        let intervals = cast(intervals, &INTERVAL)?;
        let length = |interval: IntervalMonthDayNano| {
            (i128::from(interval.months) * 30 + i128::from(interval.days)) * NANOS_PER_DAY
                + i128::from(interval.nanoseconds)
        };
        let lengths: Decimal128Array = intervals.as_primitive::<IntervalMonthDayNanoType>().unary(length);
        let array: ArrayRef = Arc::new(lengths.with_precision_and_scale(38, 0)?);
        Ok(match args.args.as_slice() {
            [ColumnarValue::Scalar(_)] => ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?),
            _ => ColumnarValue::Array(array),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_of_a_unit_goes_into_the_next() {
        let scaled = |scaling, interval, factor| {
            Scaled { scaling, signature: Signature::user_defined(Volatility::Immutable) }
                .scale(interval, factor)
                .unwrap()
        };
        let hour = 3_600_000_000_000;
        let new = IntervalMonthDayNano::new;
        // PostgreSQL 15.
        assert_eq!(scaled(Scaling::Product, new(1, 1, 0), 1.5), new(1, 16, 12 * hour));
        assert_eq!(scaled(Scaling::Product, new(12, 2, 3 * hour), 2.5), new(30, 5, 7 * hour + hour / 2));
        assert_eq!(scaled(Scaling::Product, new(-1, 3, 0), 0.7), new(0, -19, 2 * hour + 2 * hour / 5));
        assert_eq!(scaled(Scaling::Quotient, new(1, 0, 0), 3.0), new(0, 10, 0));
        assert_eq!(scaled(Scaling::Quotient, new(0, 1, 0), 2.0), new(0, 0, 12 * hour));
    }

    #[test]
    fn an_interval_that_is_too_long_is_an_error() {
        assert!(times(IntervalMonthDayNano::new(0, i32::MAX, 0), 2).is_err());
        assert_eq!(times(IntervalMonthDayNano::new(1, 2, 3), -2).unwrap(), IntervalMonthDayNano::new(-2, -4, -6));
    }
}
