//! Immutable n-dimensional data.

use std::fmt;
use std::sync::Arc;

use ndarray::{ArrayD, ArrayViewD, Axis, IxDyn, ShapeBuilder};
use smallvec::SmallVec;

use crate::element::{Lane, with_lane};
use crate::{Buffer, BufferMut, DType, Element, KernelError, Pool, Result, Scalar, copy};

/// The length of each axis.
pub type Shape = SmallVec<[usize; 6]>;

pub(crate) type Strides = SmallVec<[isize; 6]>;

/// The data of one chunk: a dtype, a shape, and a view into a buffer that may be shared.
///
/// Views (slices, transposes, broadcasts) copy nothing. Strides count elements; they may be zero or negative.
#[derive(Clone)]
pub struct Block {
    dtype: DType,
    shape: Shape,
    strides: Strides,
    offset: usize,
    buffer: Arc<Buffer>,
}

/// What a slice takes of one axis: `len` elements, the first at `start`, each `step` after the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AxisSlice {
    /// The position of the first element.
    pub start: usize,
    /// How many elements.
    pub len: usize,
    /// The distance of neighbours; negative goes backwards.
    pub step: isize,
}

impl AxisSlice {
    /// The elements from `start` up to, and without, `end`.
    #[must_use]
    pub fn range(start: usize, end: usize) -> Self {
        Self { start, len: end.saturating_sub(start), step: 1 }
    }
}

impl Block {
    /// A block of `elements` in C order (the last axis is contiguous), without a copy.
    ///
    /// # Errors
    /// [`KernelError::ElementCount`] if the shape holds another number of elements.
    pub fn from_vec<T: Element>(shape: &[usize], elements: Vec<T>) -> Result<Self> {
        if n_elements(shape)? != elements.len() {
            return Err(KernelError::ElementCount { n_elements: elements.len(), shape: shape.into() });
        }
        Ok(Self::contiguous(T::DTYPE, shape, Buffer::from_vec(elements)))
    }

    /// A block of one value, in the memory of one element.
    #[must_use]
    pub fn full(shape: &[usize], value: Scalar) -> Self {
        let buffer = with_lane!(value.dtype(), T => {
            let bytes: Vec<u8> = bytemuck::bytes_of(&value.lane::<T>()).to_vec();
            // Through a vector of lanes, for the alignment.
            let mut line = vec![[0_u64; 2]];
            bytemuck::cast_slice_mut::<_, u8>(&mut line)[..bytes.len()].copy_from_slice(&bytes);
            Buffer::from_owner(AlignedBytes { line, len: bytes.len() })
        });
        let strides = SmallVec::from_elem(0, shape.len());
        Self { dtype: value.dtype(), shape: shape.into(), strides, offset: 0, buffer: Arc::new(buffer) }
    }

    /// A 0-d block.
    #[must_use]
    pub fn scalar(value: Scalar) -> Self {
        Self::full(&[], value)
    }

    /// A block of `buffer`'s elements in C order.
    ///
    /// # Errors
    /// [`KernelError::ElementCount`] if the shape does not take up the whole buffer, [`KernelError::Misaligned`] if the
    /// buffer's address does not fit the dtype, [`KernelError::MalformedBlock`] for a `bool` that is neither 0 nor 1.
    pub fn from_buffer(dtype: DType, shape: &[usize], buffer: Buffer) -> Result<Self> {
        let size = dtype.size_bytes();
        if n_elements(shape)?.checked_mul(size) != Some(buffer.len()) {
            return Err(KernelError::ElementCount { n_elements: buffer.len() / size, shape: shape.into() });
        }
        let align = if dtype == DType::C64 { 4 } else { size.min(8) };
        if !(buffer.bytes().as_ptr() as usize).is_multiple_of(align) {
            return Err(KernelError::Misaligned { dtype, align });
        }
        if dtype == DType::Bool && buffer.bytes().iter().any(|byte| *byte > 1) {
            return Err(KernelError::MalformedBlock { problem: "a bool is neither 0 nor 1" });
        }
        Ok(Self::contiguous(dtype, shape, buffer))
    }

