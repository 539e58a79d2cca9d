//! What a task costs from `compute()` to its result, on an executor of one thread. Each body returns a number of its own;
//! every result is checked.
//!
//! `cargo run --release -p dolmen-scheduler --example end_to_end` prints, for graphs of about a million tasks or as many as
//! the argument says, the CPU time of the process by max(tasks, edges), building apart, and the most memory the run took.

#![allow(clippy::print_stdout, reason = "the program reports to people")]

use std::error::Error;
use std::fs;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cpu_time::ProcessTime;
use dolmen_graph::{
    ByteEstimate, Delayed, EncodeError, ExchangeKind, Executor, GraphBuilder, Op, OpRegistry, Pieces, Plain, RawGraph,
    Stage, StageId, SubmitOptions, TaskBody, TaskError, TaskGraph, TaskId, TaskInputs, ValueRef, Wiring, delayed, key,
    lower_delayed,
};
use dolmen_scheduler::{LocalConfig, LocalExecutor};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// What the tasks of a stage do.
#[derive(Debug, Clone, Copy)]
enum Work {
    /// Its partition.
    Number,
    /// The sum of what it reads and one.
    Sum,
    /// A piece for each of so many consumers.
    Scatter(u32),
}

impl Op for Work {
    fn name(&self) -> &str {
        "work"
    }

    fn encode(&self, _: &OpRegistry) -> std::result::Result<Vec<u8>, EncodeError> {
        Ok(Vec::new())
    }

    fn body(&self, partition: u32) -> TaskBody {
        match *self {
            Self::Number => TaskBody::sync(move |_, _| Ok(number(partition.into()))),
            Self::Sum => TaskBody::sync(|inputs, _| Ok(number(sum(&inputs)? + 1))),
            Self::Scatter(n) => TaskBody::sync(move |_, _| {
                let pieces = (0..n).map(|p| number(u64::from(partition) * u64::from(n) + u64::from(p)));
                Ok(Arc::new(Pieces::new(pieces.collect())))
            }),
        }
    }
}

fn number(number: u64) -> ValueRef {
    Arc::new(Plain::new(number))
}

fn sum(inputs: &TaskInputs) -> std::result::Result<u64, TaskError> {
    (0..inputs.n_values()).try_fold(0, |sum, position| Ok(sum + inputs.get::<Plain<u64>>(0, position)?.get()))
}

fn stage(key: String, n_tasks: u32, work: Work) -> Stage {
    let size_bytes = size_of::<Plain<u64>>() as u64;
    Stage::new(key, n_tasks, Arc::new(work)).bytes(ByteEstimate::AtMost(size_bytes))
}

/// A graph, the stage whose tasks are its results, and what these are.
struct Program {
    graph: TaskGraph,
    results: StageId,
    expected: Box<dyn Fn(u32) -> u64>,
}

fn independent(n: u32) -> Result<Program> {
    let mut builder = GraphBuilder::new();
    let results = builder.add_stage(stage("number".into(), n, Work::Number))?;
    builder.add_output_all(results)?;
    Ok(Program { graph: builder.build()?, results, expected: Box::new(u64::from) })
}

/// Chains of a hundred stages.
fn chains(n: u32) -> Result<Program> {
    let mut builder = GraphBuilder::new();
    let width = n / 100;
    let mut results = builder.add_stage(stage("number".into(), width, Work::Number))?;
    for depth in 1..100 {
        results = builder.add_stage(stage(format!("plus-{depth}"), width, Work::Sum).input(results, Wiring::Same))?;
    }
    builder.add_output_all(results)?;
    Ok(Program { graph: builder.build()?, results, expected: Box::new(|p| u64::from(p) + 99) })
}

