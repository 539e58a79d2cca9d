//! Quantiles: of rows that are there as a whole, and of blocks by counting keys digit by digit.

use serde::{Deserialize, Serialize};

use crate::order::{Key, Ordered, back, elements, rows, with_ordered};
use crate::{Block, DType, KernelError, Kind, Pool, Result};

/// How a quantile follows from the elements next to it: NumPy's methods, after Hyndman and Fan.
///
/// Source: Hyndman and Fan, Sample quantiles in statistical packages, The American Statistician 50 (1996).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum QuantileMethod {
    /// The first element with so many at or below it.
    InvertedCdf,
    /// As the first, and the mean of two where they are equally good.
    AveragedInvertedCdf,
    /// The element whose rank is nearest, of two the even one.
    ClosestObservation,
    /// Between the steps of the first.
    InterpolatedInvertedCdf,
    /// Between the middles of the steps.
    Hazen,
    /// Ranks as expectations.
    Weibull,
    /// From the first to the last element; NumPy's default.
    Linear,
    /// About unbiased in the median.
    MedianUnbiased,
    /// About unbiased for normal numbers.
    NormalUnbiased,
    /// The lower neighbour of [`Linear`](Self::Linear).
    Lower,
    /// The upper neighbour.
    Higher,
    /// The mean of both.
    Midpoint,
    /// The nearer one.
    Nearest,
    /// The mean of the two elements in the middle, as `numpy.median` rounds it.
    Median,
    /// As [`Linear`](Self::Linear) of a sketch that is made in one pass, see [`digests`](crate::digests): approximate. Where
    /// the elements are there as a whole it is `Linear`.
    TDigest,
}

impl QuantileMethod {
    /// All that have a name: NumPy's, and Dask's `tdigest`.
    pub const NAMED: [(&'static str, Self); 14] = [
        ("inverted_cdf", Self::InvertedCdf),
        ("averaged_inverted_cdf", Self::AveragedInvertedCdf),
        ("closest_observation", Self::ClosestObservation),
        ("interpolated_inverted_cdf", Self::InterpolatedInvertedCdf),
        ("hazen", Self::Hazen),
        ("weibull", Self::Weibull),
        ("linear", Self::Linear),
        ("median_unbiased", Self::MedianUnbiased),
        ("normal_unbiased", Self::NormalUnbiased),
        ("lower", Self::Lower),
        ("higher", Self::Higher),
        ("midpoint", Self::Midpoint),
        ("nearest", Self::Nearest),
        ("tdigest", Self::TDigest),
    ];

    /// Whether the result is one of the elements, of their dtype.
    #[must_use]
    pub fn is_discrete(self) -> bool {
        matches!(self, Self::InvertedCdf | Self::ClosestObservation | Self::Lower | Self::Higher | Self::Nearest)
    }

    /// The dtype of quantiles of elements of `dtype` before they are cast to what is asked for.
    #[must_use]
    pub fn dtype(self, dtype: DType) -> DType {
        if self.is_discrete() { dtype } else { DType::F64 }
    }

    /// The ranks of the two elements around the quantile `q` of `n > 0`, and how far it is from the first to the second.
    fn place(self, n: u64, q: f64) -> (u64, u64, f64) {
        let count = n as f64;
        let linear = (count - 1.0) * q;
        let between = |alpha: f64, beta: f64| count * q + (alpha + q * (1.0 - alpha - beta)) - 1.0;
        // The first of two ranks if it fits well enough, else the second.
        let one_of = |rank: f64, is_first: fn(f64, f64) -> bool| {
            let first = rank.floor();
            if is_first(rank - first, first) { first } else { first + 1.0 }
        };
        let at = match self {
            Self::InvertedCdf => one_of(count * q - 1.0, |rest, _| rest == 0.0),
            Self::ClosestObservation => one_of(count * q - 1.5, |rest, first| rest == 0.0 && first % 2.0 == 1.0),
            Self::AveragedInvertedCdf => count * q - 1.0,
            Self::InterpolatedInvertedCdf => between(0.0, 1.0),
            Self::Hazen => between(0.5, 0.5),
            Self::Weibull => between(0.0, 0.0),
            Self::MedianUnbiased => between(1.0 / 3.0, 1.0 / 3.0),
            Self::NormalUnbiased => between(0.375, 0.375),
            Self::Lower => linear.floor(),
            Self::Higher => linear.ceil(),
            Self::Nearest => linear.round_ties_even(),
            Self::Midpoint => 0.5 * (linear.floor() + linear.ceil()),
            Self::Linear | Self::Median | Self::TDigest => linear,
        };
        let last = n - 1;
        if at < 0.0 {
            return (0, 0, 0.0);
        }
        if at >= count - 1.0 {
            return (last, last, 0.0);
        }
        let (first, rest) = (at as u64, at.fract());
        let share = match self {
            Self::AveragedInvertedCdf => {
                if rest == 0.0 {
                    0.5
                } else {
                    1.0
                }
            }
            Self::Midpoint => {
                if rest == 0.0 {
                    0.0
                } else {
                    0.5
                }
            }
            _ => rest,
        };
        (first, first + 1, share)
    }

    /// The quantile between two elements.
    pub(crate) fn between(self, low: f64, high: f64, share: f64) -> f64 {
        // What is equal has nothing between it, infinity included; NumPy's difference would be NaN.
        if low == high || share == 0.0 {
            return low;
        }
        let distance = high - low;
        match self {
            Self::Median if share > 0.0 => 0.5 * low + 0.5 * high,
            _ if share >= 0.5 => high - distance * (1.0 - share),
            _ => low + distance * share,
        }
    }
}

/// Which quantiles are asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Quantiles {
    /// Shares from 0 to 1.
    pub shares: Vec<f64>,
    /// What lies between two elements.
    pub method: QuantileMethod,
    /// Whether NaN is left out; else a quantile of elements with NaN is NaN.
    pub skip_nan: bool,
}

