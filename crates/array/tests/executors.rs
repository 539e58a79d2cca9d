//! The same bits on any executor, and the memory that was said.

#![allow(clippy::unwrap_used, reason = "a failed expectation is how a test reports, in its helpers as well")]

mod common;

use std::sync::Arc;

use common::{try_compute, try_compute_all};
use dolmen_array::{Array, FftNorm, RandomGenerator, Reduce, explain, lower, register_ops};
use dolmen_graph::{Executor, GraphBuilder, InlineExecutor, OpRegistry, RunError, cull, decode, encode};
use dolmen_kernels::{DType, Pool};
use dolmen_scheduler::{LocalConfig, LocalExecutor};
use dolmen_storage::{MemoryBudget, TempFolder};

struct World {
    runtime: tokio::runtime::Runtime,
    budget: Arc<MemoryBudget>,
    executor: LocalExecutor,
}

/// An executor of `n_workers` with a memory limit.
fn world(n_workers: u32, limit_bytes: usize) -> World {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let budget = MemoryBudget::new(limit_bytes);
    let mut registry = OpRegistry::new();
    register_ops(&mut registry, &Pool::new(0)).unwrap();
    let config = LocalConfig::new(runtime.handle().clone(), n_workers)
        .memory(Arc::clone(&budget), Arc::new(TempFolder::new(None)))
        .registry(Arc::new(registry));
    World { executor: LocalExecutor::new(config), budget, runtime }
}

/// Programs of the seeds, small.
fn programs() -> Vec<(&'static str, Array)> {
    let x = Array::ones(&[15, 15], DType::F64, 5).unwrap();
    let random = RandomGenerator::new(1);
    let a = random.normal(0.0, 1.0, &[60, 40], [13, 7]).unwrap();
    let b = random.random(&[60, 40], [20, 40]).unwrap();
    vec![
        ("sum", x.sum(&Reduce::axis(0)).unwrap()),
        ("product", x.dot(&(x.t() + 1)).unwrap()),
        ("norm", (&a - &b).norm(dolmen_array::NormOrder::Default, &Reduce::all()).unwrap()),
        ("mean", random.normal(10.0, 0.1, &[100_000], 1000).unwrap().mean(&Reduce::all()).unwrap()),
        ("gram", a.dot(&a.t()).unwrap().mean(&Reduce::axis(0)).unwrap()),
        ("centered", (&a - a.mean(&Reduce::axis(1).keepdims()).unwrap()).std(&Reduce::all()).unwrap()),
        ("turned", a.rechunk([60, 3]).unwrap().t() + b.t()),
        ("cumulative", a.cumsum(Some(0)).unwrap()),
        ("singular values", a.svdvals().unwrap()),
        ("sorted", a.sort(Some(0)).unwrap()),
        ("order", a.argsort(Some(1)).unwrap()),
        ("median", a.median(&Reduce::all()).unwrap()),
        ("transform", a.fft(None, 0, FftNorm::Ortho).unwrap().absolute().unwrap()),
        ("counts", random.poisson(3.0, &[1000], 90).unwrap().bincount(None, 0).unwrap()),
        ("unique", random.integers(0, 30, &[1000], 70).unwrap().unique().unwrap().inverse),
        ("solution", b.t().matmul(&b).unwrap().solve(&b.t(), true).unwrap()),
        ("lower", a.lu().unwrap().1),
        ("kinds", random.multinomial(20, &[0.3, 0.7], &[40], 40).unwrap()),
        ("gamma", random.gamma(0.7, 2.0, &[500], 33).unwrap()),
        ("parameters", random.gamma(b.add(0.1).unwrap(), &b, dolmen_array::Size::OfParameters, 9).unwrap()),
        (
            "sketch",
            random
                .exponential(1.0, &[100_000], 900)
                .unwrap()
                .quantile(&[0.1, 0.5], dolmen_kernels::QuantileMethod::TDigest, false, &Reduce::all())
                .unwrap(),
        ),
    ]
}

#[test]
fn bits_are_the_same_on_one_thread_and_on_two() {
    let (one, two) = (world(1, 64 << 20), world(2, 64 << 20));
    for (name, array) in programs() {
        let inline = try_compute(&InlineExecutor::new(), &array).unwrap();
        for executor in [&one.executor, &two.executor] {
            let block = try_compute(executor, &array).unwrap();
            assert_eq!(block.to_bytes().unwrap(), inline.to_bytes().unwrap(), "{name}");
        }
    }
}

