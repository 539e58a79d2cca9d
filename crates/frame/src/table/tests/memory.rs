use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{Int64Array, RecordBatch};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::stream;

use super::Database;

#[tokio::test]
async fn memory_returns_when_tables_are_dropped() {
    let db = Database::with(1 << 30, 2, 8192);
    db.write("CREATE TABLE t (id BIGINT PRIMARY KEY, a BIGINT, b VARCHAR)").await;
    db.write("INSERT INTO t SELECT value, -value, 'text ' || value FROM generate_series(1, 50000)").await;
    // 50,000 rows of two integers and some ten characters, and their keys.
    let full = db.pool.reserved();
    assert!((50_000 * 26..50_000 * 150).contains(&full), "{full}");

    db.write("UPDATE t SET a = a + 1").await;
    let updated = db.pool.reserved();
    assert!(updated.abs_diff(full) < full / 10, "{full} became {updated}");

    db.write("DELETE FROM t WHERE id % 10 <> 0").await;
    assert!(db.pool.reserved() < full / 4, "{full} became {}", db.pool.reserved());

    db.tables.0.lock().unwrap().clear();
    assert_eq!(db.pool.reserved(), 0);
}

#[tokio::test]
async fn an_old_version_counts_while_it_is_read() {
    let db = Database::with(1 << 30, 2, 8192);
    db.write("CREATE TABLE t AS SELECT value AS a, value AS b FROM generate_series(1, 50000)").await;
    let one = db.pool.reserved();
    let snapshot = db.table("t").snapshot();
    db.write("UPDATE t SET a = 0").await;
    // Column b is shared by the two versions and counted once.
    let both = db.pool.reserved();
    assert!((one * 14 / 10..one * 16 / 10).contains(&both), "{one} became {both}");
    drop(snapshot);
    assert_eq!(db.pool.reserved(), one);

    let plan = db.context.sql("SELECT * FROM t").await.unwrap();
    let mut reader = plan.execute_stream().await.unwrap();
    db.write("TRUNCATE TABLE t").await;
    assert!(db.pool.reserved() >= one);
    let mut n_rows = 0;
    while let Some(batch) = futures::StreamExt::next(&mut reader).await {
        n_rows += batch.unwrap().num_rows();
    }
    assert_eq!(n_rows, 50_000);
    drop(reader);
    assert_eq!(db.pool.reserved(), 0);
}

#[tokio::test]
async fn a_refused_write_leaves_the_table_intact() {
    let db = Database::with(4 << 20, 1, 8192);
    db.write("CREATE TABLE t (id BIGINT PRIMARY KEY, b VARCHAR)").await;
    db.write("INSERT INTO t SELECT value, 'x' FROM generate_series(1, 20000)").await;
    let reserved = db.pool.reserved();
    for sql in [
        "INSERT INTO t SELECT value, 'x' FROM generate_series(20001, 200000)",
        "INSERT OVERWRITE t SELECT value, 'x' FROM generate_series(1, 200000)",
        "UPDATE t SET b = repeat(CAST(id AS VARCHAR), 200)",
        "UPDATE t SET id = id + 1, b = repeat(CAST(id AS VARCHAR), 200)",
    ] {
        let error = db.error(sql).await;
        assert!(error.contains("Resources exhausted"), "{sql}: {error}");
        assert!(error.contains("table t"), "{sql}: {error}");
        assert_eq!(db.rows("SELECT count(*), min(id), max(id), max(b) FROM t").await, "20000,1,20000,x", "{sql}");
        assert_eq!(db.pool.reserved(), reserved, "{sql}");
    }
    assert!(db.error("INSERT INTO t VALUES (20000, '')").await.contains("(20000) already exists"));
    db.write("INSERT INTO t VALUES (20001, '')").await;
}

#[tokio::test]
async fn many_small_inserts_stay_quick_and_compact() {
    let db = Database::with(1 << 30, 2, 8192);
    db.write("CREATE TABLE t (id BIGINT PRIMARY KEY, a BIGINT)").await;
    db.write("INSERT INTO t SELECT value, value + 0 FROM generate_series(1, 200000)").await;
    let table = db.table("t");
    let full = db.pool.reserved();
    let started = Instant::now();
    for id in 200_001..=210_000_i64 {
        let schema = Arc::clone(&table.definition().schema);
        let row = Arc::new(Int64Array::from(vec![id]));
        let batch = RecordBatch::try_new(Arc::clone(&schema), vec![row.clone(), row]).unwrap();
        let input = RecordBatchStreamAdapter::new(schema, stream::iter([Ok(batch)]));
        assert_eq!(table.append(Box::pin(input)).await.unwrap(), 1);
    }
    // Rebuilding the keys, or copying the table, for each row would take minutes.
    assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
    assert!(table.snapshot().batches().unwrap().len() < 60);
    assert!(db.pool.reserved() < full * 5 / 4, "{full} became {}", db.pool.reserved());
    assert_eq!(db.rows("SELECT count(*), sum(id), max(a) FROM t").await, "210000,22050105000,210000");
}
