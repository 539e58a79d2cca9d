//! Factorisations and products however the matrix is cut: against plain loops, and by what defines them.

#![allow(clippy::unwrap_used, reason = "a failed expectation is how a test reports, in its helpers as well")]

mod common;

use common::{chunkings, compute};
use dolmen_array::{Array, ArrayError, ChunkSpec, NormOrder, RandomGenerator, Reduce};
use dolmen_graph::InlineExecutor;
use dolmen_kernels::{Block, DType};

/// A matrix in memory, as plain loops see it.
#[derive(Debug, Clone, PartialEq)]
struct Dense {
    n_rows: usize,
    n_columns: usize,
    values: Vec<f64>,
}

impl Dense {
    fn from_fn(n_rows: usize, n_columns: usize, element: impl Fn(usize, usize) -> f64) -> Self {
        let values = (0..n_rows * n_columns).map(|at| element(at / n_columns, at % n_columns)).collect();
        Self { n_rows, n_columns, values }
    }

    fn of(array: &Array) -> Self {
        let block = compute(array);
        let [n_rows, n_columns] = *block.shape() else { panic!("{array} is no matrix") };
        Self { n_rows, n_columns, values: block.to_vec::<f64>().unwrap() }
    }

    fn at(&self, row: usize, column: usize) -> f64 {
        self.values[row * self.n_columns + column]
    }

    fn times(&self, other: &Self) -> Self {
        assert_eq!(self.n_columns, other.n_rows);
        Self::from_fn(self.n_rows, other.n_columns, |row, column| {
            (0..self.n_columns).map(|at| self.at(row, at) * other.at(at, column)).sum()
        })
    }

    fn transposed(&self) -> Self {
        Self::from_fn(self.n_columns, self.n_rows, |row, column| self.at(column, row))
    }

    fn is_near(&self, other: &Self, tolerance: f64) -> bool {
        (self.n_rows, self.n_columns) == (other.n_rows, other.n_columns)
            && self.values.iter().zip(&other.values).all(|(a, b)| (a - b).abs() <= tolerance)
    }

    fn is_identity(&self, tolerance: f64) -> bool {
        self.is_near(&Self::from_fn(self.n_rows, self.n_rows, |row, column| f64::from(row == column)), tolerance)
    }

    fn array(&self, chunks: ChunkSpec) -> Array {
        let block = Block::from_vec(&[self.n_rows, self.n_columns], self.values.clone()).unwrap();
        Array::from_block(block, chunks).unwrap()
    }
}

/// Random numbers, the same for the same shape.
fn matrix(n_rows: usize, n_columns: usize) -> Dense {
    let seed = (n_rows * 1000 + n_columns) as u64;
    Dense::of(&RandomGenerator::new(seed).normal(0.0, 1.0, &[n_rows, n_columns], 64).unwrap())
}

/// Tall, square, wide, of one row and of one column; one of a rank lower than its sides, one of zeros.
fn matrices() -> Vec<Dense> {
    let outer = Dense::from_fn(40, 6, |row, column| (row as f64 + 1.0) * (column as f64 - 2.5));
    let zeros = Dense::from_fn(9, 4, |_, _| 0.0);
    let mut all: Vec<Dense> = [(70, 5), (23, 23), (5, 31), (1, 7), (7, 1), (1, 1)].map(|(m, n)| matrix(m, n)).into();
    all.extend([outer, zeros]);
    all
}

fn cut(dense: &Dense, check: impl Fn(&Array)) {
    for chunks in chunkings(11, &[dense.n_rows, dense.n_columns]) {
        check(&dense.array(chunks));
    }
    // One element each, and blocks of rows that are shorter than they are wide.
    check(&dense.array(ChunkSpec::Size(3)));
    check(&dense.array(ChunkSpec::from([4, dense.n_columns])));
}

#[test]
fn qr_gives_the_matrix_back() {
    for dense in matrices() {
        let k = dense.n_rows.min(dense.n_columns);
        cut(&dense, |a| {
            let (q, r) = a.qr().unwrap();
            assert_eq!((q.shape().unwrap(), r.shape().unwrap()), (vec![dense.n_rows, k], vec![k, dense.n_columns]));
            let (q, r) = (Dense::of(&q), Dense::of(&r));
            assert!(Dense::of(&a.qr_r().unwrap()).is_near(&r, 1e-11), "{a}");
            assert!(q.times(&r).is_near(&dense, 1e-11), "{a}");
            assert!(q.transposed().times(&q).is_identity(1e-12), "{a}: {q:?}");
            assert!((0..k).all(|row| (0..row).all(|column| r.at(row, column) == 0.0)), "{a}: {r:?}");
            assert!((0..k).all(|at| r.at(at, at) >= 0.0), "{a}: {r:?}");
        });
    }
}

