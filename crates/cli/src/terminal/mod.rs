//! Statements and commands typed on a terminal.

mod editor;

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::Path;

use rustyline::history::History;

use crate::folders;
use crate::history::HistoryFile;
use crate::run::{Ending, Runner};
use crate::session_names::SessionNames;
use editor::{Input, LineEditor, new_editor, read};

const PROMPT: &str = "dolmen> ";

/// Runs what the user types until Ctrl-D or `.quit`. Errors are shown, and it goes on.
///
/// # Errors
/// A terminal that cannot be used, or a result that cannot be written.
pub(crate) fn run(runner: &mut Runner, has_startup_script: bool) -> anyhow::Result<Ending> {
    if !runner.is_quiet() {
        eprintln!(
            "Dolmen {}. Statements end with a semicolon; .help lists commands, .quit leaves.",
            env!("CARGO_PKG_VERSION")
        );
    }
    if has_startup_script && run_startup_script(runner)? == Ending::Quit {
        return Ok(Ending::Quit);
    }
    let (mut history, entries) = open_history();
    let names = SessionNames::new(runner.session().clone());
    let mut editor = new_editor(names, &entries)?;
    loop {
        let text = match read(&mut editor, PROMPT)? {
            Input::Text(text) => text,
            Input::GivenUp => continue,
            Input::End => return Ok(Ending::Good),
        };
        if text.trim().is_empty() {
            continue;
        }
        keep(&mut editor, history.as_mut(), text.trim_end());
        if runner.typed(&text)? == Ending::Quit {
            return Ok(Ending::Quit);
        }
        if let Some(assistant) = editor.helper() {
            assistant.names.forget();
        }
    }
}

fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

fn run_startup_script(runner: &mut Runner) -> anyhow::Result<Ending> {
    let Some(path) = folders::startup_script(variable) else { return Ok(Ending::Good) };
    match std::fs::read(&path) {
        Ok(script) => runner.script(&path.display().to_string(), &script),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Ending::Good),
        Err(error) => {
            warn(&path, &error);
            Ok(Ending::Good)
        }
    }
}

/// The history file and its entries; without them if it cannot be used.
fn open_history() -> (Option<HistoryFile>, Vec<String>) {
    let Some(path) = folders::history(variable) else { return (None, Vec::new()) };
    match HistoryFile::open(&path) {
        Ok((file, entries)) => (Some(file), entries),
        Err(error) => {
            warn(&path, &error);
            (None, Vec::new())
        }
    }
}

fn warn(path: &Path, error: &io::Error) {
    // What cannot be said is not worth ending for.
    let _ = writeln!(io::stderr(), "warning: {} cannot be used: {error}", path.display());
}

fn keep(editor: &mut LineEditor, file: Option<&mut HistoryFile>, entry: &str) {
    let last = editor.history().len().checked_sub(1);
    let is_repeated = last.is_some_and(|last| {
        let found = editor.history().get(last, rustyline::history::SearchDirection::Reverse);
        found.is_ok_and(|found| found.is_some_and(|found| found.entry == entry))
    });
    if is_repeated {
        return;
    }
    // The arrows still find a statement with a secret; the file never sees it.
    let _ = editor.add_history_entry(entry);
    if let Some(file) = file {
        // A full disk is no reason to stop working.
        let _ = file.add(entry);
    }
}
