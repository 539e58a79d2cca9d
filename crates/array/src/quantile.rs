//! Quantiles.

use std::sync::Arc;

use dolmen_kernels::{DType, Function, Kind, QuantileMethod, Quantiles, rank_counts_len, rank_passes, rank_targets};
use smallvec::SmallVec;

use crate::chunks::AxisChunks;
use crate::compose::inexact;
use crate::kernel::{Along, Kernel};
use crate::node::{Expr, Operand, OperandAxis};
use crate::shape::normalize_axes;
use crate::{Array, ArrayError, Chunks, Reduce};

/// So many shares are looked for at once; each has two rows of counts in every task.
const SHARES_MAX: usize = 8;

impl Array {
    /// NumPy's `quantile`: the elements, or what lies between them, that have the given `shares` of the elements below them,
    /// along a first axis of as many. NaN makes a quantile NaN unless it is left out. Of `options`, the axes and `keepdims`
    /// count.
    ///
    /// Of all elements of an array of several blocks, ranks are found by counting the digits of the elements in a few passes,
    /// however many there are; over some axes these are put into one block.
    ///
    /// # Errors
    /// [`ArrayError::AxisOutOfRange`], [`ArrayError::RepeatedAxis`]; [`ArrayError::Argument`] for shares outside of 0 to 1;
    /// [`ArrayError::DTypeUnsupported`] for complex numbers, and for times and booleans unless the method picks an element;
    /// [`ArrayError::EmptyReduction`] of nothing; [`ArrayError::UnknownLength`].
    pub fn quantile(
        &self,
        shares: &[f64],
        method: QuantileMethod,
        skip_nan: bool,
        options: &Reduce,
    ) -> Result<Self, ArrayError> {
        let op = "quantile";
        self.check()?;
        if let Some(share) = shares.iter().find(|share| !(0.0..=1.0).contains(*share)) {
            let problem = format!("is {share}; it should be between 0 and 1");
            return Err(ArrayError::Argument { op, argument: "q", problem });
        }
        let unsupported = |remedy| Err(ArrayError::DTypeUnsupported { op, dtype: self.dtype(), remedy });
        match self.dtype().kind() {
            Kind::Complex => return unsupported("complex numbers have no order; take their absolute or real part"),
            Kind::Bool | Kind::DateTime | Kind::TimeDelta if !method.is_discrete() => {
                return unsupported(
                    "nothing lies between two of them; take a method that picks one, such as 'lower', or cast it",
                );
            }
            _ => {}
        }
        let axes = normalize_axes(op, options.axes.as_deref(), self.n_dims())?;
        let dims = self.dims();
        if axes.iter().any(|axis| dims[*axis] == Some(0)) {
            return Err(ArrayError::EmptyReduction { op, shape: dims.into_vec() });
        }
        let quantiles = Quantiles { shares: shares.to_vec(), method, skip_nan };
        let dtype = method.dtype(self.dtype());
        let is_all = axes.len() == self.n_dims() && self.n_dims() > 0;
        let rows = if is_all && self.chunks().n_blocks()? > 1 {
            self.by_ranks(&quantiles, dtype)?
        } else if let [axis] = axes[..] {
            self.along(axis, Along::Quantiles(quantiles), dtype, Some(shares.len())).moveaxis(axis as isize, 0)?
        } else {
            // The axes as one behind the others.
            let kept: Vec<usize> = (0..self.n_dims()).filter(|axis| !axes.contains(axis)).collect();
            let order: Vec<isize> = kept.iter().chain(&axes).map(|axis| *axis as isize).collect();
            let shape = self.known_shape(op)?;
            let shape: Vec<isize> = kept.iter().map(|axis| shape[*axis] as isize).chain([-1]).collect();
            let joined = self.transpose(Some(&order))?.reshape(&shape)?;
            joined.along(kept.len(), Along::Quantiles(quantiles), dtype, Some(shares.len())).moveaxis(-1, 0)?
        };
        if !options.keepdims {
            return Ok(rows);
        }
        let mut axes: Vec<isize> = axes.iter().map(|axis| *axis as isize + 1).collect();
        axes.sort_unstable();
        rows.expand_dims(&axes)
    }

    /// NumPy's `median`: the element in the middle, or the mean of the two there. See [`quantile`](Self::quantile).
    ///
    /// # Errors
    /// As [`quantile`](Self::quantile).
    pub fn median(&self, options: &Reduce) -> Result<Self, ArrayError> {
        self.middle(false, options)
    }

    /// NumPy's `nanmedian`: the [`median`](Self::median) of what is not NaN.
    ///
    /// # Errors
    /// As [`quantile`](Self::quantile).
    pub fn nanmedian(&self, options: &Reduce) -> Result<Self, ArrayError> {
        self.middle(true, options)
    }

    fn middle(&self, skip_nan: bool, options: &Reduce) -> Result<Self, ArrayError> {
        self.check()?;
        // As the mean has it, of booleans as well.
        let x = if self.dtype() == DType::Bool { self.astype(DType::F64)? } else { self.clone() };
        let dtype = inexact(x.dtype())?;
        x.quantile(&[0.5], QuantileMethod::Median, skip_nan, options)?.squeeze(Some(&[0]))?.astype(dtype)
    }

    /// Quantiles of all elements, by passes over the blocks.
    fn by_ranks(&self, quantiles: &Quantiles, dtype: DType) -> Result<Self, ArrayError> {
        if quantiles.shares.len() > SHARES_MAX {
            let parts = quantiles
                .shares
                .chunks(SHARES_MAX)
                .map(|shares| self.by_ranks(&Quantiles { shares: shares.to_vec(), ..quantiles.clone() }, dtype));
            return Self::concatenate(&parts.collect::<Result<Vec<_>, _>>()?, 0);
        }
        let n_targets = rank_targets(quantiles);
        let whole = |array: &Self| Operand { axes: SmallVec::from_elem(OperandAxis::All, 1), array: array.clone() };
        let one_row = |kernel: Kernel, operands: Vec<Operand>, dtype: DType, len: usize| {
            let expr = Expr::Blockwise { kernel: Arc::new(kernel), operands };
            Self::from_node(expr, dtype, Chunks::new([AxisChunks::single(len)]))
        };
        let mut state: Option<Self> = None;
        for pass in 0..rank_passes(self.dtype()) {
            let n_counts = rank_counts_len(if state.is_some() { n_targets } else { 1 });
            let operands = [Operand::same(self.clone())].into_iter().chain(state.as_ref().map(whole)).collect();
            let expr = Expr::Blockwise { kernel: Arc::new(Kernel::RankCounts { pass }), operands };
            // One row for each block, behind the axes of blocks.
            let blocks = self.chunks().numblocks().map(|n| AxisChunks::uniform(n as usize, 1));
            let chunks = Chunks::new(blocks.chain([AxisChunks::single(n_counts)]));
            let rows = Self::from_node(expr, DType::I64, chunks);
            let axes: Vec<isize> = (0..self.n_dims() as isize).collect();
            let counts = rows.reduce(Function::Sum.plain(), &Reduce::over(&axes))?;
            let operands = [whole(&counts)].into_iter().chain(state.as_ref().map(whole)).collect();
            let kernel = Kernel::RankStep { pass, quantiles: quantiles.clone() };
            state = Some(one_row(kernel, operands, DType::U64, 2 + 2 * n_targets));
        }
        let operands = state.iter().map(whole).collect();
        let kernel = Kernel::RankFinish { dtype: self.dtype(), quantiles: quantiles.clone() };
        Ok(one_row(kernel, operands, dtype, quantiles.shares.len()))
    }
}
