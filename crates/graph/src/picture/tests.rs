//! What pictures show.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::testing::{Mix, any_graph};
use crate::{Delayed, FuseOptions, GraphBuilder, RawGraph, Wiring, cull, delayed, fuse, key};

fn op() -> Arc<Mix> {
    Arc::new(Mix::default())
}

/// `x - mean(x)` over eight blocks.
fn anomaly() -> TaskGraph {
    let mut builder = GraphBuilder::new();
    let x = builder.add_stage(Stage::new("x", 8, op()).bytes(ByteEstimate::Exact(800))).unwrap();
    let part = builder.add_stage(Stage::new("part", 2, op()).input(x, Wiring::Tree { fan_in: 4 })).unwrap();
    let mean = builder.add_stage(Stage::new("mean", 1, op()).input(part, Wiring::All)).unwrap();
    let rest = Stage::new("rest", 8, op()).input(x, Wiring::Same).input(mean, Wiring::Broadcast { partition: 0 });
    let rest = builder.add_stage(rest).unwrap();
    builder.add_output_all(rest).unwrap();
    builder.build().unwrap()
}

#[test]
fn stages_as_text() {
    let expected = "\
rest  mix, 8 tasks
├─ same: x  mix, 8 tasks, 800 bytes each
└─ broadcast [0]: mean  mix, 1 task
   └─ all: part  mix, 2 tasks
      └─ tree 4: x
";
    assert_eq!(Picture::of_stages(&anomaly()).to_text(), expected);
}

#[test]
fn stages_as_dot() {
    let expected = r#"digraph {
  node [shape=box, style=rounded, fontname="sans-serif"];
  n0 [label="x\nmix\n8 tasks\n800 bytes each"];
  n1 [label="part\nmix\n2 tasks"];
  n2 [label="mean\nmix\n1 task"];
  n3 [label="rest\nmix\n8 tasks", penwidth=2];
  n0 -> n1 [label="tree 4"];
  n1 -> n2 [label="all"];
  n0 -> n3 [label="same"];
  n2 -> n3 [label="broadcast [0]"];
}
"#;
    assert_eq!(Picture::of_stages(&anomaly()).to_dot(), expected);
}

#[test]
fn fused_and_culled_stages_say_so() {
    let mut builder = GraphBuilder::new();
    let a = builder.add_stage(Stage::new("a", 10, op())).unwrap();
    let b = builder.add_stage(Stage::new("b", 10, op()).input(a, Wiring::Same)).unwrap();
    builder.add_output(b, crate::PartitionSet::range(2..5)).unwrap();
    let graph = fuse(cull(builder.build().unwrap()), FuseOptions::default());
    assert_eq!(Picture::of_stages(&graph).to_text(), "b  mix > mix, 3 tasks of 10\n");
    assert_eq!(Picture::of_tasks(&graph).unwrap().to_text(), "b[2]  mix > mix\nb[3]  mix > mix\nb[4]  mix > mix\n");
}

#[test]
fn calls_as_text() {
    let mut graph = RawGraph::new();
    let inc = delayed(|x: i64| x + 1).named("inc");
    let add = delayed(|x: i64, y: i64| x + y).named("add");
    graph.insert_value("x", 1_i64);
    graph.insert("y", inc.call(key("x")));
    graph.insert("z", add.call((key("x"), key("y"))));
    graph.insert("total", add.call((key("z"), key("z"))));
    let lowered = graph.lower(&["total"]).unwrap();
    let expected = "\
total  add
└─ z  add
   ├─ x  value
   └─ y  inc
      └─ x
";
    assert_eq!(Picture::of_tasks(lowered.graph()).unwrap().to_text(), expected);
    let stage = Picture::of_stages(lowered.graph()).to_text();
    assert_eq!(stage, "delayed  dolmen.calls, 4 tasks, reads itself by a table of 4\n");
}

#[test]
fn what_was_drawn_is_named_again_and_depth_is_bounded() {
    let inc = delayed(|x: i64| x + 1).named("inc");
    let add = delayed(|x: i64, y: i64| x + y).named("add");
    let mut x = Delayed::value(0);
    for _ in 0..100 {
        x = inc.call(x);
    }
    let text = visualize(add.call((&x, inc.call(&x)))).unwrap().to_text();
    assert_eq!(text.matches(" (above)\n").count(), 1);
    assert_eq!(text.matches(" (below)\n").count(), 3);
    assert!(text.lines().all(|line| line.chars().count() < 3 * 32 + 20));
    assert!(text.contains("value-"));
}

#[test]
fn too_many_tasks_are_refused() {
    let mut builder = GraphBuilder::new();
    let a = builder.add_stage(Stage::new("a", 9000, op())).unwrap();
    let b = builder.add_stage(Stage::new("b", 100, op()).input(a, Wiring::All)).unwrap();
    builder.add_output_all(b).unwrap();
    let error = Picture::of_tasks(&builder.build().unwrap()).unwrap_err();
    assert_eq!(error, PictureError::TooLarge { n_tasks: 9100, n_edges: 900_000, n_tasks_max: 10_000 });
}

#[test]
fn names_are_escaped() {
    let inc = delayed(|x: i64| x + 1).named("a<\"b\\\" & c>");
    let picture = visualize(inc.call(1)).unwrap();
    assert!(picture.to_svg().contains("a&lt;&quot;b\\&quot; &amp; c&gt;-"));
    assert!(picture.to_dot().contains(r#"label="a<\"b\\\" & c>-"#));
}

#[test]
fn an_svg_has_a_box_for_each_stage_and_is_closed() {
    let svg = Picture::of_stages(&anomaly()).to_svg();
    assert_eq!(svg.matches("rx=\"5\"").count(), 4);
    assert_eq!(svg.matches("class=\"o\"").count(), 1);
    assert_eq!(svg.matches("<text").count(), svg.matches("</text>").count());
    assert!(svg.ends_with("</svg>\n"));
    // Nothing to draw is a picture too.
    let empty = Picture { nodes: Vec::new(), edges: Vec::new() };
    assert!(empty.to_svg().contains("viewBox") && !empty.to_svg().contains("NaN") && !empty.to_svg().contains("inf"));
    assert_eq!(empty.to_text(), "");
}

proptest! {
    #[test]
    fn boxes_do_not_overlap_and_arrows_go_down(graph in any_graph(), is_tasks in any::<bool>()) {
        let picture = if is_tasks { Picture::of_tasks(&graph).unwrap() } else { Picture::of_stages(&graph) };
        let layout = layout::layout(&picture);
        for (position, a) in layout.boxes.iter().enumerate() {
            prop_assert!(a.x - a.width / 2.0 >= 0.0 && a.x + a.width / 2.0 <= layout.width);
            prop_assert!(a.y - a.height / 2.0 >= 0.0 && a.y + a.height / 2.0 <= layout.height);
            for b in &layout.boxes[..position] {
                let is_apart_x = (a.x - b.x).abs() + 1e-6 >= (a.width + b.width) / 2.0;
                let is_apart_y = (a.y - b.y).abs() + 1e-6 >= (a.height + b.height) / 2.0;
                prop_assert!(is_apart_x || is_apart_y);
            }
        }
        for route in &layout.routes {
            prop_assert!(route.windows(2).all(|pair| pair[0].1 < pair[1].1));
        }
        // Every node is in every picture.
        for node in &picture.nodes {
            prop_assert!(picture.to_text().contains(&node.key));
            prop_assert!(picture.to_dot().contains(&node.key));
        }
    }
}
