//! The check survives the encoding of logical and physical plans.

use super::*;
use datafusion::physical_plan::collect;
use datafusion_proto::bytes::{
    logical_plan_from_bytes, logical_plan_to_bytes, physical_plan_from_bytes, physical_plan_to_bytes,
};

const QUERIES: [&str; 7] = [
    "SELECT a + 1 FROM t",
    "SELECT a * b FROM t",
    "SELECT -a - 2 FROM t",
    "SELECT sum(a) FROM t",
    "SELECT g, sum(a) FROM t GROUP BY g",
    "SELECT sum(DISTINCT a), count(b) FROM t",
    "SELECT sum(a) OVER (ORDER BY b ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM t",
];

const ANSWERED: &str = "SELECT g, sum(b) + 1, sum(b - 1), -g FROM t GROUP BY g ORDER BY g";

/// A guarded session with a table in a file, so that its plans can be encoded.
async fn session_over(path: &str) -> SessionContext {
    let ctx = session();
    let sql = format!(
        "CREATE EXTERNAL TABLE t (g BIGINT, a BIGINT, b BIGINT) STORED AS CSV LOCATION '{path}' \
         OPTIONS ('format.has_header' 'false')"
    );
    ctx.sql(&sql).await.unwrap().collect().await.unwrap();
    ctx
}

fn file() -> tempfile::NamedTempFile {
    let file = tempfile::Builder::new().suffix(".csv").tempfile().unwrap();
    std::fs::write(&file, "1,9223372036854775807,2\n1,5,3\n2,6,4\n").unwrap();
    file
}

async fn through_logical(sql: &str, path: &str) -> Result<Vec<String>, DataFusionError> {
    let plan = session_over(path).await.sql(sql).await?.into_optimized_plan()?;
    let bytes = logical_plan_to_bytes(&plan)?;
    let fresh = session();
    let plan = logical_plan_from_bytes(&bytes, &fresh.task_ctx())?;
    // No analyzer runs here: what was decoded is what is executed.
    let plan = fresh.state().query_planner().create_physical_plan(&plan, &fresh.state()).await?;
    Ok(lines(&collect(plan, fresh.task_ctx()).await?))
}

async fn through_physical(sql: &str, path: &str) -> Result<Vec<String>, DataFusionError> {
    let plan = session_over(path).await.sql(sql).await?.create_physical_plan().await?;
    let bytes = physical_plan_to_bytes(plan)?;
    let fresh = session();
    let plan = physical_plan_from_bytes(&bytes, &fresh.task_ctx())?;
    Ok(lines(&collect(plan, fresh.task_ctx()).await?))
}

#[tokio::test]
async fn decoded_plans_fail_as_the_originals_do() {
    let file = file();
    let path = file.path().to_str().unwrap();
    for sql in QUERIES {
        let direct = overflow(&session_over(path).await, sql).await;
        for result in [through_logical(sql, path).await, through_physical(sql, path).await] {
            let error = result.expect_err(sql);
            assert_eq!(overflow_of(&error), Some(direct.clone()), "{sql}: {error}");
        }
    }
}

#[tokio::test]
async fn decoded_plans_answer_as_the_originals_do() {
    let file = file();
    let path = file.path().to_str().unwrap();
    let expected = ["1|6|3|-1", "2|5|3|-2"];
    assert_eq!(through_logical(ANSWERED, path).await.unwrap(), expected);
    assert_eq!(through_physical(ANSWERED, path).await.unwrap(), expected);
}
