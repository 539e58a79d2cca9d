//! List functions that do not panic, whatever integers they get.

use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, FieldRef, Int64Type};
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::functions_nested::position::ArrayPosition as StockPosition;
use datafusion::functions_nested::range::{gen_series_udf, range_udf};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
};

/// The stock function, which computes with the start before it looks whether there is an element: the smallest BIGINT
/// overflows there.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct ArrayPosition {
    stock: StockPosition,
}

impl Default for ArrayPosition {
    fn default() -> Self {
        Self { stock: StockPosition::new() }
    }
}

impl ScalarUDFImpl for ArrayPosition {
    fn name(&self) -> &str {
        self.stock.name()
    }

    fn aliases(&self) -> &[String] {
        self.stock.aliases()
    }

    fn signature(&self) -> &Signature {
        self.stock.signature()
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        self.stock.return_type(arg_types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        self.stock.return_field_from_args(args)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let is_smallest = match args.args.get(2) {
            Some(ColumnarValue::Scalar(ScalarValue::Int64(start))) => *start == Some(i64::MIN),
            Some(ColumnarValue::Array(starts)) => starts
                .as_primitive_opt::<Int64Type>()
                .is_some_and(|starts| starts.iter().any(|start| start == Some(i64::MIN))),
            _ => false,
        };
        if is_smallest {
            return exec_err!("start_from out of bounds: {}", i64::MIN);
        }
        self.stock.invoke_with_args(args)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.stock.documentation()
    }
}

/// The stock `range` and `generate_series`, which count the elements of all lists together in 32 bits.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Range {
    stock: Arc<ScalarUDF>,
}

impl Range {
    pub(super) fn excluding() -> Self {
        Self { stock: range_udf() }
    }

    pub(super) fn including() -> Self {
        Self { stock: gen_series_udf() }
    }
}

impl ScalarUDFImpl for Range {
    fn name(&self) -> &str {
        self.stock.name()
    }

    fn aliases(&self) -> &[String] {
        self.stock.aliases()
    }

    fn signature(&self) -> &Signature {
        self.stock.signature()
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        self.stock.inner().return_type(arg_types)
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        self.stock.inner().coerce_types(arg_types)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        if n_elements(&args.args)? > ELEMENTS_MAX {
            return exec_err!(
                "{} would make lists of more than {ELEMENTS_MAX} elements together; use it in FROM for rows",
                self.name()
            );
        }
        self.stock.invoke_with_args(args)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.stock.documentation()
    }
}

const ELEMENTS_MAX: u64 = i32::MAX as u64;

/// The number of integers between start and stop, in all rows together; 0 for dates and times.
fn n_elements(args: &[ColumnarValue]) -> Result<u64> {
    if args.iter().any(|arg| arg.data_type() != DataType::Int64) {
        return Ok(0);
    }
    let arrays = ColumnarValue::values_to_arrays(args)?;
    let at = |i: usize, row: usize, absent: i64| match arrays.get(i).map(|array| array.as_primitive::<Int64Type>()) {
        Some(array) if array.is_null(row) => None,
        Some(array) => Some(array.value(row)),
        None => Some(absent),
    };
    let n_rows = arrays.first().map_or(0, |array| array.len());
    let of_row = |row: usize| {
        let (start, stop, step) = match args.len() {
            1 => (0, at(0, row, 0)?, 1),
            _ => (at(0, row, 0)?, at(1, row, 0)?, at(2, row, 1)?),
        };
        let is_empty = if step > 0 { start > stop } else { start < stop };
        Some(if step == 0 || is_empty { 0 } else { start.abs_diff(stop) / step.unsigned_abs() })
    };
    Ok((0..n_rows).filter_map(of_row).fold(0, u64::saturating_add))
}
