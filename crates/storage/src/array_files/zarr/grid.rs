//! The regular grid of an array's chunks.

use crate::array_files::region::Region;

/// An array cut into chunks of one shape. Chunks at its ends may reach beyond it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Grid<'a> {
    shape: &'a [u64],
    chunks: &'a [u64],
}

impl<'a> Grid<'a> {
    /// The grid of an array of `shape` in chunks of shape `chunks`, which have at least one element.
    pub(crate) fn new(shape: &'a [u64], chunks: &'a [u64]) -> Self {
        Self { shape, chunks }
    }

    /// The number of chunks per axis.
    pub(crate) fn n_chunks(self) -> Vec<u64> {
        self.shape.iter().zip(self.chunks).map(|(size, chunk)| size.div_ceil(*chunk)).collect()
    }

    /// The chunk at `index`, as far as it lies inside of the array.
    pub(crate) fn region(self, index: &[u64]) -> Region {
        let start: Vec<u64> = index.iter().zip(self.chunks).map(|(at, chunk)| at * chunk).collect();
        let extent = |((start, chunk), size): ((&u64, &u64), &u64)| *chunk.min(&(size - start));
        let shape = start.iter().zip(self.chunks).zip(self.shape).map(extent).collect();
        Region::new(start, shape)
    }

    /// Which chunk, counted in C order.
    pub(crate) fn position(self, index: &[u64]) -> usize {
        let flat =
            index.iter().zip(self.n_chunks()).fold(0, |flat: u64, (at, n)| flat.saturating_mul(n).saturating_add(*at));
        usize::try_from(flat).unwrap_or(usize::MAX)
    }

    /// The indices of the chunks that hold elements of `region`, in C order. Found one by one: there may be very many.
    pub(crate) fn touched(self, region: &Region) -> Touched {
        if region.is_empty() {
            return Touched { first: Vec::new(), last: Vec::new(), next: None };
        }
        let first: Vec<u64> = region.start().iter().zip(self.chunks).map(|(start, chunk)| start / chunk).collect();
        let ends = region.start().iter().zip(region.shape());
        let last = ends.zip(self.chunks).map(|((start, extent), chunk)| (start + extent - 1) / chunk).collect();
        Touched { next: Some(first.clone()), first, last }
    }
}

/// Indices of chunks, in C order.
#[derive(Debug)]
pub(crate) struct Touched {
    first: Vec<u64>,
    last: Vec<u64>,
    next: Option<Vec<u64>>,
}

impl Iterator for Touched {
    type Item = Vec<u64>;

    fn next(&mut self) -> Option<Vec<u64>> {
        let index = self.next.take()?;
        if let Some(axis) = (0..index.len()).rev().find(|&axis| index[axis] < self.last[axis]) {
            let mut next = index.clone();
            next[axis] += 1;
            next[axis + 1..].copy_from_slice(&self.first[axis + 1..]);
            self.next = Some(next);
        }
        Some(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_of_a_region() {
        let grid = Grid::new(&[10, 7], &[4, 3]);
        assert_eq!(grid.n_chunks(), [3, 3]);
        assert_eq!(grid.region(&[2, 2]), Region::new(vec![8, 6], vec![2, 1]));
        assert_eq!((grid.position(&[0, 2]), grid.position(&[2, 1])), (2, 7));
        let touched = |start: [u64; 2], shape: [u64; 2]| -> Vec<Vec<u64>> {
            grid.touched(&Region::new(start.to_vec(), shape.to_vec())).collect()
        };
        assert_eq!(touched([3, 3], [2, 4]), [[0, 1], [0, 2], [1, 1], [1, 2]]);
        assert_eq!(touched([4, 0], [4, 1]), [[1, 0]]);
        assert_eq!(touched([4, 0], [0, 1]), Vec::<Vec<u64>>::new());
        assert_eq!(Grid::new(&[], &[]).touched(&Region::whole(&[])).collect::<Vec<_>>(), [Vec::<u64>::new()]);
    }
}
