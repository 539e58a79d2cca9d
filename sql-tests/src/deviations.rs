//! Records that stock DataFusion passes and Dolmen does not, on purpose.
//!
//! Each is named with the guard that makes the difference; what the guard is for is said once. A failing record that is named
//! is counted as skipped; a name that no failing record bears is stale and is reported.

use std::path::Path;

use glob::{MatchOptions, Pattern};
use serde::Deserialize;
use thiserror::Error;

use crate::outcome::{FileReport, Outcome, RecordReport};

/// What of ours makes records deviate, and why it is right to.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Guard {
    /// The name by which deviations refer to it.
    name: String,
    #[expect(dead_code, reason = "for the readers of the file; it must be there")]
    reason: String,
}

/// Records that deviate on purpose.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deviation {
    /// The name of the guard that refuses or changes what the records expect.
    pub guard: String,
    /// A glob on the path of the file; it need not start at the root: `index/**/*.test`. Every file if left out.
    #[serde(default = "every_file")]
    pub file: String,
    /// A part of the statement, in any case; white space counts as one blank.
    pub sql: Option<String>,
    /// The lines of the records, for statements that others share.
    #[serde(default)]
    pub lines: Vec<u32>,
    /// How the records fail, as the report calls it: `result mismatch`, `unexpected error`. In any way if left out.
    pub cause: Option<String>,
}

fn every_file() -> String {
    "*".to_owned()
}

/// The file of deviations is wrong.
#[derive(Debug, Error)]
pub enum DeviationError {
    /// It is not TOML of the right shape.
    #[error("deviations: {0}")]
    Shape(#[from] toml::de::Error),
    /// `file` is not a glob.
    #[error("deviations: file = {file:?}: {source}")]
    Pattern {
        /// The glob as written.
        file: String,
        /// What is wrong with it.
        source: glob::PatternError,
    },
    /// An entry would cover a whole file.
    #[error("deviations: file = {file:?} has neither sql nor lines")]
    TooWide {
        /// The glob of the entry.
        file: String,
    },
    /// An entry refers to a guard that the file does not explain.
    #[error("deviations: guard = {guard:?} has no [[guard]] that says why")]
    UnknownGuard {
        /// The name as written.
        guard: String,
    },
}

/// All named deviations, and which of them were seen.
#[derive(Debug, Default)]
pub struct Deviations {
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    deviation: Deviation,
    pattern: Pattern,
    file_was_run: bool,
    n_seen: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    guard: Vec<Guard>,
    #[serde(default)]
    deviation: Vec<Deviation>,
}

impl Deviations {
    /// Reads the deviations from the text of a TOML file with a `[[deviation]]` table for each.
    ///
    /// # Errors
    ///
    /// [`DeviationError`] if the text is not of that shape, or an entry names too much.
    pub fn parse(text: &str) -> Result<Self, DeviationError> {
        let document: Document = toml::from_str(text)?;
        let entry = |deviation: Deviation| {
            if deviation.sql.is_none() && deviation.lines.is_empty() {
                return Err(DeviationError::TooWide { file: deviation.file });
            }
            if !document.guard.iter().any(|guard| guard.name == deviation.guard) {
                return Err(DeviationError::UnknownGuard { guard: deviation.guard });
            }
            let pattern = Pattern::new(&format!("**/{}", deviation.file))
                .map_err(|source| DeviationError::Pattern { file: deviation.file.clone(), source })?;
            Ok(Entry { deviation, pattern, file_was_run: false, n_seen: 0 })
        };
        Ok(Self { entries: document.deviation.into_iter().map(entry).collect::<Result<_, _>>()? })
    }

    /// Turns the failures of `report` that are named into skipped records.
    pub fn apply(&mut self, report: &mut FileReport) {
        // A file may include others; each record counts for the file that it stands in.
        for records in report.records.chunk_by_mut(|a, b| place(&a.at).0 == place(&b.at).0) {
            let Some(first) = records.first() else { continue };
            let path = Path::new(place(&first.at).0).to_owned();
            for entry in self.entries.iter_mut().filter(|entry| entry.matches_file(&path)) {
                entry.file_was_run = true;
                for record in records.iter_mut().filter(|record| entry.deviation.names(record)) {
                    entry.n_seen += 1;
                    record.outcome = Outcome::Skipped { reason: format!("deviation: {}", entry.deviation.guard) };
                }
            }
        }
    }

    /// The deviations whose file was run without a failure they name.
    pub fn stale(&self) -> impl Iterator<Item = &Deviation> {
        self.entries.iter().filter(|entry| entry.file_was_run && entry.n_seen == 0).map(|entry| &entry.deviation)
    }

