//! Axes in another order, new, gone or repeated: nothing is copied.

use smallvec::SmallVec;

use crate::array::dims_of;
use crate::chunks::AxisChunks;
use crate::node::{Expr, Operand, OperandAxes, OperandAxis};
use crate::shape::{broadcast_dim, normalize_axes};
use crate::slice::AxisSlice;
use crate::{Array, ArrayError, ChunkSpec, Chunks};

impl Array {
    /// The axes in the order `axes`, or reversed.
    ///
    /// Shape `[n, m, ...] -> [..., m, n]`.
    ///
    /// # Errors
    /// [`ArrayError::AxisOutOfRange`], [`ArrayError::RepeatedAxis`]; [`ArrayError::WrongRank`] if `axes` does not name all.
    pub fn transpose(&self, axes: Option<&[isize]>) -> Result<Self, ArrayError> {
        self.check()?;
        let n_dims = self.n_dims();
        let order: SmallVec<[usize; 4]> = match axes {
            None => (0..n_dims).rev().collect(),
            Some(axes) => normalize_axes("transpose", Some(axes), n_dims)?,
        };
        if order.len() != n_dims {
            return Err(ArrayError::WrongRank { op: "transpose", expected: "one entry for each axis", n_dims });
        }
        let mut of_input: OperandAxes = SmallVec::from_elem(OperandAxis::One, n_dims);
        for (out, axis) in order.iter().enumerate() {
            of_input[*axis] = OperandAxis::Out(out);
        }
        let chunks = order.iter().map(|axis| self.chunks().axes()[*axis].clone());
        Ok(self.view(of_input, Chunks::new(chunks)))
    }

    /// `transpose(None)`, NumPy's `x.T`.
    #[must_use]
    pub fn t(&self) -> Self {
        self.transpose(None).unwrap_or_else(Self::failed)
    }

    /// Axis `source` moved to the place `destination`, the others in their order.
    ///
    /// # Errors
    /// [`ArrayError::AxisOutOfRange`].
    pub fn moveaxis(&self, source: isize, destination: isize) -> Result<Self, ArrayError> {
        self.moveaxes(&[source], &[destination])
    }

    /// NumPy's `moveaxis` of several axes: each of `sources` moved to the place that `destinations` has for it.
    ///
    /// # Errors
    /// [`ArrayError::AxisOutOfRange`], [`ArrayError::RepeatedAxis`]; [`ArrayError::Argument`] if there are not as many places
    /// as axes.
    pub fn moveaxes(&self, sources: &[isize], destinations: &[isize]) -> Result<Self, ArrayError> {
        let op = "moveaxis";
        self.check()?;
        if sources.len() != destinations.len() {
            let problem = format!("are {}, for {} axes", destinations.len(), sources.len());
            return Err(ArrayError::Argument { op, argument: "destinations", problem });
        }
        let sources = normalize_axes(op, Some(sources), self.n_dims())?;
        let destinations = normalize_axes(op, Some(destinations), self.n_dims())?;
        let mut moves: Vec<(usize, usize)> = destinations.into_iter().zip(sources.iter().copied()).collect();
        moves.sort_unstable();
        let mut order: Vec<isize> =
            (0..self.n_dims()).filter(|axis| !sources.contains(axis)).map(|axis| axis as isize).collect();
        for (destination, source) in moves {
            order.insert(destination, source as isize);
        }
        self.transpose(Some(&order))
    }

    /// New axes of length 1; `axes` are their places in the result.
    ///
    /// # Errors
    /// [`ArrayError::AxisOutOfRange`], [`ArrayError::RepeatedAxis`].
    pub fn expand_dims(&self, axes: &[isize]) -> Result<Self, ArrayError> {
        self.check()?;
        let n_dims = self.n_dims() + axes.len();
        let new = normalize_axes("expand_dims", Some(axes), n_dims)?;
        let old: SmallVec<[usize; 4]> = (0..n_dims).filter(|axis| !new.contains(axis)).collect();
        let mut chunks: SmallVec<[AxisChunks; 4]> = SmallVec::from_elem(AxisChunks::single(1), n_dims);
        for (axis, out) in old.iter().enumerate() {
            chunks[*out] = self.chunks().axes()[axis].clone();
        }
        Ok(self.view(old.into_iter().map(OperandAxis::Out).collect(), Chunks::new(chunks)))
    }

    /// Without the axes of length 1, or without those of them that `axes` names.
    ///
    /// # Errors
    /// [`ArrayError::AxisOutOfRange`], [`ArrayError::RepeatedAxis`]; [`ArrayError::Argument`] if an axis is longer.
    pub fn squeeze(&self, axes: Option<&[isize]>) -> Result<Self, ArrayError> {
        self.check()?;
        let dims = self.dims();
        let gone = match axes {
            None => (0..dims.len()).filter(|axis| dims[*axis] == Some(1)).collect(),
            Some(axes) => normalize_axes("squeeze", Some(axes), dims.len())?,
        };
        if let Some(axis) = gone.iter().find(|axis| dims[**axis] != Some(1)) {
            let len = dims[*axis].map_or_else(|| "an unknown length".to_owned(), |len| format!("length {len}"));
            let problem = format!("names axis {axis}, which has {len}, not 1");
            return Err(ArrayError::Argument { op: "squeeze", argument: "axis", problem });
        }
        Ok(self.without_axes(&gone))
    }

