//! Which of the two ways of writing results a file follows.
//!
//! SQLite's corpus writes one value a line, converted to the type the record declares, so that a declared type is an
//! instruction to the printer. Everyone else writes one row a line, printed by the type the value has, so that a
//! declared type is a claim about the answer. A file does not say which it is; its expected results do.

use std::path::Path;

use serde::{Deserialize, Serialize};
use sqllogictest::{ColumnType, Condition, Control, QueryExpect, Record};

/// A declared or actual type of a column, by its letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    /// `B`
    Boolean,
    /// `D`: a date or a time of day.
    Date,
    /// `I`
    Integer,
    /// `R`: floating point or decimal.
    Real,
    /// `T`
    Text,
    /// `P`
    Timestamp,
    /// `?`: anything else.
    Other,
}

impl ColumnType for ColumnKind {
    fn from_char(value: char) -> Option<Self> {
        Some(match value {
            'B' => Self::Boolean,
            'D' => Self::Date,
            'I' => Self::Integer,
            'R' => Self::Real,
            'T' => Self::Text,
            'P' => Self::Timestamp,
            _ => Self::Other,
        })
    }

    fn to_char(&self) -> char {
        match self {
            Self::Boolean => 'B',
            Self::Date => 'D',
            Self::Integer => 'I',
            Self::Real => 'R',
            Self::Text => 'T',
            Self::Timestamp => 'P',
            Self::Other => '?',
        }
    }
}

/// How a file writes results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Style {
    /// SQLite's: one value a line, printed by the declared type.
    Sqlite,
    /// One row a line, printed by the actual type, which must be the declared one.
    TypedRows,
    /// One row a line, printed by the actual type; `T` declares any type, `R` any number, `I` also a truth value.
    Rows,
}

impl Style {
    /// Whether an answer with columns `actual` may stand where the file declares `declared`.
    ///
    /// A record that declares nothing accepts any columns.
    pub fn accepts(self, actual: &[ColumnKind], declared: &[ColumnKind]) -> bool {
        let same_length = actual.len() == declared.len();
        let mut pairs = actual.iter().zip(declared);
        match self {
            Self::TypedRows => same_length && pairs.all(|(actual, declared)| actual == declared),
            Self::Sqlite => declared.is_empty() || same_length,
            Self::Rows => {
                declared.is_empty() || (same_length && pairs.all(|(actual, declared)| loosely(*actual, *declared)))
            }
        }
    }
}

fn loosely(actual: ColumnKind, declared: ColumnKind) -> bool {
    match declared {
        ColumnKind::Text | ColumnKind::Other => true,
        ColumnKind::Integer => matches!(actual, ColumnKind::Integer | ColumnKind::Boolean),
        ColumnKind::Real => matches!(actual, ColumnKind::Real | ColumnKind::Integer),
        other => actual == other,
    }
}

/// Engines that SQLite's corpus knows and newer files do not name.
const SQLITE_ERA_ENGINES: [&str; 4] = ["sqlite", "mysql", "mssql", "oracle"];

/// Finds the style of a file from its records.
pub(crate) fn detect(path: &Path, records: &[Record<ColumnKind>]) -> Style {
    let mut signs = Signs::default();
    for record in records {
        signs.read(record);
    }
    // `control resultmode` and most type letters belong to the newer runners, which print by the actual type.
    let is_sqlite = !signs.has_result_mode
        && !signs.has_newer_type
        && match signs.n_by_value.cmp(&signs.n_by_row) {
            std::cmp::Ordering::Greater => true,
            std::cmp::Ordering::Less => false,
            std::cmp::Ordering::Equal => {
                signs.names_old_engine || path.extension().is_some_and(|extension| extension == "test")
            }
        };
    if is_sqlite {
        Style::Sqlite
    } else if signs.has_newer_type {
        Style::TypedRows
    } else {
        Style::Rows
    }
}

#[derive(Default)]
struct Signs {
    /// Records whose results can only be values on lines of their own.
    n_by_value: usize,
    /// Records whose results can only be rows, or numbers printed by the actual type.
    n_by_row: usize,
    has_result_mode: bool,
    has_newer_type: bool,
    names_old_engine: bool,
}

impl Signs {
    fn read(&mut self, record: &Record<ColumnKind>) {
        match record {
            Record::Control(Control::ResultMode(_)) => self.has_result_mode = true,
            Record::Condition(Condition::OnlyIf { label } | Condition::SkipIf { label }) => {
                self.names_old_engine |= SQLITE_ERA_ENGINES.contains(&label.to_ascii_lowercase().as_str());
            }
            Record::Query { expected: QueryExpect::Results { types, results, .. }, .. } => {
                self.read_results(types, results);
            }
            _ => {}
        }
    }

