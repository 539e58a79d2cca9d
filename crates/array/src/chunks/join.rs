//! Two ways to cut the same axis.

use dolmen_graph::{AxisMap, BlockAxis};

use super::AxisChunks;

/// Chunks that have the borders of `a` and of `b`, which are of equal length; `None` if both are irregular in unknown ways.
pub(crate) fn common(a: &AxisChunks, b: &AxisChunks) -> Option<AxisChunks> {
    if a == b {
        return Some(a.clone());
    }
    let (Some(len), Some(_)) = (a.len(), b.len()) else { return None };
    if let (Some(a_size), Some(b_size)) = (a.uniform_size(), b.uniform_size()) {
        // One block has no border of its own, and multiples share theirs.
        let (small, large) = (a_size.min(b_size), a_size.max(b_size));
        if large >= len || large.is_multiple_of(small) {
            return Some(AxisChunks::uniform(len, small));
        }
    }
    let mut borders: Vec<usize> = [a, b]
        .into_iter()
        .flat_map(|chunks| (0..chunks.n_blocks()).filter_map(|idx| chunks.bounds(idx)).map(|bounds| bounds.end))
        .collect();
    borders.sort_unstable();
    borders.dedup();
    let starts = std::iter::once(0).chain(borders.iter().copied());
    let sizes: Vec<usize> = borders.iter().zip(starts).map(|(end, start)| end - start).collect();
    Some(AxisChunks::from_sizes(&sizes))
}

/// Which blocks of an input cut as `up` each block of an output cut as `down` overlaps, `axis` being that of the output. Both
/// are of the same, known length.
pub(crate) fn ranges_map(up: &AxisChunks, down: &AxisChunks, axis: usize) -> BlockAxis {
    if up.n_blocks() == 1 {
        return BlockAxis::At(0);
    }
    if up == down {
        return BlockAxis::same(axis);
    }
    let len = down.len().unwrap_or(0);
    let map = match (up.uniform_size(), down.uniform_size()) {
        (Some(up_size), Some(down_size)) => {
            AxisMap::Elements { offset: 0, len: len as u64, up_size: up_size as u64, down_size: down_size as u64 }
        }
        _ => {
            let bounds = (0..down.n_blocks()).map(|idx| down.bounds(idx).unwrap_or(0..0));
            let ranges = bounds.map(|bounds| {
                let blocks = up.blocks_of(&bounds);
                (blocks.start, blocks.end)
            });
            AxisMap::Ranges(ranges.collect())
        }
    };
    BlockAxis::From { axis, map }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn uniform_chunks_that_divide_stay_uniform() {
        let of = |a, b| common(&AxisChunks::uniform(12, a), &AxisChunks::uniform(12, b)).unwrap();
        assert_eq!(of(2, 4), AxisChunks::uniform(12, 2));
        assert_eq!(of(12, 5), AxisChunks::uniform(12, 5));
        assert_eq!(of(4, 6).sizes().unwrap(), [4, 2, 2, 4]);
        assert_eq!(common(&AxisChunks::unknown(2), &AxisChunks::uniform(4, 2)), None);
        assert!(common(&AxisChunks::unknown(2), &AxisChunks::unknown(2)).is_some());
    }

    proptest! {
        #[test]
        fn common_chunks_have_all_borders(cuts in prop::collection::vec((0_usize..3, 0_usize..3), 1..20)) {
            // Borders of either side among the same twenty positions.
            let sizes = |side: fn(&(usize, usize)) -> usize| {
                let mut sizes = vec![1];
                for cut in &cuts[1..] {
                    if side(cut) == 0 { sizes.push(1) } else { *sizes.last_mut().unwrap() += 1 }
                }
                AxisChunks::from_sizes(&sizes)
            };
            let (a, b) = (sizes(|cut| cut.0), sizes(|cut| cut.1));
            let both = common(&a, &b).unwrap();
            for idx in 0..both.n_blocks() {
                let bounds = both.bounds(idx).unwrap();
                for chunks in [&a, &b] {
                    prop_assert_eq!(chunks.blocks_of(&bounds).len(), 1);
                }
            }
            prop_assert!(both.n_blocks() <= a.n_blocks() + b.n_blocks());
        }
    }
}
