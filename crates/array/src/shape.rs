//! Shapes and axes: broadcasting, negative axes, sizes that may overflow.

use smallvec::SmallVec;

use crate::ArrayError;

/// The length of each axis; `None` where it is known only when the array is computed.
pub(crate) type Dims = SmallVec<[Option<usize>; 4]>;

/// The product of `shape`.
///
/// # Errors
/// [`ArrayError::TooLarge`] if it does not fit.
pub(crate) fn n_elements(shape: &[usize]) -> Result<usize, ArrayError> {
    // A zero makes the product zero, whatever the others are.
    if shape.contains(&0) {
        return Ok(0);
    }
    let product = shape.iter().try_fold(1_usize, |n, len| n.checked_mul(*len));
    product.filter(|n| isize::try_from(*n).is_ok()).ok_or_else(|| ArrayError::TooLarge { shape: shape.to_vec() })
}

/// `axis` counted from the front.
///
/// # Errors
/// [`ArrayError::AxisOutOfRange`] if there is no such axis.
pub(crate) fn normalize_axis(op: &'static str, axis: isize, n_dims: usize) -> Result<usize, ArrayError> {
    let from_front = if axis < 0 { n_dims.checked_add_signed(axis) } else { Some(axis.unsigned_abs()) };
    from_front.filter(|idx| *idx < n_dims).ok_or(ArrayError::AxisOutOfRange { op, axis, n_dims })
}

/// `axes` counted from the front, in the order given; all axes for `None`.
///
/// # Errors
/// [`ArrayError::AxisOutOfRange`], [`ArrayError::RepeatedAxis`].
pub(crate) fn normalize_axes(
    op: &'static str,
    axes: Option<&[isize]>,
    n_dims: usize,
) -> Result<SmallVec<[usize; 4]>, ArrayError> {
    let Some(axes) = axes else { return Ok((0..n_dims).collect()) };
    let mut seen: SmallVec<[usize; 4]> = SmallVec::new();
    for axis in axes {
        let idx = normalize_axis(op, *axis, n_dims)?;
        if seen.contains(&idx) {
            return Err(ArrayError::RepeatedAxis { op, axis: *axis });
        }
        seen.push(idx);
    }
    Ok(seen)
}

/// What lengths `a` and `b` of two axes that meet broadcast to; `None` if they do not.
///
/// An unknown length fits a known one only where that is 1, as it could be anything.
pub(crate) fn broadcast_dim(a: Option<usize>, b: Option<usize>) -> Option<Option<usize>> {
    match (a, b) {
        (Some(1), other) | (other, Some(1)) => Some(other),
        (Some(a), Some(b)) if a == b => Some(Some(a)),
        (None, None) => Some(None),
        _ => None,
    }
}

/// The shape that arrays of `shapes` broadcast to, by NumPy's rules; `None` if they do not.
pub(crate) fn broadcast<'a>(shapes: impl Iterator<Item = &'a [Option<usize>]> + Clone) -> Option<Dims> {
    let n_dims = shapes.clone().map(<[_]>::len).max().unwrap_or(0);
    let mut out: Dims = SmallVec::from_elem(Some(1), n_dims);
    for shape in shapes {
        for (dim, own) in out[n_dims - shape.len()..].iter_mut().zip(shape) {
            *dim = broadcast_dim(*dim, *own)?;
        }
    }
    Some(out)
}

/// A shape as NumPy writes it: `(3, 4)`, `(3,)`, `()`; an unknown length is `nan`, as in Dask.
pub(crate) fn shape_text(shape: &[Option<usize>]) -> String {
    let texts: Vec<String> =
        shape.iter().map(|dim| dim.map_or_else(|| "nan".to_owned(), |len| len.to_string())).collect();
    tuple_text(&texts)
}

/// Texts as Python writes a tuple.
pub(crate) fn tuple_text(texts: &[String]) -> String {
    match texts {
        [one] => format!("({one},)"),
        _ => format!("({})", texts.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(shape: &[usize]) -> Dims {
        shape.iter().copied().map(Some).collect()
    }

    #[test]
    fn shapes_broadcast_from_the_back() {
        let (a, b, c) = (known(&[3, 1]), known(&[4]), known(&[2, 1, 1]));
        assert_eq!(broadcast([&*a, &*b, &*c].into_iter()), Some(known(&[2, 3, 4])));
        assert_eq!(broadcast([&*a, &*known(&[2, 4])].into_iter()), None);
        assert_eq!(broadcast([&*known(&[0]), &*known(&[1])].into_iter()), Some(known(&[0])));
        assert_eq!(broadcast([&[None][..], &[Some(3)][..]].into_iter()), None);
        assert_eq!(broadcast(std::iter::empty::<&[Option<usize>]>()), Some(known(&[])));
    }

    #[test]
    fn axes_count_from_both_ends() {
        assert_eq!(normalize_axis("sum", -1, 3).unwrap(), 2);
        assert!(matches!(normalize_axis("sum", 3, 3), Err(ArrayError::AxisOutOfRange { axis: 3, n_dims: 3, .. })));
        assert!(matches!(normalize_axis("sum", isize::MIN, 3), Err(ArrayError::AxisOutOfRange { .. })));
        assert!(matches!(normalize_axes("sum", Some(&[0, -3]), 3), Err(ArrayError::RepeatedAxis { axis: -3, .. })));
    }

    #[test]
    fn a_product_that_overflows_is_refused() {
        assert!(matches!(n_elements(&[usize::MAX, 2]), Err(ArrayError::TooLarge { .. })));
        assert_eq!(n_elements(&[usize::MAX, 0, 2]).unwrap(), 0);
        assert_eq!(n_elements(&[]).unwrap(), 1);
    }

    #[test]
    fn shapes_are_written_as_tuples() {
        assert_eq!(shape_text(&[Some(3)]), "(3,)");
        assert_eq!(shape_text(&[Some(3), None]), "(3, nan)");
        assert_eq!(shape_text(&[]), "()");
    }
}
