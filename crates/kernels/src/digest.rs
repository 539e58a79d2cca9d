//! Quantiles from a sketch that blocks make once, and that merge: the merging t-digest.
//!
//! A digest has centroids, the mean and number of elements that are neighbours in rank; fewer of them towards both ends, by
//! the scale `k(q) = C / 2pi * asin(2q - 1)`, over which no centroid is wider than 1. What is infinite or NaN is counted
//! beside them.
//!
//! Source: Dunning, The t-digest: efficient estimates of distributions, Software Impacts 7 (2021).

use std::f64::consts::PI;

use crate::block::n_elements;
use crate::order::Ordered;
use crate::{Block, DType, KernelError, Pool, QuantileMethod, Quantiles, Result, Shape};

/// The `C` of the scale: no centroid has more than `pi / C` of the elements.
const COMPRESSION: usize = 2000;
/// Two neighbours are wider than 1 together, and the scale is `C / 2` long.
const CENTROIDS_MAX: usize = COMPRESSION + 1;
/// The numbers of NaN, and of infinite ones of both signs; the least and the greatest of the others.
const HEAD_LEN: usize = 5;

/// The length of a digest as a row of `float64`.
pub const DIGEST_LEN: usize = HEAD_LEN + 2 * CENTROIDS_MAX;

/// The digests of a block of `float64` over `axes`, which are of length 1 afterwards, along a last axis of [`DIGEST_LEN`].
///
/// # Errors
/// [`KernelError::WrongDType`], [`KernelError::Axis`], [`KernelError::OutOfMemory`].
pub fn digests(block: &Block, axes: &[usize], pool: &Pool) -> Result<Block> {
    if block.dtype() != DType::F64 {
        return Err(KernelError::WrongDType { expected: DType::F64, actual: block.dtype() });
    }
    axes.iter().try_for_each(|axis| block.check_axis("digest", *axis))?;
    let kept = (0..block.ndim()).filter(|axis| !axes.contains(axis));
    let order: Shape = kept.chain(axes.iter().copied()).collect();
    let rows = block.transpose(&order)?.to_contiguous(pool)?;
    let mut shape: Shape = block.shape().into();
    axes.iter().for_each(|axis| shape[*axis] = 1);
    let row_len = n_elements(&axes.iter().map(|axis| block.shape()[*axis]).collect::<Shape>())?;
    let values = rows.lanes::<f64>().unwrap_or_default();
    // One buffer for the keys of each row in turn.
    let mut keys = pool.buffer(row_len * 8)?;
    rows_of(&shape, pool, |at, out| {
        let values = &values[at * row_len..(at + 1) * row_len];
        digest(values, &mut keys.as_mut_slice::<u64>()[..row_len]).write(out);
    })
}

/// The digests of several blocks made one, row by row.
///
/// # Errors
/// [`KernelError::MalformedBlock`] unless all have rows of digests, and one shape; [`KernelError::OutOfMemory`].
pub fn merge_digests(parts: &[Block], pool: &Pool) -> Result<Block> {
    let malformed = KernelError::MalformedBlock { problem: "no digests" };
    let shape = parts.first().map(Block::shape).unwrap_or_default();
    if shape.last() != Some(&DIGEST_LEN) || parts.iter().any(|part| part.shape() != shape) {
        return Err(malformed);
    }
    let parts: Vec<Block> = parts.iter().map(|part| part.to_contiguous(pool)).collect::<Result<_>>()?;
    rows_of(&shape[..shape.len() - 1], pool, |at, out| {
        let rows = parts.iter().filter_map(|part| part.lanes::<f64>());
        let digests = rows.map(|rows| Digest::read(&rows[at * DIGEST_LEN..(at + 1) * DIGEST_LEN]));
        merged(digests).write(out);
    })
}

