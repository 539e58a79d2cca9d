//! From delayed values to a graph: one stage whose tasks read each other.

use std::collections::HashMap;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use thiserror::Error;

use super::calls::Calls;
use super::node::{Kind, Node, ResultType};
use crate::{
    GraphBuilder, GraphError, PartitionSet, Stage, StageId, Table, TaskGraph, TaskId, TaskOptions, Wiring, WiringError,
};

/// The nodes of a raw graph by key.
pub(super) type Keys = HashMap<Arc<str>, Arc<Node>>;

/// A graph of delayed values.
#[derive(Debug)]
pub struct Lowered {
    graph: Arc<TaskGraph>,
    results: Vec<TaskId>,
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
    let found = Found::collect(roots, keys)?;
    let order = found.depth_first();
    let mut partition_of = vec![0_u32; order.len()];
    for (partition, idx) in (0..).zip(&order) {
        partition_of[*idx as usize] = partition;
    }

    let n_tasks = u32::try_from(order.len()).map_err(|_| WiringError::TooLarge)?;
    let mut ends = Vec::with_capacity(order.len());
    let mut inputs = Vec::with_capacity(found.needs.len());
    let mut exceptions: Vec<(u32, TaskOptions)> = Vec::new();
    let mut nodes = Vec::with_capacity(order.len());
    let mut repeats: Vec<(u32, Box<[u32]>)> = Vec::new();
    for (partition, idx) in (0..).zip(&order) {
        inputs.extend(found.needs(*idx).iter().map(|need| partition_of[*need as usize]));
        ends.push(u32::try_from(inputs.len()).map_err(|_| WiringError::TooLarge)?);
        let node = &found.nodes[*idx as usize];
        exceptions.extend(node.options.iter().map(|options| (partition, (**options).clone())));
        nodes.push(Arc::clone(node));
        repeats.extend(found.repeats.get(idx).map(|positions| (partition, positions.clone())));
    }
    let key_of =
        |key: &Arc<str>, node: &Arc<Node>| Some((partition_of[*found.idx_of.get(&node.id)? as usize], Arc::clone(key)));
    let mut names: Vec<(u32, Arc<str>)> = keys.iter().filter_map(|(key, node)| key_of(key, node)).collect();
    names.sort_unstable();

    let mut builder = GraphBuilder::new();
    let table = Wiring::Table(Arc::new(Table::from_parts(n_tasks, ends, inputs)?));
    let mut stage = Stage::new("delayed", n_tasks, Arc::new(Calls::new(nodes, names, repeats)));
    stage.exceptions = exceptions.into();
    let stage = builder.add_stage(stage.input(StageId(0), table))?;
    let results: Vec<u32> = found.roots.iter().map(|idx| partition_of[*idx as usize]).collect();
    builder.add_output(stage, results.iter().copied().collect::<PartitionSet>())?;
    let results = results.into_iter().map(|partition| TaskId::new(stage, partition)).collect();
    Ok(Lowered { graph: Arc::new(builder.build()?), results })
}

/// All nodes that roots need, numbered as they were found: what a node needs has smaller numbers.
#[derive(Default)]
struct Found {
    nodes: Vec<Arc<Node>>,
    idx_of: FxHashMap<u64, u32>,
    need_ends: Vec<u32>,
    needs: Vec<u32>,
    /// For nodes that need the same node by several keys: where each need stands among the different ones.
    repeats: FxHashMap<u32, Box<[u32]>>,
    roots: Vec<u32>,
}

/// What is known of a node while the search is on.
const ON_THE_WAY: u32 = u32::MAX;

impl Found {
    fn collect(roots: &[Arc<Node>], keys: &Keys) -> Result<Self, LowerError> {
        let mut found = Self::default();
        // A node on the way to a root, and how many of its needs were looked at.
        let mut way: Vec<(Arc<Node>, usize)> = Vec::new();
        for root in roots {
            let root = resolve(root, &root.key(), keys)?;
            if !found.idx_of.contains_key(&root.id) {
                found.idx_of.insert(root.id, ON_THE_WAY);
                way.push((Arc::clone(&root), 0));
            }
            while let Some((node, position)) = way.last_mut() {
                let Some(need) = node.needs.get(*position) else {
                    let (node, _) = way.pop().expect("looked at above");
                    found.add(node, keys)?;
                    continue;
                };
                *position += 1;
                let need = resolve(need, &node.key_for_errors(need), keys)?;
                match found.idx_of.get(&need.id) {
                    Some(&ON_THE_WAY) => return Err(cycle(&way, &need, keys)),
                    Some(_) => {}
                    None => {
                        found.idx_of.insert(need.id, ON_THE_WAY);
                        way.push((need, 0));
                    }
                }
            }
            found.roots.push(found.idx_of[&root.id]);
        }
        Ok(found)
    }

