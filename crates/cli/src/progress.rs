//! A line on the terminal that shows how far a statement is.

use std::cell::Cell;
use std::convert::Infallible;
use std::ffi::OsStr;
use std::io::{self, Write};
use std::time::Duration;

use dolmen::{Progress, Statement, format_bytes};
use terminal_size::{Width, terminal_size_of};

/// Statements that take no longer are not worth a line.
const PATIENCE: Duration = Duration::from_millis(500);

/// From one drawing to the next.
const INTERVAL: Duration = Duration::from_millis(200);

/// The width of a terminal that does not tell its own.
const UNKNOWN_WIDTH: usize = 80;

/// Goes to the start of the line and erases it.
const ERASE: &str = "\r\x1b[K";

/// Whether a line can be drawn, and erased, on a standard error that is, or is no terminal of the kind `term`.
pub(crate) fn can_be_shown(is_terminal: bool, term: Option<&OsStr>) -> bool {
    is_terminal && term.is_none_or(|term| term != "dumb")
}

/// The line of one statement. Standard output may be the same terminal: once rows come, the line has to be gone.
pub(crate) struct Line {
    /// `None` if no line is drawn, or none any more.
    statement: Cell<Option<Statement>>,
    is_drawn: Cell<bool>,
}

impl Line {
    /// Of `statement`; `None` if no line is wanted.
    pub(crate) fn new(statement: Option<Statement>) -> Self {
        Self { statement: Cell::new(statement), is_drawn: Cell::new(false) }
    }

    /// Draws from time to time, and never ends.
    pub(crate) async fn keep_drawn(&self) -> Infallible {
        tokio::time::sleep(PATIENCE).await;
        loop {
            self.draw();
            tokio::time::sleep(INTERVAL).await;
        }
    }

    /// Erases the line for good.
    pub(crate) fn end(&self) {
        self.statement.take();
        if self.is_drawn.take() {
            let _ = io::stderr().write_all(ERASE.as_bytes());
        }
    }

    fn draw(&self) {
        let Some(statement) = self.statement.take() else { return };
        let width = terminal_size_of(io::stderr()).map_or(UNKNOWN_WIDTH, |(Width(width), _)| usize::from(width));
        let line = drawn(&statement.progress(), width);
        // Nobody can be told that this failed, and the statement is none the worse.
        let _ = io::stderr().write_all(format!("{ERASE}{line}").as_bytes());
        self.is_drawn.set(true);
        self.statement.set(Some(statement));
    }
}

/// Characters of the bar, where there are few and where there are many columns.
const BAR_WIDTHS: [usize; 2] = [10, 20];

/// Columns that are many.
const WIDE: usize = 120;

/// What is left out first where the terminal is narrow has the lowest rank.
struct Segment {
    rank: u8,
    text: String,
}

/// A line of less than `width` characters, so that no terminal begins another.
fn drawn(progress: &Progress, width: usize) -> String {
    let mut segments = segments(progress, BAR_WIDTHS[usize::from(width >= WIDE)]);
    let length = |segments: &[Segment]| segments.iter().map(|segment| segment.text.len() + 2).sum::<usize>();
    // The last needs no space behind it, and the cursor a place.
    while length(&segments) > width + 1 {
        let least = segments.iter().enumerate().min_by_key(|(_, segment)| segment.rank);
        let Some((idx, _)) = least else { break };
        segments.remove(idx);
    }
    segments.into_iter().map(|segment| segment.text).collect::<Vec<_>>().join("  ")
}

fn segments(progress: &Progress, bar_width: usize) -> Vec<Segment> {
    let mut segments = Vec::new();
    let mut add = |rank, text| segments.push(Segment { rank, text });
    if let Some(fraction) = progress.fraction {
        let full = (fraction * bar_width as f64) as usize;
        add(6, format!("[{}{}]", "#".repeat(full), ".".repeat(bar_width.saturating_sub(full))));
        add(8, format!("{:>3} %", (fraction * 100.0) as u64));
    }
    add(5, format!("{} rows read", count(progress.rows_read)));
    if let Some(total) = progress.bytes_total {
        add(4, format!("{} of {}", format_bytes(progress.bytes_read), format_bytes(total)));
    }
    if progress.stages > 1 {
        add(1, format!("{} of {} tasks", progress.tasks_done, progress.tasks));
    }
    let limit = progress.memory_limit_bytes.map_or_else(String::new, |limit| format!(" of {}", format_bytes(limit)));
    add(2, format!("{}{limit} memory", format_bytes(progress.memory_bytes)));
    if progress.spilled_bytes > 0 {
        add(3, format!("{} spilled", format_bytes(progress.spilled_bytes)));
    }
    add(9, time(progress.elapsed));
    if let Some(remaining) = progress.remaining().filter(|remaining| remaining.as_secs() > 0) {
        add(7, format!("{} left", time(remaining)));
    }
    segments
}

