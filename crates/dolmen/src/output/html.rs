//! HTML tables.

use super::OutputOptions;
use super::cells::{Column, Kind};
use super::escape::append_html;
use super::writer::Encoder;
use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use std::io::{self, Write};

/// Writes a `<table>`, one line a row. NULL stands in `<em>`, which tells it from a string of the same letters.
pub(super) struct Html {
    header: Vec<u8>,
    null: Vec<u8>,
}

impl Html {
    pub(super) fn new(schema: &Schema, options: &OutputOptions) -> Self {
        let mut null = b"<em>".to_vec();
        append_html(&options.null, &mut null);
        null.extend_from_slice(b"</em>");
        let mut header = b"<table>\n".to_vec();
        if options.header {
            header.extend_from_slice(b"<thead>\n<tr>");
            for field in schema.fields() {
                header.extend_from_slice(match Kind::of(field.data_type()) {
                    Kind::Number => b"<th style=\"text-align:right\">".as_slice(),
                    Kind::Plain | Kind::Text => b"<th>",
                });
                append_html(field.name(), &mut header);
                header.extend_from_slice(b"</th>");
            }
            header.extend_from_slice(b"</tr>\n</thead>\n");
        }
        header.extend_from_slice(b"<tbody>\n");
        Self { header, null }
    }
}

impl Encoder for Html {
    fn begin(&mut self, out: &mut Vec<u8>) {
        out.append(&mut self.header);
    }

    fn encode(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) {
        let columns: Vec<(Column, Kind)> =
            batch.columns().iter().map(|array| (Column::text(array), Kind::of(array.data_type()))).collect();
        let mut cell = Vec::new();
        for row in 0..batch.num_rows() {
            out.extend_from_slice(b"<tr>");
            for (column, kind) in &columns {
                out.extend_from_slice(match kind {
                    Kind::Number => b"<td style=\"text-align:right\">".as_slice(),
                    Kind::Plain | Kind::Text => b"<td>",
                });
                column.append(row, &self.null, &mut cell, out, append_html);
                out.extend_from_slice(b"</td>");
            }
            out.extend_from_slice(b"</tr>\n");
        }
    }

    fn end(&mut self, rows: u64, out: &mut dyn Write) -> io::Result<u64> {
        out.write_all(b"</tbody>\n</table>\n")?;
        Ok(rows)
    }
}
