//! Arrays behind, upon and around each other.

use dolmen_kernels::{DType, KernelError, Kind, WeakScalar, promote};
use smallvec::SmallVec;

use crate::array::dims_of;
use crate::chunks::{AxisChunks, common};
use crate::convert::{assigned, full_block};
use crate::node::{Expr, Slices};
use crate::shape::normalize_axis;
use crate::slice::AxisSlice;
use crate::{Array, ArrayError, Chunks};

/// The most blocks that constants are added in: their sizes are listed.
const N_ADDED_MAX: usize = 1 << 16;

/// The most elements that are repeated on one side, each of which is found by its position.
const N_REPEATED_MAX: usize = 1 << 24;

/// What [`Array::pad`] puts around an array, as in NumPy.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum PadMode {
    /// One value.
    Constant(WeakScalar),
    /// The outermost element: `1 1 | 1 2 3 | 3 3`.
    Edge,
    /// The array mirrored at its outermost elements: `3 2 | 1 2 3 | 2 1`.
    Reflect,
    /// The array mirrored at its borders: `2 1 | 1 2 3 | 3 2`.
    Symmetric,
    /// The array again: `2 3 | 1 2 3 | 1 2`.
    Wrap,
}

impl Array {
    /// The arrays one behind the other along `axis`; the dtype is that which holds all of them.
    ///
    /// Shapes `[n, m], [k, m], ... -> [n + k + ..., m]`.
    ///
    /// # Errors
    /// [`ArrayError::Argument`] without arrays; [`ArrayError::ShapeMismatch`] if another axis differs;
    /// [`ArrayError::AxisOutOfRange`]; [`ArrayError::Kernel`] if no dtype holds all.
    pub fn concatenate(arrays: &[Self], axis: isize) -> Result<Self, ArrayError> {
        let op = "concatenate";
        let Some(first) = arrays.first() else {
            return Err(ArrayError::Argument { op, argument: "arrays", problem: "is empty".to_owned() });
        };
        arrays.iter().try_for_each(Self::check)?;
        let axis = normalize_axis(op, axis, first.n_dims())?;
        for other in arrays {
            let (a, b) = (first.dims(), other.dims());
            let fits = a.len() == b.len() && (0..a.len()).all(|idx| idx == axis || a[idx] == b[idx]);
            if !fits {
                let shapes = dims_of(&[first, other]);
                let expected = format!("all axes but axis {axis} must be of equal length");
                return Err(ArrayError::ShapeMismatch { op, shapes, expected });
            }
        }
        let dtype = common_dtype(arrays)?;
        let parts = arrays.iter().filter(|array| array.dims()[axis] != Some(0));
        let parts: Vec<Self> = parts.map(|array| array.astype(dtype)).collect::<Result<_, _>>()?;
        match &parts[..] {
            [] => return first.astype(dtype),
            [one] => return Ok(one.clone()),
            _ => {}
        }
        let mut axes = parts[0].chunks().axes().to_vec();
        for part in &parts[1..] {
            for (idx, own) in part.chunks().axes().iter().enumerate().filter(|(idx, _)| *idx != axis) {
                axes[idx] = common(&axes[idx], own).ok_or(ArrayError::UnknownLength { op, axis: idx })?;
            }
        }
        let inputs = parts.into_iter().map(|part| {
            let mut own = axes.clone();
            own[axis] = part.chunks().axes()[axis].clone();
            part.with_chunks(&Chunks::new(own))
        });
        let inputs: Vec<Self> = inputs.collect();
        axes[axis] = behind_each_other(inputs.iter().map(|input| &input.chunks().axes()[axis]));
        let chunks = Chunks::new(axes);
        chunks.n_blocks()?;
        Ok(Self::from_node(Expr::Concat { axis, inputs }, dtype, chunks))
    }

    /// The arrays along a new axis, whose place in the result is `axis`.
    ///
    /// Shapes `[n], [n], ... -> [k, n]`.
    ///
    /// # Errors
    /// As [`concatenate`](Self::concatenate).
    pub fn stack(arrays: &[Self], axis: isize) -> Result<Self, ArrayError> {
        let arrays: Vec<Self> = arrays.iter().map(|array| array.expand_dims(&[axis])).collect::<Result<_, _>>()?;
        Self::concatenate(&arrays, axis)
    }

