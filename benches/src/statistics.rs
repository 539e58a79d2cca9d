//! Ratios of paired measurements, with bootstrap intervals.

use std::fmt;

/// Resamples of a bootstrap.
const RESAMPLES: usize = 2000;

/// A median ratio with the bounds of its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Ratio {
    pub(crate) median: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Ratio {
    /// The median of ours / stock over pairs of runs.
    pub(crate) fn of(pairs: &[(f64, f64)]) -> Self {
        let ratios: Vec<f64> = pairs.iter().map(|(ours, stock)| ours / stock).collect();
        bootstrap(ratios.len(), |sample| median(sample.iter().map(|idx| ratios[*idx])))
    }
}

/// The ratio of the sums over all queries, resampled by pair.
pub(crate) fn total(queries: &[Vec<(f64, f64)>]) -> Ratio {
    let n_pairs = queries.iter().map(Vec::len).min().unwrap_or(0);
    bootstrap(n_pairs, |sample| {
        median(sample.iter().map(|idx| {
            let (ours, stock) = queries.iter().map(|pairs| pairs[*idx]).fold((0.0, 0.0), |a, b| (a.0 + b.0, a.1 + b.1));
            ours / stock
        }))
    })
}

fn bootstrap(n: usize, statistic: impl Fn(&[usize]) -> f64) -> Ratio {
    let all: Vec<usize> = (0..n).collect();
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut resampled: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            let sample: Vec<usize> = (0..n)
                .map(|_| {
                    // Xorshift: the interval must not change from run to run of the same measurements.
                    seed ^= seed << 13;
                    seed ^= seed >> 7;
                    seed ^= seed << 17;
                    (seed % n.max(1) as u64) as usize
                })
                .collect();
            statistic(&sample)
        })
        .collect();
    resampled.sort_by(f64::total_cmp);
    let at = |share: f64| resampled[((RESAMPLES - 1) as f64 * share) as usize];
    Ratio { median: statistic(&all), low: at(0.025), high: at(0.975) }
}

/// The median; NaN of nothing.
pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    match (values.len(), values.len() / 2) {
        (0, _) => f64::NAN,
        (n, middle) if n % 2 == 1 => values[middle],
        (_, middle) => f64::midpoint(values[middle - 1], values[middle]),
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:14.3}   [{:.3}, {:.3}]", self.median, self.low, self.high)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_ratios() {
        let ratio = Ratio::of(&[(1.0, 2.0), (3.0, 2.0), (2.0, 2.0)]);
        assert_eq!(ratio.median, 1.0);
        assert!(ratio.low >= 0.5 && ratio.high <= 1.5);
        assert_eq!(median([4.0, 1.0, 3.0, 2.0].into_iter()), 2.5);
    }

    #[test]
    fn totals_weigh_queries_by_time() {
        let ratio = total(&[vec![(1.0, 1.0); 5], vec![(18.0, 9.0); 5]]);
        assert!((ratio.median - 1.9).abs() < 1e-12 && ratio.low == ratio.high);
    }
}
