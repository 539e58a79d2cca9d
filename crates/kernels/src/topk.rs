//! The largest elements along an axis.

use crate::element::with_lane;
use crate::lanes::fold::{FoldLane, Time};
use crate::order::{back, elements, rows};
use crate::{Block, Pool, Result};

/// The `k` largest elements along `axis`, the largest first, or for negative `k` the `-k` smallest, the smallest first; all
/// of them if there are fewer. NaN is larger than any number. Of several blocks, put their results side by side and take
/// the largest again.
///
/// # Errors
/// [`Axis`](crate::KernelError::Axis), [`OutOfMemory`](crate::KernelError::OutOfMemory).
pub fn topk(block: &Block, k: i64, axis: usize, pool: &Pool) -> Result<Block> {
    block.check_axis("topk", axis)?;
    if block.dtype().is_time() {
        return largest::<Time>(block, k, axis, pool);
    }
    with_lane!(block.dtype(), T => largest::<T>(block, k, axis, pool))
}

fn largest<T: FoldLane>(block: &Block, k: i64, axis: usize, pool: &Pool) -> Result<Block> {
    let rows = rows(block, axis, pool)?;
    let len = block.shape()[axis];
    let kept = usize::try_from(k.unsigned_abs()).unwrap_or(usize::MAX).min(len);
    let mut shape: crate::Shape = rows.shape().into();
    let n_rows: usize = shape[..shape.len() - 1].iter().product();
    *shape.last_mut().unwrap_or(&mut 0) = kept;
    let mut buffer = pool.buffer(n_rows * kept * size_of::<T>())?;
    let compare = |a: &T, b: &T| {
        use std::cmp::Ordering::{Equal, Greater, Less};
        let ascending = match (a.is_nan(), b.is_nan()) {
            (true, true) => Equal,
            (true, false) => Greater,
            (false, true) => Less,
            _ if a.less(*b) => Less,
            _ if b.less(*a) => Greater,
            _ => Equal,
        };
        if k < 0 { ascending } else { ascending.reverse() }
    };
    if kept > 0 {
        let mut row = Vec::with_capacity(len);
        let out = buffer.as_mut_slice::<T>();
        for (elements, out) in elements::<T>(&rows).chunks_exact(len).zip(out.chunks_exact_mut(kept)) {
            row.clear();
            row.extend_from_slice(elements);
            if kept < len {
                row.select_nth_unstable_by(kept - 1, compare);
            }
            row[..kept].sort_unstable_by(compare);
            out.copy_from_slice(&row[..kept]);
        }
    }
    back(&Block::contiguous(block.dtype(), &shape, buffer.freeze()), axis)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::KernelError;

    #[test]
    fn the_largest_come_first() {
        let pool = Pool::new(0);
        let block = Block::from_vec(&[2, 4], vec![3.0, f64::NAN, 1.0, 2.0, 5.0, 8.0, 7.0, 6.0]).unwrap();
        let top = topk(&block, 2, 1, &pool).unwrap();
        let values = top.to_vec::<f64>().unwrap();
        assert_eq!((top.shape(), values[0].is_nan(), &values[1..]), (&[2, 2][..], true, &[3.0, 8.0, 7.0][..]));
        assert_eq!(topk(&block, -1, 1, &pool).unwrap().to_vec::<f64>().unwrap(), [1.0, 5.0]);
        let columns = topk(&block.region(&[0, 2], &[2, 2]).unwrap(), 5, 0, &pool).unwrap();
        assert_eq!((columns.shape(), columns.to_vec::<f64>().unwrap()), (&[2, 2][..], vec![7.0, 6.0, 1.0, 2.0]));
        assert_eq!(topk(&block, 0, 1, &pool).unwrap().shape(), [2, 0]);
        assert!(matches!(topk(&block, 1, 2, &pool), Err(KernelError::Axis { .. })));
    }
}
