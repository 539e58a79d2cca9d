//! The statements about arrays.

use crate::parse::ast::{Expr, ExprKind, Ident, UnaryOp};
use crate::parse::{Lexical, Stream, expression};
use crate::{ArraySqlError, Result, Span};

/// An array expression that has been parsed.
#[derive(Debug, Clone, PartialEq)]
pub struct Expression {
    pub(crate) expr: Expr,
}

impl Expression {
    /// Where the expression stands in the statement.
    #[must_use]
    pub fn span(&self) -> Span {
        self.expr.span
    }

    /// The name, if the expression is nothing else.
    #[must_use]
    pub fn as_name(&self) -> Option<ArrayName> {
        match &self.expr.kind {
            ExprKind::Name(path) if path.len() <= 2 => Some(array_name(path)),
            _ => None,
        }
    }
}

/// The name of an array: in lower case, unless it was quoted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArrayName {
    /// The schema, if it was given.
    pub schema: Option<String>,
    /// The name within the schema.
    pub name: String,
    /// Where it stands.
    pub span: Span,
}

/// What an option of `WITH (name => value)` is set to.
#[derive(Debug, Clone, PartialEq)]
pub enum OptionValue {
    /// `null`: as if it were not there.
    Null,
    /// A truth value.
    Bool(bool),
    /// An integer.
    Int(i128),
    /// A decimal number.
    Float(f64),
    /// A string.
    Text(String),
    /// A list.
    List(Vec<OptionValue>),
}

/// An option of `WITH (...)`.
#[derive(Debug, Clone, PartialEq)]
pub struct StatementOption {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: OptionValue,
    /// Where it stands.
    pub span: Span,
}

/// What an array is created from.
#[derive(Debug, Clone, PartialEq)]
pub enum Definition {
    /// `AS expression`.
    Expression(Expression),
    /// `FROM 'file' WITH (...)`.
    File {
        /// The path or URL.
        location: String,
        /// Where it stands.
        span: Span,
        /// The options, in the order in which they were written.
        options: Vec<StatementOption>,
    },
}

/// What happens if the name is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnConflict {
    /// That is an error.
    Refuse,
    /// `OR REPLACE`: the new array takes the name.
    Replace,
    /// `IF NOT EXISTS`: nothing happens.
    Keep,
}

/// A statement about arrays.
#[derive(Debug, Clone, PartialEq)]
pub enum ArrayStatement {
    /// `CREATE [OR REPLACE] [PERSISTED] ARRAY [IF NOT EXISTS] name AS expression | FROM 'file'`.
    Create {
        /// The name of the array.
        name: ArrayName,
        /// Whether it is computed now, once.
        persisted: bool,
        /// What happens if the name is taken.
        on_conflict: OnConflict,
        /// What it is made of.
        definition: Definition,
    },
    /// `ARRAY expression`: computes and shows it.
    Show(Expression),
    /// `EXPLAIN ARRAY expression`: how it would be computed.
    Explain(Expression),
    /// `COPY ARRAY expression TO 'file' [WITH (...)]`.
    Copy {
        /// What is written.
        expression: Expression,
        /// The path or URL.
        location: String,
        /// Where it stands.
        span: Span,
        /// The options, in the order in which they were written.
        options: Vec<StatementOption>,
    },
    /// `DROP ARRAY [IF EXISTS] name`.
    Drop {
        /// The array.
        name: ArrayName,
        /// Whether one that is not there is no error.
        if_exists: bool,
    },
    /// `SHOW ARRAYS`.
    List,
    /// `DESCRIBE name`, which may be the name of an array or of a table.
    Describe(ArrayName),
}

