//! Random graphs with every wiring.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use dolmen_graph::testing::Mix;
use dolmen_graph::{
    AxisMap, BlockAxis, Blocks, ByteEstimate, ExchangeKind, GraphBuilder, Grid, PartitionSet, Stage, StageId, Table,
    TaskGraph, TaskId, TaskOptions, Wiring, cull,
};

use super::rng::{Rng, mix};

/// The bytes that the simulator gives to the value of a task. They go by the key, which culling does not change.
pub(super) fn size_of(graph: &TaskGraph, task: TaskId) -> u64 {
    let number = graph.stage(task.stage).key.trim_start_matches('s').parse().unwrap();
    size_in(number, task.partition)
}

fn size_in(stage: u32, partition: u32) -> u64 {
    let stage = mix(u64::from(stage) + 77);
    // Most stages make values of one size, some of different sizes, some of none.
    match stage % 6 {
        0 => 0,
        1 | 2 => 20 + mix(stage ^ u64::from(partition)) % 100,
        _ => 40 + stage % 60,
    }
}

pub(super) fn stage(key: impl fmt::Display, n_tasks: u32) -> Stage {
    Stage::new(key.to_string(), n_tasks, Arc::new(Mix::default()))
}

/// A graph of at least `n_tasks_min` tasks, most of which are needed.
pub(super) fn random_graph(rng: &mut Rng, n_tasks_min: u32, is_exact: bool) -> Arc<TaskGraph> {
    loop {
        let graph = cull(any_graph(rng, is_exact));
        if graph.n_tasks() >= n_tasks_min.into() {
            return Arc::new(graph);
        }
    }
}

fn any_graph(rng: &mut Rng, is_exact: bool) -> TaskGraph {
    let mut builder = GraphBuilder::new();
    let mut sizes: Vec<u32> = Vec::new();
    for idx in 0..3 + rng.below(8) {
        let id = StageId(idx);
        let mut stage = random_stage(rng, id, &sizes);
        // A bound that is met everywhere; exact where all partitions are alike.
        let bytes: Vec<u64> = (0..stage.n_tasks).map(|p| size_in(idx, p)).collect();
        let most = bytes.iter().copied().max().unwrap_or(0);
        let is_uniform = bytes.iter().all(|bytes| *bytes == most);
        stage.bytes = match rng.below(3) {
            0 if !is_exact => ByteEstimate::Unknown,
            1 if is_uniform => ByteEstimate::Exact(most),
            _ => ByteEstimate::AtMost(most),
        };
        stage.scratch = ByteEstimate::Exact(if rng.chance(10) { 30 } else { 0 });
        let reads_itself = stage.inputs.iter().any(|input| input.stage == id);
        stage.options = options(rng);
        stage.options.is_gang = !reads_itself && stage.n_tasks <= 9 && rng.chance(10);
        // Memory does not hold them up.
        stage.options.is_light = !is_exact && rng.chance(50);
        if rng.chance(10) && stage.n_tasks > 2 {
            stage.exceptions = Arc::new([(1, options(rng)), (2, options(rng))]);
        }
        sizes.push(stage.n_tasks);
        builder.add_stage(stage).unwrap();
    }
    let last = StageId(u32::try_from(sizes.len() - 1).unwrap());
    builder.add_output_all(last).unwrap();
    for _ in 0..rng.below(4) {
        let stage = rng.idx(sizes.len());
        let partitions: PartitionSet = (0..3).map(|_| rng.below(sizes[stage])).collect();
        builder.add_output(StageId(u32::try_from(stage).unwrap()), partitions).unwrap();
    }
    builder.build().unwrap()
}

fn options(rng: &mut Rng) -> TaskOptions {
    TaskOptions {
        retries: rng.below(4),
        timeout: rng.chance(20).then(|| Duration::from_millis(50)),
        priority: if rng.chance(15) { 1 - i32::try_from(rng.below(3)).unwrap() } else { 0 },
        is_gang: false,
        is_light: false,
    }
}

fn random_stage(rng: &mut Rng, id: StageId, sizes: &[u32]) -> Stage {
    let mut n_tasks = 4 + rng.below(20);
    let mut inputs: Vec<(StageId, Wiring)> = Vec::new();
    if !sizes.is_empty() {
        for position in 0..1 + rng.below(3) {
            // Recent stages more often, so that graphs are deep.
            let back = rng.idx(sizes.len().min(4));
            let up = sizes.len() - 1 - back;
            let n_up = sizes[up];
            let (n, wiring) = random_wiring(rng, n_up, (position > 0).then_some(n_tasks));
            n_tasks = n;
            inputs.push((StageId(u32::try_from(up).unwrap()), wiring));
        }
    }
    if rng.chance(15) {
        let lists: Vec<Vec<u32>> = (0..n_tasks).map(|p| if p == 0 { vec![] } else { vec![rng.below(p)] }).collect();
        inputs.push((id, Wiring::Table(Arc::new(Table::new(n_tasks, lists).unwrap()))));
    }
    inputs.into_iter().fold(stage(format!("s{}", id.0), n_tasks), |stage, (up, wiring)| stage.input(up, wiring))
}

/// A wiring from `n_up` tasks to `n_down`, or to a number that it chooses.
fn random_wiring(rng: &mut Rng, n_up: u32, n_down: Option<u32>) -> (u32, Wiring) {
    let free = n_down.is_none();
    let n = n_down.unwrap_or(2 + rng.below(20));
    match rng.below(9) {
        0 | 1 if free || n == n_up => (n_up, Wiring::Same),
        2 if free => (Wiring::tree_n_tasks(n_up, 3), Wiring::Tree { fan_in: 3 }),
        3 => (n, Wiring::Broadcast { partition: rng.below(n_up) }),
        4 => (n, Wiring::Exchange(ExchangeKind::Hash)),
        5 => (n, Wiring::All),
        6 if n_up.is_multiple_of(2) && (free || n == n_up) => {
            // A transposition.
            let (up, down) = (Grid::new(&[2, n_up / 2]).unwrap(), Grid::new(&[n_up / 2, 2]).unwrap());
            let axes =
                [BlockAxis::From { axis: 1, map: AxisMap::SAME }, BlockAxis::From { axis: 0, map: AxisMap::SAME }];
            (n_up, Wiring::Blocks(Arc::new(Blocks::new(up, down, axes).unwrap())))
        }
        7 if n_up.is_multiple_of(3) && (free || n == n_up / 3) => {
            // A reduction of the last axis.
            let (up, down) = (Grid::new(&[n_up / 3, 3]).unwrap(), Grid::new(&[n_up / 3]).unwrap());
            let axes = [BlockAxis::same(0), BlockAxis::All];
            (n_up / 3, Wiring::Blocks(Arc::new(Blocks::new(up, down, axes).unwrap())))
        }
        _ => {
            let list = |rng: &mut Rng| {
                let list: std::collections::BTreeSet<u32> = (0..rng.below(4)).map(|_| rng.below(n_up)).collect();
                list.into_iter().rev().collect::<Vec<u32>>()
            };
            let lists: Vec<Vec<u32>> = (0..n).map(|_| list(rng)).collect();
            (n, Wiring::Table(Arc::new(Table::new(n_up, lists).unwrap())))
        }
    }
}
