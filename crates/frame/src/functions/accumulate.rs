//! The running state of an aggregate made from closures.

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, UInt64Array, make_array, new_empty_array};
use arrow::compute::{SortColumn, SortOptions, concat, lexsort_to_indices, take_arrays};
use arrow::datatypes::DataType;
use arrow::row::{RowConverter, SortField};
use datafusion::common::scalar::copy_array_data;
use datafusion::common::utils::SingleRowListArrayBuilder;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::Accumulator;
use datafusion::logical_expr::function::AccumulatorArgs;

use super::aggregate::Recipe;
use super::call::{Arguments, Skipped};
use super::error::{FunctionError, panic_message};
use super::signature::Declaration;
use super::value::SqlValue;

/// Calls the step for every row as it comes and keeps nothing but the state.
pub(super) struct Running<R: Recipe> {
    declaration: Arc<Declaration>,
    recipe: Arc<R>,
    state: Option<R::State>,
}

impl<R: Recipe> Running<R> {
    pub(super) fn new(declaration: Arc<Declaration>, recipe: Arc<R>) -> Self {
        Self { declaration, recipe, state: None }
    }

    /// A fresh accumulator of the same function.
    fn restarted(&self) -> Self {
        Self::new(Arc::clone(&self.declaration), Arc::clone(&self.recipe))
    }

    fn update(&mut self, arrays: &[ArrayRef]) -> Result<(), FunctionError> {
        let Self { declaration, recipe, state } = self;
        let rows = arrays.first().map_or(0, |array| array.len());
        let columns = R::Arguments::open(arrays, rows).map_err(|index| declaration.unexpected_type(index, arrays))?;
        let skipped = Skipped::new(declaration.parameters(), arrays, rows);
        let mut row = 0;
        // A panic leaves a state that may be half changed; the error ends the query and nothing reads it again.
        let guarded = catch_unwind(AssertUnwindSafe(|| {
            while row < rows {
                if !skipped.contains(row) {
                    let done = recipe.step(state, &columns, row);
                    done.map_err(|error| declaration.bad_value(error, arrays, row))?
                        .map_err(|message| declaration.failed(message, arrays, row))?;
                }
                row += 1;
            }
            Ok(())
        }));
        guarded.unwrap_or_else(|payload| Err(declaration.panicked(panic_message(payload.as_ref()), arrays, row)))
    }

    /// Runs a closure that has no row at hand.
    fn guard<T>(&self, call: impl FnOnce() -> Result<T, FunctionError>) -> Result<T, FunctionError> {
        catch_unwind(AssertUnwindSafe(call))
            .unwrap_or_else(|payload| Err(self.declaration.panicked(panic_message(payload.as_ref()), &[], 0)))
    }

    fn state_error(&self, action: &'static str, message: String) -> FunctionError {
        FunctionError::State { name: self.declaration.name().to_owned(), action, message }
    }

    fn decode(&self, bytes: &[u8]) -> Result<R::State, FunctionError> {
        rmp_serde::from_slice(bytes).map_err(|error| self.state_error("decoded", error.to_string()))
    }

    fn merge(&mut self, other: R::State) -> Result<(), FunctionError> {
        let merged = match self.state.take() {
            None => other,
            Some(state) => self.guard(|| Ok(self.recipe.merge(state, other)))?,
        };
        self.state = Some(merged);
        Ok(())
    }
}

impl<R: Recipe> Accumulator for Running<R> {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        Ok(self.update(values)?)
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let Some(encoded) = states.first().and_then(|states| states.as_binary_opt::<i32>()) else {
            return Err(self.state_error("decoded", "it is no column of bytes".to_owned()).into());
        };
        for bytes in encoded.iter().flatten() {
            let other = self.decode(bytes)?;
            self.merge(other)?;
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let encoded = match &self.state {
            // A partition without rows adds nothing.
            None => None,
            Some(state) => {
                Some(rmp_serde::to_vec_named(state).map_err(|error| self.state_error("encoded", error.to_string()))?)
            }
        };
        Ok(vec![ScalarValue::Binary(encoded)])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let value = self.guard(|| {
            self.recipe.finish(self.state.as_ref()).map_err(|message| self.declaration.failed(message, &[], 0))
        })?;
        let mut builder = R::Value::builder(1);
        R::Value::push(&mut builder, value);
        ScalarValue::try_from_array(&R::Value::finish(builder), 0)
    }

    fn size(&self) -> usize {
        // What the state owns on the heap is the closure's secret.
        size_of_val(self)
    }
}

impl<R: Recipe> fmt::Debug for Running<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Running({})", self.declaration)
    }
}

/// Keeps the arguments of a group and calls the steps at its end: for DISTINCT, for ORDER BY inside the call, and for
/// windows whose start moves, from which rows must be taken out again.
///
/// Its state is one list per argument and per ordering expression.
pub(super) struct Buffered<R: Recipe> {
    running: Running<R>,
    /// The types of the arguments, then of the ordering expressions.
    types: Vec<DataType>,
    n_arguments: usize,
    orderings: Vec<SortOptions>,
    distinct: bool,
    /// The distinct rows so far; a sliding window finds them anew each time, because rows leave it.
    seen: Option<RowSet>,
    chunks: VecDeque<Vec<ArrayRef>>,
    chunks_bytes: usize,
}

