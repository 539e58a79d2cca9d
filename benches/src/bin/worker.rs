//! Dolmen's process for benches/peers: answers TPC-H queries until its input ends.
//!
//! ```text
//! worker FOLDER THREADS QUERIES
//! ```
//!
//! FOLDER has a Parquet file for each table, QUERIES the texts `q01.sql` to `q22.sql`. The protocol of lines of JSON is
//! described in benches/peers/worker.py, the form of answers in benches/peers/answers.py.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Parser;
use datafusion::arrow::array::{Array, RecordBatch};
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use dolmen::Session;
use serde_json::{Value, json};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Answers TPC-H queries by number.
#[derive(Debug, Parser)]
struct Options {
    /// The folder with the Parquet files
    folder: PathBuf,
    /// Threads of the session
    threads: usize,
    /// The folder with the texts of the queries
    queries: PathBuf,
}

type AnyError = Box<dyn std::error::Error>;

fn main() -> Result<(), AnyError> {
    let options = Options::parse();
    let session = Session::builder().threads(options.threads).build()?;
    register(&session, &options.folder)?;
    reply(&json!({ "version": env!("CARGO_PKG_VERSION") }))?;
    let mut last = None;
    for line in io::stdin().lines() {
        match line?.trim() {
            "answer" => reply(&last.as_ref().map_or(Ok(Value::Null), answer)?)?,
            number => {
                // The result before must not be held while the next one is made.
                last = None;
                match run(&session, &options.queries, number) {
                    Ok((result, wall_s)) => {
                        let rows: usize = result.batches.iter().map(RecordBatch::num_rows).sum();
                        reply(&json!({ "wall_s": wall_s, "rows": rows }))?;
                        last = Some(result);
                    }
                    Err(error) => reply(&json!({ "error": error.to_string() }))?,
                }
            }
        }
    }
    Ok(())
}

/// A result with the columns that it has even without rows.
struct QueryResult {
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
}

fn register(session: &Session, folder: &Path) -> Result<(), AnyError> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "parquet") {
            let table = path.file_stem().unwrap_or_default().to_string_lossy();
            session.register_files_blocking(&table, &path.display().to_string(), [])?;
        }
    }
    Ok(())
}

fn run(session: &Session, queries: &Path, number: &str) -> Result<(QueryResult, f64), AnyError> {
    let number: usize = number.parse()?;
    let start = Instant::now();
    let text = fs::read_to_string(queries.join(format!("q{number:02}.sql")))?;
    let rows = session.sql(text.trim_end().trim_end_matches(';')).stream_blocking()?;
    let result = QueryResult { schema: rows.schema(), batches: rows.collect::<dolmen::Result<_>>()? };
    Ok((result, start.elapsed().as_secs_f64()))
}

/// The kinds of the columns, and the rows as text.
fn answer(result: &QueryResult) -> Result<Value, AnyError> {
    let kinds: Vec<&str> = result.schema.fields().iter().map(|field| kind(field.data_type())).collect();
    let mut rows = Vec::new();
    let options = FormatOptions::default().with_display_error(false);
    for batch in &result.batches {
        let columns = batch.columns().iter();
        let formatters =
            columns.map(|column| ArrayFormatter::try_new(column, &options)).collect::<Result<Vec<_>, _>>()?;
        for row_idx in 0..batch.num_rows() {
            let row: Vec<Option<String>> = batch
                .columns()
                .iter()
                .zip(&formatters)
                .map(|(column, text)| column.is_valid(row_idx).then(|| text.value(row_idx).to_string()))
                .collect();
            rows.push(row);
        }
    }
    Ok(json!({ "kinds": kinds, "rows": rows }))
}

fn kind(data_type: &DataType) -> &'static str {
    match data_type {
        // Sums of integers are decimals without a fraction.
        DataType::Decimal32(_, scale)
        | DataType::Decimal64(_, scale)
        | DataType::Decimal128(_, scale)
        | DataType::Decimal256(_, scale)
            if *scale > 0 =>
        {
            "decimal"
        }
        other if other.is_integer() || other.is_decimal() => "int",
        other if other.is_floating() => "float",
        _ => "text",
    }
}

fn reply(value: &Value) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{value}")?;
    out.flush()
}
