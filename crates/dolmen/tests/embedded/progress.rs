//! How far a statement is, as the embedding program sees it.

use std::path::Path;
use std::time::{Duration, Instant};

use dolmen::{Progress, Session, Statement};

fn session(form: &str, memory_limit: u64) -> Session {
    Session::builder().threads(2).memory_limit(memory_limit).setting("execution_form", form).build().unwrap()
}

/// A table of files in `folder`, of some megabytes.
fn written(folder: &Path, name: &str) -> (String, u64) {
    let path = folder.join(format!("t.{name}")).display().to_string();
    let rows = "SELECT x, x % 7 AS k, 'a text of some length ' || x AS s FROM range(300000) AS r(x) ORDER BY x";
    let options = [("format", name.into())];
    session("auto", 1 << 30).sql(rows).write_to_blocking(&path, options).unwrap();
    let size = std::fs::metadata(&path).unwrap().len();
    (path, size)
}

/// What is seen of a statement while `query` runs, from its begin to its end.
fn seen(session: &Session, sql: &str) -> Vec<Progress> {
    let query = session.sql(sql);
    let statement = query.statement();
    let mut seen = vec![statement.progress()];
    let running = std::thread::spawn(move || query.execute_blocking());
    while !running.is_finished() {
        seen.push(statement.progress());
        std::thread::sleep(Duration::from_millis(2));
    }
    running.join().unwrap().unwrap();
    seen.push(statement.progress());
    assert_grows(&seen);
    seen
}

/// Within a run no number falls, and no share is more than the whole.
fn assert_grows(seen: &[Progress]) {
    for (a, b) in seen.iter().zip(&seen[1..]) {
        let is_same_run = a.runs == b.runs || a.runs == 0;
        assert!(a.runs <= b.runs && a.elapsed <= b.elapsed, "{a:?}\n{b:?}");
        let numbers = |p: &Progress| [p.rows_read, p.bytes_read, p.tasks_done, p.stages_done, p.spilled_bytes];
        let falls = numbers(a).iter().zip(numbers(b)).any(|(a, b)| *a > b) || a.fraction > b.fraction;
        assert!(!(is_same_run && falls), "{a:?}\n{b:?}");
        assert!(b.fraction.is_none_or(|fraction| fraction <= 1.0) && b.tasks_done <= b.tasks, "{b:?}");
        assert!(b.bytes_total.is_none_or(|total| b.bytes_read <= total), "{b:?}");
    }
}

fn ended(statement: &Statement) -> bool {
    let begun = Instant::now();
    while !statement.progress().is_finished && begun.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(5));
    }
    statement.progress().is_finished
}

#[test]
fn scans_tell_what_they_have_read_of_the_whole() {
    let folder = tempfile::tempdir().unwrap();
    for form in ["pipelined", "staged"] {
        for name in ["csv", "parquet", "json"] {
            let (path, size) = written(folder.path(), name);
            let read = format!("read_{name}('{path}')");
            let session = session(form, 1 << 30);
            let seen = seen(&session, &format!("SELECT k, count(DISTINCT s) FROM {read} GROUP BY k"));
            let (first, last) = (&seen[0], seen.last().unwrap());
            assert_eq!((first.runs, first.tasks, first.fraction, first.is_finished), (0, 0, None, false));
            assert_eq!((last.rows_read, last.bytes_total), (300_000, Some(size)), "{form}, {name}");
            assert_eq!((last.fraction, last.tasks_done, last.runs), (Some(1.0), last.tasks, 1), "{form}, {name}");
            assert_eq!(last.stages > 1, form == "staged", "{name}");
            // Of Parquet not the column `x`, whose numbers all differ.
            let least = if name == "parquet" { size / 10 } else { size };
            assert!((least..=size).contains(&last.bytes_read), "{form}, {name}: {} of {size}", last.bytes_read);
            let between = seen.iter().filter(|progress| (1..300_000).contains(&progress.rows_read));
            assert!(between.count() > 0, "{form}, {name}: nothing is seen on the way");
        }
    }
}

#[test]
fn what_a_filter_passes_over_counts_as_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.parquet").display().to_string();
    let session = session("pipelined", 1 << 30);
    session.set("datafusion.execution.parquet.max_row_group_size", "10000").unwrap();
    let rows = session.sql("SELECT x FROM range(200000) AS r(x) ORDER BY x");
    rows.write_to_blocking(&path, [("format", "parquet".into())]).unwrap();
    let seen = seen(&session, &format!("SELECT sum(x) FROM read_parquet('{path}') WHERE x >= 150000"));
    let last = seen.last().unwrap();
    assert!((50_000..200_000).contains(&last.rows_read), "{last:?}");
    assert_eq!(last.fraction, Some(1.0), "{last:?}");
}

