//! Random numbers that are a function of a stream and of the element's position.
//!
//! The generator is Philox4x32-10 of Random123: a counter goes through ten rounds of multiplication under a key. The key is
//! the seed; the upper half of the counter is the stream, the lower half follows from the position. So the numbers are the
//! same however an array is cut, and any part can be made without those before it.

mod family;
mod law;
mod parameter;

pub use family::Family;
pub use law::{Law, multinomial};
pub use parameter::ParameterRule;

use dolmen_simd::{PHILOX_KEY_STEPS, PHILOX_LANES, PHILOX_MULTIPLIERS, PHILOX_ROUNDS, philox4x32_words};
use multiversion::multiversion;
use serde::{Deserialize, Serialize};

use crate::lanes::math;
use crate::{DType, KernelError, Result};

/// Random numbers for the elements of an array.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Random {
    /// How the numbers are distributed.
    pub distribution: Distribution,
    /// Which numbers: the same seed and stream give the same ones.
    pub seed: u64,
    /// Tells arrays of one seed apart.
    pub stream: u64,
}

/// How random numbers are distributed. Other ranges, means and deviations come from arithmetic on these.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Distribution {
    /// Evenly over `[0, 1)` in steps of 2^-53: `float64`.
    Uniform,
    /// Normally with mean 0 and deviation 1: `float64`.
    Normal,
    /// Evenly over the integers from `low` up to, and without, `high`: `int64`.
    Integers {
        /// The least one.
        low: i64,
        /// One more than the greatest.
        high: i64,
    },
    /// By a law that may take several draws for a number.
    Law(Law),
}

impl Random {
    /// The dtype of the numbers.
    #[must_use]
    pub fn dtype(self) -> DType {
        match self.distribution {
            Distribution::Uniform | Distribution::Normal => DType::F64,
            Distribution::Integers { .. } => DType::I64,
            Distribution::Law(law) => law.dtype(),
        }
    }

    /// Whether there is a number to draw.
    ///
    /// # Errors
    /// [`KernelError::Parameter`] for a parameter that makes no sense.
    pub fn check(self) -> Result<()> {
        match self.distribution {
            Distribution::Uniform | Distribution::Normal => Ok(()),
            Distribution::Integers { low, high } if low < high => Ok(()),
            Distribution::Integers { .. } => {
                Err(KernelError::Parameter { op: "random.integers", parameter: "range", problem: "is empty" })
            }
            Distribution::Law(law) => law.check(),
        }
    }

    /// The numbers from position `start` on, for distributions of `float64`.
    pub(crate) fn fill_f64(self, start: u64, out: &mut [f64]) {
        if let Distribution::Law(law) = self.distribution {
            return law.fill_f64(self, start, out);
        }
        let normal = self.distribution == Distribution::Normal;
        fill_f64(self.seed, self.stream, start, out, normal);
    }

    /// The numbers from position `start` on, for distributions of `int64`.
    pub(crate) fn fill_i64(self, start: u64, out: &mut [i64]) {
        if let Distribution::Law(law) = self.distribution {
            return law.fill_i64(self, start, out);
        }
        let Distribution::Integers { low, high } = self.distribution else { return out.fill(0) };
        // Without overflow: the range of all int64 fits a u64, less one.
        let range = high.wrapping_sub(low) as u64;
        let key = [self.seed as u32, (self.seed >> 32) as u32];
        for (at, out) in out.iter_mut().enumerate() {
            let position = start + at as u64;
            let counter = [position as u32, (position >> 32) as u32, self.stream as u32, (self.stream >> 32) as u32];
            let [a, b, c, d] = philox4x32(counter, key).map(u64::from);
            // 128 random bits times the range: the numbers differ in likelihood by less than 2^-64.
            let low_part = (u128::from(a | b << 32) * u128::from(range)) >> 64;
            let product = u128::from(c | d << 32) * u128::from(range) + low_part;
            *out = low.wrapping_add((product >> 64) as i64);
        }
    }
}

