//! Queries and SELECTs, but for what stands in FROM.

use std::ops::ControlFlow;

use datafusion::execution::SessionState;
use datafusion::sql::sqlparser::ast::{
    Cte, Distinct, ExcludeSelectItem, Expr, GroupByExpr, Ident, Join, JoinConstraint, JoinOperator, ObjectName,
    PipeOperator, Query, Select, SelectFlavor, SelectInto, SelectItem, SetExpr, SetOperator, SetQuantifier, Spanned,
    TableFactor, TableWithJoins, Value, ValueWithSpan, Visit, Visitor, WildcardAdditionalOptions, With,
};
use datafusion::sql::sqlparser::tokenizer::Span;

use super::{Checked, refuse_if, relation};
use crate::sql::calls::Calls;

pub(super) fn check_query(query: &Query) -> Checked {
    let Query {
        with,
        body,
        // ALL has become a call that stands for all columns.
        order_by: _,
        limit_clause: _,
        // FETCH has become LIMIT.
        fetch: _,
        locks,
        for_clause,
        settings,
        format_clause,
        pipe_operators,
    } = query;
    let span = body_span(body);
    refuse_if(!locks.is_empty(), "FOR UPDATE or FOR SHARE", "remove it: a statement reads a snapshot", span)?;
    refuse_if(
        for_clause.is_some(),
        "FOR XML, FOR JSON or FOR BROWSE",
        "choose the output format outside of SQL",
        span,
    )?;
    refuse_if(settings.is_some(), "SETTINGS", "use SET before the query", span)?;
    refuse_if(format_clause.is_some(), "FORMAT", "choose the output format outside of SQL", span)?;
    if let Some(with) = with {
        check_with(with)?;
    }
    pipe_operators.iter().try_for_each(|operator| check_pipe(operator, span))
}

fn check_with(with: &With) -> Checked {
    let With { with_token: _, recursive, cte_tables } = with;
    for cte in cte_tables {
        // MATERIALIZED and NOT MATERIALIZED are hints about cost.
        let Cte { alias, query, from, materialized: _, closing_paren_token: _ } = cte;
        if let Some(from) = from {
            refuse_if(true, "FROM behind a common table expression", "put it into the query", from.span)?;
        }
        relation::check_alias(Some(alias))?;
        if *recursive {
            check_recursive(&alias.name, query)?;
        }
    }
    Ok(())
}

/// The planner takes the two arms of a recursive UNION out of their query and drops everything else of it.
fn check_recursive(name: &Ident, query: &Query) -> Checked {
    let SetExpr::SetOperation { op: SetOperator::Union, set_quantifier, .. } = &*query.body else { return Ok(()) };
    let outside = "put it into the query that reads the recursive table";
    let refuse = |found, clause: &'static str, remedy: &'static str| {
        refuse_if(found, format!("{clause} in the recursive table {name}"), remedy, name.span)
    };
    refuse(query.order_by.is_some(), "ORDER BY", outside)?;
    refuse(query.limit_clause.is_some(), "LIMIT or OFFSET", outside)?;
    refuse(query.fetch.is_some(), "FETCH", outside)?;
    refuse(!query.pipe_operators.is_empty(), "a pipe operator", outside)?;
    let is_by_name = match set_quantifier {
        SetQuantifier::ByName | SetQuantifier::AllByName | SetQuantifier::DistinctByName => true,
        SetQuantifier::All | SetQuantifier::Distinct | SetQuantifier::None => false,
    };
    refuse(is_by_name, "UNION BY NAME", "list the columns in the same order in both arms")
}

fn check_pipe(operator: &PipeOperator, span: Span) -> Checked {
    match operator {
        PipeOperator::Aggregate { full_table_exprs, group_by_expr } => {
            let mut items = full_table_exprs.iter().chain(group_by_expr);
            let is_sorted = items.any(|item| item.order_by.asc.is_some() || item.order_by.nulls_first.is_some());
            refuse_if(is_sorted, "an order in |> AGGREGATE", "add |> ORDER BY", span)
        }
        PipeOperator::Join(join) => relation::check_join(join),
        // The others are planned in full or rejected by the planner.
        _ => Ok(()),
    }
}

