//! SUM of many groups at a time.

use std::mem::size_of;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, PrimitiveArray};
use datafusion::arrow::buffer::NullBuffer;
use datafusion::arrow::datatypes::{ArrowNativeTypeOp, DataType};
use datafusion::common::Result;
use datafusion::logical_expr::{EmitTo, GroupsAccumulator};
use datafusion::physical_expr::NullState;

use super::exact_sum::{ExactSum, Native};
use super::sum_accumulator::only;

/// Running totals, one per group.
pub(super) struct SumGroups<S: ExactSum> {
    totals: Vec<Native<S::Total>>,
    /// Which groups have seen a value.
    seen: NullState,
    answer_type: DataType,
}

impl<S: ExactSum> SumGroups<S> {
    pub(super) fn new(answer_type: DataType) -> Self {
        Self { totals: Vec::new(), seen: NullState::new(), answer_type }
    }

    fn add<T: ArrowPrimitiveType + Send>(
        &mut self,
        values: &PrimitiveArray<T>,
        group_indices: &[usize],
        filter: Option<&BooleanArray>,
        n_groups: usize,
        widen: impl Fn(T::Native) -> Native<S::Total> + Send + Sync,
    ) -> Result<()> {
        self.totals.resize(n_groups, Native::<S::Total>::ZERO);
        let totals = self.totals.as_mut_slice();
        let mut fits = true;
        self.seen.accumulate(group_indices, values, filter, n_groups, |group_idx, value| {
            fits &= S::add(&mut totals[group_idx], widen(value));
        });
        if fits { Ok(()) } else { Err(S::total_overflow(&self.answer_type).into()) }
    }
}

impl<S: ExactSum> GroupsAccumulator for SumGroups<S> {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        let values = only(values)?.as_primitive::<S::Value>();
        self.add(values, group_indices, opt_filter, total_num_groups, S::widen)
    }

    fn merge_batch(&mut self, values: &[ArrayRef], group_indices: &[usize], total_num_groups: usize) -> Result<()> {
        let totals = only(values)?.as_primitive::<S::Total>();
        self.add(totals, group_indices, None, total_num_groups, |total| total)
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let totals = emit_to.take_needed(&mut self.totals);
        let nulls = self.seen.build(emit_to);
        // A group without values has the total zero, which fits every type.
        let answers =
            totals.into_iter().map(|total| S::answer(total, &self.answer_type)).collect::<Result<Vec<_>, _>>()?;
        let answers = PrimitiveArray::<S::Value>::new(answers.into(), nulls);
        Ok(Arc::new(answers.with_data_type(self.answer_type.clone())))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let totals = emit_to.take_needed(&mut self.totals);
        let nulls = self.seen.build(emit_to);
        let totals = PrimitiveArray::<S::Total>::new(totals.into(), nulls);
        Ok(vec![Arc::new(totals.with_data_type(S::total_type(&self.answer_type)))])
    }

    fn convert_to_state(&self, values: &[ArrayRef], opt_filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        let values = only(values)?.as_primitive::<S::Value>();
        let totals = S::widen_array(values, &self.answer_type);
        let totals = match opt_filter {
            None => totals,
            Some(filter) => {
                let (_, slots, nulls) = totals.into_parts();
                let nulls = NullBuffer::union(nulls.as_ref(), Some(&kept_rows(filter)));
                PrimitiveArray::new(slots, nulls).with_data_type(S::total_type(&self.answer_type))
            }
        };
        Ok(vec![Arc::new(totals)])
    }

    fn size(&self) -> usize {
        self.totals.capacity() * size_of::<Native<S::Total>>() + self.seen.size()
    }
}

/// The rows a filter keeps; one that is NULL drops its row.
fn kept_rows(filter: &BooleanArray) -> NullBuffer {
    match filter.nulls() {
        Some(nulls) => NullBuffer::new(filter.values() & nulls.inner()),
        None => NullBuffer::new(filter.values().clone()),
    }
}