/// The quantiles of digests: along the last axis, which has a share each afterwards. Of `quantiles` the shares matter, and
/// whether NaN is left out.
///
/// # Errors
/// [`KernelError::MalformedBlock`] unless these are digests, [`KernelError::EmptyReduction`] of nothing;
/// [`KernelError::OutOfMemory`].
pub fn digest_quantiles(block: &Block, quantiles: &Quantiles, pool: &Pool) -> Result<Block> {
    let Some((&DIGEST_LEN, kept)) = block.shape().split_last() else {
        return Err(KernelError::MalformedBlock { problem: "no digests" });
    };
    let (rows, n_shares) = (block.to_contiguous(pool)?, quantiles.shares.len());
    let shape: Shape = kept.iter().copied().chain([n_shares]).collect();
    let n_rows = n_elements(kept)?;
    let mut buffer = pool.buffer(n_rows * n_shares * 8)?;
    let mut out = buffer.as_mut_slice::<f64>()[..n_rows * n_shares].iter_mut();
    for row in rows.lanes::<f64>().unwrap_or_default().chunks_exact(DIGEST_LEN) {
        let digest = Digest::read(row);
        if digest.n() + digest.n_nan == 0.0 {
            return Err(KernelError::EmptyReduction { op: "quantile", shape: [0][..].into() });
        }
        let is_nan = digest.n() == 0.0 || !quantiles.skip_nan && digest.n_nan > 0.0;
        for (share, out) in quantiles.shares.iter().zip(&mut out) {
            *out = if is_nan { f64::NAN } else { digest.quantile(*share) };
        }
    }
    Ok(Block::contiguous(DType::F64, &shape, buffer.freeze()))
}

/// A block of rows of digests, which `write` fills, behind axes of `shape`.
fn rows_of(shape: &[usize], pool: &Pool, mut write: impl FnMut(usize, &mut [f64])) -> Result<Block> {
    let n = n_elements(shape)?;
    let shape: Shape = shape.iter().copied().chain([DIGEST_LEN]).collect();
    let mut buffer = pool.buffer(n_elements(&shape)? * 8)?;
    let rows = buffer.as_mut_slice::<f64>().chunks_exact_mut(DIGEST_LEN);
    rows.take(n).enumerate().for_each(|(at, row)| write(at, row));
    Ok(Block::contiguous(DType::F64, &shape, buffer.freeze()))
}

/// Neighbours in rank.
#[derive(Debug, Clone, Copy)]
struct Centroid {
    mean: f64,
    /// How many there are: an integer.
    n: f64,
}

#[derive(Debug, Clone)]
struct Digest {
    n_nan: f64,
    n_below: f64,
    n_above: f64,
    least: f64,
    greatest: f64,
    centroids: Vec<Centroid>,
}

impl Digest {
    fn read(row: &[f64]) -> Self {
        let pairs = row[HEAD_LEN..].chunks_exact(2).map(|pair| Centroid { mean: pair[0], n: pair[1] });
        let centroids = pairs.take_while(|centroid| centroid.n > 0.0).collect();
        let [n_nan, n_below, n_above, least, greatest] = std::array::from_fn(|at| row[at]);
        Self { n_nan, n_below, n_above, least, greatest, centroids }
    }

    fn write(&self, row: &mut [f64]) {
        row.fill(0.0);
        row[..HEAD_LEN].copy_from_slice(&[self.n_nan, self.n_below, self.n_above, self.least, self.greatest]);
        for (pair, centroid) in row[HEAD_LEN..].chunks_exact_mut(2).zip(&self.centroids) {
            pair.copy_from_slice(&[centroid.mean, centroid.n]);
        }
    }

    fn n_finite(&self) -> f64 {
        self.centroids.iter().map(|centroid| centroid.n).sum()
    }

    /// The elements that are not NaN.
    fn n(&self) -> f64 {
        self.n_below + self.n_finite() + self.n_above
    }

    /// The quantile of some elements, as [`QuantileMethod::Linear`] has it where centroids are single elements.
    fn quantile(&self, share: f64) -> f64 {
        let (n_below, n_finite) = (self.n_below, self.n_finite());
        let place = share * (n_below + n_finite + self.n_above - 1.0);
        if place >= n_below && place <= n_below + n_finite - 1.0 {
            return self.at_rank(place - n_below, n_finite);
        }
        let at = |rank: f64| match rank {
            _ if rank < n_below => f64::NEG_INFINITY,
            _ if rank < n_below + n_finite => self.at_rank(rank - n_below, n_finite),
            _ => f64::INFINITY,
        };
        QuantileMethod::Linear.between(at(place.floor()), at(place.ceil()), place.fract())
    }

    /// What is at a rank of the finite elements, or between two: a centroid is in the middle of its ranks.
    fn at_rank(&self, rank: f64, n_finite: f64) -> f64 {
        let mut before = (0.0, self.least);
        let mut n_before = 0.0;
        for centroid in &self.centroids {
            let here = (n_before + 0.5 * (centroid.n - 1.0), centroid.mean);
            if rank <= here.0 {
                return between(before, here, rank);
            }
            before = here;
            n_before += centroid.n;
        }
        between(before, (n_finite - 1.0, self.greatest), rank)
    }
}

