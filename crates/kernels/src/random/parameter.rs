//! What the parameters of laws have to be, and what formulas of even and normal numbers make of them.

use serde::{Deserialize, Serialize};

use super::family::{Walk, refuse};
use crate::{Block, DType, Pool, Region, Result};

/// One or several parameters of a law that a formula makes of even or normal numbers: what they have to be, and the number
/// that the formula goes on with, for a number and for each element of arrays alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ParameterRule {
    /// The bounds: how far they are apart.
    UniformRange,
    /// The deviation of normal numbers.
    NormalScale,
    /// The deviation of logarithms.
    LognormalSigma,
    /// A mean time.
    ExponentialScale,
    /// A deviation of coordinates.
    RayleighScale,
    /// A scale.
    LaplaceScale,
    /// A scale.
    LogisticScale,
    /// A scale.
    GumbelScale,
    /// A mean time.
    GammaScale,
    /// A shape.
    WeibullA,
    /// A shape.
    ParetoA,
    /// A shape.
    PowerA,
    /// A mean.
    WaldMean,
    /// A scale.
    WaldScale,
    /// The first shape.
    BetaA,
    /// The second shape.
    BetaB,
    /// Degrees of freedom.
    ChisquareDf,
    /// Degrees of freedom.
    StudentDf,
    /// Degrees of freedom above the line.
    FNumerator,
    /// Degrees of freedom below it.
    FDenominator,
    /// An angle.
    VonMisesMu,
    /// The left end, the mode and the right end: the mode.
    TriangularMode,
    /// A chance: the waiting time, in exponential ones, of which the integer above is the number.
    GeometricP,
    /// How many successes are waited for.
    NegativeBinomialN,
    /// A chance: how many failures there are for each success.
    NegativeBinomialP,
}

impl ParameterRule {
    /// The law, the parameter, and what it should be.
    fn names(self) -> (&'static str, &'static str, &'static str) {
        let (not_negative, positive) = ("finite and not negative", "finite and positive");
        match self {
            Self::UniformRange => ("random.uniform", "high - low", "finite"),
            Self::NormalScale => ("random.normal", "scale", "not negative"),
            Self::LognormalSigma => ("random.lognormal", "sigma", "not negative"),
            Self::ExponentialScale => ("random.exponential", "scale", not_negative),
            Self::RayleighScale => ("random.rayleigh", "scale", not_negative),
            Self::LaplaceScale => ("random.laplace", "scale", not_negative),
            Self::LogisticScale => ("random.logistic", "scale", not_negative),
            Self::GumbelScale => ("random.gumbel", "scale", not_negative),
            Self::GammaScale => ("random.gamma", "scale", not_negative),
            Self::WeibullA => ("random.weibull", "a", positive),
            Self::ParetoA => ("random.pareto", "a", positive),
            Self::PowerA => ("random.power", "a", positive),
            Self::WaldMean => ("random.wald", "mean", positive),
            Self::WaldScale => ("random.wald", "scale", positive),
            Self::BetaA => ("random.beta", "a", positive),
            Self::BetaB => ("random.beta", "b", positive),
            Self::ChisquareDf => ("random.chisquare", "df", positive),
            Self::StudentDf => ("random.standard_t", "df", positive),
            Self::FNumerator => ("random.f", "dfnum", positive),
            Self::FDenominator => ("random.f", "dfden", positive),
            Self::VonMisesMu => ("random.vonmises", "mu", "finite"),
            Self::TriangularMode => {
                ("random.triangular", "mode", "between left and right, which are finite and differ")
            }
            Self::GeometricP => ("random.geometric", "p", "more than 0 and at most 1"),
            Self::NegativeBinomialN => ("random.negative_binomial", "n", positive),
            Self::NegativeBinomialP => ("random.negative_binomial", "p", "more than 0 and at most 1"),
        }
    }

    /// The law.
    #[must_use]
    pub fn op(self) -> &'static str {
        self.names().0
    }

    /// How many parameters it is about.
    #[must_use]
    pub fn n_values(self) -> usize {
        match self {
            Self::UniformRange => 2,
            Self::TriangularMode => 3,
            _ => 1,
        }
    }

    /// What the formula goes on with; `values` behind the [`n_values`](Self::n_values) first ones do not matter.
    ///
    /// # Errors
    /// [`KernelError::ParameterRange`](crate::KernelError::ParameterRange) for values that make no sense.
    pub fn apply(self, values: [f64; 3]) -> Result<f64> {
        let [first, second, third] = values;
        let (op, parameter, expected) = self.names();
        let (value, holds) = match self {
            Self::UniformRange => (second - first, (second - first).is_finite()),
            Self::NormalScale | Self::LognormalSigma => (first, first >= 0.0),
            Self::VonMisesMu => (first, first.is_finite()),
            Self::TriangularMode => {
                let is_finite = (third - first).is_finite();
                (second, is_finite && first <= second && second <= third && first < third)
            }
            Self::GeometricP | Self::NegativeBinomialP => (first, first > 0.0 && first <= 1.0),
            Self::ExponentialScale
            | Self::RayleighScale
            | Self::LaplaceScale
            | Self::LogisticScale
            | Self::GumbelScale
            | Self::GammaScale => (first, first >= 0.0 && first.is_finite()),
            _ => (first, first > 0.0 && first.is_finite()),
        };
        if !holds {
            return refuse(op, parameter, value, expected);
        }
        Ok(match self {
            Self::GeometricP => -1.0 / (-value).ln_1p(),
            Self::NegativeBinomialP => (1.0 - value) / value,
            _ => value,
        })
    }

    /// As [`apply`](Self::apply), for each element of a block of `shape`; `blocks` of `float64` broadcast to it.
    ///
    /// # Errors
    /// As `apply`, of the first element that makes no sense; [`KernelError::Broadcast`](crate::KernelError::Broadcast),
    /// [`KernelError::WrongDType`](crate::KernelError::WrongDType), [`KernelError::OutOfMemory`](crate::KernelError::OutOfMemory).
    pub fn apply_to_blocks(self, blocks: &[Block], shape: &[usize], pool: &Pool) -> Result<Block> {
        let (region, dtypes) = (Region::whole(shape), [DType::F64; 3]);
        let walk = Walk::new(self.op(), blocks, &dtypes[..self.n_values()], &region)?;
        let n = walk.n;
        let mut buffer = pool.buffer(n * 8)?;
        let out = &mut buffer.as_mut_slice::<f64>()[..n];
        walk.runs(|at, len, words, _| {
            out[at..at + len].fill(self.apply(words.map(f64::from_bits))?);
            Ok(())
        })?;
        Ok(Block::contiguous(DType::F64, shape, buffer.freeze()))
    }
}
