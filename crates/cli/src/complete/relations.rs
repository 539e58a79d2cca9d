//! The tables that a place in a statement sees: those of its FROM, and of the queries around it.

use std::path::Path;

use crate::lex::{Kind, Token};
use crate::quote::is_reserved;

/// A table, file, function call or subquery of a FROM, JOIN, INTO or UPDATE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Relation {
    /// As it stands in the statement: `flights`, `s.t`, `'a.csv'`, `read_csv('a.csv')`, `(SELECT 1 AS n)`.
    pub(crate) source: String,
    /// The name by which its columns can be called: the alias, else its own name.
    pub(crate) name: Option<String>,
    /// The brackets around it, by the index of their opening, outermost first.
    brackets: Vec<usize>,
}

impl Relation {
    /// A table of the catalog, which no statement names yet.
    pub(crate) fn of_catalog(source: String) -> Self {
        Self { source, name: None, brackets: Vec::new() }
    }
}

/// The relations that the place `pos` of `text` sees, the nearest last. `tokens` are those of one statement of it, without blanks.
pub(crate) fn relations_at(text: &str, tokens: &[Token<'_>], pos: usize) -> Vec<Relation> {
    let here = brackets_at(tokens, pos);
    let mut found = all_relations(text, tokens);
    found.retain(|relation| here.starts_with(&relation.brackets));
    found.sort_by_key(|relation| relation.brackets.len());
    found
}

/// The names that WITH gives, with the query of each between its brackets.
pub(crate) fn common_tables(text: &str, tokens: &[Token<'_>]) -> Vec<(String, String)> {
    if !tokens.first().is_some_and(|token| token.is_word("with")) {
        return Vec::new();
    }
    let is_body = |idx: &usize| tokens[*idx].is_word("as") && tokens.get(idx + 1).is_some_and(|next| next.is_sign('('));
    let bodies = (1..tokens.len()).filter(is_body);
    let named = bodies.filter_map(|idx| {
        let close = matching(tokens, idx + 1)?;
        let name = tokens[idx - 1].value();
        Some((name, text[tokens[idx + 1].start..tokens[close].end()].to_owned()))
    });
    named.collect()
}

/// Every relation of a statement, wherever it stands.
pub(crate) fn all_relations(text: &str, tokens: &[Token<'_>]) -> Vec<Relation> {
    let common = common_tables(text, tokens);
    let mut found = Vec::new();
    let mut brackets = Vec::new();
    // For each level of brackets, whether a comma leads to another relation.
    let mut lists = vec![false];
    let mut is_next = false;
    for (idx, token) in tokens.iter().enumerate() {
        if is_next && !token.is_word("lateral") && !token.is_word("only") {
            is_next = false;
            if let Some((end, own_name)) = relation_end(tokens, idx) {
                let written = &text[token.start..tokens[end].end()];
                let name = alias_behind(tokens, end).or(own_name);
                let body = common.iter().find(|(name, _)| name.eq_ignore_ascii_case(written));
                let source = body.map_or(written, |(_, body)| body).to_owned();
                found.push(Relation { source, name, brackets: brackets.clone() });
            }
        }
        if token.is_sign('(') {
            brackets.push(idx);
            lists.push(false);
        } else if token.is_sign(')') && lists.len() > 1 {
            brackets.pop();
            lists.pop();
        }
        let Some(is_list) = lists.last_mut() else { continue };
        if token.kind == Kind::Word {
            let word = token.text.to_lowercase();
            is_next |= matches!(word.as_str(), "from" | "join" | "into" | "update" | "describe" | "summarize");
            match word.as_str() {
                "from" => *is_list = true,
                "where" | "group" | "order" | "having" | "select" | "limit" | "set" | "on" | "union" => {
                    *is_list = false;
                }
                _ => {}
            }
        }
        is_next |= token.is_sign(',') && *is_list;
    }
    found
}

/// The index of the last token of the relation that begins at `idx`, and the name it has without an alias.
fn relation_end(tokens: &[Token<'_>], idx: usize) -> Option<(usize, Option<String>)> {
    let first = &tokens[idx];
    match first.kind {
        Kind::Sign if first.is_sign('(') => Some((matching(tokens, idx)?, None)),
        Kind::Text if first.is_closed => Some((idx, file_stem(&first.value()))),
        Kind::Word if is_reserved(&first.text.to_lowercase()) => None,
        Kind::Word | Kind::Quoted => {
            let mut end = idx;
            while tokens.get(end + 1).is_some_and(|token| token.is_sign('.'))
                && tokens.get(end + 2).is_some_and(|token| matches!(token.kind, Kind::Word | Kind::Quoted))
            {
                end += 2;
            }
            let is_call =
                tokens.get(end + 1).is_some_and(|token| token.is_sign('(') && token.start == tokens[end].end());
            match is_call {
                true => Some((matching(tokens, end + 1)?, None)),
                false => Some((end, Some(tokens[end].value()))),
            }
        }
        _ => None,
    }
}

fn alias_behind(tokens: &[Token<'_>], end: usize) -> Option<String> {
    let mut next = end + 1;
    if tokens.get(next)?.is_word("as") {
        next += 1;
    }
    let token = tokens.get(next)?;
    let is_name = token.kind == Kind::Quoted || (token.kind == Kind::Word && !is_reserved(&token.text.to_lowercase()));
    is_name.then(|| token.value())
}

/// The name of a file without its folder and suffixes.
fn file_stem(path: &str) -> Option<String> {
    let name = Path::new(path).file_name()?.to_str()?;
    name.split('.').next().filter(|stem| !stem.is_empty()).map(str::to_owned)
}

/// The closing bracket of the opening one at `idx`.
fn matching(tokens: &[Token<'_>], idx: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(idx) {
        if token.is_sign('(') {
            depth += 1;
        } else if token.is_sign(')') {
            depth -= 1;
            if depth == 0 {
                return Some(at);
            }
        }
    }
    None
}

fn brackets_at(tokens: &[Token<'_>], pos: usize) -> Vec<usize> {
    let mut brackets = Vec::new();
    for (idx, token) in tokens.iter().enumerate().take_while(|(_, token)| token.end() <= pos) {
        if token.is_sign('(') {
            brackets.push(idx);
        } else if token.is_sign(')') {
            brackets.pop();
        }
    }
    brackets
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lex::tokens;

    /// What the place marked `|` sees, as `source:name`.
    fn seen(marked: &str) -> Vec<String> {
        let pos = marked.find('|').unwrap();
        let text = marked.replacen('|', "", 1);
        let tokens: Vec<Token<'_>> = tokens(&text).into_iter().filter(Token::is_significant).collect();
        let relations = relations_at(&text, &tokens, pos);
        relations.iter().map(|r| format!("{}:{}", r.source, r.name.clone().unwrap_or_default())).collect()
    }

    #[test]
    fn tables_of_a_from_with_their_aliases() {
        assert_eq!(seen("SELECT | FROM flights f, s.\"My t\" AS m JOIN c ON x"), ["flights:f", "s.\"My t\":m", "c:c"]);
        assert_eq!(seen("SELECT a FROM t WHERE |"), ["t:t"]);
        assert_eq!(
            seen("SELECT | FROM 'data/a.csv.gz' LEFT JOIN 'b.parquet' b"),
            ["'data/a.csv.gz':a", "'b.parquet':b"]
        );
        assert_eq!(
            seen("SELECT | FROM read_csv('a.csv', header => true) AS r"),
            ["read_csv('a.csv', header => true):r"]
        );
        assert_eq!(seen("UPDATE t SET |"), ["t:t"]);
        assert_eq!(seen("INSERT INTO t (|"), ["t:t"]);
    }

    #[test]
    fn a_subquery_sees_what_is_around_it_and_not_the_other_way() {
        assert_eq!(seen("SELECT | FROM (SELECT a FROM inner_t) x"), ["(SELECT a FROM inner_t):x"]);
        assert_eq!(seen("SELECT (SELECT | FROM b) FROM a"), ["a:a", "b:b"]);
        assert_eq!(seen("SELECT a FROM t WHERE a IN (SELECT | FROM u) AND b"), ["t:t", "u:u"]);
    }

    #[test]
    fn names_of_with_stand_for_their_queries() {
        assert_eq!(seen("WITH w AS (SELECT 1 AS n) SELECT | FROM w x"), ["(SELECT 1 AS n):x"]);
        assert_eq!(seen("WITH w AS (SELECT | FROM t) SELECT n FROM w"), ["(SELECT  FROM t):w", "t:t"]);
    }

    #[test]
    fn an_unfinished_statement_is_no_trouble() {
        for text in
            ["SELECT | FROM", "SELECT | FROM (", "|", "SELECT ) | FROM 'a", "FROM a, |", "FROM WHERE |", ") ) (|"]
        {
            assert!(seen(text).len() <= 1, "{text}");
        }
    }
}
