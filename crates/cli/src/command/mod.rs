//! Commands to the terminal, such as `.tables` or `\dt`: what they are called, and how a line becomes one.

mod list;
mod perform;

use dolmen::nearest;
use dolmen::output::Format;

pub(crate) use list::{Argument, LIST, help};
pub(crate) use perform::perform;

/// What a command asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    /// About one command, or all of them.
    Help(Option<String>),
    /// The tables and views, or those whose names fit a pattern.
    Tables(Option<String>),
    /// The columns of a table, file or query.
    Describe(String),
    Functions(Option<String>),
    Settings(Option<String>),
    /// The form of results; `None` is the one that suits the terminal.
    Mode(Option<Format>),
    /// Whether a row is shown one field a line: the other of both.
    ToggleLine,
    /// Results go to a file, or to the terminal again.
    Output(Option<String>),
    Timer(Switch),
    Pager(Switch),
    /// The most rows that a table shows; `None` for all.
    Rows(Option<usize>),
    /// Runs the statements and commands of a file.
    Read(String),
    /// Reads a file into a table, which is made if there is none.
    Import {
        file: String,
        table: String,
    },
    /// Writes the rows of a table or query to a file.
    Export {
        file: String,
        source: String,
    },
    Explain {
        how: Explanation,
        query: String,
    },
    Quit,
}

/// Whether something is on: said, or the other than before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Switch {
    On,
    Off,
    Toggle,
}

impl Switch {
    pub(crate) fn apply(self, setting: &mut bool) {
        *setting = match self {
            Self::On => true,
            Self::Off => false,
            Self::Toggle => !*setting,
        };
    }
}

/// What `.explain` shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Explanation {
    Plan,
    Analyze,
    Tasks,
}

/// Reads a line as a command.
///
/// # Errors
/// What is wrong with it, and how it is written.
pub(crate) fn parse(line: &str) -> Result<Command, String> {
    let line = line.trim().trim_end_matches(';').trim_end();
    let (name, rest) = line.split_at(line.find(char::is_whitespace).unwrap_or(line.len()));
    let rest = rest.trim();
    let Some(entry) = list::find(name) else { return Err(unknown(name)) };
    let usage = || format!("write it as {}", entry.usage);
    let optional = || (!rest.is_empty()).then(|| unquoted(rest));
    let required = || optional().ok_or_else(usage);
    Ok(match entry.name {
        ".help" => Command::Help(optional()),
        ".tables" => Command::Tables(optional()),
        ".describe" if rest.is_empty() => Command::Tables(None),
        ".describe" => Command::Describe(rest.to_owned()),
        ".functions" => Command::Functions(optional()),
        ".settings" => Command::Settings(optional()),
        ".mode" if name == "\\x" => Command::ToggleLine,
        ".mode" if rest.is_empty() || rest.eq_ignore_ascii_case("auto") => Command::Mode(None),
        ".mode" => Command::Mode(Some(rest.parse::<Format>().map_err(|error| error.to_string())?)),
        ".output" => Command::Output(optional()),
        ".timer" => Command::Timer(switch(rest).ok_or_else(usage)?),
        ".pager" => Command::Pager(switch(rest).ok_or_else(usage)?),
        ".rows" if rest.eq_ignore_ascii_case("all") => Command::Rows(None),
        ".rows" => Command::Rows(Some(rest.parse().map_err(|_| usage())?)),
        ".read" => Command::Read(required()?),
        ".import" => {
            let (file, table) = two(rest).ok_or_else(usage)?;
            Command::Import { file, table }
        }
        ".export" => {
            let (file, source) = two(rest).ok_or_else(usage)?;
            Command::Export { file, source }
        }
        ".explain" => {
            let (how, query) = explanation(rest);
            match query.is_empty() {
                true => return Err(usage()),
                false => Command::Explain { how, query: query.to_owned() },
            }
        }
        ".quit" => Command::Quit,
        other => return Err(format!("{other} is not known")),
    })
}

