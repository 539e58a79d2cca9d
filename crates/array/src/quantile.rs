//! Quantiles.

use std::sync::Arc;

use dolmen_kernels::{
    DIGEST_LEN, DType, Function, Kind, QuantileMethod, Quantiles, rank_counts_len, rank_passes, rank_targets,
};
use smallvec::SmallVec;

use crate::chunks::AxisChunks;
use crate::compose::inexact;
use crate::kernel::{Along, Kernel};
use crate::node::{Expr, Operand, OperandAxis};
use crate::shape::normalize_axes;
use crate::{Array, ArrayError, Chunks, Reduce};

/// So many digests are merged by a task.
const FAN_IN: u32 = 32;

/// The bytes of counts that one task sums, if those of two blocks are less.
const COUNTED_BYTES: usize = 8 << 20;

/// So many shares are looked for at once; each has two rows of counts in every task.
const SHARES_MAX: usize = 8;

impl Array {
    /// NumPy's `quantile`: the elements, or what lies between them, that have the given `shares` of the elements below them,
    /// along a first axis of as many. NaN makes a quantile NaN unless it is left out. Of `options`, the axes and `keepdims`
    /// count.
    ///
    /// With [`QuantileMethod::TDigest`] each block is read once and kept as a sketch of 32 kB for each place of the result; they
    /// are merged in a tree. The rank of what is found differs from what is asked for by no more than 0.24 % of the elements
    /// in one block, and 0.16 % more for each level of the tree, of 32 times as many blocks; as a rule by no more than 0.05 %,
    /// and by less towards both ends. It is exact where the axes are in one block, or no longer than a sketch. The same chunks
    /// give the same bits.
    ///
    /// Else, of all elements of an array of several blocks, ranks are found by counting the digits of the elements in a few
    /// passes, however many there are; over some axes these are put into one block.
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
        let rows = if method == QuantileMethod::TDigest && self.is_worth_digests(&axes) {
            self.by_digests(&axes, quantiles)?
        } else if is_all && self.chunks().n_blocks()? > 1 {
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

    /// NumPy's `median`: the element in the middle, or the mean of the two there; of nothing it is NaN. See
    /// [`quantile`](Self::quantile).
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
        let axes = normalize_axes("median", options.axes.as_deref(), self.n_dims())?;
        if (x.dtype().is_integer() || x.dtype().kind() == Kind::Float)
            && axes.iter().any(|axis| x.dims()[*axis] == Some(0))
        {
            // NaN, as that of nothing is.
            return x.mean(options);
        }
        x.quantile(&[0.5], QuantileMethod::Median, skip_nan, options)?.squeeze(Some(&[0]))?.astype(dtype)
    }

    /// Whether some axes have blocks, and more elements than a digest.
    fn is_worth_digests(&self, axes: &[usize]) -> bool {
        let own = self.chunks().axes();
        let len = axes.iter().map(|axis| own[*axis].len()).product::<Option<usize>>();
        axes.iter().any(|axis| own[*axis].n_blocks() > 1) && len.is_none_or(|len| len > DIGEST_LEN)
    }

    /// Quantiles over some axes along a first one, by a digest of each block.
    fn by_digests(&self, axes: &[usize], quantiles: Quantiles) -> Result<Self, ArrayError> {
        let x = self.astype(DType::F64)?.long_over(axes);
        let of_axis = |axis: usize, n_blocks: u32| match axes.contains(&axis) {
            true => AxisChunks::uniform(n_blocks as usize, 1),
            false => x.chunks().axes()[axis].clone(),
        };
        // A block of digests for each block, behind the axes.
        let made = |kernel: Kernel, operand: Operand, n_blocks: &[u32], len: usize| {
            let own = n_blocks.iter().enumerate().map(|(axis, n)| of_axis(axis, *n));
            let chunks = Chunks::new(own.chain([AxisChunks::single(len)]));
            let expr = Expr::Blockwise { kernel: Arc::new(kernel), operands: vec![operand] };
            Self::from_node(expr, DType::F64, chunks)
        };
        let mut n_blocks: SmallVec<[u32; 4]> = x.chunks().numblocks().collect();
        let kernel = Kernel::Digests { axes: axes.iter().copied().collect() };
        let mut rows = made(kernel, Operand::same(x.clone()), &n_blocks, DIGEST_LEN);
        while axes.iter().any(|axis| n_blocks[*axis] > 1) {
            let mut operand = Operand::same(rows.clone());
            let mut room = FAN_IN;
            for axis in axes {
                let size = n_blocks[*axis].min(room);
                operand.axes[*axis] = OperandAxis::Group { out: *axis, size };
                n_blocks[*axis] = n_blocks[*axis].div_ceil(size);
                room /= size;
            }
            rows = made(Kernel::MergeDigests, operand, &n_blocks, DIGEST_LEN);
        }
        let n_shares = quantiles.shares.len();
        let found = made(Kernel::DigestQuantiles(quantiles), Operand::same(rows), &n_blocks, n_shares);
        let reduced: Vec<isize> = axes.iter().map(|axis| *axis as isize).collect();
        found.squeeze(Some(&reduced))?.moveaxis(-1, 0)
    }

    /// Cut so that blocks have more elements over some axes than a digest, where there are others to be cut: many short rows
    /// would be smaller than what is kept of them.
    fn long_over(&self, axes: &[usize]) -> Self {
        let own = self.chunks().axes();
        let sizes = axes.iter().map(|axis| own[*axis].size_max()).collect::<Option<SmallVec<[usize; 4]>>>();
        let Some(longest) = axes.iter().copied().max_by_key(|axis| own[*axis].len()) else { return self.clone() };
        let (Some(sizes), Some(len)) = (sizes, own[longest].len()) else { return self.clone() };
        let n: usize = sizes.iter().product();
        if axes.len() == self.n_dims() || n >= DIGEST_LEN || self.dims().contains(&None) {
            return self.clone();
        }
        let others = n / own[longest].size_max().unwrap_or(1).max(1);
        self.longer_along(longest, (4 * DIGEST_LEN / others.max(1)).min(len))
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
            // Rows are half a megabyte for each rank, however large the array is.
            let at_once = (COUNTED_BYTES / (8 * n_counts)).clamp(2, 16) as u32;
            let options = Reduce { split_every: Some(at_once), ..Reduce::over(&axes) };
            let counts = rows.reduce(Function::Sum.plain(), &options)?;
            let operands = [whole(&counts)].into_iter().chain(state.as_ref().map(whole)).collect();
            let kernel = Kernel::RankStep { pass, quantiles: quantiles.clone() };
            state = Some(one_row(kernel, operands, DType::U64, 2 + 2 * n_targets));
        }
        let operands = state.iter().map(whole).collect();
        let kernel = Kernel::RankFinish { dtype: self.dtype(), quantiles: quantiles.clone() };
        Ok(one_row(kernel, operands, dtype, quantiles.shares.len()))
    }
}
