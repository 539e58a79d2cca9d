//! Rewrites of logical plans that DataFusion's own rules do not do.

pub mod decorrelate;
pub(crate) mod long_chain;
mod order_by_all;
pub(crate) mod outer_build;
mod set_all;

pub(crate) use order_by_all::{ALL_COLUMNS, all_columns, sort_by_all_columns};
pub(crate) use set_all::count_repeated_rows;