impl Quantiles {
    fn check(&self, dtype: DType) -> Result<()> {
        let op = "quantile";
        if !self.shares.iter().all(|share| (0.0..=1.0).contains(share)) {
            return Err(KernelError::Parameter { op, parameter: "q", problem: "must be between 0 and 1" });
        }
        let unsupported = |remedy| Err(KernelError::UnsupportedDType { op, dtypes: vec![dtype], remedy });
        match dtype.kind() {
            Kind::Complex => unsupported("; complex numbers have no order, take their absolute or real part"),
            _ if dtype.is_time() && !self.method.is_discrete() => {
                unsupported("; take a method that picks an element, such as 'lower', or cast it with astype")
            }
            _ => Ok(()),
        }
    }

    /// The ranks that are needed of `n` elements, each once and in order.
    fn ranks(&self, n: u64) -> Vec<u64> {
        let mut ranks: Vec<u64> = self
            .shares
            .iter()
            .flat_map(|share| {
                let (low, high, _) = self.method.place(n, *share);
                [low, high]
            })
            .collect();
        ranks.sort_unstable();
        ranks.dedup();
        ranks
    }

    /// The quantiles of `n` elements, `of` which gives those at ranks.
    fn write<T: Ordered>(&self, n: u64, is_nan: bool, of: impl Fn(u64) -> T, out: &mut Out<'_, T>) {
        for (idx, share) in self.shares.iter().enumerate() {
            if n == 0 || is_nan {
                out.missing(idx);
                continue;
            }
            let (low, high, share) = self.method.place(n, *share);
            match out {
                Out::Elements(out) => out[idx] = of(low),
                Out::Floats(out) => {
                    let float = |rank| crate::element::cast::<T, f64>(of(rank));
                    out[idx] = self.method.between(float(low), float(high), share);
                }
            }
        }
    }
}

/// Where quantiles go.
enum Out<'a, T> {
    Elements(&'a mut [T]),
    Floats(&'a mut [f64]),
}

impl<T: Ordered> Out<'_, T> {
    fn missing(&mut self, idx: usize) {
        match self {
            // The greatest key is that of NaN and NaT; of integers there is always a rank.
            Self::Elements(out) => out[idx] = T::missing(),
            Self::Floats(out) => out[idx] = f64::NAN,
        }
    }
}

