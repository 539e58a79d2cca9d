//! The statements about arrays.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use arrow::array::{RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use dolmen_array::{Array, LabelledArray, explain};
use dolmen_array_sql::{
    ArrayName, ArraySqlError, ArrayStatement, ArraySummary, Bound, Definition, Environment, Expression, OnConflict,
    Span, bind, bind_array, parse_statement, queries, summarize,
};
use dolmen_frame::{Caller, Diagnosis, Outcome, Parameters, Position};
use dolmen_graph::Executor;
use futures::{FutureExt, stream};

use super::axes::Axis;
use super::compute;
use super::copy::Target;
use super::histogram::Histogram;
use super::open::{opened, unlabelled};
use super::table::ArrayTable;
use super::{of_array, query};
use crate::session::Core;
use crate::{Error, Result};

fn done(tag: &'static str) -> Outcome {
    let schema = Arc::new(Schema::empty());
    let stream = Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&schema), stream::empty()));
    Outcome { tag, schema, stream, diagnosis: Diagnosis::default() }
}

/// Columns of text.
fn text_rows(tag: &'static str, names: &[&str], columns: Vec<Vec<String>>) -> Result<Outcome> {
    let fields: Vec<Field> = names.iter().map(|name| Field::new(*name, DataType::Utf8, false)).collect();
    let schema = Arc::new(Schema::new(fields));
    let columns = columns.into_iter().map(|column| Arc::new(StringArray::from(column)) as _).collect();
    let batch = RecordBatch::try_new(schema, columns);
    Ok(one_batch(tag, batch.map_err(|error| Error::internal(error.to_string()))?))
}

fn one_batch(tag: &'static str, batch: RecordBatch) -> Outcome {
    let schema = batch.schema();
    let stream = Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&schema), stream::iter([Ok(batch)])));
    Outcome { tag, schema, stream, diagnosis: Diagnosis::default() }
}

/// What `ARRAY expression` shows. Nothing of it is computed.
#[derive(Debug, Clone)]
pub(crate) enum Shown {
    Array(Array),
    Histogram(Histogram),
}

/// What `text` shows, if it is `ARRAY expression`, for who prints it. `None` for other statements.
pub(crate) async fn described(core: &Core, text: &str, caller: &Caller) -> Result<Option<Shown>> {
    match parse_statement(text).map_err(|error| located(error, text))? {
        Some(ArrayStatement::Show(expression)) => shown(core, text, &expression, caller).await.map(Some),
        _ => Ok(None),
    }
}

/// Runs `text` if it is a statement about arrays.
pub(crate) async fn run(core: &Core, text: &str, parameters: &Parameters, caller: &Caller) -> Result<Option<Outcome>> {
    let Some(statement) = parse_statement(text).map_err(|error| located(error, text))? else { return Ok(None) };
    if let ArrayStatement::Describe(name) = &statement {
        let Some(array) = named(core, &name.name) else { return Ok(None) };
        return description(&array).map(Some);
    }
    if !matches!(parameters, Parameters::None) {
        return Err(Error::Parameter { message: "statements about arrays take no parameters".to_owned() });
    }
    let changes = match &statement {
        ArrayStatement::Create { .. } => Some("CREATE ARRAY"),
        ArrayStatement::Copy { .. } => Some("COPY ARRAY"),
        ArrayStatement::Drop { .. } => Some("DROP ARRAY"),
        _ => None,
    };
    if let Some(statement) = changes.filter(|_| core.context.is_read_only()) {
        return Err(Error::ReadOnly { statement });
    }
    let outcome = match statement {
        ArrayStatement::Show(expression) => {
            let shown = shown(core, text, &expression, caller).await?;
            rows(core, shown).await?
        }
        ArrayStatement::Explain(expression) => {
            let array = bound(core, text, &expression, caller).await?;
            explained(core, &array)?
        }
        ArrayStatement::Create { name, persisted, on_conflict, definition } => {
            let named = Creating { name: &name, persisted, on_conflict };
            named.create(core, text, &definition, caller).await?
        }
        ArrayStatement::Copy { expression, location, span, options } => {
            let mut array = bound(core, text, &expression, caller).await?;
            let target = Target::of(&location, span, &options, text)?;
            if array.chunks().axes().iter().any(|axis| !axis.is_known()) {
                // Files say first how long they are.
                array = persisted(core, "array", array).await?;
            }
            // What is computed of an array has no names for its axes.
            let name = expression.as_name().map(|name| name.name).unwrap_or_default();
            let axes = with_table(core, &name, |table| Axis::to_file(table.axes())).flatten();
            target.write(core, &name, LabelledArray { array, axes: axes.unwrap_or_default() }).await?;
            done("COPY ARRAY")
        }
        ArrayStatement::Drop { name, if_exists } => {
            if named(core, &name.name).is_some() {
                core.context.deregister(&in_catalog(&name.name))?;
            } else if !if_exists {
                return Err(at(format!("array \"{}\" does not exist", name.name), name.span, text));
            }
            done("DROP ARRAY")
        }
        ArrayStatement::List => list(&all(core))?,
        ArrayStatement::Describe(_) => return Ok(None),
    };
    Ok(Some(outcome))
}