/// The statement about arrays that `text` is; `None` if it is one of SQL, or none at all. Only the first words of those are
/// looked at.
///
/// `DESCRIBE name` is a statement about an array only if `name` is one: the caller knows.
///
/// # Errors
/// [`ArraySqlError::Syntax`] if it begins as a statement about arrays and goes on otherwise.
pub fn parse_statement(text: &str) -> Result<Option<ArrayStatement>> {
    let words: Vec<String> = leading_words(text, 5).iter().map(|word| word.to_uppercase()).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let is_ours = match words.as_slice() {
        // `COPY array TO` writes a table of that name.
        ["COPY", "ARRAY", "TO", ..] => false,
        ["ARRAY", ..] | ["EXPLAIN" | "COPY" | "DROP", "ARRAY", ..] | ["SHOW", "ARRAYS", ..] => true,
        ["CREATE", rest @ ..] => {
            let rest = rest.strip_prefix(&["OR", "REPLACE"]).unwrap_or(rest);
            matches!(rest, ["ARRAY", ..] | ["PERSISTED", "ARRAY", ..])
        }
        ["DESCRIBE" | "DESC", _] => return Ok(describe(text)),
        _ => false,
    };
    if !is_ours {
        return Ok(None);
    }
    let mut stream = Stream::new(text)?;
    let statement = statement(&mut stream)?;
    stream.expect_end()?;
    Ok(Some(statement))
}

/// Parses an expression that stands alone.
///
/// # Errors
/// [`ArraySqlError::Syntax`] if it is none, or more than one.
pub fn parse_expression(text: &str) -> Result<Expression> {
    let mut stream = Stream::new(text)?;
    let expr = expression(&mut stream)?;
    stream.expect_end()?;
    Ok(Expression { expr })
}

fn statement(stream: &mut Stream<'_>) -> Result<ArrayStatement> {
    if stream.take_word("create") {
        return create(stream);
    }
    if stream.take_word("show") {
        stream.expect_word("arrays")?;
        return Ok(ArrayStatement::List);
    }
    if stream.take_word("drop") {
        stream.expect_word("array")?;
        let if_exists = stream.take_word("if");
        if if_exists {
            stream.expect_word("exists")?;
        }
        return Ok(ArrayStatement::Drop { name: name(stream)?, if_exists });
    }
    if stream.take_word("copy") {
        stream.expect_word("array")?;
        let expr = expression(stream)?;
        stream.expect_word("to")?;
        let (location, span, options) = file(stream)?;
        return Ok(ArrayStatement::Copy { expression: Expression { expr }, location, span, options });
    }
    let is_explained = stream.take_word("explain");
    stream.expect_word("array")?;
    let expression = Expression { expr: expression(stream)? };
    Ok(if is_explained { ArrayStatement::Explain(expression) } else { ArrayStatement::Show(expression) })
}

fn create(stream: &mut Stream<'_>) -> Result<ArrayStatement> {
    let replaces = stream.take_word("or");
    if replaces {
        stream.expect_word("replace")?;
    }
    let persisted = stream.take_word("persisted");
    stream.expect_word("array")?;
    let keeps = stream.is_at_word("if") && matches!(stream.peek_second(), Lexical::Word(word) if word.value == "not");
    if keeps {
        if replaces {
            return Err(ArraySqlError::syntax("OR REPLACE and IF NOT EXISTS exclude each other", stream.span()));
        }
        stream.advance();
        stream.advance();
        stream.expect_word("exists")?;
    }
    let name = name(stream)?;
    let definition = if stream.take_word("as") {
        Definition::Expression(Expression { expr: expression(stream)? })
    } else if stream.take_word("from") {
        let (location, span, options) = file(stream)?;
        Definition::File { location, span, options }
    } else {
        return Err(stream.expected("AS and an expression, or FROM and a file"));
    };
    let on_conflict = match (replaces, keeps) {
        (true, _) => OnConflict::Replace,
        (_, true) => OnConflict::Keep,
        _ => OnConflict::Refuse,
    };
    Ok(ArrayStatement::Create { name, persisted, on_conflict, definition })
}

/// `DESCRIBE name` and nothing else.
fn describe(text: &str) -> Option<ArrayStatement> {
    let mut stream = Stream::new(text).ok()?;
    stream.advance();
    let name = name(&mut stream).ok()?;
    stream.expect_end().ok()?;
    Some(ArrayStatement::Describe(name))
}

