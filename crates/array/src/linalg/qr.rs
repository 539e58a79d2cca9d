//! QR of matrices that are longer than wide, block by block.

use std::sync::Arc;

use dolmen_kernels::DType;
use smallvec::SmallVec;

use crate::chunks::AxisChunks;
use crate::convert::empty_of;
use crate::kernel::Kernel;
use crate::node::{Expr, Operand, OperandAxis};
use crate::{Array, ArrayError, AxisSpec, ChunkSpec, Chunks, RandomGenerator, Reduce};

/// The bytes of triangular factors that one task stacks, unless two are more.
const STACKED_BYTES: u64 = 64 << 20;

/// A square factor of more bytes is not made in one block if the columns of the matrix are cut.
const PANEL_BYTES: u64 = 32 << 20;
/// So many columns of blocks are factorised one after the other.
const N_PANELS_MAX: usize = 64;

impl Array {
    /// The reduced QR factorisation, `q` with orthonormal columns and `r` upper triangular: `q @ r` is the matrix.
    ///
    /// The rows are cut into blocks that hold all columns (which is a rechunk if the columns are cut); factors of the blocks
    /// are stacked and factorised again. Where that would make large blocks of a matrix of many columns, as many as a block
    /// holds are factorised at a time, and taken out of those behind them until rounding leaves nothing. The signs are
    /// those that make the diagonal of `r` not negative, whatever the chunks.
    ///
    /// Shapes `[m, n] -> [m, k], [k, n]` with `k = min(m, n)`.
    ///
    /// # Errors
    /// [`ArrayError::WrongRank`], [`ArrayError::UnknownLength`]; [`ArrayError::DTypeUnsupported`] for times. NaN or
    /// infinity is an error of the run.
    ///
    /// Source: Direct QR factorizations for tall-and-skinny matrices in MapReduce architectures (Benson et al., 2013);
    /// Barlow and Smoktunowicz, Reorthogonalized block classical Gram-Schmidt (2013).
    pub fn qr(&self) -> Result<(Self, Self), ArrayError> {
        let x = self.matrix("qr")?;
        let shape = x.known_shape("qr")?;
        let (m, n) = (shape[0], shape[1]);
        let k = m.min(n);
        if k == 0 {
            return Ok((empty_of(&[m, 0], x.dtype()), empty_of(&[0, n], x.dtype())));
        }
        if x.goes_by_panels(k, n) {
            return x.qr_by_panels(k, n);
        }
        x.tall_qr(k, n)
    }

    /// The factor `r` of [`qr`](Self::qr) alone, for which `q` is not made where the rows are factorised block by block.
    ///
    /// Shapes `[m, n] -> [k, n]` with `k = min(m, n)`.
    ///
    /// # Errors
    /// As [`qr`](Self::qr).
    pub fn qr_r(&self) -> Result<Self, ArrayError> {
        let x = self.matrix("qr")?;
        let shape = x.known_shape("qr")?;
        let (k, n) = (shape[0].min(shape[1]), shape[1]);
        if k == 0 || x.goes_by_panels(k, n) {
            return Ok(x.qr()?.1);
        }
        let x = x.in_row_blocks("qr")?;
        let rows = x.chunks().axes()[0].clone();
        let expr = Expr::Blockwise { kernel: Arc::new(Kernel::QrR), operands: vec![Operand::same(x.clone())] };
        let r = Self::from_node(expr, x.dtype(), triangles(&rows, k, n));
        if rows.n_blocks() == 1 { Ok(r) } else { r.stacked(&rows, k, n).qr_r() }
    }

    /// Whether the square factor of a matrix whose columns are cut is too large for one block.
    fn goes_by_panels(&self, k: usize, n: usize) -> bool {
        let bytes = (k as u64).saturating_mul(n as u64).saturating_mul(self.dtype().size_bytes() as u64);
        bytes > PANEL_BYTES.min(self.task_bytes()) && self.chunks().axes()[1].n_blocks() > 1
    }

