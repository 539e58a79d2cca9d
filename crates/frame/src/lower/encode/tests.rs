//! Plans survive their bytes, or are refused.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch};
use datafusion::arrow::compute::CastOptions;
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::format::DEFAULT_CAST_OPTIONS;
use datafusion::common::metadata::FieldMetadata;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::execution::TaskContext;
use datafusion::logical_expr::{ColumnarValue, Operator, Volatility, create_udf};
use datafusion::physical_expr::expressions::{BinaryExpr, CastExpr, Literal, col, lit};
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};
use datafusion::physical_plan::filter::FilterExecBuilder;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::{ExecutionPlan, collect};
use datafusion::scalar::ScalarValue;

use super::*;

fn table() -> Arc<dyn ExecutionPlan> {
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![i64::MAX, 1, 2]));
    let batch = RecordBatch::try_from_iter_with_nullable([("a", numbers, true)]).unwrap();
    MemorySourceConfig::try_new_exec(&[vec![batch.clone()]], batch.schema(), None).unwrap()
}

fn of(expr: Arc<dyn PhysicalExpr>) -> Arc<dyn ExecutionPlan> {
    Arc::new(ProjectionExec::try_new(vec![(expr, "x".to_owned())], table()).unwrap())
}

fn context() -> Arc<TaskContext> {
    let runtime = Arc::default();
    let state = crate::state::build_state(runtime, 2, None, &[], Vec::new()).unwrap();
    Arc::new(TaskContext::from(&state))
}

fn through_bytes(plan: &Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>, NotPortable> {
    let context = context();
    let bytes = encode(plan, &Outside::default(), &context)?;
    Ok(decode(&bytes, &context).unwrap().0)
}

fn a() -> Arc<dyn PhysicalExpr> {
    col("a", &table().schema()).unwrap()
}

#[tokio::test]
async fn an_operator_that_fails_on_overflow_still_does() {
    for is_checked in [true, false] {
        let inner = BinaryExpr::new(a(), Operator::Plus, lit(1_i64)).with_fail_on_overflow(is_checked);
        // DataFusion writes equal operators as one.
        let plan = of(Arc::new(BinaryExpr::new(Arc::new(inner), Operator::Plus, lit(0_i64))));
        let decoded = through_bytes(&plan).unwrap();
        assert_eq!(collect(plan, context()).await.is_err(), is_checked);
        assert_eq!(collect(decoded, context()).await.is_err(), is_checked);
    }
}

#[tokio::test]
async fn a_cast_keeps_its_options_and_its_field() {
    let safe = CastOptions { safe: true, ..DEFAULT_CAST_OPTIONS };
    let field = Field::new("f", DataType::Int8, true).with_metadata([("unit".to_owned(), "m".to_owned())].into());
    for cast in [
        CastExpr::new(a(), DataType::Int8, Some(safe.clone())),
        CastExpr::new_with_target_field(a(), Arc::new(field), Some(safe)),
    ] {
        let plan = of(Arc::new(cast));
        let decoded = through_bytes(&plan).unwrap();
        assert_eq!(decoded.schema(), plan.schema());
        assert_eq!(collect(decoded, context()).await.unwrap(), collect(plan, context()).await.unwrap());
    }
}

#[test]
fn a_constant_keeps_its_metadata() {
    let metadata = FieldMetadata::from(std::collections::HashMap::from([("unit".to_owned(), "m".to_owned())]));
    let plan = of(Arc::new(Literal::new_with_metadata(ScalarValue::from(1_i64), Some(metadata))));
    assert_eq!(through_bytes(&plan).unwrap().schema(), plan.schema());
}

#[test]
fn a_function_of_this_process_is_named() {
    let nothing = Arc::new(|_: &[ColumnarValue]| Ok(ColumnarValue::from(ScalarValue::from(1_i64))));
    let function = create_udf("mine", vec![DataType::Int64], DataType::Int64, Volatility::Volatile, nothing);
    let field = Arc::new(Field::new("mine", DataType::Int64, true));
    let call = ScalarFunctionExpr::new("mine", Arc::new(function), vec![a()], field, Arc::default());
    let error = through_bytes(&of(Arc::new(call))).unwrap_err();
    assert_eq!(error, NotPortable::Function { name: "mine".to_owned() });
    assert_eq!(error.to_string(), "function mine exists in this process only");
}

#[test]
fn a_limit_that_the_encoding_cannot_hold_is_refused() {
    let predicate: Arc<dyn PhysicalExpr> = Arc::new(BinaryExpr::new(a(), Operator::Gt, lit(0_i64)));
    let filter = |fetch| {
        let filter = FilterExecBuilder::new(Arc::clone(&predicate), table()).with_fetch(Some(fetch)).build().unwrap();
        through_bytes(&(Arc::new(filter) as Arc<dyn ExecutionPlan>))
    };
    assert!(filter(1).is_ok());
    let error = filter(usize::try_from(u32::MAX).unwrap() + 2).unwrap_err();
    assert!(matches!(error, NotPortable::Changed { .. }), "{error}");
}

#[test]
fn rows_without_columns_are_counted() {
    let schema = Arc::new(Schema::empty());
    let options = datafusion::arrow::array::RecordBatchOptions::new().with_row_count(Some(7));
    let batch = RecordBatch::try_new_with_options(Arc::clone(&schema), Vec::new(), &options).unwrap();
    let plan: Arc<dyn ExecutionPlan> = MemorySourceConfig::try_new_exec(&[vec![batch]], schema, None).unwrap();
    let decoded = through_bytes(&plan).unwrap();
    let rows = futures::executor::block_on(collect(decoded, context())).unwrap();
    assert_eq!(rows.iter().map(RecordBatch::num_rows).sum::<usize>(), 7);
}

#[test]
fn bytes_that_are_no_plan_are_an_error() {
    let bytes = encode(&table(), &Outside::default(), &context()).unwrap();
    for end in [0, 3, 4, 10, bytes.len() - 5] {
        assert!(decode(&bytes[..end], &context()).is_err(), "{end} bytes");
    }
}
