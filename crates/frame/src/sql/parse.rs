//! Text to statement: DataFusion's parser, and the statements it does not have.

use datafusion::config::Dialect;
use datafusion::error::DataFusionError;
use datafusion::sql::parser::{DFParserBuilder, Statement};
use datafusion::sql::sqlparser::ast;
use datafusion::sql::sqlparser::dialect::{Dialect as SqlDialect, dialect_from_str};
use datafusion::sql::sqlparser::parser::{Parser as SqlParser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

use crate::error::{Error, Result};
use crate::sql::dialect::DolmenDialect;
use crate::sql::grammar::{self, CopyFrom, CreateMacro, CreateSecret, DropMacro, DropSecret};
use crate::sql::macros::Macros;
use crate::sql::translate::Translation;

/// A statement of the session.
#[derive(Debug, Clone)]
pub(crate) enum Parsed {
    /// A statement that DataFusion's parser knows.
    Sql(Statement),
    /// `DESCRIBE relation-or-query`: its columns and their types. The statement is a query over the relation.
    Describe(Statement),
    /// `SUMMARIZE relation-or-query`: statistics of every column. The statement is a query over the relation.
    Summarize(Statement),
    /// `EXPLAIN TASKS statement`: the tasks that the statement becomes.
    ExplainTasks(Statement),
    /// `SHOW ...`, as the query over the information schema that answers it.
    Show(Statement),
    /// `COPY table FROM 'location'`.
    CopyFrom(CopyFrom),
    /// `CREATE MACRO`, or `CREATE FUNCTION` with an expression as its body.
    CreateMacro(CreateMacro),
    /// `DROP MACRO`, `DROP FUNCTION`.
    DropMacro(DropMacro),
    /// `CREATE SECRET`.
    CreateSecret(CreateSecret),
    /// `DROP SECRET`.
    DropSecret(DropSecret),
    /// `SHOW SECRETS`: names, without values.
    ShowSecrets,
}

/// Parses one statement. `macros` are those that SHOW FUNCTIONS lists.
///
/// # Errors
/// [`Error::Syntax`] if the text is not one statement, with the place; also for an empty text and for more than one.
pub(crate) fn parse(text: &str, dialect: Dialect, recursion_limit: usize, macros: &Macros) -> Result<Parsed> {
    let parser = Parser { text, dialect, recursion_limit };
    let words = leading_words(text, 5);
    let words: Vec<&str> = words.iter().map(|(word, _)| word.as_str()).collect();
    match words.as_slice() {
        ["SUMMARIZE", ..] => Ok(Parsed::Summarize(parser.over_relation()?)),
        ["DESCRIBE" | "DESC", ..] => Ok(Parsed::Describe(parser.over_relation()?)),
        ["EXPLAIN", "TASKS", ..] => Ok(Parsed::ExplainTasks(parser.behind_words(2)?)),
        ["SHOW", "SECRETS"] => Ok(Parsed::ShowSecrets),
        ["SHOW", "TABLES" | "SETTINGS" | "FUNCTIONS" | "COLUMNS" | "VIEWS" | "SCHEMAS", ..] => {
            let query = show_query(parser.statement(text)?, macros)
                .or_else(|| show_by_name(words[1]).map(str::to_owned))
                .ok_or_else(|| Error::unsupported("this form of SHOW", "query information_schema instead"))?;
            Ok(Parsed::Show(parser.statement(&query)?))
        }
        ["COPY", ..] => match parser.own(grammar::copy_from)? {
            Some(copy) => Ok(Parsed::CopyFrom(copy)),
            None => Ok(Parsed::Sql(parser.statement(text)?)),
        },
        ["CREATE", words @ ..] if defines_macro(words) => match parser.own(grammar::create_macro)? {
            Some(create) => Ok(Parsed::CreateMacro(create)),
            None => Ok(Parsed::Sql(parser.statement(text)?)),
        },
        ["CREATE", "SECRET", ..] | ["CREATE", "OR", "REPLACE", "SECRET", ..] => {
            match parser.own(grammar::create_secret) {
                Ok(create) => Ok(Parsed::CreateSecret(create)),
                // An error of the parser shows the text.
                Err(_) => Err(Error::syntax(
                    "a secret is written CREATE [OR REPLACE] SECRET [IF NOT EXISTS] name (TYPE s3, SCOPE 's3://bucket', KEY_ID '...', SECRET '...')",
                    None,
                )),
            }
        }
        ["DROP", "SECRET", ..] => Ok(Parsed::DropSecret(parser.own(grammar::drop_secret)?)),
        ["DROP", "MACRO" | "FUNCTION", ..] => Ok(Parsed::DropMacro(parser.own(grammar::drop_macro)?)),
        _ => Ok(Parsed::Sql(parser.statement(text)?)),
    }
}

fn defines_macro(words: &[&str]) -> bool {
    let words = words.strip_prefix(&["OR", "REPLACE"]).unwrap_or(words);
    matches!(words, ["MACRO" | "FUNCTION", ..] | ["TEMP" | "TEMPORARY", "MACRO" | "FUNCTION", ..])
}

struct Parser<'a> {
    text: &'a str,
    dialect: Dialect,
    recursion_limit: usize,
}

