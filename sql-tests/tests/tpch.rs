//! TPC-H's queries at scale factor 0.01 against the answers of another engine (tpch/answers, made by oracle/tpch.py).

#![allow(clippy::unwrap_used, reason = "a failed expectation is how a test reports")]

use std::fs;
use std::path::Path;

use arrow::array::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use dolmen::Session;
use tpchgen::generators::{
    CustomerGenerator, LineItemGenerator, NationGenerator, OrderGenerator, PartGenerator, PartSuppGenerator,
    RegionGenerator, SupplierGenerator,
};
use tpchgen_arrow::{
    CustomerArrow, LineItemArrow, NationArrow, OrderArrow, PartArrow, PartSuppArrow, RegionArrow, SupplierArrow,
};

const SCALE: f64 = 0.01;

fn session(threads: usize, form: &str) -> Session {
    let session = Session::builder().threads(threads).setting("execution_form", form).build().unwrap();
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
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tpch");
    for query in 1..=22 {
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
