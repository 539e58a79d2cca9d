//! Where boxes stand: in layers from top to bottom, every arrow going down.
//!
//! Source: the layered drawing of Sugiyama, Tagawa and Toda (1981): layers, ordering by barycentres, positions.

use super::Picture;

/// Where everything is, in pixels.
pub(super) struct Layout {
    pub(super) width: f64,
    pub(super) height: f64,
    /// One box for each node.
    pub(super) boxes: Vec<Rect>,
    /// The points that each edge passes on its way, from the lower side of one box to the upper side of another.
    pub(super) routes: Vec<Vec<(f64, f64)>>,
}

/// A box by its centre.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rect {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

pub(super) const LINE_HEIGHT: f64 = 16.0;
const CHAR_WIDTH: f64 = 7.3;
const PADDING: f64 = 10.0;
const GAP_X: f64 = 24.0;
const GAP_Y: f64 = 46.0;
const MARGIN: f64 = 12.0;
const N_SWEEPS: usize = 8;
/// Edges that cross more layers than there is patience for are drawn straight.
const N_BENDS_MAX: usize = 100_000;

/// A box, or a bend of an edge that crosses the layer.
struct Item {
    layer: usize,
    width: f64,
    x: f64,
    above: Vec<usize>,
    below: Vec<usize>,
}

pub(super) fn layout(picture: &Picture) -> Layout {
    let layers = layers(picture);
    let mut items: Vec<Item> = Vec::with_capacity(picture.nodes.len());
    for (node, layer) in picture.nodes.iter().zip(&layers) {
        let n_chars =
            std::iter::once(&node.key).chain(&node.details).map(|line| line.chars().count()).max().unwrap_or(0);
        let width = n_chars as f64 * CHAR_WIDTH + 2.0 * PADDING;
        items.push(Item { layer: *layer, width, x: 0.0, above: Vec::new(), below: Vec::new() });
    }
    let bends = bends(picture, &layers, &mut items);
    place(&mut items);

    let mut heights: Vec<f64> = Vec::new();
    for (node, layer) in picture.nodes.iter().zip(&layers) {
        heights.resize(heights.len().max(layer + 1), 0.0);
        heights[*layer] = heights[*layer].max(node_height(node.details.len()));
    }
    let mut top = MARGIN;
    let middles: Vec<f64> = heights
        .iter()
        .map(|height| {
            let middle = top + height / 2.0;
            top += height + GAP_Y;
            middle
        })
        .collect();
    let boxes: Vec<Rect> = picture
        .nodes
        .iter()
        .zip(&items)
        .map(|(node, item)| Rect {
            x: item.x,
            y: middles[item.layer],
            width: item.width,
            height: node_height(node.details.len()),
        })
        .collect();
    let routes = picture.edges.iter().zip(&bends).map(|(edge, bends)| {
        let (from, to) = (boxes[edge.from as usize], boxes[edge.to as usize]);
        let mut route = vec![(from.x, from.y + from.height / 2.0)];
        route.extend(bends.iter().map(|bend| (items[*bend].x, middles[items[*bend].layer])));
        route.push((to.x, to.y - to.height / 2.0));
        route
    });
    let routes = routes.collect();
    let width = items.iter().map(|item| item.x + item.width / 2.0).fold(0.0, f64::max) + MARGIN;
    Layout { width, height: (top - GAP_Y).max(MARGIN) + MARGIN, boxes, routes }
}

fn node_height(n_details: usize) -> f64 {
    (n_details + 1) as f64 * LINE_HEIGHT + PADDING
}

/// The layer of each node: below everything it reads, and sources right above their first reader.
fn layers(picture: &Picture) -> Vec<usize> {
    // What a node reads has a smaller number.
    let mut layers = vec![0_usize; picture.nodes.len()];
    let mut is_source = vec![true; picture.nodes.len()];
    for edge in &picture.edges {
        layers[edge.to as usize] = layers[edge.to as usize].max(layers[edge.from as usize] + 1);
        is_source[edge.to as usize] = false;
    }
    let mut first_reader: Vec<Option<usize>> = vec![None; picture.nodes.len()];
    for edge in &picture.edges {
        let reader = &mut first_reader[edge.from as usize];
        let layer = layers[edge.to as usize];
        *reader = Some(reader.map_or(layer, |known| known.min(layer)));
    }
    for ((layer, is_source), reader) in layers.iter_mut().zip(is_source).zip(first_reader) {
        if let Some(reader) = reader.filter(|_| is_source) {
            *layer = reader - 1;
        }
    }
    layers
}

