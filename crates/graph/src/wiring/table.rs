//! Irregular wiring, as lists in both directions.

use super::WiringError;

/// Lists of inputs, and the same relation seen from the other side.
///
/// Takes 8 bytes for each edge and 4 for each task of either stage; nothing for upstream partitions that nobody reads where
/// these are nearly all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    n_up: u32,
    input_ends: Box<[u32]>,
    inputs: Box<[u32]>,
    /// The partitions that have an end, in ascending order, where these are few; otherwise all have one.
    read: Option<Box<[u32]>>,
    consumer_ends: Box<[u32]>,
    consumers: Box<[u32]>,
}

/// With as many upstream partitions for each edge, and beyond `N_UP_DENSE`, only those that are read have an end. A few bytes
/// that come from elsewhere can so not ask for gigabytes.
const N_UP_PER_EDGE_DENSE: usize = 64;
const N_UP_DENSE: usize = 1 << 16;

impl Table {
    /// A table in which task `p` reads the upstream partitions in the `p`-th of `lists`, in the order of that list.
    ///
    /// # Errors
    /// [`WiringError::NoSuchPartition`] and [`WiringError::Repeated`] if a list names a partition that does not exist, or
    /// one twice; [`WiringError::TooLarge`].
    pub fn new<L>(n_up: u32, lists: impl IntoIterator<Item = L>) -> Result<Self, WiringError>
    where
        L: IntoIterator<Item = u32>,
    {
        let mut inputs = Vec::new();
        let mut input_ends = Vec::new();
        for list in lists {
            inputs.extend(list);
            input_ends.push(u32::try_from(inputs.len()).map_err(|_| WiringError::TooLarge)?);
        }
        Self::from_parts(n_up, input_ends, inputs)
    }

    /// A table of lists that are already one behind the other in `inputs`; the `p`-th ends before `input_ends[p]`.
    ///
    /// # Errors
    /// As [`Table::new`]; also [`WiringError::TooLarge`] if the ends do not divide `inputs`.
    pub fn from_parts(n_up: u32, input_ends: Vec<u32>, inputs: Vec<u32>) -> Result<Self, WiringError> {
        let n_edges = u32::try_from(inputs.len()).map_err(|_| WiringError::TooLarge)?;
        u32::try_from(input_ends.len()).map_err(|_| WiringError::TooLarge)?;
        if !input_ends.is_sorted() || input_ends.last().copied().unwrap_or(0) != n_edges {
            return Err(WiringError::TooLarge);
        }
        let is_dense = n_up as usize <= inputs.len().saturating_mul(N_UP_PER_EDGE_DENSE).max(N_UP_DENSE);
        let (read, consumer_ends, consumers) = match is_dense {
            true => {
                let (ends, consumers) = consumers_of_all(n_up, &input_ends, &inputs)?;
                (None, ends, consumers)
            }
            false => {
                let (read, ends, consumers) = consumers_of_few(n_up, &input_ends, &inputs)?;
                (Some(read.into()), ends, consumers)
            }
        };
        Ok(Self {
            n_up,
            input_ends: input_ends.into(),
            inputs: inputs.into(),
            read,
            consumer_ends: consumer_ends.into(),
            consumers: consumers.into(),
        })
    }

    /// The number of upstream partitions.
    #[must_use]
    pub fn n_up(&self) -> u32 {
        self.n_up
    }

    /// The number of reading tasks.
    #[must_use]
    pub fn n_down(&self) -> u32 {
        u32::try_from(self.input_ends.len()).expect("checked when the table was made")
    }

    /// The number of pairs of a task and a partition it reads.
    #[must_use]
    pub fn n_edges(&self) -> u32 {
        u32::try_from(self.inputs.len()).expect("checked when the table was made")
    }

    /// The partitions that task `p` reads, in the order in which it gets them.
    #[must_use]
    pub fn inputs(&self, p: u32) -> &[u32] {
        list(&self.input_ends, &self.inputs, p)
    }

    /// The tasks that read partition `q`, in ascending order.
    #[must_use]
    pub fn consumers(&self, q: u32) -> &[u32] {
        let idx = match &self.read {
            None => q,
            Some(read) => match read.binary_search(&q) {
                Ok(idx) => u32::try_from(idx).expect("no more than there are edges"),
                Err(_) => return &[],
            },
        };
        list(&self.consumer_ends, &self.consumers, idx)
    }

    /// Whether every task reads only partitions smaller than itself, so that a stage may read itself by this table.
    #[must_use]
    pub fn is_backward(&self) -> bool {
        (0..self.n_down()).all(|p| self.inputs(p).iter().all(|q| *q < p))
    }

    /// The ends and the lists from which [`Table::from_parts`] makes the same table.
    #[must_use]
    pub fn parts(&self) -> (&[u32], &[u32]) {
        (&self.input_ends, &self.inputs)
    }
}

