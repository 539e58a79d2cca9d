//! File name patterns: `*`, `?`, `[a-z]`, `{a,b}` and `**`.

use object_store::path::Path as ObjectPath;

/// How many alternatives the braces of one pattern may stand for.
pub(crate) const N_ALTERNATIVES_MAX: usize = 1024;

/// A pattern over the segments of a path.
///
/// - `*` matches any characters of a name, `?` one character, `[abc]`, `[a-z]` one of a set, `[!a]` one outside of it.
/// - `**` as a whole segment matches any number of folders, none included, but not hidden ones; as the last segment it
///   matches all files below.
/// - `{a,b}` stands for either text, which may hold slashes and patterns.
/// - A name that starts with a dot is matched only by a pattern that starts with a dot, as in a shell.
/// - A bracket or brace that is not closed, and braces without a comma, stand for themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GlobPattern {
    alternatives: Vec<Vec<Segment>>,
}

/// One segment of an alternative.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Segment {
    /// A name without wildcards.
    Literal(String),
    /// A name with wildcards.
    Pattern(Vec<Token>),
    /// `**`.
    AnyDepth,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Token {
    Char(char),
    AnyChar,
    AnyChars,
    Set { ranges: Vec<(char, char)>, negated: bool },
}

/// A pattern stands for more than [`N_ALTERNATIVES_MAX`] alternatives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooManyAlternatives;

impl GlobPattern {
    /// Reads a pattern whose segments are separated by `/`. Empty segments are left out.
    pub(crate) fn parse(text: &str) -> Result<Self, TooManyAlternatives> {
        let alternatives = expand_braces(text)?;
        let parse = |text: &String| text.split('/').filter(|s| !s.is_empty()).map(Segment::parse).collect();
        Ok(Self { alternatives: alternatives.iter().map(parse).collect() })
    }

    /// The one path this pattern stands for, if it has no wildcards and no braces.
    pub(crate) fn as_literal(&self) -> Option<Vec<&str>> {
        let [only] = self.alternatives.as_slice() else { return None };
        only.iter().map(Segment::as_literal).collect()
    }

    pub(crate) fn alternatives(&self) -> &[Vec<Segment>] {
        &self.alternatives
    }

    /// Whether a path matches.
    pub fn matches(&self, path: &ObjectPath) -> bool {
        // The raw text is split, because `ObjectPath::parts` is free to encode.
        let names: Vec<&str> = path.as_ref().split('/').filter(|name| !name.is_empty()).collect();
        self.alternatives.iter().any(|segments| matches_segments(segments, &names))
    }

    /// The folder that holds every match: what the alternatives have in common before their first wildcard, less the
    /// last segment, which is a file.
    pub fn base(&self) -> ObjectPath {
        let heads = self.alternatives.iter().map(|segments| literal_head(segments));
        let common = heads.reduce(|a, b| {
            let n = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
            a[..n].to_vec()
        });
        ObjectPath::parse(common.unwrap_or_default().join("/")).unwrap_or(ObjectPath::ROOT)
    }
}

impl Segment {
    fn parse(text: &str) -> Self {
        if text == "**" {
            return Self::AnyDepth;
        }
        let tokens = parse_tokens(text);
        let literal: Option<String> =
            tokens.iter().map(|t| if let Token::Char(c) = t { Some(*c) } else { None }).collect();
        literal.map_or(Self::Pattern(tokens), Self::Literal)
    }

    pub(crate) fn as_literal(&self) -> Option<&str> {
        if let Self::Literal(name) = self { Some(name) } else { None }
    }

    /// Whether one name matches. `**` as a name of a file matches every name that is not hidden.
    pub(crate) fn matches(&self, name: &str) -> bool {
        match self {
            Self::Literal(literal) => literal == name,
            Self::AnyDepth => !is_hidden(name),
            Self::Pattern(tokens) => {
                let dot_is_meant = matches!(tokens.first(), Some(Token::Char('.')));
                (dot_is_meant || !name.starts_with('.')) && matches_tokens(tokens, name)
            }
        }
    }
}

