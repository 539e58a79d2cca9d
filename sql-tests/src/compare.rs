//! Sets the records of one engine beside those of another.

use crate::outcome::{FileReport, Outcome, RecordReport};

/// One file, run on the reference engine and on ours.
#[derive(Debug)]
pub struct Comparison {
    /// Records the reference passes and ours fails.
    pub regressions: Vec<RecordReport>,
    /// Records that the reference fails and ours passes.
    pub n_gained: u64,
    /// Records that both pass.
    pub n_kept: u64,
    /// Records that say nothing: the reference does not pass them, or they are skipped or named as deviations.
    pub n_other: u64,
}

/// Compares the two reports of one file, record by record.
///
/// A file that could not be run on our engine has one record in its report; every record that the reference passes is
/// then a regression.
pub fn compare(reference: &FileReport, ours: &FileReport) -> Comparison {
    let mut comparison = Comparison { regressions: Vec::new(), n_gained: 0, n_kept: 0, n_other: 0 };
    let n_records = reference.records.len().max(ours.records.len());
    for i in 0..n_records {
        let is_passed = reference.records.get(i).is_some_and(|record| record.outcome == Outcome::Passed);
        // What is left of a file that could not be run failed for the reason of its only record.
        let mine = ours.records.get(i).or(ours.records.last());
        match mine.map(|record| (&record.outcome, record)) {
            Some((Outcome::Failed { .. }, record)) if is_passed => {
                let mut regression = record.clone();
                if let Some(reference) = reference.records.get(i) {
                    regression.at.clone_from(&reference.at);
                    regression.sql.clone_from(&reference.sql);
                }
                comparison.regressions.push(regression);
            }
            Some((Outcome::Passed, _)) if is_passed => comparison.n_kept += 1,
            Some((Outcome::Passed, _)) if ours.records.get(i).is_some() => comparison.n_gained += 1,
            _ => comparison.n_other += 1,
        }
    }
    comparison
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Cause;

    fn report(letters: &str) -> FileReport {
        let outcome = |letter| match letter {
            'p' => Outcome::Passed,
            's' => Outcome::Skipped { reason: String::new() },
            _ => Outcome::Failed { cause: Cause::ResultMismatch, detail: String::new() },
        };
        let records = letters.chars().enumerate().map(|(ordinal, letter)| RecordReport {
            ordinal,
            at: format!("a.slt:{ordinal}"),
            sql: String::new(),
            outcome: outcome(letter),
        });
        FileReport { path: "a.slt".into(), records: records.collect(), kept_plans: Default::default() }
    }

    #[test]
    fn only_a_pass_that_became_a_failure_is_a_regression() {
        let comparison = compare(&report("pppfffsss"), &report("pfspfspfs"));
        let at: Vec<_> = comparison.regressions.iter().map(|record| record.at.as_str()).collect();
        assert_eq!(at, ["a.slt:1"]);
        // Kept: pp. Gained: fp, sp. The other five: ps, ff, fs, sf, ss.
        assert_eq!((comparison.n_kept, comparison.n_gained, comparison.n_other), (1, 2, 5));
    }

    #[test]
    fn a_file_that_ours_cannot_read_loses_every_record() {
        let comparison = compare(&report("ppfp"), &report("f"));
        let at: Vec<_> = comparison.regressions.iter().map(|record| record.at.as_str()).collect();
        assert_eq!(at, ["a.slt:0", "a.slt:1", "a.slt:3"]);
    }
}
