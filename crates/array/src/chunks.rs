//! How arrays are cut into blocks.

mod axis;
mod join;
mod spec;

use std::fmt;

use dolmen_graph::{Grid, WiringError};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

pub use axis::AxisChunks;
pub(crate) use join::{common, ranges_map};
pub use spec::{AxisSpec, BLOCK_BYTES_DEFAULT, ChunkSpec};

use crate::ArrayError;
use crate::shape::{Dims, tuple_text};

/// The sizes of the blocks of an array, axis by axis. Their number does not matter for what this takes in memory, unless
/// the sizes are irregular.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Chunks {
    axes: SmallVec<[AxisChunks; 4]>,
}

impl Chunks {
    /// The chunks of an array, one entry for each axis.
    pub fn new(axes: impl IntoIterator<Item = AxisChunks>) -> Self {
        Self { axes: axes.into_iter().collect() }
    }

    /// One block.
    #[must_use]
    pub fn single(shape: &[usize]) -> Self {
        Self::new(shape.iter().map(|len| AxisChunks::single(*len)))
    }

    /// One entry for each axis.
    #[must_use]
    pub fn axes(&self) -> &[AxisChunks] {
        &self.axes
    }

    /// The number of axes.
    #[must_use]
    pub fn n_dims(&self) -> usize {
        self.axes.len()
    }

    /// The number of blocks.
    ///
    /// # Errors
    /// [`ArrayError::TooManyBlocks`] if there are more than a graph can number.
    pub fn n_blocks(&self) -> Result<u32, ArrayError> {
        Ok(self.grid()?.n_blocks())
    }

    /// The number of blocks along each axis.
    pub fn numblocks(&self) -> impl Iterator<Item = u32> + '_ {
        self.axes.iter().map(AxisChunks::n_blocks)
    }

    /// The blocks as a grid; partition `p` is the `p`-th block in row-major order.
    pub(crate) fn grid(&self) -> Result<Grid, ArrayError> {
        let dims: SmallVec<[u32; 4]> = self.numblocks().collect();
        // An axis of so many blocks may have more.
        if dims.contains(&u32::MAX) {
            return Err(ArrayError::TooManyBlocks { chunks: self.to_string() });
        }
        Grid::new(&dims).map_err(|error| match error {
            WiringError::TooLarge => ArrayError::TooManyBlocks { chunks: self.to_string() },
            source => ArrayError::Wiring { source },
        })
    }

    /// The lengths of the axes.
    pub(crate) fn dims(&self) -> Dims {
        self.axes.iter().map(AxisChunks::len).collect()
    }

    /// The most elements that a block can have; `None` if that is not known.
    pub(crate) fn block_elements_max(&self) -> Option<usize> {
        self.axes.iter().try_fold(1_usize, |n, axis| n.checked_mul(axis.size_max()?))
    }

    /// The index of block `partition` along each axis.
    #[must_use]
    pub fn block_index(&self, partition: u32) -> SmallVec<[u32; 4]> {
        let mut rest = partition;
        let mut index: SmallVec<[u32; 4]> = SmallVec::from_elem(0, self.axes.len());
        for (idx, axis) in index.iter_mut().zip(&self.axes).rev() {
            (*idx, rest) = (rest % axis.n_blocks(), rest / axis.n_blocks());
        }
        index
    }

    /// The partition of the block with this index along each axis.
    #[must_use]
    pub fn partition_of(&self, index: &[u32]) -> u32 {
        self.axes.iter().zip(index).fold(0, |partition, (axis, idx)| partition * axis.n_blocks() + idx)
    }

    /// Where block `partition` begins along each axis; `None` if a size before it is not known.
    #[must_use]
    pub fn offset(&self, partition: u32) -> Option<SmallVec<[usize; 4]>> {
        self.block_region(partition).map(|region| region.offset)
    }

    /// The number of elements of block `partition`, if it is known.
    #[must_use]
    pub fn block_len(&self, partition: u32) -> Option<usize> {
        Some(self.block_region(partition)?.shape.iter().product())
    }

    /// Where block `partition` begins along each axis, and its shape; `None` if a size is not known.
    pub(crate) fn block_region(&self, partition: u32) -> Option<Region> {
        let index = self.block_index(partition);
        let bounds = self.axes.iter().zip(&index).map(|(axis, idx)| axis.bounds(*idx));
        let bounds: SmallVec<[std::ops::Range<usize>; 4]> = bounds.collect::<Option<_>>()?;
        Some(Region {
            offset: bounds.iter().map(|range| range.start).collect(),
            shape: bounds.iter().map(|range| range.end - range.start).collect(),
        })
    }
}

/// A box within an array.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Region {
    /// Its first element along each axis.
    pub(crate) offset: SmallVec<[usize; 4]>,
    /// Its length along each axis.
    pub(crate) shape: SmallVec<[usize; 4]>,
}

/// As Dask writes them: `((3, 3, 2), (4, 4))`, long lists shortened.
impl fmt::Display for Chunks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<String> = self.axes.iter().map(ToString::to_string).collect();
        f.write_str(&tuple_text(&texts))
    }
}

impl fmt::Debug for Chunks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_numbered_in_row_major_order() {
        let chunks = Chunks::new([AxisChunks::uniform(5, 2), AxisChunks::uniform(7, 4)]);
        assert_eq!(chunks.n_blocks().unwrap(), 6);
        assert_eq!(&*chunks.block_index(3), [1, 1]);
        assert!((0..6).all(|partition| chunks.partition_of(&chunks.block_index(partition)) == partition));
        let region = chunks.block_region(5).unwrap();
        assert_eq!((&*region.offset, &*region.shape), (&[4, 4][..], &[1, 3][..]));
        assert_eq!(chunks.to_string(), "((2, 2, 1), (4, 3))");
        assert_eq!(Chunks::single(&[]).n_blocks().unwrap(), 1);
    }

    #[test]
    fn more_blocks_than_can_be_numbered_are_refused() {
        let chunks = Chunks::new([AxisChunks::uniform(1 << 20, 1), AxisChunks::uniform(1 << 20, 1)]);
        assert!(matches!(chunks.n_blocks(), Err(ArrayError::TooManyBlocks { .. })));
    }
}
