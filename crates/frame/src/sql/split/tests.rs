use std::fmt::Write;

use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

use super::*;

fn texts(script: &str) -> Vec<&str> {
    split_statements(script).unwrap().into_iter().map(|s| s.text).collect()
}

#[test]
fn statements_end_at_semicolons_outside_quotes_and_comments() {
    let cases: &[(&str, &[&str])] = &[
        ("", &[]),
        (" ;; -- nothing\n ; /* ; */ ;", &[]),
        ("SELECT 1", &["SELECT 1"]),
        ("SELECT 1; SELECT 2 ;", &["SELECT 1", "SELECT 2"]),
        ("SELECT ';'; SELECT 'it''s;'", &["SELECT ';'", "SELECT 'it''s;'"]),
        ("SELECT \"a;\"\"b\"; SELECT `c;`", &["SELECT \"a;\"\"b\"", "SELECT `c;`"]),
        ("-- don't; stop\nSELECT 1; -- that's; all", &["SELECT 1"]),
        ("/* a /* ; */ b's */ SELECT /* ; */ 2 /* tail */;", &["SELECT /* ; */ 2"]),
        (r"SELECT E'it\'s;', 'back\'; SELECT 2", &[r"SELECT E'it\'s;', 'back\'", "SELECT 2"]),
        ("SELECT $$;'$$; SELECT $x$ $$;$ $x$;", &["SELECT $$;'$$", "SELECT $x$ $$;$ $x$"]),
        ("SELECT $1; SELECT $name;SELECT a$$b", &["SELECT $1", "SELECT $name", "SELECT a$$b"]),
        ("SELECT 1e'a\\';'; SELECT 2", &["SELECT 1e'a\\';'", "SELECT 2"]),
        ("SELECT 6 //*2; SELECT 3", &["SELECT 6 //*2", "SELECT 3"]),
        ("SELECT r'''a;'b''' ; SELECT q'[it's;]'", &["SELECT r'''a;'b'''", "SELECT q'[it's;]'"]),
        ("/*! SELECT 1 */; /*!50110 */;", &["/*! SELECT 1 */"]),
        (
            "ARRAY (x - 1) @ transpose(x)[0:10, :]; SHOW ARRAYS",
            &["ARRAY (x - 1) @ transpose(x)[0:10, :]", "SHOW ARRAYS"],
        ),
    ];
    for (script, expected) in cases {
        assert_eq!(&texts(script), expected, "{script}");
    }
}

#[test]
fn statements_know_where_they_begin() {
    let script = "\u{e9} := 1;\n  -- note\n\t\u{4e16}; /* x\ny */ z";
    let places: Vec<_> =
        split_statements(script).unwrap().into_iter().map(|s| (s.offset, s.line, s.column, s.text)).collect();
    // By hand: 'e' with an accent has two bytes, the ideograph three; a tab is one column.
    assert_eq!(places, [(0, 1, 1, "\u{e9} := 1"), (20, 3, 2, "\u{4e16}"), (35, 4, 6, "z")]);
}

#[test]
fn what_is_never_closed_is_reported_where_it_was_opened() {
    let cases = [
        ("SELECT 1;\n SELECT 'abc;", Open::String, 18, 2, 9),
        ("SELECT e'abc\\'", Open::String, 7, 1, 8),
        ("SELECT \"abc", Open::QuotedIdentifier, 7, 1, 8),
        ("\n/* /* */", Open::Comment, 1, 2, 1),
        ("SELECT $a$ $b$", Open::DollarQuote { tag: "a".to_owned() }, 7, 1, 8),
        ("SELECT $$ $ ", Open::DollarQuote { tag: String::new() }, 7, 1, 8),
    ];
    for (script, open, offset, line, column) in cases {
        let expected = SplitError::Unterminated { open: open.clone(), offset, line, column };
        assert_eq!(split_statements(script), Err(expected), "{script}");
        assert_eq!(completeness(script), Completeness::Incomplete { open }, "{script}");
    }
    let error = split_statements("x 'y").unwrap_err();
    assert_eq!(error.to_string(), "unterminated string literal, opened at line 1, column 3");
}