/// The value at a rank that two others are around.
fn between(low: (f64, f64), high: (f64, f64), rank: f64) -> f64 {
    if high.0 <= low.0 {
        return high.1;
    }
    let share = (rank - low.0) / (high.0 - low.0);
    QuantileMethod::Linear.between(low.1, high.1, share).clamp(low.1, high.1)
}

/// Up to which share of all elements a centroid may go that begins behind `share` of them.
fn end_of_centroid(share: f64) -> f64 {
    let turn = 2.0 * PI / COMPRESSION as f64;
    let angle = libm::asin(2.0 * share - 1.0) + turn;
    if angle >= PI / 2.0 { 1.0 } else { 0.5 * (libm::sin(angle) + 1.0) }
}

/// The digest of some elements; `keys` has room for as many.
fn digest(values: &[f64], keys: &mut [u64]) -> Digest {
    let mut n = 0;
    let (mut n_nan, mut n_below, mut n_above) = (0.0, 0.0, 0.0);
    for value in values {
        match value {
            _ if value.is_finite() => {
                keys[n] = value.key();
                n += 1;
            }
            _ if value.is_nan() => n_nan += 1.0,
            _ if *value < 0.0 => n_below += 1.0,
            _ => n_above += 1.0,
        }
    }
    let keys = &mut keys[..n];
    let mut ends = Vec::with_capacity(CENTROIDS_MAX);
    let mut start = 0;
    while start < n {
        let end = (end_of_centroid(start as f64 / n as f64) * n as f64) as usize;
        start = if ends.len() + 1 == CENTROIDS_MAX { n } else { end.clamp(start + 1, n) };
        ends.push(start);
    }
    divide(keys, 0, &ends);
    let mut start = 0;
    let of_part = |end: &usize| {
        let part = &keys[std::mem::replace(&mut start, *end)..*end];
        let ends = part.iter().fold((u64::MAX, u64::MIN), |(least, most), key| (least.min(*key), most.max(*key)));
        let (least, greatest) = (f64::from_key(ends.0), f64::from_key(ends.1));
        // From the least one on, so that equal elements have themselves as their mean.
        let above: f64 = part.iter().map(|key| f64::from_key(*key) - least).sum();
        let mean = if above.is_finite() {
            least + above / part.len() as f64
        } else {
            part.iter().map(|key| f64::from_key(*key) / part.len() as f64).sum()
        };
        (Centroid { mean: mean.clamp(least, greatest), n: part.len() as f64 }, least, greatest)
    };
    let parts: Vec<(Centroid, f64, f64)> = ends.iter().map(of_part).collect();
    let least = parts.first().map_or(0.0, |part| part.1);
    let greatest = parts.last().map_or(0.0, |part| part.2);
    let centroids = parts.into_iter().map(|part| part.0).collect();
    Digest { n_nan, n_below, n_above, least, greatest, centroids }
}

/// Puts keys, the first of which has rank `first`, into such an order that none stands before a lesser one's part; parts end
/// at the ranks `ends`.
fn divide(keys: &mut [u64], first: usize, ends: &[usize]) {
    if keys.len() < 2 || ends.is_empty() {
        return;
    }
    if keys.len() < 4 * ends.len() {
        return keys.sort_unstable();
    }
    let (before, rest) = ends.split_at(ends.len() / 2);
    let (end, behind) = (rest[0], &rest[1..]);
    if end - first >= keys.len() {
        return divide(keys, first, before);
    }
    keys.select_nth_unstable(end - first);
    let (low, high) = keys.split_at_mut(end - first);
    divide(low, first, before);
    divide(high, end, behind);
}