#[test]
fn the_factors_of_a_regular_matrix_are_the_same_however_it_is_cut() {
    let dense = matrix(70, 5);
    let (q, r) = dense.array(ChunkSpec::Auto).qr().unwrap();
    let (u, _, vt) = dense.array(ChunkSpec::Auto).svd().unwrap();
    let whole = [q, r, u, vt].map(|factor| Dense::of(&factor));
    cut(&dense, |a| {
        let (q, r) = a.qr().unwrap();
        let (u, _, vt) = a.svd().unwrap();
        for (own, whole) in [q, r, u, vt].iter().zip(&whole) {
            assert!(Dense::of(own).is_near(whole, 1e-11), "{a}");
        }
    });
}

#[test]
fn svd_gives_the_matrix_back() {
    for dense in matrices() {
        let k = dense.n_rows.min(dense.n_columns);
        cut(&dense, |a| {
            let (u, s, vt) = a.svd().unwrap();
            let values = compute(&s).to_vec::<f64>().unwrap();
            assert_eq!(values.len(), k);
            assert!(
                values.windows(2).all(|pair| pair[0] >= pair[1]) && values.iter().all(|value| *value >= 0.0),
                "{a}"
            );
            let (u, vt) = (Dense::of(&u), Dense::of(&vt));
            let scaled = Dense::from_fn(dense.n_rows, k, |row, column| u.at(row, column) * values[column]);
            assert!(scaled.times(&vt).is_near(&dense, 1e-11), "{a}");
            assert!(u.transposed().times(&u).is_identity(1e-12), "{a}: {u:?}");
            assert!(vt.times(&vt.transposed()).is_identity(1e-12), "{a}: {vt:?}");
            let alone = compute(&a.svdvals().unwrap()).to_vec::<f64>().unwrap();
            assert!(alone.iter().zip(&values).all(|(a, b)| (a - b).abs() <= 1e-12 * values[0].max(1.0)), "{a}");
        });
    }
}

#[test]
fn singular_values_that_are_known_are_found() {
    // Orthogonal factors around a diagonal: the values are those of the diagonal.
    let known = [9.0, 4.0, 1.0, 0.25, 1e-6];
    let u = Dense::of(&matrix(50, 5).array(ChunkSpec::Auto).qr().unwrap().0);
    let v = Dense::of(&matrix(8, 5).array(ChunkSpec::Auto).qr().unwrap().0);
    let scaled = Dense::from_fn(50, 5, |row, column| u.at(row, column) * known[column]);
    cut(&scaled.times(&v.transposed()), |a| {
        let found = compute(&a.svdvals().unwrap()).to_vec::<f64>().unwrap();
        let expected = known.iter().copied().chain([0.0; 3]);
        assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-13 * 9.0 * 8.0), "{a}: {found:?}");
        let largest = compute(&a.norm(NormOrder::P(2.0), &Reduce::all()).unwrap()).to_vec::<f64>().unwrap();
        assert!((largest[0] - 9.0).abs() < 1e-12);
    });
}

#[test]
fn other_dtypes_are_factorised_in_theirs_or_in_float64() {
    let dense = matrix(12, 3);
    for (dtype, expected) in [(DType::F32, DType::F32), (DType::F16, DType::F32), (DType::I32, DType::F64)] {
        let a = (dense.array(ChunkSpec::Size(2)) * 10).astype(dtype).unwrap();
        let (q, r) = a.qr().unwrap();
        assert_eq!((q.dtype(), r.dtype()), (expected, expected));
        let product = q.matmul(&r).unwrap().subtract(&a).unwrap().absolute().unwrap();
        let worst = compute(&product.max(&Reduce::all()).unwrap().astype(DType::F64).unwrap());
        assert!(worst.to_vec::<f64>().unwrap()[0] < 1e-4, "{dtype}");
    }
    // Complex: the conjugate counts.
    let a = dense.array(ChunkSpec::Size(2));
    let i = Array::scalar(dolmen_kernels::Scalar::C128(num_complex::Complex::new(0.0, 1.0)));
    let z = &a + &i * a.index(&[dolmen_array::Index::slice(None, None, Some(-1))]).unwrap();
    let (u, s, vh) = z.svd().unwrap();
    let back = (&u * s.astype(DType::C128).unwrap()).matmul(&vh).unwrap();
    let worst = compute(&(back - &z).absolute().unwrap().max(&Reduce::all()).unwrap());
    assert!(worst.to_vec::<f64>().unwrap()[0] < 1e-12);
    let gram = u.conjugate().unwrap().t().matmul(&u).unwrap();
    let worst =
        compute(&(gram - Array::eye(3, 3, 0, DType::F64, 2).unwrap()).absolute().unwrap().max(&Reduce::all()).unwrap());
    assert!(worst.to_vec::<f64>().unwrap()[0] < 1e-12);
}

