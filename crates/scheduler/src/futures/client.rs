//! Submitting calls.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use dolmen_graph::{
    Delayed, DelayedFn, EncodeArgs, Executor, Function, IntoArgs, LowerError, Lowered, Params, RegisteredFn,
    SubmitOptions, TaskContext, Values, delayed, lower_delayed,
};

use super::TaskFuture;
use super::job::Job;

/// Submits calls to an executor and gives futures of their results.
///
/// Functions and arguments are those of [`delayed`]; arguments may also be futures, and collections with futures in them.
/// A call whose arguments are futures starts when they have finished, and fails with their error if one of them fails.
///
/// ```
/// use std::sync::Arc;
///
/// use dolmen_scheduler::{Client, SyncExecutor, as_completed, gather};
///
/// let client = Client::new(Arc::new(SyncExecutor::new()));
/// let x = client.submit(|x: u64| x + 1, 10);
/// let y = client.submit(|x: u64, y: u64| x * y, (&x, 2));
/// assert_eq!(*y.result()?, 22);
///
/// let squares = client.map(|x: u64| x * x, 0..4);
/// let total = client.submit(|squares: Vec<u64>| squares.iter().sum::<u64>(), squares.clone());
/// assert_eq!(*total.result()?, 14);
/// assert_eq!(gather(&squares)?.iter().map(|x| **x).collect::<Vec<_>>(), [0, 1, 4, 9]);
/// for future in as_completed(squares) {
///     assert!(*future.result()? < 10);
/// }
/// # Ok::<(), dolmen_scheduler::FutureError>(())
/// ```
#[derive(Clone)]
pub struct Client {
    executor: Arc<dyn Executor>,
    name: Option<Arc<str>>,
    retries: u32,
    timeout: Option<Duration>,
    priority: i32,
}

/// A function, of any kind, with the settings of a client.
macro_rules! set {
    ($client:expr, $function:expr) => {{
        let mut function = $function;
        if let Some(name) = &$client.name {
            function = function.named(name);
        }
        if $client.retries > 0 {
            function = function.retries($client.retries);
        }
        match $client.timeout {
            Some(timeout) => function.timeout(timeout),
            None => function,
        }
    }};
}

impl Client {
    /// A client of `executor`.
    #[must_use]
    pub fn new(executor: Arc<dyn Executor>) -> Self {
        Self { executor, name: None, retries: 0, timeout: None, priority: 0 }
    }

    /// A client for calls that a task submits itself. While the task waits for them, its worker runs them.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use dolmen_graph::{TaskContext, compute, delayed_with_context};
    /// use dolmen_scheduler::{Client, FutureError, SyncExecutor};
    ///
    /// let outer = delayed_with_context(|context: &TaskContext, n: u64| {
    ///     let client = Client::in_task(context);
    ///     let parts = client.map(|x: u64| x + 1, 0..n);
    ///     let total = client.submit(|parts: Vec<u64>| parts.iter().sum::<u64>(), parts);
    ///     Ok::<u64, FutureError>(*total.result()?)
    /// });
    /// assert_eq!(compute(&SyncExecutor::new(), outer.try_call(4))?, 10);
    /// # Ok::<(), dolmen_graph::ComputeError>(())
    /// ```
    #[must_use]
    pub fn in_task(context: &TaskContext) -> Self {
        Self::new(Arc::new(context.clone()))
    }

    /// The client with so many further attempts after errors that are
    /// [transient](dolmen_graph::TaskError::is_transient).
    #[must_use]
    pub fn retries(mut self, retries: u32) -> Self {
        self.retries = retries;
        self
    }

    /// The client with a time that one attempt may take.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// The client with a priority of its calls; higher ones start first.
    #[must_use]
    pub fn priority(mut self, priority: i32) -> Self {
        self.priority = priority;
        self
    }