    /// The triangular factors of blocks of rows, some of them in each block.
    fn stacked(&self, rows: &AxisChunks, k: usize, n: usize) -> Self {
        let bytes = (k * n * self.dtype().size_bytes()) as u64;
        let size = (STACKED_BYTES.min(self.task_bytes()) / bytes.max(1)).clamp(2, 16) as usize;
        let together = AxisChunks::uniform(n * rows.n_blocks() as usize, n * size);
        self.with_chunks(&Chunks::new([together, AxisChunks::single(n)]))
    }

    /// The factors of a matrix of which a block holds all columns, and at least as many rows.
    fn tall_qr(&self, k: usize, n: usize) -> Result<(Self, Self), ArrayError> {
        let x = self.in_row_blocks("qr")?;
        let rows = x.chunks().axes()[0].clone();
        let (q, r) = x.block_qr(&rows, k);
        if rows.n_blocks() == 1 {
            return Ok((q, r));
        }
        // The factors of all blocks, one behind the other, factorised in turn.
        let (inner_q, r) = r.stacked(&rows, k, n).qr()?;
        let inner_q = inner_q
            .with_chunks(&Chunks::new([AxisChunks::uniform(n * rows.n_blocks() as usize, n), AxisChunks::single(n)]));
        Ok((block_product(&q, &inner_q), r))
    }

    /// The factors of a matrix of many columns, some of which are factorised at a time.
    fn qr_by_panels(&self, k: usize, n: usize) -> Result<(Self, Self), ArrayError> {
        let width = self.chunks().axes()[1].size_max().unwrap_or(n).max(k.div_ceil(N_PANELS_MAX));
        let m = self.known_shape("qr")?[0];
        let random = RandomGenerator::new(0);
        let mut q: Option<Self> = None;
        let mut rows_of_r: Vec<Self> = Vec::new();
        for start in (0..k).step_by(width) {
            let end = (start + width).min(k);
            let panel = self.part(1, start, end);
            let width = end - start;
            let Some(done) = &q else {
                let (own, r) = panel.tall_qr(width, width)?;
                rows_of_r.push(r);
                q = Some(own);
                continue;
            };
            // What is in the span of the columns before is taken out.
            let without = |x: &Self| -> Result<(Self, Self), ArrayError> {
                let share = done.adjoint()?.matmul(x)?;
                Ok((x.subtract(done.matmul(&share)?)?, share))
            };
            let (rest, share) = without(&panel)?;
            let (first, r) = rest.tall_qr(width, width)?;
            // A column that depends on those before is nothing but rounding now, and again in their span: any other one does as
            // well, as nothing is multiplied with it.
            let (rest, again) = without(&first)?;
            let length = rest.absolute()?.square()?.sum(&Reduce::axis(0).keepdims())?;
            let any = random.normal(0.0, 1.0, &[m, width], rows_of(&rest))?.astype(self.dtype())?;
            let any = any.multiply(1.0 / (m as f64).sqrt())?;
            let (rest, last) = without(&Self::where_(&length.less(0.25)?, any, &rest)?)?;
            let (second, square) = rest.tall_qr(width, width)?;
            let r = (r.clone(), square.matmul(&r)?);
            // Columns that were near each other in what was left have rounding made large, once.
            let (rest, least) = without(&second)?;
            let (own, square) = rest.tall_qr(width, width)?;
            let above = share.add(again.add(last)?.matmul(&r.0)?)?.add(least.matmul(&r.1)?)?;
            rows_of_r.push(Self::concatenate(&[above, square.matmul(&r.1)?], 0)?);
            q = Some(Self::concatenate(&[done.clone(), own], 1)?);
        }
        let q = q.unwrap_or_else(|| empty_of(&[0, 0], self.dtype()));
        let padded = rows_of_r.iter().map(|column| {
            let shape = column.known_shape("qr")?;
            Self::concatenate(&[column.clone(), empty_of(&[k - shape[0], shape[1]], self.dtype())], 0)
        });
        let mut r = Self::concatenate(&padded.collect::<Result<Vec<_>, _>>()?, 1)?;
        if n > k {
            r = Self::concatenate(&[r, q.adjoint()?.matmul(&self.part(1, k, n))?], 1)?;
        }
        Ok((q, r))
    }

