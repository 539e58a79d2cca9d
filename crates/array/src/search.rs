//! What differs, how often, and where: sets, counts of integers, sorted tables.

use std::sync::Arc;

use dolmen_kernels::{DType, Function, Kind, Side};
use smallvec::SmallVec;

use crate::chunks::AxisChunks;
use crate::kernel::{Kernel, descends};
use crate::node::{Expr, Operand, OperandAxis};
use crate::optimise::lens_along;
use crate::{Array, ArrayError, Chunks, HistogramBins, Index, Reduce};

/// So many blocks' results a task puts together.
const FAN_IN: u32 = 8;

/// The elements of an array that differ, see [`Array::unique`].
#[derive(Debug, Clone)]
pub struct UniqueElements {
    /// The elements from the least to the greatest, NaN as one; as many as there turn out to be.
    pub values: Array,
    /// The first position of each among the elements in C order.
    pub index: Array,
    /// For each element of the array, which of the values it is.
    pub inverse: Array,
    /// How often each value is there.
    pub counts: Array,
}

impl Array {
    /// NumPy's `unique` of all elements: what differs in blocks is put together in a tree. What is not asked for is not
    /// computed.
    ///
    /// # Errors
    /// [`ArrayError::UnknownLength`] for an array of several axes of unknown length.
    pub fn unique(&self) -> Result<UniqueElements, ArrayError> {
        self.check()?;
        let row = if self.n_dims() == 1 { self.clone() } else { self.ravel()? };
        let expr = |kernel, operands| Expr::Blockwise { kernel: Arc::new(kernel), operands };
        let n_blocks = row.chunks().axes()[0].n_blocks();
        let of_blocks = |n_blocks| Chunks::new([AxisChunks::unknown(n_blocks)]);
        let mut operands = vec![Operand::same(row.clone())];
        // Where a block of unknown size begins is the sum of the lengths before it.
        operands.extend(lens_along(0, &operands, row.chunks()));
        let all = Self::from_node(expr(Kernel::Unique, operands), self.dtype(), of_blocks(n_blocks));
        let all = all.joined_in_tree(|groups, n| {
            Self::from_node(expr(Kernel::MergeUnique, vec![groups]), self.dtype(), of_blocks(n))
        });
        let part = |idx, dtype| Self::from_node(Expr::Part { input: all.clone(), idx }, dtype, of_blocks(1));
        let values = part(0, self.dtype());
        let inverse = self.looked_up(&values, Some(Side::Left), DType::I64);
        Ok(UniqueElements { index: part(1, DType::I64), counts: part(2, DType::I64), inverse, values })
    }

    /// A row of blocks made one by `join`, which is given some neighbours and how many blocks there are afterwards.
    fn joined_in_tree(&self, join: impl Fn(Operand, u32) -> Self) -> Self {
        let mut row = self.clone();
        loop {
            let n_blocks = row.chunks().axes()[0].n_blocks();
            if n_blocks == 1 {
                return row;
            }
            let axes = SmallVec::from_elem(OperandAxis::Group { out: 0, size: FAN_IN }, 1);
            row = join(Operand { array: row, axes }, n_blocks.div_ceil(FAN_IN));
        }
    }

    /// Where in a sorted row each element belongs, or whether it is there.
    fn looked_up(&self, table: &Self, side: Option<Side>, dtype: DType) -> Self {
        let table = Operand { array: table.clone(), axes: SmallVec::from_elem(OperandAxis::All, 1) };
        let operands = vec![Operand::same(self.clone()), table];
        let expr = Expr::Blockwise { kernel: Arc::new(Kernel::Search { side }), operands };
        Self::from_node(expr, dtype, self.chunks().clone())
    }

    /// NumPy's `isin`: whether each element is one of those of `test`, which are put into one block. NaN is not.
    ///
    /// # Errors
    /// [`ArrayError::Kernel`] if no dtype holds both; [`ArrayError::UnknownLength`] for a test of several axes of unknown
    /// length.
    pub fn isin(&self, test: &Self) -> Result<Self, ArrayError> {
        self.check()?;
        dolmen_kernels::promote(self.dtype(), test.dtype())?;
        Ok(self.looked_up(&test.sort(None)?, None, DType::Bool))
    }

