//! Functions that other engines have under these names, and DataFusion has not.
//!
//! | function | gives |
//! |---|---|
//! | `max_by(x, y)`, `arg_max`; `min_by(x, y)`, `arg_min` | `x` of the row with the largest, smallest `y` |
//! | `mode(x)` | the most frequent value |
//! | `regexp_extract(text, pattern [, group])` | the part of a text that matches |
//! | `json -> key`, `json ->> key` | a part of a JSON text, by keys of objects and positions in arrays |
//!
//! **The answer of an aggregate does not depend on the order of its rows, nor on partitions**: of several rows that are as
//! good as each other, that with the smallest value counts.

mod best_rows;
mod extreme_by;
mod json;
mod json_text;
mod mode;
mod regexp_extract;

use std::sync::Arc;

use arrow::datatypes::DataType;
use arrow::row::{RowConverter, SortField};
use datafusion::execution::SessionStateBuilder;
use datafusion::logical_expr::{AggregateUDF, DocSection, Documentation, ScalarUDF};

use crate::plan::all_columns;

pub(crate) use json::{JSON_GET, JSON_GET_TEXT};

/// Adds the functions to a session, under their names.
pub(crate) fn install(mut state: SessionStateBuilder) -> SessionStateBuilder {
    state.aggregate_functions().get_or_insert_default().extend([
        Arc::new(AggregateUDF::new_from_impl(extreme_by::ExtremeBy::largest())),
        Arc::new(AggregateUDF::new_from_impl(extreme_by::ExtremeBy::smallest())),
        Arc::new(AggregateUDF::new_from_impl(mode::Mode::default())),
    ]);
    state.scalar_functions().get_or_insert_default().extend([
        Arc::new(ScalarUDF::new_from_impl(regexp_extract::RegexpExtract::default())),
        Arc::new(ScalarUDF::new_from_impl(json::JsonGet::value())),
        Arc::new(ScalarUDF::new_from_impl(json::JsonGet::text())),
        Arc::new(all_columns()),
    ]);
    state
}

fn documentation(description: &str, syntax: &str) -> Documentation {
    Documentation::builder(DocSection::default(), description, syntax).build()
}

/// The type of the values themselves, however they are encoded.
fn plain_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Dictionary(_, values) => plain_type(values),
        DataType::RunEndEncoded(_, values) => plain_type(values.data_type()),
        other => other.clone(),
    }
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

/// Whether values of the type have an order.
fn has_order(data_type: &DataType) -> bool {
    RowConverter::supports_fields(&[SortField::new(data_type.clone())])
}
