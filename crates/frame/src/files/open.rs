//! Opening files: which there are, their schema, and the table over them.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::common::config::CsvOptions;
use datafusion::common::parsers::CompressionTypeVariant;
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::file_format::csv::CsvFormat;
use datafusion::datasource::file_format::file_compression_type::FileCompressionType;
use datafusion::datasource::listing::{ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl};
use datafusion::datasource::{ViewTable, provider_as_source};
use datafusion::error::DataFusionError;
use datafusion::execution::SessionState;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, cast, in_list, lit, when};
use datafusion::scalar::ScalarValue;
use dolmen_storage::{Listing, ListingKind, Stores};
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};

use crate::error::{Error, Result};
use crate::files::conflict::{CsvSource, CsvTable};
use crate::files::csv_parts::CsvParts;
use crate::files::csv_records::sample;
use crate::files::decompress::{DecompressedStore, decompressed};
use crate::files::format::{FileKind, SAMPLE_ROWS, Suffix, compression_of, csv_options, reader};
use crate::files::json_array::array_schema;
use crate::files::per_file::{FileColumns, PerFileTable};
use crate::files::request::{FileRequest, ReadOptions};
use crate::files::text::TextTable;
use crate::sql::translate::of_execution;

/// Opens the files of `request` as a table: lists them, and finds their schema unless it is given.
///
/// # Errors
/// [`Error::Storage`] for locations that cannot be read or may not be; [`Error::Invalid`] for files of unknown format, or
/// options that do not fit.
pub(crate) async fn open(
    state: &SessionState,
    stores: &Arc<Stores>,
    request: &FileRequest,
) -> Result<Arc<dyn TableProvider>> {
    let options = &request.options;
    let mut listings = Vec::new();
    for location in request.parsed_locations()? {
        listings.push(stores.list(&location).await?);
    }
    let kind = kind_of(request, &listings)?;
    for listing in &mut listings {
        keep_readable(listing, kind, request)?;
    }
    let suffix = Suffix::of(
        listings.first().and_then(|listing| listing.files.first()).map_or("", |file| file.location.as_ref()),
    );
    let compression = compression_of(options, suffix).map_err(Error::invalid)?;
    let partitions = partitions(&listings, options);
    let files = Files { state, stores, listings, options };
    if kind == FileKind::Text {
        return files.text(compression, &partitions);
    }
    let csv = csv_options(options, suffix, compression, &state.default_table_options().csv);
    let is_array = kind == FileKind::Json && files.is_json_array(compression).await?;
    let parquet = state.default_table_options().parquet;
    let format = reader(kind, csv.clone(), &parquet, is_array, options.sample_rows)
        .ok_or_else(|| Error::internal("text has a reader of its own"))?;
    files.table(kind, format, csv, is_array, &partitions).await
}

fn kind_of(request: &FileRequest, listings: &[Listing]) -> Result<FileKind> {
    let named = request.locations.iter().find_map(|location| Suffix::of(location).kind);
    let found =
        || listings.iter().flat_map(|listing| &listing.files).find_map(|file| Suffix::of(file.location.as_ref()).kind);
    request.kind.or(named).or_else(found).ok_or_else(|| {
        Error::invalid(format!(
            "the name of {} does not tell its format; use read_csv('...'), read_parquet('...') or another reading function",
            request.shown()
        ))
    })
}

/// Leaves out the files of a folder that are in another format: a `README.txt` beside Parquet files is no data.
fn keep_readable(listing: &mut Listing, kind: FileKind, request: &FileRequest) -> Result<()> {
    if listing.kind != ListingKind::Folder {
        return Ok(());
    }
    let is_kind = |file: &ObjectMeta| Suffix::of(file.location.as_ref()).kind == Some(kind);
    if listing.files.iter().any(is_kind) {
        listing.files.retain(is_kind);
    } else if request.kind.is_none() {
        return Err(Error::invalid(format!("the folder {} holds no {} files", request.shown(), kind.name())));
    }
    Ok(())
}

