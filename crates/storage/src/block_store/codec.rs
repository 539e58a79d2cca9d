//! What a block store has to know about its values.

use std::error::Error;
use std::io::Write;

use bytes::Bytes;

/// Why a value could not be turned into bytes, or bytes into a value.
pub type CodecError = Box<dyn Error + Send + Sync>;

/// The size of values, and their way to bytes and back.
///
/// Called without any lock of the store, and from several threads at once. A panic in it leaves the store as it was.
/// A value that is on disk too may be dropped by whoever asks the budget for memory, so dropping it is bound by the rules
/// of [`Reclaim`](crate::Reclaim): it neither waits nor frees what a memory pool over the budget counts under a lock.
pub trait BlockCodec<V>: Send + Sync {
    /// The bytes that `value` holds in memory.
    fn size_bytes(&self, value: &V) -> usize;

    /// Writes `value` to `out`, which is buffered: many small writes are as good as one large one.
    ///
    /// # Errors
    /// That the value has no form as bytes. Errors of `out` are to be passed on; the store remembers what they were.
    fn encode(&self, value: &V, out: &mut dyn Write) -> Result<(), CodecError>;

    /// Makes a value from what [`encode`](Self::encode) wrote. The checksum of `bytes` has been verified, and the value
    /// may keep them.
    ///
    /// # Errors
    /// That the bytes do not describe a value.
    fn decode(&self, bytes: Bytes) -> Result<V, CodecError>;
}
