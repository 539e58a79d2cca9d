//! Indexing, rechunking and rewriting against dense arrays, at random.

#![allow(clippy::unwrap_used, reason = "a failed expectation is how a test reports, in its helpers as well")]

mod common;

use common::{Seeded, compute};
use dolmen_array::{Array, Index, PadMode, RandomGenerator, Reduce, to_ndarray};
use dolmen_kernels::WeakScalar;
use ndarray::{ArrayD, Axis, IxDyn, Slice};
use proptest::prelude::*;

/// `0, 1, ...` in C order, as a dense array and cut at random.
fn counting(random: &mut Seeded, shape: &[usize]) -> (ArrayD<f64>, Array) {
    let n: usize = shape.iter().product();
    let dense = ArrayD::from_shape_vec(IxDyn(shape), (0..n).map(|at| at as f64).collect()).unwrap();
    let array = Array::from_ndarray(&dense, random.chunks(shape)).unwrap();
    (dense, array)
}

fn check(array: &Array, dense: &ArrayD<f64>) {
    let found = to_ndarray::<f64>(&compute(array)).unwrap();
    assert_eq!(found.shape(), dense.shape(), "{array}");
    // Sums are rounded in another order.
    let is_near = |(a, b): (&f64, &f64)| (a - b).abs() <= 1e-12 * a.abs().max(b.abs());
    assert!(found.iter().zip(dense).all(is_near), "{array}: {found} is not {dense}");
    // What is said about an array is true of its blocks, which assembling has checked, and of its shape.
    assert_eq!(array.shape().unwrap(), dense.shape());
}