    /// NumPy's `searchsorted`: where in this row, which is sorted, each of `values` belongs; in front of elements that are
    /// equal, or behind them. The row is read as one block by every task.
    ///
    /// # Errors
    /// [`ArrayError::WrongRank`] unless this is a row; [`ArrayError::Kernel`] if no dtype holds both.
    pub fn searchsorted(&self, values: &Self, side: Side) -> Result<Self, ArrayError> {
        self.check()?;
        values.check()?;
        if self.n_dims() != 1 {
            let (op, expected) = ("searchsorted", "a sorted row to search in");
            return Err(ArrayError::WrongRank { op, expected, n_dims: self.n_dims() });
        }
        dolmen_kernels::promote(self.dtype(), values.dtype())?;
        Ok(values.looked_up(self, Some(side), DType::I64))
    }

    /// NumPy's `choose`: for each element of this array of integers, that of the choice that it names, all broadcast to one
    /// shape.
    ///
    /// # Errors
    /// [`ArrayError::Argument`] without choices; [`ArrayError::Broadcast`]; [`ArrayError::DTypeUnsupported`] unless this array
    /// holds integers. A choice that there is not is an error of the run.
    pub fn choose(&self, choices: &[Self]) -> Result<Self, ArrayError> {
        let op = "choose";
        self.check()?;
        if !matches!(self.dtype().kind(), Kind::Bool | Kind::Signed | Kind::Unsigned) {
            let remedy = "it names choices by integers; cast it with astype";
            return Err(ArrayError::DTypeUnsupported { op, dtype: self.dtype(), remedy });
        }
        let Some(first) = choices.first() else {
            return Err(ArrayError::Argument { op, argument: "choices", problem: "are none".to_owned() });
        };
        let dtype =
            choices.iter().try_fold(first.dtype(), |dtype, choice| dolmen_kernels::promote(dtype, choice.dtype()))?;
        let all: Vec<Self> = std::iter::once(Ok(self.clone()))
            .chain(choices.iter().map(|choice| choice.astype(dtype)))
            .collect::<Result<_, _>>()?;
        let all = crate::broadcast_arrays(&all)?;
        let chunks = all[0].chunks().clone();
        let operands = all.iter().map(|array| Operand::same(array.with_chunks(&chunks))).collect();
        let expr = Expr::Blockwise { kernel: Arc::new(Kernel::Choose), operands };
        Ok(Self::from_node(expr, dtype, chunks))
    }

    /// NumPy's `digitize`: which of the bins between the edges of a row, which ascend or descend, each element is in; 0 in
    /// front of them. A bin has its lower edge, or its upper one if `right`.
    ///
    /// # Errors
    /// [`ArrayError::WrongRank`] unless the edges are a row; [`ArrayError::DTypeUnsupported`] for complex numbers and times;
    /// [`ArrayError::Argument`] for edges that are not in order, or an error of the run if they are computed.
    pub fn digitize(&self, edges: &Self, right: bool) -> Result<Self, ArrayError> {
        let op = "digitize";
        self.check()?;
        if self.dtype().kind() == Kind::Complex {
            let remedy = "take the absolute or the real part";
            return Err(ArrayError::DTypeUnsupported { op, dtype: self.dtype(), remedy });
        }
        let table = edges.edges_in_order(op, true)?;
        let places = table.searchsorted(self, if right { Side::Left } else { Side::Right })?;
        let n = edges.known_shape(op)?[0];
        if n == 0 {
            return Ok(places);
        }
        let edge = |at| edges.index(&[Index::At(at)]);
        let descends = edge(0)?.greater(&edge(-1)?)?;
        Self::where_(&descends, places.negative()?.add(n as i64)?, places)
    }

