//! Names of stages and tasks as dense numbers.

use std::fmt;

/// The number of a stage in its graph, dense from 0 in topological order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StageId(pub u32);

impl StageId {
    /// The number as an index into a list of stages.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for StageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stage {}", self.0)
    }
}

/// One task: a stage and the index of one of its partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId {
    /// The stage.
    pub stage: StageId,
    /// The partition of it, smaller than the stage's number of tasks.
    pub partition: u32,
}

impl TaskId {
    /// The task of `partition` in `stage`.
    #[must_use]
    pub fn new(stage: StageId, partition: u32) -> Self {
        Self { stage, partition }
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]", self.stage.0, self.partition)
    }
}
