//! Names as users expect them: CSV headers in any case, several output columns of one name, readable names of expressions.

use std::collections::HashSet;
use std::ops::ControlFlow;

use datafusion::common::{Column, SchemaError};
use datafusion::error::DataFusionError;
use datafusion::sql::parser::{CopyToSource, Statement};
use datafusion::sql::sqlparser::ast::{
    self, AssignmentTarget, Expr, Ident, JoinConstraint, JoinOperator, ObjectNamePart, Query, Select, SelectItem,
    SetExpr, VisitorMut,
};

use crate::sql::parse::normalized;
use crate::sql::walk::walk;

/// If `error` says that an unquoted name matches no column, but one column in scope differs from it in case only,
/// quotes the name as that column is spelt; `true` if the statement changed and is worth planning again.
pub(crate) fn fit_case(statement: &mut Statement, error: &DataFusionError) -> bool {
    let Some((field, valid)) = field_not_found(error) else { return false };
    let wanted = field.name.to_lowercase();
    let mut spellings: Vec<&str> = valid
        .iter()
        .filter(|column| column.name.to_lowercase() == wanted)
        .filter(|column| match (&field.relation, &column.relation) {
            (Some(asked), Some(found)) => asked.table().eq_ignore_ascii_case(found.table()),
            _ => true,
        })
        .map(|column| column.name.as_str())
        .collect();
    spellings.sort_unstable();
    spellings.dedup();
    let [spelling] = spellings.as_slice() else { return false };
    if *spelling == field.name {
        return false;
    }
    let place = field.spans.first().map(|span| (span.start.line, span.start.column));
    let mut quoter = Quoter { name: field.name.clone(), spelling: (*spelling).to_owned(), place, changed: false };
    let _ = walk(statement, &mut quoter);
    if !quoter.changed && place.is_some() {
        // The planner's place may be that of the whole expression: then every use of the name is quoted.
        quoter.place = None;
        let _ = walk(statement, &mut quoter);
    }
    quoter.changed
}

/// The column that `error` says is not there, and those that are.
pub(super) fn field_not_found(error: &DataFusionError) -> Option<(&Column, &[Column])> {
    match error {
        DataFusionError::Diagnostic(_, inner) | DataFusionError::Context(_, inner) => field_not_found(inner),
        DataFusionError::Collection(errors) => errors.first().and_then(field_not_found),
        DataFusionError::Shared(inner) => field_not_found(inner),
        DataFusionError::SchemaError(schema_error, _) => match schema_error.as_ref() {
            SchemaError::FieldNotFound { field, valid_fields } => Some((field, valid_fields)),
            _ => None,
        },
        _ => None,
    }
}

struct Quoter {
    name: String,
    spelling: String,
    place: Option<(u64, u64)>,
    changed: bool,
}

impl Quoter {
    fn object_name(&mut self, name: &mut ast::ObjectName) {
        if let Some(ObjectNamePart::Identifier(ident)) = name.0.last_mut() {
            self.ident(ident);
        }
    }

    fn ident(&mut self, ident: &mut Ident) {
        let here =
            self.place.is_none_or(|(line, column)| ident.span.start.line == line && ident.span.start.column == column);
        if here && ident.quote_style.is_none() && normalized(ident) == self.name {
            ident.value = self.spelling.clone();
            ident.quote_style = Some('"');
            self.changed = true;
        }
    }
}

impl VisitorMut for Quoter {
    type Break = ();