/// Quantiles of the elements along `axis`, which is as long afterwards as there are shares.
///
/// # Errors
/// [`KernelError::Parameter`] for shares outside of 0 to 1; [`KernelError::UnsupportedDType`] for complex numbers, and for
/// times unless the method picks an element; [`KernelError::EmptyReduction`] of nothing; [`KernelError::Axis`],
/// [`KernelError::OutOfMemory`].
pub fn quantiles(block: &Block, axis: usize, quantiles: &Quantiles, pool: &Pool) -> Result<Block> {
    block.check_axis("quantile", axis)?;
    quantiles.check(block.dtype())?;
    if block.shape()[axis] == 0 {
        return Err(KernelError::EmptyReduction { op: "quantile", shape: block.shape().into() });
    }
    with_ordered!(block.dtype(), T => of_rows::<T>(block, axis, quantiles, pool))
}

fn of_rows<T: Ordered>(block: &Block, axis: usize, quantiles: &Quantiles, pool: &Pool) -> Result<Block> {
    let rows = rows(block, axis, pool)?;
    let (len, n_shares) = (block.shape()[axis], quantiles.shares.len());
    let n_rows: usize = rows.shape()[..rows.ndim() - 1].iter().product();
    let mut shape: crate::Shape = rows.shape().into();
    *shape.last_mut().unwrap_or(&mut 0) = n_shares;
    let dtype = quantiles.method.dtype(block.dtype());
    let mut buffer = pool.buffer(n_rows * n_shares * dtype.size_bytes())?;
    let mut keys: Vec<T::Key> = Vec::with_capacity(len);
    for (idx, row) in elements::<T>(&rows).chunks_exact(len).enumerate() {
        keys.clear();
        keys.extend(row.iter().filter(|value| !value.is_missing()).map(|value| value.key()));
        let n = keys.len() as u64;
        // Each rank splits what is above the one before.
        let mut start = 0;
        for rank in if n == 0 { Vec::new() } else { quantiles.ranks(n) } {
            let rank = rank as usize;
            keys[start..].select_nth_unstable(rank - start);
            start = rank + 1;
            if start == keys.len() {
                break;
            }
        }
        let is_nan = !quantiles.skip_nan && keys.len() < len;
        let place = idx * n_shares..(idx + 1) * n_shares;
        let mut out = match quantiles.method.is_discrete() {
            true => Out::Elements(&mut buffer.as_mut_slice::<T>()[place]),
            false => Out::Floats(&mut buffer.as_mut_slice::<f64>()[place]),
        };
        quantiles.write(n, is_nan, |rank| T::from_key(keys[rank as usize]), &mut out);
    }
    back(&Block::contiguous(dtype, &shape, buffer.freeze()), axis)
}

/// The bits of a key that one pass over the elements counts.
const DIGIT_BITS: u32 = 16;
const N_DIGITS: usize = 1 << DIGIT_BITS;

/// The passes over the elements of `dtype` that find ranks.
#[must_use]
pub fn rank_passes(dtype: DType) -> u32 {
    (8 * dtype.size_bytes() as u32).div_ceil(DIGIT_BITS)
}

/// The numbers in a row of counts for `n_targets` ranks: how many elements have each digit behind what is known of the key at
/// each rank, and behind them how many are NaN.
#[must_use]
pub fn rank_counts_len(n_targets: usize) -> usize {
    n_targets * N_DIGITS + 1
}

/// The most ranks that quantiles need.
#[must_use]
pub fn rank_targets(quantiles: &Quantiles) -> usize {
    2 * quantiles.shares.len()
}

/// What is known after some passes: the number of elements, whether any is NaN, and for each rank the highest bits of its key
/// and how many elements with them are below.
fn state_block(n: u64, n_nan: u64, targets: &[(u64, u64)]) -> Result<Block> {
    let words: Vec<u64> = [n, n_nan].into_iter().chain(targets.iter().flat_map(|(key, rank)| [*key, *rank])).collect();
    Block::from_vec(&[words.len()], words)
}

