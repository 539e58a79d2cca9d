//! Factorisations of matrices, by faer, on one thread.
//!
//! Signs are free in most factorisations; here they follow from the values, so that equal input gives equal signs.

use faer::linalg::solvers::Solve;
use faer::traits::ComplexField;
use faer::{Mat, MatRef, Side};
use num_complex::Complex;

use crate::element::Lane;
use crate::{Block, DType, Element, KernelError, Pool, Result};

/// `a = q r`, see [`qr`].
#[derive(Debug, Clone)]
pub struct Qr {
    /// Columns of length one, orthogonal to each other: `[m, min(m, n)]`.
    pub q: Block,
    /// Zero below the diagonal, which is not negative: `[min(m, n), n]`.
    pub r: Block,
}

/// `a = u diag(s) vh`, see [`svd`].
#[derive(Debug, Clone)]
pub struct Svd {
    /// Left singular vectors: `[m, min(m, n)]`.
    pub u: Block,
    /// Singular values, the largest first: `[min(m, n)]`.
    pub s: Block,
    /// Right singular vectors, conjugated, by rows: `[min(m, n), n]`.
    pub vh: Block,
}

/// `a = l u` with the rows of `a` in another order, see [`lu`].
#[derive(Debug, Clone)]
pub struct Lu {
    /// Row `i` of `l u` is row `order[i]` of `a`.
    pub order: Vec<usize>,
    /// Ones on the diagonal, zeros above: `[m, min(m, n)]`.
    pub l: Block,
    /// Zeros below the diagonal: `[min(m, n), n]`.
    pub u: Block,
}

/// `a = v diag(w) v^H`, see [`eigh`].
#[derive(Debug, Clone)]
pub struct Eigh {
    /// Eigenvalues, the least first: `[n]`.
    pub w: Block,
    /// Eigenvectors by columns: `[n, n]`.
    pub v: Block,
}

/// Which triangle of a matrix is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Triangle {
    /// The diagonal and what is below.
    Lower,
    /// The diagonal and what is above.
    Upper,
}

/// A number that factorisations work on.
trait Field:
    ComplexField<Real: Element + Lane + PartialOrd> + Element + Lane + num_traits::NumOps + num_traits::NumAssignOps
{
    /// The number of length one in its direction, one for zero.
    fn direction(self) -> Self;
    fn conjugate(self) -> Self;
    fn is_number(self) -> bool;
    fn magnitude(self) -> f64;
}

macro_rules! real_fields {
    ($($type:ty),*) => {$(
        impl Field for $type {
            fn direction(self) -> Self {
                if self < 0.0 { -1.0 } else { 1.0 }
            }

            fn conjugate(self) -> Self {
                self
            }

            fn is_number(self) -> bool {
                self.is_finite()
            }

            fn magnitude(self) -> f64 {
                f64::from(self).abs()
            }
        }

        impl Field for Complex<$type> {
            fn direction(self) -> Self {
                let length = self.norm();
                if length == 0.0 { Self::new(1.0, 0.0) } else { self / length }
            }

            fn conjugate(self) -> Self {
                self.conj()
            }

            fn is_number(self) -> bool {
                self.re.is_finite() && self.im.is_finite()
            }

            fn magnitude(self) -> f64 {
                f64::from(self.norm())
            }
        }
    )*};
}

real_fields!(f32, f64);

macro_rules! with_field {
    ($op:literal, $block:expr, $field:ident => $body:expr) => {
        match $block.dtype() {
            DType::F32 => {
                type $field = f32;
                $body
            }
            DType::F64 => {
                type $field = f64;
                $body
            }
            DType::C64 => {
                type $field = Complex<f32>;
                $body
            }
            DType::C128 => {
                type $field = Complex<f64>;
                $body
            }
            dtype => {
                let remedy = "; cast to float32, float64, complex64 or complex128";
                Err(KernelError::UnsupportedDType { op: $op, dtypes: vec![dtype], remedy })
            }
        }
    };
}

