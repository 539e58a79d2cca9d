//! Plans as bytes, so that other processes run them.
//!
//! ```text
//!   plan ── encode ──> bytes ── decode ──> a plan that gives the same rows and the same errors
//!     '───────────── compare ──────────────'
//! ```
//!
//! DataFusion's own encoding carries most operators and expressions. It leaves out what some of them are told: whether an
//! overflow is an error, the options of a cast, the compression and order of files, the projection of a series. What it
//! leaves out travels beside it, and what it does not know has an encoding here.
//!
//! # Invariants
//! - **What is decoded is what was encoded**: bytes are only given out once they were decoded and the plan of them was
//!   compared with the original, node by node and expression by expression.
//! - **What cannot travel says so**, by [`NotPortable`], and runs where it is.
//! - **Functions travel by name**, and only if the other side has the same function under it.

mod compare;
mod converter;
mod exprs;
mod files;
mod functions;
mod nodes;
mod rows;
mod series;
mod windows;
pub(super) mod wire;

use std::sync::{Arc, Mutex, PoisonError};

use datafusion::error::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::logical_expr::physical_planning_context::ScalarSubqueryResults;
use datafusion::physical_plan::ExecutionPlan;
use thiserror::Error;

use self::converter::Converter;
use super::read::ReadExec;
use crate::cancel;

/// Why a plan cannot be sent to another process. It can still run in this one.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NotPortable {
    /// A function that the other side does not have, such as a closure of the embedding program.
    #[error("function {name} exists in this process only")]
    Function {
        /// The function.
        name: String,
    },
    /// A table that code of the embedding program reads.
    #[error("{table} is read by code of this process")]
    Table {
        /// What the plan shows of it.
        table: String,
    },
    /// Files in a store that only this process is known to reach.
    #[error("the files at {url} are not on a disk of this machine")]
    Store {
        /// The store.
        url: String,
    },
    /// An operator of which several tasks must be in one process.
    #[error("the partitions of {operator} share what they find")]
    Shared {
        /// The operator.
        operator: String,
    },
    /// A plan that writes.
    #[error("a statement that writes runs in the process of its session")]
    Write,
    /// A plan that shows what its operators have counted.
    #[error("EXPLAIN ANALYZE shows what the operators of this process count")]
    Analyze,
    /// An operator or expression that has no encoding.
    #[error("{what} has no encoding")]
    NoEncoding {
        /// The operator or expression.
        what: String,
    },
    /// A plan whose bytes stand for another plan: they are not used.
    #[error("{operator} comes out of its bytes with another {difference}")]
    Changed {
        /// The operator.
        operator: String,
        /// What is different.
        difference: String,
    },
}

impl From<NotPortable> for DataFusionError {
    fn from(error: NotPortable) -> Self {
        Self::External(Box::new(error))
    }
}

impl NotPortable {
    /// What `error`, of the encoding of a plan, says about it.
    fn of(error: &DataFusionError) -> Self {
        let root = error.find_root();
        if let DataFusionError::External(external) = root
            && let Some(own) = external.downcast_ref::<Self>()
        {
            return own.clone();
        }
        Self::NoEncoding { what: shortened(&root.strip_backtrace()) }
    }
}

/// The longest text of an operator or expression in an error.
const SHOWN_MAX: usize = 120;

fn shortened(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    match line.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None => line.to_owned(),
    }
}

/// What a plan that is a part of another has from outside.
#[derive(Debug, Default, Clone)]
pub(super) struct Outside {
    /// The nodes that read other parts.
    pub(super) reads: Vec<Arc<ReadExec>>,
    /// Values of scalar subqueries that other parts find.
    pub(super) values: Vec<Places>,
}

/// Where values of scalar subqueries are kept, and how many.
pub(super) type Places = (ScalarSubqueryResults, usize);

/// A plan as bytes. `context` has the functions and settings of whoever decodes it.
pub(super) fn encode(
    plan: &Arc<dyn ExecutionPlan>,
    outside: &Outside,
    context: &Arc<TaskContext>,
) -> Result<Vec<u8>, NotPortable> {
    let encoded = || {
        let bytes = Converter::of_plan(outside, context).encode(plan)?;
        let (decoded, _) = decode_bare(&bytes, context)?;
        compare::plans(plan, &decoded)?;
        Ok(bytes)
    };
    encoded().map_err(|error| NotPortable::of(&error))
}

/// The plan that was encoded as `bytes`, and what it has from outside, in the order in which that was given.
///
/// Its operators stop when the statement of `context` is cancelled.
pub(super) fn decode(bytes: &[u8], context: &Arc<TaskContext>) -> Result<(Arc<dyn ExecutionPlan>, Outside)> {
    let (plan, outside) = decode_bare(bytes, context)?;
    Ok((cancel::stoppable_in(plan, context)?, outside))
}

/// [`decode`], of a plan that nothing stops.
pub(super) fn decode_bare(bytes: &[u8], context: &Arc<TaskContext>) -> Result<(Arc<dyn ExecutionPlan>, Outside)> {
    Converter::decode(bytes, context)
}

/// The plans of a session that could not be sent elsewhere, with the reasons.
#[derive(Debug, Default)]
pub(crate) struct Kept(Mutex<Vec<(NotPortable, u64)>>);

impl Kept {
    pub(super) fn add(&self, reason: NotPortable) {
        let mut reasons = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match reasons.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, n)) => *n += 1,
            None => reasons.push((reason, 1)),
        }
    }

    pub(crate) fn reasons(&self) -> Vec<(NotPortable, u64)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests;