    /// The array with `widths` elements more before and behind it along each axis.
    ///
    /// # Errors
    /// [`ArrayError::Argument`] unless there is one pair of widths for each axis, or one for all, or if there is nothing to
    /// repeat, or more than 16 million elements of one side by another mode than `Constant` and `Edge`; [`ArrayError::Kernel`] for a constant that the dtype does not hold; [`ArrayError::UnknownLength`].
    pub fn pad(&self, widths: &[(usize, usize)], mode: PadMode) -> Result<Self, ArrayError> {
        let mut shape = self.known_shape("pad")?;
        let widths = match widths {
            [one] => vec![*one; shape.len()],
            _ if widths.len() == shape.len() => widths.to_vec(),
            _ => {
                let problem = format!("has {} entries for an array of {} axes", widths.len(), shape.len());
                return Err(ArrayError::Argument { op: "pad", argument: "pad_width", problem });
            }
        };
        let constant = match mode {
            PadMode::Constant(value) => Some(assigned(value, self.dtype())?),
            _ => None,
        };
        let mut padded = self.clone();
        for (axis, (before, after)) in widths.into_iter().enumerate() {
            if (before, after) == (0, 0) {
                continue;
            }
            let len = shape[axis];
            shape[axis] = len.saturating_add(before).saturating_add(after);
            crate::shape::n_elements(&shape)?;
            let side = |range: std::ops::Range<isize>| match constant {
                Some(value) => {
                    let mut own = padded.known_shape("pad")?;
                    own[axis] = range.len();
                    // However much is added, blocks of it are no larger than blocks are by themselves.
                    let others = padded.chunks().axes().iter().enumerate().filter(|(other, _)| *other != axis);
                    let others: usize = others.filter_map(|(_, own)| own.size_max()).product();
                    let size = padded.node.block_bytes / (others * value.dtype().size_bytes()).max(1);
                    let size = size.max(range.len().div_ceil(N_ADDED_MAX));
                    let mut chunks = Chunks::single(&own).axes().to_vec();
                    chunks[axis] = AxisChunks::uniform(range.len(), size.clamp(1, range.len().max(1)));
                    Ok(full_block(&own, value).with_chunks(&Chunks::new(chunks)))
                }
                None if len == 0 => {
                    let problem = format!("of this mode repeats elements, and axis {axis} has none");
                    Err(ArrayError::Argument { op: "pad", argument: "mode", problem })
                }
                // One element, however often it is seen.
                None if mode == PadMode::Edge && !range.is_empty() => {
                    let mut own = padded.known_shape("pad")?;
                    own[axis] = range.len();
                    let at = if range.start < 0 { 0 } else { len - 1 };
                    let mut slices: Slices = SmallVec::from_elem(None, own.len());
                    slices[axis] = Some(AxisSlice { start: at, step: 1, len: 1 });
                    padded.sliced(slices).broadcast_to(&own, None)
                }
                None if range.len() > N_REPEATED_MAX => {
                    let problem = format!("is {} along axis {axis}, more than this mode repeats", range.len());
                    Err(ArrayError::Argument { op: "pad", argument: "pad_width", problem })
                }
                None => padded.take(&range.map(|at| source(mode, at, len as isize)).collect::<Vec<_>>(), axis as isize),
            };
            let sides = [side(-(before as isize)..0)?, side(len as isize..(len + after) as isize)?];
            let [front, back] = sides;
            padded = Self::concatenate(&[front, padded.clone(), back], axis as isize)?;
        }
        Ok(padded)
    }
}

/// The dtype that holds all of some arrays.
fn common_dtype(arrays: &[Array]) -> Result<DType, ArrayError> {
    let mut dtype = arrays[0].dtype();
    for array in &arrays[1..] {
        let (left, right) = (dtype, array.dtype());
        // Points in time have a sum with spans, but no dtype holds both.
        if (left.kind() == Kind::DateTime) != (right.kind() == Kind::DateTime) {
            return Err(KernelError::NoCommonDType { left, right }.into());
        }
        dtype = promote(left, right)?;
    }
    Ok(dtype)
}

/// The chunks of axes one behind the other.
fn behind_each_other<'a>(axes: impl Iterator<Item = &'a AxisChunks> + Clone) -> AxisChunks {
    let sizes: Option<Vec<Vec<usize>>> = axes.clone().map(AxisChunks::sizes).collect();
    match sizes {
        Some(sizes) => AxisChunks::from_sizes(&sizes.concat()),
        None => AxisChunks::unknown(axes.map(AxisChunks::n_blocks).fold(0, u32::saturating_add)),
    }
}

/// The element of an axis of `len` that stands at `at`, which is outside of it.
fn source(mode: PadMode, at: isize, len: isize) -> isize {
    match mode {
        PadMode::Constant(_) | PadMode::Edge => at.clamp(0, len - 1),
        PadMode::Wrap => at.rem_euclid(len),
        PadMode::Symmetric => {
            let place = at.rem_euclid(2 * len);
            place.min(2 * len - 1 - place)
        }
        PadMode::Reflect if len == 1 => 0,
        PadMode::Reflect => {
            let period = 2 * (len - 1);
            let place = at.rem_euclid(period);
            place.min(period - place)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_modes_of_padding_are_numpys() {
        let around = |mode| (-5..8).map(|at| source(mode, at, 3)).collect::<Vec<_>>();
        assert_eq!(around(PadMode::Edge), [0, 0, 0, 0, 0, 0, 1, 2, 2, 2, 2, 2, 2]);
        assert_eq!(around(PadMode::Wrap), [1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1]);
        assert_eq!(around(PadMode::Symmetric), [1, 2, 2, 1, 0, 0, 1, 2, 2, 1, 0, 0, 1]);
        assert_eq!(around(PadMode::Reflect), [1, 0, 1, 2, 1, 0, 1, 2, 1, 0, 1, 2, 1]);
        assert_eq!((-2..3).map(|at| source(PadMode::Reflect, at, 1)).collect::<Vec<_>>(), [0; 5]);
    }
}
