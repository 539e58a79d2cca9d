//! How results are shown: what the user chose, and what fits the screen.

use std::fs::File;
use std::io;
use std::path::Path;

use dolmen::output::{Format, OutputOptions, terminal_width};
use terminal_size::{Height, terminal_size};

use crate::colour;

/// Rows of a table that is not written to a terminal; other formats have no limit.
const TABLE_ROWS_MAX: usize = 10_000;

/// Rows after which a table that is paged settles its widths, if the screen is not taller.
const SETTLE_ROWS: usize = 1000;

/// Lines that a screen of unknown height is taken to have.
const UNKNOWN_HEIGHT: usize = 24;

/// What the user chose.
#[derive(Debug)]
pub(crate) struct Display {
    /// `None` is a table, or one field a line where the columns do not fit.
    pub(crate) format: Option<Format>,
    /// The most rows of a table on the terminal that is not paged.
    pub(crate) rows_max: Option<usize>,
    pub(crate) is_paged: bool,
    pub(crate) shows_time: bool,
    /// Where results go instead of the terminal.
    pub(crate) file: Option<File>,
}

impl Display {
    pub(crate) fn new(format: Option<Format>) -> Self {
        let rows_max = Some(OutputOptions::TERMINAL_ROWS);
        Self { format, rows_max, is_paged: false, shows_time: true, file: None }
    }

    /// Sends results to the file at `path`, whose content goes.
    ///
    /// # Errors
    /// A file that cannot be made.
    pub(crate) fn open_file(&mut self, path: &Path) -> io::Result<()> {
        self.file = Some(File::create(path)?);
        Ok(())
    }

    /// From a table to one field a line, or back.
    pub(crate) fn toggle_line(&mut self) {
        self.format = if self.format == Some(Format::Line) { None } else { Some(Format::Line) };
    }

    /// The options of a result on `screen`; `None` if it goes elsewhere.
    pub(crate) fn options(&self, screen: Option<Screen>) -> OutputOptions {
        let format = self.format.unwrap_or_default();
        let Some(screen) = screen else {
            let max_rows = (format == Format::Table).then_some(TABLE_ROWS_MAX);
            return OutputOptions { max_rows, ..OutputOptions::new(format) };
        };
        OutputOptions {
            max_rows: if self.is_paged { None } else { self.rows_max },
            settle_rows: self.is_paged.then_some(SETTLE_ROWS.max(screen.height)),
            lines_max: self.format.is_none().then_some(screen.height.saturating_sub(2)),
            colour_null: screen.has_colours,
            ..OutputOptions::for_terminal(format, Some(screen.width))
        }
    }
}

/// The terminal that standard output is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Screen {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) has_colours: bool,
}

impl Screen {
    /// As it is now, for it may have been resized. `None` if standard output is no terminal.
    pub(crate) fn now() -> Option<Self> {
        let width = terminal_width()?;
        let height = terminal_size().map_or(UNKNOWN_HEIGHT, |(_, Height(lines))| usize::from(lines));
        Some(Self { width, height, has_colours: colour::is_wanted(true, |name| std::env::var_os(name)) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCREEN: Screen = Screen { width: 100, height: 30, has_colours: true };

    #[test]
    fn elsewhere_nothing_is_cut_or_coloured() {
        let mut display = Display::new(None);
        display.is_paged = true;
        let options = display.options(None);
        assert_eq!(options, OutputOptions { max_rows: Some(TABLE_ROWS_MAX), ..OutputOptions::new(Format::Table) });
        assert_eq!(Display::new(Some(Format::Csv)).options(None), OutputOptions::new(Format::Csv));
    }

    #[test]
    fn a_table_fits_the_screen_or_goes_to_the_pager() {
        let mut display = Display::new(None);
        let options = display.options(Some(SCREEN));
        assert_eq!((options.max_rows, options.settle_rows, options.lines_max), (Some(40), None, Some(28)));
        display.is_paged = true;
        let options = display.options(Some(SCREEN));
        assert_eq!((options.max_rows, options.settle_rows, options.max_width), (None, Some(1000), Some(100)));
    }

    #[test]
    fn a_form_that_was_asked_for_is_kept() {
        let mut display = Display::new(Some(Format::Table));
        assert_eq!(display.options(Some(SCREEN)).lines_max, None);
        display.toggle_line();
        assert_eq!(display.format, Some(Format::Line));
        display.toggle_line();
        assert_eq!(display.format, None);
    }
}
