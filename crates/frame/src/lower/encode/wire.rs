//! Parts of a plan as bytes: schemas, values, messages of DataFusion's encoding.

use std::sync::Arc;

use datafusion::arrow::datatypes::{Field, FieldRef, Schema, SchemaRef};
use datafusion::error::{DataFusionError, Result};
use datafusion::scalar::ScalarValue;
use datafusion_proto::protobuf;
use prost::Message;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Bytes of one of our own parts.
pub(in crate::lower) fn to_bytes<T: Serialize>(part: &T) -> Result<Vec<u8>> {
    rmp_serde::to_vec(part).map_err(super::super::external)
}

pub(in crate::lower) fn from_bytes<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    rmp_serde::from_slice(bytes).map_err(super::super::external)
}

/// Bytes before a header, which say how long it is.
const LENGTH_BYTES: usize = size_of::<u32>();

/// A header, and bytes behind it.
pub(in crate::lower) fn framed<H: Serialize>(header: &H, body: &[u8]) -> Result<Vec<u8>> {
    let header = to_bytes(header)?;
    let length = u32::try_from(header.len()).map_err(super::super::external)?;
    Ok([length.to_le_bytes().as_slice(), &header, body].concat())
}

pub(in crate::lower) fn unframed<H: DeserializeOwned>(bytes: &[u8]) -> Result<(H, &[u8])> {
    let short = || missing("their end");
    let (length, rest) = bytes.split_first_chunk::<LENGTH_BYTES>().ok_or_else(short)?;
    let (header, body) = rest.split_at_checked(u32::from_le_bytes(*length) as usize).ok_or_else(short)?;
    Ok((from_bytes(header)?, body))
}

pub(super) fn message<M: Message + Default>(bytes: &[u8]) -> Result<M> {
    M::decode(bytes).map_err(super::super::external)
}

pub(super) fn schema_bytes(schema: &Schema) -> Result<Vec<u8>> {
    Ok(protobuf::Schema::try_from(schema)?.encode_to_vec())
}

pub(super) fn schema(bytes: &[u8]) -> Result<SchemaRef> {
    Ok(Arc::new(Schema::try_from(&message::<protobuf::Schema>(bytes)?)?))
}

pub(super) fn field_bytes(field: &Field) -> Result<Vec<u8>> {
    schema_bytes(&Schema::new(vec![field.clone()]))
}

pub(super) fn field(bytes: &[u8]) -> Result<FieldRef> {
    schema(bytes)?.fields().first().cloned().ok_or_else(|| missing("a field"))
}

pub(in crate::lower) fn value_bytes(value: &ScalarValue) -> Result<Vec<u8>> {
    Ok(protobuf::ScalarValue::try_from(value)?.encode_to_vec())
}

pub(in crate::lower) fn value(bytes: &[u8]) -> Result<ScalarValue> {
    Ok(ScalarValue::try_from(&message::<protobuf::ScalarValue>(bytes)?)?)
}

pub(in crate::lower) fn missing(what: &str) -> DataFusionError {
    DataFusionError::Internal(format!("the bytes of a plan lack {what}"))
}
