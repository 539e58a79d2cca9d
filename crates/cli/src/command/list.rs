//! The commands with their other names, and what the help says of each.

use std::fmt::Write;

use dolmen::nearest;

/// A command as users know it.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    /// Other names; those with a backslash are psql's.
    aliases: &'static [&'static str],
    pub(crate) usage: &'static str,
    pub(crate) about: &'static str,
    /// What its first argument is, for completion.
    pub(crate) argument: Argument,
}

/// What stands behind the name of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Argument {
    None,
    Command,
    Table,
    File,
    Format,
    Setting,
    Query,
}

impl Entry {
    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.name).chain(self.aliases.iter().copied())
    }
}

const fn entry(
    name: &'static str,
    aliases: &'static [&'static str],
    usage: &'static str,
    about: &'static str,
    argument: Argument,
) -> Entry {
    Entry { name, aliases, usage, about, argument }
}

/// Every command, in the order in which the help lists them.
pub(crate) const LIST: &[Entry] = &[
    entry(".help", &["\\?", "\\h"], ".help [COMMAND]", "this list, or more about one command", Argument::Command),
    entry(".tables", &["\\dt", "\\dv"], ".tables [PATTERN]", "tables and views", Argument::Table),
    entry(
        ".describe",
        &["\\d", ".schema"],
        ".describe [TABLE | 'FILE' | QUERY]",
        "columns of a table, file or query",
        Argument::Table,
    ),
    entry(".functions", &["\\df"], ".functions [PATTERN]", "functions with their arguments", Argument::None),
    entry(".settings", &["\\dconfig"], ".settings [PATTERN]", "settings and their values", Argument::Setting),
    entry(
        ".mode",
        &["\\x"],
        ".mode [auto|table|csv|tsv|json|ndjson|markdown|html|line]",
        "the form of results; \\x: one field a line, or a table",
        Argument::Format,
    ),
    entry(".rows", &[], ".rows N|all", "the most rows of a table that is not paged", Argument::None),
    entry(".pager", &[], ".pager [on|off]", "whether tall results go to $PAGER or less", Argument::None),
    entry(".timer", &["\\timing"], ".timer [on|off]", "whether the time of statements is shown", Argument::None),
    entry(
        ".output",
        &["\\o", "\\out"],
        ".output [FILE]",
        "results go to a file, or to the terminal again",
        Argument::File,
    ),
    entry(".read", &["\\i", "\\include"], ".read FILE", "runs the statements and commands of a file", Argument::File),
    entry(".import", &[], ".import FILE TABLE", "a file into a table, which is made if there is none", Argument::File),
    entry(".export", &[], ".export FILE TABLE|QUERY", "rows to a file, in the format of its name", Argument::File),
    entry(
        ".explain",
        &[],
        ".explain [analyze|tasks] QUERY",
        "the plan, what was done, or the stages of a query",
        Argument::Query,
    ),
    entry(".quit", &["\\q", ".exit"], ".quit", "leaves, as Ctrl-D does", Argument::None),
];

/// The command of that name, in any case.
pub(crate) fn find(name: &str) -> Option<&'static Entry> {
    // `\D` and `\d` differ in psql; ours have no names that differ in case only.
    LIST.iter().find(|entry| entry.names().any(|known| known.eq_ignore_ascii_case(name)))
}

/// The help: of the command called `topic`, or the list.
///
/// # Errors
/// There is no such command.
pub(crate) fn help(topic: Option<&str>) -> Result<String, String> {
    let Some(topic) = topic else { return Ok(overview()) };
    let dotted = format!(".{topic}");
    let Some(entry) = find(topic).or_else(|| find(&dotted)) else {
        let near = nearest(&dotted, LIST.iter().map(|entry| entry.name));
        let suggestion = near.map(|near| format!("; did you mean {near}?")).unwrap_or_default();
        return Err(format!("there is no command {topic}{suggestion}"));
    };
    let mut text = format!("{}\n  {}\n", entry.usage, entry.about);
    if !entry.aliases.is_empty() {
        let _ = writeln!(text, "  also {}", entry.aliases.join(", "));
    }
    Ok(text)
}

fn overview() -> String {
    let width = LIST.iter().map(|entry| entry.name.len()).max().unwrap_or_default();
    let mut text = String::from("A statement ends with a semicolon. A command is one line:\n");
    for entry in LIST {
        let alias = entry.aliases.first().copied().unwrap_or_default();
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {:width$}  {alias:9}  {}", entry.name, entry.about);
    }
    text.push_str("Keys: Tab completes, Right takes the grey text, Ctrl-R searches the history,\n");
    text.push_str("Ctrl-C clears the line or stops the statement, Ctrl-D leaves.\n");
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_name_is_given_twice() {
        let names: Vec<&str> = LIST.iter().flat_map(Entry::names).collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
        for entry in LIST {
            assert!(entry.usage.starts_with(entry.name) && entry.name.starts_with('.'), "{}", entry.name);
        }
    }

    #[test]
    fn every_command_of_the_list_is_read() {
        for entry in LIST {
            for name in entry.names() {
                // With or without arguments it is a command, or an error that shows how it is written.
                let parsed = super::super::parse(name);
                assert!(parsed.is_ok() || parsed.clone().unwrap_err().contains(entry.usage), "{name}: {parsed:?}");
            }
        }
    }

    #[test]
    fn help_fits_a_terminal_and_names_every_command() {
        let text = help(None).unwrap();
        for entry in LIST {
            assert!(text.contains(entry.name));
        }
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        assert!(help(Some("mode")).unwrap().contains("also \\x"));
        assert_eq!(help(Some("tabels")).unwrap_err(), "there is no command tabels; did you mean .tables?");
    }
}
