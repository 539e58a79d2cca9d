//! Draws a delayed program, task by task. Prints text; with `dot` or `svg` as its argument, that.
//!
//! Run it with `cargo run -p dolmen-graph --example pictures -- svg > graph.svg`.

#![allow(clippy::print_stdout, reason = "a program that prints")]

use dolmen_graph::{InlineExecutor, delayed, visualize};

fn inc(x: i64) -> i64 {
    x + 1
}

fn add(x: i64, y: i64) -> i64 {
    x + y
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut level: Vec<_> = (1..=8).map(|n| delayed(inc).call(n)).collect();
    while level.len() > 1 {
        level = level.chunks(2).map(|pair| delayed(add).call((&pair[0], &pair[1]))).collect();
    }
    let total = level.remove(0);
    let mean = delayed(|total: i64, n: i64| total as f64 / n as f64).named("mean").call((&total, 8));
    let picture = visualize((&total, &mean))?;
    match std::env::args().nth(1).as_deref() {
        Some("dot") => print!("{}", picture.to_dot()),
        Some("svg") => print!("{}", picture.to_svg()),
        _ => {
            print!("{}", picture.to_text());
            println!("= {:?}", dolmen_graph::compute(&InlineExecutor::new(), (total, mean))?);
        }
    }
    Ok(())
}
