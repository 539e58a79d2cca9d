//! Statements as tasks: what EXPLAIN TASKS says, what runs, and what memory it takes.

use std::collections::BTreeMap;
use std::time::Duration;

use dolmen::Session;
use dolmen::graph::{EventKind, Executor as _};
use futures::StreamExt;

use crate::explain_analyze::{counted, operators};

const GROUPS: &str = "SELECT k % 1000 AS g, count(*) AS n, max(s) AS m FROM t GROUP BY g ORDER BY g";

fn session(form: &str, threads: usize, memory_limit: u64) -> Session {
    let session = Session::builder().threads(threads).memory_limit(memory_limit).setting("execution_form", form);
    let session = session.build().unwrap();
    let table = "CREATE TABLE t AS SELECT x AS k, 'a text of some length ' || x AS s FROM range(200000) AS r(x)";
    session.sql(table).execute_blocking().unwrap();
    session
}

/// The stages that EXPLAIN TASKS names, with their numbers of tasks.
fn explained(session: &Session, sql: &str) -> BTreeMap<String, u32> {
    let rows: Vec<(String, String)> = session.sql(format!("EXPLAIN TASKS {sql}")).rows_blocking().unwrap();
    let lines = rows[0].1.lines().filter(|line| !line.starts_with(' '));
    lines
        .map(|line| {
            let (key, rest) = line.split_once(": ").unwrap();
            (key.to_owned(), rest.split_whitespace().next().unwrap().parse().unwrap())
        })
        .collect()
}

/// The stages whose tasks run while `sql` does, with the numbers of tasks that finish.
fn ran(session: &Session, sql: &str) -> BTreeMap<String, u32> {
    ran_by(session, || drop(session.sql(sql).collect_blocking().unwrap()))
}

/// The same for what submits one graph.
pub(crate) fn ran_by(session: &Session, compute: impl FnOnce()) -> BTreeMap<String, u32> {
    let mut events = session.executor().unwrap().events();
    compute();
    let mut keys = BTreeMap::new();
    let mut finished = BTreeMap::new();
    let mut read = Vec::new();
    while !read.iter().any(|event: &dolmen::graph::Event| matches!(event.kind, EventKind::RunFinished { .. })) {
        assert!(events.wait(Duration::from_secs(20)), "the run does not end");
        assert_eq!(events.read(&mut read), 0);
    }
    for event in read {
        match event.kind {
            EventKind::StageStarted { stage, key, .. } => drop(keys.insert(stage, key.to_string())),
            EventKind::TaskFinished { task, .. } => *finished.entry(task.stage).or_default() += 1,
            _ => {}
        }
    }
    finished.into_iter().map(|(stage, n)| (keys[&stage].clone(), n)).collect()
}

#[test]
fn what_is_explained_is_what_runs() {
    for form in ["pipelined", "staged"] {
        for threads in [1, 2] {
            let session = session(form, threads, 1 << 30);
            let explained = explained(&session, GROUPS);
            assert_eq!(explained.len() > 2, form == "staged", "{explained:?}");
            assert_eq!(ran(&session, GROUPS), explained, "{form}, {threads} threads");
        }
    }
}

#[test]
fn both_forms_give_the_same_rows() {
    let queries = [
        GROUPS,
        "SELECT a.k, b.s FROM t a JOIN t b ON a.k = b.k + 1 WHERE a.k % 3 = 0 ORDER BY a.k DESC LIMIT 1000",
        "SELECT count(*) FROM t a FULL JOIN (SELECT k * 2 AS k FROM t) b ON a.k = b.k",
        "SELECT k FROM t WHERE k NOT IN (SELECT k * 2 FROM t) AND k < 20 ORDER BY k",
        "SELECT sum(d) FROM (SELECT k - lag(k) OVER (PARTITION BY k % 10 ORDER BY k) AS d FROM t)",
        "SELECT count(*) FROM (SELECT k % 7 FROM t UNION SELECT k % 11 FROM t EXCEPT SELECT 3)",
        "SELECT k FROM t WHERE k > (SELECT avg(k) FROM t) ORDER BY k LIMIT 3",
        "SELECT count(*) FROM t WHERE k < 0 GROUP BY s",
        "SELECT NULLIF(k % 3, 0) AS g, count(*) FROM t GROUP BY g ORDER BY g NULLS FIRST",
        "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 50) SELECT sum(n) FROM r JOIN t ON n = k",
    ];
    for threads in [1, 2] {
        let [pipelined, staged] = ["pipelined", "staged"].map(|form| session(form, threads, 1 << 30));
        for query in queries {
            let table = |session: &Session| session.sql(query).table_blocking().unwrap();
            assert_eq!(table(&pipelined), table(&staged), "{query}");
        }
    }
}

