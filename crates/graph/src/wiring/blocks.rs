//! Wiring between the blocks of two arrays, axis by axis.

use std::fmt;
use std::ops::Range;

use smallvec::SmallVec;

use super::axis::AxisMap;
use super::indices::Indices;
use super::{AxisProblem, WiringError};
use crate::PartitionSet;

/// The blocks of an array as a grid. A block's partition is its position in row-major order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grid {
    n_blocks: u32,
    dims: SmallVec<[u32; 4]>,
    strides: SmallVec<[u32; 4]>,
}

impl Grid {
    /// A grid with `dims` blocks along its axes. Without axes it is one block; with a zero it has none.
    ///
    /// # Errors
    /// [`WiringError::TooLarge`] if there are more blocks than `u32::MAX`.
    pub fn new(dims: &[u32]) -> Result<Self, WiringError> {
        let mut strides = SmallVec::from_elem(0, dims.len());
        let mut n_blocks: u32 = 1;
        for (stride, dim) in strides.iter_mut().zip(dims).rev() {
            *stride = n_blocks;
            n_blocks = n_blocks.checked_mul(*dim).ok_or(WiringError::TooLarge)?;
        }
        Ok(Self { n_blocks, dims: SmallVec::from_slice(dims), strides })
    }

    /// The number of blocks.
    #[must_use]
    pub fn n_blocks(&self) -> u32 {
        self.n_blocks
    }

    /// The number of blocks along each axis.
    #[must_use]
    pub fn dims(&self) -> &[u32] {
        &self.dims
    }

    /// The index along `axis` of the block at `partition`.
    #[must_use]
    pub fn index(&self, partition: u32, axis: usize) -> u32 {
        partition / self.strides[axis] % self.dims[axis]
    }

    /// The partition of the block at `index`, which has one entry for each axis, each inside the grid.
    #[must_use]
    pub fn partition(&self, index: &[u32]) -> u32 {
        debug_assert_eq!(index.len(), self.dims.len(), "one index for each axis");
        index.iter().zip(&self.strides).map(|(idx, stride)| idx * stride).sum()
    }
}

/// Which blocks of an input one axis of its grid contributes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BlockAxis {
    /// The same block for every block of the output: an axis of one block that is broadcast, or an index.
    At(u32),
    /// All blocks: an axis that is contracted or reduced in one step.
    All,
    /// Depends on one axis of the output.
    From {
        /// The axis of the output.
        axis: usize,
        /// Which blocks belong to an index along it.
        map: AxisMap,
    },
}

impl BlockAxis {
    /// The block with the same index as along `axis` of the output.
    #[must_use]
    pub fn same(axis: usize) -> Self {
        Self::From { axis, map: AxisMap::SAME }
    }
}

/// Wiring between two grids of blocks: for each axis of the input, where its index comes from.
///
/// Blockwise operations, broadcasting, transposition, reductions, matrix products, slices, changes of chunks, halos and
/// concatenations are all of this form. An output axis that no entry names reads the same blocks at each of its indices. A
/// task gets its blocks in row-major order of the input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocks {
    up: Grid,
    down: Grid,
    axes: SmallVec<[BlockAxis; 2]>,
}

impl Blocks {
    /// The wiring from an input with grid `up` to an output with grid `down`; `axes` has one entry for each axis of `up`.
    ///
    /// # Errors
    /// [`WiringError::AxisCount`], [`WiringError::NoSuchAxis`] and [`WiringError::Axis`] if an entry does not fit.
    pub fn new(up: Grid, down: Grid, axes: impl IntoIterator<Item = BlockAxis>) -> Result<Self, WiringError> {
        let axes: SmallVec<[BlockAxis; 2]> = axes.into_iter().collect();
        if axes.len() != up.dims.len() {
            return Err(WiringError::AxisCount { n_axes: axes.len(), expected: up.dims.len() });
        }
        for (up_axis, entry) in axes.iter().enumerate() {
            let n_up = up.dims[up_axis];
            let checked = match entry {
                BlockAxis::All => Ok(()),
                BlockAxis::At(idx) if *idx < n_up => Ok(()),
                BlockAxis::At(_) => Err(AxisProblem::OutOfRange),
                BlockAxis::From { axis, map } => {
                    let n_down = down.dims.get(*axis);
                    let n_down = n_down.ok_or(WiringError::NoSuchAxis { axis: *axis, n_axes: down.dims.len() })?;
                    map.check(n_up, *n_down)
                }
            };
            checked.map_err(|problem| WiringError::Axis { axis: up_axis, problem })?;
        }
        Ok(Self { up, down, axes })
    }

