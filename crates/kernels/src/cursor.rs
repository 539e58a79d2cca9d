//! Walks strided elements in C order, some at a time.

use bytemuck::Pod;
use smallvec::SmallVec;

use crate::Shape;
use crate::block::Strides;
use crate::copy::merge_axes;

/// A position in elements that are strided in `N` ways at once: where the next tile starts.
pub(crate) struct Cursor<const N: usize = 1> {
    outer: Shape,
    strides: [Strides; N],
    index: Shape,
    /// Of the first element of the current run along the last axis.
    offsets: [isize; N],
    len: usize,
    inner: [isize; N],
    /// The elements of the current run that are done.
    done: usize,
}

impl<const N: usize> Cursor<N> {
    /// At the first element of `shape`, which is at `offsets`.
    pub(crate) fn of(shape: &[usize], strides: [&[isize]; N], offsets: [isize; N]) -> Self {
        let (mut outer, mut strides) = merge_axes(shape, strides);
        let len = outer.pop().unwrap_or(1);
        let inner = std::array::from_fn(|operand| strides[operand].pop().unwrap_or(1));
        let index = SmallVec::from_elem(0, outer.len());
        Self { outer, strides, index, offsets, len, inner, done: 0 }
    }

    /// Calls `run(offsets, len, strides)` for runs that make up the next `n` elements.
    #[inline]
    pub(crate) fn walk(&mut self, mut n: usize, mut run: impl FnMut([isize; N], usize, [isize; N])) {
        while n > 0 {
            let len = n.min(self.len - self.done);
            let done = self.done as isize;
            run(std::array::from_fn(|operand| self.offsets[operand] + done * self.inner[operand]), len, self.inner);
            self.done += len;
            n -= len;
            if self.done == self.len {
                self.done = 0;
                self.next_run();
            }
        }
    }

    fn next_run(&mut self) {
        for axis in (0..self.outer.len()).rev() {
            self.index[axis] += 1;
            let turns = self.index[axis] == self.outer[axis];
            for operand in 0..N {
                let stride = self.strides[operand][axis];
                self.offsets[operand] += if turns { stride - stride * self.outer[axis] as isize } else { stride };
            }
            if !turns {
                return;
            }
            self.index[axis] = 0;
        }
    }
}

impl Cursor {
    /// At the first element of `shape`, which is at `offset`.
    pub(crate) fn new(shape: &[usize], strides: &[isize], offset: isize) -> Self {
        Self::of(shape, [strides], [offset])
    }

    /// Whether all elements are one run of neighbours.
    pub(crate) fn is_contiguous(&self) -> bool {
        self.outer.is_empty() && (self.inner == [1] || self.len == 1)
    }

    /// Whether elements stand in runs of neighbours, one or more.
    pub(crate) fn has_runs(&self) -> bool {
        self.inner == [1] || self.is_contiguous()
    }

    /// Whether all elements are one.
    pub(crate) fn is_constant(&self) -> bool {
        self.outer.is_empty() && (self.inner == [0] || self.len == 1)
    }

    /// Calls `run(offset, len, stride)` for runs that make up the next `n` elements.
    #[inline]
    pub(crate) fn advance(&mut self, n: usize, mut run: impl FnMut(isize, usize, isize)) {
        self.walk(n, |[offset], len, [stride]| run(offset, len, stride));
    }

    /// Copies the next elements of `from` to `out`.
    pub(crate) fn gather<W: Pod>(&mut self, from: &[W], mut out: &mut [W]) {
        self.advance(out.len(), |offset, len, stride| {
            let (now, later) = std::mem::take(&mut out).split_at_mut(len);
            let start = offset as usize;
            match stride {
                1 => now.copy_from_slice(&from[start..start + len]),
                0 => now.fill(from[start]),
                _ => {
                    for (at, to) in now.iter_mut().enumerate() {
                        *to = from[(offset + at as isize * stride) as usize];
                    }
                }
            }
            out = later;
        });
    }

    /// Writes the next offsets to `out`.
    pub(crate) fn offsets(&mut self, mut out: &mut [i64]) {
        self.advance(out.len(), |offset, len, stride| {
            let (now, later) = std::mem::take(&mut out).split_at_mut(len);
            for (at, to) in now.iter_mut().enumerate() {
                *to = (offset + at as isize * stride) as i64;
            }
            out = later;
        });
    }
}
