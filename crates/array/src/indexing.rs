//! Subscripts.

mod advanced;

use smallvec::SmallVec;

use crate::node::{Expr, Slices};
use crate::slice::AxisSlice;
use crate::{Array, ArrayError, Chunks, Index};

/// A subscript with one entry for each axis of the array.
struct Parsed<'a> {
    /// What is taken of each axis before anything else.
    slices: Slices,
    /// The entries in order, an ellipsis written out.
    entries: Vec<Entry<'a>>,
}

/// What one entry of a subscript does to the axes of the result.
enum Entry<'a> {
    /// Keeps the axis.
    Keep,
    /// Drops the axis, of which one element is left.
    Drop(usize),
    /// A new axis.
    New,
    /// Nothing, which still parts the lists on its sides: an ellipsis for which no axis is left.
    Gap,
    /// Selects along some axes, from the given one on.
    Advanced(usize, &'a Index),
}

impl Entry<'_> {
    /// Whether there is an axis of the result for it, if it selects by no list.
    fn is_kept(&self) -> bool {
        matches!(self, Self::Keep | Self::New)
    }
}

impl Array {
    /// `x[indices]`, by NumPy's rules: slices keep the borders of blocks, and what they leave out is never computed.
    ///
    /// Several lists of positions, or masks, select point by point; the axes of the points stand where the lists stand if
    /// these are neighbours, else in front.
    ///
    /// # Errors
    /// [`ArrayError::TooManyIndices`], [`ArrayError::IndexOutOfBounds`], [`ArrayError::Index`] for a step of zero, two
    /// ellipses or an array that is no index; [`ArrayError::MaskShape`], [`ArrayError::Broadcast`] for lists that do not fit
    /// each other; [`ArrayError::UnknownLength`].
    pub fn index(&self, indices: &[Index]) -> Result<Self, ArrayError> {
        if let Some(at) = indices.iter().position(Index::is_truth) {
            return self.index_by_truth(indices, at);
        }
        let parsed = self.parse(indices)?;
        let sliced = self.sliced(parsed.slices);
        if parsed.entries.iter().any(|entry| matches!(entry, Entry::Advanced(..))) {
            return advanced::select(&sliced, &parsed.entries);
        }
        let dropped: Vec<usize> = parsed
            .entries
            .iter()
            .filter_map(|entry| match entry {
                Entry::Drop(axis) => Some(*axis),
                _ => None,
            })
            .collect();
        let kept = sliced.without_axes(&dropped);
        let result = parsed.entries.iter().filter(|entry| entry.is_kept());
        let new: Vec<isize> = result
            .enumerate()
            .filter(|(_, entry)| matches!(entry, Entry::New))
            .map(|(place, _)| place as isize)
            .collect();
        kept.expand_dims(&new)
    }

    /// As [`index`](Self::index) where entry `at` is a truth value: a new axis, of length one if it is true, else of none.
    fn index_by_truth(&self, indices: &[Index], at: usize) -> Result<Self, ArrayError> {
        let others = |index: &Index| matches!(index, Index::Ints { .. } | Index::Mask { .. } | Index::Array(_));
        if indices.iter().enumerate().any(|(idx, index)| idx != at && others(index)) {
            let problem = "a truth value stands beside lists or other truth values; select in two steps";
            return Err(ArrayError::Index { problem: problem.to_owned() });
        }
        let mut plain = indices.to_vec();
        plain[at] = Index::NewAxis;
        let whole = self.index(&plain)?;
        if matches!(&indices[at], Index::Mask { values, .. } if values == &[true]) {
            return Ok(whole);
        }
        let n_left = self.n_dims() - indices.iter().map(Index::n_axes).sum::<usize>();
        let axes_before = indices[..at].iter().map(|index| match index {
            Index::Ellipsis => n_left,
            Index::At(_) => 0,
            _ => 1,
        });
        let mut slices: Slices = SmallVec::from_elem(None, whole.n_dims());
        slices[axes_before.sum::<usize>()] = Some(AxisSlice { start: 0, step: 1, len: 0 });
        Ok(whole.sliced(slices))
    }

    /// The part of each axis that `slices` say; the blocks are those of this array as far as they have some of it.
    pub(crate) fn sliced(&self, slices: Slices) -> Self {
        let whole = |(axis, slice): (usize, Option<AxisSlice>)| {
            slice.filter(|slice| self.chunks().axes()[axis].len().is_none_or(|len| !slice.is_full(len)))
        };
        let slices: Slices = slices.into_iter().enumerate().map(whole).collect();
        if slices.iter().all(Option::is_none) {
            return self.clone();
        }
        let chunks = sliced_chunks(self.chunks(), &slices);
        Self::from_node(Expr::Slice { input: self.clone(), slices }, self.dtype(), chunks)
    }

