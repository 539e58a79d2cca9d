//! Expressions, which is above all: the clauses of function calls.

use std::borrow::Cow;

use datafusion::execution::SessionState;
use datafusion::sql::sqlparser::ast::{
    DuplicateTreatment, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause, FunctionArgumentList,
    FunctionArguments, Spanned, TypedString,
};
use datafusion::sql::sqlparser::tokenizer::Span;

use super::{Checked, refuse_if, types};

pub(super) fn check_expr(expr: &Expr, functions: &SessionState) -> Checked {
    match expr {
        Expr::Function(function) => check_function(function, functions),
        Expr::Cast { kind: _, expr: _, data_type, array: _, format: _ } => types::check_type(data_type, Span::empty()),
        Expr::TypedString(TypedString { data_type, value, uses_odbc_syntax: _ }) => {
            types::check_type(data_type, value.span)
        }
        Expr::Trim { expr: _, trim_where: _, trim_what: _, trim_characters: Some(sets) } => {
            let remedy = "write all characters in one string: trim(x, 'ab')";
            refuse_if(sets.len() > 1, "trim with several strings of characters", remedy, Span::empty())
        }
        // What the planner does not know, it rejects; of the rest it reads every field that has a meaning.
        _ => Ok(()),
    }
}

/// Aggregates of two arguments, or that depend on the order or the number of rows, which take DISTINCT and count equal
/// rows all the same.
const NOT_DISTINCT: &[&str] = &[
    "approx_percentile_cont",
    "corr",
    "covar",
    "covar_pop",
    "covar_samp",
    "mode",
    "nth_value",
    "regr_avgx",
    "regr_avgy",
    "regr_count",
    "regr_intercept",
    "regr_r2",
    "regr_slope",
    "regr_sxx",
    "regr_sxy",
    "regr_syy",
];

/// The window functions that read the values of a column, so that leaving out NULLs means something.
const NULL_TREATED: &[&str] = &["first_value", "lag", "last_value", "lead", "nth_value"];

fn check_function(function: &Function, functions: &SessionState) -> Checked {
    let Function { name, uses_odbc_syntax: _, parameters, args, filter, null_treatment, over, within_group } = function;
    let span = name.span();
    // Built-in names are ASCII; a quoted name keeps its case, as in the planner.
    let called: Cow<'_, str> = match name.0.as_slice() {
        [part] => match part.as_ident() {
            Some(ident) if ident.quote_style.is_some() => Cow::Borrowed(&ident.value),
            Some(ident) => Cow::Owned(ident.value.to_ascii_lowercase()),
            None => return Ok(()),
        },
        // The planner rejects a function with a schema.
        _ => return Ok(()),
    };
    let refuse = |found: bool, clause: &str, remedy: &'static str| {
        refuse_if(found, format!("{clause} of {called}()"), remedy, span)
    };

    let has_parameters = !matches!(parameters, FunctionArguments::None);
    refuse(has_parameters, "the first argument list", "put all arguments into one pair of parentheses")?;
    let list = match args {
        FunctionArguments::None => None,
        FunctionArguments::List(list) => Some(list),
        FunctionArguments::Subquery(_) => {
            return refuse(true, "the bare subquery", "put the subquery into parentheses of its own");
        }
    };
    let is_distinct = list.is_some_and(|list| list.duplicate_treatment == Some(DuplicateTreatment::Distinct));
    let clauses = list.map_or(&[][..], |list| list.clauses.as_slice());
    let treats_nulls = null_treatment.is_some()
        || clauses.iter().any(|clause| matches!(clause, FunctionArgumentClause::IgnoreOrRespectNulls(_)));
    let is_ordered = clauses.iter().any(|clause| matches!(clause, FunctionArgumentClause::OrderBy(_)));

    if is_scalar(functions, &called) {
        let remedy = "remove it: the function is computed row by row";
        refuse(is_distinct, "DISTINCT", remedy)?;
        refuse(is_ordered, "ORDER BY", remedy)?;
        refuse(treats_nulls, "IGNORE or RESPECT NULLS", remedy)?;
        refuse(filter.is_some(), "FILTER", remedy)?;
        refuse(over.is_some(), "OVER", remedy)?;
        return refuse(!within_group.is_empty(), "WITHIN GROUP", remedy);
    }

    if is_distinct && let Some(FunctionArgumentList { duplicate_treatment: _, args, clauses: _ }) = list {
        let remedy = "list the columns in a subquery with SELECT DISTINCT";
        refuse(args.iter().any(is_wildcard), "DISTINCT *", remedy)?;
        refuse(NOT_DISTINCT.contains(&called.as_ref()), "DISTINCT", remedy)?;
    }
    if over.is_none() {
        return Ok(());
    }
    if functions.window_functions().contains_key(called.as_ref()) {
        refuse(is_distinct, "DISTINCT", "remove duplicate rows in a subquery")?;
        let may_treat_nulls = NULL_TREATED.contains(&called.as_ref());
        refuse(treats_nulls && !may_treat_nulls, "IGNORE or RESPECT NULLS", "remove it, or filter the rows first")?;
    }
    Ok(())
}

fn is_wildcard(arg: &FunctionArg) -> bool {
    let (FunctionArg::Named { arg, .. } | FunctionArg::ExprNamed { arg, .. } | FunctionArg::Unnamed(arg)) = arg;
    match arg {
        FunctionArgExpr::QualifiedWildcard(_) | FunctionArgExpr::Wildcard | FunctionArgExpr::WildcardWithOptions(_) => {
            true
        }
        FunctionArgExpr::Expr(_) => false,
    }
}

/// The planner knows these by name rather than from a registry.
const UNNEST: [&str; 2] = ["unnest", "unnest_outer"];

/// Whether the function is computed row by row, higher-order functions included.
fn is_scalar(functions: &SessionState, name: &str) -> bool {
    functions.scalar_functions().contains_key(name)
        || functions.higher_order_functions().contains_key(name)
        || UNNEST.contains(&name)
}
