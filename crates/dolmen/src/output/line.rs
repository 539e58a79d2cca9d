//! One `name = value` a line, for rows that are too wide for a table.

use super::OutputOptions;
use super::cells::Column;
use super::escape::visible;
use super::writer::Encoder;
use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use std::io::{self, Write};
use unicode_width::UnicodeWidthStr;

/// Writes the columns of a row below each other, with an empty line between rows.
pub(super) struct Line {
    /// What stands before each value: the name, aligned to the right, and ` = `.
    prefixes: Vec<String>,
    null: String,
    first: bool,
}

impl Line {
    pub(super) fn new(schema: &Schema, options: &OutputOptions) -> Self {
        let names: Vec<_> = schema.fields().iter().map(|field| visible(field.name())).collect();
        let width = names.iter().map(|name| name.width()).max().unwrap_or_default();
        Self {
            prefixes: names.iter().map(|name| format!("{}{name} = ", " ".repeat(width - name.width()))).collect(),
            null: visible(&options.null).into_owned(),
            first: true,
        }
    }
}

impl Encoder for Line {
    fn begin(&mut self, _: &mut Vec<u8>) {}

    fn encode(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) {
        let columns: Vec<Column> = batch.columns().iter().map(|array| Column::text(array)).collect();
        if columns.is_empty() {
            return;
        }
        let mut cell = Vec::new();
        for row in 0..batch.num_rows() {
            if !self.first {
                out.push(b'\n');
            }
            self.first = false;
            for (prefix, column) in self.prefixes.iter().zip(&columns) {
                out.extend_from_slice(prefix.as_bytes());
                column.append(row, self.null.as_bytes(), &mut cell, out, |text, out| {
                    out.extend_from_slice(visible(text).as_bytes());
                });
                out.push(b'\n');
            }
        }
    }

    fn end(&mut self, rows: u64, _: &mut dyn Write) -> io::Result<u64> {
        Ok(rows)
    }
}
