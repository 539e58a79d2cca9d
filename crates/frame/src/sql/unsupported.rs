//! Refuses SQL that the engine would parse and then not honour.
//!
//! DataFusion's planner reads only a part of the syntax tree that sqlparser builds. What it leaves out silently changes
//! answers: a `TABLESAMPLE` reads every row, `OVER (w ORDER BY x)` forgets the window `w`, `AUTO_INCREMENT` inserts NULL.
//! The guard walks over a statement before it is planned and turns each such construct into an error with a remedy.
//!
//! - What DataFusion rejects by itself is left to DataFusion.
//! - What cannot change an answer is allowed: optimizer hints in comments, index types, `[NOT] MATERIALIZED`, `PURGE`,
//!   the display width of integers, and the length of `VARCHAR(n)` and `CHAR(n)`, which stays documentation as in SQLite.
//! - Structures are taken apart without `..` wherever the planner ignores fields, so that a new version of sqlparser that
//!   adds one stops the build here rather than the answer later.

use std::borrow::Cow;
use std::ops::ControlFlow;

use datafusion::execution::SessionState;
use datafusion::sql::parser::{CopyToSource, Statement as EngineStatement};
use datafusion::sql::sqlparser::ast::{Expr, Query, Select, SetExpr, Statement, TableFactor, Visit, Visitor};
use datafusion::sql::sqlparser::tokenizer::Span;
use thiserror::Error;

mod definition;
mod expression;
mod query;
mod relation;
mod statement;
mod types;

/// A construct that parses but would not be honoured.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{construct} is not supported; {remedy}")]
pub(crate) struct Unsupported {
    /// The construct as a user knows it, such as `TABLESAMPLE`.
    pub construct: Cow<'static, str>,
    /// What to write instead, as an instruction.
    pub remedy: Cow<'static, str>,
    /// Where the construct, or the nearest thing that has a place, stands in the statement.
    pub span: Option<Span>,
}

/// Refuses `statement` if the engine would ignore a part of it. The session's functions decide what the clauses of a call
/// mean.
///
/// # Errors
/// [`Unsupported`] for the first construct found that would not be honoured.
pub(crate) fn reject_unsupported(statement: &EngineStatement, functions: &SessionState) -> Result<(), Unsupported> {
    let mut statement = statement;
    loop {
        return match statement {
            EngineStatement::Explain(explain) => {
                statement = &explain.statement;
                continue;
            }
            EngineStatement::Statement(parsed) => walk(parsed.as_ref(), functions),
            EngineStatement::CopyTo(copy) => {
                statement::check_copy(copy)?;
                match &copy.source {
                    CopyToSource::Query(query) => walk(query.as_ref(), functions),
                    CopyToSource::Relation(_) => Ok(()),
                }
            }
            EngineStatement::CreateExternalTable(create) => {
                definition::check_columns(&create.columns)?;
                definition::check_constraints(&create.constraints)?;
                definition::check_one_primary_key(&create.columns, &create.constraints)?;
                create.order_exprs.iter().flatten().try_for_each(|order| walk(&order.expr, functions))
            }
            EngineStatement::Reset(_) => Ok(()),
        };
    }
}

/// The result of one check.
type Checked = Result<(), Unsupported>;

/// Refuses a construct if `found`.
fn refuse_if(
    found: bool,
    construct: impl Into<Cow<'static, str>>,
    remedy: impl Into<Cow<'static, str>>,
    span: Span,
) -> Checked {
    if found { Err(refusal(construct, remedy, span)) } else { Ok(()) }
}

fn refusal(construct: impl Into<Cow<'static, str>>, remedy: impl Into<Cow<'static, str>>, span: Span) -> Unsupported {
    let span = (span != Span::empty()).then_some(span);
    Unsupported { construct: construct.into(), remedy: remedy.into(), span }
}

/// Checks every node under `node`. The walk is sqlparser's, which grows the stack for deep trees.
fn walk<V: Visit>(node: &V, functions: &SessionState) -> Checked {
    let mut guard = Guard { functions, n_open_statements: 0, n_open_queries: 0, may_select_into: false };
    match node.visit(&mut guard) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(unsupported) => Err(*unsupported),
    }
}

struct Guard<'a> {
    functions: &'a SessionState,
    n_open_statements: usize,
    n_open_queries: usize,
    /// Whether the statement is a plain `SELECT ... INTO`, the only place where INTO creates a table.
    may_select_into: bool,
}

/// Boxed, because the walk keeps one of these on the stack for every level.
fn flow(checked: Checked) -> ControlFlow<Box<Unsupported>> {
    match checked {
        Ok(()) => ControlFlow::Continue(()),
        Err(unsupported) => ControlFlow::Break(Box::new(unsupported)),
    }
}

impl Visitor for Guard<'_> {
    type Break = Box<Unsupported>;

    fn pre_visit_statement(&mut self, statement: &Statement) -> ControlFlow<Self::Break> {
        self.n_open_statements += 1;
        if self.n_open_statements == 1
            && let Statement::Query(query) = statement
        {
            self.may_select_into = matches!(*query.body, SetExpr::Select(_)) && query.pipe_operators.is_empty();
        }
        flow(statement::check_statement(statement))
    }

    fn post_visit_statement(&mut self, _: &Statement) -> ControlFlow<Self::Break> {
        self.n_open_statements -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Self::Break> {
        self.n_open_queries += 1;
        flow(query::check_query(query))
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<Self::Break> {
        self.n_open_queries -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<Self::Break> {
        let creates_table = self.may_select_into && self.n_open_queries == 1;
        flow(query::check_select(select, creates_table, self.functions))
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<Self::Break> {
        flow(relation::check_factor(factor))
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Self::Break> {
        flow(expression::check_expr(expr, self.functions))
    }
}

#[cfg(test)]
mod tests;
