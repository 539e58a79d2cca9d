//! How much a scan is to read, and what part of that it has read.

use std::sync::Arc;

use datafusion::datasource::physical_plan::FileScanConfig;
use datafusion::datasource::source::DataSourceExec;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::metrics::MetricValue;
use datafusion::physical_plan::statistics::{StatisticsArgs, StatisticsContext};

/// Whether rows come from outside of the plan here.
pub(super) fn is_scan(plan: &dyn ExecutionPlan) -> bool {
    let gives_its_own = ["EmptyExec", "PlaceholderRowExec", "WorkTableExec"].contains(&plan.name());
    plan.children().is_empty() && !gives_its_own
}

/// What a scan is to read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Total {
    /// Files of this size, read from one end to the other.
    Bytes(u64),
    /// Files of this size, of which parts are passed over.
    Parts { bytes: u64, rows: Option<u64>, n_files: usize },
    /// So many rows, which take about so many bytes.
    Rows { rows: u64, bytes: u64 },
    /// Nobody knows.
    Unknown,
}

/// Bytes of a row where nothing is known of it, to compare scans by.
const ROW_BYTES: u64 = 64;

impl Total {
    pub(super) fn of(plan: &Arc<dyn ExecutionPlan>) -> Self {
        if let Some(config) = file_scan(plan.as_ref()) {
            let files = config.file_groups.iter().flat_map(|group| group.iter());
            let (n_files, bytes) = files.fold((0, 0), |(n, bytes), file| (n + 1, bytes + file.effective_size()));
            if is_parquet(config) {
                // Of all rows, whether filters leave them or not.
                let rows = config.statistics().num_rows.get_value().map(|rows| *rows as u64);
                return Self::Parts { bytes, rows, n_files };
            }
            return Self::Bytes(bytes);
        }
        let statistics = StatisticsContext::new().compute(plan.as_ref(), &StatisticsArgs::new());
        let exact = statistics.ok().filter(|statistics| statistics.num_rows.is_exact() == Some(true));
        let Some(statistics) = exact else { return Self::Unknown };
        let Some(rows) = statistics.num_rows.get_value().map(|rows| *rows as u64) else { return Self::Unknown };
        let bytes = statistics.total_byte_size.get_value().map(|bytes| *bytes as u64);
        Self::Rows { rows, bytes: bytes.unwrap_or(rows.saturating_mul(ROW_BYTES)) }
    }

    /// The size of its files.
    pub(super) fn file_bytes(&self) -> Option<u64> {
        match self {
            Self::Bytes(bytes) | Self::Parts { bytes, .. } => Some(*bytes),
            Self::Rows { .. } | Self::Unknown => None,
        }
    }

    /// The part that has been read: all of what `is_done`, else by the rows given so far and what was measured besides.
    pub(super) fn part(&self, rows_read: u64, measured: &Measured, is_done: bool) -> Option<Part> {
        let (done, all, weight) = match *self {
            Self::Bytes(bytes) => (measured.bytes as f64, bytes, bytes),
            Self::Parts { bytes, rows, n_files } => {
                let rows = rows?;
                (rows_read as f64 + measured.rows_passed_over(rows, n_files), rows, bytes)
            }
            Self::Rows { rows, bytes } => (rows_read as f64, rows, bytes),
            Self::Unknown => return None,
        };
        let share = if all == 0 || is_done { 1.0 } else { (done / all as f64).min(1.0) };
        Some(Part { done: share * weight as f64, all: weight as f64, is_unknown: false })
    }
}

pub(super) fn file_scan(plan: &dyn ExecutionPlan) -> Option<&FileScanConfig> {
    plan.downcast_ref::<DataSourceExec>()?.data_source().downcast_ref::<FileScanConfig>()
}

/// Parquet counts the bytes that it reads.
pub(super) fn is_parquet(config: &FileScanConfig) -> bool {
    config.file_source().file_type() == "parquet"
}

/// A part of a whole, in bytes of any kind.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Part {
    done: f64,
    all: f64,
    is_unknown: bool,
}

impl Part {
    /// Adds a scan.
    pub(super) fn add(&mut self, part: Option<Self>) {
        match part {
            Some(part) => {
                self.done += part.done;
                self.all += part.all;
            }
            None => self.is_unknown = true,
        }
    }

    /// The share of all scans together; `None` if one of them is unknown, or there is none.
    pub(super) fn fraction(&self) -> Option<f64> {
        (self.all > 0.0 && !self.is_unknown).then(|| self.done / self.all)
    }
}