#[test]
fn tables_in_memory_have_rows_and_no_bytes() {
    let session = session("pipelined", 1 << 30);
    session.sql("CREATE TABLE t AS SELECT x FROM range(500000) AS r(x)").execute_blocking().unwrap();
    let mut rows = session.sql("SELECT x, x + 1 FROM t").stream_blocking().unwrap();
    let statement = rows.statement().clone();
    let mut seen = vec![statement.progress()];
    for batch in rows.by_ref() {
        batch.unwrap();
        seen.push(statement.progress());
    }
    assert_grows(&seen);
    let last = seen.last().unwrap();
    assert_eq!((last.rows_read, last.bytes_total, last.fraction), (500_000, None, Some(1.0)));
    // A reader who has seen little holds the scan back.
    assert!(seen[0].rows_read < 400_000, "{:?}", seen[0]);
    // Nobody knows how many rows come of recursion.
    let recursive =
        "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r, t WHERE n = x AND n < 3) SELECT * FROM r";
    let mut rows = session.sql(recursive).stream_blocking().unwrap();
    let statement = rows.statement().clone();
    assert_eq!(rows.by_ref().map(|batch| batch.unwrap().num_rows()).sum::<usize>(), 3);
    let last = statement.progress();
    assert!(last.rows_read > 0 && last.fraction.is_none(), "{last:?}");
}

#[test]
fn spills_are_counted_in_both_forms() {
    let groups = "SELECT count(*) FROM (SELECT md5(x::text) AS t, count(*) FROM range(400000) AS r(x) GROUP BY t)";
    let sort = "SELECT x, 'a text of some length ' || x AS s FROM range(600000) AS r(x) ORDER BY s";
    // By operators in the one, between the stages in the other.
    for (form, sql) in [("pipelined", groups), ("staged", sort)] {
        let last = seen(&session(form, 24 << 20), sql).pop().unwrap();
        assert!(last.spilled_bytes > 5 << 20, "{form}: {last:?}");
        assert_eq!(last.memory_limit_bytes, Some(24 << 20));
        let last = seen(&session(form, 1 << 30), sql).pop().unwrap();
        assert_eq!(last.spilled_bytes, 0, "{form}");
    }
}

#[test]
fn a_second_run_counts_from_the_start() {
    // The statistics of ranges say nothing of what comes of them.
    let sql = "WITH t AS (SELECT x AS k, 'a text of some length ' || x AS s FROM range(1500000) AS r(x)) \
               SELECT count(*) FROM t a JOIN t b ON a.k = b.k AND a.s = b.s";
    let last = seen(&session("auto", 40 << 20), sql).pop().unwrap();
    assert_eq!((last.runs, last.rows_read), (2, 3_000_000), "{last:?}");
    assert!(last.stages > 1 && last.tasks_done == last.tasks && last.fraction == Some(1.0), "{last:?}");
}

#[test]
fn statements_are_listed_for_as_long_as_they_run() {
    let session = session("pipelined", 1 << 30);
    session.sql("CREATE TABLE t AS SELECT x FROM range(300000) AS r(x)").execute_blocking().unwrap();
    assert!(session.statements().is_empty());
    let sql = ["SELECT x FROM t", "SELECT x + 1 FROM t WHERE x >= 0"];
    let mut streams = sql.map(|sql| session.sql(sql).stream_blocking().unwrap());
    let statements = session.statements();
    assert_eq!(statements.iter().map(Statement::text).collect::<Vec<_>>(), sql);
    // Each has its own numbers.
    while streams[0].next().is_some() {}
    assert!(ended(&statements[0]) && !statements[1].progress().is_finished);
    assert_eq!(statements[0].progress().rows_read, 300_000);
    assert!(statements[1].progress().rows_read < 300_000);
    assert_eq!(session.statements().len(), 1);
    // What is dropped has ended.
    drop(streams);
    assert!(ended(&statements[1]) && session.statements().is_empty());
    let at_end = statements[1].progress();
    std::thread::sleep(Duration::from_millis(20));
    assert_eq!(statements[1].progress(), at_end);
}

#[test]
fn an_error_ends_a_statement() {
    let session = session("auto", 1 << 30);
    for sql in ["SELECT nothing", "SELECT 1 / (x - 50000) FROM range(100000) AS r(x)"] {
        let query = session.sql(sql);
        let statement = query.statement();
        query.collect_blocking().unwrap_err();
        assert!(ended(&statement) && session.statements().is_empty(), "{sql}");
    }
    // A clone is another statement.
    let query = session.sql("SELECT 1");
    let other = query.clone();
    let (statement, of_other) = (query.statement(), other.statement());
    query.collect_blocking().unwrap();
    assert!(statement.progress().is_finished && !of_other.progress().is_finished);
}
