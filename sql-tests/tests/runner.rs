//! The runner on fixtures in each format: what must pass passes, and what must fail is told, with its cause.

#![expect(
    clippy::unwrap_used,
    reason = "clippy.toml allows it in tests, but does not see that these functions are theirs"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use dolmen_sql_tests::{Cause, EngineKind, Outcome, WorkerCommand, supervise};

const PROGRAM: &str = env!("CARGO_BIN_EXE_dolmen-sql-tests");

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn run(arguments: &[&str], paths: &[&str]) -> Output {
    let paths = paths.iter().map(|path| fixture(path));
    Command::new(PROGRAM).args(["--engine", "stock"]).args(arguments).args(paths).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn last_line(output: &Output) -> String {
    stdout(output).lines().last().unwrap_or_default().to_owned()
}

/// The lines that count failures by cause in the summary of a run.
fn causes(output: &Output) -> Vec<String> {
    let text = stdout(output);
    let summary = text.split("with failures").nth(1).unwrap_or_default();
    summary.lines().filter_map(|line| line.strip_prefix("  ")).map(str::to_owned).collect()
}

#[test]
fn every_format_passes_and_skips_what_it_should() {
    let cases = [
        ("passing/sqlite_values.test", "12 passed, 0 failed, 1 skipped"),
        ("passing/typed_rows.slt", "14 passed, 0 failed, 4 skipped"),
        ("passing/scratch.slt", "4 passed, 0 failed, 0 skipped"),
        ("passing/windows.slt", "2 passed, 0 failed, 0 skipped"),
    ];
    for (path, expected) in cases {
        let output = run(&[], &[path]);
        assert_eq!(last_line(&output), expected, "{path}\n{}", stdout(&output));
        assert_eq!(output.status.code(), Some(0), "{path}");
    }
}

#[test]
fn a_folder_is_one_run_whose_scratch_is_fresh_each_time() {
    for _ in 0..2 {
        let output = run(&["--jobs", "3"], &["passing"]);
        assert_eq!(last_line(&output), "32 passed, 0 failed, 5 skipped", "{}", stdout(&output));
    }
}

#[test]
fn each_failure_is_told_with_its_cause() {
    let output = run(&[], &["failing/causes.slt"]);
    assert_eq!(last_line(&output), "1 passed, 10 failed, 0 skipped", "{}", stdout(&output));
    assert_eq!(
        causes(&output),
        [
            "3 result mismatch",
            "2 column mismatch",
            "1 unexpected error (syntax)",
            "1 unexpected error (planning)",
            "2 missing error",
            "1 wrong error",
        ]
    );
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn wrong_hashes_orders_labels_and_missing_rows_fail() {
    let output = run(&[], &["failing/wrong_hash.test"]);
    assert_eq!(last_line(&output), "2 passed, 4 failed, 0 skipped", "{}", stdout(&output));
    assert_eq!(causes(&output), ["4 result mismatch"]);
}

#[test]
fn a_slow_record_fails_and_the_next_one_runs() {
    let output = run(&["--timeout-seconds", "1"], &["failing/slow.slt"]);
    assert_eq!(last_line(&output), "1 passed, 1 failed, 0 skipped", "{}", stdout(&output));
    assert_eq!(causes(&output), ["1 timeout"]);
}

#[test]
fn a_file_that_cannot_be_read_fails_alone() {
    let output = run(&[], &["broken", "passing/windows.slt"]);
    assert_eq!(last_line(&output), "2 passed, 3 failed, 0 skipped", "{}", stdout(&output));
    assert_eq!(causes(&output), ["3 parse"]);
}

#[test]
fn a_run_over_nothing_is_wrong_usage() {
    assert_eq!(run(&[], &["no_such_folder"]).status.code(), Some(2));
    assert_eq!(run(&[], &["part"]).status.code(), Some(2));
    assert_eq!(run(&[], &[]).status.code(), Some(2));
}

#[test]
fn an_engine_does_not_regress_from_itself() {
    let output = run(&["--compare-stock"], &["failing/causes.slt", "passing/typed_rows.slt"]);
    assert_eq!(last_line(&output), "15 passed, 0 failed, 14 skipped", "{}", stdout(&output));
    assert_eq!(output.status.code(), Some(0));
}

/// A worker that is a shell script, to die and to hang as an engine might.
#[cfg(unix)]
fn supervise_script(script: &str) -> Vec<Outcome> {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("worker");
    std::fs::write(&program, format!("#!/bin/sh\nsay() {{ printf '\\036slt %s\\n' \"$1\"; }}\n{script}\n")).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let command = WorkerCommand {
        record_limit: Duration::from_secs(1),
        grace: Duration::ZERO,
        ..WorkerCommand::new(program, EngineKind::Stock)
    };
    let start = Instant::now();
    let report = supervise(&command, &fixture("passing/windows.slt"));
    assert!(start.elapsed() < Duration::from_secs(20), "the worker was waited for");
    report.records.into_iter().map(|record| record.outcome).collect()
}

#[cfg(unix)]
fn cause(outcome: &Outcome) -> Option<Cause> {
    match outcome {
        Outcome::Failed { cause, .. } => Some(*cause),
        _ => None,
    }
}

#[cfg(unix)]
const BEGIN: &str = r#"say '{"Planned":{"n_records":3}}'
say '{"Started":{"at":"a:1","sql":"SELECT 1"}}'
say '{"Ended":"Passed"}'
say '{"Started":{"at":"a:2","sql":"SELECT 2"}}'"#;

#[cfg(unix)]
#[test]
fn a_worker_that_dies_costs_what_it_did_not_reach() {
    let outcomes = supervise_script(&format!("{BEGIN}\necho 'stack overflow' >&2\nkill -ABRT $$"));
    let [passed, crashed, not_reached] = outcomes.as_slice() else { panic!("{outcomes:?}") };
    assert_eq!(*passed, Outcome::Passed);
    let Outcome::Failed { cause: Cause::Crash, detail } = crashed else { panic!("{crashed:?}") };
    assert!(detail.contains("stack overflow") && detail.contains("signal"), "{detail}");
    assert_eq!(cause(not_reached), Some(Cause::NotReached));
}

#[cfg(unix)]
#[test]
fn a_worker_that_hangs_is_killed() {
    let outcomes = supervise_script(&format!("{BEGIN}\nexec sleep 1000"));
    let causes: Vec<_> = outcomes.iter().map(cause).collect();
    assert_eq!(causes, [None, Some(Cause::Timeout), Some(Cause::NotReached)]);
}
