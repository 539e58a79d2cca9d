//! From record batches to a stream of bytes, whatever the format.

use super::delimited::{Csv, Tsv};
use super::html::Html;
use super::json::Json;
use super::line::Line;
use super::markdown::Markdown;
use super::plan::Plan;
use super::table::Table;
use super::{Format, OutputOptions};
use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use std::io::{self, Write};
use thiserror::Error;

/// The most rows that are turned into text before the text is handed on, so that a batch of any length takes a
/// bounded buffer.
const ROWS_PER_WRITE: usize = 2048;

/// One format: turns batches into bytes.
pub(super) trait Encoder: Send {
    /// Appends what stands before the first row.
    fn begin(&mut self, out: &mut Vec<u8>);

    /// Appends the rows of `batch`, or keeps them until the end.
    fn encode(&mut self, batch: &RecordBatch, out: &mut Vec<u8>);

    /// Writes what stands after the last row, and gives the number of rows that can be seen in the output.
    fn end(&mut self, rows: u64, out: &mut dyn Write) -> io::Result<u64>;
}

/// Writes one result to `W`: create it with the schema, give it every batch, then call [`finish`](Self::finish).
///
/// Nothing reaches `W` before the first batch. Bytes arrive in large pieces, so `W` needs no buffer of its own.
pub struct ResultWriter<W: Write> {
    out: W,
    encoder: Box<dyn Encoder>,
    buffer: Vec<u8>,
    n_columns: usize,
    rows: u64,
}

impl<W: Write> ResultWriter<W> {
    /// Prepares to write a result of `schema`. Names may repeat, and there may be no columns.
    pub fn new(out: W, schema: &SchemaRef, options: OutputOptions) -> Self {
        let mut encoder = encoder(schema, options);
        let mut buffer = Vec::new();
        encoder.begin(&mut buffer);
        Self { out, encoder, buffer, n_columns: schema.fields().len(), rows: 0 }
    }

    /// Writes the rows of `batch`.
    ///
    /// # Errors
    /// What `W` reports; [`io::ErrorKind::InvalidInput`] with a [`BatchMismatch`] if the batch has another number of
    /// columns than the schema.
    pub fn write(&mut self, batch: &RecordBatch) -> io::Result<()> {
        if batch.num_columns() != self.n_columns {
            let mismatch = BatchMismatch { expected: self.n_columns, found: batch.num_columns() };
            return Err(io::Error::new(io::ErrorKind::InvalidInput, mismatch));
        }
        for start in (0..batch.num_rows()).step_by(ROWS_PER_WRITE) {
            let n_rows = ROWS_PER_WRITE.min(batch.num_rows() - start);
            self.encoder.encode(&batch.slice(start, n_rows), &mut self.buffer);
            self.flush_buffer()?;
        }
        self.rows += batch.num_rows() as u64;
        Ok(())
    }

    /// Writes what is left, flushes `W`, and says how many rows there were.
    ///
    /// # Errors
    /// What `W` reports.
    pub fn finish(mut self) -> io::Result<RowCount> {
        self.flush_buffer()?;
        let rows_shown = self.encoder.end(self.rows, &mut self.out)?;
        self.out.flush()?;
        Ok(RowCount { rows: self.rows, rows_shown })
    }

    fn flush_buffer(&mut self) -> io::Result<()> {
        self.out.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }
}

/// The number of rows of a finished result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowCount {
    /// Rows that the result had.
    pub rows: u64,
    /// Rows that were written; fewer than `rows` only for a table with [`OutputOptions::max_rows`].
    pub rows_shown: u64,
}

/// A batch that does not belong to the schema of its [`ResultWriter`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a batch of {found} columns was given to a result of {expected} columns")]
pub struct BatchMismatch {
    /// Columns of the schema.
    pub expected: usize,
    /// Columns of the batch.
    pub found: usize,
}

fn encoder(schema: &Schema, options: OutputOptions) -> Box<dyn Encoder> {
    match options.format {
        Format::Table if Plan::is_answered_with(schema) => Box::new(Plan),
        Format::Table => Box::new(Table::new(schema, options)),
        Format::Csv => Box::new(Csv::new(schema, &options)),
        Format::Tsv => Box::new(Tsv::new(schema, &options)),
        Format::Json => Box::new(Json::array(schema)),
        Format::NdJson => Box::new(Json::lines(schema)),
        Format::Markdown => Box::new(Markdown::new(schema, &options)),
        Format::Html => Box::new(Html::new(schema, &options)),
        Format::Line => Box::new(Line::new(schema, &options)),
    }
}
