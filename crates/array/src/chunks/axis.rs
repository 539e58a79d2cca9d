//! The chunks along one axis.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::slice::AxisSlice;

/// The sizes of the blocks along one axis. There is always at least one block; that of an empty axis is empty.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AxisChunks {
    sizes: Sizes,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
enum Sizes {
    /// `first`, then `size` each, the last what is left; in the one form that [`regular`] gives, so that equal chunks are
    /// equal values. What a slice of uniform chunks is, however many there are.
    Regular { len: usize, first: usize, size: usize },
    /// Where each block ends.
    Listed {
        #[serde(with = "crate::shared")]
        ends: Arc<[usize]>,
    },
    /// The number of blocks is known, their sizes are not.
    Unknown { n_blocks: u32 },
}

/// `first` elements, then `size` each. `first <= size`, and 0 only if all are.
fn regular(len: usize, first: usize, size: usize) -> AxisChunks {
    let (first, size) = if len <= first {
        (len, len)
    } else if len - first <= size {
        // Two blocks.
        (first, first.max(len - first))
    } else {
        (first, size)
    };
    AxisChunks { sizes: Sizes::Regular { len, first, size } }
}

impl AxisChunks {
    /// One block.
    #[must_use]
    pub fn single(len: usize) -> Self {
        regular(len, len, len)
    }

    /// Blocks of `size`, the last what is left. A size of 0 is taken as 1.
    #[must_use]
    pub fn uniform(len: usize, size: usize) -> Self {
        let size = size.clamp(1, len.max(1));
        regular(len, size.min(len), size)
    }

    /// Blocks of these sizes; an empty block stands only on an axis that is otherwise empty.
    #[must_use]
    pub fn from_sizes(sizes: &[usize]) -> Self {
        let sizes: Vec<usize> = sizes.iter().copied().filter(|size| *size > 0).collect();
        let (Some(first), Some(last)) = (sizes.first(), sizes.last()) else { return Self::single(0) };
        // Only of sizes that were made up is the sum too large.
        let len = sizes.iter().fold(0_usize, |sum, size| sum.saturating_add(*size));
        let middle = &sizes[1..(sizes.len() - 1).max(1)];
        let size = middle.first().copied().unwrap_or_else(|| *first.max(last));
        if *first <= size && *last <= size && middle.iter().all(|other| *other == size) {
            return regular(len, *first, size);
        }
        let ends = sizes.iter().scan(0_usize, |end, size| {
            *end = end.saturating_add(*size);
            Some(*end)
        });
        Self { sizes: Sizes::Listed { ends: ends.collect() } }
    }

    /// So many blocks of unknown sizes.
    #[must_use]
    pub fn unknown(n_blocks: u32) -> Self {
        Self { sizes: Sizes::Unknown { n_blocks: n_blocks.max(1) } }
    }

    /// Whether the sizes are known.
    #[must_use]
    pub fn is_known(&self) -> bool {
        !matches!(self.sizes, Sizes::Unknown { .. })
    }

    /// The length of the axis, if it is known.
    #[must_use]
    pub fn len(&self) -> Option<usize> {
        match &self.sizes {
            Sizes::Regular { len, .. } => Some(*len),
            Sizes::Listed { ends } => ends.last().copied(),
            Sizes::Unknown { .. } => None,
        }
    }

    /// Whether the axis is known to be empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == Some(0)
    }

    /// The number of blocks; `u32::MAX` if there are more.
    #[must_use]
    pub fn n_blocks(&self) -> u32 {
        match &self.sizes {
            Sizes::Regular { len, first, size } => match len.saturating_sub(*first) {
                0 => 1,
                rest => u32::try_from(rest.div_ceil(*size)).map_or(u32::MAX, |n| n.saturating_add(1)),
            },
            Sizes::Listed { ends } => u32::try_from(ends.len()).unwrap_or(u32::MAX),
            Sizes::Unknown { n_blocks } => *n_blocks,
        }
    }

    /// The elements of block `idx`; `None` if they are not known.
    #[must_use]
    pub fn bounds(&self, idx: u32) -> Option<Range<usize>> {
        let idx = idx as usize;
        match &self.sizes {
            Sizes::Regular { len, first, .. } if idx == 0 => Some(0..*first.min(len)),
            Sizes::Regular { len, first, size } => {
                let start = first + (idx - 1) * size;
                Some(start.min(*len)..start.saturating_add(*size).min(*len))
            }
            Sizes::Listed { ends } => Some(if idx == 0 { 0 } else { ends[idx - 1] }..ends[idx]),
            Sizes::Unknown { .. } => None,
        }
    }

    /// The block that has element `position`, which is on the axis.
    pub(crate) fn block_of(&self, position: usize) -> u32 {
        let idx = match &self.sizes {
            Sizes::Regular { first, .. } if position < *first => 0,
            Sizes::Regular { first, size, .. } => 1 + (position - first) / (*size).max(1),
            Sizes::Listed { ends } => ends.partition_point(|end| *end <= position),
            Sizes::Unknown { .. } => 0,
        };
        u32::try_from(idx).unwrap_or(u32::MAX)
    }

    /// The blocks that have elements of `range`, which is not empty and on the axis.
    pub(crate) fn blocks_of(&self, range: &Range<usize>) -> Range<u32> {
        self.block_of(range.start)..self.block_of(range.end - 1) + 1
    }

    /// The size of the largest block, if it is known.
    #[must_use]
    pub fn size_max(&self) -> Option<usize> {
        match &self.sizes {
            Sizes::Regular { first, size, .. } => Some(*first.max(size)),
            Sizes::Listed { ends } => {
                let starts = std::iter::once(&0).chain(ends.iter());
                ends.iter().zip(starts).map(|(end, start)| end - start).max()
            }
            Sizes::Unknown { .. } => None,
        }
    }

    /// The size that all blocks but the last have, if there is one.
    pub(crate) fn uniform_size(&self) -> Option<usize> {
        match &self.sizes {
            Sizes::Regular { first, size, .. } if first == size => Some((*size).max(1)),
            _ => None,
        }
    }

    /// The sizes in order; `None` if they are not known. Takes memory for each block.
    #[must_use]
    pub fn sizes(&self) -> Option<Vec<usize>> {
        (0..self.n_blocks()).map(|idx| self.bounds(idx).map(|bounds| bounds.len())).collect()
    }

    /// The chunks of `slice` of the axis that follow its own blocks: each block that has elements of the slice gives one.
    pub(crate) fn slice(&self, slice: &AxisSlice) -> Self {
        if slice.len == 0 {
            return Self::single(0);
        }
        if let (Sizes::Regular { first, size, .. }, 1) = (&self.sizes, slice.step) {
            // The rest of the block in which the slice begins.
            let own_first = match slice.start < *first {
                true => first - slice.start,
                false => size - (slice.start - first) % size,
            };
            return regular(slice.len, own_first, *size);
        }
        let sizes: Vec<usize> = self.slice_blocks(slice).into_iter().map(|(_, n)| n).collect();
        Self::from_sizes(&sizes)
    }

    /// The blocks that have elements of `slice`, in its order, each with the number of these.
    pub(crate) fn slice_blocks(&self, slice: &AxisSlice) -> Vec<(u32, usize)> {
        let mut found = Vec::new();
        let mut done = 0;
        while done < slice.len {
            let idx = self.block_of(slice.position(done));
            let bounds = self.bounds(idx).unwrap_or(0..0);
            let n = slice.n_within(done, &bounds).max(1);
            found.push((idx, n));
            done += n;
        }
        found
    }
}

