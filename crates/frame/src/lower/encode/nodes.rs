//! Operators that DataFusion's encoding does not know, or of which it says too little.

use std::sync::Arc;

use datafusion::arrow::compute::SortOptions;
use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::datasource::sink::DataSinkExec;
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::physical_planning_context::SubqueryIndex;
use datafusion::physical_expr::{LexOrdering, PhysicalSortExpr};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::analyze::AnalyzeExec;
use datafusion::physical_plan::memory::LazyMemoryExec;
use datafusion::physical_plan::recursive_query::RecursiveQueryExec;
use datafusion::physical_plan::scalar_subquery::{ScalarSubqueryExec, ScalarSubqueryLink};
use datafusion::physical_plan::sorts::partial_sort::PartialSortExec;
use datafusion::physical_plan::sorts::partitioned_topk::{PartitionedTopKExec, WindowFnKind};
use datafusion::physical_plan::streaming::StreamingTableExec;
use datafusion::physical_plan::windows::{BoundedWindowAggExec, WindowAggExec};
use datafusion::physical_plan::work_table::WorkTableExec;
use datafusion_proto::protobuf::PhysicalPlanNode;
use serde::{Deserialize, Serialize};

use super::converter::{Converter, extension};
use super::{NotPortable, files, rows, series, windows, wire};
use crate::lower::read::ReadExec;
use crate::lower::source::SourceExec;

/// An operator without its inputs.
#[derive(Serialize, Deserialize)]
pub(super) enum Wire {
    /// A scan of files; the input is DataFusion's own encoding of it.
    Files(files::Beside),
    Avro(files::Avro),
    Text(files::Text),
    /// A series; the input is DataFusion's own encoding of it.
    Series(series::Beside),
    /// Window functions; the input is DataFusion's own encoding of them.
    Windows(windows::Beside),
    Read(rows::Read),
    /// The inputs are the plan and its subqueries, whose values go to the positions `indices` of a place.
    Subqueries {
        values_idx: usize,
        indices: Vec<usize>,
    },
    /// The inputs are the first rows, and those that follow from the rows before.
    Recursive {
        name: String,
        schema: Vec<u8>,
        is_distinct: bool,
    },
    /// The rows that a recursive query found last.
    WorkTable {
        name: String,
        schema: Vec<u8>,
        projection: Option<Vec<usize>>,
    },
    PartialSort {
        order: Vec<Sort>,
        n_sorted: usize,
        keeps_partitions: bool,
        fetch: Option<usize>,
    },
    PartitionedTopK {
        order: Vec<Sort>,
        n_keys: usize,
        fetch: usize,
        keeps_ties: bool,
    },
}

/// An expression to sort by.
#[derive(Serialize, Deserialize)]
pub(super) struct Sort {
    expr: Vec<u8>,
    descending: bool,
    nulls_first: bool,
}

impl Sort {
    pub(super) fn of(
        converter: &Converter,
        order: impl IntoIterator<Item = impl AsRef<PhysicalSortExpr>>,
    ) -> Result<Vec<Self>> {
        let order = order.into_iter().map(|sort| {
            let PhysicalSortExpr { expr, options } = sort.as_ref();
            let SortOptions { descending, nulls_first } = *options;
            Ok(Self { expr: converter.expr_bytes(expr)?, descending, nulls_first })
        });
        order.collect()
    }

    pub(super) fn to_exprs(converter: &Converter, order: &[Self], schema: &Schema) -> Result<Vec<PhysicalSortExpr>> {
        let order = order.iter().map(|sort| {
            let options = SortOptions { descending: sort.descending, nulls_first: sort.nulls_first };
            Ok(PhysicalSortExpr { expr: converter.expr(&sort.expr, schema)?, options })
        });
        order.collect()
    }
}

fn ordering(converter: &Converter, order: &[Sort], schema: &SchemaRef) -> Result<LexOrdering> {
    LexOrdering::new(Sort::to_exprs(converter, order, schema)?).ok_or_else(|| wire::missing("an order"))
}

fn written(converter: &Converter, wire: &Wire, inputs: Vec<&Arc<dyn ExecutionPlan>>) -> Result<PhysicalPlanNode> {
    let inputs = inputs.into_iter().map(|input| converter.plan_to_proto(input)).collect::<Result<_>>()?;
    Ok(extension(wire::to_bytes(wire)?, inputs))
}

