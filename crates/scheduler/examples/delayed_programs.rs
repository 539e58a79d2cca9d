//! Programs over delayed values and raw graphs, as they are known from Dask: independent and dependent loops, a recursive
//! function that computes within its tasks, a search over parameters, a graph given key by key, and pictures.
//!
//! Run it with `cargo run -p dolmen-scheduler --example delayed_programs`.

#![allow(clippy::print_stdout, reason = "a program that prints")]

use std::collections::BTreeMap;
use std::sync::Arc;

use dolmen_graph::{
    ComputeError, Delayed, Executor, Picture, RawGraph, TaskContext, compute, delayed, delayed_with_context, key,
    visualize,
};
use dolmen_scheduler::{Client, LocalConfig, LocalExecutor};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn inc(x: i64) -> i64 {
    x + 1
}

fn add(x: i64, y: i64) -> i64 {
    x + y
}

/// Two calls that do not need each other, and one that needs both.
fn inc_and_add(executor: &dyn Executor) -> Result<(i64, Picture)> {
    let x = delayed(inc).call(1);
    let y = delayed(inc).call(2);
    let z = delayed(add).call((x, y));
    // What z is cannot be known yet: `z += 1`, `for _ in z` and `if z` do not compile.
    Ok((z.compute(executor)?, visualize(&z)?))
}

/// A loop whose iterations do not need each other.
fn times_ten(executor: &dyn Executor) -> Result<Vec<i64>> {
    let collection = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
    let results: Vec<_> = collection.into_iter().map(|e| delayed(|e: i64| e * 10).call(e)).collect();
    Ok(Delayed::gather(results).compute(executor)?)
}

/// A loop whose iterations need the ones before.
fn dependent_loop(executor: &dyn Executor) -> Result<(i64, Picture)> {
    let (mut a, mut b) = (Delayed::value(1), Delayed::value(1));
    for _ in 0..2 {
        a = delayed(add).call((1, a));
        b = delayed(add).call((1, b));
        a = delayed(add).call((a, &b));
    }
    Ok((a.compute(executor)?, visualize(&a)?))
}

/// A function that calls itself later, and computes the calls within its task.
fn fib(n: u64) -> Delayed<u64> {
    let call = delayed_with_context(|context: &TaskContext, n: u64| {
        if n < 2 {
            return Ok(n);
        }
        let (a, b) = compute(context, (fib(n - 1), fib(n - 2)))?;
        Ok::<u64, ComputeError>(a + b)
    });
    call.named("fib").try_call(n)
}

fn fit(a: i64, b: i64) -> i64 {
    100 - (a - 3) * (a - 3) - (b - 5) * (b - 5)
}

type Parameters = (i64, i64);

/// The parameters with the best result.
fn score(results: BTreeMap<Parameters, i64>) -> Option<Parameters> {
    results.into_iter().max_by_key(|(_, result)| *result).map(|(parameters, _)| parameters)
}

/// A search over a grid of parameters: a map whose values do not exist yet is the argument of one call.
fn grid_search() -> Delayed<Option<Parameters>> {
    let mut results = BTreeMap::new();
    for a in 0..10 {
        for b in 0..10 {
            results.insert((a, b), delayed(fit).call((a, b)));
        }
    }
    delayed(score).named("score").call(results)
}

/// The same as a future of a client, with how far it is on the way.
fn best_of_client(executor: Arc<dyn Executor>) -> Result<(Option<Parameters>, Option<String>)> {
    let best = Client::new(executor).compute(&grid_search());
    let parameters = *best.result()?;
    Ok((parameters, best.progress().map(|progress| progress.to_string())))
}

