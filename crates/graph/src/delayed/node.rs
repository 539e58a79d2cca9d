//! Calls that have not been made yet, and what they wait for.

use std::any::TypeId;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::awaited::Awaited;
use super::idx_map::IdxMap;
use super::template::Template;
use crate::{TaskContext, TaskOptions, TaskResult, ValueRef};

/// A delayed value: how to make it, and the delayed values that needs.
pub(crate) struct Node {
    /// Tells nodes apart in keys; larger than the ids of all nodes it needs.
    pub(crate) id: u64,
    pub(crate) label: Arc<str>,
    pub(crate) kind: Kind,
    /// Other nodes, none twice. Empty unless the kind is a call.
    pub(crate) needs: Vec<Arc<Node>>,
    /// How the call is run, where the usual way will not do.
    pub(crate) options: Option<Box<TaskOptions>>,
    pub(crate) result: ResultType,
}

/// How the value of a node comes about.
pub(crate) enum Kind {
    Call(Box<dyn Call>),
    Value(ValueRef),
    /// What comes about elsewhere.
    Awaited(Arc<dyn Awaited>),
    /// Whatever a raw graph has under the node's label.
    Key,
}

/// The Rust type of a node's value, as something that says what it is: nodes are many, and should be small.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ResultType(fn() -> (TypeId, &'static str));

impl ResultType {
    pub(crate) fn of<T: 'static>() -> Self {
        Self(|| (TypeId::of::<T>(), std::any::type_name::<T>()))
    }

    pub(crate) fn id(self) -> TypeId {
        self.0().0
    }

    pub(crate) fn name(self) -> &'static str {
        self.0().1
    }
}

/// A function with its arguments.
pub(crate) trait Call: Send + Sync {
    /// Makes the call; `inputs` are the values of the nodes it needs, in their order. May be repeated.
    fn run(&self, inputs: &[ValueRef], context: &TaskContext) -> TaskResult;

    /// The call as the name of a registered function and its arguments; `None` for a function of this process.
    fn remote(&self) -> Option<(&str, Template)>;
}

impl Node {
    pub(crate) fn new(label: Arc<str>, kind: Kind, needs: Vec<Arc<Self>>, result: ResultType) -> Self {
        static NEXT_ID: AtomicU64 = AtomicU64::new(0);
        Self { id: NEXT_ID.fetch_add(1, Ordering::Relaxed), label, kind, needs, options: None, result }
    }

    /// The name of the node in errors and pictures.
    pub(crate) fn key(&self) -> String {
        format!("{}-{}", self.label, self.id)
    }
}

impl Drop for Node {
    /// Takes the nodes apart one by one: a long chain would otherwise use up the stack.
    fn drop(&mut self) {
        let mut stack = std::mem::take(&mut self.needs);
        while let Some(node) = stack.pop() {
            if let Some(mut node) = Arc::into_inner(node) {
                stack.append(&mut node.needs);
            }
        }
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.key())
    }
}

/// The nodes that a call will need, collected while its arguments are taken apart.
#[derive(Debug, Default)]
pub struct Needs {
    nodes: Vec<Arc<Node>>,
    /// Where each node stands, once they are too many to look through.
    positions: IdxMap,
    is_single_use: bool,
}

/// As many nodes are looked through one by one.
const N_SEARCHED_MAX: usize = 8;

impl Needs {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// The needs of a call that is made once and then forgotten.
    pub(crate) fn for_single_use() -> Self {
        Self { is_single_use: true, ..Self::default() }
    }

    /// Whether the call is made in one graph only, as soon as it is submitted: an argument may then give up what it holds
    /// when that graph has run.
    #[must_use]
    pub fn is_single_use(&self) -> bool {
        self.is_single_use
    }

    /// The position of `node`, which is added unless it is there.
    pub(crate) fn add(&mut self, node: &Arc<Node>) -> u32 {
        let next = u32::try_from(self.nodes.len()).expect("a call needs fewer than 2^32 values");
        if self.nodes.len() < N_SEARCHED_MAX {
            if let Some(known) = self.nodes.iter().position(|other| Arc::ptr_eq(other, node)) {
                return u32::try_from(known).expect("smaller than the length");
            }
        } else {
            if self.nodes.len() == N_SEARCHED_MAX {
                (0..).zip(&self.nodes).for_each(|(position, node)| self.positions.insert(node.id, position));
            }
            if let Some(known) = self.positions.get(node.id) {
                return known;
            }
            self.positions.insert(node.id, next);
        }
        self.nodes.push(Arc::clone(node));
        next
    }

    pub(crate) fn into_nodes(self) -> Vec<Arc<Node>> {
        self.nodes
    }
}
