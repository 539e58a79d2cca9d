//! Plain Rust values as values between tasks.

use std::any::{Any, TypeId, type_name};
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::value::LocalDecoder;
use crate::{Encoded, OpRegistry, RegistryError, TaskError, Value, ValueError, ValueRef};

/// A plain Rust value that travels between tasks: what functions that are [`delayed`](crate::delayed) take and give.
pub struct Plain<T> {
    value: T,
    size_bytes: usize,
    codec: Option<Arc<Codec<T>>>,
}

impl<T: Send + Sync + 'static> Plain<T> {
    /// Wraps `value`. Its bytes are those of `T` itself, and what strings and vectors of numbers or strings hold on the
    /// heap; use [`with_size`](Self::with_size) for what holds memory otherwise.
    pub fn new(value: T) -> Self {
        let size_bytes = size_of::<Self>() + heap_bytes(&value);
        Self { value, size_bytes, codec: None }
    }

    /// Wraps `value`, which keeps `heap_bytes` besides itself.
    pub fn with_size(value: T, heap_bytes: usize) -> Self {
        Self { value, size_bytes: size_of::<Self>() + heap_bytes, codec: None }
    }

    /// The value with a way to bytes.
    pub(crate) fn with_codec(self, codec: Arc<Codec<T>>) -> Self {
        Self { codec: Some(codec), ..self }
    }

    /// The value.
    pub fn get(&self) -> &T {
        &self.value
    }
}

impl<T: Send + Sync + 'static> Value for Plain<T> {
    fn size_bytes(&self) -> usize {
        self.size_bytes
    }

    fn encode(&self) -> Result<Encoded, ValueError> {
        let codec = self.codec.as_ref().ok_or(ValueError::NotEncodable { type_name: self.type_name() })?;
        codec.encode(&self.value)
    }

    fn local_decoder(&self) -> Option<LocalDecoder> {
        let codec = self.codec.clone()?;
        // What was measured stays true of the value that is read back.
        let heap_bytes = self.size_bytes - size_of::<Self>();
        Some(Arc::new(move |bytes| {
            let value = codec.read(&bytes)?;
            Ok(Arc::new(Plain::with_size(value, heap_bytes).with_codec(Arc::clone(&codec))))
        }))
    }

    fn type_name(&self) -> &'static str {
        type_name::<T>()
    }
}

impl<T: fmt::Debug> fmt::Debug for Plain<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}

/// How a type is written as bytes and read back, and the name of its decoder in the registry.
pub(crate) struct Codec<T> {
    name: Arc<str>,
    encode: fn(&T) -> Result<Vec<u8>, postcard::Error>,
    decode: fn(&[u8]) -> Result<T, postcard::Error>,
}

impl<T: Serialize + DeserializeOwned> Codec<T> {
    pub(crate) fn new(name: Arc<str>) -> Self {
        Self { name, encode: postcard::to_stdvec, decode: |bytes| postcard::from_bytes(bytes) }
    }
}

impl<T: Send + Sync + 'static> Codec<T> {
    fn read(&self, bytes: &[u8]) -> Result<T, ValueError> {
        (self.decode)(bytes)
            .map_err(|error| ValueError::Decode { type_name: self.name.to_string(), source: Arc::new(error) })
    }

    fn encode(&self, value: &T) -> Result<Encoded, ValueError> {
        let bytes = (self.encode)(value);
        let bytes =
            bytes.map_err(|error| ValueError::Encode { type_name: type_name::<T>(), source: Arc::new(error) })?;
        Ok(Encoded::new(&*self.name, bytes))
    }

    /// The value that [`Plain::encode`] wrote.
    pub(crate) fn decode(self: &Arc<Self>, bytes: &[u8]) -> Result<ValueRef, ValueError> {
        Ok(Arc::new(Plain::new(self.read(bytes)?).with_codec(Arc::clone(self))))
    }
}

impl OpRegistry {
    /// Registers a type of plain values under a name, so that values of it that are passed to tasks, scattered or persisted
    /// can be written to disk and sent to other processes. What registered functions take and give needs no name of its
    /// own.
    ///
    /// ```
    /// use dolmen_graph::{Delayed, OpRegistry, encode};
    ///
    /// #[derive(serde::Serialize, serde::Deserialize)]
    /// struct Station(String, f64);
    ///
    /// let mut registry = OpRegistry::new();
    /// let station = Delayed::value(Station("Lahti".into(), 61.0));
    /// assert!(encode(station.lower()?.graph(), &registry).is_err());
    /// registry.register_type::<Station>("station")?;
    /// assert!(encode(station.lower()?.graph(), &registry).is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`RegistryError::Duplicate`] if the name is taken.
    pub fn register_type<T>(&mut self, name: &str) -> Result<(), RegistryError>
    where
        T: Serialize + DeserializeOwned + Send + Sync + 'static,
    {
        let codec = Arc::new(Codec::<T>::new(name.into()));
        let decode = Arc::clone(&codec);
        self.register_value(name, move |bytes, _| decode.decode(bytes))?;
        self.insert_encoder(TypeId::of::<Plain<T>>(), move |value| match value.downcast_ref::<Plain<T>>() {
            Some(plain) => codec.encode(&plain.value),
            None => Err(ValueError::NotEncodable { type_name: value.type_name() }),
        });
        Ok(())
    }
}

