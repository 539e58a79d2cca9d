use datafusion::physical_plan::displayable;

use super::Database;

async fn plan_of(db: &Database, sql: &str) -> String {
    let plan = db.context.sql(sql).await.unwrap().create_physical_plan().await.unwrap();
    displayable(plan.as_ref()).indent(false).to_string()
}

#[tokio::test]
async fn scans_are_split_limited_and_counted() {
    let db = Database::with(1 << 30, 4, 8192);
    db.write("CREATE TABLE t AS SELECT value AS id, -value AS a FROM generate_series(1, 100000)").await;
    let plan = plan_of(&db, "SELECT a FROM t WHERE a % 2 = 0").await;
    // 100,000 rows are twelve chunks and a part of one; each border between partitions cuts a chunk in two.
    assert!(plan.contains("partitions=4, partition_sizes=[4, 4, 4, 4]"), "{plan}");
    let plan = plan_of(&db, "SELECT a FROM t LIMIT 10").await;
    assert!(plan.contains("partitions=1, partition_sizes=[1]"), "{plan}");
    assert_eq!(db.rows("SELECT id FROM t LIMIT 3 OFFSET 2").await, "3;4;5");
    assert_eq!(db.rows("SELECT sum(id), count(*) FROM t WHERE id % 2 = 0").await, "2500050000,50000");

    // The bounds and the count are known without reading.
    let plan = plan_of(&db, "SELECT count(*), min(id), max(a) FROM t").await;
    assert!(!plan.contains("DataSourceExec"), "{plan}");
    assert_eq!(db.rows("SELECT count(*), min(id), max(a), max(id), min(a) FROM t").await, "100000,1,-1,100000,-100000");
    db.write("UPDATE t SET a = NULL WHERE id > 50").await;
    db.write("DELETE FROM t WHERE id = 1").await;
    assert_eq!(db.rows("SELECT count(*), count(a), min(id), max(a), min(a) FROM t").await, "99999,49,2,-2,-50");
}

#[tokio::test]
async fn statistics_of_nulls_only_and_of_nothing() {
    let db = Database::new();
    db.write("CREATE TABLE t (a BIGINT, d DATE)").await;
    assert_eq!(db.rows("SELECT count(*), count(a), min(a), max(d) FROM t").await, "0,0,NULL,NULL");
    db.write("INSERT INTO t SELECT NULL AS a, NULL AS b FROM generate_series(1, 10)").await;
    assert_eq!(db.rows("SELECT count(*), count(a), min(a), max(d) FROM t").await, "10,0,NULL,NULL");
}

#[tokio::test]
async fn unique_keys_do_not_mislead_the_planner() {
    let db = Database::new();
    db.write("CREATE TABLE t (id BIGINT PRIMARY KEY, u BIGINT UNIQUE, n BIGINT NOT NULL UNIQUE, x BIGINT)").await;
    db.write("INSERT INTO t VALUES (1, NULL, 1, 10), (2, NULL, 2, 20), (3, 3, 3, 10)").await;
    db.write("CREATE TABLE s (id BIGINT, y BIGINT)").await;
    db.write("INSERT INTO s VALUES (1, 1), (1, 2), (1, 2), (9, 9)").await;
    for (sql, expected) in [
        ("SELECT u, x FROM t GROUP BY u, x ORDER BY u, x", "3,10;NULL,10;NULL,20"),
        ("SELECT DISTINCT u FROM t ORDER BY u", "3;NULL"),
        ("SELECT t.id, x, count(*) FROM t JOIN s ON s.id = t.id GROUP BY t.id, x", "1,10,3"),
        ("SELECT DISTINCT t.id FROM t JOIN s ON s.id = t.id", "1"),
        ("SELECT DISTINCT t.id FROM t JOIN s ON s.id = t.id WHERE y > 0", "1"),
        ("SELECT DISTINCT id FROM (SELECT t.id, y FROM t JOIN s ON s.id = t.id GROUP BY t.id, y)", "1"),
        ("SELECT t.id, y FROM t JOIN s ON s.id = t.id GROUP BY t.id, y ORDER BY y", "1,1;1,2"),
        (
            "SELECT id, y, count(*) FROM (SELECT t.id, y FROM t JOIN s ON s.id = t.id GROUP BY t.id, y) GROUP BY id, y ORDER BY y",
            "1,1,1;1,2,1",
        ),
        ("SELECT t.id, y FROM s LEFT JOIN t ON s.id = t.id GROUP BY t.id, y ORDER BY y", "1,1;1,2;NULL,9"),
        ("SELECT DISTINCT id FROM (SELECT id FROM t UNION ALL SELECT id FROM t) ORDER BY id", "1;2;3"),
        (
            "SELECT id, x FROM (SELECT id, x FROM t UNION ALL SELECT id, 0 FROM t) GROUP BY id, x ORDER BY id, x",
            "1,0;1,10;2,0;2,20;3,0;3,10",
        ),
        ("SELECT DISTINCT id FROM (SELECT id, unnest([1, 2]) FROM t) ORDER BY id", "1;2;3"),
        (
            "SELECT id, e FROM (SELECT id, unnest([1, 2]) AS e FROM t) GROUP BY id, e ORDER BY id, e LIMIT 3",
            "1,1;1,2;2,1",
        ),
        ("SELECT id, x FROM t GROUP BY GROUPING SETS ((id, x), (x)) ORDER BY id, x", "1,10;2,20;3,10;NULL,10;NULL,20"),
        ("SELECT n, x FROM t GROUP BY ROLLUP (n, x) ORDER BY n, x", "1,10;1,NULL;2,20;2,NULL;3,10;3,NULL;NULL,NULL"),
        ("SELECT count(DISTINCT id), count(DISTINCT u) FROM t", "3,1"),
    ] {
        assert_eq!(db.rows(sql).await, expected, "{sql}");
    }
}

#[tokio::test]
async fn a_primary_key_decides_the_other_columns() {
    let db = Database::new();
    db.write("CREATE TABLE t (id BIGINT PRIMARY KEY, x BIGINT, u BIGINT UNIQUE)").await;
    db.write("INSERT INTO t VALUES (1, 10, 7), (2, 10, NULL), (3, 30, NULL)").await;
    assert_eq!(db.rows("SELECT id, x, count(*) FROM t GROUP BY id ORDER BY id").await, "1,10,1;2,10,1;3,30,1");
    assert!(db.error("SELECT u, x FROM t GROUP BY u").await.contains("GROUP BY"));
}
