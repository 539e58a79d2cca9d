//! Building graphs, and checking them.

use std::collections::HashSet;
use std::sync::Arc;

use thiserror::Error;

use crate::{Output, PartitionSet, Stage, StageId, TaskGraph, Wiring, WiringError};

/// Collects stages and outputs and checks each as it comes.
///
/// A stage can only name stages that were added before it, so that a graph has no cycles by construction.
#[derive(Debug, Default)]
pub struct GraphBuilder {
    stages: Vec<Stage>,
    outputs: Vec<Output>,
    keys: HashSet<Arc<str>>,
    next_suffix: u32,
}

impl GraphBuilder {
    /// An empty graph.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The id that the next stage will get: a stage that reads itself names it.
    #[must_use]
    pub fn next_id(&self) -> StageId {
        StageId(u32::try_from(self.stages.len()).expect("add_stage refuses more stages"))
    }

    /// A key that no stage has yet: `prefix`, or `prefix-1` and so on.
    pub fn unique_key(&mut self, prefix: &str) -> Arc<str> {
        if !self.keys.contains(prefix) {
            return prefix.into();
        }
        loop {
            self.next_suffix += 1;
            let key = format!("{prefix}-{}", self.next_suffix);
            if !self.keys.contains(key.as_str()) {
                return key.into();
            }
        }
    }

    /// The stage `id`, if it was added.
    #[must_use]
    pub fn stage(&self, id: StageId) -> Option<&Stage> {
        self.stages.get(id.index())
    }

    /// Adds a stage.
    ///
    /// # Errors
    /// [`GraphError`] if the key is taken, an input names a stage that was not added before, a wiring does not fit the
    /// numbers of tasks, or a stage reads itself other than by a table that looks back. The graph is as before then.
    pub fn add_stage(&mut self, stage: Stage) -> Result<StageId, GraphError> {
        let id = self.next_id();
        if id.0 == u32::MAX {
            return Err(GraphError::TooManyStages);
        }
        if self.keys.contains(&stage.key) {
            return Err(GraphError::DuplicateKey { key: stage.key });
        }
        for (input_idx, input) in stage.inputs.iter().enumerate() {
            let n_up = match self.stages.get(input.stage.index()) {
                Some(upstream) => upstream.n_tasks,
                None if input.stage == id => self.check_own_input(&stage, input_idx)?,
                None => return Err(GraphError::UnknownStage { key: stage.key, input_idx, stage: input.stage }),
            };
            let checked = input.wiring.check(n_up, stage.n_tasks);
            checked.map_err(|source| GraphError::Wiring { key: Arc::clone(&stage.key), input_idx, source })?;
        }
        if stage.active.end() > stage.n_tasks {
            let partition = stage.active.end() - 1;
            return Err(GraphError::NoSuchPartition { key: stage.key, partition, n_tasks: stage.n_tasks });
        }
        let last_exception = stage.exceptions.last().map(|(partition, _)| *partition);
        if let Some(partition) = last_exception.filter(|partition| *partition >= stage.n_tasks) {
            return Err(GraphError::NoSuchPartition { key: stage.key, partition, n_tasks: stage.n_tasks });
        }
        if !stage.exceptions.is_sorted_by(|a, b| a.0 < b.0) {
            return Err(GraphError::UnsortedExceptions { key: stage.key });
        }
        self.keys.insert(Arc::clone(&stage.key));
        self.stages.push(stage);
        Ok(id)
    }

    /// A stage that reads itself must be able to finish.
    fn check_own_input(&self, stage: &Stage, input_idx: usize) -> Result<u32, GraphError> {
        let looks_back = match &stage.inputs[input_idx].wiring {
            Wiring::Table(table) => table.is_backward(),
            _ => false,
        };
        let is_gang = stage.options.is_gang || stage.exceptions.iter().any(|(_, options)| options.is_gang);
        if looks_back && !is_gang {
            Ok(stage.n_tasks)
        } else {
            Err(GraphError::Cycle { key: Arc::clone(&stage.key), input_idx })
        }
    }

