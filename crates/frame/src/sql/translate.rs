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
        self.translate(error, None)
    }

    fn translate(&self, error: DataFusionError, span: Option<Span>) -> Error {
        match error {
            DataFusionError::Diagnostic(diagnostic, inner) => self.translate(*inner, diagnostic.span.or(span)),
            DataFusionError::Context(_, inner) => self.translate(*inner, span),
            DataFusionError::Collection(mut errors) if !errors.is_empty() => {
                self.translate(errors.swap_remove(0), span)
            }
            DataFusionError::Shared(shared) => match Arc::try_unwrap(shared) {
                Ok(inner) => self.translate(inner, span),
                Err(shared) => self.translate(DataFusionError::Plan(shared.strip_backtrace()), span),
            },
            DataFusionError::External(inner) => of_external(inner),
            DataFusionError::SchemaError(schema_error, backtrace) => match *schema_error {
                SchemaError::FieldNotFound { field, valid_fields } => self.unknown_column(&field, &valid_fields, span),
                SchemaError::AmbiguousReference { field } => Error::Invalid {
                    message: format!("column \"{}\" is ambiguous; qualify it with its table's name", field.name),
                    position: self.position_of(&field, span),
                    source: None,
                },
                other => self.invalid(DataFusionError::SchemaError(Box::new(other), backtrace), span),
            },
            DataFusionError::Plan(message) => self.plan_message(message, span),
            DataFusionError::NotImplemented(message) => {
                Error::Unsupported { construct: message, remedy: String::new(), position: self.position(span) }
            }
            DataFusionError::SQL(parser_error, _) => {
                let (message, place) = split_place(&parser_error.to_string());
                let position = place.and_then(|(line, column)| Position::at(self.text, line, column, 1));
                Error::Syntax { message: message.trim_start_matches("sql parser error: ").to_owned(), position }
            }
            other => match of_execution(other) {
                // Planning folds constants, so that an execution error may come before anything ran.
                Error::Execution { message, source } => {
                    Error::Invalid { message, position: self.position(span), source: Some(source) }
                }
                error => error,
            },
        }
    }

    fn plan_message(&self, message: String, span: Option<Span>) -> Error {
        if let Some(name) = quoted_part(&message, "table '", "' not found") {
            let bare = name.rsplit('.').next().unwrap_or(name).to_owned();
            let suggestion = nearest(&bare, self.tables.iter().map(String::as_str)).map(str::to_owned);
            let position = self.position(span).or_else(|| self.find(&bare));
            return Error::UnknownTable { name: bare, suggestion, position };
        }
        if let Some(name) = quoted_part(&message, "table function '", "' not found") {
            let suggestion = nearest(name, self.functions.iter().map(String::as_str)).map(str::to_owned);
            return Error::UnknownFunction { name: name.to_owned(), suggestion, position: self.find(name) };
        }
        if let Some(name) = quoted_part(&message, "Invalid function '", "'") {
            let suggestion = nearest(name, self.functions.iter().map(String::as_str)).map(str::to_owned);
            let position = self.position(span).or_else(|| self.find(name));
            return Error::UnknownFunction { name: name.to_owned(), suggestion, position };
        }
        self.invalid(DataFusionError::Plan(message), span)
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
            return Error::Invalid {
                message: format!("column \"{}\" is ambiguous: several columns in scope have that name", field.name),
                position: self.position_of(field, span),
                source: None,
            };
        }
        let suggestion = nearest(&field.name, names.iter().copied()).map(str::to_owned);
        let in_scope = match suggestion {
            Some(_) => Vec::new(),
            None => names.iter().map(|name| (*name).to_owned()).collect(),
        };
        let position = self.position_of(field, span);
        Error::UnknownColumn { name: field.flat_name(), suggestion, in_scope, position }
    }

    fn invalid(&self, error: DataFusionError, span: Option<Span>) -> Error {
        let message = message_of(&error);
        Error::Invalid { message, position: self.position(span), source: Some(Box::new(error)) }
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
    match error {
        DataFusionError::External(inner) => of_external(inner),
        DataFusionError::Context(context, inner) => match of_execution(*inner) {
            Error::Execution { message, source } => {
                Error::Execution { message, source: Box::new(DataFusionError::Context(context, source)) }
            }
            error => error,
        },
        DataFusionError::Diagnostic(_, inner) => of_execution(*inner),
        DataFusionError::Collection(mut errors) if !errors.is_empty() => of_execution(errors.swap_remove(0)),
        DataFusionError::Shared(shared) => match Arc::try_unwrap(shared) {
            Ok(inner) => of_execution(inner),
            Err(shared) => of_shared(&shared),
        },
        DataFusionError::ResourcesExhausted(message) => Error::MemoryLimit { message },
        DataFusionError::ExecutionJoin(join) if join.is_panic() => {
            Error::Internal { message: panic_message(join.into_panic().as_ref()) }
        }
        DataFusionError::Internal(message) => Error::Internal { message },
        other => Error::Execution { message: message_of(&other), source: Box::new(other) },
    }
}

/// An error that other operators hold as well, so that it cannot be taken apart.
fn of_shared(error: &Arc<DataFusionError>) -> Error {
    match error.find_root() {
        DataFusionError::ResourcesExhausted(message) => Error::MemoryLimit { message: message.clone() },
        DataFusionError::Internal(message) => Error::Internal { message: message.clone() },
        root => {
            Error::Execution { message: message_of(root), source: Box::new(DataFusionError::Shared(Arc::clone(error))) }
        }
    }
}

fn of_external(inner: Box<dyn std::error::Error + Send + Sync>) -> Error {
    let inner = match inner.downcast::<Error>() {
        Ok(error) => return *error,
        Err(inner) => inner,
    };
    let inner = match inner.downcast::<dolmen_storage::StorageError>() {
        Ok(error) => return Error::Storage(*error),
        Err(inner) => inner,
    };
    let inner = match inner.downcast::<crate::functions::FunctionError>() {
        Ok(error) => return Error::Function(*error),
        Err(inner) => inner,
    };
    match inner.downcast::<crate::table::TableError>() {
        Ok(error) => Error::Table(*error),
        Err(inner) => {
            Error::Execution { message: inner.to_string(), source: Box::new(DataFusionError::External(inner)) }
        }
    }
}

/// The message without the engine's own prefix ("Error during planning: ", "Arrow error: ").
fn message_of(error: &DataFusionError) -> String {
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
