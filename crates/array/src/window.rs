//! Which elements of an input each block of an output shows, along one axis.

use std::ops::Range;

use dolmen_graph::{AxisMap, BlockAxis};
use serde::{Deserialize, Serialize};

use crate::chunks::{AxisChunks, ranges_map};

/// Along one axis: the blocks of the output, and how far each reaches into its neighbours.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Window {
    /// The blocks without what they reach into.
    pub(crate) core: AxisChunks,
    pub(crate) before: usize,
    pub(crate) after: usize,
    /// Whether the input has `before` and `after` elements more at its ends. Otherwise the first and the last block reach
    /// less far.
    pub(crate) is_padded: bool,
}

impl Window {
    /// The blocks as they are.
    pub(crate) fn exact(core: AxisChunks) -> Self {
        Self { core, before: 0, after: 0, is_padded: false }
    }

    /// The elements of the input that block `idx` shows.
    pub(crate) fn bounds(&self, idx: u32) -> Range<usize> {
        let core = self.core.bounds(idx).unwrap_or(0..0);
        match self.is_padded {
            true => core.start..core.end.saturating_add(self.before).saturating_add(self.after),
            false => {
                let len = self.core.len().unwrap_or(0);
                core.start.saturating_sub(self.before)..core.end.saturating_add(self.after).min(len)
            }
        }
    }

    /// How far into its input block `idx` starts, without what it reaches into.
    pub(crate) fn n_before(&self, idx: u32) -> usize {
        let core = self.core.bounds(idx).unwrap_or(0..0);
        if self.is_padded { self.before } else { core.start.min(self.before) }
    }

    /// The chunks of the output.
    pub(crate) fn chunks(&self) -> AxisChunks {
        if self.before == 0 && self.after == 0 {
            return self.core.clone();
        }
        let sizes: Vec<usize> = (0..self.core.n_blocks()).map(|idx| self.bounds(idx).len()).collect();
        AxisChunks::from_sizes(&sizes)
    }

    /// The blocks of an input cut as `up` that each block of the output reads, `axis` being that of the output.
    pub(crate) fn wiring(&self, up: &AxisChunks, axis: usize) -> BlockAxis {
        if self.before == 0 && self.after == 0 {
            return ranges_map(up, &self.core, axis);
        }
        if up.n_blocks() == 1 {
            return BlockAxis::At(0);
        }
        let ranges = (0..self.core.n_blocks()).map(|idx| {
            let blocks = up.blocks_of(&self.bounds(idx));
            (blocks.start, blocks.end)
        });
        BlockAxis::From { axis, map: AxisMap::Ranges(ranges.collect()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_reach_into_their_neighbours() {
        let core = AxisChunks::uniform(7, 3);
        let open = Window { core: core.clone(), before: 1, after: 2, is_padded: false };
        assert_eq!((0..3).map(|idx| open.bounds(idx)).collect::<Vec<_>>(), [0..5, 2..7, 5..7]);
        assert_eq!((open.n_before(0), open.n_before(2)), (0, 1));
        let padded = Window { is_padded: true, ..open };
        assert_eq!((0..3).map(|idx| padded.bounds(idx)).collect::<Vec<_>>(), [0..6, 3..9, 6..10]);
        assert_eq!(padded.chunks().sizes().unwrap(), [6, 6, 4]);
        assert_eq!(Window::exact(core.clone()).chunks(), core);
    }
}
