//! Named windows. The planner resolves `OVER w` in the SELECT list and nowhere else; elsewhere it drops the `OVER`, and an
//! aggregate silently becomes a plain one.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Ident, NamedWindowDefinition, NamedWindowExpr, Query, Select, SelectItem, Visit, Visitor, WindowSpec,
    WindowType,
};

use super::{Checked, refuse_if};

/// Checks the named windows of one SELECT, but for the ORDER BY behind it.
pub(super) fn check_select(select: &Select) -> Checked {
    for NamedWindowDefinition(_, window) in &select.named_window {
        if let NamedWindowExpr::WindowSpec(spec) = window {
            check_spec(spec)?;
        }
    }
    let mut elsewhere = Uses::default();
    let mut in_list = Uses::default();
    for item in &select.projection {
        let is_resolved = matches!(item, SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { .. });
        let _ = item.visit(if is_resolved { &mut in_list } else { &mut elsewhere });
    }
    let _ = select.distinct.visit(&mut elsewhere);
    let _ = select.from.visit(&mut elsewhere);
    let _ = select.selection.visit(&mut elsewhere);
    let _ = select.group_by.visit(&mut elsewhere);
    let _ = select.distribute_by.visit(&mut elsewhere);
    let _ = select.having.visit(&mut elsewhere);
    let _ = select.qualify.visit(&mut elsewhere);
    check_elsewhere(&elsewhere)?;

    // The planner also looks into the subqueries of the list, where it prefers the outer window of the same name.
    for (name, _) in in_list.found.iter().filter(|(_, depth)| *depth > 0) {
        let is_taken = select.named_window.iter().any(|window| is_same(&window.0, name));
        let construct = format!("the window {name} in a subquery of a SELECT list that has a window of the same name");
        refuse_if(is_taken, construct, "give one of the two windows another name", name.span)?;
    }
    Ok(())
}

/// Checks what follows the body of a query: ORDER BY, LIMIT and pipe operators.
pub(super) fn check_query(query: &Query) -> Checked {
    let mut elsewhere = Uses::default();
    let _ = query.order_by.visit(&mut elsewhere);
    let _ = query.limit_clause.visit(&mut elsewhere);
    let _ = query.pipe_operators.visit(&mut elsewhere);
    check_elsewhere(&elsewhere)
}

/// Checks a window that is written out.
pub(super) fn check_spec(spec: &WindowSpec) -> Checked {
    let WindowSpec { window_name, partition_by: _, order_by: _, window_frame: _ } = spec;
    match window_name {
        // The planner takes what is written behind the name and forgets the window that it refers to.
        Some(name) => refuse_if(
            true,
            format!("extending the window {name}"),
            "write out its PARTITION BY and ORDER BY, or use OVER with the bare name",
            name.span,
        ),
        None => Ok(()),
    }
}

fn check_elsewhere(uses: &Uses) -> Checked {
    match uses.found.iter().find(|(_, depth)| *depth == 0) {
        Some((name, _)) => refuse_if(
            true,
            format!("OVER {name} outside the SELECT list"),
            "write the window out in parentheses, or refer to the column by an alias",
            name.span,
        ),
        None => Ok(()),
    }
}

fn is_same(a: &Ident, b: &Ident) -> bool {
    let normal = |ident: &Ident| match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_lowercase(),
    };
    normal(a) == normal(b)
}

/// The names behind OVER, with the number of subqueries around them.
#[derive(Default)]
struct Uses {
    depth: usize,
    found: Vec<(Ident, usize)>,
}

impl Visitor for Uses {
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
        if let Expr::Function(function) = expr
            && let Some(WindowType::NamedWindow(name)) = &function.over
        {
            self.found.push((name.clone(), self.depth));
        }
        ControlFlow::Continue(())
    }
}
