//! Pictures of graphs: text, DOT and SVG.

mod dot;
mod layout;
mod svg;
mod text;

use thiserror::Error;

use crate::delayed::{Computable, LowerError, lower_delayed};
use crate::{ByteEstimate, Stage, StageId, TaskGraph, TaskId};

/// A drawing of a graph: boxes for stages or for tasks, and arrows along which values flow.
///
/// ```
/// use dolmen_graph::{delayed, visualize};
///
/// let inc = delayed(|x: i64| x + 1).named("inc");
/// let add = delayed(|x: i64, y: i64| x + y).named("add");
/// let picture = visualize(&add.call((inc.call(1), inc.call(2))))?;
/// assert!(picture.to_text().starts_with("add-"));
/// assert!(picture.to_dot().starts_with("digraph"));
/// assert!(picture.to_svg().starts_with("<svg"));
/// # Ok::<(), dolmen_graph::PictureError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    nodes: Vec<Node>,
    /// In the order of the inputs of each reader.
    edges: Vec<Edge>,
}

/// A stage or a task.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Node {
    /// Its key.
    key: String,
    /// What it does and how much.
    details: Vec<String>,
    is_output: bool,
}

/// Values that flow.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Edge {
    from: u32,
    to: u32,
    /// The wiring; nothing between tasks.
    label: String,
}

/// As many tasks, and ten times as many arrows, are drawn at most.
const N_TASKS_MAX: u64 = 10_000;

/// Why a graph cannot be drawn.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PictureError {
    /// Too many tasks to look at.
    #[error(
        "{n_tasks} tasks with {n_edges} inputs are too many to draw, at most {n_tasks_max} are: draw the stages instead"
    )]
    TooLarge {
        /// Tasks that run.
        n_tasks: u64,
        /// Values that they read.
        n_edges: u64,
        /// How many tasks are drawn at most.
        n_tasks_max: u64,
    },
    /// The delayed values are no sound graph.
    #[error(transparent)]
    Lower(#[from] LowerError),
}

/// Draws the calls behind delayed values, one box for each.
///
/// # Errors
/// [`PictureError`] if the values cannot be lowered or are too many to draw.
pub fn visualize<X: Computable>(what: X) -> Result<Picture, PictureError> {
    Picture::of_tasks(lower_delayed(what)?.graph())
}

impl Picture {
    /// Draws one box for each stage, with the number of its tasks that run.
    #[must_use]
    pub fn of_stages(graph: &TaskGraph) -> Self {
        // Stages without a wanted task are left out.
        let drawn: Vec<(StageId, &Stage)> = graph.stages().filter(|(_, stage)| stage.n_active() > 0).collect();
        let number = |id: StageId| drawn.partition_point(|(other, _)| *other < id) as u32;
        let nodes = drawn.iter().map(|(id, stage)| stage_node(graph, *id, stage)).collect();
        let mut edges = Vec::new();
        for (id, stage) in &drawn {
            // A stage that reads itself says so in its box.
            let inputs =
                stage.inputs.iter().filter(|input| input.stage != *id && graph.stage(input.stage).n_active() > 0);
            edges.extend(inputs.map(|input| Edge {
                from: number(input.stage),
                to: number(*id),
                label: input.wiring.to_string(),
            }));
        }
        Self { nodes, edges }
    }