    /// The client with a name for its calls in keys, errors and events; otherwise they have the name of the Rust function.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        self.name = Some(name.into());
        self
    }

    /// The executor.
    #[must_use]
    pub fn executor(&self) -> &Arc<dyn Executor> {
        &self.executor
    }

    /// Starts a call of `function` with `args`: a tuple of arguments, or the argument where there is one.
    pub fn submit<F, P, M, X>(&self, function: F, args: X) -> TaskFuture<F::Output>
    where
        P: Params,
        F: Function<Values, P>,
        X: IntoArgs<P, M>,
    {
        self.compute(&self.function(function).call_once(args))
    }

    /// As [`submit`](Self::submit), for a function that may fail.
    pub fn try_submit<F, P, M, X, R, E>(&self, function: F, args: X) -> TaskFuture<R>
    where
        P: Params,
        F: Function<Values, P, Output = Result<R, E>>,
        X: IntoArgs<P, M>,
        R: Send + Sync + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.compute(&self.function(function).try_call_once(args))
    }

    /// Starts a call of a function that other processes have too, so that the call can be sent to them.
    pub fn submit_registered<F, P, M, X, R>(&self, function: &RegisteredFn<F, P, R>, args: X) -> TaskFuture<R>
    where
        P: Params,
        F: Function<Values, P>,
        X: IntoArgs<P, M>,
        X::Args: EncodeArgs,
        R: Send + Sync + 'static,
    {
        let function = set!(self, function.clone());
        self.compute(&function.call_once(args))
    }

    /// Starts a call for each element of `args`.
    pub fn map<F, P, M, X>(&self, function: F, args: impl IntoIterator<Item = X>) -> Vec<TaskFuture<F::Output>>
    where
        P: Params,
        F: Function<Values, P>,
        X: IntoArgs<P, M>,
    {
        let function = self.function(function);
        args.into_iter().map(|args| self.compute(&function.call_once(args))).collect()
    }

    /// Starts to compute a delayed value.
    pub fn compute<T: Send + Sync + 'static>(&self, value: &Delayed<T>) -> TaskFuture<T> {
        TaskFuture::new(self.start(vec![value.key()], value.lower()), 0)
    }

    /// Starts to compute `value` and keeps the result: gives a delayed value that has it, for later graphs. The result is
    /// freed when the last delayed value that uses it is dropped.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use dolmen_graph::{compute, delayed};
    /// use dolmen_scheduler::{Client, SyncExecutor};
    ///
    /// let executor = Arc::new(SyncExecutor::new());
    /// let client = Client::new(Arc::clone(&executor) as _);
    /// let data = client.persist(&delayed(|n: u64| (0..n).collect::<Vec<_>>()).call(100));
    /// let total = delayed(|data: Vec<u64>| data.iter().sum::<u64>()).call(&data);
    /// assert_eq!(compute(&*executor, total)?, 4950);
    /// # Ok::<(), dolmen_graph::ComputeError>(())
    /// ```
    #[must_use]
    pub fn persist<T: Send + Sync + 'static>(&self, value: &Delayed<T>) -> Delayed<T> {
        self.compute(value).delayed()
    }

    /// As [`persist`](Self::persist) of several values, in one graph: what they share is computed once.
    pub fn persist_all<'a, T: Clone + Send + Sync + 'static>(
        &self,
        values: impl IntoIterator<Item = &'a Delayed<T>>,
    ) -> Vec<Delayed<T>> {
        let values: Vec<Delayed<T>> = values.into_iter().cloned().collect();
        let mut idx_of = HashMap::new();
        let mut distinct: Vec<Delayed<T>> = Vec::new();
        let mut result_idxs = Vec::with_capacity(values.len());
        for value in values {
            // A value that is given twice is one result.
            let idx = *idx_of.entry(value.key()).or_insert(distinct.len());
            result_idxs.push(idx);
            if idx == distinct.len() {
                distinct.push(value);
            }
        }
        let keys = distinct.iter().map(Delayed::key).collect();
        let job = self.start(keys, lower_delayed(distinct));
        result_idxs.into_iter().map(|result_idx| TaskFuture::new(Arc::clone(&job), result_idx).delayed()).collect()
    }

    /// A future that has `value`, for use in any number of calls without a copy. An executor whose workers are other
    /// processes takes values of registered types only, see [`OpRegistry::register_type`](dolmen_graph::OpRegistry::register_type).
    pub fn scatter<T: Send + Sync + 'static>(&self, value: T) -> TaskFuture<T> {
        self.compute(&Delayed::value(value))
    }

    fn function<F: Send + Sync + 'static>(&self, function: F) -> DelayedFn<F, Values> {
        set!(self, delayed(function))
    }

    fn start(&self, keys: Vec<String>, lowered: Result<Lowered, LowerError>) -> Arc<Job> {
        let name = self.name.as_deref().map(str::to_owned);
        let options = SubmitOptions { priority: self.priority, name, ..SubmitOptions::default() };
        Job::start(Arc::clone(&self.executor), options, keys, lowered)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("executor", &self.executor.name()).finish_non_exhaustive()
    }
}
