//! CSV values that do not fit the type of their column: found again, and named with file, line and column.

use std::borrow::Cow;
use std::io::Read;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::{Array, ArrayRef, StringArray};
use datafusion::arrow::compute::{CastOptions, cast_with_options};
use datafusion::arrow::csv::reader::Format;
use datafusion::arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::config::CsvOptions;
use datafusion::common::{Constraints, Statistics};
use datafusion::datasource::TableType;
use datafusion::datasource::file_format::file_compression_type::FileCompressionType;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::dml::InsertOp;
use datafusion::logical_expr::{Expr, LogicalPlan, TableProviderFilterPushDown};
use datafusion::physical_plan::ExecutionPlan;
use object_store::path::Path;
use object_store::{GetResultPayload, ObjectStore, ObjectStoreExt};

use crate::sql_type::sql_type_name;

/// A value of a CSV file that does not have the type of its column.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{file}, line {line}: column \"{column}\" is {expected}, but the value is '{value}'; \
     this schema reads the file: columns => {{{schema}}}"
)]
pub struct CsvConflict {
    /// The file's path or URL.
    pub file: String,
    /// The line on which the row starts, from 1.
    pub line: u64,
    /// The column's name.
    pub column: String,
    /// The column's SQL type.
    pub expected: String,
    /// The value.
    pub value: String,
    /// A schema that fits every row, ready to be pasted into `columns => {...}`.
    pub schema: String,
}

/// A file of a CSV table.
#[derive(Debug, Clone)]
pub(crate) struct CsvSource {
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) path: Path,
    pub(crate) shown: String,
}

/// A table over CSV files that can tell which value of them does not fit.
#[derive(Debug)]
pub(crate) struct CsvTable {
    table: Arc<dyn TableProvider>,
    sources: Vec<CsvSource>,
    options: CsvOptions,
    /// The columns in the files, without those of their paths.
    schema: SchemaRef,
}

impl CsvTable {
    pub(crate) fn new(
        table: Arc<dyn TableProvider>,
        sources: Vec<CsvSource>,
        options: CsvOptions,
        schema: SchemaRef,
    ) -> Self {
        Self { table, sources, options, schema }
    }
}

#[async_trait]
impl TableProvider for CsvTable {
    fn schema(&self) -> SchemaRef {
        self.table.schema()
    }

    fn constraints(&self) -> Option<&Constraints> {
        self.table.constraints()
    }

    fn table_type(&self) -> TableType {
        self.table.table_type()
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        self.table.supports_filters_pushdown(filters)
    }

    fn get_logical_plan(&self) -> Option<Cow<'_, LogicalPlan>> {
        self.table.get_logical_plan()
    }

    fn statistics(&self) -> Option<Statistics> {
        self.table.statistics()
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.table.scan(state, projection, filters, limit).await
    }

    async fn insert_into(
        &self,
        state: &dyn Session,
        input: Arc<dyn ExecutionPlan>,
        op: InsertOp,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.table.insert_into(state, input, op).await
    }
}

/// If `message` says that a CSV value could not be read, the first such value in `tables`.
pub(crate) async fn diagnose(tables: &[Arc<dyn TableProvider>], message: &str) -> Option<CsvConflict> {
    if !message.contains("Error while parsing value") && !message.contains("Cannot cast string") {
        return None;
    }
    for table in tables.iter().filter_map(|table| table.downcast_ref::<CsvTable>()) {
        for source in &table.sources {
            let GetResultPayload::File(file, _) = source.store.get(&source.path).await.ok()?.payload else {
                // Reading a remote file a second time could cost more than the message is worth.
                continue;
            };
            let (options, schema, shown) = (table.options.clone(), Arc::clone(&table.schema), source.shown.clone());
            let search = tokio::task::spawn_blocking(move || find(file, &options, &schema, &shown));
            if let Ok(Ok(Some(conflict))) = search.await {
                return Some(conflict);
            }
        }
    }
    None
}

