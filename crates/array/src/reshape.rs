//! The elements in C order under another shape.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::chunks::AxisChunks;
use crate::convert::empty_of;
use crate::kernel::Kernel;
use crate::node::{Expr, Operand};
use crate::shape::n_elements;
use crate::{Array, ArrayError, Chunks};

impl Array {
    /// The elements in C order under another shape; one length may be -1, which is then found.
    ///
    /// Axes that are the same at the front and at the back keep their chunks. The others are cut so that each block is a run
    /// of neighbours, which blocks of several axes may have to be rechunked for.
    ///
    /// # Errors
    /// [`ArrayError::Reshape`] if the shape does not fit, [`ArrayError::UnknownLength`], [`ArrayError::TooLarge`].
    pub fn reshape(&self, shape: &[isize]) -> Result<Self, ArrayError> {
        let from = self.known_shape("reshape")?;
        let to = resolve(&from, shape)?;
        if from == to {
            return Ok(self.clone());
        }
        if n_elements(&from)? == 0 {
            return Ok(empty_of(&to, self.dtype()));
        }
        let is_long = |len: &&usize| **len != 1;
        if from.iter().filter(is_long).eq(to.iter().filter(is_long)) {
            let ones = |shape: &[usize]| (0..shape.len()).filter(|axis| shape[*axis] == 1).collect::<Vec<_>>();
            let new: Vec<isize> = ones(&to).into_iter().map(|axis| axis as isize).collect();
            return self.without_axes(&ones(&from)).expand_dims(&new);
        }
        let n_front = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
        let n_rest = from.len().min(to.len()) - n_front;
        let n_back = from.iter().rev().zip(to.iter().rev()).take(n_rest).take_while(|(a, b)| a == b).count();
        let flat = self.flattened(n_front, n_back)?;
        flat.unflattened(n_front, &to[n_front..to.len() - n_back])
    }

    /// All elements along one axis, in C order.
    ///
    /// # Errors
    /// [`ArrayError::UnknownLength`], unless the array has one axis already.
    pub fn ravel(&self) -> Result<Self, ArrayError> {
        if self.n_dims() == 1 { Ok(self.clone()) } else { self.reshape(&[-1]) }
    }

    /// The axes between the first `n_front` and the last `n_back` as one.
    fn flattened(&self, n_front: usize, n_back: usize) -> Result<Self, ArrayError> {
        let axes = self.chunks().axes();
        let (front, rest) = axes.split_at(n_front);
        let (middle, back) = rest.split_at(rest.len() - n_back);
        let n_elements_max: usize = middle.iter().filter_map(AxisChunks::size_max).product();
        let runs = if are_runs(middle) { middle.to_vec() } else { runs_of(&lens(middle), n_elements_max) };
        let flat = AxisChunks::from_sizes(&run_sizes(&runs));
        let cut = self.with_chunks(&joined(front, &runs, back));
        match middle.len() {
            1 => Ok(cut),
            _ => Ok(cut.relabelled(joined(front, &[flat], back))),
        }
    }

    /// The one axis behind the first `n_front` as axes of `lens`.
    fn unflattened(&self, n_front: usize, to: &[usize]) -> Result<Self, ArrayError> {
        let axes = self.chunks().axes();
        let (front, back) = (&axes[..n_front], &axes[n_front + 1..]);
        if to.len() == 1 {
            return Ok(self.clone());
        }
        let flat = &axes[n_front];
        let tail: usize = to.iter().skip(1).product();
        let sizes = flat.sizes().unwrap_or_default();
        let runs = match sizes.iter().all(|size| size.is_multiple_of(tail)) {
            // The blocks are whole rows already.
            true => {
                let rows: Vec<usize> = sizes.iter().map(|size| size / tail).collect();
                let rest = to.iter().skip(1).map(|len| AxisChunks::single(*len));
                std::iter::once(AxisChunks::from_sizes(&rows)).chain(rest).take(to.len()).collect()
            }
            false => runs_of(to, flat.size_max().unwrap_or(1)),
        };
        let flat = AxisChunks::from_sizes(&run_sizes(&runs));
        Ok(self.with_chunks(&joined(front, &[flat], back)).relabelled(joined(front, &runs, back)))
    }

