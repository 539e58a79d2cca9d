//! How many values are alive at once when one worker follows the order.

use std::collections::{BTreeSet, HashMap};

use proptest::prelude::*;

use super::*;
use crate::testing::{Mix, any_graph};
use crate::{AxisMap, BlockAxis, GraphBuilder, Grid, Op, PartitionSet, Stage, Table, cull};

fn mix() -> Arc<dyn Op> {
    Arc::new(Mix::default())
}

/// Runs `graph` on one worker that always takes the ready task with the smallest number. Gives the tasks in the order in
/// which they ran and the largest number of values that were alive after a task.
fn run(graph: TaskGraph) -> (Vec<TaskId>, usize) {
    let graph = Arc::new(cull(graph));
    let order = Order::new(&graph);
    let mut n_missing: HashMap<TaskId, u32> = HashMap::new();
    let mut ready: BTreeSet<(u64, TaskId)> = BTreeSet::new();
    for (id, stage) in graph.stages() {
        for task in stage.active.iter().map(|p| TaskId::new(id, p)) {
            n_missing.insert(task, graph.n_inputs(task));
            if graph.n_inputs(task) == 0 {
                ready.insert((order.of(task), task));
            }
        }
    }
    let mut n_reads: HashMap<TaskId, u32> = HashMap::new();
    let mut alive: BTreeSet<TaskId> = BTreeSet::new();
    let (mut ran, mut peak) = (Vec::new(), 0);
    while let Some((_, task)) = ready.pop_first() {
        ran.push(task);
        alive.insert(task);
        n_reads.insert(task, graph.n_consumers(task));
        peak = peak.max(alive.len());
        graph.for_each_input(task, |_, upstream| {
            let n = n_reads.get_mut(&upstream).unwrap();
            *n -= 1;
            if *n == 0 && !graph.kept(upstream.stage).contains(upstream.partition) {
                alive.remove(&upstream);
            }
        });
        graph.for_each_consumer(task, |_, reader| {
            let n = n_missing.get_mut(&reader).unwrap();
            *n -= 1;
            if *n == 0 {
                ready.insert((order.of(reader), reader));
            }
        });
    }
    assert_eq!(ran.len() as u64, graph.n_tasks(), "every task runs");
    (ran, peak)
}

fn tree(builder: &mut GraphBuilder, name: &str, mut stage: StageId, mut n: u32, fan_in: u32) -> StageId {
    while n > 1 {
        let n_down = Wiring::tree_n_tasks(n, fan_in);
        let key = builder.unique_key(name);
        stage = builder.add_stage(Stage::new(key, n_down, mix()).input(stage, Wiring::Tree { fan_in })).unwrap();
        n = n_down;
    }
    stage
}

fn blocks(up: &[u32], down: &[u32], axes: impl IntoIterator<Item = BlockAxis>) -> Wiring {
    Wiring::Blocks(Arc::new(Blocks::new(Grid::new(up).unwrap(), Grid::new(down).unwrap(), axes).unwrap()))
}

fn from(axis: usize, map: AxisMap) -> BlockAxis {
    BlockAxis::From { axis, map }
}

fn finish(mut builder: GraphBuilder, output: StageId) -> TaskGraph {
    builder.add_output_all(output).unwrap();
    builder.build().unwrap()
}

#[test]
fn a_tree_holds_one_path() {
    let mut builder = GraphBuilder::new();
    let source = builder.add_stage(Stage::new("x", 1000, mix())).unwrap();
    let root = tree(&mut builder, "sum", source, 1000, 4);
    let (_, peak) = run(finish(builder, root));
    // Five levels, of each at most three that wait for the fourth, and the one that was just made.
    assert!(peak <= 5 * 3 + 2, "{peak}");
}

#[test]
fn two_trees_are_finished_one_after_the_other() {
    let mut builder = GraphBuilder::new();
    let x = builder.add_stage(Stage::new("x", 256, mix())).unwrap();
    let y = builder.add_stage(Stage::new("y", 256, mix())).unwrap();
    let x_sum = tree(&mut builder, "x-sum", x, 256, 4);
    let y_sum = tree(&mut builder, "y-sum", y, 256, 4);
    let both = Stage::new("both", 1, mix()).input(x_sum, Wiring::Same).input(y_sum, Wiring::Same);
    let both = builder.add_stage(both).unwrap();
    let (ran, peak) = run(finish(builder, both));
    assert!(peak <= 4 * 3 + 3, "{peak}");
    let last_x = ran.iter().rposition(|task| task.stage == x_sum).unwrap();
    assert!(ran[..last_x].iter().all(|task| task.stage != y));
}

#[test]
fn a_sum_over_the_first_axis_goes_down_the_columns() {
    // 60 x 50 blocks; six rows at a time are added up in each column.
    let mut builder = GraphBuilder::new();
    let x = builder.add_stage(Stage::new("x", 3000, mix())).unwrap();
    let wiring = blocks(&[60, 50], &[10, 50], [from(0, AxisMap::Group { size: 6 }), BlockAxis::same(1)]);
    let part = builder.add_stage(Stage::new("part", 500, mix()).input(x, wiring)).unwrap();
    let wiring = blocks(&[10, 50], &[1, 50], [from(0, AxisMap::Group { size: 10 }), BlockAxis::same(1)]);
    let sum = builder.add_stage(Stage::new("sum", 50, mix()).input(part, wiring)).unwrap();
    let root = builder.add_stage(Stage::new("root", 1, mix()).input(sum, Wiring::All)).unwrap();
    let (_, peak) = run(finish(builder, root));
    // 50 results, and one column: 10 parts and the 6 blocks of one more. Rows first would hold 50 columns.
    assert!(peak <= 50 + 10 + 6, "{peak}");
}