/// For each upstream partition where its consumers end, and the consumers.
fn consumers_of_all(n_up: u32, input_ends: &[u32], inputs: &[u32]) -> Result<(Vec<u32>, Vec<u32>), WiringError> {
    let mut consumer_ends = vec![0_u32; n_up as usize];
    check_lists(n_up, input_ends, inputs, &mut consumer_ends)?;
    // Counting sort by the upstream partition: counts become starts, starts become ends while the list is filled.
    let mut start = 0;
    for count in &mut consumer_ends {
        start += std::mem::replace(count, start);
    }
    let mut consumers = vec![0_u32; inputs.len()];
    let mut first = 0;
    for (task, end) in (0_u32..).zip(input_ends) {
        for partition in &inputs[first as usize..*end as usize] {
            let next = &mut consumer_ends[*partition as usize];
            consumers[*next as usize] = task;
            *next += 1;
        }
        first = *end;
    }
    Ok((consumer_ends, consumers))
}

/// The upstream partitions that have consumers, where the consumers of each end, and the consumers.
type Few = (Vec<u32>, Vec<u32>, Vec<u32>);

fn consumers_of_few(n_up: u32, input_ends: &[u32], inputs: &[u32]) -> Result<Few, WiringError> {
    let mut edges: Vec<(u32, u32)> = Vec::with_capacity(inputs.len());
    let mut first = 0;
    for (task, end) in (0_u32..).zip(input_ends) {
        edges.extend(inputs[first as usize..*end as usize].iter().map(|partition| (*partition, task)));
        first = *end;
    }
    edges.sort_unstable();
    if let Some((partition, _)) = edges.last().filter(|(partition, _)| *partition >= n_up) {
        return Err(WiringError::NoSuchPartition { partition: *partition, n_up });
    }
    if let Some((partition, task)) = edges.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0]) {
        return Err(WiringError::Repeated { task, partition });
    }
    let (mut read, mut ends, mut end) = (Vec::new(), Vec::new(), 0);
    for of_one in edges.chunk_by(|a, b| a.0 == b.0) {
        end += u32::try_from(of_one.len()).map_err(|_| WiringError::TooLarge)?;
        read.push(of_one[0].0);
        ends.push(end);
    }
    Ok((read, ends, edges.into_iter().map(|(_, task)| task).collect()))
}

/// Checks every list, and counts how often each partition is named.
fn check_lists(n_up: u32, ends: &[u32], inputs: &[u32], counts: &mut [u32]) -> Result<(), WiringError> {
    // The last task that named a partition, so that a repetition is seen without sorting.
    let mut last_task = vec![u32::MAX; n_up as usize];
    let mut first = 0;
    for (task, end) in (0_u32..).zip(ends) {
        for partition in &inputs[first as usize..*end as usize] {
            let Some(last) = last_task.get_mut(*partition as usize) else {
                return Err(WiringError::NoSuchPartition { partition: *partition, n_up });
            };
            if std::mem::replace(last, task) == task {
                return Err(WiringError::Repeated { task, partition: *partition });
            }
            counts[*partition as usize] += 1;
        }
        first = *end;
    }
    Ok(())
}

fn list<'a>(ends: &[u32], items: &'a [u32], idx: u32) -> &'a [u32] {
    let idx = idx as usize;
    let start = if idx == 0 { 0 } else { ends[idx - 1] };
    &items[start as usize..ends[idx] as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_kept_in_order_and_inverted() {
        let table = Table::new(3, [vec![2, 0], vec![], vec![2]]).unwrap();
        assert_eq!(table.inputs(0), [2, 0]);
        assert_eq!(table.inputs(1), []);
        assert_eq!(table.consumers(2), [0, 2]);
        assert_eq!(table.consumers(1), []);
        assert_eq!((table.n_up(), table.n_down(), table.n_edges()), (3, 3, 3));
        assert!(!table.is_backward());
        assert!(Table::new(3, [vec![], vec![0], vec![1, 0]]).unwrap().is_backward());
    }

    #[test]
    fn impossible_lists_are_refused() {
        assert_eq!(Table::new(2, [[2]]), Err(WiringError::NoSuchPartition { partition: 2, n_up: 2 }));
        assert_eq!(Table::new(2, [[1, 1]]), Err(WiringError::Repeated { task: 0, partition: 1 }));
        assert_eq!(Table::from_parts(2, vec![2, 1], vec![0]), Err(WiringError::TooLarge));
    }

    #[test]
    fn a_few_partitions_of_a_huge_stage_take_no_room_for_the_others() {
        let lists = [vec![4_000_000_000, 7], vec![], vec![7, u32::MAX - 1], vec![7]];
        let table = Table::new(u32::MAX, lists).unwrap();
        assert_eq!((table.n_up(), table.n_down(), table.n_edges()), (u32::MAX, 4, 5));
        assert_eq!(table.consumers(7), [0, 2, 3]);
        assert_eq!((table.consumers(4_000_000_000), table.consumers(u32::MAX - 1)), (&[0][..], &[2][..]));
        assert!(table.consumers(8).is_empty() && table.consumers(0).is_empty());
        assert_eq!(table.inputs(2), [7, u32::MAX - 1]);
        let (ends, inputs) = table.parts();
        assert_eq!(Table::from_parts(u32::MAX, ends.to_vec(), inputs.to_vec()).unwrap(), table);
        let none = WiringError::NoSuchPartition { partition: 90_000, n_up: 80_000 };
        assert_eq!(Table::new(80_000, [vec![90_000]]), Err(none));
        let twice = WiringError::Repeated { task: 1, partition: 5 };
        assert_eq!(Table::new(80_000, [vec![5], vec![5, 5]]), Err(twice));
    }
}
