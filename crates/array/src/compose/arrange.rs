//! Elements in another order, again, or apart.

use crate::shape::{normalize_axes, normalize_axis};
use crate::{Array, ArrayError, Index};

/// `..` along all axes, but `index` along one.
fn along(n_dims: usize, axis: usize, index: Index) -> Vec<Index> {
    let mut indices = vec![Index::from(..); n_dims];
    indices[axis] = index;
    indices
}

/// The most parts that an array is split into: each is an array.
const N_PARTS_MAX: usize = 1 << 20;

impl Array {
    /// The elements with positions from `start` to before `stop` along `axis`.
    pub(crate) fn between(&self, axis: usize, start: usize, stop: usize) -> Result<Self, ArrayError> {
        self.index(&along(self.n_dims(), axis, Index::from(start as isize..stop as isize)))
    }

    /// NumPy's `roll`: the elements `shifts` places further along `axes`, and those that fall out at the end at the start
    /// again; one shift for each axis. Without axes all elements are shifted in C order, by one shift.
    ///
    /// # Errors
    /// [`ArrayError::Argument`] for another number of shifts than axes; [`ArrayError::AxisOutOfRange`],
    /// [`ArrayError::UnknownLength`].
    pub fn roll(&self, shifts: &[isize], axes: Option<&[isize]>) -> Result<Self, ArrayError> {
        let op = "roll";
        let shape = self.known_shape(op)?;
        let Some(axes) = axes else {
            let [shift] = shifts else {
                let problem = "should be one number where no axis is given".to_owned();
                return Err(ArrayError::Argument { op, argument: "shift", problem });
            };
            let shape: Vec<isize> = shape.iter().map(|len| *len as isize).collect();
            return self.ravel()?.roll(&[*shift], Some(&[0]))?.reshape(&shape);
        };
        if shifts.len() != axes.len() {
            let problem = format!("has {} numbers for {} axes", shifts.len(), axes.len());
            return Err(ArrayError::Argument { op, argument: "shift", problem });
        }
        let mut rolled = self.clone();
        for (shift, axis) in shifts.iter().zip(axes) {
            let axis = normalize_axis(op, *axis, shape.len())?;
            let len = shape[axis];
            let first = match len {
                0 => 0,
                _ => len - shift.rem_euclid(len as isize) as usize,
            };
            if first % len.max(1) != 0 {
                let parts = [rolled.between(axis, first, len)?, rolled.between(axis, 0, first)?];
                rolled = Self::concatenate(&parts, axis as isize)?;
            }
        }
        Ok(rolled)
    }

    /// NumPy's `rot90`: turned `k` quarters from the first of two axes towards the second.
    ///
    /// # Errors
    /// [`ArrayError::AxisOutOfRange`], [`ArrayError::RepeatedAxis`].
    pub fn rot90(&self, k: isize, axes: [isize; 2]) -> Result<Self, ArrayError> {
        let found = normalize_axes("rot90", Some(&axes), self.n_dims())?;
        let mut order: Vec<isize> = (0..self.n_dims() as isize).collect();
        order.swap(found[0], found[1]);
        match k.rem_euclid(4) {
            0 => Ok(self.clone()),
            1 => self.flip(Some(&axes[1..]))?.transpose(Some(&order)),
            2 => self.flip(Some(&axes)),
            _ => self.transpose(Some(&order))?.flip(Some(&axes[1..])),
        }
    }

    /// NumPy's `repeat`: each element along `axis` `n` times; of all elements in C order without an axis.
    ///
    /// # Errors
    /// [`ArrayError::AxisOutOfRange`], [`ArrayError::UnknownLength`], [`ArrayError::TooLarge`].
    pub fn repeat(&self, n: usize, axis: Option<isize>) -> Result<Self, ArrayError> {
        let Some(axis) = axis else { return self.ravel()?.repeat(n, Some(0)) };
        self.again("repeat", axis, n, true)
    }

    /// NumPy's `tile`: the array `reps` times along each axis, the last number for the last axis; there may be more numbers
    /// than axes, and fewer.
    ///
    /// # Errors
    /// [`ArrayError::UnknownLength`], [`ArrayError::TooLarge`].
    pub fn tile(&self, reps: &[usize]) -> Result<Self, ArrayError> {
        let mut tiled = self.at_least(reps.len())?;
        let first = tiled.n_dims() - reps.len();
        for (position, n) in reps.iter().enumerate() {
            tiled = tiled.again("tile", (first + position) as isize, *n, false)?;
        }
        Ok(tiled)
    }