impl Parser<'_> {
    fn dialect(&self) -> Result<Box<dyn SqlDialect>> {
        if self.dialect == Dialect::Generic {
            return Ok(Box::new(DolmenDialect::default()));
        }
        dialect_from_str(self.dialect)
            .ok_or_else(|| Error::invalid(format!("SQL dialect {} is not known", self.dialect)))
    }

    fn statement(&self, sql: &str) -> Result<Statement> {
        let dialect = self.dialect()?;
        let mut statements = DFParserBuilder::new(sql)
            .with_dialect(dialect.as_ref())
            .with_recursion_limit(self.recursion_limit)
            .build()
            .and_then(|mut parser| parser.parse_statements())
            .map_err(|error| self.syntax(error))?;
        match (statements.pop_front(), statements.is_empty()) {
            (Some(statement), true) => Ok(statement),
            (None, _) => Err(Error::syntax("the statement is empty", None)),
            (Some(_), false) => {
                Err(Error::syntax("more than one statement; run a script of several with `script`", None))
            }
        }
    }

    /// The statement by a grammar of ours.
    fn own<T>(&self, grammar: impl FnOnce(&mut SqlParser) -> Result<T, ParserError>) -> Result<T> {
        let dialect = self.dialect()?;
        SqlParser::new(dialect.as_ref())
            .with_recursion_limit(self.recursion_limit)
            .try_with_sql(self.text)
            .and_then(|mut parser| grammar(&mut parser))
            .map_err(|error| self.syntax(DataFusionError::SQL(Box::new(error), None)))
    }

    /// The statement behind the first words, which become blanks, so that places in errors stay where the user sees them.
    fn behind_words(&self, n: usize) -> Result<Statement> {
        let end = leading_words(self.text, n).last().map_or(0, |(word, start)| start + word.len());
        let blanks: String = self.text[..end].chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect();
        self.statement(&format!("{blanks}{}", &self.text[end..]))
    }

    /// `SUMMARIZE flights` or `DESCRIBE SELECT ...` as the query over what follows the first word.
    ///
    /// The first word is replaced by as many characters, so that places in errors stay where the user sees them.
    fn over_relation(&self) -> Result<Statement> {
        let words = leading_words(self.text, 2);
        let (first, start) = &words[0];
        let is_query = match words.get(1) {
            Some((word, _)) => matches!(word.as_str(), "SELECT" | "WITH" | "VALUES" | "FROM" | "TABLE"),
            None => false,
        };
        let rest = &self.text[start + first.len()..];
        if rest.trim().trim_end_matches(';').is_empty() {
            return Err(Error::syntax(format!("{first} needs a table, a file or a query"), None));
        }
        let keyword = if is_query || rest.trim_start().starts_with('(') { "" } else { "FROM" };
        let sql = format!("{}{keyword:<width$}{rest}", &self.text[..*start], width = first.len());
        let statement = self.statement(&sql)?;
        match &statement {
            Statement::Statement(inner) if matches!(inner.as_ref(), ast::Statement::Query(_)) => Ok(statement),
            _ => Err(Error::syntax(format!("{first} needs a table, a file or a query"), None)),
        }
    }

    fn syntax(&self, error: DataFusionError) -> Error {
        if let DataFusionError::SQL(parser_error, _) = error.find_root()
            && let ParserError::RecursionLimitExceeded = parser_error.as_ref()
        {
            let limit = self.recursion_limit;
            let message =
                format!("the statement is nested too deeply (limit {limit}); SET sql_parser.recursion_limit raises it");
            return Error::syntax(message, None).with_source(error);
        }
        // No table or function is looked up before the text is parsed, so that none can be misspelt.
        Translation { text: self.text, tables: Vec::new(), functions: Vec::new() }.of_planning(error)
    }
}

/// The first `n` words of a statement in upper case, with their byte offsets; stops at the first token that is no word.
fn leading_words(text: &str, n: usize) -> Vec<(String, usize)> {
    let dialect = datafusion::sql::sqlparser::dialect::GenericDialect {};
    // Only the start is looked at: tokenizing a long statement twice would cost as much as parsing it.
    let mut head = text.len().min(4096);
    while !text.is_char_boundary(head) {
        head -= 1;
    }
    let mut tokens = Vec::new();
    // An error further on (a quote that the cut leaves open) does not matter: the words before it are there.
    let _ = Tokenizer::new(&dialect, &text[..head]).tokenize_with_location_into_buf(&mut tokens);
    let mut words = Vec::new();
    for token in tokens {
        match token.token {
            Token::Whitespace(_) => {}
            Token::Word(word) if word.quote_style.is_none() && words.len() < n => {
                words.push((word.value.to_uppercase(), byte_offset(text, token.span.start)));
            }
            _ => break,
        }
    }
    words
}

