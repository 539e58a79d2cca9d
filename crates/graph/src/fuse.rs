//! Joining stages that hand each value straight on.

mod fused;

use std::collections::HashMap;
use std::sync::Arc;

pub(crate) use fused::{Fused, Step, StepInput};

use crate::{ByteEstimate, Input, Output, Stage, StageId, TaskGraph};

/// What [`fuse`] may join.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FuseOptions {
    /// A stage with several inputs takes in the stages before it only if it has at least so many tasks. With fewer, the
    /// branches are worth running side by side. A chain without branches is always joined.
    pub wide_tasks_min: u32,
}

impl Default for FuseOptions {
    fn default() -> Self {
        Self { wide_tasks_min: 64 }
    }
}

/// The graph with every run of stages that are wired partition by partition joined into one stage.
///
/// A stage joins the one that reads it if all who read it end up in one task for each partition, no output asks for it,
/// and both are run with the same options. The joined stage has the key of its last member; values between the members
/// never reach the scheduler.
///
/// Joining makes a member wait for everything that the joined task reads. So a branch is joined to a stage with other
/// inputs only where that holds no memory: if it reads nothing, or if all inputs are wired partition by partition.
///
/// Takes time in proportion to the number of stages and their inputs.
#[must_use]
pub fn fuse(graph: TaskGraph, options: FuseOptions) -> TaskGraph {
    let last_member = groups(&graph, options);
    let (stages, outputs) = graph.into_parts();

    let mut next = 0;
    let new_ids: Vec<StageId> = (0..)
        .map(StageId)
        .zip(&last_member)
        .map(|(id, last)| {
            let new_id = StageId(next);
            next += u32::from(id == *last);
            new_id
        })
        .collect();

    let mut members: Vec<Vec<(StageId, Stage)>> = (0..next).map(|_| Vec::new()).collect();
    for (id, stage) in (0..).map(StageId).zip(stages) {
        members[new_ids[last_member[id.index()].index()].index()].push((id, stage));
    }
    let new_id = |id: StageId| new_ids[last_member[id.index()].index()];
    let stages = members.into_iter().map(|members| join(members, &new_id)).collect();
    let outputs = outputs.into_iter().map(|output| Output { stage: new_id(output.stage), ..output }).collect();
    TaskGraph::from_checked(stages, outputs)
}

/// What the members of a group that are known so far read from outside.
#[derive(Debug, Clone, Default)]
struct Outside {
    stages: Vec<StageId>,
    is_all_same: bool,
}

/// For each stage the last member of the group that it belongs to; itself if it is joined to nothing.
fn groups(graph: &TaskGraph, options: FuseOptions) -> Vec<StageId> {
    let is_source = sources(graph);
    let mut last_member: Vec<StageId> = graph.stages().map(|(id, _)| id).collect();
    let mut outside = vec![Outside { stages: Vec::new(), is_all_same: true }; last_member.len()];
    // Readers come first, so that the groups of all who read a stage are known when its turn comes.
    for (id, stage) in graph.stages().rev() {
        let is_all_same = all_same(graph, stage);
        let group = common_reader(graph, id, &last_member).filter(|last| {
            let group = &outside[last.index()];
            let is_branch = group.stages.iter().any(|other| *other != id);
            let holds_nothing = is_source[id.index()] || (is_all_same && group.is_all_same);
            let may_branch = stage.n_active() >= options.wide_tasks_min && holds_nothing;
            // The partitions of a stage that reads itself depend on each other, so it takes nobody in.
            let is_own = graph.own_table(*last).is_some();
            !is_own && is_alike(stage, graph.stage(*last)) && (may_branch || !is_branch)
        });
        let last = group.unwrap_or(id);
        last_member[id.index()] = last;
        let group = &mut outside[last.index()];
        group.stages.retain(|input| *input != id);
        group.stages.extend(stage.inputs.iter().map(|input| input.stage));
        // Wiring between members is of the same kind, so what each of them reads may be asked at once.
        group.is_all_same &= is_all_same;
    }
    last_member
}

