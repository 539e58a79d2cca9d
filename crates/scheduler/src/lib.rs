//! Decides what runs, and runs it.
mod core;
mod engine;
mod events;
mod local;
mod profile;
mod synchronous;

pub use core::{
    Core, CoreConfig, CoreEvent, Failure, Grouping, Instruction, IoId, Ledger, Outcome, SpillFailure, StageStats,
    Submission, TaskState, Ticket, ValuePlaces,
};
pub use local::{LocalConfig, LocalExecutor};
pub use profile::{Profile, Progress, StageProfile};
pub use synchronous::SyncExecutor;
