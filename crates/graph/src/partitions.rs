//! Sets of partitions: which tasks of a stage are wanted.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// A set of partitions of one stage.
///
/// Kept as sorted, disjoint, non-touching ranges while these are few, as a bit for each partition once they are many. The
/// set of all partitions takes no memory of its own. Cloning is cheap.
#[derive(Clone, PartialEq, Eq)]
pub struct PartitionSet {
    repr: Repr,
}

#[derive(Clone, PartialEq, Eq)]
enum Repr {
    One(Range<u32>),
    Ranges { ranges: Arc<[Range<u32>]>, len: u32 },
    Bits { words: Arc<[u64]>, len: u32 },
}

impl PartitionSet {
    /// All partitions of a stage of `n_tasks` tasks.
    #[must_use]
    pub fn all(n_tasks: u32) -> Self {
        Self { repr: Repr::One(0..n_tasks) }
    }

    /// No partition.
    #[must_use]
    pub fn empty() -> Self {
        Self { repr: Repr::One(0..0) }
    }

    /// One partition.
    ///
    /// # Panics
    /// If `partition` is `u32::MAX`, which is no partition of any stage.
    #[must_use]
    pub fn one(partition: u32) -> Self {
        assert!(partition < u32::MAX, "u32::MAX is no partition");
        Self { repr: Repr::One(partition..partition + 1) }
    }

    /// The partitions in `range`.
    #[must_use]
    pub fn range(range: Range<u32>) -> Self {
        if range.is_empty() { Self::empty() } else { Self { repr: Repr::One(range) } }
    }

    /// The partitions in any of `ranges`, which may overlap and stand in any order.
    #[must_use]
    pub fn ranges(mut ranges: Vec<Range<u32>>) -> Self {
        ranges.retain(|range| !range.is_empty());
        ranges.sort_unstable_by_key(|range| range.start);
        ranges.dedup_by(|next, last| {
            let touches = next.start <= last.end;
            if touches {
                last.end = last.end.max(next.end);
            }
            touches
        });
        match ranges.as_slice() {
            [] => return Self::empty(),
            [range] => return Self { repr: Repr::One(range.clone()) },
            _ => {}
        }
        let len = ranges.iter().map(|range| range.end - range.start).sum();
        let end = ranges[ranges.len() - 1].end;
        // A range costs as much as 64 bits.
        if ranges.len() <= end as usize / 64 + 1 {
            return Self { repr: Repr::Ranges { ranges: ranges.into(), len } };
        }
        let mut words = vec![0_u64; (end as usize).div_ceil(64)];
        for partition in ranges.into_iter().flatten() {
            words[partition as usize / 64] |= 1 << (partition % 64);
        }
        Self { repr: Repr::Bits { words: words.into(), len } }
    }

    /// The partitions whose bits are set, 64 to a word.
    pub(crate) fn from_words(words: Vec<u64>) -> Self {
        let n_bits = u32::try_from(words.len()).map_or(u32::MAX, |n| n.saturating_mul(64));
        let set = Self { repr: Repr::Bits { words: words.into(), len: n_bits } };
        let runs = set.runs().collect();
        Self::ranges(runs)
    }

    /// The number of partitions in the set.
    #[must_use]
    pub fn len(&self) -> u32 {
        match &self.repr {
            Repr::One(range) => range.end - range.start,
            Repr::Ranges { len, .. } | Repr::Bits { len, .. } => *len,
        }
    }

    /// Whether the set holds no partition.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the set holds every partition of a stage of `n_tasks` tasks.
    #[must_use]
    pub fn is_all(&self, n_tasks: u32) -> bool {
        matches!(&self.repr, Repr::One(range) if range.start == 0 && range.end == n_tasks)
    }

    /// Whether `partition` is in the set.
    #[must_use]
    pub fn contains(&self, partition: u32) -> bool {
        match &self.repr {
            Repr::One(range) => range.contains(&partition),
            Repr::Ranges { ranges, .. } => {
                let next = ranges.partition_point(|range| range.start <= partition);
                next > 0 && partition < ranges[next - 1].end
            }
            Repr::Bits { words, .. } => {
                words.get(partition as usize / 64).is_some_and(|word| word >> (partition % 64) & 1 == 1)
            }
        }
    }

    /// The first partition at or after `partition` that is in the set.
    #[must_use]
    pub fn next_from(&self, partition: u32) -> Option<u32> {
        match &self.repr {
            Repr::One(range) => Some(partition.max(range.start)).filter(|p| *p < range.end),
            Repr::Ranges { ranges, .. } => {
                let idx = ranges.partition_point(|range| range.end <= partition);
                ranges.get(idx).map(|range| partition.max(range.start))
            }
            Repr::Bits { words, .. } => {
                let mut idx = partition as usize / 64;
                let mut word = words.get(idx)? & (u64::MAX << (partition % 64));
                while word == 0 {
                    idx += 1;
                    word = *words.get(idx)?;
                }
                u32::try_from(idx * 64).ok().map(|base| base + word.trailing_zeros())
            }
        }
    }

