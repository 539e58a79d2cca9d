//! `x LIKE ANY (...)` and its like.

use datafusion::logical_expr::Operator;
use datafusion::sql::sqlparser::ast::{
    Array, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Value, ValueWithSpan,
};

use super::build::call;
use crate::meaning::{Quantifier, set_comparison_name};
use crate::sql::calls::called_name;

/// Whether `expr` compares with several patterns.
pub(super) fn is_comparison(expr: &Expr) -> bool {
    match expr {
        Expr::Like { any, pattern, .. } | Expr::ILike { any, pattern, .. } => *any || quantifier(pattern).is_some(),
        _ => false,
    }
}

/// The comparison as a function of the text and a list of patterns.
///
/// # Errors
/// What is wrong with the patterns.
pub(super) fn comparison(expr: Expr) -> Result<Expr, String> {
    let (op, name, any, value, pattern, escape) = match expr {
        Expr::Like { negated: false, any, expr, pattern, escape_char } => {
            (Operator::LikeMatch, "LIKE", any, expr, pattern, escape_char)
        }
        Expr::Like { negated: true, any, expr, pattern, escape_char } => {
            (Operator::NotLikeMatch, "NOT LIKE", any, expr, pattern, escape_char)
        }
        Expr::ILike { negated: false, any, expr, pattern, escape_char } => {
            (Operator::ILikeMatch, "ILIKE", any, expr, pattern, escape_char)
        }
        Expr::ILike { negated: true, any, expr, pattern, escape_char } => {
            (Operator::NotILikeMatch, "NOT ILIKE", any, expr, pattern, escape_char)
        }
        other => return Ok(other),
    };
    if escape.is_some_and(|escape| escape.value != Value::SingleQuotedString("\\".to_owned())) {
        return Err(format!("ESCAPE behind {name} ANY or ALL is not supported; the patterns' escape is the backslash"));
    }
    let quantifier = if any { Some(Quantifier::Any) } else { quantifier(&pattern) };
    let (Some(quantifier), Some(list)) = (quantifier, patterns(*pattern)) else {
        return Err(format!("behind {name} ANY and ALL stands a list: {name} ANY ('a%', 'b%')"));
    };
    match set_comparison_name(quantifier, op) {
        Some(function) => Ok(call(&function, vec![*value, list])),
        None => Err(format!("{name} has no ANY or ALL")),
    }
}

/// The parser takes the words in `LIKE ALL (...)` and `LIKE SOME (...)` for names of functions.
fn quantifier(pattern: &Expr) -> Option<Quantifier> {
    let Expr::Function(function) = pattern else { return None };
    match called_name(function)?.as_str() {
        "all" => Some(Quantifier::All),
        "some" => Some(Quantifier::Any),
        _ => None,
    }
}

/// Patterns in brackets as a list; whatever else stands there is to be a list.
fn patterns(written: Expr) -> Option<Expr> {
    let is_called = quantifier(&written).is_some();
    let mut items = match written {
        Expr::Tuple(items) => items,
        Expr::Nested(inner) => vec![*inner],
        Expr::Array(_) => vec![written],
        Expr::Function(function) if is_called => {
            let FunctionArguments::List(list) = function.args else { return None };
            let expr = |arg| match arg {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
                _ => None,
            };
            list.args.into_iter().map(expr).collect::<Option<Vec<Expr>>>()?
        }
        _ => return None,
    };
    match items.as_slice() {
        [] | [Expr::Subquery(_)] => None,
        [Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(_), .. })] | [_, _, ..] => {
            Some(Expr::Array(Array { elem: items, named: true }))
        }
        [_] => items.pop(),
    }
}
