//! Subqueries against other engines, against a nested loop, and against DataFusion's own plans.

use std::fmt::Write;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::common::cast::{as_float64_array, as_int64_array};
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::prelude::{SessionConfig, SessionContext};

use super::install;

mod nested_loop;
mod stock_plans;

/// A context with the rule.
fn context() -> SessionContext {
    let builder = SessionStateBuilder::new()
        .with_default_features()
        .with_config(SessionConfig::new().with_target_partitions(3).with_batch_size(4));
    SessionContext::new_with_state(install(builder).build())
}

async fn run(ctx: &SessionContext, sql: &str) -> datafusion::common::Result<Vec<RecordBatch>> {
    ctx.sql(sql).await?.collect().await
}

async fn with_tables(setup: &[&str]) -> SessionContext {
    let ctx = context();
    for statement in setup {
        run(&ctx, statement).await.unwrap();
    }
    ctx
}

/// Rows as text, in the order they came: NULL, integers, booleans and text plain, doubles with six digits.
fn rows(batches: &[RecordBatch]) -> Vec<String> {
    let options = FormatOptions::default().with_null("NULL");
    let mut rows = Vec::new();
    for batch in batches {
        let columns: Vec<Vec<String>> = batch
            .columns()
            .iter()
            .map(|column| {
                let formatter = ArrayFormatter::try_new(column, &options).unwrap();
                (0..batch.num_rows())
                    .map(|row| match column.data_type() {
                        DataType::Float64 if column.is_valid(row) => {
                            format!("{:.6}", as_float64_array(column).unwrap().value(row))
                        }
                        _ => formatter.value(row).to_string(),
                    })
                    .collect()
            })
            .collect();
        for row in 0..batch.num_rows() {
            rows.push(columns.iter().map(|c| c[row].as_str()).collect::<Vec<_>>().join("|"));
        }
    }
    rows
}

/// Doubles and integers compare as numbers: engines differ in the type of some sums.
fn comparable(row: &str) -> String {
    row.split('|')
        .map(|cell| cell.parse::<f64>().map_or_else(|_| cell.to_string(), |number| format!("{number:.6}")))
        .collect::<Vec<_>>()
        .join("|")
}

fn sorted(rows: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut rows: Vec<String> = rows.into_iter().map(|row| comparable(&row)).collect();
    rows.sort();
    rows
}

const SETUP: [&str; 6] = [
    "CREATE TABLE t (a BIGINT, b BIGINT, c BIGINT) AS VALUES
        (1, 10, 5), (2, 20, NULL), (3, 20, 7), (4, NULL, 7), (NULL, 30, 1), (2, 20, NULL), (5, 5, 0)",
    "CREATE TABLE u (x BIGINT, y BIGINT, z BIGINT) AS VALUES
        (10, 1, 2), (10, 3, NULL), (20, 2, 2), (20, NULL, 4), (NULL, 4, 4), (30, 6, 6), (30, 6, 5), (5, 0, NULL)",
    "CREATE TABLE n (k BIGINT NOT NULL, v BIGINT NOT NULL)",
    "INSERT INTO n VALUES (1, 10), (2, 20), (2, 30), (3, 40)",
    "CREATE TABLE e (k BIGINT, v BIGINT)",
    "CREATE TABLE l (id BIGINT, items BIGINT[]) AS VALUES (1, [1, 2, 3]), (2, [5]), (3, NULL)",
];

/// Both files were written by the scripts beside them, whose oracles are DuckDB and SQLite.
#[tokio::test]
async fn answers_are_those_of_other_engines() {
    check_answers(include_str!("testdata/answers.txt")).await;
}

#[tokio::test]
async fn random_queries_answer_as_other_engines_do() {
    check_answers(include_str!("testdata/random.txt")).await;
}

async fn check_answers(cases: &str) {
    let ctx = with_tables(&SETUP).await;
    let mut wrong = String::new();
    let (mut n_cases, mut n_wrong) = (0, 0);
    for case in cases.split("\n\n").filter(|c| c.contains("\n----")) {
        let (query, expected) = case.split_once("\n----").unwrap();
        let expected: Vec<String> = expected.lines().skip(1).map(str::to_string).collect();
        n_cases += 1;
        let wants_error = expected.first().is_some_and(|line| line.starts_with("error:"));
        let verdict = match run(&ctx, query).await {
            Ok(batches) if !wants_error && sorted(rows(&batches)) == sorted(expected.clone()) => {
                continue;
            }
            Err(error) if wants_error && error.to_string().contains("returned more than one row") => {
                continue;
            }
            Ok(batches) => format!("got {:?}", sorted(rows(&batches))),
            Err(error) => error.to_string().chars().take(300).collect(),
        };
        n_wrong += 1;
        writeln!(wrong, "{query}\n  {verdict}\n  expected {:?}", sorted(expected)).unwrap();
    }
    assert!(n_cases > 100, "only {n_cases} cases were read");
    assert_eq!(n_wrong, 0, "{n_wrong} of {n_cases}:\n{wrong}");
}

