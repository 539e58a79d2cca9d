//! What EXPLAIN answers, for people: each plan as it was drawn, below its name.

use super::cells::Column;
use super::writer::Encoder;
use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use std::io::{self, Write};

/// Writes plans as they are, over several lines, instead of as cells of a table.
pub(super) struct Plan;

impl Plan {
    /// Whether a result of this schema is that of EXPLAIN.
    pub(super) fn is_answered_with(schema: &Schema) -> bool {
        schema.fields().iter().map(|field| field.name().as_str()).eq(["plan_type", "plan"])
    }
}

impl Encoder for Plan {
    fn begin(&mut self, _: &mut Vec<u8>) {}

    fn encode(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) {
        let columns: Vec<Column> = batch.columns().iter().map(|array| Column::text(array)).collect();
        for row in 0..batch.num_rows() {
            for column in columns.iter().filter(|column| !column.is_null(row)) {
                column.write(row, out);
                if out.last() != Some(&b'\n') {
                    out.push(b'\n');
                }
            }
        }
    }

    fn end(&mut self, rows: u64, _: &mut dyn Write) -> io::Result<u64> {
        Ok(rows)
    }
}
