//! Boxes of elements: which part of an array is read or written.

use std::fmt;

/// A box in an array: where it starts and how far it goes, per axis.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Region {
    start: Vec<u64>,
    shape: Vec<u64>,
}

impl Region {
    /// The box of `shape` at `start`.
    ///
    /// # Panics
    /// If the two differ in the number of axes.
    pub fn new(start: Vec<u64>, shape: Vec<u64>) -> Self {
        assert_eq!(start.len(), shape.len(), "a region has one start and one extent per axis");
        Self { start, shape }
    }

    /// All of an array of `shape`.
    pub fn whole(shape: &[u64]) -> Self {
        Self { start: vec![0; shape.len()], shape: shape.to_vec() }
    }

    /// Where it starts.
    pub fn start(&self) -> &[u64] {
        &self.start
    }

    /// How far it goes.
    pub fn shape(&self) -> &[u64] {
        &self.shape
    }

    /// Whether it lies in an array of `shape`, which must have as many axes.
    pub fn is_within(&self, shape: &[u64]) -> bool {
        let is_inside =
            |((&start, &extent), &size): ((&u64, &u64), &u64)| start.checked_add(extent).is_some_and(|end| end <= size);
        self.start.len() == shape.len() && self.start.iter().zip(&self.shape).zip(shape).all(is_inside)
    }

    /// Whether it holds no element.
    pub fn is_empty(&self) -> bool {
        self.shape.contains(&0)
    }

    /// What it has in common with `other`, if anything. Both must have as many axes.
    pub fn intersection(&self, other: &Self) -> Option<Self> {
        let mut common =
            Self { start: Vec::with_capacity(self.start.len()), shape: Vec::with_capacity(self.start.len()) };
        for axis in 0..self.start.len() {
            let start = self.start[axis].max(other.start[axis]);
            let end = self.end(axis).min(other.end(axis));
            if end <= start {
                return None;
            }
            common.start.push(start);
            common.shape.push(end - start);
        }
        Some(common)
    }

    /// The same box, seen from `origin`, which must not lie behind its start.
    #[must_use]
    pub(crate) fn relative_to(&self, origin: &[u64]) -> Self {
        let start = self.start.iter().zip(origin).map(|(start, origin)| start - origin).collect();
        Self { start, shape: self.shape.clone() }
    }

    /// The same box with another start and extent along one axis.
    #[must_use]
    pub(crate) fn along(&self, axis: usize, start: u64, extent: u64) -> Self {
        let mut other = self.clone();
        (other.start[axis], other.shape[axis]) = (start, extent);
        other
    }

    /// The axes in reversed order.
    #[must_use]
    pub(crate) fn reversed(&self) -> Self {
        Self { start: self.start.iter().rev().copied().collect(), shape: self.shape.iter().rev().copied().collect() }
    }

    fn end(&self, axis: usize) -> u64 {
        self.start[axis].saturating_add(self.shape[axis])
    }
}

/// As NumPy writes it: `[0:3, 5:10]`.
impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for (axis, start) in self.start.iter().enumerate() {
            let comma = if axis == 0 { "" } else { ", " };
            write!(f, "{comma}{start}:{}", self.end(axis))?;
        }
        f.write_str("]")
    }
}

/// How many bytes elements of `size_bytes` in a box of `shape` take; `None` if that is more than can be addressed.
pub(crate) fn n_bytes(shape: &[u64], size_bytes: usize) -> Option<usize> {
    // An axis of no extent makes any box empty, however large the others are.
    if shape.contains(&0) {
        return Some(0);
    }
    let n = shape.iter().try_fold(u64::try_from(size_bytes).ok()?, |n, &extent| n.checked_mul(extent))?;
    usize::try_from(n).ok().filter(|&n| isize::try_from(n).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_meet() {
        let a = Region::new(vec![0, 4], vec![3, 4]);
        let b = Region::new(vec![2, 0], vec![5, 6]);
        assert_eq!(a.intersection(&b), Some(Region::new(vec![2, 4], vec![1, 2])));
        assert_eq!(a.intersection(&Region::new(vec![3, 4], vec![1, 1])), None);
        assert_eq!(a.intersection(&Region::new(vec![0, 4], vec![0, 1])), None);
        assert_eq!(a.to_string(), "[0:3, 4:8]");
    }

    #[test]
    fn what_lies_outside_is_told() {
        let a = Region::new(vec![1, 2], vec![2, 3]);
        assert!(a.is_within(&[3, 5]) && !a.is_within(&[3, 4]) && !a.is_within(&[3, 5, 1]));
        assert!(!Region::new(vec![u64::MAX], vec![2]).is_within(&[u64::MAX]));
        assert!(Region::new(vec![], vec![]).is_within(&[]));
    }

    #[test]
    fn sizes_do_not_overflow() {
        assert_eq!(n_bytes(&[3, 4], 8), Some(96));
        assert_eq!(n_bytes(&[], 8), Some(8));
        assert_eq!(n_bytes(&[u64::MAX, 0], 8), Some(0));
        assert_eq!(n_bytes(&[u64::MAX / 8, 2], 8), None);
        assert_eq!(n_bytes(&[1 << 60], 8), None);
    }
}
