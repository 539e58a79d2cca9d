//! Which blocks along one axis of an input a block along one axis of the output reads.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use super::indices::Indices;
use super::{AxisProblem, Table};

/// Which block indices of an input's axis belong to block index `i` of an axis of the output.
///
/// `n_up` and `n_down` are the numbers of blocks along the two axes. Indices outside `0..n_up` are left out, so that a map
/// may give some blocks nothing: the parts of a concatenation do.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum AxisMap {
    /// `offset + step * i`: the identity (`0`, `1`), a part of a concatenation, a slice at block borders, a reversal.
    Affine {
        /// The index that belongs to `i = 0`.
        offset: i64,
        /// By how much it moves for each `i`; not zero.
        step: i64,
    },
    /// `size` neighbours, `i * size` up to `(i + 1) * size`: a reduction.
    Group {
        /// Blocks in a group, at least 1.
        size: u32,
    },
    /// The block `i / size`: blocks that are cut into `size` parts.
    Split {
        /// Parts of a block, at least 1.
        size: u32,
    },
    /// `i` with its neighbours: a halo.
    Window {
        /// Neighbours before.
        before: u32,
        /// Neighbours behind.
        after: u32,
        /// Whether the axis is a ring, so that the first block is a neighbour of the last.
        wraps: bool,
    },
    /// A slice of `len` elements from `offset` on, and a change of chunks, where all chunks but the last have the same size.
    Elements {
        /// The first element of the input that the output shows.
        offset: u64,
        /// The number of elements of the output.
        len: u64,
        /// Elements in a chunk of the input, at least 1.
        up_size: u64,
        /// Elements in a chunk of the output, at least 1.
        down_size: u64,
    },
    /// One range for each `i`, starts and ends both in ascending order: slices and changes of irregular chunks.
    Ranges(Arc<[(u32, u32)]>),
    /// One list for each `i`: fancy indexing.
    Lists(Arc<Table>),
}

impl AxisMap {
    /// Block `i` of the output belongs to block `i` of the input.
    pub const SAME: Self = Self::Affine { offset: 0, step: 1 };

    /// Checks the map against the numbers of blocks along the two axes.
    pub(super) fn check(&self, n_up: u32, n_down: u32) -> Result<(), AxisProblem> {
        let problem = match self {
            Self::Affine { step: 0, .. }
            | Self::Group { size: 0 }
            | Self::Split { size: 0 }
            | Self::Elements { up_size: 0, .. }
            | Self::Elements { down_size: 0, .. } => AxisProblem::Zero,
            Self::Window { wraps: true, .. } if n_up != n_down => AxisProblem::WrapCount,
            Self::Ranges(ranges) if ranges.len() != n_down as usize => AxisProblem::RangeCount,
            Self::Ranges(ranges) => {
                let inside = ranges.iter().all(|(start, end)| start <= end && *end <= n_up);
                let ascends = ranges.is_sorted_by(|a, b| a.0 <= b.0 && a.1 <= b.1);
                if inside && ascends {
                    return Ok(());
                }
                AxisProblem::RangeOrder
            }
            Self::Lists(table) if (table.n_up(), table.n_down()) != (n_up, n_down) => AxisProblem::TableSize,
            _ => return Ok(()),
        };
        Err(problem)
    }

