//! Planning takes time and memory for nodes, not for blocks.

#![allow(clippy::unwrap_used, reason = "a failed expectation is how a test reports, in its helpers as well")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use dolmen_array::{Array, Reduce, lower};
use dolmen_graph::{FuseOptions, GraphBuilder, TaskGraph, cull, fuse};
use dolmen_kernels::DType;

fn plan() -> Arc<TaskGraph> {
    let ones = Array::ones(&[1_000_000, 1000], DType::F64, [1, 1000]).unwrap();
    let total = (ones + 1).sum(&Reduce::all()).unwrap();
    let mut builder = GraphBuilder::new();
    lower(&[total], &mut builder).unwrap();
    Arc::new(fuse(cull(builder.build().unwrap()), FuseOptions::default()))
}

#[test]
fn a_sum_over_a_million_chunks_is_planned_at_once() {
    let begun = Instant::now();
    let mut graph = None;
    let info = allocation_counter::measure(|| graph = Some(plan()));
    let took = begun.elapsed();
    let graph = graph.unwrap();
    println!("{} tasks, {} stages in {took:?}, {} bytes", graph.n_tasks(), graph.n_stages(), info.bytes_total);
    assert!(graph.n_tasks() >= 1_000_000 && graph.n_stages() < 10, "{} tasks", graph.n_tasks());
    assert!(info.bytes_total < 1 << 20, "{} bytes", info.bytes_total);
    // An unoptimised build on a busy machine; a release build takes less than a millisecond.
    assert!(took < Duration::from_millis(200), "{took:?}");
}

#[test]
fn a_slice_of_a_million_chunks_is_planned_at_once_too() {
    let ones = Array::ones(&[1_000_000_000], DType::F64, 1000).unwrap();
    let part = (ones + 1).index(&[(500..999_999_500).into()]).unwrap();
    let info = allocation_counter::measure(|| {
        let mut builder = GraphBuilder::new();
        lower(std::slice::from_ref(&part), &mut builder).unwrap();
        assert_eq!(cull(builder.build().unwrap()).n_tasks(), 1_000_000);
    });
    assert!(info.bytes_total < 1 << 20, "{} bytes", info.bytes_total);
}
