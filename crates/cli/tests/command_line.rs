//! The contract of the command line: streams, formats, exit statuses.

#![allow(clippy::unwrap_used, reason = "a failed expectation is how a test reports")]

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

fn dolmen() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dolmen"));
    command.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."));
    command.args(["--threads", "2"]);
    command
}

fn run(arguments: &[&str]) -> Output {
    dolmen().args(arguments).stdin(Stdio::null()).output().unwrap()
}

fn piped(arguments: &[&str], input: &[u8]) -> Output {
    let mut command = dolmen();
    let mut child =
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn commands_and_files_run_in_the_order_given() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("two.sql");
    std::fs::write(&file, "SELECT 2 AS n; -- it's; only a comment\nSELECT 3 AS n").unwrap();
    let output = run(&["--format", "csv", "-c", "SELECT 1 AS n", "-f", file.to_str().unwrap(), "-c", "SELECT 4 AS n"]);
    assert_eq!(
        (out(&output).as_str(), output.status.code()),
        ("n\n1\nn\n2\nn\n3\nn\n4\n", Some(0)),
        "{}",
        err(&output)
    );
}

#[test]
fn a_script_stops_at_its_first_error() {
    let output = piped(&["--format", "csv"], b"SELECT 1 AS a; SELECT nothing; SELECT 2 AS b;");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(out(&output), "a\n1\n");
    let message = err(&output);
    assert!(message.starts_with("error: column \"nothing\" does not exist"), "{message}");
    assert!(message.contains("line 1:") && message.contains("^^^^^^^"), "{message}");
}

#[test]
fn wrong_usage_exits_with_2() {
    for arguments in [&["--format", "xml"][..], &["--no-such"], &["--memory-limit", "much"], &["--threads", "0"]] {
        let output = Command::new(env!("CARGO_BIN_EXE_dolmen")).args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(out(&output).is_empty(), "{arguments:?}");
    }
    let help = run(&["--help"]);
    assert_eq!(help.status.code(), Some(0));
    assert!(out(&help).contains("--memory-limit") && out(&help).contains("--no-progress"));
}

/// Runs a statement that takes so long that a terminal is shown something; `run` gets its text, `check` what it printed.
fn long(run: impl Fn(&str) -> Output, check: impl Fn(&Output)) {
    let mut n_rows = 200_000;
    loop {
        let begun = Instant::now();
        let output = run(&format!("SELECT count(DISTINCT md5(x::text)) AS n FROM range({n_rows}) AS r(x)"));
        assert!(out(&output).contains(&n_rows.to_string()), "{}", out(&output));
        if begun.elapsed() > Duration::from_secs(1) {
            return check(&output);
        }
        n_rows *= 2;
    }
}

#[test]
fn no_progress_is_drawn_where_no_terminal_is() {
    let run = |sql: &str| dolmen().args(["-c", sql]).env("TERM", "xterm").stdin(Stdio::null()).output().unwrap();
    long(run, |output| assert_eq!(err(output), ""));
}

#[cfg(target_os = "linux")]
#[test]
fn progress_is_drawn_on_a_terminal_and_is_gone_before_the_rows() {
    // Gives the program a pseudo-terminal.
    let on_terminal = |sql: &str, option: &str| {
        let command = format!("stty cols 100 rows 30; {} {option} -c '{sql}'", env!("CARGO_BIN_EXE_dolmen"));
        let mut script = Command::new("script");
        script.args(["-qefc", &command, "/dev/null"]).env("TERM", "xterm").stdin(Stdio::null()).output()
    };
    if on_terminal("SELECT 1", "").is_err() {
        return eprintln!("skipped: there is no `script` here");
    }
    let erase = "\r\x1b[K";
    long(
        |sql| on_terminal(sql, "").unwrap(),
        |output| {
            let text = out(output);
            let (drawn, rows) = text.rsplit_once(erase).expect("nothing was erased");
            assert!(drawn.contains("rows read") && drawn.contains("memory"), "{text:?}");
            assert!(!rows.contains("rows read") && !drawn.contains('\n'), "{text:?}");
        },
    );
    long(|sql| on_terminal(sql, "--no-progress").unwrap(), |output| assert!(!out(output).contains(erase)));
}

