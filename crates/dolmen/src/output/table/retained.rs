//! The rows of a table that will be shown: the first ones and the last ones.

use arrow::array::RecordBatch;
use std::collections::VecDeque;

/// Keeps the first and the last rows of a stream of batches, as slices of the batches.
pub(super) struct Retained {
    n_head_max: usize,
    n_tail_max: usize,
    head: Vec<RecordBatch>,
    n_head: usize,
    tail: VecDeque<RecordBatch>,
    n_tail: usize,
    total: usize,
}

impl Retained {
    /// Keeps at most `max_rows` rows, one more at the start if the number is odd; all rows if there is no limit.
    pub(super) fn new(max_rows: Option<usize>) -> Self {
        let max_rows = max_rows.unwrap_or(usize::MAX);
        // Without a limit every row is a row of the head, which halving the greatest number would not give.
        let n_tail_max = if max_rows == usize::MAX { 0 } else { max_rows / 2 };
        Self {
            n_head_max: max_rows - n_tail_max,
            n_tail_max,
            head: Vec::new(),
            n_head: 0,
            tail: VecDeque::new(),
            n_tail: 0,
            total: 0,
        }
    }

    /// Takes the next rows; forgets those that can no longer be among the last.
    pub(super) fn push(&mut self, batch: &RecordBatch) {
        self.total += batch.num_rows();
        let n_first = batch.num_rows().min(self.n_head_max - self.n_head);
        if n_first > 0 {
            self.head.push(batch.slice(0, n_first));
            self.n_head += n_first;
        }
        let n_last = (batch.num_rows() - n_first).min(self.n_tail_max);
        if n_last > 0 {
            self.tail.push_back(batch.slice(batch.num_rows() - n_last, n_last));
            self.n_tail += n_last;
            while let Some(oldest) = self.tail.front()
                && self.n_tail - oldest.num_rows() >= self.n_tail_max
            {
                self.n_tail -= oldest.num_rows();
                self.tail.pop_front();
            }
        }
    }

    /// Cuts the last rows to their exact number, when no more will come.
    pub(super) fn finish(&mut self) {
        let surplus = self.n_tail.saturating_sub(self.n_tail_max);
        if let Some(oldest) = self.tail.front_mut().filter(|_| surplus > 0) {
            *oldest = oldest.slice(surplus, oldest.num_rows() - surplus);
            self.n_tail -= surplus;
        }
    }

    /// The first rows.
    pub(super) fn head(&self) -> impl Iterator<Item = &RecordBatch> {
        self.head.iter()
    }

    /// The last rows that are not among the first.
    pub(super) fn tail(&self) -> impl Iterator<Item = &RecordBatch> {
        self.tail.iter()
    }

    /// All rows that are kept.
    pub(super) fn batches(&self) -> impl Iterator<Item = &RecordBatch> {
        self.head().chain(self.tail())
    }

    /// Rows that were given.
    pub(super) fn total(&self) -> usize {
        self.total
    }

    /// Rows that are kept.
    pub(super) fn n_shown(&self) -> usize {
        self.n_head + self.n_tail
    }

    /// Rows between the first and the last ones that are not kept.
    pub(super) fn n_hidden(&self) -> usize {
        self.total - self.n_shown()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{AsArray, Int64Array};
    use arrow::datatypes::Int64Type;
    use proptest::prelude::*;
    use std::sync::Arc;

    proptest! {
        #[test]
        fn the_first_and_last_rows_stay(
            sizes in prop::collection::vec(0i64..9, 0..12),
            max_rows in prop::option::of(0usize..20),
        ) {
            let mut retained = Retained::new(max_rows);
            let mut all = Vec::new();
            for size in sizes {
                let values: Vec<i64> = (0..size).map(|idx| idx + all.len() as i64).collect();
                all.extend_from_slice(&values);
                let column = Arc::new(Int64Array::from(values)) as _;
                retained.push(&RecordBatch::try_from_iter([("n", column)]).unwrap());
            }
            retained.finish();
            let max_rows = max_rows.unwrap_or(usize::MAX);
            let expected = if all.len() <= max_rows {
                all.clone()
            } else {
                [&all[..max_rows.div_ceil(2)], &all[all.len() - max_rows / 2..]].concat()
            };
            let kept: Vec<i64> =
                retained.batches().flat_map(|batch| batch.column(0).as_primitive::<Int64Type>().values().to_vec()).collect();
            prop_assert_eq!(&kept, &expected);
            prop_assert_eq!(retained.n_hidden(), all.len() - expected.len());
            prop_assert_eq!(retained.n_shown(), expected.len());
        }
    }
}
