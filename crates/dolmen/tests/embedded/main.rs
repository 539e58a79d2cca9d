//! What the embedding program is promised, looked at from outside.
#![allow(clippy::unwrap_used, reason = "a failed expectation is how a test reports, in its helpers as well")]

mod arrays;
mod bad_input;
mod cancel;
mod closing;
mod explain_analyze;
mod fake_store;
#[cfg(target_os = "linux")]
mod full_disk;
mod out_of_core;
mod persisted;
mod progress;
mod registered;
mod remote;
mod secrets;
mod sessions;
mod spilling;
mod stages;
mod tasks;
mod writing;
