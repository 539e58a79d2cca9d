//! Copies of boxes between arrays that lie in memory in C order, and changes of the order of axes.

use crate::array_files::region::Region;

/// Copies `region` of an array of `from_shape` to the place where `to_start` is its first element, in an array of
/// `to_shape`. Both arrays are in C order; the region must lie inside of both.
pub(crate) fn copy_box(
    (from, from_shape): (&[u8], &[u64]),
    region: &Region,
    (to, to_shape): (&mut [u8], &[u64]),
    to_start: &[u64],
    size_bytes: usize,
) {
    if region.is_empty() {
        return;
    }
    // Axes that both arrays and the region share as a whole are one row.
    let extents = region.shape();
    let n_axes = extents.len();
    let is_whole = |axis: &usize| extents[*axis] == from_shape[*axis] && extents[*axis] == to_shape[*axis];
    let n_inner = (0..n_axes).rev().take_while(is_whole).count();
    let row_axis = (n_axes - n_inner).saturating_sub(1);
    let row_bytes = extents[row_axis.min(n_axes)..].iter().map(|&n| index(n)).product::<usize>() * size_bytes;
    let from_strides = strides(from_shape, size_bytes);
    let to_strides = strides(to_shape, size_bytes);
    let first = |start: &[u64], strides: &[usize]| start.iter().zip(strides).map(|(&at, step)| index(at) * step).sum();
    let (mut from_at, mut to_at): (usize, usize) = (first(region.start(), &from_strides), first(to_start, &to_strides));
    let mut position = vec![0; row_axis];
    loop {
        to[to_at..to_at + row_bytes].copy_from_slice(&from[from_at..from_at + row_bytes]);
        let mut axis = row_axis;
        loop {
            if axis == 0 {
                return;
            }
            axis -= 1;
            position[axis] += 1;
            from_at += from_strides[axis];
            to_at += to_strides[axis];
            if position[axis] < extents[axis] {
                break;
            }
            position[axis] = 0;
            from_at -= from_strides[axis] * index(extents[axis]);
            to_at -= to_strides[axis] * index(extents[axis]);
        }
    }
}

/// Fills `to` with one element over and over.
pub(crate) fn fill(to: &mut [u8], element: &[u8]) {
    match element {
        [] => {}
        [first, rest @ ..] if rest.iter().all(|byte| byte == first) => to.fill(*first),
        element => to.chunks_exact_mut(element.len()).for_each(|place| place.copy_from_slice(element)),
    }
}

/// Fills `region` of an array of `to_shape` in C order with one element.
pub(crate) fn fill_box(to: &mut [u8], to_shape: &[u64], region: &Region, element: &[u8]) {
    let (Some(&row), Some(n_outer)) = (region.shape().last(), region.shape().len().checked_sub(1)) else {
        return fill(to, element);
    };
    if region.is_empty() {
        return;
    }
    let strides = strides(to_shape, element.len());
    let row_bytes = index(row) * element.len();
    let mut position = vec![0; n_outer];
    loop {
        let of_row: usize =
            position.iter().zip(region.start()).zip(&strides).map(|((p, s), step)| index(p + s) * step).sum();
        let at = of_row + index(region.start()[n_outer]) * element.len();
        fill(&mut to[at..at + row_bytes], element);
        let Some(axis) = (0..n_outer).rev().find(|&axis| position[axis] + 1 < region.shape()[axis]) else { return };
        position[axis] += 1;
        position[axis + 1..].fill(0);
    }
}

/// Whether every element of `bytes` is `element`.
pub(crate) fn is_filled(bytes: &[u8], element: &[u8]) -> bool {
    // Compared with itself, shifted by one element: the whole is equal if the first is and each equals the one before.
    let n = element.len();
    bytes.len() < n || (bytes[..n] == *element && bytes[n..] == bytes[..bytes.len() - n])
}

/// Side of the square of elements that is turned at once: two of them, of 8 bytes, fit into the fastest cache.
const TILE: usize = 32;

