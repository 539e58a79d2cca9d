use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use datafusion::execution::memory_pool::{MemoryPool, UnboundedMemoryPool};
use datafusion::prelude::lit;

use super::Database;
use crate::table::{KeyConstraint, StoredTable, TableDefinition, TableError};

#[tokio::test]
async fn errors_name_table_constraint_and_key() {
    let db = Database::new();
    db.write("CREATE TABLE t (id BIGINT PRIMARY KEY, a BIGINT, b VARCHAR NOT NULL, UNIQUE (a, b))").await;
    db.write("INSERT INTO t VALUES (7, 1, 'x'), (8, NULL, 'x'), (9, NULL, 'x')").await;
    for (sql, message) in [
        ("INSERT INTO t VALUES (7, 0, '')", "duplicate key in table \"t\": PRIMARY KEY (id) = (7) already exists"),
        ("INSERT INTO t VALUES (1, 0, ''), (1, 0, 'z')", "PRIMARY KEY (id) = (1) already exists"),
        ("INSERT INTO t VALUES (1, 1, 'x')", "UNIQUE (a, b) = (1, x) already exists"),
        ("UPDATE t SET id = 8 WHERE id = 7", "PRIMARY KEY (id) = (8) already exists"),
        ("UPDATE t SET id = 5", "PRIMARY KEY (id) = (5) already exists"),
        ("UPDATE t SET a = 1", "UNIQUE (a, b) = (1, x) already exists"),
        ("INSERT INTO t VALUES (NULL, 0, '')", "null value in column \"id\" of table \"t\", which is NOT NULL"),
        ("INSERT INTO t (id) VALUES (1)", "null value in column \"b\" of table \"t\", which is NOT NULL"),
        ("UPDATE t SET b = NULL WHERE id = 7", "null value in column \"b\" of table \"t\", which is NOT NULL"),
    ] {
        let error = db.error(sql).await;
        assert!(error.contains(message), "{sql}: {error}");
        assert_eq!(db.rows("SELECT * FROM t ORDER BY id").await, "7,1,x;8,NULL,x;9,NULL,x", "{sql}");
    }
    // No failed statement left a key behind or took one away.
    db.write("INSERT INTO t VALUES (1, 0, ''), (5, 1, 'y')").await;
    assert!(db.error("INSERT INTO t VALUES (9, 5, 'q')").await.contains("(9) already exists"));
}

#[tokio::test]
async fn keys_may_shift_when_the_outcome_is_unique() {
    let db = Database::new();
    db.write("CREATE TABLE t (id BIGINT PRIMARY KEY, a BIGINT UNIQUE)").await;
    db.write("INSERT INTO t SELECT value, -value FROM generate_series(1, 20)").await;
    assert_eq!(db.write("UPDATE t SET id = id + 1").await, 20);
    assert_eq!(db.write("UPDATE t SET a = -21 - a").await, 20);
    assert_eq!(db.rows("SELECT min(id), max(id), min(a), max(a) FROM t").await, "2,21,-20,-1");
    assert_eq!(db.write("INSERT INTO t VALUES (1, 0)").await, 1);
    assert!(db.error("INSERT INTO t VALUES (21, 1)").await.contains("(21) already exists"));
    assert!(db.error("UPDATE t SET id = id + 1 WHERE id < 21").await.contains("(21) already exists"));
}

#[tokio::test]
async fn deleted_keys_are_free_again() {
    let db = Database::new();
    db.write("CREATE TABLE t (a VARCHAR, b BIGINT, PRIMARY KEY (a, b))").await;
    db.write("INSERT INTO t SELECT 'a text longer than an inline key ' || value, value FROM generate_series(1, 20)")
        .await;
    assert_eq!(db.write("DELETE FROM t WHERE b > 10").await, 10);
    db.write("INSERT INTO t SELECT 'a text longer than an inline key ' || value, value FROM generate_series(11, 12)")
        .await;
    assert!(db.error("INSERT INTO t SELECT * FROM t").await.contains("already exists"));
    assert_eq!(db.rows("SELECT count(*) FROM t").await, "12");
}

#[test]
fn definitions_that_contradict_themselves_are_refused() {
    let pool: Arc<dyn MemoryPool> = Arc::new(UnboundedMemoryPool::default());
    let table = || TableDefinition::new("t", Arc::new(Schema::new(vec![Field::new("a", DataType::Int64, true)])));
    let error = |definition| StoredTable::try_new(definition, &pool, &[]).unwrap_err();
    let primary = || KeyConstraint::primary(vec![0]);
    assert!(matches!(
        error(table().with_keys(vec![KeyConstraint::unique(vec![1])])),
        TableError::ConstraintColumns { .. }
    ));
    assert!(matches!(
        error(table().with_keys(vec![KeyConstraint::unique(vec![])])),
        TableError::ConstraintColumns { .. }
    ));
    assert!(matches!(error(table().with_keys(vec![primary(), primary()])), TableError::SeveralPrimaryKeys { .. }));
    let defaults = [("b".to_owned(), lit(1))].into();
    assert!(matches!(error(table().with_defaults(defaults)), TableError::DefaultColumn { .. }));
}
