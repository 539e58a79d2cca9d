//! Graphs written down key by key.

use std::sync::Arc;

use super::Delayed;
use super::arg::IntoArg;
use super::call::delayed;
use super::computable::Computable;
use super::compute::{ComputeError, Pending};
use super::lower::{Keys, LowerError, Lowered, lower};
use super::node::{Kind, Needs, Node, ResultType};
use super::plain::Shared;
use crate::Executor;

/// The value that a raw graph has under `name`, to be used in the arguments of calls. Which type it is follows from where
/// it is used.
///
/// What the key stands for is looked up when the graph is computed, so that keys may be used before they are inserted.
#[must_use]
pub fn key<T: Send + Sync + 'static>(name: &str) -> Delayed<T> {
    Delayed::from_node(Arc::new(Node::new(name.into(), Kind::Key, Vec::new(), ResultType::of::<T>())))
}

/// A graph given key by key, in any order, as Dask's dictionaries are.
///
/// ```
/// use dolmen_graph::{Delayed, InlineExecutor, RawGraph, delayed, key};
///
/// let add = delayed(|a: i64, b: i64| a + b);
/// let sum = delayed(|numbers: Vec<i64>| numbers.iter().sum::<i64>());
///
/// let mut graph = RawGraph::new();
/// graph.insert_value("x", 1_i64);
/// graph.insert_value("y", 2_i64);
/// graph.insert("z", add.call((key("x"), key("y"))));
/// graph.insert("w", sum.call(vec![key("x"), key("y"), key("z")]));
/// graph.insert("v", Delayed::gather(vec![sum.call(vec![key("w"), key("z")]), Delayed::value(2)]));
///
/// let executor = InlineExecutor::new();
/// assert_eq!(graph.get::<i64>("z", &executor)?, 3);
/// assert_eq!(graph.get::<i64>("w", &executor)?, 6);
/// assert_eq!(graph.get::<Vec<i64>>("v", &executor)?, [9, 2]);
/// # Ok::<(), dolmen_graph::ComputeError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct RawGraph {
    keys: Keys,
}

impl RawGraph {
    /// A graph without keys.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Says what `name` stands for; what it stood for before is forgotten.
    pub fn insert<T>(&mut self, name: &str, value: Delayed<T>) {
        self.keys.insert(name.into(), value.into_node());
    }

    /// Says that `name` stands for `value`.
    pub fn insert_value<T: Send + Sync + 'static>(&mut self, name: &str, value: T) {
        self.insert(name, Delayed::value(value));
    }

    /// The number of keys.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there are no keys.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The keys in alphabetical order.
    #[must_use]
    pub fn keys(&self) -> Vec<&str> {
        let mut keys: Vec<&str> = self.keys.keys().map(|key| &**key).collect();
        keys.sort_unstable();
        keys
    }

    /// Computes what `name` stands for, and what it needs of the rest.
    ///
    /// # Errors
    /// [`ComputeError`] if a key is missing, has another type or needs itself, or if a task fails.
    pub fn get<T: Clone + Send + Sync + 'static>(
        &self,
        name: &str,
        executor: &dyn Executor,
    ) -> Result<T, ComputeError> {
        self.compute(executor, key::<T>(name))
    }

    /// Computes what is delayed in `what`, such as a tuple of [keys](key), in one graph.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn compute<X>(&self, executor: &dyn Executor, what: X) -> Result<X::Output, ComputeError>
    where
        X: Computable<Output: Clone>,
    {
        Pending::start(executor, what, &self.keys)?.wait()
    }

    /// The graph that computes `names`; with none, everything.
    ///
    /// # Errors
    /// [`LowerError`] if a key is missing, has another type or needs itself.
    pub fn lower(&self, names: &[&str]) -> Result<Lowered, LowerError> {
        let names = if names.is_empty() { self.keys() } else { names.to_vec() };
        let node = |name: &&str| {
            let unknown = || LowerError::UnknownKey { key: (*name).into(), user: "the caller".to_owned() };
            self.keys.get(*name).cloned().ok_or_else(unknown)
        };
        lower(&names.iter().map(node).collect::<Result<Vec<_>, _>>()?, &self.keys)
    }
}

impl<T: Send + Sync + 'static> Delayed<T> {
    /// A delayed value that has `value`.
    pub fn value(value: T) -> Self {
        Self::shared(Shared::new(value))
    }

    /// A delayed value that has `value`, which others may have too.
    #[must_use]
    pub fn shared(value: Shared<T>) -> Self {
        let kind = Kind::Value(value.into_value());
        Self::from_node(Arc::new(Node::new("value".into(), kind, Vec::new(), ResultType::of::<T>())))
    }

    /// One delayed value of a collection of delayed values.
    pub fn gather<X: Computable<Output = T>>(parts: X) -> Self
    where
        T: Clone,
    {
        delayed(|parts: T| parts).named("gather").call((Parts(parts),))
    }
}

/// Any collection of delayed values as an argument.
struct Parts<X>(X);

/// Marks the argument that [`Delayed::gather`] passes.
struct ByParts;

impl<X: Computable> IntoArg<X::Output, ByParts> for Parts<X> {
    type Arg = X::Arg;

    fn into_arg(self, needs: &mut Needs) -> X::Arg {
        self.0.into_parts(needs)
    }
}