/// Several digests made one: their centroids in order, neighbours joined as far as the scale lets them.
fn merged(digests: impl Iterator<Item = Digest>) -> Digest {
    let empty = Digest { n_nan: 0.0, n_below: 0.0, n_above: 0.0, least: 0.0, greatest: 0.0, centroids: Vec::new() };
    let mut all = digests.fold(empty, |mut all, digest| {
        if !digest.centroids.is_empty() {
            let is_first = all.centroids.is_empty();
            all.least = if is_first { digest.least } else { all.least.min(digest.least) };
            all.greatest = if is_first { digest.greatest } else { all.greatest.max(digest.greatest) };
        }
        all.centroids.extend(digest.centroids);
        all.n_nan += digest.n_nan;
        all.n_below += digest.n_below;
        all.n_above += digest.n_above;
        all
    });
    let n = all.n_finite();
    // Equal means stay in the order of their blocks, so that the result does not depend on who was ready first.
    all.centroids.sort_by(|a, b| a.mean.total_cmp(&b.mean));
    let mut joined: Vec<Centroid> = Vec::with_capacity(CENTROIDS_MAX);
    let (mut n_done, mut end) = (0.0, 0.0);
    for centroid in all.centroids {
        let is_full = joined.len() == CENTROIDS_MAX;
        match joined.last_mut() {
            Some(last) if is_full || n_done + centroid.n <= end => {
                last.n += centroid.n;
                let mean = last.mean + (centroid.mean - last.mean) * (centroid.n / last.n);
                let between = last.mean * (1.0 - centroid.n / last.n) + centroid.mean * (centroid.n / last.n);
                last.mean = if mean.is_finite() { mean } else { between }.clamp(last.mean, centroid.mean);
            }
            _ => {
                end = end_of_centroid(n_done / n) * n;
                joined.push(centroid);
            }
        }
        n_done += centroid.n;
    }
    all.centroids = joined;
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A sequence that spreads evenly, in no order.
    fn even(n: usize) -> impl Iterator<Item = f64> {
        (0..n).map(|at| (at as f64 * 0.618_033_988_749_894_9).fract())
    }

    fn quantiles(shares: &[f64], skip_nan: bool) -> Quantiles {
        Quantiles { shares: shares.to_vec(), method: QuantileMethod::TDigest, skip_nan }
    }

    /// The quantiles of values by digests of `n_parts` of them, merged `fan_in` at a time.
    fn found(values: &[f64], n_parts: usize, fan_in: usize, quantiles: &Quantiles) -> Vec<f64> {
        let pool = Pool::new(0);
        let mut parts: Vec<Block> = values
            .chunks(values.len().div_ceil(n_parts).max(1))
            .map(|part| digests(&Block::from_vec(&[part.len()], part.to_vec()).unwrap(), &[0], &pool).unwrap())
            .collect();
        while parts.len() > 1 {
            parts = parts.chunks(fan_in).map(|parts| merge_digests(parts, &pool).unwrap()).collect();
        }
        let made = digest_quantiles(&parts[0], quantiles, &pool).unwrap();
        assert_eq!(made.shape(), [1, quantiles.shares.len()]);
        made.to_vec().unwrap()
    }

    /// How far the rank of `value` is from a share of the sorted values, as a share of them.
    fn rank_error(sorted: &[f64], value: f64, share: f64) -> f64 {
        let low = sorted.partition_point(|other| *other < value) as f64;
        let high = sorted.partition_point(|other| *other <= value) as f64;
        let wanted = share * (sorted.len() as f64 - 1.0);
        // Between two elements it has the rank of the lower one and a part of a step.
        (low - 1.0 - wanted).max(wanted - high).max(0.0) / sorted.len() as f64
    }

    #[test]
    fn ranks_are_as_near_as_promised_for_every_distribution_and_cut() {
        let n = 200_000;
        let shares = [0.0, 1e-5, 0.001, 0.01, 0.25, 0.5, 0.77, 0.99, 0.9999, 1.0];
        let turn = |at: usize| (at as f64 * std::f64::consts::SQRT_2).fract() * 2.0 * PI;
        let normal = even(n).enumerate().map(|(at, u)| (-2.0 * (1.0 - u).ln()).sqrt() * turn(at).cos());
        let distributions: [(&str, Vec<f64>); 7] = [
            ("even", even(n).collect()),
            ("normal", normal.collect()),
            ("many orders of magnitude", even(n).map(|u| (700.0 * (u - 0.5)).exp()).collect()),
            ("few values", even(n).map(|u| (u * 4.0).floor()).collect()),
            ("sorted", (0..n).map(|at| at as f64).collect()),
            ("two far apart", even(n).map(|u| if u < 0.3 { -1e300 * u } else { 1e300 * u }).collect()),
            ("one value", vec![0.1; n]),
        ];
        for (name, values) in distributions {
            let mut sorted = values.clone();
            sorted.sort_unstable_by(f64::total_cmp);
            for (n_parts, fan_in, levels) in [(1, 32, 0.0), (20, 32, 1.0), (300, 32, 2.0), (64, 2, 6.0)] {
                let all = found(&values, n_parts, fan_in, &quantiles(&shares, false));
                let bound = 0.0024 + levels * 0.0016;
                for (share, value) in shares.iter().zip(&all) {
                    let error = rank_error(&sorted, *value, *share);
                    assert!(error <= bound, "{name} in {n_parts}: {value} at {share}, off by {error}");
                    // What is usual, where parts are alike.
                    let usual = if name == "sorted" { bound } else { 0.0005 };
                    assert!(error <= usual, "{name} in {n_parts}: {value} at {share}, off by {error}");
                }
                assert_eq!((all[0], all[9]), (sorted[0], sorted[sorted.len() - 1]), "{name}: the ends are exact");
                assert!(all.is_sorted(), "{name}: {all:?}");
            }
        }
    }

    #[test]
    fn few_elements_are_exact() {
        let shares = [0.0, 0.1, 0.5, 0.503, 1.0];
        for n in [1, 2, 3, 100, 600] {
            let values: Vec<f64> = even(n).collect();
            let block = Block::from_vec(&[n], values.clone()).unwrap();
            let exact = Quantiles { method: QuantileMethod::Linear, ..quantiles(&shares, false) };
            let expected = crate::quantiles(&block, 0, &exact, &Pool::new(0)).unwrap().to_vec::<f64>().unwrap();
            for n_parts in [1, 3] {
                let all = found(&values, n_parts, 2, &quantiles(&shares, false));
                let is_near = all.iter().zip(&expected).all(|(own, exact)| (own - exact).abs() < 1e-12);
                assert!(is_near, "{n} in {n_parts}: {all:?}, not {expected:?}");
            }
        }
    }

    #[test]
    fn what_is_not_finite_is_counted() {
        let inf = f64::INFINITY;
        let shares = [0.0, 0.25, 0.5, 0.75, 1.0];
        let values = [inf, 1.0, -inf, 2.0, 3.0];
        for n_parts in [1, 2, 5] {
            let all = found(&values, n_parts, 2, &quantiles(&shares, false));
            assert_eq!(all, [-inf, 1.0, 2.0, 3.0, inf]);
        }
        let with_nan = [inf, 1.0, f64::NAN, 2.0, 3.0];
        assert!(found(&with_nan, 2, 2, &quantiles(&shares, false)).iter().all(|value| value.is_nan()));
        assert_eq!(found(&with_nan, 2, 2, &quantiles(&[0.0, 1.0 / 3.0, 1.0], true)), [1.0, 2.0, inf]);
        assert!(found(&[f64::NAN; 4], 2, 2, &quantiles(&[0.5], true))[0].is_nan());
        assert_eq!(found(&[inf, inf, -inf], 1, 2, &quantiles(&[0.5, 1.0], false)), [inf, inf]);
        let far = [f64::MAX, f64::MIN, f64::MAX, f64::MIN];
        assert_eq!(found(&far, 2, 2, &quantiles(&[0.0, 0.3, 1.0], false)), [f64::MIN, f64::MIN, f64::MAX]);
    }

    #[test]
    fn rows_over_some_axes_and_what_is_no_digest() {
        let pool = Pool::new(0);
        let block = Block::from_vec(&[2, 3, 4], (0..24).map(f64::from).collect()).unwrap();
        let made = digests(&block, &[2, 0], &pool).unwrap();
        assert_eq!(made.shape(), [1, 3, 1, DIGEST_LEN]);
        let medians = digest_quantiles(&made, &quantiles(&[0.5, 1.0], false), &pool).unwrap();
        assert_eq!(medians.shape(), [1, 3, 1, 2]);
        assert_eq!(medians.to_vec::<f64>().unwrap(), [7.5, 15.0, 11.5, 19.0, 15.5, 23.0]);
        let none = digests(&block.region(&[0, 0, 0], &[0, 3, 4]).unwrap(), &[0, 2], &pool).unwrap();
        let refused = digest_quantiles(&none, &quantiles(&[0.5], false), &pool);
        assert!(matches!(refused, Err(KernelError::EmptyReduction { .. })));
        let merged = merge_digests(&[none, made.clone()], &pool).unwrap();
        assert_eq!(merged.to_vec::<f64>().unwrap(), made.to_vec::<f64>().unwrap());
        assert!(matches!(merge_digests(&[], &pool), Err(KernelError::MalformedBlock { .. })));
        assert!(matches!(merge_digests(std::slice::from_ref(&block), &pool), Err(KernelError::MalformedBlock { .. })));
        assert!(matches!(digests(&block, &[3], &pool), Err(KernelError::Axis { .. })));
    }
}
