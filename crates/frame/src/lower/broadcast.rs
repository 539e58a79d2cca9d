//! Joins without an exchange: if one side turns out to be small, it comes to the rows of the other instead of both being divided.
//!
//! ```text
//!   planned    small ─> [pieces] ─┐                    found small    small ─> [rows] ──┐
//!                                 ├ join ─ rest ─>                                      │
//!              large ─> [pieces] ─┘                                   large ─ join ─ rest ─> [pieces] ─ nothing ─>
//! ```
//!
//! The stage of the large side waits for the small one and sees its bytes. It then does the work of the stage that would
//! join them, whose tasks only pass on what it has made.

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use datafusion::common::JoinType;
use datafusion::error::{DataFusionError, Result};
use datafusion::physical_plan::execution_plan::{ChildrenPropertiesMode, ReplaceChildrenOptions};
use datafusion::physical_plan::joins::{HashJoinExec, PartitionMode};
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties, Partitioning};

use super::adaptive_join::{AdaptiveJoinExec, is_plain};
use super::read::ReadExec;
use super::shares::row_by_row;
use crate::cancel::{in_place_of, with_own_meter};

/// The most bytes of rows that come to every task of the other side. It is one table for all of them.
const SMALL_MAX: usize = 16 << 20;

/// What the stage of the large side of a join runs if the other one is small.
pub(super) struct Broadcast {
    /// Reads all rows of the side that may be small.
    small: Arc<ReadExec>,
    bytes_max: usize,
    joined: OnceLock<Mutex<Option<Joined>>>,
    is_chosen: OnceLock<bool>,
}

/// The plan of the stage that joins the sides, over the rows of the large one as they are made, and how its rows are divided.
pub(super) type Joined = (Arc<dyn ExecutionPlan>, Option<Partitioning>);

impl Broadcast {
    /// Of the rows that `small` reads, where a join makes tables of at most `table_bytes_max` bytes of rows.
    pub(super) fn new(small: Arc<ReadExec>, table_bytes_max: usize) -> Self {
        let bytes_max = SMALL_MAX.min(table_bytes_max);
        Self { small, bytes_max, joined: OnceLock::new(), is_chosen: OnceLock::new() }
    }

    /// What is run: `plan`, whose rows are then `divided`.
    pub(super) fn set(&self, plan: Arc<dyn ExecutionPlan>, divided: Option<Partitioning>) {
        let _ = self.joined.set(Mutex::new(Some((plan, divided))));
    }

    /// Decides, if that was not done before: the rows that may be few are there.
    pub(super) fn decide(&self) -> bool {
        let is_small = || self.small.bytes(0).is_some_and(|bytes| bytes <= self.bytes_max);
        *self.is_chosen.get_or_init(|| self.joined.get().is_some() && is_small())
    }

    /// The large side is not made by its stage: it only passes on rows.
    pub(super) fn give_up(&self) {
        let _ = self.is_chosen.set(false);
    }

    /// Whether it was decided that the joined rows are made.
    pub(super) fn is_chosen(&self) -> bool {
        self.is_chosen.get().copied().unwrap_or(false)
    }

    /// What makes the joined rows. The last task takes it, and with it the table.
    pub(super) fn joined(&self, is_last: bool) -> Option<Joined> {
        let mut joined = self.joined.get()?.lock().unwrap_or_else(PoisonError::into_inner);
        if is_last { joined.take() } else { joined.clone() }
    }
}

impl fmt::Debug for Broadcast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Broadcast").field("small", &self.small).finish_non_exhaustive()
    }
}

/// The exchanges below a join whose left side may come whole to the rows of the right one.
pub(super) fn exchanges<'a>(plan: &'a Arc<dyn ExecutionPlan>) -> Option<(&'a RepartitionExec, &'a RepartitionExec)> {
    let join = plan.downcast_ref::<HashJoinExec>()?;
    // What the left side has without a partner only all tasks together know.
    let is_by_right = matches!(
        join.join_type(),
        JoinType::Inner | JoinType::Right | JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark
    );
    if !is_by_right || !is_plain(plan, join) || *join.partition_mode() != PartitionMode::Partitioned {
        return None;
    }
    let [left, right] = plan.children()[..] else { return None };
    let exchange = |side: &'a Arc<dyn ExecutionPlan>| {
        side.downcast_ref::<RepartitionExec>().filter(|exchange| !exchange.preserve_order())
    };
    Some((exchange(left)?, exchange(right)?))
}

/// The plan of a stage with a join of what `read` reads, over `large` in its place; `None` if it has no such join.
pub(super) fn over(
    plan: &Arc<dyn ExecutionPlan>,
    read: &ReadExec,
    small: &Arc<ReadExec>,
    large: &Arc<dyn ExecutionPlan>,
) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    if let Some(adaptive) = plan.downcast_ref::<AdaptiveJoinExec>() {
        let planned = adaptive.planned();
        let Some(join) = planned.downcast_ref::<HashJoinExec>() else { return Ok(None) };
        if !join.right().downcast_ref::<ReadExec>().is_some_and(|right| std::ptr::eq(right, read)) {
            return Ok(None);
        }
        let sides: Vec<Arc<dyn ExecutionPlan>> = vec![Arc::clone(small) as _, Arc::clone(large)];
        let builder = join.builder().with_partition_mode(PartitionMode::CollectLeft).with_new_children(sides)?;
        let join = builder.reset_state().recompute_properties().build_exec()?;
        return Ok(Some(in_place_of(planned.as_ref(), join)));
    }
    let Some(child) = row_by_row(plan) else { return Ok(None) };
    let Some(child) = over(child, read, small, large)? else { return Ok(None) };
    let joined = Arc::clone(plan)
        .replace_children(vec![child], ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))?;
    if joined.output_partitioning().partition_count() != large.output_partitioning().partition_count() {
        return Err(DataFusionError::Internal(format!("{} changes the number of partitions", plan.name())));
    }
    Ok(Some(with_own_meter(joined)))
}