/// Whether readers of folders skip this name: those that start with a dot, and those that start with an underscore
/// unless they are a partition (`_year=2020`).
pub(crate) fn is_hidden(name: &str) -> bool {
    name.starts_with('.') || (name.starts_with('_') && !name.contains('='))
}

/// The literal folders that an alternative starts with.
pub(crate) fn literal_head(segments: &[Segment]) -> Vec<&str> {
    let folders = &segments[..segments.len().saturating_sub(1)];
    folders.iter().map_while(Segment::as_literal).collect()
}

fn matches_segments(segments: &[Segment], names: &[&str]) -> bool {
    match (segments, names) {
        ([], []) => true,
        ([], _) | ([_, ..], []) => false,
        ([Segment::AnyDepth], names) => names.iter().all(|name| !is_hidden(name)),
        ([Segment::AnyDepth, rest @ ..], [name, below @ ..]) => {
            matches_segments(rest, names) || (!is_hidden(name) && matches_segments(segments, below))
        }
        ([segment, rest @ ..], [name, below @ ..]) => segment.matches(name) && matches_segments(rest, below),
    }
}

/// Matches with one point of return: when a character does not fit, the last `*` takes one more.
fn matches_tokens(tokens: &[Token], name: &str) -> bool {
    let chars: Vec<char> = name.chars().collect();
    let (mut token_idx, mut char_idx) = (0, 0);
    let mut last_star: Option<(usize, usize)> = None;
    while char_idx < chars.len() {
        match tokens.get(token_idx) {
            Some(Token::AnyChars) => {
                last_star = Some((token_idx, char_idx));
                token_idx += 1;
            }
            Some(token) if token.matches(chars[char_idx]) => {
                token_idx += 1;
                char_idx += 1;
            }
            _ => {
                let Some((star_idx, taken_to)) = last_star else { return false };
                last_star = Some((star_idx, taken_to + 1));
                token_idx = star_idx + 1;
                char_idx = taken_to + 1;
            }
        }
    }
    tokens[token_idx..].iter().all(|token| *token == Token::AnyChars)
}

impl Token {
    fn matches(&self, c: char) -> bool {
        match self {
            Self::Char(literal) => *literal == c,
            Self::AnyChar | Self::AnyChars => true,
            Self::Set { ranges, negated } => ranges.iter().any(|(low, high)| (*low..=*high).contains(&c)) != *negated,
        }
    }
}

fn parse_tokens(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let mut tokens = Vec::with_capacity(chars.len());
    let mut idx = 0;
    while idx < chars.len() {
        let (token, n_chars) = match chars[idx] {
            '*' => (Token::AnyChars, 1),
            '?' => (Token::AnyChar, 1),
            '[' => parse_set(&chars[idx..]).unwrap_or((Token::Char('['), 1)),
            c => (Token::Char(c), 1),
        };
        if token != Token::AnyChars || tokens.last() != Some(&Token::AnyChars) {
            tokens.push(token);
        }
        idx += n_chars;
    }
    tokens
}

/// Reads `[...]` at the start of `chars`; `None` if it is not closed.
fn parse_set(chars: &[char]) -> Option<(Token, usize)> {
    let negated = matches!(chars.get(1), Some('!' | '^'));
    let start = 1 + usize::from(negated);
    // A bracket right at the start is a member: `[]]`.
    let end = start + 1 + chars.get(start + 1..)?.iter().position(|c| *c == ']')?;
    let mut ranges = Vec::new();
    let mut idx = start;
    while idx < end {
        if idx + 2 < end && chars[idx + 1] == '-' {
            ranges.push((chars[idx], chars[idx + 2]));
            idx += 3;
        } else {
            ranges.push((chars[idx], chars[idx]));
            idx += 1;
        }
    }
    // `[a]` is the way to write a character that is otherwise special; as a literal it needs no listing.
    match (negated, ranges.as_slice()) {
        (false, [(low, high)]) if low == high => Some((Token::Char(*low), end + 1)),
        _ => Some((Token::Set { ranges, negated }, end + 1)),
    }
}

