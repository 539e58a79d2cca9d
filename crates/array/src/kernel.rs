//! Kernels: what is done with whole blocks.

mod histogram;
mod linalg;
mod pick;
mod reduce;
mod scan;

use dolmen_graph::TaskResult;
use dolmen_kernels::{Block, DType, Program};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

pub(crate) use reduce::unknown_axes;

use crate::linalg::Contraction;
use crate::lower::read_bytes;
use crate::node::Operand;
use crate::reduce::Spec;
use crate::task::{KernelOperand, Task, failed, joined, shape_of};
use crate::window::Window;
use crate::{Array, Chunks};

/// The bytes of a position.
const POSITION_BYTES: u64 = 8;

/// What is done with the blocks of some operands to make a block of the output.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Kernel {
    /// The elements in C order under another shape.
    Reshape,
    /// The elements along an axis where the second operand is true.
    Compress { axis: usize },
    /// The elements along an axis at the positions that the second operand has.
    TakeLazy { axis: usize },
    /// A program, and the reduction of what it makes of each block of an output with `chunks`. Operands behind those of the
    /// program have the [`Lens`](Self::Lens) along each reduced axis of unknown sizes, where positions are asked for.
    Partial { program: Program, spec: Spec, chunks: Chunks, is_last: bool },
    /// Partial results combined, and finished if they are the last.
    Combine { spec: Spec, is_last: bool },
    /// The length of a block along an axis.
    Lens { axis: usize },
    /// The product of blocks, summed over those that meet.
    Contract(Contraction),
    /// A matrix times a matrix.
    BlockProduct,
    /// The factors of a block of rows.
    Qr,
    /// The singular value decomposition of a block.
    Svd,
    /// What running sums (or products) come to before each block, from what the blocks come to.
    ScanTotals { axis: usize, is_product: bool },
    /// Running sums (or products) of a block, after what is before it.
    Scan { axis: usize, is_product: bool },
    /// The best elements along an axis of some blocks.
    TopK { k: isize, axis: usize },
    /// The elements between edges.
    Histogram { is_uniform: bool },
    /// What windows reached into is left out.
    Trim { windows: SmallVec<[Window; 4]> },
}

impl Kernel {
    /// What reprs and plans call it.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Reshape => "reshape",
            Self::Compress { .. } => "compress",
            Self::TakeLazy { .. } => "take",
            Self::Trim { .. } => "trim",
            Self::Lens { .. } => "len",
            Self::Contract(_) | Self::BlockProduct => "matmul",
            Self::Qr => "qr",
            Self::Svd => "svd",
            Self::ScanTotals { .. } | Self::Scan { is_product: false, .. } => "cumsum",
            Self::Scan { is_product: true, .. } => "cumprod",
            Self::TopK { .. } => "topk",
            Self::Histogram { .. } => "histogram",
            Self::Partial { spec, .. } | Self::Combine { spec, .. } => spec.reduction.name(),
        }
    }

    /// The bytes of a task's value, if it is not just a block of `array`.
    pub(crate) fn value_bytes(&self, array: &Array, operands: &[Operand]) -> Option<u64> {
        let read = || operands.first().and_then(read_bytes);
        match self {
            Self::Partial { spec, is_last: false, .. } | Self::Combine { spec, is_last: false } => {
                reduce::partial_bytes(spec, array)
            }
            // `q` is as large as the matrix, `r` as its square part.
            Self::Qr => {
                let n = array.chunks().axes()[1].size_max()? as u64;
                read()?.checked_add(n.checked_mul(n)?.checked_mul(array.dtype().size_bytes() as u64)?)
            }
            Self::Svd => read()?.checked_mul(3),
            _ => None,
        }
    }

    /// The bytes that a task needs besides its inputs and its value.
    pub(crate) fn scratch_bytes(&self, array: &Array, operands: &[Operand]) -> Option<u64> {
        let read = || operands.first().and_then(read_bytes);
        match self {
            Self::Reshape
            | Self::Trim { .. }
            | Self::Partial { .. }
            | Self::Combine { .. }
            | Self::Lens { .. }
            | Self::Scan { .. }
            | Self::BlockProduct => Some(0),
            // The positions where the mask is true, of a byte each.
            Self::Compress { .. } => operands.get(1).and_then(read_bytes)?.checked_mul(POSITION_BYTES),
            // The elements as floats.
            Self::Histogram { .. } => match operands.first() {
                Some(operand) if operand.array.dtype() != DType::F64 => {
                    (operand.array.chunks().block_elements_max()? as u64).checked_mul(8)
                }
                _ => Some(0),
            },
            // The product of two blocks before it is added.
            Self::Contract(_) => array.block_bytes_max(),
            // The blocks of the axis are joined.
            Self::ScanTotals { .. } | Self::TopK { .. } => read(),
            Self::TakeLazy { .. } => {
                let positions = operands.get(1)?.array.chunks().block_elements_max()? as u64;
                // As wide as any integer, and as positions.
                read()?.checked_add(positions.checked_mul(16 + POSITION_BYTES)?)
            }
            // The factorisation is in place of a copy, with its workspace.
            Self::Qr => read()?.checked_mul(2),
            Self::Svd => read()?.checked_mul(4),
        }
    }
}

/// Runs a kernel for one block.
pub(crate) fn run(task: &Task<'_>, kernel: &Kernel, operands: &[KernelOperand]) -> TaskResult {
    match kernel {
        Kernel::Reshape => {
            let dims = task.dims();
            let shape = shape_of(&dims, &[])?;
            task.value(task.block(0, 0)?.reshape(&shape, task.pool).map_err(failed)?)
        }
        Kernel::Compress { axis } => pick::compress(task, *axis),
        Kernel::TakeLazy { axis } => pick::take_lazy(task, *axis, &joined(task, operands)?),
        Kernel::Partial { program, spec, chunks, is_last } => {
            reduce::partial(task, program, spec, chunks, operands, *is_last)
        }
        Kernel::Combine { spec, is_last } => reduce::combine(task, spec, *is_last),
        Kernel::Lens { axis } => reduce::len(task, *axis),
        Kernel::Contract(spec) => linalg::contract(task, spec, operands),
        Kernel::BlockProduct => linalg::block_product(task),
        Kernel::Qr => linalg::qr(task),
        Kernel::Svd => linalg::svd(task),
        Kernel::ScanTotals { axis, is_product } => scan::totals(task, *axis, *is_product, &joined(task, operands)?),
        Kernel::Scan { axis, is_product } => scan::block(task, *axis, *is_product),
        Kernel::TopK { k, axis } => pick::topk(task, *k, *axis, &joined(task, operands)?),
        Kernel::Histogram { is_uniform } => histogram::counts(task, *is_uniform),
        Kernel::Trim { windows } => {
            let index = task.index();
            let start = windows.iter().zip(&index).map(|(window, idx)| window.n_before(*idx));
            let start: SmallVec<[usize; 4]> = start.collect();
            let shape: SmallVec<[usize; 4]> = task.dims().iter().map(|len| len.unwrap_or(0)).collect();
            task.value(Block::region(task.block(0, 0)?, &start, &shape).map_err(failed)?)
        }
    }
}