/// The array of an expression.
async fn bound(core: &Core, text: &str, expression: &Expression, caller: &Caller) -> Result<Array> {
    with_environment(core, text, expression, caller, bind_array).await
}

/// What showing an expression shows: one array, or a histogram.
async fn shown(core: &Core, text: &str, expression: &Expression, caller: &Caller) -> Result<Shown> {
    let bound = |expression: &Expression, environment: &Environment<'_>| match bind(expression, environment)? {
        Bound::Several { function: "histogram", arrays } if arrays.len() == 2 => {
            let (counts, edges) = (arrays[0].clone(), arrays[1].clone());
            Ok(Shown::Histogram(Histogram { counts, edges }))
        }
        // Of other functions with several results, one has to be taken: the error says so.
        _ => bind_array(expression, environment).map(Shown::Array),
    };
    with_environment(core, text, expression, caller, bound).await
}

/// Binds an expression, with what the queries in it give.
async fn with_environment<T>(
    core: &Core,
    text: &str,
    expression: &Expression,
    caller: &Caller,
    bind: impl FnOnce(&Expression, &Environment<'_>) -> Result<T, ArraySqlError>,
) -> Result<T> {
    let mut of_queries = Vec::new();
    for span in queries(expression) {
        let sql = text.get(span.start..span.end).unwrap_or_default();
        of_queries.push(query::array_of(core, sql, caller.clone()).boxed().await?);
    }
    let find = |name: &ArrayName| named(core, &name.name);
    let names = || all(core).into_iter().map(|(name, _)| name).collect();
    let block_bytes = core.block_bytes();
    let environment =
        Environment { array: &find, names: &names, queries: &of_queries, seed: drawn_seed(), block_bytes };
    bind(expression, &environment).map_err(|error| located(error, text))
}

/// A seed for random numbers that are given none.
fn drawn_seed() -> u64 {
    RandomState::new().build_hasher().finish()
}

pub(super) fn executor(core: &Core) -> Result<Arc<dyn Executor>> {
    (core.find_executor)().ok_or(Error::Cancelled)
}

/// The elements, or the bins, as rows.
async fn rows(core: &Core, shown: Shown) -> Result<Outcome> {
    match shown {
        Shown::Array(array) => {
            let axes = Axis::numbered(array.n_dims());
            let table = ArrayTable::new(array, axes)?;
            let (schema, stream) = table.rows(executor(core)?.as_ref())?;
            Ok(Outcome { tag: "ARRAY", schema, stream, diagnosis: Diagnosis::default() })
        }
        Shown::Histogram(histogram) => Ok(one_batch("ARRAY", histogram.rows(executor(core)?.as_ref()).await?)),
    }
}

fn explained(core: &Core, array: &Array) -> Result<Outcome> {
    let n_workers = u32::try_from(core.threads.get()).unwrap_or(u32::MAX);
    let text = explain(std::slice::from_ref(array), n_workers).map_err(of_array)?.to_string();
    text_rows("EXPLAIN", &["plan_type", "plan"], vec![vec!["array".to_owned()], vec![text]])
}

/// A row for each array.
fn list(arrays: &[(String, Array)]) -> Result<Outcome> {
    let names = ["array", "shape", "dtype", "chunks", "bytes"];
    let mut columns: Vec<Vec<String>> = vec![Vec::new(); names.len()];
    for (name, array) in arrays {
        let ArraySummary { shape, dtype, chunks, nbytes, .. } = summarize(array).map_err(of_array)?;
        let bytes = nbytes.map_or_else(|| "unknown".to_owned(), |n| dolmen_storage::format_bytes(n as u64));
        for (column, text) in columns.iter_mut().zip([name.clone(), shape, dtype, chunks, bytes]) {
            column.push(text);
        }
    }
    text_rows("SHOW", &names, columns)
}

/// A row for each thing that is known of an array.
fn description(array: &Array) -> Result<Outcome> {
    let rows = summarize(array).map_err(of_array)?.rows();
    let (what, values) = rows.into_iter().map(|(what, value)| (what.to_owned(), value)).unzip();
    text_rows("DESCRIBE", &["property", "value"], vec![what, values])
}

/// The array with its blocks computed.
async fn persisted(core: &Core, name: &str, array: Array) -> Result<Array> {
    let mut arrays = compute::persisted(core, name, &[array]).await?;
    arrays.pop().ok_or_else(|| Error::internal("a persisted array is missing"))
}

/// An array that is to get a name.
struct Creating<'a> {
    name: &'a ArrayName,
    persisted: bool,
    on_conflict: OnConflict,
}

