use std::sync::Arc;

use datafusion::common::FunctionalDependencies;
use datafusion::common::tree_node::Transformed;
use datafusion::datasource::{provider_as_source, source_as_provider};
use datafusion::error::Result;
use datafusion::logical_expr::{LogicalPlan, TableScan};

use super::TableSnapshot;

/// `plan` without what was derived from the keys of its tables.
///
/// SqlToRel needs primary keys to know that `SELECT name FROM t GROUP BY id` has one name for each group, and has added the
/// name to the grouping by now. Optimizer rules must not see them: they derive too much above a GROUP BY over a join.
pub(crate) fn forget_keys(plan: LogicalPlan) -> Result<LogicalPlan> {
    let scans = plan.transform_down_with_subqueries(|node| match node {
        LogicalPlan::TableScan(scan) if !scan.projected_schema.functional_dependencies().is_empty() => {
            let provider = source_as_provider(&scan.source)?;
            let Some(snapshot) = provider.downcast_ref::<TableSnapshot>() else {
                return Ok(Transformed::no(LogicalPlan::TableScan(scan)));
            };
            let source = provider_as_source(Arc::new(snapshot.without_keys()));
            let schema = scan.projected_schema.as_ref().clone();
            let schema = schema.with_functional_dependencies(FunctionalDependencies::empty())?;
            Ok(Transformed::yes(LogicalPlan::TableScan(TableScan {
                source,
                projected_schema: Arc::new(schema),
                ..scan
            })))
        }
        node => Ok(Transformed::no(node)),
    })?;
    if !scans.transformed {
        return Ok(scans.data);
    }
    Ok(scans.data.transform_up_with_subqueries(|node| node.recompute_schema().map(Transformed::yes))?.data)
}
