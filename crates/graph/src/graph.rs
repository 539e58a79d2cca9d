//! Graphs of stages.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Op, PartitionSet, StageId, Table, TaskId, Wiring};

/// A family of tasks that run the same operation on different partitions.
#[derive(Debug, Clone)]
pub struct Stage {
    /// The name of the stage, unique in its graph. Errors and pictures call task `p` of it `key[p]`.
    pub key: Arc<str>,
    /// The number of partitions. Task `p` makes partition `p`; only the [`active`](Self::active) ones run.
    pub n_tasks: u32,
    /// What each task does.
    pub op: Arc<dyn Op>,
    /// What each task reads.
    pub inputs: Vec<Input>,
    /// The bytes of each task's result.
    pub bytes: ByteEstimate,
    /// The bytes that a task needs while it runs, besides its inputs and its result.
    pub scratch: ByteEstimate,
    /// How the tasks are run.
    pub options: TaskOptions,
    /// Tasks that are run in another way than `options` says, in ascending order of partitions.
    pub exceptions: Arc<[(u32, TaskOptions)]>,
    /// The tasks that are wanted. [`cull`](crate::cull) narrows it; partitions keep their numbers. Every input of an
    /// active task is active.
    pub active: PartitionSet,
}

impl Stage {
    /// A stage without inputs, all of whose tasks are wanted, with unknown bytes and the usual options.
    pub fn new(key: impl Into<Arc<str>>, n_tasks: u32, op: Arc<dyn Op>) -> Self {
        Self {
            key: key.into(),
            n_tasks,
            op,
            inputs: Vec::new(),
            bytes: ByteEstimate::Unknown,
            scratch: ByteEstimate::Exact(0),
            options: TaskOptions::default(),
            exceptions: Arc::new([]),
            active: PartitionSet::all(n_tasks),
        }
    }

    /// The stage with one more input.
    #[must_use]
    pub fn input(mut self, stage: StageId, wiring: Wiring) -> Self {
        self.inputs.push(Input { stage, wiring });
        self
    }

    /// The stage with an estimate of the bytes that each task makes.
    #[must_use]
    pub fn bytes(mut self, bytes: ByteEstimate) -> Self {
        self.bytes = bytes;
        self
    }

    /// The stage with an estimate of the bytes that each task needs besides inputs and result.
    #[must_use]
    pub fn scratch(mut self, scratch: ByteEstimate) -> Self {
        self.scratch = scratch;
        self
    }

    /// The stage with other options.
    #[must_use]
    pub fn options(mut self, options: TaskOptions) -> Self {
        self.options = options;
        self
    }

    /// How the task of `partition` is run.
    #[must_use]
    pub fn options_of(&self, partition: u32) -> &TaskOptions {
        if self.exceptions.is_empty() {
            return &self.options;
        }
        let found = self.exceptions.binary_search_by_key(&partition, |(partition, _)| *partition);
        found.map_or(&self.options, |idx| &self.exceptions[idx].1)
    }

    /// The number of tasks that run.
    #[must_use]
    pub fn n_active(&self) -> u32 {
        self.active.len()
    }
}

/// One input of a stage.
#[derive(Debug, Clone)]
pub struct Input {
    /// The stage that is read: an earlier one or, by a [`Wiring::Table`] that looks back only, the stage itself.
    pub stage: StageId,
    /// Which of its partitions each task reads.
    pub wiring: Wiring,
}

/// The bytes of something that each task of a stage has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ByteEstimate {
    /// So many.
    Exact(u64),
    /// No more than so many.
    AtMost(u64),
    /// Not known before a task has run.
    Unknown,
}

impl ByteEstimate {
    /// The upper bound, if one is known.
    #[must_use]
    pub fn bound(self) -> Option<u64> {
        match self {
            Self::Exact(bytes) | Self::AtMost(bytes) => Some(bytes),
            Self::Unknown => None,
        }
    }

    /// What two things have together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        match (self, other) {
            (Self::Exact(a), Self::Exact(b)) => Self::Exact(a.saturating_add(b)),
            (Self::Exact(a) | Self::AtMost(a), Self::Exact(b) | Self::AtMost(b)) => Self::AtMost(a.saturating_add(b)),
            _ => Self::Unknown,
        }
    }
}

