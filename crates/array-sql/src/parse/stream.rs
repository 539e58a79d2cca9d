//! The lexemes of a statement, taken one by one.

use super::ast::Ident;
use super::lex::{Lexeme, Lexical, lex};
use crate::{ArraySqlError, Result, Span};

/// Levels of brackets, and operators and calls of one expression: its tree is no deeper, so that whoever walks it has a
/// bounded way.
pub(crate) const DEPTH_MAX: usize = 1_000;

/// Where the parser stands in a text.
pub(crate) struct Stream<'a> {
    pub(crate) text: &'a str,
    lexemes: Vec<Lexeme>,
    next: usize,
    n_open: usize,
    n_operations: usize,
}

impl<'a> Stream<'a> {
    pub(crate) fn new(text: &'a str) -> Result<Self> {
        Ok(Self { text, lexemes: lex(text)?, next: 0, n_open: 0, n_operations: 0 })
    }

    pub(crate) fn peek(&self) -> &Lexical {
        &self.lexemes[self.next].token
    }

    /// The lexeme behind the next one.
    pub(crate) fn peek_second(&self) -> &Lexical {
        &self.lexemes[(self.next + 1).min(self.lexemes.len() - 1)].token
    }

    /// Where the next lexeme stands.
    pub(crate) fn span(&self) -> Span {
        self.lexemes[self.next].span
    }

    /// Where the lexeme before stands.
    pub(crate) fn last_span(&self) -> Span {
        self.lexemes[self.next.saturating_sub(1)].span
    }

    /// Takes the next lexeme; at the end it stays.
    pub(crate) fn advance(&mut self) -> Lexeme {
        let lexeme = self.lexemes[self.next].clone();
        self.next = (self.next + 1).min(self.lexemes.len() - 1);
        lexeme
    }

    pub(crate) fn is_at(&self, symbol: &str) -> bool {
        matches!(self.peek(), Lexical::Symbol(next) if *next == symbol)
    }

    /// Takes `symbol` if it is next.
    pub(crate) fn take(&mut self, symbol: &str) -> bool {
        let found = self.is_at(symbol);
        if found {
            self.advance();
        }
        found
    }

    /// Takes `symbol`, which has to be next.
    pub(crate) fn expect(&mut self, symbol: &str) -> Result<Span> {
        let span = self.span();
        if self.take(symbol) { Ok(span) } else { Err(self.expected(&format!("`{symbol}`"))) }
    }

    /// Whether `word`, which is given in lower case, is next, without quotes.
    pub(crate) fn is_at_word(&self, word: &str) -> bool {
        matches!(self.peek(), Lexical::Word(next) if !next.quoted && next.value == word)
    }

    /// Takes `word` if it is next.
    pub(crate) fn take_word(&mut self, word: &str) -> bool {
        let found = self.is_at_word(word);
        if found {
            self.advance();
        }
        found
    }

    /// Takes `word`, which has to be next.
    pub(crate) fn expect_word(&mut self, word: &str) -> Result<()> {
        if self.take_word(word) { Ok(()) } else { Err(self.expected(&word.to_uppercase())) }
    }

    /// Takes a name.
    pub(crate) fn expect_ident(&mut self, what: &str) -> Result<Ident> {
        let Lexical::Word(ident) = self.peek() else { return Err(self.expected(what)) };
        let ident = ident.clone();
        self.advance();
        Ok(ident)
    }

    /// Takes a string.
    pub(crate) fn expect_text(&mut self, what: &str) -> Result<String> {
        let Lexical::Text(text) = self.peek() else { return Err(self.expected(what)) };
        let text = text.clone();
        self.advance();
        Ok(text)
    }

    /// The statement has to end here; a `;` may stand behind it.
    pub(crate) fn expect_end(&mut self) -> Result<()> {
        self.take(";");
        match self.peek() {
            Lexical::End => Ok(()),
            _ => Err(self.expected("an operator or the end of the statement")),
        }
    }

    /// The error that something else stands where `what` should.
    pub(crate) fn expected(&self, what: &str) -> ArraySqlError {
        let span = self.span();
        let found = match self.peek() {
            Lexical::End => "the end of the statement",
            _ => &self.text[span.start..span.end],
        };
        ArraySqlError::syntax(format!("expected {what}, found {found}"), span)
    }

    /// Runs `inside` one level of brackets down.
    pub(crate) fn nested<T>(&mut self, inside: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.n_open += 1;
        if self.n_open > DEPTH_MAX {
            return Err(self.too_deep("levels of brackets"));
        }
        let result = inside(self);
        self.n_open -= 1;
        result
    }

    /// Counts an operator or a call.
    pub(crate) fn count_operation(&mut self) -> Result<()> {
        self.n_operations += 1;
        if self.n_operations > DEPTH_MAX { Err(self.too_deep("operators and calls")) } else { Ok(()) }
    }

    fn too_deep(&self, what: &str) -> ArraySqlError {
        let message = format!("an expression has more than {DEPTH_MAX} {what}; name a part of it with CREATE ARRAY");
        ArraySqlError::value(message, self.span())
    }
}