    /// Draws one box for each task that runs.
    ///
    /// # Errors
    /// [`PictureError::TooLarge`] if there are more than 10,000 of them, or more than ten times as many inputs.
    pub fn of_tasks(graph: &TaskGraph) -> Result<Self, PictureError> {
        let n_tasks = graph.n_tasks();
        let tasks = || graph.stages().flat_map(|(id, stage)| stage.active.iter().map(move |p| TaskId::new(id, p)));
        let too_large = |n_edges| PictureError::TooLarge { n_tasks, n_edges, n_tasks_max: N_TASKS_MAX };
        if n_tasks > N_TASKS_MAX {
            return Err(too_large(n_edges_at_stage_level(graph)));
        }
        let n_edges = tasks().map(|task| u64::from(graph.n_inputs(task))).sum::<u64>();
        if n_edges > 10 * N_TASKS_MAX {
            return Err(too_large(n_edges));
        }
        // Stages come one after the other; within one, a task's number is its rank among those that run.
        let mut first = 0_u32;
        let firsts: Vec<u32> = graph
            .stages()
            .map(|(_, stage)| {
                let start = first;
                first += stage.n_active();
                start
            })
            .collect();
        let ranks: Vec<Vec<u32>> = graph.stages().map(|(_, stage)| stage.active.iter().collect()).collect();
        let number = |task: TaskId| {
            let rank = ranks[task.stage.index()].binary_search(&task.partition).unwrap_or(0);
            firsts[task.stage.index()] + u32::try_from(rank).unwrap_or(0)
        };
        let mut edges = Vec::new();
        for task in tasks() {
            graph.for_each_input(task, |_, upstream| {
                edges.push(Edge { from: number(upstream), to: number(task), label: String::new() });
            });
        }
        Ok(Self { nodes: tasks().map(|task| task_node(graph, task)).collect(), edges })
    }

    /// The picture as an indented list: outputs, below each what it reads.
    #[must_use]
    pub fn to_text(&self) -> String {
        text::draw(self)
    }

    /// The picture in the language of Graphviz.
    #[must_use]
    pub fn to_dot(&self) -> String {
        dot::draw(self)
    }

    /// The picture as a drawing for browsers, laid out from top to bottom.
    #[must_use]
    pub fn to_svg(&self) -> String {
        svg::draw(self)
    }

    /// For each node the edges that lead to it, in order.
    fn inputs(&self) -> Vec<Vec<&Edge>> {
        let mut inputs: Vec<Vec<&Edge>> = vec![Vec::new(); self.nodes.len()];
        for edge in &self.edges {
            inputs[edge.to as usize].push(edge);
        }
        inputs
    }
}

fn n_edges_at_stage_level(graph: &TaskGraph) -> u64 {
    let inputs = graph.stages().flat_map(|(_, stage)| stage.inputs.iter().map(move |input| (stage, input)));
    inputs
        .map(|(stage, input)| match &input.wiring {
            wiring if wiring.is_all_to_all() => {
                u64::from(stage.n_active()) * u64::from(graph.stage(input.stage).n_tasks)
            }
            wiring => {
                let n_up = graph.stage(input.stage).n_tasks;
                stage.active.iter().map(|p| u64::from(wiring.n_inputs(n_up, stage.n_tasks, p))).sum()
            }
        })
        .sum()
}

fn stage_node(graph: &TaskGraph, id: StageId, stage: &Stage) -> Node {
    let n = stage.n_active();
    let mut details = Vec::new();
    let label = stage_label(stage);
    if *label != *stage.key {
        details.push(label);
    }
    let plural = if n == 1 { "" } else { "s" };
    details.push(match n == stage.n_tasks {
        true => format!("{n} task{plural}"),
        false => format!("{n} task{plural} of {}", stage.n_tasks),
    });
    if stage.bytes != ByteEstimate::Unknown {
        details.push(format!("{} bytes each", stage.bytes));
    }
    if let Some(table) = graph.own_table(id) {
        details.push(format!("reads itself by a table of {}", table.n_edges()));
    }
    Node { key: stage.key.to_string(), details, is_output: !graph.kept(id).is_empty() }
}

/// What the tasks of a stage do; where they do different things, the name of the operation.
fn stage_label(stage: &Stage) -> String {
    let is_one_thing = stage.op.task_key(0).is_none() && stage.n_tasks > 0;
    if is_one_thing { stage.op.label(0) } else { stage.op.name().to_owned() }
}

fn task_node(graph: &TaskGraph, task: TaskId) -> Node {
    let stage = graph.stage(task.stage);
    let (key, label) = (graph.task_key(task), stage.op.label(task.partition));
    // The key of a call starts with its label.
    let details = if key.starts_with(&label) { Vec::new() } else { vec![label] };
    Node { key, details, is_output: graph.kept(task.stage).contains(task.partition) }
}

#[cfg(test)]
mod tests;
