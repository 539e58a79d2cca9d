//! SQL through a guarded session. Expected values are computed by hand or in 128 bits.

mod arithmetic;
mod encoding;
mod plans;
mod sums;

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use arrow::util::display::array_value_to_string;
use datafusion::datasource::MemTable;
use datafusion::error::DataFusionError;
use datafusion::execution::SessionStateBuilder;
use datafusion::prelude::{SessionConfig, SessionContext};

use super::{OverflowError, install};

/// A guarded session that works in `n_partitions` and in small batches.
fn session_with(n_partitions: usize) -> SessionContext {
    let config = SessionConfig::new()
        .with_target_partitions(n_partitions)
        .with_batch_size(8)
        .set_bool("datafusion.execution.collect_statistics", true);
    let state = SessionStateBuilder::new().with_config(config).with_default_features();
    SessionContext::new_with_state(install(state).build())
}

fn session() -> SessionContext {
    session_with(2)
}

/// Adds a table of BIGINT columns in `n_partitions` partitions of one batch each.
fn add_table(ctx: &SessionContext, name: &str, n_partitions: usize, columns: &[(&str, &[Option<i64>])]) {
    let n_rows = columns[0].1.len();
    let rows_per_partition = n_rows.div_ceil(n_partitions).max(1);
    let mut schema = None;
    let partitions: Vec<Vec<RecordBatch>> = (0..n_partitions)
        .map(|partition_idx| {
            let from = (partition_idx * rows_per_partition).min(n_rows);
            let to = (from + rows_per_partition).min(n_rows);
            let arrays = columns
                .iter()
                .map(|(name, values)| (*name, Arc::new(Int64Array::from(values[from..to].to_vec())) as ArrayRef, true));
            let batch = RecordBatch::try_from_iter_with_nullable(arrays).unwrap();
            schema.get_or_insert(batch.schema());
            vec![batch]
        })
        .collect();
    let table = MemTable::try_new(schema.unwrap(), partitions).unwrap();
    ctx.register_table(name, Arc::new(table)).unwrap();
}

/// The rows of a query, values separated by `|`, NULL as the empty string.
async fn rows(ctx: &SessionContext, sql: &str) -> Vec<String> {
    let batches = ctx.sql(sql).await.unwrap().collect().await;
    lines(&batches.unwrap_or_else(|error| panic!("{sql}: {error}")))
}

fn lines(batches: &[RecordBatch]) -> Vec<String> {
    let mut rows = Vec::new();
    for batch in batches {
        for row_idx in 0..batch.num_rows() {
            let values = batch.columns().iter().map(|column| array_value_to_string(column, row_idx).unwrap());
            rows.push(values.collect::<Vec<_>>().join("|"));
        }
    }
    rows
}

/// The error of a query that must fail with an overflow.
async fn overflow(ctx: &SessionContext, sql: &str) -> OverflowError {
    let result = match ctx.sql(sql).await {
        Ok(frame) => frame.collect().await,
        Err(error) => Err(error),
    };
    match result {
        Ok(batches) => panic!("{sql} gave {:?}", lines(&batches)),
        Err(error) => overflow_of(&error).unwrap_or_else(|| panic!("{sql} failed with {error}")),
    }
}

fn overflow_of(error: &DataFusionError) -> Option<OverflowError> {
    match error.find_root() {
        DataFusionError::External(error) => error.downcast_ref().cloned(),
        _ => None,
    }
}
