//! The merged columns of RIGHT and FULL JOIN ... USING. The planner takes the left side's value, which is NULL where only
//! the right side has a row.
//!
//! Where a FROM has such a join, its USING become ON, a bare merged column becomes the value it stands for, and `*` the
//! columns in their order. What cannot be rewritten, because a side has no name or the join is NATURAL, stays as it is,
//! and is refused later.

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, ExcludeSelectItem, Expr, Ident, JoinConstraint, JoinOperator, ObjectName, OrderByKind, Query,
    Select, SelectItem, SelectItemQualifiedWildcardKind, SetExpr, TableFactor, TableWithJoins, VisitMut,
    WildcardAdditionalOptions,
};

use super::build::{binary, call};
use crate::sql::parse::normalized;
use crate::sql::walk::own_expressions;

/// Puts the merged columns of a query's SELECT into the ORDER BY behind it, but for names of the SELECT list.
pub(super) fn merge_in_query(query: &mut Query) {
    let SetExpr::Select(select) = query.body.as_ref() else { return };
    let Some(scope) = scope_of(select) else { return };
    let Some(order_by) = &mut query.order_by else { return };
    let OrderByKind::Expressions(exprs) = &mut order_by.kind else { return };
    let is_output = |name: &Ident| {
        select.projection.iter().any(|item| match item {
            SelectItem::UnnamedExpr(Expr::Identifier(column)) => normalized(column) == normalized(name),
            SelectItem::ExprWithAlias { alias, .. } => normalized(alias) == normalized(name),
            SelectItem::Wildcard(_) => true,
            _ => false,
        })
    };
    for order in exprs {
        if !matches!(&order.expr, Expr::Identifier(name) if is_output(name)) {
            scope.merge_into(&mut order.expr);
        }
    }
}

/// Merges the columns in `select`.
pub(super) fn merge(select: &mut Select) {
    let Some(scope) = scope_of(select) else { return };
    let mut projection = Vec::with_capacity(select.projection.len());
    for mut item in std::mem::take(&mut select.projection) {
        match item {
            SelectItem::Wildcard(_) => projection.extend(scope.outputs.iter().map(Output::item)),
            SelectItem::UnnamedExpr(Expr::Identifier(name)) => match scope.merged_column(&name) {
                Some(value) => projection.push(SelectItem::ExprWithAlias { expr: value.clone(), alias: name }),
                None => projection.push(SelectItem::UnnamedExpr(Expr::Identifier(name))),
            },
            _ => {
                scope.merge_into(&mut item);
                projection.push(item);
            }
        }
    }
    select.projection = projection;
    scope.merge_into(&mut select.selection);
    scope.merge_into(&mut select.group_by);
    scope.merge_into(&mut select.having);
    scope.merge_into(&mut select.qualify);
    scope.merge_into(&mut select.distinct);
    for (from, conditions) in select.from.iter_mut().zip(scope.conditions) {
        for (join, condition) in from.joins.iter_mut().zip(conditions) {
            if let (Some(condition), Some(constraint)) = (condition, constraint_mut(&mut join.join_operator)) {
                *constraint = JoinConstraint::On(condition);
            }
        }
    }
}

/// What a FROM with merged columns gives.
struct Scope {
    /// The columns of `*`.
    outputs: Vec<Output>,
    /// Merged columns by their names, and what they stand for.
    merged: Vec<(String, Expr)>,
    /// For each join of each item of FROM, the condition that its USING stands for.
    conditions: Vec<Vec<Option<Expr>>>,
}

#[derive(Clone)]
enum Output {
    Merged(Ident, Box<Expr>),
    Table { name: Ident, without: Vec<Ident> },
}

impl Output {
    fn item(&self) -> SelectItem {
        match self {
            Self::Merged(name, value) => {
                SelectItem::ExprWithAlias { expr: value.as_ref().clone(), alias: name.clone() }
            }
            Self::Table { name, without } => {
                let names = without.iter().map(|name| ObjectName::from(vec![name.clone()])).collect::<Vec<_>>();
                let opt_exclude = (!names.is_empty()).then_some(ExcludeSelectItem::Multiple(names));
                SelectItem::QualifiedWildcard(
                    SelectItemQualifiedWildcardKind::ObjectName(ObjectName::from(vec![name.clone()])),
                    WildcardAdditionalOptions { opt_exclude, ..WildcardAdditionalOptions::default() },
                )
            }
        }
    }
}

impl Scope {
    fn merged_column(&self, name: &Ident) -> Option<&Expr> {
        let normal = normalized(name);
        self.merged.iter().find(|(known, _)| *known == normal).map(|(_, value)| value)
    }

    /// Puts the values in the place of merged columns.
    fn merge_into(&self, node: &mut impl VisitMut) {
        own_expressions(node, |expr| {
            if let Expr::Identifier(name) = expr
                && let Some(value) = self.merged_column(name)
            {
                *expr = value.clone();
            }
        });
    }
}

