//! Writing values to the session's temporary folder and reading them back.

use std::io::Write;
use std::sync::Arc;

use bytes::Bytes;
use dolmen_graph::{LocalDecoder, OpRegistry, ValueError, ValueRef};
use dolmen_storage::{BlockCodec, BlockError, BlockId, BlockStore, CodecError, MemoryBudget, Reservation, TempFolder};

use super::values::DiskValue;
use crate::core::SpillFailure;

/// Values on disk. Those in memory belong to the engine.
pub(crate) struct Disk {
    store: Arc<BlockStore<Block>>,
    registry: Arc<OpRegistry>,
}

/// What the store holds: a value on its way out, or bytes on their way in.
enum Block {
    Value(ValueRef),
    Bytes(Bytes),
}

/// Where the bytes of a value start in a file: at a multiple of it, so that values can use them where they lie.
const ALIGNMENT: usize = 64;

struct Codec(Arc<OpRegistry>);

impl BlockCodec<Block> for Codec {
    fn size_bytes(&self, block: &Block) -> usize {
        match block {
            Block::Value(value) => value.size_bytes(),
            Block::Bytes(bytes) => bytes.len(),
        }
    }

    fn encode(&self, block: &Block, out: &mut dyn Write) -> Result<(), CodecError> {
        let Block::Value(value) = block else { return Err("bytes are written only once".into()) };
        let encoded = self.0.encode_value(value)?;
        let name = encoded.type_name.as_bytes();
        let n_bytes = size_of::<u64>() + name.len();
        out.write_all(&(name.len() as u64).to_le_bytes())?;
        out.write_all(name)?;
        out.write_all(&[0; ALIGNMENT][..n_bytes.next_multiple_of(ALIGNMENT) - n_bytes])?;
        Ok(encoded.parts.iter().try_for_each(|part| out.write_all(part))?)
    }

    fn decode(&self, bytes: Bytes) -> Result<Block, CodecError> {
        Ok(Block::Bytes(bytes))
    }
}

impl Disk {
    pub(crate) fn new(budget: Arc<MemoryBudget>, temp: Arc<TempFolder>, registry: Arc<OpRegistry>) -> Self {
        Self { store: BlockStore::new(budget, temp, Codec(Arc::clone(&registry)), |_| ()), registry }
    }

    /// Writes a value. `held` are its bytes of the budget, which are free afterwards.
    pub(crate) fn write(&self, value: &ValueRef, held: Reservation) -> Result<DiskValue, SpillFailure> {
        let (decoder, size_bytes) = (value.local_decoder(), value.size_bytes() as u64);
        let block = self.store.put(Block::Value(Arc::clone(value)), held, 0);
        match self.store.spill(block) {
            Ok(_) => Ok(DiskValue { block, size_bytes, decoder }),
            Err(error) => {
                self.store.remove(block);
                Err(match error {
                    BlockError::Encode { .. } => SpillFailure::NotEncodable,
                    error => SpillFailure::Disk(Arc::new(error)),
                })
            }
        }
    }

    /// Reads a value back, `beyond` the memory limit if need be. It stays on disk, so that writing it again costs nothing. The
    /// store counts the bytes while they are read; the value itself is the engine's to count.
    pub(crate) fn read(&self, on_disk: &DiskValue, beyond: bool) -> Result<ValueRef, ReadError> {
        let block = match self.store.load_once(on_disk.block) {
            Err(BlockError::Memory { .. }) if beyond => self.store.load_once_beyond(on_disk.block)?,
            loaded => loaded?,
        };
        let Block::Bytes(bytes) = &*block else { return Err(ReadError::Format) };
        self.decode(bytes.clone(), on_disk.decoder.as_ref())
    }

    fn decode(&self, mut bytes: Bytes, decoder: Option<&LocalDecoder>) -> Result<ValueRef, ReadError> {
        let length = bytes.first_chunk().and_then(|length| usize::try_from(u64::from_le_bytes(*length)).ok());
        let end = length.filter(|length| *length < bytes.len()).ok_or(ReadError::Format)? + size_of::<u64>();
        if bytes.len() < end.next_multiple_of(ALIGNMENT) {
            return Err(ReadError::Format);
        }
        let name = bytes.split_to(end.next_multiple_of(ALIGNMENT));
        if let Some(decoder) = decoder {
            return Ok(decoder(bytes)?);
        }
        let name = std::str::from_utf8(&name[size_of::<u64>()..end]).map_err(|_| ReadError::Format)?;
        Ok(self.registry.decode_value_bytes(name, &bytes)?)
    }

    pub(crate) fn remove(&self, block: BlockId) {
        self.store.remove(block);
    }

    /// Blocks on disk.
    pub(crate) fn n_blocks(&self) -> usize {
        self.store.stats().n_blocks
    }
}

/// Why a value was not read back.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    #[error(transparent)]
    Block(#[from] BlockError),
    #[error(transparent)]
    Value(#[from] ValueError),
    #[error("the bytes of the block are no value")]
    Format,
}

impl ReadError {
    /// Whether there is no memory for it now.
    pub(crate) fn is_memory(&self) -> bool {
        matches!(self, Self::Block(BlockError::Memory { .. }))
    }
}
