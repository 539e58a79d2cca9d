//! How long the decision core takes for a task: one thread, one worker, no grouping, values of no content.
//!
//! `cargo run --release -p dolmen-scheduler --example core_speed` prints the CPU time of the process by max(tasks, edges), for
//! graphs of a million tasks or as many as the argument says.

#![allow(clippy::print_stdout, reason = "the program reports to people")]

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use cpu_time::ProcessTime;
use dolmen_graph::testing::Mix;
use dolmen_graph::{ByteEstimate, GraphBuilder, PartitionSet, Stage, Table, TaskGraph, Wiring};
use dolmen_scheduler::{Core, CoreConfig, CoreEvent, Grouping, Instruction, Outcome, Submission};

fn stage(key: impl fmt::Display, n_tasks: u32) -> Stage {
    Stage::new(key.to_string(), n_tasks, Arc::new(Mix::default())).bytes(ByteEstimate::Exact(8))
}

fn build(fill: impl FnOnce(&mut GraphBuilder)) -> Arc<TaskGraph> {
    let mut builder = GraphBuilder::new();
    fill(&mut builder);
    Arc::new(builder.build().expect("a graph of this program"))
}

fn independent(n: u32) -> Arc<TaskGraph> {
    build(|b| {
        let id = b.add_stage(stage("task", n)).expect("a stage");
        b.add_output(id, PartitionSet::one(n - 1)).expect("an output");
    })
}

/// A chain in which each task reads the one before it, as one stage.
fn chain(n: u32) -> Arc<TaskGraph> {
    build(|b| {
        let before = (0..n).map(|p| p.checked_sub(1));
        let table = Table::new(n, before).expect("a table");
        let id = b.next_id();
        b.add_stage(stage("link", n).input(id, Wiring::Table(Arc::new(table)))).expect("a stage");
        b.add_output(id, PartitionSet::one(n - 1)).expect("an output");
    })
}

/// Chains of 1000 stages side by side.
fn chains(n: u32) -> Arc<TaskGraph> {
    let width = (n / 1000).max(1);
    build(|b| {
        let mut last = b.add_stage(stage("s0", width)).expect("a stage");
        for depth in 1..1000 {
            last = b.add_stage(stage(format!("s{depth}"), width).input(last, Wiring::Same)).expect("a stage");
        }
        b.add_output_all(last).expect("an output");
    })
}

fn tree(n: u32) -> Arc<TaskGraph> {
    build(|b| {
        let mut width = (n / 2).max(1);
        let mut last = b.add_stage(stage("leaf", width)).expect("a stage");
        while width > 1 {
            width = Wiring::tree_n_tasks(width, 2);
            last = b
                .add_stage(stage(format!("by {width}"), width).input(last, Wiring::Tree { fan_in: 2 }))
                .expect("a stage");
        }
        b.add_output_all(last).expect("an output");
    })
}

fn all_to_all(n: u32) -> Arc<TaskGraph> {
    let width = n.isqrt();
    build(|b| {
        let first = b.add_stage(stage("map", width)).expect("a stage");
        let second = b.add_stage(stage("reduce", width).input(first, Wiring::All)).expect("a stage");
        b.add_output_all(second).expect("an output");
    })
}

/// The CPU time of this process.
fn cpu_ns() -> u64 {
    u64::try_from(ProcessTime::now().as_duration().as_nanos()).unwrap_or(u64::MAX)
}

fn run(name: &str, graph: &Arc<TaskGraph>, limit_bytes: u64) {
    let n_tasks = graph.n_tasks();
    let mut n_edges = 0_u64;
    for (id, stage) in graph.stages() {
        n_edges +=
            stage.active.iter().map(|p| u64::from(graph.n_inputs(dolmen_graph::TaskId::new(id, p)))).sum::<u64>();
    }
    let (start, cpu_start) = (Instant::now(), cpu_ns());
    let config = CoreConfig { grouping: Grouping::Off, memory_limit_bytes: limit_bytes, ..CoreConfig::default() };
    let mut core = Core::new(config);
    let mut out = Vec::new();
    core.handle(CoreEvent::WorkerJoined { worker: 0 }, 0, &mut out);
    core.submit(Submission { graph: Arc::clone(graph), priority: 0, parent: None }, 0, &mut out);
    let mut outcome = None;
    let mut next = Vec::new();
    while outcome.is_none() {
        for instruction in out.drain(..) {
            match instruction {
                Instruction::Run { worker, ticket, partitions, .. } => next.push((worker, ticket, partitions.start)),
                Instruction::RunEnded { outcome: ended, .. } => outcome = Some(ended),
                _ => {}
            }
        }
        for (worker, ticket, partition) in next.drain(..) {
            core.handle(CoreEvent::Finished { worker, ticket, partition, size_bytes: 8, elapsed_ns: 1 }, 1, &mut out);
        }
    }
    assert!(matches!(outcome, Some(Outcome::Finished)), "{outcome:?}");
    let (wall, cpu) = (start.elapsed(), cpu_ns() - cpu_start);
    let per = n_tasks.max(n_edges);
    println!(
        "{name:<28} {n_tasks:>8} tasks {n_edges:>8} edges {:>7.1} ms CPU {:>7.1} ms wall {:>8.3} us each",
        cpu as f64 / 1e6,
        wall.as_secs_f64() * 1e3,
        cpu as f64 / 1e3 / per as f64
    );
}

fn main() {
    let n = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(1_000_000);
    for limit_bytes in [u64::MAX, 1 << 34] {
        println!("memory limit {limit_bytes}");
        run("independent", &independent(n), limit_bytes);
        run("chain in one stage", &chain(n), limit_bytes);
        run("chains of 1000 stages", &chains(n), limit_bytes);
        run("binary tree", &tree(n), limit_bytes);
        run("all to all", &all_to_all(n), limit_bytes);
    }
}
