//! Slices of one axis, by Python's rules.

use std::ops::Range;

use serde::{Deserialize, Serialize};

/// The elements `start`, `start + step`, ... of an axis, `len` of them, all on the axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct AxisSlice {
    pub(crate) start: usize,
    /// Not zero.
    pub(crate) step: isize,
    pub(crate) len: usize,
}

impl AxisSlice {
    /// The whole axis.
    pub(crate) fn full(len: usize) -> Self {
        Self { start: 0, step: 1, len }
    }

    /// `start:stop:step` of an axis of `n` elements, as Python's `slice.indices` clips it; `step` is not zero.
    pub(crate) fn clip(start: Option<isize>, stop: Option<isize>, step: isize, n: usize) -> Self {
        let n = isize::try_from(n).unwrap_or(isize::MAX);
        let from_front = |at: isize| if at < 0 { at.saturating_add(n) } else { at };
        let (low, high) = if step > 0 { (0, n) } else { (-1, n - 1) };
        let start = start.map_or(if step > 0 { low } else { high }, |at| from_front(at).clamp(low, high));
        let stop = stop.map_or(if step > 0 { high } else { low }, |at| from_front(at).clamp(low, high));
        let distance = if step > 0 { stop - start } else { start - stop };
        let len = if distance > 0 { distance.unsigned_abs().div_ceil(step.unsigned_abs()) } else { 0 };
        Self { start: if len == 0 { 0 } else { start.unsigned_abs() }, step, len }
    }

    /// Whether it is the whole axis of `n` elements in order.
    pub(crate) fn is_full(&self, n: usize) -> bool {
        self.len == n && (n == 0 || (self.start == 0 && (self.step == 1 || n == 1)))
    }

    /// The element of the axis that stands at `idx` of the slice, which has it.
    pub(crate) fn position(&self, idx: usize) -> usize {
        match self.step > 0 {
            true => self.start + idx * self.step.unsigned_abs(),
            false => self.start - idx * self.step.unsigned_abs(),
        }
    }

    /// How many elements from `idx` of the slice on are within `bounds`, which has the first of them.
    pub(crate) fn n_within(&self, idx: usize, bounds: &Range<usize>) -> usize {
        let at = self.position(idx);
        let room = if self.step > 0 { bounds.end - 1 - at } else { at - bounds.start };
        (room / self.step.unsigned_abs() + 1).min(self.len - idx)
    }

    /// The slice `inner` of this slice.
    pub(crate) fn then(&self, inner: &Self) -> Self {
        if inner.len == 0 {
            return Self { start: 0, step: 1, len: 0 };
        }
        // One element has no step, so that steps that do not fit never matter.
        let step = if inner.len == 1 { 1 } else { self.step * inner.step };
        Self { start: self.position(inner.start), step, len: inner.len }
    }

    /// The elements `range` of the slice, as a slice of the axis.
    pub(crate) fn part(&self, range: &Range<usize>) -> Self {
        self.then(&Self { start: range.start, step: 1, len: range.len() })
    }

    /// The elements of the slice that are within `bounds` of the axis, as a range of the slice.
    pub(crate) fn within(&self, bounds: &Range<usize>) -> Range<usize> {
        let step = self.step.unsigned_abs();
        // How many elements of the slice come before position `at` of the axis.
        let n_before = |at: usize| at.saturating_sub(self.start).div_ceil(step).min(self.len);
        let n_from_top = |at: usize| match self.start >= at {
            true => ((self.start - at) / step + 1).min(self.len),
            false => 0,
        };
        match self.step > 0 {
            true => n_before(bounds.start)..n_before(bounds.end),
            false => n_from_top(bounds.end)..n_from_top(bounds.start),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn elements(slice: &AxisSlice) -> Vec<usize> {
        (0..slice.len).map(|idx| slice.position(idx)).collect()
    }

    #[test]
    fn slices_clip_as_python_does() {
        let of = |start, stop, step| elements(&AxisSlice::clip(start, stop, step, 5));
        assert_eq!(of(None, None, 1), [0, 1, 2, 3, 4]);
        assert_eq!(of(None, None, -1), [4, 3, 2, 1, 0]);
        assert_eq!(of(Some(-2), None, 1), [3, 4]);
        assert_eq!(of(Some(100), Some(-100), -2), [4, 2, 0]);
        assert_eq!(of(Some(3), Some(1), 1), [0_usize; 0]);
        assert_eq!(of(Some(isize::MIN), Some(isize::MAX), isize::MAX), [0]);
        assert_eq!(elements(&AxisSlice::clip(None, None, -1, 0)), [0_usize; 0]);
    }

    proptest! {
        #[test]
        fn slices_of_slices_and_parts(
            n in 1_usize..30, a in -35_isize..35, b in -35_isize..35, c in -35_isize..35, d in -35_isize..35,
            steps in (prop::sample::select(vec![-3_isize, -1, 1, 2]), prop::sample::select(vec![-2_isize, -1, 1, 4])),
            bounds in (0_usize..30, 0_usize..30),
        ) {
            let outer = AxisSlice::clip(Some(a), Some(b), steps.0, n);
            let inner = AxisSlice::clip(Some(c), Some(d), steps.1, outer.len);
            let expected: Vec<usize> = elements(&inner).into_iter().map(|idx| elements(&outer)[idx]).collect();
            prop_assert_eq!(elements(&outer.then(&inner)), expected);
            let bounds = bounds.0.min(bounds.1)..bounds.0.max(bounds.1);
            let within = outer.within(&bounds);
            let expected: Vec<usize> = elements(&outer).into_iter().filter(|at| bounds.contains(at)).collect();
            prop_assert_eq!(elements(&outer.part(&within)), expected);
        }
    }
}
