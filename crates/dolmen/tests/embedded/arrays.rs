//! Arrays by statements, as tables, in files, and from Rust.

use std::collections::BTreeMap;

use dolmen::Session;
use dolmen::array::{Array, DType, Index, RandomGenerator, Reduce, explain};
use dolmen::graph::{EventKind, Executor};
use dolmen::output::Format;

use crate::stages::{ran_by, until_free};

fn session(threads: usize) -> Session {
    Session::builder().threads(threads).memory_limit(256 << 20).build().unwrap()
}

fn run(session: &Session, script: &str) {
    for query in session.script(script).unwrap() {
        let text = query.text().to_owned();
        query.collect_blocking().unwrap_or_else(|error| panic!("{text}: {error}"));
    }
}

fn printed(session: &Session, sql: &str) -> String {
    let printed = futures::executor::block_on(session.sql(sql).printed_array(Format::Table)).unwrap();
    String::from_utf8(printed.expect("it is an array")).unwrap()
}

fn error(session: &Session, sql: &str) -> String {
    session.sql(sql).collect_blocking().unwrap_err().report()
}

#[test]
fn the_statements_of_the_documentation_run() {
    let text = include_str!("../../../../docs/arrays.md");
    let sql = text.split("```sql\n").nth(1).unwrap().split("```").next().unwrap();
    run(&session(1), sql);
    run(&session(2), sql);
}

#[test]
fn arrays_print_as_numpy_prints_them() {
    let session = session(2);
    run(&session, "CREATE ARRAY t AS reshape(arange(6), [2, 3])");
    assert_eq!(printed(&session, "ARRAY t + 1"), "[[1 2 3]\n [4 5 6]]\n");
    assert_eq!(printed(&session, "ARRAY sum(t)"), "15\n");
    assert_eq!(printed(&session, "ARRAY mean(t, axis => 0)"), "[1.5 2.5 3.5]\n");
    assert_eq!(printed(&session, "ARRAY t[t > 2]"), "[3 4 5]\n");
    assert_eq!(printed(&session, "ARRAY t @ transpose(t)"), "[[ 5 14]\n [14 50]]\n");
    // Of an array that no memory would hold, the corners alone are computed.
    let corners = printed(&session, "ARRAY ones([1000000, 1000000], chunks => [1000, 1000])");
    assert!(corners.starts_with("[[1. 1. 1. ... 1. 1. 1.]") && corners.lines().count() == 7, "{corners}");
}

#[test]
fn blocks_that_nobody_reads_are_not_computed() {
    let session = session(2);
    let x = Array::ones(&[400, 400], DType::F64, 100).unwrap();
    let corner = [Index::slice(None, Some(50), None), Index::slice(Some(350), None, None)];
    // Of sixteen products one; of a lower triangle's factor no block above the diagonal.
    let product = x.matmul(&x).unwrap().index(&corner).unwrap();
    let factor = (&x + &Array::eye(400, 400, 0, DType::F64, 100).unwrap()).cholesky().unwrap();
    for (array, n_products) in [(product, 1), (factor, 6 + 3 + 1)] {
        let explained = explain(std::slice::from_ref(&array), 2).unwrap();
        let ran = ran_by(&session, || drop(session.compute_arrays_blocking(&[array]).unwrap()));
        let stages: BTreeMap<String, u32> = explained.stages.iter().map(|s| (s.key.clone(), s.n_tasks)).collect();
        assert_eq!(ran, stages);
        let products = ran.iter().filter(|(key, _)| key.starts_with("matmul"));
        assert_eq!(products.map(|(_, n_tasks)| n_tasks).sum::<u32>(), n_products, "{ran:?}");
    }
}

#[test]
fn a_histogram_is_a_table_with_bars() {
    let session = session(2);
    let sql = "ARRAY histogram([1, 2, 2, 3, 3, 3, 3], bins => 3)";
    let bins = session.sql(sql).rows_blocking::<(f64, f64, i64)>().unwrap();
    assert_eq!(bins.iter().map(|bin| bin.2).collect::<Vec<_>>(), [1, 2, 4]);
    assert_eq!((bins[0].0, bins[2].1), (1.0, 3.0));
    let text = printed(&session, sql);
    let widths: Vec<usize> = text.lines().map(|line| line.matches('█').count()).filter(|width| *width > 0).collect();
    assert_eq!(widths, [10, 20, 40], "{text}");
    assert!(error(&session, "ARRAY linalg.qr(ones([4, 2]))").contains("2 results"));
}

