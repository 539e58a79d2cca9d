//! The expression behind an array.

use std::sync::Arc;

use dolmen_kernels::{Block, DType};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::elementwise::Elementwise;
use crate::kernel::Kernel;
use crate::persisted::Persisted;
use crate::reduce::Reduced;
use crate::slice::AxisSlice;
use crate::source::SourceRef;
use crate::user::{BlockFn, External};
use crate::window::Window;
use crate::{Array, ArrayError, Chunks};

/// A node of an expression: what an array is made of, and what is known about it before anything runs.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) expr: Expr,
    pub(crate) dtype: DType,
    pub(crate) chunks: Chunks,
    /// How many bytes blocks have where they can be chosen, in what is made of the array too.
    pub(crate) block_bytes: usize,
}

/// What an array is made of.
#[derive(Debug, Clone)]
pub(crate) enum Expr {
    /// An operator could not give an array; whoever uses the result learns why.
    Failed(Arc<ArrayError>),
    /// Data in memory.
    Memory(Block),
    /// Data that is read when it is needed.
    Source { source: SourceRef, slices: Slices },
    /// Values that come about outside of the expression, block by block.
    External(External),
    /// Blocks that were computed before.
    Persisted(Persisted),
    /// A program for each element.
    Elementwise(Elementwise),
    /// Axes in another order, new ones of length 1, or repeated.
    View(Operand),
    /// Part of each axis.
    Slice { input: Array, slices: Slices },
    /// Other chunks.
    Rechunk { input: Array },
    /// One array behind the other.
    Concat { axis: usize, inputs: Vec<Array> },
    /// Positions along an axis.
    Take { input: Array, axis: usize, positions: Arc<[usize]> },
    /// Several axes by lists of positions that are read together: the `i`-th element of each names one point.
    Gather { input: Array, points: Arc<[Box<[usize]>]>, axes: SmallVec<[usize; 4]> },
    /// `value` in place of a slice of `base`.
    Place { base: Array, value: Array, slices: Slices },
    /// Axes reduced to length 1, in a tree.
    Reduce(Reduced),
    /// A part of the array for each block; the parts may overlap.
    Windows { input: Array, windows: SmallVec<[Window; 4]> },
    /// A kernel for each block of the output.
    Blockwise { kernel: Arc<Kernel>, operands: Vec<Operand> },
    /// A function of the user for each block of the output. It makes blocks of `others` as well, if there are any: all are
    /// parts, this one too.
    Function { function: BlockFn, operands: Vec<Operand>, others: Vec<(DType, Chunks)> },
    /// One of the blocks that each task of a kernel makes.
    Part { input: Array, idx: usize },
}

/// An array as an operation reads it.
#[derive(Debug, Clone)]
pub(crate) struct Operand {
    pub(crate) array: Array,
    /// For each axis of the array, what it is to the output.
    pub(crate) axes: OperandAxes,
}

/// Part of each axis; `None` where all of it is meant, whose length need not be known.
pub(crate) type Slices = SmallVec<[Option<AxisSlice>; 4]>;

pub(crate) type OperandAxes = SmallVec<[OperandAxis; 4]>;

/// What an axis of an operand is to the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum OperandAxis {
    /// An axis of the output, cut alike.
    Out(usize),
    /// Of length 1, and not in the output; or repeated along one of its axes.
    One,
    /// Read as a whole, with all its blocks.
    All,
    /// So many neighbouring blocks for each block along an axis of the output.
    Group { out: usize, size: u32 },
}

impl Operand {
    /// `array` broadcast to an output of `n_dims` axes: its own are the last ones, those of length 1 are repeated where
    /// `dims` of the output are longer.
    pub(crate) fn broadcast(array: Array, dims: &[Option<usize>]) -> Self {
        let own = array.dims();
        let first = dims.len() - own.len();
        let axes = own.iter().enumerate().map(|(axis, len)| match (len, dims[first + axis]) {
            (Some(1), dim) if dim != Some(1) => OperandAxis::One,
            _ => OperandAxis::Out(first + axis),
        });
        Self { axes: axes.collect(), array }
    }

