//! Decides what runs, and runs it.
mod core;
mod engine;
mod events;
mod futures;
mod local;
#[cfg(unix)]
pub mod process;
mod profile;
mod synchronous;

pub use core::{
    Core, CoreConfig, CoreEvent, Failure, Grouping, Instruction, IoId, Ledger, Outcome, SpillFailure, StageStats,
    Submission, TaskState, Ticket, ValuePlaces,
};
pub use futures::{
    AsCompleted, ByFuture, Client, Completed, FutureError, FutureStatus, SharedByFuture, TaskFuture, WaitFor, Waited,
    as_completed, gather, gather_async, wait,
};
pub use local::{LocalConfig, LocalExecutor};
pub use profile::{Profile, Progress, StageProfile};
pub use synchronous::SyncExecutor;