/// The thin QR factorisation of a matrix; the diagonal of `r` is not negative.
///
/// # Errors
/// [`KernelError::WrongRank`], [`KernelError::UnsupportedDType`], [`KernelError::NotFinite`].
pub fn qr(a: &Block, pool: &Pool) -> Result<Qr> {
    with_field!("qr", a, T => {
        // The copy of the matrix is gone when `q` is made.
        let factors = to_mat::<T>("qr", a)?.qr();
        let (mut q, r) = (factors.compute_thin_Q(), factors.thin_R());
        let (r, signs) = signed_r(r);
        drop(factors);
        for (column, sign) in signs.iter().enumerate() {
            for value in q.col_as_slice_mut(column) {
                *value *= *sign;
            }
        }
        Ok(Qr { q: to_block(q.as_ref(), pool)?, r: to_block(r.as_ref(), pool)? })
    })
}

/// The factor `r` of [`qr`] alone, for which `q` need not be made: `[min(m, n), n]`.
///
/// # Errors
/// As [`qr`].
pub fn qr_r(a: &Block, pool: &Pool) -> Result<Block> {
    with_field!("qr", a, T => {
        let factors = to_mat::<T>("qr", a)?.qr();
        to_block(signed_r(factors.thin_R()).0.as_ref(), pool)
    })
}

/// `r` with a diagonal that is not negative, and what each column of `q` is multiplied by for it.
fn signed_r<T: Field>(r: MatRef<'_, T>) -> (Mat<T>, Vec<T>) {
    let signs: Vec<T> = (0..r.nrows()).map(|row| r[(row, row)].direction()).collect();
    let zero = T::default();
    let signed =
        Mat::from_fn(
            r.nrows(),
            r.ncols(),
            |row, column| {
                if column < row { zero } else { signs[row].conjugate() * r[(row, column)] }
            },
        );
    (signed, signs)
}

/// The thin singular value decomposition. The largest element of each vector on the shorter side of the matrix (rows of `vh`
/// unless `m < n`) is positive; of equals, the first.
///
/// # Errors
/// As [`qr`]; [`KernelError::NoConvergence`] if neither the method nor its fallback ends.
pub fn svd(a: &Block, pool: &Pool) -> Result<Svd> {
    with_field!("svd", a, T => {
        let a = to_mat::<T>("svd", a)?;
        let (mut u, s, mut v) = decompose(&a)?;
        for at in 0..s.len() {
            let decisive = if a.nrows() < a.ncols() { u.col_as_slice(at) } else { v.col_as_slice(at) };
            let turn = turn_of(decisive);
            for value in u.col_as_slice_mut(at).iter_mut().chain(v.col_as_slice_mut(at)) {
                *value *= turn;
            }
        }
        let vh = Mat::from_fn(v.ncols(), v.nrows(), |row, column| v[(column, row)].conjugate());
        Ok(Svd { u: to_block(u.as_ref(), pool)?, s: Block::from_vec(&[s.len()], s)?, vh: to_block(vh.as_ref(), pool)? })
    })
}

/// The singular values alone, the largest first.
///
/// # Errors
/// As [`svd`].
pub fn singular_values(a: &Block) -> Result<Block> {
    with_field!("svd", a, T => {
        let a = to_mat::<T>("svd", a)?;
        let s = match a.singular_values() {
            Ok(s) => s,
            Err(_) => decompose(&a)?.1,
        };
        Block::from_vec(&[s.len()], s)
    })
}

/// What a vector is multiplied by so that its largest element is positive. Elements that rounding may have made smaller than
/// an equal one count as large.
fn turn_of<T: Field>(vector: &[T]) -> T {
    let largest = vector.iter().map(|value| value.magnitude()).fold(0.0, f64::max);
    let decisive = vector.iter().find(|value| value.magnitude() >= largest * (1.0 - 1e-4));
    decisive.map_or(T::one_impl(), |value| value.direction().conjugate())
}

type Factors<T> = (Mat<T>, Vec<<T as ComplexField>::Real>, Mat<T>);

