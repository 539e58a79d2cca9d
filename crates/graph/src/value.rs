//! What travels between tasks.

use std::any::Any;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use thiserror::Error;

use crate::OpRegistry;

/// Anything that travels between tasks: record batches, array blocks, plain Rust values.
///
/// A value says how many bytes it holds, so that the scheduler can keep to its budget, and how it is written as bytes, so
/// that it can be spilled or sent to another process.
pub trait Value: Any + Send + Sync {
    /// The bytes this value keeps in memory, what it owns on the heap included.
    fn size_bytes(&self) -> usize;

    /// The value as bytes, with the name under which [`OpRegistry`](crate::OpRegistry) finds the decoder.
    ///
    /// # Errors
    /// [`ValueError::NotEncodable`] unless the type overrides this method: such a value stays in its process and cannot be
    /// spilled.
    fn encode(&self) -> Result<Encoded, ValueError> {
        Err(ValueError::NotEncodable { type_name: self.type_name() })
    }

    /// How the bytes of this very value are read back in this process, for a value whose type is in no registry.
    ///
    /// `None` if the registry has its decoder, or if it has no encoding.
    fn local_decoder(&self) -> Option<LocalDecoder> {
        None
    }

    /// One piece of a value that consists of pieces, as the result of a task before an
    /// [exchange](crate::Wiring::Exchange) does: consumer `p` gets piece `p`.
    ///
    /// `None` if the value has no such piece.
    fn piece(&self, partition: u32) -> Option<ValueRef> {
        let _ = partition;
        None
    }

    /// The name of the Rust type, for messages.
    fn type_name(&self) -> &'static str {
        std::any::type_name::<Self>()
    }
}

/// A shared value. Cloning it copies a pointer.
pub type ValueRef = Arc<dyn Value>;

/// Reads the bytes of one value, which it may keep; see [`Value::local_decoder`].
pub type LocalDecoder = Arc<dyn Fn(Bytes) -> Result<ValueRef, ValueError> + Send + Sync>;

impl dyn Value {
    /// Whether the value is a `T`.
    #[must_use]
    pub fn is<T: Value>(&self) -> bool {
        let any: &dyn Any = self;
        any.is::<T>()
    }

    /// The value as a `T`, `None` if it is something else.
    #[must_use]
    pub fn downcast_ref<T: Value>(&self) -> Option<&T> {
        let any: &dyn Any = self;
        any.downcast_ref()
    }

    /// The shared value as a shared `T`.
    ///
    /// # Errors
    /// The value itself if it is something else.
    pub fn downcast<T: Value>(self: Arc<Self>) -> Result<Arc<T>, ValueRef> {
        if !self.is::<T>() {
            return Err(self);
        }
        let any: Arc<dyn Any + Send + Sync> = self;
        Ok(any.downcast().unwrap_or_else(|_| unreachable!("the type was asked above")))
    }
}

impl fmt::Debug for dyn Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} bytes", self.type_name(), self.size_bytes())
    }
}

/// A value as bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoded {
    /// The name under which the decoder is registered.
    pub type_name: String,
    /// What the decoder reads, in parts that follow one another: memory that the value shares needs no copy.
    pub parts: Vec<Bytes>,
}

impl Encoded {
    /// A value whose bytes lie in one piece.
    pub fn new(type_name: impl Into<String>, bytes: impl Into<Bytes>) -> Self {
        Self { type_name: type_name.into(), parts: vec![bytes.into()] }
    }

    /// The length of all parts.
    #[must_use]
    pub fn n_bytes(&self) -> usize {
        self.parts.iter().map(Bytes::len).sum()
    }

    /// The bytes in one piece, copied if there are several parts.
    #[must_use]
    pub fn bytes(&self) -> Cow<'_, [u8]> {
        match &*self.parts {
            [bytes] => Cow::Borrowed(bytes),
            parts => Cow::Owned(parts.concat()),
        }
    }
}

/// The result of a task before an exchange: one value for each consumer.
#[derive(Debug)]
pub struct Pieces {
    pieces: Box<[ValueRef]>,
    size_bytes: usize,
}

impl Pieces {
    /// The name under which the decoder of pieces is registered.
    pub const TYPE_NAME: &'static str = "dolmen.pieces";