/// Answers worked out by hand, for what the other engines do not have or write in another way.
#[tokio::test]
async fn answers_by_hand() {
    let ctx = with_tables(&SETUP).await;
    let cases: [(&str, &[&str]); 8] = [
        ("SELECT id, (SELECT sum(i) FROM unnest(l.items) AS s(i)) FROM l", &["1|6", "2|5", "3|NULL"]),
        ("SELECT id, i FROM l, LATERAL (SELECT i FROM unnest(l.items) AS s(i)) r", &["1|1", "1|2", "1|3", "2|5"]),
        // The first row per x in the order of y, of those below b.
        (
            "SELECT a, (SELECT sum(y) FROM (SELECT DISTINCT ON (x) x, y FROM u WHERE u.x < t.b ORDER BY x, y) s) FROM t \
             WHERE b = 30",
            &["NULL|3"],
        ),
        // Grouping sets without a grand total: one row for each x and one for each z below b.
        (
            "SELECT (SELECT count(*) FROM (SELECT x, z FROM u WHERE u.x < t.b GROUP BY GROUPING SETS ((x), (z))) s) \
             FROM t WHERE a = 1 OR b = 30",
            &["2", "6"],
        ),
        ("SELECT a FROM t WHERE a = 1 AND (SELECT min(x) FROM u WHERE x > t.b) = 20", &["1"]),
        // A limit that reads the outer query.
        ("SELECT a, (SELECT count(*) FROM (SELECT * FROM u LIMIT t.a) s) FROM t WHERE a < 3 AND c = 5", &["1|1"]),
        (
            "SELECT k, (SELECT array_agg(y ORDER BY y) FROM u WHERE u.x < n.v AND y IS NOT NULL) FROM n WHERE k = 1",
            &["1|[0]"],
        ),
        ("SELECT EXISTS (SELECT 1 FROM e) AS p, EXISTS (SELECT 1 FROM n) AS q", &["false|true"]),
    ];
    for (query, expected) in cases {
        let batches = run(&ctx, query).await.unwrap_or_else(|error| panic!("{query}: {error}"));
        assert_eq!(sorted(rows(&batches)), sorted(expected.iter().map(ToString::to_string)), "{query}");
    }
}

/// DataFusion keeps the order of `ORDER BY` with a subquery in it.
#[tokio::test]
async fn sorts_by_a_subquery() {
    let ctx = with_tables(&SETUP).await;
    let query =
        "SELECT a FROM t WHERE b IS NOT NULL AND c IS NOT NULL ORDER BY (SELECT count(*) FROM u WHERE u.x > t.b)";
    // Above 30 there is nothing, above 20 two rows, above 10 four, above 5 six.
    assert_eq!(rows(&run(&ctx, query).await.unwrap()), ["NULL", "3", "1", "5"]);
}

/// The names and types of the columns are those of the query as it was written.
#[tokio::test]
async fn keeps_the_schema() {
    let ctx = with_tables(&SETUP).await;
    for query in [
        "SELECT a, (SELECT count(*) FROM u WHERE u.x < t.b) FROM t",
        "SELECT t.*, (SELECT max(u.y) FROM u WHERE u.x < t.b) AS m FROM t WHERE EXISTS (SELECT count(*) FROM u WHERE u.x < t.b)",
        "SELECT b, sum((SELECT count(*) FROM u WHERE u.x < t.a)) FROM t GROUP BY b",
    ] {
        let plan = ctx.state().create_logical_plan(query).await.unwrap();
        let optimized = ctx.state().optimize(&plan).unwrap();
        assert_eq!(
            plan.schema()
                .iter()
                .map(|(q, f)| (q.cloned(), f.name().clone(), f.data_type().clone()))
                .collect::<Vec<_>>(),
            optimized
                .schema()
                .iter()
                .map(|(q, f)| (q.cloned(), f.name().clone(), f.data_type().clone()))
                .collect::<Vec<_>>(),
            "{query}"
        );
        assert!(
            plan.schema()
                .fields()
                .iter()
                .zip(optimized.schema().fields())
                .all(|(p, o)| p.is_nullable() || !o.is_nullable()),
            "{query} became nullable"
        );
    }
}

