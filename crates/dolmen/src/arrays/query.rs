//! The rows of a query as an array.

use arrow::array::{Array as _, ArrayRef, AsArray};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use dolmen_array::Array;
use dolmen_frame::{Caller, Parameters};
use futures::{FutureExt, TryStreamExt};

use super::of_array;
use crate::session::Core;
use crate::{Error, Result};

/// The numeric columns that `sql` gives: one column as an array of one axis, several as one of rows and columns. Integers and
/// booleans are `int64`, if there is nothing else, and everything else is `float64`, with NaN for NULL.
pub(super) async fn array_of(core: &Core, sql: &str, caller: Caller) -> Result<Array> {
    let outcome = core.context.run(sql, &Parameters::None, caller).boxed().await?;
    let (schema, diagnosis) = (outcome.schema, outcome.diagnosis);
    let batches: Vec<_> = match outcome.stream.try_collect().await {
        Ok(batches) => batches,
        Err(error) => return Err(diagnosis.explain(error).await),
    };
    let batch = concat_batches(&schema, &batches).map_err(|error| Error::internal(error.to_string()))?;
    for (field, column) in schema.fields().iter().zip(batch.columns()) {
        let kind = field.data_type();
        if !kind.is_numeric() && *kind != DataType::Boolean && *kind != DataType::Null {
            let message = format!(
                "column \"{}\" of the query is {kind}, which is no number; leave it out or cast it",
                field.name()
            );
            return Err(Error::invalid(message));
        }
        debug_assert_eq!(column.len(), batch.num_rows());
    }
    let is_int = |column: &ArrayRef| {
        column.null_count() == 0 && (column.data_type().is_integer() || *column.data_type() == DataType::Boolean)
    };
    let (n_rows, n_columns) = (batch.num_rows(), batch.num_columns());
    let shape = if n_columns == 1 { vec![n_rows] } else { vec![n_rows, n_columns] };
    let as_type = |to: &DataType| -> Result<Vec<ArrayRef>> {
        let columns = batch.columns().iter().map(|column| match column.data_type() {
            DataType::Null => Ok(arrow::array::new_null_array(to, n_rows)),
            _ => cast(column, to),
        });
        columns.collect::<Result<_, _>>().map_err(|error| Error::invalid(format!("the query is no array: {error}")))
    };
    if n_columns > 0 && batch.columns().iter().all(is_int) {
        let columns = as_type(&DataType::Int64)?;
        let columns: Vec<&[i64]> =
            columns.iter().map(|column| &**column.as_primitive::<Int64Type>().values()).collect();
        return Array::from_vec(&shape, interleaved(&columns, n_rows)).map_err(of_array);
    }
    let columns = as_type(&DataType::Float64)?;
    let columns: Vec<Vec<f64>> = columns
        .iter()
        .map(|column| column.as_primitive::<Float64Type>().iter().map(|value| value.unwrap_or(f64::NAN)).collect())
        .collect();
    let columns: Vec<&[f64]> = columns.iter().map(Vec::as_slice).collect();
    Array::from_vec(&shape, interleaved(&columns, n_rows)).map_err(of_array)
}

/// Row by row.
fn interleaved<T: Copy>(columns: &[&[T]], n_rows: usize) -> Vec<T> {
    (0..n_rows).flat_map(|row| columns.iter().map(move |column| column[row])).collect()
}