/// `9999`, `12.3 k`, `4.5 M`, `6.7 G`.
fn count(n: u64) -> String {
    match n {
        0..10_000 => n.to_string(),
        10_000..1_000_000 => format!("{}.{} k", n / 1000, n / 100 % 10),
        1_000_000..1_000_000_000 => format!("{}.{} M", n / 1_000_000, n / 100_000 % 10),
        _ => format!("{}.{} G", n / 1_000_000_000, n / 100_000_000 % 10),
    }
}

/// `3 s`, `2 min 05 s`, `1 h 02 min`.
fn time(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress() -> Progress {
        let mut progress = Progress::default();
        progress.rows_read = 1_234_567;
        progress.bytes_read = 5 << 20;
        progress.bytes_total = Some(20 << 20);
        progress.fraction = Some(0.25);
        progress.tasks_done = 3;
        progress.tasks = 12;
        progress.stages = 3;
        progress.memory_bytes = 100 << 20;
        progress.memory_limit_bytes = Some(1 << 30);
        progress.spilled_bytes = 7 << 20;
        progress.elapsed = Duration::from_secs(40);
        progress.fraction_at = progress.elapsed;
        progress
    }

    #[test]
    fn a_wide_terminal_shows_everything() {
        assert_eq!(
            drawn(&progress(), 200),
            "[#####...............]   25 %  1.2 M rows read  5 MiB of 20 MiB  3 of 12 tasks  100 MiB of 1 GiB memory  \
             7 MiB spilled  40 s  2 min 00 s left"
        );
    }

    #[test]
    fn what_matters_least_goes_first() {
        assert_eq!(
            drawn(&progress(), 80),
            "[##........]   25 %  1.2 M rows read  5 MiB of 20 MiB  40 s  2 min 00 s left"
        );
        assert_eq!(drawn(&progress(), 45), "[##........]   25 %  40 s  2 min 00 s left");
        assert_eq!(drawn(&progress(), 10), "40 s");
        assert_eq!(drawn(&progress(), 3), "");
        for width in 0..200 {
            let line = drawn(&progress(), width);
            assert!(line.len() < width.max(1), "{width}: {line}");
        }
    }

    #[test]
    fn nothing_is_claimed_of_what_is_unknown() {
        let mut progress = progress();
        (progress.fraction, progress.bytes_total, progress.memory_limit_bytes) = (None, None, None);
        (progress.spilled_bytes, progress.stages) = (0, 1);
        assert_eq!(drawn(&progress, 100), "1.2 M rows read  100 MiB memory  40 s");
    }

    #[test]
    fn counts_and_times_are_short() {
        assert_eq!([0, 9999, 10_000, 999_999].map(count), ["0", "9999", "10.0 k", "999.9 k"]);
        assert_eq!([4_560_000, 7_890_000_000, u64::MAX].map(count), ["4.5 M", "7.8 G", "18446744073.7 G"]);
        let times = [0, 59, 60, 3599, 3600, 90_000].map(|seconds| time(Duration::from_secs(seconds)));
        assert_eq!(times, ["0 s", "59 s", "1 min 00 s", "59 min 59 s", "1 h 00 min", "25 h 00 min"]);
    }

    #[test]
    fn only_a_terminal_that_can_erase_shows_it() {
        assert!(can_be_shown(true, None) && can_be_shown(true, Some(OsStr::new("xterm"))));
        assert!(!can_be_shown(true, Some(OsStr::new("dumb"))) && !can_be_shown(false, None));
    }
}