    /// The grid of the input.
    #[must_use]
    pub fn up(&self) -> &Grid {
        &self.up
    }

    /// The grid of the output.
    #[must_use]
    pub fn down(&self) -> &Grid {
        &self.down
    }

    /// One entry for each axis of the input.
    #[must_use]
    pub fn axes(&self) -> &[BlockAxis] {
        &self.axes
    }

    /// Whether every block of the output reads the block with the same index, and nothing else.
    pub(super) fn is_same(&self) -> bool {
        self.up.dims == self.down.dims
            && self.axes.iter().enumerate().all(|(axis, entry)| match entry {
                BlockAxis::From { axis: from, map } if *from == axis => map == &AxisMap::SAME,
                BlockAxis::From { .. } => false,
                BlockAxis::All | BlockAxis::At(_) => self.up.dims[axis] == 1,
            })
    }

    pub(crate) fn n_inputs(&self, p: u32) -> u32 {
        (0..self.axes.len()).map(|axis| self.up_indices(axis, p).len()).product()
    }

    pub(super) fn for_each_input(&self, p: u32, mut f: impl FnMut(u32)) {
        // Without this, an empty last axis would cost a walk over all the others.
        if self.n_inputs(p) > 0 {
            self.walk_up(0, 0, p, &mut f);
        }
    }

    fn walk_up(&self, axis: usize, base: u32, p: u32, f: &mut impl FnMut(u32)) {
        if axis == self.axes.len() {
            return f(base);
        }
        let stride = self.up.strides[axis];
        self.up_indices(axis, p).for_each(|idx| self.walk_up(axis + 1, base + idx * stride, p, f));
    }

