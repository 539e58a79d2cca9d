//! Escaping: what each format does to characters that mean something to it.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt::Write;

/// Appends `text` as a JSON string, with its quotes. `text` is UTF-8.
pub(super) fn append_json_string(text: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    // Without an early exit, so that the compiler can test many bytes at once.
    let special = text.iter().fold(false, |found, &byte| found | (byte < 0x20) | (byte == b'"') | (byte == b'\\'));
    if !special {
        out.extend_from_slice(text);
        out.push(b'"');
        return;
    }
    for &byte in text {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0..0x20 => {
                out.extend_from_slice(b"\\u00");
                out.push(DIGITS[usize::from(byte >> 4)]);
                out.push(DIGITS[usize::from(byte & 15)]);
            }
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

/// Replaces, in place, the bytes of `out` from `start` on for which `replacement` gives something longer.
pub(super) fn replace_bytes(out: &mut Vec<u8>, start: usize, replacement: impl Fn(u8) -> Option<&'static [u8]>) {
    let extra: usize = out[start..].iter().filter_map(|byte| replacement(*byte)).map(|bytes| bytes.len() - 1).sum();
    if extra == 0 {
        return;
    }
    // From the end to the start, so that no byte is overwritten before it has been moved.
    let mut from = out.len();
    out.resize(from + extra, 0);
    let mut to = out.len();
    while from < to {
        from -= 1;
        match replacement(out[from]) {
            None => {
                to -= 1;
                out[to] = out[from];
            }
            Some(bytes) => {
                out[to - bytes.len()..to].copy_from_slice(bytes);
                to -= bytes.len();
            }
        }
    }
}

/// The text with everything visible that a terminal would act on instead of showing: line ends and other control
/// characters (a value must not move the cursor or colour the screen) and marks that change the direction of writing.
pub(super) fn visible(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_invisible) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            c if is_invisible(c) => {
                let written = match u32::from(c) {
                    code @ ..0x100 => write!(shown, "\\x{code:02x}"),
                    code => write!(shown, "\\u{{{code:x}}}"),
                };
                // Writing to a string cannot fail.
                debug_assert!(written.is_ok());
            }
            c => shown.push(c),
        }
    }
    Cow::Owned(shown)
}

fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}'
        )
}

/// Appends `text` as HTML text; its line ends become `<br>`.
pub(super) fn append_html(text: &str, out: &mut Vec<u8>) {
    for (idx, line) in lines(text).enumerate() {
        if idx > 0 {
            out.extend_from_slice(b"<br>");
        }
        let start = out.len();
        out.extend_from_slice(visible(line).as_bytes());
        replace_bytes(out, start, |byte| match byte {
            b'&' => Some(b"&amp;"),
            b'<' => Some(b"&lt;"),
            b'>' => Some(b"&gt;"),
            b'"' => Some(b"&quot;"),
            b'\'' => Some(b"&#39;"),
            _ => None,
        });
    }
}

/// Appends `text` as a cell of a Markdown table that renders as this text; its line ends become `<br>`.
pub(super) fn append_markdown(text: &str, out: &mut Vec<u8>) {
    for (idx, line) in lines(text).enumerate() {
        if idx > 0 {
            out.extend_from_slice(b"<br>");
        }
        let line = visible(line);
        let line = line.as_bytes();
        for (idx, &byte) in line.iter().enumerate() {
            let before = idx.checked_sub(1).and_then(|idx| line.get(idx));
            let after = line.get(idx + 1);
            // An underscore inside a word is no emphasis, and most underscores are in names such as `dep_delay`.
            let inside_word = [before, after].iter().all(|byte| byte.is_some_and(u8::is_ascii_alphanumeric));
            match byte {
                b'&' => out.extend_from_slice(b"&amp;"),
                b'<' => out.extend_from_slice(b"&lt;"),
                b'\\' | b'|' | b'`' | b'*' | b'~' => out.extend_from_slice(&[b'\\', byte]),
                b'_' if !inside_word => out.extend_from_slice(b"\\_"),
                // Without its bracket there is no link.
                b']' if after == Some(&b'(') || after == Some(&b'[') => out.extend_from_slice(b"\\]"),
                _ => out.push(byte),
            }
        }
    }
}

/// The lines of a text that may end them as Unix, Windows or old Macs do.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.split('\n').flat_map(|line| line.strip_suffix('\r').unwrap_or(line).split('\r'))
}

/// The names with a suffix `_1`, `_2`, ... after every one but the first that is equal to an earlier one, so that
/// no two are equal.
pub(super) fn unique_names<'a>(names: impl Iterator<Item = &'a str> + Clone) -> Vec<Cow<'a, str>> {
    let mut taken: HashSet<Cow<'a, str>> = names.clone().map(Cow::Borrowed).collect();
    let mut seen = HashSet::new();
    names
        .map(|name| {
            if seen.insert(name) {
                return Cow::Borrowed(name);
            }
            let mut suffix = 1;
            loop {
                let unique: Cow<'a, str> = Cow::Owned(format!("{name}_{suffix}"));
                if taken.insert(unique.clone()) {
                    return unique;
                }
                suffix += 1;
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(append: impl Fn(&str, &mut Vec<u8>), text: &str) -> String {
        let mut out = b"before ".to_vec();
        append(text, &mut out);
        String::from_utf8(out).unwrap().strip_prefix("before ").unwrap().to_owned()
    }

    #[test]
    fn control_characters_become_visible() {
        assert_eq!(
            visible("a\tb\r\nc\u{1b}[31m \u{7f}\u{9b} \u{202e}x"),
            "a\\tb\\r\\nc\\x1b[31m \\x7f\\x9b \\u{202e}x"
        );
        assert!(matches!(visible("caf\u{e9} \u{1f44d}"), Cow::Borrowed(_)));
    }

    #[test]
    fn html_and_markdown() {
        let html = written(append_html, "<b title=\"x\">'&'\r\n\u{1b}");
        assert_eq!(html, "&lt;b title=&quot;x&quot;&gt;&#39;&amp;&#39;<br>\\x1b");
        let markdown = written(append_markdown, "a|b_c _d_ *e* `f` \\ <g> & [1](2)\n[3]");
        assert_eq!(markdown, "a\\|b_c \\_d\\_ \\*e\\* \\`f\\` \\\\ &lt;g> &amp; [1\\](2)<br>[3]");
    }

    #[test]
    fn equal_names_get_suffixes_that_are_free() {
        let unique = |names: &[&'static str]| unique_names(names.iter().copied());
        assert_eq!(unique(&["a", "b", "a", "a"]), ["a", "b", "a_1", "a_2"]);
        assert_eq!(unique(&["a", "a", "a_1"]), ["a", "a_2", "a_1"]);
        assert_eq!(unique(&["a_1", "a", "a", "a_1"]), ["a_1", "a", "a_2", "a_1_1"]);
    }

    proptest! {
        #[test]
        fn a_json_string_reads_back(text: String) {
            let json = written(|text, out| append_json_string(text.as_bytes(), out), &text);
            prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
        }

        #[test]
        fn bytes_are_replaced_in_place(text in "[a-c]{0,40}") {
            let replaced = written(
                |text, out| {
                    let start = out.len();
                    out.extend_from_slice(text.as_bytes());
                    replace_bytes(out, start, |byte| match byte {
                        b'a' => Some(b"xyz"),
                        b'b' => Some(b"||"),
                        _ => None,
                    });
                },
                &text,
            );
            prop_assert_eq!(replaced, text.replace('a', "xyz").replace('b', "||"));
        }
    }
}
