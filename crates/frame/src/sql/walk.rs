//! Walks over a statement, whichever of DataFusion's wrappers it stands in, and over what is a node's own.

use std::ops::ControlFlow;

use datafusion::sql::parser::{CopyToSource, Statement};
use datafusion::sql::sqlparser::ast::{Expr, Query, VisitMut, VisitorMut};

/// Lets `visitor` see every part of the statement that is SQL.
pub(crate) fn walk<V: VisitorMut>(statement: &mut Statement, visitor: &mut V) -> ControlFlow<V::Break> {
    match statement {
        Statement::Statement(inner) => inner.visit(visitor),
        Statement::CopyTo(copy) => match &mut copy.source {
            CopyToSource::Query(query) => query.visit(visitor),
            CopyToSource::Relation(_) => ControlFlow::Continue(()),
        },
        Statement::Explain(explain) => walk(&mut explain.statement, visitor),
        Statement::CreateExternalTable(_) | Statement::Reset(_) => ControlFlow::Continue(()),
    }
}

/// Lets `change` see every expression of `node`, parts before wholes, but for those in subqueries: there a name may be another
/// column's.
pub(crate) fn own_expressions(node: &mut impl VisitMut, change: impl FnMut(&mut Expr)) {
    struct Own<F> {
        change: F,
        depth: usize,
    }

    impl<F: FnMut(&mut Expr)> VisitorMut for Own<F> {
        type Break = ();

        fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
            self.depth += 1;
            ControlFlow::Continue(())
        }

        fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
            self.depth -= 1;
            ControlFlow::Continue(())
        }

        fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
            if self.depth == 0 {
                (self.change)(expr);
            }
            ControlFlow::Continue(())
        }
    }

    let _ = node.visit(&mut Own { change, depth: 0 });
}
