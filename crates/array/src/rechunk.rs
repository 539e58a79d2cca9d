//! Other chunks.

use crate::node::Expr;
use crate::{Array, ArrayError, ChunkSpec, Chunks};

impl Array {
    /// The same array in other chunks.
    ///
    /// ```
    /// # use dolmen_array::{Array, AxisSpec};
    /// # use dolmen_kernels::DType;
    /// let x = Array::ones(&[8, 4], DType::F64, 2)?;
    /// assert_eq!(x.rechunk([8, 2])?.chunks().to_string(), "((8,), (2, 2))");
    /// assert_eq!(x.rechunk(vec![AxisSpec::Keep, AxisSpec::Full])?.chunks().to_string(), "((2, 2, 2, 2), (4,))");
    /// # Ok::<(), dolmen_array::ArrayError>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`ChunkSpec::chunks`]; [`ArrayError::UnknownLength`].
    pub fn rechunk(&self, chunks: impl Into<ChunkSpec>) -> Result<Self, ArrayError> {
        let shape = self.known_shape("rechunk")?;
        let chunks = chunks.into().chunks(&shape, self.dtype().size_bytes(), Some(self.chunks()))?;
        Ok(self.with_chunks(&chunks))
    }

    /// The array cut as `chunks`, which are of the same lengths; itself if it is.
    pub(crate) fn with_chunks(&self, chunks: &Chunks) -> Self {
        if chunks == self.chunks() {
            return self.clone();
        }
        // A change along one axis moves blocks as a whole, so that all lengths have to be known.
        if let Some(axis) = self.dims().iter().position(Option::is_none) {
            return Self::failed(ArrayError::UnknownLength { op: "rechunk", axis });
        }
        if let Expr::Memory(_) = &self.node.expr {
            return Self::from_node(self.node.expr.clone(), self.dtype(), chunks.clone());
        }
        let input = match &self.node.expr {
            // What was cut in between is not cut at all.
            Expr::Rechunk { input } => input.clone(),
            _ => self.clone(),
        };
        if chunks == input.chunks() {
            return input;
        }
        Self::from_node(Expr::Rechunk { input }, self.dtype(), chunks.clone())
    }
}
