//! Table functions from closures.

use std::any::type_name;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableFunction, TableFunctionArgs, TableFunctionImpl, TableProvider};
use datafusion::common::{Result, ScalarValue};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableType, Volatility};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use futures::stream;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::call::{Arguments, Function, Skipped};
use super::error::{FunctionError, panic_message};
use super::rows::{RowSchema, RowsError};
use super::signature::Declaration;

/// How many rows are looked at to guess the columns of a type that does not tell them.
const SAMPLES_MAX: usize = 100;

/// Makes a table function from a closure that returns rows: a `Vec`, or any iterator.
///
/// A row is a struct, a tuple or a single value; its columns are read off the type as [`RowSchema::of_type`] says, so
/// they do not depend on the arguments. If the type tells no columns, the closure is also called while the statement
/// is planned and its first rows are looked at.
///
/// The arguments are constants, converted like those of [`scalar`](super::scalar). Where an argument that is no
/// `Option` is NULL, the table is empty. Rows are pulled in batches as the query asks for them, so an endless iterator
/// under a LIMIT ends, and memory holds one batch. The closure is called again for every scan.
///
/// ```
/// use datafusion::prelude::SessionContext;
/// use dolmen_frame::functions::table;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct Power {
///     base: i64,
///     value: f64,
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let session = SessionContext::new();
/// let powers = table("powers", |base: i64| {
///     (0..).map(move |exponent| Power { base, value: (base as f64).powi(exponent) })
/// });
/// session.register_udtf(powers.name(), powers.function().clone());
/// let rows = session.sql("SELECT value FROM powers(2) LIMIT 11").await?.collect().await?;
/// assert!(arrow::util::pretty::pretty_format_batches(&rows)?.to_string().contains("| 1024.0 "));
/// # Ok(())
/// # }
/// ```
pub fn table<F, M, I>(name: impl Into<String>, function: F) -> TableFunction
where
    F: Function<M, Output = I>,
    M: 'static,
    I: IntoIterator + 'static,
    I::IntoIter: Send + 'static,
    I::Item: Serialize + DeserializeOwned + Send + 'static,
{
    from_rows(name, function, |rows: I| Ok(rows.into_iter().map(Ok)))
}

/// Makes a table function from a closure that may fail as a whole: it returns a `Result` of rows, see [`table`].
///
/// The `Err` ends the query with a [`FunctionError`] that shows the arguments and the message.
pub fn try_table<F, M, I, E>(name: impl Into<String>, function: F) -> TableFunction
where
    F: Function<M, Output = Result<I, E>>,
    M: 'static,
    I: IntoIterator + 'static,
    I::IntoIter: Send + 'static,
    I::Item: Serialize + DeserializeOwned + Send + 'static,
    E: fmt::Display + 'static,
{
    from_rows(name, function, |rows: Result<I, E>| match rows {
        Ok(rows) => Ok(rows.into_iter().map(Ok)),
        Err(error) => Err(error.to_string()),
    })
}

/// Makes a table function from a closure whose iterator may fail at any row: it returns `Result`s, see [`table`].
///
/// The first `Err` ends the query, unless a LIMIT has ended it before.
pub fn table_of_results<F, M, I, T, E>(name: impl Into<String>, function: F) -> TableFunction
where
    F: Function<M, Output = I>,
    M: 'static,
    I: IntoIterator<Item = Result<T, E>> + 'static,
    I::IntoIter: Send + 'static,
    T: Serialize + DeserializeOwned + Send + 'static,
    E: fmt::Display + 'static,
{
    from_rows(name, function, |rows: I| Ok(rows.into_iter().map(|row| row.map_err(|error| error.to_string()))))
}

/// Makes a table function from a closure that returns record batches of `schema`, as a `Vec` or any iterator.
///
/// Arguments, NULL, and laziness are those of [`table`]; the size of the batches is the closure's choice.
pub fn table_of_batches<F, M, I>(name: impl Into<String>, schema: SchemaRef, function: F) -> TableFunction
where
    F: Function<M, Output = I>,
    M: 'static,
    I: IntoIterator<Item = RecordBatch> + 'static,
    I::IntoIter: Send + 'static,
{
    let declaration = Declaration::new::<F::Arguments>(name, Volatility::Volatile);
    let function = Arc::new(function);
    let call_declaration = Arc::clone(&declaration);
    let plan = move |arrays: Arc<[ArrayRef]>| {
        let (declaration, function) = (Arc::clone(&call_declaration), Arc::clone(&function));
        let batch_schema = Arc::clone(&schema);
        let start: Arc<Start> = Arc::new(move |_| {
            let batches = call(&declaration, function.as_ref(), &arrays)?;
            let rows = Guarded {
                rows: batches.into_iter(),
                declaration: Arc::clone(&declaration),
                arrays: Arc::clone(&arrays),
            };
            let schema = Arc::clone(&batch_schema);
            Ok(Box::new(rows.map(move |batch| {
                // The columns of the closure's batch get the names of the schema, and must have its types.
                Ok(RecordBatch::try_new(Arc::clone(&schema), batch?.columns().to_vec())?)
            })))
        });
        Ok(Planned { schema: Arc::clone(&schema), start })
    };
    new_function(declaration, Box::new(plan))
}

