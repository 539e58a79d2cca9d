//! Kernels: what is done to the blocks of an array, one thread each, without I/O.
//!
//! ```text
//!  DType, Scalar, WeakScalar      promote: NumPy 2's rules
//!       |
//!  Buffer <-- Pool                memory: huge pages, recycled
//!       |
//!  Block                          dtype, shape, strides: views copy nothing
//! ```
//!
//! ```
//! use dolmen_kernels::{Block, Pool, Scalar};
//!
//! # fn main() -> Result<(), dolmen_kernels::KernelError> {
//! let block = Block::from_vec(&[2, 3], vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0])?;
//! let turned = block.transpose(&[1, 0])?;
//! assert_eq!(turned.get(&[2, 0])?, Scalar::F64(3.0));
//! assert_eq!(turned.to_contiguous(&Pool::new(0))?.to_vec::<f64>()?, [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
//! # Ok(())
//! # }
//! ```
//!
//! # Invariants
//! - **A block never changes.** Views share its buffer; what writes makes a new one.
//! - **The result of a kernel depends on values, dtypes and shapes only**: not on strides, threads or the instruction set.
//! - **No input makes a kernel panic**: what it cannot do is a [`KernelError`].

mod assemble;
mod block;
mod buffer;
mod copy;
mod cumulative;
mod cursor;
mod dtype;
mod element;
mod encode;
mod error;
mod histogram;
mod lanes;
mod linalg;
mod matmul;
mod op;
mod pick;
mod program;
mod promote;
mod random;
mod reduce;
mod run;
mod scalar;
mod time;
mod topk;

pub use assemble::{assemble, place, take};
pub use block::{AxisSlice, Block, Shape};
pub use buffer::{Buffer, BufferMut, Pool};
pub use cumulative::cumulative;
pub use dtype::{DType, Kind, TimeUnit};
pub use element::Element;
pub use error::{KernelError, Result};
pub use histogram::Bins;
pub use linalg::{
    Eigh, Lu, Qr, Svd, Triangle, cholesky, eigh, lu, qr, qr_r, singular_values, solve, solve_triangular, svd,
};
pub use matmul::{matmul, matmul_add};
pub use op::{Op, OperandType, result_dtype};
pub use pick::{compress, gather, scatter};
pub use program::{Operand, Program, ProgramBuilder, Step};
pub use promote::{WeakScalar, can_cast_safely, float_that_holds, promote, promote_weak};
pub use random::{Distribution, Random, philox4x32};
pub use reduce::{Function, Partial, Reduction, partial};
pub use run::Region;
pub use scalar::Scalar;
pub use topk::topk;
