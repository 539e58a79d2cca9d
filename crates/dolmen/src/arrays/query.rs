//! The rows of a query as an array.

use arrow::array::{Array as _, ArrayRef, AsArray, new_null_array};
use arrow::buffer::Buffer as Words;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use dolmen_array::{Array, ChunkSpec};
use dolmen_frame::{Caller, Parameters};
use dolmen_kernels::{Block, Buffer, DType};
use dolmen_storage::Reservation;
use futures::{FutureExt, TryStreamExt};

use super::of_array;
use crate::session::Core;
use crate::{Error, Result};

/// The numeric columns that `sql` gives: one column as an array of one axis, several as one of rows and columns. Integers and
/// booleans are `int64`, if there is nothing else, and everything else is `float64`, with NaN for NULL.
///
/// The rows are in memory twice for a moment, and then once for as long as there is the array; both are counted.
pub(super) async fn array_of(core: &Core, sql: &str, caller: Caller) -> Result<Array> {
    let outcome = core.context.run(sql, &Parameters::None, caller).boxed().await?;
    let (schema, mut stream, diagnosis) = (outcome.schema, outcome.stream, outcome.diagnosis);
    for field in schema.fields() {
        let kind = field.data_type();
        if !kind.is_numeric() && *kind != DataType::Boolean && *kind != DataType::Null {
            let message = format!(
                "column \"{}\" of the query is {kind}, which is no number; leave it out or cast it",
                field.name()
            );
            return Err(Error::invalid(message));
        }
    }
    let n_columns = schema.fields().len();
    let consumer = core.budget.consumer("rows of a query that becomes an array");
    let reserved = |n_rows: usize| {
        let mut reservation = consumer.reserve();
        let n_bytes = n_rows.saturating_mul(n_columns).saturating_mul(size_of::<f64>());
        reservation
            .try_grow(n_bytes)
            .map_err(|error| Error::MemoryLimit { message: error.to_string(), source: None })?;
        Ok::<_, Error>(reservation)
    };
    let of_kind = |column: &ArrayRef, to: &DataType| match column.data_type() {
        DataType::Null => Ok(new_null_array(to, column.len())),
        _ => cast(column, to).map_err(|error| Error::invalid(format!("the query is no array: {error}"))),
    };
    // Every batch as columns of words of eight bytes: integers as long as there is nothing else.
    let mut batches: Vec<(Vec<ArrayRef>, Reservation)> = Vec::new();
    let (mut n_rows, mut are_ints) = (0, n_columns > 0);
    loop {
        let batch = match stream.try_next().await {
            Ok(Some(batch)) => batch,
            Ok(None) => break,
            Err(error) => return Err(diagnosis.explain(error).await),
        };
        let all_as =
            |to: &DataType| batch.columns().iter().map(|column| of_kind(column, to)).collect::<Result<Vec<_>>>();
        are_ints = are_ints && batch.columns().iter().all(is_int);
        let ints = if are_ints { Some(all_as(&DataType::Int64)?) } else { None };
        // Integers that are too large for one of 64 bits with a sign have become NULL.
        let ints = ints.filter(|columns| columns.iter().all(|column| column.null_count() == 0));
        are_ints = ints.is_some();
        let columns = ints.map_or_else(|| all_as(&DataType::Float64), Ok)?;
        batches.push((columns, reserved(batch.num_rows())?));
        n_rows += batch.num_rows();
    }
    let reservation = reserved(n_rows)?;
    let shape = if n_columns == 1 { vec![n_rows] } else { vec![n_rows, n_columns] };
    let words = if are_ints {
        let mut words: Vec<i64> = Vec::with_capacity(n_rows * n_columns);
        for (columns, _held) in batches {
            append_rows(&mut words, &columns, |column, row| column.as_primitive::<Int64Type>().value(row));
        }
        Words::from_vec(words)
    } else {
        let mut words: Vec<f64> = Vec::with_capacity(n_rows * n_columns);
        for (columns, _held) in batches {
            // Those before the first float or NULL are integers still.
            let columns =
                columns.iter().map(|column| of_kind(column, &DataType::Float64)).collect::<Result<Vec<_>>>()?;
            append_rows(&mut words, &columns, |column, row| {
                if column.is_null(row) { f64::NAN } else { column.as_primitive::<Float64Type>().value(row) }
            });
        }
        Words::from_vec(words)
    };
    let dtype = if are_ints { DType::I64 } else { DType::F64 };
    let buffer = Buffer::from_owner(Counted { words, _reservation: reservation });
    let block = Block::from_buffer(dtype, &shape, buffer).map_err(|error| of_array(error.into()))?;
    Array::from_block(block, ChunkSpec::AutoBytes(core.block_bytes())).map_err(of_array)
}

fn is_int(column: &ArrayRef) -> bool {
    column.null_count() == 0 && (column.data_type().is_integer() || *column.data_type() == DataType::Boolean)
}

/// Row by row.
fn append_rows<T>(to: &mut Vec<T>, columns: &[ArrayRef], value: impl Fn(&ArrayRef, usize) -> T) {
    let n_rows = columns.first().map_or(0, |column| column.len());
    for row in 0..n_rows {
        to.extend(columns.iter().map(|column| value(column, row)));
    }
}

/// The elements of an array, counted for as long as they are there.
struct Counted {
    words: Words,
    _reservation: Reservation,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.words
    }
}
