//! Scans of files and of tables in memory.

use std::str::FromStr;
use std::sync::Arc;

use datafusion::arrow::datatypes::Schema;
use datafusion::common::config::TableParquetOptions;
use datafusion::common::parsers::CompressionTypeVariant;
use datafusion::datasource::file_format::file_compression_type::FileCompressionType;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::datasource::physical_plan::{
    ArrowSource, AvroSource, CsvSource, FileScanConfig, FileScanConfigBuilder, FileSource, JsonSource, ParquetSource,
};
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::Result;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::physical_plan::ExecutionPlan;
use datafusion_proto::physical_plan::PhysicalPlanDecodeContext;
use datafusion_proto::physical_plan::from_proto::parse_protobuf_file_scan_config;
use datafusion_proto::physical_plan::to_proto::serialize_file_scan_config;
use datafusion_proto::protobuf::{self, PhysicalPlanNode};
use object_store::memory::InMemory;
use prost::Message;
use serde::{Deserialize, Serialize};

use super::converter::{Converter, extension};
use super::nodes::Wire;
use super::{NotPortable, wire};
use crate::files::{FileColumns, TextScan, TextTable};
use crate::table::SnapshotScan;

/// What DataFusion's encoding of a scan of files leaves out.
#[derive(Serialize, Deserialize)]
pub(super) struct Beside {
    compression: String,
    preserves_order: bool,
    format: Format,
}

#[derive(Serialize, Deserialize)]
enum Format {
    Csv {
        terminator: Option<u8>,
    },
    /// JSON of one object a line, or one array.
    Json {
        is_array: bool,
    },
    /// Arrow's file format or its stream.
    Arrow {
        is_stream: bool,
    },
    Parquet,
}

/// A scan of Avro files, in DataFusion's encoding of what all files have.
#[derive(Serialize, Deserialize)]
pub(super) struct Avro(Vec<u8>);

/// The scan in an encoding of ours; `None` if DataFusion's says all of it.
pub(super) fn encode(
    converter: &Converter,
    plan: &Arc<dyn ExecutionPlan>,
    scan: &DataSourceExec,
) -> Result<Option<PhysicalPlanNode>> {
    let source = scan.data_source();
    if let Some(table) = source.downcast_ref::<SnapshotScan>() {
        let rows: Arc<dyn ExecutionPlan> = DataSourceExec::from_data_source(table.to_memory_source()?);
        return converter.stock_plan_to_proto(&rows).map(Some);
    }
    if source.is::<MemorySourceConfig>() {
        return Ok(None);
    }
    if let Some(text) = source.downcast_ref::<TextScan>() {
        let text = Text::of(text)?;
        return Ok(Some(extension(wire::to_bytes(&Wire::Text(text))?, Vec::new())));
    }
    let Some(files) = source.downcast_ref::<FileScanConfig>() else {
        let table = super::shortened(&datafusion::physical_plan::displayable(plan.as_ref()).one_line().to_string());
        return Err(NotPortable::Table { table }.into());
    };
    check_reachable(files.object_store_url.as_str())?;
    check_plain(files)?;
    let files_source = files.file_source();
    if files_source.is::<AvroSource>() {
        let files = serialize_file_scan_config(files, &converter.functions, converter)?;
        return Ok(Some(extension(wire::to_bytes(&Wire::Avro(Avro(files.encode_to_vec())))?, Vec::new())));
    }
    let beside = Beside {
        compression: files.file_compression_type.get_variant().to_string(),
        preserves_order: files.preserve_order,
        format: Format::of(files)?,
    };
    Ok(Some(extension(wire::to_bytes(&Wire::Files(beside))?, vec![converter.stock_plan_to_proto(plan)?])))
}

fn check_reachable(url: &str) -> Result<()> {
    if url.starts_with("file:") { Ok(()) } else { Err(NotPortable::Store { url: url.to_owned() }.into()) }
}

/// Refuses what the embedding program may add to a scan.
fn check_plain(files: &FileScanConfig) -> Result<()> {
    if files.expr_adapter_factory.is_some() {
        return Err(NotPortable::NoEncoding { what: "an adapter of expressions to files".to_owned() }.into());
    }
    let mut all = files.file_groups.iter().flat_map(|group| group.iter());
    if all.any(|file| !file.extensions.is_empty()) {
        return Err(NotPortable::NoEncoding { what: "what a program knows of a file".to_owned() }.into());
    }
    Ok(())
}

impl Format {
    fn of(files: &FileScanConfig) -> Result<Self> {
        let source = files.file_source();
        if let Some(csv) = source.downcast_ref::<CsvSource>() {
            return Ok(Self::Csv { terminator: csv.terminator() });
        }
        if source.is::<JsonSource>() {
            return Ok(Self::Json { is_array: is_json_array(files)? });
        }
        if source.is::<ArrowSource>() {
            return Ok(Self::Arrow { is_stream: source.file_type() == "arrow_stream" });
        }
        if let Some(parquet) = source.downcast_ref::<ParquetSource>() {
            let options = Some(parquet.table_parquet_options().try_into()?);
            let node = protobuf::ParquetScanExecNode { parquet_options: options, ..Default::default() };
            let decoded = node.parquet_options.as_ref().map(TableParquetOptions::try_from).transpose()?;
            if decoded.as_ref() != Some(parquet.table_parquet_options()) {
                return Err(NotPortable::NoEncoding { what: "a setting of Parquet files".to_owned() }.into());
            }
            return Ok(Self::Parquet);
        }
        Err(NotPortable::NoEncoding { what: format!("the format {}", source.file_type()) }.into())
    }

