//! Random arrays: counter-based, so that the numbers depend on the seed and the position, and on nothing else.

mod laws;

use std::sync::atomic::{AtomicU64, Ordering};

use dolmen_kernels::{Distribution, Random};

use crate::formula::{Formula, Step};
use crate::{Array, ArrayError, ChunkSpec};

/// Makes random arrays from a seed, each with numbers of its own: NumPy's `Generator`.
///
/// The same seed gives the same arrays in the same order of calls, with equal bits under any chunks and on any number of
/// threads. The numbers are not NumPy's.
///
/// ```
/// # use dolmen_array::{ChunkSpec, RandomGenerator};
/// let random = RandomGenerator::new(42);
/// let x = random.normal(10.0, 0.1, &[20_000_000], 1_000_000)?;
/// assert_eq!(x.chunks().n_blocks()?, 20);
/// # Ok::<(), dolmen_array::ArrayError>(())
/// ```
#[derive(Debug)]
pub struct RandomGenerator {
    seed: u64,
    next_stream: AtomicU64,
}

impl RandomGenerator {
    /// The generator of `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { seed, next_stream: AtomicU64::new(0) }
    }

    /// Evenly distributed over `[0, 1)`.
    ///
    /// # Errors
    /// Those of [`ChunkSpec::chunks`].
    pub fn random(&self, shape: &[usize], chunks: impl Into<ChunkSpec>) -> Result<Array, ArrayError> {
        self.draw(Distribution::Uniform, shape, chunks)
    }

    /// Evenly distributed over `[low, high)`.
    ///
    /// # Errors
    /// [`ArrayError::Argument`] if the range is not finite; those of [`ChunkSpec::chunks`].
    pub fn uniform(
        &self,
        low: f64,
        high: f64,
        shape: &[usize],
        chunks: impl Into<ChunkSpec>,
    ) -> Result<Array, ArrayError> {
        if !(high - low).is_finite() {
            let problem = format!("from {low} to {high} is not finite");
            return Err(ArrayError::Argument { op: "random.uniform", argument: "range", problem });
        }
        self.random(shape, chunks)?.multiply(high - low)?.add(low)
    }

    /// Normally distributed with mean `loc` and standard deviation `scale`.
    ///
    /// # Errors
    /// [`ArrayError::Argument`] if the deviation is negative; those of [`ChunkSpec::chunks`].
    pub fn normal(
        &self,
        loc: f64,
        scale: f64,
        shape: &[usize],
        chunks: impl Into<ChunkSpec>,
    ) -> Result<Array, ArrayError> {
        if scale < 0.0 || scale.is_nan() {
            let problem = format!("is {scale}, and should not be negative");
            return Err(ArrayError::Argument { op: "random.normal", argument: "scale", problem });
        }
        self.draw(Distribution::Normal, shape, chunks)?.multiply(scale)?.add(loc)
    }

    /// Integers from `low` up to, and without, `high`.
    ///
    /// # Errors
    /// [`ArrayError::Kernel`] if there is none; those of [`ChunkSpec::chunks`].
    pub fn integers(
        &self,
        low: i64,
        high: i64,
        shape: &[usize],
        chunks: impl Into<ChunkSpec>,
    ) -> Result<Array, ArrayError> {
        self.draw(Distribution::Integers { low, high }, shape, chunks)
    }

    fn next_stream(&self) -> u64 {
        self.next_stream.fetch_add(1, Ordering::Relaxed)
    }

    fn draw(
        &self,
        distribution: Distribution,
        shape: &[usize],
        chunks: impl Into<ChunkSpec>,
    ) -> Result<Array, ArrayError> {
        let random = Random { distribution, seed: self.seed, stream: self.next_stream() };
        random.check()?;
        Array::generated(shape, Formula::single(Step::Random(random)), random.dtype(), chunks)
    }
}