    /// This row of edges in ascending order, in one block. Edges that do not ascend, nor descend if they may, are an error of
    /// the run.
    pub(crate) fn edges_in_order(&self, op: &'static str, may_descend: bool) -> Result<Self, ArrayError> {
        self.check()?;
        if self.n_dims() != 1 {
            return Err(ArrayError::WrongRank { op, expected: "a row of edges", n_dims: self.n_dims() });
        }
        if self.dtype().is_time() || self.dtype().kind() == Kind::Complex {
            let remedy = "edges are real numbers";
            return Err(ArrayError::DTypeUnsupported { op, dtype: self.dtype(), remedy });
        }
        if let Expr::Memory(block) = &self.node.expr {
            // Literals are known now.
            let values = match block.dtype() {
                DType::F64 => block.to_vec::<f64>()?,
                DType::I64 => block.to_vec::<i64>()?.into_iter().map(|edge| edge as f64).collect(),
                _ => Vec::new(),
            };
            let bad = |problem: &str| ArrayError::Argument { op, argument: "bins", problem: problem.to_owned() };
            descends(&values, may_descend).map_err(bad)?;
        }
        let row = self.rechunk(usize::MAX)?;
        let operands = [&row, &row.astype(DType::F64)?].map(|array| Operand::same(array.clone())).into();
        let expr = Expr::Blockwise { kernel: Arc::new(Kernel::Ascending { may_descend }), operands };
        Ok(Self::from_node(expr, row.dtype(), row.chunks().clone()))
    }

    /// NumPy's `bincount` of a row: how often each integer from 0 on is there, or the sum of its weights. It is as long as the
    /// greatest integer needs, which is known when it is computed, and at least `len_min`.
    ///
    /// # Errors
    /// [`ArrayError::WrongRank`], [`ArrayError::DTypeUnsupported`] unless the elements are integers or booleans;
    /// [`ArrayError::ShapeMismatch`] unless each has a weight. A negative integer is an error of the run.
    pub fn bincount(&self, weights: Option<&Self>, len_min: usize) -> Result<Self, ArrayError> {
        let (operands, dtype) = self.counted("bincount", weights)?;
        let n_blocks = self.chunks().axes()[0].n_blocks();
        let of_blocks = |n_blocks| Chunks::new([AxisChunks::unknown(n_blocks)]);
        let expr = Expr::Blockwise { kernel: Arc::new(Kernel::BinCount { len_min, as_row: false }), operands };
        let rows = Self::from_node(expr, dtype, of_blocks(n_blocks));
        Ok(rows.joined_in_tree(|groups, n| {
            let expr = Expr::Blockwise { kernel: Arc::new(Kernel::SumRows), operands: vec![groups] };
            Self::from_node(expr, dtype, of_blocks(n))
        }))
    }

    /// [`bincount`](Self::bincount) of integers that are less than `len`, and of no others.
    fn counts_below(&self, weights: Option<&Self>, len: usize) -> Result<Self, ArrayError> {
        let (operands, dtype) = self.counted("histogramdd", weights)?;
        let n_blocks = self.chunks().axes()[0].n_blocks();
        let chunks = Chunks::new([AxisChunks::uniform(n_blocks as usize, 1), AxisChunks::single(len)]);
        let expr = Expr::Blockwise { kernel: Arc::new(Kernel::BinCount { len_min: len, as_row: true }), operands };
        Self::from_node(expr, dtype, chunks).reduce(Function::Sum.plain(), &Reduce::axis(0))
    }

    /// The operands of a count of integers, and the dtype of its result.
    fn counted(&self, op: &'static str, weights: Option<&Self>) -> Result<(Vec<Operand>, DType), ArrayError> {
        self.check()?;
        if self.n_dims() != 1 {
            return Err(ArrayError::WrongRank { op, expected: "a row of integers", n_dims: self.n_dims() });
        }
        if !matches!(self.dtype().kind(), Kind::Bool | Kind::Signed | Kind::Unsigned) || self.dtype() == DType::U64 {
            let remedy = "it counts integers that int64 holds; cast it with astype";
            return Err(ArrayError::DTypeUnsupported { op, dtype: self.dtype(), remedy });
        }
        let mut operands = vec![Operand::same(self.clone())];
        let Some(weights) = weights else { return Ok((operands, DType::I64)) };
        weights.check()?;
        if weights.dims() != self.dims() {
            let shapes = crate::array::dims_of(&[self, weights]);
            let expected = "each element has a weight".to_owned();
            return Err(ArrayError::ShapeMismatch { op, shapes, expected });
        }
        operands.push(Operand::same(weights.astype(DType::F64)?.with_chunks(self.chunks())));
        Ok((operands, DType::F64))
    }

