//! Names of the SELECT list in WHERE, where FROM has no column of the name.

use std::collections::HashSet;
use std::ops::ControlFlow;

use datafusion::error::DataFusionError;
use datafusion::execution::SessionState;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{Expr, Ident, Select, SelectItem, VisitorMut};

use crate::error::{Error, Result};
use crate::sql::calls::Calls;
use crate::sql::names::field_not_found;
use crate::sql::parse::normalized;
use crate::sql::relations::position;
use crate::sql::walk::{own_expressions, walk};

/// A name and where it stands.
type Use = (String, Option<(u64, u64)>);

/// Names that have been replaced, so that two that stand for each other come to an end.
pub(crate) type Replaced = HashSet<Use>;

/// If `error` says that a name without a table matches no column, but it stands in a WHERE whose SELECT list has it, puts
/// the expression that it stands for in its place; `true` if the statement changed and is worth planning again.
///
/// # Errors
/// [`Error::Invalid`] if the expression cannot stand there: it is computed behind WHERE (an aggregate, a window), it would be
/// computed twice with two values, or the SELECT list has the name twice.
pub(crate) fn put_aliases_into_where(
    statement: &mut Statement,
    error: &DataFusionError,
    functions: &SessionState,
    text: &str,
    replaced: &mut Replaced,
) -> Result<bool> {
    let Some((field, _)) = field_not_found(error) else { return Ok(false) };
    if field.relation.is_some() {
        return Ok(false);
    }
    let place = field.spans.first().map(|span| (span.start.line, span.start.column));
    if !replaced.insert((field.name.clone(), place)) {
        return Ok(false);
    }
    let mut search = Search { name: &field.name, place, functions, changed: false };
    match walk(statement, &mut search) {
        ControlFlow::Continue(()) => Ok(search.changed),
        ControlFlow::Break((message, at)) => {
            Err(Error::Invalid { message, position: position(text, at.span), source: None })
        }
    }
}

struct Search<'a> {
    name: &'a str,
    place: Option<(u64, u64)>,
    functions: &'a SessionState,
    changed: bool,
}

impl VisitorMut for Search<'_> {
    /// What is wrong, and the name in WHERE.
    type Break = (String, Ident);

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Self::Break> {
        let Some(selection) = &mut select.selection else { return ControlFlow::Continue(()) };
        let is_use = |ident: &Ident| {
            let place = (ident.span.start.line, ident.span.start.column);
            normalized(ident) == self.name && self.place.is_none_or(|wanted| wanted == place)
        };
        let mut found = None;
        own_expressions(selection, |expr| {
            if let Expr::Identifier(ident) = expr
                && is_use(ident)
            {
                found.get_or_insert_with(|| ident.clone());
            }
        });
        let Some(ident) = found else { return ControlFlow::Continue(()) };
        let mut meant = select.projection.iter().filter_map(|item| match item {
            SelectItem::ExprWithAlias { expr, alias } if normalized(alias) == self.name => Some(expr),
            _ => None,
        });
        let Some(expr) = meant.next() else { return ControlFlow::Continue(()) };
        if meant.next().is_some() {
            let message =
                format!("\"{}\" is the name of several columns of SELECT; WHERE cannot tell which", self.name);
            return ControlFlow::Break((message, ident));
        }
        if let Some(reason) = refusal(self.name, &Calls::of(expr, self.functions)) {
            return ControlFlow::Break((reason, ident));
        }
        let value = Expr::Nested(Box::new(expr.clone()));
        own_expressions(selection, |expr| {
            if let Expr::Identifier(ident) = expr
                && is_use(ident)
            {
                *expr = value.clone();
            }
        });
        self.changed = true;
        ControlFlow::Continue(())
    }
}

/// Why the column called `name`, which calls `calls`, cannot stand in WHERE.
fn refusal(name: &str, calls: &Calls) -> Option<String> {
    if let Some(function) = &calls.aggregate {
        Some(format!("\"{name}\" is computed by {function}() from the rows that WHERE leaves; filter by it in HAVING"))
    } else if let Some(function) = &calls.window {
        Some(format!("\"{name}\" is computed by {function}() from the rows that WHERE leaves; filter by it in QUALIFY"))
    } else if let Some(function) = &calls.unnest {
        Some(format!(
            "\"{name}\" is made by {function}() from the rows that WHERE leaves; filter by it around a subquery"
        ))
    } else {
        calls.volatile.as_ref().map(|function| {
            format!("\"{name}\" would be computed by {function}() twice, with two values; compute it in a subquery")
        })
    }
}
