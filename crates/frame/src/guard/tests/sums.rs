//! SUM in every place it can stand.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

const MAX: i64 = i64::MAX;

/// Pseudo-random values, some NULL, some so large that two of a kind overflow.
fn random_column(seed: u64, n_rows: usize, n_values: u64) -> Vec<Option<i64>> {
    let mut state = seed;
    let mut next = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state >> 33
    };
    (0..n_rows)
        .map(|_| match next() % 8 {
            0 => None,
            1 => Some(MAX - (next() % n_values) as i64),
            2 => Some(-MAX + (next() % n_values) as i64),
            _ => Some((next() % n_values) as i64 - (n_values / 2) as i64),
        })
        .collect()
}

#[tokio::test]
async fn groups_match_wide_arithmetic_on_any_number_of_partitions() {
    let n_rows = 3000;
    let values = random_column(7, n_rows, 1000);
    let groups: Vec<Option<i64>> = (0..n_rows).map(|row_idx| Some((row_idx * row_idx % 701) as i64)).collect();
    let mut sums: BTreeMap<i64, Option<i128>> = BTreeMap::new();
    let mut distinct: BTreeMap<i64, BTreeSet<i64>> = BTreeMap::new();
    for (group, value) in groups.iter().zip(&values) {
        let sum = sums.entry(group.unwrap()).or_default();
        let seen = distinct.entry(group.unwrap()).or_default();
        if let Some(value) = value {
            *sum = Some(sum.unwrap_or(0) + i128::from(*value));
            seen.insert(*value);
        }
    }
    let fits = |sum: &Option<i128>| sum.is_none_or(|sum| i64::try_from(sum).is_ok());
    let written = |sum: &Option<i128>| sum.map(|sum| sum.to_string()).unwrap_or_default();
    let (n_fitting, n_groups) = (sums.values().filter(|sum| fits(sum)).count(), sums.len());
    assert!(n_fitting > 20 && n_fitting + 20 < n_groups, "{n_fitting} of {n_groups}");

    for n_partitions in [1, 2, 5] {
        let ctx = session_with(n_partitions);
        // Aggregation gives up on partial groups at once, which goes through `convert_to_state`.
        for probe in ["0", "100000"] {
            let set = format!("SET datafusion.execution.skip_partial_aggregation_probe_rows_threshold = {probe}");
            ctx.sql(&set).await.unwrap().collect().await.unwrap();
            ctx.sql("SET datafusion.execution.skip_partial_aggregation_probe_ratio_threshold = 0.0").await.unwrap();
            add_table(&ctx, "t", n_partitions, &[("g", &groups), ("v", &values)]);
            let kept: Vec<String> = sums
                .iter()
                .filter(|(_, sum)| fits(sum))
                .map(|(group, sum)| format!("{group}|{}", written(sum)))
                .collect();
            let list = sums.iter().filter(|(_, sum)| fits(sum)).map(|(group, _)| group.to_string());
            let list = list.collect::<Vec<_>>().join(", ");
            let sql = format!("SELECT g, sum(v) FROM t WHERE g IN ({list}) GROUP BY g ORDER BY g");
            assert_eq!(rows(&ctx, &sql).await, kept);
            let sql = format!("SELECT g, sum(v) FILTER (WHERE g IN ({list})) FROM t GROUP BY g ORDER BY g");
            let all = sums
                .iter()
                .map(|(group, sum)| format!("{group}|{}", if fits(sum) { written(sum) } else { String::new() }));
            assert_eq!(rows(&ctx, &sql).await, all.collect::<Vec<_>>());
            overflow(&ctx, "SELECT g, sum(v) FROM t GROUP BY g").await;

            // Together with another aggregate DISTINCT is not rewritten to a GROUP BY.
            for (group, seen) in distinct.iter().step_by(97) {
                let sum: i128 = seen.iter().map(|value| i128::from(*value)).sum();
                let sql = format!("SELECT sum(DISTINCT v), count(v) > 0 FROM t WHERE g = {group}");
                let alone = format!("SELECT sum(DISTINCT v) FROM t WHERE g = {group}");
                if i64::try_from(sum).is_ok() && !seen.is_empty() {
                    assert_eq!(rows(&ctx, &sql).await, [format!("{sum}|true")]);
                    assert_eq!(rows(&ctx, &alone).await, [sum.to_string()]);
                } else if !seen.is_empty() {
                    assert_eq!(overflow(&ctx, &sql).await, OverflowError::Sum { sum, type_name: "BIGINT" });
                    overflow(&ctx, &alone).await;
                }
            }
            ctx.deregister_table("t").unwrap();
        }
    }
}

