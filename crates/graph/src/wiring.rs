//! Which upstream partitions each task of a stage reads.

mod axis;
mod blocks;
mod indices;
mod table;

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use axis::AxisMap;
pub use blocks::{BlockAxis, Blocks, Grid};
pub use table::Table;

/// Which partitions of an upstream stage a task reads, for all tasks of a stage at once.
///
/// A wiring is a relation between the `n_up` tasks of the upstream stage and the `n_down` tasks of the reading stage. It is
/// asked in both directions, and both agree: `q` is an input of `p` exactly if `p` is a consumer of `q`. No pair occurs
/// twice. Questions take time in proportion to the answer and allocate nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Wiring {
    /// Task `p` reads partition `p`; both stages have the same number of tasks.
    Same,
    /// Every task reads every partition.
    All,
    /// Every task reads the one partition.
    Broadcast {
        /// The upstream partition.
        partition: u32,
    },
    /// Task `p` reads partitions `p * fan_in` up to `(p + 1) * fan_in`, the last task what is left.
    Tree {
        /// The largest number of partitions that one task reads, at least 1.
        fan_in: u32,
    },
    /// Blocks of an array: which block of an input each block of the output reads is computed axis by axis.
    Blocks(Arc<Blocks>),
    /// Irregular wiring, written down as lists. The only wiring by which a stage may read its own earlier partitions.
    Table(Arc<Table>),
    /// Every task reads its piece of every partition: the upstream values are made of `n_down` pieces, see
    /// [`Value::piece`](crate::Value::piece).
    Exchange(ExchangeKind),
}

/// By what an exchange divides its rows. The scheduler treats all kinds alike; pictures and events name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum ExchangeKind {
    /// By the hash of some columns.
    Hash,
    /// By ranges of some columns.
    Range,
    /// Evenly, without regard to the contents.
    RoundRobin,
    /// Everything to one task.
    Single,
}

impl Wiring {
    /// The number of upstream partitions that task `p` reads.
    #[must_use]
    pub fn n_inputs(&self, n_up: u32, n_down: u32, p: u32) -> u32 {
        debug_assert!(p < n_down, "task {p} of {n_down}");
        match self {
            Self::Same | Self::Broadcast { .. } => 1,
            Self::All | Self::Exchange(_) => n_up,
            Self::Tree { fan_in } => tree_end(n_up, *fan_in, p) - tree_start(n_up, *fan_in, p),
            Self::Blocks(blocks) => blocks.n_inputs(p),
            Self::Table(table) => len_u32(table.inputs(p)),
        }
    }

    /// Calls `f` with each upstream partition that task `p` reads, in the order in which the task gets them.
    pub fn for_each_input(&self, n_up: u32, n_down: u32, p: u32, mut f: impl FnMut(u32)) {
        debug_assert!(p < n_down, "task {p} of {n_down}");
        match self {
            Self::Same => f(p),
            Self::Broadcast { partition } => f(*partition),
            Self::All | Self::Exchange(_) => (0..n_up).for_each(f),
            Self::Tree { fan_in } => (tree_start(n_up, *fan_in, p)..tree_end(n_up, *fan_in, p)).for_each(f),
            Self::Blocks(blocks) => blocks.for_each_input(p, f),
            Self::Table(table) => table.inputs(p).iter().copied().for_each(f),
        }
    }

    /// The number of tasks that read upstream partition `q`.
    #[must_use]
    pub fn n_consumers(&self, n_up: u32, n_down: u32, q: u32) -> u32 {
        debug_assert!(q < n_up, "partition {q} of {n_up}");
        match self {
            Self::Same | Self::Tree { .. } => 1,
            Self::All | Self::Exchange(_) => n_down,
            Self::Broadcast { partition } => {
                if q == *partition {
                    n_down
                } else {
                    0
                }
            }
            Self::Blocks(blocks) => blocks.n_consumers(q),
            Self::Table(table) => len_u32(table.consumers(q)),
        }
    }

    /// Calls `f` with each task that reads upstream partition `q`.
    pub fn for_each_consumer(&self, n_up: u32, n_down: u32, q: u32, mut f: impl FnMut(u32)) {
        debug_assert!(q < n_up, "partition {q} of {n_up}");
        match self {
            Self::Same => f(q),
            Self::Tree { fan_in } => f(q / fan_in),
            Self::All | Self::Exchange(_) => (0..n_down).for_each(f),
            Self::Broadcast { partition } => {
                if q == *partition {
                    (0..n_down).for_each(f);
                }
            }
            Self::Blocks(blocks) => blocks.for_each_consumer(q, f),
            Self::Table(table) => table.consumers(q).iter().copied().for_each(f),
        }
    }

    /// Whether every task reads every upstream partition, so that one counter for the whole stage says when all its tasks
    /// are ready.
    #[must_use]
    pub fn is_all_to_all(&self) -> bool {
        matches!(self, Self::All | Self::Exchange(_))
    }

    /// Whether task `p` reads partition `p` and nothing else, however that is written.
    #[must_use]
    pub fn is_same(&self, n_up: u32, n_down: u32) -> bool {
        match self {
            Self::Same => true,
            Self::Blocks(blocks) => blocks.is_same(),
            Self::Exchange(_) => false,
            Self::All | Self::Broadcast { .. } | Self::Tree { .. } | Self::Table(_) => {
                (n_up, n_down) == (1, 1) && self.n_inputs(1, 1, 0) == 1
            }
        }
    }

    /// The number of tasks above which a tree reduction of `n_up` partitions makes no sense: one for each `fan_in`.
    #[must_use]
    pub fn tree_n_tasks(n_up: u32, fan_in: u32) -> u32 {
        n_up.div_ceil(fan_in.max(1))
    }

