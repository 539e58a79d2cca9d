//! A CASE in the condition of a join is not computed in parts.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::CaseExpr;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::projection_pushdown::ProjectionPushdown;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::joins::NestedLoopJoinExec;
use datafusion::physical_plan::projection::remove_unnecessary_projections;

/// DataFusion's rule of the same name, without a step where that would be wrong.
///
/// The rule computes parts of a nested-loop join's condition below the join, once for each row of one side. For an arm of a
/// CASE that is too early: `CASE WHEN v = 0 THEN true ELSE 10 / v = k END` would divide by zero.
#[derive(Debug, Default)]
pub(super) struct PushProjections {
    stock: ProjectionPushdown,
}

impl PhysicalOptimizerRule for PushProjections {
    fn name(&self) -> &str {
        self.stock.name()
    }

    fn schema_check(&self) -> bool {
        self.stock.schema_check()
    }

    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        match has_case_in_condition(&plan)? {
            true => plan.transform_down(remove_unnecessary_projections).data(),
            false => self.stock.optimize(plan, config),
        }
    }
}

fn has_case_in_condition(plan: &Arc<dyn ExecutionPlan>) -> Result<bool> {
    plan.exists(|node| match node.downcast_ref::<NestedLoopJoinExec>().and_then(NestedLoopJoinExec::filter) {
        Some(filter) => has_case(filter.expression()),
        None => Ok(false),
    })
}

fn has_case(expr: &Arc<dyn PhysicalExpr>) -> Result<bool> {
    let mut found = false;
    expr.apply(|part| {
        found |= part.downcast_ref::<CaseExpr>().is_some();
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(found)
}
