//! A write is there when it is whole, and else not at all.

use std::path::Path;

use dolmen::prelude::*;

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Rows of which the last but few divide by zero, when much has been written already.
const FAILING: &str = "SELECT x, x % 5 AS k, 'a text that fills the file ' || x AS t, 1 / (x - 299990) AS q \
                       FROM generate_series(1, 300000) AS s(x)";

#[test]
fn a_failed_copy_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let session = Session::builder().threads(2).build().unwrap();
    std::fs::write(folder.path().join("kept.csv"), "old\n").unwrap();
    let to = |name: &str| folder.path().join(name).display().to_string();
    let copies = [
        format!("COPY ({FAILING}) TO '{}'", to("a.csv")),
        format!("COPY ({FAILING}) TO '{}'", to("kept.csv")),
        format!("COPY ({FAILING}) TO '{}'", to("new/folders/a.parquet")),
        format!("COPY ({FAILING}) TO '{}'", to("a.json.gz")),
        format!("COPY ({FAILING}) TO '{}' STORED AS PARQUET PARTITIONED BY (k)", to("parts")),
        format!("COPY ({FAILING}) TO '{}' STORED AS CSV PARTITIONED BY (k)", to("new/parts")),
        format!("COPY (SELECT nothing) TO '{}'", to("newer/a.csv")),
        format!("COPY (SELECT 1 AS a) TO '{}' OPTIONS (nonsense 'x')", to("newest/a.csv")),
        format!("COPY (SELECT 1 AS a, 2 AS a) TO '{}'", to("twice/a.csv")),
        format!("COPY (SELECT 1 AS a) TO '{}' STORED AS CSV PARTITIONED BY (b)", to("wrong/parts")),
    ];
    for copy in &copies {
        session.sql(copy).execute_blocking().unwrap_err();
        assert_eq!(names(folder.path()), ["kept.csv"], "{copy}");
    }
    assert_eq!(std::fs::read_to_string(folder.path().join("kept.csv")).unwrap(), "old\n");
    assert_eq!(session.memory_used_bytes(), 0);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error_and_leaves_nothing() {
    // Every write to this file system fails: it is the one for processes.
    let session = Session::builder().threads(1).build().unwrap();
    let error = session.sql("COPY (SELECT 1 AS a) TO '/proc/dolmen/a.csv'").execute_blocking().unwrap_err();
    assert!(error.to_string().contains("/proc/dolmen"), "{error}");
    // And a file that is always full.
    let error = session.sql("COPY (SELECT 1 AS a) TO '/dev/full'  STORED AS CSV").execute_blocking().unwrap_err();
    assert!(error.to_string().contains("/dev/full"), "{error}");
}

#[test]
fn spilling_without_a_place_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let session =
        Session::builder().threads(1).memory_limit(4 << 20).temp_dir(folder.path().join("temp")).build().unwrap();
    let sort = "SELECT max(r) FROM (SELECT row_number() OVER (ORDER BY x % 1009) AS r FROM generate_series(1, 2000000) AS t(x))";
    std::fs::remove_dir_all(folder.path().join("temp")).unwrap();
    let error = session.sql(sort).rows_blocking::<i64>().unwrap_err();
    assert!(error.to_string().contains("temp"), "{error}");
    assert_eq!(session.memory_used_bytes(), 0);
    assert_eq!(session.sql("SELECT 1").rows_blocking::<i64>().unwrap(), [1]);
}

#[test]
fn temporary_files_go_with_their_session() {
    let folder = tempfile::tempdir().unwrap();
    let session = Session::builder().threads(1).memory_limit(8 << 20).temp_dir(folder.path()).build().unwrap();
    let sort = "SELECT x FROM generate_series(1, 2000000) AS t(x) ORDER BY x % 1009";
    let first = session.sql(sort).stream_blocking().unwrap().next().unwrap().unwrap();
    assert!(first.num_rows() > 0);
    assert!(!names(folder.path()).is_empty());
    drop(session);
    for _ in 0..500 {
        if names(folder.path()).is_empty() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("{:?}", names(folder.path()));
}

#[test]
fn queries_write_to_every_format_and_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let session = Session::builder().threads(2).build().unwrap();
    let rows = "SELECT x, 'text, \"' || x AS t, x % 3 AS k FROM generate_series(1, 1000) AS s(x)";
    let sum = |location: &str| -> Vec<(i64, i64, i64)> {
        let query = format!("SELECT count(*), sum(x), count(DISTINCT t) FROM '{location}'");
        session.sql(query).rows_blocking().unwrap()
    };
    for name in
        ["a.csv", "a.tsv", "a.csv.gz", "a.csv.bz2", "a.csv.xz", "a.json.zst", "a.ndjson", "a.parquet", "a.arrow"]
    {
        let location = folder.path().join(name).display().to_string();
        assert_eq!(session.sql(rows).write_to_blocking(&location, []).unwrap(), 1000, "{name}");
        assert_eq!(sum(&location), [(1000, 500_500, 1000)], "{name}");
    }
    let parts = folder.path().join("parts").display().to_string();
    let options = [("format", "parquet".into()), ("partition_by", vec!["k"].into())];
    assert_eq!(session.sql(rows).write_to_blocking(&parts, options).unwrap(), 1000);
    assert_eq!(names(&folder.path().join("parts")), ["k=0", "k=1", "k=2"]);
    assert_eq!(sum(&format!("{parts}/")), [(1000, 500_500, 1000)]);
    let pruned: Vec<(i64, i64)> =
        session.sql(format!("SELECT k, count(*) FROM '{parts}/' WHERE k = 1 GROUP BY k")).rows_blocking().unwrap();
    assert_eq!(pruned, [(1, 334)]);

    let options = [("delimiter", ";".into()), ("header", false.into())];
    let plain = folder.path().join("plain.csv").display().to_string();
    session.sql("SELECT $1 AS a, $2 AS b").bind(1_i64).bind("x").write_to_blocking(&plain, options).unwrap();
    assert_eq!(std::fs::read_to_string(&plain).unwrap(), "1;x\n");
    let no_query = session.sql("DROP TABLE t").write_to_blocking(&plain, []).unwrap_err();
    assert!(no_query.to_string().contains("only the rows of a query"), "{no_query}");
    let wrong = session.sql("SELECT 1 AS a").write_to_blocking(&plain, [("partition_by", 1_i64.into())]).unwrap_err();
    assert!(wrong.to_string().contains("partition_by takes"), "{wrong}");
    assert_eq!(std::fs::read_to_string(&plain).unwrap(), "1;x\n");
}
