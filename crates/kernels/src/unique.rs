//! Elements that differ, in order.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasherDefault, Hasher};

use crate::order::{Key, Ordered, elements, with_ordered};
use crate::{Block, DType, KernelError, Pool, Result};

/// The elements of some blocks that differ, see [`unique`].
#[derive(Debug, Clone)]
pub struct Unique {
    /// The elements in order, NaN as one.
    pub values: Block,
    /// The least position that each has.
    pub positions: Block,
    /// How often each is there.
    pub counts: Block,
}

/// So many different elements are looked for by their hash; if there are more, the block is sorted.
const HASHED_MAX: usize = 1 << 12;

/// The elements of a row that differ, from the least to the greatest; positions count from `start` on.
///
/// # Errors
/// [`KernelError::WrongRank`] unless the block is a row; [`KernelError::OutOfMemory`].
pub fn unique(block: &Block, start: i64, pool: &Pool) -> Result<Unique> {
    if block.ndim() != 1 {
        return Err(KernelError::WrongRank { op: "unique", expected: "a row", n_axes: block.ndim() });
    }
    let row = block.to_contiguous(pool)?;
    with_ordered!(block.dtype(), T => {
        let keys: Vec<_> = elements::<T>(&row).iter().map(|value| value.value_key()).collect();
        let groups = hashed(&keys, start).unwrap_or_else(|| sorted(keys, start));
        pack::<T>(block.dtype(), &groups, pool)
    })
}

/// The elements of several rows that differ, from those of each.
///
/// # Errors
/// [`KernelError::OutOfMemory`].
pub fn merge_unique(parts: &[[&Block; 3]], pool: &Pool) -> Result<Unique> {
    let dtype = parts.first().map_or(DType::F64, |[values, ..]| values.dtype());
    with_ordered!(dtype, T => {
        let mut groups = Vec::new();
        for [values, positions, counts] in parts {
            let (values, positions) = (values.to_contiguous(pool)?, positions.to_vec::<i64>()?);
            let numbers = positions.into_iter().zip(counts.to_vec::<i64>()?);
            let of_part = elements::<T>(&values).iter().zip(numbers);
            groups.extend(of_part.map(|(value, (position, count))| Group { key: value.value_key(), position, count }));
        }
        pack::<T>(dtype, &merged(groups), pool)
    })
}

/// A key, the first place where it is, and in how many.
#[derive(Clone, Copy)]
struct Group<K> {
    key: K,
    position: i64,
    count: i64,
}

/// The groups of a row by their keys' hashes, unless there are many.
fn hashed<K: Key>(keys: &[K], start: i64) -> Option<Vec<Group<K>>> {
    let mut found: HashMap<K, usize, BuildHasherDefault<KeyHasher>> = HashMap::default();
    let mut groups: Vec<Group<K>> = Vec::new();
    for (position, key) in (start..).zip(keys) {
        match found.entry(*key) {
            Entry::Occupied(entry) => groups[*entry.get()].count += 1,
            Entry::Vacant(_) if groups.len() == HASHED_MAX => return None,
            Entry::Vacant(entry) => {
                entry.insert(groups.len());
                groups.push(Group { key: *key, position, count: 1 });
            }
        }
    }
    groups.sort_unstable_by_key(|group| group.key);
    Some(groups)
}

/// The groups of a row by sorting it.
fn sorted<K: Key>(keys: Vec<K>, start: i64) -> Vec<Group<K>> {
    let mut places: Vec<(K, i64)> = keys.into_iter().zip(start..).collect();
    places.sort_unstable();
    let mut groups: Vec<Group<K>> = Vec::new();
    for (key, position) in places {
        match groups.last_mut() {
            Some(group) if group.key == key => group.count += 1,
            _ => groups.push(Group { key, position, count: 1 }),
        }
    }
    groups
}