    /// The source as it was before it was encoded.
    fn put_to(&self, files: &FileScanConfig) -> Result<Option<Arc<dyn FileSource>>> {
        let source = files.file_source();
        let restored: Arc<dyn FileSource> = match *self {
            Self::Csv { terminator } => {
                let csv = source.downcast_ref::<CsvSource>().ok_or_else(|| wire::missing("a scan of CSV files"))?;
                Arc::new(csv.with_terminator(terminator))
            }
            Self::Json { is_array } => {
                let json = source.downcast_ref::<JsonSource>().ok_or_else(|| wire::missing("a scan of JSON files"))?;
                Arc::new(json.clone().with_newline_delimited(!is_array))
            }
            Self::Arrow { is_stream: true } => {
                let stream = Arc::new(ArrowSource::new_stream_file_source(source.table_schema().clone()));
                match source.projection() {
                    Some(projection) => match stream.try_pushdown_projection(projection)? {
                        Some(projected) => projected,
                        None => return Err(wire::missing("the columns of an Arrow stream")),
                    },
                    None => stream,
                }
            }
            Self::Arrow { is_stream: false } | Self::Parquet => return Ok(None),
        };
        Ok(Some(restored))
    }
}

/// Whether each of the JSON files is one array. The source does not tell, but then refuses to read a part of a file.
fn is_json_array(files: &FileScanConfig) -> Result<bool> {
    let source = files.file_source().with_batch_size(1);
    let opener = source.create_file_opener(Arc::new(InMemory::new()), files, 0)?;
    Ok(opener.open(PartitionedFile::new_with_range("part".to_owned(), 1, 0, 1)).is_err())
}

impl Beside {
    /// The scan that was encoded, of what DataFusion's encoding made of it.
    pub(super) fn put_to(&self, scan: &Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
        let source = scan.downcast_ref::<DataSourceExec>().map(DataSourceExec::data_source);
        let files = source.and_then(|source| source.downcast_ref::<FileScanConfig>());
        let files = files.ok_or_else(|| wire::missing("a scan of files"))?;
        let compression = FileCompressionType::from(CompressionTypeVariant::from_str(&self.compression)?);
        let mut restored = FileScanConfigBuilder::from(files.clone())
            .with_file_compression_type(compression)
            .with_preserve_order(self.preserves_order);
        if let Some(source) = self.format.put_to(files)? {
            restored = restored.with_source(source);
        }
        Ok(DataSourceExec::from_data_source(restored.build()))
    }
}

impl Avro {
    pub(super) fn to_scan(&self, converter: &Converter) -> Result<Arc<dyn ExecutionPlan>> {
        let files: protobuf::FileScanExecConf = wire::message(&self.0)?;
        let source = Arc::new(AvroSource::new(FileScanConfig::parse_table_schema_from_proto(&files)?));
        let context = PhysicalPlanDecodeContext::new(&converter.context, &converter.functions);
        let files = parse_protobuf_file_scan_config(&files, &context, converter, source)?;
        Ok(DataSourceExec::from_data_source(files))
    }
}

/// A scan of plain text.
#[derive(Serialize, Deserialize)]
pub(super) struct Text {
    files: Vec<TextPart>,
    compression: String,
    columns: Vec<usize>,
    fetch: Option<usize>,
}

/// One file, with the columns that its name gives.
#[derive(Serialize, Deserialize)]
struct TextPart {
    store_url: String,
    path: String,
    fields: Vec<u8>,
    values: Vec<Vec<u8>>,
}

impl Text {
    fn of(scan: &TextScan) -> Result<Self> {
        let files = scan.files.iter().map(|file| {
            check_reachable(file.store_url.as_str())?;
            let fields = wire::schema_bytes(&Schema::new(file.columns.fields.clone()))?;
            let values = file.columns.values.iter().map(wire::value_bytes).collect::<Result<_>>()?;
            let (store_url, path) = (file.store_url.to_string(), file.path.to_string());
            Ok(TextPart { store_url, path, fields, values })
        });
        Ok(Self {
            files: files.collect::<Result<_>>()?,
            compression: scan.compression().get_variant().to_string(),
            columns: scan.columns.clone(),
            fetch: scan.fetch,
        })
    }

    pub(super) fn to_scan(&self, converter: &Converter) -> Result<Arc<dyn ExecutionPlan>> {
        let compression = FileCompressionType::from(CompressionTypeVariant::from_str(&self.compression)?);
        let files = self.files.iter().map(|file| {
            let url = ObjectStoreUrl::parse(&file.store_url)?;
            let store = converter.context.runtime_env().object_store(&url)?;
            let fields = wire::schema(&file.fields)?.fields().iter().map(|field| field.as_ref().clone()).collect();
            let values = file.values.iter().map(|value| wire::value(value)).collect::<Result<_>>()?;
            let path = object_store::path::Path::from(file.path.as_str());
            Ok((url, store, path, FileColumns { fields, values }))
        });
        let table = TextTable::new(files.collect::<Result<_>>()?, compression);
        Ok(DataSourceExec::from_data_source(table.scan_lines(Some(&self.columns), self.fetch)?))
    }
}
