//! Random graphs for the tests of this crate, what they give, and counted values.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use proptest::prelude::*;

use super::{Mix, Number};
use crate::{
    ByteEstimate, ExchangeKind, Executor, GraphBuilder, InlineExecutor, PartitionSet, Stage, StageId, SubmitOptions,
    Table, TaskGraph, TaskId, Value, ValueRef, Wiring,
};

/// How many of the values it made are alive.
#[derive(Debug, Default)]
pub(crate) struct Count(Arc<AtomicU64>);

impl Count {
    pub(crate) fn value(&self) -> ValueRef {
        self.0.fetch_add(1, Ordering::SeqCst);
        Arc::new(Counted(Arc::clone(&self.0)))
    }

    pub(crate) fn n_alive(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

struct Counted(Arc<AtomicU64>);

impl Value for Counted {
    fn size_bytes(&self) -> usize {
        8
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Every value that the outputs of `graph` ask for, output by output.
pub(crate) fn values(graph: &TaskGraph) -> Vec<Vec<u64>> {
    let run = InlineExecutor::new().submit(Arc::new(graph.clone()), SubmitOptions::default()).unwrap();
    let outputs = graph.outputs().iter();
    let value = |stage, p| Number::of(&run.wait_value(TaskId::new(stage, p), None).unwrap().unwrap());
    outputs.map(|output| output.partitions.iter().map(|p| value(output.stage, p)).collect()).collect()
}

/// A choice that a random graph is made from.
#[derive(Debug, Clone)]
pub(crate) struct Choice {
    shape: u32,
    inputs: Vec<(prop::sample::Index, u32)>,
    edges: Vec<prop::sample::Index>,
    is_stream: bool,
}

fn choice() -> impl Strategy<Value = Choice> {
    let inputs = prop::collection::vec((any::<prop::sample::Index>(), 0_u32..9), 0..4);
    let edges = prop::collection::vec(any::<prop::sample::Index>(), 4..20);
    (0_u32..8, inputs, edges, any::<bool>()).prop_map(|(shape, inputs, edges, is_stream)| Choice {
        shape,
        inputs,
        edges,
        is_stream,
    })
}

/// Random graphs of up to 12 stages with every wiring, stages that read themselves included. Most stages have few
/// consumers and many are wired partition by partition, so that there is something to cull and to fuse.
pub(crate) fn any_graph() -> impl Strategy<Value = TaskGraph> {
    let outputs = prop::collection::vec((any::<prop::sample::Index>(), prop::collection::vec(0_u32..40, 0..5)), 1..4);
    (prop::collection::vec(choice(), 1..12), outputs).prop_map(|(choices, outputs)| {
        let mut builder = GraphBuilder::new();
        let mut n_tasks: Vec<u32> = Vec::new();
        for (idx, choice) in choices.iter().enumerate() {
            let stage = stage(&choice.clone(), idx, &n_tasks);
            n_tasks.push(stage.n_tasks);
            builder.add_stage(stage).unwrap();
        }
        for (stage, partitions) in outputs {
            let idx = stage.index(n_tasks.len());
            let stage = StageId(u32::try_from(idx).unwrap());
            if partitions.is_empty() {
                builder.add_output_all(stage).unwrap();
            } else {
                let wanted: PartitionSet = partitions.into_iter().filter(|p| *p < n_tasks[idx]).collect();
                builder.add_output(stage, wanted).unwrap();
            }
        }
        builder.build().unwrap()
    })
}

fn stage(choice: &Choice, idx: usize, n_tasks: &[u32]) -> Stage {
    let mut wirings: Vec<(usize, Wiring)> = Vec::new();
    // The first input says how many tasks the stage has; the others are wired to fit.
    let mut n = [1, 2, 3, 5, 8, 13, 0, 21][choice.shape as usize];
    let picked = choice.inputs.iter().filter(|_| !n_tasks.is_empty());
    for (position, (up, kind)) in picked.enumerate() {
        // Recent stages rather than old ones, so that chains are long.
        let up = n_tasks.len() - 1 - up.index(n_tasks.len().min(3));
        let n_up = n_tasks[up];
        let wiring = match kind {
            0..=4 if position == 0 => {
                n = n_up;
                Wiring::Same
            }
            0..=4 if n == n_up => Wiring::Same,
            5 if position == 0 => {
                n = Wiring::tree_n_tasks(n_up, 3);
                Wiring::Tree { fan_in: 3 }
            }
            6 if n_up > 0 => Wiring::Broadcast { partition: n_up / 2 },
            7 => Wiring::Exchange(ExchangeKind::Hash),
            8 if n_up > 0 => Wiring::Table(table(n_up, n_up, n, &choice.edges)),
            _ => Wiring::All,
        };
        wirings.push((up, wiring));
    }
    let salt = idx as u64;
    let op = Arc::new(Mix { salt, is_stream: choice.is_stream, ..Mix::default() });
    let mut stage = Stage::new(format!("s{idx}"), n, op).bytes(ByteEstimate::Exact(8));
    for (up, wiring) in wirings {
        stage = stage.input(StageId(u32::try_from(up).unwrap()), wiring);
    }
    if choice.shape == 7 {
        let own = Wiring::Table(table(n, 0, n, &choice.edges));
        stage = stage.input(StageId(u32::try_from(idx).unwrap()), own);
    }
    stage
}

/// A table of up to two partitions for each task, below `limit` or, if that is 0, below the task itself.
fn table(n_up: u32, limit: u32, n_down: u32, edges: &[prop::sample::Index]) -> Arc<Table> {
    let lists = (0..n_down).map(|p| {
        let limit = if limit == 0 { p } else { limit } as usize;
        let pick = |k: usize| edges[(p as usize * 2 + k) % edges.len()].index(limit.max(1));
        let mut list: Vec<u32> = (0..limit.min(2)).map(|k| u32::try_from(pick(k)).unwrap()).collect();
        list.dedup();
        list
    });
    Arc::new(Table::new(n_up, lists).unwrap())
}