/// What an operator has counted by itself.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Measured {
    /// Read from files.
    pub(super) bytes: u64,
    /// Written to disk for want of memory.
    pub(super) spilled_bytes: u64,
    /// Rows of Parquet that a filter of the scan, or an index of pages, has taken away.
    rows_filtered: u64,
    files_opened: u64,
    files_passed_over: u64,
    groups_seen: u64,
    groups_passed_over: u64,
}

impl Measured {
    pub(super) fn of(plan: &dyn ExecutionPlan) -> Self {
        let mut measured = Self::default();
        let Some(metrics) = plan.metrics() else { return measured };
        for metric in metrics.iter() {
            measured.add(metric.value());
        }
        measured
    }

    fn add(&mut self, metric: &MetricValue) {
        match metric {
            MetricValue::SpilledBytes(bytes) => self.spilled_bytes += bytes.value() as u64,
            MetricValue::Count { name, count } => match name.as_ref() {
                "bytes_scanned" => self.bytes += count.value() as u64,
                "pushdown_rows_pruned" => self.rows_filtered += count.value() as u64,
                "files_opened" => self.files_opened += count.value() as u64,
                "row_groups_pruned_dynamic_filter" => self.groups_passed_over += count.value() as u64,
                _ => {}
            },
            MetricValue::PruningMetrics { name, pruning_metrics } => {
                let pruned = pruning_metrics.pruned() as u64;
                match name.as_ref() {
                    "page_index_rows_pruned" => self.rows_filtered += pruned,
                    "files_ranges_pruned_statistics" => self.files_passed_over += pruned,
                    "row_groups_pruned_statistics" => {
                        self.groups_seen += pruned + pruning_metrics.matched() as u64;
                        self.groups_passed_over += pruned;
                    }
                    "row_groups_pruned_bloom_filter" | "limit_pruned_row_groups" => self.groups_passed_over += pruned,
                    _ => {}
                }
            }
            _ => {}
        }
    }

    /// Rows of `rows` in `n_files` files of Parquet that need not be read. Files, and the groups of rows in a file, are
    /// taken as of one size.
    fn rows_passed_over(&self, rows: u64, n_files: usize) -> f64 {
        let n_files = n_files.max(1) as f64;
        let files = (self.files_passed_over as f64).min(n_files);
        let opened = (self.files_opened as f64 - files).clamp(0.0, n_files - files);
        let groups = match self.groups_seen {
            0 => 0.0,
            seen => (self.groups_passed_over as f64 / seen as f64).min(1.0),
        };
        self.rows_filtered as f64 + rows as f64 * (files + opened * groups) / n_files
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(total: Total, rows_read: u64, measured: Measured) -> Option<f64> {
        let mut all = Part::default();
        all.add(total.part(rows_read, &measured, false));
        all.fraction()
    }

    #[test]
    fn the_share_of_a_scan_follows_what_it_counts() {
        let none = Measured::default();
        assert_eq!(share(Total::Rows { rows: 200, bytes: 10 }, 50, none), Some(0.25));
        assert_eq!(share(Total::Bytes(400), 50, Measured { bytes: 100, ..none }), Some(0.25));
        assert_eq!(share(Total::Unknown, 50, none), None);
        let parquet = Total::Parts { bytes: 1000, rows: Some(400), n_files: 4 };
        assert_eq!(share(parquet, 100, none), Some(0.25));
        assert_eq!(share(parquet, 50, Measured { rows_filtered: 50, ..none }), Some(0.25));
        // One file was passed over as a whole; of the other that was opened, half of the groups.
        let passed = Measured { files_opened: 2, files_passed_over: 1, groups_seen: 8, groups_passed_over: 4, ..none };
        assert_eq!(share(parquet, 50, passed), Some(0.5));
        assert_eq!(share(Total::Parts { bytes: 1000, rows: None, n_files: 4 }, 100, none), None);
        let mut all = Part::default();
        all.add(parquet.part(10, &none, true));
        assert_eq!(all.fraction(), Some(1.0));
    }

    #[test]
    fn scans_weigh_by_their_bytes_and_one_unknown_hides_all() {
        let mut all = Part::default();
        assert_eq!(all.fraction(), None);
        all.add(Total::Bytes(300).part(0, &Measured::default(), false));
        all.add(Total::Rows { rows: 10, bytes: 100 }.part(10, &Measured::default(), false));
        assert_eq!(all.fraction(), Some(0.25));
        all.add(None);
        assert_eq!(all.fraction(), None);
    }
}