    /// A block of the elements of `array`, in its order of memory if that is contiguous.
    #[must_use]
    pub fn from_ndarray<T: Element>(array: ArrayD<T>) -> Self {
        let shape: Shape = array.shape().into();
        let array = if array.is_standard_layout() { array } else { array.as_standard_layout().into_owned() };
        let (elements, offset) = array.into_raw_vec_and_offset();
        let strides = c_strides(&shape);
        let buffer = Arc::new(Buffer::from_vec(elements));
        Self { dtype: T::DTYPE, shape, strides, offset: offset.unwrap_or(0), buffer }
    }

    /// A block in C order whose buffer is known to fit.
    pub(crate) fn contiguous(dtype: DType, shape: &[usize], buffer: Buffer) -> Self {
        let strides = c_strides(shape);
        Self { dtype, shape: shape.into(), strides, offset: 0, buffer: Arc::new(buffer) }
    }

    /// The dtype of the elements.
    #[must_use]
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// The length of each axis.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The distance of neighbours along each axis, in elements.
    #[must_use]
    pub fn strides(&self) -> &[isize] {
        &self.strides
    }

    /// The number of axes.
    #[must_use]
    pub fn ndim(&self) -> usize {
        self.shape.len()
    }

    /// The number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether there is no element.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes of all elements, were they contiguous.
    #[must_use]
    pub fn nbytes(&self) -> usize {
        self.len() * self.dtype.size_bytes()
    }