/// Checks one SELECT. `creates_table` tells that this is the place where INTO works.
pub(super) fn check_select(select: &Select, creates_table: bool, functions: &SessionState) -> Checked {
    let Select {
        select_token,
        // Hints in comments say how to run a query, not what it means.
        optimizer_hints: _,
        distinct: _,
        select_modifiers,
        top: _,
        top_before_distinct: _,
        projection,
        exclude,
        into,
        from,
        lateral_views: _,
        prewhere,
        selection: _,
        connect_by,
        group_by,
        cluster_by: _,
        distribute_by: _,
        sort_by: _,
        having: _,
        named_window: _,
        qualify: _,
        window_before_qualify: _,
        value_table_mode,
        flavor,
    } = select;
    let span = select_token.0.span;
    let changes_result = select_modifiers.as_ref().is_some_and(|modifiers| modifiers.sql_calc_found_rows);
    refuse_if(changes_result, "SQL_CALC_FOUND_ROWS", "use a second query with count(*)", span)?;
    refuse_if(prewhere.is_some(), "PREWHERE", "use WHERE", span)?;
    refuse_if(!connect_by.is_empty(), "CONNECT BY", "use WITH RECURSIVE", span)?;
    refuse_if(value_table_mode.is_some(), "SELECT AS STRUCT or AS VALUE", "use SELECT struct(...)", span)?;
    refuse_if(
        exclude.is_some(),
        "EXCLUDE behind the SELECT list",
        "put it behind the *",
        exclude_span(exclude.as_ref(), span),
    )?;
    let is_bare_from = matches!(flavor, SelectFlavor::FromFirstNoSelect) && projection.is_empty();
    refuse_if(is_bare_from, "FROM without SELECT", "write FROM ... SELECT *", from_span(from))?;
    let (GroupByExpr::All(modifiers) | GroupByExpr::Expressions(_, modifiers)) = group_by;
    refuse_if(
        !modifiers.is_empty(),
        "a modifier behind GROUP BY, such as WITH ROLLUP",
        "use GROUP BY ROLLUP (...), CUBE (...) or GROUPING SETS (...)",
        span,
    )?;
    if let Some(SelectInto { temporary, unlogged, table: _, name }) = into {
        let span = name.span();
        refuse_if(*temporary, "SELECT INTO TEMPORARY", "leave TEMPORARY out, and drop the table after use", span)?;
        refuse_if(*unlogged, "SELECT INTO UNLOGGED", "leave UNLOGGED out", span)?;
        refuse_if(!creates_table, "INTO within a larger query", "use CREATE TABLE ... AS", span)?;
    }
    projection.iter().try_for_each(check_item)?;
    from.iter().try_for_each(relation::check_joined)?;
    check_volatile_names(select, functions)?;
    check_merged_columns(select)
}

/// The planner puts the expression of a name of the SELECT list into HAVING and QUALIFY, where it is computed once more.
fn check_volatile_names(select: &Select, functions: &SessionState) -> Checked {
    if select.having.is_none() && select.qualify.is_none() {
        return Ok(());
    }
    for item in &select.projection {
        let SelectItem::ExprWithAlias { expr, alias } = item else { continue };
        let Some(function) = Calls::of(expr, functions).volatile else { continue };
        let names = [alias.value.to_lowercase()];
        let mut search = BareColumn { names: &names };
        let found = [select.having.visit(&mut search), select.qualify.visit(&mut search)];
        if let Some(ident) = found.into_iter().find_map(ControlFlow::break_value) {
            let construct = format!("a filter by \"{}\", which {function}() would compute twice", ident.value);
            refuse_if(true, construct, "compute it in a subquery", ident.span)?;
        }
    }
    Ok(())
}

fn check_item(item: &SelectItem) -> Checked {
    match item {
        SelectItem::Wildcard(options) | SelectItem::QualifiedWildcard(_, options) => {
            let WildcardAdditionalOptions {
                wildcard_token,
                opt_ilike,
                opt_exclude: _,
                opt_except: _,
                opt_replace: _,
                opt_rename: _,
                opt_alias: _,
            } = options;
            refuse_if(opt_ilike.is_some(), "* ILIKE", "list the columns", wildcard_token.0.span)
        }
        // The tokenizer reads `1_000` as the number 1 with the alias `_000`.
        SelectItem::ExprWithAlias { expr: Expr::Value(ValueWithSpan { value: Value::Number(..), span }), alias } => {
            let is_glued = alias.quote_style.is_none() && span.end == alias.span.start && *span != Span::empty();
            refuse_if(is_glued, "a number with letters or _ behind it", "write the digits alone", *span)
        }
        SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { .. } | SelectItem::ExprWithAliases { .. } => Ok(()),
    }
}

