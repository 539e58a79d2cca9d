//! Differences and integrals along axes.

use dolmen_kernels::DType;

use crate::shape::normalize_axis;
use crate::{Array, ArrayError, Reduce};

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

    /// NumPy's `gradient` along one axis, for elements that are `spacing` apart: half the difference of the neighbours, at the ends
    /// the difference to the neighbour (`edge_order` 1) or by the parabola of three elements (2).
    ///
    /// # Errors
    /// [`ArrayError::Argument`] for another `edge_order`, or fewer elements than it and one; [`ArrayError::AxisOutOfRange`],
    /// [`ArrayError::UnknownLength`].
    pub fn gradient(&self, spacing: f64, axis: isize, edge_order: u32) -> Result<Self, ArrayError> {
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
        let at = |start: usize| f.between(axis, start, start + 1);
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
            parts.push(f.between(axis, 2, len)?.subtract(f.between(axis, 0, len - 2)?)?.true_divide(2.0 * spacing)?);
        }
        parts.push(last);
        Ok(Self::concatenate(&parts, axis as isize)?.with_chunks(self.chunks()))
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