    /// Checks that the wiring joins a stage of `n_up` tasks to one of `n_down` tasks.
    ///
    /// # Errors
    /// [`WiringError`] with what does not fit.
    pub fn check(&self, n_up: u32, n_down: u32) -> Result<(), WiringError> {
        let counts = |want_up, want_down| match (want_up, want_down) == (n_up, n_down) {
            true => Ok(()),
            false => Err(WiringError::TaskCounts { n_up, n_down, expected_up: want_up, expected_down: want_down }),
        };
        match self {
            Self::All | Self::Exchange(_) => Ok(()),
            Self::Same => counts(n_up, n_up),
            Self::Broadcast { partition } if *partition >= n_up && n_down > 0 => {
                Err(WiringError::NoSuchPartition { partition: *partition, n_up })
            }
            Self::Broadcast { .. } => Ok(()),
            Self::Tree { fan_in: 0 } => Err(WiringError::ZeroFanIn),
            Self::Tree { fan_in } => counts(n_up, Self::tree_n_tasks(n_up, *fan_in)),
            Self::Blocks(blocks) => counts(blocks.up().n_blocks(), blocks.down().n_blocks()),
            Self::Table(table) => counts(table.n_up(), table.n_down()),
        }
    }
}

/// A short form for pictures: `same`, `tree 8`, `exchange hash`.
impl fmt::Display for Wiring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Same => f.write_str("same"),
            Self::All => f.write_str("all"),
            Self::Broadcast { partition } => write!(f, "broadcast [{partition}]"),
            Self::Tree { fan_in } => write!(f, "tree {fan_in}"),
            Self::Blocks(blocks) => write!(f, "blocks {blocks}"),
            Self::Table(table) => write!(f, "table of {}", table.n_edges()),
            Self::Exchange(kind) => write!(f, "exchange {kind}"),
        }
    }
}

impl fmt::Display for ExchangeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hash => "hash",
            Self::Range => "range",
            Self::RoundRobin => "round robin",
            Self::Single => "single",
        })
    }
}

fn tree_start(n_up: u32, fan_in: u32, p: u32) -> u32 {
    p.saturating_mul(fan_in).min(n_up)
}

fn tree_end(n_up: u32, fan_in: u32, p: u32) -> u32 {
    p.saturating_add(1).saturating_mul(fan_in).min(n_up)
}

fn len_u32(list: &[u32]) -> u32 {
    u32::try_from(list.len()).expect("a list in a table has at most u32::MAX entries")
}

/// Why a wiring cannot be made, or cannot join two stages.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum WiringError {
    /// The stages have other numbers of tasks than the wiring joins.
    #[error("the wiring joins {expected_up} tasks to {expected_down}, the stages have {n_up} and {n_down}")]
    TaskCounts {
        /// Tasks of the upstream stage.
        n_up: u32,
        /// Tasks of the reading stage.
        n_down: u32,
        /// Tasks that the upstream stage needs.
        expected_up: u32,
        /// Tasks that the reading stage needs.
        expected_down: u32,
    },
    /// Lists were made for an upstream stage of another size.
    #[error("the lists are for an upstream of {expected_up}, it has {n_up}")]
    UpstreamTasks {
        /// Tasks of the upstream stage, or blocks along the axis.
        n_up: u32,
        /// What the lists are for.
        expected_up: u32,
    },
    /// A partition is named that the upstream stage does not have.
    #[error("partition {partition} is named, the stage has {n_up}")]
    NoSuchPartition {
        /// The partition.
        partition: u32,
        /// Tasks of the upstream stage.
        n_up: u32,
    },
    /// A tree in which no task reads anything.
    #[error("a tree needs a fan-in of at least 1")]
    ZeroFanIn,
    /// A list names the same partition twice.
    #[error("task {task} names partition {partition} twice")]
    Repeated {
        /// The reading task.
        task: u32,
        /// The partition it names twice.
        partition: u32,
    },
    /// More tasks, blocks or edges than 32 bits can number.
    #[error("more than {} tasks, blocks or edges", u32::MAX)]
    TooLarge,
    /// The map of an array's axes does not give one entry for each axis of the input.
    #[error("{n_axes} axes are described, the grid of blocks has {expected}")]
    AxisCount {
        /// Entries given.
        n_axes: usize,
        /// Axes of the grid.
        expected: usize,
    },
    /// An entry refers to an axis that the output does not have.
    #[error("axis {axis} is named, the output has {n_axes}")]
    NoSuchAxis {
        /// The axis.
        axis: usize,
        /// Axes of the output.
        n_axes: usize,
    },
    /// The map of one axis is impossible.
    #[error("axis {axis}: {problem}")]
    Axis {
        /// The axis of the input.
        axis: usize,
        /// What is wrong.
        problem: AxisProblem,
    },
}

/// What is wrong with the map of one axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AxisProblem {
    /// A step or size of zero.
    #[error("a step or a size is zero")]
    Zero,
    /// A fixed index beyond the number of blocks.
    #[error("the fixed block is outside the grid")]
    OutOfRange,
    /// The list of ranges has another length than the output has blocks.
    #[error("there is not one range for each block of the output")]
    RangeCount,
    /// Starts or ends of ranges go down, or a range ends before it starts or outside the grid.
    #[error("the ranges are not in ascending order inside the grid")]
    RangeOrder,
    /// A table that joins other numbers of blocks.
    #[error("the table joins other numbers of blocks")]
    TableSize,
    /// A window that wraps around joins axes of different numbers of blocks.
    #[error("a window that wraps needs as many blocks in the output as in the input")]
    WrapCount,
}

#[cfg(test)]
pub(crate) mod tests;
