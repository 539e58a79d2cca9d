//! Colours on the terminal, and whether it wants any.

use std::ffi::OsString;
use std::fmt;

/// How a piece of text looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Colour {
    Keyword,
    Function,
    Text,
    Number,
    Comment,
    Command,
    Prompt,
    Error,
    Faint,
}

impl Colour {
    /// The codes of the eight colours that every terminal has, so that they fit its theme.
    const fn code(self) -> &'static str {
        match self {
            Self::Keyword => "1;34",
            Self::Function => "36",
            Self::Text => "32",
            Self::Number => "33",
            Self::Comment | Self::Faint => "90",
            Self::Command => "1;35",
            Self::Prompt => "1",
            Self::Error => "1;31",
        }
    }

    /// `text` in this colour.
    pub(crate) fn paint<T: fmt::Display>(self, text: T) -> String {
        format!("\x1b[{}m{text}\x1b[0m", self.code())
    }
}

/// Whether a stream that is, or is no terminal takes colours: `NO_COLOR` and terminals without them say no.
pub(crate) fn is_wanted(is_terminal: bool, variable: impl Fn(&str) -> Option<OsString>) -> bool {
    let is_refused = variable("NO_COLOR").is_some_and(|value| !value.is_empty());
    let is_dumb = variable("TERM").is_some_and(|term| term == "dumb");
    is_terminal && !is_refused && !is_dumb
}

/// An error's report with its first word and the marks below its place in colour.
pub(crate) fn report(text: &str) -> String {
    let mut lines = Vec::new();
    for (idx, line) in text.lines().enumerate() {
        let is_mark = idx > 0 && line.trim_start().starts_with('^') && line.trim().chars().all(|c| c == '^');
        lines.push(match line.strip_prefix("error:") {
            Some(rest) if idx == 0 => format!("{}{rest}", Colour::Error.paint("error:")),
            _ if is_mark => Colour::Error.paint(line),
            _ => line.to_owned(),
        });
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_can_refuse_colours() {
        let with =
            |name: &'static str, value: &'static str| move |asked: &str| (asked == name).then(|| OsString::from(value));
        assert!(is_wanted(true, with("TERM", "xterm")) && is_wanted(true, with("NO_COLOR", "")));
        assert!(!is_wanted(true, with("NO_COLOR", "1")) && !is_wanted(true, with("TERM", "dumb")));
        assert!(!is_wanted(false, with("TERM", "xterm")));
    }

    #[test]
    fn an_error_is_marked_and_nothing_else() {
        let plain = "error: no column \"a^\"\n  line 1: SELECT a^\n                 ^";
        let painted = report(plain);
        assert!(painted.starts_with("\x1b[1;31merror:\x1b[0m no column"), "{painted:?}");
        assert!(painted.ends_with("\x1b[1;31m                 ^\x1b[0m"), "{painted:?}");
        assert_eq!(painted.replace("\x1b[1;31m", "").replace("\x1b[0m", ""), plain);
    }
}
