//! One program on different executors: threads, processes, and the calling thread for debugging.
//!
//! Run it with `cargo run -p dolmen-scheduler --example choose_executor -- threads|processes|synchronous`.

#![allow(clippy::print_stdout, reason = "a program that prints")]

use std::sync::Arc;

use dolmen_graph::{Delayed, Executor, OpRegistry, RegisteredFn, RegistryError, compute};
use dolmen_scheduler::process::{ProcessConfig, ProcessExecutor, serve_if_worker};
use dolmen_scheduler::{LocalConfig, LocalExecutor, SyncExecutor};
use tokio::runtime::Runtime;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

type Square = RegisteredFn<fn(u64) -> u64, (u64,), u64>;
type Total = RegisteredFn<fn(Vec<u64>) -> u64, (Vec<u64>,), u64>;

/// Functions that every process of the program has, by name.
struct Functions {
    square: Square,
    total: Total,
}

fn register() -> std::result::Result<(OpRegistry, Functions), RegistryError> {
    let mut registry = OpRegistry::new();
    let functions = Functions {
        square: registry.register_function("square", (|x| x * x) as fn(u64) -> u64)?,
        total: registry.register_function("total", (|all| all.iter().sum()) as fn(Vec<u64>) -> u64)?,
    };
    Ok((registry, functions))
}

/// The program: it does not know where it will run.
fn program(functions: &Functions) -> Delayed<u64> {
    functions.total.call((0..100).map(|x| functions.square.call(x)).collect::<Vec<_>>())
}

fn choose(name: &str, runtime: &Runtime, config: ProcessConfig) -> Result<Arc<dyn Executor>> {
    Ok(match name {
        "synchronous" => Arc::new(SyncExecutor::new()),
        "processes" => Arc::new(runtime.block_on(ProcessExecutor::start(config))?),
        _ => Arc::new(LocalExecutor::new(LocalConfig::new(runtime.handle().clone(), 2))),
    })
}

fn main() -> Result<()> {
    let (registry, functions) = register()?;
    // In a worker process this does not return.
    let registry = Arc::new(registry);
    serve_if_worker(&registry);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let name = std::env::args().nth(1).unwrap_or_else(|| "threads".to_owned());
    let config = ProcessConfig::new(runtime.handle().clone(), 2, registry);
    let executor = choose(&name, &runtime, config)?;
    println!("{}: {}", executor.name(), compute(&*executor, program(&functions))?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The program of a worker; does nothing when it runs among the tests.
    #[test]
    fn worker() {
        serve_if_worker(&Arc::new(register().unwrap().0));
    }

    #[test]
    fn the_program_gives_the_same_everywhere() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        for name in ["threads", "processes", "synchronous"] {
            let (registry, functions) = register().unwrap();
            let args = ["tests::worker", "--exact"].map(Into::into).to_vec();
            let config = ProcessConfig::new(runtime.handle().clone(), 2, Arc::new(registry));
            let config = config.program(std::env::current_exe().unwrap(), args);
            let executor = choose(name, &runtime, config).unwrap();
            assert_eq!(executor.name(), name);
            assert_eq!(compute(&*executor, program(&functions)).unwrap(), 328_350);
        }
    }
}
