//! What EXPLAIN ANALYZE tells of memory and spills.

use dolmen::{Session, parse_bytes};

fn session(form: &str, memory_limit: u64) -> Session {
    Session::builder().threads(2).memory_limit(memory_limit).setting("execution_form", form).build().unwrap()
}

/// The lines of operators of a kind.
pub(crate) fn operators(plan: &str, name: &str) -> Vec<String> {
    let lines = plan.lines().map(str::trim).filter(|line| line.starts_with(name));
    lines.map(str::to_owned).collect()
}

/// The metric of an operator, `None` if it has none of that name.
fn metric(operator: &str, name: &str) -> Option<String> {
    let (_, metrics) = operator.split_once("metrics=[")?;
    let (_, value) = metrics.split_once(&format!("{name}="))?;
    Some(value.split([',', ']']).next().unwrap().to_owned())
}

fn bytes(operator: &str, name: &str) -> u64 {
    let text = metric(operator, name).unwrap_or_else(|| panic!("no {name} in {operator}"));
    // DataFusion writes binary units without their `i`.
    parse_bytes(&text.replace("KB", "KiB").replace("MB", "MiB")).unwrap()
}

/// Rows and files, which are written as `12` or `1.50 K`; `None` of an operator that has not run.
pub(crate) fn counted(operator: &str, name: &str) -> Option<f64> {
    let text = metric(operator, name)?;
    let (number, unit) = text.split_once(' ').unwrap_or((&text, ""));
    Some(number.parse::<f64>().unwrap() * if unit == "K" { 1e3 } else { 1.0 })
}

fn number(operator: &str, name: &str) -> f64 {
    counted(operator, name).unwrap_or_else(|| panic!("no {name} in {operator}"))
}

const SORT: &str = "SELECT max(r) FROM (SELECT row_number() OVER (ORDER BY t) AS r FROM \
                    (SELECT md5(x::text) || x AS t FROM range(400000) AS r(x)))";
const GROUPS: &str = "SELECT count(*) FROM (SELECT md5(x::text) AS t, count(*) FROM range(400000) AS r(x) GROUP BY t)";

#[test]
fn a_sort_that_spills_says_how_much() {
    for form in ["pipelined", "staged"] {
        let builder = Session::builder().threads(1).memory_limit(24 << 20).setting("execution_form", form);
        let plan = builder.build().unwrap().sql(SORT).explain_analyze_blocking().unwrap();
        let sorts = operators(&plan, "SortExec");
        assert_eq!(sorts.len(), 1, "{plan}");
        let peak = bytes(&sorts[0], "peak_memory");
        assert!((2 << 20..=24 << 20).contains(&peak), "{plan}");
        // Some 40 bytes a row.
        assert!(bytes(&sorts[0], "spilled_bytes") > 4 << 20, "{plan}");
        assert!(number(&sorts[0], "spill_count") >= 1.0 && number(&sorts[0], "spilled_rows") > 100_000.0, "{plan}");
    }
}

#[test]
fn an_aggregate_that_spills_says_how_much() {
    let plan = session("pipelined", 24 << 20).sql(GROUPS).explain_analyze_blocking().unwrap();
    let last = &operators(&plan, "AggregateExec: mode=FinalPartitioned")[0];
    assert!(number(last, "spill_count") >= 1.0 && number(last, "spilled_rows") > 1000.0, "{plan}");
    assert!(bytes(last, "spilled_bytes") > 1 << 20, "{plan}");
    assert!((1 << 20..=24 << 20).contains(&bytes(last, "peak_memory")), "{plan}");
}

#[test]
fn joins_of_one_kind_have_their_own_peaks() {
    let session = session("pipelined", 1 << 30);
    for (name, n) in [("small", 20_000), ("large", 200_000), ("facts", 400_000)] {
        let create = format!("CREATE TABLE {name} AS SELECT x AS k, x + 1 AS v FROM range({n}) AS r(x)");
        session.sql(create).execute_blocking().unwrap();
    }
    let sql = "SELECT sum(s.v) FROM facts f JOIN small s ON f.k = s.k \
               UNION ALL SELECT sum(l.v) FROM facts f JOIN large l ON f.k = l.k";
    let plan = session.sql(sql).explain_analyze_blocking().unwrap();
    let joins = operators(&plan, "HashJoinExec");
    assert_eq!(joins.len(), 2, "{plan}");
    let mut peaks: Vec<u64> = joins.iter().map(|join| bytes(join, "peak_memory")).collect();
    peaks.sort_unstable();
    // Two numbers a row, and a table of the keys of about as much again.
    for (peak, n) in peaks.iter().zip([20_000, 200_000]) {
        let rows = 16 * n;
        assert!((rows..8 * rows).contains(peak), "{peak} for {rows} bytes of rows\n{plan}");
    }
    // Who reads holds nothing.
    for scan in operators(&plan, "DataSourceExec") {
        assert_eq!(metric(&scan, "peak_memory"), None, "{plan}");
    }
}