fn unknown(name: &str) -> String {
    let names = LIST.iter().flat_map(|entry| entry.names());
    let suggestion = nearest(name, names).map(|near| format!("; did you mean {near}?")).unwrap_or_default();
    format!("there is no command {name}{suggestion} (.help lists them)")
}

fn switch(text: &str) -> Option<Switch> {
    match text.to_lowercase().as_str() {
        "" => Some(Switch::Toggle),
        "on" | "true" | "1" => Some(Switch::On),
        "off" | "false" | "0" => Some(Switch::Off),
        _ => None,
    }
}

fn explanation(text: &str) -> (Explanation, &str) {
    let (first, rest) = text.split_at(text.find(char::is_whitespace).unwrap_or(text.len()));
    match first.to_lowercase().as_str() {
        "analyze" => (Explanation::Analyze, rest.trim_start()),
        "tasks" => (Explanation::Tasks, rest.trim_start()),
        _ => (Explanation::Plan, text),
    }
}

/// A word, which may stand in quotes, and what follows it.
fn two(text: &str) -> Option<(String, String)> {
    let end = match text.chars().next()? {
        quote @ ('\'' | '"') => 2 + text[1..].find(quote)?,
        _ => text.find(char::is_whitespace)?,
    };
    let (first, second) = text.split_at(end);
    let second = second.trim();
    (!second.is_empty()).then(|| (unquoted(first), second.to_owned()))
}

/// Without the quotes around it, if there are some.
fn unquoted(text: &str) -> String {
    let inner = |quote| text.strip_prefix(quote).and_then(|rest: &str| rest.strip_suffix(quote));
    inner('\'').or_else(|| inner('"')).unwrap_or(text).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_aliases_are_the_same_command() {
        for (ours, theirs) in [
            (".tables fli%", "\\dt fli%"),
            (".describe t", "\\d t"),
            (".functions", "\\df"),
            (".help", "\\?"),
            (".quit", "\\q"),
            (".read 'my file.sql'", "\\i my file.sql"),
            (".output a.csv", "\\o a.csv;"),
            (".timer", "\\timing"),
        ] {
            assert_eq!(parse(ours), parse(theirs), "{ours}");
            assert!(parse(ours).is_ok(), "{ours}");
        }
        assert_eq!(parse("\\d"), Ok(Command::Tables(None)));
        assert_eq!(parse("\\x"), Ok(Command::ToggleLine));
    }

    #[test]
    fn arguments_are_read() {
        assert_eq!(parse(".mode csv"), Ok(Command::Mode(Some(Format::Csv))));
        assert_eq!(parse(".mode"), Ok(Command::Mode(None)));
        assert_eq!(parse(".rows 10"), Ok(Command::Rows(Some(10))));
        assert_eq!(parse(".rows all"), Ok(Command::Rows(None)));
        assert_eq!(parse(".timer off"), Ok(Command::Timer(Switch::Off)));
        let import = Command::Import { file: "my file.csv".into(), table: "t".into() };
        assert_eq!(parse(".import 'my file.csv' t"), Ok(import));
        let export = Command::Export { file: "a.parquet".into(), source: "SELECT 1 AS n".into() };
        assert_eq!(parse(".export a.parquet SELECT 1 AS n;"), Ok(export));
        let explain = Command::Explain { how: Explanation::Analyze, query: "FROM t".into() };
        assert_eq!(parse(".explain analyze FROM t"), Ok(explain));
    }

    #[test]
    fn errors_say_what_to_write() {
        let message = |line| parse(line).unwrap_err();
        assert_eq!(message(".tabels"), "there is no command .tabels; did you mean .tables? (.help lists them)");
        assert_eq!(message(".xyzzy"), "there is no command .xyzzy (.help lists them)");
        assert!(message(".mode tabel").contains("did you mean 'table'?"));
        for line in [".read", ".rows many", ".timer perhaps", ".import a.csv", ".export 'a.csv'", ".explain"] {
            assert!(message(line).starts_with("write it as ."), "{line}");
        }
    }
}
