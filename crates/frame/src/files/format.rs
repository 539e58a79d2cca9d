//! File formats: from suffixes and names to DataFusion's readers.

use std::sync::Arc;

use datafusion::common::config::{CsvOptions, JsonOptions};
use datafusion::common::parsers::CompressionTypeVariant;
use datafusion::config::TableParquetOptions;
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::file_format::arrow::ArrowFormat;
use datafusion::datasource::file_format::avro::AvroFormat;
use datafusion::datasource::file_format::csv::CsvFormat;
use datafusion::datasource::file_format::json::JsonFormat;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use dolmen_storage::nearest;

use crate::files::request::ReadOptions;

/// A format that files are read in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileKind {
    Csv,
    Parquet,
    Json,
    Arrow,
    Avro,
    Text,
}

impl FileKind {
    /// From the name of a format.
    pub(crate) fn parse(name: &str) -> Result<Self, String> {
        Self::from_suffix(&name.to_lowercase()).ok_or_else(|| {
            let known = ["csv", "tsv", "parquet", "json", "ndjson", "arrow", "avro", "text"];
            let hint = nearest(name, known)
                .map_or_else(|| format!("known are {}", known.join(", ")), |name| format!("did you mean {name}?"));
            format!("format {name} is not known; {hint}")
        })
    }

    fn from_suffix(suffix: &str) -> Option<Self> {
        match suffix {
            "csv" | "tsv" | "tab" => Some(Self::Csv),
            "parquet" | "pq" => Some(Self::Parquet),
            "json" | "ndjson" | "jsonl" => Some(Self::Json),
            "arrow" | "arrows" | "ipc" | "feather" => Some(Self::Arrow),
            "avro" => Some(Self::Avro),
            "txt" | "text" | "log" => Some(Self::Text),
            _ => None,
        }
    }

    /// The format's name in options.
    pub(crate) fn option(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Parquet => "parquet",
            Self::Json => "json",
            Self::Arrow => "arrow",
            Self::Avro => "avro",
            Self::Text => "text",
        }
    }

    /// The format's name, for messages.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Csv => "CSV",
            Self::Parquet => "Parquet",
            Self::Json => "JSON",
            Self::Arrow => "Arrow IPC",
            Self::Avro => "Avro",
            Self::Text => "text",
        }
    }
}

/// What the end of a file's name says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Suffix {
    pub(crate) kind: Option<FileKind>,
    pub(crate) is_tab_separated: bool,
    pub(crate) compression: CompressionTypeVariant,
}

impl Suffix {
    /// Of a path, a URL or a pattern: `flights.csv.gz` is CSV, compressed by gzip.
    pub(crate) fn of(name: &str) -> Self {
        let path = name.split(['?', '#']).next().filter(|_| name.contains("://")).unwrap_or(name);
        let file = path.rsplit('/').next().unwrap_or(path).to_lowercase();
        let (stem, compression) = match file.rsplit_once('.') {
            Some((stem, suffix)) => match compression(suffix) {
                Some(compression) => (stem.to_owned(), compression),
                None => (file.clone(), CompressionTypeVariant::UNCOMPRESSED),
            },
            None => (file, CompressionTypeVariant::UNCOMPRESSED),
        };
        let suffix = stem.rsplit_once('.').map_or("", |(_, suffix)| suffix);
        Self { kind: FileKind::from_suffix(suffix), is_tab_separated: matches!(suffix, "tsv" | "tab"), compression }
    }
}

fn compression(name: &str) -> Option<CompressionTypeVariant> {
    match name {
        "gz" | "gzip" => Some(CompressionTypeVariant::GZIP),
        "bz2" | "bzip2" => Some(CompressionTypeVariant::BZIP2),
        "xz" => Some(CompressionTypeVariant::XZ),
        "zst" | "zstd" => Some(CompressionTypeVariant::ZSTD),
        _ => None,
    }
}

/// The compression that the options name, or the file's suffix.
pub(crate) fn compression_of(options: &ReadOptions, suffix: Suffix) -> Result<CompressionTypeVariant, String> {
    match options.compression.as_deref() {
        None | Some("auto") => Ok(suffix.compression),
        Some("none" | "uncompressed") => Ok(CompressionTypeVariant::UNCOMPRESSED),
        Some(name) => compression(name)
            .ok_or_else(|| format!("compression takes 'gzip', 'bzip2', 'xz', 'zstd', 'none' or 'auto', not '{name}'")),
    }
}

