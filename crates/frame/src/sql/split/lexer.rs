//! Finds where tokens end, as sqlparser's tokenizer does in its generic dialect.
//!
//! Only the extent of a token matters here, so most operators are read one character at a time. Those that contain a
//! character which would begin a comment, a string or a word on its own (`|/`, `//`, `^@`, `#-`, ...) are read whole.

use super::{Open, SplitError};

/// A place in the script.
#[derive(Debug, Clone, Copy)]
pub(super) struct Position {
    /// In bytes from the start.
    pub(super) offset: usize,
    /// Counted from 1.
    pub(super) line: u64,
    /// In characters, counted from 1.
    pub(super) column: u64,
}

/// What a piece of the script is, as far as splitting is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lexeme {
    /// White space or a comment.
    Blank,
    /// Anything that belongs to a statement.
    Token,
    /// A `;` between statements.
    Semicolon,
}

/// Walks over a script, one lexeme at a time.
pub(super) struct Lexer<'a> {
    script: &'a str,
    position: Position,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(script: &'a str) -> Self {
        Self { script, position: Position { offset: 0, line: 1, column: 1 } }
    }

    /// Where the next lexeme begins.
    pub(super) fn position(&self) -> Position {
        self.position
    }

    /// Steps over the next lexeme; `None` at the end of the script.
    pub(super) fn next_lexeme(&mut self) -> Result<Option<Lexeme>, SplitError> {
        let start = self.position;
        let Some(first) = self.bump() else { return Ok(None) };
        let lexeme = match first {
            ';' => Lexeme::Semicolon,
            '-' if self.eat('-') => {
                self.skip_line();
                Lexeme::Blank
            }
            '/' if self.eat('*') => self.comment(start)?,
            '\'' => self.string(start, '\'', Backslash::Ordinary)?,
            '"' | '`' => {
                self.quoted(start, first, Backslash::Ordinary, Open::QuotedIdentifier)?;
                Lexeme::Token
            }
            '$' => self.dollar(start)?,
            '0'..='9' | '.' => self.number(first),
            c if is_word_start(c) || c == '#' || c == '@' => self.word(start, first)?,
            c if c.is_whitespace() => Lexeme::Blank,
            _ => self.operator(first),
        };
        Ok(Some(lexeme))
    }

    /// A word, or one of the string literals that begin with a letter.
    fn word(&mut self, start: Position, first: char) -> Result<Lexeme, SplitError> {
        match first {
            'b' | 'B' if self.eat('\'') => return self.string(start, '\'', Backslash::Ordinary),
            'b' | 'B' if self.eat('"') => return self.string(start, '"', Backslash::Ordinary),
            'r' | 'R' if self.eat('\'') => return self.raw_string(start, '\''),
            'r' | 'R' if self.eat('"') => return self.raw_string(start, '"'),
            'n' | 'N' if self.eat('\'') => return self.string(start, '\'', Backslash::Ordinary),
            'n' | 'N' if (self.eat('q') || self.eat('Q')) && self.eat('\'') => {
                return self.delimited_string(start);
            }
            'q' | 'Q' if self.eat('\'') => return self.delimited_string(start),
            'e' | 'E' | 'x' | 'X' if self.eat('\'') => return self.string(start, '\'', Backslash::Escapes),
            'u' | 'U' if self.rest().starts_with("&'") => {
                self.bump();
                self.bump();
                return self.string(start, '\'', Backslash::EscapesItself);
            }
            // The tokenizer takes whatever follows these two signs into the word, even a quote or a `;`.
            '#' => match self.peek() {
                Some('-' | '>') => {
                    self.bump();
                    return Ok(Lexeme::Token);
                }
                Some(' ') | None => return Ok(Lexeme::Token),
                Some(_) => {
                    self.bump();
                }
            },
            '@' => match self.peek() {
                Some('>' | '?') => {
                    self.bump();
                    return Ok(Lexeme::Token);
                }
                Some(' ' | '\'' | '"' | '`') | None => return Ok(Lexeme::Token),
                Some('@') => {
                    self.bump();
                    if matches!(self.peek(), Some(' ') | None) {
                        return Ok(Lexeme::Token);
                    }
                    self.bump();
                }
                Some(_) => {
                    self.bump();
                }
            },
            _ => {}
        }
        self.eat_while(is_word_part);
        Ok(Lexeme::Token)
    }

    /// A number. Its extent matters because a letter behind it may begin a string: `1e'a'` is `1` and `e'a'`.
    fn number(&mut self, first: char) -> Lexeme {
        if first == '.' {
            self.eat_while(|c| c.is_ascii_digit());
        } else {
            let begin = self.position.offset;
            self.eat_while(|c| c.is_ascii_digit());
            if first == '0' && self.position.offset == begin && self.eat('x') {
                self.eat_while(|c| c.is_ascii_hexdigit());
                return Lexeme::Token;
            }
            if self.eat('.') {
                self.eat_while(|c| c.is_ascii_digit());
            }
        }
        let exponent = self.rest().strip_prefix(['e', 'E']);
        let digits = exponent.map(|text| text.strip_prefix(['+', '-']).unwrap_or(text));
        let is_bare_period =
            first == '.' && !self.script[..self.position.offset].ends_with(|c: char| c.is_ascii_digit());
        if !is_bare_period {
            if digits.is_some_and(|text| text.starts_with(|c: char| c.is_ascii_digit())) {
                self.bump();
                self.eat_while(|c| matches!(c, '+' | '-'));
                self.eat_while(|c| c.is_ascii_digit());
            }
            self.eat('L');
        }
        Lexeme::Token
    }

    /// The rest of an operator whose later characters would mean something else on their own.
    fn operator(&mut self, first: char) -> Lexeme {
        match first {
            '/' => {
                self.eat('/');
            }
            '|' => {
                self.eat('|');
                self.eat('/');
            }
            '^' | '<' => {
                self.eat('@');
            }
            '?' => self.eat_while(char::is_numeric),
            _ => {}
        }
        Lexeme::Token
    }

    /// `$1`, `$name`, `$$...$$` or `$tag$...$tag$`, behind the first dollar sign.
    fn dollar(&mut self, start: Position) -> Result<Lexeme, SplitError> {
        let begin = self.position.offset;
        self.eat_while(|c| c.is_alphanumeric() || c == '_');
        let tag = &self.script[begin..self.position.offset];
        if !self.eat('$') {
            return Ok(Lexeme::Token);
        }
        let delimiter = format!("${tag}$");
        match self.rest().find(&delimiter) {
            Some(length) => {
                self.advance(length + delimiter.len());
                Ok(Lexeme::Token)
            }
            None => Err(unterminated(Open::DollarQuote { tag: tag.to_owned() }, start)),
        }
    }

    /// A comment behind its `/*`; comments nest.
    fn comment(&mut self, start: Position) -> Result<Lexeme, SplitError> {
        let begin = self.position.offset;
        let mut depth = 1_usize;
        while depth > 0 {
            match self.bump() {
                Some('/') if self.eat('*') => depth += 1,
                Some('*') if self.eat('/') => depth -= 1,
                Some(_) => {}
                None => return Err(unterminated(Open::Comment, start)),
            }
        }
        // What stands in `/*! ... */` is read as SQL, so such a comment is a part of the statement.
        let body = self.script[begin..self.position.offset].strip_suffix("*/").unwrap_or_default();
        let is_sql = body
            .strip_prefix('!')
            .is_some_and(|sql| !sql.trim_start_matches(|c: char| c.is_ascii_digit()).trim().is_empty());
        Ok(if is_sql { Lexeme::Token } else { Lexeme::Blank })
    }

    /// A string literal behind its opening quote.
    fn string(&mut self, start: Position, quote: char, backslash: Backslash) -> Result<Lexeme, SplitError> {
        self.quoted(start, quote, backslash, Open::String)?;
        Ok(Lexeme::Token)
    }

    /// Text up to a quote that is not doubled.
    fn quoted(&mut self, start: Position, quote: char, backslash: Backslash, open: Open) -> Result<(), SplitError> {
        while let Some(c) = self.bump() {
            if c == quote {
                if !self.eat(quote) {
                    return Ok(());
                }
            } else if c == '\\' {
                match backslash {
                    Backslash::Ordinary => {}
                    Backslash::Escapes => {
                        self.bump();
                    }
                    Backslash::EscapesItself => {
                        self.eat('\\');
                    }
                }
            }
        }
        Err(unterminated(open, start))
    }

    /// A raw string behind its first quote: quoted once, empty, or quoted three times.
    fn raw_string(&mut self, start: Position, quote: char) -> Result<Lexeme, SplitError> {
        if !self.eat(quote) {
            return self.string(start, quote, Backslash::Ordinary);
        }
        if !self.eat(quote) {
            return Ok(Lexeme::Token);
        }
        let mut quotes = 0;
        while quotes < 3 {
            match self.bump() {
                Some(c) if c == quote => quotes += 1,
                Some(_) => quotes = 0,
                None => return Err(unterminated(Open::String, start)),
            }
        }
        Ok(Lexeme::Token)
    }

    /// An Oracle literal such as `q'[it's]'`, behind its quote.
    fn delimited_string(&mut self, start: Position) -> Result<Lexeme, SplitError> {
        let close = match self.bump() {
            None => return Err(unterminated(Open::String, start)),
            Some('[') => ']',
            Some('{') => '}',
            Some('<') => '>',
            Some('(') => ')',
            Some(c) => c,
        };
        while let Some(c) = self.bump() {
            if c == close && self.eat('\'') {
                return Ok(Lexeme::Token);
            }
        }
        Err(unterminated(Open::String, start))
    }

    fn skip_line(&mut self) {
        self.eat_while(|c| c != '\n');
        self.eat('\n');
    }

    fn rest(&self) -> &'a str {
        &self.script[self.position.offset..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn bump(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.position.offset += c.len_utf8();
        if c == '\n' {
            self.position.line += 1;
            self.position.column = 1;
        } else {
            self.position.column += 1;
        }
        Some(c)
    }

    fn eat(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.bump();
        }
        found
    }

    fn eat_while(&mut self, belongs: impl Fn(char) -> bool) {
        while self.peek().is_some_and(&belongs) {
            self.bump();
        }
    }

    fn advance(&mut self, n_bytes: usize) {
        let end = self.position.offset + n_bytes;
        while self.position.offset < end && self.bump().is_some() {}
    }
}

/// What a backslash inside a quoted text does.
#[derive(Clone, Copy)]
enum Backslash {
    /// Nothing.
    Ordinary,
    /// Takes the next character, a quote too, into the text.
    Escapes,
    /// Takes only another backslash into the text.
    EscapesItself,
}

fn unterminated(open: Open, start: Position) -> SplitError {
    SplitError::Unterminated { open, offset: start.offset, line: start.line, column: start.column }
}

fn is_word_start(c: char) -> bool {
    c.is_alphabetic() || c == '_'
}

fn is_word_part(c: char) -> bool {
    c.is_alphabetic() || c.is_ascii_digit() || matches!(c, '@' | '$' | '#' | '_')
}
