//! Statements typed on a terminal.

use std::io::{self, BufRead, Write};

use dolmen::{Completeness, completeness};

use crate::run::{Ending, Runner};

/// Reads statements until the end of input, runs each when its semicolon has come, and goes on after an error.
pub(crate) fn run(runner: &mut Runner) -> anyhow::Result<Ending> {
    eprintln!("Dolmen {}. End a statement with a semicolon; Ctrl-D leaves.", env!("CARGO_PKG_VERSION"));
    let mut pending = String::new();
    let mut lines = io::stdin().lock().lines();
    loop {
        eprint!("{}", if pending.trim().is_empty() { "dolmen> " } else { "   ...> " });
        io::stderr().flush()?;
        let Some(line) = lines.next() else { break };
        pending.push_str(&line?);
        pending.push('\n');
        if completeness(&pending) == Completeness::Complete {
            runner.typed(&std::mem::take(&mut pending))?;
        }
    }
    if !pending.trim().is_empty() {
        runner.typed(&pending)?;
    }
    eprintln!();
    Ok(Ending::Good)
}
