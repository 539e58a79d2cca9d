//! Differences and integrals along axes.

use dolmen_kernels::DType;

use crate::shape::normalize_axis;
use crate::{Array, ArrayError, Reduce};

/// How far elements are apart along an axis.
#[derive(Debug, Clone)]
pub enum Spacing {
    /// All as far.
    Even(f64),
    /// At these points, one for each element.
    At(Array),
}

impl From<f64> for Spacing {
    fn from(spacing: f64) -> Self {
        Self::Even(spacing)
    }
}

impl From<Array> for Spacing {
    fn from(points: Array) -> Self {
        Self::At(points)
    }
}

impl From<&Array> for Spacing {
    fn from(points: &Array) -> Self {
        Self::At(points.clone())
    }
}

impl Array {
    /// NumPy's `diff`: each element less the one before it along `axis`, `n` times over. Of truth values, whether they differ.
    ///
    /// # Errors
    /// [`ArrayError::AxisOutOfRange`], [`ArrayError::UnknownLength`].
    pub fn diff(&self, n: usize, axis: isize) -> Result<Self, ArrayError> {
        let op = "diff";
        let axis = normalize_axis(op, axis, self.n_dims())?;
        let mut result = self.clone();
        for _ in 0..n {
            let len = result.known_shape(op)?[axis];
            let (later, sooner) = (result.between(axis, 1.min(len), len)?, result.between(axis, 0, len.max(1) - 1)?);
            result = if self.dtype() == DType::Bool { later.not_equal(&sooner)? } else { later.subtract(&sooner)? };
        }
        Ok(result)
    }

    /// NumPy's `gradient` along one axis, for elements that are so far apart: what is half the difference of the neighbours if
    /// they are equally far; at the ends the difference to the neighbour (`edge_order` 1) or by the parabola of three
    /// elements (2).
    ///
    /// # Errors
    /// [`ArrayError::Argument`] for another `edge_order`, or fewer elements than it and one; [`ArrayError::ShapeMismatch`]
    /// unless coordinates are a row as long as the axis; [`ArrayError::AxisOutOfRange`], [`ArrayError::UnknownLength`].
    pub fn gradient(&self, spacing: impl Into<Spacing>, axis: isize, edge_order: u32) -> Result<Self, ArrayError> {
        let op = "gradient";
        let axis = normalize_axis(op, axis, self.n_dims())?;
        let len = self.known_shape(op)?[axis];
        let bad = |argument, problem: &str| ArrayError::Argument { op, argument, problem: problem.to_owned() };
        if !(1..=2).contains(&edge_order) {
            return Err(bad("edge_order", "should be 1 or 2"));
        }
        if len <= edge_order as usize {
            return Err(bad("f", "has too few elements along the axis for a gradient"));
        }
        let f = if self.dtype().is_inexact() { self.clone() } else { self.astype(DType::F64)? };
        let parts = match spacing.into() {
            Spacing::Even(spacing) => f.even_gradient(spacing, axis, len, edge_order)?,
            Spacing::At(points) => {
                if points.known_shape(op)? != [len] {
                    let shapes = crate::array::dims_of(&[self, &points]);
                    let expected = "the coordinates are a row as long as the axis".to_owned();
                    return Err(ArrayError::ShapeMismatch { op, shapes, expected });
                }
                f.uneven_gradient(&points.astype(DType::F64)?, axis, len, edge_order)?
            }
        };
        Self::concatenate(&parts, axis as isize)?.with_chunks(self.chunks()).astype(f.dtype())
    }

    /// The gradient at the first element, those between, and the last one.
    fn even_gradient(&self, spacing: f64, axis: usize, len: usize, edge_order: u32) -> Result<Vec<Self>, ArrayError> {
        let at = |start: usize| self.between(axis, start, start + 1);
        let (first, last) = match edge_order {
            1 => (
                at(1)?.subtract(at(0)?)?.true_divide(spacing)?,
                at(len - 1)?.subtract(at(len - 2)?)?.true_divide(spacing)?,
            ),
            _ => {
                let parabola = |a: usize, b: usize, c: usize, [x, y, z]: [f64; 3]| {
                    let parts =
                        [at(a)?.multiply(x / spacing)?, at(b)?.multiply(y / spacing)?, at(c)?.multiply(z / spacing)?];
                    parts[0].add(&parts[1])?.add(&parts[2])
                };
                (parabola(0, 1, 2, [-1.5, 2.0, -0.5])?, parabola(len - 3, len - 2, len - 1, [0.5, -2.0, 1.5])?)
            }
        };
        let mut parts = vec![first];
        if len > 2 {
            let both = self.between(axis, 2, len)?.subtract(self.between(axis, 0, len - 2)?)?;
            parts.push(both.true_divide(2.0 * spacing)?);
        }
        parts.push(last);
        Ok(parts)
    }

