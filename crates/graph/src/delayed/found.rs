//! Finding everything that delayed values need, and an order in which to compute it.

use std::cmp::Reverse;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::idx_map::IdxMap;
use super::lower::{Keys, LowerError};
use super::node::{Kind, Node};
use crate::{TaskOptions, WiringError};

/// All nodes that roots need, numbered as they were found: what a node needs has smaller numbers.
pub(super) struct Found {
    pub(super) nodes: Vec<Arc<Node>>,
    pub(super) idx_of: IdxMap,
    /// For each node where its needs end in `needs`.
    need_ends: Vec<u32>,
    needs: Vec<u32>,
    /// For nodes that need the same node by several keys: where each need stands among the different ones.
    pub(super) repeats: FxHashMap<u32, Box<[u32]>>,
    /// Of nodes that are not run in the usual way.
    pub(super) options: Vec<(u32, TaskOptions)>,
    pub(super) roots: Vec<u32>,
    /// For each node the last one that needs it, so that a repetition is seen.
    last_user: Vec<u32>,
}

/// The number of a node whose needs are being looked at.
const ON_THE_WAY: u32 = u32::MAX - 1;

/// A node on the way from a root, and how many of its needs were looked at.
struct Step<'a> {
    node: &'a Arc<Node>,
    n_seen: usize,
}

impl Found {
    /// Walks depth-first, without recursion: chains may be long.
    pub(super) fn collect(roots: &[Arc<Node>], keys: &Keys) -> Result<Self, LowerError> {
        let mut found = Self {
            nodes: Vec::new(),
            idx_of: IdxMap::default(),
            need_ends: Vec::new(),
            needs: Vec::new(),
            repeats: FxHashMap::default(),
            options: Vec::new(),
            roots: Vec::with_capacity(roots.len()),
            last_user: Vec::new(),
        };
        let mut way: Vec<Step<'_>> = Vec::new();
        // The numbers of needs that were looked at, of all nodes on the way one behind the other.
        let mut seen: Vec<u32> = Vec::new();
        let mut next_key = 0;
        for root in roots {
            let mut next = Some(resolve(root, root, keys, &mut next_key)?);
            loop {
                if let Some(node) = next.take() {
                    match found.idx_of.get(node.id) {
                        None => {
                            found.idx_of.insert(node.id, ON_THE_WAY);
                            way.push(Step { node, n_seen: 0 });
                        }
                        Some(ON_THE_WAY) => return Err(cycle(&way, node, keys)),
                        Some(idx) => seen.push(idx),
                    }
                }
                let Some(step) = way.last_mut() else { break };
                if let Some(need) = step.node.needs.get(step.n_seen) {
                    step.n_seen += 1;
                    next = Some(resolve(need, step.node, keys, &mut next_key)?);
                } else {
                    let idx = found.add(step.node, &mut seen)?;
                    seen.push(idx);
                    way.pop();
                }
            }
            found.roots.extend(seen.pop());
        }
        Ok(found)
    }

    /// Numbers a node; the numbers of its needs are the last ones that were seen, and are taken away.
    fn add(&mut self, node: &Arc<Node>, seen: &mut Vec<u32>) -> Result<u32, LowerError> {
        let idx = u32::try_from(self.nodes.len()).ok().filter(|idx| *idx < ON_THE_WAY).ok_or(WiringError::TooLarge)?;
        let own = seen.drain(seen.len() - node.needs.len()..);
        let last_user = &mut self.last_user;
        // Only keys can stand for the same node. None needs itself, so that no user has the number of the node.
        let is_repeated = node.needs.iter().any(|need| matches!(need.kind, Kind::Key))
            && own.as_slice().iter().any(|need| std::mem::replace(&mut last_user[*need as usize], idx) == idx);
        last_user.push(idx);
        if is_repeated {
            self.repeats.insert(idx, add_once(&mut self.needs, own));
        } else {
            self.needs.extend(own);
        }
        self.need_ends.push(u32::try_from(self.needs.len()).map_err(|_| WiringError::TooLarge)?);
        self.options.extend(node.options.iter().map(|options| (idx, (**options).clone())));
        self.idx_of.insert(node.id, idx);
        self.nodes.push(Arc::clone(node));
        Ok(idx)
    }

    /// The numbers of what node `idx` needs, none twice.
    pub(super) fn needs(&self, idx: u32) -> &[u32] {
        &self.needs[self.range_of(idx)]
    }

    pub(super) fn n_needs(&self) -> usize {
        self.needs.len()
    }

    fn range_of(&self, idx: u32) -> std::ops::Range<usize> {
        let start = if idx == 0 { 0 } else { self.need_ends[idx as usize - 1] };
        start as usize..self.need_ends[idx as usize] as usize
    }

