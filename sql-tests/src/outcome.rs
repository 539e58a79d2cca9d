//! What became of a record, of a file, and of a whole run.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::engine::ErrorKind;

/// Why a record failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Cause {
    /// The file is not in a format this runner reads; counted as one record.
    Parse,
    /// The rows, their order or their number differ.
    ResultMismatch,
    /// The rows were not compared, because the columns differ in number or in type.
    ColumnMismatch,
    /// An error where the file expects success.
    UnexpectedError(ErrorKind),
    /// Success where the file expects an error.
    MissingError,
    /// An error, but not the one the file expects.
    WrongError,
    /// The record took longer than its limit.
    Timeout,
    /// The engine panicked; the session went on.
    Panic,
    /// The process of the file died, or stopped answering and was killed.
    Crash,
    /// An earlier record of the file took the process down.
    NotReached,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Parse => f.write_str("parse"),
            Self::ResultMismatch => f.write_str("result mismatch"),
            Self::ColumnMismatch => f.write_str("column mismatch"),
            Self::UnexpectedError(kind) => write!(f, "unexpected error ({kind})"),
            Self::MissingError => f.write_str("missing error"),
            Self::WrongError => f.write_str("wrong error"),
            Self::Timeout => f.write_str("timeout"),
            Self::Panic => f.write_str("panic"),
            Self::Crash => f.write_str("crash"),
            Self::NotReached => f.write_str("not reached"),
        }
    }
}

/// What became of one record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// It ran and did what the file says.
    Passed,
    /// It was not run, or its failure is a named deviation; `reason` says which.
    Skipped {
        /// A phrase, such as `onlyif mysql` or `after halt`.
        reason: String,
    },
    /// It ran and did something else, or could not be run.
    Failed {
        /// The kind of failure, by which a report counts.
        cause: Cause,
        /// What was expected and what happened; may have several lines.
        detail: String,
    },
}

/// One record of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordReport {
    /// Position among the counted records of the file, from 0, included files in place.
    pub ordinal: usize,
    /// `path:line` of the record, in the included file where it comes from one.
    pub at: String,
    /// The statement, as the file has it.
    pub sql: String,
    /// What became of it.
    pub outcome: Outcome,
}

/// Every record of one file, in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileReport {
    /// The file as it was given.
    pub path: PathBuf,
    /// Its records.
    pub records: Vec<RecordReport>,
    /// Why plans ran otherwise than the engine is meant to run them, with their numbers.
    pub kept_plans: BTreeMap<String, u64>,
}

impl FileReport {
    /// A report that says that the file could not be run at all, as one failed record.
    pub fn failed(path: PathBuf, cause: Cause, detail: String) -> Self {
        let at = format!("{}:0", path.display());
        let outcome = Outcome::Failed { cause, detail };
        let record = RecordReport { ordinal: 0, at, sql: String::new(), outcome };
        Self { path, records: vec![record], kept_plans: BTreeMap::new() }
    }

    /// Counts the records.
    pub fn tally(&self) -> Tally {
        let mut tally = Tally { kept_plans: self.kept_plans.clone(), ..Tally::default() };
        for record in &self.records {
            tally.add(&record.outcome);
        }
        tally
    }
}

/// Numbers of records.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Records that passed.
    pub n_passed: u64,
    /// Records that were skipped.
    pub n_skipped: u64,
    /// Records that failed, by cause.
    pub failed: BTreeMap<Cause, u64>,
    /// Why plans ran otherwise than the engine is meant to run them, with their numbers.
    pub kept_plans: BTreeMap<String, u64>,
}

impl Tally {
    /// Counts one more record.
    pub fn add(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Passed => self.n_passed += 1,
            Outcome::Skipped { .. } => self.n_skipped += 1,
            Outcome::Failed { cause, .. } => *self.failed.entry(*cause).or_default() += 1,
        }
    }

    /// Adds the numbers of `other`.
    pub fn merge(&mut self, other: &Self) {
        self.n_passed += other.n_passed;
        self.n_skipped += other.n_skipped;
        for (cause, n) in &other.failed {
            *self.failed.entry(*cause).or_default() += n;
        }
        for (reason, n) in &other.kept_plans {
            *self.kept_plans.entry(reason.clone()).or_default() += n;
        }
    }

    /// Records that failed, for whatever cause.
    pub fn n_failed(&self) -> u64 {
        self.failed.values().sum()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.n_passed, self.n_failed(), self.n_skipped)
    }
}
