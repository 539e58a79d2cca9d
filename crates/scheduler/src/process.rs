//! Running graphs in processes of this machine.
//!
//! ```text
//!   ProcessExecutor: core, values --- a slot for each worker --- socket ---> worker: serve_if_worker
//!                                                                              (graphs, one task at a time)
//! ```
//!
//! A worker is a fresh process of a program, by default of this one, that gets only bytes: a graph when it gets the first
//! task of it, then for each task the values that the task reads, and gives back the bytes of the result. Operations,
//! functions and values are found by their names in an [`OpRegistry`](dolmen_graph::OpRegistry) that both sides have.
//!
//! Values travel through the executor's process and stay there as they do with threads: within the budget, spilled to
//! disk, cut into pieces for exchanges. So a lost worker takes along only the task that it was running, and what is in a
//! worker at any time is one task with its inputs; the price is that each value is written and read for every process
//! that it goes to.
//!
//! The program calls [`serve_if_worker`] first thing in `main`. The socket is the worker's standard input, so nobody else
//! can connect to it; tasks find an empty standard input, and what they print goes to standard error. A worker ends
//! when the process that started it does. A task that does not stop when it is told to is ended with its worker.
//!
//! A task finds two services in its context: the worker's [`MemoryBudget`](dolmen_storage::MemoryBudget), an equal part of the
//! executor's, and its [`TempFolder`](dolmen_storage::TempFolder).
//!
//! A graph that a task submits runs within its worker, where its values have an equal part of the memory limit. They are
//! spilled to a folder of the worker within that of the executor.

mod config;
mod connection;
mod executor;
mod protocol;
mod remote_error;
mod serve;
mod slot;

pub use config::ProcessConfig;
pub use executor::{ProcessExecutor, StartError};
pub use remote_error::RemoteError;
pub use serve::serve_if_worker;