    /// The numbers of the nodes in an order in which few values are held: depth-first, and of what a node needs first that
    /// for which most values are held at once, because its own intermediate values are gone when the others come.
    ///
    /// Source: the numbering of expression trees for register allocation by Sethi and Ullman (1970).
    pub(super) fn depth_first(&self) -> Vec<u32> {
        // How many values are held while a node is made, if nothing is shared.
        let mut n_held: Vec<u32> = Vec::with_capacity(self.nodes.len());
        let mut by_held: Vec<u32> = self.needs.clone();
        for idx in (0..).take(self.nodes.len()) {
            let needs = &mut by_held[self.range_of(idx)];
            needs.sort_by_key(|need| Reverse(n_held[*need as usize]));
            let held = (0..).zip(needs.iter()).map(|(n_before, need)| n_held[*need as usize] + n_before).max();
            n_held.push(held.unwrap_or(1));
        }
        let mut order = Vec::with_capacity(self.nodes.len());
        let mut is_seen = vec![false; self.nodes.len()];
        let mut way: Vec<(u32, usize)> = Vec::new();
        for root in &self.roots {
            if !std::mem::replace(&mut is_seen[*root as usize], true) {
                way.push((*root, self.range_of(*root).start));
            }
            while let Some((idx, next)) = way.last_mut() {
                if *next == self.range_of(*idx).end {
                    order.push(*idx);
                    way.pop();
                    continue;
                }
                let need = by_held[*next];
                *next += 1;
                if !std::mem::replace(&mut is_seen[need as usize], true) {
                    way.push((need, self.range_of(need).start));
                }
            }
        }
        order
    }
}

/// Adds the different ones of `own` to `needs`. Gives for each where it stands among the different ones.
fn add_once(needs: &mut Vec<u32>, own: impl Iterator<Item = u32>) -> Box<[u32]> {
    let mut position_of: FxHashMap<u32, u32> = FxHashMap::default();
    let position = |need| {
        let next = u32::try_from(position_of.len()).expect("a call needs fewer than 2^32 values");
        *position_of.entry(need).or_insert_with(|| {
            needs.push(need);
            next
        })
    };
    own.map(position).collect()
}

/// The node behind a key, which may itself be a key; other nodes are themselves.
///
/// Keys are often used in the order in which they were inserted: `next_key` is where the one behind the last that was found
/// stands, and is looked at before the key is searched for.
fn resolve<'a>(
    node: &'a Arc<Node>,
    user: &Node,
    keys: &'a Keys,
    next_key: &mut usize,
) -> Result<&'a Arc<Node>, LowerError> {
    let mut found = node;
    let mut n_aliases = 0;
    while matches!(found.kind, Kind::Key) {
        let user =
            || keys.iter().find(|(_, node)| node.id == user.id).map_or_else(|| user.key(), |(key, _)| key.to_string());
        let is_next = keys.get_index(*next_key).is_some_and(|(key, _)| *key == found.label);
        let idx = if is_next { Some(*next_key) } else { keys.get_index_of(&found.label) };
        let Some((idx, (_, target))) = idx.and_then(|idx| Some((idx, keys.get_index(idx)?))) else {
            return Err(LowerError::UnknownKey { key: Arc::clone(&found.label), user: user() });
        };
        *next_key = idx + 1;
        if target.result.id() != node.result.id() {
            let (key, expected, found) = (Arc::clone(&found.label), node.result.name(), target.result.name());
            return Err(LowerError::KeyType { key, user: user(), expected, found });
        }
        // More steps than there are keys: some key came twice.
        n_aliases += 1;
        if n_aliases > keys.len() {
            return Err(alias_cycle(target, keys));
        }
        found = target;
    }
    Ok(found)
}

/// The keys from one that stands for itself, by way of others, back to it.
fn alias_cycle(node: &Arc<Node>, keys: &Keys) -> LowerError {
    let first = Arc::clone(&node.label);
    let mut names = vec![first.to_string()];
    let mut node = &keys[&first];
    while node.label != first {
        names.push(node.label.to_string());
        node = &keys[&node.label];
    }
    names.push(first.to_string());
    LowerError::Cycle { keys: names }
}

/// The keys on the way from `first` back to itself.
fn cycle(way: &[Step<'_>], first: &Arc<Node>, keys: &Keys) -> LowerError {
    let name = |node: &Arc<Node>| {
        let key = keys.iter().find(|(_, other)| Arc::ptr_eq(other, node));
        key.map_or_else(|| node.key(), |(key, _)| key.to_string())
    };
    let start = way.iter().position(|step| Arc::ptr_eq(step.node, first)).unwrap_or(0);
    let names = way[start..].iter().map(|step| step.node).chain(std::iter::once(first));
    LowerError::Cycle { keys: names.map(name).collect() }
}
