//! Syntax that DataFusion's planner lacks, or plans as something else, written in the syntax that it has.
//!
//! | written | planned |
//! |---|---|
//! | `x = ANY(list)`, `x < ALL(list)`, `x LIKE ANY (...)` | a function with three truth values |
//! | `j -> 'a' ->> 0` | `__json_get_text(j, 'a', 0)` |
//! | `ORDER BY ALL` | `ORDER BY __all_columns()`, until the columns are known |
//! | `x SIMILAR TO p` | `x ~ __similar_pattern(p, '\')` |
//! | `t AT TIME ZONE z` | `__at_time_zone(t, z)` |
//! | `18446744073709551616` | `CAST('18446744073709551616' AS DECIMAL(38, 0))` |
//! | `v[:n]`, `v[n:]`, `v[1].a` | `v[1:n]`, `v[n:-1]`, `v[1]['a']` |
//! | `extract(DECADE FROM t)`, CENTURY, MILLENNIUM | arithmetic on the year |
//! | `(VALUES (7))` | the subquery |
//! | `OVER w`, `OVER (w ORDER BY x)` | the window written out (`windows`) |
//! | `FETCH FIRST n ROWS ONLY` | `LIMIT n` |
//! | `k` after `l RIGHT JOIN r USING (k)` | `r.k`, or `coalesce(l.k, r.k)` after FULL (`using`) |

use std::ops::ControlFlow;

use datafusion::logical_expr::Operator;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{
    AccessExpr, BinaryOperator, CastKind, DataType, DateTimeField, ExactNumberInfo, Expr, ExtractSyntax, Fetch,
    Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments, LimitClause, OrderBy, OrderByExpr,
    OrderByKind, Parens, Query, Select, SetExpr, Spanned, Subscript, UnaryOperator, Value, ValueWithSpan, Values,
    VisitorMut,
};
use datafusion::sql::sqlparser::tokenizer::Span;

use crate::error::{Error, Result};
use crate::meaning::{AT_TIME_ZONE, DISTINCT_NAME, Quantifier, SIMILAR_PATTERN, set_comparison_name};
use crate::plan::ALL_COLUMNS;
use crate::sql::parse::normalized;
use crate::sql::relations::position;
use crate::sql::walk::walk;

mod build;
mod json;
mod patterns;
mod using;
mod windows;

use build::{call, text};

/// Rewrites `statement`.
///
/// # Errors
/// A number that no type holds; a window that does not exist or cannot be extended so; FETCH in a form without a meaning.
pub(crate) fn desugar(statement: &mut Statement, text: &str) -> Result<()> {
    match walk(statement, &mut Desugar { text }) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(*error),
    }
}

/// Gives every cast a name of its own; `true` if there was one. The planner leaves casts out of the names of columns, and
/// refuses a plan with two columns of one name.
pub(crate) fn name_casts(statement: &mut Statement) -> bool {
    struct NameCasts {
        found: bool,
    }
    impl VisitorMut for NameCasts {
        type Break = ();

        fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
            if matches!(expr, Expr::Cast { .. }) {
                self.found = true;
                let name = text(&expr.to_string());
                *expr = call(DISTINCT_NAME, vec![std::mem::replace(expr, build::null()), name]);
            }
            ControlFlow::Continue(())
        }
    }
    let mut visitor = NameCasts { found: false };
    let _ = walk(statement, &mut visitor);
    visitor.found
}

struct Desugar<'a> {
    text: &'a str,
}

/// Boxed, because the walk keeps one of these on the stack for every level.
type Flow = ControlFlow<Box<Error>>;

impl Desugar<'_> {
    fn refuse(&self, message: impl Into<String>, span: Span) -> Flow {
        let position = position(self.text, span);
        ControlFlow::Break(Box::new(Error::Invalid { message: message.into(), position, source: None }))
    }

    fn flow(&self, done: Result<(), (String, Span)>) -> Flow {
        match done {
            Ok(()) => ControlFlow::Continue(()),
            Err((message, span)) => self.refuse(message, span),
        }
    }
}

