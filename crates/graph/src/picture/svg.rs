//! Pictures for browsers.

use std::fmt::Write;

use super::layout::{LINE_HEIGHT, layout};
use super::{Node, Picture};

/// Under a class of its own: a picture may be part of a page.
const STYLE: &str = ".dolmen-graph text{font:12px ui-monospace,Menlo,Consolas,monospace;fill:#222;text-anchor:middle}\
.dolmen-graph .d{fill:#666}.dolmen-graph .e{font-size:10px;fill:#666}\
.dolmen-graph rect{fill:#f4f6f8;stroke:#7a8793;stroke-width:1}.dolmen-graph .o{stroke:#1d4f91;stroke-width:2}\
.dolmen-graph path{fill:none;stroke:#9aa5b1;stroke-width:1.2;marker-end:url(#dolmen-arrow)}";

pub(super) fn draw(picture: &Picture) -> String {
    let layout = layout(picture);
    let (width, height) = (layout.width, layout.height);
    let mut svg = String::new();
    let _ = writeln!(
        svg,
        "<svg class=\"dolmen-graph\" xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" viewBox=\"0 0 {width:.0} {height:.0}\">"
    );
    let _ = writeln!(svg, "<style>{STYLE}</style>");
    svg.push_str(
        "<defs><marker id=\"dolmen-arrow\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" \
         orient=\"auto\"><path d=\"M0 0L8 4L0 8z\" style=\"fill:#9aa5b1;stroke:none;marker-end:none\"/></marker></defs>\n",
    );
    svg.push_str("<rect width=\"100%\" height=\"100%\" style=\"fill:#fff;stroke:none\"/>\n");
    for (edge, route) in picture.edges.iter().zip(&layout.routes) {
        let _ = writeln!(svg, "<path d=\"{}\"/>", curve(route));
        if !edge.label.is_empty() {
            let middle = route.len() / 2;
            let (a, b) = (route[middle - 1], route[middle]);
            let (x, y) = (f64::midpoint(a.0, b.0), f64::midpoint(a.1, b.1));
            let _ = writeln!(svg, "<text class=\"e\" x=\"{x:.1}\" y=\"{y:.1}\">{}</text>", escape(&edge.label));
        }
    }
    for (node, place) in picture.nodes.iter().zip(&layout.boxes) {
        let (left, top) = (place.x - place.width / 2.0, place.y - place.height / 2.0);
        let class = if node.is_output { " class=\"o\"" } else { "" };
        let _ = writeln!(
            svg,
            "<rect{class} x=\"{left:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"5\"/>",
            place.width, place.height
        );
        write_lines(&mut svg, node, place.x, top);
    }
    svg.push_str("</svg>\n");
    svg
}

fn write_lines(svg: &mut String, node: &Node, x: f64, top: f64) {
    for (position, line) in std::iter::once(&node.key).chain(&node.details).enumerate() {
        let y = top + LINE_HEIGHT * (position as f64 + 1.0);
        let class = if position > 0 { " class=\"d\"" } else { "" };
        let _ = writeln!(svg, "<text{class} x=\"{x:.1}\" y=\"{y:.1}\">{}</text>", escape(line));
    }
}

/// A line through `route` that leaves and enters every point downwards.
fn curve(route: &[(f64, f64)]) -> String {
    let mut path = format!("M{:.1} {:.1}", route[0].0, route[0].1);
    for pair in route.windows(2) {
        let ((x0, y0), (x1, y1)) = (pair[0], pair[1]);
        let middle = f64::midpoint(y0, y1);
        let _ = write!(path, "C{x0:.1} {middle:.1} {x1:.1} {middle:.1} {x1:.1} {y1:.1}");
    }
    path
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