#[test]
fn a_prompt_waits_for_the_semicolon() {
    for text in ["", "  \n", "-- note", "SELECT 1;", "SELECT 1; -- note", "SELECT (1;"] {
        assert_eq!(completeness(text), Completeness::Complete, "{text}");
    }
    for text in ["SELECT 1", "SELECT 1; SELECT", "SELECT ';' -- ;"] {
        assert_eq!(completeness(text), Completeness::Incomplete { open: Open::Statement }, "{text}");
    }
}

/// A small generator with a fixed seed: the same inputs on every run.
struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }
}

const PIECES: &[&str] = &[
    "'", "''", "'''", "\"", "`", ";", "$", "$$", "$a$", "a", "e", "E'", "b'", "b\"", "r'", "r\"", "n'", "nq'", "q'",
    "[", "]'", "u&'", "x'", "\\", "--", "-", "\n", " ", "\t", "\r\n", "/*", "*/", "/", "*", "@", "#", "|", "^", "<",
    ">", "?", "1", "0x", ".", ".5", "1e5", "+", "L", "_", "(", ")", "%", "\u{e9}", "\u{4e16}", "\u{a0}", "select", "=",
    "~", "&", ":",
];

/// The places of the `;` tokens that sqlparser sees, or `None` if it cannot tokenize the script.
fn semicolons_of_the_parser(script: &str) -> Option<Vec<(u64, u64)>> {
    let tokens = Tokenizer::new(&GenericDialect {}, script).tokenize_with_location().ok()?;
    let place = |t: TokenWithSpan| (t.token == Token::SemiColon).then_some((t.span.start.line, t.span.start.column));
    Some(tokens.into_iter().filter_map(place).collect())
}

fn semicolons_of_the_lexer(script: &str) -> Result<Vec<(u64, u64)>, SplitError> {
    let mut lexer = Lexer::new(script);
    let mut found = Vec::new();
    loop {
        let start = lexer.position();
        match lexer.next_lexeme()? {
            Some(Lexeme::Semicolon) => found.push((start.line, start.column)),
            Some(_) => {}
            None => return Ok(found),
        }
    }
}

#[test]
fn random_text_is_cut_where_the_parser_sees_semicolons() {
    let mut draw = Draw(7);
    let mut agreed = 0;
    for _ in 0..60_000 {
        let length = 1 + draw.below(12);
        let script: String = (0..length).map(|_| draw.pick(PIECES)).collect();
        if let Some(expected) = semicolons_of_the_parser(&script) {
            assert_eq!(semicolons_of_the_lexer(&script), Ok(expected), "{script:?}");
            agreed += 1;
        }
    }
    assert!(agreed > 10_000, "the pieces hardly ever form valid text: {agreed}");
}

#[test]
fn joined_statements_split_back() {
    const STATEMENTS: &[&str] = &[
        "SELECT 1",
        "SELECT ';' AS \"semi;colon\"",
        "SELECT E'\\';' || $$;$$ || $q$';$q$",
        "INSERT INTO t VALUES ('it''s', $1, $name)",
        "SELECT /* ; ' */ a -- it's;\n FROM t",
        "SELECT x'00', b'1', n'n;', r'\\'",
        "CREATE ARRAY x AS random.normal(10, 0.1, shape => [20000000])",
    ];
    const BETWEEN: &[&str] = &[";", " ; ", ";\n", ";;", "; -- it's\n", "/* ' */;", ";/* ; */"];
    let mut draw = Draw(11);
    for _ in 0..500 {
        let expected: Vec<&str> = (0..draw.below(20)).map(|_| draw.pick(STATEMENTS)).collect();
        let mut script = String::new();
        for statement in &expected {
            write!(script, "{statement}{}", draw.pick(BETWEEN)).unwrap();
        }
        assert_eq!(texts(&script), expected, "{script}");
        for statement in split_statements(&script).unwrap() {
            assert!(script[statement.offset..].starts_with(statement.text));
            let before = &script[..statement.offset];
            let line = 1 + before.matches('\n').count();
            let column = 1 + before.rsplit('\n').next().unwrap().chars().count();
            assert_eq!((statement.line, statement.column), (line as u64, column as u64));
        }
    }
}

#[test]
fn a_long_script_is_split_whole() {
    let statement = "INSERT INTO t VALUES (1, 'a;b', $$c;d$$)";
    let n_statements = 1_000_000 / statement.len();
    let script = format!("{statement};").repeat(n_statements);
    assert_eq!(split_statements(&script).unwrap().len(), n_statements);
}
