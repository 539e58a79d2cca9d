//! Arrays of positions.

use dolmen_kernels::DType;

use crate::formula::{Formula, Step};
use crate::view::broadcast_arrays;
use crate::{Array, ArrayError, ChunkSpec, Index};

impl Array {
    /// NumPy's `indices`: for each axis of `shape` an array with the position along it of every element. Shape
    /// `[n_axes, ..shape]`.
    ///
    /// # Errors
    /// [`ArrayError::Argument`] for a shape without axes; those of [`ChunkSpec::chunks`], which cuts `shape`.
    pub fn indices(shape: &[usize], dtype: DType, chunks: impl Into<ChunkSpec>) -> Result<Self, ArrayError> {
        let chunks = chunks.into();
        let along = |axis: u32| {
            let formula = Formula::single(Step::Index { axis, start: 0, step: 1 });
            Self::generated(shape, formula, DType::I64, chunks.clone())?.astype(dtype)
        };
        let n_axes = u32::try_from(shape.len()).unwrap_or(u32::MAX);
        Self::stack(&(0..n_axes).map(along).collect::<Result<Vec<_>, _>>()?, 0)
    }

    /// NumPy's `meshgrid` of vectors: arrays whose elements are all combinations of theirs, the first vector along the columns
    /// and the second along the rows, or each along its own axis if `by_position` (NumPy's `indexing='ij'`).
    ///
    /// If `sparse`, each array has length 1 along the axes of the others.
    ///
    /// # Errors
    /// [`ArrayError::UnknownLength`]; [`ArrayError::TooLarge`].
    pub fn meshgrid(vectors: &[Self], by_position: bool, sparse: bool) -> Result<Vec<Self>, ArrayError> {
        let n = vectors.len();
        let spread = |(position, vector): (usize, &Self)| {
            let axis = match position {
                0 | 1 if !by_position && n > 1 => 1 - position,
                other => other,
            };
            vector.ravel()?.lying_along(axis, n)
        };
        let open = vectors.iter().enumerate().map(spread).collect::<Result<Vec<_>, _>>()?;
        if sparse { Ok(open) } else { broadcast_arrays(&open) }
    }

    /// NumPy's `nonzero`: for each axis the positions of the elements that are not zero. Their number is known when they are
    /// computed.
    ///
    /// # Errors
    /// [`ArrayError::WrongRank`] for a number without axes; [`ArrayError::UnknownLength`].
    pub fn nonzero(&self) -> Result<Vec<Self>, ArrayError> {
        let (op, shape) = ("nonzero", self.known_shape("nonzero")?);
        if shape.is_empty() {
            return Err(ArrayError::WrongRank { op, expected: "at least one axis", n_dims: 0 });
        }
        let is_there = self.not_equal(dolmen_kernels::Scalar::zero(self.dtype()))?;
        let mask = Index::from(&is_there);
        let along = |axis: u32| {
            let formula = Formula::single(Step::Index { axis, start: 0, step: 1 });
            let positions = Self::generated(&shape, formula, DType::I64, ChunkSpec::Auto)?;
            positions.with_chunks(self.chunks()).index(std::slice::from_ref(&mask))
        };
        (0..shape.len() as u32).map(along).collect()
    }
}
