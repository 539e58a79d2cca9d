//! What is taller than the screen goes to a pager, from its first screenful on.

use std::cell::RefCell;
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// `less`: lines are not wrapped, colours are kept, the screen is left as it was.
const LESS: &str = "less -S -F -R -X";

/// How often it is looked whether the pager has been left.
const INTERVAL: Duration = Duration::from_millis(50);

/// The pager's command: `$PAGER`, else `less` if it is installed. `None` if there is neither, or the terminal knows no
/// cursor.
pub(crate) fn command(variable: impl Fn(&str) -> Option<OsString>) -> Option<String> {
    if variable("TERM").is_none_or(|term| term == "dumb") {
        return None;
    }
    if let Some(pager) = variable("PAGER") {
        return pager.into_string().ok().filter(|pager| !pager.trim().is_empty());
    }
    let paths = variable("PATH")?;
    std::env::split_paths(&paths).any(|folder| is_file(&folder.join("less"))).then(|| LESS.to_owned())
}

fn is_file(path: &Path) -> bool {
    path.is_file()
}

/// Standard output, with a pager for a result of more than `lines_max` lines.
///
/// Until it is known whether there are so many, they are kept. Before the first byte is shown, `before` is called.
pub(crate) struct Paged<'a> {
    command: Option<String>,
    lines_max: usize,
    before: &'a dyn Fn(),
    state: RefCell<State>,
}

enum State {
    Kept {
        text: Vec<u8>,
        n_lines: usize,
    },
    Paging(Child),
    Direct,
    /// The pager has been left.
    Gone,
}

impl<'a> Paged<'a> {
    /// Without a `command`, nothing is kept and nothing is paged.
    pub(crate) fn new(command: Option<String>, lines_max: usize, before: &'a dyn Fn()) -> Self {
        let state = State::Kept { text: Vec::new(), n_lines: 0 };
        Self { command, lines_max, before, state: RefCell::new(state) }
    }

    /// Ends when the user has left the pager; never, if there is none.
    pub(crate) async fn left(&self) {
        loop {
            tokio::time::sleep(INTERVAL).await;
            let mut state = self.state.borrow_mut();
            if let State::Paging(child) = &mut *state
                && child.try_wait().is_ok_and(|status| status.is_some())
            {
                *state = State::Gone;
            }
            if matches!(*state, State::Gone) {
                return;
            }
        }
    }

    /// Shows what is kept, or waits until the user leaves the pager; whether there was one.
    ///
    /// # Errors
    /// What standard output reports.
    pub(crate) fn finish(&self) -> io::Result<bool> {
        match self.state.replace(State::Direct) {
            State::Kept { text, .. } if text.is_empty() => Ok(false),
            State::Kept { text, .. } => self.show(&text).map(|()| false),
            State::Paging(child) => wait(child).map(|()| true),
            State::Direct => Ok(false),
            State::Gone => Ok(true),
        }
    }

    fn show(&self, text: &[u8]) -> io::Result<()> {
        (self.before)();
        let mut out = io::stdout().lock();
        out.write_all(text)?;
        out.flush()
    }

    /// Takes bytes while nothing is shown yet; gives the next state when that changes.
    fn keep(&self, text: &mut Vec<u8>, n_lines: &mut usize, bytes: &[u8]) -> io::Result<Option<State>> {
        text.extend_from_slice(bytes);
        *n_lines += bytes.iter().filter(|byte| **byte == b'\n').count();
        let Some(command) = &self.command else {
            self.show(text)?;
            return Ok(Some(State::Direct));
        };
        if *n_lines <= self.lines_max {
            return Ok(None);
        }
        (self.before)();
        let mut child = match started(command) {
            Ok(child) => child,
            Err(_) => {
                self.show(text)?;
                return Ok(Some(State::Direct));
            }
        };
        if let Err(error) = write_to(&mut child, text) {
            wait(child)?;
            return Err(error);
        }
        Ok(Some(State::Paging(child)))
    }
}

impl Write for &Paged<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.state.borrow_mut();
        match &mut *state {
            State::Kept { text, n_lines } => {
                if let Some(next) = self.keep(text, n_lines, bytes)? {
                    *state = next;
                }
            }
            State::Paging(child) => write_to(child, bytes)?,
            State::Direct => io::stdout().lock().write_all(bytes)?,
            State::Gone => return Err(io::ErrorKind::BrokenPipe.into()),
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut *self.state.borrow_mut() {
            State::Direct => io::stdout().lock().flush(),
            State::Kept { .. } | State::Paging(_) | State::Gone => Ok(()),
        }
    }
}

/// A pager outlives nobody: the prompt must not come back while it owns the screen.
impl Drop for Paged<'_> {
    fn drop(&mut self) {
        if let State::Paging(child) = self.state.replace(State::Gone) {
            let _ = wait(child);
        }
    }
}

fn started(command: &str) -> io::Result<Child> {
    Command::new("sh").args(["-c", command]).stdin(Stdio::piped()).spawn()
}

fn write_to(child: &mut Child, bytes: &[u8]) -> io::Result<()> {
    match &mut child.stdin {
        Some(stdin) => stdin.write_all(bytes),
        None => Err(io::ErrorKind::BrokenPipe.into()),
    }
}

fn wait(mut child: Child) -> io::Result<()> {
    drop(child.stdin.take());
    child.wait().map(drop)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn the_environment_chooses_the_pager() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().as_os_str().to_owned();
        let with = |pager: Option<&'static str>| {
            let path = path.clone();
            move |name: &str| match name {
                "TERM" => Some(OsString::from("xterm")),
                "PAGER" => pager.map(OsString::from),
                "PATH" => Some(path.clone()),
                _ => None,
            }
        };
        assert_eq!(command(with(Some("more"))).as_deref(), Some("more"));
        assert_eq!(command(with(Some(" "))), None);
        assert_eq!(command(with(None)), None);
        std::fs::write(folder.path().join("less"), "").unwrap();
        assert_eq!(command(with(None)).as_deref(), Some(LESS));
        assert_eq!(command(|_| Some(OsString::from("dumb"))), None);
    }

    #[test]
    fn only_what_is_too_tall_is_paged() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("paged");
        let command = format!("cat > '{}'", file.display());
        let n_calls = Cell::new(0);
        let before = || n_calls.set(n_calls.get() + 1);
        let tall = Paged::new(Some(command), 2, &before);
        (&tall).write_all(b"a\nb\n").unwrap();
        assert!(!file.exists() && n_calls.get() == 0);
        (&tall).write_all(b"c\n").unwrap();
        (&tall).write_all(b"d\n").unwrap();
        assert!(tall.finish().unwrap());
        assert_eq!((std::fs::read_to_string(&file).unwrap().as_str(), n_calls.get()), ("a\nb\nc\nd\n", 1));
    }

    #[test]
    fn a_pager_that_is_left_stops_the_writer() {
        let paged = Paged::new(Some("head -c 1 > /dev/null".to_owned()), 0, &|| ());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        (&paged).write_all(b"a\n").unwrap();
        runtime.block_on(paged.left());
        assert_eq!((&paged).write_all(b"b\n").unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }
}
