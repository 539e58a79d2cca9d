//! Tables of GitHub Flavored Markdown.

use super::OutputOptions;
use super::cells::{Column, Kind};
use super::escape::append_markdown;
use super::writer::Encoder;
use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use std::io::{self, Write};

/// Writes each row as a line; columns are not padded, because that would need their widths before the first row.
///
/// The names are always written: Markdown has no table without them.
pub(super) struct Markdown {
    header: Vec<u8>,
    null: Vec<u8>,
}

impl Markdown {
    pub(super) fn new(schema: &Schema, options: &OutputOptions) -> Self {
        let mut null = Vec::new();
        append_markdown(&options.null, &mut null);
        let mut header = Vec::new();
        if !schema.fields().is_empty() {
            for field in schema.fields() {
                header.extend_from_slice(b"| ");
                append_markdown(field.name(), &mut header);
                header.push(b' ');
            }
            header.extend_from_slice(b"|\n");
            for field in schema.fields() {
                header.extend_from_slice(match Kind::of(field.data_type()) {
                    Kind::Number => b"| ---: ".as_slice(),
                    Kind::Plain | Kind::Text => b"| --- ",
                });
            }
            header.extend_from_slice(b"|\n");
        }
        Self { header, null }
    }
}

impl Encoder for Markdown {
    fn begin(&mut self, out: &mut Vec<u8>) {
        out.append(&mut self.header);
    }

    fn encode(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) {
        let columns: Vec<Column> = batch.columns().iter().map(|array| Column::text(array)).collect();
        if columns.is_empty() {
            return;
        }
        let mut cell = Vec::new();
        for row in 0..batch.num_rows() {
            for column in &columns {
                out.extend_from_slice(b"| ");
                column.append(row, &self.null, &mut cell, out, append_markdown);
                out.push(b' ');
            }
            out.extend_from_slice(b"|\n");
        }
    }

    fn end(&mut self, rows: u64, _: &mut dyn Write) -> io::Result<u64> {
        Ok(rows)
    }
}
