//! Which values a plan gives again when it is evaluated a second time.
//!
//! The rewrite evaluates an outer query once for its rows and once more for the domain of its subquery. A row whose
//! values differ between the two would find no partner and silently take the answer of an empty subquery.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, Result};
use datafusion::logical_expr::expr::{AggregateFunction, ScalarFunction, WindowFunction};
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{
    Aggregate, Distinct, Expr, ExprSchemable, Join, JoinType, LogicalPlan, WindowFunctionDefinition,
};

use super::build::column_at;
use super::references::subquery_of;
use super::single_row::is_single_row;

/// A plan and expressions over it that give at least the values that `values` have over `plan`, and the same ones each
/// time; `None` if there is none.
///
/// More values are fine for a domain, so a node that only drops rows is skipped where it is not reproducible itself.
pub(super) fn reproducible(plan: &LogicalPlan, values: Vec<Expr>) -> Result<Option<(LogicalPlan, Vec<Expr>)>> {
    if let Some(columns) = unstable_columns(plan)?
        && values.iter().all(|value| !is_unstable(value, plan.schema(), &columns))
    {
        return Ok(Some((plan.clone(), values)));
    }
    match plan {
        LogicalPlan::Projection(projection) => {
            let values = substitute(values, &projection.schema, &projection.expr)?;
            reproducible(&projection.input, values)
        }
        LogicalPlan::SubqueryAlias(alias) => {
            let inner: Vec<Expr> = alias.input.schema().columns().into_iter().map(Expr::Column).collect();
            reproducible(&alias.input, substitute(values, &alias.schema, &inner)?)
        }
        // There is a group for a value exactly if there is a row with it.
        LogicalPlan::Aggregate(aggregate)
            if !aggregate.group_expr.iter().any(|e| matches!(e, Expr::GroupingSet(_)))
                && reads_only_groups(&values, aggregate) =>
        {
            let exprs = [aggregate.group_expr.as_slice(), aggregate.aggr_expr.as_slice()].concat();
            reproducible(&aggregate.input, substitute(values, &aggregate.schema, &exprs)?)
        }
        LogicalPlan::Filter(filter) => reproducible(&filter.input, values),
        LogicalPlan::Sort(sort) => reproducible(&sort.input, values),
        LogicalPlan::Limit(limit) => reproducible(&limit.input, values),
        LogicalPlan::Distinct(Distinct::All(input)) => reproducible(input, values),
        LogicalPlan::Window(window) if reads_only(&values, window.input.schema()) => {
            reproducible(&window.input, values)
        }
        LogicalPlan::Join(join) => match join.join_type {
            JoinType::Inner | JoinType::Left if reads_only(&values, join.left.schema()) => {
                reproducible(&join.left, values)
            }
            JoinType::Inner | JoinType::Right if reads_only(&values, join.right.schema()) => {
                reproducible(&join.right, values)
            }
            JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark if reads_only(&values, join.left.schema()) => {
                reproducible(&join.left, values)
            }
            _ => Ok(None),
        },
        _ => Ok(None),
    }
}

fn reads_only(values: &[Expr], schema: &DFSchema) -> bool {
    values.iter().all(|value| value.column_refs().iter().all(|column| schema.is_column_from_schema(column)))
}

fn reads_only_groups(values: &[Expr], aggregate: &Aggregate) -> bool {
    let n_groups = aggregate.group_expr.len();
    values
        .iter()
        .flat_map(Expr::column_refs)
        .all(|column| aggregate.schema.maybe_index_of_column(column).is_some_and(|idx| idx < n_groups))
}

/// Replaces every column of `schema` in `exprs` by the expression at its position in `by`.
pub(super) fn substitute(exprs: Vec<Expr>, schema: &DFSchema, by: &[Expr]) -> Result<Vec<Expr>> {
    exprs
        .into_iter()
        .map(|expr| {
            expr.transform(|e| match &e {
                Expr::Column(column) => {
                    let idx = schema.index_of_column(column)?;
                    Ok(Transformed::yes(by[idx].clone().unalias()))
                }
                _ => Ok(Transformed::no(e)),
            })
            .data()
        })
        .collect()
}

