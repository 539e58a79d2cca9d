//! What goes along whole axes, over sets and tables, however the array is cut: against plain loops over the elements.

#![allow(clippy::unwrap_used, reason = "a failed expectation is how a test reports, in its helpers as well")]

mod common;

use std::collections::BTreeMap;

use common::{chunkings, compute, try_compute};
use dolmen_array::{
    Array, ArrayError, BlockError, BlockFn, BlockInfo, ChunkSpec, FftNorm, HistogramBins, PadMode, RandomGenerator,
    Reduce,
};
use dolmen_graph::InlineExecutor;
use dolmen_kernels::{Block, DType, QuantileMethod, WeakScalar};

const SHAPE: [usize; 3] = [6, 50, 7];

/// Numbers in no order, some of them equal.
fn elements() -> Vec<f64> {
    (0..SHAPE.iter().product::<usize>()).map(|at| ((at * 7919 % 1009) as f64 - 500.0) / 8.0).collect()
}

/// The elements along `axis` of each row, with the rows in C order of the other axes.
fn rows(elements: &[f64], axis: usize) -> Vec<Vec<f64>> {
    let (len, below) = (SHAPE[axis], SHAPE[axis + 1..].iter().product::<usize>());
    let firsts = (0..elements.len()).filter(|at| at / below % len == 0);
    firsts.map(|first| (0..len).map(|step| elements[first + step * below]).collect()).collect()
}

/// What `array` holds, as rows along `axis`.
fn computed(array: &Array, axis: isize) -> Vec<Vec<f64>> {
    let last = compute(&array.moveaxis(axis, -1).unwrap().astype(DType::F64).unwrap());
    let len = last.shape()[last.ndim() - 1];
    last.to_vec::<f64>().unwrap().chunks(len).map(<[f64]>::to_vec).collect()
}

#[test]
fn rows_are_sorted_and_halved() {
    let values = elements();
    for chunks in chunkings(5, &SHAPE) {
        let x = Array::from_block(Block::from_vec(&SHAPE, values.clone()).unwrap(), chunks.clone()).unwrap();
        for (axis, n) in SHAPE.into_iter().enumerate() {
            let mut expected = rows(&values, axis);
            let unsorted = expected.clone();
            expected.iter_mut().for_each(|row| row.sort_by(f64::total_cmp));
            assert_eq!(computed(&x.sort(Some(axis as isize)).unwrap(), axis as isize), expected, "{chunks:?} {axis}");
            let order = computed(&x.argsort(Some(axis as isize)).unwrap(), axis as isize);
            for ((order, row), sorted) in order.iter().zip(&unsorted).zip(&expected) {
                assert!(order.iter().zip(sorted).all(|(at, value)| row[*at as usize] == *value));
                // Equal elements stay in their order.
                let is_stable =
                    order.windows(2).all(|pair| row[pair[0] as usize] < row[pair[1] as usize] || pair[0] < pair[1]);
                assert!(is_stable);
            }
            let middle = |row: &Vec<f64>| (row[(n - 1) / 2] + row[n / 2]) / 2.0;
            let medians = compute(&x.median(&Reduce::axis(axis as isize)).unwrap()).to_vec::<f64>().unwrap();
            assert_eq!(medians, expected.iter().map(middle).collect::<Vec<_>>());
        }
        let mut all = values.clone();
        all.sort_by(f64::total_cmp);
        assert_eq!(compute(&x.sort(None).unwrap()).to_vec::<f64>().unwrap(), all);
        let shares = [0.0, 0.01, 0.37, 0.5, 0.99, 1.0];
        let ranks = shares.map(|share| all[(share * (all.len() - 1) as f64).ceil() as usize]);
        let found = x.quantile(&shares, QuantileMethod::Higher, false, &Reduce::all()).unwrap();
        assert_eq!(compute(&found).to_vec::<f64>().unwrap(), ranks, "{chunks:?}");
    }
}

