//! The memory that a graph will take, by going through its tasks as an executor would.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::sync::Arc;

use dolmen_graph::{Order, TaskGraph, TaskId};

/// Tasks that are gone through; a graph of more goes on as it began, for all that is known.
const N_TASKS_MAX: usize = 100_000;

/// The most bytes that values and running tasks take at one time on `n_workers`; `None` if some size is unknown.
///
/// Every task is taken to run for the same time, so that this is what happens on an evenly loaded machine, with one
/// further task for each other worker, whose result is late to be given back.
pub(super) fn peak_bytes(graph: &Arc<TaskGraph>, n_workers: u32) -> Option<u64> {
    let order = Order::new(graph);
    let mut ready: BinaryHeap<Reverse<(u64, TaskId)>> = BinaryHeap::new();
    let mut n_missing: HashMap<TaskId, u32> = HashMap::new();
    let mut n_reads: HashMap<TaskId, u32> = HashMap::new();
    // Tasks without inputs are ready, and come in their order; those of a large stage are not all listed at once.
    let mut sources: Vec<Box<dyn Iterator<Item = TaskId> + '_>> = Vec::new();
    for (id, stage) in graph.stages().filter(|(_, stage)| stage.inputs.is_empty()) {
        sources.push(Box::new(stage.active.iter().map(move |partition| TaskId::new(id, partition))));
    }
    for source in &mut sources {
        ready.extend(source.by_ref().take(N_TASKS_MAX).map(|task| Reverse((order.of(task), task))));
    }
    let mut running: VecDeque<TaskId> = VecDeque::new();
    let (mut held, mut peak, mut n_done, mut largest) = (0_u64, 0_u64, 0, 0_u64);
    while n_done < N_TASKS_MAX {
        while running.len() < n_workers.max(1) as usize {
            let Some(Reverse((_, task))) = ready.pop() else { break };
            let stage = graph.stage(task.stage);
            let own = stage.bytes.bound()?.saturating_add(stage.scratch.bound()?);
            held = held.saturating_add(own);
            largest = largest.max(own);
            running.push_back(task);
            peak = peak.max(held);
        }
        let Some(task) = running.pop_front() else { break };
        n_done += 1;
        held = held.saturating_sub(graph.stage(task.stage).scratch.bound()?);
        // Inputs that nobody else reads go.
        let mut gone = 0_u64;
        graph.for_each_input(task, |_, upstream| {
            let left = n_reads.entry(upstream).or_insert_with(|| graph.n_consumers(upstream));
            *left = left.saturating_sub(1);
            if *left == 0 && !graph.kept(upstream.stage).contains(upstream.partition) {
                n_reads.remove(&upstream);
                gone = gone.saturating_add(graph.stage(upstream.stage).bytes.bound().unwrap_or(0));
            }
        });
        held = held.saturating_sub(gone);
        graph.for_each_consumer(task, |_, reader| {
            let left = n_missing.entry(reader).or_insert_with(|| graph.n_inputs(reader));
            *left -= 1;
            if *left == 0 {
                n_missing.remove(&reader);
                ready.push(Reverse((order.of(reader), reader)));
            }
        });
    }
    let n_late = u64::from(n_workers).min(n_done as u64).saturating_sub(1);
    Some(peak.saturating_add(largest.saturating_mul(n_late)))
}
