use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, UInt32Array};
use arrow::buffer::{BooleanBuffer, MutableBuffer};
use arrow::compute::{filter, interleave, take};
use arrow::datatypes::UInt64Type;
use arrow::util::bit_util;
use datafusion::execution::memory_pool::MemoryReservation;

use super::chunk::{Chunk, StoredColumn, compact, merge_runs};
use super::conform::{cast, check_nulls};
use super::{TableDefinition, TableError, TableWrite};

/// A set of row positions: one bit for each row of the table.
pub(super) struct RowSet {
    bits: MutableBuffer,
    n_rows: usize,
    _reservation: MemoryReservation,
}

impl RowSet {
    /// An empty set of rows of a table that has `n_rows`.
    pub(super) fn try_new(n_rows: usize, account: &MemoryReservation) -> Result<Self, TableError> {
        let n_bytes = bit_util::ceil(n_rows, 8);
        let reservation = account.new_empty();
        reservation.try_grow(n_bytes)?;
        Ok(Self { bits: MutableBuffer::from_len_zeroed(n_bytes), n_rows, _reservation: reservation })
    }

    pub(super) fn insert(&mut self, row: usize) {
        bit_util::set_bit(self.bits.as_slice_mut(), row);
    }
}

/// The chunks that remain, and the number of rows that go, when `deleted` rows leave the table and their keys with them.
pub(super) async fn without_rows(
    write: &mut TableWrite<'_>,
    deleted: RowSet,
) -> Result<(Vec<Arc<Chunk>>, usize), TableError> {
    let RowSet { bits, n_rows, _reservation } = deleted;
    let deleted = BooleanBuffer::new(bits.into(), 0, n_rows);
    let base = Arc::clone(write.base());
    let table = Arc::clone(write.definition());
    let mut chunks = Vec::with_capacity(base.chunks.len());
    for (i, chunk) in base.chunks.iter().enumerate() {
        let mask = deleted.slice(base.rows(i).start, chunk.n_rows);
        let n_deleted = mask.count_set_bits();
        if n_deleted == 0 {
            chunks.push((Arc::clone(chunk), false));
            continue;
        }
        let kept = BooleanArray::new(!&mask, None);
        let mask = BooleanArray::new(mask, None);
        for k in 0..write.keys().len() {
            let columns = write.keys().columns(k).to_vec();
            let columns = columns.iter().map(|&column| filter(&chunk.columns[column].array, &mask));
            let columns = columns.collect::<Result<Vec<_>, _>>().map_err(TableError::arrow(&table))?;
            write.keys().remove_keys(&table, k, &columns)?;
        }
        if n_deleted < chunk.n_rows {
            let filtered = |column: &Arc<StoredColumn>| {
                let array = filter(&column.array, &kept).map_err(TableError::arrow(&table))?;
                Ok(StoredColumn::try_new(&array, write.account())?)
            };
            let columns = chunk.columns.iter().map(filtered).collect::<Result<_, TableError>>()?;
            chunks.push((Arc::new(Chunk { columns, n_rows: chunk.n_rows - n_deleted }), true));
        }
        tokio::task::yield_now().await;
    }
    Ok((merge_runs(chunks, table.chunk_rows_max, write.account()), deleted.count_set_bits()))
}

/// The new values of the rows that an UPDATE found.
pub(super) struct UpdatedRows {
    /// The positions of the columns that change.
    columns: Vec<usize>,
    /// The new values as they came, an array for each column that changes.
    batches: Vec<Vec<ArrayRef>>,
    sources: Vec<Source>,
    reservation: MemoryReservation,
}

/// Where the new values of a row are.
#[derive(Debug, Clone, Copy)]
struct Source {
    row: u64,
    batch: u32,
    offset: u32,
}

impl UpdatedRows {
    pub(super) fn new(columns: Vec<usize>, account: &MemoryReservation) -> Self {
        Self { columns, batches: vec![], sources: vec![], reservation: account.new_empty() }
    }

