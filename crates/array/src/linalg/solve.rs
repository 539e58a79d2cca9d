//! Triangular factors of matrices that are cut into square blocks, and what they solve.

use std::sync::Arc;

use dolmen_kernels::{DType, promote};
use smallvec::SmallVec;

use crate::chunks::AxisChunks;
use crate::convert::empty_of;
use crate::kernel::{Factorisation, Kernel};
use crate::node::{Expr, Operand, OperandAxis};
use crate::{Array, ArrayError, Chunks, Reduce};

/// A matrix is cut into at most so many blocks along an axis: the graph of a factorisation grows with them.
const N_BLOCKS_MAX: usize = 64;
/// Fewer blocks along an axis leave threads idle while one block is factorised,
const N_BLOCKS_MIN: usize = 8;
/// but smaller ones cost more than they gain.
const SIZE_MIN: usize = 256;

/// The solution of a system by least squares, see [`Array::lstsq`].
#[derive(Debug, Clone)]
pub struct LeastSquares {
    /// What the matrix is to be multiplied with: `[n]` or `[n, k]`.
    pub solution: Array,
    /// The sum of the squares of what is left of each right side: `[1]` or `[k]`; none if the system is not larger than it has
    /// unknowns.
    pub residuals: Array,
    /// How many singular values are not next to nothing.
    pub rank: Array,
    /// The singular values of the matrix, the largest first.
    pub singular_values: Array,
}

impl Array {
    /// The lower triangle `l` of a symmetric (Hermitian) positive definite matrix `l @ l^H`, of which the lower triangle is read.
    /// Square blocks are factorised one column of blocks after the other.
    ///
    /// # Errors
    /// [`ArrayError::WrongRank`], [`ArrayError::ShapeMismatch`] unless square, [`ArrayError::UnknownLength`],
    /// [`ArrayError::DTypeUnsupported`] for times. A matrix that is not positive definite is an error of the run.
    ///
    /// Source: Golub and Van Loan, Matrix Computations (2013), 4.2.9.
    pub fn cholesky(&self) -> Result<Self, ArrayError> {
        let op = "cholesky";
        let (x, n, size) = self.square_blocks(op)?;
        if n == 0 {
            return Ok(x);
        }
        // Columns of blocks from their diagonal block on, and what is left of the matrix behind them. Of that, blocks above the
        // diagonal are used by nobody, so no task makes them.
        let (mut done, mut rest) = (Vec::new(), x);
        for start in (0..n).step_by(size) {
            let (n, size) = (n - start, size.min(n - start));
            let column = rest.part(1, 0, size);
            let [diagonal] = column.part(0, 0, size).factors(Factorisation::Cholesky)?;
            // x l^H = b is l x^H = b^H.
            let below = solved(&diagonal, &column.part(0, size, n).adjoint()?, true, false)?;
            let (rows, square) = (below.adjoint()?, rest.part(0, size, n).part(1, size, n));
            rest = less_product(&square, &rows, &below)?;
            done.push(Self::concatenate(&[diagonal, rows], 0)?);
        }
        let columns = done.iter().enumerate().map(|(at, column)| padded(column, at * size, size));
        Self::concatenate(&columns.collect::<Result<Vec<_>, _>>()?, 1)
    }

