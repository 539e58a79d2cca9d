//! Products of matrices.

use dolmen_simd::{Float, Matrix, Sign, is_worthwhile, scratch_len};
use faer::linalg::matmul::matmul as faer_matmul;
use faer::traits::ComplexField;
use faer::{Accum, MatMut, MatRef, Par};
use multiversion::multiversion;

use crate::block::n_elements;
use crate::element::Lane;
use crate::reduce::apply;
use crate::{Block, DType, KernelError, Op, Pool, Result};

/// The matrix product of the last two axes, `[.., m, k] @ [.., k, n] -> [.., m, n]`; the axes before are equal.
///
/// Large products of floats go by kernels of AVX-512 where they are, others and complex numbers through faer; integers wrap as
/// NumPy's do, `float16` is computed in `float32`, and of truth values the result is whether any pair of them is true.
///
/// # Errors
/// [`KernelError::ShapeMismatch`], [`KernelError::WrongRank`], [`KernelError::WrongDType`] if the dtypes differ,
/// [`KernelError::UnsupportedDType`] for time.
pub fn matmul(a: &Block, b: &Block, pool: &Pool) -> Result<Block> {
    let shape = product_shape(a, b)?;
    product(None, Sign::Plus, a, b, &shape, pool)
}

/// `sum + a @ b`, in the memory of `sum` if nothing else uses it: for products that are cut along the inner axis.
///
/// # Errors
/// As [`matmul`]; `sum` must have the shape and dtype of the product.
pub fn matmul_add(sum: Block, a: &Block, b: &Block, pool: &Pool) -> Result<Block> {
    changed_by_product(sum, Sign::Plus, a, b, pool)
}

/// `from - a @ b`, in the memory of `from` if nothing else uses it.
///
/// # Errors
/// As [`matmul_add`]; [`KernelError::UnsupportedDType`] for truth values too.
pub fn matmul_subtract(from: Block, a: &Block, b: &Block, pool: &Pool) -> Result<Block> {
    changed_by_product(from, Sign::Minus, a, b, pool)
}

fn changed_by_product(sum: Block, sign: Sign, a: &Block, b: &Block, pool: &Pool) -> Result<Block> {
    let shape = product_shape(a, b)?;
    if sum.shape() != &*shape {
        let (left, right) = (sum.shape().into(), shape);
        return Err(KernelError::ShapeMismatch {
            op: "matmul",
            left,
            right,
            expected: "the sum has the shape of the product",
        });
    }
    if sum.dtype() != a.dtype() {
        return Err(KernelError::WrongDType { expected: a.dtype(), actual: sum.dtype() });
    }
    product(Some(sum), sign, a, b, &shape, pool)
}

fn product_shape(a: &Block, b: &Block) -> Result<crate::Shape> {
    let mismatch = |expected| KernelError::ShapeMismatch {
        op: "matmul",
        left: a.shape().into(),
        right: b.shape().into(),
        expected,
    };
    if a.dtype() != b.dtype() {
        return Err(KernelError::WrongDType { expected: a.dtype(), actual: b.dtype() });
    }
    let ([batch_a @ .., m, k], [batch_b @ .., k_b, n]) = (a.shape(), b.shape()) else {
        return Err(KernelError::WrongRank {
            op: "matmul",
            expected: "two axes or more",
            n_axes: a.ndim().min(b.ndim()),
        });
    };
    if k != k_b {
        return Err(mismatch("the last axis of the first is as long as the last but one of the second"));
    }
    if batch_a != batch_b {
        return Err(mismatch("the axes before the last two are equal"));
    }
    Ok(batch_a.iter().chain([m, n]).copied().collect())
}

