//! Whatever a statement or a file holds, the answer is a result or an error, and the session goes on.

use std::fmt::Write as _;
use std::path::Path;

use dolmen::prelude::*;

fn session() -> Session {
    Session::builder().threads(2).memory_limit(256 << 20).build().unwrap()
}

fn error_of(session: &Session, statement: &str) -> String {
    let Err(error) = session.sql(statement).collect_blocking() else { panic!("{statement} gave a result") };
    let goes_on = session.sql("SELECT 1").rows_blocking::<i64>();
    assert_eq!(goes_on.unwrap(), [1], "{statement}");
    error.report()
}

#[test]
fn files_that_are_broken_missing_or_empty() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let session = session();
    let query = session.sql("SELECT value AS a FROM generate_series(1, 100000)");
    query.write_to_blocking(path("whole.parquet").to_str().unwrap(), []).unwrap();
    let parquet = std::fs::read(path("whole.parquet")).unwrap();
    std::fs::write(path("cut.parquet"), &parquet[..parquet.len() / 2]).unwrap();
    std::fs::write(path("tiny.parquet"), b"PAR1").unwrap();
    let mut holed = parquet;
    let middle = holed.len() / 2;
    holed[4..middle].fill(0xff);
    std::fs::write(path("holed.parquet"), holed).unwrap();
    std::fs::write(path("wide.csv"), "a,b\n1,2\n3,4,5\n").unwrap();
    std::fs::write(path("open.csv"), "a,b\n1,2\n3,\"open\n5,6\n").unwrap();
    std::fs::write(path("latin.csv"), b"a\nna\xefve\n").unwrap();
    std::fs::write(path("types.csv"), format!("a\n{}x\n", "1\n".repeat(30_000))).unwrap();
    std::fs::write(path("bad.json"), "{\"a\": 1}\n{\"a\": \n").unwrap();
    std::fs::write(path("bad.csv.gz"), "not compressed").unwrap();
    std::fs::create_dir(path("empty")).unwrap();
    for (file, expected) in [
        ("cut.parquet", "cut.parquet cannot be read"),
        ("tiny.parquet", "tiny.parquet cannot be read"),
        ("holed.parquet", "arquet"),
        ("wide.csv", "wide.csv cannot be read"),
        ("open.csv", "the quote opened on line 3 is never closed"),
        ("latin.csv", "UTF-8"),
        ("types.csv", "types.csv, line 30002: column \"a\" is bigint, but the value is 'x'"),
        ("bad.json", "bad.json cannot be read"),
        ("bad.csv.gz", "bad.csv.gz cannot be read"),
        ("missing.csv", "missing.csv` does not exist"),
        ("missing/*.csv", "no file matches"),
        ("empty/", "holds no files"),
    ] {
        let location = path(file).display().to_string();
        let location = if file.ends_with('/') { format!("{location}/") } else { location };
        let error = error_of(&session, &format!("SELECT count(DISTINCT a) FROM '{location}'"));
        assert!(error.contains(expected), "{file}: {error}");
    }
    assert!(error_of(&session, "FROM read_csv('a.csv', delmi => ';')").contains("did you mean delim?"));
}

#[test]
fn line_breaks_between_quotes_are_no_ends_of_rows() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, n_plain: usize| {
        let mut text = "a,b\n".to_owned();
        for n in 0..200_000 {
            match n < n_plain {
                true => writeln!(text, "{n},\"a line of some forty characters in all {n:07}\"").unwrap(),
                false => writeln!(text, "{n},\"first of two lines {n}\n9,second, in quotes\"").unwrap(),
            }
        }
        std::fs::write(folder.path().join(name), &text).unwrap();
        assert!(text.len() > 10 << 20, "smaller files are not read in parts: {}", text.len());
        folder.path().join(name).display().to_string()
    };
    // In the rows that are looked at first, behind them, and nowhere.
    for (name, n_plain) in [("early.csv", 10), ("late.csv", 150_000), ("never.csv", 200_000)] {
        let path = write(name, n_plain);
        let session = Session::builder().threads(4).build().unwrap();
        let query = format!("SELECT count(*), sum(a), min(length(b)) FROM '{path}'");
        let rows: Vec<(i64, i64, i64)> = session.sql(&query).rows_blocking().unwrap();
        assert_eq!((rows[0].0, rows[0].1), (200_000, 19_999_900_000), "{name}");
        assert!(rows[0].2 >= 39, "{name}: {rows:?}");
        let plan = session.sql(&query).explain_analyze_blocking().unwrap();
        let is_cut = plan.contains("file_groups={4 groups");
        assert_eq!(is_cut, name == "never.csv", "{name}: {plan}");
    }
}