impl VisitorMut for Desugar<'_> {
    type Break = Box<Error>;

    fn pre_visit_query(&mut self, query: &mut Query) -> Flow {
        let done = fetch_as_limit(query);
        self.flow(done)?;
        let done = windows::write_out_in_query(query);
        self.flow(done)?;
        order_by_all(query);
        using::merge_in_query(query);
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> Flow {
        let done = windows::write_out(select);
        self.flow(done)?;
        using::merge(select);
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> Flow {
        if let Some(name) = windows::unknown(expr) {
            let message = format!("window \"{}\" does not exist", name.value);
            return self.refuse(message, name.span);
        }
        match expr {
            // `-9223372036854775808` is a BIGINT, the same number without its sign is not.
            Expr::UnaryOp { op: UnaryOperator::Minus, expr: operand } => {
                if let Expr::Value(ValueWithSpan { value: Value::Number(digits, _), .. }) = operand.as_ref()
                    && digits.replace('_', "").parse::<u64>().is_ok_and(|n| n > i64::MIN.unsigned_abs())
                {
                    **operand = decimal(&digits.replace('_', ""), 38);
                }
                ControlFlow::Continue(())
            }
            Expr::Value(ValueWithSpan { value: Value::Number(digits, _), span }) => {
                match number(digits) {
                    Ok(Some(replaced)) => *expr = replaced,
                    Ok(None) => {}
                    Err(message) => {
                        let span = *span;
                        return self.refuse(message, span);
                    }
                }
                ControlFlow::Continue(())
            }
            _ => ControlFlow::Continue(()),
        }
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> Flow {
        if let Expr::CompoundFieldAccess { access_chain, .. } = expr {
            access_chain.iter_mut().for_each(close_slice);
            name_fields(access_chain);
            return ControlFlow::Continue(());
        }
        if patterns::is_comparison(expr) {
            let span = expr.span();
            return match patterns::comparison(std::mem::replace(expr, build::null())) {
                Ok(compared) => {
                    *expr = compared;
                    ControlFlow::Continue(())
                }
                Err(message) => self.refuse(message, span),
            };
        }
        if !is_rewritten(expr) {
            return ControlFlow::Continue(());
        }
        *expr = rewritten(std::mem::replace(expr, build::null()));
        ControlFlow::Continue(())
    }
}

fn is_rewritten(expr: &Expr) -> bool {
    match expr {
        Expr::AnyOp { right, .. } | Expr::AllOp { right, .. } => !matches!(right.as_ref(), Expr::Subquery(_)),
        Expr::SimilarTo { .. } | Expr::AtTimeZone { .. } => true,
        Expr::Extract { field, .. } => years_together(field).is_some(),
        Expr::Nested(inner) => is_values(inner),
        Expr::BinaryOp { op, .. } => json::function(op).is_some(),
        _ => false,
    }
}

fn rewritten(expr: Expr) -> Expr {
    match expr {
        Expr::AnyOp { left, compare_op, right, is_some } => match comparison(&compare_op, Quantifier::Any) {
            Some(name) => call(&name, vec![*left, *right]),
            None => Expr::AnyOp { left, compare_op, right, is_some },
        },
        Expr::AllOp { left, compare_op, right } => match comparison(&compare_op, Quantifier::All) {
            Some(name) => call(&name, vec![*left, *right]),
            None => Expr::AllOp { left, compare_op, right },
        },
        Expr::SimilarTo { negated, expr, pattern, escape_char } => {
            let escape = escape_char.map_or_else(|| text("\\"), Expr::Value);
            let op = if negated { BinaryOperator::PGRegexNotMatch } else { BinaryOperator::PGRegexMatch };
            let pattern = call(SIMILAR_PATTERN, vec![*pattern, escape]);
            Expr::Nested(Box::new(Expr::BinaryOp { left: expr, op, right: Box::new(pattern) }))
        }
        Expr::BinaryOp { left, op, right } => match json::function(&op) {
            Some(function) => json::step(function, *left, *right),
            None => Expr::BinaryOp { left, op, right },
        },
        Expr::AtTimeZone { timestamp, time_zone } => call(AT_TIME_ZONE, vec![*timestamp, *time_zone]),
        Expr::Extract { field, syntax, expr } => match years_together(&field) {
            Some(years) => year_group(*expr, years),
            None => Expr::Extract { field, syntax, expr },
        },
        Expr::Nested(inner) => match *inner {
            Expr::Function(function) => values_subquery(function),
            other => Expr::Nested(Box::new(other)),
        },
        other => other,
    }
}

fn comparison(op: &BinaryOperator, quantifier: Quantifier) -> Option<String> {
    let op = match op {
        BinaryOperator::Eq => Operator::Eq,
        BinaryOperator::NotEq => Operator::NotEq,
        BinaryOperator::Lt => Operator::Lt,
        BinaryOperator::LtEq => Operator::LtEq,
        BinaryOperator::Gt => Operator::Gt,
        BinaryOperator::GtEq => Operator::GtEq,
        BinaryOperator::PGLikeMatch => Operator::LikeMatch,
        BinaryOperator::PGNotLikeMatch => Operator::NotLikeMatch,
        BinaryOperator::PGILikeMatch => Operator::ILikeMatch,
        BinaryOperator::PGNotILikeMatch => Operator::NotILikeMatch,
        _ => return None,
    };
    set_comparison_name(quantifier, op)
}

/// A number that the planner would turn into a double silently; `None` for any other.
fn number(written: &str) -> Result<Option<Expr>, String> {
    let digits = written.replace('_', "");
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        let is_beyond = digits.parse::<f64>().is_ok_and(f64::is_infinite);
        return match is_beyond {
            true => Err(format!("the number {written} is out of range for DOUBLE")),
            false => Ok(None),
        };
    }
    if digits.parse::<u64>().is_ok() {
        return Ok(None);
    }
    let digits = digits.trim_start_matches('0');
    match digits.len() {
        0..=38 => Ok(Some(decimal(digits, 38))),
        39..=76 => Ok(Some(decimal(digits, 76))),
        n => Err(format!("an integer of {n} digits is out of range for DECIMAL(76, 0); write it as a double: 1.5e80")),
    }
}

fn decimal(digits: &str, precision: u64) -> Expr {
    Expr::Cast {
        kind: CastKind::Cast,
        expr: Box::new(text(digits)),
        data_type: DataType::Decimal(ExactNumberInfo::PrecisionAndScale(precision, 0)),
        array: false,
        format: None,
    }
}

fn close_slice(access: &mut AccessExpr) {
    if let AccessExpr::Subscript(Subscript::Slice { lower_bound, upper_bound, stride: None }) = access {
        lower_bound.get_or_insert_with(|| build::integer(1));
        // The last element, however many there are.
        upper_bound.get_or_insert_with(|| build::integer(-1));
    }
}

/// `l[1].a`: behind a subscript stands a field's name, which the planner takes as a text only.
fn name_fields(chain: &mut [AccessExpr]) {
    let behind_subscript = chain.iter_mut().skip_while(|access| !matches!(access, AccessExpr::Subscript(_)));
    for access in behind_subscript {
        if let AccessExpr::Dot(Expr::Identifier(field)) = access {
            let name = text(&normalized(field));
            *access = AccessExpr::Dot(name);
        }
    }
}

fn years_together(field: &DateTimeField) -> Option<i64> {
    match field {
        DateTimeField::Decade => Some(10),
        DateTimeField::Century => Some(100),
        DateTimeField::Millenium | DateTimeField::Millennium => Some(1000),
        _ => None,
    }
}

/// Decades begin with the years 0, 10, 20, as their names do; centuries and millennia with the years 1, 101, 201. There is
/// no year 0, so that the first century before our era ends with the year 0 of the calendar that computes.
fn year_group(time: Expr, years: i64) -> Expr {
    let year = Expr::Extract { field: DateTimeField::Year, syntax: ExtractSyntax::From, expr: Box::new(time) };
    let divided = |year: Expr| build::binary(year, BinaryOperator::Divide, build::double(years));
    let group = if years == 10 {
        call("floor", vec![divided(year)])
    } else {
        let is_ours = build::binary(year.clone(), BinaryOperator::Gt, build::integer(0));
        let before = build::binary(year.clone(), BinaryOperator::Minus, build::integer(1));
        let before = Expr::Nested(Box::new(before));
        build::case(is_ours, call("ceil", vec![divided(year)]), call("floor", vec![divided(before)]))
    };
    Expr::Cast {
        kind: CastKind::Cast,
        expr: Box::new(group),
        data_type: DataType::Integer(None),
        array: false,
        format: None,
    }
}

/// The parser takes `(VALUES (7))`, where an expression is expected, for the call of a function.
fn is_values(expr: &Expr) -> bool {
    let Expr::Function(function) = expr else { return false };
    let [name] = function.name.0.as_slice() else { return false };
    name.as_ident().is_some_and(|name| name.quote_style.is_none() && name.value.eq_ignore_ascii_case("values"))
        && matches!(&function.args, FunctionArguments::List(list) if list.clauses.is_empty())
}

fn values_subquery(function: Function) -> Expr {
    let FunctionArguments::List(FunctionArgumentList { args, .. }) = function.args else { return build::null() };
    let row = args.into_iter().filter_map(|arg| match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
        _ => None,
    });
    let rows = vec![Parens::with_empty_span(row.collect())];
    let values = Values { explicit_row: false, value_keyword: false, rows };
    Expr::Subquery(Box::new(build::query(SetExpr::Values(values))))
}

