//! What stands in the brackets of a subscript.

use std::ops::{Range, RangeFrom, RangeFull, RangeTo};

use crate::Array;

/// One entry of a subscript, with NumPy's meaning.
///
/// ```
/// use dolmen_array::{Array, ChunkSpec, Index};
///
/// let x = Array::arange(0, 12, 1, None, ChunkSpec::Auto)?.reshape(&[3, 4])?;
/// // x[1:, ::-1]
/// let part = x.index(&[Index::from(1..), Index::slice(None, None, Some(-1))])?;
/// assert_eq!(part.shape()?, [2, 4]);
/// // x[..., newaxis, 0]
/// let column = x.index(&[Index::Ellipsis, Index::NewAxis, Index::At(0)])?;
/// assert_eq!(column.shape()?, [3, 1]);
/// # Ok::<(), dolmen_array::ArrayError>(())
/// ```
#[derive(Debug, Clone)]
pub enum Index {
    /// One element, counted from the end if negative; its axis goes.
    At(isize),
    /// `start:stop:step`.
    Slice {
        /// The first element; from the end of the axis if negative, the end that the step comes from if absent.
        start: Option<isize>,
        /// Before which element to stop.
        stop: Option<isize>,
        /// From one element to the next; not zero, 1 if absent.
        step: Option<isize>,
    },
    /// As many whole axes as there are left: `...`.
    Ellipsis,
    /// A new axis of length 1.
    NewAxis,
    /// Elements by their positions, in any order and number; an array of positions of `shape`.
    Ints {
        /// The shape of the positions.
        shape: Vec<usize>,
        /// The positions in C order, counted from the end if negative.
        values: Vec<isize>,
    },
    /// Elements where a mask is true; it takes as many axes as it has.
    Mask {
        /// The shape of the mask, that of the axes it selects from.
        shape: Vec<usize>,
        /// The mask in C order.
        values: Vec<bool>,
    },
    /// Elements by a lazy array: a mask of booleans, or positions. What a mask selects has an unknown length until it is
    /// computed.
    Array(Array),
}

impl Index {
    /// `start:stop:step`.
    #[must_use]
    pub fn slice(start: Option<isize>, stop: Option<isize>, step: Option<isize>) -> Self {
        Self::Slice { start, stop, step }
    }

    /// Whether it is one truth value, of no axes.
    pub(crate) fn is_truth(&self) -> bool {
        matches!(self, Self::Mask { shape, .. } if shape.is_empty())
    }

    /// How many axes of the array it takes.
    pub(crate) fn n_axes(&self) -> usize {
        match self {
            Self::Ellipsis | Self::NewAxis => 0,
            Self::Mask { shape, .. } => shape.len(),
            Self::Array(array) if array.is_mask() => array.n_dims(),
            _ => 1,
        }
    }
}

impl From<isize> for Index {
    fn from(at: isize) -> Self {
        Self::At(at)
    }
}

impl From<Range<isize>> for Index {
    fn from(range: Range<isize>) -> Self {
        Self::slice(Some(range.start), Some(range.end), None)
    }
}

impl From<RangeFrom<isize>> for Index {
    fn from(range: RangeFrom<isize>) -> Self {
        Self::slice(Some(range.start), None, None)
    }
}

impl From<RangeTo<isize>> for Index {
    fn from(range: RangeTo<isize>) -> Self {
        Self::slice(None, Some(range.end), None)
    }
}

impl From<RangeFull> for Index {
    fn from(_: RangeFull) -> Self {
        Self::slice(None, None, None)
    }
}

impl From<Vec<isize>> for Index {
    fn from(values: Vec<isize>) -> Self {
        Self::Ints { shape: vec![values.len()], values }
    }
}

impl From<Vec<bool>> for Index {
    fn from(values: Vec<bool>) -> Self {
        Self::Mask { shape: vec![values.len()], values }
    }
}

impl From<Array> for Index {
    fn from(array: Array) -> Self {
        Self::Array(array)
    }
}

impl From<&Array> for Index {
    fn from(array: &Array) -> Self {
        Self::Array(array.clone())
    }
}
