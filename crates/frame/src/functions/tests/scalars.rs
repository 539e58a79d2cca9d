use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::{ArrayRef, DictionaryArray, Int32Array, Int64Array, LargeStringArray, StringArray, StringViewArray};
use arrow::datatypes::Int32Type;
use chrono::{DateTime, NaiveDate, NaiveDateTime, TimeDelta, Utc};
use datafusion::logical_expr::Volatility;

use super::{failure, query, register, session};
use crate::functions::{scalar, scalar_with_volatility};

#[tokio::test]
async fn every_number_type_goes_in_and_out() {
    let session = session();
    session.register_udf(scalar("f_i8", |x: i8| x - 1));
    session.register_udf(scalar("f_i16", |x: i16| x - 1));
    session.register_udf(scalar("f_i32", |x: i32| x - 1));
    session.register_udf(scalar("f_i64", |x: i64| x - 1));
    session.register_udf(scalar("f_u8", |x: u8| x + 1));
    session.register_udf(scalar("f_u16", |x: u16| x + 1));
    session.register_udf(scalar("f_u32", |x: u32| x + 1));
    session.register_udf(scalar("f_u64", |x: u64| x + 1));
    session.register_udf(scalar("f_f32", |x: f32| x / 2.0));
    session.register_udf(scalar("f_f64", |x: f64| x / 2.0));
    session.register_udf(scalar("f_bool", |x: bool| !x));
    // Literals are BIGINT (or DOUBLE) and are converted to what the closure takes.
    let sql = "SELECT f_i8(-127), f_i16(8), f_i32(8), f_i64(8), f_u8(254), f_u16(8), f_u32(8), f_u64(8)";
    type Integers = (i8, i16, i32, i64, u8, u16, u32, u64);
    let rows: Vec<Integers> = query(&session, sql).await;
    assert_eq!(rows, [(-128, 7, 7, 7, 255, 9, 9, 9)]);
    let rows: Vec<(f32, f64, f64, bool)> = query(&session, "SELECT f_f32(3), f_f64(3), f_f64(1.5), f_bool(true)").await;
    assert_eq!(rows, [(1.5, 1.5, 0.75, false)]);
}

#[tokio::test]
async fn text_of_every_layout_is_read() {
    let session = session();
    session.register_udf(scalar("shout", |text: &str| text.to_uppercase()));
    session.register_udf(scalar("owned", |text: String| text.len() as i64));
    let words = ["a", "bc", "a", ""];
    let dictionary: DictionaryArray<Int32Type> = words.into_iter().collect();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("small", Arc::new(StringArray::from_iter_values(words))),
        ("large", Arc::new(LargeStringArray::from_iter_values(words))),
        ("view", Arc::new(StringViewArray::from_iter_values(words))),
        ("dict", Arc::new(dictionary)),
    ];
    register(&session, columns, 1);
    let sql = "SELECT shout(small), shout(large), shout(view), shout(dict), owned(dict) FROM t";
    let rows: Vec<(String, String, String, String, i64)> = query(&session, sql).await;
    let expected: Vec<_> = words
        .iter()
        .map(|word| {
            let upper = word.to_uppercase();
            (upper.clone(), upper.clone(), upper.clone(), upper, word.len() as i64)
        })
        .collect();
    assert_eq!(rows, expected);
}

