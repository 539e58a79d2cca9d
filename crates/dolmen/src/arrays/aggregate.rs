//! Aggregates over the rows of an array become reductions of the array, so that no rows are made.
//!
//! ```text
//! Aggregate: group by [dim_0], [avg(value)]          Projection: dim_0, value_0
//!   Filter: dim_1 < 100                      ->        TableScan: a[:, :100].mean(axis=1)
//!     TableScan: a
//! ```

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema, TableReference};
use datafusion::datasource::{provider_as_source, source_as_provider};
use datafusion::error::Result as EngineResult;
use datafusion::functions_aggregate::average::avg_udaf;
use datafusion::functions_aggregate::bool_and_or::{bool_and_udaf, bool_or_udaf};
use datafusion::functions_aggregate::count::count_udaf;
use datafusion::functions_aggregate::min_max::{max_udaf, min_udaf};
use datafusion::functions_aggregate::stddev::{stddev_pop_udaf, stddev_udaf};
use datafusion::functions_aggregate::sum::sum_udaf;
use datafusion::functions_aggregate::variance::{var_pop_udaf, var_samp_udaf};
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::utils::split_conjunction_owned;
use datafusion::logical_expr::{Aggregate, AggregateUDF, Cast, Expr, LogicalPlan, LogicalPlanBuilder};
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};
use dolmen_array::{Array, ArrayError, ChunkSpec, Reduce};
use dolmen_frame::guard;
use dolmen_kernels::{DType, Function, Kind, Reduction, Scalar};

use super::axes::Axis;
use super::columns::value_type;
use super::table::ArrayTable;

/// The rule; it leaves alone what it cannot answer with the rows' very meaning.
#[derive(Debug)]
pub(crate) struct ReduceArrays;

impl OptimizerRule for ReduceArrays {
    fn name(&self) -> &str {
        "reduce_arrays"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn rewrite(&self, plan: LogicalPlan, _: &dyn OptimizerConfig) -> EngineResult<Transformed<LogicalPlan>> {
        let LogicalPlan::Aggregate(aggregate) = &plan else { return Ok(Transformed::no(plan)) };
        match reduced(aggregate)? {
            Some(reduced) => Ok(Transformed::yes(reduced)),
            None => Ok(Transformed::no(plan)),
        }
    }
}

/// The aggregate as a projection of a table of reductions.
fn reduced(aggregate: &Aggregate) -> EngineResult<Option<LogicalPlan>> {
    let provider = scanned(&aggregate.input).map(|scan| source_as_provider(&scan.source)).transpose()?;
    let Some(table) = provider.as_ref().and_then(|provider| provider.downcast_ref::<ArrayTable>()) else {
        return Ok(None);
    };
    let Some(view) = View::of(&aggregate.input)? else { return Ok(None) };
    let Some((derived, columns)) = derive(aggregate, table, &view)? else { return Ok(None) };
    let name = view.name;
    let scan = LogicalPlanBuilder::scan(name.clone(), provider_as_source(Arc::new(derived)), None)?;
    let columns = columns.into_iter().zip(aggregate.schema.iter()).map(|(column, (qualifier, field))| {
        Expr::Column(Column::new(Some(name.clone()), column)).alias_qualified(qualifier.cloned(), field.name())
    });
    scan.project(columns)?.build().map(Some)
}

/// The only scan below, if there are only filters and projections on the way.
fn scanned(plan: &LogicalPlan) -> Option<&datafusion::logical_expr::TableScan> {
    match plan {
        LogicalPlan::TableScan(scan) => Some(scan),
        LogicalPlan::Filter(filter) => scanned(&filter.input),
        LogicalPlan::Projection(projection) => scanned(&projection.input),
        LogicalPlan::SubqueryAlias(alias) => scanned(&alias.input),
        _ => None,
    }
}

/// What a plan makes of the columns of the table it scans.
struct View {
    name: TableReference,
    /// Each output column.
    columns: Vec<Expr>,
    /// What every row fulfils.
    filters: Vec<Expr>,
}

impl View {
    fn of(plan: &LogicalPlan) -> EngineResult<Option<Self>> {
        Ok(match plan {
            LogicalPlan::TableScan(scan) if scan.fetch.is_none() => {
                let fields = scan.projected_schema.fields().iter();
                let columns = fields.map(|field| Expr::Column(Column::new_unqualified(field.name()))).collect();
                let bare = |filter: &Expr| {
                    let bare = filter.clone().transform(|expr| {
                        Ok(match expr {
                            Expr::Column(column) => {
                                Transformed::yes(Expr::Column(Column::new_unqualified(column.name)))
                            }
                            expr => Transformed::no(expr),
                        })
                    });
                    bare.map(|bare| bare.data)
                };
                let filters = scan.filters.iter().map(bare).collect::<EngineResult<_>>()?;
                Some(Self { name: scan.table_name.clone(), columns, filters })
            }
            LogicalPlan::Filter(filter) => match Self::of(&filter.input)? {
                Some(mut view) => {
                    let predicate = view.resolve(&filter.predicate, filter.input.schema())?;
                    view.filters.extend(split_conjunction_owned(predicate));
                    Some(view)
                }
                None => None,
            },
            LogicalPlan::Projection(projection) => match Self::of(&projection.input)? {
                Some(mut view) => {
                    let schema = projection.input.schema();
                    let columns = projection.expr.iter().map(|expr| view.resolve(expr, schema));
                    view.columns = columns.collect::<EngineResult<_>>()?;
                    Some(view)
                }
                None => None,
            },
            LogicalPlan::SubqueryAlias(alias) => Self::of(&alias.input)?,
            _ => None,
        })
    }

