//! What needs a whole axis in one block: sorting, Fourier transforms.

use std::sync::Arc;

use dolmen_kernels::{DType, Fft, FftKind};

use crate::chunks::AxisChunks;
use crate::kernel::{Along, Kernel};
use crate::node::{Expr, Operand, OperandAxis};
use crate::shape::{normalize_axes, normalize_axis};
use crate::{Array, ArrayError, ChunkSpec, Chunks};

/// Blocks are not cut into smaller ones than that, in bytes, to keep them as large as they were.
const CUT_BYTES_MIN: usize = 1 << 20;

/// What a Fourier transform of `n` elements is multiplied with: NumPy's `norm`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FftNorm {
    /// `1 / n` on the way back.
    #[default]
    Backward,
    /// The root of `1 / n` in both directions.
    Ortho,
    /// `1 / n` on the way there.
    Forward,
}

impl FftNorm {
    fn scale(self, is_forward: bool, n: usize) -> f64 {
        match self {
            Self::Ortho => 1.0 / (n as f64).sqrt(),
            Self::Backward if !is_forward => 1.0 / n as f64,
            Self::Forward if is_forward => 1.0 / n as f64,
            _ => 1.0,
        }
    }

    /// The norm of the other direction.
    fn swapped(self) -> Self {
        match self {
            Self::Backward => Self::Forward,
            Self::Forward => Self::Backward,
            Self::Ortho => Self::Ortho,
        }
    }
}

impl Array {
    /// NumPy's `sort`: the elements along `axis` from the least to the greatest, NaN and NaT last; of all elements in C order
    /// without an axis. The axis is put into one block.
    ///
    /// # Errors
    /// [`ArrayError::AxisOutOfRange`]; [`ArrayError::UnknownLength`] without an axis.
    pub fn sort(&self, axis: Option<isize>) -> Result<Self, ArrayError> {
        self.in_order("sort", axis, Along::Sort, self.dtype())
    }

    /// NumPy's `argsort`: the positions of the elements in the order of [`sort`](Self::sort), as `int64`; equal elements stay
    /// in their order.
    ///
    /// # Errors
    /// As [`sort`](Self::sort).
    pub fn argsort(&self, axis: Option<isize>) -> Result<Self, ArrayError> {
        self.in_order("argsort", axis, Along::ArgSort, DType::I64)
    }

    fn in_order(&self, op: &'static str, axis: Option<isize>, along: Along, dtype: DType) -> Result<Self, ArrayError> {
        self.check()?;
        let Some(axis) = axis else { return self.ravel()?.in_order(op, Some(0), along, dtype) };
        let axis = normalize_axis(op, axis, self.n_dims())?;
        Ok(self.along(axis, along, dtype, self.dims()[axis]))
    }

    /// The positions of the `k` largest elements along `axis`, the largest first; for negative `k` of the least. Dask's
    /// `argtopk`.
    ///
    /// # Errors
    /// As [`topk`](Self::topk).
    pub fn argtopk(&self, k: isize, axis: isize) -> Result<Self, ArrayError> {
        let (axis, len) = self.best_along("argtopk", k, axis)?;
        let order = self.argsort(Some(axis as isize))?;
        let n = k.unsigned_abs().min(len);
        let best = match k > 0 {
            true => order.flip(Some(&[axis as isize]))?,
            false => order,
        };
        Ok(best.part(axis, 0, n))
    }

    /// The elements from `start` up to, and without, `end` along an axis, which has them.
    pub(crate) fn part(&self, axis: usize, start: usize, end: usize) -> Self {
        let mut slices = smallvec::SmallVec::from_elem(None, self.n_dims());
        slices[axis] = Some(crate::slice::AxisSlice { start, step: 1, len: end - start });
        self.sliced(slices)
    }

    /// What a kernel makes of each row along `axis`, which is `len` long afterwards.
    pub(crate) fn along(&self, axis: usize, along: Along, dtype: DType, len: Option<usize>) -> Self {
        let x = self.whole_along(axis);
        let mut chunks = x.chunks().axes().to_vec();
        chunks[axis] = len.map_or_else(|| AxisChunks::unknown(1), AxisChunks::single);
        let mut operand = Operand::same(x);
        // Blocks of unknown sizes are joined by the task.
        operand.axes[axis] = OperandAxis::All;
        let expr = Expr::Blockwise { kernel: Arc::new(Kernel::Along { axis, along }), operands: vec![operand] };
        Self::from_node(expr, dtype, Chunks::new(chunks))
    }

