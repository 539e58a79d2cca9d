//! Products that sum over axes: `matmul`, `dot`, `tensordot`.

use std::sync::Arc;

use dolmen_kernels::{DType, Function, promote};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::array::dims_of;
use crate::chunks::{AxisChunks, common};
use crate::kernel::Kernel;
use crate::node::{Expr, Operand, OperandAxis};
use crate::shape::{broadcast, normalize_axes};
use crate::{Array, ArrayError, Chunks, Reduce};

/// How the axes of two operands take part in a product. Both are brought to three axes: those that go along, those of the
/// rows (or columns), and those that are summed over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Contraction {
    /// The axes of the first operand in the order batch, free, contracted.
    pub(crate) order_a: SmallVec<[usize; 4]>,
    /// The axes of the second operand in the order batch, contracted, free.
    pub(crate) order_b: SmallVec<[usize; 4]>,
    pub(crate) n_batch: usize,
    pub(crate) n_contracted: usize,
}

impl Array {
    /// The matrix product, NumPy's `@`: a vector is a row or a column as it fits, axes before the last two go along.
    ///
    /// Blocks are multiplied a few at a time, so that no task holds a whole row of blocks.
    ///
    /// # Errors
    /// [`ArrayError::ShapeMismatch`] if the inner lengths differ, [`ArrayError::WrongRank`] for a number without axes;
    /// [`ArrayError::Broadcast`] if the axes that go along do not fit; [`ArrayError::Kernel`] if no dtype holds both.
    pub fn matmul(&self, other: &Self) -> Result<Self, ArrayError> {
        let op = "matmul";
        self.check()?;
        other.check()?;
        for array in [self, other] {
            if array.n_dims() == 0 {
                return Err(ArrayError::WrongRank { op, expected: "at least one axis", n_dims: 0 });
            }
        }
        let a = if self.n_dims() == 1 { self.expand_dims(&[0])? } else { self.clone() };
        let b = if other.n_dims() == 1 { other.expand_dims(&[1])? } else { other.clone() };
        let (n_a, n_b) = (a.n_dims() - 2, b.n_dims() - 2);
        let batch = broadcast([&a.dims()[..n_a], &b.dims()[..n_b]].into_iter());
        let Some(batch) = batch else {
            return Err(ArrayError::Broadcast {
                op: op.to_owned(),
                shapes: dims_of(&[self, other]),
                hint: String::new(),
            });
        };
        let n = batch.len();
        let along = |array: &Self| -> Result<Self, ArrayError> {
            if array.dims()[..array.n_dims() - 2] == batch[..] {
                return Ok(array.clone());
            }
            let own = array.known_shape(op)?;
            let lens = batch.iter().copied().collect::<Option<Vec<usize>>>();
            let lens = lens.ok_or(ArrayError::UnknownLength { op, axis: 0 })?;
            array.broadcast_to(&[&lens[..], &own[own.len() - 2..]].concat(), None)
        };
        let (a, b) = (along(&a)?, along(&b)?);
        let spec =
            Contraction { order_a: (0..n + 2).collect(), order_b: (0..n + 2).collect(), n_batch: n, n_contracted: 1 };
        let product = contracted(op, &a, &b, &spec)?;
        let gone: Vec<usize> =
            [(self.n_dims() == 1).then_some(n), (other.n_dims() == 1).then_some(n + 1)].into_iter().flatten().collect();
        Ok(product.without_axes(&gone))
    }

    /// NumPy's `dot`: the product of matrices, the inner product of vectors, the sum over the last axis of the one and the
    /// last but one of the other; with a number, the product of each element.
    ///
    /// # Errors
    /// As [`matmul`](Self::matmul).
    pub fn dot(&self, other: &Self) -> Result<Self, ArrayError> {
        if self.n_dims() == 0 || other.n_dims() == 0 {
            return self.multiply(other);
        }
        let axis = if other.n_dims() == 1 { -1 } else { -2 };
        self.contract("dot", other, &[-1], &[axis])
    }