    /// Asks for partitions of a stage.
    ///
    /// # Errors
    /// [`GraphError::UnknownOutput`] and [`GraphError::NoSuchPartition`] if they do not exist.
    pub fn add_output(&mut self, stage: StageId, partitions: PartitionSet) -> Result<(), GraphError> {
        let found = self.stages.get(stage.index()).ok_or(GraphError::UnknownOutput { stage })?;
        if partitions.end() > found.n_tasks {
            let (key, partition) = (Arc::clone(&found.key), partitions.end() - 1);
            return Err(GraphError::NoSuchPartition { key, partition, n_tasks: found.n_tasks });
        }
        self.outputs.push(Output { stage, partitions });
        Ok(())
    }

    /// Asks for all partitions of a stage.
    ///
    /// # Errors
    /// [`GraphError::UnknownOutput`] if the stage does not exist.
    pub fn add_output_all(&mut self, stage: StageId) -> Result<(), GraphError> {
        let n_tasks = self.stage(stage).ok_or(GraphError::UnknownOutput { stage })?.n_tasks;
        self.add_output(stage, PartitionSet::all(n_tasks))
    }

    /// The graph.
    ///
    /// # Errors
    /// [`GraphError::InactiveInput`] and [`GraphError::InactiveOutput`] if a task that does not run is needed, and
    /// [`GraphError::TooIrregular`] if that takes too long to find out; possible only if a stage was added with some of its
    /// tasks switched off.
    pub fn build(self) -> Result<TaskGraph, GraphError> {
        let graph = TaskGraph::from_checked(self.stages, self.outputs);
        crate::cull::check_active(&graph)?;
        Ok(graph)
    }
}

/// Why a graph is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum GraphError {
    /// Two stages have the same key.
    #[error("two stages have the key `{key}`")]
    DuplicateKey {
        /// The key.
        key: Arc<str>,
    },
    /// An input names a stage that was not added before.
    #[error("input {input_idx} of `{key}` names {stage}, which was not added before it")]
    UnknownStage {
        /// The reading stage.
        key: Arc<str>,
        /// Its input.
        input_idx: usize,
        /// The stage that is named.
        stage: StageId,
    },
    /// A wiring does not fit.
    #[error("input {input_idx} of `{key}`: {source}")]
    Wiring {
        /// The reading stage.
        key: Arc<str>,
        /// Its input.
        input_idx: usize,
        /// What does not fit.
        source: WiringError,
    },
    /// A stage reads itself in a way that may never end.
    #[error(
        "input {input_idx} of `{key}` reads the stage itself: only a table that names earlier partitions may, and no gang"
    )]
    Cycle {
        /// The stage.
        key: Arc<str>,
        /// Its input.
        input_idx: usize,
    },
    /// A partition that a stage does not have is asked for, switched on or given options.
    #[error("partition {partition} of `{key}` is named, the stage has {n_tasks}")]
    NoSuchPartition {
        /// The stage.
        key: Arc<str>,
        /// The partition.
        partition: u32,
        /// How many it has.
        n_tasks: u32,
    },
    /// Options of single tasks are not in ascending order of partitions.
    #[error("the options of single tasks of `{key}` are not in ascending order")]
    UnsortedExceptions {
        /// The stage.
        key: Arc<str>,
    },
    /// An output names a stage that was not added.
    #[error("an output names {stage}, which does not exist")]
    UnknownOutput {
        /// The stage that is named.
        stage: StageId,
    },
    /// A task that is switched off is an input of one that runs.
    #[error("a task of `{key}` that runs reads `{input_key}[{partition}]`, which is switched off")]
    InactiveInput {
        /// The reading stage.
        key: Arc<str>,
        /// The stage that is read.
        input_key: Arc<str>,
        /// The partition that is switched off.
        partition: u32,
    },
    /// An output asks for a task that is switched off.
    #[error("partition {partition} of `{key}` is asked for, and switched off")]
    InactiveOutput {
        /// The stage.
        key: Arc<str>,
        /// The partition.
        partition: u32,
    },
    /// Some of the tasks of two large stages are switched off, and whether those that run read only such as run could be
    /// found out only one by one.
    #[error("input {input_idx} of `{key}` joins too many tasks, too irregularly, to check which of them run")]
    TooIrregular {
        /// The reading stage.
        key: Arc<str>,
        /// Its input.
        input_idx: usize,
    },
    /// More stages than 32 bits can number.
    #[error("a graph has at most {} stages", u32::MAX)]
    TooManyStages,
}
