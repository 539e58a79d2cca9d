//! What can be wrong with an array expression.

use std::sync::Arc;

use dolmen_graph::{EncodeError, GraphError, RunError, WiringError};
use dolmen_kernels::{DType, KernelError};
use thiserror::Error;

use crate::shape::shape_text;

/// Why an array cannot be described or computed. Known before anything runs, except for [`Run`](Self::Run).
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum ArrayError {
    /// Shapes that do not broadcast to one.
    #[error("`{op}`: shapes {} do not broadcast together{hint}", shape_list(shapes))]
    Broadcast {
        /// The operation.
        op: String,
        /// The shapes of the operands.
        shapes: Vec<Vec<Option<usize>>>,
        /// What probably was meant, empty or starting with a separator.
        hint: String,
    },
    /// Shapes that an operation cannot combine.
    #[error("`{op}`: shapes {} do not fit: {expected}", shape_list(shapes))]
    ShapeMismatch {
        /// The operation.
        op: &'static str,
        /// The shapes of the operands.
        shapes: Vec<Vec<Option<usize>>>,
        /// What would fit.
        expected: String,
    },
    /// An axis that the array does not have.
    #[error("`{op}`: axis {axis} is out of bounds for an array of {n_dims} axes")]
    AxisOutOfRange {
        /// The operation.
        op: &'static str,
        /// The axis.
        axis: isize,
        /// The axes that are there.
        n_dims: usize,
    },
    /// An axis that is named twice.
    #[error("`{op}`: axis {axis} is named twice")]
    RepeatedAxis {
        /// The operation.
        op: &'static str,
        /// The axis.
        axis: isize,
    },
    /// An operation that needs another number of axes.
    #[error("`{op}` needs {expected}, the array has {n_dims} axes")]
    WrongRank {
        /// The operation.
        op: &'static str,
        /// What it needs.
        expected: &'static str,
        /// The axes that are there.
        n_dims: usize,
    },
    /// A shape with another number of elements than there are.
    #[error("`reshape`: an array of shape {} does not fit shape {}", known_text(from), signed_text(to))]
    Reshape {
        /// The shape of the array.
        from: Vec<usize>,
        /// The shape asked for, -1 where the length is to be found.
        to: Vec<isize>,
    },
    /// An array whose size does not fit the machine.
    #[error("an array of shape {} is too large: its size overflows", known_text(shape))]
    TooLarge {
        /// The shape.
        shape: Vec<usize>,
    },
    /// More blocks than a graph can number.
    #[error("chunks {chunks} are more than {} blocks; use larger chunks", u32::MAX)]
    TooManyBlocks {
        /// The chunks.
        chunks: String,
    },
    /// Chunks with another number of entries than the array has axes.
    #[error("chunks are given for {n_given} axes, the shape {} has {}", known_text(shape), shape.len())]
    ChunkAxes {
        /// The number of entries.
        n_given: usize,
        /// The shape.
        shape: Vec<usize>,
    },
    /// Chunks that do not add up to the length of their axis.
    #[error("the chunks along axis {axis} add up to {}, its length is {len}", sum.map_or("too much".to_owned(), |n| n.to_string()))]
    ChunkSizes {
        /// The axis.
        axis: usize,
        /// Its length.
        len: usize,
        /// The sum of the sizes; `None` if it overflows.
        sum: Option<usize>,
    },
    /// A chunk of no elements.
    #[error("a chunk along axis {axis} has no elements; sizes are at least 1")]
    ChunkZero {
        /// The axis.
        axis: usize,
    },
    /// Chunks that an operation cannot combine.
    #[error("`{op}`: {problem}; rechunk first")]
    ChunkMismatch {
        /// The operation.
        op: &'static str,
        /// What does not fit.
        problem: String,
    },
    /// An operation that needs to know a length that is known only when the array is computed.
    #[error(
        "`{op}` needs the length of axis {axis}, which is known only when the array is computed (a selection by a mask \
         has no length before); persist the array first, as CREATE PERSISTED ARRAY does in SQL"
    )]
    UnknownLength {
        /// The operation.
        op: &'static str,
        /// The axis.
        axis: usize,
    },
    /// An index outside of its axis.
    #[error("index {index} is out of bounds for axis {axis} of length {len}")]
    IndexOutOfBounds {
        /// The index.
        index: isize,
        /// The axis.
        axis: usize,
        /// Its length.
        len: usize,
    },
    /// More indices than axes.
    #[error("{n_given} indices are given for an array of {n_dims} axes")]
    TooManyIndices {
        /// The number of indices, without `newaxis` and the ellipsis.
        n_given: usize,
        /// The axes that are there.
        n_dims: usize,
    },
    /// An index that makes no sense.
    #[error("index: {problem}")]
    Index {
        /// What is wrong.
        problem: String,
    },
    /// A mask of another shape than what it selects from.
    #[error("a mask of shape {} does not fit an array of shape {}", shape_text(mask), shape_text(shape))]
    MaskShape {
        /// The shape of the mask.
        mask: Vec<Option<usize>>,
        /// The shape of the array.
        shape: Vec<Option<usize>>,
    },
    /// A reduction without identity over no elements.
    #[error("`{op}` of no elements has no value: shape {} is empty along the reduced axes", shape_text(shape))]
    EmptyReduction {
        /// The reduction.
        op: &'static str,
        /// The shape that was to be reduced.
        shape: Vec<Option<usize>>,
    },
    /// An operation that is not defined for a dtype.
    #[error("`{op}` is not defined for {dtype}; {remedy}")]
    DTypeUnsupported {
        /// The operation.
        op: &'static str,
        /// The dtype.
        dtype: DType,
        /// What to do instead.
        remedy: &'static str,
    },
    /// An argument with a value that makes no sense.
    #[error("`{op}`: {argument} {problem}")]
    Argument {
        /// The operation.
        op: &'static str,
        /// The argument.
        argument: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// What was computed is of another dtype than it was asked for as.
    #[error("the array holds {actual}, not {expected}; cast it with astype")]
    WrongDType {
        /// What was asked for.
        expected: DType,
        /// What the array holds.
        actual: DType,
    },
    /// A kernel refuses the operation.
    #[error(transparent)]
    Kernel(#[from] KernelError),
    /// Stages do not fit.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// Blocks do not fit.
    #[error("the blocks of two arrays do not fit: {source}")]
    Wiring {
        /// What does not fit.
        #[from]
        source: WiringError,
    },
    /// Something cannot leave this process.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// A source of data refuses.
    #[error("`{source_name}`: {error}")]
    Source {
        /// The source.
        source_name: String,
        /// What it said.
        error: Arc<dyn std::error::Error + Send + Sync>,
    },
    /// The run failed.
    #[error(transparent)]
    Run(#[from] RunError),
}

fn shape_list(shapes: &[Vec<Option<usize>>]) -> String {
    let texts: Vec<String> = shapes.iter().map(|shape| shape_text(shape)).collect();
    texts.join(" and ")
}

pub(crate) fn known_text(shape: &[usize]) -> String {
    shape_text(&shape.iter().copied().map(Some).collect::<Vec<_>>())
}

fn signed_text(shape: &[isize]) -> String {
    let texts: Vec<String> = shape.iter().map(ToString::to_string).collect();
    crate::shape::tuple_text(&texts)
}
