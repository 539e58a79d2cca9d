//! The core under a simulator, and by itself.

mod decisions;
mod graphs;
mod history;
mod rng;
mod world;