#[test]
fn sets_are_those_of_the_elements() {
    let values = elements();
    let mut expected: BTreeMap<i64, (i64, i64)> = BTreeMap::new();
    for (at, value) in values.iter().enumerate() {
        expected.entry((value * 8.0) as i64).or_insert((at as i64, 0)).1 += 1;
    }
    for chunks in chunkings(5, &SHAPE) {
        let x = Array::from_block(Block::from_vec(&SHAPE, values.clone()).unwrap(), chunks.clone()).unwrap();
        let unique = x.unique().unwrap();
        let found = compute(&unique.values).to_vec::<f64>().unwrap();
        assert!(found.iter().map(|value| (value * 8.0) as i64).eq(expected.keys().copied()), "{chunks:?}");
        let index = compute(&unique.index).to_vec::<i64>().unwrap();
        let counts = compute(&unique.counts).to_vec::<i64>().unwrap();
        assert!(index.into_iter().zip(counts).eq(expected.values().copied()), "{chunks:?}");
        let inverse = compute(&unique.inverse);
        assert_eq!(inverse.shape(), SHAPE);
        let inverse = inverse.to_vec::<i64>().unwrap();
        assert!(inverse.iter().zip(&values).all(|(at, value)| found[*at as usize] == *value));
        let table = Array::from_vec(&[3], vec![-62.5, 1.0, 2.0]).unwrap();
        let is_in = compute(&x.isin(&table).unwrap()).to_vec::<bool>().unwrap();
        assert!(is_in.iter().zip(&values).all(|(is_in, value)| *is_in == [-62.5, 1.0, 2.0].contains(value)));
    }
}

/// There and back, and the energy of both sides.
#[test]
fn transforms_are_undone_along_each_axis() {
    let values = elements();
    for chunks in chunkings(5, &SHAPE) {
        let x = Array::from_block(Block::from_vec(&SHAPE, values.clone()).unwrap(), chunks.clone()).unwrap();
        let near = |array: &Array, tolerance: f64| {
            let found = compute(&array.real().unwrap()).to_vec::<f64>().unwrap();
            found.len() == values.len() && found.iter().zip(&values).all(|(a, b)| (a - b).abs() < tolerance)
        };
        for axis in 0..3 {
            for norm in [FftNorm::Backward, FftNorm::Ortho, FftNorm::Forward] {
                let there = x.fft(None, axis, norm).unwrap();
                assert!(near(&there.ifft(None, axis, norm).unwrap(), 1e-10), "{chunks:?} {axis} {norm:?}");
                let half = x.rfft(None, axis, norm).unwrap();
                let n = Some(SHAPE[axis as usize]);
                assert!(near(&half.irfft(n, axis, norm).unwrap(), 1e-10), "{chunks:?} {axis} {norm:?}");
            }
        }
        let energy = |array: &Array| {
            compute(&array.absolute().unwrap().square().unwrap().sum(&Reduce::all()).unwrap()).to_vec::<f64>().unwrap()
                [0]
        };
        let (there, own) = (x.fftn(None, None, FftNorm::Ortho).unwrap(), energy(&x));
        assert!((energy(&there) - own).abs() < 1e-9 * own);
        assert!(near(&x.fftshift(None).unwrap().ifftshift(None).unwrap(), 1e-300));
    }
}