#[test]
fn every_join_and_window_has_a_peak() {
    let session = session("pipelined", 1 << 30);
    session.sql("CREATE TABLE t AS SELECT x AS k, x % 100 AS g FROM range(20000) AS r(x)").execute_blocking().unwrap();
    let nested = "SELECT count(*) FROM t a JOIN (SELECT * FROM t LIMIT 50) b ON a.k < b.k";
    let cross = "SELECT count(*) FROM t a, (SELECT * FROM t LIMIT 50) b WHERE a.k + b.k > a.g * b.g OR a.k IS NULL";
    let cases = [
        ("NestedLoopJoinExec", nested),
        ("NestedLoopJoinExec", cross),
        ("SortExec", "SELECT k FROM t ORDER BY g, k"),
        ("RepartitionExec", "SELECT count(*) FROM (SELECT k, count(*) FROM t GROUP BY k)"),
    ];
    for (operator, sql) in cases {
        let plan = session.sql(sql).explain_analyze_blocking().unwrap();
        let peak = operators(&plan, operator).iter().filter_map(|line| metric(line, "peak_memory")).count();
        assert!(peak > 0, "{operator} has no peak:\n{plan}");
    }
    session.set("datafusion.optimizer.prefer_hash_join", "false").unwrap();
    let plan = session.sql("SELECT count(*) FROM t a JOIN t b ON a.g = b.g").explain_analyze_blocking().unwrap();
    assert!(metric(&operators(&plan, "SortMergeJoinExec")[0], "peak_memory").is_some(), "{plan}");
}

#[test]
fn what_holds_nothing_says_nothing() {
    // With a second partition, what is on its way to it would be counted.
    let session = Session::builder().threads(1).build().unwrap();
    let plan = session.sql("SELECT x + 1 FROM range(1000) AS r(x) WHERE x > 5").explain_analyze_blocking().unwrap();
    assert!(plan.contains("metrics=[output_rows=994"), "{plan}");
    assert!(!plan.contains("peak_memory") && !plan.contains("spill"), "{plan}");
}

#[test]
fn a_plan_in_stages_is_shown_in_stages() {
    let session = session("auto", 24 << 20);
    // A limit that stages are made for.
    session
        .sql("CREATE TABLE t AS SELECT x AS k, x % 3000 AS g FROM range(400000) AS r(x)")
        .execute_blocking()
        .unwrap();
    let sql = "SELECT g, count(*) FROM (SELECT k, g, count(*) FROM t GROUP BY k, g) GROUP BY g ORDER BY g LIMIT 5";
    let tasks: Vec<(String, String)> = session.sql(format!("EXPLAIN TASKS {sql}")).rows_blocking().unwrap();
    let heads = |plan: &str| {
        let heads = plan.lines().filter(|line| line.contains(": ") && line.contains("task") && !line.starts_with(' '));
        heads.map(|line| line.split(", makes").next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert!(heads(&tasks[0].1).len() > 2, "{tasks:?}");
    let plan = session.sql(sql).explain_analyze_blocking().unwrap();
    assert_eq!(heads(&plan), heads(&tasks[0].1));
    let scan = &operators(&plan, "AggregateExec: mode=Partial")[0];
    assert!(number(scan, "output_rows") > 0.0 && plan.contains("Rows between stages: "), "{plan}");
    let verbose: Vec<(String, String)> = session.sql(format!("EXPLAIN ANALYZE VERBOSE {sql}")).rows_blocking().unwrap();
    let kinds: Vec<_> = verbose.iter().map(|(kind, _)| kind.as_str()).collect();
    assert_eq!(kinds, ["Plan with Metrics", "Plan with Full Metrics", "Output Rows", "Duration"]);
    assert_eq!(verbose[2].1, "5");
}

#[test]
fn a_plan_that_ran_again_says_so() {
    let sql = "WITH t AS (SELECT x AS k, 'a text of some length ' || x AS s FROM range(1500000) AS r(x)) \
               SELECT count(*) FROM t a JOIN t b ON a.k = b.k AND a.s = b.s";
    let plan = session("auto", 40 << 20).sql(sql).explain_analyze_blocking().unwrap();
    assert!(plan.starts_with("It found no memory in one piece, and ran again in stages.\n"), "{plan}");
    assert!(operators(&plan, "HashJoinExec").iter().all(|join| bytes(join, "peak_memory") > 1 << 20), "{plan}");
    let error = session("pipelined", 40 << 20).sql(sql).explain_analyze_blocking().unwrap_err();
    assert!(error.to_string().contains("memory"), "{error}");
}

#[test]
fn errors_of_planning_come_before_anything_runs() {
    for form in ["pipelined", "auto", "staged"] {
        let session = session(form, 1 << 30);
        let plain = session.sql("SELECT nothing FROM range(5) AS r(x)").collect_blocking().unwrap_err();
        let analyzed = session.sql("SELECT nothing FROM range(5) AS r(x)").explain_analyze_blocking().unwrap_err();
        assert_eq!(plain.to_string(), analyzed.to_string());
    }
}
