//! Which form a plan takes, and how many partitions it has in stages.

use std::sync::Arc;

use datafusion::datasource::physical_plan::FileScanConfig;
use datafusion::datasource::source::DataSourceExec;
use datafusion::execution::memory_pool::MemoryPool;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::joins::{CrossJoinExec, HashJoinExec, NestedLoopJoinExec};
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::statistics::StatisticsContext;
use datafusion::physical_plan::windows::{BoundedWindowAggExec, WindowAggExec};

use super::explain::estimated_bytes;
use super::source::SourceExec;
use crate::memory::limit_bytes;

/// What the operators of a plan may hold at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Needs {
    /// Together, in bytes.
    all_bytes: usize,
    /// The one that may hold most.
    largest_bytes: usize,
}

/// Bytes that operators hold for one byte of rows: the rows, and tables and keys of them.
const GROWTH: usize = 2;

/// Bytes of rows for one byte in a file that says nothing else of them.
const FILE_GROWTH: usize = 2;

/// Partitions of a staged plan, for each thread at the least and in all at the most.
const PARTITIONS_MIN: usize = 4;
const PARTITIONS_MAX: usize = 256;

/// The part of the limit that operators may plan to hold when all partitions run at once.
const PIPELINED_SHARE: usize = 4;

impl Needs {
    /// By the statistics of what the operators read, or by the sizes of files where there are none.
    pub(super) fn of(plan: &Arc<dyn ExecutionPlan>, pool: &dyn MemoryPool) -> Self {
        // What all scans bring in fits most of the time; then nothing is asked of the operators, which takes time.
        let most = Self::with(plan, None);
        if most.are_large(pool) { Self::with(plan, Some(&StatisticsContext::new())) } else { most }
    }

    fn with(plan: &Arc<dyn ExecutionPlan>, statistics: Option<&StatisticsContext>) -> Self {
        let mut needs = Self { all_bytes: 0, largest_bytes: 0 };
        needs.add(plan, statistics);
        needs
    }

    /// Adds what `plan` may hold; gives the bytes of its rows. Without statistics, operators pass on what they read.
    fn add(&mut self, plan: &Arc<dyn ExecutionPlan>, statistics: Option<&StatisticsContext>) -> usize {
        let children: Vec<usize> = plan.children().into_iter().map(|child| self.add(child, statistics)).collect();
        let input: usize = children.iter().sum();
        let held = if let Some(aggregate) = plan.downcast_ref::<AggregateExec>() {
            if aggregate.group_expr().is_empty() { 0 } else { input }
        } else if let Some(sort) = plan.downcast_ref::<SortExec>() {
            if sort.fetch().is_some() { 0 } else { input }
        } else if plan.is::<WindowAggExec>() || plan.is::<BoundedWindowAggExec>() {
            input
        } else if plan.is::<HashJoinExec>() || plan.is::<NestedLoopJoinExec>() || plan.is::<CrossJoinExec>() {
            children.first().copied().unwrap_or(0)
        } else if plan.is::<SourceExec>() {
            // In one piece all of it may be there before it is read.
            estimated_bytes(plan.as_ref(), &StatisticsContext::new()).unwrap_or(0)
        } else {
            0
        };
        self.all_bytes = self.all_bytes.saturating_add(held);
        self.largest_bytes = self.largest_bytes.max(held);
        if children.is_empty() {
            let known = estimated_bytes(plan.as_ref(), &StatisticsContext::new()).or_else(|| file_bytes(plan));
            return known.unwrap_or(0).saturating_mul(GROWTH);
        }
        // Estimates of operators are guesses; they only ever lower what comes in.
        let known = statistics.and_then(|statistics| estimated_bytes(plan.as_ref(), statistics));
        known.map_or(input, |bytes| bytes.saturating_mul(GROWTH).min(input.max(1)))
    }

    /// Whether operators may need more than what a pipelined plan can have of the limit.
    pub(super) fn are_large(&self, pool: &dyn MemoryPool) -> bool {
        self.all_bytes > limit_bytes(pool) / PIPELINED_SHARE
    }

    /// So many partitions that one for each thread fits.
    pub(super) fn n_partitions(&self, pool: &dyn MemoryPool, threads: usize) -> usize {
        let threads = threads.max(1);
        let wanted = self.largest_bytes.div_ceil((limit_bytes(pool) / (4 * threads)).max(1));
        wanted.clamp(PARTITIONS_MIN * threads, PARTITIONS_MAX.max(PARTITIONS_MIN * threads))
    }
}

/// Bytes of rows of one partition of which a join makes a table: with one for each thread, half of the limit is left.
pub(super) fn table_bytes_max(pool: &dyn MemoryPool, threads: usize) -> usize {
    limit_bytes(pool) / (2 * GROWTH * threads.max(1))
}

/// The bytes of the rows of a scan, by its files.
fn file_bytes(plan: &Arc<dyn ExecutionPlan>) -> Option<usize> {
    let source = plan.downcast_ref::<DataSourceExec>()?;
    let config = source.data_source().downcast_ref::<FileScanConfig>()?;
    let files = config.file_groups.iter().flat_map(|group| group.iter());
    let bytes = files.map(|file| file.effective_size()).sum::<u64>();
    Some(usize::try_from(bytes).ok()?.saturating_mul(FILE_GROWTH))
}