impl Creating<'_> {
    async fn create(&self, core: &Core, text: &str, definition: &Definition, caller: &Caller) -> Result<Outcome> {
        let name = &self.name.name;
        if let Some(schema) = self.name.schema.as_ref().filter(|schema| *schema != "public") {
            return Err(at(format!("arrays have no schemas: \"{schema}\" cannot hold one"), self.name.span, text));
        }
        let is_array = named(core, name).is_some();
        let is_taken = is_array || core.context.table_names().iter().any(|table| table == name);
        match self.on_conflict {
            OnConflict::Keep if is_taken => return Ok(done("CREATE ARRAY")),
            OnConflict::Replace if is_array || !is_taken => {}
            _ if !is_taken => {}
            _ => {
                let noun = if is_array { "array" } else { "table or view" };
                return Err(at(format!("{noun} \"{name}\" already exists"), self.name.span, text));
            }
        }
        let LabelledArray { array, axes } = match definition {
            Definition::Expression(expression) => unlabelled(bound(core, text, expression, caller).await?),
            Definition::File { location, span, options } => {
                let opened = opened(core, location, *span, options, text).await?;
                LabelledArray { array: opened.array.with_block_bytes(core.block_bytes()), ..opened }
            }
        };
        let axes = if axes.is_empty() { Axis::numbered(array.n_dims()) } else { Axis::of_file(&axes)? };
        let array = if self.persisted { persisted(core, name, array).await? } else { array };
        let table = ArrayTable::new(array, axes)?;
        core.context.register_provider(&in_catalog(name), Arc::new(table))?;
        Ok(done("CREATE ARRAY"))
    }
}

/// The array of this name: a table that is one.
fn named(core: &Core, name: &str) -> Option<Array> {
    with_table(core, name, |table| table.array().clone())
}

fn with_table<T>(core: &Core, name: &str, of: impl FnOnce(&ArrayTable) -> T) -> Option<T> {
    let table = core.context.provider(&in_catalog(name))?;
    table.downcast_ref::<ArrayTable>().map(of)
}

/// All arrays, by name.
fn all(core: &Core) -> Vec<(String, Array)> {
    let names = core.context.table_names().into_iter();
    names.filter_map(|name| named(core, &name).map(|array| (name, array))).collect()
}

/// The name with its schema, so that a dot in it belongs to the name.
fn in_catalog(name: &str) -> String {
    format!("public.{name}")
}

/// An error with its place in the statement.
pub(super) fn located(error: ArraySqlError, text: &str) -> Error {
    let (message, position) = (error.to_string(), position(error.span(), text));
    match error {
        ArraySqlError::Syntax { message, .. } => Error::Syntax { message, position, source: None },
        other => Error::Invalid { message, position, source: Some(Box::new(other)) },
    }
}

pub(super) fn at(message: String, span: Span, text: &str) -> Error {
    Error::Invalid { message, position: position(span, text), source: None }
}

fn position(span: Span, text: &str) -> Option<Position> {
    let (line, column, width) = span.place(text);
    Position::at(text, line, column, width)
}