    /// The array with `axis` in one block, and the other axes cut so that blocks are about as large as they were; as it is if
    /// some length is not known.
    pub(crate) fn whole_along(&self, axis: usize) -> Self {
        match self.chunks().axes()[axis].len() {
            Some(len) if self.chunks().axes()[axis].n_blocks() > 1 => self.longer_along(axis, len),
            _ => self.clone(),
        }
    }

    /// The array with blocks of `size` along `axis`, as [`whole_along`](Self::whole_along) has it.
    pub(crate) fn longer_along(&self, axis: usize, size: usize) -> Self {
        let own = self.chunks().axes();
        let (Some(elements), Some(len)) = (self.chunks().block_elements_max(), own[axis].len()) else {
            return self.clone();
        };
        let mut chunks = own.to_vec();
        chunks[axis] = AxisChunks::uniform(len, size.max(1));
        let bytes_min = CUT_BYTES_MIN.min(self.block_bytes());
        let room = elements.max(bytes_min / self.dtype().size_bytes()) / size.max(1);
        let mut across: usize =
            chunks.iter().enumerate().filter(|(at, _)| *at != axis).filter_map(|(_, c)| c.size_max()).product();
        for at in (0..chunks.len()).filter(|at| *at != axis) {
            let (Some(own), Some(len)) = (chunks[at].size_max(), chunks[at].len()) else { continue };
            if across <= room.max(1) || own <= 1 {
                continue;
            }
            let others = across / own;
            let cut = (room / others.max(1)).clamp(1, own);
            chunks[at] = AxisChunks::uniform(len, cut);
            across = others * cut;
        }
        self.with_chunks(&Chunks::new(chunks))
    }

    /// NumPy's `fft`: the discrete Fourier transform along `axis`, of `n` elements, which is the length of the axis if nobody
    /// says: rows are cut, or go on with zeros. The axis is put into one block.
    ///
    /// # Errors
    /// [`ArrayError::AxisOutOfRange`], [`ArrayError::UnknownLength`]; [`ArrayError::Argument`] for `n = 0`;
    /// [`ArrayError::DTypeUnsupported`] for times.
    pub fn fft(&self, n: Option<usize>, axis: isize, norm: FftNorm) -> Result<Self, ArrayError> {
        self.transform("fft", FftKind::Forward, n, axis, norm)
    }

    /// NumPy's `ifft`: the way back from [`fft`](Self::fft).
    ///
    /// # Errors
    /// As [`fft`](Self::fft).
    pub fn ifft(&self, n: Option<usize>, axis: isize, norm: FftNorm) -> Result<Self, ArrayError> {
        self.transform("ifft", FftKind::Inverse, n, axis, norm)
    }

    /// NumPy's `rfft`: the first `n / 2 + 1` elements of the transform of real numbers, of which the others follow.
    ///
    /// # Errors
    /// As [`fft`](Self::fft); [`ArrayError::DTypeUnsupported`] for complex numbers.
    pub fn rfft(&self, n: Option<usize>, axis: isize, norm: FftNorm) -> Result<Self, ArrayError> {
        self.transform("rfft", FftKind::Real, n, axis, norm)
    }

    /// NumPy's `irfft`: the way back from [`rfft`](Self::rfft) to `n` real numbers, twice as many as the axis has, less two,
    /// if nobody says.
    ///
    /// # Errors
    /// As [`fft`](Self::fft).
    pub fn irfft(&self, n: Option<usize>, axis: isize, norm: FftNorm) -> Result<Self, ArrayError> {
        self.transform("irfft", FftKind::RealInverse, n, axis, norm)
    }

    /// NumPy's `hfft`: the real transform of a signal whose other half is the conjugate of this one.
    ///
    /// # Errors
    /// As [`irfft`](Self::irfft).
    pub fn hfft(&self, n: Option<usize>, axis: isize, norm: FftNorm) -> Result<Self, ArrayError> {
        self.conjugate()?.irfft(n, axis, norm.swapped())
    }

    /// NumPy's `ihfft`: the way back from [`hfft`](Self::hfft).
    ///
    /// # Errors
    /// As [`rfft`](Self::rfft).
    pub fn ihfft(&self, n: Option<usize>, axis: isize, norm: FftNorm) -> Result<Self, ArrayError> {
        self.rfft(n, axis, norm.swapped())?.conjugate()
    }