/// The scope of a SELECT whose FROM has a RIGHT or FULL JOIN ... USING; `None` without one, or if it cannot be rewritten.
fn scope_of(select: &Select) -> Option<Scope> {
    let is_outer = |from: &TableWithJoins| {
        from.joins.iter().any(|join| {
            matches!(
                &join.join_operator,
                JoinOperator::Right(JoinConstraint::Using(_))
                    | JoinOperator::RightOuter(JoinConstraint::Using(_))
                    | JoinOperator::FullOuter(JoinConstraint::Using(_))
            )
        })
    };
    if !select.from.iter().any(is_outer) {
        return None;
    }
    let has_options = |item: &SelectItem| match item {
        SelectItem::Wildcard(options) => *options != WildcardAdditionalOptions::default(),
        _ => false,
    };
    if select.projection.iter().any(has_options) {
        return None;
    }
    let mut scope = Scope { outputs: Vec::new(), merged: Vec::new(), conditions: Vec::new() };
    for from in &select.from {
        add_item(&mut scope, from)?;
    }
    Some(scope)
}

fn add_item(scope: &mut Scope, from: &TableWithJoins) -> Option<()> {
    let mut outputs = vec![Output::Table { name: table_name(&from.relation)?, without: Vec::new() }];
    let mut conditions = Vec::new();
    let mut merged: Vec<(String, Expr)> = Vec::new();
    for join in &from.joins {
        let right = table_name(&join.relation)?;
        let (constraint, side) = match &join.join_operator {
            JoinOperator::Join(constraint) | JoinOperator::Inner(constraint) => (constraint, Side::Left),
            JoinOperator::Left(constraint) | JoinOperator::LeftOuter(constraint) => (constraint, Side::Left),
            JoinOperator::Right(constraint) | JoinOperator::RightOuter(constraint) => (constraint, Side::Right),
            JoinOperator::FullOuter(constraint) => (constraint, Side::Both),
            JoinOperator::CrossJoin(JoinConstraint::None) => (&JoinConstraint::None, Side::Left),
            _ => return None,
        };
        let mut table = Output::Table { name: right.clone(), without: Vec::new() };
        match constraint {
            JoinConstraint::Natural => return None,
            JoinConstraint::On(_) | JoinConstraint::None => conditions.push(None),
            JoinConstraint::Using(names) => {
                let mut condition: Option<Expr> = None;
                let mut first = Vec::new();
                for name in names {
                    let [part] = name.0.as_slice() else { return None };
                    let column = part.as_ident()?;
                    let left_value = take_column(&mut outputs, column)?;
                    let right_value = qualified(&right, column);
                    let equal = binary(left_value.clone(), BinaryOperator::Eq, right_value.clone());
                    condition = Some(match condition {
                        Some(condition) => binary(condition, BinaryOperator::And, equal),
                        None => equal,
                    });
                    let value = match side {
                        Side::Left => left_value,
                        Side::Right => right_value,
                        Side::Both => call("coalesce", vec![left_value, right_value]),
                    };
                    merged.retain(|(known, _)| *known != normalized(column));
                    merged.push((normalized(column), value.clone()));
                    first.push(Output::Merged(column.clone(), Box::new(value)));
                    if let Output::Table { without, .. } = &mut table {
                        without.push(column.clone());
                    }
                }
                conditions.push(condition);
                outputs.splice(0..0, first);
            }
        }
        outputs.push(table);
    }
    scope.outputs.extend(outputs);
    scope.merged.extend(merged);
    scope.conditions.push(conditions);
    Some(())
}

#[derive(Clone, Copy)]
enum Side {
    Left,
    Right,
    Both,
}

/// The value of a column on the left of a join, which is no longer among its outputs; `None` if its table is not known.
fn take_column(outputs: &mut Vec<Output>, column: &Ident) -> Option<Expr> {
    let is_it = |output: &Output| matches!(output, Output::Merged(name, _) if normalized(name) == normalized(column));
    if let Some(at) = outputs.iter().position(is_it) {
        return match outputs.remove(at) {
            Output::Merged(_, value) => Some(*value),
            Output::Table { .. } => None,
        };
    }
    let mut tables = outputs.iter_mut().filter_map(|output| match output {
        Output::Table { name, without } => Some((name, without)),
        Output::Merged(..) => None,
    });
    match (tables.next(), tables.next()) {
        (Some((name, without)), None) => {
            without.push(column.clone());
            Some(qualified(name, column))
        }
        _ => None,
    }
}

fn qualified(table: &Ident, column: &Ident) -> Expr {
    Expr::CompoundIdentifier(vec![table.clone(), column.clone()])
}

fn table_name(factor: &TableFactor) -> Option<Ident> {
    match factor {
        TableFactor::Table { alias: Some(alias), .. } | TableFactor::Derived { alias: Some(alias), .. } => {
            Some(alias.name.clone())
        }
        TableFactor::Table { name, alias: None, args: None, .. } => name.0.last()?.as_ident().cloned(),
        _ => None,
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
        | JoinOperator::FullOuter(constraint) => Some(constraint),
        _ => None,
    }
}
