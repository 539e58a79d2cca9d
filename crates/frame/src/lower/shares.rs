//! Who reads which pieces: decided when a stage starts, by the bytes that are there.
//!
//! ```text
//!   pieces    ▏▏ ▏ ████████████ ▏▏▏ ▏        planned: a task for each
//!   tasks     └──┘ └──┘└──┘└──┘ └───┘        small pieces together, the rows of a large one divided
//! ```
//!
//! All rows of a key are in one piece, so pieces that one task reads together are as good as one. The rows of one piece can be
//! divided only where each of them is looked at by itself: on the side of a join whose rows meet all rows of the other side,
//! which every task then reads.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use datafusion::physical_plan::recursive_query::RecursiveQueryExec;
use datafusion::physical_plan::union::UnionExec;
use datafusion::physical_plan::{Distribution, ExecutionPlan, ExecutionPlanProperties};

use super::adaptive_join::AdaptiveJoinExec;
use super::read::{ReadExec, Reads};
use super::remote::tells_others;

/// Shares for each thread, as far as there are pieces: threads that are done early find work.
const SHARES_PER_THREAD: usize = 4;

/// Less than this is not worth a task.
const SHARE_MIN: usize = 64 << 10;

/// A piece so many times larger than a share is divided.
const SKEW: usize = 2;

/// The shares of the tasks of one stage.
#[derive(Debug)]
pub(super) struct Shares {
    n_pieces: usize,
    threads: usize,
    /// The bytes of rows of which a join makes a table: pieces are put together up to them, and divided where the other
    /// side has no more.
    table_bytes_max: usize,
    /// Whether the rows of pieces have an order, which those of several would not have.
    is_ordered: bool,
    /// The stages whose rows can be divided.
    dividable: Vec<Arc<str>>,
    shares: OnceLock<Vec<Share>>,
}

/// What one task reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Share {
    pub(super) pieces: Range<usize>,
    bytes: usize,
    part: Option<Part>,
}

/// A part of the rows that come from one stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    from: Arc<str>,
    part: usize,
    n_parts: usize,
}

impl Part {
    /// The first of `n` blocks.
    pub(super) fn start(&self, n: usize) -> usize {
        self.part * n / self.n_parts
    }

    /// The block after the last of `n`.
    pub(super) fn end(&self, n: usize) -> usize {
        (self.part + 1) * n / self.n_parts
    }
}

impl Share {
    /// The part of the rows of a stage, if it is not all of them.
    pub(super) fn part_of(&self, from: &str) -> Option<&Part> {
        self.part.as_ref().filter(|part| part.from.as_ref() == from)
    }
}

/// What a stage has left for one piece.
struct Size {
    from: Arc<str>,
    bytes: usize,
}

impl Shares {
    /// Of the tasks of `plan`; `None` if they cannot read other pieces than their own.
    pub(super) fn of(plan: &Arc<dyn ExecutionPlan>, threads: usize, table_bytes_max: usize) -> Option<Self> {
        let n_pieces = plan.output_partitioning().partition_count();
        if n_pieces < 2 || !is_by_pieces(plan) {
            return None;
        }
        let mut dividable = Vec::new();
        if threads > 1 {
            add_dividable(plan, &mut dividable);
        }
        let is_ordered = reads_in_order(plan);
        Some(Self { n_pieces, threads, table_bytes_max, is_ordered, dividable, shares: OnceLock::new() })
    }

    /// The tasks of the stage, of which some may have nothing to do.
    pub(super) fn n_tasks(&self) -> usize {
        if self.dividable.is_empty() { self.n_pieces } else { self.n_pieces + 2 * (self.threads - 1) }
    }

    /// What a task reads; `None` if there is nothing for it, or nothing is decided.
    pub(super) fn get(&self, task: usize) -> Option<&Share> {
        self.shares.get()?.get(task)
    }

    /// Decides, if that was not done before: what `reads` have to read is there.
    pub(super) fn decide<'a, I: Iterator<Item = &'a Arc<ReadExec>>>(&self, reads: impl Fn() -> I) {
        self.shares.get_or_init(|| {
            let size = |read: &Arc<ReadExec>, piece| Size {
                from: Arc::clone(read.from()),
                bytes: read.piece_bytes(piece).unwrap_or(0),
            };
            let pieces = |piece| reads().filter(|read| read.reads() == Reads::Piece).map(move |read| size(read, piece));
            self.divide(|piece| pieces(piece).collect())
        });
    }

