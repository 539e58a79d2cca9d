//! Where the records of a CSV file end: a line break between quotes ends none.

use std::io::Read;

use datafusion::arrow::datatypes::Schema;
use datafusion::catalog::Session;
use datafusion::common::config::CsvOptions;
use datafusion::datasource::file_format::csv::CsvFormat;
use datafusion::datasource::file_format::file_compression_type::FileCompressionType;
use datafusion::error::{DataFusionError, Result};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use crate::cancel::Cancellation;

/// Reads CSV bytes in order and knows after each whether it stands between quotes.
///
/// The rules are those of the reader: a quote at the start of a field opens it, a doubled one inside stands for itself, and
/// a quote anywhere else is a character like others.
#[derive(Debug, Clone)]
pub(crate) struct Records {
    quote: u8,
    delimiter: u8,
    escape: Option<u8>,
    state: State,
    /// Line breaks seen, and those among them between quotes.
    n_lines: u64,
    n_quoted_lines: u64,
    /// The line on which the last quote was opened, from 1.
    opened_on: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    FieldStart,
    Field,
    Quoted,
    /// After a quote inside quotes: it closes the field, unless another follows.
    QuoteInQuoted,
    /// After the escape character inside quotes.
    Escaped,
}

impl Records {
    pub(crate) fn new(options: &CsvOptions) -> Self {
        let (quote, delimiter, escape) = (options.quote, options.delimiter, options.escape);
        Self { quote, delimiter, escape, state: State::FieldStart, n_lines: 0, n_quoted_lines: 0, opened_on: 0 }
    }

    /// Reads `bytes`; the offset behind the last record that ends in them.
    pub(crate) fn read(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut end = None;
        for (offset, &byte) in bytes.iter().enumerate() {
            if byte == b'\n' {
                self.n_lines += 1;
            }
            self.state = match (self.state, byte) {
                (State::Quoted, b'\n') => {
                    self.n_quoted_lines += 1;
                    State::Quoted
                }
                (State::Quoted, byte) if byte == self.quote => State::QuoteInQuoted,
                (State::Quoted, byte) if Some(byte) == self.escape => State::Escaped,
                (State::Quoted | State::Escaped, _) => State::Quoted,
                (State::FieldStart, byte) if byte == self.quote => {
                    self.opened_on = self.n_lines + 1;
                    State::Quoted
                }
                (State::QuoteInQuoted, byte) if byte == self.quote => State::Quoted,
                (_, b'\n') => {
                    end = Some(offset + 1);
                    State::FieldStart
                }
                (_, b'\r') => State::FieldStart,
                (_, byte) if byte == self.delimiter => State::FieldStart,
                _ => State::Field,
            };
        }
        end
    }

    /// The line of a quote that was opened and not closed by the end of the file.
    fn unclosed(&self) -> Option<u64> {
        matches!(self.state, State::Quoted | State::Escaped).then_some(self.opened_on)
    }
}

/// What the first rows of CSV files tell.
#[derive(Debug)]
pub(crate) struct CsvSample {
    pub(crate) schema: Schema,
    /// Whether a value holds a line break.
    pub(crate) has_quoted_lines: bool,
}

/// Looks at the first `rows_max` rows of `files`.
///
/// DataFusion would cut the bytes at line breaks between quotes as well, and so take parts of texts for numbers and columns.
///
/// # Errors
/// A file that cannot be read; rows of different lengths; a quote that is never closed.
pub(crate) async fn sample(
    state: &dyn Session,
    format: &CsvFormat,
    files: impl Iterator<Item = (&std::sync::Arc<dyn ObjectStore>, &Path)>,
    rows_max: usize,
) -> Result<CsvSample> {
    let mut schemas = Vec::new();
    let mut has_quoted_lines = false;
    let mut rows_left = rows_max;
    for (store, path) in files {
        let bytes = store.get(path).await?.into_stream().map_err(DataFusionError::from).boxed();
        let bytes = FileCompressionType::from(format.options().compression).convert_stream(bytes)?;
        let mut records = Records::new(format.options());
        let chunks = whole_records(bytes, &mut records);
        let (schema, n_rows) = format.infer_schema_from_stream(state, rows_left, chunks).await?;
        if n_rows < rows_left
            && let Some(line) = records.unclosed()
        {
            return Err(open_quote(line));
        }
        has_quoted_lines |= records.n_quoted_lines > 0;
        schemas.push(schema);
        rows_left -= n_rows;
        if rows_left == 0 {
            break;
        }
    }
    Ok(CsvSample { schema: Schema::try_merge(schemas)?, has_quoted_lines })
}

/// A record that is longer holds a quote that should not be there.
const RECORD_BYTES_MAX: usize = 64 << 20;

