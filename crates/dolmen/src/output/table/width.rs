//! Text in a given number of terminal columns.

use super::ELISION;
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// On which side of a cell the text stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Align {
    Left,
    Right,
}

/// The terminal columns that `text` takes: none for a combining mark, two for most East Asian characters and emoji.
pub(super) fn width(text: &str) -> usize {
    // Most cells are ASCII, where the tables of Unicode are not needed.
    if text.is_ascii() { text.len() } else { text.width() }
}

/// Appends `text` in exactly `columns` terminal columns: padded with spaces, or cut and marked with an ellipsis.
pub(super) fn append_fitted(text: &str, columns: usize, align: Align, out: &mut String) {
    let text_width = width(text);
    if text_width > columns {
        let kept = prefix(text, columns.saturating_sub(1));
        out.push_str(kept);
        out.push_str(ELISION);
        // A wide character that did not fit leaves a column free.
        pad(columns.saturating_sub(1 + width(kept)), out);
        return;
    }
    match align {
        Align::Left => {
            out.push_str(text);
            pad(columns - text_width, out);
        }
        Align::Right => {
            pad(columns - text_width, out);
            out.push_str(text);
        }
    }
}

fn pad(columns: usize, out: &mut String) {
    out.extend(std::iter::repeat_n(' ', columns));
}

/// The longest start of `text` that takes at most `columns`. Cut between grapheme clusters: a letter keeps its marks,
/// and an emoji its parts.
fn prefix(text: &str, columns: usize) -> &str {
    let mut end = 0;
    let mut used = 0;
    for (start, cluster) in text.grapheme_indices(true) {
        used += width(cluster);
        if used > columns {
            break;
        }
        end = start + cluster.len();
    }
    // The width of some scripts is not the sum of the widths of its clusters.
    while width(&text[..end]) > columns {
        end = text[..end].grapheme_indices(true).next_back().map_or(0, |(start, _)| start);
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fitted(text: &str, columns: usize, align: Align) -> String {
        let mut out = String::new();
        append_fitted(text, columns, align, &mut out);
        out
    }

    #[test]
    fn text_is_padded_or_cut() {
        assert_eq!(fitted("ab", 4, Align::Left), "ab  ");
        assert_eq!(fitted("ab", 4, Align::Right), "  ab");
        assert_eq!(fitted("abcde", 4, Align::Left), "abc…");
        assert_eq!(fitted("abcde", 1, Align::Left), "…");
        assert_eq!(fitted("日本語", 6, Align::Left), "日本語");
        assert_eq!(fitted("日本語", 5, Align::Left), "日本…");
        assert_eq!(fitted("日本語", 4, Align::Left), "日… ");
        assert_eq!(fitted("e\u{301}e\u{301}e\u{301}", 2, Align::Left), "e\u{301}…");
        // A family of three people joined to one emoji, which must not be cut apart.
        let family = "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}";
        assert_eq!(fitted(&format!("{family}{family}{family}"), 5, Align::Left), format!("{family}{family}…"));
    }

    proptest! {
        #[test]
        fn every_text_takes_exactly_its_columns(text in "\\PC*", columns in 1usize..20) {
            prop_assert_eq!(fitted(&text, columns, Align::Left).width(), columns);
        }
    }
}
