//! Laws of chance whose numbers take as many draws as it needs, all of them from the position of the element.

use std::convert::Infallible;

use rand_distr::{Binomial, Distribution, Gamma, Hypergeometric, Poisson, Zeta};
use serde::{Deserialize, Serialize};

use super::{Random, philox4x32, unit};
use crate::{Block, DType, KernelError, Pool, Result};

/// Binomial and hypergeometric numbers are of no more than so many.
const POPULATION_MAX: u64 = 1 << 53;
/// A mean of Poisson's law whose numbers an `int64` holds for certain.
const POISSON_MEAN_MAX: f64 = 9.223_372_006e18;
/// From there on the law of von Mises is a normal one, in double precision.
const KAPPA_NORMAL: f64 = 1e6;

/// A law of chance, in its standard form where it has a scale.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Law {
    /// Gamma numbers of scale 1: `float64`.
    Gamma {
        /// Not negative.
        shape: f64,
    },
    /// Angles around 0, by von Mises: `float64` in `[-pi, pi]`.
    VonMises {
        /// How near to 0, not negative.
        kappa: f64,
    },
    /// How many of independent events happen, by Poisson: `int64`.
    Poisson {
        /// How many on average, not negative.
        mean: f64,
    },
    /// How many of `n` attempts succeed: `int64`.
    Binomial {
        /// The attempts.
        n: u64,
        /// The chance of each.
        p: f64,
    },
    /// How many of some things drawn are good: `int64`.
    Hypergeometric {
        /// The good ones.
        good: u64,
        /// The others.
        bad: u64,
        /// How many are drawn.
        n: u64,
    },
    /// Positive integers with chances that fall as a power, by Zipf: `int64`.
    Zipf {
        /// The power, more than 1.
        power: f64,
    },
    /// Positive integers with chances as the terms of a logarithm's series: `int64`.
    LogSeries {
        /// From 0 up to, and without, 1.
        p: f64,
    },
}

impl Law {
    pub(super) fn dtype(self) -> DType {
        match self {
            Self::Gamma { .. } | Self::VonMises { .. } => DType::F64,
            _ => DType::I64,
        }
    }

    pub(super) fn check(self) -> Result<()> {
        let refused = |op, parameter, problem| Err(KernelError::Parameter { op, parameter, problem });
        let is_share = |p: f64| (0.0..=1.0).contains(&p);
        match self {
            Self::Gamma { shape } if !(shape >= 0.0 && shape.is_finite()) => {
                refused("random.gamma", "shape", "must be finite and not negative")
            }
            Self::VonMises { kappa } if !(kappa >= 0.0 && kappa.is_finite()) => {
                refused("random.vonmises", "kappa", "must be finite and not negative")
            }
            Self::Poisson { mean } if !(0.0..=POISSON_MEAN_MAX).contains(&mean) => {
                refused("random.poisson", "lam", "must not be negative, nor so large that int64 is left")
            }
            Self::Binomial { n, .. } if n > POPULATION_MAX => refused("random.binomial", "n", "is more than 2^53"),
            Self::Binomial { p, .. } if !is_share(p) => refused("random.binomial", "p", "must be between 0 and 1"),
            Self::Hypergeometric { good, bad, .. } if good.saturating_add(bad) > POPULATION_MAX => {
                refused("random.hypergeometric", "ngood", "and nbad are more than 2^53 together")
            }
            Self::Hypergeometric { good, bad, n } if n > good + bad => {
                refused("random.hypergeometric", "nsample", "is more than there are")
            }
            Self::Zipf { power } if !(power > 1.0 && power.is_finite()) => {
                refused("random.zipf", "a", "must be more than 1")
            }
            Self::LogSeries { p } if !(0.0..1.0).contains(&p) => {
                refused("random.logseries", "p", "must be from 0 up to, and without, 1")
            }
            _ => Ok(()),
        }
    }

    pub(super) fn fill_f64(self, random: Random, start: u64, out: &mut [f64]) {
        match self {
            Self::Gamma { shape } => match Gamma::new(shape, 1.0) {
                Ok(law) => fill(random, start, out, |draws| law.sample(draws)),
                // Without a shape there is nothing to add up.
                Err(_) => out.fill(0.0),
            },
            Self::VonMises { kappa } => fill(random, start, out, |draws| von_mises(kappa, draws)),
            _ => out.fill(f64::NAN),
        }
    }

