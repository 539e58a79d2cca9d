//! Describes work: graphs of stages, before anything runs.

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
#[cfg(test)]
mod testing;
mod value;
mod wiring;

pub use builder::{GraphBuilder, GraphError};
pub use context::{CancelToken, RunContext, TaskContext};
pub use cull::cull;
pub use delayed::{
    Alone, Arg, Args, ByDelayed, ByShared, ByValue, Computable, ComputeError, DeferredArg, Delayed, DelayedFn,
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
pub use op::{BoxFuture, EncodeError, Op, StreamBody, SyncBody, TaskBody, TaskResult};
pub use order::Order;
pub use partitions::PartitionSet;
pub use picture::{Picture, PictureError, visualize};
pub use registry::{DecodeError, OpRegistry, RegistryError};
pub use task::{TaskError, TaskInputs};
pub use value::{Encoded, LocalDecoder, Pieces, Value, ValueError, ValueRef};
pub use wiring::{AxisMap, AxisProblem, BlockAxis, Blocks, ExchangeKind, Grid, Table, Wiring, WiringError};
