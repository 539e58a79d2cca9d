//! What the tasks of a stage leave for those of the next: rows divided into pieces, in memory or on disk.

use std::io::Write;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use arrow::array::{Array, ArrayData, ArrayRef, AsArray, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, SchemaRef};
use arrow::ipc::reader::StreamDecoder;
use arrow::ipc::writer::StreamWriter;
use bytes::Bytes;
use datafusion::error::{DataFusionError, Result};
use datafusion::physical_plan::Partitioning;
use datafusion::physical_plan::metrics::Time;
use datafusion::physical_plan::repartition::BatchPartitioner;
use dolmen_graph::{Value, ValueRef};
use dolmen_storage::{
    BlockCodec, BlockError, BlockId, BlockRef, BlockStore, CodecError, Consumer, MemoryBudget, Reservation, TempFolder,
};

use super::external;

/// Keeps the rows between stages, for all plans of a session. Clones are the same store.
#[derive(Debug, Clone)]
pub(crate) struct ExchangeStore {
    blocks: Arc<BlockStore<Block>>,
    consumer: Consumer,
    /// Bytes of blocks that stay in memory; what goes beyond is written to disk at once.
    memory_max: usize,
    /// Bytes that one task collects before it hands them over.
    buffer_max: usize,
    /// Bytes of a block, unless a single batch has more: who reads many outputs at once holds a block of each.
    block_max: usize,
    memory_bytes: Arc<AtomicUsize>,
    /// Counts the bytes that are written to disk.
    written_bytes: Arc<AtomicU64>,
}

/// Consecutive rows of one piece, from one task.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) batches: Vec<RecordBatch>,
    /// Counts its bytes while it is in memory for want of having been written.
    _kept: Option<Kept>,
    /// Counts its bytes when it is written.
    written_bytes: Option<Arc<AtomicU64>>,
}

#[derive(Debug)]
struct Kept {
    bytes: usize,
    of: Arc<AtomicUsize>,
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.of.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// A quarter of the limit is for what waits between stages; the rest is for those who work.
const MEMORY_SHARE: usize = 4;

/// The largest part of a task's rows that waits to be divided, even if there is much memory.
const BUFFER_MAX: usize = 64 << 20;

/// Blocks of the largest size that the limit has room for.
const BLOCKS_IN_LIMIT: usize = 256;

/// Smaller blocks are not worth files of their own; larger ones save nothing.
const BLOCK_MIN: usize = 256 << 10;
const BLOCK_MAX: usize = 8 << 20;

/// The part of the limit by which blocks that are read may go beyond it.
const BEYOND_SHARE: usize = 8;

impl ExchangeStore {
    pub(crate) fn new(budget: &Arc<MemoryBudget>, temp: Arc<TempFolder>, threads: usize) -> Self {
        let limit = budget.limit_bytes();
        Self {
            blocks: BlockStore::new(Arc::clone(budget), temp, Codec, |_| ()),
            consumer: budget.consumer("rows between stages"),
            memory_max: limit / MEMORY_SHARE,
            buffer_max: (limit / (8 * threads.max(1))).clamp(1 << 20, BUFFER_MAX),
            block_max: (limit / BLOCKS_IN_LIMIT).clamp(BLOCK_MIN, BLOCK_MAX),
            memory_bytes: Arc::default(),
            written_bytes: Arc::default(),
        }
    }

    /// The store, for a plan whose bytes on disk are counted in `written_bytes`.
    pub(crate) fn counting(&self, written_bytes: &Arc<AtomicU64>) -> Self {
        Self { written_bytes: Arc::clone(written_bytes), ..self.clone() }
    }

    /// Keeps a block, in memory if there is room.
    fn put(&self, batches: Vec<RecordBatch>, reservation: Reservation) -> Result<BlockId> {
        let bytes = reservation.size();
        let before = self.memory_bytes.fetch_add(bytes, Ordering::Relaxed);
        let kept = Kept { bytes, of: Arc::clone(&self.memory_bytes) };
        let is_room = before.saturating_add(bytes) <= self.memory_max;
        let block = Block { batches, _kept: Some(kept), written_bytes: Some(Arc::clone(&self.written_bytes)) };
        let id = self.blocks.put(block, reservation, 0);
        if !is_room {
            self.blocks
                .spill(id)
                .inspect_err(|_| {
                    self.blocks.remove(id);
                })
                .map_err(external)?;
        }
        Ok(id)
    }