/// `(3, 3, 2)`; long lists are shortened to `(100, 100, ..., 50)`.
impl fmt::Display for AxisChunks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const N_SHOWN: u32 = 5;
        let n = self.n_blocks();
        let text =
            |idx| self.bounds(idx).map_or_else(|| "nan".to_owned(), |bounds: Range<usize>| bounds.len().to_string());
        let texts: Vec<String> = match n {
            0..=N_SHOWN => (0..n).map(text).collect(),
            _ => vec![text(0), text(1), "...".to_owned(), text(n - 1)],
        };
        f.write_str(&crate::shape::tuple_text(&texts))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn equal_chunks_are_equal_values() {
        assert_eq!(AxisChunks::from_sizes(&[3, 3, 2]), AxisChunks::uniform(8, 3));
        assert_eq!(AxisChunks::from_sizes(&[3, 2]), AxisChunks::uniform(5, 3));
        assert_eq!(AxisChunks::from_sizes(&[4]), AxisChunks::uniform(4, 9));
        assert_eq!(AxisChunks::from_sizes(&[0, 0]), AxisChunks::single(0));
        assert_eq!(AxisChunks::uniform(0, 3).n_blocks(), 1);
        assert_eq!(
            AxisChunks::uniform(5, 2).slice(&AxisSlice { start: 1, step: 1, len: 4 }).sizes().unwrap(),
            [1, 2, 1]
        );
    }

    #[test]
    fn a_million_chunks_take_no_memory() {
        let chunks = AxisChunks::uniform(1_000_000_000_000, 1_000_000);
        assert_eq!((chunks.n_blocks(), chunks.bounds(999_999).unwrap().end), (1_000_000, 1_000_000_000_000));
        assert!(matches!(chunks.sizes, Sizes::Regular { .. }));
        assert_eq!(chunks.to_string(), "(1000000, 1000000, ..., 1000000)");
    }

    proptest! {
        #[test]
        fn sizes_bounds_and_positions_agree(sizes in prop::collection::vec(1_usize..6, 1..12)) {
            let chunks = AxisChunks::from_sizes(&sizes);
            let found = chunks.sizes();
            prop_assert_eq!(found.as_ref(), Some(&sizes));
            prop_assert_eq!(chunks.len().unwrap(), sizes.iter().sum::<usize>());
            prop_assert_eq!(chunks.size_max(), sizes.iter().copied().max());
            for position in 0..chunks.len().unwrap() {
                let idx = chunks.block_of(position);
                prop_assert!(chunks.bounds(idx).unwrap().contains(&position));
            }
        }

        #[test]
        fn a_slice_keeps_the_borders_of_blocks(
            sizes in prop::collection::vec(1_usize..6, 1..12),
            start in 0_usize..40, step in prop::sample::select(vec![-7_isize, -2, -1, 1, 2, 3, 9]), len in 0_usize..40,
        ) {
            let chunks = AxisChunks::from_sizes(&sizes);
            let n = chunks.len().unwrap();
            let start = start % n;
            let room = if step > 0 { (n - start).div_ceil(step.unsigned_abs()) } else { start / step.unsigned_abs() + 1 };
            let slice = AxisSlice { start, step, len: len.min(room) };
            let sliced = chunks.slice(&slice);
            prop_assert_eq!(sliced.len(), Some(slice.len));
            for idx in 0..sliced.n_blocks() {
                let blocks: Vec<u32> =
                    sliced.bounds(idx).unwrap().map(|at| chunks.block_of(slice.position(at))).collect();
                prop_assert!(blocks.windows(2).all(|pair| pair[0] == pair[1]), "{:?}", blocks);
            }
        }
    }
}