fn decompose<T: Field>(a: &Mat<T>) -> Result<Factors<T>> {
    let values = |s: faer::diag::DiagRef<'_, T>| s.column_vector().iter().map(T::real_part_impl).collect();
    if let Ok(factors) = a.thin_svd() {
        return Ok((factors.U().to_owned(), values(factors.S()), factors.V().to_owned()));
    }
    // The iteration fails on rare matrices; on their adjoint it takes another way.
    if let Ok(factors) = a.adjoint().to_owned().thin_svd() {
        return Ok((factors.V().to_owned(), values(factors.S()), factors.U().to_owned()));
    }
    decompose_gram(a)
}

/// By the eigenvectors of the smaller Gram matrix: less exact for small singular values, but without an iteration that
/// could fail on this matrix.
fn decompose_gram<T: Field>(a: &Mat<T>) -> Result<Factors<T>> {
    if a.nrows() < a.ncols() {
        let (u, s, v) = decompose_gram(&a.adjoint().to_owned())?;
        return Ok((v, s, u));
    }
    let gram = a.adjoint() * a;
    let failed = |_| KernelError::NoConvergence { op: "svd" };
    let eigen = gram.self_adjoint_eigen(Side::Lower).map_err(failed)?;
    // Eigenvalues come the least first. `a v = u s`, which a QR factorisation takes apart, also where `s` is zero.
    let n = a.ncols();
    let v = Mat::from_fn(n, n, |row, column| eigen.U()[(row, n - 1 - column)]);
    let factors = (a * &v).qr();
    let (r, signs) = signed_r(factors.thin_R());
    let mut u = factors.compute_thin_Q();
    for (column, sign) in signs.iter().enumerate() {
        for value in u.col_as_slice_mut(column) {
            *value *= *sign;
        }
    }
    let s = (0..n).map(|at| T::real_part_impl(&r[(at, at)])).collect();
    Ok((u, s, v))
}

/// The Cholesky factor: `a = l l^H` with zeros above the diagonal of `l`. Only the lower triangle of `a` is read.
///
/// # Errors
/// As [`qr`]; [`KernelError::ShapeMismatch`] unless square, [`KernelError::NotPositiveDefinite`].
pub fn cholesky(a: &Block, pool: &Pool) -> Result<Block> {
    with_field!("cholesky", a, T => {
        let a = to_square::<T>("cholesky", a)?;
        match a.llt(Side::Lower) {
            Ok(factor) => to_block(factor.L(), pool),
            Err(faer::linalg::cholesky::llt::factor::LltError::NonPositivePivot { index }) => {
                Err(KernelError::NotPositiveDefinite { minor: index + 1 })
            }
        }
    })
}

/// The LU factorisation with rows exchanged so that the largest element of each column divides.
///
/// # Errors
/// As [`qr`].
pub fn lu(a: &Block, pool: &Pool) -> Result<Lu> {
    with_field!("lu", a, T => {
        let matrix = to_mat::<T>("lu", a)?;
        let factors = matrix.partial_piv_lu();
        let (m, n) = (matrix.nrows(), matrix.ncols());
        let (l, u) = (factors.L(), factors.U());
        let is_finite = |mat: MatRef<'_, T>| (0..mat.ncols()).all(|j| (0..mat.nrows()).all(|i| mat[(i, j)].is_number()));
        if is_finite(l) && is_finite(u) {
            let order = factors.P().arrays().0.to_vec();
            return Ok(Lu { order, l: to_block(l, pool)?, u: to_block(u, pool)? });
        }
        // A column without a pivot, by which nothing is to be divided.
        let (order, both) = eliminated(matrix);
        let k = m.min(n);
        let one = T::default().direction();
        let l = Mat::from_fn(m, k, |i, j| if i > j { both[(i, j)] } else if i == j { one } else { T::default() });
        let u = Mat::from_fn(k, n, |i, j| if i > j { T::default() } else { both[(i, j)] });
        Ok(Lu { order, l: to_block(l.as_ref(), pool)?, u: to_block(u.as_ref(), pool)? })
    })
}