    /// The number of records that were named.
    pub fn n_seen(&self) -> u64 {
        self.entries.iter().map(|entry| entry.n_seen).sum()
    }
}

impl Entry {
    fn matches_file(&self, path: &Path) -> bool {
        let options = MatchOptions { require_literal_separator: true, ..MatchOptions::default() };
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        self.pattern.matches_path_with(&path, options)
    }
}

impl Deviation {
    fn names(&self, record: &RecordReport) -> bool {
        let Outcome::Failed { cause, .. } = &record.outcome else { return false };
        let line = place(&record.at).1;
        self.cause.as_ref().is_none_or(|ours| cause.to_string().starts_with(ours))
            && (self.lines.is_empty() || line.is_some_and(|line| self.lines.contains(&line)))
            && self.sql.as_ref().is_none_or(|part| plain(&record.sql).contains(&plain(part)))
    }
}

/// The path and the line of `path:line`.
fn place(at: &str) -> (&str, Option<u32>) {
    at.rsplit_once(':').map_or((at, None), |(path, line)| (path, line.parse().ok()))
}

/// In lower case, with single blanks.
fn plain(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Cause;

    const TEXT: &str = r#"
        [[guard]]
        name = "division"
        reason = "by hand"

        [[deviation]]
        guard = "division"
        file = "sub/*.slt"
        sql = "select  1 / 0"
        cause = "missing error"
    "#;

    fn report(path: &str, sql: &str, outcome: Outcome) -> FileReport {
        let record = RecordReport { ordinal: 0, at: format!("{path}:7"), sql: sql.into(), outcome };
        FileReport { path: path.into(), records: vec![record], kept_plans: Default::default() }
    }

    fn failure() -> Outcome {
        Outcome::Failed { cause: Cause::MissingError, detail: String::new() }
    }

    #[test]
    fn a_named_failure_is_skipped_and_no_other() {
        for (path, sql, is_named) in [
            ("/a/sub/x.slt", "SELECT 1\n / 0", true),
            ("/a/sub/x.slt", "SELECT 2 / 0", false),
            ("/a/sub/deeper/x.slt", "SELECT 1 / 0", false),
            ("/a/other/x.slt", "SELECT 1 / 0", false),
        ] {
            let mut deviations = Deviations::parse(TEXT).unwrap();
            let mut report = report(path, sql, failure());
            deviations.apply(&mut report);
            assert_eq!(matches!(report.records[0].outcome, Outcome::Skipped { .. }), is_named, "{path} {sql}");
        }
    }

    #[test]
    fn a_line_or_a_cause_narrows_an_entry() {
        let sql = "sql = \"select  1 / 0\"";
        for (text, is_named) in [
            (TEXT.replace(sql, "lines = [7, 9]"), true),
            (TEXT.replace(sql, "lines = [8, 9]"), false),
            (TEXT.replace("missing error", "result mismatch"), false),
        ] {
            let mut deviations = Deviations::parse(&text).unwrap();
            let mut report = report("/a/sub/x.slt", "SELECT 1 / 0", failure());
            deviations.apply(&mut report);
            assert_eq!(report.records[0].outcome != failure(), is_named, "{text}");
        }
    }

    #[test]
    fn an_entry_without_a_failure_is_stale_once_its_file_was_run() {
        let mut deviations = Deviations::parse(TEXT).unwrap();
        deviations.apply(&mut report("/a/other/x.slt", "SELECT 1 / 0", failure()));
        assert_eq!(deviations.stale().count(), 0);
        deviations.apply(&mut report("/a/sub/x.slt", "SELECT 1 / 0", Outcome::Passed));
        assert_eq!(deviations.stale().count(), 1);
        deviations.apply(&mut report("/a/sub/y.slt", "SELECT 1 / 0", failure()));
        assert_eq!((deviations.stale().count(), deviations.n_seen()), (0, 1));
    }

    #[test]
    fn an_entry_that_names_too_much_or_says_too_little_is_an_error() {
        let too_wide = TEXT.replace("sql = \"select  1 / 0\"", "");
        assert!(matches!(Deviations::parse(&too_wide), Err(DeviationError::TooWide { .. })));
        let without_reason = TEXT.replace("reason = \"by hand\"", "");
        assert!(matches!(Deviations::parse(&without_reason), Err(DeviationError::Shape(_))));
        let unexplained = TEXT.replace("name = \"division\"", "name = \"zero\"");
        assert!(matches!(Deviations::parse(&unexplained), Err(DeviationError::UnknownGuard { .. })));
    }

    #[test]
    fn the_deviations_of_this_project_can_be_read() {
        Deviations::parse(crate::cli::DEVIATIONS).unwrap();
    }
}
