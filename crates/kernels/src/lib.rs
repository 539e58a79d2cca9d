//! Kernels: what is done to the blocks of an array, one thread each, without I/O.
//!
//! ```text
//!  DType, Scalar, WeakScalar            promote: NumPy 2's rules
//!       |
//!  Buffer <-- Pool                      memory: huge pages, recycled
//!       |
//!  Block                                dtype, shape, strides: views copy nothing
//!       |
//!       |--> Program --> run            elementwise steps, fused, tile by tile --> Block
//!       |            '-> reduce         the same, folded as it is made --> Partial --> combine --> finish
//!       |--> assemble, place, take, compress, gather, scatter, topk
//!       |--> sort, argsort, quantiles, unique, bincount, searchsorted, fft
//!       |--> matmul, qr, svd, cholesky, lu, eigh, solve_triangular
//!       '--> Bins                       histograms
//! ```
//!
//! ```
//! use dolmen_kernels::{Block, DType, Function, Op, Pool, ProgramBuilder, Region, Scalar};
//!
//! # fn main() -> Result<(), dolmen_kernels::KernelError> {
//! // sqrt(a * b).sum(axis=1), of which no step makes an array of its own.
//! let mut builder = ProgramBuilder::new();
//! let (a, b) = (builder.input(DType::F64), builder.input(DType::F64));
//! let product = builder.apply(Op::Multiply, &[a, b])?;
//! let root = builder.apply(Op::Sqrt, &[product])?;
//! let program = builder.finish(root)?;
//!
//! let pool = Pool::new(64 << 20);
//! let a = Block::from_vec(&[2, 2], vec![1.0, 4.0, 9.0, 16.0])?;
//! let b = Block::full(&[2, 2], Scalar::F64(4.0));
//! let region = Region::whole(&[2, 2]);
//! let sums = program.reduce(&[a, b], &region, Function::Sum.plain(), &[1], &pool)?.finish(0.0, &pool)?;
//! assert_eq!((sums.shape(), sums.to_vec::<f64>()?), (&[2, 1][..], vec![6.0, 14.0]));
//! # Ok(())
//! # }
//! ```
//!
//! # Invariants
//! - **A block never changes.** Views share its buffer; what writes makes a new one.
//! - **Equal blocks give equal bits** on any thread and any instruction set: loops have a fixed number of accumulators, and
//!   nothing is fused or reordered by the compiler. Blocks with other strides may be summed in another order.
//! - **Random numbers depend on their stream and position only**, whatever the blocks.
//! - **No input makes a kernel panic**: what it cannot do is a [`KernelError`].
//! - **Kernels start no thread**: the scheduler is the only source of parallelism.

mod assemble;
mod block;
mod buffer;
mod copy;
mod cumulative;
mod cursor;
mod digest;
mod dtype;
mod element;
mod encode;
mod error;
mod fft;
mod histogram;
mod lanes;
mod linalg;
mod matmul;
mod op;
mod order;
mod pick;
mod program;
mod promote;
mod quantile;
mod random;
mod reduce;
mod run;
mod scalar;
mod search;
mod sort;
mod time;
mod topk;
mod unique;

pub use assemble::{assemble, place, take};
pub use block::{AxisSlice, Block, Shape};
pub use buffer::{Buffer, BufferMut, Pool};
pub use cumulative::cumulative;
pub use digest::{DIGEST_LEN, digest_quantiles, digests, merge_digests};
pub use dolmen_simd::scratch_bytes_max as product_scratch_bytes;
pub use dtype::{DType, Kind, TimeUnit};
pub use element::Element;
pub use encode::ElementBytes;
pub use error::{KernelError, Result};
pub use fft::{Fft, FftKind, fft};
pub use histogram::Bins;
pub use linalg::{Eigh, Lu, Qr, Svd, Triangle, cholesky, eigh, lu, qr, qr_r, solve_triangular, svd};
pub use matmul::{matmul, matmul_add, matmul_subtract};
pub use op::{Op, OperandType, result_dtype};
pub use pick::{choose, compress, gather, scatter};
pub use program::{Operand, Program, ProgramBuilder, Step};
pub use promote::{WeakScalar, can_cast_safely, float_that_holds, promote, promote_weak};
pub use quantile::{
    QuantileMethod, Quantiles, quantiles, rank_counts, rank_counts_len, rank_finish, rank_passes, rank_step,
    rank_targets,
};
pub use random::{Distribution, Family, Law, ParameterRule, Random, multinomial, philox4x32};
pub use reduce::{Function, Partial, Reduction, partial};
pub use run::Region;
pub use scalar::Scalar;
pub use search::{Side, bincount, contains, searchsorted, sum_rows};
pub use sort::{argsort, sort};
pub use topk::topk;
pub use unique::{Unique, merge_unique, unique};