fn name(stream: &mut Stream<'_>) -> Result<ArrayName> {
    let first = stream.expect_ident("the name of an array")?;
    if !stream.take(".") {
        return Ok(array_name(&[first]));
    }
    let second = stream.expect_ident("the name of an array")?;
    Ok(array_name(&[first, second]))
}

/// The name that a path of one or two parts is.
pub(crate) fn array_name(path: &[Ident]) -> ArrayName {
    let span = path[0].span.to(path[path.len() - 1].span);
    let schema = (path.len() > 1).then(|| path[0].value.clone());
    ArrayName { schema, name: path[path.len() - 1].value.clone(), span }
}

/// `'file' [WITH (name => value, ...)]`.
fn file(stream: &mut Stream<'_>) -> Result<(String, Span, Vec<StatementOption>)> {
    let span = stream.span();
    let location = stream.expect_text("the name of a file in quotes")?;
    let mut options: Vec<StatementOption> = Vec::new();
    if !stream.take_word("with") {
        return Ok((location, span, options));
    }
    stream.expect("(")?;
    while !stream.take(")") {
        let name = stream.expect_ident("the name of an option")?;
        if options.iter().any(|option| option.name == name.value) {
            return Err(ArraySqlError::syntax(format!("the option {} is given twice", name.value), name.span));
        }
        stream.expect("=>")?;
        let value = expression(stream)?;
        options.push(StatementOption { span: name.span.to(value.span), name: name.value, value: option_value(value)? });
        if !stream.take(",") && !stream.is_at(")") {
            return Err(stream.expected("`,` or `)`"));
        }
    }
    Ok((location, span, options))
}

fn option_value(expr: Expr) -> Result<OptionValue> {
    Ok(match expr.kind {
        ExprKind::Null => OptionValue::Null,
        ExprKind::Bool(value) => OptionValue::Bool(value),
        ExprKind::Int(value) => OptionValue::Int(value),
        ExprKind::Float(value) => OptionValue::Float(value),
        ExprKind::Text(text) => OptionValue::Text(text),
        ExprKind::List(items) => OptionValue::List(items.into_iter().map(option_value).collect::<Result<_>>()?),
        ExprKind::Unary { op: UnaryOp::Plus, operand } => option_value(*operand)?,
        _ => return Err(ArraySqlError::syntax("an option is a number, a string, or a list of them", expr.span)),
    })
}

/// Up to `n` words that `text` begins with; blanks and comments are skipped, and whatever is no word ends it.
fn leading_words(text: &str, n: usize) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = skip_blank(text);
    while words.len() < n {
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
        if end == 0 {
            break;
        }
        words.push(&rest[..end]);
        rest = skip_blank(&rest[end..]);
    }
    words
}

/// The text behind white space and comments.
fn skip_blank(text: &str) -> &str {
    let mut rest = text.trim_start();
    loop {
        rest = if let Some(comment) = rest.strip_prefix("--") {
            comment.find('\n').map_or("", |at| &comment[at..])
        } else if rest.starts_with("/*") {
            behind_comment(rest)
        } else {
            return rest;
        }
        .trim_start();
    }
}

