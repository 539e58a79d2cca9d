//! Which columns of a table are shown, and how wide.

/// The columns of a terminal that a cell takes beyond its text: a border and two spaces.
const CELL_OVERHEAD: usize = 3;

/// A column of text is not made narrower than this to make room for another column.
const READABLE_WIDTH: usize = 20;

/// The room that a column wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extent {
    /// The width at which nothing is cut.
    natural: usize,
    /// The least width at which the column is still worth showing.
    least: usize,
}

impl Extent {
    /// A column whose text can be cut.
    pub(super) fn flexible(natural: usize) -> Self {
        Self { natural, least: natural.min(READABLE_WIDTH) }
    }

    /// A column whose cells must not be cut; its name may be.
    pub(super) fn rigid(natural: usize, cells: usize) -> Self {
        Self { natural, least: natural.min(cells.max(READABLE_WIDTH)) }
    }
}

/// A column of the table as it is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slot {
    /// A column of the result.
    Column { idx: usize, width: usize },
    /// The mark for the columns that are left out in this place.
    Elided,
}

impl Slot {
    /// The width of its cells, without borders and spaces.
    pub(super) fn width(&self) -> usize {
        match self {
            Slot::Column { width, .. } => *width,
            Slot::Elided => 1,
        }
    }
}

/// Chooses the columns and their widths so that no line is longer than `max_width`, which is at least 9.
///
/// Columns of text are cut first. When that is not enough, columns in the middle are left out, so that the first and
/// the last ones, which usually say what a row is and what came out of it, stay. The first column is always shown.
pub(super) fn lay_out(extents: &[Extent], max_width: Option<usize>) -> Vec<Slot> {
    let natural = extents.iter().map(|extent| extent.natural + CELL_OVERHEAD).sum::<usize>() + 1;
    let max_width = max_width.unwrap_or(usize::MAX);
    if natural <= max_width || extents.is_empty() {
        return slots(0..extents.len(), extents.iter().map(|extent| extent.natural));
    }
    let room = max_width - 1;
    let least: usize = extents.iter().map(|extent| extent.least + CELL_OVERHEAD).sum();
    if least <= room || extents.len() == 1 {
        let widths = share(extents, room.saturating_sub(CELL_OVERHEAD * extents.len()));
        return slots(0..extents.len(), widths.into_iter());
    }
    let room = room - (Slot::Elided.width() + CELL_OVERHEAD);
    let (n_left, n_right) = columns_that_fit(extents, room);
    let right = extents.len() - n_right;
    let shown: Vec<Extent> = [&extents[..n_left], &extents[right..]].concat();
    let mut widths = share(&shown, room.saturating_sub(CELL_OVERHEAD * shown.len())).into_iter();
    let mut layout = slots(0..n_left, widths.by_ref());
    layout.push(Slot::Elided);
    layout.extend(slots(right..extents.len(), widths));
    layout
}

fn slots(columns: impl Iterator<Item = usize>, widths: impl Iterator<Item = usize>) -> Vec<Slot> {
    columns.zip(widths).map(|(idx, width)| Slot::Column { idx, width }).collect()
}

/// How many columns from the left and from the right fit in `room` at their least widths, at least one from the left.
fn columns_that_fit(extents: &[Extent], room: usize) -> (usize, usize) {
    let cost = |idx: usize| extents[idx].least + CELL_OVERHEAD;
    let mut left = room.saturating_sub(cost(0));
    let (mut n_left, mut n_right) = (1, 0);
    // One column stays out in any case: all of them did not fit.
    while n_left + n_right + 1 < extents.len() {
        let next_left = cost(n_left);
        let next_right = cost(extents.len() - 1 - n_right);
        let from_right = n_right < n_left;
        if next_right <= left && (from_right || next_left > left) {
            left -= next_right;
            n_right += 1;
        } else if next_left <= left {
            left -= next_left;
            n_left += 1;
        } else {
            break;
        }
    }
    (n_left, n_right)
}

