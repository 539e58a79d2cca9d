//! The statements about arrays.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use arrow::array::{RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use dolmen_array::{Array, ArrayWriter, ChunkSpec, LabelledArray, explain};
use dolmen_array_sql::{
    ArrayName, ArraySqlError, ArrayStatement, ArraySummary, Bound, Definition, Environment, Expression, OnConflict,
    OptionValue, Span, StatementOption, bind, bind_array, chunks_option, parse_statement, queries, summarize,
};
use dolmen_frame::{Caller, Diagnosis, Outcome, Parameters, Position};
use dolmen_graph::{Executor, TaskId};
use dolmen_storage::{Location, NetcdfFile, NpzFile, ZarrGroup};
use futures::{FutureExt, stream};

use super::axes::Axis;
use super::compute::{ArrayRun, persisted};
use super::histogram::Histogram;
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
            let array = bound(core, text, &expression, caller).await?;
            let target = Target::of(&location, span, &options, text)?;
            target.write(core, array).await?
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
    let environment = Environment { array: &find, names: &names, queries: &of_queries, seed: drawn_seed() };
    bind(expression, &environment).map_err(|error| located(error, text))
}

/// A seed for random numbers that are given none.
fn drawn_seed() -> u64 {
    RandomState::new().build_hasher().finish()
}

fn executor(core: &Core) -> Result<Arc<dyn Executor>> {
    (core.find_executor)().ok_or(Error::Cancelled)
}

/// The elements, or the bins, as rows.
async fn rows(core: &Core, shown: Shown) -> Result<Outcome> {
    match shown {
        Shown::Array(array) => {
            let axes = Axis::numbered(array.n_dims());
            let table = ArrayTable::new(array, axes, None)?;
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
            Definition::File { location, span, options } => opened(core, location, *span, options, text).await?,
        };
        let axes = if axes.is_empty() { Axis::numbered(array.n_dims()) } else { Axis::of_file(&axes)? };
        let (array, held) = match self.persisted {
            true => {
                let (array, bytes) = persisted(executor(core)?.as_ref(), &array).await?;
                let mut held = core.budget.consumer(format!("array {name}")).reserve();
                let refused = |error: dolmen_storage::MemoryError| Error::MemoryLimit {
                    message: error.to_string(),
                    source: None,
                };
                held.try_grow(bytes).map_err(refused)?;
                (array, Some(held))
            }
            false => (array, None),
        };
        let table = ArrayTable::new(array, axes, held)?;
        core.context.register_provider(&in_catalog(name), Arc::new(table))?;
        Ok(done("CREATE ARRAY"))
    }
}