    /// The rows of a block, read from disk if need be.
    ///
    /// A task cannot go on without the rows that it reads, and what it holds it gives back when it goes on. So where memory is
    /// refused, rows that wait make room, and at last a block goes a little beyond the limit.
    pub(super) fn load(&self, id: BlockId) -> Result<BlockRef<Block>> {
        let refused = match self.blocks.load_once(id) {
            Err(error @ BlockError::Memory { .. }) => error,
            loaded => return loaded.map_err(external),
        };
        if self.blocks.spill_until(self.block_max).map_err(external)? > 0
            && let Ok(block) = self.blocks.load_once(id)
        {
            return Ok(block);
        }
        let budget = self.consumer.budget();
        if budget.used_bytes() > budget.limit_bytes() + budget.limit_bytes() / BEYOND_SHARE {
            return Err(DataFusionError::ResourcesExhausted(refused.to_string()));
        }
        self.blocks.load_once_beyond(id).map_err(external)
    }
}

/// Blocks as Arrow's stream format.
struct Codec;

impl BlockCodec<Block> for Codec {
    fn size_bytes(&self, block: &Block) -> usize {
        block.batches.iter().map(batch_bytes).sum()
    }

    fn encode(&self, block: &Block, out: &mut dyn Write) -> Result<(), CodecError> {
        let Some(first) = block.batches.first() else { return Ok(()) };
        let mut writer = StreamWriter::try_new(out, first.schema_ref())?;
        for batch in &block.batches {
            writer.write(batch)?;
        }
        writer.finish()?;
        if let Some(written_bytes) = &block.written_bytes {
            written_bytes.fetch_add(self.size_bytes(block) as u64, Ordering::Relaxed);
        }
        Ok(())
    }

    fn decode(&self, bytes: Bytes) -> Result<Block, CodecError> {
        let batches = batches(bytes).collect::<Result<_>>()?;
        Ok(Block { batches, _kept: None, written_bytes: None })
    }
}

/// The batches that were written as `bytes`, as they are asked for.
pub(super) fn batches(bytes: Bytes) -> impl Iterator<Item = Result<RecordBatch>> {
    let mut buffer = arrow::buffer::Buffer::from(bytes);
    let mut decoder = StreamDecoder::new();
    std::iter::from_fn(move || {
        while !buffer.is_empty() {
            match decoder.decode(&mut buffer) {
                Ok(Some(batch)) => return Some(Ok(batch)),
                Ok(None) => {}
                Err(error) => {
                    buffer = arrow::buffer::Buffer::default();
                    return Some(Err(error.into()));
                }
            }
        }
        None
    })
}

/// The bytes of a batch's rows, whatever else their buffers hold; of views, all that they hold on to.
pub(super) fn batch_bytes(batch: &RecordBatch) -> usize {
    let column = |column: &ArrayRef| {
        let data = column.to_data();
        let bytes = data.get_slice_memory_size().unwrap_or_else(|_| data.get_array_memory_size());
        bytes + viewed_bytes(&data)
    };
    batch.columns().iter().map(column).sum()
}

/// What Arrow does not count: the texts and bytes that views refer to.
fn viewed_bytes(data: &ArrayData) -> usize {
    let own = match data.data_type() {
        DataType::Utf8View | DataType::BinaryView => data.buffers().iter().skip(1).map(|buffer| buffer.len()).sum(),
        _ => 0,
    };
    own + data.child_data().iter().map(viewed_bytes).sum::<usize>()
}

/// The result of a task: for each piece its blocks.
#[derive(Debug)]
pub(super) struct Output {
    store: Arc<ExchangeStore>,
    pieces: Vec<Piece>,
}

/// The blocks of a piece, with the bytes of their rows in memory.
type Piece = Vec<(BlockId, usize)>;

impl Output {
    /// Of a task that has no rows.
    pub(super) fn empty(store: &Arc<ExchangeStore>) -> Self {
        Self { store: Arc::clone(store), pieces: Vec::new() }
    }

    /// The blocks of some pieces, with the bytes of their rows in memory.
    pub(super) fn blocks(&self, pieces: Range<usize>) -> impl Iterator<Item = (BlockId, usize)> {
        let end = pieces.end.min(self.pieces.len());
        self.pieces[pieces.start.min(end)..end].iter().flatten().copied()
    }

    pub(super) fn store(&self) -> &Arc<ExchangeStore> {
        &self.store
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        for (block, _) in self.pieces.iter().flatten() {
            self.store.blocks.remove(*block);
        }
    }
}

/// An [`Output`] as it travels. Its memory is counted by its store.
#[derive(Debug)]
pub(super) struct OutputValue(pub(super) Arc<Output>);

impl Value for OutputValue {
    fn size_bytes(&self) -> usize {
        0
    }