/// The operator, with everything below it, in an encoding of ours; `None` if DataFusion's says all of it.
pub(super) fn encode(converter: &Converter, plan: &Arc<dyn ExecutionPlan>) -> Result<Option<PhysicalPlanNode>> {
    if plan.is::<DataSinkExec>() {
        return Err(NotPortable::Write.into());
    }
    if plan.is::<AnalyzeExec>() {
        return Err(NotPortable::Analyze.into());
    }
    let node = if let Some(source) = plan.downcast_ref::<DataSourceExec>() {
        return files::encode(converter, plan, source);
    } else if let Some(stream) = plan.downcast_ref::<StreamingTableExec>() {
        return Err(NotPortable::Table { table: table_of(stream) }.into());
    } else if let Some(source) = plan.downcast_ref::<SourceExec>() {
        return Err(source.link().not_portable().into());
    } else if let Some(lazy) = plan.downcast_ref::<LazyMemoryExec>() {
        let beside = series::Beside::of(converter, lazy)?;
        let whole = beside.whole(converter.stock_plan_to_proto(plan)?)?;
        extension(wire::to_bytes(&Wire::Series(beside))?, vec![whole])
    } else if plan.is::<WindowAggExec>() || plan.is::<BoundedWindowAggExec>() {
        let beside = windows::Beside::of(plan)?;
        extension(wire::to_bytes(&Wire::Windows(beside))?, vec![converter.stock_plan_to_proto(plan)?])
    } else if let Some(read) = plan.downcast_ref::<ReadExec>() {
        written(converter, &Wire::Read(rows::Read::of(converter, read)?), Vec::new())?
    } else if let Some(scalar) = plan.downcast_ref::<ScalarSubqueryExec>() {
        subqueries(converter, scalar)?
    } else if let Some(recursive) = plan.downcast_ref::<RecursiveQueryExec>() {
        let name = recursive.name().to_owned();
        let wire = Wire::Recursive {
            name: name.clone(),
            schema: wire::schema_bytes(&plan.schema())?,
            is_distinct: recursive.is_distinct(),
        };
        converter.recursive.borrow_mut().push((name, plan.schema()));
        let node = written(converter, &wire, vec![recursive.static_term(), recursive.recursive_term()]);
        converter.recursive.borrow_mut().pop();
        node?
    } else if let Some(table) = plan.downcast_ref::<WorkTableExec>() {
        written(converter, &work_table(converter, table)?, Vec::new())?
    } else if let Some(sort) = plan.downcast_ref::<PartialSortExec>() {
        let wire = Wire::PartialSort {
            order: Sort::of(converter, sort.expr().iter().map(ByRef))?,
            n_sorted: sort.common_prefix_length(),
            keeps_partitions: sort.preserve_partitioning(),
            fetch: sort.fetch(),
        };
        written(converter, &wire, vec![sort.input()])?
    } else if let Some(top) = plan.downcast_ref::<PartitionedTopKExec>() {
        let wire = Wire::PartitionedTopK {
            order: Sort::of(converter, top.expr().iter().map(ByRef))?,
            n_keys: top.partition_prefix_len(),
            fetch: top.fetch(),
            keeps_ties: top.fn_kind() == WindowFnKind::Rank,
        };
        written(converter, &wire, vec![top.input()])?
    } else {
        return Ok(None);
    };
    Ok(Some(node))
}

/// The name of what a stream reads.
fn table_of(stream: &StreamingTableExec) -> String {
    let text = stream.partitions().first().map(|partition| format!("{partition:?}")).unwrap_or_default();
    super::shortened(text.split(" {").next().unwrap_or_default())
}

/// Lends a sort expression.
pub(super) struct ByRef<'a>(pub(super) &'a PhysicalSortExpr);

impl AsRef<PhysicalSortExpr> for ByRef<'_> {
    fn as_ref(&self) -> &PhysicalSortExpr {
        self.0
    }
}

fn subqueries(converter: &Converter, scalar: &ScalarSubqueryExec) -> Result<PhysicalPlanNode> {
    let indices: Vec<usize> = scalar.subqueries().iter().map(|link| link.index.as_usize()).collect();
    let n_values = indices.iter().map(|idx| idx + 1).max().unwrap_or(0);
    let values_idx = converter.values_idx(scalar.results(), n_values);
    let mut inputs = vec![scalar.input()];
    inputs.extend(scalar.subqueries().iter().map(|link| &link.plan));
    written(converter, &Wire::Subqueries { values_idx, indices }, inputs)
}