#[test]
fn matrices_without_elements_have_factors_without_elements() {
    for (m, n) in [(0, 3), (4, 0), (0, 0)] {
        for size in [1, 2, 9] {
            let a = Array::zeros(&[m, n], DType::F64, size).unwrap();
            let (q, r) = a.qr().unwrap();
            assert_eq!((compute(&q).shape(), compute(&r).shape()), (&[m, 0][..], &[0, n][..]));
            let (u, s, vt) = a.svd().unwrap();
            assert_eq!((compute(&u).shape(), compute(&s).shape()), (&[m, 0][..], &[0][..]));
            assert_eq!(compute(&vt).shape(), [0, n]);
        }
    }
}

#[test]
fn products_are_what_loops_make() {
    for (m, k, n) in [(13, 17, 11), (1, 40, 1), (40, 1, 40), (3, 0, 2)] {
        let (a, b) = (matrix(m, k), matrix(k, n));
        let expected = a.times(&b);
        for (left, right) in chunkings(5, &[m, k]).into_iter().zip(chunkings(8, &[k, n])) {
            let (left, right) = (a.array(left), b.array(right));
            for product in [left.matmul(&right), left.dot(&right), left.tensordot(&right, &[1], &[0])] {
                let product = product.unwrap();
                assert!(Dense::of(&product).is_near(&expected, 1e-12), "{left} times {right}");
            }
            let turned = right.t().tensordot(&left.t(), &[-1], &[-2]).unwrap();
            assert!(Dense::of(&turned).is_near(&expected.transposed(), 1e-12));
        }
    }
}

#[test]
fn norms_are_what_loops_make() {
    let dense = matrix(21, 9);
    let columns: Vec<f64> = (0..9).map(|column| (0..21).map(|row| dense.at(row, column).abs()).sum()).collect();
    let squares: f64 = dense.values.iter().map(|value| value * value).sum();
    let norm = |a: &Array, order| compute(&a.norm(order, &Reduce::all()).unwrap()).to_vec::<f64>().unwrap()[0];
    cut(&dense, |a| {
        assert!((norm(a, NormOrder::Default) - squares.sqrt()).abs() < 1e-12);
        assert!((norm(a, NormOrder::Frobenius) - squares.sqrt()).abs() < 1e-12);
        assert!((norm(a, NormOrder::P(1.0)) - columns.iter().copied().fold(0.0, f64::max)).abs() < 1e-12);
        assert!((norm(a, NormOrder::P(-1.0)) - columns.iter().copied().fold(f64::MAX, f64::min)).abs() < 1e-12);
    });
}

#[test]
fn what_has_no_factors_is_refused() {
    let x = Array::ones(&[4, 3, 2], DType::F64, 2).unwrap();
    assert!(matches!(x.qr(), Err(ArrayError::WrongRank { op: "qr", .. })));
    assert!(matches!(x.svd(), Err(ArrayError::WrongRank { op: "svd", .. })));
    let matrix = Array::ones(&[4, 3], DType::F64, 2).unwrap();
    assert!(matches!(matrix.norm(NormOrder::P(3.0), &Reduce::all()), Err(ArrayError::Argument { .. })));
    assert!(matches!(matrix.norm(NormOrder::Nuclear, &Reduce::axis(0)), Err(ArrayError::Argument { .. })));
    let unknown = matrix
        .index(&[matrix.index(&[(..).into(), dolmen_array::Index::At(0)]).unwrap().greater(0).unwrap().into()])
        .unwrap();
    assert!(matches!(unknown.qr(), Err(ArrayError::UnknownLength { .. })));
    // NaN is found when it is computed.
    let nan = matrix.log().unwrap() / 0;
    assert!(common::try_compute(&dolmen_graph::InlineExecutor::new(), &nan.qr().unwrap().1).is_err());
}

