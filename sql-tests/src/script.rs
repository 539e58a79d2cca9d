//! Reads a file into records.
//!
//! The parser is that of the `sqllogictest` crate. What SQLite's corpus has and the crate does not read is put right in
//! the text first, line for line, so that line numbers stay: a comment behind `skipif`, `onlyif` and `halt`, and a
//! `halt` that hangs on a condition.

use std::fs;
use std::path::{Path, PathBuf};

use sqllogictest::{Condition, ParseError, Record};
use thiserror::Error;

use crate::style::{self, ColumnKind, Style};

/// Files may include files; a chain longer than this is taken for a circle.
const INCLUDE_DEPTH_MAX: usize = 16;

/// The records of a file, with those of the files it includes in place.
#[derive(Debug)]
pub struct Script {
    /// The records; comments and blank lines among them.
    pub records: Vec<Record<ColumnKind>>,
    /// How the file writes results.
    pub style: Style,
}

/// A file could not be read as a script.
#[derive(Debug, Error)]
pub enum ScriptError {
    /// The file is not there or cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A line is not what the format allows there.
    #[error(transparent)]
    Parse(#[from] ParseError),
    /// `include` names something that is not a path pattern.
    #[error("{}: include {pattern}: {source}", path.display())]
    Pattern {
        /// The including file.
        path: PathBuf,
        /// What it includes.
        pattern: String,
        /// What is wrong with it.
        source: glob::PatternError,
    },
    /// `include` matches no file.
    #[error("{}: include {pattern}: no such file", path.display())]
    NothingIncluded {
        /// The including file.
        path: PathBuf,
        /// What it includes.
        pattern: String,
    },
    /// Files include each other without end.
    #[error("{}: more than {INCLUDE_DEPTH_MAX} files include one another", path.display())]
    TooDeep {
        /// The file at which reading stopped.
        path: PathBuf,
    },
}

impl Script {
    /// Reads the file at `path` for an engine known by `labels`, which decide on a conditional `halt`.
    ///
    /// # Errors
    ///
    /// [`ScriptError`] if the file or one it includes cannot be read, or is not in the format.
    pub fn read(path: &Path, labels: &[&str]) -> Result<Self, ScriptError> {
        let mut records = Vec::new();
        read_into(&mut records, path, labels, 0)?;
        let style = style::detect(path, &records);
        Ok(Self { records, style })
    }