/// `1048576`, `at most 1048576`, `unknown`.
impl fmt::Display for ByteEstimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(bytes) => write!(f, "{bytes}"),
            Self::AtMost(bytes) => write!(f, "at most {bytes}"),
            Self::Unknown => f.write_str("unknown"),
        }
    }
}

/// How tasks are run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskOptions {
    /// How often a task that failed for a [transient](crate::TaskError::is_transient) reason is tried again.
    pub retries: u32,
    /// How long one attempt may take.
    pub timeout: Option<Duration>,
    /// Tasks of higher priority start first; 0 is usual.
    pub priority: i32,
    /// Whether the tasks of the stage run all at the same time or not at all: they talk to each other.
    pub is_gang: bool,
    /// Whether the tasks of a gang take no worker, because they wait most of the time: for each other, or for a reader who
    /// takes as long as he likes. Without effect on other tasks.
    pub is_light: bool,
}

impl TaskOptions {
    /// Of tasks that start together and take no worker.
    #[must_use]
    pub fn light_gang() -> Self {
        Self { is_gang: true, is_light: true, ..Self::default() }
    }

    /// Whether tasks with these options start together and take no worker.
    #[must_use]
    pub fn is_light_gang(&self) -> bool {
        self.is_gang && self.is_light
    }
}

/// Partitions of a stage whose values are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// The stage.
    pub stage: StageId,
    /// The partitions; their values are handed over in ascending order.
    pub partitions: PartitionSet,
}

/// Stages in topological order, and what is asked of them.
///
/// Made by [`GraphBuilder`](crate::GraphBuilder), which has checked it, and never changed: [`cull`](crate::cull) and
/// [`fuse`](crate::fuse) give new graphs. Its size does not depend on the number of tasks, other than by tables and lists
/// that irregular wiring writes down.
#[derive(Debug, Clone)]
pub struct TaskGraph {
    stages: Vec<Stage>,
    outputs: Vec<Output>,
    /// For each stage where its entries of `consumers` end.
    consumer_ends: Vec<u32>,
    consumers: Vec<(StageId, u32)>,
    /// For each stage the union of what outputs ask of it.
    kept: Vec<PartitionSet>,
}

impl TaskGraph {
    /// Only for checked parts: every id is in range, inputs come before their stage.
    pub(crate) fn from_checked(stages: Vec<Stage>, outputs: Vec<Output>) -> Self {
        let mut consumer_ends = vec![0_u32; stages.len()];
        for input in stages.iter().flat_map(|stage| &stage.inputs) {
            consumer_ends[input.stage.index()] += 1;
        }
        let mut start = 0;
        for count in &mut consumer_ends {
            start += std::mem::replace(count, start);
        }
        let mut consumers = vec![(StageId(0), 0); start as usize];
        for (id, stage) in (0..).map(StageId).zip(&stages) {
            for (input_idx, input) in (0..).zip(&stage.inputs) {
                let next = &mut consumer_ends[input.stage.index()];
                consumers[*next as usize] = (id, input_idx);
                *next += 1;
            }
        }
        let mut kept = vec![PartitionSet::empty(); stages.len()];
        for output in &outputs {
            let set = &mut kept[output.stage.index()];
            *set = set.union(&output.partitions);
        }
        Self { stages, outputs, consumer_ends, consumers, kept }
    }

    /// The number of stages.
    #[must_use]
    pub fn n_stages(&self) -> u32 {
        u32::try_from(self.stages.len()).expect("ids of stages are u32")
    }

    /// The number of tasks that run.
    #[must_use]
    pub fn n_tasks(&self) -> u64 {
        self.stages.iter().map(|stage| u64::from(stage.n_active())).sum()
    }

    /// The stage `id`.
    ///
    /// # Panics
    /// If `id` is of another graph and out of range.
    #[must_use]
    pub fn stage(&self, id: StageId) -> &Stage {
        &self.stages[id.index()]
    }

    /// All stages in topological order with their ids.
    pub fn stages(&self) -> impl DoubleEndedIterator<Item = (StageId, &Stage)> + ExactSizeIterator {
        self.stages
            .iter()
            .enumerate()
            .map(|(idx, stage)| (StageId(u32::try_from(idx).expect("ids of stages are u32")), stage))
    }

