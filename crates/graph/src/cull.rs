//! Leaving out what no output needs.

use std::ops::Range;
use std::sync::Arc;

use crate::wiring::Table;
use crate::{EncodeError, GraphError, Op, OpRegistry, PartitionSet, Stage, TaskBody, TaskError, TaskGraph, Wiring};

/// The graph with only those tasks that an output needs.
///
/// Stages and partitions keep their numbers, so whoever described the graph finds its values where they were. A stage of
/// which nothing is wanted stays, without inputs.
///
/// Takes time in proportion to the stages where whole stages or ranges of them are wanted; where only scattered tasks of a
/// stage are, or by irregular wiring, in proportion to these.
#[must_use]
pub fn cull(graph: TaskGraph) -> TaskGraph {
    let wanted = wanted(&graph);
    let (stages, outputs) = graph.into_parts();
    let stages = stages.into_iter().zip(wanted).map(|(stage, active)| match active.is_empty() {
        true => Stage { inputs: Vec::new(), op: Arc::new(NeverRun), active, ..stage },
        false => Stage { active, ..stage },
    });
    TaskGraph::from_checked(stages.collect(), outputs)
}

/// For each stage the partitions that an output needs, directly or not.
fn wanted(graph: &TaskGraph) -> Vec<PartitionSet> {
    let mut wanted: Vec<PartitionSet> = graph.stages().map(|(id, _)| graph.kept(id).clone()).collect();
    for (id, stage) in graph.stages().rev() {
        if wanted[id.index()].is_empty() {
            continue;
        }
        if let Some(table) = graph.own_table(id) {
            wanted[id.index()] = close(table, &wanted[id.index()]);
        }
        for input in stage.inputs.iter().filter(|input| input.stage != id) {
            let read = read_by(&input.wiring, &wanted[id.index()], graph.stage(input.stage).n_tasks, stage.n_tasks);
            let set = &mut wanted[input.stage.index()];
            *set = set.union(&read);
        }
    }
    wanted
}

/// The partitions of a stage that reads itself which `set` needs, `set` included.
fn close(table: &Table, set: &PartitionSet) -> PartitionSet {
    if set.is_all(table.n_down()) {
        return set.clone();
    }
    let mut marks = Marks::new(set.end());
    set.iter().for_each(|p| marks.mark(p));
    for p in (0..set.end()).rev() {
        if marks.is_marked(p) {
            table.inputs(p).iter().for_each(|q| marks.mark(*q));
        }
    }
    marks.into_set()
}

/// The upstream partitions that the tasks in `set` read.
pub(crate) fn read_by(wiring: &Wiring, set: &PartitionSet, n_up: u32, n_down: u32) -> PartitionSet {
    if set.is_empty() {
        return PartitionSet::empty();
    }
    match wiring {
        Wiring::Same => set.clone(),
        Wiring::All | Wiring::Exchange(_) => PartitionSet::all(n_up),
        Wiring::Broadcast { partition } => PartitionSet::one(*partition),
        Wiring::Tree { fan_in } => {
            let widen = |idx: u32| idx.saturating_mul(*fan_in).min(n_up);
            PartitionSet::ranges(set.runs().map(|run| widen(run.start)..widen(run.end)).collect())
        }
        Wiring::Blocks(blocks) => match blocks.read_along_axes().filter(|_| set.is_all(n_down)) {
            Some(per_axis) => {
                let mut runs: Vec<Range<u32>> = Vec::new();
                blocks.for_each_run(&per_axis, |run| match runs.last_mut() {
                    Some(last) if last.end == run.start => last.end = run.end,
                    _ => runs.push(run),
                });
                PartitionSet::ranges(runs)
            }
            None => enumerate(wiring, set, n_up, n_down),
        },
        Wiring::Table(_) => enumerate(wiring, set, n_up, n_down),
    }
}

fn enumerate(wiring: &Wiring, set: &PartitionSet, n_up: u32, n_down: u32) -> PartitionSet {
    // A few tasks of a large stage are cheaper to list than to mark.
    if set.len() <= n_up / 64 {
        let mut read = Vec::new();
        set.iter().for_each(|p| wiring.for_each_input(n_up, n_down, p, |q| read.push(q)));
        return read.into_iter().collect();
    }
    let mut marks = Marks::new(n_up);
    set.iter().for_each(|p| wiring.for_each_input(n_up, n_down, p, |q| marks.mark(q)));
    marks.into_set()
}

