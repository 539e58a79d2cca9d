//! Finding operations and values by the names in their bytes.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

use thiserror::Error;

use crate::cull::NeverRun;
use crate::delayed::{ErasedFunction, RemoteCalls, register_usual_types};
use crate::fuse::Fused;
use crate::{Encoded, Op, Pieces, ValueError, ValueRef};

type OpDecoder = Box<dyn Fn(&[u8], &OpRegistry) -> Result<Arc<dyn Op>, DecodeError> + Send + Sync>;
type ValueEncoder = Box<dyn Fn(&ValueRef) -> Result<Encoded, ValueError> + Send + Sync>;
type ValueDecoder = Box<dyn Fn(&[u8], &OpRegistry) -> Result<ValueRef, ValueError> + Send + Sync>;

/// The operations and values that can be made from bytes, by name.
///
/// Every process that exchanges graphs or values with others has the same names in its registry; one that lacks a name
/// reports it when it meets it.
pub struct OpRegistry {
    ops: HashMap<String, OpDecoder>,
    values: HashMap<String, ValueDecoder>,
    /// For types of values that do not know their own encoding.
    encoders: HashMap<TypeId, ValueEncoder>,
    functions: HashMap<String, Arc<dyn ErasedFunction>>,
}

impl OpRegistry {
    /// A registry that knows what this crate defines, and the usual [types of plain values](Self::register_type): numbers,
    /// `bool`, `char`, `String`, and vectors of them.
    #[must_use]
    pub fn new() -> Self {
        let mut registry =
            Self { ops: HashMap::new(), values: HashMap::new(), encoders: HashMap::new(), functions: HashMap::new() };
        register_usual_types(&mut registry);
        registry.ops.insert(Fused::NAME.to_owned(), Box::new(Fused::decode));
        registry.ops.insert(NeverRun::NAME.to_owned(), Box::new(|_, _| Ok(Arc::new(NeverRun))));
        registry.ops.insert(RemoteCalls::NAME.to_owned(), Box::new(RemoteCalls::decode));
        registry.values.insert(Pieces::TYPE_NAME.to_owned(), Box::new(Pieces::decode));
        registry
    }

    /// Adds an operation. `decode` makes it from what [`Op::encode`] wrote; it gets the registry to decode operations
    /// and values that are part of it.
    ///
    /// # Errors
    /// [`RegistryError::Duplicate`] if the name is taken.
    pub fn register_op(
        &mut self,
        name: &str,
        decode: impl Fn(&[u8], &Self) -> Result<Arc<dyn Op>, DecodeError> + Send + Sync + 'static,
    ) -> Result<(), RegistryError> {
        insert_new(&mut self.ops, name, Box::new(decode))
    }

    /// Adds a type of values. `decode` makes one from what [`Value::encode`](crate::Value::encode) wrote.
    ///
    /// # Errors
    /// [`RegistryError::Duplicate`] if the name is taken.
    pub fn register_value(
        &mut self,
        name: &str,
        decode: impl Fn(&[u8], &Self) -> Result<ValueRef, ValueError> + Send + Sync + 'static,
    ) -> Result<(), RegistryError> {
        insert_new(&mut self.values, name, Box::new(decode))
    }

    /// The operation that was written as `bytes`.
    ///
    /// # Errors
    /// [`DecodeError::UnknownOp`] if the name is not registered, otherwise what the decoder says.
    pub fn decode_op(&self, name: &str, bytes: &[u8]) -> Result<Arc<dyn Op>, DecodeError> {
        let decode = self.ops.get(name).ok_or_else(|| DecodeError::UnknownOp { name: name.to_owned() })?;
        decode(bytes, self)
    }

    /// The value that was written as `encoded`.
    ///
    /// # Errors
    /// [`ValueError::UnknownType`] if the name is not registered, otherwise what the decoder says.
    pub fn decode_value(&self, encoded: &Encoded) -> Result<ValueRef, ValueError> {
        self.decode_value_bytes(&encoded.type_name, &encoded.bytes())
    }