fn tree(n: u32) -> Result<Program> {
    let mut builder = GraphBuilder::new();
    let n_leaves = (n / 2).next_power_of_two();
    let mut width = n_leaves;
    let mut results = builder.add_stage(stage("number".into(), width, Work::Number))?;
    while width > 1 {
        width /= 2;
        let sums = stage(format!("sum-{width}"), width, Work::Sum);
        results = builder.add_stage(sums.input(results, Wiring::Tree { fan_in: 2 }))?;
    }
    builder.add_output_all(results)?;
    let n_leaves = u64::from(n_leaves);
    let total = n_leaves * (n_leaves - 1) / 2 + n_leaves - 1;
    Ok(Program { graph: builder.build()?, results, expected: Box::new(move |_| total) })
}

/// Every task of one stage gives a piece to every task of another.
fn exchange(n: u32) -> Result<Program> {
    let mut builder = GraphBuilder::new();
    let width = n.isqrt();
    let pieces = Stage::new("scatter", width, Arc::new(Work::Scatter(width)));
    let pieces = builder.add_stage(pieces)?;
    let gather = stage("gather".into(), width, Work::Sum).input(pieces, Wiring::Exchange(ExchangeKind::Hash));
    let results = builder.add_stage(gather)?;
    builder.add_output_all(results)?;
    let n = u64::from(width);
    let expected = move |p| n * n * (n - 1) / 2 + n * u64::from(p) + 1;
    Ok(Program { graph: builder.build()?, results, expected: Box::new(expected) })
}

/// The CPU time of this process.
fn cpu() -> Duration {
    ProcessTime::now().as_duration()
}

/// A line of this process's status in bytes.
fn status_bytes(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().nth(1));
    line.and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) * 1024
}

/// Time and memory of one part of a program.
struct Meter {
    cpu: Duration,
    wall: Instant,
    memory_bytes: u64,
}

impl Meter {
    fn start() -> Self {
        // From here on the highest mark of memory is that of this part.
        let _ = fs::write("/proc/self/clear_refs", "5");
        Self { cpu: cpu(), wall: Instant::now(), memory_bytes: status_bytes("VmRSS") }
    }

    fn print(&self, name: &str, part: &str, n_tasks: u64, n_steps: u64) {
        let (cpu, wall) = (cpu() - self.cpu, self.wall.elapsed());
        let memory_bytes = status_bytes("VmHWM").saturating_sub(self.memory_bytes);
        println!(
            "{name:24} {part:6} {n_tasks:>8} tasks {n_steps:>8} steps {:>7.1} ms wall {:>8.3} us CPU each {:>6} bytes a task",
            wall.as_secs_f64() * 1e3,
            cpu.as_secs_f64() * 1e6 / n_steps as f64,
            memory_bytes / n_tasks,
        );
    }
}

/// Tasks or, if there are more, reads of a value by a task.
fn n_steps(graph: &TaskGraph) -> u64 {
    let of_stage = |(id, stage): (StageId, &Stage)| -> u64 {
        stage.active.iter().map(|p| u64::from(graph.n_inputs(TaskId::new(id, p)))).sum()
    };
    graph.stages().map(of_stage).sum::<u64>().max(graph.n_tasks())
}

fn run_staged(name: &str, executor: &LocalExecutor, build: impl FnOnce() -> Result<Program>) -> Result<()> {
    let meter = Meter::start();
    let Program { graph, results, expected } = build()?;
    let graph = Arc::new(graph);
    let (n_tasks, n_steps) = (graph.n_tasks(), n_steps(&graph));
    meter.print(name, "build", n_tasks, n_steps);

    let meter = Meter::start();
    let n_results = graph.stage(results).n_tasks;
    let run = executor.submit(graph, SubmitOptions::default())?;
    let mut values = Vec::with_capacity(n_results as usize);
    for p in 0..n_results {
        values.push(run.wait_value(TaskId::new(results, p), None).ok_or("no timeout was set")??);
    }
    drop(run);
    meter.print(name, "run", n_tasks, n_steps);
    for (p, value) in (0..).zip(&values) {
        let found = value.downcast_ref::<Plain<u64>>().map(Plain::get);
        assert_eq!(found, Some(&expected(p)), "{name}, result {p}");
    }
    Ok(())
}