    pub(super) fn fill_i64(self, random: Random, start: u64, out: &mut [i64]) {
        match self {
            Self::Poisson { mean } => match Poisson::new(mean) {
                Ok(law) => fill(random, start, out, |draws| {
                    let number: f64 = law.sample(draws);
                    number as i64
                }),
                Err(_) => out.fill(0),
            },
            Self::Binomial { n, p } => fill(random, start, out, |draws| binomial(n, p, draws)),
            Self::Hypergeometric { good, bad, n } => match Hypergeometric::new(good + bad, good, n) {
                Ok(law) => fill(random, start, out, |draws| law.sample(draws) as i64),
                Err(_) => out.fill(0),
            },
            Self::Zipf { power } => match Zeta::new(power) {
                Ok(law) => fill(random, start, out, |draws| {
                    let number: f64 = law.sample(draws);
                    number as i64
                }),
                Err(_) => out.fill(0),
            },
            Self::LogSeries { p } => fill(random, start, out, |draws| log_series(p, draws)),
            Self::Gamma { .. } | Self::VonMises { .. } => out.fill(0),
        }
    }
}

fn fill<T>(random: Random, start: u64, out: &mut [T], of: impl Fn(&mut Draws) -> T) {
    for (position, out) in (start..).zip(out) {
        *out = of(&mut Draws::new(random.seed, random.stream, position));
    }
}

/// How many of each kind there are among `n` draws with the given chances, in each row of `n_rows` from row `first` on: the
/// last kind has what the others leave.
///
/// # Errors
/// [`KernelError::Parameter`] for chances that are negative, or more than 1 together; [`KernelError::OutOfMemory`].
pub fn multinomial(
    n: u64,
    chances: &[f64],
    seed: u64,
    stream: u64,
    first: u64,
    n_rows: usize,
    pool: &Pool,
) -> Result<Block> {
    let op = "random.multinomial";
    let refused = |parameter, problem| Err(KernelError::Parameter { op, parameter, problem });
    let Some((_, others)) = chances.split_last() else { return refused("pvals", "are none") };
    if !chances.iter().all(|chance| (0.0..=1.0).contains(chance)) || others.iter().sum::<f64>() > 1.0 + 1e-12 {
        return refused("pvals", "must not be negative, nor more than 1 together");
    }
    if n > POPULATION_MAX {
        return refused("n", "is more than 2^53");
    }
    let shape = [n_rows, chances.len()];
    let mut buffer = pool.buffer(n_rows * chances.len() * 8)?;
    let rows = &mut buffer.as_mut_slice::<i64>()[..n_rows * chances.len()];
    for (position, row) in (first..).zip(rows.chunks_exact_mut(chances.len())) {
        let mut draws = Draws::new(seed, stream, position);
        let (mut left, mut chance_left) = (n, 1.0_f64);
        for (out, chance) in row.iter_mut().zip(others) {
            let share = if chance_left > 0.0 { (chance / chance_left).min(1.0) } else { 1.0 };
            *out = binomial(left, share, &mut draws);
            left -= *out as u64;
            chance_left -= chance;
        }
        row[chances.len() - 1] = left as i64;
    }
    Ok(Block::contiguous(DType::I64, &shape, buffer.freeze()))
}

fn binomial(n: u64, p: f64, draws: &mut Draws) -> i64 {
    Binomial::new(n, p).map_or(0, |law| law.sample(draws) as i64)
}

/// Source: Best and Fisher, Efficient simulation of the von Mises distribution, Applied Statistics 28 (1979).
fn von_mises(kappa: f64, draws: &mut Draws) -> f64 {
    use std::f64::consts::{PI, TAU};
    if kappa < 1e-8 {
        return PI * (2.0 * draws.unit() - 1.0);
    }
    if kappa > KAPPA_NORMAL {
        let normal: f64 = rand_distr::StandardNormal.sample(draws);
        let angle = normal / kappa.sqrt();
        return (angle + PI).rem_euclid(TAU) - PI;
    }
    let tau = 1.0 + (1.0 + 4.0 * kappa * kappa).sqrt();
    let rho = (tau - (2.0 * tau).sqrt()) / (2.0 * kappa);
    // Exact where the root of the expression would lose its digits.
    let r = if kappa < 1e-5 { 1.0 / kappa + kappa } else { (1.0 + rho * rho) / (2.0 * rho) };
    loop {
        let z = (PI * draws.unit()).cos();
        let f = (1.0 + r * z) / (r + z);
        let c = kappa * (r - f);
        let second = draws.unit();
        if c * (2.0 - c) - second > 0.0 || (c / second).ln() + 1.0 - c >= 0.0 {
            let angle = f.clamp(-1.0, 1.0).acos();
            return if draws.unit() < 0.5 { -angle } else { angle };
        }
    }
}