    /// The blocks of the input that block `i` of the output reads.
    pub(super) fn inputs(&self, n_up: u32, i: u32) -> Indices<'_> {
        match self {
            Self::Affine { offset, step } => {
                let idx = i128::from(*offset) + i128::from(*step) * i128::from(i);
                Indices::one(u32::try_from(idx).ok(), n_up)
            }
            Self::Group { size } => group(*size, n_up, i),
            Self::Split { size } => Indices::one(Some(i / size), n_up),
            Self::Window { before, after, wraps: false } => window(*before, *after, n_up, i),
            Self::Window { before, after, wraps: true } => ring(*before, *after, n_up, i),
            Self::Elements { offset, len, up_size, down_size } => {
                let start = u64::from(i).saturating_mul(*down_size);
                let end = start.saturating_add(*down_size).min(*len);
                blocks_of(start.saturating_add(*offset), end.saturating_add(*offset), *up_size, n_up)
            }
            Self::Ranges(ranges) => {
                let (start, end) = ranges[i as usize];
                Indices::Range { start, end }
            }
            Self::Lists(table) => Indices::List(table.inputs(i)),
        }
    }

    /// The blocks of the output that read block `j` of the input.
    pub(super) fn consumers(&self, n_up: u32, n_down: u32, j: u32) -> Indices<'_> {
        match self {
            Self::Affine { offset, step } => {
                let distance = i128::from(j) - i128::from(*offset);
                let idx = distance / i128::from(*step);
                let exact = distance % i128::from(*step) == 0;
                Indices::one(u32::try_from(idx).ok().filter(|_| exact), n_down)
            }
            Self::Group { size } => Indices::one(Some(j / size), n_down),
            Self::Split { size } => group(*size, n_down, j),
            Self::Window { before, after, wraps: false } => window(*after, *before, n_down, j),
            Self::Window { before, after, wraps: true } => ring(*after, *before, n_up, j),
            Self::Elements { offset, len, up_size, down_size } => {
                let start = u64::from(j).saturating_mul(*up_size);
                let end = start.saturating_add(*up_size).min(offset.saturating_add(*len));
                blocks_of(start.saturating_sub(*offset), end.saturating_sub(*offset), *down_size, n_down)
            }
            Self::Ranges(ranges) => {
                // Both columns ascend, so "ends behind j" is a suffix, "starts at or before j" a prefix.
                let start = ranges.partition_point(|(_, end)| *end <= j);
                let end = ranges.partition_point(|(start, _)| *start <= j);
                let position = |idx| u32::try_from(idx).expect("there are n_down ranges");
                Indices::Range { start: position(start), end: position(end) }
            }
            Self::Lists(table) => Indices::List(table.consumers(j)),
        }
    }

    /// Whether all blocks of the input are first read in ascending order, from the first to the last.
    pub(super) fn keeps_order(&self, n_up: u32, n_down: u32) -> bool {
        match self {
            Self::Affine { offset: 0, step: 1 } => n_up == n_down,
            Self::Group { size } => n_up.div_ceil(*size) == n_down,
            Self::Split { size } => n_down.div_ceil(*size) == n_up,
            Self::Window { wraps, .. } => !wraps && n_up == n_down,
            Self::Elements { offset: 0, .. } => self.range_read(n_up, n_down) == Some(0..n_up),
            Self::Affine { .. } | Self::Elements { .. } | Self::Ranges(_) | Self::Lists(_) => false,
        }
    }

    /// The most steps that it takes to collect the blocks of the input that any of `n_down` blocks reads.
    pub(super) fn n_steps_read(&self, n_up: u32, n_down: u32) -> u64 {
        match self {
            Self::Lists(table) => u64::from(n_down) + u64::from(table.n_edges()),
            _ if self.range_read(n_up, n_down).is_some() => 1,
            _ => n_down.into(),
        }
    }

    /// The blocks of the input that any of `n_down` blocks reads, where these are known to be neighbours.
    pub(super) fn range_read(&self, n_up: u32, n_down: u32) -> Option<Range<u32>> {
        if n_down == 0 {
            return Some(0..0);
        }
        match self {
            Self::Affine { offset, step: step @ (1 | -1) } => {
                let last = i128::from(*offset) + i128::from(*step) * i128::from(n_down - 1);
                let clip = |idx: i128| u32::try_from(idx.clamp(0, i128::from(n_up))).ok();
                Some(clip(last.min((*offset).into()))?..clip(last.max((*offset).into()) + 1)?)
            }
            Self::Group { size } => Some(0..n_down.saturating_mul(*size).min(n_up)),
            Self::Split { size } => Some(0..n_down.div_ceil(*size).min(n_up)),
            Self::Window { after, wraps: false, .. } => Some(0..n_down.saturating_add(*after).min(n_up)),
            Self::Window { wraps: true, .. } => Some(0..n_up),
            Self::Elements { offset, len, up_size, down_size } => {
                let len = u64::from(n_down).saturating_mul(*down_size).min(*len);
                match blocks_of(*offset, offset.saturating_add(len), *up_size, n_up) {
                    Indices::Range { start, end } => Some(start..end),
                    Indices::Wrap { .. } | Indices::List(_) => None,
                }
            }
            Self::Affine { .. } | Self::Ranges(_) | Self::Lists(_) => None,
        }
    }
}

/// A short form for pictures.
impl fmt::Display for AxisMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Affine { offset, step } => write!(f, "* {step} + {offset}"),
            Self::Group { size } => write!(f, "group {size}"),
            Self::Split { size } => write!(f, "split {size}"),
            Self::Window { before, after, wraps } => {
                write!(f, "halo -{before} +{after}{}", if *wraps { " ring" } else { "" })
            }
            Self::Elements { up_size, down_size, offset: 0, .. } => write!(f, "chunks {up_size} to {down_size}"),
            Self::Elements { up_size, down_size, offset, .. } => {
                write!(f, "chunks {up_size} to {down_size} from {offset}")
            }
            Self::Ranges(_) => f.write_str("ranges"),
            Self::Lists(_) => f.write_str("lists"),
        }
    }
}

fn group(size: u32, n: u32, idx: u32) -> Indices<'static> {
    Indices::Range { start: idx.saturating_mul(size).min(n), end: idx.saturating_add(1).saturating_mul(size).min(n) }
}

fn window(before: u32, after: u32, n: u32, idx: u32) -> Indices<'static> {
    Indices::Range { start: idx.saturating_sub(before), end: idx.saturating_add(after).saturating_add(1).min(n) }
}

fn ring(before: u32, after: u32, n: u32, idx: u32) -> Indices<'static> {
    let len = before.saturating_add(after).saturating_add(1).min(n);
    let start = if len == n {
        0
    } else if idx >= before {
        idx - before
    } else {
        idx + (n - before)
    };
    Indices::Wrap { start, len, modulus: n }
}

/// The chunks of `size` elements that overlap the elements `start..end`.
fn blocks_of(start: u64, end: u64, size: u64, n: u32) -> Indices<'static> {
    if end <= start {
        return Indices::EMPTY;
    }
    let clip = |idx: u64| u32::try_from(idx).unwrap_or(u32::MAX).min(n);
    Indices::Range { start: clip(start / size), end: clip(end.div_ceil(size)) }
}