/// The hive partition columns: names and types, where every file's path has the same ones.
fn partitions(listings: &[Listing], options: &ReadOptions) -> Vec<Field> {
    if options.hive_partitioning == Some(false) {
        return Vec::new();
    }
    let mut names: Option<Vec<String>> = None;
    let mut values: Vec<Vec<String>> = Vec::new();
    for (listing, file) in listings.iter().flat_map(|listing| listing.files.iter().map(move |file| (listing, file))) {
        let parts = partition_values(&listing.base, &file.location);
        let these: Vec<String> = parts.iter().map(|(name, _)| name.clone()).collect();
        match &names {
            Some(names) if *names != these => return Vec::new(),
            Some(_) => {}
            None => {
                values = vec![Vec::new(); these.len()];
                names = Some(these);
            }
        }
        for (column, (_, value)) in values.iter_mut().zip(parts) {
            column.push(value);
        }
    }
    names
        .unwrap_or_default()
        .into_iter()
        .zip(values)
        .map(|(name, values)| Field::new(name, partition_type(&values), true))
        .collect()
}

/// Hive's name for the partition of rows whose value is NULL.
const NULL_PARTITION: &str = "__HIVE_DEFAULT_PARTITION__";

/// BIGINT or DATE where every value is one, else VARCHAR. A number with a leading zero is a text: `zip=01234`.
fn partition_type(values: &[String]) -> DataType {
    let mut values = values.iter().filter(|value| *value != NULL_PARTITION).peekable();
    if values.peek().is_none() {
        return DataType::Utf8;
    }
    let is_integer = |value: &String| value.parse::<i64>().is_ok_and(|number| number.to_string() == **value);
    let is_date =
        |value: &String| value.len() == 10 && ScalarValue::try_from_string(value.clone(), &DataType::Date32).is_ok();
    let values: Vec<&String> = values.collect();
    if values.iter().all(|value| is_integer(value)) {
        DataType::Int64
    } else if values.iter().all(|value| is_date(value)) {
        DataType::Date32
    } else {
        DataType::Utf8
    }
}

/// The `name=value` folders between `base` and the file, in order.
fn partition_values(base: &Path, file: &Path) -> Vec<(String, String)> {
    let below: Vec<String> = match file.prefix_match(base) {
        Some(parts) => parts.map(|part| part.as_ref().to_owned()).collect(),
        None => Vec::new(),
    };
    let folders = below.split_last().map_or(&[][..], |(_, folders)| folders);
    folders
        .iter()
        .filter_map(|folder| folder.split_once('='))
        .map(|(name, value)| (name.to_owned(), decoded(value)))
        .collect()
}

/// A partition's value without percent signs; the path's own encoding is already gone.
fn decoded(value: &str) -> String {
    Path::from_url_path(value).map_or_else(|_| value.to_owned(), |path| path.as_ref().to_owned())
}

struct Files<'a> {
    state: &'a SessionState,
    stores: &'a Arc<Stores>,
    listings: Vec<Listing>,
    options: &'a ReadOptions,
}

