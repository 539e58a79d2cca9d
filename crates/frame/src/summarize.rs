//! `SUMMARIZE`: one row of statistics per column, computed in one pass.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, Float64Builder, Int64Builder, RecordBatch, StringBuilder};
use datafusion::arrow::datatypes::{DataType, Field, Float64Type, Int64Type, Schema, SchemaRef, UInt64Type};
use datafusion::common::{Column, ScalarValue};
use datafusion::error::{DataFusionError, Result as DataFusionResult};
use datafusion::functions_aggregate::expr_fn::{approx_distinct, approx_percentile_cont, avg, count, max, min, stddev};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, cast, lit};

use crate::sql_type::sql_type_name;

/// Statistics computed per column, in the order of the aggregates.
const N_STATISTICS: usize = 9;

/// The columns of the answer.
pub(crate) fn summary_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("column_name", DataType::Utf8, false),
        Field::new("column_type", DataType::Utf8, false),
        Field::new("min", DataType::Utf8, true),
        Field::new("max", DataType::Utf8, true),
        Field::new("approx_unique", DataType::Int64, true),
        Field::new("avg", DataType::Float64, true),
        Field::new("std", DataType::Float64, true),
        Field::new("q25", DataType::Float64, true),
        Field::new("q50", DataType::Float64, true),
        Field::new("q75", DataType::Float64, true),
        Field::new("count", DataType::Int64, false),
        Field::new("null_percentage", DataType::Float64, true),
    ]))
}

/// The plan of one aggregation that computes every statistic of every column of `input` as one row.
pub(crate) fn summary_plan(input: LogicalPlan) -> DataFusionResult<LogicalPlan> {
    let columns = input.schema().columns();
    let mut aggregates = vec![count(lit(1_i64)).alias("rows")];
    for (idx, (column, field)) in columns.into_iter().zip(input.schema().fields()).enumerate() {
        let statistics = column_statistics(column, field.data_type());
        aggregates.extend(statistics.into_iter().enumerate().map(|(n, expr)| expr.alias(format!("{idx}:{n}"))));
    }
    LogicalPlanBuilder::from(input).aggregate(Vec::<Expr>::new(), aggregates)?.build()
}

fn column_statistics(column: Column, data_type: &DataType) -> [Expr; N_STATISTICS] {
    let value = Expr::Column(column);
    let text = |expr| cast(expr, DataType::Utf8);
    let nothing = |data_type: &DataType| max(lit(ScalarValue::try_from(data_type).unwrap_or(ScalarValue::Null)));
    let is_text = matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    let is_ordered = data_type.is_primitive() || is_text || matches!(data_type, DataType::Boolean);
    let is_number = data_type.is_numeric();
    let double = cast(value.clone(), DataType::Float64);
    // A NaN has no place in an order; a quantile of the rest is what a reader expects.
    let quantile = |p: f64| match is_number {
        true => approx_percentile_cont(double.clone().sort(true, false), lit(p), None),
        false => nothing(&DataType::Float64),
    };
    [
        if is_ordered { text(min(value.clone())) } else { nothing(&DataType::Utf8) },
        if is_ordered { text(max(value.clone())) } else { nothing(&DataType::Utf8) },
        if is_ordered { approx_distinct(text(value.clone())) } else { nothing(&DataType::UInt64) },
        if is_number { avg(double.clone()) } else { nothing(&DataType::Float64) },
        if is_number { stddev(double.clone()) } else { nothing(&DataType::Float64) },
        quantile(0.25),
        quantile(0.5),
        quantile(0.75),
        count(value),
    ]
}

/// Turns the one row of [`summary_plan`] into a row per column of `input`, named `names`.
pub(crate) fn summary_rows(row: &RecordBatch, input: &Schema, names: &[String]) -> DataFusionResult<RecordBatch> {
    let cell = |column: usize, n: usize| row.column(1 + column * N_STATISTICS + n);
    let rows = row.column(0).as_primitive::<Int64Type>().value(0);
    let mut texts: [StringBuilder; 4] = std::array::from_fn(|_| StringBuilder::new());
    let mut doubles: [Float64Builder; 6] = std::array::from_fn(|_| Float64Builder::new());
    let mut integers: [Int64Builder; 2] = std::array::from_fn(|_| Int64Builder::new());
    for (idx, field) in input.fields().iter().enumerate() {
        texts[0].append_value(&names[idx]);
        texts[1].append_value(sql_type_name(field.data_type()));
        for n in 0..2 {
            texts[2 + n].append_option(text_of(cell(idx, n))?);
        }
        integers[0].append_option(unsigned(cell(idx, 2)));
        for n in 3..8 {
            doubles[n - 3].append_option(float(cell(idx, n)));
        }
        integers[1].append_value(rows);
        let present = cell(idx, 8).as_primitive::<Int64Type>().value(0);
        doubles[5].append_option((rows > 0).then(|| 100.0 * (rows - present) as f64 / rows as f64));
    }
    let [name, column_type, low, high] = &mut texts;
    let [unique, total] = &mut integers;
    let [mean, deviation, q25, q50, q75, nulls] = &mut doubles;
    let columns: Vec<ArrayRef> = vec![
        Arc::new(name.finish()),
        Arc::new(column_type.finish()),
        Arc::new(low.finish()),
        Arc::new(high.finish()),
        Arc::new(unique.finish()),
        Arc::new(mean.finish()),
        Arc::new(deviation.finish()),
        Arc::new(q25.finish()),
        Arc::new(q50.finish()),
        Arc::new(q75.finish()),
        Arc::new(total.finish()),
        Arc::new(nulls.finish()),
    ];
    Ok(RecordBatch::try_new(summary_schema(), columns)?)
}

fn text_of(array: &ArrayRef) -> DataFusionResult<Option<String>> {
    match ScalarValue::try_from_array(array, 0)? {
        ScalarValue::Utf8(text) | ScalarValue::LargeUtf8(text) | ScalarValue::Utf8View(text) => Ok(text),
        other => Err(DataFusionError::Internal(format!("a minimum as text came as {}", other.data_type()))),
    }
}

fn float(array: &ArrayRef) -> Option<f64> {
    let floats = array.as_primitive_opt::<Float64Type>()?;
    floats.iter().next().flatten()
}

fn unsigned(array: &ArrayRef) -> Option<i64> {
    let counts = array.as_primitive_opt::<UInt64Type>()?;
    counts.iter().next().flatten().and_then(|count| i64::try_from(count).ok())
}

/// The columns of the answer to `DESCRIBE`.
pub(crate) fn describe_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("column_name", DataType::Utf8, false),
        Field::new("data_type", DataType::Utf8, false),
        Field::new("is_nullable", DataType::Utf8, false),
    ]))
}

/// `DESCRIBE`: name, SQL type and nullability of every column.
pub(crate) fn describe_rows(input: &Schema, names: &[String]) -> DataFusionResult<RecordBatch> {
    let mut columns: [StringBuilder; 3] = std::array::from_fn(|_| StringBuilder::new());
    for (field, name) in input.fields().iter().zip(names) {
        columns[0].append_value(name);
        columns[1].append_value(sql_type_name(field.data_type()));
        columns[2].append_value(if field.is_nullable() { "YES" } else { "NO" });
    }
    let columns = columns.map(|mut column| Arc::new(column.finish()) as ArrayRef).to_vec();
    Ok(RecordBatch::try_new(describe_schema(), columns)?)
}
