//! The grammar of statements that no parser beneath has: COPY FROM, macros, secrets.

use std::fmt;
use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{Expr, Ident, ObjectName};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Span, Token};

use crate::sql::macros::{Declared, Macro};

/// `COPY table [(columns)] FROM 'location' [[WITH] (option [=>] value, ...)]`.
#[derive(Debug, Clone)]
pub(crate) struct CopyFrom {
    pub(crate) table: ObjectName,
    /// The columns that are filled; empty for all.
    pub(crate) columns: Vec<Ident>,
    pub(crate) location: String,
    /// Options of reading, by names in lower case; `None` for one that stands alone.
    pub(crate) options: Vec<(String, Option<Expr>)>,
    pub(crate) location_span: Span,
}

/// `CREATE MACRO f(a, b := 1) AS expression`, `CREATE FUNCTION f(a INT) RETURNS INT RETURN expression`.
#[derive(Debug, Clone)]
pub(crate) struct CreateMacro {
    /// `CREATE MACRO` or `CREATE FUNCTION`.
    pub(crate) tag: &'static str,
    pub(crate) or_replace: bool,
    pub(crate) if_not_exists: bool,
    pub(crate) name: Ident,
    /// The macro, or what is wrong with its definition, and where.
    pub(crate) definition: Result<Arc<Macro>, (String, Span)>,
}

/// `DROP MACRO f`, `DROP FUNCTION f`.
#[derive(Debug, Clone)]
pub(crate) struct DropMacro {
    /// `DROP MACRO` or `DROP FUNCTION`.
    pub(crate) tag: &'static str,
    pub(crate) if_exists: bool,
    pub(crate) name: Ident,
}

/// `CREATE SECRET s (TYPE s3, SCOPE 's3://bucket', KEY_ID '...', SECRET '...')`.
#[derive(Clone)]
pub(crate) struct CreateSecret {
    pub(crate) or_replace: bool,
    pub(crate) if_not_exists: bool,
    pub(crate) name: Ident,
    pub(crate) kind: String,
    pub(crate) scope: Option<String>,
    /// Keys and values.
    pub(crate) entries: Vec<(String, String)>,
}

/// Shows no values.
impl fmt::Debug for CreateSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreateSecret").field("name", &self.name).field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// `DROP SECRET s`.
#[derive(Debug, Clone)]
pub(crate) struct DropSecret {
    pub(crate) if_exists: bool,
    pub(crate) name: Ident,
}

/// `None` for another form of COPY.
pub(super) fn copy_from(parser: &mut Parser) -> Result<Option<CopyFrom>, ParserError> {
    parser.expect_keyword(Keyword::COPY)?;
    if parser.peek_token_ref().token == Token::LParen {
        return Ok(None);
    }
    let table = parser.parse_object_name(true)?;
    let mut columns = Vec::new();
    if parser.consume_token(&Token::LParen) {
        columns = parser.parse_comma_separated(Parser::parse_identifier)?;
        parser.expect_token(&Token::RParen)?;
    }
    if !parser.parse_keyword(Keyword::FROM) {
        return Ok(None);
    }
    if parser.peek_keyword(Keyword::STDIN) {
        return parser.expected_ref("the location of a file in quotes", parser.peek_token_ref());
    }
    let location_span = parser.peek_token_ref().span;
    let location = parser.parse_literal_string()?;
    let mut options = Vec::new();
    if parser.parse_keyword(Keyword::WITH) {
        parser.expect_token(&Token::LParen)?;
        options = parser.parse_comma_separated(copy_option)?;
        parser.expect_token(&Token::RParen)?;
    } else if parser.consume_token(&Token::LParen) {
        options = parser.parse_comma_separated(copy_option)?;
        parser.expect_token(&Token::RParen)?;
    }
    end(parser)?;
    Ok(Some(CopyFrom { table, columns, location, options, location_span }))
}

/// `HEADER`, `DELIMITER ';'`, `format => csv`.
fn copy_option(parser: &mut Parser) -> Result<(String, Option<Expr>), ParserError> {
    let name = parser.parse_identifier()?.value.to_lowercase();
    let is_alone = matches!(parser.peek_token_ref().token, Token::Comma | Token::RParen);
    let _ = parser.consume_token(&Token::RArrow)
        || parser.consume_token(&Token::Eq)
        || parser.consume_token(&Token::Assignment);
    Ok((name, if is_alone { None } else { Some(parser.parse_expr()?) }))
}