impl Files<'_> {
    fn store(&self, listing: &Listing) -> Result<Arc<dyn ObjectStore>> {
        Ok(self.stores.get(&listing.store_url)?)
    }

    /// Every file with its listing.
    fn all(&self) -> impl Iterator<Item = (&Listing, &ObjectMeta)> {
        self.listings.iter().flat_map(|listing| listing.files.iter().map(move |file| (listing, file)))
    }

    /// The columns that a file's name gives: partitions, then the file's path if it is asked for.
    fn columns_of(&self, listing: &Listing, file: &ObjectMeta, partitions: &[Field]) -> Result<FileColumns> {
        let mut fields = partitions.to_vec();
        let mut values = Vec::new();
        for (field, (_, text)) in partitions.iter().zip(partition_values(&listing.base, &file.location)) {
            values.push(match text.as_str() {
                NULL_PARTITION => ScalarValue::try_from(field.data_type()).map_err(of_execution)?,
                _ => ScalarValue::try_from_string(text, field.data_type()).map_err(of_execution)?,
            });
        }
        if let Some(name) = &self.options.filename {
            fields.push(Field::new(name, DataType::Utf8, false));
            values.push(ScalarValue::from(shown_path(listing, file)));
        }
        Ok(FileColumns { fields, values })
    }

    fn text(&self, compression: CompressionTypeVariant, partitions: &[Field]) -> Result<Arc<dyn TableProvider>> {
        let mut files = Vec::new();
        for (listing, file) in self.all() {
            let columns = self.columns_of(listing, file, partitions)?;
            let url = ObjectStoreUrl::parse(listing.store_url.as_str()).map_err(of_execution)?;
            files.push((url, self.store(listing)?, file.location.clone(), columns));
        }
        Ok(Arc::new(TextTable::new(files, FileCompressionType::from(compression))))
    }

    /// Whether the first file starts like an array.
    async fn is_json_array(&self, compression: CompressionTypeVariant) -> Result<bool> {
        if let Some(is_array) = self.options.json_array {
            return Ok(is_array);
        }
        let Some((listing, file)) = self.all().find(|(_, file)| file.size > 0) else { return Ok(false) };
        let store = self.store(listing)?;
        let bytes = store.get(&file.location).await.map_err(|error| of_execution(error.into()))?.into_stream();
        let bytes = TryStreamExt::map_err(bytes, Into::into);
        let mut text = decompressed(Box::pin(bytes), FileCompressionType::from(compression));
        while let Some(chunk) = text.try_next().await.map_err(of_execution)? {
            if let Some(first) = chunk.iter().find(|byte| !byte.is_ascii_whitespace()) {
                return Ok(*first == b'[');
            }
        }
        Ok(false)
    }

    async fn table(
        &self,
        kind: FileKind,
        format: Arc<dyn FileFormat>,
        csv: CsvOptions,
        is_array: bool,
        partitions: &[Field],
    ) -> Result<Arc<dyn TableProvider>> {
        let array = is_array.then(|| FileCompressionType::from(csv.compression));
        let (found, has_quoted_lines) = self.schema(kind, &csv, &format, array).await?;
        let mut csv = csv;
        if has_quoted_lines {
            csv.newlines_in_values.get_or_insert(true);
        }
        // DataFusion's reader knows no NULL but the empty field: other texts are read as texts and turned into NULL above it.
        let reads_text = kind == FileKind::Csv && !self.options.null_texts.is_empty();
        let schema = if reads_text { as_text(&found) } else { Arc::clone(&found) };
        let partitions: Vec<Field> =
            partitions.iter().filter(|field| schema.field_with_name(field.name()).is_err()).cloned().collect();
        // DataFusion reads a file once even if it is named twice.
        let mut seen = HashSet::new();
        let is_repeated = self.all().any(|(listing, file)| !seen.insert((&listing.store_url, &file.location)));
        let has_own_columns = !partitions.is_empty() || self.options.filename.is_some();
        let table = match is_repeated || has_own_columns {
            false => self.listing_table(kind, &format, &csv, &schema, &self.all().collect::<Vec<_>>())?,
            true => {
                let mut files = Vec::new();
                for (listing, file) in self.all() {
                    let inner = self.listing_table(kind, &format, &csv, &schema, &[(listing, file)])?;
                    files.push((inner, self.columns_of(listing, file, &partitions)?));
                }
                Arc::new(PerFileTable::try_new(files).map_err(of_execution)?)
            }
        };
        if kind != FileKind::Csv {
            return Ok(table);
        }
        let table = if reads_text { self.with_nulls(table, &found)? } else { table };
        // A CSV table remembers its files, so that a value that does not fit its column can be found and named.
        let mut sources = Vec::new();
        for (listing, file) in self.all() {
            sources.push(CsvSource {
                store: self.store(listing)?,
                path: file.location.clone(),
                shown: shown_path(listing, file),
            });
        }
        Ok(Arc::new(CsvTable::new(table, sources, csv, found)))
    }

    /// A view over the texts of `table` in which the NULL texts are NULL and every column of the files has its type.
    fn with_nulls(&self, table: Arc<dyn TableProvider>, schema: &Schema) -> Result<Arc<dyn TableProvider>> {
        let nulls: Vec<Expr> = self.options.null_texts.iter().map(|text| lit(text.as_str())).collect();
        let scan = LogicalPlanBuilder::scan("files", provider_as_source(table), None).map_err(of_execution)?;
        let columns = scan.schema().columns().into_iter().map(|column| {
            let (name, value) = (column.name.clone(), Expr::Column(column));
            match schema.field_with_name(&name) {
                Ok(field) => {
                    let text = when(in_list(value.clone(), nulls.clone(), false), lit(ScalarValue::Utf8(None)))
                        .otherwise(value)?;
                    Ok(cast(text, field.data_type().clone()).alias(name))
                }
                Err(_) => Ok(value),
            }
        });
        let columns = columns.collect::<Result<Vec<_>, DataFusionError>>().map_err(of_execution)?;
        let plan = scan.project(columns).and_then(LogicalPlanBuilder::build).map_err(of_execution)?;
        Ok(Arc::new(ViewTable::new(plan, None)))
    }

    fn listing_table(
        &self,
        kind: FileKind,
        format: &Arc<dyn FileFormat>,
        csv: &CsvOptions,
        schema: &SchemaRef,
        files: &[(&Listing, &ObjectMeta)],
    ) -> Result<Arc<dyn TableProvider>> {
        let urls = files.iter().copied().map(|(listing, file)| file_url(listing, file)).collect::<Result<Vec<_>>>()?;
        if let Some(other) = urls.iter().find(|url| url.object_store() != urls[0].object_store()) {
            return Err(Error::invalid(format!(
                "{} and {} lie in different stores; read each by itself and combine them with UNION ALL",
                urls[0].object_store().as_str(),
                other.object_store().as_str()
            )));
        }
        let cache = self.state.runtime_env().cache_manager.get_file_statistic_cache();
        let table = |format: Arc<dyn FileFormat>| -> Result<Arc<dyn TableProvider>> {
            let options = ListingOptions::new(format).with_file_extension("");
            let config = ListingTableConfig::new_with_multi_paths(urls.clone())
                .with_listing_options(options)
                .with_schema(Arc::clone(schema));
            Ok(Arc::new(ListingTable::try_new(config).map_err(of_execution)?.with_cache(cache.clone())))
        };
        let is_compressed = csv.compression != CompressionTypeVariant::UNCOMPRESSED;
        if kind != FileKind::Csv || is_compressed {
            return table(Arc::clone(format));
        }
        let reader = |newlines| {
            let csv = CsvOptions { newlines_in_values: Some(newlines), ..csv.clone() };
            table(Arc::new(CsvFormat::default().with_options(csv)))
        };
        if let Some(newlines) = csv.newlines_in_values {
            return reader(newlines);
        }
        let local = files.iter().map(|(listing, file)| {
            (listing.store_url.scheme() == "file").then(|| PathBuf::from(shown_path(listing, file)))
        });
        Ok(Arc::new(CsvParts {
            whole: reader(true)?,
            parts: reader(false)?,
            files: local.collect(),
            options: csv.clone(),
        }))
    }

    /// The schema of the files, and whether values of CSV files hold line breaks; `array` has the compression of JSON files
    /// that are one array each.
    async fn schema(
        &self,
        kind: FileKind,
        csv: &CsvOptions,
        format: &Arc<dyn FileFormat>,
        array: Option<FileCompressionType>,
    ) -> Result<(SchemaRef, bool)> {
        let mut has_quoted_lines = false;
        // DataFusion would look at the first of several compressed streams only.
        let compression = FileCompressionType::from(csv.compression);
        let is_packed = compression.is_compressed() && matches!(kind, FileKind::Csv | FileKind::Json);
        let plain = CsvOptions { compression: CompressionTypeVariant::UNCOMPRESSED, ..csv.clone() };
        let parquet = self.state.default_table_options().parquet;
        let plain_format = reader(kind, plain, &parquet, false, self.options.sample_rows);
        let found = match self.options.columns.is_empty() {
            false => Schema::empty(),
            true => {
                let mut schemas = Vec::new();
                for listing in &self.listings {
                    let mut store = self.store(listing)?;
                    if let Some(compression) = array {
                        let rows_max = self.options.sample_rows.unwrap_or(SAMPLE_ROWS);
                        for file in &listing.files {
                            let schema = array_schema(&store, &file.location, compression, rows_max).await;
                            schemas.push(schema.map_err(|error| self.unreadable(listing, error))?);
                        }
                        continue;
                    }
                    let mut format = format;
                    if let (true, Some(plain_format)) = (is_packed, &plain_format) {
                        store = Arc::new(DecompressedStore::new(store, compression));
                        format = plain_format;
                    }
                    if let Some(csv) = format.downcast_ref::<CsvFormat>() {
                        let files = listing.files.iter().map(|file| (&store, &file.location));
                        let rows_max = csv.options().schema_infer_max_rec.unwrap_or(SAMPLE_ROWS);
                        let sample = sample(self.state, csv, files, rows_max).await;
                        let sample = sample.map_err(|error| self.unreadable(listing, error))?;
                        has_quoted_lines |= sample.has_quoted_lines;
                        schemas.push(sample.schema);
                        continue;
                    }
                    let schema = format
                        .infer_schema(self.state, &store, &listing.files)
                        .await
                        .map_err(|error| self.unreadable(listing, error))?;
                    schemas.push(schema.as_ref().clone());
                }
                Schema::try_merge(schemas).map_err(|error| {
                    Error::invalid(format!("the files do not have one schema: {error}; give `types` or `columns`"))
                })?
            }
        };
        Ok((self.adjusted(&found)?, has_quoted_lines))
    }

    /// The schema with the types that the options give.
    fn adjusted(&self, found: &Schema) -> Result<SchemaRef> {
        let parse = |name: &str| {
            crate::sql_type::parse_sql_type(self.state, name)
                .map_err(|error| Error::invalid(format!("type '{name}' of a column is not known: {error}")))
        };
        if !self.options.columns.is_empty() {
            let fields =
                self.options.columns.iter().map(|(name, data_type)| Ok(Field::new(name, parse(data_type)?, true)));
            return Ok(Arc::new(Schema::new(fields.collect::<Result<Vec<_>>>()?)));
        }
        let mut fields: Vec<Field> = found.fields().iter().map(|field| field.as_ref().clone()).collect();
        for field in &mut fields {
            if self.options.all_varchar || field.data_type().is_null() {
                // A column without any value so far may get one of any type.
                field.set_data_type(DataType::Utf8);
            }
        }
        for (name, data_type) in &self.options.types {
            let known = fields.iter().map(|field| field.name().clone()).collect::<Vec<_>>();
            let field = fields.iter_mut().find(|field| field.name().eq_ignore_ascii_case(name)).ok_or_else(|| {
                let hint = dolmen_storage::nearest(name, known.iter().map(String::as_str)).map_or_else(
                    || format!("the columns are {}", known.join(", ")),
                    |name| format!("did you mean {name}?"),
                );
                Error::invalid(format!("types names a column \"{name}\" that the files do not have; {hint}"))
            })?;
            field.set_data_type(parse(data_type)?);
        }
        Ok(Arc::new(Schema::new_with_metadata(fields, found.metadata().clone())))
    }

    /// Names the file whose schema could not be found, if there is but one; else the folder.
    fn unreadable(&self, listing: &Listing, error: DataFusionError) -> Error {
        let what = match listing.files.as_slice() {
            [file] => shown_path(listing, file),
            files => format!("{} and {} other files", shown_path(listing, &files[0]), files.len() - 1),
        };
        match of_execution(error) {
            Error::Execution { message, source } => {
                Error::Execution { message: format!("{what} cannot be read: {message}"), source }
            }
            other => other,
        }
    }
}

/// The schema with every column as text.
fn as_text(schema: &Schema) -> SchemaRef {
    let fields: Vec<Field> =
        schema.fields().iter().map(|field| field.as_ref().clone().with_data_type(DataType::Utf8)).collect();
    Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
}

/// The path or URL of a file, as a user would write it.
fn shown_path(listing: &Listing, file: &ObjectMeta) -> String {
    match listing.store_url.scheme() {
        "file" => format!("/{}", file.location),
        _ => format!(
            "{}/{}",
            dolmen_storage::redact_url(listing.store_url.as_str()).trim_end_matches('/'),
            file.location
        ),
    }
}

fn file_url(listing: &Listing, file: &ObjectMeta) -> Result<ListingTableUrl> {
    let mut url = listing.store_url.clone();
    // Segment by segment, so that every character of a name is itself.
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.clear().extend(file.location.parts().map(|part| part.as_ref().to_owned()));
    }
    let url = ListingTableUrl::try_new(url, None).map_err(of_execution)?;
    debug_assert_eq!(
        url.object_store(),
        ObjectStoreUrl::parse(listing.store_url.as_str()).unwrap_or(url.object_store())
    );
    Ok(url)
}