    /// A matrix of floating-point numbers that can be factorised.
    pub(super) fn matrix(&self, op: &'static str) -> Result<Self, ArrayError> {
        self.check()?;
        if self.n_dims() != 2 {
            return Err(ArrayError::WrongRank { op, expected: "a matrix", n_dims: self.n_dims() });
        }
        match self.dtype() {
            dtype if dtype.is_time() => {
                let remedy = "cast it to float64 with astype";
                Err(ArrayError::DTypeUnsupported { op, dtype, remedy })
            }
            DType::F16 => self.astype(DType::F32),
            dtype if dtype.is_inexact() => Ok(self.clone()),
            _ => self.astype(DType::F64),
        }
    }

    /// Rows in blocks that hold all columns, each with at least as many rows as there are columns.
    fn in_row_blocks(&self, op: &'static str) -> Result<Self, ArrayError> {
        let shape = self.known_shape(op)?;
        let (m, n) = (shape[0], shape[1]);
        let own = &self.chunks().axes()[0];
        let is_tall = |idx| own.bounds(idx).is_some_and(|bounds| bounds.len() >= n);
        let rows = match (0..own.n_blocks()).all(is_tall) {
            true => own.clone(),
            false => {
                let size = own.size_max().unwrap_or(m).max(n).max(1);
                // The last block takes what would not be enough for one of its own.
                let n_blocks = (m / size).max(1);
                let mut sizes = vec![size; n_blocks - 1];
                sizes.push(m - size * (n_blocks - 1));
                AxisChunks::from_sizes(&sizes)
            }
        };
        Ok(self.with_chunks(&Chunks::new([rows, AxisChunks::single(n)])))
    }

    /// The factors of each block of rows: `q` cut as the matrix, `r` one behind the other.
    fn block_qr(&self, rows: &AxisChunks, k: usize) -> (Self, Self) {
        let n = self.chunks().axes()[1].len().unwrap_or(0);
        let expr = Expr::Blockwise { kernel: Arc::new(Kernel::Qr), operands: vec![Operand::same(self.clone())] };
        let q_chunks = Chunks::new([rows.clone(), AxisChunks::single(k)]);
        let both = Self::from_node(expr, self.dtype(), q_chunks.clone());
        let r_chunks = triangles(rows, k, n);
        let part = |idx, chunks| Self::from_node(Expr::Part { input: both.clone(), idx }, self.dtype(), chunks);
        (part(0, q_chunks), part(1, r_chunks))
    }
}

/// The chunks of the triangular factors of blocks of rows, one behind the other.
fn triangles(rows: &AxisChunks, k: usize, n: usize) -> Chunks {
    Chunks::new([AxisChunks::uniform(k * rows.n_blocks() as usize, k), AxisChunks::single(n)])
}

/// Each block of rows of `a` times the block of rows of `b` at the same place.
pub(super) fn block_product(a: &Array, b: &Array) -> Array {
    let operands = vec![
        Operand { array: a.clone(), axes: SmallVec::from_slice(&[OperandAxis::Out(0), OperandAxis::One]) },
        Operand { array: b.clone(), axes: SmallVec::from_slice(&[OperandAxis::Out(0), OperandAxis::Out(1)]) },
    ];
    let expr = Expr::Blockwise { kernel: Arc::new(Kernel::BlockProduct), operands };
    let chunks = Chunks::new([a.chunks().axes()[0].clone(), b.chunks().axes()[1].clone()]);
    Array::from_node(expr, a.dtype(), chunks)
}

/// The chunks of a matrix with the rows of this one, in one block of columns.
fn rows_of(matrix: &Array) -> ChunkSpec {
    let sizes = matrix.chunks().axes()[0].sizes().unwrap_or_default();
    ChunkSpec::PerAxis(vec![AxisSpec::Sizes(sizes), AxisSpec::Full])
}
