//! TPC-H's queries at scale factor 0.01 against the answers of another engine (tpch/answers, made by oracle/tpch.py).

#![allow(clippy::unwrap_used, reason = "a failed expectation is how a test reports")]

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use dolmen::{Session, SessionBuilder};
use tpchgen::generators::{
    CustomerGenerator, LineItemGenerator, NationGenerator, OrderGenerator, PartGenerator, PartSuppGenerator,
    RegionGenerator, SupplierGenerator,
};
use tpchgen_arrow::{
    CustomerArrow, LineItemArrow, NationArrow, OrderArrow, PartArrow, PartSuppArrow, RegionArrow, SupplierArrow,
};

const SCALE: f64 = 0.01;

fn session(threads: usize, form: &str) -> Session {
    with_tables(Session::builder().threads(threads).setting("execution_form", form))
}

/// A session whose stages run in two processes of the runner's program.
fn session_with_processes() -> Session {
    let program = env!("CARGO_BIN_EXE_dolmen-sql-tests");
    with_tables(Session::builder().threads(2).processes(2).process_program(program, Vec::new()))
}

fn with_tables(builder: SessionBuilder) -> Session {
    let session = builder.build().unwrap();
    macro_rules! table {
        ($name:literal, $arrow:ident, $generator:ident) => {
            let batches: Vec<RecordBatch> =
                $arrow::new($generator::new(SCALE, 1, 1)).collect::<Result<_, _>>().unwrap();
            session.register_batches($name, &batches).unwrap();
        };
    }
    table!("customer", CustomerArrow, CustomerGenerator);
    table!("lineitem", LineItemArrow, LineItemGenerator);
    table!("nation", NationArrow, NationGenerator);
    table!("orders", OrderArrow, OrderGenerator);
    table!("part", PartArrow, PartGenerator);
    table!("partsupp", PartSuppArrow, PartSuppGenerator);
    table!("region", RegionArrow, RegionGenerator);
    table!("supplier", SupplierArrow, SupplierGenerator);
    session
}

fn rows(batches: &[RecordBatch]) -> Vec<Vec<String>> {
    let options = FormatOptions::default().with_null("NULL");
    let mut rows = Vec::new();
    for batch in batches {
        let columns: Vec<_> =
            batch.columns().iter().map(|column| ArrayFormatter::try_new(column, &options).unwrap()).collect();
        for row in 0..batch.num_rows() {
            rows.push(columns.iter().map(|column| column.value(row).to_string()).collect());
        }
    }
    rows
}

/// Texts are equal; numbers agree to nine digits, as the other engine averages in doubles.
fn agree(ours: &str, theirs: &str) -> bool {
    match (ours.parse::<f64>(), theirs.parse::<f64>()) {
        (Ok(a), Ok(b)) => (a - b).abs() <= 1e-9 * a.abs().max(b.abs()) || (a - b).abs() <= 1e-6,
        _ => ours == theirs,
    }
}

fn check(threads: usize, form: &str) {
    let session = session(threads, form);
    (1..=22).for_each(|query| check_query(&session, query));
}

fn check_query(session: &Session, query: usize) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tpch");
    let sql = fs::read_to_string(folder.join(format!("q{query:02}.sql"))).unwrap();
    let expected = fs::read_to_string(folder.join(format!("answers/q{query:02}.tsv"))).unwrap();
    let expected: Vec<Vec<&str>> = expected.lines().map(|line| line.split('\t').collect()).collect();
    let mut statements = session.script(&sql).unwrap();
    let last = statements.pop().unwrap();
    for statement in statements {
        statement.execute_blocking().unwrap();
    }
    let answer = rows(&last.collect_blocking().unwrap_or_else(|error| panic!("Q{query}: {}", error.report())));
    assert_eq!(answer.len(), expected.len(), "Q{query}: number of rows");
    for (row, (ours, theirs)) in answer.iter().zip(&expected).enumerate() {
        let same = ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(a, b)| agree(a, b));
        assert!(same, "Q{query}, row {row}:\n  ours     {ours:?}\n  expected {theirs:?}");
    }
}