    /// Takes in a batch of positions, then a column of values for each column that changes.
    pub(super) fn push(&mut self, batch: &RecordBatch, table: &TableDefinition) -> Result<(), TableError> {
        // The result of a join may hold on to all of its build side.
        let value = |(array, &column)| compact(&cast(array, column, table)?).map_err(TableError::arrow(table));
        let values = batch.columns().iter().skip(1).zip(&self.columns).map(value).collect::<Result<Vec<_>, _>>()?;
        let n_bytes: usize = values.iter().map(|array| array.get_array_memory_size()).sum();
        self.reservation.try_grow(n_bytes + batch.num_rows() * size_of::<Source>())?;
        let batch_idx = self.batches.len() as u32;
        let row_ids = batch.column(0).as_primitive::<UInt64Type>();
        // An outer join gives rows without a target.
        let found = row_ids.iter().enumerate().filter_map(|(offset, row)| Some((offset, row?)));
        self.sources.extend(found.map(|(offset, row)| Source { row, batch: batch_idx, offset: offset as u32 }));
        self.batches.push(values);
        Ok(())
    }

    /// The chunks of the table with the new values, and the number of rows that have them.
    pub(super) async fn apply(mut self, write: &mut TableWrite<'_>) -> Result<(Vec<Arc<Chunk>>, usize), TableError> {
        self.sources.sort_by_key(|source| source.row);
        self.sources.dedup_by_key(|source| source.row);
        let base = Arc::clone(write.base());
        let table = Arc::clone(write.definition());
        let affected = write.keys().affected_by(&self.columns);
        let mut chunks = base.chunks.clone();
        let mut moved_keys = vec![];
        let mut rest = self.sources.as_slice();
        while let Some(first) = rest.first() {
            let i = base.chunk_of(first.row as usize);
            let rows = base.rows(i);
            let (here, later) = rest.split_at(rest.partition_point(|source| (source.row as usize) < rows.end));
            rest = later;
            chunks[i] = self.updated_chunk(&base.chunks[i], here, rows.start, write)?;
            if !affected.is_empty() {
                let offsets = here.iter().map(|source| (source.row as usize - rows.start) as u32);
                let offsets = UInt32Array::from_iter_values(offsets);
                for &k in &affected {
                    let columns = key_columns(write, k, &base.chunks[i], &offsets)?;
                    write.keys().remove_keys(&table, k, &columns)?;
                }
                moved_keys.push((i, offsets));
            }
            tokio::task::yield_now().await;
        }
        // Only now are all old keys gone, so that a key may move to a row whose own key has moved on.
        for (i, offsets) in &moved_keys {
            for &k in &affected {
                let columns = key_columns(write, k, &chunks[*i], offsets)?;
                write.keys().insert_keys(&table, k, &columns)?;
            }
            tokio::task::yield_now().await;
        }
        Ok((chunks, self.sources.len()))
    }

    /// `chunk`, whose first row is at `start`, with the new values of `sources`; it shares the columns that stay.
    fn updated_chunk(
        &self,
        chunk: &Chunk,
        sources: &[Source],
        start: usize,
        write: &TableWrite<'_>,
    ) -> Result<Arc<Chunk>, TableError> {
        let table = write.definition();
        let mut batches: Vec<u32> = sources.iter().map(|source| source.batch).collect();
        batches.sort_unstable();
        batches.dedup();
        let mut indices: Vec<(usize, usize)> = (0..chunk.n_rows).map(|row| (0, row)).collect();
        for source in sources {
            let array_idx = 1 + batches.partition_point(|&batch| batch < source.batch);
            indices[source.row as usize - start] = (array_idx, source.offset as usize);
        }
        let mut columns = chunk.columns.clone();
        for (value_idx, &column) in self.columns.iter().enumerate() {
            let new = batches.iter().map(|&batch| self.batches[batch as usize][value_idx].as_ref());
            let arrays: Vec<&dyn Array> = std::iter::once(chunk.columns[column].array.as_ref()).chain(new).collect();
            let array = interleave(&arrays, &indices).map_err(TableError::arrow(table))?;
            check_nulls(&array, column, table)?;
            columns[column] = StoredColumn::try_new(&array, write.account())?;
        }
        Ok(Arc::new(Chunk { columns, n_rows: chunk.n_rows }))
    }
}

/// The columns of constraint `k` at `offsets` of `chunk`.
fn key_columns(
    write: &mut TableWrite<'_>,
    k: usize,
    chunk: &Chunk,
    offsets: &UInt32Array,
) -> Result<Vec<ArrayRef>, TableError> {
    let table = Arc::clone(write.definition());
    let columns = write.keys().columns(k).iter().map(|&column| take(&chunk.columns[column].array, offsets, None));
    columns.collect::<Result<_, _>>().map_err(TableError::arrow(&table))
}