/// For every column of `plan` whether its values can differ in a second evaluation; `None` if the rows can.
fn unstable_columns(plan: &LogicalPlan) -> Result<Option<Vec<bool>>> {
    let n_columns = plan.schema().fields().len();
    let columns = match plan {
        LogicalPlan::TableScan(scan) if scan.fetch.is_none() => Some(vec![false; n_columns]),
        LogicalPlan::Values(_) | LogicalPlan::EmptyRelation(_) => Some(vec![false; n_columns]),
        LogicalPlan::Projection(projection) => unstable_columns(&projection.input)?.map(|columns| {
            projection.expr.iter().map(|e| is_unstable(e, projection.input.schema(), &columns)).collect()
        }),
        LogicalPlan::Filter(filter) => unstable_columns(&filter.input)?
            .filter(|columns| !is_unstable(&filter.predicate, filter.input.schema(), columns)),
        LogicalPlan::Sort(sort) if sort.fetch.is_none() => unstable_columns(&sort.input)?,
        LogicalPlan::Sort(_) => columns_of_first_rows(plan)?,
        LogicalPlan::Limit(limit) => columns_of_first_rows(&limit.input)?,
        LogicalPlan::SubqueryAlias(alias) => unstable_columns(&alias.input)?,
        LogicalPlan::Subquery(subquery) => unstable_columns(&subquery.subquery)?,
        LogicalPlan::Repartition(repartition) => unstable_columns(&repartition.input)?,
        LogicalPlan::Distinct(Distinct::All(input)) => {
            unstable_columns(input)?.filter(|columns| !columns.contains(&true))
        }
        LogicalPlan::Join(join) => unstable_columns_of_join(join)?,
        LogicalPlan::Aggregate(aggregate) => unstable_columns_of_aggregate(aggregate)?,
        LogicalPlan::Window(window) => unstable_columns(&window.input)?.map(|mut columns| {
            let schema = window.input.schema();
            let added = window.window_expr.iter().map(|e| is_unstable(e, schema, &columns)).collect::<Vec<_>>();
            columns.extend(added);
            columns
        }),
        LogicalPlan::Union(union) => {
            let mut any = Some(vec![false; n_columns]);
            for input in &union.inputs {
                any = match (any, unstable_columns(input)?) {
                    (Some(any), Some(columns)) => Some(any.iter().zip(&columns).map(|(a, b)| *a || *b).collect()),
                    _ => None,
                };
            }
            any
        }
        LogicalPlan::Unnest(unnest) => unstable_columns(&unnest.input)?
            .map(|columns| unnest.dependency_indices.iter().map(|idx| columns[*idx]).collect()),
        _ => None,
    };
    Ok(columns)
}

/// [`unstable_columns`] of the first rows of `plan`, of however many.
///
/// Rows with equal sort keys may change places, so that only the keys themselves are sure to come again.
fn columns_of_first_rows(plan: &LogicalPlan) -> Result<Option<Vec<bool>>> {
    match plan {
        LogicalPlan::Projection(projection) => Ok(columns_of_first_rows(&projection.input)?.map(|columns| {
            projection.expr.iter().map(|e| is_unstable(e, projection.input.schema(), &columns)).collect()
        })),
        LogicalPlan::Sort(sort) => {
            let schema = sort.input.schema();
            let Some(columns) = unstable_columns(&sort.input)? else {
                return Ok(None);
            };
            if sort.expr.iter().any(|key| is_unstable(&key.expr, schema, &columns)) {
                return Ok(None);
            }
            let is_key = |idx| {
                let column = Expr::Column(column_at(schema, idx));
                sort.expr.iter().any(|key| key.expr == column)
            };
            Ok(Some((0..columns.len()).map(|idx| !is_key(idx)).collect()))
        }
        _ => Ok(None),
    }
}

fn unstable_columns_of_join(join: &Join) -> Result<Option<Vec<bool>>> {
    let (Some(left), Some(right)) = (unstable_columns(&join.left)?, unstable_columns(&join.right)?) else {
        return Ok(None);
    };
    let both: Vec<bool> = left.iter().chain(&right).copied().collect();
    let schema = merge_schema(&[&join.left, &join.right]);
    if schema.fields().len() != both.len() {
        return Ok(None);
    }
    let keys = join.on.iter().flat_map(|(l, r)| [l, r]);
    if keys.chain(&join.filter).any(|e| is_unstable(e, &schema, &both)) {
        return Ok(None);
    }
    Ok(Some(match join.join_type {
        JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full => both,
        JoinType::LeftSemi | JoinType::LeftAnti => left,
        JoinType::RightSemi | JoinType::RightAnti => right,
        JoinType::LeftMark => [left, vec![false]].concat(),
        JoinType::RightMark => [right, vec![false]].concat(),
    }))
}

