//! Quantiles by sketches.

#![allow(clippy::unwrap_used, reason = "a failed expectation is how a test reports, in its helpers as well")]

mod common;

use common::{chunkings, compute, try_compute};
use dolmen_array::{Array, ArrayError, ChunkSpec, RandomGenerator, Reduce, explain};
use dolmen_graph::InlineExecutor;
use dolmen_kernels::{DType, QuantileMethod};

const SHARES: [f64; 7] = [0.0, 0.001, 0.25, 0.5, 0.75, 0.999, 1.0];

fn quantiles(x: &Array, skip_nan: bool, options: &Reduce) -> Array {
    x.quantile(&SHARES, QuantileMethod::TDigest, skip_nan, options).unwrap()
}

/// How far the ranks of values are from the shares, at most.
fn rank_error(mut all: Vec<f64>, values: &[f64]) -> f64 {
    all.sort_unstable_by(f64::total_cmp);
    let of = |(share, value): (&f64, &f64)| {
        let low = all.partition_point(|other| other < value) as f64 - 1.0;
        let high = all.partition_point(|other| other <= value) as f64;
        let wanted = share * (all.len() as f64 - 1.0);
        (low - wanted).max(wanted - high).max(0.0) / all.len() as f64
    };
    SHARES.iter().zip(values).map(of).fold(0.0, f64::max)
}

#[test]
fn ranks_over_all_axes_are_near_under_every_chunking() {
    let shape = [200, 300];
    let random = RandomGenerator::new(3);
    let laws = [
        random.normal(5.0, 2.0, &shape, 100).unwrap(),
        random.pareto(1.1, &shape, 100).unwrap(),
        random.integers(0, 9, &shape, 100).unwrap(),
        random.uniform(-1.0, 1.0, &shape, 100).unwrap().astype(DType::F32).unwrap(),
        // In order, so that blocks have nothing in common.
        Array::arange(0, 60_000, 1, None, ChunkSpec::Auto).unwrap().reshape(&[200, 300]).unwrap(),
    ];
    for (law, x) in laws.iter().enumerate() {
        let all = compute(&x.astype(DType::F64).unwrap()).to_vec::<f64>().unwrap();
        for chunks in chunkings(law as u64, &shape) {
            let found = quantiles(&x.rechunk(chunks.clone()).unwrap(), false, &Reduce::all());
            assert_eq!((found.dtype(), found.shape().unwrap()), (DType::F64, vec![SHARES.len()]));
            let error = rank_error(all.clone(), &compute(&found).to_vec::<f64>().unwrap());
            // In at most two levels; as a rule it is far less.
            assert!(error < if law == 4 { 0.0056 } else { 0.001 }, "law {law} in {chunks:?}: off by {error}");
        }
    }
}

#[test]
fn some_axes_and_those_that_are_kept() {
    let random = RandomGenerator::new(5);
    let x = random.normal(0.0, 1.0, &[5, 90, 200], [2, 40, 70]).unwrap();
    let x = x.add(Array::arange(0, 5, 1, None, 2).unwrap().reshape(&[5, 1, 1]).unwrap()).unwrap();
    let found = quantiles(&x, false, &Reduce::over(&[2, 1]));
    assert_eq!(found.shape().unwrap(), [SHARES.len(), 5]);
    let kept = quantiles(&x, false, &Reduce::over(&[1, -1]).keepdims());
    assert_eq!(kept.shape().unwrap(), [SHARES.len(), 5, 1, 1]);
    let (found, kept) = (compute(&found).to_vec::<f64>().unwrap(), compute(&kept).to_vec::<f64>().unwrap());
    assert_eq!(found, kept);
    let all = compute(&x).to_vec::<f64>().unwrap();
    for (row, all) in all.chunks(90 * 200).enumerate() {
        let own: Vec<f64> = (0..SHARES.len()).map(|share| found[share * 5 + row]).collect();
        assert!(rank_error(all.to_vec(), &own) < 0.001, "{row}: {own:?}");
    }
    // Many rows in thin blocks: they are cut anew, so that sketches are less than what they are made of.
    let thin = random.random(&[300, 20_000], [300, 100]).unwrap();
    let by_axis = quantiles(&thin, false, &Reduce::axis(1));
    let plan = explain(std::slice::from_ref(&by_axis), 1).unwrap();
    assert!(plan.peak_bytes.is_some_and(|bytes| bytes < 100_000_000), "{:?}", plan.peak_bytes);
    let medians = compute(&by_axis).to_vec::<f64>().unwrap();
    assert!(medians[3 * 300..4 * 300].iter().all(|median| (median - 0.5).abs() < 0.03));
}

#[test]
fn what_is_there_as_a_whole_or_short_is_exact() {
    let x = RandomGenerator::new(1).normal(0.0, 1.0, &[50, 60], 7).unwrap();
    for (x, options) in [(x.rechunk(100).unwrap(), Reduce::all()), (x.clone(), Reduce::all()), (x, Reduce::axis(0))] {
        let exact = x.quantile(&SHARES, QuantileMethod::Linear, false, &options).unwrap();
        let [own, exact] =
            [quantiles(&x, false, &options), exact].map(|array| compute(&array).to_vec::<f64>().unwrap());
        assert_eq!(own, exact);
    }
    let one = Array::from_vec(&[1], vec![7_i64]).unwrap();
    assert_eq!(compute(&quantiles(&one, false, &Reduce::all())).to_vec::<f64>().unwrap(), [7.0; 7]);
}

#[test]
fn nan_and_what_is_no_number() {
    let x = RandomGenerator::new(1).random(&[9000], 700).unwrap();
    let some = Array::where_(x.less(0.25).unwrap(), f64::NAN, &x).unwrap();
    let of = |skip_nan: bool| compute(&quantiles(&some, skip_nan, &Reduce::all())).to_vec::<f64>().unwrap();
    assert!(of(false).iter().all(|value| value.is_nan()));
    let left: Vec<f64> = compute(&some).to_vec::<f64>().unwrap().into_iter().filter(|x| !x.is_nan()).collect();
    assert!(rank_error(left, &of(true)) < 0.001);
    let none = Array::full(&[9000], dolmen_kernels::Scalar::F64(f64::NAN), 700).unwrap();
    let none = compute(&quantiles(&none, true, &Reduce::all())).to_vec::<f64>().unwrap();
    assert!(none.iter().all(|value| value.is_nan()));
    // Of lengths that are known when they are computed.
    let positive = x.index(&[x.greater(0.5).unwrap().into()]).unwrap();
    let all = compute(&positive).to_vec::<f64>().unwrap();
    let found = compute(&quantiles(&positive, false, &Reduce::all())).to_vec::<f64>().unwrap();
    assert!(rank_error(all, &found) < 0.001);
    let nothing = x.index(&[x.greater(2.0).unwrap().into()]).unwrap();
    let refused = try_compute(&InlineExecutor::new(), &quantiles(&nothing, false, &Reduce::all())).unwrap_err();
    assert!(refused.to_string().contains("no elements"), "{refused}");
    let by = |x: &Array| x.quantile(&[0.5], QuantileMethod::TDigest, false, &Reduce::all());
    assert!(matches!(by(&Array::zeros(&[0], DType::F64, 1).unwrap()), Err(ArrayError::EmptyReduction { .. })));
    for dtype in [DType::Bool, DType::C64] {
        let refused = by(&x.astype(dtype).unwrap());
        assert!(matches!(refused, Err(ArrayError::DTypeUnsupported { .. })), "{dtype}");
    }
}