    /// The sum of products over `axes` of this array and `other_axes` of the other, in pairs; the axes that are left of
    /// the first come before those of the second.
    ///
    /// # Errors
    /// [`ArrayError::AxisOutOfRange`], [`ArrayError::RepeatedAxis`]; [`ArrayError::ShapeMismatch`] if lengths of a pair
    /// differ; [`ArrayError::Argument`] for lists of different lengths.
    pub fn tensordot(&self, other: &Self, axes: &[isize], other_axes: &[isize]) -> Result<Self, ArrayError> {
        self.contract("tensordot", other, axes, other_axes)
    }

    fn contract(
        &self,
        op: &'static str,
        other: &Self,
        axes: &[isize],
        other_axes: &[isize],
    ) -> Result<Self, ArrayError> {
        self.check()?;
        other.check()?;
        let of_a = normalize_axes(op, Some(axes), self.n_dims())?;
        let of_b = normalize_axes(op, Some(other_axes), other.n_dims())?;
        if of_a.len() != of_b.len() {
            let problem = format!("name {} axes of the first and {} of the second array", of_a.len(), of_b.len());
            return Err(ArrayError::Argument { op, argument: "axes", problem });
        }
        let free = |array: &Self, gone: &[usize]| -> SmallVec<[usize; 4]> {
            (0..array.n_dims()).filter(|axis| !gone.contains(axis)).collect()
        };
        let (free_a, free_b) = (free(self, &of_a), free(other, &of_b));
        let spec = Contraction {
            n_batch: 0,
            n_contracted: of_a.len(),
            order_a: free_a.into_iter().chain(of_a).collect(),
            order_b: of_b.into_iter().chain(free_b).collect(),
        };
        contracted(op, self, other, &spec)
    }
}

/// The product of `a` and `b`: batch axes, free axes of `a`, free axes of `b`.
pub(crate) fn contracted(op: &'static str, a: &Array, b: &Array, spec: &Contraction) -> Result<Array, ArrayError> {
    let dtype = promote(a.dtype(), b.dtype())?;
    if dtype.is_time() {
        let remedy = "cast it to int64 or float64 with astype";
        return Err(ArrayError::DTypeUnsupported { op, dtype, remedy });
    }
    let (a, b) = (a.astype(dtype)?, b.astype(dtype)?);
    let Contraction { order_a, order_b, .. } = spec;
    let (n_batch, n_contracted) = (spec.n_batch, spec.n_contracted);
    let n_free_a = order_a.len() - n_batch - n_contracted;
    // The pairs of axes that meet: those that go along, and those that are summed over.
    let meets_a = order_a[..n_batch].iter().chain(&order_a[n_batch + n_free_a..]);
    let meets_b = &order_b[..n_batch + n_contracted];
    let (mut own_a, mut own_b) = (a.chunks().axes().to_vec(), b.chunks().axes().to_vec());
    for (axis_a, axis_b) in meets_a.zip(meets_b) {
        let both = match own_a[*axis_a].len() == own_b[*axis_b].len() {
            // What has unknown lengths along other axes cannot be cut anew.
            true if a.dims().contains(&None) => Some(own_a[*axis_a].clone()),
            true if b.dims().contains(&None) => Some(own_b[*axis_b].clone()),
            true => common(&own_a[*axis_a], &own_b[*axis_b]),
            false => None,
        };
        let Some(both) = both else {
            let expected =
                format!("axis {axis_a} of the first and axis {axis_b} of the second must be of equal length");
            return Err(ArrayError::ShapeMismatch { op, shapes: dims_of(&[&a, &b]), expected });
        };
        (own_a[*axis_a], own_b[*axis_b]) = (both.clone(), both);
    }
    let (a, b) = (a.with_chunks(&Chunks::new(own_a)), b.with_chunks(&Chunks::new(own_b)));
    a.check()?;
    b.check()?;
    summed(&a, &b, spec, dtype)
}

