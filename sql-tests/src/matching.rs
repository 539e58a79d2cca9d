//! Decides whether an answer is what a file has under `----`.

use sqllogictest::Normalizer;

use crate::style::{ColumnKind, Style};

/// Stands in expected results for text that changes from run to run.
const IGNORE: &str = "<slt:ignore>";

/// The comparison of the `sqllogictest` runner for files of `style`.
pub(crate) fn validator(style: Style) -> sqllogictest::Validator {
    match style {
        Style::Sqlite => matches_values,
        Style::TypedRows | Style::Rows => matches_rows,
    }
}

/// The comparison of column types for files of `style`.
pub(crate) fn column_validator(style: Style) -> sqllogictest::ColumnTypeValidator<ColumnKind> {
    match style {
        Style::Sqlite => |actual, declared| Style::Sqlite.accepts(actual, declared),
        Style::TypedRows => |actual, declared| Style::TypedRows.accepts(actual, declared),
        Style::Rows => |actual, declared| Style::Rows.accepts(actual, declared),
    }
}

/// One value a line; rows are accepted too, because files made from SQLite's by hand mix the two.
fn matches_values(_: Normalizer, actual: &[Vec<String>], expected: &[String]) -> bool {
    let values = actual.iter().flatten().map(|value| value.trim_end());
    values.eq(expected.iter().map(|line| line.trim_end())) || equal_rows(actual, expected)
}

/// One row a line, values apart by blanks or one tab; or one value a line where a row has several.
fn matches_rows(_: Normalizer, actual: &[Vec<String>], expected: &[String]) -> bool {
    if expected.iter().any(|line| line.contains(IGNORE)) {
        return matches_around_ignored(actual, expected);
    }
    let is_by_value = expected.len() > actual.len() && actual.iter().any(|row| row.len() > 1);
    equal_rows(actual, expected)
        || (is_by_value && actual.iter().flatten().map(|v| v.trim_end()).eq(expected.iter().map(|l| l.trim_end())))
}

fn equal_rows(actual: &[Vec<String>], expected: &[String]) -> bool {
    actual.len() == expected.len() && actual.iter().zip(expected).all(|(row, line)| equal_row(row, line))
}

fn equal_row(row: &[String], line: &str) -> bool {
    let joined = row.join(" ");
    joined.split_whitespace().eq(line.split_whitespace())
        || (line.contains('\t') && row.iter().map(String::as_str).eq(line.split('\t')))
}

/// Finds the parts between the marks in the answer, one after the other; the first part is its beginning and the last
/// one its end.
fn matches_around_ignored(actual: &[Vec<String>], expected: &[String]) -> bool {
    let lines = |lines: Vec<String>| lines.iter().map(|line| line.trim_end()).collect::<Vec<_>>().join("\n");
    let actual = lines(actual.iter().map(|row| row.join(" ")).collect());
    let expected = lines(expected.to_vec());
    let parts: Vec<&str> = expected.split(IGNORE).collect();
    let [first, middle @ .., last] = parts.as_slice() else { return actual == expected };
    let Some(mut rest) = actual.strip_prefix(first) else { return false };
    for part in middle {
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(style: Style, actual: &[&[&str]], expected: &[&str]) -> bool {
        let actual: Vec<Vec<String>> = actual.iter().map(|row| row.iter().map(|v| (*v).to_owned()).collect()).collect();
        let expected: Vec<String> = expected.iter().map(|line| (*line).to_owned()).collect();
        validator(style)(sqllogictest::default_normalizer, &actual, &expected)
    }

    #[test]
    fn values_and_rows_are_told_apart() {
        let answer: &[&[&str]] = &[&["1", "a b"], &["2", "c"]];
        for style in [Style::Sqlite, Style::TypedRows] {
            assert!(matches(style, answer, &["1", "a b", "2", "c"]), "{style:?}");
            assert!(matches(style, answer, &["1 a b", "2 c"]), "{style:?}");
            assert!(matches(style, answer, &["1   a b", "2   c"]), "{style:?}");
            assert!(matches(style, answer, &["1\ta b", "2\tc"]), "{style:?}");
            assert!(!matches(style, answer, &["1 a b", "2 d"]), "{style:?}");
            assert!(!matches(style, answer, &["2 c", "1 a b"]), "{style:?}");
            assert!(!matches(style, answer, &["1 a b"]), "{style:?}");
            assert!(!matches(style, answer, &["1", "a b", "2"]), "{style:?}");
            assert!(!matches(style, answer, &[]), "{style:?}");
        }
        assert!(matches(Style::Rows, &[], &[]));
    }

    #[test]
    fn ignored_parts_are_ignored_and_no_more() {
        let answer: &[&[&str]] = &[&["took 12 ms, read 3 rows"]];
        assert!(matches(Style::TypedRows, answer, &["took <slt:ignore> ms, read 3 rows"]));
        assert!(matches(Style::TypedRows, answer, &["took <slt:ignore>, read <slt:ignore> rows"]));
        assert!(matches(Style::TypedRows, answer, &["<slt:ignore>"]));
        assert!(!matches(Style::TypedRows, answer, &["took <slt:ignore> ms, read 4 rows"]));
        assert!(!matches(Style::TypedRows, answer, &["12 <slt:ignore>"]));
        assert!(!matches(Style::TypedRows, answer, &["took <slt:ignore> ms"]));
    }
}
