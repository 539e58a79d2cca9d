//! Graphs of tasks in a session: delayed calls and futures, under its limits.

use std::sync::{Arc, Weak};
use std::time::Duration;

use dolmen_graph::{Computable, RunId, TaskContext, compute, compute_async};
use dolmen_kernels::Pool;
use dolmen_scheduler::{Client, LocalConfig, LocalExecutor, Profile, Progress};

use crate::session::{Inner, Session};
use crate::{Error, Result};

/// The part of the memory limit that may be kept, unused, for blocks of arrays to come: fresh memory costs more than using it.
const POOL_SHARE: usize = 16;
const POOL_BYTES_MAX: usize = 512 << 20;

/// What tasks know of their session; it does not keep the session alive.
struct SessionOfTasks(Weak<Inner>);

impl Session {
    /// Computes delayed values, in a tuple or a collection if there are several: what they share runs once.
    ///
    /// Dropping the future cancels it. Within a task, compute with the task's [`TaskContext`] as the executor
    /// ([`dolmen::graph::compute`](dolmen_graph::compute)), so that the scheduler knows who waits for what.
    ///
    /// # Errors
    /// [`Error::Compute`] with the key of the task that failed.
    pub async fn compute<X>(&self, what: X) -> Result<X::Output>
    where
        X: Computable<Output: Clone>,
    {
        let executor = self.executor()?;
        Ok(compute_async(executor.as_ref(), what)?.await?)
    }

    /// [`compute`](Self::compute), waiting on this thread.
    ///
    /// # Errors
    /// As there.
    pub fn compute_blocking<X>(&self, what: X) -> Result<X::Output>
    where
        X: Computable<Output: Clone>,
    {
        Ok(compute(self.executor()?.as_ref(), what)?)
    }

    /// Futures: calls that start when they are submitted.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let session = dolmen::Session::builder().threads(2).build()?;
    /// let client = session.client()?;
    /// let three = client.submit(|a: u32, b: u32| a + b, (1, 2));
    /// let six = client.submit(|n: u32| 2 * n, &three);
    /// assert_eq!(*six.result()?, 6);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Cancelled`] if the session is being closed.
    pub fn client(&self) -> Result<Client> {
        Ok(Client::new(self.executor()?))
    }

    /// What runs the session's tasks: for events, for graphs built by hand, and for clients of one's own.
    ///
    /// Values and tasks count against the session's memory limit; values that are not needed soon go to its temporary
    /// folder, if the session's [registry](crate::SessionBuilder::registry) knows their type.
    ///
    /// # Errors
    /// [`Error::Cancelled`] if the session is being closed.
    pub fn executor(&self) -> Result<Arc<LocalExecutor>> {
        let cpu = self.cpu()?.clone();
        let executor = self.inner.executor.get_or_init(|| {
            let n_workers = u32::try_from(self.inner.threads.get()).unwrap_or(u32::MAX);
            let session = Arc::new(SessionOfTasks(Arc::downgrade(&self.inner)));
            let limit_bytes = self.core().budget.limit_bytes();
            let pool = Arc::new(Pool::bounded((limit_bytes / POOL_SHARE).min(POOL_BYTES_MAX), limit_bytes));
            let config = LocalConfig::new(cpu, n_workers)
                .memory(Arc::clone(&self.core().budget), Arc::clone(&self.inner.temp))
                .registry(Arc::clone(&self.inner.registry))
                .context(move |run| run.with_service(Arc::clone(&session)).with_service(Arc::clone(&pool)));
            Arc::new(LocalExecutor::new(config))
        });
        Ok(Arc::clone(executor))
    }

    /// The session that runs a task, for queries in it. `None` if it runs elsewhere or the session is being closed.
    #[must_use]
    pub fn of_task(context: &TaskContext) -> Option<Self> {
        let session = context.service::<SessionOfTasks>()?;
        session.0.upgrade().map(|inner| Self { inner })
    }

    /// Whether this thread runs a task of the session.
    pub(crate) fn is_in_task(&self) -> bool {
        self.inner.executor.get().is_some_and(|executor| executor.is_in_task())
    }

    /// How far each graph of tasks is.
    #[must_use]
    pub fn progress(&self) -> Vec<Progress> {
        self.inner.executor.get().map_or_else(Vec::new, |executor| executor.progress())
    }

    /// What a run of a graph cost, stage by stage: time, bytes, memory. It prints as a table.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the run is not known, or no more.
    pub fn profile(&self, run: RunId) -> Result<Profile> {
        let profile = self.inner.executor.get().and_then(|executor| executor.profile(run));
        profile.ok_or_else(|| Error::invalid(format!("the session does not know a run {}", run.0)))
    }

    /// Ends what the session does, for good, and waits for what runs, at most `timeout`. Gives the keys of the tasks that
    /// still run then: a closure that does not ask whether it should stop cannot be stopped.
    ///
    /// Whoever waits for a result is told; later queries and graphs are refused. Dropping the last clone of a session does
    /// the same without waiting.
    ///
    /// ```
    /// # fn main() -> dolmen::Result<()> {
    /// let session = dolmen::Session::builder().threads(1).build()?;
    /// let still_running = session.close(std::time::Duration::from_secs(1));
    /// assert!(still_running.is_empty());
    /// assert!(session.sql("SELECT 1").rows_blocking::<i64>().is_err());
    /// # Ok(())
    /// # }
    /// ```
    pub fn close(&self, timeout: Duration) -> Vec<String> {
        self.executor().map_or_else(|_| Vec::new(), |executor| executor.close(timeout))
    }

    /// Stops every graph of tasks that runs. Later ones are taken as before; queries go on.
    pub fn cancel_tasks(&self) {
        if let Some(executor) = self.inner.executor.get() {
            executor.cancel_all();
        }
    }
}