fn product(sum: Option<Block>, sign: Sign, a: &Block, b: &Block, shape: &[usize], pool: &Pool) -> Result<Block> {
    match a.dtype() {
        DType::F64 => multiply::<f64>(sum, sign, a, b, shape, pool, floats),
        DType::F32 => multiply::<f32>(sum, sign, a, b, shape, pool, floats),
        DType::C64 => multiply::<num_complex::Complex<f32>>(sum, sign, a, b, shape, pool, fields),
        DType::C128 => multiply::<num_complex::Complex<f64>>(sum, sign, a, b, shape, pool, fields),
        DType::I8 => multiply::<i8>(sum, sign, a, b, shape, pool, integers),
        DType::I16 => multiply::<i16>(sum, sign, a, b, shape, pool, integers),
        DType::I32 => multiply::<i32>(sum, sign, a, b, shape, pool, integers),
        DType::I64 => multiply::<i64>(sum, sign, a, b, shape, pool, integers),
        DType::U8 => multiply::<u8>(sum, sign, a, b, shape, pool, integers),
        DType::U16 => multiply::<u16>(sum, sign, a, b, shape, pool, integers),
        DType::U32 => multiply::<u32>(sum, sign, a, b, shape, pool, integers),
        DType::U64 => multiply::<u64>(sum, sign, a, b, shape, pool, integers),
        // Counts of pairs, of which only zero matters: exact or far above it.
        dtype @ (DType::F16 | DType::Bool) if dtype != DType::Bool || sign == Sign::Plus => {
            let wide = |block: &Block| apply(Op::Cast(DType::F32), &[block], pool);
            let sum = sum.as_ref().map(wide).transpose()?;
            let product = multiply::<f32>(sum, sign, &wide(a)?, &wide(b)?, shape, pool, floats)?;
            apply(Op::Cast(dtype), &[&product], pool)
        }
        dtype => {
            let remedy = "; cast to a numeric dtype";
            Err(KernelError::UnsupportedDType { op: "matmul", dtypes: vec![dtype; 2], remedy })
        }
    }
}

/// Adds a product of two matrices to C-ordered memory, or subtracts it.
type AddProduct<T> = fn(&mut [T], Sign, &Matrix<'_, T>, &Matrix<'_, T>, &Pool) -> Result<()>;

fn multiply<T: Lane>(
    sum: Option<Block>,
    sign: Sign,
    a: &Block,
    b: &Block,
    shape: &[usize],
    pool: &Pool,
    add_product: AddProduct<T>,
) -> Result<Block> {
    let mut buffer = match sum.map(|sum| sum.into_buffer_mut()) {
        Some(Ok(buffer)) => buffer,
        Some(Err(sum)) => {
            let mut buffer = pool.buffer(sum.nbytes())?;
            let strides = crate::block::c_strides(shape);
            let to = buffer.as_mut_slice::<T>();
            crate::copy::strided(sum.storage::<T>(), sum.offset(), sum.strides(), to, 0, &strides, shape);
            buffer
        }
        None => {
            let mut buffer = pool.buffer(n_elements(shape)? * size_of::<T>())?;
            buffer.as_mut_slice::<T>().fill(T::default());
            buffer
        }
    };
    let [batch @ .., m, n] = shape else { unreachable!("a product has two axes or more") };
    let size = m * n;
    let (a, b) = (unit_stride(a, pool)?, unit_stride(b, pool)?);
    if size > 0 && a.shape()[a.ndim() - 1] > 0 {
        let out = buffer.as_mut_slice::<T>();
        let n_batches: usize = batch.iter().product();
        for (at, out) in out.chunks_exact_mut(size).take(n_batches).enumerate() {
            add_product(out, sign, &matrix(&a, batch, at), &matrix(&b, batch, at), pool)?;
        }
    }
    Ok(Block::contiguous(T::DTYPE, shape, buffer.freeze()))
}

/// The block itself if its rows or its columns are contiguous, else a copy.
pub(crate) fn unit_stride(block: &Block, pool: &Pool) -> Result<Block> {
    let [.., rows, columns] = *block.strides() else { unreachable!("a matrix has two axes or more") };
    let [.., n_rows, n_columns] = *block.shape() else { unreachable!("a matrix has two axes or more") };
    // A stride of an axis of length one is never used.
    let by_rows = (columns == 1 || n_columns == 1) && (rows >= n_columns as isize || n_rows == 1);
    let by_columns = (rows == 1 || n_rows == 1) && (columns >= n_rows as isize || n_columns == 1);
    if by_rows || by_columns { Ok(block.clone()) } else { crate::copy::compact(block, pool) }
}

