//! Histograms and the search for bins.

use crate::reduce::apply;
use crate::{Block, DType, KernelError, Kind, Op, Pool, Result};

/// The bins of a histogram: each holds its lower edge and not its upper one, but the last holds both.
#[derive(Debug, Clone, PartialEq)]
pub struct Bins {
    edges: Vec<f64>,
    /// Of bins of one width, so that the bin of a value is computed instead of searched.
    uniform: Option<(f64, f64)>,
}

impl Bins {
    /// `n_bins` bins of one width from `low` to `high`, with the edges of `numpy.linspace`; if both are equal, the range
    /// is widened by one half on each side, as NumPy does.
    ///
    /// # Errors
    /// [`KernelError::Parameter`] for no bins, or for a range that is not finite or runs backwards.
    pub fn uniform(low: f64, high: f64, n_bins: usize) -> Result<Self> {
        let refused = |parameter, problem| Err(KernelError::Parameter { op: "histogram", parameter, problem });
        if n_bins == 0 {
            return refused("bins", "must be positive");
        }
        if !(low.is_finite() && high.is_finite()) {
            return refused("range", "must be finite");
        }
        if low > high {
            return refused("range", "must not run backwards");
        }
        let (low, high) = if low == high { (low - 0.5, high + 0.5) } else { (low, high) };
        let step = (high - low) / n_bins as f64;
        let mut edges: Vec<f64> = (0..=n_bins).map(|at| at as f64 * step + low).collect();
        edges[n_bins] = high;
        Ok(Self { edges, uniform: Some((low, high)) })
    }

    /// Bins between neighbours of `edges`.
    ///
    /// # Errors
    /// [`KernelError::Parameter`] for fewer than two edges, or edges that fall or are NaN.
    pub fn of_edges(edges: Vec<f64>) -> Result<Self> {
        let refused = |problem| Err(KernelError::Parameter { op: "histogram", parameter: "bins", problem });
        if edges.len() < 2 {
            return refused("must have two edges or more");
        }
        if edges.windows(2).any(|pair| pair[0].partial_cmp(&pair[1]).is_none_or(std::cmp::Ordering::is_gt)) {
            return refused("must increase monotonically");
        }
        Ok(Self { edges, uniform: None })
    }

    /// The edges, one more than bins.
    #[must_use]
    pub fn edges(&self) -> &[f64] {
        &self.edges
    }

    /// The bin of a value, `None` outside of all and for NaN.
    #[inline]
    fn bin_of(&self, value: f64) -> Option<usize> {
        let n_bins = self.edges.len() - 1;
        let Some((low, high)) = self.uniform else {
            if !(value >= self.edges[0] && value <= self.edges[n_bins]) {
                return None;
            }
            // The last edge belongs to the last bin.
            return Some(self.edges.partition_point(|edge| *edge <= value).min(n_bins) - 1);
        };
        if !(value >= low && value <= high) {
            return None;
        }
        let guess = ((value - low) / (high - low) * n_bins as f64) as usize;
        let mut bin = guess.min(n_bins - 1);
        // The quotient is rounded; the edges decide.
        if value < self.edges[bin] {
            bin -= 1;
        } else if value >= self.edges[bin + 1] && bin != n_bins - 1 {
            bin += 1;
        }
        Some(bin)
    }

    /// How many elements of `block` are in each bin, as `int64`; the counts of blocks add up.
    ///
    /// # Errors
    /// [`KernelError::UnsupportedDType`] for complex numbers and time.
    pub fn count(&self, block: &Block, pool: &Pool) -> Result<Block> {
        let values = floats(block, pool)?;
        let mut counts = vec![0_i64; self.edges.len() - 1];
        for value in values.as_slice::<f64>()?.unwrap_or_default() {
            if let Some(bin) = self.bin_of(*value) {
                counts[bin] += 1;
            }
        }
        Block::from_vec(&[counts.len()], counts)
    }

    /// The sum of the `weights` of the elements in each bin, as `float64`; the sums of blocks add up.
    ///
    /// # Errors
    /// As [`Bins::count`]; [`KernelError::ShapeMismatch`] unless each element has a weight.
    pub fn weigh(&self, block: &Block, weights: &Block, pool: &Pool) -> Result<Block> {
        if block.shape() != weights.shape() {
            let (left, right) = (block.shape().into(), weights.shape().into());
            let expected = "each element has a weight";
            return Err(KernelError::ShapeMismatch { op: "histogram", left, right, expected });
        }
        let (values, weights) = (floats(block, pool)?, floats(weights, pool)?);
        let mut sums = vec![0_f64; self.edges.len() - 1];
        let values = values.as_slice::<f64>()?.unwrap_or_default();
        for (value, weight) in values.iter().zip(weights.as_slice::<f64>()?.unwrap_or_default()) {
            if let Some(bin) = self.bin_of(*value) {
                sums[bin] += weight;
            }
        }
        Block::from_vec(&[sums.len()], sums)
    }
}

