//! Numbers by the ids of nodes.

use rustc_hash::FxHashMap;

/// Ids in a page; neighbours in time are neighbours in memory.
const PAGE_BITS: u32 = 6;
const PAGE_LEN: usize = 1 << PAGE_BITS;

/// Says that an id has no number.
const ABSENT: u32 = u32::MAX;

/// A number for each of some ids.
///
/// Ids are given in the order in which nodes are made, so those of a program lie close together. They are kept in pages, and
/// the page that was used last is found without a search: a million nodes would otherwise be a million misses of the cache.
#[derive(Debug)]
pub(crate) struct IdxMap {
    pages: Vec<[u32; PAGE_LEN]>,
    page_of: FxHashMap<u64, u32>,
    last: (u64, u32),
}

impl Default for IdxMap {
    fn default() -> Self {
        Self { pages: Vec::new(), page_of: FxHashMap::default(), last: (u64::MAX, 0) }
    }
}

impl IdxMap {
    pub(super) fn get(&mut self, id: u64) -> Option<u32> {
        let (page, slot) = split(id);
        if self.last.0 != page {
            self.last = (page, *self.page_of.get(&page)?);
        }
        Some(self.pages[self.last.1 as usize][slot]).filter(|idx| *idx != ABSENT)
    }

    /// Gives `id` the number `idx`, in place of any other.
    pub(super) fn insert(&mut self, id: u64, idx: u32) {
        let (page, slot) = split(id);
        if self.last.0 != page {
            let next = u32::try_from(self.pages.len()).expect("there are fewer pages than nodes");
            let at = *self.page_of.entry(page).or_insert(next);
            if at == next {
                self.pages.push([ABSENT; PAGE_LEN]);
            }
            self.last = (page, at);
        }
        self.pages[self.last.1 as usize][slot] = idx;
    }
}

fn split(id: u64) -> (u64, usize) {
    (id >> PAGE_BITS, (id % PAGE_LEN as u64) as usize)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn behaves_as_a_map(steps in prop::collection::vec((0_u64..300, 0_u32..9, any::<bool>()), 0..200)) {
            let (mut map, mut expected) = (IdxMap::default(), HashMap::new());
            for (id, idx, is_insert) in steps {
                if is_insert {
                    map.insert(id * 17, idx);
                    expected.insert(id * 17, idx);
                }
                prop_assert_eq!(map.get(id * 17), expected.get(&(id * 17)).copied());
            }
        }
    }
}