/// All texts that the braces of `text` stand for.
fn expand_braces(text: &str) -> Result<Vec<String>, TooManyAlternatives> {
    let mut done = Vec::new();
    let mut open = vec![text.to_owned()];
    while let Some(text) = open.pop() {
        match first_braces(&text) {
            None => done.push(text),
            Some((start, end, commas)) => {
                let edges: Vec<usize> = std::iter::once(start).chain(commas).chain([end]).collect();
                // The last alternative is pushed first, so that the results come in the order they are written in.
                for edge in edges.windows(2).rev() {
                    open.push(format!("{}{}{}", &text[..start], &text[edge[0] + 1..edge[1]], &text[end + 1..]));
                }
            }
        }
        if done.len() + open.len() > N_ALTERNATIVES_MAX {
            return Err(TooManyAlternatives);
        }
    }
    Ok(done)
}

/// The first closed pair of braces with a comma in it: where it starts and ends, and its own commas. What stands in
/// `[...]` is not looked at.
fn first_braces(text: &str) -> Option<(usize, usize, Vec<usize>)> {
    let mut stack: Vec<(usize, Vec<usize>)> = Vec::new();
    let mut first: Option<(usize, usize, Vec<usize>)> = None;
    let mut in_set_until = 0;
    for (at, c) in text.char_indices().filter(|(_, c)| matches!(c, '{' | '}' | ',' | '[')) {
        if at < in_set_until {
            continue;
        }
        match c {
            '[' => in_set_until = set_end(&text[at..]).map_or(0, |len| at + len),
            '{' => stack.push((at, Vec::new())),
            ',' => {
                if let Some((_, commas)) = stack.last_mut() {
                    commas.push(at);
                }
            }
            _ => {
                if let Some((start, commas)) = stack.pop().filter(|(_, commas)| !commas.is_empty())
                    && first.as_ref().is_none_or(|(first_start, ..)| start < *first_start)
                {
                    first = Some((start, at, commas));
                }
            }
        }
    }
    first
}