#[test]
fn functions_of_the_user_get_whole_rows() {
    fn weighed(blocks: &[Block], _: &BlockInfo) -> Result<Block, BlockError> {
        // (.., i, j), (j) -> (.., i)
        let (x, weights) = (blocks[0].view::<f64>()?, blocks[1].to_vec::<f64>()?);
        let mut sums = x.sum_axis(ndarray::Axis(x.ndim() - 1));
        for (sum, row) in sums.iter_mut().zip(x.rows()) {
            *sum = row.iter().zip(&weights).map(|(value, weight)| value * weight).sum();
        }
        Ok(Block::from_ndarray(sums))
    }
    let values = elements();
    let weights = Array::arange(0, 7, 1, None, 3).unwrap().astype(DType::F64).unwrap();
    for chunks in chunkings(5, &SHAPE) {
        let x = Array::from_block(Block::from_vec(&SHAPE, values.clone()).unwrap(), chunks.clone()).unwrap();
        let spread = x
            .apply_along_axis("spread", 1, 1, |row: &[f64]| {
                vec![row.iter().copied().fold(f64::MIN, f64::max) - row.iter().copied().fold(f64::MAX, f64::min)]
            })
            .unwrap();
        let expected = x.max(&Reduce::axis(1).keepdims()).unwrap() - x.min(&Reduce::axis(1).keepdims()).unwrap();
        assert_eq!(
            compute(&spread).to_vec::<f64>().unwrap(),
            compute(&expected).to_vec::<f64>().unwrap(),
            "{chunks:?}"
        );
        let function = BlockFn::local("weighed", weighed);
        let sums = Array::apply_gufunc(function, "(i,j),(j)->(i)", &[&x, &weights], &[], DType::F64).unwrap();
        let expected = (&x * &weights).sum(&Reduce::axis(2)).unwrap();
        let (sums, expected) = (compute(&sums).to_vec::<f64>().unwrap(), compute(&expected).to_vec::<f64>().unwrap());
        assert!(sums.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-9), "{chunks:?}");
    }
    let function = || BlockFn::local("weighed", weighed);
    for signature in ["", "(i)", "(i)->(i),(i)", "(i,j)->(i)", "(i),(i)->(i"] {
        let made = Array::apply_gufunc(function(), signature, &[&weights], &[], DType::F64);
        assert!(matches!(made, Err(ArrayError::Argument { .. })), "{signature}");
    }
    let short = weights.apply_along_axis("short", 0, 3, |row: &[f64]| row[..2].to_vec()).unwrap();
    assert!(
        try_compute(&InlineExecutor::new(), &short)
            .unwrap_err()
            .to_string()
            .contains("made 2 elements of a row, not 3")
    );
    assert!(matches!(
        weights.apply_along_axis("int", 0, 1, |row: &[i64]| row.to_vec()),
        Err(ArrayError::WrongDType { .. })
    ));
}

/// Means and deviations from them, of rows and of their weights: `(i),(j)->(),(i),(k)`.
fn described(blocks: &[Block], _: &BlockInfo) -> Result<Vec<Block>, BlockError> {
    let (x, weights) = (blocks[0].view::<f64>()?, blocks[1].to_vec::<f64>()?);
    let n_dims = x.ndim();
    let rows = x.shape()[..n_dims - 1].to_vec();
    let (mut means, mut rest, mut ends) = (Vec::new(), Vec::new(), Vec::new());
    for row in x.rows() {
        let mean = row.iter().sum::<f64>() / row.len() as f64;
        means.push(mean);
        rest.extend(row.iter().map(|value| (value - mean) as f32));
        ends.extend([weights.len() as i64, weights.iter().sum::<f64>() as i64]);
    }
    let shape = |last: usize| rows.iter().copied().chain([last]).collect::<Vec<_>>();
    let ends = Block::from_vec(&shape(2), ends)?;
    Ok(vec![Block::from_vec(&rows, means)?, Block::from_vec(x.shape(), rest)?, ends])
}