/// Files of text, each loaded, worked on and summed up; then all of them together.
fn load_process_summarize(executor: &dyn Executor, files: Vec<&'static str>) -> Result<usize> {
    let load = delayed(|text: &'static str| text.split(' ').map(str::to_owned).collect::<Vec<String>>());
    let process = delayed(|words: Vec<String>| words.into_iter().filter(|word| word.len() > 3).collect::<Vec<_>>());
    let summarize = delayed(|results: Vec<Vec<String>>| results.iter().map(Vec::len).sum::<usize>());
    let results: Vec<_> = files.into_iter().map(|file| process.call(load.call(file))).collect();
    Ok(summarize.call(results).compute(executor)?)
}

/// A graph given key by key.
fn raw_graph(executor: &dyn Executor) -> Result<(i64, i64, Vec<i64>)> {
    let sum = delayed(|numbers: Vec<i64>| numbers.iter().sum::<i64>()).named("sum");
    let mut graph = RawGraph::new();
    graph.insert_value("x", 1_i64);
    graph.insert_value("y", 2_i64);
    graph.insert("z", delayed(add).call((key("x"), key("y"))));
    graph.insert("w", sum.call(vec![key("x"), key("y"), key("z")]));
    graph.insert("v", Delayed::gather(vec![sum.call(vec![key("w"), key("z")]), Delayed::value(2)]));
    Ok(graph.compute(executor, (key("z"), key("w"), key("v")))?)
}

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let local = Arc::new(LocalExecutor::new(LocalConfig::new(runtime.handle().clone(), 2)));
    let executor = local.as_ref();
    let (five, picture) = inc_and_add(executor)?;
    println!("inc(1) + inc(2) = {five}\n{}", picture.to_text());
    println!("times ten: {:?}", times_ten(executor)?);
    let (eight, picture) = dependent_loop(executor)?;
    println!("dependent loop = {eight}\n{}", picture.to_text());
    println!("fib(8) = {}", fib(8).compute(executor)?);
    let (z, w, v) = raw_graph(executor)?;
    println!("z = {z}, w = {w}, v = {v:?}");
    println!("best parameters: {:?}", grid_search().compute(executor)?);
    let (best, progress) = best_of_client(Arc::<LocalExecutor>::clone(&local))?;
    println!("{}: {best:?}", progress.unwrap_or_default());
    println!("long words: {}", load_process_summarize(executor, vec!["a stone on two", "stones that stand"])?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use dolmen_scheduler::SyncExecutor;

    use super::*;

    /// The arrows of a picture, in each form that has arrows.
    fn arrows(picture: &Picture) -> usize {
        let in_dot = picture.to_dot().matches(" -> ").count();
        assert_eq!(picture.to_svg().lines().filter(|line| line.starts_with("<path ")).count(), in_dot);
        in_dot
    }

    fn check(executor: &dyn Executor) {
        let (five, picture) = inc_and_add(executor).unwrap();
        assert_eq!(five, 5);
        assert_eq!(arrows(&picture), 2);
        assert_eq!(times_ten(executor).unwrap(), [0, 10, 20, 30, 40, 50, 60, 70, 80, 90]);
        let (eight, picture) = dependent_loop(executor).unwrap();
        assert_eq!(eight, 8);
        // Six additions of two values each, of which two are the first ones and four are ones.
        assert_eq!(arrows(&picture), 8);
        assert_eq!(fib(8).compute(executor).unwrap(), 21);
        assert_eq!(raw_graph(executor).unwrap(), (3, 6, vec![9, 2]));
        assert_eq!(grid_search().compute(executor).unwrap(), Some((3, 5)));
        let files = vec!["a stone on two", "stones that stand", ""];
        assert_eq!(load_process_summarize(executor, files).unwrap(), 4);
    }

    #[test]
    fn a_client_says_how_far_it_is() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let executor = LocalExecutor::new(LocalConfig::new(runtime.handle().clone(), 2));
        let (best, progress) = best_of_client(Arc::new(executor)).unwrap();
        assert_eq!(best, Some((3, 5)));
        assert!(progress.unwrap().ends_with("101 of 101"));
    }

    #[test]
    fn the_programs_give_what_they_should_on_any_number_of_threads() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        for n_workers in [1, 4] {
            check(&LocalExecutor::new(LocalConfig::new(runtime.handle().clone(), n_workers)));
        }
        check(&SyncExecutor::new());
    }
}