    fn divide(&self, sizes: impl Fn(usize) -> Vec<Size>) -> Vec<Share> {
        let sizes: Vec<Vec<Size>> = (0..self.n_pieces).map(sizes).collect();
        let bytes_of = |piece: usize| sizes[piece].iter().map(|size| size.bytes).sum::<usize>();
        let all: usize = (0..self.n_pieces).map(bytes_of).sum();
        let wanted =
            (all / (SHARES_PER_THREAD * self.threads.max(1))).clamp(SHARE_MIN, self.table_bytes_max.max(SHARE_MIN));
        let mut shares: Vec<Share> = Vec::new();
        let mut open: Option<Share> = None;
        for (piece, sizes) in sizes.iter().enumerate() {
            let bytes = bytes_of(piece);
            if let Some(share) = &mut open {
                if share.bytes + bytes <= wanted && !self.is_ordered {
                    share.pieces.end = piece + 1;
                    share.bytes += bytes;
                    continue;
                }
                shares.extend(open.take());
            }
            let n_left = self.n_tasks().saturating_sub(shares.len() + (self.n_pieces - piece - 1));
            let share = Share { pieces: piece..piece + 1, bytes, part: None };
            match self.parts(sizes, bytes, wanted, n_left) {
                Some((from, n_parts)) => shares.extend((0..n_parts).map(|part| Share {
                    bytes: bytes / n_parts,
                    part: Some(Part { from: Arc::clone(from), part, n_parts }),
                    ..share.clone()
                })),
                None => open = Some(share),
            }
        }
        shares.extend(open);
        // Who begins with the most work is not waited for at the end.
        shares.sort_by_key(|share| std::cmp::Reverse(share.bytes));
        shares
    }

    /// The stage whose rows of a piece are divided, and among how many tasks.
    fn parts<'a>(
        &self,
        sizes: &'a [Size],
        bytes: usize,
        wanted: usize,
        n_left: usize,
    ) -> Option<(&'a Arc<str>, usize)> {
        let dividable = sizes.iter().filter(|size| self.dividable.contains(&size.from));
        let largest = dividable.max_by_key(|size| size.bytes)?;
        let is_skewed = largest.bytes > SKEW * wanted && bytes - largest.bytes <= self.table_bytes_max;
        let n_parts = largest.bytes.div_ceil(wanted.max(1)).min(self.threads).min(n_left);
        (is_skewed && n_parts > 1).then_some((&largest.from, n_parts))
    }
}

/// Whether the tasks of a plan read pieces and nothing else, each for itself.
fn is_by_pieces(plan: &Arc<dyn ExecutionPlan>) -> bool {
    if let Some(read) = plan.downcast_ref::<ReadExec>() {
        return read.reads() == Reads::Piece;
    }
    let children = plan.children();
    if children.is_empty() || plan.is::<UnionExec>() || plan.is::<RecursiveQueryExec>() || tells_others(plan) {
        return false;
    }
    let needs = plan.input_distribution_requirements();
    let is_whole = |i, child: &Arc<dyn ExecutionPlan>| {
        matches!(needs.child_distribution(i), Some(Distribution::SinglePartition))
            && child.output_partitioning().partition_count() == 1
    };
    children.into_iter().enumerate().all(|(i, child)| is_whole(i, child) || is_by_pieces(child))
}

/// Whether a plan counts on an order of the rows of a piece.
fn reads_in_order(plan: &Arc<dyn ExecutionPlan>) -> bool {
    match plan.is::<ReadExec>() {
        true => plan.output_ordering().is_some(),
        false => plan.children().into_iter().any(reads_in_order),
    }
}

/// Adds the stages whose rows `plan` looks at one by one.
fn add_dividable(plan: &Arc<dyn ExecutionPlan>, found: &mut Vec<Arc<str>>) {
    if let Some(read) = plan.downcast_ref::<ReadExec>() {
        found.push(Arc::clone(read.from()));
    } else if let Some(join) = plan.downcast_ref::<AdaptiveJoinExec>() {
        join.dividable_sides().into_iter().for_each(|side| add_dividable(side, found));
    } else if let Some(child) = row_by_row(plan) {
        add_dividable(child, found);
    }
}