/// The node does not tell its projection, but the query around it tells of which columns it was one.
fn work_table(converter: &Converter, table: &WorkTableExec) -> Result<Wire> {
    let no_encoding = || NotPortable::NoEncoding { what: format!("what {} reads of itself", table.name()) };
    let recursive = converter.recursive.borrow();
    let whole = recursive.iter().rev().find(|(name, _)| name == table.name()).map(|(_, schema)| schema);
    let whole = whole.ok_or_else(no_encoding)?;
    let read = table.schema();
    let projection = if read.fields().len() == whole.fields().len() {
        None
    } else {
        let mut positions = Vec::new();
        for field in read.fields() {
            let mut same = whole.fields().iter().enumerate().filter(|(_, other)| other.name() == field.name());
            match (same.next(), same.next()) {
                (Some((position, _)), None) => positions.push(position),
                _ => return Err(no_encoding().into()),
            }
        }
        Some(positions)
    };
    // The whole schema as the node sees it: fields that it reads may be nullable here and not there.
    let mut fields: Vec<_> = whole.fields().iter().cloned().collect();
    for (i, field) in read.fields().iter().enumerate() {
        fields[projection.as_ref().map_or(i, |positions| positions[i])] = Arc::clone(field);
    }
    let schema = wire::schema_bytes(&Schema::new_with_metadata(fields, read.metadata().clone()))?;
    Ok(Wire::WorkTable { name: table.name().to_owned(), schema, projection })
}

/// The operator that was encoded as `bytes` over `inputs`.
pub(super) fn decode(
    converter: &Converter,
    bytes: &[u8],
    inputs: &[PhysicalPlanNode],
) -> Result<Arc<dyn ExecutionPlan>> {
    let inputs = || inputs.iter().map(|input| converter.plan_from_proto(input)).collect::<Result<Vec<_>>>();
    let one = || match inputs()?.as_slice() {
        [input] => Ok::<_, DataFusionError>(Arc::clone(input)),
        _ => Err(wire::missing("an input")),
    };
    Ok(match wire::from_bytes(bytes)? {
        Wire::Files(beside) => beside.put_to(&one()?)?,
        Wire::Avro(avro) => avro.to_scan(converter)?,
        Wire::Text(text) => text.to_scan(converter)?,
        Wire::Series(beside) => beside.put_to(converter, &one()?)?,
        Wire::Windows(beside) => beside.put_to(&one()?)?,
        Wire::Read(read) => read.to_node(converter)?,
        Wire::Subqueries { values_idx, indices } => {
            let mut inputs = inputs()?.into_iter();
            let input = inputs.next().ok_or_else(|| wire::missing("an input"))?;
            let links =
                inputs.zip(indices).map(|(plan, idx)| ScalarSubqueryLink { plan, index: SubqueryIndex::new(idx) });
            Arc::new(ScalarSubqueryExec::new(input, links.collect(), converter.values(values_idx)?))
        }
        Wire::Recursive { name, schema, is_distinct } => {
            let inputs = inputs()?;
            let [first, next] = inputs.as_slice() else { return Err(wire::missing("an input")) };
            let (first, next) = (Arc::clone(first), Arc::clone(next));
            Arc::new(RecursiveQueryExec::try_new(name, wire::schema(&schema)?, first, next, is_distinct)?)
        }
        Wire::WorkTable { name, schema, projection } => {
            Arc::new(WorkTableExec::new(name, wire::schema(&schema)?, projection)?)
        }
        Wire::PartialSort { order, n_sorted, keeps_partitions, fetch } => {
            let input = one()?;
            let sort = PartialSortExec::new(ordering(converter, &order, &input.schema())?, input, n_sorted);
            Arc::new(sort.with_preserve_partitioning(keeps_partitions).with_fetch(fetch))
        }
        Wire::PartitionedTopK { order, n_keys, fetch, keeps_ties } => {
            let input = one()?;
            let order = ordering(converter, &order, &input.schema())?;
            let kind = if keeps_ties { WindowFnKind::Rank } else { WindowFnKind::RowNumber };
            Arc::new(PartitionedTopKExec::try_new(input, order, n_keys, fetch, kind)?)
        }
    })
}