#[tokio::test]
async fn bytes_dates_and_timestamps_go_in_and_out() {
    let session = session();
    session.register_udf(scalar("reversed", |bytes: &[u8]| bytes.iter().rev().copied().collect::<Vec<u8>>()));
    session.register_udf(scalar("blob", |bytes: Vec<u8>| bytes.len() as u64));
    session.register_udf(scalar("next_day", |date: NaiveDate| date.succ_opt()));
    session.register_udf(scalar("later", |moment: NaiveDateTime| moment + TimeDelta::seconds(1)));
    session.register_udf(scalar("instant", |moment: DateTime<Utc>| moment + TimeDelta::microseconds(1)));
    session.register_udf(scalar("epoch", |moment: DateTime<Utc>| moment.timestamp()));
    let rows: Vec<(Vec<u8>, u64)> = query(&session, "SELECT reversed(X'010203'), blob('abc')").await;
    assert_eq!(rows, [(vec![3, 2, 1], 3)]);

    let rows: Vec<(NaiveDate, NaiveDate)> =
        query(&session, "SELECT next_day(DATE '1969-12-31'), next_day('2024-02-28')").await;
    let date = |y, m, d| NaiveDate::from_ymd_opt(y, m, d).unwrap();
    assert_eq!(rows, [(date(1970, 1, 1), date(2024, 2, 29))]);

    let sql = "SELECT later(TIMESTAMP '2024-12-31 23:59:59'), instant(TIMESTAMP '2024-01-01T00:00:00Z'),
        later(arrow_cast('1969-12-31T23:59:59.5', 'Timestamp(Millisecond, None)'))";
    let rows: Vec<(NaiveDateTime, DateTime<Utc>, NaiveDateTime)> = query(&session, sql).await;
    assert_eq!(rows[0].0, date(2025, 1, 1).and_hms_opt(0, 0, 0).unwrap());
    assert_eq!(rows[0].1, date(2024, 1, 1).and_hms_micro_opt(0, 0, 0, 1).unwrap().and_utc());
    assert_eq!(rows[0].2, date(1970, 1, 1).and_hms_milli_opt(0, 0, 0, 500).unwrap());

    // An instant is the same in every zone: 00:00 at +02:00 is 22:00 UTC, 7200 seconds before midnight.
    let sql = "SELECT epoch(arrow_cast('1970-01-01T00:00:00', 'Timestamp(Second, Some(\"+02:00\"))'))";
    assert_eq!(query::<i64>(&session, sql).await, [-7200]);
}

#[tokio::test]
async fn lists_go_in_and_out() {
    let session = session();
    session.register_udf(scalar("total", |list: Vec<i64>| list.iter().sum::<i64>()));
    session.register_udf(scalar("holes", |list: Vec<Option<f64>>| {
        list.iter().filter(|element| element.is_none()).count() as i64
    }));
    session.register_udf(scalar("split", |text: &str, mark: &str| {
        text.split(mark).map(str::to_owned).collect::<Vec<_>>()
    }));
    session.register_udf(scalar("joined", |words: Vec<&str>| words.join("+")));
    session.register_udf(scalar("nested", |rows: Vec<Vec<i32>>| {
        rows.into_iter().map(|row| if row.is_empty() { None } else { Some(row) }).collect::<Vec<_>>()
    }));
    let sql = "SELECT total([1, 2, 39]), holes([1, NULL, 2, NULL]), split('a-b', '-'), joined(['x', 'y']),
        nested([[1, 2], []]), total(NULL)";
    type Row = (i64, i64, Vec<String>, String, Vec<Option<Vec<i32>>>, Option<i64>);
    let rows: Vec<Row> = query(&session, sql).await;
    let expected = (42, 2, vec!["a".to_owned(), "b".to_owned()], "x+y".to_owned(), vec![Some(vec![1, 2]), None], None);
    assert_eq!(rows, [expected]);
    let error = failure(&session, "SELECT total([1, NULL])").await;
    assert!(error.contains("total([1, ]): argument 1 is a list that holds NULL"), "{error}");
}