#[tokio::test]
async fn totals_may_pass_the_range_on_their_way() {
    let ctx = session();
    add_table(&ctx, "t", 2, &[("v", &[Some(MAX), Some(MAX), Some(-MAX), Some(-MAX), Some(5), None])]);
    assert_eq!(rows(&ctx, "SELECT sum(v) FROM t").await, ["5"]);
    assert_eq!(rows(&ctx, "SELECT sum(v) FILTER (WHERE v < 10 AND v > 0) FROM t").await, ["5"]);
}

#[tokio::test]
async fn sums_beyond_the_range_fail() {
    let ctx = session();
    add_table(&ctx, "t", 2, &[("v", &[Some(MAX), Some(1)])]);
    let expected = OverflowError::Sum { sum: 9_223_372_036_854_775_808, type_name: "BIGINT" };
    for sql in [
        "SELECT sum(v) FROM t",
        "SELECT sum(DISTINCT v) FROM t",
        "SELECT sum(DISTINCT v), sum(v) FILTER (WHERE v = 1) FROM t",
        "SELECT sum(v) FILTER (WHERE v > 0) FROM t",
        "SELECT sum(v) OVER () FROM t",
        "SELECT sum(v) OVER (ORDER BY v) FROM t",
        "SELECT sum(v) OVER (ORDER BY v ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM t",
        "SELECT sum(DISTINCT v) OVER (ORDER BY v ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM t",
        "SELECT (SELECT sum(v) FROM t)",
    ] {
        assert_eq!(overflow(&ctx, sql).await, expected, "{sql}");
    }
    let sql = "SELECT sum(x) FROM (VALUES (18446744073709551615), (1::BIGINT UNSIGNED)) v(x)";
    let expected = OverflowError::Sum { sum: 18_446_744_073_709_551_616, type_name: "BIGINT UNSIGNED" };
    assert_eq!(overflow(&ctx, sql).await, expected);
}

#[tokio::test]
async fn sliding_frames_forget_what_left_them() {
    let ctx = session();
    let k: Vec<Option<i64>> = (0..6).map(Some).collect();
    add_table(&ctx, "t", 1, &[("k", &k), ("v", &[Some(MAX), Some(-5), None, Some(MAX), Some(-MAX), Some(-MAX + 5)])]);
    let frame = "OVER (ORDER BY k ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)";
    let expected = ["9223372036854775807", "9223372036854775802", "-5", "9223372036854775807", "0"];
    let sql = format!("SELECT sum(v) {frame} FROM t WHERE k < 5 ORDER BY k");
    assert_eq!(rows(&ctx, &sql).await, expected);
    let sql = format!("SELECT sum(DISTINCT v) {frame} FROM t WHERE k < 5 ORDER BY k");
    assert_eq!(rows(&ctx, &sql).await, expected);
    overflow(&ctx, &format!("SELECT sum(v) {frame} FROM t")).await;
    let sql = "SELECT sum(v) OVER (ORDER BY k ROWS BETWEEN CURRENT ROW AND CURRENT ROW) FROM t WHERE k = 2";
    assert_eq!(rows(&ctx, sql).await, [""]);
}

#[tokio::test]
async fn empty_and_null_groups_sum_to_null() {
    let ctx = session();
    add_table(&ctx, "t", 2, &[("g", &[Some(1), Some(2), Some(2)]), ("v", &[None, Some(3), None])]);
    assert_eq!(rows(&ctx, "SELECT sum(v) FROM t WHERE g > 2").await, [""]);
    assert_eq!(rows(&ctx, "SELECT sum(DISTINCT v), count(*) FROM t WHERE g = 1").await, ["|1"]);
    assert_eq!(rows(&ctx, "SELECT g, sum(v) FROM t GROUP BY g ORDER BY g").await, ["1|", "2|3"]);
}

