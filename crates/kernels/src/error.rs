//! What can go wrong in a kernel.

use thiserror::Error;

use crate::{DType, Shape};

/// The result of this crate's operations.
pub type Result<T, E = KernelError> = std::result::Result<T, E>;

/// An error of this crate. It names the operation, the operands and what would be accepted.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum KernelError {
    /// A text that names no dtype.
    #[error("unknown dtype `{name}`{}", did_you_mean(suggestion.as_deref()))]
    UnknownDType {
        /// The text.
        name: String,
        /// The name that is nearest.
        suggestion: Option<String>,
    },
    /// Two dtypes that no dtype holds both of.
    #[error("no dtype holds both {left} and {right}; cast one of them with astype")]
    NoCommonDType {
        /// The first dtype.
        left: DType,
        /// The second dtype.
        right: DType,
    },
    /// An operation that is not defined for the dtypes of its operands.
    #[error("`{op}` is not defined for {}{remedy}", list(dtypes))]
    UnsupportedDType {
        /// NumPy's name of the operation.
        op: &'static str,
        /// The dtypes of the operands.
        dtypes: Vec<DType>,
        /// What to do instead, empty or starting with a separator.
        remedy: &'static str,
    },
    /// A block has another dtype than the caller asked for.
    #[error("the block holds {actual}, not {expected}; cast it with astype")]
    WrongDType {
        /// What was asked for.
        expected: DType,
        /// What the block holds.
        actual: DType,
    },
    /// A cast that loses what the value means.
    #[error("cannot cast {from} to {to}")]
    UnsupportedCast {
        /// The dtype of the value.
        from: DType,
        /// The dtype asked for.
        to: DType,
    },
    /// A Python-like integer that the dtype beside it cannot hold.
    #[error("the integer {value} is out of bounds for {dtype}; give it a dtype of its own, such as int64({value})")]
    ScalarOutOfRange {
        /// The integer.
        value: i128,
        /// The dtype of the other operand.
        dtype: DType,
    },
    /// Shapes that do not broadcast.
    #[error("shape {} does not broadcast to {}", shape_text(from), shape_text(to))]
    Broadcast {
        /// The shape of the operand.
        from: Shape,
        /// The shape asked for.
        to: Shape,
    },
    /// A shape with another number of elements than there are.
    #[error("{n_elements} elements do not make an array of shape {}", shape_text(shape))]
    ElementCount {
        /// The elements that are there.
        n_elements: usize,
        /// The shape asked for.
        shape: Shape,
    },
    /// Shapes that an operation cannot combine.
    #[error("`{op}`: shapes {} and {} do not fit: {expected}", shape_text(left), shape_text(right))]
    ShapeMismatch {
        /// The operation.
        op: &'static str,
        /// The shape of the first operand.
        left: Shape,
        /// The shape of the second operand.
        right: Shape,
        /// What would fit.
        expected: &'static str,
    },
    /// An operation that needs another number of axes.
    #[error("`{op}` needs {expected}, not an array of {n_axes} axes")]
    WrongRank {
        /// The operation.
        op: &'static str,
        /// What it needs.
        expected: &'static str,
        /// The axes that are there.
        n_axes: usize,
    },
    /// An axis that the array does not have, or that is named twice.
    #[error("`{op}`: axis {axis} is out of range, or named twice, for an array of {n_axes} axes")]
    Axis {
        /// The operation.
        op: &'static str,
        /// The axis.
        axis: usize,
        /// The axes that are there.
        n_axes: usize,
    },
    /// A position outside of an axis.
    #[error("index {index} is out of bounds for axis {axis} with size {size}")]
    IndexOutOfBounds {
        /// The position.
        index: i64,
        /// The axis.
        axis: usize,
        /// The length of the axis.
        size: usize,
    },
    /// A reduction without identity over no elements.
    #[error(
        "`{op}` of no elements has no value (shape {}); min and max of an empty array are not defined",
        shape_text(shape)
    )]
    EmptyReduction {
        /// The reduction.
        op: &'static str,
        /// The shape that was reduced.
        shape: Shape,
    },
    /// `nanargmin` or `nanargmax` of nothing but NaN.
    #[error("`{op}`: a slice holds nothing but NaN")]
    AllNaN {
        /// The reduction.
        op: &'static str,
    },
    /// An integer raised to a negative integer.
    #[error("integers to negative integer powers are not allowed; cast the base to a float dtype")]
    NegativePower,
    /// NaN or infinity where an algorithm needs finite numbers.
    #[error("`{op}`: the input holds NaN or infinity")]
    NotFinite {
        /// The operation.
        op: &'static str,
    },
    /// A matrix without inverse.
    #[error("`{op}`: the matrix is singular (pivot {pivot} is zero)")]
    Singular {
        /// The operation.
        op: &'static str,
        /// The position of the pivot on the diagonal.
        pivot: usize,
    },
    /// A Cholesky factorisation of what is not positive definite.
    #[error("`cholesky`: the matrix is not positive definite (leading minor {minor})")]
    NotPositiveDefinite {
        /// The order of the leading minor that is not positive.
        minor: usize,
    },
    /// An iteration that did not converge, its fallback included.
    #[error("`{op}` did not converge")]
    NoConvergence {
        /// The operation.
        op: &'static str,
    },
    /// A parameter with a value that makes no sense.
    #[error("`{op}`: {parameter} {problem}")]
    Parameter {
        /// The operation.
        op: &'static str,
        /// The parameter.
        parameter: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A parameter of a law of chance that is outside of what it may be.
    #[error("`{op}`: {parameter} is {value}; it should be {expected}")]
    ParameterRange {
        /// The operation.
        op: &'static str,
        /// The parameter.
        parameter: &'static str,
        /// Its value, or that of one element of it.
        value: f64,
        /// What it should be.
        expected: &'static str,
    },
    /// A program that is not well formed: made by hand, or decoded from other bytes.
    #[error("a program is malformed: {problem}")]
    MalformedProgram {
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Bytes that are not an encoded block.
    #[error("the bytes are not a block: {problem}")]
    MalformedBlock {
        /// What is wrong with them.
        problem: &'static str,
    },
    /// Data whose address is not a multiple of what the dtype needs.
    #[error("the data of a {dtype} block must start at a multiple of {align} bytes")]
    Misaligned {
        /// The dtype.
        dtype: DType,
        /// The alignment it needs.
        align: usize,
    },
    /// Memory that the system does not give.
    #[error("the system gave no memory for a block of {bytes} bytes")]
    OutOfMemory {
        /// The size asked for.
        bytes: usize,
    },
    /// More memory for one block than is allowed for all.
    #[error("a block of {bytes} bytes is more than the memory limit of {limit_bytes} bytes")]
    OverLimit {
        /// The size asked for.
        bytes: usize,
        /// The most.
        limit_bytes: usize,
    },
    /// A shape whose size in bytes does not fit the machine.
    #[error("an array of shape {} is too large", shape_text(shape))]
    TooLarge {
        /// The shape.
        shape: Shape,
    },
}

fn did_you_mean(suggestion: Option<&str>) -> String {
    suggestion.map(|name| format!(", did you mean `{name}`?")).unwrap_or_default()
}

fn list(dtypes: &[DType]) -> String {
    let names: Vec<_> = dtypes.iter().map(DType::to_string).collect();
    names.join(" and ")
}

/// A shape as NumPy writes it: `()`, `(3,)`, `(2, 3)`.
fn shape_text(shape: &[usize]) -> String {
    match shape {
        [one] => format!("({one},)"),
        _ => format!("({})", shape.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")),
    }
}