    /// The same of elements at `points`: the slopes of the parabolas through three of them.
    fn uneven_gradient(
        &self,
        points: &Self,
        axis: usize,
        len: usize,
        edge_order: u32,
    ) -> Result<Vec<Self>, ArrayError> {
        let steps = points.diff(1, 0)?;
        let along = |row: Self| row.lying_along(axis, self.n_dims());
        // With a step before and one behind the middle of three elements.
        let parabola = |start: usize, n: usize, factors: fn(&Self, &Self) -> Result<[Self; 3], ArrayError>| {
            let [a, b, c] = factors(&steps.part(0, start, start + n), &steps.part(0, start + 1, start + 1 + n))?;
            let part =
                |at: usize, factor: Self| self.between(axis, start + at, start + at + n)?.multiply(along(factor)?);
            part(0, a)?.add(part(1, b)?)?.add(part(2, c)?)
        };
        let line = |at: usize| {
            let difference = self.between(axis, at + 1, at + 2)?.subtract(self.between(axis, at, at + 1)?)?;
            difference.true_divide(along(steps.part(0, at, at + 1))?)
        };
        let first = match edge_order {
            1 => line(0)?,
            _ => parabola(0, 1, |before, behind| {
                let both = before.add(behind)?;
                let a = before.multiply(2.0)?.add(behind)?.true_divide(before.multiply(&both)?)?.negative()?;
                let c = before.true_divide(behind.multiply(&both)?)?.negative()?;
                Ok([a, both.true_divide(before.multiply(behind)?)?, c])
            })?,
        };
        let last = match edge_order {
            1 => line(len - 2)?,
            _ => parabola(len - 3, 1, |before, behind| {
                let both = before.add(behind)?;
                let a = behind.true_divide(before.multiply(&both)?)?;
                let c = behind.multiply(2.0)?.add(before)?.true_divide(behind.multiply(&both)?)?;
                Ok([a, both.true_divide(before.multiply(behind)?)?.negative()?, c])
            })?,
        };
        let mut parts = vec![first];
        if len > 2 {
            parts.push(parabola(0, len - 2, |before, behind| {
                let both = before.add(behind)?;
                let a = behind.true_divide(before.multiply(&both)?)?.negative()?;
                let b = behind.subtract(before)?.true_divide(before.multiply(behind)?)?;
                Ok([a, b, before.true_divide(behind.multiply(&both)?)?])
            })?);
        }
        parts.push(last);
        Ok(parts)
    }

    /// NumPy's `trapezoid`: the integral along `axis` of what is linear between elements; these are `dx` apart, or at the points `x`,
    /// which are as many as the axis is long or have the array's shape.
    ///
    /// # Errors
    /// [`ArrayError::AxisOutOfRange`], [`ArrayError::UnknownLength`]; [`ArrayError::Broadcast`] for points that do not fit.
    pub fn trapezoid(&self, x: Option<&Self>, dx: f64, axis: isize) -> Result<Self, ArrayError> {
        let op = "trapezoid";
        let axis = normalize_axis(op, axis, self.n_dims())?;
        let len = self.known_shape(op)?[axis];
        let both = self.between(axis, 1.min(len), len)?.add(self.between(axis, 0, len.max(1) - 1)?)?;
        let areas = match x {
            None => both.multiply(dx)?,
            Some(x) if x.n_dims() == 1 => both.multiply(x.diff(1, -1)?.lying_along(axis, self.n_dims())?)?,
            Some(x) => both.multiply(x.diff(1, axis as isize)?)?,
        };
        areas.true_divide(2.0)?.sum(&Reduce::axis(axis as isize))
    }
}
