//! Text to lexemes: sqlparser's tokens, put together where Python has an operator that SQL does not, and taken apart where it
//! is the other way round.

use sqlparser::dialect::Dialect;
use sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer};

use super::ast::Ident;
use crate::{ArraySqlError, Result, Span};

/// A token of an array expression, and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Lexeme {
    pub(crate) token: Lexical,
    pub(crate) span: Span,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Lexical {
    Word(Ident),
    Int(i128),
    Float(f64),
    Imaginary(f64),
    Text(String),
    /// Brackets, separators and operators.
    Symbol(&'static str),
    /// Behind the last token.
    End,
}

/// The words of SQL, without what it takes for operators that Python does not know: `x@y` is a product here.
#[derive(Debug)]
struct ArrayDialect;

impl Dialect for ArrayDialect {
    fn is_identifier_start(&self, ch: char) -> bool {
        ch.is_alphabetic() || ch == '_'
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        ch.is_alphanumeric() || ch == '_'
    }

    fn supports_numeric_literal_underscores(&self) -> bool {
        true
    }

    fn supports_nested_comments(&self) -> bool {
        true
    }
}

/// The lexemes of `text`, the last of which is [`Lexical::End`]. Comments and white space are left out.
///
/// # Errors
/// [`ArraySqlError::Syntax`] for what is no token of an array expression.
pub(crate) fn lex(text: &str) -> Result<Vec<Lexeme>> {
    let mut offsets = Offsets { text, byte: 0, line: 1, column: 1 };
    let mut tokens = Vec::new();
    let tokenized = Tokenizer::new(&ArrayDialect, text).tokenize_with_location_into_buf(&mut tokens);
    if let Err(error) = tokenized {
        let start = offsets.at(error.location);
        return Err(ArraySqlError::syntax(error.message, Span { start, end: text.len() }));
    }
    let mut lexemes: Vec<Lexeme> = Vec::with_capacity(tokens.len() + 1);
    for token in tokens {
        let start = offsets.at(token.span.start);
        let span = Span { start, end: offsets.at(token.span.end) };
        append(text, token, span, &mut lexemes)?;
    }
    lexemes.push(Lexeme { token: Lexical::End, span: Span { start: text.len(), end: text.len() } });
    Ok(lexemes)
}

fn append(text: &str, token: TokenWithSpan, span: Span, lexemes: &mut Vec<Lexeme>) -> Result<()> {
    let written = &text[span.start..span.end];
    let token =
        match token.token {
            Token::Whitespace(_) => return Ok(()),
            Token::Word(word) => {
                if word.quote_style.is_none()
                    && let Some(number) = touching(lexemes, span)
                    && matches!(number.token, Lexical::Int(_) | Lexical::Float(_))
                {
                    return imaginary(number, &word.value, span);
                }
                let quoted = word.quote_style.is_some();
                let value = if quoted { word.value } else { word.value.to_lowercase() };
                Lexical::Word(Ident { value, quoted, span })
            }
            Token::Number(digits, false) => number(&digits, span)?,
            Token::HexStringLiteral(digits) if written.starts_with("0x") => {
                let value = i128::from_str_radix(&digits.replace('_', ""), 16);
                Lexical::Int(value.map_err(|_| too_large(span))?)
            }
            Token::SingleQuotedString(value) => Lexical::Text(value),
            Token::DoubleColon => {
                let middle = span.start + 1;
                lexemes.push(Lexeme { token: Lexical::Symbol(":"), span: Span { start: span.start, end: middle } });
                lexemes.push(Lexeme { token: Lexical::Symbol(":"), span: Span { start: middle, end: span.end } });
                return Ok(());
            }
            Token::Placeholder(_) => {
                return Err(ArraySqlError::unsupported("a parameter in an array expression", "write the value", span));
            }
            token => Lexical::Symbol(symbol(&token).ok_or_else(|| {
                ArraySqlError::syntax(format!("{written} has no meaning in an array expression"), span)
            })?),
        };
    if let Lexical::Symbol(second) = token
        && let Some(first) = touching(lexemes, span)
        && let Lexical::Symbol(written) = first.token
        && let Some(joined) = joined(written, second)
    {
        *first = Lexeme { token: Lexical::Symbol(joined), span: first.span.to(span) };
        return Ok(());
    }
    lexemes.push(Lexeme { token, span });
    Ok(())
}

/// The lexeme before `span` if nothing stands between.
fn touching(lexemes: &mut [Lexeme], span: Span) -> Option<&mut Lexeme> {
    lexemes.last_mut().filter(|last| last.span.end == span.start)
}

/// What SQL reads as two tokens, and Python as one.
fn joined(first: &str, second: &str) -> Option<&'static str> {
    match (first, second) {
        ("*", "*") => Some("**"),
        ("/", "/") => Some("//"),
        (".", ".") => Some(".."),
        ("..", ".") => Some("..."),
        _ => None,
    }
}

