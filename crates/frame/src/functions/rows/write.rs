//! From Rust values to record batches.

use std::any::type_name;
use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::{FieldRef, Schema, SchemaRef};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_arrow::schema::{SchemaLike, TracingOptions};

use super::error::RowsError;
use super::trace::{Kind, shape_of};

/// The column of a row that is a single value.
const SINGLE_COLUMN: &str = "value";

/// The columns of a Rust type: how its values become rows.
///
/// A struct has one column per field, a tuple has `column1`, `column2`, ..., and a single value has `value`. Text is
/// VARCHAR, the types of `chrono` are DATE and TIMESTAMP (microseconds), `Option` makes a column nullable, an enum of
/// unit variants is VARCHAR, `Vec` is a list and a nested struct is a struct.
#[derive(Debug, Clone)]
pub struct RowSchema {
    /// The columns as the writer wants them.
    fields: Vec<FieldRef>,
    schema: SchemaRef,
    single: bool,
}

/// Gives a row that is a single value the name of its column.
#[derive(Serialize)]
struct Single<'a, T> {
    value: &'a T,
}

impl RowSchema {
    /// Reads the columns off the type, without any value.
    ///
    /// # Errors
    /// [`RowsError::Schema`] for types whose columns depend on the values: maps, enums that hold values,
    /// `serde_json::Value`, and types that deserialise from a text of their own form.
    pub fn of_type<T: DeserializeOwned>() -> Result<Self, RowsError> {
        let columns = || {
            let shape = shape_of::<T>()?;
            match &shape.kind {
                Kind::Record(parts) if !shape.nullable => {
                    let fields: Result<Vec<_>, _> = parts.iter().map(|(name, part)| part.field(name)).collect();
                    Ok((fields?, false))
                }
                Kind::Tuple(parts) if !shape.nullable => {
                    let parts = parts.iter().enumerate();
                    let fields: Result<Vec<_>, _> =
                        parts.map(|(index, part)| part.field(&format!("column{}", index + 1))).collect();
                    Ok((fields?, false))
                }
                _ => Ok((vec![shape.field(SINGLE_COLUMN)?], true)),
            }
        };
        let (fields, single) = columns().map_err(|error: RowsError| schema_error::<T>(error.to_string()))?;
        Ok(Self::new(fields.into_iter().map(Arc::new).collect(), single))
    }

    /// Guesses the columns from values, for types that cannot be read off with [`RowSchema::of_type`].
    ///
    /// The types of `chrono` are indistinguishable from text here and become VARCHAR.
    ///
    /// # Errors
    /// [`RowsError::Schema`] if there are no samples, if all samples of a field are `None`, or if they disagree.
    pub fn of_samples<T: Serialize>(samples: &[T]) -> Result<Self, RowsError> {
        let options = TracingOptions::default()
            .allow_null_fields(false)
            .sequence_as_large_list(false)
            .enums_without_data_as_strings(true)
            .coerce_numbers(true);
        if samples.is_empty() {
            return Err(schema_error::<T>("there is no value to guess from".to_owned()));
        }
        if let Ok(fields) = Vec::<FieldRef>::from_samples(samples, options.clone()) {
            return Ok(Self::new(fields, false));
        }
        let singles: Vec<Single<T>> = samples.iter().map(|value| Single { value }).collect();
        let fields = Vec::<FieldRef>::from_samples(&singles, options)
            .map_err(|error| schema_error::<T>(error.message().to_owned()))?;
        Ok(Self::new(fields, true))
    }

    fn new(fields: Vec<FieldRef>, single: bool) -> Self {
        let schema = Arc::new(Schema::new(fields.clone()));
        Self { fields, schema, single }
    }

    /// The schema of the batches.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Writes `rows`, which may be none.
    ///
    /// # Errors
    /// [`RowsError::Write`] if a value does not fit its column.
    pub fn to_batch<T: Serialize>(&self, rows: &[T]) -> Result<RecordBatch, RowsError> {
        let written = if self.single {
            let singles: Vec<Single<T>> = rows.iter().map(|value| Single { value }).collect();
            serde_arrow::to_arrow(&self.fields, &singles)
        } else {
            serde_arrow::to_arrow(&self.fields, rows)
        };
        let arrays = written.map_err(|error| write_error::<T>(error.to_string()))?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options)
            .map_err(|error| write_error::<T>(error.to_string()))
    }
}

fn schema_error<T>(message: String) -> RowsError {
    RowsError::Schema { type_name: type_name::<T>(), message }
}

fn write_error<T>(message: String) -> RowsError {
    RowsError::Write { type_name: type_name::<T>(), message }
}

/// Writes `rows` as a record batch whose schema is read off the type, see [`RowSchema`]; no rows make an empty batch.
///
/// # Errors
/// [`RowsError::Schema`] if the type tells no columns and the rows do not either; [`RowsError::Write`] if a value
/// does not fit its column.
///
/// ```
/// use chrono::NaiveDate;
/// use dolmen_frame::functions::{from_batches, to_batch};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, PartialEq, Serialize, Deserialize)]
/// struct Flight {
///     carrier: String,
///     delay: Option<f64>,
///     date: NaiveDate,
/// }
///
/// let date = NaiveDate::from_ymd_opt(2014, 1, 31).unwrap();
/// let flights = vec![Flight { carrier: "AA".into(), delay: None, date }];
/// let batch = to_batch(&flights).unwrap();
/// assert_eq!(batch.schema().field(2).data_type().to_string(), "Date32");
/// assert_eq!(from_batches::<Flight>(&[batch]).unwrap(), flights);
/// ```
pub fn to_batch<T: Serialize + DeserializeOwned>(rows: &[T]) -> Result<RecordBatch, RowsError> {
    let schema = match RowSchema::of_type::<T>() {
        Ok(schema) => schema,
        Err(error) if rows.is_empty() => return Err(error),
        Err(_) => RowSchema::of_samples(rows)?,
    };
    schema.to_batch(rows)
}

/// Writes `rows` of a type that cannot be deserialised; the columns are guessed from the rows.
///
/// Prefer [`to_batch`], which also knows dates and works without rows.
///
/// # Errors
/// See [`RowSchema::of_samples`] and [`RowSchema::to_batch`].
pub fn to_batches<T: Serialize>(rows: &[T]) -> Result<(SchemaRef, RecordBatch), RowsError> {
    let schema = RowSchema::of_samples(rows)?;
    let batch = schema.to_batch(rows)?;
    Ok((batch.schema(), batch))
}
