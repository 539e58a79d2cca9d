//! The dependent join under operators that number or compare rows: LIMIT, DISTINCT ON and window functions.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Column, Result, ScalarValue, internal_err};
use datafusion::functions::core::expr_fn::coalesce;
use datafusion::functions_window::row_number::row_number_udwf;
use datafusion::logical_expr::expr::WindowFunction;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{
    DistinctOn, Expr, Limit, LogicalPlan, Sort, SortExpr, Window, WindowFrame, WindowFrameBound, WindowFrameUnits,
    cast, lit,
};

use super::build::{as_exprs, column_at, filter, named_like, project};
use super::push::{Push, Pushed};

/// A pushed plan with a number for each row, from 1, within its value of the domain.
struct Numbered {
    pushed: Pushed,
    number: Column,
}

impl Push<'_> {
    /// A limit holds for each value of the domain: rows are numbered in the order of the sort below, and counted.
    pub(super) fn push_limit(&self, limit: &Limit) -> Result<Pushed> {
        let Numbered { pushed, number } = self.push_numbered(&limit.input)?;
        let number = cast(Expr::Column(number), DataType::Int64);
        let bound = |expr: &Expr| -> Result<Expr> { Ok(cast(self.replace(expr, &pushed.domain)?, DataType::Int64)) };
        let skip = match limit.skip.as_deref() {
            None | Some(Expr::Literal(ScalarValue::Int64(None | Some(0)), _)) => None,
            Some(expr) => Some(coalesce(vec![bound(expr)?, lit(0_i64)])),
        };
        let mut conditions = Vec::new();
        if let Some(skip) = &skip {
            conditions.push(number.clone().gt(skip.clone()));
        }
        match limit.fetch.as_deref() {
            // LIMIT NULL is no limit.
            None | Some(Expr::Literal(ScalarValue::Int64(None), _)) => {}
            Some(Expr::Literal(fetch, _)) => {
                conditions.push(after_skip(number, skip).lt_eq(lit(fetch.cast_to(&DataType::Int64)?)));
            }
            Some(expr) => {
                let fetch = bound(expr)?;
                let within = after_skip(number, skip).lt_eq(fetch.clone());
                conditions.push(fetch.is_null().or(within));
            }
        }
        self.keep_numbered(pushed, conjunction(conditions))
    }

    /// A sort that keeps its first rows only.
    pub(super) fn push_sort_with_fetch(&self, sort: &Sort) -> Result<Pushed> {
        let unlimited = Sort { fetch: None, ..sort.clone() };
        let Numbered { pushed, number } = self.push_numbered(&LogicalPlan::Sort(unlimited))?;
        let fetch = sort.fetch.and_then(|n| i64::try_from(n).ok()).unwrap_or(i64::MAX);
        self.keep_numbered(pushed, Some(cast(Expr::Column(number), DataType::Int64).lt_eq(lit(fetch))))
    }

    /// The first row of each combination of the domain and the ON expressions.
    pub(super) fn push_distinct_on(&self, distinct: &DistinctOn) -> Result<Pushed> {
        let input = self.push(&distinct.input)?;
        let mut partition = as_exprs(&input.domain);
        for expr in &distinct.on_expr {
            partition.push(self.replace(expr, &input.domain)?);
        }
        let order = self.replace_in_sort(distinct.sort_expr.as_deref().unwrap_or_default(), &input.domain)?;
        let Numbered { pushed, number } = number_rows(input, partition, order)?;
        let plan = filter(cast(Expr::Column(number), DataType::Int64).eq(lit(1_i64)), pushed.plan)?;
        let mut exprs = Vec::with_capacity(distinct.select_expr.len() + pushed.domain.len());
        for (idx, expr) in distinct.select_expr.iter().enumerate() {
            exprs.push(named_like(self.replace(expr, &pushed.domain)?, &distinct.schema, idx));
        }
        exprs.extend(as_exprs(&pushed.domain));
        Ok(Pushed { plan: project(exprs, plan)?, domain: pushed.domain })
    }

    /// The domain joins the PARTITION BY of every window.
    pub(super) fn push_window(&self, window: &Window) -> Result<Pushed> {
        let input = self.push(&window.input)?;
        let n_input = input.n_original();
        let width = input.plan.schema().fields().len();
        let mut functions = Vec::with_capacity(window.window_expr.len());
        for expr in &window.window_expr {
            let mut expr = self.replace(expr, &input.domain)?;
            let Some(function) = window_function_mut(&mut expr) else {
                return internal_err!("{expr} is not a window function");
            };
            function.params.partition_by.splice(0..0, as_exprs(&input.domain));
            functions.push(expr);
        }
        let plan = LogicalPlan::Window(Window::try_new(functions, Arc::new(input.plan))?);
        let positions = (0..n_input).chain(width..plan.schema().fields().len());
        let mut exprs: Vec<Expr> = positions
            .enumerate()
            .map(|(idx, position)| named_like(Expr::Column(column_at(plan.schema(), position)), &window.schema, idx))
            .collect();
        exprs.extend(as_exprs(&input.domain));
        Ok(Pushed { plan: project(exprs, plan)?, domain: input.domain })
    }

    /// Numbers the rows of `plan` in the order it gives them. Projections that follow a sort keep its order.
    fn push_numbered(&self, plan: &LogicalPlan) -> Result<Numbered> {
        match plan {
            LogicalPlan::Projection(projection) if sort_below(&projection.input) => {
                let Numbered { pushed: input, number } = self.push_numbered(&projection.input)?;
                let mut exprs = Vec::with_capacity(projection.expr.len() + input.domain.len() + 1);
                for (idx, expr) in projection.expr.iter().enumerate() {
                    exprs.push(named_like(self.replace(expr, &input.domain)?, &projection.schema, idx));
                }
                exprs.extend(as_exprs(&input.domain));
                exprs.push(Expr::Column(number.clone()));
                let plan = project(exprs, input.plan)?;
                Ok(Numbered { pushed: Pushed { plan, domain: input.domain }, number })
            }
            LogicalPlan::Sort(sort) if sort.fetch.is_none() => {
                let input = self.push(&sort.input)?;
                let order = self.replace_in_sort(&sort.expr, &input.domain)?;
                let partition = as_exprs(&input.domain);
                number_rows(input, partition, order)
            }
            other => {
                let input = self.push(other)?;
                let partition = as_exprs(&input.domain);
                number_rows(input, partition, vec![])
            }
        }
    }

    /// Filters a numbered plan and drops the number, which stands last.
    fn keep_numbered(&self, pushed: Pushed, condition: Option<Expr>) -> Result<Pushed> {
        let mut exprs = super::build::all_columns(pushed.plan.schema());
        exprs.pop();
        let plan = match condition {
            Some(condition) => filter(condition, pushed.plan)?,
            None => pushed.plan,
        };
        Ok(Pushed { plan: project(exprs, plan)?, domain: pushed.domain })
    }
}