/// The order of rows and both triangles of a matrix of any rank, column by column.
fn eliminated<T: Field>(mut matrix: Mat<T>) -> (Vec<usize>, Mat<T>) {
    let (m, n) = (matrix.nrows(), matrix.ncols());
    let mut order: Vec<usize> = (0..m).collect();
    for at in 0..m.min(n) {
        let mut pivot = at;
        for row in at + 1..m {
            if matrix[(row, at)].magnitude() > matrix[(pivot, at)].magnitude() {
                pivot = row;
            }
        }
        if matrix[(pivot, at)].magnitude() == 0.0 {
            continue;
        }
        order.swap(at, pivot);
        for column in 0..n {
            let (upper, lower) = (matrix[(at, column)], matrix[(pivot, column)]);
            (matrix[(at, column)], matrix[(pivot, column)]) = (lower, upper);
        }
        for row in at + 1..m {
            let factor = matrix[(row, at)] / matrix[(at, at)];
            matrix[(row, at)] = factor;
            for column in at + 1..n {
                let product = factor * matrix[(at, column)];
                matrix[(row, column)] -= product;
            }
        }
    }
    (order, matrix)
}

/// The solution of `a x = b` for square `a`; `b` is a matrix or a vector.
///
/// # Errors
/// As [`qr`]; [`KernelError::ShapeMismatch`], [`KernelError::WrongDType`] if the dtypes differ, [`KernelError::Singular`].
pub fn solve(a: &Block, b: &Block, pool: &Pool) -> Result<Block> {
    check_right_side("solve", a, b)?;
    with_field!("solve", a, T => {
        let matrix = to_square::<T>("solve", a)?;
        let factors = matrix.partial_piv_lu();
        let u = factors.U();
        if let Some(pivot) = (0..u.nrows()).find(|at| u[(*at, *at)] == T::default()) {
            return Err(KernelError::Singular { op: "solve", pivot });
        }
        let right = to_mat::<T>("solve", &as_matrix(b)?)?;
        as_given(to_block(factors.solve(&right).as_ref(), pool)?, b)
    })
}

/// The solution of `a x = b`, where only one triangle of the square `a` counts; `b` is a matrix or a vector. With
/// `unit_diagonal`, ones stand in place of the diagonal.
///
/// # Errors
/// As [`solve`].
pub fn solve_triangular(a: &Block, b: &Block, triangle: Triangle, unit_diagonal: bool, pool: &Pool) -> Result<Block> {
    let op = "solve_triangular";
    check_right_side(op, a, b)?;
    with_field!("solve_triangular", a, T => {
        let matrix = to_square::<T>(op, a)?;
        if !unit_diagonal
            && let Some(pivot) = (0..matrix.nrows()).find(|at| matrix[(*at, *at)] == T::default())
        {
            return Err(KernelError::Singular { op, pivot });
        }
        let mut x = to_mat::<T>(op, &as_matrix(b)?)?;
        match (triangle, unit_diagonal) {
            (Triangle::Lower, false) => matrix.solve_lower_triangular_in_place(x.as_mut()),
            (Triangle::Lower, true) => matrix.solve_unit_lower_triangular_in_place(x.as_mut()),
            (Triangle::Upper, false) => matrix.solve_upper_triangular_in_place(x.as_mut()),
            (Triangle::Upper, true) => matrix.solve_unit_upper_triangular_in_place(x.as_mut()),
        }
        as_given(to_block(x.as_ref(), pool)?, b)
    })
}

/// The eigenvalues and vectors of a symmetric (Hermitian) matrix, of which the lower triangle is read. The largest element
/// of each vector is positive.
///
/// # Errors
/// As [`cholesky`]; [`KernelError::NoConvergence`].
pub fn eigh(a: &Block, pool: &Pool) -> Result<Eigh> {
    with_field!("eigh", a, T => {
        let factors = to_square::<T>("eigh", a)?.self_adjoint_eigen(Side::Lower);
        let factors = factors.map_err(|_| KernelError::NoConvergence { op: "eigh" })?;
        let w: Vec<_> = factors.S().column_vector().iter().map(T::real_part_impl).collect();
        let mut v = factors.U().to_owned();
        for column in 0..v.ncols() {
            let turn = turn_of(v.col_as_slice(column));
            for value in v.col_as_slice_mut(column) {
                *value *= turn;
            }
        }
        Ok(Eigh { w: Block::from_vec(&[w.len()], w)?, v: to_block(v.as_ref(), pool)? })
    })
}

