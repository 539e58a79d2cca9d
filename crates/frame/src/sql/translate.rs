//! DataFusion's errors as this crate's: typed, with the place in the statement and a suggestion.

use std::sync::Arc;

use datafusion::common::{Column, SchemaError, Span};
use datafusion::error::DataFusionError;
use dolmen_storage::nearest;

use crate::error::{Error, Position};

/// What is known of the statement whose error is translated.
pub(crate) struct Translation<'a> {
    /// The statement.
    pub(crate) text: &'a str,
    /// Names a misspelt relation may have meant.
    pub(crate) tables: Vec<String>,
    /// Names a misspelt function may have meant.
    pub(crate) functions: Vec<String>,
}

impl Translation<'_> {
    /// An error of parsing or planning the statement.
    pub(crate) fn of_planning(&self, error: DataFusionError) -> Error {
        match into_own(error) {
            Ok(ours) => ours,
            Err(engine) => self.translate(&engine, None).with_source(engine),
        }
    }

    fn translate(&self, error: &DataFusionError, span: Option<Span>) -> Error {
        match error {
            DataFusionError::Diagnostic(diagnostic, inner) => self.translate(inner, diagnostic.span.or(span)),
            DataFusionError::Context(_, inner) => self.translate(inner, span),
            DataFusionError::Shared(inner) => self.translate(inner, span),
            DataFusionError::Collection(errors) if !errors.is_empty() => self.translate(&errors[0], span),
            DataFusionError::SchemaError(schema_error, _) => match schema_error.as_ref() {
                SchemaError::FieldNotFound { field, valid_fields } => self.unknown_column(field, valid_fields, span),
                SchemaError::AmbiguousReference { field } => self.invalid(
                    format!("column \"{}\" is ambiguous; qualify it with its table's name", field.name),
                    self.position_of(field, span),
                ),
                _ => self.invalid(message_of(error), self.position(span)),
            },
            DataFusionError::Plan(message) => self.plan_message(message, span),
            DataFusionError::NotImplemented(message) => Error::Unsupported {
                construct: construct_of(message).to_owned(),
                remedy: String::new(),
                position: self.position(span),
                source: None,
            },
            DataFusionError::SQL(parser_error, _) => {
                let (message, place) = split_place(&parser_error.to_string());
                let position = place.and_then(|(line, column)| Position::at(self.text, line, column, 1));
                Error::syntax(message.trim_start_matches("sql parser error: "), position)
            }
            other => match of_engine(other) {
                // Planning folds constants, so that an execution error may come before anything ran.
                Error::Execution { message, .. } => self.invalid(message, self.position(span)),
                error => error,
            },
        }
    }

    fn plan_message(&self, message: &str, span: Option<Span>) -> Error {
        if let Some(name) = quoted_part(message, "table '", "' not found") {
            let bare = name.rsplit('.').next().unwrap_or(name).to_owned();
            let suggestion = nearest(&bare, self.tables.iter().map(String::as_str)).map(str::to_owned);
            let position = self.position(span).or_else(|| self.find(&bare));
            return Error::UnknownTable { name: bare, suggestion, position, source: None };
        }
        if let Some(name) = quoted_part(message, "table function '", "' not found") {
            return self.unknown_function(name, None);
        }
        if let Some(name) = quoted_part(message, "Invalid function '", "'") {
            return self.unknown_function(name, span);
        }
        self.invalid(message_of(&DataFusionError::Plan(message.to_owned())), self.position(span))
    }

    fn unknown_function(&self, name: &str, span: Option<Span>) -> Error {
        let suggestion = nearest(name, self.functions.iter().map(String::as_str)).map(str::to_owned);
        let position = self.position(span).or_else(|| self.find(name));
        Error::UnknownFunction { name: name.to_owned(), suggestion, position, source: None }
    }

    fn unknown_column(&self, field: &Column, valid: &[Column], span: Option<Span>) -> Error {
        let names: Vec<&str> = valid.iter().map(|column| column.name.as_str()).collect();
        // Columns that share the name: spelt in several cases, or numbered because they are several.
        let same = |name: &&&str| {
            let bare = name.rsplit_once(':').map_or(**name, |(bare, number)| match number.parse::<u32>() {
                Ok(_) => bare,
                Err(_) => **name,
            });
            bare.eq_ignore_ascii_case(&field.name)
        };
        if names.iter().filter(same).count() > 1 {
            return self.invalid(
                format!("column \"{}\" is ambiguous: several columns in scope have that name", field.name),
                self.position_of(field, span),
            );
        }
        let suggestion = nearest(&field.name, names.iter().copied()).map(str::to_owned);
        let in_scope = match suggestion {
            Some(_) => Vec::new(),
            None => names.iter().map(|name| (*name).to_owned()).collect(),
        };
        let position = self.position_of(field, span);
        Error::UnknownColumn { name: field.flat_name(), suggestion, in_scope, position, source: None }
    }

    fn invalid(&self, message: String, position: Option<Position>) -> Error {
        Error::Invalid { message, position, source: None }
    }

    fn position_of(&self, column: &Column, span: Option<Span>) -> Option<Position> {
        self.position(column.spans.first().or(span)).or_else(|| self.find(&column.name))
    }

    fn position(&self, span: Option<Span>) -> Option<Position> {
        let span = span?;
        let width =
            if span.end.line == span.start.line { span.end.column.saturating_sub(span.start.column) } else { 1 };
        Position::at(self.text, span.start.line, span.start.column, width)
    }

    /// The first place where `name` stands as a word, if the planner told no place.
    fn find(&self, name: &str) -> Option<Position> {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        self.text.lines().enumerate().find_map(|(line_idx, line)| {
            let lower = line.to_lowercase();
            let offset = lower.match_indices(&name.to_lowercase()).map(|(at, _)| at).find(|at| {
                let before = lower[..*at].chars().next_back();
                let after = lower[at + name.len().min(lower.len() - at)..].chars().next();
                !before.is_some_and(is_word) && !after.is_some_and(is_word)
            })?;
            let column = lower[..offset].chars().count() as u64 + 1;
            Position::at(self.text, line_idx as u64 + 1, column, name.chars().count() as u64)
        })
    }
}

