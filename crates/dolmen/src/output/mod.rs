//! Results as text: the formats of `--format` and of showing a query.
//!
//! ```text
//! RecordBatch --> cells::Column (one per column and batch) --> an Encoder (one per format) --> bytes --> io::Write
//! ```
//!
//! [`ResultWriter`] takes the schema, then record batches one by one, then `finish`. Every format but the table writes
//! each batch as it comes and keeps nothing of it. The table needs the widths of its cells, so it keeps the rows
//! that it is going to show: with [`OutputOptions::max_rows`] set, that too is a bounded number.
//!
//! How a value reads, in every format but JSON:
//!
//! | type | text |
//! |---|---|
//! | boolean | `true`, `false` |
//! | integers, decimals | their exact digits; a decimal shows all digits of its scale |
//! | floats | the shortest text that reads back as the same float: `1.0`, `1e+300`, `NaN`, `-Infinity` |
//! | date, time, timestamp | `2013-01-01`, `06:00:00.5`, `2013-01-01 06:00:00`; years outside 0000-9999 carry a sign |
//! | timestamptz | local time and offset, as PostgreSQL: `2013-01-01 01:00:00-05` |
//! | interval | as PostgreSQL: `1 year 2 mons 3 days 04:05:06.7` |
//! | bytea | `\x6869` |
//! | list, struct, map | as JSON: `[1, 2, null]`, `{"a": 1}` |
//!
//! A table of EXPLAIN's answer shows its plans over several lines, as they are drawn.
//!
//! JSON differs where it must: what is neither a number nor a boolean is a string, the floats that JSON cannot write
//! are the strings `"NaN"`, `"Infinity"` and `"-Infinity"`, and timestamps are ISO 8601 (`2013-01-01T06:00:00Z` with
//! a time zone, no suffix without). A second column or field of the same name gets the suffix `_1`, the third `_2`,
//! because an object with two equal keys loses one of them in most readers.
//!
//! ```
//! use arrow::array::{Int64Array, RecordBatch};
//! use dolmen::output::{Format, OutputOptions, ResultWriter};
//! use std::sync::Arc;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let batch = RecordBatch::try_from_iter([("n", Arc::new(Int64Array::from(vec![Some(1), None])) as _)])?;
//! let mut text = Vec::new();
//! let mut writer = ResultWriter::new(&mut text, &batch.schema(), OutputOptions::new(Format::Json));
//! writer.write(&batch)?;
//! let count = writer.finish()?;
//! assert_eq!(String::from_utf8(text)?, "[{\"n\":1},\n{\"n\":null}]\n");
//! assert_eq!(count.rows, 2);
//! # Ok(())
//! # }
//! ```

mod cells;
mod delimited;
mod escape;
mod format;
mod html;
mod json;
mod line;
mod markdown;
mod options;
mod plan;
mod table;
mod writer;

#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;

pub use dolmen_frame::sql_type_name;
pub use format::{Format, UnknownFormat};
pub use options::{OutputOptions, terminal_width};
pub use writer::{BatchMismatch, ResultWriter, RowCount};