    /// The factors of a matrix with rows exchanged: `order`, `l` and `u`, so that `l @ u` is the matrix with its rows in that
    /// order; `l` has ones on its diagonal, and no element of it is larger than one. A column of blocks is put into one block
    /// for each step.
    ///
    /// Shapes `[m, n] -> [m], [m, k], [k, n]` with `k = min(m, n)`.
    ///
    /// # Errors
    /// [`ArrayError::WrongRank`], [`ArrayError::UnknownLength`], [`ArrayError::DTypeUnsupported`] for times. NaN or infinity
    /// is an error of the run.
    ///
    /// Source: Golub and Van Loan, Matrix Computations (2013), 3.4.
    pub fn lu(&self) -> Result<(Self, Self, Self), ArrayError> {
        let op = "lu";
        let x = self.matrix(op)?;
        let shape = x.known_shape(op)?;
        let (m, n) = (shape[0], shape[1]);
        let k = m.min(n);
        if k == 0 {
            let order = Self::arange(0, m as i64, 1, None, m.max(1))?;
            return Ok((order, empty_of(&[m, 0], x.dtype()), empty_of(&[0, n], x.dtype())));
        }
        let size = x.block_size(k);
        let mut rest = x.with_chunks(&Chunks::new([AxisChunks::single(m), AxisChunks::uniform(n, size)]));
        let (mut panels, mut rows_of_u) = (Vec::new(), Vec::new());
        for start in (0..k).step_by(size) {
            let (m, n) = (m - start, n - start);
            let width = size.min(n);
            let pivots = width.min(m);
            let [order, l, u] = rest.part(1, 0, width).factors(Factorisation::Lu)?;
            let right = rest.part(1, width, n).index(&[crate::Index::Array(order.clone())])?;
            let top = solved(&l.part(0, 0, pivots), &right.part(0, 0, pivots), true, true)?;
            rest = less_product(&right.part(0, pivots, m), &l.part(0, pivots, m), &top)?;
            let left = Self::zeros(&[pivots, start], x.dtype(), size)?;
            rows_of_u.push(Self::concatenate(&[left, u, top], 1)?);
            panels.push((start, order, l));
        }
        // Rows below the pivots of a panel are exchanged by those after it, all at once.
        let mut later: Option<Self> = None;
        let mut columns_of_l = Vec::new();
        for (start, order, l) in panels.into_iter().rev() {
            let (m, pivots) = (m - start, size.min(k - start));
            let exchanged = |array: &Self| match &later {
                None => Ok(array.clone()),
                Some(later) => {
                    let below = array.part(0, pivots, m).index(&[crate::Index::Array(later.clone())])?;
                    Self::concatenate(&[array.part(0, 0, pivots), below], 0)
                }
            };
            columns_of_l.push(padded(&exchanged(&l)?, start, size)?);
            later = Some(exchanged(&order)?);
        }
        columns_of_l.reverse();
        let order = later.unwrap_or_else(|| empty_of(&[m], DType::I64));
        let l = Self::concatenate(&columns_of_l, 1)?;
        Ok((order, l.cut_square(&[m, k], size), Self::concatenate(&rows_of_u, 0)?))
    }

    /// SciPy's `solve_triangular`: what this square matrix, of which one triangle is read, is to be multiplied with to give
    /// `right`, which is a vector or a matrix. With `unit_diagonal`, ones stand in place of the diagonal.
    ///
    /// # Errors
    /// [`ArrayError::WrongRank`], [`ArrayError::ShapeMismatch`], [`ArrayError::UnknownLength`],
    /// [`ArrayError::DTypeUnsupported`] for times. A zero on the diagonal is an error of the run.
    pub fn solve_triangular(&self, right: &Self, is_lower: bool, unit_diagonal: bool) -> Result<Self, ArrayError> {
        let op = "solve_triangular";
        right.check()?;
        if right.n_dims() == 1 {
            let column = right.expand_dims(&[1])?;
            return self.solve_triangular(&column, is_lower, unit_diagonal)?.squeeze(Some(&[1]));
        }
        let (x, n, size) = self.system(op, right)?;
        let dtype = promote(x.dtype(), right.matrix(op)?.dtype())?;
        let (x, right) = (x.astype(dtype)?, right.astype(dtype)?);
        if n == 0 {
            return Ok(right);
        }
        let right = right.with_chunks(&Chunks::new([AxisChunks::uniform(n, size), right.chunks().axes()[1].clone()]));
        let starts: Vec<usize> = (0..n).step_by(size).collect();
        let steps: Box<dyn Iterator<Item = &usize>> =
            if is_lower { Box::new(starts.iter()) } else { Box::new(starts.iter().rev()) };
        let mut done: Vec<Self> = Vec::new();
        for start in steps {
            let end = (start + size).min(n);
            let rows = x.part(0, *start, end);
            let mut own = right.part(0, *start, end);
            if !done.is_empty() {
                // What is known stands in front of the diagonal, or behind it.
                let known = if is_lower { rows.part(1, 0, *start) } else { rows.part(1, end, n) };
                own = own.subtract(known.matmul(&Self::concatenate(&done, 0)?)?)?;
            }
            let found = solved(&rows.part(1, *start, end), &own, is_lower, unit_diagonal)?;
            let place = if is_lower { done.len() } else { 0 };
            done.insert(place, found);
        }
        Self::concatenate(&done, 0)
    }

    /// NumPy's `linalg.solve`: what this square matrix is to be multiplied with to give `right`, a vector or a matrix; by
    /// [`lu`](Self::lu), or by [`cholesky`](Self::cholesky) if the matrix is known to be symmetric and positive definite.
    ///
    /// # Errors
    /// As [`solve_triangular`](Self::solve_triangular). A singular matrix is an error of the run.
    pub fn solve(&self, right: &Self, is_positive: bool) -> Result<Self, ArrayError> {
        let op = "solve";
        let (x, ..) = self.system(op, right)?;
        if is_positive {
            let l = x.cholesky()?;
            return l.adjoint()?.solve_triangular(&l.solve_triangular(right, true, false)?, false, false);
        }
        let (order, l, u) = x.lu()?;
        let exchanged = right.index(&[crate::Index::Array(order)])?;
        u.solve_triangular(&l.solve_triangular(&exchanged, true, true)?, false, false)
    }

