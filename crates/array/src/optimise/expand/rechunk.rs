//! Changes of chunks in steps, each of which holds little at a time.
//!
//! A task that makes a block holds all the blocks that it takes something from. Where these are many, pieces that belong to
//! one block on either side are made first: a piece is small and can be spilled by itself. Where the pieces would be tiny,
//! blocks are joined to larger ones before they are cut, and cut again at the end.
//!
//! Source: the consolidated reads and writes of rechunker (<https://rechunker.readthedocs.io/en/latest/algorithm.html>).

use crate::chunks::{AxisChunks, common};
use crate::node::Expr;
use crate::{Array, ArrayError, Chunks};

/// What a task may hold of other blocks before pieces are made, and how large blocks may become that are joined for pieces
/// of a better size.
const HELD_BYTES_MAX: u64 = 64 << 20;
/// Pieces below this size cost more to handle than to move.
const PIECE_BYTES_MIN: u64 = 256 << 10;

/// `input` cut as `chunks`, by tasks that read about `task_bytes` at once.
pub(super) fn planned(input: &Array, chunks: &Chunks, task_bytes: u64) -> Result<Array, ArrayError> {
    let item_bytes = input.dtype().size_bytes() as u64;
    let mut array = input.clone();
    for step in plan(input.chunks(), chunks, item_bytes, HELD_BYTES_MAX.min(2 * task_bytes)) {
        step.n_blocks()?;
        if step != *array.chunks() {
            array = Array::from_node(Expr::Rechunk { input: array.clone() }, array.dtype(), step);
        }
    }
    Ok(array)
}

/// The chunks to go through, the last one `to`.
fn plan(from: &Chunks, to: &Chunks, item_bytes: u64, held_bytes: u64) -> Vec<Chunks> {
    let bytes = |chunks: &Chunks| block_bytes(chunks, item_bytes);
    if read_bytes(from, to, item_bytes) <= held_bytes.max(4 * bytes(from).max(bytes(to))) {
        return vec![to.clone()];
    }
    let direct = both(from, to);
    if bytes(&direct) >= PIECE_BYTES_MIN || n_pieces(&direct) < 10_000 {
        return vec![direct, to.clone()];
    }
    let before = joined(from, to, item_bytes, held_bytes);
    let after = joined(to, from, item_bytes, held_bytes);
    vec![before.clone(), both(&before, &after), after, to.clone()]
}

fn block_bytes(chunks: &Chunks, item_bytes: u64) -> u64 {
    (chunks.block_elements_max().unwrap_or(usize::MAX) as u64).saturating_mul(item_bytes)
}

fn n_pieces(chunks: &Chunks) -> u64 {
    chunks.numblocks().map(u64::from).fold(1, u64::saturating_mul)
}

/// The most bytes of blocks of `from` that overlap one block of `to`.
fn read_bytes(from: &Chunks, to: &Chunks, item_bytes: u64) -> u64 {
    let of_axis = |(from, to): (&AxisChunks, &AxisChunks)| {
        let (own, wanted) = (from.size_max().unwrap_or(0), to.size_max().unwrap_or(0));
        if from == to {
            return own as u64;
        }
        // At either end a block may show no more than its edge.
        (wanted.saturating_add(2 * own.saturating_sub(1)).div_ceil(own.max(1)) * own).min(from.len().unwrap_or(0))
            as u64
    };
    from.axes().iter().zip(to.axes()).map(of_axis).fold(item_bytes, u64::saturating_mul)
}

/// The chunks with the borders of both.
fn both(a: &Chunks, b: &Chunks) -> Chunks {
    let axes = a.axes().iter().zip(b.axes());
    Chunks::new(axes.map(|(a, b)| common(a, b).unwrap_or_else(|| a.clone())))
}

/// Neighbours of `chunks` joined along the axes on which those of `other` are larger.
fn joined(chunks: &Chunks, other: &Chunks, item_bytes: u64, held_bytes: u64) -> Chunks {
    let mut room = (held_bytes / block_bytes(chunks, item_bytes).max(1)).max(1);
    let axes = chunks.axes().iter().zip(other.axes()).map(|(own, other)| {
        let (size, wanted) = (own.size_max().unwrap_or(1).max(1), other.size_max().unwrap_or(1));
        let factor = (wanted / size).clamp(1, usize::try_from(room).unwrap_or(usize::MAX));
        if factor == 1 || own.uniform_size().is_none() {
            return own.clone();
        }
        room /= factor as u64;
        AxisChunks::uniform(own.len().unwrap_or(0), size * factor)
    });
    Chunks::new(axes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunks(shape: [usize; 2], size: [usize; 2]) -> Chunks {
        Chunks::new(shape.iter().zip(size).map(|(len, size)| AxisChunks::uniform(*len, size)))
    }

    #[test]
    fn neighbours_are_joined_at_once() {
        let (from, to) = (chunks([1000, 1000], [100, 100]), chunks([1000, 1000], [1000, 10]));
        assert_eq!(plan(&from, &to, 8, HELD_BYTES_MAX), std::slice::from_ref(&to));
    }

    #[test]
    fn rows_become_columns_by_pieces_of_a_good_size() {
        // 4 GB in slabs of 64 MB: 64 x 64 pieces of 1 MB.
        let n = 22_400;
        let (from, to) = (chunks([n, n], [350, n]), chunks([n, n], [n, 350]));
        let steps = plan(&from, &to, 8, HELD_BYTES_MAX);
        assert_eq!(steps, [chunks([n, n], [350, 350]), to]);
        // The same in single rows: these are joined first.
        let (from, to) = (chunks([n, n], [1, n]), chunks([n, n], [n, 1]));
        let steps = plan(&from, &to, 8, HELD_BYTES_MAX);
        assert_eq!(steps.len(), 4);
        for pair in [from].iter().chain(&steps).collect::<Vec<_>>().windows(2) {
            assert!(read_bytes(pair[0], pair[1], 8) <= 3 * HELD_BYTES_MAX, "{} to {}", pair[0], pair[1]);
        }
        assert!(block_bytes(&steps[1], 8) >= PIECE_BYTES_MIN && n_pieces(&steps[1]) < 10_000);
    }
}
