//! Plans stay as good as those of the stock operators, and as readable as functions allow.

use super::*;
use datafusion::common::ScalarValue;
use datafusion::functions_aggregate::expr_fn::sum;
use datafusion::prelude::{CsvReadOptions, col, lit};

/// The text of an optimized logical plan.
async fn optimized(ctx: &SessionContext, sql: &str) -> String {
    let frame = ctx.sql(sql).await.unwrap();
    frame.into_optimized_plan().unwrap().to_string()
}

async fn physical(ctx: &SessionContext, sql: &str) -> String {
    let plan = ctx.sql(sql).await.unwrap().create_physical_plan().await.unwrap();
    datafusion::physical_plan::displayable(plan.as_ref()).indent(false).to_string()
}

fn tables() -> SessionContext {
    let ctx = session();
    add_table(&ctx, "t", 1, &[("a", &[Some(1), Some(2)]), ("b", &[Some(3), Some(4)])]);
    add_table(&ctx, "u", 1, &[("a", &[Some(1), Some(2)]), ("c", &[Some(3), Some(4)])]);
    ctx
}

#[tokio::test]
async fn explain_names_the_checked_functions() {
    let ctx = tables();
    let plan = optimized(&ctx, "SELECT a + b * 2 AS x, -a, sum(b) FROM t GROUP BY a, b").await;
    assert_eq!(
        plan,
        "Projection: checked_add(t.a, checked_multiply(t.b, Int64(2))) AS x, checked_negate(t.a), sum(t.b)\n  \
           Aggregate: groupBy=[[t.a, t.b]], aggr=[[sum(t.b)]]\n    \
             TableScan: t projection=[a, b]"
    );
}

#[tokio::test]
async fn output_columns_keep_their_names() {
    let guarded = tables();
    let stock = SessionContext::new();
    for name in ["t", "u"] {
        stock.register_table(name, guarded.table_provider(name).await.unwrap()).unwrap();
    }
    for sql in [
        "SELECT a + b, a - 1, (a + b) * 2, -a, -(a + b), sum(a), sum(a + 1), sum(DISTINCT a) FROM t GROUP BY a, b",
        "SELECT sum(a * 2) OVER (ORDER BY a + b), abs(a - b) FROM t",
        "SELECT a + b FROM t GROUP BY a + b HAVING sum(a + 1) > 0 ORDER BY a + b",
        "SELECT (SELECT max(c + 1) FROM u WHERE u.a = t.a) + 1 FROM t",
    ] {
        let names = |batches: Vec<RecordBatch>| {
            let schema = batches[0].schema();
            schema.fields().iter().map(|field| (field.name().clone(), field.data_type().clone())).collect::<Vec<_>>()
        };
        let actual = names(guarded.sql(sql).await.unwrap().collect().await.unwrap());
        let expected = names(stock.sql(sql).await.unwrap().collect().await.unwrap());
        assert_eq!(actual, expected, "{sql}");
    }
}

#[tokio::test]
async fn constants_fold_and_filters_are_pushed_down() {
    let ctx = tables();
    let plan = optimized(&ctx, "SELECT a FROM t WHERE a > 5 + 1 * 2").await;
    assert!(plan.contains("t.a > Int64(7)"), "{plan}");
    let plan = optimized(&ctx, "SELECT x FROM (SELECT a + 0 AS x, b FROM t) WHERE x * 1 > -(-3)").await;
    assert!(plan.contains("t.a > Int64(3)") && !plan.contains("checked"), "{plan}");
    let plan = optimized(&ctx, "SELECT x FROM (SELECT a + b AS x, b FROM t) WHERE x > 1").await;
    assert!(plan.contains("Filter: checked_add(t.a, t.b) > Int64(1)"), "{plan}");
    let plan = optimized(&ctx, "SELECT a + NULL::BIGINT, a * 0 FROM t WHERE a IS NOT NULL").await;
    assert!(plan.contains("Int64(NULL)"), "{plan}");
}

