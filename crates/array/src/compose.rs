//! NumPy's functions that are made of others.

mod arrange;
mod calculus;
mod grid;
mod matrix;
mod statistics;

pub use calculus::Spacing;
pub(crate) use statistics::inexact;