fn check_right_side(op: &'static str, a: &Block, b: &Block) -> Result<()> {
    if a.dtype() != b.dtype() {
        return Err(KernelError::WrongDType { expected: a.dtype(), actual: b.dtype() });
    }
    if !(1..=2).contains(&b.ndim()) {
        return Err(KernelError::WrongRank { op, expected: "a vector or a matrix on the right", n_axes: b.ndim() });
    }
    if a.ndim() == 2 && a.shape()[1] != b.shape()[0] {
        let (left, right) = (a.shape().into(), b.shape().into());
        let expected = "the right side has as many rows as the matrix has columns";
        return Err(KernelError::ShapeMismatch { op, left, right, expected });
    }
    Ok(())
}

fn as_matrix(b: &Block) -> Result<Block> {
    if b.ndim() == 1 { b.expand_dims(1) } else { Ok(b.clone()) }
}

fn as_given(x: Block, b: &Block) -> Result<Block> {
    if b.ndim() == 1 { x.squeeze(1) } else { Ok(x) }
}

/// A copy by columns.
fn to_mat<T: Field>(op: &'static str, block: &Block) -> Result<Mat<T>> {
    let [n_rows, n_columns] = *block.shape() else {
        return Err(KernelError::WrongRank { op, expected: "a matrix", n_axes: block.ndim() });
    };
    let from = block.storage::<T>();
    let [rows, columns] = [block.strides()[0], block.strides()[1]];
    let mut mat = Mat::<T>::zeros(n_rows, n_columns);
    // Tiles, so that neither side is read a cache line for every element.
    const TILE: usize = 32;
    let mut finite = true;
    for first_row in (0..n_rows).step_by(TILE) {
        let n = TILE.min(n_rows - first_row);
        for column in 0..n_columns {
            let to = &mut mat.col_as_slice_mut(column)[first_row..first_row + n];
            let start = block.offset() as isize + first_row as isize * rows + column as isize * columns;
            for (at, to) in to.iter_mut().enumerate() {
                let value = from[(start + at as isize * rows) as usize];
                finite &= value.is_number();
                *to = value;
            }
        }
    }
    if finite { Ok(mat) } else { Err(KernelError::NotFinite { op }) }
}

fn to_square<T: Field>(op: &'static str, block: &Block) -> Result<Mat<T>> {
    let mat = to_mat(op, block)?;
    if mat.nrows() == mat.ncols() {
        return Ok(mat);
    }
    let shape = || block.shape().into();
    Err(KernelError::ShapeMismatch { op, left: shape(), right: shape(), expected: "the matrix is square" })
}