fn unstable_columns_of_aggregate(aggregate: &Aggregate) -> Result<Option<Vec<bool>>> {
    let schema = aggregate.input.schema();
    let Some(columns) = unstable_columns(&aggregate.input)? else {
        return Ok(None);
    };
    if aggregate.group_expr.iter().any(|e| is_unstable(e, schema, &columns)) {
        return Ok(None);
    }
    // The group columns come first, with the number of the grouping set behind them where there is one.
    let n_groups = aggregate.schema.fields().len() - aggregate.aggr_expr.len();
    let mut output = vec![false; n_groups];
    output.extend(aggregate.aggr_expr.iter().map(|e| is_unstable(e, schema, &columns)));
    Ok(Some(output))
}

/// Whether the value of `expr` can differ in a second evaluation over the same rows in another order.
fn is_unstable(expr: &Expr, schema: &DFSchema, columns: &[bool]) -> bool {
    let mut unstable = false;
    // The closure never fails, so neither does the walk.
    let _ = expr.apply(|e| {
        let found = match e {
            // Either there is one row, and the value is its value, or there is an error in both evaluations.
            Expr::ScalarFunction(ScalarFunction { func, .. }) if is_single_row(func) => {
                return Ok(TreeNodeRecursion::Jump);
            }
            Expr::Column(column) => is_unstable_column(column, schema, columns),
            Expr::AggregateFunction(aggregate) => !is_exact_aggregate(aggregate, schema),
            Expr::WindowFunction(window) => !is_exact_window(window),
            other => other.is_volatile_node() || is_unstable_subquery(other),
        };
        if found {
            unstable = true;
            return Ok(TreeNodeRecursion::Stop);
        }
        Ok(TreeNodeRecursion::Continue)
    });
    unstable
}

fn is_unstable_column(column: &Column, schema: &DFSchema, columns: &[bool]) -> bool {
    schema.maybe_index_of_column(column).is_none_or(|idx| columns.get(idx).copied().unwrap_or(true))
}

fn is_unstable_subquery(expr: &Expr) -> bool {
    subquery_of(expr).is_some_and(|subquery| {
        let plan = &subquery.subquery;
        match unstable_columns(plan) {
            Ok(Some(columns)) => (0..columns.len())
                .any(|idx| is_unstable(&Expr::Column(column_at(plan.schema(), idx)), plan.schema(), &columns)),
            _ => true,
        }
    })
}

/// Whether an aggregate gives the same bits for the same rows in any order.
fn is_exact_aggregate(aggregate: &AggregateFunction, schema: &DFSchema) -> bool {
    match aggregate.func.name() {
        "count" | "min" | "max" | "bool_and" | "bool_or" | "bit_and" | "bit_or" | "bit_xor" | "approx_distinct"
        | "grouping" | "median" => true,
        "sum" | "avg" => aggregate.params.args.iter().all(|arg| {
            arg.get_type(schema).is_ok_and(|t| !matches!(t, DataType::Float16 | DataType::Float32 | DataType::Float64))
                || arg_is_exact_integer(arg, schema)
        }),
        _ => false,
    }
}

/// Whether a floating-point argument is a 32-bit (or smaller) integer in disguise.
///
/// `avg` of an integer column is coerced to the average of doubles. Sums of such doubles stay exact until 2^53.
fn arg_is_exact_integer(arg: &Expr, schema: &DFSchema) -> bool {
    let Expr::Cast(cast) = arg else { return false };
    cast.expr.get_type(schema).is_ok_and(|t| {
        matches!(
            t,
            DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::UInt8 | DataType::UInt16 | DataType::UInt32
        )
    })
}

fn is_exact_window(window: &WindowFunction) -> bool {
    match &window.fun {
        WindowFunctionDefinition::WindowUDF(f) => {
            matches!(f.name(), "rank" | "dense_rank" | "percent_rank" | "cume_dist")
        }
        // Rows with equal keys may come in another order, so only a frame that does not depend on it is exact.
        WindowFunctionDefinition::AggregateUDF(f) => {
            window.params.order_by.is_empty() && matches!(f.name(), "count" | "min" | "max" | "bool_and" | "bool_or")
        }
    }
}