    /// The whole output: which piece is read, the plan that reads it says.
    fn piece(&self, _: u32) -> Option<ValueRef> {
        Some(Arc::new(Self(Arc::clone(&self.0))))
    }
}

/// Divides the rows of one task.
pub(super) struct Writer {
    output: Output,
    /// `None` if all rows are one piece.
    partitioner: Option<BatchPartitioner>,
    schema: SchemaRef,
    batch_rows: usize,
    /// For each piece what has not become a block.
    pending: Vec<Pending>,
    reservation: Reservation,
}

#[derive(Debug, Default)]
struct Pending {
    /// Batches as large as they are to be.
    whole: Vec<RecordBatch>,
    parts: Vec<RecordBatch>,
    part_rows: usize,
    part_bytes: usize,
    /// Of everything.
    bytes: usize,
}

impl Writer {
    /// Of the task of `partition` among `n_partitions`, for batches of about `batch_rows` rows.
    pub(super) fn new(
        store: &Arc<ExchangeStore>,
        partitioning: Option<Partitioning>,
        schema: SchemaRef,
        batch_rows: usize,
        (partition, n_partitions): (usize, usize),
    ) -> Result<Self> {
        let n_pieces = partitioning.as_ref().map_or(1, Partitioning::partition_count);
        let partitioner =
            partitioning.map(|by| BatchPartitioner::try_new(by, Time::new(), partition, n_partitions)).transpose()?;
        Ok(Self {
            output: Output { store: Arc::clone(store), pieces: (0..n_pieces).map(|_| Piece::default()).collect() },
            partitioner,
            schema,
            batch_rows,
            pending: (0..n_pieces).map(|_| Pending::default()).collect(),
            reservation: store.consumer.reserve(),
        })
    }

    pub(super) fn write(&mut self, batch: RecordBatch) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let whole = (self.batch_rows, self.output.store.block_max);
        match &mut self.partitioner {
            None => self.pending[0].push(compact(&batch)?, whole)?,
            Some(partitioner) => {
                for piece in partitioner.partition_iter(batch)? {
                    let (piece, batch) = piece?;
                    self.pending[piece].push(compact(&batch)?, whole)?;
                }
            }
        }
        let bytes: usize = self.pending.iter().map(|pending| pending.bytes).sum();
        let more = bytes.saturating_sub(self.reservation.size());
        let is_full = bytes > self.output.store.buffer_max || self.reservation.try_grow(more).is_err();
        if is_full {
            // The rows are there: they are counted until they are written.
            self.reservation.resize(bytes);
            self.flush()?;
        }
        Ok(())
    }

    /// Makes blocks of everything that is pending.
    fn flush(&mut self) -> Result<()> {
        for (pending, piece) in self.pending.iter_mut().zip(&mut self.output.pieces) {
            let mut pending = std::mem::take(pending);
            pending.gather(&self.schema)?;
            if pending.whole.is_empty() {
                continue;
            }
            let store = &self.output.store;
            let (mut block, mut block_bytes) = (Vec::new(), 0);
            for batch in pending.whole {
                let bytes = batch_bytes(&batch);
                if block_bytes > 0 && block_bytes + bytes > store.block_max {
                    let of_block = part(&mut self.reservation, block_bytes);
                    piece.push((store.put(std::mem::take(&mut block), of_block)?, block_bytes));
                    block_bytes = 0;
                }
                block.push(batch);
                block_bytes += bytes;
            }
            piece.push((store.put(block, part(&mut self.reservation, block_bytes))?, block_bytes));
        }
        self.reservation.free();
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<Output> {
        self.flush()?;
        Ok(self.output)
    }
}

/// Takes `bytes` out of a reservation, beyond it if it has less: the rows are there.
fn part(reservation: &mut Reservation, bytes: usize) -> Reservation {
    let mut part = reservation.split(bytes.min(reservation.size()));
    part.resize(bytes);
    part
}

impl Pending {
    /// Adds rows; so many rows or bytes make a whole batch.
    fn push(&mut self, batch: RecordBatch, (rows_min, bytes_min): (usize, usize)) -> Result<()> {
        let (rows, bytes) = (batch.num_rows(), batch_bytes(&batch));
        self.part_rows += rows;
        self.part_bytes += bytes;
        self.bytes += bytes;
        let schema = batch.schema();
        self.parts.push(batch);
        if self.part_rows >= rows_min || self.part_bytes >= bytes_min { self.gather(&schema) } else { Ok(()) }
    }

    /// Makes one batch of the small ones.
    fn gather(&mut self, schema: &SchemaRef) -> Result<()> {
        (self.part_rows, self.part_bytes) = (0, 0);
        let parts = std::mem::take(&mut self.parts);
        match parts.len() {
            0 => {}
            1 => self.whole.extend(parts),
            _ => self.whole.push(concat_batches(schema, &parts)?),
        }
        Ok(())
    }
}

/// The batch without the bytes that its rows do not use: views hold on to whole buffers, and slices to what is beside them.
fn compact(batch: &RecordBatch) -> Result<RecordBatch> {
    let is_view = |column: &ArrayRef| matches!(column.data_type(), DataType::Utf8View | DataType::BinaryView);
    if !batch.columns().iter().any(is_view) {
        return Ok(batch.clone());
    }
    let columns = batch.columns().iter().map(|column| match column.data_type() {
        DataType::Utf8View => Arc::new(column.as_string_view().gc()) as ArrayRef,
        DataType::BinaryView => Arc::new(column.as_binary_view().gc()),
        _ => Arc::clone(column),
    });
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(batch.schema(), columns.collect(), &options)?)
}