/// Rows looked at to find the schema of a CSV or JSON file, unless the options say how many.
pub(crate) const SAMPLE_ROWS: usize = 20_480;

/// The options of DataFusion's CSV reader.
pub(crate) fn csv_options(
    options: &ReadOptions,
    suffix: Suffix,
    compression: CompressionTypeVariant,
    base: &CsvOptions,
) -> CsvOptions {
    let mut csv = base.clone();
    csv.has_header = Some(options.header.unwrap_or(csv.has_header.unwrap_or(true)));
    csv.delimiter = options.delimiter.unwrap_or(if suffix.is_tab_separated { b'\t' } else { csv.delimiter });
    csv.quote = options.quote.unwrap_or(csv.quote);
    csv.escape = options.escape.or(csv.escape);
    csv.comment = options.comment.or(csv.comment);
    csv.newlines_in_values = options.newlines_in_values.or(csv.newlines_in_values);
    csv.truncated_rows = options.truncated_rows.or(csv.truncated_rows);
    csv.schema_infer_max_rec = Some(options.sample_rows.unwrap_or(SAMPLE_ROWS));
    csv.compression = compression;
    if !options.null_texts.is_empty() {
        // An empty field stays NULL, as it is without the option.
        let texts: Vec<String> = options.null_texts.iter().map(|text| escape_regex(text)).collect();
        csv.null_regex = Some(format!("^(?:{})?$", texts.join("|")));
    }
    csv
}

fn escape_regex(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            let escape = !c.is_alphanumeric() && !c.is_whitespace() && c.is_ascii();
            escape.then_some('\\').into_iter().chain(std::iter::once(c))
        })
        .collect()
}

/// The reader of a format; text has none of DataFusion's.
pub(crate) fn reader(
    kind: FileKind,
    csv: CsvOptions,
    parquet: &TableParquetOptions,
    is_json_array: bool,
    sample_rows: Option<usize>,
) -> Option<Arc<dyn FileFormat>> {
    let compression = csv.compression;
    match kind {
        FileKind::Csv => Some(Arc::new(CsvFormat::default().with_options(csv))),
        FileKind::Parquet => Some(Arc::new(ParquetFormat::default().with_options(parquet.clone()))),
        FileKind::Json => Some(Arc::new(JsonFormat::default().with_options(JsonOptions {
            compression,
            schema_infer_max_rec: Some(sample_rows.unwrap_or(SAMPLE_ROWS)),
            newline_delimited: !is_json_array,
            ..JsonOptions::default()
        }))),
        FileKind::Arrow => Some(Arc::new(ArrowFormat)),
        FileKind::Avro => Some(Arc::new(AvroFormat)),
        FileKind::Text => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suffixes_tell_format_and_compression() {
        let of = |name| (Suffix::of(name).kind, Suffix::of(name).compression);
        assert_eq!(of("a/b.CSV"), (Some(FileKind::Csv), CompressionTypeVariant::UNCOMPRESSED));
        assert_eq!(of("2015-*.json.gz"), (Some(FileKind::Json), CompressionTypeVariant::GZIP));
        assert_eq!(of("https://h/x.parquet?sig=a.b"), (Some(FileKind::Parquet), CompressionTypeVariant::UNCOMPRESSED));
        assert_eq!(of("x.gz"), (None, CompressionTypeVariant::GZIP));
        assert_eq!(of("data.v1/x"), (None, CompressionTypeVariant::UNCOMPRESSED));
        assert!(Suffix::of("x.tsv.zst").is_tab_separated);
    }

    #[test]
    fn null_texts_are_taken_literally() {
        let options = ReadOptions { null_texts: vec!["N/A".into(), ".".into()], ..ReadOptions::default() };
        let csv =
            csv_options(&options, Suffix::of("x.csv"), CompressionTypeVariant::UNCOMPRESSED, &CsvOptions::default());
        assert_eq!(csv.null_regex.as_deref(), Some(r"^(?:N\/A|\.)?$"));
    }
}
