use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::util::display::FormatOptions;

use super::{TableDefinition, TableError};

/// `batch` with the types of the table, matched by position, and no NULL where none is allowed.
pub(super) fn conform(batch: &RecordBatch, table: &TableDefinition) -> Result<RecordBatch, TableError> {
    let expected = table.schema.fields().len();
    if batch.num_columns() != expected {
        return Err(TableError::ColumnCount { table: table.name.clone(), expected, found: batch.num_columns() });
    }
    let column = |(i, array)| {
        let array = cast(array, i, table)?;
        check_nulls(&array, i, table)?;
        Ok(array)
    };
    let columns = batch.columns().iter().enumerate().map(column).collect::<Result<_, TableError>>()?;
    RecordBatch::try_new(Arc::clone(&table.schema), columns).map_err(TableError::arrow(table))
}

/// `array` in the type of column `column`; a value that does not fit is an error, never NULL.
pub(super) fn cast(array: &ArrayRef, column: usize, table: &TableDefinition) -> Result<ArrayRef, TableError> {
    let field = table.schema.field(column);
    if array.data_type() == field.data_type() {
        return Ok(Arc::clone(array));
    }
    let options = CastOptions { safe: false, format_options: FormatOptions::default() };
    cast_with_options(array, field.data_type(), &options).map_err(|source| TableError::Value {
        table: table.name.clone(),
        column: field.name().clone(),
        source,
    })
}

/// Fails if `array` holds a NULL and column `column` must not.
pub(super) fn check_nulls(array: &ArrayRef, column: usize, table: &TableDefinition) -> Result<(), TableError> {
    let field = table.schema.field(column);
    if field.is_nullable() || array.logical_null_count() == 0 {
        return Ok(());
    }
    Err(TableError::NullValue { table: table.name.clone(), column: field.name().clone() })
}

#[cfg(test)]
mod tests {
    use arrow::array::{AsArray, Int64Array, NullArray, StringArray};
    use arrow::datatypes::{DataType, Field, Int8Type, Schema};

    use super::*;

    fn table() -> TableDefinition {
        let fields = vec![Field::new("n", DataType::Int8, true), Field::new("s", DataType::Utf8, false)];
        TableDefinition::new("t", Arc::new(Schema::new(fields)))
    }

    fn batch(columns: Vec<ArrayRef>) -> RecordBatch {
        let names = ["a", "b", "c"];
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().zip(names).map(|(c, n)| (n, c, true))).unwrap()
    }

    #[test]
    fn casts_by_position() {
        let rows = batch(vec![Arc::new(Int64Array::from(vec![1, -128])), Arc::new(Int64Array::from(vec![7, 8]))]);
        let rows = conform(&rows, &table()).unwrap();
        assert_eq!(rows.column(0).as_primitive::<Int8Type>().values(), &[1, -128]);
        assert_eq!(rows.column(1).as_string::<i32>(), &StringArray::from(vec!["7", "8"]));
    }

    #[test]
    fn refuses_what_does_not_fit() {
        let text: ArrayRef = Arc::new(StringArray::from(vec!["x"]));
        let large: ArrayRef = Arc::new(Int64Array::from(vec![128]));
        let null: ArrayRef = Arc::new(NullArray::new(1));
        let message = |columns| conform(&batch(columns), &table()).unwrap_err().to_string();
        assert!(message(vec![Arc::clone(&large), Arc::clone(&text)]).starts_with("a value does not fit column \"n\""));
        assert!(message(vec![Arc::clone(&text), Arc::clone(&text)]).starts_with("a value does not fit column \"n\""));
        assert_eq!(
            message(vec![Arc::clone(&null), null]),
            "null value in column \"s\" of table \"t\", which is NOT NULL"
        );
        assert_eq!(message(vec![large]), "table \"t\" has 2 columns, but the rows written to it have 1");
    }
}
