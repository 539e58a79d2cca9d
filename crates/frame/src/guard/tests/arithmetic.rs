//! `+`, `-`, `*` and unary minus.

use super::*;

const MAX: i64 = i64::MAX;

fn values(ctx: &SessionContext) {
    add_table(ctx, "t", 2, &[("a", &[Some(MAX), Some(1), None, Some(-2)]), ("b", &[Some(0), Some(2), Some(3), None])]);
}

#[tokio::test]
async fn constants_overflow_before_they_are_folded() {
    let ctx = session();
    for (sql, operation, type_name) in [
        ("SELECT 9223372036854775807 + 1", "9223372036854775807 + 1", "BIGINT"),
        ("SELECT -9223372036854775808 - 1", "-9223372036854775808 - 1", "BIGINT"),
        ("SELECT 9223372036854775807 * 2", "9223372036854775807 * 2", "BIGINT"),
        ("SELECT -(-9223372036854775808)", "-(-9223372036854775808)", "BIGINT"),
        ("SELECT 1::TINYINT * 100::TINYINT + 100::TINYINT", "100 + 100", "TINYINT"),
        ("SELECT 30000::SMALLINT + 30000::SMALLINT", "30000 + 30000", "SMALLINT"),
        ("SELECT 2000000000::INT + 2000000000::INT", "2000000000 + 2000000000", "INTEGER"),
        ("SELECT 1::BIGINT UNSIGNED - 2::BIGINT UNSIGNED", "1 - 2", "BIGINT UNSIGNED"),
        ("SELECT a FROM (SELECT 9223372036854775807 AS a) WHERE a + 1 > 0", "9223372036854775807 + 1", "BIGINT"),
    ] {
        let expected = OverflowError::Arithmetic { operation: operation.to_owned(), type_name };
        assert_eq!(overflow(&ctx, sql).await, expected, "{sql}");
    }
}

#[tokio::test]
async fn columns_overflow() {
    let ctx = session();
    values(&ctx);
    for sql in [
        "SELECT a + 1 FROM t",
        "SELECT a + b + 1 FROM t",
        "SELECT a * 2 FROM t",
        "SELECT -a - 2 FROM t",
        "SELECT count(*) FROM t WHERE a + 1 > 5",
        "SELECT a FROM t ORDER BY a * 3",
        "SELECT max(a + 1) FROM t",
        "SELECT count(*) FROM t GROUP BY a + 1",
        "SELECT x.a FROM t x JOIN t y ON x.a + 1 = y.a",
        "SELECT (SELECT max(a * 2) FROM t)",
        "SELECT 1 WHERE EXISTS (SELECT 1 FROM t WHERE a * 2 > 9)",
        "SELECT sum(a + 1) OVER (ORDER BY b) FROM t",
        "WITH RECURSIVE r AS (SELECT 9223372036854775800 AS n UNION ALL SELECT n + 1 FROM r) SELECT * FROM r",
    ] {
        overflow(&ctx, sql).await;
    }
    assert_eq!(rows(&ctx, "SELECT a - 1, -a, a + b FROM t WHERE b = 2").await, ["0|-1|3"]);
    assert_eq!(rows(&ctx, "SELECT a + b FROM t ORDER BY a").await, ["", "3", "9223372036854775807", ""]);
}

#[tokio::test]
async fn bodies_of_lambdas_overflow() {
    let ctx = session();
    values(&ctx);
    ctx.sql("SET datafusion.sql_parser.dialect = 'duckdb'").await.unwrap();
    overflow(&ctx, "SELECT array_transform([a], x -> x + 1) FROM t").await;
    let sql = "SELECT array_transform([a, 2], x -> x * 3) FROM t WHERE a = 1";
    assert_eq!(rows(&ctx, sql).await, ["[3, 6]"]);
}

#[tokio::test]
async fn rows_that_a_case_does_not_select_do_not_raise() {
    let ctx = session();
    values(&ctx);
    let case = "SELECT CASE WHEN a < 100 THEN a * 1000000 ELSE 0 END FROM t ORDER BY a";
    assert_eq!(rows(&ctx, case).await, ["-2000000", "1000000", "0", "0"]);
    let coalesce = "SELECT coalesce(b, a * 1000000) FROM t WHERE a > 0 ORDER BY a";
    assert_eq!(rows(&ctx, coalesce).await, ["2", "0"]);
    let constant = "SELECT CASE WHEN a > 0 THEN 7 ELSE 9223372036854775807 + 1 END FROM t WHERE a > 0";
    assert_eq!(rows(&ctx, constant).await, ["7", "7"]);
    overflow(&ctx, "SELECT CASE WHEN a > 100 THEN a * 1000000 ELSE 0 END FROM t").await;
}