/// Four random words from a counter and a key: Philox4x32-10.
///
/// Source: Salmon et al., Parallel random numbers: as easy as 1, 2, 3 (SC 2011).
#[must_use]
pub fn philox4x32(counter: [u32; 4], key: [u32; 2]) -> [u32; 4] {
    let words = rounds(counter.map(|word| [u64::from(word)]), key);
    words.map(|[word]| word as u32)
}

/// The ten rounds for `L` counters side by side. Words are in 64 bits, whose upper halves mean nothing.
#[inline(always)]
fn rounds<const L: usize>([mut a, mut b, mut c, mut d]: [[u64; L]; 4], mut key: [u32; 2]) -> [[u64; L]; 4] {
    for _ in 0..PHILOX_ROUNDS {
        for lane in 0..L {
            let first = (a[lane] & 0xffff_ffff) * u64::from(PHILOX_MULTIPLIERS[0]);
            let second = (c[lane] & 0xffff_ffff) * u64::from(PHILOX_MULTIPLIERS[1]);
            a[lane] = (second >> 32) ^ b[lane] ^ u64::from(key[0]);
            b[lane] = second;
            c[lane] = (first >> 32) ^ d[lane] ^ u64::from(key[1]);
            d[lane] = first;
        }
        key = [key[0].wrapping_add(PHILOX_KEY_STEPS[0]), key[1].wrapping_add(PHILOX_KEY_STEPS[1])];
    }
    [a, b, c, d]
}

/// Counters whose words are made before their numbers: what waits for words and roots of some is computed beside those of
/// others.
const BATCH: usize = 8 * PHILOX_LANES;

#[multiversion(targets("x86_64+avx512f+avx512dq+avx512vl+avx512bw+avx2+fma", "x86_64+avx2+fma"))]
fn fill_f64(seed: u64, stream: u64, start: u64, out: &mut [f64], normal: bool) {
    let key = [seed as u32, (seed >> 32) as u32];
    // Each counter makes two numbers.
    let mut pair = start / 2;
    let mut skip = (start % 2) as usize;
    let mut rest = out;
    let [mut low, mut high] = [[0; BATCH]; 2];
    let mut spare = [0.0; 2 * BATCH];
    while !rest.is_empty() {
        let n_pairs = (skip + rest.len()).div_ceil(2).min(BATCH).next_multiple_of(PHILOX_LANES);
        let (low, high) = (&mut low[..n_pairs], &mut high[..n_pairs]);
        words(pair, stream, key, low, high);
        let n = rest.len().min(2 * n_pairs - skip);
        let (now, later) = std::mem::take(&mut rest).split_at_mut(n);
        let is_whole = n == 2 * n_pairs;
        let numbers = if is_whole { &mut *now } else { &mut spare[..2 * n_pairs] };
        if normal {
            normals(low, high, numbers);
        } else {
            uniforms(low, high, numbers);
        }
        if !is_whole {
            now.copy_from_slice(&spare[skip..skip + n]);
        }
        rest = later;
        skip = 0;
        pair += n_pairs as u64;
    }
}

/// The words of the counters from `pair` on, as [`philox4x32_words`] has them.
#[inline(always)]
fn words(pair: u64, stream: u64, key: [u32; 2], low: &mut [u64], high: &mut [u64]) {
    if !philox4x32_words(pair, stream, key, low, high) {
        plain_words(pair, stream, key, low, high);
    }
}

