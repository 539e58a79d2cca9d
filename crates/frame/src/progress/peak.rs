//! The most memory that one operator holds at a time.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use datafusion::error::Result;
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation};
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::physical_plan::metrics::{Gauge, Metric, MetricCategory, MetricType, MetricValue};

use super::meter::with_runtime;

/// Bytes that the partitions of an operator hold together.
#[derive(Debug, Default)]
pub(super) struct Peak {
    held: AtomicUsize,
    most: AtomicUsize,
}

/// As EXPLAIN ANALYZE shows it. DataFusion's own `peak_mem_used`, which few operators have, adds up the peaks of partitions.
const NAME: &str = "peak_memory";

impl Peak {
    /// A context whose memory counts here. The operators below have contexts of their own.
    pub(super) fn counting(self: &Arc<Self>, context: &TaskContext) -> TaskContext {
        let runtime = context.runtime_env();
        let inner = match runtime.memory_pool.downcast_ref::<PeakPool>() {
            Some(of_parent) => Arc::clone(&of_parent.inner),
            None => Arc::clone(&runtime.memory_pool),
        };
        let memory_pool = Arc::new(PeakPool { inner, peak: Arc::clone(self) });
        with_runtime(context, Arc::new(RuntimeEnv { memory_pool, ..runtime.as_ref().clone() }))
    }

    /// As a metric; `None` if nothing was held.
    pub(super) fn metric(&self) -> Option<Metric> {
        let gauge = Gauge::new();
        gauge.set(self.most.load(Ordering::Relaxed));
        let is_any = gauge.value() > 0;
        let metric = Metric::new(MetricValue::PeakMemoryUsage { name: NAME.into(), gauge }, None);
        is_any.then(|| metric.with_type(MetricType::Summary).with_category(MetricCategory::Bytes))
    }

    fn grow(&self, bytes: usize) {
        let held = self.held.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.most.fetch_max(held, Ordering::Relaxed);
    }
}

/// The pool below, for one operator.
#[derive(Debug)]
struct PeakPool {
    inner: Arc<dyn MemoryPool>,
    peak: Arc<Peak>,
}

impl fmt::Display for PeakPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl MemoryPool for PeakPool {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn register(&self, consumer: &MemoryConsumer) {
        self.inner.register(consumer);
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        self.inner.unregister(consumer);
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        self.inner.grow(reservation, additional);
        self.peak.grow(additional);
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        self.inner.shrink(reservation, shrink);
        self.peak.held.fetch_sub(shrink, Ordering::Relaxed);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        self.inner.try_grow(reservation, additional)?;
        self.peak.grow(additional);
        Ok(())
    }

    fn reserved(&self) -> usize {
        self.inner.reserved()
    }

    fn memory_limit(&self) -> MemoryLimit {
        self.inner.memory_limit()
    }
}

#[cfg(test)]
mod tests {
    use datafusion::execution::memory_pool::GreedyMemoryPool;

    use super::*;

    #[test]
    fn every_operator_has_its_own_peak_over_one_pool() {
        let pool: Arc<dyn MemoryPool> = Arc::new(GreedyMemoryPool::new(1000));
        let runtime = RuntimeEnv { memory_pool: Arc::clone(&pool), ..RuntimeEnv::default() };
        let (parent, child) = (Arc::new(Peak::default()), Arc::new(Peak::default()));
        let of_parent = parent.counting(&TaskContext::default().with_runtime(Arc::new(runtime)));
        let of_child = child.counting(&of_parent);
        assert!(parent.metric().is_none());
        let a = MemoryConsumer::new("a").register(of_parent.memory_pool());
        let b = MemoryConsumer::new("b").register(of_child.memory_pool());
        a.try_grow(300).unwrap();
        b.try_grow(500).unwrap();
        assert!(a.try_grow(300).is_err());
        a.shrink(200);
        a.grow(50);
        assert_eq!(pool.reserved(), 650);
        assert_eq!(parent.metric().unwrap().to_string(), "peak_memory=300.0 B");
        assert_eq!(child.metric().unwrap().value().as_usize(), 500);
        drop((a, b));
        assert_eq!(pool.reserved(), 0);
    }
}
