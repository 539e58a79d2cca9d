//! Singular values of large matrices, by random projections.

use crate::{Array, ArrayError, RandomGenerator};

/// So many more columns than asked for are looked at.
const OVERSAMPLED: usize = 10;

impl Array {
    /// Dask's `svd_compressed`: about the `k` largest singular values of a matrix and their vectors, from the span of products
    /// with random vectors; more exact after more `iterations`, each of which reads the matrix twice. The same seed gives the
    /// same result.
    ///
    /// Shapes `[m, n] -> [m, k], [k], [k, n]`.
    ///
    /// # Errors
    /// Those of [`svd`](Self::svd); [`ArrayError::Argument`] for a `k` of zero, or of more than the shorter side.
    ///
    /// Source: Halko, Martinsson and Tropp, Finding structure with randomness, SIAM Review 53 (2011).
    pub fn svd_compressed(
        &self,
        k: usize,
        iterations: usize,
        random: &RandomGenerator,
    ) -> Result<(Self, Self, Self), ArrayError> {
        let op = "svd_compressed";
        let x = self.matrix(op)?;
        let shape = x.known_shape(op)?;
        let shorter = shape[0].min(shape[1]);
        if k == 0 || k > shorter {
            let problem = format!("is {k}; it should be from 1 to {shorter}, the shorter side");
            return Err(ArrayError::Argument { op, argument: "k", problem });
        }
        let n = (k + OVERSAMPLED).min(shorter);
        let size = x.chunks().axes()[1].size_max().unwrap_or(shape[1]).max(1);
        let vectors = random.normal(0.0, 1.0, &[shape[1], n], size)?;
        let mut span = x.matmul(&vectors.astype(x.dtype())?)?.qr()?.0;
        for _ in 0..iterations {
            let other = x.adjoint()?.matmul(&span)?.qr()?.0;
            span = x.matmul(&other)?.qr()?.0;
        }
        let (u, s, vt) = span.adjoint()?.matmul(&x)?.svd()?;
        let u = span.matmul(&u)?;
        Ok((u.part(1, 0, k), s.part(0, 0, k), vt.part(0, 0, k)))
    }
}
