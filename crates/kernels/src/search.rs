//! Counts of integers, and the search in sorted tables.

use std::ops::Range;

use multiversion::multiversion;
use serde::{Deserialize, Serialize};

use crate::order::{Ordered, elements, with_ordered};
use crate::reduce::apply;
use crate::{Block, DType, KernelError, Kind, Op, Pool, Result, promote};

/// How often each integer from 0 on is in the block, or the sum of the `weights` of its places; as long as the greatest
/// needs, and at least `len_min`.
///
/// # Errors
/// [`KernelError::UnsupportedDType`] unless the elements are integers or booleans, [`KernelError::Parameter`] for one that is
/// negative; [`KernelError::ShapeMismatch`] unless each element has a weight.
pub fn bincount(block: &Block, weights: Option<&Block>, len_min: usize, pool: &Pool) -> Result<Block> {
    let op = "bincount";
    let places = match block.dtype().kind() {
        Kind::Bool | Kind::Signed | Kind::Unsigned if block.dtype() != DType::U64 => integers(block, pool)?,
        _ => {
            let remedy = "; it counts integers, cast it with astype";
            return Err(KernelError::UnsupportedDType { op, dtypes: vec![block.dtype()], remedy });
        }
    };
    let places = elements::<i64>(&places);
    let Some(weights) = weights else { return counts(places, len_min, pool) };
    if weights.shape() != block.shape() {
        let (left, right) = (block.shape().into(), weights.shape().into());
        return Err(KernelError::ShapeMismatch { op, left, right, expected: "each element has a weight" });
    }
    let len = len_min.max(length(places)?);
    let weights = apply(Op::Cast(DType::F64), &[weights], pool)?.to_contiguous(pool)?;
    let mut sums = pool.buffer(len.saturating_mul(8))?;
    let slots = &mut sums.as_mut_slice::<f64>()[..len];
    slots.fill(0.0);
    for (place, weight) in places.iter().zip(elements::<f64>(&weights)) {
        slots[*place as usize] += weight;
    }
    Ok(Block::contiguous(DType::F64, &[len], sums.freeze()))
}

/// Tables of no more slots are kept four times.
const SHORT_TABLE: usize = 1 << 12;

/// Integers that are looked at together, so that they come from memory once.
const TILE: usize = 1 << 12;

/// The slots that some integers need.
fn length(places: &[i64]) -> Result<usize> {
    let (least, greatest) = ends(places);
    if least < 0 {
        return Err(KernelError::Parameter { op: "bincount", parameter: "x", problem: "holds a negative integer" });
    }
    Ok(usize::try_from(greatest).map_or(0, |greatest| greatest + 1))
}

/// How often each integer is there.
fn counts(places: &[i64], len_min: usize, pool: &Pool) -> Result<Block> {
    let grow = |slots: &mut Vec<i64>, len: usize| {
        pool.check(len.saturating_mul(8))?;
        let more = len.saturating_sub(slots.len());
        slots.try_reserve(more).map_err(|_| KernelError::OutOfMemory { bytes: len.saturating_mul(8) })?;
        slots.resize(slots.len() + more, 0);
        Ok(())
    };
    let mut slots: Vec<i64> = Vec::new();
    grow(&mut slots, len_min)?;
    // Four tables by turns, as the same place twice in a row would wait for itself.
    let mut tables: Vec<[u32; 4]> = Vec::new();
    for part in places.chunks(u32::MAX as usize) {
        for tile in part.chunks(TILE) {
            grow(&mut slots, length(tile)?)?;
            if slots.len() > SHORT_TABLE {
                tile.iter().for_each(|place| slots[*place as usize] += 1);
                continue;
            }
            tables.resize(slots.len(), [0; 4]);
            let (fours, rest) = tile.as_chunks::<4>();
            for four in fours {
                for (table, place) in four.iter().enumerate() {
                    tables[*place as usize][table] += 1;
                }
            }
            rest.iter().for_each(|place| tables[*place as usize][0] += 1);
        }
        for (slot, table) in slots.iter_mut().zip(&mut tables) {
            *slot += std::mem::take(table).iter().map(|count| i64::from(*count)).sum::<i64>();
        }
    }
    Block::from_vec(&[slots.len()], slots)
}