impl<R: Recipe> Buffered<R> {
    pub(super) fn try_new(
        running: Running<R>,
        arguments: Vec<DataType>,
        args: &AccumulatorArgs,
        sliding: bool,
    ) -> Result<Self> {
        let n_arguments = arguments.len();
        let mut types = arguments;
        for ordering in args.order_bys {
            types.push(ordering.expr.data_type(args.schema)?);
        }
        let seen = match args.is_distinct && !sliding {
            true => Some(RowSet::try_new(&types[..n_arguments])?),
            false => None,
        };
        Ok(Self {
            running,
            types,
            n_arguments,
            orderings: args.order_bys.iter().map(|ordering| ordering.options).collect(),
            distinct: args.is_distinct,
            seen,
            chunks: VecDeque::new(),
            chunks_bytes: 0,
        })
    }

    fn push(&mut self, columns: &[ArrayRef]) -> Result<()> {
        let columns = match &mut self.seen {
            Some(seen) => seen.keep_new(columns, self.n_arguments)?,
            // A slice would keep the whole batch alive for the few rows of one group.
            None => columns.iter().map(|column| make_array(copy_array_data(&column.to_data()))).collect(),
        };
        if columns.first().is_some_and(|column| !column.is_empty()) {
            self.chunks_bytes += chunk_bytes(&columns);
            self.chunks.push_back(columns);
        }
        Ok(())
    }

    fn columns(&self) -> Result<Vec<ArrayRef>> {
        let columns = self.types.iter().enumerate().map(|(index, data_type)| {
            let pieces: Vec<&dyn Array> = self.chunks.iter().map(|chunk| chunk[index].as_ref()).collect();
            if pieces.is_empty() {
                return Ok(new_empty_array(data_type));
            }
            Ok(concat(&pieces)?)
        });
        columns.collect()
    }

    /// The arguments in the order in which the steps see them.
    fn arguments(&self) -> Result<Vec<ArrayRef>> {
        let mut columns = self.columns()?;
        if self.distinct && self.seen.is_none() {
            columns = RowSet::try_new(&self.types[..self.n_arguments])?.keep_new(&columns, self.n_arguments)?;
        }
        if !self.orderings.is_empty() {
            let keys: Vec<SortColumn> = columns[self.n_arguments..]
                .iter()
                .zip(&self.orderings)
                .map(|(values, options)| SortColumn { values: Arc::clone(values), options: Some(*options) })
                .collect();
            let order = lexsort_to_indices(&keys, None)?;
            columns = take_arrays(&columns, &order, None)?;
        }
        columns.truncate(self.n_arguments);
        Ok(columns)
    }
}

fn chunk_bytes(columns: &[ArrayRef]) -> usize {
    columns.iter().map(|column| column.get_array_memory_size()).sum()
}

impl<R: Recipe> Accumulator for Buffered<R> {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.push(&values[..self.types.len().min(values.len())])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let Some(lists) = states.iter().map(|state| state.as_list_opt::<i32>()).collect::<Option<Vec<_>>>() else {
            return Err(self.running.state_error("decoded", "it is no list of rows".to_owned()).into());
        };
        let n_states = lists.first().map_or(0, |list| list.len());
        for position in 0..n_states {
            if lists.iter().any(|list| list.is_null(position)) {
                continue;
            }
            let rows: Vec<ArrayRef> = lists.iter().map(|list| list.value(position)).collect();
            self.push(&rows)?;
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let columns = self.columns()?;
        Ok(columns.into_iter().map(|column| SingleRowListArrayBuilder::new(column).build_list_scalar()).collect())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let arguments = self.arguments()?;
        let mut running = self.running.restarted();
        running.update(&arguments)?;
        running.evaluate()
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        // Rows leave a window in the order in which they entered it.
        let mut leaving = values.first().map_or(0, |column| column.len());
        while leaving > 0 {
            let Some(mut chunk) = self.chunks.pop_front() else { break };
            self.chunks_bytes -= chunk_bytes(&chunk);
            let length = chunk[0].len();
            if length > leaving {
                for column in &mut chunk {
                    *column = column.slice(leaving, length - leaving);
                }
                self.chunks_bytes += chunk_bytes(&chunk);
                self.chunks.push_front(chunk);
            }
            leaving -= leaving.min(length);
        }
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.chunks_bytes + self.seen.as_ref().map_or(0, RowSet::size)
    }
}

impl<R: Recipe> fmt::Debug for Buffered<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Buffered({})", self.running.declaration)
    }
}

/// The rows that have been seen, in Arrow's comparable encoding.
struct RowSet {
    converter: RowConverter,
    rows: HashSet<Box<[u8]>>,
    rows_bytes: usize,
}

impl RowSet {
    fn try_new(types: &[DataType]) -> Result<Self> {
        let fields = types.iter().map(|data_type| SortField::new(data_type.clone())).collect();
        Ok(Self { converter: RowConverter::new(fields)?, rows: HashSet::new(), rows_bytes: 0 })
    }

    /// Keeps the rows of `columns` whose first `n_keys` columns were not seen before.
    fn keep_new(&mut self, columns: &[ArrayRef], n_keys: usize) -> Result<Vec<ArrayRef>> {
        let encoded = self.converter.convert_columns(&columns[..n_keys])?;
        let mut new = Vec::new();
        for (position, row) in encoded.iter().enumerate() {
            let bytes = row.as_ref();
            if !self.rows.contains(bytes) {
                self.rows.insert(bytes.into());
                self.rows_bytes += bytes.len() + size_of::<Box<[u8]>>();
                new.push(position as u64);
            }
        }
        Ok(take_arrays(columns, &UInt64Array::from(new), None)?)
    }

    fn size(&self) -> usize {
        self.rows_bytes + self.converter.size()
    }
}