    /// NumPy's `histogramdd` of points, of which each of `coordinates` has one coordinate: how many are in each cell of a grid
    /// of bins, and the edges along each axis. See [`histogram`](Self::histogram) for bins, ranges, weights and density.
    ///
    /// # Errors
    /// Those of [`histogram`](Self::histogram); [`ArrayError::Argument`] unless each coordinate has bins;
    /// [`ArrayError::ShapeMismatch`] unless coordinates are rows of one length.
    pub fn histogramdd(
        coordinates: &[Self],
        bins: &[HistogramBins],
        ranges: &[Option<(f64, f64)>],
        weights: Option<&Self>,
        density: bool,
    ) -> Result<(Self, Vec<Self>), ArrayError> {
        let op = "histogramdd";
        let Some(first) = coordinates.first().filter(|_| bins.len() == coordinates.len() && ranges.len() == bins.len())
        else {
            let problem = format!("are {} for {} coordinates", bins.len(), coordinates.len());
            return Err(ArrayError::Argument { op, argument: "bins", problem });
        };
        // The edges, the position among their bins, and whether there is one.
        let binned = |axis: usize| {
            let x = &coordinates[axis];
            x.check()?;
            if x.n_dims() != 1 || x.dims() != first.dims() {
                let shapes = crate::array::dims_of(&[first, x]);
                let expected = "coordinates are rows of one length".to_owned();
                return Err(ArrayError::ShapeMismatch { op, shapes, expected });
            }
            let edges = x.edges(&bins[axis], ranges[axis])?;
            let n = edges.known_shape(op)?[0] - 1;
            // The last edge belongs to the last bin.
            let last = edges.part(0, n, n + 1);
            let bin = Self::where_(x.equal(&last)?, n as i64 - 1, edges.searchsorted(x, Side::Right)?.subtract(1)?)?;
            let is_inside = bin.greater_equal(0)?.logical_and(bin.less(n as i64)?)?;
            Ok((edges, n, bin, is_inside))
        };
        let (of_first, n, mut place, mut is_inside) = binned(0)?;
        let (mut edges, mut shape) = (vec![of_first], vec![n]);
        for axis in 1..coordinates.len() {
            let (of_axis, n, bin, inside) = binned(axis)?;
            place = place.multiply(n as i64)?.add(bin)?;
            is_inside = is_inside.logical_and(inside)?;
            edges.push(of_axis);
            shape.push(n);
        }
        let n_cells = crate::shape::n_elements(&shape)?;
        // What is in no cell is counted behind them.
        let place = Self::where_(&is_inside, place, n_cells as i64)?;
        let counts = place.counts_below(weights, n_cells + 1)?.part(0, 0, n_cells);
        let mut counts = counts.astype(DType::F64)?.reshape(&shape.iter().map(|n| *n as isize).collect::<Vec<_>>())?;
        if density {
            counts = counts.true_divide(counts.sum(&Reduce::all())?)?;
            for (axis, edges) in edges.iter().enumerate() {
                let n = shape[axis];
                let widths = edges.part(0, 1, n + 1).subtract(edges.part(0, 0, n))?;
                let new: Vec<isize> =
                    (0..shape.len()).filter(|other| *other != axis).map(|other| other as isize).collect();
                counts = counts.true_divide(widths.expand_dims(&new)?)?;
            }
        }
        let edges = edges.into_iter().zip(bins).map(|(edges, bins)| bins.given().unwrap_or(edges)).collect();
        Ok((counts, edges))
    }
}