/// Groups of several rows, those of one key as one.
fn merged<K: Key>(mut groups: Vec<Group<K>>) -> Vec<Group<K>> {
    // Runs that are in order each: this sort finds them.
    groups.sort_by_key(|group| group.key);
    groups.dedup_by(|next, kept| {
        let is_same = next.key == kept.key;
        if is_same {
            kept.position = kept.position.min(next.position);
            kept.count += next.count;
        }
        is_same
    });
    groups
}

fn pack<T: Ordered>(dtype: DType, groups: &[Group<T::Key>], pool: &Pool) -> Result<Unique> {
    let shape = [groups.len()];
    let mut values = pool.buffer(groups.len() * size_of::<T>())?;
    values.as_mut_slice::<T>().iter_mut().zip(groups).for_each(|(to, group)| *to = T::from_key(group.key));
    Ok(Unique {
        values: Block::contiguous(dtype, &shape, values.freeze()),
        positions: Block::from_vec(&shape, groups.iter().map(|group| group.position).collect())?,
        counts: Block::from_vec(&shape, groups.iter().map(|group| group.count).collect())?,
    })
}

/// Keys are numbers: one multiplication spreads them.
#[derive(Default)]
struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, value: u8) {
        self.write_u64(value.into());
    }

    fn write_u16(&mut self, value: u16) {
        self.write_u64(value.into());
    }

    fn write_u32(&mut self, value: u32) {
        self.write_u64(value.into());
    }

    fn write_u64(&mut self, value: u64) {
        let product = u128::from(self.0 ^ value) * 0x9E37_79B9_7F4A_7C15_u128;
        self.0 = product as u64 ^ (product >> 64) as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(unique: &Unique) -> (Vec<f64>, Vec<i64>, Vec<i64>) {
        (unique.values.to_vec().unwrap(), unique.positions.to_vec().unwrap(), unique.counts.to_vec().unwrap())
    }

    #[test]
    fn rows_and_their_merge_are_alike() {
        let pool = Pool::new(0);
        let values = vec![2.0, -0.0, 2.0, 0.0, 7.0, 2.0, -1.0];
        let whole = unique(&Block::from_vec(&[7], values.clone()).unwrap(), 0, &pool).unwrap();
        assert_eq!(parts(&whole), (vec![-1.0, 0.0, 2.0, 7.0], vec![6, 1, 0, 4], vec![1, 2, 3, 1]));
        let a = unique(&Block::from_vec(&[3], values[..3].to_vec()).unwrap(), 0, &pool).unwrap();
        let b = unique(&Block::from_vec(&[4], values[3..].to_vec()).unwrap(), 3, &pool).unwrap();
        let merged = merge_unique(&[[&b.values, &b.positions, &b.counts], [&a.values, &a.positions, &a.counts]], &pool);
        assert_eq!(parts(&merged.unwrap()), parts(&whole));
        let nan = unique(&Block::from_vec(&[3], vec![f64::NAN, 1.0, -f64::NAN]).unwrap(), 0, &pool).unwrap();
        assert_eq!((nan.values.len(), parts(&nan).2), (2, vec![1, 2]));
        assert!(matches!(
            unique(&Block::from_vec(&[1, 1], vec![1.0]).unwrap(), 0, &pool),
            Err(KernelError::WrongRank { .. })
        ));
    }

    #[test]
    fn many_elements_are_sorted() {
        let pool = Pool::new(0);
        let n = 3 * HASHED_MAX as i64;
        let row = Block::from_vec(&[2 * n as usize], (0..2 * n).map(|at| (at * 7) % n).collect()).unwrap();
        let of = unique(&row, 10, &pool).unwrap();
        assert_eq!(of.values.to_vec::<i64>().unwrap(), (0..n).collect::<Vec<_>>());
        assert!(of.counts.to_vec::<i64>().unwrap().iter().all(|count| *count == 2));
        let positions = of.positions.to_vec::<i64>().unwrap();
        assert!(positions.iter().enumerate().all(|(value, at)| (at - 10) * 7 % n == value as i64 && *at < 10 + n));
    }
}
