//! Arrays as text: as NumPy prints them, as CSV, as JSON.

mod delimited;
mod element;
mod float;
mod json;
mod layout;

pub use delimited::append_csv;
pub use element::numpy_text;
pub use json::append_json;

use dolmen_array::{Array, ArrayError, Index};

/// More elements than this are not all shown.
pub(crate) const THRESHOLD: usize = 1000;

/// So many are shown at both ends of each axis of an array that is too large.
pub(crate) const EDGE_ITEMS: usize = 3;

/// Lines are broken to stay within this many characters.
pub(crate) const LINE_WIDTH: usize = 75;

/// Which positions of each axis are shown; `None` if all of the array is.
///
/// An array of more than 1000 elements shows its corners: three elements at both ends of each axis.
#[must_use]
pub fn shown_positions(shape: &[usize]) -> Option<Vec<Vec<usize>>> {
    if !is_summary(shape) {
        return None;
    }
    let ends = |len: usize| {
        if len > 2 * EDGE_ITEMS { (0..EDGE_ITEMS).chain(len - EDGE_ITEMS..len).collect() } else { (0..len).collect() }
    };
    Some(shape.iter().map(|len| ends(*len)).collect())
}

/// Whether only the corners of an array of this shape are shown.
pub(crate) fn is_summary(shape: &[usize]) -> bool {
    // A shape whose size overflows is large, unless one of its axes is empty.
    let size = shape.iter().try_fold(1_usize, |size, len| size.checked_mul(*len)).unwrap_or(usize::MAX);
    size > THRESHOLD && !shape.contains(&0)
}

/// The part of an array that is shown, still to be computed: all of it, or its corners.
///
/// # Errors
/// Those of the array. One whose shape is known only when it is computed is given back whole; the caller cuts it then.
pub fn corner(array: &Array) -> Result<Array, ArrayError> {
    array.check()?;
    let Ok(shape) = array.shape() else { return Ok(array.clone()) };
    if !is_summary(&shape) {
        return Ok(array.clone());
    }
    let mut corner = array.clone();
    for (axis, len) in shape.iter().enumerate().filter(|(_, len)| **len > 2 * EDGE_ITEMS) {
        let part = |range: std::ops::Range<usize>| {
            let mut indices = vec![Index::from(..); axis];
            indices.push(Index::from(range.start as isize..range.end as isize));
            corner.index(&indices)
        };
        corner = Array::concatenate(&[part(0..EDGE_ITEMS)?, part(len - EDGE_ITEMS..*len)?], axis as isize)?;
    }
    Ok(corner)
}
