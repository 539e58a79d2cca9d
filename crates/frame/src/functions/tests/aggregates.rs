use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, StringArray};
use datafusion::prelude::SessionContext;

use super::{failure, query, register, session};
use crate::functions::{aggregate, fold};

/// Group, value and weight of a deterministic pseudo-random table of 1000 rows.
fn rows() -> Vec<(i64, Option<f64>, i64)> {
    let mut state = 12345_u64;
    let mut next = move || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as i64
    };
    (0..1000)
        .map(|_| {
            let (group, value, weight) = (next() % 7, next() % 50, next() % 9);
            (group, (value % 5 != 0).then_some(value as f64), weight)
        })
        .collect()
}

fn register_rows(session: &SessionContext, rows: &[(i64, Option<f64>, i64)]) {
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("i", Arc::new(Int64Array::from_iter_values(0..rows.len() as i64))),
        ("g", Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.0)))),
        ("x", Arc::new(Float64Array::from_iter(rows.iter().map(|row| row.1)))),
        ("w", Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.2)))),
    ];
    register(session, columns, 5);
}

fn register_functions(session: &SessionContext) {
    session.register_udaf(aggregate(
        "weighted",
        (0.0, 0.0),
        |state: &mut (f64, f64), value: f64, weight: f64| {
            state.0 += value * weight;
            state.1 += weight;
        },
        |state, other| *state = (state.0 + other.0, state.1 + other.1),
        |state| (state.1 != 0.0).then(|| state.0 / state.1),
    ));
    session.register_udaf(fold("total", 0, |sum: i64, x: i64| sum + x, |a, b| a + b));
    session.register_udaf(fold(
        "largest",
        None,
        |best: Option<f64>, x: f64| Some(best.map_or(x, |best| best.max(x))),
        |a, b| match (a, b) {
            (Some(a), Some(b)) => Some(f64::max(a, b)),
            (a, b) => a.or(b),
        },
    ));
    session.register_udaf(aggregate(
        "nulls",
        0_u64,
        |count: &mut u64, x: Option<f64>| *count += u64::from(x.is_none()),
        |count, other| *count += other,
        |count| *count,
    ));
    session.register_udaf(aggregate(
        "listed",
        Vec::new(),
        |seen: &mut Vec<i64>, x: i64| seen.push(x),
        |seen, other| seen.extend(other),
        |seen| seen.clone(),
    ));
}

#[tokio::test]
async fn groups_over_partitions_agree_with_plain_rust() {
    let session = session();
    let rows = rows();
    register_rows(&session, &rows);
    register_functions(&session);
    let sql = "SELECT g, weighted(x, w), total(w), largest(x), nulls(x), total(w) FILTER (WHERE x > 20)
        FROM t GROUP BY g ORDER BY g";
    type Row = (i64, Option<f64>, i64, Option<f64>, u64, i64);
    let got: Vec<Row> = query(&session, sql).await;

    let mut expected: BTreeMap<i64, Row> = BTreeMap::new();
    let mut sums: BTreeMap<i64, (f64, f64)> = BTreeMap::new();
    for (group, x, w) in &rows {
        let row = expected.entry(*group).or_insert((*group, None, 0, None, 0, 0));
        let sums = sums.entry(*group).or_default();
        row.2 += w;
        match x {
            None => row.4 += 1,
            Some(x) => {
                *sums = (sums.0 + x * *w as f64, sums.1 + *w as f64);
                row.3 = Some(row.3.map_or(*x, |best| best.max(*x)));
                if *x > 20.0 {
                    row.5 += w;
                }
            }
        }
    }
    for (group, (sum, weight)) in sums {
        // Whole numbers are exact in f64, so the order of the sums does not matter.
        expected.get_mut(&group).unwrap().1 = Some(sum / weight);
    }
    assert_eq!(got, expected.into_values().collect::<Vec<_>>());
}

#[tokio::test]
async fn over_no_rows_the_result_is_that_of_init() {
    let session = session();
    register_rows(&session, &rows());
    register_functions(&session);
    let sql = "SELECT total(w), largest(x), weighted(x, w) FROM t WHERE i < 0";
    assert_eq!(query::<(i64, Option<f64>, Option<f64>)>(&session, sql).await, [(0, None, None)]);
    let sql = "SELECT (SELECT total(u.w) FROM t AS u WHERE u.i = t.i + 1000) FROM t WHERE i < 2";
    assert_eq!(query::<i64>(&session, sql).await, [0, 0]);
}

#[tokio::test]
async fn distinct_counts_each_row_once() {
    let session = session();
    let rows = rows();
    register_rows(&session, &rows);
    register_functions(&session);
    let mut distinct: Vec<i64> = rows.iter().map(|row| row.2).collect();
    distinct.sort_unstable();
    distinct.dedup();
    let expected: i64 = distinct.iter().sum();
    let all: i64 = rows.iter().map(|row| row.2).sum();
    let sql = "SELECT total(DISTINCT w), total(w) FROM t";
    assert_eq!(query::<(i64, i64)>(&session, sql).await, [(expected, all)]);
    // Alone, the planner turns DISTINCT into two groupings.
    assert_eq!(query::<i64>(&session, "SELECT total(DISTINCT w) FROM t").await, [expected]);
    let sql = "SELECT g, total(DISTINCT w), total(w) FROM t GROUP BY g ORDER BY g";
    let got: Vec<(i64, i64, i64)> = query(&session, sql).await;
    for (group, distinct_total, total) in got {
        let mut of_group: Vec<i64> = rows.iter().filter(|row| row.0 == group).map(|row| row.2).collect();
        assert_eq!(total, of_group.iter().sum::<i64>());
        of_group.sort_unstable();
        of_group.dedup();
        assert_eq!(distinct_total, of_group.iter().sum::<i64>());
    }
}

