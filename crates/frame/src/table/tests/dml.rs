use super::{Answer, Database};

/// Every statement of `dml_oracle.txt` affects as many rows as in SQLite and leaves the same table.
async fn agrees_with_sqlite(n_partitions: usize, chunk_rows_max: usize) {
    let db = Database::with(1 << 30, n_partitions, chunk_rows_max);
    db.write("CREATE TABLE t (id BIGINT NOT NULL PRIMARY KEY, a BIGINT, b VARCHAR, u BIGINT UNIQUE)").await;
    db.write("CREATE TABLE s (k BIGINT, v BIGINT)").await;
    let mut statement = "";
    for line in include_str!("dml_oracle.txt").lines() {
        match line.split_at(1) {
            (">", sql) => statement = sql,
            ("=", n_rows) => assert_eq!(db.write(statement).await.to_string(), n_rows.trim(), "{statement}"),
            ("!", _) => assert!(db.error(statement).await.contains("duplicate key"), "{statement}"),
            (_, rows) => {
                let ours = db.rows("SELECT * FROM t ORDER BY id").await;
                assert_eq!(ours, rows.trim_start(), "after {statement}");
            }
        }
    }
}

#[tokio::test]
async fn agrees_with_sqlite_in_chunks_of_one_row() {
    agrees_with_sqlite(1, 1).await;
}

#[tokio::test]
async fn agrees_with_sqlite_in_small_chunks() {
    agrees_with_sqlite(4, 3).await;
}

#[tokio::test]
async fn agrees_with_sqlite_in_one_chunk() {
    agrees_with_sqlite(4, 8192).await;
}

async fn numbers() -> Database {
    let db = Database::new();
    db.write("CREATE TABLE t (id BIGINT NOT NULL PRIMARY KEY, a BIGINT, b BIGINT)").await;
    db.write("INSERT INTO t VALUES (1, 10, 100), (2, 20, 200), (3, 30, NULL), (4, NULL, 400), (5, 50, 500)").await;
    db
}

#[tokio::test]
async fn rows_keep_their_order() {
    let db = Database::with(1 << 30, 1, 2);
    db.write("CREATE TABLE t (id BIGINT, a BIGINT)").await;
    db.write("INSERT INTO t SELECT value, 0 FROM generate_series(9, 0, -1)").await;
    db.write("UPDATE t SET a = 1 WHERE id IN (3, 7)").await;
    db.write("DELETE FROM t WHERE id % 3 = 2").await;
    assert_eq!(db.rows("SELECT id, a FROM t").await, "9,0;7,1;6,0;4,0;3,1;1,0;0,0");
}

#[tokio::test]
async fn update_swaps_columns() {
    let db = numbers().await;
    assert_eq!(db.write("UPDATE t SET a = b, b = a").await, 5);
    assert_eq!(db.rows("SELECT * FROM t ORDER BY id").await, "1,100,10;2,200,20;3,NULL,30;4,400,NULL;5,500,50");
}

#[tokio::test]
async fn update_with_alias_self_join_and_several_matches() {
    let db = numbers().await;
    assert_eq!(db.write("UPDATE t AS x SET a = x.a + 1 WHERE x.id = 1").await, 1);
    assert_eq!(db.write("UPDATE t SET a = o.a FROM t AS o WHERE o.id = t.id + 1 AND t.id < 3").await, 2);
    assert_eq!(db.rows("SELECT id, a FROM t ORDER BY id").await, "1,20;2,30;3,30;4,NULL;5,50");
    // Every row with id > 1 matches; the row changes once, to one of them.
    assert_eq!(db.write("UPDATE t SET a = -o.id FROM t AS o WHERE t.id = 1 AND o.id > 1").await, 1);
    let chosen = db.rows("SELECT a FROM t WHERE id = 1").await;
    assert!(["-2", "-3", "-4", "-5"].contains(&chosen.as_str()), "{chosen}");
    assert_eq!(db.rows("SELECT count(*) FROM t").await, "5");
}

#[tokio::test]
async fn update_from_checks_the_values_it_stores() {
    let db = numbers().await;
    db.write("CREATE TABLE c (n BIGINT NOT NULL, id BIGINT)").await;
    db.write("INSERT INTO c VALUES (1, 1)").await;
    let error = db.error("UPDATE c SET n = t.b FROM t WHERE t.id = 3").await;
    assert!(error.contains("null value in column \"n\" of table \"c\""), "{error}");
    assert_eq!(db.rows("SELECT * FROM c").await, "1,1");
}

#[tokio::test]
async fn expressions_see_the_rows_from_before() {
    let db = numbers().await;
    db.write("UPDATE t SET a = 10 WHERE id IN (3, 5)").await;
    db.write("UPDATE t SET a = (SELECT count(*) FROM t AS x WHERE x.a = t.a), b = (SELECT sum(x.id) FROM t AS x)")
        .await;
    assert_eq!(db.rows("SELECT * FROM t ORDER BY id").await, "1,3,15;2,1,15;3,3,15;4,0,15;5,3,15");
}

#[tokio::test]
async fn a_column_may_be_named_like_the_hidden_one() {
    let db = Database::new();
    db.write("CREATE TABLE t (__row_id BIGINT, a BIGINT)").await;
    db.write("INSERT INTO t VALUES (7, 1), (8, 2), (9, 3)").await;
    db.write("DELETE FROM t WHERE __row_id = 8").await;
    db.write("UPDATE t SET __row_id = __row_id * 10 WHERE a = 3").await;
    assert_eq!(db.rows("SELECT * FROM t ORDER BY a").await, "7,1;90,3");
}