    /// NumPy's `fftn`: [`fft`](Self::fft) along several axes, of `lens` elements; along all axes, or as many of the last ones as
    /// there are lengths, if nobody says.
    ///
    /// # Errors
    /// As [`fft`](Self::fft); [`ArrayError::Argument`] unless each axis has a length; [`ArrayError::RepeatedAxis`].
    pub fn fftn(&self, lens: Option<&[usize]>, axes: Option<&[isize]>, norm: FftNorm) -> Result<Self, ArrayError> {
        let pairs = self.fft_axes("fftn", lens, axes)?;
        pairs.into_iter().rev().try_fold(self.clone(), |x, (axis, n)| x.fft(n, axis, norm))
    }

    /// NumPy's `ifftn`: the way back from [`fftn`](Self::fftn).
    ///
    /// # Errors
    /// As [`fftn`](Self::fftn).
    pub fn ifftn(&self, lens: Option<&[usize]>, axes: Option<&[isize]>, norm: FftNorm) -> Result<Self, ArrayError> {
        let pairs = self.fft_axes("ifftn", lens, axes)?;
        pairs.into_iter().rev().try_fold(self.clone(), |x, (axis, n)| x.ifft(n, axis, norm))
    }

    /// NumPy's `rfftn`: [`rfft`](Self::rfft) along the last of the axes, [`fft`](Self::fft) along the others.
    ///
    /// # Errors
    /// As [`fftn`](Self::fftn); [`ArrayError::DTypeUnsupported`] for complex numbers.
    pub fn rfftn(&self, lens: Option<&[usize]>, axes: Option<&[isize]>, norm: FftNorm) -> Result<Self, ArrayError> {
        let mut pairs = self.fft_axes("rfftn", lens, axes)?;
        let Some((axis, n)) = pairs.pop() else { return Err(no_axes("rfftn")) };
        pairs.into_iter().try_fold(self.rfft(n, axis, norm)?, |x, (axis, n)| x.fft(n, axis, norm))
    }

    /// NumPy's `irfftn`: the way back from [`rfftn`](Self::rfftn).
    ///
    /// # Errors
    /// As [`fftn`](Self::fftn).
    pub fn irfftn(&self, lens: Option<&[usize]>, axes: Option<&[isize]>, norm: FftNorm) -> Result<Self, ArrayError> {
        let mut pairs = self.fft_axes("irfftn", lens, axes)?;
        let Some((axis, n)) = pairs.pop() else { return Err(no_axes("irfftn")) };
        // A length that nobody gave is that of the axis, but for the last one.
        let n = if lens.is_some() { n } else { None };
        pairs.into_iter().try_fold(self.clone(), |x, (axis, n)| x.ifft(n, axis, norm))?.irfft(n, axis, norm)
    }

    /// NumPy's `fftfreq`: the frequencies that the elements of a transform of `n` stand for, at samples `spacing` apart.
    ///
    /// # Errors
    /// [`ArrayError::Argument`] for `n = 0`; those of [`ChunkSpec::chunks`].
    pub fn fftfreq(n: usize, spacing: f64, chunks: impl Into<ChunkSpec>) -> Result<Self, ArrayError> {
        let step = frequency(n, spacing, "fftfreq")?;
        let index = Self::arange(0, n as i64, 1, None, chunks)?;
        let negative = index.greater_equal(n.div_ceil(2) as i64)?;
        Self::where_(&negative, &index - n as i64, &index)?.multiply(step)
    }

    /// NumPy's `rfftfreq`: the frequencies that the elements of [`rfft`](Self::rfft) stand for.
    ///
    /// # Errors
    /// As [`fftfreq`](Self::fftfreq).
    pub fn rfftfreq(n: usize, spacing: f64, chunks: impl Into<ChunkSpec>) -> Result<Self, ArrayError> {
        let step = frequency(n, spacing, "rfftfreq")?;
        Self::arange(0, (n / 2 + 1) as i64, 1, None, chunks)?.multiply(step)
    }

    /// NumPy's `fftshift`: the frequency zero in the middle of some axes, of all if nobody says.
    ///
    /// # Errors
    /// As [`roll`](Self::roll).
    pub fn fftshift(&self, axes: Option<&[isize]>) -> Result<Self, ArrayError> {
        self.shifted("fftshift", axes, |len| len / 2)
    }

