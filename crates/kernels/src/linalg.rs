//! Factorisations of matrices, by faer, on one thread.
//!
//! Signs are free in most factorisations; here they follow from the values, so that equal input gives equal signs.

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::llt::factor::{LltError, LltRegularization, cholesky_in_place, cholesky_in_place_scratch};
use faer::linalg::lu::partial_pivoting::factor::{lu_in_place, lu_in_place_scratch};
use faer::traits::ComplexField;
use faer::{Mat, MatMut, MatRef, Par, Side, Spec};
use num_complex::Complex;

use crate::buffer::BufferMut;
use crate::copy::strided;
use crate::element::Lane;
use crate::matmul::{matrix, unit_stride};
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
        let factors = view::<T>(&checked::<T>("qr", a, pool)?).qr();
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
        let factors = view::<T>(&checked::<T>("qr", a, pool)?).qr();
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
        let a = checked::<T>("svd", a, pool)?;
        let a = view::<T>(&a);
        let (mut u, s, mut v) = decompose(a)?;
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

/// What a vector is multiplied by so that its largest element is positive. Elements that rounding may have made smaller than
/// an equal one count as large.
fn turn_of<T: Field>(vector: &[T]) -> T {
    let largest = vector.iter().map(|value| value.magnitude()).fold(0.0, f64::max);
    let decisive = vector.iter().find(|value| value.magnitude() >= largest * (1.0 - 1e-4));
    decisive.map_or(T::one_impl(), |value| value.direction().conjugate())
}

type Factors<T> = (Mat<T>, Vec<<T as ComplexField>::Real>, Mat<T>);

fn decompose<T: Field>(a: MatRef<'_, T>) -> Result<Factors<T>> {
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
fn decompose_gram<T: Field>(a: MatRef<'_, T>) -> Result<Factors<T>> {
    if a.nrows() < a.ncols() {
        let (u, s, v) = decompose_gram(a.adjoint().to_owned().as_ref())?;
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
        check_square("cholesky", a)?;
        let n = a.shape()[0];
        let mut buffer = columns::<T>("cholesky", a, pool)?;
        let elements = buffer.as_mut_slice::<T>();
        let mut stack = MemBuffer::new(cholesky_in_place_scratch::<T>(n, Par::Seq, Spec::default()));
        let matrix = MatMut::from_column_major_slice_mut(elements, n, n);
        let regular = LltRegularization::default();
        let done = cholesky_in_place(matrix, regular, Par::Seq, MemStack::new(&mut stack), Spec::default());
        if let Err(LltError::NonPositivePivot { index }) = done {
            return Err(KernelError::NotPositiveDefinite { minor: index + 1 });
        }
        if n > 0 {
            let columns = elements.chunks_exact_mut(n).enumerate();
            columns.for_each(|(at, column)| column[..at].fill(T::default()));
        }
        by_columns::<T>(buffer, n, n)
    })
}

/// The LU factorisation with rows exchanged so that the largest element of each column divides.
///
/// # Errors
/// As [`qr`].
pub fn lu(a: &Block, pool: &Pool) -> Result<Lu> {
    with_field!("lu", a, T => {
        let mut buffer = columns::<T>("lu", a, pool)?;
        let [m, n] = [a.shape()[0], a.shape()[1]];
        let k = m.min(n);
        let (mut order, mut places) = (vec![0; m], vec![0; m]);
        let mut stack = MemBuffer::new(lu_in_place_scratch::<usize, T>(m, n, Par::Seq, Spec::default()));
        let both = MatMut::from_column_major_slice_mut(buffer.as_mut_slice::<T>(), m, n);
        lu_in_place(both, &mut order, &mut places, Par::Seq, MemStack::new(&mut stack), Spec::default());
        if !are_numbers(buffer.as_mut_slice::<T>()) {
            // A column without a pivot, by which nothing is to be divided.
            order = (0..m).collect();
            buffer = columns::<T>("lu", a, pool)?;
            eliminate(&mut order, MatMut::from_column_major_slice_mut(buffer.as_mut_slice::<T>(), m, n));
        }
        let both = buffer.as_mut_slice::<T>();
        let [mut l, mut u] = [pool.buffer(m * k * size_of::<T>())?, pool.buffer(k * n * size_of::<T>())?];
        if k > 0 {
            for (at, (l, both)) in l.as_mut_slice::<T>().chunks_exact_mut(m).zip(both.chunks_exact(m)).enumerate() {
                l[..at].fill(T::default());
                l[at] = T::one_impl();
                l[at + 1..].copy_from_slice(&both[at + 1..]);
            }
            for (at, (u, both)) in u.as_mut_slice::<T>().chunks_exact_mut(k).zip(both.chunks_exact(m)).enumerate() {
                let len = k.min(at + 1);
                u[..len].copy_from_slice(&both[..len]);
                u[len..].fill(T::default());
            }
        }
        Ok(Lu { order, l: by_columns::<T>(l, m, k)?, u: by_columns::<T>(u, k, n)? })
    })
}

/// In place of a matrix of any rank both triangles, column by column; its rows, and `order`, are exchanged.
fn eliminate<T: Field>(order: &mut [usize], mut matrix: MatMut<'_, T>) {
    let (m, n) = (matrix.nrows(), matrix.ncols());
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
}

