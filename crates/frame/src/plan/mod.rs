//! Rewrites of logical plans that DataFusion's own rules do not do.

pub mod decorrelate;
pub(crate) mod long_chain;
pub(crate) mod outer_build;
mod set_all;

pub(crate) use set_all::count_repeated_rows;
