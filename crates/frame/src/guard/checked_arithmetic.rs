//! `+`, `-`, `*` and unary minus on integers as functions that fail on overflow.

use std::fmt::{self, Write};
use std::sync::{Arc, LazyLock};

use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::logical_expr::interval_arithmetic::{Interval, apply_operator};
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::sort_properties::{ExprProperties, SortProperties};
use datafusion::logical_expr::type_coercion::binary::BinaryTypeCoercer;
use datafusion::logical_expr::{
    Cast, ColumnarValue, Expr, Operator, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    TryCast, Volatility,
};
use datafusion::physical_expr::intervals::cp_solver::propagate_arithmetic;

use super::kernel::{self, Operation};

/// The operators that can leave the range of an integer type and have two operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ArithmeticOperator {
    /// `+`
    Add,
    /// `-` between two operands
    Subtract,
    /// `*`
    Multiply,
}

impl ArithmeticOperator {
    /// The guarded counterpart of a stock operator, if that operator needs one.
    pub fn from_stock(operator: Operator) -> Option<Self> {
        match operator {
            Operator::Plus => Some(Self::Add),
            Operator::Minus => Some(Self::Subtract),
            Operator::Multiply => Some(Self::Multiply),
            _ => None,
        }
    }

    /// The function that computes this operator.
    pub fn function(self) -> Arc<ScalarUDF> {
        let [add, subtract, multiply] = &*ARITHMETIC;
        Arc::clone(match self {
            Self::Add => add,
            Self::Subtract => subtract,
            Self::Multiply => multiply,
        })
    }

    fn stock(self) -> Operator {
        match self {
            Self::Add => Operator::Plus,
            Self::Subtract => Operator::Minus,
            Self::Multiply => Operator::Multiply,
        }
    }

    pub(super) fn operation(self) -> Operation {
        match self {
            Self::Add => Operation::Add,
            Self::Subtract => Operation::Subtract,
            Self::Multiply => Operation::Multiply,
        }
    }
}

static ARITHMETIC: LazyLock<[Arc<ScalarUDF>; 3]> = LazyLock::new(|| {
    [ArithmeticOperator::Add, ArithmeticOperator::Subtract, ArithmeticOperator::Multiply]
        .map(|operator| Arc::new(ScalarUDF::from(CheckedArithmetic::new(operator))))
});

static NEGATE: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| Arc::new(ScalarUDF::from(CheckedNegate::new())));

/// The function that computes unary minus.
pub(super) fn checked_negate() -> Arc<ScalarUDF> {
    Arc::clone(&NEGATE)
}

/// All functions of this file.
pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    ARITHMETIC.iter().cloned().chain([checked_negate()]).collect()
}

/// `checked_add`, `checked_subtract` and `checked_multiply`: integer arithmetic within one type, or an error.
///
/// Types, names of output columns, bounds and orders are those of the stock operator.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct CheckedArithmetic {
    operator: ArithmeticOperator,
    signature: Signature,
}

impl CheckedArithmetic {
    /// The function for `operator`.
    pub fn new(operator: ArithmeticOperator) -> Self {
        Self { operator, signature: Signature::user_defined(Volatility::Immutable) }
    }

    /// What the expression is without the operation, where an operand makes it pointless.
    fn without_operation(&self, args: &[Expr], info: &SimplifyContext) -> Result<Option<Expr>> {
        let [left, right] = args else {
            return Ok(None);
        };
        let (left_value, right_value) = (literal(left), literal(right));
        if let Some(null) = [left_value, right_value].into_iter().flatten().find(|value| value.is_null()) {
            return Ok(Some(Expr::Literal(null.clone(), None)));
        }
        let is = |value: Option<&ScalarValue>, wanted: i128| -> Result<bool> {
            match value {
                Some(value) => Ok(kernel::integer_value(value)? == Some(wanted)),
                None => Ok(false),
            }
        };
        let kept = match self.operator {
            ArithmeticOperator::Add | ArithmeticOperator::Subtract if is(right_value, 0)? => left,
            ArithmeticOperator::Add if is(left_value, 0)? => right,
            ArithmeticOperator::Multiply if is(right_value, 1)? => left,
            ArithmeticOperator::Multiply if is(left_value, 1)? => right,
            ArithmeticOperator::Multiply if is(right_value, 0)? && !info.nullable(left)? => right,
            ArithmeticOperator::Multiply if is(left_value, 0)? && !info.nullable(right)? => left,
            _ => return Ok(None),
        };
        Ok(Some(kept.clone()))
    }
}