    /// The stages that read stage `id`, each with the index of the input by which it does. A stage that reads itself is
    /// among them.
    #[must_use]
    pub fn consumers(&self, id: StageId) -> &[(StageId, u32)] {
        let start = if id.0 == 0 { 0 } else { self.consumer_ends[id.index() - 1] };
        &self.consumers[start as usize..self.consumer_ends[id.index()] as usize]
    }

    /// What is asked for.
    #[must_use]
    pub fn outputs(&self) -> &[Output] {
        &self.outputs
    }

    /// The partitions of stage `id` that some output asks for.
    #[must_use]
    pub fn kept(&self, id: StageId) -> &PartitionSet {
        &self.kept[id.index()]
    }

    /// The key of a task: `sum[3]`, or a name of its own.
    #[must_use]
    pub fn task_key(&self, task: TaskId) -> String {
        let stage = self.stage(task.stage);
        let own = stage.op.task_key(task.partition);
        own.unwrap_or_else(|| format!("{}[{}]", stage.key, task.partition))
    }

    /// The number of values that `task` reads.
    #[must_use]
    pub fn n_inputs(&self, task: TaskId) -> u32 {
        let stage = self.stage(task.stage);
        stage.inputs.iter().map(|input| self.n_inputs_of(stage, input, task.partition)).sum()
    }

    fn n_inputs_of(&self, stage: &Stage, input: &Input, partition: u32) -> u32 {
        input.wiring.n_inputs(self.stage(input.stage).n_tasks, stage.n_tasks, partition)
    }

    /// Calls `f` with the index of the input and the task behind each value that `task` reads, in order.
    pub fn for_each_input(&self, task: TaskId, mut f: impl FnMut(u32, TaskId)) {
        let stage = self.stage(task.stage);
        for (input_idx, input) in (0..).zip(&stage.inputs) {
            let n_up = self.stage(input.stage).n_tasks;
            let each = |partition| f(input_idx, TaskId::new(input.stage, partition));
            input.wiring.for_each_input(n_up, stage.n_tasks, task.partition, each);
        }
    }

    /// The number of times that active tasks read the value of `task`.
    #[must_use]
    pub fn n_consumers(&self, task: TaskId) -> u32 {
        let n_up = self.stage(task.stage).n_tasks;
        let consumers = self.consumers(task.stage).iter();
        consumers
            .map(|(id, input_idx)| {
                let stage = self.stage(*id);
                let wiring = &stage.inputs[*input_idx as usize].wiring;
                if stage.active.is_all(stage.n_tasks) {
                    wiring.n_consumers(n_up, stage.n_tasks, task.partition)
                } else if wiring.is_all_to_all() {
                    stage.n_active()
                } else {
                    let mut n = 0;
                    wiring.for_each_consumer(n_up, stage.n_tasks, task.partition, |p| {
                        n += u32::from(stage.active.contains(p));
                    });
                    n
                }
            })
            .sum()
    }

    /// Calls `f` with each active task that reads the value of `task`, and the index of the input by which it does.
    pub fn for_each_consumer(&self, task: TaskId, mut f: impl FnMut(u32, TaskId)) {
        let n_up = self.stage(task.stage).n_tasks;
        for (id, input_idx) in self.consumers(task.stage) {
            let stage = self.stage(*id);
            let is_all = stage.active.is_all(stage.n_tasks);
            stage.inputs[*input_idx as usize].wiring.for_each_consumer(n_up, stage.n_tasks, task.partition, |p| {
                if is_all || stage.active.contains(p) {
                    f(*input_idx, TaskId::new(*id, p));
                }
            });
        }
    }

    /// The table by which stage `id` reads its own earlier partitions, if it does.
    #[must_use]
    pub fn own_table(&self, id: StageId) -> Option<&Table> {
        self.stage(id).inputs.iter().find_map(|input| match &input.wiring {
            Wiring::Table(table) if input.stage == id => Some(&**table),
            _ => None,
        })
    }

    pub(crate) fn into_parts(self) -> (Vec<Stage>, Vec<Output>) {
        (self.stages, self.outputs)
    }
}
