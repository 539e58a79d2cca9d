//! Named windows, written out where they are used. The planner resolves them in the SELECT list only, and forgets the window
//! that another one extends.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Ident, NamedWindowExpr, Query, Select, SetExpr, VisitMut, VisitorMut, WindowSpec, WindowType,
};
use datafusion::sql::sqlparser::tokenizer::Span;

use crate::sql::parse::normalized;

type Done = Result<(), (String, Span)>;

/// Writes out the windows of a query's SELECT in the ORDER BY behind it.
pub(super) fn write_out_in_query(query: &mut Query) -> Done {
    let SetExpr::Select(select) = query.body.as_ref() else { return Ok(()) };
    if select.named_window.is_empty() {
        return Ok(());
    }
    let windows = windows_of(select)?;
    let mut writer = Writer { windows: &windows, depth: 0 };
    flow(query.order_by.visit(&mut writer))
}

/// Writes out the windows of `select` in it, and drops their definitions.
pub(super) fn write_out(select: &mut Select) -> Done {
    if select.named_window.is_empty() {
        return Ok(());
    }
    let windows = windows_of(select)?;
    select.named_window.clear();
    let mut writer = Writer { windows: &windows, depth: 0 };
    flow(select.distinct.visit(&mut writer))?;
    flow(select.projection.visit(&mut writer))?;
    flow(select.qualify.visit(&mut writer))
}

/// The name behind an OVER that no definition has written out; the visit comes to it after all that could.
pub(super) fn unknown(expr: &Expr) -> Option<&Ident> {
    let Expr::Function(function) = expr else { return None };
    match &function.over {
        Some(WindowType::NamedWindow(name)) => Some(name),
        Some(WindowType::WindowSpec(spec)) => spec.window_name.as_ref(),
        None => None,
    }
}

fn windows_of(select: &Select) -> Result<Vec<(String, WindowSpec)>, (String, Span)> {
    let mut windows: Vec<(String, WindowSpec)> = Vec::new();
    for definition in &select.named_window {
        let name = normalized(&definition.0);
        if windows.iter().any(|(known, _)| *known == name) {
            return Err((format!("window \"{name}\" is defined twice"), definition.0.span));
        }
        let spec = match &definition.1 {
            NamedWindowExpr::NamedWindow(base) => find(&windows, base)?.clone(),
            NamedWindowExpr::WindowSpec(spec) => extended(spec, &windows)?,
        };
        windows.push((name, spec));
    }
    Ok(windows)
}

fn find<'a>(windows: &'a [(String, WindowSpec)], name: &Ident) -> Result<&'a WindowSpec, (String, Span)> {
    let normal = normalized(name);
    let found = windows.iter().find(|(known, _)| *known == normal).map(|(_, spec)| spec);
    found.ok_or_else(|| (format!("window \"{}\" does not exist", name.value), name.span))
}

/// `spec` with what it takes from the window that it extends.
fn extended(spec: &WindowSpec, windows: &[(String, WindowSpec)]) -> Result<WindowSpec, (String, Span)> {
    let WindowSpec { window_name, partition_by, order_by, window_frame } = spec;
    let Some(name) = window_name else { return Ok(spec.clone()) };
    let base = find(windows, name)?;
    let refuse = |what: &str| Err((format!("{what} window \"{}\"", name.value), name.span));
    if !partition_by.is_empty() {
        return refuse("PARTITION BY cannot be added to");
    }
    if !order_by.is_empty() && !base.order_by.is_empty() {
        return refuse("ORDER BY cannot be added to the ordered");
    }
    if base.window_frame.is_some() {
        return refuse("nothing can be added to the frame of");
    }
    Ok(WindowSpec {
        window_name: None,
        partition_by: base.partition_by.clone(),
        order_by: if order_by.is_empty() { base.order_by.clone() } else { order_by.clone() },
        window_frame: window_frame.clone(),
    })
}

fn flow(flow: ControlFlow<(String, Span)>) -> Done {
    match flow {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

/// Writes windows out, but not in subqueries, which do not see them.
struct Writer<'a> {
    windows: &'a [(String, WindowSpec)],
    depth: usize,
}

impl VisitorMut for Writer<'_> {
    type Break = (String, Span);

    fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<Self::Break> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<Self::Break> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Self::Break> {
        let Expr::Function(function) = expr else { return ControlFlow::Continue(()) };
        if self.depth > 0 {
            return ControlFlow::Continue(());
        }
        let written = match &function.over {
            Some(WindowType::NamedWindow(name)) => find(self.windows, name).cloned(),
            Some(WindowType::WindowSpec(spec)) if spec.window_name.is_some() => extended(spec, self.windows),
            _ => return ControlFlow::Continue(()),
        };
        match written {
            Ok(spec) => {
                function.over = Some(WindowType::WindowSpec(spec));
                ControlFlow::Continue(())
            }
            Err(error) => ControlFlow::Break(error),
        }
    }
}
