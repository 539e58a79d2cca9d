//! Reductions against NumPy's answers under many cuts, see golden/make_reductions.py.

#![allow(clippy::unwrap_used, reason = "a failed expectation is how a test reports, in its helpers as well")]

mod golden;

use dolmen_kernels::{
    AxisSlice, Block, DType, Function, Op, Partial, Pool, ProgramBuilder, Reduction, Region, Scalar, partial,
};
use golden::{agrees, inputs, report, unpack};
use proptest::prelude::*;

fn reduction(name: &str) -> Reduction {
    let function = match name.trim_start_matches("nan") {
        "sum" => Function::Sum,
        "prod" => Function::Prod,
        "min" => Function::Min,
        "max" => Function::Max,
        "any" => Function::Any,
        "all" => Function::All,
        "argmin" => Function::ArgMin,
        "argmax" => Function::ArgMax,
        "mean" => Function::Mean,
        "var" => Function::Var,
        "std" => Function::Std,
        "count_nonzero" => Function::CountNonzero,
        _ => panic!("no reduction {name}"),
    };
    let reduction = if name.starts_with("nan") { function.skipping_nan() } else { function.plain() };
    assert_eq!(reduction.name(), name);
    reduction
}

/// Reduces every part of `block` by itself and combines the results: along each axis, the first part is `cuts` long.
fn reduce_in_parts(
    block: &Block,
    cuts: &[usize],
    reduction: Reduction,
    axes: &[usize],
    ddof: f64,
) -> dolmen_kernels::Result<Block> {
    let pool = Pool::new(0);
    let whole = block.shape();
    let mut parts: Vec<Vec<AxisSlice>> = vec![vec![]];
    for (axis, &len) in whole.iter().enumerate() {
        let cut = cuts.get(axis).map_or(len, |cut| cut % (len + 1));
        let pieces = [AxisSlice::range(0, cut), AxisSlice::range(cut, len)];
        parts =
            parts.iter().flat_map(|part| pieces.map(|piece| part.iter().copied().chain([piece]).collect())).collect();
    }
    // Parts of the same kept positions are combined, then the results put side by side.
    let mut out: Vec<(Vec<usize>, Vec<Partial>)> = vec![];
    for part in parts {
        let region = Region {
            shape: part.iter().map(|slice| slice.len).collect(),
            start: part.iter().map(|slice| slice.start).collect(),
            whole: whole.into(),
        };
        let reduced = partial(&block.slice(&part)?, &region, reduction, axes, &pool)?;
        let reduced = Partial::from_bytes(&reduced.to_bytes()?, &pool)?;
        let kept: Vec<usize> =
            (0..whole.len()).map(|axis| if axes.contains(&axis) { 0 } else { part[axis].start }).collect();
        if reduced.shape().contains(&0) {
            continue;
        }
        match out.iter_mut().find(|(start, _)| *start == kept) {
            Some((_, parts)) => parts.push(reduced),
            None => out.push((kept, vec![reduced])),
        }
    }
    let shape: Vec<usize> =
        whole.iter().enumerate().map(|(axis, len)| if axes.contains(&axis) { 1 } else { *len }).collect();
    let finished: Vec<(Vec<usize>, Block)> = out
        .into_iter()
        .map(|(start, parts)| Ok((start, Partial::combine(&parts, &pool)?.finish(ddof, &pool)?)))
        .collect::<dolmen_kernels::Result<_>>()?;
    let placed: Vec<(&[usize], Block)> = finished.iter().map(|(start, block)| (&**start, block.clone())).collect();
    dolmen_kernels::assemble(reduction.result_dtype(block.dtype())?, &shape, &placed, &pool)
}

#[test]
fn reductions_are_those_of_numpy_under_every_cut() {
    let golden = golden::read("reductions");
    let inputs = inputs(&golden);
    let mut differences = Vec::new();
    for (number, case) in golden["cases"].as_array().unwrap().iter().enumerate() {
        let reduction = reduction(case[0].as_str().unwrap());
        let block = &inputs[case[1].as_str().unwrap()];
        let axes: Vec<usize> = case[2].as_array().unwrap().iter().map(|axis| axis.as_u64().unwrap() as usize).collect();
        let ddof = case[3].as_f64().unwrap();
        // Whole, halves, and cuts that differ from case to case.
        for cuts in [vec![], vec![1, 2, 3], vec![number % 5, number % 3, number % 7]] {
            let what = format!(
                "{}({} {:?}, axes {axes:?}, ddof {ddof}), cut at {cuts:?}",
                reduction.name(),
                block.dtype(),
                block.shape()
            );
            let actual = reduce_in_parts(block, &cuts, reduction, &axes, ddof);
            let expected = &case[4];
            match actual {
                Err(_) if expected.is_null() => {}
                Err(error) => differences.push(format!("{what}: {error}")),
                Ok(_) if expected.is_null() => differences.push(format!("{what}: NumPy refuses it")),
                Ok(actual) => {
                    let expected = unpack(expected);
                    if (actual.dtype(), actual.shape()) != (expected.dtype(), expected.shape()) {
                        differences.push(format!("{what}: {actual:?}, not {expected:?}"));
                        continue;
                    }
                    let n = actual.len();
                    let flat = |block: &Block| block.reshape(&[n], &Pool::new(0)).unwrap();
                    let (actual, expected) = (flat(&actual), flat(&expected));
                    for at in 0..n {
                        let (a, b) = (actual.get(&[at]).unwrap(), expected.get(&[at]).unwrap());
                        // NumPy's half and single sums lose more than ours.
                        if !agrees(a, b, 64.0) {
                            differences.push(format!("{what} at {at}: {a}, not {b}"));
                        }
                    }
                }
            }
        }
    }
    report(&differences);
}

