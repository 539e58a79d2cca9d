//! From text to plan.

pub(crate) mod aliases;
pub(crate) mod calls;
pub(crate) mod defaults;
pub(crate) mod depth;
pub(crate) mod desugar;
mod dialect;
pub(crate) mod grammar;
pub(crate) mod macros;
pub(crate) mod names;
pub(crate) mod parse;
pub(crate) mod plan;
pub(crate) mod relations;
pub(crate) mod scope;
pub(crate) mod split;
pub(crate) mod translate;
pub(crate) mod unsupported;
pub(crate) mod walk;
