//! Describes work: what there is to compute, as data, before anything runs.
//!
//! ```text
//!  GraphBuilder --> TaskGraph --> cull --> fuse --> Order        encode, decode: graphs as bytes
//!   (stages,        (checked,       |       |       (numbers     Picture: text, DOT, SVG
//!    wiring,         never          new graphs       of tasks)
//!    ops)            changed)
//!       ^                                              v
//!  Delayed, RawGraph                              Executor --> GraphRun: values, status, cancel; events
//!  (calls of plain functions)
//! ```
//!
//! A [`TaskGraph`] has [`Stage`]s, families of tasks that run the same [`Op`] on different partitions. Which partitions of
//! another stage a task reads is computed by a [`Wiring`] when it is asked for. So `(ones + 1).sum()` over a million chunks
//! is a few stages:
//!
//! ```
//! use std::sync::Arc;
//!
//! use dolmen_graph::{
//!     EncodeError, Executor, FuseOptions, GraphBuilder, InlineExecutor, Op, OpRegistry, Plain, Stage, SubmitOptions,
//!     TaskBody, TaskId, Wiring, cull, fuse,
//! };
//!
//! /// Each task makes its own number, or the sum of the numbers it reads.
//! #[derive(Debug)]
//! enum Sum {
//!     Leaf,
//!     Node,
//! }
//!
//! impl Op for Sum {
//!     fn name(&self) -> &str {
//!         match self {
//!             Self::Leaf => "leaf",
//!             Self::Node => "sum",
//!         }
//!     }
//!
//!     fn encode(&self, _: &OpRegistry) -> Result<Vec<u8>, EncodeError> {
//!         Ok(Vec::new())
//!     }
//!
//!     fn body(&self, partition: u32) -> TaskBody {
//!         match self {
//!             Self::Leaf => TaskBody::sync(move |_, _| Ok(Arc::new(Plain::new(u64::from(partition))))),
//!             Self::Node => TaskBody::sync(|inputs, _| {
//!                 let mut sum = 0;
//!                 for position in 0..inputs.n_values() {
//!                     sum += inputs.get::<Plain<u64>>(0, position)?.get();
//!                 }
//!                 Ok(Arc::new(Plain::new(sum)))
//!             }),
//!         }
//!     }
//! }
//!
//! let mut builder = GraphBuilder::new();
//! let mut last = builder.add_stage(Stage::new("numbers", 1000, Arc::new(Sum::Leaf)))?;
//! for (key, n_tasks) in [("sum-1", 100), ("sum-2", 10), ("sum-3", 1)] {
//!     let stage = Stage::new(key, n_tasks, Arc::new(Sum::Node));
//!     last = builder.add_stage(stage.input(last, Wiring::Tree { fan_in: 10 }))?;
//! }
//! builder.add_output_all(last)?;
//! let graph = Arc::new(fuse(cull(builder.build()?), FuseOptions::default()));
//! assert_eq!((graph.n_stages(), graph.n_tasks()), (4, 1111));
//!
//! let run = InlineExecutor::new().submit(graph, SubmitOptions::default())?;
//! let sum = run.wait_value(TaskId::new(last, 0), None).expect("it has finished")?;
//! assert_eq!(sum.downcast_ref::<Plain<u64>>().map(|sum| *sum.get()), Some(499_500));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Irregular work is written as [calls of plain functions](delayed) or [key by key](RawGraph), and becomes one stage whose
//! tasks read each other by a table.
//!
//! # Invariants
//! - **Nothing is stored for single tasks** but the lists of irregular wiring and of scattered partitions. Planning a graph
//!   takes time and memory in proportion to its stages; `tests/million_chunks.rs` counts the allocations.
//! - **A graph that exists is sound**: it has no cycles, wiring fits the numbers of tasks, outputs exist, and everything a
//!   task that runs needs runs too. The builder and the decoder check, and nothing changes a graph afterwards.
//! - **Wiring is one relation**: `q` is an input of `p` exactly if `p` is a consumer of `q`, no pair twice.
//! - **Culling and fusing change no result**, and partitions keep their numbers.
//! - **No runtime, no input or output, no Arrow**: an executor brings threads, files and sockets.

mod builder;
mod context;
mod cull;
mod delayed;
mod encode;
mod event;
mod executor;
mod fuse;
mod graph;
mod id;
mod inline;
mod op;
mod order;
mod partitions;
mod picture;
mod registry;
mod task;
pub mod testing;
mod value;
mod wiring;

pub use builder::{GraphBuilder, GraphError};
pub use context::{CancelToken, RunContext, TaskContext};
pub use cull::cull;
pub use delayed::{
    Alone, Arg, Args, Awaited, ByDelayed, ByShared, ByValue, Computable, ComputeError, DeferredArg, Delayed, DelayedFn,
    EncodeArg, EncodeArgs, Function, Held, IntoArg, IntoArgs, LowerError, Lowered, Needs, Of, Params, Parts, Plain,
    RawGraph, Refs, RegisteredFn, Shared, Template, Values, WithContext, compute, compute_async, delayed, delayed_ref,
    delayed_with_context, key, lower_delayed,
};
pub use encode::{DecodeGraphError, EncodeGraphError, decode, encode};
pub use event::{Event, EventKind, EventReader};
pub use executor::{Executor, GraphRun, Parent, RunError, RunId, RunStatus, SubmitError, SubmitOptions, TaskStatus};
pub use fuse::{FuseOptions, fuse};
pub use graph::{ByteEstimate, Input, Output, Stage, TaskGraph, TaskOptions};
pub use id::{StageId, TaskId};
pub use inline::InlineExecutor;
pub use op::{BoxFuture, EncodeError, Given, Op, StreamBody, SyncBody, TaskBody, TaskResult};
pub use order::Order;
pub use partitions::PartitionSet;
pub use picture::{Picture, PictureError, visualize};
pub use registry::{DecodeError, OpRegistry, RegistryError};
pub use task::{TaskError, TaskInputs};
pub use value::{Encoded, LocalDecoder, Pieces, Value, ValueError, ValueRef};
pub use wiring::{AxisMap, AxisProblem, BlockAxis, Blocks, ExchangeKind, Grid, Table, Wiring, WiringError};
