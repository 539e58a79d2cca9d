//! The largest and the least elements.

use std::sync::Arc;

use crate::chunks::AxisChunks;
use crate::kernel::Kernel;
use crate::node::{Expr, Operand, OperandAxis};
use crate::shape::normalize_axis;
use crate::{Array, ArrayError, Chunks};

/// How many blocks' candidates a task compares.
const FAN_IN: u32 = 8;

impl Array {
    /// The `k` largest elements along `axis`, from the largest on; for negative `k` the least, from the least on. Dask's
    /// `topk`. NaN counts as larger than all numbers, as when NumPy sorts.
    ///
    /// # Errors
    /// [`ArrayError::AxisOutOfRange`], [`ArrayError::UnknownLength`]; [`ArrayError::Argument`] for `k = 0`;
    /// [`ArrayError::DTypeUnsupported`] for complex numbers.
    pub fn topk(&self, k: isize, axis: isize) -> Result<Self, ArrayError> {
        let (axis, _) = self.best_along("topk", k, axis)?;
        let n_max = k.unsigned_abs();
        let mut best = self.best_of(k, axis, 1, n_max);
        while best.chunks().axes()[axis].n_blocks() > 1 {
            best = best.best_of(k, axis, FAN_IN, n_max);
        }
        Ok(best)
    }

    /// The axis along which the `k` best elements are asked for, and its length.
    pub(crate) fn best_along(&self, op: &'static str, k: isize, axis: isize) -> Result<(usize, usize), ArrayError> {
        self.check()?;
        let axis = normalize_axis(op, axis, self.n_dims())?;
        if k == 0 {
            return Err(ArrayError::Argument { op, argument: "k", problem: "is zero".to_owned() });
        }
        if self.dtype().real() != self.dtype() {
            let remedy = "complex numbers have no order; take their absolute or real part";
            return Err(ArrayError::DTypeUnsupported { op, dtype: self.dtype(), remedy });
        }
        Ok((axis, self.dims()[axis].ok_or(ArrayError::UnknownLength { op, axis })?))
    }

    /// The best elements of each `n_blocks` neighbouring blocks along `axis`.
    fn best_of(&self, k: isize, axis: usize, n_blocks: u32, n_max: usize) -> Self {
        let own = &self.chunks().axes()[axis];
        let sizes = own.sizes().unwrap_or_default();
        let sizes: Vec<usize> =
            sizes.chunks(n_blocks as usize).map(|group| group.iter().sum::<usize>().min(n_max)).collect();
        let mut chunks = self.chunks().axes().to_vec();
        chunks[axis] = AxisChunks::from_sizes(&sizes);
        let mut operand = Operand::same(self.clone());
        if n_blocks > 1 {
            operand.axes[axis] = OperandAxis::Group { out: axis, size: n_blocks };
        }
        let expr = Expr::Blockwise { kernel: Arc::new(Kernel::TopK { k, axis }), operands: vec![operand] };
        Self::from_node(expr, self.dtype(), Chunks::new(chunks))
    }
}
