//! Many tasks that one task reads, none of which was written as a stage.

use std::time::{Duration, Instant};

use dolmen_graph::{RawGraph, compute, delayed, key};

use crate::world::World;

const N: u64 = 100_000;
const TOTAL: u64 = N * (N + 1) / 2;
/// A hundred times what it takes; what grew with the square of the tasks would take minutes.
const ENOUGH: Duration = Duration::from_secs(20);

#[test]
fn a_delayed_fan_in_is_linear() {
    let world = World::new(2, usize::MAX);
    let begun = Instant::now();
    let inc = delayed(|x: u64| x + 1);
    let total = delayed(|numbers: Vec<u64>| numbers.iter().sum::<u64>());
    let numbers: Vec<_> = (0..N).map(|x| inc.call(x)).collect();
    assert_eq!(compute(&world.executor, total.call(numbers)).unwrap(), TOTAL);
    assert!(begun.elapsed() < ENOUGH, "{:?}", begun.elapsed());
    world.until_idle();
    world.end();
}

#[test]
fn a_fan_in_of_keys_is_linear() {
    let world = World::new(2, usize::MAX);
    let begun = Instant::now();
    let inc = delayed(|x: u64| x + 1);
    let total = delayed(|numbers: Vec<u64>| numbers.iter().sum::<u64>());
    let mut graph = RawGraph::new();
    (0..N).for_each(|x| graph.insert(&format!("x-{x}"), inc.call(x)));
    graph.insert("total", total.call((0..N).map(|x| key(&format!("x-{x}"))).collect::<Vec<_>>()));
    assert_eq!(graph.get::<u64>("total", &world.executor).unwrap(), TOTAL);
    assert!(begun.elapsed() < ENOUGH, "{:?}", begun.elapsed());
    world.until_idle();
    world.end();
}
