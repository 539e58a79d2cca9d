//! CSV and TSV.

use super::OutputOptions;
use super::cells::{Column, Kind};
use super::escape::replace_bytes;
use super::writer::Encoder;
use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use std::io::{self, Write};

/// Comma-separated values, RFC 4180 with `\n` as the line end.
///
/// A field is quoted when it has a comma, a quote or a line end, when it is empty, and when it equals the text of NULL: so
/// NULL is the only field that is empty (or that text) without quotes, as in PostgreSQL's COPY.
pub(super) struct Csv {
    header: Option<Vec<u8>>,
    null: Vec<u8>,
}

impl Csv {
    pub(super) fn new(schema: &Schema, options: &OutputOptions) -> Self {
        let mut null = options.null.clone().into_bytes();
        // A text of NULL that needs quotes gets them, or it would be several fields.
        if null.iter().any(|byte| needs_quotes(*byte)) {
            quote(&mut null, 0);
        }
        let header = header(schema, options, b',', |field, out| {
            let start = out.len();
            out.extend_from_slice(field);
            quote_if_needed(out, start, &null);
        });
        Self { header, null }
    }
}

impl Encoder for Csv {
    fn begin(&mut self, out: &mut Vec<u8>) {
        out.extend(self.header.take().into_iter().flatten());
    }

    fn encode(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) {
        let always_search = !self.null.is_empty();
        write_rows(batch, b',', &self.null, out, |out, start, kind| {
            if kind == Kind::Text || always_search {
                quote_if_needed(out, start, &self.null);
            }
        });
    }

    fn end(&mut self, rows: u64, _: &mut dyn Write) -> io::Result<u64> {
        Ok(rows)
    }
}

fn needs_quotes(byte: u8) -> bool {
    matches!(byte, b',' | b'"' | b'\n' | b'\r')
}

fn quote_if_needed(out: &mut Vec<u8>, start: usize, null: &[u8]) {
    let field = &out[start..];
    // Without an early exit, so that the compiler can test many bytes at once.
    if field.is_empty() || field.iter().fold(false, |found, &byte| found | needs_quotes(byte)) || field == null {
        quote(out, start);
    }
}

/// Puts quotes around what `out` has from `start` on.
fn quote(out: &mut Vec<u8>, start: usize) {
    replace_bytes(out, start, |byte| (byte == b'"').then_some(b"\"\""));
    out.push(b'"');
    out[start..].rotate_right(1);
    out.push(b'"');
}

/// Tab-separated values with backslash escapes, as PostgreSQL's COPY and ClickHouse write them. NULL is `\N` unless the user
/// chose another text, which a string may then equal.
pub(super) struct Tsv {
    header: Option<Vec<u8>>,
    null: Vec<u8>,
}

impl Tsv {
    pub(super) fn new(schema: &Schema, options: &OutputOptions) -> Self {
        Self {
            header: header(schema, options, b'\t', |field, out| {
                let start = out.len();
                out.extend_from_slice(field);
                escape_tabs(out, start);
            }),
            null: options.null.clone().into_bytes(),
        }
    }
}

impl Encoder for Tsv {
    fn begin(&mut self, out: &mut Vec<u8>) {
        out.extend(self.header.take().into_iter().flatten());
    }

    fn encode(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) {
        write_rows(batch, b'\t', &self.null, out, |out, start, kind| {
            if kind == Kind::Text {
                escape_tabs(out, start);
            }
        });
    }

    fn end(&mut self, rows: u64, _: &mut dyn Write) -> io::Result<u64> {
        Ok(rows)
    }
}

fn escape_tabs(out: &mut Vec<u8>, start: usize) {
    replace_bytes(out, start, |byte| match byte {
        b'\t' => Some(b"\\t"),
        b'\n' => Some(b"\\n"),
        b'\r' => Some(b"\\r"),
        b'\\' => Some(b"\\\\"),
        _ => None,
    });
}

/// The line of column names, if there is to be one. Neither format can express a line without fields.
fn header(
    schema: &Schema,
    options: &OutputOptions,
    delimiter: u8,
    append: impl Fn(&[u8], &mut Vec<u8>),
) -> Option<Vec<u8>> {
    if !options.header || schema.fields().is_empty() {
        return None;
    }
    let mut line = Vec::new();
    for (idx, field) in schema.fields().iter().enumerate() {
        if idx > 0 {
            line.push(delimiter);
        }
        append(field.name().as_bytes(), &mut line);
    }
    line.push(b'\n');
    Some(line)
}

/// Appends the rows of `batch`; `finish(out, start, kind)` escapes a field that begins at `start`.
fn write_rows(
    batch: &RecordBatch,
    delimiter: u8,
    null: &[u8],
    out: &mut Vec<u8>,
    finish: impl Fn(&mut Vec<u8>, usize, Kind),
) {
    let columns: Vec<(Column, Kind)> =
        batch.columns().iter().map(|array| (Column::text(array), Kind::of(array.data_type()))).collect();
    if columns.is_empty() {
        return;
    }
    for row in 0..batch.num_rows() {
        for (idx, (column, kind)) in columns.iter().enumerate() {
            if idx > 0 {
                out.push(delimiter);
            }
            if column.is_null(row) {
                out.extend_from_slice(null);
            } else {
                let start = out.len();
                column.write(row, out);
                finish(out, start, *kind);
            }
        }
        out.push(b'\n');
    }
}