fn after_skip(number: Expr, skip: Option<Expr>) -> Expr {
    match skip {
        Some(skip) => number - skip,
        None => number,
    }
}

fn sort_below(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Sort(_) => true,
        LogicalPlan::Projection(projection) => sort_below(&projection.input),
        _ => false,
    }
}

/// Adds `row_number()` as the last column.
fn number_rows(pushed: Pushed, partition_by: Vec<Expr>, order_by: Vec<SortExpr>) -> Result<Numbered> {
    let mut function = WindowFunction::new(row_number_udwf(), vec![]);
    function.params.partition_by = partition_by;
    function.params.order_by = order_by;
    // Type coercion has already run, so the frame must need none.
    function.params.window_frame = WindowFrame::new_bounds(
        WindowFrameUnits::Rows,
        WindowFrameBound::Preceding(ScalarValue::UInt64(None)),
        WindowFrameBound::CurrentRow,
    );
    let expr = Expr::WindowFunction(Box::new(function));
    let plan = LogicalPlan::Window(Window::try_new(vec![expr], Arc::new(pushed.plan))?);
    let number = column_at(plan.schema(), plan.schema().fields().len() - 1);
    Ok(Numbered { pushed: Pushed { plan, domain: pushed.domain }, number })
}

fn window_function_mut(expr: &mut Expr) -> Option<&mut WindowFunction> {
    match expr {
        Expr::WindowFunction(function) => Some(function),
        Expr::Alias(alias) => window_function_mut(&mut alias.expr),
        _ => None,
    }
}