/// The array of this name: a table that is one.
fn named(core: &Core, name: &str) -> Option<Array> {
    let table = core.context.provider(&in_catalog(name))?;
    Some(table.downcast_ref::<ArrayTable>()?.array().clone())
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

/// An array whose axes have no names.
fn unlabelled(array: Array) -> LabelledArray {
    LabelledArray { array, axes: Vec::new() }
}

/// The array in a file.
async fn opened(
    core: &Core,
    location: &str,
    span: Span,
    options: &[StatementOption],
    text: &str,
) -> Result<LabelledArray> {
    let parsed = Location::parse(location)?;
    let stores = core.context.stores();
    let mut chunks = None;
    let mut dataset = None;
    for option in options {
        match (option.name.as_str(), &option.value) {
            ("chunks", OptionValue::Null) => {}
            ("chunks", _) => chunks = Some(chunks_option(option).map_err(|error| located(error, text))?),
            ("dataset", OptionValue::Text(name)) => dataset = Some(name.trim_start_matches('/').to_owned()),
            (name, _) => {
                let message = format!("no option {name} with such a value; a file is read with chunks and dataset");
                return Err(at(message, option.span, text));
            }
        }
    }
    let chunks = chunks.as_ref();
    let io = |error: dolmen_array::ArrayIoError| at(error.to_string(), span, text);
    let file = |error: dolmen_storage::ArrayFileError| at(error.to_string(), span, text);
    let suffix = location.trim_end_matches('/').rsplit_once('.').map(|(_, suffix)| suffix.to_lowercase());
    let array = match (suffix.as_deref(), dataset) {
        (Some("nc" | "nc4" | "cdf" | "netcdf" | "h5" | "hdf5" | "hdf" | "he5"), dataset) => {
            let opened = NetcdfFile::open(stores, &parsed).await.map_err(file)?;
            let name = match dataset {
                Some(name) => name,
                None => opened.only_name().map_err(file)?.ok_or_else(|| {
                    let names = opened.names().unwrap_or_default().join(", ");
                    let message = format!("{location} has several arrays: choose one of {names} WITH (dataset => ...)");
                    at(message, span, text)
                })?,
            };
            return LabelledArray::from_netcdf(&parsed, &opened, &name, chunks).await.map_err(io);
        }
        (Some("npy"), None) => Array::from_npy(stores, &parsed, chunks).await.map_err(io),
        (Some("npz"), dataset) => {
            let archive = NpzFile::open(stores, &parsed).await.map_err(file)?;
            let names: Vec<&str> = archive.names().collect();
            let name = match (&dataset, names.as_slice()) {
                (Some(name), _) => name.as_str(),
                (None, [one]) => one,
                (None, names) => {
                    let message = format!(
                        "{location} has several arrays: choose one of {} WITH (dataset => ...)",
                        names.join(", ")
                    );
                    return Err(at(message, span, text));
                }
            };
            let member = archive.open_array(name, &core.temp).await.map_err(file)?;
            Array::from_npy_file(&parsed, member, chunks).map_err(io)
        }
        (Some("zarr"), None) => Array::from_zarr(stores, &parsed, chunks).await.map_err(io),
        (Some("zarr"), Some(name)) => {
            let group = ZarrGroup::open(stores, &parsed).await.map_err(file)?;
            let array = group.open_array(&name).await.map_err(file)?;
            Array::from_zarr_array(&parsed, array, chunks).map_err(io)
        }
        (Some("npy"), Some(_)) => Err(at(format!("{location} holds one array, which has no name"), span, text)),
        _ => Err(at(format!("{location} is no .npy, .npz, .zarr, .nc or .h5"), span, text)),
    };
    array.map(unlabelled)
}

/// The file that an array is written to.
struct Target {
    location: Location,
    format: Written,
    chunks: Option<ChunkSpec>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Written {
    Npy,
    Zarr,
}

impl Target {
    fn of(location: &str, span: Span, options: &[StatementOption], text: &str) -> Result<Self> {
        let suffix = location.trim_end_matches('/').rsplit_once('.').map(|(_, suffix)| suffix.to_lowercase());
        let format = match suffix.as_deref() {
            Some("npy") => Written::Npy,
            Some("zarr") => Written::Zarr,
            _ => {
                return Err(at(
                    format!("{location} is no .npy or .zarr, which is what arrays are written to"),
                    span,
                    text,
                ));
            }
        };
        let mut chunks = None;
        for option in options {
            match (option.name.as_str(), &option.value) {
                ("chunks", OptionValue::Null) => {}
                ("chunks", _) => chunks = Some(chunks_option(option).map_err(|error| located(error, text))?),
                (name, _) => return Err(at(format!("no option {name}; COPY ARRAY has chunks"), option.span, text)),
            }
        }
        Ok(Self { location: Location::parse(location)?, format, chunks })
    }

    /// Writes the blocks as they are computed.
    async fn write(&self, core: &Core, array: Array) -> Result<Outcome> {
        let written = |error: dolmen_array::ArrayIoError| Error::invalid(error.to_string());
        let shape = array.shape().map_err(of_array)?;
        let mut array = match &self.chunks {
            Some(chunks) => array.rechunk(chunks.clone()).map_err(of_array)?,
            None => array,
        };
        // Zarr has chunks of one size.
        let sizes: Vec<usize> = array.chunks().axes().iter().map(|axis| axis.size_max().unwrap_or(1).max(1)).collect();
        if self.format == Written::Zarr {
            array = array.rechunk(ChunkSpec::from(sizes.as_slice())).map_err(of_array)?;
        }
        let stores = core.context.stores();
        let writer = match self.format {
            Written::Npy => {
                ArrayWriter::npy(stores, &self.location, &core.temp, array.dtype(), &shape).map_err(written)?
            }
            Written::Zarr => {
                ArrayWriter::zarr(stores, &self.location, array.dtype(), &shape, &sizes).await.map_err(written)?
            }
        };
        let run = ArrayRun::start(executor(core)?.as_ref(), &[array])?;
        let output = &run.outputs[0];
        for partition in 0..output.chunks().n_blocks().map_err(of_array)? {
            let task = TaskId::new(output.stage(), partition);
            let value = run.run.value(task).await.map_err(dolmen_graph::ComputeError::from)?;
            let offset = output.chunks().offset(partition).ok_or_else(|| Error::internal("a block without a place"))?;
            let index = output.chunks().block_index(partition);
            writer.write(&offset, &index, output.block_of(&value).map_err(of_array)?).await.map_err(written)?;
            drop(value);
            run.run.release(task);
        }
        writer.finish().await.map_err(written)?;
        Ok(done("COPY ARRAY"))
    }
}

/// An error with its place in the statement.
fn located(error: ArraySqlError, text: &str) -> Error {
    let (message, position) = (error.to_string(), position(error.span(), text));
    match error {
        ArraySqlError::Syntax { message, .. } => Error::Syntax { message, position, source: None },
        other => Error::Invalid { message, position, source: Some(Box::new(other)) },
    }
}

fn at(message: String, span: Span, text: &str) -> Error {
    Error::Invalid { message, position: position(span, text), source: None }
}

fn position(span: Span, text: &str) -> Option<Position> {
    let (line, column, width) = span.place(text);
    Position::at(text, line, column, width)
}