/// The same on machines without AVX-512.
#[inline(always)]
fn plain_words(pair: u64, stream: u64, key: [u32; 2], low: &mut [u64], high: &mut [u64]) {
    let (low, high) = (low.as_chunks_mut::<PHILOX_LANES>().0, high.as_chunks_mut::<PHILOX_LANES>().0);
    for (at, (low, high)) in low.iter_mut().zip(high).enumerate() {
        let counters: [u64; PHILOX_LANES] =
            std::array::from_fn(|lane| pair.wrapping_add((at * PHILOX_LANES + lane) as u64));
        let upper = counters.map(|counter| counter >> 32);
        let streams = [[stream; PHILOX_LANES], [stream >> 32; PHILOX_LANES]];
        let [a, b, c, d] = rounds([counters, upper, streams[0], streams[1]], key);
        for lane in 0..PHILOX_LANES {
            low[lane] = (a[lane] & 0xffff_ffff) | b[lane] << 32;
            high[lane] = (c[lane] & 0xffff_ffff) | d[lane] << 32;
        }
    }
}

#[inline(always)]
fn uniforms(low: &[u64], high: &[u64], out: &mut [f64]) {
    for ((out, low), high) in out.as_chunks_mut().0.iter_mut().zip(low).zip(high) {
        *out = [unit(*low), unit(*high)];
    }
}

/// Normal numbers in pairs, by the transformation of Box and Muller: a radius from the one word, a direction from the other.
#[inline(always)]
fn normals(low: &[u64], high: &[u64], out: &mut [f64]) {
    let mut squares = [0.0; BATCH];
    for (square, low) in squares.iter_mut().zip(low) {
        // In (0, 1], so that the logarithm is finite.
        *square = math::minus_two_log(2.0 - from_one(*low));
    }
    for ((out, square), high) in out.as_chunks_mut().0.iter_mut().zip(&squares).zip(high) {
        let radius = square.sqrt();
        let (sin, cos) = math::sin_cos_near(from_one(*high) - 1.5);
        // Bits that `from_one` leaves: on which side of a line, and of which.
        let cos = f64::from_bits(cos.to_bits() ^ (high & 1 << 63));
        *out = if high & 1 << 62 == 0 { [radius * cos, radius * sin] } else { [radius * sin, radius * cos] };
    }
}

/// The lower 52 bits as a number in `[1, 2)`.
#[inline(always)]
fn from_one(bits: u64) -> f64 {
    f64::from_bits(bits & 0x000f_ffff_ffff_ffff | 0x3ff0_0000_0000_0000)
}

