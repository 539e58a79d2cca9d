//! MIN and MAX of floats: NaN is greater than all other numbers, as in PostgreSQL.
//!
//! The stock functions give another answer for each order of the rows: a NaN of a group is replaced by whatever comes after it, one
//! without GROUP BY is the least number if its sign is set, as that of `0.0 / 0` is, and the greatest of a group of `-Infinity` is
//! the least finite number. The statistics of files know of no NaN.

use std::sync::{Arc, LazyLock};

use datafusion::arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, PrimitiveArray};
use datafusion::arrow::datatypes::{DataType, Float16Type, Float32Type, Float64Type};
use datafusion::common::{Result, ScalarValue};
use datafusion::functions_aggregate::min_max::{max_udaf, min_udaf};
use datafusion::logical_expr::function::AccumulatorArgs;
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Documentation, GroupsAccumulator, ReversedUDAF, SetMonotonicity,
    Signature, StatisticsArgs,
};
use datafusion_functions_aggregate_common::aggregate::groups_accumulator::prim_op::PrimitiveGroupsAccumulator;
use half::f16;

/// `min` and `max`, in place of the stock functions.
pub(super) fn functions() -> [Arc<AggregateUDF>; 2] {
    static FUNCTIONS: LazyLock<[Arc<AggregateUDF>; 2]> = LazyLock::new(|| {
        [(max_udaf(), true), (min_udaf(), false)]
            .map(|(stock, is_max)| Arc::new(AggregateUDF::from(FloatExtreme { stock, is_max })))
    });
    FUNCTIONS.clone()
}

/// The stock function, but for floats.
#[derive(Debug, PartialEq, Eq, Hash)]
struct FloatExtreme {
    stock: Arc<AggregateUDF>,
    is_max: bool,
}

fn is_float(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Float16 | DataType::Float32 | DataType::Float64)
}

impl AggregateUDFImpl for FloatExtreme {
    fn name(&self) -> &str {
        self.stock.name()
    }

    fn signature(&self) -> &Signature {
        self.stock.signature()
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        self.stock.return_type(arg_types)
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        self.stock.coerce_types(arg_types)
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let is_float = is_float(args.return_type());
        let stock = self.stock.accumulator(args)?;
        Ok(if is_float { Box::new(WithoutSigns { stock }) } else { stock })
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let is_float = is_float(args.return_type());
        let stock = self.stock.create_sliding_accumulator(args)?;
        Ok(if is_float { Box::new(WithoutSigns { stock }) } else { stock })
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        self.stock.groups_accumulator_supported(args)
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        macro_rules! groups {
            ($kind:ty, $native:ident) => {{
                let data_type = args.return_type();
                // What is neither greater nor equal is less, or NaN.
                if self.is_max {
                    let greater = |most: &mut $native, new: $native| {
                        if !(*most >= new || most.is_nan()) {
                            *most = new;
                        }
                    };
                    let groups = PrimitiveGroupsAccumulator::<$kind, _>::new(data_type, greater);
                    Ok(Box::new(groups.with_starting_value($native::NEG_INFINITY)))
                } else {
                    let less = |least: &mut $native, new: $native| {
                        if new < *least || least.is_nan() {
                            *least = new;
                        }
                    };
                    let groups = PrimitiveGroupsAccumulator::<$kind, _>::new(data_type, less);
                    Ok(Box::new(groups.with_starting_value($native::NAN)))
                }
            }};
        }
        match args.return_type() {
            DataType::Float16 => groups!(Float16Type, f16),
            DataType::Float32 => groups!(Float32Type, f32),
            DataType::Float64 => groups!(Float64Type, f64),
            _ => self.stock.create_groups_accumulator(args),
        }
    }

    fn is_descending(&self) -> Option<bool> {
        self.stock.is_descending()
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        self.stock.order_sensitivity()
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }

    fn value_from_stats(&self, statistics_args: &StatisticsArgs) -> Option<ScalarValue> {
        match is_float(statistics_args.return_type) {
            true => None,
            false => self.stock.value_from_stats(statistics_args),
        }
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.stock.documentation()
    }

    fn set_monotonicity(&self, data_type: &DataType) -> SetMonotonicity {
        self.stock.inner().set_monotonicity(data_type)
    }
}

/// The stock accumulator, whose order of numbers has NaN with a sign below all others: it sees only those without.
#[derive(Debug)]
struct WithoutSigns {
    stock: Box<dyn Accumulator>,
}

impl Accumulator for WithoutSigns {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.stock.update_batch(&without_signs(values))
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.stock.retract_batch(&without_signs(values))
    }

    fn supports_retract_batch(&self) -> bool {
        self.stock.supports_retract_batch()
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.stock.merge_batch(states)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.stock.state()
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.stock.evaluate()
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.stock.size()
    }
}

/// The columns, with NaN as it is without a sign.
fn without_signs(columns: &[ArrayRef]) -> Vec<ArrayRef> {
    fn column<T: ArrowPrimitiveType>(
        column: &PrimitiveArray<T>,
        is_nan: impl Fn(T::Native) -> bool,
        nan: T::Native,
    ) -> Option<ArrayRef> {
        let has_nan = column.values().iter().any(|value| is_nan(*value));
        has_nan.then(|| {
            let plain = column.unary::<_, T>(|value| if is_nan(value) { nan } else { value });
            Arc::new(plain) as ArrayRef
        })
    }
    let plain = |array: &ArrayRef| match array.data_type() {
        DataType::Float16 => column(array.as_primitive::<Float16Type>(), f16::is_nan, f16::NAN),
        DataType::Float32 => column(array.as_primitive::<Float32Type>(), f32::is_nan, f32::NAN),
        DataType::Float64 => column(array.as_primitive::<Float64Type>(), f64::is_nan, f64::NAN),
        _ => None,
    };
    columns.iter().map(|array| plain(array).unwrap_or_else(|| Arc::clone(array))).collect()
}