    /// `array` with each axis that of the output.
    pub(crate) fn same(array: Array) -> Self {
        Self { axes: (0..array.n_dims()).map(OperandAxis::Out).collect(), array }
    }
}

impl Expr {
    /// The arrays that the expression reads.
    pub(crate) fn inputs(&self) -> SmallVec<[&Array; 4]> {
        match self {
            Self::Failed(_) | Self::Memory(_) | Self::Source { .. } | Self::External(_) | Self::Persisted(_) => {
                SmallVec::new()
            }
            Self::Elementwise(elementwise) => elementwise.operands.iter().map(|operand| &operand.array).collect(),
            Self::View(operand) => SmallVec::from_slice(&[&operand.array]),
            Self::Slice { input, .. }
            | Self::Rechunk { input }
            | Self::Take { input, .. }
            | Self::Gather { input, .. }
            | Self::Windows { input, .. }
            | Self::Part { input, .. } => SmallVec::from_slice(&[input]),
            Self::Concat { inputs, .. } => inputs.iter().collect(),
            Self::Place { base, value, .. } => SmallVec::from_slice(&[base, value]),
            Self::Reduce(reduction) => reduction.operands.iter().map(|operand| &operand.array).collect(),
            Self::Blockwise { operands, .. } | Self::Function { operands, .. } => {
                operands.iter().map(|operand| &operand.array).collect()
            }
        }
    }

    /// The arrays that the expression reads, to be replaced.
    pub(crate) fn inputs_mut(&mut self) -> SmallVec<[&mut Array; 4]> {
        let mut found = SmallVec::new();
        match self {
            Self::Failed(_) | Self::Memory(_) | Self::Source { .. } | Self::External(_) | Self::Persisted(_) => {}
            Self::View(operand) => found.push(&mut operand.array),
            Self::Slice { input, .. }
            | Self::Rechunk { input }
            | Self::Take { input, .. }
            | Self::Gather { input, .. }
            | Self::Windows { input, .. }
            | Self::Part { input, .. } => found.push(input),
            Self::Concat { inputs, .. } => found.extend(inputs),
            Self::Place { base, value, .. } => found.extend([base, value]),
            Self::Elementwise(Elementwise { operands, .. })
            | Self::Reduce(Reduced { operands, .. })
            | Self::Blockwise { operands, .. }
            | Self::Function { operands, .. } => found.extend(operands.iter_mut().map(|operand| &mut operand.array)),
        }
        found
    }

    /// The name of the operation in reprs, plans and keys.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Failed(_) => "failed".to_owned(),
            Self::Memory(_) => "array".to_owned(),
            Self::Source { source, .. } => source.name().to_owned(),
            Self::External(external) => external.name().to_owned(),
            Self::Persisted(persisted) => persisted.name().to_owned(),
            Self::Elementwise(elementwise) => elementwise.name(),
            Self::View(_) => "view".to_owned(),
            Self::Slice { .. } => "getitem".to_owned(),
            Self::Rechunk { .. } => "rechunk".to_owned(),
            Self::Concat { .. } => "concatenate".to_owned(),
            Self::Take { .. } | Self::Gather { .. } => "take".to_owned(),
            Self::Place { .. } => "setitem".to_owned(),
            Self::Reduce(reduction) => reduction.name().to_owned(),
            Self::Windows { .. } => "overlap".to_owned(),
            Self::Blockwise { kernel, .. } => kernel.name().to_owned(),
            Self::Function { function, .. } => function.name().to_owned(),
            Self::Part { input, .. } => input.node.expr.name(),
        }
    }
}

/// Frees a long chain of arrays one by one: node by node it would overflow the stack.
impl Drop for Node {
    fn drop(&mut self) {
        let mut rest: Vec<Array> = Vec::new();
        let take = |expr: &mut Expr, rest: &mut Vec<Array>| {
            for input in expr.inputs_mut() {
                rest.push(std::mem::replace(input, Array::placeholder()));
            }
        };
        if self.expr.inputs().is_empty() {
            return;
        }
        take(&mut self.expr, &mut rest);
        while let Some(array) = rest.pop() {
            if let Some(mut node) = Arc::into_inner(array.node) {
                take(&mut node.expr, &mut rest);
            }
        }
    }
}
