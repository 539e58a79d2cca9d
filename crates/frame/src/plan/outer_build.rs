//! Outer joins that keep unmatched rows of their build side build it in parts.

use std::sync::Arc;

use datafusion::common::config::{ConfigOptions, OptimizerOptions};
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{JoinType, Result};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::joins::{HashJoinExec, PartitionMode};
use datafusion::physical_plan::statistics::{StatisticsArgs, StatisticsContext};

/// Keeps joins from building one table for all partitions where rows of it that match nothing come out as well.
///
/// Only one thread gives those rows, and what groups by the key of such a join, as TPC-H Q13 does, has to split its input
/// again. So the small build sides of outer joins are those that DataFusion takes for small, not the larger ones that pay for
/// inner joins.
#[derive(Debug)]
pub(crate) struct OuterBuildInParts;

impl PhysicalOptimizerRule for OuterBuildInParts {
    fn name(&self) -> &str {
        "outer_build_in_parts"
    }

    fn schema_check(&self) -> bool {
        true
    }

    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let ours = Small::of(&config.optimizer);
        let stock = Small::of(&OptimizerOptions::default());
        plan.transform_up(|node| {
            let Some(join) = node.downcast_ref::<HashJoinExec>() else { return Ok(Transformed::no(node)) };
            let is_wrong = *join.partition_mode() == PartitionMode::Auto
                && match join.join_type() {
                    JoinType::Left | JoinType::Full => !stock.holds(join.left()),
                    // Its sides change places if only the right one is small.
                    JoinType::Right => !ours.holds(join.left()) && !stock.holds(join.right()),
                    _ => false,
                };
            match is_wrong {
                true => {
                    let join = join.builder().with_partition_mode(PartitionMode::Partitioned).build_exec()?;
                    Ok(Transformed::yes(join))
                }
                false => Ok(Transformed::no(node)),
            }
        })
        .data()
    }
}

/// The largest build side that is held whole.
struct Small {
    bytes: usize,
    rows: usize,
}

impl Small {
    fn of(options: &OptimizerOptions) -> Self {
        Self {
            bytes: options.hash_join_single_partition_threshold,
            rows: options.hash_join_single_partition_threshold_rows,
        }
    }

    fn holds(&self, plan: &Arc<dyn ExecutionPlan>) -> bool {
        let statistics = StatisticsContext::new().compute(plan.as_ref(), &StatisticsArgs::new());
        let Ok(statistics) = statistics else { return false };
        match (statistics.total_byte_size.get_value(), statistics.num_rows.get_value()) {
            (Some(bytes), _) => *bytes < self.bytes,
            (None, Some(rows)) => *rows < self.rows,
            (None, None) => false,
        }
    }
}
