//! What an expression calls, as far as that decides where it may stand.

use std::ops::ControlFlow;

use datafusion::execution::SessionState;
use datafusion::logical_expr::Volatility;
use datafusion::sql::sqlparser::ast::{Expr, Function, Query, Visit, Visitor};

use crate::sql::parse::normalized;

/// The first call of each kind in an expression, by the name of the function.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Calls {
    /// Of an aggregate. Those in subqueries belong there.
    pub(crate) aggregate: Option<String>,
    /// Of a function over a window, as above.
    pub(crate) window: Option<String>,
    /// Of a function that makes rows of one row, as above.
    pub(crate) unnest: Option<String>,
    /// Of a function that gives another value each time, in subqueries too.
    pub(crate) volatile: Option<String>,
}

impl Calls {
    /// The calls in `expr`; `functions` says what each name means.
    pub(crate) fn of(expr: &Expr, functions: &SessionState) -> Self {
        let mut search = Search { functions, depth: 0, found: Self::default() };
        let _ = expr.visit(&mut search);
        search.found
    }
}

/// The name of a function without a schema, as the planner folds it.
pub(crate) fn called_name(function: &Function) -> Option<String> {
    match function.name.0.as_slice() {
        [part] => part.as_ident().map(normalized),
        _ => None,
    }
}

struct Search<'a> {
    functions: &'a SessionState,
    /// Subqueries around the expression that is visited.
    depth: usize,
    found: Calls,
}

impl Visitor for Search<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        let Expr::Function(function) = expr else { return ControlFlow::Continue(()) };
        let Some(name) = called_name(function) else { return ControlFlow::Continue(()) };
        let scalar = self.functions.scalar_functions().get(&name);
        let kind = if scalar.is_some_and(|scalar| scalar.signature().volatility == Volatility::Volatile) {
            &mut self.found.volatile
        } else if self.depth > 0 {
            return ControlFlow::Continue(());
        } else if function.over.is_some() || self.functions.window_functions().contains_key(&name) {
            &mut self.found.window
        } else if self.functions.aggregate_functions().contains_key(&name) {
            &mut self.found.aggregate
        } else if name == "unnest" {
            &mut self.found.unnest
        } else {
            return ControlFlow::Continue(());
        };
        kind.get_or_insert(name);
        ControlFlow::Continue(())
    }
}