/// The least and the greatest of some integers, if they are beyond `[0, -1]`.
#[multiversion(targets("x86_64+avx512f+avx512dq+avx512vl+avx512bw+avx2+fma", "x86_64+avx2+fma"))]
fn ends(values: &[i64]) -> (i64, i64) {
    values.iter().fold((0, -1), |(least, greatest), value| (least.min(*value), greatest.max(*value)))
}

fn integers(block: &Block, pool: &Pool) -> Result<Block> {
    let wide = if block.dtype() == DType::I64 { block.clone() } else { apply(Op::Cast(DType::I64), &[block], pool)? };
    wide.to_contiguous(pool)
}

/// Rows of different lengths one upon the other, the shorter ones going on with zeros: counts of blocks, summed.
///
/// # Errors
/// [`KernelError::WrongDType`] unless all are of one dtype, `int64` or `float64`.
pub fn sum_rows(rows: &[Block], pool: &Pool) -> Result<Block> {
    let len = rows.iter().map(Block::len).max().unwrap_or(0);
    let dtype = rows.first().map_or(DType::I64, Block::dtype);
    macro_rules! summed {
        ($of:ty) => {{
            let mut buffer = pool.buffer(len * 8)?;
            let sums = &mut buffer.as_mut_slice::<$of>()[..len];
            sums.fill(<$of>::default());
            for row in rows {
                let row = row.to_contiguous(pool)?;
                let row = row.as_slice::<$of>()?.unwrap_or_default();
                sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
            }
            Ok(Block::contiguous(dtype, &[len], buffer.freeze()))
        }};
    }
    if dtype == DType::F64 { summed!(f64) } else { summed!(i64) }
}

/// On which side of elements of a table that are equal to it a value belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Side {
    /// In front of them.
    Left,
    /// Behind them.
    Right,
}

/// Where in a sorted row each value belongs, as `int64`.
///
/// # Errors
/// [`KernelError::WrongRank`] unless the table is a row; [`KernelError::NoCommonDType`] of values and table.
pub fn searchsorted(table: &Block, values: &Block, side: Side, pool: &Pool) -> Result<Block> {
    looked_up(table, values, pool, "searchsorted", |place, _| match side {
        Side::Left => place.start as i64,
        Side::Right => place.end as i64,
    })
}

/// Whether each value is in a sorted row; NaN is not.
///
/// # Errors
/// As [`searchsorted`].
pub fn contains(table: &Block, values: &Block, pool: &Pool) -> Result<Block> {
    let places = looked_up(table, values, pool, "isin", |place, is_nan| i64::from(!is_nan && !place.is_empty()))?;
    apply(Op::Cast(DType::Bool), &[&places], pool)
}