/// Source: Kemp, Efficient generation of logarithmically distributed pseudo-random variables, Applied Statistics 30 (1981).
fn log_series(p: f64, draws: &mut Draws) -> i64 {
    let r = (-p).ln_1p();
    loop {
        let first = draws.unit();
        if first >= p {
            return 1;
        }
        let q = -(r * draws.unit()).exp_m1();
        if first <= q * q {
            let number = (1.0 + first.ln() / q.ln()).floor();
            if number < 1.0 || first == 0.0 {
                continue;
            }
            return number as i64;
        }
        return if first >= q { 1 } else { 2 };
    }
}

/// The random words of one element, as many as are asked for.
struct Draws {
    counter: [u32; 4],
    key: [u32; 2],
    words: [u32; 4],
    n_used: usize,
}

impl Draws {
    fn new(seed: u64, stream: u64, position: u64) -> Self {
        let counter = [position as u32, (position >> 32) as u32, stream as u32, (stream >> 32) as u32];
        Self { counter, key: [seed as u32, (seed >> 32) as u32], words: [0; 4], n_used: 4 }
    }

    /// In `[0, 1)`.
    fn unit(&mut self) -> f64 {
        unit(self.long())
    }

    fn word(&mut self) -> u32 {
        if self.n_used == self.words.len() {
            // Streams are counted from 0: their upper halves tell the draws of an element apart.
            self.counter[3] = self.counter[3].wrapping_add(1);
            self.words = philox4x32(self.counter, self.key);
            self.n_used = 0;
        }
        self.n_used += 1;
        self.words[self.n_used - 1]
    }

    fn long(&mut self) -> u64 {
        u64::from(self.word()) | u64::from(self.word()) << 32
    }
}

impl rand_core::TryRng for Draws {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> std::result::Result<u32, Infallible> {
        Ok(self.word())
    }

    fn try_next_u64(&mut self) -> std::result::Result<u64, Infallible> {
        Ok(self.long())
    }

