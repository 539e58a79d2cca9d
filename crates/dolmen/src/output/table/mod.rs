//! Tables for people: box-drawn, with the type under each name, long results and wide rows cut to what can be seen.
//!
//! A table is written when its last row is there, or, for a pager, from the moment when enough rows are there to tell how
//! wide its columns are.

mod layout;
mod retained;
#[cfg(test)]
mod tests;
mod width;

use super::OutputOptions;
use super::cells::{Column, Kind};
use super::escape::visible;
use super::line::Line;
use super::writer::Encoder;
use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use dolmen_frame::sql_type_name;
use layout::{Extent, Slot, lay_out};
use retained::Retained;
use std::borrow::Cow;
use std::io::{self, Write};
use std::sync::Arc;
use width::{Align, append_fitted, width};

/// The narrowest table: two columns of one letter, one of them the mark for those left out.
const MIN_WIDTH: usize = 9;

/// A type's name takes no more than this when name and values are narrower; the names of structs can be very long.
const MAX_TYPE_WIDTH: usize = 30;

/// The mark for rows, columns and parts of cells that are not shown.
const ELISION: &str = "…";

/// Text goes out in pieces of about this many bytes.
const PIECE_BYTES: usize = 64 * 1024;

/// Colours NULL, and what follows as before.
const NULL_COLOUR: [&str; 2] = ["\x1b[90m", "\x1b[0m"];

/// Keeps the rows that will be shown, and writes them when the widths are known.
pub(super) struct Table {
    headings: Vec<Heading>,
    options: OutputOptions,
    rows: Retained,
    /// The other form of the result, for one whose columns do not fit.
    lines: Option<Line>,
    settled: Option<Settled>,
}

/// A table whose head has been written, and whose rows are written as they come.
struct Settled {
    slots: Arc<[Slot]>,
    n_written: usize,
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
        let lines = options.lines_max.map(|_| Line::new(schema, &options));
        options.null = visible(&options.null).into_owned();
        options.max_width = options.max_width.map(|width| width.max(MIN_WIDTH));
        Self { headings: headings.collect(), rows: Retained::new(options.max_rows), lines, settled: None, options }
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
                    let is_coloured = self.options.colour_null && column.is_null(row);
                    let cell = self.cell(column, row, &mut buffer);
                    let [before, after] = if is_coloured { NULL_COLOUR } else { ["", ""] };
                    text.push_str(before);
                    append_fitted(&cell, self.cell_width(&cell, *idx, *width), self.headings[*idx].align(), text);
                    text.push_str(after);
                }
                _ => text.push_str(ELISION),
            });
            flush_above(PIECE_BYTES, text, out)?;
        }
        Ok(())
    }

    /// The width of a cell in a column of `column_width`.
    fn cell_width(&self, cell: &str, idx: usize, column_width: usize) -> usize {
        match self.headings[idx].kind {
            // Half of a number looks like another number: one that comes after the widths were settled may be wider.
            Kind::Number | Kind::Plain if self.settled.is_some() => column_width.max(width(cell)),
            Kind::Number | Kind::Plain | Kind::Text => column_width,
        }
    }

    /// Settles the widths by the rows that are there, and writes these.
    fn settle(&mut self, out: &mut dyn Write) -> io::Result<()> {
        let slots = lay_out(&self.extents(), self.options.max_width);
        let mut text = String::new();
        if !slots.is_empty() {
            self.write_header(&slots, &mut text);
            for batch in self.rows.batches() {
                self.write_batch(batch, &slots, &mut text, out)?;
            }
        }
        self.settled = Some(Settled { slots: slots.into(), n_written: self.rows.total() });
        self.rows = Retained::new(None);
        flush_above(0, &mut text, out)
    }

    /// Writes further rows of a settled table.
    fn write_more(&mut self, batch: &RecordBatch, out: &mut dyn Write) -> io::Result<()> {
        let Some(settled) = &mut self.settled else { return Ok(()) };
        settled.n_written += batch.num_rows();
        let slots = Arc::clone(&settled.slots);
        let mut text = String::new();
        if !slots.is_empty() {
            self.write_batch(batch, &slots, &mut text, out)?;
        }
        flush_above(0, &mut text, out)
    }

    /// Whether the rows are better shown one field a line: columns would be left out, and there is room for all of them.
    fn prefers_lines(&self, slots: &[Slot]) -> bool {
        let n_lines = self.rows.total() * (self.headings.len() + 1);
        let is_room = self.options.lines_max.is_some_and(|lines_max| n_lines <= lines_max);
        is_room && self.rows.n_hidden() == 0 && self.rows.total() > 0 && slots.contains(&Slot::Elided)
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
        let n_streamed = self.settled.as_ref().map(|settled| settled.n_written);
        if self.headings.is_empty() {
            parts.push(format!("{} without columns", counted(n_streamed.unwrap_or(self.rows.total()), "row")));
        } else if let Some(n_rows) = n_streamed {
            parts.push(counted(n_rows, "row"));
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

    fn encode(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) {
        let written = match &self.settled {
            Some(_) => self.write_more(batch, out),
            None => {
                self.rows.push(batch);
                let settles = self.options.max_rows.is_none()
                    && self.options.settle_rows.is_some_and(|n_rows| self.rows.total() >= n_rows);
                if settles { self.settle(out) } else { Ok(()) }
            }
        };
        debug_assert!(written.is_ok(), "writing to memory does not fail");
    }

    fn end(&mut self, rows: u64, out: &mut dyn Write) -> io::Result<u64> {
        if let Some(settled) = &self.settled {
            let mut text = String::new();
            if !settled.slots.is_empty() {
                append_border(&settled.slots, ['└', '┴', '┘'], &mut text);
            }
            self.write_footer(&settled.slots, &mut text);
            flush_above(0, &mut text, out)?;
            return Ok(rows);
        }
        self.rows.finish();
        let slots = lay_out(&self.extents(), self.options.max_width);
        if self.prefers_lines(&slots)
            && let Some(lines) = &mut self.lines
        {
            let mut text = Vec::new();
            self.rows.batches().for_each(|batch| lines.encode(batch, &mut text));
            out.write_all(&text)?;
            return Ok(rows);
        }
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