#[test]
fn answers_are_right_on_one_thread() {
    check(1, "auto");
}

#[test]
fn answers_are_right_on_two_threads() {
    check(2, "auto");
}

#[test]
fn answers_are_right_in_stages_on_one_thread() {
    check(1, "staged");
}

#[test]
fn answers_are_right_in_stages_on_two_threads() {
    check(2, "staged");
}

#[test]
fn answers_are_right_in_two_processes() {
    let session = session_with_processes();
    for query in 1..=22 {
        check_query(&session, query);
        assert_eq!(session.kept_plans(), [], "Q{query} ran here");
    }
    // Each query is a run of theirs; the last ones are remembered.
    assert!(session.processes().unwrap().recent_profiles().len() >= 10);
}

#[test]
fn a_killed_process_costs_no_answer() {
    let session = session_with_processes();
    let processes = session.processes().unwrap();
    for query in [3, 9, 18, 21] {
        let pid = processes.worker_pids()[0];
        let killer = thread::spawn(move || {
            thread::sleep(Duration::from_millis(150));
            Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap().success()
        });
        check_query(&session, query);
        assert!(killer.join().unwrap(), "the process was gone before");
        let is_replaced = || processes.worker_pids().len() == 2 && !processes.worker_pids().contains(&pid);
        for _ in 0..500 {
            if !is_replaced() {
                thread::sleep(Duration::from_millis(20));
            }
        }
        assert!(is_replaced(), "no other process came in its place");
    }
    assert_eq!(session.kept_plans(), []);
}

#[test]
fn errors_of_other_processes_are_those_of_this_one() {
    let here = session(2, "auto");
    let there = session_with_processes();
    let queries = [
        "SELECT max(l_orderkey + 9223372036854775807) FROM lineitem WHERE l_orderkey = 7",
        "SELECT sum(9223372036854775807 + 0 * l_orderkey) FROM lineitem",
        "SELECT l_shipmode, sum(l_linenumber / (l_orderkey - l_orderkey)) FROM lineitem GROUP BY 1",
        "SELECT count(CAST(l_shipmode AS INTEGER)) FROM lineitem WHERE l_shipmode = 'SHIP' GROUP BY l_linenumber",
    ];
    for query in queries {
        let [here, there] = [&here, &there].map(|session| session.sql(query).collect_blocking().unwrap_err());
        assert_eq!(std::mem::discriminant(&here), std::mem::discriminant(&there), "{query}: {here} became {there}");
        assert_eq!(here.to_string(), there.to_string(), "{query}");
    }
    assert_eq!(there.kept_plans(), []);
}

#[test]
fn what_cannot_travel_runs_here() {
    let session = session_with_processes();
    session.register_scalar("twice", |x: i64| 2 * x).unwrap();
    let sql = "SELECT n_regionkey, sum(twice(n_nationkey)) FROM nation GROUP BY 1 ORDER BY 1 LIMIT 1";
    assert_eq!(session.sql(sql).rows_blocking::<(i64, i64)>().unwrap(), [(0, 2 * (5 + 14 + 15 + 16))]);
    let reasons: Vec<String> = session.kept_plans().into_iter().map(|(reason, _)| reason.to_string()).collect();
    assert_eq!(reasons, ["function twice exists in this process only"]);
}

#[test]
fn a_query_of_processes_that_is_dropped_stops() {
    let session = session_with_processes();
    let sql = "SELECT count(*) FROM lineitem a, lineitem b WHERE a.l_partkey + b.l_partkey = 7 GROUP BY a.l_tax";
    assert!(session.sql(sql).timeout(Duration::from_millis(700)).collect_blocking().is_err());
    let processes = session.processes().unwrap();
    for _ in 0..500 {
        if !processes.running().is_empty() {
            thread::sleep(Duration::from_millis(20));
        }
    }
    assert_eq!(processes.running(), Vec::<String>::new());
    check_query(&session, 6);
    assert_eq!(processes.worker_pids().len(), 2);
}