    fn read_results(&mut self, types: &[ColumnKind], results: &[String]) {
        let is_newer = |kind: &ColumnKind| !matches!(kind, ColumnKind::Integer | ColumnKind::Real | ColumnKind::Text);
        self.has_newer_type |= types.iter().any(is_newer);
        if results.is_empty() || (results.len() == 1 && is_hash(&results[0])) {
            return;
        }
        if let [ColumnKind::Real] = types {
            let mut numbers = results.iter().filter(|line| *line != "NULL").peekable();
            if numbers.peek().is_some() {
                let by_value = numbers.all(|line| has_three_decimals(line));
                *(if by_value { &mut self.n_by_value } else { &mut self.n_by_row }) += 1;
            }
        } else if types.len() > 1 && types.iter().any(|kind| *kind != ColumnKind::Text) {
            // Text alone says nothing: it may have blanks, and plans go over several lines.
            let has_short_line = results.iter().any(|line| line.split_whitespace().count() < types.len());
            if has_short_line && results.len().is_multiple_of(types.len()) {
                self.n_by_value += 1;
            } else {
                self.n_by_row += 1;
            }
        }
    }
}

/// Whether a result line stands for many values, as in `30 values hashing to 3c13dee48d9356ae19af2515e05e6b54`.
pub(crate) fn is_hash(line: &str) -> bool {
    let words: Vec<&str> = line.split_whitespace().collect();
    matches!(words.as_slice(), [n, "values", "hashing", "to", digest]
        if n.bytes().all(|b| b.is_ascii_digit()) && digest.len() == 32 && digest.bytes().all(|b| b.is_ascii_hexdigit()))
}

fn has_three_decimals(line: &str) -> bool {
    let digits = line.strip_prefix('-').unwrap_or(line);
    digits.split_once('.').is_some_and(|(whole, fraction)| {
        fraction.len() == 3 && !whole.is_empty() && whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn style_of(name: &str, text: &str) -> Style {
        detect(Path::new(name), &sqllogictest::parse(text).unwrap())
    }

    #[test]
    fn values_on_lines_of_their_own_are_sqlites() {
        assert_eq!(style_of("a.slt", "query II nosort\nSELECT a, b FROM t\n----\n1\n2\n3\n4\n"), Style::Sqlite);
        assert_eq!(style_of("a.slt", "query R\nSELECT a\n----\n1.500\n-2.000\nNULL\n"), Style::Sqlite);
    }

    #[test]
    fn rows_on_lines_are_not() {
        assert_eq!(style_of("a.test", "query II\nSELECT a, b FROM t\n----\n1 2\n3 4\n"), Style::Rows);
        assert_eq!(style_of("a.test", "query R\nSELECT a\n----\n1.5\n"), Style::Rows);
        assert_eq!(style_of("a.slt", "query IB\nSELECT a, b FROM t\n----\n1 true\n"), Style::TypedRows);
    }

    #[test]
    fn plans_and_newer_types_are_not_sqlites() {
        assert_eq!(style_of("a.slt", "query TT\nEXPLAIN SELECT 1\n----\nlogical_plan\n01)Empty\n"), Style::Rows);
        assert_eq!(style_of("a.slt", "query R\nSELECT a\n----\nNULL\n"), Style::Rows);
        let by_value = "query II\nSELECT a, b FROM t\n----\n1\n2\n\n";
        assert_eq!(style_of("a.slt", &format!("{by_value}query B\nSELECT c\n----\ntrue\n")), Style::TypedRows);
    }

    #[test]
    fn without_a_telling_result_the_name_and_the_engines_decide() {
        let single = "query I\nSELECT 1\n----\n1\n";
        assert_eq!(style_of("a.slt", single), Style::Rows);
        assert_eq!(style_of("a.test", single), Style::Sqlite);
        assert_eq!(style_of("a.slt", &format!("skipif mysql\n{single}")), Style::Sqlite);
        let hashed = "query II\nSELECT 1, 2\n----\n30 values hashing to 3c13dee48d9356ae19af2515e05e6b54\n";
        assert_eq!(style_of("a.slt", hashed), Style::Rows);
    }

    #[test]
    fn a_result_mode_overrules_everything() {
        let text = "control resultmode valuewise\n\nquery II\nSELECT a, b FROM t\n----\n1\n2\n";
        assert_eq!(style_of("a.test", text), Style::Rows);
    }

    #[test]
    fn declared_types_are_a_claim_only_in_typed_rows() {
        use ColumnKind::{Integer, Real, Text};
        assert!(!Style::TypedRows.accepts(&[Integer], &[Real]));
        assert!(!Style::TypedRows.accepts(&[Integer], &[Text]));
        assert!(Style::Rows.accepts(&[Integer], &[Real]));
        assert!(Style::Rows.accepts(&[Integer], &[Text]));
        assert!(!Style::Rows.accepts(&[Real], &[Integer]));
        assert!(Style::Sqlite.accepts(&[Real], &[Integer]));
        for style in [Style::Sqlite, Style::TypedRows, Style::Rows] {
            assert!(!style.accepts(&[Integer, Integer], &[Integer]), "{style:?}");
        }
    }
}