fn symbol(token: &Token) -> Option<&'static str> {
    Some(match token {
        Token::LParen => "(",
        Token::RParen => ")",
        Token::LBracket => "[",
        Token::RBracket => "]",
        Token::Comma => ",",
        Token::Period => ".",
        Token::Colon => ":",
        Token::SemiColon => ";",
        Token::RArrow => "=>",
        Token::Plus => "+",
        Token::Minus => "-",
        Token::Mul => "*",
        Token::Div => "/",
        Token::Mod => "%",
        Token::AtSign => "@",
        Token::Eq | Token::DoubleEq => "==",
        Token::Neq => "!=",
        Token::Lt => "<",
        Token::LtEq => "<=",
        Token::Gt => ">",
        Token::GtEq => ">=",
        Token::Ampersand => "&",
        Token::Pipe => "|",
        Token::Caret => "^",
        Token::Tilde => "~",
        Token::ShiftLeft => "<<",
        Token::ShiftRight => ">>",
        _ => return None,
    })
}

fn number(digits: &str, span: Span) -> Result<Lexical> {
    let digits = digits.replace('_', "");
    if digits.contains(['.', 'e', 'E']) {
        let value = digits.parse().map_err(|_| ArraySqlError::syntax(format!("{digits} is no number"), span))?;
        return Ok(Lexical::Float(value));
    }
    Ok(Lexical::Int(digits.parse().map_err(|_| too_large(span))?))
}

fn too_large(span: Span) -> ArraySqlError {
    ArraySqlError::value("the integer is too large; write it as a float, such as 1e40", span)
}

/// A `j` behind a number makes it imaginary.
fn imaginary(number: &mut Lexeme, word: &str, span: Span) -> Result<()> {
    let value = match number.token {
        Lexical::Int(value) => value as f64,
        Lexical::Float(value) => value,
        _ => return Err(ArraySqlError::syntax("expected an operator", span)),
    };
    if !word.eq_ignore_ascii_case("j") {
        return Err(ArraySqlError::syntax(format!("expected an operator between the number and {word}"), span));
    }
    *number = Lexeme { token: Lexical::Imaginary(value), span: number.span.to(span) };
    Ok(())
}

/// Places of the tokenizer as bytes of the text; they are asked for in ascending order.
struct Offsets<'a> {
    text: &'a str,
    byte: usize,
    line: u64,
    column: u64,
}

impl Offsets<'_> {
    fn at(&mut self, place: Location) -> usize {
        for c in self.text[self.byte..].chars() {
            if (self.line, self.column) >= (place.line, place.column) {
                break;
            }
            self.byte += c.len_utf8();
            if c == '\n' {
                (self.line, self.column) = (self.line + 1, 1);
            } else {
                self.column += 1;
            }
        }
        self.byte
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn symbols(text: &str) -> Vec<String> {
        let lexemes = lex(text).unwrap();
        lexemes
            .into_iter()
            .map(|lexeme| match lexeme.token {
                Lexical::Word(word) => word.value,
                Lexical::Int(value) => value.to_string(),
                Lexical::Float(value) => format!("{value:?}"),
                Lexical::Imaginary(value) => format!("{value}j"),
                Lexical::Text(value) => format!("'{value}'"),
                Lexical::Symbol(symbol) => symbol.to_owned(),
                Lexical::End => String::new(),
            })
            .collect()
    }

    #[test]
    fn operators_of_python_come_out_of_tokens_of_sql() {
        assert_eq!(symbols("x@y ** -2//z[::-1, ..., 1:]").join(" "), "x @ y ** - 2 // z [ : : - 1 , ... , 1 : ] ");
        assert_eq!(symbols("a=b==c!=d<>e<=f>>g").join(" "), "a == b == c != d != e <= f >> g ");
        assert_eq!(symbols("a* *b/ /c").join(" "), "a * * b / / c ");
        assert_eq!(symbols("x[0].sum(axis=>0)").join(" "), "x [ 0 ] . sum ( axis => 0 ) ");
    }

    #[test]
    fn literals() {
        assert_eq!(
            symbols("1_000 0xFf 1. .5 1e-3 2j 2.5J 'it''s'").join(" "),
            "1000 255 1.0 0.5 0.001 2j 2.5j 'it's' "
        );
        assert_eq!(symbols("Sum \"Sum\" -- end\n/* x */ y").join(" "), "sum Sum y ");
    }

    #[test]
    fn places_are_bytes_of_the_text() {
        let text = "'é' +\r\n\tü";
        let lexemes = lex(text).unwrap();
        let written: Vec<&str> = lexemes.iter().map(|lexeme| &text[lexeme.span.start..lexeme.span.end]).collect();
        assert_eq!(written, ["'é'", "+", "ü", ""]);
    }

    #[test]
    fn what_is_no_token_is_told_with_its_place() {
        for (text, at) in [("x + 'abc", 4), ("x || y", 2), ("1 + 2x", 5), ("a -> b", 2), ("x[$1]", 2)] {
            let error = lex(text).unwrap_err();
            assert_eq!(error.span().start, at, "{text}: {error}");
        }
        assert!(lex("1234567890123456789012345678901234567890").is_err());
    }
}