    /// Without `gone`, which are of length 1.
    pub(crate) fn without_axes(&self, gone: &[usize]) -> Self {
        let mut next = 0;
        let axes = (0..self.n_dims()).map(|axis| match gone.contains(&axis) {
            true => OperandAxis::One,
            false => {
                next += 1;
                OperandAxis::Out(next - 1)
            }
        });
        let axes: OperandAxes = axes.collect();
        let kept = self.chunks().axes().iter().enumerate().filter(|(axis, _)| !gone.contains(axis));
        let chunks = Chunks::new(kept.map(|(_, chunks)| chunks.clone()));
        self.view(axes, chunks)
    }

    /// The array repeated to `shape`; the new blocks are cut as `chunks` says, or automatically.
    ///
    /// Takes no memory for what is repeated.
    ///
    /// # Errors
    /// [`ArrayError::Broadcast`] if the shapes do not fit; those of [`ChunkSpec::chunks`].
    pub fn broadcast_to(&self, shape: &[usize], chunks: Option<&ChunkSpec>) -> Result<Self, ArrayError> {
        self.check()?;
        let dims = self.dims();
        let target: Vec<Option<usize>> = shape.iter().copied().map(Some).collect();
        let fits = dims.len() <= shape.len()
            && dims
                .iter()
                .zip(&target[shape.len() - dims.len()..])
                .all(|(own, out)| broadcast_dim(*own, *out) == Some(*out));
        if !fits {
            let shapes = vec![dims.into_vec(), target];
            return Err(ArrayError::Broadcast { op: "broadcast_to".to_owned(), shapes, hint: String::new() });
        }
        if dims.as_slice() == target.as_slice() && chunks.is_none() {
            return Ok(self.clone());
        }
        let first = shape.len() - dims.len();
        let is_own = |axis: usize| axis >= first && dims[axis - first] == target[axis];
        // What is repeated costs nothing, so an axis of it is one block unless its chunks are asked for.
        let asked = match chunks {
            Some(spec) => Some(spec.chunks(shape, self.dtype().size_bytes(), None)?),
            None => None,
        };
        let axes = (0..shape.len()).map(|axis| match &asked {
            Some(asked) => asked.axes()[axis].clone(),
            None if is_own(axis) => self.chunks().axes()[axis - first].clone(),
            None => AxisChunks::single(shape[axis]),
        });
        let out = Chunks::new(axes);
        let own = (0..dims.len()).map(|axis| match is_own(first + axis) {
            true => out.axes()[first + axis].clone(),
            false => AxisChunks::single(1),
        });
        let cut = self.with_chunks(&Chunks::new(own));
        let axes = Operand::broadcast(cut.clone(), &target).axes;
        Ok(cut.view(axes, out))
    }

    /// The order of the elements along `axes` reversed, along all axes for `None`.
    ///
    /// # Errors
    /// [`ArrayError::AxisOutOfRange`], [`ArrayError::RepeatedAxis`]; [`ArrayError::UnknownLength`].
    pub fn flip(&self, axes: Option<&[isize]>) -> Result<Self, ArrayError> {
        let shape = self.known_shape("flip")?;
        let axes = normalize_axes("flip", axes, shape.len())?;
        let reversed = shape
            .iter()
            .enumerate()
            .map(|(axis, len)| axes.contains(&axis).then(|| AxisSlice::clip(None, None, -1, *len)));
        Ok(self.sliced(reversed.collect()))
    }

    /// The view that `axes`, one for each axis of this array, describe; itself if that changes nothing.
    pub(crate) fn view(&self, axes: OperandAxes, chunks: Chunks) -> Self {
        let is_same = axes.iter().enumerate().all(|(axis, from)| *from == OperandAxis::Out(axis));
        if is_same && chunks == *self.chunks() {
            return self.clone();
        }
        let operand = Operand { array: self.clone(), axes };
        Self::from_node(Expr::View(operand), self.dtype(), chunks)
    }
}

/// Arrays broadcast against each other, cut alike where they are as long as the result: what elementwise functions do with
/// their operands.
///
/// # Errors
/// [`ArrayError::Broadcast`] if the shapes do not fit.
pub fn broadcast_arrays(arrays: &[Array]) -> Result<Vec<Array>, ArrayError> {
    let dims = crate::shape::broadcast(arrays.iter().map(Array::dims).collect::<Vec<_>>().iter().map(|dims| &**dims));
    let Some(dims) = dims else {
        let shapes = dims_of(&arrays.iter().collect::<Vec<_>>());
        return Err(ArrayError::Broadcast { op: "broadcast_arrays".to_owned(), shapes, hint: String::new() });
    };
    let shape: Option<Vec<usize>> = dims.into_iter().collect();
    let Some(shape) = shape else { return Err(ArrayError::UnknownLength { op: "broadcast_arrays", axis: 0 }) };
    arrays.iter().map(|array| array.broadcast_to(&shape, None)).collect()
}
