//! Weighted means, covariances and moments.

use dolmen_kernels::{DType, Kind, Op, promote};

use crate::shape::normalize_axes;
use crate::{Array, ArrayError, Reduce};

impl Array {
    /// NumPy's `average`: the mean over some axes, of elements that count as much as their weights; these have the array's shape, or
    /// are as many as one axis is long.
    ///
    /// # Errors
    /// [`ArrayError::ShapeMismatch`] for weights of another shape; those of [`Array::reduce`].
    pub fn average(&self, weights: Option<&Self>, options: &Reduce) -> Result<Self, ArrayError> {
        let op = "average";
        let Some(weights) = weights else { return self.mean(options) };
        let (own, theirs) = (self.known_shape(op)?, weights.known_shape(op)?);
        let axes = normalize_axes(op, options.axes.as_deref(), own.len())?;
        let spread = match &axes[..] {
            _ if own == theirs => weights.clone(),
            [axis] if theirs == [own[*axis]] => weights.lying_along(*axis, own.len())?,
            _ => {
                let shapes = crate::array::dims_of(&[self, weights]);
                let expected = "weights have the shape of the array, or the length of the one axis".to_owned();
                return Err(ArrayError::ShapeMismatch { op, shapes, expected });
            }
        };
        let dtype = promote(inexact(self.dtype())?, weights.dtype())?;
        let weights = spread.astype(dtype)?.broadcast_to(&own, None)?;
        self.astype(dtype)?.multiply(&weights)?.sum(options)?.true_divide(weights.sum(options)?)
    }

    /// NumPy's `cov`: the covariance of each two rows of a matrix, of each two columns unless `rows`; their sums of products are
    /// divided by the number of observations less `ddof`. A vector is one row.
    ///
    /// # Errors
    /// [`ArrayError::WrongRank`] for more than two axes; [`ArrayError::UnknownLength`].
    pub fn cov(&self, rows: bool, ddof: f64) -> Result<Self, ArrayError> {
        let (op, n_dims) = ("cov", self.n_dims());
        let table = match n_dims {
            0 | 1 => self.ravel()?.expand_dims(&[0])?,
            2 if rows => self.clone(),
            2 => self.transpose(None)?,
            _ => return Err(ArrayError::WrongRank { op, expected: "at most two axes", n_dims }),
        };
        let table = table.astype(promote(table.dtype(), DType::F64)?)?;
        let n = table.known_shape(op)?[1];
        let table = table.subtract(table.mean(&Reduce::axis(1).keepdims())?)?;
        let products = table.matmul(&table.conjugate()?.transpose(None)?)?;
        products.multiply(1.0 / (n as f64 - ddof).max(0.0))?.squeeze(None)
    }

    /// NumPy's `corrcoef`: the correlation of each two rows of a matrix, of each two columns unless `rows`.
    ///
    /// # Errors
    /// As [`cov`](Self::cov).
    pub fn corrcoef(&self, rows: bool) -> Result<Self, ArrayError> {
        let cov = self.cov(rows, 1.0)?;
        if cov.n_dims() == 0 {
            return cov.true_divide(&cov);
        }
        let deviation = cov.diag(0)?.real()?.sqrt()?;
        let scaled = cov.true_divide(deviation.expand_dims(&[1])?)?.true_divide(deviation.expand_dims(&[0])?)?;
        if scaled.dtype().kind() == Kind::Complex { Ok(scaled) } else { scaled.clip(-1.0, 1.0) }
    }

    /// Dask's `moment`: the mean of the distances from the mean, to the power of `order`; `ddof` of the options is taken off the
    /// number of elements.
    ///
    /// # Errors
    /// Those of [`Array::reduce`].
    pub fn moment(&self, order: u32, options: &Reduce) -> Result<Self, ArrayError> {
        let array = self.astype(options.dtype.unwrap_or(inexact(self.dtype())?))?;
        let around = Reduce { keepdims: true, ddof: 0.0, ..options.clone() };
        let distance = array.subtract(array.mean(&around)?)?;
        let powers = match order {
            2 => distance.square()?,
            _ => distance.power(f64::from(order))?,
        };
        let n = self.n_reduced(options)?;
        powers.sum(options)?.true_divide(n as f64 - options.ddof)
    }

    /// SciPy's `stats.skew`: the third moment over the second one to the power of 1.5; as an estimate for the population unless
    /// `biased`. NaN where all elements are equal.
    ///
    /// # Errors
    /// Those of [`Array::reduce`].
    pub fn skew(&self, biased: bool, options: &Reduce) -> Result<Self, ArrayError> {
        let n = self.n_reduced(options)? as f64;
        let (second, third) = (self.moment(2, options)?, self.moment(3, options)?);
        let skew = third.true_divide(second.power(1.5)?)?;
        if biased || n <= 2.0 { Ok(skew) } else { skew.multiply((n * (n - 1.0)).sqrt() / (n - 2.0)) }
    }