pub(crate) fn matrix<'a, T: Lane>(block: &'a Block, batch: &[usize], at: usize) -> Matrix<'a, T> {
    let (mut offset, mut rest) = (block.offset() as isize, at);
    for (axis, len) in batch.iter().enumerate().rev() {
        offset += (rest % len) as isize * block.strides()[axis];
        rest /= len;
    }
    let n_axes = block.ndim();
    let [n_rows, n_columns] = [block.shape()[n_axes - 2], block.shape()[n_axes - 1]];
    let [rows, columns] = [block.strides()[n_axes - 2].unsigned_abs(), block.strides()[n_axes - 1].unsigned_abs()];
    let rows = if n_rows == 1 { n_columns.max(1) } else { rows };
    let columns = if n_columns == 1 { n_rows.max(1) } else { columns };
    // With one row and one column either stride may be the unit; rows win.
    let (rows, columns) = if n_columns == 1 && rows != 1 { (rows, 1) } else { (rows, columns) };
    let elements = &block.storage::<T>()[offset as usize..];
    Matrix { elements, n_rows, n_columns, row_stride: rows, column_stride: columns }
}

/// The same as faer sees it.
pub(crate) fn view<'a, T>(matrix: &Matrix<'a, T>) -> MatRef<'a, T> {
    let Matrix { elements, n_rows, n_columns, row_stride, column_stride } = *matrix;
    if column_stride == 1 {
        MatRef::from_row_major_slice_with_stride(elements, n_rows, n_columns, row_stride)
    } else {
        MatRef::from_column_major_slice_with_stride(elements, n_rows, n_columns, column_stride)
    }
}

fn floats<T: Float + ComplexField + Lane>(
    out: &mut [T],
    sign: Sign,
    a: &Matrix<'_, T>,
    b: &Matrix<'_, T>,
    pool: &Pool,
) -> Result<()> {
    let (m, k, n) = (a.n_rows, a.n_columns, b.n_columns);
    if !is_worthwhile(m, k, n) {
        return fields(out, sign, a, b, pool);
    }
    let mut scratch = pool.buffer(scratch_len::<T>(m, k, n) * size_of::<T>())?;
    T::add_product(out, sign, a, b, scratch.as_mut_slice());
    Ok(())
}

fn fields<T: ComplexField + Lane>(
    out: &mut [T],
    sign: Sign,
    a: &Matrix<'_, T>,
    b: &Matrix<'_, T>,
    _: &Pool,
) -> Result<()> {
    // The transposed product, because faer writes by columns.
    let out = MatMut::from_column_major_slice_mut(out, b.n_columns, a.n_rows);
    let factor = match sign {
        Sign::Plus => T::one_impl(),
        Sign::Minus => faer::traits::math_utils::neg(&T::one_impl()),
    };
    faer_matmul(out, Accum::Add, view(b).transpose(), view(a).transpose(), factor, Par::Seq);
    Ok(())
}

