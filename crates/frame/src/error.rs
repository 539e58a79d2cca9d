//! The error of every statement: one enum that says what was wrong, where in the text, and what to do.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use datafusion::error::DataFusionError;
use dolmen_storage::Secrets;

/// Result of an operation of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The error of the engine underneath, kept whole as the source of ours.
///
/// `source()` of ours gives it, and `downcast_ref::<DataFusionError>()` of that finds DataFusion's variant.
pub type EngineError = Box<dyn std::error::Error + Send + Sync>;

/// Why a statement was refused or failed.
///
/// `Display` is one or a few lines without the statement; [`Error::report`] adds the line of the statement with a caret
/// below the place.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The text is not SQL.
    #[error("syntax error: {message}")]
    Syntax {
        /// What the parser expected and found.
        message: String,
        /// Where, if the parser said so.
        position: Option<Position>,
        /// The engine's own error, if it found this.
        source: Option<EngineError>,
    },
    /// A relation is neither a table, a view, a common table expression nor a file.
    #[error("table \"{name}\" does not exist{}", DidYouMean(suggestion))]
    UnknownTable {
        /// The name as the statement wrote it.
        name: String,
        /// The closest known name.
        suggestion: Option<String>,
        /// Where the name stands.
        position: Option<Position>,
        /// The engine's own error, if it found this.
        source: Option<EngineError>,
    },
    /// No relation in scope has this column.
    #[error("column \"{name}\" does not exist{}{}", DidYouMean(suggestion), InScope(in_scope))]
    UnknownColumn {
        /// The name as the statement wrote it.
        name: String,
        /// The closest column in scope.
        suggestion: Option<String>,
        /// The columns in scope, listed in the message when nothing is close.
        in_scope: Vec<String>,
        /// Where the name stands.
        position: Option<Position>,
        /// The engine's own error, if it found this.
        source: Option<EngineError>,
    },
    /// No function has this name.
    #[error("function \"{name}\" does not exist{}", DidYouMean(suggestion))]
    UnknownFunction {
        /// The name as the statement wrote it.
        name: String,
        /// The closest known function.
        suggestion: Option<String>,
        /// Where the name stands.
        position: Option<Position>,
        /// The engine's own error, if it found this.
        source: Option<EngineError>,
    },
    /// No setting has this name.
    #[error("setting \"{name}\" does not exist{}", DidYouMean(suggestion))]
    UnknownSetting {
        /// The name as the statement wrote it.
        name: String,
        /// The closest known setting.
        suggestion: Option<String>,
    },
    /// The statement is understood but not supported; running it without the construct would give a wrong answer.
    #[error("{construct} is not supported{}", Remedy(remedy))]
    Unsupported {
        /// The construct.
        construct: String,
        /// What to write instead, or empty.
        remedy: String,
        /// Where it stands.
        position: Option<Position>,
        /// The engine's own error, if it found this.
        source: Option<EngineError>,
    },
    /// The statement is well formed but has no meaning: types do not fit, a name is taken, an argument is out of range.
    #[error("{message}")]
    Invalid {
        /// What is wrong and what to do.
        message: String,
        /// Where, if known.
        position: Option<Position>,
        /// The engine's own error, if it found this.
        source: Option<EngineError>,
    },
    /// The session was opened read-only.
    #[error("{statement} is refused: the session is read-only; the program that opened it decides that")]
    ReadOnly {
        /// The kind of statement, such as `INSERT`.
        statement: &'static str,
    },
    /// A parameter of the statement has no value, or a value has no parameter.
    #[error("{message}")]
    Parameter {
        /// Which parameter, and what to do.
        message: String,
    },
    /// A location could not be reached, or may not be.
    #[error(transparent)]
    Storage(#[from] dolmen_storage::StorageError),
    /// A table refused a change: a constraint is violated.
    #[error(transparent)]
    Table(crate::table::TableError),
    /// A user's function failed, or panicked.
    #[error(transparent)]
    Function(#[from] crate::functions::FunctionError),
    /// Rows and Rust values do not fit.
    #[error(transparent)]
    Rows(#[from] crate::functions::RowsError),
    /// A value of a CSV file does not have the type of its column.
    #[error(transparent)]
    CsvConflict(#[from] Box<crate::files::CsvConflict>),
    /// The memory limit is reached and the operator cannot spill.
    #[error("{message}")]
    MemoryLimit {
        /// Which operator asked for how much, the limit, and who holds the memory.
        message: String,
        /// The engine's own error, if it found this.
        source: Option<EngineError>,
    },
    /// The statement failed while it ran.
    #[error("{message}")]
    Execution {
        /// What happened.
        message: String,
        /// The engine's own error, if it found this.
        source: Option<EngineError>,
    },
    /// A defect of the engine, caught so that the session goes on.
    #[error("internal error: {message}; the session goes on, but please report the statement")]
    Internal {
        /// The panic's or the broken invariant's message.
        message: String,
        /// The engine's own error, if it found this.
        source: Option<EngineError>,
    },
    /// The statement ran longer than its timeout and was stopped.
    #[error("the statement was stopped after its timeout of {after:?}")]
    Timeout {
        /// The timeout.
        after: Duration,
    },
    /// A graph of tasks could not be computed: the key of the task that failed, and why.
    #[error(transparent)]
    Compute(#[from] dolmen_graph::ComputeError),
    /// The session was closed while the statement ran.
    #[error("the statement was cancelled")]
    Cancelled,
}

/// A place in the text of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// Line, from 1, in the text handed to the session.
    pub line: u64,
    /// Column in characters, from 1.
    pub column: u64,
    /// Number of characters the place covers, at least 1.
    pub width: u64,
    /// The text of the line.
    pub text: String,
}

impl Position {
    /// The place at `line` and `column` (both from 1) of `statement`, `width` characters long.
    ///
    /// `None` if the statement has no such line.
    pub fn at(statement: &str, line: u64, column: u64, width: u64) -> Option<Self> {
        let text = statement.lines().nth(usize::try_from(line).ok()?.checked_sub(1)?)?.to_owned();
        let rest = (text.chars().count() as u64 + 1).checked_sub(column)?;
        Some(Self { line, column, width: width.clamp(1, rest.max(1)), text })
    }
}

impl From<crate::table::TableError> for Error {
    /// What the engine said below the table is no matter of the table.
    fn from(error: crate::table::TableError) -> Self {
        match error {
            crate::table::TableError::DataFusion(error) => crate::sql::translate::of_execution(error),
            error => Self::Table(error),
        }
    }
}

impl Error {
    /// An [`Error::Invalid`] without a place.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::Invalid { message: message.into(), position: None, source: None }
    }

    /// An [`Error::Unsupported`] without a place.
    pub fn unsupported(construct: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Unsupported { construct: construct.into(), remedy: remedy.into(), position: None, source: None }
    }

    /// An [`Error::Syntax`] that no parser of the engine found.
    pub(crate) fn syntax(message: impl Into<String>, position: Option<Position>) -> Self {
        Self::Syntax { message: message.into(), position, source: None }
    }

    /// An [`Error::Internal`].
    pub fn internal(message: impl Into<String>) -> Self {
        Self::Internal { message: message.into(), source: None }
    }

    /// The error with `engine` as its source, where it has a place for one.
    pub(crate) fn with_source(mut self, engine: DataFusionError) -> Self {
        match &mut self {
            Self::Syntax { source, .. }
            | Self::UnknownTable { source, .. }
            | Self::UnknownColumn { source, .. }
            | Self::UnknownFunction { source, .. }
            | Self::Unsupported { source, .. }
            | Self::Invalid { source, .. }
            | Self::MemoryLimit { source, .. }
            | Self::Execution { source, .. }
            | Self::Internal { source, .. } => *source = Some(Box::new(engine)),
            _ => {}
        }
        self
    }

    /// Where in the statement the error lies, if that is known.
    pub fn position(&self) -> Option<&Position> {
        match self {
            Self::Syntax { position, .. }
            | Self::UnknownTable { position, .. }
            | Self::UnknownColumn { position, .. }
            | Self::UnknownFunction { position, .. }
            | Self::Unsupported { position, .. }
            | Self::Invalid { position, .. } => position.as_ref(),
            _ => None,
        }
    }

    pub(crate) fn position_mut(&mut self) -> Option<&mut Position> {
        match self {
            Self::Syntax { position, .. }
            | Self::UnknownTable { position, .. }
            | Self::UnknownColumn { position, .. }
            | Self::UnknownFunction { position, .. }
            | Self::Unsupported { position, .. }
            | Self::Invalid { position, .. } => position.as_mut(),
            _ => None,
        }
    }

    /// The message, and below it the line of the statement with a caret under the place.
    ///
    /// ```text
    /// column "dep_dely" does not exist; did you mean "dep_delay"?
    ///   line 1: SELECT dep_dely FROM flights
    ///                  ^^^^^^^^
    /// ```
    pub fn report(&self) -> String {
        let mut report = self.to_string();
        if let Some(position) = self.position() {
            let (excerpt, start) = excerpt(position);
            let margin = format!("  line {}: ", position.line);
            let pad = " ".repeat(margin.chars().count() + start);
            let room = excerpt.chars().count().saturating_sub(start).max(1);
            let carets = "^".repeat(usize::try_from(position.width).unwrap_or(1).clamp(1, room));
            report.push_str(&format!("\n{margin}{excerpt}\n{pad}{carets}"));
        }
        report
    }
}

impl Error {
    /// The error without the secrets that `secrets` knows. An error that holds one loses its source.
    #[must_use]
    pub fn redacted(mut self, secrets: &Secrets) -> Self {
        if let Some(position) = self.position_mut() {
            position.text = secrets.redact(&position.text).into_owned();
        }
        let chain = std::iter::successors(Some(&self as &dyn std::error::Error), |error| error.source());
        let is_clean =
            chain.map(ToString::to_string).all(|message| matches!(secrets.redact(&message), Cow::Borrowed(_)));
        if is_clean {
            return self;
        }
        let message = secrets.redact(&self.to_string()).into_owned();
        Self::Invalid { message, position: self.position().cloned(), source: None }
    }
}

/// Characters of a long line that are shown around the place.
const EXCERPT_CHARS: usize = 100;

/// The part of the line around the place, and the place's character offset in it.
fn excerpt(position: &Position) -> (String, usize) {
    let start = usize::try_from(position.column.saturating_sub(1)).unwrap_or(0);
    // A tab is one column for the tokenizer; shown as one blank, the caret stays below its place.
    let chars: Vec<char> = position.text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if chars.len() <= EXCERPT_CHARS {
        return (chars.into_iter().collect(), start);
    }
    let from = start.saturating_sub(EXCERPT_CHARS / 2).min(chars.len());
    let to = (from + EXCERPT_CHARS).min(chars.len());
    (chars[from..to].iter().collect(), start - from)
}

struct DidYouMean<'a>(&'a Option<String>);

impl fmt::Display for DidYouMean<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_ref().map_or(Ok(()), |name| write!(f, "; did you mean \"{name}\"?"))
    }
}

