//! Kernels: what is done with whole blocks.

mod along;
mod histogram;
mod linalg;
mod pick;
mod random;
mod ranks;
mod reduce;
mod scan;
mod search;

use dolmen_graph::TaskResult;
use dolmen_kernels::{Block, DType, Family, ParameterRule, Program, Quantiles, Side, product_scratch_bytes};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

pub(crate) use along::Along;
pub(crate) use linalg::Factorisation;
pub(crate) use reduce::unknown_axes;
pub(crate) use search::descends;

use crate::linalg::Contraction;
use crate::lower::read_bytes;
use crate::node::{Operand, OperandAxis};
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
    /// A matrix less the product of two.
    SubtractProduct,
    /// The factors of a block of rows.
    Qr,
    /// The triangular one of them alone.
    QrR,
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
    /// Something with each row along an axis, whose blocks are joined.
    Along { axis: usize, along: Along },
    /// How many elements have each digit of a pass, where ranks are looked for.
    RankCounts { pass: u32 },
    /// What is known of ranks after a pass.
    RankStep { pass: u32, quantiles: Quantiles },
    /// Quantiles of elements of a dtype after the last pass.
    RankFinish { dtype: DType, quantiles: Quantiles },
    /// Digests of a block over some axes, along a last one.
    Digests { axes: SmallVec<[usize; 4]> },
    /// Those of several blocks made one.
    MergeDigests,
    /// Their quantiles.
    DigestQuantiles(Quantiles),
    /// What differs in a block of a row, with first positions and counts.
    Unique,
    /// The same of several blocks.
    MergeUnique,
    /// How often each integer from 0 on is in a block, or the sum of its weights, the second operand; as one row of a matrix or
    /// as long as it is.
    BinCount { len_min: usize, as_row: bool },
    /// Rows of different lengths, summed.
    SumRows,
    /// Where elements belong in a sorted table, the second operand; without a side whether they are there.
    Search { side: Option<Side> },
    /// A row that has to ascend, as it is; or, if it may descend, in ascending order.
    Ascending { may_descend: bool },
    /// The factors of a block.
    Factor(Factorisation),
    /// The solution of a triangular system.
    SolveTriangular { is_lower: bool, unit_diagonal: bool },
    /// How many of some draws are of each kind, in rows along the last axis.
    Multinomial { n: u64, chances: Vec<f64>, seed: u64, stream: u64 },
    /// The numbers of a law, whose parameters are the operands.
    Draw { family: Family, seed: u64, stream: u64 },
    /// Parameters of a law, checked.
    Parameter(ParameterRule),
    /// The elements of those operands behind the first one that it names.
    Choose,
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
            Self::Contract(_) | Self::BlockProduct | Self::SubtractProduct => "matmul",
            Self::Qr => "qr",
            Self::QrR => "qr_r",
            Self::Svd => "svd",
            Self::ScanTotals { .. } | Self::Scan { is_product: false, .. } => "cumsum",
            Self::Scan { is_product: true, .. } => "cumprod",
            Self::TopK { .. } => "topk",
            Self::Histogram { .. } => "histogram",
            Self::Partial { spec, .. } | Self::Combine { spec, .. } => spec.reduction.name(),
            Self::Along { along, .. } => along.name(),
            Self::RankCounts { .. } | Self::RankStep { .. } | Self::RankFinish { .. } => "quantile",
            Self::Digests { .. } | Self::MergeDigests | Self::DigestQuantiles(_) => "quantile",
            Self::Unique | Self::MergeUnique => "unique",
            Self::BinCount { .. } | Self::SumRows => "bincount",
            Self::Search { side: Some(_) } => "searchsorted",
            Self::Search { side: None } => "isin",
            Self::Ascending { .. } => "edges",
            Self::Factor(factorisation) => factorisation.name(),
            Self::SolveTriangular { .. } => "solve_triangular",
            Self::Multinomial { .. } => "multinomial",
            Self::Draw { .. } => "random",
            Self::Parameter(_) => "parameter",
            Self::Choose => "choose",
        }
    }

    /// Whether what it makes has the size of a block, and memory of its own.
    pub(crate) fn is_of_new_memory(&self) -> bool {
        matches!(
            self,
            Self::Contract(_)
                | Self::BlockProduct
                | Self::SubtractProduct
                | Self::Scan { .. }
                | Self::Along { .. }
                | Self::Draw { .. }
        )
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
            // Both triangles and the order of rows, or vectors and values.
            Self::Factor(Factorisation::Lu | Factorisation::Eigh) => read()?.checked_mul(3),
            _ => None,
        }
    }

    /// The most bytes of a value whose shape is not known before, of inputs of so many bytes; `None` if the values of elements
    /// decide.
    pub(crate) fn unknown_bytes(&self, array: &Array, operands: &[Operand], inputs: &[Option<u64>]) -> Option<u64> {
        let item = array.dtype().size_bytes() as u64;
        match self {
            // A position and a count beside each element.
            Self::Unique => inputs[0]?.div_ceil(item).checked_mul(item + 2 * POSITION_BYTES),
            Self::MergeUnique => {
                let size = operands[0].axes.iter().map(|axis| match axis {
                    OperandAxis::Group { size, .. } => u64::from(*size),
                    _ => 1,
                });
                inputs[0]?.checked_mul(size.product())
            }
            Self::BinCount { .. } | Self::SumRows | Self::Digests { .. } => None,
            // No other kernel makes more elements than the largest of its inputs has.
            _ => {
                let of_input = |(operand, bytes): (&Operand, &Option<u64>)| {
                    (*bytes)?.div_ceil(operand.array.dtype().size_bytes() as u64).checked_mul(item)
                };
                operands.iter().zip(inputs).map(of_input).try_fold(0, |most, bytes| Some(most.max(bytes?)))
            }
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
            | Self::BlockProduct
            | Self::Draw { .. }
            | Self::Parameter(_) => Some(0),
            // The positions where the mask is true, of a byte each.
            Self::Compress { .. } => operands.get(1).and_then(read_bytes)?.checked_mul(POSITION_BYTES),
            // The elements as floats.
            Self::Histogram { .. } => match operands.first() {
                Some(operand) if operand.array.dtype() != DType::F64 => {
                    (operand.array.chunks().block_elements_max()? as u64).checked_mul(8)
                }
                _ => Some(0),
            },
            // The product of two blocks before it is added, and what of them is packed.
            Self::Contract(_) => {
                let n_elements = array.chunks().block_elements_max()?;
                array.block_bytes_max()?.checked_add(product_scratch_bytes(n_elements) as u64)
            }
            // What is packed.
            Self::SubtractProduct => Some(product_scratch_bytes(array.chunks().block_elements_max()?) as u64),
            // The blocks of the axis are joined.
            Self::ScanTotals { .. } | Self::TopK { .. } => read(),
            Self::TakeLazy { .. } => {
                let positions = operands.get(1)?.array.chunks().block_elements_max()? as u64;
                // As wide as any integer, and as positions.
                read()?.checked_add(positions.checked_mul(16 + POSITION_BYTES)?)
            }
            // The factorisation is in place of a copy; so is `q`, before it is a block.
            Self::Qr => read()?.checked_mul(2),
            Self::QrR => read()?.checked_add(array.block_bytes_max()?.checked_mul(2)?),
            Self::Svd => read()?.checked_mul(4),
            Self::Along { axis, along } => {
                let own = operands.first()?;
                let row_len = own.array.chunks().axes()[*axis].len()? as u64;
                along.scratch_bytes(read()?, row_len, own.array.dtype())
            }
            Self::RankStep { .. } | Self::RankFinish { .. } | Self::SumRows | Self::Multinomial { .. } => Some(0),
            // Where the block is not contiguous.
            Self::RankCounts { .. } => read(),
            // The same, and the keys of a row.
            Self::Digests { .. } => read()?.checked_mul(2),
            // A digest that is read, those of a row together, and the merged one.
            Self::MergeDigests | Self::DigestQuantiles(_) => read(),
            // Keys with their positions, and groups of them.
            Self::Unique => {
                let elements = read()?.div_ceil(operands.first()?.array.dtype().size_bytes() as u64);
                elements.checked_mul(8 * POSITION_BYTES)
            }
            Self::MergeUnique => read()?.checked_mul(2),
            // The integers as positions, weights as floats, and a second table.
            Self::BinCount { .. } => read()?.checked_mul(8),
            // Positions, a mask, and what was chosen so far.
            Self::Choose => {
                (array.chunks().block_elements_max()? as u64).checked_mul(9)?.checked_add(array.block_bytes_max()?)
            }
            Self::Search { .. } => {
                let table = operands.get(1).and_then(read_bytes)?.checked_mul(2)?;
                read()?.checked_mul(2)?.checked_add(table)
            }
            // The elements as floats.
            Self::Ascending { .. } => (array.chunks().block_elements_max()? as u64).checked_mul(8),
            // In place of its result.
            Self::Factor(Factorisation::Cholesky) => Some(0),
            Self::Factor(Factorisation::Lu) => read(),
            Self::Factor(Factorisation::Eigh) => read()?.checked_mul(4),
            // The triangle, where it is a view of which neither rows nor columns are contiguous.
            Self::SolveTriangular { .. } => read(),
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
        Kernel::SubtractProduct => linalg::subtract_product(task),
        Kernel::Qr => linalg::qr(task),
        Kernel::QrR => linalg::qr_r(task),
        Kernel::Svd => linalg::svd(task),
        Kernel::ScanTotals { axis, is_product } => scan::totals(task, *axis, *is_product, &joined(task, operands)?),
        Kernel::Scan { axis, is_product } => scan::block(task, *axis, *is_product),
        Kernel::TopK { k, axis } => pick::topk(task, *k, *axis, &joined(task, operands)?),
        Kernel::Histogram { is_uniform } => histogram::counts(task, *is_uniform),
        Kernel::Along { axis, along } => along::run(task, *axis, along, &joined(task, operands)?),
        Kernel::RankCounts { pass } => ranks::counts(task, *pass),
        Kernel::RankStep { pass, quantiles } => ranks::step(task, quantiles, *pass),
        Kernel::RankFinish { dtype, quantiles } => ranks::finish(task, *dtype, quantiles),
        Kernel::Digests { axes } => ranks::digested(task, axes),
        Kernel::MergeDigests => ranks::merged(task),
        Kernel::DigestQuantiles(quantiles) => ranks::of_digests(task, quantiles),
        Kernel::Unique => search::unique(task, operands),
        Kernel::MergeUnique => search::merged(task),
        Kernel::BinCount { len_min, as_row } => search::counts(task, *len_min, *as_row),
        Kernel::SumRows => search::summed(task),
        Kernel::Search { side } => search::looked_up(task, *side, &joined(task, operands)?),
        Kernel::Ascending { may_descend } => search::ascending(task, *may_descend, &joined(task, operands)?),
        Kernel::Factor(factorisation) => linalg::factors(task, *factorisation),
        Kernel::SolveTriangular { is_lower, unit_diagonal } => linalg::solved(task, *is_lower, *unit_diagonal),
        Kernel::Choose => pick::choose(task),
        Kernel::Multinomial { n, chances, seed, stream } => random::multinomial(task, *n, chances, *seed, *stream),
        Kernel::Draw { family, seed, stream } => random::drawn(task, *family, *seed, *stream, operands),
        Kernel::Parameter(rule) => random::parameter(task, *rule, operands),
        Kernel::Trim { windows } => {
            let index = task.index();
            let start = windows.iter().zip(&index).map(|(window, idx)| window.n_before(*idx));
            let start: SmallVec<[usize; 4]> = start.collect();
            let shape: SmallVec<[usize; 4]> = task.dims().iter().map(|len| len.unwrap_or(0)).collect();
            task.value(Block::region(task.block(0, 0)?, &start, &shape).map_err(failed)?)
        }
    }
}