/// The value of a literal of a type the kernels know.
fn literal(expr: &Expr) -> Option<&ScalarValue> {
    match expr {
        Expr::Literal(value, _) if kernel::is_checked_type(&value.data_type()) => Some(value),
        _ => None,
    }
}

impl ScalarUDFImpl for CheckedArithmetic {
    fn name(&self) -> &str {
        match self.operator {
            ArithmeticOperator::Add => "checked_add",
            ArithmeticOperator::Subtract => "checked_subtract",
            ArithmeticOperator::Multiply => "checked_multiply",
        }
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        let mut name = String::new();
        match args {
            [left, right] => write_binary(&mut name, left, self.operator, right)?,
            _ => name.push_str(self.name()),
        }
        Ok(name)
    }

    fn display_name(&self, args: &[Expr]) -> Result<String> {
        // An expression around this one does not know that it must add parentheses.
        Ok(match args {
            [left, right] => format!("({left} {} {right})", self.operator.stock()),
            _ => self.name().to_owned(),
        })
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        let [left, right] = arg_types else {
            return plan_err!("{} takes two arguments, not {}", self.name(), arg_types.len());
        };
        let operator = self.operator.stock();
        let (left, right) = BinaryTypeCoercer::new(left, &operator, right).get_input_types()?;
        if left != right || !kernel::is_checked_type(&left) {
            return plan_err!("{} takes integers of one signedness, not {left} and {right}", self.name());
        }
        Ok(vec![left, right])
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        match arg_types {
            [left, right] if left == right => Ok(left.clone()),
            _ => plan_err!("{} takes two integers of one type, not {arg_types:?}", self.name()),
        }
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        integer_field(self, &args)
    }

    fn is_strict(&self) -> bool {
        true
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match args.args.as_slice() {
            [left, right] => kernel::evaluate(self.operator.operation(), left, right),
            other => plan_err!("{} takes two arguments, not {}", self.name(), other.len()),
        }
    }

    fn simplify(&self, args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        Ok(match self.without_operation(&args, info)? {
            Some(expr) => ExprSimplifyResult::Simplified(expr),
            None => ExprSimplifyResult::Original(args),
        })
    }

    fn evaluate_bounds(&self, inputs: &[&Interval]) -> Result<Interval> {
        match inputs {
            [left, right] => apply_operator(&self.operator.stock(), left, right),
            _ => Interval::make_unbounded(&DataType::Null),
        }
    }

    fn propagate_constraints(&self, interval: &Interval, inputs: &[&Interval]) -> Result<Option<Vec<Interval>>> {
        match inputs {
            [left, right] => Ok(propagate_arithmetic(&self.operator.stock(), interval, left, right)?
                .map(|(left, right)| vec![left, right])),
            _ => Ok(Some(Vec::new())),
        }
    }

    fn output_ordering(&self, inputs: &[ExprProperties]) -> Result<SortProperties> {
        // Where a wrapped result would break the order there is an error instead.
        Ok(match (inputs, self.operator) {
            ([left, right], ArithmeticOperator::Add) => left.sort_properties.add(&right.sort_properties),
            ([left, right], ArithmeticOperator::Subtract) => left.sort_properties.sub(&right.sort_properties),
            _ => SortProperties::Unordered,
        })
    }
}

/// `checked_negate`: the negated integer, or an error.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct CheckedNegate {
    signature: Signature,
}

