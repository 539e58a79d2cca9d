//! SUM of one group, or of a window frame that may slide.

use std::mem::size_of_val;

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::datatypes::{ArrowNativeTypeOp, DataType};
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::logical_expr::Accumulator;

use super::exact_sum::{ExactSum, Native};

/// Running total of one group.
#[derive(Debug)]
pub(super) struct SumAccumulator<S: ExactSum> {
    total: Native<S::Total>,
    /// Values in the total: its answer is NULL while there are none. A merged state counts as one.
    n_values: u64,
    answer_type: DataType,
}

impl<S: ExactSum> SumAccumulator<S> {
    pub(super) fn new(answer_type: DataType) -> Self {
        Self { total: Native::<S::Total>::ZERO, n_values: 0, answer_type }
    }
}

impl<S: ExactSum> Accumulator for SumAccumulator<S> {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let values = only(values)?.as_primitive::<S::Value>();
        self.n_values += (values.len() - values.null_count()) as u64;
        let fits = S::total(values).is_some_and(|addend| S::add(&mut self.total, addend));
        if !fits {
            return Err(S::total_overflow(&self.answer_type).into());
        }
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let values = only(values)?.as_primitive::<S::Value>();
        self.n_values -= (values.len() - values.null_count()) as u64;
        let fits = S::total(values).is_some_and(|subtrahend| S::subtract(&mut self.total, subtrahend));
        if !fits {
            return Err(S::total_overflow(&self.answer_type).into());
        }
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for total in only(states)?.as_primitive::<S::Total>().iter().flatten() {
            self.n_values += 1;
            if !S::add(&mut self.total, total) {
                return Err(S::total_overflow(&self.answer_type).into());
            }
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let total = (self.n_values > 0).then_some(self.total);
        Ok(vec![ScalarValue::new_primitive::<S::Total>(total, &S::total_type(&self.answer_type))?])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let answer = match self.n_values {
            0 => None,
            _ => Some(S::answer(self.total, &self.answer_type)?),
        };
        ScalarValue::new_primitive::<S::Value>(answer, &self.answer_type)
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }
}

/// The single argument, or the single column of state, of a sum.
pub(super) fn only(arrays: &[ArrayRef]) -> Result<&ArrayRef> {
    match arrays {
        [array] => Ok(array),
        _ => internal_err!("sum has one argument, not {}", arrays.len()),
    }
}
