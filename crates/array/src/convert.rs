//! Arrays from data in memory, and data out of computed blocks.

use dolmen_kernels::{Block, DType, Element, Scalar, WeakScalar};
use ndarray::{ArrayBase, ArrayD, Data, Dimension};

use crate::node::Expr;
use crate::{Array, ArrayError, ChunkSpec, Chunks};

impl Array {
    /// The array of a block in memory; the elements are not copied.
    ///
    /// # Errors
    /// Those of [`ChunkSpec::chunks`].
    pub fn from_block(block: Block, chunks: impl Into<ChunkSpec>) -> Result<Self, ArrayError> {
        let chunks = chunks.into().chunks(block.shape(), block.dtype().size_bytes(), None)?;
        let dtype = block.dtype();
        Ok(Self::from_node(Expr::Memory(block), dtype, chunks))
    }

    /// An array of `shape` with `elements` in C order, which are not copied; cut automatically.
    ///
    /// # Errors
    /// [`ArrayError::Kernel`] if there are more or fewer elements than the shape has.
    pub fn from_vec<T: Element>(shape: &[usize], elements: Vec<T>) -> Result<Self, ArrayError> {
        Self::from_block(Block::from_vec(shape, elements)?, ChunkSpec::Auto)
    }

    /// An array with the elements of `array`, which are copied; cut as `chunks` says. Dask's `from_array`.
    ///
    /// # Errors
    /// Those of [`ChunkSpec::chunks`].
    pub fn from_ndarray<T, S, D>(array: &ArrayBase<S, D>, chunks: impl Into<ChunkSpec>) -> Result<Self, ArrayError>
    where
        T: Element + Clone,
        S: Data<Elem = T>,
        D: Dimension,
    {
        Self::from_block(Block::from_ndarray(array.to_owned().into_dyn()), chunks)
    }

    /// A 0-d array of one value.
    #[must_use]
    pub fn scalar(value: Scalar) -> Self {
        full_block(&[], value)
    }
}

/// A literal as an assignment to an array of `dtype` takes it: a decimal number is cut where integers are asked for, and an
/// integer has to fit.
pub(crate) fn assigned(value: WeakScalar, dtype: DType) -> Result<Scalar, ArrayError> {
    match value {
        WeakScalar::Bool(_) | WeakScalar::Int(_) => Ok(value.to_scalar(dtype)?),
        WeakScalar::Float(_) | WeakScalar::Complex(_) => Ok(value.to_scalar(value.default_dtype())?.cast(dtype)?),
    }
}

/// An array of one repeated value, in memory as one element and in one block.
pub(crate) fn full_block(shape: &[usize], value: Scalar) -> Array {
    Array::from_node(Expr::Memory(Block::full(shape, value)), value.dtype(), Chunks::single(shape))
}

/// An array without elements.
pub(crate) fn empty_of(shape: &[usize], dtype: DType) -> Array {
    full_block(shape, Scalar::zero(dtype))
}

/// The elements of a computed block as an `ndarray`.
///
/// # Errors
/// [`ArrayError::WrongDType`] if they are no `T`.
pub fn to_ndarray<T: Element + Clone>(block: &Block) -> Result<ArrayD<T>, ArrayError> {
    let wrong = |_| ArrayError::WrongDType { expected: T::DTYPE, actual: block.dtype() };
    Ok(block.view::<T>().map_err(wrong)?.to_owned())
}
