//! Computing delayed values on an executor.

use std::sync::Arc;

use thiserror::Error;

use super::Delayed;
use super::arg::Arg;
use super::computable::Computable;
use super::lower::{Keys, LowerError, Lowered, lower};
use super::node::Needs;
use super::plain::Shared;
use crate::{Executor, GraphRun, RunError, SubmitError, SubmitOptions, TaskError, TaskId};

/// Computes what is delayed in `what`, and waits for it: a delayed value, or a collection of delayed values, which comes
/// back with their results in it. What several of them need is computed once.
///
/// A task that is given its [`TaskContext`](crate::TaskContext) passes that as the executor.
///
/// ```
/// use dolmen_graph::{InlineExecutor, compute, delayed};
///
/// let double = delayed(|x: u32| 2 * x);
/// let two = double.call(1);
/// let four = double.call(&two);
/// let (two, rest) = compute(&InlineExecutor::new(), (two, vec![four.clone(), double.call(four)]))?;
/// assert_eq!((two, rest), (2, vec![4, 8]));
/// # Ok::<(), dolmen_graph::ComputeError>(())
/// ```
///
/// # Errors
/// [`ComputeError`] if the values cannot be lowered or submitted, or if a task fails.
pub fn compute<X>(executor: &dyn Executor, what: X) -> Result<X::Output, ComputeError>
where
    X: Computable<Output: Clone>,
{
    Pending::start(executor, what, &Keys::default())?.wait()
}

/// As [`compute`], without blocking the thread. The graph is submitted at once, before the future is polled; dropping the
/// future cancels it.
///
/// # Errors
/// [`ComputeError`] at once if the values cannot be lowered or submitted, from the future if a task fails.
pub fn compute_async<X>(
    executor: &dyn Executor,
    what: X,
) -> Result<impl Future<Output = Result<X::Output, ComputeError>> + Send + use<X>, ComputeError>
where
    X: Computable<Output: Clone>,
{
    let pending = Pending::start(executor, what, &Keys::default())?;
    Ok(async move { pending.values().await })
}

/// A submitted graph, and what its results are put into.
pub(super) struct Pending<X: Computable> {
    parts: X::Arg,
    run: Arc<dyn GraphRun>,
    results: Vec<TaskId>,
}

impl<X: Computable<Output: Clone>> Pending<X> {
    pub(super) fn start(executor: &dyn Executor, what: X, keys: &Keys) -> Result<Self, ComputeError> {
        let mut needs = Needs::new();
        let parts = what.into_parts(&mut needs);
        let (graph, results) = lower(&needs.into_nodes(), keys)?.into_parts();
        let run = executor.submit(graph, SubmitOptions::default())?;
        Ok(Self { parts, run, results })
    }

    pub(super) fn wait(&self) -> Result<X::Output, ComputeError> {
        let value = |task: &TaskId| self.run.wait_value(*task, None).unwrap_or(Err(RunError::Closed));
        let values = self.results.iter().map(value).collect::<Result<Vec<_>, _>>()?;
        Ok(self.parts.get(&values)?.into_owned())
    }

    async fn values(self) -> Result<X::Output, ComputeError> {
        let mut values = Vec::with_capacity(self.results.len());
        for task in &self.results {
            values.push(self.run.value(*task).await?);
        }
        Ok(self.parts.get(&values)?.into_owned())
    }
}

impl<T: Send + Sync + 'static> Delayed<T> {
    /// Computes the value and waits for it.
    ///
    /// # Errors
    /// As [`compute`].
    pub fn compute(&self, executor: &dyn Executor) -> Result<T, ComputeError>
    where
        T: Clone,
    {
        compute(executor, self)
    }

    /// Computes the value and waits for it, without a copy of the result.
    ///
    /// # Errors
    /// As [`compute`].
    pub fn compute_shared(&self, executor: &dyn Executor) -> Result<Shared<T>, ComputeError> {
        let (graph, results) = self.lower()?.into_parts();
        let run = executor.submit(graph, SubmitOptions::default())?;
        let value = run.wait_value(results[0], None).unwrap_or(Err(RunError::Closed))?;
        Ok(Shared::from_value(value)?)
    }

    /// Computes the value now, and gives a delayed value that has it.
    ///
    /// # Errors
    /// As [`compute`].
    pub fn persist(&self, executor: &dyn Executor) -> Result<Self, ComputeError> {
        Ok(Self::shared(self.compute_shared(executor)?))
    }

    /// The graph that computes the value.
    ///
    /// # Errors
    /// As [`lower_delayed`].
    pub fn lower(&self) -> Result<Lowered, LowerError> {
        lower_delayed(self)
    }
}

/// The graph that computes everything delayed in `what`, for pictures or to be run later.
///
/// # Errors
/// [`LowerError`] if a value uses keys, which have a meaning in a [`RawGraph`](crate::RawGraph) only, or if there are too
/// many.
pub fn lower_delayed<X: Computable>(what: X) -> Result<Lowered, LowerError> {
    let mut needs = Needs::new();
    what.into_parts(&mut needs);
    lower(&needs.into_nodes(), &Keys::default())
}

/// Why delayed values have no result.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum ComputeError {
    /// They are no sound graph.
    #[error(transparent)]
    Lower(#[from] LowerError),
    /// The executor did not take them.
    #[error(transparent)]
    Submit(#[from] SubmitError),
    /// A task failed, or the run was cancelled.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The executor gave a value of another type than the task makes.
    #[error(transparent)]
    Result(#[from] TaskError),
}
