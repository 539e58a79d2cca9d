//! Builds and lowers delayed programs of a million calls, and prints what one call costs.
//!
//! Run it with `cargo run --release -p dolmen-graph --example delayed_cost`.

#![allow(clippy::print_stdout, reason = "a program that prints")]

use std::error::Error;
use std::time::Instant;

use dolmen_graph::{Delayed, Order, delayed, lower_delayed};

/// Builds, lowers and drops the values that `build` makes, and prints the time and memory of one call.
fn measure(name: &str, build: impl Fn() -> Delayed<u64>) -> Result<(), Box<dyn Error>> {
    let start = Instant::now();
    let value = build();
    let built = start.elapsed();
    let start = Instant::now();
    let lowered = lower_delayed(&value)?;
    let order = Order::new(lowered.graph());
    let lowering = start.elapsed();
    let n = lowered.graph().n_tasks() as f64;
    let start = Instant::now();
    drop((value, lowered, order));
    let dropped = start.elapsed();

    let mut kept = None;
    let of_calls = allocation_counter::measure(|| kept = Some(build()));
    let mut graph = None;
    let of_graph = allocation_counter::measure(|| graph = kept.as_ref().map(lower_delayed));
    let ns = |elapsed: std::time::Duration| elapsed.as_nanos() as f64 / n;
    println!(
        "{name:24} {n:9} tasks: built in {:4.0} ns, lowered in {:4.0} ns, dropped in {:4.0} ns a task; \
         {:4.0} bytes a call, {:4.0} a task of the graph",
        ns(built),
        ns(lowering),
        ns(dropped),
        of_calls.bytes_current as f64 / n,
        of_graph.bytes_current as f64 / n,
    );
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let inc = delayed(|x: u64| x + 1).named("inc");
    let add = delayed(|x: u64, y: u64| x + y).named("add");
    let total = delayed(|numbers: Vec<u64>| numbers.iter().sum::<u64>()).named("total");
    for n in [100_000, 1_000_000] {
        measure("fan-in", || total.call((0..n).map(|x| inc.call(x)).collect::<Vec<_>>()))?;
    }
    measure("chain", || (1..1_000_000).fold(inc.call(0), |x, _| inc.call(x)))?;
    measure("binary tree", || {
        let mut level: Vec<Delayed<u64>> = (0..1 << 19).map(|x| inc.call(x)).collect();
        while level.len() > 1 {
            level = level.chunks(2).map(|pair| add.call((&pair[0], &pair[1]))).collect();
        }
        level.remove(0)
    })
}
