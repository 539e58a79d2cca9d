//! From delayed values to a graph: one stage whose tasks read each other.

use std::sync::Arc;

use indexmap::IndexMap;
use rustc_hash::FxBuildHasher;
use thiserror::Error;

use super::awaited::Awaited;
use super::calls::Calls;
use super::found::Found;
use super::node::{Kind, Node};
use crate::{GraphBuilder, GraphError, PartitionSet, Stage, StageId, Table, TaskGraph, TaskId, Wiring, WiringError};

/// The nodes of a raw graph by key, in the order in which they came: neighbours are used together, and a million of them in any
/// other order would be a million misses of the cache. The hash is fast, not safe from chosen keys: whoever writes a graph
/// runs what he likes.
pub(super) type Keys = IndexMap<Arc<str>, Arc<Node>, FxBuildHasher>;

/// A graph of delayed values.
#[derive(Debug)]
pub struct Lowered {
    graph: Arc<TaskGraph>,
    results: Vec<TaskId>,
    awaited: Vec<Arc<dyn Awaited>>,
}

impl Lowered {
    /// The graph: one stage with a task for each delayed value.
    #[must_use]
    pub fn graph(&self) -> &Arc<TaskGraph> {
        &self.graph
    }

    /// The tasks of the values that were asked for, in that order.
    #[must_use]
    pub fn results(&self) -> &[TaskId] {
        &self.results
    }

    /// What the graph uses that comes about elsewhere.
    #[must_use]
    pub fn awaited(&self) -> &[Arc<dyn Awaited>] {
        &self.awaited
    }

    pub(super) fn into_parts(self) -> (Arc<TaskGraph>, Vec<TaskId>) {
        (self.graph, self.results)
    }
}

/// Why delayed values cannot be computed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LowerError {
    /// A key is used that the raw graph does not have.
    #[error("`{user}` uses the key `{key}`, which the graph does not have")]
    UnknownKey {
        /// The key.
        key: Arc<str>,
        /// Who uses it.
        user: String,
    },
    /// A key stands for a value of another type than its user takes.
    #[error("`{user}` uses the key `{key}` as a {expected}, it is a {found}")]
    KeyType {
        /// The key.
        key: Arc<str>,
        /// Who uses it.
        user: String,
        /// The Rust type that the user takes.
        expected: &'static str,
        /// The Rust type behind the key.
        found: &'static str,
    },
    /// Keys that need each other.
    #[error("keys that need each other: {}", keys.join(" needs "))]
    Cycle {
        /// The keys, each of which needs the next; the last is the first again.
        keys: Vec<String>,
    },
    /// More values than 32 bits can number.
    #[error(transparent)]
    Wiring(#[from] WiringError),
    /// The graph is refused.
    #[error(transparent)]
    Graph(#[from] GraphError),
}

/// Lowers `roots` and everything they need; what several of them need, once.
///
/// Takes time in proportion to the number of values and of the uses of one by another.
pub(super) fn lower(roots: &[Arc<Node>], keys: &Keys) -> Result<Lowered, LowerError> {
    let mut found = Found::collect(roots, keys)?;
    let order = found.depth_first();
    let n_tasks = u32::try_from(order.len()).map_err(|_| WiringError::TooLarge)?;
    let mut partition_of = vec![0_u32; order.len()];
    for (partition, idx) in (0..).zip(&order) {
        partition_of[*idx as usize] = partition;
    }
    let partition = |idx: &u32| partition_of[*idx as usize];

    let mut ends = Vec::with_capacity(order.len());
    let mut inputs = Vec::with_capacity(found.n_needs());
    for idx in &order {
        inputs.extend(found.needs(*idx).iter().map(partition));
        ends.push(u32::try_from(inputs.len()).map_err(|_| WiringError::TooLarge)?);
    }
    let mut exceptions: Vec<_> = found.options.iter().map(|(idx, options)| (partition(idx), options.clone())).collect();
    exceptions.sort_unstable_by_key(|(partition, _)| *partition);
    let mut repeats: Vec<_> = found.repeats.drain().map(|(idx, positions)| (partition(&idx), positions)).collect();
    repeats.sort_unstable();
    let mut names = Vec::with_capacity(keys.len());
    for (key, node) in keys {
        names.extend(found.idx_of.get(node.id).map(|idx| (partition(&idx), Arc::clone(key))));
    }
    // A value with several names is called by the first.
    names.sort_unstable();
    let results: Vec<u32> = found.roots.iter().map(partition).collect();
    let awaited = found.nodes.iter().filter_map(|node| match &node.kind {
        Kind::Awaited(awaited) => Some(Arc::clone(awaited)),
        _ => None,
    });
    let awaited = awaited.collect();
    // Moved, not cloned: a clone would visit every node once more.
    let mut nodes: Vec<Option<Arc<Node>>> = found.nodes.into_iter().map(Some).collect();
    let nodes = order.iter().filter_map(|idx| nodes[*idx as usize].take()).collect();

    let mut builder = GraphBuilder::new();
    let table = Wiring::Table(Arc::new(Table::from_parts(n_tasks, ends, inputs)?));
    let mut stage = Stage::new("delayed", n_tasks, Arc::new(Calls::new(nodes, names, repeats)));
    stage.exceptions = exceptions.into();
    let stage = builder.add_stage(stage.input(StageId(0), table))?;
    builder.add_output(stage, results.iter().copied().collect::<PartitionSet>())?;
    let results = results.into_iter().map(|partition| TaskId::new(stage, partition)).collect();
    Ok(Lowered { graph: Arc::new(builder.build()?), results, awaited })
}
