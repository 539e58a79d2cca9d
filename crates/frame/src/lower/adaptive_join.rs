use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::{RecordBatch, RecordBatchOptions};
use datafusion::arrow::compute::SortOptions;
use datafusion::arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::error::Result;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::JoinType;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{LexOrdering, PhysicalExpr, PhysicalSortExpr};
use datafusion::physical_plan::execution_plan::CardinalityEffect;
use datafusion::physical_plan::joins::utils::JoinFilter;
use datafusion::physical_plan::joins::{HashJoinExec, PartitionMode, SortMergeJoinExec};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, PlanProperties};
use futures::{StreamExt, TryStreamExt, stream};

use super::or_without_memory;
use super::read::ReadExec;
use super::row_key::RowKey;

/// How many times smaller the right side must be to become the table although the left one fits.
const SWAP_FACTOR: usize = 2;

/// A join of a stage. Each partition is joined in the form that fits the rows that are there, whatever the plan expected:
/// a table of the left rows, one of the right rows, or, if neither fits in memory, both sides sorted and merged. A table
/// that finds no memory before the first row of the result gives way to sorting as well.
#[derive(Debug)]
pub(super) struct AdaptiveJoinExec {
    /// The join as planned: a table of its left rows.
    planned: Arc<dyn ExecutionPlan>,
    /// The same with a table of its right rows; `None` if that would be another join.
    swapped: Option<Arc<dyn ExecutionPlan>>,
    /// The same with both sides sorted; `None` if there are no keys.
    merged: Option<Arc<dyn ExecutionPlan>>,
    /// The bytes of the rows of a partition up to which a table is made of them.
    table_bytes_max: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Choice {
    Planned,
    Swapped,
    Merged,
}

impl AdaptiveJoinExec {
    /// In place of `plan`, if that is a join of partitions by hash.
    pub(super) fn of(plan: &Arc<dyn ExecutionPlan>, table_bytes_max: usize) -> Result<Option<Self>> {
        let Some(join) = plan.downcast_ref::<HashJoinExec>() else { return Ok(None) };
        if *join.partition_mode() != PartitionMode::Partitioned || !is_plain(plan, join) {
            return Ok(None);
        }
        let order = plan.output_ordering();
        let swapped = match join.join_type().supports_swap() {
            true => Some(ordered(join.swap_inputs(PartitionMode::Partitioned)?, order)),
            false => None,
        };
        let merged = if join.on().is_empty() { None } else { Some(ordered(merge(join)?, order)) };
        Ok(Some(Self { planned: Arc::clone(plan), swapped, merged, table_bytes_max }))
    }

    fn choose(&self, left: Option<usize>, right: Option<usize>) -> Choice {
        let (Some(left), Some(right)) = (left, right) else { return Choice::Planned };
        let fits = |bytes| bytes <= self.table_bytes_max;
        let swaps = self.swapped.is_some() && right < left && (!fits(left) || right < left / SWAP_FACTOR);
        match (swaps, self.merged.is_some()) {
            (true, true) if !fits(right) => Choice::Merged,
            (true, _) => Choice::Swapped,
            (false, true) if !fits(left) => Choice::Merged,
            (false, _) => Choice::Planned,
        }
    }

    /// The join as planned.
    pub(super) fn planned(&self) -> &Arc<dyn ExecutionPlan> {
        &self.planned
    }

    /// The sides whose rows can be divided among tasks that each have all rows of the other: nothing is made of rows of
    /// the other side that have found no partner, nor of the first that they have found.
    pub(super) fn dividable_sides(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        use JoinType::*;
        let Some(join) = self.planned.downcast_ref::<HashJoinExec>() else { return Vec::new() };
        let [left, right] = self.planned.children()[..] else { return Vec::new() };
        match join.join_type() {
            Inner => vec![left, right],
            Left | LeftSemi | LeftAnti | LeftMark => vec![left],
            Right | RightSemi | RightAnti | RightMark => vec![right],
            Full => Vec::new(),
        }
    }