/// An error that an operator raised while the statement ran.
pub(crate) fn of_execution(error: DataFusionError) -> Error {
    match into_own(error) {
        Ok(ours) => ours,
        Err(engine) => of_engine(&engine).with_source(engine),
    }
}

/// An error of the engine itself, without its source.
fn of_engine(error: &DataFusionError) -> Error {
    match root(error) {
        DataFusionError::ResourcesExhausted(message) => Error::MemoryLimit { message: message.clone(), source: None },
        DataFusionError::Internal(message) => Error::internal(message),
        root => Error::Execution { message: message_of(root), source: None },
    }
}

/// The error below contexts, diagnostics, collections and sharing.
fn root(error: &DataFusionError) -> &DataFusionError {
    match error {
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => root(inner),
        DataFusionError::Shared(inner) => root(inner),
        DataFusionError::Collection(errors) if !errors.is_empty() => root(&errors[0]),
        other => other,
    }
}

/// The error of ours that one of the engine's carries, or a panic; else the engine's error as it came.
///
/// One that other operators hold as well stays the engine's, because it cannot be taken apart.
fn into_own(error: DataFusionError) -> Result<Error, DataFusionError> {
    let is_own = match root(&error) {
        DataFusionError::External(inner) => {
            inner.is::<Error>()
                || inner.is::<dolmen_storage::StorageError>()
                || inner.is::<crate::functions::FunctionError>()
                || inner.is::<crate::table::TableError>()
        }
        DataFusionError::ExecutionJoin(join) => join.is_panic(),
        _ => false,
    };
    if is_own { unwrapped(error) } else { Err(error) }
}