    /// The indices along `axis` of the input that block `p` of the output reads.
    fn up_indices(&self, axis: usize, p: u32) -> Indices<'_> {
        let n_up = self.up.dims[axis];
        match &self.axes[axis] {
            BlockAxis::At(idx) => Indices::one(Some(*idx), n_up),
            BlockAxis::All => Indices::Range { start: 0, end: n_up },
            BlockAxis::From { axis, map } => map.inputs(n_up, self.down.index(p, *axis)),
        }
    }

    pub(super) fn n_consumers(&self, q: u32) -> u32 {
        if !self.is_read(q) {
            return 0;
        }
        (0..self.down.dims.len()).map(|axis| self.n_down_indices(axis, q)).product()
    }

    pub(super) fn for_each_consumer(&self, q: u32, mut f: impl FnMut(u32)) {
        if self.n_consumers(q) > 0 {
            self.walk_down(0, 0, q, &mut f);
        }
    }

    fn walk_down(&self, axis: usize, base: u32, q: u32, f: &mut impl FnMut(u32)) {
        if axis == self.down.dims.len() {
            return f(base);
        }
        let stride = self.down.strides[axis];
        self.for_each_down_index(axis, q, |idx| self.walk_down(axis + 1, base + idx * stride, q, f));
    }

    /// Whether the fixed entries let block `q` of the input be read at all.
    fn is_read(&self, q: u32) -> bool {
        let mut entries = self.axes.iter().enumerate();
        entries.all(|(axis, entry)| !matches!(entry, BlockAxis::At(idx) if *idx != self.up.index(q, axis)))
    }

    /// What each entry that refers to `down_axis` says about the output's indices along it.
    fn constraints(&self, down_axis: usize, q: u32) -> impl Iterator<Item = Indices<'_>> + '_ {
        let n_down = self.down.dims[down_axis];
        self.axes.iter().enumerate().filter_map(move |(up_axis, entry)| match entry {
            BlockAxis::From { axis, map } if *axis == down_axis => {
                Some(map.consumers(self.up.dims[up_axis], n_down, self.up.index(q, up_axis)))
            }
            _ => None,
        })
    }

    fn n_down_indices(&self, down_axis: usize, q: u32) -> u32 {
        let mut constraints = self.constraints(down_axis, q);
        match (constraints.next(), constraints.next()) {
            (None, _) => self.down.dims[down_axis],
            (Some(indices), None) => indices.len(),
            _ => {
                let mut n = 0;
                self.for_each_down_index(down_axis, q, |_| n += 1);
                n
            }
        }
    }

    fn for_each_down_index(&self, down_axis: usize, q: u32, mut f: impl FnMut(u32)) {
        let mut constraints = self.constraints(down_axis, q);
        match constraints.next() {
            None => (0..self.down.dims[down_axis]).for_each(f),
            // A diagonal: two axes of the input follow one of the output, and both must agree.
            Some(first) => first.for_each(|idx| {
                if self.constraints(down_axis, q).skip(1).all(|other| other.contains(idx)) {
                    f(idx);
                }
            }),
        }
    }

    /// The first block of the output that reads block `q` of the input, where that takes no search.
    pub(crate) fn first_consumer(&self, q: u32) -> Option<u32> {
        if !self.is_read(q) {
            return None;
        }
        let mut partition = 0;
        for axis in 0..self.down.dims.len() {
            let mut constraints = self.constraints(axis, q);
            let idx = match (constraints.next(), constraints.next()) {
                (None, _) => 0,
                (Some(indices), None) => indices.first()?,
                _ => return None,
            };
            partition += idx * self.down.strides[axis];
        }
        Some(partition)
    }

    /// Where block `q` of the input stands among those that block `p` of the output reads; it must be one of them.
    pub(crate) fn position(&self, p: u32, q: u32) -> u32 {
        (0..self.axes.len()).fold(0, |position, axis| {
            let indices = self.up_indices(axis, p);
            position * indices.len() + indices.position(self.up.index(q, axis))
        })
    }

    /// Whether the blocks of the input, in ascending order, are first read in ascending order, from the first block of the
    /// output to the last. May say no where they are.
    pub(crate) fn keeps_order(&self) -> bool {
        let mut next_down_axis = 0;
        // Once several blocks of the input share a reader, an axis behind would start again for each of them.
        let mut is_shared = false;
        for (up_axis, entry) in self.axes.iter().enumerate() {
            let n_up = self.up.dims[up_axis];
            if n_up == 1 {
                continue;
            }
            let BlockAxis::From { axis, map } = entry else {
                is_shared = true;
                continue;
            };
            // An output axis in front that nothing depends on: its first index alone reads the whole input.
            let is_behind = *axis < next_down_axis || !is_one(&self.down.dims[next_down_axis..*axis]);
            if is_shared || is_behind || !map.keeps_order(n_up, self.down.dims[*axis]) {
                return false;
            }
            is_shared = !matches!(map, AxisMap::Affine { .. } | AxisMap::Split { .. });
            next_down_axis = axis + 1;
        }
        // Several readers of the same blocks: the first of them wants all of them.
        !is_shared || is_one(&self.down.dims[next_down_axis..])
    }

    /// What the output as a whole reads, along each axis of the input: every block with such indices. `None` if two axes of
    /// the input follow one of the output.
    pub(crate) fn read_along_axes(&self) -> Option<PerAxis> {
        let mut seen: SmallVec<[usize; 4]> = SmallVec::new();
        let read = |(entry, n_up): (&BlockAxis, &u32)| match entry {
            BlockAxis::All => Some(PartitionSet::all(*n_up)),
            BlockAxis::At(idx) => Some(PartitionSet::one(*idx)),
            BlockAxis::From { axis, .. } if seen.contains(axis) => None,
            BlockAxis::From { axis, map } => {
                seen.push(*axis);
                Some(axis_read(map, *n_up, self.down.dims[*axis]))
            }
        };
        self.axes.iter().zip(&self.up.dims).map(read).collect()
    }

    /// The most steps that [`read_along_axes`](Self::read_along_axes) takes.
    pub(crate) fn n_steps_along_axes(&self) -> u64 {
        let of_axis = |(entry, n_up): (&BlockAxis, &u32)| match entry {
            BlockAxis::All | BlockAxis::At(_) => 1,
            BlockAxis::From { axis, map } => map.n_steps_read(*n_up, self.down.dims[*axis]),
        };
        self.axes.iter().zip(&self.up.dims).map(of_axis).sum()
    }

    /// The number of times that [`for_each_run`](Self::for_each_run) calls.
    pub(crate) fn n_runs(&self, per_axis: &PerAxis) -> u64 {
        // Behind the last axis of which not everything is read, the blocks are neighbours.
        let is_part = |axis: &usize| !per_axis[*axis].is_all(self.up.dims[*axis]);
        let Some(last) = (0..per_axis.len()).rev().find(is_part) else { return 1 };
        let n_outer = per_axis[..last].iter().map(|set| u64::from(set.len())).fold(1, u64::saturating_mul);
        n_outer.saturating_mul(per_axis[last].runs().count() as u64)
    }

    /// Calls `f` with runs of input blocks that together are all those with some indices.
    pub(crate) fn for_each_run(&self, per_axis: &PerAxis, mut f: impl FnMut(Range<u32>)) {
        if self.down.n_blocks > 0 {
            self.walk_runs(per_axis, 0, 0, &mut f);
        }
    }

    fn walk_runs(&self, per_axis: &[PartitionSet], axis: usize, base: u32, f: &mut impl FnMut(Range<u32>)) {
        // From here on everything is read, so the blocks are neighbours.
        let rest_is_all = per_axis[axis..].iter().zip(&self.up.dims[axis..]).all(|(set, dim)| set.is_all(*dim));
        if rest_is_all {
            let n = self.up.dims[axis..].iter().product::<u32>();
            return f(base..base + n);
        }
        let stride = self.up.strides[axis];
        for run in per_axis[axis].runs() {
            if axis + 1 == per_axis.len() {
                f(base + run.start..base + run.end);
            } else {
                run.for_each(|idx| self.walk_runs(per_axis, axis + 1, base + idx * stride, f));
            }
        }
    }
}