#[test]
fn stages_spill_and_leave_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let builder = Session::builder().threads(2).memory_limit(24 << 20).temp_dir(folder.path());
    let session = builder.setting("execution_form", "staged").build().unwrap();
    let files = || {
        let mut folders = vec![folder.path().to_owned()];
        let mut n_files = 0;
        while let Some(next) = folders.pop() {
            for entry in std::fs::read_dir(next).unwrap().map(Result::unwrap) {
                match entry.file_type().unwrap().is_dir() {
                    true => folders.push(entry.path()),
                    // The folder's own lock.
                    false => n_files += usize::from(entry.metadata().unwrap().len() > 0),
                }
            }
        }
        n_files
    };
    // Some 40 MB of rows go from the scan to the sort.
    let sql = "SELECT x, 'a text of some length ' || x AS s FROM range(600000) AS r(x) ORDER BY s";
    let mut rows = session.sql(sql).stream_blocking().unwrap();
    assert!(rows.next().unwrap().unwrap().num_rows() > 0);
    assert!(files() > 0, "nothing is on disk");
    assert!(rows.map(|batch| batch.unwrap().num_rows()).sum::<usize>() > 500_000);
    let mut rows = session.sql(sql).stream_blocking().unwrap();
    rows.next().unwrap().unwrap();
    drop(rows);
    for _ in 0..500 {
        if files() > 0 || session.memory_used_bytes() > 0 {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    assert_eq!((files(), session.memory_used_bytes()), (0, 0));
}

#[tokio::test]
async fn a_reader_who_waits_holds_nobody_up() {
    for form in ["pipelined", "staged"] {
        let session = session(form, 1, 1 << 30);
        let mut slow: Vec<_> = Vec::new();
        for _ in 0..3 {
            let mut rows = session.sql("SELECT * FROM t ORDER BY s").stream().await.unwrap();
            rows.next().await.unwrap().unwrap();
            slow.push(rows);
        }
        let rows = session.sql("SELECT count(*) FROM t").timeout(Duration::from_secs(60)).rows::<i64>().await;
        assert_eq!(rows.unwrap(), [200_000], "{form}");
        let sum = dolmen::prelude::delayed(|| 40 + 2);
        assert_eq!(session.compute(sum.call(())).await.unwrap(), 42);
    }
}

#[test]
fn a_query_without_memory_runs_again_in_stages() {
    // The statistics of VALUES and ranges say nothing of what comes of them.
    let sql = "SELECT count(*), sum(a.n) FROM (SELECT x % 400000 AS k, count(*) AS n FROM range(800000) AS r(x) GROUP BY k) a \
               JOIN (SELECT x AS k, 'a text of some length ' || x AS s FROM range(400000) AS r(x)) b ON a.k = b.k AND s <> ''";
    let run = |form: &str| {
        let session =
            Session::builder().threads(2).memory_limit(40 << 20).setting("execution_form", form).build().unwrap();
        session.sql(sql).rows_blocking::<(i64, i64)>()
    };
    assert_eq!(run("auto").unwrap(), [(400_000, 800_000)]);
}

/// Waits until nothing is held: what was told to stop frees its memory a little later.
pub(crate) fn until_free(session: &Session) {
    for _ in 0..500 {
        if session.memory_used_bytes() > 0 {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    assert_eq!(session.memory_used_bytes(), 0);
}

/// A session with little memory that runs everything in stages.
fn tight(threads: usize, memory_limit: u64, folder: &std::path::Path) -> Session {
    let builder = Session::builder().threads(threads).memory_limit(memory_limit).temp_dir(folder);
    builder.setting("execution_form", "staged").build().unwrap()
}

/// 60,000 rows whose texts of a kilobyte no statistics tell of: eight partitions of 7 MB each.
const LONG: &str = "(SELECT x AS k, repeat('0123456789abcdef', 64) || x AS s FROM range(60000) AS r(x))";

#[test]
fn a_cross_join_finishes_when_its_left_side_does_not_fit() {
    let folder = tempfile::tempdir().unwrap();
    let sql =
        format!("SELECT count(*), sum(length(a.s) + y) FROM {LONG} a CROSS JOIN (SELECT x AS y FROM range(3) AS t(x))");
    let rows = |session: &Session| session.sql(&sql).rows_blocking::<(i64, i64)>().unwrap();
    let expected = rows(&Session::builder().threads(2).build().unwrap());
    for threads in [1, 2] {
        let small = tight(threads, 20 << 20, folder.path());
        assert_eq!(rows(&small), expected, "{threads} threads");
        until_free(&small);
    }
}

#[test]
fn joins_of_any_kind_finish_when_neither_side_fits() {
    let joins = [
        ("JOIN", "count(*), sum(length(a.s)), max(b.s)", 60_000 - 100),
        ("LEFT JOIN", "count(*), sum(length(a.s)), max(b.s)", 60_000),
        ("RIGHT JOIN", "count(*), sum(length(b.s)), max(a.s)", 60_000),
        ("FULL JOIN", "count(*), sum(length(a.s)), max(b.s)", 60_000 + 100),
        ("LEFT SEMI JOIN", "count(*), sum(length(a.s)), max(a.s)", 60_000 - 100),
        ("LEFT ANTI JOIN", "count(*), sum(length(a.s)), max(a.s)", 100),
        ("RIGHT SEMI JOIN", "count(*), sum(length(b.s)), max(b.s)", 60_000 - 100),
        ("RIGHT ANTI JOIN", "count(*), sum(length(b.s)), max(b.s)", 100),
    ];
    let folder = tempfile::tempdir().unwrap();
    for threads in [1, 2] {
        let (small, large) = (tight(threads, 20 << 20, folder.path()), Session::builder().threads(2).build().unwrap());
        for (join, aggregates, n_rows) in joins {
            let sql = format!("SELECT {aggregates} FROM {LONG} a {join} {LONG} b ON a.k = b.k + 100 AND a.s <> b.s");
            let [rows, expected] = [&small, &large].map(|session| {
                let rows: Vec<(i64, Option<i64>, Option<String>)> = session.sql(&sql).rows_blocking().unwrap();
                rows
            });
            assert_eq!(rows[0].0, n_rows, "{join}");
            assert_eq!(rows, expected, "{join}, {threads} threads");
        }
        until_free(&small);
    }
}

#[test]
fn one_key_may_have_more_rows_than_memory() {
    let folder = tempfile::tempdir().unwrap();
    // 40 MB of the left side have one key; of the right side three rows have it, and one has none.
    let skewed = format!("(SELECT CASE WHEN k < 40000 THEN 7 ELSE k END AS k, s FROM {LONG})");
    let few = "(VALUES (7, 'x'), (7, 'y'), (7, NULL), (NULL, 'z')) AS f(k, t)";
    let queries = [
        format!("SELECT count(*), max(t) FROM {skewed} a JOIN {few} ON a.k = f.k"),
        format!("SELECT count(*), max(t) FROM {skewed} a LEFT JOIN {few} ON a.k = f.k"),
        format!("SELECT count(*), max(s) FROM {skewed} a FULL JOIN {few} ON a.k = f.k AND t <> s"),
        format!("SELECT count(*), max(s) FROM (SELECT k, max(s) AS s FROM {skewed} GROUP BY k)"),
        format!("SELECT count(*), max(s) FROM (SELECT DISTINCT k, s FROM {skewed})"),
        format!("SELECT count(*), max(s) FROM (SELECT k, s FROM {skewed} ORDER BY k, s DESC OFFSET 50000)"),
        format!("SELECT count(*), max(l) FROM (SELECT lag(s) OVER (PARTITION BY k ORDER BY s) AS l FROM {skewed})"),
        format!("SELECT count(*), max(s) FROM (SELECT s FROM {skewed} INTERSECT SELECT s FROM {LONG})"),
        format!("SELECT count(*), max(s) FROM (SELECT s FROM {skewed} WHERE k < 0 EXCEPT SELECT s FROM {LONG})"),
    ];
    for threads in [1, 2] {
        let (small, large) = (tight(threads, 20 << 20, folder.path()), Session::builder().threads(2).build().unwrap());
        for sql in &queries {
            let rows = |session: &Session| session.sql(sql).rows_blocking::<(i64, Option<String>)>();
            assert_eq!(rows(&small).unwrap(), rows(&large).unwrap(), "{sql}");
        }
    }
}

#[test]
fn a_window_that_needs_all_of_its_rows_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let session = tight(2, 64 << 20, folder.path());
    let sql =
        format!("SELECT count(*) FROM (SELECT ntile(3) OVER (ORDER BY s) AS n, s FROM {LONG}) WHERE n > 0 AND s <> ''");
    let error = session.sql(&sql).rows_blocking::<i64>().unwrap_err().to_string();
    assert!(error.contains("WindowAggExec"), "{error}");
    // The session goes on, and windows whose partitions fit finish, although all their rows do not.
    let by = format!(
        "SELECT ntile(3) OVER (PARTITION BY k % 1000 ORDER BY s) AS n, s, s || 'x' AS t FROM {LONG} WHERE k % 3 = 0"
    );
    let by = format!("SELECT count(*) FROM ({by}) WHERE n > 0 AND s <> t");
    assert_eq!(session.sql(by).rows_blocking::<i64>().unwrap(), [20_000]);
    until_free(&session);
}

#[test]
fn a_cancel_in_the_middle_of_spilling_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let session = tight(2, 20 << 20, folder.path());
    let sql = format!("SELECT a.s, b.s FROM {LONG} a JOIN {LONG} b ON a.k = b.k ORDER BY a.s DESC");
    for millis in [30, 200, 500, 900] {
        let error = session.sql(&sql).timeout(Duration::from_millis(millis)).collect_blocking().unwrap_err();
        assert!(error.to_string().contains("time"), "{error}");
    }
    until_free(&session);
    assert_eq!(session.sql("SELECT 1").rows_blocking::<i64>().unwrap(), [1]);
}

#[test]
fn sessions_with_different_limits_run_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let sql = format!("SELECT count(*), sum(length(a.s)) FROM {LONG} a JOIN {LONG} b ON a.k = b.k");
    let sessions = [20 << 20, 64 << 20, 1 << 30].map(|limit| tight(1, limit, folder.path()));
    let run = &|session: &Session| session.sql(sql.as_str()).rows_blocking::<(i64, i64)>().unwrap();
    let answers = std::thread::scope(|scope| {
        let threads = sessions.each_ref().map(|session| scope.spawn(move || run(session)));
        threads.map(|thread| thread.join().unwrap())
    });
    assert!(answers.iter().all(|rows| *rows == answers[0] && rows[0].0 == 60_000), "{answers:?}");
}