/// An outer query that may give other values the second time is refused, not answered wrongly.
#[tokio::test]
async fn refuses_an_outer_query_that_changes() {
    let ctx = with_tables(&SETUP).await;
    for query in [
        "SELECT r, (SELECT count(*) FROM u WHERE u.x < s.r) FROM (SELECT random() AS r FROM t) s",
        "SELECT r, (SELECT count(*) FROM u WHERE u.x < s.r) FROM (SELECT row_number() OVER (ORDER BY c) AS r FROM t) s",
    ] {
        let error = run(&ctx, query).await.unwrap_err().to_string();
        assert!(error.contains("evaluated a second time"), "{query}: {error}");
    }
    // A LIMIT without an order only drops rows: the subquery is computed for the rows before it as well.
    let query = "SELECT (SELECT count(*) FROM u WHERE u.x < s.b) >= 0 FROM (SELECT b FROM t LIMIT 3) s";
    assert_eq!(rows(&run(&ctx, query).await.unwrap()), ["true"; 3]);
}

/// Zero of either sign, NaN and NULL as outer values: each row meets the answer that was computed for it.
#[tokio::test]
async fn joins_back_unusual_values() {
    let ctx = context();
    run(
        &ctx,
        "CREATE TABLE f (d DOUBLE) AS VALUES (0.0), (-0.0), (arrow_cast('NaN', 'Float64')), (NULL), (1.5), (0.0)",
    )
    .await
    .unwrap();
    let query = "SELECT count(*) FROM f WHERE (SELECT count(*) FROM f AS g WHERE g.d > f.d OR f.d IS NULL) >= 0";
    assert_eq!(rows(&run(&ctx, query).await.unwrap()), ["6"]);
    let query = "SELECT (SELECT count(*) FROM f AS g WHERE g.d > 0.5 OR f.d IS NULL) FROM f";
    assert_eq!(
        sorted(rows(&run(&ctx, query).await.unwrap())),
        sorted(["2", "2", "2", "2", "2", "6"].map(String::from))
    );
}

/// The single-row check is lazy, and uncorrelated subqueries have it too.
#[tokio::test]
async fn reports_several_rows_where_the_value_is_used() {
    let ctx = with_tables(&SETUP).await;
    let query = "SELECT count(CASE WHEN b IS NULL THEN (SELECT u.y FROM u WHERE u.x = t.b) END) FROM t";
    assert_eq!(rows(&run(&ctx, query).await.unwrap()), ["0"]);
    for query in ["SELECT (SELECT u.y FROM u WHERE u.x = t.b) FROM t", "SELECT (SELECT k FROM n)"] {
        let error = run(&ctx, query).await.unwrap_err().to_string();
        assert!(error.contains("calar subquery returned more than one row"), "{query}: {error}");
    }
}

/// A user's aggregate may have any value over no rows: it is evaluated, not guessed.
#[tokio::test]
async fn evaluates_a_users_aggregate_over_no_rows() {
    use datafusion::common::{Result, ScalarValue};
    use datafusion::logical_expr::{Accumulator, Volatility, create_udaf};

    #[derive(Debug)]
    struct SevenPlusRows(i64);
    impl Accumulator for SevenPlusRows {
        fn update_batch(&mut self, values: &[datafusion::arrow::array::ArrayRef]) -> Result<()> {
            self.0 += values[0].len() as i64;
            Ok(())
        }
        fn evaluate(&mut self) -> Result<ScalarValue> {
            Ok(ScalarValue::Int64(Some(7 + self.0)))
        }
        fn size(&self) -> usize {
            size_of::<Self>()
        }
        fn state(&mut self) -> Result<Vec<ScalarValue>> {
            Ok(vec![ScalarValue::Int64(Some(self.0))])
        }
        fn merge_batch(&mut self, states: &[datafusion::arrow::array::ArrayRef]) -> Result<()> {
            self.0 += as_int64_array(&states[0])?.iter().flatten().sum::<i64>();
            Ok(())
        }
    }
    let ctx = with_tables(&SETUP).await;
    ctx.register_udaf(create_udaf(
        "seven_plus",
        vec![DataType::Int64],
        Arc::new(DataType::Int64),
        Volatility::Immutable,
        Arc::new(|_| Ok(Box::new(SevenPlusRows(0)))),
        Arc::new(vec![DataType::Int64]),
    ));
    let query = "SELECT k, (SELECT seven_plus(y) FROM u WHERE u.x > n.v) FROM n";
    assert_eq!(sorted(rows(&run(&ctx, query).await.unwrap())), sorted(["1|11", "2|9", "2|7", "3|7"].map(String::from)));
}
