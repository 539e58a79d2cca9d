//! Products and factorisations of blocks.

use std::ops::Range;

use dolmen_graph::{TaskError, TaskResult};
use dolmen_kernels::{
    Block, Eigh, KernelError, Lu, Pool, Qr, Svd, Triangle, matmul, matmul_add, matmul_subtract, solve_triangular,
};
use serde::{Deserialize, Serialize};
use smallvec::{SmallVec, smallvec};

use crate::linalg::Contraction;
use crate::task::{KernelOperand, Task, failed, next_index, unknown};
use crate::value::BlockValue;

/// The sum of the products of the blocks that meet, with an axis of length 1 for each that was summed over.
pub(super) fn contract(task: &Task<'_>, spec: &Contraction, operands: &[KernelOperand]) -> TaskResult {
    let [a, b] = operands else { return Err(unknown()) };
    let index = task.index();
    let (n_a, n_b) = (a.n_blocks(&index), b.n_blocks(&index));
    let n_free_a = spec.order_a.len() - spec.n_batch - spec.n_contracted;
    let of_a = &spec.order_a[spec.n_batch + n_free_a..];
    let of_b = &spec.order_b[spec.n_batch..spec.n_batch + spec.n_contracted];
    let ranges: SmallVec<[Range<u32>; 4]> = of_a.iter().map(|axis| 0..n_a[*axis]).collect();
    let n_products: u32 = ranges.iter().map(|range| range.end).product();
    let mut at: SmallVec<[u32; 4]> = SmallVec::from_elem(0, ranges.len());
    let mut sum: Option<Block> = None;
    for _ in 0..n_products {
        let left = task.block(0, position(&at, of_a, &n_a))?;
        let right = task.block(1, position(&at, of_b, &n_b))?;
        let left = grouped(left, &spec.order_a, [spec.n_batch, n_free_a], task.pool).map_err(failed)?;
        let right = grouped(right, &spec.order_b, [spec.n_batch, spec.n_contracted], task.pool).map_err(failed)?;
        let product = match sum.take() {
            None => matmul(&left, &right, task.pool),
            Some(sum) => matmul_add(sum, &left, &right, task.pool),
        };
        sum = Some(product.map_err(failed)?);
        next_index(&mut at, &ranges);
    }
    let sum = sum.ok_or(TaskError::InputMissing { input_idx: 0, position: 0 })?;
    let (first_a, first_b) = (task.block(0, 0)?, task.block(1, 0)?);
    let shape = spec.order_a[..spec.n_batch + n_free_a].iter().map(|axis| first_a.shape()[*axis]);
    let shape = shape.chain(spec.order_b[spec.n_batch + spec.n_contracted..].iter().map(|axis| first_b.shape()[*axis]));
    let shape: SmallVec<[usize; 4]> = shape.chain(std::iter::repeat_n(1, spec.n_contracted)).collect();
    task.value(sum.reshape(&shape, task.pool).map_err(failed)?)
}

/// Which of the blocks that are read, in row-major order of `n_blocks` along their axes, is that at `at` along `axes`.
fn position(at: &[u32], axes: &[usize], n_blocks: &[u32]) -> usize {
    let mut position = 0;
    for (axis, n) in n_blocks.iter().enumerate() {
        let idx = axes.iter().position(|other| *other == axis).map_or(0, |place| at[place]);
        position = position * *n as usize + idx as usize;
    }
    position
}

/// The block with the axes in `order` as three: as many as the groups say, and the rest.
fn grouped(block: &Block, order: &[usize], groups: [usize; 2], pool: &Pool) -> Result<Block, KernelError> {
    let turned = block.transpose(order)?;
    let (first, rest) = turned.shape().split_at(groups[0]);
    let (second, third) = rest.split_at(groups[1]);
    let shape = [first, second, third].map(|lens| lens.iter().product::<usize>());
    turned.reshape(&shape, pool)
}

/// The product of two matrices.
pub(super) fn block_product(task: &Task<'_>) -> TaskResult {
    task.value(matmul(task.block(0, 0)?, task.block(1, 0)?, task.pool).map_err(failed)?)
}

/// The first matrix less the product of the others.
pub(super) fn subtract_product(task: &Task<'_>) -> TaskResult {
    let (from, a, b) = (task.block(0, 0)?, task.block(1, 0)?, task.block(2, 0)?);
    task.value(matmul_subtract(from.clone(), a, b, task.pool).map_err(failed)?)
}

/// The factors of a matrix, `q` and `r`.
pub(super) fn qr(task: &Task<'_>) -> TaskResult {
    let Qr { q, r } = dolmen_kernels::qr(task.block(0, 0)?, task.pool).map_err(failed)?;
    Ok(BlockValue::of(smallvec![q, r]).into_ref())
}

/// The triangular factor of a matrix.
pub(super) fn qr_r(task: &Task<'_>) -> TaskResult {
    task.value(dolmen_kernels::qr_r(task.block(0, 0)?, task.pool).map_err(failed)?)
}

/// The singular value decomposition of a matrix.
pub(super) fn svd(task: &Task<'_>) -> TaskResult {
    let Svd { u, s, vh } = dolmen_kernels::svd(task.block(0, 0)?, task.pool).map_err(failed)?;
    Ok(BlockValue::of(smallvec![u, s, vh]).into_ref())
}

/// A factorisation of one block.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) enum Factorisation {
    /// The order of rows, the lower and the upper triangle.
    Lu,
    /// The lower triangle.
    Cholesky,
    /// Eigenvalues and eigenvectors.
    Eigh,
}

impl Factorisation {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Lu => "lu",
            Self::Cholesky => "cholesky",
            Self::Eigh => "eigh",
        }
    }
}

/// The factors of a block.
pub(super) fn factors(task: &Task<'_>, factorisation: Factorisation) -> TaskResult {
    let block = task.block(0, 0)?;
    let blocks = match factorisation {
        Factorisation::Lu => {
            let Lu { order, l, u } = dolmen_kernels::lu(block, task.pool).map_err(failed)?;
            let order: Vec<i64> = order.into_iter().map(|row| row as i64).collect();
            smallvec![Block::from_vec(&[order.len()], order).map_err(failed)?, l, u]
        }
        Factorisation::Cholesky => smallvec![dolmen_kernels::cholesky(block, task.pool).map_err(failed)?],
        Factorisation::Eigh => {
            let Eigh { w, v } = dolmen_kernels::eigh(block, task.pool).map_err(failed)?;
            smallvec![w, v]
        }
    };
    Ok(BlockValue::of(blocks).into_ref())
}

/// What the triangle of the first block, multiplied with, gives the second one.
pub(super) fn solved(task: &Task<'_>, is_lower: bool, unit_diagonal: bool) -> TaskResult {
    let triangle = if is_lower { Triangle::Lower } else { Triangle::Upper };
    let solved = solve_triangular(task.block(0, 0)?, task.block(1, 0)?, triangle, unit_diagonal, task.pool);
    task.value(solved.map_err(failed)?)
}