    /// The bytes that the sides of a partition have, where that is known.
    fn sides(&self, partition: usize) -> (Option<usize>, Option<usize>) {
        match self.planned.children().as_slice() {
            [left, right] => (read_bytes(left, partition), read_bytes(right, partition)),
            _ => (None, None),
        }
    }
}

/// Whether a join gives all rows that its keys and filter say, and asks nothing else of the plan.
pub(super) fn is_plain(plan: &Arc<dyn ExecutionPlan>, join: &HashJoinExec) -> bool {
    join.fetch().is_none() && !join.null_aware && plan.dynamic_expressions_produced().is_empty()
}

/// The plan with every join of partitions by hash in a form that follows the sizes.
pub(super) fn adapted(plan: Arc<dyn ExecutionPlan>, table_bytes_max: usize) -> Result<Arc<dyn ExecutionPlan>> {
    plan.transform_up(|node| match AdaptiveJoinExec::of(&node, table_bytes_max)? {
        Some(join) => Ok(Transformed::yes(Arc::new(join) as Arc<dyn ExecutionPlan>)),
        None => Ok(Transformed::no(node)),
    })
    .data()
}

/// At most the bytes of a partition of `plan`, if these are rows that other tasks have left.
fn read_bytes(plan: &Arc<dyn ExecutionPlan>, partition: usize) -> Option<usize> {
    if let Some(read) = plan.downcast_ref::<ReadExec>() {
        return read.bytes(partition);
    }
    let is_bounded = matches!(plan.cardinality_effect(), CardinalityEffect::Equal | CardinalityEffect::LowerEqual);
    match plan.children().as_slice() {
        [child] if is_bounded => read_bytes(child, partition),
        _ => None,
    }
}

/// Whether the merge finds rows equal as hashing does, without bytes made of the key.
fn is_merged_as_is(key: &DataType) -> bool {
    match key {
        DataType::Timestamp(_, zone) => zone.is_none(),
        DataType::Boolean | DataType::Date32 | DataType::Date64 | DataType::Decimal128(..) => true,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => true,
        key => key.is_integer(),
    }
}

fn merge(join: &HashJoinExec) -> Result<Arc<dyn ExecutionPlan>> {
    let options = SortOptions::default();
    let sorted = |side: &Arc<dyn ExecutionPlan>, keys: Vec<Arc<dyn PhysicalExpr>>| -> Arc<dyn ExecutionPlan> {
        let order = LexOrdering::new(keys.into_iter().map(|key| PhysicalSortExpr::new(key, options)));
        order.map_or_else(|| Arc::clone(side), |order| sort(Arc::clone(side), order))
    };
    let schema = join.left().schema();
    let mut on = Vec::new();
    for (left, right) in join.on() {
        on.push(match is_merged_as_is(&left.data_type(&schema)?) {
            true => (Arc::clone(left), Arc::clone(right)),
            false => (row_key(left), row_key(right)),
        });
    }
    let (left_keys, right_keys) = on.iter().cloned().unzip();
    let merge = SortMergeJoinExec::try_new(
        sorted(join.left(), left_keys),
        sorted(join.right(), right_keys),
        on,
        join.filter().map(of_nullable),
        *join.join_type(),
        vec![options; join.on().len()],
        join.null_equality(),
    )?;
    let Some(projection) = &join.projection else { return Ok(Arc::new(merge)) };
    let schema = merge.schema();
    let columns = projection.iter().map(|&column| {
        let name = schema.field(column).name();
        (Arc::new(Column::new(name, column)) as Arc<dyn PhysicalExpr>, name.clone())
    });
    let columns: Vec<_> = columns.collect();
    Ok(Arc::new(ProjectionExec::try_new(columns, Arc::new(merge))?))
}

fn row_key(key: &Arc<dyn PhysicalExpr>) -> Arc<dyn PhysicalExpr> {
    Arc::new(RowKey::new(Arc::clone(key)))
}

/// A filter that takes NULL in every column: merging asks it about rows that have no partner.
fn of_nullable(filter: &JoinFilter) -> JoinFilter {
    let fields = filter.schema().fields().iter().map(|field| field.as_ref().clone().with_nullable(true));
    let schema = Schema::new_with_metadata(fields.collect::<Vec<_>>(), filter.schema().metadata().clone());
    JoinFilter::new(Arc::clone(filter.expression()), filter.column_indices().to_vec(), Arc::new(schema))
}

fn sort(plan: Arc<dyn ExecutionPlan>, order: LexOrdering) -> Arc<dyn ExecutionPlan> {
    Arc::new(SortExec::new(order, plan).with_preserve_partitioning(true))
}

/// The rows of `plan` in an order that whoever reads them counts on.
fn ordered(plan: Arc<dyn ExecutionPlan>, order: Option<&LexOrdering>) -> Arc<dyn ExecutionPlan> {
    match order {
        Some(order) => sort(plan, order.clone()),
        None => plan,
    }
}

/// The rows of a plan that is written in another way, under the names and types of this one.
fn renamed(rows: SendableRecordBatchStream, schema: SchemaRef) -> SendableRecordBatchStream {
    let to = Arc::clone(&schema);
    let rows = rows.map(move |batch| {
        let batch = batch?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&to), batch.columns().to_vec(), &options)?)
    });
    Box::pin(RecordBatchStreamAdapter::new(schema, rows))
}