/// The text behind a comment, which may hold others; nothing if it is not closed.
fn behind_comment(text: &str) -> &str {
    let mut n_open = 0;
    let mut rest = text;
    while let Some(at) = rest.find(['*', '/']) {
        let two = rest.get(at..at + 2).unwrap_or_default();
        let step = match two {
            "/*" => {
                n_open += 1;
                2
            }
            "*/" => {
                n_open -= 1;
                2
            }
            _ => 1,
        };
        rest = &rest[at + step..];
        if n_open == 0 {
            return rest;
        }
    }
    ""
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> ArrayStatement {
        parse_statement(text).unwrap_or_else(|error| panic!("{text}: {error}")).expect(text)
    }

    #[test]
    fn create_in_every_form() {
        let ArrayStatement::Create { name, persisted, on_conflict, definition } =
            parsed("-- new\nCREATE OR REPLACE PERSISTED ARRAY s.\"X\" AS ones([3]) + 1;")
        else {
            panic!()
        };
        assert_eq!((name.schema.as_deref(), name.name.as_str()), (Some("s"), "X"));
        assert!(persisted && on_conflict == OnConflict::Replace);
        assert!(matches!(definition, Definition::Expression(_)));

        let ArrayStatement::Create { persisted, on_conflict, definition, .. } =
            parsed("create array if not exists T from 'a.h5' with (dataset => '/big-data', chunks => [[3, 3, +2], 4])")
        else {
            panic!()
        };
        assert!(!persisted && on_conflict == OnConflict::Keep);
        let Definition::File { location, options, .. } = definition else { panic!() };
        assert_eq!(location, "a.h5");
        assert_eq!(options[0].value, OptionValue::Text("/big-data".into()));
        let int = OptionValue::Int;
        let axes = vec![OptionValue::List(vec![int(3), int(3), int(2)]), int(4)];
        assert_eq!(options[1].value, OptionValue::List(axes));
    }

    #[test]
    fn other_statements() {
        assert!(matches!(parsed("ARRAY mean(x)"), ArrayStatement::Show(_)));
        assert!(matches!(parsed("array[1, 2]"), ArrayStatement::Show(_)));
        assert!(matches!(parsed("EXPLAIN ARRAY sum(x @ transpose(x + 1), axis => 0)"), ArrayStatement::Explain(_)));
        let ArrayStatement::Copy { location, options, .. } =
            parsed("COPY ARRAY x + 1 TO 'o.zarr' WITH (chunks => [9],)")
        else {
            panic!()
        };
        assert_eq!((location.as_str(), options.len()), ("o.zarr", 1));
        let named = |text: &str| match parsed(text) {
            ArrayStatement::Copy { expression, .. } => expression.as_name().map(|name| name.name),
            _ => None,
        };
        assert_eq!(named("COPY ARRAY public.\"X\" TO 'o.zarr'").as_deref(), Some("X"));
        assert_eq!((named("COPY ARRAY (y) TO 'o.zarr'").as_deref(), named("COPY ARRAY -y TO 'o'")), (Some("y"), None));
        assert!(matches!(parsed("DROP ARRAY IF EXISTS x"), ArrayStatement::Drop { if_exists: true, .. }));
        assert!(matches!(parsed("/* a /* b */ */ SHOW ARRAYS"), ArrayStatement::List));
        assert!(matches!(parsed("desc x"), ArrayStatement::Describe(_)));
        assert!(matches!(parsed("CREATE ARRAY if AS 1"), ArrayStatement::Create { .. }));
    }

    #[test]
    fn statements_of_sql_are_left_alone() {
        let others = [
            "SELECT ARRAY[1, 2]",
            "CREATE TABLE array (a INT)",
            "COPY array TO 'x.csv'",
            "DESCRIBE SELECT 1",
            "DESCRIBE 'x.csv'",
            "EXPLAIN SELECT 1",
            "DROP TABLE array",
            "SHOW TABLES",
            "",
            "-- nothing",
            "/* open",
            "'",
        ];
        for text in others {
            assert_eq!(parse_statement(text).unwrap(), None, "{text}");
        }
    }

    #[test]
    fn mistakes_are_told_with_their_place() {
        let cases = [
            ("ARRAY", 5),
            ("CREATE ARRAY x = 1", 15),
            ("CREATE ARRAY x AS", 17),
            ("CREATE ARRAY x AS 1 2", 20),
            ("CREATE OR REPLACE ARRAY IF NOT EXISTS x AS 1", 24),
            ("CREATE ARRAY a.b.c AS 1", 16),
            ("COPY ARRAY x", 12),
            ("COPY ARRAY x TO y", 16),
            ("CREATE ARRAY x FROM 'f' WITH (a => 1, a => 2)", 38),
            ("CREATE ARRAY x FROM 'f' WITH (a => b)", 35),
            ("SHOW ARRAYS LIKE 'x'", 12),
            ("DROP ARRAY IF x", 14),
        ];
        for (text, at) in cases {
            let Err(error) = parse_statement(text) else { panic!("{text} was taken") };
            assert_eq!(error.span().start, at, "{text}: {error}");
        }
    }
}