#[test]
fn aggregates_over_an_array_are_reductions() {
    let session = session(2);
    run(&session, "CREATE ARRAY big AS ones([10000, 1000], chunks => [1000, 1000]) * 2");
    let data = concat!(env!("CARGO_MANIFEST_DIR"), "/../../sql-tests/slt/data");
    run(&session, &format!("CREATE ARRAY air FROM '{data}/air3.zarr' WITH (dataset => 'air')"));
    let plan = |sql: &str| {
        let rows: Vec<(String, String)> = session.sql(format!("EXPLAIN FORMAT INDENT {sql}")).rows_blocking().unwrap();
        rows.into_iter().map(|(_, plan)| plan).collect::<String>()
    };
    for sql in [
        "SELECT count(*), sum(value), avg(value), min(value), max(value), stddev(value) FROM big WHERE dim_0 < 100",
        "SELECT dim_1, avg(value) FROM big WHERE dim_0 BETWEEN 10 AND 20 GROUP BY dim_1 ORDER BY dim_1",
        "SELECT lat, avg(value) FROM air WHERE time >= TIMESTAMP '2013-01-02 12:00:00' GROUP BY lat",
        "SELECT x.dim_1 + 1, 2 * avg(x.value) FROM big AS x GROUP BY x.dim_1 HAVING x.dim_1 > 5",
    ] {
        let plan = plan(sql);
        assert!(!plan.contains("AggregateExec") && plan.contains("SourceExec"), "{sql}\n{plan}");
    }
    for sql in [
        "SELECT dim_1, avg(value) FROM big WHERE value > 1 GROUP BY dim_1",
        "SELECT count(DISTINCT value) FROM big",
        "SELECT dim_0 + dim_1, sum(value) FROM big GROUP BY 1",
        "SELECT median(value) FROM big",
    ] {
        assert!(plan(sql).contains("AggregateExec"), "{sql}");
    }
    let rows = session.sql("SELECT dim_0, sum(value) FROM big WHERE dim_0 >= 9998 GROUP BY dim_0 ORDER BY 1");
    assert_eq!(rows.rows_blocking::<(i64, f64)>().unwrap(), [(9998, 2000.0), (9999, 2000.0)]);
}

#[test]
fn an_array_is_a_table() {
    for threads in [1, 2] {
        for form in ["pipelined", "staged"] {
            let session = session(threads);
            session.set("execution_form", form).unwrap();
            run(&session, "CREATE ARRAY t AS reshape(arange(60, chunks => 7), [6, 10])");
            let rows = |sql: &str| session.sql(sql).rows_blocking::<(i64, i64)>().unwrap();
            let sums =
                rows("SELECT dim_0, sum(value) FROM t WHERE dim_1 >= 8 AND 2 > dim_0 GROUP BY dim_0 ORDER BY dim_0");
            assert_eq!(sums, [(0, 17), (1, 37)]);
            assert_eq!(rows("SELECT count(*), sum(value) FROM t"), [(60, 1770)]);
            assert_eq!(rows("SELECT count(*), coalesce(max(dim_0), -1) FROM t WHERE dim_0 = 7"), [(0, -1)]);
            let joined = rows(
                "SELECT a.dim_1, b.value FROM t a JOIN t b ON a.value = b.dim_1 * 10 WHERE a.dim_0 = 0 AND b.dim_0 = 1 ORDER BY 2",
            );
            assert_eq!(joined.len(), 1);
        }
    }
}

#[test]
fn queries_become_arrays() {
    let session = session(2);
    assert_eq!(printed(&session, "ARRAY array(SELECT x FROM range(4) AS r(x)) * 2"), "[0 2 4 6]\n");
    let two = "ARRAY array(SELECT x, NULLIF(x, 1) / 2.0::double FROM range(3) AS r(x) ORDER BY x)";
    assert_eq!(printed(&session, two), "[[ 0.  0.]\n [ 1. nan]\n [ 2.  1.]]\n");
    assert!(error(&session, "ARRAY array(SELECT 'a' AS name)").contains("\"name\""));
}

