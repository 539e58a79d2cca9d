//! Running sums and products.

use std::sync::Arc;

use dolmen_kernels::{Function, Program, Reduction};
use smallvec::SmallVec;

use crate::chunks::AxisChunks;
use crate::kernel::Kernel;
use crate::node::{Expr, Operand, OperandAxis};
use crate::reduce::Spec;
use crate::shape::normalize_axis;
use crate::{Array, ArrayError, Chunks};

impl Array {
    /// The sum of everything up to each element along `axis`; of the elements in C order for `None`.
    ///
    /// Blocks are summed on their own; what comes before each is added to it afterwards.
    ///
    /// # Errors
    /// [`ArrayError::AxisOutOfRange`]; [`ArrayError::Kernel`] if sums of the dtype have no meaning;
    /// [`ArrayError::UnknownLength`] if the array has to be flattened and a length is unknown.
    pub fn cumsum(&self, axis: Option<isize>) -> Result<Self, ArrayError> {
        self.cumulative(Function::Sum.plain(), axis)
    }

    /// The product of everything up to each element, as [`cumsum`](Self::cumsum).
    ///
    /// # Errors
    /// As [`cumsum`](Self::cumsum).
    pub fn cumprod(&self, axis: Option<isize>) -> Result<Self, ArrayError> {
        self.cumulative(Function::Prod.plain(), axis)
    }

    /// [`cumsum`](Self::cumsum) with NaN as zero.
    ///
    /// # Errors
    /// As [`cumsum`](Self::cumsum).
    pub fn nancumsum(&self, axis: Option<isize>) -> Result<Self, ArrayError> {
        self.without_nan(0.0)?.cumsum(axis)
    }

    /// [`cumprod`](Self::cumprod) with NaN as one.
    ///
    /// # Errors
    /// As [`cumsum`](Self::cumsum).
    pub fn nancumprod(&self, axis: Option<isize>) -> Result<Self, ArrayError> {
        self.without_nan(1.0)?.cumprod(axis)
    }

    fn without_nan(&self, neutral: f64) -> Result<Self, ArrayError> {
        if !self.dtype().is_inexact() {
            return Ok(self.clone());
        }
        Self::where_(self.isnan()?, neutral, self)
    }

    fn cumulative(&self, reduction: Reduction, axis: Option<isize>) -> Result<Self, ArrayError> {
        self.check()?;
        let Some(axis) = axis else { return self.ravel()?.cumulative(reduction, Some(0)) };
        let op = if reduction.function == Function::Sum { "cumsum" } else { "cumprod" };
        let axis = normalize_axis(op, axis, self.n_dims())?;
        let x = self.astype(reduction.result_dtype(self.dtype())?)?;
        let own = x.chunks().axes()[axis].clone();
        let is_product = reduction.function == Function::Prod;
        let mut operands = vec![Operand::same(x.clone())];
        if own.n_blocks() > 1 {
            let before = x.before_blocks(reduction, axis, own.n_blocks(), is_product);
            let mut axes = Operand::same(before.clone()).axes;
            axes[axis] = OperandAxis::All;
            operands.push(Operand { array: before, axes });
        }
        let kernel = Arc::new(Kernel::Scan { axis, is_product });
        Ok(Self::from_node(Expr::Blockwise { kernel, operands }, x.dtype(), x.chunks().clone()))
    }

    /// What the elements before each of the `n_blocks` blocks along `axis` come to, in one block along it.
    fn before_blocks(&self, reduction: Reduction, axis: usize, n_blocks: u32, is_product: bool) -> Self {
        let cut = |own: AxisChunks| {
            Chunks::new(
                self.chunks()
                    .axes()
                    .iter()
                    .enumerate()
                    .map(|(at, chunks)| if at == axis { own.clone() } else { chunks.clone() }),
            )
        };
        let axes: SmallVec<[usize; 4]> = SmallVec::from_slice(&[axis]);
        let spec = Spec { reduction, axes, ddof: 0.0, split_every: None };
        let program = Program::identity(self.dtype());
        let kernel = Kernel::Partial { program, spec, chunks: self.chunks().clone(), is_last: true };
        let expr = Expr::Blockwise { kernel: Arc::new(kernel), operands: vec![Operand::same(self.clone())] };
        let totals = Self::from_node(expr, self.dtype(), cut(AxisChunks::uniform(n_blocks as usize, 1)));
        let mut operand = Operand::same(totals);
        operand.axes[axis] = OperandAxis::All;
        let expr =
            Expr::Blockwise { kernel: Arc::new(Kernel::ScanTotals { axis, is_product }), operands: vec![operand] };
        Self::from_node(expr, self.dtype(), cut(AxisChunks::single(n_blocks as usize)))
    }
}