#[test]
fn functions_of_the_user_have_several_results_of_one_call() {
    let dtypes = [DType::F64, DType::F32, DType::I64];
    let signature = "(i), (j) -> (), (i), (k)";
    let weights = Array::arange(0, 7, 1, None, 3).unwrap().astype(DType::F64).unwrap();
    let calls = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counting = || {
        let calls = std::sync::Arc::clone(&calls);
        BlockFn::local("described", move |blocks: &[Block], info: &BlockInfo| {
            calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            described(blocks, info)
        })
    };
    let made =
        |x: &Array| Array::apply_gufunc_many(counting(), signature, &[x, &weights], &[("k", 2)], &dtypes).unwrap();
    for chunks in chunkings(6, &SHAPE) {
        let x = Array::from_block(Block::from_vec(&SHAPE, elements()).unwrap(), chunks.clone()).unwrap();
        let all = made(&x);
        assert_eq!(all.iter().map(Array::dtype).collect::<Vec<_>>(), dtypes);
        let [rows, columns, depth] = SHAPE;
        let shapes: Vec<Vec<usize>> = all.iter().map(|array| array.shape().unwrap()).collect();
        assert_eq!(shapes, [vec![rows, columns], vec![rows, columns, depth], vec![rows, columns, 2]]);
        calls.store(0, std::sync::atomic::Ordering::Relaxed);
        let blocks = common::try_compute_all(&InlineExecutor::new(), &all).unwrap();
        let n_blocks: u32 = x.chunks().numblocks().take(2).product();
        assert_eq!(calls.load(std::sync::atomic::Ordering::Relaxed), n_blocks as usize, "one call for all results");
        let mean = x.mean(&Reduce::axis(2).keepdims()).unwrap();
        let near = |own: &Block, expected: &Array| {
            let own = Array::from_block(own.clone(), ChunkSpec::Auto).unwrap().astype(DType::F64).unwrap();
            let (own, expected) = (compute(&own).to_vec::<f64>().unwrap(), compute(expected).to_vec::<f64>().unwrap());
            own.len() == expected.len() && own.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-5)
        };
        assert!(near(&blocks[0], &mean) && near(&blocks[1], &(&x - &mean)), "{chunks:?}");
        assert!(blocks[2].to_vec::<i64>().unwrap().chunks(2).all(|ends| ends == [7, 21]));
        // One of them alone, and a part of it.
        let some = all[1].index(&[(..1).into()]).unwrap();
        let whole = blocks[1].to_vec::<f32>().unwrap();
        assert_eq!(compute(&some).to_vec::<f32>().unwrap(), whole[..columns * depth]);
    }
    // Results with axes of other inputs.
    let swapped = |blocks: &[Block], _: &BlockInfo| Ok::<_, BlockError>(vec![blocks[1].clone(), blocks[0].clone()]);
    let short = Array::arange(0, 4, 1, None, 2).unwrap();
    let function = BlockFn::local("swapped", swapped);
    let both =
        Array::apply_gufunc_many(function, "(i),(j)->(j),(i)", &[&weights, &short], &[], &[DType::I64, DType::F64]);
    let both = both.unwrap();
    assert_eq!(compute(&both[0]).to_vec::<i64>().unwrap(), [0, 1, 2, 3]);
    assert_eq!(compute(&both[1]).to_vec::<f64>().unwrap().len(), 7);

    let x = Array::ones(&[4, 6], DType::F64, 3).unwrap();
    for signature in
        ["(i),(j)->()", "(i),(j)->(),(i),(k),()", "(i),(j)->", "(i)->(),(i),(k)", "(i),(j)->(),(i)(k", "->"]
    {
        let refused = Array::apply_gufunc_many(counting(), signature, &[&x, &weights], &[("k", 2)], &dtypes);
        assert!(matches!(refused, Err(ArrayError::Argument { .. })), "{signature}");
    }
    let refused = Array::apply_gufunc_many(counting(), signature, &[&x, &weights], &[], &dtypes);
    assert!(matches!(refused, Err(ArrayError::Argument { .. })), "an axis that comes from nowhere");
    let fails = |size: usize, dtypes: &[DType], signature: &str| {
        let made = Array::apply_gufunc_many(counting(), signature, &[&x, &weights], &[("k", size)], dtypes).unwrap();
        try_compute(&InlineExecutor::new(), &made[0]).unwrap_err().to_string()
    };
    let said = fails(3, &dtypes, signature);
    assert!(
        said.contains("made a block of int64 with shape [3, 2], which was announced as int64 with shape (3, 3)"),
        "{said}"
    );
    assert!(fails(2, &[DType::F64; 3], signature).contains("announced as float64"));
    assert!(fails(2, &[DType::F64, DType::F32], "(i),(j)->(),(i)").contains("made 3 blocks, of 2 that were announced"));
}

#[test]
fn draws_are_the_same_in_any_chunks() {
    let of = |chunks: usize| {
        let random = RandomGenerator::new(8);
        [
            random.gamma(2.0, 1.0, &[200], chunks).unwrap(),
            random.binomial(50, 0.3, &[200], chunks).unwrap().astype(DType::F64).unwrap(),
            random.laplace(0.0, 1.0, &[200], chunks).unwrap(),
        ]
        .map(|array| compute(&array).to_vec::<f64>().unwrap())
    };
    assert_eq!(of(200), of(7));
    let table = Array::arange(0, 30, 1, None, 7).unwrap();
    let random = RandomGenerator::new(8);
    let mut drawn = compute(&random.choice(&table, &[30], false, None, 4).unwrap()).to_vec::<i64>().unwrap();
    assert!(!drawn.is_sorted());
    drawn.sort_unstable();
    assert_eq!(drawn, (0..30).collect::<Vec<_>>());
    assert!(matches!(random.choice(&table, &[31], false, None, 4), Err(ArrayError::Argument { .. })));
}

