//! The schema of a JSON file that is one array, however its objects are spread over lines.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::datatypes::Schema;
use datafusion::arrow::json::reader::infer_json_schema_from_iterator;
use datafusion::datasource::file_format::file_compression_type::FileCompressionType;
use datafusion::error::{DataFusionError, Result};
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::Value;

use crate::files::decompress::decompressed;

/// The schema of the first `rows_max` objects. DataFusion's own search reads line by line, which fits only an array with an
/// object on each line. The whole file is held while it is looked at.
pub(crate) async fn array_schema(
    store: &Arc<dyn ObjectStore>,
    path: &Path,
    compression: FileCompressionType,
    rows_max: usize,
) -> Result<Schema> {
    let bytes = store.get(path).await?.into_stream().map_err(DataFusionError::from);
    let mut chunks = decompressed(Box::pin(bytes), compression);
    let mut text = Vec::new();
    while let Some(chunk) = chunks.try_next().await? {
        text.extend_from_slice(&chunk);
    }
    let mut parser = serde_json::Deserializer::from_slice(&text);
    let rows = parser
        .deserialize_seq(FirstRows { rows_max })
        .map_err(|error| DataFusionError::Execution(format!("it is not an array of JSON objects: {error}")))?;
    Ok(infer_json_schema_from_iterator(rows.into_iter().map(Ok::<Value, _>))?)
}

struct FirstRows {
    rows_max: usize,
}

impl<'de> Visitor<'de> for FirstRows {
    type Value = Vec<Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> std::result::Result<Vec<Value>, A::Error> {
        let mut first = Vec::new();
        while first.len() < self.rows_max
            && let Some(row) = rows.next_element()?
        {
            first.push(row);
        }
        while rows.next_element::<IgnoredAny>()?.is_some() {}
        Ok(first)
    }
}
