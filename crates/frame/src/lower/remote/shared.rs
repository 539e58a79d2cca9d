//! Operators whose partitions tell each other something while they run.

use std::sync::Arc;

use datafusion::common::JoinType;
use datafusion::physical_plan::joins::{
    CrossJoinExec, HashJoinExec, NestedLoopJoinExec, PartitionMode, PiecewiseMergeJoinExec,
};
use datafusion::physical_plan::recursive_query::RecursiveQueryExec;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};

use crate::lower::encode::NotPortable;
use crate::lower::read::{ReadExec, Reads};

/// Refuses a stage of several tasks with an operator that needs all of them in one process.
///
/// A join that gives the rows of a table that it builds once gives those that match nothing when the last partition is done.
pub(super) fn check(plan: &Arc<dyn ExecutionPlan>) -> Result<(), NotPortable> {
    // A side that is read whole by every task must not come in pieces.
    let is_built_whole =
        plan.downcast_ref::<HashJoinExec>().is_some_and(|join| *join.partition_mode() != PartitionMode::Partitioned)
            || plan.is::<NestedLoopJoinExec>()
            || plan.is::<CrossJoinExec>();
    let shares =
        tells_others(plan) || (is_built_whole && plan.children().first().is_some_and(|built| reads_pieces(built)));
    if shares && plan.output_partitioning().partition_count() > 1 {
        return Err(NotPortable::Shared { operator: plan.name().to_owned() });
    }
    plan.children().into_iter().try_for_each(check)
}

/// Whether an operator tells one of its partitions what another has found.
pub(in crate::lower) fn tells_others(plan: &Arc<dyn ExecutionPlan>) -> bool {
    if let Some(join) = plan.downcast_ref::<HashJoinExec>() {
        *join.partition_mode() != PartitionMode::Partitioned && (gives_built_rows(*join.join_type()) || join.null_aware)
    } else if let Some(join) = plan.downcast_ref::<NestedLoopJoinExec>() {
        gives_built_rows(*join.join_type())
    } else {
        plan.is::<PiecewiseMergeJoinExec>()
    }
}

fn reads_pieces(plan: &Arc<dyn ExecutionPlan>) -> bool {
    match plan.downcast_ref::<ReadExec>() {
        Some(read) => read.reads() == Reads::Piece,
        None => plan.children().into_iter().any(reads_pieces),
    }
}

fn gives_built_rows(join_type: JoinType) -> bool {
    matches!(join_type, JoinType::Left | JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark | JoinType::Full)
}

/// Whether an operator keeps what it has found, so that the plan can be run once.
pub(super) fn runs_once(plan: &Arc<dyn ExecutionPlan>) -> bool {
    plan.is::<RecursiveQueryExec>() || plan.children().into_iter().any(runs_once)
}