    /// NumPy's `linalg.inv`: the inverse of a square matrix.
    ///
    /// # Errors
    /// As [`solve`](Self::solve).
    pub fn inv(&self) -> Result<Self, ArrayError> {
        let (x, n, size) = self.square_blocks("inv")?;
        x.solve(&Self::eye(n, n, 0, x.dtype(), size.max(1))?, false)
    }

    /// NumPy's `linalg.lstsq`: the shortest solution for which what is left of `right` is least, by
    /// [`svd`](Self::svd). Singular values that are less than `cutoff` of the largest count as zero; without one, as NumPy has
    /// it, less than the precision times the longer side.
    ///
    /// # Errors
    /// Those of [`svd`](Self::svd); [`ArrayError::ShapeMismatch`].
    pub fn lstsq(&self, right: &Self, cutoff: Option<f64>) -> Result<LeastSquares, ArrayError> {
        let op = "lstsq";
        let x = self.matrix(op)?;
        let shape = x.known_shape(op)?;
        if right.known_shape(op)?.first() != Some(&shape[0]) || right.n_dims() > 2 {
            let shapes = crate::array::dims_of(&[self, right]);
            let expected = "the right side is a vector or a matrix with as many rows as the matrix".to_owned();
            return Err(ArrayError::ShapeMismatch { op, shapes, expected });
        }
        let dtype = promote(x.dtype(), right.dtype())?;
        let (x, right) = (x.astype(dtype)?, right.astype(dtype)?);
        let (u, s, vt) = x.svd()?;
        let precision = if dtype.real() == DType::F32 { f64::from(f32::EPSILON) } else { f64::EPSILON };
        let cutoff = cutoff.unwrap_or(precision * shape[0].max(shape[1]) as f64);
        let counts = s.greater(s.max(&Reduce::all())?.multiply(cutoff)?)?;
        let inverse = Self::where_(&counts, s.power(-1.0)?, &s.zeros_like(None)?)?;
        let scaled = match right.n_dims() {
            1 => u.adjoint()?.matmul(&right)?.multiply(&inverse)?,
            _ => u.adjoint()?.matmul(&right)?.multiply(inverse.expand_dims(&[1])?)?,
        };
        let solution = vt.adjoint()?.matmul(&scaled)?;
        let residuals = match shape[0] > shape[1] {
            true => {
                let rest = right.subtract(x.matmul(&solution)?)?.absolute()?.square()?;
                rest.sum(&if right.n_dims() == 1 { Reduce::axis(0).keepdims() } else { Reduce::axis(0) })?
            }
            false => empty_of(&[0], dtype.real()),
        };
        Ok(LeastSquares { solution, residuals, rank: counts.count_nonzero(&Reduce::all())?, singular_values: s })
    }

    /// NumPy's `linalg.eigh`: the eigenvalues of a symmetric (Hermitian) matrix from the least on, and its eigenvectors by
    /// columns. The lower triangle is read; the matrix is put into one block, which has to fit a task.
    ///
    /// # Errors
    /// As [`cholesky`](Self::cholesky).
    pub fn eigh(&self) -> Result<(Self, Self), ArrayError> {
        let (x, n, _) = self.square_blocks("eigh")?;
        if n == 0 {
            return Ok((empty_of(&[0], x.dtype().real()), x));
        }
        let [w, v] = x.factors(Factorisation::Eigh)?;
        Ok((w, v))
    }

    /// The conjugate of the transpose.
    pub(super) fn adjoint(&self) -> Result<Self, ArrayError> {
        let turned = self.transpose(None)?;
        if self.dtype().real() == self.dtype() { Ok(turned) } else { turned.conjugate() }
    }

    /// A square matrix in square blocks, its side, and that of the blocks.
    fn square_blocks(&self, op: &'static str) -> Result<(Self, usize, usize), ArrayError> {
        let x = self.matrix(op)?;
        let shape = x.known_shape(op)?;
        if shape[0] != shape[1] {
            let shapes = crate::array::dims_of(&[self]);
            return Err(ArrayError::ShapeMismatch { op, shapes, expected: "the matrix is square".to_owned() });
        }
        let size = x.block_size(shape[0]);
        Ok((x.cut_square(&shape, size), shape[0], size))
    }

    /// As [`square_blocks`](Self::square_blocks), of a matrix with a right side that has as many rows.
    fn system(&self, op: &'static str, right: &Self) -> Result<(Self, usize, usize), ArrayError> {
        let (x, n, size) = self.square_blocks(op)?;
        if right.known_shape(op)?.first() != Some(&n) {
            let shapes = crate::array::dims_of(&[self, right]);
            let expected = "the right side has as many rows as the matrix".to_owned();
            return Err(ArrayError::ShapeMismatch { op, shapes, expected });
        }
        Ok((x, n, size))
    }