fn from_rows<F, M, C, R, T>(name: impl Into<String>, function: F, convert: C) -> TableFunction
where
    F: Function<M>,
    M: 'static,
    F::Output: 'static,
    C: Fn(F::Output) -> Result<R, String> + Send + Sync + 'static,
    R: Iterator<Item = Result<T, String>> + Send + 'static,
    T: Serialize + DeserializeOwned + Send + 'static,
{
    let declaration = Declaration::new::<F::Arguments>(name, Volatility::Volatile);
    let known = RowSchema::of_type::<T>().ok();
    let call_declaration = Arc::clone(&declaration);
    let open = move |arrays: &Arc<[ArrayRef]>| {
        let rows = call(&call_declaration, &function, arrays)?;
        let rows = convert(rows).map_err(|message| call_declaration.failed(message, arrays, 0))?;
        Ok::<_, FunctionError>(Rows {
            rows: Guarded { rows, declaration: Arc::clone(&call_declaration), arrays: Arc::clone(arrays) },
        })
    };
    let open = Arc::new(open);
    let null_declaration = Arc::clone(&declaration);
    let plan = move |arrays: Arc<[ArrayRef]>| {
        let empty = !matches!(Skipped::new(null_declaration.parameters(), &arrays, 1), Skipped::None);
        let rows = match &known {
            Some(rows) => rows.clone(),
            None if empty => return Err(no_columns::<T>().into()),
            None => open(&arrays)?.sample()?,
        };
        let schema = Arc::clone(rows.schema());
        let open = Arc::clone(&open);
        let start: Arc<Start> = Arc::new(move |batch_rows| {
            if empty {
                return Ok(Box::new(std::iter::empty()));
            }
            Ok(Box::new(open(&arrays)?.batches(rows.clone(), batch_rows)))
        });
        Ok(Planned { schema, start })
    };
    new_function(declaration, Box::new(plan))
}

fn no_columns<T>() -> RowsError {
    RowsError::Schema {
        type_name: type_name::<T>(),
        message: "the type does not tell, and an argument is NULL so that there are no rows to look at".to_owned(),
    }
}

/// Calls the closure once, with its constant arguments.
fn call<F: Function<M>, M>(
    declaration: &Declaration,
    function: &F,
    arrays: &[ArrayRef],
) -> Result<F::Output, FunctionError> {
    let columns = F::Arguments::open(arrays, 1).map_err(|index| declaration.unexpected_type(index, arrays))?;
    let called = catch_unwind(AssertUnwindSafe(|| function.call(&columns, 0)));
    match called {
        Ok(output) => output.map_err(|error| declaration.bad_value(error, arrays, 0)),
        Err(payload) => Err(declaration.panicked(panic_message(payload.as_ref()), arrays, 0)),
    }
}

/// An iterator of the user's, whose panics become errors.
struct Guarded<I> {
    rows: I,
    declaration: Arc<Declaration>,
    arrays: Arc<[ArrayRef]>,
}

impl<I: Iterator> Iterator for Guarded<I> {
    type Item = Result<I::Item, FunctionError>;

    fn next(&mut self) -> Option<Self::Item> {
        match catch_unwind(AssertUnwindSafe(|| self.rows.next())) {
            Ok(item) => item.map(Ok),
            Err(payload) => Some(Err(self.declaration.panicked(panic_message(payload.as_ref()), &self.arrays, 0))),
        }
    }
}

/// The rows of one call.
struct Rows<R> {
    rows: Guarded<R>,
}