/// What a state block says.
struct State {
    n: u64,
    n_nan: u64,
    targets: Vec<(u64, u64)>,
}

impl State {
    fn of(block: &Block) -> Result<Self> {
        let words = block.to_vec::<u64>()?;
        let [n, n_nan, ref targets @ ..] = words[..] else {
            return Err(KernelError::MalformedBlock { problem: "no state of ranks" });
        };
        Ok(Self { n, n_nan, targets: targets.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect() })
    }
}

/// The bits above those that pass `pass` counts.
fn prefix_mask(pass: u32) -> u64 {
    match pass * DIGIT_BITS {
        0 => 0,
        bits => u64::MAX << (64 - bits),
    }
}

/// How many elements of a block have each digit of pass `pass`, see [`rank_counts_len`]; `state` is what the passes before
/// found, none before the first. Counts of blocks add up.
///
/// # Errors
/// [`KernelError::MalformedBlock`], [`KernelError::OutOfMemory`].
pub fn rank_counts(block: &Block, state: Option<&Block>, pass: u32, pool: &Pool) -> Result<Block> {
    with_ordered!(block.dtype(), T => count::<T>(block, state, pass, pool))
}

fn count<T: Ordered>(block: &Block, state: Option<&Block>, pass: u32, pool: &Pool) -> Result<Block> {
    let rows = block.to_contiguous(pool)?;
    // The keys that start like that of some rank, each once: those ranks share their counts.
    let (mut prefixes, n_targets) = match state.map(State::of).transpose()? {
        None => (vec![0], 1),
        Some(state) => (state.targets.iter().map(|(key, _)| *key).collect::<Vec<_>>(), state.targets.len()),
    };
    prefixes.sort_unstable();
    prefixes.dedup();
    let mut counts = vec![0_i64; rank_counts_len(n_targets)];
    let (mask, shift) = (prefix_mask(pass), 64 - DIGIT_BITS * (pass + 1));
    let digit = |key: u64| (key >> shift) as usize & (N_DIGITS - 1);
    match &prefixes[..] {
        [prefix] => {
            for value in elements::<T>(&rows) {
                let key = value.key().high();
                if value.is_missing() {
                    counts[n_targets * N_DIGITS] += 1;
                } else if key & mask == *prefix {
                    counts[digit(key)] += 1;
                }
            }
        }
        _ => {
            for value in elements::<T>(&rows).iter().filter(|value| !value.is_missing()) {
                let key = value.key().high();
                if let Ok(place) = prefixes.binary_search(&(key & mask)) {
                    counts[place * N_DIGITS + digit(key)] += 1;
                }
            }
        }
    }
    Block::from_vec(&[counts.len()], counts)
}

/// What is known after pass `pass`, whose counts over all blocks are `counts`.
///
/// # Errors
/// [`KernelError::MalformedBlock`] unless the blocks are those of a pass.
pub fn rank_step(counts: &Block, state: Option<&Block>, quantiles: &Quantiles, pass: u32) -> Result<Block> {
    let counts = counts.to_vec::<i64>()?;
    let malformed = KernelError::MalformedBlock { problem: "no counts of digits" };
    let Some((n_nan, of_digits)) = counts.split_last() else { return Err(malformed) };
    let state = match state {
        Some(state) => State::of(state)?,
        None => {
            let n = of_digits.iter().sum::<i64>() as u64;
            let place = |share: &f64| {
                let (low, high, _) = if n == 0 { (0, 0, 0.0) } else { quantiles.method.place(n, *share) };
                [(0, low), (0, high)]
            };
            State { n, n_nan: *n_nan as u64, targets: quantiles.shares.iter().flat_map(place).collect() }
        }
    };
    let mut prefixes: Vec<u64> = state.targets.iter().map(|(key, _)| *key).collect();
    prefixes.sort_unstable();
    prefixes.dedup();
    let shift = 64 - DIGIT_BITS * (pass + 1);
    let narrowed = state.targets.iter().map(|(key, rank)| {
        let place = prefixes.partition_point(|prefix| prefix < key);
        let digits = of_digits.get(place * N_DIGITS..(place + 1) * N_DIGITS).unwrap_or_default();
        let mut rest = *rank;
        for (digit, count) in (0_u64..).zip(digits) {
            if rest < *count as u64 {
                return (key | digit << shift, rest);
            }
            rest -= *count as u64;
        }
        // Only of no elements.
        (*key, 0)
    });
    state_block(state.n, state.n_nan, &narrowed.collect::<Vec<_>>())
}

