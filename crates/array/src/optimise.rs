//! Expressions rewritten before any task exists.

mod expand;
mod fuse;
mod share;
mod slices;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

pub(crate) use expand::lens_along;

use crate::node::{Expr, Node, OperandAxis};
use crate::{Array, ArrayError, Chunks};

/// The expressions in the form that lowering takes: common parts once, slices at the sources, chains of elementwise functions
/// and the reduction behind them as one program, rechunks removed where they change nothing, the others planned.
///
/// Values, shapes, dtypes and chunks of `arrays` stay what they are.
///
/// # Errors
/// The error of [`Array::check`] of an array in the expressions.
pub(crate) fn optimise(arrays: &[Array]) -> Result<Vec<Array>, ArrayError> {
    let simplified = simplify(arrays)?;
    let task_bytes = arrays.iter().map(Array::task_bytes).min().unwrap_or(0);
    expand::expand(&simplified, task_bytes)
}

/// The expressions before they are expanded to what tasks do.
pub(crate) fn simplify(arrays: &[Array]) -> Result<Vec<Array>, ArrayError> {
    let shared = share::share(arrays)?;
    let mut rewriting = Rewriting::new(&shared);
    for array in inputs_first(&shared) {
        let rewritten = rewriting.rewrite(&array);
        rewriting.record(&array, rewritten);
    }
    // What was rewritten in two places may have become the same.
    let rewritten: Vec<Array> = shared.iter().map(|array| rewriting.done[&key(array)].clone()).collect();
    share::share(&rewritten)
}

fn key(array: &Array) -> *const Node {
    Arc::as_ptr(&array.node)
}

/// Every array that `arrays` are made of, each once and behind its inputs.
pub(crate) fn inputs_first(arrays: &[Array]) -> Vec<Array> {
    let mut order = Vec::new();
    let mut seen: HashSet<*const Node> = HashSet::new();
    let mut stack: Vec<(Array, bool)> = arrays.iter().rev().map(|array| (array.clone(), false)).collect();
    while let Some((array, is_open)) = stack.pop() {
        if is_open {
            order.push(array);
        } else if seen.insert(key(&array)) {
            let inputs: Vec<Array> = array.node.expr.inputs().into_iter().cloned().collect();
            stack.push((array, true));
            stack.extend(
                inputs.into_iter().rev().filter(|input| !seen.contains(&key(input))).map(|input| (input, false)),
            );
        }
    }
    order
}

/// The rewriting of one set of expressions, inputs first.
struct Rewriting {
    /// What each array has become.
    done: HashMap<*const Node, Array>,
    /// How many read each array.
    n_readers: HashMap<*const Node, u32>,
    /// What the arrays that several read have become: these are computed once, and not again in each of their readers.
    shared: HashMap<*const Node, Array>,
}

impl Rewriting {
    fn new(arrays: &[Array]) -> Self {
        let mut n_readers: HashMap<*const Node, u32> = HashMap::new();
        for array in arrays {
            *n_readers.entry(key(array)).or_default() += 1;
        }
        for array in inputs_first(arrays) {
            for input in array.node.expr.inputs() {
                *n_readers.entry(key(input)).or_default() += 1;
            }
        }
        Self { done: HashMap::new(), n_readers, shared: HashMap::new() }
    }

    fn record(&mut self, array: &Array, rewritten: Array) {
        if self.n_readers.get(&key(array)).is_some_and(|n| *n > 1) {
            self.shared.insert(key(&rewritten), rewritten.clone());
        }
        self.done.insert(key(array), rewritten);
    }

    /// Whether several read the array, so that what is done to it for one of them would be done again for the others.
    fn is_shared(&self, array: &Array) -> bool {
        self.shared.contains_key(&key(array))
    }

    /// The array over what its inputs have become, and simplified.
    fn rewrite(&self, array: &Array) -> Array {
        let node = &*array.node;
        let mut expr = node.expr.clone();
        let mut has_changed = false;
        for input in expr.inputs_mut() {
            let new = &self.done[&key(input)];
            if !Arc::ptr_eq(&new.node, &input.node) {
                *input = new.clone();
                has_changed = true;
            }
        }
        let made = |expr| match has_changed {
            true => Array::from_node(expr, node.dtype, node.chunks.clone()),
            false => array.clone(),
        };
        match expr {
            Expr::Slice { input, slices } => self.sliced(&input, &slices, &node.chunks),
            Expr::View(operand) => self.viewed(&operand, &node.chunks),
            Expr::Rechunk { input } => self.rechunked(&input, &node.chunks),
            Expr::Elementwise(elementwise) => Array::from_node(
                Expr::Elementwise(self.fused(&elementwise, &node.chunks)),
                node.dtype,
                node.chunks.clone(),
            ),
            Expr::Reduce(reduction) => {
                let reduction = self.fused_reduction(reduction);
                Array::from_node(Expr::Reduce(reduction), node.dtype, node.chunks.clone())
            }
            other => made(other),
        }
    }

    /// `input` cut as `chunks`, by what it is made of where that costs nothing.
    fn rechunked(&self, input: &Array, chunks: &Chunks) -> Array {
        if input.chunks() == chunks {
            return input.clone();
        }
        match &input.node.expr {
            Expr::Memory(_) => Array::from_node(input.node.expr.clone(), input.dtype(), chunks.clone()),
            Expr::Source { source, slices } if is_coarser(chunks, &source.stored_chunks(), slices) => {
                Array::from_node(input.node.expr.clone(), input.dtype(), chunks.clone())
            }
            Expr::Rechunk { input } if !self.is_shared(input) => self.rechunked(input, chunks),
            Expr::Elementwise(elementwise) if self.cuts_freely(input) => {
                let mut elementwise = elementwise.clone();
                for operand in &mut elementwise.operands {
                    let own = operand.array.chunks().axes().iter().zip(&operand.axes);
                    let own = Chunks::new(own.map(|(own, from)| match *from {
                        OperandAxis::Out(out) => chunks.axes()[out].clone(),
                        _ => own.clone(),
                    }));
                    operand.array = self.rechunked(&operand.array, &own);
                }
                Array::from_node(Expr::Elementwise(elementwise), input.dtype(), chunks.clone())
            }
            _ => Array::from_node(Expr::Rechunk { input: input.clone() }, input.dtype(), chunks.clone()),
        }
    }

    /// Whether an array can be made in any chunks without moving data.
    fn cuts_freely(&self, array: &Array) -> bool {
        if self.is_shared(array) {
            return false;
        }
        match &array.node.expr {
            Expr::Memory(_) => true,
            Expr::Elementwise(elementwise) => {
                elementwise.operands.iter().all(|operand| self.cuts_freely(&operand.array))
            }
            _ => false,
        }
    }
}

/// Whether reading a source in `chunks` reads no stored chunk twice, and each not in pieces.
fn is_coarser(chunks: &Chunks, stored: &Chunks, slices: &crate::node::Slices) -> bool {
    let whole = slices
        .iter()
        .zip(stored.axes())
        .all(|(slice, own)| slice.is_none_or(|slice| own.len().is_some_and(|len| slice.is_full(len))));
    let axes = chunks.axes().iter().zip(stored.axes());
    whole && axes.into_iter().all(|(own, stored)| crate::chunks::common(own, stored).as_ref() == Some(stored))
}
