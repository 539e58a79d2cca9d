//! Rewrites of logical plans that DataFusion's own rules do not do.

pub mod decorrelate;
mod set_all;

pub(crate) use set_all::count_repeated_rows;