#[test]
fn elementwise_work_on_two_sources_goes_side_by_side() {
    let mut builder = GraphBuilder::new();
    let x = builder.add_stage(Stage::new("x", 100, mix())).unwrap();
    let y = builder.add_stage(Stage::new("y", 100, mix())).unwrap();
    let sum = Stage::new("sum", 100, mix()).input(x, Wiring::Same).input(y, Wiring::Same);
    let sum = builder.add_stage(sum).unwrap();
    let root = tree(&mut builder, "root", sum, 100, 10);
    let (_, peak) = run(finish(builder, root));
    assert!(peak <= 2 * 9 + 3, "{peak}");
}

#[test]
fn the_parts_of_a_concatenation_follow_each_other() {
    let mut builder = GraphBuilder::new();
    let x = builder.add_stage(Stage::new("x", 100, mix())).unwrap();
    let y = builder.add_stage(Stage::new("y", 300, mix())).unwrap();
    let part = |n, offset| blocks(&[n], &[400], [from(0, AxisMap::Affine { offset, step: 1 })]);
    let both = Stage::new("both", 400, mix()).input(x, part(100, 0)).input(y, part(300, -100));
    let both = builder.add_stage(both).unwrap();
    let root = tree(&mut builder, "root", both, 400, 20);
    let (_, peak) = run(finish(builder, root));
    assert!(peak <= 2 * 19 + 4, "{peak}");
}

#[test]
fn a_slice_of_a_large_stage_is_used_as_it_is_made() {
    let mut builder = GraphBuilder::new();
    let x = builder.add_stage(Stage::new("x", 10_000, mix())).unwrap();
    let map = AxisMap::Elements { offset: 5000, len: 1000, up_size: 1, down_size: 10 };
    let slice = Stage::new("slice", 100, mix()).input(x, blocks(&[10_000], &[100], [from(0, map)]));
    let slice = builder.add_stage(slice).unwrap();
    let root = tree(&mut builder, "root", slice, 100, 10);
    let (_, peak) = run(finish(builder, root));
    assert!(peak <= 2 * 9 + 11, "{peak}");
}

#[test]
fn a_matrix_product_keeps_one_row_and_the_second_operand() {
    let mut builder = GraphBuilder::new();
    let n = 20;
    let a = builder.add_stage(Stage::new("a", n * n, mix())).unwrap();
    let b = builder.add_stage(Stage::new("b", n * n, mix())).unwrap();
    let grid = [n, n];
    let product = Stage::new("product", n * n, mix())
        .input(a, blocks(&grid, &grid, [BlockAxis::same(0), BlockAxis::All]))
        .input(b, blocks(&grid, &grid, [BlockAxis::All, BlockAxis::same(1)]));
    let product = builder.add_stage(product).unwrap();
    let root = tree(&mut builder, "root", product, n * n, 20);
    let (_, peak) = run(finish(builder, root));
    assert!(peak <= (n * n + 2 * n + 2 * 19 + 4) as usize, "{peak}");
}

#[test]
fn a_mean_is_finished_before_it_is_taken_off() {
    let mut builder = GraphBuilder::new();
    let x = builder.add_stage(Stage::new("x", 64, mix())).unwrap();
    let mean = tree(&mut builder, "mean", x, 64, 4);
    let rest = Stage::new("rest", 64, mix()).input(x, Wiring::Same).input(mean, Wiring::Broadcast { partition: 0 });
    let rest = builder.add_stage(rest).unwrap();
    let graph = Arc::new(finish(builder, rest));
    let order = Order::new(&graph);
    assert!(order.phase(x) == order.phase(mean) && order.phase(mean) < order.phase(rest));
    assert_eq!(run((*graph).clone()).0.len(), 64 + 16 + 4 + 1 + 64);
}

#[test]
fn a_table_is_followed_by_number() {
    let mut builder = GraphBuilder::new();
    let own = builder.next_id();
    let lists = (0..100_u32).map(|p| if p % 3 == 2 { vec![p - 2, p - 1] } else { vec![] });
    let table = Wiring::Table(Arc::new(Table::new(100, lists).unwrap()));
    let stage = builder.add_stage(Stage::new("raw", 100, mix()).input(own, table)).unwrap();
    builder.add_output(stage, PartitionSet::one(98)).unwrap();
    let (ran, _) = run(builder.build().unwrap());
    assert_eq!(ran.iter().map(|task| task.partition).collect::<Vec<_>>(), [96, 97, 98]);
}

#[test]
fn a_long_chain_of_barriers_is_planned_in_no_time() {
    let mut builder = GraphBuilder::new();
    let mut x = builder.add_stage(Stage::new("x", 10, mix())).unwrap();
    for _ in 0..5000 {
        let key = builder.unique_key("mean");
        let mean = builder.add_stage(Stage::new(key, 1, mix()).input(x, Wiring::All)).unwrap();
        let key = builder.unique_key("rest");
        let rest = Stage::new(key, 10, mix()).input(x, Wiring::Same).input(mean, Wiring::Broadcast { partition: 0 });
        x = builder.add_stage(rest).unwrap();
    }
    let graph = Arc::new(finish(builder, x));
    let start = std::time::Instant::now();
    let order = Order::new(&graph);
    assert!(start.elapsed().as_millis() < 500, "{:?}", start.elapsed());
    assert!(order.phase(StageId(1)) < order.phase(StageId(9001)));
}

proptest! {
    #[test]
    fn any_graph_runs_to_its_end(graph in any_graph()) {
        run(graph);
    }
}
