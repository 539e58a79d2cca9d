//! The line editor: rustyline, told what to complete, to colour and to hint.

use std::borrow::Cow;
use std::cell::Cell;

use rustyline::completion::Completer;
use rustyline::config::BellStyle;
use rustyline::error::ReadlineError;
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::Hinter;
use rustyline::history::{History, MemHistory, SearchDirection};
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{ColorMode, CompletionType, Config, Context, Editor, Helper};

use crate::colour::{self, Colour};
use crate::complete::{Candidate, complete};
use crate::highlight::{bracket_at, highlighted};
use crate::hint::{Hint, hint};
use crate::history::ENTRIES_MAX;
use crate::script::is_complete;
use crate::session_names::SessionNames;

/// The editor of the terminal.
pub(crate) type LineEditor = Editor<Assistant, MemHistory>;

/// What the user did at the prompt.
pub(crate) enum Input {
    Text(String),
    /// Ctrl-C: what was typed is given up.
    GivenUp,
    /// Ctrl-D.
    End,
}

/// An editor with the history `entries`, the oldest first.
///
/// # Errors
/// A terminal that cannot be used.
pub(crate) fn new_editor(names: SessionNames, entries: &[String]) -> rustyline::Result<LineEditor> {
    let has_colours = colour::is_wanted(true, |name| std::env::var_os(name));
    let config = Config::builder()
        .completion_type(CompletionType::List)
        .completion_show_all_if_ambiguous(true)
        .max_history_size(ENTRIES_MAX)?
        .history_ignore_dups(true)?
        .color_mode(if has_colours { ColorMode::Enabled } else { ColorMode::Disabled })
        .bell_style(BellStyle::None)
        .tab_stop(4)
        .build();
    let history = MemHistory::with_config(&config);
    let mut editor = Editor::with_history(config, history)?;
    for entry in entries {
        editor.history_mut().add(entry)?;
    }
    editor.set_helper(Some(Assistant { names, has_colours, bracket: Cell::new(None) }));
    Ok(editor)
}

/// Reads one command, or statements up to a semicolon at the end of a line.
///
/// # Errors
/// What the terminal reports.
pub(crate) fn read(editor: &mut LineEditor, prompt: &str) -> rustyline::Result<Input> {
    match editor.readline(prompt) {
        Ok(text) => Ok(Input::Text(text)),
        Err(ReadlineError::Interrupted) => Ok(Input::GivenUp),
        Err(ReadlineError::Eof) => Ok(Input::End),
        Err(error) => Err(error),
    }
}

/// Helps with what is typed.
pub(crate) struct Assistant {
    pub(crate) names: SessionNames,
    has_colours: bool,
    /// The bracket at the cursor.
    bracket: Cell<Option<usize>>,
}

impl Helper for Assistant {}

impl rustyline::completion::Candidate for Candidate {
    fn display(&self) -> &str {
        &self.shown
    }

    fn replacement(&self) -> &str {
        &self.written
    }
}

impl Completer for Assistant {
    type Candidate = Candidate;

    fn complete(&self, line: &str, pos: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Candidate>)> {
        Ok(complete(line, pos, &self.names, &|name| std::env::var_os(name)))
    }
}

impl rustyline::hint::Hint for Hint {
    fn display(&self) -> &str {
        &self.shown
    }

    fn completion(&self) -> Option<&str> {
        self.written.as_deref()
    }
}

impl Hinter for Assistant {
    type Hint = Hint;

    fn hint(&self, line: &str, pos: usize, context: &Context<'_>) -> Option<Hint> {
        if pos < line.len() {
            return None;
        }
        self.names.prepare(line);
        // A hint is told from what is typed by its colour alone.
        if !self.has_colours {
            return None;
        }
        hint(line, &self.names, |text| {
            let last = context.history().len().checked_sub(1)?;
            let found = context.history().starts_with(text, last, SearchDirection::Reverse).ok()??;
            Some(found.entry.into_owned())
        })
    }
}

impl Highlighter for Assistant {
    fn highlight<'l>(&self, line: &'l str, _: usize) -> Cow<'l, str> {
        Cow::Owned(highlighted(line, self.bracket.get()))
    }

    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(&'s self, prompt: &'p str, _: bool) -> Cow<'b, str> {
        Cow::Owned(Colour::Prompt.paint(prompt))
    }

    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        Cow::Owned(Colour::Faint.paint(hint))
    }

    fn highlight_char(&self, line: &str, pos: usize, kind: CmdKind) -> bool {
        // The last drawing, before the statement runs, marks nothing.
        let bracket = if kind == CmdKind::ForcedRefresh { None } else { bracket_at(line, pos) };
        let is_moved = self.bracket.replace(bracket) != bracket;
        is_moved || kind != CmdKind::MoveCursor
    }
}

impl Validator for Assistant {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        Ok(match is_complete(context.input()) {
            true => ValidationResult::Valid(None),
            false => ValidationResult::Incomplete,
        })
    }
}
