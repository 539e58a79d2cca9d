//! Runs task graphs: decides what runs where and when, within a memory budget, and runs it.
//!
//! ```text
//!   TaskGraph --> LocalExecutor, SyncExecutor --> values
//!                       |    ^
//!                events |    | instructions
//!                       v    |
//!                        Core                 Events, Progress, Profile
//! ```
//!
//! The [`Core`] decides: functions of state, event and time. The executors carry out what it says: [`LocalExecutor`] on
//! threads, [`SyncExecutor`] on the calling thread.
//!
//! ```
//! use std::sync::Arc;
//!
//! use dolmen_graph::{compute, delayed};
//! use dolmen_scheduler::{LocalConfig, LocalExecutor};
//! use dolmen_storage::{MemoryBudget, TempFolder};
//!
//! // What a session has, and shares with its SQL engine.
//! let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
//! let budget = MemoryBudget::new(64 << 20);
//! let temp = Arc::new(TempFolder::new(None));
//!
//! let executor = LocalExecutor::new(LocalConfig::new(runtime.handle().clone(), 2).memory(budget, temp));
//! let square = delayed(|x: u64| x * x);
//! let sum = delayed(|numbers: Vec<u64>| numbers.iter().sum::<u64>());
//! let total = sum.call((0..10).map(|x| square.call(x)).collect::<Vec<_>>());
//! assert_eq!(compute(&executor, total)?, 285);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Invariants
//! - **The core has no clock, threads, randomness or I/O**; the same events give the same instructions.
//! - **One lock, held for bookkeeping only.** Bodies run, values are encoded and dropped, and files are written without it.
//! - **Nothing starts after a cancel has returned**, save a body that a worker was about to enter.
//! - **Every byte is given back**: of values, reservations and files, however a run ends.
//!
//! States, memory and order are explained in docs/scheduler.md.

mod core;
mod engine;
mod events;
mod futures;
mod local;
#[cfg(unix)]
pub mod process;
mod profile;
mod shared;
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

/// Runs the code of the pages as tests.
#[cfg(doctest)]
mod pages {
    #[doc = include_str!("../../../docs/scheduler.md")]
    struct Scheduler;

    #[cfg_attr(unix, doc = include_str!("../../../docs/futures.md"))]
    struct Futures;
}