    /// SciPy's `stats.kurtosis`: the fourth moment over the square of the second; less 3 if `fisher`, so that a normal distribution
    /// has none; as an estimate for the population unless `biased`.
    ///
    /// # Errors
    /// Those of [`Array::reduce`].
    pub fn kurtosis(&self, fisher: bool, biased: bool, options: &Reduce) -> Result<Self, ArrayError> {
        let n = self.n_reduced(options)? as f64;
        let (second, fourth) = (self.moment(2, options)?, self.moment(4, options)?);
        let mut kurtosis = fourth.true_divide(second.square()?)?;
        if !biased && n > 3.0 {
            let scaled = kurtosis.multiply(n * n - 1.0)?.subtract(3.0 * (n - 1.0) * (n - 1.0))?;
            kurtosis = scaled.multiply(1.0 / ((n - 2.0) * (n - 3.0)))?.add(3.0)?;
        }
        if fisher { kurtosis.subtract(3.0) } else { Ok(kurtosis) }
    }

    /// SciPy's `stats.ttest_1samp`: how far the means along some axes are from `mean`, in standard errors, and how likely that
    /// is by chance, on either side.
    ///
    /// # Errors
    /// Those of [`Array::reduce`].
    pub fn ttest_1samp(&self, mean: &Self, options: &Reduce) -> Result<(Self, Self), ArrayError> {
        let n = self.n_reduced(options)? as f64;
        let x = self.astype(inexact(self.dtype())?)?;
        let error = x.var(&options.clone().ddof(1.0))?.multiply(1.0 / n)?.sqrt()?;
        student(x.mean(options)?.subtract(mean)?.true_divide(error)?, n - 1.0)
    }

    /// SciPy's `stats.ttest_rel`: [`ttest_1samp`](Self::ttest_1samp) of the differences of pairs.
    ///
    /// # Errors
    /// [`ArrayError::ShapeMismatch`]; those of [`Array::reduce`].
    pub fn ttest_rel(&self, other: &Self, options: &Reduce) -> Result<(Self, Self), ArrayError> {
        if self.dims() != other.dims() {
            let shapes = crate::array::dims_of(&[self, other]);
            let expected = "each element has one that it is compared with".to_owned();
            return Err(ArrayError::ShapeMismatch { op: "ttest_rel", shapes, expected });
        }
        let difference = self.astype(promote(self.dtype(), DType::F64)?)?.subtract(other)?;
        difference.ttest_1samp(&Self::scalar(dolmen_kernels::Scalar::F64(0.0)), options)
    }

    /// SciPy's `stats.ttest_ind`: how far the means of two samples are from each other, in standard errors, and how likely that
    /// is by chance; of samples of one variance if `equal_var`, else by Welch's test.
    ///
    /// # Errors
    /// Those of [`Array::reduce`].
    ///
    /// Source: Welch, The generalization of Student's problem, Biometrika 34 (1947).
    pub fn ttest_ind(&self, other: &Self, equal_var: bool, options: &Reduce) -> Result<(Self, Self), ArrayError> {
        let sample = |x: &Self| -> Result<(f64, Self, Self), ArrayError> {
            let n = x.n_reduced(options)? as f64;
            let x = x.astype(inexact(x.dtype())?)?;
            Ok((n, x.mean(options)?, x.var(&options.clone().ddof(1.0))?))
        };
        let ((n, mean, variance), (m, other_mean, other_variance)) = (sample(self)?, sample(other)?);
        let distance = mean.subtract(other_mean)?;
        if equal_var {
            let df = n + m - 2.0;
            let pooled = variance.multiply((n - 1.0) / df)?.add(other_variance.multiply((m - 1.0) / df)?)?;
            return student(distance.true_divide(pooled.multiply(1.0 / n + 1.0 / m)?.sqrt()?)?, df);
        }
        let (own, others) = (variance.multiply(1.0 / n)?, other_variance.multiply(1.0 / m)?);
        let both = own.add(&others)?;
        let spread = own.square()?.multiply(1.0 / (n - 1.0))?.add(others.square()?.multiply(1.0 / (m - 1.0))?)?;
        let df = both.square()?.true_divide(spread)?;
        let t = distance.true_divide(both.sqrt()?)?;
        Ok((t.clone(), Self::apply(Op::StudentTails, &[t.into(), df.into()])?))
    }

    /// The elements that each result of a reduction stands for.
    fn n_reduced(&self, options: &Reduce) -> Result<usize, ArrayError> {
        let shape = self.known_shape("moment")?;
        let axes = normalize_axes("moment", options.axes.as_deref(), shape.len())?;
        Ok(axes.iter().map(|axis| shape[*axis]).product())
    }
}

/// A number of standard errors, and how likely it is with `df` degrees of freedom.
fn student(t: Array, df: f64) -> Result<(Array, Array), ArrayError> {
    let p = Array::apply(Op::StudentTails, &[(&t).into(), df.into()])?;
    Ok((t, p))
}

/// The dtype of means.
pub(crate) fn inexact(dtype: DType) -> Result<DType, ArrayError> {
    Ok(if dtype.is_inexact() { dtype } else { promote(dtype, DType::F64)? })
}