#[tokio::test]
async fn parquet_predicates_on_folded_constants_prune() {
    let ctx = tables();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.parquet");
    let path = path.to_str().unwrap();
    ctx.table("t").await.unwrap().write_parquet(path, Default::default(), None).await.unwrap();
    ctx.register_parquet("p", path, Default::default()).await.unwrap();
    let plan = physical(&ctx, "SELECT a FROM p WHERE a > 5 + 1").await;
    assert!(plan.contains("a_max@0 > 6"), "{plan}");
}

#[tokio::test]
async fn join_keys_may_be_checked_arithmetic() {
    let ctx = tables();
    let plan = optimized(&ctx, "SELECT * FROM t JOIN u ON t.a + 1 = u.a * 2").await;
    assert!(plan.contains("Inner Join: checked_add(t.a, Int64(1)) = checked_multiply(u.a, Int64(2))"), "{plan}");
}

#[tokio::test]
async fn common_subexpressions_are_computed_once() {
    let ctx = tables();
    let plan = optimized(&ctx, "SELECT a * b + 1, a * b + 2 FROM t").await;
    assert_eq!(plan.matches("checked_multiply").count(), 1, "{plan}");
}

#[tokio::test]
async fn single_distinct_sums_are_grouped() {
    let ctx = tables();
    let plan = optimized(&ctx, "SELECT sum(DISTINCT a) FROM t").await;
    assert!(plan.contains("groupBy=[[t.a AS alias1]]"), "{plan}");
}

#[tokio::test]
async fn monotone_arithmetic_keeps_the_order_of_its_input() {
    let ctx = session();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.csv");
    std::fs::write(&path, "a\n1\n2\n3\n").unwrap();
    let order = vec![vec![col("a").sort(true, false)]];
    let options = CsvReadOptions::new().file_sort_order(order);
    ctx.register_csv("s", path.to_str().unwrap(), options).await.unwrap();
    for (sql, sorts) in [
        ("SELECT a + 1 AS x FROM s ORDER BY x", false),
        ("SELECT a - 1 AS x FROM s ORDER BY x", false),
        ("SELECT 7 - a AS x FROM s ORDER BY x DESC NULLS LAST", false),
        ("SELECT -a AS x FROM s ORDER BY x DESC NULLS LAST", false),
        ("SELECT a - a AS x FROM s ORDER BY x", true),
        ("SELECT a * a AS x FROM s ORDER BY x", true),
    ] {
        let plan = physical(&ctx, sql).await;
        assert_eq!(plan.contains("SortExec"), sorts, "{sql}\n{plan}");
    }
}

#[tokio::test]
async fn the_stock_sum_of_the_expression_api_is_replaced() {
    let ctx = session();
    add_table(&ctx, "t", 1, &[("a", &[Some(i64::MAX), Some(1)])]);
    let frame = ctx.table("t").await.unwrap().aggregate(vec![], vec![sum(col("a"))]).unwrap();
    let error = frame.collect().await.unwrap_err();
    assert!(matches!(overflow_of(&error), Some(OverflowError::Sum { .. })), "{error}");

    let frame = ctx.table("t").await.unwrap().select(vec![col("a") + lit(1_i64)]).unwrap();
    let error = frame.collect().await.unwrap_err();
    assert!(matches!(overflow_of(&error), Some(OverflowError::Arithmetic { .. })), "{error}");
}

#[test]
fn bounds_are_those_of_the_operator() {
    use datafusion::logical_expr::interval_arithmetic::Interval;
    let interval = |low: i64, high: i64| Interval::make(Some(low), Some(high)).unwrap();
    let add = super::super::ArithmeticOperator::Add.function();
    let (left, right) = (interval(1, 2), interval(10, 20));
    assert_eq!(add.evaluate_bounds(&[&left, &right]).unwrap(), interval(11, 22));
    let narrowed = add.propagate_constraints(&interval(12, 12), &[&left, &right]).unwrap().unwrap();
    assert_eq!(narrowed, [interval(1, 2), interval(10, 11)]);
    assert_eq!(narrowed[0].lower(), &ScalarValue::Int64(Some(1)));
}