    /// Names of columns that are not expressions.
    fn pre_visit_statement(&mut self, statement: &mut ast::Statement) -> ControlFlow<()> {
        match statement {
            ast::Statement::Insert(insert) => {
                for column in &mut insert.columns {
                    self.object_name(column);
                }
            }
            ast::Statement::Update(update) => {
                for assignment in &mut update.assignments {
                    match &mut assignment.target {
                        AssignmentTarget::ColumnName(name) => self.object_name(name),
                        AssignmentTarget::Tuple(names) => names.iter_mut().for_each(|name| self.object_name(name)),
                    }
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        match expr {
            Expr::Identifier(ident) => self.ident(ident),
            Expr::CompoundIdentifier(parts) => {
                let first = parts.first().map(|part| (part.span.start.line, part.span.start.column));
                if let Some(last) = parts.last_mut() {
                    // The place of a qualified column is that of its qualifier.
                    if self.place.is_some() && self.place == first {
                        let place = self.place.take();
                        self.ident(last);
                        self.place = place;
                    } else {
                        self.ident(last);
                    }
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        for join in select.from.iter_mut().flat_map(|from| &mut from.joins) {
            if let Some(JoinConstraint::Using(columns)) = constraint_mut(&mut join.join_operator) {
                columns.iter_mut().for_each(|column| self.object_name(column));
            }
        }
        ControlFlow::Continue(())
    }
}

fn constraint_mut(join: &mut JoinOperator) -> Option<&mut JoinConstraint> {
    match join {
        JoinOperator::Join(constraint)
        | JoinOperator::Inner(constraint)
        | JoinOperator::Left(constraint)
        | JoinOperator::LeftOuter(constraint)
        | JoinOperator::Right(constraint)
        | JoinOperator::RightOuter(constraint)
        | JoinOperator::FullOuter(constraint)
        | JoinOperator::Semi(constraint)
        | JoinOperator::LeftSemi(constraint)
        | JoinOperator::RightSemi(constraint)
        | JoinOperator::Anti(constraint)
        | JoinOperator::LeftAnti(constraint)
        | JoinOperator::RightAnti(constraint) => Some(constraint),
        _ => None,
    }
}

/// How alike two items of a SELECT list must be to get names of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Alike {
    /// The same text.
    Text,
    /// The same column name, whatever the qualifier; also any expression without a name, and any column beside a wildcard.
    ColumnName,
}

/// Gives every item of a SELECT list that repeats an earlier one a name of its own, and returns those names with the names
/// they stand for; the planner refuses a projection with two columns of one name.
pub(crate) fn separate_duplicates(statement: &mut Statement, alike: Alike) -> HashSet<String> {
    let mut separator = Separator { alike, made: HashSet::new(), depth: 0 };
    let _ = walk(statement, &mut separator);
    separator.made
}

/// Whether the planner refused two output columns of one name.
pub(crate) fn is_duplicate_name(error: &DataFusionError) -> bool {
    let message = error.strip_backtrace();
    message.contains("require unique expression names") || message.contains("duplicate unqualified field name")
}

struct Separator {
    alike: Alike,
    made: HashSet<String>,
    /// Queries around the one that is visited, itself included.
    depth: usize,
}

impl VisitorMut for Separator {
    type Break = ();

    fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        let beside_wildcard = self.alike == Alike::ColumnName && select.projection.iter().any(is_wildcard);
        let names: Vec<Option<String>> = select.projection.iter().map(|item| self.name_of_item(item)).collect();
        let mut taken: HashSet<String> = names.iter().flatten().cloned().collect();
        let mut seen: HashSet<String> = HashSet::new();
        for (idx, item) in select.projection.iter_mut().enumerate() {
            let Some(name) = &names[idx] else { continue };
            let (expr, is_named) = match item {
                SelectItem::UnnamedExpr(expr) => (expr.clone(), false),
                SelectItem::ExprWithAlias { expr, .. } => (expr.clone(), true),
                _ => continue,
            };
            let is_column = matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_));
            let is_shared = names.iter().flatten().filter(|other| *other == name).count() > 1;
            // A name that others can use must not silently mean the first of several: then none of them keeps it.
            let is_used_by_name = is_shared && (self.depth > 1 || is_named);
            // The planner calls every subquery the same, and folds the case of some expressions.
            let is_nameless = self.alike == Alike::ColumnName && !is_column && !is_named;
            let is_repeated = !seen.insert(name.clone());
            if is_repeated || is_used_by_name || is_nameless || (beside_wildcard && is_column) {
                let mut n = 1;
                let mut alias = format!("{name}{SEPARATOR}{n}");
                while !taken.insert(alias.clone()) {
                    n += 1;
                    alias = format!("{name}{SEPARATOR}{n}");
                }
                self.made.insert(alias.clone());
                *item = SelectItem::ExprWithAlias { expr, alias: Ident::with_quote('"', alias) };
            }
        }
        ControlFlow::Continue(())
    }
}

/// Between a repeated name and its number.
const SEPARATOR: char = ':';

impl Separator {
    fn name_of_item(&self, item: &SelectItem) -> Option<String> {
        match item {
            SelectItem::UnnamedExpr(expr) => Some(self.name_of(expr)),
            SelectItem::ExprWithAlias { alias, .. } => Some(normalized(alias)),
            _ => None,
        }
    }

    fn name_of(&self, expr: &Expr) -> String {
        match (self.alike, expr) {
            (_, Expr::Identifier(ident)) => normalized(ident),
            (Alike::ColumnName, Expr::CompoundIdentifier(parts)) => parts.last().map(normalized).unwrap_or_default(),
            _ => expr.to_string(),
        }
    }
}

/// The name that one made by [`separate_duplicates`] stands for.
pub(crate) fn original_name<'a>(name: &'a str, made: &HashSet<String>) -> &'a str {
    match made.contains(name) {
        true => name.rsplit_once(SEPARATOR).map_or(name, |(original, _)| original),
        false => name,
    }
}

