//! The laws of chance of NumPy's generators: those that a formula makes of even or normal numbers, and those that draw until
//! they accept.

use std::f64::consts::PI;
use std::sync::Arc;

use dolmen_kernels::{DType, Family, ParameterRule, Scalar, Side};

use super::parameter::{Grid, Value, checked};
use super::{Parameter, RandomGenerator, Size, grid};
use crate::chunks::AxisChunks;
use crate::kernel::Kernel;
use crate::node::Expr;
use crate::shape::n_elements;
use crate::{Array, ArrayError, ChunkSpec, Chunks, Index};

/// Less than any positive number that is drawn evenly.
const LEAST_UNIT: f64 = 1.0 / (1_u64 << 54) as f64;
/// The largest float that an `int64` holds.
const INT_MAX: f64 = 9_223_372_036_854_774_784.0;

/// A parameter as `float64`, checked.
fn one(rule: ParameterRule, parameter: impl Into<Parameter<f64>>) -> Result<Parameter<f64>, ArrayError> {
    checked(rule, &[&parameter.into().read(rule.op())?])
}

/// A law of one parameter, which a formula makes of numbers on a grid.
macro_rules! of_one {
    ($(#[$doc:meta])* $name:ident($parameter:ident, $rule:ident), $what:literal, |$random:ident, $grid:ident| $of:expr) => {
        $(#[$doc])*
        ///
        /// # Errors
        #[doc = concat!("[`ArrayError::Kernel`] ", $what, "; those of parameters.")]
        pub fn $name<'a>(
            &self,
            $parameter: impl Into<Parameter<f64>>,
            shape: impl Into<Size<'a>>,
            chunks: impl Into<ChunkSpec>,
        ) -> Result<Array, ArrayError> {
            let $parameter = one(ParameterRule::$rule, $parameter)?;
            let $grid = grid(ParameterRule::$rule.op(), &[&$parameter], shape, chunks)?;
            let $random = self;
            $of
        }
    };
}

/// A law of a location and a scale, in its standard form on a grid.
macro_rules! scaled {
    ($(#[$doc:meta])* $name:ident, $rule:ident, |$random:ident, $grid:ident| $of:expr) => {
        $(#[$doc])*
        ///
        /// # Errors
        /// [`ArrayError::Kernel`] if the scale is negative or not finite; those of parameters.
        pub fn $name<'a>(
            &self,
            loc: impl Into<Parameter<f64>>,
            scale: impl Into<Parameter<f64>>,
            shape: impl Into<Size<'a>>,
            chunks: impl Into<ChunkSpec>,
        ) -> Result<Array, ArrayError> {
            let $random = self;
            Self::scaled(ParameterRule::$rule, loc.into(), scale.into(), shape, chunks, |$grid| $of)
        }
    };
}

/// A law of one parameter that draws with it at hand.
macro_rules! drawn {
    ($(#[$doc:meta])* $name:ident($parameter:ident, $family:ident), $op:literal, $what:literal) => {
        $(#[$doc])*
        ///
        /// # Errors
        #[doc = concat!("[`ArrayError::Kernel`] ", $what, "; those of parameters.")]
        pub fn $name<'a>(
            &self,
            $parameter: impl Into<Parameter<f64>>,
            shape: impl Into<Size<'a>>,
            chunks: impl Into<ChunkSpec>,
        ) -> Result<Array, ArrayError> {
            self.family($op, Family::$family, &[$parameter.into().read($op)?.into()], shape, chunks)
        }
    };
}

impl RandomGenerator {
    of_one! {
        /// Waiting times that are `scale` on average.
        exponential(scale, ExponentialScale), "if the scale is negative or not finite",
        |random, grid| random.exponentials(&grid)?.multiply(grid.cut(&scale))
    }

    /// Waiting times that are 1 on average.
    fn exponentials(&self, grid: &Grid) -> Result<Array, ArrayError> {
        self.even(grid).negative()?.log1p()?.negative()
    }

    /// Evenly distributed over `(0, 1)`, so that logarithms are finite.
    fn open(&self, grid: &Grid) -> Result<Array, ArrayError> {
        self.even(grid).maximum(LEAST_UNIT)
    }

    scaled! {
        /// Numbers of Laplace: exponential on both sides of `loc`.
        laplace, LaplaceScale,
        |random, grid| random.open(grid)?.log()?.negative()?.add(random.open(grid)?.log()?)
    }

    scaled! {
        /// Logistic numbers: the quantiles of even ones.
        logistic, LogisticScale, |random, grid| {
            let even = random.open(grid)?;
            even.log()?.subtract(even.negative()?.log1p()?)
        }
    }

    scaled! {
        /// Extremes, by Gumbel.
        gumbel, GumbelScale, |random, grid| random.open(grid)?.log()?.negative()?.log()?.negative()
    }

    /// Numbers whose logarithms are normal with mean `mean` and deviation `sigma`.
    ///
    /// # Errors
    /// [`ArrayError::Kernel`] if the deviation is negative; those of parameters.
    pub fn lognormal<'a>(
        &self,
        mean: impl Into<Parameter<f64>>,
        sigma: impl Into<Parameter<f64>>,
        shape: impl Into<Size<'a>>,
        chunks: impl Into<ChunkSpec>,
    ) -> Result<Array, ArrayError> {
        self.normal_by(ParameterRule::LognormalSigma, mean.into(), sigma.into(), shape, chunks)?.exp()
    }

    /// The quotient of two normal numbers, by Cauchy.
    ///
    /// # Errors
    /// Those of [`ChunkSpec::chunks`].
    pub fn standard_cauchy(&self, shape: &[usize], chunks: impl Into<ChunkSpec>) -> Result<Array, ArrayError> {
        self.random(shape, chunks)?.subtract(0.5)?.multiply(PI)?.tan()
    }

    of_one! {
        /// Numbers of Weibull with shape `a` and scale 1.
        weibull(a, WeibullA), "unless the shape is positive",
        |random, grid| random.exponentials(&grid)?.power(grid.cut(&a.reciprocal()?))
    }

    of_one! {
        /// Numbers of Pareto's second kind with shape `a`, from 0 on.
        pareto(a, ParetoA), "unless the shape is positive",
        |random, grid| random.exponentials(&grid)?.multiply(grid.cut(&a.reciprocal()?))?.expm1()
    }

    of_one! {
        /// Numbers from 0 to 1 with a density that rises as the power `a - 1`.
        power(a, PowerA), "unless `a` is positive",
        |random, grid| random.even(&grid).power(grid.cut(&a.reciprocal()?))
    }

    of_one! {
        /// The length of a vector with two normal coordinates of deviation `scale`, by Rayleigh.
        rayleigh(scale, RayleighScale), "if the scale is negative or not finite",
        |random, grid| random.exponentials(&grid)?.multiply(2.0)?.sqrt()?.multiply(grid.cut(&scale))
    }

    /// Numbers from `left` to `right` with a density that rises to `mode` and falls behind it.
    ///
    /// # Errors
    /// [`ArrayError::Kernel`] unless `left <= mode <= right` and `left < right`; those of parameters.
    pub fn triangular<'a>(
        &self,
        left: impl Into<Parameter<f64>>,
        mode: impl Into<Parameter<f64>>,
        right: impl Into<Parameter<f64>>,
        shape: impl Into<Size<'a>>,
        chunks: impl Into<ChunkSpec>,
    ) -> Result<Array, ArrayError> {
        let rule = ParameterRule::TriangularMode;
        let op = rule.op();
        let (left, right) = (left.into().read(op)?, right.into().read(op)?);
        let mode = checked(rule, &[&left, &mode.into().read(op)?, &right])?;
        let grid = grid(op, &[&left, &mode, &right], shape, chunks)?;
        let (base, before, behind) = (right.subtract(&left)?, mode.subtract(&left)?, right.subtract(&mode)?);
        let even = self.even(&grid);
        let rising = even.multiply(grid.cut(&base.multiply(&before)?))?.sqrt()?.add(grid.cut(&left))?;
        let falling = even.negative()?.add(1.0)?.multiply(grid.cut(&base.multiply(&behind)?))?.sqrt()?;
        let falling = falling.negative()?.add(grid.cut(&right))?;
        Array::where_(&even.less_equal(grid.cut(&before.divide(&base)?))?, rising, falling)
    }

    /// How long a drifting particle takes to a barrier, by Wald: `mean` on average, spread the less the larger `scale` is.
    ///
    /// # Errors
    /// [`ArrayError::Kernel`] unless both are positive; those of parameters.
    ///
    /// Source: Michael, Schucany and Haas, The American Statistician 30 (1976).
    pub fn wald<'a>(
        &self,
        mean: impl Into<Parameter<f64>>,
        scale: impl Into<Parameter<f64>>,
        shape: impl Into<Size<'a>>,
        chunks: impl Into<ChunkSpec>,
    ) -> Result<Array, ArrayError> {
        let (mean, scale) = (one(ParameterRule::WaldMean, mean)?, one(ParameterRule::WaldScale, scale)?);
        let grid = grid("random.wald", &[&mean, &scale], shape, chunks)?;
        let at_mean = grid.cut(&mean);
        let y = self.normals(&grid).square()?.multiply(at_mean.clone())?;
        let root = y.multiply(grid.cut(&scale.times(4.0)?))?.add(y.square()?)?.sqrt()?;
        let share = mean.divide(&scale.times(2.0)?)?;
        let x = y.subtract(root)?.multiply(grid.cut(&share))?.add(at_mean.clone())?;
        let is_first = self.even(&grid).multiply(x.add(at_mean.clone())?)?.less_equal(at_mean)?;
        Array::where_(&is_first, &x, x.reciprocal()?.multiply(grid.cut(&mean.multiply(&mean)?))?)
    }

    /// Gamma numbers: the time until `shape` events have happened, `scale` apart on average.
    ///
    /// # Errors
    /// [`ArrayError::Kernel`] if one of both is negative or not finite; those of parameters.
    pub fn gamma<'a>(
        &self,
        shape: impl Into<Parameter<f64>>,
        scale: impl Into<Parameter<f64>>,
        size: impl Into<Size<'a>>,
        chunks: impl Into<ChunkSpec>,
    ) -> Result<Array, ArrayError> {
        let op = "random.gamma";
        let (shape, scale) = (shape.into().read(op)?, one(ParameterRule::GammaScale, scale)?);
        let grid = grid(op, &[&shape, &scale], size, chunks)?;
        self.gammas(&grid, shape)?.multiply(grid.cut(&scale))
    }

    /// Gamma numbers of scale 1.
    fn gammas(&self, grid: &Grid, shape: Parameter<f64>) -> Result<Array, ArrayError> {
        self.family_on(grid, Family::Gamma, &[shape.into()])
    }

    /// Beta numbers, from 0 to 1.
    ///
    /// # Errors
    /// [`ArrayError::Kernel`] unless both parameters are positive; those of parameters.
    pub fn beta<'a>(
        &self,
        a: impl Into<Parameter<f64>>,
        b: impl Into<Parameter<f64>>,
        shape: impl Into<Size<'a>>,
        chunks: impl Into<ChunkSpec>,
    ) -> Result<Array, ArrayError> {
        let (a, b) = (one(ParameterRule::BetaA, a)?, one(ParameterRule::BetaB, b)?);
        let grid = grid("random.beta", &[&a, &b], shape, chunks)?;
        let first = self.gammas(&grid, a)?;
        let second = self.gammas(&grid, b)?;
        first.true_divide(first.add(second)?)
    }

    of_one! {
        /// The sum of the squares of `df` normal numbers, which need not be an integer.
        chisquare(df, ChisquareDf), "unless `df` is positive",
        |random, grid| random.squares(&grid, &df)
    }

    fn squares(&self, grid: &Grid, df: &Parameter<f64>) -> Result<Array, ArrayError> {
        self.gammas(grid, df.times(0.5)?)?.multiply(2.0)
    }

    /// As many squares, and their mean.
    fn mean_squares(&self, grid: &Grid, df: &Parameter<f64>) -> Result<Array, ArrayError> {
        self.squares(grid, df)?.multiply(grid.cut(&df.reciprocal()?))
    }

    /// The quotient of two mean squares, by Fisher.
    ///
    /// # Errors
    /// [`ArrayError::Kernel`] unless both are positive; those of parameters.
    pub fn f<'a>(
        &self,
        above: impl Into<Parameter<f64>>,
        below: impl Into<Parameter<f64>>,
        shape: impl Into<Size<'a>>,
        chunks: impl Into<ChunkSpec>,
    ) -> Result<Array, ArrayError> {
        let (above, below) = (one(ParameterRule::FNumerator, above)?, one(ParameterRule::FDenominator, below)?);
        let grid = grid("random.f", &[&above, &below], shape, chunks)?;
        self.mean_squares(&grid, &above)?.true_divide(self.mean_squares(&grid, &below)?)
    }

    of_one! {
        /// A normal number over the root of a mean square of `df` others, by Student.
        standard_t(df, StudentDf), "unless `df` is positive",
        |random, grid| random.normals(&grid).true_divide(random.mean_squares(&grid, &df)?.sqrt()?)
    }

    /// Angles around `mu`, by von Mises, the nearer to it the larger `kappa` is; from `-pi` to `pi`.
    ///
    /// # Errors
    /// [`ArrayError::Kernel`] if `kappa` is negative or one of both is not finite; those of parameters.
    pub fn vonmises<'a>(
        &self,
        mu: impl Into<Parameter<f64>>,
        kappa: impl Into<Parameter<f64>>,
        shape: impl Into<Size<'a>>,
        chunks: impl Into<ChunkSpec>,
    ) -> Result<Array, ArrayError> {
        let op = "random.vonmises";
        let (mu, kappa) = (one(ParameterRule::VonMisesMu, mu)?, kappa.into().read(op)?);
        let grid = grid(op, &[&mu, &kappa], shape, chunks)?;
        let around = self.family_on(&grid, Family::VonMises, &[kappa.into()])?;
        around.add(grid.cut(&mu.add(&Parameter::Number(PI))?))?.remainder(2.0 * PI)?.subtract(PI)
    }

    drawn! {
        /// How many events happen where `mean` do on average, by Poisson: `int64`.
        poisson(mean, Poisson), "random.poisson", "if the mean is negative or too large"
    }

    /// How many of `n` attempts succeed, of which each does with the chance `p`: `int64`.
    ///
    /// # Errors
    /// [`ArrayError::Kernel`] for a chance outside of 0 to 1; those of parameters.
    pub fn binomial<'a>(
        &self,
        n: impl Into<Parameter<u64>>,
        p: impl Into<Parameter<f64>>,
        shape: impl Into<Size<'a>>,
        chunks: impl Into<ChunkSpec>,
    ) -> Result<Array, ArrayError> {
        let op = "random.binomial";
        let parameters = [Value::integer(op, n.into(), Scalar::U64)?, p.into().read(op)?.into()];
        self.family(op, Family::Binomial, &parameters, shape, chunks)
    }

    /// How many of `n` things drawn are good, where `good` of them are, and `bad` are not: `int64`.
    ///
    /// # Errors
    /// [`ArrayError::Kernel`] if there are not as many; those of parameters.
    pub fn hypergeometric<'a>(
        &self,
        good: impl Into<Parameter<u64>>,
        bad: impl Into<Parameter<u64>>,
        n: impl Into<Parameter<u64>>,
        shape: impl Into<Size<'a>>,
        chunks: impl Into<ChunkSpec>,
    ) -> Result<Array, ArrayError> {
        let op = "random.hypergeometric";
        let parameters = [good.into(), bad.into(), n.into()].map(|count| Value::integer(op, count, Scalar::U64));
        let [good, bad, n] = parameters;
        self.family(op, Family::Hypergeometric, &[good?, bad?, n?], shape, chunks)
    }

    drawn! {
        /// Positive integers `k` with chances in proportion to `k` to the power of `-power`, by Zipf: `int64`.
        zipf(power, Zipf), "random.zipf", "unless the power is more than 1"
    }

    drawn! {
        /// Positive integers `k` with chances in proportion to `p^k / k`: `int64`.
        logseries(p, LogSeries), "random.logseries", "unless `p` is from 0 up to, and without, 1"
    }

    of_one! {
        /// The number of attempts until one succeeds, which each does with the chance `p`: `int64`.
        geometric(p, GeometricP), "unless `p` is positive and at most 1",
        |random, grid| {
            let waited = random.exponentials(&grid)?.multiply(grid.cut(&p))?;
            waited.ceil()?.clip(1.0, INT_MAX)?.astype(DType::I64)
        }
    }

    /// How many attempts fail before `n` succeed, which each does with the chance `p`; `n` need not be an integer. `int64`.
    ///
    /// # Errors
    /// [`ArrayError::Kernel`] unless `n` is positive, and `p` is and is at most 1; those of parameters.
    pub fn negative_binomial<'a>(
        &self,
        n: impl Into<Parameter<f64>>,
        p: impl Into<Parameter<f64>>,
        shape: impl Into<Size<'a>>,
        chunks: impl Into<ChunkSpec>,
    ) -> Result<Array, ArrayError> {
        let op = "random.negative_binomial";
        let (n, scale) = (one(ParameterRule::NegativeBinomialN, n)?, one(ParameterRule::NegativeBinomialP, p)?);
        let grid = grid(op, &[&n, &scale], shape, chunks)?;
        let mean = self.gammas(&grid, n)?.multiply(grid.cut(&scale))?;
        self.family_on(&grid, Family::Poisson, &[Value::Array(mean)])
    }

    /// How many of `n` draws are of each kind, along a last axis with a kind for each of the `chances`: `int64`.
    ///
    /// # Errors
    /// [`ArrayError::Argument`] for chances that are negative, or more than 1 without the last one.
    pub fn multinomial(
        &self,
        n: u64,
        chances: &[f64],
        shape: &[usize],
        chunks: impl Into<ChunkSpec>,
    ) -> Result<Array, ArrayError> {
        let op = "random.multinomial";
        let (seed, stream) = (self.seed, self.next_stream());
        // The same check as each block makes.
        dolmen_kernels::multinomial(n, chances, seed, stream, 0, 0, &dolmen_kernels::Pool::new(0))
            .map_err(|error| ArrayError::Argument { op, argument: "pvals", problem: error.to_string() })?;
        let n_rows = n_elements(shape)?;
        let rows = chunks.into().chunks(&[n_rows], 8 * chances.len(), None)?;
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
}