/// Widths between least and natural that take all of `room` if they can, by cutting only the widest columns.
fn share(extents: &[Extent], room: usize) -> Vec<usize> {
    let widths_at = |cap: usize| extents.iter().map(move |extent| extent.natural.min(cap.max(extent.least)));
    let widest = extents.iter().map(|extent| extent.natural).max().unwrap_or_default();
    // The greatest cap that fits: every column is cut to it, or shown whole if it is narrower.
    let (mut fits, mut too_wide) = (0, widest + 1);
    while too_wide - fits > 1 {
        let cap = fits.midpoint(too_wide);
        if widths_at(cap).sum::<usize>() <= room {
            fits = cap;
        } else {
            too_wide = cap;
        }
    }
    let mut widths: Vec<usize> = widths_at(fits).collect();
    let used: usize = widths.iter().sum();
    if used > room {
        // Only a single column can be wider than the room even at its least, and then it gets all of it.
        return widths.iter().map(|width| (*width).min(room.max(1))).collect();
    }
    // What one more for every cut column would not have fitted goes to the first ones.
    let cut = widths.iter_mut().zip(extents).filter(|(width, extent)| **width < extent.natural && **width == fits);
    for (width, _) in cut.take(room - used) {
        *width += 1;
    }
    widths
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn column(idx: usize, width: usize) -> Slot {
        Slot::Column { idx, width }
    }

    fn line_width(layout: &[Slot]) -> usize {
        layout.iter().map(|slot| slot.width() + CELL_OVERHEAD).sum::<usize>() + 1
    }

    #[test]
    fn wide_text_is_cut_before_columns_are_left_out() {
        let extents = [Extent::flexible(5), Extent::flexible(100), Extent::rigid(10, 8), Extent::flexible(50)];
        assert_eq!(lay_out(&extents, None), [column(0, 5), column(1, 100), column(2, 10), column(3, 50)]);
        // 90 - 13 for borders leaves 77: 15 for the narrow columns, 62 for two columns of which one wants 50.
        assert_eq!(lay_out(&extents, Some(90)), [column(0, 5), column(1, 31), column(2, 10), column(3, 31)]);
        assert_eq!(lay_out(&extents, Some(89)), [column(0, 5), column(1, 31), column(2, 10), column(3, 30)]);
        assert_eq!(lay_out(&extents, Some(128)), [column(0, 5), column(1, 50), column(2, 10), column(3, 50)]);
    }

    #[test]
    fn columns_are_left_out_in_the_middle() {
        let extents = [Extent::rigid(10, 10); 10];
        // Four cells of 13, four for the mark, one for the border.
        let expected = [column(0, 10), column(1, 10), Slot::Elided, column(8, 10), column(9, 10)];
        assert_eq!(lay_out(&extents, Some(57)), expected);
        assert_eq!(lay_out(&extents, Some(56)), [column(0, 10), column(1, 10), Slot::Elided, column(9, 10)]);
        assert_eq!(lay_out(&extents, Some(9)), [column(0, 1), Slot::Elided]);
        assert_eq!(lay_out(&extents[..1], Some(9)), [column(0, 5)]);
    }

    proptest! {
        #[test]
        fn a_line_never_exceeds_the_limit(
            wanted in prop::collection::vec((1usize..60, 1usize..60, any::<bool>()), 1..30),
            max_width in 9usize..200,
        ) {
            let extents: Vec<Extent> = wanted
                .iter()
                .map(|(a, b, rigid)| if *rigid { Extent::rigid(*a.max(b), *a) } else { Extent::flexible(*a) })
                .collect();
            let layout = lay_out(&extents, Some(max_width));
            prop_assert!(line_width(&layout) <= max_width);
            let first_is_shown = matches!(layout[0], Slot::Column { idx: 0, .. });
            prop_assert!(first_is_shown);
            let natural = extents.iter().map(|extent| extent.natural + CELL_OVERHEAD).sum::<usize>() + 1;
            if natural > max_width && !layout.contains(&Slot::Elided) {
                // Something is cut, so no column of the terminal may be left unused.
                prop_assert_eq!(line_width(&layout), max_width);
            }
        }
    }
}