#[tokio::test]
async fn volatile_predicates_are_evaluated_once() {
    let db = Database::new();
    db.write("CREATE TABLE t (id BIGINT, r DOUBLE, q DOUBLE)").await;
    db.write("INSERT INTO t SELECT value, 0, 1 FROM generate_series(1, 1000)").await;
    let deleted = db.write("DELETE FROM t WHERE random() < 0.5").await;
    assert!((300..700).contains(&deleted), "{deleted}");
    assert_eq!(db.rows("SELECT count(*) FROM t").await, (1000 - deleted).to_string());
    db.write("UPDATE t SET r = random()").await;
    assert_eq!(db.rows("SELECT count(DISTINCT r) FROM t").await, (1000 - deleted).to_string());
}

#[tokio::test]
async fn insert_reads_the_rows_from_before() {
    let db = numbers().await;
    assert_eq!(db.write("INSERT INTO t SELECT id + 10, a, b FROM t").await, 5);
    assert_eq!(db.write("INSERT INTO t SELECT id + 100, count(*) OVER (), b FROM t").await, 10);
    assert_eq!(db.rows("SELECT count(*), sum(id), max(a) FROM t").await, "20,1160,50");
}

#[tokio::test]
async fn insert_maps_columns_and_fills_defaults() {
    let db = Database::new();
    db.write("CREATE TABLE t (id BIGINT, a BIGINT DEFAULT 40 + 2, b VARCHAR)").await;
    db.write("INSERT INTO t (b, id) VALUES ('x', 1), ('y', 2)").await;
    db.write("INSERT INTO t (id, a) VALUES ('3', NULL)").await;
    assert_eq!(db.rows("SELECT * FROM t ORDER BY id").await, "1,42,x;2,42,y;3,NULL,NULL");
}

#[tokio::test]
async fn values_that_do_not_fit_are_errors() {
    let db = Database::new();
    db.write("CREATE TABLE t (n TINYINT, d DECIMAL(4, 1))").await;
    db.write("INSERT INTO t VALUES (1, 1.5)").await;
    db.write("CREATE TABLE w (n BIGINT, d DECIMAL(20, 1))").await;
    db.write("INSERT INTO w VALUES (300, 12345678.9)").await;
    for sql in [
        "INSERT INTO t VALUES (300, 0)",
        "INSERT INTO t SELECT n, 0 FROM w",
        "INSERT INTO t SELECT 0, d FROM w",
        "INSERT INTO t VALUES ('x', 0)",
        "UPDATE t SET n = n + 300",
        "UPDATE t SET n = (SELECT n FROM w)",
        "UPDATE t SET d = w.d FROM w",
    ] {
        let error = db.error(sql).await;
        assert!(
            ["cast", "too large", "out of range", "too big"].iter().any(|word| error.to_lowercase().contains(word)),
            "{sql}: {error}"
        );
        assert_eq!(db.rows("SELECT * FROM t").await, "1,1.5", "{sql}");
    }
}

#[tokio::test]
async fn truncate_and_overwrite_replace_everything() {
    let db = numbers().await;
    assert_eq!(db.write("TRUNCATE TABLE t").await, 5);
    assert_eq!(db.rows("SELECT count(*) FROM t").await, "0");
    assert_eq!(db.write("INSERT INTO t VALUES (1, 1, 1), (2, 2, 2)").await, 2);
    assert_eq!(db.write("INSERT OVERWRITE t SELECT id + 1, a, b FROM t").await, 2);
    assert_eq!(db.rows("SELECT * FROM t ORDER BY id").await, "2,1,1;3,2,2");
    assert!(db.error("INSERT OVERWRITE t VALUES (7, 0, 0), (7, 0, 0)").await.contains("(7) already exists"));
    assert!(db.error("INSERT INTO t VALUES (3, 0, 0)").await.contains("(3) already exists"));
    assert_eq!(db.rows("SELECT * FROM t ORDER BY id").await, "2,1,1;3,2,2");
    assert!(db.error("REPLACE INTO t VALUES (3, 0, 0)").await.contains("not supported"));
}

#[tokio::test]
async fn delete_with_limit_deletes_that_many() {
    let db = numbers().await;
    assert_eq!(db.write("DELETE FROM t WHERE id > 1 LIMIT 2").await, 2);
    assert_eq!(db.rows("SELECT count(*), min(id) FROM t").await, "3,1");
}

#[tokio::test]
async fn a_statement_planned_before_another_write_sees_that_write() {
    let db = numbers().await;
    let late = [
        db.plan("DELETE FROM t WHERE a = (SELECT max(x.a) FROM t AS x)").await.unwrap(),
        db.plan("UPDATE t SET a = (SELECT count(*) FROM t)").await.unwrap(),
        db.plan("INSERT INTO t SELECT 1000 + count(*), 0, 1 FROM t").await.unwrap(),
    ];
    db.write("INSERT INTO t VALUES (6, 60, 600), (7, 70, 700)").await;
    let mut affected = vec![];
    for plan in late {
        let datafusion::logical_expr::LogicalPlan::Dml(dml) = plan else { panic!("{plan}") };
        affected.push(super::execute(&db.context.state(), &db.table("t"), &dml).await.unwrap());
    }
    assert_eq!(affected, [1, 6, 1]);
    assert_eq!(db.rows("SELECT id, a FROM t ORDER BY id").await, "1,6;2,6;3,6;4,6;5,6;6,6;1006,0");
}

#[tokio::test]
async fn other_ways_to_write_are_refused() {
    let db = numbers().await;
    let plan = db.context.state().create_logical_plan("DELETE FROM t").await.unwrap();
    assert!(db.context.execute_logical_plan(plan).await.unwrap().collect().await.is_err());
    assert!(matches!(db.try_run("SELECT * FROM t").await, Ok(Answer::Rows(_))));
    assert_eq!(db.rows("SELECT count(*) FROM t").await, "5");
}
