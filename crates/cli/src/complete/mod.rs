//! Completion: from a text and a place in it to what could be written there.
//!
//! ```text
//! text, place ── tokens ── cursor_at (what belongs there) ─┐
//!                      └── relations_at (what it sees) ────┴─ candidates ── names of the session, keywords, files
//! ```

mod files;
mod keywords;
mod place;
mod relations;

use std::collections::BTreeSet;
use std::ffi::OsString;

pub(crate) use keywords::is_keyword;
pub(crate) use relations::all_relations;

use crate::command::{Argument, LIST};
use crate::lex::{Token, tokens};
use crate::names::Names;
use crate::quote::{identifier, qualified};
use crate::script::is_command;
use place::{Cursor, Place, cursor_at};
use relations::{Relation, common_tables, relations_at};

/// The most candidates: nobody reads more, and they are typed on in any case.
const CANDIDATES_MAX: usize = 400;

/// Something that can be written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Candidate {
    /// How a list shows it.
    pub(crate) shown: String,
    /// What stands in the text instead of what has been written.
    pub(crate) written: String,
}

impl Candidate {
    fn plain(text: impl Into<String>) -> Self {
        let text = text.into();
        Self { shown: text.clone(), written: text }
    }
}

/// What could stand at `pos` of `text`, and where it begins.
pub(crate) fn complete(
    text: &str,
    pos: usize,
    names: &dyn Names,
    variable: &dyn Fn(&str) -> Option<OsString>,
) -> (usize, Vec<Candidate>) {
    let (start, mut found) = match is_command(text) || is_command_begun(text) {
        true => in_command(text, pos, names, variable),
        false => in_sql(text, 0, pos, names, variable),
    };
    found.truncate(CANDIDATES_MAX);
    (start, found)
}