/// Registers numbers and texts and vectors of them under the names of their types.
pub(crate) fn register_usual_types(registry: &mut OpRegistry) {
    macro_rules! register {
        ($($of:ty),*) => {
            $(
                let single = registry.register_type::<$of>(type_name::<$of>());
                let vector = registry.register_type::<Vec<$of>>(type_name::<Vec<$of>>());
                debug_assert!(single.and(vector).is_ok(), "types have different names");
            )*
        };
    }
    register!(u8, i8, u16, i16, u32, i32, u64, i64, u128, i128, usize, isize, f32, f64, bool, char, String);
}

/// A shared result or argument. A function that takes one reads the value where it is, without a copy.
pub struct Shared<T>(Arc<Plain<T>>);

impl<T: Send + Sync + 'static> Shared<T> {
    /// Shares `value`.
    pub fn new(value: T) -> Self {
        Self(Arc::new(Plain::new(value)))
    }

    /// Shares a value that a task made.
    ///
    /// # Errors
    /// [`TaskError::InputType`] if it is no [`Plain<T>`](Plain).
    pub fn from_value(value: ValueRef) -> Result<Self, TaskError> {
        let plain = value.downcast::<Plain<T>>().map_err(|found| TaskError::InputType {
            input_idx: 0,
            position: 0,
            expected: type_name::<T>(),
            found: found.type_name(),
        })?;
        Ok(Self(plain))
    }

    pub(crate) fn from_plain(plain: Arc<Plain<T>>) -> Self {
        Self(plain)
    }

    pub(crate) fn into_value(self) -> ValueRef {
        self.0
    }
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0.value
    }
}

impl<T: fmt::Debug> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What the usual types keep on the heap; 0 for all others.
fn heap_bytes(value: &dyn Any) -> usize {
    macro_rules! vectors_of {
        ($($element:ty),*) => {
            $(
                if let Some(vector) = value.downcast_ref::<Vec<$element>>() {
                    return vector.capacity() * size_of::<$element>();
                }
                if let Some(vectors) = value.downcast_ref::<Vec<Vec<$element>>>() {
                    let inner: usize = vectors.iter().map(|vector| vector.capacity() * size_of::<$element>()).sum();
                    return vectors.capacity() * size_of::<Vec<$element>>() + inner;
                }
            )*
        };
    }
    vectors_of!(u8, i8, u16, i16, u32, i32, u64, i64, u128, i128, usize, isize, f32, f64, bool, char);
    if let Some(text) = value.downcast_ref::<String>() {
        return text.capacity();
    }
    if let Some(texts) = value.downcast_ref::<Vec<String>>() {
        return texts.capacity() * size_of::<String>() + texts.iter().map(String::capacity).sum::<usize>();
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_types_are_measured_with_their_heap() {
        let own = |bytes: usize| bytes - size_of::<Plain<Vec<f64>>>();
        assert_eq!(own(Plain::new(vec![0.0_f64; 1000]).size_bytes()), 8000);
        assert_eq!(own(Plain::new(vec![vec![0_u8; 10]; 2]).size_bytes()), 2 * 24 + 20);
        assert_eq!(own(Plain::new(String::from("four")).size_bytes()), 4);
        assert_eq!(own(Plain::new(vec![String::from("four")]).size_bytes()), 24 + 4);
        assert_eq!(Plain::new(7_u64).size_bytes(), size_of::<Plain<u64>>());
        assert_eq!(Plain::with_size((), 99).size_bytes(), size_of::<Plain<()>>() + 99);
    }

    #[test]
    fn a_value_with_a_codec_survives_a_spill() {
        let value = Plain::with_size(vec![1_u64, 2], 160).with_codec(Arc::new(Codec::new("numbers".into())));
        let bytes = value.encode().unwrap().parts.remove(0);
        let read = value.local_decoder().unwrap()(bytes).unwrap();
        assert_eq!(read.size_bytes(), value.size_bytes());
        assert_eq!(read.downcast_ref::<Plain<Vec<u64>>>().unwrap().get(), value.get());
        assert!(value.local_decoder().unwrap()(bytes::Bytes::from_static(&[7])).is_err());
        assert!(Plain::new(1).local_decoder().is_none());
    }
}
