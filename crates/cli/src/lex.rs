//! SQL text as coloured and completed: tokens, also of a text that somebody is still typing.
//!
//! Whether a text can run is for [`dolmen::completeness`] to say. These tokens say what its parts are, and never fail: what
//! is still open reaches to the end of the text.

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Space,
    Comment,
    /// A name or a keyword.
    Word,
    /// A name between double quotes or backticks.
    Quoted,
    /// A text between single quotes or dollar signs.
    Text,
    Number,
    /// An operator, bracket, comma or semicolon: one character.
    Sign,
}

/// A piece of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token<'a> {
    pub(crate) kind: Kind,
    pub(crate) text: &'a str,
    /// Where it begins, in bytes.
    pub(crate) start: usize,
    /// Whether a quote or comment is closed; `true` for everything else.
    pub(crate) is_closed: bool,
}

impl Token<'_> {
    pub(crate) fn end(&self) -> usize {
        self.start + self.text.len()
    }

    pub(crate) fn is_sign(&self, sign: char) -> bool {
        self.kind == Kind::Sign && self.text.starts_with(sign)
    }

    /// Whether it is the word `word`, in any case.
    pub(crate) fn is_word(&self, word: &str) -> bool {
        self.kind == Kind::Word && self.text.eq_ignore_ascii_case(word)
    }

    /// Whether it means anything to the parser.
    pub(crate) fn is_significant(&self) -> bool {
        !matches!(self.kind, Kind::Space | Kind::Comment)
    }

    /// What stands between the quotes, with doubled quotes made single; the text itself if there are none.
    pub(crate) fn value(&self) -> String {
        let Some(quote) = self.text.chars().next().filter(|c| matches!(c, '\'' | '"' | '`')) else {
            return self.text.to_owned();
        };
        let inner = &self.text[1..];
        let inner = if self.is_closed { &inner[..inner.len() - 1] } else { inner };
        inner.replace(&format!("{quote}{quote}"), &quote.to_string())
    }
}

/// The tokens of `text`, which together are `text`.
pub(crate) fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    let mut start = 0;
    while let Some((kind, length, is_closed)) = next_token(&text[start..]) {
        found.push(Token { kind, text: &text[start..start + length], start, is_closed });
        start += length;
    }
    found
}

/// Kind, bytes and closedness of the token at the start of `rest`; `None` if that is empty.
fn next_token(rest: &str) -> Option<(Kind, usize, bool)> {
    let first = rest.chars().next()?;
    let run = |kind, belongs: fn(char) -> bool| (kind, length_while(rest, belongs), true);
    Some(match first {
        c if c.is_whitespace() => run(Kind::Space, char::is_whitespace),
        '-' if rest.starts_with("--") => (Kind::Comment, rest.find('\n').unwrap_or(rest.len()), true),
        '/' if rest.starts_with("/*") => {
            let (length, is_closed) = comment(rest);
            (Kind::Comment, length, is_closed)
        }
        '\'' => quoted(Kind::Text, rest, 0, false),
        'e' | 'E' if rest[1..].starts_with('\'') => quoted(Kind::Text, rest, 1, true),
        '"' | '`' => quoted(Kind::Quoted, rest, 0, false),
        '$' => dollar(rest),
        '0'..='9' => (Kind::Number, number(rest), true),
        '.' if rest[1..].starts_with(|c: char| c.is_ascii_digit()) => (Kind::Number, number(rest), true),
        c if is_word_start(c) => run(Kind::Word, is_word_part),
        c => (Kind::Sign, c.len_utf8(), true),
    })
}

fn length_while(text: &str, belongs: fn(char) -> bool) -> usize {
    text.find(|c| !belongs(c)).unwrap_or(text.len())
}

pub(crate) fn is_word_start(c: char) -> bool {
    c.is_alphabetic() || c == '_'
}

