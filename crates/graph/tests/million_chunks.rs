//! A graph over a million chunks is planned without memory for single tasks.

#![allow(clippy::unwrap_used, reason = "a failed expectation is how a test reports")]

use std::sync::Arc;

use dolmen_graph::testing::Mix;
use dolmen_graph::{
    BlockAxis, Blocks, ByteEstimate, FuseOptions, GraphBuilder, Grid, Order, PartitionSet, Stage, StageId, TaskGraph,
    TaskId, Wiring, cull, fuse,
};

fn stage(key: &str, n: u32) -> Stage {
    Stage::new(key, n, Arc::new(Mix::default())).bytes(ByteEstimate::Exact(8))
}

/// `(ones + 1).sum()` with a tree of fan-in 8, of which the first `n_wanted` results of the first level are asked for, or
/// the root.
fn build(n_chunks: u32, n_wanted: Option<u32>) -> TaskGraph {
    let mut builder = GraphBuilder::new();
    let ones = builder.add_stage(stage("ones", n_chunks)).unwrap();
    let add = builder.add_stage(stage("add", n_chunks).input(ones, Wiring::Same)).unwrap();
    let sum = builder.add_stage(stage("sum", n_chunks).input(add, Wiring::Same)).unwrap();
    let (mut last, mut n) = (sum, n_chunks);
    while n > 1 {
        let n_down = Wiring::tree_n_tasks(n, 8);
        let key = builder.unique_key("tree");
        let level = stage(&key, n_down).input(last, Wiring::Tree { fan_in: 8 });
        (last, n) = (builder.add_stage(level).unwrap(), n_down);
    }
    match n_wanted {
        None => builder.add_output_all(last).unwrap(),
        Some(n_wanted) => builder.add_output(StageId(3), PartitionSet::range(0..n_wanted)).unwrap(),
    }
    builder.build().unwrap()
}

fn plan(graph: TaskGraph) -> (Arc<TaskGraph>, Order) {
    let graph = Arc::new(fuse(cull(graph), FuseOptions::default()));
    let order = Order::new(&graph);
    (graph, order)
}

#[test]
fn a_million_chunks_are_eight_stages_and_a_few_kilobytes() {
    let (graph, _) = plan(build(1_000_000, None));
    // The three stages over chunks are one, then seven levels of the tree.
    assert_eq!(graph.n_stages(), 8);
    assert_eq!(graph.n_tasks(), 1_000_000 + 125_000 + 15_625 + 1954 + 245 + 31 + 4 + 1);
    let memory = allocation_counter::measure(|| drop(plan(build(1_000_000, None))));
    assert!(memory.bytes_max < 50_000, "{memory:?}");

    // The same number of levels over 300,000 chunks takes the same memory.
    let smaller = allocation_counter::measure(|| drop(plan(build(300_000, None))));
    assert_eq!(memory.bytes_total, smaller.bytes_total);
    assert_eq!(memory.count_total, smaller.count_total);
}

#[test]
fn a_range_of_a_million_chunks_is_culled_without_memory_for_tasks() {
    let (graph, _) = plan(build(1_000_000, Some(1000)));
    assert_eq!((graph.n_stages(), graph.n_tasks()), (8, 9000));
    let memory = allocation_counter::measure(|| drop(plan(build(1_000_000, Some(1000)))));
    assert!(memory.bytes_max < 50_000, "{memory:?}");
}

#[test]
fn asking_a_graph_allocates_nothing() {
    let mut builder = GraphBuilder::new();
    let grid = || Grid::new(&[100, 100]).unwrap();
    let x = builder.add_stage(stage("x", 10_000)).unwrap();
    let swapped = Blocks::new(grid(), grid(), [BlockAxis::same(1), BlockAxis::same(0)]).unwrap();
    let row = Blocks::new(grid(), grid(), [BlockAxis::same(0), BlockAxis::All]).unwrap();
    let y = stage("y", 10_000)
        .input(x, Wiring::Blocks(Arc::new(swapped)))
        .input(x, Wiring::Blocks(Arc::new(row)))
        .input(x, Wiring::Same);
    let y = builder.add_stage(y).unwrap();
    let sum = builder.add_stage(stage("sum", 100).input(y, Wiring::Tree { fan_in: 100 })).unwrap();
    builder.add_output_all(sum).unwrap();
    let (graph, order) = plan(builder.build().unwrap());
    let mut n_edges = 0_u64;
    let memory = allocation_counter::measure(|| {
        for (id, stage) in graph.stages() {
            for task in stage.active.iter().step_by(7).map(|p| TaskId::new(id, p)) {
                graph.for_each_input(task, |_, _| n_edges += 1);
                graph.for_each_consumer(task, |_, _| n_edges += 1);
                n_edges += u64::from(graph.n_inputs(task) + graph.n_consumers(task)) + order.of(task) % 2;
            }
        }
    });
    assert!(n_edges > 10_000);
    assert_eq!(memory.count_total, 0);
}