    /// The partitions of the set in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        let mut next = self.next_from(0);
        std::iter::from_fn(move || {
            let partition = next?;
            next = self.next_from(partition + 1);
            Some(partition)
        })
    }

    /// The maximal runs of neighbouring partitions of the set in ascending order.
    pub fn runs(&self) -> impl Iterator<Item = Range<u32>> + '_ {
        let mut from = 0;
        std::iter::from_fn(move || {
            let start = self.next_from(from)?;
            let end = self.end_of_run(start);
            from = end;
            Some(start..end)
        })
    }

    fn end_of_run(&self, start: u32) -> u32 {
        match &self.repr {
            Repr::One(range) => range.end,
            Repr::Ranges { ranges, .. } => ranges[ranges.partition_point(|range| range.end <= start)].end,
            Repr::Bits { words, .. } => {
                let mut idx = start as usize / 64;
                let mut zeros = !words[idx] & (u64::MAX << (start % 64));
                while zeros == 0 {
                    idx += 1;
                    zeros = words.get(idx).map_or(1, |word| !word);
                }
                u32::try_from(idx * 64 + zeros.trailing_zeros() as usize).unwrap_or(u32::MAX)
            }
        }
    }

    /// The first partition of this set that is not in `other`. Takes time in proportion to the runs of both.
    #[must_use]
    pub fn first_outside(&self, other: &Self) -> Option<u32> {
        self.runs().find_map(|run| {
            let mut at = run.start;
            while at < run.end && other.contains(at) {
                at = other.end_of_run(at);
            }
            (at < run.end).then_some(at)
        })
    }

    /// The partitions that are in this set, in `other`, or in both.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        if let (Repr::One(a), Repr::One(b)) = (&self.repr, &other.repr) {
            let (outer, inner) = if a.len() >= b.len() { (a, b) } else { (b, a) };
            if outer.start <= inner.start && inner.end <= outer.end {
                return Self::range(outer.clone());
            }
        }
        Self::ranges(self.runs().chain(other.runs()).collect())
    }

    /// One past the largest partition of the set, 0 if it is empty.
    #[must_use]
    pub fn end(&self) -> u32 {
        match &self.repr {
            Repr::One(range) => range.end,
            Repr::Ranges { ranges, .. } => ranges.last().map_or(0, |range| range.end),
            Repr::Bits { words, .. } => {
                let idx = words.iter().rposition(|word| *word != 0);
                idx.map_or(0, |idx| u32::try_from(idx).map_or(0, |base| base * 64) + 64 - words[idx].leading_zeros())
            }
        }
    }
}

impl fmt::Debug for PartitionSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.runs()).finish()
    }
}

impl FromIterator<u32> for PartitionSet {
    /// The set of the given partitions, in any order, repeated or not.
    fn from_iter<I: IntoIterator<Item = u32>>(partitions: I) -> Self {
        let mut partitions: Vec<u32> = partitions.into_iter().collect();
        if !partitions.is_sorted() {
            partitions.sort_unstable();
        }
        let mut ranges: Vec<Range<u32>> = Vec::new();
        for partition in partitions {
            match ranges.last_mut() {
                Some(last) if last.end > partition => {}
                Some(last) if last.end == partition => last.end += 1,
                _ => ranges.push(partition..partition + 1),
            }
        }
        Self::ranges(ranges)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn behaves_as_a_set(a in prop::collection::btree_set(0_u32..500, 0..200), b in prop::collection::vec(0_u32..500, 0..6)) {
            let set: PartitionSet = a.iter().copied().collect();
            prop_assert_eq!(&set.iter().collect::<BTreeSet<_>>(), &a);
            prop_assert_eq!(set.len() as usize, a.len());
            prop_assert_eq!(set.end(), a.last().map_or(0, |last| last + 1));
            for p in 0..510 {
                prop_assert_eq!(set.contains(p), a.contains(&p));
                prop_assert_eq!(set.next_from(p), a.range(p..).next().copied());
            }
            let runs: Vec<_> = set.runs().collect();
            prop_assert!(runs.windows(2).all(|pair| pair[0].end < pair[1].start));
            let other: PartitionSet = b.iter().copied().collect();
            prop_assert_eq!(set.first_outside(&other), a.iter().copied().find(|p| !b.contains(p)));
            prop_assert_eq!(set.first_outside(&set), None);
            let both: BTreeSet<u32> = a.iter().chain(&b).copied().collect();
            prop_assert_eq!(set.union(&other), both.into_iter().collect::<PartitionSet>());
        }
    }

    #[test]
    fn a_range_is_one_run() {
        let set = PartitionSet::all(1_000_000);
        assert!(set.is_all(1_000_000) && !set.is_all(5));
        assert!(set.runs().eq(std::iter::once(0..1_000_000)));
        assert_eq!(PartitionSet::range(5..5), PartitionSet::empty());
    }
}
