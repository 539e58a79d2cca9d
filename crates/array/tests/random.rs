//! Laws of chance whose parameters are arrays.

#![allow(clippy::unwrap_used, reason = "a failed expectation is how a test reports, in its helpers as well")]

mod common;

use common::{Seeded, chunkings, compute, try_compute};
use dolmen_array::{Array, ArrayError, ChunkSpec, Parameter, RandomGenerator, Reduce, Size, explain};
use dolmen_graph::{InlineExecutor, RunError, TaskError};
use dolmen_kernels::{Block, DType, KernelError};

/// The parameters of a law: of floats, and of integers.
type Law = fn(&RandomGenerator, &[Parameter<f64>], &[u64], Size<'_>, ChunkSpec) -> Result<Array, ArrayError>;

/// Each law with parameters, and what it is called in errors.
fn laws() -> Vec<(&'static str, Vec<f64>, Law)> {
    macro_rules! law {
        ($method:ident: $($value:literal),+) => {
            (stringify!($method), vec![$($value),+], |random, floats, _, size, chunks| {
                let mut floats = floats.iter().cloned();
                random.$method($(law!(@next floats $value),)+ size, chunks)
            })
        };
        (@next $floats:ident $value:literal) => { $floats.next().unwrap() };
    }
    vec![
        law!(uniform: -1.5, 3.25),
        law!(normal: 0.3, 1.7),
        law!(exponential: 2.3),
        law!(rayleigh: 0.7),
        law!(laplace: 0.1, 3.3),
        law!(logistic: -0.1, 1.3),
        law!(gumbel: 0.4, 1.1),
        law!(lognormal: 0.2, 0.6),
        law!(weibull: 2.0),
        law!(weibull: 0.5),
        law!(weibull: 1.7),
        law!(pareto: 3.1),
        law!(power: 2.0),
        law!(power: 0.3),
        law!(triangular: -1.0, 0.25, 2.0),
        law!(wald: 1.3, 2.2),
        law!(gamma: 0.6, 1.9),
        law!(gamma: 7.7, 0.3),
        law!(beta: 0.7, 2.2),
        law!(chisquare: 2.7),
        law!(f: 5.1, 9.3),
        law!(standard_t: 6.3),
        law!(vonmises: 2.9, 1.4),
        law!(poisson: 3.7),
        law!(poisson: 70.0),
        law!(zipf: 3.3),
        law!(logseries: 0.45),
        law!(geometric: 0.23),
        law!(negative_binomial: 4.5, 0.3),
    ]
}

/// A constant array of `shape`, which is not a constant for the planner.
fn constant(value: f64, shape: &[usize], chunks: ChunkSpec) -> Array {
    let n = shape.iter().product();
    Array::from_block(Block::from_vec(shape, vec![value; n]).unwrap(), chunks).unwrap()
}

fn bits(array: &Array) -> Vec<u64> {
    let block = compute(array);
    match block.dtype() {
        DType::F64 => block.to_vec::<f64>().unwrap().into_iter().map(f64::to_bits).collect(),
        _ => block.to_vec::<i64>().unwrap().into_iter().map(|value| value as u64).collect(),
    }
}

#[test]
fn constant_arrays_give_the_bits_of_numbers_under_any_chunks() {
    let (shape, row) = ([7, 30], [30]);
    for (name, values, law) in laws() {
        let numbers: Vec<Parameter<f64>> = values.iter().map(|value| Parameter::Number(*value)).collect();
        let whole = law(&RandomGenerator::new(4), &numbers, &[], Size::Shape(&shape), ChunkSpec::Size(100)).unwrap();
        let expected = bits(&whole);
        for (seed, chunks) in chunkings(5, &shape).into_iter().enumerate() {
            let mut random = Seeded(seed as u64);
            // A parameter has all axes, the last one, or none.
            let arrays = values.iter().map(|value| match random.below(4) {
                0 => constant(*value, &shape, random.chunks(&shape)).into(),
                1 => constant(*value, &row, random.chunks(&row)).into(),
                2 => constant(*value, &[7, 1], ChunkSpec::Size(2)).into(),
                _ => constant(*value, &[], ChunkSpec::Auto).into(),
            });
            let arrays: Vec<Parameter<f64>> = arrays.collect();
            let drawn = law(&RandomGenerator::new(4), &arrays, &[], Size::Shape(&shape), chunks.clone()).unwrap();
            assert_eq!((drawn.dtype(), drawn.shape().unwrap()), (whole.dtype(), shape.to_vec()), "{name}");
            assert_eq!(drawn.chunks(), &chunks.chunks(&shape, 8, None).unwrap(), "{name}");
            assert!(bits(&drawn) == expected, "{name} in chunks {}", drawn.chunks());
        }
    }
}

#[test]
fn arrays_of_integers_as_parameters() {
    let shape = [6, 20];
    let ints = |value: i64, shape: &[usize], chunks: usize| {
        let n = shape.iter().product();
        Array::from_block(Block::from_vec(shape, vec![value; n]).unwrap(), chunks).unwrap()
    };
    let random = || RandomGenerator::new(11);
    let n = ints(40, &[20], 7).astype(DType::U8).unwrap();
    let binomial = random().binomial(&n, 0.3, &shape, [4, 6]).unwrap();
    assert_eq!(bits(&binomial), bits(&random().binomial(40, 0.3, &shape, 50).unwrap()));
    let drawn = random().hypergeometric(ints(30, &[6, 1], 2), 50, ints(20, &[], 1), &shape, [4, 6]).unwrap();
    assert_eq!(bits(&drawn), bits(&random().hypergeometric(30, 50, 20, &shape, 50).unwrap()));
    let drawn = random().integers(ints(-3, &[20], 7), ints(9, &[6, 1], 4), &shape, [4, 6]).unwrap();
    assert_eq!(bits(&drawn), bits(&random().integers(-3, 9, &shape, 50).unwrap()));
    let bytes = random().integers_as(DType::I8, 0, ints(9, &[6, 1], 4), Size::OfParameters, 2).unwrap();
    assert_eq!((bytes.dtype(), bytes.shape().unwrap()), (DType::I8, vec![6, 1]));
}

#[test]
fn each_element_has_the_parameters_of_its_place() {
    let n = 40_000;
    let column = |values: Vec<f64>| Array::from_vec(&[values.len(), 1], values).unwrap();
    // Each law with the means and variances that its rows should have.
    let random = RandomGenerator::new(21);
    let (a, b) = (vec![0.5, 3.0, 40.0], column(vec![0.5, 3.0, 40.0]));
    let size = [3, n];
    let p = column(vec![0.1, 0.5, 0.9]);
    let counts = Array::from_vec(&[3, 1], vec![5_i64, 50, 5000]).unwrap();
    let of = |mean: fn(f64) -> (f64, f64)| a.iter().map(|a| mean(*a)).collect::<Vec<_>>();
    let chunks = [2, 17_000];
    let cases = [
        ("normal", random.normal(&b, &b, &size, chunks), of(|a| (a, a * a))),
        ("uniform", random.uniform(0.0, &b, &size, chunks), of(|a| (a / 2.0, a * a / 12.0))),
        ("exponential", random.exponential(&b, &size, chunks), of(|a| (a, a * a))),
        ("gamma", random.gamma(&b, &b, &size, chunks), of(|a| (a * a, a * a * a))),
        ("poisson", random.poisson(&b, &size, chunks), of(|a| (a, a))),
        ("beta", random.beta(&b, 2.0, &size, chunks), {
            of(|a| (a / (a + 2.0), 2.0 * a / ((a + 2.0) * (a + 2.0) * (a + 3.0))))
        }),
        ("laplace", random.laplace(&b, 2.0, &size, chunks), of(|a| (a, 8.0))),
        ("triangular", random.triangular(0.0, 0.0, &b, &size, chunks), of(|a| (a / 3.0, a * a / 18.0))),
        ("wald", random.wald(&b, 20.0, &size, chunks), of(|a| (a, a * a * a / 20.0))),
        ("binomial", random.binomial(&counts, &p, &size, chunks), vec![(0.5, 0.45), (25.0, 12.5), (4500.0, 450.0)]),
        ("geometric", random.geometric(&p, &size, chunks), {
            [0.1, 0.5, 0.9].map(|p| (1.0 / p, (1.0 - p) / (p * p))).to_vec()
        }),
        ("integers", random.integers(0, &counts, &size, chunks), {
            [5.0_f64, 50.0, 5000.0].map(|n| ((n - 1.0) / 2.0, (n * n - 1.0) / 12.0)).to_vec()
        }),
    ];
    for (name, array, expected) in cases {
        let array = array.unwrap();
        let means = compute(&array.mean(&Reduce::axis(1)).unwrap()).to_vec::<f64>().unwrap();
        let variances = compute(&array.var(&Reduce::axis(1)).unwrap()).to_vec::<f64>().unwrap();
        for (row, (mean, variance)) in expected.into_iter().enumerate() {
            // Five standard errors; the variance of a variance follows from a kurtosis of no more than 30.
            let (own, spread) = (means[row], variances[row]);
            assert!((own - mean).abs() < 5.0 * (variance / n as f64).sqrt(), "{name} {row}: {own}, not {mean}");
            let error = 5.0 * variance * (30.0 / n as f64).sqrt();
            assert!((spread - variance).abs() < error, "{name} {row}: {spread}, not {variance}");
        }
    }
}

#[test]
fn normal_numbers_with_their_own_means_and_deviations_are_normal_when_these_are_taken_back() {
    let n = 100_000;
    let index = Array::arange(0, n as i64, 1, None, 9_000).unwrap().astype(DType::F64).unwrap();
    let (loc, scale) = (index.multiply(0.01).unwrap(), index.remainder(7.0).unwrap().add(0.5).unwrap());
    let drawn = RandomGenerator::new(2).normal(&loc, &scale, Size::OfParameters, ChunkSpec::Auto).unwrap();
    // Nobody said how it is cut: as the parameters are.
    assert_eq!(drawn.chunks(), loc.chunks());
    let standard = drawn.subtract(&loc).unwrap().true_divide(&scale).unwrap();
    let mut sample = compute(&standard).to_vec::<f64>().unwrap();
    sample.sort_unstable_by(f64::total_cmp);
    let cdf = |x: f64| 0.5 * libm::erfc(-x / std::f64::consts::SQRT_2);
    let distance = sample.iter().enumerate().map(|(at, x)| (cdf(*x) - (at as f64 + 0.5) / n as f64).abs());
    assert!(distance.fold(0.0, f64::max) < 1.95 / (n as f64).sqrt(), "once in a thousand samples; the seed is fixed");
}

#[test]
fn sizes_are_what_the_parameters_broadcast_to() {
    let random = RandomGenerator::new(1);
    let of = |shape: &[usize]| constant(1.0, shape, ChunkSpec::Size(2));
    let drawn = random.gamma(of(&[3, 1]), of(&[4]), Size::OfParameters, ChunkSpec::Auto).unwrap();
    assert_eq!(drawn.chunks().to_string(), "((2, 1), (2, 2))");
    let large = random.normal(of(&[4]), 1.0, &[3, 4], ChunkSpec::Auto).unwrap();
    assert_eq!(large.chunks().to_string(), "((3,), (2, 2))");
    let one = random.normal(0.0, 1.0, Size::OfParameters, ChunkSpec::Auto).unwrap();
    assert!(one.shape().unwrap().is_empty());
    assert_eq!(compute(&random.poisson(of(&[0, 4]), Size::OfParameters, 2).unwrap()).shape(), [0, 4]);
    let said = random.normal(of(&[2, 3]), 1.0, &[3], 1).unwrap_err().to_string();
    assert!(said.starts_with("`random.normal`: shapes (2, 3) and (3,) do not fit"), "{said}");
    assert!(matches!(random.beta(of(&[2]), of(&[3]), &[6], 1), Err(ArrayError::Broadcast { .. })));
    assert!(matches!(random.poisson(of(&[3]), &[2], 1), Err(ArrayError::ShapeMismatch { .. })));
    let some = of(&[9]).index(&[of(&[9]).greater(0.5).unwrap().into()]).unwrap();
    let refused = random.normal(&some, 1.0, Size::OfParameters, 1).unwrap_err();
    assert!(matches!(refused, ArrayError::UnknownLength { op: "random.normal", axis: 0 }), "{refused}");
    assert!(matches!(random.zipf(&some, &[9], 1), Err(ArrayError::UnknownLength { .. })));
    let complex = of(&[3]).astype(DType::C128).unwrap();
    assert!(matches!(random.normal(&complex, 1.0, &[3], 1), Err(ArrayError::DTypeUnsupported { .. })));
    assert!(matches!(random.binomial(of(&[3]), 0.5, &[3], 1), Err(ArrayError::DTypeUnsupported { .. })));
    assert!(matches!(random.integers_as(DType::F64, 0, 9, &[3], 1), Err(ArrayError::DTypeUnsupported { .. })));
}

/// The kernel's error behind that of a run.
fn kernel_error(array: &Array) -> KernelError {
    let error = try_compute(&InlineExecutor::new(), array).unwrap_err();
    let Some(RunError::Task { error: task, .. }) = error.downcast_ref::<RunError>() else {
        panic!("no task failed: {error}");
    };
    let mut task = task;
    // A task that was fused says which of its steps it was.
    while let TaskError::Step { error, .. } = task {
        task = error;
    }
    match task {
        TaskError::Failed { source } => source.downcast_ref::<KernelError>().expect("the kernel refused").clone(),
        other => panic!("the task did not fail: {other}"),
    }
}

#[test]
fn what_makes_no_sense_is_the_same_error_in_an_array_when_its_block_runs() {
    let wrong: Vec<(&str, Vec<f64>, Law)> = laws();
    for (name, values, law) in wrong {
        for (at, good) in values.iter().enumerate() {
            for bad in [-1.0, f64::NAN, f64::INFINITY, 2e300] {
                let number = |value: f64| Parameter::Number(value);
                let with = |own: Parameter<f64>| {
                    let mut all: Vec<_> = values.iter().map(|value| number(*value)).collect();
                    all[at] = own;
                    law(&RandomGenerator::new(1), &all, &[], Size::Shape(&[5]), ChunkSpec::Size(2))
                };
                let mut some = vec![*good; 5];
                some[3] = bad;
                let array = with(Array::from_block(Block::from_vec(&[5], some).unwrap(), 2).unwrap().into()).unwrap();
                match with(number(bad)) {
                    Ok(made) if try_compute(&InlineExecutor::new(), &made).is_ok() => {
                        assert_eq!(compute(&array).len(), 5, "{name}");
                    }
                    // A mean of gamma numbers is known when they are.
                    Ok(made) => assert_eq!(kernel_error(&array), kernel_error(&made), "{name}"),
                    Err(ArrayError::Kernel(expected)) => {
                        assert_eq!(kernel_error(&array).to_string(), expected.to_string(), "{name}");
                        // A block that does not have it is fine.
                        let others = array.index(&[(..2).into()]).unwrap();
                        assert_eq!(compute(&others).len(), 2, "{name}");
                    }
                    Err(other) => panic!("{name}: {other}"),
                }
            }
        }
    }
    let random = RandomGenerator::new(1);
    let ints = |values: Vec<i64>| Array::from_vec(&[values.len()], values).unwrap();
    let drawn = random.binomial(ints(vec![3, -1]), 0.5, Size::OfParameters, 1).unwrap();
    assert!(matches!(kernel_error(&drawn), KernelError::ParameterRange { parameter: "n", value: -1.0, .. }));
    let drawn = random.integers(ints(vec![3, 9]), 5, Size::OfParameters, 1).unwrap();
    assert!(matches!(kernel_error(&drawn), KernelError::Parameter { parameter: "range", .. }));
    let drawn = random.integers_as(DType::I8, 0, ints(vec![128, 129]), Size::OfParameters, 1).unwrap();
    assert!(matches!(kernel_error(&drawn), KernelError::ParameterRange { parameter: "high", value: 129.0, .. }));
}

#[test]
fn the_predicted_peak_counts_the_parameters() {
    let of = |random: &RandomGenerator, lam: Parameter<f64>| {
        let drawn = random.poisson(lam, &[1000, 1000], [1000, 1000]).unwrap();
        explain(&[drawn], 1).unwrap().peak_bytes
    };
    let random = RandomGenerator::new(1);
    let array = random.uniform(1.0, 2.0, &[1000, 1000], [1000, 1000]).unwrap();
    let (numbers, arrays) = (of(&random, 3.0.into()), of(&random, array.into()));
    let block = 8_000_000;
    assert!(numbers.unwrap() < 2 * block && arrays.unwrap() >= 2 * block, "{numbers:?} {arrays:?}");
}