/// `None` for a form of CREATE FUNCTION whose body is no expression.
pub(super) fn create_macro(parser: &mut Parser) -> Result<Option<CreateMacro>, ParserError> {
    parser.expect_keyword(Keyword::CREATE)?;
    let or_replace = parser.parse_keywords(&[Keyword::OR, Keyword::REPLACE]);
    // Macros live as long as their session, so that a temporary one is like any other.
    let _ = parser.parse_one_of_keywords(&[Keyword::TEMP, Keyword::TEMPORARY]);
    let is_macro = parser.parse_keyword(Keyword::MACRO);
    if !is_macro {
        parser.expect_keyword(Keyword::FUNCTION)?;
    }
    let if_not_exists = parser.parse_keywords(&[Keyword::IF, Keyword::NOT, Keyword::EXISTS]);
    let name = macro_name(parser)?;
    parser.expect_token(&Token::LParen)?;
    let mut parameters = Vec::new();
    if !parser.consume_token(&Token::RParen) {
        parameters = parser.parse_comma_separated(parameter)?;
        parser.expect_token(&Token::RParen)?;
    }
    let returns = match parser.parse_keyword(Keyword::RETURNS) {
        true => Some(parser.parse_data_type()?),
        false => None,
    };
    let has_body = if is_macro { parser.parse_keyword(Keyword::AS) } else { parser.parse_keyword(Keyword::RETURN) };
    match (has_body, is_macro) {
        (false, false) => return Ok(None),
        (false, true) => return parser.expected_ref("AS and an expression", parser.peek_token_ref()),
        (true, _) => {}
    }
    if parser.peek_keyword(Keyword::TABLE) {
        return parser.expected_ref("an expression; a view is what stands for a table", parser.peek_token_ref());
    }
    let body = parser.parse_expr()?;
    end(parser)?;
    let tag = if is_macro { "CREATE MACRO" } else { "CREATE FUNCTION" };
    let definition = Macro::try_new(&name, parameters, body, returns).map(Arc::new);
    Ok(Some(CreateMacro { tag, or_replace, if_not_exists, name, definition }))
}

/// `a`, `a INT`, `a := 1`, `a INT DEFAULT 1`.
fn parameter(parser: &mut Parser) -> Result<Declared, ParserError> {
    let name = parser.parse_identifier()?;
    let is_untyped =
        matches!(parser.peek_token_ref().token, Token::Comma | Token::RParen | Token::Assignment | Token::RArrow)
            || parser.peek_keyword(Keyword::DEFAULT);
    let data_type = if is_untyped { None } else { Some(parser.parse_data_type()?) };
    let has_default = parser.consume_token(&Token::Assignment)
        || parser.consume_token(&Token::RArrow)
        || parser.parse_keyword(Keyword::DEFAULT);
    let default = if has_default { Some(parser.parse_expr()?) } else { None };
    Ok(Declared { name, data_type, default })
}

fn macro_name(parser: &mut Parser) -> Result<Ident, ParserError> {
    let name = parser.parse_identifier()?;
    match parser.peek_token_ref().token {
        Token::Period => {
            parser.expected_ref("a name without a schema: a macro belongs to the session", parser.peek_token_ref())
        }
        _ => Ok(name),
    }
}

pub(super) fn drop_macro(parser: &mut Parser) -> Result<DropMacro, ParserError> {
    parser.expect_keyword(Keyword::DROP)?;
    let is_macro = parser.parse_keyword(Keyword::MACRO);
    if !is_macro {
        parser.expect_keyword(Keyword::FUNCTION)?;
    }
    let if_exists = parser.parse_keywords(&[Keyword::IF, Keyword::EXISTS]);
    let name = macro_name(parser)?;
    end(parser)?;
    Ok(DropMacro { tag: if is_macro { "DROP MACRO" } else { "DROP FUNCTION" }, if_exists, name })
}

pub(super) fn create_secret(parser: &mut Parser) -> Result<CreateSecret, ParserError> {
    parser.expect_keyword(Keyword::CREATE)?;
    let or_replace = parser.parse_keywords(&[Keyword::OR, Keyword::REPLACE]);
    parser.expect_keyword(Keyword::SECRET)?;
    let if_not_exists = parser.parse_keywords(&[Keyword::IF, Keyword::NOT, Keyword::EXISTS]);
    let name = parser.parse_identifier()?;
    parser.expect_token(&Token::LParen)?;
    let (mut kind, mut scope, mut entries) = (None, None, Vec::new());
    for (key, value) in parser.parse_comma_separated(secret_entry)? {
        match key.to_ascii_lowercase().as_str() {
            "type" if kind.is_none() => kind = Some(value),
            "scope" if scope.is_none() => scope = Some(value),
            _ => entries.push((key, value)),
        }
    }
    parser.expect_token(&Token::RParen)?;
    end(parser)?;
    let kind = kind.ok_or_else(|| ParserError::ParserError("Expected: TYPE s3, gcs or azure".to_owned()))?;
    Ok(CreateSecret { or_replace, if_not_exists, name, kind, scope, entries })
}

/// `TYPE s3`, `KEY_ID 'x'`, `REGION => 'x'`.
fn secret_entry(parser: &mut Parser) -> Result<(String, String), ParserError> {
    let key = parser.parse_identifier()?.value;
    let _ = parser.consume_token(&Token::RArrow) || parser.consume_token(&Token::Eq);
    let value = match parser.peek_token_ref().token {
        Token::Word(_) => parser.parse_identifier()?.value,
        _ => parser.parse_literal_string()?,
    };
    Ok((key, value))
}

pub(super) fn drop_secret(parser: &mut Parser) -> Result<DropSecret, ParserError> {
    parser.expect_keyword(Keyword::DROP)?;
    parser.expect_keyword(Keyword::SECRET)?;
    let if_exists = parser.parse_keywords(&[Keyword::IF, Keyword::EXISTS]);
    let name = parser.parse_identifier()?;
    end(parser)?;
    Ok(DropSecret { if_exists, name })
}

/// Nothing may stand behind a statement but a semicolon.
fn end(parser: &mut Parser) -> Result<(), ParserError> {
    let _ = parser.consume_token(&Token::SemiColon);
    match parser.peek_token_ref().token {
        Token::EOF => Ok(()),
        _ => parser.expected_ref("the end of the statement", parser.peek_token_ref()),
    }
}