    fn try_fill_bytes(&mut self, to: &mut [u8]) -> std::result::Result<(), Infallible> {
        for bytes in to.chunks_mut(4) {
            bytes.copy_from_slice(&self.word().to_le_bytes()[..bytes.len()]);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Distribution as Drawn;

    fn numbers(law: Law, n: usize) -> Vec<f64> {
        let random = Random { distribution: Drawn::Law(law), seed: 12, stream: 3 };
        random.check().unwrap();
        if random.dtype() == DType::F64 {
            let mut out = vec![0.0; n];
            random.fill_f64(0, &mut out);
            return out;
        }
        let mut out = vec![0; n];
        random.fill_i64(0, &mut out);
        out.into_iter().map(|value| value as f64).collect()
    }

    /// Means and variances by the formulas of the laws, within five standard errors; the seed is fixed.
    #[test]
    fn laws_have_their_means_and_variances() {
        let n = 200_000;
        let hypergeometric = (20.0 * 0.3, 20.0 * 0.3 * 0.7 * (80.0 / 99.0));
        let log_mean = -0.6 / (0.4 * 0.4_f64.ln());
        let log_variance = -(0.36 + 0.6 * 0.4_f64.ln()) / (0.16 * 0.4_f64.ln().powi(2));
        let (zeta_3, zeta_4, zeta_5) = (1.202_056_903_2, 1.082_323_233_7, 1.036_927_755_1);
        let laws = [
            (Law::Gamma { shape: 0.5 }, 0.5, 0.5),
            (Law::Gamma { shape: 7.5 }, 7.5, 7.5),
            (Law::Poisson { mean: 3.5 }, 3.5, 3.5),
            (Law::Poisson { mean: 500.0 }, 500.0, 500.0),
            (Law::Binomial { n: 10, p: 0.3 }, 3.0, 2.1),
            (Law::Binomial { n: 1000, p: 0.4 }, 400.0, 240.0),
            (Law::Hypergeometric { good: 30, bad: 70, n: 20 }, hypergeometric.0, hypergeometric.1),
            (Law::Zipf { power: 5.0 }, zeta_4 / zeta_5, zeta_3 / zeta_5 - (zeta_4 / zeta_5) * (zeta_4 / zeta_5)),
            (Law::LogSeries { p: 0.6 }, log_mean, log_variance),
        ];
        for (law, mean, variance) in laws {
            let numbers = numbers(law, n);
            let own_mean = numbers.iter().sum::<f64>() / n as f64;
            let squares = numbers.iter().map(|x| (x - own_mean) * (x - own_mean));
            let own_variance = squares.clone().sum::<f64>() / n as f64;
            let fourth = squares.map(|square| square * square).sum::<f64>() / n as f64;
            assert!((own_mean - mean).abs() < 5.0 * (variance / n as f64).sqrt(), "{law:?}: {own_mean}, not {mean}");
            let error = ((fourth - variance * variance) / n as f64).sqrt();
            assert!((own_variance - variance).abs() < 5.0 * error, "{law:?}: {own_variance}, not {variance}");
        }
        // The mean cosine of von Mises' law is a quotient of Bessel functions: I1(2) / I0(2).
        for (kappa, cosine) in [(2.0, 0.697_774_658), (0.0, 0.0), (1e-6, 5e-7), (1e7, 1.0)] {
            let angles = numbers(Law::VonMises { kappa }, n);
            let mean = angles.iter().map(|angle| angle.cos()).sum::<f64>() / n as f64;
            assert!((mean - cosine).abs() < 5.0 * (0.5 / n as f64).sqrt(), "{kappa}: {mean}, not {cosine}");
            assert!((angles.iter().sum::<f64>() / n as f64).abs() < 0.02);
        }
    }

    #[test]
    fn parts_are_those_of_the_whole() {
        for law in [Law::Gamma { shape: 0.3 }, Law::Poisson { mean: 20.0 }, Law::VonMises { kappa: 1.0 }] {
            let random = Random { distribution: Drawn::Law(law), seed: 12, stream: 3 };
            let whole = numbers(law, 100);
            let part: Vec<f64> = match random.dtype() {
                DType::F64 => {
                    let mut out = vec![0.0; 30];
                    random.fill_f64(41, &mut out);
                    out
                }
                _ => {
                    let mut out = vec![0; 30];
                    random.fill_i64(41, &mut out);
                    out.into_iter().map(|value| value as f64).collect()
                }
            };
            assert_eq!(part, whole[41..71]);
        }
        let pool = Pool::new(0);
        let rows = multinomial(50, &[0.2, 0.3, 0.5], 1, 2, 0, 1000, &pool).unwrap().to_vec::<i64>().unwrap();
        assert!(rows.chunks(3).all(|row| row.iter().sum::<i64>() == 50 && row.iter().all(|n| *n >= 0)));
        let mean = |kind: usize| rows.chunks(3).map(|row| row[kind]).sum::<i64>() as f64 / 1000.0;
        assert!((mean(0) - 10.0).abs() < 0.5 && (mean(1) - 15.0).abs() < 0.5 && (mean(2) - 25.0).abs() < 0.6);
        let part = multinomial(50, &[0.2, 0.3, 0.5], 1, 2, 10, 5, &pool).unwrap().to_vec::<i64>().unwrap();
        assert_eq!(part, rows[30..45]);
    }

    #[test]
    fn parameters_that_make_no_sense_are_errors() {
        for law in [
            Law::Gamma { shape: -1.0 },
            Law::VonMises { kappa: f64::NAN },
            Law::Poisson { mean: 1e30 },
            Law::Binomial { n: 3, p: 1.5 },
            Law::Hypergeometric { good: 1, bad: 1, n: 3 },
            Law::Zipf { power: 1.0 },
            Law::LogSeries { p: 1.0 },
        ] {
            assert!(matches!(law.check(), Err(KernelError::Parameter { .. })), "{law:?}");
        }
        assert!(multinomial(1, &[0.9, 0.9, 0.1], 0, 0, 0, 1, &Pool::new(0)).is_err());
        assert_eq!(numbers(Law::Gamma { shape: 0.0 }, 2), [0.0, 0.0]);
        assert_eq!(numbers(Law::Poisson { mean: 0.0 }, 2), [0.0, 0.0]);
    }
}