/// Refuses a bare column of a RIGHT or FULL JOIN ... USING that could not be rewritten. It should be whichever side is not NULL; the planner takes the
/// left one.
fn check_merged_columns(select: &Select) -> Checked {
    let mut merged = Vec::new();
    for TableWithJoins { relation: _, joins } in &select.from {
        for Join { relation: _, global: _, join_operator } in joins {
            let (JoinOperator::Right(constraint)
            | JoinOperator::RightOuter(constraint)
            | JoinOperator::FullOuter(constraint)) = join_operator
            else {
                continue;
            };
            match constraint {
                JoinConstraint::Using(names) => merged.extend(names.iter().filter_map(bare_name)),
                JoinConstraint::Natural => refuse_if(
                    true,
                    "NATURAL RIGHT or FULL JOIN",
                    "join with ON, and merge the columns with coalesce(l.x, r.x)",
                    from_span(&select.from),
                )?,
                JoinConstraint::On(_) | JoinConstraint::None => {}
            }
        }
    }
    if merged.is_empty() {
        return Ok(());
    }
    let refuse = |name: &str, span| {
        let construct = format!("the bare column {name} of RIGHT or FULL JOIN ... USING");
        let remedy = format!("write coalesce(l.{name}, r.{name}) with the names of the two tables");
        refuse_if(true, construct, remedy, span)
    };
    for item in &select.projection {
        if let SelectItem::Wildcard(options) = item {
            refuse(&merged[0], options.wildcard_token.0.span)?;
        }
    }
    let mut search = BareColumn { names: &merged };
    let found = [
        select.projection.visit(&mut search),
        select.selection.visit(&mut search),
        select.group_by.visit(&mut search),
        select.having.visit(&mut search),
        select.qualify.visit(&mut search),
    ];
    match found.into_iter().find_map(ControlFlow::break_value) {
        Some(ident) => refuse(&ident.value, ident.span),
        None => Ok(()),
    }
}

/// Finds a column without a table among `names`.
struct BareColumn<'a> {
    names: &'a [String],
}

impl Visitor for BareColumn<'_> {
    type Break = Box<Ident>;

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Self::Break> {
        match expr {
            Expr::Identifier(ident) if self.names.contains(&ident.value.to_lowercase()) => {
                ControlFlow::Break(Box::new(ident.clone()))
            }
            _ => ControlFlow::Continue(()),
        }
    }
}

fn bare_name(name: &ObjectName) -> Option<String> {
    Some(name.0.last()?.as_ident()?.value.to_lowercase())
}

/// DISTINCT ON cannot be prepared: the optimizer rule that plans it looks for a function registry that is not there.
pub(super) fn check_prepared(statement: &impl Visit) -> Checked {
    struct DistinctOn;
    impl Visitor for DistinctOn {
        type Break = Span;
        fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<Span> {
            match select.distinct {
                Some(Distinct::On(_)) => ControlFlow::Break(select.select_token.0.span),
                Some(Distinct::Distinct | Distinct::All) | None => ControlFlow::Continue(()),
            }
        }
    }
    match statement.visit(&mut DistinctOn) {
        ControlFlow::Break(span) => {
            refuse_if(true, "PREPARE of DISTINCT ON", "number the rows with row_number() in a subquery", span)
        }
        ControlFlow::Continue(()) => Ok(()),
    }
}

/// The first SELECT of a query body. Only tokens are looked at: taking the span of expressions would recurse into them.
fn body_span(body: &SetExpr) -> Span {
    let mut body = body;
    loop {
        match body {
            SetExpr::Select(select) => return select.select_token.0.span,
            SetExpr::SetOperation { left, .. } => body = left,
            SetExpr::Query(query) => body = &query.body,
            _ => return Span::empty(),
        }
    }
}

fn from_span(from: &[TableWithJoins]) -> Span {
    match from.first().map(|item| &item.relation) {
        Some(TableFactor::Table { name, .. }) => name.span(),
        _ => Span::empty(),
    }
}

fn exclude_span(exclude: Option<&ExcludeSelectItem>, otherwise: Span) -> Span {
    match exclude {
        Some(ExcludeSelectItem::Single(name)) => name.span(),
        Some(ExcludeSelectItem::Multiple(names)) => names.first().map_or(otherwise, Spanned::span),
        None => otherwise,
    }
}
