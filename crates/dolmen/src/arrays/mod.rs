//! Chunked arrays in a session: computed under its limits, named by its statements, read as tables by its queries.

mod aggregate;
mod axes;
mod columns;
mod compute;
mod copy;
mod histogram;
mod open;
mod print;
mod query;
mod rows;
mod statement;
mod table;

use std::sync::Arc;

use dolmen_graph::Executor;

pub(crate) use aggregate::ReduceArrays;
pub(crate) use compute::of_array;
pub(crate) use print::{has_form, printed};
pub(crate) use statement::{described, run};

/// Finds what runs the tasks of a session; `None` if that is being closed.
pub(crate) type FindExecutor = dyn Fn() -> Option<Arc<dyn Executor>> + Send + Sync;
