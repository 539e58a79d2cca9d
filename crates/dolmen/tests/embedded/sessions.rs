//! Several sessions, several threads, one table.

use std::time::Duration;

use dolmen::prelude::*;
use dolmen::{Error, TableError};

fn session() -> Session {
    Session::builder().threads(2).memory_limit(64 << 20).build().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sessions_with_different_limits_do_not_share_them() {
    let limits = [56_u64 << 20, 60 << 20, 256 << 20];
    let sessions: Vec<Session> = limits
        .iter()
        .enumerate()
        .map(|(n, limit)| {
            let builder = Session::builder().memory_limit(*limit).threads(1 + n).batch_size(1000 * (n + 1));
            builder.setting("timezone", format!("+0{n}:00")).build().unwrap()
        })
        .collect();
    let work = sessions.iter().zip(limits).enumerate().map(|(n, (session, limit))| async move {
        session.register_scalar("which", move || n as i64).unwrap();
        session.sql(format!("CREATE TABLE own AS SELECT {n} AS n")).execute().await.unwrap();
        let rounds = (0..2).map(|_| async move {
            // Sorts in more than the small limits hold, and so spills.
            let sorted = session
                .sql(
                    "SELECT max(r) FROM (SELECT row_number() OVER (ORDER BY value % 1009, value) AS r \
                      FROM generate_series(1, 1500000))",
                )
                .rows::<i64>();
            assert_eq!(sorted.await.unwrap(), [1_500_000]);
            let own: Vec<(i64, i64)> = session.sql("SELECT n, which() FROM own").rows().await.unwrap();
            assert_eq!(own, [(n as i64, n as i64)]);
            let zone: Vec<(String, String)> = session.sql("SHOW timezone").rows().await.unwrap();
            assert_eq!(zone[0].1, format!("+0{n}:00"));
        });
        futures::future::join_all(rounds).await;
        // A table of 64 MB.
        let big = session.sql("CREATE TABLE big AS SELECT value AS x FROM generate_series(1, 8000000)").execute().await;
        match limit > 64 << 20 {
            true => drop(big.unwrap()),
            false => assert!(matches!(big, Err(Error::MemoryLimit { .. })), "{limit}: {big:?}"),
        }
        assert!(session.memory_peak_bytes() as u64 <= limit, "{} of {limit}", session.memory_peak_bytes());
        assert_eq!(session.memory_limit_bytes() as u64, limit);
    });
    futures::future::join_all(work).await;
    for session in &sessions[..2] {
        assert!(session.memory_used_bytes() < 1 << 20, "{}", session.memory_used_bytes());
        assert_eq!(session.table_names(), ["own"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn writers_take_turns_and_readers_see_whole_writes() {
    let session = session();
    session.sql("CREATE TABLE account (id BIGINT PRIMARY KEY, n BIGINT NOT NULL)").execute().await.unwrap();
    session.sql("INSERT INTO account SELECT value, 0 FROM generate_series(1, 50)").execute().await.unwrap();
    let write = |writer: i64| {
        let session = session.clone();
        async move {
            for round in 0..10 {
                let id = 1000 + writer * 100 + round;
                let insert = session.sql("INSERT INTO account VALUES ($1, 0), ($2, 0)").bind(id).bind(id + 50);
                assert_eq!(insert.execute().await.unwrap(), 2);
                // Every statement moves one from each of fifty rows to the first: the sum stays.
                let moved =
                    session.sql("UPDATE account SET n = CASE WHEN id = 1 THEN n + 49 ELSE n - 1 END WHERE id <= 50");
                assert_eq!(moved.execute().await.unwrap(), 50);
                assert_eq!(session.sql("DELETE FROM account WHERE id = $1").bind(id).execute().await.unwrap(), 1);
                let taken = session.sql("INSERT INTO account VALUES (7, 7)").execute().await;
                assert!(matches!(taken, Err(Error::Table(TableError::DuplicateKey { .. }))), "{taken:?}");
            }
        }
    };
    let writers: Vec<_> = (0..4).map(|writer| tokio::spawn(write(writer))).collect();
    let mut n_reads = 0;
    while n_reads < 20 || writers.iter().any(|writer| !writer.is_finished()) {
        let query = "SELECT (SELECT sum(n) FROM account), (SELECT count(*) FROM account WHERE id <= 50), \
                     (SELECT max(a.n) - max(b.n) FROM account a JOIN account b ON a.id = b.id)";
        let seen: Vec<(i64, i64, i64)> = session.sql(query).rows().await.unwrap();
        assert_eq!(seen, [(0, 50, 0)]);
        n_reads += 1;
    }
    futures::future::join_all(writers).await.into_iter().for_each(|writer| writer.unwrap());
    let end: Vec<(i64, i64, i64)> = session.sql("SELECT count(*), max(n), min(n) FROM account").rows().await.unwrap();
    assert_eq!(end, [(90, 49 * 40, -40)]);
}

#[tokio::test]
async fn a_stream_reads_the_rows_of_its_beginning() {
    use futures::StreamExt;
    let session = Session::builder().threads(2).batch_size(100).build().unwrap();
    session.sql("CREATE TABLE t AS SELECT value AS x FROM generate_series(1, 20000)").execute().await.unwrap();
    let mut stream = session.sql("SELECT x FROM t").stream().await.unwrap();
    let mut n_rows = stream.next().await.unwrap().unwrap().num_rows();
    session.sql("DELETE FROM t").execute().await.unwrap();
    session.sql("DROP TABLE t").execute().await.unwrap();
    while let Some(batch) = stream.next().await {
        n_rows += batch.unwrap().num_rows();
    }
    assert_eq!(n_rows, 20_000);
    drop(stream);
    for _ in 0..200 {
        if session.memory_used_bytes() == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{} bytes of a dropped table are still counted", session.memory_used_bytes());
}

#[tokio::test]
async fn blocking_twins_work_inside_an_async_runtime() {
    // The runtime of this test has one thread, which the twin holds.
    let session = session();
    assert_eq!(session.sql("SELECT 6 * 7").rows_blocking::<i64>().unwrap(), [42]);
    assert_eq!(session.sql("SELECT * FROM generate_series(1, 3)").stream_blocking().unwrap().count(), 1);
    assert_eq!(session.sql("SELECT 1 AS a").schema_blocking().unwrap().field(0).name(), "a");
    assert!(session.sql("SELECT 1").explain_blocking().unwrap().contains("Projection"));
    assert!(session.sql("SELECT 1").table_blocking().unwrap().contains('1'));
    let timeout =
        session.sql("SELECT count(*) FROM generate_series(1, 100000000000)").timeout(Duration::from_millis(20));
    assert!(matches!(timeout.rows_blocking::<i64>(), Err(Error::Timeout { .. })));
}

#[test]
fn a_function_that_would_wait_for_itself_is_told() {
    let session = Session::builder().threads(1).build().unwrap();
    let (inner, other) = (session.clone(), Session::builder().threads(1).build().unwrap());
    let ask = |session: &Session| session.sql("SELECT 1").rows_blocking::<i64>().map_err(|error| error.to_string());
    session.register_scalar("nested", move |_: i64| ask(&inner).map(|rows| rows[0])).unwrap();
    session.register_scalar("aside", move |_: i64| ask(&other).map(|rows| rows[0])).unwrap();
    let error = session.sql("SELECT nested(1)").rows_blocking::<i64>().unwrap_err();
    assert!(error.to_string().contains("of its own session"), "{error}");
    assert_eq!(session.sql("SELECT aside(1)").rows_blocking::<i64>().unwrap(), [1]);
}

#[test]
fn limits_and_access_are_not_for_statements() {
    let session = Session::builder()
        .threads(1)
        .external_access(ExternalAccess::None)
        .read_only(true)
        .storage_option("aws_secret_access_key", "wJalrXUtnFEMI")
        .build()
        .unwrap();
    for statement in [
        "SET datafusion.runtime.memory_limit = '10G'",
        "SET runtime.temp_directory = '/tmp'",
        "SET external_access = 'all'",
        "SET read_only = false",
        "SET aws_secret_access_key = 'x'",
        "RESET datafusion.runtime.memory_limit",
        "CREATE TABLE t AS SELECT 1 AS a",
        "CREATE VIEW v AS SELECT 1 AS a",
        "CREATE SCHEMA s",
        "CREATE EXTERNAL TABLE e STORED AS CSV LOCATION '/etc/passwd'",
        "COPY (SELECT 1 AS a) TO '/tmp/dolmen-never.csv'",
        "SELECT * FROM '/etc/passwd.csv'",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM 's3://bucket/x.csv'",
        "SELECT * FROM 'http://127.0.0.1:1/x.csv'",
    ] {
        let error = session.sql(statement).execute_blocking().unwrap_err();
        assert!(!error.to_string().is_empty() && !error.report().contains("wJalr"), "{statement}: {error}");
    }
    let shown = session.sql("SHOW ALL").table_blocking().unwrap();
    assert!(!shown.contains("wJalr"), "{shown}");
    let error = session.sql("SELECT 'wJalrXUtnFEMI' + nothing").rows_blocking::<i64>().unwrap_err();
    let told = format!("{error} {error:?} {}", error.report());
    assert!(!told.contains("wJalr") && told.contains("***"), "{told}");
    assert!(!format!("{session:?}").contains("wJalr"));
}

#[test]
fn a_long_condition_is_taken_apart() {
    let session = Session::builder().threads(1).build().unwrap();
    session.sql("CREATE TABLE t AS SELECT x, x % 7 AS k FROM range(100) AS r(x)").execute_blocking().unwrap();
    let conditions: Vec<String> = (0..60).map(|n| format!("a.k <> {}", 1000 + n)).collect();
    let sql = format!("SELECT count(*) FROM t a, t b WHERE {} AND a.x = b.x", conditions.join(" AND "));
    let plan = session.sql(sql.as_str()).explain_blocking().unwrap();
    assert!(plan.contains("HashJoin") && !plan.contains("CrossJoin"), "{plan}");
    assert_eq!(session.sql(sql).rows_blocking::<i64>().unwrap(), [100]);
}