    /// Makes a value of `pieces`; consumer `p` gets the one at `p`.
    #[must_use]
    pub fn new(pieces: Vec<ValueRef>) -> Self {
        let pieces = pieces.into_boxed_slice();
        let size_bytes =
            size_of::<Self>() + size_of_val(&*pieces) + pieces.iter().map(|piece| piece.size_bytes()).sum::<usize>();
        Self { pieces, size_bytes }
    }

    pub(crate) fn decode(bytes: &[u8], registry: &OpRegistry) -> Result<ValueRef, ValueError> {
        let malformed = |error| ValueError::Decode { type_name: Self::TYPE_NAME.to_owned(), source: Arc::new(error) };
        let pieces: Vec<(&str, &[u8])> = postcard::from_bytes(bytes).map_err(malformed)?;
        let pieces = pieces.into_iter().map(|(name, bytes)| registry.decode_value_bytes(name, bytes));
        Ok(Arc::new(Self::new(pieces.collect::<Result<_, _>>()?)))
    }

    /// All pieces in order.
    #[must_use]
    pub fn pieces(&self) -> &[ValueRef] {
        &self.pieces
    }
}

impl Value for Pieces {
    fn size_bytes(&self) -> usize {
        self.size_bytes
    }

    fn piece(&self, partition: u32) -> Option<ValueRef> {
        self.pieces.get(partition as usize).cloned()
    }

    fn encode(&self) -> Result<Encoded, ValueError> {
        let pieces = self.pieces.iter().map(|piece| piece.encode()).collect::<Result<Vec<_>, _>>()?;
        let pieces: Vec<(&str, Cow<'_, [u8]>)> =
            pieces.iter().map(|piece| (piece.type_name.as_str(), piece.bytes())).collect();
        let bytes = postcard::to_stdvec(&pieces)
            .map_err(|error| ValueError::Encode { type_name: self.type_name(), source: Arc::new(error) })?;
        Ok(Encoded::new(Self::TYPE_NAME, bytes))
    }
}

/// Why a value could not be written as bytes or read back.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum ValueError {
    /// The type has no encoding.
    #[error("a value of type {type_name} has no encoding; plain values are given one by `OpRegistry::register_type`")]
    NotEncodable {
        /// The Rust type.
        type_name: &'static str,
    },
    /// Writing failed.
    #[error("a value of type {type_name} could not be encoded")]
    Encode {
        /// The Rust type.
        type_name: &'static str,
        /// What the encoding said.
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
    /// No decoder is registered under the name.
    #[error("no decoder for values named `{type_name}` is registered")]
    UnknownType {
        /// The name in the bytes.
        type_name: String,
    },
    /// The bytes are not what the decoder expects.
    #[error("the bytes of a value named `{type_name}` could not be decoded")]
    Decode {
        /// The name in the bytes.
        type_name: String,
        /// What the decoder said.
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Number(u64);

    impl Value for Number {
        fn size_bytes(&self) -> usize {
            8
        }
    }

    #[derive(Debug)]
    struct Text;

    impl Value for Text {
        fn size_bytes(&self) -> usize {
            24
        }
    }

    #[test]
    fn downcasts_to_its_own_type_only() {
        let value: ValueRef = Arc::new(Number(7));
        assert!(value.is::<Number>());
        assert!(value.downcast_ref::<Text>().is_none());
        let value = value.downcast::<Text>().unwrap_err();
        assert_eq!(value.downcast::<Number>().unwrap().0, 7);
    }

    #[test]
    fn a_value_without_encoding_names_its_type() {
        let error = Number(1).encode().unwrap_err();
        assert!(error.to_string().contains("Number"), "{error}");
    }

    #[test]
    fn pieces_count_what_they_hold() {
        let pieces = Pieces::new(vec![Arc::new(Number(1)), Arc::new(Number(2))]);
        assert!(pieces.size_bytes() >= 16 + 2 * size_of::<ValueRef>());
        assert_eq!(pieces.piece(1).unwrap().downcast_ref::<Number>().unwrap().0, 2);
        assert!(pieces.piece(2).is_none());
        assert!(matches!(pieces.encode(), Err(ValueError::NotEncodable { .. })));
    }
}