trait Integer: Lane {
    /// Adds the product with `b`, whose rows of length `n` follow each other, or subtracts it.
    fn add_rows(out: &mut [Self], sign: Sign, a: &Matrix<'_, Self>, b: &[Self], n: usize);
}

/// Rows of the second matrix that are used again while they are in the second cache.
const INNER: usize = 128;

macro_rules! integer_products {
    ($($type:ident, $rows:ident;)*) => {$(
        #[multiversion(targets("x86_64+avx2+fma"))]
        fn $rows(out: &mut [$type], sign: Sign, a: &[$type], strides: [usize; 2], n_inner: usize, b: &[$type], n: usize) {
            for start in (0..n_inner).step_by(INNER) {
                for (row, out) in out.chunks_exact_mut(n).enumerate() {
                    for k in start..(start + INNER).min(n_inner) {
                        let factor = a[row * strides[0] + k * strides[1]];
                        let factor = if sign == Sign::Minus { factor.wrapping_neg() } else { factor };
                        for (out, value) in out.iter_mut().zip(&b[k * n..(k + 1) * n]) {
                            *out = out.wrapping_add(factor.wrapping_mul(*value));
                        }
                    }
                }
            }
        }

        impl Integer for $type {
            fn add_rows(out: &mut [Self], sign: Sign, a: &Matrix<'_, Self>, b: &[Self], n: usize) {
                $rows(out, sign, a.elements, [a.row_stride, a.column_stride], a.n_columns, b, n);
            }
        }
    )*};
}

integer_products! {
    i8, rows_i8;
    i16, rows_i16;
    i32, rows_i32;
    i64, rows_i64;
    u8, rows_u8;
    u16, rows_u16;
    u32, rows_u32;
    u64, rows_u64;
}

fn integers<T: Integer>(out: &mut [T], sign: Sign, a: &Matrix<'_, T>, b: &Matrix<'_, T>, _: &Pool) -> Result<()> {
    let n = b.n_columns;
    if b.column_stride == 1 && b.row_stride == n {
        T::add_rows(out, sign, a, b.elements, n);
        return Ok(());
    }
    let copy: Vec<T> = (0..b.n_rows)
        .flat_map(|row| (0..n).map(move |column| b.elements[row * b.row_stride + column * b.column_stride]))
        .collect();
    T::add_rows(out, sign, a, &copy, n);
    Ok(())
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;
    use num_complex::Complex;
    use proptest::prelude::*;

    use super::*;

    /// The definition.
    fn dense<T: crate::Element + num_traits::NumAssign>(a: &Block, b: &Block) -> Vec<T> {
        let view =
            |block: &Block| -> Array2<T> { block.view::<T>().unwrap().to_owned().into_dimensionality().unwrap() };
        let (a, b) = (view(a), view(b));
        let mut out = vec![];
        for i in 0..a.nrows() {
            for j in 0..b.ncols() {
                let mut sum = T::zero();
                for k in 0..a.ncols() {
                    sum += a[[i, k]] * b[[k, j]];
                }
                out.push(sum);
            }
        }
        out
    }

    fn numbers<T: crate::Element>(rows: usize, columns: usize, make: impl Fn(i64) -> T, layout: u8) -> Block {
        let values = |n: usize| (0..n).map(|i| make((i as i64 * 37) % 11 - 5)).collect::<Vec<T>>();
        match layout {
            0 => Block::from_vec(&[rows, columns], values(rows * columns)).unwrap(),
            1 => Block::from_vec(&[columns, rows], values(rows * columns)).unwrap().transpose(&[1, 0]).unwrap(),
            2 => {
                let wide =
                    Block::from_vec(&[rows + 2, 2 * columns + 1], values((rows + 2) * (2 * columns + 1))).unwrap();
                let slice = |start, len, step| crate::AxisSlice { start, len, step };
                wide.slice(&[slice(rows + 1, rows, -1), slice(1, columns, 2)]).unwrap()
            }
            3 => {
                let wide = Block::from_vec(&[rows, columns + 3], values(rows * (columns + 3))).unwrap();
                wide.region(&[0, 2], &[rows, columns]).unwrap()
            }
            _ => Block::from_vec(&[1, columns], values(columns)).unwrap().broadcast_to(&[rows, columns]).unwrap(),
        }
    }

    proptest! {
        #[test]
        fn products_are_those_of_the_definition(
            m in 0_usize..20, k in 0_usize..20, n in 0_usize..20, left in 0_u8..5, right in 0_u8..5,
        ) {
            let pool = Pool::new(0);
            macro_rules! check {
                ($type:ty, $make:expr) => {{
                    let (a, b) = (numbers::<$type>(m, k, $make, left), numbers::<$type>(k, n, $make, right));
                    let product = matmul(&a, &b, &pool).unwrap();
                    prop_assert_eq!(product.shape(), [m, n]);
                    // Small whole numbers: every order of additions is exact.
                    prop_assert_eq!(product.to_vec::<$type>().unwrap(), dense::<$type>(&a, &b));
                    let twice = matmul_add(product.clone(), &a, &b, &pool).unwrap();
                    let doubled: Vec<$type> = product.to_vec::<$type>().unwrap().iter().map(|x| *x + *x).collect();
                    prop_assert_eq!(twice.to_vec::<$type>().unwrap(), doubled);
                    let once = matmul_subtract(twice, &a, &b, &pool).unwrap();
                    prop_assert_eq!(once.to_vec::<$type>().unwrap(), product.to_vec::<$type>().unwrap());
                }};
            }
            check!(f64, |x| x as f64);
            check!(f32, |x| x as f32);
            check!(Complex<f64>, |x| Complex::new(x as f64, (x % 3) as f64));
            check!(Complex<f32>, |x| Complex::new(x as f32, (x % 3) as f32));
            check!(i64, |x| x);
            check!(u16, |x| (x + 5) as u16);
        }
    }

    /// Whole and part tiles, several blocks of packed rows and steps, rows and columns that lie together.
    #[test]
    fn large_products_are_those_of_small_ones() {
        let pool = Pool::new(0);
        for (m, k, n) in [(256, 256, 256), (1031, 523, 261), (300, 1025, 481), (257, 600, 1203)] {
            for (left, right) in [(0, 0), (1, 1), (3, 1), (1, 3)] {
                let (a, b) = (numbers(m, k, |x| x as f64, left), numbers(k, n, |x| x as f64, right));
                let product = matmul(&a, &b, &pool).unwrap();
                // Whole numbers: every order of additions is exact.
                let mut sums = vec![0.0; m * n];
                let (rows, columns) = (a.to_contiguous(&pool).unwrap(), b.to_contiguous(&pool).unwrap());
                let (rows, columns) =
                    (rows.as_slice::<f64>().unwrap().unwrap(), columns.as_slice::<f64>().unwrap().unwrap());
                for (sums, row) in sums.chunks_mut(n).zip(rows.chunks(k)) {
                    for (factor, column) in row.iter().zip(columns.chunks(n)) {
                        sums.iter_mut().zip(column).for_each(|(sum, value)| *sum += factor * value);
                    }
                }
                assert_eq!(product.to_vec::<f64>().unwrap(), sums, "{m} {k} {n} {left} {right}");
                let [a, b] = [&a, &b].map(|block| apply(Op::Cast(DType::F32), &[block], &pool).unwrap());
                let product = matmul_add(matmul(&a, &b, &pool).unwrap(), &a, &b, &pool).unwrap();
                let doubled: Vec<f32> = sums.iter().map(|sum| 2.0 * *sum as f32).collect();
                assert_eq!(product.to_vec::<f32>().unwrap(), doubled, "{m} {k} {n} {left} {right}");
            }
        }
    }

    #[test]
    fn integers_wrap_and_bools_meet() {
        let pool = Pool::new(0);
        let a = Block::from_vec(&[1, 2], vec![100_i8, 100]).unwrap();
        let b = Block::from_vec(&[2, 1], vec![2_i8, 3]).unwrap();
        assert_eq!(matmul(&a, &b, &pool).unwrap().to_vec::<i8>().unwrap(), [-12]);
        let a = Block::from_vec(&[2, 2], vec![true, false, false, false]).unwrap();
        let b = Block::from_vec(&[2, 1], vec![true, true]).unwrap();
        assert_eq!(matmul(&a, &b, &pool).unwrap().to_vec::<bool>().unwrap(), [true, false]);
    }

    #[test]
    fn stacks_are_multiplied_matrix_by_matrix() {
        let pool = Pool::new(0);
        let a = Block::from_vec(&[3, 2, 4], (0..24).map(f64::from).collect()).unwrap();
        let b = Block::from_vec(&[3, 4, 2], (0..24).map(f64::from).collect()).unwrap();
        let product = matmul(&a, &b, &pool).unwrap();
        for at in 0..3 {
            let expected = matmul(&a.select(0, at).unwrap(), &b.select(0, at).unwrap(), &pool).unwrap();
            assert_eq!(product.select(0, at).unwrap().to_vec::<f64>(), expected.to_vec::<f64>());
        }
    }

    #[test]
    fn a_sum_of_its_own_is_written_in_place() {
        let pool = Pool::new(0);
        let a = numbers::<f64>(64, 64, |x| x as f64, 0);
        let sum = matmul(&a, &a, &pool).unwrap();
        let address = sum.as_slice::<f64>().unwrap().unwrap().as_ptr() as usize;
        let sum = matmul_add(sum, &a, &a, &pool).unwrap();
        assert_eq!(sum.as_slice::<f64>().unwrap().unwrap().as_ptr() as usize, address);
        let shared = sum.clone();
        let before = shared.to_vec::<f64>();
        matmul_add(sum, &a, &a, &pool).unwrap();
        assert_eq!(shared.to_vec::<f64>(), before);
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        let pool = Pool::new(0);
        let a = numbers::<f64>(2, 3, |x| x as f64, 0);
        assert!(matches!(matmul(&a, &a, &pool), Err(KernelError::ShapeMismatch { .. })));
        assert!(matches!(
            matmul(&a, &numbers::<f32>(3, 2, |x| x as f32, 0), &pool),
            Err(KernelError::WrongDType { .. })
        ));
        assert!(matches!(matmul(&a.select(0, 0).unwrap(), &a, &pool), Err(KernelError::WrongRank { .. })));
    }
}
