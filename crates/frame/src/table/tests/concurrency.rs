use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arrow::array::{Int64Array, RecordBatch};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{StreamExt, stream};

use super::Database;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn serial_writers_lose_nothing() {
    let db = Arc::new(Database::new());
    db.write("CREATE TABLE t (id BIGINT PRIMARY KEY, n BIGINT)").await;
    db.write("INSERT INTO t VALUES (0, 0)").await;
    let write = |db: Arc<Database>| async move {
        for _ in 0..25 {
            db.write("UPDATE t SET n = n + 1 WHERE id = 0").await;
            db.write("INSERT INTO t SELECT max(id) + 1, 0 FROM t").await;
        }
    };
    let writers: Vec<_> = (0..4).map(|_| tokio::spawn(write(Arc::clone(&db)))).collect();
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(db.rows("SELECT count(*), max(id), max(n) FROM t").await, "101,100,100");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn readers_see_whole_versions_only() {
    let db = Arc::new(Database::new());
    db.write("CREATE TABLE t (id BIGINT PRIMARY KEY, n BIGINT)").await;
    db.write("INSERT INTO t SELECT value, 0 FROM generate_series(1, 100)").await;
    let done = Arc::new(AtomicBool::new(false));
    let read = |db: Arc<Database>, done: Arc<AtomicBool>| async move {
        let mut n_reads = 0;
        while !done.load(Ordering::Relaxed) || n_reads == 0 {
            let seen = db.rows("SELECT max(a.n) - min(b.n), count(*) % 100 FROM t a JOIN t b ON a.id = b.id").await;
            assert_eq!(seen, "0,0");
            n_reads += 1;
        }
    };
    let readers: Vec<_> = (0..3).map(|_| tokio::spawn(read(Arc::clone(&db), Arc::clone(&done)))).collect();
    for i in 1..=20 {
        db.write("UPDATE t SET n = n + 1").await;
        db.write(&format!("INSERT INTO t SELECT value, {i} FROM generate_series({i} * 100 + 1, {i} * 100 + 100)"))
            .await;
        db.write(&format!("DELETE FROM t WHERE id > {i} * 100")).await;
    }
    done.store(true, Ordering::Relaxed);
    for reader in readers {
        reader.await.unwrap();
    }
}

#[tokio::test]
async fn a_cancelled_write_leaves_no_trace() {
    let db = Database::new();
    db.write("CREATE TABLE t (id BIGINT PRIMARY KEY)").await;
    db.write("INSERT INTO t VALUES (1), (2)").await;
    let reserved = db.pool.reserved();
    let table = db.table("t");
    let schema = Arc::clone(&table.definition().schema);
    let batch = RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(Int64Array::from(vec![3, 4, 5]))]).unwrap();

    for overwrite in [false, true] {
        let one_then_never = stream::iter([Ok(batch.clone())]).chain(stream::pending());
        let input = Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&schema), one_then_never));
        let write = table.begin_write().await;
        let written = async { if overwrite { write.overwrite(input).await } else { write.append(input).await } };
        assert!(tokio::time::timeout(Duration::from_millis(50), written).await.is_err());
        assert_eq!(db.rows("SELECT * FROM t ORDER BY id").await, "1;2");
        assert_eq!(db.pool.reserved(), reserved);
    }

    assert!(db.error("INSERT INTO t VALUES (2)").await.contains("(2) already exists"));
    db.write("INSERT INTO t VALUES (3)").await;
    assert_eq!(db.rows("SELECT * FROM t ORDER BY id").await, "1;2;3");
}

#[tokio::test]
async fn a_failing_source_leaves_no_trace() {
    let db = Database::new();
    db.write("CREATE TABLE t (id BIGINT PRIMARY KEY)").await;
    let value = "CASE WHEN value = 15000 THEN 'x' ELSE CAST(value AS VARCHAR) END";
    let sql = format!("INSERT INTO t SELECT CAST({value} AS BIGINT) FROM generate_series(1, 20000)");
    assert!(db.error(&sql).await.contains("Cannot cast"));
    assert_eq!(db.rows("SELECT count(*) FROM t").await, "0");
    assert_eq!(db.pool.reserved(), 0);
}
