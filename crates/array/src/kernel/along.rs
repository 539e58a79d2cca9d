//! Rows along an axis that is there as a whole.

use dolmen_graph::TaskResult;
use dolmen_kernels::{Block, DType, Fft, FftKind, KernelError, Pool, Quantiles};
use serde::{Deserialize, Serialize};

use crate::task::{Task, failed};

/// What is done with each row along an axis.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Along {
    /// The elements in order.
    Sort,
    /// Their positions in that order.
    ArgSort,
    /// Quantiles.
    Quantiles(Quantiles),
    /// A Fourier transform.
    Fft(Fft),
}

impl Along {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Sort => "sort",
            Self::ArgSort => "argsort",
            Self::Quantiles(_) => "quantile",
            Self::Fft(Fft { kind: FftKind::Forward, .. }) => "fft",
            Self::Fft(Fft { kind: FftKind::Inverse, .. }) => "ifft",
            Self::Fft(Fft { kind: FftKind::Real, .. }) => "rfft",
            Self::Fft(Fft { kind: FftKind::RealInverse, .. }) => "irfft",
        }
    }

    /// The bytes that a task needs for a block of `read` bytes with rows of `row_len` elements of `dtype`.
    pub(crate) fn scratch_bytes(&self, read: u64, row_len: u64, dtype: DType) -> Option<u64> {
        let item = dtype.size_bytes() as u64;
        // Keys of complex numbers have flags beside them.
        let key = if dtype.real() == dtype { item } else { 24 };
        match self {
            Self::Sort | Self::Quantiles(_) => row_len.checked_mul(key)?.checked_add(read),
            Self::ArgSort => row_len.checked_mul(key.max(8) + 8)?.checked_add(read),
            // The elements as complex numbers, and in rows; what a plan needs for one row.
            Self::Fft(fft) => {
                let complex = fft.dtype(dtype).size_bytes() as u64 * 2;
                let rows = read.checked_div(item)?.checked_mul(2 * complex)?;
                (fft.len as u64).checked_mul(4 * complex)?.checked_add(rows)
            }
        }
    }

    fn of(&self, block: &Block, axis: usize, pool: &Pool) -> Result<Block, KernelError> {
        match self {
            Self::Sort => dolmen_kernels::sort(block, axis, pool),
            Self::ArgSort => dolmen_kernels::argsort(block, axis, pool),
            Self::Quantiles(quantiles) => dolmen_kernels::quantiles(block, axis, quantiles, pool),
            Self::Fft(fft) => dolmen_kernels::fft(block, axis, *fft, pool),
        }
    }
}

/// The rows of the joined blocks along `axis`.
pub(super) fn run(task: &Task<'_>, axis: usize, along: &Along, operands: &[Block]) -> TaskResult {
    task.value(along.of(&operands[0], axis, task.pool).map_err(failed)?)
}