    /// Numbers a node all of whose needs are numbered.
    fn add(&mut self, node: Arc<Node>, keys: &Keys) -> Result<(), LowerError> {
        let idx = u32::try_from(self.nodes.len()).ok().filter(|idx| *idx < ON_THE_WAY).ok_or(WiringError::TooLarge)?;
        let start = self.needs.len();
        for need in &node.needs {
            let need = resolve(need, "", keys)?;
            self.needs.push(self.idx_of[&need.id]);
        }
        // Only keys can stand for the same node.
        if node.needs.iter().any(|need| matches!(need.kind, Kind::Key))
            && let Some(positions) = dedup(&mut self.needs, start)
        {
            self.repeats.insert(idx, positions);
        }
        self.need_ends.push(u32::try_from(self.needs.len()).map_err(|_| WiringError::TooLarge)?);
        self.idx_of.insert(node.id, idx);
        self.nodes.push(node);
        Ok(())
    }

    fn needs(&self, idx: u32) -> &[u32] {
        let idx = idx as usize;
        let start = if idx == 0 { 0 } else { self.need_ends[idx - 1] };
        &self.needs[start as usize..self.need_ends[idx] as usize]
    }

    /// The nodes in an order in which few values are held: depth-first, and of what a node needs first that for which most
    /// values are held at once, because its own intermediate values are gone when the others come.
    ///
    /// Source: the numbering of expression trees for register allocation by Sethi and Ullman (1970).
    fn depth_first(&self) -> Vec<u32> {
        let n = u32::try_from(self.nodes.len()).expect("checked while they were numbered");
        // How many values are held while a node is made, if nothing is shared.
        let mut n_held: Vec<u32> = Vec::with_capacity(self.nodes.len());
        let mut by_need: Vec<u32> = self.needs.clone();
        for idx in 0..n {
            let end = self.need_ends[idx as usize] as usize;
            let start = end - self.needs(idx).len();
            let needs = &mut by_need[start..end];
            needs.sort_by_key(|need| std::cmp::Reverse(n_held[*need as usize]));
            let held = (0..).zip(needs.iter()).map(|(n_before, need)| n_held[*need as usize] + n_before).max();
            n_held.push(held.unwrap_or(1));
        }
        let mut order = Vec::with_capacity(self.nodes.len());
        let mut is_seen = vec![false; self.nodes.len()];
        let mut way: Vec<(u32, u32)> = Vec::new();
        for root in &self.roots {
            if !std::mem::replace(&mut is_seen[*root as usize], true) {
                way.push((*root, 0));
            }
            while let Some((idx, position)) = way.last_mut() {
                let end = self.need_ends[*idx as usize] as usize;
                let start = end - self.needs(*idx).len();
                let Some(need) = by_need[start..end].get(*position as usize).copied() else {
                    order.push(*idx);
                    way.pop();
                    continue;
                };
                *position += 1;
                if !std::mem::replace(&mut is_seen[need as usize], true) {
                    way.push((need, 0));
                }
            }
        }
        order
    }
}

/// Keeps the first of equal entries from `start` on. If there were any, gives for each entry where it now stands.
fn dedup(needs: &mut Vec<u32>, start: usize) -> Option<Box<[u32]>> {
    let mut position_of: FxHashMap<u32, u32> = FxHashMap::default();
    let all = needs.split_off(start);
    let positions: Box<[u32]> = all
        .iter()
        .map(|need| {
            let next = u32::try_from(position_of.len()).expect("a call needs fewer than 2^32 values");
            *position_of.entry(*need).or_insert_with(|| {
                needs.push(*need);
                next
            })
        })
        .collect();
    (position_of.len() < all.len()).then_some(positions)
}

impl Node {
    /// The name of a node that uses `need`; made only where it may be needed.
    fn key_for_errors(&self, need: &Self) -> String {
        if matches!(need.kind, Kind::Key) { self.key() } else { String::new() }
    }
}

/// The node behind a key, which may itself be a key; other nodes are themselves.
fn resolve(node: &Arc<Node>, user: &str, keys: &Keys) -> Result<Arc<Node>, LowerError> {
    let mut node = Arc::clone(node);
    let ResultType { id, name: expected } = node.result;
    let mut aliases: Vec<String> = Vec::new();
    while matches!(node.kind, Kind::Key) {
        let key = Arc::clone(&node.label);
        let found =
            keys.get(&key).ok_or_else(|| LowerError::UnknownKey { key: Arc::clone(&key), user: user.to_owned() })?;
        if found.result.id != id {
            return Err(LowerError::KeyType { key, user: user.to_owned(), expected, found: found.result.name });
        }
        if aliases.iter().any(|alias| **alias == *key) {
            aliases.push(key.to_string());
            return Err(LowerError::Cycle { keys: aliases });
        }
        aliases.push(key.to_string());
        node = Arc::clone(found);
    }
    Ok(node)
}

/// The keys on the way from `first` back to itself.
fn cycle(way: &[(Arc<Node>, usize)], first: &Arc<Node>, keys: &Keys) -> LowerError {
    let name = |node: &Arc<Node>| {
        let key = keys.iter().find(|(_, other)| Arc::ptr_eq(other, node));
        key.map_or_else(|| node.key(), |(key, _)| key.to_string())
    };
    let start = way.iter().position(|(node, _)| Arc::ptr_eq(node, first)).unwrap_or(0);
    let mut keys: Vec<String> = way[start..].iter().map(|(node, _)| name(node)).collect();
    keys.push(name(first));
    LowerError::Cycle { keys }
}