    /// The side of the square blocks that a matrix is factorised in.
    fn block_size(&self, n: usize) -> usize {
        let own = self.chunks().axes().iter().filter_map(AxisChunks::size_max).max().unwrap_or(n);
        let own = own.max(n.div_ceil(N_BLOCKS_MAX)).max(1);
        // Parts of the blocks, so that their borders stay borders.
        own.div_ceil(own.div_ceil(n.div_ceil(N_BLOCKS_MIN).max(SIZE_MIN)))
    }

    fn cut_square(&self, shape: &[usize], size: usize) -> Self {
        self.with_chunks(&Chunks::new(shape.iter().map(|len| AxisChunks::uniform(*len, size))))
    }

    /// The factors of a matrix that is put into one block.
    fn factors<const N: usize>(&self, factorisation: Factorisation) -> Result<[Self; N], ArrayError> {
        let shape = self.known_shape(factorisation.name())?;
        let (m, n) = (shape[0], shape[1]);
        let k = m.min(n);
        let one = self.with_chunks(&Chunks::single(&shape));
        let parts: [(DType, SmallVec<[usize; 2]>); 3] = match factorisation {
            Factorisation::Lu => {
                [(DType::I64, [m][..].into()), (self.dtype(), [m, k].into()), (self.dtype(), [k, n].into())]
            }
            Factorisation::Cholesky => [(); 3].map(|()| (self.dtype(), [n, n].into())),
            Factorisation::Eigh => {
                [(self.dtype().real(), [n][..].into()), (self.dtype(), [n, n].into()), (self.dtype(), [n, n].into())]
            }
        };
        let (dtype, first) = &parts[0];
        let expr = Expr::Blockwise {
            kernel: Arc::new(Kernel::Factor(factorisation)),
            operands: vec![Operand { array: one, axes: SmallVec::from_slice(&[OperandAxis::All; 2]) }],
        };
        let all = Self::from_node(expr, *dtype, Chunks::single(first));
        Ok(std::array::from_fn(|idx| {
            let (dtype, shape) = &parts[idx];
            Self::from_node(Expr::Part { input: all.clone(), idx }, *dtype, Chunks::single(shape))
        }))
    }
}

/// `from - a @ b`, where all columns of `a` are one block of each row of it.
fn less_product(from: &Array, a: &Array, b: &Array) -> Result<Array, ArrayError> {
    let inner = AxisChunks::single(a.known_shape("matmul")?[1]);
    let [rows, columns] = [0, 1].map(|axis| from.chunks().axes()[axis].clone());
    let operand = |array: &Array, chunks: [AxisChunks; 2], axes: [OperandAxis; 2]| Operand {
        array: array.with_chunks(&Chunks::new(chunks)),
        axes: SmallVec::from_slice(&axes),
    };
    let operands = vec![
        Operand::same(from.clone()),
        operand(a, [rows, inner.clone()], [OperandAxis::Out(0), OperandAxis::One]),
        operand(b, [inner, columns], [OperandAxis::One, OperandAxis::Out(1)]),
    ];
    let expr = Expr::Blockwise { kernel: Arc::new(Kernel::SubtractProduct), operands };
    Ok(Array::from_node(expr, from.dtype(), from.chunks().clone()))
}

/// Zeros in front of the rows of a matrix, in blocks of that size.
fn padded(column: &Array, n_rows: usize, size: usize) -> Result<Array, ArrayError> {
    if n_rows == 0 {
        return Ok(column.clone());
    }
    let width = column.known_shape("cholesky")?[1];
    let zeros = Array::zeros(&[n_rows, width], column.dtype(), size)?;
    Array::concatenate(&[zeros, column.clone()], 0)
}

/// What a triangle in one block gives `right`, whose rows are put into one block: blocks of columns are solved on their own.
fn solved(triangle: &Array, right: &Array, is_lower: bool, unit_diagonal: bool) -> Result<Array, ArrayError> {
    let shape = right.known_shape("solve_triangular")?;
    if shape.contains(&0) {
        return Ok(right.clone());
    }
    let side = triangle.known_shape("solve_triangular")?;
    let triangle = triangle.with_chunks(&Chunks::single(&side));
    let chunks = Chunks::new([AxisChunks::single(shape[0]), right.chunks().axes()[1].clone()]);
    let operands = vec![
        Operand { array: triangle, axes: SmallVec::from_slice(&[OperandAxis::All; 2]) },
        Operand::same(right.with_chunks(&chunks)),
    ];
    let kernel = Arc::new(Kernel::SolveTriangular { is_lower, unit_diagonal });
    Ok(Array::from_node(Expr::Blockwise { kernel, operands }, right.dtype(), chunks))
}