#[test]
fn what_has_no_meaning_is_told_before_anything_runs() {
    let x = Array::ones(&[4, 6], DType::F64, 3).unwrap();
    let times = x.astype(DType::I64).unwrap().astype("datetime64[s]".parse().unwrap()).unwrap();
    let complex = x.astype(DType::C128).unwrap();
    assert!(matches!(x.sort(Some(2)), Err(ArrayError::AxisOutOfRange { .. })));
    assert!(matches!(x.fft(Some(0), 0, FftNorm::Backward), Err(ArrayError::Argument { .. })));
    assert!(matches!(times.fft(None, 0, FftNorm::Backward), Err(ArrayError::DTypeUnsupported { .. })));
    assert!(matches!(complex.rfft(None, 0, FftNorm::Backward), Err(ArrayError::DTypeUnsupported { .. })));
    let quantile = |x: &Array, share| x.quantile(&[share], QuantileMethod::Linear, false, &Reduce::all());
    assert!(matches!(quantile(&x, 1.5), Err(ArrayError::Argument { .. })));
    assert!(matches!(quantile(&complex, 0.5), Err(ArrayError::DTypeUnsupported { .. })));
    assert!(matches!(quantile(&times, 0.5), Err(ArrayError::DTypeUnsupported { .. })));
    let empty = Array::zeros(&[0, 3], DType::F64, 1).unwrap();
    let quantile = empty.quantile(&[0.5], QuantileMethod::Linear, false, &Reduce::axis(0));
    assert!(matches!(quantile, Err(ArrayError::EmptyReduction { .. })));
    assert!(matches!(x.bincount(None, 0), Err(ArrayError::WrongRank { .. })));
    assert!(matches!(x.ravel().unwrap().bincount(None, 0), Err(ArrayError::DTypeUnsupported { .. })));
    assert!(matches!(x.searchsorted(&x, dolmen_kernels::Side::Left), Err(ArrayError::WrongRank { .. })));
    let edges = Array::from_vec(&[3], vec![0.0, 2.0, 1.0]).unwrap();
    assert!(matches!(x.digitize(&edges, false), Err(ArrayError::Argument { .. })));
    let random = RandomGenerator::new(1);
    assert!(matches!(random.exponential(-1.0, &[1], 1), Err(ArrayError::Kernel(_))));
    assert!(matches!(random.poisson(-1.0, &[1], 1), Err(ArrayError::Kernel(_))));
    let fails = |array: Array| try_compute(&InlineExecutor::new(), &array).unwrap_err().to_string();
    assert!(fails(x.digitize(&(&edges + 1.0), false).unwrap()).contains("neither ascend nor descend"));
    let bins = HistogramBins::EdgeArray(edges.negative().unwrap());
    assert!(fails(x.histogram(&bins, None, None, false).unwrap().0).contains("do not ascend"));
    let negative = Array::from_vec(&[2], vec![1_i64, -1]).unwrap();
    assert!(fails(negative.bincount(None, 0).unwrap()).contains("negative integer"));
    assert!(
        fails(negative.choose(&[x.ravel().unwrap().index(&[(..2).into()]).unwrap()]).unwrap())
            .contains("out of bounds")
    );
}

#[test]
fn blocks_stay_small_where_operands_broadcast() {
    let row = Array::arange(0_i64, 30_000_i64, 1_i64, None, 30_000).unwrap();
    let outer = row.expand_dims(&[1]).unwrap().multiply(&row).unwrap();
    let padded = Array::ones(&[4], DType::F64, 4).unwrap();
    let padded = padded.pad(&[(100_000_000, 0)], PadMode::Constant(WeakScalar::Int(0))).unwrap();
    for array in [outer, row.kron(&row).unwrap(), row.diag(3).unwrap(), padded] {
        assert!(array.block_bytes_max().unwrap() <= 128 << 20, "{:?}", array.chunks());
    }
    // Sizes that no machine has are told.
    let row = Array::ones(&[2], DType::F64, 2).unwrap();
    let long = row.fft(Some(usize::MAX / 2), 0, FftNorm::Backward);
    assert!(matches!(long, Err(ArrayError::TooLarge { .. })), "{long:?}");
    assert!(matches!(row.array_split(1_000_000_000, 0), Err(ArrayError::Argument { .. })));
    // What an operand has itself stays.
    let large = Array::ones(&[30_000, 30_000], DType::I8, 30_000).unwrap();
    assert_eq!((&large + 1.5).chunks(), large.chunks());
}
