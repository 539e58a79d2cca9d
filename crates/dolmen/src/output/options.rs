//! What a user may choose about the text of a result.

use std::io::IsTerminal;

use super::Format;

/// How a result is written: the format, its limits, and the text of NULL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputOptions {
    /// The format.
    pub format: Format,
    /// The most rows that a table shows: half of them from the start, half from the end. `None` shows all, and then
    /// the whole result is kept until it is finished. Other formats always write every row.
    pub max_rows: Option<usize>,
    /// The most columns of a terminal that a line of a table takes, at least 9: long cells are cut and columns in the
    /// middle are left out to hold it. `None` is unlimited. Other formats take what they need.
    pub max_width: Option<usize>,
    /// The text of NULL. JSON does not use it: NULL is `null` there.
    pub null: String,
    /// After so many rows a table settles its widths, and writes these rows and all later ones as they come; later cells
    /// of text that are wider are cut. `None` waits for the last row. With [`max_rows`](Self::max_rows) it has no effect.
    pub settle_rows: Option<usize>,
    /// A table that would leave out columns has one field a line instead, if that takes no more lines than this.
    pub lines_max: Option<usize>,
    /// Whether tables colour NULL, so that it cannot be taken for a text. Terminals only.
    pub colour_null: bool,
    /// Whether column names are written in tables, CSV, TSV and HTML. The other formats cannot be without them.
    pub header: bool,
}

impl OutputOptions {
    /// The usual options of `format`: no limits, a header, and NULL as the format writes it.
    pub fn new(format: Format) -> Self {
        let null = match format {
            Format::Csv => "",
            Format::Tsv => "\\N",
            Format::Table | Format::Json | Format::NdJson | Format::Markdown | Format::Html | Format::Line => "NULL",
        };
        Self {
            format,
            max_rows: None,
            max_width: None,
            null: null.to_owned(),
            settle_rows: None,
            lines_max: None,
            colour_null: false,
            header: true,
        }
    }
}

impl OutputOptions {
    /// The rows of a long table that fit a terminal without drowning what was printed before.
    pub const TERMINAL_ROWS: usize = 40;

    /// The options for a terminal of `width` columns: at most [`TERMINAL_ROWS`](Self::TERMINAL_ROWS) rows.
    pub fn for_terminal(format: Format, width: Option<usize>) -> Self {
        Self { max_rows: Some(Self::TERMINAL_ROWS), max_width: width, ..Self::new(format) }
    }
}

/// The width of the terminal that standard output goes to, in columns; `None` if it goes elsewhere.
pub fn terminal_width() -> Option<usize> {
    if !std::io::stdout().is_terminal() {
        return None;
    }
    let size = terminal_size::terminal_size();
    Some(size.map_or(UNKNOWN_WIDTH, |(terminal_size::Width(columns), _)| usize::from(columns)))
}

/// The width taken for a terminal that does not tell its own.
const UNKNOWN_WIDTH: usize = 80;

impl Default for OutputOptions {
    fn default() -> Self {
        Self::new(Format::default())
    }
}