/// The only input of an operator that does not ask which rows come to which of its partitions.
pub(super) fn row_by_row(plan: &Arc<dyn ExecutionPlan>) -> Option<&Arc<dyn ExecutionPlan>> {
    let needs = plan.input_distribution_requirements();
    match plan.children().as_slice() {
        [child] if matches!(needs.child_distribution(0), Some(Distribution::UnspecifiedDistribution)) => Some(child),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(n_pieces: usize, threads: usize, dividable: &[&str]) -> Shares {
        let dividable = dividable.iter().map(|&from| Arc::from(from)).collect();
        let (is_ordered, shares) = (false, OnceLock::new());
        Shares { n_pieces, threads, table_bytes_max: 100 << 20, is_ordered, dividable, shares }
    }

    /// Pieces, and of a divided one the stage, the number of the part and how many there are.
    type Read = (Range<usize>, Option<(String, usize, usize)>);

    fn divided(shares: &Shares, mib: &[(usize, usize)]) -> Vec<Read> {
        let size = |from: &str, mib: usize| Size { from: Arc::from(from), bytes: mib << 20 };
        let divided = shares.divide(|piece| vec![size("a", mib[piece].0), size("b", mib[piece].1)]);
        let part = |part: Part| (part.from.to_string(), part.part, part.n_parts);
        divided.into_iter().map(|share| (share.pieces, share.part.map(part))).collect()
    }

    #[test]
    fn equal_pieces_have_a_task_each() {
        let alone: Vec<_> = (0..8).map(|piece| (piece..piece + 1, None)).collect();
        assert_eq!(divided(&shares(8, 2, &["a", "b"]), &[(5, 5); 8]), alone);
    }

    #[test]
    fn small_pieces_are_read_together() {
        let sizes: Vec<(usize, usize)> = (0..256).map(|_| (1, 0)).collect();
        let read = divided(&shares(256, 2, &[]), &sizes);
        assert_eq!(read.len(), 8);
        assert!(read.iter().all(|(pieces, part)| pieces.len() == 32 && part.is_none()), "{read:?}");
        assert_eq!(divided(&shares(256, 2, &[]), &[(0, 0); 256]), [(0..256, None)]);
        let ordered = Shares { is_ordered: true, ..shares(256, 2, &[]) };
        assert_eq!(divided(&ordered, &sizes).len(), 256);
        // No more together than a table may have.
        let sizes: Vec<(usize, usize)> = (0..256).map(|_| (50, 0)).collect();
        assert_eq!(divided(&shares(256, 2, &[]), &sizes).len(), 128);
    }

    #[test]
    fn every_piece_is_read_once_and_a_large_one_in_parts() {
        let sizes = [(1, 2), (1, 3), (2, 90), (0, 0), (1, 1), (9, 1), (0, 1), (1, 1)];
        for threads in [2, 3, 4] {
            let shares = shares(8, threads, &["b"]);
            let read = divided(&shares, &sizes);
            assert!(read.len() <= shares.n_tasks(), "{read:?}");
            let parts: Vec<_> = read.iter().filter(|(pieces, _)| *pieces == (2..3)).collect();
            assert_eq!(parts.len(), threads, "{read:?}");
            let mut pieces: Vec<usize> = read.iter().flat_map(|(pieces, _)| pieces.clone()).collect();
            pieces.sort_unstable();
            pieces.dedup();
            assert_eq!(pieces, (0..8).collect::<Vec<_>>());
            assert_eq!(read.iter().filter(|(pieces, part)| pieces.contains(&2) && part.is_none()).count(), 0);
        }
    }

    #[test]
    fn rows_are_divided_only_where_each_is_looked_at_alone() {
        let sizes = [(1, 2), (1, 3), (2, 90), (0, 0), (1, 1), (9, 1), (0, 1), (1, 1)];
        for dividable in [&["a"] as &[&str], &[]] {
            assert!(divided(&shares(8, 2, dividable), &sizes).iter().all(|(_, part)| part.is_none()));
        }
        // Every task would read the other side, and make a table of it.
        let sizes = [(200, 900), (1, 1), (1, 1), (1, 1)];
        assert!(divided(&shares(4, 2, &["b"]), &sizes).iter().all(|(_, part)| part.is_none()));
    }

    #[test]
    fn the_parts_of_a_piece_are_all_of_it() {
        for n in [0, 1, 5, 64] {
            for n_parts in [2, 3, 7] {
                let part = |part| Part { from: Arc::from("a"), part, n_parts };
                let ranges: Vec<_> = (0..n_parts).map(|i| part(i).start(n)..part(i).end(n)).collect();
                assert_eq!(ranges.into_iter().flatten().collect::<Vec<_>>(), (0..n).collect::<Vec<_>>());
            }
        }
    }
}
