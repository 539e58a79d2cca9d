//! SUM(DISTINCT) of one group, or of a window frame that may slide.

use std::mem::{size_of, size_of_val};
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, PrimitiveArray};
use datafusion::arrow::datatypes::{ArrowNativeTypeOp, DataType};
use datafusion::common::utils::SingleRowListArrayBuilder;
use datafusion::common::{HashMap, Result, ScalarValue, internal_err};
use datafusion::logical_expr::Accumulator;

use super::exact_sum::{ExactSum, Native};
use super::sum_accumulator::only;

/// The distinct values of one group with their total.
///
/// The state that travels between partitions is the list of values, as it is for the stock function.
#[derive(Debug)]
pub(super) struct DistinctSum<S: ExactSum> {
    /// How often each value lies in the frame.
    n_occurrences: HashMap<Native<S::Value>, u64>,
    total: Native<S::Total>,
    answer_type: DataType,
}

impl<S: ExactSum> DistinctSum<S> {
    pub(super) fn new(answer_type: DataType) -> Self {
        Self { n_occurrences: HashMap::default(), total: Native::<S::Total>::ZERO, answer_type }
    }

    fn add(&mut self, values: &PrimitiveArray<S::Value>) -> Result<()> {
        for value in values.iter().flatten() {
            let n_occurrences = self.n_occurrences.entry(value).or_insert(0);
            *n_occurrences += 1;
            if *n_occurrences == 1 && !S::add(&mut self.total, S::widen(value)) {
                return Err(S::total_overflow(&self.answer_type).into());
            }
        }
        Ok(())
    }
}

impl<S: ExactSum> Accumulator for DistinctSum<S> {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.add(only(values)?.as_primitive::<S::Value>())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for value in only(values)?.as_primitive::<S::Value>().iter().flatten() {
            let Some(n_occurrences) = self.n_occurrences.get_mut(&value) else {
                return internal_err!("a value leaves a frame that it never entered");
            };
            *n_occurrences -= 1;
            if *n_occurrences == 0 {
                self.n_occurrences.remove(&value);
                if !S::subtract(&mut self.total, S::widen(value)) {
                    return Err(S::total_overflow(&self.answer_type).into());
                }
            }
        }
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for values in only(states)?.as_list::<i32>().iter().flatten() {
            self.add(values.as_primitive::<S::Value>())?;
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let values = PrimitiveArray::<S::Value>::from_iter_values(self.n_occurrences.keys().copied())
            .with_data_type(self.answer_type.clone());
        Ok(vec![SingleRowListArrayBuilder::new(Arc::new(values)).build_list_scalar()])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let answer = if self.n_occurrences.is_empty() { None } else { Some(S::answer(self.total, &self.answer_type)?) };
        ScalarValue::new_primitive::<S::Value>(answer, &self.answer_type)
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.n_occurrences.capacity() * size_of::<(Native<S::Value>, u64)>()
    }
}
