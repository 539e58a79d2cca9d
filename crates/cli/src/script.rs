//! A script in its parts: statements, and lines that are commands to the terminal.

use dolmen::{Completeness, completeness};

/// A part of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part<'a> {
    /// Statements, each but the last with its semicolon.
    Sql {
        text: &'a str,
        /// The line where it begins, counted from 1.
        line: usize,
    },
    /// A line such as `.tables` or `\dt`, without white space around it.
    Command { text: &'a str, line: usize },
}

/// Whether a line is a command where a statement could begin.
pub(crate) fn is_command(line: &str) -> bool {
    let mut chars = line.trim_start().chars();
    match chars.next() {
        Some('.' | '\\') => chars.next().is_some_and(|c| c.is_alphabetic() || c == '?'),
        _ => false,
    }
}

/// The parts of `script`, in order. A line inside a statement is no command, whatever it looks like.
pub(crate) fn parts(script: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let (mut sql_start, mut sql_line) = (0, 1);
    let mut start = 0;
    for (idx, line) in script.split_inclusive('\n').enumerate() {
        let before = &script[sql_start..start];
        start += line.len();
        // Only a line that looks like a command makes it worth asking what stands before.
        if !is_command(line) || completeness(before) != Completeness::Complete {
            continue;
        }
        if !before.trim().is_empty() {
            parts.push(Part::Sql { text: before, line: sql_line });
        }
        parts.push(Part::Command { text: line.trim(), line: idx + 1 });
        (sql_start, sql_line) = (start, idx + 2);
    }
    if !script[sql_start..].trim().is_empty() {
        parts.push(Part::Sql { text: &script[sql_start..], line: sql_line });
    }
    parts
}

/// Whether what was typed can run: a command, or statements that have their semicolons.
pub(crate) fn is_complete(text: &str) -> bool {
    match parts(text).last() {
        Some(Part::Sql { text, .. }) => completeness(text) == Completeness::Complete,
        Some(Part::Command { .. }) | None => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_stand_between_statements() {
        let script = "\n.timer on\nSELECT 1;\n  \\dt\nSELECT\n2;\n.quit";
        assert_eq!(
            parts(script),
            [
                Part::Command { text: ".timer on", line: 2 },
                Part::Sql { text: "SELECT 1;\n", line: 3 },
                Part::Command { text: "\\dt", line: 4 },
                Part::Sql { text: "SELECT\n2;\n", line: 5 },
                Part::Command { text: ".quit", line: 7 },
            ]
        );
    }

    #[test]
    fn a_line_inside_a_statement_is_no_command() {
        for script in
            ["SELECT '\n.tables\n';", "/*\n.quit\n*/ SELECT 1;", "SELECT 1\n.tables\n;", "SELECT 1 +\n.5;", ".5"]
        {
            assert_eq!(parts(script), [Part::Sql { text: script, line: 1 }], "{script}");
        }
    }

    #[test]
    fn what_is_typed_runs_when_it_is_whole() {
        for text in ["", "  ", ".tables", "\\?", "SELECT 1;", "SELECT 1; .tables", "-- nothing"] {
            assert_eq!(is_complete(text), text != "SELECT 1; .tables", "{text}");
        }
        for text in ["SELECT", "SELECT 1; SELECT", "SELECT ';", "/*"] {
            assert!(!is_complete(text), "{text}");
        }
    }
}
