//! Tables for people: box-drawn, with the type under each name, long results and wide rows cut to what can be seen.

mod layout;
mod retained;
#[cfg(test)]
mod tests;
mod width;

use super::OutputOptions;
use super::cells::{Column, Kind};
use super::escape::visible;
use super::writer::Encoder;
use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use dolmen_frame::sql_type_name;
use layout::{Extent, Slot, lay_out};
use retained::Retained;
use std::borrow::Cow;
use std::io::{self, Write};
use width::{Align, append_fitted, width};

/// The narrowest table: two columns of one letter, one of them the mark for those left out.
const MIN_WIDTH: usize = 9;

/// A type's name takes no more than this when name and values are narrower; the names of structs can be very long.
const MAX_TYPE_WIDTH: usize = 30;

/// The mark for rows, columns and parts of cells that are not shown.
const ELISION: &str = "…";

/// Text goes out in pieces of about this many bytes.
const PIECE_BYTES: usize = 64 * 1024;

/// Keeps the rows that will be shown, and writes all of them at the end, when the widths are known.
pub(super) struct Table {
    headings: Vec<Heading>,
    options: OutputOptions,
    rows: Retained,
}

struct Heading {
    name: String,
    data_type: String,
    kind: Kind,
}

impl Heading {
    fn align(&self) -> Align {
        match self.kind {
            Kind::Number => Align::Right,
            Kind::Plain | Kind::Text => Align::Left,
        }
    }
}

impl Table {
    pub(super) fn new(schema: &Schema, mut options: OutputOptions) -> Self {
        let headings = schema.fields().iter().map(|field| Heading {
            name: visible(field.name()).into_owned(),
            data_type: visible(&sql_type_name(field.data_type())).into_owned(),
            kind: Kind::of(field.data_type()),
        });
        options.null = visible(&options.null).into_owned();
        options.max_width = options.max_width.map(|width| width.max(MIN_WIDTH));
        Self { headings: headings.collect(), rows: Retained::new(options.max_rows), options }
    }

    /// How much room each column wants.
    fn extents(&self) -> Vec<Extent> {
        let mut cell = Vec::new();
        let extents = self.headings.iter().enumerate().map(|(idx, heading)| {
            let mut cells = 1;
            for batch in self.rows.batches() {
                let column = Column::text(batch.column(idx));
                for row in 0..batch.num_rows() {
                    cells = cells.max(width(&self.cell(&column, row, &mut cell)));
                }
            }
            let mut natural = cells;
            if self.options.header {
                let type_width = width(&heading.data_type).min(MAX_TYPE_WIDTH);
                natural = natural.max(width(&heading.name)).max(type_width);
            }
            match heading.kind {
                // Half of a number looks like another number, so these columns are shown whole or not at all.
                Kind::Number | Kind::Plain => Extent::rigid(natural, cells),
                Kind::Text => Extent::flexible(natural),
            }
        });
        extents.collect()
    }

    /// The text of a cell, which is in `buffer` if it needs no change.
    fn cell<'a>(&'a self, column: &Column, row: usize, buffer: &'a mut Vec<u8>) -> Cow<'a, str> {
        if column.is_null(row) {
            return Cow::Borrowed(&self.options.null);
        }
        buffer.clear();
        column.write(row, buffer);
        match std::str::from_utf8(buffer) {
            Ok(text) => visible(text),
            // Columns write UTF-8; if one did not, what is wrong shows as a replacement character.
            Err(_) => Cow::Owned(visible(&String::from_utf8_lossy(buffer)).into_owned()),
        }
    }

    fn write_header(&self, slots: &[Slot], text: &mut String) {
        append_border(slots, ['┌', '┬', '┐'], text);
        if !self.options.header {
            return;
        }
        append_row(slots, text, |slot, text| match slot {
            Slot::Column { idx, width } => {
                append_fitted(&self.headings[*idx].name, *width, self.headings[*idx].align(), text);
            }
            Slot::Elided => text.push_str(ELISION),
        });
        append_row(slots, text, |slot, text| match slot {
            Slot::Column { idx, width } => {
                append_fitted(&self.headings[*idx].data_type, *width, self.headings[*idx].align(), text);
            }
            Slot::Elided => text.push(' '),
        });
        append_border(slots, ['├', '┼', '┤'], text);
    }