fn run_delayed(
    name: &str,
    executor: &LocalExecutor,
    expected: u64,
    build: impl FnOnce() -> Delayed<u64>,
) -> Result<()> {
    let meter = Meter::start();
    let value = build();
    let lowered = lower_delayed(&value)?;
    let (n_tasks, n_steps) = (lowered.graph().n_tasks(), n_steps(lowered.graph()));
    drop(lowered);
    meter.print(name, "build", n_tasks, n_steps);
    let meter = Meter::start();
    let found = value.compute(executor)?;
    meter.print(name, "run", n_tasks, n_steps);
    assert_eq!(found, expected, "{name}");
    Ok(())
}

fn run_raw(name: &str, executor: &LocalExecutor, n: u64) -> Result<()> {
    let inc = delayed(|x: u64| x + 1).named("inc");
    let total = delayed(|numbers: Vec<u64>| numbers.iter().sum::<u64>()).named("total");
    let meter = Meter::start();
    let mut graph = RawGraph::new();
    for x in 0..n {
        graph.insert(&x.to_string(), inc.call(x));
    }
    graph.insert("total", total.call((0..n).map(|x| key(&x.to_string())).collect::<Vec<_>>()));
    meter.print(name, "build", n, n);
    let meter = Meter::start();
    let found = graph.get::<u64>("total", executor)?;
    meter.print(name, "run", n, n);
    assert_eq!(found, n * (n + 1) / 2);
    Ok(())
}

/// The programs by name. Each runs in a process of its own, so that its memory can be told from that of the others.
const PROGRAMS: [&str; 10] = [
    "independent",
    "chains of 100 stages",
    "binary tree",
    "exchange",
    "delayed fan-in 100k",
    "delayed fan-in",
    "delayed chain",
    "delayed binary tree",
    "raw fan-in 100k",
    "raw fan-in",
];

fn run_program(name: &str, n: u32) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build()?;
    let executor = LocalExecutor::new(LocalConfig::new(runtime.handle().clone(), 1));
    let inc = delayed(|x: u64| x + 1).named("inc");
    let add = delayed(|x: u64, y: u64| x + y).named("add");
    let total = delayed(|numbers: Vec<u64>| numbers.iter().sum::<u64>()).named("total");
    let fan_in = |n: u64| total.call((0..n).map(|x| inc.call(x)).collect::<Vec<_>>());
    let n_calls = u64::from(n);
    match name {
        "independent" => run_staged(name, &executor, || independent(n)),
        "chains of 100 stages" => run_staged(name, &executor, || chains(n)),
        "binary tree" => run_staged(name, &executor, || tree(n)),
        "exchange" => run_staged(name, &executor, || exchange(n)),
        "delayed fan-in 100k" => run_delayed(name, &executor, 5_000_050_000, || fan_in(100_000)),
        "delayed fan-in" => run_delayed(name, &executor, n_calls * (n_calls + 1) / 2, || fan_in(n_calls)),
        "delayed chain" => run_delayed(name, &executor, n_calls, || (1..n_calls).fold(inc.call(0), |x, _| inc.call(x))),
        "delayed binary tree" => {
            let n_leaves = (n_calls / 2).next_power_of_two();
            run_delayed(name, &executor, n_leaves * (n_leaves + 1) / 2, || {
                let mut level: Vec<Delayed<u64>> = (0..n_leaves).map(|x| inc.call(x)).collect();
                while level.len() > 1 {
                    level = level.chunks(2).map(|pair| add.call((&pair[0], &pair[1]))).collect();
                }
                level.remove(0)
            })
        }
        "raw fan-in 100k" => run_raw(name, &executor, 100_000),
        "raw fan-in" => run_raw(name, &executor, n_calls),
        _ => Err(format!("no program `{name}`").into()),
    }
}

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let n: u32 = args.next().and_then(|text| text.parse().ok()).unwrap_or(1_000_000);
    if let Some(name) = args.next() {
        return run_program(&name, n);
    }
    for name in PROGRAMS {
        let status = Command::new(std::env::current_exe()?).args([&n.to_string(), name]).status()?;
        if !status.success() {
            return Err(format!("`{name}` failed").into());
        }
    }
    Ok(())
}