#[tokio::test]
async fn null_skips_strict_functions_and_reaches_options() {
    let session = session();
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    session.register_udf(scalar("strict", |x: i64, y: i64| {
        CALLS.fetch_add(1, Ordering::Relaxed);
        x + y
    }));
    session.register_udf(scalar("or_else", |x: Option<i64>, y: i64| x.unwrap_or(y)));
    session.register_udf(scalar("positive", |x: i64| (x > 0).then_some(x)));
    let x = vec![Some(1), None, Some(3), None];
    let y = vec![Some(10), Some(20), None, None];
    let columns: Vec<(&str, ArrayRef)> =
        vec![("x", Arc::new(Int64Array::from(x.clone()))), ("y", Arc::new(Int64Array::from(y.clone())))];
    register(&session, columns, 1);
    let sql = "SELECT strict(x, y), or_else(x, y), strict(x, NULL), positive(x - 2) FROM t";
    type Row = (Option<i64>, Option<i64>, Option<i64>, Option<i64>);
    let rows: Vec<Row> = query(&session, sql).await;
    let expected: Vec<Row> = x
        .iter()
        .zip(&y)
        .map(|(x, y)| {
            let sum = x.zip(*y).map(|(x, y)| x + y);
            let or_else = y.map(|y| x.unwrap_or(y));
            (sum, or_else, None, x.map(|x| x - 2).filter(|x| *x > 0))
        })
        .collect();
    assert_eq!(rows, expected);
    // Only the first row has both arguments.
    assert_eq!(CALLS.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn many_batches_and_partitions_agree_with_plain_rust() {
    let session = session();
    session.register_udf(scalar("mix", |x: i64, name: &str, y: Option<f64>| {
        format!("{name}{}", x as f64 + y.unwrap_or(0.5))
    }));
    let xs: Vec<i64> = (0..1000).collect();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("x", Arc::new(Int64Array::from(xs.clone()))),
        ("y", Arc::new(Int32Array::from_iter(xs.iter().map(|x| (x % 3 != 0).then_some(*x as i32))))),
    ];
    register(&session, columns, 5);
    let rows: Vec<String> = query(&session, "SELECT mix(x, 'n', y) FROM t ORDER BY x").await;
    let expected: Vec<String> =
        xs.iter().map(|x| format!("n{}", if x % 3 == 0 { *x as f64 + 0.5 } else { 2.0 * *x as f64 })).collect();
    assert_eq!(rows, expected);
}

#[tokio::test]
async fn errors_name_the_function_its_arguments_and_the_message() {
    let session = session();
    session.register_udf(scalar("port", |text: &str| text.parse::<u16>()));
    session.register_udf(scalar("checked", |x: i64, y: Option<i64>| match y {
        Some(0) => Err("division by zero".to_owned()),
        y => Ok(y.map(|y| x / y)),
    }));
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("x", Arc::new(Int64Array::from(vec![7, 8, 9]))),
        ("y", Arc::new(Int64Array::from(vec![Some(2), None, Some(0)]))),
    ];
    register(&session, columns, 1);
    let rows: Vec<Option<i64>> = query(&session, "SELECT checked(x, y) FROM t WHERE x < 9").await;
    assert_eq!(rows, [Some(3), None]);
    let error = failure(&session, "SELECT checked(x, y) FROM t").await;
    assert!(error.contains("checked(9, 0) failed: division by zero"), "{error}");
    let error = failure(&session, "SELECT port('99999')").await;
    assert!(error.contains("port('99999') failed: number too large to fit in target type"), "{error}");
    let long = "x".repeat(1000);
    let error = failure(&session, &format!("SELECT port('{long}')")).await;
    assert!(error.contains(&format!("port('{}...') failed", "x".repeat(64))), "{error}");
    assert!(!error.contains(&"x".repeat(65)), "{error}");
}

#[tokio::test]
async fn a_panic_is_an_error_and_the_session_goes_on() {
    let session = session();
    session.register_udf(scalar("at", |index: u64| [10, 20, 30][index as usize]));
    let error = failure(&session, "SELECT at(7)").await;
    assert!(error.contains("at(7) panicked: index out of bounds: the len is 3 but the index is 7"), "{error}");
    assert_eq!(query::<i32>(&session, "SELECT at(2)").await, [30]);
}

