//! Functions as SQL calls them. Expected values are computed in plain Rust or by hand.

mod aggregates;
mod scalars;
mod tables;

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use datafusion::common::Result;
use datafusion::datasource::MemTable;
use datafusion::prelude::{SessionConfig, SessionContext};

/// A session of four partitions with small batches.
fn session() -> SessionContext {
    SessionContext::new_with_config(SessionConfig::new().with_target_partitions(4).with_batch_size(16))
}

/// Registers `columns` as table `t`, cut into `n_partitions` partitions of one batch each.
fn register(session: &SessionContext, columns: Vec<(&str, ArrayRef)>, n_partitions: usize) {
    let batch =
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true))).unwrap();
    let size = batch.num_rows().div_ceil(n_partitions).max(1);
    let partitions: Vec<Vec<RecordBatch>> = (0..n_partitions)
        .map(|part| {
            let start = (part * size).min(batch.num_rows());
            vec![batch.slice(start, size.min(batch.num_rows() - start))]
        })
        .collect();
    let table = MemTable::try_new(batch.schema(), partitions).unwrap();
    session.register_table("t", Arc::new(table)).unwrap();
}

async fn try_query(session: &SessionContext, sql: &str) -> Result<Vec<RecordBatch>> {
    session.sql(sql).await?.collect().await
}

/// The rows of `sql` as Rust values.
async fn query<T: serde::de::DeserializeOwned>(session: &SessionContext, sql: &str) -> Vec<T> {
    let batches = try_query(session, sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    super::from_batches(&batches).unwrap_or_else(|error| panic!("{sql}: {error}"))
}

/// The text of the error of `sql`.
async fn failure(session: &SessionContext, sql: &str) -> String {
    match try_query(session, sql).await {
        Ok(_) => panic!("{sql} should fail"),
        Err(error) => error.to_string(),
    }
}
