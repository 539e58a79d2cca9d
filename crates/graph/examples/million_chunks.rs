//! Plans `(ones + 1).sum()` over a million chunks and prints what that takes.
//!
//! Run it with `cargo run --release -p dolmen-graph --example million_chunks`.

#![allow(clippy::print_stdout, reason = "a program that prints")]

use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use dolmen_graph::{
    ByteEstimate, EncodeError, FuseOptions, GraphBuilder, GraphError, Op, OpRegistry, Order, Stage, StageId, TaskBody,
    TaskError, TaskGraph, TaskId, Wiring, cull, fuse,
};

/// A named operation; this program only plans.
#[derive(Debug)]
struct Named(&'static str);

impl Op for Named {
    fn name(&self) -> &str {
        self.0
    }

    fn encode(&self, _: &OpRegistry) -> Result<Vec<u8>, EncodeError> {
        Ok(Vec::new())
    }

    fn body(&self, _partition: u32) -> TaskBody {
        TaskBody::sync(|_, _| Err(TaskError::Cancelled))
    }
}

/// Ones, plus one, summed in each chunk, then by a tree.
fn build(n_chunks: u32) -> Result<TaskGraph, GraphError> {
    let mut builder = GraphBuilder::new();
    let stage = |key: &str, n, name| Stage::new(key, n, Arc::new(Named(name)));
    let chunk = ByteEstimate::Exact(8 << 20);
    let ones = builder.add_stage(stage("ones", n_chunks, "ones").bytes(chunk))?;
    let add = builder.add_stage(stage("add", n_chunks, "add").bytes(chunk).input(ones, Wiring::Same))?;
    let sum = stage("sum", n_chunks, "sum").bytes(ByteEstimate::Exact(8)).input(add, Wiring::Same);
    let mut last = builder.add_stage(sum)?;
    let mut n = n_chunks;
    while n > 1 {
        let n_down = Wiring::tree_n_tasks(n, 8);
        let key = builder.unique_key("tree");
        let level = stage(&key, n_down, "sum").bytes(ByteEstimate::Exact(8)).input(last, Wiring::Tree { fan_in: 8 });
        last = builder.add_stage(level)?;
        n = n_down;
    }
    builder.add_output_all(last)?;
    builder.build()
}

fn plan(n_chunks: u32) -> Result<(Arc<TaskGraph>, Order), GraphError> {
    let graph = Arc::new(fuse(cull(build(n_chunks)?), FuseOptions::default()));
    let order = Order::new(&graph);
    Ok((graph, order))
}

fn main() -> Result<(), Box<dyn Error>> {
    const N_CHUNKS: u32 = 1_000_000;
    let mut planned = None;
    let mut elapsed = Vec::new();
    for _ in 0..21 {
        let start = Instant::now();
        planned = Some(plan(N_CHUNKS)?);
        elapsed.push(start.elapsed());
    }
    elapsed.sort_unstable();
    let memory = allocation_counter::measure(|| drop(plan(N_CHUNKS)));
    let (graph, order) = planned.ok_or("nothing was planned")?;
    println!("{} tasks in {} stages", graph.n_tasks(), graph.n_stages());
    println!("built, culled, fused and ordered in {:?} (median of 21, slowest {:?})", elapsed[10], elapsed[20]);
    println!("{} bytes at most, in {} allocations", memory.bytes_max, memory.count_total);

    let start = Instant::now();
    let mut sum = 0_u64;
    for (id, stage) in graph.stages() {
        for partition in stage.active.iter() {
            sum = sum.wrapping_add(order.of(TaskId::new(id, partition)));
        }
    }
    let of_order = start.elapsed();
    let start = Instant::now();
    let mut n_edges = 0_u64;
    for (id, stage) in graph.stages() {
        for partition in stage.active.iter() {
            graph.for_each_consumer(TaskId::new(id, partition), |_, _| n_edges += 1);
        }
    }
    let of_edges = start.elapsed();
    println!("order of every task: {of_order:?} (checksum {sum:x})");
    println!("consumers of every task: {of_edges:?} for {n_edges} edges");
    let last = StageId(graph.n_stages() - 1);
    println!("the root is {}", graph.task_key(TaskId::new(last, 0)));
    Ok(())
}
