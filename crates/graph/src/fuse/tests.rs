//! What is joined, what is not, and that results stay.

use proptest::prelude::*;

use super::*;
use crate::testing::{Mix, any_graph, values};
use crate::{GraphBuilder, Op, PartitionSet, TaskOptions, Wiring, cull};

fn mix(salt: u64) -> Arc<dyn Op> {
    Arc::new(Mix { salt, ..Mix::default() })
}

fn stage(key: &str, n_tasks: u32) -> Stage {
    Stage::new(key, n_tasks, mix(key.len() as u64)).bytes(ByteEstimate::Exact(100))
}

fn keys(graph: &TaskGraph) -> Vec<&str> {
    graph.stages().map(|(_, stage)| &*stage.key).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn culled_and_fused_graphs_give_the_same_values(graph in any_graph(), wide_tasks_min in 0_u32..20) {
        let expected = values(&graph);
        let culled = cull(graph.clone());
        crate::cull::check_active(&culled).unwrap();
        prop_assert_eq!(&values(&culled), &expected);
        prop_assert!(culled.n_tasks() <= graph.n_tasks());
        let fused = fuse(culled.clone(), FuseOptions { wide_tasks_min });
        crate::cull::check_active(&fused).unwrap();
        prop_assert_eq!(&values(&fused), &expected);
        prop_assert!(fused.n_stages() <= culled.n_stages());
        // Nothing is left to do.
        prop_assert_eq!(cull(culled.clone()).n_tasks(), culled.n_tasks());
    }
}

#[test]
fn a_chain_becomes_one_stage() {
    let mut builder = GraphBuilder::new();
    let a = builder.add_stage(stage("a", 3)).unwrap();
    let b = builder.add_stage(stage("b", 3).input(a, Wiring::Same).scratch(ByteEstimate::Exact(7))).unwrap();
    let c = builder.add_stage(stage("c", 3).input(b, Wiring::Same)).unwrap();
    let d = builder.add_stage(stage("d", 1).input(c, Wiring::All)).unwrap();
    builder.add_output_all(d).unwrap();
    let graph = builder.build().unwrap();
    let fused = fuse(graph.clone(), FuseOptions::default());
    assert_eq!(keys(&fused), ["c", "d"]);
    let stage = fused.stage(StageId(0));
    assert_eq!(stage.op.label(0), "mix > mix > mix");
    assert_eq!(stage.op.steps().len(), 3);
    // While b runs, the results of a and b are there and b's own scratch.
    assert_eq!(stage.scratch, ByteEstimate::AtMost(207));
    assert_eq!(stage.bytes, ByteEstimate::Exact(100));
    assert_eq!(values(&fused), values(&graph));
}

/// Two sources that are added, then a mean that is taken off: `y = a + b; y - mean(z)`.
fn branches(n: u32) -> TaskGraph {
    let mut builder = GraphBuilder::new();
    let a = builder.add_stage(stage("a", n)).unwrap();
    let b = builder.add_stage(stage("b", n)).unwrap();
    let sum = builder.add_stage(stage("sum", n).input(a, Wiring::Same).input(b, Wiring::Same)).unwrap();
    let mean = builder.add_stage(stage("mean", 1)).unwrap();
    let mean = Stage::new("rest", n, mix(4)).input(sum, Wiring::Same).input(mean, Wiring::Broadcast { partition: 0 });
    let rest = builder.add_stage(mean).unwrap();
    builder.add_output_all(rest).unwrap();
    builder.build().unwrap()
}

#[test]
fn branches_are_joined_where_there_are_many_tasks() {
    assert_eq!(keys(&fuse(branches(100), FuseOptions::default())), ["mean", "rest"]);
    assert_eq!(keys(&fuse(branches(10), FuseOptions::default())), ["a", "b", "sum", "mean", "rest"]);
}

#[test]
fn a_branch_that_would_hold_its_inputs_stays_apart() {
    let mut builder = GraphBuilder::new();
    let a = builder.add_stage(stage("a", 1000)).unwrap();
    let part = builder.add_stage(stage("part", 100).input(a, Wiring::Tree { fan_in: 10 })).unwrap();
    let mean = builder.add_stage(stage("mean", 1).input(part, Wiring::All)).unwrap();
    let small = stage("small", 100).input(part, Wiring::Same);
    let small = builder.add_stage(small).unwrap();
    let rest = stage("rest", 100).input(small, Wiring::Same).input(mean, Wiring::Broadcast { partition: 0 });
    let rest = builder.add_stage(rest).unwrap();
    builder.add_output_all(rest).unwrap();
    let fused = fuse(builder.build().unwrap(), FuseOptions::default());
    assert_eq!(keys(&fused), ["a", "part", "mean", "small", "rest"]);
}

#[test]
fn a_diamond_joins_and_shares_what_it_reads() {
    let mut builder = GraphBuilder::new();
    let x = builder.add_stage(stage("x", 100)).unwrap();
    let y = builder.add_stage(stage("y", 100).input(x, Wiring::Same)).unwrap();
    let left = builder.add_stage(stage("left", 100).input(y, Wiring::Same)).unwrap();
    let right = builder.add_stage(stage("right", 100).input(y, Wiring::Same).input(x, Wiring::Same)).unwrap();
    let both = stage("both", 100).input(left, Wiring::Same).input(right, Wiring::Same);
    let both = builder.add_stage(both).unwrap();
    builder.add_output_all(both).unwrap();
    builder.add_output(x, PartitionSet::one(3)).unwrap();
    let graph = builder.build().unwrap();
    let fused = fuse(graph.clone(), FuseOptions::default());
    // x is asked for and stays; y is read by two members of the same group.
    assert_eq!(keys(&fused), ["x", "both"]);
    assert_eq!(fused.stage(StageId(1)).inputs.len(), 1);
    assert_eq!(values(&fused), values(&graph));
}

#[test]
fn other_options_keep_stages_apart() {
    let chain = |options: TaskOptions| {
        let mut builder = GraphBuilder::new();
        let a = builder.add_stage(stage("a", 3).options(options)).unwrap();
        let b = builder.add_stage(stage("b", 3).input(a, Wiring::Same)).unwrap();
        builder.add_output_all(b).unwrap();
        fuse(builder.build().unwrap(), FuseOptions::default()).n_stages()
    };
    assert_eq!(chain(TaskOptions::default()), 1);
    assert_eq!(chain(TaskOptions { retries: 1, ..TaskOptions::default() }), 2);
    assert_eq!(chain(TaskOptions { is_gang: true, ..TaskOptions::default() }), 2);
}
