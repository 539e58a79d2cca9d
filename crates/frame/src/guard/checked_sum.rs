//! SUM that fails where the stock one wraps.

use std::sync::{Arc, LazyLock};

use datafusion::arrow::datatypes::{
    DataType, Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type, Field, FieldRef, Int64Type, UInt64Type,
};
use datafusion::common::{Result, ScalarValue};
use datafusion::functions_aggregate::sum::Sum;
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::{AggregateOrderSensitivity, format_state_name};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Documentation, Expr, GroupsAccumulator, Operator, ReversedUDAF,
    SetMonotonicity, Signature, StatisticsArgs,
};

use super::distinct_sum::DistinctSum;
use super::exact_sum::{DecimalSum, ExactSum, IntegerSum};
use super::sum_accumulator::SumAccumulator;
use super::sum_groups::SumGroups;

static CHECKED_SUM: LazyLock<Arc<AggregateUDF>> = LazyLock::new(|| Arc::new(AggregateUDF::from(CheckedSum::new())));

/// The function, shared.
pub(super) fn checked_sum() -> Arc<AggregateUDF> {
    Arc::clone(&CHECKED_SUM)
}

/// `sum` with the types and names of the stock function.
///
/// | argument | total | answer |
/// |---|---|---|
/// | integers | 128 bits | BIGINT, or an error |
/// | decimals whose sum has ten digits more than they | the stock function | as stock |
/// | other decimals | storage of the type, or an error | the declared digits, or an error |
/// | floats, durations, intervals | the stock function | as stock |
#[derive(Debug, Default, PartialEq, Eq, Hash)]
pub struct CheckedSum {
    stock: Sum,
}

impl CheckedSum {
    /// The function.
    pub fn new() -> Self {
        Self { stock: Sum::new() }
    }
}

/// Who adds up values of one type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Adder {
    Signed,
    Unsigned,
    Decimal32,
    Decimal64,
    Decimal128,
    Decimal256,
    Stock,
}

/// Digits of a sum beyond those of its argument with which it cannot overflow: ten billion rows.
const HEADROOM_DIGITS: u8 = 10;

impl Adder {
    fn new(argument: &DataType, answer: &DataType) -> Self {
        let checked = |argument: u8, answer: u8, adder| {
            if answer.saturating_sub(argument) >= HEADROOM_DIGITS { Self::Stock } else { adder }
        };
        match (argument, answer) {
            (DataType::Int64, DataType::Int64) => Self::Signed,
            (DataType::UInt64, DataType::UInt64) => Self::Unsigned,
            (DataType::Decimal32(argument, _), DataType::Decimal32(answer, _)) => {
                checked(*argument, *answer, Self::Decimal32)
            }
            (DataType::Decimal64(argument, _), DataType::Decimal64(answer, _)) => {
                checked(*argument, *answer, Self::Decimal64)
            }
            (DataType::Decimal128(argument, _), DataType::Decimal128(answer, _)) => {
                checked(*argument, *answer, Self::Decimal128)
            }
            (DataType::Decimal256(argument, _), DataType::Decimal256(answer, _)) => {
                checked(*argument, *answer, Self::Decimal256)
            }
            _ => Self::Stock,
        }
    }

    fn of(args: &AccumulatorArgs) -> Self {
        match args.expr_fields {
            [argument] => Self::new(argument.data_type(), args.return_type()),
            _ => Self::Stock,
        }
    }
}

/// Calls `$build::<Kind>($args)` with the kind of sum that `$adder` stands for, or else does `$stock`.
macro_rules! dispatch {
    ($adder:expr, $build:ident($($arg:expr),*), $stock:expr) => {
        match $adder {
            Adder::Signed => Ok($build::<IntegerSum<Int64Type>>($($arg),*)),
            Adder::Unsigned => Ok($build::<IntegerSum<UInt64Type>>($($arg),*)),
            Adder::Decimal32 => Ok($build::<DecimalSum<Decimal32Type>>($($arg),*)),
            Adder::Decimal64 => Ok($build::<DecimalSum<Decimal64Type>>($($arg),*)),
            Adder::Decimal128 => Ok($build::<DecimalSum<Decimal128Type>>($($arg),*)),
            Adder::Decimal256 => Ok($build::<DecimalSum<Decimal256Type>>($($arg),*)),
            Adder::Stock => $stock,
        }
    };
}

fn plain<S: ExactSum>(answer_type: &DataType) -> Box<dyn Accumulator> {
    Box::new(SumAccumulator::<S>::new(answer_type.clone()))
}

fn distinct<S: ExactSum>(answer_type: &DataType) -> Box<dyn Accumulator> {
    Box::new(DistinctSum::<S>::new(answer_type.clone()))
}

fn groups<S: ExactSum>(answer_type: &DataType) -> Box<dyn GroupsAccumulator> {
    Box::new(SumGroups::<S>::new(answer_type.clone()))
}

fn total_type<S: ExactSum>(answer_type: &DataType) -> DataType {
    S::total_type(answer_type)
}

impl AggregateUDFImpl for CheckedSum {
    fn name(&self) -> &str {
        self.stock.name()
    }

    fn signature(&self) -> &Signature {
        self.stock.signature()
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        self.stock.return_type(arg_types)
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let adder = Adder::of(&args);
        if args.is_distinct {
            dispatch!(adder, distinct(args.return_type()), self.stock.accumulator(args))
        } else {
            dispatch!(adder, plain(args.return_type()), self.stock.accumulator(args))
        }
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        match Adder::of(&args) {
            Adder::Stock => self.stock.create_sliding_accumulator(args),
            _ => self.accumulator(args),
        }
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let adder = match args.input_fields {
            [argument] if !args.is_distinct => Adder::new(argument.data_type(), args.return_type()),
            _ => Adder::Stock,
        };
        let total: Result<DataType> = dispatch!(adder, total_type(args.return_type()), {
            return self.stock.state_fields(args);
        });
        Ok(vec![Arc::new(Field::new(format_state_name(args.name, "sum"), total?, true))])
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        self.stock.groups_accumulator_supported(args)
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        dispatch!(Adder::of(&args), groups(args.return_type()), self.stock.create_groups_accumulator(args))
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        self.stock.reverse_expr()
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        self.stock.order_sensitivity()
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.stock.documentation()
    }

    fn set_monotonicity(&self, data_type: &DataType) -> SetMonotonicity {
        self.stock.set_monotonicity(data_type)
    }

    fn simplify_expr_op_literal(
        &self,
        agg_function: &AggregateFunction,
        arg: &Expr,
        op: Operator,
        lit: &Expr,
        arg_is_left: bool,
    ) -> Result<Option<Expr>> {
        // The stock rewrite makes unchecked operators after the analyzer has run. `LinearSums` makes checked ones.
        let is_integer = matches!(lit, Expr::Literal(value, _) if value.data_type().is_integer());
        if is_integer {
            return Ok(None);
        }
        self.stock.simplify_expr_op_literal(agg_function, arg, op, lit, arg_is_left)
    }

    fn value_from_stats(&self, statistics_args: &StatisticsArgs) -> Option<ScalarValue> {
        self.stock.value_from_stats(statistics_args)
    }
}