/// One step of a random expression, done to both.
fn step(random: &mut Seeded, dense: ArrayD<f64>, array: Array) -> (ArrayD<f64>, Array) {
    let n_dims = dense.ndim();
    match random.below(10) {
        0 | 1 if n_dims > 0 => {
            let axis = random.below(n_dims);
            let n = dense.shape()[axis] as isize;
            let at = |random: &mut Seeded| random.below(2 * n as usize + 4) as isize - n - 2;
            let (start, stop) = (at(random), at(random));
            let step = [-3, -2, -1, 1, 2, 3][random.below(6)];
            let mut indices = vec![Index::from(..); axis];
            indices.push(Index::slice(Some(start), Some(stop), Some(step)));
            // ndarray slices forwards and turns what it found, so the positions are worked out one by one.
            let clip = |at: isize| if at < 0 { at + n } else { at };
            let (low, high) = if step > 0 { (0, n) } else { (-1, n - 1) };
            let (first, last) = (clip(start).clamp(low, high), clip(stop).clamp(low, high));
            let positions = std::iter::successors(Some(first), |at| Some(at + step));
            let positions: Vec<usize> = positions
                .take_while(|at| if step > 0 { *at < last } else { *at > last })
                .map(|at| at.unsigned_abs())
                .collect();
            (dense.select(Axis(axis), &positions), array.index(&indices).unwrap())
        }
        2 => {
            let mut order: Vec<isize> = (0..n_dims as isize).collect();
            for at in (1..n_dims).rev() {
                order.swap(at, random.below(at + 1));
            }
            let turned = array.transpose(Some(&order)).unwrap();
            let order: Vec<usize> = order.iter().map(|axis| axis.unsigned_abs()).collect();
            (dense.permuted_axes(order).as_standard_layout().into_owned(), turned)
        }
        3 => {
            let chunks = random.chunks(dense.shape());
            let cut = array.rechunk(chunks).unwrap();
            (dense, cut)
        }
        4 => (dense.mapv(|value| value * 2.0 + 1.0), array * 2 + 1.0),
        5 => (&dense + &dense.mapv(f64::sqrt), &array + array.sqrt().unwrap()),
        6 if n_dims > 0 => {
            let axis = random.below(n_dims);
            let sum = array.sum(&Reduce::axis(axis as isize).keepdims()).unwrap();
            (dense.sum_axis(Axis(axis)).insert_axis(Axis(axis)), sum)
        }
        7 if n_dims > 0 && dense.len() < 5000 => {
            let axis = random.below(n_dims);
            let both = Array::concatenate(&[array.clone(), array * 3], axis as isize).unwrap();
            let dense =
                ndarray::concatenate(Axis(axis), &[dense.view(), dense.mapv(|value| value * 3.0).view()]).unwrap();
            (dense, both)
        }
        8 if n_dims > 0 && dense.shape()[0] > 0 => {
            let n = dense.shape()[0];
            let positions: Vec<usize> = (0..1 + random.below(5)).map(|_| random.below(n)).collect();
            let taken = array.take(&positions.iter().map(|at| *at as isize).collect::<Vec<_>>(), 0).unwrap();
            (dense.select(Axis(0), &positions), taken)
        }
        9 if dense.len() < 5000 && n_dims > 0 => {
            let padded = array.pad(&[(1, 2)], PadMode::Constant(WeakScalar::Int(7))).unwrap();
            let shape: Vec<usize> = dense.shape().iter().map(|len| len + 3).collect();
            let mut wide = ArrayD::from_elem(IxDyn(&shape), 7.0);
            wide.slice_each_axis_mut(|axis| Slice::from(1..1 + dense.shape()[axis.axis.index()] as isize))
                .assign(&dense);
            (wide, padded)
        }
        _ => {
            let n = dense.len() as isize;
            let flat = array.reshape(&[n]).unwrap();
            (dense.into_shape_with_order(IxDyn(&[n.unsigned_abs()])).unwrap(), flat)
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn random_expressions_are_what_dense_arrays_are(seed in any::<u64>(), n_steps in 1_usize..8) {
        let mut random = Seeded(seed);
        let shape: Vec<usize> = (0..1 + random.below(3)).map(|_| 1 + random.below(9)).collect();
        let (mut dense, mut array) = counting(&mut random, &shape);
        for _ in 0..n_steps {
            (dense, array) = step(&mut random, dense, array);
        }
        check(&array, &dense);
    }

    #[test]
    fn an_assignment_changes_what_it_names_and_nothing_else(seed in any::<u64>()) {
        let mut random = Seeded(seed);
        let shape = [1 + random.below(9), 1 + random.below(9)];
        let (mut dense, array) = counting(&mut random, &shape);
        let of = |random: &mut Seeded, n: usize| {
            let start = random.below(n);
            (start, start + random.below(n - start + 1), 1 + random.below(3))
        };
        let (rows, columns) = (of(&mut random, shape[0]), of(&mut random, shape[1]));
        let index = |(start, stop, step): (usize, usize, usize)| {
            Index::slice(Some(start as isize), Some(stop as isize), Some(step as isize))
        };
        let indices = [index(rows), index(columns)];
        let part = array.index(&indices).unwrap();
        let set = array.setitem(&indices, &(&part * -1.0)).unwrap();
        for row in (rows.0..rows.1).step_by(rows.2) {
            for column in (columns.0..columns.1).step_by(columns.2) {
                dense[[row, column]] *= -1.0;
            }
        }
        check(&set, &dense);
        prop_assert_eq!(set.chunks(), array.chunks());
    }
}

#[test]
fn random_numbers_do_not_depend_on_chunks() {
    let made = |seed: u64| {
        let random = RandomGenerator::new(42);
        let mut cut = Seeded(seed);
        let arrays = [
            random.random(&[13, 17], cut.chunks(&[13, 17])).unwrap(),
            random.normal(10.0, 0.1, &[13, 17], cut.chunks(&[13, 17])).unwrap(),
            random
                .integers(-3, 4, &[13, 17], cut.chunks(&[13, 17]))
                .unwrap()
                .astype(dolmen_kernels::DType::F64)
                .unwrap(),
        ];
        arrays.map(|array| to_ndarray::<f64>(&compute(&array)).unwrap())
    };
    let first = made(1);
    assert!((2..6).all(|seed| made(seed) == first));
    assert_ne!(first[0].as_slice().unwrap()[..10], first[0].as_slice().unwrap()[10..20]);
    assert!((first[1].mean().unwrap() - 10.0).abs() < 0.05, "{}", first[1].mean().unwrap());
}

#[test]
fn a_slice_of_random_numbers_is_that_of_the_whole() {
    let whole = RandomGenerator::new(7).random(&[20, 30], 6).unwrap();
    let part = whole.index(&[(3..9).into(), Index::slice(None, None, Some(-4))]).unwrap();
    let dense = to_ndarray::<f64>(&compute(&whole)).unwrap();
    let columns: Vec<usize> = (0..30).rev().step_by(4).collect();
    let dense = dense.select(Axis(0), &[3, 4, 5, 6, 7, 8]).select(Axis(1), &columns);
    check(&part, &dense);
}