    /// Each block under the shape that `chunks`, which has as many blocks of as many elements, give it.
    fn relabelled(&self, chunks: Chunks) -> Self {
        // One axis becomes several or several one; block `p` is block `p` either way, so the wiring is not by axes.
        let operand = Operand { array: self.clone(), axes: SmallVec::new() };
        let expr = Expr::Blockwise { kernel: Arc::new(Kernel::Reshape), operands: vec![operand] };
        Self::from_node(expr, self.dtype(), chunks)
    }
}

/// The shape that is asked for, without -1.
fn resolve(from: &[usize], to: &[isize]) -> Result<Vec<usize>, ArrayError> {
    let refused = || ArrayError::Reshape { from: from.to_vec(), to: to.to_vec() };
    let n = n_elements(from)?;
    let known: Vec<usize> = to.iter().filter(|len| **len >= 0).map(|len| len.unsigned_abs()).collect();
    let n_known = n_elements(&known)?;
    let n_missing = to.iter().filter(|len| **len < 0).count();
    if n_missing > 1 || to.iter().any(|len| *len < -1) {
        return Err(refused());
    }
    let missing = match n_missing {
        0 if n == n_known => 1,
        1 if n_known > 0 && n.is_multiple_of(n_known) => n / n_known,
        _ => return Err(refused()),
    };
    Ok(to.iter().map(|len| if *len < 0 { missing } else { len.unsigned_abs() }).collect())
}

fn lens(axes: &[AxisChunks]) -> Vec<usize> {
    axes.iter().map(|axis| axis.len().unwrap_or(0)).collect()
}

fn joined(front: &[AxisChunks], middle: &[AxisChunks], back: &[AxisChunks]) -> Chunks {
    Chunks::new([front, middle, back].concat())
}

/// Whether every block is a run of neighbours in C order: single elements in front, one axis that is cut, whole ones behind.
fn are_runs(axes: &[AxisChunks]) -> bool {
    let n_single = axes.iter().take_while(|axis| axis.size_max() == Some(1)).count();
    axes.iter().skip(n_single + 1).all(|axis| axis.n_blocks() == 1)
}

/// Chunks of blocks that are runs, of about `n_elements_max`.
fn runs_of(shape: &[usize], n_elements_max: usize) -> Vec<AxisChunks> {
    let mut room = n_elements_max.max(1);
    let mut axes: Vec<AxisChunks> = Vec::with_capacity(shape.len());
    for len in shape.iter().rev() {
        let size = room.min(*len).max(1);
        axes.push(AxisChunks::uniform(*len, size));
        // Once an axis is cut, those in front of it go element by element.
        room = if size == *len { room / size } else { 1 };
    }
    axes.reverse();
    axes
}

/// The elements of each block, in row-major order.
fn run_sizes(axes: &[AxisChunks]) -> Vec<usize> {
    axes.iter().fold(vec![1], |sizes, axis| {
        let own = axis.sizes().unwrap_or_default();
        sizes.iter().flat_map(|outer| own.iter().map(move |inner| outer * inner)).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_hold_neighbours() {
        let sizes = |shape: &[usize], n| {
            let runs = runs_of(shape, n);
            assert!(are_runs(&runs));
            runs.iter().map(|axis| axis.size_max().unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(sizes(&[4, 5, 6], 120), [4, 5, 6]);
        assert_eq!(sizes(&[4, 5, 6], 60), [2, 5, 6]);
        assert_eq!(sizes(&[4, 5, 6], 13), [1, 2, 6]);
        assert_eq!(sizes(&[4, 5, 6], 4), [1, 1, 4]);
        assert_eq!(run_sizes(&runs_of(&[2, 5], 3)), [3, 2, 3, 2]);
        assert!(!are_runs(&[AxisChunks::uniform(4, 2), AxisChunks::uniform(4, 2)]));
    }

    #[test]
    fn one_length_is_found() {
        assert_eq!(resolve(&[4, 6], &[3, -1]).unwrap(), [3, 8]);
        assert_eq!(resolve(&[], &[-1]).unwrap(), [1]);
        for to in [&[5, -1][..], &[-1, -1], &[-2, 12], &[4, 5], &[0, -1]] {
            assert!(matches!(resolve(&[4, 6], to), Err(ArrayError::Reshape { .. })), "{to:?}");
        }
    }
}