/// Joins the items along each edge, with a bend in every layer that the edge crosses.
fn bends(picture: &Picture, layers: &[usize], items: &mut Vec<Item>) -> Vec<Vec<usize>> {
    let span = |edge: &super::Edge| layers[edge.to as usize] - layers[edge.from as usize];
    let n_bends: usize = picture.edges.iter().map(|edge| span(edge) - 1).sum();
    let mut bends = Vec::with_capacity(picture.edges.len());
    for edge in &picture.edges {
        let (from, to) = (edge.from as usize, edge.to as usize);
        let mut own = Vec::new();
        let mut last = from;
        if n_bends <= N_BENDS_MAX {
            for layer in layers[from] + 1..layers[to] {
                let bend = items.len();
                items.push(Item { layer, width: 2.0, x: 0.0, above: vec![last], below: Vec::new() });
                items[last].below.push(bend);
                own.push(bend);
                last = bend;
            }
        }
        items[last].below.push(to);
        items[to].above.push(last);
        bends.push(own);
    }
    bends
}

/// Orders the items of each layer so that few edges cross, and moves them close to what they are joined to.
fn place(items: &mut [Item]) {
    let n_layers = items.iter().map(|item| item.layer + 1).max().unwrap_or(0);
    let mut layers: Vec<Vec<usize>> = vec![Vec::new(); n_layers];
    for (idx, item) in items.iter().enumerate() {
        layers[item.layer].push(idx);
    }
    for layer in &layers {
        for (position, idx) in layer.iter().enumerate() {
            items[*idx].x = position as f64;
        }
    }
    for sweep in 0..N_SWEEPS {
        let is_down = sweep % 2 == 0;
        for step in 0..n_layers {
            let layer = &mut layers[if is_down { step } else { n_layers - 1 - step }];
            let centre = |idx: &usize| mean(items, if is_down { &items[*idx].above } else { &items[*idx].below });
            let mut centres: Vec<(f64, usize)> =
                layer.iter().map(|idx| (centre(idx).unwrap_or(items[*idx].x), *idx)).collect();
            centres.sort_by(|a, b| a.0.total_cmp(&b.0));
            *layer = centres.into_iter().map(|(_, idx)| idx).collect();
            for (position, idx) in layer.iter().enumerate() {
                items[*idx].x = position as f64;
            }
        }
    }
    for layer in &layers {
        spread(items, layer, |_, _| None);
    }
    for sweep in 0..N_SWEEPS {
        let is_down = sweep % 2 == 1;
        for step in 0..n_layers {
            let layer = &layers[if is_down { step } else { n_layers - 1 - step }];
            spread(items, layer, |items, idx| {
                let item = &items[idx];
                match (mean(items, &item.above), mean(items, &item.below)) {
                    // At last every box goes below the middle of what it reads.
                    (Some(above), Some(_)) if sweep + 1 == N_SWEEPS => Some(above),
                    (Some(above), Some(below)) => Some((above + below) / 2.0),
                    (above, below) => above.or(below),
                }
            });
        }
    }
    let left = items.iter().map(|item| item.x - item.width / 2.0).fold(f64::INFINITY, f64::min);
    for item in items {
        item.x += MARGIN - left;
    }
}

fn mean(items: &[Item], others: &[usize]) -> Option<f64> {
    let sum: f64 = others.iter().map(|other| items[*other].x).sum();
    (!others.is_empty()).then(|| sum / others.len() as f64)
}

/// Moves the items of a layer to where they want to be, as far as their order and the gaps between them allow.
fn spread(items: &mut [Item], layer: &[usize], wanted: impl Fn(&[Item], usize) -> Option<f64>) {
    let wanted: Vec<f64> = layer.iter().map(|idx| wanted(items, *idx).unwrap_or(items[*idx].x)).collect();
    let gap = |a: usize, b: usize| items[layer[a]].width / 2.0 + GAP_X + items[layer[b]].width / 2.0;
    // Pushed to the right and pushed to the left; both keep the gaps, and so does what is in the middle.
    let mut right = wanted.clone();
    for position in 1..layer.len() {
        right[position] = right[position].max(right[position - 1] + gap(position - 1, position));
    }
    let mut left = wanted;
    for position in (0..layer.len().saturating_sub(1)).rev() {
        left[position] = left[position].min(left[position + 1] - gap(position, position + 1));
    }
    for (position, idx) in layer.iter().enumerate() {
        items[*idx].x = f64::midpoint(left[position], right[position]);
    }
}
