//! Colours for SQL that is being typed.

use crate::colour::Colour;
use crate::complete::is_keyword;
use crate::lex::{Kind, Token, tokens};
use crate::script::is_command;

/// The text with colours; what is seen stays the same, column by column.
///
/// The brackets at `bracket` and its partner are marked: in red if it has none.
pub(crate) fn highlighted(text: &str, bracket: Option<usize>) -> String {
    let (command, sql) = match is_command(text) {
        true => {
            let begin = text.len() - text.trim_start().len();
            text.split_at(text[begin..].find(char::is_whitespace).map_or(text.len(), |end| begin + end))
        }
        false => ("", text),
    };
    let all = tokens(sql);
    let marked = bracket.and_then(|at| Some((at.checked_sub(command.len())?, at)));
    let partner = marked.map(|(at, _)| (at, partner(&all, at)));
    let mut out = String::with_capacity(text.len() * 2);
    if !command.is_empty() {
        out.push_str(&Colour::Command.paint(command));
    }
    for (idx, token) in all.iter().enumerate() {
        let colour = match partner {
            Some((at, None)) if at == token.start => Some(Colour::Error),
            Some((at, Some(other))) if at == token.start || other == token.start => Some(Colour::Prompt),
            _ => colour_of(token, all.get(idx + 1)),
        };
        match colour {
            Some(colour) => out.push_str(&painted(colour, token.text)),
            None => out.push_str(token.text),
        }
    }
    out
}

/// Line by line, because an editor may draw something between two lines.
fn painted(colour: Colour, text: &str) -> String {
    text.split('\n')
        .map(|line| if line.is_empty() { String::new() } else { colour.paint(line) })
        .collect::<Vec<_>>()
        .join("\n")
}

fn colour_of(token: &Token<'_>, next: Option<&Token<'_>>) -> Option<Colour> {
    match token.kind {
        Kind::Comment => Some(Colour::Comment),
        Kind::Text => Some(Colour::Text),
        Kind::Number => Some(Colour::Number),
        Kind::Word if is_keyword(token.text) => Some(Colour::Keyword),
        Kind::Word if next.is_some_and(|next| next.is_sign('(')) => Some(Colour::Function),
        Kind::Word | Kind::Quoted | Kind::Sign | Kind::Space => None,
    }
}

/// The place of the bracket at or before the cursor `pos`, outside quotes and comments.
pub(crate) fn bracket_at(text: &str, pos: usize) -> Option<usize> {
    let all = tokens(text);
    let is_bracket = |token: &&Token<'_>| token.kind == Kind::Sign && "()[]{}".contains(token.text);
    let at = |start: usize| all.iter().find(|token| token.start == start).filter(is_bracket);
    at(pos).or_else(|| at(pos.checked_sub(1)?)).map(|token| token.start)
}

/// Where the bracket that belongs to the one at `at` stands.
fn partner(all: &[Token<'_>], at: usize) -> Option<usize> {
    let idx = all.iter().position(|token| token.start == at)?;
    let pairs = [('(', ')'), ('[', ']'), ('{', '}')];
    let (open, close) = pairs.into_iter().find(|(open, close)| all[idx].is_sign(*open) || all[idx].is_sign(*close))?;
    let is_open = all[idx].is_sign(open);
    let (same, other) = if is_open { (open, close) } else { (close, open) };
    let mut depth = 0_usize;
    let mut step = |token: &Token<'_>| {
        if token.is_sign(same) {
            depth += 1;
        } else if token.is_sign(other) {
            depth -= 1;
            return depth == 0;
        }
        false
    };
    let found = match is_open {
        true => all[idx..].iter().find(|token| step(token)),
        false => all[..=idx].iter().rev().find(|token| step(token)),
    };
    found.map(|token| token.start)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without the codes.
    fn plain(text: &str) -> String {
        let mut parts = text.split("\x1b[");
        let first = parts.next().unwrap().to_owned();
        parts.fold(first, |text, part| text + part.split_once('m').unwrap().1)
    }

    #[test]
    fn words_texts_and_numbers_have_colours() {
        assert_eq!(
            highlighted("SELECT sum(x), 'é' FROM t -- 1", None),
            "\x1b[1;34mSELECT\x1b[0m \x1b[36msum\x1b[0m(x), \x1b[32m'é'\x1b[0m \x1b[1;34mFROM\x1b[0m t \x1b[90m-- 1\x1b[0m"
        );
        assert!(highlighted(".mode csv", None).starts_with("\x1b[1;35m.mode\x1b[0m"));
    }

    #[test]
    fn nothing_is_added_or_lost() {
        for text in ["SELECT 'a\nb' FROM (日本", ".read 'x", "  \\dt a", "/* a\n\n*/ SELECT", ""] {
            assert_eq!(plain(&highlighted(text, None)), text);
            for (pos, _) in text.char_indices() {
                assert_eq!(plain(&highlighted(text, bracket_at(text, pos))), text);
            }
        }
    }

    #[test]
    fn brackets_find_each_other() {
        let text = "f(a, (b), ')')";
        let partner_of = |at| partner(&tokens(text), at);
        assert_eq!((partner_of(1), partner_of(13), partner_of(5)), (Some(13), Some(1), Some(7)));
        assert_eq!((bracket_at(text, 14), bracket_at(text, 1), bracket_at(text, 3)), (Some(13), Some(1), None));
        assert_eq!(bracket_at("'('", 1), None);
        assert!(highlighted("f(a", Some(1)).contains("\x1b[1;31m(\x1b[0m"));
    }
}