#[test]
fn graphs_survive_encoding() {
    let mut registry = OpRegistry::new();
    register_ops(&mut registry, &Pool::new(0)).unwrap();
    for (name, array) in programs() {
        let mut builder = GraphBuilder::new();
        let outputs = lower(std::slice::from_ref(&array), &mut builder).unwrap();
        let bytes = encode(&builder.build().unwrap(), &registry).unwrap();
        let graph = Arc::new(decode(&bytes, &registry).unwrap());
        let run = InlineExecutor::new().submit(Arc::clone(&graph), Default::default()).unwrap();
        let wanted = &graph.outputs()[0];
        let values = wanted.partitions.iter().map(|partition| {
            run.wait_value(dolmen_graph::TaskId::new(wanted.stage, partition), None).unwrap().unwrap()
        });
        let block = outputs[0].assemble(&values.collect::<Vec<_>>(), &Pool::new(0)).unwrap();
        let direct = try_compute(&InlineExecutor::new(), &array).unwrap();
        assert_eq!(block.to_bytes().unwrap(), direct.to_bytes().unwrap(), "{name}");
    }
}

#[test]
fn an_array_four_times_the_limit_is_rechunked_and_reduced() {
    let world = world(2, 32 << 20);
    // 128 MB in rows of 2 MB, each of which has a part of each column.
    let x = RandomGenerator::new(3).random(&[8192, 2048], [128, 2048]).unwrap();
    let columns = x.rechunk([8192, 32]).unwrap();
    let total = columns.map_blocks(half(), DType::F64, None).unwrap().sum(&Reduce::all()).unwrap();
    let dense = x.sum(&Reduce::all()).unwrap();
    let both = try_compute_all(&world.executor, &[total, dense]).unwrap();
    let [a, b] = [0, 1].map(|idx: usize| both[idx].to_vec::<f64>().unwrap()[0]);
    assert!((a - b / 2.0).abs() < 1e-6, "{a} and {b}");
    assert!(world.budget.peak_bytes() <= 32 << 20, "{}", world.budget.peak_bytes());
}

fn half() -> dolmen_array::BlockFn {
    dolmen_array::BlockFn::local("half", |blocks: &[dolmen_kernels::Block], _: &dolmen_array::BlockInfo| {
        let halves = blocks[0].view::<f64>()?.mapv(|value| value / 2.0);
        Ok::<_, dolmen_array::BlockError>(dolmen_kernels::Block::from_ndarray(halves))
    })
}

#[test]
fn the_peak_is_what_was_said_or_up_to_half_of_it() {
    let random = RandomGenerator::new(5);
    let x = random.random(&[2000, 1000], [200, 1000]).unwrap();
    let y = random.normal(0.0, 1.0, &[2000, 1000], [250, 500]).unwrap();
    let programs = [
        ("mean", (&x * 2 + 1).map_blocks(half(), DType::F64, None).unwrap().mean(&Reduce::all()).unwrap()),
        (
            "rechunked",
            y.rechunk([2000, 100])
                .unwrap()
                .map_blocks(half(), DType::F64, None)
                .unwrap()
                .sum(&Reduce::axis(0))
                .unwrap(),
        ),
        ("kept", &y + 1),
        ("product", y.t().dot(&y).unwrap()),
    ];
    for (name, array) in programs {
        for n_workers in [1, 2] {
            let world = world(n_workers, 1 << 30);
            let measured = peak_of(&world, &array);
            let predicted = explain(std::slice::from_ref(&array), n_workers).unwrap().peak_bytes.unwrap();
            println!("{name} on {n_workers}: measured {measured}, predicted {predicted}");
            assert!(
                measured <= predicted && predicted <= 2 * measured,
                "{name} on {n_workers}: {measured} of {predicted}"
            );
        }
    }
}

/// The most that values in memory, and what is set aside for tasks that run, take together.
fn peak_of(world: &World, array: &Array) -> u64 {
    let mut builder = GraphBuilder::new();
    lower(std::slice::from_ref(array), &mut builder).unwrap();
    let graph = Arc::new(cull(builder.build().unwrap()));
    let run = world.executor.submit(graph, Default::default()).unwrap();
    run.wait_finished(None).unwrap().unwrap();
    world.executor.memory().peak_bytes
}

#[test]
fn what_cannot_fit_is_refused_and_the_executor_lives_on() {
    let world = world(2, 8 << 20);
    let whole = RandomGenerator::new(9).random(&[2000, 1000], [2000, 1000]).unwrap();
    let error = try_compute(&world.executor, &(&whole + 1)).unwrap_err();
    assert!(matches!(error.downcast_ref::<RunError>(), Some(RunError::MemoryLimit { .. })), "{error}");
    let small = whole.rechunk([100, 1000]).unwrap().sum(&Reduce::all()).unwrap();
    assert!(try_compute(&world.executor, &small).is_ok());
    drop(world.runtime);
}
