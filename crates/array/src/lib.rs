//! Arrays larger than memory, with NumPy's meaning: described as expressions, cut into blocks, computed as task graphs.
//!
//! ```text
//!  Array --> optimise --> lower --> TaskGraph --> executor --> blocks --> assemble
//!   (shape, dtype,  |        |
//!    chunks; lazy)  |        one stage for each node, wiring computed from chunks
//!                   slices at the sources, one program for elementwise chains, reductions as trees, rechunks planned
//! ```
//!
//! ```
//! use std::sync::Arc;
//!
//! use dolmen_array::{Array, Reduce, lower, to_ndarray};
//! use dolmen_graph::{Executor, GraphBuilder, InlineExecutor, SubmitOptions, TaskId, cull};
//! use dolmen_kernels::{DType, Pool};
//!
//! let x = Array::ones(&[15, 15], DType::F64, 5)?;
//! let total = (&x + 1.0).sum(&Reduce::axis(0))?;
//!
//! let mut builder = GraphBuilder::new();
//! let outputs = lower(&[total], &mut builder)?;
//! let graph = Arc::new(cull(builder.build()?));
//! let run = InlineExecutor::new().submit(graph, SubmitOptions::default())?;
//! let stage = outputs[0].stage();
//! let values = (0..3).map(|p| run.wait_value(TaskId::new(stage, p), None).expect("it has finished"));
//! let block = outputs[0].assemble(&values.collect::<Result<Vec<_>, _>>()?, &Pool::new(0))?;
//! assert_eq!(to_ndarray::<f64>(&block)?.as_slice(), Some(&[30.0; 15][..]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Invariants
//! - **Nothing runs before an executor is asked**: whatever can be known to be wrong is an error before.
//! - **Planning takes memory for nodes and irregular chunks, not for blocks**; `tests/million_chunks.rs` counts.
//! - **Rewriting changes no value, shape, dtype or chunks** of what is asked for.
//! - **The same chunks give the same bits** on any number of threads; other chunks give results within NumPy's own error.
//! - **No scheduler**: executors come from outside, and so does what opens files.

mod along;
mod array;
mod chunks;
mod compose;
mod convert;
mod creation;
mod cumulative;
mod elementwise;
mod error;
mod explain;
mod files;
mod formula;
mod histogram;
mod index;
mod indexing;
mod join;
mod kernel;
mod linalg;
mod lower;
mod node;
mod optimise;
mod overlap;
mod persisted;
mod quantile;
mod random;
mod rechunk;
mod reduce;
mod reshape;
mod search;
mod shape;
mod shared;
mod slice;
mod source;
mod task;
mod topk;
mod user;
mod value;
mod view;
mod window;

pub use along::FftNorm;
pub use array::Array;
pub use chunks::{AxisChunks, AxisSpec, BLOCK_BYTES_DEFAULT, ChunkSpec, Chunks};
pub use compose::Spacing;
pub use convert::to_ndarray;
pub use elementwise::Arg;
pub use error::ArrayError;
pub use explain::{ExplainedStage, Explanation, explain};
pub use files::{ArrayIoError, ArrayWriter, AxisLabels, LabelledArray};
pub use histogram::HistogramBins;
pub use index::Index;
pub use join::PadMode;
pub use linalg::{LeastSquares, NormOrder};
pub use lower::{ArrayOutput, lower, lower_stages};
pub use overlap::{Boundary, Depth};
pub use persisted::persisted;
pub use random::{Parameter, RandomGenerator, Size};
pub use reduce::Reduce;
pub use search::UniqueElements;
pub use source::{Source, SourceError, register_source};
pub use task::register_ops;
pub use user::{BlockError, BlockFn, BlockInfo, MadeBlocks, RegisteredBlockFn};
pub use value::BlockValue;
pub use view::broadcast_arrays;