#[test]
fn files_are_written_and_read() {
    let folder = tempfile::tempdir().unwrap();
    let session = session(2);
    let at = |name: &str| folder.path().join(name).display().to_string();
    run(&session, "CREATE ARRAY t AS reshape(arange(60, dtype => 'float32', chunks => 7), [6, 10])");
    for (name, options) in [("a.npy", ""), ("a.zarr", "WITH (chunks => [4, 3])")] {
        run(&session, &format!("COPY ARRAY t * 2 TO '{}' {options}", at(name)));
        run(&session, &format!("CREATE OR REPLACE ARRAY back FROM '{}'", at(name)));
        assert_eq!(printed(&session, "ARRAY sum(back)"), "3540.0\n", "{name}");
        assert_eq!(printed(&session, "ARRAY back[4, 2:5]"), "[84. 86. 88.]\n", "{name}");
        assert_eq!(printed(&session, "ARRAY all(back == t * 2)"), "True\n", "{name}");
    }
    let missing = error(&session, &format!("CREATE ARRAY m FROM '{}'", at("missing.npy")));
    assert!(missing.contains("missing.npy"), "{missing}");
    let read_only = Session::builder().read_only(true).build().unwrap();
    assert!(error(&read_only, &format!("COPY ARRAY ones(2) TO '{}'", at("b.npy"))).contains("read-only"));
    assert!(!folder.path().join("b.npy").exists());
    let denied = Session::builder().external_access(dolmen::ExternalAccess::None).build().unwrap();
    assert!(error(&denied, &format!("CREATE ARRAY m FROM '{}'", at("a.npy"))).contains("denied"));
}

/// `DOLMEN_PYTHON` names an interpreter with the packages numpy, zarr, xarray and dask.
#[test]
#[ignore = "needs Python: DOLMEN_PYTHON=venv/bin/python cargo nextest run -p dolmen --run-ignored all python"]
fn python_opens_what_copy_writes() {
    let python = std::env::var("DOLMEN_PYTHON").expect("DOLMEN_PYTHON names an interpreter");
    let folder = tempfile::tempdir().unwrap();
    let session = session(2);
    let data = concat!(env!("CARGO_MANIFEST_DIR"), "/../../sql-tests/slt/data");
    for (name, file) in [("nc", "air.nc"), ("v2", "air2.zarr"), ("v3", "air3.zarr")] {
        let copied = folder.path().join(format!("{name}.zarr"));
        run(&session, &format!("CREATE OR REPLACE ARRAY air FROM '{data}/{file}' WITH (dataset => 'air')"));
        run(&session, &format!("COPY ARRAY air TO '{}' WITH (chunks => [3, 5, 4])", copied.display()));
    }
    let times = folder.path().join("times.zarr");
    run(&session, &format!("CREATE ARRAY \"time\" FROM '{data}/air.nc' WITH (dataset => 'time')"));
    run(&session, &format!("COPY ARRAY \"time\" TO '{}'", times.display()));
    let stack = folder.path().join("stack");
    let numbers = "reshape(arange(60, dtype => 'int16'), [12, 5])";
    run(&session, &format!("COPY ARRAY {numbers} TO '{}/' WITH (chunks => [[5, 1, 6], 2])", stack.display()));
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/embedded/check_copied.py");
    let done = std::process::Command::new(python).arg(script).arg(folder.path()).output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "{stdout}\n{stderr}");
    assert!(stdout.contains("4 groups and a stack"), "{stdout}");
}

#[test]
fn names_are_shared_with_tables() {
    let session = session(1);
    run(&session, "CREATE ARRAY a AS ones(3); CREATE TABLE t AS SELECT 1 AS x");
    assert!(error(&session, "CREATE ARRAY a AS ones(4)").contains("already exists"));
    assert!(error(&session, "CREATE ARRAY t AS ones(4)").contains("already exists"));
    assert!(session.sql("CREATE TABLE a AS SELECT 1 AS x").collect_blocking().is_err());
    run(&session, "CREATE ARRAY IF NOT EXISTS a AS ones(4); CREATE OR REPLACE ARRAY a AS ones(5)");
    assert_eq!(printed(&session, "ARRAY sum(a)"), "5.0\n");
    run(&session, "DROP ARRAY a; DROP ARRAY IF EXISTS a");
    assert!(error(&session, "SELECT * FROM a").contains("does not exist"));
    assert!(error(&session, "DROP ARRAY a").contains("does not exist"));
}

#[test]
fn errors_have_a_place() {
    let session = session(1);
    let text = error(&session, "ARRAY maen([1, 2])");
    assert!(text.contains("unknown function maen") && text.contains("mean") && text.contains("^^^^"), "{text}");
    assert!(error(&session, "ARRAY ones([2, 3]) + ones([4])").contains("^"));
    assert!(error(&session, "ARRAY (1 +").starts_with("syntax error"));
    assert_eq!(session.sql("SELECT 1").rows_blocking::<i64>().unwrap(), [1]);
}