impl<R, T> Rows<R>
where
    R: Iterator<Item = Result<T, String>> + Send + 'static,
    T: Serialize + Send + 'static,
{
    fn next_row(&mut self) -> Option<Result<T, FunctionError>> {
        let row = self.rows.next()?;
        Some(row.and_then(|row| row.map_err(|message| self.rows.declaration.failed(message, &self.rows.arrays, 0))))
    }

    fn sample(mut self) -> Result<RowSchema> {
        let samples: Result<Vec<T>, FunctionError> = std::iter::from_fn(|| self.next_row()).take(SAMPLES_MAX).collect();
        Ok(RowSchema::of_samples(&samples?)?)
    }

    fn batches(mut self, schema: RowSchema, batch_rows: usize) -> impl Iterator<Item = Result<RecordBatch>> + Send {
        let mut done = false;
        std::iter::from_fn(move || {
            if done {
                return None;
            }
            let rows: Result<Vec<T>, FunctionError> = std::iter::from_fn(|| self.next_row()).take(batch_rows).collect();
            match rows {
                Ok(rows) if rows.is_empty() => None,
                Ok(rows) => {
                    done = rows.len() < batch_rows;
                    Some(schema.to_batch(&rows).map_err(Into::into))
                }
                Err(error) => {
                    // What follows an error is undefined, and a query ends at its first one.
                    done = true;
                    Some(Err(error.into()))
                }
            }
        })
    }
}

type Batches = Box<dyn Iterator<Item = Result<RecordBatch>> + Send>;

/// Calls the closure and returns its rows in batches of at most so many.
type Start = dyn Fn(usize) -> Result<Batches> + Send + Sync;

/// Fixes the arguments of a call.
type Plan = dyn Fn(Arc<[ArrayRef]>) -> Result<Planned> + Send + Sync;

/// A table function with its arguments.
#[derive(Clone)]
struct Planned {
    schema: SchemaRef,
    start: Arc<Start>,
}

fn new_function(declaration: Arc<Declaration>, plan: Box<Plan>) -> TableFunction {
    let name = declaration.name().to_owned();
    TableFunction::new(name, Arc::new(ClosureTableFunction { declaration, plan }))
}

struct ClosureTableFunction {
    declaration: Arc<Declaration>,
    plan: Box<Plan>,
}

impl fmt::Debug for ClosureTableFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClosureTableFunction({})", self.declaration)
    }
}

impl TableFunctionImpl for ClosureTableFunction {
    fn call_with_args(&self, args: TableFunctionArgs) -> Result<Arc<dyn TableProvider>> {
        let values = self.constants(args.exprs())?;
        let types: Vec<_> = values.iter().map(|value| value.data_type()).collect();
        let types = self.declaration.coerce(&types)?;
        let arrays: Result<Vec<ArrayRef>> =
            values.iter().zip(&types).map(|(value, target)| value.cast_to(target)?.to_array()).collect();
        let planned = (self.plan)(arrays?.into())?;
        Ok(Arc::new(ClosureTable { name: self.declaration.to_string(), planned }))
    }
}

impl ClosureTableFunction {
    fn constants<'e>(&self, arguments: &'e [Expr]) -> Result<Vec<&'e ScalarValue>, FunctionError> {
        let values = arguments.iter().enumerate().map(|(index, argument)| match argument {
            Expr::Literal(value, _) => Ok(value),
            other => Err(FunctionError::NotConstant {
                signature: self.declaration.to_string(),
                position: index + 1,
                given: other.to_string(),
            }),
        });
        values.collect()
    }
}

/// The table that a call stands for.
struct ClosureTable {
    name: String,
    planned: Planned,
}

impl fmt::Debug for ClosureTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClosureTable({})", self.name)
    }
}

#[async_trait]
impl TableProvider for ClosureTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.planned.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _session: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let partition = ClosurePartition { name: self.name.clone(), planned: self.planned.clone(), limit };
        let plan = StreamingTableExec::try_new(
            self.schema(),
            vec![Arc::new(partition)],
            projection,
            [],
            // An endless iterator cannot be told from a long one.
            false,
            limit,
        )?;
        Ok(Arc::new(plan))
    }
}

/// One scan of the table; each execution calls the closure anew.
struct ClosurePartition {
    name: String,
    planned: Planned,
    limit: Option<usize>,
}

impl fmt::Debug for ClosurePartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClosurePartition({})", self.name)
    }
}

impl PartitionStream for ClosurePartition {
    fn schema(&self) -> &SchemaRef {
        &self.planned.schema
    }

    fn execute(&self, context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let batch_rows = context.session_config().batch_size();
        // No more rows are asked of the closure than the query wants.
        let batch_rows = self.limit.map_or(batch_rows, |limit| batch_rows.min(limit)).max(1);
        let start = Arc::clone(&self.planned.start);
        // The closure runs when the first batch is asked for, not when the plan is set up.
        let batches = std::iter::once_with(move || start(batch_rows)).flat_map(|started| match started {
            Ok(batches) => batches,
            Err(error) => Box::new(std::iter::once(Err(error))) as Batches,
        });
        Box::pin(RecordBatchStreamAdapter::new(self.schema().clone(), stream::iter(batches)))
    }
}