    /// An expression over the columns of the plan, which has `schema`, as one over those of the table.
    fn resolve(&self, expr: &Expr, schema: &DFSchema) -> EngineResult<Expr> {
        let resolved = expr.clone().unalias_nested().data.transform(|expr| {
            Ok(match &expr {
                Expr::Column(column) => Transformed::yes(self.columns[schema.index_of_column(column)?].clone()),
                _ => Transformed::no(expr),
            })
        });
        resolved.map(|resolved| resolved.data)
    }
}

/// A table of the reductions, and for each column of the aggregate the name that it has there.
fn derive(aggregate: &Aggregate, table: &ArrayTable, view: &View) -> EngineResult<Option<(ArrayTable, Vec<String>)>> {
    let input = aggregate.input.schema();
    if aggregate.aggr_expr.is_empty()
        || !view.filters.iter().all(|filter| table.limits(filter).is_some_and(|limits| limits.is_exact))
    {
        return Ok(None);
    }
    let Ok((arrays, starts)) = table.cut(&view.filters) else { return Ok(None) };
    let ([array], Ok(shape)) = (&arrays[..], arrays[0].shape()) else { return Ok(None) };
    // Over no rows there is one row without GROUP BY, and none with it.
    if shape.contains(&0) {
        return Ok(None);
    }
    let mut names = Vec::new();
    let mut kept = Vec::new();
    for expr in &aggregate.group_expr {
        let axis = match view.resolve(expr, input)? {
            Expr::Column(column) => table.axis(&column.name).map(|axis| (axis, column.name)),
            _ => None,
        };
        let Some((axis, name)) = axis.filter(|(axis, _)| table.axes()[*axis].is_unique()) else { return Ok(None) };
        kept.push(axis);
        names.push(name);
    }
    let part = Part { array, shape: &shape, kept: &kept };
    let axes: Vec<usize> = (0..shape.len()).filter(|axis| kept.contains(axis)).collect();
    let columns: Vec<Axis> = axes.iter().map(|axis| table.axes()[*axis].clone()).collect();
    let mut fields: Vec<Field> = columns.iter().map(Axis::field).collect();
    let mut values = Vec::new();
    let results = aggregate.schema.fields().iter().skip(aggregate.group_expr.len());
    for (expr, field) in aggregate.aggr_expr.iter().zip(results) {
        let Expr::AggregateFunction(call) = expr.clone().unalias_nested().data else { return Ok(None) };
        let Some(Ok(value)) = part.value(&call, |argument| view.resolve(argument, input))? else { return Ok(None) };
        if value_type(value.dtype()).0 != *field.data_type() {
            return Ok(None);
        }
        let name = format!("value_{}", values.len());
        fields.push(Field::new(&name, field.data_type().clone(), field.is_nullable()));
        names.push(name);
        values.push(value);
    }
    let starts = axes.iter().map(|axis| starts[*axis]).collect();
    Ok(Some((table.derived(values, starts, columns, Arc::new(Schema::new(fields))), names)))
}

/// What is aggregated.
struct Part<'a> {
    array: &'a Array,
    shape: &'a [usize],
    /// The axes that stay.
    kept: &'a [usize],
}

