//! Which bytes of a file hold a region of an array that lies there in C order, and how they are best asked for.

use std::ops::Range;

use crate::array_files::region::Region;

/// The runs of bytes that hold a region, in the order of the file, which is also that of the region in C order.
/// All runs have the same length.
#[derive(Debug, Clone)]
pub(crate) struct Runs {
    run_bytes: u64,
    /// Extents of the region and steps in the file, of the axes outside of a run.
    outer: Vec<(u64, u64)>,
    position: Vec<u64>,
    /// Where the next run starts; `None` behind the last.
    next: Option<u64>,
}

impl Runs {
    /// The runs of `region`, which must lie inside of an array of `shape` whose bytes can be counted.
    pub(crate) fn new(shape: &[u64], region: &Region, size_bytes: usize) -> Self {
        let mut step = size_bytes as u64;
        let mut start = 0;
        let mut steps = vec![0; shape.len()];
        for axis in (0..shape.len()).rev() {
            steps[axis] = step;
            start += region.start()[axis] * step;
            step = step.saturating_mul(shape[axis]);
        }
        // The innermost axes that are taken as a whole, and one more, make a run.
        let extents = region.shape();
        let n_whole = (0..shape.len()).rev().take_while(|&axis| extents[axis] == shape[axis]).count();
        let first_inner = (shape.len() - n_whole).saturating_sub(1);
        let run_bytes = extents[first_inner..].iter().product::<u64>() * size_bytes as u64;
        let outer: Vec<_> = extents[..first_inner].iter().copied().zip(steps).collect();
        let position = vec![0; first_inner];
        Self { run_bytes, outer, position, next: (!region.is_empty()).then_some(start) }
    }

    /// The bytes of each run.
    pub(crate) fn run_bytes(&self) -> usize {
        // The region is in memory, or will be.
        usize::try_from(self.run_bytes).unwrap_or(usize::MAX)
    }

    fn advance(&self, position: &mut [u64], at: u64) -> Option<u64> {
        let mut at = at;
        for (axis, &(extent, step)) in self.outer.iter().enumerate().rev() {
            position[axis] += 1;
            at += step;
            if position[axis] < extent {
                return Some(at);
            }
            position[axis] = 0;
            at -= step * extent;
        }
        None
    }

    /// Groups runs into fetches: of at most `fetch_bytes_max` bytes, and across at most `gap_bytes_max` bytes that nobody
    /// wants. Longer runs are fetched in pieces.
    pub(crate) fn fetches(self, fetch_bytes_max: u64, gap_bytes_max: u64) -> Fetches {
        Fetches { run_bytes: self.run_bytes, runs: self.peekable(), to: 0, piece_at: 0, fetch_bytes_max, gap_bytes_max }
    }
}

/// Where each run starts.
impl Iterator for Runs {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        let at = self.next?;
        let mut position = std::mem::take(&mut self.position);
        self.next = self.advance(&mut position, at);
        self.position = position;
        Some(at)
    }
}

/// Bytes of a file that are asked for at once.
#[derive(Debug)]
pub(crate) struct Fetch {
    /// The bytes of the file, from the first byte of the array on.
    pub(crate) range: Range<u64>,
    /// Where what is wanted of them goes in the region.
    pub(crate) to: Range<usize>,
    /// Where what is wanted of them starts, run by run; one run is the whole.
    runs: Vec<u64>,
    run_bytes: usize,
}

impl Fetch {
    /// Whether all bytes are wanted, in one piece.
    pub(crate) fn is_one_run(&self) -> bool {
        self.runs.len() == 1
    }

    /// Takes what is wanted out of the `fetched` bytes; `to` is the part of the region that it goes to.
    pub(crate) fn scatter(&self, fetched: &[u8], to: &mut [u8]) {
        if self.is_one_run() {
            return to.copy_from_slice(fetched);
        }
        for (run, to) in self.runs.iter().zip(to.chunks_exact_mut(self.run_bytes)) {
            let at = usize::try_from(run - self.range.start).unwrap_or(usize::MAX);
            to.copy_from_slice(&fetched[at..at + self.run_bytes]);
        }
    }
}

/// The fetches of a region, in order.
#[derive(Debug)]
pub(crate) struct Fetches {
    run_bytes: u64,
    runs: std::iter::Peekable<Runs>,
    /// Where the next fetch goes in the region.
    to: usize,
    /// How much of the next run is fetched already.
    piece_at: u64,
    fetch_bytes_max: u64,
    gap_bytes_max: u64,
}