/// Brings the axes of an array in C order into another order: axis `i` of the result is axis `axes[i]` of `from`.
///
/// `to` has the bytes of the result, and as many as `from`.
pub(crate) fn transpose(from: &[u8], shape: &[u64], axes: &[usize], to: &mut [u8], size_bytes: usize) {
    match size_bytes {
        1 => transpose_of::<1>(from, shape, axes, to),
        2 => transpose_of::<2>(from, shape, axes, to),
        4 => transpose_of::<4>(from, shape, axes, to),
        8 => transpose_of::<8>(from, shape, axes, to),
        16 => transpose_of::<16>(from, shape, axes, to),
        other => unreachable!("elements have 1, 2, 4, 8 or 16 bytes, not {other}"),
    }
}

fn transpose_of<const N: usize>(from: &[u8], shape: &[u64], axes: &[usize], to: &mut [u8]) {
    let (from, to) = (from.as_chunks::<N>().0, to.as_chunks_mut::<N>().0);
    let n_axes = axes.len();
    if from.is_empty() {
        return;
    }
    if axes.iter().enumerate().all(|(axis, &of)| axis == of) {
        return to.copy_from_slice(from);
    }
    let from_strides = strides(shape, 1);
    let to_shape: Vec<u64> = axes.iter().map(|&axis| shape[axis]).collect();
    let to_strides = strides(&to_shape, 1);
    // The last axis of each side has step 1 there. If both are the same axis, rows are copied; else squares are turned.
    let to_last = n_axes - 1;
    let from_last = axes.iter().position(|&axis| axis == to_last).unwrap_or(to_last);
    let (n_rows, n_columns) = (index(to_shape[from_last]), index(to_shape[to_last]));
    let (row_step, column_step) = (to_strides[from_last], from_strides[axes[to_last]]);
    let mut position = vec![0; n_axes];
    loop {
        let from_at: usize = position.iter().zip(axes).map(|(&at, &axis)| index(at) * from_strides[axis]).sum();
        let to_at: usize = position.iter().zip(&to_strides).map(|(&at, step)| index(at) * step).sum();
        if from_last == to_last {
            to[to_at..to_at + n_columns].copy_from_slice(&from[from_at..from_at + n_columns]);
        } else {
            for rows in (0..n_rows).step_by(TILE) {
                for columns in (0..n_columns).step_by(TILE) {
                    for row in rows..(rows + TILE).min(n_rows) {
                        let to = &mut to[to_at + row * row_step..];
                        for column in columns..(columns + TILE).min(n_columns) {
                            to[column] = from[from_at + row + column * column_step];
                        }
                    }
                }
            }
        }
        let is_outer = |axis: &usize| *axis != from_last && *axis != to_last;
        let mut outer = (0..n_axes).rev().filter(is_outer);
        let Some(axis) = outer.find(|&axis| position[axis] + 1 < to_shape[axis]) else { return };
        position[axis] += 1;
        (axis + 1..n_axes).filter(is_outer).for_each(|later| position[later] = 0);
    }
}

/// Steps in units of `unit` for an array in C order. The array must lie in memory, so that they fit.
fn strides(shape: &[u64], unit: usize) -> Vec<usize> {
    let mut strides = vec![unit; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis].saturating_mul(index(shape[axis]));
    }
    strides
}

