use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::DataType;
use datafusion::common::stats::Precision;
use datafusion::common::{ColumnStatistics, ScalarValue};
use datafusion::functions_aggregate::min_max::{MaxAccumulator, MinAccumulator};
use datafusion::logical_expr::Accumulator;

use super::chunk::StoredColumn;

/// What the planner wants to know of one column of one chunk; computed when first asked for, then kept with the column.
#[derive(Debug)]
pub(super) struct ColumnFacts {
    n_nulls: usize,
    /// The least and the greatest value, where the type is cheap to compare and ordered as SQL orders it.
    bounds: Option<(ScalarValue, ScalarValue)>,
}

impl ColumnFacts {
    fn of(array: &ArrayRef) -> Self {
        let n_nulls = array.logical_null_count();
        let bounds = has_bounds(array.data_type()).then(|| bounds(array)).flatten();
        Self { n_nulls, bounds }
    }
}

/// Bounds only guide the planner, so a failure to compute them means to know nothing.
fn bounds(array: &ArrayRef) -> Option<(ScalarValue, ScalarValue)> {
    let mut min = MinAccumulator::try_new(array.data_type()).ok()?;
    let mut max = MaxAccumulator::try_new(array.data_type()).ok()?;
    min.update_batch(std::slice::from_ref(array)).ok()?;
    max.update_batch(std::slice::from_ref(array)).ok()?;
    Some((min.evaluate().ok()?, max.evaluate().ok()?))
}

/// Text is left out because comparing it is slow, floats because of NaN and -0.0, intervals because a month has no
/// fixed length.
fn has_bounds(data_type: &DataType) -> bool {
    let is_interval = matches!(data_type, DataType::Interval(_));
    data_type.is_integer() || data_type.is_decimal() || (data_type.is_temporal() && !is_interval)
}

/// Exact statistics of a column stored in these pieces.
pub(super) fn column_statistics<'a>(
    data_type: &DataType,
    pieces: impl Iterator<Item = &'a Arc<StoredColumn>>,
) -> ColumnStatistics {
    let mut n_nulls = 0;
    let mut n_bytes = 0;
    let mut bounds: Option<(ScalarValue, ScalarValue)> = None;
    let mut bounds_known = has_bounds(data_type);
    for piece in pieces {
        let facts = piece.facts.get_or_init(|| ColumnFacts::of(&piece.array));
        n_nulls += facts.n_nulls;
        n_bytes += piece.memory_bytes();
        match &facts.bounds {
            // A piece of NULLs only has NULL bounds, which say nothing about the others.
            Some((least, _)) if least.is_null() => {}
            Some((least, greatest)) => match bounds.as_mut() {
                None => bounds = Some((least.clone(), greatest.clone())),
                Some((min, max)) => {
                    if *least < *min {
                        *min = least.clone();
                    }
                    if *greatest > *max {
                        *max = greatest.clone();
                    }
                }
            },
            None => bounds_known = false,
        }
    }
    let statistics = ColumnStatistics::new_unknown()
        .with_null_count(Precision::Exact(n_nulls))
        .with_byte_size(Precision::Inexact(n_bytes));
    match bounds {
        Some((min, max)) if bounds_known => {
            statistics.with_min_value(Precision::Exact(min)).with_max_value(Precision::Exact(max))
        }
        _ => statistics,
    }
}
