use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::{Int64Array, RecordBatch};
use arrow::datatypes::{DataType, TimeUnit};
use chrono::{NaiveDate, NaiveDateTime};
use datafusion::catalog::TableFunction;
use datafusion::prelude::SessionContext;
use serde::{Deserialize, Serialize};

use super::{failure, query, register, session};
use crate::functions::{table, table_of_batches, table_of_results, try_table};

fn add(session: &SessionContext, function: &TableFunction) {
    session.register_udtf(function.name(), Arc::clone(function.function()));
}

#[derive(Serialize, Deserialize)]
struct Row {
    i: i64,
    name: String,
    half: Option<f64>,
}

fn series(session: &SessionContext) {
    add(
        session,
        &table("series", |n: i64| {
            (0..n)
                .map(|i| Row { i, name: format!("r{i}"), half: (i % 2 == 1).then_some(i as f64 / 2.0) })
                .collect::<Vec<_>>()
        }),
    );
}

#[tokio::test]
async fn structs_are_rows() {
    let session = session();
    series(&session);
    let rows: Vec<(i64, String, Option<f64>)> =
        query(&session, "SELECT i, name, half FROM series(100) WHERE i > 97 ORDER BY i").await;
    assert_eq!(rows, [(98, "r98".into(), None), (99, "r99".into(), Some(49.5))]);
    // Projections, none of the columns, no rows, twice in one query, and an argument that is computed.
    assert_eq!(query::<String>(&session, "SELECT name FROM series(1 + 1) ORDER BY name DESC").await, ["r1", "r0"]);
    assert_eq!(query::<i64>(&session, "SELECT count(*) FROM series(1000)").await, [1000]);
    assert_eq!(query::<i64>(&session, "SELECT count(*) FROM series(-5)").await, [0]);
    assert_eq!(query::<i64>(&session, "SELECT count(*) FROM series(NULL)").await, [0]);
    let sql = "SELECT a.i FROM series(20) AS a JOIN series(30) AS b ON a.i = b.i + 15 ORDER BY a.i";
    assert_eq!(query::<i64>(&session, sql).await, [15, 16, 17, 18, 19]);
}

#[tokio::test]
async fn tuples_values_and_dates_are_rows() {
    let session = session();
    add(&session, &table("evens", |n: u32| (0..n).step_by(2)));
    add(&session, &table("pairs", |text: &str| text.chars().map(|c| (c, c as u32)).collect::<Vec<_>>()));
    add(
        &session,
        &table("days", |start: NaiveDate, n: u64| {
            start.iter_days().take(n as usize).map(|day| (day, day.and_hms_opt(12, 0, 0))).collect::<Vec<_>>()
        }),
    );
    assert_eq!(query::<u32>(&session, "SELECT value FROM evens(5)").await, [0, 2, 4]);
    let rows: Vec<(String, u32)> = query(&session, "SELECT column1, column2 FROM pairs('ab')").await;
    assert_eq!(rows, [("a".into(), 97), ("b".into(), 98)]);
    let frame = session.sql("SELECT * FROM days('2024-02-28', 2)").await.unwrap();
    let types: Vec<DataType> = frame.schema().fields().iter().map(|field| field.data_type().clone()).collect();
    assert_eq!(types, [DataType::Date32, DataType::Timestamp(TimeUnit::Microsecond, None)]);
    let rows: Vec<(NaiveDate, NaiveDateTime)> = query(&session, "SELECT * FROM days('2024-02-28', 2)").await;
    let leap = NaiveDate::from_ymd_opt(2024, 2, 29).unwrap();
    assert_eq!(rows[1], (leap, leap.and_hms_opt(12, 0, 0).unwrap()));
}

#[tokio::test]
async fn endless_iterators_end_at_the_limit_and_are_pulled_in_batches() {
    let session = session();
    let pulled = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&pulled);
    add(
        &session,
        &table("naturals", move || {
            let counter = Arc::clone(&counter);
            (0_i64..).inspect(move |_| {
                counter.fetch_add(1, Ordering::Relaxed);
            })
        }),
    );
    assert_eq!(query::<i64>(&session, "SELECT value FROM naturals() LIMIT 3").await, [0, 1, 2]);
    assert_eq!(pulled.swap(0, Ordering::Relaxed), 3);
    let sql = "SELECT value FROM naturals() WHERE value % 7 = 6 LIMIT 4";
    // The plan deals batches to several partitions, so any four rows that pass the filter are right.
    let rows: Vec<i64> = query(&session, sql).await;
    assert!(rows.len() == 4 && rows.iter().all(|value| value % 7 == 6), "{rows:?}");
    // What is pulled beyond the rows needed is a few batches of 16, wherever the plan buffers them.
    assert!(pulled.load(Ordering::Relaxed) < 2000, "{}", pulled.load(Ordering::Relaxed));
}

