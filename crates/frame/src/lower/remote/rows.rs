//! What travels between processes: rows, and values of scalar subqueries.

use std::sync::Arc;

use arrow::ipc::writer::StreamWriter;
use bytes::Bytes;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::logical_expr::physical_planning_context::{ScalarSubqueryResults, SubqueryIndex};
use dolmen_graph::{Encoded, OpRegistry, RegistryError, Value, ValueError};

use crate::lower::encode::wire;
use crate::lower::exchange::{Block, Output};

/// Rows in Arrow's stream format. They stay bytes in a process that only hands them on.
#[derive(Debug)]
pub(super) struct RowsValue(Bytes);

const ROWS: &str = "sql.rows";
const VALUES: &str = "sql.values";

impl RowsValue {
    /// One piece of an output.
    pub(super) fn of(output: &Output, piece: usize, schema: &SchemaRef) -> Result<Self> {
        let mut writer = StreamWriter::try_new(Vec::new(), schema)?;
        for (id, _) in output.blocks(piece..piece.saturating_add(1)) {
            let block = output.store().load(id)?;
            let Block { batches, .. } = &*block;
            for batch in batches {
                writer.write(batch)?;
            }
        }
        writer.finish()?;
        Ok(Self(writer.into_inner()?.into()))
    }

    pub(super) fn bytes(&self) -> Bytes {
        self.0.clone()
    }
}

impl Value for RowsValue {
    fn size_bytes(&self) -> usize {
        self.0.len()
    }

    fn encode(&self) -> Result<Encoded, ValueError> {
        Ok(Encoded::new(ROWS, self.bytes()))
    }
}

/// The values that a stage of scalar subqueries has found, in order.
#[derive(Debug)]
pub(super) struct Values(Vec<Option<ScalarValue>>);

impl Values {
    /// The first `n` of a place.
    pub(super) fn of(places: &ScalarSubqueryResults, n: usize) -> Self {
        Self((0..n).map(|i| places.get(SubqueryIndex::new(i))).collect())
    }

    /// Puts them to a place, unless it has them already.
    pub(super) fn put_to(&self, places: &ScalarSubqueryResults) -> Result<()> {
        for (i, value) in self.0.iter().enumerate() {
            let idx = SubqueryIndex::new(i);
            if let (Some(value), None) = (value, places.get(idx)) {
                places.set(idx, value.clone())?;
            }
        }
        Ok(())
    }
}

impl Value for Values {
    fn size_bytes(&self) -> usize {
        self.0.iter().flatten().map(ScalarValue::size).sum()
    }

    fn encode(&self) -> Result<Encoded, ValueError> {
        let values = self.0.iter().map(|value| value.as_ref().map(wire::value_bytes).transpose());
        let bytes = values.collect::<Result<Vec<_>>>().and_then(|values| wire::to_bytes(&values));
        let bytes =
            bytes.map_err(|error| ValueError::Encode { type_name: self.type_name(), source: Arc::new(error) })?;
        Ok(Encoded::new(VALUES, bytes))
    }
}

/// Makes both kinds of values known.
pub(super) fn register(registry: &mut OpRegistry) -> Result<(), RegistryError> {
    registry.register_value(ROWS, |bytes, _| Ok(Arc::new(RowsValue(Bytes::copy_from_slice(bytes)))))?;
    registry.register_value(VALUES, |bytes, _| {
        let values = wire::from_bytes::<Vec<Option<Vec<u8>>>>(bytes);
        let values =
            values.and_then(|values| values.iter().map(|v| v.as_ref().map(|v| wire::value(v)).transpose()).collect());
        let values =
            values.map_err(|error| ValueError::Decode { type_name: VALUES.to_owned(), source: Arc::new(error) })?;
        Ok(Arc::new(Values(values)))
    })
}
