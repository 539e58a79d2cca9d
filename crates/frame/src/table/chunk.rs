use std::sync::{Arc, OnceLock};

use arrow::array::{Array, ArrayRef, AsArray, MutableArrayData, RecordBatch, make_array};
use arrow::compute::{cast, concat};
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use datafusion::error::Result;
use datafusion::execution::memory_pool::MemoryReservation;

use super::statistics::ColumnFacts;

/// Rows are gathered into chunks no larger than this, so that 32-bit offsets never overflow when chunks merge.
const CHUNK_BYTES_MAX: usize = 64 << 20;

/// Up to `chunk_rows_max` consecutive rows of a table, immutable and shared between versions.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) columns: Vec<Arc<StoredColumn>>,
    pub(super) n_rows: usize,
}

/// One column of a chunk. An UPDATE of other columns shares it, so it carries its own share of the memory budget.
#[derive(Debug)]
pub(super) struct StoredColumn {
    pub(super) array: ArrayRef,
    pub(super) facts: OnceLock<ColumnFacts>,
    reservation: MemoryReservation,
}

impl StoredColumn {
    /// Stores `array` without memory it does not use, and counts what is left on `account`.
    ///
    /// # Errors
    /// The pool's `ResourcesExhausted` if the budget does not allow it.
    pub(super) fn try_new(array: &ArrayRef, account: &MemoryReservation) -> Result<Arc<Self>> {
        let array = compact(array)?;
        let reservation = account.new_empty();
        reservation.try_grow(array.get_array_memory_size())?;
        Ok(Arc::new(Self { array, facts: OnceLock::new(), reservation }))
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.reservation.size()
    }
}

impl Chunk {
    /// Stores the rows of `batch`, of which there is at least one.
    pub(super) fn try_new(batch: &RecordBatch, account: &MemoryReservation) -> Result<Arc<Self>> {
        let columns: Result<_> = batch.columns().iter().map(|array| StoredColumn::try_new(array, account)).collect();
        Ok(Arc::new(Self { columns: columns?, n_rows: batch.num_rows() }))
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.columns.iter().map(|column| column.memory_bytes()).sum()
    }

    pub(super) fn arrays(&self) -> Vec<ArrayRef> {
        self.columns.iter().map(|column| Arc::clone(&column.array)).collect()
    }

    /// Stores the rows of all `chunks`, in their order, as one.
    fn concat(chunks: &[Arc<Self>], account: &MemoryReservation) -> Result<Arc<Self>> {
        let n_columns = chunks.first().map_or(0, |chunk| chunk.columns.len());
        let column = |i: usize| {
            let parts: Vec<&dyn Array> = chunks.iter().map(|chunk| chunk.columns[i].array.as_ref()).collect();
            StoredColumn::try_new(&concat(&parts)?, account)
        };
        let columns: Result<_> = (0..n_columns).map(column).collect();
        Ok(Arc::new(Self { columns: columns?, n_rows: chunks.iter().map(|chunk| chunk.n_rows).sum() }))
    }
}

/// Gathers a stream of batches of any size into chunks.
pub(super) struct ChunkBuilder {
    chunks: Vec<Arc<Chunk>>,
    pending: Vec<RecordBatch>,
    pending_rows: usize,
    pending_bytes: usize,
    chunk_rows_max: usize,
    account: MemoryReservation,
}

impl ChunkBuilder {
    pub(super) fn new(chunk_rows_max: usize, account: &MemoryReservation) -> Self {
        let account = account.new_empty();
        Self { chunks: vec![], pending: vec![], pending_rows: 0, pending_bytes: 0, chunk_rows_max, account }
    }

