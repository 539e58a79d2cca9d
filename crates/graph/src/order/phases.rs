//! Parts of a graph that are finished one after the other.

use crate::{Input, Stage, StageId, TaskGraph, Wiring};

/// For each stage the number of its phase; a phase only needs itself and earlier ones.
///
/// A phase is a stage together with what flows into it without a barrier, unless an earlier phase has it already.
pub(super) fn phases(graph: &TaskGraph) -> Vec<u32> {
    let mut phases: Vec<Option<u32>> = vec![None; graph.n_stages() as usize];
    let mut seen: Vec<u32> = vec![0; phases.len()];
    let mut n_visits = 0;
    let mut next = 0;
    let mut visits: Vec<Visit> = Vec::new();
    let mut roots = graph.outputs().iter().map(|output| output.stage);
    loop {
        let Some(visit) = visits.last_mut() else {
            let Some(root) = roots.next() else { break };
            if phases[root.index()].is_none() {
                n_visits += 1;
                visits.push(Visit::new(graph, root, &phases, &mut seen, n_visits));
            }
            continue;
        };
        if let Some(barrier) = visit.barriers.pop() {
            if phases[barrier.index()].is_none() {
                n_visits += 1;
                visits.push(Visit::new(graph, barrier, &phases, &mut seen, n_visits));
            }
            continue;
        }
        // Phases before the barriers have taken what they need; the rest is this one's.
        for stage in &visit.members {
            phases[stage.index()].get_or_insert(next);
        }
        next += 1;
        visits.pop();
    }
    // What no output needs comes last.
    phases.into_iter().map(|phase| phase.unwrap_or(next)).collect()
}

/// A phase that is being collected.
struct Visit {
    /// The root and what flows into it.
    members: Vec<StageId>,
    /// Stages behind barriers, the earliest last.
    barriers: Vec<StageId>,
}

impl Visit {
    /// `seen` holds the number of the last visit that came to a stage.
    fn new(graph: &TaskGraph, root: StageId, phases: &[Option<u32>], seen: &mut [u32], number: u32) -> Self {
        let mut members = vec![root];
        let mut barriers = Vec::new();
        seen[root.index()] = number;
        let mut position = 0;
        while position < members.len() {
            let stage = graph.stage(members[position]);
            position += 1;
            for input in &stage.inputs {
                let id = input.stage;
                if phases[id.index()].is_some() || seen[id.index()] == number {
                    continue;
                }
                if is_barrier(stage, input) {
                    barriers.push(id);
                } else {
                    seen[id.index()] = number;
                    members.push(id);
                }
            }
        }
        // Earlier stages first: what they take in, later ones need not look at again.
        barriers.sort_unstable_by(|a, b| b.cmp(a));
        barriers.dedup();
        Self { members, barriers }
    }
}

/// Whether a task of `stage` needs so much of an input that this is better finished first.
fn is_barrier(stage: &Stage, input: &Input) -> bool {
    match &input.wiring {
        Wiring::All | Wiring::Exchange(_) | Wiring::Broadcast { .. } => true,
        // Where branches meet in one task, working on all of them at once would hold the parts of all.
        _ => stage.n_active() == 1 && stage.inputs.len() > 1,
    }
}