#[test]
fn persisted_arrays_count_against_the_limit() {
    let session = Session::builder().threads(1).memory_limit(8 << 20).build().unwrap();
    run(&session, "CREATE PERSISTED ARRAY p AS arange(100000) * 2");
    // To within what is counted in one go.
    assert!(session.memory_used_bytes() >= 700_000);
    assert_eq!(printed(&session, "ARRAY sum(p)"), "9999900000\n");
    run(&session, "DROP ARRAY p");
    until_free(&session);
    assert!(error(&session, "CREATE PERSISTED ARRAY p AS arange(2000000, chunks => -1)").contains("smaller chunks"));
}

#[test]
fn the_rows_of_a_query_count_while_there_is_their_array() {
    let session = Session::builder().threads(1).memory_limit(8 << 20).build().unwrap();
    run(&session, "CREATE ARRAY x AS array(SELECT v, v * 2 FROM range(100000) AS r(v))");
    assert!(session.memory_used_bytes() >= 1_600_000);
    run(&session, "CREATE PERSISTED ARRAY p AS x");
    run(&session, "CREATE PERSISTED ARRAY q AS x + 1");
    run(&session, "DROP ARRAY x");
    assert!(session.memory_used_bytes() >= 3_000_000);
    assert_eq!(printed(&session, "ARRAY sum(q - p, axis => 0)"), "[100000 100000]\n");
    run(&session, "DROP ARRAY p");
    run(&session, "DROP ARRAY q");
    until_free(&session);
    let error = error(&session, "ARRAY sum(array(SELECT v FROM range(2000000) AS r(v)))");
    assert!(error.contains("rows of a query"), "{error}");
    until_free(&session);
    // Integers, unless there is something else in any batch.
    let text =
        "ARRAY array(SELECT CASE WHEN v = 20000 THEN NULL ELSE v END FROM range(20001) AS r(v) ORDER BY v)[19998:]";
    assert_eq!(printed(&session, text), "[19998. 19999.    nan]\n");
    assert_eq!(
        printed(&session, "ARRAY array(VALUES (18446744073709551615), (1))"),
        "[1.84467441e+19 1.00000000e+00]\n"
    );
}

#[test]
fn blocks_that_do_not_fit_wait_on_disk() {
    let session = Session::builder().threads(2).memory_limit(48 << 20).build().unwrap();
    // 128 MB, of which all is needed until the mean is known; and once more, cut otherwise.
    let x = RandomGenerator::new(1).random(&[4000, 4000], [400, 4000]).unwrap();
    let centred = x.subtract(x.mean(&Reduce::all()).unwrap()).unwrap();
    let columns = centred.rechunk([4000, 400]).unwrap().absolute().unwrap().sum(&Reduce::axis(0)).unwrap();
    let explained = explain(std::slice::from_ref(&columns), 2).unwrap();
    let mut events = session.executor().unwrap().events();
    let mut sums = Vec::new();
    let ran = ran_by(&session, || sums = session.compute_arrays_blocking(std::slice::from_ref(&columns)).unwrap());
    // Nothing is computed again because its value could not be read back.
    let stages: BTreeMap<String, u32> = explained.stages.iter().map(|s| (s.key.clone(), s.n_tasks)).collect();
    assert_eq!(ran, stages);
    let mut read = Vec::new();
    events.read(&mut read);
    let n_loaded = read.iter().filter(|event| matches!(event.kind, EventKind::Loaded { .. })).count();
    assert!(n_loaded > 0, "nothing was read back");
    let whole = Session::builder().threads(1).memory_limit(1 << 30).build().unwrap();
    let expected = whole.compute_arrays_blocking(&[columns]).unwrap();
    assert_eq!(sums[0].to_vec::<f64>().unwrap(), expected[0].to_vec::<f64>().unwrap());
}

#[test]
fn arrays_larger_than_the_limit_are_reduced() {
    let session = Session::builder().threads(2).memory_limit(32 << 20).build().unwrap();
    let x = Array::ones(&[4000, 8000], DType::F64, 1000).unwrap();
    let sums = (&x + 1.0).sum(&Reduce::axis(0)).unwrap();
    let total = (&x * 2.0).sum(&Reduce::all()).unwrap();
    let blocks = session.compute_arrays_blocking(&[sums, total]).unwrap();
    assert_eq!(blocks[0].to_vec::<f64>().unwrap(), vec![8000.0; 8000]);
    assert_eq!(blocks[1].to_vec::<f64>().unwrap(), [64e6]);
}