/// The operators of a kind, as EXPLAIN ANALYZE shows them.
fn analyzed(session: &Session, sql: &str, operator: &str) -> Vec<String> {
    operators(&session.sql(sql).explain_analyze_blocking().unwrap(), operator)
}

fn metric(operator: &str, name: &str) -> f64 {
    counted(operator, name).unwrap_or(0.0)
}

#[test]
fn rows_of_one_key_are_divided_among_tasks() {
    let folder = tempfile::tempdir().unwrap();
    // Both sides are too large to be in one table; four rows in five of the second have one key.
    let left = "(SELECT x AS k, repeat('left', 25) || x AS s FROM range(40000) AS r(x)) a";
    let right = "(SELECT CASE WHEN x % 5 > 0 THEN 7 ELSE x END AS k, repeat('right', 20) || x AS t \
                 FROM range(150000) AS r(x)) b";
    let joins = [
        ("JOIN", "count(*), max(s), max(t), sum(length(s || t))", true),
        ("RIGHT JOIN", "count(*), max(s), max(t), sum(length(s || t))", true),
        ("LEFT JOIN", "count(*), max(s), max(t), sum(length(s || t))", false),
        ("FULL JOIN", "count(*), max(s), max(t), sum(length(s || t))", false),
        ("RIGHT SEMI JOIN", "count(*), min(t), max(t), sum(length(t))", true),
        ("RIGHT ANTI JOIN", "count(*), min(t), max(t), sum(length(t))", true),
        ("LEFT ANTI JOIN", "count(*), min(s), max(s), sum(length(s))", false),
    ];
    let large = Session::builder().threads(2).build().unwrap();
    for threads in [1, 2, 3] {
        let small = tight(threads, 12 * threads as u64 * (1 << 20), folder.path());
        for (join, aggregates, is_divided) in joins {
            let sql = format!("SELECT {aggregates} FROM {left} {join} {right} ON a.k = b.k");
            let rows = |session: &Session| {
                session.sql(&sql).rows_blocking::<(i64, Option<String>, Option<String>, Option<i64>)>().unwrap()
            };
            assert_eq!(rows(&small), rows(&large), "{join}, {threads} threads");
            // What is divided meets the rows of the other side more than once.
            let tables: f64 =
                analyzed(&small, &sql, "HashJoinExec").iter().map(|join| metric(join, "build_input_rows")).sum();
            let meets_more = tables > 40_000.0 && tables < 150_000.0;
            assert_eq!(meets_more, is_divided && threads > 1, "{join}, {threads} threads: {tables}");
        }
        until_free(&small);
    }
}