/// The upper 53 bits as a number in `[0, 1)`.
#[inline(always)]
fn unit(bits: u64) -> f64 {
    (bits >> 11) as f64 * (1.0 / 9_007_199_254_740_992.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answers_of_random123() {
        assert_eq!(philox4x32([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(philox4x32([u32::MAX; 4], [u32::MAX; 2]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
        let counter = [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344];
        let answer = [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1];
        assert_eq!(philox4x32(counter, [0xa409_3822, 0x299f_31d0]), answer);
    }

    fn numbers(distribution: Distribution, start: u64, n: usize) -> Vec<f64> {
        let random = Random { distribution, seed: 42, stream: 7 };
        match random.dtype() {
            DType::F64 => {
                let mut out = vec![0.0; n];
                random.fill_f64(start, &mut out);
                out
            }
            _ => {
                let mut out = vec![0; n];
                random.fill_i64(start, &mut out);
                out.into_iter().map(|value| value as f64).collect()
            }
        }
    }

    #[test]
    fn parts_are_those_of_the_whole() {
        for distribution in [Distribution::Uniform, Distribution::Normal, Distribution::Integers { low: -5, high: 90 }]
        {
            let whole = numbers(distribution, 0, 800);
            for start in [0, 1, 2, 15, 16, 17, 33] {
                for n in [0, 1, 2, 15, 16, 17, 31, 200, 256, 700] {
                    assert_eq!(numbers(distribution, start, n), whole[start as usize..start as usize + n]);
                }
            }
        }
        // Counters beyond 32 bits do not repeat.
        assert_ne!(numbers(Distribution::Uniform, 1 << 33, 8), numbers(Distribution::Uniform, 0, 8));
    }

    #[test]
    fn lanes_are_the_scalar_generator() {
        let random =
            Random { distribution: Distribution::Uniform, seed: 0x0123_4567_89ab_cdef, stream: 0xfedc_ba98_7654_3210 };
        let start = (1 << 33) - 6;
        let mut out = [0.0; 40];
        random.fill_f64(start, &mut out);
        for (at, value) in out.iter().enumerate() {
            let position = start + at as u64;
            let counter = [(position / 2) as u32, ((position / 2) >> 32) as u32, 0x7654_3210, 0xfedc_ba98];
            let words = philox4x32(counter, [0x89ab_cdef, 0x0123_4567]).map(u64::from);
            let bits = if position.is_multiple_of(2) { words[0] | words[1] << 32 } else { words[2] | words[3] << 32 };
            assert_eq!(*value, (bits >> 11) as f64 / (1_u64 << 53) as f64);
        }
    }

    #[test]
    fn machines_without_avx512_have_the_same_words() {
        let (first, stream, key) = ((1 << 33) - 5, 0xfedc_ba98_7654_3210, [0x89ab_cdef, 0x0123_4567]);
        let [mut own, mut plain] = [[[0; 2 * PHILOX_LANES]; 2]; 2];
        let [low, high] = &mut own;
        words(first, stream, key, low, high);
        let [low, high] = &mut plain;
        plain_words(first, stream, key, low, high);
        assert_eq!(own, plain);
    }

    /// The largest distance of the sample's distribution from `cdf`: Kolmogorov and Smirnov's.
    fn distance(mut sample: Vec<f64>, cdf: impl Fn(f64) -> f64) -> f64 {
        sample.sort_unstable_by(f64::total_cmp);
        let n = sample.len() as f64;
        let step = |(i, x): (usize, &f64)| (cdf(*x) - i as f64 / n).abs().max((cdf(*x) - (i + 1) as f64 / n).abs());
        sample.iter().enumerate().map(step).fold(0.0, f64::max)
    }

    #[test]
    fn distributions_are_what_they_say() {
        let n = 1_000_000;
        // A distance above 1.95 / sqrt(n) happens once in a thousand samples; the seed is fixed.
        let bound = 1.95 / (n as f64).sqrt();
        let uniform = numbers(Distribution::Uniform, 0, n);
        assert!(uniform.iter().all(|x| (0.0..1.0).contains(x)));
        assert!(distance(uniform, |x| x) < bound);
        let normal = numbers(Distribution::Normal, 0, n);
        let moment = |k: i32| normal.iter().map(|x| x.powi(k)).sum::<f64>() / n as f64;
        // Bounds of four standard errors.
        let error = |variance: f64| 4.0 * (variance / n as f64).sqrt();
        assert!(moment(1).abs() < error(1.0) && (moment(2) - 1.0).abs() < error(2.0));
        assert!(moment(3).abs() < error(15.0) && (moment(4) - 3.0).abs() < error(96.0));
        let neighbours = normal.windows(2).map(|pair| pair[0] * pair[1]).sum::<f64>() / n as f64;
        assert!(neighbours.abs() < error(1.0));
        assert!(distance(normal, |x| 0.5 * libm::erfc(-x / std::f64::consts::SQRT_2)) < bound);
        let integers = numbers(Distribution::Integers { low: -3, high: 7 }, 0, n);
        let expected = n as f64 / 10.0;
        let chi_square: f64 = (-3..7)
            .map(|value| integers.iter().filter(|x| **x == f64::from(value)).count() as f64 - expected)
            .map(|difference| difference * difference / expected)
            .sum();
        assert!(chi_square < 27.9, "nine degrees of freedom: above once in a thousand");
        let extremes = numbers(Distribution::Integers { low: i64::MIN, high: i64::MAX }, 0, 1000);
        assert!(extremes.iter().any(|x| *x < -4e18) && extremes.iter().any(|x| *x > 4e18));
    }
}