    pub(super) fn push(&mut self, batch: &RecordBatch) -> Result<()> {
        let mut start = 0;
        while start < batch.num_rows() {
            let n_rows = (batch.num_rows() - start).min(self.chunk_rows_max - self.pending_rows);
            let piece = batch.slice(start, n_rows);
            start += n_rows;
            self.pending_rows += n_rows;
            self.pending_bytes += piece.columns().iter().map(slice_bytes).sum::<usize>();
            self.pending.push(piece);
            if self.pending_rows == self.chunk_rows_max || self.pending_bytes >= CHUNK_BYTES_MAX {
                self.flush()?;
            }
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<Vec<Arc<Chunk>>> {
        self.flush()?;
        Ok(self.chunks)
    }

    fn flush(&mut self) -> Result<()> {
        let pending = std::mem::take(&mut self.pending);
        self.pending_rows = 0;
        self.pending_bytes = 0;
        let Some(first) = pending.first() else { return Ok(()) };
        let batch = match pending.as_slice() {
            [only] => only.clone(),
            pieces => arrow::compute::concat_batches(first.schema_ref(), pieces)?,
        };
        self.chunks.push(Chunk::try_new(&batch, &self.account)?);
        Ok(())
    }
}

/// Appends `chunk`, merging small chunks at the end.
///
/// A chunk merges with its neighbour only while that is at most twice as large, so that a row inserted alone is copied a
/// logarithmic number of times and the table ends in a logarithmic number of small chunks.
pub(super) fn append(
    chunks: &mut Vec<Arc<Chunk>>,
    chunk: Arc<Chunk>,
    chunk_rows_max: usize,
    account: &MemoryReservation,
) {
    chunks.push(chunk);
    while let [.., left, right] = chunks.as_slice() {
        let fits = left.n_rows + right.n_rows <= chunk_rows_max
            && left.memory_bytes() + right.memory_bytes() <= CHUNK_BYTES_MAX;
        if !fits || left.n_rows > 2 * right.n_rows {
            return;
        }
        // Merging is an optimisation: without memory for it, or with a dictionary whose keys cannot hold both sides,
        // the chunks stay apart.
        let Ok(merged) = Chunk::concat(&chunks[chunks.len() - 2..], account) else { return };
        chunks.truncate(chunks.len() - 2);
        chunks.push(merged);
    }
}

/// Merges runs of chunks that `changed` marks, and their small neighbours, after rows were deleted from them.
pub(super) fn merge_runs(
    chunks: Vec<(Arc<Chunk>, bool)>,
    chunk_rows_max: usize,
    account: &MemoryReservation,
) -> Vec<Arc<Chunk>> {
    let mut merged = Vec::with_capacity(chunks.len());
    let mut run: Vec<Arc<Chunk>> = vec![];
    let mut run_rows = 0;
    let mut run_bytes = 0;
    let mut run_changed = false;
    let mut close = |run: &mut Vec<Arc<Chunk>>, run_changed: bool| {
        if run_changed
            && run.len() > 1
            && let Ok(chunk) = Chunk::concat(run, account)
        {
            run.clear();
            merged.push(chunk);
        }
        merged.append(run);
    };
    for (chunk, changed) in chunks {
        let (n_rows, n_bytes) = (chunk.n_rows, chunk.memory_bytes());
        let small = 2 * n_rows <= chunk_rows_max && 2 * n_bytes <= CHUNK_BYTES_MAX;
        if !small || run_rows + n_rows > chunk_rows_max || run_bytes + n_bytes > CHUNK_BYTES_MAX {
            close(&mut run, run_changed);
            (run_rows, run_bytes, run_changed) = (0, 0, false);
        }
        run.push(chunk);
        if small {
            run_rows += n_rows;
            run_bytes += n_bytes;
            run_changed |= changed;
        } else {
            close(&mut run, false);
        }
    }
    close(&mut run, run_changed);
    merged
}

/// Bytes that the values of `array` need, whatever its buffers hold besides.
fn slice_bytes(array: &ArrayRef) -> usize {
    match array.data_type() {
        DataType::Utf8View => array.as_string_view().total_buffer_bytes_used() + array.len() * 16,
        DataType::BinaryView => array.as_binary_view().total_buffer_bytes_used() + array.len() * 16,
        _ => array.to_data().get_slice_memory_size().unwrap_or_else(|_| array.get_array_memory_size()),
    }
}

/// The same values in buffers of their own size: a slice or a view would keep all of its origin's memory.
pub(super) fn compact(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    // Half as much again is let pass rather than copied: it is counted, and builders round their buffers up.
    let wasteful = array.get_buffer_memory_size() > slice_bytes(array) * 3 / 2 + 1024;
    let mut compacted: ArrayRef = match array.data_type() {
        DataType::Utf8View if wasteful => Arc::new(array.as_string_view().gc()),
        DataType::BinaryView if wasteful => Arc::new(array.as_binary_view().gc()),
        // Casting there and back leaves a dictionary of the values in use.
        DataType::Dictionary(_, values) if array.as_any_dictionary().values().len() > array.len() => {
            cast(&cast(array, values)?, array.data_type())?
        }
        // The children of a nested array do not tell which part of them is in use, so it is always copied.
        data_type if wasteful || data_type.is_nested() => copy(array)?,
        _ => return Ok(Arc::clone(array)),
    };
    compacted.shrink_to_fit();
    Ok(compacted)
}

fn copy(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let data = array.to_data();
    let mut values = MutableArrayData::new(vec![&data], false, array.len());
    values.try_extend(0, 0, array.len())?;
    Ok(make_array(values.freeze()))
}

#[cfg(test)]
mod tests {
    use arrow::array::{Int64Array, ListArray, StringArray, StringViewArray};
    use arrow::datatypes::{Field, Int64Type, Schema};
    use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, UnboundedMemoryPool};

    use super::*;

    fn account() -> MemoryReservation {
        let pool: Arc<dyn MemoryPool> = Arc::new(UnboundedMemoryPool::default());
        MemoryConsumer::new("t").register(&pool)
    }

    fn batch(values: std::ops::Range<i64>) -> RecordBatch {
        let schema = Arc::new(Schema::new(vec![Field::new("x", DataType::Int64, true)]));
        RecordBatch::try_new(schema, vec![Arc::new(Int64Array::from_iter_values(values))]).unwrap()
    }

    fn values(chunks: &[Arc<Chunk>]) -> Vec<i64> {
        chunks.iter().flat_map(|chunk| chunk.columns[0].array.as_primitive::<Int64Type>().values().to_vec()).collect()
    }

    fn slice_of_large_arrays() -> Vec<ArrayRef> {
        let texts: Vec<String> = (0..100_000).map(|i| format!("a rather long text number {i}")).collect();
        let list = ListArray::from_iter_primitive::<Int64Type, _, _>((0..100_000).map(|i| Some(vec![Some(i), None])));
        let large: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from_iter_values(0..100_000)),
            Arc::new(StringArray::from_iter_values(&texts)),
            Arc::new(StringViewArray::from_iter_values(&texts)),
            Arc::new(list),
        ];
        large.into_iter().map(|array| array.slice(50_000, 10)).collect()
    }

    #[test]
    fn a_slice_does_not_keep_its_origin() {
        for slice in slice_of_large_arrays() {
            let column = StoredColumn::try_new(&slice, &account()).unwrap();
            assert_eq!(&column.array, &slice);
            assert!(column.memory_bytes() < 4096, "{}: {}", slice.data_type(), column.memory_bytes());
        }
    }

    #[test]
    fn builder_cuts_and_gathers() {
        let mut builder = ChunkBuilder::new(100, &account());
        for range in [0..30, 30..250, 250..251, 251..300, 300..305] {
            builder.push(&batch(range)).unwrap();
        }
        let chunks = builder.finish().unwrap();
        assert_eq!(chunks.iter().map(|chunk| chunk.n_rows).collect::<Vec<_>>(), [100, 100, 100, 5]);
        assert_eq!(values(&chunks), (0..305).collect::<Vec<_>>());
    }

    #[test]
    fn rows_appended_one_by_one_make_few_chunks() {
        let account = account();
        let mut chunks = vec![];
        for i in 0..1000 {
            let chunk = Chunk::try_new(&batch(i..i + 1), &account).unwrap();
            append(&mut chunks, chunk, 64, &account);
        }
        assert_eq!(values(&chunks), (0..1000).collect::<Vec<_>>());
        assert!(chunks.len() <= 1000 / 32 + 8, "{} chunks", chunks.len());
        assert!(chunks.iter().all(|chunk| chunk.n_rows <= 64));
    }

    #[test]
    fn chunks_that_shrank_are_merged_in_order() {
        let account = account();
        let chunk = |range: std::ops::Range<i64>, changed| (Chunk::try_new(&batch(range), &account).unwrap(), changed);
        let chunks = vec![chunk(0..90, false), chunk(90..95, true), chunk(95..99, false), chunk(99..190, true)];
        let merged = merge_runs(chunks, 100, &account);
        assert_eq!(merged.iter().map(|chunk| chunk.n_rows).collect::<Vec<_>>(), [90, 9, 91]);
        assert_eq!(values(&merged), (0..190).collect::<Vec<_>>());

        let untouched = vec![chunk(0..5, false), chunk(5..9, false)];
        assert_eq!(merge_runs(untouched, 100, &account).len(), 2);
    }
}