#[test]
fn a_side_that_turns_out_small_comes_to_the_other() {
    // No statistics tell what the filter leaves.
    let few = "(SELECT k % 1000 AS k, 'few ' || k AS s FROM large WHERE k * 7 % 1000 = 3) a";
    let many = "(SELECT k, k % 10 AS g, 'many ' || k AS t FROM t) b";
    let queries = [
        format!("SELECT count(*), max(t), g FROM {few} JOIN {many} ON a.k = b.k GROUP BY g ORDER BY g"),
        format!("SELECT count(*), max(t), g FROM {few} JOIN {many} ON a.k = b.k AND s <> t GROUP BY g ORDER BY g"),
        format!("SELECT count(s), max(t), g FROM {few} RIGHT JOIN {many} ON a.k = b.k GROUP BY g ORDER BY g"),
        format!("SELECT count(*), max(t), g FROM {few} RIGHT SEMI JOIN {many} ON a.k = b.k GROUP BY g ORDER BY g"),
        format!("SELECT count(*), max(t), g FROM {few} RIGHT ANTI JOIN {many} ON a.k = b.k GROUP BY g ORDER BY g"),
        // The rows of the join are divided by its key, for what follows; and it is not the only one.
        format!(
            "SELECT count(*), max(s), k FROM (SELECT b.k, s FROM {few} JOIN {many} ON a.k = b.k) GROUP BY k ORDER BY k"
        ),
        format!(
            "SELECT n, max(t), n FROM {few} JOIN {many} ON a.k = b.k JOIN (SELECT x AS j, x AS n FROM range(9) AS r(x)) \
                 ON g = j GROUP BY n ORDER BY n"
        ),
        format!("SELECT b.k, t, g FROM {few} JOIN {many} ON a.k = b.k ORDER BY t DESC, s LIMIT 50"),
        format!("SELECT count(*), max(t), 1 FROM {few} LEFT JOIN {many} ON a.k = b.k"),
    ];
    let session = |form: &str, threads, limit| {
        let session = session(form, threads, limit);
        session.sql("CREATE TABLE large AS SELECT x AS k FROM range(800000) AS r(x)").execute_blocking().unwrap();
        // So that the plan does not think so to begin with.
        for threshold in ["hash_join_single_partition_threshold", "hash_join_single_partition_threshold_rows"] {
            session.set(&format!("datafusion.optimizer.{threshold}"), "0").unwrap();
        }
        session
    };
    let large = session("pipelined", 2, 1 << 30);
    for threads in [1, 2] {
        let staged = session("staged", threads, 1 << 30);
        for sql in &queries {
            let rows = |session: &Session| session.sql(sql).rows_blocking::<(i64, Option<String>, i64)>().unwrap();
            assert_eq!(rows(&staged), rows(&large), "{sql}");
        }
        let joins = analyzed(&staged, &queries[1], "HashJoinExec");
        let made = |mode: &str| {
            let joins = joins.iter().filter(|join| join.contains(mode));
            joins.map(|join| metric(join, "output_rows")).sum::<f64>()
        };
        assert!(made("CollectLeft") > 0.0 && made("Partitioned") == 0.0, "{joins:?}");
        let explained: Vec<(String, String)> =
            staged.sql(format!("EXPLAIN TASKS {}", queries[1])).rows_blocking().unwrap();
        assert!(explained[0].1.contains("turns out to be small"), "{}", explained[0].1);
    }
    // The same where a table of the first side is more than there is room for.
    let sql = "SELECT max(a.s), max(b.s) FROM t a JOIN t b ON a.k = b.k";
    let joins = analyzed(&session("staged", 2, 60 << 20), sql, "HashJoinExec");
    assert!(joins.iter().any(|join| join.contains("Partitioned") && metric(join, "output_rows") > 0.0), "{joins:?}");
}

