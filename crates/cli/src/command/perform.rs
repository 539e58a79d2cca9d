//! What each command does.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::Path;

use super::{Command, Explanation, help};
use crate::folders::expanded;
use crate::quote::literal;
use crate::run::{Ending, Runner};

/// Does what `command` asks for. Where there is a statement for it, that statement runs.
///
/// # Errors
/// A result that cannot be written.
pub(crate) fn perform(command: Command, runner: &mut Runner) -> anyhow::Result<Ending> {
    match command {
        Command::Help(topic) => {
            return match help(topic.as_deref()) {
                Ok(text) => print(&text),
                Err(message) => fail(runner, &message),
            };
        }
        Command::Tables(None) => return runner.sql("SHOW TABLES".to_owned()),
        Command::Tables(Some(pattern)) => return runner.sql(format!("SHOW TABLES LIKE {}", like(&pattern))),
        Command::Describe(what) => return runner.sql(format!("DESCRIBE {}", relation(&what))),
        Command::Functions(None) => return runner.sql("SHOW FUNCTIONS".to_owned()),
        Command::Functions(Some(pattern)) => return runner.sql(format!("SHOW FUNCTIONS LIKE {}", like(&pattern))),
        Command::Settings(None) => return runner.sql("SHOW SETTINGS".to_owned()),
        Command::Settings(Some(pattern)) => {
            let pattern = like(&format!("*{}*", pattern.trim_matches(['*', '%'])));
            return runner.sql(format!(
                "SELECT name, value, description FROM information_schema.df_settings WHERE name LIKE {pattern} ORDER BY name"
            ));
        }
        Command::Mode(format) => runner.display.format = format,
        Command::ToggleLine => runner.display.toggle_line(),
        Command::Rows(rows_max) => runner.display.rows_max = rows_max,
        Command::Timer(switch) => {
            switch.apply(&mut runner.display.shows_time);
            runner.tell(&format!("timer {}", on_off(runner.display.shows_time)));
        }
        Command::Pager(switch) => {
            switch.apply(&mut runner.display.is_paged);
            if runner.display.is_paged && !runner.has_pager() {
                runner.display.is_paged = false;
                return fail(runner, "there is no pager here; it needs a terminal, and less or a program in $PAGER");
            }
            runner.tell(&format!("pager {}", on_off(runner.display.is_paged)));
        }
        Command::Output(Some(_)) | Command::Read(_) if runner.is_fenced() => {
            return fail(runner, "with --allow-path or --read-only, only statements reach files; use COPY, or -f");
        }
        Command::Output(None) => runner.display.file = None,
        Command::Output(Some(path)) => {
            if let Err(error) = runner.display.open_file(&expanded(&path, variable)) {
                return fail(runner, &format!("{path} cannot be written: {error}"));
            }
        }
        Command::Read(path) => {
            return match std::fs::read(expanded(&path, variable)) {
                Ok(script) => runner.script(&path, &script),
                Err(error) => fail(runner, &format!("{path} cannot be read: {error}")),
            };
        }
        Command::Import { file, table } => {
            let rows = format!("SELECT * FROM {}", literal(&file));
            let sql = match is_table(runner, &table) {
                true => format!("INSERT INTO {table} {rows}"),
                false => format!("CREATE TABLE {table} AS {rows}"),
            };
            return runner.sql(sql);
        }
        Command::Export { file, source } => {
            let is_name = !source.contains(char::is_whitespace) && !source.starts_with('(');
            let query = if is_name { format!("SELECT * FROM {}", relation(&source)) } else { source };
            return runner.sql(format!("COPY ({query}) TO {}", literal(&file)));
        }
        Command::Explain { how, query } => {
            let how = match how {
                Explanation::Plan => "EXPLAIN",
                Explanation::Analyze => "EXPLAIN ANALYZE",
                Explanation::Tasks => "EXPLAIN TASKS",
            };
            return runner.sql(format!("{how} {query}"));
        }
        Command::Quit => return Ok(Ending::Quit),
    }
    Ok(Ending::Good)
}

fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

fn fail(runner: &Runner, message: &str) -> anyhow::Result<Ending> {
    runner.complain(message);
    Ok(Ending::Failed)
}

fn print(text: &str) -> anyhow::Result<Ending> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Ending::ReaderGone),
        Err(error) => Err(error.into()),
        Ok(()) => Ok(Ending::Good),
    }
}

fn on_off(is_on: bool) -> &'static str {
    if is_on { "on" } else { "off" }
}

/// A pattern as LIKE has it: `*` and `?` may be written as in file names.
fn like(pattern: &str) -> String {
    literal(&pattern.replace('*', "%").replace('?', "_"))
}

/// What DESCRIBE takes: the path of a file may be written without quotes.
fn relation(what: &str) -> String {
    match !what.starts_with(['\'', '"']) && Path::new(what).is_file() {
        true => literal(what),
        false => what.to_owned(),
    }
}

/// Whether there is a table of that name, which may be quoted.
fn is_table(runner: &Runner, name: &str) -> bool {
    let spelt = match name.strip_prefix('"').and_then(|name| name.strip_suffix('"')) {
        Some(quoted) => quoted.replace("\"\"", "\""),
        None => name.to_lowercase(),
    };
    runner.session().table_schema(&spelt).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_and_paths_become_sql() {
        assert_eq!(like("fl*_?'"), "'fl%__'''");
        assert_eq!(relation("flights"), "flights");
        assert_eq!(relation("'a.csv'"), "'a.csv'");
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().display().to_string();
        assert_eq!(relation(&path), format!("'{path}'"));
    }
}
