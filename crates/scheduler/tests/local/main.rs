//! The local executor from the outside: what it gives back, and how it meets disks, signals and shortages.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a failed expectation is how a test reports, in its helpers as well")]

mod cancel;
mod close;
mod fan_in;
mod full_disk;
mod killed;
#[path = "../executors/programs.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod programs;
mod reports;
mod shortage;
mod soak;
mod world;