#[tokio::test]
async fn values_under_null_do_not_raise() {
    let ctx = session();
    let column = Int64Array::new(vec![MAX, 5].into(), Some(vec![false, true].into()));
    let batch = RecordBatch::try_from_iter_with_nullable([("a", Arc::new(column) as ArrayRef, true)]).unwrap();
    ctx.register_batch("hidden", batch).unwrap();
    assert_eq!(rows(&ctx, "SELECT a + 1, a * 2, sum(a) OVER () FROM hidden").await, ["||5", "6|10|5"]);
}

#[tokio::test]
async fn table_functions_take_checked_constants() {
    let ctx = session();
    let error = ctx.sql("SELECT * FROM generate_series(9223372036854775807 + 1, 0)").await;
    assert!(error.is_err());
    let sql = "SELECT count(*) FROM generate_series(1 + 1, 2 * 3 - (1 + 1))";
    assert_eq!(rows(&ctx, sql).await, ["3"]);
}

#[tokio::test]
async fn other_types_keep_the_stock_operators() {
    let ctx = session();
    for (sql, expected) in [
        ("SELECT 1.5::DOUBLE + 1", "2.5"),
        ("SELECT 1e308::DOUBLE * 10", "inf"),
        ("SELECT DATE '2024-01-31' - DATE '2024-01-01'", "30"),
        ("SELECT DATE '2024-01-01' + INTERVAL '1' DAY", "2024-01-02"),
        ("SELECT 9223372036854775807::DECIMAL(38, 0) + 1", "9223372036854775808"),
        ("SELECT 18446744073709551615 + 1", "18446744073709551616"),
        ("SELECT -2.5::DECIMAL(5, 2)", "-2.50"),
        ("SELECT NULL + 1", ""),
        ("SELECT [1, 2, 3][1 + 1]", "2"),
    ] {
        assert_eq!(rows(&ctx, sql).await, [expected], "{sql}");
    }
}

#[tokio::test]
async fn a_long_chain_of_additions_is_answered() {
    let ctx = session();
    values(&ctx);
    let sql = format!("SELECT {} FROM t WHERE b = 2", vec!["a"; 300].join(" + "));
    assert_eq!(rows(&ctx, &sql).await, ["300"]);
}

#[tokio::test]
async fn prepared_statements_check_their_parameters() {
    let ctx = session();
    ctx.sql("PREPARE p(BIGINT) AS SELECT $1 + 1").await.unwrap().collect().await.unwrap();
    assert_eq!(rows(&ctx, "EXECUTE p(41)").await, ["42"]);
    overflow(&ctx, "EXECUTE p(9223372036854775807)").await;
}

/// Functions of DataFusion 55.2 that already fail, or answer rightly, at the edge of BIGINT. If an upgrade makes one of
/// them wrap, it needs a guard.
#[tokio::test]
async fn stock_functions_do_not_wrap() {
    let ctx = session();
    add_table(&ctx, "edge", 1, &[("low", &[Some(i64::MIN)]), ("high", &[Some(MAX)]), ("m", &[Some(-1)])]);
    for sql in [
        "SELECT abs(low) FROM edge",
        "SELECT low / m FROM edge",
        "SELECT -9223372036854775808 / -1",
        "SELECT gcd(low, 0) FROM edge",
        "SELECT gcd(low, low) FROM edge",
        "SELECT lcm(high, high - 1) FROM edge",
        "SELECT factorial(21)",
        "SELECT round(high, -1) FROM edge",
        "SELECT CAST(high AS INT) FROM edge",
        "SELECT CAST(low AS BIGINT UNSIGNED) FROM edge",
    ] {
        let result = ctx.sql(sql).await.unwrap().collect().await;
        assert!(result.is_err(), "{sql} gave {:?}", lines(&result.unwrap()));
    }
    for (sql, expected) in [
        ("SELECT low % m FROM edge", "0"),
        ("SELECT power(high, 2) > 8e37 FROM edge", "true"),
        ("SELECT avg(x) > 9e18 FROM (VALUES (9223372036854775807), (9223372036854775807)) v(x)", "true"),
        ("SELECT median(x) > 9e18 FROM (VALUES (9223372036854775807), (9223372036854775805)) v(x)", "true"),
        ("SELECT array_sum([9223372036854775807, 9223372036854775807]) > 1.8e19", "true"),
        ("SELECT count(*) FROM generate_series(9223372036854775806, 9223372036854775807)", "2"),
        (
            "SELECT generate_series(9223372036854775806, 9223372036854775807)",
            "[9223372036854775806, 9223372036854775807]",
        ),
    ] {
        assert_eq!(rows(&ctx, sql).await, [expected], "{sql}");
    }
}
