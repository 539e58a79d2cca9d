//! A static order of tasks in which finished values are soon used up.

mod phases;

use std::sync::Arc;

use crate::{Blocks, StageId, TaskGraph, TaskId, Wiring};
use phases::phases;

/// Numbers for tasks: of several ready tasks the one with the smallest number is run first.
///
/// The order is depth-first: a task comes right after the last of its inputs, and inputs that are used together are made
/// together. So a value is used up soon after it was made, and memory holds little more than what one path through the
/// graph needs. It has three parts, the first one deciding first:
///
/// 1. **Phase.** What ends in a barrier (all of a stage, an exchange, a broadcast) is finished before what is behind it,
///    and of two branches that meet in one task one is finished before the other begins.
/// 2. **Place.** How far along its stage a task is, from 0 to 2^32, measured by who reads it: inputs of an early task come
///    early.
/// 3. **Depth.** At the same place, what is nearer to the output comes first.
///
/// Nothing is stored for single tasks; a number is computed from the wiring when it is asked for. Priorities that a user
/// sets are not in it: they are compared first.
#[derive(Debug)]
pub struct Order {
    graph: Arc<TaskGraph>,
    stages: Vec<StageOrder>,
}

/// What the numbers of the tasks of one stage are made of.
#[derive(Debug, Clone, Copy)]
struct StageOrder {
    phase: u32,
    /// Stages between this one and the output.
    depth: u32,
    /// The partitions that run lie in `start..start + span`.
    start: u32,
    span: u32,
    place: Place,
}

/// How the tasks of a stage follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// By partition.
    Natural,
    /// By the task of `stage` that reads them by its input `input_idx`, then by partition.
    By { stage: StageId, input_idx: u32, n_hops: u8 },
}

/// A number in the order of its tasks, and how many there are.
#[derive(Debug, Clone, Copy)]
struct Rank {
    rank: u128,
    total: u128,
}

/// Phases take 20 bits, places 32, depths 12.
const PHASE_MAX: u32 = (1 << 20) - 1;
const DEPTH_BITS: u32 = 12;
const DEPTH_MAX: u32 = (1 << DEPTH_BITS) - 1;

/// A place that depends on more stages than this is taken from the partition instead: the computation must stay short.
const N_HOPS_MAX: u8 = 6;

impl Order {
    /// Plans the order of the tasks of `graph`, in time proportional to its stages and their inputs.
    #[must_use]
    pub fn new(graph: &Arc<TaskGraph>) -> Self {
        let phases = phases(graph);
        let mut stages: Vec<StageOrder> = graph
            .stages()
            .zip(phases)
            .map(|((_, stage), phase)| {
                let start = stage.active.next_from(0).unwrap_or(0);
                let span = stage.active.end().saturating_sub(start).max(1);
                StageOrder { phase: phase.min(PHASE_MAX), depth: 0, start, span, place: Place::Natural }
            })
            .collect();
        // Readers first: places and depths are measured from the output.
        for (id, _) in graph.stages().rev() {
            let readers = || graph.consumers(id).iter().filter(|(reader, _)| *reader != id);
            let depth = readers().map(|(reader, _)| stages[reader.index()].depth + 1).max();
            let leading = readers().min_by_key(|(reader, _)| (stages[reader.index()].phase, *reader));
            let place = leading.map_or(Place::Natural, |(reader, input_idx)| {
                place(graph, id, *reader, *input_idx, stages[reader.index()].place)
            });
            let stage = &mut stages[id.index()];
            stage.depth = depth.unwrap_or(0).min(DEPTH_MAX);
            stage.place = place;
        }
        Self { graph: Arc::clone(graph), stages }
    }

