use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use datafusion::execution::TaskContext;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::physical_plan::metrics::MetricsSet;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};

use super::Progress;
use super::bytes::FilesRead;
use super::peak::Peak;
use super::scan::{Measured, Part, Total, file_scan, is_parquet, is_scan};

/// What one operator of a plan has done.
///
/// It does not hold the operator, whose state may be large: what it has counted is taken over when it goes.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    is_scan: bool,
    is_analyzed: bool,
    rows: AtomicU64,
    n_partitions: usize,
    n_partitions_done: AtomicUsize,
    /// Of a scan of files that does not count its bytes itself.
    files: Option<Arc<FilesRead>>,
    /// Of an operator that is analysed.
    peak: Option<Arc<Peak>>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The operator, while it is watched and there.
    operator: Option<Weak<dyn ExecutionPlan>>,
    total: Option<Total>,
    /// What it had counted when it went, and, if it is analysed, everything that it told then.
    last: Measured,
    metrics: Option<MetricsSet>,
}

impl Meter {
    /// Of `operator`. If it is analysed, its memory is counted as well.
    pub(crate) fn new(operator: &dyn ExecutionPlan, is_analyzed: bool) -> Self {
        let counts_no_bytes = file_scan(operator).is_some_and(|config| !is_parquet(config));
        Self {
            is_scan: is_scan(operator),
            is_analyzed,
            n_partitions: operator.output_partitioning().partition_count(),
            files: counts_no_bytes.then(Arc::default),
            peak: (is_analyzed && !counts_no_bytes).then(Arc::default),
            ..Self::default()
        }
    }

    /// Of another operator in the place of this one's.
    pub(crate) fn of_other(&self, operator: &dyn ExecutionPlan) -> Self {
        Self::new(operator, self.is_analyzed)
    }

    /// Whether it counts the rows of its operator.
    pub(crate) fn is_of_scan(&self) -> bool {
        self.is_scan
    }

    pub(crate) fn add_rows(&self, n_rows: usize) {
        self.rows.fetch_add(n_rows as u64, Ordering::Relaxed);
    }

    /// A partition has given its last row, or nobody wants more of it.
    pub(crate) fn end_partition(&self) {
        self.n_partitions_done.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether the operator runs in a [`context`](Self::context) of its own.
    pub(crate) fn changes_context(&self) -> bool {
        self.files.is_some() || self.peak.is_some()
    }

    /// The context in which what the operator does is counted.
    pub(crate) fn context(&self, context: &TaskContext) -> TaskContext {
        match (&self.files, &self.peak) {
            (Some(files), _) => files.counting(context),
            (None, Some(peak)) => peak.counting(context),
            (None, None) => with_runtime(context, context.runtime_env()),
        }
    }

    /// `metrics` with the most memory that the operator held, if it held any and that was counted.
    pub(crate) fn with_peak(&self, metrics: Option<MetricsSet>) -> Option<MetricsSet> {
        match self.peak.as_ref().and_then(|peak| peak.metric()) {
            Some(peak) => {
                let mut metrics = metrics.unwrap_or_default();
                metrics.push(Arc::new(peak));
                Some(metrics)
            }
            None => metrics,
        }
    }

    /// Looks at `operator` from now on; nobody knows how often one that `recurs` is run.
    pub(crate) fn watch(&self, operator: &Arc<dyn ExecutionPlan>, recurs: bool) {
        let total = self.is_scan.then(|| if recurs { Total::Unknown } else { Total::of(operator) });
        let mut state = self.state();
        state.operator = Some(Arc::downgrade(operator));
        state.total = total;
    }

    /// Takes over what `operator` has counted, as it goes.
    pub(crate) fn settle(&self, operator: &Arc<dyn ExecutionPlan>) {
        let mut state = self.state();
        if state.operator.as_ref().is_some_and(|watched| std::ptr::addr_eq(watched.as_ptr(), Arc::as_ptr(operator))) {
            state.operator = None;
            state.last = self.measure(operator.as_ref());
            state.metrics = if self.is_analyzed { operator.metrics() } else { None };
        }
        if let Some(files) = &self.files {
            files.close();
        }
    }

    /// Everything that the operator counts, if it is analysed.
    pub(crate) fn metrics(&self) -> Option<MetricsSet> {
        let state = self.state();
        self.with_peak(match state.operator.as_ref().and_then(Weak::upgrade) {
            Some(operator) => operator.metrics(),
            None => state.metrics.clone(),
        })
    }

    pub(super) fn add_to(&self, progress: &mut Progress, read: &mut Part) {
        let state = self.state();
        let measured = match state.operator.as_ref().and_then(Weak::upgrade) {
            Some(operator) => self.measure(operator.as_ref()),
            None => state.last,
        };
        progress.spilled_bytes += measured.spilled_bytes;
        if let Some(total) = &state.total {
            let rows = self.rows.load(Ordering::Relaxed);
            progress.rows_read += rows;
            let is_done = self.n_partitions_done.load(Ordering::Relaxed) >= self.n_partitions;
            read.add(total.part(rows, &measured, is_done));
            if let Some(bytes) = total.file_bytes() {
                progress.bytes_read += measured.bytes.min(bytes);
                *progress.bytes_total.get_or_insert(0) += bytes;
            }
        }
    }

    fn measure(&self, operator: &dyn ExecutionPlan) -> Measured {
        let mut measured = Measured::of(operator);
        if let Some(files) = &self.files {
            measured.bytes = files.bytes();
        }
        measured
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The context with another runtime.
pub(super) fn with_runtime(context: &TaskContext, runtime: Arc<RuntimeEnv>) -> TaskContext {
    TaskContext::new(
        context.task_id(),
        context.session_id(),
        context.session_config().clone(),
        context.scalar_functions().clone(),
        context.higher_order_functions().clone(),
        context.aggregate_functions().clone(),
        context.window_functions().clone(),
        runtime,
    )
}