/// Indices along each axis of an input.
pub(crate) type PerAxis = SmallVec<[PartitionSet; 4]>;

/// Whether there is one block along each of some axes.
fn is_one(dims: &[u32]) -> bool {
    dims.iter().all(|dim| *dim == 1)
}

/// The blocks along one axis of the input that any block along the output's axis reads.
fn axis_read(map: &AxisMap, n_up: u32, n_down: u32) -> PartitionSet {
    if let Some(range) = map.range_read(n_up, n_down) {
        return PartitionSet::range(range);
    }
    if let AxisMap::Ranges(ranges) = map {
        return PartitionSet::ranges(ranges.iter().map(|(start, end)| *start..*end).collect());
    }
    let mut runs: Vec<Range<u32>> = Vec::new();
    for i in 0..n_down {
        map.inputs(n_up, i).for_each(|idx| match runs.last_mut() {
            Some(last) if last.end == idx => last.end += 1,
            Some(last) if last.contains(&idx) => {}
            _ => runs.push(idx..idx + 1),
        });
    }
    PartitionSet::ranges(runs)
}

/// Where each axis of the input comes from: `[0, *, 2±]`.
impl fmt::Display for Blocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for (position, entry) in self.axes.iter().enumerate() {
            if position > 0 {
                f.write_str(", ")?;
            }
            match entry {
                BlockAxis::All => f.write_str("*")?,
                BlockAxis::At(idx) => write!(f, "at {idx}")?,
                BlockAxis::From { axis, map } if map == &AxisMap::SAME => write!(f, "axis {axis}")?,
                BlockAxis::From { axis, map } => write!(f, "axis {axis} {map}")?,
            }
        }
        f.write_str("]")
    }
}