    /// A vector as an array of `n_dims` axes, of which `axis` is its own and the others have length 1.
    pub(super) fn lying_along(&self, axis: usize, n_dims: usize) -> Result<Self, ArrayError> {
        let others: Vec<isize> = (0..n_dims).filter(|other| *other != axis).map(|other| other as isize).collect();
        self.expand_dims(&others)
    }

    /// The array with axes of length 1 in front until it has `n_dims` of them.
    pub(super) fn at_least(&self, n_dims: usize) -> Result<Self, ArrayError> {
        let new: Vec<isize> = (0..n_dims.saturating_sub(self.n_dims()) as isize).collect();
        self.expand_dims(&new)
    }

    /// Each element `n` times along an axis, or the whole axis `n` times.
    fn again(&self, op: &'static str, axis: isize, n: usize, each: bool) -> Result<Self, ArrayError> {
        let mut shape = self.known_shape(op)?;
        let axis = normalize_axis(op, axis, shape.len())?;
        if n == 1 {
            return Ok(self.clone());
        }
        let new = axis + usize::from(each);
        let mut wide = shape.clone();
        wide.insert(new, n);
        shape[axis] = shape[axis].checked_mul(n).ok_or(ArrayError::TooLarge { shape: wide.clone() })?;
        let shape: Vec<isize> = shape.iter().map(|len| *len as isize).collect();
        self.expand_dims(&[new as isize])?.broadcast_to(&wide, None)?.reshape(&shape)
    }

    /// NumPy's `array_split`: `n` parts along `axis`, of which the first ones are longer by one where it does not divide.
    ///
    /// # Errors
    /// [`ArrayError::Argument`] for no parts; [`ArrayError::AxisOutOfRange`], [`ArrayError::UnknownLength`].
    pub fn array_split(&self, n: usize, axis: isize) -> Result<Vec<Self>, ArrayError> {
        let op = "array_split";
        let axis = normalize_axis(op, axis, self.n_dims())?;
        let len = self.known_shape(op)?[axis];
        if n == 0 {
            let problem = "is 0, and there is at least one part".to_owned();
            return Err(ArrayError::Argument { op, argument: "indices_or_sections", problem });
        }
        if n > N_PARTS_MAX {
            let problem = format!("is {n}, and there are at most {N_PARTS_MAX} parts");
            return Err(ArrayError::Argument { op, argument: "indices_or_sections", problem });
        }
        let start = |part: usize| part * (len / n) + part.min(len % n);
        (0..n).map(|part| self.between(axis, start(part), start(part + 1))).collect()
    }

    /// The parts along `axis` that begin at `starts`, and the one before them: NumPy's `split` with a list.
    ///
    /// # Errors
    /// [`ArrayError::AxisOutOfRange`], [`ArrayError::UnknownLength`].
    pub fn split_at(&self, starts: &[isize], axis: isize) -> Result<Vec<Self>, ArrayError> {
        let axis = normalize_axis("split", axis, self.n_dims())?;
        let n_dims = self.n_dims();
        let bounds: Vec<Option<isize>> =
            [Some(0)].into_iter().chain(starts.iter().map(|start| Some(*start))).chain([None]).collect();
        let parts = bounds.windows(2).map(|bounds| Index::slice(bounds[0], bounds[1], None));
        parts.map(|part| self.index(&along(n_dims, axis, part))).collect()
    }

    /// NumPy's `block` of rows: arrays side by side, and rows of them below each other.
    ///
    /// ```
    /// # use dolmen_array::Array;
    /// # use dolmen_kernels::DType;
    /// let (one, none) = (Array::ones(&[2, 3], DType::F64, 2)?, Array::zeros(&[2, 3], DType::F64, 2)?);
    /// let both = Array::block(&[vec![one.clone(), none.clone()], vec![none, one]])?;
    /// assert_eq!(both.shape()?, [4, 6]);
    /// # Ok::<(), dolmen_array::ArrayError>(())
    /// ```
    ///
    /// # Errors
    /// As [`Array::concatenate`].
    pub fn block(rows: &[Vec<Self>]) -> Result<Self, ArrayError> {
        let rows = rows.iter().map(|row| {
            let row = row.iter().map(|array| array.at_least(2)).collect::<Result<Vec<_>, _>>()?;
            Self::concatenate(&row, -1)
        });
        Self::concatenate(&rows.collect::<Result<Vec<_>, _>>()?, -2)
    }
}
