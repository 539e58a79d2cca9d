//! The keyword DEFAULT as a value, and `INSERT ... DEFAULT VALUES`.

use datafusion::sql::sqlparser::ast::{
    AssignmentTarget, Expr, Ident, ObjectName, Parens, Query, SetExpr, Statement, Value, Values,
};
use datafusion::sql::unparser::expr_to_sql;

use crate::error::Result;
use crate::sql::parse::normalized;
use crate::sql::translate::of_execution;
use crate::table::TableDefinition;

/// Puts the defaults of the table that `statement` inserts into or updates in the place of DEFAULT.
///
/// # Errors
/// A default that cannot be written as SQL.
pub(crate) fn fill_defaults(statement: &mut Statement, table: &TableDefinition) -> Result<()> {
    match statement {
        Statement::Insert(insert) => {
            let columns: Vec<Option<String>> = match insert.columns.is_empty() {
                true => table.schema.fields().iter().map(|field| Some(field.name().clone())).collect(),
                false => insert.columns.iter().map(column_name).collect(),
            };
            match &mut insert.source {
                // INSERT INTO t DEFAULT VALUES
                None if insert.assignments.is_empty() => {
                    let row = vec![default_keyword(); columns.len()];
                    let rows = vec![Parens::with_empty_span(row)];
                    let mut values = Values { explicit_row: false, value_keyword: false, rows };
                    fill_rows(&mut values, &columns, table)?;
                    insert.source = Some(Box::new(query_of(values)));
                }
                Some(query) => {
                    if let SetExpr::Values(values) = query.body.as_mut() {
                        fill_rows(values, &columns, table)?;
                    }
                }
                None => {}
            }
        }
        Statement::Update(update) => {
            for assignment in &mut update.assignments {
                if let AssignmentTarget::ColumnName(name) = &assignment.target
                    && is_default(&assignment.value)
                    && let Some(column) = column_name(name)
                {
                    assignment.value = default_of(&column, table)?;
                }
            }
        }
        _ => {}
    }
    Ok(())
}

fn fill_rows(values: &mut Values, columns: &[Option<String>], table: &TableDefinition) -> Result<()> {
    for row in &mut values.rows {
        for (value, column) in row.content.iter_mut().zip(columns) {
            if let (true, Some(column)) = (is_default(value), column) {
                *value = default_of(column, table)?;
            }
        }
    }
    Ok(())
}

fn column_name(name: &ObjectName) -> Option<String> {
    name.0.last()?.as_ident().map(normalized)
}

fn is_default(expr: &Expr) -> bool {
    matches!(expr, Expr::Identifier(name) if name.quote_style.is_none() && name.value.eq_ignore_ascii_case("default"))
}

fn default_keyword() -> Expr {
    Expr::Identifier(Ident::new("DEFAULT"))
}

fn default_of(column: &str, table: &TableDefinition) -> Result<Expr> {
    let by_case = || table.defaults.iter().find(|(name, _)| name.eq_ignore_ascii_case(column)).map(|(_, expr)| expr);
    match table.defaults.get(column).or_else(by_case) {
        Some(expr) => expr_to_sql(expr).map_err(of_execution),
        None => Ok(Expr::value(Value::Null)),
    }
}

fn query_of(values: Values) -> Query {
    Query {
        with: None,
        body: Box::new(SetExpr::Values(values)),
        order_by: None,
        limit_clause: None,
        fetch: None,
        locks: Vec::new(),
        for_clause: None,
        settings: None,
        format_clause: None,
        pipe_operators: Vec::new(),
    }
}
