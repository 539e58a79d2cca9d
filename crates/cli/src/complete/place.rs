//! What belongs at a place in a statement.

use crate::lex::{Kind, Token};
use crate::quote::is_reserved;

/// What can be written somewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// The first word of a statement or subquery.
    Statement,
    /// A table, a file or a function that gives rows.
    Relation,
    /// What goes on behind a table: a join, a condition.
    BehindRelation,
    /// An expression.
    Expression,
    /// What goes on behind an expression.
    BehindExpression,
    /// A column of the table, or a table of the schema, of this name.
    Member(String),
    Setting,
    /// The name of a file, between quotes.
    File,
    /// Nothing that could be known.
    Nothing,
}

/// A place, and what of the word there has been written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cursor {
    pub(crate) place: Place,
    /// Where the word begins, in bytes; behind its quote if it has one.
    pub(crate) start: usize,
    /// What has been written of it.
    pub(crate) partial: String,
    /// Whether it is a name between double quotes.
    pub(crate) is_quoted: bool,
}

/// The place `pos` of `text`. `tokens` are all those of the statement around it.
pub(crate) fn cursor_at(text: &str, tokens: &[Token<'_>], pos: usize) -> Cursor {
    let touched = tokens.iter().find(|token| token.start < pos && pos <= token.end());
    let is_inside = |token: &Token<'_>| pos < token.end() || !token.is_closed;
    let cursor = |place, start: usize| Cursor { place, start, partial: text[start..pos].to_owned(), is_quoted: false };
    let start = match touched {
        Some(token) if token.kind == Kind::Comment && (is_inside(token) || token.text.starts_with("--")) => {
            return cursor(Place::Nothing, pos);
        }
        Some(token) if token.kind == Kind::Text && is_inside(token) => return cursor(Place::File, token.start + 1),
        Some(token) if token.kind == Kind::Number => return cursor(Place::Nothing, pos),
        Some(token) if token.kind == Kind::Quoted && is_inside(token) => token.start,
        Some(token) if token.kind == Kind::Word => token.start,
        _ => pos,
    };
    let before: Vec<&Token<'_>> =
        tokens.iter().filter(|token| token.is_significant() && token.end() <= start).collect();
    if let Some(setting_start) = setting_start(text, &before, pos) {
        return cursor(Place::Setting, setting_start);
    }
    let is_quoted = touched.is_some_and(|token| token.start == start && token.kind == Kind::Quoted);
    let written = if is_quoted { start + 1 } else { start };
    Cursor { place: place_behind(&before), start, partial: text[written..pos].to_owned(), is_quoted }
}

/// Where the name of a setting begins, with its points, if that is what is written.
fn setting_start(text: &str, before: &[&Token<'_>], pos: usize) -> Option<usize> {
    let first = before.first()?;
    let is_setting = ["set", "reset", "show"].iter().any(|word| first.is_word(word));
    let is_name = before[1..].iter().all(|token| token.kind == Kind::Word || token.is_sign('.'));
    let written = text.get(first.end()..pos)?.trim_start();
    (is_setting && is_name && !written.contains(char::is_whitespace)).then(|| pos - written.len())
}

/// Words that say what follows them.
const CLAUSES: [&str; 20] = [
    "from",
    "join",
    "into",
    "update",
    "table",
    "view",
    "describe",
    "summarize",
    "select",
    "where",
    "on",
    "by",
    "having",
    "qualify",
    "set",
    "using",
    "limit",
    "values",
    "returning",
    "copy",
];

fn place_behind(before: &[&Token<'_>]) -> Place {
    let Some(last) = before.last() else { return Place::Statement };
    if last.is_sign('.') {
        return match before.len().checked_sub(2).map(|idx| before[idx]) {
            Some(owner) if matches!(owner.kind, Kind::Word | Kind::Quoted) => Place::Member(owner.value()),
            _ => Place::Nothing,
        };
    }
    let (clause, opening) = clause_of(before);
    let Some(clause) = clause else {
        let Some(opening) = opening else {
            // A statement without any of the words above, such as DROP TABLE.
            return if is_operand_end(last) { Place::BehindExpression } else { Place::Expression };
        };
        // Behind an opening bracket: a subquery where one belongs, else arguments.
        let is_query = last.is_sign('(')
            && opening.is_none_or(|owner| owner.is_sign(',') || is_reserved(&owner.text.to_lowercase()));
        return match (is_query, is_operand_end(last)) {
            (true, _) => Place::Statement,
            (false, true) => Place::BehindExpression,
            (false, false) => Place::Expression,
        };
    };
    let is_first = std::ptr::eq(*clause, *last);
    let names_relations = CLAUSES[..8].iter().any(|word| clause.is_word(word)) || clause.is_word("copy");
    match names_relations {
        true if is_first || (clause.is_word("from") && last.is_sign(',')) => Place::Relation,
        true => Place::BehindRelation,
        false if is_operand_end(last) => Place::BehindExpression,
        false => Place::Expression,
    }
}

/// The nearest of [`CLAUSES`] on the level of the last token; else, behind an opening bracket, what stands before that.
#[allow(clippy::type_complexity, reason = "both are places in the list")]
fn clause_of<'a, 'b>(before: &'a [&'b Token<'b>]) -> (Option<&'a &'b Token<'b>>, Option<Option<&'a &'b Token<'b>>>) {
    let mut depth = 0_usize;
    for (idx, token) in before.iter().enumerate().rev() {
        if token.is_sign(')') {
            depth += 1;
        } else if token.is_sign('(') {
            if depth == 0 {
                return (None, Some(idx.checked_sub(1).map(|owner| &before[owner])));
            }
            depth -= 1;
        } else if depth == 0 && CLAUSES.iter().any(|clause| token.is_word(clause)) {
            return (Some(token), None);
        }
    }
    (None, None)
}

/// Whether an expression may end with this token.
fn is_operand_end(token: &Token<'_>) -> bool {
    match token.kind {
        Kind::Word => {
            !is_reserved(&token.text.to_lowercase()) || ["end", "null"].iter().any(|word| token.is_word(word))
        }
        Kind::Quoted | Kind::Text | Kind::Number => true,
        Kind::Sign => token.is_sign(')') || token.is_sign(']') || token.is_sign('*'),
        Kind::Space | Kind::Comment => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lex::tokens;

    /// The cursor at the mark `|`.
    fn at(marked: &str) -> Cursor {
        let pos = marked.find('|').unwrap();
        let text = marked.replacen('|', "", 1);
        cursor_at(&text, &tokens(&text), pos)
    }

    #[test]
    fn what_belongs_where() {
        for (marked, place) in [
            ("|", Place::Statement),
            ("SEL|", Place::Statement),
            ("SELECT |", Place::Expression),
            ("SELECT a, b|", Place::Expression),
            ("SELECT a |", Place::BehindExpression),
            ("SELECT count(|", Place::Expression),
            ("SELECT count(*) |", Place::BehindExpression),
            ("SELECT a FROM |", Place::Relation),
            ("SELECT a FROM t, u|", Place::Relation),
            ("SELECT a FROM t |", Place::BehindRelation),
            ("SELECT a FROM t JOIN |", Place::Relation),
            ("SELECT a FROM t JOIN u ON |", Place::Expression),
            ("SELECT a FROM t WHERE |", Place::Expression),
            ("SELECT a FROM t WHERE a = 1 |", Place::BehindExpression),
            ("SELECT a FROM t ORDER BY |", Place::Expression),
            ("SELECT a FROM (|", Place::Statement),
            ("SELECT a FROM t WHERE a IN (|", Place::Statement),
            ("INSERT INTO |", Place::Relation),
            ("INSERT INTO t (|", Place::Expression),
            ("DESCRIBE |", Place::Relation),
            ("SELECT f.|", Place::Member("f".into())),
            ("SELECT \"F x\".d|", Place::Member("F x".into())),
            ("FROM 'data/fl|'", Place::File),
            ("FROM 'data/fl|", Place::File),
            ("-- SELECT |", Place::Nothing),
            ("/* SELECT | */", Place::Nothing),
            ("SELECT 12|", Place::Nothing),
            ("SET |", Place::Setting),
            ("SHOW datafusion.execution.b|", Place::Setting),
            ("SET batch_size = |", Place::Expression),
        ] {
            assert_eq!(at(marked).place, place, "{marked}");
        }
    }

    #[test]
    fn the_word_at_the_cursor() {
        let word = |marked| {
            let cursor = at(marked);
            (cursor.start, cursor.partial, cursor.is_quoted)
        };
        assert_eq!(word("SELECT dep_d|elay"), (7, "dep_d".into(), false));
        assert_eq!(word("SELECT f.de|"), (9, "de".into(), false));
        assert_eq!(word("SELECT \"My c|"), (7, "My c".into(), true));
        assert_eq!(word("FROM 'da|"), (6, "da".into(), false));
        assert_eq!(word("SET execution.ba|"), (4, "execution.ba".into(), false));
        assert_eq!(word("SELECT größ|e"), (7, "größ".into(), false));
    }
}