#[tokio::test]
async fn decimals_fail_beyond_their_digits() {
    let ctx = session();
    let nines = "9".repeat(38);
    let near = format!("(VALUES ('{nines}'), ('1')) v(x)");
    for sql in [
        format!("SELECT sum(x::DECIMAL(38, 0)) FROM {near}"),
        format!("SELECT sum(DISTINCT x::DECIMAL(38, 0)) FROM {near}"),
        format!("SELECT x, sum(x::DECIMAL(38, 0)) OVER () FROM {near}"),
        format!("SELECT sum(x::DECIMAL(38, 0)) FROM {near} CROSS JOIN generate_series(1, 3) GROUP BY x > ''"),
        // Beyond 128 bits, where the stock sum wraps.
        format!("SELECT sum('{nines}'::DECIMAL(38, 0)) FROM generate_series(1, 5)"),
        "SELECT sum(arrow_cast(x, 'Decimal32(9, 0)')) FROM (VALUES (999999999), (1)) v(x)".to_owned(),
        "SELECT sum(arrow_cast(x, 'Decimal64(18, 0)')) FROM (VALUES (999999999999999999), (1)) v(x)".to_owned(),
    ] {
        let error = overflow(&ctx, &sql).await;
        assert!(matches!(error, OverflowError::DecimalSum { .. }), "{sql}: {error}");
    }
    for width in [38, 12] {
        let fits = format!("SELECT sum(x::DECIMAL({width}, 2)) FROM (VALUES (1.25), (2.50), (NULL)) v(x)");
        assert_eq!(rows(&ctx, &fits).await, ["3.75"]);
    }
    let grouped =
        "SELECT g, sum(x::DECIMAL(38, 2)) FROM (VALUES (1, 1.25), (1, 2.50), (2, NULL)) v(g, x) GROUP BY g ORDER BY g";
    assert_eq!(rows(&ctx, grouped).await, ["1|3.75", "2|"]);
}

#[tokio::test]
async fn other_types_are_summed_by_the_stock_function() {
    let ctx = session();
    assert_eq!(rows(&ctx, "SELECT sum(x) FROM (VALUES (1.5::DOUBLE), (2::DOUBLE)) v(x)").await, ["3.5"]);
    let sql = "SELECT sum(x) FROM (VALUES (1::SMALLINT), (2::SMALLINT)) v(x)";
    assert_eq!(rows(&ctx, sql).await, ["3"]);
}

#[tokio::test]
async fn linear_sums_are_shared_and_right() {
    let ctx = session();
    ctx.sql("CREATE TABLE t AS SELECT x::INT AS x, x % 2 AS g FROM (VALUES (1), (2), (NULL), (4)) v(x)")
        .await
        .unwrap()
        .collect()
        .await
        .unwrap();
    let sql = "SELECT g, sum(x + 1), sum(2 + x), sum(x), max(x), count(*) FROM t GROUP BY g ORDER BY g";
    assert_eq!(rows(&ctx, sql).await, ["0|8|10|6|4|2", "1|2|3|1|1|1", "|||||1"]);
    let plan = rows(&ctx, &format!("EXPLAIN {sql}")).await.concat();
    assert!(!plan.contains("sum(checked_add"), "{plan}");
    let fields = ctx.sql(sql).await.unwrap();
    let names: Vec<&str> = fields.schema().fields().iter().map(|field| field.name().as_str()).collect();
    assert_eq!(names[1..3], ["sum(t.x + Int64(1))", "sum(Int64(2) + t.x)"]);
    // A column of 64 bits could overflow in one form and not in the other.
    let wide = "EXPLAIN SELECT sum(x + 1), sum(x + 2) FROM (SELECT x::BIGINT * 1 AS x FROM generate_series(1, 2) s(x))";
    let plan = rows(&ctx, wide).await.concat();
    assert!(plan.contains("checked_add"), "{plan}");
}