    /// The bytes that this block keeps in memory, with what else is in its buffer. Blocks that share a buffer each count
    /// it, see [`Block::buffer_id`].
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.buffer.held_bytes()
    }

    /// Tells buffers apart: equal for two blocks that share their memory, as long as both live.
    #[must_use]
    pub fn buffer_id(&self) -> usize {
        Arc::as_ptr(&self.buffer) as usize
    }

    /// Whether the elements lie one after another in C order.
    #[must_use]
    pub fn is_contiguous(&self) -> bool {
        self.is_empty() || is_c_contiguous(&self.shape, &self.strides)
    }

    /// The part of each axis that `slices` name.
    ///
    /// # Errors
    /// [`KernelError::WrongRank`] unless there is one slice for each axis, [`KernelError::IndexOutOfBounds`] if one leaves
    /// its axis.
    pub fn slice(&self, slices: &[AxisSlice]) -> Result<Self> {
        if slices.len() != self.ndim() {
            return Err(KernelError::WrongRank {
                op: "slice",
                expected: "one slice for each axis",
                n_axes: self.ndim(),
            });
        }
        let mut view = self.clone();
        let mut offset = self.offset as isize;
        for (axis, slice) in slices.iter().enumerate() {
            let size = self.shape[axis];
            let last = slice.len.checked_sub(1).map(|steps| slice.start as i64 + steps as i64 * slice.step as i64);
            if let Some(last) = last {
                let outside = [slice.start as i64, last].into_iter().find(|index| !(0..size as i64).contains(index));
                if let Some(index) = outside {
                    return Err(KernelError::IndexOutOfBounds { index, axis, size });
                }
                offset += slice.start as isize * self.strides[axis];
            }
            view.shape[axis] = slice.len;
            view.strides[axis] = self.strides[axis] * slice.step;
        }
        if !view.is_empty() {
            view.offset = offset as usize;
        }
        Ok(view)
    }

    /// The part from `starts` on of shape `shape`.
    ///
    /// # Errors
    /// As [`Block::slice`].
    pub fn region(&self, starts: &[usize], shape: &[usize]) -> Result<Self> {
        if starts.len() != shape.len() {
            return Err(KernelError::WrongRank {
                op: "region",
                expected: "one start for each axis",
                n_axes: shape.len(),
            });
        }
        let slices: SmallVec<[AxisSlice; 6]> =
            starts.iter().zip(shape).map(|(&start, &len)| AxisSlice { start, len, step: 1 }).collect();
        self.slice(&slices)
    }

    /// The block at `index` of `axis`, without that axis.
    ///
    /// # Errors
    /// [`KernelError::Axis`] and [`KernelError::IndexOutOfBounds`].
    pub fn select(&self, axis: usize, index: usize) -> Result<Self> {
        self.check_axis("select", axis)?;
        let mut slices: SmallVec<[AxisSlice; 6]> = self.shape.iter().map(|&len| AxisSlice::range(0, len)).collect();
        slices[axis] = AxisSlice { start: index, len: 1, step: 1 };
        let mut view = self.slice(&slices)?;
        view.shape.remove(axis);
        view.strides.remove(axis);
        Ok(view)
    }

    /// The axes in another order: axis `i` of the result is axis `order[i]` of this block.
    ///
    /// # Errors
    /// [`KernelError::WrongRank`] and [`KernelError::Axis`] unless `order` names each axis once.
    pub fn transpose(&self, order: &[usize]) -> Result<Self> {
        if order.len() != self.ndim() {
            return Err(KernelError::WrongRank { op: "transpose", expected: "each axis once", n_axes: self.ndim() });
        }
        for (position, &axis) in order.iter().enumerate() {
            self.check_axis("transpose", axis)?;
            if order[..position].contains(&axis) {
                return Err(KernelError::Axis { op: "transpose", axis, n_axes: self.ndim() });
            }
        }
        let shape = order.iter().map(|&axis| self.shape[axis]).collect();
        let strides = order.iter().map(|&axis| self.strides[axis]).collect();
        Ok(Self { shape, strides, ..self.clone() })
    }

    /// The block repeated along axes of length one and new leading axes, in no more memory.
    ///
    /// # Errors
    /// [`KernelError::Broadcast`] if the shape does not broadcast to `shape`.
    pub fn broadcast_to(&self, shape: &[usize]) -> Result<Self> {
        let refused = || KernelError::Broadcast { from: self.shape.clone(), to: shape.into() };
        let n_new = shape.len().checked_sub(self.ndim()).ok_or_else(refused)?;
        let mut strides: Strides = SmallVec::from_elem(0, n_new);
        for (axis, &len) in shape[n_new..].iter().enumerate() {
            match self.shape[axis] {
                own if own == len => strides.push(self.strides[axis]),
                1 => strides.push(0),
                _ => return Err(refused()),
            }
        }
        Ok(Self { shape: shape.into(), strides, ..self.clone() })
    }

    /// The elements in C order under another shape: a view where strides allow it, else a copy.
    ///
    /// # Errors
    /// [`KernelError::ElementCount`] if the shape holds another number of elements.
    pub fn reshape(&self, shape: &[usize], pool: &Pool) -> Result<Self> {
        if n_elements(shape)? != self.len() {
            return Err(KernelError::ElementCount { n_elements: self.len(), shape: shape.into() });
        }
        if let Some(view) = self.reshape_view(shape) {
            return Ok(view);
        }
        let copy = self.to_contiguous(pool)?;
        Ok(Self { shape: shape.into(), strides: c_strides(shape), ..copy })
    }

    /// The elements in C order under another shape of as many elements, if strides can express it.
    #[must_use]
    pub fn reshape_view(&self, shape: &[usize]) -> Option<Self> {
        if n_elements(shape).ok()? != self.len() {
            return None;
        }
        if self.is_empty() {
            return Some(Self { shape: shape.into(), strides: c_strides(shape), ..self.clone() });
        }
        let mut strides: Strides = SmallVec::from_elem(0, shape.len());
        let old: SmallVec<[usize; 6]> = (0..self.ndim()).filter(|&axis| self.shape[axis] != 1).collect();
        let (mut at, mut new) = (0, 0);
        while at < old.len() {
            // The shortest groups of old and of new axes with as many elements each.
            let (first_old, first_new) = (at, new);
            let (mut n_old, mut n_new) = (self.shape[old[at]], 1);
            at += 1;
            while n_new < n_old || new == first_new {
                n_new *= shape[new];
                new += 1;
                while n_old < n_new {
                    n_old *= self.shape[old[at]];
                    at += 1;
                }
            }
            let group = &old[first_old..at];
            let merges = group
                .windows(2)
                .all(|pair| self.strides[pair[0]] == self.strides[pair[1]] * self.shape[pair[1]] as isize);
            if !merges {
                return None;
            }
            let mut stride = self.strides[old[at - 1]];
            for axis in (first_new..new).rev() {
                strides[axis] = stride;
                stride *= shape[axis] as isize;
            }
        }
        Some(Self { shape: shape.into(), strides, ..self.clone() })
    }

    /// The elements of each of `axes` backwards.
    ///
    /// # Errors
    /// [`KernelError::Axis`].
    pub fn flip(&self, axes: &[usize]) -> Result<Self> {
        let mut slices: SmallVec<[AxisSlice; 6]> = self.shape.iter().map(|&len| AxisSlice::range(0, len)).collect();
        for &axis in axes {
            self.check_axis("flip", axis)?;
            let len = self.shape[axis];
            slices[axis] = AxisSlice { start: len.saturating_sub(1), len, step: -1 };
        }
        self.slice(&slices)
    }

    /// The block with a new axis of length one, so that it is at position `axis` of the result.
    ///
    /// # Errors
    /// [`KernelError::Axis`] if `axis` is larger than the number of axes.
    pub fn expand_dims(&self, axis: usize) -> Result<Self> {
        if axis > self.ndim() {
            return Err(KernelError::Axis { op: "expand_dims", axis, n_axes: self.ndim() });
        }
        let mut view = self.clone();
        view.shape.insert(axis, 1);
        view.strides.insert(axis, 0);
        Ok(view)
    }

    /// The block without `axis`, which has length one.
    ///
    /// # Errors
    /// [`KernelError::Axis`] if there is no such axis or its length is not one.
    pub fn squeeze(&self, axis: usize) -> Result<Self> {
        self.check_axis("squeeze", axis)?;
        if self.shape[axis] != 1 {
            return Err(KernelError::Axis { op: "squeeze", axis, n_axes: self.ndim() });
        }
        let mut view = self.clone();
        view.shape.remove(axis);
        view.strides.remove(axis);
        Ok(view)
    }

    /// The same elements as another dtype of the same Rust type: `int64` as `datetime64[s]` and back.
    ///
    /// # Errors
    /// [`KernelError::WrongDType`] if the Rust types differ.
    pub fn view_as(&self, dtype: DType) -> Result<Self> {
        if dtype.storage() != self.dtype.storage() {
            return Err(KernelError::WrongDType { expected: dtype, actual: self.dtype });
        }
        Ok(Self { dtype, ..self.clone() })
    }

    /// The block with its elements in C order: itself if they are, else a copy.
    ///
    /// # Errors
    /// [`KernelError::OutOfMemory`].
    pub fn to_contiguous(&self, pool: &Pool) -> Result<Self> {
        if self.is_contiguous() { Ok(self.clone()) } else { copy::compact(self, pool) }
    }

    /// A block that keeps no more memory than its own elements: itself if it fills its buffer, else a copy.
    ///
    /// # Errors
    /// [`KernelError::OutOfMemory`].
    pub fn compact(&self, pool: &Pool) -> Result<Self> {
        // A view of one element may stand for many, which is the opposite of wasteful.
        if self.nbytes() >= self.buffer.len() { Ok(self.clone()) } else { copy::compact(self, pool) }
    }

    /// The elements, if they are contiguous in C order.
    ///
    /// # Errors
    /// [`KernelError::WrongDType`] if they are no `T`.
    pub fn as_slice<T: Element>(&self) -> Result<Option<&[T]>> {
        self.check_element::<T>()?;
        Ok(self.lanes::<T::Lane>().map(T::from_lanes))
    }

    /// The elements in C order.
    ///
    /// # Errors
    /// [`KernelError::WrongDType`] if they are no `T`.
    pub fn to_vec<T: Element>(&self) -> Result<Vec<T>> {
        if let Some(elements) = self.as_slice::<T>()? {
            return Ok(elements.to_vec());
        }
        Ok(self.view::<T>()?.iter().copied().collect())
    }

    /// The block as a view of ndarray.
    ///
    /// # Errors
    /// [`KernelError::WrongDType`] if the elements are no `T`.
    ///
    /// # Panics
    /// If a broadcast block stands for more than `isize::MAX` elements, which ndarray cannot express.
    pub fn view<T: Element>(&self) -> Result<ArrayViewD<'_, T>> {
        self.check_element::<T>()?;
        if self.is_empty() {
            // The strides of no elements may lead anywhere.
            return Ok(ArrayViewD::from_shape(IxDyn(&self.shape), &[]).expect("no elements make an empty array"));
        }
        let elements = T::from_lanes(bytemuck::cast_slice(self.buffer.bytes()));
        let magnitudes: Vec<usize> = self.strides.iter().map(|stride| stride.unsigned_abs()).collect();
        let start = self.lowest();
        // ndarray takes only strides forwards from a slice, so that the view is made from the lowest element and turned.
        let shape = IxDyn(&self.shape).strides(IxDyn(&magnitudes));
        let mut view = match ArrayViewD::from_shape(shape, &elements[start..]) {
            Ok(view) => view,
            Err(error) => panic!("a block's strides stay within its buffer: {error}"),
        };
        for (axis, stride) in self.strides.iter().enumerate() {
            if *stride < 0 {
                view.invert_axis(Axis(axis));
            }
        }
        Ok(view)
    }

    /// The value of a block of one element.
    ///
    /// # Errors
    /// [`KernelError::ElementCount`] if there is another number of elements.
    pub fn item(&self) -> Result<Scalar> {
        if self.len() != 1 {
            return Err(KernelError::ElementCount { n_elements: self.len(), shape: Shape::new() });
        }
        Ok(self.value_at(self.offset))
    }

    /// The value at one position.
    ///
    /// # Errors
    /// [`KernelError::WrongRank`] and [`KernelError::IndexOutOfBounds`].
    pub fn get(&self, index: &[usize]) -> Result<Scalar> {
        if index.len() != self.ndim() {
            return Err(KernelError::WrongRank { op: "get", expected: "one index for each axis", n_axes: self.ndim() });
        }
        let mut at = self.offset as isize;
        for (axis, &index) in index.iter().enumerate() {
            let size = self.shape[axis];
            if index >= size {
                return Err(KernelError::IndexOutOfBounds { index: index as i64, axis, size });
            }
            at += index as isize * self.strides[axis];
        }
        Ok(self.value_at(at as usize))
    }

    fn value_at(&self, at: usize) -> Scalar {
        with_lane!(self.dtype, T => Scalar::from_lane(self.storage::<T>()[at], self.dtype))
    }

    fn check_element<T: Element>(&self) -> Result<()> {
        if self.dtype.storage() == T::DTYPE {
            return Ok(());
        }
        Err(KernelError::WrongDType { expected: T::DTYPE, actual: self.dtype })
    }

    pub(crate) fn check_axis(&self, op: &'static str, axis: usize) -> Result<()> {
        if axis < self.ndim() { Ok(()) } else { Err(KernelError::Axis { op, axis, n_axes: self.ndim() }) }
    }

    /// The position of the first element in the buffer.
    pub(crate) fn offset(&self) -> usize {
        self.offset
    }

    /// The pool that its memory goes back to; one that keeps nothing if there is none.
    #[must_use]
    pub fn pool(&self) -> Pool {
        self.buffer.pool()
    }

    /// The whole buffer.
    pub(crate) fn buffer_bytes(&self) -> &[u8] {
        self.buffer.bytes()
    }

    /// The whole buffer as lanes.
    pub(crate) fn storage<T: Lane>(&self) -> &[T] {
        debug_assert_eq!(T::DTYPE, self.dtype.storage());
        bytemuck::cast_slice(self.buffer.bytes())
    }

    /// The whole buffer as words as large as an element.
    pub(crate) fn words<W: bytemuck::Pod>(&self) -> &[W] {
        bytemuck::cast_slice(self.buffer.bytes())
    }

    /// The elements, if contiguous in C order.
    pub(crate) fn lanes<T: Lane>(&self) -> Option<&[T]> {
        let len = self.len();
        if len == 0 {
            return Some(&[]);
        }
        self.is_contiguous().then(|| &self.storage::<T>()[self.offset..self.offset + len])
    }

    /// The least position in the buffer that an element has; the block is not empty.
    fn lowest(&self) -> usize {
        let back: usize = (self.shape.iter().zip(&self.strides))
            .filter(|(_, stride)| **stride < 0)
            .map(|(&len, stride)| (len - 1) * stride.unsigned_abs())
            .sum();
        self.offset - back
    }

    /// The memory to write to again, if no other block shares it and this one fills it in C order; else the block.
    pub(crate) fn into_buffer_mut(self) -> std::result::Result<BufferMut, Self> {
        if !is_c_contiguous(&self.shape, &self.strides) || self.nbytes() != self.buffer.len() {
            return Err(self);
        }
        let Self { dtype, shape, strides, offset, buffer } = self;
        let refused = |buffer| Self { dtype, shape, strides, offset, buffer };
        match Arc::try_unwrap(buffer) {
            Ok(buffer) => buffer.into_mut().map_err(|buffer| refused(Arc::new(buffer))),
            Err(shared) => Err(refused(shared)),
        }
    }
}

