//! Inputs and consumers are inverse relations, and counts equal enumeration, for every wiring.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

/// Asserts what [`Wiring`] promises, by asking both directions for every pair.
fn assert_is_relation(wiring: &Wiring, n_up: u32, n_down: u32) {
    wiring.check(n_up, n_down).unwrap();
    let mut by_inputs = BTreeSet::new();
    for p in 0..n_down {
        let mut n = 0;
        wiring.for_each_input(n_up, n_down, p, |q| {
            assert!(q < n_up, "{wiring:?}: task {p} reads {q} of {n_up}");
            assert!(by_inputs.insert((p, q)), "{wiring:?}: ({p}, {q}) twice");
            n += 1;
        });
        assert_eq!(wiring.n_inputs(n_up, n_down, p), n, "{wiring:?}: inputs of {p}");
    }
    let mut by_consumers = BTreeSet::new();
    for q in 0..n_up {
        let mut n = 0;
        wiring.for_each_consumer(n_up, n_down, q, |p| {
            assert!(by_consumers.insert((p, q)), "{wiring:?}: ({p}, {q}) twice");
            n += 1;
        });
        assert_eq!(wiring.n_consumers(n_up, n_down, q), n, "{wiring:?}: consumers of {q}");
    }
    assert_eq!(by_inputs, by_consumers, "{wiring:?}");
}

fn inputs(wiring: &Wiring, n_up: u32, n_down: u32, p: u32) -> Vec<u32> {
    let mut inputs = Vec::new();
    wiring.for_each_input(n_up, n_down, p, |q| inputs.push(q));
    inputs
}

fn blocks(up: &[u32], down: &[u32], axes: impl IntoIterator<Item = BlockAxis>) -> Wiring {
    Wiring::Blocks(Arc::new(Blocks::new(Grid::new(up).unwrap(), Grid::new(down).unwrap(), axes).unwrap()))
}

/// A map that fits axes of these numbers of blocks.
fn axis_map(n_up: u32, n_down: u32) -> impl Strategy<Value = AxisMap> {
    let ranges = prop::collection::vec((0..=n_up, 0..=n_up), n_down as usize).prop_map(|pairs| {
        let mut starts: Vec<u32> = pairs.iter().map(|(a, b)| *a.min(b)).collect();
        let mut ends: Vec<u32> = pairs.iter().map(|(a, b)| *a.max(b)).collect();
        starts.sort_unstable();
        ends.sort_unstable();
        AxisMap::Ranges(starts.into_iter().zip(ends).collect())
    });
    let lists = prop::collection::vec(prop::collection::btree_set(0..n_up.max(1), 0..=n_up as usize), n_down as usize)
        .prop_map(move |lists| AxisMap::Lists(Arc::new(Table::new(n_up, lists).unwrap())));
    prop_oneof![
        Just(AxisMap::SAME),
        (-4_i64..8, prop_oneof![-3_i64..=-1, 1_i64..=3]).prop_map(|(offset, step)| AxisMap::Affine { offset, step }),
        (1_u32..5).prop_map(|size| AxisMap::Group { size }),
        (1_u32..5).prop_map(|size| AxisMap::Split { size }),
        (0_u32..4, 0_u32..4, any::<bool>()).prop_map(move |(before, after, wraps)| AxisMap::Window {
            before,
            after,
            wraps: wraps && n_up == n_down
        }),
        (0_u64..30, 0_u64..60, 1_u64..9, 1_u64..9).prop_map(|(offset, len, up_size, down_size)| AxisMap::Elements {
            offset,
            len,
            up_size,
            down_size
        }),
        ranges,
        lists,
    ]
}

fn block_axis(n_up: u32, down: Vec<u32>) -> impl Strategy<Value = BlockAxis> {
    let from = (0..down.len())
        .prop_flat_map(move |axis| axis_map(n_up, down[axis]).prop_map(move |map| BlockAxis::From { axis, map }));
    prop_oneof![1 => Just(BlockAxis::All), 1 => (0..n_up).prop_map(BlockAxis::At), 4 => from]
}

fn any_blocks() -> impl Strategy<Value = (u32, u32, Wiring)> {
    let dims = || prop::collection::vec(1_u32..6, 1..4);
    (dims(), dims()).prop_flat_map(|(up, down)| {
        let axes: Vec<_> = up.iter().map(|n_up| block_axis(*n_up, down.clone())).collect();
        axes.prop_map(move |axes| (up.iter().product(), down.iter().product(), blocks(&up, &down, axes)))
    })
}

