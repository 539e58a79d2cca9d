//! What can be wrong with an array statement, and where.

use std::fmt;

use dolmen_array::ArrayError;
use thiserror::Error;

/// The result of this crate's operations.
pub type Result<T, E = ArraySqlError> = std::result::Result<T, E>;

/// A part of a statement's text, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Span {
    /// Where it begins.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
}

impl Span {
    /// From the start of `self` to the end of `other`.
    #[must_use]
    pub fn to(self, other: Self) -> Self {
        Self { start: self.start, end: other.end }
    }

    /// The line and column of the start in `text`, both from 1 and the column in characters, and the characters that the
    /// span covers in its first line.
    #[must_use]
    pub fn place(self, text: &str) -> (u64, u64, u64) {
        let before = text.get(..self.start).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = before.matches('\n').count() as u64 + 1;
        let column = before[line_start..].chars().count() as u64 + 1;
        let covered = text.get(self.start..self.end).unwrap_or_default();
        let width = covered.lines().next().unwrap_or_default().chars().count() as u64;
        (line, column, width.max(1))
    }
}

/// Why an array statement was refused.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum ArraySqlError {
    /// The text is not an array statement.
    #[error("syntax error: {message}")]
    Syntax {
        /// What was expected and found.
        message: String,
        /// Where.
        span: Span,
    },
    /// No function has this name.
    #[error("unknown function {name}{}", DidYouMean(suggestion))]
    UnknownFunction {
        /// The name as it was written.
        name: String,
        /// The closest known name.
        suggestion: Option<String>,
        /// Where.
        span: Span,
    },
    /// Neither an array nor a constant has this name.
    #[error("array \"{name}\" does not exist{}", DidYouMean(suggestion))]
    UnknownName {
        /// The name as it was written.
        name: String,
        /// The closest known name.
        suggestion: Option<String>,
        /// Where.
        span: Span,
    },
    /// A function has no parameter of this name.
    #[error("{function} has no parameter {keyword}{}; it takes {signature}", DidYouMean(suggestion))]
    UnknownKeyword {
        /// The function.
        function: &'static str,
        /// The keyword as it was written.
        keyword: String,
        /// The closest parameter.
        suggestion: Option<String>,
        /// The parameters.
        signature: &'static str,
        /// Where.
        span: Span,
    },
    /// A call whose arguments do not fit the parameters: too many, too few, or one of them twice.
    #[error("{function}: {problem}; it takes {signature}")]
    Arguments {
        /// The function.
        function: &'static str,
        /// What is wrong.
        problem: String,
        /// The parameters.
        signature: &'static str,
        /// Where.
        span: Span,
    },
    /// A value of the wrong kind.
    #[error("{subject} needs {expected}, not {found}")]
    Kind {
        /// What needs it: `the argument axis of sum`.
        subject: String,
        /// What it needs.
        expected: &'static str,
        /// What was given.
        found: &'static str,
        /// Where.
        span: Span,
    },
    /// A value that has no meaning where it stands.
    #[error("{message}")]
    Value {
        /// What is wrong with it, and what to do.
        message: String,
        /// Where.
        span: Span,
    },
    /// What is understood but not supported.
    #[error("{construct} is not supported; {remedy}")]
    Unsupported {
        /// The construct.
        construct: String,
        /// What to write instead.
        remedy: String,
        /// Where.
        span: Span,
    },
    /// The operation has no meaning for these arrays.
    #[error("{error}")]
    Array {
        /// What is wrong.
        #[source]
        error: Box<ArrayError>,
        /// The call or the operator.
        span: Span,
    },
}

impl ArraySqlError {
    /// Where in the text the error lies.
    #[must_use]
    pub fn span(&self) -> Span {
        match self {
            Self::Syntax { span, .. }
            | Self::UnknownFunction { span, .. }
            | Self::UnknownName { span, .. }
            | Self::UnknownKeyword { span, .. }
            | Self::Arguments { span, .. }
            | Self::Kind { span, .. }
            | Self::Value { span, .. }
            | Self::Unsupported { span, .. }
            | Self::Array { span, .. } => *span,
        }
    }

    pub(crate) fn syntax(message: impl Into<String>, span: Span) -> Self {
        Self::Syntax { message: message.into(), span }
    }

    pub(crate) fn value(message: impl Into<String>, span: Span) -> Self {
        Self::Value { message: message.into(), span }
    }

    pub(crate) fn array(error: impl Into<ArrayError>, span: Span) -> Self {
        Self::Array { error: Box::new(error.into()), span }
    }

    pub(crate) fn unsupported(construct: impl Into<String>, remedy: impl Into<String>, span: Span) -> Self {
        Self::Unsupported { construct: construct.into(), remedy: remedy.into(), span }
    }
}

struct DidYouMean<'a>(&'a Option<String>);

impl fmt::Display for DidYouMean<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_ref().map_or(Ok(()), |name| write!(f, ", did you mean {name}?"))
    }
}

/// The one of `known` that `name` is probably meant to be.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let distance_max = name.chars().count().div_ceil(3);
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= distance_max)
        .min()
        .map(|(_, candidate)| candidate.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_counted_in_characters() {
        let text = "ARRAY 'é' +\n  'ü' & sam(x)";
        let start = text.find("sam").unwrap();
        assert_eq!(Span { start, end: start + 3 }.place(text), (2, 9, 3));
        assert_eq!(Span { start: text.len(), end: text.len() }.place(text), (2, 15, 1));
    }

    #[test]
    fn near_names_are_found_and_far_ones_are_not() {
        assert_eq!(nearest("sam", ["sum", "mean"]), Some("sum".into()));
        assert_eq!(nearest("frobnicate", ["sum", "mean"]), None);
    }
}
