//! Names and values as SQL writes them.

use crate::lex::is_word_start;

/// Words that the parser does not take for a name, or not everywhere.
const RESERVED: [&str; 63] = [
    "all",
    "analyze",
    "and",
    "any",
    "array",
    "as",
    "asc",
    "between",
    "by",
    "case",
    "cast",
    "create",
    "cross",
    "delete",
    "desc",
    "distinct",
    "else",
    "end",
    "except",
    "exists",
    "false",
    "fetch",
    "for",
    "from",
    "full",
    "group",
    "having",
    "in",
    "inner",
    "insert",
    "intersect",
    "interval",
    "into",
    "is",
    "join",
    "left",
    "like",
    "limit",
    "natural",
    "not",
    "null",
    "offset",
    "on",
    "or",
    "order",
    "outer",
    "over",
    "partition",
    "qualify",
    "right",
    "select",
    "set",
    "some",
    "table",
    "then",
    "true",
    "union",
    "update",
    "using",
    "values",
    "when",
    "where",
    "with",
];

/// Whether a word, in lower case, is one that is no name.
pub(crate) fn is_reserved(word: &str) -> bool {
    RESERVED.binary_search(&word).is_ok()
}

/// A name as it has to be written: between double quotes where it would not be read as it is.
pub(crate) fn identifier(name: &str) -> String {
    let is_plain = name.starts_with(is_word_start)
        && name.chars().all(|c| c == '_' || c.is_ascii_digit() || (c.is_alphabetic() && !c.is_uppercase()))
        && !is_reserved(name);
    if is_plain { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

/// A name with its schema, as [`dolmen::Session::table_names`] spells it.
pub(crate) fn qualified(name: &str) -> String {
    name.split('.').map(identifier).collect::<Vec<_>>().join(".")
}

/// A text as a literal.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_needs_quotes_gets_them() {
        assert!(RESERVED.is_sorted());
        for plain in ["a", "dep_delay", "_x1", "größe"] {
            assert_eq!(identifier(plain), plain);
        }
        assert_eq!(identifier("order"), "\"order\"");
        assert_eq!(identifier("Year"), "\"Year\"");
        assert_eq!(identifier("1a"), "\"1a\"");
        assert_eq!(identifier("a b"), "\"a b\"");
        assert_eq!(identifier("a\"b"), "\"a\"\"b\"");
        assert_eq!(identifier(""), "\"\"");
        assert_eq!(qualified("s.My table"), "s.\"My table\"");
        assert_eq!(literal("it's"), "'it''s'");
    }
}
