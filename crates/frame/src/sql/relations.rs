//! Files and reading functions in FROM, turned into plain names that the scope resolves.

use std::ops::ControlFlow;

use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{
    self, Expr, FunctionArg, FunctionArgExpr, FunctionArgOperator, Ident, ObjectName, Select, SelectFlavor, SelectItem,
    Spanned, TableAlias, TableFactor, UnaryOperator, Value, VisitorMut,
};
use datafusion::sql::sqlparser::tokenizer::Span;

use crate::error::{Error, Position, Result};
use crate::files::{self, FileRequest, OptionValue};
use crate::sql::scope::Scope;
use crate::sql::walk::walk;

/// Rewrites the relations of `statement`.
///
/// `FROM 'data/flights.parquet'` gets the alias `flights`, unless it has one. `read_csv('x.csv', ...)` becomes a quoted name
/// that stands for the call and is made known to `scope`, with the alias `read_csv`. Opening the files, which is
/// asynchronous, is left to the scope.
///
/// # Errors
/// An argument of a reading function that is not a constant, or not known.
pub(crate) fn rewrite_relations(statement: &mut Statement, scope: &Scope, text: &str) -> Result<()> {
    let mut rewriter = Rewriter { scope, text };
    match walk(statement, &mut rewriter) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

struct Rewriter<'a> {
    scope: &'a Scope,
    text: &'a str,
}

impl VisitorMut for Rewriter<'_> {
    type Break = Error;

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Error> {
        // `FROM t` alone means all columns; DataFusion would give none.
        if select.flavor == SelectFlavor::FromFirstNoSelect {
            select.flavor = SelectFlavor::FromFirst;
            select.projection = vec![SelectItem::Wildcard(ast::WildcardAdditionalOptions::default())];
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Error> {
        let span = factor.span();
        match self.rewrite(factor) {
            Ok(()) => ControlFlow::Continue(()),
            Err(message) => {
                ControlFlow::Break(Error::Invalid { message, position: position(self.text, span), source: None })
            }
        }
    }
}

impl Rewriter<'_> {
    fn rewrite(&self, factor: &mut TableFactor) -> Result<(), String> {
        let call = factor.to_string();
        let TableFactor::Table { name, alias, args, .. } = factor else { return Ok(()) };
        match args {
            None => {
                if let Some(stem) = file_stem(name) {
                    alias.get_or_insert_with(|| named(&stem));
                }
            }
            Some(arguments) => {
                let [part] = name.0.as_slice() else { return Ok(()) };
                let Some(function) = part.as_ident().map(|ident| ident.value.to_lowercase()) else { return Ok(()) };
                if !files::is_reading_function(&function) {
                    return Ok(());
                }
                let request = request(&function, &arguments.args)?;
                // The call without its alias names the relation, so that EXPLAIN shows what is read.
                let text = match alias.as_ref() {
                    Some(alias) => call.trim_end_matches(&alias.to_string()).trim_end().to_owned(),
                    None => call,
                };
                let text = text.strip_suffix(" AS").unwrap_or(&text).to_owned();
                self.scope.add_call(text.clone(), request);
                *name = ObjectName::from(vec![Ident::with_quote('"', text)]);
                *args = None;
                alias.get_or_insert_with(|| named(&function));
            }
        }
        Ok(())
    }
}

fn named(name: &str) -> TableAlias {
    TableAlias { explicit: true, name: Ident::with_quote('"', name), columns: Vec::new(), at: None }
}

/// The name without folder and suffixes, if a relation's name is a file's.
fn file_stem(name: &ObjectName) -> Option<String> {
    let [part] = name.0.as_slice() else { return None };
    let ident = part.as_ident()?;
    ident.quote_style?;
    if !files::looks_like_location(&ident.value) {
        return None;
    }
    let file = ident.value.trim_end_matches('/').rsplit(['/', '\\']).next()?;
    let stem = file.split('.').next().unwrap_or(file);
    (!stem.is_empty() && !stem.contains(['*', '?', '[', '{'])).then(|| stem.to_owned())
}

fn request(function: &str, arguments: &[FunctionArg]) -> Result<FileRequest, String> {
    let mut locations = Vec::new();
    let mut options = Vec::new();
    for (idx, argument) in arguments.iter().enumerate() {
        match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::BinaryOp {
                left,
                op: ast::BinaryOperator::Eq,
                right,
            })) if idx > 0 => {
                options.push((option_name(left)?, constant(function, right)?));
            }
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) if idx == 0 => match constant(function, expr)? {
                OptionValue::Text(location) => locations.push(location),
                OptionValue::List(list) => {
                    for item in list {
                        match item {
                            OptionValue::Text(location) => locations.push(location),
                            other => return Err(format!("{function}: a location is text in quotes, not {other}")),
                        }
                    }
                }
                other => return Err(format!("{function}: a location is text in quotes, not {other}")),
            },
            FunctionArg::Named {
                name,
                arg: FunctionArgExpr::Expr(expr),
                operator:
                    FunctionArgOperator::RightArrow | FunctionArgOperator::Equals | FunctionArgOperator::Assignment,
            } => options.push((name.value.to_lowercase(), constant(function, expr)?)),
            FunctionArg::ExprNamed { name, arg: FunctionArgExpr::Expr(expr), .. } => {
                options.push((option_name(name)?, constant(function, expr)?));
            }
            other => return Err(format!("{function}: write options as name => value, not {other}")),
        }
    }
    if locations.is_empty() {
        return Err(format!("{function} needs a location: {function}('file') or {function}(['file', ...])"));
    }
    FileRequest::from_call(function, locations, &options)
}

fn option_name(expr: &Expr) -> Result<String, String> {
    match expr {
        Expr::Identifier(ident) => Ok(ident.value.to_lowercase()),
        other => Err(format!("an option has a plain name, not {other}")),
    }
}

pub(crate) fn constant(function: &str, expr: &Expr) -> Result<OptionValue, String> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text)
            | Value::DoubleQuotedString(text)
            | Value::EscapedStringLiteral(text)
            | Value::DollarQuotedString(ast::DollarQuotedString { value: text, .. }) => {
                Ok(OptionValue::Text(text.clone()))
            }
            Value::Number(number, _) => Ok(OptionValue::Number(number.to_string())),
            Value::Boolean(value) => Ok(OptionValue::Bool(*value)),
            other => Err(format!("{function}: {other} is not a text, number, boolean or list of them")),
        },
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => match constant(function, expr)? {
            OptionValue::Number(number) => Ok(OptionValue::Number(format!("-{number}"))),
            other => Err(format!("{function}: -{other} is not a number")),
        },
        Expr::Array(array) => {
            array.elem.iter().map(|item| constant(function, item)).collect::<Result<_, _>>().map(OptionValue::List)
        }
        Expr::Dictionary(fields) => fields
            .iter()
            .map(|field| Ok((field.key.value.clone(), constant(function, &field.value)?)))
            .collect::<Result<_, String>>()
            .map(OptionValue::Map),
        Expr::Nested(inner) => constant(function, inner),
        other => Err(format!("{function}: {other} is not a constant; files are opened before the query runs")),
    }
}

/// The place of a span of the parser.
pub(crate) fn position(text: &str, span: Span) -> Option<Position> {
    if span.start.line == 0 {
        return None;
    }
    let width = if span.end.line == span.start.line { span.end.column.saturating_sub(span.start.column) } else { 1 };
    Position::at(text, span.start.line, span.start.column, width)
}