/// The tokens of the statement of `text` around `pos`.
pub(crate) fn statement_at<'a>(all: &'a [Token<'a>], pos: usize) -> &'a [Token<'a>] {
    let semicolons = || all.iter().enumerate().filter(|(_, token)| token.is_sign(';'));
    let begin = semicolons().take_while(|(_, token)| token.end() <= pos).last().map_or(0, |(idx, _)| idx + 1);
    let end = semicolons().find(|(_, token)| token.start >= pos).map_or(all.len(), |(idx, _)| idx);
    &all[begin..end]
}

fn is_command_begun(text: &str) -> bool {
    matches!(text.trim(), "." | "\\")
}

fn in_command(
    text: &str,
    pos: usize,
    names: &dyn Names,
    variable: &dyn Fn(&str) -> Option<OsString>,
) -> (usize, Vec<Candidate>) {
    let begin = text.len() - text.trim_start().len();
    let Some(line) = text.get(begin..pos) else { return (pos, Vec::new()) };
    let all_names = || LIST.iter().flat_map(|entry| entry.names());
    let Some(name_length) = line.find(char::is_whitespace) else {
        return (begin, all_names().filter(|name| name.starts_with(line)).map(Candidate::plain).collect());
    };
    let name = &line[..name_length];
    let Some(entry) = LIST.iter().find(|entry| entry.names().any(|known| known == name)) else {
        return (pos, Vec::new());
    };
    let rest = line[name_length..].trim_start();
    let start = pos - rest.len();
    let is_first = !rest.contains(char::is_whitespace);
    let offered = |offered: &mut dyn Iterator<Item = String>| {
        offered.filter(|text| text.starts_with(rest)).map(Candidate::plain).collect::<Vec<_>>()
    };
    match entry.argument {
        Argument::Command => (start, offered(&mut LIST.iter().map(|entry| entry.name[1..].to_owned()))),
        Argument::Format => {
            let formats = dolmen::output::Format::ALL.map(|format| format.as_str().to_owned());
            (start, offered(&mut formats.into_iter().chain(["auto".to_owned()])))
        }
        Argument::Setting => (start, offered(&mut names.settings().iter().cloned())),
        Argument::Table if is_first && !rest.starts_with('\'') => {
            (start, offered(&mut names.tables().iter().map(|table| qualified(table))))
        }
        Argument::File if is_first => {
            let quote = rest.len() - rest.trim_start_matches(['\'', '"']).len();
            let found = files::paths(&rest[quote..], variable).into_iter();
            let written = |path: String| Candidate { written: spaced(&path, quote > 0), shown: path };
            (start + quote, found.map(written).collect())
        }
        Argument::None => (pos, Vec::new()),
        _ => in_sql(text, start, pos, names, variable),
    }
}

/// A path behind a command, in quotes if a space would end it.
fn spaced(path: &str, is_quoted: bool) -> String {
    match !is_quoted && path.contains(' ') {
        true => format!("'{path}'"),
        false => path.to_owned(),
    }
}

fn in_sql(
    text: &str,
    begin: usize,
    pos: usize,
    names: &dyn Names,
    variable: &dyn Fn(&str) -> Option<OsString>,
) -> (usize, Vec<Candidate>) {
    let sql = &text[begin..];
    let all = tokens(sql);
    let statement = statement_at(&all, pos - begin);
    let significant: Vec<Token<'_>> = statement.iter().copied().filter(Token::is_significant).collect();
    let cursor = cursor_at(sql, statement, pos - begin);
    let around = Around { sql, tokens: &significant, pos: pos - begin, names };
    let found = match &cursor.place {
        Place::File => {
            let is_closed = sql[pos - begin..].starts_with('\'');
            // The quote is closed behind a file; a folder goes on.
            let close = |path: &str| if is_closed || path.ends_with('/') { "" } else { "'" };
            let written = |path: String| Candidate { written: path.replace('\'', "''") + close(&path), shown: path };
            files::paths(&cursor.partial, variable).into_iter().map(written).collect()
        }
        Place::Nothing => Vec::new(),
        Place::Setting => settings(&cursor.partial, names),
        Place::Member(owner) => around.members(owner, &cursor),
        Place::Statement => around.keywords(&cursor, keywords::STATEMENT),
        Place::Relation => around.relations(&cursor),
        Place::BehindRelation => around.keywords(&cursor, keywords::BEHIND_RELATION),
        Place::BehindExpression => around.keywords(&cursor, keywords::BEHIND_EXPRESSION),
        Place::Expression => around.expressions(&cursor),
    };
    (begin + cursor.start, found)
}

/// A statement, a place in it, and the names that there are.
struct Around<'a> {
    sql: &'a str,
    tokens: &'a [Token<'a>],
    pos: usize,
    names: &'a dyn Names,
}