fn open_quote(line: u64) -> DataFusionError {
    DataFusionError::Execution(format!(
        "the quote opened on line {line} is never closed; mend the file, or give the character that quotes as `quote`"
    ))
}

/// `bytes` cut where records end.
fn whole_records<'a>(
    bytes: BoxStream<'a, Result<bytes::Bytes>>,
    records: &'a mut Records,
) -> BoxStream<'a, Result<bytes::Bytes>> {
    let begin = (bytes, records, bytes::BytesMut::new());
    let next = |(mut bytes, records, mut rest): (
        BoxStream<'a, Result<bytes::Bytes>>,
        &'a mut Records,
        bytes::BytesMut,
    )| async move {
        while let Some(chunk) = bytes.try_next().await? {
            let end = records.read(&chunk);
            let n_before = rest.len();
            rest.extend_from_slice(&chunk);
            if let Some(end) = end {
                let whole = rest.split_to(n_before + end).freeze();
                return Ok(Some((whole, (bytes, records, rest))));
            }
            if rest.len() > RECORD_BYTES_MAX {
                return Err(open_quote(records.opened_on));
            }
        }
        let last = rest.split().freeze();
        Ok((!last.is_empty()).then_some((last, (bytes, records, rest))))
    };
    futures::stream::try_unfold(begin, next).boxed()
}

/// Bytes read at a time.
const READ_BYTES: usize = 1 << 20;

/// Whether every line break of `file` ends a record, so that it may be read in parts.
///
/// # Errors
/// A file that cannot be read; a statement that is cancelled meanwhile.
pub(crate) fn every_line_ends_a_record(
    mut file: std::fs::File,
    options: &CsvOptions,
    cancellation: &Cancellation,
) -> Result<bool> {
    let mut records = Records::new(options);
    let mut buffer = vec![0; READ_BYTES];
    loop {
        cancellation.check()?;
        let n_bytes = file.read(&mut buffer)?;
        if n_bytes == 0 {
            return Ok(records.unclosed().is_none());
        }
        records.skim(&buffer[..n_bytes]);
        if records.n_quoted_lines > 0 {
            return Ok(false);
        }
    }
}

impl Records {
    /// [`read`](Self::read), fast where there are no quotes.
    fn skim(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let between_quotes = matches!(self.state, State::Quoted | State::QuoteInQuoted | State::Escaped);
            let n_plain = match memchr::memchr(self.quote, rest) {
                _ if between_quotes => 0,
                // The byte before a quote decides whether that opens a field.
                Some(at) => at.saturating_sub(1),
                None => rest.len() - 1,
            };
            let n_read = n_plain + 1;
            if n_plain > 0 {
                self.state = State::Field;
            }
            self.read(&rest[n_plain..n_read]);
            rest = &rest[n_read..];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records() -> Records {
        Records::new(&CsvOptions::default())
    }

    #[test]
    fn records_end_outside_of_quotes_only() {
        for (text, end, n_quoted) in [
            ("a,b\n1,2\n", Some(8), 0),
            ("a,\"b\nc\"\nrest", Some(8), 1),
            ("a,\"say \"\"\n\"\"\"\n", Some(14), 1),
            ("5\" pipe\nx", Some(8), 0),
            ("a,b\" \nc\" \n", Some(10), 0),
            ("\"open\n", None, 1),
            ("\"a\"b\"\n\"c\"\n", Some(10), 0),
        ] {
            let mut whole = records();
            assert_eq!((whole.read(text.as_bytes()), whole.n_quoted_lines), (end, n_quoted), "{text}");
            let mut bytewise = records();
            for byte in text.as_bytes() {
                bytewise.read(&[*byte]);
            }
            assert_eq!((bytewise.state, bytewise.n_quoted_lines), (whole.state, n_quoted), "{text}");
            for cut in 0..text.len() {
                let mut skimmed = records();
                skimmed.skim(&text.as_bytes()[..cut]);
                skimmed.skim(&text.as_bytes()[cut..]);
                assert_eq!(skimmed.n_quoted_lines, n_quoted, "{text} cut at {cut}");
                assert_eq!(skimmed.unclosed().is_some(), whole.unclosed().is_some(), "{text} cut at {cut}");
            }
        }
    }

    #[test]
    fn an_escape_inside_quotes() {
        let mut records = Records::new(&CsvOptions { escape: Some(b'\\'), ..CsvOptions::default() });
        assert_eq!(records.read(b"\"a\\\"\nb\"\n"), Some(8));
        assert_eq!(records.n_quoted_lines, 1);
    }

    #[test]
    fn an_open_quote_is_told_with_its_line() {
        let mut records = records();
        records.read(b"a,b\n1,\"x\n2,y\n");
        assert_eq!(records.unclosed(), Some(2));
    }
}
