//! Walks strided elements in C order, some at a time.

use bytemuck::Pod;
use smallvec::SmallVec;

use crate::Shape;
use crate::block::Strides;
use crate::copy::merge_axes;

/// A position in strided elements: where the next tile starts.
pub(crate) struct Cursor {
    outer: Shape,
    strides: Strides,
    index: Shape,
    /// Of the first element of the current run along the last axis.
    offset: isize,
    len: usize,
    stride: isize,
    /// The elements of the current run that are done.
    done: usize,
}

impl Cursor {
    /// At the first element of `shape`, which is at `offset`.
    pub(crate) fn new(shape: &[usize], strides: &[isize], offset: isize) -> Self {
        let (mut outer, [mut strides]) = merge_axes(shape, [strides]);
        let (len, stride) = (outer.pop().unwrap_or(1), strides.pop().unwrap_or(1));
        let index = SmallVec::from_elem(0, outer.len());
        Self { outer, strides, index, offset, len, stride, done: 0 }
    }

    /// Whether all elements are one run of neighbours.
    pub(crate) fn is_contiguous(&self) -> bool {
        self.outer.is_empty() && (self.stride == 1 || self.len == 1)
    }

    /// Whether all elements are one.
    pub(crate) fn is_constant(&self) -> bool {
        self.outer.is_empty() && (self.stride == 0 || self.len == 1)
    }

    /// Calls `run(offset, len, stride)` for runs that make up the next `n` elements.
    #[inline]
    pub(crate) fn advance(&mut self, mut n: usize, mut run: impl FnMut(isize, usize, isize)) {
        while n > 0 {
            let len = n.min(self.len - self.done);
            run(self.offset + self.done as isize * self.stride, len, self.stride);
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
            self.offset += self.strides[axis];
            if self.index[axis] < self.outer[axis] {
                return;
            }
            self.offset -= self.strides[axis] * self.outer[axis] as isize;
            self.index[axis] = 0;
        }
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