/// The product of operands that are cut alike: products of a few blocks each, and the sum of these.
fn summed(a: &Array, b: &Array, spec: &Contraction, dtype: DType) -> Result<Array, ArrayError> {
    let Contraction { order_a, order_b, n_batch, n_contracted } = spec;
    let n_free_a = order_a.len() - n_batch - n_contracted;
    let n_free_b = order_b.len() - n_batch - n_contracted;
    let n_out = n_batch + n_free_a + n_free_b;
    let of_a = |axis: usize| a.chunks().axes()[axis].clone();
    let of_b = |axis: usize| b.chunks().axes()[axis].clone();
    // One axis more for each that is summed over: the groups of blocks that tasks multiply, so many bytes at once.
    let read_bytes = a.task_bytes().min(b.task_bytes());
    let [of_each_a, of_each_b] = [a, b].map(|array| array.block_bytes_max().unwrap_or(read_bytes));
    let mut room = (read_bytes / of_each_a.saturating_add(of_each_b).max(1)).clamp(1, 1 << 20) as u32;
    let contracted = &order_a[n_batch + n_free_a..];
    let mut sizes: SmallVec<[u32; 2]> = SmallVec::new();
    for axis in contracted.iter().rev() {
        let size = of_a(*axis).n_blocks().min(room).max(1);
        room /= size;
        sizes.push(size);
    }
    sizes.reverse();
    let groups = contracted.iter().zip(&sizes).map(|(axis, size)| of_a(*axis).n_blocks().div_ceil(*size));
    let groups: SmallVec<[u32; 2]> = groups.collect();
    let chunks = order_a[..n_batch + n_free_a].iter().map(|axis| of_a(*axis));
    let chunks = chunks.chain(order_b[n_batch + n_contracted..].iter().map(|axis| of_b(*axis)));
    let chunks = Chunks::new(chunks.chain(groups.iter().map(|n| AxisChunks::uniform(*n as usize, 1))));
    let grouped = |position: usize| match groups[position] {
        1 if of_a(contracted[position]).n_blocks() == 1 => OperandAxis::One,
        _ => OperandAxis::Group { out: n_out + position, size: sizes[position] },
    };
    let mut axes_a: SmallVec<[OperandAxis; 4]> = SmallVec::from_elem(OperandAxis::One, order_a.len());
    for (position, axis) in order_a.iter().enumerate() {
        axes_a[*axis] = match position.checked_sub(n_batch + n_free_a) {
            None => OperandAxis::Out(position),
            Some(position) => grouped(position),
        };
    }
    let mut axes_b: SmallVec<[OperandAxis; 4]> = SmallVec::from_elem(OperandAxis::One, order_b.len());
    for (position, axis) in order_b.iter().enumerate() {
        axes_b[*axis] = match position {
            _ if position < *n_batch => OperandAxis::Out(position),
            _ if position < n_batch + n_contracted => grouped(position - n_batch),
            _ => OperandAxis::Out(position - n_contracted + n_free_a),
        };
    }
    let operands = vec![Operand { array: a.clone(), axes: axes_a }, Operand { array: b.clone(), axes: axes_b }];
    let expr = Expr::Blockwise { kernel: Arc::new(Kernel::Contract(spec.clone())), operands };
    let products = Array::from_node(expr, dtype, chunks);
    let extra: Vec<isize> = (n_out..n_out + n_contracted).map(|axis| axis as isize).collect();
    if groups.iter().all(|n| *n == 1) {
        return Ok(products.without_axes(&(n_out..n_out + n_contracted).collect::<Vec<_>>()));
    }
    let options = Reduce::over(&extra);
    match dtype {
        DType::Bool => products.reduce(Function::Any.plain(), &options),
        _ => products.sum(&options.dtype(dtype)),
    }
}
