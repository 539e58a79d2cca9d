//! Cells in brackets and lines.

use std::slice::Iter;

use super::{EDGE_ITEMS, LINE_WIDTH, is_summary};

/// The array of `shape` whose shown elements are `cells`, in C order. It has elements, and axes.
pub(super) fn lines(shape: &[usize], cells: &[String]) -> String {
    let writer = Writer { shape, is_summary: is_summary(shape) };
    writer.brackets(0, &mut cells.iter())
}

struct Writer<'a> {
    shape: &'a [usize],
    is_summary: bool,
}

impl Writer<'_> {
    /// What stands in the brackets of `axis`, with them. Lines but the first are indented below it.
    fn brackets(&self, axis: usize, cells: &mut Iter<'_, String>) -> String {
        let inner = if axis + 1 == self.shape.len() { self.row(axis, cells) } else { self.rows(axis, cells) };
        format!("[{inner}]")
    }

    /// How many items the axis shows before the `...`, if there is one, and behind it.
    fn items(&self, axis: usize) -> (usize, usize) {
        let len = self.shape[axis];
        if self.is_summary && len > 2 * EDGE_ITEMS { (EDGE_ITEMS, EDGE_ITEMS) } else { (0, len) }
    }

    /// The items of the last axis, in as many lines as they need.
    fn row(&self, axis: usize, cells: &mut Iter<'_, String>) -> String {
        let indent = axis + 1;
        // Each open bracket will be closed at the end of the line.
        let width = LINE_WIDTH - indent.min(LINE_WIDTH);
        let (n_leading, n_trailing) = self.items(axis);
        let mut words: Vec<&str> = cells.take(n_leading).map(String::as_str).collect();
        if n_leading > 0 {
            words.push("...");
        }
        words.extend(cells.take(n_trailing).map(String::as_str));
        let mut text = String::new();
        let mut line = String::new();
        for (idx, word) in words.into_iter().enumerate() {
            if idx > 0 {
                line.push(' ');
            }
            if !line.is_empty() && indent + line.len() + word.len() > width {
                text.push_str(line.trim_end());
                text.push('\n');
                text.push_str(&" ".repeat(indent));
                line.clear();
            }
            line.push_str(word);
        }
        text + &line
    }

    /// The items of an axis with others below it, divided by as many line ends as there are axes below.
    fn rows(&self, axis: usize, cells: &mut Iter<'_, String>) -> String {
        let indent = axis + 1;
        let divider = "\n".repeat(self.shape.len() - axis - 1) + &" ".repeat(indent);
        let (n_leading, n_trailing) = self.items(axis);
        let mut items: Vec<String> = (0..n_leading).map(|_| self.brackets(axis + 1, cells)).collect();
        if n_leading > 0 {
            items.push("...".to_owned());
        }
        items.extend((0..n_trailing).map(|_| self.brackets(axis + 1, cells)));
        items.join(&divider)
    }
}
