//! Decides what runs, and runs it.
mod core;

pub use core::{
    Core, CoreConfig, CoreEvent, Failure, Grouping, Instruction, IoId, Ledger, Outcome, SpillFailure, StageStats,
    Submission, TaskState, Ticket, ValuePlaces,
};