    /// The number of `task`: the ready task with the smallest one is run first.
    #[must_use]
    pub fn of(&self, task: TaskId) -> u64 {
        let stage = &self.stages[task.stage.index()];
        let place = match stage.place {
            Place::Natural => {
                let rank = u64::from(task.partition.saturating_sub(stage.start)).min(u64::from(stage.span) - 1);
                ((rank + 1) << 32) / u64::from(stage.span) - 1
            }
            Place::By { .. } => {
                let Rank { rank, total } = self.rank(task);
                u64::try_from((((rank + 1) << 32) / total).saturating_sub(1)).map_or(u64::MAX, |place| place)
            }
        };
        (u64::from(stage.phase) << (32 + DEPTH_BITS))
            | (place.min(u64::from(u32::MAX)) << DEPTH_BITS)
            | u64::from(stage.depth)
    }

    /// The phase of a stage: stages of one phase are worked on together.
    #[must_use]
    pub fn phase(&self, stage: StageId) -> u32 {
        self.stages[stage.index()].phase
    }

    /// The rank of a task by what reads it.
    fn rank(&self, task: TaskId) -> Rank {
        let stage = &self.stages[task.stage.index()];
        let natural =
            || Rank { rank: u128::from(task.partition.saturating_sub(stage.start)), total: stage.span.into() };
        let Place::By { stage: reader_id, input_idx, .. } = stage.place else { return natural() };
        let reader = self.graph.stage(reader_id);
        let found = match &reader.inputs[input_idx as usize].wiring {
            Wiring::Blocks(blocks) => blocks
                .first_consumer(task.partition)
                .map(|p| (p, blocks.position(p, task.partition), blocks.n_inputs(p))),
            Wiring::Tree { fan_in } => Some((task.partition / fan_in, task.partition % fan_in, *fan_in)),
            _ => None,
        };
        let Some((p, position, width)) = found else { return natural() };
        let Rank { rank, total } = self.rank(TaskId::new(reader_id, p));
        let width = u128::from(width.max(1));
        let fine = Rank { rank: rank * width + u128::from(position), total: total * width };
        // 64 bits tell more tasks apart than there are.
        let shift = 64_u32.saturating_sub(fine.total.leading_zeros());
        Rank { rank: fine.rank >> shift, total: (fine.total >> shift).max(1) }
    }
}

/// How the tasks of stage `id` follow each other, given how those of its leading reader do.
fn place(graph: &TaskGraph, id: StageId, reader_id: StageId, input_idx: u32, of_reader: Place) -> Place {
    let (stage, reader) = (graph.stage(id), graph.stage(reader_id));
    let n_hops = match of_reader {
        Place::Natural => 1,
        Place::By { n_hops, .. } => n_hops + 1,
    };
    let by_reader = match n_hops {
        ..=N_HOPS_MAX => Place::By { stage: reader_id, input_idx, n_hops },
        _ => Place::Natural,
    };
    match &reader.inputs[input_idx as usize].wiring {
        wiring if wiring.is_same(stage.n_tasks, reader.n_tasks) => of_reader,
        Wiring::Tree { .. } if of_reader == Place::Natural => Place::Natural,
        Wiring::Blocks(blocks) if of_reader == Place::Natural && keeps_order(blocks, graph, id, reader_id) => {
            Place::Natural
        }
        Wiring::Tree { .. } | Wiring::Blocks(_) => by_reader,
        // Behind a barrier every order is as good; the author of a table numbers tasks as they should follow.
        Wiring::Same | Wiring::All | Wiring::Broadcast { .. } | Wiring::Exchange(_) | Wiring::Table(_) => {
            Place::Natural
        }
    }
}

/// Whether partitions in ascending order are also in the order of the tasks that read them, from end to end.
fn keeps_order(blocks: &Blocks, graph: &TaskGraph, id: StageId, reader_id: StageId) -> bool {
    let is_whole = |id: StageId| graph.stage(id).active.is_all(graph.stage(id).n_tasks);
    is_whole(id) && is_whole(reader_id) && blocks.keeps_order()
}

#[cfg(test)]
mod tests;