impl Fetches {
    fn fetch(&mut self, range: Range<u64>, runs: Vec<u64>, run_bytes: u64) -> Fetch {
        // All of it goes into memory, so it can be counted there.
        let run_bytes = usize::try_from(run_bytes).unwrap_or(usize::MAX);
        let from = self.to;
        self.to += run_bytes * runs.len();
        Fetch { range, to: from..self.to, runs, run_bytes }
    }
}

/// How many runs one fetch has at most, so that their list stays small.
const N_RUNS_MAX: usize = 1 << 16;

impl Iterator for Fetches {
    type Item = Fetch;

    fn next(&mut self) -> Option<Fetch> {
        let first = *self.runs.peek()?;
        let run_bytes = self.run_bytes;
        if run_bytes > self.fetch_bytes_max {
            let start = first + self.piece_at;
            let n = (run_bytes - self.piece_at).min(self.fetch_bytes_max);
            self.piece_at += n;
            if self.piece_at == run_bytes {
                self.piece_at = 0;
                self.runs.next();
            }
            return Some(self.fetch(start..start + n, vec![start], n));
        }
        let mut runs = Vec::new();
        let mut range = first..first;
        while let Some(&run) = self.runs.peek() {
            let end = run + run_bytes;
            let is_near = run - range.end <= self.gap_bytes_max && end - range.start <= self.fetch_bytes_max;
            if !is_near || runs.len() >= N_RUNS_MAX {
                break;
            }
            range.end = end;
            runs.push(run);
            self.runs.next();
        }
        Some(self.fetch(range, runs, run_bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array_files::boxes::copy_box;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn fetches_bring_exactly_the_region(
            axes in prop::collection::vec((0u64..5, 0u64..3, 0u64..3), 0..4),
            fetch_bytes_max in 1u64..60,
            gap_bytes_max in 0u64..20,
        ) {
            let shape: Vec<u64> = axes.iter().map(|(extent, before, after)| before + extent + after).collect();
            let start = axes.iter().map(|axis| axis.1).collect();
            let region = Region::new(start, axes.iter().map(|axis| axis.0).collect());
            let n = shape.iter().product::<u64>();
            let file: Vec<u8> = (0..u16::try_from(n).unwrap()).flat_map(u16::to_le_bytes).collect();
            let n_wanted = region.shape().iter().product::<u64>() as usize * 2;

            let mut expected = vec![0; n_wanted];
            let origin = vec![0; shape.len()];
            copy_box((&file, &shape), &region, (&mut expected, region.shape()), &origin, 2);

            let mut got = vec![0xff; n_wanted];
            let mut end_before = 0;
            for fetch in Runs::new(&shape, &region, 2).fetches(fetch_bytes_max, gap_bytes_max) {
                prop_assert!(fetch.range.end - fetch.range.start <= fetch_bytes_max);
                prop_assert_eq!(fetch.to.start, end_before);
                end_before = fetch.to.end;
                let range = fetch.range.start as usize..fetch.range.end as usize;
                fetch.scatter(&file[range], &mut got[fetch.to.clone()]);
            }
            prop_assert_eq!(end_before, n_wanted);
            prop_assert_eq!(got, expected);
        }
    }

    fn ranges(shape: &[u64], region: &Region, fetch_bytes_max: u64, gap_bytes_max: u64) -> Vec<(u64, u64)> {
        Runs::new(shape, region, 8)
            .fetches(fetch_bytes_max, gap_bytes_max)
            .map(|fetch| (fetch.range.start, fetch.range.end))
            .collect()
    }

    #[test]
    fn rows_that_lie_together_are_fetched_together() {
        let rows = Region::new(vec![2, 0, 0], vec![2, 5, 4]);
        assert_eq!(ranges(&[9, 5, 4], &rows, 1000, 0), [(320, 640)]);
        let columns = Region::new(vec![0, 1], vec![3, 2]);
        assert_eq!(ranges(&[3, 4], &columns, 1000, 0), [(8, 24), (40, 56), (72, 88)]);
        assert_eq!(ranges(&[3, 4], &columns, 1000, 16), [(8, 88)]);
        assert_eq!(ranges(&[3, 4], &columns, 50, 16), [(8, 56), (72, 88)]);
        assert_eq!(ranges(&[3, 4], &Region::whole(&[3, 4]), 40, 0), [(0, 40), (40, 80), (80, 96)]);
    }
}
