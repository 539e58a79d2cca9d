//! The laws of chance of NumPy's generators: those that a formula makes of even or normal numbers, and those that draw until
//! they accept.

use std::f64::consts::PI;
use std::sync::Arc;

use dolmen_kernels::{DType, Distribution, Law, Side};

use super::RandomGenerator;
use crate::chunks::AxisChunks;
use crate::kernel::Kernel;
use crate::node::Expr;
use crate::shape::n_elements;
use crate::{Array, ArrayError, ChunkSpec, Chunks, Index};

/// Less than any positive number that is drawn evenly.
const LEAST_UNIT: f64 = 1.0 / (1_u64 << 54) as f64;
/// The largest float that an `int64` holds.
const INT_MAX: f64 = 9_223_372_036_854_774_784.0;

/// Fails unless `value` is positive and finite.
fn positive(op: &'static str, argument: &'static str, value: f64) -> Result<(), ArrayError> {
    check(op, argument, value, value > 0.0, "positive")
}

/// Fails unless `value` is finite and not negative.
fn not_negative(op: &'static str, argument: &'static str, value: f64) -> Result<(), ArrayError> {
    check(op, argument, value, value >= 0.0, "not negative")
}

fn check(op: &'static str, argument: &'static str, value: f64, holds: bool, what: &str) -> Result<(), ArrayError> {
    if holds && value.is_finite() {
        return Ok(());
    }
    Err(ArrayError::Argument { op, argument, problem: format!("is {value}; it should be finite and {what}") })
}

