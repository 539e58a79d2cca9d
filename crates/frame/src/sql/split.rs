//! Splits a script into statements, by token rather than by character.
//!
//! The lexical rules are those of sqlparser's tokenizer in its generic dialect, which is what the engine parses with: a
//! `;` that the parser would read as part of a string, an identifier or a comment never ends a statement here. The rules
//! are written out again, rather than taken from that tokenizer, because a prompt has to know *what* is still open, and
//! because one pass without building tokens is enough to find the boundaries.

use thiserror::Error;

use self::lexer::{Lexeme, Lexer};

mod lexer;

/// One statement of a script, without the `;` that ends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatementText<'a> {
    /// The statement from its first to its last token: comments and white space around it are left out, those inside stay.
    pub text: &'a str,
    /// Where `text` begins in the script, in bytes.
    pub offset: usize,
    /// The line of the first token, counted from 1.
    pub line: u64,
    /// The column of the first token in characters, counted from 1.
    pub column: u64,
}

/// What has been opened and not yet closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Open {
    /// A statement without its `;`.
    Statement,
    /// A string literal of any form but the dollar-quoted one.
    String,
    /// An identifier between `"` or backticks.
    QuotedIdentifier,
    /// A `/* */` comment.
    Comment,
    /// A dollar-quoted string.
    DollarQuote {
        /// The name between the two dollar signs, empty for `$$`.
        tag: String,
    },
}

impl std::fmt::Display for Open {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Statement => f.write_str("statement"),
            Self::String => f.write_str("string literal"),
            Self::QuotedIdentifier => f.write_str("quoted identifier"),
            Self::Comment => f.write_str("/* comment"),
            Self::DollarQuote { tag } => write!(f, "${tag}$ string"),
        }
    }
}

/// A script that cannot be split.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SplitError {
    /// A quote or a comment runs to the end of the script.
    #[error("unterminated {open}, opened at line {line}, column {column}")]
    Unterminated {
        /// What was opened.
        open: Open,
        /// Where it was opened, in bytes from the start of the script.
        offset: usize,
        /// The line where it was opened, counted from 1.
        line: u64,
        /// The column where it was opened in characters, counted from 1.
        column: u64,
    },
}

/// Whether a text can be run as it stands, or a prompt should ask for another line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Completeness {
    /// Every statement is ended by `;`, or there is none.
    Complete,
    /// The text stops inside something.
    Incomplete {
        /// The innermost thing that is open.
        open: Open,
    },
}

/// Splits `script` at the `;` between statements, in time linear in its length.
///
/// The last statement needs no `;`. Statements of nothing but white space and comments are left out.
///
/// # Errors
/// [`SplitError::Unterminated`] if a quote or a comment is not closed.
pub fn split_statements(script: &str) -> Result<Vec<StatementText<'_>>, SplitError> {
    let mut statements = Vec::new();
    let mut current: Option<StatementText<'_>> = None;
    let mut lexer = Lexer::new(script);
    loop {
        let start = lexer.position();
        match lexer.next_lexeme()? {
            Some(Lexeme::Blank) => {}
            Some(Lexeme::Token) => {
                let statement = current.get_or_insert(StatementText {
                    text: "",
                    offset: start.offset,
                    line: start.line,
                    column: start.column,
                });
                statement.text = &script[statement.offset..lexer.position().offset];
            }
            Some(Lexeme::Semicolon) => statements.extend(current.take()),
            None => {
                statements.extend(current.take());
                return Ok(statements);
            }
        }
    }
}

/// Tells a prompt whether `text` is ready to run.
///
/// A text is complete when it holds no statement, or when a `;` follows the last one. Brackets are not counted: a `;`
/// after an unbalanced one runs, so that the parser can say what is wrong with it.
#[must_use]
pub fn completeness(text: &str) -> Completeness {
    let mut lexer = Lexer::new(text);
    let mut in_statement = false;
    loop {
        match lexer.next_lexeme() {
            Ok(Some(Lexeme::Blank)) => {}
            Ok(Some(Lexeme::Token)) => in_statement = true,
            Ok(Some(Lexeme::Semicolon)) => in_statement = false,
            Ok(None) if in_statement => return Completeness::Incomplete { open: Open::Statement },
            Ok(None) => return Completeness::Complete,
            Err(SplitError::Unterminated { open, .. }) => return Completeness::Incomplete { open },
        }
    }
}

#[cfg(test)]
mod tests;
