//! The state of `max_by` and `min_by`: the best row of every group.

use arrow::array::{Array, ArrayRef, BooleanArray, new_null_array};
use arrow::compute::{SortOptions, not, nullif, prep_null_mask_filter};
use arrow::datatypes::DataType;
use arrow::row::{OwnedRow, RowConverter, SortField};
use datafusion::common::utils::normalize_float_zero;
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::logical_expr::{Accumulator, EmitTo, GroupsAccumulator};

/// A value and what it is chosen by, for every group; the rows are encoded so that the better one is the smaller one.
#[derive(Debug)]
pub(super) struct BestRows {
    /// Of what is chosen by, then the value.
    converter: RowConverter,
    best: Vec<Option<Box<[u8]>>>,
    /// What stands for a group without a row: NULL and NULL.
    none: OwnedRow,
    /// Bytes of the rows in `best`.
    rows_bytes: usize,
}

impl BestRows {
    /// Chooses values of type `value` by the largest, or else the smallest, of type `by`.
    pub(super) fn try_new(value: &DataType, by: &DataType, largest: bool) -> Result<Self> {
        let field = |data_type: &DataType, descending| {
            SortField::new_with_options(data_type.clone(), SortOptions { descending, nulls_first: false })
        };
        let converter = RowConverter::new(vec![field(by, largest), field(value, false)])?;
        let none = converter.convert_columns(&[new_null_array(by, 1), new_null_array(value, 1)])?.row(0).owned();
        Ok(Self { converter, best: Vec::new(), none, rows_bytes: 0 })
    }

    /// Lets rows of two columns, the value and what it is chosen by, compete in their groups.
    fn offer(
        &mut self,
        columns: &[ArrayRef],
        group_of: impl Fn(usize) -> usize,
        filter: Option<&BooleanArray>,
    ) -> Result<()> {
        let [value, by] = columns else { return internal_err!("a row has two columns, not {}", columns.len()) };
        let nulls = by.logical_nulls();
        let rows = self.converter.convert_columns(&[normalize_float_zero(by), ArrayRef::clone(value)])?;
        for (idx, row) in rows.iter().enumerate() {
            let is_null = nulls.as_ref().is_some_and(|nulls| nulls.is_null(idx));
            let is_left_out = filter.is_some_and(|filter| !filter.is_valid(idx) || !filter.value(idx));
            if is_null || is_left_out {
                continue;
            }
            let best = &mut self.best[group_of(idx)];
            let bytes = row.as_ref();
            let known_bytes = match best {
                Some(known) if known.as_ref() <= bytes => continue,
                Some(known) => known.len(),
                None => 0,
            };
            self.rows_bytes = self.rows_bytes - known_bytes + bytes.len();
            *best = Some(bytes.into());
        }
        Ok(())
    }

    /// The values of some groups, and what they were chosen by.
    fn columns(&self, best: &[Option<Box<[u8]>>]) -> Result<Vec<ArrayRef>> {
        let parser = self.converter.parser();
        let rows = best.iter().map(|row| match row {
            Some(row) => parser.parse(row),
            None => self.none.row(),
        });
        let mut columns = self.converter.convert_rows(rows)?;
        columns.reverse();
        Ok(columns)
    }

    fn take(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let best = emit_to.take_needed(&mut self.best);
        self.rows_bytes -= best.iter().flatten().map(|row| row.len()).sum::<usize>();
        self.columns(&best)
    }
}

impl GroupsAccumulator for BestRows {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        self.best.resize(total_num_groups, None);
        self.offer(values, |row| group_indices[row], opt_filter)
    }

    fn merge_batch(&mut self, values: &[ArrayRef], group_indices: &[usize], total_num_groups: usize) -> Result<()> {
        self.update_batch(values, group_indices, None, total_num_groups)
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        Ok(self.take(emit_to)?.swap_remove(0))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        self.take(emit_to)
    }

    fn convert_to_state(&self, values: &[ArrayRef], opt_filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        let [value, by] = values else { return internal_err!("a row has two columns, not {}", values.len()) };
        let by = match opt_filter {
            // A row that is chosen by NULL is never chosen.
            Some(filter) => nullif(by, &not(&prep_null_mask_filter(filter))?)?,
            None => ArrayRef::clone(by),
        };
        Ok(vec![ArrayRef::clone(value), by])
    }

    fn size(&self) -> usize {
        size_of_val(self)
            + self.best.capacity() * size_of::<Option<Box<[u8]>>>()
            + self.rows_bytes
            + self.converter.size()
            + self.none.as_ref().len()
    }
}

/// The best row of all, where there are no groups.
#[derive(Debug)]
pub(super) struct BestRow(BestRows);

impl BestRow {
    pub(super) fn new(mut rows: BestRows) -> Self {
        rows.best.resize(1, None);
        Self(rows)
    }

    fn columns(&self) -> Result<Vec<ScalarValue>> {
        let columns = self.0.columns(&self.0.best)?;
        columns.iter().map(|column| ScalarValue::try_from_array(column, 0)).collect()
    }
}

impl Accumulator for BestRow {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.0.offer(values, |_| 0, None)
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.update_batch(states)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(self.columns()?.swap_remove(0))
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.columns()
    }

    fn size(&self) -> usize {
        self.0.size()
    }
}