#[test]
fn the_stages_of_an_array_are_those_of_the_query() {
    let sql = "SELECT dim_1 % 10 AS g, count(*) AS n, sum(value * value) AS s, min(dim_0) AS m FROM big GROUP BY g ORDER BY g";
    for (form, threads) in [("pipelined", 1), ("pipelined", 2), ("staged", 1), ("staged", 2), ("auto", 2)] {
        // 64 MB of numbers.
        let limit = if form == "pipelined" { 1 << 30 } else { 32 << 20 };
        let session =
            Session::builder().threads(threads).memory_limit(limit).setting("execution_form", form).build().unwrap();
        let create = "CREATE ARRAY big AS reshape(arange(8000000, chunks => 200000), [4000, 2000]) % 7 + 0.5";
        session.sql(create).execute_blocking().unwrap();
        let explained = explained(&session, sql);
        assert!(explained.len() > 2, "{explained:?}");
        assert_eq!(ran(&session, sql), explained, "{form}, {threads} threads");
        let rows = session.sql(sql).rows_blocking::<(i64, i64, f64, i64)>().unwrap();
        let mut expected = [0.0; 10];
        for i in 0..8_000_000_u64 {
            expected[(i % 2000 % 10) as usize] += ((i % 7) as f64 + 0.5).powi(2);
        }
        let expected: Vec<_> = (0..10).map(|g| (g, 800_000, expected[g as usize], 0)).collect();
        assert_eq!(rows, expected, "{form}, {threads} threads");
        until_free(&session);
        // One after the other, both sides of a join, and again for each step of a recursion.
        let sql = "SELECT count(*) FROM (SELECT dim_0 FROM big WHERE dim_0 < 20 UNION ALL SELECT dim_1 FROM big WHERE dim_0 = 1)";
        assert_eq!(session.sql(sql).rows_blocking::<i64>().unwrap(), [42_000]);
        let sql = "SELECT count(*) FROM big a JOIN big b ON a.dim_0 = b.dim_1 AND a.value = b.value \
                   WHERE a.dim_1 < 3 AND b.dim_0 < 4 AND a.dim_0 < 2000";
        let n = (0..2000)
            .flat_map(|i| (0..3).flat_map(move |j| (0..4).map(move |k| (i * 2000 + j) % 7 == (k * 2000 + i) % 7)));
        assert_eq!(session.sql(sql).rows_blocking::<i64>().unwrap(), [n.filter(|is| *is).count() as i64]);
        let sql = "WITH RECURSIVE r(n) AS (SELECT 0 UNION ALL SELECT r.n + 1 FROM r JOIN big ON r.n = dim_0 \
                   WHERE dim_1 = 0 AND dim_0 < 30 AND r.n < 50) SELECT max(n) FROM r";
        assert_eq!(session.sql(sql).rows_blocking::<i64>().unwrap(), [30], "{form}");
        let sql =
            "SELECT count(*) FROM big WHERE value > (SELECT avg(value * 1) FROM big WHERE dim_0 < 9) AND dim_0 < 7";
        assert_eq!(session.sql(sql).rows_blocking::<i64>().unwrap(), [8_000]);
        until_free(&session);
    }
}