pub(crate) fn is_word_part(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Comments nest.
fn comment(text: &str) -> (usize, bool) {
    let (mut depth, mut at) = (0_usize, 0);
    while at < text.len() {
        let rest = &text[at..];
        if rest.starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if rest.starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return (at, true);
            }
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    (text.len(), false)
}

/// A quoted token whose quote stands behind `prefix` bytes; a doubled quote is a part of it.
fn quoted(kind: Kind, text: &str, prefix: usize, has_escapes: bool) -> (Kind, usize, bool) {
    let mut chars = text[prefix..].char_indices();
    let Some((_, quote)) = chars.next() else { return (kind, text.len(), false) };
    while let Some((at, c)) = chars.next() {
        if has_escapes && c == '\\' {
            chars.next();
        } else if c == quote {
            let end = prefix + at + quote.len_utf8();
            if !text[end..].starts_with(quote) {
                return (kind, end, true);
            }
            chars.next();
        }
    }
    (kind, text.len(), false)
}

/// `$1` and `$name` are parameters, `$$ ... $$` and `$tag$ ... $tag$` are texts.
fn dollar(text: &str) -> (Kind, usize, bool) {
    let tag = 1 + length_while(&text[1..], is_word_part);
    if !text[tag..].starts_with('$') {
        return (Kind::Number, tag, true);
    }
    let delimiter = &text[..=tag];
    match text[delimiter.len()..].find(delimiter) {
        Some(length) => (Kind::Text, length + 2 * delimiter.len(), true),
        None => (Kind::Text, text.len(), false),
    }
}

fn number(text: &str) -> usize {
    let digits = length_while(text, |c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_'));
    // The sign of an exponent belongs to the number, other signs do not.
    let has_exponent = text[..digits].ends_with(['e', 'E']) && !text.starts_with("0x");
    let rest = &text[digits..];
    match has_exponent && rest.starts_with(['+', '-']) {
        true => digits + 1 + length_while(&rest[1..], |c| c.is_ascii_digit()),
        false => digits,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<(Kind, &str)> {
        tokens(text).iter().filter(|token| token.kind != Kind::Space).map(|token| (token.kind, token.text)).collect()
    }

    #[test]
    fn tokens_of_every_kind() {
        let found = kinds("SELECT a.\"b c\", 1.5e-3 -- it's\nFROM 'x''y.csv' /* a /* b */ c */ WHERE größe<>$1;");
        let expected = [
            (Kind::Word, "SELECT"),
            (Kind::Word, "a"),
            (Kind::Sign, "."),
            (Kind::Quoted, "\"b c\""),
            (Kind::Sign, ","),
            (Kind::Number, "1.5e-3"),
            (Kind::Comment, "-- it's"),
            (Kind::Word, "FROM"),
            (Kind::Text, "'x''y.csv'"),
            (Kind::Comment, "/* a /* b */ c */"),
            (Kind::Word, "WHERE"),
            (Kind::Word, "größe"),
            (Kind::Sign, "<"),
            (Kind::Sign, ">"),
            (Kind::Number, "$1"),
            (Kind::Sign, ";"),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn what_is_open_reaches_to_the_end() {
        for text in ["'abc; --", "\"abc", "/* abc */* /* ", "$tag$ abc $tag", "e'a\\'", "`x"] {
            let last = *tokens(text).last().unwrap();
            assert_eq!((last.end(), last.is_closed), (text.len(), false), "{text}");
        }
        for text in ["'a'''", "e'a\\''", "$$a$$", "/*/**/*/"] {
            let all = tokens(text);
            assert!(all.len() == 1 && all[0].is_closed, "{text}: {all:?}");
        }
    }

    #[test]
    fn tokens_together_are_the_text() {
        let text = "SELECT 'é' || 👍🏽, e'\\n' /* ü */ FROM \"日本\" WHERE x = 1e5;\u{a0}--";
        for (end, _) in text.char_indices().chain([(text.len(), ' ')]) {
            let joined: String = tokens(&text[..end]).iter().map(|token| token.text).collect();
            assert_eq!(joined, text[..end]);
        }
    }

    #[test]
    fn values_have_no_quotes() {
        let value = |text: &str| tokens(text)[0].value();
        assert_eq!(value("'it''s'"), "it's");
        assert_eq!(value("\"a\"\"b\""), "a\"b");
        assert_eq!(value("'open"), "open");
        assert_eq!(value("word"), "word");
    }

    #[test]
    fn a_statement_is_open_where_the_engine_says_so() {
        use dolmen::{Completeness, completeness};
        for text in
            ["SELECT 1", "SELECT 1;", "SELECT 'a;", "SELECT ';';", "-- a;\n", "/* a;", "SELECT $$;$$;", "SELECT \";"]
        {
            let all = tokens(text);
            let last = all.iter().rev().find(|token| token.is_significant());
            let is_complete = last.is_none_or(|token| token.is_sign(';')) && all.iter().all(|token| token.is_closed);
            assert_eq!(is_complete, completeness(text) == Completeness::Complete, "{text}");
        }
    }
}