    /// As [`decode_value`](Self::decode_value), of bytes that belong to someone else.
    ///
    /// # Errors
    /// As [`decode_value`](Self::decode_value).
    pub fn decode_value_bytes(&self, type_name: &str, bytes: &[u8]) -> Result<ValueRef, ValueError> {
        let decode = self.values.get(type_name);
        let decode = decode.ok_or_else(|| ValueError::UnknownType { type_name: type_name.to_owned() })?;
        decode(bytes, self)
    }

    pub(crate) fn insert_encoder(
        &mut self,
        of: TypeId,
        encode: impl Fn(&ValueRef) -> Result<Encoded, ValueError> + Send + Sync + 'static,
    ) {
        self.encoders.insert(of, Box::new(encode));
    }

    /// `value` as bytes: in its own encoding or, if it knows none, as its type was [registered](Self::register_type).
    ///
    /// # Errors
    /// [`ValueError::NotEncodable`] if there is neither, otherwise what the encoding says.
    pub fn encode_value(&self, value: &ValueRef) -> Result<Encoded, ValueError> {
        let own = value.encode();
        if !matches!(own, Err(ValueError::NotEncodable { .. })) {
            return own;
        }
        let any: &dyn Any = &**value;
        self.encoders.get(&any.type_id()).map_or(own, |encode| encode(value))
    }

    pub(crate) fn insert_function(
        &mut self,
        name: &str,
        function: Arc<dyn ErasedFunction>,
    ) -> Result<(), RegistryError> {
        insert_new(&mut self.functions, name, function)
    }

    pub(crate) fn function(&self, name: &str) -> Result<Arc<dyn ErasedFunction>, DecodeError> {
        let function = self.functions.get(name).cloned();
        function.ok_or_else(|| DecodeError::UnknownFunction { name: name.to_owned() })
    }

    /// The names of all operations in alphabetical order.
    #[must_use]
    pub fn op_names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.ops.keys().map(String::as_str).collect();
        names.sort_unstable();
        names
    }
}

impl Default for OpRegistry {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for OpRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpRegistry")
            .field("ops", &self.op_names())
            .field("functions", &self.functions.keys())
            .finish_non_exhaustive()
    }
}

fn insert_new<D>(decoders: &mut HashMap<String, D>, name: &str, decoder: D) -> Result<(), RegistryError> {
    if decoders.contains_key(name) {
        return Err(RegistryError::Duplicate { name: name.to_owned() });
    }
    decoders.insert(name.to_owned(), decoder);
    Ok(())
}

/// Why a name could not be registered.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// The name is taken.
    #[error("`{name}` is already registered")]
    Duplicate {
        /// The name.
        name: String,
    },
}

/// Why an operation could not be made from bytes.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// Nothing is registered under the name.
    #[error("no operation named `{name}` is registered")]
    UnknownOp {
        /// The name.
        name: String,
    },
    /// No function is registered under the name.
    #[error("no function named `{name}` is registered")]
    UnknownFunction {
        /// The name.
        name: String,
    },
    /// The bytes are not what the decoder reads.
    #[error("the bytes of operation `{name}` cannot be read: {source}")]
    Malformed {
        /// The name.
        name: String,
        /// What the decoder said.
        source: Arc<dyn Error + Send + Sync>,
    },
    /// A value that is part of the operation could not be made.
    #[error(transparent)]
    Value(#[from] ValueError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_registered_once() {
        let mut registry = OpRegistry::new();
        registry.register_op("ones", |_, _| Ok(Arc::new(NeverRun))).unwrap();
        let again = registry.register_op("ones", |_, _| Ok(Arc::new(NeverRun)));
        assert_eq!(again, Err(RegistryError::Duplicate { name: "ones".to_owned() }));
        assert!(registry.op_names().contains(&"ones"));
    }

    #[test]
    fn an_unknown_name_is_named() {
        let registry = OpRegistry::new();
        assert_eq!(registry.decode_op("twos", &[]).unwrap_err().to_string(), "no operation named `twos` is registered");
        assert!(matches!(registry.decode_value_bytes("two", &[]), Err(ValueError::UnknownType { .. })));
    }
}
