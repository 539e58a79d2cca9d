//! Histograms.

use std::sync::Arc;

use dolmen_kernels::{DType, Function};
use smallvec::SmallVec;

use crate::chunks::AxisChunks;
use crate::formula::{Formula, Step};
use crate::kernel::Kernel;
use crate::node::{Expr, Operand, OperandAxis};
use crate::{Array, ArrayError, BLOCK_BYTES_DEFAULT, ChunkSpec, Chunks, Reduce};

/// Every task has all bins.
const N_BINS_MAX: usize = BLOCK_BYTES_DEFAULT / 8;

/// The bins of a histogram.
#[derive(Debug, Clone)]
pub enum HistogramBins {
    /// So many of equal width.
    Count(usize),
    /// Between these edges, which ascend.
    Edges(Vec<f64>),
    /// Between the edges of a row, which ascend: that is seen when they are computed.
    EdgeArray(Array),
}

impl HistogramBins {
    /// The edges as they were given, if they are an array.
    pub(crate) fn given(&self) -> Option<Array> {
        match self {
            Self::EdgeArray(edges) => Some(edges.clone()),
            Self::Count(_) | Self::Edges(_) => None,
        }
    }
}

impl Array {
    /// How many elements fall into each bin, and the edges of the bins: NumPy's `histogram`. The last bin has its upper
    /// edge. An array of edges is given back as it is, with its dtype. Without a `range`, bins of equal width go from the
    /// least to the largest element.
    ///
    /// With `weights`, of the shape of the array, each element counts for its weight; with `density` the result is that
    /// whose integral is 1.
    ///
    /// Shapes `-> [n], [n + 1]`.
    ///
    /// # Errors
    /// [`ArrayError::Argument`] for no bins or more than a block of 128 MB holds, edges that go down, or a range that does; [`ArrayError::ShapeMismatch`] for
    /// weights of another shape; [`ArrayError::DTypeUnsupported`] for complex numbers and times; [`ArrayError::WrongRank`] and
    /// [`ArrayError::UnknownLength`] for edges that are no row of a known length.
    pub fn histogram(
        &self,
        bins: &HistogramBins,
        range: Option<(f64, f64)>,
        weights: Option<&Self>,
        density: bool,
    ) -> Result<(Self, Self), ArrayError> {
        let op = "histogram";
        self.check()?;
        if self.dtype().is_time() || self.dtype().real() != self.dtype() {
            let remedy = "take the real part, or cast it to float64 with astype";
            return Err(ArrayError::DTypeUnsupported { op, dtype: self.dtype(), remedy });
        }
        let edges = self.edges(bins, range)?;
        let is_uniform = matches!(bins, HistogramBins::Count(_));
        let counts = self.counts(&edges, is_uniform, weights)?;
        let counts = match density {
            false => counts,
            true => {
                let widths = edges.index(&[(1..).into()])? - edges.index(&[(..-1).into()])?;
                let total = counts.sum(&Reduce::all())?;
                counts / widths / total
            }
        };
        counts.check()?;
        Ok((counts, bins.given().unwrap_or(edges)))
    }

    /// The edges as `float64`, in ascending order.
    pub(crate) fn edges(&self, bins: &HistogramBins, range: Option<(f64, f64)>) -> Result<Self, ArrayError> {
        let op = "histogram";
        let bad = |argument, problem: &str| ArrayError::Argument { op, argument, problem: problem.to_owned() };
        let n = match bins {
            HistogramBins::Edges(edges) => {
                if edges.len() < 2 || !edges.windows(2).all(|pair| pair[0] <= pair[1]) {
                    return Err(bad("bins", "are to be at least two edges that ascend"));
                }
                return Self::from_block(
                    dolmen_kernels::Block::from_vec(&[edges.len()], edges.clone())?,
                    ChunkSpec::Auto,
                );
            }
            HistogramBins::EdgeArray(edges) => {
                let ascending = edges.edges_in_order(op, false)?.astype(DType::F64)?;
                if ascending.known_shape(op)?[0] < 2 {
                    return Err(bad("bins", "are to be at least two edges that ascend"));
                }
                return Ok(ascending);
            }
            HistogramBins::Count(0) => return Err(bad("bins", "are none")),
            HistogramBins::Count(n) if *n > N_BINS_MAX => return Err(bad("bins", "are more than one block holds")),
            HistogramBins::Count(n) => *n,
        };
        // Without elements and range there is nothing to go by, and NumPy takes this.
        let is_empty = self.dims().contains(&Some(0));
        match range.or(is_empty.then_some((0.0, 1.0))) {
            Some((low, high)) if !(high - low).is_finite() || low > high => {
                Err(bad("range", "is to go from a finite number to one that is not less"))
            }
            Some((low, high)) if low == high => {
                Self::linspace(low - 0.5, high + 0.5, n + 1, true, None, ChunkSpec::Auto)
            }
            Some((low, high)) => Self::linspace(low, high, n + 1, true, None, ChunkSpec::Auto),
            None => {
                // Where all elements are one, the bins are those around it, as NumPy has them.
                let least = self.min(&Reduce::all())?.astype(DType::F64)?;
                let most = self.max(&Reduce::all())?.astype(DType::F64)?;
                let is_one = least.equal(&most)?;
                let low = Self::where_(&is_one, &least - 0.5, &least)?;
                let high = Self::where_(&is_one, &most + 0.5, &most)?;
                let index = Step::Index { axis: 0, start: 0, step: 1 };
                let index = Self::generated(&[n + 1], Formula::single(index), DType::I64, ChunkSpec::Auto)?;
                let between = &index * ((&high - &low) / n as f64) + &low;
                Self::where_(index.equal(n as i64)?, &high, between)
            }
        }
    }

    /// The elements, or weights, between edges: counted in each block, and summed.
    fn counts(&self, edges: &Self, is_uniform: bool, weights: Option<&Self>) -> Result<Self, ArrayError> {
        let op = "histogram";
        let x = match self.n_dims() {
            0 => self.expand_dims(&[0])?,
            _ => self.clone(),
        };
        let n_bins = edges.known_shape(op)?[0] - 1;
        let dtype = match weights {
            None => DType::I64,
            Some(weights) => {
                weights.check()?;
                if weights.dims() != self.dims() {
                    let shapes = crate::array::dims_of(&[self, weights]);
                    let expected = "weights have the shape of the array".to_owned();
                    return Err(ArrayError::ShapeMismatch { op, shapes, expected });
                }
                DType::F64
            }
        };
        // One row of counts for each block; the axes of blocks come first, so that the sum is over them.
        let n_dims = x.n_dims();
        let blocks = x.chunks().numblocks().map(|n| AxisChunks::uniform(n as usize, 1));
        let chunks = Chunks::new(blocks.chain([AxisChunks::single(n_bins)]));
        let mut operands = vec![
            Operand::same(x.clone()),
            Operand { array: edges.clone(), axes: SmallVec::from_slice(&[OperandAxis::All]) },
        ];
        if let Some(weights) = weights {
            let weights = if weights.n_dims() == 0 { weights.expand_dims(&[0])? } else { weights.clone() };
            operands.push(Operand::same(weights.astype(DType::F64)?.with_chunks(x.chunks())));
        }
        let expr = Expr::Blockwise { kernel: Arc::new(Kernel::Histogram { is_uniform }), operands };
        let rows = Self::from_node(expr, dtype, chunks);
        let axes: Vec<isize> = (0..n_dims as isize).collect();
        rows.reduce(Function::Sum.plain(), &Reduce::over(&axes))
    }
}