impl Around<'_> {
    fn seen(&self) -> Vec<Relation> {
        relations_at(self.sql, self.tokens, self.pos)
    }

    fn keywords(&self, cursor: &Cursor, phrases: &[&str]) -> Vec<Candidate> {
        if cursor.is_quoted {
            return Vec::new();
        }
        // As the user writes them.
        let first = self.tokens.first().filter(|token| token.start < cursor.start).map(|token| token.text);
        let sample = if cursor.partial.is_empty() { first.unwrap_or_default() } else { &cursor.partial };
        let is_lower = sample.chars().next().is_some_and(char::is_lowercase);
        let partial = cursor.partial.to_uppercase();
        let fitting = phrases.iter().filter(|phrase| phrase.starts_with(&partial));
        fitting
            .map(|phrase| Candidate::plain(if is_lower { phrase.to_lowercase() } else { (*phrase).to_owned() }))
            .collect()
    }

    fn functions(&self, cursor: &Cursor, gives_rows: bool) -> Vec<Candidate> {
        let partial = cursor.partial.to_lowercase();
        let fitting = self.names.functions().iter().filter(|function| {
            !cursor.is_quoted && function.gives_rows == gives_rows && function.name.starts_with(&partial)
        });
        fitting
            .map(|function| Candidate {
                shown: format!("{}({})", function.name, function.arguments),
                written: format!("{}(", function.name),
            })
            .collect()
    }

    fn relations(&self, cursor: &Cursor) -> Vec<Candidate> {
        let mut found: BTreeSet<String> = self.names.tables().into_iter().map(|table| qualified(&table)).collect();
        found.extend(common_tables(self.sql, self.tokens).iter().map(|(name, _)| identifier(name)));
        let mut found: Vec<Candidate> =
            found.into_iter().filter(|name| begins(name, &cursor.partial)).map(Candidate::plain).collect();
        found.extend(self.functions(cursor, true));
        found
    }

    fn members(&self, owner: &str, cursor: &Cursor) -> Vec<Candidate> {
        let seen = self.seen();
        // The nearest of that name, should there be two.
        let named = seen
            .iter()
            .rev()
            .find(|relation| relation.name.as_deref().is_some_and(|name| name.eq_ignore_ascii_case(owner)));
        let columns = named.map(|relation| self.columns(std::slice::from_ref(relation), cursor)).unwrap_or_default();
        if !columns.is_empty() {
            return columns;
        }
        let schema = format!("{owner}.");
        let tables = self.names.tables();
        let tables = tables.iter().filter_map(|table| table.strip_prefix(&schema)).map(identifier);
        tables.filter(|table| begins(table, &cursor.partial)).map(Candidate::plain).collect()
    }

    fn columns(&self, relations: &[Relation], cursor: &Cursor) -> Vec<Candidate> {
        let mut found = BTreeSet::new();
        let mut add = |name: &str| {
            if begins(name, &cursor.partial) {
                found.insert(if cursor.is_quoted {
                    format!("\"{}\"", name.replace('"', "\"\""))
                } else {
                    identifier(name)
                });
            }
        };
        for relation in relations {
            self.names.visit_columns(&relation.source, &mut add);
        }
        found.into_iter().map(Candidate::plain).collect()
    }

    /// Columns, then what columns are called by, functions and keywords.
    fn expressions(&self, cursor: &Cursor) -> Vec<Candidate> {
        let seen = self.seen();
        let mut found = match seen.is_empty() && !cursor.partial.is_empty() {
            // FROM is not written yet, and any table may be meant.
            true => self.any_columns(cursor),
            false => self.columns(&seen, cursor),
        };
        let owners: BTreeSet<String> =
            seen.iter().filter_map(|relation| relation.name.as_deref()).map(identifier).collect();
        found.extend(
            owners
                .into_iter()
                .filter(|name| begins(name, &cursor.partial))
                .map(|name| Candidate { written: format!("{name}."), shown: name }),
        );
        if !cursor.partial.is_empty() {
            found.extend(self.functions(cursor, false));
            found.extend(self.keywords(cursor, keywords::EXPRESSION));
            // `SELECT FROM t` is legal, and so is a WHERE behind it.
            found.extend(self.keywords(cursor, &["FROM"]));
        }
        found
    }

    fn any_columns(&self, cursor: &Cursor) -> Vec<Candidate> {
        let all = self.names.tables().into_iter().map(|table| qualified(&table));
        let all: Vec<Relation> = all.map(Relation::of_catalog).collect();
        self.columns(&all, cursor)
    }
}

/// Whether `name`, with or without the quote that it needs, begins with `partial` in any case.
fn begins(name: &str, partial: &str) -> bool {
    let name = name.strip_prefix('"').unwrap_or(name);
    // This is asked of every column that there is.
    if partial.is_ascii() {
        return name.get(..partial.len()).is_some_and(|start| start.eq_ignore_ascii_case(partial));
    }
    let mut given = name.chars();
    partial.chars().all(|c| given.next().is_some_and(|g| g == c || g.to_lowercase().eq(c.to_lowercase())))
}

/// Settings by their full names, or by the part that is written.
fn settings(partial: &str, names: &dyn Names) -> Vec<Candidate> {
    let partial = partial.to_lowercase();
    let short = |name: &str| name.rsplit('.').next().unwrap_or(name).to_owned();
    let mut found = BTreeSet::new();
    for name in names.settings() {
        match partial.contains('.') {
            true if name.starts_with(&partial) => found.insert(name.clone()),
            false if short(name).starts_with(&partial) => found.insert(short(name)),
            _ => false,
        };
    }
    found.into_iter().map(Candidate::plain).collect()
}

#[cfg(test)]
mod tests;