/// The length in bytes of the `[...]` at the start of `text`.
fn set_end(text: &str) -> Option<usize> {
    let segment: Vec<char> = text.chars().take_while(|c| *c != '/').collect();
    let (_, n_chars) = parse_set(&segment)?;
    Some(segment[..n_chars].iter().map(|c| c.len_utf8()).sum())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(pattern: &str, path: &str) -> bool {
        GlobPattern::parse(pattern).unwrap().matches(&ObjectPath::parse(path).unwrap())
    }

    #[test]
    fn patterns_and_names() {
        let cases = [
            ("a/*.csv", "a/x.csv", true),
            ("a/*.csv", "a/b/x.csv", false),
            ("a/*.csv", "a/.csv", false),
            ("a/.*", "a/.csv", true),
            ("a/*", "a/_x", true),
            ("*", "übung", true),
            ("?bung", "übung", true),
            ("a?c", "ac", false),
            ("*a*b*c", "xxaxbxbxc", true),
            ("*a*b*c", "xxaxbxbxcx", false),
            ("f[0-9].csv", "f7.csv", true),
            ("f[0-9].csv", "fx.csv", false),
            ("f[!0-9].csv", "fx.csv", true),
            ("f[^0-9].csv", "f3.csv", false),
            ("f[]x].csv", "f].csv", true),
            ("f[a-].csv", "f-.csv", true),
            ("f[?]", "f?", true),
            ("f[?]", "fx", false),
            ("a[b.csv", "a[b.csv", true),
            ("{a,b}/x", "b/x", true),
            ("{a,b}/x", "c/x", false),
            ("{a/b,c}/*.{csv,tsv}", "a/b/x.tsv", true),
            ("{a/b,c}/*.{csv,tsv}", "c/x.json", false),
            ("x{,.gz}", "x", true),
            ("x{,.gz}", "x.gz", true),
            ("{a{1,2},b}", "a2", true),
            ("{x{1,2}}", "{x2}", true),
            ("{ab}", "{ab}", true),
            ("[{,}]", ",", true),
            ("**/x.csv", "x.csv", true),
            ("**/x.csv", "a/b/x.csv", true),
            ("**/x.csv", "a/.git/x.csv", false),
            ("**/x.csv", "a/_temporary/x.csv", false),
            ("**/x.csv", "_year=1/x.csv", true),
            ("a/**", "a/b/c", true),
            ("a/**", "b/c", false),
            ("a/**/b/*.csv", "a/x/y/b/1.csv", true),
            ("a/**/b/*.csv", "a/b/1.csv", true),
            ("a/**/b/*.csv", "a/1.csv", false),
            ("a**b", "axxb", true),
            ("year=*/m=?/*.parquet", "year=2020/m=1/p.parquet", true),
        ];
        for (pattern, path, expected) in cases {
            assert_eq!(matches(pattern, path), expected, "{pattern} on {path}");
        }
    }

    #[test]
    fn literals_are_seen() {
        for (pattern, literal) in
            [("a/b.csv", Some("a/b.csv")), ("a[?]/[[]x", Some("a?/[x")), ("a*", None), ("{a,b}", None)]
        {
            let parsed = GlobPattern::parse(pattern).unwrap();
            assert_eq!(parsed.as_literal().map(|names| names.join("/")).as_deref(), literal, "{pattern}");
        }
    }

    #[test]
    fn the_base_is_the_folder_of_all_matches() {
        for (pattern, base) in [
            ("a/b/*.csv", "a/b"),
            ("a/b*/c.csv", "a"),
            ("*", ""),
            ("a/{b,c}/*.csv", "a"),
            ("a/{b,b/c}/*.csv", "a/b"),
            ("a/{x,y}.csv", "a"),
        ] {
            assert_eq!(GlobPattern::parse(pattern).unwrap().base().as_ref(), base, "{pattern}");
        }
    }

    #[test]
    fn too_many_alternatives_are_refused() {
        assert!(GlobPattern::parse(&"{a,b}".repeat(10)).is_ok());
        assert_eq!(GlobPattern::parse(&"{a,b}".repeat(11)), Err(TooManyAlternatives));
        assert_eq!(GlobPattern::parse(&"{a,b}".repeat(5000)), Err(TooManyAlternatives));
    }

    /// The definition, word for word: slow, but plainly right.
    fn oracle(pattern: &[char], name: &[char]) -> bool {
        match (pattern, name) {
            ([], []) => true,
            (['*', rest @ ..], _) => oracle(rest, name) || (!name.is_empty() && oracle(pattern, &name[1..])),
            (['?', rest @ ..], [_, below @ ..]) => oracle(rest, below),
            ([c, rest @ ..], [d, below @ ..]) => c == d && oracle(rest, below),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn stars_match_as_defined(pattern in "[ab*?]{1,8}", name in "[ab]{1,10}") {
            prop_assume!(pattern != "**");
            let (p, n): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
            prop_assert_eq!(matches(&pattern, &name), oracle(&p, &n));
        }

        #[test]
        fn a_plain_name_matches_itself_only(name in "[a-zé .#%=-]{1,12}", other in "[a-zé .#%=-]{1,12}") {
            prop_assume!(name != "." && name != ".." && other != "." && other != "..");
            prop_assert!(matches(&name, &name));
            prop_assert_eq!(matches(&name, &other), name == other);
        }

        #[test]
        fn any_text_is_a_pattern(text in "[a-c{},\\[\\]*?!/-]{0,24}", name in "[a-c,-]{1,6}") {
            let _ = GlobPattern::parse(&text).map(|p| (p.matches(&ObjectPath::from(name.as_str())), p.base()));
        }

        #[test]
        fn braces_are_the_union_of_their_alternatives(a in "[ab*?]{0,4}", b in "[ab*?]{0,4}", name in "[ab]{1,8}") {
            prop_assume!(a != "**" && b != "**");
            let both = matches(&format!("x{{{a},{b}}}y"), &format!("x{name}y"));
            let either = matches(&format!("x{a}y"), &format!("x{name}y")) || matches(&format!("x{b}y"), &format!("x{name}y"));
            prop_assert_eq!(both, either);
        }
    }
}