struct AlignedBytes {
    line: Vec<[u64; 2]>,
    len: usize,
}

impl AsRef<[u8]> for AlignedBytes {
    fn as_ref(&self) -> &[u8] {
        &bytemuck::cast_slice(&self.line)[..self.len]
    }
}

impl fmt::Debug for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Block of {} {:?}", self.dtype, self.shape.as_slice())
    }
}

/// The number of elements of a shape.
///
/// # Errors
/// [`KernelError::TooLarge`] if their bytes could not be counted.
pub(crate) fn n_elements(shape: &[usize]) -> Result<usize> {
    let too_large = || KernelError::TooLarge { shape: shape.into() };
    if shape.contains(&0) {
        return Ok(0);
    }
    let n = shape.iter().try_fold(1_usize, |n, &len| n.checked_mul(len)).ok_or_else(too_large)?;
    if n > isize::MAX as usize { Err(too_large()) } else { Ok(n) }
}

/// The strides of contiguous elements in C order.
pub(crate) fn c_strides(shape: &[usize]) -> Strides {
    let mut strides: Strides = SmallVec::from_elem(0, shape.len());
    let mut stride = 1_isize;
    for (axis, &len) in shape.iter().enumerate().rev() {
        strides[axis] = stride;
        stride *= len.max(1) as isize;
    }
    strides
}