pub(crate) fn any_wiring() -> impl Strategy<Value = (u32, u32, Wiring)> {
    let table = (1_u32..20, prop::collection::vec(prop::collection::btree_set(0_u32..20, 0..8), 1..20)).prop_map(
        |(n_up, lists)| {
            let n_down = u32::try_from(lists.len()).unwrap();
            let lists = lists.into_iter().map(|list| list.into_iter().filter(move |q| *q < n_up));
            (n_up, n_down, Wiring::Table(Arc::new(Table::new(n_up, lists).unwrap())))
        },
    );
    prop_oneof![
        (0_u32..20).prop_map(|n| (n, n, Wiring::Same)),
        (0_u32..20, 0_u32..20).prop_map(|(n_up, n_down)| (n_up, n_down, Wiring::All)),
        (0_u32..20, 0_u32..20).prop_map(|(n_up, n_down)| (n_up, n_down, Wiring::Exchange(ExchangeKind::Hash))),
        (1_u32..20, 0_u32..20, 0_u32..20).prop_map(|(n_up, n_down, q)| (
            n_up,
            n_down,
            Wiring::Broadcast { partition: q % n_up }
        )),
        (0_u32..50, 1_u32..9).prop_map(|(n, fan_in)| (n, Wiring::tree_n_tasks(n, fan_in), Wiring::Tree { fan_in })),
        table,
        any_blocks(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn every_wiring_is_one_relation_seen_from_both_sides((n_up, n_down, wiring) in any_wiring()) {
        assert_is_relation(&wiring, n_up, n_down);
    }

    #[test]
    fn what_is_said_to_be_the_same_is((n_up, n_down, wiring) in any_wiring()) {
        if wiring.is_same(n_up, n_down) {
            prop_assert_eq!(n_up, n_down);
            prop_assert!((0..n_down).all(|p| inputs(&wiring, n_up, n_down, p) == [p]));
        }
    }

    #[test]
    fn what_a_whole_stage_reads_is_what_its_tasks_read((n_up, n_down, wiring) in any_wiring()) {
        let all: BTreeSet<u32> = (0..n_down).flat_map(|p| inputs(&wiring, n_up, n_down, p)).collect();
        let read = crate::cull::read_by(&wiring, &crate::PartitionSet::all(n_down), n_up, n_down);
        prop_assert_eq!(read.iter().collect::<BTreeSet<_>>(), all);
        let odd: crate::PartitionSet = (0..n_down).filter(|p| p % 2 == 1).collect();
        let by_odd: BTreeSet<u32> = odd.iter().flat_map(|p| inputs(&wiring, n_up, n_down, p)).collect();
        prop_assert_eq!(crate::cull::read_by(&wiring, &odd, n_up, n_down).iter().collect::<BTreeSet<_>>(), by_odd);
    }
}

#[test]
fn a_matrix_product_reads_a_row_and_a_column() {
    // c[i, j] = sum over k of a[i, k] b[k, j], contracted in one step.
    let a = blocks(&[2, 3], &[2, 4], [BlockAxis::same(0), BlockAxis::All]);
    let b = blocks(&[3, 4], &[2, 4], [BlockAxis::All, BlockAxis::same(1)]);
    assert_eq!(inputs(&a, 6, 8, 5), [3, 4, 5]);
    assert_eq!(inputs(&b, 12, 8, 5), [1, 5, 9]);
    assert_is_relation(&a, 6, 8);
    assert_is_relation(&b, 12, 8);
}

#[test]
fn a_transposition_swaps_axes() {
    let wiring = blocks(&[2, 3], &[3, 2], [BlockAxis::same(1), BlockAxis::same(0)]);
    assert_eq!((0..6).flat_map(|p| inputs(&wiring, 6, 6, p)).collect::<Vec<_>>(), [0, 3, 1, 4, 2, 5]);
}

#[test]
fn the_parts_of_a_concatenation_share_the_output() {
    let part = |n, offset| blocks(&[n], &[5], [BlockAxis::From { axis: 0, map: AxisMap::Affine { offset, step: 1 } }]);
    let (first, second) = (part(2, 0), part(3, -2));
    let read = |wiring: &Wiring, n| (0..5).map(|p| inputs(wiring, n, 5, p)).collect::<Vec<_>>();
    assert_eq!(read(&first, 2), [vec![0], vec![1], vec![], vec![], vec![]]);
    assert_eq!(read(&second, 3), [vec![], vec![], vec![0], vec![1], vec![2]]);
}

#[test]
fn uniform_chunks_change_by_overlap() {
    // 100 elements in chunks of 30 (4 blocks), seen from element 10 on in chunks of 25.
    let map = AxisMap::Elements { offset: 10, len: 90, up_size: 30, down_size: 25 };
    let wiring = blocks(&[4], &[4], [BlockAxis::From { axis: 0, map }]);
    assert_eq!(
        (0..4).map(|p| inputs(&wiring, 4, 4, p)).collect::<Vec<_>>(),
        [vec![0, 1], vec![1], vec![2], vec![2, 3]]
    );
}

#[test]
fn a_ring_wraps_at_both_ends() {
    let map = AxisMap::Window { before: 1, after: 1, wraps: true };
    let wiring = blocks(&[4], &[4], [BlockAxis::From { axis: 0, map }]);
    assert_eq!(inputs(&wiring, 4, 4, 0), [3, 0, 1]);
    assert_eq!(inputs(&wiring, 4, 4, 3), [2, 3, 0]);
}

#[test]
fn what_does_not_fit_is_refused() {
    let counts = Err(WiringError::TaskCounts { n_up: 3, n_down: 4, expected_up: 3, expected_down: 3 });
    assert_eq!(Wiring::Same.check(3, 4), counts);
    assert_eq!(Wiring::Tree { fan_in: 0 }.check(3, 4), Err(WiringError::ZeroFanIn));
    let broadcast = Wiring::Broadcast { partition: 3 };
    assert_eq!(broadcast.check(3, 4), Err(WiringError::NoSuchPartition { partition: 3, n_up: 3 }));
    let grid = |dims: &[u32]| Grid::new(dims).unwrap();
    assert_eq!(
        Blocks::new(grid(&[2]), grid(&[2]), [BlockAxis::same(1)]),
        Err(WiringError::NoSuchAxis { axis: 1, n_axes: 1 })
    );
    assert_eq!(Blocks::new(grid(&[2]), grid(&[2]), []), Err(WiringError::AxisCount { n_axes: 0, expected: 1 }));
    assert_eq!(
        Blocks::new(grid(&[2]), grid(&[2]), [BlockAxis::At(2)]),
        Err(WiringError::Axis { axis: 0, problem: AxisProblem::OutOfRange })
    );
    assert_eq!(Grid::new(&[70_000, 70_000]), Err(WiringError::TooLarge));
}