fn unwrapped(error: DataFusionError) -> Result<Error, DataFusionError> {
    match error {
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => unwrapped(*inner),
        DataFusionError::Collection(mut errors) => unwrapped(errors.swap_remove(0)),
        DataFusionError::Shared(shared) => match Arc::try_unwrap(shared) {
            Ok(inner) => unwrapped(inner),
            Err(shared) => Err(DataFusionError::Shared(shared)),
        },
        DataFusionError::ExecutionJoin(join) => match join.try_into_panic() {
            Ok(payload) => Ok(Error::internal(panic_message(payload.as_ref()))),
            Err(join) => Err(DataFusionError::ExecutionJoin(Box::new(join))),
        },
        DataFusionError::External(inner) => of_external(inner),
        other => Err(other),
    }
}

fn of_external(inner: Box<dyn std::error::Error + Send + Sync>) -> Result<Error, DataFusionError> {
    let inner = match inner.downcast::<Error>() {
        Ok(error) => return Ok(*error),
        Err(inner) => inner,
    };
    let inner = match inner.downcast::<dolmen_storage::StorageError>() {
        Ok(error) => return Ok(Error::Storage(*error)),
        Err(inner) => inner,
    };
    let inner = match inner.downcast::<crate::functions::FunctionError>() {
        Ok(error) => return Ok(Error::Function(*error)),
        Err(inner) => inner,
    };
    match inner.downcast::<crate::table::TableError>() {
        Ok(error) => Ok(Error::Table(*error)),
        Err(inner) => Err(DataFusionError::External(inner)),
    }
}

/// What the engine says it does not do, without saying so: `Error::Unsupported` adds that itself.
fn construct_of(message: &str) -> &str {
    let message = message.trim_end().trim_end_matches('.');
    [" is not supported yet", " is not supported", " are not supported yet", " are not supported", " not supported"]
        .iter()
        .find_map(|ending| message.strip_suffix(ending))
        .unwrap_or(message)
}

/// The message without the engine's own prefix ("Error during planning: ", "Arrow error: ").
pub(crate) fn message_of(error: &DataFusionError) -> String {
    let message = match error.find_root() {
        DataFusionError::ArrowError(arrow, _) => arrow.to_string(),
        root => root.message().into_owned(),
    };
    let message = message.split("\n\nbacktrace:").next().unwrap_or(&message).trim();
    let plain = [
        "Cast error: ",
        "Compute error: ",
        "Parser error: ",
        "Invalid argument error: ",
        "Arithmetic overflow: ",
        "External error: ",
    ]
    .iter()
    .find_map(|prefix| message.strip_prefix(prefix))
    .unwrap_or(message);
    match plain {
        "Divide by zero error" => "division by zero".to_owned(),
        _ => plain.to_owned(),
    }
}

/// The payload of a panic, as text.
pub fn panic_message(payload: &(dyn std::any::Any + Send)) -> String {
    payload
        .downcast_ref::<&str>()
        .map(|message| (*message).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".to_owned())
}

/// Separates the parser's `... at Line: 1, Column: 8` into message and place.
pub(crate) fn split_place(message: &str) -> (String, Option<(u64, u64)>) {
    let Some(at) = message.rfind(" at Line: ") else { return (message.to_owned(), None) };
    let place = message[at + " at Line: ".len()..].split_once(", Column: ").and_then(|(line, column)| {
        let digits: String = column.chars().take_while(char::is_ascii_digit).collect();
        Some((line.parse().ok()?, digits.parse().ok()?))
    });
    match place {
        Some(place) => (message[..at].to_owned(), Some(place)),
        None => (message.to_owned(), None),
    }
}

fn quoted_part<'a>(message: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let start = message.find(before)? + before.len();
    let len = message[start..].find(after)?;
    Some(&message[start..start + len])
}