fn order_by_all(query: &mut Query) {
    if let Some(OrderBy { kind, .. }) = &mut query.order_by
        && let OrderByKind::All(options) = kind
    {
        let every = OrderByExpr { expr: call(ALL_COLUMNS, Vec::new()), options: *options, with_fill: None };
        *kind = OrderByKind::Expressions(vec![every]);
    }
}

fn fetch_as_limit(query: &mut Query) -> Result<(), (String, Span)> {
    let Some(Fetch { with_ties, percent, quantity }) = query.fetch.take() else { return Ok(()) };
    let span = quantity.as_ref().map_or_else(Span::empty, Spanned::span);
    if with_ties {
        return Err(("FETCH ... WITH TIES is not supported; filter by rank() instead".to_owned(), span));
    }
    if percent {
        return Err(("FETCH ... PERCENT is not supported; compute the number of rows".to_owned(), span));
    }
    let quantity = quantity.unwrap_or_else(|| build::integer(1));
    match &mut query.limit_clause {
        None => {
            query.limit_clause =
                Some(LimitClause::LimitOffset { limit: Some(quantity), offset: None, limit_by: Vec::new() });
            Ok(())
        }
        Some(LimitClause::LimitOffset { limit: limit @ None, .. }) => {
            *limit = Some(quantity);
            Ok(())
        }
        Some(_) => Err(("LIMIT and FETCH in one query; keep one of them".to_owned(), span)),
    }
}