    fn write_batch(
        &self,
        batch: &RecordBatch,
        slots: &[Slot],
        text: &mut String,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let columns: Vec<Option<Column>> = slots
            .iter()
            .map(|slot| match slot {
                Slot::Column { idx, .. } => Some(Column::text(batch.column(*idx))),
                Slot::Elided => None,
            })
            .collect();
        let mut buffer = Vec::new();
        for row in 0..batch.num_rows() {
            let mut columns = columns.iter();
            append_row(slots, text, |slot, text| match (slot, columns.next()) {
                (Slot::Column { idx, width }, Some(Some(column))) => {
                    let cell = self.cell(column, row, &mut buffer);
                    append_fitted(&cell, *width, self.headings[*idx].align(), text);
                }
                _ => text.push_str(ELISION),
            });
            flush_above(PIECE_BYTES, text, out)?;
        }
        Ok(())
    }

    fn write_elided_rows(&self, slots: &[Slot], text: &mut String) {
        append_row(slots, text, |slot, text| match slot {
            Slot::Column { idx, width } => append_fitted(ELISION, *width, self.headings[*idx].align(), text),
            Slot::Elided => text.push_str(ELISION),
        });
    }

    /// Says what is not shown: `336,776 rows (40 shown)`, `19 columns (8 shown)`.
    fn write_footer(&self, slots: &[Slot], text: &mut String) {
        let mut parts = Vec::new();
        if self.headings.is_empty() {
            parts.push(format!("{} without columns", counted(self.rows.total(), "row")));
        } else if self.rows.total() == 0 {
            parts.push("0 rows".to_owned());
        } else if self.rows.n_hidden() > 0 {
            let shown = grouped(self.rows.n_shown());
            parts.push(format!("{} ({shown} shown)", counted(self.rows.total(), "row")));
        }
        let n_shown = slots.iter().filter(|slot| matches!(slot, Slot::Column { .. })).count();
        if n_shown < self.headings.len() {
            parts.push(format!("{} ({} shown)", counted(self.headings.len(), "column"), grouped(n_shown)));
        }
        let line = parts.join(", ");
        let width_max = self.options.max_width.unwrap_or(usize::MAX);
        // Two short lines are better than a long one that is cut.
        let lines = if width(&line) <= width_max { vec![line] } else { parts };
        for line in lines.iter().filter(|line| !line.is_empty()) {
            append_fitted(line, width(line).min(width_max), Align::Left, text);
            text.push('\n');
        }
    }
}

impl Encoder for Table {
    fn begin(&mut self, _: &mut Vec<u8>) {}

    fn encode(&mut self, batch: &RecordBatch, _: &mut Vec<u8>) {
        self.rows.push(batch);
    }

    fn end(&mut self, _: u64, out: &mut dyn Write) -> io::Result<u64> {
        self.rows.finish();
        let slots = lay_out(&self.extents(), self.options.max_width);
        let mut text = String::new();
        if !slots.is_empty() {
            self.write_header(&slots, &mut text);
            for batch in self.rows.head() {
                self.write_batch(batch, &slots, &mut text, out)?;
            }
            if self.rows.n_hidden() > 0 {
                self.write_elided_rows(&slots, &mut text);
            }
            for batch in self.rows.tail() {
                self.write_batch(batch, &slots, &mut text, out)?;
            }
            append_border(&slots, ['└', '┴', '┘'], &mut text);
        }
        self.write_footer(&slots, &mut text);
        flush_above(0, &mut text, out)?;
        Ok(self.rows.n_shown() as u64)
    }
}

/// Writes and empties `text` if it is longer than `bytes`.
fn flush_above(bytes: usize, text: &mut String, out: &mut dyn Write) -> io::Result<()> {
    if text.len() > bytes {
        out.write_all(text.as_bytes())?;
        text.clear();
    }
    Ok(())
}

fn append_border(slots: &[Slot], [left, middle, right]: [char; 3], text: &mut String) {
    for (position, slot) in slots.iter().enumerate() {
        text.push(if position == 0 { left } else { middle });
        text.extend(std::iter::repeat_n('─', slot.width() + 2));
    }
    text.push(right);
    text.push('\n');
}

fn append_row(slots: &[Slot], text: &mut String, mut append_cell: impl FnMut(&Slot, &mut String)) {
    for slot in slots {
        text.push_str("│ ");
        append_cell(slot, text);
        text.push(' ');
    }
    text.push_str("│\n");
}

/// `1 row`, `1,234 rows`
fn counted(count: usize, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", grouped(count))
}

/// Digits with a comma before each group of three.
fn grouped(count: usize) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (idx, digit) in digits.chars().enumerate() {
        if idx > 0 && (digits.len() - idx).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