/// The text of each output column's expression, where it has no name of its own; `None` for a named column or a plain one.
///
/// Counted from the front up to a wildcard, and from the back behind it; empty if that is ambiguous.
pub(crate) fn expression_names(statement: &Statement, n_columns: usize) -> Vec<Option<String>> {
    let mut names = vec![None; n_columns];
    let Some(items) = outermost_query(statement).and_then(|query| outermost_items(&query.body)) else { return names };
    let wildcards = items.iter().filter(|item| is_wildcard(item)).count();
    if wildcards > 1 || (wildcards == 0 && items.len() != n_columns) {
        return names;
    }
    let front = items.iter().take_while(|item| !is_wildcard(item)).count();
    for (idx, item) in items.iter().enumerate() {
        let column = if idx < front { Some(idx) } else { (n_columns + idx).checked_sub(items.len()) };
        if let (Some(column), SelectItem::UnnamedExpr(expr)) = (column, item)
            && !matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_) | Expr::CompoundFieldAccess { .. })
            && let Some(name) = names.get_mut(column)
        {
            *name = Some(readable(expr));
        }
    }
    names
}

/// Longest name made from an expression, in characters.
const NAME_CHARS: usize = 80;

fn readable(expr: &Expr) -> String {
    let text = match expr {
        Expr::Nested(inner) => inner.to_string(),
        other => other.to_string(),
    };
    match text.char_indices().nth(NAME_CHARS) {
        Some((cut, _)) => format!("{}...", &text[..cut]),
        None => text,
    }
}

fn is_wildcard(item: &SelectItem) -> bool {
    matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..))
}

fn outermost_query(statement: &Statement) -> Option<&Query> {
    match statement {
        Statement::Statement(inner) => match inner.as_ref() {
            ast::Statement::Query(query) => Some(query),
            // A list of column names is already what the columns are called.
            ast::Statement::CreateTable(create) if create.columns.is_empty() => create.query.as_deref(),
            _ => None,
        },
        Statement::CopyTo(copy) => match &copy.source {
            CopyToSource::Query(query) => Some(query),
            CopyToSource::Relation(_) => None,
        },
        _ => None,
    }
}

fn outermost_items(body: &SetExpr) -> Option<&[SelectItem]> {
    match body {
        SetExpr::Select(select) => Some(&select.projection),
        SetExpr::Query(query) => outermost_items(&query.body),
        SetExpr::SetOperation { left, .. } => outermost_items(left),
        _ => None,
    }
}
