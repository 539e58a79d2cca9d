//! Finding a value inside a JSON text, without building what is beside it.

use std::borrow::Cow;

use datafusion::common::{Result, exec_err};
use serde::de::IgnoredAny;

/// From a value to one inside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step<'a> {
    /// The value behind a key of an object.
    Key(&'a str),
    /// The value at a position in an array, from 0; negative ones count from the end.
    Position(i64),
}

/// Characters of a text that an error quotes.
const QUOTED_CHARS: usize = 40;

/// Fails if `text` is not one JSON value.
pub(super) fn check(text: &str) -> Result<()> {
    let Err(error) = serde_json::from_str::<IgnoredAny>(text) else { return Ok(()) };
    exec_err!("-> and ->> look into JSON, which '{}' is not: {error}", start(text))
}

/// The value that `step` leads to, as it is written; `None` if there is none. `value` is JSON, without blanks around it.
///
/// Of a key that an object has twice, the last one counts, as in PostgreSQL.
pub(super) fn part<'a>(value: &'a str, step: &Step) -> Option<&'a str> {
    match (step, value.as_bytes().first()?) {
        (Step::Key(wanted), b'{') => {
            let mut members = Members { rest: &value[1..] };
            let same = |key: &str| string(key).is_some_and(|key| key == *wanted);
            std::iter::from_fn(|| members.next_member()).filter(|(key, _)| same(key)).last().map(|(_, value)| value)
        }
        (Step::Position(n), b'[') => {
            let elements = || {
                let mut members = Members { rest: &value[1..] };
                std::iter::from_fn(move || members.next_value())
            };
            let n = match usize::try_from(*n) {
                Ok(n) => n,
                Err(_) => elements().count().checked_sub(usize::try_from(n.unsigned_abs()).ok()?)?,
            };
            elements().nth(n)
        }
        _ => None,
    }
}

/// A value as a text: a string without quotes and escapes; `None` for null.
pub(super) fn unquoted(value: &str) -> Result<Option<Cow<'_, str>>> {
    match value {
        "null" => Ok(None),
        _ if value.starts_with('"') => match string(value) {
            Some(text) => Ok(Some(text)),
            None => {
                exec_err!("the JSON string {} has an escape that is no character; -> gives it as it is", start(value))
            }
        },
        _ => Ok(Some(Cow::Borrowed(value))),
    }
}

/// The beginning of a text, for messages.
fn start(text: &str) -> String {
    match text.char_indices().nth(QUOTED_CHARS) {
        Some((cut, _)) => format!("{}...", &text[..cut]),
        None => text.to_owned(),
    }
}

/// The text of a string with its quotes; `None` if an escape in it is half of a character.
fn string(quoted: &str) -> Option<Cow<'_, str>> {
    let inner = quoted.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') { serde_json::from_str(quoted).ok().map(Cow::Owned) } else { Some(Cow::Borrowed(inner)) }
}

/// What is inside an object or an array. The text is known to be JSON, so that commas and colons need no check.
struct Members<'a> {
    rest: &'a str,
}

impl<'a> Members<'a> {
    /// The next key, with its quotes, and its value.
    fn next_member(&mut self) -> Option<(&'a str, &'a str)> {
        Some((self.next_value()?, self.next_value()?))
    }

    /// The next value or key; `None` at the end.
    fn next_value(&mut self) -> Option<&'a str> {
        let is_between = |c: char| c.is_ascii_whitespace() || c == ',' || c == ':';
        self.rest = self.rest.trim_start_matches(is_between);
        let length = match self.rest.as_bytes().first()? {
            b'}' | b']' => return None,
            b'"' => string_length(self.rest.as_bytes()),
            b'{' | b'[' => nested_length(self.rest.as_bytes()),
            _ => self.rest.find(|c: char| is_between(c) || c == '}' || c == ']').unwrap_or(self.rest.len()),
        };
        let (value, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(value)
    }
}

/// Bytes of the string that `bytes` begins with, quotes included.
fn string_length(bytes: &[u8]) -> usize {
    let mut at = 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// Bytes of the object or array that `bytes` begins with.
fn nested_length(bytes: &[u8]) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => {
                at += string_length(&bytes[at..]);
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        at += 1;
        if depth == 0 {
            return at;
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{"a": 1, "b": [10, "x,]}\"", {"c": null}, [ ]], "a": {"deep": -2.50e1} , "\u00e9\n": "é\n"}"#;

    #[test]
    fn values_are_found_as_they_are_written() {
        check(TEXT).unwrap();
        let list = part(TEXT, &Step::Key("b")).unwrap();
        assert_eq!(list, r#"[10, "x,]}\"", {"c": null}, [ ]]"#);
        assert_eq!(part(list, &Step::Position(0)), Some("10"));
        assert_eq!(part(list, &Step::Position(1)), Some(r#""x,]}\"""#));
        assert_eq!(part(list, &Step::Position(-1)), Some("[ ]"));
        assert_eq!(part(list, &Step::Position(-4)), Some("10"));
        for absent in [4, -5, i64::MIN, i64::MAX] {
            assert_eq!(part(list, &Step::Position(absent)), None, "{absent}");
        }
        assert_eq!(part("[ ]", &Step::Position(-1)), None);
        assert_eq!(part(TEXT, &Step::Key("a")), Some(r#"{"deep": -2.50e1}"#), "the last of two");
        assert_eq!(part(TEXT, &Step::Key("é\n")), Some(r#""é\n""#));
        assert_eq!(part(TEXT, &Step::Key("deep")), None);
        assert_eq!(part(TEXT, &Step::Position(0)), None);
        assert_eq!(part("12", &Step::Key("a")), None);
    }

    #[test]
    fn texts_lose_their_quotes_and_null_is_none() {
        for (value, text) in [(r#""x,]}\"""#, r#"x,]}""#), (r#""""#, ""), ("-2.50e1", "-2.50e1"), (r#""\u00e9""#, "é")]
        {
            assert_eq!(unquoted(value).unwrap().as_deref(), Some(text));
        }
        assert_eq!(unquoted("null").unwrap(), None);
    }

    #[test]
    fn half_a_character_is_no_key_and_no_text() {
        let json = r#"{"\ud800": 1, "a": "\ud800"}"#;
        check(json).unwrap();
        let value = part(json, &Step::Key("a")).unwrap();
        assert_eq!(value, r#""\ud800""#);
        assert!(unquoted(value).unwrap_err().to_string().contains("no character"));
    }

    #[test]
    fn every_value_is_what_a_whole_parser_finds() {
        let parsed: serde_json::Value = serde_json::from_str(TEXT).unwrap();
        for key in ["a", "b", "é\n"] {
            let found: serde_json::Value = serde_json::from_str(part(TEXT, &Step::Key(key)).unwrap()).unwrap();
            assert_eq!(found, parsed[key], "{key}");
        }
    }

    #[test]
    fn what_is_no_json_is_quoted_from_its_start() {
        let error = check(&format!("{{{}", "x".repeat(100))).unwrap_err().to_string();
        assert!(error.contains(&format!("'{{{}...'", "x".repeat(39))), "{error}");
        assert!(check("{} {}").is_err());
        assert!(check("").is_err());
    }
}
