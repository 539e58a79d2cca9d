//! Graphs that are started and cancelled at random, for as long as one likes: whether memory, files and threads come back, and
//! how soon.
//!
//! `cargo run --release -p dolmen-scheduler --example soak -- [graphs] [cancels] [seed]`; by default 10,000 graphs and 1,000
//! cancels. It panics if anything does not come back within ten seconds. The same in a short form is among the tests.

#![allow(clippy::print_stdout, reason = "the program reports to people")]
#![allow(clippy::unwrap_used, reason = "it shares its parts with tests")]
#![allow(dead_code, reason = "other tests use the rest of the parts")]

#[cfg(target_os = "linux")]
#[path = "../tests/local/cancel.rs"]
mod cancel;
#[cfg(target_os = "linux")]
#[path = "../tests/executors/programs.rs"]
mod programs;
#[cfg(target_os = "linux")]
#[path = "../tests/local/soak.rs"]
mod soak;
#[cfg(target_os = "linux")]
#[path = "../tests/local/world.rs"]
mod world;

#[cfg(target_os = "linux")]
fn main() {
    let args: Vec<u64> = std::env::args().skip(1).map(|text| text.parse().expect("a number")).collect();
    let arg = |idx: usize, default| args.get(idx).copied().unwrap_or(default);
    let (n_graphs, n_cancels) = (arg(0, 10_000) as u32, arg(1, 1000) as u32);
    // Panics of tasks are part of it.
    std::panic::set_hook(Box::new(|info| {
        if !std::thread::current().name().is_some_and(|name| name.starts_with("dolmen-")) {
            eprintln!("{info}");
        }
    }));
    println!("{n_graphs} graphs that come and go");
    let back = soak::soak(n_graphs, arg(2, 1), |n| {
        if n % 1000 == 0 {
            println!("{n:>8}, {} MB resident", resident_bytes() >> 20);
        }
    });
    println!("memory, files and threads are back: {back}");
    println!("{n_cancels} cancels at random moments");
    println!("{}", cancel::cancels(n_cancels, arg(2, 1)));
}

#[cfg(target_os = "linux")]
fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next()?.parse().ok());
    line.unwrap_or(0_u64) * 1024
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("threads and files are counted on Linux only");
}