impl CheckedNegate {
    /// The function for unary minus.
    pub fn new() -> Self {
        Self { signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl Default for CheckedNegate {
    fn default() -> Self {
        Self::new()
    }
}

impl ScalarUDFImpl for CheckedNegate {
    fn name(&self) -> &str {
        "checked_negate"
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        let mut name = String::new();
        match args {
            [argument] => write_negated(&mut name, argument)?,
            _ => name.push_str(self.name()),
        }
        Ok(name)
    }

    fn display_name(&self, args: &[Expr]) -> Result<String> {
        Ok(match args {
            [argument] => format!("(- {argument})"),
            _ => self.name().to_owned(),
        })
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        match arg_types {
            [argument] if argument.is_signed_integer() => Ok(arg_types.to_vec()),
            _ => plan_err!("{} takes one signed integer, not {arg_types:?}", self.name()),
        }
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        match arg_types {
            [argument] => Ok(argument.clone()),
            _ => plan_err!("{} takes one argument, not {}", self.name(), arg_types.len()),
        }
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        integer_field(self, &args)
    }

    fn is_strict(&self) -> bool {
        true
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match args.args.as_slice() {
            [argument] => kernel::negate(argument),
            other => plan_err!("{} takes one argument, not {}", self.name(), other.len()),
        }
    }

    fn evaluate_bounds(&self, inputs: &[&Interval]) -> Result<Interval> {
        match inputs {
            [argument] => argument.arithmetic_negate(),
            _ => Interval::make_unbounded(&DataType::Null),
        }
    }

    fn propagate_constraints(&self, interval: &Interval, inputs: &[&Interval]) -> Result<Option<Vec<Interval>>> {
        match inputs {
            [argument] => Ok(argument.intersect(interval.arithmetic_negate()?)?.map(|argument| vec![argument])),
            _ => Ok(Some(Vec::new())),
        }
    }

    fn output_ordering(&self, inputs: &[ExprProperties]) -> Result<SortProperties> {
        Ok(match inputs {
            [argument] => -argument.sort_properties,
            _ => SortProperties::Unordered,
        })
    }
}

/// Writes the name of the column that `expr` makes, as [`Expr::schema_name`] does.
///
/// A chain of calls is written into one text: each call copying the names below it would copy the square of the whole.
fn write_name(name: &mut String, expr: &Expr) -> fmt::Result {
    match expr {
        Expr::ScalarFunction(call) => {
            let function = call.func.inner();
            match (function.downcast_ref::<CheckedArithmetic>(), call.args.as_slice()) {
                (Some(function), [left, right]) => write_binary(name, left, function.operator, right),
                (None, [argument]) if function.is::<CheckedNegate>() => write_negated(name, argument),
                _ => write!(name, "{}", expr.schema_name()),
            }
        }
        Expr::Column(column) => {
            name.push_str(&column.flat_name());
            Ok(())
        }
        // A cast has no part in a name.
        Expr::Cast(Cast { expr, .. }) | Expr::TryCast(TryCast { expr, .. }) => write_name(name, expr),
        _ => write!(name, "{}", expr.schema_name()),
    }
}

fn write_binary(name: &mut String, left: &Expr, operator: ArithmeticOperator, right: &Expr) -> fmt::Result {
    write_name(name, left)?;
    name.push_str(match operator {
        ArithmeticOperator::Add => " + ",
        ArithmeticOperator::Subtract => " - ",
        ArithmeticOperator::Multiply => " * ",
    });
    write_name(name, right)
}

fn write_negated(name: &mut String, argument: &Expr) -> fmt::Result {
    name.push_str("(- ");
    write_name(name, argument)?;
    name.push(')');
    Ok(())
}

/// The result field: the type of the arguments, nullable if one of them is.
fn integer_field(function: &dyn ScalarUDFImpl, args: &ReturnFieldArgs) -> Result<FieldRef> {
    let types: Vec<DataType> = args.arg_fields.iter().map(|field| field.data_type().clone()).collect();
    let nullable = args.arg_fields.iter().any(|field| field.is_nullable());
    Ok(Arc::new(Field::new(function.name(), function.return_type(&types)?, nullable)))
}
