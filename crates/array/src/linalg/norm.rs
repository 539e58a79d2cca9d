//! Norms.

use dolmen_kernels::DType;

use crate::shape::normalize_axes;
use crate::{Array, ArrayError, Reduce};

/// Which norm, as NumPy's `ord`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum NormOrder {
    /// The root of the sum of squares, of all elements or along axes.
    Default,
    /// The same, of matrices.
    Frobenius,
    /// The sum of singular values.
    Nuclear,
    /// The vector norm of this order over one axis; for matrices 1, -1, 2, -2 and infinities.
    P(f64),
}

impl Array {
    /// NumPy's `linalg.norm`, over one axis (vectors), two (matrices), or all of a vector or matrix. Of `options`, the axes
    /// and `keepdims` count.
    ///
    /// # Errors
    /// [`ArrayError::Argument`] for an order that vectors, or matrices, do not have; those of [`Array::reduce`].
    pub fn norm(&self, order: NormOrder, options: &Reduce) -> Result<Self, ArrayError> {
        self.check()?;
        let x = if self.dtype().is_inexact() { self.clone() } else { self.astype(DType::F64)? };
        let axes = normalize_axes("norm", options.axes.as_deref(), x.n_dims())?;
        let plain = Reduce {
            axes: Some(axes.iter().map(|axis| *axis as isize).collect()),
            keepdims: options.keepdims,
            ..Reduce::all()
        };
        match (order, &axes[..]) {
            (NormOrder::Default, _) => root_of_squares(&x, &plain),
            (NormOrder::Frobenius, [_, _]) => root_of_squares(&x, &plain),
            (NormOrder::P(p), [_]) => vector_norm(&x, p, &plain),
            (NormOrder::P(p), [rows, columns]) if p.abs() == 1.0 => {
                column_sums(&x, *rows, *columns, p > 0.0, options.keepdims)
            }
            (NormOrder::P(p), [rows, columns]) if p.is_infinite() => {
                column_sums(&x, *columns, *rows, p > 0.0, options.keepdims)
            }
            (NormOrder::P(2.0 | -2.0) | NormOrder::Nuclear, [_, _]) if x.n_dims() == 2 => {
                let values = x.svdvals()?;
                let norm = match order {
                    NormOrder::Nuclear => values.sum(&Reduce::all())?,
                    NormOrder::P(2.0) => values.max(&Reduce::all())?,
                    _ => values.min(&Reduce::all())?,
                };
                if options.keepdims { norm.expand_dims(&[0, 1]) } else { Ok(norm) }
            }
            _ => {
                let problem =
                    format!("{order:?} is not defined over {} axes of an array of {}", axes.len(), x.n_dims());
                Err(ArrayError::Argument { op: "norm", argument: "ord", problem })
            }
        }
    }
}

fn root_of_squares(x: &Array, options: &Reduce) -> Result<Array, ArrayError> {
    let squares = if x.dtype().real() == x.dtype() { x.square()? } else { x.multiply(x.conjugate()?)?.real()? };
    squares.sum(options)?.sqrt()
}

fn vector_norm(x: &Array, p: f64, options: &Reduce) -> Result<Array, ArrayError> {
    let size = x.absolute()?;
    match p {
        f64::INFINITY => size.max(options),
        f64::NEG_INFINITY => size.min(options),
        0.0 => x.not_equal(0)?.astype(size.dtype())?.sum(options),
        1.0 => size.sum(options),
        2.0 => root_of_squares(x, options),
        _ => size.power(p)?.sum(options)?.power(1.0 / p),
    }
}

/// The largest or least of the sums along `summed`, over `compared`.
fn column_sums(x: &Array, summed: usize, compared: usize, largest: bool, keepdims: bool) -> Result<Array, ArrayError> {
    let sums = x.absolute()?.sum(&Reduce::axis(summed as isize).keepdims())?;
    let options = Reduce::axis(compared as isize).keepdims();
    let norm = match largest {
        // Of no sums, the largest is zero.
        true if sums.dims()[compared] == Some(0) => sums.sum(&options)?,
        true => sums.max(&options)?,
        false => sums.min(&options)?,
    };
    if keepdims { Ok(norm) } else { norm.squeeze(Some(&[summed as isize, compared as isize])) }
}