    fn parse<'a>(&self, indices: &'a [Index]) -> Result<Parsed<'a>, ArrayError> {
        self.check()?;
        let n_dims = self.n_dims();
        let n_given: usize = indices.iter().map(Index::n_axes).sum();
        if n_given > n_dims {
            return Err(ArrayError::TooManyIndices { n_given, n_dims });
        }
        if indices.iter().filter(|index| matches!(index, Index::Ellipsis)).count() > 1 {
            return Err(ArrayError::Index { problem: "there is more than one ellipsis (`...`)".to_owned() });
        }
        let mut slices: Slices = SmallVec::from_elem(None, n_dims);
        let mut entries = Vec::new();
        let mut axis = 0;
        // Without an ellipsis, the axes that are left follow the last entry.
        let ellipsis =
            if indices.iter().any(|index| matches!(index, Index::Ellipsis)) { None } else { Some(&Index::Ellipsis) };
        for index in indices.iter().chain(ellipsis) {
            match index {
                Index::Ellipsis => {
                    let n_left = n_dims - n_given;
                    if n_left == 0 {
                        entries.push(Entry::Gap);
                    }
                    entries.extend(std::iter::repeat_with(|| Entry::Keep).take(n_left));
                    axis += n_left;
                }
                Index::NewAxis => entries.push(Entry::New),
                Index::At(at) => {
                    let start = self.position(axis, *at)?;
                    slices[axis] = Some(AxisSlice { start, step: 1, len: 1 });
                    entries.push(Entry::Drop(axis));
                    axis += 1;
                }
                Index::Slice { start, stop, step } => {
                    slices[axis] = self.clipped(axis, *start, *stop, *step)?;
                    entries.push(Entry::Keep);
                    axis += 1;
                }
                Index::Array(array) if array.is_mask() && array.n_dims() == 0 => {
                    let problem = "a truth value that is yet to be computed selects nothing; use where";
                    return Err(ArrayError::Index { problem: problem.to_owned() });
                }
                Index::Ints { .. } | Index::Mask { .. } | Index::Array(_) => {
                    entries.push(Entry::Advanced(axis, index));
                    axis += index.n_axes();
                }
            }
        }
        Ok(Parsed { slices, entries })
    }

    /// `start:stop:step` of an axis; `None` if that is all of it.
    fn clipped(
        &self,
        axis: usize,
        start: Option<isize>,
        stop: Option<isize>,
        step: Option<isize>,
    ) -> Result<Option<AxisSlice>, ArrayError> {
        let step = step.unwrap_or(1);
        if step == 0 {
            return Err(ArrayError::Index { problem: "a slice has a step of zero".to_owned() });
        }
        if (start, stop, step) == (None, None, 1) {
            return Ok(None);
        }
        let len = self.dims()[axis].ok_or(ArrayError::UnknownLength { op: "slice", axis })?;
        Ok(Some(AxisSlice::clip(start, stop, step, len)))
    }

    /// Where element `at` of an axis is, counted from the front.
    fn position(&self, axis: usize, at: isize) -> Result<usize, ArrayError> {
        let len = self.dims()[axis].ok_or(ArrayError::UnknownLength { op: "index", axis })?;
        position(at, axis, len)
    }

    /// A copy with `value`, broadcast, in place of `x[indices]`.
    ///
    /// `indices` may be anything but lists of positions and masks together with other lists; a mask takes a value that
    /// broadcasts to the array.
    ///
    /// # Errors
    /// Those of [`index`](Self::index), and [`ArrayError::Broadcast`] if `value` does not fit; a value that the dtype
    /// cannot hold is cast as `astype` does.
    pub fn setitem(&self, indices: &[Index], value: &Self) -> Result<Self, ArrayError> {
        value.check()?;
        let value = value.astype(self.dtype())?;
        if let [Index::Array(mask)] = indices
            && mask.is_mask()
        {
            advanced::check_mask(mask, self, 0)?;
            return self.masked_set(mask, &value);
        }
        if let [Index::Mask { shape, values }] = indices {
            let mask = Self::from_vec(shape, values.clone())?;
            advanced::check_mask(&mask, self, 0)?;
            return self.masked_set(&mask, &value);
        }
        let parsed = self.parse(indices)?;
        if parsed.entries.iter().any(|entry| matches!(entry, Entry::Advanced(..))) {
            return advanced::set(self, &parsed, &value);
        }
        let part = self.index(indices)?;
        let value = value.broadcast_to(&part.known_shape("setitem")?, None).map_err(|error| match error {
            ArrayError::Broadcast { shapes, hint, .. } => {
                ArrayError::Broadcast { op: "setitem".to_owned(), shapes, hint }
            }
            other => other,
        })?;
        // The axes that the subscript dropped come back, those that it made go.
        let kept = parsed.entries.iter().filter(|entry| entry.is_kept());
        let new: Vec<usize> =
            kept.enumerate().filter(|(_, entry)| matches!(entry, Entry::New)).map(|(place, _)| place).collect();
        let dropped = parsed.entries.iter().filter_map(|entry| match entry {
            Entry::Drop(axis) => Some(*axis as isize),
            _ => None,
        });
        let value = value.without_axes(&new).expand_dims(&dropped.collect::<Vec<_>>())?;
        Ok(self.placed(&parsed.slices, &value))
    }

    /// A copy with `value` in place of the slice, whose shape it has.
    fn placed(&self, slices: &Slices, value: &Self) -> Self {
        if value.dims().contains(&Some(0)) {
            return self.clone();
        }
        let value = value.with_chunks(&sliced_chunks(self.chunks(), slices));
        if slices.iter().all(Option::is_none) {
            return value;
        }
        let expr = Expr::Place { base: self.clone(), value, slices: slices.clone() };
        Self::from_node(expr, self.dtype(), self.chunks().clone())
    }
}

/// The chunks of a slice that follow those of the array.
pub(crate) fn sliced_chunks(chunks: &Chunks, slices: &Slices) -> Chunks {
    Chunks::new(chunks.axes().iter().zip(slices).map(|(axis, slice)| match slice {
        None => axis.clone(),
        Some(slice) => axis.slice(slice),
    }))
}

/// Where element `at` of an axis of `len` is, counted from the front.
fn position(at: isize, axis: usize, len: usize) -> Result<usize, ArrayError> {
    let from_front = if at < 0 { len.checked_add_signed(at) } else { Some(at.unsigned_abs()) };
    from_front.filter(|idx| *idx < len).ok_or(ArrayError::IndexOutOfBounds { index: at, axis, len })
}