/// A block of the matrix, its columns contiguous.
fn to_block<T: Field>(mat: MatRef<'_, T>, pool: &Pool) -> Result<Block> {
    let (n_rows, n_columns) = (mat.nrows(), mat.ncols());
    let mut buffer = pool.buffer(n_rows * n_columns * size_of::<T>())?;
    if n_rows > 0 {
        for (column, to) in buffer.as_mut_slice::<T>().chunks_exact_mut(n_rows).take(n_columns).enumerate() {
            for (row, to) in to.iter_mut().enumerate() {
                *to = mat[(row, column)];
            }
        }
    }
    Block::contiguous(<T as Lane>::DTYPE, &[n_columns, n_rows], buffer.freeze()).transpose(&[1, 0])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Distribution, Op, Operand, ProgramBuilder, Random, Region, matmul};

    fn pool() -> Pool {
        Pool::new(1 << 26)
    }

    fn normal(m: usize, n: usize, dtype: DType) -> Block {
        let mut builder = ProgramBuilder::new();
        let mut part = |stream| builder.random(Random { distribution: Distribution::Normal, seed: 3, stream }).unwrap();
        let (re, im) = (part(0), part(1));
        let value = if dtype.kind() == crate::Kind::Complex {
            let i = Operand::Weak(crate::WeakScalar::Complex(Complex::new(0.0, 1.0)));
            let im = builder.apply(Op::Multiply, &[im, i]).unwrap();
            builder.apply(Op::Add, &[re, im]).unwrap()
        } else {
            re
        };
        let value = builder.apply(Op::Cast(dtype), &[value]).unwrap();
        builder.finish(value).unwrap().run(&[], &Region::whole(&[m, n]), &pool()).unwrap()
    }

    fn adjoint(a: &Block) -> Block {
        crate::reduce::apply(Op::Conjugate, &[&a.transpose(&[1, 0]).unwrap()], &pool()).unwrap()
    }

    /// The largest distance of elements.
    fn distance(a: &Block, b: &Block) -> f64 {
        assert_eq!((a.dtype(), a.shape()), (b.dtype(), b.shape()));
        let difference = crate::reduce::apply(Op::Subtract, &[a, b], &pool()).unwrap();
        let size = crate::reduce::apply(Op::Absolute, &[&difference], &pool()).unwrap();
        let size = crate::reduce::apply(Op::Cast(DType::F64), &[&size], &pool()).unwrap();
        size.to_vec::<f64>().unwrap().into_iter().fold(0.0, f64::max)
    }

    fn identity(n: usize, dtype: DType) -> Block {
        let values = (0..n * n).map(|at| f64::from(u8::from(at % (n + 1) == 0))).collect();
        crate::reduce::apply(Op::Cast(dtype), &[&Block::from_vec(&[n, n], values).unwrap()], &pool()).unwrap()
    }

    fn product(a: &Block, b: &Block) -> Block {
        matmul(a, b, &pool()).unwrap()
    }

    fn tolerance(dtype: DType) -> f64 {
        if dtype.real() == DType::F32 { 2e-4 } else { 1e-12 }
    }

    const DTYPES: [DType; 4] = [DType::F32, DType::F64, DType::C64, DType::C128];
    const SHAPES: [(usize, usize); 5] = [(5, 5), (40, 7), (7, 40), (1, 3), (100, 1)];

    #[test]
    fn factors_multiply_to_the_matrix() {
        for dtype in DTYPES {
            for (m, n) in SHAPES {
                let a = normal(m, n, dtype);
                let k = m.min(n);
                let Qr { q, r } = qr(&a, &pool()).unwrap();
                assert!(distance(&product(&q, &r), &a) < tolerance(dtype), "qr of {m} x {n} {dtype}");
                assert!(distance(&product(&adjoint(&q), &q), &identity(k, dtype)) < tolerance(dtype));
                assert!(distance(&qr_r(&a, &pool()).unwrap(), &r) < tolerance(dtype));
                let Svd { u, s, vh } = svd(&a, &pool()).unwrap();
                let us = crate::reduce::apply(Op::Multiply, &[&u, &s.broadcast_to(&[m, k]).unwrap()], &pool()).unwrap();
                assert!(distance(&product(&us, &vh), &a) < tolerance(dtype), "svd of {m} x {n} {dtype}");
                assert!(distance(&product(&vh, &adjoint(&vh)), &identity(k, dtype)) < tolerance(dtype));
                assert!(distance(&singular_values(&a).unwrap(), &s) < tolerance(dtype));
                let Lu { order, l, u } = lu(&a, &pool()).unwrap();
                let permuted = crate::take(&a, 0, &order, &pool()).unwrap();
                assert!(distance(&product(&l, &u), &permuted) < tolerance(dtype), "lu of {m} x {n} {dtype}");
            }
        }
    }

    #[test]
    fn square_systems_are_solved() {
        for dtype in DTYPES {
            let (a, b) = (normal(20, 20, dtype), normal(20, 3, dtype));
            let x = solve(&a, &b, &pool()).unwrap();
            assert!(distance(&product(&a, &x), &b) < 50.0 * tolerance(dtype));
            let vector = b.select(1, 1).unwrap();
            assert!(
                distance(&solve(&a, &vector, &pool()).unwrap(), &x.select(1, 1).unwrap()) < 50.0 * tolerance(dtype)
            );
            let gram = product(&a, &adjoint(&a));
            let l = cholesky(&gram, &pool()).unwrap();
            assert!(distance(&product(&l, &adjoint(&l)), &gram) < 100.0 * tolerance(dtype));
            let y = solve_triangular(&l, &b, Triangle::Lower, false, &pool()).unwrap();
            assert!(distance(&product(&l, &y), &b) < 100.0 * tolerance(dtype));
            let y = solve_triangular(&adjoint(&l), &b, Triangle::Upper, false, &pool()).unwrap();
            assert!(distance(&product(&adjoint(&l), &y), &b) < 100.0 * tolerance(dtype));
            let Eigh { w, v } = eigh(&gram, &pool()).unwrap();
            let w = crate::reduce::apply(Op::Cast(dtype), &[&w], &pool()).unwrap();
            let vw = crate::reduce::apply(Op::Multiply, &[&v, &w.broadcast_to(&[20, 20]).unwrap()], &pool()).unwrap();
            assert!(distance(&product(&vw, &adjoint(&v)), &gram) < 1000.0 * tolerance(dtype));
        }
    }

    #[test]
    fn signs_follow_from_the_values() {
        let a = normal(30, 6, DType::F64);
        let negated = |block: &Block| crate::reduce::apply(Op::Negative, &[block], &pool()).unwrap();
        let (first, second) = (qr(&a, &pool()).unwrap(), qr(&negated(&a), &pool()).unwrap());
        assert!(distance(&first.r, &second.r) < 1e-12);
        assert!(distance(&first.q, &negated(&second.q)) < 1e-12);
        // Through the factor r, as a matrix in many blocks is decomposed, the right vectors are the same.
        let direct = svd(&a, &pool()).unwrap();
        let through = svd(&first.r, &pool()).unwrap();
        assert!(distance(&direct.vh, &through.vh) < 1e-10);
        assert!(distance(&product(&first.q, &through.u), &direct.u) < 1e-10);
    }

    #[test]
    fn the_fallback_decomposes_too() {
        for (m, n) in SHAPES {
            let a = to_mat::<f64>("svd", &normal(m, n, DType::F64)).unwrap();
            let (u, s, v) = decompose_gram(&a).unwrap();
            let (_, expected, _) = decompose(&a).unwrap();
            assert!(s.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-7));
            let product = Mat::from_fn(m, n, |i, j| (0..s.len()).map(|k| u[(i, k)] * s[k] * v[(j, k)]).sum::<f64>());
            assert!((&product - &a).norm_max() < 1e-7);
        }
    }

    #[test]
    fn what_cannot_be_factorised_is_an_error() {
        let pool = pool();
        let nan = Block::full(&[3, 3], crate::Scalar::F64(f64::NAN));
        assert_eq!(qr(&nan, &pool).unwrap_err(), KernelError::NotFinite { op: "qr" });
        assert_eq!(svd(&nan, &pool).unwrap_err(), KernelError::NotFinite { op: "svd" });
        let zeros = Block::full(&[3, 3], crate::Scalar::F64(0.0));
        assert_eq!(cholesky(&zeros, &pool).unwrap_err(), KernelError::NotPositiveDefinite { minor: 1 });
        assert_eq!(solve(&zeros, &zeros, &pool).unwrap_err(), KernelError::Singular { op: "solve", pivot: 0 });
        let svd = svd(&zeros, &pool).unwrap();
        assert_eq!(svd.s.to_vec::<f64>().unwrap(), [0.0; 3]);
        assert!(matches!(cholesky(&normal(3, 4, DType::F64), &pool), Err(KernelError::ShapeMismatch { .. })));
        let ints = Block::full(&[3, 3], crate::Scalar::I32(1));
        assert!(matches!(qr(&ints, &pool), Err(KernelError::UnsupportedDType { .. })));
        for (m, n) in [(0, 3), (3, 0), (0, 0)] {
            let empty = Block::from_vec::<f64>(&[m, n], vec![]).unwrap();
            assert_eq!(qr(&empty, &pool).unwrap().r.shape(), [0, n]);
            assert_eq!(svd_shape(&empty, &pool), (vec![m, 0], vec![0, n]));
        }
    }

    fn svd_shape(a: &Block, pool: &Pool) -> (Vec<usize>, Vec<usize>) {
        let Svd { u, vh, .. } = svd(a, pool).unwrap();
        (u.shape().to_vec(), vh.shape().to_vec())
    }
}