fn looked_up(
    table: &Block,
    values: &Block,
    pool: &Pool,
    op: &'static str,
    of: impl Fn(Range<usize>, bool) -> i64,
) -> Result<Block> {
    if table.ndim() != 1 {
        return Err(KernelError::WrongRank { op, expected: "a sorted row", n_axes: table.ndim() });
    }
    let common = promote(table.dtype(), values.dtype())?;
    let cast = |block: &Block| {
        let cast = if block.dtype() == common { block.clone() } else { apply(Op::Cast(common), &[block], pool)? };
        cast.to_contiguous(pool)
    };
    let (table, values) = (cast(table)?, cast(values)?);
    let mut buffer = pool.buffer(values.len() * 8)?;
    let out = &mut buffer.as_mut_slice::<i64>()[..values.len()];
    with_ordered!(common, T => {
        let keys: Vec<_> = elements::<T>(&table).iter().map(|value| value.value_key()).collect();
        for (out, value) in out.iter_mut().zip(elements::<T>(&values)) {
            let key = value.value_key();
            let start = keys.partition_point(|other| *other < key);
            // Most values stand once.
            let end = start + keys[start..].partition_point(|other| *other <= key);
            *out = of(start..end, value.is_missing());
        }
    });
    Ok(Block::contiguous(DType::I64, values.shape(), buffer.freeze()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_counted_and_weighed() {
        let pool = Pool::new(0);
        let block = Block::from_vec(&[5], vec![1_i16, 3, 1, 0, 1]).unwrap();
        assert_eq!(bincount(&block, None, 0, &pool).unwrap().to_vec::<i64>().unwrap(), [1, 3, 0, 1]);
        assert_eq!(bincount(&block, None, 6, &pool).unwrap().to_vec::<i64>().unwrap(), [1, 3, 0, 1, 0, 0]);
        let weights = Block::from_vec(&[5], vec![0.5_f32, 1.0, 2.0, 4.0, 8.0]).unwrap();
        let sums = bincount(&block, Some(&weights), 0, &pool).unwrap();
        assert_eq!(sums.to_vec::<f64>().unwrap(), [4.0, 10.5, 0.0, 1.0]);
        let rows = [bincount(&block, None, 0, &pool).unwrap(), bincount(&block, None, 5, &pool).unwrap()];
        assert_eq!(sum_rows(&rows, &pool).unwrap().to_vec::<i64>().unwrap(), [2, 6, 0, 2, 0]);
        let negative = Block::from_vec(&[1], vec![-1_i64]).unwrap();
        assert!(matches!(bincount(&negative, None, 0, &pool), Err(KernelError::Parameter { .. })));
        assert!(matches!(bincount(&weights, None, 0, &pool), Err(KernelError::UnsupportedDType { .. })));
        let one = Block::from_vec(&[1], vec![1.0]).unwrap();
        assert!(matches!(bincount(&block, Some(&one), 0, &pool), Err(KernelError::ShapeMismatch { .. })));
        assert_eq!(bincount(&block.region(&[0], &[0]).unwrap(), None, 0, &pool).unwrap().shape(), [0]);
    }

    #[test]
    fn tables_grow_with_the_integers() {
        // Short tables first, then a long one, and short integers again.
        let places: Vec<i64> = (0..60_000).map(|i| if i < 30_000 { i % 700 } else { (i * i) % 9001 }).collect();
        let mut expected = vec![0_i64; 9001];
        places.iter().for_each(|place| expected[*place as usize] += 1);
        let block = Block::from_vec(&[60_000], places).unwrap();
        let mut counted = bincount(&block, None, 0, &Pool::new(0)).unwrap().to_vec::<i64>().unwrap();
        counted.resize(9001, 0);
        assert_eq!(counted, expected);
        let far = Block::from_vec(&[2], vec![0, i64::MAX]).unwrap();
        assert!(matches!(bincount(&far, None, 0, &Pool::new(0)), Err(KernelError::OutOfMemory { .. })));
        let bounded = Pool::bounded(0, 1 << 20);
        let near = Block::from_vec(&[2], vec![1_i64, 1 << 18]).unwrap();
        let weights = Block::full(&[2], crate::Scalar::F64(0.5));
        for weights in [None, Some(&weights)] {
            assert!(matches!(bincount(&near, weights, 0, &bounded), Err(KernelError::OverLimit { .. })));
        }
    }

    #[test]
    fn values_are_found_on_both_sides() {
        let pool = Pool::new(0);
        let table = Block::from_vec(&[4], vec![-1_i32, 2, 2, 5]).unwrap();
        let values = Block::from_vec(&[2, 3], vec![-2.0, 2.0, 2.5, 5.0, 9.0, f64::NAN]).unwrap();
        let of = |side| searchsorted(&table, &values, side, &pool).unwrap().to_vec::<i64>().unwrap();
        assert_eq!((of(Side::Left), of(Side::Right)), (vec![0, 1, 3, 3, 4, 4], vec![0, 3, 3, 4, 4, 4]));
        let found = contains(&table, &values, &pool).unwrap();
        assert_eq!(
            (found.shape(), found.to_vec::<bool>().unwrap()),
            (&[2, 3][..], vec![false, true, false, true, false, false])
        );
        let nan = Block::from_vec(&[2], vec![-0.0, f64::NAN]).unwrap();
        let zero = Block::from_vec(&[2], vec![0.0, f64::NAN]).unwrap();
        assert_eq!(contains(&nan, &zero, &pool).unwrap().to_vec::<bool>().unwrap(), [true, false]);
        assert!(matches!(searchsorted(&values, &table, Side::Left, &pool), Err(KernelError::WrongRank { .. })));
    }
}