/// A position or extent in memory. Checked when the memory was taken, so nothing is lost.
fn index(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn numbers(n: u64) -> Vec<u8> {
        (0..u16::try_from(n).unwrap()).flat_map(u16::to_le_bytes).collect()
    }

    /// The element at `position` of an array in C order.
    fn at(bytes: &[u8], shape: &[u64], position: &[u64]) -> u16 {
        let flat = position.iter().zip(shape).fold(0, |flat, (at, size)| flat * size + at);
        u16::from_le_bytes(bytes[index(flat) * 2..][..2].try_into().unwrap())
    }

    fn positions(shape: &[u64]) -> Vec<Vec<u64>> {
        let more = |found: Vec<Vec<u64>>, &size: &u64| {
            found.iter().flat_map(|head| (0..size).map(|at| [head.as_slice(), &[at]].concat())).collect()
        };
        shape.iter().fold(vec![vec![]], more)
    }

    fn plus(a: &[u64], b: &[u64]) -> Vec<u64> {
        a.iter().zip(b).map(|(a, b)| a + b).collect()
    }

    /// The shape of an array, a region in it, and where that goes in another array, with that array's shape.
    fn boxes() -> impl Strategy<Value = Vec<[u64; 5]>> {
        let axis = (0u64..4, 0u64..3, 0u64..3, 0u64..3, 0u64..3);
        let axis = axis.prop_map(|(extent, before, after, to_before, to_after)| {
            [before + extent + after, before, extent, to_before, to_before + extent + to_after]
        });
        prop::collection::vec(axis, 0..4)
    }

    proptest! {
        #[test]
        fn boxes_are_copied_element_by_element(axes in boxes()) {
            let of = |i: usize| axes.iter().map(|axis| axis[i]).collect::<Vec<u64>>();
            let (from_shape, region, to_start, to_shape) = (of(0), Region::new(of(1), of(2)), of(3), of(4));
            let from = numbers(from_shape.iter().product());
            let mut to = vec![0xff; index(to_shape.iter().product::<u64>()) * 2];
            copy_box((&from, &from_shape), &region, (&mut to, &to_shape), &to_start, 2);
            let mut n_copied = 0;
            for position in positions(region.shape()) {
                let expected = at(&from, &from_shape, &plus(region.start(), &position));
                prop_assert_eq!(at(&to, &to_shape, &plus(&to_start, &position)), expected);
                n_copied += 1;
            }
            let n_left = to.chunks(2).filter(|&element| element == [0xff, 0xff]).count();
            prop_assert_eq!(n_left + n_copied, to.len() / 2);

            let mut filled = vec![0; to.len()];
            fill_box(&mut filled, &to_shape, &Region::new(to_start, region.shape().to_vec()), &[1, 2]);
            let agrees = filled.chunks(2).zip(to.chunks(2)).all(|(a, b)| (a == [1, 2]) == (b != [0xff, 0xff]));
            prop_assert!(agrees);
        }

        #[test]
        fn axes_are_brought_into_any_order(
            (shape, axes) in prop::collection::vec(0u64..5, 0..5).prop_flat_map(|shape| {
                let axes: Vec<usize> = (0..shape.len()).collect();
                (Just(shape), Just(axes).prop_shuffle())
            })
        ) {
            let from = numbers(shape.iter().product());
            let mut to = vec![0; from.len()];
            transpose(&from, &shape, &axes, &mut to, 2);
            let to_shape: Vec<u64> = axes.iter().map(|&axis| shape[axis]).collect();
            for position in positions(&to_shape) {
                let mut of_from = vec![0; shape.len()];
                axes.iter().zip(&position).for_each(|(&axis, &at)| of_from[axis] = at);
                prop_assert_eq!(at(&to, &to_shape, &position), at(&from, &shape, &of_from));
            }
        }
    }

    #[test]
    fn squares_larger_than_a_tile_are_turned() {
        let shape = [70, 3, 41];
        let from = numbers(70 * 3 * 41);
        let mut to = vec![0; from.len()];
        transpose(&from, &shape, &[2, 1, 0], &mut to, 2);
        for position in positions(&[41, 3, 70]) {
            let of_from = [position[2], position[1], position[0]];
            assert_eq!(at(&to, &[41, 3, 70], &position), at(&from, &shape, &of_from));
        }
    }

    #[test]
    fn filled_bytes_are_told() {
        assert!(is_filled(&[1, 2, 1, 2], &[1, 2]) && is_filled(&[], &[1, 2]));
        assert!(!is_filled(&[1, 2, 1, 3], &[1, 2]) && !is_filled(&[3, 2, 1, 2], &[1, 2]));
    }
}