/// A bit for each partition.
struct Marks {
    words: Vec<u64>,
}

impl Marks {
    fn new(n: u32) -> Self {
        Self { words: vec![0; (n as usize).div_ceil(64)] }
    }

    fn mark(&mut self, partition: u32) {
        self.words[partition as usize / 64] |= 1 << (partition % 64);
    }

    fn is_marked(&self, partition: u32) -> bool {
        self.words[partition as usize / 64] >> (partition % 64) & 1 == 1
    }

    fn into_set(self) -> PartitionSet {
        PartitionSet::from_words(self.words)
    }
}

/// Counts steps down.
struct Steps {
    n_left: u64,
}

impl Steps {
    /// `None` if there are fewer left than `n`.
    fn take(&mut self, n: u64) -> Option<()> {
        self.n_left = self.n_left.checked_sub(n)?;
        Some(())
    }
}

/// A partition of `upstream` that a task of `stage` reads and that is switched off. `None` if that takes too many steps.
fn first_inactive(wiring: &Wiring, stage: &Stage, upstream: &Stage, steps: &mut Steps) -> Option<Option<u32>> {
    let (set, n_up, n_down) = (&stage.active, upstream.n_tasks, stage.n_tasks);
    let mut first: Option<u32> = None;
    match wiring {
        Wiring::Blocks(blocks) if set.is_all(n_down) && blocks.n_steps_along_axes() <= steps.n_left => {
            steps.take(blocks.n_steps_along_axes())?;
            if let Some(per_axis) = blocks.read_along_axes() {
                steps.take(blocks.n_runs(&per_axis))?;
                blocks.for_each_run(&per_axis, |run| {
                    first = first.or_else(|| PartitionSet::range(run).first_outside(&upstream.active));
                });
                return Some(first);
            }
        }
        Wiring::Blocks(_) | Wiring::Table(_) => {}
        _ => return Some(read_by(wiring, set, n_up, n_down).first_outside(&upstream.active)),
    }
    for p in set.iter() {
        steps.take(1 + u64::from(wiring.n_inputs(n_up, n_down, p)))?;
        wiring.for_each_input(n_up, n_down, p, |q| {
            first = first.or_else(|| (!upstream.active.contains(q)).then_some(q));
        });
        if first.is_some() {
            break;
        }
    }
    Some(first)
}

/// What is looked at one by one, at most, to check which tasks run: far more than graphs have whose tasks are to be run, and
/// less than a second. A few bytes from elsewhere can otherwise ask for hours.
const N_STEPS_MAX: u64 = 1 << 26;

/// Checks that everything an active task or an output needs is active.
pub(crate) fn check_active(graph: &TaskGraph) -> Result<(), GraphError> {
    let mut steps = Steps { n_left: N_STEPS_MAX };
    for (_, stage) in graph.stages() {
        for (input_idx, input) in stage.inputs.iter().enumerate() {
            let upstream = graph.stage(input.stage);
            if upstream.active.is_all(upstream.n_tasks) {
                continue;
            }
            let found = first_inactive(&input.wiring, stage, upstream, &mut steps);
            let found = found.ok_or_else(|| GraphError::TooIrregular { key: Arc::clone(&stage.key), input_idx })?;
            if let Some(partition) = found {
                let (key, input_key) = (Arc::clone(&stage.key), Arc::clone(&upstream.key));
                return Err(GraphError::InactiveInput { key, input_key, partition });
            }
        }
    }
    for output in graph.outputs() {
        let stage = graph.stage(output.stage);
        if !stage.active.is_all(stage.n_tasks)
            && let Some(partition) = output.partitions.first_outside(&stage.active)
        {
            return Err(GraphError::InactiveOutput { key: Arc::clone(&stage.key), partition });
        }
    }
    Ok(())
}

/// The operation of a stage of which no task is wanted.
#[derive(Debug)]
pub(crate) struct NeverRun;

impl NeverRun {
    pub(crate) const NAME: &'static str = "dolmen.never";
}

impl Op for NeverRun {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn encode(&self, _: &OpRegistry) -> Result<Vec<u8>, EncodeError> {
        Ok(Vec::new())
    }

    fn body(&self, partition: u32) -> TaskBody {
        // Reached only by an executor that runs what is not active.
        TaskBody::sync(move |_, _| Err(TaskError::failed(format!("partition {partition} is not wanted"))))
    }
}