macro_rules! scaled {
    ($(#[$doc:meta])* $name:ident, $op:literal, |$standard:ident| $of:expr) => {
        $(#[$doc])*
        ///
        /// # Errors
        /// [`ArrayError::Argument`] if the scale is negative or not finite; those of [`ChunkSpec::chunks`].
        pub fn $name(
            &self,
            loc: f64,
            scale: f64,
            shape: &[usize],
            chunks: impl Into<ChunkSpec>,
        ) -> Result<Array, ArrayError> {
            not_negative($op, "scale", scale)?;
            let chunks = chunks.into();
            let $standard = |generator: &Self, shape: &[usize]| generator.open(shape, &chunks);
            let standard: Array = $of(self, shape)?;
            standard.multiply(scale)?.add(loc)
        }
    };
}

impl RandomGenerator {
    /// Waiting times that are `scale` on average.
    ///
    /// # Errors
    /// [`ArrayError::Argument`] if the scale is negative or not finite; those of [`ChunkSpec::chunks`].
    pub fn exponential(&self, scale: f64, shape: &[usize], chunks: impl Into<ChunkSpec>) -> Result<Array, ArrayError> {
        not_negative("random.exponential", "scale", scale)?;
        self.standard_exponential(shape, &chunks.into())?.multiply(scale)
    }

    fn standard_exponential(&self, shape: &[usize], chunks: &ChunkSpec) -> Result<Array, ArrayError> {
        self.random(shape, chunks.clone())?.negative()?.log1p()?.negative()
    }

    /// Evenly distributed over `(0, 1)`, so that logarithms are finite.
    fn open(&self, shape: &[usize], chunks: &ChunkSpec) -> Result<Array, ArrayError> {
        self.random(shape, chunks.clone())?.maximum(LEAST_UNIT)
    }

    scaled! {
        /// Numbers of Laplace: exponential on both sides of `loc`.
        laplace, "random.laplace", |open| |generator: &Self, shape: &[usize]| -> Result<Array, ArrayError> {
            open(generator, shape)?.log()?.negative()?.add(open(generator, shape)?.log()?)
        }
    }

    scaled! {
        /// Logistic numbers: the quantiles of even ones.
        logistic, "random.logistic", |open| |generator: &Self, shape: &[usize]| -> Result<Array, ArrayError> {
            let even = open(generator, shape)?;
            even.log()?.subtract(even.negative()?.log1p()?)
        }
    }

    scaled! {
        /// Extremes, by Gumbel.
        gumbel, "random.gumbel", |open| |generator: &Self, shape: &[usize]| -> Result<Array, ArrayError> {
            open(generator, shape)?.log()?.negative()?.log()?.negative()
        }
    }

    /// Numbers whose logarithms are normal with mean `mean` and deviation `sigma`.
    ///
    /// # Errors
    /// [`ArrayError::Argument`] if the deviation is negative; those of [`ChunkSpec::chunks`].
    pub fn lognormal(
        &self,
        mean: f64,
        sigma: f64,
        shape: &[usize],
        chunks: impl Into<ChunkSpec>,
    ) -> Result<Array, ArrayError> {
        self.normal(mean, sigma, shape, chunks)?.exp()
    }

    /// The quotient of two normal numbers, by Cauchy.
    ///
    /// # Errors
    /// Those of [`ChunkSpec::chunks`].
    pub fn standard_cauchy(&self, shape: &[usize], chunks: impl Into<ChunkSpec>) -> Result<Array, ArrayError> {
        self.random(shape, chunks)?.subtract(0.5)?.multiply(PI)?.tan()
    }

    /// Numbers of Weibull with shape `a` and scale 1.
    ///
    /// # Errors
    /// [`ArrayError::Argument`] unless the shape is positive; those of [`ChunkSpec::chunks`].
    pub fn weibull(&self, a: f64, shape: &[usize], chunks: impl Into<ChunkSpec>) -> Result<Array, ArrayError> {
        positive("random.weibull", "a", a)?;
        self.standard_exponential(shape, &chunks.into())?.power(1.0 / a)
    }

    /// Numbers of Pareto's second kind with shape `a`, from 0 on.
    ///
    /// # Errors
    /// [`ArrayError::Argument`] unless the shape is positive; those of [`ChunkSpec::chunks`].
    pub fn pareto(&self, a: f64, shape: &[usize], chunks: impl Into<ChunkSpec>) -> Result<Array, ArrayError> {
        positive("random.pareto", "a", a)?;
        self.standard_exponential(shape, &chunks.into())?.multiply(1.0 / a)?.expm1()
    }

    /// Numbers from 0 to 1 with a density that rises as the power `a - 1`.
    ///
    /// # Errors
    /// [`ArrayError::Argument`] unless `a` is positive; those of [`ChunkSpec::chunks`].
    pub fn power(&self, a: f64, shape: &[usize], chunks: impl Into<ChunkSpec>) -> Result<Array, ArrayError> {
        positive("random.power", "a", a)?;
        self.random(shape, chunks)?.power(1.0 / a)
    }

    /// The length of a vector with two normal coordinates of deviation `scale`, by Rayleigh.
    ///
    /// # Errors
    /// [`ArrayError::Argument`] if the scale is negative or not finite; those of [`ChunkSpec::chunks`].
    pub fn rayleigh(&self, scale: f64, shape: &[usize], chunks: impl Into<ChunkSpec>) -> Result<Array, ArrayError> {
        not_negative("random.rayleigh", "scale", scale)?;
        self.standard_exponential(shape, &chunks.into())?.multiply(2.0)?.sqrt()?.multiply(scale)
    }

    /// Numbers from `left` to `right` with a density that rises to `mode` and falls behind it.
    ///
    /// # Errors
    /// [`ArrayError::Argument`] unless `left <= mode <= right` and `left < right`; those of [`ChunkSpec::chunks`].
    pub fn triangular(
        &self,
        left: f64,
        mode: f64,
        right: f64,
        shape: &[usize],
        chunks: impl Into<ChunkSpec>,
    ) -> Result<Array, ArrayError> {
        let holds = left <= mode && mode <= right && left < right;
        check("random.triangular", "mode", mode, holds, "between left and right, which differ")?;
        let base = right - left;
        let even = self.random(shape, chunks)?;
        let rising = even.multiply(base * (mode - left))?.sqrt()?.add(left)?;
        let falling = even.negative()?.add(1.0)?.multiply(base * (right - mode))?.sqrt()?.negative()?.add(right)?;
        Array::where_(&even.less_equal((mode - left) / base)?, rising, falling)
    }

    /// How long a drifting particle takes to a barrier, by Wald: `mean` on average, spread the less the larger `scale` is.
    ///
    /// # Errors
    /// [`ArrayError::Argument`] unless both are positive; those of [`ChunkSpec::chunks`].
    ///
    /// Source: Michael, Schucany and Haas, The American Statistician 30 (1976).
    pub fn wald(
        &self,
        mean: f64,
        scale: f64,
        shape: &[usize],
        chunks: impl Into<ChunkSpec>,
    ) -> Result<Array, ArrayError> {
        let op = "random.wald";
        positive(op, "mean", mean)?;
        positive(op, "scale", scale)?;
        let chunks = chunks.into();
        let y = self.normal(0.0, 1.0, shape, chunks.clone())?.square()?.multiply(mean)?;
        let root = y.multiply(4.0 * scale)?.add(y.square()?)?.sqrt()?;
        let x = y.subtract(root)?.multiply(mean / (2.0 * scale))?.add(mean)?;
        let is_first = self.random(shape, chunks)?.multiply(x.add(mean)?)?.less_equal(mean)?;
        Array::where_(&is_first, &x, x.reciprocal()?.multiply(mean * mean)?)
    }

    /// Gamma numbers: the time until `shape` events have happened, `scale` apart on average.
    ///
    /// # Errors
    /// [`ArrayError::Argument`], [`ArrayError::Kernel`] if one of both is negative or not finite; those of
    /// [`ChunkSpec::chunks`].
    pub fn gamma(
        &self,
        shape: f64,
        scale: f64,
        size: &[usize],
        chunks: impl Into<ChunkSpec>,
    ) -> Result<Array, ArrayError> {
        not_negative("random.gamma", "scale", scale)?;
        self.law(Law::Gamma { shape }, size, chunks)?.multiply(scale)
    }

    /// Beta numbers, from 0 to 1.
    ///
    /// # Errors
    /// [`ArrayError::Argument`] unless both parameters are positive; those of [`ChunkSpec::chunks`].
    pub fn beta(&self, a: f64, b: f64, shape: &[usize], chunks: impl Into<ChunkSpec>) -> Result<Array, ArrayError> {
        let op = "random.beta";
        positive(op, "a", a)?;
        positive(op, "b", b)?;
        let chunks = chunks.into();
        let first = self.gamma(a, 1.0, shape, chunks.clone())?;
        let second = self.gamma(b, 1.0, shape, chunks)?;
        first.true_divide(first.add(second)?)
    }

    /// The sum of the squares of `df` normal numbers, which need not be an integer.
    ///
    /// # Errors
    /// [`ArrayError::Argument`] unless `df` is positive; those of [`ChunkSpec::chunks`].
    pub fn chisquare(&self, df: f64, shape: &[usize], chunks: impl Into<ChunkSpec>) -> Result<Array, ArrayError> {
        positive("random.chisquare", "df", df)?;
        self.gamma(df / 2.0, 2.0, shape, chunks)
    }

    /// The quotient of two mean squares, by Fisher.
    ///
    /// # Errors
    /// [`ArrayError::Argument`] unless both are positive; those of [`ChunkSpec::chunks`].
    pub fn f(
        &self,
        above: f64,
        below: f64,
        shape: &[usize],
        chunks: impl Into<ChunkSpec>,
    ) -> Result<Array, ArrayError> {
        let chunks = chunks.into();
        let numerator = self.chisquare(above, shape, chunks.clone())?.multiply(1.0 / above)?;
        numerator.true_divide(self.chisquare(below, shape, chunks)?.multiply(1.0 / below)?)
    }

    /// A normal number over the root of a mean square of `df` others, by Student.
    ///
    /// # Errors
    /// [`ArrayError::Argument`] unless `df` is positive; those of [`ChunkSpec::chunks`].
    pub fn standard_t(&self, df: f64, shape: &[usize], chunks: impl Into<ChunkSpec>) -> Result<Array, ArrayError> {
        let chunks = chunks.into();
        let normal = self.normal(0.0, 1.0, shape, chunks.clone())?;
        normal.true_divide(self.chisquare(df, shape, chunks)?.multiply(1.0 / df)?.sqrt()?)
    }

    /// Angles around `mu`, by von Mises, the nearer to it the larger `kappa` is; from `-pi` to `pi`.
    ///
    /// # Errors
    /// [`ArrayError::Kernel`] if `kappa` is negative or not finite; those of [`ChunkSpec::chunks`].
    pub fn vonmises(
        &self,
        mu: f64,
        kappa: f64,
        shape: &[usize],
        chunks: impl Into<ChunkSpec>,
    ) -> Result<Array, ArrayError> {
        check("random.vonmises", "mu", mu, true, "an angle")?;
        let around = self.law(Law::VonMises { kappa }, shape, chunks)?.add(mu + PI)?;
        around.remainder(2.0 * PI)?.subtract(PI)
    }

    /// How many events happen where `mean` do on average, by Poisson: `int64`.
    ///
    /// # Errors
    /// [`ArrayError::Kernel`] if the mean is negative or too large; those of [`ChunkSpec::chunks`].
    pub fn poisson(&self, mean: f64, shape: &[usize], chunks: impl Into<ChunkSpec>) -> Result<Array, ArrayError> {
        self.law(Law::Poisson { mean }, shape, chunks)
    }

    /// How many of `n` attempts succeed, of which each does with the chance `p`: `int64`.
    ///
    /// # Errors
    /// [`ArrayError::Kernel`] for a chance outside of 0 to 1; those of [`ChunkSpec::chunks`].
    pub fn binomial(&self, n: u64, p: f64, shape: &[usize], chunks: impl Into<ChunkSpec>) -> Result<Array, ArrayError> {
        self.law(Law::Binomial { n, p }, shape, chunks)
    }

    /// How many of `n` things drawn are good, where `good` of them are, and `bad` are not: `int64`.
    ///
    /// # Errors
    /// [`ArrayError::Kernel`] if there are not as many; those of [`ChunkSpec::chunks`].
    pub fn hypergeometric(
        &self,
        good: u64,
        bad: u64,
        n: u64,
        shape: &[usize],
        chunks: impl Into<ChunkSpec>,
    ) -> Result<Array, ArrayError> {
        self.law(Law::Hypergeometric { good, bad, n }, shape, chunks)
    }

    /// Positive integers `k` with chances in proportion to `k` to the power of `-power`, by Zipf: `int64`.
    ///
    /// # Errors
    /// [`ArrayError::Kernel`] unless the power is more than 1; those of [`ChunkSpec::chunks`].
    pub fn zipf(&self, power: f64, shape: &[usize], chunks: impl Into<ChunkSpec>) -> Result<Array, ArrayError> {
        self.law(Law::Zipf { power }, shape, chunks)
    }

    /// Positive integers `k` with chances in proportion to `p^k / k`: `int64`.
    ///
    /// # Errors
    /// [`ArrayError::Kernel`] unless `p` is from 0 up to, and without, 1; those of [`ChunkSpec::chunks`].
    pub fn logseries(&self, p: f64, shape: &[usize], chunks: impl Into<ChunkSpec>) -> Result<Array, ArrayError> {
        self.law(Law::LogSeries { p }, shape, chunks)
    }

    /// The number of attempts until one succeeds, which each does with the chance `p`: `int64`.
    ///
    /// # Errors
    /// [`ArrayError::Argument`] unless `p` is positive and at most 1; those of [`ChunkSpec::chunks`].
    pub fn geometric(&self, p: f64, shape: &[usize], chunks: impl Into<ChunkSpec>) -> Result<Array, ArrayError> {
        check("random.geometric", "p", p, p > 0.0 && p <= 1.0, "from 0 to 1, without 0")?;
        let waited = self.standard_exponential(shape, &chunks.into())?.multiply(-1.0 / (-p).ln_1p())?;
        waited.ceil()?.clip(1.0, INT_MAX)?.astype(DType::I64)
    }

    /// How many of `n` draws are of each kind, along a last axis with a kind for each of the `chances`: `int64`.
    ///
    /// # Errors
    /// [`ArrayError::Argument`] for chances that are negative, or more than 1 without the last one.
    pub fn multinomial(&self, n: u64, chances: &[f64], shape: &[usize]) -> Result<Array, ArrayError> {
        let op = "random.multinomial";
        let (seed, stream) = (self.seed, self.next_stream());
        // The same check as each block makes.
        dolmen_kernels::multinomial(n, chances, seed, stream, 0, 0, &dolmen_kernels::Pool::new(0))
            .map_err(|error| ArrayError::Argument { op, argument: "pvals", problem: error.to_string() })?;
        let n_rows = n_elements(shape)?;
        let rows = ChunkSpec::Auto.chunks(&[n_rows], 8 * chances.len(), None)?;
        let chunks = Chunks::new([rows.axes()[0].clone(), AxisChunks::single(chances.len())]);
        let kernel = Arc::new(Kernel::Multinomial { n, chances: chances.to_vec(), seed, stream });
        let counts = Array::from_node(Expr::Blockwise { kernel, operands: Vec::new() }, DType::I64, chunks);
        let whole: Vec<isize> = shape.iter().chain([&chances.len()]).map(|len| *len as isize).collect();
        counts.reshape(&whole)
    }

    /// Normal vectors along a last axis, with the means of `mean`, which is a vector, and the covariances of `cov`.
    ///
    /// # Errors
    /// [`ArrayError::ShapeMismatch`] unless the covariances have a row and a column for each mean; those of
    /// [`Array::svd`].
    pub fn multivariate_normal(
        &self,
        mean: &Array,
        cov: &Array,
        shape: &[usize],
        chunks: impl Into<ChunkSpec>,
    ) -> Result<Array, ArrayError> {
        let op = "random.multivariate_normal";
        let (own, square) = (mean.known_shape(op)?, cov.known_shape(op)?);
        if own.len() != 1 || square != [own[0], own[0]] {
            let shapes = crate::array::dims_of(&[mean, cov]);
            let expected = "the covariances have a row and a column for each mean".to_owned();
            return Err(ArrayError::ShapeMismatch { op, shapes, expected });
        }
        // A root of the covariances: the rows of vt, times the roots of the singular values.
        let (_, s, vt) = cov.svd()?;
        let root = vt.multiply(s.sqrt()?.expand_dims(&[1])?)?;
        let whole: Vec<usize> = shape.iter().chain(&own).copied().collect();
        let chunks = match chunks.into() {
            ChunkSpec::PerAxis(mut axes) if axes.len() == shape.len() => {
                axes.push(crate::AxisSpec::Full);
                ChunkSpec::PerAxis(axes)
            }
            other => other,
        };
        self.normal(0.0, 1.0, &whole, chunks)?.matmul(&root)?.add(mean)
    }

    /// Elements of a vector, drawn evenly or with the `chances` that are given; each once at most unless `replace`.
    ///
    /// # Errors
    /// [`ArrayError::WrongRank`]; [`ArrayError::Argument`] if there are not enough elements, for chances that do not fit, and
    /// for chances without `replace`.
    pub fn choice(
        &self,
        from: &Array,
        shape: &[usize],
        replace: bool,
        chances: Option<&[f64]>,
        chunks: impl Into<ChunkSpec>,
    ) -> Result<Array, ArrayError> {
        let op = "random.choice";
        let own = from.known_shape(op)?;
        let [n] = own[..] else {
            return Err(ArrayError::WrongRank { op, expected: "a vector", n_dims: own.len() });
        };
        let bad = |argument, problem: String| Err(ArrayError::Argument { op, argument, problem });
        let n_drawn = n_elements(shape)?;
        if n == 0 && n_drawn > 0 {
            return bad("a", "has no elements".to_owned());
        }
        let positions = match (chances, replace) {
            (None, true) => self.integers(0, n.max(1) as i64, shape, chunks)?,
            (None, false) if n_drawn > n => {
                return bad("size", format!("is {n_drawn}, of {n} elements that are drawn once at most"));
            }
            (None, false) => {
                let order = self.random(&[n], ChunkSpec::Auto)?.argsort(Some(0))?.part(0, 0, n_drawn);
                order.reshape(&shape.iter().map(|len| *len as isize).collect::<Vec<_>>())?.rechunk(chunks)?
            }
            (Some(_), false) => return bad("p", "is possible with replace only".to_owned()),
            (Some(chances), true) => {
                let sums: Vec<f64> = chances
                    .iter()
                    .scan(0.0, |sum, chance| {
                        *sum += chance;
                        Some(*sum)
                    })
                    .collect();
                let total = sums.last().copied().unwrap_or(0.0);
                let fits = chances.iter().all(|chance| (0.0..=1.0).contains(chance)) && (total - 1.0).abs() < 1e-8;
                if chances.len() != n || !fits {
                    return bad("p", format!("should be {n} chances that are not negative and 1 together"));
                }
                let sums = Array::from_vec(&[n], sums.iter().map(|sum| sum / total).collect::<Vec<_>>())?;
                sums.searchsorted(&self.random(shape, chunks)?, Side::Right)?.minimum(n as i64 - 1)?
            }
        };
        from.index(&[Index::Array(positions)])
    }

    /// An array with its first axis in an order by chance. The order is made in one block.
    ///
    /// # Errors
    /// [`ArrayError::WrongRank`] without an axis; [`ArrayError::UnknownLength`].
    pub fn permutation(&self, array: &Array) -> Result<Array, ArrayError> {
        let op = "random.permutation";
        let Some(n) = array.known_shape(op)?.first().copied() else {
            return Err(ArrayError::WrongRank { op, expected: "at least one axis", n_dims: 0 });
        };
        let order = self.random(&[n], ChunkSpec::Auto)?.argsort(Some(0))?;
        array.index(&[Index::Array(order)])
    }

    fn law(&self, law: Law, shape: &[usize], chunks: impl Into<ChunkSpec>) -> Result<Array, ArrayError> {
        self.draw(Distribution::Law(law), shape, chunks)
    }
}
