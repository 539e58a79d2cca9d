//! JSON: one array of objects, or one object a line.

use super::cells::Column;
use super::escape::{append_json_string, unique_names};
use super::writer::Encoder;
use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use std::io::{self, Write};

/// Writes each row as an object.
pub(super) struct Json {
    /// What stands before each value: `{"a":` or `,"b":`.
    prefixes: Vec<Vec<u8>>,
    layout: Layout,
    first: bool,
}

/// What stands around the objects.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Layout {
    /// `[`, `]`, and commas.
    Array,
    /// Line ends only.
    Lines,
}

impl Json {
    /// One array for the whole result.
    pub(super) fn array(schema: &Schema) -> Self {
        Self::new(schema, Layout::Array)
    }

    /// One object a line. No line end is written inside an object, so lines can be read one by one.
    pub(super) fn lines(schema: &Schema) -> Self {
        Self::new(schema, Layout::Lines)
    }

    fn new(schema: &Schema, layout: Layout) -> Self {
        let names = unique_names(schema.fields().iter().map(|field| field.name().as_str()));
        let prefixes = names.iter().enumerate().map(|(idx, name)| {
            let mut prefix = vec![if idx == 0 { b'{' } else { b',' }];
            append_json_string(name.as_bytes(), &mut prefix);
            prefix.push(b':');
            prefix
        });
        Self { prefixes: prefixes.collect(), layout, first: true }
    }
}

impl Encoder for Json {
    fn begin(&mut self, out: &mut Vec<u8>) {
        if self.layout == Layout::Array {
            out.push(b'[');
        }
    }

    fn encode(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) {
        let columns: Vec<Column> = batch.columns().iter().map(|array| Column::json(array)).collect();
        for row in 0..batch.num_rows() {
            if self.layout == Layout::Array && !self.first {
                out.extend_from_slice(b",\n");
            }
            self.first = false;
            if columns.is_empty() {
                out.push(b'{');
            }
            for (prefix, column) in self.prefixes.iter().zip(&columns) {
                out.extend_from_slice(prefix);
                column.write_or_null(row, out);
            }
            out.push(b'}');
            if self.layout == Layout::Lines {
                out.push(b'\n');
            }
        }
    }

    fn end(&mut self, rows: u64, out: &mut dyn Write) -> io::Result<u64> {
        if self.layout == Layout::Array {
            out.write_all(b"]\n")?;
        }
        Ok(rows)
    }
}
