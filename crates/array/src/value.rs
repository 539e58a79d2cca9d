//! Blocks as values between tasks.

use std::sync::Arc;

use bytes::Bytes;
use dolmen_graph::{Encoded, LocalDecoder, OpRegistry, RegistryError, Value, ValueError, ValueRef};
use dolmen_kernels::{Block, KernelError, Partial, Pool};
use smallvec::{SmallVec, smallvec};

/// What a task of an array makes: one block, or the few that a reduction or a factorisation has.
#[derive(Debug)]
pub struct BlockValue {
    blocks: SmallVec<[Block; 1]>,
    size_bytes: usize,
}

impl BlockValue {
    /// The name under which the decoder is registered.
    pub const TYPE_NAME: &'static str = "array.block";

    /// A value of one block.
    #[must_use]
    pub fn new(block: Block) -> Self {
        Self::of(smallvec![block])
    }

    pub(crate) fn of(blocks: SmallVec<[Block; 1]>) -> Self {
        let n_bytes: usize = blocks.iter().map(|block| block.nbytes().min(block.held_bytes())).sum();
        Self { blocks, size_bytes: size_of::<Self>() + n_bytes }
    }

    /// A block of data that is in memory in any case, for as long as the graph is: who made it counts it, and to spill it
    /// would free nothing.
    pub(crate) fn resident(block: Block) -> Self {
        Self { blocks: smallvec![block], size_bytes: 0 }
    }

    /// The first block, the only one of an array's.
    #[must_use]
    pub fn block(&self) -> &Block {
        &self.blocks[0]
    }

    pub(crate) fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    pub(crate) fn into_ref(self) -> ValueRef {
        Arc::new(self)
    }
}

impl Value for BlockValue {
    fn size_bytes(&self) -> usize {
        self.size_bytes
    }

    fn encode(&self) -> Result<Encoded, ValueError> {
        let mut parts = Vec::with_capacity(2 * self.blocks.len());
        for block in &self.blocks {
            let (header, elements) = block.encoded().map_err(encode_error)?;
            let n_bytes = (header.len() + elements.as_ref().len()) as u64;
            parts.push([&n_bytes.to_le_bytes(), &*header].concat().into());
            parts.push(Bytes::from_owner(elements));
        }
        Ok(Encoded { type_name: Self::TYPE_NAME.to_owned(), parts })
    }

    /// So that blocks are read back where arrays are in no registry, as in sessions.
    fn local_decoder(&self) -> Option<LocalDecoder> {
        let pool = self.block().pool();
        let read = move |bytes: Bytes| {
            decode(&bytes, |block| match block.len() > bytes.len() / 2 {
                true => Block::from_owned_bytes(bytes.slice_ref(block), &pool),
                // It may be needed longer than the other blocks of the value.
                false => Block::from_bytes(block, &pool),
            })
        };
        Some(Arc::new(read))
    }
}

fn encode_error(error: KernelError) -> ValueError {
    ValueError::Encode { type_name: BlockValue::TYPE_NAME, source: Arc::new(error) }
}

/// `read` makes a block of its part of `bytes`.
fn decode(mut bytes: &[u8], read: impl Fn(&[u8]) -> Result<Block, KernelError>) -> Result<ValueRef, ValueError> {
    let malformed = |source: Arc<dyn std::error::Error + Send + Sync>| ValueError::Decode {
        type_name: BlockValue::TYPE_NAME.to_owned(),
        source,
    };
    let mut blocks: SmallVec<[Block; 1]> = SmallVec::new();
    while let Some((len, rest)) = bytes.split_first_chunk::<8>() {
        let len = usize::try_from(u64::from_le_bytes(*len)).unwrap_or(usize::MAX);
        let encoded = rest.get(..len).ok_or_else(|| malformed(Arc::from(Box::from("they end early"))))?;
        blocks.push(read(encoded).map_err(|error| malformed(Arc::new(error)))?);
        bytes = &rest[len..];
    }
    if blocks.is_empty() || !bytes.is_empty() {
        return Err(malformed(Arc::from(Box::from("there is no block"))));
    }
    Ok(BlockValue::of(blocks).into_ref())
}

/// The partial result of a reduction as a value.
#[derive(Debug)]
pub(crate) struct PartialValue(pub(crate) Partial);

impl PartialValue {
    const TYPE_NAME: &'static str = "array.partial";
}

impl Value for PartialValue {
    fn size_bytes(&self) -> usize {
        size_of::<Self>() + self.0.held_bytes()
    }

    fn encode(&self) -> Result<Encoded, ValueError> {
        let bytes = self.0.to_bytes().map_err(encode_error)?;
        Ok(Encoded::new(Self::TYPE_NAME, bytes))
    }

    fn local_decoder(&self) -> Option<LocalDecoder> {
        Some(Arc::new(|bytes| decode_partial(&bytes, &Pool::new(0))))
    }
}

fn decode_partial(bytes: &[u8], pool: &Pool) -> Result<ValueRef, ValueError> {
    let malformed =
        |error| ValueError::Decode { type_name: PartialValue::TYPE_NAME.to_owned(), source: Arc::new(error) };
    Ok(Arc::new(PartialValue(Partial::from_bytes(bytes, pool).map_err(malformed)?)))
}

/// Registers the decoders of blocks and of partial results.
pub(crate) fn register(registry: &mut OpRegistry, pool: &Pool) -> Result<(), RegistryError> {
    let pool = pool.clone();
    let for_partials = pool.clone();
    registry.register_value(PartialValue::TYPE_NAME, move |bytes, _| decode_partial(bytes, &for_partials))?;
    registry
        .register_value(BlockValue::TYPE_NAME, move |bytes, _| decode(bytes, |block| Block::from_bytes(block, &pool)))
}