pub(crate) fn is_c_contiguous(shape: &[usize], strides: &[isize]) -> bool {
    let mut expected = 1;
    for (&len, &stride) in shape.iter().zip(strides).rev() {
        if len != 1 {
            if stride != expected {
                return false;
            }
            expected *= len as isize;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use ndarray::{Array, s};
    use proptest::prelude::*;

    use super::*;

    fn pool() -> Pool {
        Pool::new(0)
    }

    fn cube() -> (Block, ArrayD<i32>) {
        let dense = Array::from_iter(0..60).into_shape_with_order((3, 4, 5)).unwrap().into_dyn();
        (Block::from_ndarray(dense.clone()), dense)
    }

    #[test]
    fn views_of_no_elements_have_shapes() {
        let (block, _) = cube();
        for shape in [[0, 4, 5], [3, 0, 5], [3, 4, 0], [0, 0, 0]] {
            let none = block.region(&[3 - shape[0], 4 - shape[1], 5 - shape[2]], &shape).unwrap();
            assert_eq!(
                none.transpose(&[2, 0, 1]).unwrap().view::<i32>().unwrap().shape(),
                [shape[2], shape[0], shape[1]]
            );
            assert_eq!(none.to_vec::<i32>().unwrap(), [0_i32; 0]);
        }
    }

    #[test]
    fn views_are_those_of_ndarray() {
        let (block, dense) = cube();
        let slices = [
            AxisSlice { start: 2, len: 2, step: -2 },
            AxisSlice { start: 1, len: 3, step: 1 },
            AxisSlice { start: 4, len: 2, step: -3 },
        ];
        let view = block.slice(&slices).unwrap();
        // Where ndarray's steps are negative, it takes the range first and turns it then.
        let expected = dense.slice(s![..;-2, 1..4, ..;-3]).into_dyn();
        assert_eq!(view.view::<i32>().unwrap(), expected);
        assert_eq!(view.to_vec::<i32>().unwrap(), expected.iter().copied().collect::<Vec<_>>());
        let turned = view.transpose(&[2, 0, 1]).unwrap();
        assert_eq!(turned.view::<i32>().unwrap(), expected.permuted_axes(vec![2, 0, 1]));
        assert_eq!(turned.to_contiguous(&pool()).unwrap().to_vec::<i32>(), turned.to_vec::<i32>());
        assert_eq!(block.flip(&[1]).unwrap().view::<i32>().unwrap(), dense.slice(s![.., ..;-1, ..]).into_dyn());
        assert_eq!(block.select(1, 2).unwrap().view::<i32>().unwrap(), dense.slice(s![.., 2, ..]).into_dyn());
        assert_eq!(turned.buffer_id(), block.buffer_id());
    }

    #[test]
    fn broadcasts_hold_one_element() {
        let block = Block::full(&[1000, 1000], Scalar::F64(2.5));
        assert_eq!((block.nbytes(), block.held_bytes()), (8_000_000, 8));
        assert_eq!(block.get(&[999, 0]), Ok(Scalar::F64(2.5)));
        assert!(block.view::<f64>().unwrap().iter().all(|value| *value == 2.5));
        let row = Block::from_vec(&[1, 3], vec![1_u8, 2, 3]).unwrap();
        assert_eq!(row.broadcast_to(&[2, 2, 3]).unwrap().to_vec::<u8>().unwrap(), [1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3]);
        assert!(matches!(row.broadcast_to(&[2, 4]), Err(KernelError::Broadcast { .. })));
        assert_eq!(row.broadcast_to(&[0, 3]).unwrap().len(), 0);
    }

    #[test]
    fn bytes_that_are_no_bool_are_refused() {
        let buffer = Buffer::from_owner(vec![0_u8, 1, 2]);
        assert!(matches!(Block::from_buffer(DType::Bool, &[3], buffer), Err(KernelError::MalformedBlock { .. })));
        let block = Block::from_buffer(DType::Bool, &[2], Buffer::from_owner(vec![0_u8, 1])).unwrap();
        assert_eq!(block.as_slice::<bool>().unwrap().unwrap(), [false, true]);
        assert!(matches!(block.as_slice::<u8>(), Err(KernelError::WrongDType { .. })));
    }

    #[test]
    fn positions_outside_are_errors() {
        let (block, _) = cube();
        assert!(matches!(block.select(0, 3), Err(KernelError::IndexOutOfBounds { .. })));
        assert!(matches!(block.select(3, 0), Err(KernelError::Axis { .. })));
        assert!(matches!(block.transpose(&[0, 0, 1]), Err(KernelError::Axis { .. })));
        assert!(matches!(block.reshape(&[7, 9], &pool()), Err(KernelError::ElementCount { .. })));
        assert!(matches!(block.item(), Err(KernelError::ElementCount { .. })));
        assert!(matches!(Block::from_vec::<u8>(&[usize::MAX, 2], vec![]), Err(KernelError::TooLarge { .. })));
    }

    proptest! {
        /// A reshaped view has the elements of a reshaped copy, and contiguous blocks are never copied.
        #[test]
        fn reshape_keeps_c_order(
            lens in proptest::collection::vec(1_usize..4, 0..5),
            to in proptest::collection::vec(1_usize..5, 0..5),
            turn in any::<bool>(), flip in any::<bool>(), broadcast in any::<bool>(),
        ) {
            let n: usize = lens.iter().product();
            let mut block = Block::from_vec(&lens, (0..n as i64).collect()).unwrap();
            if turn {
                block = block.transpose(&(0..lens.len()).rev().collect::<Vec<_>>()).unwrap();
            }
            if flip {
                block = block.flip(&(0..lens.len()).collect::<Vec<_>>()).unwrap();
            }
            if broadcast {
                let shape: Vec<_> = [2].into_iter().chain(block.shape().iter().copied()).collect();
                block = block.broadcast_to(&shape).unwrap();
            }
            // The shape asked for, with a last axis that makes the counts equal where that is possible.
            let mut to = to;
            while !block.len().is_multiple_of(to.iter().product::<usize>()) {
                to.pop();
            }
            to.push(block.len() / to.iter().product::<usize>());
            let reshaped = block.reshape(&to, &pool()).unwrap();
            prop_assert_eq!(reshaped.shape(), &*to);
            prop_assert_eq!(reshaped.to_vec::<i64>().unwrap(), block.to_vec::<i64>().unwrap());
            if block.is_contiguous() {
                prop_assert!(block.reshape_view(&to).is_some());
            }
        }
    }
}