#[tokio::test]
async fn calls_that_do_not_fit_are_planning_errors() {
    let session = session();
    session.register_udf(scalar("scale", |x: i64, y: f64| x as f64 * y));
    session.register_udf(scalar("byte", |x: u8| x));
    let count = session.sql("SELECT scale(1)").await.unwrap_err().to_string();
    assert!(count.contains("scale(BIGINT, DOUBLE) takes 2 argument(s), not 1"), "{count}");
    let none = session.sql("SELECT scale()").await.unwrap_err().to_string();
    assert!(none.contains("scale(BIGINT, DOUBLE) takes 2 argument(s), not 0"), "{none}");
    let text = session.sql("SELECT scale(1, 'x')").await.unwrap_err().to_string();
    assert!(text.contains("argument 2 of scale(BIGINT, DOUBLE) must be DOUBLE, not Utf8"), "{text}");
    let fraction = session.sql("SELECT scale(1.5, 2)").await.unwrap_err().to_string();
    assert!(fraction.contains("argument 1 of scale(BIGINT, DOUBLE) must be BIGINT, not Float64"), "{fraction}");
    // A value that does not fit is an error of the conversion, never a wrap.
    let wide = failure(&session, "SELECT byte(256)").await;
    assert!(wide.contains("256"), "{wide}");
}

#[tokio::test]
async fn volatility_decides_how_often_a_closure_runs() {
    let session = session();
    let counter = |calls: &Arc<AtomicUsize>| {
        let calls = Arc::clone(calls);
        move || calls.fetch_add(1, Ordering::Relaxed) as i64
    };
    let (ticks, once) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    session.register_udf(scalar("tick", counter(&ticks)));
    session.register_udf(scalar_with_volatility("fixed", Volatility::Stable, counter(&once)));
    register(&session, vec![("x", Arc::new(Int64Array::from_iter_values(0..20)))], 1);
    let mut rows: Vec<i64> = query(&session, "SELECT tick() FROM t").await;
    rows.sort_unstable();
    assert_eq!(rows, (0..20).collect::<Vec<_>>());
    let rows: Vec<i64> = query(&session, "SELECT fixed() FROM t").await;
    assert!(rows.iter().all(|value| *value == rows[0]), "{rows:?}");
    // A volatile function with constant arguments still runs for every row.
    let draws = Arc::new(AtomicUsize::new(0));
    let drawn = Arc::clone(&draws);
    session.register_udf(scalar_with_volatility("draw", Volatility::Volatile, move |limit: i64| {
        drawn.fetch_add(1, Ordering::Relaxed) as i64 % limit
    }));
    let rows: Vec<i64> = query(&session, "SELECT draw(1000) FROM t").await;
    assert_eq!(rows.len(), 20);
    assert_eq!(draws.load(Ordering::Relaxed), 20);
}

#[tokio::test]
async fn eight_arguments_and_function_items_work() {
    fn initial(text: &str) -> Option<String> {
        text.chars().next().map(String::from)
    }
    let session = session();
    session.register_udf(scalar("initial", initial));
    session.register_udf(scalar("eight", |a: i64, b: i64, c: i64, d: i64, e: i64, f: i64, g: i64, h: &str| {
        format!("{a}{b}{c}{d}{e}{f}{g}{h}")
    }));
    session.register_udf(scalar("sign", |x: i64| if x < 0 { "negative" } else { "other" }));
    // A name with capitals is found without quotes too.
    session.register_udf(scalar("CamelCase", |x: i64| x));
    let sql = "SELECT initial('q1'), initial(''), eight(1,2,3,4,5,6,7,'8'), sign(-1), CamelCase(5), \"CamelCase\"(6)";
    type Row = (Option<String>, Option<String>, String, String, i64, i64);
    let rows: Vec<Row> = query(&session, sql).await;
    assert_eq!(rows, [(Some("q".into()), None, "12345678".into(), "negative".into(), 5, 6)]);
}