/// Rows that are checked together.
const ROWS_TOGETHER: usize = 4096;

fn find(file: std::fs::File, options: &CsvOptions, schema: &Schema, shown: &str) -> Result<Option<CsvConflict>> {
    let compression = FileCompressionType::from(options.compression);
    let mut file_again = file.try_clone()?;
    let has_header = options.has_header.unwrap_or(true);
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(options.delimiter)
        .quote(options.quote)
        .escape(options.escape)
        .comment(options.comment)
        .has_headers(has_header)
        .flexible(true)
        .from_reader(compression.convert_read(file)?);
    let null = options.null_regex.as_deref().map(regex::Regex::new).transpose();
    let null = null.map_err(|error| DataFusionError::External(Box::new(error)))?;
    let is_null = |value: &str| null.as_ref().map_or(value.is_empty(), |null| null.is_match(value));
    let mut records = reader.records();
    loop {
        let rows: Vec<csv::StringRecord> = records.by_ref().take(ROWS_TOGETHER).filter_map(Result::ok).collect();
        if rows.is_empty() {
            return Ok(None);
        }
        for (idx, field) in schema.fields().iter().enumerate() {
            let values: StringArray = rows.iter().map(|row| row.get(idx).filter(|value| !is_null(value))).collect();
            let Some(row) = first_misfit(&values, field.data_type())? else { continue };
            file_again.rewind_to_start()?;
            return Ok(Some(CsvConflict {
                file: shown.to_owned(),
                line: rows[row].position().map_or(0, csv::Position::line),
                column: field.name().clone(),
                expected: sql_type_name(field.data_type()),
                value: values.value(row).to_owned(),
                schema: fitting_schema(file_again, options, schema)?,
            }));
        }
    }
}

trait RewindToStart {
    fn rewind_to_start(&mut self) -> std::io::Result<()>;
}

impl RewindToStart for std::fs::File {
    fn rewind_to_start(&mut self) -> std::io::Result<()> {
        std::io::Seek::rewind(self)
    }
}

/// The first row whose text does not become a value of `data_type`.
fn first_misfit(values: &StringArray, data_type: &DataType) -> Result<Option<usize>> {
    if matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View) {
        return Ok(None);
    }
    let trimmed: ArrayRef = Arc::new(values.clone());
    let options = CastOptions { safe: true, ..CastOptions::default() };
    let cast = cast_with_options(&trimmed, data_type, &options)?;
    Ok((0..values.len()).find(|row| values.is_valid(*row) && cast.is_null(*row)))
}

/// The schema found over all rows of the file, as `'name': 'TYPE'` pairs under the names of `schema`.
fn fitting_schema(file: std::fs::File, options: &CsvOptions, schema: &Schema) -> Result<String> {
    let mut format = Format::default()
        .with_header(options.has_header.unwrap_or(true))
        .with_delimiter(options.delimiter)
        .with_quote(options.quote)
        .with_truncated_rows(true);
    if let Some(escape) = options.escape {
        format = format.with_escape(escape);
    }
    if let Some(comment) = options.comment {
        format = format.with_comment(comment);
    }
    if let Some(null) = &options.null_regex
        && let Ok(null) = regex::Regex::new(null)
    {
        format = format.with_null_regex(null);
    }
    let text: Box<dyn Read + Send> = FileCompressionType::from(options.compression).convert_read(file)?;
    let (found, _) = format.infer_schema(text, None)?;
    let columns: Vec<String> = schema
        .fields()
        .iter()
        .enumerate()
        .map(|(idx, field)| {
            let data_type = match found.fields().get(idx).map(|field| field.data_type()) {
                Some(DataType::Null) | None => &DataType::Utf8,
                Some(data_type) => data_type,
            };
            format!("'{}': '{}'", field.name().replace('\'', "''"), sql_type_name(data_type).to_uppercase())
        })
        .collect();
    Ok(columns.join(", "))
}