#[tokio::test]
async fn the_closure_runs_for_every_scan_and_not_while_planning() {
    let session = session();
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&calls);
    add(
        &session,
        &table("counted", move |n: i64| {
            counter.fetch_add(1, Ordering::Relaxed);
            0..n
        }),
    );
    let frame = session.sql("SELECT count(*) FROM counted(3)").await.unwrap();
    assert_eq!(calls.load(Ordering::Relaxed), 0);
    frame.clone().collect().await.unwrap();
    frame.collect().await.unwrap();
    assert_eq!(calls.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn errors_and_panics_surface() {
    let session = session();
    series(&session);
    add(&session, &try_table("refused", |n: i64| if n < 0 { Err("negative") } else { Ok(vec![n]) }));
    add(
        &session,
        &table_of_results("parsed", |text: String| text.split(',').map(|part| part.parse::<i64>()).collect::<Vec<_>>()),
    );
    add(&session, &table("broken", |n: i64| (0..n).map(|i| 10 / (5 - i))));
    assert_eq!(query::<i64>(&session, "SELECT * FROM refused(4)").await, [4]);
    let error = failure(&session, "SELECT * FROM refused(-1)").await;
    assert!(error.contains("refused(-1) failed: negative"), "{error}");
    assert_eq!(query::<i64>(&session, "SELECT * FROM parsed('1,2')").await, [1, 2]);
    let error = failure(&session, "SELECT * FROM parsed('1,x,3')").await;
    assert!(error.contains("parsed('1,x,3') failed: invalid digit found in string"), "{error}");
    let error = failure(&session, "SELECT * FROM broken(9)").await;
    assert!(error.contains("broken(9) panicked: attempt to divide by zero"), "{error}");
    assert_eq!(query::<i64>(&session, "SELECT * FROM broken(2)").await, [2, 2]);

    let error = failure(&session, "SELECT * FROM series(1, 2)").await;
    assert!(error.contains("series(BIGINT) takes 1 argument(s), not 2"), "{error}");
    let error = failure(&session, "SELECT * FROM series('x')").await;
    assert!(error.contains("argument 1 of series(BIGINT) must be BIGINT, not Utf8"), "{error}");
    let error = failure(&session, "SELECT * FROM series(random()::bigint)").await;
    assert!(error.contains("argument 1 of table function series(BIGINT) must be a constant"), "{error}");
}

#[tokio::test]
async fn types_that_tell_no_columns_are_sampled() {
    #[derive(Serialize, Deserialize)]
    struct Loose {
        id: u32,
        #[serde(flatten)]
        rest: HashMap<String, i64>,
    }
    let session = session();
    add(
        &session,
        &table("loose", |n: u32| {
            (0..n).map(|id| Loose { id, rest: HashMap::from([("twice".to_owned(), i64::from(2 * id))]) })
        }),
    );
    let rows: Vec<(u32, i64)> = query(&session, "SELECT id, twice FROM loose(3) ORDER BY id").await;
    assert_eq!(rows, [(0, 0), (1, 2), (2, 4)]);
    let error = failure(&session, "SELECT * FROM loose(0)").await;
    assert!(error.contains("there is no value to guess from"), "{error}");
}

#[tokio::test]
async fn batches_are_passed_on() {
    let session = session();
    let batch = RecordBatch::try_from_iter([("x", Arc::new(Int64Array::from(vec![1, 2])) as _)]).unwrap();
    let schema = batch.schema();
    add(
        &session,
        &table_of_batches("twice", schema, move |n: i64| {
            let batch = batch.clone();
            (0..n).map(move |_| batch.clone())
        }),
    );
    assert_eq!(query::<i64>(&session, "SELECT sum(x) FROM twice(5)").await, [15]);
}

#[tokio::test]
async fn a_table_function_joins_with_a_table() {
    let session = session();
    register(&session, vec![("x", Arc::new(Int64Array::from_iter_values(0..50)))], 3);
    series(&session);
    let sql = "SELECT sum(t.x) FROM t JOIN series(10) AS s ON t.x = s.i";
    assert_eq!(query::<i64>(&session, sql).await, [45]);
}