#[test]
fn sums_are_no_less_exact_than_numpys() {
    // A number that has no finite binary form, so often that naive addition would lose four digits.
    let n = 3_000_001;
    let pool = Pool::new(0);
    let block = Block::full(&[n], Scalar::F64(0.1));
    let sum = partial(&block, &Region::whole(&[n]), Function::Sum.plain(), &[0], &pool).unwrap();
    let Scalar::F64(sum) = sum.finish(0.0, &pool).unwrap().item().unwrap() else { panic!("a float64") };
    // 0.1 is 3602879701896397 / 2^55.
    let exact = (3_602_879_701_896_397_u128 * n as u128) as f64 / 2_f64.powi(55);
    assert!((sum - exact).abs() <= exact * 2.0 * f64::EPSILON, "{sum} and {exact}");
    let block = Block::full(&[n], Scalar::F32(0.1));
    let sum = partial(&block, &Region::whole(&[n]), Function::Sum.plain(), &[0], &pool).unwrap();
    let Scalar::F32(sum) = sum.finish(0.0, &pool).unwrap().item().unwrap() else { panic!("a float32") };
    let exact = f64::from(0.1_f32) * n as f64;
    assert!((f64::from(sum) - exact).abs() <= exact * 2.0 * f64::from(f32::EPSILON), "{sum} and {exact}");
}

#[test]
fn infinities_and_missing_values() {
    let pool = Pool::new(0);
    let reduce = |values: &[f64], function: Function| {
        let block = Block::from_vec(&[values.len()], values.to_vec()).unwrap();
        let part = partial(&block, &Region::whole(&[values.len()]), function.plain(), &[0], &pool).unwrap();
        part.finish(0.0, &pool).unwrap().item().unwrap()
    };
    let mut values = vec![1.0; 10_000];
    values[7000] = f64::INFINITY;
    assert_eq!(reduce(&values, Function::Sum), Scalar::F64(f64::INFINITY));
    assert_eq!(reduce(&values, Function::ArgMax), Scalar::I64(7000));
    values[9000] = f64::NAN;
    values[9500] = f64::NAN;
    for function in [Function::Sum, Function::Min, Function::Max, Function::Mean, Function::Var] {
        assert!(reduce(&values, function).as_f64().unwrap().is_nan(), "{function:?}");
    }
    assert_eq!(reduce(&values, Function::ArgMin), Scalar::I64(9000));
    let block = Block::from_vec(&[2], vec![f64::NAN; 2]).unwrap();
    let none = partial(&block, &Region::whole(&[2]), Function::ArgMin.skipping_nan(), &[0], &pool).unwrap();
    assert!(matches!(none.finish(0.0, &pool), Err(dolmen_kernels::KernelError::AllNaN { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A program that ends in a reduction is the reduction of its block, whatever the strides of the inputs.
    #[test]
    fn fused_is_the_same_as_in_steps(
        rows in 1_usize..40, columns in 1_usize..70, turn in any::<bool>(), axes in 0_usize..3, function in 0_usize..8, flip in any::<bool>(),
    ) {
        let pool = Pool::new(0);
        let functions = [Function::Sum, Function::Prod, Function::Min, Function::Max, Function::ArgMin, Function::ArgMax, Function::Mean, Function::CountNonzero];
        let reduction = functions[function].plain();
        let n = rows * columns;
        // Small integers: every order of additions gives the same.
        let values: Vec<f64> = (0..n).map(|i| ((i * 7919) % 13) as f64 - 6.0).collect();
        let mut x = if turn {
            Block::from_vec(&[columns, rows], values).unwrap().transpose(&[1, 0]).unwrap()
        } else {
            Block::from_vec(&[rows, columns], values).unwrap()
        };
        if flip {
            x = x.flip(&[1]).unwrap();
        }
        let y = Block::from_vec(&[columns], (0..columns).map(|i| (i % 3) as i32).collect()).unwrap();
        let mut builder = ProgramBuilder::new();
        let (a, b) = (builder.input(DType::F64), builder.input(DType::I32));
        let sum = builder.apply(Op::Add, &[a, b]).unwrap();
        let index = builder.index(0);
        let odd = builder.apply(Op::Remainder, &[index, dolmen_kernels::Operand::Weak(dolmen_kernels::WeakScalar::Int(2))]).unwrap();
        let value = if function % 2 == 0 { builder.apply(Op::Multiply, &[sum, odd]).unwrap() } else { sum };
        let program = builder.finish(value).unwrap();
        let region = Region { shape: [rows, columns].as_slice().into(), start: [3, 0].as_slice().into(), whole: [rows + 5, columns].as_slice().into() };
        let axes: &[usize] = [&[0][..], &[1], &[0, 1]][axes];
        let fused = program.reduce(&[x.clone(), y.clone()], &region, reduction, axes, &pool).unwrap().finish(0.0, &pool).unwrap();
        let block = program.run(&[x, y], &region, &pool).unwrap().to_contiguous(&pool).unwrap();
        let steps = partial(&block, &region, reduction, axes, &pool).unwrap().finish(0.0, &pool).unwrap();
        prop_assert_eq!(fused.shape(), steps.shape());
        for at in 0..fused.len() {
            let flat = |block: &Block| block.reshape(&[block.len()], &pool).unwrap().get(&[at]).unwrap();
            prop_assert_eq!(flat(&fused), flat(&steps));
        }
    }
}