#[test]
fn statements_that_are_empty_deep_or_huge() {
    let session = session();
    assert!(session.script(" ; -- nothing\n;/* */").unwrap().is_empty());
    assert!(error_of(&session, "").contains("syntax error"));
    for (open, close) in
        [("(", ")"), ("abs(", ")"), ("CASE WHEN true THEN ", " END"), ("NOT ", ""), ("-", ""), ("[", "]")]
    {
        let statement = format!("SELECT {}1{}", open.repeat(10_000), close.repeat(10_000));
        let error = error_of(&session, &statement);
        assert!(error.len() < 1000, "{open}: {} characters", error.len());
    }
    let nested = format!("{}SELECT 1{}", "SELECT * FROM (".repeat(10_000), ")".repeat(10_000));
    error_of(&session, &nested);
    let sum = format!("SELECT {}", vec!["1"; 10_000].join(" + "));
    assert!(error_of(&session, &sum).contains("chains more than"));
    let list = format!("SELECT 5 IN ({})", (0..10_000).map(|n| n.to_string()).collect::<Vec<_>>().join(", "));
    assert_eq!(session.sql(list).rows_blocking::<bool>().unwrap(), [true]);
    let digits = "9".repeat(10_000);
    // As a number of any size or as an error, never as another number without a word.
    if let Ok(text) = session.sql(format!("SELECT {digits}")).table_blocking() {
        assert!(text.contains("Infinity") || text.contains(&digits), "{}", &text[..200]);
    }
    assert!(error_of(&session, "SELECT 9223372036854775807 + 1").contains("out of range"));
    assert!(error_of(&session, "SELECT '\u{0}' + nothing").contains("nothing"));
    assert!(error_of(&session, "SELECT dep_dely FROM (SELECT 1 AS dep_delay)").contains("did you mean \"dep_delay\"?"));
    assert!(error_of(&session, "COPY nowhere FROM 'a.csv'").contains("^^^^^^^"));
}

#[test]
fn paths_out_of_the_roots() {
    let folder = tempfile::tempdir().unwrap();
    let (inside, outside) = (folder.path().join("in"), folder.path().join("out"));
    for place in [&inside, &outside] {
        std::fs::create_dir(place).unwrap();
        std::fs::write(place.join("a.csv"), "a\n1\n").unwrap();
    }
    #[cfg(unix)]
    std::os::unix::fs::symlink("../out/a.csv", inside.join("link.csv")).unwrap();
    let access = ExternalAccess::roots([inside.to_str().unwrap()]).unwrap();
    let session = Session::builder().threads(1).external_access(access).build().unwrap();
    let shown = |place: &Path, name: &str| place.join(name).display().to_string();
    let inner = format!("SELECT a FROM '{}'", shown(&inside, "a.csv"));
    assert_eq!(session.sql(inner).rows_blocking::<i64>().unwrap(), [1]);
    for location in [
        shown(&outside, "a.csv"),
        shown(&inside, "../out/a.csv"),
        shown(&inside, "link.csv"),
        shown(&outside, "*.csv"),
        format!("file://{}", shown(&outside, "a.csv")),
        "http://127.0.0.1:1/a.csv".to_owned(),
    ] {
        let error = error_of(&session, &format!("SELECT * FROM '{location}'"));
        assert!(error.contains("denied"), "{location}: {error}");
    }
    for target in [shown(&outside, "b.csv"), shown(&inside, "../b.csv"), shown(&outside, "new/b.csv")] {
        let error = error_of(&session, &format!("COPY (SELECT 1 AS a) TO '{target}'"));
        assert!(error.contains("denied"), "{target}: {error}");
    }
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 1);
}