fn floats(block: &Block, pool: &Pool) -> Result<Block> {
    if block.dtype().is_time() || block.dtype().kind() == Kind::Complex {
        let remedy = "; histograms count real numbers";
        return Err(KernelError::UnsupportedDType { op: "histogram", dtypes: vec![block.dtype()], remedy });
    }
    let wide = if block.dtype() == DType::F64 { block.clone() } else { apply(Op::Cast(DType::F64), &[block], pool)? };
    wide.to_contiguous(pool)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn counts(bins: &Bins, values: &[f64]) -> Vec<i64> {
        let block = Block::from_vec(&[values.len()], values.to_vec()).unwrap();
        bins.count(&block, &Pool::new(0)).unwrap().to_vec().unwrap()
    }

    #[test]
    fn answers_of_numpy() {
        // numpy.histogram([1, 2, 1], bins=[0, 1, 2, 3]), and of the last edge, NaN and what is outside.
        let bins = Bins::of_edges(vec![0.0, 1.0, 2.0, 3.0]).unwrap();
        assert_eq!(counts(&bins, &[1.0, 2.0, 1.0]), [0, 2, 1]);
        assert_eq!(counts(&bins, &[3.0, 3.1, -0.1, f64::NAN, 0.0, f64::INFINITY]), [1, 0, 1]);
        // numpy.histogram([0.1, 0.2, 0.3, 0.7], bins=10, range=(0, 1))
        let bins = Bins::uniform(0.0, 1.0, 10).unwrap();
        assert_eq!(counts(&bins, &[0.1, 0.2, 0.3, 0.7]), [0, 1, 2, 0, 0, 0, 1, 0, 0, 0]);
        // numpy.histogram([5, 5], bins=2)
        let bins = Bins::uniform(5.0, 5.0, 2).unwrap();
        assert_eq!((bins.edges(), counts(&bins, &[5.0, 5.0])), (&[4.5, 5.0, 5.5][..], vec![0, 2]));
        // numpy.histogram([1, 2, 2], bins=[0, 2, 2])
        let bins = Bins::of_edges(vec![0.0, 2.0, 2.0]).unwrap();
        assert_eq!(counts(&bins, &[1.0, 2.0, 2.0]), [1, 2]);
    }

    #[test]
    fn weights_are_summed() {
        let bins = Bins::of_edges(vec![0.0, 1.0, 2.0]).unwrap();
        let x = Block::from_vec(&[3], vec![0_i32, 1, 2]).unwrap();
        let weights = Block::from_vec(&[3], vec![0.5_f32, 2.0, 4.0]).unwrap();
        assert_eq!(bins.weigh(&x, &weights, &Pool::new(0)).unwrap().to_vec::<f64>().unwrap(), [0.5, 6.0]);
    }

    #[test]
    fn what_makes_no_bins_is_an_error() {
        assert!(Bins::uniform(0.0, 1.0, 0).is_err());
        assert!(Bins::uniform(1.0, 0.0, 3).is_err());
        assert!(Bins::uniform(0.0, f64::NAN, 3).is_err());
        assert!(Bins::of_edges(vec![1.0]).is_err());
        assert!(Bins::of_edges(vec![1.0, 0.0]).is_err());
        assert!(Bins::of_edges(vec![1.0, f64::NAN]).is_err());
    }

    proptest! {
        /// A computed bin is the one that a search finds.
        #[test]
        fn uniform_bins_are_searched_bins(low in -10.0_f64..10.0, width in 0.01_f64..20.0, n in 1_usize..50, at in -5_i32..60, nudge in -2_i64..3) {
            let uniform = Bins::uniform(low, low + width, n).unwrap();
            let searched = Bins::of_edges(uniform.edges().to_vec()).unwrap();
            // At an edge, or next to it.
            let edge = uniform.edges()[(at.rem_euclid(n as i32 + 1)) as usize];
            let value = f64::from_bits((edge.to_bits() as i64 + nudge) as u64);
            prop_assert_eq!(uniform.bin_of(value), searched.bin_of(value));
        }
    }
}