impl DisplayAs for AdaptiveJoinExec {
    fn fmt_as(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match format {
            DisplayFormatType::TreeRender => Ok(()),
            _ => f.write_str("AdaptiveJoinExec"),
        }
    }
}

impl ExecutionPlan for AdaptiveJoinExec {
    fn name(&self) -> &str {
        "AdaptiveJoinExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.planned.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.planned]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        let [join] = children.as_slice() else { return Ok(self) };
        Ok(match Self::of(join, self.table_bytes_max)? {
            Some(adaptive) => Arc::new(adaptive),
            None => Arc::clone(join),
        })
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let (left, right) = self.sides(partition);
        let schema = self.schema();
        let table = match (self.choose(left, right), &self.swapped, &self.merged) {
            (Choice::Merged, _, Some(merged)) => return Ok(renamed(merged.execute(partition, context)?, schema)),
            (Choice::Swapped, Some(swapped), _) => renamed(swapped.execute(partition, Arc::clone(&context))?, schema),
            _ => self.planned.execute(partition, Arc::clone(&context))?,
        };
        let Some(merged) = self.merged.clone() else { return Ok(table) };
        let schema = self.schema();
        let to = Arc::clone(&schema);
        let otherwise = move || async move { Ok(renamed(merged.execute(partition, context)?, to)) };
        let rows = stream::once(or_without_memory(table, otherwise)).try_flatten();
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, rows)))
    }
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::datatypes::Field;
    use datafusion::common::NullEquality;
    use datafusion::physical_plan::empty::EmptyExec;
    use datafusion::physical_plan::joins::HashJoinExec;

    use super::*;

    fn join(key: &DataType, join_type: JoinType) -> Arc<dyn ExecutionPlan> {
        let side = |name: &str| {
            let fields = vec![Field::new(name, key.clone(), true), Field::new("text", DataType::Utf8, true)];
            Arc::new(EmptyExec::new(Arc::new(Schema::new(fields)))) as Arc<dyn ExecutionPlan>
        };
        let column = |name: &str| Arc::new(Column::new(name, 0)) as Arc<dyn PhysicalExpr>;
        let on = vec![(column("a"), column("b"))];
        let (mode, nulls) = (PartitionMode::Partitioned, NullEquality::NullEqualsNothing);
        let join = HashJoinExec::try_new(side("a"), side("b"), on, None, &join_type, None, mode, nulls, false);
        Arc::new(join.unwrap())
    }

    fn adaptive(plan: &Arc<dyn ExecutionPlan>) -> AdaptiveJoinExec {
        AdaptiveJoinExec::of(plan, 100).unwrap().unwrap()
    }

    #[test]
    fn the_form_follows_the_sizes() {
        let join = adaptive(&join(&DataType::Int64, JoinType::Left));
        let chosen = [
            ((Some(50), Some(1000)), Choice::Planned),
            ((Some(50), Some(40)), Choice::Planned),
            ((Some(50), Some(10)), Choice::Swapped),
            ((Some(101), Some(100)), Choice::Swapped),
            ((Some(1000), Some(101)), Choice::Merged),
            ((Some(101), Some(1000)), Choice::Merged),
            ((Some(0), Some(0)), Choice::Planned),
            ((None, Some(0)), Choice::Planned),
        ];
        for ((left, right), choice) in chosen {
            assert_eq!(join.choose(left, right), choice, "{left:?}, {right:?}");
        }
    }

    #[test]
    fn keys_without_an_order_of_their_own_are_merged_by_their_bytes() {
        use datafusion::arrow::datatypes::TimeUnit;
        for key in [DataType::Float64, DataType::Time64(TimeUnit::Microsecond), DataType::Decimal256(50, 2)] {
            let join = adaptive(&join(&key, JoinType::Inner));
            let shown =
                format!("{}", datafusion::physical_plan::displayable(join.merged.unwrap().as_ref()).indent(false));
            assert_eq!(shown.matches("row_key(").count(), 4, "{shown}");
        }
    }

    #[test]
    fn all_forms_have_the_same_columns() {
        use JoinType::*;
        for join_type in [Inner, Left, Right, Full, LeftSemi, RightSemi, LeftAnti, RightAnti, LeftMark, RightMark] {
            let plan = join(&DataType::Utf8, join_type);
            let join = adaptive(&plan);
            let columns = |plan: &Arc<dyn ExecutionPlan>| {
                let schema = plan.schema();
                let columns = schema.fields().iter().map(|field| (field.name().clone(), field.data_type().clone()));
                columns.collect::<Vec<_>>()
            };
            for form in [&join.swapped, &join.merged] {
                assert_eq!(columns(form.as_ref().unwrap()), columns(&plan), "{join_type}");
            }
        }
    }
}