/// A matrix whose square factor is too large for one block: columns of blocks are factorised one after the other, also where some
/// depend on others.
#[test]
fn qr_of_many_columns_goes_by_panels() {
    let n = 2100;
    let wave = Array::arange(0, n as i64, 1, None, 700).unwrap().astype(DType::F64).unwrap();
    let full = wave.expand_dims(&[1]).unwrap().multiply(&wave).unwrap().multiply(0.37).unwrap().sin().unwrap();
    // Of rank one.
    let flat = wave.expand_dims(&[1]).unwrap().multiply(wave.multiply(0.0).unwrap().add(1.0).unwrap()).unwrap();
    for x in [full, flat] {
        let x = x.rechunk([700, 600]).unwrap();
        let (q, r) = x.qr().unwrap();
        assert_eq!((q.shape().unwrap(), r.shape().unwrap()), (vec![n, n], vec![n, n]));
        assert!(q.chunks().axes()[1].n_blocks() > 1);
        let largest = |array: &Array| {
            let block = compute(&array.absolute().unwrap().max(&Reduce::all()).unwrap());
            block.to_vec::<f64>().unwrap()[0]
        };
        let size = largest(&x);
        let unit = q.t().matmul(&q).unwrap() - Array::eye(n, n, 0, DType::F64, ChunkSpec::Auto).unwrap();
        assert!(largest(&unit) < 1e-12, "{}", largest(&unit));
        let rest = q.matmul(&r).unwrap() - &x;
        assert!(largest(&rest) < 1e-10 * size, "{}", largest(&rest));
        assert_eq!(largest(&r.tril(-1).unwrap()), 0.0);
    }
}

#[test]
fn factors_are_those_of_one_block_however_the_matrix_is_cut() {
    let x = Dense::from_fn(23, 23, |row, column| {
        ((row * 7 + column * column * 3) % 11) as f64 - 4.0 + f64::from(row == column) * 9.0
    });
    let positive =
        Dense::from_fn(23, 23, |row, column| x.times(&x.transposed()).at(row, column) + f64::from(row == column));
    let right = Dense::from_fn(23, 3, |row, column| (row as f64 - 5.0) * (column as f64 + 0.5));
    for chunks in chunkings(9, &[23, 23]) {
        let (a, spd, b) =
            (x.array(chunks.clone()), positive.array(chunks.clone()), right.array(ChunkSpec::from([4, 2])));
        let l = Dense::of(&spd.cholesky().unwrap());
        assert!(
            l.times(&l.transposed()).is_near(&positive, 1e-9) && (0..23).all(|at| l.at(at, at) > 0.0),
            "{chunks:?}"
        );
        for (matrix, dense, is_positive) in [(&a, &x, false), (&spd, &positive, true), (&spd, &positive, false)] {
            let solution = Dense::of(&matrix.solve(&b, is_positive).unwrap());
            assert!(dense.times(&solution).is_near(&right, 1e-7), "{chunks:?}");
        }
        let (order, l, u) = a.lu().unwrap();
        let exchanged = a.index(&[dolmen_array::Index::Array(order)]).unwrap();
        assert!(Dense::of(&l).times(&Dense::of(&u)).is_near(&Dense::of(&exchanged), 1e-9), "{chunks:?}");
        assert!(x.times(&Dense::of(&a.inv().unwrap())).is_identity(1e-8), "{chunks:?}");
        let (u, s, vt) = a.svd_compressed(4, 6, &RandomGenerator::new(3)).unwrap();
        let exact = compute(&a.svdvals().unwrap()).to_vec::<f64>().unwrap();
        let about = compute(&s).to_vec::<f64>().unwrap();
        assert!(about.iter().zip(&exact).all(|(a, b)| (a - b).abs() < 1e-6 * exact[0]), "{about:?} {exact:?}");
        assert_eq!((u.shape().unwrap(), vt.shape().unwrap()), (vec![23, 4], vec![4, 23]));
    }
}

#[test]
fn matrices_that_have_no_factors_are_told() {
    let square = Dense::from_fn(4, 4, |row, column| (row + column) as f64).array(ChunkSpec::Size(2));
    let wide = Dense::from_fn(2, 4, |row, column| (row + column) as f64).array(ChunkSpec::Size(2));
    assert!(matches!(wide.cholesky(), Err(ArrayError::ShapeMismatch { .. })));
    assert!(matches!(wide.inv(), Err(ArrayError::ShapeMismatch { .. })));
    assert!(matches!(square.solve(&wide, false), Err(ArrayError::ShapeMismatch { .. })));
    assert!(matches!(square.svd_compressed(5, 0, &RandomGenerator::new(1)), Err(ArrayError::Argument { .. })));
    assert!(matches!(square.sum(&Reduce::axis(0)).unwrap().eigh(), Err(ArrayError::WrongRank { .. })));
    let fails = |array: Array| common::try_compute(&InlineExecutor::new(), &array).unwrap_err().to_string();
    assert!(fails(square.cholesky().unwrap()).contains("not positive definite"));
    assert!(fails(square.solve(&square, false).unwrap()).contains("singular"));
}