#[test]
fn every_format_writes_the_same_rows() {
    let sql = "SELECT 1 AS a, NULL AS b, 'x,y' AS c";
    let expected = [
        ("csv", "a,b,c\n1,,\"x,y\"\n"),
        ("tsv", "a\tb\tc\n1\t\\N\tx,y\n"),
        ("json", "[{\"a\":1,\"b\":null,\"c\":\"x,y\"}]\n"),
        ("ndjson", "{\"a\":1,\"b\":null,\"c\":\"x,y\"}\n"),
    ];
    for (format, text) in expected {
        assert_eq!(out(&run(&["--format", format, "-c", sql])), text, "{format}");
    }
    for format in ["table", "markdown", "html", "line"] {
        let text = out(&run(&["--format", format, "-c", sql]));
        assert!(text.contains("NULL") && text.contains("x,y"), "{format}: {text}");
    }
}

#[test]
fn results_and_messages_do_not_mix() {
    let output =
        run(&["--format", "csv", "-c", "CREATE TABLE t (a INT); INSERT INTO t VALUES (1), (2)", "-c", "FROM t"]);
    assert_eq!(out(&output), "a\n1\n2\n", "{}", err(&output));
    assert_eq!(err(&output), "");
}

#[test]
fn paths_and_writes_can_be_fenced_off() {
    let folder = tempfile::tempdir().unwrap();
    let inside = folder.path().join("a.csv");
    std::fs::write(&inside, "a\n1\n").unwrap();
    let allowed = folder.path().to_str().unwrap();
    let read = format!("SELECT a FROM '{}'", inside.display());
    assert_eq!(out(&run(&["--format", "csv", "--allow-path", allowed, "-c", &read])), "a\n1\n");
    let outside = run(&["--allow-path", allowed, "-c", "SELECT * FROM 'examples/data/airlines.csv'"]);
    assert_eq!(outside.status.code(), Some(1));
    assert!(err(&outside).starts_with("error: "), "{}", err(&outside));
    let write = run(&["--read-only", "-c", "CREATE TABLE t AS SELECT 1 AS a"]);
    assert_eq!(write.status.code(), Some(1));
    assert!(err(&write).contains("read-only"), "{}", err(&write));
    let copy = format!("COPY (SELECT 1 AS a) TO '{}'", folder.path().join("b.csv").display());
    assert_eq!(run(&["--read-only", "-c", &copy]).status.code(), Some(1));
    assert!(!folder.path().join("b.csv").exists());
}