impl Part<'_> {
    /// The elements of one group.
    fn n_each(&self) -> u128 {
        (0..self.shape.len()).filter(|axis| !self.kept.contains(axis)).map(|axis| self.shape[axis] as u128).product()
    }

    /// What a call gives for each group; `None` if rows have to be made for it.
    fn value(
        &self,
        call: &AggregateFunction,
        resolve: impl Fn(&Expr) -> EngineResult<Expr>,
    ) -> EngineResult<Option<Result<Array, ArrayError>>> {
        let params = &call.params;
        let ([argument], false, None) = (&params.args[..], params.distinct, &params.filter) else { return Ok(None) };
        let argument = resolve(argument)?;
        if call.func == count_udaf() {
            return Ok(self.count(&argument));
        }
        let Some(Ok(array)) = self.argument(&argument) else { return Ok(None) };
        let Some((reduction, ddof)) = reduction(&call.func, array.dtype()) else { return Ok(None) };
        let is_sum = reduction.function == Function::Sum;
        if (self.n_each() as f64) <= ddof || is_sum && !self.sum_fits() {
            return Ok(None);
        }
        let axes = (0..self.shape.len()).filter(|axis| !self.kept.contains(axis)).map(|axis| axis as isize);
        let options = Reduce { axes: Some(axes.collect()), ddof, ..Reduce::default() };
        Ok(Some(array.reduce(reduction, &options)))
    }

    /// As many rows as each group has, if none is left out.
    fn count(&self, argument: &Expr) -> Option<Result<Array, ArrayError>> {
        match argument {
            Expr::Literal(value, _) if !value.is_null() => {}
            Expr::Column(column) if column.name != "value" || !self.array.dtype().is_time() => {}
            _ => return None,
        }
        let count = Scalar::I64(i64::try_from(self.n_each()).ok()?);
        let axes: Vec<usize> = (0..self.shape.len()).filter(|axis| self.kept.contains(axis)).collect();
        let shape: Vec<usize> = axes.iter().map(|axis| self.shape[*axis]).collect();
        let sizes: Vec<Vec<usize>> =
            axes.iter().map(|axis| self.array.chunks().axes()[*axis].sizes()).collect::<Option<_>>()?;
        Some(Array::full(&shape, count, ChunkSpec::from(sizes)))
    }

    /// The values, or the values as another type of numbers.
    fn argument(&self, argument: &Expr) -> Option<Result<Array, ArrayError>> {
        let dtype = self.array.dtype();
        if dtype.is_time() || dtype.kind() == Kind::Complex {
            return None;
        }
        match argument {
            Expr::Column(column) if column.name == "value" => Some(Ok(self.array.clone())),
            Expr::Cast(Cast { expr, field }) if matches!(&**expr, Expr::Column(column) if column.name == "value") => {
                let wide = match field.data_type() {
                    DataType::Int64 => DType::I64,
                    DataType::UInt64 => DType::U64,
                    DataType::Float64 => DType::F64,
                    _ => return None,
                };
                // Of the casts only those that keep every number.
                let keeps = matches!(
                    (dtype.kind(), wide),
                    (_, DType::F64) | (Kind::Signed, DType::I64) | (Kind::Unsigned, DType::U64)
                );
                keeps.then(|| self.array.astype(wide))
            }
            _ => None,
        }
    }

    /// Whether sums of the elements are floats, or cannot exceed 64 bits.
    fn sum_fits(&self) -> bool {
        let bits = match self.array.dtype().kind() {
            Kind::Float => return true,
            Kind::Bool => return false,
            _ => 8 * self.array.dtype().size_bytes() as u32,
        };
        bits < 64 && self.n_each() < 1 << (63 - bits)
    }
}

/// The reduction that is this function, for values that are never NULL, and what it takes off the count of elements.
fn reduction(function: &AggregateUDF, dtype: DType) -> Option<(Reduction, f64)> {
    let own = guard::aggregate_functions();
    // Some functions stand in the place of stock ones.
    let is = |stock: Arc<AggregateUDF>| {
        *function == *stock || own.iter().any(|own| own.name() == stock.name() && *function == **own)
    };
    Some(match dtype.kind() {
        Kind::Bool if is(bool_and_udaf()) => (Function::All.plain(), 0.0),
        Kind::Bool if is(bool_or_udaf()) => (Function::Any.plain(), 0.0),
        Kind::Bool => return None,
        _ if is(sum_udaf()) => (Function::Sum.plain(), 0.0),
        _ if is(max_udaf()) => (Function::Max.plain(), 0.0),
        // NaN is greater than every number.
        _ if is(min_udaf()) => (Function::Min.skipping_nan(), 0.0),
        Kind::Float if is(avg_udaf()) => (Function::Mean.plain(), 0.0),
        Kind::Float if is(var_samp_udaf()) => (Function::Var.plain(), 1.0),
        Kind::Float if is(var_pop_udaf()) => (Function::Var.plain(), 0.0),
        Kind::Float if is(stddev_udaf()) => (Function::Std.plain(), 1.0),
        Kind::Float if is(stddev_pop_udaf()) => (Function::Std.plain(), 0.0),
        _ => return None,
    })
}
