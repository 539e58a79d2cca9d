//! What a person reads.

use std::io::{self, Write};

use crate::compare::Comparison;
use crate::deviations::Deviations;
use crate::outcome::{Cause, FileReport, Outcome, RecordReport, Tally};

/// Lines of one failure that are shown; a result can have thousands.
const DETAIL_LINES_MAX: usize = 24;

/// Prints the line of a file, and its failures by cause, at most `n_shown` of each.
///
/// # Errors
///
/// What the system says when `out` cannot be written.
pub(crate) fn print_file(out: &mut dyn Write, report: &FileReport, n_shown: usize) -> io::Result<()> {
    let tally = report.tally();
    let verdict = if tally.n_failed() == 0 { "ok" } else { "FAILED" };
    writeln!(out, "{verdict} {}: {tally}", report.path.display())?;
    for (cause, n) in &tally.failed {
        writeln!(out, "  {n} {cause}")?;
        if *cause == Cause::NotReached {
            continue;
        }
        let of_cause = report
            .records
            .iter()
            .filter(|record| matches!(&record.outcome, Outcome::Failed { cause: of_record, .. } if of_record == cause));
        for record in of_cause.take(n_shown) {
            print_failure(out, record)?;
        }
        if let Some(n_hidden @ 1..) = usize::try_from(*n).ok().map(|n| n.saturating_sub(n_shown)) {
            writeln!(out, "    and {n_hidden} more")?;
        }
    }
    Ok(())
}

fn print_failure(out: &mut dyn Write, record: &RecordReport) -> io::Result<()> {
    let Outcome::Failed { cause, detail } = &record.outcome else { return Ok(()) };
    writeln!(out, "    {}: {cause}", record.at)?;
    // Most details repeat the statement; those that do not need it beside them.
    if !record.sql.is_empty() && !detail.contains(&record.sql) {
        print_lines(out, &record.sql)?;
    }
    print_lines(out, detail)
}

fn print_lines(out: &mut dyn Write, text: &str) -> io::Result<()> {
    let mut lines = text.lines();
    for line in lines.by_ref().take(DETAIL_LINES_MAX) {
        writeln!(out, "      {line}")?;
    }
    match lines.count() {
        0 => Ok(()),
        n => writeln!(out, "      ({n} more lines)"),
    }
}

/// Prints the files, causes, deviations and, on the last line, the numbers of a whole run.
///
/// # Errors
///
/// What the system says when `out` cannot be written.
pub(crate) fn print_summary(
    out: &mut dyn Write,
    n_files: usize,
    n_failed_files: usize,
    tally: &Tally,
    deviations: &Deviations,
) -> io::Result<()> {
    writeln!(out, "\n{n_files} files, {n_failed_files} with failures")?;
    for (cause, n) in &tally.failed {
        writeln!(out, "  {n} {cause}")?;
    }
    for (reason, n) in &tally.kept_plans {
        writeln!(out, "{n} plans ran as they were: {reason}")?;
    }
    print_deviations(out, deviations)?;
    writeln!(out, "{tally}")
}

/// Prints what a comparison of one file found.
///
/// # Errors
///
/// What the system says when `out` cannot be written.
pub(crate) fn print_comparison(
    out: &mut dyn Write,
    path: &std::path::Path,
    comparison: &Comparison,
    n_shown: usize,
) -> io::Result<()> {
    let Comparison { regressions, n_gained, n_kept, n_other } = comparison;
    let verdict = if regressions.is_empty() { "ok" } else { "REGRESSED" };
    writeln!(
        out,
        "{verdict} {}: {} regressions, {n_kept} kept, {n_gained} gained, {n_other} others",
        path.display(),
        regressions.len()
    )?;
    for record in regressions.iter().take(n_shown) {
        print_failure(out, record)?;
    }
    match regressions.len().saturating_sub(n_shown) {
        0 => Ok(()),
        n => writeln!(out, "    and {n} more"),
    }
}

/// Prints the numbers of a comparison of whole runs. In the last line the passed are those both engines pass, the
/// failed are regressions, and the skipped are all others.
///
/// # Errors
///
/// What the system says when `out` cannot be written.
pub(crate) fn print_comparison_summary(
    out: &mut dyn Write,
    stock: &Tally,
    ours: &Tally,
    comparisons: &ComparisonTally,
    deviations: &Deviations,
) -> io::Result<()> {
    writeln!(out, "\nstock: {stock}")?;
    writeln!(out, "ours: {ours}")?;
    writeln!(out, "gained: {}", comparisons.n_gained)?;
    print_deviations(out, deviations)?;
    let ComparisonTally { n_kept, n_regressed, n_gained, n_other } = comparisons;
    writeln!(out, "{n_kept} passed, {n_regressed} failed, {} skipped", n_gained + n_other)
}

/// Numbers of records of all files of a comparison.
#[derive(Debug, Default)]
pub(crate) struct ComparisonTally {
    pub(crate) n_kept: u64,
    pub(crate) n_regressed: u64,
    pub(crate) n_gained: u64,
    pub(crate) n_other: u64,
}

impl ComparisonTally {
    pub(crate) fn add(&mut self, comparison: &Comparison) {
        self.n_kept += comparison.n_kept;
        self.n_regressed += comparison.regressions.len() as u64;
        self.n_gained += comparison.n_gained;
        self.n_other += comparison.n_other;
    }
}

fn print_deviations(out: &mut dyn Write, deviations: &Deviations) -> io::Result<()> {
    if deviations.n_seen() > 0 {
        writeln!(out, "{} records deviate as named in the file of deviations", deviations.n_seen())?;
    }
    for stale in deviations.stale() {
        let what = stale.sql.clone().unwrap_or_else(|| format!("lines {:?}", stale.lines));
        writeln!(out, "stale deviation: {what} in {} (guard: {})", stale.file, stale.guard)?;
    }
    Ok(())
}

/// Prints a file with its failures, into a string.
pub fn describe(report: &FileReport, n_shown: usize) -> String {
    let mut out = Vec::new();
    // Writing into memory does not fail.
    let _ = print_file(&mut out, report, n_shown);
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_listed_by_cause_and_cut_short() {
        let record = |ordinal, cause| RecordReport {
            ordinal,
            at: format!("a.slt:{ordinal}"),
            sql: "SELECT 1".into(),
            outcome: Outcome::Failed { cause, detail: "why".into() },
        };
        let passed = RecordReport { outcome: Outcome::Passed, ..record(9, Cause::Panic) };
        let records =
            vec![record(1, Cause::Timeout), record(2, Cause::MissingError), record(3, Cause::MissingError), passed];
        let report = FileReport { path: "a.slt".into(), records, kept_plans: Default::default() };
        assert_eq!(
            describe(&report, 1),
            "FAILED a.slt: 1 passed, 3 failed, 0 skipped\n  2 missing error\n    a.slt:2: missing error\n      SELECT 1\n      why\n    and 1 more\n  1 timeout\n    a.slt:1: timeout\n      SELECT 1\n      why\n"
        );
    }
}