#[test]
fn a_read_only_session_changes_itself_only() {
    let refused = |sql: &str| {
        let output = run(&["--read-only", "-c", sql]);
        assert_eq!(output.status.code(), Some(1), "{sql}");
        assert!(err(&output).contains("read-only"), "{sql}: {}", err(&output));
    };
    for sql in [
        "CREATE TEMP TABLE t (a int)",
        "CREATE VIEW v AS SELECT 1 AS a",
        "CREATE SCHEMA s",
        "DROP TABLE IF EXISTS t",
        "INSERT INTO t VALUES (1)",
        "UPDATE t SET a = 1",
        "DELETE FROM t",
        "TRUNCATE t",
        "PREPARE p AS INSERT INTO t VALUES (1); EXECUTE p",
        "PREPARE p AS CREATE TABLE t AS SELECT 1 AS a; EXECUTE p",
    ] {
        refused(sql);
    }
    let own = "SET batch_size = 7; SHOW batch_size; RESET batch_size; PREPARE p AS SELECT $1 + 1 AS n; EXECUTE p(41); DEALLOCATE p";
    let output = run(&["--read-only", "--format", "csv", "-c", own]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert!(out(&output).contains(",7") && out(&output).contains("42"), "{}", out(&output));
}

#[test]
fn explain_shows_operators() {
    for kind in ["", "FORMAT INDENT", "FORMAT TREE", "ANALYZE", "VERBOSE"] {
        let sql = format!(
            "CREATE TABLE t AS SELECT * FROM (VALUES (1, 2), (3, 4)) AS v(a, b); \
             EXPLAIN {kind} SELECT a + b AS c, -a AS d, sum(a * b) OVER () AS e FROM t WHERE a - b < 1"
        );
        let shown = out(&run(&["--format", "csv", "-c", &sql]));
        assert!(!shown.contains("checked_"), "{kind}: {shown}");
        for part in ["a + b", "- a", "a * b", "a - b"] {
            assert!(
                shown.replace("@0", "").replace("@1", "").replace("t.", "").contains(part),
                "{kind} {part}: {shown}"
            );
        }
    }
}

#[test]
fn long_expressions_have_answers() {
    let repeated = |part: &str, between: &str, n: usize| vec![part; n].join(between);
    let numbered = |template: &str, between: &str, n: usize| {
        (0..n).map(|i| template.replace('#', &i.to_string())).collect::<Vec<_>>().join(between)
    };
    let from = "FROM (VALUES (1, 1.5), (3, 2.5)) AS t(a, x)";
    for (expression, answer) in [
        (format!("SELECT {}", repeated("1", " + ", 800)), "800"),
        (format!("SELECT max({}) {from}", repeated("a", " + ", 800)), "2400"),
        (format!("SELECT max({}) {from}", repeated("x", " + ", 800)), "2000.0"),
        (format!("SELECT count(*) {from} WHERE {}", numbered("a <> # + 2", " AND ", 1000)), "1"),
        (format!("SELECT count(*) {from} WHERE {}", numbered("a = # + 2", " OR ", 1000)), "1"),
        (format!("SELECT count(*) {from} WHERE a IN ({})", numbered("#", ", ", 10_000)), "2"),
        (format!("SELECT max(CASE {} END) {from}", numbered("WHEN a = # THEN a + #", " ", 1000)), "6"),
        (format!("SELECT {}1{}", "(".repeat(1000), ")".repeat(1000)), "1"),
        (format!("SELECT {}-1{}", "abs(".repeat(200), ")".repeat(200)), "1"),
    ] {
        let output = piped(&["--format", "csv"], expression.as_bytes());
        let shown = &expression[..60];
        assert_eq!(out(&output).lines().last(), Some(answer), "{shown}: {}", err(&output));
    }
    let calls = format!("SELECT {}1{}", "abs(".repeat(300), ")".repeat(300));
    let output = piped(&[], calls.as_bytes());
    assert!(err(&output).contains("nested more than 250 deep"), "{}", err(&output));
}

#[test]
fn settings_are_for_the_session() {
    let output = run(&["--set", "batch_size=7", "--format", "csv", "-c", "SHOW batch_size"]);
    assert!(out(&output).contains("7"), "{}{}", out(&output), err(&output));
    let unknown = run(&["--set", "bach_size=7", "-c", "SELECT 1"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(err(&unknown).contains("did you mean"), "{}", err(&unknown));
}

#[test]
fn bad_input_is_an_error_and_the_session_goes_on() {
    let deep = format!("SELECT {}1{}", "(".repeat(10_000), ")".repeat(10_000));
    let sum = format!("SELECT {} AS n", vec!["1"; 10_000].join("+"));
    for sql in [deep.as_str(), "SELECT 99999999999999999999999999999999999999999 + 1", "SELEC 1", "SELECT 'open"] {
        let output = piped(&["--format", "csv"], format!("{sql};").as_bytes());
        assert!(
            matches!(output.status.code(), Some(0 | 1)),
            "{:?}: {}",
            output.status,
            err(&output).chars().take(300).collect::<String>()
        );
    }
    let output = piped(&["--format", "csv"], sum.as_bytes());
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).contains("chains more than"), "{}", err(&output));
    assert_eq!(piped(&[], b" ; -- nothing\n;").status.code(), Some(0));
    assert_eq!(piped(&[], b"SELECT \xff").status.code(), Some(1));
}

#[test]
fn processes_answer_as_threads_do() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("n.csv");
    let rows: Vec<String> = (0..5000).map(|n| format!("{n},{}", n % 7)).collect();
    std::fs::write(&file, format!("n,g\n{}\n", rows.join("\n"))).unwrap();
    let sql = format!("SELECT g, count(*) AS n, sum(n) AS s FROM '{}' GROUP BY g ORDER BY g", file.display());
    let [threads, processes] = [&[][..], &["--processes", "2"]].map(|more| {
        let output = run(&[&["--format", "csv", "-c", &sql], more].concat());
        assert_eq!(output.status.code(), Some(0), "{}", err(&output));
        out(&output)
    });
    assert_eq!(threads.lines().count(), 8);
    assert_eq!(threads, processes);
    let failed = run(&["--processes", "2", "-c", &sql.replace("sum(n)", "sum(n + 9223372036854775807)")]);
    assert_eq!(failed.status.code(), Some(1));
    assert!(err(&failed).contains("integer overflow"), "{}", err(&failed));
}