/// The group that everyone who reads stage `id` partition by partition belongs to.
fn common_reader(graph: &TaskGraph, id: StageId, last_member: &[StageId]) -> Option<StageId> {
    let stage = graph.stage(id);
    if !graph.kept(id).is_empty() || stage.active.is_empty() {
        return None;
    }
    let mut groups = graph.consumers(id).iter().map(|(reader_id, input_idx)| {
        let reader = graph.stage(*reader_id);
        let is_same = reader.inputs[*input_idx as usize].wiring.is_same(stage.n_tasks, reader.n_tasks);
        (is_same && *reader_id != id).then_some(last_member[reader_id.index()])
    });
    let first = groups.next()??;
    groups.all(|group| group == Some(first)).then_some(first)
}

/// Whether the tasks of both stages can be run as one.
fn is_alike(stage: &Stage, reader: &Stage) -> bool {
    let plain = |stage: &Stage| stage.exceptions.is_empty() && stage.options.timeout.is_none();
    stage.n_tasks == reader.n_tasks
        && stage.active == reader.active
        && plain(stage)
        && plain(reader)
        && stage.options == reader.options
}

/// Which stages depend, partition by partition, on nothing.
fn sources(graph: &TaskGraph) -> Vec<bool> {
    let mut is_source = vec![false; graph.n_stages() as usize];
    for (id, stage) in graph.stages() {
        is_source[id.index()] =
            all_same(graph, stage) && stage.inputs.iter().all(|input| is_source[input.stage.index()]);
    }
    is_source
}

fn all_same(graph: &TaskGraph, stage: &Stage) -> bool {
    stage.inputs.iter().all(|input| input.wiring.is_same(graph.stage(input.stage).n_tasks, stage.n_tasks))
}

/// One stage that does what `members` did; the last of them gives it its key.
fn join(mut members: Vec<(StageId, Stage)>, new_id: &impl Fn(StageId) -> StageId) -> Stage {
    let renamed = |inputs: Vec<Input>| -> Vec<Input> {
        inputs.into_iter().map(|input| Input { stage: new_id(input.stage), ..input }).collect()
    };
    if members.len() == 1 {
        let (_, stage) = members.remove(0);
        return Stage { inputs: renamed(stage.inputs), ..stage };
    }
    let positions: HashMap<StageId, u32> = (0..).zip(&members).map(|(position, (id, _))| (*id, position)).collect();
    let mut inputs: Vec<Input> = Vec::new();
    let mut steps = Vec::with_capacity(members.len());
    for (_, stage) in &members {
        let step_inputs = stage.inputs.iter().map(|input| match positions.get(&input.stage) {
            Some(step) => StepInput::Step(*step),
            None => StepInput::Stage(position_of(&mut inputs, input)),
        });
        steps.push(Step { op: Arc::clone(&stage.op), inputs: step_inputs.collect() });
    }
    let scratch = scratch(&members, &steps);
    let (_, last) = members.pop().expect("a group has members");
    let op = Arc::new(Fused::new(steps));
    Stage { op, inputs: renamed(inputs), scratch, ..last }
}

/// Where `input` stands among the inputs of the joined stage; members that read the same share it.
fn position_of(inputs: &mut Vec<Input>, input: &Input) -> u32 {
    let known = inputs.iter().position(|other| other.stage == input.stage && other.wiring == input.wiring);
    let position = known.unwrap_or_else(|| {
        inputs.push(input.clone());
        inputs.len() - 1
    });
    u32::try_from(position).expect("a stage has fewer than 2^32 inputs")
}

/// The most that the joined task holds at once besides its inputs and its result.
fn scratch(members: &[(StageId, Stage)], steps: &[Step]) -> ByteEstimate {
    let last_uses = fused::last_uses(steps);
    let mut live: u64 = 0;
    let mut peak: u64 = 0;
    for (position, (_, stage)) in members.iter().enumerate() {
        let is_result = position + 1 == members.len();
        let (Some(made), Some(own)) = (stage.bytes.bound().or(is_result.then_some(0)), stage.scratch.bound()) else {
            return ByteEstimate::Unknown;
        };
        live = live.saturating_add(if is_result { 0 } else { made });
        peak = peak.max(live.saturating_add(own));
        let dropped = (0..position).filter(|earlier| last_uses[*earlier] == position);
        live -= dropped.filter_map(|earlier| members[earlier].1.bytes.bound()).sum::<u64>();
    }
    ByteEstimate::AtMost(peak)
}

#[cfg(test)]
mod tests;
