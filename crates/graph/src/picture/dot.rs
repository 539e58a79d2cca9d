//! Pictures in the language of Graphviz.

use std::fmt::Write;

use super::Picture;

pub(super) fn draw(picture: &Picture) -> String {
    let mut dot = String::from("digraph {\n  node [shape=box, style=rounded, fontname=\"sans-serif\"];\n");
    for (idx, node) in picture.nodes.iter().enumerate() {
        let lines: Vec<String> = std::iter::once(&node.key).chain(&node.details).map(|line| escape(line)).collect();
        let bold = if node.is_output { ", penwidth=2" } else { "" };
        let _ = writeln!(dot, "  n{idx} [label=\"{}\"{bold}];", lines.join("\\n"));
    }
    for edge in &picture.edges {
        let label = if edge.label.is_empty() { String::new() } else { format!(" [label=\"{}\"]", escape(&edge.label)) };
        let _ = writeln!(dot, "  n{} -> n{}{label};", edge.from, edge.to);
    }
    dot.push_str("}\n");
    dot
}

/// Text inside a quoted string.
fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