/// The quantiles of elements of `dtype` after the last pass, along one axis.
///
/// # Errors
/// Those of [`quantiles`]; [`KernelError::MalformedBlock`] unless the block is a state.
pub fn rank_finish(state: &Block, dtype: DType, quantiles: &Quantiles) -> Result<Block> {
    quantiles.check(dtype)?;
    let state = State::of(state)?;
    if state.n + state.n_nan == 0 {
        return Err(KernelError::EmptyReduction { op: "quantile", shape: [0][..].into() });
    }
    with_ordered!(dtype, T => finish::<T>(&state, dtype, quantiles))
}

fn finish<T: Ordered>(state: &State, dtype: DType, quantiles: &Quantiles) -> Result<Block> {
    let n_shares = quantiles.shares.len();
    let is_nan = !quantiles.skip_nan && state.n_nan > 0;
    let result = quantiles.method.dtype(dtype);
    let mut buffer = Pool::new(0).buffer(n_shares * result.size_bytes())?;
    // Which element has a rank, by the order in which ranks were put into the state.
    let mut keys: Vec<(u64, T)> = Vec::new();
    for (share, pair) in quantiles.shares.iter().zip(state.targets.chunks_exact(2)) {
        if state.n > 0 {
            let (low, high, _) = quantiles.method.place(state.n, *share);
            let element = |key| T::from_key(T::Key::from_high(key));
            keys.extend([(low, element(pair[0].0)), (high, element(pair[1].0))]);
        }
    }
    let of = |rank| keys.iter().find(|(other, _)| *other == rank).map_or_else(T::default, |(_, element)| *element);
    let mut out = match quantiles.method.is_discrete() {
        true => Out::Elements(&mut buffer.as_mut_slice::<T>()[..n_shares]),
        false => Out::Floats(&mut buffer.as_mut_slice::<f64>()[..n_shares]),
    };
    quantiles.write(state.n, is_nan, of, &mut out);
    Ok(Block::contiguous(result, &[n_shares], buffer.freeze()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all_methods() -> impl Iterator<Item = QuantileMethod> {
        QuantileMethod::NAMED.into_iter().map(|(_, method)| method).chain([QuantileMethod::Median])
    }

    /// By passes over some blocks.
    fn by_passes(blocks: &[Block], quantiles: &Quantiles) -> Block {
        let (dtype, pool) = (blocks[0].dtype(), Pool::new(0));
        let mut state: Option<Block> = None;
        for pass in 0..rank_passes(dtype) {
            let rows = blocks.iter().map(|block| rank_counts(block, state.as_ref(), pass, &pool).unwrap());
            let rows: Vec<Vec<i64>> = rows.map(|row| row.to_vec().unwrap()).collect();
            let sums: Vec<i64> = (0..rows[0].len()).map(|at| rows.iter().map(|row| row[at]).sum()).collect();
            let counts = Block::from_vec(&[sums.len()], sums).unwrap();
            state = Some(rank_step(&counts, state.as_ref(), quantiles, pass).unwrap());
        }
        rank_finish(&state.unwrap(), dtype, quantiles).unwrap()
    }

    #[test]
    fn answers_of_numpy() {
        // numpy.quantile([15, 20, 35, 40, 50], [0.05, 0.3, 0.4, 0.5, 1], method=...); tdigest is as linear of so few.
        let expected: [[f64; 5]; 15] = [
            [15.0, 20.0, 20.0, 35.0, 50.0],
            [15.0, 20.0, 27.5, 35.0, 50.0],
            [15.0, 20.0, 20.0, 20.0, 50.0],
            [15.0, 17.5, 20.0, 27.5, 50.0],
            [15.0, 20.0, 27.5, 35.0, 50.0],
            [15.0, 19.0, 26.0, 35.0, 50.0],
            [16.0, 23.0, 29.0, 35.0, 50.0],
            [15.0, 19.0 + 2.0 / 3.0, 27.0, 35.0, 50.0],
            [15.0, 19.75, 27.125, 35.0, 50.0],
            [15.0, 20.0, 20.0, 35.0, 50.0],
            [20.0, 35.0, 35.0, 35.0, 50.0],
            [17.5, 27.5, 27.5, 35.0, 50.0],
            [15.0, 20.0, 35.0, 35.0, 50.0],
            [16.0, 23.0, 29.0, 35.0, 50.0],
            [17.5, 27.5, 27.5, 35.0, 50.0],
        ];
        let pool = Pool::new(0);
        let block = Block::from_vec(&[5, 1], vec![40.0, 15.0, 50.0, 35.0, 20.0]).unwrap();
        for (method, expected) in all_methods().zip(expected) {
            let wanted = Quantiles { shares: vec![0.05, 0.3, 0.4, 0.5, 1.0], method, skip_nan: false };
            let got = quantiles(&block, 0, &wanted, &pool).unwrap();
            assert_eq!(got.shape(), [5, 1]);
            let got = got.to_vec::<f64>().unwrap();
            let close = got.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-12);
            assert!(close, "{method:?}: {got:?}, not {expected:?}");
        }
    }

    #[test]
    fn nan_counts_unless_it_is_left_out() {
        let pool = Pool::new(0);
        let block = Block::from_vec(&[3], vec![2.0_f32, f32::NAN, 4.0]).unwrap();
        let wanted = |skip_nan| Quantiles { shares: vec![0.5], method: QuantileMethod::Lower, skip_nan };
        let both = |wanted: &Quantiles| {
            [quantiles(&block, 0, wanted, &pool).unwrap(), by_passes(std::slice::from_ref(&block), wanted)]
                .map(|of| of.to_vec::<f32>().unwrap()[0])
        };
        assert!(both(&wanted(false)).iter().all(|value| value.is_nan()));
        assert_eq!(both(&wanted(true)), [2.0, 2.0]);
        let bad = Quantiles { shares: vec![1.5], ..wanted(true) };
        assert!(matches!(quantiles(&block, 0, &bad, &pool), Err(KernelError::Parameter { .. })));
        let empty = block.region(&[0], &[0]).unwrap();
        assert!(matches!(quantiles(&empty, 0, &wanted(true), &pool), Err(KernelError::EmptyReduction { .. })));
    }

    proptest! {
        /// Counting digits finds what sorting finds.
        #[test]
        fn passes_find_the_elements_of_rows(
            values in prop::collection::vec(prop_oneof![-1e3_f64..1e3, Just(0.5), Just(f64::NAN), Just(f64::INFINITY)], 1..60),
            shares in prop::collection::vec(0.0_f64..=1.0, 1..5),
            cut in 0_usize..60,
            skip_nan in any::<bool>(),
        ) {
            let pool = Pool::new(0);
            let cut = cut.min(values.len());
            for method in all_methods() {
                let wanted = Quantiles { shares: shares.clone(), method, skip_nan };
                let whole = Block::from_vec(&[values.len()], values.clone()).unwrap();
                let parts = [&values[..cut], &values[cut..]].map(|part| Block::from_vec(&[part.len()], part.to_vec()).unwrap());
                let a = quantiles(&whole, 0, &wanted, &pool).unwrap().to_vec::<f64>().unwrap();
                let b = by_passes(&parts, &wanted).to_vec::<f64>().unwrap();
                prop_assert!(a.iter().zip(&b).all(|(a, b)| a == b || a.is_nan() && b.is_nan()), "{a:?} {b:?}");
            }
        }
    }
}