struct Remedy<'a>(&'a str);

impl fmt::Display for Remedy<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, "; {}", self.0) }
    }
}

/// Columns listed in a message before it says how many more there are.
const COLUMNS_LISTED: usize = 20;

struct InScope<'a>(&'a [String]);

impl fmt::Display for InScope<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return Ok(());
        }
        write!(f, "; in scope: {}", self.0[..self.0.len().min(COLUMNS_LISTED)].join(", "))?;
        match self.0.len().checked_sub(COLUMNS_LISTED) {
            Some(more) if more > 0 => write!(f, " and {more} more"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caret_stands_below_the_place() {
        let position = Position::at("SELECT 1,\n  dep_dely FROM f", 2, 3, 8);
        let error = Error::UnknownColumn {
            name: "dep_dely".into(),
            suggestion: Some("dep_delay".into()),
            in_scope: vec![],
            position,
            source: None,
        };
        assert_eq!(
            error.report(),
            "column \"dep_dely\" does not exist; did you mean \"dep_delay\"?\n  line 2:   dep_dely FROM f\n            ^^^^^^^^"
        );
    }

    #[test]
    fn a_long_line_is_cut_around_the_place() {
        let statement = format!("SELECT {}x", "y + ".repeat(200));
        let position = Position::at(&statement, 1, 808, 1).unwrap();
        let (excerpt, start) = excerpt(&position);
        assert!(excerpt.chars().count() <= EXCERPT_CHARS);
        assert_eq!(excerpt.chars().nth(start), Some('x'));
    }
}