/// The solution of `a x = b`, where only one triangle of the square `a` counts; `b` is a matrix or a vector. With
/// `unit_diagonal`, ones stand in place of the diagonal.
///
/// # Errors
/// As [`qr`]; [`KernelError::ShapeMismatch`], [`KernelError::WrongDType`] if the dtypes differ, [`KernelError::Singular`].
pub fn solve_triangular(a: &Block, b: &Block, triangle: Triangle, unit_diagonal: bool, pool: &Pool) -> Result<Block> {
    let op = "solve_triangular";
    check_right_side(op, a, b)?;
    with_field!("solve_triangular", a, T => {
        check_square(op, a)?;
        let a = checked::<T>(op, a, pool)?;
        let matrix = view::<T>(&a);
        if !unit_diagonal
            && let Some(pivot) = (0..matrix.nrows()).find(|at| matrix[(*at, *at)] == T::default())
        {
            return Err(KernelError::Singular { op, pivot });
        }
        let right = as_matrix(b)?;
        let (n_rows, n_columns) = (right.shape()[0], right.shape()[1]);
        let mut buffer = columns::<T>(op, &right, pool)?;
        let x = MatMut::from_column_major_slice_mut(buffer.as_mut_slice::<T>(), n_rows, n_columns);
        match (triangle, unit_diagonal) {
            (Triangle::Lower, false) => matrix.solve_lower_triangular_in_place(x),
            (Triangle::Lower, true) => matrix.solve_unit_lower_triangular_in_place(x),
            (Triangle::Upper, false) => matrix.solve_upper_triangular_in_place(x),
            (Triangle::Upper, true) => matrix.solve_unit_upper_triangular_in_place(x),
        }
        as_given(by_columns::<T>(buffer, n_rows, n_columns)?, b)
    })
}

/// The eigenvalues and vectors of a symmetric (Hermitian) matrix, of which the lower triangle is read. The largest element
/// of each vector is positive.
///
/// # Errors
/// As [`cholesky`]; [`KernelError::NoConvergence`].
pub fn eigh(a: &Block, pool: &Pool) -> Result<Eigh> {
    with_field!("eigh", a, T => {
        check_square("eigh", a)?;
        let factors = view::<T>(&checked::<T>("eigh", a, pool)?).self_adjoint_eigen(Side::Lower);
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

/// A copy by columns, of numbers only.
fn columns<T: Field>(op: &'static str, block: &Block, pool: &Pool) -> Result<BufferMut> {
    let [n_rows, n_columns] = *block.shape() else {
        return Err(KernelError::WrongRank { op, expected: "a matrix", n_axes: block.ndim() });
    };
    let mut buffer = pool.buffer(n_rows * n_columns * size_of::<T>())?;
    let elements = buffer.as_mut_slice::<T>();
    let strides = [1, n_rows as isize];
    strided(block.storage::<T>(), block.offset(), block.strides(), elements, 0, &strides, block.shape());
    if are_numbers(elements) { Ok(buffer) } else { Err(KernelError::NotFinite { op }) }
}

fn are_numbers<T: Field>(elements: &[T]) -> bool {
    // Without a way out before the end of a run, it goes by vectors.
    elements.chunks(1024).all(|run| run.iter().fold(true, |all, value| all & value.is_number()))
}

/// A block of a matrix whose columns follow each other.
fn by_columns<T: Field>(buffer: BufferMut, n_rows: usize, n_columns: usize) -> Result<Block> {
    Block::contiguous(<T as Lane>::DTYPE, &[n_columns, n_rows], buffer.freeze()).transpose(&[1, 0])
}

/// A matrix of numbers only, whose rows or columns are contiguous.
fn checked<T: Field>(op: &'static str, block: &Block, pool: &Pool) -> Result<Block> {
    if block.ndim() != 2 {
        return Err(KernelError::WrongRank { op, expected: "a matrix", n_axes: block.ndim() });
    }
    let block = unit_stride(block, pool)?;
    if view::<T>(&block).is_all_finite() { Ok(block) } else { Err(KernelError::NotFinite { op }) }
}

fn view<T: Field>(block: &Block) -> MatRef<'_, T> {
    match *block.shape() {
        [n_rows, n_columns] if block.is_empty() => MatRef::from_column_major_slice(&[], n_rows, n_columns),
        _ => crate::matmul::view(&matrix(block, &[], 0)),
    }
}

fn check_square(op: &'static str, block: &Block) -> Result<()> {
    match block.shape() {
        [n_rows, n_columns] if n_rows == n_columns => Ok(()),
        [_, _] => {
            let shape = || block.shape().into();
            Err(KernelError::ShapeMismatch { op, left: shape(), right: shape(), expected: "the matrix is square" })
        }
        shape => Err(KernelError::WrongRank { op, expected: "a matrix", n_axes: shape.len() }),
    }
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
            let gram = product(&a, &adjoint(&a));
            let l = cholesky(&gram, &pool()).unwrap();
            assert!(distance(&product(&l, &adjoint(&l)), &gram) < 100.0 * tolerance(dtype));
            let y = solve_triangular(&l, &b, Triangle::Lower, false, &pool()).unwrap();
            assert!(distance(&product(&l, &y), &b) < 100.0 * tolerance(dtype));
            let vector = b.select(1, 1).unwrap();
            let of_vector = solve_triangular(&l, &vector, Triangle::Lower, false, &pool()).unwrap();
            assert!(distance(&of_vector, &y.select(1, 1).unwrap()) < tolerance(dtype));
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
            let a = normal(m, n, DType::F64);
            let a = view::<f64>(&a);
            let (u, s, v) = decompose_gram(a).unwrap();
            let (_, expected, _) = decompose(a).unwrap();
            assert!(s.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-7));
            let product = Mat::from_fn(m, n, |i, j| (0..s.len()).map(|k| u[(i, k)] * s[k] * v[(j, k)]).sum::<f64>());
            assert!((&product - a).norm_max() < 1e-7);
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