fn byte_offset(text: &str, place: datafusion::sql::sqlparser::tokenizer::Location) -> usize {
    let lines = usize::try_from(place.line.saturating_sub(1)).unwrap_or(0);
    let line_start: usize = text.split_inclusive('\n').take(lines).map(str::len).sum();
    let columns = usize::try_from(place.column.saturating_sub(1)).unwrap_or(0);
    let within: usize = text[line_start..].chars().take(columns).map(char::len_utf8).sum();
    line_start + within
}

/// The query that answers a parsed SHOW statement.
fn show_query(statement: Statement, macros: &Macros) -> Option<String> {
    let Statement::Statement(statement) = statement else { return None };
    match *statement {
        ast::Statement::ShowTables { show_options, .. } => {
            let filter = like_filter("table_name", &show_options)?;
            Some(format!(
                "SELECT table_schema, table_name, table_type FROM information_schema.tables \
                 WHERE table_schema <> 'information_schema'{filter} ORDER BY table_schema, table_name"
            ))
        }
        ast::Statement::ShowColumns { show_options, .. } => {
            let filter = like_filter("column_name", &show_options)?;
            let table = show_options.show_in?.parent_name?;
            let parts: Vec<String> =
                table.0.iter().filter_map(|part| part.as_ident()).map(|ident| quoted(&normalized(ident))).collect();
            let (schema, name) = match parts.as_slice() {
                [name] => ("'public'".to_owned(), name.clone()),
                [.., schema, name] => (schema.clone(), name.clone()),
                [] => return None,
            };
            Some(format!(
                "SELECT column_name, data_type, is_nullable FROM information_schema.columns \
                 WHERE table_schema = {schema} AND table_name = {name}{filter} ORDER BY ordinal_position"
            ))
        }
        ast::Statement::ShowFunctions { filter } => {
            let filter = filter_sql("routine_name", filter.as_ref())?;
            let macros = macros.iter().map(|known| {
                let parts = [known.name(), "MACRO", &known.body().to_string(), &known.syntax()].map(quoted);
                format!(" UNION ALL SELECT {}", parts.join(", "))
            });
            Some(format!(
                "SELECT DISTINCT routine_name AS function_name, function_type, description, syntax_example \
                 FROM (SELECT routine_name, function_type, description, syntax_example \
                 FROM information_schema.routines{}) AS routines WHERE true{filter} ORDER BY 1, 2",
                macros.collect::<String>()
            ))
        }
        _ => None,
    }
}

fn show_by_name(word: &str) -> Option<&'static str> {
    match word {
        "SETTINGS" => Some("SELECT name, value, description FROM information_schema.df_settings ORDER BY name"),
        "VIEWS" => Some(
            "SELECT table_schema, table_name, definition FROM information_schema.views \
             WHERE table_schema <> 'information_schema' AND definition IS NOT NULL ORDER BY 1, 2",
        ),
        "SCHEMAS" => Some("SELECT schema_name FROM information_schema.schemata ORDER BY 1"),
        _ => None,
    }
}

fn like_filter(column: &str, options: &ast::ShowStatementOptions) -> Option<String> {
    match &options.filter_position {
        None => Some(String::new()),
        Some(ast::ShowStatementFilterPosition::Infix(filter) | ast::ShowStatementFilterPosition::Suffix(filter)) => {
            filter_sql(column, Some(filter))
        }
    }
}

fn filter_sql(column: &str, filter: Option<&ast::ShowStatementFilter>) -> Option<String> {
    match filter {
        None => Some(String::new()),
        Some(ast::ShowStatementFilter::Like(pattern)) => Some(format!(" AND {column} LIKE {}", quoted(pattern))),
        Some(ast::ShowStatementFilter::ILike(pattern)) => Some(format!(" AND {column} ILIKE {}", quoted(pattern))),
        Some(ast::ShowStatementFilter::Where(condition)) => Some(format!(" AND ({condition})")),
        Some(ast::ShowStatementFilter::NoKeyword(pattern)) => Some(format!(" AND {column} LIKE {}", quoted(pattern))),
    }
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// An identifier as PostgreSQL folds it: lower case unless quoted.
pub(crate) fn normalized(ident: &ast::Ident) -> String {
    match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_lowercase(),
    }
}
