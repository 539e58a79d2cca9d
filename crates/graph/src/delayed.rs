//! Delayed values: calls of plain functions that are made later, in parallel.

mod arg;
mod awaited;
mod call;
mod calls;
mod collections;
mod computable;
mod compute;
mod found;
mod function;
mod idx_map;
mod lower;
mod node;
mod plain;
mod raw;
mod remote;
mod template;
mod tuples;

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

pub use arg::{Arg, ByDelayed, ByShared, ByValue, DeferredArg, EncodeArg, Held, IntoArg, Of, Parts};
pub use awaited::Awaited;
pub use call::{DelayedFn, delayed, delayed_ref, delayed_with_context};
pub(crate) use calls::RemoteCalls;
pub use computable::Computable;
pub use compute::{ComputeError, compute, compute_async, lower_delayed};
pub use function::{Alone, Args, EncodeArgs, Function, IntoArgs, Params, Refs, Values, WithContext};
pub use lower::{LowerError, Lowered};
pub use node::Needs;
use node::Node;
pub(crate) use plain::register_usual_types;
pub use plain::{Plain, Shared};
pub use raw::{RawGraph, key};
pub(crate) use remote::ErasedFunction;
pub use remote::RegisteredFn;
pub use template::Template;

/// A value that will be computed when it is asked for, by an executor and in parallel with others.
///
/// Cloning it copies a pointer; all clones are computed once in a graph.
///
/// What a value is cannot be known before it is computed. So it cannot be changed, iterated over or used as a condition,
/// and the compiler says so:
///
/// ```compile_fail
/// # use dolmen_graph::Delayed;
/// let mut x = Delayed::value(1);
/// x += 1;
/// ```
/// ```compile_fail
/// # use dolmen_graph::Delayed;
/// for x in Delayed::value(vec![1, 2, 3]) {}
/// ```
/// ```compile_fail
/// # use dolmen_graph::Delayed;
/// if Delayed::value(true) {}
/// ```
///
/// A call that does so on the value itself takes its place, see [`delayed`]; a loop or condition over results comes after
/// [`compute`].
pub struct Delayed<T> {
    node: Arc<Node>,
    value: PhantomData<fn() -> T>,
}

impl<T> Delayed<T> {
    fn from_node(node: Arc<Node>) -> Self {
        Self { node, value: PhantomData }
    }

    fn node(&self) -> &Arc<Node> {
        &self.node
    }

    fn into_node(self) -> Arc<Node> {
        self.node
    }

    /// The key of its task in errors and pictures: the name of the function and a number.
    #[must_use]
    pub fn key(&self) -> String {
        self.node.key()
    }
}

impl<T> Clone for Delayed<T> {
    fn clone(&self) -> Self {
        Self::from_node(Arc::clone(&self.node))
    }
}

impl<T> fmt::Debug for Delayed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Delayed({})", self.key())
    }
}

#[cfg(test)]
mod tests;
