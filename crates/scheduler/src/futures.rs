//! Futures: calls that start when they are submitted, on any executor.
//!
//! ```text
//!   Client::submit --> Job: waiting --> starting --> running --> done: finished, failed, cancelled
//!        |              ^   (for other futures,          (a run of     |
//!        v              |    off the workers)             its graph)   '--> wakes observers, starts dependents
//!   TaskFuture ---------'
//! ```
//!
//! # Invariants
//! - A job submits its graph when every future that the graph uses has finished, so that no worker is occupied by waiting.
//! - A job that depends on another holds it until its own graph has run. Nothing else but handles holds a job; when the
//!   last one is dropped, the job's run is dropped, which cancels it or frees its values.
//! - A thread that waits waits for a run, so that a worker goes on with that run meanwhile.

mod client;
mod completed;
mod error;
mod handle;
mod job;
mod link;
#[cfg(test)]
mod tests;
mod wait;
mod watch;

pub use client::Client;
pub use completed::{AsCompleted, Completed, as_completed};
pub use error::FutureError;
pub use handle::{ByFuture, FutureStatus, SharedByFuture, TaskFuture};
pub use wait::{WaitFor, Waited, gather, gather_async, wait};
