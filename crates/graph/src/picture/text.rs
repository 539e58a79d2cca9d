//! Pictures as indented lists.

use std::collections::VecDeque;

use super::Picture;

/// Branches deeper than this go on in a list of their own, so that lines stay readable.
const DEPTH_MAX: usize = 30;

/// A node that is to be written.
struct Line {
    node: u32,
    /// What stands before the node and, in place of that, before what it reads.
    head: String,
    rest: String,
    depth: usize,
    /// The wiring by which the node above reads this one.
    wiring: String,
}

pub(super) fn draw(picture: &Picture) -> String {
    let inputs = picture.inputs();
    let mut is_read = vec![false; picture.nodes.len()];
    for edge in &picture.edges {
        is_read[edge.from as usize] = true;
    }
    let numbered = || (0_u32..).zip(&picture.nodes);
    let outputs = numbered().filter(|(_, node)| node.is_output).map(|(idx, _)| idx);
    // What nobody reads or asks for is drawn too: pictures are taken before culling as well.
    let unread = numbered().filter(|(idx, node)| !node.is_output && !is_read[*idx as usize]).map(|(idx, _)| idx);
    let mut roots: VecDeque<u32> = outputs.chain(unread).collect();

    let mut text = String::new();
    let mut is_drawn = vec![false; picture.nodes.len()];
    let mut lines: Vec<Line> = Vec::new();
    while let Some(line) = lines.pop().or_else(|| next_root(&mut roots, &is_drawn)) {
        let node = &picture.nodes[line.node as usize];
        text.push_str(&line.head);
        if !line.wiring.is_empty() {
            text.push_str(&line.wiring);
            text.push_str(": ");
        }
        text.push_str(&node.key);
        let reads = &inputs[line.node as usize];
        if std::mem::replace(&mut is_drawn[line.node as usize], true) {
            text.push_str(if reads.is_empty() { "\n" } else { " (above)\n" });
            continue;
        }
        if line.depth >= DEPTH_MAX && !reads.is_empty() {
            text.push_str(" (below)\n");
            is_drawn[line.node as usize] = false;
            roots.push_front(line.node);
            continue;
        }
        if !node.details.is_empty() {
            text.push_str("  ");
            text.push_str(&node.details.join(", "));
        }
        text.push('\n');
        for (position, edge) in reads.iter().enumerate().rev() {
            let is_last = position + 1 == reads.len();
            lines.push(Line {
                node: edge.from,
                head: format!("{}{}", line.rest, if is_last { "└─ " } else { "├─ " }),
                rest: format!("{}{}", line.rest, if is_last { "   " } else { "│  " }),
                depth: line.depth + 1,
                wiring: edge.label.clone(),
            });
        }
    }
    text
}

fn next_root(roots: &mut VecDeque<u32>, is_drawn: &[bool]) -> Option<Line> {
    let node = std::iter::from_fn(|| roots.pop_front()).find(|node| !is_drawn[*node as usize])?;
    Some(Line { node, head: String::new(), rest: String::new(), depth: 0, wiring: String::new() })
}