    /// NumPy's `ifftshift`: the way back from [`fftshift`](Self::fftshift).
    ///
    /// # Errors
    /// As [`roll`](Self::roll).
    pub fn ifftshift(&self, axes: Option<&[isize]>) -> Result<Self, ArrayError> {
        self.shifted("ifftshift", axes, |len| len.div_ceil(2))
    }

    fn shifted(&self, op: &'static str, axes: Option<&[isize]>, by: fn(usize) -> usize) -> Result<Self, ArrayError> {
        let shape = self.known_shape(op)?;
        let axes = normalize_axes(op, axes, shape.len())?;
        let shifts: Vec<isize> = axes.iter().map(|axis| by(shape[*axis]) as isize).collect();
        self.roll(&shifts, Some(&axes.iter().map(|axis| *axis as isize).collect::<Vec<_>>()))
    }

    /// The axes of a transform along several, each with its length.
    fn fft_axes(
        &self,
        op: &'static str,
        lens: Option<&[usize]>,
        axes: Option<&[isize]>,
    ) -> Result<Vec<(isize, Option<usize>)>, ArrayError> {
        self.check()?;
        let n_dims = self.n_dims();
        let axes: Vec<usize> = match (axes, lens) {
            (None, Some(lens)) if lens.len() <= n_dims => (n_dims - lens.len()..n_dims).collect(),
            _ => normalize_axes(op, axes, n_dims)?.into_vec(),
        };
        if lens.is_some_and(|lens| lens.len() != axes.len()) {
            let problem = format!("are as many as the {} axes", axes.len());
            return Err(ArrayError::Argument { op, argument: "lengths", problem });
        }
        let len = |at: usize| lens.map(|lens| lens[at]);
        Ok(axes.into_iter().enumerate().map(|(at, axis)| (axis as isize, len(at))).collect())
    }

    fn transform(
        &self,
        op: &'static str,
        kind: FftKind,
        n: Option<usize>,
        axis: isize,
        norm: FftNorm,
    ) -> Result<Self, ArrayError> {
        self.check()?;
        let axis = normalize_axis(op, axis, self.n_dims())?;
        let dtype = self.dtype();
        if dtype.is_time() || kind == FftKind::Real && dtype.real() != dtype {
            let remedy = if dtype.is_time() { "cast it to float64 with astype" } else { "take fft, or the real part" };
            return Err(ArrayError::DTypeUnsupported { op, dtype, remedy });
        }
        let own = self.dims()[axis];
        let len = match (n, kind) {
            (Some(n), _) => n,
            (None, FftKind::RealInverse) => {
                own.ok_or(ArrayError::UnknownLength { op, axis })?.saturating_sub(1).saturating_mul(2)
            }
            (None, _) => own.ok_or(ArrayError::UnknownLength { op, axis })?,
        };
        if len == 0 {
            let problem = "is zero; a transform has at least one element".to_owned();
            return Err(ArrayError::Argument { op, argument: "n", problem });
        }
        // A row has to be in memory.
        if len > isize::MAX as usize / DType::C128.size_bytes() {
            return Err(ArrayError::TooLarge { shape: vec![len] });
        }
        let is_forward = matches!(kind, FftKind::Forward | FftKind::Real);
        let fft = Fft { kind, len, scale: norm.scale(is_forward, len) };
        // What a row does not need is not read.
        let needed = if kind == FftKind::RealInverse { len / 2 + 1 } else { len };
        let x = match own {
            Some(own) if own > needed => self.part(axis, 0, needed),
            _ => self.clone(),
        };
        let made = x.along(axis, Along::Fft(fft), fft.dtype(dtype), Some(fft.out_len()));
        // Half precision comes back as that, by way of single precision.
        if dtype == DType::F16 && kind == FftKind::RealInverse { made.astype(DType::F16) } else { Ok(made) }
    }
}

fn no_axes(op: &'static str) -> ArrayError {
    ArrayError::Argument { op, argument: "axes", problem: "are none; it goes along at least one".to_owned() }
}

fn frequency(n: usize, spacing: f64, op: &'static str) -> Result<f64, ArrayError> {
    if n == 0 {
        return Err(ArrayError::Argument { op, argument: "n", problem: "is zero".to_owned() });
    }
    Ok(1.0 / (n as f64 * spacing))
}