    /// The number of records that are reported one by one.
    pub fn n_counted(&self) -> usize {
        self.records.iter().filter(|record| is_counted(record)).count()
    }
}

/// Whether a record is reported: it says something about the engine.
fn is_counted(record: &Record<ColumnKind>) -> bool {
    matches!(record, Record::Statement { .. } | Record::Query { .. } | Record::Let { .. } | Record::System { .. })
}

fn read_into(
    records: &mut Vec<Record<ColumnKind>>,
    path: &Path,
    labels: &[&str],
    depth: usize,
) -> Result<(), ScriptError> {
    if depth > INCLUDE_DEPTH_MAX {
        return Err(ScriptError::TooDeep { path: path.to_owned() });
    }
    let bytes = fs::read(path).map_err(|source| ScriptError::Read { path: path.to_owned(), source })?;
    let text = repair(&String::from_utf8_lossy(&bytes), labels);
    for record in sqllogictest::parse_with_name(&text, path.to_string_lossy())? {
        let Record::Include { filename, .. } = &record else {
            records.push(record);
            continue;
        };
        let pattern = path.with_file_name(filename).to_string_lossy().into_owned();
        let files = glob::glob(&pattern).map_err(|source| ScriptError::Pattern {
            path: path.to_owned(),
            pattern: filename.clone(),
            source,
        })?;
        let files: Vec<PathBuf> = files.filter_map(Result::ok).collect();
        if files.is_empty() {
            return Err(ScriptError::NothingIncluded { path: path.to_owned(), pattern: filename.clone() });
        }
        for file in files {
            read_into(records, &file, labels, depth + 1)?;
        }
    }
    Ok(())
}

/// Says which of `conditions` keeps a record from an engine known by `labels`, if one does.
///
/// Labels are compared without regard to case: files have `DataFusion` and `Datafusion`.
pub(crate) fn skip_reason(conditions: &[Condition], labels: &[&str]) -> Option<String> {
    let names_us = |label: &str| labels.iter().any(|ours| ours.eq_ignore_ascii_case(label));
    conditions.iter().find_map(|condition| match condition {
        Condition::OnlyIf { label } if !names_us(label) => Some(format!("onlyif {label}")),
        Condition::SkipIf { label } if names_us(label) => Some(format!("skipif {label}")),
        _ => None,
    })
}

/// Brings the directives of `text` into the form the parser reads.
fn repair(text: &str, labels: &[&str]) -> String {
    let mut lines: Vec<&str> = text.strip_prefix('\u{feff}').unwrap_or(text).lines().collect();
    let mut in_record = false;
    // Conditions since the last record, with their lines.
    let mut pending: Vec<(usize, Condition)> = Vec::new();
    for i in 0..lines.len() {
        let line = lines[i];
        if in_record {
            in_record = !line.is_empty();
            if line.trim_end() == "----" {
                lines[i] = "----";
            }
            continue;
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            [directive @ ("skipif" | "onlyif"), label, rest @ ..]
                if rest.first().is_none_or(|word| word.starts_with('#')) =>
            {
                lines[i] = without_comment(line);
                let label = (*label).to_owned();
                pending.push((
                    i,
                    if *directive == "onlyif" { Condition::OnlyIf { label } } else { Condition::SkipIf { label } },
                ));
            }
            ["halt", rest @ ..] if rest.first().is_none_or(|word| word.starts_with('#')) => {
                // The parser would hand the conditions on to the next record, and halt in any case.
                let conditions: Vec<Condition> = pending.iter().map(|(_, condition)| condition.clone()).collect();
                let does_not_halt = skip_reason(&conditions, labels).is_some();
                lines[i] = if does_not_halt { "#" } else { "halt" };
                for (line_of_condition, _) in pending.drain(..) {
                    lines[line_of_condition] = "#";
                }
            }
            ["hash-threshold", _, rest @ ..] | ["statement", "ok", rest @ ..]
                if rest.first().is_some_and(|word| word.starts_with('#')) =>
            {
                lines[i] = without_comment(line);
            }
            _ => {}
        }
        if matches!(words.first(), Some(&("statement" | "query" | "system" | "let"))) {
            in_record = true;
            pending.clear();
        }
    }
    let mut repaired = lines.join("\n");
    repaired.push('\n');
    repaired
}

fn without_comment(line: &str) -> &str {
    line.split_once('#').map_or(line, |(directive, _)| directive.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LABELS: [&str; 1] = ["datafusion"];

    #[test]
    fn a_comment_behind_a_condition_is_dropped() {
        assert_eq!(
            repair("skipif mysql # no such operator\nquery I\nSELECT 1\n----\n1", &LABELS),
            "skipif mysql\nquery I\nSELECT 1\n----\n1\n"
        );
    }

    #[test]
    fn a_conditional_halt_halts_only_where_the_condition_holds() {
        assert_eq!(repair("onlyif mssql\nhalt\n\nonlyif oracle # x\nhalt\n", &LABELS), "#\n#\n\n#\n#\n");
        assert_eq!(repair("onlyif DataFusion\nhalt\n", &LABELS), "#\nhalt\n");
        assert_eq!(repair("skipif DataFusion\nhalt\n", &LABELS), "#\n#\n");
        assert_eq!(repair("skipif mssql\nhalt\n", &LABELS), "#\nhalt\n");
        assert_eq!(repair("halt # here\n", &LABELS), "halt\n");
    }

    #[test]
    fn a_condition_of_a_record_stays_with_it() {
        let text = "skipif mssql\nstatement ok\nSELECT 1\n\nhalt\n";
        assert_eq!(repair(text, &LABELS), text);
    }

    #[test]
    fn results_that_look_like_directives_are_left_alone() {
        let text = "query T\nSELECT x\n----\nhalt # x\nonlyif a # b\n";
        assert_eq!(repair(text, &LABELS), text);
    }

    #[test]
    fn conditions_are_read_without_regard_to_case() {
        let only = |label: &str| [Condition::OnlyIf { label: label.into() }];
        let skip = |label: &str| [Condition::SkipIf { label: label.into() }];
        assert_eq!(skip_reason(&only("DataFusion"), &LABELS), None);
        assert_eq!(skip_reason(&only("mysql"), &LABELS), Some("onlyif mysql".into()));
        assert_eq!(skip_reason(&skip("Datafusion"), &LABELS), Some("skipif Datafusion".into()));
        assert_eq!(skip_reason(&skip("postgresql"), &LABELS), None);
    }
}
