use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::{Array, BinaryArray, RecordBatch};
use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::arrow::row::{RowConverter, SortField};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::PhysicalExpr;

/// A key of any type as bytes, which are equal and in order exactly as Arrow's comparisons have the values: each NaN is equal
/// to itself, and minus zero is not zero. NULL stays NULL.
#[derive(Debug, Eq)]
pub(super) struct RowKey {
    key: Arc<dyn PhysicalExpr>,
}

// Deriving it would move the key: https://github.com/rust-lang/rust/issues/78808.
impl PartialEq for RowKey {
    fn eq(&self, other: &Self) -> bool {
        self.key.eq(&other.key)
    }
}

impl RowKey {
    pub(super) fn new(key: Arc<dyn PhysicalExpr>) -> Self {
        Self { key }
    }
}

impl Hash for RowKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key.hash(state);
    }
}

impl fmt::Display for RowKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "row_key({})", self.key)
    }
}

impl PhysicalExpr for RowKey {
    fn data_type(&self, _: &Schema) -> Result<DataType> {
        Ok(DataType::Binary)
    }

    fn nullable(&self, schema: &Schema) -> Result<bool> {
        self.key.nullable(schema)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        let values = self.key.evaluate(batch)?.into_array(batch.num_rows())?;
        let nulls = values.logical_nulls();
        let converter = RowConverter::new(vec![SortField::new(values.data_type().clone())])?;
        let bytes = converter.convert_columns(&[values])?.try_into_binary()?;
        let (offsets, bytes, _) = bytes.into_parts();
        Ok(ColumnarValue::Array(Arc::new(BinaryArray::try_new(offsets, bytes, nulls)?)))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.key]
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn PhysicalExpr>>) -> Result<Arc<dyn PhysicalExpr>> {
        let [key] = <[_; 1]>::try_from(children)
            .map_err(|_| DataFusionError::Internal("a row key is made of one expression".to_owned()))?;
        Ok(Arc::new(Self { key }))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{AsArray, Float64Array};
    use datafusion::arrow::datatypes::Field;
    use datafusion::physical_expr::expressions::Column;

    use super::*;

    #[test]
    fn bytes_are_equal_and_in_order_as_values_are() {
        let values = [Some(f64::NEG_INFINITY), Some(-1.5), Some(-0.0), Some(0.0), Some(f64::NAN), None, Some(f64::NAN)];
        let schema = Arc::new(Schema::new(vec![Field::new("x", DataType::Float64, true)]));
        let batch = RecordBatch::try_new(schema, vec![Arc::new(Float64Array::from(values.to_vec()))]).unwrap();
        let key = RowKey::new(Arc::new(Column::new("x", 0)));
        let keys = key.evaluate(&batch).unwrap().into_array(7).unwrap();
        let keys = keys.as_binary::<i32>();
        assert!(keys.is_null(5) && keys.null_count() == 1);
        assert!((0..4).all(|i| keys.value(i) < keys.value(i + 1)));
        assert_eq!(keys.value(4), keys.value(6));
    }
}