#[tokio::test]
async fn order_by_inside_the_call_decides_the_order_over_partitions() {
    let session = session();
    let rows = rows();
    register_rows(&session, &rows);
    register_functions(&session);
    let got: Vec<Vec<i64>> = query(&session, "SELECT listed(i ORDER BY i DESC) FROM t").await;
    assert_eq!(got, [(0..1000).rev().collect::<Vec<i64>>()]);
    let sql = "SELECT g, listed(i ORDER BY w DESC, i) FROM t GROUP BY g ORDER BY g";
    let got: Vec<(i64, Vec<i64>)> = query(&session, sql).await;
    for (group, list) in got {
        let mut expected: Vec<(i64, i64)> =
            rows.iter().enumerate().filter(|(_, row)| row.0 == group).map(|(i, row)| (-row.2, i as i64)).collect();
        expected.sort_unstable();
        assert_eq!(list, expected.into_iter().map(|(_, i)| i).collect::<Vec<_>>());
    }
    let got: Vec<Vec<i64>> = query(&session, "SELECT listed(DISTINCT w ORDER BY w) FROM t").await;
    assert_eq!(got, [(0..9).collect::<Vec<i64>>()]);
}

#[tokio::test]
async fn windows_grow_and_slide() {
    let session = session();
    let rows = rows();
    register_rows(&session, &rows);
    register_functions(&session);
    let weights: Vec<i64> = rows.iter().map(|row| row.2).collect();
    let growing: Vec<i64> = query(&session, "SELECT total(w) OVER (ORDER BY i) FROM t ORDER BY i").await;
    let expected: Vec<i64> = (0..1000).map(|i| weights[..=i].iter().sum()).collect();
    assert_eq!(growing, expected);
    let sql = "SELECT total(w) OVER (ORDER BY i ROWS BETWEEN 3 PRECEDING AND 1 FOLLOWING) FROM t ORDER BY i";
    let sliding: Vec<i64> = query(&session, sql).await;
    let expected: Vec<i64> =
        (0..1000_usize).map(|i| weights[i.saturating_sub(3)..(i + 2).min(1000)].iter().sum()).collect();
    assert_eq!(sliding, expected);
}

#[tokio::test]
async fn states_with_text_and_infinities_survive_the_phases() {
    let session = session();
    let values = [f64::NEG_INFINITY, 1.0, f64::INFINITY, 2.0, 3.0, 4.0];
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("x", Arc::new(Float64Array::from(values.to_vec()))),
        ("s", Arc::new(StringArray::from_iter_values(["b", "a", "e", "c", "a", "d"]))),
    ];
    register(&session, columns, 3);
    session.register_udaf(aggregate(
        "spread",
        (f64::INFINITY, f64::NEG_INFINITY),
        |state: &mut (f64, f64), x: f64| *state = (state.0.min(x), state.1.max(x)),
        |state, other| *state = (state.0.min(other.0), state.1.max(other.1)),
        |state| vec![state.0, state.1],
    ));
    session.register_udaf(aggregate(
        "tally",
        BTreeMap::new(),
        |state: &mut BTreeMap<String, i64>, s: &str| *state.entry(s.to_owned()).or_default() += 1,
        |state, other| other.into_iter().for_each(|(key, n)| *state.entry(key).or_default() += n),
        |state| state.iter().map(|(key, n)| format!("{key}{n}")).collect::<Vec<_>>().join(" "),
    ));
    let got: Vec<(Vec<f64>, String)> = query(&session, "SELECT spread(x), tally(s) FROM t").await;
    assert_eq!(got, [(vec![f64::NEG_INFINITY, f64::INFINITY], "a2 b1 c1 d1 e1".to_owned())]);
}

#[tokio::test]
async fn errors_and_panics_name_the_aggregate() {
    let session = session();
    register(&session, vec![("x", Arc::new(Int64Array::from(vec![1, -2])))], 1);
    session.register_udaf(aggregate(
        "roots",
        0.0,
        |sum: &mut f64, x: i64| {
            if x < 0 {
                return Err(format!("{x} has no root"));
            }
            *sum += (x as f64).sqrt();
            Ok(())
        },
        |sum, other| *sum += other,
        |sum| *sum,
    ));
    session.register_udaf(fold("bad", 0, |_: i64, x: i64| -> i64 { panic!("no {x}") }, |a, _| a));
    session.register_udaf(aggregate(
        "unfinished",
        0,
        |_: &mut i64, _: i64| (),
        |_, _| (),
        |_| -> Result<i64, &str> { Err("never") },
    ));
    let error = failure(&session, "SELECT roots(x) FROM t").await;
    assert!(error.contains("roots(-2) failed: -2 has no root"), "{error}");
    let error = failure(&session, "SELECT bad(x) FROM t").await;
    assert!(error.contains("bad(1) panicked: no 1"), "{error}");
    let error = failure(&session, "SELECT unfinished(x) FROM t").await;
    assert!(error.contains("unfinished() failed: never"), "{error}");
    let error = session.sql("SELECT roots('x') FROM t").await.unwrap_err().to_string();
    assert!(error.contains("argument 1 of roots(BIGINT) must be BIGINT, not Utf8"), "{error}");
    assert_eq!(query::<f64>(&session, "SELECT roots(x) FROM t WHERE x > 0").await, [1.0]);
}
